"""A customer stays the same customer, whatever the library and however odd the id."""

import datetime as dt
import tracemalloc
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import kundenwert as kw
from kundenwert.errors import ColumnError, DataError, RowError, SpecificationError
from kundenwert.histories.identity import places
from tests.reading.remedies import mended

DAY = dt.date(2024, 1, 1)
TEXT = ("a", "a\x00", "a\x00\x00", "a\x00b", "", " ", "é", "e\u0301", "nan", "None", "1", "01", "A", "x" * 1000)
BIG = (2**53, 2**53 + 1, 2**53 + 2, -(2**53) - 1, 2**63 - 1, -(2**63), 0)
UNSIGNED = (2**64 - 1, 2**64 - 2, 2**63, 2**53 + 1, 0)


def arrow(ids):
    """PyArrow takes all integers for signed ones."""
    known = [who for who in ids if who is not None]
    return pa.array(ids, pa.uint64() if isinstance(known[0], int) and max(known) >= 2**63 else None)


COLUMNS: dict[str, Any] = {
    "object": lambda ids: pd.Series(ids, dtype=object),
    "pandas": pd.Series,
    "str in Python": lambda ids: pd.Series(ids, dtype=pd.StringDtype("python", na_value=np.nan)),
    "string in Arrow": lambda ids: pd.Series(ids, dtype="string[pyarrow]"),
    "Arrow in pandas": lambda ids: pd.Series(ids, dtype=pd.ArrowDtype(arrow(ids).type)),
    "categories": lambda ids: pd.Series(pd.Categorical(ids)),
    "Arrow's dictionary": lambda ids: pd.Series(ids, dtype=pd.ArrowDtype(pa.array(ids).dictionary_encode().type)),
    "polars": lambda ids: pl.Series(arrow(ids)),
    "polars categories": lambda ids: pl.Series(ids).cast(pl.Categorical),
    "polars enum": lambda ids: pl.Series(ids).cast(pl.Enum(list(dict.fromkeys(ids)))),
    "pyarrow": arrow,
    "pyarrow, large": lambda ids: pa.array(ids, pa.large_string()),
    "pyarrow, dictionary": lambda ids: pa.array(ids).dictionary_encode(),
}
FOR_TEXT = [name for name in COLUMNS if name != "pandas"]
FOR_NUMBERS = ["object", "pandas", "Arrow in pandas", "categories", "Arrow's dictionary", "polars", "pyarrow"]
FOR_NUMBERS += ["pyarrow, dictionary"]


def frame(kind, ids, **more):
    column = COLUMNS[kind](ids)
    columns = {"customer_id": column, "when": [DAY] * len(ids)} | more
    if isinstance(column, pl.Series):
        return pl.DataFrame(columns)
    return pa.table(columns) if isinstance(column, pa.Array | pa.ChunkedArray) else pd.DataFrame(columns)


def summary(log, **arguments):
    return kw.summarize(log, **({"customer": "customer_id", "time": "when", "until": "2024-02-01"} | arguments))


CASES: list[tuple[str, tuple[Any, ...]]] = [(kind, TEXT) for kind in FOR_TEXT] + [(kind, BIG) for kind in FOR_NUMBERS]
CASES += [(kind, UNSIGNED) for kind in ("object", "pandas", "Arrow in pandas", "polars", "pyarrow")]
NAMES: dict[Any, str] = {TEXT: "text", BIG: "integers", UNSIGNED: "unsigned"}
every_kind = pytest.mark.parametrize("kind, ids", CASES, ids=[f"{kind} {NAMES[ids]}" for kind, ids in CASES])


@every_kind
def test_every_id_is_a_customer_of_its_own(kind, ids):
    made = summary(frame(kind, [*ids, *reversed(ids)]))
    assert made.customer_id.tolist() == list(ids)
    assert [type(who) for who in made.customer_id.tolist()] == [type(who) for who in ids]
    assert made.audit.merged == len(ids)


@every_kind
def test_histories_know_their_customers_again(kind, ids):
    made = summary(frame(kind, list(ids)))
    assert made.select(list(ids)).customer_id.tolist() == list(ids)
    assert made.select([ids[1]]).customer_id.tolist() == [ids[1]]
    assert places(made.customer_id, made.customer_id).tolist() == list(range(len(ids)))
    stranger = 12345 if isinstance(ids[0], int) else "a\x00\x00\x00"
    with pytest.raises(RowError, match="has no history here"):
        made.select([stranger])


