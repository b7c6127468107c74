"""Whom to make which offer with a budget: a multiple-choice knapsack, by the price of a unit of budget.

At a price nu of a unit of budget, everybody is made the offer whose value less nu times its cost is largest, if that is
positive. As nu falls, customers step from no offer to a cheap one and from there to dearer ones; each step has a
value per unit of cost, and those on the way are the corners of the upper convex hull of a customer's (cost, value)
points. Taking steps by falling value per cost until the budget is spent solves the problem in which the last step may
be made in part, which no plan can beat (Sinha & Zoltners 1979, Operations Research 27(3), 503-515). The price of the
last step is the shadow price: what one unit of budget more would bring.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kundenwert.models.core import Array

__all__ = ["Choice", "Steps", "choose", "offer_at", "steps_of"]

NOBODY: Final = -1
MOST_SWAPS: Final = 200
ROUNDING: Final = 1e-12


class Steps(NamedTuple):
    """Steps by falling value per cost, each of shape (steps,): whose, to which offer, and what changes by it."""

    customer: NDArray[np.int64]
    offer: NDArray[np.int64]
    cost: Array
    value: Array
    price: Array


@final
@dataclass(frozen=True, slots=True)
class Choice:
    """Who is made which offer.

    Attributes
    ----------
    offer
        Position of the offer, -1 for none, shape (customers,).
    value, cost
        Expected in total.
    shadow_price
        What one unit of budget more would bring; 0 if there is enough.
    bound
        What no plan within the budget can exceed.
    """

    offer: NDArray[np.int64]
    value: float
    cost: float
    shadow_price: float
    bound: float

    @property
    def gap(self) -> float:
        """How far the value may be below that of the best plan, at most."""
        return max(self.bound - self.value, 0.0)


def choose(value: Array, cost: Array, budget: float) -> Choice:
    """The choice of the largest total value whose total cost is within the budget, or nearly so: see `gap`.

    Parameters
    ----------
    value, cost
        Expected value and cost (0 or more) of each offer to each customer, shape (customers, offers); a value of -inf
        rules an offer out.
    budget
        0 or more; may be inf.
    """
    steps = steps_of(value, cost)
    spent = np.cumsum(steps.cost)
    taken = int(np.searchsorted(spent, budget * (1 + ROUNDING), side="right"))
    offer = np.full(len(value), NOBODY, dtype=np.int64)
    np.put(offer, steps.customer[:taken], steps.offer[:taken])  # the last of a customer's steps stays
    price = float(steps.price[taken]) if taken < len(steps.price) else 0.0
    at_most = float(steps.value[:taken].sum())
    if taken < len(steps.price):
        left = budget - (float(spent[taken - 1]) if taken else 0.0)
        at_most += price * max(left, 0.0)
        _fill(offer, value, cost, max(left, 0.0))
    who = np.flatnonzero(offer >= 0)
    reached = float(value[who, offer[who]].sum())
    return Choice(
        offer=offer,
        value=reached,
        cost=float(cost[who, offer[who]].sum()),
        shadow_price=price,
        bound=max(at_most, reached) if taken < len(steps.price) else reached,
    )


def steps_of(value: Array, cost: Array) -> Steps:
    """The steps of all customers, by falling value per cost; what costs nothing comes first, at an infinite price."""
    customers = len(value)
    every = np.arange(customers)
    at_cost, at_value = np.zeros(customers), np.zeros(customers)
    found: list[Steps] = []
    free = np.where(cost <= 0, value, -np.inf)
    if value.size:
        best = free.argmax(axis=1)
        who = np.flatnonzero(free[every, best] > 0)
        at_value[who] = free[who, best[who]]
        found.append(Steps(who, best[who], np.zeros(len(who)), at_value[who], np.full(len(who), np.inf)))
    for _ in range(value.shape[1]):
        more, dearer = value - at_value[:, None], cost - at_cost[:, None]
        on = (more > 0) & (dearer > 0)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            slope = np.where(on, more / dearer, -np.inf)
        if not on.any():
            break
        steepest = slope.max(axis=1)
        # of several on a line, the farthest
        last = np.where(slope == steepest[:, None], dearer, -np.inf).argmax(axis=1)
        who = np.flatnonzero(steepest > 0)
        to = last[who]
        found.append(Steps(who, to, dearer[who, to], more[who, to], steepest[who]))
        at_cost[who], at_value[who] = cost[who, to], value[who, to]
    if not found:
        nobody, nothing = np.zeros(0, dtype=np.int64), np.zeros(0)
        return Steps(nobody, nobody, nothing, nothing, nothing)
    order = np.argsort(-np.concatenate([each.price for each in found]), kind="stable")
    return Steps(
        customer=np.concatenate([each.customer for each in found])[order],
        offer=np.concatenate([each.offer for each in found])[order],
        cost=np.concatenate([each.cost for each in found])[order],
        value=np.concatenate([each.value for each in found])[order],
        price=np.concatenate([each.price for each in found])[order],
    )


def offer_at(value: Array, cost: Array, price: float) -> NDArray[np.int64]:
    """The offer that everybody would be made at a price of a unit of budget, -1 for none, shape (customers,)."""
    with np.errstate(invalid="ignore"):
        worth = value - price * cost
    worth = np.where(np.isnan(worth), -np.inf, worth)
    best = worth.argmax(axis=1)
    return np.where(worth[np.arange(len(value)), best] > 0, best, NOBODY)


def _fill(offer: NDArray[np.int64], value: Array, cost: Array, left: float) -> None:
    """Spend what is left on the best single changes that fit, one after the other."""
    every = np.arange(len(value))
    has = offer >= 0
    at_value = np.where(has, value[every, offer], 0.0)
    at_cost = np.where(has, cost[every, offer], 0.0)
    for _ in range(MOST_SWAPS):
        more = np.where(cost - at_cost[:, None] <= left, value - at_value[:, None], -np.inf)
        flat = int(more.argmax())
        who, to = divmod(flat, value.shape[1])
        if not more[who, to] > 0:
            return
        left -= float(cost[who, to] - at_cost[who])
        offer[who] = to
        at_value[who], at_cost[who] = value[who, to], cost[who, to]
