"""Newton's method for the own two coordinates of a group, at many points of its population at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from kundenwert.models.core import Array

__all__ = ["LOG_TWO_PI", "Normal", "climbed", "log_normal", "not_negative", "step_size", "times", "whitened"]

STEPS: Final = 30
WIDEST: Final = 1e-2  # step of differences, on logarithms and logits
NARROW: Final = 0.1  # or this share of a standard deviation, where the likelihood is narrow
LONGEST: Final = 2.0  # step, on logarithms and logits
LOG_TWO_PI: Final = float(np.log(2 * np.pi))
CORNERS: Final = np.array([[0, 1, -1, 0, 0, 1, -1], [0, 0, 0, 1, -1, 1, -1]], dtype=np.float64)
TINY: Final = 1e-300
MOST: Final = 1e100  # of an information, so that its square is a number


class Normal(NamedTuple):
    """Normal approximations of a group's own coordinates, given points of its population.

    Centre (2, points), lower triangular root of the covariance (2, 2, points), log of the integral of likelihood times
    density of the population (points,).
    """

    centre: Array
    root: Array
    log_evidence: Array


def climbed(
    log_likelihood: Callable[[NDArray[np.intp], Array], Array],
    means: Array,
    spreads: Array,
    starts: Sequence[Array],
    *,
    near: float,
) -> Normal:
    """Normal approximations around the modes, which are looked for until a step is shorter than `near` deviations.

    Parameters
    ----------
    log_likelihood
        Takes which of the points of the population, and own coordinates there of shape (2, seven, points).
    means, spreads
        Of the population, shape (2, points).
    starts
        Where to begin, each of shape (2, points); the best of them is taken.
    """
    points = means.shape[1]
    at = _best(log_likelihood, means, spreads, starts)
    known, step, size = at.copy(), np.zeros_like(at), step_size(1 / spreads**2)
    density, distance = np.full(points, -np.inf), np.zeros(points)
    root = np.array([[spreads[0], np.zeros(points)], [np.zeros(points), spreads[1]]])
    active = np.arange(points)
    for _ in range(STEPS):
        values = log_likelihood(active, at[:, active][:, None] + CORNERS[:, :, None] * size[:, active][:, None])
        here = values[0] + log_normal(at[:, active], means[:, active], spreads[:, active])
        better = np.isfinite(here) & (here >= density[active])
        step[:, active[~better]] /= 2  # too far
        at[:, active[~better]] = (known + step)[:, active[~better]]
        new = active[better]
        gradient, information = _curvature(values[:, better], size[:, new])
        pull = 1 / spreads[:, new] ** 2
        root[:, :, new] = _inverse_root(information, pull)
        known[:, new], density[new] = at[:, new], here[better]
        whitened_slope = _transposed_times(root[:, :, new], gradient - (at[:, new] - means[:, new]) * pull)
        distance[new] = np.sqrt((whitened_slope**2).sum(axis=0))
        step[:, new] = times(root[:, :, new], whitened_slope)
        step[:, new] *= LONGEST / np.maximum(np.abs(step[:, new]).max(axis=0), LONGEST)
        size[:, new] = step_size(np.array([information[0, 0], information[1, 1]]) + pull)
        at[:, new] = known[:, new] + step[:, new]
        active = np.concatenate([active[~better], new[distance[new] > near]])
        if not len(active):
            break
    step[:, active], distance[active] = 0.0, 0.0
    log_volume = LOG_TWO_PI + np.log(root[0, 0] * root[1, 1])
    return Normal(known + step, root, density + 0.5 * distance**2 + log_volume)


def _best(
    log_likelihood: Callable[[NDArray[np.intp], Array], Array], means: Array, spreads: Array, starts: Sequence[Array]
) -> Array:
    """The likeliest of some places, for every point of the population."""
    own = np.stack(starts, axis=1)
    own = np.where(np.isfinite(own), own, means[:, None])
    density = log_likelihood(np.arange(means.shape[1]), own) + log_normal(own, means, spreads)
    best = np.argmax(np.where(np.isfinite(density), density, -np.inf), axis=0)
    return np.take_along_axis(own, best[None, None], axis=1)[:, 0]


def log_normal(own: Array, means: Array, spreads: Array) -> Array:
    """Log density of the population, for own coordinates of shape (2, …, points)."""
    squares = sum(((x - m) / s) ** 2 for x, m, s in zip(own, means, spreads, strict=True))
    return np.asarray(-LOG_TWO_PI - np.log(spreads).sum(axis=0) - 0.5 * squares)


def step_size(precision: Array) -> Array:
    """Steps of differences, of the shape of the precisions."""
    return np.minimum(WIDEST, NARROW / np.sqrt(precision))


def not_negative(information: Array) -> Array:
    """The nearest matrices (2, 2, points) without a negative eigenvalue."""
    (a, b), (_, d) = information
    bad = (a < 0) | (d < 0) | (a * d < b * b)
    if not bad.any():
        return information
    # the larger eigenvalue alone is left, with its direction; nothing if that is negative too
    a, b, d = a[bad], b[bad], d[bad]
    radius = np.hypot((a - d) / 2, b)
    largest = np.maximum((a + d) / 2 + radius, 0)
    longer = np.abs(a - d) / 2 + radius  # the other component of the direction, of the same two roundings, is b
    first, second = np.where(a > d, longer, b), np.where(a > d, b, longer)
    length = np.maximum(np.hypot(first, second), TINY)
    first, second = first / length, second / length
    result = information.copy()
    result[:, :, bad] = largest * np.array([[first * first, first * second], [first * second, second * second]])
    return result


def times(root: Array, z: Array) -> Array:
    """Product of lower triangular matrices (2, 2, points) and vectors (2, …, points)."""
    return np.array([root[0, 0] * z[0], root[1, 0] * z[0] + root[1, 1] * z[1]])


def whitened(root: Array, y: Array) -> Array:
    """Inverse of :func:`times`."""
    first = y[0] / root[0, 0]
    return np.array([first, (y[1] - root[1, 0] * first) / root[1, 1]])


def _curvature(values: Array, size: Array) -> tuple[Array, Array]:
    """Gradient (2, points) and information (2, 2, points) without a negative direction, from values (7, points)."""
    with np.errstate(invalid="ignore", over="ignore"):  # minus infinity less itself, where nothing is known
        here, right, left, up, down, both, neither = np.where(np.isfinite(values), values, values[0])
        gradient = np.array([right - left, up - down]) / (2 * size)
        first, second = (right - 2 * here + left) / size[0] ** 2, (up - 2 * here + down) / size[1] ** 2
        cross = (both + neither - right - left - up - down + 2 * here) / (2 * size[0] * size[1])
    information = np.nan_to_num(np.array([[-first, -cross], [-cross, -second]]))
    return np.nan_to_num(gradient), not_negative(np.clip(information, -MOST, MOST))


def _inverse_root(information: Array, pull: Array) -> Array:
    """Lower triangular root (2, 2, points) of the inverse of an information and a precision of the population's."""
    a, d, b = information[0, 0] + pull[0], information[1, 1] + pull[1], information[0, 1]
    # without a negative direction of the information; the difference alone loses all digits where one direction is sure
    least = information[0, 0] * pull[1] + d * pull[0]
    first = np.sqrt(d / np.maximum(a * d - b * b, least))
    return np.array([[first, np.zeros_like(first)], [-b / d * first, 1 / np.sqrt(d)]])


def _transposed_times(root: Array, z: Array) -> Array:
    return np.array([root[0, 0] * z[0] + root[1, 0] * z[1], root[1, 1] * z[1]])
