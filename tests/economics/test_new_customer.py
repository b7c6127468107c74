"""New customers: closed forms, simulated markets, paybacks, channels, and what is refused."""

import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import betaln, hyp2f1

import kundenwert as kw
from kundenwert.economics.flows.timeline import Timeline
from kundenwert.economics.newcomers.newcomers import new_cells
from kundenwert.economics.serving.path import WithCutoffs
from kundenwert.errors import DurationError, InfiniteValueError, SizeError, SpecificationError
from tests import cdnow, contracts
from tests.customers import histories_of, with_draws

YEAR, WEEKS = kw.years(1), 365.25 / 7
THETA = {"r": 0.5, "alpha": 6.0, "a": 0.9, "b": 2.6}
MBG = kw.fixed(kw.MBGNBD.Parameters(**THETA, unit="week"))
BG = kw.fixed(kw.BGNBD.Parameters(**THETA, unit="week"))
SPEND = kw.fixed(kw.GammaGamma.Parameters(p=4.0, q=5.0, gamma=40.0))  # mean 40
THIRTY = kw.KnownAmount(30.0)
PLAIN = kw.Economics(margin=0.5, annual_discount_rate=0.0)
SHOP = kw.Economics(margin=0.3, annual_discount_rate=0.1, order_cost=1.5, acquisition_cost=12.0)
PARTS = ["first_purchase", "repeat_purchases", "order_cost", "retention_cost", "referral"]


def value(purchases: Any = MBG, spend: Any = THIRTY, economics: Any = SHOP, **more: Any) -> Any:
    asked: dict[str, Any] = {"horizon": kw.years(3), "first_purchase": True, "futures": 0} | more
    return kw.new_customer_value(purchases, spend, economics, **asked)


def parts(found: Any) -> Any:
    return found.table[PARTS].iloc[0]


def expected_purchases(model: Any, t: Any) -> Any:
    """E[X(t)] of a new customer: Fader, Hardie & Lee (2005), eq. (9), and its like with a chance to leave at once."""
    r, alpha, a, b = THETA.values()
    later = b + (model is MBG)
    odds = hyp2f1(r, later, a + later - 1, t / (alpha + t)) * (alpha / (alpha + t)) ** r
    stays = b / (a + b) if model is MBG else 1.0
    return stays * (a + later - 1) / (a - 1) * (1 - odds)


@pytest.mark.parametrize("model", [BG, MBG])
def test_the_curve_is_expected_purchases_in_closed_form(model):
    times = np.array([0.0, 0.01, 1, 5, 26, 104, 156])
    found = value(model, economics=PLAIN).curve([kw.weeks(t) for t in times.tolist()])["mean"]
    assert found.index.tolist() == times.tolist()
    assert found.index.name == "week"
    assert found.to_numpy() == pytest.approx(15 * (1 + expected_purchases(model, times)), rel=1e-9)


