"""Blocks: what stands in the directory of a file, and who writes and reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, final

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Node", "Reader", "UnreadableError", "Writer"]

type Node = bool | int | float | str | list[Node] | dict[str, Node] | None
"""A block, as JSON has it."""


@final
class UnreadableError(Exception):
    """A file cannot be read; the message goes on where the path of the file ended, and ends with a remedy."""


class Writer(Protocol):
    """What turns values into blocks; `path` is where in the object they stand."""

    def block(self, value: object, path: str = "") -> Node:
        """The block of any value that can be kept."""
        ...

    def array(self, array: NDArray[Any], path: str, axes: tuple[str, ...] = ()) -> dict[str, Node]:
        """The block of an array of numbers, truth values, moments or lengths of time."""
        ...


class Reader(Protocol):
    """What turns blocks into values; everything raises UnreadableError if a block is not what it should be."""

    def block(self, node: Node) -> Any:  # noqa: ANN401 - whatever was kept
        """The value of a block."""
        ...

    def array(self, node: Node, kinds: str) -> NDArray[Any]:
        """An array of one of these kinds of NumPy."""
        ...

    def items(self, node: dict[str, Node], part: str) -> list[Node]:
        """The list that a block holds under this name."""
        ...

    def whole(self, node: Node) -> int:
        """A whole number."""
        ...

    def check_version(self, node: dict[str, Node], known: int) -> None:
        """Refuse a block that a later version wrote in a way that this one does not know."""
        ...

    def strange(self, expected: str, got: object) -> str:
        """What to say of content that this library does not write."""
        ...
