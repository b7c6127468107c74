"""Importance sampling of hierarchical models: moments are those of quadrature, also where little is normal."""

from typing import Any

import numpy as np
import pytest
from scipy import integrate, stats

import kundenwert as kw
from kundenwert.inference.hierarchical import hierarchical_points
from kundenwert.models.core.hierarchy import Hierarchy

# four groups with a common mean: y_g ~ N(x_g, s_g), x_g ~ N(m, spread), m ~ N(0.5, 2), spread half-normal(1)
Y, S = np.array([1.2, -0.3, 0.6, 2.0]), np.array([0.3, 0.4, 0.2, 0.6])
PRIOR = kw.HalfNormal(1.0)


def hierarchy(expansion) -> Hierarchy:
    combination = np.eye(5)
    combination[1:, 0] = 1.0
    return Hierarchy(
        centre=np.full(5, 0.5),
        combination=combination,
        deviation=np.array([2.0, 1, 1, 1, 1]),
        spread=np.array([-1, 0, 0, 0, 0]),
        expansion=expansion,
        priors=(PRIOR,),
    )


def normal_expansion(at):
    return np.r_[0.0, (Y - at[1:]) / S**2], np.diag(np.r_[0.0, S**-2])


def log_posterior(points, log_likelihood):
    """Coordinates: m, standard normals of the groups, logarithm of the spread."""
    m, z, u = points[0], points[1:5], points[5]
    prior = stats.norm.logpdf(m, 0.5, 2.0) + stats.norm.logpdf(z).sum(axis=0) + PRIOR.log_density(u)
    return prior + log_likelihood(m + np.exp(u) * z)


def normal_likelihood(x):
    return np.asarray(stats.norm.logpdf(Y[:, None], x, S[:, None])).sum(axis=0)


def of_spread(spread):
    """Density of the data given the spread, the groups and their mean integrated out."""
    covariance = np.diag(S**2 + spread**2) + 4.0
    return stats.multivariate_normal.pdf(Y, np.full(4, 0.5), covariance) * stats.halfnorm.pdf(spread)


def test_moments_are_those_of_quadrature():
    target: Any = lambda points: log_posterior(points, normal_likelihood)  # noqa: E731 - a target is a callable
    got = hierarchical_points(target, hierarchy(normal_expansion), kw.ImportanceSampling(), np.random.default_rng(0))
    assert got.pareto_k < 0.5
    assert got.ess > 0.5 * len(got.weights)
    total = integrate.quad(of_spread, 0, 12)[0]
    for power in (1, 2):
        truth = integrate.quad(lambda s, p=power: s**p * of_spread(s), 0, 12)[0] / total
        drawn = np.exp(power * got.points[5])
        error = np.sqrt(got.weights @ (drawn - truth) ** 2 / got.ess)
        assert abs(got.weights @ drawn - truth) < 4 * error


def test_moments_are_right_where_the_data_say_at_least_so_much():
    # thirty of thirty were brought back by a hazard that the prior takes for one in seventy: it may be any large number
    centre = np.log(1 / 70)

    def log_likelihood(x):
        return 30 * np.log(-np.expm1(-np.exp(x)))

    def expansion(at):
        hazard = np.exp(at[1])
        odds = hazard / np.expm1(hazard)
        return np.array([0.0, 30 * odds]), np.diag([0.0, 30 * hazard * odds])

    shape = Hierarchy(
        centre=np.full(2, centre),
        combination=np.array([[1.0, 0.0], [1.0, 1.0]]),
        deviation=np.ones(2),
        spread=np.array([-1, 0]),
        expansion=expansion,
        priors=(PRIOR,),
    )

    def density(points):
        x = points[0] + np.exp(points[2]) * points[1]
        prior = stats.norm.logpdf(points[0], centre, 1.0) + stats.norm.logpdf(points[1])
        return prior + PRIOR.log_density(points[2]) + log_likelihood(x)

    s, x = np.linspace(1e-3, 8, 800)[:, None], np.linspace(-10, 25, 1750)
    mass = stats.norm.pdf(x, centre, np.hypot(1, s)) * stats.halfnorm.pdf(s) * np.exp(log_likelihood(x))
    target: Any = density
    for seed in range(3):
        got = hierarchical_points(target, shape, kw.ImportanceSampling(), np.random.default_rng(seed))
        drawn = got.points[0] + np.exp(got.points[2]) * got.points[1]
        assert got.pareto_k < 0.7
        for power in (1, 2):
            truth = (mass * x**power).sum() / mass.sum()
            error = np.sqrt(got.weights @ (drawn**power - truth) ** 2 / got.ess)
            assert abs(got.weights @ drawn**power - truth) < 4 * error