def test_pareto_nbd_in_closed_form():
    model = kw.fixed(kw.ParetoNBD.Parameters(r=0.55, alpha=10.6, s=0.61, beta=11.7, unit="week"))
    found = value(model, economics=PLAIN, horizon=kw.weeks(200), first_purchase=False)
    truth = 0.55 * 11.7 / (10.6 * -0.39) * (1 - (11.7 / (11.7 + np.linspace(0, 200, 41))) ** -0.39)
    assert found.curve()["mean"].to_numpy() == pytest.approx(15 * truth, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("model", [BG, MBG])
def test_for_life_it_is_the_dert_of_a_new_customer(model):
    r, alpha, a, b = THETA.values()
    later, delta = b + (model is MBG), math.log(1.1) / WEEKS
    dert, _ = quad(
        lambda u: math.exp(-delta * u) * r / alpha * hyp2f1(r + 1, a, a + later, -u / alpha), 0, 9000, limit=400
    )
    dert *= b / (a + b) if model is MBG else 1.0
    found = value(model, horizon=kw.LIFETIME)
    assert parts(found)["repeat_purchases"] == pytest.approx(9 * dert, rel=1e-8)
    assert parts(found)["order_cost"] == pytest.approx(1.5 * (1 + dert), rel=1e-8)


def test_the_value_is_the_sum_of_its_parts():
    economics = replace(
        SHOP,
        annual_retention_cost=2.0,
        retention_rule=kw.EveryoneFor(kw.years(2)),
        referral=kw.Referral(per_purchase=0.05, value=8.0, generations=2),
    )
    found = value(spend=SPEND, economics=economics)
    row, part = found.table.iloc[0], parts(found)
    repeat = part["repeat_purchases"] / (0.3 * 40)
    assert part["first_purchase"] == pytest.approx(0.3 * 40, rel=1e-12)
    assert part["order_cost"] == pytest.approx(1.5 * (1 + repeat), rel=1e-12)
    assert part["retention_cost"] == pytest.approx(2 * (1 - 1.1**-2) / math.log(1.1), rel=1e-12)
    assert part["referral"] == pytest.approx(0.05 * 8 * (1 + 0.05 * (1 + repeat)) * (1 + repeat), rel=1e-12)
    assert row["highest_acquisition_cost"] == pytest.approx(part @ [1, 1, -1, -1, 1], rel=1e-12)
    assert row["mean"] == pytest.approx(row["highest_acquisition_cost"] - 12, rel=1e-12)
    # what comes after the first purchase is the value of a customer who has done nothing since
    later = kw.net_present_value(
        MBG, SPEND, histories_of(0, 0.0, 0.0, unit="week", mean_amount=0.0), economics, horizon=kw.years(3)
    ).iloc[0]
    assert later["margin"] == pytest.approx(part["repeat_purchases"], rel=1e-12)
    assert later["mean"] == pytest.approx(
        row["highest_acquisition_cost"] - 0.3 * 40 + 1.5 - part["referral"] / (1 + repeat), rel=1e-12
    )


@pytest.mark.every(3)
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"margin": kw.Growing(start=0.3, annual_growth_rate=0.15)},
        {"margin": kw.Schedule([0.3, 0.1, 0.4], every=kw.months(7))},
        {"annual_discount_rate": kw.Schedule([0.2, 0.0, 0.1], every=YEAR)},
        {"discounting": kw.EndOfPeriod(kw.months(1))},
        {"discounting": kw.StartOfPeriod(YEAR), "margin": kw.Growing(start=0.3, annual_growth_rate=0.15)},
        {"annual_retention_cost": 3.0, "retention_rule": kw.EveryoneFor(kw.months(20))},
        {"annual_retention_cost": 3.0, "retention_rule": kw.WhilePAliveAbove(0.4)},
    ],
    ids=str,
)
def test_the_curve_is_the_value_of_every_horizon(more):
    found = value(economics=replace(SHOP, **more), horizon=kw.years(4))
    horizons = [kw.years(1), kw.years(2), kw.years(4)]
    alone = [
        value(economics=replace(SHOP, **more), horizon=horizon).table["highest_acquisition_cost"].iloc[0]
        for horizon in horizons
    ]
    # simulated service differs by chance where its horizon does
    error = 0.02 if isinstance(more.get("retention_rule"), kw.WhilePAliveAbove) else 1e-9
    assert found.curve(horizons)["mean"].to_numpy() == pytest.approx(alone, rel=error)
    assert found.curve()["mean"].iloc[-1] == pytest.approx(found.table["highest_acquisition_cost"].iloc[0], rel=1e-9)


def test_nothing_is_lost_on_posteriors_of_many_draws():
    purchases, spend = cdnow.posterior("MBGNBD").thinned(300), cdnow.posterior("GammaGamma").thinned(200)
    found = value(purchases, spend)
    row, curve = found.table.iloc[0], found.curve().iloc[-1]
    for end in ("", "_lower", "_upper"):
        assert curve[end.strip("_") or "mean"] == pytest.approx(row[f"highest_acquisition_cost{end}"], rel=1e-6)
    cost = row["highest_acquisition_cost_lower"]  # pays with a probability of 95 %
    again = value(purchases, spend, replace(SHOP, acquisition_cost=cost)).table.iloc[0]
    assert again["probability_it_pays"] == pytest.approx(0.95, abs=0.006)
    assert again["lower"] == pytest.approx(0, abs=1e-9)
    alone = kw.net_present_value(
        purchases, spend, histories_of(0, 0.0, 0.0, unit="week", mean_amount=0.0), SHOP, horizon=kw.years(3)
    ).iloc[0]
    assert row["repeat_purchases_upper"] == pytest.approx(alone["margin_upper"], rel=1e-6)


