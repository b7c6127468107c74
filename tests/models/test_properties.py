"""What must hold of BG/NBD and MBG/NBD for every population and history; see test_contract.py for all models."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import gammaln

import kundenwert as kw
from kundenwert.testing._customers import CUSTOMER_CHECKS, many_draws_are_as_good_as_one
from kundenwert.testing._living import LIVING_CHECKS
from kundenwert.testing._population import purchase_case
from tests.customers import PURCHASE_MODELS, TABLE_ERROR, histories_of, log_likelihood

DAYS_IN = {"hour": 1 / 24, "day": 1.0, "week": 7.0, "month": 365.25 / 12, "year": 365.25}


def between(low, high):
    """Positive numbers, evenly spread on the logarithmic scale."""
    return st.floats(math.log(low), math.log(high)).map(math.exp)


@st.composite
def populations(draw, model=None):
    model = draw(st.sampled_from(PURCHASE_MODELS)) if model is None else model
    r, alpha, a, b = draw(between(0.05, 20)), draw(between(0.1, 500)), draw(between(0.05, 30)), draw(between(0.02, 200))
    return model.Parameters(r=r, alpha=alpha, a=a, b=b, unit="day")


def posteriors(model=None):
    return populations(model).map(kw.fixed)


@st.composite
def histories(draw):
    size = draw(st.integers(1, 5))
    x = np.array([draw(st.integers(0, 300)) for _ in range(size)])
    T = np.array([draw(st.floats(1, 2000)) for _ in range(size)])
    recency = np.array([draw(st.floats(0.01, 1)) for _ in range(size)])
    return histories_of(x, np.where(x > 0, recency * T, 0.0), T)


horizons = between(0.04, 36525).map(kw.days)
about = settings(max_examples=settings().max_examples * 2 // 5)


def mean(table):
    return table["mean"].to_numpy()


@about
@given(populations(), histories(), horizons)
def test_the_contract_holds_wherever_one_looks(parameters, h, horizon):
    """Periods add up, counts have the expected mean, discounting, silence: with horizons around the one given."""
    case = replace(purchase_case(parameters, histories=h, error=TABLE_ERROR), span=horizon.in_days)
    for check in (*LIVING_CHECKS, *CUSTOMER_CHECKS):
        if check is not many_draws_are_as_good_as_one:  # takes long
            check(case)


@about
@given(posteriors(), histories(), horizons, horizons)
def test_probabilities_are_probabilities(posterior, h, near, far):
    near, far = sorted((near, far))
    now, later, latest = mean(posterior.p_alive(h)), *(mean(posterior.p_alive(h, ahead=d)) for d in (near, far))
    soon, late = (mean(posterior.return_probability(h, horizon=d)) for d in (near, far))
    assert (latest >= 0).all()
    assert (later >= latest * (1 - 2 * TABLE_ERROR)).all()
    assert (now >= later * (1 - TABLE_ERROR)).all()
    assert (now <= 1).all()
    assert (soon >= 0).all()
    assert (soon <= late).all()
    assert (late <= now).all()  # only those who are alive can return
    distribution = posterior.purchase_distribution(h, horizon=far, up_to=4).to_numpy()
    assert (distribution >= 0).all()
    assert (distribution <= 1 + 1e-12).all()
    np.testing.assert_allclose(distribution.sum(axis=1), 1, rtol=1e-12)


@about
@given(posteriors(), histories(), horizons)
def test_nothing_happens_in_no_time(posterior, h, start):
    none = kw.days(0)
    assert (mean(posterior.expected_purchases(h, horizon=none)) == 0).all()
    assert (mean(posterior.expected_purchases(h, horizon=none, start=start)) == 0).all()
    assert (mean(posterior.return_probability(h, horizon=none)) == 0).all()
    assert (mean(posterior.discounted_purchases(h, annual_discount_rate=0.1, horizon=none)) == 0).all()
    assert (mean(posterior.p_alive(h, ahead=none)) == mean(posterior.p_alive(h))).all()
    distribution = posterior.purchase_distribution(h, horizon=none, up_to=2).to_numpy()
    np.testing.assert_allclose(distribution, np.tile([1.0, 0, 0, 0], (len(h), 1)), atol=1e-15)


@about
@given(posteriors(), histories(), horizons)
def test_a_return_is_at_least_one_purchase(posterior, h, horizon):
    none = posterior.purchase_distribution(h, horizon=horizon, up_to=0)
    returns = mean(posterior.return_probability(h, horizon=horizon))
    np.testing.assert_allclose(none[0], 1 - returns, atol=1e-14)
    np.testing.assert_allclose(none["more"], returns, atol=1e-14)


@about
@given(posteriors(), histories(), horizons, st.sampled_from(sorted(DAYS_IN)))
def test_the_unit_makes_no_difference(posterior, h, horizon, unit):
    days = DAYS_IN[unit]
    r, alpha, a, b = (float(value[0]) for value in posterior.theta)
    same = kw.fixed(type(posterior.model).Parameters(r=r, alpha=alpha / days, a=a, b=b, unit=unit))
    other = histories_of(h.frequency, h.recency / days, h.T / days, unit=unit)
    for left, right in [(posterior, other), (same, h), (same, other)]:
        for ask in (
            lambda p, h: p.p_alive(h),
            lambda p, h: p.p_alive(h, ahead=horizon),
            lambda p, h: p.expected_purchases(h, horizon=horizon, start=kw.weeks(3)),
            lambda p, h: p.return_probability(h, horizon=horizon),
            lambda p, h: p.discounted_purchases(h, annual_discount_rate=0.1, horizon=kw.LIFETIME),
        ):
            np.testing.assert_allclose(ask(left, right), ask(posterior, h), rtol=2 * TABLE_ERROR)


@about
@given(posteriors(), histories(), horizons, st.randoms())
def test_the_order_of_rows_makes_no_difference(posterior, h, horizon, random):
    order = random.sample(range(len(h)), len(h))
    table, shuffled = (posterior.expected_purchases(part, horizon=horizon) for part in (h, h.take(order)))
    assert shuffled.index.tolist() == order
    np.testing.assert_allclose(shuffled, table.iloc[order], rtol=1e-14)


@about
@given(posteriors(), horizons)
def test_a_new_customer_is_one_with_an_empty_history(posterior, horizon):
    new = posterior.expected_purchases_new_customer(horizon=horizon)
    empty = posterior.expected_purchases(histories_of(0, 0, 0), horizon=horizon).iloc[0]
    assert (new.mean, new.lower, new.upper) == (empty["mean"], empty["lower"], empty["upper"])


@about
@given(posteriors(kw.BGNBD), histories())
def test_no_one_time_buyer_has_left_under_bg_nbd(posterior, h):
    p_alive = mean(posterior.p_alive(h))
    assert (p_alive[h.frequency == 0] == 1).all()
    assert (p_alive[h.frequency > 0] < 1).all()


# how predictions hang together with the likelihood


@about
@given(posteriors(), histories(), between(0.04, 3652))
def test_silence_moves_p_alive_by_bayes_rule(posterior, h, days):
    later = histories_of(h.frequency, h.recency, h.T + days)
    returns = mean(posterior.return_probability(h, horizon=kw.days(days)))
    now, then = mean(posterior.p_alive(h)), mean(posterior.p_alive(later))
    np.testing.assert_allclose(then * (1 - returns), now - returns, atol=1e-12)


@pytest.mark.parametrize("model", PURCHASE_MODELS)
@pytest.mark.parametrize("T", [3.0, 40.0])
def test_the_likelihood_is_a_density_of_frequency_and_recency(model, T):
    """t^(x-1)/(x-1)! L(x, t, T), integrated over t, is P(x): 1 in all, and what is predicted for a new customer."""
    posterior = kw.fixed(model.Parameters(r=0.9, alpha=7.0, a=0.8, b=2.4, unit="day"))
    nodes, weights = np.polynomial.legendre.leggauss(60)
    t = 0.5 * T * (nodes + 1)
    x, t = np.repeat(np.arange(1, 151), 60), np.tile(t, 150)
    density = np.exp(log_likelihood(posterior, histories_of(x, t, T)) + (x - 1) * np.log(t) - gammaln(x))
    none = np.exp(log_likelihood(posterior, histories_of(0, 0, T)))
    p = np.r_[none, 0.5 * T * density.reshape(150, 60) @ weights]
    assert p.sum() == pytest.approx(1, abs=1e-10)
    predicted = posterior.purchase_distribution(histories_of(0, 0, 0), horizon=kw.days(T), up_to=150)
    np.testing.assert_allclose(predicted.iloc[0, :-1], p, rtol=1e-9)
