"""Posteriors are kept exactly, without pickle or customers, and files that cannot be are refused."""

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr

import kundenwert as kw
from kundenwert.errors import FileFormatError
from kundenwert.storage.keeping import written
from tests import cdnow
from tests.customers import histories_of
from tests.storage.files import rewrite, rewrite_parts, sealed

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


@cache
def content():
    return bytes(written(cdnow.posterior("BGNBD")))


@pytest.fixture
def saved(path):
    path.write_bytes(content())
    return path


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
    assert content[512:520] == b"\x89HDF\r\n\x1a\n"
    with h5py.File(path) as file:
        assert {name for name, value in file.items() if value.dtype == np.float64 and value.size > 1} >= {"r", "alpha"}
        assert all(dataset.dtype.kind != "O" for dataset in file.values())


def test_it_is_an_ordinary_netcdf_file(saved):
    with xr.open_dataset(saved, engine="h5netcdf") as dataset:
        assert dataset["r"].dims == ("chain", "draw")
        assert (dataset["r"].to_numpy() == cdnow.posterior("BGNBD").values.r).all()


def test_saving_replaces_a_file(saved):
    cdnow.posterior("GammaGamma").save(saved)
    assert isinstance(kw.load(saved), kw.SpendPosterior)


def change_part(name, change):
    """A change of one of the parts of what was saved, which is a block of its own."""
    return lambda parts: change(parts[name]["parts"])


WRONG_PARTS = [
    (lambda parts: parts.pop("model"), "model"),
    (lambda parts: parts.pop("diagnostics"), "diagnostics"),
    (lambda parts: parts.pop("provenance"), "provenance"),
    (lambda parts: parts.pop("unit"), "unit"),
    (lambda parts: parts.update(unit="fortnight"), "unit is 'fortnight'"),
    (lambda parts: parts.update(unit=3), "unit is 3"),
    (lambda parts: parts.update(surprise=1), "'surprise', which this version does not know"),
    (lambda parts: parts["model"].pop("parts"), "BGNBD"),
    (change_part("model", lambda model: model.update(surprise=1)), "'surprise', which this version does not know"),
    (change_part("model", lambda model: model.update(shape=3.0)), "shape is 3.0, of a type"),
    (change_part("model", lambda model: model["shape"]["parts"].pop("sigma")), "sigma"),
    (change_part("model", lambda model: model["shape"]["parts"].update(sigma=-1.0)), "sigma must be positive"),
    (change_part("model", lambda model: model["shape"]["parts"].update(sigma=True)), "sigma is True, of a type"),
    (change_part("model", lambda model: model["shape"]["parts"].update(sigma="1")), "sigma is '1', of a type"),
    (change_part("model", lambda model: model["shape"].update(type="Prior")), "holds a Prior, which is none of"),
    (change_part("model", lambda model: model["shape"].update(type="Cauchy")), "holds a Cauchy, which is none of"),
    (change_part("model", lambda model: model["shape"].update(version=2)), "version 2.*upgrade kundenwert"),
    (change_part("diagnostics", lambda found: found.pop("method")), "method"),
    (change_part("diagnostics", lambda found: found.update(draws=2.5)), "draws is 2.5, of a type"),
    (change_part("diagnostics", lambda found: found.update(notes="x")), "notes is 'x', of a type"),
    (change_part("provenance", lambda found: found.update(customers=None)), "customers is None, of a type"),
    (
        lambda parts: parts["model"].update(type="GammaGamma"),
        "expected draws of p, q, gamma, got those of r, alpha, a, b",
    ),
    (lambda parts: parts["draws"]["names"].__setitem__(0, "rho"), "expected draws of r, alpha, a, b"),
    (lambda parts: (parts["draws"]["names"].pop(), parts["draws"]["arrays"].pop()), "b"),
    (lambda parts: parts["draws"]["arrays"][0].update(shape=[2000, 1]), "one shape"),
    (lambda parts: parts["draws"]["arrays"][0].update(shape=[1, 2**40]), "shape"),
    (lambda parts: parts["draws"]["arrays"][0].update(shape=[-1, -2000]), "shape"),
    (lambda parts: parts["draws"]["arrays"][0].update(shape=[0, 2000]), "one shape"),
    (lambda parts: parts["draws"]["arrays"][0].update(dtype="<c16"), "c16"),
    (lambda parts: parts["draws"]["arrays"][0].update(dtype="|O8"), "O8"),
    (lambda parts: parts["draws"]["arrays"][0].update(dtype="<i8"), "draws is"),
    (lambda parts: parts["draws"]["arrays"][0].update(at=10**9), "at byte"),
    (lambda parts: parts["draws"]["arrays"][0].update(at=-8), "at byte"),
    (lambda parts: parts["draws"]["arrays"][0].update(at="here"), "whole number"),
]


