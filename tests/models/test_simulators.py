"""Simulated customers obey the likelihood, and what is predicted for them is what they do on average."""

import math
from itertools import pairwise

import numpy as np
import pytest
from scipy import stats
from scipy.special import gammaln

import kundenwert as kw
from tests.customers import PURCHASE_MODELS, histories_of, log_likelihood

SIZE = 200_000
STANDARD_ERRORS = 4.0
POPULATION = {"r": 0.9, "alpha": 7.0, "a": 0.8, "b": 2.4}
T, HORIZON = 40.0, 60.0


def posterior_of(model, **parameters):
    return kw.fixed(model.Parameters(**(POPULATION | parameters), unit="day"))


def simulated(posterior, end, seed=1, size=SIZE):
    theta = posterior.model.named([value[0] for value in posterior.theta])
    return posterior.model.simulate(theta, np.broadcast_to(end, size), np.random.default_rng(seed))


def history_at(purchases, end, size=SIZE):
    """x and t_x of all customers when observation ends."""
    seen = purchases.time <= end
    x = np.bincount(purchases.customer[seen], minlength=size)
    t_x = np.zeros(size)
    np.maximum.at(t_x, purchases.customer[seen], purchases.time[seen])
    return x, t_x


def histories_at(purchases, end, size=SIZE):
    x, t_x = history_at(purchases, end, size)
    return histories_of(x, t_x, end)


def assert_averages(difference, sd=None):
    """The mean of independent differences is zero within four standard errors."""
    error = (difference.std() if sd is None else sd) / math.sqrt(len(difference))
    assert abs(difference.mean()) < STANDARD_ERRORS * error


@pytest.fixture(scope="module", params=PURCHASE_MODELS)
def model(request):
    return request.param


@pytest.fixture(scope="module")
def lives(model):
    """Posterior, histories at T and purchases until T + HORIZON."""
    posterior = posterior_of(model)
    purchases = simulated(posterior, T + HORIZON)
    return posterior, histories_at(purchases, T), purchases


def test_no_impossible_history(model):
    ends = np.repeat([0.0, 0.5, 30.0, 1000.0], 5000)
    posterior = posterior_of(model)
    purchases = simulated(posterior, ends, size=len(ends))
    assert ((purchases.time > 0) & (purchases.time <= ends[purchases.customer])).all()
    same = np.diff(purchases.customer) == 0
    assert (np.diff(purchases.customer) >= 0).all()
    assert (np.diff(purchases.time)[same] > 0).all()
    assert purchases.customer.max() < len(ends)
    assert not np.isin(np.arange(5000), purchases.customer).any()  # T = 0
    x, t_x = history_at(purchases, np.inf, len(ends))
    assert np.isfinite(log_likelihood(posterior, histories_of(x, t_x, ends))).all()


@pytest.mark.parametrize("r, alpha, a, b", [(0.01, 1e3, 0.8, 2.4), (0.25, 1e-3, 0.05, 0.02), (3.0, 1.0, 30.0, 200.0)])
def test_extreme_populations_can_be_simulated(model, r, alpha, a, b):
    purchases = simulated(posterior_of(model, r=r, alpha=alpha, a=a, b=b), 5.0, size=2000)
    assert np.isfinite(purchases.time).all()
    assert (purchases.time <= 5).all()


@pytest.mark.slow
def test_parameters_may_differ_between_customers(model):
    rng = np.random.default_rng(3)
    theta = kw.fixed(model.Parameters(**POPULATION, unit="day")).model.named(
        [np.repeat([low, high], 50_000) for low, high in [(0.9, 5.0), (7.0, 2.0), (0.8, 0.5), (2.4, 9.0)]]
    )
    purchases = model().simulate(theta, np.full(100_000, T), rng)
    x, _ = history_at(purchases, T, 100_000)
    for part, parameters in [(x[:50_000], {}), (x[50_000:], {"r": 5.0, "alpha": 2.0, "a": 0.5, "b": 9.0})]:
        expected = posterior_of(model, **parameters).expected_purchases_new_customer(horizon=kw.days(T)).mean
        assert_averages(part - expected)


def test_the_same_seed_gives_the_same_customers(model):
    one, same, other = (simulated(posterior_of(model), T, seed=seed, size=1000) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.time, same.time)
    assert len(one.time) != len(other.time) or (one.time != other.time).any()


def test_frequency_and_recency_follow_the_likelihood(lives):
    """Density of (x, t): t^(x-1)/(x-1)! L(x, t, T), integrated over bins of t."""
    posterior, histories, _ = lives
    nodes, weights = np.polynomial.legendre.leggauss(30)
    edges = np.linspace(0, T, 9)
    none = (histories.frequency == 0).sum()
    cells = [(none, np.exp(log_likelihood(posterior, histories_of(0, 0, T)))[0])]
    for x in range(1, 9):
        for low, high in pairwise(edges):
            t = low + (high - low) * 0.5 * (nodes + 1)
            density = np.exp(log_likelihood(posterior, histories_of(x, t, T)) + (x - 1) * np.log(t) - gammaln(x))
            inside = (histories.frequency == x) & (histories.recency > low) & (histories.recency <= high)
            cells.append((inside.sum(), 0.5 * (high - low) * weights @ density))
    observed, expected = np.array(cells).T * np.array([[1], [SIZE]])
    assert (np.abs(observed - expected) < STANDARD_ERRORS * np.sqrt(expected)).all()
    assert stats.chisquare([*observed, SIZE - observed.sum()], [*expected, SIZE - expected.sum()]).pvalue > 1e-4


def groups(histories):
    """Customers by frequency and by whether they bought lately."""
    for x in (0, 1, 2, 5):
        for late in (False, True):
            group = (histories.frequency == x) & ((histories.recency > 0.6 * T) == late)
            if group.sum() > 500:
                yield group


