"""Net present value: discounted margin of the purchases still to come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

from kundenwert.economics.economics import Economics
from kundenwert.errors import SpecificationError
from kundenwert.histories.base import as_histories, check_clock
from kundenwert.posterior.base import thinning
from kundenwert.posterior.purchase import PurchasePosterior
from kundenwert.posterior.spend import SpendPosterior
from kundenwert.posterior.summary import Summary, summarise

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from kundenwert.duration import Duration
    from kundenwert.histories import Cells, Clock, CustomerHistories, HistoryColumn
    from kundenwert.models.core import Array

__all__ = ["check_posteriors", "net_present_value", "value_summary"]


@final
@dataclass(frozen=True, slots=True)
class _Needs:
    """The columns that two models need together."""

    needs: tuple[HistoryColumn, ...]
    clock: Clock


def net_present_value(
    purchases: PurchasePosterior,
    spend: SpendPosterior,
    histories: CustomerHistories,
    economics: Economics,
    *,
    horizon: Duration,
    interval: float = 0.90,
) -> pd.DataFrame:
    """Expected net present value of the purchases still to come, per customer: columns mean, lower, upper.

    Expected discounted purchases in (T, T + horizon], times the expected amount of a purchase, times the margin.
    Draws of purchases and spend are paired, so that the interval holds the uncertainty of both; it does not hold the
    chance of the single customer, who will buy or not.

    Parameters
    ----------
    purchases : PurchasePosterior
        When customers buy.
    spend : SpendPosterior
        How much they spend; taken as independent of how often they buy.
    histories : CustomerHistories
        The customers, with amounts.
    economics : Economics
        Margin and discount rate.
    horizon : Duration
        How far ahead, or LIFETIME.
    interval : float
        Probability of the equal-tailed interval.

    Raises
    ------
    InfiniteValueError
        If purchases for life are not finite without discounting, or the mean amount is infinite.
    MissingInformationError
        If the histories have no amounts.
    """
    check_posteriors(purchases, spend, economics)
    summary, cells = value_summary(purchases, spend, histories, economics, horizon=horizon, interval=interval)
    return summary.at(cells.index).to_pandas(histories.customer_id)


def value_summary(
    purchases: PurchasePosterior,
    spend: SpendPosterior,
    histories: CustomerHistories,
    economics: Economics,
    *,
    horizon: Duration,
    interval: float,
) -> tuple[Summary, Cells]:
    """Net present value of each distinct history, and the histories."""
    check_clock(purchases.model, as_histories(histories))
    histories = histories.in_unit(purchases.unit)
    cells = histories.cells(_Needs((*purchases.model.needs, *spend.model.needs), purchases.model.clock))
    purchase_draws, spend_draws = _paired(purchases.of_cells.draws, spend.of_cells.draws)
    purchases = purchases.chosen(purchase_draws)
    # customers who differ in spend only share the costly part; both kinds of cells are sorted alike
    purchase_cells = histories.cells(purchases.model)
    member = np.empty(len(cells), dtype=np.int64)
    member[cells.index] = np.arange(len(histories))
    shared = purchase_cells.index[member]
    discounted = purchases.discounted_of(economics.annual_discount_rate, horizon)(purchase_cells)
    expected = spend.finite_spend(cells, spend_draws)

    def values(rows: slice) -> Array:
        first, last = shared[rows.start], shared[rows.stop - 1] + 1
        return np.asarray(discounted(slice(first, last))[shared[rows] - first] * expected(rows) * economics.margin)

    return summarise(len(cells), purchases.of_cells.draws, values, interval, leave_out_nan=True), cells


def _paired(purchases: int, spend: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions of draws that go together.

    Draws pair by position: their random order makes them independent. The longer posterior is thinned evenly; a
    single draw goes with all of the other.
    """
    count = max(purchases, spend) if min(purchases, spend) == 1 else min(purchases, spend)
    return thinning(purchases, count), thinning(spend, count)


def check_posteriors(purchases: object, spend: object, economics: object) -> None:
    """Refuse arguments in the wrong place."""
    expected = (
        ("purchases", purchases, PurchasePosterior, "kundenwert.fit(kundenwert.MBGNBD(), …)"),
        ("spend", spend, SpendPosterior, "kundenwert.fit(kundenwert.GammaGamma(), …)"),
        ("economics", economics, Economics, "kundenwert.Economics(margin=…, annual_discount_rate=…)"),
    )
    for name, value, kind, example in expected:
        if not isinstance(value, kind):
            message = f"{name} must be a {kind.__name__}, got {type(value).__name__}; make one with {example}"
            raise SpecificationError(message)
