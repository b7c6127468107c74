"""Indirect value: customers who bring customers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

from kundenwert.economics.assumptions.terms import is_number
from kundenwert.errors import InfiniteValueError, SpecificationError

if TYPE_CHECKING:
    from kundenwert.models.core import Array

__all__ = ["Referral", "worth_of_purchase"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Referral:
    """Customers whom customers bring, who would not have come otherwise.

    Every purchase to come brings `per_purchase` new customers on average; each is worth `value` when they come,
    discounted from then. New customers may bring others: in the second generation by the purchases of the first, and
    so on.

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
        if not is_number(self.per_purchase) or self.per_purchase < 0:
            message = f"per_purchase is a number of new customers, 0 or more, got {self.per_purchase!r}"
            raise SpecificationError(message)
        if not is_number(self.value):
            message = f"value is an amount of money per new customer, got {self.value!r}"
            raise SpecificationError(message)
        if isinstance(self.generations, bool) or not isinstance(self.generations, int) or self.generations < 1:
            message = f"generations is a whole number of at least 1, got {self.generations!r}"
            raise SpecificationError(message)


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
        If a customer brings one new customer or more, so that generations grow.
    """
    brought = referral.per_purchase * (1 + purchases_of_new)  # the first purchase brings others, too
    if referral.generations > 1 and not brought.mean() < 1:
        message = (
            f"a new customer brings {brought.mean():.2f} others on average (discounted, first purchase included), so "
            "that each generation is worth more than the one before; expected less than 1: check per_purchase, or "
            "count one generation only"
        )
        raise InfiniteValueError(message)
    generations = [brought**number for number in range(referral.generations)]
    return np.asarray(referral.per_purchase * referral.value * np.sum(generations, axis=0))
