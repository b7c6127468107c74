"""Damaged files: each is refused by an error of the library's own, or is equal to what was saved, and none hangs."""

import numpy as np
import pytest

import kundenwert as kw
from kundenwert.errors import FileFormatError
from kundenwert.storage.container import unsealed
from kundenwert.storage.keeping import written
from tests.storage import files

KINDS = list(files.KEPT)


def flipped(content, _, rng):
    found = np.frombuffer(content, np.uint8).copy()
    for _ in range(rng.integers(1, 5)):
        found[rng.integers(len(found))] ^= np.uint8(1 << rng.integers(8))
    return found.tobytes()


def flipped_in_the_head(content, other, rng):
    return flipped(content[:600], other, rng) + content[600:]


def truncated(content, _, rng):
    return content[: rng.integers(len(content))]


def beheaded(content, _, rng):
    return content[rng.choice([512, rng.integers(1, len(content))]) :]


def zeroed(content, _, rng):
    start = rng.integers(len(content))
    length = min(int(rng.integers(1, 5000)), len(content) - start)
    return content[:start] + bytes(length) + content[start + length :]


def swapped(content, _, rng):
    """Two pieces, each in the other's place."""
    size = int(rng.choice([1, 8, 512, 1000]))
    a, b = sorted(rng.integers(0, len(content) - size, 2))
    if b - a < size:
        return content[b:] + content[:b]
    return content[:a] + content[b : b + size] + content[a + size : b] + content[a : a + size] + content[b + size :]


def appended(content, other, rng):
    return content + [b"\0", rng.bytes(100), other, content][rng.integers(4)]


def inserted(content, _, rng):
    at = rng.integers(len(content))
    return content[:at] + rng.bytes(rng.integers(1, 600)) + content[at:]


def spliced(content, other, rng):
    """The beginning of one file and the end of another one."""
    at = int(rng.choice([512, 87, rng.integers(1, min(len(content), len(other)))]))
    return content[:at] + other[at:]


def scribbled(content, _, rng):
    found = bytearray(content)
    start = int(rng.integers(len(content)))
    found[start : start + 64] = rng.bytes(len(found[start : start + 64]))
    return bytes(found)


DAMAGES = (
    flipped,
    flipped_in_the_head,
    truncated,
    beheaded,
    zeroed,
    swapped,
    appended,
    inserted,
    spliced,
    scribbled,
)


def check_damaged(number, path, rng):
    """So many files, every kind and every damage in turn; returns how many were found damaged."""
    refused = 0
    for i in range(number):
        content = files.bytes_of(KINDS[i % len(KINDS)])
        other = files.bytes_of(KINDS[rng.integers(len(KINDS))])
        damaged = DAMAGES[i // len(KINDS) % len(DAMAGES)](content, other, rng)
        path.write_bytes(damaged)
        try:
            loaded = kw.load(path)
        except FileFormatError as error:
            assert str(path) in str(error)  # noqa: PT017 - the other branch is fine as well
            refused += 1
            continue
        assert bytes(written(loaded)) in {damaged, content, other}
    return refused


def test_damaged_files_are_refused_or_equal_to_the_last_bit(tmp_path):
    assert check_damaged(240, tmp_path / "damaged.nc", np.random.default_rng(1)) > 200


@pytest.mark.slow
def test_five_thousand_damaged_files_are_refused_or_equal_to_the_last_bit(tmp_path):
    assert check_damaged(5000, tmp_path / "damaged.nc", np.random.default_rng(2)) > 4500


@pytest.mark.parametrize("kind", KINDS)
def test_every_single_bit_of_the_head_counts(kind):
    content = files.bytes_of(kind)
    head = np.frombuffer(content[:512], np.uint8)
    for bit in range(0, 512 * 8, 7):
        changed = head.copy()
        changed[bit // 8] ^= np.uint8(1 << bit % 8)
        damaged = changed.tobytes() + content[512:]
        if damaged.startswith(files.START):  # else it is no file of format 2 at all
            with pytest.raises(Exception, match="is damaged: its content is not what was saved"):
                unsealed(damaged)


def test_damage_never_makes_a_file_one_of_format_1(tmp_path):
    """Without its head, a file begins with HDF5's signature: what says that it is of format 1 is still missing."""
    path = tmp_path / "damaged.nc"
    path.write_bytes(files.bytes_of("purchases")[512:])
    with pytest.raises(FileFormatError, match=r"damaged\.nc .*(without the head|damaged or of another kind)"):
        kw.load(path)


@pytest.mark.parametrize(
    "content, words",
    [
        (b"", "is empty"),
        (b"\0" * 600, "is not a file of kundenwert, or its head is damaged"),
        (b"customer_id,date\n1,2024-01-01\n", "is not a file of kundenwert, or its head is damaged"),
        (b"CDF\x01" + bytes(100), "is a NetCDF file of another program"),
        (files.START, "has 23 bytes, and is cut short"),
        (b"kundenwert file\n" + bytes(600), "is not a file of kundenwert, or its head is damaged"),
    ],
    ids=range(6),
)
def test_other_files_are_named_as_such(tmp_path, content, words):
    (tmp_path / "other.nc").write_bytes(content)
    with pytest.raises(FileFormatError, match=rf"other\.nc {words}"):
        kw.load(tmp_path / "other.nc")
