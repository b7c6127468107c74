"""What customers have contributed so far: by hand, on CDNOW and on a few rows."""

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import kundenwert as kw
from kundenwert.errors import (
    ColumnError,
    DataError,
    DurationError,
    MissingInformationError,
    RowError,
    SpecificationError,
)
from tests import cdnow
from tests.contracts import active

PLAIN = kw.Economics(margin=0.5, annual_discount_rate=0.0)
SHOP = kw.Economics(margin=0.3, annual_discount_rate=0.1, order_cost=2.0, acquisition_cost=8.0)
COLUMNS = ["revenue", "margin", "order_cost", "acquisition_cost", "contribution"]


def log(*rows):
    frame = pd.DataFrame(rows, columns=["who", "when", "paid"])
    return frame.assign(when=pd.to_datetime(frame["when"], format="ISO8601"), paid=frame["paid"].astype(float))


def summary(frame, **more):
    return kw.summarize(frame, **({"customer": "who", "time": "when", "amount": "paid", "until": "2024-12-31"} | more))


ROWS = log(
    ("b", "2024-01-10", 50),
    ("a", "2023-12-31", 10),
    ("a", "2024-06-30", 20),
    ("a", "2024-06-30", 30),
    ("a", "2025-01-01", 99),
)


def test_cdnow_by_hand():
    everybody = cdnow.histories()
    table = kw.contribution_to_date(kw.datasets.cdnow(), everybody, SHOP)
    frame = kw.datasets.cdnow().query("date <= '1997-09-30'")
    frame = frame.groupby(["customer_id", "date"])["amount"].sum().reset_index()
    frame["counts"] = 1.1 ** ((pd.Timestamp("1997-09-30") - frame["date"]).dt.days / 365.25)
    frame["margin"] = 0.3 * frame["amount"] * frame["counts"]
    frame["order_cost"] = 2.0 * frame["counts"]
    by_hand = frame.groupby("customer_id").agg(
        revenue=("amount", "sum"), margin=("margin", "sum"), order_cost=("order_cost", "sum"), won=("counts", "max")
    )
    assert list(table.columns) == COLUMNS
    assert table.index.equals(everybody.customer_id)
    for name in ("revenue", "margin", "order_cost"):
        np.testing.assert_allclose(table[name], by_hand[name][table.index], rtol=1e-12)
    np.testing.assert_allclose(table["acquisition_cost"], 8.0 * by_hand["won"][table.index], rtol=1e-12)
    costs = table["order_cost"] + table["acquisition_cost"]
    np.testing.assert_allclose(table["contribution"], table["margin"] - costs, atol=1e-12)
    spend = everybody.spend
    np.testing.assert_allclose(table["revenue"], spend.total + spend.first_amount, rtol=1e-11)


def test_an_occasion_is_a_step_and_ends_with_the_observation():
    economics = kw.Economics(margin=0.5, annual_discount_rate=0.0, order_cost=3.0)
    table = kw.contribution_to_date(ROWS, summary(ROWS), economics)
    assert table.to_numpy().tolist() == [[50.0, 25.0, 3.0, 0.0, 22.0], [60.0, 30.0, 6.0, 0.0, 24.0]]
    assert list(table.index) == ["b", "a"]
    assert table.index.name == "customer_id"


def test_a_past_euro_counts_more_as_one_to_come_counts_less():
    rows = log(("a", "2023-01-01", 100), ("a", "2024-12-31", 100))
    economics = kw.Economics(margin=0.5, annual_discount_rate=0.2, order_cost=1.0, acquisition_cost=7.0)
    growth = 1.2 ** (730 / 365.25)
    (found,) = kw.contribution_to_date(rows, summary(rows), economics).to_numpy()
    np.testing.assert_allclose(
        found, [200, 50 * (1 + growth), 1 + growth, 7 * growth, 50 + 50 * growth - 1 - 8 * growth], rtol=1e-12
    )


