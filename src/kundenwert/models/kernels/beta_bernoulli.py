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
from typing import TYPE_CHECKING, final, override

import numpy as np

from kundenwert.models.core import AliveCustomer, Purchases
from kundenwert.models.kernels.beta_survival import log_average, sum_of_averages
from kundenwert.models.kernels.simulation import check_horizon, gap_after_gap, whole_waits
from kundenwert.models.kernels.sums import summation

if TYPE_CHECKING:
    from kundenwert.models.core import Array

__all__ = ["BetaBernoulli", "opportunities_used"]


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
        return self._full(np.exp(log_average(self.g, self.d, np.array([ahead]))[..., 0]))

    def purchases(self, start: float, horizon: float) -> Array:
        """Expected purchases at the opportunities start + 1 … start + horizon."""
        return self._mean() * self.survival(start) * sum_of_averages(self.g, self.d + start, 0.0, horizon)

    def returns(self, horizon: float) -> Array:
        """P(at least one purchase at the next `horizon` opportunities): the sum over the first one that is used."""
        if horizon == 0:
            return self._full(np.zeros(1))
        j, weight = summation(horizon - 1)
        before = log_average(self.a + 1, self._possible_b(), j) + log_average(self.g, self.d + 1, j)
        return self._full(self._mean() * self.d / (self.g + self.d) * (np.exp(before) @ weight))

    def count_probability(self, count: int, horizon: float) -> Array:
        """P(exactly `count` purchases at the next `horizon` opportunities).

        The sum over how many opportunities the customer is there for: (count + j)!/(count! j!) p^count (1 - p)^j.
        """
        if count > horizon:
            return self._full(np.zeros(1))
        b, d, m, unused = self._possible_b(), self.d, np.array([float(count)]), horizon - count
        used = log_average(b, self.a, m) + log_average(self.g, d, m)

        def log_term(leave: Array, j: Array) -> Array:
            orders = -log_average(m, np.ones(1), j)
            return used + orders + log_average(self.a + m, b, j) + log_average(leave, d + m, j)

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
        return self._mean() * sum_of_averages(self.g, self.d, rate, horizon)

    @override
    def simulate(self, horizon: float, rng: np.random.Generator) -> Purchases:
        """Purchases at the next `horizon` opportunities; `time` is the number of the opportunity."""
        a, b, g, d = np.broadcast_arrays(self.a, self.b, self.g, self.d)
        return opportunities_used((a, b), (g, d), np.full(a.shape, check_horizon(horizon)), rng)

    def _mean(self) -> Array:
        """Mean probability of buying at an opportunity."""
        return self._full(self.a / (self.a + self.b))

    def _possible_b(self) -> Array:
        return np.where(self.b > 0, self.b, np.nan)

    def _full(self, value: Array) -> Array:
        shapes = (np.shape(shape) for shape in (self.a, self.b, self.g, self.d, value))
        return np.broadcast_to(value, np.broadcast_shapes(*shapes))


def opportunities_used(
    buying: tuple[Array, Array], leaving: tuple[Array, Array], last: Array, rng: np.random.Generator
) -> Purchases:
    """Purchases at opportunities 1 … `last` of customers who are alive before the first; in no particular order.

    Parameters
    ----------
    buying, leaving
        Shapes of the probabilities of buying at an opportunity, and of leaving before it.
    last
        Shape (customers,).
    """
    leave = rng.beta(*leaving, len(last))
    there = np.minimum(last, whole_waits(leave, rng) - 1)
    here = np.flatnonzero(there >= 1)
    buy = rng.beta(*(np.broadcast_to(shape, len(last))[here] for shape in buying))
    used = gap_after_gap(np.zeros(len(here)), there[here], lambda who: whole_waits(buy[who], rng))
    return Purchases(customer=here[used.customer], time=used.time)
