"""Customer histories: what is known of every customer, the distinct ones among them, and the audit of the log."""

from kundenwert.histories.audit import Audit, LogColumns
from kundenwert.histories.cells import Cells, HistoryColumn, NeedsHistory
from kundenwert.histories.customers import CustomerHistories
from kundenwert.histories.parts import Gaps, Spend, Steps

__all__ = [
    "Audit",
    "Cells",
    "CustomerHistories",
    "Gaps",
    "HistoryColumn",
    "LogColumns",
    "NeedsHistory",
    "Spend",
    "Steps",
]
