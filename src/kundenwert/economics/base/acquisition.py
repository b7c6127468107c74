"""What it cost to win each customer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from kundenwert.economics.assumptions.lookup import looked_up, rows_of
from kundenwert.errors import ColumnError, MissingInformationError, RowError
from kundenwert.histories.validation import shown

if TYPE_CHECKING:
    from narwhals.stable.v2.typing import IntoDataFrame

    from kundenwert.economics.assumptions.economics import Economics
    from kundenwert.models.core import Array

__all__ = ["acquisition_costs"]


def acquisition_costs(
    economics: Economics, customer_id: pd.Index, customers: IntoDataFrame | None, channel: str
) -> Array:
    """What it cost to win each customer, in money of that day, shape (customers,).

    Parameters
    ----------
    economics
        With one acquisition cost for all, one per customer, or one per channel.
    customer_id
        The customers.
    customers
        Table in which costs, or channels, are looked up.
    channel
        Its column of channels.

    Raises
    ------
    MissingInformationError
        If something is to be looked up and there is no table of customers.
    ColumnError
        If the table has no such column, or it is of the wrong type.
    RowError
        If a customer has no row, no channel, or one without a cost.
    """
    cost = economics.acquisition_cost
    if not isinstance(cost, Mapping):
        return looked_up(cost, "acquisition_cost", customer_id, customers)
    known = ", ".join(map(repr, cost))
    if customers is None:
        message = (
            f"acquisition_cost is by channel ({known}), and there is no table to look channels up in; hand in one "
            f"with the columns customer_id and {channel}: customers=table"
        )
        raise MissingInformationError(message)
    table, place = rows_of(customers, channel, "the channel", customer_id)
    series = table.get_column(channel)
    if not isinstance(series.dtype, (nw.String, nw.Categorical, nw.Enum)):
        message = f"channels in column {channel!r} must be strings or categories, got {series.dtype}; cast the column"
        raise ColumnError(message)
    code, names = pd.factorize(np.asarray(series.to_numpy(), dtype=np.object_)[place])
    costs = np.array([*(float(cost.get(name, np.nan)) for name in names), np.nan])  # a null has code -1
    unknown = np.isnan(costs[code])
    if unknown.any():
        first = int(np.argmax(unknown))
        got = f"the channel {names[code[first]]!r}" if code[first] >= 0 else "no channel"
        message = (
            f"customer {shown(customer_id, first)} has {got} ({np.count_nonzero(unknown):,} such customers), and "
            f"acquisition_cost knows {known}; correct the table of customers, or add the channel to acquisition_cost"
        )
        raise RowError(message)
    return np.asarray(costs[code])
