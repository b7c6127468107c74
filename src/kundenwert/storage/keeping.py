"""Saving and loading whatever can be kept."""

from __future__ import annotations

import warnings
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from kundenwert.errors import DataError, FileFormatError, FileFormatWarning, KundenwertError, SpecificationError
from kundenwert.storage.blocks import UnreadableError
from kundenwert.storage.container import START, is_sealed, packed, unsealed
from kundenwert.storage.decoding import Decoder
from kundenwert.storage.disk import path_of, read_whole, write_whole
from kundenwert.storage.encoding import Encoder
from kundenwert.storage.format1 import SIGNATURE, is_hdf5, object_of_format_1

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from os import PathLike

__all__ = ["load", "save", "written"]


def save(value: object, path: str | PathLike[str]) -> None:
    """Write something to a file, whole or not at all; :func:`load` reads it back exactly.

    Raises
    ------
    SpecificationError
        If the path is none.
    DataError
        If there is something in it that a file cannot hold.
    FileWriteError
        If the file cannot be written; then the old file is as it was.
    """
    target = path_of(path)
    write_whole(target, written(value))


def written(value: object) -> bytes:
    """The bytes of a file that holds `value`, which have been read back once: what is kept can be had again."""
    encoder = Encoder()
    content = encoder.block(value)
    whole = packed(content, encoder.arrays, version("kundenwert"))
    try:
        read(whole, encoder.own)
    except UnreadableError as error:
        message = f"this cannot be saved, because it could not be loaded again: the file {error}"
        raise DataError(message) from error
    return whole


def load(path: str | PathLike[str], kinds: tuple[type[Any], ...] = (object,), models: Sequence[type[Any]] = ()) -> Any:  # noqa: ANN401 - whatever was saved
    """Read what a method ``save`` wrote, and refuse all but these kinds; see :func:`kundenwert.load`."""
    source = path_of(path)
    own = _by_name(models)
    content = read_whole(source, (START, SIGNATURE))
    old = not is_sealed(content)
    try:
        value, notes = (_old(content, own), ()) if old else read(content, own)
    except UnreadableError as error:
        message = f"{source} {error}"
        raise FileFormatError(message) from error
    if not isinstance(value, kinds):
        message = (
            f"{source} holds {type(value).__name__}, a part of what can be saved; expected one of "
            f"{', '.join(kind.__name__ for kind in kinds)}; it was not written by kundenwert"
        )
        raise FileFormatError(message)
    if old:
        message = (
            f"{source} is of format 1, by kundenwert 0.1, in which damage to numbers cannot be noticed. Once you have "
            "seen that it is right, save it again: kundenwert.load(path).save(path)"
        )
        warnings.warn(message, FileFormatWarning, stacklevel=3)
    if notes:
        message = (
            f"{source} was written by a newer version of kundenwert; {', '.join(notes)} was skipped, which is not "
            "needed for the rest. Upgrade kundenwert to read it"
        )
        warnings.warn(message, FileFormatWarning, stacklevel=3)
    return value


def read(content: bytes, own: Mapping[str, type[Any]]) -> tuple[Any, tuple[str, ...]]:
    """What the bytes of a file of format 2 hold, and what of it was skipped.

    Raises
    ------
    UnreadableError
        If they are damaged, or hold what cannot be.
    """
    directory = unsealed(content)
    decoder = Decoder(content, own)
    try:
        return decoder.block(directory["content"]), tuple(decoder.notes)
    except KundenwertError:
        raise
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        message = f"holds what cannot be read ({error}); it was not written by kundenwert"
        raise UnreadableError(message) from error


def _by_name(models: object) -> dict[str, type[Any]]:
    given = (models,) if isinstance(models, type) else tuple(models) if isinstance(models, (list, tuple)) else (models,)
    for cls in given:
        if not isinstance(cls, type) or not hasattr(cls, "__dataclass_fields__"):
            message = f"models takes classes of models of your own, for example models=(MyModel,); got {cls!r}"
            raise SpecificationError(message)
    return {cls.__name__: cls for cls in given}


def _old(content: bytes, own: Mapping[str, type[Any]]) -> Any:  # noqa: ANN401 - whatever was saved
    if not is_hdf5(content):
        raise UnreadableError(_foreign(content))
    return object_of_format_1(content, own)


def _foreign(content: bytes) -> str:
    if not content:
        return "is empty: saving it was broken off, or it was never written; save it again"
    if content[:3] == b"CDF":
        return "is a NetCDF file of another program, and not saved by kundenwert; open it with xarray"
    return "is not a file of kundenwert, or its head is damaged; give the path of a file that a method save wrote"
