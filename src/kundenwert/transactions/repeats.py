"""Rows that repeat another one: alike in id, time and amount."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kundenwert.transactions.reading import LogRows

    type Integers = NDArray[np.int64]
    type Mask = NDArray[np.bool_]

__all__ = ["ALIKE", "repeats_among"]

ALIKE: Final = "alike another row in id, time and amount"
MIX: Final = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F))  # odd, with bits all over


def repeats_among(rows: LogRows, positions: Integers) -> Integers:
    """Of the rows at these positions, those that repeat another one of them: all but one of each that are alike."""
    columns = [rows.customer[positions], rows.time[positions].view(np.int64)]
    if rows.amount is not None:
        columns.append((rows.amount[positions] + 0.0).view(np.int64))  # of the two zeros, one
    twins = np.flatnonzero(_may_have_a_twin(columns))
    columns = [column[twins] for column in columns]
    order = np.lexsort(columns)
    alike = np.ones(max(len(order) - 1, 0), dtype=np.bool_)
    for column in columns:
        alike &= column[order[1:]] == column[order[:-1]]
    return positions[twins[order[1:][alike]]]


def _may_have_a_twin(columns: list[Integers]) -> Mask:
    """Which rows share a hash with another: all that are alike, and hardly another one. Sorting one column is quick."""
    code = columns[0].astype(np.uint64)
    for column, factor in zip(columns[1:], MIX, strict=False):
        code = (code ^ (code >> np.uint64(29))) * factor + column.view(np.uint64)
    order = np.argsort(code)
    same = code[order[1:]] == code[order[:-1]]
    shared = np.zeros(len(code), dtype=np.bool_)
    shared[order[1:][same]] = True
    shared[order[:-1][same]] = True
    return shared
