"""What can be asked of customers who may return, in each state they may be in now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from kundenwert.models.core import Array
    from kundenwert.models.kernels.dormancy import RevivingCustomers

    type Question = Callable[[RevivingCustomers], Array]

__all__ = ["from_return_on", "in_kind", "return_time"]


def in_kind(kind: int, ahead: float) -> Question:
    """P(active, for kind 0, or dormant, for kind 1, at T + ahead)."""

    def probability(customers: RevivingCustomers) -> Array:
        if ahead > 0:
            then = customers.states(ahead)
            return np.asarray(then[:, -1] if kind else then[:, :-1].sum(axis=1))
        now = np.zeros((customers.k + 1, *customers.shape))
        now[-1 if kind else slice(-1)] = 1.0
        return now

    return probability


def return_time(horizon: float) -> Question:
    """Time until the next purchase, counted if it comes in (T, T + horizon]."""
    return lambda customers: customers.return_times(horizon)


def from_return_on(rate: float, horizon: float) -> Question:
    """Discounted purchases for life from the next one on, as of then, if it comes in (T, T + horizon]."""
    return lambda customers: customers.returns(horizon) * customers.second_life(rate)
