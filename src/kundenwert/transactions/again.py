"""A log read once more, in the way that histories were made from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kundenwert.errors import DataError, MissingInformationError
from kundenwert.histories.validation import shown

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kundenwert.histories import CustomerHistories, LogColumns, Steps
    from kundenwert.transactions.reading import LogRows

__all__ = ["how_it_was_read", "places_in"]


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


def places_in(histories: CustomerHistories, rows: LogRows) -> NDArray[np.int64]:
    """The position of each customer of the log in the histories, -1 for those without one.

    Raises
    ------
    DataError
        If the log knows none of the customers.
    """
    place = histories.customer_id.get_indexer(rows.customer_id)
    if len(histories) and len(place) and (place < 0).all():
        message = (
            f"the log has none of the customers of the histories: ids are such as {shown(rows.customer_id, 0)} in the "
            f"log and {shown(histories.customer_id, 0)} in the histories; check the log and the type of its ids"
        )
        raise DataError(message)
    return np.asarray(place, dtype=np.int64)