@every_kind
@pytest.mark.parametrize("other", ["object", "Arrow in pandas", "polars", "pyarrow"])
def test_ids_join_across_libraries(kind, ids, other):
    made = summary(frame(kind, list(ids)))
    later = frame(other, [ids[1], ids[1], ids[2]], when=[dt.date(2024, 2, 5), dt.date(2024, 2, 6), dt.date(2024, 2, 5)])
    purchases = kw.holdout(later, made, until="2024-03-01")["purchases"]
    assert purchases.tolist() == [0, 2, 1] + [0] * (len(ids) - 3)
    table = frame(other, list(reversed(ids)))
    again = places(summary(table).customer_id, made.customer_id)
    assert again.tolist() == list(reversed(range(len(ids))))


@every_kind
def test_ready_made_tables(kind, ids):
    numbers = [float(place) for place in range(len(ids))]
    table = frame(kind, list(ids), frequency=[0.0] * len(ids), recency=[0.0] * len(ids), T=numbers)
    made = kw.CustomerHistories.from_pandas(table, unit="week")
    assert made.customer_id.tolist() == list(ids)
    assert made.to_pandas()["customer_id"].tolist() == list(ids)


@pytest.mark.parametrize("kind", ["pandas", "Arrow in pandas", "polars", "pyarrow"])
def test_large_integers_beside_nulls(kind):
    ids = [2**53, None, 2**53 + 1]
    nullable = {"pandas": lambda ids: pd.Series(ids, dtype="Int64")}.get(kind, COLUMNS[kind])
    column = nullable(ids)
    make = {"polars": pl.DataFrame, "pyarrow": pa.table}.get(kind, pd.DataFrame)
    made = summary(make({"customer_id": column, "when": [DAY] * 3}), on_bad_rows="drop")
    assert made.customer_id.tolist() == [2**53, 2**53 + 1]


@pytest.mark.parametrize("kind", [name for name in FOR_TEXT if name != "polars enum"])
def test_a_column_without_any_id(kind):
    column = COLUMNS[kind](["a", "b"])
    nothing = pa.array([None, None], pa.array(column).type) if isinstance(column, pa.Array) else None
    if isinstance(column, pd.Series):
        nothing = pd.Series([None, None], dtype=column.dtype)
    elif isinstance(column, pl.Series):
        nothing = pl.Series([None, None], dtype=column.dtype)
    make = pl.DataFrame if isinstance(column, pl.Series) else pa.table if isinstance(column, pa.Array) else pd.DataFrame
    log = make({"customer_id": nothing, "when": [DAY, DAY]})
    with pytest.raises(DataError, match=r"none of the 2 rows of the log can be used: row 0 has no customer id"):
        summary(log, on_bad_rows="drop")


@pytest.mark.parametrize(
    "late, got",
    [
        ("1", r"both 1 \(int\) and '1' \(str\)"),
        (True, r"both 1 \(int\) and True \(bool\)"),
        (1.0, r"both 1 \(int\) and 1.0 \(float\)"),
        (b"1", r"both 1 \(int\) and b'1' \(bytes\)"),
        (np.True_, r"both 1 \(int\) and np.True_ \(bool\)"),
    ],
)
def test_an_object_column_is_looked_at_wholly(late, got):
    log = pd.DataFrame({"customer_id": pd.Series([1] * 500 + [late], dtype=object), "when": DAY})
    with pytest.raises(ColumnError, match=f"customer ids in column 'customer_id' must be .*, got {got}") as refused:
        summary(log)
    assert summary(mended(log, refused.value)).customer_id[0] == "1"


def test_a_late_integer_among_text():
    log = pd.DataFrame({"customer_id": pd.Series(["a"] * 500 + [7], dtype=object), "when": DAY})
    with pytest.raises(ColumnError, match=r"got both 'a' \(str\) and 7 \(int\)"):
        summary(log)
    with pytest.raises(ColumnError, match=r"got both 'a' \(str\) and 7 \(int\)"):
        kw.CustomerHistories.from_pandas(log.iloc[-2:].assign(frequency=0, recency=0, T=1), unit="week")


