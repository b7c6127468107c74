"""Interpolation as a matrix: on an equally spaced grid, and of polynomials of a probability."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self, final

import numpy as np
from scipy.special import expit, logit

if TYPE_CHECKING:
    from kundenwert.models.core import Array

__all__ = ["Grid", "PolynomialGrid"]

POINTS: Final = 8  # of the grid that an interpolated value depends on


@final
@dataclass(frozen=True, slots=True)
class Grid:
    """Equally spaced nodes from `first` on, at least eight."""

    first: float
    step: float
    count: int

    @classmethod
    def between(cls, low: float, high: float, step: float) -> Self:
        """Nodes that cover an interval, in steps of at most this size."""
        count = max(POINTS, 1 + int(np.ceil((high - low) / step)))
        return cls(low, (high - low) / (count - 1), count)

    def halved(self) -> Grid:
        """The same interval in half the steps."""
        return Grid(self.first, self.step / 2, 2 * self.count - 1)

    @property
    def nodes(self) -> Array:
        """All nodes, in increasing order."""
        return np.asarray(self.first + self.step * np.arange(self.count), dtype=np.float64)

    def weights(self, at: Array) -> Array:
        """Weight of each node in the value at each place, shape (places, nodes); beyond the ends, the value there.

        Polynomials of seventh degree through the eight nearest nodes.
        """
        place = np.clip((at - self.first) / self.step, 0.0, self.count - 1.0)
        start = np.clip(np.floor(place).astype(np.intp) - POINTS // 2 + 1, 0, self.count - POINTS)
        distance = (place - start)[:, None] - np.arange(POINTS)
        result = np.zeros((len(at), self.count))
        rows = np.arange(len(at))
        for i in range(POINTS):
            others = [j for j in range(POINTS) if j != i]
            result[rows, start + i] = np.prod(distance[:, others] / (i - np.array(others)), axis=1)
        return result


@final
@dataclass(frozen=True, slots=True)
class PolynomialGrid:
    """Logits of the probabilities (Chebyshev's) at which a polynomial of this degree in a probability is given."""

    degree: int

    @property
    def count(self) -> int:
        """How many nodes."""
        return self.degree + 1

    @property
    def nodes(self) -> Array:
        """All nodes, in increasing order."""
        return np.asarray(logit((1 - np.cos(self._angles)) / 2), dtype=np.float64)

    def weights(self, at: Array) -> Array:
        """Weight of each node in the value at each logit, shape (places, nodes): the barycentric formula."""
        away = expit(at)[:, None] - expit(self.nodes)
        away = np.where(away == 0, np.finfo(np.float64).tiny, away)
        signs = np.where(np.arange(self.count) % 2, -1.0, 1.0)
        parts = np.asarray(signs * np.sin(self._angles) / away, dtype=np.float64)
        total = np.sum(parts, axis=1, keepdims=True)
        return parts / total

    @property
    def _angles(self) -> Array:
        return np.asarray((np.arange(self.count) + 0.5) * (np.pi / self.count), dtype=np.float64)
