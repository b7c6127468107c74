"""Saving and loading: exact, without pickle or customers, and clear about files that cannot be read."""

import json
from dataclasses import dataclass, replace
from typing import Any

import h5netcdf
import h5py
import numpy as np
import pytest
import xarray as xr

import kundenwert as kw
from kundenwert.errors import FileFormatError
from tests import cdnow
from tests.customers import histories_of

OWN_PRIORS = kw.MBGNBD(mean_rate=kw.Gamma(2.0, 0.1), mean_dropout=kw.Beta(0.3, 1 / 3), shape=kw.LogNormal(-0.1, 0.7))


def heavy_spend():
    histories = histories_of([1, 2, 3], 5.0, 9.0, mean_amount=[1.0, 90.0, 2000.0])
    return kw.fit(kw.GammaGamma(q=kw.LogNormal(0.5, 0.4), money_scale=20.0), histories, seed=4)


def in_chains(posterior):
    """The same draws as if they were those of four chains."""
    return replace(posterior, values=posterior.model.named([value.reshape(4, -1) for value in posterior.theta]))


POSTERIORS = {
    "purchases": lambda: cdnow.posterior("BGNBD"),
    "spend": lambda: cdnow.posterior("GammaGamma"),
    "other priors": lambda: kw.fit(OWN_PRIORS, cdnow.sample(50).in_unit("day"), seed=2),
    "a heavy tail": heavy_spend,
    "mode": lambda: kw.fit(kw.MBGNBD(), cdnow.sample(50), method=kw.MAP(), seed=3),
    "published": lambda: kw.fixed(kw.BGNBD.Parameters(r=0.243, alpha=4.414, a=0.793, b=2.426, unit="week")),
    "chains": lambda: in_chains(cdnow.posterior("BGNBD")),
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "posterior.nc"


@pytest.fixture
def saved(path):
    cdnow.posterior("BGNBD").save(path)
    return path


def rewrite(path, change):
    """Change the JSON that goes with the draws."""
    with h5netcdf.File(path, "a") as file:
        meta = json.loads(file.attrs["kundenwert"])
        change(meta)
        file.attrs["kundenwert"] = json.dumps(meta)


@pytest.mark.parametrize("make", POSTERIORS.values(), ids=POSTERIORS)
def test_everything_comes_back_exactly(make, path):
    posterior = make()
    posterior.save(path)
    again: Any = kw.load(path)
    assert type(again) is type(posterior)
    assert again.model == posterior.model
    assert again.unit == posterior.unit
    assert again.diagnostics == posterior.diagnostics
    assert again.provenance == posterior.provenance
    assert type(again.values) is type(posterior.values)
    for one, other in zip(again.values, posterior.values, strict=True):
        assert one.shape == other.shape
        assert one.tobytes() == other.tobytes()
    if isinstance(posterior, kw.SpendPosterior):
        assert again.p_infinite_mean == posterior.p_infinite_mean


def test_the_heavy_tail_is_one():
    assert 0.001 < heavy_spend().p_infinite_mean < 0.999


def test_a_loaded_posterior_answers_alike(saved):
    loaded: Any = kw.load(str(saved))
    one, again = (
        p.expected_purchases(cdnow.sample(50), horizon=kw.weeks(10)) for p in (cdnow.posterior("BGNBD"), loaded)
    )
    assert again.equals(one)


def test_files_hold_neither_pickles_nor_customers(path):
    table = cdnow.histories().to_pandas().assign(customer_id=[f"Mrs Secret {i}" for i in range(2357)])
    table["T"] += 0.123456  # a number to look for
    kw.fit(kw.BGNBD(), kw.CustomerHistories.from_pandas(table, unit="week"), seed=1).save(path)
    content = path.read_bytes()
    assert b"Secret" not in content
    assert not any(np.float64(T).tobytes() in content for T in table["T"].unique()[:50])
    assert len(content) < 4 * 2000 * 8 + 20_000
    with h5py.File(path) as file:
        assert {name for name, value in file.items() if value.dtype == np.float64 and value.size > 1} >= {"r", "alpha"}
        assert all(dataset.dtype.kind != "O" for dataset in file.values())
        assert all(isinstance(value, str) for name, value in file.attrs.items() if name == "kundenwert")


def test_it_is_an_ordinary_netcdf_file(saved):
    with xr.open_dataset(saved, engine="h5netcdf") as dataset:
        assert dataset["r"].dims == ("chain", "draw")
        assert (dataset["r"].to_numpy() == cdnow.posterior("BGNBD").values.r).all()


def test_saving_replaces_a_file(saved):
    cdnow.posterior("GammaGamma").save(saved)
    assert isinstance(kw.load(saved), kw.SpendPosterior)


def test_a_missing_file_is_a_missing_file(path):
    with pytest.raises(FileNotFoundError):
        kw.load(path)


@pytest.mark.parametrize("kept", [0, 7, 100, 2000, 0.5, 0.9])
def test_a_truncated_file_is_damaged(saved, kept):
    content = saved.read_bytes()
    saved.write_bytes(content[: int(kept * len(content)) if isinstance(kept, float) else kept])
    with pytest.raises(FileFormatError, match=r"posterior\.nc"):
        kw.load(saved)


def test_random_bytes_are_no_posterior(path):
    path.write_bytes(np.random.default_rng(0).bytes(5000))
    with pytest.raises(FileFormatError, match="damaged or of another kind"):
        kw.load(path)


@pytest.mark.parametrize("seed", range(10))
def test_damage_in_the_middle_never_ends_in_a_foreign_error(saved, seed):
    rng = np.random.default_rng(seed)
    content = bytearray(saved.read_bytes())
    for position in rng.integers(0, 4000, 40):  # where the structure is, rather than the draws
        content[position] = rng.integers(256)
    saved.write_bytes(content)
    try:
        loaded = kw.load(saved)
    except FileFormatError:
        return
    assert isinstance(loaded, kw.PurchasePosterior)  # nothing that matters was hit


def test_a_directory_is_no_posterior(tmp_path):
    with pytest.raises((FileFormatError, OSError)):
        kw.load(tmp_path)


def test_foreign_netcdf_is_named_as_such(path):
    xr.Dataset({"temperature": ("day", [1.0, 2.0])}).to_netcdf(path, engine="h5netcdf")
    with pytest.raises(FileFormatError, match="a NetCDF file, but not a saved posterior"):
        kw.load(path)


def test_a_newer_format_asks_for_an_upgrade(saved):
    rewrite(saved, lambda meta: meta.update(format_version=99))
    with pytest.raises(FileFormatError, match=r"format 99.*upgrade kundenwert"):
        kw.load(saved)


@pytest.mark.parametrize(
    "change",
    [
        lambda meta: meta.pop("model"),
        lambda meta: meta.pop("diagnostics"),
        lambda meta: meta.pop("provenance"),
        lambda meta: meta.pop("unit"),
        lambda meta: meta.pop("format_version"),
        lambda meta: meta.update(format="something else"),
        lambda meta: meta.update(format_version="one"),
        lambda meta: meta.update(unit="fortnight"),
        lambda meta: meta["model"].pop("fields"),
        lambda meta: meta["model"]["fields"].update(surprise=1),
        lambda meta: meta["model"]["fields"]["shape"].pop("sigma"),
        lambda meta: meta["model"]["fields"]["shape"].update(sigma=-1.0),
        lambda meta: meta["model"]["fields"]["shape"].update(prior="Prior"),
        lambda meta: meta["model"]["fields"]["shape"].update(prior="Cauchy"),
        lambda meta: meta["model"]["fields"].update(shape=3.0),
        lambda meta: meta["model"]["fields"]["shape"].pop("prior"),
        lambda meta: meta["diagnostics"].pop("method"),
        lambda meta: meta["diagnostics"].update(surprise=1),
        lambda meta: meta["diagnostics"].pop("notes"),
    ],
    ids=range(19),
)
def test_a_part_that_is_missing_or_wrong_is_an_error(saved, change):
    rewrite(saved, change)
    with pytest.raises(FileFormatError, match=r"posterior\.nc"):
        kw.load(saved)


def test_missing_draws_are_an_error(saved):
    with h5netcdf.File(saved, "a") as file:
        del file._h5group["alpha"]
    with pytest.raises(FileFormatError, match="alpha"):
        kw.load(saved)


def test_an_unknown_model_has_a_remedy(saved):
    rewrite(saved, lambda meta: meta["model"].update(name="MyModel"))
    with pytest.raises(FileFormatError, match=r"holds a MyModel.*kundenwert\.load\(path, models=\(MyModel,\)\)"):
        kw.load(saved)

    @dataclass(frozen=True, slots=True, kw_only=True)
    class MyModel(kw.BGNBD):  # type: ignore[misc]  # final, but here only the name matters
        pass

    loaded = kw.load(saved, models=(MyModel,))
    assert type(loaded.model) is MyModel
    assert loaded.model.shape == kw.BGNBD().shape
