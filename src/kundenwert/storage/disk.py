"""Bytes to the disk, whole or not at all, and back."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kundenwert.errors import (
    FileFormatError,
    FileReadError,
    FileWriteError,
    MissingFileError,
    SizeError,
    SpecificationError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["path_of", "read_whole", "write_whole"]

HEAD: Final = 512
LARGEST: Final = 16 * 1024**3  # bytes of a file; what is larger is no file of ours
AT_ONCE: Final = 16 * 1024**2
OPEN: Final = getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)

KINDS_OF_FILES: Final[tuple[tuple[Callable[[int], bool], str], ...]] = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)

REMEDIES: Final[dict[int, str]] = {
    errno.ENOSPC: "the disk is full: make room, or save somewhere else",
    errno.EDQUOT: "your share of the disk is used up: make room, or save somewhere else",
    errno.EFBIG: "no file may grow so large here: raise the limit, or save somewhere else",
    errno.EACCES: "nothing may be written there: change the permissions, or save somewhere else",
    errno.EPERM: "nothing may be written there: change the permissions, or save somewhere else",
    errno.EROFS: "that disk can only be read: save somewhere else",
    errno.ENOTDIR: "a part of the path is no directory: correct it",
    errno.ENAMETOOLONG: "the name is too long: take a shorter one",
    errno.ELOOP: "a symbolic link leads back to itself: correct the path",
}


def path_of(path: object) -> str:
    """The path as text.

    Raises
    ------
    SpecificationError
        If it is no path.
    """
    try:
        found = os.fsdecode(path)  # type: ignore[arg-type]  # anything, until it is known to be a path
    except TypeError:
        found = ""
    if not found or "\0" in found:
        message = f"a path is needed, such as 'model.nc' or pathlib.Path('model.nc'); got {path!r}"
        raise SpecificationError(message)
    return found


def read_whole(path: str, starts: tuple[bytes, ...] = (b"",)) -> bytes:
    """What stands in a file, read once; only the first bytes, if it does not begin with any of `starts`.

    Raises
    ------
    MissingFileError
        If there is no such file.
    FileReadError
        If the system does not let it be read.
    FileFormatError
        If it is no regular file.
    SizeError
        If it is too large.
    """
    try:
        _check_regular(path, Path(path).stat().st_mode)
        # should the file have become a pipe in between, this does not wait for its other end
        number = os.open(path, os.O_RDONLY | OPEN | getattr(os, "O_NONBLOCK", 0))
        with open(number, "rb") as file:  # noqa: PTH123 - a number, not a path
            found = os.fstat(number)
            _check_regular(path, found.st_mode)
            _check_size(path, found.st_size)
            head = file.read(HEAD)
            if not head.startswith(starts):
                return head
            file.seek(0)
            return file.read(found.st_size + 1)
    except (FileNotFoundError, NotADirectoryError) as error:
        message = f"there is no file {path}; save something there first with a method save, or correct the path"
        raise MissingFileError(message) from error
    except OSError as error:
        message = f"{path} cannot be read ({error.strerror or error}); check the permissions and the disk"
        raise _with_details(FileReadError(message), error) from error
    except SizeError:
        raise
    except MemoryError as error:
        message = f"{path} does not fit in memory; load it where there is more"
        raise SizeError(message) from error


def _check_size(path: str, size: int) -> None:
    if size > LARGEST:
        message = f"{path} has {size / 1024**3:,.0f} GiB; files of kundenwert are smaller"
        raise SizeError(message)


def _check_regular(path: str, mode: int) -> None:
    if not stat.S_ISREG(mode):
        what = next((name for test, name in KINDS_OF_FILES if test(mode)), "no regular file")
        message = f"{path} is {what}, and cannot be read as a saved file; give the path of the file itself"
        raise FileFormatError(message)


def write_whole(path: str, content: bytes) -> None:
    """Put a file there, whole or not at all: written beside, flushed to the disk, and moved in place of the old one.

    Whoever reads meanwhile sees the old file or the new one. The permissions of an old file stay, and what a symbolic
    link points to is replaced rather than the link.

    Raises
    ------
    FileWriteError
        If that is not possible; then the old file is as it was.
    """
    target = os.path.realpath(path)
    mode = _mode_of(path, target)
    beside = Path(target).parent / f".kundenwert-{secrets.token_hex(8)}.tmp"
    created = False
    try:
        number = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | OPEN, 0o666 if mode is None else 0o600)
        created = True
        with open(number, "wb") as file:  # noqa: PTH123 - a number, not a path
            view = memoryview(content)
            file.writelines(view[start : start + AT_ONCE] for start in range(0, len(view), AT_ONCE))
            file.flush()
            _keep_owner(target, number, mode)
            os.fsync(number)
        beside.replace(target)
    except BaseException as error:
        if created:
            with suppress(OSError):
                beside.unlink()
        if isinstance(error, OSError):
            raise _not_written(path, target, error) from error
        raise
    _flush_directory(beside.parent)


def _mode_of(path: str, target: str) -> int | None:
    """Permissions of the file that is replaced; None if there is none."""
    try:
        mode = Path(target).stat().st_mode
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _not_written(path, target, error) from error
    if not stat.S_ISREG(mode):
        what = next((name for test, name in KINDS_OF_FILES if test(mode)), "no regular file")
        message = f"{path} is {what}, where no file can be saved; give the path of a file, such as {path}/model.nc"
        if not stat.S_ISDIR(mode):
            message = f"{path} is {what}, where no file can be saved; give the path of a file"
        raise FileWriteError(message)
    if not os.access(target, os.W_OK):
        message = f"{path} is protected against writing, and was left as it is; allow writing, or save somewhere else"
        raise FileWriteError(message)
    return stat.S_IMODE(mode)


def _keep_owner(target: str, number: int, mode: int | None) -> None:
    """Give a file the permissions of the one that it replaces, and as far as that is allowed its owner."""
    if mode is None or not hasattr(os, "fchmod"):
        return
    with suppress(OSError):
        old = Path(target).stat()
        new = os.fstat(number)
        if (old.st_uid, old.st_gid) != (new.st_uid, new.st_gid):
            os.fchown(number, old.st_uid, old.st_gid)
    with suppress(OSError):
        os.fchmod(number, mode)


def _flush_directory(directory: Path) -> None:
    """Have the new name itself on the disk, where directories can be flushed."""
    with suppress(OSError):
        number = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def _not_written(path: str, target: str, error: OSError) -> FileWriteError:
    directory = str(Path(target).parent)
    if error.errno == errno.ENOENT and Path(directory).is_dir():
        remedy = f"{directory} takes no new files: save somewhere else"
    elif error.errno == errno.ENOENT:
        remedy = (
            f"there is no directory {directory}: make it first, with pathlib.Path({directory!r}).mkdir(parents=True)"
        )
    else:
        remedy = REMEDIES.get(error.errno or 0, "save somewhere else")
    old = "; the file that was there is as it was" if os.path.lexists(target) else ""
    message = f"{path} could not be written ({error.strerror or error}); {remedy}{old}"
    return _with_details(FileWriteError(message), error)


def _with_details[E: OSError](new: E, cause: OSError) -> E:
    new.errno = cause.errno  # and no more, so that its text stays the message
    return new
