"""Read a log: columns become arrays, unusable rows are refused or dropped with a reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np
import pandas as pd

from kundenwert.errors import DataError, RowError, SpecificationError
from kundenwert.histories.amounts import amounts, written_hint
from kundenwert.histories.columns import missing, objects
from kundenwert.histories.parts import LARGEST_AMOUNT
from kundenwert.histories.tables import check_columns, id_column, ids, once, open_table
from kundenwert.transactions.remedies import format_hint
from kundenwert.transactions.time_columns import clock_times
from kundenwert.transactions.times import whole_steps
from kundenwert.transactions.written_times import check_format
from kundenwert.transactions.zones import check_zone

if TYPE_CHECKING:
    from narwhals.stable.v2.typing import IntoDataFrame
    from numpy.typing import NDArray

    from kundenwert.duration import Resolution
    from kundenwert.histories import LogColumns
    from kundenwert.histories.tables import Table

    type Mask = NDArray[np.bool_]

__all__ = ["LogRows", "check_choice", "check_reading", "read_log"]


@final
@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class LogRows:
    """Usable rows of a log, in its order.

    Attributes
    ----------
    customer_id
        Distinct ids in order of first appearance.
    customer
        Position in `customer_id`, shape (rows,).
    time
        Wall-clock times, shape (rows,).
    step
        Whole resolution steps, shape (rows,).
    amount
        Shape (rows,), or None if the log has no amounts.
    column_zone
        Time zone of the column itself; None for times without one.
    time_zone
        Whose wall clock the steps are of; None if nothing tells it.
    rows_read
        Rows of the log, usable or not.
    dropped
        Unusable rows by reason.
    """

    customer_id: pd.Index
    customer: NDArray[np.int64]
    time: NDArray[np.datetime64]
    step: NDArray[np.int64]
    amount: NDArray[np.float64] | None
    column_zone: str | None
    time_zone: str | None
    rows_read: int
    dropped: dict[str, int]

    @property
    def is_refund(self) -> Mask:
        """Which rows have a negative amount, shape (rows,)."""
        return np.zeros(len(self.step), dtype=np.bool_) if self.amount is None else self.amount < 0


def read_log(log: IntoDataFrame, columns: LogColumns, resolution: Resolution) -> LogRows:
    """Read the columns of a log, whatever the library of the frame.

    Raises
    ------
    DataError
        If the log is lazy, empty, or no table.
    ColumnError
        If a column is missing, named twice, or of the wrong type.
    RowError
        If rows lack an id, a time or a finite amount (or have one beyond 1e280), and ``columns.on_bad_rows`` is
        "raise"; names the first one.
    """
    table = open_table(log, "the log")
    names = [columns.customer, columns.time]
    check_columns(table, names if columns.amount is None else [*names, columns.amount], "the log")
    if len(table) == 0:
        message = f"the log has no rows; expected one row per purchase{once(log)}"
        raise DataError(message)
    id_series = id_column(table, columns.customer)
    times, column_zone = clock_times(table, columns)
    amount = None if columns.amount is None else amounts(table, columns.amount, columns.decimal)

    no_id = np.asarray(id_series.is_null().to_numpy(), dtype=np.bool_)
    no_time = np.isnat(times) & ~no_id
    no_amount = np.zeros_like(no_id) if amount is None else ~np.isfinite(amount) & ~no_id & ~no_time
    too_large = np.zeros_like(no_id) if amount is None else (np.abs(amount) > LARGEST_AMOUNT) & ~no_amount
    too_large &= ~(no_id | no_time)
    unusable = {
        "no customer id": no_id,
        "no readable time": no_time,
        "no finite amount": no_amount,
        f"an amount beyond {LARGEST_AMOUNT:g}": too_large,
    }
    if columns.on_bad_rows == "raise":
        _refuse(unusable, table, columns)

    usable = ~(no_id | no_time | no_amount | too_large)
    if not usable.any():
        message = (
            f"none of the {len(table):,} rows of the log can be used: {_first_bad_row(unusable, table, columns)}; "
            "check the columns and how they are read"
        )
        raise DataError(message)
    codes, distinct = pd.factorize(ids(id_series.drop_nulls()))
    return LogRows(
        customer_id=distinct,
        customer=codes[usable[~no_id]].astype(np.int64, copy=False),
        time=times[usable],
        step=whole_steps(times[usable], resolution),
        amount=None if amount is None else amount[usable],
        column_zone=column_zone,
        time_zone=columns.zone or column_zone,
        rows_read=len(table),
        dropped={reason: int(mask.sum()) for reason, mask in unusable.items() if mask.any()},
    )


def check_reading(columns: LogColumns) -> None:
    """Check how a log is to be read.

    Raises
    ------
    SpecificationError
        If an argument is out of its range.
    """
    check_choice(columns.on_bad_rows, "on_bad_rows")
    check_zone(columns.time_zone)
    check_format(columns.time_format)
    for name in ("parse_dates", "net_refunds", "drop_duplicates"):
        if not isinstance(value := getattr(columns, name), (bool, np.bool_)):
            message = f"{name} is True or False, got {value!r}"
            raise SpecificationError(message)
    if columns.decimal not in (None, ".", ","):  # in a tuple: a list has no hash
        message = (
            f"decimal={columns.decimal!r} is unknown; expected '.' for amounts written like 1,234.56, or ',' for "
            "1.234,56"
        )
        raise SpecificationError(message)


def check_choice(value: str, name: str) -> None:
    """Check an argument that is either "raise" or "drop"."""
    if value not in ("raise", "drop"):  # in a tuple: a list has no hash
        message = f"{name}={value!r} is unknown; expected 'raise' or 'drop'"
        raise SpecificationError(message)


def _refuse(unusable: dict[str, Mask], table: Table, columns: LogColumns) -> None:
    if any(mask.any() for mask in unusable.values()):
        message = (
            f"{_first_bad_row(unusable, table, columns)}; correct them, or pass on_bad_rows='drop' to leave them out "
            "and see them in the audit"
        )
        raise RowError(message)


def _first_bad_row(unusable: dict[str, Mask], table: Table, columns: LogColumns) -> str:
    """Show the value at fault of the first row that cannot be used, how many are like it, and what was expected."""
    reason, mask = next((reason, mask) for reason, mask in unusable.items() if mask.any())
    culprits = {"no customer id": columns.customer, "no readable time": columns.time}
    row = int(np.argmax(mask))
    column = culprits.get(reason, columns.amount) or ""
    got, customer = (table.get_column(name)[row : row + 1].to_list()[0] for name in (column, columns.customer))
    whose = "" if column == columns.customer else f" of customer {customer!r}"
    bad = f"row {row}{whose} has {reason}: column {column!r} holds {got!r} ({int(mask.sum()):,} such rows)"
    if column == columns.time and isinstance(got, str):
        return f"{bad}; {_expected(table, columns, mask)}"
    if column == columns.amount and isinstance(got, str):
        hint = written_hint(table.get_column(column), column, got, columns.decimal)
        return f"{bad}; expected digits with {columns.decimal!r} before the cents, and no sign of a currency{hint}"
    return bad


def _expected(table: Table, columns: LogColumns, mask: Mask) -> str:
    """What text was expected in the column of times, and which argument would read what is there."""
    if columns.time_format is not None:
        return f"expected times written as time_format={columns.time_format!r}"
    series = table.get_column(columns.time)
    text = objects(series)[mask]
    hint = format_hint(text[~missing(text)], series, columns.time)
    return f"expected ISO dates such as '2024-03-31'; if these are dates, {hint}"
