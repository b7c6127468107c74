"""What customers did after the calibration: the truth that predictions are held against."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from kundenwert.errors import DataError, MissingInformationError, SpecificationError
from kundenwert.histories import CustomerHistories
from kundenwert.histories.parts import round_amounts
from kundenwert.histories.validation import shown
from kundenwert.transactions.occasions import merge
from kundenwert.transactions.reading import read_log
from kundenwert.transactions.times import step_label, until_step

if TYPE_CHECKING:
    from datetime import date

    from narwhals.stable.v2.typing import IntoDataFrame

__all__ = ["holdout"]


def holdout(log: IntoDataFrame, histories: CustomerHistories, *, until: str | date) -> pd.DataFrame:
    """Count what each customer of `histories` bought after the calibration.

    The hold-out starts one step after the histories end. The log is read as :func:`kundenwert.summarize` read it:
    same columns, same treatment of refunds and of unusable rows. It may hold the calibration as well, and other
    customers; a refund that is netted is taken off the purchase before it, be that in the calibration.

    Parameters
    ----------
    log
        pandas, Polars or PyArrow table that covers the hold-out.
    histories
        Made by :func:`kundenwert.summarize`.
    until
        Last step of the hold-out, all of it: an ISO string, a date or a datetime.

    Returns
    -------
    pandas.DataFrame
        Index ``customer_id`` in the order of the histories; ``purchases``, the number of purchase occasions, and, if
        the histories have amounts, ``spend``, their sum. Both are 0 for those who did not buy.

    Raises
    ------
    MissingInformationError
        If the histories come from a ready-made table, which does not tell how to read the log.
    SpecificationError
        If `until` does not lie after the calibration.
    DataError
        If the log cannot be read, or knows none of the customers.
    """
    if not isinstance(histories, CustomerHistories):
        message = (
            f"holdout takes CustomerHistories, got {type(histories).__name__}; with OpportunityHistories, summarize "
            "the log once more with a later until: frequencies differ by the opportunities used in the hold-out"
        )
        raise DataError(message)
    if histories.columns is None or histories.steps is None:
        message = (
            "these histories come from a ready-made table, which tells neither the columns of the log nor the date "
            "on which the calibration ends; make them from the log with kundenwert.summarize"
        )
        raise MissingInformationError(message)
    steps = histories.steps
    rows = read_log(log, histories.columns, steps.resolution)
    end = until_step(until, steps.resolution, rows.time_zone)
    if len(steps.until) and end <= (latest := int(steps.until.max())):
        message = (
            f"until={until!r} does not lie after the calibration, which ends with "
            f"{step_label(latest, steps.resolution)}; choose a later until"
        )
        raise SpecificationError(message)
    position = histories.customer_id.get_indexer(rows.customer_id)
    if len(histories) and len(position) and (position < 0).all():
        message = (
            f"the log has none of the customers of the histories: ids are such as {shown(rows.customer_id, 0)} in the "
            f"log and {shown(histories.customer_id, 0)} in the histories; check the log and the type of its ids"
        )
        raise DataError(message)

    occasions = merge(rows, rows.step <= end, net_refunds=histories.columns.net_refunds)
    who = position[occasions.customer]
    counted = who >= 0
    counted[counted] = occasions.step[counted] > steps.until[who[counted]]
    who = who[counted]
    table = {"purchases": np.bincount(who, minlength=len(histories))}
    if occasions.amount is None:
        return pd.DataFrame(table, index=histories.customer_id)
    spend = round_amounts(np.bincount(who, weights=occasions.amount[counted], minlength=len(histories)))
    return pd.DataFrame(table | {"spend": spend}, index=histories.customer_id)
