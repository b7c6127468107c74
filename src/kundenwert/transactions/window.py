"""The window of a log: first and last day, the end of observation, the length of a step and the time zone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kundenwert.transactions.times import last_label

if TYPE_CHECKING:
    from kundenwert.duration import Resolution
    from kundenwert.histories import Audit
    from kundenwert.transactions.reading import LogRows

__all__ = ["with_window"]


def with_window(audit: Audit, rows: LogRows, *, until: int, resolution: Resolution, steps: bool = True) -> Audit:
    """Note the window of the usable rows; `until` is a step, and `steps` says whether purchases are counted by it."""
    unit = "datetime64[h]" if resolution == "hour" else "datetime64[D]"
    first, last = (str(end.astype(unit)) for end in (rows.time.min(), rows.time.max()))
    return replace(
        audit,
        first_day=first,
        last_day=last,
        until=last_label(until, resolution),
        resolution=resolution if steps else None,
        time_zone=None if rows.time_zone is None else str(rows.time_zone),
    )
