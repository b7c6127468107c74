"""A limit that realised spend must keep with a probability: plans within a smaller expected spend, until one keeps it.

What customers redeem differs from what is expected for two reasons: their own chance, which averages out over
customers, and the error of what is known about all of them, which does not. The second is in the joint draws. The first
is normal in sum where many redeem. Where few do, the probability of every number of redemptions is computed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr

if TYPE_CHECKING:
    from collections.abc import Callable

    from kundenwert.models.core import Array
    from kundenwert.winback.choice import Choice
    from kundenwert.winback.gains import Spending

__all__ = ["p_within", "within_cap"]

ROUNDS: Final = 6
MORE_ROUNDS: Final = 16  # where redemptions are counted: one more may be a large step
CLOSE: Final = 0.01  # share of the cap that may be left unused
ROUNDING: Final = 1e-12
NORMAL: Final = 100.0  # variance of the number of redemptions from which on a normal sum is right to about 0.005
WORK: Final = 1e6  # customers times numbers of redemptions that are looked at
SPREADS: Final = 9.0  # standard deviations beyond which there is next to nothing
SIMULATED: Final = 2**17  # sums in all draws together, where redemptions differ in cost
STEPS: Final = 2000  # numbers of redemptions, added up over their costs, that a simulation tells apart
SEED: Final = 1  # the same question has the same answer


class _Counted(NamedTuple):
    """What realised spend may be, and how likely each is, shape (draws, values); of a draw they sum to 1."""

    spend: Array
    weight: Array


def p_within(spending: Spending, limit: float) -> float:
    """P(realised spend is within the limit)."""
    return _p_within(spending, _counted(spending), limit)


def within_cap(
    choice_of: Callable[[float], Choice],
    spending: Callable[[Choice], Spending],
    most: float,
    *,
    cap: float,
    probability: float,
) -> tuple[Choice, float]:
    """The choice of the largest value found whose realised spend keeps the cap; and the expected spend it allows.

    Parameters
    ----------
    choice_of
        The best choice by the expected spend that is allowed.
    spending
        What a choice costs.
    most
        Expected spend that is allowed whatever happens.
    cap, probability
        Realised spend is within the cap with this probability.
    """
    limit, kept, refused, rounds = most, None, most, 0.0
    while rounds < ROUNDS:
        choice = choice_of(limit)
        found = spending(choice)
        counted = _counted(found)
        reached = _reached(found, counted, probability)
        if _p_within(found, counted, cap) >= probability:
            kept = choice, limit
            if limit >= most or reached >= cap * (1 - CLOSE):
                break
        else:
            refused = min(limit, choice.cost)
        rounds += 1 if counted is None else ROUNDS / MORE_ROUNDS
        low = 0.0 if kept is None else kept[1]
        # a hair below what keeps the cap by proportion; where few redeem, that may hardly be less
        limit = min(choice.cost * cap / reached * (1 - CLOSE / 4), most) if reached > 0 else 0.0
        if not low < limit < refused or (counted is not None and rounds > 1):
            limit = (low + refused) / 2
        if refused - low <= ROUNDING * refused:
            break
    return kept if kept is not None else (choice_of(0.0), 0.0)


def _p_within(spending: Spending, counted: _Counted | None, limit: float) -> float:
    limit *= 1 + ROUNDING
    if counted is not None:
        below = np.where(counted.spend <= limit, counted.weight, 0.0).sum(axis=-1)
        return float(np.clip(below, 0.0, 1.0).mean())
    spread = np.sqrt(spending.variance)
    room = limit - spending.mean
    certain = np.where(room >= 0, np.inf, -np.inf)
    return float(np.mean(ndtr(np.divide(room, spread, out=certain, where=spread > 0))))


def _reached(spending: Spending, counted: _Counted | None, probability: float) -> float:
    """What realised spend stays below with this probability."""
    if counted is not None:
        order = np.argsort(counted.spend, axis=None)
        below = np.cumsum(counted.weight.ravel()[order]) / len(counted.weight)
        place = min(int(np.searchsorted(below, probability)), len(order) - 1)
        return float(counted.spend.ravel()[order[place]])
    spread = float(np.sqrt(spending.variance.max(initial=0.0)))
    low, high = float(spending.mean.min()) - SPREADS * spread, float(spending.mean.max()) + SPREADS * spread
    if not high > low:
        return high
    beyond = 1e-9 * abs(high) + 1e-12
    return float(brentq(lambda limit: _p_within(spending, None, limit) - probability, low - beyond, high + beyond))


def _counted(spending: Spending) -> _Counted | None:
    """Realised spend, redemption by redemption; None if so many redeem that their sum is normal."""
    if spending.kinds is None:
        return None
    number, redeemed, p = spending.kinds
    variance = number @ (p * (1 - p))
    if variance.max() >= NORMAL:
        return None
    certain = spending.mean - (number * redeemed) @ p  # the contacts
    costs, which = np.unique(redeemed, return_inverse=True)
    groups = [which == place for place in range(len(costs))]
    most = [_most(number[here], p[here]) for here in groups]
    if sum(number[here].sum() * count for here, count in zip(groups, most, strict=True)) > WORK:
        return None
    each = [_numbers(number[here], p[here], count) for here, count in zip(groups, most, strict=True)]
    if len(costs) == 1:
        return _Counted(certain[:, None] + costs[0] * np.arange(most[0] + 1), each[0])
    if sum(most) > STEPS:
        return None
    rng = np.random.default_rng(SEED)
    spend = np.repeat(certain[:, None], -(-SIMULATED // len(certain)), axis=1)
    for cost, chance in zip(costs, each, strict=True):
        drawn = rng.random(spend.shape)
        for until in np.cumsum(chance[:, :-1], axis=1).T:
            spend += cost * (drawn > until[:, None])
    return _Counted(spend, np.full_like(spend, 1 / spend.shape[1]))


def _most(number: Array, p: Array) -> int:
    """More than so many do not redeem."""
    mean, variance = number @ p, number @ (p * (1 - p))
    likely = float((mean + SPREADS * np.sqrt(variance)).max()) + SPREADS**2 / 2
    return int(min(number.sum(), np.ceil(likely)))


def _numbers(number: Array, p: Array, most: int) -> Array:
    """P(so many redeem), for 0 to `most`, shape (draws, most + 1); one customer after the other."""
    result = np.zeros((p.shape[1], most + 1))
    result[:, 0] = 1.0
    for times, chance in zip(number.astype(int).tolist(), p[:, :, None], strict=True):
        for _ in range(times):
            added = chance * result
            result -= added
            result[:, 1:] += added[:, :-1]
    return result
