"""The customer base as an asset: totals, groups and concentration against sums of draws by hand."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import kundenwert as kw
from kundenwert.economics.base import totals
from kundenwert.errors import ColumnError, DataError, RowError, SizeError, SpecificationError
from kundenwert.posterior import summary
from tests import cdnow, contracts
from tests.customers import histories_of, with_draws

SHOP = kw.Economics(margin=0.3, annual_discount_rate=0.1, order_cost=2.0, currency="USD")
THREE_YEARS = kw.years(3)
DRAWS, CUSTOMERS = 200, 150


@pytest.fixture(scope="module")
def purchases():
    return cdnow.posterior("MBGNBD").thinned(DRAWS)


@pytest.fixture(scope="module")
def spend():
    return cdnow.posterior("GammaGamma").thinned(DRAWS)


@pytest.fixture(scope="module")
def base():
    return cdnow.sample(CUSTOMERS)


@pytest.fixture(scope="module")
def by_hand(purchases, spend, base):
    """Net present value of every customer in every draw, shape (draws, customers)."""
    bought = purchases.draws.discounted_purchases(base, horizon=THREE_YEARS, annual_discount_rate=0.1).to_numpy()[0]
    amount = spend.draws.expected_spend(base).to_numpy()[0]
    return bought * (0.3 * amount - 2.0)


@pytest.fixture(scope="module")
def segments(base):
    return pd.Series(np.arange(CUSTOMERS) % 3, index=base.customer_id, name="segment").map({0: "c", 1: "a", 2: "b"})


@pytest.fixture(scope="module")
def equity(purchases, spend, base, segments):
    return kw.customer_equity(purchases, spend, base, SHOP, horizon=THREE_YEARS, by=segments)


def value(purchases, spend, base, economics=SHOP, **more) -> Any:
    return kw.customer_equity(purchases, spend, base, economics, **({"horizon": THREE_YEARS} | more))


def test_the_total_is_the_sum_of_joint_draws(equity, by_hand):
    total = by_hand.sum(axis=1)
    assert equity.total.mean == pytest.approx(total.mean(), rel=1e-7)
    assert equity.total.lower == pytest.approx(np.quantile(total, 0.05), rel=1e-7)
    assert equity.total.upper == pytest.approx(np.quantile(total, 0.95), rel=1e-7)
    np.testing.assert_allclose(equity.draws["all"], total, rtol=1e-7)
    assert equity.draws["all"].var() == pytest.approx(total.var(ddof=1), rel=1e-6)
    # uncertainty of parameters does not average out: variances of customers do not add up
    assert equity.draws["all"].var() > 5 * by_hand.var(axis=0, ddof=1).sum()


def test_customers_add_up_to_the_total(purchases, spend, base, equity):
    table = kw.net_present_value(purchases, spend, base, SHOP, horizon=THREE_YEARS)
    everybody = equity.table.loc["all"]
    assert everybody["npv"] == pytest.approx(table["mean"].sum(), rel=1e-9)
    for part in ("margin", "order_cost", "retention_cost", "referral"):
        assert everybody[part] == pytest.approx(table[part].sum(), rel=1e-9)
    assert everybody["npv_per_customer"] == pytest.approx(table["mean"].mean(), rel=1e-9)
    # intervals do not
    assert everybody["npv_upper"] - everybody["npv_lower"] < 0.95 * (table["upper"] - table["lower"]).sum()


def test_groups(equity, by_hand, segments):
    assert list(equity.table.index) == ["a", "b", "c", "all"]
    assert equity.table.index.name == "segment"
    assert equity.table["customers"].tolist() == [50, 50, 50, 150]
    total = by_hand.sum(axis=1)
    for label in "abc":
        of_group = by_hand[:, (segments == label).to_numpy()].sum(axis=1)
        row = equity.table.loc[label]
        np.testing.assert_allclose(equity.draws[label], of_group, rtol=1e-7)
        for name, drawn in (("npv", of_group), ("share", of_group / total), ("npv_per_customer", of_group / 50)):
            expected = [drawn.mean(), *np.quantile(drawn, [0.05, 0.95])]
            np.testing.assert_allclose(row[[name, f"{name}_lower", f"{name}_upper"]].astype(float), expected, rtol=1e-7)
    groups = equity.table.drop(index="all")
    for name in ("npv", "margin", "order_cost", "share", "unprofitable", "customers"):
        assert groups[name].sum() == pytest.approx(equity.table.loc["all", name], rel=1e-9)
    np.testing.assert_allclose(equity.draws[list("abc")].sum(axis=1), equity.draws["all"], rtol=1e-12)


def test_two_halves_of_a_base_are_the_base(purchases, spend, base, equity):
    halves = [value(purchases, spend, base.take(half)) for half in (np.arange(0, 60), np.arange(60, CUSTOMERS))]
    np.testing.assert_allclose(halves[0].draws["all"] + halves[1].draws["all"], equity.draws["all"], rtol=1e-7)
    assert halves[0].total.mean + halves[1].total.mean == pytest.approx(equity.total.mean, rel=1e-7)


def test_everybody_twice_is_worth_twice(purchases, spend, base, equity):
    table = base.to_pandas()
    twice = pd.concat([table, table.assign(customer_id=-table["customer_id"])])
    found = value(purchases, spend, kw.CustomerHistories.from_pandas(twice, unit="week"))
    np.testing.assert_allclose(found.draws["all"], 2 * equity.draws["all"], rtol=1e-7)
    np.testing.assert_allclose(found.concentration["npv"][0.1], 2 * equity.concentration["npv"][0.1], rtol=1e-7)


def test_concentration_by_hand(equity, by_hand):
    order = np.argsort(-by_hand.mean(axis=0))
    total = by_hand.sum(axis=1)
    assert equity.concentration.index.tolist() == [0.01, 0.05, 0.1, 0.2]
    for top, row in equity.concentration.iterrows():
        best = order[: math.ceil(top * CUSTOMERS)]
        assert row["customers"] == len(best)
        held = by_hand[:, best].sum(axis=1)
        for name, drawn in (("npv", held), ("share", held / total)):
            expected = [drawn.mean(), *np.quantile(drawn, [0.05, 0.95])]
            np.testing.assert_allclose(row[[name, f"{name}_lower", f"{name}_upper"]], expected, rtol=1e-7)


def test_customers_who_are_alike_are_told_apart_by_number():
    """Ten of one kind and ninety of another: the best twenty are all of the one and ten of the other."""
    base = histories_of([4] * 10 + [0] * 90, [30.0] * 10 + [0.0] * 90, 39.0, unit="week")
    purchases = kw.fixed(kw.MBGNBD.Parameters(r=0.5, alpha=6.0, a=0.9, b=1.6, unit="week"))
    found = value(purchases, kw.KnownAmount(20.0), base)
    each = kw.net_present_value(purchases, kw.KnownAmount(20.0), base, SHOP, horizon=THREE_YEARS)["mean"]
    good, poor = each[0], each[99]
    np.testing.assert_allclose(found.concentration["npv"], [good, 5 * good, 10 * good, 10 * good + 10 * poor])
    np.testing.assert_allclose(found.concentration["share"], found.concentration["npv"] / (10 * good + 90 * poor))


def test_who_costs_more_than_they_bring_holds_nothing(purchases, spend, base):
    costly = replace(SHOP, annual_retention_cost=5.0, retention_rule=kw.EveryoneFor(kw.years(1)))
    found = value(purchases, spend, base, costly, by=pd.Series("x", index=base.customer_id))
    table = kw.net_present_value(purchases, spend, base, costly, horizon=THREE_YEARS)["mean"]
    positive = table > 0
    assert 0.1 * CUSTOMERS < positive.sum() < 0.5 * CUSTOMERS
    assert found.table["unprofitable"].tolist() == [(~positive).sum()] * 2
    assert found.total.mean == pytest.approx(table.sum(), rel=1e-7)
    best = table.sort_values(ascending=False)
    of_positive = kw.customer_equity(
        purchases, spend, base.take(positive.to_numpy()), costly, horizon=THREE_YEARS
    ).draws["all"]
    for top, row in found.concentration.iterrows():
        assert row["npv"] == pytest.approx(best.iloc[: math.ceil(top * CUSTOMERS)].clip(lower=0).sum(), rel=1e-7)
        assert row["share"] <= 1
    ten = value(purchases, spend, base.select(list(best.index[:15])), costly).draws["all"]
    assert found.concentration["share"][0.1] == pytest.approx((ten / of_positive).mean(), rel=1e-7)
    # a base that is worth less than nothing has no shares, but a value
    ruinous = replace(costly, annual_retention_cost=5000.0)
    lost = value(purchases, spend, base, ruinous)
    assert lost.total.upper < 0
    assert lost.table["share"].isna().all()
    assert lost.concentration["share"].isna().all()
    assert (lost.concentration["npv"] == 0).all()
    assert "held by" not in repr(lost)


def test_without_a_margin_there_is_nothing_to_share(purchases, spend, base):
    found = value(purchases, spend, base, kw.Economics(margin=0.0, annual_discount_rate=0.1))
    assert found.total == kw.Estimate(0.0, 0.0, 0.0)
    assert found.table[["share", "share_lower", "share_upper"]].isna().all(axis=None)
    assert found.table.drop(columns=["share", "share_lower", "share_upper"]).notna().all(axis=None)


def test_draws_without_a_mean_amount_are_left_out_of_all_totals(base):
    purchases = cdnow.posterior("MBGNBD").thinned(DRAWS)
    q = np.linspace(3.0, 4.0, DRAWS)
    q[17] = 1.01
    one = kw.fixed(kw.GammaGamma.Parameters(p=6.0, q=4.0, gamma=15.0))
    spend: Any = replace(one, values=one.model.named([np.full((1, DRAWS), 6.0), q[None], np.full((1, DRAWS), 15.0)]))
    groups = pd.Series(np.where(base.frequency == 0, "once", "again"), index=base.customer_id)
    found = value(purchases, spend, base, by=groups)
    assert found.draws_left_out == 1
    assert len(found.draws) == DRAWS - 1
    kept = np.arange(DRAWS) != 17
    bought = purchases.draws.discounted_purchases(base, horizon=THREE_YEARS, annual_discount_rate=0.1).to_numpy()[0]
    drawn = bought * (0.3 * spend.draws.expected_spend(base).to_numpy()[0] - 2.0)
    assert found.total.mean == pytest.approx(drawn[kept].sum(axis=1).mean(), rel=1e-7)
    again = drawn[kept][:, base.frequency > 0].sum(axis=1)  # though finite in the draw that is left out
    np.testing.assert_allclose(found.draws["again"], again, rtol=1e-7)
    assert found.table["share"][["again", "once"]].sum() == pytest.approx(1, rel=1e-12)
    assert found.concentration.notna().all(axis=None)


def test_it_does_not_depend_on_how_work_is_divided(purchases, spend, base, segments, equity, monkeypatch):
    monkeypatch.setattr(summary, "NUMBERS_IN_BLOCK", 7 * DRAWS)
    for numbers in (2**24, 1):
        monkeypatch.setattr(totals, "NUMBERS_IN_RUNS", numbers)
        found = value(purchases, spend, base, by=segments)
        pd.testing.assert_frame_equal(found.table, equity.table, rtol=1e-10)
        pd.testing.assert_frame_equal(found.concentration, equity.concentration, rtol=1e-10)


def test_the_same_question_has_the_very_same_answer(purchases, spend, base, segments, equity):
    pd.testing.assert_frame_equal(value(purchases, spend, base, by=segments).table, equity.table, check_exact=True)


def test_contributions_stand_beside_what_is_expected(purchases, spend, base, segments):
    to_date = kw.contribution_to_date(kw.datasets.cdnow(), cdnow.histories(), replace(SHOP, acquisition_cost=8.0))
    table = value(purchases, spend, base, by=segments, contribution=to_date).table
    mine = to_date.loc[base.customer_id, "contribution"]
    np.testing.assert_allclose(table["contribution"], [*mine.groupby(segments).sum(), mine.sum()], rtol=1e-12)
    for end in ("", "_lower", "_upper"):
        np.testing.assert_allclose(table[f"contribution_and_npv{end}"], table["contribution"] + table[f"npv{end}"])


@pytest.mark.parametrize(
    "labels, order",
    [
        (pd.Categorical(["old", "new", "old"], categories=["old", "never", "new"]), ["old", "new"]),
        ([3, 1, 3], [1, 3]),
        ([1, "a", 1], [1, "a"]),
        (pd.PeriodIndex(["1997-02", "1997-01", "1997-02"], freq="M"), pd.period_range("1997-01", periods=2, freq="M")),
        ([True, False, True], [False, True]),
    ],
)
def test_labels_may_be_of_any_kind(purchases, spend, base, labels, order):
    chosen = base.take([0, 1, 2])
    by = pd.Series(labels, index=chosen.customer_id).iloc[::-1]  # labels go by id, not by place
    table = value(purchases, spend, chosen, by=by).table
    assert table.index.tolist() == [*order, "all"]
    assert table.index.name == "group"
    assert table["customers"].to_dict() == {by.iloc[0]: 2, by.iloc[1]: 1, "all": 3}


def test_cohorts_are_groups(purchases, spend, base):
    cohorts = kw.acquisition_cohort(cdnow.histories(), every=kw.months(1))
    table = value(purchases, spend, base, by=cohorts).table
    assert table.index.tolist() == ["1997-01", "1997-02", "1997-03", "all"]
    assert table["customers"].iloc[:3].to_dict() == cohorts[base.customer_id].value_counts().to_dict()


def test_other_models(spend, base):
    """Contracts, opportunities, known amounts, and margins of customers' own."""
    fixed = contracts.fixed(0.7, 1.2)
    active = contracts.active([0, 1, 5], every=kw.years(1))
    economics = kw.Economics(margin=0.5, annual_discount_rate=0.1)
    for due in (False, True):
        found = value(fixed, kw.KnownAmount(60.0), active, economics, renewal_due=due, horizon=kw.LIFETIME)
        each = kw.net_present_value(
            fixed, kw.KnownAmount(60.0), active, economics, renewal_due=due, horizon=kw.LIFETIME
        )
        assert found.total.mean == pytest.approx(each["mean"].sum(), rel=1e-9)
    yearly = kw.OpportunityHistories.from_pandas(
        pd.DataFrame({"customer_id": [1, 2, 3], "frequency": [0, 2, 4], "recency": [0, 3, 6], "opportunities": 6}),
        every=kw.years(1),
    )
    donors = kw.fixed(kw.BGBB.Parameters(alpha=1.2, beta=0.75, gamma=0.66, delta=2.8))
    found = value(donors, kw.KnownAmount(60.0), yearly, economics, horizon=kw.opportunities(5))
    each = kw.net_present_value(donors, kw.KnownAmount(60.0), yearly, economics, horizon=kw.opportunities(5))
    assert found.total.mean == pytest.approx(each["mean"].sum(), rel=1e-9)
    rates = pd.DataFrame({"customer_id": base.customer_id, "margin": np.linspace(0.1, 0.6, CUSTOMERS)})
    own = kw.Economics(margin=kw.PerCustomer("margin"), annual_discount_rate=0.1)
    bgnbd = with_draws(kw.BGNBD, unit="week", r=0.25, alpha=4.4, a=[0.8, 0.9], b=2.0)
    found = value(bgnbd, spend, base, own, customers=rates)
    each = kw.net_present_value(bgnbd, spend, base, own, customers=rates, horizon=THREE_YEARS)
    assert found.total.mean == pytest.approx(each["mean"].sum(), rel=1e-9)