CUSTOMERS = 100_000


@pytest.mark.parametrize(
    "model",
    [
        MBG,
        BG,
        kw.fixed(kw.MBGCNBD.Parameters(**THETA | {"alpha": 3.0}, k=2, unit="week")),
        kw.fixed(kw.ParetoNBD.Parameters(r=0.55, alpha=10.6, s=0.61, beta=11.7, unit="week")),
    ],
    ids=lambda model: type(model.model).__name__,
)
def test_a_simulated_market_pays_back_as_expected(model):
    rng, horizon = np.random.default_rng(7), 2 * WEEKS
    theta = model.model.named([v[0] for v in model.theta])
    bought = model.model.simulate(theta, np.full(CUSTOMERS, horizon), rng)
    customer, time = np.r_[np.arange(CUSTOMERS), bought.customer], np.r_[np.zeros(CUSTOMERS), bought.time]
    amount = SPEND.model.simulate(SPEND.model.named([v[0] for v in SPEND.theta]), customer, rng)
    gain = (0.3 * amount - 1.5) * 1.1 ** (-time / WEEKS)
    economics = replace(SHOP, annual_retention_cost=3.0, retention_rule=kw.EveryoneFor(YEAR))

    def served(time: Any) -> Any:
        return 3 * (1 - 1.1 ** -np.minimum(time / WEEKS, 1)) / math.log(1.1)

    found = value(model, SPEND, economics, horizon=kw.years(2), futures=50_000)
    for years in (0.1, 0.5, 2.0):
        until = np.bincount(customer, gain * (time <= years * WEEKS)) - served(years * WEEKS)
        error = 3 * until.std() / math.sqrt(CUSTOMERS)
        assert found.curve([kw.years(years)])["mean"].iloc[0] == pytest.approx(until.mean(), abs=error)
    order = np.lexsort((time, customer))
    customer, time = customer[order], time[order]
    total = np.cumsum(gain[order])
    start = np.flatnonzero(np.r_[True, customer[1:] != customer[:-1]])
    covered = total - (total[start] - gain[order][start])[customer] - served(time) >= 12.0
    back = np.full(CUSTOMERS, np.inf)
    np.minimum.at(back, customer[covered], time[covered])
    shown = found.payback_probability([kw.days(0), kw.years(0.1), kw.years(0.5), kw.years(2)])
    for share, truth in zip(shown["single customer"], [0.0, 0.1 * WEEKS, 0.5 * WEEKS, 2 * WEEKS], strict=True):
        p = np.mean(back <= truth)
        assert share == pytest.approx(p, abs=3 * math.sqrt(p * (1 - p) * (1 / CUSTOMERS + 1 / 50_000)))
    row = found.payback.loc["single customer"]
    assert row["later_or_never"] == pytest.approx(1 - shown["single customer"].iloc[-1], abs=1e-12)
    assert row["within_limit"] + row["later_or_never"] == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("cost", [9.0, 15.1, 20.0, 40.0])
def test_payback_of_the_average_is_where_the_curve_reaches_the_cost(cost):
    economics = replace(PLAIN, acquisition_cost=cost)
    row = value(economics=economics, horizon=kw.years(5)).payback.loc["average customer"]
    most = 15 * (1 + expected_purchases(MBG, 5 * WEEKS))
    if cost <= 15:
        truth = 0.0
    elif cost > most:
        truth = np.inf
    else:
        truth = brentq(lambda t: 15 * (1 + expected_purchases(MBG, t)) - cost, 1e-6, 5 * WEEKS)
    assert row["median"] == pytest.approx(truth, rel=1e-8)
    assert (row["lower"], row["upper"]) == (row["median"], row["median"])
    assert (row["within_limit"], row["later_or_never"]) == ((1.0, 0.0) if cost <= most else (0.0, 1.0))


