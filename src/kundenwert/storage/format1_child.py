"""The process that lets HDF5 parse a file of format 1: bytes from standard input, names and numbers to standard output.

It is started from its own text, stands alone, and knows nothing of kundenwert.
"""

from __future__ import annotations

import json
import os
import sys
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NoReturn

PROCESSOR_SECONDS: Final = 3
MOST_OBJECTS: Final = 100_000
LONGEST_TEXT: Final = 64 * 1024**2
ROOM: Final = 512 * 1024**2


def content_of(content: bytes) -> tuple[str | None, dict[str, Any]]:
    """The text in the attribute ``kundenwert``, and all arrays with two axes; refuses all that is not plain.

    Plain is a data set of little-endian 64-bit floats, contiguous in the file, unfiltered, of fixed shape, all of whose
    bytes are there and belong to nothing else; reached by hard links alone.
    """
    import h5py

    with h5py.File(BytesIO(content), "r") as file:
        if file.userblock_size != 0:
            _refuse("it does not begin with HDF5 data")
        text = _text_of(file, len(content))
        if text is None:
            return None, {}
        arrays: dict[str, Any] = {}
        taken: list[tuple[int, int]] = []
        for name, data in _data_sets(file):
            if "NAME" not in data.attrs or "CLASS" not in data.attrs:  # else it is an axis, without numbers
                arrays[name] = _values_of(name, data, len(content), taken)
        if any(end > start for (_, end), (start, _) in pairwise(sorted(taken))):
            _refuse("two data sets share bytes")
        return text, arrays


def _text_of(file: Any, size: int) -> str | None:  # noqa: ANN401 - h5py ships no types
    import h5py

    if not h5py.h5a.exists(file.id, b"kundenwert"):
        return None
    attribute = h5py.h5a.open(file.id, b"kundenwert")
    if attribute.get_type().get_class() != h5py.h5t.STRING or attribute.shape != ():
        _refuse("the attribute kundenwert is no text")
    text = file.attrs["kundenwert"]
    text = text.decode("utf-8") if isinstance(text, bytes) else text
    if not isinstance(text, str) or len(text) > min(size, LONGEST_TEXT):
        _refuse("the attribute kundenwert is no text")
    return text


def _data_sets(file: Any) -> list[tuple[str, Any]]:  # noqa: ANN401 - as above
    """All data sets, by hard links from the root; a name with a slash makes groups."""
    import h5py

    found: list[tuple[str, Any]] = []
    seen: set[int] = set()
    waiting: list[tuple[str, Any]] = [("", file)]
    while waiting:
        prefix, group = waiting.pop()
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                _refuse(f"{name} is a link to somewhere else")
            child = group[name]
            address = h5py.h5o.get_info(child.id).addr
            if address in seen or len(seen) > MOST_OBJECTS:
                _refuse(f"{name} is another name of something else")
            seen.add(address)
            if isinstance(child, h5py.Group):
                waiting.append((f"{prefix}{name}/", child))
            elif isinstance(child, h5py.Dataset):
                found.append((f"{prefix}{name}", child))
            else:
                _refuse(f"{name} is no data set")
    return found


def _values_of(name: str, data: Any, size: int, taken: list[tuple[int, int]]) -> Any:  # noqa: ANN401 - as above
    """The numbers of a data set, which are looked at only if it is plain; `taken` gathers where they stand."""
    import h5py

    properties, space = data.id.get_create_plist(), data.id.get_space()
    plain = (
        properties.get_layout() == h5py.h5d.CONTIGUOUS
        and properties.get_nfilters() == 0
        and properties.get_external_count() == 0
        and data.id.get_type().equal(h5py.h5t.IEEE_F64LE)
        and space.get_simple_extent_type() == h5py.h5s.SIMPLE
        and space.get_simple_extent_ndims() == 2
        and space.get_simple_extent_dims() == space.get_simple_extent_dims(maxdims=True)
    )
    if not plain:
        _refuse(f"{name} is no plain data set of numbers")
    rows, columns = space.get_simple_extent_dims()
    place, length = data.id.get_offset(), data.id.get_storage_size()
    if not 0 < 8 * rows * columns == length or place is None or not 0 < place <= place + length <= size:
        _refuse(f"{name} has {rows} × {columns} numbers, which the file does not hold")
    taken.append((place, place + length))
    return data[...]


def _refuse(reason: str) -> NoReturn:
    raise ValueError(reason)


def _limit(size: int) -> None:
    """Bound time and memory, where that is possible."""
    try:
        import resource
    except ImportError:
        return
    used = int(resource.getrusage(resource.RUSAGE_SELF).ru_utime) + 1
    seconds = used + PROCESSOR_SECONDS + size // 10**7
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except OSError:
        return
    room = pages * resource.getpagesize() + ROOM + 4 * size
    resource.setrlimit(resource.RLIMIT_AS, (room, room))


def main() -> None:
    """Read, parse within limits, and answer."""
    content = sys.stdin.buffer.read()
    import h5py  # noqa: F401 - before memory is limited

    _limit(len(content))
    text, arrays = content_of(content)
    head = {"text": text, "arrays": [[name, list(values.shape)] for name, values in arrays.items()]}
    sys.stdout.buffer.write(json.dumps(head).encode("ascii") + b"\n")
    for values in arrays.values():
        sys.stdout.buffer.write(values.astype("<f8").tobytes())
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    status = 3
    try:
        main()
        status = 0
    except BaseException as error:  # noqa: BLE001 - whatever HDF5 does, it is told in one line
        sys.stderr.write(str(error).replace("\n", " ") or type(error).__name__)
        sys.stderr.flush()
    os._exit(status)  # not by way of HDF5, which may hang on what it has half parsed
