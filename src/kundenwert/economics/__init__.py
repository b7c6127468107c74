"""What customers are worth: margins, discounting, net present value."""

from __future__ import annotations

from kundenwert.economics.economics import Economics
from kundenwert.economics.npv import net_present_value
from kundenwert.economics.scoring import score

__all__ = ["Economics", "net_present_value", "score"]