@pytest.mark.parametrize(
    "categories, got",
    [([1, "1"], r"both 1 \(int\) and '1' \(str\)"), ([1.0, 2.0], "1.0"), ([True, False], "False|True")],
    ids=["mixed", "floats", "booleans"],
)
def test_categories_must_be_text_or_integers(categories, got):
    log = pd.DataFrame({"customer_id": pd.Categorical(categories), "when": DAY})
    with pytest.raises(ColumnError, match=f"customer ids in categories of column 'customer_id' must be .* got {got}"):
        summary(log)


@pytest.mark.parametrize("ids", [[2**64], [-1, 2**63], [10**30, 1]])
def test_integers_beyond_64_bits(ids):
    log = pd.DataFrame({"customer_id": pd.Series(ids, dtype=object), "when": DAY})
    with pytest.raises(ColumnError, match="must fit in 64 bits, got") as refused:
        summary(log)
    assert summary(mended(log, refused.value)).customer_id.tolist() == [str(who) for who in ids]


def test_floats_become_integers_by_the_line_in_the_error():
    log = pd.DataFrame({"customer_id": [1.0, np.nan, 2.0], "when": DAY})
    with pytest.raises(ColumnError, match=r"got Float64, such as 1\.0; floats are not exact") as refused:
        summary(log)
    assert summary(mended(log, refused.value), on_bad_rows="drop").customer_id.tolist() == [1, 2]


@pytest.mark.parametrize("customers", [3, "a", None, 1.5])
def test_select_takes_a_list(customers):
    made = summary(frame("object", list(TEXT)))
    with pytest.raises(SpecificationError, match=r"select takes a list of ids, got .*; for one customer write"):
        made.select(customers)


def test_text_and_integers_never_meet():
    text, whole = pd.Index(["1", "2"]), pd.Index([1, 2])
    for known, wanted in ((text, whole), (whole, text), (whole, pd.Index([1.0])), (whole, pd.Index([True]))):
        assert (places(known, wanted) == -1).all()
    assert places(whole, pd.Index([2, "2", 1.0, True, 1], dtype=object)).tolist() == [1, -1, -1, -1, 0]
    assert places(text, pd.Index([], dtype=object)).tolist() == []


@pytest.mark.every(3)
@pytest.mark.parametrize(
    "kind", ["object", "categories", "Arrow in pandas", "polars", "pyarrow", "pyarrow, dictionary"]
)
def test_memory_is_in_proportion_to_the_text(kind):
    ids = ["x" * 20_000, *map(str, range(19_999))]
    log = frame(kind, ids)
    tracemalloc.start()
    made = summary(log)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(made) == 20_000
    assert most < 30e6  # in text of fixed width it takes 1.6 gigabytes


@pytest.mark.parametrize(
    "ids, why", [(["1", "2"], "one is text"), ([7, 8], "seem to be others")], ids=["text", "other"]
)
def test_tables_of_customers_whose_ids_are_of_another_kind_say_so(ids, why):
    log = pd.DataFrame({"customer_id": [1, 2], "day": pd.to_datetime(["2024-01-01"] * 2), "paid": [5.0, 6.0]})
    made = kw.summarize(log, customer="customer_id", time="day", amount="paid", until="2024-01-31")
    purchases = kw.fixed(kw.MBGNBD.Parameters(r=0.5, alpha=6.0, a=0.8, b=1.6, unit="week"))
    own = kw.Economics(margin=kw.PerCustomer("margin"), annual_discount_rate=0.1)
    terms = pd.DataFrame({"customer_id": ids, "margin": 0.3})
    shown = rf"no id is the same: they are such as {ids[0]!r} in customers, and 1 here, .*{why}"
    with pytest.raises(RowError, match=shown):
        kw.net_present_value(purchases, kw.KnownAmount(5.0), made, own, horizon=kw.years(1), customers=terms)
    organic = kw.organic_return(purchases, made, window=kw.weeks(4))
    campaign = pd.DataFrame({"customer_id": ids, "offer": ["A", None], "returned": [1, 0]})
    with pytest.raises(RowError, match=rf"no id is the same: they are such as {ids[0]!r} in the table, and 1 here"):
        kw.CampaignLog.from_pandas(campaign, organic=organic, window=kw.weeks(4))
