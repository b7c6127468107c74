"""Columns of numbers become floats: typed numbers, Python's own, and text if the mark before the cents is given."""

from __future__ import annotations

import math
import re
from decimal import Decimal as Exact
from typing import TYPE_CHECKING, Any, Final, Literal

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from kundenwert.errors import ColumnError
from kundenwert.histories.columns import is_objects, kinds, missing, objects

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from kundenwert.histories.audit import Decimal
    from kundenwert.histories.columns import Objects
    from kundenwert.histories.tables import Column, Table

    type Floats = NDArray[np.float64]

__all__ = ["amounts", "numbers", "written_hint"]

GROUPS: Final = (
    r"[+\-\u2212]?(?:\d+|\d{1,3}(?:([{marks}'’ \u00a0\u202f])\d{3})(?:\1\d{3})*)"  # whole, or thousands set apart
    r"(?:[{decimal}]\d*)?(?:[eE][+-]?\d+)?"
)
SIGNS: Final = "[^0-9.,+()\u2212-]"
MINUS_BEHIND: Final = r"^(.*\d) ?-$"
BRACKETS: Final = r"^\((.*)\)$"
ONES: Final = frozenset({"true", "yes", "y", "ja", "j", "wahr", "x"})
ZEROS: Final = frozenset({"false", "no", "n", "nein", "falsch"})
THOUSANDS: Final = re.compile(r"[+-]?\d{1,3}(?:\.\d{3})+")
WRITTEN: Final[dict[Decimal, re.Pattern[str]]] = {
    ".": re.compile(GROUPS.replace("{marks}", ",").replace("{decimal}", "."), flags=re.ASCII),
    ",": re.compile(GROUPS.replace("{marks}", ".").replace("{decimal}", ","), flags=re.ASCII),
}


def numbers(table: Table, column: str) -> Floats:
    """Return a numeric column as floats, nulls as NaN.

    Raises
    ------
    ColumnError
        If the column holds anything but numbers.
    """
    return amounts(table, column, "never")


def amounts(table: Table, column: str, decimal: Decimal | Literal["never"] | None) -> Floats:
    """Return a column of amounts as floats, nulls as NaN; so is text that is no number.

    Text is read only with `decimal`, the mark before the cents. Thousands may be set apart by the other mark, by
    blanks or by apostrophes, always in groups of three.

    Raises
    ------
    ColumnError
        If the column holds anything but numbers, or text and `decimal` is None.
    """
    series = table.get_column(column)
    dtype = series.dtype
    if is_objects(series) or isinstance(dtype, (nw.String, nw.Categorical, nw.Enum)):
        return _from_objects(series, column, decimal)
    if dtype.is_numeric():
        return np.asarray(series.cast(nw.Float64).to_numpy(), dtype=np.float64)
    if bool(series.is_null().all()) and not isinstance(dtype, nw.Boolean):
        return np.full(len(series), np.nan)
    known = series.drop_nulls()
    sample = f", such as {known[0:1].to_list()[0]!r}" if len(known) else ""
    message = f"column {column!r} must hold numbers, got {dtype}{sample}; cast it to a float or integer type"
    raise ColumnError(message)


def _from_objects(series: Column, column: str, decimal: Decimal | Literal["never"] | None) -> Floats:
    values = objects(series)
    known = ~missing(values)
    given = values[known]
    found = kinds(given)
    result = np.full(len(values), np.nan)
    if not all(_is_number(kind) or issubclass(kind, str) for kind in found):
        wrong = next(value for value in given if not (_is_number(type(value)) or isinstance(value, str)))
        message = (
            f"column {column!r} must hold numbers, got {wrong!r} ({type(wrong).__name__}); cast it to a float or "
            "integer type"
        )
        raise ColumnError(message)
    if not any(issubclass(kind, str) for kind in found):
        result[known] = [_float(value) for value in given]
        return result
    if decimal is None or decimal == "never":
        text = next(value for value in given if isinstance(value, str))
        hint = f"say which mark stands before the cents: {_hint(series, given, column)}"
        if decimal == "never":
            hint = _cast_hint(given, column)
        message = f"column {column!r} must hold numbers, got text such as {text!r}; {hint}"
        raise ColumnError(message)
    codes, distinct = pd.factorize(given)
    result[known] = np.array([_read(value, decimal) for value in distinct], dtype=np.float64)[codes]
    return result


def _is_number(kind: type) -> bool:
    return issubclass(kind, (int, float, Exact, np.integer, np.floating)) and not issubclass(kind, bool)


