"""The shape of a hierarchical model that is linear but for its spreads, from which a proposal is built."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from kundenwert.models.core.functions import Array
    from kundenwert.priors import Prior

__all__ = ["Hierarchy"]

LARGEST: Final = 6.0  # logarithm of a spread


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Hierarchy:
    """Terms that are jointly normal given a few spreads, and the likelihood's expansion in them.

    Terms are ``centre + combination @ (deviation * z)`` with independent standard normals z, where the deviation of a
    pooled term is one of the spreads. The quantities of the model stand in this order: one for each term, z itself for
    pooled ones and ``centre + deviation * z`` for the others, on the line; then the spreads, which are positive.

    Parameters
    ----------
    centre, combination
        Shapes (terms,) and (terms, terms).
    deviation
        Of terms that are not pooled, shape (terms,); 1 for those that are.
    spread
        Which of the spreads is the deviation of a pooled term, shape (terms,); -1 for the others.
    expansion
        Gradient of the log-likelihood, shape (terms,), and Fisher information, shape (terms, terms), at terms.
    priors
        Of the spreads, which are positive.
    """

    centre: Array
    combination: Array
    deviation: Array
    spread: NDArray[np.int64]
    expansion: Callable[[Array], tuple[Array, Array]]
    priors: tuple[Prior, ...]

    @property
    def spreads(self) -> int:
        """Number of spreads."""
        return len(self.priors)

    def log_prior(self, log_spreads: Array) -> Array:
        """Log prior density of the logarithms of the spreads, shape (points,), at points (spreads, points)."""
        return np.sum([q.log_density(x) for q, x in zip(self.priors, log_spreads, strict=True)], axis=0)

    def deviations(self, log_spreads: Array) -> Array:
        """Deviations of all terms, shape (points, terms), given logarithms of the spreads, (spreads, points).

        Spreads beyond e^6 count as that: no matrix with larger ones has an inverse in floating-point numbers.
        """
        known = np.broadcast_to(self.deviation, (log_spreads.shape[1], len(self.deviation)))
        return np.where(self.spread >= 0, np.exp(np.minimum(log_spreads, LARGEST))[self.spread].T, known)
