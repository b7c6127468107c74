"""Customer equity: the customer base as an asset."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Final, final

import numpy as np
import pandas as pd

from kundenwert.economics.base.concentration import concentration, shares
from kundenwert.economics.base.groups import Groups, contributions
from kundenwert.economics.base.totals import totals_of_groups
from kundenwert.economics.value.valuation import PARTS, valuation
from kundenwert.errors import DataError
from kundenwert.histories.base import as_histories
from kundenwert.posterior.summary import Estimate, check_interval, summarise
from kundenwert.progress import shown_as

if TYPE_CHECKING:
    from narwhals.stable.v2.typing import IntoDataFrame

    from kundenwert.duration import Horizon
    from kundenwert.economics.assumptions.economics import Economics
    from kundenwert.economics.assumptions.terms import KnownAmount
    from kundenwert.economics.dependence.spend_dependence import SpendDependence
    from kundenwert.economics.value.valuation import Valuation
    from kundenwert.histories import Histories
    from kundenwert.models.core import Array
    from kundenwert.posterior import ContractPosterior, PurchasePosterior, SpendPosterior
    from kundenwert.posterior.summary import Summary

__all__ = ["CustomerEquity", "customer_equity", "equity_of"]

SHOWN: Final = ("customers", "npv", "npv_lower", "npv_upper", "share", "npv_per_customer", "contribution")
ROWS_SHOWN: Final = 30


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CustomerEquity:
    """What a customer base is worth.

    Parameters
    ----------
    total : Estimate
        Expected net present value of all customers, with the interval of the parameters' uncertainty.
    table : pandas.DataFrame
        One row a group, and the row ``all``. Columns: ``customers``; ``unprofitable``, how many of them are expected to
        cost more than they bring; ``npv`` and its parts ``margin``, ``order_cost``, ``retention_cost`` and
        ``referral``; ``share`` of the total; ``npv_per_customer``; each of the last three kinds followed by its
        ``_lower`` and ``_upper``. With contributions to date also ``contribution`` and ``contribution_and_npv``.
    concentration : pandas.DataFrame
        One row for each of the best 1, 5, 10 and 20 % of the customers, ranked by expected net present value: how
        many ``customers`` they are (rounded up), their ``npv``, and the ``share`` that they hold of the value of all
        who are expected to bring more than they cost; each followed by its ``_lower`` and ``_upper``.
    draws : pandas.DataFrame
        Net present value of each group (a column) and of ``all`` in each draw (a row): for questions that the table
        does not answer, such as how likely one group is worth more than another.
    draws_left_out : int
        Draws in which some customer has no finite mean amount, or nearly so; no total is made of them.
    horizon : Duration, Periods or LIFETIME
        How far ahead.
    interval : float
        Probability of the equal-tailed intervals.
    currency : str
        Label of amounts.

    Notes
    -----
    Shares are NaN where there is nothing to be shared: if the total is not positive in every draw.
    """

    total: Estimate
    table: pd.DataFrame
    concentration: pd.DataFrame
    draws: pd.DataFrame
    draws_left_out: int
    horizon: Horizon
    interval: float
    currency: str

    def __repr__(self) -> str:
        return "\n".join([*self._sentences(), "", self._shown.to_string(float_format=_number, max_rows=ROWS_SHOWN)])

    def _repr_html_(self) -> str:
        sentences = "<br>".join(escape(sentence) for sentence in self._sentences())
        return f"<p>{sentences}</p>\n{self._shown.to_html(float_format=_number, max_rows=ROWS_SHOWN)}"

    @property
    def _shown(self) -> pd.DataFrame:
        return self.table[[name for name in SHOWN if name in self.table.columns]]

    def _sentences(self) -> list[str]:
        customers = int(self.table["customers"].iloc[-1])
        currency = f" {self.currency}" if self.currency else ""
        mean, lower, upper = (_number(end) for end in (self.total.mean, self.total.lower, self.total.upper))
        each = _number(self.total.mean / customers)
        found = [
            f"CustomerEquity of {customers:,} customers, horizon {self.horizon!r}",
            f"net present value {mean}{currency} ({self.interval:.0%}: {lower} to {upper}), {each} per customer",
        ]
        held = self.concentration["share"]
        if held.notna().all():
            found.append("held by the best " + ", ".join(f"{top:.0%}: {share:.0%}" for top, share in held.items()))
        return found


def customer_equity(
    purchases: PurchasePosterior | ContractPosterior,
    spend: SpendPosterior | KnownAmount,
    histories: Histories,
    economics: Economics,
    *,
    horizon: Horizon,
    by: pd.Series | None = None,
    contribution: pd.DataFrame | None = None,
    customers: IntoDataFrame | None = None,
    renewal_due: bool = False,
    dependence: SpendDependence | None = None,
    interval: float = 0.90,
    progress: bool | None = None,
) -> CustomerEquity:
    """The expected net present value of all customers together, by group, and how concentrated it is.

    The value is that of :func:`kundenwert.net_present_value`, added up over customers within each draw of the
    parameters and then summarised. Intervals of single customers must not be added up, nor their variances: what is
    uncertain about the parameters is the same for all customers and does not average out.

    The interval is that of the *expected* total. What customers will really bring differs from it by their own chance
    besides, which does average out: relative to the total it falls with the square root of their number.

    Memory grows with groups × draws, not with customers × draws.

    Parameters
    ----------
    purchases : PurchasePosterior or ContractPosterior
        When customers buy, or end their contracts.
    spend : SpendPosterior or KnownAmount
        How much they spend.
    histories : CustomerHistories, OpportunityHistories or ContractHistories
        The customers; with amounts, if spend is modelled.
    economics : Economics
        Margins, costs and discounting.
    horizon : Duration, Periods or LIFETIME
        How far ahead.
    by : pandas.Series, optional
        The group of each customer, with the index ``customer_id``: a column of your own, or a cohort from
        :func:`kundenwert.acquisition_cohort`. It may hold other customers too.
    contribution : pandas.DataFrame, optional
        What customers have contributed so far: the table of :func:`kundenwert.contribution_to_date`.
    customers : data frame, optional
        Table with ``customer_id`` and the columns that `economics` or `spend` look up by :class:`PerCustomer`.
    renewal_due : bool
        For contracts: whether the next renewal is due right now.
    dependence : SpendDependence, optional
        What :func:`kundenwert.spend_dependence` found with the same posteriors: margins are then corrected for it, as
        by :func:`kundenwert.net_present_value`.
    interval : float
        Probability of the equal-tailed intervals.
    progress : bool, optional
        Whether to show how far it is; by default as :func:`kundenwert.show_progress` says.

    Returns
    -------
    CustomerEquity
        With the attributes ``total``, ``table``, ``concentration`` and ``draws``.

    Raises
    ------
    InfiniteValueError
        If purchases for life are not finite without discounting, or the mean amount is infinite.
    MissingInformationError
        If the histories have no amounts, or a table of customers is missing.
    RowError
        If `by` or `contribution` lack a customer.
    SpecificationError
        If an argument is out of its range, or no Series.
    SizeError
        If groups × draws do not fit in memory.

    Notes
    -----
    Where the mean amount is infinite, or nearly so, in up to 1 % of the draws, single customers are valued without
    these draws. A total is made without every draw that is left out for some customer, the same ones for all groups,
    so that groups add up.

    Gupta, Lehmann & Stuart (2004), Valuing customers, Journal of Marketing Research 41: the value of a firm's
    customers is the sum of their lifetime values.
    """
    check_interval(interval)
    if len(as_histories(histories)) == 0:
        message = "there are no customers whose value to add up; expected histories of one customer or more"
        raise DataError(message)
    groups = Groups.of(by, histories.customer_id)
    to_date = None if contribution is None else contributions(contribution, histories.customer_id)
    with shown_as("customer equity", progress):
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
        return equity_of(values, groups, to_date, horizon=horizon, interval=interval, currency=economics.currency)


def equity_of(
    values: Valuation, groups: Groups, to_date: Array | None, *, horizon: Horizon, interval: float, currency: str
) -> CustomerEquity:
    """The customer base as an asset, from the values of its customers and what they have contributed to date."""
    totals = totals_of_groups(values, groups.of_customer, max(len(groups), 1))
    npv = _with_everybody(totals.value, groups)
    everybody = npv[-1]
    kept = ~np.isnan(everybody)  # nearly all: see SpendPosterior.finite_spend
    nothing = np.zeros_like(totals.value)
    of_name = {"npv": npv[:, kept]}
    of_name |= {part: _with_everybody(totals.parts.get(part, nothing), groups)[:, kept] for part in PARTS}
    table = _table(groups, of_name, interval)
    negative = (totals.expected[values.index] < 0).astype(np.float64)
    table.insert(1, "unprofitable", groups.sums(negative).astype(np.int64))
    if to_date is not None:
        table["contribution"] = groups.sums(to_date)
        for end in ("", "_lower", "_upper"):
            table[f"contribution_and_npv{end}"] = table["contribution"] + table[f"npv{end}"]
    return CustomerEquity(
        total=Estimate(*(float(table[name].iloc[-1]) for name in ("npv", "npv_lower", "npv_upper"))),
        table=table,
        concentration=concentration(values, totals.expected, everybody, kept, interval),
        draws=pd.DataFrame(of_name["npv"].T, columns=groups.rows),
        draws_left_out=int(np.count_nonzero(~kept)),
        horizon=horizon,
        interval=float(interval),
        currency=currency,
    )


def _table(groups: Groups, of_name: dict[str, Array], interval: float) -> pd.DataFrame:
    """One row a group, and one for everybody, from totals of shape (rows, draws)."""
    customers, npv = groups.sums(np.ones(len(groups.of_customer))), of_name["npv"]

    def summary(of: Array) -> Summary:
        return summarise(len(of), of.shape[1], lambda rows: of[rows], interval)

    summaries = {name: summary(of) for name, of in of_name.items()}
    summaries |= {"share": shares(npv, npv[-1], interval), "npv_per_customer": summary(npv / customers[:, None])}
    table: dict[str, Array] = {"customers": customers.astype(np.int64)}
    for name, found in summaries.items():
        table |= dict(zip((name, f"{name}_lower", f"{name}_upper"), found.columns(), strict=True))
    return pd.DataFrame(table, index=groups.rows)


def _with_everybody(of_groups: Array, groups: Groups) -> Array:
    """Totals of groups, and of everybody; without groups, of everybody alone."""
    everybody = of_groups.sum(axis=0)[None]
    return np.concatenate([of_groups, everybody]) if len(groups) else everybody


def _number(value: float) -> str:
    """An amount, shown with four digits or in whole units."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.4g}"
