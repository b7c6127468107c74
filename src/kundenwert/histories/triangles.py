"""Wide tables of survivors, cohorts in rows and periods in columns, become rows of cohort and renewal."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pandas as pd

from kundenwert.errors import ColumnError, DataError, RowError
from kundenwert.histories.contract_columns import label_codes
from kundenwert.histories.tables import check_columns, numbers, open_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from narwhals.stable.v2.typing import IntoDataFrame
    from numpy.typing import NDArray

    from kundenwert.histories.cells import CohortLabel
    from kundenwert.histories.tables import Table

    type Floats = NDArray[np.float64]
    type Integers = NDArray[np.int64]

__all__ = ["Survivors", "read_triangle"]

NUMBER: Final = re.compile(r"\D*(\d+)\D*")
DATE: Final = re.compile(r"(\d{4})-(\d{2})(?:-(\d{2})(?:[T ].*)?)?")
LONGEST_MONTH: Final = 31
SCALES: Final = (1.0, 100.0)
LEFT_AT_ONCE: Final = 0.1
MANY_AT_ONCE: Final = 20


class Survivors(NamedTuple):
    """One entry for each cohort and renewal: position of the cohort, renewal, survivors; and the cohorts' labels."""

    codes: Integers
    labels: tuple[CohortLabel, ...]
    renewal: Floats
    survivors: Floats
    rows: int


def read_triangle(
    frame: IntoDataFrame, cohort: str | None, customers: int | Mapping[CohortLabel, int] | None
) -> Survivors:
    """Read a triangle: each cohort starts at its first number and ends at its last one.

    Raises
    ------
    DataError
        If the table is lazy, empty or no table.
    ColumnError
        If periods are not in order or leave a gap, or columns hold no numbers.
    RowError
        If a cohort has no number, or a gap between two; or if numbers are shares, and nobody said of how many.
    """
    table, names, cohort = _opened(frame, cohort)
    periods = [name for name in table.columns if name != cohort]
    if len(table) == 0 or not periods:
        message = "the triangle is empty; expected one row per cohort, and one column per period"
        raise DataError(message)
    _check_periods([names.get(name, name) for name in periods])
    if cohort is None and len(table) > 1:
        message = (
            f"the triangle has {len(table)} rows, but nothing says which cohort is which; name the column with "
            "cohort='…', or in pandas make the cohorts its index"
        )
        raise ColumnError(message)
    codes, labels = label_codes(table, cohort, pd.RangeIndex(len(table)), what="row")
    _refuse_twice(codes, labels)
    values = np.column_stack([numbers(table, name) for name in periods])
    cells = [_of_cohort(values[row], periods, _name(labels, int(code))) for row, code in enumerate(codes)]
    if customers is None:
        _refuse_shares(cells)
    _refuse_unseen(cells, [_name(labels, int(code)) for code in codes], shares=customers is not None)
    lengths = [len(each) for each in cells]
    renewal = np.concatenate([np.arange(length, dtype=np.float64) for length in lengths])
    return Survivors(np.repeat(codes, lengths), labels, renewal, np.concatenate(cells), len(table))


def _opened(frame: IntoDataFrame, cohort: str | None) -> tuple[Table, dict[str, Any], str | None]:
    """The table with names that are strings, what they were, and the column of cohorts; in pandas maybe the index."""
    names: dict[str, Any] = {}
    if isinstance(frame, pd.DataFrame):
        if isinstance(frame.columns, pd.MultiIndex) or isinstance(frame.index, pd.MultiIndex):
            message = "the triangle has several levels of rows or columns; expected one of each: use reset_index()"
            raise ColumnError(message)
        index = frame.index.name if isinstance(frame.index.name, str) else "cohort"
        named = cohort is None and not isinstance(frame.index, pd.RangeIndex)
        names = {str(name): name for name in frame.columns}
        frame = frame.set_axis([str(name) for name in frame.columns], axis=1)
        if (
            (named or cohort == frame.index.name)
            and index not in frame.columns
            and not isinstance(frame.index, pd.RangeIndex)
        ):
            labels = frame.index
            if not (pd.api.types.is_integer_dtype(labels.dtype) or pd.api.types.is_string_dtype(labels.dtype)):
                labels = labels.astype(str)  # such as months: 2024-03
            frame = frame.assign(**{index: labels.to_numpy()})
            cohort = index
    table = open_table(frame, "the triangle")
    if cohort is not None:
        check_columns(table, [cohort], "the triangle")
    return table, names, cohort


