"""Rows of ready-made tables that cannot be used: refused with the first of them, or left out and counted."""

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import kundenwert as kw
from kundenwert.errors import DataError, RowError, SpecificationError
from tests import campaigns

CUSTOMERS = pd.DataFrame(
    {
        "customer_id": ["a", "b", None, "c", "d", "e", "f", "g"],
        "frequency": [2.0, 0.0, 1.0, -1.0, 1.5, 3.0, 1.0, 2.0],
        "recency": [5.0, 0.0, 1.0, 1.0, 1.0, 30.0, np.nan, 4.0],
        "T": [10.0, 10.0, 10.0, 10.0, 10.0, 20.0, 20.0, 20.0],
        "monetary_value": [7.0, np.nan, 1.0, 1.0, 1.0, 1.0, 1.0, -3.0],
    }
)
OPPORTUNITIES = pd.DataFrame(
    {
        "customer_id": ["a", "b", None, "c", "d"],
        "frequency": [1, 0, 1, 3, 1],
        "recency": [2, 0, 1, 1, 0],
        "opportunities": [5, 5, 5, 5, 5],
    }
)
CONTRACTS = pd.DataFrame(
    {
        "customer_id": ["a", "b", None, "c", "d", "e"],
        "tenure": [1.0, 2.0, 1.0, np.nan, 2.0, 1.0],
        "ended": [0, 1, 0, 0, 2, 0],
        "cohort": ["x", "y", "x", "x", "x", None],
    }
)
CAMPAIGN = pd.DataFrame(
    {
        "customer_id": pd.array([2, 0, 3, 1, 9, None], dtype="Int64"),
        "offer": ["A", None, " ", None, "A", None],
        "returned": [1.0, 0.0, 0.0, np.nan, 1.0, 0.0],
        "channel": ["web", "web", "web", "web", "web", "web"],
    }
)


def campaign(frame, **more) -> Any:
    organic = campaigns.organic_of(np.random.default_rng(0), 4)
    return kw.CampaignLog.from_pandas(frame, organic=organic, window=campaigns.WINDOW, covariates=["channel"], **more)


def customers(frame, **more) -> Any:
    return kw.CustomerHistories.from_pandas(frame, unit="week", **more)


def contracts(frame, **more) -> Any:
    return kw.ContractHistories.from_pandas(frame, cohort="cohort", **more)


CASES: Any = {
    "customers": (
        customers,
        CUSTOMERS,
        ["a", "b"],
        "row 2 has no customer id",
        {"no customer id": 1, "frequency": 2, "frequency and monetary_value": 1, "recency and T": 2},
    ),
    "opportunities": (
        kw.OpportunityHistories.from_pandas,
        OPPORTUNITIES,
        ["a", "b"],
        "row 2 has no customer id",
        {"no customer id": 1, "frequency and recency and opportunities": 2},
    ),
    "contracts": (
        contracts,
        CONTRACTS,
        ["a", "b"],
        "row 2 has no customer id",
        {"no customer id": 1, "tenure": 1, "ended": 1, "no cohort": 1},
    ),
    "campaign": (
        campaign,
        CAMPAIGN,
        [2, 0],
        "row 5 has no customer id",
        {"no customer id": 1, "a blank offer": 1, "returned": 1, "no organic return": 1},
    ),
}


@pytest.mark.parametrize("read, frame, kept, first, dropped", CASES.values(), ids=CASES)
@pytest.mark.parametrize("make", [lambda frame: frame, pl.from_pandas], ids=["pandas", "polars"])
def test_bad_rows_are_left_out_and_counted(make, read, frame, kept, first, dropped):
    with pytest.raises(RowError, match=first) as caught:
        read(make(frame))
    assert "or pass on_bad_rows='drop' to leave such rows out" in str(caught.value)
    histories = read(make(frame), on_bad_rows="drop")
    assert histories.customer_id.tolist() == kept
    audit = histories.audit
    assert (audit.rows_read, audit.kept, audit.customers) == (len(frame), len(kept), len(kept))
    assert audit.rows_read == audit.kept + sum(audit.dropped.values())
    assert {reason.partition(":")[0]: count for reason, count in audit.dropped.items()} == dropped
    # the same as from a table without these rows
    clean = frame[frame["customer_id"].isin(kept)]
    pd.testing.assert_frame_equal(histories.to_pandas(), read(make(clean)).to_pandas())
    assert "dropped: no customer id" in str(audit)


@pytest.mark.parametrize("read, frame, kept, first, dropped", CASES.values(), ids=CASES)
def test_a_table_without_bad_rows_is_the_same_either_way(read, frame, kept, first, dropped):  # noqa: ARG001 - one table
    clean = frame[frame["customer_id"].isin(kept)]
    strict, dropping = read(clean), read(clean, on_bad_rows="drop")
    assert dropping.audit == strict.audit
    pd.testing.assert_frame_equal(strict.to_pandas(), dropping.to_pandas())


def test_nothing_usable_shows_a_value():
    frame = CUSTOMERS[CUSTOMERS["customer_id"].isin(["c", "d"])]
    with pytest.raises(DataError, match=r"none of the 2 rows .*frequency: expected a whole.*'c' .*has frequency = -1"):
        customers(frame, on_bad_rows="drop")
    nobody = CUSTOMERS.assign(customer_id=pd.array([None] * 8, dtype="str"))
    with pytest.raises(DataError, match=r"none of the 8 rows .*no customer id: 8.*row 0 has no customer id"):
        customers(nobody, on_bad_rows="drop")


def test_a_customer_twice_is_an_error_either_way():
    frame = CUSTOMERS.iloc[[0, 1, 0]]
    for how in ("raise", "drop"):
        with pytest.raises(RowError, match="customer 'a' occurs more than once") as caught:
            customers(frame, on_bad_rows=how)
        assert "on_bad_rows" not in str(caught.value)


def test_ids_in_the_index_and_a_wrong_choice():
    indexed = CUSTOMERS.set_index("customer_id")
    assert customers(indexed, on_bad_rows="drop").customer_id.tolist() == ["a", "b"]
    with pytest.raises(SpecificationError, match="on_bad_rows='ignore' is unknown; expected 'raise' or 'drop'"):
        customers(CUSTOMERS, on_bad_rows="ignore")


def test_an_error_tells_which_rows():
    with pytest.raises(RowError) as caught:
        customers(CUSTOMERS[CUSTOMERS["customer_id"].notna()])
    assert caught.value.rows == [False, False, True, True, False, False, False]
    assert caught.value.reason.startswith("frequency: expected a whole number")
