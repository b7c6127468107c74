"""Customers who may fall dormant, at known rates: against other ways to compute, limits, simulation, the contract."""

import math
from types import SimpleNamespace
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from scipy import stats
from scipy.special import gammainc

from kundenwert.errors import SpecificationError
from kundenwert.models.kernels import dormancy
from kundenwert.models.kernels.dormancy import RevivingCustomers
from kundenwert.testing._living import LIVING_CHECKS

STAGES = (1, 2, 3, 5)
SIZE = 50_000
STANDARD_ERRORS = 3.0


def law(k, lam, p, omega, eta):
    return RevivingCustomers(k, *(np.asarray(value, dtype=np.float64) for value in (lam, p, omega, eta)))


def some_customers(k=2):
    """Rates and probabilities of all sizes, the edges among them; shape (3, 4)."""
    lam = np.array([[0.02], [0.6], [7.0]])
    return law(k, lam, [0.0, 0.05, 0.4, 1.0], [0.7, 0.0, 0.3, 1.0], [0.03, 0.6, 2.0, 0.1])


# other ways to compute


def hostile_customers(k, size=14):
    """Rates times the horizon from 1e-8 to 1e6, next to equal or far apart, probabilities next to 0 and 1."""
    rng = np.random.default_rng(k)
    horizon = 10.0 ** rng.uniform(-3, 3, size)
    lam, eta = 10.0 ** rng.uniform(-8, 6, (2, size)) / horizon
    eta[::4] = lam[::4] * (1 + rng.choice([0, 1e-12, 1e-6], len(eta[::4])))
    p = rng.choice([0, 1, 1e-12, 1e-3, 0.3, 0.9, 1 - 1e-9], size)
    omega = rng.choice([0, 1, 1e-9, 0.5, 1 - 1e-9], size)
    rate = rng.choice([1e-12, 1e-6, 0.01, 0.5, 30], size) / horizon
    return zip(*(map(float, values) for values in (lam, p, omega, eta, horizon, rate)), strict=True)


def exponential(matrix):
    """Of a matrix, by its series after division by a power of two, with digits to spare."""
    halvings = 8 + math.ceil(math.log2(1 + float(mp.mnorm(matrix, 1))))
    part = matrix / mp.mpf(2) ** halvings
    result = term = mp.eye(matrix.rows)
    for i in range(1, 16):
        term = term * part / i
        result = result + term
    for _ in range(halvings):
        result = result * result
    return result


def by_exponential(k, lam, p, omega, eta, horizon, rate):
    """P(states) and expected discounted purchases: exponential of the generator with a column that counts."""
    lam, p, omega, eta = map(mp.mpf, (lam, p, omega, eta))
    generator = mp.zeros(k + 2)
    for state in range(k + 1):
        speed = lam if state < k else eta
        generator[state, state] -= speed + rate
        if state < k - 1:
            generator[state, state + 1] += speed
        else:
            generator[state, 0] += speed * (1 - p)
            generator[state, k] += speed * omega * p
            generator[state, k + 1] += speed
    result = exponential(generator * horizon)
    return result[: k + 1, : k + 1], result[: k + 1, k + 1]


def assert_close(got, wanted, error=1e-12):
    """Relative to an exact number, unless it is too small for one of ours."""
    for ours, exact in zip(np.ravel(got), wanted, strict=True):
        assert abs(mp.mpf(float(ours)) - exact) <= error * abs(exact) + 1e-290


@pytest.mark.parametrize("k", STAGES)
def test_hostile_customers_against_a_matrix_exponential(k):
    with mp.workdps(45):
        for lam, p, omega, eta, horizon, rate in hostile_customers(k):
            states, purchases = by_exponential(k, lam, p, omega, eta, horizon, 0)
            _, discounted = by_exponential(k, lam, p, omega, eta, horizon, rate)
            ours = law(k, lam, p, omega, eta)
            assert_close(ours.states(horizon), states)
            assert_close(ours.survival(horizon), [mp.fsum(states[i, :]) for i in range(k + 1)])
            assert_close(ours.purchases(0.0, horizon), purchases)
            assert_close(ours.discounted_purchases(rate, horizon), discounted)


