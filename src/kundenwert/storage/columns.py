"""Columns, ids and tables of pandas to blocks and back: every value and its type, exactly.

A column is one of these: *plain* (an array of NumPy), *strings* (UTF-8, one after the other, so that memory is in
proportion to their real size), *categories*, *objects* (the different ones, and where each stands), *masked* (numbers
of which some are missing), *zoned* (moments with a time zone).
"""

from __future__ import annotations

import re
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from kundenwert.errors import DataError, MissingPackageError
from kundenwert.storage.blocks import UnreadableError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kundenwert.storage.blocks import Node, Reader, Writer

__all__ = ["READERS", "index_block", "table_block", "values_block"]

STRINGS: Final = re.compile(r"object|(str|string) (python|pyarrow)|arrow (large_)?string")
MASKED: Final = re.compile(r"U?Int(8|16|32|64)|Float(32|64)|boolean|(u?int(8|16|32|64)|float|double|bool)\[pyarrow\]")
ZONED: Final = re.compile(r"datetime64\[(s|ms|us|ns), (?!dateutil)[A-Za-z0-9_+:/-]{1,64}\]")


def index_block(encoder: Writer, index: pd.Index, path: str) -> dict[str, Node]:
    """The block of an index, of one level or several."""
    names: list[Node] = [encoder.block(name, path) for name in index.names]
    if isinstance(index, pd.RangeIndex):
        bounds: list[Node] = [index.start, index.stop, index.step]
        return {"type": "range", "version": 1, "bounds": bounds, "names": names}
    if isinstance(index, pd.MultiIndex):
        levels: list[Node] = [
            values_block(encoder, level, f"{path}.{place}") for place, level in enumerate(index.levels)
        ]
        codes: list[Node] = [
            encoder.array(np.asarray(code), f"{path}.{place}.codes") for place, code in enumerate(index.codes)
        ]
        return {"type": "levels", "version": 1, "levels": levels, "codes": codes, "names": names}
    return {"type": "index", "version": 1, "values": values_block(encoder, index, path), "names": names}


def table_block(encoder: Writer, table: pd.DataFrame, path: str) -> dict[str, Node]:
    """The block of a table: its index, the names of its columns, and each column."""
    values: list[Node] = [
        values_block(encoder, table.iloc[:, place], f"{path}.{name}") for place, name in enumerate(table.columns)
    ]
    return {
        "type": "table",
        "version": 1,
        "index": index_block(encoder, table.index, f"{path}.index"),
        "columns": index_block(encoder, table.columns, f"{path}.columns"),
        "values": values,
    }


def values_block(encoder: Writer, values: Any, path: str) -> dict[str, Node]:  # noqa: ANN401 - types differ
    """The block of a column (a Series), or of the values of an index."""
    dtype = values.dtype
    name = str(dtype)
    if isinstance(dtype, np.dtype):
        if dtype.kind != "O":
            return {"type": "plain", "version": 1, "array": encoder.array(values.to_numpy(), path)}
        return _objects(encoder, values.to_numpy(), path)
    if isinstance(dtype, pd.CategoricalDtype):
        codes = np.asarray(values.cat.codes if isinstance(values, pd.Series) else values.codes)
        return {
            "type": "categories",
            "version": 1,
            "codes": encoder.array(codes, f"{path}.codes"),
            "categories": values_block(encoder, dtype.categories, f"{path}.categories"),
            "ordered": bool(dtype.ordered),
        }
    if (strings := _name_of_strings(dtype)) is not None:
        return _strings(encoder, values.to_numpy(dtype=object, na_value=None), strings, path)
    if ZONED.fullmatch(name):
        moments = values.to_numpy(dtype=f"datetime64[{dtype.unit}]")
        return {"type": "zoned", "version": 1, "dtype": name, "array": encoder.array(moments, path)}
    if MASKED.fullmatch(name):
        return _masked_block(encoder, values, name, path)
    message = f"{path} has the type {name}, which a file cannot hold; convert it, for example with astype('string')"
    raise DataError(message)


def _name_of_strings(dtype: object) -> str | None:
    """Which of the types of strings this is; None if it is none."""
    if isinstance(dtype, pd.StringDtype):
        return f"{'string' if dtype.na_value is pd.NA else 'str'} {dtype.storage}"
    return {"string[pyarrow]": "arrow string", "large_string[pyarrow]": "arrow large_string"}.get(str(dtype))


