"""Beta-discrete-Weibull: Fader, Hardie, Liu, Davin & Steenburgh (2018), How to Project Customer Retention Revisited."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, final, override

import numpy as np

from kundenwert.errors import SpecificationError
from kundenwert.models.core import NUMPY, Quantity
from kundenwert.models.families.cohorts import log_rising
from kundenwert.models.families.contracts import BetaChurnModel, ContractParameters
from kundenwert.models.kernels.beta_survival import log_beta_ratio
from kundenwert.models.kernels.sums import summation
from kundenwert.priors import LogNormal, Prior

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from kundenwert.models.core import Array, Functions, History

__all__ = ["BetaDiscreteWeibull"]

CLOSE: Final = 1e-5
LARGEST_SHAPE: Final = 40.0  # beyond, contracts hardly differ in how long they last
DISCOUNT_CUTOFF: Final = 45.0  # exp(-45) is below the last digit
LARGEST_LOG_POWER: Final = 300.0  # beyond, S(t) is a power of t^c to all digits, and products would overflow
MOST_DIGITS: Final = 290.0  # of a number of renewals
LARGEST_ERROR: Final = 1e-9  # of a sum for life
SMALLEST: Final = 1e-300
AT_ONCE: Final = 2**14  # terms of sums taken together, so that they stay in the cache
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
        churn = f.log(-f.expm1(_log_survival(gamma, delta, c, t, 1.0, f=f)))
        survived: Array = _log_survival(gamma, delta, c, np.zeros_like(t), t, f=f)
        return survived + f.where(h["ended"] > 0, churn, 0.0)

    @override
    def log_retention(self, gamma: Array, delta: Array, shared: Sequence[Array], renewals: int) -> Array:
        """Of S(t + 1)/S(t), S(t) = B(gamma, delta + t^c)/B(gamma, delta)."""
        (c,) = shared
        ages = np.arange(renewals + 1.0)[:, None]
        powers = np.where(ages > 0, np.exp(c * np.log(np.maximum(ages, 1))), 0.0)
        log_r = -np.diff(log_rising(gamma, delta + powers), axis=0)
        t, point = np.nonzero(-log_r < CLOSE * (1 + gamma))  # where little but the error of a difference is left
        log_r[t, point] = _log_survival(gamma[point], delta[point], c[point], t.astype(np.float64), 1.0, f=NUMPY)
        return log_r

    @override
    def living(self, theta: tuple[Array, ...], cohort: NDArray[np.int64], tenure: Array) -> WeibullContract:
        gammas, deltas, (c,), _ = self.parts(theta)
        return WeibullContract(NUMPY.choose(gammas, cohort), NUMPY.choose(deltas, cohort), c, tenure)

    @override
    def simulate(
        self, theta: tuple[Array, ...], cohort: NDArray[np.int64], rng: np.random.Generator
    ) -> NDArray[np.int64]:
        ends = self.living(theta, cohort, np.zeros(len(cohort))).simulate(rng)
        return np.minimum(ends, LONGEST).astype(np.int64)


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

    def simulate(self, rng: np.random.Generator) -> Array:
        """The renewal at which each contract ends, counted from now.

        The j at which (t + j)^c exceeds t^c + X first, where X is exponential, given a churn probability that is
        Beta(gamma, delta + t^c).
        """
        # powers so large that only X/t^c matters, which then no longer depends on them, to all digits
        known, renewed = np.maximum(self.tenure, 1.0), self.tenure > 0
        age = np.exp(np.minimum(self.c * np.log(known), LARGEST_LOG_POWER))
        churn = rng.beta(self.gamma, self.delta + np.where(renewed, age, 0.0))
        with np.errstate(divide="ignore", over="ignore"):  # those who never leave, or leave for certain
            power = rng.standard_exponential(churn.shape) / -np.log1p(-churn)
            longer = known * np.expm1(np.log1p(power / age) / self.c)
            return np.maximum(np.ceil(np.where(renewed, longer, power ** (1 / self.c))), 1)

    def _sum(self, rate: float, last: float, shape: tuple[int, ...]) -> Array:
        total = np.zeros(shape)
        # the larger c, the steeper the fall: about as narrow on the logarithm as a peak of order c^2
        nodes, weights = summation(last - 1, peak=math.ceil(float(self.c.max())) ** 2)
        size = max(1, AT_ONCE // math.prod(shape))
        for i in range(0, len(nodes), size):
            j = nodes[i : i + size].reshape(-1, *(1 for _ in shape)) + 1
            total += np.tensordot(weights[i : i + size], np.exp(self._log_survival(j) - rate * j), axes=1)
        return total

    def _forever(self, shape: tuple[int, ...]) -> Array:
        """The sum without an end; beyond `last`, an integral of a power of t; NaN if too large for a number."""
        power = self.tail_index()
        finite = np.broadcast_to(power > 1, shape)
        slowest = float(np.min(np.broadcast_to(self.c, shape)[finite], initial=LARGEST_SHAPE))
        # S is a power of t, to 13 digits, where t^c is so much larger than the square of the shapes
        digits = 13 + math.log10(1 + float(np.max((self.gamma + self.delta) ** 2)))
        last = math.floor(float(np.max(self.tenure)) + 10 ** min(MOST_DIGITS, digits / slowest))
        total = self._sum(0.0, last, shape)
        rest = self.survival(last + 0.5) * (self.tenure + last + 0.5) / np.where(finite, power - 1, 1.0)
        # without enough digits for `last`, S is no power of t there
        far = np.exp(np.minimum(self.c * math.log(last), LARGEST_LOG_POWER))
        off = self.gamma * ((self.gamma + 2 * self.delta) / far) * (rest / np.maximum(total + rest, SMALLEST))
        return np.where(finite, np.where(off < LARGEST_ERROR, total + rest, np.nan), np.inf)

    def _log_survival(self, ahead: Array | float) -> Array:
        return np.asarray(_log_survival(self.gamma, self.delta, self.c, self.tenure, ahead, f=NUMPY))


def _log_survival(gamma: Any, delta: Any, c: Any, t: Array, ahead: Array | float, *, f: Functions) -> Any:
    """Log of S(t + ahead)/S(t), where t and ahead are whole: B(gamma, delta + (t + ahead)^c)/B(gamma, delta + t^c).

    Once t^c is beyond all shapes S(t) is t^(-c gamma), to all digits, and there the powers need not be known.
    """
    known, renewed = np.maximum(t, 1.0), t > 0
    log_age = f.minimum(c * np.log(known), LARGEST_LOG_POWER)
    growth = c * np.where(renewed, np.log1p(ahead / known), np.log(np.maximum(ahead, 1.0)))  # of log t^c
    within = f.minimum(growth, LARGEST_LOG_POWER - log_age)
    age, more = f.exp(log_age), f.exp(log_age) * f.expm1(within)
    step = f.where(renewed, more, f.where(np.asarray(ahead) > 0, age + more, 0.0))
    return log_beta_ratio(gamma, delta + f.where(renewed, age, 0.0), step, f) - gamma * (growth - within)
