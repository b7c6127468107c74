"""Lines of code that turn a column of a log into one that can be read, for the library that the log is of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pandas as pd

from kundenwert.transactions.written_times import ISO, encodable

if TYPE_CHECKING:
    from kundenwert.histories.columns import Objects
    from kundenwert.histories.tables import Column

__all__ = ["format_hint", "number_line", "period_line", "text_line"]

DAYS: Final = (
    "%d.%m.%Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%d.%m.%y",
    "%d/%m/%y",
    "%m/%d/%y",
    "%Y.%m.%d",
)
NAMED: Final = ("%d %b %Y", "%d %B %Y", "%d-%b-%Y", "%d-%b-%y", "%b %d, %Y", "%B %d, %Y", "%a, %d %b %Y", "%d%b%Y")
CLOCKS: Final = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p", ", %H:%M", ", %H:%M:%S", " %H:%M:%S %z")
OTHERS: Final = ("%Y%m%d%H%M%S", "%Y%m%d %H:%M", "%Y%m%d %H:%M:%S", "%Y-%m-%d-%H.%M.%S", "%Y-%m-%d %H.%M.%S")
MONTHS: Final = {rf"(0?[1-9]|1[0-2])[{mark}]\d{{4}}": f"%m{mark}%Y" for mark in "./-"}
SAMPLE: Final = 1_000
IN_A_SPREADSHEET: Final = (20_000, 80_000)  # days since 1899-12-30: from 1954 to 2119
DAYS_TO_1970: Final = 25_569


def number_line(series: Column, column: str, smallest: float, largest: float) -> tuple[str, str]:
    """What numbers between these seem to be, and a line that converts them."""
    if IN_A_SPREADSHEET[0] <= smallest <= largest <= IN_A_SPREADSHEET[1]:
        day = (pd.Timestamp("1899-12-30") + pd.Timedelta(days=int(smallest))).date().isoformat()
        return f"look like days of a spreadsheet ({smallest:g} is {day})", _spreadsheet_line(series, column)
    return "look like seconds (or smaller units) since 1970", _epoch_line(series, column, largest)


def _spreadsheet_line(series: Column, column: str) -> str:
    """Convert a column of days since 1899-12-30, as numbers or as text, to times to the second."""
    text = not series.dtype.is_numeric()
    if series.implementation.is_polars():
        number = f"pl.col({column!r})" + (".str.replace(',', '.').cast(pl.Float64)" if text else "")
        seconds = f"(({number} - {DAYS_TO_1970}) * 86400).round().cast(pl.Int64)"
        return f"log = log.with_columns(pl.from_epoch({seconds}, time_unit='s').alias({column!r}))"
    if series.implementation.is_pyarrow():
        number = f"log[{column!r}]"
        if text:
            number = f"pc.replace_substring({number}, ',', '.').cast('float64')"
        seconds = f"pc.round(pc.multiply(pc.subtract({number}, {DAYS_TO_1970}.0), 86400.0)).cast('int64')"
        times = f"{seconds}.cast(pa.timestamp('s'))"
        return f"log = log.set_column(log.column_names.index({column!r}), {column!r}, {times})"
    written = f"log[{column!r}].str.replace(',', '.')" if text else f"log[{column!r}]"
    return f"log[{column!r}] = pd.to_datetime(pd.to_numeric({written}), unit='D', origin='1899-12-30').dt.round('s')"


def _epoch_line(series: Column, column: str, example: float) -> str:
    """Convert a column of seconds (or smaller units) since 1970, as numbers or as text, to times in UTC."""
    text = not series.dtype.is_numeric()
    size = abs(example)
    unit = "s" if size < 1e11 else "ms" if size < 1e14 else "us" if size < 1e17 else "ns"
    if series.implementation.is_polars():
        numbers = f"pl.col({column!r}).cast(pl.Int64)" if text else repr(column)
        return f"log = log.with_columns(pl.from_epoch({numbers}, time_unit={unit!r}).dt.replace_time_zone('UTC'))"
    if series.implementation.is_pyarrow():
        times = f"log[{column!r}].cast('int64').cast(pa.timestamp({unit!r}, 'UTC'))"
        return f"log = log.set_column(log.column_names.index({column!r}), {column!r}, {times})"
    numbers = f"pd.to_numeric(log[{column!r}])" if text else f"log[{column!r}]"
    return f"log[{column!r}] = pd.to_datetime({numbers}, unit={unit!r}, utc=True)"


def period_line(native: pd.Series, column: str) -> str:
    """Convert a pandas column of periods to their first moments."""
    if isinstance(native.dtype, pd.PeriodDtype):
        return f"log[{column!r}] = log[{column!r}].dt.to_timestamp()"
    return f"log[{column!r}] = pd.PeriodIndex(log[{column!r}]).to_timestamp()"


def text_line(column: str) -> str:
    """Convert a pandas column of text and times to times, if the text is ISO."""
    return f"log[{column!r}] = pd.to_datetime(log[{column!r}].astype('str'), format='ISO8601')"


def format_hint(known: Objects, series: Column, column: str) -> str:
    """Say which argument reads this text, or how to find one."""
    sample = pd.Series([encodable(text) for text in pd.unique(pd.Series(known[:SAMPLE], dtype=object))], dtype="str")
    sample = sample.str.strip()
    if all(ISO.fullmatch(text) for text in sample):
        return "these look like ISO dates: pass parse_dates=True"
    if sample.str.fullmatch(r"(\d{10}|\d{13}|\d{16}|\d{19})([.]\d+)?|\d{5}([.,]\d+)?").all():
        numbers = sample.str.replace(",", ".").astype(float)
        seem, line = number_line(series, column, float(numbers.min()), float(numbers.max()))
        return f"these {seem}: {line}"
    if fitting := _formats(sample):
        formats = " or ".join(f"time_format={found!r}" for found in fitting)
        which = "" if len(fitting) == 1 else ", whichever is meant"
        return f"pass {formats}{which}"
    for pattern, written in MONTHS.items():
        if sample.str.fullmatch(pattern).all():
            return f"these look like months: pass time_format={written!r}, and the first of the month is taken"
    return "say how they are written, for example time_format='%d.%m.%Y' (or parse_dates=True for ISO dates)"


def _formats(sample: pd.Series) -> list[str]:
    """Common formats that read all of the sample; if none does, those that read most of it."""
    candidates = [*(day + clock for day in (*DAYS, *NAMED) for clock in CLOCKS), *OTHERS]
    fits = {found: _share(sample, found) for found in candidates}
    best = max(fits.values())
    return [found for found, share in fits.items() if share == best][:2] if best >= 0.5 else []


def _share(sample: pd.Series, time_format: str) -> float:
    try:
        return float(pd.to_datetime(sample, format=time_format, errors="coerce").notna().mean())
    except ValueError:  # several UTC offsets
        return float(pd.to_datetime(sample, format=time_format, errors="coerce", utc=True).notna().mean())
