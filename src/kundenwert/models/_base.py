"""What a model is: the contract that inference, posteriors and tests rely on.

A model is a frozen dataclass of priors. It says which columns of a history it needs, which quantities describe the
population (each with a prior, on a scale that does not depend on the time unit), how these become the parameters of
the published formulas, and what follows for a customer.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, final

import numpy as np
from scipy.special import expit, logit

from kundenwert.duration import check_unit
from kundenwert.errors import SpecificationError
from kundenwert.priors import Flat, Prior

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from kundenwert.duration import TimeUnit
    from kundenwert.histories import Cells, HistoryColumn
    from kundenwert.models._functions import Array, Functions, History

__all__ = [
    "AliveCustomer",
    "FixedParameters",
    "Model",
    "PurchaseModel",
    "Purchases",
    "Quantity",
    "SpendModel",
    "check_model",
    "check_positive",
]


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
    is_probability
        Whether it lies in (0, 1); otherwise it is positive. Inference works on its logit or its logarithm.
    """

    name: str
    prior: Prior
    guess: float
    is_probability: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.prior, Prior):
            message = f"{self.name} takes a prior such as kundenwert.LogNormal(mu, sigma), got {self.prior!r}"
            raise SpecificationError(message)
        if not isinstance(self.prior, Flat) and self.prior.on_unit_interval != self.is_probability:
            kind = (
                "a probability: use LogitNormal or Beta" if self.is_probability else "positive: use LogNormal or Gamma"
            )
            message = f"{type(self.prior).__name__} does not fit {self.name}, which is {kind}"
            raise SpecificationError(message)

    def value(self, coordinate: Array) -> Array:
        """The quantity at an unbounded coordinate."""
        with np.errstate(over="ignore"):
            return np.asarray(expit(coordinate) if self.is_probability else np.exp(coordinate))

    def coordinate(self, value: Array) -> Array:
        """The unbounded coordinate of the quantity: logit or logarithm."""
        return np.asarray(logit(value) if self.is_probability else np.log(value))


class Model[P: tuple[Array, ...]](ABC):
    """A model of the population; `P` is the named tuple of its parameters.

    Every array method is pure. `theta` holds parameter draws of shape (draws,), histories have shape (cells, 1).
    """

    __slots__ = ()

    needs: ClassVar[tuple[HistoryColumn, ...]]
    """Columns of a history that the likelihood depends on."""

    parameter_names: ClassVar[tuple[str, ...]]
    """Names of the published parameters, in the order of `P`."""

    @property
    @abstractmethod
    def quantities(self) -> tuple[Quantity, ...]:
        """The quantities that describe the population, with their priors."""

    @abstractmethod
    def prepared(self, cells: Cells) -> Self:
        """The model with what its priors take from the data filled in (a money scale, say)."""

    @abstractmethod
    def informative(self, cells: Cells) -> NDArray[np.bool_]:
        """Which cells enter the likelihood, shape (cells,)."""

    @abstractmethod
    def parameters_of(self, quantities: Sequence[Array], unit: TimeUnit) -> P:
        """Published parameters in the given time unit; arithmetic only, so that PyTensor can do it too."""

    @abstractmethod
    def quantities_of(self, theta: P, unit: TimeUnit) -> tuple[Array, ...]:
        """Inverse of :meth:`parameters_of`."""

    @abstractmethod
    def named(self, values: Sequence[Array]) -> P:
        """Parameters from their values in the order of `parameter_names`."""

    @abstractmethod
    def log_likelihood(self, theta: P, h: History, f: Functions) -> Array:
        """Log-likelihood of each distinct history, shape (cells, draws)."""


class FixedParameters[M: Model[Any]](ABC):
    """Parameters at given values, as published: a frozen dataclass with one field a parameter, and a unit."""

    __slots__ = ()

    unit: TimeUnit

    @abstractmethod
    def model(self) -> M:
        """Model the parameters belong to."""


