"""What is expected of living customers, as a function of (x, T), for all draws.

Given that a customer is alive, the future depends on the frequency x and on T only. Tens of thousands of distinct
pairs are interpolated from a few hundred: exactly in small x, by Chebyshev polynomials in log(x + 1) and
log(T + offset) otherwise, of the logarithm of the function. The function is analytic there, so that the error falls
geometrically with the number of nodes; it is measured on pairs between the nodes before the surface is used.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

import numpy as np

from kundenwert.parallel import in_parallel

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from kundenwert.models.core import Array

    type Positions = NDArray[np.intp]
    type Evaluate = Callable[[Array, Array, Positions], Array]

__all__ = ["Positive", "Surface", "over_pairs", "surface_of"]

EXACT_UP_TO: Final = 8  # frequencies below this are nodes themselves: that is where the function bends
LARGEST_ERROR: Final = 1e-7
PROBES: Final = 24
WORST_DRAWS: Final = 16
PAIRS_AT_ONCE: Final = 1024
REFINEMENTS: Final = 3
LARGEST_TABLE: Final = 2**23


@final
@dataclass(frozen=True, slots=True)
class _Axis:
    """Nodes of one variable and their barycentric weights; `nodes` are in the variable's logarithm."""

    offset: float
    values: Array
    nodes: Array
    weights: Array

    @staticmethod
    def chebyshev(low: float, high: float, offset: float, count: int) -> _Axis:
        """Chebyshev nodes of the second kind in log(value + offset)."""
        k = np.arange(count)
        left, right = math.log(low + offset), math.log(high + offset)
        nodes = left + (right - left) * 0.5 * (1 - np.cos(math.pi * k / (count - 1)))
        weights = np.where((k == 0) | (k == count - 1), 0.5, 1.0) * (-1.0) ** k
        return _Axis(offset, np.exp(nodes) - offset, nodes, weights)

    def basis(self, value: Array) -> Array:
        """Weight of each node in the interpolant at each value, shape (values, nodes)."""
        distance = np.log(value + self.offset)[:, None] - self.nodes
        hit = np.abs(distance) < 1e-14
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = self.weights / distance
            basis = terms / terms.sum(axis=1, keepdims=True)
        return np.where(hit.any(axis=1, keepdims=True), hit.astype(np.float64), basis)


@final
@dataclass(frozen=True, slots=True)
class _Grid:
    """Nodes in x (exact small frequencies, then those of the axis) and in T; no axis: every value is a node."""

    x: Array
    T: Array
    x_axis: _Axis | None
    T_axis: _Axis | None


@final
@dataclass(frozen=True, slots=True)
class Surface:
    """A positive function of (x, T), for each draw; shape of a result (pairs, draws).

    Parameters
    ----------
    grid
        Where the function was evaluated.
    logarithm
        Of the function, shape (nodes of x, nodes of T, draws).
    """

    grid: _Grid
    logarithm: Array

    def __call__(self, x: Array, T: Array) -> Array:
        """The function at pairs of x and T, each of shape (pairs,) and sorted by x."""
        result = np.empty((len(x), self.logarithm.shape[-1]))
        T_values, T_index = np.unique(T, return_inverse=True)
        T_basis = self.grid.T_axis.basis(T_values) if self.grid.T_axis is not None else None
        starts = np.flatnonzero(np.r_[True, x[1:] != x[:-1]])
        for start, stop in zip(starts, np.r_[starts[1:], len(x)], strict=True):
            needed, place = np.unique(T_index[start:stop], return_inverse=True)
            of_x = self._at(float(x[start]))
            rows = of_x[np.searchsorted(self.grid.T, T_values[needed])] if T_basis is None else T_basis[needed] @ of_x
            result[start:stop] = np.exp(rows)[place]
        return result

    def _at(self, x: float) -> Array:
        """Logarithms at one x, shape (nodes of T, draws)."""
        exact = int(np.searchsorted(self.grid.x, x))
        if (
            exact < len(self.grid.x)
            and self.grid.x[exact] == x
            and (self.grid.x_axis is None or x < self.grid.x_axis.values[0])
        ):
            return np.asarray(self.logarithm[exact])
        assert self.grid.x_axis is not None  # noqa: S101 - without an axis every x is a node
        first = len(self.grid.x) - len(self.grid.x_axis.nodes)
        return np.asarray(np.tensordot(self.grid.x_axis.basis(np.array([x]))[0], self.logarithm[first:], axes=1))


@final
@dataclass(frozen=True, slots=True)
class Positive:
    """A positive function of (x, T), for each draw.

    Parameters
    ----------
    evaluate
        The function: arrays of x and T of shape (pairs,) and positions of draws; gives (pairs, draws).
    draws
        Number of draws.
    probed
        Positions of draws on which interpolation is tried, extreme ones among them.
    offset
        Time below which T hardly matters; the function is smooth in log(T + offset).
    smooth
        Whether interpolation is worth trying.
    """

    evaluate: Evaluate
    draws: int
    probed: Positions
    offset: float
    smooth: bool = True

    def at(self, x: Array, T: Array, draws: Positions | None = None) -> Array:
        """Values at pairs, shape (pairs, draws)."""
        return _in_chunks(self.evaluate, x, T, np.arange(self.draws) if draws is None else draws)


