"""Integrals of positive functions: narrow peaks, long tails, powers, and nothing at all, each to its error."""

import math

import numpy as np
import pytest
from scipy.special import gammaincc, gammaln, ndtr

from kundenwert.models.kernels.quadrature import gauss_legendre, log_integrals

ERROR = 1e-11


@pytest.mark.parametrize("centre", [-3.0, 0.0, 0.123, 7.0, 10.0])
@pytest.mark.parametrize("width", [1e-4, 0.01, 1.0, 50.0])
def test_peaks_wherever_they_are(centre, width):
    found = log_integrals(lambda _, x: -0.5 * ((x - centre) / width) ** 2, [np.zeros(1), np.full(1, 10.0)], ERROR)
    z = np.array([-centre, 10 - centre]) / width
    mass = ndtr(z[1]) - ndtr(z[0]) if centre >= 0 else ndtr(-z[0]) - ndtr(-z[1])
    if mass == 0:  # beyond the smallest number: only the logarithm can tell
        assert -1e10 < found[0] < -1e3
    else:
        assert found[0] == pytest.approx(math.log(mass * width * math.sqrt(2 * math.pi)), abs=1e-10)


@pytest.mark.parametrize("power", [0.0, 0.5, 3.0, 200.0, 3e4])
def test_powers(power):
    found = log_integrals(lambda _, x: power * np.log(x), [np.zeros(1), np.ones(1)], ERROR)
    assert found[0] == pytest.approx(-math.log1p(power), abs=1e-10)


@pytest.mark.parametrize("power", [0.5, 1.5, 2.5, 3.5])
def test_a_fractional_power_at_an_edge_takes_five_times_the_error_at_most(power):
    found = log_integrals(lambda _, x: power * np.log(x), [np.zeros(1), np.ones(1)], 5e-13)
    assert abs(math.expm1(found[0] + math.log1p(power))) <= 5 * 5e-13


def test_each_row_gets_its_own_accuracy():
    """Gamma densities of shapes from 1 to 3000 on intervals that begin before, at and after their modes."""
    shape = np.repeat([1.0, 2.5, 40.0, 3000.0], 3)
    start = shape * np.tile([0.0, 1.0, 1.3], 4)
    end = shape + 60 + 60 * np.sqrt(shape)

    def log_density(rows, x):
        n = shape[rows, None]
        return (n - 1) * np.log(x) - x - gammaln(n)

    found = np.exp(log_integrals(log_density, [start, end], ERROR))
    np.testing.assert_allclose(found, gammaincc(shape, start), rtol=2e-10)
    # the same with edges in between, some of them empty
    parts = log_integrals(log_density, [start, start, np.minimum(shape * 1.1, end).clip(start), end], ERROR)
    np.testing.assert_allclose(np.exp(parts), found, rtol=1e-10)


def test_huge_and_tiny_values_keep_their_digits():
    found = log_integrals(lambda rows, x: np.array([5e4, -5e4])[rows, None] - x, [np.zeros(2), np.ones(2)], ERROR)
    np.testing.assert_allclose(found - math.log(-math.expm1(-1)), [5e4, -5e4], rtol=1e-15)


def test_nothing_comes_of_nothing():
    empty = log_integrals(lambda _, x: x, [np.array([0.0, 1.0]), np.array([0.0, 2.0])], ERROR)
    assert empty[0] == -math.inf
    assert math.isfinite(empty[1])
    assert log_integrals(lambda _, x: x, [np.zeros(0), np.zeros(0)], ERROR).shape == (0,)
    zero = log_integrals(lambda _, x: np.full_like(x, -np.inf), [np.zeros(1), np.ones(1)], ERROR)
    assert np.exp(zero[0]) == 0


def test_rounding_errors_are_not_chased_for_ever():
    """Logarithms of this size have three digits behind the point, which is all that can be integrated."""
    found = log_integrals(lambda _, x: 1e12 - 1e14 * (x - 0.3) ** 2, [np.zeros(3), np.ones(3)], ERROR)
    assert found - 1e12 == pytest.approx([0.5 * math.log(math.pi / 1e14)] * 3, abs=0.01)
    chance = np.random.default_rng(0)
    noise = log_integrals(lambda _, x: chance.normal(size=x.shape), [np.zeros(3), np.ones(3)], ERROR)
    np.testing.assert_allclose(np.exp(noise), math.exp(0.5), rtol=0.2)


def test_a_larger_error_costs_less():
    points = []

    def log_density(_, x):
        points.append(x.size)
        return -3 * np.log1p(50 * x)

    counts = []
    for error in (1e-13, 1e-7, 1e-2):
        points.clear()
        log_integrals(log_density, [np.zeros(1), np.full(1, 100.0)], error)
        counts.append(sum(points))
    assert counts[0] > counts[1] > counts[2]


def test_nodes_are_made_once_and_integrate_polynomials():
    nodes, weights = gauss_legendre(12)
    assert gauss_legendre(12)[0] is nodes
    assert [weights @ nodes**k for k in range(24)] == pytest.approx([1 / (k + 1) for k in range(24)], rel=1e-13)
