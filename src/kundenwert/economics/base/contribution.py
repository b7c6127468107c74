"""What customers have contributed so far."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from kundenwert.duration import steps_per_unit
from kundenwert.economics.assumptions.economics import Economics
from kundenwert.economics.assumptions.lookup import looked_up
from kundenwert.economics.assumptions.terms import Growing, PerCustomer, Schedule
from kundenwert.economics.base.acquisition import acquisition_costs
from kundenwert.errors import DataError, MissingInformationError, RowError, SpecificationError
from kundenwert.histories import CustomerHistories
from kundenwert.histories.parts import round_amounts
from kundenwert.histories.validation import shown
from kundenwert.transactions.again import how_it_was_read, places_in, read_again
from kundenwert.transactions.occasions import merge
from kundenwert.transactions.times import step_label

if TYPE_CHECKING:
    from narwhals.stable.v2.typing import IntoDataFrame
    from numpy.typing import NDArray

    from kundenwert.histories import Steps

__all__ = ["contribution_to_date"]

SAME: Final = 1e-9  # how far sums of amounts may differ, relatively; they are rounded to twelve digits
ROUNDING: Final = 1e-12  # of all that a customer paid and got back, which may be far more than what is left


def contribution_to_date(
    log: IntoDataFrame,
    histories: CustomerHistories,
    economics: Economics,
    *,
    customers: IntoDataFrame | None = None,
    channel: str = "channel",
) -> pd.DataFrame:
    """What each customer has contributed from the first purchase to the end of observation.

    Money is valued as of the end of observation, the date that :func:`kundenwert.net_present_value` discounts to: a
    euro earned a year ago could have been put to work since, and counts (1 + rate) euros today, as one to come in a
    year counts 1 / (1 + rate). So what was and what is expected can be added. Only ``revenue`` is as it was paid.

    The log is read as :func:`kundenwert.summarize` read it: same columns, same steps in which purchases are one
    occasion, same treatment of refunds. Without ``net_refunds`` these are not taken off; with it, they count at the
    date of the purchase that they are taken off. Purchases after the end of observation, and of customers without a
    history, are left out.

    Margins, costs and discount rates are those of today: the starting level of a margin that grows, the first value of
    a schedule. What was spent to keep customers is not in the log and not taken off. Accounting periods play no part.

    Parameters
    ----------
    log
        pandas, Polars or PyArrow table: that which the histories were made from.
    histories : CustomerHistories
        Made by :func:`kundenwert.summarize`, with amounts.
    economics : Economics
        Margin, order cost, acquisition cost and discount rate.
    customers : data frame, optional
        Table with ``customer_id`` and the columns that `economics` looks up.
    channel : str
        Its column of channels, if the acquisition cost is by channel.

    Returns
    -------
    pandas.DataFrame
        Index ``customer_id`` in the order of the histories. Columns ``revenue``, ``margin``, ``order_cost`` (per
        purchase occasion), ``acquisition_cost`` (spent on the day of the first purchase) and ``contribution``, which is
        margin - order_cost - acquisition_cost.

    Raises
    ------
    MissingInformationError
        If the histories come from a ready-made table or have no amounts, or a table of customers is missing.
    RowError
        If a customer's purchases in the log are not those of the histories, or their amounts are not.
    DataError
        If the log cannot be read, or knows none of the customers.

    Examples
    --------
    >>> import kundenwert as kw
    >>> log = kw.datasets.cdnow()
    >>> histories = kw.summarize(log, customer="customer_id", time="date", amount="amount", until="1997-09-30")
    >>> shop = kw.Economics(margin=0.30, annual_discount_rate=0.10, order_cost=2.00, acquisition_cost=8.00)
    >>> kw.contribution_to_date(log, histories, shop).head(2).round(2)
                 revenue  margin  order_cost  acquisition_cost  contribution
    customer_id
    1              74.02   23.54        6.32              8.59          8.63
    2              75.11   24.18        4.29              8.59         11.30
    """
    if not isinstance(histories, CustomerHistories):
        message = (
            f"contribution_to_date takes CustomerHistories, got {type(histories).__name__}; make them from the log "
            "with kundenwert.summarize(log, …, amount=…)"
        )
        raise DataError(message)
    if not isinstance(economics, Economics):
        message = (
            f"economics must be an Economics, got {type(economics).__name__}; make one with "
            "kundenwert.Economics(margin=…, annual_discount_rate=…)"
        )
        raise SpecificationError(message)
    columns, steps = how_it_was_read(histories)
    if columns.amount is None:
        message = (
            "these histories were made without amounts, so that nothing tells what purchases brought; name the "
            "column: kundenwert.summarize(log, …, amount=…)"
        )
        raise MissingInformationError(message)
    level: float | PerCustomer | Schedule
    level = economics.margin.start if isinstance(economics.margin, Growing) else economics.margin
    margin = looked_up(_first(level), "margin", histories.customer_id, customers, largest=1.0)
    order_cost = looked_up(economics.order_cost, "order_cost", histories.customer_id, customers)
    acquisition_cost = acquisition_costs(economics, histories.customer_id, customers, channel)

    rows = read_again(log, columns, steps.resolution)
    place = places_in(histories, rows)
    of_row = place[rows.customer]
    observed = of_row >= 0
    observed[observed] = rows.step[observed] <= steps.until[of_row[observed]]
    occasions = merge(rows, observed, net_refunds=columns.net_refunds, drop_duplicates=columns.drop_duplicates)
    assert rows.amount is not None  # noqa: S101 - the log has amounts
    assert occasions.amount is not None  # noqa: S101 - so they have
    who = place[occasions.customer]
    _check_same(histories, steps, who, occasions.step)
    gross = np.bincount(of_row[observed], np.abs(rows.amount[observed]), len(histories))
    _check_amounts(histories, who, occasions.amount, occasions.step == steps.first[who], gross)

    growth = np.log1p(_first(economics.annual_discount_rate)) / steps_per_unit("year", steps.resolution)
    counts = np.exp(growth * (steps.until[who] - occasions.step))  # what a euro of that day counts today

    def total(of_occasion: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.bincount(who, weights=of_occasion, minlength=len(histories))

    table = {
        "revenue": round_amounts(total(occasions.amount)),
        "margin": margin * total(occasions.amount * counts),
        "order_cost": order_cost * total(counts),
        "acquisition_cost": acquisition_cost * np.exp(growth * (steps.until - steps.first)),
    }
    table["contribution"] = table["margin"] - table["order_cost"] - table["acquisition_cost"]
    return pd.DataFrame(table, index=histories.customer_id)


def _first[Term](term: Term | Schedule) -> Term | float:
    """What holds now."""
    return term.pieces()[0][1] if isinstance(term, Schedule) else term


def _check_same(histories: CustomerHistories, steps: Steps, who: NDArray[np.int64], step: NDArray[np.int64]) -> None:
    """Refuse a log that the histories were not made from."""
    count = np.bincount(who, minlength=len(histories))
    first = steps.until.copy()
    np.minimum.at(first, who, step)
    differs = (count != histories.frequency + 1) | (first != steps.first)
    if not differs.any():
        return
    place = int(np.argmax(differs))
    since = f", the first on {step_label(int(first[place]), steps.resolution)}" if count[place] else ""
    message = (
        f"customer {shown(histories.customer_id, place)} has {count[place]} purchases in the log{since}; in the "
        f"histories there are {histories.frequency[place] + 1}, the first on "
        f"{step_label(int(steps.first[place]), steps.resolution)} ({np.count_nonzero(differs):,} such customers); hand "
        "in the log that the histories were made from, or make them anew from this one"
    )
    raise RowError(message)


def _check_amounts(
    histories: CustomerHistories,
    who: NDArray[np.int64],
    amount: NDArray[np.float64],
    first: NDArray[np.bool_],
    gross: NDArray[np.float64],
) -> None:
    """Refuse a log with the same purchases for other amounts; `gross` is what rounding errors are measured by."""
    spend = histories.spend
    if spend is None:
        return
    sums = {"repeat purchases": (np.bincount(who, np.where(first, 0.0, amount), len(histories)), spend.total)}
    if spend.first_amount is not None:
        in_log = np.bincount(who, np.where(first, amount, 0.0), len(histories))
        sums["the first purchase"] = (in_log, spend.first_amount)
    differ = {
        name: np.abs(found - known) > SAME * np.maximum(found, known) + ROUNDING * gross
        for name, (found, known) in sums.items()
    }
    any_differs = np.any(list(differ.values()), axis=0)
    if not any_differs.any():
        return
    place = int(np.argmax(any_differs))
    name = next(name for name, differs in differ.items() if differs[place])
    found, known = sums[name]
    message = (
        f"customer {shown(histories.customer_id, place)} paid {found[place]:.12g} for {name} in the log; in the "
        f"histories it is {known[place]:.12g} ({np.count_nonzero(any_differs):,} such customers); hand in the log that "
        "the histories were made from, in the same currency and with no row twice, or make them anew from this one"
    )
    raise RowError(message)
