"""Expected and median spend: by integration over customers, with infinite means, and in any currency."""

from dataclasses import replace
from typing import Any

import mpmath as mp
import numpy as np
import pytest

import kundenwert as kw
from kundenwert.errors import InfiniteValueError
from tests.customers import histories_of

AMOUNTS = [(0, np.nan), (1, 12.5), (4, 80.0), (60, 3.0)]  # x and mean amount


@pytest.fixture(scope="module")
def histories():
    x, mean = zip(*AMOUNTS, strict=True)
    return histories_of(x, np.minimum(x, 5), 10, mean_amount=mean)


def fixed(p, q, gamma):
    return kw.fixed(kw.GammaGamma.Parameters(p=p, q=q, gamma=gamma))


def with_spend_draws(p, q, gamma, p_infinite_mean):
    values = np.broadcast_arrays(np.atleast_1d(p), q, gamma)
    one = fixed(3.0, 4.0, 15.0)
    named = one.model.named([np.array(value, dtype=np.float64)[None] for value in values])
    return replace(one, values=named, p_infinite_mean=p_infinite_mean)


@pytest.mark.every(3)
@pytest.mark.parametrize("p, q, gamma", [(6.25, 3.74, 15.44), (0.4, 1.3, 2.0), (30.0, 25.0, 1e4), (2.0, 1.021, 9.0)])
def test_against_the_integral_over_customers(histories, p, q, gamma):
    """nu ~ Gamma(q, gamma), and the sum of x amounts ~ Gamma(p x, nu); an amount has mean p/nu."""
    posterior = fixed(p, q, gamma)
    mean, median = posterior.expected_spend(histories)["mean"], posterior.median_spend(histories)["mean"]
    for position, (x, amount) in enumerate(AMOUNTS):
        with mp.workdps(16):
            total = mp.mpf(x * amount) if x else mp.mpf(0)
            shape, rate = p * x + q, gamma + total

            def average(f, shape=shape, rate=rate):  # over y = log(nu rate)
                centre, spread = mp.log(shape), 1 / mp.sqrt(shape)
                pieces = [centre + k * spread for k in (-2500, -500, -100, -40, -20, *range(-10, 11, 2), 20)]
                return mp.quad(lambda y: f(mp.exp(y) / rate) * mp.exp(shape * y - mp.exp(y)), pieces)

            expected = average(lambda nu: p / nu) / average(lambda _: 1)
            assert float(mean.iloc[position]) == pytest.approx(float(expected), rel=1e-10)
            # half of the customers with this history spend more than the median
            cut = p / mp.mpf(float(median.iloc[position]))
            share = mp.gammainc(shape, 0, cut * rate, regularized=True)
            assert float(share) == pytest.approx(0.5, rel=1e-11)


def test_spend_shrinks_towards_the_population(histories):
    """Fader & Hardie (2013), eq. (5): a weighted mean of the customer's own and the population's mean."""
    p, q, gamma = 6.25, 3.74, 15.44
    expected = fixed(p, q, gamma).expected_spend(histories)["mean"].to_numpy()
    population = p * gamma / (q - 1)
    assert expected[0] == pytest.approx(population, rel=1e-13)
    for (x, amount), value in zip(AMOUNTS[1:], expected[1:], strict=True):
        weight = p * x / (p * x + q - 1)
        assert value == pytest.approx(weight * amount + (1 - weight) * population, rel=1e-12)


# infinite means


def test_no_population_mean_is_an_error_that_names_the_mass_and_the_median(histories):
    posterior = fixed(6.25, 0.9, 15.44)
    assert posterior.p_infinite_mean == 1
    with pytest.raises(InfiniteValueError, match=r"probability 100\.00%.*median_spend") as caught:
        posterior.expected_spend(histories)
    assert "1 of these customers" in str(caught.value)
    median = posterior.median_spend(histories)
    assert (np.isfinite(median) & (median > 0)).all(axis=None)