def _masked_block(encoder: Writer, values: Any, name: str, path: str) -> dict[str, Node]:  # noqa: ANN401 - as above
    plain = np.dtype(name.lower().removesuffix("[pyarrow]").replace("double", "float64").replace("boolean", "bool"))
    return {
        "type": "masked",
        "version": 1,
        "dtype": name,
        "array": encoder.array(values.to_numpy(dtype=plain, na_value=plain.type(0)), path),
        "missing": encoder.array(np.asarray(values.isna()), f"{path}.missing"),
    }


def _objects(encoder: Writer, objects: NDArray[Any], path: str) -> dict[str, Node]:
    """Objects: strings as strings, anything else as the different ones among them."""
    if all(type(each) is str for each in objects):
        return _strings(encoder, objects, "object", path)
    known: dict[tuple[type, object], int] = {}
    different: list[Node] = []
    codes = np.empty(len(objects), dtype=np.int64)
    for place, each in enumerate(objects):
        key = (type(each), repr(each) if isinstance(each, float) else each)  # NaN is not itself, 0.0 is -0.0
        try:
            codes[place] = known.setdefault(key, len(known))
        except TypeError:  # nothing that can be a key is anything that can be kept
            _refuse(each, path)
        if codes[place] == len(different):
            different.append(_object(encoder, each, path))
    return {"type": "objects", "version": 1, "different": different, "codes": encoder.array(codes, path)}


def _object(encoder: Writer, value: object, path: str) -> Node:
    if value is pd.NA or value is pd.NaT:
        return {"type": "missing", "version": 1, "which": "NA" if value is pd.NA else "NaT"}
    if value is None or isinstance(value, str) or type(value) in {bool, int, float}:
        return encoder.block(value, path)
    if isinstance(value, (np.integer, np.floating, np.bool_)):
        return {"type": "scalar", "version": 1, "array": encoder.array(np.array([value]), path)}
    return _refuse(value, path)


def _refuse(value: object, path: str) -> Node:
    message = (
        f"{path} holds {value!r:.80}, of type {type(value).__name__}, which a file cannot hold; expected text, numbers "
        "or truth values: convert the column, for example with astype('string')"
    )
    raise DataError(message)


def _strings(encoder: Writer, objects: NDArray[Any], dtype: str, path: str) -> dict[str, Node]:
    missing = np.array([each is None for each in objects], dtype=np.bool_)
    pieces = [b"" if each is None else each.encode("utf-8", "surrogatepass") for each in objects]
    ends = np.cumsum(np.fromiter(map(len, pieces), dtype=np.int64, count=len(pieces)))
    found: dict[str, Node] = {
        "type": "strings",
        "version": 1,
        "dtype": dtype,
        "text": encoder.array(np.frombuffer(b"".join(pieces), dtype=np.uint8), path),
        "ends": encoder.array(ends, f"{path}.ends"),
    }
    if missing.any():
        found["missing"] = encoder.array(missing, f"{path}.missing")
    return found


# ------------------------------------------------------------------------------------------------------------ and back


def _range(decoder: Reader, node: dict[str, Node]) -> pd.Index:
    bounds = [decoder.whole(each) for each in decoder.items(node, "bounds")]
    if len(bounds) != 3 or bounds[2] == 0 or any(abs(each) >= 2**62 for each in bounds):
        raise UnreadableError(decoder.strange("a range of ids", bounds))
    start, stop, step = bounds
    return _named(decoder, pd.RangeIndex(start, stop, step), node)


def _index(decoder: Reader, node: dict[str, Node]) -> pd.Index:
    return _named(decoder, _as_index(_values(decoder, node.get("values"))), node)


def _levels(decoder: Reader, node: dict[str, Node]) -> pd.Index:
    levels = [_as_index(_values(decoder, each)) for each in decoder.items(node, "levels")]
    codes = [decoder.array(each, "i") for each in decoder.items(node, "codes")]
    if not levels or len({len(code) for code in codes}) != 1:
        raise UnreadableError(decoder.strange("an index of several levels", [len(code) for code in codes]))
    for level, code in zip(levels, codes, strict=True):
        _check_codes(decoder, code, len(level), -1)
    several: Any = pd.MultiIndex
    return _named(decoder, several(levels=levels, codes=codes), node)


