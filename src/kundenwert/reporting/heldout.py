"""What was predicted for the time after the observation, and what happened."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self, final

import numpy as np
from scipy.special import ndtri

from kundenwert.checks.holdout import purchases_after
from kundenwert.duration import Duration, days, steps_per_unit
from kundenwert.economics import Economics, KnownAmount, realised_value
from kundenwert.economics.base.totals import totals_of_groups
from kundenwert.economics.realised.realisation import realisation
from kundenwert.economics.value.valuation import valuation
from kundenwert.errors import LogEndsEarlyWarning, MissingInformationError
from kundenwert.histories import CustomerHistories
from kundenwert.posterior.summary import Estimate
from kundenwert.reporting.totals import total_range
from kundenwert.transactions.again import how_it_was_read
from kundenwert.transactions.times import until_step

if TYPE_CHECKING:
    from narwhals.stable.v2.typing import IntoDataFrame

    from kundenwert.histories import Histories
    from kundenwert.posterior import PurchasePosterior
    from kundenwert.transactions.times import Day

__all__ = ["HeldOut"]

BEST: Final = 0.2
BLOCK: Final = 2_000_000  # probabilities at a time


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOut:
    """Predictions and truth.

    Attributes
    ----------
    length
        Of the hold-out.
    purchases, expected
        Of all customers: how many there were, and how many were expected, with what chance allows.
    returned, expected_to_return
        Share of the customers who bought, and what was expected of it, with what chance allows.
    held_by_best
        Share of the purchases that was made by the fifth of the customers who were expected to buy most.
    ends_early
        What is to be said if the log ends long before the hold-out.
    """

    length: Duration
    purchases: int
    expected: Estimate
    returned: float
    expected_to_return: Estimate
    held_by_best: float
    ends_early: str | None

    @classmethod
    def of(
        cls,
        log: IntoDataFrame | None,
        histories: Histories,
        purchases: PurchasePosterior,
        *,
        until: Day,
        interval: float,
        futures: int,
        seed: int,
    ) -> Self:
        """Compare.

        Raises
        ------
        MissingInformationError
            Without a log, or with histories that were not made from one.
        """
        if log is None or not isinstance(histories, CustomerHistories):
            message = (
                "holdout_until needs the log that goes on after the histories, and histories made from it by "
                "kundenwert.summarize(log, …, until=…); leave holdout_until out, or hand in both"
            )
            raise MissingInformationError(message)
        after = purchases_after(log, histories, until)
        if after.ends_early is not None:
            warnings.warn(after.ends_early, LogEndsEarlyWarning, stacklevel=4)  # who calls kundenwert.report
        bought = np.bincount(after.customer, minlength=len(histories))
        columns, steps = how_it_was_read(histories)
        end = until_step(until, steps.resolution, columns.zone)
        length = days((end - int(steps.until.max())) / steps_per_unit("day", steps.resolution))
        # a purchase worth one, and no discount: the value of customers is the number of their purchases
        one = Economics(margin=1.0, annual_discount_rate=0.0)
        given = purchases, KnownAmount(1.0), histories, one
        values = valuation(*given, horizon=length)
        expected = totals_of_groups(values, np.zeros(len(histories), dtype=np.int64), 1)
        chance = realised_value(*given, horizon=length, futures=futures, seed=seed)["sd"]
        single = realisation(*given, horizon=length, futures=futures, seed=seed)
        order = np.argsort(-expected.expected[values.index], kind="stable")
        best = order[: math.ceil(BEST * len(order) - 1e-9)]
        return cls(
            length=length,
            purchases=int(bought.sum()),
            expected=total_range(expected.value[0], single, chance, interval=interval, seed=seed),
            returned=float((bought > 0).mean()),
            expected_to_return=_share_of_buyers(purchases, histories, length, interval),
            held_by_best=float(bought[best].sum() / bought.sum()) if bought.any() else math.nan,
            ends_early=after.ends_early,
        )


def _share_of_buyers(
    purchases: PurchasePosterior, histories: CustomerHistories, length: Duration, interval: float
) -> Estimate:
    """Mean return probability, with what chance allows; given the parameters, customers are independent."""
    cells, draws = purchases.cells_of(histories), purchases.of_cells.draws
    returns = purchases.returns_of(length)(cells)
    size = max(1, BLOCK // draws)
    in_draw, variance = np.zeros(draws), 0.0
    for start in range(0, len(cells), size):
        rows = slice(start, min(start + size, len(cells)))
        p, counts = returns(rows), cells.counts[rows]
        in_draw += counts @ p
        variance += float(counts @ (p * (1 - p)).mean(axis=1))
    in_draw /= len(histories)
    half = float(ndtri((1 + interval) / 2)) * math.sqrt(variance / len(histories) ** 2 + float(in_draw.var()))
    mean = float(in_draw.mean())
    return Estimate(mean, max(0.0, mean - half), min(1.0, mean + half))
