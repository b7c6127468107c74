"""What BG/CNBD-k and MBG/CNBD-k share: gaps of k stages, which make purchases more regular than random ones.

The sum of k independent exponential stages is an Erlang-k gap. Counts of such purchases follow the condensed negative
binomial distribution (CNBD) of Chatfield & Goodhardt (1973), hence the name.
"""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any, ClassVar, override

import numpy as np
from scipy.special import expit

from kundenwert.duration import steps_per_unit
from kundenwert.errors import MissingInformationError, SpecificationError
from kundenwert.histories import CustomerHistories
from kundenwert.models.core import Model, Purchases
from kundenwert.models.families.beta_geometric import (
    CONCENTRATION,
    MEAN_DROPOUT,
    MEAN_RATE,
    SHAPE,
    BetaGeometric,
    BetaGeometricParameters,
    LeavingModel,
    simulate,
)
from kundenwert.models.kernels.beta_erlang import BetaErlang
from kundenwert.models.kernels.beta_mixture import BetaMixture
from kundenwert.scalars import is_whole

if TYPE_CHECKING:
    from kundenwert.histories import Histories
    from kundenwert.models.core import Array, Functions, History
    from kundenwert.priors import Prior

__all__ = ["CondensedModel", "CondensedParameters"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CondensedParameters[M: Model[Any]](BetaGeometricParameters[M]):
    """Given values of k, r, alpha, a and b; alpha in `unit`."""

    k: int = 2

    def __post_init__(self) -> None:
        _settle_k(self, self.k)
        BetaGeometricParameters.__post_init__(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class CondensedModel(LeavingModel):
    """Stages of a gap, and priors on the mean purchase rate, its shape, the mean dropout and its concentration."""

    k: int = 2
    mean_rate: Prior = MEAN_RATE
    shape: Prior = SHAPE
    mean_dropout: Prior = MEAN_DROPOUT
    concentration: Prior = CONCENTRATION

    first: ClassVar[int]
    """How many chances to leave the first purchase is: 0 or 1."""

    def __post_init__(self) -> None:
        _settle_k(self, self.k)
        _ = self.quantities  # a prior that does not fit is an error now, not at the fit

    @property
    @override
    def stages(self) -> int:
        return self.k

    @property
    @override
    def priors(self) -> tuple[Prior, Prior, Prior, Prior]:
        return self.mean_rate, self.shape, self.mean_dropout, self.concentration

    @override
    def log_likelihood(self, theta: BetaGeometric, h: History, f: Functions) -> Array:
        """Log-likelihood of x, t_x and T: alive in one of k phases of the open gap, or gone after the last purchase."""
        r, alpha, a, b = theta
        of_x = h.map(
            "x",
            lambda x: (
                f.gammaln(r + self.k * x)
                - f.gammaln(r)
                + r * f.log(alpha)
                + (f.gammaln(b + x + self.first) - f.gammaln(a + b + x + self.first))
                - (f.gammaln(b) - f.gammaln(a + b))
            ),
        )
        log_age = h.map("T", lambda T: f.log(alpha + T))
        log_phases = f.log(reduce(operator.add, self._phases(theta, h)))
        gone = self._log_gone(theta, h, f)
        return of_x - (r + self.k * h["x"]) * log_age + log_phases + f.softplus(gone - log_phases)

    @override
    def p_states(self, theta: BetaGeometric, h: History, f: Functions) -> Array:
        *phases, log_gone = np.broadcast_arrays(*self._phases(theta, h), self._log_gone(theta, h, f))
        in_any = reduce(operator.add, phases)
        return np.asarray(expit(np.log(in_any) - log_gone) * (np.stack(phases) / in_any))

    @override
    def log_constant(self, histories: Histories) -> Array:
        """Sum of (k - 1) ln gap, less x ln Gamma(k); gaps in the unit of the histories."""
        if self.k == 1 or not isinstance(histories, CustomerHistories) or not histories.frequency.any():
            return np.zeros(len(histories))
        if histories.gaps is None or histories.steps is None:
            message = (
                f"the log-likelihood of {type(self).__name__}(k={self.k}) is a density of the single gaps between "
                "purchases, which a ready-made table of histories does not hold; to compare models make the histories "
                "from the log with kundenwert.summarize. Fits and predictions do not need it"
            )
            raise MissingInformationError(message)
        gaps = histories.gaps.values / steps_per_unit(histories.unit, histories.steps.resolution)
        customer = np.repeat(np.arange(len(histories)), np.diff(histories.gaps.offsets))
        log_gaps = np.bincount(customer, np.log(gaps), len(histories))
        return np.asarray((self.k - 1) * log_gaps - histories.frequency * math.lgamma(self.k))

    @override
    def alive(self, theta: BetaGeometric, x: Array, T: Array) -> tuple[BetaMixture | BetaErlang, ...]:
        r, alpha, a, b = theta
        n, A, b_alive = r + self.k * x, alpha + T, b + x + self.first
        if self.k == 1:
            return (BetaMixture(n=n, A=A, a=a, b=b_alive),)
        return tuple(BetaErlang(k=self.k, phase=j, n=n + j, A=A, a=a, b=b_alive) for j in range(self.k))

    @override
    def simulate(self, theta: BetaGeometric, T: Array, rng: np.random.Generator) -> Purchases:
        return simulate(theta, T, rng, leave_after_first=self.first == 1, stages=self.k)

    def _phases(self, theta: BetaGeometric, h: History) -> list[Array]:
        """Weights Gamma(n+j)/(Gamma(n) j!) ((T-t_x)/(alpha+T))^j of the phases j of the open gap; that of 0 is 1."""
        n, open_share = theta.r + self.k * h["x"], (h["T"] - h["t_x"]) / (theta.alpha + h["T"])
        weights = [1.0 + 0.0 * open_share]
        for j in range(1, self.k):
            weights.append(weights[-1] * ((n + (j - 1)) / j * open_share))
        return weights

    def _log_gone(self, theta: BetaGeometric, h: History, f: Functions) -> Array:
        """Log-odds of having left after the last purchase against being alive in phase 0."""
        r, alpha, a, b = theta

        def dropout(x: Array) -> Array:
            chances = x + self.first
            return f.where(chances > 0, f.log(a) - f.log(b + f.where(chances > 0, chances - 1, 0.0)), -math.inf)

        n = r + self.k * h["x"]
        return h.map("x", dropout) + n * f.log1p((h["T"] - h["t_x"]) / (alpha + h["t_x"]))


def _settle_k(thing: object, k: object) -> None:
    if not is_whole(k) or k < 1:
        message = (
            f"{type(thing).__qualname__}: k, the number of stages of a gap, must be a positive whole number, got {k!r}"
        )
        raise SpecificationError(message)
    object.__setattr__(thing, "k", int(k))
