"""Periods that a log is cut into: calendar weeks, months, quarters and years, or between dates that are given.

Days are counted from 1970-01-01. Periods are described by their edges: the first day of each, and the day after the
last one.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import time
from typing import TYPE_CHECKING, Final, Literal, get_args

import numpy as np

from kundenwert.duration import Duration, days, months, weeks, years
from kundenwert.errors import SpecificationError
from kundenwert.transactions.times import MONDAY, moment_of, step_label, until_step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from kundenwert.transactions.times import Day

    type Integers = NDArray[np.int64]

__all__ = ["Period", "calendar_edges", "check_period", "complete", "given_edges", "mean_length"]

type Period = Literal["week", "month", "quarter", "year"]
"""A period of the calendar; weeks start on Monday."""

LENGTHS: Final[dict[Period, Duration]] = {
    "week": weeks(1),
    "month": months(1),
    "quarter": months(3),
    "year": years(1),
}


def check_period(every: str) -> None:
    """Check that this is a period of the calendar."""
    if every not in LENGTHS:
        known = ", ".join(map(repr, get_args(Period.__value__)))
        message = f"every={every!r} is unknown; expected one of {known}, or give the dates of the periods as edges=[…]"
        raise SpecificationError(message)


def calendar_edges(every: Period, first: int, last: int) -> Integers:
    """Edges of the periods from the one that holds day `first` to the last one that is over with day `last`.

    There is one edge only, and no period, if the first of them is not over.
    """
    numbers = np.arange(_number(every, first), max(_number(every, first), _number(every, last + 1)) + 1)
    match every:
        case "week":
            return numbers * 7 - MONDAY
        case "month":
            return numbers.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
        case "quarter":
            return (numbers * 3).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
        case "year":
            return numbers.astype("datetime64[Y]").astype("datetime64[D]").astype(np.int64)


def given_edges(edges: Sequence[Day], time_zone: str | None) -> Integers:
    """Edges as days.

    Raises
    ------
    SpecificationError
        If there are fewer than two, if one is no date, or if they do not increase; names the first one.
    """
    given: Sequence[Day] = [*edges] if isinstance(edges, Iterable) and not isinstance(edges, str) else []
    if len(given) < 2:
        message = (
            f"edges={edges!r} make no period; expected at least two dates, the first day of each period and the day "
            "after the last one, for example edges=['2023-09-01', '2024-03-01', '2024-09-01']"
        )
        raise SpecificationError(message)
    edges = given
    found = np.array([_day(edge, f"edges[{place}]", time_zone) for place, edge in enumerate(edges)], dtype=np.int64)
    falls = np.flatnonzero(np.diff(found) <= 0)
    if len(falls):
        first = int(falls[0])
        message = (
            f"edges[{first + 1}]={edges[first + 1]!r} does not come after edges[{first}]={edges[first]!r}; expected "
            "increasing dates; sort them, and give each once"
        )
        raise SpecificationError(message)
    return found


def complete(edges: Integers, until: int) -> Integers:
    """Edges of the periods that are over with the day `until`."""
    return edges[edges <= until + 1]


def mean_length(edges: Integers, every: Period | None) -> Duration:
    """Time from one period to the next."""
    return LENGTHS[every] if every is not None else days(float(edges[-1] - edges[0]) / (len(edges) - 1))


def _number(every: Period, day: int) -> int:
    """Number of the period that holds a day."""
    match every:
        case "week":
            return (day + MONDAY) // 7
        case "month":
            return int(np.datetime64(day, "D").astype("datetime64[M]").astype(np.int64))
        case "quarter":
            return _number("month", day) // 3
        case "year":
            return int(np.datetime64(day, "D").astype("datetime64[Y]").astype(np.int64))


def _day(edge: Day, name: str, time_zone: str | None) -> int:
    day = until_step(edge, "day", time_zone, name)
    if moment_of(edge, name).time() not in {time.min, time.max}:
        message = (
            f"{name}={edge!r} has a time of day; periods start with a day, here for example {step_label(day, 'day')!r}"
        )
        raise SpecificationError(message)
    return day
