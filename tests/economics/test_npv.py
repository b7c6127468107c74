"""Net present value: explicit loops, units, limits, and a simulated market."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import roots_jacobi

import kundenwert as kw
from kundenwert.economics.assumptions.referral import worth_of_purchase
from kundenwert.errors import (
    ColumnError,
    DataError,
    DurationError,
    InfiniteValueError,
    MissingInformationError,
    RowError,
    SpecificationError,
)
from tests import cdnow
from tests.customers import histories_of, with_draws

ECONOMICS = kw.Economics(margin=0.3, annual_discount_rate=0.15)
THREE_YEARS = kw.years(3)
TEN = histories_of(
    [0, 0, 1, 1, 2, 3, 5, 8, 20, 40],
    [0, 0, 5, 30, 10, 38, 20, 36, 38.5, 37],
    [30, 39, 30, 38, 30, 39, 35, 39, 39, 38],
    unit="week",
    mean_amount=[0, 0, 20, 90, 35, 0, 15, 55, 40, 33],
)


def npv(purchases, spend, histories=TEN, economics=ECONOMICS, *, horizon=THREE_YEARS, **more):
    table = kw.net_present_value(purchases, spend, histories, economics, horizon=horizon, **more)
    np.testing.assert_array_equal(table[["margin", "margin_lower", "margin_upper"]], table[["mean", "lower", "upper"]])
    return table[["mean", "lower", "upper"]]


@pytest.fixture(scope="module")
def purchases():
    return cdnow.posterior("MBGNBD").thinned(50)


@pytest.fixture(scope="module")
def spend():
    return cdnow.posterior("GammaGamma").thinned(50)


def discounted_purchases(model, theta, x, t_x, T):
    """Expected discounted purchases in three years, from one draw: plain quadrature over time and dropout."""
    r, alpha, a, b = theta
    n, A, later = r + x, alpha + T, b + x + (model == "MBGNBD")
    odds_gone = 0.0 if model == "BGNBD" and x == 0 else a / (later - 1) * (A / (alpha + t_x)) ** n
    node, weight = roots_jacobi(100, later - 1, a - 1)  # the dropout probability is Beta(a, later)
    p, weight = (1 + node) / 2, weight / weight.sum()
    time, step = np.polynomial.legendre.leggauss(100)
    weeks = 3 * 365.25 / 7
    time, step = weeks * (1 + time) / 2, weeks * step / 2
    rate = n / A * (1 + p * time[:, None] / A) ** -(n + 1) @ weight
    return (step * 1.15 ** (-time / (365.25 / 7)) * rate).sum() / (1 + odds_gone)


@pytest.mark.parametrize("model", ["BGNBD", "MBGNBD"])
def test_it_is_a_loop_over_joint_draws(model):
    purchases, spend = cdnow.posterior(model).thinned(6), cdnow.posterior("GammaGamma").thinned(6)
    table = TEN.to_pandas().fillna({"monetary_value": 0.0})
    truth = np.empty((6, 10))
    for draw in range(6):
        theta, (p, q, gamma) = (tuple(value[draw] for value in posterior.theta) for posterior in (purchases, spend))
        for i, customer in table.iterrows():
            x, t_x, T, z = customer[["frequency", "recency", "T", "monetary_value"]]
            amount = p * (gamma + x * z) / (p * x + q - 1)
            truth[draw, i] = 0.3 * amount * discounted_purchases(model, theta, x, t_x, T)
    found = npv(purchases, spend, interval=0.5)
    assert found["mean"].to_numpy() == pytest.approx(truth.mean(axis=0), rel=1e-7)
    assert found["lower"].to_numpy() == pytest.approx(np.quantile(truth, 0.25, axis=0), rel=1e-7)
    assert found["upper"].to_numpy() == pytest.approx(np.quantile(truth, 0.75, axis=0), rel=1e-7)


def test_it_is_the_product_of_purchases_and_spend_draw_by_draw(purchases, spend):
    discounted = purchases.draws.discounted_purchases(TEN, horizon=THREE_YEARS, annual_discount_rate=0.15)
    values = 0.3 * discounted.to_numpy()[0] * spend.draws.expected_spend(TEN).to_numpy()[0]
    found = npv(purchases, spend, interval=0.8)
    assert found["mean"].to_numpy() == pytest.approx(values.mean(axis=0), rel=1e-7)
    assert found["lower"].to_numpy() == pytest.approx(np.quantile(values, 0.1, axis=0), rel=1e-7)
    assert found["upper"].to_numpy() == pytest.approx(np.quantile(values, 0.9, axis=0), rel=1e-7)
    # not the product of means: draws are joint
    of_means = 0.3 * discounted.to_numpy().mean(axis=(0, 1)) * spend.expected_spend(TEN)["mean"]
    assert not np.allclose(found["mean"], of_means, rtol=1e-7)


def test_it_is_linear_in_the_margin(purchases, spend):
    whole, half = (
        npv(purchases, spend, economics=kw.Economics(margin=m, annual_discount_rate=0.1)) for m in (0.4, 0.2)
    )
    np.testing.assert_allclose(half + half, whole, rtol=1e-12)
    none = npv(purchases, spend, economics=kw.Economics(margin=0, annual_discount_rate=0.1))
    assert (none.to_numpy() == 0).all()


@pytest.mark.parametrize("unit", ["day", "week", "month", "year"])
def test_the_rate_is_annual_whatever_the_unit_of_the_model(spend, unit):
    weeks = {"r": 0.5, "alpha": 6.0, "a": 0.9, "b": 1.6}
    length = kw.weeks(1).in_unit(unit)
    model = kw.fixed(kw.MBGNBD.Parameters(**{**weeks, "alpha": 6.0 * length}, unit=unit))
    reference = kw.fixed(kw.MBGNBD.Parameters(**weeks, unit="week"))
    for horizon in (THREE_YEARS, kw.LIFETIME):
        np.testing.assert_allclose(
            npv(model, spend, horizon=horizon), npv(reference, spend, horizon=horizon), rtol=1e-9
        )


def test_a_horizon_is_a_length_of_time_in_any_words(purchases, spend):
    np.testing.assert_allclose(
        npv(purchases, spend, horizon=kw.months(36)), npv(purchases, spend, horizon=kw.days(3 * 365.25)), rtol=1e-12
    )


def test_finite_horizons_rise_to_that_for_life(purchases, spend):
    horizons = [kw.days(0), kw.weeks(1), kw.months(6), kw.years(2), kw.years(10), kw.years(60), kw.years(300)]
    values = np.array([npv(purchases, spend, horizon=h)["mean"] for h in horizons])
    life = npv(purchases, spend, horizon=kw.LIFETIME)["mean"].to_numpy()
    assert (values[0] == 0).all()
    assert (np.diff(values[:-1], axis=0) > 0).all()
    assert values[-1] == pytest.approx(life, rel=1e-7)
    assert (values[-2] < life).all()


def test_more_discounting_is_less_value(purchases, spend):
    values = [
        npv(purchases, spend, economics=kw.Economics(margin=0.3, annual_discount_rate=rate))["mean"].to_numpy()
        for rate in (0, 0.05, 0.2, 1.0)
    ]
    assert (np.diff(values, axis=0) < 0).all()
    plain = purchases.draws.expected_purchases(TEN, horizon=THREE_YEARS) * spend.draws.expected_spend(TEN)
    assert values[0] == pytest.approx(0.3 * plain.mean(("chain", "draw")).to_numpy(), rel=1e-7)


def test_customers_without_a_repeat_purchase_spend_what_the_population_does(purchases):
    spend = kw.fixed(kw.GammaGamma.Parameters(p=6.25, q=3.74, gamma=15.44))
    discounted = purchases.discounted_purchases(TEN, horizon=THREE_YEARS, annual_discount_rate=0.15)["mean"]
    found = npv(purchases, spend)["mean"].to_numpy()[:2]
    assert found == pytest.approx(0.3 * 6.25 * 15.44 / 2.74 * discounted.to_numpy()[:2], rel=1e-9)


def test_values_go_to_their_customer(purchases, spend):
    order = np.array([7, 2, 9, 0, 4])
    table = TEN.to_pandas().assign(customer_id=[f"c{i * 7 % 10}" for i in range(10)])
    named = kw.CustomerHistories.from_pandas(table, unit="week").take(order)
    found = npv(purchases, spend, named)
    assert found.index.tolist() == [f"c{i * 7 % 10}" for i in order]
    assert found["mean"].to_numpy() == pytest.approx(npv(purchases, spend)["mean"].to_numpy()[order], rel=1e-9)
    np.testing.assert_allclose(npv(purchases, spend, TEN.in_unit("day")), npv(purchases, spend), rtol=1e-9)


def test_more_draws_of_one_posterior_are_thinned_evenly():
    purchases = with_draws(kw.BGNBD, unit="week", r=0.25, alpha=4.4, a=0.8, b=[2.0, 50.0, 3.0, 60.0, 4.0, 70.0])
    spend = cdnow.posterior("GammaGamma").thinned(3)
    by_hand = with_draws(kw.BGNBD, unit="week", r=0.25, alpha=4.4, a=0.8, b=[2.0, 3.0, 4.0])
    np.testing.assert_allclose(npv(purchases, spend), npv(by_hand, spend), rtol=1e-12)


def test_a_single_draw_goes_with_all_of_the_other(purchases):
    point = kw.fixed(kw.GammaGamma.Parameters(p=6.25, q=3.74, gamma=15.44))
    found = npv(purchases, point)
    amounts = point.expected_spend(TEN)["mean"]
    discounted = purchases.discounted_purchases(TEN, horizon=THREE_YEARS, annual_discount_rate=0.15)
    np.testing.assert_allclose(found, 0.3 * discounted.mul(amounts, axis=0), rtol=1e-9)
    assert (found["lower"] < found["upper"]).all()


def test_what_is_infinite_is_refused(spend, purchases):
    heavy = kw.fixed(kw.GammaGamma.Parameters(p=2.0, q=0.9, gamma=10.0))
    with pytest.raises(InfiniteValueError, match="median_spend"):
        npv(purchases, heavy)
    forever = with_draws(kw.BGNBD, unit="week", r=0.25, alpha=4.4, a=[0.8, 2.0], b=2.0)
    free = kw.Economics(margin=0.3, annual_discount_rate=0)
    with pytest.raises(InfiniteValueError, match="50% of the draws"):
        npv(forever, spend, economics=free, horizon=kw.LIFETIME)
    assert np.isfinite(npv(forever, spend, horizon=kw.LIFETIME).to_numpy()).all()


def test_arguments_in_the_wrong_place_are_named(purchases, spend):
    with pytest.raises(SpecificationError, match=r"purchases must be a PurchasePosterior.*, got SpendPosterior"):
        npv(spend, purchases)
    with pytest.raises(SpecificationError, match="spend must be a SpendPosterior"):
        npv(purchases, purchases)
    with pytest.raises(SpecificationError, match=r"economics must be an? Economics"):
        npv(purchases, spend, economics=0.3)
    with pytest.raises(DurationError, match="horizon"):
        npv(purchases, spend, horizon=3)
    with pytest.raises(DataError, match="CustomerHistories"):
        npv(purchases, spend, TEN.to_pandas())
    with pytest.raises(MissingInformationError, match="amount"):
        npv(purchases, spend, histories_of([0, 1], [0.0, 2.0], 5.0, unit="week"))
    with pytest.raises(SpecificationError, match="interval"):
        npv(purchases, spend, interval=90)


CUSTOMERS, OBSERVED, MOST = 40_000, 40.0, 4000


def market(rng, *, mbg, horizon):
    """Purchases of customers with r = .6, alpha = 8, a = .9, b = 2.5 (weeks) and p = 4, q = 5, gamma = 40, by hand."""
    rate, dropout = rng.gamma(0.6, 1 / 8, CUSTOMERS), rng.beta(0.9, 2.5, CUSTOMERS)
    nu = rng.gamma(5.0, 1 / 40, CUSTOMERS)
    chances = rng.geometric(dropout).clip(max=MOST) - mbg  # repeat purchases a customer would make in endless time
    who, time = np.arange(CUSTOMERS), np.zeros(CUSTOMERS)
    all_who, all_time = [], []
    for number in range(1, MOST + 1):
        more = chances[who] >= number
        who, time = who[more], time[more]
        time = time + rng.exponential(size=len(who)) / rate[who]
        who, time = who[time <= OBSERVED + horizon], time[time <= OBSERVED + horizon]
        if not len(who):
            break
        all_who.append(who)
        all_time.append(time)
    who, time = np.concatenate(all_who), np.concatenate(all_time)
    return who, time, rng.gamma(4.0, 1 / nu[who])


@pytest.mark.parametrize("model", [kw.BGNBD, kw.MBGNBD])
@pytest.mark.parametrize("years", [1, 20])
def test_a_simulated_market_earns_what_was_expected(model, years):
    weeks = years * 365.25 / 7
    who, time, amount = market(np.random.default_rng(years), mbg=model is kw.MBGNBD, horizon=weeks)
    seen = time <= OBSERVED
    x = np.bincount(who[seen], minlength=CUSTOMERS)
    last = np.zeros(CUSTOMERS)
    np.maximum.at(last, who[seen], time[seen])
    mean_amount = np.bincount(who[seen], weights=amount[seen], minlength=CUSTOMERS) / np.maximum(x, 1)
    discount = 1.15 ** -((time - OBSERVED) / (365.25 / 7))
    realised = 0.3 * np.bincount(who[~seen], weights=(amount * discount)[~seen], minlength=CUSTOMERS)

    purchases = kw.fixed(model.Parameters(r=0.6, alpha=8.0, a=0.9, b=2.5, unit="week"))
    spend = kw.fixed(kw.GammaGamma.Parameters(p=4.0, q=5.0, gamma=40.0))
    histories = histories_of(x, last, OBSERVED, unit="week", mean_amount=mean_amount)
    expected = npv(purchases, spend, histories, horizon=kw.years(years))["mean"].to_numpy()
    for group in (np.ones(CUSTOMERS, dtype=bool), x == 0, x == 1, x >= 3, last > 30):
        error = (realised - expected)[group]
        assert abs(error.mean()) < 4 * error.std() / np.sqrt(group.sum())
    assert expected.mean() > 20 * (realised - expected).std() / np.sqrt(CUSTOMERS)  # so the check can fail


def test_one_draw_of_spend_near_an_infinite_mean_goes_with_many_draws_of_purchases():
    """The value is finite for the draw at hand, so that pairing it with many must not refuse it."""
    table = pd.DataFrame({"customer_id": [1], "frequency": 0, "recency": 0.0, "T": 10.0, "monetary_value": np.nan})
    customer = kw.CustomerHistories.from_pandas(table, unit="week")
    purchases = kw.fit(kw.MBGNBD(), customer, seed=1, method=kw.ImportanceSampling(draws=200))
    spend = kw.fixed(kw.GammaGamma.Parameters(p=0.5, q=1.01, gamma=10))
    economics = kw.Economics(margin=0.5, annual_discount_rate=0.0)
    value = kw.net_present_value(purchases, spend, customer, economics, horizon=kw.weeks(4))
    expected = purchases.expected_purchases(customer, horizon=kw.weeks(4))
    np.testing.assert_allclose(value[["mean", "lower", "upper"]], expected * 0.5 * (0.5 * 10 / 0.01), rtol=1e-9)


# maximum likelihood estimates on CDNOW, refitted to four digits; and the mean value of its customers at the end of week
# 39, with 30 % margin and ln 1.15/52 a week: digits of a computation independent of this package
LIKELIEST: dict[str, Any] = {
    "Pareto/NBD": (kw.ParetoNBD.Parameters(r=0.5533, alpha=10.5777, s=0.6062, beta=11.6687, unit="week"), 33.3),
    "BG/NBD": (kw.BGNBD.Parameters(r=0.2426, alpha=4.4136, a=0.7929, b=2.4259, unit="week"), 31.0),
    "MBG/NBD": (kw.MBGNBD.Parameters(r=0.5248, alpha=6.1831, a=0.8914, b=1.6140, unit="week"), 26.9),
}
LIKELY_SPEND = kw.GammaGamma.Parameters(p=6.2496, q=3.7442, gamma=15.4435)
STUDIES_RATE = 1.15 ** (365.25 / 7 / 52) - 1  # a year here has more than 52 weeks


@pytest.mark.parametrize("name", LIKELIEST)
def test_cdnow(name):
    parameters, published = LIKELIEST[name]
    studies, ours = (
        npv(
            kw.fixed(parameters),
            kw.fixed(LIKELY_SPEND),
            cdnow.histories(),
            kw.Economics(margin=0.30, annual_discount_rate=rate),
            horizon=kw.LIFETIME,
        )["mean"]
        for rate in (STUDIES_RATE, 0.15)
    )
    assert studies.mean() == pytest.approx(published, abs=0.05)
    assert 1.0015 < ours.mean() / studies.mean() < 1.0025
    if name == "Pareto/NBD":  # of the value, customers without a repeat purchase carry so much
        once = cdnow.histories().frequency == 0
        assert once.mean() == pytest.approx(0.599, abs=5e-4)
        assert studies[once].sum() / studies.sum() == pytest.approx(0.113, abs=5e-4)


HALF = kw.PerCustomer("margin")
FEE, THREE = kw.KnownAmount(10.0), histories_of([0, 2, 5], [0, 10.0, 30.0], [20.0, 30.0, 39.0], unit="week")
SHOP = kw.fixed(LIKELIEST["MBG/NBD"][0])
DONORS = kw.fixed(kw.BGBB.Parameters(alpha=1.204, beta=0.750, gamma=0.657, delta=2.783))
CLUB = kw.fixed(kw.ShiftedBetaGeometric.Parameters(gamma=0.668, delta=3.806))
GIFTS = pd.DataFrame({"customer_id": [1], "frequency": 3, "recency": 5, "opportunities": 6})
MEMBERS = pd.DataFrame({"customer_id": [1], "tenure": 3, "ended": 0})


def terms(**changes):
    return kw.Economics(**{"margin": 0.3, "annual_discount_rate": 0.1, **changes})


def serving(rule, **changes):
    return terms(annual_retention_cost=4.0, retention_rule=rule, **changes)


def columns(**more):
    return pd.DataFrame({"customer_id": range(3), **more})


@pytest.mark.parametrize(
    "table, error, message",
    [
        (
            None,
            MissingInformationError,
            r"margin is PerCustomer\(column='margin'\), and there is no table to look it up in",
        ),
        (columns(Margin=0.3), ColumnError, "has no column 'margin'; did you mean 'Margin'"),
        (
            columns(margin=0.3).iloc[:2],
            RowError,
            r"no row for customer 2 \(1 such customers\); expected one per customer",
        ),
        (columns(margin=[0.3, np.nan, 0.3]), RowError, "customer 1 has margin = nan; expected a share between 0 and 1"),
        (columns(margin=[30, 20, 40]), RowError, r"customer 0 \(and 2 more\) has margin = 30; expected a share"),
        (columns(margin=[0.3, -0.1, 0.3]), RowError, "customer 1 has margin = -0.1"),
        (pd.concat([columns(margin=0.3)] * 2), RowError, "two rows for customer 0; expected one per customer"),
        (columns(margin=["a", "b", "c"]), ColumnError, "column 'margin' must hold numbers"),
        (columns(margin=0.3).assign(customer_id=list("abc")), RowError, r"no row for customer 0 \(3 such"),
        (columns(margin=0.3).drop(columns="customer_id"), ColumnError, "has no column 'customer_id'"),
        ({"margin": 0.3}, DataError, "must be a pandas, Polars or PyArrow data frame, got builtins.dict"),
    ],
    ids=["none", "column", "row", "NaN", "per cent", "negative", "twice", "text", "ids", "no ids", "dict"],
)
def test_a_table_of_customers_has_what_is_looked_up(table, error, message):
    with pytest.raises(error, match=message):
        kw.net_present_value(SHOP, FEE, THREE, terms(margin=HALF), horizon=THREE_YEARS, customers=table)


def test_amounts_are_looked_up_too():
    fee = kw.KnownAmount(kw.PerCustomer("fee"))
    with pytest.raises(MissingInformationError, match=r"the amount of a purchase is PerCustomer\(column='fee'\)"):
        kw.net_present_value(SHOP, fee, THREE, terms(), horizon=THREE_YEARS)
    with pytest.raises(RowError, match="customer 1 has fee = inf; expected an amount of money, 0 or more"):
        kw.net_present_value(SHOP, fee, THREE, terms(), horizon=THREE_YEARS, customers=columns(fee=[3, np.inf, 1]))
    with pytest.raises(RowError, match=r"customer 2 has fee = 1e\+308; expected .*0 or more and 1e\+15 at most"):
        kw.net_present_value(SHOP, fee, THREE, terms(), horizon=THREE_YEARS, customers=columns(fee=[3, 1, 1e308]))


def test_the_largest_amounts_overflow_nothing():
    most = terms(order_cost=1e15, referral=kw.Referral(per_purchase=0.02, value=-1e15, generations=3))
    table = kw.net_present_value(SHOP, kw.KnownAmount(1e15), THREE, most, horizon=kw.LIFETIME)
    one = terms(order_cost=1, referral=kw.Referral(per_purchase=0.02, value=-1, generations=3))
    expected = kw.net_present_value(SHOP, kw.KnownAmount(1), THREE, one, horizon=kw.LIFETIME)
    np.testing.assert_allclose(table, 1e15 * expected, rtol=1e-12)


@pytest.mark.parametrize(
    "purchases, economics, error, message",
    [
        (SHOP, serving(kw.WhileActive()), SpecificationError, r"WhileActive\(\) is a rule for contracts"),
        (DONORS, serving(kw.WhileActive()), SpecificationError, r"WhileActive\(\) is a rule for contracts"),
        (CLUB, serving(kw.WhilePAliveAbove(0.2)), SpecificationError, "a rule for customers without contracts"),
        (
            CLUB,
            terms(referral=kw.Referral(per_purchase=0.02, value=3.0, generations=2)),
            SpecificationError,
            "one generation",
        ),
        (
            SHOP,
            terms(referral=kw.Referral(per_purchase=0.4, value=3.0, generations=2)),
            InfiniteValueError,
            "brings 1.9",
        ),
        (SHOP, terms(annual_discount_rate=0), InfiniteValueError, "expected purchases for life are infinite"),
        (DONORS, terms(annual_discount_rate=0), InfiniteValueError, "expected purchases for life are infinite"),
        (CLUB, terms(annual_discount_rate=0), InfiniteValueError, "the expected lifetime is infinite"),
        (
            SHOP,
            terms(margin=kw.Growing(start=0.3, annual_growth_rate=-0.1), annual_discount_rate=0, order_cost=1.0),
            InfiniteValueError,
            "expected purchases for life are infinite",
        ),
        (
            SHOP,
            terms(margin=kw.Growing(start=0.3, annual_growth_rate=0.1)),
            InfiniteValueError,
            "margins grow at least",
        ),
    ],
)
def test_what_has_no_value_for_life(purchases, economics, error, message):
    histories = {
        "week": THREE,
        "opportunity": kw.OpportunityHistories.from_pandas(GIFTS, every=kw.years(1)),
        "renewal": kw.ContractHistories.from_pandas(MEMBERS, every=kw.years(1)),
    }[purchases.unit]
    with pytest.raises(error, match=message):
        kw.net_present_value(purchases, FEE, histories, economics, horizon=kw.LIFETIME)


def test_what_has_a_value_for_life_without_discounting():
    """Where margins end or shrink to nothing, or customers leave soon enough."""
    loyal = kw.fixed(kw.MBGNBD.Parameters(r=0.525, alpha=6.183, a=1.5, b=1.614, unit="week"))
    free = {"annual_discount_rate": 0.0}
    for economics in (
        terms(margin=kw.Growing(start=0.3, annual_growth_rate=-0.1), **free),
        terms(margin=kw.Schedule([0.3, 0.0], every=kw.years(2)), **free),
    ):
        value = kw.net_present_value(SHOP, FEE, THREE, economics, horizon=kw.LIFETIME)["mean"]
        assert (value > 0).all()
    forever = kw.net_present_value(loyal, FEE, THREE, terms(**free), horizon=kw.LIFETIME)["mean"].to_numpy()
    p_alive, b = loyal.p_alive(THREE)["mean"].to_numpy(), 1.614 + THREE.frequency + 1
    np.testing.assert_allclose(forever, 3.0 * p_alive * (1.5 + b - 1) / 0.5, rtol=1e-9)
    in_periods = terms(discounting=kw.EndOfPeriod(kw.years(1)), **free)
    np.testing.assert_allclose(
        kw.net_present_value(loyal, FEE, THREE, in_periods, horizon=kw.LIFETIME)["mean"], forever
    )
    later = terms(margin=kw.Schedule([0.3, 0.15], every=kw.years(1)), **free)
    year = kw.net_present_value(loyal, FEE, THREE, terms(**free), horizon=kw.years(1))["mean"].to_numpy()
    found = kw.net_present_value(loyal, FEE, THREE, later, horizon=kw.LIFETIME)["mean"]
    np.testing.assert_allclose(found, (forever + year) / 2, rtol=1e-9)


def test_discounting_needs_to_know_how_far_apart_events_are():
    gifts, members = kw.OpportunityHistories.from_pandas(GIFTS), kw.ContractHistories.from_pandas(MEMBERS)
    free = {"annual_discount_rate": 0.0}
    for posterior, histories, horizon, name in (
        (DONORS, gifts, kw.opportunities(4), "opportunities"),
        (CLUB, members, kw.renewals(4), "renewals"),
    ):
        value = kw.net_present_value(posterior, FEE, histories, terms(**free), horizon=horizon)["mean"].iloc[0]
        if isinstance(posterior, kw.PurchasePosterior):
            count = posterior.expected_purchases(histories, horizon=horizon)["mean"].iloc[0]
        else:
            count = posterior.expected_residual_lifetime(members, horizon=horizon)["mean"].iloc[0]
        assert value == pytest.approx(3.0 * count, rel=1e-12)
        for economics in (
            terms(),
            terms(margin=kw.Growing(start=0.3, annual_growth_rate=0.1), **free),
            terms(discounting=kw.EndOfPeriod(kw.years(3))),
            serving(kw.EveryoneFor(kw.years(1)), **free),
            serving(kw.WhileActive() if posterior is CLUB else kw.WhilePAliveAbove(0.2), **free),
        ):
            with pytest.raises(MissingInformationError, match=f"between two {name}"):
                kw.net_present_value(posterior, FEE, histories, economics, horizon=horizon)


def test_questions_that_do_not_fit_together(purchases, spend):
    gifts = kw.OpportunityHistories.from_pandas(GIFTS, every=kw.years(1))
    members = kw.ContractHistories.from_pandas(MEMBERS, every=kw.years(1))
    for posterior, histories, horizon in ((DONORS, gifts, kw.opportunities(3)), (CLUB, members, kw.renewals(3))):
        with pytest.raises(
            MissingInformationError, match=r"GammaGamma learns from amounts in a log, .*KnownAmount\(29.90\)"
        ):
            kw.net_present_value(posterior, spend, histories, terms(), horizon=horizon)
        with pytest.raises(DurationError, match="are counted here, got years"):
            kw.net_present_value(posterior, FEE, histories, terms(), horizon=kw.years(3))
    with pytest.raises(MissingInformationError, match="MBGNBD needs CustomerHistories"):
        kw.net_present_value(SHOP, FEE, gifts, terms(), horizon=kw.years(3))
    with pytest.raises(SpecificationError, match="renewal_due is about contracts, and MBGNBD is no model of contracts"):
        kw.net_present_value(SHOP, FEE, THREE, terms(), horizon=kw.years(3), renewal_due=True)
    with pytest.raises(DurationError, match="expected a whole number of them, at least one"):
        npv(purchases, spend, economics=terms(discounting=kw.EndOfPeriod(kw.years(1))), horizon=kw.months(6))
    monthly = kw.ContractHistories.from_pandas(MEMBERS, every=kw.months(1))
    slowly = terms(annual_discount_rate=1e-5, discounting=kw.EndOfPeriod(kw.years(1)))
    with pytest.raises(SpecificationError, match="events in accounting periods of 12 events each are too many"):
        kw.net_present_value(CLUB, FEE, monthly, slowly, horizon=kw.LIFETIME)


EXTREME: dict[str, Any] = {
    "few leave": kw.MBGNBD.Parameters(r=50.0, alpha=600.0, a=0.01, b=0.02, unit="day"),
    "all leave": kw.MBGNBD.Parameters(r=0.01, alpha=0.1, a=30.0, b=0.05, unit="day"),
    "soon": kw.ParetoNBD.Parameters(r=0.01, alpha=0.01, s=20.0, beta=0.1, unit="day"),
    "late": kw.GGompNBD.Parameters(r=0.553, alpha=10.578, b=0.2, s=0.603, beta=1000.0, unit="day"),
}


@pytest.mark.every(3)
@pytest.mark.parametrize("name", EXTREME)
@pytest.mark.parametrize(
    "economics",
    [
        terms(annual_discount_rate=1e-9),
        terms(annual_discount_rate=1, order_cost=1e9),
        terms(annual_discount_rate=kw.Schedule([0.0, 1.0, 0.0, 0.1], every=kw.days(10))),
        terms(margin=kw.Schedule([0, 1, 0, 0, 0.5, 0], every=kw.days(3.3))),
        terms(margin=kw.Growing(start=0.3, annual_growth_rate=-0.9), discounting=kw.StartOfPeriod(kw.days(1))),
        terms(margin=0, discounting=kw.EndOfPeriod(kw.days(1))),
        serving(kw.EveryoneFor(kw.LIFETIME), referral=kw.Referral(per_purchase=1e-4, value=-5.0, generations=1000)),
    ],
    ids=["little interest", "much", "now and then", "margins now and then", "shrinking", "nothing", "costs"],
)
def test_extremes(name, economics):
    x = np.array([0, 0, 0, 1, 3000, 8000, 2])
    T = np.array([0.0, 1, 5000, 1, 4000, 4000, 5000])
    t_x = np.where(x > 0, np.array([0, 0, 0, 1.0, 3999, 1, 3]), 0)
    histories = histories_of(x, t_x, T, unit="day")
    life = kw.net_present_value(kw.fixed(EXTREME[name]), FEE, histories, economics, horizon=kw.LIFETIME)
    ages = kw.net_present_value(kw.fixed(EXTREME[name]), FEE, histories, economics, horizon=kw.years(1000))
    day = kw.net_present_value(kw.fixed(EXTREME[name]), FEE, histories, economics, horizon=kw.days(1))
    for table in (life, ages, day):
        assert np.isfinite(table.to_numpy()).all()
        assert (table[["margin", "order_cost", "retention_cost"]] >= 0).all(axis=None)
        parts = table["margin"] - table["order_cost"] - table["retention_cost"] + table["referral"]
        np.testing.assert_allclose(table["mean"], parts, rtol=1e-12)
    ahead = np.array([day["margin"], ages["margin"] * (1 + 1e-9), life["margin"] * (1 + 1e-8)])
    assert (np.diff(ahead, axis=0) >= 0).all()


def test_nothing_is_worth_nothing(purchases, spend):
    for table in (
        npv(purchases, spend, economics=terms(margin=0)),
        npv(purchases, kw.KnownAmount(0)),
        npv(purchases, spend, horizon=kw.days(0)),
        npv(purchases, spend, economics=terms(margin=kw.Schedule([0, 0.3], every=kw.years(3)))),
    ):
        assert (table == 0).all(axis=None)


NOBODY = THREE.take([])


@pytest.mark.parametrize("horizon", [THREE_YEARS, kw.LIFETIME])
@pytest.mark.parametrize(
    "economics",
    [
        terms(),
        terms(discounting=kw.EndOfPeriod(kw.months(3))),
        terms(margin=kw.Schedule([0.3, 0.2], every=kw.years(1)), order_cost=1),
        serving(kw.WhilePAliveAbove(0.2), annual_discount_rate=kw.Schedule([0.1, 0.2], every=kw.years(1))),
    ],
    ids=["plain", "periods", "margins", "rates"],
)
def test_nobody_is_worth_nothing(economics, horizon):
    table = kw.net_present_value(SHOP, FEE, NOBODY, economics, horizon=horizon)
    full = kw.net_present_value(SHOP, FEE, THREE, economics, horizon=horizon)
    assert len(table) == 0
    assert list(table.columns) == list(full.columns)


def referred(purchases, per_purchase, generations):
    referral = kw.Referral(per_purchase=per_purchase, value=3.0, generations=generations)
    economics = terms(referral=referral, annual_discount_rate=0.1)
    return kw.net_present_value(purchases, FEE, THREE, economics, horizon=THREE_YEARS)["referral"].to_numpy()


@pytest.mark.parametrize("brought", [1e-300, 0.3, 1 - 1e-12])
def test_generations_are_a_geometric_series(brought):
    for generations in (1, 2, 7, 1000, 10**400):
        referral = kw.Referral(per_purchase=brought / 4, value=3.0, generations=generations)
        series = sum(brought**number for number in range(generations)) if generations < 1e6 else 1 / (1 - brought)
        found = worth_of_purchase(referral, np.full(2, 3.0))  # with the first, four purchases
        np.testing.assert_allclose(found, np.full(2, brought / 4 * 3.0 * series), rtol=1e-11)
    nobody = kw.Referral(per_purchase=0.0, value=3.0, generations=5)
    assert worth_of_purchase(nobody, np.array([1.0, np.inf])).tolist() == [0.0, 0.0]


def test_no_draw_may_bring_more_and_more(purchases):
    """A single draw of generations that grow would be the mean of all."""
    new = purchases.draws.discounted_purchases(
        histories_of([0], [0], [0], unit="week"), annual_discount_rate=0.1, horizon=THREE_YEARS
    )
    brings = 1 + np.sort(new.to_numpy().ravel())
    between = (brings[-3] + brings[-4]) / 2
    assert brings.mean() / between < 0.95
    message = r"brings 0\.\d\d others on average .* one or more in 3 of 50 draws.* a shorter horizon, or generations=1"
    for generations in (2, 20_000):
        with pytest.raises(InfiniteValueError, match=message):
            referred(purchases, 1 / between, generations)
    assert (referred(purchases, 1 / between, 1) > 0).all()
    everywhere = 0.999 / brings[-1]
    assert np.isfinite(referred(purchases, everywhere, 20_000)).all()
