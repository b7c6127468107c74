"""A living customer of BG/BB: sums over the opportunities to come.

Given that a customer is alive, the probability p of buying at an opportunity is Beta(a, b) and the probability of
leaving before it is Beta(g, d), independently. Whatever is asked is a sum over opportunities j of positive terms, made
of averages such as that of (1 - p)^j, which is B(a, b + j)/B(a, b). Closed forms in gamma functions or 3F2 lose their
digits (near g = 1, for large shapes) or do not exist with discounting, so the sums are taken as they are: the first
terms one by one, and later ones, which are smooth in log j, by Gaussian quadrature for sums (kernels/sums.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

import numpy as np

from kundenwert.models.core import NUMPY, AliveCustomer
from kundenwert.models.kernels.beta_survival import log_beta_ratio
from kundenwert.models.kernels.sums import SINGLE, summation

if TYPE_CHECKING:
    from kundenwert.models.core import Array

__all__ = ["BetaBernoulli"]

DISCOUNT_CUTOFF: Final = 45.0  # exp(-45) is below the last digit
LARGEST: Final = 1e300


@final
@dataclass(frozen=True)
class BetaBernoulli(AliveCustomer):
    """A customer alive at T; shapes broadcast against each other, and every method returns their common shape.

    Parameters
    ----------
    a, b
        Shapes of the probability of buying at an opportunity while alive. Where b is not positive (more opportunities
        used than there were), expectations that depend on more than its mean are NaN.
    g, d
        Shapes of the probability of leaving before an opportunity.
    """

    a: Array
    b: Array
    g: Array
    d: Array

    def survival(self, ahead: float) -> Array:
        """P(alive `ahead` opportunities later): E[(1 - theta)^ahead]."""
        return self._full(np.exp(_log_average(self.g, self.d, np.array([ahead]))[..., 0]))

    def purchases(self, start: float, horizon: float) -> Array:
        """Expected purchases at the opportunities start + 1 … start + horizon."""
        return self._mean() * self.survival(start) * self._survived(start, 0.0, horizon)

    def returns(self, horizon: float) -> Array:
        """P(at least one purchase at the next `horizon` opportunities): the sum over the first one that is used."""
        if horizon == 0:
            return self._full(np.zeros(1))
        j, weight = summation(horizon - 1)
        before = _log_average(self.a + 1, self._possible_b(), j) + _log_average(self.g, self.d + 1, j)
        return self._full(self._mean() * self.d / (self.g + self.d) * (np.exp(before) @ weight))

    def count_probability(self, count: int, horizon: float) -> Array:
        """P(exactly `count` purchases at the next `horizon` opportunities).

        The sum over how many opportunities the customer is there for: (count + j)!/(count! j!) p^count (1 - p)^j.
        """
        if count > horizon:
            return self._full(np.zeros(1))
        b, d, m, unused = self._possible_b(), self.d, np.array([float(count)]), horizon - count
        used = _log_average(b, self.a, m) + _log_average(self.g, d, m)

        def log_term(leave: Array, j: Array) -> Array:
            orders = -_log_average(m, np.ones(1), j)
            return used + orders + _log_average(self.a + m, b, j) + _log_average(leave, d + m, j)

        stays = np.exp(log_term(self.g, np.array([unused]))[..., 0])
        if unused == 0:
            return self._full(stays)
        j, weight = summation(unused - 1, peak=count)
        leaves = np.exp(log_term(self.g + 1, j)) @ weight * (self.g / (self.g + d + m))
        return self._full(stays + leaves)

    def discounted_purchases(self, rate: float, horizon: float) -> Array:
        """Expected purchases at the next `horizon` opportunities, the j-th counting exp(-rate j).

        Without discounting and for life, the mean of p times d/(g - 1), infinite where g <= 1.
        """
        if rate == 0 and math.isinf(horizon):
            with np.errstate(divide="ignore"):
                return self._mean() * np.where(self.g > 1, self.d / np.maximum(self.g - 1, 0), np.inf)
        return self._mean() * self._survived(0.0, rate, horizon)

    def _survived(self, start: float, rate: float, horizon: float) -> Array:
        """Sum over j = 1 … horizon of exp(-rate j) P(alive at start + j | alive at start)."""
        if horizon == 0:
            return np.zeros(1)
        last = min(horizon - 1, LARGEST if rate == 0 else min(LARGEST, DISCOUNT_CUTOFF / rate))
        j, weight = summation(last)
        d = self.d + start
        return np.exp(_log_average(self.g, d + 1, j) - rate * (j + 1)) @ weight * (d / (self.g + d))

    def _mean(self) -> Array:
        """Mean probability of buying at an opportunity."""
        return self._full(self.a / (self.a + self.b))

    def _possible_b(self) -> Array:
        return np.where(self.b > 0, self.b, np.nan)

    def _full(self, value: Array) -> Array:
        shapes = (np.shape(shape) for shape in (self.a, self.b, self.g, self.d, value))
        return np.broadcast_to(value, np.broadcast_shapes(*shapes))


def _log_average(g: Array, d: Array, j: Array) -> Array:
    """Log of E[(1 - p)^j] = B(g, d + j)/B(g, d), p ~ Beta(g, d), on a new last axis for j.

    The numbers j increase, and are whole up to SINGLE.
    """
    g, d = g[..., None], d[..., None]
    steps = -np.log1p(g / (d + np.arange(int(min(j[-1], SINGLE)))))
    single = np.concatenate([np.zeros((*steps.shape[:-1], 1)), np.cumsum(steps, axis=-1)], axis=-1)
    near = int(np.searchsorted(j, SINGLE, side="right"))
    result = single[..., j[:near].astype(np.intp)]
    if near == len(j):
        return result
    far = single[..., -1:] + log_beta_ratio(g, d + SINGLE, j[near:] - SINGLE, NUMPY)
    return np.concatenate([result, far], axis=-1)