def surface_of(function: Positive, x: Array, T: Array) -> Surface | None:
    """A surface through distinct pairs (x, T), or None if interpolation is not worth it or not accurate enough."""
    x_values, T_values = np.unique(x), np.unique(T)
    large = x_values[x_values >= EXACT_UP_TO]
    probes = _probes(x, T, function.offset)
    probed = function.probed
    truth: Array | None = None
    refinement = 1.0
    for _ in range(REFINEMENTS):
        T_axis = _axis(T_values, function.offset, math.pi, refinement)
        x_axis = _axis(large, 1.0, math.log(1 + EXACT_UP_TO), refinement) if len(large) else None
        x_nodes = x_values if x_axis is None else np.r_[x_values[x_values < EXACT_UP_TO], x_axis.values]
        T_nodes = T_values if T_axis is None else T_axis.values
        if len(x_nodes) * len(T_nodes) >= len(x):
            return None
        if truth is None:
            truth = function.at(x[probes], T[probes])
        grid = _Grid(x_nodes, T_nodes, x_axis, T_axis)
        for draws in (probed, np.arange(function.draws)):  # first on a few draws, then on all
            surface = _tabulated(function, grid, draws)
            if surface is None:
                return None
            error = np.abs(surface(x[probes], T[probes]) / truth[:, draws] - 1).max(axis=0)
            if not error.max() < LARGEST_ERROR:
                probed = np.union1d(probed, draws[np.argsort(error)[-WORST_DRAWS:]])
                break
            if len(draws) == function.draws:
                return surface
        refinement *= 1.5
    return None


def _probes(x: Array, T: Array, offset: float) -> Positions:
    """Positions of pairs spread evenly over log(x + 1) and log(T + offset), in order."""
    places = np.stack([np.log1p(x), np.log(T + offset)], axis=1)
    low, high = places.min(axis=0), places.max(axis=0)
    places = (places - low) / np.where(high > low, high - low, 1)
    wanted = np.random.default_rng(0).random((PROBES, 2))
    nearest = [int(np.argmin(np.sum((places - place) ** 2, axis=1))) for place in wanted]
    return np.unique(nearest)


def _axis(values: Array, offset: float, to_singularity: float, refinement: float) -> _Axis | None:
    """Nodes for about 1e-9, given how far the nearest singularity is from the interval; None: every value a node."""
    half = 0.5 * math.log((values[-1] + offset) / (values[0] + offset))
    if half == 0:
        return None
    z = 1 + to_singularity / half if to_singularity < math.pi else math.hypot(1, 0.9 * to_singularity / half)
    growth = z + math.sqrt(z * z - 1)
    count = 2 + math.ceil(refinement * math.log(1e9) / math.log(growth))
    return _Axis.chebyshev(float(values[0]), float(values[-1]), offset, count) if count < len(values) else None


def _tabulated(function: Positive, grid: _Grid, draws: Positions) -> Surface | None:
    """The surface with its values at the nodes; None if a value has no logarithm."""
    x, T = grid.x, grid.T
    values = function.at(np.repeat(x, len(T)), np.tile(T, len(x)), draws)
    if not (np.isfinite(values).all() and (values > 0).all()):
        return None
    return Surface(grid, np.log(values).reshape(len(x), len(T), -1))


def _in_chunks(evaluate: Evaluate, x: Array, T: Array, draws: Positions) -> Array:
    """Evaluate pairs and draws in parallel chunks small enough for the nodes of an average to stay in the cache."""
    result = np.empty((len(x), len(draws)))
    width = min(len(draws), PAIRS_AT_ONCE)
    height = max(1, PAIRS_AT_ONCE // width)

    def work(chunk: tuple[slice, slice]) -> None:
        pairs, columns = chunk
        result[pairs, columns] = evaluate(x[pairs], T[pairs], draws[columns])

    in_parallel(
        work,
        [
            (slice(i, i + height), slice(j, j + width))
            for i in range(0, len(x), height)
            for j in range(0, len(draws), width)
        ],
    )
    return result


def over_pairs(function: Positive, x: Array, T: Array) -> Callable[[slice], Array]:
    """Values for rows of columns x and T that are sorted by (x, T): a function of a slice, giving (rows, draws)."""
    pair_x, pair_T, pair = _distinct_pairs(x, T)
    worthwhile = function.smooth and function.draws > 1 and len(pair_x) > 0
    surface = surface_of(function, pair_x, pair_T) if worthwhile else None
    if surface is not None:
        return lambda rows: surface(x[rows], T[rows])
    if len(pair_x) * function.draws <= LARGEST_TABLE:
        table = function.at(pair_x, pair_T)
        return lambda rows: table[pair[rows]]

    def values(rows: slice) -> Array:
        first, last = pair[rows.start], pair[rows.stop - 1] + 1
        return np.asarray(function.at(pair_x[first:last], pair_T[first:last])[pair[rows] - first])

    return values


def _distinct_pairs(x: Array, T: Array) -> tuple[Array, Array, NDArray[np.intp]]:
    """Distinct pairs of columns sorted by (x, T), and the pair of each row."""
    new = np.r_[True, (x[1:] != x[:-1]) | (T[1:] != T[:-1])] if len(x) else np.zeros(0, dtype=np.bool_)
    first = np.flatnonzero(new)
    return x[first], T[first], np.cumsum(new) - 1
