"""Importance sampling of groups that are independent given their population: one proposal for each group.

With sixty groups a joint proposal of a hundred and twenty dimensions wastes nearly all its points. But given the outer
quantities (means, spreads, what groups share) the groups are independent, and each has two coordinates only. So outer
points are drawn first, in four or five dimensions. At each of them the likelihood of every group, its own coordinates
integrated out, is *estimated* by a few points, without a bias; and one of these is kept, in proportion to its weight.
The product of independent unbiased estimates is unbiased, so weights made with them are those of the exact joint
posterior (Tran, Scharth, Pitt & Kohn 2014, arXiv:1309.3339); what the estimates vary lowers their effective number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np

from kundenwert.inference.diagnostics import HIGHEST_PARETO_K, SMALLEST_IMPORTANCE_ESS
from kundenwert.inference.expansion import Expansion, expanded
from kundenwert.inference.importance import WeightedPoints, smoothed
from kundenwert.inference.inner import InnerPoints, inner_points
from kundenwert.inference.mode import find_mode
from kundenwert.inference.proposal import StudentMixture
from kundenwert.parallel import in_parallel

if TYPE_CHECKING:
    from kundenwert.inference.methods import ImportanceSampling
    from kundenwert.inference.target import Target
    from kundenwert.models.core import Array
    from kundenwert.models.core.groups import Groups

__all__ = ["GroupedPoints", "grouped_points"]

POINTS: Final = 4096
NO_MEAN: Final = 1.0  # Pareto k of a group's own weights, from which on their mean, its evidence, is in doubt
GROWTH: Final = 2  # points of a round, relative to the one before
MOST_POINTS: Final = 2**14
VAGUE: Final = 0.05  # of the outer points come from their priors: weights have a bound then
EXPANSIONS: Final = 5
NEAR: Final = 1e-2  # between two modes that are the same
GOOD: Final = ((0.5, 0.0), (HIGHEST_PARETO_K, 0.5))  # Pareto k below, and effective sample size a point above
EASY_ESS: Final = 2 * SMALLEST_IMPORTANCE_ESS  # beyond, no further round is worth it


@final
@dataclass(frozen=True, slots=True)
class GroupedPoints:
    """Weighted points of all coordinates, and how good those of single groups are.

    Attributes
    ----------
    points
        Outer coordinates and those of the groups; weights and Pareto k are those of the outer points, the noise of
        the groups' estimates included.
    worst, pareto_k
        The group whose own points have the heaviest weights, and their tail index.
    """

    points: WeightedPoints
    worst: str
    pareto_k: float

    def __str__(self) -> str:
        return (
            f"Cohorts are drawn one by one, given their population: Pareto k is {self.points.pareto_k:.2f} of the "
            f"population's points, and at most {self.pareto_k:.2f} of a cohort's own ({self.worst})."
        )

    @property
    def score(self) -> tuple[bool, float]:
        """Orders rounds: see WeightedPoints."""
        trusted, share = self.points.score
        return trusted and self.pareto_k < NO_MEAN, share

    @property
    def tail(self) -> float:
        """Pareto k to judge all by: that of the outer points, unless the evidence of a group is in doubt.

        How much the groups' estimates vary is part of the outer weights already.
        """
        return self.points.pareto_k if self.pareto_k < NO_MEAN else max(self.points.pareto_k, self.pareto_k)

    @property
    def good(self) -> bool:
        """Whether no better proposal is needed."""
        enough = self.points.ess > EASY_ESS and self.pareto_k < NO_MEAN
        return enough and any(self.points.pareto_k < k and self.score[1] > share for k, share in GOOD)


def grouped_points(
    target: Target[Any], groups: Groups, method: ImportanceSampling, rng: np.random.Generator
) -> GroupedPoints:
    """Weighted points from the posterior; the best of up to 1 + `refits` rounds."""
    count = method.points or max(POINTS, 1 << (method.draws - 1).bit_length())
    expansions, proposal = _start(target, groups)
    best: GroupedPoints | None = None
    for number in range(1, 2 + method.refits):
        outer, log_density = _outer(target, proposal, groups.outer, count, rng)
        inner = _inner(groups, expansions, outer, rng)
        log_weights = _log_prior(target, outer) + np.sum([each.log_evidence for each in inner], axis=0) - log_density
        weights, pareto_k = smoothed(log_weights)
        coordinates = groups.coordinates(outer, np.array([each.own for each in inner]))
        latest = _judged(groups, WeightedPoints(coordinates, weights, pareto_k, number), inner, log_weights)
        if best is None or latest.score > best.score:
            best = latest
        if best.good:
            break
        proposal = (proposal.split(outer, weights) if number == 2 else proposal).fitted_to(outer, weights)
        count = count if method.points else min(GROWTH * count, MOST_POINTS)
    assert best is not None  # noqa: S101 - the loop runs at least once
    return best


def _start(target: Target[Any], groups: Groups) -> tuple[list[Expansion], StudentMixture]:
    """Expansions of the groups' likelihoods at the mode of what they say about the outer quantities; and that mode."""
    at = target.typical[: groups.outer]
    expansions = [expanded(groups, group, at) for group in range(len(groups.labels))]
    mode = find_mode(_Evidence(target, groups.outer, expansions), exact=False)
    for _ in range(EXPANSIONS):
        expansions = [expanded(groups, group, mode.location, near) for group, near in enumerate(expansions)]
        at, mode = mode.location, find_mode(_Evidence(target, groups.outer, expansions), exact=False)
        if np.abs(mode.location - at).max() < NEAR:
            break
    return expansions, StudentMixture.around(mode.location, mode.precision)


