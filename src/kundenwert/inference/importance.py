"""Importance sampling: a heavy-tailed fit of the posterior, corrected by Pareto-smoothed weights.

The posterior of a handful of population parameters is close to normal on logarithms and logits. A t distribution
around its mode is the first proposal; it is refitted to the weighted points until the diagnostics are good. What
comes out is exact up to a Monte Carlo error that the diagnostics measure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np
from scipy.special import logsumexp

from kundenwert.inference.diagnostics import HIGHEST_PARETO_K
from kundenwert.inference.methods import SMALLEST_ROUND, ImportanceSampling
from kundenwert.inference.mode import find_mode
from kundenwert.inference.proposal import StudentMixture
from kundenwert.progress import each

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kundenwert.inference.target import Target
    from kundenwert.models.core import Array

__all__ = ["WeightedPoints", "importance_points", "resample", "smoothed"]

GOOD: Final = ((0.5, 0.6), (HIGHEST_PARETO_K, 0.7))  # Pareto k below, and effective sample size a point above
MOST_CELLS: Final = {8192: 5_000, 4096: 60_000}  # points a round, by distinct histories


@final
@dataclass(frozen=True, slots=True)
class WeightedPoints:
    """Points (dimension, count) with weights that sum to one, and how good they are."""

    points: Array
    weights: Array
    pareto_k: float
    rounds: int

    @property
    def ess(self) -> float:
        """Effective sample size of the weights."""
        return float(1 / np.sum(self.weights**2))

    @property
    def score(self) -> tuple[bool, float]:
        """Orders rounds: first those whose weights can be trusted, then by effective sample size a point."""
        return self.pareto_k < HIGHEST_PARETO_K, self.ess / len(self.weights)

    @property
    def good(self) -> bool:
        """Whether no better proposal is needed."""
        return any(self.pareto_k < k and self.score[1] > efficiency for k, efficiency in GOOD)


@final
class _Round:
    """Points from a proposal, to which more can be added.

    Attributes
    ----------
    proposal
        Where they come from.
    points
        Shape (dimension, count).
    log_target
        Log posterior density there.
    weighted
        Points and weights.
    """

    def __init__(self, number: int, proposal: StudentMixture, rng: np.random.Generator) -> None:
        self.number, self.proposal = number, proposal
        self._sample = proposal.sampler(rng)
        self.points = np.empty((proposal.locations.shape[1], 0))
        self.log_target = np.empty(0)
        self.weighted: WeightedPoints

    def extend(self, target: Target[Any], count: int) -> None:
        """Evaluate more points, until there are so many."""
        if count > len(self.log_target):
            more = self._sample(count - len(self.log_target))
            self.points = np.concatenate([self.points, more], axis=1)
            self.log_target = np.concatenate([self.log_target, target(more)])
            weights, pareto_k = smoothed(self.log_target - self.proposal.log_density(self.points))
            self.weighted = WeightedPoints(self.points, weights, pareto_k, self.number)


def importance_points(target: Target[Any], method: ImportanceSampling, rng: np.random.Generator) -> WeightedPoints:
    """Weighted points from the posterior; the best of up to 1 + `refits` rounds.

    Where points cost much, a round begins with few of them, and has all only if these are good, or there is no further
    refit; refits then look at the points of all rounds.
    """
    count = _points(method, target.cells)
    few = min(count, SMALLEST_ROUND) if target.model.numeric else count
    mode = find_mode(target, exact=False)
    proposal = StudentMixture.around(mode.location, mode.precision)
    rounds: list[_Round] = []
    for number in each(iter(range(1, 2 + method.refits)), "rounds"):
        latest = _Round(number, proposal, rng)
        rounds.append(latest)
        latest.extend(target, few)
        if latest.weighted.good or number > method.refits:
            latest.extend(target, count)
        if latest.weighted.good:
            break
        # otherwise the latest points and not the best ones: those gave the proposal that has just fallen short
        points, weights = _pooled(rounds) if few < count else (latest.weighted.points, latest.weighted.weights)
        # one t distribution did not fit well enough twice: let several share the work
        proposal = (proposal.split(points, weights) if number == 2 else proposal).fitted_to(points, weights)
    best = max(rounds, key=lambda each: each.weighted.score)
    best.extend(target, count)
    complete = (each.weighted for each in rounds if len(each.log_target) == count)
    return max(complete, key=lambda weighted: weighted.score)


def _pooled(rounds: list[_Round]) -> tuple[Array, Array]:
    """The points of all rounds, weighted as points from all their proposals together."""
    points = np.concatenate([each.points for each in rounds], axis=1)
    share = [math.log(len(each.log_target)) + each.proposal.log_density(points) for each in rounds]
    log_target = np.concatenate([each.log_target for each in rounds])
    return points, smoothed(log_target - logsumexp(share, axis=0))[0]


def smoothed(log_weights: Array) -> tuple[Array, float]:
    """Pareto-smoothed weights that sum to one, and the tail index k of the raw ones.

    ArviZ's routine smooths the *negated* log weights, as leave-one-out does with log-likelihoods.
    """
    from arviz_stats.base import array_stats

    finite = np.isfinite(log_weights)
    if not finite.any():
        return np.full(len(log_weights), 1 / len(log_weights)), float("inf")
    lowest = log_weights[finite].max() - 700
    usable = np.where(finite, np.maximum(log_weights, lowest), lowest)
    try:
        log_smooth, pareto_k = array_stats.psislw(-usable)
    except ValueError:  # the largest weights are all equal: there is no tail to fit
        log_smooth, pareto_k = usable, float("inf")
    weights = np.exp(log_smooth - log_smooth.max())
    return weights / weights.sum(), float(pareto_k)


def resample(weighted: WeightedPoints, draws: int, rng: np.random.Generator) -> Array:
    """Draws of equal weight, shape (dimension, draws), in random order.

    Systematic resampling along the longest axis keeps neighbours apart, which lowers the variance; the random order
    makes posteriors that were fitted with one seed independent.
    """
    points, weights = weighted.points, weighted.weights
    centred = points - (points @ weights)[:, None]
    spread = np.sqrt((centred**2) @ weights)
    spread = np.where(spread > 0, spread, 1.0)  # a single point may have all the weight
    axis = np.linalg.eigh(((centred * weights) @ centred.T) / np.outer(spread, spread))[1][:, -1]
    order = np.argsort(axis @ (centred / spread[:, None]), kind="stable")
    ticks = (np.arange(draws) + rng.random()) / draws
    chosen: NDArray[np.intp] = np.searchsorted(np.cumsum(weights[order]), ticks).clip(max=len(weights) - 1)
    return np.asarray(points[:, rng.permutation(order[chosen])])


def _points(method: ImportanceSampling, cells: int) -> int:
    if method.points is not None:
        return method.points
    default = next((points for points, most in MOST_CELLS.items() if cells <= most), SMALLEST_ROUND)
    return max(default, 1 << (method.draws - 1).bit_length())
