"""What can be kept in files: one entry a class."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final, final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["KINDS", "MEANINGS", "Kind", "Labelled", "explain_annotations", "register", "register_kind"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """How objects of a class are kept.

    Parameters
    ----------
    cls
        The class; files know it by its name.
    version
        Of the parts and what they mean. Raise it when an older kundenwert would misunderstand them: it refuses then.
    parts
        What of an object is written, by name.
    made_of
        The object from its parts. It may trust their types, and nothing else.
    hints
        Types of the parts; None if they are fields of the class, which declares them.
    """

    cls: type[Any]
    version: int
    parts: Callable[[Any], Mapping[str, object]]
    made_of: Callable[[dict[str, Any]], Any]
    hints: Mapping[str, Any] | None = None


@final
@dataclass(frozen=True, slots=True)
class Labelled:
    """Arrays with names and with named axes, so that other readers of NetCDF find their way."""

    arrays: Mapping[str, Any]
    axes: tuple[str, ...]


KINDS: Final[dict[str, Kind]] = {}
"""What can be kept, by the name of the class."""

MEANINGS: Final[dict[str, object]] = {}
"""What names in annotations mean that are imported for type checkers only."""


def register(*classes: type[Any], version: int = 1) -> None:
    """Dataclasses whose objects can be kept: all fields are written, and read back through the constructor."""
    for cls in classes:
        register_kind(_of_fields(cls, version))


def register_kind(kind: Kind) -> None:
    """A class whose objects are kept in a way of their own."""
    KINDS[kind.cls.__name__] = kind
    MEANINGS[kind.cls.__name__] = kind.cls


def explain_annotations(meanings: Mapping[str, object]) -> None:
    """Say what names in annotations mean that are imported for type checkers only."""
    MEANINGS.update(meanings)


def fields_of(instance: Any) -> dict[str, object]:  # noqa: ANN401 - any dataclass
    """The fields of a dataclass that its constructor takes."""
    return {field.name: getattr(instance, field.name) for field in fields(instance) if field.init}


def _of_fields(cls: type[Any], version: int) -> Kind:
    return Kind(cls=cls, version=version, parts=fields_of, made_of=lambda content: cls(**content))
