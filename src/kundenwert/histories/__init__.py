"""Customer histories: what is known of every customer, the distinct ones among them, and the audit of the log."""

from kundenwert.histories.audit import Audit, LogColumns
from kundenwert.histories.base import Histories, as_histories
from kundenwert.histories.campaigns import CampaignLog
from kundenwert.histories.cells import Cells, Clock, CohortLabel, HistoryColumn, NeedsHistory
from kundenwert.histories.contracts import ContractHistories
from kundenwert.histories.customers import CustomerHistories
from kundenwert.histories.gap_lists import GapLists
from kundenwert.histories.kept import register_histories
from kundenwert.histories.opportunities import OpportunityHistories
from kundenwert.histories.organic import OrganicReturn
from kundenwert.histories.parts import Gaps, Spend, Steps
from kundenwert.storage.registry import explain_annotations, register

__all__ = [
    "Audit",
    "CampaignLog",
    "Cells",
    "Clock",
    "CohortLabel",
    "ContractHistories",
    "CustomerHistories",
    "GapLists",
    "Gaps",
    "Histories",
    "HistoryColumn",
    "LogColumns",
    "NeedsHistory",
    "OpportunityHistories",
    "OrganicReturn",
    "Spend",
    "Steps",
    "as_histories",
]

register(LogColumns, Audit, Steps, Gaps, Spend, OrganicReturn)
register(ContractHistories, CampaignLog)
register_histories()
explain_annotations({"CohortLabel": CohortLabel})
