"""What money counts when: discount factors and margins over time, as a few exponential pieces.

Continuously, a purchase at u (years from now) with the margin path m counts m(u) D(u), with D(u) the product of the
discount factors until then. Rates and margins are constant or grow exponentially between breaks, so m(u) D(u) is
w exp(-rho u) on each piece. With accounting periods it is constant within each period: a piece with rho = 0 for each
of them. What is expected of customers is then a sum over pieces of their discounted purchases.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final, final

import numpy as np

from kundenwert.economics.discounting import Continuously, EndOfPeriod, StartOfPeriod
from kundenwert.economics.terms import Growing, Schedule
from kundenwert.errors import DurationError, InfiniteValueError
from kundenwert.models.kernels.sums import summation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kundenwert.duration import Duration
    from kundenwert.economics.economics import Economics
    from kundenwert.models.core import Array

__all__ = ["Piece", "Timeline"]

NEGLIGIBLE: Final = 1e-12  # discount factor beyond which accounting periods are not counted


@final
@dataclass(frozen=True, slots=True)
class Piece:
    """Money that flows in (start, end], years from now, counts weight × exp(-rate × u)."""

    weight: float
    rate: float
    start: float
    end: float


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
            If margins grow faster than money loses, without an end.
        """
        rate, path, convention = economics.annual_discount_rate, economics.margin, economics.discounting
        period, within = 0.0, 0.0
        if not isinstance(convention, Continuously):
            period = convention.period.in_unit("year")
            within = (
                0.0 if isinstance(convention, StartOfPeriod) else 1.0 if isinstance(convention, EndOfPeriod) else 0.5
            )
            _check_whole(years, convention.period)
        timeline = cls(
            rates=rate.pieces() if isinstance(rate, Schedule) else ((0.0, float(rate)),),
            margins=path.pieces() if margin and isinstance(path, Schedule) else ((0.0, 1.0),),
            growth=math.log1p(path.annual_growth_rate) if margin and isinstance(path, Growing) else 0.0,
            period=period,
            within=within,
            horizon=years,
        )
        final_rate = math.log1p(timeline.rates[-1][1]) - timeline.growth
        if math.isinf(years) and final_rate <= 0 and (timeline.growth > 0 or period > 0):
            message = (
                "margins grow at least as fast as money loses by discounting, and accounting periods never end, so "
                "that the value for life may be infinite; take a finite horizon, such as kundenwert.years(10)"
            )
            raise InfiniteValueError(message)
        return timeline

    @property
    def is_flat(self) -> bool:
        """Whether it does not matter when money flows."""
        return self.rates == ((0.0, 0.0),) and len(self.margins) == 1 and self.growth == 0 and self.period == 0

    def discount(self, u: Array) -> Array:
        """What money at u, in years, counts, the margin path included; 0 beyond the horizon."""
        return np.where(u <= self.horizon, self._at(self._counted(u)), 0.0)

    def annuity(self, u: Array) -> Array:
        """What one unit of money a year, spent evenly in (0, u] but not beyond the horizon, counts; u is finite."""
        u = np.asarray(np.minimum(u, self.horizon), dtype=np.float64)
        if self.period:
            number = np.floor(u / self.period).astype(np.int64)
            counts = self._at((np.arange(number.max(initial=0) + 1.0) + self.within) * self.period)
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
        if self.period:
            return sum(piece.weight * self.period for piece in self.windows())
        return sum(float(_spent(piece, np.asarray(piece.end))) for piece in self.pieces())

    def pieces(self) -> Iterator[Piece]:
        """The pieces; long runs of accounting periods are represented by a few of them, with larger weights."""
        if self.period:
            yield from self._periods()
            return
        breaks = sorted({start for start, _ in (*self.rates, *self.margins) if start < self.horizon} | {self.horizon})
        for start, end in pairwise(breaks):
            rate = math.log1p(_value(self.rates, start)) - self.growth
            now = float(self._at(np.asarray(start)))
            yield Piece(now * math.exp(rate * start), rate, start, end)

    def windows(self) -> Iterator[Piece]:
        """Every accounting period as a piece of its own."""
        for number in range(self._count()):
            yield self._window(number, 1.0)

    def _periods(self) -> Iterator[Piece]:
        """Accounting periods: runs of them with the same rate and margin are sums of many smooth terms."""
        count = self._count()
        breaks = {math.ceil(start / self.period - self.within) for start, _ in (*self.rates, *self.margins)}
        runs = sorted({0, count} | {place for place in breaks if 0 < place < count})
        for first, stop in pairwise(runs):
            nodes, weights = summation(stop - first - 1)
            for number, weight in zip((first + nodes).tolist(), weights.tolist(), strict=True):
                yield self._window(number, weight)

    def _window(self, number: float, weight: float) -> Piece:
        start = number * self.period
        return Piece(
            weight * float(self._at(np.asarray(start + self.within * self.period))), 0.0, start, start + self.period
        )

    def _count(self) -> int:
        """How many accounting periods count."""
        if math.isfinite(self.horizon):
            return round(self.horizon / self.period)
        effective = math.log1p(self.rates[-1][1]) - self.growth
        constant_from = max(self.rates[-1][0], self.margins[-1][0])
        return math.ceil((constant_from - math.log(NEGLIGIBLE) / effective) / self.period)

    def _counted(self, u: Array) -> Array:
        """When money that flows at u counts."""
        if self.period == 0:
            return np.asarray(u)
        number = np.maximum(np.ceil(np.asarray(u) / self.period * (1 - 1e-12)), 1) - 1
        return np.asarray((number + self.within) * self.period)

    def _at(self, u: Array) -> Array:
        """Discount factor and margin path at u, whether or not it is beyond the horizon."""
        starts = np.array([start for start, _ in self.rates])
        deltas = np.log1p([rate for _, rate in self.rates])
        lost = np.r_[0.0, np.cumsum(np.diff(starts) * deltas[:-1])]
        place = np.searchsorted(starts, u, side="right") - 1
        logarithm = self.growth * u - lost[place] - deltas[place] * (u - starts[place])
        levels = np.array([level for _, level in self.margins])
        level = levels[np.searchsorted([start for start, _ in self.margins], u, side="right") - 1]
        return np.asarray(level * np.exp(logarithm))


def _value(pieces: tuple[tuple[float, float], ...], at: float) -> float:
    """The value that holds from `at`."""
    return next(value for start, value in reversed(pieces) if start <= at)


def _spent(piece: Piece, end: Array) -> Array:
    """What one unit of money a year, spent evenly in a piece until `end`, counts."""
    length = end - piece.start
    spent = length if piece.rate == 0 else -np.expm1(-piece.rate * length) / piece.rate
    return np.asarray(piece.weight * math.exp(-piece.rate * piece.start) * spent)


def _check_whole(years: float, period: Duration) -> None:
    length = period.in_unit("year")
    periods = years / length
    if math.isfinite(years) and (periods < 1 - 1e-9 or abs(periods - round(periods)) > 1e-9 * periods):
        message = (
            f"the horizon holds {periods:.4g} accounting periods of {period!r}; expected a whole number of them, at "
            "least one: take a longer horizon, a shorter period, or kundenwert.Continuously()"
        )
        raise DurationError(message)
