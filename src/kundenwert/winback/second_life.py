"""What customers are worth counted from the moment they return."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from kundenwert.duration import LIFETIME, check_duration
from kundenwert.economics.flows.streams import periods_per_year
from kundenwert.economics.flows.timeline import Timeline
from kundenwert.errors import DataError
from kundenwert.histories.base import as_histories
from kundenwert.posterior.states import StateValues
from kundenwert.posterior.summary import check_interval, summarise_all
from kundenwert.winback.outlook import FEW, Outlook, time_to_return
from kundenwert.winback.setting import distinct_customers

if TYPE_CHECKING:
    from narwhals.stable.v2.typing import IntoDataFrame

    from kundenwert.duration import Duration, Horizon
    from kundenwert.economics.assumptions.economics import Economics
    from kundenwert.economics.assumptions.terms import KnownAmount
    from kundenwert.histories import CustomerHistories
    from kundenwert.models.core import Array
    from kundenwert.posterior import PurchasePosterior, SpendPosterior

__all__ = ["second_lifetime_value"]


def second_lifetime_value(
    purchases: PurchasePosterior,
    spend: SpendPosterior | KnownAmount,
    histories: CustomerHistories,
    economics: Economics,
    *,
    window: Duration,
    horizon: Horizon = LIFETIME,
    customers: IntoDataFrame | None = None,
    draws: int = 200,
    interval: float = 0.90,
) -> pd.DataFrame:
    """Net present value counted from the return, the purchase of the return included.

    Who returns by themselves within the window is worth something else than who would not have, and is brought back:
    those who stay away are slower buyers than those who come, and those who are gone had bought faster and left more
    easily than those of the same history who are still customers. Costs of service are not in it: see
    :func:`kundenwert.net_present_value`.

    Parameters
    ----------
    purchases : PurchasePosterior
        When customers buy.
    spend : SpendPosterior or KnownAmount
        How much they spend at a purchase.
    histories : CustomerHistories
        The customers.
    economics : Economics
        Margins, costs and discounting, which must be continuous.
    window : Duration
        Within which the return comes. One that is brought about is taken to come in the middle of it.
    horizon : Duration or LIFETIME
        How far ahead of today purchases count.
    customers : data frame, optional
        Table with ``customer_id`` and the columns that are looked up by :class:`PerCustomer`.
    draws : int
        How many draws of the posteriors, evenly spaced.
    interval : float
        Probability of the equal-tailed intervals.

    Returns
    -------
    pandas.DataFrame
        Columns ``organic``, of those who return by themselves, and for each state that a customer may be in now
        ``induced_alive``, say, and ``induced_gone``, of those who are brought back; each followed by its ``_lower`` and
        ``_upper``. Offers change the latter by their factor: see :class:`kundenwert.Offer`. NaN where nobody with such
        a history can be in the state: who bought every hour and then not for years is not active.

    Raises
    ------
    SpecificationError
        If the model of purchases does not tell what a second life is like.
    InfiniteValueError
        If purchases for life are not finite without discounting, or the mean amount is infinite.
    """
    check_interval(interval)
    check_duration(window, "window")
    if len(as_histories(histories)) == 0:
        message = "there are no customers; expected histories of one customer or more"
        raise DataError(message)
    kinds, drawn = distinct_customers(
        purchases, spend, histories, economics, horizon=horizon, customers=customers, draws=draws
    )
    outlook = Outlook.of(kinds, spend, economics, window=window)
    timeline = Timeline.of(economics, kinds.years, margin=False)
    h, per_year = window.in_unit(purchases.unit), periods_per_year(kinds.base)
    middle = timeline.later(h / 2 / per_year)[0]
    counted = StateValues(drawn.of_cells, kinds.base).expected(
        lambda customer: time_to_return(customer, timeline, h, per_year)
    )

    def values(rows: slice) -> list[Array]:
        worth, chances = outlook.worth(rows), outlook.chances(rows)
        first = int(kinds.shared[rows.start])
        base = slice(first, int(kinds.shared[rows.stop - 1]) + 1)
        returned = counted(base).sum(axis=0)[kinds.shared[rows] - first]
        induced = worth.regained / middle
        stay_away = induced[0]
        if drawn.model.by_history:  # what those would be worth who cannot be there is a ratio of nothing to nothing
            there = outlook.later_probability(base)[:, kinds.shared[rows] - first] > 0
            stay_away = np.where(there[0], induced[0], induced[1])
            induced = np.where(there, induced, np.nan)
        # where next to nobody returns, a difference does not tell what they are worth; those who would not are close
        tells = chances.p_return > FEW * chances.probability[:-1].sum(axis=0)
        organic = np.divide(worth.returning.sum(axis=0), returned, out=stay_away.copy(), where=tells)
        return [organic, *induced]

    names = ("organic", *(f"induced_{name}" for name in outlook.names))
    found = summarise_all(len(kinds), outlook.draws, len(names), values, interval=interval, leave_out_nan=True)
    columns: dict[str, Array] = {}
    for name, summary in zip(names, found, strict=True):
        columns |= dict(zip((name, f"{name}_lower", f"{name}_upper"), summary.at(kinds.index).columns(), strict=True))
    return pd.DataFrame(columns, index=histories.customer_id)
