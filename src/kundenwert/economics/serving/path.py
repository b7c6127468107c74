"""How long the firm serves a new customer up to any time: on average, and along one customer's own purchases."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, Self, final, override

import numpy as np

from kundenwert.economics.flows.streams import event_weights, periods_per_year
from kundenwert.economics.serving.futures import Service
from kundenwert.posterior.base import thinning

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kundenwert.economics.assumptions.retention import RetentionRule
    from kundenwert.economics.flows.cumulated import OverEvents
    from kundenwert.economics.flows.timeline import Timeline
    from kundenwert.histories import Cells
    from kundenwert.models.core import Array
    from kundenwert.posterior import PurchasePosterior

__all__ = ["ForEveryone", "Nobody", "ServingPath", "WhileRenewed", "WithCutoffs"]

FUTURES: Final = 2**15
SEED: Final = 1  # the same question has the same answer


class ServingPath(Protocol):
    """Discounted years of service; times are in the unit of the posterior."""

    def on_average(self, times: Array) -> Array:
        """Expected service until each time, what is paid then included, shape (times, draws) or (times, 1)."""

    def until(self, time: Array, customer: NDArray[np.int64], customers: int) -> Array:
        """Service until each purchase, what is paid then included, shape (purchases,).

        Purchases are in order of customer, one of so many, and time.
        """


@final
@dataclass(frozen=True, slots=True)
class Nobody(ServingPath):
    """Service costs nothing."""

    @override
    def on_average(self, times: Array) -> Array:
        return np.zeros((len(times), 1))

    @override
    def until(self, time: Array, customer: NDArray[np.int64], customers: int) -> Array:
        return np.zeros(len(time))


@final
@dataclass(frozen=True, slots=True)
class ForEveryone(ServingPath):
    """All are served for so many years; `per_year` units make a year."""

    timeline: Timeline
    years: float
    per_year: float

    @override
    def on_average(self, times: Array) -> Array:
        return self.timeline.annuity(np.minimum(times / self.per_year, self.years))[:, None]

    @override
    def until(self, time: Array, customer: NDArray[np.int64], customers: int) -> Array:
        return self.on_average(time)[:, 0]


@final
@dataclass(frozen=True, slots=True)
class WhileRenewed(ServingPath):
    """Contracts are served until they end, and service of an interval is paid at its start: now, and at each renewal.

    Attributes
    ----------
    expected
        Expected service paid until each renewal, the first row being now, shape (renewals + 1, draws).
    certain
        The same for a contract that is always renewed, shape (renewals + 1,).
    """

    expected: Array
    certain: Array

    @classmethod
    def of(cls, contracts: OverEvents, timeline: Timeline) -> Self:
        """Service of new contracts."""
        renewals, draws = contracts.expected.shape
        later = event_weights(contracts.cells, timeline, length=renewals)
        weights = np.r_[timeline.discount(np.zeros(1)), later] / periods_per_year(contracts.cells)
        if math.isfinite(timeline.horizon):
            weights[-1] = 0.0  # the interval that begins at the last renewal lies beyond the horizon
        active = np.concatenate([np.ones((1, draws)), contracts.expected])
        return cls(np.cumsum(weights[:, None] * active, axis=0), np.cumsum(weights))

    @override
    def on_average(self, times: Array) -> Array:
        return np.asarray(self.expected[np.floor(times).astype(np.int64)])

    @override
    def until(self, time: Array, customer: NDArray[np.int64], customers: int) -> Array:
        return np.asarray(self.certain[time.astype(np.int64)])


@final
@dataclass(frozen=True, slots=True)
class WithCutoffs(ServingPath):
    """Customers are served until they have been silent for too long, and anew when they buy again.

    What is expected is the mean over simulated customers, the same for all draws.

    Attributes
    ----------
    service
        The rule.
    per_year
        How many units make a year.
    starts, ends
        Discounted years at which spells of service of simulated customers start and end, each sorted.
    """

    service: Service
    per_year: float
    starts: Array
    ends: Array

    @classmethod
    def of(cls, posterior: PurchasePosterior, cells: Cells, timeline: Timeline, rule: RetentionRule) -> Self:
        """Service of customers like the first of the cells, who are new."""
        service, per_year = Service.of(posterior, cells, timeline, rule), periods_per_year(cells)
        values, rng = posterior.of_cells, np.random.default_rng(SEED)
        draws, horizon = thinning(values.draws, FUTURES), service.years * per_year
        bought = values.futures(cells, slice(0, 1), draws, horizon, rng)
        order = np.lexsort((bought.time, bought.customer))
        _, starts, ends = _spells(service, per_year, bought.time[order], bought.customer[order], FUTURES)
        return cls(service, per_year, np.sort(starts), np.sort(ends))

    @override
    def on_average(self, times: Array) -> Array:
        now = self.service.timeline.annuity(np.minimum(times / self.per_year, self.service.years))
        return ((_capped(self.ends, now) - _capped(self.starts, now)) / FUTURES)[:, None]

    @override
    def until(self, time: Array, customer: NDArray[np.int64], customers: int) -> Array:
        first, starts, ends = _spells(self.service, self.per_year, time, customer, customers)
        before = np.r_[0.0, np.cumsum(ends - starts)]
        return np.asarray(before[np.arange(len(time)) + customer + 1] - before[first][customer])


def _spells(
    service: Service, per_year: float, time: Array, customer: NDArray[np.int64], customers: int
) -> tuple[NDArray[np.int64], Array, Array]:
    """Discounted years at which spells of service start and end: one from the first purchase on, one from each later.

    Spells are in order of customer and time; the first result is the position of each customer's first.
    """
    assert service.cutoffs is not None  # noqa: S101 - a rule that depends on what customers do
    first = np.searchsorted(customer, np.arange(customers)) + np.arange(customers)
    repeat = np.arange(len(time)) + customer + 1
    who, start = np.empty((2, customers + len(time)))
    who[first], who[repeat] = np.arange(customers), customer
    start[first], start[repeat] = 0.0, time
    number = np.arange(len(who)) - first[who.astype(np.int64)]
    following = np.r_[np.where(who[1:] == who[:-1], start[1:], np.inf), np.inf]
    end = np.minimum(following, start + service.cutoffs(number.astype(np.float64), start))
    years = service.timeline.annuity(np.stack([start, np.minimum(end, service.years * per_year)]) / per_year)
    return first, years[0], years[1]


def _capped(values: Array, caps: Array) -> Array:
    """Sum of the values, which are sorted, none of them counting more than each cap."""
    below = np.searchsorted(values, caps)
    return np.asarray(np.r_[0.0, np.cumsum(values)][below] + caps * (len(values) - below))
