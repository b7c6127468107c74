"""The log posterior density on the model's own coordinates, evaluated for many points at once."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, final

import numpy as np

from kundenwert.models._functions import NUMPY, history_of

if TYPE_CHECKING:
    from kundenwert.histories import Cells
    from kundenwert.models._base import Model
    from kundenwert.models._functions import Array

__all__ = ["Target", "threads"]

CELLS_IN_BLOCK: Final = 1024
POINTS_IN_BLOCK: Final = 64


def threads() -> int:
    """How many threads to use: the processors this process may run on."""
    return max(1, os.process_cpu_count() if hasattr(os, "process_cpu_count") else len(os.sched_getaffinity(0)))


@final
class Target[P: tuple["Array", ...]]:
    """Log posterior density of a model given cells, up to a constant."""

    def __init__(self, model: Model[P], cells: Cells) -> None:
        self.model = model
        self.unit = cells.unit
        self.quantities = model.quantities
        self.dimension = len(self.quantities)
        used = model.informative(cells)
        columns = {name: column[used] for name, column in cells.columns.items()}
        counts = cells.counts[used]
        self.customers = int(counts.sum())
        self.cells = len(counts)
        self._blocks = [
            (history_of(columns, rows), counts[rows].astype(np.float64))
            for rows in (slice(i, i + CELLS_IN_BLOCK) for i in range(0, self.cells, CELLS_IN_BLOCK))
        ]

    def parameters(self, coordinates: Array) -> P:
        """Published parameters at coordinates of shape (dimension, points)."""
        values = [q.value(c) for q, c in zip(self.quantities, coordinates, strict=True)]
        return self.model.parameters_of(values, self.unit)

    def log_prior(self, coordinates: Array) -> Array:
        """Log prior density at coordinates of shape (dimension, points)."""
        densities = [q.prior.log_density(c) for q, c in zip(self.quantities, coordinates, strict=True)]
        return np.asarray(np.sum(densities, axis=0))

    def log_likelihood(self, coordinates: Array) -> Array:
        """Log-likelihood of all customers at coordinates of shape (dimension, points); -inf where not finite."""
        chunks = [coordinates[:, i : i + POINTS_IN_BLOCK] for i in range(0, coordinates.shape[1], POINTS_IN_BLOCK)]
        if len(chunks) == 1 or self.cells < CELLS_IN_BLOCK // 8:
            return np.concatenate([self._chunk(chunk) for chunk in chunks])
        with ThreadPoolExecutor(threads()) as pool:
            return np.concatenate(list(pool.map(self._chunk, chunks)))

    def __call__(self, coordinates: Array) -> Array:
        """Log posterior density, shape (points,)."""
        return self.log_likelihood(coordinates) + self.log_prior(coordinates)

    def _chunk(self, coordinates: Array) -> Array:
        total = np.zeros(coordinates.shape[1])
        with np.errstate(all="ignore"):  # far points may overflow; they get density zero below
            theta = self.parameters(coordinates)
            for history, counts in self._blocks:
                total += counts @ self.model.log_likelihood(theta, history, NUMPY)
        return np.where(np.isfinite(total), total, -np.inf)
