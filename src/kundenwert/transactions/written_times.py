"""Times that are written as text: ISO in its common dresses, or in a format that is given.

The parser is that of pandas. What stands here decides which text it may see, so that nothing is guessed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NoReturn

import pandas as pd

from kundenwert.errors import ColumnError, SpecificationError
from kundenwert.transactions.zones import wall_clock, zone_name

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from kundenwert.histories import LogColumns
    from kundenwert.histories.columns import Objects

    type Times = NDArray[np.datetime64]

__all__ = ["check_format", "encodable", "formatted_times", "iso_times", "refuse_several_zones"]

ISO: Final = re.compile(
    r"(\d{4}([-/])\d{1,2}\2\d{1,2}|\d{8})"  # 2024-03-31, 2024-3-1, 2024/03/31 or 20240331
    r"(?:(?:[T ](\d{1,2}:\d{2}(?::\d{2})?)(?:[.,]\d+)?|(T\d{6})) ?(Z|UTC|[+-]\d{2}(?::?\d{2})?)?)?",
    flags=re.ASCII,
)
DATED: Final = re.compile(r"%[YyGcx]")
ADJACENT: Final = re.compile(r"%[YymdHMSjGVuw]%[YymdHMSjGVuw]")


def check_format(time_format: object) -> None:
    """Check that this is a format that pandas can read dates with, or None.

    Raises
    ------
    SpecificationError
        Names what is wrong with it.
    """
    if time_format is None:
        return
    wrong = None
    if not isinstance(time_format, str) or not DATED.search(time_format):
        wrong = "it has no year"
    else:
        try:
            pd.to_datetime(["?"], format=time_format, errors="coerce")
        except ValueError as error:
            wrong = str(error)
    if wrong is not None:
        message = (
            f"time_format={time_format!r} is no format of dates: {wrong}; expected directives as in datetime.strptime, "
            "for example time_format='%d.%m.%Y' or '%m/%d/%Y %H:%M'"
        )
        raise SpecificationError(message)


def iso_times(values: Objects, columns: LogColumns) -> tuple[Times, str | None]:
    """Read ISO text as wall-clock times in the zone of `columns`, or in its own; NaT for any other text.

    Raises
    ------
    ColumnError
        If there are several UTC offsets and no zone to convert them to, or only some times have one.
    """
    codes, distinct = pd.factorize(values)  # a log has far fewer dates than rows
    found = [_iso_parts(text) for text in distinct]
    strict = pd.Series([*(None if parts is None else "".join(parts) for parts in found), None], dtype="str")
    times = pd.to_datetime(strict, format="ISO8601", errors="coerce", utc=True)  # no offset is none, for the time being
    offsets: dict[str, str] = {}
    for text, parts, is_time in zip(distinct, found, times.notna(), strict=False):
        if parts is not None and is_time:
            offsets.setdefault(parts[1], text)
    zone = _one_zone(offsets, columns)
    local = times.dt.tz_localize(None).to_numpy()
    if zone is not None:
        local = wall_clock(local, columns.zone or zone)
    return local[codes], zone  # a null has code -1, and None stands last


def formatted_times(values: Objects, columns: LogColumns) -> tuple[Times, str | None]:
    """Read text by ``columns.time_format`` as wall-clock times; NaT where it does not fit.

    Raises
    ------
    ColumnError
        If there are several UTC offsets and no zone to convert them to.
    """
    assert columns.time_format is not None  # noqa: S101 - else ISO text
    codes, distinct = pd.factorize(values)
    texts = pd.Series([*(encodable(text.strip()) for text in distinct), None], dtype="str")
    try:
        times = pd.to_datetime(texts, format=columns.time_format, errors="coerce")
    except ValueError:  # several UTC offsets
        if columns.zone is None:
            example = list(dict.fromkeys(texts.dropna()))
            refuse_several_zones(columns.time, example[0], example[-1], one_has_none=False)
        times = pd.to_datetime(texts, format=columns.time_format, errors="coerce", utc=True)
    if ADJACENT.search(columns.time_format):  # 2024115 would be read as the 5th of November
        times = times.where((times.dt.strftime(columns.time_format) == texts).fillna(value=False))
    if times.dt.tz is None:
        return times.to_numpy()[codes], None
    zone = zone_name(times.dt.tz)
    instants = times.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy()
    return wall_clock(instants, columns.zone or zone)[codes], zone


def encodable(text: str) -> str:
    """The text, with question marks for what no encoding of Unicode can hold, such as half a pair of surrogates."""
    return text.encode("utf-8", "replace").decode("utf-8")


def refuse_several_zones(column: str, one: str, other: str, *, one_has_none: bool) -> NoReturn:
    """Refuse times with several UTC offsets, or of which only some have one; show two of them."""
    if one_has_none:
        message = (
            f"only some times in column {column!r} have a UTC offset: {one!r} and {other!r}; write it for all of them "
            "or for none"
        )
    else:
        message = (
            f"times in column {column!r} have several UTC offsets: {one!r} and {other!r}; say in which time zone days "
            "begin and end, for example time_zone='Europe/Berlin'"
        )
    raise ColumnError(message)


def _one_zone(offsets: dict[str, str], columns: LogColumns) -> str | None:
    """The zone of all times: one offset, or that of `columns` for several; None without any offset."""
    if len(offsets) > 1 and ("" in offsets or columns.zone is None):
        one, other, *_ = offsets.values()
        refuse_several_zones(columns.time, one, other, one_has_none="" in offsets)
    if len(offsets) > 1:
        return columns.zone
    offset = next(iter(offsets), "")
    return None if not offset else "UTC" if offset == "+00:00" else f"UTC{offset}"


def _iso_parts(text: str) -> tuple[str, str] | None:
    """Date and time, and the UTC offset as ``+01:00`` (nothing for none), of ISO text; None for any other."""
    found = ISO.fullmatch(text.strip())
    if found is None:
        return None
    day, _, clock, compact, offset = found.groups()
    moment = f"{day}{compact or (f' {clock}' if clock else '')}"
    if offset is None:
        return moment, ""
    digits = re.sub(r"[^+\-\d]", "", offset)
    hours = f"{digits[:3]}:{digits[3:] or '00'}"
    return moment, "+00:00" if not digits or hours == "-00:00" else hours