STEPS = kw.Schedule([0.3, 0.0, 0.9], every=kw.months(7))


@pytest.mark.parametrize("cost", [18.29, 23.0, 30.0, 39.9])
@pytest.mark.parametrize("discounting", [kw.Continuously(), kw.EndOfPeriod(kw.months(4))], ids=repr)
def test_payback_of_the_average_where_the_curve_has_kinks(cost, discounting):
    economics = replace(SHOP, margin=STEPS, order_cost=0.0, acquisition_cost=cost, discounting=discounting)
    found = value(economics=economics, horizon=kw.years(20))
    back = found.payback["median"].iloc[0]
    before, after = found.curve([kw.weeks(back * (1 - 1e-9)), kw.weeks(back * (1 + 1e-9))])["mean"]
    assert before < cost <= after


def test_long_horizons_are_looked_at_to_their_end():
    regular = kw.fixed(kw.MBGNBD.Parameters(r=20.0, alpha=80.0, a=0.2, b=20.0, unit="year"))
    economics = kw.Economics(margin=0.3, annual_discount_rate=0.01, acquisition_cost=70.0)
    found = value(regular, economics=economics, horizon=kw.years(40), futures=2000)
    assert found.limit == 40
    row = found.payback.loc["average customer"]
    assert (found.table["probability_it_pays"].iloc[0], row["within_limit"]) == (1, 1)
    assert found.curve([kw.years(row["median"])])["mean"].iloc[0] == pytest.approx(70, rel=1e-9)
    assert 20 < row["median"] < 40
    assert 20 < found.payback.loc["single customer", "median"] < 40
    assert found.curve().index[-1] == 40
    forever = value(regular, economics=economics, horizon=kw.LIFETIME)
    assert forever.limit == 20
    assert forever.payback.loc["average customer", "later_or_never"] == 1
    with pytest.raises(SizeError, match="a curve over 40,000 renewals is longer than the 32,768 allowed"):
        contract_value(contracts.fixed(0.7, 1.6), horizon=kw.renewals(40_000))


def test_payback_at_once_and_never():
    free = value(economics=replace(SHOP, acquisition_cost=0.0), futures=1000)
    assert (free.payback[["median", "lower", "upper"]] == 0).all(axis=None)
    assert (free.payback_probability() == 1).all(axis=None)
    dear = value(economics=replace(SHOP, acquisition_cost=1e6), futures=1000)
    assert (dear.payback["later_or_never"] == 1).all()
    assert np.isinf(dear.payback["median"]).all()
    assert dear.table["probability_it_pays"].iloc[0] == 0
    # a first purchase that costs more than it brings has to be earned back, even if the customer was free
    costly = value(economics=replace(SHOP, acquisition_cost=0.0, order_cost=10.0), first_amount=kw.KnownAmount(20.0))
    assert costly.payback.loc["average customer", "later_or_never"] == 1
    later = value(economics=replace(SHOP, acquisition_cost=0.0), first_amount=kw.KnownAmount(1.0))
    assert 0 < later.payback.loc["average customer", "median"] < 20


def test_first_purchases_count_if_they_are_to():
    with_first, without = value(), value(first_purchase=False)
    known = value(first_amount=kw.KnownAmount(50.0))
    assert parts(without)["first_purchase"] == 0
    assert with_first.table["mean"].iloc[0] == pytest.approx(without.table["mean"].iloc[0] + 0.3 * 30 - 1.5, rel=1e-12)
    assert known.table["mean"].iloc[0] == pytest.approx(with_first.table["mean"].iloc[0] + 0.3 * 20, rel=1e-12)
    assert without.curve()["mean"].iloc[0] == 0
    assert value(first_purchase=np.True_).table.equals(with_first.table)
    schedule = replace(SHOP, margin=kw.Schedule([0.4, 0.2], every=YEAR), discounting=kw.EndOfPeriod(kw.months(1)))
    assert parts(value(economics=schedule))["first_purchase"] == pytest.approx(0.4 * 30, rel=1e-12)


