"""Files are written whole or not at all: full disks, killed writers, readers meanwhile; what is no file is refused."""

import os
import resource
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import kundenwert as kw
from kundenwert.errors import FileFormatError, FileReadError, FileWriteError, MissingFileError, SpecificationError
from kundenwert.storage.disk import read_whole, write_whole
from tests.storage import files

POSIX = pytest.mark.skipif(os.name != "posix", reason="limits, links and pipes are those of POSIX")
NOT_ROOT = pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write everywhere")


def published(r=0.243):
    return kw.fixed(kw.BGNBD.Parameters(r=r, alpha=4.414, a=0.793, b=2.426, unit="week"))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "kept.nc"


def alone(path):
    """Whether nothing was left beside a file."""
    return [each.name for each in path.parent.iterdir()] == [path.name]


def test_a_new_file_takes_the_place_of_the_old_one(path):
    published().save(path)
    published(0.5).save(str(path))
    loaded = kw.load(path)
    assert isinstance(loaded, kw.PurchasePosterior)
    assert loaded.values[0] == 0.5
    assert alone(path)


@POSIX
def test_where_the_room_ends_the_old_file_stays(path):
    published().save(path)
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (6000, limits[1]))  # as on a full disk, the write fails half-way
    try:
        with pytest.raises(FileWriteError, match=r"kept\.nc could not be written.*save somewhere else.*is as it was"):
            published(0.5).save(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before
    assert alone(path)


@POSIX
@pytest.mark.parametrize("failing", ["write", "fsync", "replace", "interrupt"])
def test_whatever_fails_the_old_file_stays(path, monkeypatch, failing):
    published().save(path)
    before = path.read_bytes()
    error = KeyboardInterrupt() if failing == "interrupt" else OSError(28, "No space left on device")

    def fail(*_):
        raise error

    monkeypatch.setattr(*((Path, "replace") if failing == "replace" else (os, "fsync")), fail)
    if failing == "write":
        monkeypatch.setattr("kundenwert.storage.disk._keep_owner", fail)  # the last thing before the flush
    with pytest.raises(KeyboardInterrupt if failing == "interrupt" else FileWriteError) as caught:
        published(0.5).save(path)
    monkeypatch.undo()
    if failing != "interrupt":
        assert "the disk is full: make room" in str(caught.value)
        assert isinstance(caught.value, OSError)
        assert caught.value.errno == 28
    assert path.read_bytes() == before
    assert alone(path)


WRITER = """
import sys
from pathlib import Path
from kundenwert.storage.disk import write_whole
contents = [Path(name).read_bytes() for name in sys.argv[2:]]
print("ready", flush=True)
while True:
    for content in contents:
        write_whole(sys.argv[1], content)
"""


def writer(path, *contents):
    process = subprocess.Popen([sys.executable, "-c", WRITER, path, *contents], stdout=subprocess.PIPE)  # noqa: S603
    assert process.stdout is not None
    with process.stdout as answer:
        assert answer.readline() == b"ready\n"
    return process


def two_files(tmp_path):
    for number, r in enumerate((0.25, 0.5)):
        published(r).save(tmp_path / f"content{number}.nc")
    return [tmp_path / "content0.nc", tmp_path / "content1.nc"]


@POSIX
def test_a_writer_that_is_killed_leaves_a_whole_file(tmp_path):
    target, contents = tmp_path / "kept.nc", two_files(tmp_path)
    rng = np.random.default_rng(1)
    whole = {each.read_bytes() for each in contents}
    write_whole(str(target), contents[0].read_bytes())
    for _ in range(4):
        process = writer(target, *contents)
        time.sleep(rng.uniform(0.0, 0.03))
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert target.read_bytes() in whole
        assert isinstance(kw.load(target), kw.PurchasePosterior)


@POSIX
def test_two_writers_and_two_readers_see_whole_files_only(tmp_path):
    target, contents = tmp_path / "kept.nc", two_files(tmp_path)
    whole = {each.read_bytes() for each in contents}
    write_whole(str(target), contents[0].read_bytes())
    writers = [writer(target, *contents), writer(target, *contents[::-1])]
    reader = f"""
import sys
from kundenwert.storage.disk import read_whole
seen = {{read_whole({str(target)!r}) for _ in range(400)}}
whole = {{read_whole(name) for name in {[str(each) for each in contents]!r}}}
sys.exit(0 if seen <= whole else 1)
"""
    try:
        other = subprocess.Popen([sys.executable, "-c", reader])  # noqa: S603 - this test's own
        seen = {read_whole(str(target)) for _ in range(400)}
        assert other.wait(timeout=120) == 0
    finally:
        for process in writers:
            process.kill()
            process.wait()
    assert seen <= whole


@POSIX
def test_permissions_stay_and_new_files_have_the_usual_ones(path):
    old = os.umask(0o027)
    try:
        published().save(path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        path.chmod(0o604)
        published(0.5).save(path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o604
    finally:
        os.umask(old)


@POSIX
def test_a_link_goes_on_to_point_to_what_is_replaced(tmp_path):
    (tmp_path / "store").mkdir()
    target, link = tmp_path / "store" / "kept.nc", tmp_path / "link.nc"
    link.symlink_to(target)
    published().save(link)  # the link points to nothing yet
    assert link.is_symlink()
    published(0.5).save(link)
    assert link.is_symlink()
    assert kw.load(target).values[0] == 0.5  # type: ignore[union-attr]
    assert alone(target)
    link.unlink()
    link.symlink_to(link)
    with pytest.raises(FileWriteError, match=r"link\.nc could not be written"):
        published().save(link)
    with pytest.raises(FileReadError, match=r"link\.nc cannot be read"):
        kw.load(link)


@NOT_ROOT
def test_where_nothing_may_be_written_is_told(path):
    published().save(path)
    path.chmod(0o444)
    with pytest.raises(FileWriteError, match=r"kept\.nc is protected against writing"):
        published().save(path)
    path.chmod(0o000)
    with pytest.raises(FileReadError, match=r"kept\.nc cannot be read \(Permission denied\); check"):
        kw.load(path)
    path.parent.chmod(0o555)
    with pytest.raises(FileWriteError, match=r"other\.nc could not be written.*nothing may be written there"):
        published().save(path.parent / "other.nc")
    path.parent.chmod(0o755)


def test_a_missing_directory_comes_with_a_remedy_that_works(tmp_path):
    path = tmp_path / "not" / "here" / "kept.nc"
    with pytest.raises(FileWriteError, match=r"make it first, with pathlib\.Path") as caught:
        published().save(path)
    remedy = str(caught.value).partition("make it first, with ")[2]
    exec(f"import pathlib; {remedy}")  # noqa: S102 - the message's own line
    published().save(path)
    with pytest.raises(FileWriteError, match="a part of the path is no directory"):
        published().save(path / "kept.nc")
    with pytest.raises(MissingFileError, match="there is no file"):
        kw.load(path / "kept.nc")


def test_a_missing_file_is_a_missing_file(path):
    with pytest.raises(FileNotFoundError, match=r"there is no file .*kept\.nc; save something there first") as caught:
        kw.load(path)
    assert isinstance(caught.value, MissingFileError)
    assert isinstance(caught.value, kw.errors.KundenwertError)


@pytest.mark.parametrize("path", [None, 3, "", b"", "a\0b", 2.5, [], object()], ids=range(8))
def test_what_is_no_path_is_told(path):
    for use in (published().save, kw.load, files.histories().save, files.plan().to_csv, files.plan().to_parquet):
        with pytest.raises(SpecificationError, match=r"a path is needed, such as 'model\.nc'"):
            use(path)


@POSIX
def test_what_is_no_regular_file_is_neither_read_nor_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path, what in (
        (tmp_path, "a directory"),
        (tmp_path / "pipe", "a named pipe"),
        (Path("/dev/null"), "a device"),
        (Path("/dev/zero"), "a device"),
    ):
        with pytest.raises(FileFormatError, match=f"{path} is {what}, and cannot be read as a saved file"):
            kw.load(path)
        for save in (published().save, files.plan().to_csv, files.plan().to_parquet):
            with pytest.raises(FileWriteError, match=f"{path} is {what}, where no file can be saved"):
                save(path)
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_paths_in_bytes_and_with_odd_names_are_paths(tmp_path):
    for name in ("ä ≠.nc", "-x.nc", "a'b\"c\n.nc", "x" * 250 + ".nc"):
        path = tmp_path / name
        published().save(os.fsencode(path))
        assert isinstance(kw.load(path), kw.PurchasePosterior)
        path.unlink()


def test_a_name_that_is_too_long_is_told(tmp_path):
    with pytest.raises(FileWriteError, match="the name is too long: take a shorter one"):
        published().save(tmp_path / ("x" * 300))
    with pytest.raises(FileReadError, match="cannot be read"):
        kw.load(tmp_path / ("x" * 300))


@POSIX
def test_a_file_of_many_gigabytes_that_is_not_ours_is_not_read(path):
    with path.open("wb") as file:
        file.truncate(12 * 1024**3)  # a hole, which takes no room
    with pytest.raises(FileFormatError, match="is not a file of kundenwert"):
        kw.load(path)
    with path.open("r+b") as file:
        file.truncate(100 * 1024**3)
    with pytest.raises(kw.errors.SizeError, match="has 100 GiB; files of kundenwert are smaller"):
        kw.load(path)


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="no such file system here")
def test_a_directory_that_takes_no_files_is_not_said_to_be_missing():
    with pytest.raises(FileWriteError, match="/proc takes no new files"):
        published().save("/proc/model.nc")
