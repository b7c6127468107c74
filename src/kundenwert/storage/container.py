"""Blocks to bytes and back: NetCDF-4 for others, behind a digest of every byte.

The first 512 bytes, which HDF5 leaves to its users::

    kundenwert file
    sha256 <digest, 64 hexadecimal digits>
    format 2
    directory <place> <length>

padded with blanks. The digest is that of everything after it, what follows in these 512 bytes included. Place and
length are those of the directory: JSON in ASCII, a variable of text to NetCDF. It says what the file holds, and where
in the file the numbers of each block stand; every byte belongs to one block at most.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np

from kundenwert.errors import SizeError
from kundenwert.storage.blocks import UnreadableError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kundenwert.storage.blocks import Node

__all__ = ["FORMAT_VERSION", "START", "Stored", "is_sealed", "packed", "sealed", "unsealed"]

FORMAT_VERSION: Final = 2
HEAD: Final = 512
START: Final = b"kundenwert file\nsha256 "
DIGITS: Final = 64
REST: Final = re.compile(rb"\nformat ([0-9]{1,9})\n(?:directory ([0-9]{1,18}) ([0-9]{1,18})\n)?[ -~\n]*\n", re.ASCII)
DIRECTORY: Final = "kundenwert_directory"
LARGEST_DIRECTORY: Final = 256 * 1024**2
LONGEST_NAME: Final = 200
OLD_READERS: Final = '{"format": "kundenwert posterior", "format_version": 2}'
"""In the place where version 0.1 looks, so that it asks for a newer one."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """An array to be written, and the block that has to know where."""

    name: str
    array: NDArray[Any]
    axes: tuple[str, ...]
    node: dict[str, Node]


def packed(content: Node, arrays: list[Stored], version: str) -> bytes:
    """The file that holds this content, whose arrays are these."""
    import h5netcdf

    buffer = io.BytesIO()
    with h5netcdf.File(buffer, "w", userblock_size=HEAD) as file:
        names = _Names(file)
        for stored in arrays:
            axes = names.axes(stored.axes, stored.array.shape)
            variable = file.create_variable(
                names.variable(stored.name), axes, dtype=stored.array.dtype, data=stored.array
            )
            stored.node["at"] = variable._h5ds.id.get_offset()  # noqa: SLF001 - h5netcdf does not tell
        directory = {
            "format": "kundenwert",
            "format_version": FORMAT_VERSION,
            "written_by": version,
            "content": content,
        }
        text = json.dumps(directory, ensure_ascii=True, allow_nan=False).encode("ascii")
        if len(text) > LARGEST_DIRECTORY:
            message = (
                f"the description of the content takes {len(text) / 1024**2:,.0f} MiB; a file can hold "
                f"{LARGEST_DIRECTORY / 1024**2:,.0f}: convert columns of mixed objects to text or numbers"
            )
            raise SizeError(message)
        letters = np.frombuffer(text, "S1")
        variable = file.create_variable(DIRECTORY, names.axes(("letter",), letters.shape), dtype="S1", data=letters)
        place = variable._h5ds.id.get_offset()  # noqa: SLF001 - as above
        file.attrs["kundenwert"] = OLD_READERS
        file.attrs["title"] = "Saved by kundenwert; kundenwert.load(path) reads it"
    whole = bytearray(buffer.getvalue())
    _seal(memoryview(whole), f"\nformat {FORMAT_VERSION}\ndirectory {place} {len(text)}\n")
    return bytes(whole)


def sealed(content: bytes) -> bytes:
    """The same file with the digest that its bytes have now."""
    whole = bytearray(content)
    _seal(memoryview(whole), None)
    return bytes(whole)


def _seal(whole: memoryview, rest: str | None) -> None:
    end = len(START) + DIGITS
    if rest is not None:
        whole[end:HEAD] = rest.encode("ascii").ljust(HEAD - end - 1) + b"\n"
    whole[:end] = START + hashlib.sha256(whole[end:]).hexdigest().encode("ascii")


def is_sealed(content: bytes) -> bool:
    """Whether this begins like a file of ours, of format 2 or a later one."""
    return content.startswith(START)


def unsealed(content: bytes) -> dict[str, Any]:
    """The directory of a file, once its digest has been found right.

    Raises
    ------
    UnreadableError
        If the file is damaged, or of a later format.
    """
    end = len(START) + DIGITS
    if len(content) < HEAD:
        message = f"has {len(content)} bytes, and is cut short; fetch the file again, or save it again"
        raise UnreadableError(message)
    if hashlib.sha256(memoryview(content)[end:]).hexdigest().encode("ascii") != content[len(START) : end]:
        message = (
            "is damaged: its content is not what was saved (the digest differs); fetch the file again, or save it again"
        )
        raise UnreadableError(message)
    found = REST.fullmatch(content[end:HEAD])
    version = int(found[1]) if found else 0
    if version > FORMAT_VERSION:
        message = f"has format {version}, this version of kundenwert reads up to {FORMAT_VERSION}; upgrade kundenwert"
        raise UnreadableError(message)
    if found is None or version != FORMAT_VERSION or found[2] is None:
        message = "does not say where its content stands; it was not written by kundenwert"
        raise UnreadableError(message)
    place, length = int(found[2]), int(found[3])
    if not HEAD <= place <= place + length <= len(content) or length > LARGEST_DIRECTORY:
        message = (
            f"has its directory where it cannot be ({place} to {place + length}); it was not written by kundenwert"
        )
        raise UnreadableError(message)
    return _directory(content[place : place + length])


def _directory(text: bytes) -> dict[str, Any]:
    try:
        directory = json.loads(text.decode("ascii"), parse_constant=_no_number)
    except (ValueError, RecursionError) as error:  # wrong encodings and wrong JSON are ValueErrors
        message = f"has a directory that cannot be read ({error}); it was not written by kundenwert"
        raise UnreadableError(message) from error
    if not isinstance(directory, dict) or "content" not in directory or directory.get("format") != "kundenwert":
        message = "has a directory without content; it was not written by kundenwert"
        raise UnreadableError(message)
    return directory


def _no_number(name: str) -> float:
    message = f"{name} is no number"
    raise ValueError(message)


class _Names:
    """Names of variables and axes that NetCDF takes, each of them once."""

    def __init__(self, file: Any) -> None:  # noqa: ANN401 - h5netcdf ships no types
        self.file, self.used, self.sizes = file, {DIRECTORY}, dict[str, int]()

    def variable(self, wanted: str) -> str:
        """A name like the one wanted: path separators and the like are replaced."""
        plain = "".join(each if each.isalnum() or each in " .%@+-_()[]:" else "_" for each in wanted).strip()
        plain = plain[:LONGEST_NAME].encode("ascii", "replace").decode().replace("?", "_") or "_"
        plain = plain if plain[0].isalnum() or plain[0] == "_" else f"_{plain}"
        name, number = plain, 1
        while name in self.used or name in self.sizes:
            number += 1
            name = f"{plain}_{number}"
        self.used.add(name)
        return name

    def axes(self, wanted: tuple[str, ...], shape: tuple[int, ...]) -> tuple[str, ...]:
        """Names of the axes of an array, those that are not named by their size."""
        found = []
        for position, size in enumerate(shape):
            plain = wanted[position] if position < len(wanted) else f"size_{size}"
            name, number = plain, 1
            while name in self.used or self.sizes.get(name, size) != size:
                number += 1
                name = f"{plain}_{number}"
            if name not in self.sizes:
                self.sizes[name] = size
                self.file.dimensions[name] = size
            found.append(name)
        return tuple(found)
