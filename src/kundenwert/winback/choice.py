"""Whom to make which offer with a budget: a multiple-choice knapsack, by the price of a unit of budget.

At a price nu of a unit of budget, everybody is made the offer whose value less nu times its cost is largest, if that is
positive. As nu falls, customers step from no offer to a cheap one and from there to dearer ones; each step has a
value per unit of cost, and those on the way are the corners of the upper convex hull of a customer's (cost, value)
points. Taking steps by falling value per cost until the budget is spent solves the problem in which the last step may
be made in part, which no plan can beat (Sinha & Zoltners 1979, Operations Research 27(3), 503-515). The price of the
last step is the shadow price: what one unit of budget more would bring.

Customers who are alike have steps of the same price. A random priority tells them apart. What the plan does at the last
step is then a rule that can be asked of anybody, those included who were held out: all steps before it are taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kundenwert.models.core import Array

__all__ = ["Choice", "Cut", "Steps", "choose", "offers_before", "steps_of"]

NOBODY: Final = -1
FIRST: Final = -1.0  # the priority of what costs nothing
MOST_FILLED: Final = 200
ROUNDING: Final = 1e-12


class Steps(NamedTuple):
    """Steps by falling value per cost, each of shape (steps,): whose, to which offer, and what changes by it.

    Of several with the same value per cost, those with the lowest priority come first.
    """

    customer: NDArray[np.int64]
    offer: NDArray[np.int64]
    cost: Array
    value: Array
    price: Array
    priority: Array


class Cut(NamedTuple):
    """The first step that is not taken: all with a higher price are, and of those with the same, the lower ones."""

    price: float
    priority: float


EVERYTHING: Final = Cut(0.0, FIRST)


@final
@dataclass(frozen=True, slots=True)
class Choice:
    """Who is made which offer.

    Attributes
    ----------
    offer
        Position of the offer, -1 for none, shape (customers,).
    cut
        Where the rule ends that is the same for everybody.
    by_rule
        Whether the rule decides on the customer, shape (customers,). The others are made their offer because it fitted
        into the rest of the budget.
    value, cost
        Expected in total.
    bound
        What no plan within the budget can exceed.
    """

    offer: NDArray[np.int64]
    cut: Cut
    by_rule: NDArray[np.bool_]
    value: float
    cost: float
    bound: float

    @property
    def shadow_price(self) -> float:
        """What one unit of budget more would bring; 0 if there is enough."""
        return self.cut.price

    @property
    def gap(self) -> float:
        """How far the value may be below that of the best plan, at most."""
        return max(self.bound - self.value, 0.0)


def choose(
    value: Array, cost: Array, budget: float, priority: Array | None = None, *, comparable: bool = False
) -> Choice:
    """The choice of the largest total value whose total cost is within the budget, or nearly so: see `gap`.

    Parameters
    ----------
    value, cost
        Expected value and cost (0 or more) of each offer to each customer, shape (customers, offers); a value of -inf
        rules an offer out.
    budget
        0 or more; may be inf.
    priority
        Of each customer, 0 or more: of those who bring the same per unit of cost, the lowest come first, shape
        (customers,). By default the order of the rows.
    comparable
        Whether those with an offer by the rule keep it, so that they are like the held-out to whom it gives the same.
        Otherwise the rest of the budget may also be spent on making a few of them a dearer one.
    """
    rank = np.arange(len(value), dtype=np.float64) if priority is None else priority
    steps = steps_of(value, cost, rank)
    spent = np.cumsum(steps.cost)
    taken = int(np.searchsorted(spent, budget * (1 + ROUNDING), side="right"))
    offer = np.full(len(value), NOBODY, dtype=np.int64)
    np.put(offer, steps.customer[:taken], steps.offer[:taken])  # the last of a customer's steps stays
    by_rule = np.ones(len(value), dtype=np.bool_)
    at_most, cut = float(steps.value[:taken].sum()), EVERYTHING
    if taken < len(steps.price):
        cut = Cut(float(steps.price[taken]), float(steps.priority[taken]))
        left = max(budget - (float(spent[taken - 1]) if taken else 0.0), 0.0)
        at_most += cut.price * left
        by_rule = ~_filled(offer, value, cost, rank, left, changes=not comparable)
    who = np.flatnonzero(offer >= 0)
    reached = float(value[who, offer[who]].sum())
    return Choice(
        offer=offer,
        cut=cut,
        by_rule=by_rule,
        value=reached,
        cost=float(cost[who, offer[who]].sum()),
        bound=max(at_most, reached) if taken < len(steps.price) else reached,
    )


def steps_of(value: Array, cost: Array, priority: Array) -> Steps:
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
        infinite = np.full(len(who), np.inf)
        found.append(Steps(who, best[who], np.zeros(len(who)), at_value[who], infinite, np.full(len(who), FIRST)))
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
        found.append(Steps(who, to, dearer[who, to], more[who, to], steepest[who], priority[who]))
        at_cost[who], at_value[who] = cost[who, to], value[who, to]
    if not found:
        nobody, nothing = np.zeros(0, dtype=np.int64), np.zeros(0)
        return Steps(nobody, nobody, nothing, nothing, nothing, nothing)
    price, rank = np.concatenate([each.price for each in found]), np.concatenate([each.priority for each in found])
    order = np.lexsort((rank, -price))  # stable: a customer's steps stay in order
    return Steps(
        customer=np.concatenate([each.customer for each in found])[order],
        offer=np.concatenate([each.offer for each in found])[order],
        cost=np.concatenate([each.cost for each in found])[order],
        value=np.concatenate([each.value for each in found])[order],
        price=price[order],
        priority=rank[order],
    )


def offers_before(value: Array, cost: Array, priority: Array, cut: Cut) -> NDArray[np.int64]:
    """What the rule offers to anybody: the last step before the cut, -1 for none, shape (customers,)."""
    steps = steps_of(value, cost, priority)
    taken = (steps.price > cut.price) | ((steps.price == cut.price) & (steps.priority < cut.priority))
    offer = np.full(len(value), NOBODY, dtype=np.int64)
    np.put(offer, steps.customer[taken], steps.offer[taken])
    return offer


def _filled(
    offer: NDArray[np.int64], value: Array, cost: Array, priority: Array, left: float, *, changes: bool
) -> NDArray[np.bool_]:
    """Spend what is left on the best single offers that fit, one after the other; who got one, shape (customers,)."""
    got = np.zeros(len(value), dtype=np.bool_)
    order = np.argsort(priority, kind="stable")  # ties are not decided by the order of the rows
    some = order if changes else order[offer[order] == NOBODY]
    has = offer[some] >= 0
    at_value, at_cost = (np.where(has, part[some, offer[some]], 0.0) for part in (value, cost))
    value, cost = value[some], cost[some]
    for _ in range(MOST_FILLED if len(some) else 0):
        more = np.where(cost - at_cost[:, None] <= left, value - at_value[:, None], -np.inf)
        who, to = divmod(int(more.argmax()), value.shape[1])
        if not more[who, to] > 0:
            break
        left -= float(cost[who, to] - at_cost[who])
        offer[some[who]], got[some[who]] = to, True
        # a second change is none of those who may only be given an offer
        at_value[who], at_cost[who] = (value[who, to], cost[who, to]) if changes else (np.inf, 0.0)
    return got
