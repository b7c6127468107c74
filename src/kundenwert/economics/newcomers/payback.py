"""When a new customer has paid back what it cost to win them: the average one, and a single one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from kundenwert.economics.flows.cumulated import OverEvents, OverTime
from kundenwert.economics.flows.streams import event_weights, periods_per_year
from kundenwert.economics.flows.timeline import Timeline
from kundenwert.errors import SizeError
from kundenwert.posterior.base import thinning
from kundenwert.posterior.contract import ContractPosterior

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kundenwert.economics.newcomers.newcomers import Newcomer
    from kundenwert.models.core import Array

__all__ = ["payback_of_average", "payback_of_single"]

EVEN_STEPS: Final = 512
GRADED_STEPS: Final = 256
TOLERANCE: Final = 1e-12
MOST_STEPS: Final = 100
MOST_PURCHASES: Final = 2**27
PURCHASES_AT_ONCE: Final = 2**20
CUSTOMERS_AT_ONCE: Final = (16, 8192)


def payback_of_average(newcomer: Newcomer) -> Array:
    """The first time at which the expected contribution covers the acquisition cost; inf if not within the limit.

    For each draw, in the unit of the posterior, shape (draws,).
    """
    cost, limit = newcomer.terms.acquisition_cost, newcomer.limit
    if not isinstance(newcomer.purchases, OverTime):
        times = np.arange(limit + 1)
        covered = newcomer.contribution(times) >= cost
        return np.where(covered.any(axis=0), times[np.argmax(covered, axis=0)], np.inf)
    scale = newcomer.purchases.scale
    graded = scale * np.expm1(np.linspace(0, np.log1p(limit / scale), GRADED_STEPS + 1)[:-1])
    line = newcomer.along_margin
    breaks = np.array([start for start, _ in (*line.rates, *line.margins)]) * periods_per_year(newcomer.cells)
    times = np.unique(np.r_[graded, np.linspace(0, limit, EVEN_STEPS + 1), breaks[breaks < limit]])
    over = newcomer.contribution(times) - cost
    place = np.argmax(over >= 0, axis=0)
    result = times[place]
    later = np.flatnonzero(place > 0)
    low, high = times[place[later] - 1], times[place[later]]
    over_low, over_high = over[place[later] - 1, later], over[place[later], later]
    side = np.zeros(len(later))  # on which the last point was
    for step in range(MOST_STEPS):
        if (high - low <= TOLERANCE * high).all():
            break
        # a straight line between the two, by the Illinois method; where it may stand still, half of the way
        middle = high - (high - low) * over_high / (over_high - over_low)
        middle = np.where((over_high == 0) | (step % 4 == 3), (low + high) / 2, middle)
        result[later] = middle
        here = newcomer.contribution_of_each(result)[later] - cost
        below = here < 0
        over_high = np.where(below, np.where(side < 0, over_high / 2, over_high), here)
        over_low = np.where(below, here, np.where(side > 0, over_low / 2, over_low))
        low, high, side = np.where(below, middle, low), np.where(below, high, middle), np.where(below, -1.0, 1.0)
    result[later] = high
    return np.where((over >= 0).any(axis=0), result, np.inf)


def payback_of_single(newcomer: Newcomer, customers: int, seed: list[int]) -> Array:
    """The time at which the contribution of each simulated customer covers the acquisition cost.

    It is inf if that is not within the limit.

    Shape (customers,). Each takes another draw of the parameters, their own chance to stay and to buy, and their own
    amounts. Customers whom they bring count on average.

    Raises
    ------
    SizeError
        If there are too many purchases to be simulated.
    """
    draws = thinning(len(newcomer.amount), customers)
    flat = Timeline(rates=((0.0, 0.0),), horizon=newcomer.plain.horizon)
    mean = float(newcomer.purchases(np.array([newcomer.limit]), flat).mean())
    if mean * customers > MOST_PURCHASES:
        message = (
            f"{customers:,} simulated customers are expected to make {mean * customers:.2g} purchases, more than the "
            f"{MOST_PURCHASES:.2g} allowed; take fewer futures or a shorter horizon, or leave single customers out: "
            "futures=0"
        )
        raise SizeError(message)
    step = int(np.clip(PURCHASES_AT_ONCE / max(mean, 1), *CUSTOMERS_AT_ONCE))
    blocks = [(start, draws[start : start + step]) for start in range(0, customers, step)]
    found = [_simulated(newcomer, block, np.random.default_rng([*seed, start])) for start, block in blocks]
    return np.concatenate(found)


def _simulated(newcomer: Newcomer, draws: NDArray[np.int64], rng: np.random.Generator) -> Array:
    terms, count = newcomer.terms, len(draws)
    customer, time = _events(newcomer, draws, rng)
    if newcomer.spend is None:
        assert terms.amount is not None  # noqa: S101 - amounts are modelled or known
        amount, first = np.full(len(time), terms.amount), np.full(count, terms.first_amount)
    else:  # the first purchase is one of the customer's purchases
        who = np.r_[np.arange(count), customer]
        amounts = newcomer.spend.of_cells.amounts(newcomer.cells, slice(0, 1), draws, who, rng)
        first, amount = amounts[:count], amounts[count:]
        if terms.first_amount is not None:
            first = np.full(count, terms.first_amount)
    besides = newcomer.worth[draws] - terms.order_cost
    at_once = terms.first * (terms.margin_now * first + besides)
    gain = terms.margin * amount * _weights(newcomer, newcomer.along_margin, time)
    gain += besides[customer] * _weights(newcomer, newcomer.plain, time)
    total = np.r_[0.0, np.cumsum(gain)]
    start = np.searchsorted(customer, np.arange(count))
    value = at_once[customer] + total[1:] - total[start][customer]
    value -= terms.annual_retention_cost * newcomer.service.until(time, customer, count)
    served = newcomer.service.on_average(np.zeros(1))[0, 0]  # what is paid now is the same in all draws
    now = at_once - terms.annual_retention_cost * served
    result = np.where(now >= terms.acquisition_cost, 0.0, np.inf)
    covered = value >= terms.acquisition_cost
    np.minimum.at(result, customer[covered], time[covered])
    return result


def _events(newcomer: Newcomer, draws: NDArray[np.int64], rng: np.random.Generator) -> tuple[NDArray[np.int64], Array]:
    """Who buys, or renews, and when, in order of customer and time."""
    if not isinstance(newcomer.posterior, ContractPosterior):
        values = newcomer.posterior.of_cells
        bought = values.futures(newcomer.cells, slice(0, 1), draws, newcomer.limit, rng)
        order = np.lexsort((bought.time, bought.customer))
        return bought.customer[order], bought.time[order]
    contracts = newcomer.posterior.chosen(draws).of_cells
    ends = contracts.of_active(newcomer.cells, lambda contract: contract.simulate(rng), 1.0)(slice(0, 1))[0]
    renewals = np.minimum(ends - 1, newcomer.limit).astype(np.int64)
    customer = np.repeat(np.arange(len(draws)), renewals)
    number = np.arange(len(customer)) - np.repeat(np.cumsum(renewals) - renewals, renewals)
    return customer, number + 1.0


def _weights(newcomer: Newcomer, timeline: Timeline, time: Array) -> Array:
    """What money at each time counts."""
    if isinstance(newcomer.purchases, OverEvents):
        of_event = event_weights(newcomer.cells, timeline, length=math.floor(newcomer.limit))
        return np.asarray(of_event[time.astype(np.int64) - 1])
    return timeline.discount(time / periods_per_year(newcomer.cells))
