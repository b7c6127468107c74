"""Files of format 1: what version 0.1 saved is read under strict validation, with a warning; nothing else is."""

import inspect
import json
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import h5netcdf
import h5py
import numpy as np
import pytest
import xarray as xr

import kundenwert as kw
from kundenwert.errors import FileFormatError, FileFormatWarning
from kundenwert.storage import format1, format1_child

SAVED = Path(__file__).parents[1] / "reference" / "format1"
"""Saved by version 0.1.0: see make_format1.py beside it."""

CONTENT: dict[str, Any] = json.loads((SAVED / "content.json").read_text(encoding="utf-8"))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "old.nc"


@pytest.fixture
def here(monkeypatch):
    """HDF5 parses in this process, which is quicker, where nothing hostile is parsed."""

    def content_of(content):
        try:
            return format1_child.content_of(content)
        except (ValueError, OSError, RuntimeError, KeyError) as error:
            return format1._answer(3, b"", str(error).encode())

    monkeypatch.setattr(format1, "content_of", content_of)


def load(path):
    with pytest.warns(FileFormatWarning, match=r"is of format 1.*cannot be noticed.*load\(path\)\.save\(path\)"):
        return kw.load(path)


def check(posterior, name):
    content = deepcopy(CONTENT[name])
    assert type(posterior).__name__ == content["class"]
    for part in ("model", "diagnostics", "provenance"):
        found = getattr(posterior, part)
        assert type(found).__name__ == content[part].pop("class")
        # A link has a field more than in those days; without it, it is the link of those days.
        fields = {name: repr(getattr(found, name)).replace(", pace=None)", ")") for name in content[part]}
        assert fields == content[part]
    assert posterior.unit == content["unit"]
    for parameter, values in zip(posterior.model.parameter_names, posterior.values, strict=True):
        assert [[number.hex() for number in chain] for chain in values.tolist()] == content["values"][parameter]
    assert getattr(posterior, "p_infinite_mean", None) == content["p_infinite_mean"]


@pytest.mark.parametrize("name", CONTENT)
@pytest.mark.usefixtures("here")
def test_files_of_every_kind_are_read_to_the_last_bit(name, path):
    posterior = load(SAVED / f"{name}.nc")
    check(posterior, name)
    posterior.save(path)
    check(kw.load(path), name)  # of format 2 now, without a warning


@pytest.mark.parametrize("name", ["mbgnbd_own_priors", "campaign"])
def test_another_process_lets_hdf5_parse(name):
    check(load(SAVED / f"{name}.nc"), name)


def changed(path, change, name="bgnbd"):
    """A file of format 1 with other content."""
    path.write_bytes((SAVED / f"{name}.nc").read_bytes())
    with h5py.File(path, "a") as file:
        change(file)
    return path


def meta(change):
    """A change of the JSON that goes with the draws."""

    def inside(file):
        found = json.loads(file.attrs["kundenwert"])
        change(found)
        file.attrs["kundenwert"] = json.dumps(found)

    return inside


def replaced(make):
    """Another thing in the place of the draws of alpha."""

    def inside(file):
        del file["alpha"]
        make(file)

    return inside


def virtual(file):
    layout = h5py.VirtualLayout((1, 20), np.float64)
    layout[:] = h5py.VirtualSource("elsewhere.nc", "r", (1, 20))
    file.create_virtual_dataset("alpha", layout)


def outside(file):
    file.create_dataset("alpha", (1, 20), np.float64, external=[("/etc/passwd", 0, 160)])


def gigabytes(file):
    space = h5py.h5s.create_simple((1, 2**40))
    h5py.h5d.create(file.id, b"alpha", h5py.h5t.IEEE_F64LE, space)  # declared, and never written


def a_named_type(file):
    file["alpha"] = np.dtype(np.float64)


def references(file):
    file.create_dataset("alpha", (1, 20), h5py.ref_dtype)


def long_texts(file):
    file.create_dataset("alpha", (1, 20), h5py.string_dtype())


def no_data(file):
    file["alpha"] = h5py.Empty("f8")


