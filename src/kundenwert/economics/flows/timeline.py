"""What money counts when: discount factors and margins over time, as a few exponential pieces.

A purchase at u (years from now) counts m(u) D(c(u)): m is the path of the margin, D the product of the discount factors
until c(u), when its money counts: at u itself, or at the start, middle or end of the accounting period that u lies in.
Rates and margins are constant or grow exponentially between breaks, so that this is w exp(-rho u) on each piece.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Final, final

import numpy as np

from kundenwert.economics.assumptions.discounting import Continuously, EndOfPeriod, StartOfPeriod
from kundenwert.economics.assumptions.terms import Growing, Schedule
from kundenwert.errors import DurationError, InfiniteValueError, SpecificationError
from kundenwert.models.kernels.sums import summation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kundenwert.duration import Duration
    from kundenwert.economics.assumptions.economics import Economics
    from kundenwert.models.core import Array

__all__ = ["Piece", "Timeline"]

NEGLIGIBLE: Final = 1e-12  # discount factor beyond which accounting periods are not counted
ROUNDING: Final = 1e-12
LARGEST_MARGIN: Final = 1e3  # times that of today; beyond, the few who are still customers by then decide
LARGEST_EXPONENT: Final = 700.0


@final
@dataclass(frozen=True, slots=True)
class Piece:
    """Money that flows in (start, end], years from now, counts value × exp(-rate (u - start)).

    Parameters
    ----------
    value
        What it counts right after the start.
    rate
        How fast that falls; negative if it rises.
    start, end
        In years; the end may be inf.
    after
        What it counts right after the end.
    times
        How many such pieces this one stands for.
    """

    value: float
    rate: float
    start: float
    end: float
    after: float = 0.0
    times: float = 1.0

    @property
    def weight(self) -> float:
        """Money counts weight × exp(-rate u)."""
        return self.value * math.exp(min(self.rate * self.start, LARGEST_EXPONENT))


@final
@dataclass(frozen=True, slots=True)
class Timeline:
    """Discounting, and optionally a margin path that starts at 1, up to a horizon.

    Parameters
    ----------
    rates, margins
        When each annual discount rate begins, in years, and the rate; the same for levels of the margin.
    growth
        Continuous growth rate of the margin per year.
    period
        Length of an accounting period in years; 0 for none.
    within
        Where in an accounting period money counts: 0 for its start, 1 for its end.
    horizon
        In years, may be inf.
    """

    rates: tuple[tuple[float, float], ...]
    margins: tuple[tuple[float, float], ...] = ((0.0, 1.0),)
    growth: float = 0.0
    period: float = 0.0
    within: float = 0.0
    horizon: float = math.inf

    @classmethod
    def of(cls, economics: Economics, years: float, *, margin: bool) -> Timeline:
        """The timeline of some economics up to a horizon in years; with or without the path of the margin.

        Raises
        ------
        DurationError
            If the horizon is no whole number of accounting periods.
        InfiniteValueError
            If margins grow as fast as money loses, or faster, without an end.
        SpecificationError
            If margins grow beyond all measure.
        """
        rate, path, convention = economics.annual_discount_rate, economics.margin, economics.discounting
        rates = rate.pieces() if isinstance(rate, Schedule) else ((0.0, float(rate)),)
        period, within = 0.0, 0.0
        if not isinstance(convention, Continuously):
            _check_whole(years, convention.period)
            if any(annual for _, annual in rates):  # otherwise it does not matter when money counts
                period = convention.period.in_unit("year")
                within = 0.0 if isinstance(convention, StartOfPeriod) else 0.5
                within = 1.0 if isinstance(convention, EndOfPeriod) else within
        timeline = cls(
            rates=rates,
            margins=path.pieces() if margin and isinstance(path, Schedule) else ((0.0, 1.0),),
            growth=math.log1p(path.annual_growth_rate) if margin and isinstance(path, Growing) else 0.0,
            period=period,
            within=within,
            horizon=years,
        )
        if math.isinf(years) and timeline.growth > 0 and timeline.final_rate <= 0:
            message = (
                "margins grow at least as fast as money loses by discounting, so that the value for life may be "
                "infinite; take a finite horizon, such as kundenwert.years(10), or a smaller annual_growth_rate"
            )
            raise InfiniteValueError(message)
        moments = [u for u in (*(start for start, _ in timeline.rates), years) if math.isfinite(u)]
        largest = max(timeline.growth * u - float(timeline._lost(np.asarray(u))) for u in moments)
        if largest > math.log(LARGEST_MARGIN):
            message = (
                f"margins that grow by {math.expm1(timeline.growth):.0%} a year come to count more than "
                f"{LARGEST_MARGIN:,.0f} times as much as today's, discounting included; take a shorter horizon, or a "
                "smaller annual_growth_rate"
            )
            raise SpecificationError(message)
        return timeline

    @property
    def is_flat(self) -> bool:
        """Whether it does not matter when money flows."""
        return all(rate == 0 for _, rate in self.rates) and len(self.margins) == 1 and self.growth == 0

    @property
    def final_rate(self) -> float:
        """How fast what money counts falls in the end, per year."""
        return math.log1p(self.rates[-1][1]) - self.growth

    @property
    def constant_from(self) -> float:
        """When the last rate and the last level of the margin have begun."""
        return max(self.rates[-1][0], self.margins[-1][0])

    def discount(self, u: Array) -> Array:
        """What money at u, in years, counts, the margin path included; 0 beyond the horizon."""
        u = np.asarray(u, dtype=np.float64)
        return np.where(u <= self.horizon * (1 + ROUNDING), self._worth(u, self._counted(u)), 0.0)

    def annuity(self, u: Array) -> Array:
        """What one unit of money a year, spent evenly in (0, u] but not beyond the horizon, counts; u is finite."""
        u = np.asarray(np.minimum(u, self.horizon), dtype=np.float64)
        if self.period:
            number = np.floor(u / self.period).astype(np.int64)
            counts = np.exp(-self._lost((np.arange(number.max(initial=0) + 1.0) + self.within) * self.period))
            before = np.r_[0.0, np.cumsum(counts * self.period)]
            return np.asarray(before[number] + counts[number] * (u - number * self.period))
        pieces = list(self.pieces())
        before = np.r_[0.0, np.cumsum([_spent(piece, np.asarray(piece.end)) for piece in pieces])[:-1]]
        places = np.searchsorted([piece.start for piece in pieces], u, side="right") - 1
        result = before[places]
        for place, piece in enumerate(pieces):
            here = places == place
            result[here] += _spent(piece, u[here])
        return np.asarray(result)

    @property
    def annuity_for_life(self) -> float:
        """What one unit of money a year, spent evenly until the horizon, counts; may be inf."""
        return sum(piece.times * float(_spent(piece, np.asarray(piece.end))) for piece in self.pieces())

    def pieces(self) -> Iterator[Piece]:
        """The pieces; long runs of accounting periods are represented by a few of them, each for many."""
        if self.period:
            yield from self._periods()
            return
        breaks = sorted({start for start, _ in (*self.rates, *self.margins) if start < self.horizon} | {self.horizon})
        for start, end in pairwise(breaks):
            rate = math.log1p(_value(self.rates, start)) - self.growth
            after = self._at(end, end) if end < self.horizon else 0.0
            yield Piece(self._at(start, start), rate, start, end, after)

    def later(self, years: float) -> tuple[float, Timeline]:
        """What money counts now that flows in so many years, and the timeline as it is seen from then.

        Both are without accounting periods, which would not start then, and with the growth of the margin but not its
        level, which the later timeline has.
        """
        factor = math.exp(self.growth * years - float(self._lost(np.asarray(years))))

        def seen(pieces: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
            later = tuple((start - years, value) for start, value in pieces if start > years)
            return ((0.0, _value(pieces, years)), *later)

        ahead = replace(self, rates=seen(self.rates), margins=seen(self.margins), horizon=self.horizon - years)
        return factor, replace(ahead, period=0.0, within=0.0)

    def windows(self) -> Iterator[Piece]:
        """Every accounting period as a piece of its own, or as several if the margin changes in it."""
        count = self._count()
        for number in range(count):
            yield from self._window(number, last=number == count - 1)
        yield from self._without_end(count)

    def _periods(self) -> Iterator[Piece]:
        """Accounting periods: runs of them with the same rate and margin are sums of many smooth terms."""
        count = self._count()
        places = [math.ceil(start / self.period - self.within - ROUNDING) for start, _ in self.rates]
        places += [math.ceil(start / self.period - ROUNDING) for start, _ in self.margins]
        # a period in which the margin changes, or after which something else holds, is a run of its own
        breaks = {place - back for place in (*places, count) for back in (0, 1)}
        runs = sorted({0, count} | {place for place in breaks if 0 < place < count})
        for first, stop in pairwise(runs):
            nodes, weights = summation(stop - first - 1)
            for number, weight in zip((first + nodes).tolist(), weights.tolist(), strict=True):
                yield from self._window(number, times=weight, last=stop == count)
        yield from self._without_end(count)

    def _window(self, number: float, *, last: bool, times: float = 1.0) -> Iterator[Piece]:
        start, end = number * self.period, (number + 1) * self.period
        counted, next_counted = ((place + self.within) * self.period for place in (number, number + 1))
        inside = [u for u, _ in self.margins if start + ROUNDING < u * (1 - ROUNDING) and u * (1 + ROUNDING) < end]
        edges = [start, *inside, end]
        for left, right in pairwise(edges):
            after = self._at(right, counted if right < end else next_counted)
            ends = last and right == end and math.isfinite(self.horizon)
            yield Piece(self._at(left, counted), -self.growth, left, right, 0.0 if ends else after, times)

    def _without_end(self, count: int) -> Iterator[Piece]:
        """What comes after the last accounting period if there is no horizon and nothing is lost in the end."""
        if math.isinf(self.horizon) and self.final_rate == 0:
            start = count * self.period
            yield Piece(self._at(start, start + self.period), 0.0, start, math.inf)

    def _count(self) -> int:
        """How many accounting periods count."""
        if math.isfinite(self.horizon):
            return round(self.horizon / self.period)
        lasting = -math.log(NEGLIGIBLE) / self.final_rate if self.final_rate > 0 else self.period
        return math.ceil((self.constant_from + lasting) / self.period)

    def _counted(self, u: Array) -> Array:
        """When money that flows at u counts."""
        if self.period == 0:
            return np.asarray(u)
        number = np.maximum(np.ceil(np.asarray(u) / self.period * (1 - ROUNDING)), 1) - 1
        return np.asarray((number + self.within) * self.period)

    def _at(self, u: float, counted: float) -> float:
        """What money right after u counts that counts at another time."""
        return float(self._worth(np.asarray(u), np.asarray(counted)))

    def _worth(self, u: Array, counted: Array) -> Array:
        """The margin path right after u, times the discount factor at another time, whatever the horizon."""
        levels = np.array([level for _, level in self.margins])
        place = np.searchsorted([start for start, _ in self.margins], u * (1 + ROUNDING), side="right") - 1
        return np.asarray(levels[place] * np.exp(self.growth * u - self._lost(counted)))

    def _lost(self, u: Array) -> Array:
        """How much the logarithm of the discount factor has fallen at u."""
        starts = np.array([start for start, _ in self.rates])
        deltas = np.log1p([rate for _, rate in self.rates])
        before = np.r_[0.0, np.cumsum(np.diff(starts) * deltas[:-1])]
        place = np.searchsorted(starts, u, side="right") - 1
        return np.asarray(before[place] + deltas[place] * (u - starts[place]))


def _value(pieces: tuple[tuple[float, float], ...], at: float) -> float:
    """The value that holds from `at`."""
    return next(value for start, value in reversed(pieces) if start <= at)


def _spent(piece: Piece, end: Array) -> Array:
    """What one unit of money a year, spent evenly in a piece until `end`, counts."""
    length = end - piece.start
    spent = length if piece.rate == 0 else -np.expm1(-piece.rate * length) / piece.rate
    return np.asarray(piece.value * spent)


def _check_whole(years: float, period: Duration) -> None:
    length = period.in_unit("year")
    periods = years / length
    if math.isfinite(years) and (periods < 1 - 1e-9 or abs(periods - round(periods)) > 1e-9 * periods):
        message = (
            f"the horizon holds {periods:.4g} accounting periods of {period!r}; expected a whole number of them, at "
            "least one: take a longer horizon, a shorter period, or kundenwert.Continuously()"
        )
        raise DurationError(message)