@pytest.mark.parametrize("resolution", ["hour", "day", "week"])
def test_age_is_in_years_whatever_the_resolution(resolution):
    rows = log(("a", "2023-01-02 00:30", 100), ("a", "2024-12-23", 0))  # Mondays
    table = kw.contribution_to_date(rows, summary(rows, until="2024-12-23 00:59", resolution=resolution), SHOP)
    assert table.loc["a", "margin"] == pytest.approx(30 * 1.1 ** (721 / 365.25), rel=1e-12)


def test_refunds_are_treated_as_in_the_histories():
    rows = log(
        ("a", "2024-01-10", 10),
        ("a", "2024-02-02", -4),
        ("a", "2024-02-10", 20),
        ("a", "2024-02-11", -50),
        ("a", "2025-02-11", -1),  # after the end of observation
        ("b", "2024-03-01", 5),
        ("b", "2024-02-01", -3),  # no purchase before it
    )
    kept = kw.contribution_to_date(rows, summary(rows), PLAIN)
    assert kept["revenue"].tolist() == [30.0, 5.0]
    netted = kw.contribution_to_date(rows, summary(rows, net_refunds=True), PLAIN)
    assert netted["revenue"].tolist() == [6.0, 5.0]
    assert netted["margin"].tolist() == [3.0, 2.5]


def test_some_of_the_customers_will_do_and_others_are_not_theirs():
    everybody = kw.contribution_to_date(ROWS, summary(ROWS), SHOP)
    for order in (["a", "b"], ["b"], []):
        some = kw.contribution_to_date(ROWS, summary(ROWS).select(order), SHOP)
        pd.testing.assert_frame_equal(some, everybody.reindex(order).rename_axis("customer_id"), check_index_type=False)


@pytest.mark.parametrize("convert", [pl.from_pandas, lambda frame: pl.from_pandas(frame).to_arrow()])
def test_other_libraries_give_the_same(convert):
    pd.testing.assert_frame_equal(
        kw.contribution_to_date(convert(ROWS), summary(ROWS), SHOP),
        kw.contribution_to_date(ROWS, summary(ROWS), SHOP),
    )


@pytest.mark.parametrize(
    "margin",
    [
        kw.Growing(start=0.4, annual_growth_rate=0.05),
        kw.Schedule([0.4, 0.9], every=kw.years(1)),
        kw.PerCustomer("share"),
        kw.Growing(start=kw.PerCustomer("share"), annual_growth_rate=0.05),
    ],
)
def test_paths_describe_the_future_and_start_from_the_past(margin):
    customers = pd.DataFrame({"customer_id": ["a", "b", "c"], "share": [0.4, 0.4, 9.0]})
    rate = kw.Schedule([0.1, 0.9], every=kw.years(1))
    economics = kw.Economics(margin=margin, annual_discount_rate=rate)
    found = kw.contribution_to_date(ROWS, summary(ROWS), economics, customers=customers)
    flat = kw.Economics(margin=0.4, annual_discount_rate=0.1)
    pd.testing.assert_frame_equal(found, kw.contribution_to_date(ROWS, summary(ROWS), flat), rtol=1e-12)


BY_CHANNEL = kw.Economics(margin=0.5, annual_discount_rate=0.0, acquisition_cost={"search": 4.0, "social": 9.0})


@pytest.mark.parametrize("dtype", ["str", "category", "object"])
def test_acquisition_costs_by_channel(dtype):
    customers = pd.DataFrame({"customer_id": ["a", "x", "b"], "channel": ["search", "radio", "social"]})
    customers["channel"] = customers["channel"].astype(dtype)
    found = kw.contribution_to_date(ROWS, summary(ROWS), BY_CHANNEL, customers=customers)
    assert found["acquisition_cost"].to_dict() == {"b": 9.0, "a": 4.0}
    renamed = pl.from_pandas(customers.rename(columns={"channel": "came by"}))
    again = kw.contribution_to_date(ROWS, summary(ROWS), BY_CHANNEL, customers=renamed, channel="came by")
    pd.testing.assert_frame_equal(again, found)


