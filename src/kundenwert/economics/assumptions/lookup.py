"""What may differ from customer to customer: looked up in a table of customers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

from kundenwert.economics.assumptions.terms import LARGEST_MONEY, Growing, KnownAmount, PerCustomer, Schedule
from kundenwert.errors import MissingInformationError, RowError
from kundenwert.histories.identity import places
from kundenwert.histories.tables import customer_table, numbers
from kundenwert.histories.validation import refuse, shown, strangers

if TYPE_CHECKING:
    import pandas as pd
    from narwhals.stable.v2.typing import IntoDataFrame
    from numpy.typing import NDArray

    from kundenwert.economics.assumptions.economics import Economics
    from kundenwert.histories.tables import Table
    from kundenwert.models.core import Array

__all__ = ["OwnValues", "looked_up", "own_values", "rows_of"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class OwnValues:
    """What may differ from customer to customer, each of shape (customers,).

    Attributes
    ----------
    margin
        Margin now; 1 where it is a schedule, whose levels are part of the timeline.
    order_cost, annual_retention_cost
        In money.
    amount
        Known amount of a purchase; 1 if a spend model tells it.
    """

    margin: Array
    order_cost: Array
    annual_retention_cost: Array
    amount: Array

    def take(self, positions: NDArray[np.int64]) -> OwnValues:
        """The values of the customers at these positions."""
        return OwnValues(
            margin=self.margin[positions],
            order_cost=self.order_cost[positions],
            annual_retention_cost=self.annual_retention_cost[positions],
            amount=self.amount[positions],
        )


def own_values(
    economics: Economics, spend: object, customer_id: pd.Index, customers: IntoDataFrame | None
) -> OwnValues:
    """Look up what is a customer's own.

    Raises
    ------
    MissingInformationError
        If something is per customer and there is no table of customers.
    ColumnError
        If the table has no such column, or it holds no numbers.
    RowError
        If a customer has no row, or two, or a value that cannot be.
    """
    margin = economics.margin
    level = margin.start if isinstance(margin, Growing) else 1.0 if isinstance(margin, Schedule) else margin
    amount = spend.amount if isinstance(spend, KnownAmount) else 1.0
    return OwnValues(
        margin=looked_up(level, "margin", customer_id, customers, largest=1.0),
        order_cost=looked_up(economics.order_cost, "order_cost", customer_id, customers),
        annual_retention_cost=looked_up(
            economics.annual_retention_cost, "annual_retention_cost", customer_id, customers
        ),
        amount=looked_up(amount, "the amount of a purchase", customer_id, customers),
    )


def looked_up(
    value: float | PerCustomer,
    name: str,
    customer_id: pd.Index,
    customers: IntoDataFrame | None,
    *,
    largest: float = LARGEST_MONEY,
) -> Array:
    """The value of each customer, between 0 and `largest`, shape (customers,)."""
    if not isinstance(value, PerCustomer):
        return np.full(len(customer_id), float(value))
    if customers is None:
        message = (
            f"{name} is {value!r}, and there is no table to look it up in; hand in one with the columns customer_id "
            f"and {value.column}: customers=table"
        )
        raise MissingInformationError(message)
    table, place = rows_of(customers, value.column, name, customer_id)
    values = numbers(table, value.column)[place]
    money = f"an amount of money, 0 or more and {largest:g} at most"
    expected = "a share between 0 and 1, 0.30 for 30 %" if largest == 1 else money
    refuse(
        ~(np.isfinite(values) & (values >= 0) & (values <= largest)),
        customer_id,
        {value.column: values},
        expected,
        f"correct it in the table of customers; it is taken as {name}",
    )
    return values


def rows_of(customers: IntoDataFrame, column: str, name: str, customer_id: pd.Index) -> tuple[Table, NDArray[np.int64]]:
    """The table of customers, which has this column, and the row of each customer in it."""
    table, ids = customer_table(customers, "customer_id", [column])
    if not ids.is_unique:
        message = f"customers has two rows for customer {shown(ids[ids.duplicated()], 0)}; expected one per customer"
        raise RowError(message)
    place = places(ids, customer_id)
    if (place < 0).any():
        missing = customer_id[place < 0]
        message = (
            f"customers has no row for customer {shown(missing, 0)} ({len(missing):,} such customers); expected one "
            f"per customer, with a value for {name}{strangers(ids, customer_id, 'customers')}"
        )
        raise RowError(message)
    return table, place
