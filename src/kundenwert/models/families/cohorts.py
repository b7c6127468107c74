"""Log-likelihood of whole cohorts at many parameters: what renewals were made and missed at every age."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self, final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from kundenwert.histories import Cells
    from kundenwert.models.core import Array

__all__ = ["CohortRenewals", "log_rising"]

LONGEST: Final = 400  # renewals: beyond, distinct tenures are likely to be few among them
AT_ONCE: Final = 2**16  # numbers of an array, so that it stays in the cache
SHIFT: Final = 8
SERIES: Final = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680)


@final
@dataclass(frozen=True, slots=True, eq=False)
class CohortRenewals:
    """How often each renewal was made and missed in one cohort, shape (renewals,)."""

    made: Array
    missed: Array

    @classmethod
    def of(cls, cells: Cells, cohort: int) -> Self | None:
        """Those of a cohort; None if a list by renewal would be long."""
        rows = cells["cohort"] == cohort
        tenure, ended, counts = cells["tenure"][rows], cells["ended"][rows], cells.counts[rows].astype(np.float64)
        longest = int(np.max(tenure + ended, initial=0))
        if longest > LONGEST:
            return None
        place = tenure.astype(np.int64)
        missed = np.bincount(place, weights=counts * ended, minlength=longest)[:longest]
        seen = np.bincount(place, weights=counts, minlength=longest + 1)
        made = seen[::-1].cumsum()[::-1][1:]
        return cls(made, missed)

    def log_likelihood(self, log_retention: Callable[[int, slice], Array], points: int) -> Array:
        """Sum over renewals of made log r + missed log(1 - r), shape (points,).

        `log_retention(renewals, at)` gives log r of the first renewals at some points, shape (renewals, points).
        """
        renewals = len(self.made)
        if renewals == 0:
            return np.zeros(points)
        result = np.empty(points)
        size = max(1, AT_ONCE // renewals)
        lost = self.missed > 0
        for i in range(0, points, size):
            at = slice(i, i + size)
            log_r = log_retention(renewals, at)
            result[at] = self.made @ log_r + self.missed[lost] @ np.log(-np.expm1(log_r[lost]))
        return result


def log_rising(gamma: Array, y: Array) -> Array:
    """Log of Gamma(y + gamma)/Gamma(y), to about 1e-11, for y above 0 of any size; y increases along its first axis.

    Small arguments are raised to 8 and more, Gamma(y) = Gamma(y + 1)/y, where Stirling's series applies.
    """
    small = int(np.count_nonzero(y.min(axis=1) < SHIFT))
    raised = np.concatenate([y[:small] + SHIFT, y[small:]])
    high = raised + gamma
    inverse, other = 1 / raised, 1 / high
    result = (high - 0.5) * np.log1p(gamma * inverse) + gamma * (np.log(raised) - 1)
    result += _series(other) - _series(inverse)
    if small:
        low = y[:small]
        product = (low + gamma) / low
        for shift in range(1, SHIFT):
            product *= (low + (shift + gamma)) / (low + shift)
        result[:small] -= np.log(product)
    return np.asarray(result)


def _series(inverse: Array) -> Array:
    """What log Gamma has beyond Stirling's leading terms."""
    square = inverse * inverse
    total = np.full(inverse.shape, SERIES[-1])
    for coefficient in SERIES[-2::-1]:
        total = total * square + coefficient
    return np.asarray(total * inverse)
