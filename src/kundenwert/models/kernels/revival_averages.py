"""What is expected of customers who may return, given their histories.

Given rate lambda, probability p of a lapse and state, the future no longer depends on the history. So expectations are
tabulated once per draw over log lambda and logit p, and averaged over what histories tell of both: over p by the
trapezoidal rule under the beta distributions that go with each number of dormant gaps, over lambda at the nodes of the
likelihood.
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
from kundenwert.models.kernels.revival_histories import Joint, after_lapse, all_dormant, batches

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from kundenwert.histories import HistoryColumn
    from kundenwert.models.core import Array, History
    from kundenwert.models.kernels.revival_histories import Revival

__all__ = ["Expectation", "Table", "averages", "second_life", "tabulated"]

type Expectation = Callable[[RevivingCustomers], Array]
"""What is expected of customers in each state they may be in now, shape (states, *shape of the customers).

States are the phases, dormancy and, if something is expected of them, those who are gone.
"""

RATE_STEP: Final = 0.4  # of log lambda
FINER: Final = 4  # times as many nodes for a single draw, as of published values
SLOWEST: Final = 1e-4  # expected purchases so far, below which what is expected is linear in lambda
STANDSTILL: Final = 1e-12  # the same, as good as none
LOGIT_STEP: Final = 0.8
LOGITS: Final = (-13.0, 9.0)  # of p; beyond, nothing changes
DRAWS_AT_ONCE: Final = 64
SMALL_PRODUCT: Final = 2**17
KINDS: Final = 3  # active, dormant, gone


@final
@dataclass(frozen=True, slots=True)
class Table:
    """What is expected of customers by rate, probability of a lapse and state.

    Attributes
    ----------
    rates, logits
        Grids of log lambda and of logit p.
    values
        Shape (states, 1 + rates, logits or 1, draws); the first rate is nought.
    """

    rates: Grid
    logits: Grid
    values: Array

    def at(self, draws: NDArray[np.intp]) -> Table:
        """Some of the draws."""
        return Table(self.rates, self.logits, self.values[..., draws])

    def of_rates(self, log_rate: Array) -> Array:
        """Weights of the rates of the table in values at other rates, shape (places, 1 + rates)."""
        moving = np.exp(np.minimum(log_rate - self.rates.first, 0.0))  # below the first rate, linear in lambda
        return np.concatenate([1 - moving[:, None], moving[:, None] * self.rates.weights(log_rate)], axis=1)

    def of_lapses(self, a: Array, b: Array) -> Array:
        """Averages over p ~ Beta(a, b), of shape (draws,); shape (states, 1 + rates, draws)."""
        if self.values.shape[2] == 1:
            return np.asarray(self.values[:, :, 0])
        fine, weights = _beta_weights(self.logits, a, b)
        return np.asarray(np.einsum("alys,ys->als", self.values, self.logits.weights(fine).T @ weights))


def _beta_weights(logits: Grid, a: Array, b: Array) -> tuple[Array, Array]:
    """Equally spaced logits, close enough for beta distributions, and weights (logits, draws) that sum to one.

    The outermost ones have the tails as well, which are geometric series.
    """
    low, high = logits.first, logits.first + logits.step * (logits.count - 1)
    grid = Grid.between(low, high, min(logits.step, 2 / math.sqrt(float((a + b).max()))))
    y = grid.nodes[:, None]
    weights = np.exp(a * y - (a + b) * np.logaddexp(0, y) - special.betaln(a, b)) * grid.step
    with np.errstate(over="ignore"):
        weights[0] *= 1 + 1 / np.expm1(a * grid.step)
        weights[-1] *= 1 + 1 / np.expm1(b * grid.step)
    return grid.nodes, weights / weights.sum(axis=0)


def tabulated(theta: Revival, k: int, columns: Mapping[HistoryColumn, Array], expectation: Expectation) -> Table:
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
        values = expectation(RevivingCustomers(k=k, lam=lam, p=p, omega=some.omega, eta=some.eta))
        parts.append(values[:, :, :1] if (values == values[:, :, :1]).all() else values)
    if len({part.shape[2] for part in parts}) > 1:
        parts = [np.broadcast_to(part, (*part.shape[:2], logits.count, part.shape[3])) for part in parts]
    return Table(rates, logits, np.concatenate(parts, axis=-1))


def second_life(expectation: Expectation, first: float) -> Expectation:
    """What is expected from a purchase on that customers make now, of whatever kind they are; it counts `first`."""

    def values(customers: RevivingCustomers) -> Array:
        *phases, dormant = expectation(customers)
        lapse = customers.p
        after = first + (1 - lapse) * phases[0] + customers.omega * lapse * dormant
        return np.broadcast_to(after, (len(phases) + 2, *after.shape))

    return values


def averages(theta: Revival, k: int, h: History, tables: Sequence[Table]) -> Array:
    """P(active, dormant, gone) times what is expected there, given histories; shape (tables, 3, cells, draws)."""
    found = _all_dormant(theta, k, h, tables)
    dormant, gone = after_lapse(theta, h)
    for batch in batches(theta, k, h):
        x, nodes = batch.group.x, batch.group.nodes
        some = [table.at(batch.draws) for table in tables]
        expected = [[_at_nodes(table, k, batch.theta, x, m, nodes) for table in some] for m in range(x)]
        for block in batch.blocks(k):
            cells = np.ix_(block.rows, batch.draws)
            after = (dormant[cells], np.broadcast_to(gone[batch.draws], block.log_scale.shape))
            of_tables = np.zeros((len(tables), KINDS, *block.log_scale.shape))
            total = np.zeros(block.log_scale.shape)
            for m, e_m in enumerate(block.sums):
                stay, lapse = batch.chances(m)
                total += stay * np.einsum("nps,knp->ns", e_m, block.phases)
                total += lapse * sum(after) * e_m.sum(axis=1)
                for place, of_state in enumerate(expected[m]):
                    for phase, of_phase in zip(block.phases, of_state, strict=False):
                        of_tables[place, 0] += stay * np.einsum("nps,np->ns", e_m * of_phase, phase)
                    for kind, of_lapsed in enumerate(of_state[k:], start=1):
                        of_tables[place, kind] += lapse * after[kind - 1] * np.einsum("nps,ps->ns", e_m, of_lapsed)
            values = np.concatenate([of_tables.reshape(-1, *total.shape), total[None]])
            found.add(block.rows, batch.draws, Joint(values, block.log_scale))
    expectations = found.values[:-1] / found.values[-1]
    return np.asarray(expectations.reshape(len(tables), KINDS, *expectations.shape[1:]))


def _at_nodes(  # noqa: PLR0917 - who, with how many gaps, where
    table: Table, k: int, theta: Revival, x: int, m: int, nodes: RateNodes
) -> Array:
    """What is expected at rates, with m of x gaps dormant, shape (states, nodes, draws)."""
    weights = table.of_rates(nodes.log_rate)
    active = replace(table, values=table.values[:k]).of_lapses(theta.a + m, theta.b + (x - m) + 1)
    lapsed = replace(table, values=table.values[k:]).of_lapses(theta.a + m + 1, theta.b + (x - m))
    return np.stack([weights @ values for values in (*active, *lapsed)])


def _all_dormant(theta: Revival, k: int, h: History, tables: Sequence[Table]) -> Joint:
    """Histories whose completed gaps all were dormant, as they are if there is none; last, what all of it sums to."""
    known = all_dormant(theta, k, h)
    dormant, gone = after_lapse(theta, h)
    *phases, lapsed = known.values
    after = (lapsed * dormant, lapsed * gone)
    of_tables = np.zeros((len(tables), KINDS, *lapsed.shape))
    x, silence, T = h["x"].ravel(), (h["T"] - h["t_x"]).ravel(), h["T"].max()
    for start in range(0, len(theta.r), DRAWS_AT_ONCE):
        draws = np.arange(start, min(start + DRAWS_AT_ONCE, len(theta.r)))
        some = theta.at(draws)
        nodes = RateNodes.of_gamma(some.r, some.alpha, T, k)
        prior = np.exp(nodes.log_density(some.r, some.alpha))
        elapsed = np.exp(nodes.log_rate) * silence[:, None]
        for count in np.unique(x).tolist():
            rows = np.flatnonzero(x == count)
            cells = np.ix_(rows, draws)
            for value, table in zip(of_tables, tables, strict=True):
                of_state = _at_nodes(table.at(draws), k, some, count, count, nodes)
                for j, phase in enumerate(phases):
                    density = np.exp(-elapsed[rows]) * elapsed[rows] ** j
                    total = _product(density, prior)  # nought right after a purchase, but for the first phase
                    share = _product(density, prior * of_state[j])
                    mean = np.divide(share, total, out=np.zeros(total.shape), where=total > 0)
                    value[0][cells] += phase[cells] * mean
                for kind, of_lapsed in enumerate(of_state[k:], start=1):
                    value[kind][cells] = after[kind - 1][cells] * ((prior * of_lapsed).sum(axis=0) / prior.sum(axis=0))
    total = sum(phases) + sum(after)
    return Joint(np.concatenate([of_tables.reshape(-1, *lapsed.shape), total[None]]), known.log_scale)


def _product(left: Array, right: Array) -> Array:
    """Product of matrices in parts so small that BLAS does not start threads of its own beside ours."""
    rows = max(1, SMALL_PRODUCT // right.size)
    return np.concatenate([left[i : i + rows] @ right for i in range(0, len(left), rows)])