def _check_periods(labels: Sequence[Any]) -> None:
    """Check that labels with a number or a date go from period to period without a gap; others are not looked at."""
    found = [DATE.fullmatch(str(label)) if not isinstance(label, (int, float)) else None for label in labels]
    dates = [label if isinstance(label, date) else _date(each) for label, each in zip(labels, found, strict=True)]
    if all(each is not None for each in dates):
        days = np.array([np.datetime64(each, "D") for each in dates]).astype(np.int64)
        months = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
        steps, by_day = np.diff(months), np.diff(days)
        even = len(set(steps.tolist())) <= 1 if (steps > 0).all() else len(set(by_day.tolist())) <= 1
        place = int(np.argmax(by_day <= 0)) if (by_day <= 0).any() else int(np.argmax(steps != steps.min()))
        if (by_day > 0).all() and even:
            return
    else:
        matches = [NUMBER.fullmatch(str(label)) for label in labels]
        if not all(matches):
            return
        steps = np.diff([int(match[1]) for match in matches if match is not None])
        if (steps == 1).all():
            return
        place = int(np.argmax(steps != 1))
    message = (
        f"the period {labels[place + 1]!r} follows {labels[place]!r} in the triangle; expected one column for every "
        "period, in order and without a gap: sort the columns, add those that are missing, and drop any that are no "
        "period; cohort='…' names the column of cohorts"
    )
    raise ColumnError(message)


def _date(found: re.Match[str] | None) -> date | None:
    try:
        return None if found is None else date(int(found[1]), int(found[2]), int(found[3] or 1))
    except ValueError:
        return None


def _of_cohort(values: Floats, periods: Sequence[str], name: str) -> Floats:
    """Survivors from the first number to the last one."""
    known = np.flatnonzero(~np.isnan(values))
    if len(known) == 0:
        message = f"{name} has no number in any period; leave its row out"
        raise RowError(message)
    inside = values[known[0] : known[-1] + 1]
    if np.isnan(inside).any():
        gap = known[0] + int(np.argmax(np.isnan(inside)))
        message = (
            f"{name} has no number for period {periods[gap]!r}, but one for {periods[known[-1]]!r}; expected numbers "
            "from the start of a cohort to the last period seen; fill the gap, or end the cohort before it"
        )
        raise RowError(message)
    return inside


def _refuse_shares(cells: Sequence[Floats]) -> None:
    """Refuse shares and per cent: how many contracts there were says how sure one can be."""
    starts = {float(values[0]) for values in cells}
    fractions = any((values != np.floor(values)).any() for values in cells)
    if len(starts) == 1 and (start := starts.pop()) in SCALES and (fractions or len(cells) > 1 or start == 1):
        message = (
            f"every cohort starts at {start:g}, so that these seem to be "
            f"{'per cent' if start == SCALES[1] else 'shares'}; expected numbers of contracts. Say how many there were "
            "at the start: ContractHistories.from_triangle(…, customers={'2024-01': 1520, …}), or customers=1000 if "
            "it was the same number in every cohort"
        )
        raise RowError(message)


def _refuse_unseen(cells: Sequence[Floats], names: Sequence[str], *, shares: bool) -> None:
    """Refuse zeros that stand for periods not seen yet: all cohorts but the first fall to zero on one day."""
    starts, lengths = np.array([values[0] for values in cells]), {len(values) for values in cells}
    if len(lengths) > 1 or not (starts > 0).all():
        return
    last = np.array([int(np.flatnonzero(values)[-1]) for values in cells])
    in_zero = last < lengths.pop() - 1
    if in_zero.sum() < 2 or len(set((last + np.arange(len(last))).tolist())) > 1:
        return
    left = np.array([values[end] for values, end in zip(cells, last, strict=True)])
    if (left < LEFT_AT_ONCE * starts).any() or (not shares and left[in_zero].sum() < MANY_AT_ONCE):
        return  # few contracts do end like that
    row = int(np.argmax(in_zero))
    message = (
        f"{names[row]} falls from {left[row]:g} to 0 after renewal {last[row]}, and all younger cohorts do at the same "
        "time, so that these zeros seem to be periods that have not been seen yet, which are null: in pandas "
        "triangle = triangle.replace(0, float('nan')). If all contracts really ended then, write the table with one "
        "row for each cohort and renewal: ContractHistories.from_cohorts"
    )
    raise RowError(message)


def _refuse_twice(codes: Integers, labels: Sequence[CohortLabel]) -> None:
    twice = np.flatnonzero(np.bincount(codes) > 1)
    if len(twice):
        message = f"{_name(labels, int(twice[0]))} has more than one row; expected one row per cohort; add them up"
        raise RowError(message)


def _name(labels: Sequence[CohortLabel], code: int) -> str:
    return f"cohort {labels[code]!r}" if labels else "the cohort"
