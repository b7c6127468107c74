"""Scores: how plausible a posterior found what customers then did, and how far off it was."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Self, final

import numpy as np

from kundenwert.checks.comparison import warn_of_high_pareto_k, warn_of_problems
from kundenwert.checks.leave_one_out import FEWEST_DRAWS, leave_one_out
from kundenwert.errors import ComparisonWarning

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from kundenwert.checks.origins import Split
    from kundenwert.duration import Duration
    from kundenwert.models.core import Array
    from kundenwert.posterior.purchase import PurchasePosterior

__all__ = ["Scores", "error_of_mean", "scores_of"]

LOWEST: Final = float(np.log(np.finfo(np.float64).tiny))


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scores:
    """Scores of one model, per customer, at one origin or at several; arrays have shape (customers,).

    Attributes
    ----------
    position
        Of the customer among all of the log.
    actual, predicted
        Purchases within the horizon, and what was expected.
    log_score, return_log_score
        Log probability of exactly the actual purchases, and of buying at all or not.
    elpd_loo
        Leave-one-out score of what was known at the origin; None for a mode.
    """

    position: NDArray[np.intp]
    actual: NDArray[np.int64]
    predicted: Array
    log_score: Array
    return_log_score: Array
    elpd_loo: Array | None

    @classmethod
    def pooled(cls, parts: Sequence[Self]) -> Self:
        """All origins together."""
        left_out = [part.elpd_loo for part in parts if part.elpd_loo is not None]
        return cls(
            position=np.concatenate([part.position for part in parts]),
            actual=np.concatenate([part.actual for part in parts]),
            predicted=np.concatenate([part.predicted for part in parts]),
            log_score=np.concatenate([part.log_score for part in parts]),
            return_log_score=np.concatenate([part.return_log_score for part in parts]),
            elpd_loo=np.concatenate(left_out) if left_out else None,
        )

    @property
    def totals(self) -> dict[str, float]:
        """Customers and their purchases, actual and predicted."""
        return {
            "customers": len(self.actual),
            "actual": int(self.actual.sum()),
            "predicted": float(self.predicted.sum()),
        }

    @property
    def means(self) -> dict[str, float]:
        """Means over customers."""
        error = self.predicted - self.actual
        means = {
            "log_score": float(self.log_score.mean()),
            "return_log_score": float(self.return_log_score.mean()),
            "mae": float(np.abs(error).mean()),
            "rmse": float(np.sqrt(np.mean(error**2))),
        }
        return means if self.elpd_loo is None else means | {"elpd_loo": float(self.elpd_loo.mean())}

    def error_of_difference(self, other: Self) -> float:
        """Standard error of the difference of mean log scores; a customer met at several origins counts once.

        NaN for a single customer, who says nothing about how customers differ.
        """
        return error_of_mean(self.log_score - other.log_score, self.position)


def error_of_mean(values: Array, position: NDArray[np.intp]) -> float:
    """Standard error of a mean over customers, of whom some were met several times; NaN for a single one."""
    _, who = np.unique(position, return_inverse=True)
    total = np.bincount(who, weights=values - values.mean())
    if len(total) == 1:
        return math.nan
    return float(np.sqrt(np.sum(total**2) * len(total) / (len(total) - 1)) / len(values))


def scores_of(name: str, posterior: PurchasePosterior, split: Split, horizon: Duration) -> Scores:
    """Score the predictions of a posterior that was fitted to the histories of the split."""
    histories, bought = split.histories, split.purchases > 0
    warn_of_problems(f"{name!r} until {split.origin}", posterior, stacklevel=4)
    log_score = _log_probability(posterior, split, horizon)
    impossible = int(np.sum(log_score < LOWEST))
    if impossible:
        message = (
            f"{name!r} gives what {impossible:,} customers did after {split.origin} a probability of zero to machine "
            "precision; it counts as 10^-308, so that the score of this model is too good"
        )
        warnings.warn(message, ComparisonWarning, stacklevel=3)
    log_score = np.maximum(log_score, LOWEST)
    returns = posterior.return_probability(histories, horizon=horizon)["mean"].to_numpy()
    with np.errstate(divide="ignore"):
        return_log_score = np.where(bought, np.maximum(np.log(returns), LOWEST), log_score)
    left_out = None
    if len(posterior.theta[0]) >= FEWEST_DRAWS:
        left_out = leave_one_out(posterior, histories, posterior.unit)
        warn_of_high_pareto_k(f"{name!r} until {split.origin}", left_out, histories, stacklevel=4)
    return Scores(
        position=split.position,
        actual=split.purchases,
        predicted=posterior.expected_purchases(histories, horizon=horizon)["mean"].to_numpy(),
        log_score=log_score,
        return_log_score=return_log_score,
        elpd_loo=None if left_out is None else left_out.elpd,
    )


def _log_probability(posterior: PurchasePosterior, split: Split, horizon: Duration) -> Array:
    """Log probability of every customer's number of purchases; only the numbers that occur are computed."""
    cells, length = posterior.cells_of(split.histories), horizon.in_unit(posterior.unit)
    probability = np.empty(len(split.purchases))
    for count in np.unique(split.purchases):
        who = split.purchases == count
        needed, place = np.unique(cells.index[who], return_inverse=True)
        some = replace(cells.at(needed), counts=np.bincount(place), index=place)
        probability[who] = posterior.of_cells.count_probability(some, length, int(count))[place]
    with np.errstate(divide="ignore"):
        return np.log(probability)
