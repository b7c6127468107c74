"""Win-back: who returns by themselves, whom an offer brings back, and whether it pays."""

from __future__ import annotations

from kundenwert.winback.assessment import ResponseAssessment, assess_response
from kundenwert.winback.evaluation import CampaignEvaluation, evaluate_campaign
from kundenwert.winback.offers import Offer
from kundenwert.winback.organic import organic_return
from kundenwert.winback.persistence import register_plans
from kundenwert.winback.plan import WinbackPlan
from kundenwert.winback.planning import plan_winback
from kundenwert.winback.second_life import second_lifetime_value

__all__ = [
    "CampaignEvaluation",
    "Offer",
    "ResponseAssessment",
    "WinbackPlan",
    "assess_response",
    "evaluate_campaign",
    "organic_return",
    "plan_winback",
    "second_lifetime_value",
]

register_plans()
