"""A limit that realised spend must keep with a probability: plans within a smaller expected spend, until one keeps it.

What customers redeem differs from what is expected for two reasons: their own chance, which averages out over
customers, and the error of what is known about all of them, which does not. The second is in the joint draws.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr

from kundenwert.winback.choice import choose

if TYPE_CHECKING:
    from collections.abc import Callable

    from kundenwert.models.core import Array
    from kundenwert.winback.choice import Choice
    from kundenwert.winback.gains import Spending

__all__ = ["p_within", "within_cap"]

ROUNDS: Final = 6
CLOSE: Final = 0.01  # share of the cap that may be left unused
ROUNDING: Final = 1e-12


def p_within(spending: Spending, limit: float) -> float:
    """P(realised spend is within the limit); customers' own chance is taken to be normal in sum."""
    return float(np.mean(_below(spending, limit)))


def within_cap(
    value: Array,
    cost: Array,
    budget: float,
    spending: Callable[[Choice], Spending],
    *,
    cap: float,
    probability: float,
) -> tuple[Choice, float]:
    """The choice of the largest value found whose realised spend keeps the cap; and the expected spend it allows."""
    limit, kept = min(budget, cap), None
    for _ in range(ROUNDS):
        choice = choose(value, cost, limit)
        found = spending(choice)
        if p_within(found, cap) >= probability:
            kept = choice, limit
            if limit >= min(budget, cap) or _reached(found, probability) >= cap * (1 - CLOSE):
                break
        reached = _reached(found, probability)
        if reached <= 0:
            break
        # a hair below what keeps the cap by proportion
        limit = min(choice.cost * cap / reached * (1 - CLOSE / 4), budget, cap)
        if kept is not None and limit <= kept[1]:
            break
    return kept if kept is not None else (choose(value, cost, 0.0), 0.0)


def _reached(spending: Spending, probability: float) -> float:
    """What realised spend stays below with this probability."""
    spread = float(np.sqrt(spending.variance.max(initial=0.0)))
    low, high = float(spending.mean.min()) - 9 * spread, float(spending.mean.max()) + 9 * spread
    if not high > low:
        return high
    beyond = 1e-9 * abs(high) + 1e-12
    return float(brentq(lambda limit: p_within(spending, limit) - probability, low - beyond, high + beyond))


def _below(spending: Spending, limit: float) -> Array:
    spread = np.sqrt(spending.variance)
    room = limit * (1 + ROUNDING) - spending.mean
    certain = np.where(room >= 0, np.inf, -np.inf)
    return np.asarray(ndtr(np.divide(room, spread, out=certain, where=spread > 0)))
