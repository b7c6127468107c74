"""Distinct lists of gaps between purchases, for models that look at every single one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kundenwert.histories.parts import Gaps

__all__ = ["GapLists"]


@final
@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class GapLists:
    """Lists of gaps, each in increasing order: in which order a customer made them does not matter.

    Attributes
    ----------
    offsets
        List i is ``values[offsets[i]:offsets[i + 1]]``, shape (lists + 1,).
    values
        All gaps in the unit of the cells.
    """

    offsets: NDArray[np.int64]
    values: NDArray[np.float64]

    @classmethod
    def distinct(cls, gaps: Gaps, per_unit: float) -> tuple[NDArray[np.int64], Self]:
        """The list of every customer, shape (customers,), and the lists, shorter ones first.

        A unit of the cells has `per_unit` steps.
        """
        length = np.diff(gaps.offsets)
        customer = np.repeat(np.arange(len(length)), length)
        in_order = gaps.values[np.lexsort((gaps.values, customer))]
        code = np.zeros(len(length), dtype=np.int64)
        lists, known = [], 0
        for size in np.unique(length).tolist():
            who = np.flatnonzero(length == size)
            rows = in_order[gaps.offsets[who][:, None] + np.arange(size)]
            unique, place = np.unique(rows, axis=0, return_inverse=True) if size else (rows[:1], np.zeros(1, np.int64))
            code[who] = known + place.ravel()
            lists.append(unique)
            known += len(unique)
        sizes = np.repeat([each.shape[1] for each in lists], [len(each) for each in lists])
        values = np.concatenate([np.zeros(0), *(each.ravel() for each in lists)]) / per_unit
        return code, cls(offsets=np.r_[0, np.cumsum(sizes)].astype(np.int64), values=values)

    def of_length(self, codes: NDArray[np.int64], length: int) -> NDArray[np.float64]:
        """These lists, all of which have this length, one a row."""
        return np.asarray(self.values[self.offsets[codes][:, None] + np.arange(length)])
