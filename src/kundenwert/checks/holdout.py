"""What customers did after the calibration: the truth that predictions are held against."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from kundenwert.errors import DataError, LogEndsEarlyWarning, SpecificationError
from kundenwert.histories import CustomerHistories
from kundenwert.histories.parts import round_amounts
from kundenwert.transactions.again import how_it_was_read, places_in, read_again
from kundenwert.transactions.occasions import merge
from kundenwert.transactions.plausibility.dates import after_the_log, rows_per_step
from kundenwert.transactions.times import step_label, until_step

if TYPE_CHECKING:
    from narwhals.stable.v2.typing import IntoDataFrame
    from numpy.typing import NDArray

    from kundenwert.transactions.times import Day

__all__ = ["After", "holdout", "purchases_after"]


def holdout(log: IntoDataFrame, histories: CustomerHistories, *, until: Day) -> pd.DataFrame:
    """Count what each customer of `histories` bought after the calibration.

    The hold-out starts one step after the histories end. The log is read as :func:`kundenwert.summarize` read it:
    same columns, same treatment of refunds and of unusable rows, the same time zone: a log in another zone is
    converted to that of the histories, and refused if only one of the two has a zone. It may hold the calibration as
    well, and other customers; a refund that is netted is taken off the purchase before it, be that in the calibration.

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
    ColumnError
        If times have a zone here and none in the histories, or the other way round.
    DataError
        If the log cannot be read, or knows none of the customers.

    Warns
    -----
    LogEndsEarlyWarning
        If the log ends long before `until`: who bought after its end is not in it.
    """
    if not isinstance(histories, CustomerHistories):
        message = (
            f"holdout takes CustomerHistories, got {type(histories).__name__}; with OpportunityHistories, summarize "
            "the log once more with a later until: frequencies differ by the opportunities used in the hold-out"
        )
        raise DataError(message)
    after = purchases_after(log, histories, until)
    if after.ends_early is not None:
        warnings.warn(after.ends_early, LogEndsEarlyWarning, stacklevel=2)
    table = {"purchases": np.bincount(after.customer, minlength=len(histories))}
    if after.amount is None:
        return pd.DataFrame(table, index=histories.customer_id)
    spend = round_amounts(np.bincount(after.customer, weights=after.amount, minlength=len(histories)))
    return pd.DataFrame(table | {"spend": spend}, index=histories.customer_id)


class After(NamedTuple):
    """Purchase occasions after the calibration: position of the customer in the histories, and amount if known.

    And what is to be said if the log ends long before the hold-out.
    """

    customer: NDArray[np.int64]
    amount: NDArray[np.float64] | None
    ends_early: str | None


def purchases_after(log: IntoDataFrame, histories: CustomerHistories, until: Day) -> After:
    """The purchases that :func:`holdout` counts, one by one."""
    columns, steps = how_it_was_read(histories)
    rows = read_again(log, columns, steps.resolution)
    end = until_step(until, steps.resolution, rows.time_zone)
    if len(steps.until) and end <= (latest := int(steps.until.max())):
        message = (
            f"until={until!r} does not lie after the calibration, which ends with "
            f"{step_label(latest, steps.resolution)}; choose a later until"
        )
        raise SpecificationError(message)
    place = places_in(histories, rows)

    occasions = merge(rows, rows.step <= end, net_refunds=columns.net_refunds, drop_duplicates=columns.drop_duplicates)
    who = place[occasions.customer]
    counted = who >= 0
    counted[counted] = occasions.step[counted] > steps.until[who[counted]]
    amount = None if occasions.amount is None else occasions.amount[counted]
    return After(who[counted], amount, after_the_log(rows_per_step(rows.step), end, steps.resolution))
