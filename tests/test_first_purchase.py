"""first_purchase=: customers acquired before the log are set aside, and what cannot be is refused or audited."""

import datetime as dt

import numpy as np
import pandas as pd
import polars as pl
import pytest

import kundenwert as kw
from kundenwert.errors import (
    ColumnError,
    DataError,
    FirstPurchaseWarning,
    LogBeginsLateWarning,
    RowError,
    SpecificationError,
)
from tests.clean_logs import PARETO, drawn

LOG = pd.DataFrame(
    {
        "who": ["old", "new", "old", "new", "later"],
        "when": pd.to_datetime(["2024-01-01", "2024-01-05", "2024-01-07", "2024-01-09", "2024-01-20"]),
        "paid": [5.0, 7.0, 6.0, 8.0, 9.0],
        "won": pd.to_datetime(["2023-06-01", "2024-01-05", "2023-06-01", "2024-01-05", "2024-01-20"]),
    }
)
BASE = LOG[["who", "won"]].drop_duplicates("who")


def summary(log=LOG, **arguments):
    given = {"customer": "who", "time": "when", "amount": "paid", "unit": "day", "first_purchase": "won"}
    return kw.summarize(log, **(given | arguments))


def plain(log, **arguments):
    return kw.summarize(log, **({"customer": "customer_id", "time": "date", "amount": "amount"} | arguments))


@pytest.mark.parametrize("convert", [pd.DataFrame, pl.from_pandas, lambda frame: pl.from_pandas(frame).to_arrow()])
@pytest.mark.parametrize("apart", [False, True])
def test_customers_acquired_before_the_log_are_set_aside_and_counted(convert, apart):
    arguments = {"customers": convert(BASE)} if apart else {}
    made = summary(convert(LOG.drop(columns="won") if apart else LOG), until="2024-01-31", **arguments)
    assert list(made.customer_id) == ["new", "later"]
    np.testing.assert_array_equal(made.T, [26, 11])
    audit = made.audit
    assert audit.dropped == {"of customers: acquired before the log begins": 2}
    assert audit.customers_left_out == {"acquired before the log begins": 1}
    assert audit.rows_read == audit.kept + audit.merged + audit.refunds + sum(audit.dropped.values())


def test_the_others_are_as_they_were():
    alone = summary(LOG[LOG["who"] != "old"], first_purchase=None, until="2024-01-31")
    pd.testing.assert_frame_equal(summary(until="2024-01-31").to_pandas(), alone.to_pandas())


def test_new_customers_of_a_log_that_begins_in_the_middle_look_right_again():
    whole = drawn(PARETO, np.random.default_rng(2), customers=3_000, over=120, weeks=120)
    first = whole.groupby("customer_id")["date"].min().rename("first").reset_index()
    cut = whole[whole["date"] >= "2024-07-01"]
    with pytest.warns(LogBeginsLateWarning):
        plain(cut)
    made = plain(cut, customers=first, first_purchase="first")
    assert made.audit.findings == {}
    expected = plain(whole).select(made.customer_id)
    pd.testing.assert_frame_equal(made.to_pandas(), expected.to_pandas())
    assert len(made) == (first["first"] >= "2024-07-01").sum()


def test_a_table_of_customers_may_hold_more_and_have_its_ids_in_the_index():
    more = pd.concat([BASE, pd.DataFrame({"who": ["nobody"], "won": [pd.NaT]})])
    log = LOG.drop(columns="won")
    for customers in (more, more.set_index("who"), more.iloc[::-1]):
        assert list(summary(log, customers=customers).customer_id) == ["new", "later"]


def test_text_and_dates_are_read_like_the_log():
    text = LOG.assign(when=LOG["when"].dt.strftime("%d.%m.%Y"), won=LOG["won"].dt.strftime("%d.%m.%Y"))
    assert len(summary(text, time_format="%d.%m.%Y")) == 2
    iso = LOG.assign(won=LOG["won"].astype(str))
    assert len(summary(iso, parse_dates=True)) == 2
    with pytest.raises(ColumnError, match="'won' must be dates or datetimes, got text such as '2023-06-01'"):
        summary(iso)
    assert len(summary(LOG.assign(won=LOG["won"].dt.date))) == 2


class TestZones:
    def test_another_zone_is_converted(self):
        log = LOG.assign(
            when=LOG["when"].dt.tz_localize("Europe/Berlin"),
            won=LOG["won"].dt.tz_localize("Europe/Berlin").dt.tz_convert("UTC"),  # the evening before, in UTC
        )
        assert list(summary(log).customer_id) == ["new", "later"]

    def test_whole_days_fit_every_zone(self):
        log = LOG.assign(when=LOG["when"].dt.tz_localize("America/New_York"))
        assert list(summary(log).customer_id) == ["new", "later"]

    def test_a_zone_on_one_side_only_is_refused(self):
        with pytest.raises(ColumnError, match="'won' is in time zone UTC, but the times of the log have none"):
            summary(LOG.assign(won=LOG["won"].dt.tz_localize("UTC")))
        log = LOG.assign(when=LOG["when"].dt.tz_localize("UTC"), won=LOG["won"] + pd.Timedelta(hours=3))
        with pytest.raises(ColumnError, match="'won' has times of day without a time zone, but the log is in UTC"):
            summary(log)


