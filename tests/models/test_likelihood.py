"""The likelihoods: against formulas of mpmath, duplicates, and the same formula on NumPy and on PyTensor."""

import mpmath as mp
import numpy as np
import pandas as pd
import pytest

import kundenwert as kw
from kundenwert.inference.target import Target
from tests.customers import PURCHASE_MODELS, histories_of, log_likelihood

X = np.array([0, 0, 1, 1, 4, 30, 1500, 1])
T_X = np.array([0, 0, 12.0, 270, 100, 269, 260, 0.5])
T = np.array([0, 270.0, 270, 270, 270, 270, 270, 0.5])
POPULATIONS = [(0.25, 4.4, 0.8, 2.4), (3.0, 200.0, 1.0, 0.02), (0.05, 0.5, 30.0, 200.0)]
MODELS = (kw.BGNBD(), kw.MBGNBD(), kw.GammaGamma(money_scale=25))


def customers():
    return histories_of(X, T_X, T, mean_amount=np.where(X > 0, 10 + T_X / 9, 0))


def truth(model, r, alpha, a, b, x, t_x, T):
    """Fader, Hardie & Lee (2005), eq. (6); Batislam, Denizel & Filiztekin (2007), the same with b + x + 1."""
    r, alpha, a, b, x, t_x, T = map(mp.mpf, (r, alpha, a, b, x, t_x, T))
    rate = mp.gamma(r + x) * alpha**r / mp.gamma(r)
    first = 0 if model is kw.BGNBD else 1
    alive = mp.beta(a, b + x + first) / mp.beta(a, b) * (alpha + T) ** -(r + x)
    gone = mp.beta(a + 1, b + x - 1 + first) / mp.beta(a, b) * (alpha + t_x) ** -(r + x) if x + first > 0 else 0
    return mp.log(rate * (alive + gone))


@pytest.mark.parametrize("model", PURCHASE_MODELS)
@pytest.mark.parametrize("r, alpha, a, b", POPULATIONS)
def test_purchases_against_mpmath(model, r, alpha, a, b):
    posterior = kw.fixed(model.Parameters(r=r, alpha=alpha, a=a, b=b, unit="day"))
    with mp.workdps(40):
        expected = [float(truth(model, r, alpha, a, b, *history)) for history in zip(X, T_X, T, strict=True)]
    np.testing.assert_allclose(log_likelihood(posterior, customers()), expected, rtol=1e-11, atol=1e-11)


@pytest.mark.every(2)
@pytest.mark.parametrize("p, q, gamma", [(6.25, 3.74, 15.44), (0.5, 0.4, 1e-3), (40.0, 30.0, 1e5)])
def test_spend_against_the_integral_over_customers(p, q, gamma):
    """The mean of x amounts is Gamma(p x, nu x), and nu ~ Gamma(q, gamma)."""
    x, mean = np.array([1, 3, 20]), np.array([12.5, 80.0, 0.3])
    posterior = kw.fixed(kw.GammaGamma.Parameters(p=p, q=q, gamma=gamma))

    def density(x, z, log_nu):
        nu = mp.exp(log_nu)
        given = (nu * x) ** (p * x) * z ** (p * x - 1) * mp.exp(-nu * x * z) / mp.gamma(p * x)
        return given * mp.mpf(gamma) ** q * nu**q * mp.exp(-gamma * nu) / mp.gamma(q)

    def value(x, z):
        centre, spread = mp.log((p * x + q) / (gamma + x * z)), 1 / mp.sqrt(p * x + q)
        pieces = [centre + k * spread for k in (-80, -40, -20, *range(-10, 11), 20)]
        return float(mp.log(mp.quad(lambda y: density(x, z, y), pieces)))

    with mp.workdps(30):
        expected = [value(int(n), mp.mpf(z)) for n, z in zip(x, mean, strict=True)]
    ours = log_likelihood(posterior, histories_of(x, 5, 10, mean_amount=mean))
    np.testing.assert_allclose(ours, expected, rtol=1e-10)