def test_it_is_readable(equity):
    text = repr(equity)
    assert text.startswith("CustomerEquity of 150 customers, horizon years(3)\nnet present value ")
    assert " USD (90%: " in text
    assert "held by the best 1%: " in text
    assert "npv_per_customer" in text
    assert "<table" in equity._repr_html_()
    assert "&lt;b&gt;" in replace(equity, currency="<b>")._repr_html_()


def test_bad_input_is_named(purchases, spend, base, segments, monkeypatch):
    with pytest.raises(SpecificationError, match=r"by takes a pandas Series.*got str"):
        value(purchases, spend, base, by="cohort")
    with pytest.raises(RowError, match=f"by has no entry for customer {base.customer_id[100]} .50 such"):
        value(purchases, spend, base, by=segments.iloc[:100])
    with pytest.raises(RowError, match=f"by has two entries for customer {base.customer_id[0]}"):
        value(purchases, spend, base, by=pd.concat([segments, segments.iloc[:1]]))
    with pytest.raises(RowError, match=rf"customer {base.customer_id[1]} \(1 such customers\) has no label.*fillna"):
        value(purchases, spend, base, by=segments.where(segments.index != base.customer_id[1]))
    with pytest.raises(SpecificationError, match=r"by has a group 'all'.*rename"):
        value(purchases, spend, base, by=segments.replace("a", "all"))
    with pytest.raises(DataError, match="must be a pandas table, got float"):
        value(purchases, spend, base, contribution=3.0)
    with pytest.raises(ColumnError, match="no column 'contribution'"):
        value(purchases, spend, base, contribution=base.to_pandas().set_index("customer_id"))
    table = pd.DataFrame({"contribution": np.nan}, index=base.customer_id)
    with pytest.raises(RowError, match=rf"customer {base.customer_id[0]} .* has contribution = nan"):
        value(purchases, spend, base, contribution=table)
    with pytest.raises(RowError, match=r"the table of contributions has no entry for customer"):
        value(purchases, spend, base, contribution=table.iloc[1:])
    with pytest.raises(SpecificationError, match="interval"):
        value(purchases, spend, base, interval=90)
    with pytest.raises(DataError, match="there are no customers"):
        value(purchases, spend, base.take([]))
    with pytest.raises(DataError, match="CustomerHistories"):
        value(purchases, spend, base.to_pandas())
    monkeypatch.setattr(totals, "LARGEST", 1000)
    with pytest.raises(SizeError, match="3 groups × 200 draws are too many"):
        value(purchases, spend, base, by=segments)
