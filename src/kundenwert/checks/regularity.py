"""How regularly customers buy: the shape k of gamma gaps, from how each customer's gaps share the time between them."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

import numpy as np
from scipy.special import gammaln

from kundenwert.errors import DataError, MissingInformationError
from kundenwert.histories.base import as_histories
from kundenwert.histories.customers import CustomerHistories
from kundenwert.posterior.summary import check_interval

if TYPE_CHECKING:
    from collections.abc import Callable

    from kundenwert.models.core import Array

__all__ = ["Regularity", "regularity"]

PRIOR_SPREAD: Final = 1.0  # of log k, around 0: half of the prior lies below the k of random buying
LOWEST, HIGHEST = -12.0, 20.0  # log k between these
EQUAL: Final = 12.0  # log k beyond which gaps are practically equal, and a number says nothing
POINTS: Final = 1001
NEGLIGIBLE: Final = 40.0  # exp(-40) of the mode
LARGEST_MASS: Final = 0.01  # that may lie there
SLIGHTLY: Final = 1.25  # below it, k = 1 is the nearer model
MOST_STAGES: Final = 8  # that RevivalNBD has


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Regularity:
    """Posterior of k, the regularity of buying: 1 if purchases come at random, more if regularly, less in bursts.

    The standard deviation of a customer's gaps is about 1/sqrt(k) of their mean. Printed, it says what that means for
    the choice of a model.

    Parameters
    ----------
    mean
        Posterior mean.
    lower, upper
        Ends of the equal-tailed interval.
    customers
        How many customers have two gaps or more: only they tell how regular they are.
    """

    mean: float
    lower: float
    upper: float
    customers: int

    @property
    def k(self) -> int:
        """The whole number to try in a model of regular buying: 1 where nothing speaks for one, at most 8."""
        if self.mean < SLIGHTLY or self.lower <= 1:
            return 1
        return min(max(2, round(self.mean)), MOST_STAGES)

    @property
    def advice(self) -> str:
        """Which models to try, and what may go wrong with them."""
        if self.k > 1:
            return (
                f"Customers buy more regularly than at random. MBGCNBD(k={self.k}) may predict better, and may do much "
                "worse: to it a purchase that does not come when it was due is a goodbye. Where regular customers "
                "pause (holidays, a full cupboard, a detour to somebody else), it is sure that they are gone, and they "
                f"come back. RevivalNBD(k={self.k}) lets regular customers pause; it needs the log and takes longer to "
                "fit. Do not choose by k: fit both and MBGNBD() up to earlier dates with kundenwert.rolling_origin, "
                "and take MBGCNBD only if its log_score is ahead there."
            )
        if self.upper < 1:
            return (
                "Customers buy in bursts: short gaps among long ones. No model of regular buying fits that; MBGNBD() "
                "takes long gaps for slow buying, RevivalNBD() for pauses. kundenwert.rolling_origin tells which of "
                "the two predicts better."
            )
        return (
            "Customers buy about at random. MBGNBD() fits that; a model of regular buying would take silence for a "
            "goodbye too soon. If customers pause, try RevivalNBD() beside it with kundenwert.rolling_origin."
        )

    def __str__(self) -> str:
        many = f"{self.customers:,} customer{'s' * (self.customers > 1)} with three purchases or more"
        found = f"k = {self.mean:.2f} ({self.lower:.2f} to {self.upper:.2f}), from {many}."
        return f"{found}\n{textwrap.fill(self.advice, 100)}"


def regularity(histories: CustomerHistories, *, interval: float = 0.90) -> Regularity:
    """Infer how regularly customers buy, whatever their rates and whoever has left.

    A customer's gaps are taken as Gamma(k, rate) with a rate of their own. Given the number of purchases and the time
    of the last one, the shares of the gaps are Dirichlet(k, …, k), whatever the rate, the way customers leave and the
    end of observation; so this needs no model of these. The prior of log k is Normal(0, 1).

    Pauses make k smaller: regular buyers who pause now and then look less regular than they are between the pauses.

    Gaps are whole steps, and purchases within a step are one. Where gaps are often as short as a step that hides the
    shortest, and k comes out too large: summarize with a finer `resolution` then.

    Parameters
    ----------
    histories : CustomerHistories
        Made by :func:`kundenwert.summarize`.
    interval : float
        Probability of the equal-tailed interval.

    Returns
    -------
    Regularity
        Print it for its advice. Near 1: :class:`kundenwert.MBGNBD`. Well above: :class:`kundenwert.MBGCNBD` may predict
        better, or far worse if regular customers pause, because it takes every missed purchase for a goodbye; there
        :class:`kundenwert.RevivalNBD` with the same k is safer. :func:`kundenwert.rolling_origin` tells which.

    Raises
    ------
    MissingInformationError
        If the histories come from a ready-made table, which does not hold single gaps.
    DataError
        If nobody has two gaps or more, or the gaps of all are practically equal: if k is beyond 160,000 with a
        probability of more than 1 %. A dozen equal gaps of a single customer are not enough for that.
    """
    tail = (1 - check_interval(interval)) / 2
    given = as_histories(histories)
    gaps = given.gaps if isinstance(given, CustomerHistories) else None
    if gaps is None:
        message = (
            "regularity needs the times between single purchases, which neither a ready-made table of histories nor "
            "counted opportunities or renewals hold; make histories from the log with kundenwert.summarize(log, …)"
        )
        raise MissingInformationError(message)
    lengths = np.diff(gaps.offsets)
    telling = lengths >= 2
    if not telling.any():
        message = "nobody has two gaps, that is three purchases, to tell regularity by; observe for longer"
        raise DataError(message)
    customer = np.repeat(np.arange(len(lengths)), lengths)
    shares = gaps.values / np.bincount(customer, gaps.values, len(lengths))[customer]
    log_shares = float(np.log(shares).sum())  # a single gap has all of the time: log 1
    count, customers = np.unique(lengths[telling], return_counts=True)

    def log_density(log_k: Array) -> Array:
        k = np.exp(log_k)
        constant = customers @ gammaln(count[:, None] * k) - customers @ count * gammaln(k)
        return np.asarray(constant + (k - 1) * log_shares - 0.5 * (log_k / PRIOR_SPREAD) ** 2)

    log_k, weight = _resolved(log_density)
    k, cumulated = np.exp(log_k), np.cumsum(weight) - weight / 2
    _refuse_equal(log_k, weight)
    lower, upper = np.interp([tail, 1 - tail], cumulated, k)
    return Regularity(
        mean=float(weight @ k), lower=float(lower), upper=float(upper), customers=int(np.count_nonzero(telling))
    )


def _refuse_equal(log_k: Array, weight: Array) -> None:
    """Refuse gaps that are practically equal: then the prior alone keeps the posterior from infinity."""
    beyond = float(weight[log_k > EQUAL].sum())
    if beyond > LARGEST_MASS:
        message = (
            f"the gaps of every customer are practically equal: k is beyond {np.exp(EQUAL):,.0f} with a probability of "
            f"{beyond:.0%} (allowed are {LARGEST_MASS:.0%}), so that no number describes it. If you bill by the "
            "calendar these are renewals of contracts, for kundenwert.ShiftedBetaGeometric"
        )
        raise DataError(message)


def _resolved(log_density: Callable[[Array], Array]) -> tuple[Array, Array]:
    """An even grid that spans the density, and weights that sum to one."""
    low, high = LOWEST, HIGHEST
    while True:
        grid = np.linspace(low, high, POINTS)
        values = log_density(grid)
        values -= values.max()
        spanned = np.flatnonzero(values > -NEGLIGIBLE)
        if len(spanned) > POINTS // 4 or grid[spanned[-1]] == HIGHEST:
            weight = np.exp(values)
            return grid, weight / weight.sum()
        low, high = float(grid[max(spanned[0] - 1, 0)]), float(grid[spanned[-1] + 1])
