"""StudentMixture: its density, its points and its fit."""

import numpy as np
import pytest
from scipy import stats

from kundenwert.inference.proposal import DEGREES_OF_FREEDOM, StudentMixture

ONE = StudentMixture(np.ones(1), np.array([[1.0, -2.0]]), np.array([[[2.0, 0.9], [0.9, 0.8]]]))
TWO = StudentMixture(
    np.array([0.3, 0.7]),
    np.array([[-3.0, 0.0], [2.0, 1.0]]),
    np.array([[[0.5, 0.2], [0.2, 0.4]], [[1.5, -0.6], [-0.6, 1.0]]]),
)
MIXTURES = pytest.mark.parametrize("mixture", [ONE, TWO], ids=["one", "two"])


def density(mixture, points):
    """The same by SciPy."""
    return sum(
        share * stats.multivariate_t(location, scale, df=5).pdf(points.T)
        for share, location, scale in zip(mixture.shares, mixture.locations, mixture.scales, strict=True)
    )


@MIXTURES
def test_density_is_that_of_a_mixture_of_multivariate_t(mixture):
    points = np.random.default_rng(0).normal(0, 4, (2, 500))
    assert np.exp(mixture.log_density(points)) == pytest.approx(density(mixture, points), rel=1e-12)


@MIXTURES
def test_density_integrates_to_one(mixture):
    node, weight = np.polynomial.legendre.leggauss(300)
    angle, weight = node * np.pi / 2, weight * np.pi / 2
    line, jacobian = np.tan(angle), weight / np.cos(angle) ** 2
    plane = np.array(np.meshgrid(line, line)).reshape(2, -1)
    assert np.exp(mixture.log_density(plane)) @ np.outer(jacobian, jacobian).ravel() == pytest.approx(1, abs=1e-4)


@MIXTURES
@pytest.mark.parametrize("direction", [(1, 0), (0, 1), (0.6, 0.8)])
def test_points_follow_the_density(mixture, direction):
    points = mixture.sample(2**13, np.random.default_rng(1))
    assert points.shape == (2, 2**13)
    along = np.array(direction)
    parts = [
        share * stats.t(5, location @ along, np.sqrt(along @ scale @ along)).cdf(np.sort(along @ points))
        for share, location, scale in zip(mixture.shares, mixture.locations, mixture.scales, strict=True)
    ]
    # 8,192 independent points would be .01 away half of the time
    assert np.abs(np.sum(parts, axis=0) - (np.arange(2**13) + 0.5) / 2**13).max() < 0.01


def test_another_distribution_has_weights_of_mean_one():
    target = stats.multivariate_normal([0.5, 0.2], [[1.0, 0.4], [0.4, 0.7]])
    for mixture in (ONE, TWO):
        points = mixture.sample(2**14, np.random.default_rng(2))
        weights = target.pdf(points.T) / np.exp(mixture.log_density(points))
        assert weights.mean() == pytest.approx(1, abs=4 * weights.std() / 2**7)


def test_around_a_mode_has_the_given_curvature_and_cuts_flat_directions_off():
    precision = np.diag([4.0, 1e-9, -3.0])
    made = StudentMixture.around(np.zeros(3), precision)
    np.testing.assert_allclose(made.scales[0], np.diag([0.25, 20.0, 20.0]))


@MIXTURES
def test_fitting_never_lowers_the_expected_log_density(mixture):
    rng = np.random.default_rng(3)
    points = rng.standard_gamma(2.0, (2, 4096)) + np.array([[0.0], [1.0]])
    weights = rng.dirichlet(np.ones(4096))
    fitted = mixture.fitted_to(points, weights)
    before, after = (m.log_density(points) @ weights for m in (mixture, fitted))
    assert after > before + 0.1
    assert fitted.fitted_to(points, weights).log_density(points) @ weights >= after - 1e-9


def test_fitting_finds_a_t_distribution_again():
    points = ONE.sample(2**14, np.random.default_rng(4))
    start = StudentMixture(np.ones(1), np.zeros((1, 2)), np.eye(2)[None])
    fitted = start.fitted_to(points, np.full(2**14, 2.0**-14))
    for _ in range(5):
        fitted = fitted.fitted_to(points, np.full(2**14, 2.0**-14))
    np.testing.assert_allclose(fitted.locations, ONE.locations, atol=0.03)
    np.testing.assert_allclose(fitted.scales, ONE.scales, rtol=0.05)


def test_fitting_uses_the_weights():
    points = np.random.default_rng(5).normal(0, 1, (1, 20_000))
    weights = np.exp(points[0])  # tilts N(0, 1) to N(1, 1)
    fitted = StudentMixture(np.ones(1), np.zeros((1, 1)), np.ones((1, 1, 1))).fitted_to(points, weights / weights.sum())
    assert fitted.locations[0, 0] == pytest.approx(1, abs=0.05)


def test_splitting_lets_two_modes_be_found():
    rng = np.random.default_rng(6)
    points = np.concatenate([rng.normal((-4, 0), 0.5, (3000, 2)), rng.normal((4, 0), 0.5, (1000, 2))]).T
    weights = np.full(4000, 1 / 4000)
    start = StudentMixture(np.ones(1), np.zeros((1, 2)), np.eye(2)[None]).fitted_to(points, weights)
    split = start.split(points, weights)
    assert split.shares.tolist() == [1 / 3] * 3
    fitted = split
    for _ in range(6):
        fitted = fitted.fitted_to(points, weights)
    truth = np.array([[-4.0, 0.0], [4.0, 0.0]])
    nearest = np.abs(fitted.locations[:, None] - truth).sum(axis=-1).argmin(axis=1)
    shares = np.bincount(nearest, weights=fitted.shares, minlength=2)
    np.testing.assert_allclose(shares, [0.75, 0.25], atol=0.02)
    assert fitted.log_density(points) @ weights > start.log_density(points) @ weights + 0.5


def test_a_component_without_points_is_dropped():
    points = np.random.default_rng(7).normal(0, 1, (1, 1000))
    far = StudentMixture(np.full(2, 0.5), np.array([[0.0], [1e3]]), np.ones((2, 1, 1)))
    assert len(far.fitted_to(points, np.full(1000, 1e-3)).shares) == 1


def test_a_single_point_with_all_the_weight_does_no_harm():
    points = np.random.default_rng(8).normal(size=(2, 100))
    assert np.isfinite(ONE.fitted_to(points, np.eye(100)[3]).log_density(points)).all()


def test_tails_are_heavy():
    far = np.array([[1e5], [0.0]])
    slope = ONE.log_density(2 * far) - ONE.log_density(far)
    assert slope[0] == pytest.approx(-(DEGREES_OF_FREEDOM + 2) * np.log(2), abs=1e-3)
