"""Beta-discrete-Weibull: Fader, Hardie, Liu, Davin & Steenburgh (2018), How to Project Customer Retention Revisited."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, final, override

import numpy as np

from kundenwert.errors import SpecificationError
from kundenwert.models.core import NUMPY, Quantity
from kundenwert.models.families.contracts import BetaChurnModel, ContractParameters
from kundenwert.models.kernels.beta_survival import log_beta_ratio
from kundenwert.models.kernels.sums import summation
from kundenwert.priors import LogNormal, Prior

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kundenwert.models.core import Array, Functions, History

__all__ = ["BetaDiscreteWeibull"]

LARGEST_SHAPE: Final = 40.0  # beyond, t^c has no floating-point number for contracts that last
DISCOUNT_CUTOFF: Final = 45.0  # exp(-45) is below the last digit
LARGEST_LOG_POWER: Final = 300.0  # beyond, S(t) is a power of t^c to all digits, and products would overflow
MOST_DIGITS: Final = 290.0  # of a number of renewals; beyond, a sum for life has no share worth mentioning
LONGEST: Final = 2.0**62  # renewals; a simulated contract that lasts longer ends there


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class BetaDiscreteWeibull(BetaChurnModel):
    """A contract survives t renewals with probability (1 - theta)^(t^c), where theta differs between contracts.

    theta ~ Beta(gamma, delta) within a cohort. The shape c says how the churn probability of a *single* contract
    changes: below 1 it falls with tenure (habit), above 1 it rises (weariness), and at 1 this is the shifted
    beta-geometric. All cohorts share c.

    Parameters
    ----------
    mean_churn : Prior
        Mean churn probability at the first renewal, gamma/(gamma + delta); with several cohorts, that of a typical one.
    concentration : Prior
        gamma + delta; large means that all contracts of a cohort have about the same churn probability. With several
        cohorts, that of a typical one.
    c : Prior
        Shape of the duration dependence.
    mean_churn_spread, concentration_spread : Prior
        With several cohorts: standard deviation of the logit of their mean churn, and of the logarithm of their
        concentration.
    cohorts : sequence of labels
        The cohorts; those of the histories by default.
    anchors : sequence
        Set by the fit, which samples on coordinates that suit the data; of no influence on the posterior.

    Notes
    -----
    Source: Fader, Hardie, Liu, Davin & Steenburgh (2018), Journal of Interactive Marketing 43, 1-16.
    """

    c: Prior = LogNormal(0, 0.5)

    @final
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Parameters(ContractParameters["BetaDiscreteWeibull"]):
        """Given values of gamma, delta and c."""

        c: float

        def __post_init__(self) -> None:
            super(BetaDiscreteWeibull.Parameters, self).__post_init__()
            if self.c > LARGEST_SHAPE:
                message = f"BetaDiscreteWeibull.Parameters: c is at most {LARGEST_SHAPE:g} here, got {self.c!r}"
                raise SpecificationError(message)

        @override
        def model(self) -> BetaDiscreteWeibull:
            return BetaDiscreteWeibull()

    @property
    @override
    def shared(self) -> tuple[Quantity, ...]:
        return (Quantity("c", self.c, 1.0),)

    @override
    def log_likelihood(self, theta: tuple[Array, ...], h: History, f: Functions) -> Array:
        """Log S(t) for active contracts, log(S(t) - S(t + 1)) for those that ended at renewal t + 1."""
        gammas, deltas, (c,), _ = self.parts(theta)
        cohort, t = h["cohort"].astype(np.int64), h["tenure"]
        gamma, delta = f.choose(gammas, cohort), f.choose(deltas, cohort)
        age = _power(t, c, f)
        churn = f.log(-f.expm1(log_beta_ratio(gamma, delta + age, _step(t, 1.0, c, f), f)))
        survived: Array = log_beta_ratio(gamma, delta, age, f)
        return survived + f.where(h["ended"] > 0, churn, 0.0)

    @override
    def living(self, theta: tuple[Array, ...], cohort: NDArray[np.int64], tenure: Array) -> WeibullContract:
        gammas, deltas, (c,), _ = self.parts(theta)
        return WeibullContract(NUMPY.choose(gammas, cohort), NUMPY.choose(deltas, cohort), c, tenure)

    @override
    def simulate(
        self, theta: tuple[Array, ...], cohort: NDArray[np.int64], rng: np.random.Generator
    ) -> NDArray[np.int64]:
        gammas, deltas, (c,), _ = self.parts(theta)
        churn = rng.beta(np.stack(gammas)[cohort], np.stack(deltas)[cohort])
        with np.errstate(divide="ignore", over="ignore"):  # those who never leave, or leave for certain
            renewal = np.ceil((rng.exponential(size=len(cohort)) / -np.log1p(-churn)) ** (1 / c))
        return np.clip(renewal, 1, LONGEST).astype(np.int64)


@final
@dataclass(frozen=True, slots=True)
class WeibullContract:
    """Active contracts with shapes gamma, delta and c after `tenure` renewals."""

    gamma: Array
    delta: Array
    c: Array
    tenure: Array

    def survival(self, ahead: float) -> Array:
        """P(still active `ahead` renewals later): B(gamma, delta + (t + ahead)^c)/B(gamma, delta + t^c)."""
        return np.asarray(np.exp(self._log_survival(ahead)))

    def churn(self, ahead: float) -> Array:
        """P(ended `ahead` renewals later)."""
        return np.asarray(-np.expm1(self._log_survival(ahead)))

    def tail_index(self) -> Array:
        """Survival falls like t^-(c gamma)."""
        return np.asarray(self.c * self.gamma)

    def renewals(self, rate: float, horizon: float) -> Array:
        """Expected renewals among the next `horizon`, the j-th counting exp(-rate j); inf at rate 0 where c gamma <= 1.

        The sum of exp(-rate j) S(t + j)/S(t), term by term at first and then by Gaussian quadrature for sums. For life
        and without discounting it goes on until S falls like t^(-c gamma), and the rest is added in closed form.
        """
        shape = np.broadcast_shapes(self.gamma.shape, self.c.shape, self.tenure.shape)
        if horizon == 0:
            return np.zeros(shape)
        if rate == 0 and math.isinf(horizon):
            return self._forever(shape)
        last = min(horizon, math.inf if rate == 0 else max(1.0, DISCOUNT_CUTOFF / rate))
        return self._sum(rate, last, shape)

    def _sum(self, rate: float, last: float, shape: tuple[int, ...]) -> Array:
        total = np.zeros(shape)
        for node, weight in zip(*summation(last - 1), strict=True):
            total += weight * np.exp(self._log_survival(node + 1) - rate * (node + 1))
        return total

    def _forever(self, shape: tuple[int, ...]) -> Array:
        """The sum without an end; beyond `last`, an integral of a power of t."""
        power = self.tail_index()
        finite = np.broadcast_to(power > 1, shape)
        slowest = float(np.min(np.broadcast_to(self.c, shape)[finite], initial=LARGEST_SHAPE))
        # S is a power of t, to 13 digits, where t^c is so much larger than the square of the shapes
        digits = 13 + math.log10(1 + float(np.max((self.gamma + self.delta) ** 2)))
        last = math.floor(float(np.max(self.tenure)) + 10 ** min(MOST_DIGITS, digits / slowest))
        total = self._sum(0.0, last, shape)
        rest = self.survival(last + 0.5) * (self.tenure + last + 0.5) / np.where(finite, power - 1, 1.0)
        return np.where(finite, total + rest, np.inf)

    def _log_survival(self, ahead: float) -> Array:
        known = np.maximum(self.tenure, 1.0)
        log_age, log_end = self.c * np.log(known), self.c * np.log(np.maximum(self.tenure + ahead, 1.0))
        beyond = log_end > LARGEST_LOG_POWER
        c = np.where(beyond, 1.0, self.c)
        age, step = _power(self.tenure, c, NUMPY), _step(self.tenure, ahead, c, NUMPY)
        near = np.asarray(log_beta_ratio(self.gamma, self.delta + age, step, NUMPY))
        if not beyond.any():
            return near
        # powers so large that S is a power of them, to all digits
        age = np.where(self.tenure > 0, np.exp(np.minimum(log_age, LARGEST_LOG_POWER)), 0.0)
        step = np.exp(np.minimum(log_end, LARGEST_LOG_POWER)) - age
        within = log_beta_ratio(self.gamma, self.delta + age, np.maximum(step, 0.0), NUMPY)
        after = np.maximum(log_end - np.maximum(log_age, LARGEST_LOG_POWER), 0.0)
        return np.where(beyond, within - self.gamma * after, near)


def _power(t: Array, c: Any, f: Functions) -> Any:
    """t^c, 0 for t = 0."""
    return f.where(t > 0, f.exp(c * np.log(np.maximum(t, 1.0))), 0.0)


def _step(t: Array, ahead: float, c: Any, f: Functions) -> Any:
    """(t + ahead)^c - t^c without cancellation."""
    known = np.maximum(t, 1.0)
    grown = f.exp(c * np.log(known)) * f.expm1(c * np.log1p(ahead / known))
    return f.where(t > 0, grown, f.exp(c * math.log(ahead)) if ahead > 0 else 0.0)
