"""rolling_origin: fit up to a date, predict what follows, and move on; the honest way to choose between models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, final

import pandas as pd

from kundenwert.checks.amounts import AmountScores, amount_scores_of
from kundenwert.checks.origins import Reading, splits_of
from kundenwert.checks.scores import Scores, scores_of
from kundenwert.errors import KundenwertError, SpecificationError
from kundenwert.fitting import fit
from kundenwert.histories.tables import open_table
from kundenwert.models.core import PurchaseModel, SpendModel, check_model
from kundenwert.progress import each, shown_as

if TYPE_CHECKING:
    from collections.abc import Sequence

    from narwhals.stable.v2.typing import IntoDataFrame

    from kundenwert.duration import Duration, Resolution, TimeUnit
    from kundenwert.histories.audit import Decimal
    from kundenwert.inference import Method
    from kundenwert.transactions.times import Day

__all__ = ["RollingOrigin", "rolling_origin"]


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RollingOrigin:
    """How well models predicted from several origins.

    Parameters
    ----------
    table
        One row an origin and model (the index): ``customers`` acquired by then; ``actual`` and ``predicted`` purchases
        in the horizon; ``log_score``, the mean log probability of exactly the purchases that came, and
        ``return_log_score``, that of buying at all or not (higher is better); ``mae`` and ``rmse`` of expected
        purchases per customer; ``elpd_loo``, the leave-one-out score per customer of what was known at the origin.

        Of models of spend: ``customers`` who bought in the horizon, their ``purchases``, and how many of these were
        ``free``; the mean amount of a purchase, ``actual`` and ``predicted``, all purchases counted; ``log_score``,
        the mean over customers of the log density of all positive amounts that each paid; ``bias``, by what share
        predicted exceeds actual, and its standard error ``bias_se``; ``mae`` of customers' mean amounts.
    summary
        One row a model, best first, over all origins and customers: ``log_score``; its ``difference`` to the best
        model and the ``difference_se``, the standard error of that, paired by customer (NaN for a single customer,
        who has none); at how many origins the model was ``best``; and the other scores.
    """

    table: pd.DataFrame
    summary: pd.DataFrame

    def __repr__(self) -> str:
        origins = self.table.index.get_level_values("origin").nunique()
        return f"RollingOrigin over {origins} origin{'s' * (origins > 1)}\n{self.summary.to_string()}"


def rolling_origin(
    log: IntoDataFrame,
    models: Mapping[str, PurchaseModel[Any]] | Mapping[str, SpendModel[Any]],
    *,
    customer: str,
    time: str,
    origins: Sequence[Day],
    horizon: Duration,
    amount: str | None = None,
    until: Day | None = None,
    unit: TimeUnit = "week",
    resolution: Resolution = "day",
    parse_dates: bool = False,
    time_format: str | None = None,
    time_zone: str | None = None,
    decimal: Decimal | None = None,
    on_bad_rows: Literal["raise", "drop"] = "raise",
    net_refunds: bool = False,
    drop_duplicates: bool = False,
    first_purchase: str | None = None,
    customers: IntoDataFrame | None = None,
    method: Method | None = None,
    seed: int | None = None,
    progress: bool | None = None,
) -> RollingOrigin:
    """Fit every model to the log up to each origin, and score its predictions of the horizon that follows.

    Every origin is a new fit, to the customers acquired by then. The horizon starts one step after the origin;
    purchases of customers who come later do not count. Models of purchases are scored by how often all of these
    customers buy within the horizon, models of spend by what those who do buy pay for it.

    Parameters
    ----------
    log
        pandas, Polars or PyArrow table with one row per purchase.
    models : mapping of names to purchase models, or to spend models
        One or more, with their priors, for example ``{"MBG/NBD": MBGNBD()}`` or ``{"gamma-gamma": GammaGamma()}``.
    customer, time
        Columns of customer ids and of dates or datetimes, as :func:`kundenwert.summarize` takes them.
    origins
        Last steps of the calibrations, oldest first: ISO strings, dates or datetimes.
    horizon : Duration
        How far to predict; a whole number of steps.
    amount
        Column of amounts: with it, refunds (negative amounts) are no purchases. Models of spend need it.
    until
        Last step that the log observed completely; by default the last that occurs in it.
    unit, resolution, parse_dates, time_format, time_zone, decimal, on_bad_rows, net_refunds, drop_duplicates, \
