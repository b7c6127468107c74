"""summarize: from a transaction log to one history per customer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from kundenwert.duration import Resolution, TimeUnit, check_resolution, check_unit, steps_per_unit
from kundenwert.errors import DataError, RowError
from kundenwert.histories import Audit, CustomerHistories, Gaps, LogColumns, Spend, Steps
from kundenwert.histories.parts import round_amounts
from kundenwert.histories.validation import shown
from kundenwert.transactions.occasions import Occasions, left_out, merge
from kundenwert.transactions.plausibility import findings, refuse_lonely_end, warn_of
from kundenwert.transactions.reading import LogRows, check_choice, check_reading, read_log
from kundenwert.transactions.repeats import ALIKE
from kundenwert.transactions.times import step_label, until_step
from kundenwert.transactions.window import with_window

if TYPE_CHECKING:
    from narwhals.stable.v2.typing import IntoDataFrame
    from numpy.typing import NDArray

    from kundenwert.histories.audit import Decimal
    from kundenwert.transactions.times import Day

    type Mask = NDArray[np.bool_]

__all__ = ["summarize"]


def summarize(
    log: IntoDataFrame,
    *,
    customer: str,
    time: str,
    amount: str | None = None,
    until: Day | None = None,
    unit: TimeUnit = "week",
    resolution: Resolution = "day",
    parse_dates: bool = False,
    time_format: str | None = None,
    time_zone: str | None = None,
    decimal: Decimal | None = None,
    net_refunds: bool = False,
    on_bad_rows: Literal["raise", "drop"] = "raise",
    after_until: Literal["raise", "drop"] = "drop",
    drop_duplicates: bool = False,
) -> CustomerHistories:
    """Summarize a transaction log: one history per customer, and an audit of every row.

    Purchases of a customer in the same step count once and their amounts add up. A zero amount is a purchase; a
    negative one is a refund and never a purchase. Histories stand in the order in which customers first appear in
    the log; apart from that, the order of its rows does not matter.

    Parameters
    ----------
    log
        pandas, Polars or PyArrow table with one row per purchase.
    customer
        Column of customer ids: strings, integers or categories.
    time
        Column of dates or datetimes. Steps are calendar hours, days or weeks in `time_zone`, or else in the column's
        own time zone; weeks start on Monday.
    amount
        Column of amounts in one currency; without it the histories carry no spend. Text needs `decimal`.
    until
        End of observation: an ISO string, a date or a datetime, also NumPy's. The whole step that holds it is taken
        as observed: the last hour of a date, the day, or with ``resolution="week"`` the week up to Sunday, so end a
        weekly log on a Sunday. By default the last step that occurs in the log.
    unit
        Unit of recency and T in the histories.
    resolution
        Length of a step.
    parse_dates
        Whether the time column may hold ISO strings, such as ``2024-03-31``, ``2024-3-1``, ``20240331``,
        ``2024-03-31T23:30``, ``2024-03-31 23:30:00 +0100`` or ``2024-03-31 23:30:00 UTC``.
    time_format
        How times are written as text, or as numbers such as 20240331: directives as in ``datetime.strptime``, for
        example ``"%d.%m.%Y %H:%M"`` or ``"%Y%m%d"``. Needless, and without effect, for dates and datetimes.
    time_zone
        Time zone whose hours, days and weeks count, such as ``"Europe/Berlin"``. Times with a zone or a UTC offset
        are converted to it; times without one are taken as they stand: as wall-clock times in that zone.
    decimal
        The mark before the cents in amounts that are written as text: ``","`` reads ``1.234,56``, ``"."`` reads
        ``1,234.56``. Without it text is refused, since ``1.234`` may be either.
    net_refunds
        Whether a refund is taken off the customer's latest purchase at or before it (never below zero: the audit
        tells the excess). Otherwise refunds are only counted in the audit. A refund of the first purchase lowers
        the first amount and never the repeat amounts.
    on_bad_rows
        Whether rows without an id, a readable time or a finite amount are an error, or are dropped and audited.
    after_until
        Whether rows after `until` are dropped and audited, or an error.
    drop_duplicates
        Whether rows that repeat another one, alike in id, time and amount, are dropped and audited, as overlapping
        exports ask for. Otherwise they are only counted in the audit. Two honest purchases of one price on one day
        look the same when times are days.

    Returns
    -------
    CustomerHistories
        With steps, gaps and, if there are amounts, spend.

    Raises
    ------
    ColumnError
        If a column is missing, named twice, or of the wrong type.
    RowError
        If a row is unusable, or lies after `until` and must not; names the first one.
    DataError
        If the log is lazy, empty, or has no purchase up to `until`.
    SpecificationError
        If another argument is out of its range.

    Examples
    --------
    >>> import pandas as pd
    >>> import kundenwert as kw
    >>> log = pd.DataFrame({"who": ["Ann", "Bo", "Ann"], "day": ["2024-01-01", "2024-01-08", "2024-01-15"]})
    >>> kw.summarize(log, customer="who", time="day", until="2024-01-29", unit="week", parse_dates=True).to_pandas()
      customer_id  frequency  recency    T
    0         Ann          1      2.0  4.0
    1          Bo          0      0.0  3.0
    """
    check_unit(unit)
    check_resolution(resolution)
    check_choice(after_until, "after_until")
    columns = LogColumns(
        customer=customer,
        time=time,
        amount=amount,
        parse_dates=parse_dates,
        net_refunds=net_refunds,
        on_bad_rows=on_bad_rows,
        time_zone=time_zone,
        time_format=time_format,
        decimal=decimal,
        drop_duplicates=drop_duplicates,
    )
    check_reading(columns)
    rows = read_log(log, columns, resolution)
    columns = replace(columns, column_zone=rows.column_zone)
    last = _last_step(rows, columns, until, resolution)
    observed = rows.step <= last
    if after_until == "raise":
        _refuse_late(rows, observed, last, resolution)
    occasions = merge(rows, observed, net_refunds=net_refunds, drop_duplicates=drop_duplicates)
    if len(occasions.step) == 0:
        message = (
            f"the log has no purchase up to {step_label(last, resolution)}; "
            f"expected at least one row with an amount of zero or more; choose a later until or check the amounts"
        )
        raise DataError(message)
    found = findings(
        rows, observed, occasions, columns=columns, until=last, until_given=until is not None, resolution=resolution
    )
    made = _histories(rows, observed, occasions, columns=columns, until=last, unit=unit, resolution=resolution)
    return replace(made, audit=replace(made.audit, findings=warn_of(found, stacklevel=2)))


def _last_step(rows: LogRows, columns: LogColumns, until: Day | None, resolution: Resolution) -> int:
    if until is not None:
        return until_step(until, resolution, rows.time_zone)
    refuse_lonely_end(rows, columns, resolution)
    return int(rows.step.max())


def _refuse_late(rows: LogRows, observed: Mask, last: int, resolution: Resolution) -> None:
    late = np.flatnonzero(~observed)
    if len(late):
        message = (
            f"customer {shown(rows.customer_id, rows.customer[late[0]])} has a row on "
            f"{step_label(int(rows.step[late[0]]), resolution)}, after until = {step_label(last, resolution)} "
            f"({len(late):,} such rows); choose a later until, or pass after_until='drop'"
        )
        raise RowError(message)


def _histories(
    rows: LogRows,
    observed: Mask,
    occasions: Occasions,
    *,
    columns: LogColumns,
    until: int,
    unit: TimeUnit,
    resolution: Resolution,
) -> CustomerHistories:
    opens = np.ones(len(occasions.step), dtype=np.bool_)
    opens[1:] = occasions.customer[1:] != occasions.customer[:-1]
    start = np.flatnonzero(opens)
    end = np.append(start[1:], len(opens))
    first, last, frequency = occasions.step[start], occasions.step[end - 1], end - start - 1
    per_unit = steps_per_unit(unit, resolution)
    who = occasions.customer[start]
    dropped = {"after until": int((~observed).sum())}
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
        customers_left_out=left_out(rows, observed, who),
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
