"""Simulated futures of living customers; the contract tests hold them against expectations, see kundenwert.testing."""

from typing import Any

import numpy as np
import pytest
from scipy import stats

import kundenwert as kw
from kundenwert.errors import SizeError, SpecificationError
from kundenwert.models import AliveCustomer, LivingContract, SpendModel
from kundenwert.models.kernels import simulation
from kundenwert.models.kernels.beta_mixture import BetaMixture
from kundenwert.models.kernels.lifetimes import GompertzLifetime, ParetoLifetime
from kundenwert.testing._ahead import simulated_futures_average_to_the_expectations
from kundenwert.testing._population import purchase_case
from tests.models.populations import POPULATIONS

SIZE = 100_000
NEW: list[tuple[Any, tuple[float, ...], float]] = [
    (kw.BGNBD(), (0.9, 7.0, 0.8, 2.4), 60.0),
    (kw.BGCNBD(k=2), (0.9, 3.0, 0.8, 2.4), 60.0),
    (kw.ParetoNBD(), (0.9, 7.0, 0.8, 20.0), 60.0),
    (kw.GGompNBD(), (0.9, 7.0, 0.02, 0.8, 2.0), 60.0),
    (kw.BGBB(), (1.2, 0.75, 0.66, 2.8), 10.0),
]
NAMES = [type(model).__name__ for model, *_ in NEW]


def named(model, parameters, size):
    return model.named([np.full(size, float(value)) for value in parameters])


def ahead(model, parameters, x, T, horizon, *, size=SIZE, seed=2, state=0):
    living = model.alive(named(model, parameters, size), np.full(size, float(x)), np.full(size, float(T)))
    return living[state].simulate(horizon, np.random.default_rng(seed))


def halves(purchases, horizon):
    """Numbers of purchases in either half of the time, up to three, as a table of how many customers had them."""
    first = np.bincount(purchases.customer[purchases.time <= horizon / 2], minlength=SIZE)
    second = np.bincount(purchases.customer[purchases.time > horizon / 2], minlength=SIZE)
    return np.bincount(4 * np.minimum(first, 3) + np.minimum(second, 3), minlength=16)


@pytest.mark.parametrize("model, parameters, horizon", NEW, ids=NAMES)
def test_a_new_customer_is_a_living_one_without_a_history(model, parameters, horizon):
    """Numbers in both halves of the time and when purchases happen, against the simulator from acquisition."""
    theta = named(model, parameters, SIZE)
    new = model.simulate(theta, np.full(SIZE, horizon), np.random.default_rng(1))
    living = ahead(model, parameters, 0, 0, horizon)
    tables = np.stack([halves(new, horizon), halves(living, horizon)])
    assert stats.chi2_contingency(tables[:, tables.sum(axis=0) > 0]).pvalue > 1e-3
    times = [np.histogram(purchases.time, bins=20, range=(0, horizon))[0] for purchases in (new, living)]
    # purchases of a customer hang together, so that their number varies more than independent ones would
    spread = len(new.time) / SIZE
    assert (np.abs(times[0] - times[1]) < 5 * np.sqrt(2 * (1 + spread) * times[0] + 10)).all()


@pytest.mark.parametrize("name", ["MBGNBD", "MBGCNBD", "BGBB"])
def test_frequent_buyers_are_drawn_in_bulk(name, monkeypatch):
    """As if everybody had bought 64 times already."""
    monkeypatch.setattr(simulation, "SINGLE_ROUNDS", 1)
    parameters: Any = getattr(kw, name).Parameters(**next(iter(POPULATIONS[name].values())))
    simulated_futures_average_to_the_expectations(purchase_case(parameters, customers=20_000))


def test_gaps_of_a_frequent_buyer_are_those_of_the_first_purchases():
    sure = BetaMixture(n=np.full(20, 1e8), A=np.full(20, 1e6), a=np.full(20, 1e-9), b=np.full(20, 1e9))  # 100 a day
    bought = sure.simulate(60.0, np.random.default_rng(1))
    order = np.lexsort((bought.time, bought.customer))
    time = bought.time[order].tolist()
    gaps = np.diff(time)[np.diff(bought.customer[order]) == 0]
    assert len(time) == pytest.approx(20 * 6000, abs=4 * np.sqrt(20 * 6000))
    assert stats.kstest(gaps, stats.expon(scale=0.01).cdf).pvalue > 1e-3