first_purchase, customers
        As :func:`kundenwert.summarize` takes them.
    method, seed
        As :func:`kundenwert.fit` takes them.
    progress : bool, optional
        Whether to show how far it is; by default as :func:`kundenwert.show_progress` says.

    Returns
    -------
    RollingOrigin
        With the attributes ``table`` and ``summary``. With :class:`kundenwert.MAP` there is no ``elpd_loo``: leaving
        a customer out takes a posterior.

    Raises
    ------
    SpecificationError
        If models or origins cannot be used: no purchase model in time, models of purchases among models of spend,
        origins out of order, before the first purchase, or so late that the horizon ends after the log.
    DataError
        If the log cannot be read, or nobody pays anything within a horizon.
    InfiniteValueError
        If the mean amount of customers is infinite under a model of spend.

    Warns
    -----
    ComparisonWarning
        If a model gives what a customer did a probability of zero to machine precision (it counts as 10^-308), if
        leave-one-out fails for a customer, or if a posterior's own diagnostics report a problem.

    Notes
    -----
    Tashman (2000), Out-of-sample tests of forecasting accuracy: an analysis and review, International Journal of
    Forecasting 16(4), 437-450; Gneiting & Raftery (2007), Strictly Proper Scoring Rules, Prediction, and Estimation,
    Journal of the American Statistical Association 102(477), 359-378.
    """
    _check_models(models, amount)
    reading = Reading(
        customer=customer,
        time=time,
        amount=amount,
        unit=unit,
        resolution=resolution,
        parse_dates=parse_dates,
        time_format=time_format,
        time_zone=time_zone,
        decimal=decimal,
        on_bad_rows=on_bad_rows,
        net_refunds=net_refunds,
        drop_duplicates=drop_duplicates,
        first_purchase=first_purchase,
        customers=None if customers is None else _kept(customers),
    )
    scores: dict[tuple[str, str], Scores | AmountScores] = {}
    with shown_as("rolling origin", progress):
        for split in each(splits_of(log, reading, origins, horizon, until), "origins", len(origins)):
            for name in each(models, "model"):
                model = models[name]
                try:
                    if isinstance(model, SpendModel):
                        spend = fit(model, split.histories, method=method, seed=seed)
                        scores[split.origin, name] = amount_scores_of(name, spend, split)
                    else:
                        purchases = fit(model, split.histories, method=method, seed=seed)
                        scores[split.origin, name] = scores_of(name, purchases, split, horizon)
                except KundenwertError as error:
                    error.add_note(f"This happened with {name!r}, fitted to the log until {split.origin}.")
                    raise
    table = pd.DataFrame(
        [score.totals | score.means for score in scores.values()],
        index=pd.MultiIndex.from_tuples(list(scores), names=["origin", "model"]),
    )
    return RollingOrigin(table=table, summary=_summary(scores, table["log_score"]))


def _summary(scores: Mapping[tuple[str, str], Any], log_score: pd.Series[float]) -> pd.DataFrame:
    """All origins together, best model first."""
    models = dict.fromkeys(model for _, model in scores)
    kind = type(next(iter(scores.values())))
    pooled = {name: kind.pooled([part for (_, model), part in scores.items() if model == name]) for name in models}
    means = {name: pooled[name].means for name in models}
    leader = max(models, key=lambda name: means[name]["log_score"])
    winners = [model for _, model in log_score.groupby("origin").idxmax()]
    rows = {
        name: {
            "log_score": means[name]["log_score"],
            "difference": means[name]["log_score"] - means[leader]["log_score"],
            "difference_se": pooled[name].error_of_difference(pooled[leader]),
            "best": winners.count(name),
        }
        | means[name]
        for name in models
    }
    summary = pd.DataFrame.from_dict(rows, orient="index").rename_axis("model")
    return summary.sort_values("log_score", ascending=False, kind="stable")


def _kept(customers: IntoDataFrame) -> IntoDataFrame:
    """The table of customers, which is read at every origin; what streams its rows gives them once."""
    return open_table(customers, "customers").to_native()


def _named(models: object) -> str:
    """What was given for models; a table, which would fill the screen, by its kind."""
    return f"a {type(models).__name__}" if hasattr(models, "columns") else f"{models!r}"


def _check_models(models: object, amount: str | None) -> None:
    if not isinstance(models, Mapping) or not models:
        message = (
            f"rolling_origin takes models by name, for example {{'MBG/NBD': kundenwert.MBGNBD()}}; got {_named(models)}"
        )
        raise SpecificationError(message)
    spend = [name for name, model in models.items() if isinstance(model, SpendModel)]
    for name, model in models.items():
        check_model(model)
        if isinstance(model, SpendModel):
            continue
        if not isinstance(model, PurchaseModel) or model.clock != "time":
            message = (
                f"rolling_origin predicts purchases in time, or amounts, which {name!r} ({type(model).__name__}) does "
                "not; it takes models such as kundenwert.MBGNBD(), or such as kundenwert.GammaGamma()"
            )
            raise SpecificationError(message)
        if spend:
            message = (
                f"{name!r} ({type(model).__name__}) predicts purchases and {spend[0]!r} "
                f"({type(models[spend[0]]).__name__}) amounts: scores of different things say nothing about each "
                "other; call rolling_origin once for the models of purchases and once for those of spend"
            )
            raise SpecificationError(message)
    if spend and amount is None:
        message = f"{spend[0]!r} is a model of spend, which needs amounts; name their column with amount=…"
        raise SpecificationError(message)
