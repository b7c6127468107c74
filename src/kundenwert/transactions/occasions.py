"""Purchase occasions: rows of one customer in one step merged, refunds set aside or taken off."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, final

import numpy as np

from kundenwert.histories.parts import round_amounts
from kundenwert.transactions.repeats import repeats_among

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from kundenwert.transactions.reading import LogRows

    type Floats = NDArray[np.float64]
    type Integers = NDArray[np.int64]
    type Mask = NDArray[np.bool_]

__all__ = ["Occasions", "left_out", "merge"]


@final
@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Occasions:
    """Purchase occasions sorted by customer, then step.

    Attributes
    ----------
    customer, step
        Position of the customer's id and whole step, shape (occasions,).
    amount
        What the occasion cost, never negative, shape (occasions,); None without amounts.
    merged, refunds, refunds_netted
        Rows that joined another, rows that are refunds, and those refunds that were taken off.
    refund_excess
        Money in refunds beyond the purchase they were taken off.
    repeats
        Positions of observed rows that repeat another one, alike in id, time and amount.
    """

    customer: Integers
    step: Integers
    amount: Floats | None
    merged: int
    refunds: int
    refunds_netted: int
    refund_excess: float
    repeats: Integers

    @property
    def starts(self) -> Integers:
        """Where each customer's occasions begin, shape (customers with a purchase,)."""
        changes = np.flatnonzero(self.customer[1:] != self.customer[:-1]) + 1
        return np.concatenate([np.zeros(min(1, len(self.customer)), dtype=np.int64), changes])


def merge(rows: LogRows, observed: NDArray[np.bool_], *, net_refunds: bool, drop_duplicates: bool = False) -> Occasions:
    """Merge the observed rows of each customer and step into one occasion; amounts add up.

    A refund is never an occasion. With `net_refunds` it is taken off the latest purchase of that customer at or
    before it (same step included); what exceeds that purchase is lost and reported, and so is, as a refund that was
    not netted, one that no purchase precedes. With `drop_duplicates`, rows that repeat another one are left out.
    """
    is_refund = rows.is_refund & observed
    is_purchase = observed & ~is_refund
    origin, end = (int(rows.step.min()), int(rows.step.max())) if len(rows.step) else (0, 0)
    key = rows.customer * (end - origin + 1) + (rows.step - origin)

    purchase_key = key[is_purchase]
    order = np.argsort(purchase_key, kind="stable")
    purchase_key = purchase_key[order]
    opens = np.ones(len(order), dtype=np.bool_)
    opens[1:] = purchase_key[1:] != purchase_key[:-1]
    repeats = _repeats(rows, is_refund, np.flatnonzero(is_purchase), order, opens)
    if drop_duplicates and len(repeats):
        distinct = observed.copy()
        distinct[repeats] = False
        return replace(merge(rows, distinct, net_refunds=net_refunds), repeats=repeats)
    occasion_key = purchase_key[opens]
    customer, offset = np.divmod(occasion_key, end - origin + 1)

    amount, netted, excess = None, 0, 0.0
    if rows.amount is not None:
        occasion = np.cumsum(opens) - 1
        amount = _sums(occasion, rows.amount[is_purchase][order], len(occasion_key))
        if net_refunds and is_refund.any():
            before = np.searchsorted(occasion_key, key[is_refund], side="right") - 1
            applies = before >= 0
            applies[applies] = customer[before[applies]] == rows.customer[is_refund][applies]
            net = amount - _sums(before[applies], -rows.amount[is_refund][applies], len(occasion_key))
            netted, excess = int(applies.sum()), float(-net[net < 0].sum())
            amount = round_amounts(np.maximum(net, 0.0))
    return Occasions(
        customer=customer,
        step=offset + origin,
        amount=amount,
        merged=len(order) - len(occasion_key),
        refunds=int(is_refund.sum()),
        refunds_netted=netted,
        refund_excess=excess,
        repeats=repeats,
    )


def _repeats(rows: LogRows, is_refund: Mask, purchases: Integers, order: Integers, opens: Mask) -> Integers:
    """Rows that repeat another: only purchases that share an occasion can, which the sorting has brought together."""
    joins = ~opens
    crowded = joins.copy()
    crowded[:-1] |= joins[1:]
    found = [repeats_among(rows, purchases[order[crowded]])]
    if is_refund.any():
        found.append(repeats_among(rows, np.flatnonzero(is_refund)))
    return np.concatenate(found)


def left_out(
    rows: LogRows,
    observed: NDArray[np.bool_],
    with_history: Integers,
    late: str = "first purchase after until",
    before: Mapping[str, Integers] | None = None,
) -> dict[str, int]:
    """Customers of the log without a history, by reason.

    `late` is what to call those who came too late, and `before` are those who were set aside, by reason.
    """
    remaining = np.ones(len(rows.customer_id), dtype=np.bool_)
    remaining[with_history] = False
    reasons = dict(before or {}) | {
        late: rows.customer[~observed & ~rows.is_refund],
        "refunds only": rows.customer[rows.is_refund],
        "unusable rows only": np.arange(len(remaining)),
    }
    counts: dict[str, int] = {}
    for reason, customers in reasons.items():
        so_far = int(remaining.sum())
        remaining[customers] = False
        counts[reason] = so_far - int(remaining.sum())
    return {reason: count for reason, count in counts.items() if count}


def _sums(group: Integers, amounts: Floats, groups: int) -> Floats:
    # Rounded before anything is subtracted: a purchase of 0.1 + 0.2 less a refund of 0.3 is exactly nothing.
    return round_amounts(np.bincount(group, weights=amounts, minlength=groups))
