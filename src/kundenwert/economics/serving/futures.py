"""Simulated futures of customers, and what they come to: the realised net present value, future by future."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Final, final

import numpy as np

from kundenwert.economics.assumptions.retention import (
    EveryoneFor,
    WhileActive,
    WhilePAliveAbove,
    WhileReturnProbabilityAbove,
)
from kundenwert.economics.flows.events import check_every, periods_per_year
from kundenwert.economics.serving.cutoffs import cutoffs_of
from kundenwert.errors import InfiniteValueError, SpecificationError
from kundenwert.posterior.summary import blocks_of

if TYPE_CHECKING:
    from kundenwert.economics.assumptions.retention import RetentionRule
    from kundenwert.economics.flows.timeline import Timeline
    from kundenwert.economics.serving.counted_cutoffs import CountedCutoffs
    from kundenwert.economics.serving.cutoffs import Cutoffs
    from kundenwert.histories import Cells
    from kundenwert.models.core import Array, Purchases
    from kundenwert.posterior import PurchasePosterior

__all__ = ["Service", "blocks_of_futures", "farthest_year", "purchases_ahead", "served_for"]

EXTRA: Final = 64.0
MOST: Final = 1e5
NEGLIGIBLE: Final = 1e-4  # what money counts where futures end that have no other end
AT_ONCE: Final = 2**19  # futures and purchases in them
FEW_DRAWS: Final = 16  # are enough to tell how much memory purchases take


def purchases_ahead(posterior: PurchasePosterior, cells: Cells, horizon: float) -> Array:
    """About how many purchases of each cell are to be expected, shape (cells,)."""
    values = posterior.thinned(min(posterior.of_cells.draws, FEW_DRAWS)).of_cells
    block, result = values.purchases(cells, 0.0, horizon), np.empty(len(cells))
    for rows in blocks_of(len(cells), values.draws):
        result[rows] = block(rows).mean(axis=-1)
    return result


def blocks_of_futures(purchases: Array, futures: int) -> list[slice]:
    """Slices of rows of which so many futures fit in memory at once, if each holds so many purchases on average."""
    until = np.r_[0.0, np.cumsum(futures * (1 + purchases))]
    blocks, start = [], 0
    while start < len(purchases):
        stop = max(start + 1, int(np.searchsorted(until, until[start] + AT_ONCE, side="right")) - 1)
        blocks.append(slice(start, stop))
        start = stop
    return blocks


def served_for(timeline: Timeline, years: float) -> float:
    """Discounted years of service for so many years, or until the horizon; may be inf."""
    years = min(years, timeline.horizon)
    return timeline.annuity_for_life if math.isinf(years) else float(timeline.annuity(np.array([years]))[0])


def farthest_year(timeline: Timeline) -> float:
    """Until when futures are followed, in years: to the horizon, or until money counts nothing, or next to nothing.

    Raises
    ------
    InfiniteValueError
        If there is no horizon, and nothing is discounted.
    """
    if math.isfinite(timeline.horizon):
        return timeline.horizon
    if timeline.margins[-1][1] == 0:
        ends = [start for start, _ in takewhile(lambda level: level[1] == 0, reversed(timeline.margins))]
        return ends[-1]
    rate = math.log1p(timeline.rates[-1][1]) - timeline.growth
    if rate <= 0:
        message = (
            "futures for life are followed until money counts next to nothing, and here margins, or costs and "
            "referrals, always count: the annual_discount_rate is 0 in the end, or margins grow as fast; give a higher "
            "annual_discount_rate or a finite horizon, such as kundenwert.years(10)"
        )
        raise InfiniteValueError(message)
    constant_from = max(timeline.rates[-1][0], timeline.margins[-1][0])
    return constant_from - math.log(NEGLIGIBLE) / rate


@final
@dataclass(frozen=True, slots=True)
class Service:
    """Discounted years of service along simulated futures.

    Attributes
    ----------
    timeline
        What money counts when, without the path of margins.
    years
        Until when futures are followed.
    fixed
        Discounted years of service that do not depend on what customers do.
    cutoffs
        The silence at which service ends; None if it does not depend on what customers do.
    """

    timeline: Timeline
    years: float
    fixed: float
    cutoffs: Cutoffs | CountedCutoffs | None

    @classmethod
    def of(cls, posterior: PurchasePosterior, cells: Cells, timeline: Timeline, rule: RetentionRule) -> Service:
        """Service by a rule of customers without contracts."""
        check_every(cells, "to know how long customers are served")
        years = farthest_year(timeline)
        match rule:
            case EveryoneFor(period=period):
                return cls(timeline, years, served_for(timeline, period.in_unit("year")), None)
            case WhileActive():
                message = (
                    "WhileActive() is a rule for contracts: without one, nobody sees who is still a customer; take "
                    "kundenwert.WhilePAliveAbove(0.2), for example"
                )
                raise SpecificationError(message)
            case WhilePAliveAbove() | WhileReturnProbabilityAbove():
                ahead = years * periods_per_year(cells)
                x, T = cells["x"], cells["T"]
                scale = posterior.model.time_scale(posterior.theta)
                # who buys at the pace that they have shown hardly ever doubles it
                busiest = float(np.max(x + 2 * (x + 1) * ahead / (T + scale), initial=0.0)) + EXTRA
                end = float(T.max(initial=0.0)) + ahead or 1.0
                return cls(timeline, years, 0.0, cutoffs_of(posterior, rule, most=min(busiest, MOST), latest=end))

    def __call__(self, cells: Cells, rows: slice, futures: int, purchases: Purchases) -> Array:
        """Discounted years of service of each future of the cells in the slice, shape (cells × futures,)."""
        count = (rows.stop - rows.start) * futures
        if self.cutoffs is None:
            return np.full(count, self.fixed)
        per_year = periods_per_year(cells)
        x, t_x, T = (cells[name][rows] for name in ("x", "t_x", "T"))
        # one key, because that takes a third of the time; a customer's purchases within 1e-10 of the horizon may swap
        order = np.argsort(purchases.customer + purchases.time / (1.001 * max(self.years * per_year, 1e-300)))
        who, time = purchases.customer[order], purchases.time[order]
        row = who // futures
        first = np.r_[0, np.cumsum(np.bincount(who, minlength=count))]  # the first purchase of each future
        number = np.arange(len(who)) - first[who] + 1
        following = np.full(len(who) + 1, math.inf)
        same = who[1:] == who[:-1]
        following[: len(who) - 1][same] = time[1:][same]
        end = np.minimum(following[:-1], time + self.cutoffs(x[row] + number, T[row] + time))
        served = np.bincount(who, self._between(time / per_year, end / per_year), count)
        until_first = np.full(count, math.inf)
        buys = first[1:] > first[:-1]
        until_first[buys] = time[first[:-1][buys]]
        left = np.repeat(np.maximum(self.cutoffs(x, t_x) - (T - t_x), 0.0), futures)
        return served + self._between(np.zeros(count), np.minimum(until_first, left) / per_year)

    def _between(self, start: Array, end: Array) -> Array:
        """Discounted years from `start` to `end`, in years."""
        return self.timeline.annuity(np.minimum(end, self.years)) - self.timeline.annuity(start)
