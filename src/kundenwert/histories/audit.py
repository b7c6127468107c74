"""What happened to every row of a log, and how the log was read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, final

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kundenwert.duration import Resolution

__all__ = ["Audit", "Decimal", "LogColumns"]

type Decimal = Literal[".", ","]
"""The mark before the cents in amounts that are written as text."""

MERGED: Final = "merged into a purchase of the same step"
REFUNDS: Final = "set aside as refunds"


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class LogColumns:
    """How a log was read, so that the hold-out is read in the same way.

    Attributes
    ----------
    customer, time, amount
        Names of the columns.
    parse_dates, net_refunds, on_bad_rows, time_zone, time_format, decimal, drop_duplicates
        As given to :func:`kundenwert.summarize`.
    column_zone
        Time zone that the column of times had itself, such as ``"Europe/Berlin"`` or ``"UTC+01:00"``; None for times
        without a zone.
    """

    customer: str
    time: str
    amount: str | None = None
    parse_dates: bool = False
    net_refunds: bool = False
    on_bad_rows: Literal["raise", "drop"] = "raise"
    time_zone: str | None = None
    time_format: str | None = None
    decimal: Decimal | None = None
    drop_duplicates: bool = False
    column_zone: str | None = None

    @property
    def zone(self) -> str | None:
        """Time zone whose hours, days and weeks are the steps; None if nothing tells it."""
        return self.time_zone if self.time_zone is not None else self.column_zone


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Audit:
    """Where every row went: ``rows_read == kept + merged + refunds + sum(dropped.values())``.

    Attributes
    ----------
    rows_read
        Rows of the table handed in.
    kept
        Rows that count: one per purchase occasion (or one per customer in a ready-made table of histories).
    merged
        Rows that joined another purchase of the same customer in the same step.
    refunds
        Rows with a negative amount; they never count as purchases.
    refunds_netted
        Those among `refunds` that were taken off a purchase.
    refund_excess
        Money in netted refunds beyond the purchase they were taken off; a purchase never falls below zero.
    dropped
        Rows left out, by reason.
    customers
        Customers with a history.
    customers_left_out
        Customers of the log without a history, by reason.
    duplicates
        Rows up to `until` that repeat another one: alike in id, time and amount. They are also counted under what
        became of them: kept, merged, refunds or dropped.
    first_day, last_day
        First and last day (or hour) of all usable rows, such as ``"1997-01-01"``; None for a ready-made table.
    until
        Last day (or hour) observed; for opportunities the last day of the last complete period.
    resolution
        Length of a step; None for a ready-made table, and where periods are counted.
    time_zone
        Time zone of these days; None for times without one.
    findings
        What looks wrong with the log: name of the warning in :mod:`kundenwert.errors` and its text, also where the
        warning was silenced.
    """

    rows_read: int
    kept: int
    merged: int = 0
    refunds: int = 0
    refunds_netted: int = 0
    refund_excess: float = 0.0
    dropped: Mapping[str, int] = field(default_factory=dict)
    customers: int
    customers_left_out: Mapping[str, int] = field(default_factory=dict)
    duplicates: int = 0
    first_day: str | None = None
    last_day: str | None = None
    until: str | None = None
    resolution: Resolution | None = None
    time_zone: str | None = None
    findings: Mapping[str, str] = field(default_factory=dict)

    def to_pandas(self) -> pd.DataFrame:
        """One line per entry: columns ``of`` (rows or customers), ``entry`` and ``count``."""
        rows = [
            ("rows", "read", self.rows_read),
            ("rows", "kept", self.kept),
            ("rows", MERGED, self.merged),
            ("rows", REFUNDS, self.refunds),
            *(("rows", f"dropped: {reason}", count) for reason, count in self.dropped.items()),
            ("customers", "with a history", self.customers),
            *(("customers", f"left out: {reason}", count) for reason, count in self.customers_left_out.items()),
        ]
        return pd.DataFrame(rows, columns=["of", "entry", "count"])

    def __str__(self) -> str:
        table = self.to_pandas()
        if self.until is None:  # no log of purchases, so that nothing can be merged or sent back
            table = table[~table["entry"].isin([MERGED, REFUNDS]) | (table["count"] > 0)]
        width = max(len(f"{count:,}") for count in table["count"])
        lines = [] if self.until is None else [self._window()]
        lines += [f"{count:>{width},} {of} {entry}" for of, entry, count in table.itertuples(index=False)]
        if self.refunds_netted:
            lines.append(
                f"{self.refunds_netted:,} of the refunds were taken off the purchase before them, "
                f"{self.refund_excess:,.2f} of their money went beyond it"
            )
        if self.duplicates:
            lines.append(f"{self.duplicates:,} of the rows repeat another one, alike in id, time and amount")
        lines += [f"{name}: {text}" for name, text in self.findings.items()]
        return "\n".join(lines)

    def _window(self) -> str:
        zone = "without a time zone" if self.time_zone is None else f"in {self.time_zone} time"
        steps = "" if self.resolution is None else f" by the {self.resolution},"
        return f"rows from {self.first_day} to {self.last_day},{steps} {zone}; observed until {self.until}"