@pytest.mark.parametrize("change, words", WRONG_PARTS, ids=range(len(WRONG_PARTS)))
def test_a_part_that_is_missing_or_wrong_is_an_error(saved, change, words):
    rewrite_parts(saved, change)
    with pytest.raises(FileFormatError, match=rf"posterior\.nc(?s:.)*({words})"):
        kw.load(saved)


@pytest.mark.parametrize("number", [np.nan, np.inf, -1.0, -0.0])
@pytest.mark.parametrize("name, quantity", [("r", "shape|mean_rate|r"), ("a", "mean_dropout|concentration|a")])
def test_draws_where_no_quantity_can_be_are_refused(path, number, name, quantity):
    posterior: Any = cdnow.posterior("BGNBD")
    values = posterior.values._replace(**{name: posterior.values.r.copy()})
    getattr(values, name)[0, 7] = number
    wrong = replace(posterior, values=values)
    with pytest.raises(kw.errors.DataError, match=rf"cannot be saved.*({quantity}) is .*draw 7 of chain 0; expected"):
        wrong.save(path)
    assert not path.exists()


def test_an_unknown_model_has_a_remedy(saved):
    rewrite_parts(saved, lambda parts: parts["model"].update(type="MyModel"))
    with pytest.raises(FileFormatError, match=r"holds a MyModel.*kundenwert\.load\(path, models=\(MyModel,\)\)"):
        kw.load(saved)

    @dataclass(frozen=True, slots=True, kw_only=True)
    class MyModel(kw.BGNBD):  # type: ignore[misc]  # final, but here only the name matters
        pass

    loaded: Any = kw.load(saved, models=(MyModel,))
    assert type(loaded.model) is MyModel
    assert loaded.model.shape == kw.BGNBD().shape
    loaded.save(saved)
    assert type(kw.load(saved, models=[MyModel]).model) is MyModel  # type: ignore[union-attr]
    for wrong in ("MyModel", MyModel(), int, None, [3]):
        with pytest.raises(kw.errors.SpecificationError, match="models takes classes of models of your own"):
            kw.load(saved, models=wrong)  # type: ignore[arg-type]


def test_a_model_of_code_that_is_no_module_is_kept(path):
    """Such as a model in a block of a page, which has a name for its module, but no module of that name."""
    names: dict[str, Any] = {"__name__": "nowhere", "kw": kw}
    exec("class Elsewhere(kw.BGNBD):\n    __slots__ = ()", names)  # noqa: S102 - the point
    mine = names["Elsewhere"]
    replace(cdnow.posterior("BGNBD"), model=mine()).save(path)
    loaded: Any = kw.load(path, models=(mine,))
    assert type(loaded.model) is mine


def test_a_newer_format_asks_for_an_upgrade(saved):
    content = saved.read_bytes()
    head = content[:512].replace(b"\nformat 2\n", b"\nformat 99\n").rstrip(b" \n").ljust(511) + b"\n"
    saved.write_bytes(sealed(head + content[512:]))
    with pytest.raises(FileFormatError, match=r"has format 99.*reads up to 2; upgrade kundenwert"):
        kw.load(saved)


def test_what_a_newer_version_added_is_skipped_if_it_can_be_done_without(saved):
    def change(directory):
        content = directory["content"]
        content["parts"]["clock"] = {"type": "Clock", "version": 7, "parts": {}}
        content["dispensable"].append("clock")

    rewrite(saved, change)
    with pytest.warns(kw.errors.FileFormatWarning, match=r"newer version.*PurchasePosterior\.clock was skipped"):
        loaded = kw.load(saved)
    assert isinstance(loaded, kw.PurchasePosterior)
