"""One table of everything a customer list needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from kundenwert.duration import check_duration
from kundenwert.economics.value.distinct import check_posteriors
from kundenwert.economics.value.valuation import valuation
from kundenwert.errors import SpecificationError
from kundenwert.posterior.purchase import PurchasePosterior
from kundenwert.posterior.spend import SpendPosterior
from kundenwert.posterior.summary import summarise_all
from kundenwert.progress import shown_as

if TYPE_CHECKING:
    from narwhals.stable.v2.typing import IntoDataFrame

    from kundenwert.duration import Duration
    from kundenwert.economics.assumptions.economics import Economics
    from kundenwert.economics.dependence.spend_dependence import SpendDependence
    from kundenwert.histories import CustomerHistories

__all__ = ["score"]


def score(
    purchases: PurchasePosterior,
    spend: SpendPosterior,
    histories: CustomerHistories,
    economics: Economics,
    *,
    horizon: Duration,
    customers: IntoDataFrame | None = None,
    dependence: SpendDependence | None = None,
    interval: float = 0.90,
    progress: bool | None = None,
) -> pd.DataFrame:
    """Score customers: one row each, in the order of the histories, indexed by ``customer_id``.

    Parameters
    ----------
    purchases : PurchasePosterior
        When customers buy.
    spend : SpendPosterior
        How much they spend.
    histories : CustomerHistories
        The customers, with amounts.
    economics : Economics
        Margin and discount rate.
    horizon : Duration
        Finite period of the expectations and of the net present value. For the value of the whole relationship see
        :func:`net_present_value` with ``horizon=LIFETIME``.
    customers : data frame, optional
        Table with ``customer_id`` and the columns that `economics` looks up by :class:`PerCustomer`.
    dependence : SpendDependence, optional
        What :func:`kundenwert.spend_dependence` found with the same posteriors: the net present value is then
        corrected for it, as by :func:`kundenwert.net_present_value`; the other columns are not.
    interval : float
        Probability of the equal-tailed intervals.
    progress : bool, optional
        Whether to show how far it is; by default as :func:`kundenwert.show_progress` says.

    Returns
    -------
    pandas.DataFrame
        Columns ``p_alive``, ``expected_purchases``, ``return_probability``, ``expected_spend`` and ``npv``, each
        followed by its ``_lower`` and ``_upper``.
    """
    check_posteriors(purchases, spend, economics)
    if not isinstance(purchases, PurchasePosterior) or not isinstance(spend, SpendPosterior):
        message = (
            "score takes a PurchasePosterior and a SpendPosterior, got "
            f"{type(purchases).__name__} and {type(spend).__name__}; for contracts and known amounts use "
            "kundenwert.net_present_value"
        )
        raise SpecificationError(message)
    length = check_duration(horizon, "horizon").in_unit(purchases.unit)
    with shown_as("score", progress):
        values = valuation(
            purchases, spend, histories, economics, horizon=horizon, customers=customers, dependence=dependence
        )
        value = values.summaries(interval)["npv"]
        expected_spend = spend.expected_spend(histories, interval=interval)
        cells = histories.in_unit(purchases.unit).cells(purchases.model)
        of_cells = purchases.of_cells
        overview = summarise_all(len(cells), of_cells.draws, 3, of_cells.overview(cells, length), interval=interval)
    p_alive, expected_purchases, return_probability = (
        summary.at(cells.index).to_pandas(histories.customer_id) for summary in overview
    )
    tables = {
        "p_alive": p_alive,
        "expected_purchases": expected_purchases,
        "return_probability": return_probability,
        "expected_spend": expected_spend,
        "npv": value.at(values.index).to_pandas(histories.customer_id),
    }
    columns = {}
    for name, table in tables.items():
        columns[name] = table["mean"]
        columns[f"{name}_lower"] = table["lower"]
        columns[f"{name}_upper"] = table["upper"]
    return pd.DataFrame(columns, index=histories.customer_id)