@pytest.mark.parametrize("k", STAGES)
def test_returns_and_lives_against_formulas_in_many_digits(k):
    with mp.workdps(45):
        for *given, horizon, rate in hostile_customers(k, 40):
            ours = law(k, *given)
            lam, p, omega, eta = map(mp.mpf, given)
            stages = [(k - j, lam) for j in range(k)] + [(1, eta)]
            first = [(each / (each + rate)) ** n for n, each in stages]
            phi = (1 - p) * first[0] + omega * p * first[-1]
            inside = [mp.gammainc(n, 0, (each + rate) * horizon, regularized=True) for n, each in stages]
            assert_close(ours.discounted_return(rate, horizon), [a * b for a, b in zip(first, inside, strict=True)])
            assert_close(ours.discounted_return(rate, math.inf), first)
            assert_close(ours.returns(horizon), [mp.gammainc(n, 0, v * horizon, regularized=True) for n, v in stages])
            assert_close(ours.second_life(rate), [1 / (1 - phi)])
            assert_close(ours.discounted_purchases(rate, math.inf), [a / (1 - phi) for a in first])


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("lam, p, omega, eta", [(0.7, 0.3, 0.4, 0.1), (2.0, 0.05, 0.9, 1.9999), (0.2, 0.9, 0.6, 1.3)])
def test_counts_against_an_inverted_laplace_transform(k, lam, p, omega, eta):
    """Renewal theory knows no states: the transforms of the n-th purchase are psi phi^(n - 1)."""
    horizon, largest = 6.0, 4
    ours = law(k, lam, p, omega, eta).count_probabilities(largest, horizon)
    q1, q2 = 1 - p, omega * p
    for state in range(k + 1):
        for count in range(largest + 1):

            def transform(s, state=state, count=count):
                gap, sleep = (lam / (lam + s)) ** k, eta / (eta + s)
                psi = (lam / (lam + s)) ** (k - state) if state < k else sleep
                phi = q1 * gap + q2 * sleep
                return (psi * phi ** (count - 1) * (1 - phi) if count else 1 - psi) / s

            assert ours[state, count] == pytest.approx(float(mp.invertlaplace(transform, horizon)), rel=1e-11)


@pytest.mark.parametrize("k", STAGES)
def test_second_lives_solve_the_renewal_equation(k):
    """What is bought within a horizon is what is bought from the first purchase on."""
    horizon, rate = 5.0, 0.3
    lam, eta = 1.5, 0.4
    ours = law(k, lam, 0.35, 0.6, eta)
    nodes, weights = np.polynomial.legendre.leggauss(24)
    u = horizon * (nodes + 1) / 2
    further = np.array([ours.second_life_within(rate, horizon - float(time)) for time in u])
    densities = [stats.gamma(k - j, scale=1 / lam) for j in range(k)] + [stats.gamma(1, scale=1 / eta)]
    wanted = [horizon / 2 * weights @ (np.exp(-rate * u) * gap.pdf(u) * further) for gap in densities]
    np.testing.assert_allclose(ours.discounted_purchases(rate, horizon), wanted, rtol=1e-11)


def test_counts_of_sleepers_who_would_buy_a_million_times():
    """Who is seen once in a long time left after that, fell asleep again, or has woken up this very moment."""
    lam, p, omega, eta = 1e6, 0.3, 0.6, 1e-3
    for k in STAGES:
        never, once = law(k, lam, p, omega, eta).count_probabilities(1, 1.0)[k]
        just_up = eta * math.exp(-eta) * sum(lam ** (j - 1) / (lam - eta) ** j for j in range(1, k + 1))
        wanted = (1 - omega) * p * -math.expm1(-eta) + omega * p * eta * math.exp(-eta) + (1 - p) * just_up
        assert never == pytest.approx(math.exp(-eta), rel=1e-15)
        assert once == pytest.approx(wanted, rel=1e-13)


# limits