@final
class _Evidence:
    """Log density of the outer coordinates with the groups integrated out, as their expansions have it."""

    def __init__(self, target: Target[Any], outer: int, expansions: list[Expansion]) -> None:
        self._target, self._expansions = target, expansions
        self.dimension = outer
        self.typical = target.typical[:outer]
        self.quantities = target.quantities[:outer]
        self.customers = target.customers

    def sampled(self, most_cells: int) -> _Evidence:  # noqa: ARG002 - an expansion costs the same for any number
        return self

    def near(self, coordinates: Array) -> np.ndarray[Any, np.dtype[np.bool_]]:
        return self._target.near(_filled(self._target, coordinates))

    def __call__(self, coordinates: Array) -> Array:
        with np.errstate(all="ignore"):  # far points may overflow; they get density zero
            total = np.sum([each.log_evidence(coordinates) for each in self._expansions], axis=0)
            total = total + _log_prior(self._target, coordinates)
        return np.where(self.near(coordinates) & np.isfinite(total), total, -np.inf)


def _outer(
    target: Target[Any], proposal: StudentMixture, outer: int, count: int, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Outer points, a few of them from the priors, shape (outer, count), and their log density."""
    points = proposal.sample(count, rng)
    vague = rng.random(count) < VAGUE
    for row, quantity in zip(points, target.quantities[:outer], strict=True):
        row[vague] = quantity.coordinate(quantity.prior.sample(rng, int(vague.sum())))
    return points, np.logaddexp(
        np.log(1 - VAGUE) + proposal.log_density(points), np.log(VAGUE) + _log_prior(target, points)
    )


def _inner(groups: Groups, expansions: list[Expansion], outer: Array, rng: np.random.Generator) -> list[InnerPoints]:
    """Points of every group."""

    def of(work: tuple[int, np.random.Generator]) -> InnerPoints:
        group, own_rng = work
        return inner_points(groups, group, expansions[group], outer, own_rng)

    return in_parallel(of, list(enumerate(rng.spawn(len(expansions)))))


def _judged(groups: Groups, points: WeightedPoints, inner: list[InnerPoints], log_weights: Array) -> GroupedPoints:
    """Tail indices of the groups' own weights, at outer points that count."""
    tails = [smoothed((log_weights[:, None] + each.log_weights).ravel())[1] for each in inner]
    tails = [k if np.isfinite(k) else np.inf for k in tails]  # weights so uneven that no tail could be fitted
    worst = int(np.argmax(tails))
    return GroupedPoints(points, groups.labels[worst], tails[worst])


def _log_prior(target: Target[Any], outer: Array) -> Array:
    quantities = target.quantities[: len(outer)]
    return np.asarray(np.sum([q.prior.log_density(c) for q, c in zip(quantities, outer, strict=True)], axis=0))


def _filled(target: Target[Any], outer: Array) -> Array:
    rest = np.broadcast_to(target.typical[len(outer) :, None], (target.dimension - len(outer), outer.shape[1]))
    return np.concatenate([outer, rest])
