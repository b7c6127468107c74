"""The hold-out: what happened after the calibration, read as the calibration was."""

import datetime as dt

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kundenwert.checks import holdout
from kundenwert.datasets import cdnow
from kundenwert.errors import ColumnError, DataError, MissingInformationError, RowError, SpecificationError
from kundenwert.histories import CustomerHistories
from kundenwert.transactions import summarize


def log(*rows):
    frame = pd.DataFrame(rows, columns=["who", "when", "paid"])
    return frame.assign(when=pd.to_datetime(frame["when"], format="ISO8601"), paid=frame["paid"].astype(float))


def summary(frame, **arguments):
    return summarize(
        frame, **({"customer": "who", "time": "when", "amount": "paid", "until": "2024-01-31"} | arguments)
    )


ROWS = log(
    ("b", "2024-01-10", 5),
    ("a", "2024-01-01", 1),
    ("a", "2024-01-31 23:59", 2),
    ("a", "2024-02-01 00:00", 4),
    ("a", "2024-02-01 09:00", 8),
    ("a", "2024-02-29 23:59", 16),
    ("a", "2024-03-01", 32),
    ("new", "2024-02-10", 64),
)


def test_cdnow():
    histories = summarize(cdnow(), customer="customer_id", time="date", amount="amount", until="1997-09-30")
    actual = holdout(cdnow(), histories, until="1998-06-30")
    assert actual["purchases"].sum() == 1882
    assert actual.index.equals(histories.customer_id)
    later = cdnow().query("date > '1997-09-30'")
    assert actual["spend"].sum() == pytest.approx(later["amount"].sum())


def test_it_starts_one_step_after_the_calibration_and_includes_until():
    actual = holdout(ROWS, summary(ROWS), until="2024-02-29")
    expected = pd.DataFrame({"purchases": [0, 2], "spend": [0.0, 28.0]}, index=pd.Index(["b", "a"], name="customer_id"))
    pd.testing.assert_frame_equal(actual, expected)


def test_calibration_and_holdout_share_no_step_of_a_week():
    histories = summary(ROWS, resolution="week", until="2024-01-31")  # observed up to Sunday, 2024-02-04
    assert holdout(ROWS, histories, until="2024-03-01")["purchases"].tolist() == [0, 1]


def test_a_log_of_the_holdout_alone_will_do():
    later = ROWS[ROWS["when"] >= "2024-02-01"]
    pd.testing.assert_frame_equal(
        holdout(later, summary(ROWS), until="2024-02-29"), holdout(ROWS, summary(ROWS), until="2024-02-29")
    )


def test_without_amounts_there_is_no_spend():
    assert list(holdout(ROWS, summary(ROWS, amount=None), until="2024-02-29").columns) == ["purchases"]


@pytest.mark.parametrize("order", [["a", "b"], ["b"], []])
def test_rows_stand_in_the_order_of_the_histories(order):
    actual = holdout(ROWS, summary(ROWS).select(order), until="2024-02-29")
    assert list(actual.index) == order
    assert actual["purchases"].tolist() == [{"a": 2, "b": 0}[who] for who in order]


@pytest.mark.parametrize("dtype", ["int64", "category", "object"])
def test_ids_of_every_kind(dtype):
    numbered = ROWS["who"].map({"a": 30, "b": 7, "new": 12})
    frame = ROWS.assign(who=numbered if dtype == "int64" else ROWS["who"].astype(dtype))
    assert holdout(frame, summary(frame), until="2024-02-29")["purchases"].tolist() == [0, 2]


@pytest.mark.parametrize("convert", [pl.from_pandas, lambda frame: pl.from_pandas(frame).to_arrow()])
def test_other_libraries_give_the_same(convert):
    pd.testing.assert_frame_equal(
        holdout(convert(ROWS), summary(ROWS), until="2024-02-29"), holdout(ROWS, summary(ROWS), until="2024-02-29")
    )


