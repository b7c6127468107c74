"""Tables at the border: columns of pandas, Polars or PyArrow frames become arrays, or a clear refusal.

Nothing else in the package touches a native frame that was handed in.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from kundenwert.errors import ColumnError, DataError, RowError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from narwhals.stable.v2.typing import IntoDataFrame, IntoSeries
    from numpy.typing import NDArray

    type Table = nw.DataFrame[IntoDataFrame]
    type Column = nw.Series[IntoSeries]

__all__ = ["customer_table", "id_column", "ids", "numbers", "open_table"]


def open_table(native: IntoDataFrame, name: str) -> Table:
    """Wrap an eager frame of any library that narwhals knows.

    Raises
    ------
    DataError
        If `native` is lazy or no frame at all.
    ColumnError
        If two columns share a name.
    """
    try:
        return nw.from_native(native, eager_only=True)
    except nw.exceptions.DuplicateError as error:
        message = f"{name} has several columns of the same name; rename or drop all but one. ({error})"
        raise ColumnError(message) from error
    except TypeError as error:
        if hasattr(native, "collect"):
            message = f"{name} is lazy ({_type_name(native)}); call .collect() and hand in the result"
        else:
            message = f"{name} must be a pandas, Polars or PyArrow data frame, got {_type_name(native)}"
        raise DataError(message) from error


def check_columns(table: Table, wanted: Sequence[str], name: str) -> None:
    """Check that all `wanted` columns exist and that none is named twice.

    Raises
    ------
    ColumnError
        Names the column, and those that are spelt alike.
    """
    for position, column in enumerate(wanted):
        if column not in table.columns:
            present = [str(other) for other in table.columns]
            close = difflib.get_close_matches(str(column), present, n=3) or _same_but_for_case(str(column), present)
            guess = f"did you mean {' or '.join(map(repr, close))}?" if close else f"it has {_listed(present)}"
            message = f"{name} has no column {column!r}; {guess}"
            raise ColumnError(message)
        if column in wanted[:position]:
            message = f"column {column!r} is named for two things; each needs its own column of {name}"
            raise ColumnError(message)


def id_column(table: Table, column: str) -> Column:
    """Return the customer ids, which must be strings, integers or categories.

    Raises
    ------
    ColumnError
        For any other type: floats above all, which integers turn into when some are missing.
    """
    series = table.get_column(column)
    dtype = series.dtype
    if dtype.is_integer() or isinstance(dtype, (nw.String, nw.Categorical, nw.Enum)):
        return series
    if dtype.is_float():
        hint = "floats are not exact and often integers with gaps: drop the rows without an id and cast to integer"
    else:
        hint = "cast the column to string or to integer"
    message = f"customer ids in column {column!r} must be strings, integers or categories, got {dtype}; {hint}"
    raise ColumnError(message)


def ids(series: Column) -> pd.Index:
    """Return null-free ids as a pandas index of the same kind: integers, strings or categories."""
    index: pd.Index
    if series.implementation.is_pandas_like() or series.implementation.is_pyarrow():
        index = pd.Index(series.to_pandas())
    elif isinstance(series.dtype, nw.Enum):
        index = pd.CategoricalIndex(series.to_list(), categories=series.dtype.categories)
    elif isinstance(series.dtype, nw.Categorical):
        index = pd.CategoricalIndex(series.to_list())
    else:
        index = pd.Index(series.to_numpy())  # straight from Polars, without needing PyArrow
    return index


def customer_table(frame: IntoDataFrame, customer: str, columns: Sequence[str]) -> tuple[Table, pd.Index]:
    """Open a ready-made table with one row per customer and these columns; returns it and the ids.

    Raises
    ------
    DataError
        If the table is lazy, empty or no table.
    ColumnError
        If a column is missing, or the ids are of the wrong type.
    RowError
        If a row has no id.
    """
    if isinstance(frame, pd.DataFrame) and frame.index.name == customer and customer not in frame.columns:
        frame = frame.reset_index()
    table = open_table(frame, "the table")
    check_columns(table, [customer, *columns], "the table")
    if len(table) == 0:
        message = "the table has no rows; expected one row per customer"
        raise DataError(message)
    id_series = id_column(table, customer)
    null = id_series.is_null().to_numpy()
    if null.any():
        message = f"row {np.argmax(null)} has no customer id; drop such rows or give them an id"
        raise RowError(message)
    return table, ids(id_series)


def numbers(table: Table, column: str) -> NDArray[np.float64]:
    """Return a numeric column as floats, nulls as NaN.

    Raises
    ------
    ColumnError
        If the column holds anything but numbers.
    """
    series = table.get_column(column)
    if not series.dtype.is_numeric():
        message = f"column {column!r} must hold numbers, got {series.dtype}; cast it to a float or integer type"
        raise ColumnError(message)
    return np.asarray(series.cast(nw.Float64).to_numpy(), dtype=np.float64)


def _same_but_for_case(column: str, present: Sequence[str]) -> list[str]:
    return [name for name in present if name.lower() == column.lower()]


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(map(repr, names[:10]))
    return shown + (f" and {len(names) - 10} more" if len(names) > 10 else "")


def _type_name(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"