def test_longer_horizons_are_worth_more():
    horizons = [kw.days(1), kw.months(3), YEAR, kw.years(5), kw.years(30), kw.LIFETIME]
    found = [value(horizon=horizon).table["mean"].iloc[0] for horizon in horizons]
    assert (np.diff(found) > 0).all()
    assert value(horizon=kw.LIFETIME).limit == pytest.approx(20 * WEEKS, rel=1e-12)


@pytest.mark.parametrize("unit", ["day", "month", "year"])
def test_money_does_not_depend_on_the_unit_and_times_are_in_it(unit):
    length = kw.weeks(1).in_unit(unit)
    other = kw.fixed(kw.MBGNBD.Parameters(**THETA | {"alpha": 6.0 * length}, unit=unit))
    economics = replace(SHOP, acquisition_cost=20.0)
    found, reference = value(other, economics=economics), value(economics=economics)
    np.testing.assert_allclose(found.table, reference.table, rtol=1e-9)
    back = reference.payback["median"].iloc[0]
    assert found.payback["median"].iloc[0] == pytest.approx(back * length, rel=1e-9)
    assert (found.unit, found.curve().index.name) == (unit, unit)
    both = value({"a": MBG, "b": other}, economics=economics)
    assert both.payback["median"].to_numpy() == pytest.approx([back, back], rel=1e-9)
    curve = both.curve()["mean"].unstack("channel")
    np.testing.assert_allclose(curve["a"], curve["b"], rtol=1e-9)


def test_channels_are_what_each_is_alone():
    costs = {"search": 9.0, "social": 14.0}
    economics = replace(SHOP, acquisition_cost=costs)
    fits, amounts = {"search": MBG, "social": BG}, {"social": THIRTY, "search": SPEND}
    found = value(fits, amounts, economics, futures=2000)
    assert found.table.index.tolist() == ["search", "social"]
    assert found.table.index.name == "channel"
    for channel, cost in costs.items():
        alone = value(fits[channel], amounts[channel], replace(SHOP, acquisition_cost=cost), futures=2000)
        np.testing.assert_array_equal(found.table.loc[channel], alone.table.iloc[0])
        np.testing.assert_array_equal(found.curve().loc[channel], alone.curve())
        np.testing.assert_array_equal(
            found.payback.loc[(channel, "average customer")], alone.payback.loc["average customer"]
        )
    one = value(fits, THIRTY, replace(SHOP, acquisition_cost=9.0))
    assert one.table["acquisition_cost"].tolist() == [9.0, 9.0]
    known = value(fits, THIRTY, SHOP, first_amount={"search": kw.KnownAmount(0.0), "social": THIRTY})
    assert known.table["first_purchase"].tolist() == pytest.approx([0.0, 9.0])


def test_draws_without_a_mean_amount_are_left_out():
    q = np.r_[np.full(199, 5.0), 1.01]
    spend = replace(SPEND, values=SPEND.model.named([np.full((1, 200), 4.0), q[None], np.full((1, 200), 40.0)]))
    found = value(with_draws(kw.MBGNBD, unit="week", **THETA), spend, futures=2000)
    assert parts(found)["first_purchase"] == pytest.approx(0.3 * 40, rel=1e-12)
    assert np.isfinite(found.table.to_numpy()).all()
    with pytest.raises(InfiniteValueError, match="mean amount of the population is infinite") as refused:
        value(spend=replace(spend, p_infinite_mean=0.01))
    assert "what a new customer is expected to spend" in str(refused.value)
    assert "these customers" not in str(refused.value)
    with pytest.raises(InfiniteValueError, match="without discounting"):
        value(economics=PLAIN, horizon=kw.LIFETIME)


