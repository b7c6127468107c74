"""Negative amounts that are no refunds: profits instead of revenue, or all signs turned round.

What is looked at is, per customer, the step of the first purchase and of the first refund, and the number of refunds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from kundenwert.histories.validation import shown

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kundenwert.histories import LogColumns
    from kundenwert.transactions.occasions import Occasions
    from kundenwert.transactions.reading import LogRows

    type Integers = NDArray[np.int64]
    type Mask = NDArray[np.bool_]

__all__ = ["negative_amounts"]

SHARE: Final = 0.03
ENOUGH: Final = 10
LIKE_CHANCE: Final = 0.3
LATE: Final = 0.1
TOO_LARGE: Final = 0.05
NEVER: Final = np.iinfo(np.int64).max


def negative_amounts(
    rows: LogRows, observed: Mask, occasions: Occasions, opens: Integers, columns: LogColumns
) -> str | None:
    """Tell of negative amounts that come before any purchase of the customer as often as if signs fell by chance.

    A refund needs a purchase before it, so customers hardly ever begin with one. Only in a log that begins in the
    middle they do, in its first days; therefore customers are looked at who appear after its first tenth. If hardly
    any do, refunds must also exceed, once in twenty, all that the customer paid at once before.
    """
    refund = np.flatnonzero(observed & rows.is_refund)
    refunds, everything = len(refund), int(np.count_nonzero(observed))
    if refunds < max(ENOUGH, SHARE * everything):
        return None
    bought, refunded = _first_steps(rows, refund, occasions, opens)
    begins = np.minimum(bought, refunded)
    seen = begins < NEVER
    start, end = int(begins.min()), int(max(occasions.step.max(), rows.step[refund].max()))
    late = seen & (begins > start + LATE * (end - start))
    enough_late = np.count_nonzero(late) >= LATE * np.count_nonzero(seen)
    looked_at = late if enough_late else seen
    before = looked_at & (refunded < bought)
    number = int(np.count_nonzero(before))
    if number < max(ENOUGH, LIKE_CHANCE * refunds / everything * np.count_nonzero(looked_at)):
        return None
    if not enough_late and _too_large(rows, refund, occasions) < TOO_LARGE:
        return None
    only = int((seen & (bought == NEVER)).sum())
    first = shown(rows.customer_id, int(np.argmax(before)))
    cause, remedy = (
        (
            "The signs seem to be turned round",
            f'turn them back, in pandas log["{columns.amount}"] = -log["{columns.amount}"]',
        )
        if 2 * refunds > everything
        else (
            "The amounts look like profit",
            "give revenue, and the margin in Economics: kundenwert.Economics(margin=0.30, …)",
        )
    )
    return (
        f"{refunds:,} of {everything:,} amounts in column {columns.amount!r} ({refunds / everything:.1%}) are "
        f"negative, but do not look like refunds: {number:,} customers, such as {first}, have one before any purchase, "
        f"and {only:,} have nothing else. {cause}. Negative amounts never count as purchases, so that customers seem "
        f"to buy more rarely than they do, and for other amounts; {remedy}"
    )


def _first_steps(rows: LogRows, refund: Integers, occasions: Occasions, opens: Integers) -> tuple[Integers, Integers]:
    """Step of the first purchase and of the first refund of each customer."""
    bought = np.full(len(rows.customer_id), NEVER)
    bought[occasions.customer[opens]] = occasions.step[opens]
    refunded = np.full(len(rows.customer_id), NEVER)
    np.minimum.at(refunded, rows.customer[refund], rows.step[refund])
    return bought, refunded


def _too_large(rows: LogRows, refund: Integers, occasions: Occasions) -> float:
    """Share of the refunds after a purchase that exceed all purchases before them."""
    if rows.amount is None or occasions.amount is None:
        return 0.0
    span = int(max(occasions.step.max(), rows.step.max()) - min(occasions.step.min(), rows.step.min())) + 1
    origin = int(min(occasions.step.min(), rows.step.min()))
    key = occasions.customer * span + occasions.step - origin
    before = np.searchsorted(key, rows.customer[refund] * span + rows.step[refund] - origin, side="right") - 1
    applies = before >= 0
    applies[applies] = occasions.customer[before[applies]] == rows.customer[refund][applies]
    if not applies.any():
        return 1.0
    rank = np.empty(len(key), dtype=np.int64)  # amounts by rank, so that the running maximum starts anew per customer
    rank[np.argsort(occasions.amount, kind="stable")] = np.arange(len(key))
    largest = np.maximum.accumulate(occasions.customer * len(key) + rank) - occasions.customer * len(key)
    paid = np.sort(occasions.amount)[largest[before[applies]]]
    return float((-rows.amount[refund][applies] > paid).mean())
