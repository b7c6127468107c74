"""summarize: from a transaction log to one history per customer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from kundenwert.duration import Resolution, TimeUnit, check_resolution, check_unit
from kundenwert.errors import DataError, FirstPurchaseWarning, RowError, SpecificationError
from kundenwert.histories import CustomerHistories, LogColumns
from kundenwert.histories.tables import open_table
from kundenwert.histories.validation import shown
from kundenwert.transactions.acquired import SetAside, first_purchases, set_aside
from kundenwert.transactions.assembly import histories_of
from kundenwert.transactions.occasions import merge
from kundenwert.transactions.plausibility import findings, refuse_lonely_end, warn_of
from kundenwert.transactions.reading import LogRows, check_choice, check_reading, read_log
from kundenwert.transactions.times import step_label, until_step

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
    first_purchase: str | None = None,
    customers: IntoDataFrame | None = None,
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
    first_purchase
        Column that gives the day of each customer's first purchase, in the log or else in `customers`; it is read
        like the times of the log. Customers acquired before the first row of the log are set aside and counted in
        the audit: of them the log has only a later part, and the models need a history from its start.
    customers
        Table with one row per customer, whose ids stand in a column named as in the log. It may hold more customers
        than the log.

    Returns
    -------
    CustomerHistories
        With steps, gaps and, if there are amounts, spend.

    Raises
    ------
    ColumnError
        If a column is missing, named twice, or of the wrong type.
    RowError
        If a row is unusable, or lies after `until` and must not; if, without `until`, the last day stands alone, far
        from the others; or if the first purchase of a customer is not given, is given twice and differs, or lies
        after a row. Names the first one.
    DataError
        If the log is lazy, empty, or has no purchase up to `until`.
    SpecificationError
        If another argument is out of its range.

    Warns
    -----
    LogWarning
        If the log can be read, but looks wrong: see :mod:`kundenwert.errors` for its kinds, each of which can be
        silenced by itself, ``warnings.filterwarnings("ignore", category=kundenwert.errors.GuestIdWarning)``. What
        was found stands in ``audit.findings`` as well.

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
    if customers is not None and first_purchase is None:
        message = "customers is read for the first purchase only: name its column, first_purchase='…', or leave it out"
        raise SpecificationError(message)
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
    if first_purchase is not None:
        log = open_table(log, "the log").to_native()  # what streams its rows gives them once
    rows = read_log(log, columns, resolution)
    columns = replace(columns, column_zone=rows.column_zone)
    last = _last_step(rows, columns, until, resolution)
    in_time = rows.step <= last
    if after_until == "raise":
        _refuse_late(rows, in_time, last, resolution)
    aside = SetAside(observed=in_time)
    if first_purchase is not None:
        given = first_purchases(log, customers, first_purchase, rows=rows, columns=columns, resolution=resolution)
        aside = set_aside(given, rows, in_time, columns, resolution)
    occasions = merge(rows, aside.observed, net_refunds=net_refunds, drop_duplicates=drop_duplicates)
    if len(occasions.step) == 0:
        if len(rows.step) and rows.is_refund.all():
            message = (
                f"all {len(rows.step):,} amounts of the log are negative, so that every row is a refund; expected "
                "positive amounts of purchases. If the sign is turned round, multiply them by -1 (text has to be read "
                "as numbers first)"
            )
            raise DataError(message)
        message = (
            f"the log has no purchase up to {step_label(last, resolution)}; "
            f"expected at least one row with an amount of zero or more; choose a later until or check the amounts"
        )
        raise DataError(message)
    made = histories_of(
        rows, in_time, occasions, aside=aside, columns=columns, until=last, unit=unit, resolution=resolution
    )
    found = findings(
        rows,
        aside.observed,
        occasions,
        columns=columns,
        until=last,
        until_given=until is not None,
        resolution=resolution,
        first_purchases_given=first_purchase is not None,
    )
    if aside.missing is not None:
        found[FirstPurchaseWarning] = aside.missing
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