def test_served_while_alive_as_a_loop_over_customers_says():
    (cells,) = new_cells(MBG, math.nan)
    timeline = Timeline.of(SHOP, 2.0, margin=False)
    path = WithCutoffs.of(MBG, cells, timeline, kw.WhilePAliveAbove(0.5))
    time, customer = np.array([3.0, 30.0, 31.0, 2.0, 80.0]), np.array([1, 1, 1, 3, 3])
    cutoffs, found = path.service.cutoffs, path.until(time, customer, 4)
    assert cutoffs is not None
    delta = math.log(1.1) / WEEKS
    for i, (who, now) in enumerate(zip(customer, time, strict=True)):
        before = [0.0, *(t for t, other in zip(time[:i], customer[:i], strict=True) if other == who), now]
        served = 0.0
        for number, (start, following) in enumerate(pairwise(before)):
            end = min(following, start + float(cutoffs(np.array([float(number)]), np.array([start]))[0]))
            served += (math.exp(-delta * start) - math.exp(-delta * end)) / delta / WEEKS
        assert found[i] == pytest.approx(served, rel=1e-12)
    bought = MBG.of_cells.futures(cells, slice(0, 1), np.zeros(20_000, dtype=int), 2 * WEEKS, np.random.default_rng(3))
    for years in (0.2, 2.0):
        soon = bought.time <= years * WEEKS
        part = replace(path.service, years=years)(
            cells, slice(0, 1), 20_000, replace(bought, customer=bought.customer[soon], time=bought.time[soon])
        )
        assert path.on_average(np.array([years * WEEKS]))[0, 0] == pytest.approx(
            part.mean(), abs=4 * part.std() / math.sqrt(20_000)
        )


FEE = kw.KnownAmount(100.0)
MONTH = kw.months(1)
CONTRACTS = kw.Economics(margin=0.2, annual_discount_rate=0.1, acquisition_cost=70.0)


def contract_value(posterior: Any, economics: Any = CONTRACTS, **more: Any) -> Any:
    return value(posterior, FEE, economics, **{"horizon": kw.renewals(24), "every": MONTH} | more)


def test_contracts_are_sums_over_renewals():
    gamma, delta = 0.7, 1.6
    renewal = np.arange(1, 25)
    active = np.exp(betaln(gamma, delta + renewal) - betaln(gamma, delta))
    economics = replace(CONTRACTS, annual_retention_cost=12.0, retention_rule=kw.WhileActive())
    found = contract_value(contracts.fixed(gamma, delta), economics, futures=50_000)
    discount = 1.1 ** (-renewal / 12)
    assert parts(found)["first_purchase"] == pytest.approx(20)
    assert parts(found)["repeat_purchases"] == pytest.approx(20 * discount @ active, rel=1e-9)
    assert parts(found)["retention_cost"] == pytest.approx(1 + (discount * active)[:-1].sum(), rel=1e-9)
    # the service of each period is paid at its start, and none begins at the last renewal
    curve = 19 + np.cumsum(20 * discount * active - np.r_[(discount * active)[:-1], 0])
    assert found.curve()["mean"].to_numpy() == pytest.approx(np.r_[19, curve], rel=1e-9)
    average, single = found.payback["median"]
    assert average == 1 + np.argmax(curve >= 70)
    # a single contract pays 20 less 1 for service per period: at renewal 3 for the fourth time, then there are 76
    paid = 19 + np.cumsum(20 * discount - np.r_[discount[:-1], 0])
    needed = 1 + int(np.argmax(paid >= 70))
    assert single == np.inf
    share = found.payback.loc["single customer", "within_limit"]
    p = active[needed - 1]
    assert share == pytest.approx(p, abs=3 * math.sqrt(p * (1 - p) / 50_000))
    assert found.payback_probability()["single customer"].loc[needed - 1] == 0
    assert found.payback_probability()["single customer"].loc[needed] == share


