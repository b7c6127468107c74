"""Scores of amounts: how plausible a model of spend found what customers then paid, and how far off it was.

Models of spend are densities of different things: gamma-gamma of a customer's mean amount, log-normal of single
amounts, without those of zero. They are scored on one thing, the single positive amounts, of which both have a density:
for gamma-gamma, amounts z_1, ..., z_k of a customer with x purchases of sum S have

    Gamma(a + p k)/(Gamma(a) Gamma(p)^k)  c^a/(c + sum z)^(a + p k)  prod z^(p - 1),  a = p x + q,  c = gamma + S,

and for log-normal, logarithms are normal with covariance sigma^2 I + v 11' around the customer's expected level.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Self, final

import numpy as np

from kundenwert.checks.comparison import warn_of_problems
from kundenwert.checks.scores import error_of_mean
from kundenwert.errors import DataError
from kundenwert.models.core import Amounts, history_of
from kundenwert.posterior.summary import in_blocks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from kundenwert.checks.origins import Split
    from kundenwert.histories import CustomerHistories
    from kundenwert.models.core import Array
    from kundenwert.posterior.spend import SpendPosterior

__all__ = ["AmountScores", "amount_scores_of"]


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AmountScores:
    """Scores of one model of spend at one origin or at several, of customers who then bought; shape (customers,).

    Attributes
    ----------
    position
        Of the customer among all of the log.
    purchases, free
        How often they bought within the horizon, and how often for nothing.
    paid
        What they paid for all of that.
    predicted
        What a purchase was expected to cost.
    log_score
        Log density of their positive amounts, each customer's jointly.
    """

    position: NDArray[np.intp]
    purchases: NDArray[np.int64]
    free: NDArray[np.int64]
    paid: Array
    predicted: Array
    log_score: Array

    @classmethod
    def pooled(cls, parts: Sequence[Self]) -> Self:
        """All origins together."""
        names = [field.name for field in fields(cls)]
        return cls(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})

    @property
    def totals(self) -> dict[str, float]:
        """Customers who bought, their purchases, and the mean amount of one: actual and predicted."""
        purchases = int(self.purchases.sum())
        return {
            "customers": len(self.purchases),
            "purchases": purchases,
            "free": int(self.free.sum()),
            "actual": float(self.paid.sum() / purchases),
            "predicted": float(self.purchases @ self.predicted / purchases),
        }

    @property
    def means(self) -> dict[str, float]:
        """Means over customers, and over purchases for the bias."""
        expected, paid = self.purchases * self.predicted, self.paid.sum()
        bias = expected.sum() / paid - 1
        beyond = expected - (1 + bias) * self.paid  # of a ratio, to first order
        return {
            "log_score": float(self.log_score.mean()),
            "bias": float(bias),
            "bias_se": error_of_mean(beyond, self.position) * len(beyond) / float(paid),
            "mae": float(np.abs(self.predicted - self.paid / self.purchases).mean()),
        }

    def error_of_difference(self, other: Self) -> float:
        """Standard error of the difference of mean log scores; a customer met at several origins counts once."""
        return error_of_mean(self.log_score - other.log_score, self.position)


def amount_scores_of(name: str, posterior: SpendPosterior, split: Split) -> AmountScores:
    """Score what a posterior that was fitted to the histories of the split says of amounts after it.

    Raises
    ------
    DataError
        If nobody who was known at the origin paid anything within the horizon.
    """
    after = split.after
    assert after is not None  # noqa: S101 - a split of a log with amounts has them
    assert after.amount is not None  # noqa: S101
    size = len(split.histories)
    paid = np.bincount(after.customer, weights=after.amount, minlength=size)
    if not paid.any():
        message = (
            f"no customer known on {split.origin} paid anything within the horizon after it, so that there is nothing "
            "to score amounts on; choose a longer horizon, or another origin"
        )
        raise DataError(message)
    warn_of_problems(f"{name!r} until {split.origin}", posterior, stacklevel=4)
    buyers = np.flatnonzero(split.purchases > 0)
    who, amount = after.customer[after.amount > 0], after.amount[after.amount > 0]
    logs = np.log(amount)
    sums = [np.bincount(who, weights, size)[buyers] for weights in (None, amount, logs, logs**2)]
    histories = split.histories.take(buyers)
    amounts = Amounts(*(each.astype(np.float64)[:, None] for each in sums))
    return AmountScores(
        position=split.position[buyers],
        purchases=split.purchases[buyers],
        free=(split.purchases[buyers] - sums[0]).astype(np.int64),
        paid=paid[buyers],
        predicted=posterior.expected_spend(histories)["mean"].to_numpy(),
        log_score=_log_density(posterior, histories, amounts),
    )


def _log_density(posterior: SpendPosterior, histories: CustomerHistories, amounts: Amounts) -> Array:
    """Log of the predictive density of each customer's amounts: the mean over draws of their joint density."""
    cells, draws = posterior.cells_of(histories), posterior.of_cells.draws
    columns = {name: column[cells.index] for name, column in cells.columns.items()}  # one row a customer
    found = np.empty(len(histories))

    def work(rows: slice) -> None:
        some = Amounts(*(each[rows] for each in amounts))
        drawn = posterior.model.log_density_ahead(posterior.theta, history_of(columns, rows), some)
        found[rows] = np.logaddexp.reduce(drawn, axis=1) - math.log(draws)

    in_blocks(len(found), draws, work)
    return found
