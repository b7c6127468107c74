"""Files of format 1, by kundenwert 0.1: NetCDF-4 without a digest, that HDF5 has to parse.

HDF5 trusts what it parses: a flipped bit may make it loop, crash, or fill the memory. So another process does it, with
limits on its time and memory, from the bytes that were read here, and hands back names and numbers. It takes nothing
but plain data sets that stand in those bytes: see :mod:`kundenwert.storage.format1_child`.
"""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from kundenwert.storage import format1_child
from kundenwert.storage.blocks import UnreadableError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    type Floats = NDArray[np.float64]
    type Reader = Callable[[dict[str, Any], dict[str, Floats], Mapping[str, type[Any]]], Any]

__all__ = ["FORMAT_1", "SIGNATURE", "content_of", "is_hdf5", "object_of_format_1"]

SIGNATURE: Final = b"\x89HDF\r\n\x1a\n"
VERSION_1: Final = b'"format_version": 1,'
LARGEST: Final = 1024**3
LONGEST: Final = 120.0  # seconds of waiting; the process itself is stopped after far fewer of computing

FORMAT_1: Final[dict[str, Reader]] = {}
"""What makes objects of the content of old files, by what these say they are."""


def is_hdf5(content: bytes) -> bool:
    """Whether this begins as all files of format 1 do."""
    return content.startswith(SIGNATURE)


def object_of_format_1(content: bytes, own: Mapping[str, type[Any]]) -> Any:  # noqa: ANN401 - whatever was saved
    """What a file of format 1 holds.

    Raises
    ------
    UnreadableError
        If it is damaged, of another program, or holds what cannot be.
    """
    if not any(f'"{kind}"'.encode() in content for kind in FORMAT_1):  # HDF5 need not parse what is not ours anyway
        message = "is a NetCDF file, but not a saved posterior of kundenwert; open it with xarray"
        raise UnreadableError(message)
    if VERSION_1 not in content:
        message = (
            "is of a later format than 1, without the head of one; it is damaged: fetch it again, or save it again"
        )
        raise UnreadableError(message)
    text, arrays = content_of(content)
    if text is None:
        message = "is a NetCDF file, but not a saved posterior of kundenwert; it is damaged or of another kind"
        raise UnreadableError(message)
    try:
        meta = json.loads(text)
    except (ValueError, RecursionError) as error:
        message = f"cannot be read as a saved posterior ({error}); it is damaged or of another kind"
        raise UnreadableError(message) from error
    kind, number = (meta.get("format"), meta.get("format_version")) if isinstance(meta, dict) else (None, None)
    if kind not in FORMAT_1:
        message = "is not a saved posterior of kundenwert; it is damaged or of another kind"
        raise UnreadableError(message)
    if type(number) is not int or number != 1:
        message = f"says that it is of format {number!r}, without the head of one; it is damaged: fetch it again"
        raise UnreadableError(message)
    return FORMAT_1[kind](meta, arrays, own)


def content_of(content: bytes) -> tuple[str | None, dict[str, Floats]]:
    """What a file says of itself, None if it says nothing; and its arrays by name."""
    if len(content) > LARGEST:
        message = (
            f"has {len(content) / 1024**3:.1f} GiB, more than any file of format 1; it is damaged or of another kind"
        )
        raise UnreadableError(message)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OPENBLAS_NUM_THREADS": "1"}
    try:
        done = subprocess.run(  # noqa: S603 - this very Python, with a program of ours
            [sys.executable, "-P", "-W", "ignore", "-c", inspect.getsource(format1_child)],
            input=content,
            capture_output=True,
            timeout=LONGEST,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        message = "cannot be read as a saved posterior (HDF5 does not come to an end); it is damaged or of another kind"
        raise UnreadableError(message) from error
    except OSError as error:
        message = (
            f"is of format 1, which takes a Python process of its own to read, and none could be started ({error}); "
            "load it where python can be run, and save it again"
        )
        raise UnreadableError(message) from error
    return _answer(done.returncode, done.stdout, done.stderr)


def _answer(code: int, out: bytes, err: bytes) -> tuple[str | None, dict[str, Floats]]:
    if code != 0:
        last = err.decode("utf-8", "replace").strip().rpartition("\n")[2] or "HDF5 crashed or took too long"
        message = f"cannot be read as a saved posterior ({last:.300}); it is damaged or of another kind"
        raise UnreadableError(message)
    head, _, body = out.partition(b"\n")
    found = json.loads(head)
    arrays, place = {}, 0
    for name, shape in found["arrays"]:
        count = int(np.prod(shape))
        arrays[name] = np.frombuffer(body, np.dtype("<f8"), count, place).reshape(shape).astype(np.float64)
        place += 8 * count
    return found["text"], arrays
