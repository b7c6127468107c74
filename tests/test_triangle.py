"""Triangles: cohorts in rows and periods in columns are read as they come, or refused with the remedy."""

import re
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import kundenwert as kw
from kundenwert.errors import ColumnError, DataError, RowError

VALUES: dict[str, Any] = {"2024-01": [100, 70, 60], "2024-02": [80, 50, None], "2024-03": [30, None, None]}


def triangle(labels=(0, 1, 2), values=None):
    return pd.DataFrame.from_dict(VALUES if values is None else values, orient="index", columns=list(labels))


def long(values=None):
    rows = [
        (cohort, renewal, left)
        for cohort, numbers in (VALUES if values is None else values).items()
        for renewal, left in enumerate(numbers)
        if left is not None
    ]
    frame = pd.DataFrame(rows, columns=["cohort", "renewal", "survivors"])
    return kw.ContractHistories.from_cohorts(frame, cohort="cohort")


def read(frame, **arguments):
    return kw.ContractHistories.from_triangle(frame, **arguments)


def same(one, other):
    pd.testing.assert_frame_equal(one.to_pandas(), other.to_pandas())


@pytest.mark.parametrize(
    "labels",
    [
        (0, 1, 2),
        (1, 2, 3),
        ("0", "1", "2"),
        ("month 1", "month 2", "month 3"),
        ("M0", "M1", "M2"),
        ("start", "spring", "summer"),
        ("2024-01", "2024-02", "2024-03"),
        tuple(pd.date_range("2023-12-01", periods=3, freq="MS")),
        tuple(pd.date_range("2024-01-01", periods=3, freq="W-MON")),
    ],
    ids=str,
)
def test_columns_may_be_called_anything_that_is_in_order(labels):
    same(read(triangle(labels)), long())


def test_cohorts_are_a_column_or_the_index():
    frame = triangle()
    same(read(frame.rename_axis("won").reset_index(), cohort="won"), long())
    same(read(frame.rename_axis("won"), cohort="won"), long())
    same(read(frame.set_axis(pd.PeriodIndex(frame.index, freq="M"))), long())
    wide = pl.DataFrame({"won": list(VALUES), "0": [100, 80, 30], "1": [70, 50, None], "2": [60, None, None]})
    same(read(wide, cohort="won"), long())
    same(read(wide.to_arrow(), cohort="won"), long())
    alone = pd.DataFrame({0: [10], 1: [7]})
    assert read(alone).cohorts == ()


def test_calendar_periods_begin_where_a_cohort_begins():
    frame = pd.DataFrame(
        [[100, 70, 60], [None, 80, 50], [None, None, 30]], index=list(VALUES), columns=["2024-01", "2024-02", "2024-03"]
    )
    same(read(frame), long())


def test_shares_and_per_cent_are_refused_with_a_line_that_works():
    sizes = {"2024-01": 100, "2024-02": 80, "2024-03": 30}
    for scale in (1, 100):
        shares = {
            cohort: [None if n is None else n / numbers[0] * scale for n in numbers]
            for cohort, numbers in VALUES.items()
        }
        with pytest.raises(RowError, match=rf"every cohort starts at {scale}, .*from_triangle\(…, customers="):
            read(triangle(values=shares))
        same(read(triangle(values=shares), customers=sizes), long())
    assert len(read(pd.DataFrame({0: [100], 1: [80]}))) == 100  # one cohort of a hundred


@pytest.mark.parametrize(
    "values, words",
    [
        ({"a": [10, 7, 8], "b": [9, 9, 9]}, "cohort 'a' has survivors = 8 at renewal 2, after 7 at renewal 1"),
        ({"a": [10, None, 8], "b": [9, 9, 9]}, "cohort 'a' has no number for period '1', but one for '2'"),
        ({"a": [10, 7, 6], "b": [None, None, None]}, "cohort 'b' has no number in any period"),
        ({"a": [10, 7.5, 6], "b": [9, 9, 9]}, r"cohort 'a' has survivors = 7\.5 at renewal 1"),
        ({"a": [10, 7, -6], "b": [9, 9, 9]}, "cohort 'a' has survivors = -6 at renewal 2"),
    ],
)
def test_what_cannot_be_is_refused(values, words):
    with pytest.raises(RowError, match=words):
        read(triangle(values=values))


