"""Totals of values over customers, draw by draw, in memory that grows with groups × draws only.

Parameters are the same for all customers, so that what is uncertain about them does not average out over customers:
in a draw in which people leave early, all customers are worth less. Values are therefore added up within each draw,
and only then summarised.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

import numpy as np
from scipy.sparse import csr_array

from kundenwert.economics.value.valuation import sum_of_parts
from kundenwert.errors import SizeError
from kundenwert.parallel import in_parallel
from kundenwert.posterior.summary import blocks_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from kundenwert.economics.value.valuation import Valuation
    from kundenwert.models.core import Array

    type Integers = NDArray[np.int64]

__all__ = ["Totals", "totals_of_groups", "totals_of_rows"]

RUNS: Final = 16  # of blocks; each is added up on its own, and then they are, so that sums never depend on processors
NUMBERS_IN_RUNS: Final = 2**24
LARGEST: Final = 2**28  # numbers


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Totals of groups of customers.

    Attributes
    ----------
    parts
        The parts of the value that are not zero throughout, by name, each of shape (groups, draws). NaN in the draws
        that are left out for a customer of the group.
    expected
        Expected value of a customer of each row, over the draws that are not left out for them, shape (rows,).
    """

    parts: dict[str, Array]
    expected: Array

    @property
    def value(self) -> Array:
        """Margin and referrals less costs, shape (groups, draws)."""
        return sum_of_parts(self.parts)


def totals_of_groups(values: Valuation, group: Integers, count: int) -> Totals:
    """Totals of `count` groups; `group` is that of each customer, shape (customers,).

    Raises
    ------
    SizeError
        If groups × draws do not fit in memory.
    """
    names = list(values.parts)
    if len(names) * count * values.draws > LARGEST:
        message = (
            f"{count:,} groups × {values.draws:,} draws are too many; take larger groups, or fewer draws of both "
            "posteriors: posterior.thinned(500)"
        )
        raise SizeError(message)
    pair, customers = np.unique(values.index * count + group, return_counts=True)
    row, column = np.divmod(pair, count)
    weights = csr_array((customers.astype(np.float64), (row, column)), shape=(len(values), count))
    expected = np.empty(len(values))

    def add(block: slice, sums: Array) -> None:
        parts = values.of_parts(block)
        value = sum_of_parts(parts)
        expected[block] = (np.nanmean if np.isnan(value).any() else np.mean)(value, axis=-1)
        here = weights[block].T
        for place, name in enumerate(names):
            sums[place] += here @ parts[name]

    sums = _added_up(blocks_of(len(values), values.draws), (len(names), count, values.draws), add)
    return Totals(parts=dict(zip(names, sums, strict=True)), expected=expected)


def totals_of_rows(values: Valuation, weights: csr_array[np.float64]) -> Array:
    """Total value with these numbers of customers of each row, (rows, sets): shape (sets, draws)."""

    def add(block: slice, sums: Array) -> None:
        sums += weights[block].T @ values.total(block)

    needed = [
        block
        for block in blocks_of(len(values), values.draws)
        if weights.indptr[block.stop] > weights.indptr[block.start]
    ]
    return _added_up(needed, (weights.shape[1], values.draws), add)


def _added_up(blocks: list[slice], shape: tuple[int, ...], add: Callable[[slice, Array], None]) -> Array:
    """The sum of what `add` adds for each block."""
    runs = int(np.clip(NUMBERS_IN_RUNS // max(int(np.prod(shape)), 1), 1, RUNS))

    def run(number: int) -> Array:
        sums = np.zeros(shape)
        for block in blocks[len(blocks) * number // runs : len(blocks) * (number + 1) // runs]:
            add(block, sums)
        return sums

    return np.asarray(np.sum(in_parallel(run, range(runs)), axis=0))
