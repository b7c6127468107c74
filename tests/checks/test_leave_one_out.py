"""Smoothed weights: against ArviZ, row by row, and against fits without the customer."""

import numpy as np
import pytest
from arviz_stats.base import array_stats
from scipy.special import logsumexp

import kundenwert as kw
from kundenwert.checks.leave_one_out import leave_one_out, pareto_fit, smoothed_mean
from kundenwert.errors import DataError
from tests import cdnow

DRAWS = 1000
TAIL = 94  # 3 sqrt(1000)


def rows(kind):
    rng = np.random.default_rng(3)
    match kind:
        case "normal":
            return rng.normal(-3, 1, (20, DRAWS))
        case "heavy":
            return -rng.exponential(rng.uniform(0.3, 3, (20, 1)), (20, DRAWS))
        case "far":
            return rng.normal(-5e3, 200, (20, DRAWS))
        case "repeated":  # as after resampling
            return rng.normal(-3, 1, (20, DRAWS))[:, rng.integers(0, DRAWS // 2, DRAWS)]
        case _:
            return 5 * rng.beta(0.5, 8, (20, DRAWS)) - 2


@pytest.mark.parametrize("kind", ["normal", "heavy", "far", "repeated", "bounded"])
def test_smoothing_agrees_with_arviz(kind):
    log_likelihood = rows(kind)
    mean, k = smoothed_mean(log_likelihood, TAIL)
    log_weights, expected_k = array_stats.psislw(log_likelihood)
    np.testing.assert_allclose(k, expected_k, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(mean, logsumexp(log_weights + log_likelihood, axis=1), rtol=1e-10, atol=1e-10)


def test_weights_that_are_nearly_equal_need_no_smoothing():
    log_likelihood = np.random.default_rng(1).normal(-3, 0.1, (20, DRAWS))
    mean, k = smoothed_mean(log_likelihood, TAIL)
    assert not k.any()
    np.testing.assert_allclose(mean, -np.log(np.exp(-log_likelihood).mean(axis=1)), rtol=1e-12)
    log_weights, _ = array_stats.psislw(log_likelihood)
    np.testing.assert_allclose(mean, logsumexp(log_weights + log_likelihood, axis=1), atol=2e-4)


def test_a_tail_that_fits_nothing_is_reported():
    log_likelihood = np.zeros((2, DRAWS))
    log_likelihood[:, :200] = -4.0  # more equal weights than the tail has places
    log_likelihood[1, 0] = -9.0
    mean, k = smoothed_mean(log_likelihood, TAIL)
    assert (k == np.inf).all()
    np.testing.assert_allclose(mean, -np.log(np.exp(-log_likelihood).mean(axis=1)), rtol=1e-12)


def test_weights_that_differ_beyond_all_numbers_are_reported():
    log_likelihood = -np.geomspace(1, 1e6, DRAWS)[None]
    mean, k = smoothed_mean(log_likelihood, TAIL)
    assert k[0] == np.inf
    assert mean[0] == pytest.approx(-1e6 + np.log(DRAWS), rel=1e-12)


@pytest.mark.parametrize("k, sigma", [(0.3, 2.0), (1.2, 0.1), (-0.4, 1.0)])
def test_the_shape_of_a_pareto_tail_is_found(k, sigma):
    uniform = np.random.default_rng(1).random((200, 2000))
    excess = np.sort(sigma * np.expm1(-k * np.log1p(-uniform)) / k, axis=1)
    found_k, found_sigma = pareto_fit(excess)
    assert np.mean(found_k) == pytest.approx(k, abs=0.02)
    assert np.mean(found_sigma) == pytest.approx(sigma, rel=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["BGNBD", "MBGNBD"])
def test_leaving_out_equals_fitting_without(name):
    """Some of a hundred customers, the one who changes the posterior most among them."""
    histories, model = cdnow.sample(100), cdnow.MODELS[name]
    left_out = leave_one_out(kw.fit(model, histories, seed=1), histories, "week")
    assert left_out.pareto_k.max() < 0.7
    for i in (0, 50, int(np.argmax(left_out.pareto_k))):
        others = histories.take(np.arange(100) != i)
        refitted = kw.fit(model, others, seed=2, method=kw.ImportanceSampling(draws=8000))
        log_likelihood = refitted.to_datatree(histories.take([i]))["log_likelihood"][name].to_numpy().ravel()
        assert left_out.elpd[i] == pytest.approx(logsumexp(log_likelihood) - np.log(8000), abs=0.02)


def test_other_customers_are_refused():
    posterior = cdnow.posterior("BGNBD", 100)
    with pytest.raises(DataError, match=r"this BGNBD was fitted to 100 customers, but 30 of these histories"):
        leave_one_out(posterior, cdnow.sample(30), "week")
