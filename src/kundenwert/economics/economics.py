"""The economics of a relationship: what a purchase leaves, and what waiting costs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

from kundenwert.errors import SpecificationError
from kundenwert.posterior.purchase import check_rate

__all__ = ["Economics"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Economics:
    """Margin and discounting.

    Parameters
    ----------
    margin : float
        Share of a purchase's amount that is left after its variable costs: 0.30 for 30 %. Negative for customers
        who cost more than they bring.
    annual_discount_rate : float
        0.10 for 10 % a year. Purchases are discounted continuously: one u years ahead counts (1 + rate)^-u.

    Examples
    --------
    >>> import kundenwert as kw
    >>> kw.Economics(margin=0.30, annual_discount_rate=0.10)
    Economics(margin=0.3, annual_discount_rate=0.1)
    """

    margin: float
    annual_discount_rate: float

    def __post_init__(self) -> None:
        margin = self.margin
        if isinstance(margin, bool) or not isinstance(margin, (int, float)) or not math.isfinite(margin) or margin > 1:
            message = f"margin is a share of the amount, at most 1: 0.30 for 30 %; got {margin!r}"
            raise SpecificationError(message)
        check_rate(self.annual_discount_rate)