def test_what_customers_cost_may_be_their_own():
    customers = pd.DataFrame({"customer_id": ["a", "b"], "won": [4.0, 9.0], "order": [1.0, 2.0]})
    economics = kw.Economics(
        margin=0.5,
        annual_discount_rate=0.0,
        order_cost=kw.PerCustomer("order"),
        acquisition_cost=kw.PerCustomer("won"),
    )
    found = kw.contribution_to_date(ROWS, summary(ROWS), economics, customers=customers)
    assert found["contribution"].to_dict() == {"b": 25.0 - 2.0 - 9.0, "a": 30.0 - 2 * 1.0 - 4.0}


def test_bad_input_is_named():
    untyped: Any = kw  # type checkers would refuse these calls
    histories, ready = summary(ROWS), kw.CustomerHistories.from_pandas(cdnow.histories().to_pandas(), unit="week")
    with pytest.raises(MissingInformationError, match=r"ready-made table.*kundenwert\.summarize"):
        kw.contribution_to_date(ROWS, ready, SHOP)
    with pytest.raises(MissingInformationError, match=r"made without amounts.*amount="):
        kw.contribution_to_date(ROWS, summary(ROWS, amount=None), SHOP)
    with pytest.raises(DataError, match="takes CustomerHistories, got ContractHistories"):
        kw.contribution_to_date(ROWS, active([1]), SHOP)
    with pytest.raises(SpecificationError, match="must be an Economics, got float"):
        untyped.contribution_to_date(ROWS, histories, 0.3)
    with pytest.raises(DataError, match="ids are such as 7 in the log and 'b' in the histories"):
        kw.contribution_to_date(ROWS.assign(who=7), histories, SHOP)
    with pytest.raises(ColumnError, match="no column 'paid'"):
        kw.contribution_to_date(ROWS.drop(columns="paid"), histories, SHOP)


def test_another_log_is_noticed():
    histories = summary(ROWS)
    message = r"customer 'a' has 1 purchases in the log, the first on 2023-12-31; in the histories there are 2.*1 such"
    with pytest.raises(RowError, match=message):
        kw.contribution_to_date(ROWS.iloc[:2], histories, SHOP)
    with pytest.raises(RowError, match="customer 'b' has 0 purchases in the log; in the histories there are 1"):
        kw.contribution_to_date(ROWS.iloc[1:], histories, SHOP)
    moved = ROWS.assign(when=ROWS["when"] - pd.Timedelta(days=3))
    with pytest.raises(RowError, match="the first on 2024-01-07; in the histories there are 1, the first on 2024-01-1"):
        kw.contribution_to_date(moved.iloc[:4], histories, SHOP)


def test_other_amounts_are_noticed():
    histories = summary(ROWS)
    again = r"in the same currency and with no row twice, or make them anew"
    with pytest.raises(RowError, match=rf"'b' paid 55 for the first purchase .* is 50 \(2 such customers\).*{again}"):
        kw.contribution_to_date(ROWS.assign(paid=ROWS["paid"] * 1.1), histories, SHOP)
    twice = pd.concat([ROWS, ROWS.iloc[[3]]])
    with pytest.raises(RowError, match=r"customer 'a' paid 80 for repeat purchases in the log.* is 50 \(1 such"):
        kw.contribution_to_date(twice, histories, SHOP)
    twice = pd.concat([ROWS, ROWS.iloc[[1]]])
    with pytest.raises(RowError, match=r"customer 'a' paid 20 for the first purchase in the log; .* is 10 "):
        kw.contribution_to_date(twice, histories, SHOP)
    hardly = ROWS.assign(paid=ROWS["paid"] * (1 + 1e-8))
    with pytest.raises(RowError, match=r"paid 50\.0000005 for the first purchase"):
        kw.contribution_to_date(hardly, histories, SHOP)


