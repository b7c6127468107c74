"""Parameters that are allowed and absurd: the true number, or an error of our own that says what to do."""

import math
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from scipy import stats

import kundenwert as kw
from kundenwert.errors import SpecificationError
from kundenwert.models.kernels import beta_average
from kundenwert.models.kernels.beta_erlang import BetaErlang
from kundenwert.models.kernels.beta_mixture import BetaMixture
from kundenwert.models.kernels.sums import log_binomial
from tests.customers import histories_of

THREE = histories_of([0, 2, 5000], [0, 20, 39.5], [40, 40, 40], unit="week")
YEAR = kw.years(1)
WEEKS = 365.25 / 7
QUESTIONS = {"survival": (52.0,), "purchases": (0.0, 52.0), "discounted_purchases": (0.002, math.inf)}
LEAVING: dict[str, Any] = {"r": 0.5, "alpha": 6.0, "a": 0.9, "b": 1.6, "unit": "week"}
PARETO: dict[str, Any] = {"r": 0.55, "alpha": 10.6, "s": 0.61, "beta": 11.7, "unit": "week"}
GOMPERTZ: dict[str, Any] = {"r": 0.55, "alpha": 10.6, "b": 0.05, "s": 0.61, "beta": 2.0, "unit": "week"}
CHANGES = [
    *((model, LEAVING, change) for model in (kw.BGNBD, kw.MBGNBD) for change in (
        {"r": 1e100}, {"r": 1e100, "alpha": 1e100}, {"a": 1e10}, {"a": 1e100}, {"b": 1e10}, {"a": 1e10, "b": 1e10},
        {"a": 1e100, "b": 1e100}, {"b": 1e-100}, {"a": 1e-100, "b": 1e-100}, {"alpha": 1e-100}, {"r": 1e-100},
    )),
    *((kw.ParetoNBD, PARETO, change) for change in (
        {"r": 1e100}, {"r": 1e100, "alpha": 1e100}, {"s": 1e10}, {"s": 1e100, "beta": 1e100}, {"beta": 1e-100},
    )),
    *((kw.GGompNBD, GOMPERTZ, change) for change in (
        {"r": 1e100, "alpha": 1e100}, {"s": 1e100}, {"s": 1e10, "beta": 1e10}, {"b": 1e100}, {"beta": 1e100},
    )),
]  # fmt: skip


@pytest.mark.parametrize("model, usual, change", CHANGES)
def test_every_question_has_a_finite_answer(model, usual, change):
    posterior = kw.fixed(model.Parameters(**usual | change))
    alive = posterior.p_alive(THREE)["mean"]
    returns = posterior.return_probability(THREE, horizon=YEAR)["mean"]
    assert ((returns >= 0) & (returns <= alive * (1 + 1e-9))).all()
    bought = posterior.expected_purchases(THREE, horizon=YEAR)["mean"]
    discounted = posterior.discounted_purchases(THREE, annual_discount_rate=0.1, horizon=kw.LIFETIME)["mean"]
    assert np.isfinite(bought).all()
    assert (bought >= returns * (1 - 1e-7)).all()
    assert np.isfinite(discounted).all()
    assert (discounted >= 0.9 * bought).all()
    chances = posterior.purchase_distribution(THREE, horizon=YEAR, up_to=2)
    assert ((chances >= 0) & (chances <= 1)).all(axis=None)
    np.testing.assert_allclose(chances.sum(axis=1), 1, rtol=1e-9)
    np.testing.assert_allclose(1 - chances[0], returns, atol=1e-9)


@pytest.mark.parametrize("size", [1e10, 1e20, 1e99])
def test_without_differences_between_customers(size):
    """Rates that are nearly a number, and dropout probabilities too: a Poisson process that ends with p = 1/2."""
    posterior = kw.fixed(kw.BGNBD.Parameters(r=size, alpha=10 * size, a=size, b=size, unit="week"))
    new = histories_of([0], [0], [1], unit="week")
    rate, p = 0.1, 0.5
    bought = posterior.expected_purchases(new, horizon=YEAR)["mean"].iloc[0]
    assert bought == pytest.approx(-math.expm1(-rate * p * WEEKS) / p, rel=1e-8)
    delta = math.log(1.1) / WEEKS
    discounted = posterior.discounted_purchases(new, annual_discount_rate=0.1, horizon=kw.LIFETIME)["mean"].iloc[0]
    assert discounted == pytest.approx(rate / (rate * p + delta), rel=1e-8)
    two = posterior.purchase_distribution(new, horizon=YEAR, up_to=2)[2].iloc[0]
    poisson = stats.poisson(rate * WEEKS)
    assert two == pytest.approx((1 - p) ** 2 * poisson.pmf(2) + (1 - p) * p * poisson.sf(1), rel=1e-8)


