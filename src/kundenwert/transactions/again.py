"""A log read once more, in the way that histories were made from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kundenwert.errors import ColumnError, DataError, MissingInformationError
from kundenwert.histories.identity import places
from kundenwert.histories.validation import shown
from kundenwert.transactions.reading import read_log

if TYPE_CHECKING:
    import numpy as np
    from narwhals.stable.v2.typing import IntoDataFrame
    from numpy.typing import NDArray

    from kundenwert.duration import Resolution
    from kundenwert.histories import CustomerHistories, LogColumns, Steps
    from kundenwert.transactions.reading import LogRows

__all__ = ["how_it_was_read", "places_in", "read_again"]


def how_it_was_read(histories: CustomerHistories) -> tuple[LogColumns, Steps]:
    """The columns of the log that histories were made from, and their steps.

    Raises
    ------
    MissingInformationError
        If they come from a ready-made table.
    """
    if histories.columns is None or histories.steps is None:
        message = (
            "these histories come from a ready-made table, which tells neither the columns of the log nor the date "
            "on which the calibration ends; make them from the log with kundenwert.summarize"
        )
        raise MissingInformationError(message)
    return histories.columns, histories.steps


def read_again(log: IntoDataFrame, columns: LogColumns, resolution: Resolution) -> LogRows:
    """Read a log as another one was read before; times are converted to the zone whose days were counted then.

    Raises
    ------
    ColumnError
        If times have a zone in one of the logs only, so that nothing tells how they lie to each other.
    """
    rows = read_log(log, columns, resolution)
    then, now = columns.column_zone, rows.column_zone
    remedy = None
    if now is None and then is not None:
        remedy = (
            f"give this log the zone that it is in, in pandas for example "
            f"log[{columns.time!r}] = log[{columns.time!r}].dt.tz_localize({then!r})"
        )
    elif now is not None and columns.zone is None:
        remedy = (
            "say which zone the log of the histories is in, and make them once more: "
            f"kundenwert.summarize(log, …, time_zone={now!r}), or whichever it is"
        )
    if remedy is not None:
        message = (
            f"times in column {columns.time!r} of this log {_zone(now)}, those of the log that the histories were made "
            f"from {_zone(then)}, so that nothing tells how they lie to each other; {remedy}"
        )
        raise ColumnError(message)
    return rows


def places_in(histories: CustomerHistories, rows: LogRows) -> NDArray[np.int64]:
    """The position of each customer of the log in the histories, -1 for those without one.

    Raises
    ------
    DataError
        If the log knows none of the customers.
    """
    place = places(histories.customer_id, rows.customer_id)
    if len(histories) and len(place) and (place < 0).all():
        message = (
            f"the log has none of the customers of the histories: ids are such as {shown(rows.customer_id, 0)} in the "
            f"log and {shown(histories.customer_id, 0)} in the histories; check the log and the type of its ids"
        )
        raise DataError(message)
    return place


def _zone(zone: str | None) -> str:
    return "have no time zone" if zone is None else f"are in {zone}"
