"""From a transaction log to customer histories."""

from kundenwert.transactions.summary import summarize

__all__ = ["summarize"]
