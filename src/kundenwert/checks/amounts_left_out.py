"""Leave-one-out of models of spend: on one kind of data for all of them, and what they expect of a new customer.

A posterior without a customer is the posterior with them, its draws weighted by one over their likelihood under the
model. What is averaged with these weights may be another density than that likelihood: gamma-gamma, which is fitted to
mean amounts, is scored on single ones where it is compared with a model of single amounts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, final

import numpy as np

from kundenwert.checks.leave_one_out import (
    LeaveOneOut,
    checked_cells,
    log_mean,
    smoothed_log_weights,
    tail_length,
)
from kundenwert.errors import InfiniteValueError
from kundenwert.histories.cells import Clock, HistoryColumn, collapse
from kundenwert.models.core import NUMPY, Amounts, history_of
from kundenwert.posterior.summary import in_blocks

if TYPE_CHECKING:
    from kundenwert.histories import Histories
    from kundenwert.models.core import Array
    from kundenwert.posterior.spend import SpendPosterior

__all__ = ["SpendLeftOut", "leave_out_amounts"]

SINGLE: tuple[HistoryColumn, ...] = ("positive", "total", "log_total", "log_squared_total")


@final
@dataclass(frozen=True, slots=True)
class _Columns:
    """Asks histories for columns, as a model does."""

    needs: tuple[HistoryColumn, ...]
    clock: Clock


class SpendLeftOut(NamedTuple):
    """Leave-one-out of a model of spend, and how far its expectation is off.

    Parameters
    ----------
    scores
        Log densities of customers' repeat amounts given all others.
    bias
        By what share the mean amount that is expected of a customer, given all others and nothing of their own,
        exceeds customers' mean amounts.
    mae
        Mean absolute error of that expectation. Both are NaN if it is infinite.
    """

    scores: LeaveOneOut
    bias: float
    mae: float


def leave_out_amounts(posterior: SpendPosterior, histories: Histories, *, single: bool) -> SpendLeftOut:
    """Leave out each customer; densities are those of single positive amounts, or of what the model observes.

    Raises
    ------
    DataError
        If the posterior was fitted to other customers.
    MissingInformationError
        If `single` amounts are asked for and the histories hold means only.
    """
    model, theta = posterior.model, posterior.theta
    own, entering = checked_cells(posterior, histories)
    used = entering[own.index]
    cells = own
    if single:
        needs = tuple(dict.fromkeys([*model.needs, *SINGLE]))
        cells = histories.in_unit(posterior.unit).cells(_Columns(needs, model.clock))
        entering = model.informative(cells)
    chosen = cells.at(entering)
    new = {name: np.zeros(1) for name in cells.columns}
    expected = _expected_of_new(posterior, new)
    draws = posterior.values[0].size
    tail = tail_length(posterior)
    elpd, seen, pareto_k, mean = np.empty((4, len(chosen)))

    def work(rows: slice) -> None:
        h = history_of(chosen, rows)
        log_likelihood = model.log_likelihood(theta, h, NUMPY)
        scored = log_likelihood
        if single:
            amounts = Amounts(*(h[name] for name in SINGLE))
            scored = model.log_density_ahead(theta, history_of(new), amounts)
        log_weight, pareto_k[rows] = smoothed_log_weights(log_likelihood, tail)
        seen[rows] = log_mean(scored)
        elpd[rows] = np.logaddexp.reduce(log_weight + scored, axis=1)
        weight = np.where(np.isnan(expected), 0.0, np.exp(log_weight))
        mean[rows] = weight @ np.nan_to_num(expected) / np.maximum(weight.sum(axis=1), np.finfo(float).tiny)

    in_blocks(len(elpd), draws, work)
    index = (np.cumsum(entering) - 1)[cells.index[used]]
    scores = LeaveOneOut(
        used=used, elpd=elpd[index], p_loo=float(np.sum((seen - elpd)[index])), pareto_k=pareto_k[index]
    )
    if np.isnan(expected).all():
        return SpendLeftOut(scores, np.nan, np.nan)
    paid = _mean_amounts(histories)[used]
    error = mean[index] - paid
    return SpendLeftOut(scores, float(error.mean() / paid.mean()), float(np.abs(error).mean()))


def _expected_of_new(posterior: SpendPosterior, new: dict[HistoryColumn, Array]) -> Array:
    """What a purchase of a new customer is expected to cost, shape (draws,); NaN where there is no mean."""
    cells = collapse(new, customers=1, unit=posterior.unit, periods_per_year=np.nan)
    try:
        return posterior.finite_spend(cells)(slice(0, 1)).reshape(-1)
    except InfiniteValueError:
        return np.full(posterior.of_cells.draws, np.nan)


def _mean_amounts(histories: Histories) -> Array:
    """Mean amount of each customer's repeat purchases."""
    cells = histories.cells(_Columns(("x", "total"), "time"))
    x, total = cells["x"][cells.index], cells["total"][cells.index]
    mean: Array = total / np.maximum(x, 1)
    return mean
