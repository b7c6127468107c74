"""First purchases that are given: customers acquired before the log begins are set aside."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, final

import numpy as np
import pandas as pd

from kundenwert.errors import ColumnError, DataError, RowError, SpecificationError
from kundenwert.histories.identity import id_column, ids, places
from kundenwert.histories.tables import check_columns, open_table
from kundenwert.histories.validation import shown
from kundenwert.transactions.time_columns import clock_times
from kundenwert.transactions.times import step_label, whole_steps

if TYPE_CHECKING:
    from narwhals.stable.v2.typing import IntoDataFrame
    from numpy.typing import NDArray

    from kundenwert.duration import Resolution
    from kundenwert.histories import LogColumns
    from kundenwert.histories.tables import Column, Table
    from kundenwert.transactions.reading import LogRows

    type Integers = NDArray[np.int64]
    type Mask = NDArray[np.bool_]

__all__ = ["FirstPurchases", "SetAside", "first_purchases", "set_aside"]

BEFORE: Final = "acquired before the log begins"
NEVER: Final = np.iinfo(np.int64).max


@final
@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class FirstPurchases:
    """First purchases as they were given, each array of shape (customers of the log,).

    Attributes
    ----------
    step, latest
        Earliest and latest step given for a customer; where none is given, `step` is the largest integer.
    row
        For customers without any, the row that should give it; -1 if there is none.
    series
        The column that gives them.
    name
        What to call its table.
    """

    step: Integers
    latest: Integers
    row: Integers
    series: Column
    name: str


@final
@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class SetAside:
    """Rows that are left, and what became of the others.

    Attributes
    ----------
    observed
        Which rows are left, shape (rows,).
    customers
        Positions of the customers set aside, by reason.
    rows
        Number of their rows, by reason.
    missing
        What to tell of customers whose first purchase was given, but is not in the log; None if there are none.
    """

    observed: Mask
    customers: dict[str, Integers] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    missing: str | None = None


def first_purchases(
    log: IntoDataFrame,
    customers: IntoDataFrame | None,
    column: str,
    *,
    rows: LogRows,
    columns: LogColumns,
    resolution: Resolution,
) -> FirstPurchases:
    """Read the first purchase of each customer, from a column of the log or of a table of customers.

    Raises
    ------
    DataError
        If the table of customers is lazy, no table, or knows none of the customers of the log.
    ColumnError
        If the column is missing, in both tables, of the wrong type, or in no time zone that can be compared.
    RowError
        If the table of customers has an id twice.
    """
    table, name = _table_with(log, customers, column, columns)
    id_series = id_column(table, columns.customer)
    known = ~np.asarray(id_series.is_null().to_numpy(), dtype=np.bool_)
    found = ids(id_series.drop_nulls())
    if name == "customers" and not found.is_unique:
        twice = shown(found, int(np.argmax(found.duplicated())))
        message = f"customer {twice} occurs more than once in customers; expected one row per customer"
        raise RowError(message)
    codes, distinct = pd.factorize(found)
    place = places(rows.customer_id, distinct)
    if name == "customers" and (len(place) == 0 or bool((place < 0).all())):
        got = "no rows" if len(distinct) == 0 else f"ids such as {shown(distinct, 0)}"
        message = (
            f"customers has none of the customers of the log: it has {got}, the log {shown(rows.customer_id, 0)}; "
            f"check column {columns.customer!r} and its type in both"
        )
        raise DataError(message)
    times, zone = clock_times(table, replace(columns, time=column, column_zone=rows.column_zone))
    _check_zone(times, zone, column, rows, columns)

    who = place[codes]
    steps, given = whole_steps(times[known], resolution), ~np.isnat(times[known])
    earliest, latest = np.full(len(rows.customer_id), NEVER), np.full(len(rows.customer_id), -NEVER)
    counts = given & (who >= 0)
    np.minimum.at(earliest, who[counts], steps[counts])
    np.maximum.at(latest, who[counts], steps[counts])
    row = np.full(len(rows.customer_id), -1)
    row[who[::-1]] = np.flatnonzero(known)[::-1]  # the first one stays
    row[latest > -NEVER] = -1
    return FirstPurchases(step=earliest, latest=latest, row=row, series=table.get_column(column), name=name)


def set_aside(
    given: FirstPurchases, rows: LogRows, observed: Mask, columns: LogColumns, resolution: Resolution
) -> SetAside:
    """Leave out the rows of customers acquired before the log begins.

    With ``on_bad_rows="drop"`` also those of customers whose first purchase cannot be: none is given, several are, or
    they bought before it.

    Raises
    ------
    RowError
        If there are such customers otherwise; names the first one.
    DataError
        If nobody is left.
    """
    bought = np.full(len(rows.customer_id), NEVER)
    purchase = observed & ~rows.is_refund
    np.minimum.at(bought, rows.customer[purchase], rows.step[purchase])
    counts = bought < NEVER
    start = int(rows.step[observed].min()) if observed.any() else 0
    none, several = counts & (given.step == NEVER), counts & (given.step < given.latest)
    late = counts & ~none & ~several & (given.step > bought)
    wrong = {"no first purchase given": none, "several first purchases given": several, "bought before it": late}
    if columns.on_bad_rows == "raise":
        _refuse(wrong, given, rows, bought, resolution)
    before = counts & ~none & ~several & (given.step < start)
    aside = {BEFORE: before, "no first purchase given": none, "several first purchases given": several}
    aside["bought before the first purchase given"] = late
    left = counts & ~(before | none | several | late)
    if counts.any() and not left.any():
        if not before.any():
            what = _first_wrong(wrong, given, rows, bought, resolution)
            message = f"none of the {int(counts.sum()):,} customers is left: {what}; check that column"
            raise DataError(message)
        others = "" if before.sum() == counts.sum() else f" ({_first_wrong(wrong, given, rows, bought, resolution)})"
        message = (
            f"none of the {int(counts.sum()):,} customers is left: {int(before.sum()):,} were acquired before the log "
            f"begins, on {step_label(start, resolution)}, by column {given.series.name!r}{others}; check that column, "
            "or take a log that begins earlier"
        )
        raise DataError(message)
    gone = counts & ~left
    return SetAside(
        observed=observed & ~gone[rows.customer],
        customers={reason: np.flatnonzero(mask) for reason, mask in aside.items() if mask.any()},
        rows={
            f"of customers: {reason}": int((observed & mask[rows.customer]).sum())
            for reason, mask in aside.items()
            if mask.any()
        },
        missing=_not_in_the_log(left & (given.step < bought), given, rows, bought, resolution),
    )


def _table_with(
    log: IntoDataFrame, customers: IntoDataFrame | None, column: str, columns: LogColumns
) -> tuple[Table, str]:
    """The table that gives first purchases, and its name."""
    the_log = open_table(log, "the log")
    if customers is None:
        check_columns(the_log, [columns.customer, columns.time, column], "the log")
        return the_log, "the log"
    if isinstance(customers, pd.DataFrame) and customers.index.name == columns.customer:
        customers = customers.reset_index()
    table = open_table(customers, "customers")
    if column in the_log.columns and column in table.columns:
        message = f"column {column!r} is in the log and in customers, and may differ; drop or rename one of them"
        raise ColumnError(message)
    if column in the_log.columns:
        message = (
            f"first_purchase={column!r} is a column of the log, so that customers is needless; leave customers out, or "
            "name a column of it"
        )
        raise SpecificationError(message)
    check_columns(table, [columns.customer, column], "customers")
    return table, "customers"


def _check_zone(
    times: NDArray[np.datetime64], zone: str | None, column: str, rows: LogRows, columns: LogColumns
) -> None:
    """Refuse first purchases that nothing can compare with the log: with a zone on one side only."""
    if zone is not None and rows.time_zone is None:
        message = (
            f"column {column!r} is in time zone {zone}, but the times of the log have none; say which zone the log is "
            f"in: kundenwert.summarize(log, …, time_zone={zone!r}), or whichever it is"
        )
        raise ColumnError(message)
    readable = times[~np.isnat(times)]
    told = columns.time_zone is not None or rows.column_zone is None
    if zone is None and not told and (readable != readable.astype("datetime64[D]")).any():
        message = (
            f"column {column!r} has times of day without a time zone, but the log is in {rows.column_zone}; give them "
            f"a zone, or whole days, in pandas for example table[{column!r}].dt.tz_localize({rows.column_zone!r})"
        )
        raise ColumnError(message)


def _refuse(
    wrong: dict[str, Mask], given: FirstPurchases, rows: LogRows, bought: Integers, resolution: Resolution
) -> None:
    if any(mask.any() for mask in wrong.values()):
        message = (
            f"{_first_wrong(wrong, given, rows, bought, resolution)}; correct them, or pass on_bad_rows='drop' to "
            "leave these customers out and see them in the audit"
        )
        raise RowError(message)


def _first_wrong(
    wrong: dict[str, Mask], given: FirstPurchases, rows: LogRows, bought: Integers, resolution: Resolution
) -> str:
    """The first customer whose first purchase cannot be, what is given, and how many are like it."""
    reason, mask = next((reason, mask) for reason, mask in wrong.items() if mask.any())
    who, column = int(np.argmax(mask)), given.series.name
    day = step_label(int(given.step[who]), resolution) if given.step[who] < NEVER else ""
    if reason == "no first purchase given":
        at = int(given.row[who])
        got = "does not have this customer" if at < 0 else f"holds {given.series[at : at + 1].to_list()[0]!r}"
        what = f"has no readable first purchase: {f'column {column!r} of ' if at >= 0 else ''}{given.name} {got}"
    elif reason == "several first purchases given":
        latest = step_label(int(given.latest[who]), resolution)
        what = f"has several first purchases: column {column!r} holds {day} as well as {latest}"
    else:
        first = step_label(int(bought[who]), resolution)
        what = f"bought on {first}, before its first purchase: column {column!r} holds {day}"
    return f"customer {shown(rows.customer_id, who)} {what} ({int(mask.sum()):,} such customers)"


def _not_in_the_log(
    mask: Mask, given: FirstPurchases, rows: LogRows, bought: Integers, resolution: Resolution
) -> str | None:
    if not mask.any():
        return None
    who = int(np.argmax(mask))
    return (
        f"{int(mask.sum()):,} customers have no purchase on the day of the first one that column {given.series.name!r} "
        f"gives, though the log had begun: customer {shown(rows.customer_id, who)} should have bought on "
        f"{step_label(int(given.step[who]), resolution)}, and the first row is of "
        f"{step_label(int(bought[who]), resolution)}. They count from their first row. Either rows are missing, and "
        "these customers look younger and rarer than they are, or the column holds another day, such as that of "
        "signing up; give the day of the first purchase itself"
    )