def test_service_of_contracts_is_paid_at_the_start_of_each_period():
    economics = kw.Economics(
        margin=0.3,
        annual_discount_rate=0.0,
        acquisition_cost=11.0,
        annual_retention_cost=6.0,
        retention_rule=kw.WhileActive(),
    )
    member = contracts.fixed(0.7, 1.2)
    found = value(member, economics=economics, horizon=kw.renewals(5), every=YEAR, futures=10_000)
    # who always renews has brought 9 - 6 = 3 at once, and 6, 9, 12, 15, 24 at the renewals
    assert found.curve()["mean"].iloc[0] == pytest.approx(3, rel=1e-12)
    back = found.payback_probability()["single customer"]
    assert (back.loc[:2] == 0).all()
    share = math.exp(betaln(0.7, 1.2 + 3) - betaln(0.7, 1.2))
    assert back.loc[3] == pytest.approx(share, abs=3 * math.sqrt(share * (1 - share) / 10_000))
    assert back.loc[3] == back.loc[5]
    dearer = value(
        member, economics=replace(economics, acquisition_cost=4.0), horizon=kw.renewals(5), every=YEAR, futures=1000
    )
    assert dearer.payback_probability()["single customer"].loc[0] == 0
    discounted = replace(economics, annual_discount_rate=0.1)
    for horizon in (kw.renewals(1), kw.renewals(5)):
        found = value(member, economics=discounted, horizon=horizon, every=YEAR)
        worth = found.table["highest_acquisition_cost"].iloc[0]
        assert found.curve()["mean"].iloc[-1] == pytest.approx(worth, rel=1e-9)
    forever = value(member, economics=discounted, horizon=kw.LIFETIME, every=YEAR).curve()["mean"]
    longer = value(member, economics=discounted, horizon=kw.renewals(40), every=YEAR).curve(
        [kw.renewals(n) for n in range(21)]
    )["mean"]
    np.testing.assert_allclose(forever, longer, rtol=1e-12)  # the twenty-first period is served as well


def test_contracts_for_life():
    found = contract_value(contracts.fixed(0.7, 1.6), horizon=kw.LIFETIME)
    renewal = np.arange(1, 20_001)
    active = np.exp(betaln(0.7, 1.6 + renewal) - betaln(0.7, 1.6))
    assert parts(found)["repeat_purchases"] == pytest.approx(20 * 1.1 ** (-renewal / 12) @ active, rel=1e-9)
    assert found.limit == 240
    assert found.curve().index.tolist() == list(range(0, 241, 6))


def test_cohorts_have_rows_and_a_new_one_is_least_certain():
    posterior = contracts.posterior("ShiftedBetaGeometric").thinned(400)
    found = contract_value(posterior, every=YEAR, horizon=kw.renewals(5))
    assert found.table.index.tolist() == ["high_end", "regular", "new cohort"]
    assert found.table.index.name == "cohort"
    width = found.table["upper"] - found.table["lower"]
    assert width["new cohort"] > 3 * width["regular"]
    survival = posterior.survival_curve(up_to=kw.renewals(5))["mean"]
    for cohort in found.table.index[:2]:
        truth = 20 * 1.1 ** -np.arange(1, 6) @ survival.loc[cohort].to_numpy()[1:]
        assert found.table.loc[cohort, "repeat_purchases"] == pytest.approx(truth, rel=1e-9)
    both = contract_value({"web": posterior, "shop": contracts.fixed(0.7, 1.6)}, every=YEAR, horizon=kw.renewals(5))
    assert both.table.index.names == ["channel", "cohort"]
    assert both.table.index.tolist()[-2:] == [("web", "new cohort"), ("shop", "all")]
    np.testing.assert_allclose(both.table.loc[("web", "regular")], found.table.loc["regular"], rtol=1e-12)
    assert both.curve().index.names == ["channel", "cohort", "renewal"]


