"""A living customer of BG/NBD or MBG/NBD: averages over a beta-distributed dropout probability.

Given that a customer is alive at T, the purchase rate is Gamma(n, A) and the dropout probability p after each
purchase is Beta(a, b), independently. Integrating the rate out leaves averages over p of elementary functions,

- still alive u later: (1 + p u/A)^-n
- purchases per unit of time u later: n/A (1 + p u/A)^-(n+1)

The textbook forms in 2F1 lose all digits near a = 1, overflow for frequent buyers and do not exist with
discounting. These averages are taken instead by the trapezoidal rule in logit p (beta_average.py). Time integrals
with discounting are Gauss-Legendre in log(1 + u/A), graded towards u = 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np
from scipy.special import betainc

from kundenwert.models.kernels.beta_average import beta_nodes, in_parts
from kundenwert.models.kernels.simulation import stages_after_stages
from kundenwert.models.kernels.sums import log_binomial
from kundenwert.models.kernels.time_nodes import DISCOUNT_CUTOFF, time_nodes

if TYPE_CHECKING:
    from kundenwert.models.core import Array, Purchases
    from kundenwert.models.kernels.beta_average import BetaNodes

__all__ = ["BetaMixture"]

ERROR: Final = 1e-10


@final
@dataclass(frozen=True)
class BetaMixture:
    """A customer alive at T with purchase rate Gamma(n, A) and dropout probability Beta(a, b).

    Fields broadcast against each other; every method returns their common shape.

    Parameters
    ----------
    n
        Shape of the purchase rate: r + x.
    A
        Rate of the purchase rate, in units of time: alpha + T.
    a, b
        Shapes of the dropout probability: a and b + x (BG/NBD) or b + x + 1 (MBG/NBD).
    error
        Largest relative error wanted; fewer nodes serve for a larger one.
    """

    n: Array
    A: Array
    a: Array
    b: Array
    error: float = ERROR

    def __post_init__(self) -> None:
        for name, value in zip("nAab", np.broadcast_arrays(self.n, self.A, self.a, self.b), strict=True):
            object.__setattr__(self, name, value)

    def within(self, error: float) -> BetaMixture:
        """The same customers, with expectations to about this relative error."""
        return replace(self, error=error)

    def take(self, chosen: Any) -> BetaMixture:
        """The customers at these places, in one dimension."""
        return replace(self, n=self.n[chosen], A=self.A[chosen], a=self.a[chosen], b=self.b[chosen])

    @in_parts
    def survival(self, ahead: float) -> Array:
        """P(alive at T + ahead): E[(1 + p ahead/A)^-n]."""
        if ahead == 0:
            return np.ones(self.n.shape)
        v = ahead / self.A
        nodes = self._nodes(v)
        return nodes.mean(np.exp(-self.n[..., None] * np.log1p(nodes.p * v[..., None])))

    @in_parts
    def purchases(self, start: float, horizon: float) -> Array:
        """Expected purchases in (T + start, T + start + horizon].

        E[(1 + p s/A)^-n (1 - (1 + p h/(A + p s))^-n) / p], s = start, h = horizon.
        """
        if horizon == 0:
            return np.zeros(self.n.shape)
        n, A = self.n[..., None], self.A[..., None]
        nodes = self._nodes((start + horizon) / self.A)
        p = nodes.p
        if start == 0:
            return nodes.mean(-np.expm1(-n * np.log1p(p * (horizon / A))) / p)
        alive_at_start = np.exp(-n * np.log1p(p * (start / A)))
        return nodes.mean(alive_at_start * -np.expm1(-n * np.log1p(p * horizon / (A + p * start))) / p)

    def returns(self, horizon: float) -> Array:
        """P(at least one purchase in (T, T + h]): 1 - (A/(A + h))^n, as the next purchase comes before dropout."""
        return np.asarray(-np.expm1(-self.n * np.log1p(horizon / self.A)))

    def count_probability(self, count: int, horizon: float) -> Array:
        """P(exactly `count` purchases in (T, T + horizon]).

        Either still alive after them (negative binomial) or dropped out right after the last of them.
        """
        n, a, b = self.n, self.a, self.b
        log_q = -np.log1p(horizon / self.A)
        if count == 0:
            return np.asarray(np.exp(n * log_q))
        with np.errstate(divide="ignore"):
            log_miss = np.log(-np.expm1(log_q))
        exactly = np.exp(log_binomial(n, count) + n * log_q + count * log_miss)
        m = count - 1
        stayed = np.ones(n.shape)  # after all but the last
        for i in range(m):
            stayed *= (b + i) / (a + b + i)
        return np.asarray(stayed * ((b + m) * exactly + a * betainc(count, n, -np.expm1(log_q))) / (a + b + m))

    @in_parts
    def discounted_purchases(self, rate: float, horizon: float) -> Array:
        """Expected purchases in (T, T + horizon], each worth exp(-rate u) when it happens u after T.

        The integral over u of exp(-rate u) n/A E[(1 + p u/A)^-(n+1)]. Without discounting and for life,
        (a + b - 1)/(a - 1), infinite where a <= 1.
        """
        if rate == 0:
            if math.isinf(horizon):
                with np.errstate(divide="ignore"):
                    return np.where(self.a > 1, (self.a + self.b - 1) / np.maximum(self.a - 1, 0), np.inf)
            return self.purchases(0.0, horizon)
        if horizon == 0:
            return np.zeros(self.n.shape)
        reach = min(horizon, DISCOUNT_CUTOFF / rate) / self.A
        nodes = self._nodes(reach)
        shape = self.n + 1
        total = np.zeros(self.n.shape)
        for v, weight in time_nodes(reach, shape * self._large_p() + rate * self.A, self.error):
            intensity = nodes.mean(np.exp(-shape[..., None] * np.log1p(nodes.p * v[..., None])))
            total += weight * np.exp(-rate * self.A * v) * intensity
        return self.n * total

    def simulate(self, horizon: float, rng: np.random.Generator) -> Purchases:
        """Purchases in (T, T + horizon]; gaps of one stage each, the first of which has just begun."""
        return stages_after_stages((self.n, self.A, self.a, self.b), 1, 0, horizon, rng)

    def _large_p(self) -> Array:
        """A dropout probability that few customers exceed."""
        mean = self.a / (self.a + self.b)
        return np.asarray(np.minimum(1, mean + 6 * np.sqrt(mean * (1 - mean) / (self.a + self.b + 1))))

    def _nodes(self, reach: Array) -> BetaNodes:
        """Nodes of the average over p; `reach` is the largest u/A wanted."""
        return beta_nodes(self.a, self.b, reach * (self.n + 1), self.error)
