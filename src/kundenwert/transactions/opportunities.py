"""summarize_opportunities: from a transaction log to the opportunities that every customer had and used."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from kundenwert.errors import DataError, RowError, SpecificationError
from kundenwert.histories import Audit, LogColumns, OpportunityHistories
from kundenwert.histories.validation import shown
from kundenwert.transactions.occasions import left_out, merge
from kundenwert.transactions.periods import calendar_edges, check_period, complete, given_edges, mean_length
from kundenwert.transactions.reading import LogRows, check_choice, check_reading, read_log
from kundenwert.transactions.times import step_label, until_step
from kundenwert.transactions.window import with_window

if TYPE_CHECKING:
    from collections.abc import Sequence

    from narwhals.stable.v2.typing import IntoDataFrame
    from numpy.typing import NDArray

    from kundenwert.histories.audit import Decimal
    from kundenwert.transactions.periods import Period
    from kundenwert.transactions.times import Day

    type Mask = NDArray[np.bool_]
    type Integers = NDArray[np.int64]

__all__ = ["summarize_opportunities"]

LATE = "after the last complete period"


def summarize_opportunities(
    log: IntoDataFrame,
    *,
    customer: str,
    time: str,
    amount: str | None = None,
    every: Period | None = None,
    edges: Sequence[Day] | None = None,
    until: Day | None = None,
    parse_dates: bool = False,
    time_format: str | None = None,
    time_zone: str | None = None,
    decimal: Decimal | None = None,
    on_bad_rows: Literal["raise", "drop"] = "raise",
    after_until: Literal["raise", "drop"] = "drop",
) -> OpportunityHistories:
    """Summarize a transaction log by opportunities: which periods after the first purchase a customer bought in.

    Time is cut into periods, and each period is one opportunity to buy, used or not. The period of a customer's first
    purchase opens the count; the one after it is opportunity 1. Several purchases in a period count once, and those
    in the same period as the first purchase belong to it.

    Only complete periods count. A period in which `until` falls before its last day is incomplete: it is nobody's
    opportunity, purchases in it are dropped, and the audit says how many. Customers who first bought in the last
    complete period have had no opportunity yet.

    Parameters
    ----------
    log
        pandas, Polars or PyArrow table with one row per purchase.
    customer
        Column of customer ids: strings, integers or categories.
    time
        Column of dates or datetimes, taken as calendar days in `time_zone`, or else in the column's own time zone.
    amount
        Column of amounts, to tell refunds: rows with a negative amount are never purchases.
    every
        Periods of the calendar: "week" (from Monday), "month", "quarter" or "year". Needs `until`.
    edges
        Or periods of your own, such as seasons or the times around events: the first day of each, and the day after
        the last one. Customers are acquired in one of them, so start with the period of the earliest purchase.
    until
        Last day on which purchases would be in the log: an ISO string, a date or a datetime; all of that day. With
        `edges`, by default the end of the last period.
    parse_dates, time_format, time_zone, decimal
        How text is read, and in which time zone days begin, as in :func:`kundenwert.summarize`.
    on_bad_rows
        Whether rows without an id, a readable time or a finite amount are an error, or are dropped and audited.
    after_until
        Whether rows after the last complete period are dropped and audited, or an error.

    Returns
    -------
    OpportunityHistories
        With ``every``, the time between two opportunities: that of the calendar, or the mean length of the periods.

    Raises
    ------
    ColumnError
        If a column is missing, named twice, or of the wrong type.
    RowError
        If a row is unusable, lies before the first period, or after the last one and must not; names the first one.
    DataError
        If the log is lazy, empty, or has no purchase in a complete period.
    SpecificationError
        If another argument is out of its range, or no period is complete.

    Examples
    --------
    >>> import pandas as pd
    >>> import kundenwert as kw
    >>> log = pd.DataFrame({"who": ["Ann", "Bo", "Ann"], "day": ["2021-05-01", "2022-12-24", "2023-11-30"]})
    >>> kw.summarize_opportunities(
    ...     log, customer="who", time="day", every="year", until="2024-12-31", parse_dates=True
    ... ).to_pandas()
      customer_id  frequency  recency  opportunities
    0         Ann          1        2              3
    1          Bo          0        0              2
    """
    check_choice(after_until, "after_until")
    _check_periods(every, edges, until)
    columns = LogColumns(
        customer=customer,
        time=time,
        amount=amount,
        parse_dates=parse_dates,
        on_bad_rows=on_bad_rows,
        time_zone=time_zone,
        time_format=time_format,
        decimal=decimal,
    )
    check_reading(columns)
    rows = read_log(log, columns, "day")
    columns = replace(columns, column_zone=rows.column_zone)
    periods = _periods(rows, every, edges, until)
    _refuse_early(rows, int(periods[0]))
    observed = rows.step < periods[-1]
    if after_until == "raise":
        _refuse_late(rows, observed, int(periods[-1]))
    numbers = np.searchsorted(periods, rows.step, side="right") - 1
    return _histories(replace(rows, step=numbers), observed, periods, every=every, columns=columns)


def _check_periods(every: Period | None, edges: Sequence[Day] | None, until: Day | None) -> None:
    if (every is None) == (edges is None):
        message = (
            "say what an opportunity is: either every='year' (or 'quarter', 'month', 'week'), or edges=[…], the first "
            f"day of each period and the day after the last; got {'both' if edges is not None else 'neither'}"
        )
        raise SpecificationError(message)
    if every is not None:
        check_period(every)
        if until is None:
            message = (
                f"every={every!r} needs until, the last day on which purchases would be in the log, for example "
                "until='2024-12-31': the log does not tell whether its last period is complete"
            )
            raise SpecificationError(message)


def _periods(rows: LogRows, every: Period | None, edges: Sequence[Day] | None, until: Day | None) -> Integers:
    """Edges of the complete periods, as days."""
    last = None if until is None else until_step(until, "day", rows.time_zone)
    if every is not None and last is not None:
        found = calendar_edges(every, int(rows.step.min()), last)
    else:
        found = given_edges(() if edges is None else edges, rows.time_zone)
        found = found if last is None else complete(found, last)
    if len(found) < 2:
        message = (
            f"until={until!r} lies before the end of the first period, so that none is complete; "
            "choose a later until, or shorter periods"
        )
        raise SpecificationError(message)
    return found


def _refuse_early(rows: LogRows, start: int) -> None:
    early = np.flatnonzero(rows.step < start)
    if len(early):
        message = (
            f"customer {shown(rows.customer_id, rows.customer[early[0]])} has a row on "
            f"{step_label(int(rows.step[early[0]]), 'day')}, before the first period, which starts on "
            f"{step_label(start, 'day')} ({len(early):,} such rows); opportunities are counted from the first "
            "purchase, so let edges start with the period of the earliest one, or leave out customers won before"
        )
        raise RowError(message)


def _refuse_late(rows: LogRows, observed: Mask, end: int) -> None:
    late = np.flatnonzero(~observed)
    if len(late):
        message = (
            f"customer {shown(rows.customer_id, rows.customer[late[0]])} has a row on "
            f"{step_label(int(rows.step[late[0]]), 'day')}, after the last complete period, which ends with "
            f"{step_label(end - 1, 'day')} ({len(late):,} such rows); choose a later until, or pass after_until='drop'"
        )
        raise RowError(message)


def _histories(
    rows: LogRows, observed: Mask, periods: Integers, *, every: Period | None, columns: LogColumns
) -> OpportunityHistories:
    """Histories of rows whose step is the number of the period."""
    occasions = merge(rows, observed, net_refunds=False)
    if len(occasions.step) == 0:
        message = (
            f"the log has no purchase up to {step_label(int(periods[-1]) - 1, 'day')}, where the last complete period "
            "ends; expected at least one row with an amount of zero or more; choose a later until or check the amounts"
        )
        raise DataError(message)
    start = np.flatnonzero(np.diff(occasions.customer, prepend=-1))
    end = np.append(start[1:], len(occasions.step))
    first, who = occasions.step[start], occasions.customer[start]
    late = int((~observed).sum())
    audit = Audit(
        rows_read=rows.rows_read,
        kept=len(occasions.step),
        merged=occasions.merged,
        refunds=occasions.refunds,
        dropped=rows.dropped | ({LATE: late} if late else {}),
        customers=len(who),
        customers_left_out=left_out(rows, observed, who, f"first purchase {LATE}"),
        duplicates=len(occasions.repeats),
    )
    return OpportunityHistories(
        customer_id=rows.customer_id.take(who),
        frequency=end - start - 1,
        recency=occasions.step[end - 1] - first,
        opportunities=len(periods) - 2 - first,
        every=mean_length(periods, every),
        audit=with_window(audit, rows, until=int(periods[-1]) - 1, resolution="day", steps=False),
        columns=columns,
        periods=periods.astype("datetime64[D]"),
    )
