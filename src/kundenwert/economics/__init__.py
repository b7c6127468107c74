"""What customers are worth: margins, costs, discounting, net present value."""

from __future__ import annotations

from kundenwert.economics.assumptions.discounting import Continuously, EndOfPeriod, MiddleOfPeriod, StartOfPeriod
from kundenwert.economics.assumptions.economics import Economics
from kundenwert.economics.assumptions.referral import Referral
from kundenwert.economics.assumptions.retention import (
    EveryoneFor,
    WhileActive,
    WhilePAliveAbove,
    WhileReturnProbabilityAbove,
)
from kundenwert.economics.assumptions.terms import Growing, KnownAmount, PerCustomer, Schedule
from kundenwert.economics.base.cohorts import acquisition_cohort
from kundenwert.economics.base.contribution import contribution_to_date
from kundenwert.economics.base.equity import CustomerEquity, customer_equity
from kundenwert.economics.base.segments import Quantile, Segmentation, segment
from kundenwert.economics.dependence.spend_dependence import RawCorrelation, SpendDependence, spend_dependence
from kundenwert.economics.newcomers.new_customer import new_customer_value
from kundenwert.economics.newcomers.value import NewCustomerValue
from kundenwert.economics.realised.realised import realised_value
from kundenwert.economics.relationship.conversion import second_purchase
from kundenwert.economics.relationship.phase_rules import PhaseRules
from kundenwert.economics.relationship.phases import phase
from kundenwert.economics.relationship.warning import early_warning
from kundenwert.economics.value.npv import net_present_value
from kundenwert.economics.value.scoring import score

__all__ = [
    "Continuously",
    "CustomerEquity",
    "Economics",
    "EndOfPeriod",
    "EveryoneFor",
    "Growing",
    "KnownAmount",
    "MiddleOfPeriod",
    "NewCustomerValue",
    "PerCustomer",
    "PhaseRules",
    "Quantile",
    "RawCorrelation",
    "Referral",
    "Schedule",
    "Segmentation",
    "SpendDependence",
    "StartOfPeriod",
    "WhileActive",
    "WhilePAliveAbove",
    "WhileReturnProbabilityAbove",
    "acquisition_cohort",
    "contribution_to_date",
    "customer_equity",
    "early_warning",
    "net_present_value",
    "new_customer_value",
    "phase",
    "realised_value",
    "score",
    "second_purchase",
    "segment",
    "spend_dependence",
]
