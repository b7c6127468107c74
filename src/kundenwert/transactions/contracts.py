"""summarize_contracts: from a table of contracts with their dates to how often each was renewed."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from kundenwert.errors import ColumnError, DataError, RowError, SpecificationError
from kundenwert.histories import Audit, ContractHistories, LogColumns
from kundenwert.histories.columns import missing, objects
from kundenwert.histories.contract_columns import label_codes
from kundenwert.histories.tables import check_columns, id_column, ids, open_table
from kundenwert.transactions.anniversaries import Interval
from kundenwert.transactions.periods import check_period
from kundenwert.transactions.reading import check_reading
from kundenwert.transactions.time_columns import clock_times
from kundenwert.transactions.times import MONDAY, step_label, until_step, whole_steps

if TYPE_CHECKING:
    from narwhals.stable.v2.typing import IntoDataFrame
    from numpy.typing import NDArray

    from kundenwert.duration import Duration
    from kundenwert.histories.cells import CohortLabel
    from kundenwert.histories.tables import Table
    from kundenwert.transactions.periods import Period
    from kundenwert.transactions.times import Day

    type Mask = NDArray[np.bool_]
    type Integers = NDArray[np.int64]

__all__ = ["summarize_contracts"]

LATE: Final = "start after until"
NO_END: Final = "no readable end"
OPEN: Final = 2**62  # days: the end of a contract that has none
UNREADABLE: Final = -(2**62)


def summarize_contracts(
    table: IntoDataFrame,
    *,
    customer: str,
    start: str,
    end: str,
    until: Day,
    every: Period | Duration,
    cohort: str | None = None,
    cohort_every: Period | None = None,
    parse_dates: bool = False,
    time_zone: str | None = None,
    time_format: str | None = None,
    on_bad_rows: Literal["raise", "drop"] = "raise",
) -> ContractHistories:
    """Count from dates how often each contract was renewed, and whether it has ended.

    Renewals are counted on the calendar from the day on which the contract began: one of 31 January that runs by the
    month renews on 28 or 29 February and then on 31 March; one of 29 February that runs by the year, on 28 February
    of years without one.

    A contract that is over was renewed at every date before `end`, and not at the next one. So it does not matter
    whether `end` is the last day of the contract or the day after it; and a contract that was ended in the middle of a
    period counts as not renewed at the next date. A contract without an end, or with one after `until`, is active: it
    was renewed at every date up to `until`, that day included.

    Parameters
    ----------
    table
        pandas, Polars or PyArrow table with one row per contract.
    customer
        Column of ids, unique: a customer with two contracts needs two ids.
    start, end
        Columns of dates or datetimes, taken as calendar days. An end that is null, or blank, is open.
    until
        Last day on which an end would be in the table: an ISO string, a date or a datetime; all of that day.
    every
        Time between two renewals: "week", "month", "quarter" or "year", or whole months or days, such as
        ``kundenwert.months(6)`` or ``kundenwert.days(28)``.
    cohort
        Column with the cohort: strings, integers or categories.
    cohort_every
        Or the period of the calendar in which contracts began as their cohort: "week", "month", "quarter" or "year".
    parse_dates
        Whether the columns of dates may hold ISO strings, such as ``2024-03-31``.
    time_zone
        Zone whose calendar days count, such as ``"Europe/Berlin"``; by default that of each column.
    time_format
        How dates are written as text, such as ``"%d.%m.%Y"``.
    on_bad_rows
        Whether rows without an id, a readable start or end, or with an end before the start, are an error, or are
        dropped and audited. A word in place of the end is an error in any case: rows of contracts that go on would be
        dropped, and those that ended kept.

    Returns
    -------
    ContractHistories
        Contracts that began after `until` are left out; the audit counts them.

    Raises
    ------
    DataError
        If the table is lazy, empty, or holds no contract that began until then.
    ColumnError
        If a column is missing, named twice, or of the wrong type.
    RowError
        If a row is unusable, or an id occurs twice; names the first one.
    SpecificationError
        If another argument is out of its range.

    Examples
    --------
    >>> import pandas as pd
    >>> import kundenwert as kw
    >>> contracts = pd.DataFrame(
    ...     {"who": ["Ann", "Bo"], "from": ["2024-01-31", "2024-03-15"], "to": [None, "2024-05-14"]}
    ... )
    >>> kw.summarize_contracts(
    ...     contracts, customer="who", start="from", end="to", until="2024-06-30", every="month", parse_dates=True
    ... ).to_pandas()
      customer_id  tenure  ended
    0         Ann       5      0
    1          Bo       1      1
    """
    columns = LogColumns(
        customer=customer, time=start, on_bad_rows=on_bad_rows, parse_dates=parse_dates, time_zone=time_zone,
        time_format=time_format,
    )  # fmt: skip
    check_reading(columns)
    interval = Interval.of(every)
    _check_cohorts(cohort, cohort_every)
    rows = open_table(table, "the table")
    check_columns(rows, [customer, start, end, *([] if cohort is None else [cohort])], "the table")
    if len(rows) == 0:
        message = "the table has no rows; expected one row per contract"
        raise DataError(message)
    began, over, last = _days(rows, columns, end, until)
    unusable = _unusable(rows, columns, began, over)
    _refuse_words(unusable[NO_END], rows, end)
    if on_bad_rows == "raise":
        _refuse(unusable, rows, columns, end)
    bad = np.any(list(unusable.values()), axis=0)
    late = ~bad & (began > last)
    kept = ~bad & ~late
    dropped = {reason: int(mask.sum()) for reason, mask in unusable.items() if mask.any()}
    if late.any():
        dropped[LATE] = int(late.sum())
    if not kept.any():
        message = f"none of the {len(rows):,} contracts can be used: {dropped}; check the columns, and until={until!r}"
        raise DataError(message)
    chosen = rows.filter(kept.tolist())
    customer_id = ids(id_column(chosen, customer))
    codes, labels = label_codes(chosen, cohort, customer_id)
    if cohort_every is not None:
        codes, labels = _calendar_cohorts(began[kept], cohort_every)
    ended = over[kept] <= last
    return ContractHistories(
        customer_id=customer_id,
        tenure=interval.renewals(began[kept], np.where(ended, over[kept] - 1, last)),
        ended=ended.astype(np.int64),
        cohort=codes,
        cohorts=labels,
        every=interval.length,
        audit=Audit(
            rows_read=len(rows),
            kept=int(kept.sum()),
            dropped=dropped,
            customers=int(kept.sum()),
            customers_left_out={LATE: int(late.sum())} if late.any() else {},
        ),
    )


def _days(rows: Table, columns: LogColumns, end: str, until: Day) -> tuple[Integers, Integers, int]:
    """Days on which contracts began and were over, and the last day observed."""
    starts, start_zone = clock_times(rows, columns)
    ends, end_zone = clock_times(rows, replace(columns, time=end))
    if columns.zone is None and (start_zone is None) != (end_zone is None) and not np.isnat(ends).all():
        having, lacking = (columns.time, end) if end_zone is None else (end, columns.time)
        message = (
            f"times in column {having!r} have a time zone, {start_zone or end_zone}, and those in {lacking!r} have "
            "none, so that nothing tells how they lie to each other; say which days count, for example "
            "time_zone='Europe/Berlin': times without a zone are then taken as they stand"
        )
        raise ColumnError(message)
    began = np.where(np.isnat(starts), UNREADABLE, whole_steps(starts, "day"))
    written = objects(rows.get_column(end))
    open_ended = missing(written) | np.array([isinstance(text, str) and not text.strip() for text in written])
    over = np.where(np.isnat(ends), UNREADABLE, whole_steps(ends, "day"))
    over[open_ended] = OPEN
    return began, over, until_step(until, "day", columns.zone or start_zone)


def _unusable(rows: Table, columns: LogColumns, began: Integers, over: Integers) -> dict[str, Mask]:
    no_id = np.asarray(id_column(rows, columns.customer).is_null().to_numpy(), dtype=np.bool_)
    no_start = ~no_id & (began == UNREADABLE)
    no_end = ~no_id & ~no_start & (over == UNREADABLE)
    return {
        "no customer id": no_id,
        "no readable start": no_start,
        NO_END: no_end,
        "an end before the start": ~(no_id | no_start | no_end) & (over < began),
    }


def _refuse_words(no_end: Mask, rows: Table, end: str) -> None:
    """Refuse words for contracts that go on, even where bad rows are dropped: all that is left would have ended."""
    written = objects(rows.get_column(end))
    words = [
        row for row in np.flatnonzero(no_end) if isinstance(written[row], str) and not re.search(r"\d", written[row])
    ]
    if words:
        word = written[words[0]]
        message = (
            f"row {words[0]} has {word!r} in column {end!r} ({len(words):,} such rows), which is no date. If it says "
            "that the contract goes on, make it null, in pandas "
            f"table[{end!r}] = table[{end!r}].replace({word!r}, None): to drop these rows would leave out contracts "
            "that go on, and retention would look too low"
        )
        raise RowError(message)


def _refuse(unusable: dict[str, Mask], rows: Table, columns: LogColumns, end: str) -> None:
    culprits = {"no customer id": columns.customer, "no readable start": columns.time}
    for reason, mask in unusable.items():
        if not mask.any():
            continue
        row, column = int(np.argmax(mask)), culprits.get(reason, end)
        names = dict.fromkeys((column, columns.time, columns.customer))
        got = {name: rows.get_column(name)[row : row + 1].to_list()[0] for name in names}
        value = str(got[column]).strip() or repr(got[column])
        whose = "" if column == columns.customer else f" of customer {got[columns.customer]!r}"
        after = f", and {columns.time!r} {got[columns.time]!s}" if reason == "an end before the start" else ""
        message = (
            f"row {row}{whose} has {reason}: column {column!r} holds {value}{after} ({int(mask.sum()):,} such "
            "rows); correct them (an end that is not known yet is null), or pass on_bad_rows='drop' to leave them out "
            "and see them in the audit"
        )
        raise RowError(message)


def _check_cohorts(cohort: str | None, cohort_every: Period | None) -> None:
    if cohort_every is None:
        return
    if cohort is not None:
        message = f"cohorts are either a column or periods of the calendar; got cohort={cohort!r} and {cohort_every!r}"
        raise SpecificationError(message)
    check_period(cohort_every)


def _calendar_cohorts(began: Integers, every: Period) -> tuple[Integers, tuple[CohortLabel, ...]]:
    """Position of each contract's cohort, and the cohorts: 2024, 2024-Q1, 2024-03, or the Monday of a week."""
    date = began.astype("datetime64[D]")
    match every:
        case "week":
            labels = np.array([step_label(int(week) * 7 - MONDAY, "day") for week in (began + MONDAY) // 7])
        case "month":
            labels = date.astype("datetime64[M]").astype(str)
        case "quarter":
            month = date.astype("datetime64[M]").astype(np.int64)
            labels = np.array([f"{1970 + m // 12}-Q{m % 12 // 3 + 1}" for m in month.tolist()])
        case _:
            labels = date.astype("datetime64[Y]").astype(str)
    known, codes = np.unique(labels, return_inverse=True)
    return codes.astype(np.int64), tuple(known.tolist())
