"""Importance sampling: smoothed weights, resampling, refits, and known targets."""

from functools import partial
from typing import Any

import numpy as np
import pytest

import kundenwert as kw
from kundenwert.inference.importance import WeightedPoints, importance_points, resample, smoothed
from kundenwert.inference.importance import _points as points_of_a_round
from kundenwert.inference.target import Target
from tests import cdnow
from tests.inference.densities import Banana


@pytest.mark.parametrize("k", [0.2, 0.5, 0.8, 1.2])
def test_pareto_k_is_the_tail_index_of_the_weights(k):
    # u^-k has a tail with index k; with the wrong sign the estimate would be that of u^k, which is negative
    found = [smoothed(-k * np.log(np.random.default_rng(seed).random(2**14)))[1] for seed in range(16)]
    # each from the largest 384 points, so with a standard error of about (1 + k)/sqrt(384)
    assert np.mean(found) == pytest.approx(k, abs=4 * (1 + k) / np.sqrt(16 * 384))


def test_pareto_k_of_bounded_weights_is_negative():
    assert smoothed(np.log(np.random.default_rng(0).random(2**13)))[1] < 0


def test_smoothing_keeps_the_order_and_the_bulk_and_sums_to_one():
    log_weights = -0.9 * np.log(np.random.default_rng(1).random(4096))
    weights, _ = smoothed(log_weights)
    assert weights.sum() == pytest.approx(1, abs=1e-12)
    order = np.argsort(log_weights)
    assert (np.diff(weights[order]) >= 0).all()
    bulk = weights[order][:3000] / np.exp(log_weights[order][:3000])
    np.testing.assert_allclose(bulk, bulk[0])
    raw = np.exp(log_weights) / np.exp(log_weights).sum()
    assert weights.max() < raw.max()


def test_smoothing_does_not_depend_on_a_constant():
    log_weights = np.random.default_rng(2).normal(size=2048)
    np.testing.assert_allclose(smoothed(log_weights + 9000)[0], smoothed(log_weights)[0], rtol=1e-9)


@pytest.mark.parametrize("impossible", [-np.inf, np.nan])
def test_impossible_points_have_no_weight(impossible):
    log_weights = np.random.default_rng(3).normal(size=2048)
    log_weights[::7] = impossible
    weights, pareto_k = smoothed(log_weights)
    assert weights[::7].max() < 1e-100
    assert np.isfinite(pareto_k)


def test_nothing_possible_is_never_trusted():
    weights, pareto_k = smoothed(np.full(100, -np.inf))
    assert pareto_k == np.inf
    assert weights.sum() == pytest.approx(1)


@pytest.fixture
def weighted():
    rng = np.random.default_rng(4)
    return WeightedPoints(rng.normal(size=(3, 2048)) * [[1], [5], [0.1]], rng.dirichlet(np.full(2048, 0.3)), 0.1, 1)


def counts(weighted, draws):
    which = {tuple(point): i for i, point in enumerate(weighted.points.T)}
    return np.bincount([which[tuple(draw)] for draw in draws.T], minlength=weighted.weights.size)


@pytest.mark.parametrize("draws", [500, 2048, 10_000])
def test_resampling_is_systematic(weighted, draws):
    made = resample(weighted, draws, np.random.default_rng(5))
    assert made.shape == (3, draws)
    assert (np.abs(counts(weighted, made) - draws * weighted.weights) < 1 + 1e-9).all()


def test_resampling_is_unbiased_and_better_than_chance(weighted):
    means = np.array([resample(weighted, 500, np.random.default_rng(seed)).mean(axis=1) for seed in range(400)])
    truth = weighted.points @ weighted.weights
    assert (np.abs(means.mean(axis=0) - truth) < 4 * means.std(axis=0) / 20).all()
    by_chance = np.sqrt(((weighted.points - truth[:, None]) ** 2) @ weighted.weights / 500)
    assert (means.std(axis=0) < by_chance).all()


def test_a_single_point_may_have_all_the_weight():
    points, weights = np.random.default_rng(0).normal(size=(3, 50)), np.eye(50)[7]
    draws = resample(WeightedPoints(points, weights, np.inf, 1), 20, np.random.default_rng(6))
    np.testing.assert_array_equal(draws, np.repeat(points[:, [7]], 20, axis=1))


