"""What describes the population of customers, and what is believed about it beforehand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np
from scipy.special import expit, logit

from kundenwert.errors import SpecificationError
from kundenwert.priors import Prior

if TYPE_CHECKING:
    from kundenwert.models.core.functions import Array
    from kundenwert.priors import Support

__all__ = ["Quantity"]


@final
@dataclass(frozen=True, slots=True)
class Quantity:
    """A quantity that describes the population, with its prior.

    Parameters
    ----------
    name
        Name in tables.
    prior
        Its prior.
    guess
        A typical value, where the search for the posterior's mode starts.
    support
        Where it lies. Inference works on the logarithm of what is positive, the logit of a probability, and on any
        other real number as it is.
    """

    name: str
    prior: Prior
    guess: float
    support: Support = "positive"

    def __post_init__(self) -> None:
        if not isinstance(self.prior, Prior):
            message = f"{self.name} takes a prior such as kundenwert.LogNormal(mu, sigma), got {self.prior!r}"
            raise SpecificationError(message)
        if self.prior.support not in {None, self.support}:
            fitting = {
                "positive": "positive: use LogNormal, Gamma or HalfNormal",
                "probability": "a probability: use LogitNormal or Beta",
                "real": "any real number: use Normal or Logistic",
            }
            message = f"{type(self.prior).__name__} does not fit {self.name}, which is {fitting[self.support]}"
            raise SpecificationError(message)

    def value(self, coordinate: Array) -> Array:
        """The quantity at an unbounded coordinate."""
        match self.support:
            case "positive":
                with np.errstate(over="ignore"):
                    return np.asarray(np.exp(coordinate))
            case "probability":
                return np.asarray(expit(coordinate))
            case "real":
                return np.asarray(coordinate)

    def coordinate(self, value: Array) -> Array:
        """The unbounded coordinate of the quantity: logarithm, logit or itself."""
        match self.support:
            case "positive":
                return np.asarray(np.log(value))
            case "probability":
                return np.asarray(logit(value))
            case "real":
                return np.asarray(value)
