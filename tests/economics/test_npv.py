"""Net present value: explicit loops, units, limits, and a simulated market."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import roots_jacobi

import kundenwert as kw
from kundenwert.errors import (
    DataError,
    DurationError,
    InfiniteValueError,
    MissingInformationError,
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
    purchases, spend = cdnow.posterior(model).thinned(20), cdnow.posterior("GammaGamma").thinned(20)
    table = TEN.to_pandas().fillna({"monetary_value": 0.0})
    truth = np.empty((20, 10))
    for draw in range(20):
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
    with pytest.raises(SpecificationError, match="purchases must be a PurchasePosterior.*, got SpendPosterior"):
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
