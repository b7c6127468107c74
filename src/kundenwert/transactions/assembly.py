"""Purchase occasions become histories: one per customer, with an audit of every row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kundenwert.duration import Resolution, TimeUnit, steps_per_unit
from kundenwert.histories import Audit, CustomerHistories, Gaps, LogColumns, Spend, Steps
from kundenwert.histories.parts import round_amounts
from kundenwert.transactions.occasions import Occasions, left_out
from kundenwert.transactions.repeats import ALIKE
from kundenwert.transactions.window import with_window

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kundenwert.transactions.acquired import SetAside
    from kundenwert.transactions.reading import LogRows

    type Mask = NDArray[np.bool_]

__all__ = ["histories_of"]


def histories_of(
    rows: LogRows,
    in_time: Mask,
    occasions: Occasions,
    *,
    aside: SetAside,
    columns: LogColumns,
    until: int,
    unit: TimeUnit,
    resolution: Resolution,
) -> CustomerHistories:
    """Make the histories of these occasions; rows that are not `in_time` are counted, and those set aside."""
    opens = np.ones(len(occasions.step), dtype=np.bool_)
    opens[1:] = occasions.customer[1:] != occasions.customer[:-1]
    start = np.flatnonzero(opens)
    end = np.append(start[1:], len(opens))
    first, last, frequency = occasions.step[start], occasions.step[end - 1], end - start - 1
    per_unit = steps_per_unit(unit, resolution)
    who = occasions.customer[start]
    dropped = {"after until": int((~in_time).sum())} | aside.rows
    if columns.drop_duplicates:
        dropped[ALIKE] = len(occasions.repeats)
    audit = Audit(
        rows_read=rows.rows_read,
        kept=len(occasions.step),
        merged=occasions.merged,
        refunds=occasions.refunds,
        refunds_netted=occasions.refunds_netted,
        refund_excess=occasions.refund_excess,
        dropped=rows.dropped | {reason: count for reason, count in dropped.items() if count},
        customers=len(who),
        customers_left_out=left_out(rows, in_time, who, before=aside.customers),
        duplicates=len(occasions.repeats),
    )
    return CustomerHistories(
        customer_id=rows.customer_id.take(who),
        frequency=frequency,
        recency=(last - first) / per_unit,
        T=(until - first) / per_unit,
        unit=unit,
        steps=Steps(first=first, last=last, until=np.full_like(first, until), resolution=resolution),
        gaps=Gaps(offsets=np.append(0, np.cumsum(frequency)), values=np.diff(occasions.step)[~opens[1:]]),
        spend=None if occasions.amount is None else _spend(occasions.amount, opens),
        audit=with_window(audit, rows, until=until, resolution=resolution),
        columns=columns,
    )


def _spend(amount: NDArray[np.float64], opens: Mask) -> Spend:
    customers = int(opens.sum())
    who = (np.cumsum(opens) - 1)[~opens]
    repeat = amount[~opens]
    log = np.log(repeat, out=np.zeros_like(repeat), where=repeat > 0)
    return Spend(
        total=round_amounts(np.bincount(who, weights=repeat, minlength=customers)),
        log_total=np.bincount(who, weights=log, minlength=customers),
        log_squared_total=np.bincount(who, weights=log**2, minlength=customers),
        positive=np.bincount(who[repeat > 0], minlength=customers),
        first_amount=amount[opens],
    )
