"""From a transaction log to customer histories."""

from kundenwert.transactions.opportunities import summarize_opportunities
from kundenwert.transactions.summary import summarize

__all__ = ["summarize", "summarize_opportunities"]
