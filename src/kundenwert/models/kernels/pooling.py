"""Pooling: coordinates of cohorts whose parameters are normal across cohorts.

With several cohorts, a coordinate of theirs (logit mean churn, log concentration) is normal across them,

    x_c ~ Normal(mean, spread),

so that a small cohort borrows from the others. Neither x_c nor (x_c - mean)/spread is good to sample on: the former
ties cohorts to each other where data are few, the latter where they are many. Each cohort's own likelihood is near to
a normal density around a `centre` with a `precision`, its anchor. The coordinate z_c used here is standard normal given
mean and spread if that were exact,

    x_c = mean + w (centre - mean) + sqrt(1 - w) spread z_c,    w = spread^2 precision/(1 + spread^2 precision),

and `log_pooling` is the log density of z_c that follows from that of x_c, less that of a standard normal. Anchors
change the coordinates only, not the posterior; without data, w = 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from kundenwert.models.core import Array

    type Anchor = tuple[float, float]

__all__ = ["NOWHERE", "Place", "anchors_of"]

NOWHERE: Final = (0.0, 0.0)  # the anchor of a cohort without data
GRID: Final = 17  # points an axis, half a standard deviation apart
ZOOMS: Final = 12
SHIFTS: Final = 50
SHRINKAGE: Final = 6.0  # at most, from zoom to zoom: a peak between two points stays inside
LEAST_INFORMATION: Final = 0.5  # relative to the rough prior


@final
@dataclass(frozen=True, slots=True)
class Place:
    """Where a cohort lies: mean and spread of the population, centre and precision of its own likelihood."""

    mean: Any
    spread: Any
    centre: float
    precision: float

    @property
    def information(self) -> Any:
        """The cohort's own information relative to that of the population."""
        return self.spread**2 * self.precision

    def at(self, z: Any) -> Any:
        """x_c at a coordinate."""
        known = self.information
        return self.mean + known / (1 + known) * (self.centre - self.mean) + self.spread / (1 + known) ** 0.5 * z

    def coordinate(self, x: Any) -> Any:
        """Inverse of :meth:`at`."""
        known = self.information
        return (x - self.mean - known / (1 + known) * (self.centre - self.mean)) * (1 + known) ** 0.5 / self.spread

    def log_pooling(self, z: Any) -> Any:
        """Log density of z_c from that of x_c ~ Normal(mean, spread), less that of a standard normal."""
        known = self.information
        apart = (self.centre - self.at(z)) ** 2 - (self.centre - self.mean) ** 2 / (1 + known)
        return 0.5 * self.precision * apart - 0.5 * np.log(1 + known)


def anchors_of(
    log_likelihood: Callable[[Array], Array], typical: Array, width: float
) -> tuple[tuple[Anchor, Anchor], float]:
    """Centre and precision of a cohort's own likelihood in two coordinates, by a grid that zooms in; and its peak.

    Parameters
    ----------
    log_likelihood
        Takes points of shape (2, points).
    typical, width
        Location, shape (2,), and standard deviation of a rough prior, where the grid starts.
    """
    steps = np.stack(np.meshgrid(*[np.linspace(-4, 4, GRID)] * 2)).reshape(2, -1)
    start = typical[:, None]
    centre, root = start, width * np.eye(2)
    zooms, highest = 0, -np.inf
    for _ in range(ZOOMS + SHIFTS):
        points = centre + root @ steps
        log_density = log_likelihood(points) - 0.5 * (((points - start) / width) ** 2).sum(axis=0)
        peak = int(np.argmax(log_density))
        highest = max(highest, float(log_density[peak]))
        if np.abs(steps[:, peak]).max() == 4:  # the peak lies outside: move there before looking closer
            centre = points[:, [peak]]
            continue
        weight = np.exp(log_density - log_density[peak])
        weight /= weight.sum()
        centre = (points @ weight)[:, None]
        covariance = ((points - centre) * weight) @ (points - centre).T + root @ root.T / SHRINKAGE**2
        root = np.linalg.cholesky(covariance)
        zooms += 1
        if zooms == ZOOMS:
            variances = np.diag(root @ root.T)
            first, second = (_anchor(centre[i, 0], variances[i], typical[i], width) for i in range(2))
            return (first, second), highest
    return (NOWHERE, NOWHERE), highest


def _anchor(mean: float, variance: float, typical: float, width: float) -> Anchor:
    """What the likelihood alone says, given the mean and variance that it has together with the rough prior."""
    precision = 1 / variance - 1 / width**2
    if precision * width**2 < LEAST_INFORMATION:
        return NOWHERE
    return float((mean / variance - typical / width**2) / precision), float(precision)
