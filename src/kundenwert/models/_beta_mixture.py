"""A living customer of BG/NBD or MBG/NBD: averages over a beta-distributed dropout probability.

Given that a customer is alive at T, the purchase rate is Gamma(n, A) and the dropout probability p after each
purchase is Beta(a, b), independently. Integrating the rate out leaves averages over p of elementary functions,

- still alive u later: (1 + p u/A)^-n
- purchases per unit of time u later: n/A (1 + p u/A)^-(n+1)

The textbook forms in 2F1 lose all digits near a = 1, overflow for frequent buyers and do not exist with
discounting. These averages are taken instead by the trapezoidal rule in y = logit p, which converges geometrically:
the integrand is analytic there and decays like exp(a y) on the left and exp(-b y) on the right. Beyond the nodes
both tails are geometric series and are added in closed form, which matters when a or b is small. Time integrals
with discounting are Gauss-Legendre in log(1 + u/A), graded towards u = 0. Survival, and purchases from a late start,
may lose relative accuracy where they are small (9 digits below 1e-6, all digits below 1e-20).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Final, final

import numpy as np
from scipy.special import betainc, betaln, gammaln, psi

if TYPE_CHECKING:
    from kundenwert.models._functions import Array

__all__ = ["BetaMixture"]

ERROR: Final = 1e-10
DISCOUNT_CUTOFF: Final = 45.0  # exp(-45) is below the last digit
LARGEST_EXPONENT: Final = 700.0


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

    def survival(self, ahead: float) -> Array:
        """P(alive at T + ahead): E[(1 + p ahead/A)^-n]."""
        if ahead == 0:
            return np.ones(self.n.shape)
        v = ahead / self.A
        p, weight = self._nodes(v)
        return _mean(np.exp(-self.n[..., None] * np.log1p(p * v[..., None])), weight)

    def purchases(self, start: float, horizon: float) -> Array:
        """Expected purchases in (T + start, T + start + horizon].

        E[(1 + p s/A)^-n (1 - (1 + p h/(A + p s))^-n) / p], s = start, h = horizon.
        """
        if horizon == 0:
            return np.zeros(self.n.shape)
        n, A = self.n[..., None], self.A[..., None]
        p, weight = self._nodes((start + horizon) / self.A)
        if start == 0:
            return _mean(-np.expm1(-n * np.log1p(p * (horizon / A))) / p, weight)
        alive_at_start = np.exp(-n * np.log1p(p * (start / A)))
        return _mean(alive_at_start * -np.expm1(-n * np.log1p(p * horizon / (A + p * start))) / p, weight)

    def returns(self, horizon: float) -> Array:
        """P(at least one purchase in (T, T + h]): 1 - (A/(A + h))^n, as the next purchase comes before dropout."""
        return np.asarray(-np.expm1(-self.n * np.log1p(horizon / self.A)))

    def count_probability(self, count: int, horizon: float) -> Array:
        """P(exactly `count` purchases in (T, T + horizon]).

        Either still alive after them (negative binomial) or dropped out right after the last of them.
        """
        n, a, b, m = self.n, self.a, self.b, count
        log_q = -np.log1p(horizon / self.A)
        with np.errstate(divide="ignore"):
            log_miss = np.log(-np.expm1(log_q)) if m else 0.0
        log_nb = gammaln(n + m) - gammaln(n) - math.lgamma(m + 1) + n * log_q + m * log_miss
        still_alive = np.exp(betaln(a, b + m) - betaln(a, b) + log_nb)
        if m == 0:
            return np.asarray(still_alive)
        just_dropped = np.exp(betaln(a + 1, b + m - 1) - betaln(a, b)) * betainc(m, n, -np.expm1(log_q))
        return np.asarray(still_alive + just_dropped)

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
        p, weight = self._nodes(reach)
        shape = self.n + 1
        length = np.log1p(reach)  # the integral runs over y = log(1 + u/A), from 0 to here
        # nodes are graded towards y = 0 as far as discounting and dropout make the integrand fall there
        grading = np.log1p(0.1 * length * (shape * self._large_p() + rate * self.A))
        points, point_weights = _gauss_legendre(self._time_nodes(length, grading))
        scale = length / np.expm1(grading)
        total = np.zeros(self.n.shape)
        for point, point_weight in zip(points, point_weights, strict=True):
            growth = np.exp(grading * point)
            y = scale * (growth - 1)
            v = np.expm1(y)
            intensity = _mean(np.exp(-shape[..., None] * np.log1p(p * v[..., None])), weight)
            total += point_weight * growth * np.exp(y - rate * self.A * v) * intensity
        return self.n * total * scale * grading

    def _large_p(self) -> Array:
        """A dropout probability that few customers exceed."""
        mean = self.a / (self.a + self.b)
        return np.asarray(np.minimum(1, mean + 6 * np.sqrt(mean * (1 - mean) / (self.a + self.b + 1))))

    def _time_nodes(self, length: Array, grading: Array) -> int:
        """Gauss-Legendre nodes for the error wanted."""
        nodes = float(np.max(16 + 3 * length + 6 * grading))
        return math.ceil(nodes * math.log(self.error) / math.log(ERROR))

    def _nodes(self, reach: Array) -> tuple[Array, Array]:
        """Nodes p and weights of the average over p, last axis new; `reach` is the largest u/A wanted."""
        n, a, b = self.n, self.a, self.b
        centre = psi(a) - psi(b)
        spread = np.sqrt(_trigamma(a) + _trigamma(b))
        # left of `flat` the integrand is constant in p up to the error: only the tail of the weight remains
        flat = math.log(self.error / 10) - np.log(reach * (n + 1) + a + b)
        low = np.maximum(flat, centre - 40 * np.maximum(spread, 1 / a))
        high = np.minimum(centre + 9 * spread + 40 / b, 37 + np.log(a + n + 1))
        # the integrand is analytic for |Im y| < pi/2, so the error is about exp(-pi^2/step)
        largest = math.pi**2 / math.log(100 / self.error) * np.minimum(1, 1.25 * spread)
        count = 2 + math.ceil(float(np.max((high - low) / largest)))
        step = (high - low) / (count - 1)
        y = low[..., None] + step[..., None] * np.arange(count)
        log_larger = -np.log1p(np.exp(-np.abs(y)))  # log of the larger of p and 1 - p
        log_p, log_1_p = log_larger + np.minimum(y, 0), log_larger - np.maximum(y, 0)
        weight = np.exp(a[..., None] * log_p + b[..., None] * log_1_p - betaln(a, b)[..., None])
        weight[..., 0] *= 1 + _geometric_tail(a * step)
        weight[..., -1] *= 1 + _geometric_tail(b * step)
        return np.exp(log_p), weight / weight.sum(axis=-1, keepdims=True)


@cache
def _gauss_legendre(count: int) -> tuple[Array, Array]:
    """Nodes and weights on [0, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return (nodes + 1) / 2, weights / 2


def _mean(values: Array, weight: Array) -> Array:
    return np.asarray(np.einsum("...j,...j->...", values, weight))


def _trigamma(value: Array) -> Array:
    """Trigamma function to 2 %, which is enough to place nodes; the exact one would cost as much as all the nodes."""
    return np.asarray(value**-2.0 + 1 / (value + 0.6))


def _geometric_tail(decay: Array) -> Array:
    """Sum over k >= 1 of exp(-k decay)."""
    return np.asarray(1 / np.expm1(np.minimum(decay, LARGEST_EXPONENT)))
