"""Frames of many libraries: read, or told how to become one that is."""

import datetime as dt
import types
from typing import Any

import dask.dataframe as dd
import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import kundenwert as kw
from kundenwert.errors import ColumnError, DataError
from tests.reading.remedies import mended

FRAME = pd.DataFrame({"who": ["a", "b", "a"], "when": pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-05"])})
TABLE = pa.Table.from_pandas(FRAME)


def frequencies(log, **arguments):
    made = kw.summarize(log, **({"customer": "who", "time": "when"} | arguments))
    return dict(zip(made.customer_id.tolist(), made.frequency.tolist(), strict=True))


class Stream:
    """Anything that streams Arrow data, here for the first time only."""

    def __init__(self):
        self.reads = 0

    def __arrow_c_stream__(self, requested_schema=None):
        self.reads += 1
        return TABLE.__arrow_c_stream__(requested_schema)


@pytest.mark.parametrize(
    "log",
    [
        duckdb.connect().from_arrow(TABLE),
        TABLE.to_reader(max_chunksize=1),
        TABLE.to_batches()[0],
        Stream(),
        pa.concat_tables([TABLE.slice(0, 1), TABLE.slice(1)]),
        pl.from_arrow(TABLE),
    ],
    ids=["DuckDB", "reader", "record batch", "stream", "chunks", "Polars"],
)
def test_what_streams_arrow_data_is_read(log):
    assert frequencies(log) == {"a": 1, "b": 0}


def test_a_stream_is_read_once():
    stream = Stream()
    assert frequencies(stream) == {"a": 1, "b": 0}
    assert stream.reads == 1


def test_a_reader_serves_an_origin_too():
    rows = pa.Table.from_pandas(
        pd.DataFrame({"who": np.repeat(np.arange(60), 2), "when": pd.date_range("2024-01-01", periods=120, freq="D")})
    )
    one, other = (
        kw.rolling_origin(
            log,
            {"MBG/NBD": kw.MBGNBD()},
            customer="who",
            time="when",
            origins=["2024-03-01"],
            horizon=kw.weeks(4),
            method=kw.MAP(),
        ).table
        for log in (rows, rows.to_reader())
    )
    pd.testing.assert_frame_equal(one, other)


def test_a_reader_that_was_read_is_empty():
    reader = TABLE.to_reader()
    frequencies(reader)
    with pytest.raises(DataError, match=r"the log has no rows.*a reader gives its rows only once"):
        frequencies(reader)


def test_a_stream_that_breaks_is_an_error_of_our_own():
    broken = duckdb.connect().from_arrow(TABLE).project("error('no more') as who, \"when\"")
    with pytest.raises(DataError, match=r"the log \(.*\) cannot be read as a table: .*no more"):
        frequencies(broken)


def spark(name="pyspark.sql.classic.dataframe", **methods):
    made = type("DataFrame", (), {"__module__": name, "collect": list, "columns": []} | methods)
    return made()


@pytest.mark.parametrize(
    "log, advice",
    [
        (dd.from_pandas(FRAME, npartitions=2), r"call \.compute\(\) and"),
        (pl.from_pandas(FRAME).lazy(), r"call \.collect\(\) and"),
        (spark(toPandas=None), r"call \.toPandas\(\) and"),
        (spark(toPandas=None, toArrow=None), r"call \.toPandas\(\) or \.toArrow\(\) and"),
    ],
    ids=["Dask", "Polars", "PySpark 3", "PySpark 4"],
)
def test_lazy_frames_are_told_what_to_call(log, advice):
    with pytest.raises(DataError, match=rf"the log is lazy \(.*\); {advice} hand in the result"):
        frequencies(log)


def test_the_advice_is_accepted():
    assert frequencies(dd.from_pandas(FRAME, npartitions=2).compute()) == {"a": 1, "b": 0}
    assert frequencies(pl.from_pandas(FRAME).lazy().collect()) == {"a": 1, "b": 0}


@pytest.mark.parametrize(
    "log", [None, "log.csv", {"who": [1]}, [1], np.ones((2, 2)), FRAME["who"], pl.Series([1]), types]
)
def test_what_is_no_frame(log):
    with pytest.raises(DataError, match="the log must be a pandas, Polars or PyArrow data frame, got"):
        frequencies(log)


@pytest.mark.parametrize(
    "log",
    [FRAME.set_index("who"), FRAME.set_index("when"), FRAME.set_index(["who", "when"])],
    ids=["id", "time", "both"],
)
def test_what_stands_in_the_index_is_told_to_come_out(log):
    with pytest.raises(ColumnError, match=r"the log has no column .*; it is in the index of the log") as refused:
        frequencies(log)
    assert frequencies(mended(log, refused.value)) == {"a": 1, "b": 0}


def test_an_index_without_a_name_may_be_it():
    log = FRAME.set_index("when").rename_axis(None)
    with pytest.raises(ColumnError, match="it has 'who'; if it is the index") as refused:
        frequencies(log)
    assert frequencies(mended(log, refused.value)) == {"a": 1, "b": 0}


@pytest.mark.parametrize("names", [{"customer": 0, "time": 1}, {"customer": "0", "time": "1"}], ids=["numbers", "text"])
def test_columns_named_by_numbers(names):
    log = FRAME.set_axis([0, 1], axis=1)
    with pytest.raises(ColumnError, match="columns") as refused:
        frequencies(log, **names)
    assert frequencies(mended(log, refused.value), customer="0", time="1") == {"a": 1, "b": 0}


@pytest.mark.parametrize(
    "column", [FRAME["who"], FRAME["who"].to_numpy(), ["who"], None, 1.5, pl.Series(["a"]), dt.date]
)
def test_a_column_is_told_by_its_name(column):
    for name in ("customer", "time") if column is None else ("customer", "time", "amount"):
        with pytest.raises(ColumnError, match="columns of the log are told by their names, expected a string"):
            frequencies(FRAME, **{name: column})


@pytest.mark.parametrize(
    "log",
    [pd.concat([FRAME, FRAME], axis=1), pa.Table.from_arrays([TABLE["who"], TABLE["who"]], names=["who", "who"])],
    ids=["pandas", "PyArrow"],
)
def test_columns_of_the_same_name(log):
    with pytest.raises(ColumnError, match=r"the log has several columns"):
        frequencies(log)


def reader_of(**columns) -> Any:
    """What gives its rows once."""
    return pa.table(columns).to_reader()


def test_a_log_that_gives_its_rows_once_may_hold_first_purchases_too():
    days = [dt.date(2024, 1, 1), dt.date(2024, 1, 9)]
    made = kw.summarize(
        reader_of(who=["a", "a"], when=days, first=[days[0]] * 2), customer="who", time="when", first_purchase="first"
    )
    assert made.frequency.tolist() == [1]


def test_a_table_of_customers_that_is_asked_twice_is_asked_for_as_a_table():
    made = kw.summarize(reader_of(who=["a"], when=[dt.date(2024, 1, 1)]), customer="who", time="when", unit="week")
    purchases = kw.fixed(kw.MBGNBD.Parameters(r=0.5, alpha=6.0, a=0.8, b=1.6, unit="week"))
    own = kw.Economics(margin=kw.PerCustomer("margin"), annual_discount_rate=0.1)
    customers = reader_of(customer_id=["a"], margin=[0.3], fee=[5.0])
    fee = kw.KnownAmount(kw.PerCustomer("fee"))
    with pytest.raises(DataError, match=r"no rows; .*gives its rows only once.*table = reader.read_all\(\)"):
        kw.net_present_value(purchases, fee, made, own, horizon=kw.years(1), customers=customers)


def test_dates_of_64_bits_are_days():
    log = pa.table({"who": ["a", "a"], "when": pa.array([dt.date(2024, 1, 1), dt.date(2024, 1, 9)], pa.date64())})
    assert kw.summarize(log, customer="who", time="when", unit="day").recency.tolist() == [8.0]


def test_integers_of_any_size_are_no_times():
    log = pd.DataFrame({"who": ["a", "b"], "when": pd.Series([10**400, 1], dtype=object)})
    with pytest.raises(ColumnError, match="must be dates or datetimes"):
        kw.summarize(log, customer="who", time="when")