def test_without_dormancy_a_customer_buys_and_leaves_at_random():
    """MBG/NBD at a known rate and probability: purchases at rate lambda, thinned by departures at rate p lambda."""
    lam, p, horizon = np.array([0.01, 0.8, 30.0]), np.array([0.5, 1e-9, 0.2]), 7.0
    ours = law(1, lam, p, 0.0, 0.01).in_state(0)
    leaving, offered = p * lam * horizon, stats.poisson(lam * horizon)
    np.testing.assert_allclose(ours.survival(horizon), np.exp(-leaving), rtol=1e-13)
    np.testing.assert_allclose(ours.purchases(0.0, horizon), -np.expm1(-leaving) / p, rtol=1e-13)
    np.testing.assert_allclose(ours.purchases(3.0, horizon), np.exp(-p * lam * 3) * -np.expm1(-leaving) / p, rtol=1e-13)
    np.testing.assert_allclose(ours.discounted_purchases(0.1, math.inf), lam / (0.1 + p * lam), rtol=1e-13)
    for n in (1, 2, 9):
        wanted = (1 - p) ** n * offered.pmf(n) + p * (1 - p) ** (n - 1) * offered.sf(n - 1)
        np.testing.assert_allclose(ours.count_probability(n, horizon), wanted, rtol=1e-12)


@pytest.mark.parametrize("k", STAGES)
def test_without_lapses_purchases_are_an_erlang_renewal_process(k):
    lam, horizon = np.array([1e-3, 0.8, 3.0]), 7.0
    for phase in range(k):
        ours = law(k, lam, 0.0, 0.5, 0.01).in_state(phase)
        np.testing.assert_allclose(ours.survival(horizon), 1, rtol=1e-15)
        passed = np.cumsum(stats.poisson(lam * horizon).pmf(np.arange(6 * k)[:, None]), axis=0)
        for n in (0, 1, 4):
            below = passed[(n + 1) * k - phase - 1] - (passed[n * k - phase - 1] if n * k > phase else 0)
            np.testing.assert_allclose(ours.count_probability(n, horizon), below, rtol=1e-10, atol=1e-16)
        offered = sum(gammainc(m * k - phase, lam * horizon) for m in range(1, 60))
        np.testing.assert_allclose(ours.purchases(0.0, horizon), offered, rtol=1e-12)


def test_with_nobody_leaving_purchases_are_an_interrupted_poisson_process():
    """Kuczura (1973): purchases at a rate while active, random switches between active and dormant."""
    rate, sleep, wake = 1.3, 0.2, 0.07
    total = rate + sleep + wake
    fast = (total + math.sqrt(total**2 - 4 * rate * wake)) / 2
    slow = rate * wake / fast
    share = (rate - slow) / (fast - slow)
    ours = law(1, fast, 1 - share, 1.0, slow)
    both, switch = np.array([share, 1 - share]), sleep + wake  # just after a purchase the customer is active
    for horizon in (0.1, 8.0, 300.0):
        wanted = rate * (wake / switch * horizon + sleep / switch * -math.expm1(-switch * horizon) / switch)
        assert both @ ours.purchases(0.0, horizon) == pytest.approx(wanted, rel=1e-13)
        np.testing.assert_allclose(ours.survival(horizon), 1, rtol=1e-13)
    for discount in (0.001, 2.0):
        wanted = rate * (wake / switch / discount + sleep / switch / (switch + discount))
        assert both @ ours.discounted_purchases(discount, math.inf) == pytest.approx(wanted, rel=1e-13)


@pytest.mark.parametrize("k", STAGES)
def test_long_horizons_and_low_rates_reach_a_lifetime(k):
    ours = law(k, [0.02, 3.0, 1e6], 0.3, 0.6, [0.01, 2.0, 1e-4])
    everybody = np.ones((k + 1, 3))
    np.testing.assert_allclose(ours.discounted_purchases(0.0, math.inf), everybody / 0.12, rtol=1e-15)
    np.testing.assert_allclose(ours.purchases(0.0, 1e8), everybody / 0.12, rtol=1e-13)
    np.testing.assert_allclose(ours.purchases(2.0, math.inf), ours.survival(2.0) / 0.12, rtol=1e-13)
    np.testing.assert_allclose(ours.discounted_purchases(1e-20, math.inf), everybody / 0.12, rtol=1e-13)
    np.testing.assert_array_equal(ours.survival(math.inf), 0)
    np.testing.assert_array_equal(ours.returns(math.inf), 1)
    np.testing.assert_allclose(ours.second_life(0.0), np.ones(3) / 0.12, rtol=1e-15)
    for rate in (0.01, 5.0):
        last = ours.discounted_purchases(rate, math.inf)
        for cut in (0.999, 1.001):  # just below and above the horizon from which discounting leaves nothing
            np.testing.assert_allclose(ours.discounted_purchases(rate, 60 * cut / rate), last, rtol=1e-13)


