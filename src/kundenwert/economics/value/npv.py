"""Net present value: what customers bring from now on less what they cost, discounted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from kundenwert.economics.value.valuation import PARTS, valuation
from kundenwert.progress import shown_as

if TYPE_CHECKING:
    from narwhals.stable.v2.typing import IntoDataFrame

    from kundenwert.duration import Horizon
    from kundenwert.economics.assumptions.economics import Economics
    from kundenwert.economics.assumptions.terms import KnownAmount
    from kundenwert.economics.dependence.spend_dependence import SpendDependence
    from kundenwert.economics.value.valuation import Valuation
    from kundenwert.histories import Histories
    from kundenwert.posterior import ContractPosterior, PurchasePosterior, SpendPosterior

__all__ = ["net_present_value", "table_of_values"]


def net_present_value(
    purchases: PurchasePosterior | ContractPosterior,
    spend: SpendPosterior | KnownAmount,
    histories: Histories,
    economics: Economics,
    *,
    horizon: Horizon,
    customers: IntoDataFrame | None = None,
    renewal_due: bool = False,
    dependence: SpendDependence | None = None,
    interval: float = 0.90,
    progress: bool | None = None,
) -> pd.DataFrame:
    """Expected net present value of what is still to come, per customer, and its parts.

    Expected discounted purchases in (T, T + horizon], times the expected amount of a purchase, times the margin; less
    the costs of orders and of retention; plus the value of customers whom they bring. What was spent to win a customer
    is gone and does not count. Draws of purchases and spend are paired, so that the interval holds the uncertainty of
    both; it does not hold the chance of the single customer, who will buy or not: see
    :func:`kundenwert.realised_value`.

    Parameters
    ----------
    purchases : PurchasePosterior or ContractPosterior
        When customers buy, or end their contracts.
    spend : SpendPosterior or KnownAmount
        How much they spend at a purchase, taken as independent of how often they buy; or what it is known to be, as
        the fee of a contract.
    histories : CustomerHistories, OpportunityHistories or ContractHistories
        The customers; with amounts, if spend is modelled.
    economics : Economics
        Margins, costs and discounting.
    horizon : Duration, Periods or LIFETIME
        How far ahead.
    customers : data frame, optional
        Table with ``customer_id`` and the columns that `economics` or `spend` look up by :class:`PerCustomer`.
    renewal_due : bool
        For contracts: whether the next renewal is due right now, so that the value is that just before it is known
        who renews. By default it is an interval away, and the value is that just after the last renewal.
    dependence : SpendDependence, optional
        What :func:`kundenwert.spend_dependence` found with the same posteriors: margins are then corrected for it, at
        its posterior mean.
    interval : float
        Probability of the equal-tailed interval.
    progress : bool, optional
        Whether to show how far it is; by default as :func:`kundenwert.show_progress` says.

    Returns
    -------
    pandas.DataFrame
        Columns ``mean``, ``lower``, ``upper``; then ``margin``, ``order_cost``, ``retention_cost`` and ``referral``,
        each followed by its ``_lower`` and ``_upper``. The mean is margin - order_cost - retention_cost + referral.

    Raises
    ------
    InfiniteValueError
        If purchases for life are not finite without discounting, or the mean amount is infinite.
    MissingInformationError
        If the histories have no amounts, or a table of customers is missing.
    """
    with shown_as("net present value", progress):
        values = valuation(
            purchases,
            spend,
            histories,
            economics,
            horizon=horizon,
            customers=customers,
            renewal_due=renewal_due,
            dependence=dependence,
        )
        return table_of_values(values, histories.customer_id, interval)


def table_of_values(values: Valuation, customer_id: pd.Index, interval: float) -> pd.DataFrame:
    """The table of :func:`net_present_value`."""
    summaries = values.summaries(interval)
    columns = dict(zip(("mean", "lower", "upper"), summaries["npv"].at(values.index).columns(), strict=True))
    for part in PARTS:
        ends = summaries[part].at(values.index).columns() if part in summaries else [np.zeros(len(customer_id))] * 3
        columns |= dict(zip((part, f"{part}_lower", f"{part}_upper"), ends, strict=True))
    return pd.DataFrame(columns, index=customer_id)
