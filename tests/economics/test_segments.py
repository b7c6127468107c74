"""Segments: probabilities against futures and against what came true, thresholds, ties, what segments are worth."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import kundenwert as kw
from kundenwert.errors import (
    ColumnError,
    DataError,
    InfiniteValueError,
    KundenwertError,
    MissingInformationError,
    RowError,
    SpecificationError,
)
from tests import cdnow, contracts
from tests.customers import histories_of

SHOP = kw.Economics(margin=0.3, annual_discount_rate=0.1, order_cost=2.0, currency="USD")
FREE = replace(SHOP, order_cost=0.0)
SEGMENTS = ["top performer", "high potential", "fading", "low value"]
MBG = kw.fixed(kw.MBGNBD.Parameters(r=0.5, alpha=6.0, a=0.9, b=1.6, unit="week"))
FEE = kw.KnownAmount(40.0)
FOUR = histories_of([6, 4, 1, 0], [36, 5, 30, 0], [39, 39, 31, 30], unit="week", customer_id=list("dacb"))
PAST = pd.DataFrame({"contribution": [50.0, 40, 10, -2]}, index=pd.Index(list("dacb"), name="customer_id"))


def segmented(purchases=MBG, spend=FEE, histories=FOUR, economics=FREE, contribution=PAST, **more) -> Any:
    options: Any = {
        "horizon": kw.years(2),
        "futures": 500,
        "seed": 1,
        "contribution_from": 20.0,
        "value_from": 5.0,
    } | more
    return kw.segment(purchases, spend, histories, economics, contribution, **options)


@pytest.fixture(scope="module")
def market():
    purchases, spend = cdnow.posterior("MBGNBD").thinned(100), cdnow.posterior("GammaGamma").thinned(100)
    base = cdnow.sample(400)
    to_date = kw.contribution_to_date(kw.datasets.cdnow(), base, SHOP)
    options: Any = {"horizon": kw.years(3), "futures": 200, "seed": 1}
    return base, to_date, kw.segment(purchases, spend, base, SHOP, to_date, **options), (purchases, spend)


def test_the_table(market):
    base, to_date, found, (purchases, spend) = market
    table = found.table
    assert list(table.columns) == ["segment", "contribution", "expected", *SEGMENTS]
    assert table.index.equals(base.customer_id)
    assert list(table["segment"].cat.categories) == SEGMENTS
    assert table["segment"].cat.ordered
    chances = table[SEGMENTS]
    assert ((chances >= 0) & (chances <= 1)).all(axis=None)
    np.testing.assert_allclose(chances.sum(axis=1), 1, rtol=1e-12)
    assert (chances.idxmax(axis=1) == table["segment"].astype(str)).all()
    np.testing.assert_array_equal(table["contribution"], to_date["contribution"])
    expected = kw.net_present_value(purchases, spend, base, SHOP, horizon=kw.years(3))["mean"]
    np.testing.assert_allclose(table["expected"], expected, rtol=1e-12)
    # what was contributed is known
    high = to_date["contribution"] >= found.contribution_from
    assert (chances.loc[high, ["high potential", "low value"]] == 0).all(axis=None)
    assert (chances.loc[~high, ["top performer", "fading"]] == 0).all(axis=None)
    assert high.mean() == pytest.approx(0.2, abs=1 / 400)
    assert (table["expected"] >= found.value_from).mean() == pytest.approx(0.2, abs=1 / 400)
    assert found.contribution_from == pytest.approx(np.quantile(to_date["contribution"], 0.8))


def test_the_summary_is_that_of_the_segments(market):
    base, to_date, found, (purchases, spend) = market
    equity = kw.customer_equity(
        purchases,
        spend,
        base,
        SHOP,
        horizon=kw.years(3),
        by=found.table["segment"].astype(str),
        contribution=to_date,
    )
    pd.testing.assert_frame_equal(found.equity.table, equity.table)
    summary = found.summary
    assert list(summary.index) == SEGMENTS
    present = [name for name in SEGMENTS if name in equity.table.index]
    for column in ("customers", "npv", "npv_upper", "margin", "order_cost", "contribution"):
        np.testing.assert_allclose(summary.loc[present, column], equity.table.loc[present, column], rtol=1e-12)
    assert summary["customers"].sum() == 400
    assert summary["expected_customers"].sum() == pytest.approx(400)
    np.testing.assert_allclose(summary["expected_customers"], found.table[SEGMENTS].sum())
    assert summary["npv"].sum() == pytest.approx(equity.total.mean)
    assert repr(found).startswith("Segmentation of 400 customers (contribution from ")


def test_the_chance_is_the_share_of_futures_that_reach_the_threshold():
    """At a threshold of anything above nothing, it is the return probability."""
    found = segmented(value_from=1e-9, futures=20_000).table
    returns = MBG.return_probability(FOUR, horizon=kw.years(2))["mean"]
    chance = found["top performer"] + found["high potential"]
    assert (np.abs(chance - returns) < 4 * np.sqrt(returns * (1 - returns) / 20_000)).all()
    realised = kw.realised_value(MBG, FEE, FOUR, FREE, horizon=kw.years(2), futures=20_000, seed=1)
    np.testing.assert_allclose(chance, realised["p_positive"], rtol=1e-12)  # the same futures


def test_labels_and_thresholds():
    found = segmented().table
    assert found["segment"].astype(str).tolist() == ["top performer", "fading", "high potential", "low value"]
    everybody = segmented(contribution_from=-1e9, value_from=-1e9)
    assert (everybody.table["top performer"] == 1).all()
    assert everybody.summary.loc["fading", "customers"] == 0
    assert everybody.summary["customers"].tolist() == [4, 0, 0, 0]
    nobody = segmented(contribution_from=1e9, value_from=1e9).table
    assert (nobody["low value"] == 1).all()
    exact = segmented(contribution_from=50.0)
    assert exact.table["top performer"].iloc[0] > 0
    assert (exact.contribution_from, exact.value_from) == (50.0, 5.0)


def test_sums_reach_what_they_add_up_to():
    """Three times 0.70 are less than 2.10 in floating-point numbers."""
    assert 0.7 + 0.7 + 0.7 < 2.1
    free = kw.Economics(margin=0.1, annual_discount_rate=0.0)
    found = segmented(spend=kw.KnownAmount(7.0), economics=free, value_from=2.1, contribution_from=1e9, futures=5000)
    three = 1 - MBG.purchase_distribution(FOUR, horizon=kw.years(2), up_to=2)[[0, 1, 2]].sum(axis=1)
    assert (np.abs(found.table["high potential"] - three) < 4 * np.sqrt(three / 5000)).all()


def test_customers_with_the_same_amount_are_on_the_same_side():
    equal = PAST.assign(contribution=[5.0, 5, 5, 9])
    half = segmented(contribution=equal, contribution_from=kw.Quantile(0.5))
    assert half.contribution_from == 5
    assert (half.table[["high potential", "low value"]] == 0).all(axis=None)
    best = segmented(contribution=equal, contribution_from=kw.Quantile(0.9)).table
    assert (best["top performer"] + best["fading"]).tolist() == [0, 0, 0, 1]
    alike = histories_of([2] * 5, [20] * 5, [30] * 5, unit="week")
    past = pd.DataFrame({"contribution": 1.0}, index=alike.customer_id)
    same = segmented(histories=alike, contribution=past, value_from=kw.Quantile(0.8)).table
    assert (same.to_numpy() == same.iloc[:1].to_numpy()).all()


def test_order_and_ids_do_not_matter():
    expected = segmented().table
    order = np.array([2, 0, 3, 1])
    found = segmented(histories=FOUR.take(order)).table
    pd.testing.assert_frame_equal(found, expected.iloc[order])
    for ids in (pd.CategoricalIndex(["x", "y", "z", "w"]), pd.Index([40, 3, 7, 100])):
        histories = histories_of([6, 4, 1, 0], [36, 5, 30, 0], [39, 39, 31, 30], unit="week", customer_id=ids)
        past = PAST.set_axis(ids).iloc[::-1]
        table = segmented(histories=histories, contribution=past).table
        assert table.index.tolist() == ids.tolist()
        np.testing.assert_array_equal(table[SEGMENTS], expected[SEGMENTS])


def test_costs_of_service_count():
    serving = replace(FREE, annual_retention_cost=10.0, retention_rule=kw.WhilePAliveAbove(0.2))
    found, free = segmented(economics=serving), segmented()
    assert (found.table["expected"] < free.table["expected"]).all()
    assert (found.table["top performer"] <= free.table["top performer"]).all()
    assert found.summary["retention_cost"].sum() > 0


def test_contracts():
    histories = contracts.contracts([5, 1, 3], [0, 0, 1], every=kw.years(1))
    past = pd.DataFrame({"contribution": [100.0, 20, 60]}, index=histories.customer_id)
    found = segmented(
        contracts.fixed(0.7, 1.2), kw.KnownAmount(100.0), histories, contribution=past, horizon=kw.renewals(4)
    ).table
    assert found.loc[2, ["top performer", "high potential"]].sum() == 0
    survival = contracts.fixed(0.7, 1.2).survival(histories, horizon=kw.renewals(1))["mean"]
    assert found["top performer"].iloc[0] == pytest.approx(survival.iloc[0], abs=4 * 0.5 / math.sqrt(500))


def test_what_came_true():
    """Memberships of a simulated market, and who belonged a year later, by tenths of the probability."""
    truth = kw.MBGNBD.Parameters(r=0.5, alpha=42.0, a=0.9, b=1.6, unit="day")
    amounts = kw.GammaGamma.Parameters(p=6.25, q=5.0, gamma=30.0)
    log = kw.datasets.simulated(truth, amounts, customers=8000, seed=3, observed_for=kw.weeks(39 + 53))
    until = pd.Timestamp("2024-01-01") + pd.Timedelta(weeks=39)
    histories = kw.summarize(log, customer="customer_id", time="date", amount="amount", unit="day", until=until.date())
    found = kw.segment(
        kw.fixed(truth),
        kw.fixed(amounts),
        histories,
        FREE,
        kw.contribution_to_date(log, histories, FREE),
        horizon=kw.days(365),
        value_from=5.0,
        futures=300,
        seed=1,
    ).table
    ahead = log[log["date"] > until].assign(days=lambda rows: (rows["date"] - until).dt.days)
    ahead = ahead[ahead["days"] <= 365]
    value = (0.3 * ahead["amount"] * 1.1 ** (-ahead["days"] / 365.25)).groupby(ahead["customer_id"]).sum()
    belongs = value.reindex(found.index, fill_value=0.0) >= 5
    chance = found["top performer"] + found["high potential"]
    tenth = pd.qcut(chance, 10, labels=False, duplicates="drop")
    expected, came_true = chance.groupby(tenth).mean(), belongs.groupby(tenth).mean()
    error = np.sqrt((chance * (1 - chance)).groupby(tenth).sum()) / chance.groupby(tenth).size()
    assert len(expected) >= 8
    assert expected.max() - expected.min() > 0.5
    assert (np.abs(expected - came_true) < 3.2 * error + 0.005).all()
    assert abs(chance.mean() - belongs.mean()) < 3 * math.sqrt((chance * (1 - chance)).sum()) / len(chance)


@pytest.mark.parametrize(
    "wrong, error, match",
    [
        ({"futures": 0}, SpecificationError, "futures is how many"),
        ({"seed": "x"}, SpecificationError, "seed must be a whole number"),
        ({"interval": 0}, SpecificationError, "interval is a probability"),
        ({"value_from": "high"}, SpecificationError, "value_from is an amount of money or kundenwert.Quantile"),
        ({"contribution_from": np.nan}, SpecificationError, "contribution_from is an amount"),
        ({"contribution_from": True}, SpecificationError, "got True"),
        ({"contribution": PAST["contribution"]}, DataError, "must be a pandas table"),
        ({"contribution": None}, DataError, "must be a pandas table, got NoneType"),
        ({"contribution": PAST.rename(columns={"contribution": "value"})}, ColumnError, "no column 'contribution'"),
        ({"contribution": PAST.drop("c")}, RowError, "no entry for customer 'c'"),
        ({"contribution": pd.concat([PAST, PAST])}, RowError, "two entries"),
        ({"contribution": PAST * np.nan}, RowError, "an amount of money"),
        ({"horizon": 52}, KundenwertError, "horizon takes a Duration"),
        ({"renewal_due": True}, SpecificationError, "no model of contracts"),
        ({"spend": kw.KnownAmount(kw.PerCustomer("fee"))}, MissingInformationError, "no table"),
        ({"economics": replace(FREE, annual_discount_rate=0.0), "horizon": kw.LIFETIME}, InfiniteValueError, "end"),
        ({"histories": FOUR.take([])}, DataError, "no customers"),
    ],
)
def test_bad_input(wrong, error, match):
    with pytest.raises(error, match=match):
        segmented(**wrong)


@pytest.mark.parametrize("wrong", [0, 1, -0.2, 80, np.nan, "0.8", True, None])
def test_quantiles_are_shares(wrong):
    with pytest.raises(SpecificationError, match="a share of the customers between 0 and 1"):
        kw.Quantile(wrong)


def test_thresholds_may_be_numbers_of_numpy():
    found = segmented(value_from=np.float32(5), contribution_from=np.int64(20), seed=np.int64(1))
    pd.testing.assert_frame_equal(found.table, segmented().table)
    assert (found.value_from, type(found.value_from)) == (5.0, float)
    untyped: Any = kw
    some = segmented(value_from=untyped.Quantile(np.float32(0.5)))
    assert some.value_from == segmented(value_from=kw.Quantile(0.5)).value_from