class TestWhatCannotBe:
    @pytest.mark.parametrize(
        "who, won, message, reason",
        [
            (
                "new",
                ["2024-01-06", "2024-01-06"],
                "'new' bought on 2024-01-05, before its first purchase: column 'won' holds 2024-01-06",
                "bought before the first purchase given",
            ),
            (
                "new",
                ["2024-01-05", "2024-01-04"],
                "'new' has several first purchases: column 'won' holds 2024-01-04 as well as 2024-01-05",
                "several first purchases given",
            ),
            (
                "new",
                [None, None],
                "'new' has no readable first purchase: column 'won' of the log holds ",
                "no first purchase given",
            ),
        ],
    )
    def test_it_is_refused_or_left_out_with_a_reason(self, who, won, message, reason):
        log = LOG.copy()
        log.loc[log["who"] == who, "won"] = pd.to_datetime(won)
        with pytest.raises(RowError, match=rf"customer {message}.*\(1 such customers\).*on_bad_rows='drop'"):
            summary(log)
        audit = summary(log, on_bad_rows="drop").audit
        assert audit.customers_left_out == {"acquired before the log begins": 1, reason: 1}
        assert audit.dropped == {"of customers: acquired before the log begins": 2, f"of customers: {reason}": 2}

    def test_unreadable_text_is_shown(self):
        log = LOG.assign(won=LOG["won"].astype(str).replace("2024-01-20", "soon"))
        with pytest.raises(
            RowError, match="'later' has no readable first purchase: column 'won' of the log holds 'soon'"
        ):
            summary(log, parse_dates=True)

    def test_a_customer_missing_from_the_table(self):
        with pytest.raises(RowError, match="'later' has no readable first purchase: customers does not have this"):
            summary(LOG.drop(columns="won"), customers=BASE[BASE["who"] != "later"])

    def test_one_row_of_several_is_enough(self):
        log = LOG.copy()
        log.loc[3, "won"] = pd.NaT
        assert list(summary(log).customer_id) == ["new", "later"]

    def test_it_may_be_missing_for_those_who_bought_nothing(self):
        late = LOG.copy()
        late.loc[4, "won"] = pd.NaT
        made = summary(late, until="2024-01-15")
        assert made.audit.customers_left_out == {
            "acquired before the log begins": 1,
            "first purchase after until": 1,
        }

    def test_a_first_purchase_that_the_log_lacks_is_told(self):
        log = LOG.copy()
        log.loc[log["who"] == "later", "won"] = pd.Timestamp("2024-01-03")
        with pytest.warns(
            FirstPurchaseWarning, match="'later' should have bought on 2024-01-03, .* row is of 2024-01-20"
        ):
            made = summary(log)
        assert list(made.customer_id) == ["new", "later"]
        assert list(made.audit.findings) == ["FirstPurchaseWarning"]

    def test_nobody_may_be_left(self):
        with pytest.raises(DataError, match=r"none of the 3 customers is left: 3 were acquired before the log begins"):
            summary(LOG.assign(won=pd.Timestamp("2020-01-01")))


class TestArguments:
    def test_tables_and_columns(self):
        with pytest.raises(SpecificationError, match="name its column, first_purchase='…', or leave it out"):
            summary(customers=BASE, first_purchase=None)
        with pytest.raises(ColumnError, match="column 'won' is in the log and in customers"):
            summary(customers=BASE)
        with pytest.raises(SpecificationError, match="first_purchase='won' is a column of the log, so that customers"):
            summary(customers=BASE.rename(columns={"won": "since"}))
        with pytest.raises(ColumnError, match="the log has no column 'wno'; did you mean 'won'"):
            summary(first_purchase="wno")
        with pytest.raises(ColumnError, match="customers has no column 'who'"):
            summary(LOG.drop(columns="won"), customers=BASE.rename(columns={"who": "id"}))
        with pytest.raises(ColumnError, match="column 'when' is named for two things"):
            summary(first_purchase="when")

    def test_ids(self):
        log = LOG.drop(columns="won")
        with pytest.raises(RowError, match="customer 'old' occurs more than once in customers"):
            summary(log, customers=LOG[["who", "won"]])
        with pytest.raises(DataError, match="none of the customers of the log: it has ids such as 1, the log 'old'"):
            summary(log, customers=BASE.assign(who=[1, 2, 3]))
        with pytest.raises(DataError, match="it has no rows"):
            summary(log, customers=BASE.iloc[:0])

    def test_types(self):
        with pytest.raises(ColumnError, match="'won' must be dates or datetimes"):
            summary(LOG.assign(won=pd.Series([dt.time(12)] * 5, dtype=object)))
        with pytest.raises(DataError, match="customers must be a pandas, Polars or PyArrow"):
            summary(LOG.drop(columns="won"), customers=[1])
