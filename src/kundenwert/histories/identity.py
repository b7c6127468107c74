"""Customer ids: what may be one, and how they keep their identity whatever the library of the table.

An id is text or an integer, and those of one column are all the same: 1, True, 1.0 and "1" would else be one customer
for some libraries and several for others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NoReturn

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from kundenwert.errors import ColumnError
from kundenwert.histories.columns import is_objects, kinds, missing, objects

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kundenwert.histories.columns import Objects
    from kundenwert.histories.tables import Column, Table

    type Kind = Literal["text", "integers", "nothing", "something else"]

__all__ = ["id_column", "ids", "places"]

LARGEST: Final = 2**64 - 1
SMALLEST: Final = -(2**63)


def id_column(table: Table, column: str) -> Column:
    """Return the customer ids, which must be strings, integers or categories of either.

    Raises
    ------
    ColumnError
        For any other type: floats above all, which integers turn into when some are missing.
    """
    series = table.get_column(column)
    dtype = series.dtype
    if is_objects(series):
        values = objects(series)
        _check_objects(values[~missing(values)], "column", column)
        return series
    if isinstance(dtype, (nw.Categorical, nw.Enum)):
        if not series.implementation.is_polars():
            _check_categories(series, column)
        return series
    if isinstance(dtype, nw.String) or (dtype.is_integer() and not isinstance(dtype, (nw.Int128, nw.UInt128))):
        return series
    if bool(series.is_null().all()) and not dtype.is_numeric():
        return series  # nothing is known of any customer: every row lacks its id
    if dtype.is_float():
        hint = (
            "floats are not exact and often integers with gaps: drop the rows without an id and cast to integer, in "
            f"pandas for example log[{column!r}] = log[{column!r}].astype('Int64')"
        )
    else:
        hint = "cast the column to string or to integer"
    known = series.drop_nulls()
    sample = f", such as {known[0:1].to_list()[0]!r}" if len(known) else ""
    message = f"customer ids in column {column!r} must be strings, integers or categories, got {dtype}{sample}; {hint}"
    raise ColumnError(message)


def ids(series: Column) -> pd.Index:
    """Return null-free ids as a pandas index of the same kind: integers, strings or categories."""
    index: pd.Index
    if is_objects(series):
        values = objects(series)
        whole = len(values) > 0 and not isinstance(values[0], str)
        index = pd.Index(_integers(values)) if whole else pd.Index(values, dtype=object)
    elif series.implementation.is_pandas_like() or series.implementation.is_pyarrow():
        index = pd.Index(_in_pandas(series))
    elif isinstance(series.dtype, nw.Enum):
        index = pd.CategoricalIndex(series.to_list(), categories=series.dtype.categories)
    elif isinstance(series.dtype, nw.Categorical):
        index = pd.CategoricalIndex(series.to_list())
    elif isinstance(series.dtype, nw.String):
        index = pd.Index(series.to_list(), dtype="str")  # NumPy's text would be as wide as the longest id
    else:
        index = pd.Index(series.to_numpy())  # straight from Polars, without needing PyArrow
    return index


def places(known: pd.Index, wanted: pd.Index) -> NDArray[np.int64]:
    """Return the position of each wanted id among the known ones, which are unique; -1 where it is none of them.

    Ids that differ in type only, as those of a pandas and of a Polars table do, are the same; text and integers never
    are.
    """
    known, kind = _plain(known)
    wanted, other = _plain(wanted)
    if other == "something else" and wanted.dtype == object and kind in {"text", "integers"}:
        fits = np.array([_kind_of(type(value)) == kind for value in wanted], dtype=np.bool_)
        found = np.full(len(wanted), -1, dtype=np.int64)
        found[fits] = places(known, pd.Index(wanted[fits].tolist()))
        return found
    if kind != other or kind == "nothing":
        return np.full(len(wanted), -1, dtype=np.int64)
    if known.dtype != wanted.dtype:
        known, wanted = known.astype(object), wanted.astype(object)
    return np.asarray(known.get_indexer(wanted), dtype=np.int64)


def _plain(index: pd.Index) -> tuple[pd.Index, Kind]:
    """The same ids in NumPy's integers or in text, and which of the two they are."""
    if isinstance(index, pd.CategoricalIndex):
        index = pd.Index(index.categories.take(index.codes)) if len(index) else index.categories[:0]
    if len(index) == 0:
        return index, "nothing"
    if pd.api.types.is_integer_dtype(index.dtype):
        unsigned = pd.api.types.is_unsigned_integer_dtype(index.dtype)
        numbers = index.to_numpy(dtype=np.uint64 if unsigned else np.int64)
        fits = not unsigned or bool((numbers <= np.uint64(2**63 - 1)).all())
        return pd.Index(numbers.astype(np.int64) if fits else numbers), "integers"
    if index.dtype == object:
        found = {_kind_of(kind) for kind in kinds(index.to_numpy())}
        return index, found.pop() if len(found) == 1 else "something else"
    return index, "text" if pd.api.types.is_string_dtype(index.dtype) else "something else"


def _kind_of(kind: type) -> Kind:
    if issubclass(kind, str):
        return "text"
    whole = issubclass(kind, (int, np.integer)) and not issubclass(kind, bool)
    return "integers" if whole else "something else"


def _check_objects(known: Objects, where: str, column: str) -> None:
    """Check that objects are all text or all integers, however late the first other one comes."""
    found = {_kind_of(kind) for kind in kinds(known)}
    if found <= {"text"}:
        return
    if found == {"integers"}:
        most = LARGEST if min(known) >= 0 else LARGEST // 2
        if beyond := [value for value in known if not SMALLEST <= value <= most]:
            _refuse(f"customer ids in {where} {column!r} must fit in 64 bits, got {beyond[0]!r}", column)
        return
    first = known[0]
    other = next((value for value in known if _kind_of(type(value)) != _kind_of(type(first))), None)
    got = f"{first!r} ({type(first).__name__})"
    if other is not None:
        got = f"both {got} and {other!r} ({type(other).__name__})"
    _refuse(f"customer ids in {where} {column!r} must be strings, integers or categories, got {got}", column)


def _refuse(what: str, column: str) -> NoReturn:
    message = (
        f"{what}; cast them to text: in pandas log[{column!r}] = log[{column!r}].astype('str'), which makes 1 and '1' "
        "one customer"
    )
    raise ColumnError(message)


def _check_categories(series: Column, column: str) -> None:
    categories = _in_pandas(series).astype("category").cat.categories
    if pd.api.types.is_integer_dtype(categories.dtype):
        return
    _check_objects(categories.to_numpy(dtype=np.object_), "categories of column", column)


def _in_pandas(series: Column) -> pd.Series:
    """The column in pandas; Arrow's dictionaries, which pandas cannot hash, as its own categories."""
    if series.implementation.is_pyarrow():
        return pd.Series(series.to_arrow().to_pandas())  # not through NumPy, which an empty dictionary breaks
    native = series.to_pandas()
    if str(native.dtype).startswith("dictionary"):
        native = pd.Series(native.array.__arrow_array__().to_pandas())
    return native


def _integers(values: Objects) -> NDArray[np.int64] | NDArray[np.uint64]:
    numbers = [int(value) for value in values]
    if max(numbers) >= 2**63:
        return np.array(numbers, dtype=np.uint64)
    return np.array(numbers, dtype=np.int64)