@pytest.mark.every(4)
@pytest.mark.parametrize(
    "n, a, b, v",
    [
        (0.5, 1e10, 1.6, 1.1),
        (2.5, 1e6, 3.6, 1.1),
        (50, 1e10, 1e10, 1.1),
        (2.5, 3e22, 1e22, 1.1),
        (1e4, 1e6, 5.0, 1.1),
        (1e5, 1e6, 2e6, 0.01),
        (1e30, 0.9, 1.6, 1.1),
    ],
)
def test_purchases_against_an_integral(n, a, b, v):
    customer = BetaMixture(n=np.array([float(n)]), A=np.ones(1), a=np.array([float(a)]), b=np.array([float(b)]))
    n, a, b, v = (mp.mpf(value) for value in (n, a, b, v))
    with mp.workdps(20 + int(mp.log10(max(n, a, b)))):
        log_beta = mp.loggamma(a) + mp.loggamma(b) - mp.loggamma(a + b)

        def term(y):
            p, q = 1 / (1 + mp.exp(-y)), 1 / (1 + mp.exp(y))
            return mp.exp(a * mp.log(p) + b * mp.log(q) - log_beta) * -mp.expm1(-n * mp.log1p(p * v)) / p

        centre, spread = mp.digamma(a) - mp.digamma(b), mp.sqrt(mp.polygamma(1, a) + mp.polygamma(1, b))
        steps = [-300, -230, -200, -150, -100, -60, -20, -8, -4, -2, -1, 0, 1, 2, 4, 8, 20, 60]
        truth = mp.quad(term, [centre + spread * step for step in steps])
    assert customer.purchases(0.0, float(v))[0] == pytest.approx(float(truth), rel=1e-9)


@pytest.mark.parametrize("n, a, b, truth", [(2.5, 1e100, 1.6, 1 - 2.1**-2.5), (2.5, 1e10, 1e100, 2.5 * 1.1)])
def test_probabilities_of_nearly_one_and_nearly_zero(n, a, b, truth):
    customer = BetaMixture(n=np.array([n]), A=np.ones(1), a=np.array([a]), b=np.array([b]))
    assert customer.purchases(0.0, 1.1)[0] == pytest.approx(truth, rel=1e-12)


def test_too_steep_for_too_narrow_a_distribution():
    """Nearly everybody leaves after a purchase, of which there is no end: nodes would be too many."""
    posterior = kw.fixed(kw.BGNBD.Parameters(**LEAVING | {"r": 1e30, "a": 1e30}))
    with pytest.raises(SpecificationError, match=r"dropout probability of Beta\(1e\+30, 1\.6\) cannot be averaged"):
        posterior.expected_purchases(THREE.take([0]), horizon=YEAR)


@pytest.mark.parametrize("k", [1, 3])
def test_one_demanding_customer_among_many(monkeypatch, k):
    """As many nodes as one of them needs would be too many for all at once: they are asked about in parts."""
    n, A, a, b = (np.full((100, 2), value) for value in (2.5, 40.0, 0.9, 1.6))
    n[50, 1], a[50, 1], b[50, 1] = 600.0, 30.0, 1.02
    many = BetaMixture(n=n, A=A, a=a, b=b) if k == 1 else BetaErlang(k=k, phase=1, n=n, A=A, a=a, b=b)
    demanding, ordinary = many.take(np.s_[50:51, 1]), many.take(np.s_[:1, 1])
    expected = {}
    for method, ahead in QUESTIONS.items():
        expected[method] = np.full(n.shape, getattr(ordinary, method)(*ahead))
        expected[method][50, 1] = getattr(demanding, method)(*ahead)[0]
    monkeypatch.setattr(beta_average, "MOST_NUMBERS", 2**13)
    with pytest.raises(beta_average.TooManyNodesError):
        beta_average.beta_nodes(a, b, n, many.error)
    for method, ahead in QUESTIONS.items():
        np.testing.assert_allclose(getattr(many, method)(*ahead), expected[method], rtol=1e-9)


@pytest.mark.parametrize("n, count", [(0.5, 0), (0.5, 3), (1e-100, 2), (1e10, 3), (1e100, 1), (1e7, 400), (3, 5000)])
def test_binomial_coefficients(n, count):
    with mp.workdps(130):
        truth = mp.log(mp.rf(mp.mpf(n), count) / mp.factorial(count))
    assert log_binomial(np.array([n]), count)[0] == pytest.approx(float(truth), rel=1e-12, abs=1e-12)
