"""Columns of times, in whatever type a library holds them, become wall-clock times."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from kundenwert.errors import ColumnError
from kundenwert.histories.columns import is_objects, kinds, missing, objects
from kundenwert.transactions.remedies import format_hint, number_line, period_line, text_line
from kundenwert.transactions.written_times import formatted_times, iso_times, refuse_several_zones
from kundenwert.transactions.zones import wall_clock, zone_name

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kundenwert.histories import LogColumns
    from kundenwert.histories.columns import Objects
    from kundenwert.histories.tables import Column, Table

    type Times = NDArray[np.datetime64]

__all__ = ["clock_times"]


def clock_times(table: Table, columns: LogColumns) -> tuple[Times, str | None]:
    """Read the column of times as wall-clock times in the zone of `columns`, or in its own if that names none.

    Times without a zone are taken as they stand: as wall-clock times of that zone.

    Returns
    -------
    times
        Shape (rows,); NaT for nulls and for text that cannot be read.
    column_zone
        Time zone of the column itself; None for times without one.

    Raises
    ------
    ColumnError
        If the column holds no times, or text and neither `parse_dates` nor `time_format` says how to read it, or
        times with several UTC offsets and no `time_zone`.
    """
    series = table.get_column(columns.time)
    native = series.to_native()
    if isinstance(native, pd.Series) and isinstance(native.dtype, pd.CategoricalDtype):
        native = native.astype(native.cat.categories.dtype)
        series = nw.from_native(native, series_only=True)
    if isinstance(native, pd.Series) and isinstance(native.dtype, pd.DatetimeTZDtype):
        # Past narwhals, which takes zones such as America/New_York in pandas for an unknown type.
        zone = zone_name(native.dtype.tz)
        if columns.zone in {None, zone}:
            return native.dt.tz_localize(None).to_numpy(), zone
        return wall_clock(native.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy(), columns.zone or zone), zone
    if series.implementation.is_pyarrow() and str(native.type) == "date64[ms]":  # which narwhals does not know
        series = nw.from_native(native.cast("date32"), series_only=True)
    if is_objects(series):
        return _from_objects(series, columns)
    return _from_typed(series, columns)


def _from_typed(series: Column, columns: LogColumns) -> tuple[Times, str | None]:
    dtype = series.dtype
    if isinstance(dtype, nw.Datetime):
        return _from_datetimes(series, dtype, columns)
    if isinstance(dtype, nw.Date):
        return np.asarray(series.cast(nw.Datetime("us")).to_numpy(), dtype="datetime64[us]"), None
    if isinstance(dtype, (nw.String, nw.Categorical, nw.Enum)):
        return _from_text(series, objects(series), columns)
    if dtype.is_numeric():
        return _from_numbers(series, columns)
    if bool(series.is_null().all()):
        return np.full(len(series), "NaT", dtype="datetime64[s]"), None
    raise _no_times(series, columns.time)


def _from_datetimes(series: Column, dtype: nw.Datetime, columns: LogColumns) -> tuple[Times, str | None]:
    zone = None if dtype.time_zone is None else zone_name(dtype.time_zone)
    local = series
    if zone is not None and columns.zone in {None, zone}:
        local = series.dt.replace_time_zone(None)
    elif zone is not None:
        local = series.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    times = np.asarray(local.to_numpy(), dtype=f"datetime64[{dtype.time_unit}]")
    if zone is not None and columns.zone not in {None, zone}:
        times = wall_clock(times, columns.zone or zone)
    return times, zone


def _from_objects(series: Column, columns: LogColumns) -> tuple[Times, str | None]:
    """Python's own dates, datetimes, text or numbers; all of them are looked at, so that no hour is lost."""
    values = objects(series)
    known = ~missing(values)
    given = values[known]
    types = kinds(given)
    times = np.full(len(values), "NaT", dtype="datetime64[us]")
    zone = None
    if types <= {date}:
        times[known] = given.astype("datetime64[D]")
    elif all(issubclass(kind, (date, np.datetime64)) for kind in types):
        times[known], zone = _from_moments(given, columns)
    elif all(issubclass(kind, str) for kind in types):
        return _from_text(series, values, columns)
    elif all(issubclass(kind, (int, float, np.integer, np.floating)) and kind is not bool for kind in types):
        fits = not any(issubclass(kind, float) for kind in types) and all(abs(int(value)) < 2**63 for value in given)
        floats = [float(value) if abs(value) < 1e300 else np.inf for value in given]  # no float holds larger integers
        numbers = pd.Series(given).astype(np.int64) if fits else pd.Series(floats, dtype=np.float64)
        times[known], zone = _from_numbers(nw.from_native(numbers, series_only=True), columns)
    else:
        raise _no_times(series, columns.time)
    return times, zone


