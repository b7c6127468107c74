"""A log that begins in the middle: what looks like a first purchase is not.

What is looked at is the number of customers by the tenth of the log in which they appear, and how often those of the
first and of the next tenths bought in its second half.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from kundenwert.transactions.times import step_label

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kundenwert.duration import Resolution
    from kundenwert.transactions.occasions import Occasions

    type Integers = NDArray[np.integer]

__all__ = ["begins_late"]

PARTS: Final = 10
HALF: Final = PARTS // 2
STILL_COMING: Final = 0.02
ENOUGH: Final = 30
FALLS: Final = 3.5
GOES_ON_FALLING: Final = 2.0
BUSIER: Final = 1.75


def begins_late(occasions: Occasions, opens: Integers, until: int, resolution: Resolution) -> str | None:
    """Tell of a log in whose first tenth far more customers appear than later, and busier ones.

    Where a log is cut off at the left, old customers appear as new ones at their next purchase: the busy ones at
    once, the others by and by. So the number of new customers falls from the first tenth over the second and third to
    the second half, and the earliest buy more often afterwards than those who come next (both in the second half of
    the log, so that seasons are the same). An opening brings many customers at once, but then the number falls no
    further; a single cohort ends; and neither they nor those of a fading shop buy more often than those who come
    next, but rather less, since more of them have left. Thresholds are standard errors.
    """
    first = occasions.step[opens]
    start = int(first.min())
    length = until - start + 1
    if length < 2 * PARTS:
        return None
    part = np.minimum((first - start) * PARTS // length, PARTS - 1)
    new = np.bincount(part, minlength=PARTS)
    soon, later = float(new[1:3].mean()), float(new[HALF:].mean())
    falls = new[0] > soon and new[0] - later > FALLS * np.sqrt(new[0] + later / HALF)
    goes_on = soon - later > GOES_ON_FALLING * np.sqrt(soon / 2 + later / HALF)
    coming = new[HALF:].sum() >= max(ENOUGH, STILL_COMING * new.sum())
    if not (falls and goes_on and coming) or min(new[0], new[1:HALF].sum()) < ENOUGH:
        return None
    middle = start + -(-length * HALF // PARTS)
    late = np.cumsum(occasions.step >= middle, dtype=np.int32)[np.append(opens[1:], len(occasions.step)) - 1]
    bought = np.diff(late, prepend=0)
    (busy, error), (busy_next, error_next) = _mean_purchases(new, part, bought)
    if busy - busy_next <= BUSIER * np.hypot(error, error_next):
        return None
    return (
        f"the log seems to begin in the middle: {new[0]:,} customers appear in its first tenth, from "
        f"{step_label(start, resolution)} on, {new[1]:,} in the second, and {later:,.0f} in each of the last five; and "
        f"the earliest buy most afterwards ({busy:.2f} times in the second half, those who come next "
        f"{busy_next:.2f} times). Many will have bought before, so that their first row is not their first purchase: "
        "they look younger than they are, and new customers look busier. Name the column that holds the day of the "
        'first purchase, first_purchase="…", in the log or in customers=…: customers acquired before the log are then '
        "set aside; or keep only customers of whom you know that the log has their first purchase"
    )


def _mean_purchases(new: Integers, part: Integers, bought: Integers) -> tuple[tuple[float, float], tuple[float, float]]:
    """Mean purchases of the customers of the first tenth, and of the next ones up to the middle, with their errors."""
    total = np.bincount(part, weights=bought, minlength=PARTS)
    squares = np.bincount(part, weights=bought * bought, minlength=PARTS)

    def mean_and_error(parts: slice) -> tuple[float, float]:
        number, mean = int(new[parts].sum()), float(total[parts].sum() / new[parts].sum())
        variance = float(squares[parts].sum()) / number - mean**2
        return mean, float(np.sqrt(max(variance, 0.0) / number))

    return mean_and_error(slice(0, 1)), mean_and_error(slice(1, HALF))
