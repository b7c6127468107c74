"""Days that stand alone at the ends of a log, and an observation that goes on after today or after the log.

What is looked at is the number of rows per step.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import numpy as np

from kundenwert.errors import RowError
from kundenwert.histories.validation import shown
from kundenwert.transactions.times import last_label, step_label, until_step

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kundenwert.duration import Resolution
    from kundenwert.histories import LogColumns
    from kundenwert.transactions.reading import LogRows

    type Integers = NDArray[np.int64]
    type Days = tuple[Integers, Integers]

__all__ = ["after_the_log", "after_today", "lonely_start", "present", "refuse_lonely_end", "rows_per_step"]

ENOUGH_STEPS: Final = 20
FEW_STEPS: Final = 5
FEW_ROWS: Final = 0.01
OTHER_GAPS: Final = 5
IN_JANUARY: Final = {"hour": 31 * 24, "day": 31, "week": 5}  # steps, from 1970-01-01 on
OTHER_PAUSES: Final = 3
ENOUGH_ROWS: Final = 20
PLACEHOLDERS: Final = frozenset(
    {"0001-01-01", "1753-01-01", "1899-12-30", "1899-12-31", "1900-01-01", "1904-01-01", "1970-01-01", "1980-01-01"}
)  # what databases, spreadsheets and clocks write for "no date"


def present() -> datetime:
    """What time it is."""
    return datetime.now(tz=UTC)


def refuse_lonely_end(rows: LogRows, columns: LogColumns, resolution: Resolution) -> None:
    """Refuse to take the last step of the log for the end of observation if it stands alone.

    It does if it is farther from the rest than half the length of the rest; and so do up to five steps that hold no
    more than a hundredth of the rows. Logs of fewer than twenty steps are too short to tell.

    Raises
    ------
    RowError
        Names the customer with the last row.
    """
    step, count = rows_per_step(rows.step)
    alone = _alone(step[::-1], count[::-1], length=0.5)
    if not alone:
        return
    last, before = int(step[-1]), int(step[-1 - alone])
    customer = shown(rows.customer_id, rows.customer[int(np.argmax(rows.step))])
    others = "" if (late := int(count[-alone:].sum())) == 1 else f" ({late:,} rows are as late)"
    message = (
        f"customer {customer} has a row on {step_label(last, resolution)}{others}, which stands alone: all other rows "
        f"of the log lie between {step_label(int(step[0]), resolution)} and {step_label(before, resolution)}. Without "
        f"until, the last row ends the observation, and everybody else would count as silent up to it. Say when the "
        f"log was cut, until='{last_label(before, resolution)}', or correct column {columns.time!r}"
    )
    raise RowError(message)


def lonely_start(days: Days, rows: LogRows, columns: LogColumns, resolution: Resolution) -> str | None:
    """Tell of first steps that stand alone: farther from the rest than its length, or at a date that stands for none.

    Those of a growing shop may be half its length away; so a date such as 1970-01-01 needs no more than that. A log
    that lies in January 1970 as a whole is one of numbers that were read with the wrong unit.
    """
    step, count = days
    if len(step) and step[0] >= 0 and step[-1] < IN_JANUARY[resolution]:
        last = step_label(int(step[-1]), resolution)
        return (
            f"all {len(rows.time):,} rows lie in January 1970 (the last on {last}), as numbers do that were converted "
            f"to times with the wrong unit or origin. Convert column {columns.time!r} once more: in pandas "
            "pd.to_datetime(numbers, unit=…) with 's', 'ms', 'us' or 'ns', or for days of a spreadsheet, such as "
            "44562, unit='D', origin='1899-12-30'"
        )
    known = bool(len(step)) and step_label(int(step[0]), resolution)[:10] in PLACEHOLDERS
    alone = _alone(step, count, length=0.5 if known else 1.0)
    if not alone:
        return None
    first, after = step_label(int(step[0]), resolution), step_label(int(step[alone]), resolution)
    in_utc = columns.parse_dates and columns.time_format is None  # text may have offsets: a day less for them
    cut = step_label(int(step[alone]) - (24 if resolution == "hour" else 1), resolution) if in_utc else after
    early = int(count[:alone].sum())
    customer = shown(rows.customer_id, rows.customer[int(np.argmin(rows.step))])
    return (
        f"the log begins with {early:,} {'row' if early == 1 else 'rows'} that {'stands' if early == 1 else 'stand'} "
        f"alone: customer {customer} has one on {first}, and all later rows lie between {after} and "
        f"{step_label(int(step[-1]), resolution)}. "
        f"A wrong date makes its customer {'older than the shop' if known else 'far older than all others'}, and such "
        "a history weighs heavily in a fit. Correct these rows or leave them out: "
        f'in pandas log = log[{_as_times(columns)} >= "{cut}"]'
    )


def _as_times(columns: LogColumns) -> str:
    """The column of times in pandas, whatever it is written as: text would be compared letter by letter."""
    times = f'log["{columns.time}"]'
    coerce = "" if columns.on_bad_rows == "raise" else ", errors='coerce'"
    if columns.time_format is not None:
        return f"pd.to_datetime({times}.astype('str'), format={columns.time_format!r}{coerce})"
    if columns.parse_dates:
        return f"pd.to_datetime({times}.astype('str'), format='mixed', utc=True{coerce})"
    return f"pd.to_datetime({times})"


def after_today(until: int, resolution: Resolution, *, given: bool, now: datetime) -> str | None:
    """Tell of an observation that ends after today; a day is left for the difference of time zones."""
    moment = now.astimezone(UTC).replace(tzinfo=None)
    if until <= until_step(moment + timedelta(days=1), resolution, None):
        return None
    what = "until" if given else "the last row of the log, which ends the observation,"
    today = moment.date().isoformat()
    return (
        f"{what} = {last_label(until, resolution)} lies after today, {today}. The time in between counts as observed, "
        f"so that customers look lost who have not had it yet. Give the day on which the log was cut: until='{today}'"
    )


def after_the_log(days: Days, until: int, resolution: Resolution) -> str | None:
    """Tell of an observation that ends long after the last row, in a log that never had such a pause.

    It must be three times the longest pause between any two steps with rows, and as many steps before the last row
    must have held twenty rows: towards its end a log of few customers has longer and longer pauses. Logs of fewer than
    twenty steps are too short to tell.
    """
    step, count = days
    observed = step <= until
    step, count = step[observed], count[observed]
    if len(step) < ENOUGH_STEPS:
        return None
    last = int(step[-1])
    ahead, longest = until - last, int(np.diff(step).max())
    before = int(count[step > last - ahead].sum())
    if ahead <= OTHER_PAUSES * longest or before < ENOUGH_ROWS:
        return None
    end = last_label(last, resolution)
    return (
        f"until = {last_label(until, resolution)} lies after the end of the log, whose last row is of {end}. As long a "
        f"time before that has {before:,} rows, and rows are never more than {_length(longest, resolution)} apart, so "
        "the log seems to be cut there. The time after it counts as observed: everybody looks silent in it, and "
        f"forecasts look too high. If the log was cut then, give until='{end}'"
    )


def _length(steps: int, resolution: Resolution) -> str:
    return f"{steps:,} {resolution}{'' if steps == 1 else 's'}"


def rows_per_step(steps: Integers) -> Days:
    """Steps with rows, in order, and the number of their rows."""
    if len(steps) == 0:
        return steps, steps
    first, last = int(steps.min()), int(steps.max())
    if last - first > max(len(steps), 1_000_000):
        return np.unique(steps, return_counts=True)
    origin = first if first < 0 or last > 1_000_000 else 0  # days since 1970 need no shift
    count = np.bincount(steps - origin if origin else steps)
    found = np.flatnonzero(count)
    return found + origin, count[found]


def _alone(step: Integers, count: Integers, length: float) -> int:
    """How many steps at the start stand alone.

    Their distance to the rest is more than `length` times its length, and five times the longest pause in it: when
    few customers are left, purchases come at ever longer distances.
    """
    if len(step) < ENOUGH_STEPS:
        return 0
    for alone in range(FEW_STEPS, 0, -1):
        rest = np.abs(np.diff(step[alone:]))
        apart = max(length * int(rest.sum()), OTHER_GAPS * int(rest.max()))
        few = alone == 1 or int(count[:alone].sum()) <= FEW_ROWS * int(count.sum())
        if few and abs(int(step[alone]) - int(step[alone - 1])) > apart:
            return alone
    return 0
