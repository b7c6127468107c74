"""Points of one group's own coordinates, given many outer points: its evidence without a bias, and one draw each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

import numpy as np

from kundenwert.inference.climbing import LOG_TWO_PI, Normal, climbed, log_normal, times, whitened
from kundenwert.inference.expansion import population

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kundenwert.inference.expansion import Expansion
    from kundenwert.models.core import Array
    from kundenwert.models.core.groups import Groups

__all__ = ["InnerPoints", "inner_points"]

DEGREES_OF_FREEDOM: Final = 8.0
CLOSE: Final = 21  # points around the mode: a Fibonacci number, for the lattice
VAGUE: Final = 3  # and points from the population, which bound the weights
LOWEST: Final = -1e300
LOST: Final = 5.0  # nats by which the normal approximation may be short; beyond, the mode was not found
GOLDEN: Final = (5**0.5 - 1) / 2
NEAR: Final = 1.0  # standard deviations: where one further step is as good as the mode
AT_ONCE: Final = 1024  # outer points


@final
@dataclass(frozen=True, slots=True)
class InnerPoints:
    """Of one group at every outer point.

    Attributes
    ----------
    own
        One draw of its own coordinates, shape (2, points).
    log_evidence
        Log of an unbiased estimate of its likelihood with these integrated out, shape (points,).
    log_weights
        Of all its points, relative to what the normal approximation expects, shape (points, points of the group).
    """

    own: Array
    log_evidence: Array
    log_weights: Array


def inner_points(
    groups: Groups, group: int, expansion: Expansion, outer: Array, rng: np.random.Generator
) -> InnerPoints:
    """Points around the mode that one Newton step from the expansion finds, and a few from the population."""
    parts = [
        _block(groups, group, expansion, outer[:, i : i + AT_ONCE], rng) for i in range(0, outer.shape[1], AT_ONCE)
    ]
    own, log_evidence, log_weights = zip(*parts, strict=True)
    return InnerPoints(np.concatenate(own, axis=1), np.concatenate(log_evidence), np.concatenate(log_weights))


def _block(
    groups: Groups, group: int, expansion: Expansion, outer: Array, rng: np.random.Generator
) -> tuple[Array, Array, Array]:
    means, spreads = population(outer)
    centre, root, expected = _normal(groups, group, expansion, outer)
    close = centre[:, None] + times(root, _student(rng.random((2, 1, outer.shape[1]))))
    vague = means[:, None] + spreads[:, None] * rng.standard_normal((2, VAGUE, outer.shape[1]))
    own = np.concatenate([close, vague], axis=1)  # (2, points of the group, outer points)
    count = own.shape[1]
    repeated = np.repeat(outer[:, None], count, axis=1).reshape(len(outer), -1)
    log_likelihood = groups.log_likelihood(group, repeated, own.reshape(2, -1)).reshape(count, -1)
    log_prior = log_normal(own, means, spreads)
    residual = whitened(root, own - centre[:, None])
    log_close = -(DEGREES_OF_FREEDOM / 2 + 1) * np.log1p((residual**2).sum(axis=0) / DEGREES_OF_FREEDOM)
    log_close -= LOG_TWO_PI + np.log(root[0, 0] * root[1, 1])
    log_density = np.logaddexp(np.log(CLOSE) + log_close, np.log(VAGUE) + log_prior)  # of all points together
    log_weights = log_likelihood + log_prior - log_density
    highest = np.maximum(log_weights.max(axis=0), LOWEST)
    share = np.cumsum(np.exp(log_weights - highest), axis=0)
    with np.errstate(divide="ignore"):  # nothing at all has a likelihood, far out
        log_evidence = highest + np.log(share[-1])
    chosen = np.minimum((share < rng.random(outer.shape[1]) * share[-1]).sum(axis=0), count - 1)
    drawn = np.take_along_axis(own, chosen[None, None], axis=1)[:, 0]
    reference = np.where(log_evidence < expected + LOST, expected, np.maximum(log_evidence, LOWEST))
    return drawn, log_evidence, (log_weights - reference).T


def _normal(groups: Groups, group: int, expansion: Expansion, outer: Array) -> Normal:
    """Normal approximations around the modes, looked for from where the expansion has them."""

    def log_likelihood(which: NDArray[np.intp], own: Array) -> Array:
        repeated = np.repeat(outer[:, which][:, None], own.shape[1], axis=1).reshape(len(outer), -1)
        return groups.log_likelihood(group, repeated, own.reshape(2, -1)).reshape(own.shape[1:])

    means, spreads = population(outer)
    known = np.repeat(expansion.at[:2, None], outer.shape[1], axis=1)
    return climbed(log_likelihood, means, spreads, [expansion.centre(outer), known, means], near=NEAR)


def _student(shift: Array) -> Array:
    """A t distribution of two dimensions on a shifted lattice: radius by its inverse, angle by the golden ratio."""
    number = np.arange(CLOSE)[:, None]
    radius = (number / CLOSE + shift[0] / CLOSE) % 1
    angle = 2 * np.pi * ((number * GOLDEN + shift[1]) % 1)
    length = np.sqrt(DEGREES_OF_FREEDOM * np.expm1(-2 / DEGREES_OF_FREEDOM * np.log1p(-radius)))
    return np.array([length * np.cos(angle), length * np.sin(angle)])
