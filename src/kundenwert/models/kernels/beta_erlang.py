"""A living customer of BG/CNBD-k or MBG/CNBD-k: purchases of which each takes k stages.

Given that a customer is alive at T with `phase` of the k stages of the open gap done, the rate of stages is
Gamma(n, A), n = r + k x + phase, and the dropout probability p after each purchase is Beta(a, b), independently: the
likelihood of that is lambda^(k x + phase) exp(-lambda T) (1 - p)^(chances to leave), times what holds neither.

The number N of stages ended u later is negative binomial with shape n and odds v = u/A. The m-th purchase is stage
m k - phase. Two ways to add up are in stages.py; the time ahead is integrated with nodes of time_nodes.py, and for
life, with discounting, there is an average over lambda and p.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np
from scipy.special import betainc, gammaln, psi

from kundenwert.models.kernels.beta_average import beta_nodes, in_parts
from kundenwert.models.kernels.simulation import stages_after_stages
from kundenwert.models.kernels.stages import ByCount, ByRoots, stages_to_add
from kundenwert.models.kernels.sums import log_binomial
from kundenwert.models.kernels.time_nodes import DISCOUNT_CUTOFF, time_nodes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kundenwert.models.core import Array, Purchases
    from kundenwert.models.kernels.stages import Kernel

__all__ = ["BetaErlang"]

ERROR: Final = 1e-10
MOST_STAGES: Final = 400  # times k: with more to add up, roots of unity are faster
LARGEST_EXPONENT: Final = 600.0


@final
@dataclass(frozen=True)
class BetaErlang:
    """A customer alive at T with `phase` of `k` stages done, rate of stages Gamma(n, A) and dropout Beta(a, b).

    Arrays broadcast against each other; every method returns their common shape.

    Parameters
    ----------
    k
        Stages of a gap.
    phase
        How many of them are done in the open gap: 0 … k - 1.
    n
        Shape of the rate of stages: r + k x + phase.
    A
        Rate of that rate, in units of time: alpha + T.
    a, b
        Shapes of the dropout probability: a and b + x (BG/CNBD-k) or b + x + 1 (MBG/CNBD-k).
    error
        Largest relative error wanted; less work serves for a larger one.
    """

    k: int
    phase: int
    n: Array
    A: Array
    a: Array
    b: Array
    error: float = ERROR

    def __post_init__(self) -> None:
        for name, value in zip("nAab", np.broadcast_arrays(self.n, self.A, self.a, self.b), strict=True):
            object.__setattr__(self, name, value)

    def within(self, error: float) -> BetaErlang:
        """The same customers, with expectations to about this relative error."""
        return replace(self, error=error)

    def take(self, chosen: Any) -> BetaErlang:
        """The customers at these places, in one dimension."""
        return replace(self, n=self.n[chosen], A=self.A[chosen], a=self.a[chosen], b=self.b[chosen])

    @in_parts
    def survival(self, ahead: float) -> Array:
        """P(alive at T + ahead): E[(1 - p)^floor((N + phase)/k)]."""
        if ahead == 0:
            return np.ones(self.n.shape)
        return self._evaluated(ahead / self.A, lambda _, kernel: kernel.survival())

    @in_parts
    def purchases(self, start: float, horizon: float) -> Array:
        """Expected purchases in (T + start, T + start + horizon]."""
        if horizon == 0:
            return np.zeros(self.n.shape)
        if start > 0:
            return self._integrated(start, horizon, 0.0)
        return self._evaluated(horizon / self.A, lambda _, kernel: kernel.purchases())

    def returns(self, horizon: float) -> Array:
        """P(at least one purchase in (T, T + h]) = P(N >= k - phase): it comes before dropout."""
        return np.asarray(betainc(self.k - self.phase, self.n, horizon / (self.A + horizon)))

    def count_probability(self, count: int, horizon: float) -> Array:
        """P(exactly `count` purchases in (T, T + horizon]).

        Either still alive after them, or dropped out right after the last of them.
        """
        n, a, b = self.n, self.a, self.b
        needed = count * self.k - self.phase
        odds = horizon / (self.A + horizon)
        start = max(needed, 0)
        with np.errstate(divide="ignore"):
            log_term = start * np.log(odds) if start else np.zeros(n.shape)
        log_term += log_binomial(n, start) - n * np.log1p(horizon / self.A)
        term = np.exp(log_term)
        exactly = term
        for i in range(start + 1, needed + self.k):
            term = term * (odds * (n + (i - 1)) / i)
            exactly = exactly + term
        if count == 0:
            return np.asarray(exactly)
        stayed = np.ones(n.shape)  # after all but the last
        for m in range(count - 1):
            stayed *= (b + m) / (a + b + m)
        m = count - 1
        return np.asarray(stayed * ((b + m) * exactly + a * betainc(needed, n, odds)) / (a + b + m))

    @in_parts
    def discounted_purchases(self, rate: float, horizon: float) -> Array:
        """Expected purchases in (T, T + horizon], each worth exp(-rate u) when it happens u after T.

        For life they are 1/p without discounting, on average (a + b - 1)/(a - 1), infinite where a <= 1; with it
        v^(k - phase)/(1 - (1 - p) v^k), v = lambda/(lambda + rate).
        """
        if rate == 0:
            if math.isinf(horizon):
                with np.errstate(divide="ignore"):
                    return np.where(self.a > 1, (self.a + self.b - 1) / np.maximum(self.a - 1, 0), np.inf)
            return self.purchases(0.0, horizon)
        if horizon == 0:
            return np.zeros(self.n.shape)
        if rate * horizon < DISCOUNT_CUTOFF:
            return self._integrated(0.0, horizon, rate)
        nodes = beta_nodes(self.a, self.b, (self.n + 10) / (rate * self.A), self.error)
        total = np.zeros(self.n.shape)
        for lam, weight in self._rates(rate * self.A):
            log_v = -np.log1p(rate * self.A / lam)
            v_k, rest = np.exp(self.k * log_v), -np.expm1(self.k * log_v)
            lifetime = (nodes.weight / (rest[..., None] + v_k[..., None] * nodes.p)).sum(axis=-1)
            total += weight * np.exp((self.k - self.phase) * log_v) * lifetime
        return total

    def simulate(self, horizon: float, rng: np.random.Generator) -> Purchases:
        """Purchases in (T, T + horizon]; k - phase stages are missing for the first, and k for each later one."""
        return stages_after_stages((self.n, self.A, self.a, self.b), self.k, self.phase, horizon, rng)

    def _integrated(self, start: float, horizon: float, rate: float) -> Array:
        """Integral of exp(-rate u) times the intensity of purchases at u, from start to start + horizon."""

        def integral(customer: BetaErlang, kernel: Kernel) -> Array:
            A = customer.A + start
            total = np.zeros(A.shape)
            steepness = 2 * customer.n + 2 + rate * A
            for later, weight in time_nodes(horizon / A, steepness, self.error, waves=max(1, 0.5 * self.k)):
                u = start + A * later
                total += weight * np.exp(-rate * u) * A / customer.A * kernel.intensity(u / customer.A)
            return total

        return self._evaluated((start + horizon) / self.A, integral)

    def _evaluated(self, reach: Array, formula: Callable[[BetaErlang, Kernel], Array]) -> Array:
        """The formula, with the way to add up that is best for each customer; `reach` is the largest v it needs."""
        few = stages_to_add(self.n, reach, self.error) < MOST_STAGES * self.k
        few &= self.n * np.log1p(reach) < LARGEST_EXPONENT
        if few.all():
            return formula(self, ByCount(self, reach))
        if not few.any():
            return formula(self, ByRoots(self, reach))
        result = np.empty(self.n.shape)
        for chosen in (few, ~few):
            part = self.take(chosen)
            result[chosen] = formula(part, (ByCount if chosen is few else ByRoots)(part, reach[chosen]))
        return result

    def _rates(self, discounting: Array) -> Iterator[tuple[Array, Array]]:
        """Nodes A lambda and weights of averages over lambda of functions that start like (lambda/rate)^(k - phase).

        The trapezoidal rule in log lambda.
        """
        n, rise = self.n, self.n + self.k - self.phase
        left_out = 5 - math.log(self.error)  # minus the logarithm of the tails
        spread = np.sqrt(n**-2.0 + 1 / (n + 0.6))
        starts = np.minimum(psi(n), np.log(discounting))  # below, the integrand falls like lambda^rise
        below = left_out / rise + np.sqrt(2 * left_out / rise)
        low = np.maximum(psi(n) - 40 * np.maximum(spread, 1 / n), starts - below)
        high = np.log(rise + np.sqrt(2 * left_out * rise) + left_out)
        largest = math.pi**2 / math.log(100 / self.error) * np.minimum(1, 1.25 / np.sqrt(rise))
        count = 2 + math.ceil(float(np.max((high - low) / largest)))
        step = (high - low) / (count - 1)
        for i in range(count):
            y = low + i * step
            lam = np.exp(y)
            yield lam, step * np.exp(n * y - lam - gammaln(n))
