"""Simulated futures of customers with a history do on average what is expected of them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from kundenwert.models.core import AliveCustomer
from kundenwert.testing._comparing import demand, events_average_to

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from kundenwert.models.core import Purchases
    from kundenwert.testing._population import PurchaseCase

__all__ = ["AHEAD_CHECKS", "can_simulate"]

MOST_COUNTED: Final = 3
GROUPS: Final = ((0, 0), (1, 1), (2, 3), (4, math.inf))


def can_simulate(thing: object, base: type, method: str) -> bool:
    """Whether a class has a method of its own instead of the one that says what to write."""
    return getattr(type(thing), method, getattr(base, method)) is not getattr(base, method)


def simulated_futures_are_possible(case: PurchaseCase) -> None:
    """Simulated futures are purchases in (0, horizon] of these customers, and the same ones for the same seed."""
    customers, length = len(case.pairs["x"]), case.lasting(1.0)
    for state in range(len(case.living)):
        if not can_simulate(case.living[state], AliveCustomer, "simulate"):
            continue
        bought, again = (_futures(case, state, 1, length) for _ in range(2))
        inside = (bought.customer >= 0) & (bought.customer < customers)
        demand(inside.all(), f"a purchase of customer {bought.customer[~inside][:1]} of {customers}")
        outside = ~((bought.time > 0) & (bought.time <= length))
        demand(not outside.any(), f"a purchase at {bought.time[outside][:1]} after T, within {length:g}")
        if case.counted:
            whole = (bought.time == np.rint(bought.time)).all()
            demand(whole, "purchases to come do not happen at whole opportunities")
        demand(np.array_equal(again.time, bought.time), "the same seed gives other purchases to come")
        nothing = _futures(case, state, 1, 0.0)
        demand(len(nothing.time) == 0, f"{len(nothing.time)} purchases within a horizon of zero")


def simulated_futures_average_to_the_expectations(case: PurchaseCase) -> None:
    """Simulated purchases to come of living customers are on average what is expected of them."""
    each = max(1, case.customers // len(case.pairs["x"]))
    early, half, length, rate = case.lasting(0.25), case.lasting(0.5), case.lasting(1.0), 1 / case.span
    for state, living in enumerate(case.living):
        if not can_simulate(living, AliveCustomer, "simulate"):
            continue
        bought = _futures(case, state, each, length)
        customers = each * len(case.pairs["x"])
        at = [bought.customer[bought.time <= early], bought.customer[bought.time > half], bought.customer]
        soon, late, within = (np.bincount(who, minlength=customers) for who in at)
        worth = np.bincount(bought.customer, np.exp(-rate * bought.time), customers)
        compared = {
            f"purchases within {length:g}": (within, living.purchases(0.0, length)),
            f"purchases within {early:g}": (soon, living.purchases(0.0, early)),
            f"purchases from {half:g} to {length:g}": (late, living.purchases(half, length - half)),
            f"purchases within {length:g}, discounted": (worth, living.discounted_purchases(rate, length)),
            f"a return within {length:g}": (within > 0, living.returns(length)),
            f"a return within {early:g}": (soon > 0, living.returns(early)),
        }
        for count in range(1, MOST_COUNTED + 1):
            what = f"{count} purchases within {length:g}"
            compared[what] = (within == count, living.count_probability(count, length))
        for what, (actual, expected) in compared.items():
            predicted = np.repeat(expected[:, 0], each)
            for name, pairs in _groups(case):
                group = np.repeat(pairs, each)
                named = f"{what} of those in state {state} after {name}"
                events_average_to(named, actual[group].astype(np.float64), predicted[group])


def _futures(case: PurchaseCase, state: int, each: int, horizon: float) -> Purchases:
    """Purchases to come of customers alive at the pairs of x and T, `each` of them several times."""
    x, T = (np.repeat(case.pairs[name][:, 0], each) for name in ("x", "T"))
    theta = case.model.named([np.repeat(value, len(x)) for value in case.theta])
    rng = np.random.default_rng([case.seed, 2, state])
    return case.model.alive(theta, x, T)[state].simulate(horizon, rng)


def _groups(case: PurchaseCase) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Pairs by frequency, and by whether T is long."""
    x, T = case.pairs["x"][:, 0], case.pairs["T"][:, 0]
    for low, high in GROUPS:
        for long in (False, True):
            group = (x >= low) & (x <= high) & ((case.span < T) == long)
            if group.any():
                number = f"{low}" if low == high else f"{low} or more" if math.isinf(high) else f"{low} to {high}"
                yield f"{number} purchases, T {'above' if long else 'up to'} {case.span:g}", group


AHEAD_CHECKS: Final[tuple[Callable[[PurchaseCase], None], ...]] = (
    simulated_futures_are_possible,
    simulated_futures_average_to_the_expectations,
)
