"""Origins: what was known at each of several dates, and what customers did after it."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Literal, final

import numpy as np

from kundenwert.checks.holdout import After, purchases_after
from kundenwert.duration import check_duration
from kundenwert.errors import DataError, LogWarning, SpecificationError
from kundenwert.histories.tables import open_table
from kundenwert.transactions import summarize
from kundenwert.transactions.times import step_label

if TYPE_CHECKING:
    from narwhals.stable.v2.typing import IntoDataFrame
    from numpy.typing import NDArray

    from kundenwert.duration import Duration, Resolution, TimeUnit
    from kundenwert.histories import CustomerHistories
    from kundenwert.histories.audit import Decimal
    from kundenwert.transactions.times import Day

__all__ = ["Reading", "Split", "splits_of"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How to read a log: the arguments of :func:`kundenwert.summarize`."""

    customer: str
    time: str
    amount: str | None
    unit: TimeUnit
    resolution: Resolution
    parse_dates: bool
    time_format: str | None
    time_zone: str | None
    decimal: Decimal | None
    on_bad_rows: Literal["raise", "drop"]
    net_refunds: bool
    drop_duplicates: bool
    first_purchase: str | None
    customers: IntoDataFrame | None

    def until(self, log: IntoDataFrame, until: Day | None) -> tuple[CustomerHistories, int]:
        """Histories until that date, and its step."""
        histories = summarize(
            log,
            customer=self.customer,
            time=self.time,
            amount=self.amount,
            until=until,
            unit=self.unit,
            resolution=self.resolution,
            parse_dates=self.parse_dates,
            time_format=self.time_format,
            time_zone=self.time_zone,
            decimal=self.decimal,
            on_bad_rows=self.on_bad_rows,
            net_refunds=self.net_refunds,
            drop_duplicates=self.drop_duplicates,
            first_purchase=self.first_purchase,
            customers=self.customers,
        )
        assert histories.steps is not None  # noqa: S101 - summarize always gives them
        return histories, int(histories.steps.until[0])

    def steps_of(self, horizon: Duration) -> int:
        """How many steps the horizon has."""
        length = check_duration(horizon, "horizon").in_unit(self.resolution)
        steps = round(length)
        if steps < 1 or abs(length - steps) > 1e-9:
            message = (
                f"horizon={horizon!r} is {length:g} {self.resolution}s, but purchases are counted in whole ones; "
                f"give for example kundenwert.{self.resolution}s({max(1, steps)})"
            )
            raise SpecificationError(message)
        return steps


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Split:
    """An origin, the histories known then, and what customers bought within the horizon after it.

    Attributes
    ----------
    origin
        The date as it was given.
    histories
        Of the customers acquired by then.
    purchases
        How often each of them bought within the horizon, shape (customers,).
    after
        These purchases one by one.
    position
        Their positions among all customers of the log, shape (customers,).
    """

    origin: str
    histories: CustomerHistories
    purchases: NDArray[np.int64]
    position: NDArray[np.intp]
    after: After | None = None


def splits_of(
    log: IntoDataFrame, reading: Reading, origins: Sequence[Day], horizon: Duration, until: Day | None
) -> list[Split]:
    """Split the log at every origin.

    Raises
    ------
    SpecificationError
        If origins are out of order or outside the log, or the horizon is no whole number of steps or ends after it.
    """
    if isinstance(origins, (str, date)) or not isinstance(origins, Sequence) or not origins:
        message = f"origins takes a list of dates, for example ['1997-06-30', '1997-09-30']; got {origins!r}"
        raise SpecificationError(message)
    length = reading.steps_of(horizon)
    log = open_table(log, "the log").to_native()  # what streams its rows gives them once
    everybody, end = reading.until(log, until)
    splits: list[Split] = []
    before: int | None = None
    for origin in origins:
        if origin is None:  # which would be the end of the log
            message = "origin None is no date; expected for example '1997-09-30', a datetime.date or a datetime"
            raise SpecificationError(message)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", LogWarning)  # the whole log has been looked at
                histories, step = reading.until(log, origin)
        except (DataError, SpecificationError) as error:
            message = f"origin {origin!r} cannot be used: {error}"
            raise SpecificationError(message) from error
        if before is not None and step <= before:
            message = f"origins must be in order of time, each once; {origin!r} does not lie after the one before it"
            raise SpecificationError(message)
        before = step
        last = step_label(step + length, reading.resolution)
        if step + length > end:
            message = (
                f"the horizon after origin {origin!r} ends with {last}, but the log with "
                f"{step_label(end, reading.resolution)}; choose an earlier origin or a shorter horizon, or say with "
                "until=… that the log was observed for longer"
            )
            raise SpecificationError(message)
        after = purchases_after(log, histories, f"{last}:00" if reading.resolution == "hour" else last)
        splits.append(
            Split(
                origin=str(origin),
                histories=histories,
                purchases=np.bincount(after.customer, minlength=len(histories)),
                after=after,
                position=everybody.customer_id.get_indexer(histories.customer_id),
            )
        )
    return splits