def test_silence_so_far_changes_the_rate():
    """Who is silent until T + s has A + s instead of A from then on: purchases before and after s hang together."""
    model, parameters, s, h = kw.MBGNBD(), (0.9, 7.0, 0.8, 2.4), 20.0, 30.0
    bought = ahead(model, parameters, 2, 15, s + h)
    silent = np.bincount(bought.customer[bought.time <= s], minlength=SIZE) == 0
    later = np.bincount(bought.customer[bought.time > s], minlength=SIZE)[silent]
    (living,) = model.alive(named(model, parameters, 1), np.array([2.0]), np.array([15.0 + s]))
    assert abs(later.mean() - living.purchases(0.0, h)[0]) < 4 * later.std() / np.sqrt(len(later))


EXTREME: list[tuple[Any, list[tuple[float, ...]]]] = [
    (kw.MBGNBD(), [(r, alpha, a, b) for r, alpha in [(1e-3, 1e-3), (1e3, 1e-3)] for a, b in [(1e-3, 1e-3), (1, 1e12)]]),
    (kw.MBGCNBD(k=3), [(1e-3, 1e3, 1e-300, 1.0), (1e6, 1.0, 1e6, 1e-3), (1e-3, 1e-12, 1e-3, 1e6)]),
    (kw.ParetoNBD(), [(1e-3, 1e-3, 1e-3, 1e-3), (1e3, 1e-3, 1e-3, 1e6), (1e6, 1.0, 1e6, 1e-3)]),
    (kw.GGompNBD(), [(1e-3, 1e-3, 1e-9, 1e-3, 1e-3), (1e3, 1e-3, 1e3, 1.0, 1e12), (1.0, 1.0, 1e-2, 1e6, 1e-3)]),
    (kw.BGBB(), [(1e-3, 1e-3, 1e-3, 1e-3), (1e-12, 1e6, 1e-300, 1.0), (1e6, 1e-3, 1e6, 1e-3)]),
]


@pytest.mark.parametrize("horizon", [0.0, 1.0, 1e4, 1e9])
@pytest.mark.parametrize(
    "model, parameters",
    [(model, parameters) for model, populations in EXTREME for parameters in populations],
)
def test_extreme_customers_end_in_a_number_or_a_clear_error(model, parameters, horizon, monkeypatch):
    monkeypatch.setattr(simulation, "MOST_PURCHASES", 100_000)
    for x, T in ((0, 0), (0, 1e5), (1000, 1000)):
        for state in range(getattr(model, "k", 1)):
            try:
                bought = ahead(model, parameters, x, T, horizon, size=100, state=state)
            except SizeError as error:
                assert "more than 100,000 purchases" in str(error)  # noqa: PT017 - or a number
                continue
            assert np.isfinite(bought.time).all()
            assert ((bought.time > 0) & (bought.time <= horizon)).all()


@pytest.mark.parametrize("model, parameters, _", NEW, ids=NAMES)
@pytest.mark.parametrize("horizon", [np.inf, -1.0, np.nan])
def test_a_horizon_is_finite(model, parameters, _, horizon):
    with pytest.raises(SpecificationError, match="a finite horizon of 0 or more, got"):
        ahead(model, parameters, 1, 5, horizon, size=3)


def test_nobody_is_a_customer():
    bought = ahead(kw.MBGCNBD(), (0.9, 7.0, 0.8, 2.4), 1, 5, 10.0, size=0, state=1)
    assert bought.customer.shape == bought.time.shape == (0,)


def test_what_cannot_be_simulated_says_what_to_write():
    class Customer(AliveCustomer):
        pass

    class Contract(LivingContract):
        pass

    rng = np.random.default_rng(1)
    customer: Any = type("Bare", (Customer,), {})
    contract: Any = type("Bare", (Contract,), {})
    with pytest.raises(SpecificationError, match=r"Bare, the living customers .* simulate\(self, horizon, rng\)"):
        customer().simulate(1.0, rng)
    with pytest.raises(SpecificationError, match=r"Bare, the active contracts .* simulate\(self, rng\)"):
        contract().simulate(rng)
    spend: Any = type("Bare", (kw.GammaGamma,), {"simulate_ahead": SpendModel.simulate_ahead})
    with pytest.raises(SpecificationError, match=r"Bare cannot .* simulate_ahead\(self, theta, h, customer, rng\)"):
        spend().simulate_ahead((), {}, np.zeros(0, dtype=np.int64), rng)


