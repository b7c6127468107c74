"""Objects to blocks: what can be kept, and how each kind of value is written."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np
import pandas as pd

from kundenwert.errors import DataError
from kundenwert.storage import columns
from kundenwert.storage.container import Stored
from kundenwert.storage.registry import KINDS, Labelled, fields_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kundenwert.storage.blocks import Node

__all__ = ["Encoder"]

KEPT_AS: Final[dict[str, str]] = {"b": "|u1", "M": "<i8", "m": "<i8"}
"""How arrays of what NetCDF has no name for are written: truth values, moments, lengths of time."""


@final
class Encoder:
    """Turns an object into blocks; large ones are gathered in `arrays`.

    Attributes
    ----------
    arrays
        What is to be written besides the blocks themselves.
    own
        Dataclasses among the content that are none of the library, by name.
    """

    def __init__(self) -> None:
        self.arrays: list[Stored] = []
        self.own: dict[str, type[Any]] = {}

    def block(self, value: object, path: str = "") -> Node:  # noqa: PLR0911 - one line a kind of value
        """The block of any value that can be kept; `path` is where in the object it stands."""
        if type(value).__name__ in KINDS and type(value) is KINDS[type(value).__name__].cls:
            return self._object(value, path)
        match value:
            case None | bool() | str():
                return value if value is None or isinstance(value, bool) else str(value)
            case np.bool_():
                return bool(value)
            case Integral() | Real():
                return _number(value)
            case tuple():
                return [self.block(each, f"{path}.{place}") for place, each in enumerate(value)]
            case list() | Mapping():
                return self._container(value, path)
            case Labelled():
                return self._labelled(value, path)
            case np.ndarray():
                return self.array(value, path)
            case _:
                return self._table(value, path)

    def _container(self, value: list[Any] | Mapping[Any, Any], path: str) -> dict[str, Node]:
        """What is rarely there: tuples and dataclasses are not changed by accident."""
        if isinstance(value, list):
            items: list[Node] = [self.block(each, f"{path}.{place}") for place, each in enumerate(value)]
            return {"type": "list", "version": 1, "items": items}
        return {
            "type": "mapping",
            "version": 1,
            "keys": [self.block(key, path) for key in value],
            "values": [self.block(each, f"{path}.{key}") for key, each in value.items()],
        }

    def _table(self, value: object, path: str) -> dict[str, Node]:
        match value:
            case pd.Index():
                return columns.index_block(self, value, path)
            case pd.DataFrame():
                return columns.table_block(self, value, path)
            case pd.Timestamp():
                return {"type": "moment", "version": 1, "values": columns.values_block(self, pd.Index([value]), path)}
            case np.datetime64():
                return {"type": "datetime64", "version": 1, "values": self.array(np.array([value]), path)}
            case _:
                return self._other(value, path)

    def _other(self, value: object, path: str) -> dict[str, Node]:
        if is_dataclass(value) and not isinstance(value, type):
            return self._own(value, path)
        message = (
            f"{path or 'this'} is {_article(value)}, which a file cannot hold; expected numbers, text, tables or arrays"
        )
        raise DataError(message)

    def array(self, array: NDArray[Any], path: str, axes: tuple[str, ...] = ()) -> dict[str, Node]:
        """The block of an array of numbers, truth values, moments or lengths of time."""
        if array.dtype.kind not in "biufMm" or array.dtype.itemsize > 8:
            message = f"{path} is an array of {array.dtype}, which a file cannot hold; convert it to float64 or int64"
            raise DataError(message)
        little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).reshape(array.shape)
        shape: list[Node] = [*little.shape]
        node: dict[str, Node] = {"type": "array", "version": 1, "dtype": little.dtype.str, "shape": shape}
        if little.size:
            kept = little.view(KEPT_AS.get(little.dtype.kind, little.dtype))
            self.arrays.append(Stored(name=path.strip(".") or "values", array=kept, axes=axes, node=node))
        return node

    def _object(self, value: object, path: str) -> dict[str, Node]:
        kind = KINDS[type(value).__name__]
        return self._parts(value, kind.cls, kind.version, kind.parts(value), path)

    def _own(self, value: Any, path: str) -> dict[str, Node]:  # noqa: ANN401 - any dataclass
        """A dataclass of the caller's own, such as a model: whoever loads it has to hand the class in."""
        cls = type(value)
        if cls.__name__ in KINDS or not cls.__name__[0].isupper() or self.own.get(cls.__name__, cls) is not cls:
            message = (
                f"{path or 'this'} is of a class {cls.__name__} of your own, which has the name of another one; rename "
                "it, with a capital letter first"
            )
            raise DataError(message)
        self.own[cls.__name__] = cls
        return self._parts(value, cls, 1, fields_of(value), path)

    def _parts(
        self, value: object, cls: type[Any], version: int, parts: Mapping[str, object], path: str
    ) -> dict[str, Node]:
        dispensable: list[Node] = [name for name in parts if _is_default(cls, name, getattr(value, name, MISSING))]
        found: dict[str, Node] = {
            name: self.block(part, f"{path}.{name}" if path else name) for name, part in parts.items()
        }
        return {"type": cls.__name__, "version": version, "parts": found, "dispensable": dispensable}

    def _labelled(self, value: Labelled, path: str) -> dict[str, Node]:
        inside = path.rpartition(".")[0]  # others look for the arrays by their own names
        axes = tuple(f"{inside}.{axis}" if inside else axis for axis in value.axes)
        return {
            "type": "labelled",
            "version": 1,
            "names": [*value.arrays],
            "arrays": [
                self.array(array, f"{inside}.{name}" if inside else name, axes) for name, array in value.arrays.items()
            ],
        }


def _number(value: Any) -> Node:  # noqa: ANN401 - a number of any kind
    if isinstance(value, Integral):
        return int(value)
    number = float(value)
    return number if math.isfinite(number) else {"type": "number", "version": 1, "text": repr(number)}


def _is_default(cls: type[Any], name: str, value: object) -> bool:
    """Whether a part says no more than that it is absent: whoever does not know it can do without."""
    if not is_dataclass(cls):
        return False
    for field in fields(cls):
        if field.name == name:
            default = field.default_factory() if field.default_factory is not MISSING else field.default
            simple = isinstance(default, (bool, int, float, str, tuple, dict, type(None))) or is_dataclass(default)
            return simple and type(value) is type(default) and bool(value == default)
    return False


def _article(value: object) -> str:
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"
