"""What BG/NBD and MBG/NBD share: parameters, the quantities behind them, and the simulator.

Purchase rate while active ~ Gamma(r, alpha); probability of dropping out after a purchase ~ Beta(a, b).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from kundenwert.duration import units_per_year
from kundenwert.models._base import Purchases, Quantity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kundenwert.duration import TimeUnit
    from kundenwert.models._functions import Array
    from kundenwert.priors import Prior

__all__ = ["BetaGeometric", "parameters_of", "quantities_of", "quantities_with", "simulate"]


class BetaGeometric(NamedTuple):
    """Parameters r, alpha (in units of time), a and b."""

    r: Array
    alpha: Array
    a: Array
    b: Array


def quantities_with(mean_rate: Prior, shape: Prior, mean_dropout: Prior, concentration: Prior) -> tuple[Quantity, ...]:
    """The four quantities with their priors: r/alpha per year, r, a/(a+b) and a+b."""
    return (
        Quantity("mean_rate", mean_rate, 3.0),
        Quantity("shape", shape, 1.0),
        Quantity("mean_dropout", mean_dropout, 0.3, is_probability=True),
        Quantity("concentration", concentration, 3.0),
    )


def parameters_of(quantities: Sequence[Array], unit: TimeUnit) -> BetaGeometric:
    """r, alpha, a, b from the four quantities."""
    mean_rate, shape, mean_dropout, concentration = quantities
    return BetaGeometric(
        r=shape,
        alpha=shape / (mean_rate / units_per_year(unit)),
        a=mean_dropout * concentration,
        b=(1 - mean_dropout) * concentration,
    )


def quantities_of(theta: BetaGeometric, unit: TimeUnit) -> tuple[Array, ...]:
    """The four quantities from r, alpha, a, b."""
    return (
        theta.r / theta.alpha * units_per_year(unit),
        theta.r,
        theta.a / (theta.a + theta.b),
        theta.a + theta.b,
    )


def simulate(theta: BetaGeometric, T: Array, rng: np.random.Generator, *, leave_after_first: bool) -> Purchases:
    """Repeat purchases in (0, T]; `leave_after_first` tells whether the first purchase can already be the last."""
    size = len(T)
    rate = rng.gamma(theta.r, 1 / np.asarray(theta.alpha), size)
    dropout = rng.beta(theta.a, theta.b, size)
    customer = np.arange(size)
    if leave_after_first:
        customer = customer[rng.random(size) >= dropout]
    time = np.zeros(len(customer))
    customers, times = [customer[:0]], [time[:0]]
    while len(customer):
        with np.errstate(divide="ignore", over="ignore"):  # a rate so small that the next purchase never comes
            time = time + rng.exponential(size=len(customer)) / rate[customer]
        observed = time <= T[customer]
        customer, time = customer[observed], time[observed]
        customers.append(customer)
        times.append(time)
        stays = rng.random(len(customer)) >= dropout[customer]
        customer, time = customer[stays], time[stays]
    who, when = np.concatenate(customers), np.concatenate(times)
    order = np.lexsort((when, who))
    return Purchases(customer=who[order].astype(np.int64), time=when[order])
