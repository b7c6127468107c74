"""Logs that can be read, but look wrong: what is found is warned of, and stands in the audit.

Each check looks at counts and sums only, per customer or per step, and is one warning class with its remedy.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from kundenwert.errors import (
    DuplicateRowsWarning,
    FutureDateWarning,
    GuestIdWarning,
    LogBeginsLateWarning,
    LogEndsEarlyWarning,
    LogWarning,
    LonelyDateWarning,
    NegativeAmountsWarning,
)
from kundenwert.transactions.plausibility import dates
from kundenwert.transactions.plausibility.beginning import begins_late
from kundenwert.transactions.plausibility.dates import refuse_lonely_end
from kundenwert.transactions.plausibility.duplicates import doubled_rows
from kundenwert.transactions.plausibility.guests import guest_ids
from kundenwert.transactions.plausibility.negatives import negative_amounts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from kundenwert.duration import Resolution
    from kundenwert.histories import LogColumns
    from kundenwert.transactions.occasions import Occasions
    from kundenwert.transactions.reading import LogRows

    type Findings = dict[type[LogWarning], str]

__all__ = ["findings", "refuse_lonely_end", "warn_of"]


def findings(
    rows: LogRows,
    observed: NDArray[np.bool_],
    occasions: Occasions,
    *,
    columns: LogColumns,
    until: int,
    until_given: bool,
    resolution: Resolution,
    first_purchases_given: bool = False,
) -> Findings:
    """What looks wrong with a log of at least one purchase."""
    opens, days = occasions.starts, dates.rows_per_step(rows.step)
    found: dict[type[LogWarning], str | None] = {
        FutureDateWarning: dates.after_today(until, resolution, given=until_given, now=dates.present()),
        LogEndsEarlyWarning: dates.after_the_log(days, until, resolution),
        LonelyDateWarning: dates.lonely_start(days, rows, columns, resolution),
        GuestIdWarning: guest_ids(rows, observed, occasions, columns),
        NegativeAmountsWarning: negative_amounts(rows, observed, occasions, opens, columns),
        DuplicateRowsWarning: None
        if columns.drop_duplicates
        else doubled_rows(rows, observed, occasions, columns, resolution),
        LogBeginsLateWarning: None if first_purchases_given else begins_late(occasions, opens, until, resolution),
    }
    return {category: text for category, text in found.items() if text is not None}


def warn_of(found: Findings, stacklevel: int) -> dict[str, str]:
    """Warn of each finding, and return them by the name of their warning, for the audit."""
    for category, text in found.items():
        warnings.warn(text, category, stacklevel=stacklevel + 1)
    return {category.__name__: text for category, text in found.items()}
