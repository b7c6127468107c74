"""What a new customer brings and costs: nobody has a row in a table of customers yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, final

from kundenwert.economics.assumptions.terms import Growing, KnownAmount, PerCustomer, Schedule
from kundenwert.errors import SpecificationError

if TYPE_CHECKING:
    from kundenwert.economics.assumptions.economics import Economics

__all__ = ["NewcomerTerms"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class NewcomerTerms:
    """Margins and costs of new customers.

    Attributes
    ----------
    margin, margin_now
        Factor of the margin path, and the margin of the first purchase.
    order_cost, annual_retention_cost, acquisition_cost
        In money.
    amount
        Of a purchase, if it is known.
    first
        Whether the first purchase counts.
    first_amount
        Its amount, if it is known.
    """

    margin: float
    margin_now: float
    order_cost: float
    annual_retention_cost: float
    acquisition_cost: float
    amount: float | None
    first: bool
    first_amount: float | None

    @classmethod
    def of(
        cls,
        economics: Economics,
        spend: object,
        *,
        acquisition_cost: float | PerCustomer,
        first: bool,
        first_amount: KnownAmount | None,
    ) -> Self:
        """Bring together what economics and amounts say.

        Raises
        ------
        SpecificationError
            If something is to be looked up per customer.
        """
        margin, path = 1.0, economics.margin
        if isinstance(path, Schedule):
            margin_now = path.values[0]
        else:
            margin = margin_now = _for_all(path.start if isinstance(path, Growing) else path, "margin")
        amount = _for_all(spend.amount, "the amount of a purchase") if isinstance(spend, KnownAmount) else None
        return cls(
            margin=margin,
            margin_now=margin_now,
            order_cost=_for_all(economics.order_cost, "order_cost"),
            annual_retention_cost=_for_all(economics.annual_retention_cost, "annual_retention_cost"),
            acquisition_cost=_for_all(acquisition_cost, "acquisition_cost"),
            amount=amount,
            first=first,
            first_amount=amount if first_amount is None else _for_all(first_amount.amount, "first_amount"),
        )


def _for_all(value: float | PerCustomer, name: str) -> float:
    if isinstance(value, PerCustomer):
        message = (
            f"{name} is {value!r}, and new customers have no row in a table of customers; expected one number for all "
            "of them, such as the mean of that column, or one per channel where mappings are taken"
        )
        raise SpecificationError(message)
    return float(value)
