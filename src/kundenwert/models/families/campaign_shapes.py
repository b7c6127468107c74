"""Shapes of covariates beyond a straight line: bends and products, of those that a campaign shows.

Returns without an offer are linear in each covariate, in log-odds. Where they are not, predictions are off in some
tenths of the customers, and no interval that holds chance and the uncertainty of parameters allows for it. So a bend of
a number at each of its quartiles, max(z - q, 0), and the product of any two covariates are looked at, and those are
taken in, one after the other, that the score test says are missing from logistic regression (Rao 1948): beyond
`MISSING`, four times what chance alone makes on average, and `MOST` at most. In a campaign that is linear there is one
of them now and then, with a prior that draws it to zero.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from scipy.special import expit

from kundenwert.histories.campaign_terms import column
from kundenwert.models.kernels.logistic import logistic_regression

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kundenwert.histories import Cells
    from kundenwert.models.core import Array

__all__ = ["Shape", "shapes_of"]

MISSING: Final = 4.0  # of the score statistic, whose mean is 1 where nothing is missing
MOST: Final = 8
FEWEST: Final = 100  # returns, and silences, to learn a shape from
LEVELS: Final = 6  # different values that a number has at least, to be bent
QUARTILES: Final = (0.25, 0.5, 0.75)
RIDGE: Final = 4.0  # precision of the prior of a covariate
NEW: Final = 0.05  # share of a shape that no other term explains, below which it tells nothing
NONE: Final = -1


class Shape(NamedTuple):
    """A bend of one standardised covariate at a knot, or the product of two; less its mean, by its deviation."""

    first: int
    second: int
    knot: float
    mean: float
    deviation: float

    def values(self, covariates: Sequence[Array]) -> Array:
        """The values of customers with these covariates."""
        return np.asarray((self._raw(covariates) - self.mean) / self.deviation)

    def _raw(self, covariates: Sequence[Array]) -> Array:
        z = covariates[self.first]
        return np.maximum(z - self.knot, 0.0) if self.second == NONE else z * covariates[self.second]

    def scaled(self, covariates: Sequence[Array], counts: Array) -> Shape | None:
        """The same with mean and deviation of these customers; None if it is the same for all of them."""
        raw = self._raw(covariates)
        mean = float(counts @ raw / counts.sum())
        deviation = float(np.sqrt(counts @ (raw - mean) ** 2 / counts.sum()))
        return self._replace(mean=mean, deviation=deviation) if deviation > 0 else None

    def name(self, described: Sequence[tuple[str, float, float]]) -> str:
        """What it is called, in the units of the covariates."""
        name, mean, deviation = described[self.first]
        if self.second == NONE:
            return f"{name} > {mean + self.knot * deviation:.6g}"
        return f"{name} × {described[self.second][0]}"


def shapes_of(cells: Cells) -> tuple[Shape, ...]:
    """The shapes that a campaign shows."""
    terms = cells.campaign
    assert terms is not None  # noqa: S101 - a CampaignLog says so
    counts, returned = cells.counts.astype(np.float64), cells["returned"]
    back = float(counts @ returned)
    if not terms.covariates or min(back, counts.sum() - back) < FEWEST:
        return ()
    covariates = [(cells[column("covariate", k)] - mean) / sd for k, (_, mean, sd) in enumerate(terms.covariates)]
    offered = [(cells["offer"] == 1 + j).astype(np.float64) for j in range(len(terms.offers))]
    linear = [cells["organic"], *offered, *covariates, *(sent * z for sent in offered for z in covariates)]
    linear += [(cells["segment"] == k).astype(np.float64) for k in range(1, len(terms.segments))]
    linear += [(cells["campaign"] == k).astype(np.float64) for k in range(1, len(terms.campaigns))]
    features = np.column_stack(linear)
    chosen: list[Shape] = []
    names: set[str] = set()
    for _ in range(MOST):
        found, best = _most_missing(features, covariates, returned, counts)
        if found is None or best < MISSING or (name := found.name(terms.covariates)) in names:
            break
        names.add(name)
        chosen.append(found)
        features = np.column_stack([features, found.values(covariates)])
    return tuple(chosen)


def _most_missing(
    features: Array, covariates: Sequence[Array], returned: Array, counts: Array
) -> tuple[Shape | None, float]:
    """The shape with the largest score statistic beside these features, and that."""
    p = expit(logistic_regression(features, returned, counts, ridge=RIDGE))
    weight, residual = counts * p * (1 - p), counts * (returned - p)
    design = np.column_stack([np.ones(len(features)), features])
    information = design.T @ (weight[:, None] * design) + RIDGE * np.eye(design.shape[1])
    best: Shape | None = None
    most = 0.0
    for candidate in _candidates(covariates, counts):
        values = candidate.values(covariates)
        alone = float(weight @ values**2)
        shared = design.T @ (weight * values)
        new = alone - float(shared @ np.linalg.solve(information, shared))
        if new > NEW * alone and (statistic := float(residual @ values) ** 2 / new) > most:
            best, most = candidate, statistic
    return best, most


def _candidates(covariates: Sequence[Array], counts: Array) -> Iterator[Shape]:
    for k, z in enumerate(covariates):
        if len(np.unique(z)) >= LEVELS:
            order = np.argsort(z, kind="stable")
            place = np.searchsorted(np.cumsum(counts[order]), np.array(QUARTILES) * counts.sum())
            for knot in np.unique(z[order][np.minimum(place, len(z) - 1)]).tolist():
                if (bend := Shape(k, NONE, knot, 0.0, 1.0).scaled(covariates, counts)) is not None:
                    yield bend
        for other in range(k + 1, len(covariates)):
            if (product := Shape(k, other, 0.0, 0.0, 1.0).scaled(covariates, counts)) is not None:
                yield product
