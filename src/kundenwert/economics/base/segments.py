"""Segments by what customers have contributed and what they will be worth, with the probability of belonging."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

import numpy as np
import pandas as pd

from kundenwert.economics.base.equity import CustomerEquity, equity_of
from kundenwert.economics.base.groups import Groups, contributions
from kundenwert.economics.base.totals import totals_of_groups
from kundenwert.economics.realised.realisation import realisation
from kundenwert.economics.value.valuation import valuation
from kundenwert.errors import SpecificationError
from kundenwert.posterior.summary import check_interval
from kundenwert.scalars import check_count, is_number, store_plainly

if TYPE_CHECKING:
    from narwhals.stable.v2.typing import IntoDataFrame
    from numpy.typing import NDArray

    from kundenwert.duration import Horizon
    from kundenwert.economics.assumptions.economics import Economics
    from kundenwert.economics.assumptions.terms import KnownAmount
    from kundenwert.economics.realised.realisation import Realisation
    from kundenwert.economics.value.valuation import Valuation
    from kundenwert.histories import Histories
    from kundenwert.models.core import Array
    from kundenwert.posterior import ContractPosterior, PurchasePosterior, SpendPosterior

__all__ = ["SEGMENTS", "Quantile", "Segmentation", "segment", "segmentation_of"]

SEGMENTS: Final = ("top performer", "high potential", "fading", "low value")
"""High or low contribution to date × high or low value to come, from high/high to low/low."""
ROUNDING: Final = 1e-12


@final
@dataclass(frozen=True, slots=True)
class Quantile:
    """A threshold among the customers themselves: ``Quantile(0.8)`` is what the best fifth of them reach.

    Customers with the same amount are on the same side of it. If more than a fifth share the amount at the threshold,
    more than a fifth reach it; if all have the same, all do.

    Parameters
    ----------
    probability : float
        Share of the customers below, between 0 and 1.
    """

    probability: float

    def __post_init__(self) -> None:
        if not is_number(self.probability) or not 0 < self.probability < 1:
            message = f"Quantile takes a share of the customers between 0 and 1, got {self.probability!r}"
            raise SpecificationError(message)
        store_plainly(self, "probability")


BEST_FIFTH: Final = Quantile(0.8)


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Segmentation:
    """Customers in segments.

    Parameters
    ----------
    table : pandas.DataFrame
        One row a customer: ``segment``, the most probable one; ``contribution`` to date; ``expected``, the expected
        net present value to come; and, named like the segments, the probability that the customer will turn out to
        belong to each.
    equity : CustomerEquity
        What each segment is worth, brings and costs, with the contribution to date beside it.
    contribution_from, value_from : float
        The thresholds, in money.
    """

    table: pd.DataFrame
    equity: CustomerEquity
    contribution_from: float
    value_from: float

    @property
    def summary(self) -> pd.DataFrame:
        """One row a segment: customers, by label and as the sum of probabilities, and what they bring and cost."""
        names = ["npv", "npv_lower", "npv_upper", "margin", "order_cost", "retention_cost", "referral"]
        sums = self.equity.table.drop(index="all").reindex(list(SEGMENTS), fill_value=0.0)
        expected = self.table[list(SEGMENTS)].sum()
        table = sums[["customers", *names]].assign(contribution=sums["contribution"])
        table.insert(1, "expected_customers", expected)
        return table.astype({"customers": np.int64})

    def __repr__(self) -> str:
        limits = f"contribution from {self.contribution_from:,.2f}, value to come from {self.value_from:,.2f}"
        return f"Segmentation of {len(self.table):,} customers ({limits})\n\n{self.summary.round(2).to_string()}"


def segment(
    purchases: PurchasePosterior | ContractPosterior,
    spend: SpendPosterior | KnownAmount,
    histories: Histories,
    economics: Economics,
    contribution: pd.DataFrame,
    *,
    horizon: Horizon,
    contribution_from: float | Quantile = BEST_FIFTH,
    value_from: float | Quantile = BEST_FIFTH,
    futures: int = 1000,
    seed: int,
    customers: IntoDataFrame | None = None,
    renewal_due: bool = False,
    interval: float = 0.90,
) -> Segmentation:
    """Divide customers by what they have contributed and by what they will turn out to be worth.

    *Top performers* have contributed much and will; *high potentials* have not yet; *fading* customers have, and will
    no longer; the others are of *low value*. What was contributed is known. What is to come is not: each customer has
    a probability of belonging, the share of simulated futures whose realised net present value reaches the threshold.
    It can be checked later against what came true, which cannot be said of a label.

    Amounts are taken as independent of how often customers buy. A dependence, as :func:`kundenwert.spend_dependence`
    finds it, corrects expectations and not futures, so that it is left out of both here.

    Parameters
    ----------
    purchases : PurchasePosterior or ContractPosterior
        When customers buy, or end their contracts.
    spend : SpendPosterior or KnownAmount
        How much they spend.
    histories : CustomerHistories, OpportunityHistories or ContractHistories
        The customers.
    economics : Economics
        Margins, costs and discounting.
    contribution : pandas.DataFrame
        What customers have contributed so far: the table of :func:`kundenwert.contribution_to_date`.
    horizon : Duration, Periods or LIFETIME
        How far ahead.
    contribution_from, value_from : float or Quantile
        From where on a contribution, or a value to come, is high: an amount of money, or a quantile over the
        customers (of their contributions; of their expected values to come).
    futures : int
        How many futures of each distinct customer.
    seed : int
        The same seed gives the same futures.
    customers : data frame, optional
        Table with ``customer_id`` and the columns that `economics` or `spend` look up by :class:`PerCustomer`.
    renewal_due : bool
        For contracts: whether the next renewal is due right now.
    interval : float
        Probability of the equal-tailed intervals of the segments' totals.

    Returns
    -------
    Segmentation
        With the attributes ``table``, ``summary`` and ``equity``.

    Raises
    ------
    InfiniteValueError
        If futures for life have no end, because nothing is discounted, or the mean amount is infinite.
    MissingInformationError
        If the histories have no amounts, or a table of customers is missing.
    RowError
        If `contribution` lacks a customer.
    SpecificationError
        If a threshold is neither an amount nor a quantile, or a model cannot be simulated from a history on.
    """
    check_count(seed, "seed", smallest=0)
    check_interval(interval)
    for name, threshold in (("contribution_from", contribution_from), ("value_from", value_from)):
        if not isinstance(threshold, Quantile) and not is_number(threshold):
            message = f"{name} is an amount of money or kundenwert.Quantile(0.8), got {threshold!r}"
            raise SpecificationError(message)
    to_date = contributions(contribution, histories.customer_id)
    found = realisation(
        purchases,
        spend,
        histories,
        economics,
        horizon=horizon,
        futures=futures,
        seed=seed,
        customers=customers,
        renewal_due=renewal_due,
    )
    values = valuation(
        purchases, spend, histories, economics, horizon=horizon, customers=customers, renewal_due=renewal_due
    )
    return segmentation_of(
        values,
        found,
        to_date,
        histories.customer_id,
        horizon=horizon,
        contribution_from=contribution_from,
        value_from=value_from,
        interval=interval,
        currency=economics.currency,
    )


def segmentation_of(
    values: Valuation,
    found: Realisation,
    to_date: Array,
    customer_id: pd.Index,
    *,
    horizon: Horizon,
    contribution_from: float | Quantile = BEST_FIFTH,
    value_from: float | Quantile = BEST_FIFTH,
    interval: float,
    currency: str,
) -> Segmentation:
    """Segments, from the values of customers, their futures, and what they have contributed to date."""
    expected = totals_of_groups(values, np.zeros_like(values.index), 1).expected[values.index]
    past, ahead = _amount(contribution_from, to_date), _amount(value_from, expected)
    valuable = found.of_rows(lambda npv: _reach(npv, ahead).mean(axis=1))[found.index]
    table = pd.DataFrame({"contribution": to_date, "expected": expected}, index=customer_id)
    high = _reach(to_date, past)
    table["top performer"] = np.where(high, valuable, 0.0)
    table["high potential"] = np.where(high, 0.0, valuable)
    table["fading"] = np.where(high, 1 - valuable, 0.0)
    table["low value"] = np.where(high, 0.0, 1 - valuable)
    best = np.array(SEGMENTS)[np.argmax(table[list(SEGMENTS)].to_numpy(), axis=1)]
    label = pd.Series(best, index=table.index, name="segment")
    table.insert(0, "segment", label.astype(pd.CategoricalDtype(list(SEGMENTS), ordered=True)))
    groups = Groups.of(label, customer_id)
    equity = equity_of(values, groups, to_date, horizon=horizon, interval=interval, currency=currency)
    return Segmentation(table=table, equity=equity, contribution_from=past, value_from=ahead)


def _amount(threshold: float | Quantile, values: Array) -> float:
    if isinstance(threshold, Quantile):
        return float(np.quantile(values, threshold.probability))
    return float(threshold)


def _reach(values: Array, threshold: float) -> NDArray[np.bool_]:
    """Whether amounts are at least the threshold, but for rounding: three times 0.70 reach 2.10."""
    return np.asarray(values >= threshold - ROUNDING * abs(threshold))