HOSTILE = [
    (replaced(lambda f: f.__setitem__("alpha", h5py.SoftLink("/r"))), "alpha is a link to somewhere else"),
    (replaced(lambda f: f.__setitem__("alpha", h5py.ExternalLink("x.nc", "/r"))), "alpha is a link to somewhere else"),
    (replaced(lambda f: f.__setitem__("alpha", f["r"])), "is another name of something else"),
    (replaced(lambda f: f.__setitem__("alpha", f["/"])), "is another name of something else|groups"),
    (replaced(virtual), "alpha is no plain data set"),
    (replaced(outside), "alpha is no plain data set"),
    (replaced(gigabytes), r"alpha has 1 × 1099511627776 numbers, which the file does not hold"),
    (replaced(a_named_type), "alpha is no data set"),
    (replaced(references), "alpha is no plain data set"),
    (replaced(long_texts), "alpha is no plain data set"),
    (replaced(no_data), "alpha is no plain data set"),
    (replaced(lambda f: f.create_dataset("alpha", data=np.ones((1, 20)), chunks=(1, 5))), "no plain data set"),
    (
        replaced(lambda f: f.create_dataset("alpha", data=np.ones((1, 20)), compression="gzip")),
        "alpha is no plain data set",
    ),
    (replaced(lambda f: f.create_dataset("alpha", data=np.ones((1, 20), dtype="f4"))), "alpha is no plain data set"),
    (replaced(lambda f: f.create_dataset("alpha", data=np.ones((1, 20), dtype=">f8"))), "alpha is no plain data set"),
    (replaced(lambda f: f.create_dataset("alpha", data=np.ones((1, 20), dtype="c16"))), "alpha is no plain data set"),
    (replaced(lambda f: f.create_dataset("alpha", data=np.ones(20))), "alpha is no plain data set"),
    (replaced(lambda f: f.create_dataset("alpha", data=np.ones((1, 19)))), "one shape"),
    (replaced(lambda f: f.create_dataset("alpha", data=-np.ones((1, 20)))), "expected positive numbers"),
    (replaced(lambda f: f.create_dataset("alpha", data=np.full((1, 20), np.nan))), "expected finite numbers"),
    (replaced(lambda _: None), "expected draws of r, alpha, a, b, got those of"),
    (lambda f: f.create_dataset("more", data=np.ones((1, 20))), "the first that does not fit is more"),
    (lambda f: f.attrs.__setitem__("kundenwert", 3), "no text|saved posterior"),
    (lambda f: f.attrs.__delitem__("kundenwert"), "not a saved posterior"),
    (meta(lambda m: m.pop("model")), "model"),
    (meta(lambda m: m.pop("diagnostics")), "diagnostics"),
    (meta(lambda m: m.update(format_version=2)), "without the head"),
    (meta(lambda m: m.update(format_version=True)), "without the head|saved posterior"),
    (meta(lambda m: m.update(unit="fortnight")), "fortnight"),
    (meta(lambda m: m.update(p_infinite_mean=0.5)), "p_infinite_mean"),
    (meta(lambda m: m["model"]["fields"]["shape"].update(sigma=-1.0)), "sigma must be positive"),
    (meta(lambda m: m["model"]["fields"]["shape"].update(sigma=True)), "sigma of LogNormal is True"),
    (meta(lambda m: m["model"]["fields"]["shape"].update(prior="Duration")), "prior 'Duration'"),
    (meta(lambda m: m["model"].update(name="Economics")), "mean_rate|Economics"),
    (meta(lambda m: m["model"].update(name="MyModel")), r"kundenwert\.load\(path, models=\(MyModel,\)\)"),
    (meta(lambda m: m["diagnostics"].update(notes="x")), "notes of Diagnostics"),
    (meta(lambda m: m["diagnostics"].update(draws="20")), "draws of Diagnostics"),
    (meta(lambda m: m["provenance"].update(customers=2.5)), "customers of Provenance"),
]


@pytest.mark.parametrize("change, words", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.usefixtures("here")
def test_what_version_0_1_never_wrote_is_refused_before_it_is_read(path, change, words):
    changed(path, change)
    with pytest.raises(FileFormatError, match=rf"old\.nc(?s:.)*({words})"):
        kw.load(path)


@pytest.mark.usefixtures("here")
def test_foreign_netcdf_is_named_as_such(path):
    xr.Dataset({"temperature": ("day", [1.0, 2.0])}).to_netcdf(path, engine="h5netcdf")
    with pytest.raises(FileFormatError, match="a NetCDF file, but not a saved posterior"):
        kw.load(path)
    with h5netcdf.File(path, "w") as file:
        file.attrs["note"] = '"kundenwert posterior", "format_version": 1, is mentioned here'
    with pytest.raises(FileFormatError, match="not a saved posterior"):
        kw.load(path)


def test_a_process_that_hangs_crashes_or_fills_the_memory_is_an_error(path, monkeypatch):
    path.write_bytes((SAVED / "bgnbd.nc").read_bytes())
    for program, words in (
        ("import os; os.kill(os.getpid(), 11)", "HDF5 crashed or took too long"),
        ("x = bytearray(10**15)", "MemoryError"),
        ("import sys; sys.exit('it is broken')", "it is broken"),
    ):
        monkeypatch.setattr("kundenwert.storage.format1.inspect.getsource", lambda _, program=program: program)
        with pytest.raises(FileFormatError, match=rf"old\.nc cannot be read as a saved posterior \({words}"):
            kw.load(path)
    monkeypatch.setattr("kundenwert.storage.format1.LONGEST", 0.5)
    monkeypatch.setattr("kundenwert.storage.format1.inspect.getsource", lambda _: "while True: pass")
    with pytest.raises(FileFormatError, match="HDF5 does not come to an end"):
        kw.load(path)
    monkeypatch.undo()
    monkeypatch.setattr(sys, "executable", "/no/python/here")
    with pytest.raises(FileFormatError, match=r"none could be started.*load it where python can be run"):
        kw.load(path)


def test_a_bit_that_makes_hdf5_run_for_ever_is_damage(path, monkeypatch):
    """Found by trying flipped bits: HDF5 2.0 does not come to an end, and the processor's time is up."""
    content = bytearray((SAVED / "bgnbd.nc").read_bytes())
    content[23814 // 8] ^= 1 << 23814 % 8
    path.write_bytes(content)
    program = inspect.getsource(format1_child).replace("PROCESSOR_SECONDS: Final = 3", "PROCESSOR_SECONDS: Final = 0")
    monkeypatch.setattr("kundenwert.storage.format1.inspect.getsource", lambda _: program)
    with pytest.raises(FileFormatError, match="cannot be read as a saved posterior"):
        kw.load(path)


def test_the_process_limits_itself():
    """The processor time and the memory that HDF5 may take are bounded."""
    pytest.importorskip("resource")
    program = (
        "import resource\n"
        "from kundenwert.storage import format1_child\n"
        "format1_child._limit(1000)\n"
        "print(resource.getrlimit(resource.RLIMIT_CPU)[1], resource.getrlimit(resource.RLIMIT_AS)[1])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)  # noqa: S603
    seconds, room = map(int, done.stdout.split())
    assert 0 < seconds < 60
    assert room == -1 or room < 2**33
