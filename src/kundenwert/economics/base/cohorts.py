"""Cohorts of customers who came in the same period of the calendar."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from kundenwert.duration import Duration, months, weeks, years
from kundenwert.errors import DataError, DurationError
from kundenwert.histories import CustomerHistories
from kundenwert.transactions.again import how_it_was_read
from kundenwert.transactions.times import MONDAY

if TYPE_CHECKING:
    from kundenwert.histories import Steps

__all__ = ["acquisition_cohort"]

WEEK, MONTH, QUARTER, YEAR = weeks(1), months(1), months(3), years(1)
PERIODS: Final = (WEEK, MONTH, QUARTER, YEAR)


def acquisition_cohort(histories: CustomerHistories, *, every: Duration) -> pd.Series[str]:
    """The period of the calendar in which each customer bought for the first time.

    Parameters
    ----------
    histories : CustomerHistories
        Made by :func:`kundenwert.summarize`.
    every : Duration
        ``weeks(1)`` (from Monday), ``months(1)``, ``months(3)`` for quarters, or ``years(1)``: all of the calendar.

    Returns
    -------
    pandas.Series
        Labels such as ``1997-02`` or ``1997-Q1``, weeks by their Monday; named ``cohort``, with the index
        ``customer_id``. For `by` of :func:`kundenwert.customer_equity`.

    Raises
    ------
    MissingInformationError
        If the histories come from a ready-made table, which tells no dates.
    DurationError
        If `every` is no such period.

    Examples
    --------
    >>> import kundenwert as kw
    >>> log = kw.datasets.cdnow()
    >>> histories = kw.summarize(log, customer="customer_id", time="date", amount="amount", until="1997-09-30")
    >>> kw.acquisition_cohort(histories, every=kw.months(1)).value_counts(sort=False)
    cohort
    1997-01    781
    1997-02    857
    1997-03    719
    Name: count, dtype: int64
    """
    if not isinstance(histories, CustomerHistories):
        message = (
            f"acquisition_cohort takes CustomerHistories, got {type(histories).__name__}; with others, make a Series "
            "of labels with the index customer_id yourself"
        )
        raise DataError(message)
    if not isinstance(every, Duration) or every not in PERIODS:
        known = ", ".join(f"kundenwert.{period!r}" for period in PERIODS)
        message = f"every is a period of the calendar, one of {known}; got {every!r}"
        raise DurationError(message)
    _, steps = how_it_was_read(histories)
    distinct, place = np.unique(_first_day(steps), return_inverse=True)
    labels = pd.Series(_labels(distinct, every), dtype="str")
    return pd.Series(labels.to_numpy()[place], index=histories.customer_id, name="cohort", dtype="str")


def _first_day(steps: Steps) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Days from 1970-01-01 to the first purchase, or to the start of its week if steps are weeks."""
    match steps.resolution:
        case "hour":
            return np.asarray(steps.first // 24)
        case "day":
            return np.asarray(steps.first)
        case "week":
            return np.asarray(7 * steps.first - MONDAY)


def _labels(days: np.ndarray[tuple[int], np.dtype[np.int64]], every: Duration) -> list[str]:
    if every == WEEK:
        mondays = ((days + MONDAY) // 7 * 7 - MONDAY).astype("datetime64[D]")
        return [str(monday) for monday in mondays]
    of_month = [str(month) for month in days.astype("datetime64[D]").astype("datetime64[M]")]
    if every == MONTH:
        return of_month
    split = [label.rsplit("-", 1) for label in of_month]
    return [year if every == YEAR else f"{year}-Q{(int(month) + 2) // 3}" for year, month in split]