@pytest.mark.parametrize(
    "labels, words",
    [
        ((0, 2, 1), "the period 2 follows 0"),
        ((0, 1, 3), "the period 3 follows 1"),
        (("2024-01", "2024-02", "2024-04"), "'2024-04' follows '2024-02'"),
        (("2024-03", "2024-02", "2024-01"), "'2024-02' follows '2024-03'"),
    ],
)
def test_periods_out_of_order_are_refused(labels, words):
    with pytest.raises(ColumnError, match=f"{words}.*in order and without a gap"):
        read(triangle(labels))


def test_other_refusals():
    with pytest.raises(ColumnError, match="which cohort is which"):
        read(triangle().reset_index(drop=True))
    with pytest.raises(RowError, match="cohort 'a' has more than one row"):
        read(triangle().set_axis(["a", "a", "b"]))
    with pytest.raises(ColumnError, match="must hold numbers"):
        read(triangle(values={"a": ["63%", "40%", "20%"]}))
    with pytest.raises(DataError, match="is empty"):
        read(triangle().head(0))
    with pytest.raises(ColumnError, match="no column 'plan'"):
        read(triangle(), cohort="plan")
    with pytest.raises(ColumnError, match="several levels"):
        read(triangle().set_axis(pd.MultiIndex.from_tuples([("a", 1), ("b", 2), ("c", 3)])))


def test_sixty_cohorts_are_read_at_once():
    values = {f"c{i:02d}": [1000 - 5 * j if j < 60 - i else np.nan for j in range(60)] for i in range(60)}
    histories = read(pd.DataFrame.from_dict(values, orient="index"))
    assert len(histories) == 60_000
    assert len(histories.cohorts) == 60


@pytest.mark.parametrize("label", ["Gesamt", "total", "Summe:", "a third one"])
def test_a_row_of_totals_is_no_cohort(label):
    triangle = pd.DataFrame({0: [100, 90, 190], 1: [80, 70, 150]}, index=["2024-01", "2024-02", label])
    with pytest.raises(RowError, match=rf"cohort '{label}' is the sum of all other cohorts.*table.drop\(index="):
        kw.ContractHistories.from_triangle(triangle)
    rows = triangle.rename_axis("cohort").reset_index().melt("cohort", var_name="renewal", value_name="survivors")
    with pytest.raises(RowError, match=f"cohort '{label}' is the sum"):
        kw.ContractHistories.from_cohorts(rows, cohort="cohort")
    assert len(kw.ContractHistories.from_triangle(triangle.drop(index=label))) == 190


def test_totals_are_known_by_their_name_where_numbers_do_not_tell():
    triangle = pd.DataFrame({0: [90, 90], 1: [80, 80]}, index=["2024-01", "Gesamt"])
    with pytest.raises(RowError, match="is called like the sum of all other cohorts"):
        kw.ContractHistories.from_triangle(triangle)
    alone = kw.ContractHistories.from_triangle(triangle.loc[["Gesamt"]])
    assert len(alone) == 90


@pytest.mark.parametrize(
    "texts, line, first",
    [
        (["1520", "900"], r"pd\.to_numeric\(table\['0'\]\)", 1520),
        (["1,0", "0,9"], r"pd\.to_numeric\(table\['0'\]\.str\.replace\('\.', ''\)\.str\.replace\(',', '\.'\)\)", 1),
        (["1.520", "1.900"], r"pd\.to_numeric\(table\['0'\]\.str\.replace\('\.', ''\)\)", 1520),
    ],
    ids=["digits", "decimal comma", "thousands"],
)
def test_numbers_in_text_are_read_by_a_line_in_the_error(texts, line, first):
    table = pd.DataFrame({"0": texts, "1": [1, 1]}, index=["a", "b"])
    with pytest.raises(ColumnError, match=line) as refused:
        kw.ContractHistories.from_triangle(table)
    found = re.search(line, str(refused.value))
    assert found is not None
    assert eval(found[0], {"pd": pd, "table": table}).iloc[0] == first  # noqa: S307 -- that the line works is what is tested
