"""compare: which of several models foresees customers best."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from kundenwert.checks.amounts_left_out import leave_out_amounts
from kundenwert.checks.leave_one_out import check_draws, leave_one_out
from kundenwert.errors import ComparisonWarning, SpecificationError
from kundenwert.histories.base import as_histories, check_clock
from kundenwert.histories.validation import shown
from kundenwert.posterior.base import Posterior
from kundenwert.posterior.spend import SpendPosterior
from kundenwert.progress import each, shown_as

if TYPE_CHECKING:
    from kundenwert.checks.leave_one_out import LeaveOneOut
    from kundenwert.histories import Histories

__all__ = ["compare", "warn_of_high_pareto_k", "warn_of_problems"]

HIGHEST_PARETO_K: Final = 0.7


def compare(posteriors: Mapping[str, Posterior], histories: Histories, *, progress: bool | None = None) -> pd.DataFrame:
    """Compare models by how well each foresees every customer from all the others (leave-one-out).

    Nothing is fitted again: the posterior without a customer follows from the one with them by weighting the draws
    (Pareto-smoothed importance sampling), once per distinct history.

    Parameters
    ----------
    posteriors : mapping of names to posteriors
        Two or more, all fitted to `histories`, of models whose likelihoods are densities of the same data; or of models
        of spend, which are scored on single amounts if their likelihoods are of different things.
    histories : CustomerHistories, OpportunityHistories or ContractHistories
        The customers they were fitted to.
    progress : bool, optional
        Whether to show how far it is; by default as :func:`kundenwert.show_progress` says.

    Returns
    -------
    pandas.DataFrame
        One row a model, best first: ``elpd``, the sum over customers of the log density of each given the others, in
        the time unit of the first posterior; ``se``, its standard error over customers; ``difference`` to the best
        model (0 or negative) and ``difference_se``, its standard error, paired by customer; ``p_loo``, the effective
        number of parameters; ``worst_pareto_k`` and ``high_pareto_k``, the largest shape of a customer's weights and
        for how many customers it exceeds 0.7; ``customers``, how many enter the likelihood. A single customer has no
        standard errors: they are NaN.

        Models of spend have two columns more: ``bias``, by what share the mean amount that is expected of a customer,
        given all others, exceeds the mean amounts of customers; and ``mae``, the mean absolute error of that. A mean
        that is infinite has none: NaN.

    Raises
    ------
    SpecificationError
        If there are fewer than two posteriors, one has hardly any draws (a mode or given values), or their
        likelihoods are densities of different data or of different customers.
    DataError
        If a posterior was fitted to other customers: it knows how many there were, and a checksum of their histories.
    MissingInformationError
        If the histories lack what a model needs: single amounts, where gamma-gamma is compared with log-normal.

    Warns
    -----
    ComparisonWarning
        If leaving out a customer changes a posterior too much for weights to tell how (Pareto k above 0.7), or if a
        posterior's own diagnostics report a problem.

    Notes
    -----
    Vehtari, Gelman & Gabry (2017), Practical Bayesian model evaluation using leave-one-out cross-validation and WAIC,
    Statistics and Computing 27(5), 1413-1432.

    Examples
    --------
    >>> import kundenwert as kw
    >>> truth = kw.MBGNBD.Parameters(r=2, alpha=6, a=0.9, b=1.6, unit="week")
    >>> log = kw.datasets.simulated(truth, customers=500, seed=1)
    >>> histories = kw.summarize(log, customer="customer_id", time="date")
    >>> models = {"BG/NBD": kw.BGNBD(), "MBG/NBD": kw.MBGNBD()}
    >>> posteriors = {name: kw.fit(model, histories, seed=1) for name, model in models.items()}
    >>> kw.compare(posteriors, histories).index[0]
    'MBG/NBD'
    """
    _check(posteriors, histories)
    unit = next(iter(posteriors.values())).unit
    spend = {name: one for name, one in posteriors.items() if isinstance(one, SpendPosterior)}
    with shown_as("compare", progress):
        if spend:
            single = len({one.model.observes for one in spend.values()}) > 1
            amounts = {
                name: leave_out_amounts(one, histories, single=single) for name, one in each(spend.items(), "models")
            }
            results = {name: one.scores for name, one in amounts.items()}
        else:
            amounts = {}
            results = {name: leave_one_out(one, histories, unit) for name, one in each(posteriors.items(), "models")}
    _check_same_customers(results, histories)
    _warn(posteriors, results, histories)
    best = max(results.values(), key=lambda result: result.elpd.sum())
    rows = {
        name: {
            "elpd": result.elpd.sum(),
            "se": _standard_error(result.elpd),
            "difference": (result.elpd - best.elpd).sum(),
            "difference_se": _standard_error(result.elpd - best.elpd),
            "p_loo": result.p_loo,
            "worst_pareto_k": result.pareto_k.max(),
            "high_pareto_k": int(np.sum(result.pareto_k > HIGHEST_PARETO_K)),
            "customers": len(result.elpd),
        }
        | ({"bias": amounts[name].bias, "mae": amounts[name].mae} if amounts else {})
        for name, result in results.items()
    }
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("model")
    return table.sort_values("elpd", ascending=False, kind="stable")


def _standard_error(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    """Standard error of the sum over customers; NaN for a single one."""
    return float(np.sqrt(len(values)) * values.std(ddof=1)) if len(values) > 1 else math.nan


def _check(posteriors: Mapping[str, Posterior], histories: Histories) -> None:
    if not isinstance(posteriors, Mapping):
        message = f"compare takes posteriors by name, for example {{'BG/NBD': …, 'MBG/NBD': …}}; got {posteriors!r}"
        raise SpecificationError(message)
    if len(posteriors) < 2:
        message = f"comparing takes at least two posteriors, got {len(posteriors)}: {', '.join(map(repr, posteriors))}"
        raise SpecificationError(message)
    as_histories(histories)
    for name, posterior in posteriors.items():
        if not isinstance(posterior, Posterior):
            message = f"compare takes what kundenwert.fit returns, got {posterior!r} under {name!r}"
            raise SpecificationError(message)
    (first_name, first), *others = posteriors.items()
    for name, posterior in others:
        if isinstance(first, SpendPosterior) and isinstance(posterior, SpendPosterior):
            continue  # scored on the same amounts
        if posterior.model.observes != first.model.observes:
            message = (
                f"{first_name!r} ({type(first.model).__name__}) is a density of {first.model.observes}, {name!r} "
                f"({type(posterior.model).__name__}) of {posterior.model.observes}: their log densities say nothing "
                "about each other; compare models of the same data, or check each against a hold-out"
            )
            raise SpecificationError(message)
    for name, posterior in posteriors.items():
        check_clock(posterior.model, histories)
        check_draws(posterior, repr(name))


def _check_same_customers(results: Mapping[str, LeaveOneOut], histories: Histories) -> None:
    (first_name, first), *others = results.items()
    for name, result in others:
        different = np.flatnonzero(first.used != result.used)
        if len(different):
            message = (
                f"{first_name!r} and {name!r} learn from different customers ({len(different):,}, the first of them "
                f"{shown(histories.customer_id, int(different[0]))}, enter only one of the likelihoods); fit both to "
                "the customers that enter both, with histories.take(…)"
            )
            raise SpecificationError(message)


def _warn(posteriors: Mapping[str, Posterior], results: Mapping[str, LeaveOneOut], histories: Histories) -> None:
    for name, posterior in posteriors.items():
        warn_of_problems(repr(name), posterior, stacklevel=4)
        warn_of_high_pareto_k(repr(name), results[name], histories, stacklevel=4)


def warn_of_problems(name: str, posterior: Posterior, *, stacklevel: int) -> None:
    """Warn if the diagnostics of a posterior report a problem."""
    if not posterior.diagnostics.ok:
        message = f"{name} may be off, and so its scores: {' '.join(posterior.diagnostics.problems)}"
        warnings.warn(message, ComparisonWarning, stacklevel=stacklevel)


def warn_of_high_pareto_k(name: str, result: LeaveOneOut, histories: Histories, *, stacklevel: int) -> None:
    """Warn if leaving out a customer changes the posterior too much for weights to tell how."""
    high = int(np.sum(result.pareto_k > HIGHEST_PARETO_K))
    if high == 0:
        return
    worst = int(np.argmax(result.pareto_k))
    who = shown(histories.customer_id, int(np.flatnonzero(result.used)[worst]))
    message = (
        f"{name}: Pareto k exceeds {HIGHEST_PARETO_K} for {high:,} of {len(result.elpd):,} customers (worst: customer "
        f"{who} with {result.pareto_k[worst]:.2f}). Without them the posterior would be another one, so that their "
        "share of elpd is uncertain. Look at these customers; trust only differences that do not hang on them"
    )
    warnings.warn(message, ComparisonWarning, stacklevel=stacklevel)
