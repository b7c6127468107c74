"""What customers are worth: margins, costs, discounting, net present value."""

from __future__ import annotations

from kundenwert.economics.discounting import Continuously, EndOfPeriod, MiddleOfPeriod, StartOfPeriod
from kundenwert.economics.economics import Economics
from kundenwert.economics.npv import net_present_value
from kundenwert.economics.referral import Referral
from kundenwert.economics.retention import EveryoneFor, WhileActive, WhilePAliveAbove, WhileReturnProbabilityAbove
from kundenwert.economics.scoring import score
from kundenwert.economics.terms import Growing, KnownAmount, PerCustomer, Schedule

__all__ = [
    "Continuously",
    "Economics",
    "EndOfPeriod",
    "EveryoneFor",
    "Growing",
    "KnownAmount",
    "MiddleOfPeriod",
    "PerCustomer",
    "Referral",
    "Schedule",
    "StartOfPeriod",
    "WhileActive",
    "WhilePAliveAbove",
    "WhileReturnProbabilityAbove",
    "net_present_value",
    "score",
]