def test_moments_are_right_on_a_ridge_with_a_bend():
    # returns of three groups: by themselves, at a pace that is little known, and by either of two hazards, of which
    # the groups have different parts. Each of them may be next to nothing, and however little it is then
    by_themselves, part = np.full(3, 400.0), np.array([0.1, 0.3, 0.9])
    customers, seen, centre, sd = np.full(3, 4000.0), np.array([426.0, 431.0, 446.0]), np.log(0.01), 1.5

    def log_likelihood(pace, x, y):
        found = 0.0
        for own, share, size, count in zip(by_themselves, part, customers, seen, strict=True):
            mean = own * np.exp(pace) + size * (share * np.exp(x) + (1 - share) * np.exp(y))
            found = found + count * np.log(mean) - mean
        return found

    def expansion(at):
        slopes = np.stack(
            [by_themselves * np.exp(at[0]), 0 * part, customers * part * np.exp(at[2]),
             customers * (1 - part) * np.exp(at[3])]
        )  # fmt: skip
        mean = slopes.sum(axis=0)
        return slopes @ (seen / mean - 1), slopes / mean @ slopes.T

    combination = np.eye(4)
    combination[2, 1] = 1.0
    shape = Hierarchy(
        centre=np.r_[0.0, np.full(3, centre)],
        combination=combination,
        deviation=np.array([0.3, sd, 1.0, sd]),
        spread=np.array([-1, -1, 0, -1]),
        expansion=expansion,
        priors=(PRIOR,),
    )

    def density(points):
        pace, mean, z, y, u = points
        prior = stats.norm.logpdf(pace, 0, 0.3) + stats.norm.logpdf(np.stack([mean, y]), centre, sd).sum(axis=0)
        x = mean + np.exp(np.minimum(u, 5.0)) * z
        with np.errstate(all="ignore"):
            found = log_likelihood(pace, np.minimum(x, 50.0), y)
        return prior + stats.norm.logpdf(z) + PRIOR.log_density(u) + found

    pace, x, y = (
        np.linspace(-1.2, 0.8, 120)[:, None, None],
        np.linspace(-14, -1, 160)[:, None],
        np.linspace(-14, -1, 150),
    )
    s = np.linspace(1e-3, 6, 300)
    of_x = (stats.norm.pdf(x, centre, np.hypot(sd, s)) * stats.halfnorm.pdf(s)).sum(axis=1)[:, None]
    log_mass = log_likelihood(pace, x, y) + stats.norm.logpdf(pace, 0, 0.3) + stats.norm.logpdf(y, centre, sd)
    mass = of_x * np.exp(log_mass - log_mass.max())
    target: Any = density
    for seed in range(3):
        got = hierarchical_points(target, shape, kw.ImportanceSampling(), np.random.default_rng(seed))
        assert got.pareto_k < 0.5
        drawn = [got.points[0], got.points[1] + np.exp(got.points[4]) * got.points[2], got.points[3]]
        for i, first in enumerate([pace, x, y]):
            for j, second in enumerate([np.ones(1), pace, x, y][: i + 2]):
                product = drawn[i] * (1.0 if j == 0 else drawn[j - 1])
                expected = (mass * first * second).sum() / mass.sum()
                error = np.sqrt(got.weights @ (product - expected) ** 2 / got.ess)
                assert abs(got.weights @ product - expected) < 4 * error


def test_a_target_that_the_shape_does_not_fit_is_not_called_good():
    def far(points):
        return stats.t.logpdf(points, 1.0, 60, 0.01).sum(axis=0)

    target: Any = far
    got = hierarchical_points(
        target, hierarchy(normal_expansion), kw.ImportanceSampling(draws=100, refits=1), np.random.default_rng(0)
    )
    assert not (got.pareto_k < 0.7 and got.ess > 1000)


@pytest.mark.parametrize("draws, points, expected", [(2000, None, 8192), (10_000, None, 16_384), (100, 2048, 2048)])
def test_points_are_as_many_as_asked_for_or_as_the_draws_need(draws, points, expected):
    target: Any = lambda at: log_posterior(at, normal_likelihood)  # noqa: E731 - a target is a callable
    method = kw.ImportanceSampling(draws=draws, points=points, refits=0)
    got = hierarchical_points(target, hierarchy(normal_expansion), method, np.random.default_rng(0))
    assert got.points.shape == (6, expected)