def test_draws_are_in_random_order(weighted):
    draws = resample(weighted, 4000, np.random.default_rng(6))
    neighbours = [np.corrcoef(values[1:], values[:-1])[0, 1] for values in draws]
    with_position = [np.corrcoef(values, np.arange(4000))[0, 1] for values in draws]
    assert np.abs([*neighbours, *with_position]).max() < 4 / np.sqrt(4000)


def mean_and_sd(weighted):
    mean = weighted.points @ weighted.weights
    return mean, np.sqrt(weighted.points**2 @ weighted.weights - mean**2)


@pytest.mark.parametrize("gap, bend", [(0, 0), (0, 0.5), (2, 0), (1, 0.25)])
def test_known_densities_have_their_moments(gap, bend):
    banana = Banana(gap=gap, bend=bend)
    weighted = importance_points(banana.target(), kw.ImportanceSampling(), np.random.default_rng(7))
    mean, sd = mean_and_sd(weighted)
    assert weighted.pareto_k < 0.7
    assert (np.abs(mean - banana.mean) < 4 * np.sqrt(banana.variance / weighted.ess)).all()
    np.testing.assert_allclose(sd, np.sqrt(banana.variance), rtol=0.1)


@pytest.mark.parametrize("gap, bend", [(0, 0.5), (2, 0)])
def test_refits_help(gap, bend):
    target = Banana(gap=gap, bend=bend).target()
    few, many = (
        importance_points(target, kw.ImportanceSampling(refits=refits), np.random.default_rng(8)) for refits in (0, 4)
    )
    assert few.rounds == 1
    assert many.rounds > 1
    assert many.ess > max(1.5 * few.ess, 0.45 * 8192)


def test_a_good_first_round_is_the_last():
    target = Target(kw.BGNBD(), cdnow.histories().cells(kw.BGNBD()))
    assert importance_points(target, kw.ImportanceSampling(), np.random.default_rng(9)).rounds == 1


@pytest.mark.parametrize(
    "cells, draws, points", [(5_000, 2000, 8192), (5_001, 2000, 4096), (60_001, 2000, 2048), (60_001, 5000, 8192)]
)
def test_fewer_points_for_more_cells_but_never_fewer_than_the_draws(cells, draws, points):
    assert points_of_a_round(kw.ImportanceSampling(draws=draws), cells) == points
    assert points_of_a_round(kw.ImportanceSampling(draws=draws, points=4096), cells) == 4096


def all_lost():
    everybody = cdnow.histories()
    return everybody.take(everybody.frequency == 0)


def most_loyal(customers):
    everybody = cdnow.histories()
    return everybody.take(np.argsort(-everybody.frequency)[:customers])


SMALL_DATA: dict[str, Any] = {
    **{f"{n} random, seed {seed}": partial(cdnow.sample, n, seed) for n in (5, 30, 100) for seed in range(10)},
    "one without a repeat": lambda: all_lost().take([0]),
    "the most loyal one": lambda: most_loyal(1),
    "the 100 most loyal": lambda: most_loyal(100),
    "5 without a repeat": lambda: all_lost().take(np.arange(5)),
    "30 without a repeat": lambda: all_lost().take(np.arange(30)),
    "all without a repeat": all_lost,
}


@pytest.mark.every(5)
@pytest.mark.parametrize("name", cdnow.MODELS)
@pytest.mark.parametrize("data", SMALL_DATA)
def test_refits_make_the_weights_good_on_small_and_odd_data(data, name):
    model, histories = cdnow.MODELS[name], SMALL_DATA[data]()
    if name == "GammaGamma" and not histories.frequency.any():
        return  # nobody to learn from; test_fitting has the error
    cells = histories.cells(model)
    target = Target(model.prepared(cells), cells)
    weighted = importance_points(target, kw.ImportanceSampling(), np.random.default_rng(10))
    assert weighted.pareto_k < 0.7
    assert weighted.ess > 0.45 * weighted.weights.size
