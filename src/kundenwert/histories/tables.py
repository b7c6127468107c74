"""Tables at the border: columns of pandas, Polars or PyArrow frames become arrays, or a clear refusal.

Nothing else in the package touches a native frame that was handed in.
"""

from __future__ import annotations

import difflib
import importlib.util
from typing import TYPE_CHECKING, Literal, NoReturn

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from kundenwert.errors import ColumnError, DataError, MissingPackageError, RowError
from kundenwert.histories.amounts import numbers
from kundenwert.histories.identity import id_column, ids

if TYPE_CHECKING:
    from collections.abc import Sequence

    from narwhals.stable.v2.typing import IntoDataFrame, IntoSeries

    type Table = nw.DataFrame[IntoDataFrame]
    type Backend = Literal["pyarrow", "polars"]
    type Column = nw.Series[IntoSeries]

__all__ = ["check_columns", "customer_table", "id_column", "ids", "numbers", "once", "open_table"]


def open_table(native: IntoDataFrame, name: str) -> Table:
    """Wrap an eager frame of any library that narwhals knows, or read anything that streams Arrow data.

    Raises
    ------
    DataError
        If `native` is lazy or no frame at all.
    ColumnError
        If two columns share a name.
    """
    try:
        table = nw.from_native(native, eager_only=True)
    except nw.exceptions.DuplicateError as error:
        message = f"{name} has several columns of the same name; rename or drop all but one. ({error})"
        raise ColumnError(message) from error
    except TypeError as error:
        if (advice := _how_to_collect(native)) is not None:
            message = f"{name} is lazy ({_type_name(native)}); call {advice} and hand in the result"
            raise DataError(message) from error
        if not hasattr(native, "__arrow_c_stream__") or hasattr(native, "dtype"):
            message = f"{name} must be a pandas, Polars or PyArrow data frame, got {_type_name(native)}"
            raise DataError(message) from error
        table = _streamed(native, name)
    columns = table.columns
    if len(set(columns)) < len(columns):
        doubled = next(column for place, column in enumerate(columns) if column in columns[:place])
        message = f"{name} has several columns named {doubled!r}; rename or drop all but one"
        raise ColumnError(message)
    return table


def check_columns(table: Table, wanted: Sequence[str], name: str) -> None:
    """Check that all `wanted` columns exist and that none is named twice.

    Raises
    ------
    ColumnError
        Names the column, and those that are spelt alike.
    """
    for position, column in enumerate(wanted):
        if not isinstance(column, str):
            _refuse_name(column, table, name)
        if column not in table.columns:
            message = f"{name} has no column {column!r}; {_where_it_may_be(column, table, name)}"
            raise ColumnError(message)
        if column in wanted[:position]:
            message = f"column {column!r} is named for two things; each needs its own column of {name}"
            raise ColumnError(message)


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
    if isinstance(frame, pd.DataFrame) and isinstance(customer, str) and customer not in frame.columns:
        frame = frame.reset_index() if frame.index.name == customer else frame
    table = open_table(frame, "the table")
    check_columns(table, [customer, *columns], "the table")
    if len(table) == 0:
        message = f"the table has no rows; expected one row per customer{once(frame)}"
        raise DataError(message)
    id_series = id_column(table, customer)
    null = id_series.is_null().to_numpy()
    if null.any():
        message = f"row {np.argmax(null)} has no customer id; drop such rows or give them an id"
        raise RowError(message, rows=null.tolist(), reason="no customer id")
    return table, ids(id_series)


def _how_to_collect(native: object) -> str | None:
    """What turns a lazy or distributed frame into one that is accepted; None if it is no such frame."""
    library = type(native).__module__.partition(".")[0]
    if library in {"pyspark", "sqlframe"} and hasattr(native, "toPandas"):
        return ".toPandas()" + (" or .toArrow()" if hasattr(native, "toArrow") else "")
    if library in {"dask", "dask_expr"}:
        return ".compute()"
    return ".collect()" if hasattr(native, "collect") else None


def _streamed(native: IntoDataFrame, name: str) -> Table:
    """Read what streams Arrow data, such as a DuckDB relation; a reader is read to its end, and then is empty."""
    backends: tuple[Backend, ...] = ("pyarrow", "polars")
    backend = next((library for library in backends if importlib.util.find_spec(library)), None)
    if backend is None:
        message = (
            f"{name} ({_type_name(native)}) streams Arrow data, which takes PyArrow or Polars: pip install pyarrow"
        )
        raise MissingPackageError(message)
    try:
        return nw.DataFrame.from_arrow(native, backend=backend)
    except Exception as error:
        message = f"{name} ({_type_name(native)}) cannot be read as a table: {error}"
        raise DataError(message) from error


def _refuse_name(column: object, table: Table, name: str) -> NoReturn:
    if isinstance(column, int):
        remedy = f"name columns by text, in pandas: log = log.rename(columns=str), and then give {str(column)!r}"
    elif isinstance(column, (pd.Series, pd.Index)) or hasattr(column, "__len__"):
        remedy = f"put the values into a column of {name} and give its name"
    else:
        remedy = "give the name of a column"
    got = repr(column) if isinstance(column, (int, float)) or column is None else f"a {_type_name(column)}"
    message = (
        f"columns of {name} are told by their names, expected a string such as {_example(table)}, got {got}; {remedy}"
    )
    raise ColumnError(message)


def _where_it_may_be(column: str, table: Table, name: str) -> str:
    native = table.to_native()
    if isinstance(native, pd.DataFrame):
        if column in native.index.names:
            return f"it is in the index of {name}: make it a column with log = log.reset_index()"
        if column in {str(present) for present in native.columns if not isinstance(present, str)}:
            return f"columns of {name} are not named by text: log = log.rename(columns=str)"
    present = [str(other) for other in table.columns]
    close = difflib.get_close_matches(column, present, n=3) or _same_but_for_case(column, present)
    if close:
        return f"did you mean {' or '.join(map(repr, close))}?"
    listed = f"it has {_listed(present)}"
    if isinstance(native, pd.DataFrame) and not isinstance(native.index, pd.RangeIndex) and native.index.nlevels == 1:
        listed += f"; if it is the index of {name}: log = log.reset_index(names={column!r})"
    return listed


def _example(table: Table) -> str:
    return repr(next((name for name in table.columns if isinstance(name, str)), "customer_id"))


def _same_but_for_case(column: str, present: Sequence[str]) -> list[str]:
    return [name for name in present if name.lower() == column.lower()]


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(map(repr, names[:10]))
    return shown + (f" and {len(names) - 10} more" if len(names) > 10 else "")


def _type_name(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


def once(frame: object) -> str:
    """What to add where a table has no rows: some give theirs only once."""
    if not hasattr(frame, "read_next_batch"):
        return ""
    return " (a reader gives its rows only once, so read it into a table first: table = reader.read_all())"
