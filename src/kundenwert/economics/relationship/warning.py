"""Early warning: whose silence is unusual, and what it has cost so far."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Self, final

import numpy as np
import pandas as pd

from kundenwert.duration import check_duration
from kundenwert.economics.relationship.conversion import ever_returns
from kundenwert.economics.relationship.phase_rules import RULES, PhaseRules, check_rules
from kundenwert.economics.relationship.phases import DRAWS, check_can_lapse, phase
from kundenwert.economics.value.distinct import check_posteriors
from kundenwert.economics.value.valuation import valuation
from kundenwert.histories import CustomerHistories, OpportunityHistories
from kundenwert.histories.base import as_histories, check_clock
from kundenwert.models.core import NUMPY, history_of
from kundenwert.posterior.spend import SpendPosterior
from kundenwert.posterior.summary import check_interval, in_blocks, summarise

if TYPE_CHECKING:
    from narwhals.stable.v2.typing import IntoDataFrame
    from numpy.typing import NDArray

    from kundenwert.duration import Horizon
    from kundenwert.economics.assumptions.economics import Economics
    from kundenwert.economics.assumptions.terms import KnownAmount
    from kundenwert.economics.value.valuation import Valuation
    from kundenwert.histories import Cells, Histories
    from kundenwert.models.core import Array
    from kundenwert.posterior import PurchasePosterior
    from kundenwert.posterior.summary import Summary
    from kundenwert.posterior.values import Block

    type Observed = CustomerHistories | OpportunityHistories

__all__ = ["early_warning", "warnings_of"]

CUSTOMERS_AT_ONCE: Final = 2**16  # so that what is known of their last purchase fits in memory


def early_warning(
    purchases: PurchasePosterior,
    spend: SpendPosterior | KnownAmount,
    histories: Histories,
    economics: Economics,
    *,
    horizon: Horizon,
    rules: PhaseRules = RULES,
    customers: IntoDataFrame | None = None,
    interval: float = 0.90,
) -> pd.DataFrame:
    """All customers, ranked by what their silence puts at stake; those to act on now come first.

    A warning is for customers who have bought again and are "cooling" (:func:`phase`): their silence is unusual, and
    they have not lapsed. One-time buyers have no rhythm of their own yet. They are in the table, judged by what is
    usual for one-time buyers, but never marked; see :func:`second_purchase` for them.

    Parameters
    ----------
    purchases : PurchasePosterior
        When customers buy.
    spend : SpendPosterior or KnownAmount
        How much they spend at a purchase.
    histories : CustomerHistories or OpportunityHistories
        The customers; with amounts, if spend is modelled.
    economics : Economics
        Margins, costs and discounting.
    horizon : Duration, Periods or LIFETIME
        How far ahead value counts. How far ahead a return counts, is in the `rules`.
    rules : PhaseRules
        Where phases begin.
    customers : data frame, optional
        Table with ``customer_id`` and the columns that `economics` or `spend` look up by :class:`PerCustomer`.
    interval : float
        Probability of the equal-tailed intervals, which hold the uncertainty of the parameters, from at most 200 evenly
        spaced draws.

    Returns
    -------
    pandas.DataFrame
        Index ``customer_id``: first those to act on, then the others, each with the largest ``value_at_stake`` first.
        Columns:

        - ``warn``: whether to act now;
        - ``phase``: as in :func:`phase`;
        - ``value_at_stake``, with ``_lower`` and ``_upper``: the net present value that the customer had right after
          the last purchase, less what it is now: what the silence has cost so far, and not what winning them back would
          bring. Under a retention rule such as :class:`WhilePAliveAbove` it can be negative, where the firm has
          stopped serving the customer;
        - ``relative_return``, with ``_lower`` and ``_upper``: the return probability, relative to that right after the
          last purchase;
        - ``gap_p_value``: of customers with the same past who did buy again, the share who stayed away for longer. A
          small one says that the silence does not fit the customer's own rhythm;
        - ``silence``: time since the last purchase, in the unit of the posterior.

    Raises
    ------
    SpecificationError
        For contracts, whose ends are known.
    InfiniteValueError
        If purchases for life are not finite without discounting, or the mean amount is infinite.
    MissingInformationError
        If the histories have no amounts, or a table of customers is missing.

    Examples
    --------
    >>> import kundenwert as kw
    >>> purchases = kw.fixed(kw.MBGNBD.Parameters(r=0.525, alpha=6.183, a=0.891, b=1.614, unit="week"))
    >>> log = kw.datasets.cdnow()
    >>> histories = kw.summarize(log, customer="customer_id", time="date", until="1997-09-30", unit="week")
    >>> shop = kw.Economics(margin=0.3, annual_discount_rate=0.1)
    >>> table = kw.early_warning(purchases, kw.KnownAmount(35.0), histories, shop, horizon=kw.years(3))
    >>> table[["warn", "value_at_stake", "relative_return", "gap_p_value"]].head(2).round(2)
                 warn  value_at_stake  relative_return  gap_p_value
    customer_id
    1887         True          130.10             0.62         0.08
    1234         True           87.74             0.55         0.09
    """
    check_can_lapse(purchases)
    check_posteriors(purchases, spend, economics)
    check_rules(rules)
    check_interval(interval)
    check_duration(horizon, "horizon", lifetime=True).in_unit(purchases.unit)
    check_clock(purchases.model, as_histories(histories))
    phases = phase(purchases, histories, rules=rules)
    return warnings_of(
        phases,
        purchases,
        spend,
        histories,
        economics,
        horizon=horizon,
        rules=rules,
        customers=customers,
        interval=interval,
    )


def warnings_of(
    phases: pd.DataFrame,
    purchases: PurchasePosterior,
    spend: SpendPosterior | KnownAmount,
    histories: Histories,
    economics: Economics,
    *,
    horizon: Horizon,
    rules: PhaseRules,
    customers: IntoDataFrame | None,
    interval: float,
) -> pd.DataFrame:
    """The table of :func:`early_warning`, given that of :func:`phase` by the same rules."""
    assert isinstance(histories, CustomerHistories | OpportunityHistories)  # noqa: S101 - the clock has seen to it
    purchases = purchases.thinned(min(purchases.of_cells.draws, DRAWS))
    if isinstance(spend, SpendPosterior):
        spend = spend.thinned(min(spend.of_cells.draws, DRAWS))
    standing = phases["phase"].array
    ahead, _ = rules.lengths(purchases.unit)
    tables = []
    order = np.lexsort((histories.recency, histories.frequency))  # who has the same past stands side by side
    for some in np.array_split(order, math.ceil(len(order) / CUSTOMERS_AT_ONCE) or 1):
        now = histories.take(some)
        then = _right_after_last_purchase(now)
        silence = _Silence.of(purchases, now, then)
        value_now, value_then = (
            valuation(purchases, spend, moment, economics, horizon=horizon, customers=customers)
            for moment in (now, then)
        )
        columns = {
            "warn": (standing[some] == "cooling") & (now.frequency > 0),
            "phase": standing[some],
            **_columns("value_at_stake", _value_lost(value_now, value_then, interval).at(value_now.index)),
            **_columns("relative_return", silence.relative_return(ahead, interval).at(silence.now.index)),
            "gap_p_value": silence.gap_p_value()[silence.now.index],
            "silence": (silence.now["T"] - silence.now["t_x"])[silence.now.index],
        }
        tables.append(pd.DataFrame(columns, index=now.customer_id))
    table = pd.concat(tables).iloc[np.argsort(order)]
    return table.sort_values(["warn", "value_at_stake"], ascending=False, kind="stable")


@final
@dataclass(frozen=True, slots=True)
class _Silence:
    """What is expected of customers now, and what was right after their last purchase.

    Attributes
    ----------
    purchases
        When customers buy.
    now, then
        Distinct histories until today, and until the last purchase.
    before
        For each distinct history of today its position in `then`.
    """

    purchases: PurchasePosterior
    now: Cells
    then: Cells
    before: NDArray[np.int64]

    @classmethod
    def of(cls, purchases: PurchasePosterior, now: Histories, then: Histories) -> Self:
        cells, earlier = purchases.cells_of(now), purchases.cells_of(then)
        return cls(purchases, cells, earlier, _counterpart(cells.index, earlier.index, len(cells)))

    def relative_return(self, horizon: float, interval: float) -> Summary:
        """Return probability relative to that right after the last purchase."""
        values = self.purchases.of_cells
        returns = values.returns(self.now, horizon)
        at_first = _filled(values.returns(self.then, horizon), len(self.then), values.draws)
        return summarise(
            len(self.now), values.draws, lambda rows: _ratio(returns(rows), at_first[self.before[rows]]), interval
        )

    def gap_p_value(self) -> Array:
        """P(gap longer than the silence | another purchase), with the past up to the last one; shape (cells,).

        By Bayes, P(silent) P(another purchase | silent) / P(another purchase). How probable the silence was is a ratio
        of likelihoods: that of the history until today, and until the last purchase.
        """
        values, theta = self.purchases.of_cells, self.purchases.theta
        ever = ever_returns(self.purchases, self.now)
        ever_at_first = _filled(ever_returns(self.purchases, self.then), len(self.then), values.draws)
        result = np.empty(len(self.now))
        columns = self.now.columns

        def work(rows: slice) -> None:
            until_now, until_then = (
                values.model.log_likelihood(theta, history_of(until, rows), NUMPY)
                for until in (columns, {**columns, "T": columns["t_x"]})
            )
            longer = _ratio(ever(rows), ever_at_first[self.before[rows]]) * np.exp(until_now - until_then)
            result[rows] = np.minimum(longer, 1).mean(axis=-1)

        in_blocks(len(result), values.draws, work)
        return result


def _value_lost(now: Valuation, then: Valuation, interval: float) -> Summary:
    """Value right after the last purchase less that of today, for each kind of customers of today."""
    before = _counterpart(now.index, then.index, len(now))
    at_first = _filled(then.total, len(then), then.draws)
    return summarise(
        len(now), now.draws, lambda rows: at_first[before[rows]] - now.total(rows), interval, leave_out_nan=True
    )


def _right_after_last_purchase(histories: Observed) -> Observed:
    """The histories as they were at the customers' last purchases."""
    if isinstance(histories, OpportunityHistories):
        return replace(histories, opportunities=histories.recency)
    steps = histories.steps
    return replace(histories, T=histories.recency, steps=None if steps is None else replace(steps, until=steps.last))


def _counterpart(now: NDArray[np.int64], then: NDArray[np.int64], rows: int) -> NDArray[np.int64]:
    """The row of then that belongs to each row of now, from the two rows of every customer."""
    place = np.empty(rows, dtype=np.int64)
    place[now] = then
    return place


def _filled(block: Block, rows: int, draws: int) -> Array:
    """All rows of a block."""
    result = np.empty((rows, draws))

    def work(some: slice) -> None:
        result[some] = block(some)

    in_blocks(rows, draws, work)
    return result


def _ratio(part: Array, whole: Array) -> Array:
    """The part of the whole; nothing is nothing of nothing."""
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def _columns(name: str, summary: Summary) -> dict[str, Array]:
    return dict(zip((name, f"{name}_lower", f"{name}_upper"), summary.columns(), strict=True))
