"""Amounts as text, as exact decimals, as objects: read exactly, or an error whose remedy reads them."""

import datetime as dt
import math
from decimal import Decimal

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import kundenwert as kw
from kundenwert.errors import ColumnError, DataError, RowError, SpecificationError
from tests.reading.remedies import arguments_in, mended

LIBRARIES = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.table}
library = pytest.mark.parametrize("make", LIBRARIES.values(), ids=LIBRARIES)


def columns(amounts):
    return {"who": ["a"] * len(amounts), "when": [dt.date(2024, 1, 1)] * len(amounts), "paid": amounts}


def total(frame, **arguments):
    made = kw.summarize(frame, customer="who", time="when", amount="paid", **arguments)
    assert made.spend is not None
    assert made.spend.first_amount is not None
    return float(made.spend.first_amount[0])


@pytest.mark.parametrize(
    "text, decimal, amount",
    [
        ("1.234,56", ",", 1234.56),
        ("1.234.567", ",", 1234567.0),
        ("1234,5", ",", 1234.5),
        ("1 234,56", ",", 1234.56),
        ("1\u00a0234,56", ",", 1234.56),
        ("1\u202f234\u202f567,5", ",", 1234567.5),
        ("1.234", ",", 1234.0),
        ("1.234", ".", 1.234),
        ("1,234", ".", 1234.0),
        ("1,234", ",", 1.234),
        ("1'234.50", ".", 1234.5),
        ("1’234.50", ".", 1234.5),
        (" +12.5 ", ".", 12.5),
        ("5.", ".", 5.0),
        ("1.5e3", ".", 1500.0),
    ],
)
@library
def test_text_is_read_with_the_mark_that_is_given(make, text, decimal, amount):
    assert total(make(columns([text])), decimal=decimal) == amount


@pytest.mark.parametrize("decimal", [".", ","])
@pytest.mark.parametrize(
    "text",
    ["1.23.4", "1,23,4", "12.34,5,6", "1.2345,6", "1.234 567", "(5)", "5-", "", "abc", "1_000", "٣", "nan", "inf"],
)
def test_nothing_is_guessed(text, decimal):
    frame = pd.DataFrame(columns(["1", text]))
    with pytest.raises(RowError, match=r"row 1 .* has no finite amount: column 'paid' holds .*expected digits with"):
        total(frame, decimal=decimal)
    made = kw.summarize(frame, customer="who", time="when", amount="paid", decimal=decimal, on_bad_rows="drop")
    assert made.audit.dropped == {"no finite amount": 1}


@pytest.mark.parametrize("text, decimal", [("1.234,56", ","), ("1,234.56", "."), ("12,5", ","), ("0.50", ".")])
@library
def test_the_error_names_the_mark_that_reads_it(make, text, decimal):
    frame = make(columns([text]))
    with pytest.raises(ColumnError, match=r"must hold numbers, got text such as .*reads all of it") as refused:
        total(frame)
    assert arguments_in(refused.value) == {"decimal": decimal}


def test_the_error_does_not_choose_where_both_marks_read_it():
    with pytest.raises(ColumnError, match="both read all of it, so only you can tell"):
        total(pd.DataFrame(columns(["1.234", "2.500"])))


@library
@pytest.mark.parametrize("text, amount", [("$1,120.00", 1120.0), ("1.120,00 €", 1120.0), ("EUR 12,5", 12.5)])
def test_currencies_come_off_by_the_line_in_the_error(make, text, amount):
    frame = make(columns([text]))
    with pytest.raises(ColumnError, match="Neither reads all of it: take currencies off") as refused:
        total(frame)
    decimal = str(refused.value).rpartition("decimal=")[2].strip("'")
    assert total(mended(frame, refused.value), decimal=decimal) == amount


def test_brackets_may_be_a_minus_and_stay_an_error():
    frame = pd.DataFrame(columns(["$5.00", "($3.00)"]))
    with pytest.raises(ColumnError, match="take currencies off") as refused:
        total(frame)
    with pytest.raises(RowError, match=r"row 1 .*holds '\(3.00\)'"):
        total(mended(frame, refused.value), decimal=".")