@pytest.mark.parametrize(
    "lifetime",
    [
        ParetoLifetime(np.array([0.01, 1.0, 300.0]), np.array([5.0, 1e-3, 1e6])),
        GompertzLifetime(np.array([0.01, 1.0, 300.0]), np.array([1e-3, 1.0, 1e8]), np.array([0.5, 1e-9, 20.0])),
    ],
)
def test_a_lifetime_ends_where_survival_says(lifetime):
    for log_survival in (-1e-8, -0.1, -1.0, -30.0):
        end = lifetime.ends(np.full(3, log_survival))
        usual = end < 1e15
        assert lifetime.log_survival(end)[usual] == pytest.approx(log_survival, rel=1e-12)
        assert usual.sum() >= 2


@pytest.mark.parametrize("theta", [(1e-3, 1e-3, 1e-300), (1e-3, 1e-3, 1e300), (1e8, 1e-2, 1.0), (1e-3, 1e8, 1.0)])
def test_extreme_amounts_are_numbers(theta):
    model = kw.GammaGamma()
    h: Any = {"x": np.repeat([0.0, 3.0], 500), "total": np.repeat([0.0, 20.0], 500)}
    customer = np.repeat(np.arange(1000), 3)
    amounts = model.simulate_ahead(
        model.named([np.full(1000, v) for v in theta]), h, customer, np.random.default_rng(1)
    )
    assert (amounts >= 0).all()  # may overflow to infinity, but not to no number


def test_amounts_belong_to_their_customer():
    """With nearly constant amounts everybody spends what they always did."""
    rng, customer = np.random.default_rng(1), np.array([2, 0, 2, 1, 0])
    gamma_gamma, log_normal = kw.GammaGamma(), kw.LogNormalSpend()
    x, mean = np.full(3, 2.0), np.array([5.0, 1.0, 20.0])
    h: Any = {"x": x, "total": x * mean, "positive": x, "log_total": x * np.log(mean)}
    theta = gamma_gamma.named([np.full(3, v) for v in (1e8, 3.0, 15.0 / 1e8)])
    of_log = log_normal.named([np.full(3, v) for v in (2.0, 1.0, 1e-6)])
    for amounts in (
        gamma_gamma.simulate_ahead(theta, h, customer, rng),
        log_normal.simulate_ahead(of_log, h, customer, rng),
    ):
        assert amounts == pytest.approx(mean[customer], rel=1e-3)


@pytest.mark.parametrize("c, tenure", [(0.3, 1e6), (2.5, 1e9), (30.0, 1e8), (40.0, 1e12)])
def test_contracts_of_any_age_end_as_predicted(c, tenure):
    """Powers of the tenure that are beyond all numbers included."""
    model = kw.BetaDiscreteWeibull()
    theta = model.named([np.full(1, v) for v in (0.7, 1.2, c)])
    living = model.living(theta, np.zeros((1, 1), dtype=np.int64), np.array([[tenure]]))
    many = model.living(theta, np.zeros((SIZE, 1), dtype=np.int64), np.full((SIZE, 1), tenure))
    ends = many.simulate(np.random.default_rng(1))
    for horizon in tenure * np.array([1e-3, 0.02, 0.1, 1.0, 10.0]):
        p = living.survival(np.floor(horizon)).item()
        assert abs((ends > np.floor(horizon)).mean() - p) < 4 * np.sqrt(p * (1 - p) / SIZE) + 1e-9


@pytest.mark.parametrize("gamma, delta", [(1e-3, 1e-3), (1e-300, 1.0), (1e6, 1e-6), (1e-6, 1e12)])
def test_extreme_contracts_end_somewhere_or_never(gamma, delta):
    for model, more in (
        (kw.ShiftedBetaGeometric(), ()),
        (kw.BetaDiscreteWeibull(), (0.1,)),
        (kw.BetaDiscreteWeibull(), (40.0,)),
    ):
        theta: Any = model.named([np.full(1, v) for v in (gamma, delta, *more)])
        for tenure in (0.0, 1.0, 1e6):
            living: Any = model.living(theta, np.zeros((500, 1), dtype=np.int64), np.full((500, 1), tenure))
            assert (living.simulate(np.random.default_rng(1)) >= 1).all()
