"""Importance sampling of hierarchical models: normal terms given a few spreads.

Two dozen terms of offers and segments are too many for one t distribution around a mode, and their scale changes with
the spreads. But given the spreads they are close to normal, with a mean and a precision that follow from one expansion
of the likelihood; and integrating them out leaves a density of one to three spreads that a mixture fits well. Points
drawn so, spreads first, get the weights of the exact posterior. Where one expansion does not hold everywhere, points
are shared out among several.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy.special import logsumexp

from kundenwert.inference.diagnostics import HIGHEST_PARETO_K, SMALLEST_IMPORTANCE_ESS
from kundenwert.inference.importance import WeightedPoints, smoothed
from kundenwert.inference.methods import SMALLEST_ROUND
from kundenwert.inference.ridges import modes, moved
from kundenwert.progress import each

if TYPE_CHECKING:
    from kundenwert.inference.methods import ImportanceSampling
    from kundenwert.inference.target import Target
    from kundenwert.models.core import Array
    from kundenwert.models.core.hierarchy import Hierarchy

__all__ = ["hierarchical_points"]

POINTS: Final = 8192
GROWTH: Final = 2  # points of a round, relative to the one before
MOST_POINTS: Final = 2**16
TEMPER: Final = 0.1  # of the information, with which
LOOSE_SHARE: Final = 0.2  # of the points are drawn
LEAST_SHARE: Final = 0.2  # of the points, that is dealt out evenly among proposals
EASY: Final = ((0.5, 2 * SMALLEST_IMPORTANCE_ESS), (HIGHEST_PARETO_K, 8 * SMALLEST_IMPORTANCE_ESS))


def hierarchical_points(
    target: Target[Any], hierarchy: Hierarchy, method: ImportanceSampling, rng: np.random.Generator
) -> WeightedPoints:
    """Weighted points from the posterior; the best of up to 1 + `refits` rounds, each with twice as many points.

    Where one expansion does not hold everywhere, a first round of few points tells which ones matter.
    """
    around = modes(hierarchy, rng)
    off = moved(around[0], rng) if len(around) == 1 else []  # two modes are the ends of what lies between them
    tight, loose = [*around, *off], [replace(part, temper=TEMPER) for part in around]
    parts = [*tight, *loose]
    shares = np.repeat([(1 - LOOSE_SHARE) / len(tight), LOOSE_SHARE / len(loose)], [len(tight), len(loose)])
    full = method.points or max(POINTS, 1 << (method.draws - 1).bit_length())
    count = SMALLEST_ROUND if off and not method.points and method.refits > 0 else full
    best: WeightedPoints | None = None
    for round_ in each(iter(range(1 + method.refits)), "rounds"):
        sizes = np.diff(np.rint(np.cumsum(np.r_[0.0, shares]) * count)).astype(np.int64)
        drawn = [part.sample(count, size, rng) for part, size in zip(parts, sizes, strict=True)]
        spreads, z = (np.concatenate(values, axis=1) for values in zip(*drawn, strict=True))
        residuals, log_densities = zip(*(part.placed(spreads, z) for part in parts), strict=True)
        log_density = logsumexp(np.stack(log_densities) + np.log(sizes / count)[:, None], axis=0)
        points = _coordinates(hierarchy, spreads, z)
        weights, pareto_k = smoothed(target(points) - log_density)
        latest = WeightedPoints(points, weights, pareto_k, round_ + 1)
        if best is None or len(best.weights) < full or latest.score > best.score:  # few points are but a trial
            best = latest
        if any(best.pareto_k < k and best.ess > ess for k, ess in EASY):
            break  # no further round is worth it
        belongs = np.exp(np.stack(log_densities) + np.log(sizes / count)[:, None] - log_density) * weights
        parts = [part.fitted_to(spreads, e, w) for part, e, w in zip(parts, residuals, belongs, strict=True)]
        shares = LEAST_SHARE / len(parts) + (1 - LEAST_SHARE) * belongs.sum(axis=1)
        count = max(full, count if method.points else min(GROWTH * count, MOST_POINTS))
    assert best is not None  # noqa: S101 - the loop runs at least once
    return best


def _coordinates(hierarchy: Hierarchy, spreads: Array, z: Array) -> Array:
    """Coordinates of the model's quantities, shape (quantities, points)."""
    fixed = hierarchy.centre[:, None] + hierarchy.deviation[:, None] * z
    return np.concatenate([np.where(hierarchy.spread[:, None] >= 0, z, fixed), spreads])
