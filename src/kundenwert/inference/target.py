"""The log posterior density on the model's own coordinates, evaluated for many points at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

import numpy as np

from kundenwert.models.core import NUMPY, history_of
from kundenwert.parallel import in_parallel, threads

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kundenwert.histories import Cells
    from kundenwert.models.core import Array, Model

__all__ = ["Target"]

CELLS_IN_BLOCK: Final = 1024
POINTS_IN_BLOCK: Final = 64
WORTH_THREADS: Final = 400_000  # likelihoods of a cell at a point; fewer are done before threads have started
FARTHEST: Final = 25.0  # from typical values, on logarithms and logits; beyond, likelihoods lose all their digits


@final
class Target[P: tuple["Array", ...]]:
    """Log posterior density of a model given cells, up to a constant."""

    def __init__(self, model: Model[P], cells: Cells, *, most_cells: int | None = None) -> None:
        """Prepare the cells; with `most_cells`, only evenly spaced ones stand for all."""
        self.model = model
        self.unit = cells.unit
        self.quantities = model.quantities
        self.dimension = len(self.quantities)
        self.typical = np.array([q.coordinate(np.asarray(q.guess)) for q in self.quantities])
        self._reach = np.array([np.inf if q.support == "real" else FARTHEST for q in self.quantities])
        used = np.flatnonzero(model.informative(cells))
        if most_cells is not None:
            used = used[:: max(1, -(-len(used) // most_cells))]  # cells are sorted, so this is a stratified sample
        chosen = cells.at(used)
        counts = chosen.counts
        self.customers = int(counts.sum())
        self.cells = len(counts)
        self._source = cells
        self._blocks = [
            (history_of(chosen, rows), counts[rows].astype(np.float64))
            for rows in (slice(i, i + CELLS_IN_BLOCK) for i in range(0, self.cells, CELLS_IN_BLOCK))
        ]

    def sampled(self, most_cells: int) -> Target[P]:
        """The target of a sample of the cells, to search on; itself if it has no more cells than that."""
        return self if self.cells <= most_cells else Target(self.model, self._source, most_cells=most_cells)

    def near(self, coordinates: Array) -> NDArray[np.bool_]:
        """Whether coordinates (dimension, points) are within the reach of the likelihood's digits, shape (points,)."""
        return np.asarray((np.abs(coordinates - self.typical[:, None]) <= self._reach[:, None]).all(axis=0))

    def parameters(self, coordinates: Array) -> P:
        """Published parameters at coordinates of shape (dimension, points)."""
        values = [q.value(c) for q, c in zip(self.quantities, coordinates, strict=True)]
        return self.model.parameters_of(values, self.unit)

    def log_prior(self, coordinates: Array) -> Array:
        """Log prior density at coordinates of shape (dimension, points)."""
        densities = [q.prior.log_density(c) for q, c in zip(self.quantities, coordinates, strict=True)]
        with np.errstate(all="ignore"):  # far points may overflow; they get density zero
            pooling = self.model.log_pooling([q.value(c) for q, c in zip(self.quantities, coordinates, strict=True)])
        return np.asarray(np.sum(densities, axis=0) + np.where(np.isfinite(pooling), pooling, -np.inf))

    def log_likelihood(self, coordinates: Array) -> Array:
        """Log-likelihood of all customers at coordinates of shape (dimension, points); -inf if not finite or far."""
        if self.cells * coordinates.shape[1] < WORTH_THREADS:
            return np.concatenate([self._chunk(chunk) for chunk in _split(coordinates, POINTS_IN_BLOCK)])
        size = min(POINTS_IN_BLOCK, -(-coordinates.shape[1] // threads()))
        return np.concatenate(in_parallel(self._chunk, _split(coordinates, size)))

    def __call__(self, coordinates: Array) -> Array:
        """Log posterior density, shape (points,)."""
        return self.log_likelihood(coordinates) + self.log_prior(coordinates)

    def _chunk(self, coordinates: Array) -> Array:
        total = np.zeros(coordinates.shape[1])
        with np.errstate(all="ignore"):  # far points may overflow; they get density zero below
            theta = self.parameters(coordinates)
            for history, counts in self._blocks:
                total += counts @ self.model.log_likelihood(theta, history, NUMPY)
        return np.where(self.near(coordinates) & np.isfinite(total), total, -np.inf)


def _split(coordinates: Array, size: int) -> list[Array]:
    return [coordinates[:, i : i + size] for i in range(0, coordinates.shape[1], size)]
