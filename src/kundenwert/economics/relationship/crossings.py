"""When functions of time that fall from above reach given levels: for many kinds of customers and all draws at once.

A model answers for given times and all draws of its parameters. So the times asked about are the same for all draws
and levels: in steps of two, then on a grid that holds all crossings, then on Chebyshev nodes around them,
between which a polynomial interpolates. Counted times are tried one by one instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from kundenwert.models.core import Array

    type Function = Callable[[Array], Array]
    """Times of shape (kinds, times) to values of shape (kinds, times, draws)."""

__all__ = ["first_count", "first_time"]

GRID: Final = 12
PANEL: Final = 3  # steps of the grid that one polynomial serves
NODES: Final = 16
ITERATIONS: Final = 60
PRECISE: Final = 1e-13
AT_ONCE: Final = 64


def first_time(function: Function, levels: Array, guess: Array, longest: float) -> Array:
    """When a smooth function, above all levels at 0, falls to each; inf if not until `longest`.

    Parameters
    ----------
    function
        Smooth in the logarithm of time.
    levels
        Shape (levels, draws), or (levels, 1) if they are the same for all draws.
    guess
        A typical time of each kind, shape (kinds,).
    longest
        Where to stop looking.

    Returns
    -------
    ndarray
        Shape (levels, kinds, draws).
    """
    low, high = _brackets(function, levels, guess, longest)
    crosses = np.isfinite(high)

    # in v, functions that are smooth in the logarithm of time are smooth down to 0
    def into_v(time: Array) -> Array:
        return np.log1p(time / guess[:, None])

    def at(v: Array) -> Array:
        return function(np.expm1(v) * guess[:, None])

    start = np.where(crosses, into_v(low), np.inf).min(axis=(0, 2))
    stop = np.where(crosses, into_v(high), 0.0).max(axis=(0, 2))
    start, stop = np.where(stop > 0, start, 0.0)[:, None], np.where(stop > 0, stop, 1.0)[:, None]
    grid = start + (stop - start) * np.arange(GRID) / (GRID - 1)
    values = at(grid)
    shares = (1 - np.cos(np.pi * np.arange(NODES) / (NODES - 1))) / 2
    kind = np.arange(len(guess))[:, None]
    found = np.full(high.shape, np.inf)
    for level, cross, result in zip(levels, crosses, found, strict=True):
        before = np.where(cross, np.maximum(np.argmax(values <= level, axis=1), 1) - 1, GRID)
        first = before.min(axis=1, keepdims=True)  # GRID if none crosses
        panel = np.where(cross, (before - first) // PANEL, -1)
        for number in range(int(panel.max(initial=-1)) + 1):
            begin = np.minimum(first + number * PANEL, GRID - 2)
            left, right = grid[kind, begin], grid[kind, np.minimum(begin + PANEL, GRID - 1)]
            nodes = left + (right - left) * shares
            here = panel == number
            root = np.expm1(_root(nodes, at(nodes) - level)) * guess[:, None]
            result[here] = root[here]
    return found


def first_count(function: Function, levels: Array, kinds: int, longest: int) -> Array:
    """The first whole number at which a function, above all levels at 0, is not above each; as :func:`first_time`."""
    low, high = _brackets(function, levels, np.ones(kinds), longest)
    crosses = np.isfinite(high)
    first = int(np.where(crosses, low, longest).min()) + 1
    last = int(np.where(crosses, high, 0.0).max())
    found = high
    for begin in range(first, last, AT_ONCE):
        counts = np.arange(begin, min(begin + AT_ONCE, last), dtype=np.float64)
        values = function(np.broadcast_to(counts, (kinds, len(counts))))
        earliest = [np.where(values <= level, counts[:, None], np.inf).min(axis=1) for level in levels]
        found = np.minimum(found, np.stack(earliest))
    return found


def _brackets(function: Function, levels: Array, guess: Array, longest: float) -> tuple[Array, Array]:
    """The last of the times tried before the crossing, and the first one after it, inf if there is none."""
    time = np.minimum(guess, longest)
    low, high = np.zeros(1), np.full(1, np.inf)
    while True:
        above = function(time[:, None])[:, 0] > levels[:, None]
        waits, now = np.isinf(high), time[:, None]
        low, high = np.where(waits & above, now, low), np.where(waits & ~above, now, high)
        if np.isfinite(high).all() or (time >= longest).all():
            return low, high
        time = np.minimum(2 * time, longest)


def _root(nodes: Array, values: Array) -> Array:
    """Where the polynomials through `values` at Chebyshev `nodes` fall to zero, shape (kinds, draws).

    Regula falsi in the Illinois variant between the nodes that enclose the root.
    """
    weights = np.where(np.isin(np.arange(NODES), (0, NODES - 1)), 0.5, 1.0) * (-1.0) ** np.arange(NODES)
    after = np.maximum(np.argmax(values <= 0, axis=1), 1)  # a crossing at the first node is one right after it
    kind, draw = np.indices(after.shape)
    low, high = nodes[kind, after - 1], nodes[kind, after]
    f_low, f_high = values[kind, after - 1, draw], values[kind, after, draw]
    points = np.moveaxis(values, 1, -1)

    def at(place: Array) -> Array:
        distance = place[..., None] - nodes[:, None]
        hit = distance == 0
        terms = weights / np.where(hit, 1.0, distance)
        smooth = (terms * points).sum(axis=-1) / terms.sum(axis=-1)
        return np.asarray(np.where(hit.any(axis=-1), (hit * points).sum(axis=-1), smooth))

    place = low
    for _ in range(ITERATIONS):
        with np.errstate(divide="ignore", invalid="ignore"):
            secant = low + (high - low) * (f_low / (f_low - f_high))
        before, place = place, np.where((low <= secant) & (secant <= high), secant, (low + high) / 2)
        value = at(place)
        if (np.abs(place - before) <= PRECISE * place).all():
            break
        still = value > 0
        f_low, f_high = np.where(still, value, f_low / 2), np.where(still, f_high / 2, value)
        low, high = np.where(still, place, low), np.where(still, high, place)
    return np.asarray(place)
