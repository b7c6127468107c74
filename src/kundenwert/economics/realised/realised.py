"""The distribution of the realised net present value: what may become of a single customer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from kundenwert.economics.realised.realisation import realisation
from kundenwert.errors import SpecificationError
from kundenwert.posterior.summary import check_interval, quantile
from kundenwert.progress import shown_as
from kundenwert.scalars import check_count, is_number

if TYPE_CHECKING:
    from narwhals.stable.v2.typing import IntoDataFrame

    from kundenwert.duration import Horizon
    from kundenwert.economics.assumptions.economics import Economics
    from kundenwert.economics.assumptions.terms import KnownAmount
    from kundenwert.histories import Histories
    from kundenwert.models.core import Array
    from kundenwert.posterior import ContractPosterior, PurchasePosterior, SpendPosterior

__all__ = ["realised_value"]

COLUMNS: Final = ("mean", "sd", "lower", "upper", "p_positive", "expected_shortfall")


def realised_value(
    purchases: PurchasePosterior | ContractPosterior,
    spend: SpendPosterior | KnownAmount,
    histories: Histories,
    economics: Economics,
    *,
    horizon: Horizon,
    futures: int = 1000,
    seed: int,
    customers: IntoDataFrame | None = None,
    renewal_due: bool = False,
    interval: float = 0.90,
    worst: float = 0.05,
    risk_aversion: float | None = None,
    progress: bool | None = None,
) -> pd.DataFrame:
    """Distribution of the net present value that a customer will really have, from simulated futures.

    Where :func:`net_present_value` gives the average over customers like this one, with the uncertainty of that
    average, this holds the chance of the single customer as well: whether they are still there, when they buy and for
    how much. With a horizon for life, futures are followed until money counts less than a ten-thousandth.

    Parameters
    ----------
    purchases : PurchasePosterior or ContractPosterior
        When customers buy, or end their contracts.
    spend : SpendPosterior or KnownAmount
        How much they spend at a purchase, taken as independent of how often they buy.
    histories : CustomerHistories, OpportunityHistories or ContractHistories
        The customers.
    economics : Economics
        Margins, costs and discounting. Customers whom customers bring count on average.
    horizon : Duration, Periods or LIFETIME
        How far ahead.
    futures : int
        How many futures of each distinct customer; each takes another draw of the parameters. The mean is known up to
        sd/√futures.
    seed : int
        The same seed gives the same futures.
    customers : data frame, optional
        Table with ``customer_id`` and the columns that `economics` or `spend` look up by :class:`PerCustomer`.
    renewal_due : bool
        For contracts: whether the next renewal is due right now.
    interval : float
        Probability that the value lies between the columns lower and upper.
    worst : float
        Share of the worst futures that the expected shortfall averages over.
    risk_aversion : float, optional
        Constant absolute risk aversion κ, per unit of money, of the certainty equivalent -log(E exp(-κ NPV))/κ.
    progress : bool, optional
        Whether to show how far it is; by default as :func:`kundenwert.show_progress` says.

    Returns
    -------
    pandas.DataFrame
        Columns ``mean``, ``sd``, ``lower``, ``upper``, ``p_positive`` (probability that the value is above 0),
        ``expected_shortfall`` (mean of the worst futures) and, if asked for, ``certainty_equivalent``.

    Raises
    ------
    InfiniteValueError
        If futures for life have no end, because nothing is discounted.
    SpecificationError
        If a model cannot be simulated from a history on.
    """
    tail = (1 - check_interval(interval)) / 2
    _check(worst, risk_aversion, seed)
    with shown_as("realised value", progress):
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

    def summary(values: Array) -> Array:
        ordered = np.sort(values, axis=1)
        columns = [
            values.mean(axis=1),
            values.std(axis=1),
            quantile(ordered, tail),
            quantile(ordered, 1 - tail),
            (values > 0).mean(axis=1),
            _mean_of_worst(ordered, float(worst)),
        ]
        if risk_aversion is not None:
            columns.append(_certainty_equivalent(ordered, float(risk_aversion)))
        return np.stack(columns, axis=1)

    with shown_as("realised value", progress):
        table = found.of_rows(summary)[found.index]
    names = [*COLUMNS, "certainty_equivalent"][: table.shape[1]]
    return pd.DataFrame(table, columns=names, index=histories.customer_id)


def _mean_of_worst(ordered: Array, share: float) -> Array:
    """Mean of this share of the futures, the last of them counting in part."""
    number = share * ordered.shape[1]
    weights = np.clip(number - np.arange(ordered.shape[1]), 0.0, 1.0)
    return np.asarray(ordered @ weights / number)


def _certainty_equivalent(ordered: Array, aversion: float) -> Array:
    """The sure value that is as good; the mean without risk aversion."""
    if aversion == 0:
        return np.asarray(ordered.mean(axis=1))
    worst = ordered[:, :1]
    return np.asarray(worst[:, 0] - np.log1p(np.expm1(-aversion * (ordered - worst)).mean(axis=1)) / aversion)


def _check(worst: object, risk_aversion: object, seed: object) -> None:
    if not is_number(worst) or not 0 < worst <= 1:
        message = f"worst is a share of the futures between 0 and 1, for example 0.05; got {worst!r}"
        raise SpecificationError(message)
    if risk_aversion is not None and (not is_number(risk_aversion) or risk_aversion < 0):
        message = f"risk_aversion is 0 or more, per unit of money, for example 0.01; got {risk_aversion!r}"
        raise SpecificationError(message)
    check_count(seed, "seed", smallest=0)
