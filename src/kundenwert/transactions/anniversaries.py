"""Renewals on the calendar: how many days of renewal lie between the start of a contract and another day.

A contract renews on the day of the month on which it began, or on the last day of shorter months. Every renewal is
counted from the start: a monthly contract of 31 January renews on 28 or 29 February and then on 31 March.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self, final, get_args

import numpy as np

from kundenwert.duration import DAYS, Duration
from kundenwert.errors import SpecificationError
from kundenwert.transactions.periods import LENGTHS, Period

if TYPE_CHECKING:
    from numpy.typing import NDArray

    type Integers = NDArray[np.int64]

__all__ = ["Interval"]

MONTHS: Final[dict[str, int]] = {"month": 1, "quarter": 3, "year": 12}
WHOLE: Final = 1e-9


@final
@dataclass(frozen=True, slots=True)
class Interval:
    """Time between two renewals: so many months of the calendar, or so many days."""

    count: int
    in_months: bool
    length: Duration

    @classmethod
    def of(cls, every: Period | Duration) -> Self:
        """The interval that a word or a duration stands for.

        Raises
        ------
        SpecificationError
            If it is neither a word for a period, nor a whole number of months or days.
        """
        if isinstance(every, str) and every in LENGTHS:
            if every == "week":
                return cls(7, in_months=False, length=LENGTHS[every])
            return cls(MONTHS[every], in_months=True, length=LENGTHS[every])
        if isinstance(every, Duration) and 0 < every.in_days < np.inf:
            for unit, in_months in (("month", True), ("day", False)):
                number = every.in_days / DAYS[unit]
                if round(number) > 0 and abs(number - round(number)) < WHOLE * number:
                    return cls(round(number), in_months=in_months, length=every)
        known = ", ".join(map(repr, get_args(Period.__value__)))
        message = (
            f"every={every!r} is no time between two renewals; expected one of {known}, or whole months or days, such "
            "as kundenwert.months(6) or kundenwert.days(28)"
        )
        raise SpecificationError(message)

    def renewals(self, start: Integers, day: Integers) -> Integers:
        """How many days of renewal come after the start and not after `day`; both are days since 1970-01-01."""
        if not self.in_months:
            return np.asarray(np.maximum((day - start) // self.count, 0))
        began, month_began = _parts(start)
        now, month = _parts(day)
        following = (month + np.timedelta64(1, "M")).astype("datetime64[D]")
        last = (following - month.astype("datetime64[D]")).astype(np.int64) - 1
        months = (month - month_began).astype(np.int64) - (now < np.minimum(began, last))
        return np.asarray(np.maximum(months // self.count, 0))


def _parts(day: Integers) -> tuple[Integers, NDArray[np.datetime64]]:
    """Day of the month, from 0, and the month."""
    date = day.astype("datetime64[D]")
    month = date.astype("datetime64[M]")
    return (date - month.astype("datetime64[D]")).astype(np.int64), month