def check_positive(parameters: FixedParameters[Any], names: Sequence[str]) -> None:
    """Refuse parameters that are not positive, finite numbers, and unknown units."""
    for name in names:
        value = getattr(parameters, name)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not (math.isfinite(value) and value > 0):
            message = f"{type(parameters).__qualname__}: {name} must be a positive number, got {value!r}"
            raise SpecificationError(message)
    check_unit(parameters.unit)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Purchases:
    """Simulated repeat purchases, in order of customer and time.

    Parameters
    ----------
    customer
        Position of the customer, shape (purchases,).
    time
        Time since the first purchase, same shape.
    """

    customer: NDArray[np.int64]
    time: Array


class AliveCustomer(Protocol):
    """What is expected of customers who are alive at T; arrays share the shape of the parameters given."""

    def within(self, error: float) -> Self:
        """The same customers, with expectations good to about this relative error, for speed."""

    def survival(self, ahead: float) -> Array:
        """P(still alive at T + ahead)."""

    def purchases(self, start: float, horizon: float) -> Array:
        """Expected purchases in (T + start, T + start + horizon]."""

    def returns(self, horizon: float) -> Array:
        """P(at least one purchase in (T, T + horizon])."""

    def count_probability(self, count: int, horizon: float) -> Array:
        """P(exactly `count` purchases in (T, T + horizon])."""

    def discounted_purchases(self, rate: float, horizon: float) -> Array:
        """Expected purchases in (T, T + horizon], one at u after T counting exp(-rate u); may be inf at rate 0."""


class PurchaseModel[P: tuple[Array, ...]](Model[P]):
    """A model of when customers buy and when they leave.

    Given that a customer is alive, the future depends on (x, T) alone, so every expectation is
    P(alive | x, t_x, T) times a quantity of :meth:`alive`.
    """

    __slots__ = ()

    @abstractmethod
    def p_alive(self, theta: P, h: History, f: Functions) -> Array:
        """P(alive at T | history), shape (cells, draws)."""

    @abstractmethod
    def alive(self, theta: P, x: Array, T: Array) -> AliveCustomer:
        """Customers with `x` repeat purchases who are alive at `T`."""

    @abstractmethod
    def time_scale(self, theta: P) -> float:
        """A typical time below which T hardly matters: where to resolve functions of T finely."""

    @abstractmethod
    def simulate(self, theta: P, T: Array, rng: np.random.Generator) -> Purchases:
        """Repeat purchases of customers observed for `T`; `theta` is scalar or has one entry a customer."""


class SpendModel[P: tuple[Array, ...]](Model[P]):
    """A model of how much customers spend at a purchase."""

    __slots__ = ()

    @abstractmethod
    def expected_spend(self, theta: P, x: Array, total: Array) -> Array:
        """Expected amount of a purchase given `x` repeat purchases with sum `total`; inf where there is no mean."""

    @abstractmethod
    def without_mean(self, theta: P, x: Array, margin: float = 0.0) -> NDArray[np.bool_]:
        """Where the expected amount is infinite, or would be if the tail index were lower by `margin`."""

    @abstractmethod
    def median_spend(self, theta: P, x: Array, total: Array) -> Array:
        """Median over customers with this history of their mean amount: finite where the mean is not."""

    @abstractmethod
    def simulate(self, theta: P, customer: NDArray[np.int64], rng: np.random.Generator) -> Array:
        """Amount of each purchase of the given customers (positions), shape of `customer`."""


def check_model(model: object) -> None:
    """Refuse what is not a purchase or spend model."""
    if isinstance(model, type):
        message = f"expected a model, got the class {model.__name__}; write {model.__name__}()"
        raise SpecificationError(message)
    if not isinstance(model, (PurchaseModel, SpendModel)):
        message = f"expected a model such as kundenwert.MBGNBD() or kundenwert.GammaGamma(), got {model!r}"
        raise SpecificationError(message)