@pytest.mark.parametrize("q", [1.0, 0.999, 0.4])
def test_no_customer_has_a_negative_expectation(histories, q):
    """p = .5, q = .4, x = 1 has p x + q <= 1: the formula alone says -150."""
    posterior = fixed(0.5, q, 15.0)
    one = histories.take([1])
    if 0.5 + q <= 1:
        with pytest.raises(InfiniteValueError, match=r"1 repeat purchases is infinite.*100\.00%"):
            posterior.expected_spend(one)
    drawn = posterior.draws.expected_spend(histories).to_numpy().ravel()
    assert (drawn > 0).all()
    assert drawn[0] == np.inf  # no population mean
    assert (drawn[1] == np.inf) == (0.5 + q <= 1)
    assert (posterior.median_spend(histories)["mean"] > 0).all()


def test_repeat_buyers_may_have_a_mean_where_the_population_has_none(histories):
    posterior = fixed(6.25, 0.9, 15.44)
    repeat = histories.take([1, 2, 3])
    expected = posterior.expected_spend(repeat)["mean"].to_numpy()
    x, total = np.array([1, 4, 60]), np.array([12.5, 320, 180])
    np.testing.assert_allclose(expected, 6.25 * (15.44 + total) / (6.25 * x - 0.1), rtol=1e-12)


def test_a_small_mass_without_a_mean_is_left_out_and_reported(histories):
    q = np.r_[np.full(1999, 3.0), 0.9]
    posterior = with_spend_draws(6.25, q, 15.44, p_infinite_mean=0.0005)
    expected = posterior.expected_spend(histories)
    assert expected["mean"].iloc[0] == pytest.approx(6.25 * 15.44 / 2.0, rel=1e-12)
    assert posterior.p_infinite_mean == 0.0005


@pytest.mark.parametrize("q", [1.0 + 1e-9, 1.01, 1.02])
def test_draws_just_above_one_do_not_make_the_mean_huge(histories, q):
    posterior = with_spend_draws(6.25, np.r_[np.full(1999, 3.0), q], 15.44, p_infinite_mean=0.0005)
    assert posterior.expected_spend(histories)["mean"].iloc[0] == pytest.approx(6.25 * 15.44 / 2.0, rel=1e-12)


def test_a_draw_clear_of_one_counts(histories):
    posterior = with_spend_draws(6.25, np.r_[np.full(1999, 3.0), 1.03], 15.44, p_infinite_mean=0.0005)
    exact = 6.25 * 15.44 * (1999 / 2 + 1 / 0.03) / 2000
    assert posterior.expected_spend(histories)["mean"].iloc[0] == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize("mass, refused", [(0.0009, False), (0.0011, True)])
def test_the_mass_decides_and_not_the_draws_at_hand(histories, mass, refused):
    """No draw has q <= 1, but a tail of the posterior that was not drawn may."""
    posterior = with_spend_draws(6.25, np.full(50, 3.0), 15.44, p_infinite_mean=mass)
    if refused:
        with pytest.raises(InfiniteValueError, match=r"0\.11%"):
            posterior.expected_spend(histories)
    else:
        assert posterior.expected_spend(histories)["mean"].iloc[0] == pytest.approx(6.25 * 15.44 / 2.0, rel=1e-12)


def test_an_infinite_mean_has_no_net_present_value(histories):
    purchases = kw.fixed(kw.BGNBD.Parameters(r=0.24, alpha=4.41, a=0.79, b=2.43, unit="day"))
    economics = kw.Economics(margin=0.3, annual_discount_rate=0.1)
    with pytest.raises(InfiniteValueError, match="median_spend"):
        kw.net_present_value(purchases, fixed(6.25, 0.9, 15.44), histories, economics, horizon=kw.years(1))


def simulated(q, size=300, seed=5):
    rng = np.random.default_rng(seed)
    nu = rng.gamma(q, 1 / 15.0, size)
    x = rng.integers(0, 6, size)
    total = np.array([rng.gamma(6.0, 1 / n, k).sum() for n, k in zip(nu, x, strict=True)])
    mean = np.divide(total, x, out=np.full(size, np.nan), where=x > 0)
    return histories_of(x, np.where(x > 0, 5.0, 0), 10, mean_amount=mean)


