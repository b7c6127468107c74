"""Whatever can be kept comes back to the last bit: every field of every kind, ids and columns of every type."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass, replace
from functools import cache
from typing import Any, Literal, TypeAliasType, get_args, get_origin

import h5py
import numpy as np
import pandas as pd
import polars as pl
import pytest
import xarray as xr

import kundenwert as kw
from kundenwert.errors import DataError, KundenwertError
from kundenwert.storage.encoding import Encoder
from kundenwert.storage.hints import fits, hints_of
from kundenwert.storage.keeping import read, written
from kundenwert.storage.registry import KINDS
from tests.storage import files
from tests.storage.alike import difference

MORE: dict[str, Any] = {
    "str": "=ä\x00\ud800",
    "bool": True,
    "int": 2**70,
    "float": 1e-300,
    "Duration": kw.days(0.1),
}


def again(value, models=()):
    """The value, kept and read."""
    return read(bytes(written(value)), {model.__name__: model for model in models})[0]


@pytest.mark.parametrize("kind", files.KEPT)
def test_every_kind_comes_back_to_the_last_bit(kind, tmp_path):
    value = files.KEPT[kind]()
    path = tmp_path / "kept.nc"
    value.save(path)
    loaded = kw.load(path)
    assert difference(value, loaded) is None
    assert bytes(written(loaded)) == path.read_bytes() == files.bytes_of(kind)


def parts_of(value, found):
    """All dataclasses within a value that can be kept, by class."""
    if type(value).__name__ in KINDS and is_dataclass(value):
        found.setdefault(type(value).__name__, []).append(value)
        for field in fields(value):
            parts_of(getattr(value, field.name), found)
    elif isinstance(value, (tuple, list)):
        for each in value:
            parts_of(each, found)
    return found


@cache
def known_objects():
    found: dict[str, list[Any]] = {}
    for make in files.KEPT.values():
        parts_of(make(), found)
    for value in (
        *(cls() for cls in (kw.ParetoNBD, kw.GGompNBD, kw.BGBB, kw.RevivalNBD, kw.LogNormalSpend)),
        *(kw.BGCNBD(k=2), kw.MBGCNBD(k=3), kw.BetaDiscreteWeibull(), kw.Normal(0, 1), kw.Flat(), kw.Gamma(1, 2)),
        *(kw.Beta(1, 2), kw.LogitNormal(0.5, 1), kw.HalfNormal(2), kw.opportunities(3), kw.KnownAmount(9.99)),
        *(kw.StartOfPeriod(kw.months(1)), kw.MiddleOfPeriod(kw.months(1)), kw.EndOfPeriod(kw.years(1))),
        *(kw.EveryoneFor(kw.years(1)), kw.WhilePAliveAbove(0.2), kw.WhileActive()),
        kw.WhileReturnProbabilityAbove(threshold=0.2, horizon=kw.weeks(26)),
        *(kw.Growing(start=0.3, annual_growth_rate=0.02), kw.Observational(), kw.PriorOnly(), kw.Refuse()),
        *(kw.AdditiveHazard(), kw.ByState()),
    ):
        parts_of(value, found)
    return found


def test_an_object_of_every_kind_is_tried():
    assert set(known_objects()) | {"ByChannel"} == set(KINDS)


@pytest.mark.parametrize("name", sorted(set(KINDS) - {"ByChannel"}))
def test_no_field_is_forgotten(name):
    """What is written are the fields, under types that files know, whichever fields there are by now."""
    kind = KINDS[name]
    for value in known_objects()[name]:
        parts = kind.parts(value)
        if kind.hints is None:
            hints = hints_of(kind.cls)
            assert set(parts) == {field.name for field in fields(value) if field.init} == set(hints)
            assert all(fits(part, hints[part_name]) for part_name, part in parts.items() if part_name != "customers")
        else:
            assert set(parts) == set(kind.hints)
            hidden = {field.name for field in fields(value)} - set(parts)
            assert hidden <= {"values"}  # the draws of a posterior, written by their own names
        assert difference(value, again(value)) is None


def others(hint, default):
    """Other values that a field might have, by its declared type."""
    if isinstance(hint, TypeAliasType):
        return others(hint.__value__, default)
    if get_origin(hint) is Literal:
        return [each for each in get_args(hint) if each != default]
    if get_origin(hint) is Mapping:
        return [{key: each} for key in others(get_args(hint)[0], None) for each in others(get_args(hint)[1], None)]
    if get_origin(hint) is tuple and get_args(hint)[-1] is ...:
        return [(each,) for each in others(get_args(hint)[0], None)]
    if get_args(hint) and not isinstance(hint, type):
        return [each for part in get_args(hint) for each in others(part, default)]
    return [MORE[hint.__name__]] if getattr(hint, "__name__", "") in MORE else []


@pytest.mark.parametrize("name", sorted(name for name in KINDS if KINDS[name].hints is None))
def test_fields_that_stand_at_their_default_are_kept_as_well(name):
    """Every field with a simple type is given another value, if the class allows it."""
    value = known_objects()[name][0]
    for field in fields(value):
        if not field.init or (field.default is MISSING and field.default_factory is MISSING):
            continue
        for other in others(hints_of(type(value))[field.name], getattr(value, field.name)):
            try:
                changed = replace(value, **{field.name: other})
            except (KundenwertError, TypeError, ValueError, AttributeError):
                continue
            assert difference(changed, again(changed)) is None, field.name


IDS = {
    "integers": pd.Index([3, -2, 2**63 - 1]),
    "unsigned": pd.Index(np.array([3, 2**64 - 1, 0], dtype=np.uint64)),
    "small": pd.Index(np.array([3, 2, 0], dtype=np.int8)),
    "a range": pd.RangeIndex(5, -1, -2),
    "strings": pd.Index(["a", "a\x00", "ä≠😀"]),
    "no string at all": pd.Index(["", " ", "x" * 100_000]),
    "objects": pd.Index(["a", "b", "\ud800"], dtype=object),
    "mixed objects": pd.Index([1, "1", 2.5], dtype=object),
    "numbers of NumPy": pd.Index([np.int64(1), np.str_("x"), 2.5], dtype=object),
    "python strings": pd.Index(["a", "b", "c"], dtype=pd.StringDtype("python")),
    "strings that may be missing": pd.Index(["a", "b", "c"], dtype="string"),
    "categories": pd.CategoricalIndex(["b", "a", "c"], categories=["c", "b", "a", "unused"], ordered=True),
    "categories of integers": pd.CategoricalIndex([7, 5, 6]),
    "nullable integers": pd.Index([1, 2, 2**53 + 1], dtype="Int64"),
    "integers of Arrow": pd.Index([1, 2, 2**53 + 1], dtype="int64[pyarrow]"),
}


@pytest.mark.parametrize("ids", IDS.values(), ids=IDS)
def test_ids_keep_their_type_and_order(ids):
    histories = kw.CustomerHistories(
        customer_id=ids,
        frequency=np.zeros(3, dtype=np.int64),
        recency=np.zeros(3),
        T=np.ones(3),
        unit="week",
        audit=kw.CustomerHistories.from_pandas(
            pd.DataFrame({"customer_id": [1], "frequency": [0], "recency": [0.0], "T": [1.0]}), unit="week"
        ).audit,
    )
    loaded = again(histories)
    if ids.dtype == object:
        assert [str(each) for each in loaded.customer_id] == [str(each) for each in ids]
        assert loaded.customer_id.dtype == object
        assert loaded.customer_id.tolist() == ids.tolist()
    else:
        assert difference(histories.customer_id, loaded.customer_id) is None
    assert loaded.select(ids[::-1]).customer_id.equals(histories.customer_id[::-1])


def test_long_ids_take_the_room_that_they_need():
    ids = pd.Index([f"{i}" for i in range(2000)] + ["x" * 20_000])
    values = np.zeros(len(ids))
    audit = files.ready_made().audit
    histories = kw.CustomerHistories(
        customer_id=ids, frequency=values.astype(np.int64), recency=values, T=values, unit="week", audit=audit
    )
    assert len(written(histories)) < 200_000


COLUMNS = {
    "moments": pd.Series(pd.DatetimeIndex(["2024-01-01", "NaT"])),
    "moments with a zone": pd.Series(pd.DatetimeIndex(["2024-01-01 12:00", "NaT"]).tz_localize("Europe/Berlin")),
    "days": pd.Series(np.array(["2024-01-01", "NaT"], dtype="datetime64[s]")),
    "lengths of time": pd.Series(pd.to_timedelta([1, None], unit="D")),
    "truth values": pd.Series([True, False]),
    "truth values, missing": pd.Series([True, None], dtype="boolean"),
    "truth values as objects": pd.Series([True, None], dtype=object),
    "floats": pd.Series([np.nan, -0.0]),
    "small floats": pd.Series([1.5, np.inf], dtype="float32"),
    "nullable floats": pd.Series([1.5, None], dtype="Float64"),
    "strings, missing": pd.Series(["a", None]),
    "strings or NA": pd.Series(["a", pd.NA], dtype="string"),
    "objects, missing": pd.Series(["a", None], dtype=object),
    "objects and NaN": pd.Series(["a", np.nan], dtype=object),
    "objects and NA": pd.Series([pd.NA, pd.NaT], dtype=object),
    "categories, missing": pd.Series(["a", None], dtype="category"),
    "floats of Arrow": pd.Series([0.1, None], dtype="double[pyarrow]"),
    "strings of Arrow": pd.Series(["a\x00", None], dtype=pd.ArrowDtype(__import__("pyarrow").string())),
}


@pytest.mark.parametrize("column", COLUMNS.values(), ids=COLUMNS)
def test_columns_of_covariates_keep_their_type(column):
    """Written as a table, with a name that NetCDF does not take."""
    table = pd.DataFrame({"a/b": column, 5: column})
    loaded = again_table(table)
    assert difference(table, loaded) is None


def again_table(table):
    histories = replace(files.ready_made().take([0, 1]), covariates=table.set_axis(files.ready_made().customer_id[:2]))
    loaded = again(histories).covariates
    return loaded.set_axis(table.index)


@pytest.mark.parametrize(
    "value, words",
    [
        (pd.Series([{1}, {2}]), "of type set"),
        (pd.Series([pd.Timestamp("2024-01-01"), "x"], dtype=object), "of type Timestamp"),
        (pd.Series([1 + 2j, 0]), "complex128"),
        (pd.Series(pd.interval_range(0, 2)), "interval"),
        (pd.Series(pd.period_range("2024-01", periods=2, freq="M")), "period"),
        (pd.Series([0.0, 1.0], dtype="Sparse[float]"), "Sparse"),
    ],
    ids=range(6),
)
def test_what_no_file_can_hold_is_told_before_anything_is_written(value, words, tmp_path):
    histories = replace(
        files.ready_made().take([0, 1]),
        covariates=pd.DataFrame({"odd": value.array}, index=files.ready_made().customer_id[:2]),
    )
    with pytest.raises(DataError, match=rf"odd (holds|has|is).*{words}.*which a file cannot hold.*convert"):
        histories.save(tmp_path / "histories.nc")
    assert not list(tmp_path.iterdir())


def test_of_the_table_of_customers_a_plan_keeps_what_it_made_use_of(tmp_path):
    plan = files.plan()
    table: Any = plan.setting.customers
    more = table.assign(diary="nobody asks for this").iloc[::-1]  # in another order, with a column more
    plan = replace(plan, setting=replace(plan.setting, customers=more))
    plan.save(tmp_path / "plan.nc")
    loaded: Any = kw.load(tmp_path / "plan.nc")
    assert difference(loaded, files.plan()) is None
    assert set(loaded.setting.customers) == {"customer_id", "postage", "may be called", "region"}
    assert b"nobody asks for this" not in (tmp_path / "plan.nc").read_bytes()


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_tables_of_customers_of_other_libraries_are_kept(library, tmp_path):
    plan = files.plan()
    table: Any = pl.from_pandas(plan.setting.customers).with_columns(pl.lit("unused").alias("more"))
    table = table.to_arrow() if library == "pyarrow" else table
    plan = replace(plan, setting=replace(plan.setting, customers=table))
    plan.save(tmp_path / "plan.nc")
    loaded: Any = kw.load(tmp_path / "plan.nc")
    assert difference(evaluated(plan), evaluated(loaded)) is None


def evaluated(plan):
    with pytest.warns(kw.errors.ComparisonWarning):
        return kw.evaluate_campaign(plan, files.outcomes(), spend="spend", learn=False)


ELSEWHERE = """
import sys, warnings
import kundenwert as kw
from tests.storage import files
warnings.simplefilter("ignore")
plan = kw.load(sys.argv[1])
kw.evaluate_campaign(plan, files.outcomes(), spend="spend", learn=False).save(sys.argv[2])
histories = kw.load(sys.argv[3])
kw.fit(kw.MBGNBD(), histories, method=kw.MAP(), seed=4).save(sys.argv[4])
"""


def test_another_process_gives_the_same_numbers(tmp_path):
    """A plan evaluated elsewhere, and a model fitted to loaded histories elsewhere, are the same to the last bit."""
    paths = [str(tmp_path / name) for name in ("plan.nc", "evaluation.nc", "histories.nc", "posterior.nc")]
    files.plan().save(paths[0])
    files.histories().save(paths[2])
    subprocess.run([sys.executable, "-c", ELSEWHERE, *paths], check=True, timeout=300)  # noqa: S603 - this test's own
    assert difference(files.evaluation(), kw.load(paths[1])) is None
    elsewhere: Any = kw.load(paths[3])
    here = kw.fit(kw.MBGNBD(), files.histories(), method=kw.MAP(), seed=4)
    assert difference(here.values, elsewhere.values) is None
    assert here.provenance == elsewhere.provenance


@pytest.mark.parametrize("kind", files.KEPT)
def test_every_file_is_netcdf_to_others(kind, tmp_path):
    path = tmp_path / "kept.nc"
    path.write_bytes(files.bytes_of(kind))
    with xr.open_dataset(path, engine="h5netcdf", decode_times=False) as dataset:
        text = dataset["kundenwert_directory"].to_numpy().item() if dataset["kundenwert_directory"].ndim == 0 else None
        assert text is None or json.loads(text)["format"] == "kundenwert"
        assert len(dataset) > 1
    with h5py.File(path) as file:
        assert file.userblock_size == 512
        for name, data in file.items():
            assert data.chunks is None, name
            assert data.dtype.kind in "fiuS", name


def test_numbers_stand_where_others_find_them(tmp_path):
    """The places in the directory are those of HDF5: what xarray reads is what was saved."""
    path = tmp_path / "plan.nc"
    plan = files.plan()
    plan.save(path)
    with xr.open_dataset(path, engine="h5netcdf") as dataset:
        for name in ("mean", "p_return"):
            assert np.array_equal(dataset[f"table.{name}"].to_numpy(), plan.table[name].to_numpy(), equal_nan=True)
        assert dataset["setting.purchases.r"].dims == ("setting.purchases.chain", "setting.purchases.draw")
        assert np.array_equal(dataset["setting.purchases.r"].to_numpy(), plan.setting.purchases.theta[0][None])


def test_blocks_say_what_they_are():
    encoder = Encoder()
    block: Any = encoder.block(kw.Economics(margin=0.3, annual_discount_rate=float("1e-3"), currency="€"))
    assert block["type"] == "Economics"
    assert block["version"] == 1
    assert block["parts"]["discounting"] == {"type": "Continuously", "version": 1, "parts": {}, "dispensable": []}
    assert {"order_cost", "referral", "discounting"} <= set(block["dispensable"])
    assert not {"margin", "currency"} & set(block["dispensable"])