def test_days_are_those_of_the_columns_time_zone():
    frame = ROWS.assign(when=ROWS["when"].dt.tz_localize("America/New_York"))
    assert holdout(frame, summary(frame), until="2024-02-29")["purchases"].tolist() == [0, 2]


def test_refunds_are_treated_as_in_the_calibration():
    frame = log(
        ("a", "2024-01-10", 10),
        ("a", "2024-02-02", -4),  # of the purchase in the calibration
        ("a", "2024-02-10", 20),
        ("a", "2024-02-11", -5),
    )
    assert holdout(frame, summary(frame), until="2024-02-29").to_numpy().tolist() == [[1, 20]]
    assert holdout(frame, summary(frame, net_refunds=True), until="2024-02-29").to_numpy().tolist() == [[1, 15]]


def test_unusable_rows_are_treated_as_in_the_calibration():
    frame = log(("a", "2024-01-10", 10), ("a", "2024-02-10", 20), ("a", None, 1))
    tolerant = summary(frame, on_bad_rows="drop")
    assert holdout(frame, tolerant, until="2024-02-29")["purchases"].tolist() == [1]
    with pytest.raises(RowError, match="row 2 of customer 'a' has no readable time"):
        holdout(frame, summary(frame.iloc[:2]), until="2024-02-29")


def test_dates_are_parsed_as_in_the_calibration():
    frame = ROWS.assign(when=ROWS["when"].dt.strftime("%Y-%m-%d"))
    assert holdout(frame, summary(frame, parse_dates=True), until="2024-02-29")["purchases"].tolist() == [0, 2]


def test_a_ready_made_table_does_not_tell_when_the_calibration_ends():
    table = pd.DataFrame({"customer_id": ["a"], "frequency": [0], "recency": [0.0], "T": [3.0]})
    with pytest.raises(MissingInformationError, match=r"ready-made table.*kundenwert\.summarize"):
        holdout(ROWS, CustomerHistories.from_pandas(table, unit="week"), until="2024-02-29")


@pytest.mark.parametrize("until", ["2024-01-31", "2023-12-01", dt.date(2024, 1, 31)])
def test_until_must_lie_after_the_calibration(until):
    with pytest.raises(SpecificationError, match="not lie after the calibration, which ends with 2024-01-31; choose"):
        holdout(ROWS, summary(ROWS), until=until)


def test_ids_of_another_type_are_noticed():
    frame = ROWS.assign(who=ROWS["who"].map({"a": 7, "b": 8, "new": 9}))
    with pytest.raises(DataError, match="ids are such as 8 in the log and 'b' in the histories"):
        holdout(frame, summary(ROWS), until="2024-02-29")


def test_the_columns_must_be_those_of_the_calibration():
    with pytest.raises(ColumnError, match="the log has no column 'when'"):
        holdout(ROWS.rename(columns={"when": "date"}), summary(ROWS), until="2024-02-29")


@given(
    rows=st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 19), st.integers(-200, 500)), min_size=1),
    net=st.booleans(),
)
def test_calibration_and_holdout_together_are_the_whole(rows, net):
    start = pd.Timestamp("2024-01-22")
    frame = pd.DataFrame(
        {
            "who": [who for who, _, _ in rows],
            "when": [start + pd.Timedelta(days=day) for _, day, _ in rows],
            "paid": [cents / 100 for _, _, cents in rows],
        }
    )
    if not any(day <= 9 and cents >= 0 for _, day, cents in rows):
        return
    calibration = summary(frame, net_refunds=net)
    whole = summary(frame, until="2024-02-29", net_refunds=net).select(list(calibration.customer_id))
    actual = holdout(frame, calibration, until="2024-02-29")
    np.testing.assert_array_equal(calibration.frequency + actual["purchases"], whole.frequency)
    if not net:  # a refund in the hold-out may lower what was bought in the calibration
        np.testing.assert_allclose(calibration.spend.total + actual["spend"], whole.spend.total, rtol=1e-10, atol=1e-9)
