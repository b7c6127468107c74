"""The functions a log-likelihood may use, so that one formula runs on NumPy and on PyTensor.

:data:`NUMPY` is the fast instance used by importance sampling, scoring and tests. The PyTensor instance lives in
``kundenwert.inference``, the only package that knows PyMC.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol, cast, final, override

import numpy as np
from numpy.typing import NDArray
from scipy import special

from kundenwert.histories.cells import Cells

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence

    from kundenwert.histories import GapLists, HistoryColumn

__all__ = ["NUMPY", "Array", "Functions", "History", "history_of"]

type Array = NDArray[np.float64]

TERMS_AT_ONCE: Final = 512
KEPT: Final = 6


class Functions(Protocol):
    """Elementwise functions of arrays."""

    def exp(self, value: Array, /) -> Array:
        """Exponential function."""

    def expm1(self, value: Array, /) -> Array:
        """exp(value) - 1."""

    def log(self, value: Array, /) -> Array:
        """Natural logarithm."""

    def log1p(self, value: Array, /) -> Array:
        """log(1 + value)."""

    def gammaln(self, value: Array, /) -> Array:
        """Logarithm of the gamma function."""

    def softplus(self, value: Array, /) -> Array:
        """log(1 + exp(value)) without overflow; 0 at -inf."""

    def minimum(self, left: Array, right: Array | float, /) -> Array:
        """Elementwise minimum."""

    def where(self, condition: NDArray[np.bool_], true: Array | float, false: Array | float, /) -> Array:
        """Elementwise choice."""

    def apart(
        self,
        condition: NDArray[np.bool_],
        formula: Callable[[Sequence[Array], bool], Array],
        values: Sequence[Array],
        /,
    ) -> Array:
        """`formula(values, holds)`, for draws that meet a condition apart from those that do not.

        So the formula can leave out work where the condition does not hold. PyTensor cannot: there, it may always hold.
        """

    def choose(self, values: Sequence[Array], index: NDArray[np.int64], /) -> Array:
        """The value, one for each draw, at each index: shape (cells, draws) for an index of shape (cells, 1)."""

    def joined(self, parts: Sequence[Array], /) -> Array:
        """Values of some cells, and then those of others."""

    def total(self, term: Callable[[Array, Array], Array], nodes: Array, weights: Array, /) -> Array:
        """Sum of `term(node, weight)` over the nodes of a quadrature: one scalar pair at a time, or all at once."""

    def partial_sums(self, term: Callable[[Array], Array], counts: Sequence[Array], /) -> Sequence[Array]:
        """For each of the counts, which are whole, the sum of term(0) … term(count - 1), shape (cells, draws)."""

    def products(self, ratio: Callable[[Array, Array], Array], x: Array, first: Array, last: Array, /) -> Array:
        """Sum over k = first … last - 1 of ratio(first, x) ratio(first + 1, x) … ratio(k - 1, x), shape (cells, draws).

        1 if k = first alone, 0 if there is no k. All of x, first and last are whole; ratios are positive there.
        """


@final
class _NumPy(Functions):
    @override
    def exp(self, value: Array, /) -> Array:
        return np.asarray(np.exp(value))

    @override
    def expm1(self, value: Array, /) -> Array:
        return np.asarray(np.expm1(value))

    @override
    def log(self, value: Array, /) -> Array:
        return np.asarray(np.log(value))

    @override
    def log1p(self, value: Array, /) -> Array:
        return np.asarray(np.log1p(value))

    @override
    def gammaln(self, value: Array, /) -> Array:
        return np.asarray(special.gammaln(value))

    @override
    def softplus(self, value: Array, /) -> Array:
        # three SIMD passes; np.logaddexp(0, value) is one scalar loop and slower
        return np.asarray(np.maximum(value, 0) + np.log1p(np.exp(-np.abs(value))))

    @override
    def minimum(self, left: Array, right: Array | float, /) -> Array:
        return np.minimum(left, right)

    @override
    def where(self, condition: NDArray[np.bool_], true: Array | float, false: Array | float, /) -> Array:
        return np.where(condition, true, false)

    @override
    def apart(
        self,
        condition: NDArray[np.bool_],
        formula: Callable[[Sequence[Array], bool], Array],
        values: Sequence[Array],
        /,
    ) -> Array:
        if condition.all() or not condition.any():
            return formula(values, bool(condition.all()))
        yes, no = (formula([v[held] for v in values], held is condition) for held in (condition, ~condition))
        result = np.empty((*yes.shape[:-1], len(condition)))
        result[..., condition], result[..., ~condition] = yes, no
        return result

    @override
    def choose(self, values: Sequence[Array], index: NDArray[np.int64], /) -> Array:
        return np.stack(values)[index.ravel()]

    @override
    def joined(self, parts: Sequence[Array], /) -> Array:
        return np.concatenate(parts)

    @override
    def total(self, term: Callable[[Array, Array], Array], nodes: Array, weights: Array, /) -> Array:
        # node by node: temporary arrays stay in the cache
        result = term(nodes[0], weights[0])
        for node, weight in zip(nodes[1:], weights[1:], strict=True):
            result = result + term(node, weight)
        return result

    @override
    def partial_sums(self, term: Callable[[Array], Array], counts: Sequence[Array], /) -> Sequence[Array]:
        wanted = np.stack([count.ravel() for count in counts]).astype(np.intp)
        so_far = term(np.zeros((1, 1)))[0] * 0.0
        result = np.zeros((*wanted.shape, len(so_far)))
        for start in range(0, int(wanted.max()), TERMS_AT_ONCE):
            stop = min(start + TERMS_AT_ONCE, int(wanted.max()))
            m = np.arange(start, stop, dtype=np.float64)
            sums = so_far + np.cumsum(term(m[:, None]), axis=0)
            here = (start < wanted) & (wanted <= stop)
            result[here] = sums[wanted[here] - start - 1]
            so_far = sums[-1]
        return list(result)

    @override
    def products(self, ratio: Callable[[Array, Array], Array], x: Array, first: Array, last: Array, /) -> Array:
        # summed from the end, 1 + ratio (1 + ratio (…)), one sum serves all cells that differ in `first` only
        first, ends = first.ravel(), last.max() + 1
        pairs, group = np.unique(x.ravel() * ends + last.ravel(), return_inverse=True)
        lowest = np.full(len(pairs), np.inf)
        np.minimum.at(lowest, group, first)
        order = np.argsort(lowest)  # sums that have further to go come before those that are done
        lowest, group = lowest[order], np.argsort(order)[group]
        pair_x, pair_last = (column[order, None] for column in np.divmod(pairs, ends))
        total = ratio(np.asarray(ends), pair_x) * 0.0
        result = np.zeros((len(group), total.shape[-1]))
        for k in range(int(last.max()) - 1, int(lowest[0]) - 1, -1):
            going = slice(int(np.searchsorted(lowest, k, side="right")))
            longer = 1 + ratio(np.asarray(float(k)), pair_x[going]) * total[going]
            total[going] = np.where(k < pair_last[going], longer, 0.0)
            cells = np.flatnonzero(first == k)
            result[cells] = total[group[cells]]
        return result


NUMPY: Final[Functions] = _NumPy()


@final
class History:
    """Distinct histories as a formula sees them: columns, and a shortcut for what depends on one column only.

    With NumPy, columns have shape (cells, 1) and parameters (draws,), so that results have shape (cells, draws);
    with PyTensor, columns have shape (cells,) and parameters are scalars.
    """

    __slots__ = ("_columns", "_distinct", "_known", "gaps")

    def __init__(
        self,
        columns: dict[HistoryColumn, Array],
        distinct: dict[HistoryColumn, tuple[Array, NDArray[np.intp]]],
        gaps: GapLists | None = None,
    ) -> None:
        self._columns = columns
        self._distinct = distinct
        self._known: dict[Hashable, Any] = {}
        self.gaps = gaps
        """The lists that the column "gaps" refers to."""

    def __getitem__(self, name: HistoryColumn) -> Array:
        return self._columns[name]

    def map(self, name: HistoryColumn, formula: Callable[[Array], Array]) -> Array:
        """Value of `formula` for each cell, computed once per distinct value of the column.

        Many cells share a value (10,000 cells, 40 frequencies), so that costly functions become cheap.
        """
        values, index = self._distinct[name]
        return formula(values)[index]

    def take(self, rows: NDArray[np.intp]) -> History:
        """The histories at these positions."""
        return History(
            {name: column[rows] for name, column in self._columns.items()},
            {name: (values, index[rows]) for name, (values, index) in self._distinct.items()},
            self.gaps,
        )

    def once[Result](self, key: Hashable, make: Callable[[], Result]) -> Result:
        """What `make` gives, computed at the first request for this key; only the latest few are kept."""
        known = self._known
        if key in known:
            return cast("Result", known[key])
        result = make()
        self._known = {**dict(list(known.items())[1 - KEPT :]), key: result}  # other threads may read meanwhile
        return result


def history_of(
    cells: Cells | Mapping[HistoryColumn, Array], rows: slice = slice(None), *, draws_axis: bool = True
) -> History:
    """Distinct histories for a formula, of cells or columns; `draws_axis` adds the axis where NumPy puts draws."""
    given, gaps = (cells.columns, cells.gaps) if isinstance(cells, Cells) else (cells, None)
    columns: dict[HistoryColumn, Array] = {}
    distinct: dict[HistoryColumn, tuple[Array, NDArray[np.intp]]] = {}
    for name, column in given.items():
        values, index = np.unique(column[rows], return_inverse=True)
        shape: tuple[int, ...] = (-1, 1) if draws_axis else (-1,)
        columns[name] = column[rows].reshape(shape)
        distinct[name] = (values.reshape(shape), index)
    return History(columns, distinct, gaps)
