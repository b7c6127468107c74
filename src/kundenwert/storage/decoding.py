"""Blocks to objects: nothing is taken on trust, and nothing is made but what can be kept."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np

from kundenwert.errors import KundenwertError, MissingPackageError, SizeError
from kundenwert.storage import columns
from kundenwert.storage.blocks import UnreadableError
from kundenwert.storage.encoding import KEPT_AS
from kundenwert.storage.hints import fits, hints_of
from kundenwert.storage.registry import KINDS, Kind, fields_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from kundenwert.storage.blocks import Node

__all__ = ["Decoder"]

DTYPES: Final = re.compile(r"\|b1|\|[iu]1|<[iu][248]|<f[248]|<[Mm]8\[(Y|M|W|D|h|m|s|ms|us|ns)\]")
DEEPEST: Final = 60
DEFECT: Final = "; it was not written by kundenwert"


@final
class Decoder:
    """Turns blocks into an object.

    Attributes
    ----------
    notes
        What was skipped, because this version does not know it and can do without.
    """

    def __init__(self, content: bytes, own: Mapping[str, type[Any]]) -> None:
        self.content, self.own = content, own
        self.left = len(content)  # every byte belongs to one array at most, so that memory is bounded
        self.depth = 0
        self.notes: list[str] = []

    def block(self, node: Node) -> Any:  # noqa: ANN401 - whatever was kept
        """The value of a block."""
        self.depth += 1
        if self.depth > DEEPEST:
            raise UnreadableError(self.strange("content", f"more than {DEEPEST} levels"))
        try:
            return self._value(node)
        finally:
            self.depth -= 1

    def _value(self, node: Node) -> Any:  # noqa: ANN401 - as above
        if isinstance(node, float) and not math.isfinite(node):
            raise UnreadableError(self.strange("a number", node))
        if node is None or isinstance(node, (bool, int, float, str)):
            return node
        if isinstance(node, list):
            return tuple(self.block(each) for each in node)
        name = node.get("type")
        if not isinstance(name, str):
            raise UnreadableError(self.strange("a type", name))
        if name in columns.READERS:
            self.check_version(node, 1)
            return columns.READERS[name](self, node)
        if name in BASIC:
            self.check_version(node, 1)
            return BASIC[name](self, node)
        return self._object(name, node)

    def array(self, node: Node, kinds: str) -> NDArray[Any]:
        """An array of one of these kinds of NumPy."""
        if not isinstance(node, dict) or node.get("type") != "array":
            raise UnreadableError(self.strange("an array", node))
        self.check_version(node, 1)
        text, shape = node.get("dtype"), [self.whole(each) for each in self.items(node, "shape")]
        if not isinstance(text, str) or not DTYPES.fullmatch(text) or np.dtype(text).kind not in kinds:
            raise UnreadableError(self.strange("an array", text))
        dtype = np.dtype(text)
        if len(shape) > 8 or any(not 0 <= each <= len(self.content) for each in shape):
            raise UnreadableError(self.strange("an array", f"shape {tuple(shape)}"))
        count = math.prod(shape)
        if count == 0:
            return np.zeros(shape, dtype)
        place, size = self.whole(node.get("at")), count * dtype.itemsize
        if not 0 <= place <= place + size <= len(self.content) or size > self.left:
            raise UnreadableError(self.strange("an array", f"shape {tuple(shape)} at byte {place}"))
        self.left -= size
        kept = np.dtype(KEPT_AS.get(dtype.kind, dtype))
        found = np.frombuffer(self.content, kept, count, place).reshape(shape)
        if dtype.kind == "b" and found.max() > 1:
            raise UnreadableError(self.strange("truth values", int(found.max())))
        return found.view(dtype).astype(dtype.newbyteorder("="), copy=True)

    def _number(self, node: dict[str, Node]) -> float:
        if node.get("text") not in {"nan", "inf", "-inf"}:
            raise UnreadableError(self.strange("a number", node.get("text")))
        return float(str(node["text"]))

    def _list(self, node: dict[str, Node]) -> list[Any]:
        return [self.block(each) for each in self.items(node, "items")]

    def _mapping(self, node: dict[str, Node]) -> dict[Any, Any]:
        keys = [self.block(each) for each in self.items(node, "keys")]
        values = [self.block(each) for each in self.items(node, "values")]
        plain = all(isinstance(key, (str, int, float)) for key in keys)
        if not plain or len(keys) != len(values) or len(set(keys)) < len(keys):
            raise UnreadableError(self.strange("a mapping", keys[:5]))
        return dict(zip(keys, values, strict=True))

    def _labelled(self, node: dict[str, Node]) -> dict[str, NDArray[Any]]:
        names = [self.block(each) for each in self.items(node, "names")]
        arrays = [self.array(each, "biuf") for each in self.items(node, "arrays")]
        if (
            not all(isinstance(name, str) for name in names)
            or len(set(names)) < len(names)
            or len(names) != len(arrays)
        ):
            raise UnreadableError(self.strange("named arrays", names[:5]))
        return dict(zip(names, arrays, strict=True))

    def _object(self, name: str, node: dict[str, Node]) -> Any:  # noqa: ANN401 - of any class that can be kept
        kind = KINDS.get(name) or self._own(name)
        self.check_version(node, kind.version)
        parts, dispensable = node.get("parts"), self.items(node, "dispensable")
        if not isinstance(parts, dict):
            raise UnreadableError(self.strange(f"a {name}", parts))
        hints = self._hints(kind)
        content = {}
        for part, inside in parts.items():
            if part in hints:
                content[part] = self.block(inside)
            elif part in dispensable:
                self.notes.append(f"{name}.{part}")
            else:
                message = (
                    f"holds a {name} with {part!r}, which this version does not know and needs; upgrade kundenwert"
                )
                raise UnreadableError(message)
        for part, value in content.items():
            if not fits(value, hints[part]):
                found = f"{value!r:.80}"
                message = f"holds a {name} whose {part} is {found}, of a type that it cannot have{DEFECT}"
                raise UnreadableError(message)
        return self._made(kind, name, content)

    def _made(self, kind: Kind, name: str, content: dict[str, Any]) -> Any:  # noqa: ANN401 - as above
        try:
            with np.errstate(all="ignore"):
                return kind.made_of(content)
        except (UnreadableError, SizeError, MissingPackageError):
            raise
        except KundenwertError as error:
            message = f"holds a {name} that cannot be: {error}"
            raise UnreadableError(message) from error
        except (TypeError, ValueError, KeyError, AttributeError, IndexError, ArithmeticError) as error:
            message = f"holds a {name} that cannot be ({error}){DEFECT}"
            raise UnreadableError(message) from error

    def _own(self, name: str) -> Kind:
        """A class that the caller handed in."""
        if name not in self.own:
            message = (
                f"holds a {name}, which is none of {', '.join(sorted(KINDS))}; if it is a model of your own, write "
                f"kundenwert.load(path, models=({name},))"
            )
            raise UnreadableError(message)
        cls = self.own[name]
        return Kind(cls=cls, version=1, parts=fields_of, made_of=lambda content: cls(**content))

    def _hints(self, kind: Kind) -> Mapping[str, Any]:
        if kind.hints is not None:
            return kind.hints
        try:
            return hints_of(kind.cls)
        except NameError:
            if kind.cls.__name__ in KINDS:
                raise
            return dict.fromkeys(
                kind.cls.__dataclass_fields__, Any
            )  # a class of the caller's, who imports as they like

    def items(self, node: dict[str, Node], part: str) -> list[Node]:
        """The list that a block holds under this name."""
        found = node.get(part)
        if not isinstance(found, list):
            raise UnreadableError(self.strange(f"a list of {part}", found))
        return found

    def whole(self, node: Node) -> int:
        """A whole number."""
        if not isinstance(node, int) or isinstance(node, bool):
            raise UnreadableError(self.strange("a whole number", node))
        return node

    def check_version(self, node: dict[str, Node], known: int) -> None:
        """Refuse a block that a later version wrote in a way that this one does not know."""
        version = self.whole(node.get("version"))
        if version > known:
            message = (
                f"holds a block {node.get('type')!r} of version {version}, and kundenwert reads up to {known} here; "
                "upgrade kundenwert"
            )
            raise UnreadableError(message)

    def strange(self, expected: str, got: object) -> str:
        """What to say of content that this library does not write."""
        return f"holds {got!r:.80} where {expected} was expected{DEFECT}"


BASIC: Final[dict[str, Callable[[Decoder, dict[str, Node]], Any]]] = {
    "array": lambda decoder, node: decoder.array(node, "biufMm"),
    "number": Decoder._number,  # noqa: SLF001 - its own methods
    "list": Decoder._list,  # noqa: SLF001 - as above
    "mapping": Decoder._mapping,  # noqa: SLF001 - as above
    "labelled": Decoder._labelled,  # noqa: SLF001 - as above
}
"""How blocks of each type are read that hold others, or a number that JSON cannot."""