@pytest.mark.parametrize("model", MODELS, ids=lambda m: type(m).__name__)
def test_doubled_rows_count_twice(model):
    once = customers()
    frame = pd.concat([once.to_pandas()] * 3, ignore_index=True).assign(customer_id=range(3 * len(once)))
    thrice = kw.CustomerHistories.from_pandas(frame, unit="day")
    cells = thrice.cells(model)
    np.testing.assert_array_equal(cells.counts, 3 * once.cells(model).counts)
    points = np.random.default_rng(1).normal(size=(len(model.quantities), 20))
    one, three = Target(model, once.cells(model)), Target(model, cells)
    assert three.customers == 3 * one.customers
    np.testing.assert_allclose(three.log_likelihood(points), 3 * one.log_likelihood(points), rtol=1e-13)


def test_customers_without_a_repeat_purchase_say_nothing_about_spend():
    with_repeat = customers().take(X > 0)
    model = kw.GammaGamma(money_scale=25)
    points = np.random.default_rng(1).normal(size=(3, 20))
    everybody, some = (Target(model, h.cells(model)).log_likelihood(points) for h in (customers(), with_repeat))
    np.testing.assert_allclose(everybody, some, rtol=1e-14)


@pytest.mark.every(2)
@pytest.mark.parametrize("model", MODELS, ids=lambda m: type(m).__name__)
def test_numpy_and_pytensor_agree_on_density_and_gradient(model):
    """PyMC's free variables are log(quantity) or logit(quantity), as ours; its density holds the same Jacobian."""
    target = Target(model, customers().cells(model))
    graph = kw.to_pymc(model, customers()).logp_dlogp_function(ravel_inputs=True)
    graph.set_extra_values({})
    guess = np.array([float(q.coordinate(np.asarray(q.guess))) for q in model.quantities])
    points = guess + np.random.default_rng(1).normal(scale=0.7, size=(5, len(guess)))
    densities, gradients = zip(*map(graph, points), strict=True)
    # PyTensor takes the logarithm of a constant such as 1.5 in single precision: a constant of no influence
    np.testing.assert_allclose(np.diff(target(points.T)), np.diff(densities), rtol=1e-11, atol=1e-10)
    np.testing.assert_allclose(target(points.T), densities, rtol=1e-7)
    for point, gradient in zip(points, gradients, strict=True):
        np.testing.assert_allclose(gradient, differences(target, point), rtol=1e-7, atol=1e-7)


def differences(target, point, step=1e-3):
    """Gradient by central differences of sixth order."""
    offsets, weights = np.array([-3, -2, -1, 1, 2, 3]), np.array([-1, 9, -45, 45, -9, 1]) / (60 * step)
    return [target(point[:, None] + np.outer(axis, step * offsets)) @ weights for axis in np.eye(len(point))]


@pytest.mark.every(2)
@pytest.mark.parametrize("model", PURCHASE_MODELS)
def test_the_gradient_of_pytensor_against_mpmath(model):
    histories = histories_of(X[:7], T_X[:7], T[:7])
    graph = kw.to_pymc(model(), histories).logp_dlogp_function(ravel_inputs=True)
    graph.set_extra_values({})
    point = np.array([0.7, -0.4, -0.6, 0.9])  # log mean rate a year, log shape, logit mean dropout, log concentration

    def log_density(*coordinates):
        rate, shape, dropout, concentration = coordinates
        share, total, r = 1 / (1 + mp.exp(-dropout)), mp.exp(concentration), mp.exp(shape)
        parameters = r, r / mp.exp(rate) * mp.mpf(365.25), share * total, (1 - share) * total
        centres, spreads = (mp.log(3), 0, -1, mp.log(3)), (1.5, 1, 1.2, 1)
        prior = sum(-(((c - m) / s) ** 2) / 2 for c, m, s in zip(coordinates, centres, spreads, strict=True))
        return prior + sum(truth(model, *parameters, *h) for h in zip(X[:7], T_X[:7], T[:7], strict=True))

    with mp.workdps(40):
        place = tuple(map(mp.mpf, point))
        exact = [float(mp.diff(log_density, place, tuple(axis))) for axis in np.eye(4, dtype=int).tolist()]
    np.testing.assert_allclose(graph(point)[1], exact, rtol=1e-9)