def test_opportunities_are_counted():
    model = kw.fixed(kw.BGBB.Parameters(alpha=1.2, beta=0.75, gamma=0.66, delta=2.78))
    economics = replace(SHOP, order_cost=0.0, acquisition_cost=16.0)
    found = value(model, economics=economics, horizon=kw.opportunities(6), every=YEAR, futures=50_000)
    j = np.arange(1, 7)
    buys = 1.2 / 1.95 * np.exp(betaln(0.66, 2.78 + j) - betaln(0.66, 2.78))
    curve = 9 + np.r_[0, np.cumsum(9 * 1.1 ** -j.astype(float) * buys)]
    assert found.curve()["mean"].to_numpy() == pytest.approx(curve, rel=1e-9)
    assert found.curve().index.tolist() == list(range(7))
    assert found.payback.loc["average customer", "median"] == np.argmax(curve >= 16)
    theta = model.model.named([v[0] for v in model.theta])
    bought = model.model.simulate(theta, np.full(CUSTOMERS, 6.0), np.random.default_rng(1))
    more = np.bincount(bought.customer, 9 * 1.1**-bought.time, CUSTOMERS)
    p = np.mean(more >= 7)
    assert found.payback.loc["single customer", "within_limit"] == pytest.approx(
        p, abs=3 * math.sqrt(p * (1 - p) * (1 / CUSTOMERS + 1 / 50_000))
    )


def test_the_same_seed_gives_the_same_customers():
    first, again, other = (value(futures=3000, seed=seed).payback for seed in (1, np.int64(1), 2))
    assert first.equals(again)
    assert not first.equals(other)
    assert "3.00" in repr(value(economics=replace(SHOP, margin=0.1, order_cost=0.0), horizon=kw.days(1e-9)))


def test_what_cannot_be_answered_is_refused():
    with pytest.raises(SpecificationError, match="first_purchase says whether"):
        value(first_purchase=1)
    with pytest.raises(SpecificationError, match="does not count; drop one"):
        value(first_purchase=False, first_amount=THIRTY)
    with pytest.raises(SpecificationError, match=r"acquisition_cost is PerCustomer.* no row in a table of customers"):
        value(economics=replace(SHOP, acquisition_cost=kw.PerCustomer("cac")))
    with pytest.raises(SpecificationError, match="margin is PerCustomer"):
        value(economics=replace(SHOP, margin=kw.Growing(start=kw.PerCustomer("m"), annual_growth_rate=0.02)))
    with pytest.raises(SpecificationError, match="amount of a purchase is PerCustomer"):
        value(spend=kw.KnownAmount(kw.PerCustomer("fee")))
    with pytest.raises(SpecificationError, match="purchases must be a PurchasePosterior"):
        value(SPEND, MBG)
    with pytest.raises(SpecificationError, match="economics must be an Economics"):
        value(economics=0.3)
    with pytest.raises(DurationError, match="horizon"):
        value(horizon=3)
    with pytest.raises(DurationError, match="beyond the moment"):
        value(horizon=kw.days(0))
    with pytest.raises(SpecificationError, match="every is the time between"):
        value(every=YEAR)
    with pytest.raises(DurationError, match="counts by renewal"):
        contract_value(contracts.fixed(0.7, 1.6), every=None)
    with pytest.raises(SpecificationError, match="futures must be a whole number"):
        value(futures=-1)
    with pytest.raises(SpecificationError, match="rule for contracts"):
        value(economics=replace(SHOP, annual_retention_cost=1.0, retention_rule=kw.WhileActive()))
    with pytest.raises(SpecificationError, match="curves end at 10"):
        value(horizon=kw.weeks(10)).curve([kw.weeks(11)])
    with pytest.raises(SpecificationError, match="several times"):
        value().curve(kw.weeks(1))


def test_channels_that_do_not_match_are_named():
    both = {"search": MBG, "social": BG}
    with pytest.raises(SpecificationError, match=r"acquisition_cost must have the channels.*'social' is missing"):
        value(both, economics=replace(SHOP, acquisition_cost={"search": 9.0}))
    with pytest.raises(SpecificationError, match=r"spend must have the channels.*'radio' is unknown"):
        value(both, {"search": THIRTY, "social": THIRTY, "radio": THIRTY})
    with pytest.raises(SpecificationError, match=r"acquisition_cost is by channel \('search'\), and purchases are not"):
        value(economics=replace(SHOP, acquisition_cost={"search": 9.0}))
    with pytest.raises(SpecificationError, match="one or more names"):
        value({})
    with pytest.raises(SpecificationError, match="ask for these channels one by one"):
        value({"search": MBG, "club": contracts.fixed(0.7, 1.6)})
