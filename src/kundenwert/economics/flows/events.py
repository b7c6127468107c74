"""What opportunities and renewals count, which come at equal intervals: the timeline in numbers of events."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from kundenwert.economics.flows.timeline import NEGLIGIBLE, Piece
from kundenwert.errors import MissingInformationError, SpecificationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kundenwert.economics.flows.timeline import Timeline
    from kundenwert.histories import Cells
    from kundenwert.models.core import Array

__all__ = ["check_every", "event_pieces", "event_weights", "periods_per_year"]

ROUNDING: Final = 1e-9
MOST: Final = 2**20  # events in accounting periods
STEEPEST: Final = 10.0  # exp(10) times the rounding error of a sum is still small
CUTOFF: Final = 45.0  # exp(-45) is below the last digit


def periods_per_year(cells: Cells) -> float:
    """Units, opportunities or renewals in a year; 1 if nobody said, which is enough where nothing is discounted."""
    return 1.0 if math.isnan(cells.periods_per_year) else cells.periods_per_year


def check_every(cells: Cells, purpose: str) -> None:
    """Refuse what cannot be done without the time between two events.

    Raises
    ------
    MissingInformationError
        If nobody said how much it is.
    """
    if math.isnan(cells.periods_per_year):
        name = "opportunities" if cells.unit == "opportunity" else "renewals"
        message = (
            f"{purpose}, the time between two {name} must be known; say so when the histories are made, with "
            "every=kundenwert.months(1), for example"
        )
        raise MissingInformationError(message)


def event_weights(cells: Cells, timeline: Timeline, *, length: float) -> Array:
    """What each of the next `length` opportunities or renewals counts by the timeline; the first is an interval away.

    Shape (events,); `length` is finite.
    """
    if not timeline.is_flat:
        check_every(cells, "to discount")
    return timeline.discount(np.arange(1, int(length) + 1) / periods_per_year(cells))


def event_pieces(timeline: Timeline, cells: Cells, length: float, *, due: bool = False) -> list[Piece]:
    """The timeline with times counted in events, so that the events start + 1 … end lie in each piece.

    Event j is j intervals away, or j - 1 if the first is due right now; it counts value × exp(-rate (j - start)). Rates
    are not negative, and later pieces are not steep, so that what comes after a start can be told as the difference of
    all and what comes before.
    """
    if not timeline.is_flat:
        check_every(cells, "to discount")
    pieces = _in_events(timeline, periods_per_year(cells), length, due=due)
    return [part for piece in pieces if piece.value and piece.end > piece.start for part in _tame(piece)]


def _in_events(timeline: Timeline, per_year: float, length: float, *, due: bool) -> Iterator[Piece]:
    first, factor = 0.0, 1.0
    if due and length >= 1:
        yield Piece(float(timeline.discount(np.zeros(1))[0]), 0.0, 0.0, 1.0)
        first = 1.0
    if timeline.period:
        if not _is_whole(1 / (timeline.period * per_year)):
            yield from _one_by_one(timeline, per_year, length, first=int(first), due=due)
            return
        # every event comes at the end of an accounting period, and counts a fixed time earlier
        earlier = (1 - timeline.within) * timeline.period
        (_, rate), *others = timeline.rates
        rates = ((0.0, rate), *((start + earlier, other) for start, other in others))
        timeline, factor = replace(timeline, rates=rates, period=0.0), (1 + rate) ** earlier
    timeline = replace(timeline, horizon=timeline.horizon + 0.5 / per_year)  # so that a value may begin at its end
    for piece in timeline.pieces():
        last = min(_last_event(piece, per_year, due=due), length)
        since = (first - due) / per_year - piece.start
        yield Piece(factor * piece.value * math.exp(-piece.rate * since), piece.rate / per_year, first, last)
        first = max(first, last)


def _last_event(piece: Piece, per_year: float, *, due: bool) -> float:
    """A value holds until the next one begins."""
    end = piece.end * per_year + due
    return end if math.isinf(end) else math.ceil(end - ROUNDING) - 1


def _one_by_one(timeline: Timeline, per_year: float, length: float, *, first: int, due: bool) -> Iterator[Piece]:
    """Events in accounting periods that hold several of them; those that count the same make a piece."""
    last = length
    if math.isinf(length):
        lasting = -math.log(NEGLIGIBLE) / timeline.final_rate if timeline.final_rate > 0 else timeline.period
        last = math.ceil((timeline.constant_from + lasting) * per_year) + due
    if last > MOST:
        message = (
            f"{last:,.0f} events in accounting periods of {timeline.period * per_year:.3g} events each are too many to "
            "be counted one by one; take kundenwert.Continuously(), or a shorter horizon"
        )
        raise SpecificationError(message)
    values = timeline.discount((np.arange(first + 1, int(last) + 1) - due) / per_year)
    starts = np.flatnonzero(np.diff(values, prepend=np.nan) != 0)
    for start, end in zip(starts.tolist(), [*starts[1:].tolist(), len(values)], strict=True):
        yield Piece(float(values[start]), 0.0, float(first + start), float(first + end))
    if math.isinf(length) and timeline.final_rate == 0:
        yield Piece(float(values[-1]), 0.0, float(last), math.inf)


def _tame(piece: Piece) -> Iterator[Piece]:
    """The piece, or its events one by one if what they count rises, or falls steeply after a late start."""
    if piece.rate == 0 or 0 < piece.rate * (piece.start + 1) <= STEEPEST or (piece.rate > 0 and piece.start == 0):
        yield piece
        return
    end = min(piece.end, piece.start + math.ceil(CUTOFF / piece.rate)) if piece.rate > 0 else piece.end
    for number in range(int(piece.start), int(end)):
        yield Piece(piece.value * math.exp(-piece.rate * (number + 1 - piece.start)), 0.0, float(number), number + 1.0)


def _is_whole(number: float) -> bool:
    return number > 0.5 and abs(number - round(number)) < ROUNDING * number