def test_who_never_leaves_buys_forever():
    ours = law(2, [0.5, 0.5], [0.0, 0.3], [0.2, 1.0], 0.1)
    assert np.isposinf(ours.discounted_purchases(0.0, math.inf)).all()
    assert np.isposinf(ours.second_life_within(0.0, math.inf)).all()
    assert np.isfinite(ours.discounted_purchases(1e-6, math.inf)).all()
    np.testing.assert_array_equal(ours.survival(math.inf), 1)


# what holds for everybody


@pytest.mark.parametrize("k", STAGES)
def test_purchases_counts_states_and_departures_fit_together(k):
    ours, horizon = some_customers(k), 3.0
    gone = (1 - ours.omega) * ours.p
    purchases, survival, states = ours.purchases(0.0, horizon), ours.survival(horizon), ours.states(horizon)
    np.testing.assert_allclose(survival, 1 - gone * purchases, rtol=1e-12)
    np.testing.assert_allclose(survival, states.sum(axis=1), rtol=1e-13)
    earlier, later = ours.states(1.25), ours.states(1.75)
    np.testing.assert_allclose(states, np.einsum("ij...,jk...->ik...", earlier, later), rtol=1e-12, atol=1e-300)
    then = np.einsum("ij...,j...->i...", earlier, ours.purchases(0.0, 1.75))
    np.testing.assert_allclose(ours.purchases(1.25, 1.75), then, rtol=1e-13)
    np.testing.assert_allclose(ours.purchases(0.0, 1.25) + then, purchases, rtol=1e-13)
    counts = ours.count_probabilities(90, horizon)
    np.testing.assert_allclose(counts.sum(axis=1), 1, rtol=1e-13)
    np.testing.assert_allclose(np.einsum("n,inab->iab", np.arange(91), counts), purchases, rtol=1e-12)
    np.testing.assert_allclose(1 - counts[:, 0], ours.returns(horizon), rtol=1e-12, atol=1e-15)
    for n in (0, 3, 11):
        np.testing.assert_allclose(ours.count_probability(n, horizon), counts[:, n], rtol=1e-12, atol=1e-300)


def test_one_state_is_picked_from_all():
    ours = some_customers(2)
    for state in range(3):
        one = ours.in_state(state)
        assert one.within(1e-5).survival(2.0).shape == (3, 4)
        np.testing.assert_array_equal(one.survival(2.0), ours.survival(2.0)[state])
        np.testing.assert_array_equal(one.states(2.0), ours.states(2.0)[state])
        np.testing.assert_array_equal(one.discounted_return(0.1, 2.0), ours.discounted_return(0.1, 2.0)[state])


def test_nobody_depends_on_company(monkeypatch):
    """Customers in one array, one by one, in blocks; and an array of none."""
    ours = some_customers(3)
    together = ours.purchases(1.0, 2.0), ours.count_probability(2, 2.0)
    fields = np.broadcast_arrays(ours.lam, ours.p, ours.omega, ours.eta)
    alone = [law(3, *(field[i, j] for field in fields)) for i in range(3) for j in range(4)]
    for got, wanted in zip(
        together,
        ([one.purchases(1.0, 2.0) for one in alone], [one.count_probability(2, 2.0) for one in alone]),
        strict=True,
    ):
        np.testing.assert_allclose(got.reshape(4, 12).T, wanted, rtol=1e-13)
    many = law(3, np.tile(ours.lam.ravel(), 100), 0.2, 0.5, 0.3)
    whole = many.states(2.0)
    monkeypatch.setattr(dormancy, "NUMBERS_AT_ONCE", 1)
    np.testing.assert_allclose(many.states(2.0), whole, rtol=1e-13)
    nobody = law(3, np.ones(0), 0.2, 0.5, 0.3)
    assert nobody.states(2.0).shape == (4, 4, 0)
    assert nobody.purchases(0.0, 2.0).shape == (4, 0)


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("lam", [5e-324, 1e-300, 1e12, 1e60])
def test_the_largest_and_smallest_rates_give_numbers(k, lam):
    for eta in (1e-300, 1.0, 1e12):
        for p in (0.0, 1e-15, 0.5):
            ours = law(k, lam, p, 0.3, eta)
            for value in (ours.survival(1.0), ours.returns(1.0), ours.count_probability(3, 1.0)):
                assert ((value >= 0) & (value <= 1)).all()
            for value in (ours.purchases(1.0, 1.0), ours.discounted_purchases(0.1, math.inf)):
                assert (value >= 0).all()
                assert np.isfinite(value).all()
            assert (ours.second_life_within(0.1, 3.0) >= 1).all()


