"""What is expected of customers who may return, tabulated over log lambda and logit p for each draw.

Tables are as fine and as wide as the expectations need: where values between two nodes, or beyond the last one, are
not yet what interpolation makes of them, there come more nodes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, final

import numpy as np
from scipy import special

from kundenwert.models.core import CountProbability
from kundenwert.models.kernels.dormancy import RevivingCustomers
from kundenwert.models.kernels.interpolation import Grid, PolynomialGrid

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from kundenwert.histories import HistoryColumn
    from kundenwert.models.core import Array
    from kundenwert.models.kernels.revival_histories import Revival

__all__ = ["Expectation", "Table", "Tables", "product", "tabulated"]

type Expectation = Callable[[RevivingCustomers], Array]
"""What is expected of customers in each state they may be in now, shape (states, *shape of the customers).

States are the phases, dormancy and, if something is expected of them, those who are gone.
"""

ERROR: Final = 3e-5  # of interpolated values halfway between nodes, relative to them; averages have less
ERROR_OF_ONE: Final = 5e-9  # the same for a single draw, as of published values
FLOOR: Final = 0.3  # of the largest value, or of 1: below, errors may be as large as here
RATE_STEP: Final = 0.25  # of log lambda
SLOWEST: Final = 1e-4  # expected purchases so far, below which what is expected is linear in lambda
STANDSTILL: Final = 1e-14  # of the slowest rate, as good as none
LOGIT_STEP: Final = 0.5
LOGITS: Final = (-13.0, 9.0)  # of p; beyond, nothing changes
FARTHEST: Final = (-60.0, 40.0)
FARTHEST_OF_POLYNOMIALS: Final = (-36.0, 36.0)
HALVINGS: Final = 6
WIDENINGS: Final = 12
FARTHER: Final = 4.0
PROBED: Final = 4  # every fourth node of the other axis
DRAWS_AT_ONCE: Final = 64
MOST_KEPT: Final = 2**26  # numbers
SMALL_PRODUCT: Final = 2**17
LEAST_WEIGHT: Final = 1e-16  # of a logit
TAIL_NEPERS: Final = 36.0  # by which a tail has fallen where it is cut off
WIDTHS: Final = 0.8  # of the narrowest distribution, between two nodes


@final
@dataclass(frozen=True, slots=True)
class Axes:
    """Grids of log lambda and of logit p, and whether values are divided by p, because they grow like 1/p."""

    rates: Grid
    logits: Grid | PolynomialGrid
    per_lapse: bool = False

    @property
    def lam(self) -> Array:
        """Rates, shape (1 + rates, 1, 1); the first one is as good as nought."""
        lam: Array = np.exp(self.rates.nodes)
        return np.asarray(np.r_[lam[0] * STANDSTILL, lam][:, None, None], dtype=np.float64)

    @property
    def p(self) -> Array:
        """Probabilities, shape (logits, 1)."""
        return np.asarray(special.expit(self.logits.nodes)[:, None])

    def of_rates(self, log_rate: Array) -> Array:
        """Weights of the rates of a table in values at other rates, shape (places, 1 + rates)."""
        moving = np.exp(np.minimum(log_rate - self.rates.first, 0.0))  # below the first rate, linear in lambda
        return np.concatenate([1 - moving[:, None], moving[:, None] * self.rates.weights(log_rate)], axis=1)

    def of_logits(self, a: Array, b: Array) -> Array:
        """Weights of the logits of a table in averages over p ~ Beta(a, b), shape (draws, logits)."""
        constant = np.ones(1)
        if self.per_lapse:  # E[g(p)/p] is E[g(p)] under Beta(a - 1, b) times a constant
            a, constant = a - 1, (a + b - 1) / (a - 1)
        fine, weights = _beta_weights(a, b, self.logits)
        return np.asarray((weights.T @ self.logits.weights(fine)) * constant[:, None], dtype=np.float64)


def _beta_weights(a: Array, b: Array, logits: Grid | PolynomialGrid) -> tuple[Array, Array]:
    """Equally spaced logits, close enough for beta distributions, and weights (logits, draws) that sum to one.

    Where values no longer change, the outermost ones stand for the tails as well, which are geometric series.
    """
    middle = special.digamma(a) - special.digamma(b)
    spread = np.sqrt(special.polygamma(1, a) + special.polygamma(1, b))
    if isinstance(logits, Grid):
        first, last, step, narrowest = logits.first, float(logits.nodes[-1]), logits.step, spread
    else:  # a power of p or 1 - p makes the density narrower
        first, last, step, n = *FARTHEST_OF_POLYNOMIALS, LOGIT_STEP, logits.degree
        narrowest = np.sqrt(special.polygamma(1, a + n) + special.polygamma(1, b + n))
    low = min(max(first, float((middle - 8 * spread - TAIL_NEPERS / a).min())), last - step)
    high = max(min(last, float((middle + 8 * spread + TAIL_NEPERS / b).max())), low + step)
    grid = Grid.between(low, high, min(step, WIDTHS * float(narrowest.min())))
    y = grid.nodes[:, None]
    log_weights = a * (y - middle) - (a + b) * (np.logaddexp(0, y) - np.logaddexp(0, middle))
    with np.errstate(over="ignore"):
        log_weights[0] += np.log1p(1 / np.expm1(a * grid.step))
        log_weights[-1] += np.log1p(1 / np.expm1(b * grid.step))
    weights = np.exp(log_weights - log_weights.max(axis=0))
    return grid.nodes, weights / weights.sum(axis=0)


@final
@dataclass(frozen=True, slots=True)
class Table:
    """What is expected of customers by rate, probability of a lapse and state, for some draws.

    Attributes
    ----------
    axes
        Rates and probabilities.
    active
        Shape (draws, 1 + rates, phases, expectations, logits or 1).
    lapsed
        Shape (draws, 1 + rates, lapsed expectations, logits or 1): all those of the dormant, then of the gone.
    tell_of_gone
        Positions of the expectations that tell of the gone.
    """

    axes: Axes
    active: Array
    lapsed: Array
    tell_of_gone: NDArray[np.intp]

    @classmethod
    def of(cls, theta: Revival, k: int, axes: Axes, expectations: Sequence[Expectation]) -> Table:
        """Tabulate for all draws of these parameters."""
        customers = RevivingCustomers(k=k, lam=axes.lam, p=axes.p, omega=theta.omega, eta=theta.eta)
        values = [expectation(customers) for expectation in expectations]
        if axes.per_lapse:
            values = [each * axes.p for each in values]
        elif all((each == each[:, :, :1]).all() for each in values):
            values = [each[:, :, :1] for each in values]
        gone = np.flatnonzero([len(each) > k + 1 for each in values])
        active = np.stack([each[:k] for each in values])
        lapsed = np.stack([*(each[k] for each in values), *(values[i][k + 1] for i in gone)])
        return cls(
            axes,
            np.ascontiguousarray(active.transpose(4, 2, 1, 0, 3)),
            np.ascontiguousarray(lapsed.transpose(3, 1, 0, 2)),
            gone,
        )

    @property
    def expectations(self) -> int:
        """How many there are."""
        return int(self.active.shape[3])

    @property
    def size(self) -> int:
        """How many numbers."""
        return self.active.size + self.lapsed.size

    def at(self, draws: NDArray[np.intp]) -> Table:
        """Some of the draws."""
        rows = slice(draws[0], draws[-1] + 1) if draws[-1] - draws[0] + 1 == len(draws) else draws
        return replace(self, active=self.active[rows], lapsed=self.lapsed[rows])

    def near(self, rates: slice) -> Table:
        """Some of the rates."""
        return replace(self, active=self.active[:, rates], lapsed=self.lapsed[:, rates])

    def of_dormant(self, theta: Revival, x: int, powers: range) -> tuple[Array, Array]:
        """Averages over p of customers with m of x gaps dormant, m in `powers`; as `active` and `lapsed`, m last."""
        if self.active.shape[-1] == 1:
            several = np.ones(len(powers))
            return self.active * several, self.lapsed * several
        # the active have stayed once more after m lapses, those who lapsed have done so once more
        weights = np.stack(
            [self.axes.of_logits(theta.a + m, theta.b + (x + 1 - m)) for m in (*powers, powers.stop)], axis=-1
        )
        used = np.flatnonzero((np.abs(weights) > LEAST_WEIGHT).any(axis=(0, 2)))
        near = slice(used[0], used[-1] + 1)
        return (
            _each(self.active[..., near], weights[:, near, :-1]),
            _each(self.lapsed[..., near], weights[:, near, 1:]),
        )


def _each(values: Array, weights: Array) -> Array:
    """Products over the last axis of values with weights (draws, last axis, columns), for each draw."""
    draws, *shape, last = values.shape
    return product(values.reshape(draws, -1, last), weights).reshape(draws, *shape, -1)


def product(left: Array, right: Array) -> Array:
    """Products of matrices in parts so small that BLAS does not start threads of its own beside ours."""
    *_, inner, columns = right.shape
    rows = max(1, SMALL_PRODUCT // (inner * columns))
    result = np.empty((*np.broadcast_shapes(left.shape[:-2], right.shape[:-2]), left.shape[-2], columns))
    for i in range(0, left.shape[-2], rows):
        np.matmul(left[..., i : i + rows, :], right, out=result[..., i : i + rows, :])
    return result


@final
@dataclass(frozen=True, slots=True)
class Tables:
    """Tables for all draws, some draws each; kept as long as they are not too large together."""

    theta: Revival
    k: int
    axes: Axes
    expectations: tuple[Expectation, ...]
    _kept: dict[int, Table] = field(default_factory=dict, init=False, repr=False)

    def blocks(self) -> Iterator[tuple[slice, Table]]:
        """Draws, and their table."""
        draws = len(self.theta.r)
        for start in range(0, draws, DRAWS_AT_ONCE):
            rows = slice(start, min(start + DRAWS_AT_ONCE, draws))
            table = self._kept.get(start)
            if table is None:
                table = Table.of(self.theta.at(rows), self.k, self.axes, self.expectations)
                if table.size * draws <= MOST_KEPT * (rows.stop - start):
                    self._kept[start] = table
            yield rows, table


def tabulated(
    theta: Revival, k: int, columns: Mapping[HistoryColumn, Array], expectations: Sequence[Expectation]
) -> Tables:
    """What is expected, for all rates and probabilities that histories with these columns make likely."""
    stages = float(theta.r.max() + k * columns["x"].max())
    slowest = math.log(SLOWEST / float(theta.alpha.max() + columns["T"].max()))
    fastest = math.log((stages + 10 * math.sqrt(stages) + 40) / float(theta.alpha.min()))
    axes = Axes(Grid.between(slowest, fastest, RATE_STEP), Grid.between(*LOGITS, LOGIT_STEP))
    counts = [each.count for each in expectations if isinstance(each, CountProbability)]
    if len(counts) == len(expectations):  # each purchase is followed by one of three things: a polynomial in p
        axes = replace(axes, logits=PolynomialGrid(max(counts)))
    # what is expected depends on the draw by these two only
    probed = np.unique([pick(values) for values in (theta.omega, theta.eta) for pick in (np.argmin, np.argmax)])
    error = ERROR_OF_ONE if len(theta.r) == 1 else ERROR
    search = _Search.among(axes, theta.at(probed), k, tuple(expectations), error)
    return Tables(theta, k, search.fine(search.wide(axes)), tuple(expectations))


@final
@dataclass(frozen=True, slots=True)
class _Search:
    """Looks for axes on which interpolation is good enough, up to `tolerance` of values near nought."""

    theta: Revival
    k: int
    expectations: tuple[Expectation, ...]
    error: float
    tolerance: tuple[Array, ...] = ()

    @classmethod
    def among(cls, axes: Axes, theta: Revival, k: int, expectations: tuple[Expectation, ...], error: float) -> _Search:
        """A search for values as large as on these axes."""
        search = cls(theta, k, expectations, error)
        values = search._values(axes.lam[::PROBED], axes.p[::PROBED])
        floors = (FLOOR * np.minimum(each.max(axis=(1, 2, 3), keepdims=True), 1.0) for each in values)
        return replace(search, tolerance=tuple(floors))

    def wide(self, axes: Axes) -> Axes:
        """Axes so wide that values beyond them are those at their ends, or linear in the slowest rates."""
        rates, logits = axes.rates, axes.logits
        for _ in range(WIDENINGS):
            ends = math.exp(rates.first) * np.array([STANDSTILL, 0.5, 1.0])[:, None, None]
            values = self._values(ends, axes.p[::PROBED])
            if self._agree([(each[:, :1] + each[:, 2:]) / 2 for each in values], [each[:, 1:2] for each in values]):
                break
            rates = Grid.between(rates.first - math.log(100), float(rates.nodes[-1]), rates.step)
        if isinstance(logits, PolynomialGrid):
            return Axes(rates, logits)
        lam = replace(axes, rates=rates).lam[::PROBED]
        low, high = logits.first, float(logits.nodes[-1])
        while low > FARTHEST[0] and not self._ends(lam, low, low - FARTHER):
            low -= FARTHER
        while high < FARTHEST[1] and not self._ends(lam, high, high + FARTHER):
            high += FARTHER
        if low <= FARTHEST[0]:  # they grow without end: like 1/p, of customers who stay until they leave for good
            return Axes(rates, Grid.between(LOGITS[0], high, logits.step), per_lapse=True)
        return Axes(rates, Grid.between(low, high, logits.step))

    def fine(self, axes: Axes) -> Axes:
        """Axes on which values halfway between two nodes are those of the interpolation."""
        for _ in range(HALVINGS):
            rates = axes.rates
            between = rates.nodes[:-1] + rates.step / 2
            values = self._values(np.exp(np.r_[rates.nodes, between])[:, None, None], axes.p[::PROBED])
            if self._between(values, rates.weights(between)):
                break
            axes = replace(axes, rates=rates.halved())
        for _ in range(HALVINGS):
            logits = axes.logits
            if isinstance(logits, PolynomialGrid):
                break
            between = logits.nodes[:-1] + logits.step / 2
            p = np.asarray(special.expit(np.r_[logits.nodes, between]), dtype=np.float64)[:, None]
            values = [each * p if axes.per_lapse else each for each in self._values(axes.lam[::PROBED], p)]
            if self._between([np.moveaxis(each, 2, 1) for each in values], logits.weights(between)):
                break
            axes = replace(axes, logits=logits.halved())
        return axes

    def _values(self, lam: Array, p: Array) -> list[Array]:
        customers = RevivingCustomers(k=self.k, lam=lam, p=p, omega=self.theta.omega, eta=self.theta.eta)
        return [expectation(customers) for expectation in self.expectations]

    def _ends(self, lam: Array, logit: float, farther: float) -> bool:
        """Whether nothing changes from one logit to the other."""
        values = self._values(lam, special.expit(np.array([logit, farther]))[:, None])
        return self._agree([each[:, :, :1] for each in values], [each[:, :, 1:] for each in values])

    def _between(self, values: list[Array], weights: Array) -> bool:
        """Whether the later values along axis 1 are what the former make of them."""
        nodes = weights.shape[1]
        found = [np.moveaxis(np.tensordot(weights, each[:, :nodes], (1, 1)), 0, 1) for each in values]
        return self._agree(found, [each[:, nodes:] for each in values])

    def _agree(self, found: list[Array], exact: list[Array]) -> bool:
        """Whether values (states, …, draws) are as good as they should be."""
        return all(
            (np.abs(one - other) <= self.error * (np.abs(other) + floor)).all()
            for one, other, floor in zip(found, exact, self.tolerance, strict=True)
        )
