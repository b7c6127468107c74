"""Columns of a table of contracts, and what must hold of them; every refusal names the first customer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import narwhals.stable.v2 as nw
import numpy as np

from kundenwert.duration import Duration, check_duration
from kundenwert.errors import ColumnError, DataError, DurationError, RowError
from kundenwert.histories.columns import is_objects, kinds, missing, objects
from kundenwert.histories.tables import numbers
from kundenwert.histories.validation import refuse, shown

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from kundenwert.histories.cells import CohortLabel
    from kundenwert.histories.columns import Objects
    from kundenwert.histories.contracts import ContractHistories
    from kundenwert.histories.tables import Table

    type Floats = NDArray[np.float64]
    type Integers = NDArray[np.int64]

__all__ = ["check_contracts", "check_interval", "check_observed", "flags", "label_codes", "whole"]


def check_interval(every: Duration | None) -> None:
    """Check that the time between two renewals is one."""
    if every is None:
        return
    check_duration(every, "every")
    if not (isinstance(every, Duration) and every.in_days > 0):
        message = f"every is the time between two renewals, for example kundenwert.months(1); got {every!r}"
        raise DurationError(message)


def check_contracts(histories: ContractHistories) -> None:
    """Check what must hold of every history, wherever it comes from."""
    ids, count = histories.customer_id, max(1, len(histories.cohorts))
    for name in ("tenure", "ended", "cohort"):
        if (length := len(getattr(histories, name))) != len(ids):
            message = f"{name} has {length} entries for {len(ids)} contracts; every array needs one entry per contract"
            raise DataError(message)
    if not ids.is_unique:
        message = (
            f"customer {shown(ids, int(np.argmax(ids.duplicated())))} occurs more than once; expected one row per "
            "contract; keep the latest row of each, and give a customer's second contract an id of its own"
        )
        raise RowError(message)
    tenure, ended, cohort = histories.tenure, histories.ended, histories.cohort
    refuse(tenure < 0, ids, {"tenure": tenure}, "0 or more", "count the renewals made so far")
    refuse((ended != 0) & (ended != 1), ids, {"ended": ended}, "0 or 1", "1 means that the contract has ended")
    refuse((cohort < 0) | (cohort >= count), ids, {"cohort": cohort}, f"a position below {count}", "see `cohorts`")


def whole(table: Table, column: str, customer_id: pd.Index) -> Floats:
    """A column of counts."""
    values = numbers(table, column)
    refuse(
        ~(np.isfinite(values) & (values == np.floor(values)) & (values >= 0) & (values < 2**53)),
        customer_id,
        {column: values},
        "a whole number of renewals, 0 or more",
        "count the renewals since the contract began, not the months or days",
    )
    return values


def flags(table: Table, column: str, customer_id: pd.Index, expected: str, remedy: str) -> Floats:
    """A column of zeros and ones, or of truth values; `expected` and `remedy` tell what they mean."""
    series = table.get_column(column)
    if series.dtype == nw.Boolean:
        values = np.asarray(series.cast(nw.Float64).to_numpy(), dtype=np.float64)
    elif is_objects(series) and bool in kinds(given := objects(series)):  # truth values with gaps
        values = _truth_values(given, column)
    else:
        values = numbers(table, column)
    refuse((values != 0) & (values != 1), customer_id, {column: values}, expected, remedy)
    return values


def _truth_values(given: Objects, column: str) -> Floats:
    """Python's own truth values, 0 and 1; NaN where there is none."""
    values = np.full(len(given), np.nan)
    for place in np.flatnonzero(~missing(given)):
        value = given[place]
        if not isinstance(value, (bool, int, float, np.bool_, np.integer, np.floating)):
            message = f"column {column!r} must hold True and False, or 1 and 0, got {value!r} ({type(value).__name__})"
            raise ColumnError(message)
        values[place] = float(value)
    return values


def check_observed(tenure: Floats, ended: Floats, observed: Floats, customer_id: pd.Index) -> None:
    """Check tenures against the number of renewals that have come due."""
    refuse(
        (ended == 1) & (tenure >= observed),
        customer_id,
        {"tenure": tenure, "ended": ended, "observed": observed},
        "a contract that has ended to have missed a renewal: tenure below observed",
        "an end that lies ahead is no end yet: such a contract is active",
    )
    refuse(
        (ended == 0) & (tenure != observed),
        customer_id,
        {"tenure": tenure, "ended": ended, "observed": observed},
        "an active contract to have made every renewal: tenure equal to observed",
        "correct the tenure, or the end of observation",
    )


def label_codes(
    table: Table, column: str | None, names: pd.Index, *, what: str = "customer", label: str = "cohort"
) -> tuple[Integers, tuple[CohortLabel, ...]]:
    """Position of each row's label, and the labels, sorted so that they do not depend on the order of the rows."""
    if column is None:
        return np.zeros(len(table), dtype=np.int64), ()
    series = table.get_column(column)
    dtype = series.dtype
    if not (dtype.is_integer() or isinstance(dtype, (nw.String, nw.Categorical, nw.Enum))):
        message = f"{label}s in column {column!r} must be strings, integers or categories, got {dtype}; cast the column"
        raise ColumnError(message)
    null = np.asarray(series.is_null().to_numpy(), dtype=np.bool_)
    if null.any():
        message = f"{what} {shown(names, int(np.argmax(null)))} has no {label}; drop such rows or name their {label}"
        raise RowError(message, rows=null.tolist(), reason=f"no {label}")
    values: list[Any] = series.to_list()
    if is_objects(series):
        _refuse_mixed(values, column, names, what, label)
    labels = sorted(set(values))
    places = {label: position for position, label in enumerate(labels)}
    return np.array([places[value] for value in values], dtype=np.int64), cast("tuple[CohortLabel, ...]", tuple(labels))


def _refuse_mixed(values: list[Any], column: str, names: pd.Index, what: str, label: str) -> None:
    """Refuse objects that are not all text, however late the first other one comes."""
    for place, value in enumerate(values):
        if not isinstance(value, str):
            message = (
                f"{label}s in column {column!r} must be strings, integers or categories, all of one type; got text and "
                f"{value!r} ({type(value).__name__}) for {what} {shown(names, place)}; cast them to text, in pandas "
                f"table[{column!r}] = table[{column!r}].astype('str')"
            )
            raise ColumnError(message)
