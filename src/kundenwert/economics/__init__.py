"""What customers are worth: margins, costs, discounting, net present value."""

from __future__ import annotations

from kundenwert.economics.cohorts import acquisition_cohort
from kundenwert.economics.contribution import contribution_to_date
from kundenwert.economics.conversion import second_purchase
from kundenwert.economics.dependence import RawCorrelation, SpendDependence, spend_dependence
from kundenwert.economics.discounting import Continuously, EndOfPeriod, MiddleOfPeriod, StartOfPeriod
from kundenwert.economics.economics import Economics
from kundenwert.economics.equity import CustomerEquity, customer_equity
from kundenwert.economics.new_customer import new_customer_value
from kundenwert.economics.newcomer_value import NewCustomerValue
from kundenwert.economics.npv import net_present_value
from kundenwert.economics.phase_rules import PhaseRules
from kundenwert.economics.phases import phase
from kundenwert.economics.realised import realised_value
from kundenwert.economics.referral import Referral
from kundenwert.economics.retention import EveryoneFor, WhileActive, WhilePAliveAbove, WhileReturnProbabilityAbove
from kundenwert.economics.scoring import score
from kundenwert.economics.segments import Quantile, Segmentation, segment
from kundenwert.economics.terms import Growing, KnownAmount, PerCustomer, Schedule
from kundenwert.economics.warning import early_warning

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