def _from_moments(given: Objects, columns: LogColumns) -> tuple[Times, str | None]:
    """Datetimes and dates, a date standing for its midnight."""
    zones = [value.tzinfo if isinstance(value, datetime) else None for value in given]
    names = {None if zone is None else zone_name(zone) for zone in set(zones)}
    if names == {None}:
        return pd.to_datetime(pd.Series(given, dtype=object), errors="coerce").to_numpy(), None
    if len(names) > 1 and (None in names or columns.zone is None):
        first = next(place for place, zone in enumerate(zones) if zone != zones[0])
        refuse_several_zones(columns.time, str(given[0]), str(given[first]), one_has_none=None in names)
    zone = next(iter(names)) if len(names) == 1 else columns.zone
    assert zone is not None  # noqa: S101 - else refused
    instants = pd.to_datetime(pd.Series(given, dtype=object), utc=True, errors="coerce").dt.tz_localize(None)
    return wall_clock(instants.to_numpy(), columns.zone or zone), zone


def _from_text(series: Column, values: Objects, columns: LogColumns) -> tuple[Times, str | None]:
    if columns.time_format is not None:
        return formatted_times(values, columns)
    if columns.parse_dates:
        return iso_times(values, columns)
    known = values[~missing(values)]
    if len(known) == 0:
        return np.full(len(values), "NaT", dtype="datetime64[s]"), None
    message = (
        f"times in column {columns.time!r} must be dates or datetimes, got text such as {known[0]!r}, which is read "
        f"only if you say how: {format_hint(known, series, columns.time)}"
    )
    raise ColumnError(message)


def _from_numbers(series: Column, columns: LogColumns) -> tuple[Times, str | None]:
    """Numbers such as 20240115, written out and read by the format; any others do not tell their unit."""
    known = series.drop_nulls()
    if columns.time_format is None or not (series.dtype.is_integer() or series.dtype.is_float()):
        values = known.to_list() or [0]
        seem, line = number_line(series, columns.time, float(min(values)), float(max(values)))
        message = (
            f"times in column {columns.time!r} must be dates or datetimes, got {series.dtype}, such as {values[0]!r}; "
            "numbers do not tell their unit or origin: pass time_format='%Y%m%d' if they are written like 20240115; "
            f"these {seem}, which this line converts: {line}"
        )
        raise ColumnError(message)
    numbers = objects(series)
    codes, distinct = pd.factorize(numbers)
    text = [f"{int(number)}" if number == number // 1 else f"{number}" for number in distinct]  # 20240115.0 has gaps
    times, zone = formatted_times(np.array([*text, None], dtype=np.object_), columns)
    return times[codes], zone  # a null has code -1, and None stands last


def _no_times(series: Column, column: str) -> ColumnError:
    native = series.to_native()
    values = np.array([*series.to_list(), None], dtype=np.object_)[:-1]  # with None, so that lists stay one value each
    known = list(values[~missing(values)])
    sample = f", such as {known[0]!r}" if known else ""
    if isinstance(native, pd.Series) and known and isinstance(known[0], pd.Period):
        hint = f"a period is no moment; take its first day: {period_line(native, column)}"
    elif len(found := kinds(np.array([*known, None], dtype=np.object_)[:-1])) > 1:
        first = next(value for value in known if type(value) is not type(known[0]))
        names = ", ".join(sorted(kind.__name__ for kind in found))
        hint = f"and there are values of several types ({names}), such as {first!r}; give all of them one, in pandas "
        hint += f"if text is ISO: {text_line(column)}"
    else:
        hint = "convert the column to dates or datetimes of one time zone"
    message = f"times in column {column!r} must be dates or datetimes, got {series.dtype}{sample}; {hint}"
    return ColumnError(message)
