"""Rows that are in the log twice: overlapping exports, orders that were sent again.

What is looked at is how often rows are alike in id, time and amount, by day, and how often two purchases of a customer
cost the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from kundenwert.transactions.times import step_label

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kundenwert.duration import Resolution
    from kundenwert.histories import LogColumns
    from kundenwert.transactions.occasions import Occasions
    from kundenwert.transactions.reading import LogRows

    type Integers = NDArray[np.int64]
    type Mask = NDArray[np.bool_]

__all__ = ["doubled_rows"]

SHARE: Final = 0.01
ENOUGH: Final = 10
BY_CHANCE: Final = 1e-6
TIED: Final = 0.25
ODDS: Final = 5.0


def doubled_rows(
    rows: LogRows, observed: Mask, occasions: Occasions, columns: LogColumns, resolution: Resolution
) -> str | None:
    """Tell of more repeating rows than one in a hundred, where chance does not explain them.

    Either there is a stretch of days in which every row stands twice or more often, as exports that overlap leave it;
    or rows of one customer and time cost the same far more often than purchases of one customer do otherwise.
    Without amounts, rows that repeat another one change nothing.
    """
    number, everything = len(occasions.repeats), int(observed.sum())
    if rows.amount is None or number < ENOUGH or number <= SHARE * everything:
        return None
    copies = _copies(rows, observed)
    stretch = _doubled_stretch(copies.step, copies.count)
    if stretch is None and not _more_than_chance(copies):
        return None
    where = (
        f"; every row from {step_label(stretch[0], resolution)} to {step_label(stretch[1], resolution)} "
        "stands there more than once, as when exports overlap"
        if stretch
        else ""
    )
    return (
        f"{number:,} of {everything:,} rows ({number / everything:.1%}) repeat another one: they are alike in "
        f"{columns.customer!r}, {columns.time!r} and {columns.amount!r}, far more often than chance explains{where}. "
        "Amounts of one step add up, so that purchases look dearer than they were. If the rows are in the log twice, "
        "pass drop_duplicates=True; if they are honest, such as equal items of one order, all is well"
    )


class _Copies:
    """Distinct rows, sorted by customer, time and amount, and how often each is there."""

    def __init__(self, customer: Integers, time: Integers, amount: Integers, step: Integers) -> None:
        order = np.lexsort((amount, time, customer))
        customer, time, amount, step = (column[order] for column in (customer, time, amount, step))
        same_time = (customer[1:] == customer[:-1]) & (time[1:] == time[:-1])
        new = np.concatenate([[True], ~(same_time & (amount[1:] == amount[:-1]))])
        start = np.flatnonzero(new)
        self.count = np.diff(np.append(start, len(new)))
        self.customer, self.time, self.amount, self.step = (c[start] for c in (customer, time, amount, step))


def _copies(rows: LogRows, observed: Mask) -> _Copies:
    assert rows.amount is not None  # noqa: S101 - the caller has looked
    _, amount = np.unique(rows.amount[observed], return_inverse=True)
    return _Copies(
        rows.customer[observed], rows.time[observed].view(np.int64), amount.astype(np.int64), rows.step[observed]
    )


def _doubled_stretch(step: Integers, count: Integers) -> tuple[int, int] | None:
    """First and last step of the longest stretch without a single row, if it is too long for chance."""
    origin = int(step.min())
    distinct = np.bincount(step - origin)
    single = np.bincount(step - origin, weights=count == 1, minlength=len(distinct))
    with_rows = np.flatnonzero(distinct)
    doubled = single[with_rows] == 0
    edges = np.flatnonzero(np.diff(np.concatenate([[False], doubled, [False]])))
    if len(edges) == 0:
        return None
    total = np.concatenate([[0], np.cumsum(distinct[with_rows])])
    length = total[edges[1::2]] - total[edges[::2]]
    longest = int(np.argmax(length))
    first, after, inside = int(edges[2 * longest]), int(edges[2 * longest + 1]), int(length[longest])
    outside = len(count) - inside
    elsewhere = (int((count > 1).sum()) - inside + 1) / (outside + 2)
    if inside < SHARE * len(count) or inside * np.log(elsewhere) + np.log(len(with_rows)) > np.log(BY_CHANCE):
        return None
    return int(with_rows[first]) + origin, int(with_rows[after - 1]) + origin


def _more_than_chance(copies: _Copies) -> bool:
    """Whether rows of one customer and time are tied far more often than purchases of one customer are otherwise."""
    same = (np.diff(copies.customer) == 0) & (np.diff(copies.time) == 0)
    baskets = np.concatenate([[0], np.cumsum(~same)])
    size = np.bincount(baskets, weights=copies.count)
    pairs = float((size * (size - 1) / 2).sum())
    tied = float((copies.count * (copies.count - 1.0) / 2).sum()) / pairs
    opens = np.flatnonzero(np.diff(baskets, prepend=-1))
    next_of_the_same = copies.customer[opens[1:]] == copies.customer[opens[:-1]]
    equal = (copies.amount[opens[1:]] == copies.amount[opens[:-1]])[next_of_the_same]
    within = (equal.sum() + 1.0) / (len(equal) + 2.0)
    prices = np.bincount(copies.amount) / len(copies.amount)
    usual = min(max(float(within), float((prices**2).sum())), 1 - 1e-9)
    return tied >= TIED and tied / max(1 - tied, 1e-9) >= ODDS * usual / (1 - usual)
