"""Times in a log become whole resolution steps, in the wall-clock time of the column or of a zone that is asked for.

Step 0 holds 1970-01-01 00:00. Calendar days need no time zone then: a purchase at 23:30 in Berlin belongs to that
day in Berlin. Of the hour that clocks repeat in autumn, both passes are one step.
"""

from __future__ import annotations

import re
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from kundenwert.errors import SpecificationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kundenwert.duration import Resolution

    type Day = str | date | np.datetime64 | pd.Period
    type Times = NDArray[np.datetime64]
    type Integers = NDArray[np.int64]

__all__ = ["last_label", "moment_of", "step_label", "until_step", "whole_steps"]

MONDAY: Final = 3  # days from Monday 1969-12-29, where week 0 starts, to step 0 of the days
PER_SECOND: Final = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
ISO: Final = re.compile(
    r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.]\d{1,9})?)?(?:Z|[+-]\d{2}:?\d{2})?)?", flags=re.ASCII
)


def whole_steps(times: Times, resolution: Resolution) -> Integers:
    """Return the step that each time falls in, shape (rows,); NaT gives any number."""
    per_hour = 3600 * PER_SECOND[np.datetime_data(times.dtype)[0]]
    count = times.astype(np.int64)
    match resolution:
        case "hour":
            return count // per_hour
        case "day":
            return count // (24 * per_hour)
        case "week":
            return (count // (24 * per_hour) + MONDAY) // 7


def until_step(until: Day, resolution: Resolution, time_zone: str | None, name: str = "until") -> int:
    """Return the step that `until` falls in; a date without a time of day means all of that day.

    `name` is what to call it in messages.

    Raises
    ------
    SpecificationError
        If `until` is no date or datetime, no ISO string, or has a time zone while the log has none.
    """
    moment = moment_of(until, name)
    if moment.tzinfo is not None:
        if time_zone is None:
            message = (
                f"{name}={until!r} has a time zone, but the times of the log have none; give it without one, or say "
                "with time_zone=… which one the log is in"
            )
            raise SpecificationError(message)
        moment = pd.Timestamp(moment).tz_convert(time_zone).to_pydatetime(warn=False).replace(tzinfo=None)
    return int(whole_steps(np.array([moment], dtype="datetime64[us]"), resolution)[0])


def step_label(step: int, resolution: Resolution) -> str:
    """Show the start of a step in messages, as ``1997-09-30`` or ``1997-09-30T13``."""
    match resolution:
        case "hour":
            return str(np.datetime64(step, "h"))
        case "day":
            return str(np.datetime64(step, "D"))
        case "week":
            return str(np.datetime64(7 * step - MONDAY, "D"))


def last_label(step: int, resolution: Resolution) -> str:
    """Show the last day, or hour, of a step: the Sunday of a week."""
    return step_label(step, resolution) if resolution != "week" else step_label(7 * (step + 1) - MONDAY - 1, "day")


def moment_of(until: object, name: str) -> datetime:
    """Return a date (its last moment) or a datetime, however it is written.

    Raises
    ------
    SpecificationError
        If it is neither.
    """
    parsed: object = until
    if isinstance(until, str) and ISO.fullmatch(until):
        try:
            parsed = date.fromisoformat(until) if len(until) == 10 else datetime.fromisoformat(until)
        except ValueError:
            parsed = None  # such as the 30th of February
    elif isinstance(until, np.datetime64):
        parsed = _of_numpy(until)
    elif isinstance(until, pd.Period) and until.freqstr in {"D", "h"}:
        parsed = until.start_time.date() if until.freqstr == "D" else until.start_time.to_pydatetime()
    if isinstance(parsed, datetime) and parsed == parsed:  # noqa: PLR0124 -- NaT is a datetime, but not itself
        return parsed
    if isinstance(parsed, date) and not isinstance(parsed, datetime):
        return datetime.combine(parsed, time.max)
    message = f"{name}={until!r} is no date; expected for example {name}='1997-09-30', a datetime.date or a datetime"
    raise SpecificationError(message)


def _of_numpy(moment: np.datetime64) -> date | datetime | None:
    """A day of NumPy's as a date, a finer moment as a datetime; None for months and years, which are no day."""
    unit = np.datetime_data(moment.dtype)[0]
    if np.isnat(moment) or unit not in {"D", "h", "m", *PER_SECOND}:
        return None
    found = moment.astype("datetime64[D]" if unit == "D" else "datetime64[us]").item()
    return found if isinstance(found, date) else None  # beyond the year 9999 it is a number