@library
@pytest.mark.parametrize("text, amount", [("81,19-", -81.19), ("1.081,19 -", -1081.19), ("(81,19)", -81.19)])
def test_a_minus_behind_and_brackets_are_read_by_the_line_in_the_error(make, text, amount):
    """As SAP and accountants write them."""
    frame = make({"who": ["a", "a"], "when": ["2024-01-01", "2024-01-02"], "paid": ["2000,00", text]})
    with pytest.raises(RowError, match="no finite amount") as refused:
        refunds(frame)
    assert refunds(mended(frame, refused.value)) == pytest.approx(amount)


@library
def test_a_currency_comes_off_by_the_line_in_the_error_about_its_row(make):
    frame = make(columns(["16,80 €"]))
    with pytest.raises(RowError, match=r"holds '16,80 €'.*take currencies off") as refused:
        total(frame, decimal=",")
    assert total(mended(frame, refused.value), decimal=",") == 16.8


def refunds(frame):
    """What is refunded, read with a decimal comma."""
    made = kw.summarize(
        frame, customer="who", time="when", amount="paid", unit="week", decimal=",", parse_dates=True, net_refunds=True
    )
    assert made.spend is not None
    assert made.spend.first_amount is not None
    return float(made.spend.first_amount[0]) - 2000


@pytest.mark.parametrize("amounts", [[-5.0, -6.0], ["-5", "-6"]], ids=["numbers", "text"])
def test_amounts_that_are_all_negative_are_said_to_be(amounts):
    frame = pd.DataFrame(columns(amounts))
    with pytest.raises(DataError, match=r"all 2 amounts of the log are negative, .* multiply them by -1"):
        total(frame, decimal=".")


@library
def test_decimals_are_read_and_their_gaps_are_bad_rows(make):
    frame = make(columns([Decimal("0.10"), Decimal("0.20"), None]))
    with pytest.raises(RowError, match=r"row 2 .* has no finite amount"):
        total(frame)
    assert total(frame, on_bad_rows="drop") == 0.3


@pytest.mark.parametrize("nothing", [None, math.nan, pd.NA, pd.NaT, Decimal("NaN"), Decimal("Infinity"), 10**400])
def test_objects_of_all_kinds(nothing):
    mixed = [1, 2.5, Decimal("0.25"), "1,25", nothing]
    frame = pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in columns(mixed).items()})
    assert total(frame, decimal=",", on_bad_rows="drop") == 5.0
    with pytest.raises(RowError, match=r"row 4 .* has no finite amount"):
        total(frame, decimal=",")


@pytest.mark.parametrize("wrong", [True, dt.date(2024, 1, 1), [1], b"1", 1j])
def test_other_objects_are_refused_however_late(wrong):
    frame = pd.DataFrame(
        {name: pd.Series(values, dtype=object) for name, values in columns([1.0] * 150 + [wrong]).items()}
    )
    with pytest.raises(ColumnError, match=r"column 'paid' must hold numbers, got .*; cast it"):
        total(frame)


@pytest.mark.parametrize("decimal", ["", "..", ";", 1])
def test_other_marks_are_refused(decimal):
    with pytest.raises(SpecificationError, match=r"decimal=.* is unknown; expected '\.' .* or ','"):
        total(pd.DataFrame(columns(["1"])), decimal=decimal)


def test_the_line_for_a_ready_made_table_works():
    table = pd.DataFrame({"customer_id": ["a"], "frequency": ["1"], "recency": [1.0], "T": [2.0]})
    with pytest.raises(ColumnError, match="got text such as '1'; cast it, in pandas with table"):
        kw.CustomerHistories.from_pandas(table, unit="week")
    table["frequency"] = pd.to_numeric(table["frequency"])
    assert len(kw.CustomerHistories.from_pandas(table, unit="week")) == 1