@pytest.mark.parametrize("check", LIVING_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("k", [1, 2])
def test_the_contract_of_living_customers(k, check):
    ours = some_customers(k)
    fields = np.broadcast_arrays(0.1 * ours.lam, *(value[1:] for value in (ours.p, ours.omega, ours.eta)))

    def alive(_theta, x, _T):
        these = law(k, *(field.ravel()[x.astype(np.intp)] for field in fields))
        return tuple(these.in_state(state) for state in range(k + 1))

    number = np.arange(9.0)[:, None]
    pairs = {"x": number, "T": np.zeros((9, 1))}
    case: Any = SimpleNamespace(
        pairs=pairs,
        living=alive((), number, number),
        model=SimpleNamespace(alive=alive),
        theta=(),
        span=4.0,
        lasting=lambda spans: 4.0 * spans,
        counted=False,
        error=1e-10,
    )
    check(case)


# simulation


@pytest.mark.every(2)
@pytest.mark.parametrize("state", range(3))
def test_simulated_customers_do_what_is_expected(state):
    rng = np.random.default_rng(state)
    lam, eta = rng.gamma(2.0, 0.5, SIZE), rng.gamma(3.0, 0.05, SIZE)
    ours = law(2, lam, rng.beta(1.0, 2.0, SIZE), rng.beta(2.0, 2.0, SIZE), eta).in_state(state)
    horizon, rate = 12.0, 0.1
    bought = ours.simulate(horizon, rng)
    assert ((bought.time > 0) & (bought.time <= horizon)).all()

    def total(weights):
        return np.bincount(bought.customer, weights, minlength=SIZE)

    counts = total(np.ones(len(bought.time)))
    late = (bought.time > 5.0) & (bought.time <= 9.0)
    for seen, expected in (
        (counts, ours.purchases(0.0, horizon)),
        (total(late), ours.purchases(5.0, 4.0)),
        (total(np.exp(-rate * bought.time)), ours.discounted_purchases(rate, horizon)),
        (counts > 0, ours.returns(horizon)),
        (counts == 1, ours.count_probability(1, horizon)),
        (counts == 4, ours.count_probability(4, horizon)),
    ):
        difference = seen - expected
        assert abs(difference.mean()) < STANDARD_ERRORS * difference.std() / math.sqrt(SIZE)


def test_simulation_at_the_edges():
    rng = np.random.default_rng(0)
    never = law(1, np.full(1000, 1e-300), 0.5, 0.5, 1.0).in_state(0).simulate(5.0, rng)
    assert len(never.time) == 0
    once = law(2, np.full(1000, 50.0), 1.0, 0.0, 1.0).in_state(1).simulate(5.0, rng)
    np.testing.assert_array_equal(np.sort(once.customer), np.arange(1000))
    often = law(1, np.full(300, 100.0), 0.0, 0.5, 1.0).in_state(0).simulate(5.0, rng)
    assert len(often.time) == pytest.approx(150_000, rel=0.01)
    with pytest.raises(SpecificationError, match="finite horizon"):
        law(1, np.ones(3), 0.5, 0.5, 1.0).in_state(0).simulate(math.inf, rng)


# what is refused


@pytest.mark.parametrize("time", [-1.0, math.inf, math.nan])
def test_states_are_followed_over_a_time_there_is(time):
    with pytest.raises(SpecificationError, match="followed over a finite time of 0 or more, got"):
        some_customers().states(time)