def _named(decoder: Reader, index: pd.Index, node: dict[str, Node]) -> pd.Index:
    names = [decoder.block(each) for each in decoder.items(node, "names")]
    if len(names) != index.nlevels or not all(isinstance(name, (str, int, type(None))) for name in names):
        raise UnreadableError(decoder.strange("names of an index", names))
    return index.set_names(names) if index.nlevels > 1 else index.rename(names[0])


def _table(decoder: Reader, node: dict[str, Node]) -> pd.DataFrame:
    index, names = (decoder.block(node.get(part)) for part in ("index", "columns"))
    values = [_values(decoder, each) for each in decoder.items(node, "values")]
    if not isinstance(index, pd.Index) or not isinstance(names, pd.Index) or len(names) != len(values):
        raise UnreadableError(decoder.strange("a table", f"{len(values)} columns"))
    for column in values:
        if len(column) != len(index):
            raise UnreadableError(decoder.strange("a table", f"{len(column)} values in {len(index)} rows"))
    columns = {place: pd.Series(column, index=index, dtype=column.dtype) for place, column in enumerate(values)}
    table = pd.DataFrame(columns, index=index)
    table.columns = names
    return table


def _as_index(values: Any) -> pd.Index:  # noqa: ANN401 - an array of NumPy or pandas
    index: pd.Index = pd.Index(values, dtype=values.dtype)  # said, because objects would be taken for strings
    return index


def _values(decoder: Reader, node: Node) -> Any:  # noqa: ANN401 - an array of NumPy or pandas
    if not isinstance(node, dict) or node.get("type") not in VALUES:
        raise UnreadableError(decoder.strange("a column", node))
    decoder.check_version(node, 1)
    return VALUES[str(node["type"])](decoder, node)


def _plain(decoder: Reader, node: dict[str, Node]) -> NDArray[Any]:
    return _flat(decoder, node.get("array"), "biufMm")


def _read_strings(decoder: Reader, node: dict[str, Node]) -> Any:  # noqa: ANN401 - as above
    dtype = _dtype(decoder, node, STRINGS)
    text, ends = _flat(decoder, node.get("text"), "u").tobytes(), _flat(decoder, node.get("ends"), "i")
    starts = np.concatenate([np.zeros(1, dtype=np.int64), ends])
    if starts[-1] != len(text) or (np.diff(starts) < 0).any():
        raise UnreadableError(decoder.strange("text", f"{starts[-1]} of {len(text)} bytes"))
    objects = np.empty(len(ends), dtype=object)
    begin = 0
    for place, end in enumerate(ends.tolist()):
        objects[place] = text[begin:end].decode("utf-8", "surrogatepass")
        begin = end
    if "missing" in node:
        missing = _flat(decoder, node["missing"], "b")
        if len(missing) != len(ends):
            raise UnreadableError(decoder.strange("text", f"{len(missing)} marks for {len(ends)} entries"))
        objects[missing] = None
    return objects if dtype == "object" else _array_of(objects, _string_dtype(dtype))


def _string_dtype(name: str) -> Any:  # noqa: ANN401 - a type of pandas
    """The type of strings; where PyArrow is not installed, those that it would hold are held by Python."""
    kind, _, storage = name.partition(" ")
    if find_spec("pyarrow") is None:
        kind, storage = ("string" if kind == "arrow" else kind), "python"
    if kind == "arrow":
        import pyarrow as pa

        return pd.ArrowDtype(pa.large_string() if storage == "large_string" else pa.string())
    if kind == "str":
        return pd.StringDtype("pyarrow" if storage == "pyarrow" else "python", na_value=np.nan)
    return pd.StringDtype("pyarrow" if storage == "pyarrow" else "python")


def _read_objects(decoder: Reader, node: dict[str, Node]) -> NDArray[Any]:
    different = np.empty(len(decoder.items(node, "different")), dtype=object)
    for place, each in enumerate(decoder.items(node, "different")):
        different[place] = decoder.block(each)
        if isinstance(different[place], (tuple, list, dict, np.ndarray, pd.DataFrame, pd.Index)):
            raise UnreadableError(decoder.strange("a column of objects", each))
    codes = _flat(decoder, node.get("codes"), "i")
    _check_codes(decoder, codes, len(different), 0)
    return np.asarray(different[codes], dtype=object)


