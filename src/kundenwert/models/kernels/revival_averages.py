"""What is expected of customers who may return, given their histories.

Given rate lambda, probability p of a lapse and state, the future no longer depends on the history. So expectations are
tabulated once per draw over log lambda and logit p, and averaged over what histories tell of both: over p by the
trapezoidal rule under the beta distributions that go with each number of dormant gaps, over lambda at the nodes of the
likelihood. All that is asked at once is averaged in the same products of matrices, one for each draw.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

import numpy as np

from kundenwert.models.kernels.gap_modes import RateNodes
from kundenwert.models.kernels.revival_histories import Joint, after_lapse, all_dormant, batches, shares
from kundenwert.models.kernels.revival_tables import product

if TYPE_CHECKING:
    from kundenwert.models.core import Array, History
    from kundenwert.models.kernels.dormancy import RevivingCustomers
    from kundenwert.models.kernels.revival_histories import Batch, Revival
    from kundenwert.models.kernels.revival_tables import Expectation, Table, Tables

__all__ = ["averages", "second_life"]

POWERS_AT_ONCE: Final = 8
POWERS_KEPT: Final = 64
KINDS: Final = 3  # active, dormant, gone


def second_life(expectation: Expectation, first: float) -> Expectation:
    """What is expected from a purchase on that customers make now, of whatever kind they are; it counts `first`."""

    def values(customers: RevivingCustomers) -> Array:
        *phases, dormant = expectation(customers)
        lapse = customers.p
        after = first + (1 - lapse) * phases[0] + customers.omega * lapse * dormant
        return np.broadcast_to(after, (len(phases) + 2, *after.shape))

    return values


def averages(k: int, h: History, tables: Tables) -> Array:
    """P(active, dormant, gone) times what is expected there, given histories; shape (expectations, 3, cells, draws)."""
    draws = len(tables.theta.r)
    result = np.empty((len(tables.expectations), KINDS, len(h["x"]), draws))
    for rows, table in tables.blocks():
        result[..., rows] = _averages(tables.theta.at(rows), k, h, table)
    return result


def _averages(theta: Revival, k: int, h: History, table: Table) -> Array:
    """The same for the draws of one table."""
    found = _all_dormant(theta, k, h, table)
    for batch in batches(theta, k, h):
        expected, nodes = _AtNodes(table.at(batch.draws), batch), len(batch.group.nodes.t)
        for block in batch.blocks(k):
            shape = len(batch.draws), len(block.rows)
            active, lapsed = np.zeros((*shape, table.expectations + 1)), np.zeros((*shape, table.lapsed.shape[2] + 1))
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
    return _by_kind(found.values, theta, h, table)


def _by_kind(values: Array, theta: Revival, h: History, table: Table) -> Array:
    """What is expected by kind, from that of the active and of those who lapsed; the last of each says how many."""
    count, who = table.expectations, table.tell_of_gone
    active, lapsed = values[: count + 1], values[count + 1 :]
    dormant, gone = after_lapse(theta, h)
    result = np.zeros((count, KINDS, *values.shape[1:]))
    result[:, 0] = active[:count]
    result[:, 1] = lapsed[:count] * dormant
    result[who, 2] = lapsed[count:-1] * gone
    total = active[count] + lapsed[-1] * (dormant + gone)
    return np.maximum(shares(result, total, h), 0.0)  # interpolation may miss nought by a hair


@final
class _AtNodes:
    """What is expected at the nodes of a batch, times the probabilities of staying and lapsing; some powers at once."""

    def __init__(self, table: Table, batch: Batch) -> None:
        weights = table.axes.of_rates(batch.group.nodes.log_rate)
        used = np.flatnonzero(weights.any(axis=0))
        near = slice(used[0], used[-1] + 1)
        self._table, self._weights, self._batch = table.near(near), weights[:, near], batch
        self._kept: dict[int, tuple[Array, Array]] = {}

    def of(self, start: int) -> tuple[Array, Array]:
        """For m = start, start + 1, …, of the active by phase and of those who lapsed; last, 1 of everybody.

        Shapes (phases, draws, powers × nodes, expectations + 1), and (draws, powers × nodes, expectations + 1).
        """
        if start in self._kept:
            return self._kept[start]
        batch = self._batch
        powers = range(start, min(start + POWERS_AT_ONCE, batch.group.x))
        stay, lapse = (each.T[:, :, None] for each in np.stack([batch.chances(m) for m in powers], axis=1))
        of_active, of_lapsed = self._table.of_dormant(batch.theta, batch.group.x, powers)
        active, lapsed = _at(self._weights, of_active), _at(self._weights, of_lapsed)
        draws, count, nodes = lapsed.shape[:3]
        by_phase = np.stack([_with_ones(active[:, :, :, j]) * stay[..., None] for j in range(active.shape[3])])
        found = (
            by_phase.reshape(-1, draws, count * nodes, by_phase.shape[-1]),
            (_with_ones(lapsed) * lapse[..., None]).reshape(draws, count * nodes, -1),
        )
        if start < POWERS_KEPT:
            self._kept[start] = found
        return found


def _with_ones(values: Array) -> Array:
    return np.concatenate([values, np.ones((*values.shape[:-1], 1))], axis=-1)


def _at(weights: Array, values: Array) -> Array:
    """Values (draws, rates, …, powers) at nodes, shape (draws, powers, nodes, …)."""
    by_power = np.ascontiguousarray(np.moveaxis(values, -1, 1))
    at_nodes = product(weights, by_power.reshape(*by_power.shape[:3], -1))
    return at_nodes.reshape(*at_nodes.shape[:3], *by_power.shape[3:])


def _all_dormant(theta: Revival, k: int, h: History, table: Table) -> Joint:
    """Histories whose completed gaps all were dormant, as they are if there is none: of the active, and who lapsed."""
    known = all_dormant(theta, k, h)
    *phases, lapsed = known.values
    count = table.expectations + 1
    values = np.zeros((count + table.lapsed.shape[2] + 1, *lapsed.shape))
    x, silence, T = h["x"].ravel(), (h["T"] - h["t_x"]).ravel(), h["T"].max()
    nodes = RateNodes.of_gamma(theta.r, theta.alpha, T, k)
    prior = np.exp(nodes.log_density(theta.r, theta.alpha)).T[:, :, None]
    weights = table.axes.of_rates(nodes.log_rate)
    elapsed = np.exp(nodes.log_rate) * silence[:, None]
    for m in np.unique(x).astype(np.int64).tolist():
        rows = np.flatnonzero(x == m)
        averaged = table.of_dormant(theta, m, range(m, m + 1))
        of_active, of_lapsed = (_with_ones(_at(weights, each)[:, 0]) for each in averaged)
        for j, phase in enumerate(phases):
            density = np.exp(-elapsed[rows]) * elapsed[rows] ** j  # nought right after a purchase, but for j = 0
            sums = product(density, prior * of_active[:, :, j])
            mean = np.divide(sums, sums[:, :, -1:], out=np.zeros(sums.shape), where=sums[:, :, -1:] > 0)
            mean[:, :, -1] = 1.0
            values[:count, rows] += phase[rows] * mean.T
        mean_of_lapsed = (prior * of_lapsed).sum(axis=1) / prior.sum(axis=1)
        values[count:, rows] = lapsed[rows] * mean_of_lapsed.T[:, None, :]
    return Joint(values, known.log_scale)
