"""Customer histories: what is known of every customer, the distinct ones among them, and the audit of the log."""

from kundenwert.histories.audit import Audit, LogColumns
from kundenwert.histories.base import Histories, as_histories
from kundenwert.histories.cells import Cells, Clock, CohortLabel, HistoryColumn, NeedsHistory
from kundenwert.histories.contracts import ContractHistories
from kundenwert.histories.customers import CustomerHistories
from kundenwert.histories.opportunities import OpportunityHistories
from kundenwert.histories.parts import Gaps, Spend, Steps

__all__ = [
    "Audit",
    "Cells",
    "Clock",
    "CohortLabel",
    "ContractHistories",
    "CustomerHistories",
    "Gaps",
    "Histories",
    "HistoryColumn",
    "LogColumns",
    "NeedsHistory",
    "OpportunityHistories",
    "Spend",
    "Steps",
    "as_histories",
]
