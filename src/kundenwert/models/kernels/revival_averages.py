"""What is expected of customers who may return, given their histories.

Given rate lambda, probability p of a lapse and state, the future no longer depends on the history. So expectations are
tabulated once per draw over log lambda and logit p, and averaged over what histories tell of both: over p by the
trapezoidal rule under the beta distributions that go with each number of dormant gaps, over lambda at the nodes of the
likelihood. All that is asked at once is averaged in the same products of matrices, one for each draw.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, final

import numpy as np
from scipy import special

from kundenwert.models.kernels.dormancy import RevivingCustomers
from kundenwert.models.kernels.gap_modes import RateNodes
from kundenwert.models.kernels.interpolation import Grid
from kundenwert.models.kernels.revival_histories import Joint, after_lapse, all_dormant, batches, shares

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from kundenwert.histories import HistoryColumn
    from kundenwert.models.core import Array, History
    from kundenwert.models.kernels.revival_histories import Batch, Revival

__all__ = ["Expectation", "Tables", "averages", "second_life", "tabulated"]

type Expectation = Callable[[RevivingCustomers], Array]
"""What is expected of customers in each state they may be in now, shape (states, *shape of the customers).

States are the phases, dormancy and, if something is expected of them, those who are gone.
"""

RATE_STEP: Final = 0.25  # of log lambda
FINER: Final = 4  # times as many nodes for a single draw, as of published values
SLOWEST: Final = 1e-4  # expected purchases so far, below which what is expected is linear in lambda
STANDSTILL: Final = 1e-12  # the same, as good as none
LOGIT_STEP: Final = 0.5
LOGITS: Final = (-13.0, 9.0)  # of p; beyond, nothing changes
DRAWS_AT_ONCE: Final = 64
POWERS_AT_ONCE: Final = 8
POWERS_KEPT: Final = 64
SMALL_PRODUCT: Final = 2**17
LEAST_WEIGHT: Final = 1e-16  # of a logit
TAIL_NEPERS: Final = 36.0  # by which a tail has fallen where it is cut off
WIDTHS: Final = 0.8  # of the narrowest distribution, between two nodes
KINDS: Final = 3  # active, dormant, gone


@final
@dataclass(frozen=True, slots=True)
class Tables:
    """What is expected of customers by rate, probability of a lapse and state; last, 1 of everybody.

    Attributes
    ----------
    rates, logits
        Grids of log lambda and of logit p.
    active
        Shape (draws, 1 + rates, phases, expectations, logits or 1); the first rate is nought.
    lapsed
        Shape (draws, 1 + rates, lapsed expectations, logits or 1): all those of the dormant, then of the gone.
    tell_of_gone
        Positions of the expectations that tell of the gone.
    """

    rates: Grid
    logits: Grid
    active: Array
    lapsed: Array
    tell_of_gone: NDArray[np.intp]

    @property
    def expectations(self) -> int:
        """How many there are, with that of 1."""
        return int(self.active.shape[3])

    def at(self, draws: NDArray[np.intp]) -> Tables:
        """Some of the draws."""
        rows = slice(draws[0], draws[-1] + 1) if draws[-1] - draws[0] + 1 == len(draws) else draws
        return replace(self, active=self.active[rows], lapsed=self.lapsed[rows])

    def of_rates(self, log_rate: Array) -> Array:
        """Weights of the rates of the table in values at other rates, shape (places, 1 + rates)."""
        moving = np.exp(np.minimum(log_rate - self.rates.first, 0.0))  # below the first rate, linear in lambda
        return np.concatenate([1 - moving[:, None], moving[:, None] * self.rates.weights(log_rate)], axis=1)

    def of_dormant(self, theta: Revival, x: int, powers: range) -> tuple[Array, Array]:
        """Averages over p of customers with m of x gaps dormant, m in `powers`; as `active` and `lapsed`, m last."""
        if self.active.shape[-1] == 1:
            several = np.ones(len(powers))
            return self.active * several, self.lapsed * several
        # the active have stayed once more after m lapses, those who lapsed have done so once more
        weights = np.empty((len(theta.a), self.logits.count, len(powers) + 1))
        for place, m in enumerate((*powers, powers.stop)):
            fine, of_fine = _beta_weights(self.logits, theta.a + m, theta.b + (x + 1 - m))
            weights[:, :, place] = of_fine.T @ self.logits.weights(fine)
        used = np.flatnonzero((np.abs(weights) > LEAST_WEIGHT).any(axis=(0, 2)))
        near = slice(used[0], used[-1] + 1)
        return (
            _each(self.active[..., near], weights[:, near, :-1]),
            _each(self.lapsed[..., near], weights[:, near, 1:]),
        )


def _each(values: Array, weights: Array) -> Array:
    """Products over the last axis of values with weights (draws, last axis, columns), for each draw."""
    draws, *shape, last = values.shape
    return _product(values.reshape(draws, -1, last), weights).reshape(draws, *shape, -1)


def _beta_weights(logits: Grid, a: Array, b: Array) -> tuple[Array, Array]:
    """Equally spaced logits, close enough for beta distributions, and weights (logits, draws) that sum to one.

    Where values no longer change, the outermost ones stand for the tails as well, which are geometric series.
    """
    middle = special.digamma(a) - special.digamma(b)
    spread = np.sqrt(special.polygamma(1, a) + special.polygamma(1, b))
    first, last = logits.first, logits.first + logits.step * (logits.count - 1)
    low = min(max(first, float((middle - 8 * spread - TAIL_NEPERS / a).min())), last - logits.step)
    high = max(min(last, float((middle + 8 * spread + TAIL_NEPERS / b).max())), low + logits.step)
    grid = Grid.between(low, high, min(logits.step, WIDTHS * float(spread.min())))
    y = grid.nodes[:, None]
    log_weights = a * (y - middle) - (a + b) * (np.logaddexp(0, y) - np.logaddexp(0, middle))
    with np.errstate(over="ignore"):
        log_weights[0] += np.log1p(1 / np.expm1(a * grid.step))
        log_weights[-1] += np.log1p(1 / np.expm1(b * grid.step))
    weights = np.exp(log_weights - log_weights.max(axis=0))
    return grid.nodes, weights / weights.sum(axis=0)


def tabulated(
    theta: Revival, k: int, columns: Mapping[HistoryColumn, Array], expectations: Sequence[Expectation]
) -> Tables:
    """What is expected, for all rates and probabilities that histories with these columns make likely."""
    horizon = theta.alpha.max() + columns["T"].max()
    x, t_x = columns["x"], columns["t_x"]
    stages = theta.r.max() + k * x
    fastest = (stages + 10 * np.sqrt(stages) + 40) / (theta.alpha.min() + np.where(x > 0, t_x / np.maximum(x, 1), 0.0))
    finer = FINER if len(theta.r) == 1 else 1
    rates = Grid.between(math.log(SLOWEST / horizon), math.log(fastest.max()), RATE_STEP / finer)
    logits = Grid.between(*LOGITS, LOGIT_STEP / finer)
    lam = np.r_[STANDSTILL / horizon, np.exp(rates.nodes)][:, None, None]
    p = special.expit(logits.nodes)[:, None]
    parts = []
    for start in range(0, len(theta.r), DRAWS_AT_ONCE):
        some = theta.at(slice(start, start + DRAWS_AT_ONCE))
        customers = RevivingCustomers(k=k, lam=lam, p=p, omega=some.omega, eta=some.eta)
        certain = np.broadcast_to(1.0, (k + 1, *customers.shape))
        parts.append([*(expectation(customers) for expectation in expectations), certain])
    if all((values == values[:, :, :1]).all() for part in parts for values in part):
        parts = [[values[:, :, :1] for values in part] for part in parts]
    of_all = [np.concatenate(several, axis=-1) for several in zip(*parts, strict=True)]
    tell_of_gone = np.flatnonzero([len(values) > k + 1 for values in of_all])
    active = np.stack([values[:k] for values in of_all])
    lapsed = np.stack([*(values[k] for values in of_all), *(of_all[i][k + 1] for i in tell_of_gone)])
    return Tables(
        rates,
        logits,
        np.ascontiguousarray(active.transpose(4, 2, 1, 0, 3)),
        np.ascontiguousarray(lapsed.transpose(3, 1, 0, 2)),
        tell_of_gone,
    )


def second_life(expectation: Expectation, first: float) -> Expectation:
    """What is expected from a purchase on that customers make now, of whatever kind they are; it counts `first`."""

    def values(customers: RevivingCustomers) -> Array:
        *phases, dormant = expectation(customers)
        lapse = customers.p
        after = first + (1 - lapse) * phases[0] + customers.omega * lapse * dormant
        return np.broadcast_to(after, (len(phases) + 2, *after.shape))

    return values


def averages(theta: Revival, k: int, h: History, tables: Tables) -> Array:
    """P(active, dormant, gone) times what is expected there, given histories; shape (expectations, 3, cells, draws)."""
    found = _all_dormant(theta, k, h, tables)
    for batch in batches(theta, k, h):
        expected, nodes = _AtNodes(tables.at(batch.draws), batch), len(batch.group.nodes.t)
        for block in batch.blocks(k):
            shape = len(batch.draws), len(block.rows)
            active, lapsed = np.zeros((*shape, tables.expectations)), np.zeros((*shape, tables.lapsed.shape[2]))
            for start in range(0, len(block.sums), POWERS_AT_ONCE):
                sums = block.sums[start : start + POWERS_AT_ONCE]
                joint, part = np.empty((2, *shape, len(sums), nodes))
                for place, e_m in enumerate(sums):
                    joint[:, :, place] = e_m.transpose(2, 0, 1)
                of_active, of_lapsed = expected.of(start)
                used = len(sums) * nodes
                lapsed += joint.reshape(*shape, used) @ of_lapsed[:, :used]
                for j, phase in enumerate(block.phases):
                    np.multiply(joint, phase[:, None, :], out=part)
                    active += part.reshape(*shape, used) @ of_active[j, :, :used]
            values = np.concatenate([active, lapsed], axis=2).transpose(2, 1, 0)
            found.add(block.rows, batch.draws, Joint(values, block.log_scale))
    of_kinds = _by_kind(found.values, after_lapse(theta, h), tables)
    return shares(of_kinds[:-1], of_kinds[-1].sum(axis=0), h)


def _by_kind(values: Array, after: tuple[Array, Array], tables: Tables) -> Array:
    """What is expected by kind, from that of the active and of those who lapsed; the last tells how many they are."""
    count, who = tables.expectations, tables.tell_of_gone
    dormant, gone = after
    result = np.zeros((count, KINDS, *values.shape[1:]))
    result[:, 0] = values[:count]
    result[:, 1] = values[count : 2 * count] * dormant
    result[who, 2] = values[2 * count :] * gone
    result[-1, 2] = values[2 * count - 1] * gone
    return result


@final
class _AtNodes:
    """What is expected at the nodes of a batch, times the probabilities of staying and lapsing; some powers at once."""

    def __init__(self, tables: Tables, batch: Batch) -> None:
        weights = tables.of_rates(batch.group.nodes.log_rate)
        used = np.flatnonzero(weights.any(axis=0))
        near = slice(used[0], used[-1] + 1)
        self._tables = replace(tables, active=tables.active[:, near], lapsed=tables.lapsed[:, near])
        self._weights, self._batch = weights[:, near], batch
        self._kept: dict[int, tuple[Array, Array]] = {}

    def of(self, start: int) -> tuple[Array, Array]:
        """For m = start, start + 1, …, of the active by phase and of those who lapsed.

        Shapes (phases, draws, powers × nodes, expectations), and (draws, powers × nodes, expectations).
        """
        if start in self._kept:
            return self._kept[start]
        batch = self._batch
        powers = range(start, min(start + POWERS_AT_ONCE, batch.group.x))
        stay, lapse = np.stack([batch.chances(m) for m in powers], axis=2)
        of_active, of_lapsed = self._tables.of_dormant(batch.theta, batch.group.x, powers)
        active = _at(self._weights, of_active * stay[:, None, None, None, :])
        lapsed = _at(self._weights, of_lapsed * lapse[:, None, None, :])
        draws, count, nodes = lapsed.shape[:3]
        by_phase = np.moveaxis(active, 3, 0).reshape(-1, draws, count * nodes, active.shape[-1])
        found = by_phase, lapsed.reshape(draws, count * nodes, -1)
        if start < POWERS_KEPT:
            self._kept[start] = found
        return found


def _at(weights: Array, values: Array) -> Array:
    """Values (draws, rates, …, powers) at nodes, shape (draws, powers, nodes, …)."""
    by_power = np.ascontiguousarray(np.moveaxis(values, -1, 1))
    at_nodes = _product(weights, by_power.reshape(*by_power.shape[:3], -1))
    return at_nodes.reshape(*at_nodes.shape[:3], *by_power.shape[3:])


def _all_dormant(theta: Revival, k: int, h: History, tables: Tables) -> Joint:
    """Histories whose completed gaps all were dormant, as they are if there is none: of the active, and who lapsed."""
    known = all_dormant(theta, k, h)
    *phases, lapsed = known.values
    count = tables.expectations
    values = np.zeros((count + tables.lapsed.shape[2], *lapsed.shape))
    x, silence, T = h["x"].ravel(), (h["T"] - h["t_x"]).ravel(), h["T"].max()
    for start in range(0, len(theta.r), DRAWS_AT_ONCE):
        draws = np.arange(start, min(start + DRAWS_AT_ONCE, len(theta.r)))
        some, of_some = theta.at(draws), tables.at(draws)
        nodes = RateNodes.of_gamma(some.r, some.alpha, T, k)
        prior = np.exp(nodes.log_density(some.r, some.alpha)).T[:, :, None]
        weights = of_some.of_rates(nodes.log_rate)
        elapsed = np.exp(nodes.log_rate) * silence[:, None]
        for m in np.unique(x).astype(np.int64).tolist():
            rows = np.flatnonzero(x == m)
            cells = np.ix_(rows, draws)
            of_active, of_lapsed = (_at(weights, each)[:, 0] for each in of_some.of_dormant(some, m, range(m, m + 1)))
            for j, phase in enumerate(phases):
                density = np.exp(-elapsed[rows]) * elapsed[rows] ** j  # nought right after a purchase, but for j = 0
                sums = _product(density, prior * of_active[:, :, j])
                mean = np.divide(sums, sums[:, :, -1:], out=np.zeros(sums.shape), where=sums[:, :, -1:] > 0)
                values[:count, *cells] += phase[cells] * mean.T
            mean = (prior * of_lapsed).sum(axis=1) / prior.sum(axis=1)
            values[count:, *cells] = lapsed[cells] * mean.T[:, None, :]
    return Joint(values, known.log_scale)


def _product(left: Array, right: Array) -> Array:
    """Products of matrices in parts so small that BLAS does not start threads of its own beside ours."""
    *_, inner, columns = right.shape
    rows = max(1, SMALL_PRODUCT // (inner * columns))
    result = np.empty((*np.broadcast_shapes(left.shape[:-2], right.shape[:-2]), left.shape[-2], columns))
    for i in range(0, left.shape[-2], rows):
        np.matmul(left[..., i : i + rows, :], right, out=result[..., i : i + rows, :])
    return result