def test_futures_average_to_the_predictions(lives):
    posterior, histories, purchases = lives
    later = purchases.time - T

    def count(begin, end, weight=None):
        seen = (later > begin) & (later <= end)
        values = None if weight is None else weight(later[seen])
        return np.bincount(purchases.customer[seen], values, minlength=SIZE)

    rate = 5.0
    discount = math.log1p(rate) / 365.25
    days = kw.days(HORIZON)
    predictions = [
        (posterior.expected_purchases(histories, horizon=days), count(0, HORIZON)),
        (posterior.expected_purchases(histories, horizon=kw.days(20), start=kw.days(30)), count(30, 50)),
        (posterior.return_probability(histories, horizon=kw.days(25)), count(0, 25) > 0),
        (
            posterior.discounted_purchases(histories, annual_discount_rate=rate, horizon=days),
            count(0, HORIZON, lambda u: np.exp(-discount * u)),
        ),
    ]
    for group in groups(histories):
        for table, actual in predictions:
            assert_averages(actual[group] - table["mean"].to_numpy()[group])


def test_counts_follow_the_predicted_distribution(lives):
    posterior, histories, purchases = lives
    count = np.bincount(purchases.customer[purchases.time > T], minlength=SIZE)
    table = posterior.purchase_distribution(histories, horizon=kw.days(HORIZON), up_to=5)
    for group in groups(histories):
        for m in range(6):
            p = table[m].to_numpy()[group]
            assert_averages((count[group] == m) - p, np.sqrt((p * (1 - p)).mean()))
        p = table["more"].to_numpy()[group]
        assert_averages((count[group] > 5) - p, np.sqrt((p * (1 - p)).mean()))


def test_those_who_are_alive_buy_again_some_day(model):
    """With a rate that hardly differs between customers nobody who is alive stays silent for a thousand mean gaps."""
    posterior = posterior_of(model, r=400.0, alpha=400.0, a=2.0, b=4.0)
    purchases = simulated(posterior, 2010.0, size=100_000)
    histories = histories_at(purchases, 10.0, 100_000)
    for ahead in (0.0, 5.0):
        alive = np.bincount(purchases.customer[purchases.time > 10.0 + ahead], minlength=100_000) > 0
        p = posterior.p_alive(histories, ahead=kw.days(ahead))["mean"].to_numpy()
        for x in range(8):
            group = histories.frequency == x
            assert_averages(alive[group] - p[group], max(1e-9, np.sqrt((p[group] * (1 - p[group])).mean())))


def spend(seed=1, size=200_000, purchases=3, **parameters):
    posterior = kw.fixed(kw.GammaGamma.Parameters(**({"p": 6.25, "q": 5.5, "gamma": 15.44} | parameters)))
    theta = posterior.model.named([value[0] for value in posterior.theta])
    customer = np.repeat(np.arange(size), purchases)
    return posterior, posterior.model.simulate(theta, customer, np.random.default_rng(seed)).reshape(size, purchases)


def test_moments_of_spend():
    """Fader & Hardie (2013), section 2: mean p gamma/(q-1); the customers' means vary by p^2 gamma^2/((q-1)^2(q-2))."""
    p, q, gamma = 6.25, 5.5, 15.44
    _, amounts = spend()
    mean = p * gamma / (q - 1)
    assert_averages(amounts.mean(axis=1) - mean)
    between = (p * gamma) ** 2 / ((q - 1) ** 2 * (q - 2))
    assert_averages((amounts[:, 0] - mean) * (amounts[:, 1] - mean) - between)
    within = p * gamma**2 / ((q - 1) * (q - 2))
    assert_averages((amounts[:, 0] - amounts[:, 1]) ** 2 / 2 - within)


def test_mean_amounts_follow_the_likelihood():
    posterior, amounts = spend()
    means = amounts.mean(axis=1)
    # nu x-bar p-ratio: the mean of x amounts is gamma-distributed with a gamma-distributed rate, a scaled F
    law = stats.f(2 * 6.25 * 3, 2 * 5.5, scale=6.25 * 15.44 / 5.5)
    assert stats.kstest(means, law.cdf).pvalue > 1e-4
    density = np.exp(log_likelihood(posterior, histories_of(np.full(200, 3), 5, 10, mean_amount=means[:200])))
    # total amounts are kept to a millionth of a cent or so
    np.testing.assert_allclose(density, law.pdf(means[:200]), rtol=1e-6)


def test_the_next_amount_averages_to_the_expected_spend():
    posterior, amounts = spend(purchases=4)
    histories = histories_of(np.full(len(amounts), 3), 5, 10, mean_amount=amounts[:, :3].mean(axis=1))
    expected = posterior.expected_spend(histories)["mean"].to_numpy()
    median = posterior.median_spend(histories)["mean"].to_numpy()
    for part in np.array_split(np.argsort(expected), 5):
        assert_averages(amounts[part, 3] - expected[part])
        assert (median[part] < expected[part]).all()


def test_spend_of_customers_in_any_order_and_with_gaps():
    posterior, _ = spend(size=1)
    theta = posterior.model.named([value[0] for value in posterior.theta])
    customer = np.array([7, 2, 7, 7, 900_000, 2])
    amounts = posterior.model.simulate(theta._replace(p=np.array(1e8)), customer, np.random.default_rng(2))
    # with p large everybody always spends the same
    assert amounts[[2, 3]] == pytest.approx(amounts[0], rel=1e-3)
    assert amounts[5] == pytest.approx(amounts[1], rel=1e-3)
    assert abs(amounts[1] / amounts[0] - 1) > 0.01
