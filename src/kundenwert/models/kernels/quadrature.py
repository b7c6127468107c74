"""Integrals of positive functions, many at once, each to a relative error, by Gauss-Legendre on halved intervals.

Integrands are given by their logarithm, so that neither huge nor tiny ones overflow or vanish.
"""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from kundenwert.models.core import Array

    type Rows = NDArray[np.intp]
    type Formula = Callable[[Rows, Array], Array]

__all__ = ["gauss_legendre", "log_integrals"]

NODES: Final = 16
MOST_INTERVALS: Final = 200  # for each row, on average: more come about only where rounding errors are integrated


@cache
def gauss_legendre(count: int) -> tuple[Array, Array]:
    """Nodes and weights on [0, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return (nodes + 1) / 2, weights / 2


POINTS, WEIGHTS = gauss_legendre(NODES)
LAST: Final = 4  # coefficients to judge by: two of them may happen to be small together
# columns: the integral, and the last coefficients of the Legendre series through the nodes
PROJECTION: Final = np.column_stack([
    WEIGHTS,
    WEIGHTS[:, None] * np.polynomial.legendre.legvander(2 * POINTS - 1, NODES - 1)[:, -LAST:] * (2 * NODES - 2),
])  # fmt: skip


def log_integrals(log_integrand: Formula, edges: Sequence[Array], error: float) -> Array:
    """Logarithm of the integral of each row, from its first edge to its last; -inf where nothing is in between.

    An interval is halved until the last coefficients of its Legendre series are so small that their square, which is
    about the relative error of Gauss-Legendre there, does not matter for the row.

    Parameters
    ----------
    log_integrand
        Takes rows, shape (intervals,), and points, shape (intervals, nodes); gives an array of the latter shape.
    edges
        Increasing limits, each of shape (rows,); an interval between two of them may be empty.
    error
        Relative error of each integral of a function that is smooth between its edges. Where a fractional power begins
        or ends at an edge, or a peak is a millionth of the interval, it may be five times as large.
    """
    rows = len(edges[0])
    low, high = np.concatenate(edges[:-1]), np.concatenate(edges[1:])
    row = np.tile(np.arange(rows), len(edges) - 1)
    something = high > low
    row, low, high = row[something], low[something], high[something]
    log_done = np.full(rows, -np.inf)
    while True:
        width = high - low
        values = log_integrand(row, low[:, None] + width[:, None] * POINTS)
        peak = values.max(axis=1, initial=-1e300)
        integral, *last = (np.exp(values - peak[:, None]) @ PROJECTION).T
        of_series = np.abs(last).sum(axis=0) / np.maximum(integral, 1e-300)
        with np.errstate(divide="ignore"):  # an integrand of zero
            log_integral = peak + np.log(width * integral)
            log_error = log_integral + 2 * np.log(of_series)
        log_total = _log_added(log_done, row, log_integral)
        settled = log_error <= log_total[row] + math.log(error)
        if settled.all() or len(row) > MOST_INTERVALS * rows:
            return log_total
        log_done = _log_added(log_done, row[settled], log_integral[settled])
        row, low, high = row[~settled], low[~settled], high[~settled]
        middle = (low + high) / 2
        row, low, high = np.tile(row, 2), np.r_[low, middle], np.r_[middle, high]


def _log_added(log_done: Array, row: Rows, log_terms: Array) -> Array:
    """log(exp(log_done) + sum of exp(log_terms) of each row)."""
    largest = np.maximum(log_done, -1e300)
    np.maximum.at(largest, row, log_terms)
    terms = np.bincount(row, np.exp(log_terms - largest[row]), len(largest))
    with np.errstate(divide="ignore"):
        return np.asarray(largest + np.log(np.exp(log_done - largest) + terms))