def test_a_heavy_tail_in_the_data_is_found():
    """True q = .8: there is no population mean, and a tight, finite one would be wrong."""
    histories = simulated(q=0.8)
    posterior = kw.fit(kw.GammaGamma(), histories, seed=1)
    assert posterior.p_infinite_mean > 0.5
    with pytest.raises(InfiniteValueError, match="median_spend"):
        posterior.expected_spend(histories)
    parameters: Any = posterior.parameters(interval=0.999)
    assert parameters.loc["q", "lower"] < 0.8 < parameters.loc["q", "upper"]
    one_time_buyer = histories.take(np.flatnonzero(histories.frequency == 0)[:1])
    median = posterior.median_spend(one_time_buyer, interval=0.999)
    true = 6.0 * 15.0 / mp.findroot(lambda v: mp.gammainc(0.8, 0, v, regularized=True) - 0.5, 0.5)
    assert median["lower"].iloc[0] < float(true) < median["upper"].iloc[0]


def test_the_mass_of_a_posterior_counts_all_weighted_points():
    posterior: Any = kw.fit(
        kw.GammaGamma(), simulated(q=1.2, size=40), seed=1, method=kw.ImportanceSampling(draws=4000)
    )
    share = np.mean(posterior.theta.q <= 1)
    assert 0.01 < share < 0.5
    assert posterior.p_infinite_mean == pytest.approx(share, abs=4 * np.sqrt(share / 1000))


def test_a_median_beyond_floating_point_numbers_is_an_error(histories):
    with pytest.raises(InfiniteValueError, match=r"customer number 0 \(from 0, with 0 repeat purchases\) is beyond"):
        fixed(6.0, 1e-3, 15.0).median_spend(histories)


# currency


def in_currency(histories, factor):
    table = histories.to_pandas()
    return kw.CustomerHistories.from_pandas(table.assign(monetary_value=table["monetary_value"] * factor), unit="day")


@pytest.mark.parametrize("factor", [100.0, 2.0**-10])
def test_cents_give_the_posterior_of_euros(factor):
    euros = simulated(q=4.0)
    cents = in_currency(euros, factor)
    one: Any = kw.fit(kw.GammaGamma(), euros, seed=1)
    other: Any = kw.fit(kw.GammaGamma(), cents, seed=1)
    np.testing.assert_allclose(other.theta.p, one.theta.p, rtol=1e-5)
    np.testing.assert_allclose(other.theta.q, one.theta.q, rtol=1e-5)
    np.testing.assert_allclose(other.theta.gamma, factor * one.theta.gamma, rtol=1e-5)
    assert other.p_infinite_mean == pytest.approx(one.p_infinite_mean, rel=1e-4, abs=1e-12)
    expected, in_cents = one.expected_spend(euros), other.expected_spend(cents)
    np.testing.assert_allclose(in_cents, factor * expected, rtol=1e-5)
    np.testing.assert_allclose(other.median_spend(cents), factor * one.median_spend(euros), rtol=1e-5)


def test_the_money_scale_is_the_geometric_mean_of_the_customers_means(histories):
    for model in (kw.GammaGamma(), kw.GammaGamma(money_scale=50.0)):
        prepared: Any = model.prepared(histories.cells(model))
        assert prepared.money_scale == pytest.approx(model.money_scale or (12.5 * 80 * 3) ** (1 / 3), rel=1e-12)
        prior = prepared.quantities[0].prior
        assert isinstance(prior, kw.LogNormal)
        assert (prior.mu, prior.sigma) == pytest.approx((np.log(prepared.money_scale), 2))


def test_many_small_customers_weigh_by_their_number():
    histories = histories_of([1, 1, 1, 2], 5, 10, mean_amount=[10.0, 10.0, 10.0, 1000.0])
    prepared = kw.GammaGamma().prepared(histories.cells(kw.GammaGamma()))
    assert prepared.money_scale == pytest.approx((10**3 * 1000) ** 0.25, rel=1e-12)