def _categories(decoder: Reader, node: dict[str, Node]) -> Any:  # noqa: ANN401 - as above
    categories = _as_index(_values(decoder, node.get("categories")))
    codes, ordered = _flat(decoder, node.get("codes"), "i"), node.get("ordered")
    if not isinstance(ordered, bool) or not categories.is_unique or categories.hasnans:
        raise UnreadableError(decoder.strange("categories", categories.tolist()[:5]))
    _check_codes(decoder, codes, len(categories), -1)
    return pd.Categorical.from_codes(codes, categories=categories, ordered=ordered)


def _zoned(decoder: Reader, node: dict[str, Node]) -> Any:  # noqa: ANN401 - as above
    dtype = _dtype(decoder, node, ZONED)
    moments = _flat(decoder, node.get("array"), "M")
    return pd.Series(moments).dt.tz_localize("UTC").dt.tz_convert(pd.api.types.pandas_dtype(dtype).tz).array  # type: ignore[union-attr]  # zoned


def _masked(decoder: Reader, node: dict[str, Node]) -> Any:  # noqa: ANN401 - as above
    dtype = _dtype(decoder, node, MASKED)
    array, missing = _flat(decoder, node.get("array"), "biuf"), _flat(decoder, node.get("missing"), "b")
    if len(array) != len(missing):
        raise UnreadableError(decoder.strange("a column", f"{len(missing)} marks for {len(array)} entries"))
    objects = array.astype(object)
    objects[missing] = pd.NA
    return _array_of(objects, dtype)


def _array_of(objects: Any, dtype: Any) -> Any:  # noqa: ANN401 - of a type that is known as text
    return pd.array(objects, dtype=dtype)


def _scalar(decoder: Reader, node: dict[str, Node]) -> object:
    found = _flat(decoder, node.get("array"), "biuf")
    if len(found) != 1:
        raise UnreadableError(decoder.strange("a number", f"{len(found)} of them"))
    return found[0]


def _missing(decoder: Reader, node: dict[str, Node]) -> object:
    which = {"NA": pd.NA, "NaT": pd.NaT}.get(str(node.get("which")))
    if which is None:
        raise UnreadableError(decoder.strange("a missing value", node.get("which")))
    return which


def _moment(decoder: Reader, node: dict[str, Node]) -> object:
    values = _as_index(_values(decoder, node.get("values")))
    if len(values) != 1 or not isinstance(values, pd.DatetimeIndex):
        raise UnreadableError(decoder.strange("a moment", f"{len(values)} of them"))
    return values[0]


def _datetime64(decoder: Reader, node: dict[str, Node]) -> object:
    found = _flat(decoder, node.get("values"), "M")
    if len(found) != 1:
        raise UnreadableError(decoder.strange("a moment", f"{len(found)} of them"))
    return found[0]


def _flat(decoder: Reader, node: Node, kinds: str) -> NDArray[Any]:
    array = decoder.array(node, kinds)
    if array.ndim != 1:
        raise UnreadableError(decoder.strange("a column", f"an array of {array.ndim} axes"))
    return array


def _dtype(decoder: Reader, node: dict[str, Node], pattern: re.Pattern[str]) -> str:
    dtype = node.get("dtype")
    if not isinstance(dtype, str) or not pattern.fullmatch(dtype):
        raise UnreadableError(decoder.strange("a type of column", dtype))
    if "[pyarrow]" in dtype and find_spec("pyarrow") is None:
        message = f"the file holds a column of type {dtype}, which takes PyArrow: pip install 'kundenwert[pyarrow]'"
        raise MissingPackageError(message)
    return dtype


def _check_codes(decoder: Reader, codes: NDArray[Any], count: int, lowest: int) -> None:
    if len(codes) and not (lowest <= codes.min() and codes.max() < count):
        raise UnreadableError(decoder.strange(f"positions below {count}", [int(codes.min()), int(codes.max())]))


VALUES: Final = {
    "plain": _plain,
    "strings": _read_strings,
    "objects": _read_objects,
    "categories": _categories,
    "zoned": _zoned,
    "masked": _masked,
}
READERS: Final = {
    "range": _range,
    "index": _index,
    "levels": _levels,
    "table": _table,
    "scalar": _scalar,
    "missing": _missing,
    "moment": _moment,
    "datetime64": _datetime64,
}
"""How blocks of each type are read back."""