def _read(value: object, decimal: Decimal) -> float:
    """One number; NaN for text that is none."""
    if not isinstance(value, str):
        return _float(value)
    text = value.strip()
    if WRITTEN[decimal].fullmatch(text) is None:
        return np.nan
    digits = re.sub(r"['’ \u00a0\u202f]", "", text).replace("." if decimal == "," else ",", "")
    return float(digits.replace(",", ".").replace("\u2212", "-"))


def _float(value: Any) -> float:  # noqa: ANN401 -- any of the types of _is_number
    """A number of whatever type; infinite if it is an integer that no float can hold."""
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _hint(series: Column, given: Objects, column: str) -> str:
    """Which mark reads all of the text, and what to do if neither does."""
    text = [value.strip() for value in given if isinstance(value, str)]
    fitting = _fitting(text)
    if len(fitting) == 1:
        return f"decimal={fitting[0]!r} reads all of it"
    both = "decimal='.' for 1,234.56, decimal=',' for 1.234,56"
    if fitting:
        return f"{both}; both read all of it, so only you can tell"
    then = " or ".join(f"decimal={mark!r}" for mark in _fitting([re.sub(SIGNS, "", value) for value in text]))
    return f"{both}. Neither reads all of it: take currencies off, {_strip_line(series, column)}" + (
        f", and then pass {then}" if then else ""
    )


def written_hint(series: Column, column: str, text: str, decimal: Decimal | None) -> str:
    """How to make a number of text that is read with `decimal` and is none: a line of code, if one is known."""
    if decimal is None:
        return ""
    text = text.strip()
    if re.match(MINUS_BEHIND, text):
        return f"; put the minus before the digits: {_replace_line(series, column, MINUS_BEHIND, '-', group=True)}"
    if re.match(BRACKETS, text):
        return f"; if brackets are a minus: {_replace_line(series, column, BRACKETS, '-', group=True)}"
    if WRITTEN[decimal].fullmatch(re.sub(SIGNS, "", text)):
        return f"; take currencies off: {_strip_line(series, column)}"
    return ""


def _cast_hint(given: Objects, column: str) -> str:
    """How to make numbers of text: a line of code that works, or what is in its way."""
    text = pd.Series([value.strip() for value in given if isinstance(value, str)], dtype=object)
    words = set(text.str.casefold())
    old = f"table[{column!r}]"
    if words <= ONES | ZEROS:
        ones = sorted(words & ONES) or ["yes"]
        return f"cast it, in pandas with {old} = {old}.str.strip().str.lower().isin({ones})"
    wrong = text[pd.to_numeric(text, errors="coerce").isna()]
    dotted = text[text.str.contains(".", regex=False)]
    if len(wrong) == 0 and len(dotted) and dotted.map(lambda value: THOUSANDS.fullmatch(value) is not None).all():
        return (
            f"cast it, in pandas with {old} = pd.to_numeric({old}) if {dotted.iloc[0]} has a decimal point, or with "
            f"{old} = pd.to_numeric({old}.str.replace('.', '')) if the point sets thousands apart"
        )
    if len(wrong) == 0:
        return f"cast it, in pandas with {old} = pd.to_numeric({old})"
    if _fitting(text.tolist()) == [","]:
        return f"cast it, in pandas with {old} = pd.to_numeric({old}.str.replace('.', '').str.replace(',', '.'))"
    return (
        f"cast it to a float or integer type; {wrong.iloc[0]!r} is no number ({len(wrong):,} such rows): correct them "
        f"first, or make them null, in pandas with table[{column!r}] = pd.to_numeric(table[{column!r}], "
        "errors='coerce')"
    )


def _fitting(text: Sequence[str]) -> list[Decimal]:
    marks: tuple[Decimal, ...] = (".", ",")
    return [mark for mark in marks if all(WRITTEN[mark].fullmatch(value) for value in text)]


def _strip_line(series: Column, column: str) -> str:
    """Take everything off that belongs to no number; brackets stay, since they may stand for a minus."""
    return _replace_line(series, column, SIGNS, "")


def _replace_line(series: Column, column: str, pattern: str, new: str, *, group: bool = False) -> str:
    """Replace what fits a pattern, and if so keep its first group."""
    if series.implementation.is_polars():
        kept = "${1}" if group else ""
        return f"log = log.with_columns(pl.col({column!r}).str.replace_all(r'{pattern}', '{new}{kept}'))"
    kept = r"\1" if group else ""
    if series.implementation.is_pyarrow():
        replaced = f"pc.replace_substring_regex(log[{column!r}], r'{pattern}', r'{new}{kept}')"
        return f"log = log.set_column(log.column_names.index({column!r}), {column!r}, {replaced})"
    return f"log[{column!r}] = log[{column!r}].str.replace(r'{pattern}', r'{new}{kept}', regex=True)"
