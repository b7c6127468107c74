"""Second-order expansion of one group's log-likelihood, and what it says about the population the group comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

import numpy as np

from kundenwert.inference.climbing import climbed, not_negative, step_size

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from kundenwert.models.core import Array
    from kundenwert.models.core.groups import Groups

__all__ = ["Expansion", "expanded", "population"]

CLOSE: Final = 0.05  # deviations from the mode


@final
@dataclass(frozen=True, slots=True)
class Expansion:
    """Log-likelihood of a group at `at` (its own two coordinates, then shared ones), gradient, negative Hessian."""

    at: Array
    value: float
    gradient: Array
    information: Array

    def given(self, outer: Array) -> tuple[Array, Array, Array, Array]:
        """Value, gradient and information of the own coordinates at the population's means, given outer points.

        Shapes (points,), (2, points) and (2, 2); and the means, shape (2, points).
        """
        means, _ = population(outer)
        shared = outer[4:] - self.at[2:, None]
        own = means - self.at[:2, None]
        cross, information = self.information[:2, 2:], self.information[:2, :2]
        gradient = self.gradient[:2, None] - cross @ shared - information @ own
        moved = np.concatenate([own, shared])
        value = self.value + self.gradient @ moved - 0.5 * np.einsum("ip,ij,jp->p", moved, self.information, moved)
        return value, gradient, information, means

    def log_evidence(self, outer: Array) -> Array:
        """Log-likelihood with the own coordinates integrated out, shape (points,)."""
        value, gradient, information, _ = self.given(outer)
        variance = population(outer)[1] ** 2
        step, ratio = _solved(information, variance, gradient)
        return np.asarray(value + 0.5 * (gradient * step).sum(axis=0) - 0.5 * np.log(ratio))

    def centre(self, outer: Array) -> Array:
        """Mean of the own coordinates given outer points, shape (2, points)."""
        _, gradient, information, means = self.given(outer)
        return means + _solved(information, population(outer)[1] ** 2, gradient)[0]


def expanded(groups: Groups, group: int, outer: Array, near: Expansion | None = None) -> Expansion:
    """Expansion at the mode of a group's own coordinates, given one outer point of shape (outer,)."""
    means, spreads = population(outer[:, None])
    starts = [means] if near is None else [near.centre(outer[:, None]), near.at[:2, None], means]
    shared = outer[4:]

    def log_likelihood(points: Array) -> Array:
        whole = np.concatenate([np.repeat(outer[:4, None], points.shape[1], axis=1), points[2:]])
        return groups.log_likelihood(group, whole, points[:2])

    def given(_: NDArray[np.intp], own: Array) -> Array:
        flat = own.reshape(2, -1)  # there is at most one point of the population
        return log_likelihood(np.concatenate([flat, np.repeat(shared[:, None], flat.shape[1], axis=1)])).reshape(
            own.shape[1:]
        )

    normal = climbed(given, means, spreads, starts, near=CLOSE)
    root = normal.root[:, :, 0]
    deviations = np.sqrt((root**2).sum(axis=1))
    size = step_size(1 / np.r_[deviations, np.full(len(shared), deviations.min())] ** 2)
    return _all(log_likelihood, np.concatenate([normal.centre[:, 0], shared]), size)


def population(outer: Array) -> tuple[Array, Array]:
    """Means and spreads of the own coordinates, each of shape (2, points), of outer coordinates."""
    return outer[:2], np.exp(outer[2:4])


def _solved(information: Array, variance: Array, gradient: Array) -> tuple[Array, Array]:
    """(information + 1/variance)^-1 gradient, shape (2, points), and the determinant of 1 + information variance."""
    (a, b), (_, d) = information
    first, second = variance
    # without a negative direction; the difference alone loses all digits where one direction is sure
    ratio = (1 + a * first) * (1 + d * second) - b * b * first * second
    ratio = np.maximum(ratio, 1 + a * first + d * second)
    step = np.array(
        [
            first * ((1 + d * second) * gradient[0] - b * second * gradient[1]),
            second * ((1 + a * first) * gradient[1] - b * first * gradient[0]),
        ]
    )
    return step / ratio, ratio


def _all(log_likelihood: Callable[[Array], Array], at: Array, size: Array) -> Expansion:
    """Expansion in all coordinates by differences; the block of the own ones has no negative direction."""
    d = len(at)
    unit = np.eye(d)
    moves = [np.zeros(d), *unit, *-unit]
    pairs = [(i, j) for i in range(d) for j in range(i)]
    moves += [sign * (unit[i] + unit[j]) for i, j in pairs for sign in (1, -1)]
    values = log_likelihood(at[:, None] + size[:, None] * np.array(moves).T)
    values = np.where(np.isfinite(values), values, values[0])
    if not np.isfinite(values[0]):  # nothing is known of it there
        return Expansion(at, 0.0, np.zeros(d), np.zeros((d, d)))
    here, plus, minus, corners = float(values[0]), values[1 : 1 + d], values[1 + d : 1 + 2 * d], values[1 + 2 * d :]
    information = np.diag(-(plus - 2 * here + minus) / size**2)
    for k, (i, j) in enumerate(pairs):
        both = corners[2 * k] + corners[2 * k + 1] - plus[i] - minus[i] - plus[j] - minus[j] + 2 * here
        information[i, j] = information[j, i] = -both / (2 * size[i] * size[j])
    information[:2, :2] = not_negative(information[:2, :2, None])[:, :, 0]
    return Expansion(at, here, (plus - minus) / (2 * size), information)
