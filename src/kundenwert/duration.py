"""Durations, counted periods and units: the only file that knows how long a month is.

A year is 365.25 days and a month a twelfth of it, so that ``months(12) == years(1)``. Discrete models count: the
opportunities at which a customer may buy, the renewals of a contract.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal, cast, final, get_args

from kundenwert.errors import DurationError, SpecificationError
from kundenwert.scalars import is_number, is_whole
from kundenwert.storage.registry import explain_annotations, register

__all__ = [
    "LIFETIME",
    "Count",
    "Duration",
    "Horizon",
    "Periods",
    "Resolution",
    "TimeUnit",
    "Unit",
    "check_duration",
    "check_unit",
    "days",
    "hours",
    "months",
    "opportunities",
    "renewals",
    "units_per_year",
    "weeks",
    "years",
]

type TimeUnit = Literal["hour", "day", "week", "month", "year"]
"""A unit in which rates and times are expressed."""

type Count = Literal["opportunity", "renewal", "campaign"]
"""What discrete models count instead of time; a campaign is seen once."""

type Unit = TimeUnit | Count
"""What a posterior measures time in."""

type Resolution = Literal["hour", "day", "week"]
"""The length of a time step in which purchases count once."""

DAYS_PER_YEAR: Final = 365.25
DAYS: Final[dict[str, float]] = {
    "hour": 1 / 24,
    "day": 1.0,
    "week": 7.0,
    "month": DAYS_PER_YEAR / 12,
    "year": DAYS_PER_YEAR,
}
LARGEST_NUMBER: Final = 1e300  # of any unit: in days it is a floating-point number too
MOST_PERIODS: Final = 10**15
PLURALS: Final[dict[str, str]] = {"opportunity": "opportunities", "renewal": "renewals", "campaign": "campaigns"}


@final
@dataclass(frozen=True, slots=True, order=True)
class Duration:
    """A length of time, free of units.

    Make one with :func:`hours`, :func:`days`, :func:`weeks`, :func:`months` or :func:`years`, or use
    :data:`LIFETIME`.

    Examples
    --------
    >>> import kundenwert as kw
    >>> kw.weeks(2) == kw.days(14)
    True
    >>> kw.years(1).in_unit("month")
    12.0
    """

    in_days: float

    def __post_init__(self) -> None:
        if math.isnan(self.in_days) or self.in_days < 0:
            message = f"a duration is zero or longer, got {self.in_days!r} days"
            raise SpecificationError(message)

    def in_unit(self, unit: Unit) -> float:
        """Length in the given unit (``inf`` for :data:`LIFETIME`).

        Raises
        ------
        DurationError
            If the unit is a count: how many opportunities or renewals a year holds is not the library's to say.
        """
        if unit in PLURALS:
            if self.in_days in {0.0, math.inf}:
                return self.in_days
            raise DurationError(_counted(unit, self))
        return self.in_days / DAYS[check_unit(unit)]

    @property
    def is_lifetime(self) -> bool:
        """Whether this is :data:`LIFETIME`."""
        return math.isinf(self.in_days)

    def __repr__(self) -> str:
        if self.is_lifetime:
            return "LIFETIME"
        for unit in ("year", "month", "week", "day"):
            length = self.in_days / DAYS[unit]
            if length >= 1 and abs(length - round(length)) < 1e-9:
                return f"{unit}s({round(length)})"
        return f"days({self.in_days:g})"


LIFETIME: Final = Duration(math.inf)
"""No end: as long as the relationship lasts."""


@final
@dataclass(frozen=True, slots=True)
class Periods:
    """A number of opportunities or renewals: the horizon of a discrete model.

    Make one with :func:`opportunities` or :func:`renewals`.
    """

    count: int
    of: Count

    def __post_init__(self) -> None:
        whole = is_whole(self.count) and self.count >= 0
        if not whole or self.count > MOST_PERIODS:
            most = f", which is more than {MOST_PERIODS:,}" if whole else ""
            message = f"{PLURALS[self.of]}(…) takes a whole number of at least 0, got {self.count!r}{most}"
            raise SpecificationError(message)
        object.__setattr__(self, "count", int(self.count))

    def in_unit(self, unit: Unit) -> float:
        """The number, if this is what is counted.

        Raises
        ------
        DurationError
            If something else is counted, or time is measured.
        """
        if unit != self.of:
            if unit in PLURALS:
                raise DurationError(_counted(unit, self))
            name = f"{check_unit(unit)}s"
            message = f"time is measured in {name} here, got {self!r}; write for example kundenwert.{name}(26)"
            raise DurationError(message)
        return float(self.count)

    @property
    def is_lifetime(self) -> bool:
        """Never: :data:`LIFETIME` has no number."""
        return False

    def __repr__(self) -> str:
        return f"{PLURALS[self.of]}({self.count})"


type Horizon = Duration | Periods
"""How far ahead: a length of time, or a number of opportunities or renewals."""


def _counted(unit: str, got: Horizon) -> str:
    name = PLURALS[unit]
    return f"{name} are counted here, got {got!r}; write for example kundenwert.{name}(5)"


def opportunities(count: int, /) -> Periods:
    """A number of opportunities to buy, for models such as BG/BB."""
    return Periods(count, "opportunity")


def renewals(count: int, /) -> Periods:
    """A number of contract renewals, for models such as the shifted beta-geometric."""
    return Periods(count, "renewal")


def _duration(count: float, unit: str) -> Duration:
    if not is_number(count) or abs(float(count)) > LARGEST_NUMBER:
        message = f"{unit}s(…) takes a finite number, got {count!r}; for an open end use kundenwert.LIFETIME"
        raise SpecificationError(message)
    return Duration(float(count) * DAYS[unit])


def hours(count: float, /) -> Duration:
    """A duration of `count` hours."""
    return _duration(count, "hour")


def days(count: float, /) -> Duration:
    """A duration of `count` days."""
    return _duration(count, "day")


def weeks(count: float, /) -> Duration:
    """A duration of `count` weeks."""
    return _duration(count, "week")


def months(count: float, /) -> Duration:
    """A duration of `count` months of 365.25 / 12 days."""
    return _duration(count, "month")


def years(count: float, /) -> Duration:
    """A duration of `count` years of 365.25 days."""
    return _duration(count, "year")


def check_duration[H: (Duration, Periods, Horizon)](value: H, name: str, *, lifetime: bool = False) -> H:
    """Return `value` if it is a Duration or counted periods; `lifetime` tells whether LIFETIME is allowed."""
    if not isinstance(value, (Duration, Periods)):
        message = (
            f"{name} takes a Duration, got {value!r}; "
            f"write for example {name}=kundenwert.weeks(26), so that the unit is never in doubt"
        )
        raise DurationError(message)
    if value.is_lifetime and not lifetime:
        message = f"{name} must be finite here, got LIFETIME; give a finite one, for example kundenwert.years(10)"
        raise SpecificationError(message)
    return value


def check_unit(unit: str) -> TimeUnit:
    """Return `unit` if it is a known unit of time."""
    if unit not in tuple(DAYS):  # what has no hash, such as a list, is no unit either
        message = f"unknown time unit {unit!r}; expected one of {', '.join(map(repr, DAYS))}"
        raise SpecificationError(message)
    return cast("TimeUnit", unit)


def check_unit_or_count(unit: str) -> Unit:
    """Return `unit` if it is a known unit of time or a count."""
    return cast("Count", unit) if unit in PLURALS else check_unit(unit)


def check_resolution(resolution: str) -> Resolution:
    """Return `resolution` if it is a known length of a time step."""
    known: tuple[str, ...] = get_args(Resolution.__value__)
    if resolution not in known:
        message = f"unknown resolution {resolution!r}; expected one of {', '.join(map(repr, known))}"
        raise SpecificationError(message)
    return resolution  # type: ignore[return-value]  # the check above proves it


def units_per_year(unit: Unit) -> float:
    """How many of the given unit of time make a year of 365.25 days."""
    return DAYS_PER_YEAR / DAYS[check_unit(unit)]


def steps_per_unit(unit: TimeUnit, resolution: Resolution) -> float:
    """How many resolution steps make one unit."""
    return DAYS[check_unit(unit)] / DAYS[check_resolution(resolution)]


register(Duration, Periods)
explain_annotations({"Horizon": Horizon, "TimeUnit": TimeUnit, "Count": Count, "Unit": Unit, "Resolution": Resolution})
