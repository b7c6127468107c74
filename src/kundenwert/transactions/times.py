"""Times in a log become whole resolution steps, in the wall-clock time of the column itself.

Step 0 holds 1970-01-01 00:00. Calendar days need no time zone then: a purchase at 23:30 in Berlin belongs to that
day in Berlin. Of the hour that clocks repeat in autumn, both passes are one step.
"""

from __future__ import annotations

import re
from datetime import date, datetime, time, tzinfo
from typing import TYPE_CHECKING, Final

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from kundenwert.errors import ColumnError, SpecificationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kundenwert.duration import Resolution
    from kundenwert.histories.tables import Table

    type Zone = str | tzinfo
    type Times = NDArray[np.datetime64]
    type Integers = NDArray[np.int64]

__all__ = ["local_times", "step_label", "until_step", "whole_steps"]

MONDAY: Final = 3  # days from Monday 1969-12-29, where week 0 starts, to step 0 of the days
PER_SECOND: Final = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
ISO: Final = re.compile(
    r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.]\d{1,9})?)?(?:Z|[+-]\d{2}:?\d{2})?)?", flags=re.ASCII
)


def local_times(table: Table, column: str, *, parse_dates: bool) -> tuple[Times, Zone | None]:
    """Read a time column as wall-clock times, and the time zone they are in.

    Returns
    -------
    times
        Shape (rows,); NaT for nulls and for strings that are no ISO date.
    time_zone
        None for naive times.

    Raises
    ------
    ColumnError
        If the column holds no times, or strings and `parse_dates` is False, or strings with several UTC offsets.
    """
    series = table.get_column(column)
    native, dtype = series.to_native(), series.dtype
    if isinstance(native, pd.Series) and isinstance(native.dtype, pd.DatetimeTZDtype):
        # Past narwhals, which takes zones such as America/New_York in pandas for an unknown type.
        return native.dt.tz_localize(None).to_numpy(), native.dtype.tz
    if isinstance(dtype, nw.Datetime):
        local = series.dt.replace_time_zone(None) if dtype.time_zone is not None else series
        return np.asarray(local.to_numpy(), dtype=f"datetime64[{dtype.time_unit}]"), dtype.time_zone
    if isinstance(dtype, nw.Date):
        return np.asarray(series.cast(nw.Datetime("us")).to_numpy(), dtype="datetime64[us]"), None
    if isinstance(dtype, nw.Object) and pd.api.types.infer_dtype(series.to_numpy(), skipna=True) == "date":
        # Plain datetime.date objects: what pandas makes of dates unless told otherwise.
        return np.asarray(series.to_numpy(), dtype="datetime64[D]").astype("datetime64[s]"), None
    if isinstance(dtype, nw.String) and parse_dates:
        return _parsed(np.asarray(series.to_numpy(), dtype=np.object_), column)
    if isinstance(dtype, nw.String):
        hint = "pass parse_dates=True if they are ISO dates (2024-03-31), otherwise convert the column"
    elif dtype.is_numeric():
        hint = "numbers do not tell their unit or origin: convert the column to dates"
    else:
        hint = "convert the column to dates or datetimes of one time zone"
    message = f"times in column {column!r} must be dates or datetimes, got {dtype}; {hint}"
    raise ColumnError(message)


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


def until_step(until: str | date, resolution: Resolution, time_zone: Zone | None, name: str = "until") -> int:
    """Return the step that `until` falls in; a date without a time of day means all of that day.

    `name` is what to call it in messages.

    Raises
    ------
    SpecificationError
        If `until` is no date or datetime, no ISO string, or has a time zone while the log has none.
    """
    moment = _moment(until, name)
    if moment.tzinfo is not None:
        if time_zone is None:
            message = f"{name}={until!r} has a time zone, but the times of the log have none; give it without one"
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


def _moment(until: object, name: str) -> datetime:
    parsed: object = until
    if isinstance(until, str) and ISO.fullmatch(until):
        try:
            parsed = date.fromisoformat(until) if len(until) == 10 else datetime.fromisoformat(until)
        except ValueError:
            parsed = None  # such as the 30th of February
    if isinstance(parsed, datetime) and parsed == parsed:  # noqa: PLR0124 -- NaT is a datetime, but not itself
        return parsed
    if isinstance(parsed, date) and not isinstance(parsed, datetime):
        return datetime.combine(parsed, time.max)
    message = f"{name}={until!r} is no date; expected for example {name}='1997-09-30', a datetime.date or a datetime"
    raise SpecificationError(message)


def _parsed(strings: NDArray[np.object_], column: str) -> tuple[Times, Zone | None]:
    codes, distinct = pd.factorize(strings)  # a log has far fewer dates than rows
    strict = pd.Series([*(text if ISO.fullmatch(text) else None for text in distinct), None], dtype="str")
    try:
        times = pd.to_datetime(strict, format="ISO8601", errors="coerce")
    except ValueError as error:
        message = (
            f"times in column {column!r} have several UTC offsets, or only some have one; convert them to one time zone"
        )
        raise ColumnError(message) from error
    return times.dt.tz_localize(None).to_numpy()[codes], times.dt.tz  # a null has code -1, and None stands last
