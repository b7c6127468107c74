"""Futures of customers who may return, given their histories: first state, rate and lapse probability are drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, final

import numpy as np

from kundenwert.models.core import Purchases
from kundenwert.models.kernels.dormancy import RevivingCustomers
from kundenwert.models.kernels.revival_histories import after_lapse, all_dormant, batches

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kundenwert.models.core import Array, History
    from kundenwert.models.kernels.revival_histories import Revival

__all__ = ["futures"]


@final
@dataclass(frozen=True, slots=True)
class _Drawn:
    """What has been drawn of each future: shape (histories × futures,).

    Attributes
    ----------
    state
        Phases 0 … k - 1, k if dormant, k + 1 if gone.
    dormant_gaps
        How many of the completed gaps were dormant.
    log_rate
        log lambda.
    """

    state: NDArray[np.int64]
    dormant_gaps: NDArray[np.int64]
    log_rate: Array

    @classmethod
    def empty(cls, size: int) -> Self:
        return cls(np.zeros(size, dtype=np.int64), np.zeros(size, dtype=np.int64), np.zeros(size))


def futures(  # noqa: PLR0917 - as PurchaseModel.simulate_ahead
    theta: Revival, k: int, h: History, draws: NDArray[np.intp], horizon: float, rng: np.random.Generator
) -> Purchases:
    """Simulated purchases in (T, T + horizon] of several futures of each history.

    Future j of history i, of which there are as many as `draws`, has the parameters ``draws[j]`` and the number
    i × futures + j.
    """
    drawn = _drawn(theta, k, h, draws, rng)
    row, future = np.divmod(np.arange(len(drawn.state)), len(draws))
    own = theta.at(draws[future])
    x = h["x"].ravel()[row]
    lapsed = drawn.state >= k
    p = rng.beta(own.a + drawn.dormant_gaps + lapsed, own.b + (x - drawn.dormant_gaps) + ~lapsed)
    customers, times = [], []
    for state in range(k + 1):
        who = np.flatnonzero(drawn.state == state)
        some = RevivingCustomers(k=k, lam=np.exp(drawn.log_rate[who]), p=p[who], omega=own.omega[who], eta=own.eta[who])
        bought = some.in_state(state).simulate(horizon, rng)
        customers.append(who[bought.customer])
        times.append(bought.time)
    return Purchases(customer=np.concatenate(customers), time=np.concatenate(times))


def _drawn(theta: Revival, k: int, h: History, draws: NDArray[np.intp], rng: np.random.Generator) -> _Drawn:
    """Draw states, dormant gaps and rates from what the histories say."""
    needed, place = np.unique(draws, return_inverse=True)
    theta = theta.at(needed)
    drawn = _Drawn.empty(len(h["x"]) * len(draws))
    before = all_dormant(theta, k, h)
    dormant, gone = after_lapse(theta, h)
    *phases, lapsed = before.values
    none_active = np.stack([*phases, lapsed * dormant, lapsed * gone])
    unclear = np.ones((len(h["x"]), len(draws)), dtype=np.bool_)  # whether no gap was active
    chance = rng.random((len(h["x"]), len(draws)))
    for batch in batches(theta, k, h):
        of_batch = np.flatnonzero(np.isin(place, batch.draws))
        if not len(of_batch):
            continue
        column = np.searchsorted(batch.draws, place[of_batch])
        for block in batch.blocks(k):
            cells = np.ix_(block.rows, batch.draws)
            highest = np.maximum(before.log_scale[cells], block.log_scale)
            with np.errstate(under="ignore"):
                without, factor = np.exp(before.log_scale[cells] - highest), np.exp(block.log_scale - highest)
            parts = [none_active[:, *cells].sum(axis=0) * without]
            for m, e_m in enumerate(block.sums):
                stay, lapse = (chance * factor for chance in batch.chances(m))
                parts += list(stay * np.einsum("nps,knp->kns", e_m, block.phases))
                parts += [lapse * after[cells] * e_m.sum(axis=1) for after in (dormant, gone + 0.0 * dormant)]
            total = np.cumsum(parts, axis=0)
            row, future = np.divmod(np.arange(len(block.rows) * len(of_batch)), len(of_batch))
            reached = total[:, row, column[future]]
            which = (reached <= chance[block.rows[row], of_batch[future]] * reached[-1]).sum(axis=0)
            number = block.rows[row] * len(draws) + of_batch[future]
            unclear[block.rows[row], of_batch[future]] = which == 0
            for each in np.unique(which[which > 0]).tolist():
                who = np.flatnonzero(which == each)
                m, state = divmod(each - 1, k + 2)
                density = block.sums[m][row[who], :, column[future[who]]]
                if state < k:
                    density = density * block.phases[state, row[who]]
                drawn.state[number[who]] = state
                drawn.dormant_gaps[number[who]] = m
                drawn.log_rate[number[who]] = batch.group.nodes.log_rate[_choice(density, rng)]
    row, future = np.nonzero(unclear)
    number, own = row * len(draws) + future, theta.at(place[future])
    reached = np.cumsum(none_active[:, row, place[future]], axis=0)
    state = (reached <= rng.random(len(row)) * reached[-1]).sum(axis=0)
    silence = (h["T"] - h["t_x"]).ravel()[row]
    active = state < k
    shape = own.r + np.where(active, state, 0)
    drawn.state[number] = state
    drawn.dormant_gaps[number] = h["x"].ravel()[row].astype(np.int64)
    drawn.log_rate[number] = log_gamma(shape, rng) - np.log(own.alpha + np.where(active, silence, 0.0))
    return drawn


def log_gamma(shape: Array, rng: np.random.Generator) -> Array:
    """Logarithms of gamma variables, which may be too small for floating-point numbers themselves."""
    return np.log(rng.standard_gamma(shape + 1)) - rng.standard_exponential(len(shape)) / shape


def _choice(density: Array, rng: np.random.Generator) -> NDArray[np.int64]:
    """A node for each row, with probabilities in proportion to the density there."""
    reached = np.cumsum(density, axis=1)
    return np.asarray((reached <= rng.random(len(density))[:, None] * reached[:, -1:]).sum(axis=1))
