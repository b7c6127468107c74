"""From a transaction log to customer histories."""

from kundenwert.transactions.contracts import summarize_contracts
from kundenwert.transactions.opportunities import summarize_opportunities
from kundenwert.transactions.summary import summarize

__all__ = ["summarize", "summarize_contracts", "summarize_opportunities"]
