"""Indirect value: customers who bring customers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

import numpy as np

from kundenwert.economics.assumptions.terms import LARGEST_MONEY
from kundenwert.errors import InfiniteValueError, SpecificationError
from kundenwert.scalars import is_number, is_whole, store_plainly

if TYPE_CHECKING:
    from kundenwert.models.core import Array

__all__ = ["Referral", "worth_of_purchase"]

FOREVER: Final = 10**300  # generations: by then, whatever falls at all has fallen to nothing


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Referral:
    """Customers whom customers bring, who would not have come otherwise.

    Every purchase to come brings `per_purchase` new customers on average; each is worth `value` when they come,
    discounted from then. New customers may bring others: in the second generation by the purchases of the first, and
    so on. What these bring is counted from their own first purchase on, over a horizon as long as that of the question;
    accounting periods start afresh when a newcomer arrives. Discount rates must not change if there is more than one
    generation.

    Parameters
    ----------
    per_purchase : float
        New customers brought by one purchase, on average: 0.02 for one in fifty. A rate per purchase, not per
        year: purchases are what is seen.
    value : float
        What a new customer is worth when they come, their first purchase included and the cost of greeting them
        taken off; without what they in turn bring. For customers who would have come anyway, the acquisition cost
        that was saved. See :func:`kundenwert.new_customer_value`.
    generations : int
        How many generations to count. By default one: only those whom today's customers bring themselves.
    """

    per_purchase: float
    value: float
    generations: int = 1

    def __post_init__(self) -> None:
        if not is_number(self.per_purchase) or not 0 <= self.per_purchase <= LARGEST_MONEY:
            message = f"per_purchase is a number of new customers, 0 or more, got {self.per_purchase!r}"
            raise SpecificationError(message)
        if not is_number(self.value) or not abs(self.value) <= LARGEST_MONEY:
            message = (
                f"value is an amount of money per new customer, of a size of {LARGEST_MONEY:g} at most, got "
                f"{self.value!r}"
            )
            raise SpecificationError(message)
        if not is_whole(self.generations) or self.generations < 1:
            message = f"generations is a whole number of at least 1, got {self.generations!r}"
            raise SpecificationError(message)
        store_plainly(self, "per_purchase", "value")
        object.__setattr__(self, "generations", int(self.generations))


def worth_of_purchase(referral: Referral, purchases_of_new: Array) -> Array:
    """Value of the customers whom one purchase brings, generations and all, per draw.

    Parameters
    ----------
    referral
        Who brings whom.
    purchases_of_new
        Discounted repeat purchases of a new customer, shape (draws,).

    Raises
    ------
    InfiniteValueError
        If a customer brings one new customer or more in any draw, so that generations grow there: even in a few draws,
        they would decide about the mean.
    """
    of_first = np.full(purchases_of_new.shape, referral.per_purchase * referral.value)
    if referral.generations == 1 or referral.per_purchase == 0:
        return of_first
    brought = referral.per_purchase * (1 + purchases_of_new)  # the first purchase brings others, too
    grows = np.count_nonzero(~(brought < 1))
    if grows:
        message = (
            f"a new customer brings {brought.mean():.2f} others on average (discounted, first purchase included), and "
            f"one or more in {grows:,} of {brought.size:,} draws, so that each generation is worth more than the one "
            "before; expected less than 1: take a smaller per_purchase, a shorter horizon, or generations=1"
        )
        raise InfiniteValueError(message)
    number = float(min(referral.generations, FOREVER))
    return np.asarray(of_first * -np.expm1(number * np.log(brought)) / (1 - brought))