def test_rounding_is_no_other_log():
    """What is left after refunds depends on the order of the rows, in its last digits."""
    rng = np.random.default_rng(3)
    rows = log(*[("a", "2024-01-10", round(amount, 2)) for amount in rng.gamma(2, 50, 200)])
    refunds = rows.assign(paid=-rows["paid"])
    more = log(("a", "2024-05-01", 20), ("b", "2024-01-10", 5))
    everything = pd.concat([rows, more, refunds.sample(frac=1, random_state=1).assign(when=rows["when"].max())])
    histories = summary(everything, net_refunds=True)
    for seed in range(20):
        shuffled = everything.sample(frac=1, random_state=seed)
        revenue = kw.contribution_to_date(shuffled, histories, SHOP)["revenue"]
        assert revenue.to_dict() == pytest.approx({"a": 20.0, "b": 5.0}, abs=1e-9)


def test_channels_must_be_known():
    histories = summary(ROWS)
    customers = pd.DataFrame({"customer_id": ["a", "b"], "channel": ["search", "radio"], "number": [1, 2]})
    with pytest.raises(MissingInformationError, match=r"by channel \('search', 'social'\).*customer_id and channel"):
        kw.contribution_to_date(ROWS, histories, BY_CHANNEL)
    with pytest.raises(RowError, match=r"customer 'b' has the channel 'radio'.*knows 'search', 'social'"):
        kw.contribution_to_date(ROWS, histories, BY_CHANNEL, customers=customers)
    with pytest.raises(RowError, match="customer 'b' has no channel"):
        kw.contribution_to_date(ROWS, histories, BY_CHANNEL, customers=customers.replace("radio", None))
    with pytest.raises(RowError, match=r"no row for customer 'b'.*the channel"):
        kw.contribution_to_date(ROWS, histories, BY_CHANNEL, customers=customers.iloc[:1])
    with pytest.raises(ColumnError, match="no column 'chanel'; did you mean 'channel'"):
        kw.contribution_to_date(ROWS, histories, BY_CHANNEL, customers=customers, channel="chanel")
    with pytest.raises(ColumnError, match="channels in column 'number' must be strings"):
        kw.contribution_to_date(ROWS, histories, BY_CHANNEL, customers=customers, channel="number")


@pytest.mark.parametrize(
    "every, labels",
    [
        (kw.weeks(1), ["2024-01-08", "2023-12-25"]),
        (kw.days(7), ["2024-01-08", "2023-12-25"]),
        (kw.months(1), ["2024-01", "2023-12"]),
        (kw.months(3), ["2024-Q1", "2023-Q4"]),
        (kw.months(12), ["2024", "2023"]),
    ],
)
@pytest.mark.parametrize("resolution", ["hour", "day", "week"])
def test_cohorts_are_periods_of_the_calendar(every, labels, resolution):
    cohorts = kw.acquisition_cohort(summary(ROWS, resolution=resolution), every=every)
    assert cohorts.to_dict() == dict(zip("ba", labels, strict=True))
    assert cohorts.name == "cohort"
    assert cohorts.index.name == "customer_id"


def test_cohorts_agree_with_pandas():
    first = kw.datasets.cdnow().groupby("customer_id")["date"].min()
    for every, name in ((kw.months(1), "M"), (kw.years(1), "Y")):
        cohorts = kw.acquisition_cohort(cdnow.histories(), every=every)
        assert (cohorts == first[cohorts.index].dt.to_period(name).astype(str)).all()
    weeks = kw.acquisition_cohort(cdnow.histories(), every=kw.weeks(1))
    assert (weeks == first[weeks.index].dt.to_period("W").dt.start_time.dt.strftime("%Y-%m-%d")).all()


def test_cohorts_need_dates_and_a_period():
    ready = kw.CustomerHistories.from_pandas(cdnow.histories().to_pandas(), unit="week")
    with pytest.raises(MissingInformationError, match="ready-made table"):
        kw.acquisition_cohort(ready, every=kw.months(1))
    with pytest.raises(DataError, match="takes CustomerHistories, got ContractHistories"):
        kw.acquisition_cohort(active([1]), every=kw.months(1))
    others: Any = (kw.months(2), kw.days(10), "month", 1, kw.opportunities(1), kw.LIFETIME)
    for every in others:
        with pytest.raises(DurationError, match=r"one of kundenwert\.weeks\(1\), kundenwert\.months\(1\)"):
            kw.acquisition_cohort(cdnow.histories(), every=every)
