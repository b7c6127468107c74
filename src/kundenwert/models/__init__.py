"""Models: one file each. ``MODELS`` is the public list, by the name under which posteriors are saved."""

from __future__ import annotations

from typing import Any, Final

from kundenwert.duration import units_per_year
from kundenwert.models.beta_discrete_weibull import BetaDiscreteWeibull
from kundenwert.models.bgbb import BGBB
from kundenwert.models.bgcnbd import BGCNBD
from kundenwert.models.bgnbd import BGNBD
from kundenwert.models.campaign_response import CampaignResponse
from kundenwert.models.core import (
    AliveCustomer,
    Assignment,
    CampaignModel,
    ContractModel,
    FixedParameters,
    Functions,
    History,
    LevelLaw,
    LevelNodes,
    Link,
    LivingContract,
    Model,
    PurchaseModel,
    Purchases,
    Quantity,
    RateLaw,
    RateNodes,
    SpendModel,
    TimeParameters,
    check_positive,
)
from kundenwert.models.families.campaign_assignment import Observational, PriorOnly, Randomised, Refuse
from kundenwert.models.families.campaign_links import AdditiveHazard, ByState, HierarchicalLogit
from kundenwert.models.gamma_gamma import GammaGamma
from kundenwert.models.ggomp_nbd import GGompNBD
from kundenwert.models.lognormal_spend import LogNormalSpend
from kundenwert.models.mbgcnbd import MBGCNBD
from kundenwert.models.mbgnbd import MBGNBD
from kundenwert.models.pareto_nbd import ParetoNBD
from kundenwert.models.revival_nbd import RevivalNBD
from kundenwert.models.shifted_beta_geometric import ShiftedBetaGeometric
from kundenwert.storage.registry import explain_annotations, register

__all__ = [
    "BGBB",
    "BGCNBD",
    "BGNBD",
    "MBGCNBD",
    "MBGNBD",
    "MODELS",
    "AdditiveHazard",
    "AliveCustomer",
    "Assignment",
    "BetaDiscreteWeibull",
    "ByState",
    "CampaignModel",
    "CampaignResponse",
    "ContractModel",
    "FixedParameters",
    "Functions",
    "GGompNBD",
    "GammaGamma",
    "HierarchicalLogit",
    "History",
    "LevelLaw",
    "LevelNodes",
    "Link",
    "LivingContract",
    "LogNormalSpend",
    "Model",
    "Observational",
    "ParetoNBD",
    "PriorOnly",
    "PurchaseModel",
    "Purchases",
    "Quantity",
    "Randomised",
    "RateLaw",
    "RateNodes",
    "Refuse",
    "RevivalNBD",
    "ShiftedBetaGeometric",
    "SpendModel",
    "TimeParameters",
    "check_positive",
    "units_per_year",
]

MODELS: Final[tuple[type[Model[Any]], ...]] = (
    BGNBD,
    MBGNBD,
    ParetoNBD,
    GGompNBD,
    BGCNBD,
    MBGCNBD,
    BGBB,
    GammaGamma,
    LogNormalSpend,
    ShiftedBetaGeometric,
    BetaDiscreteWeibull,
    CampaignResponse,
    RevivalNBD,
)

register(*MODELS, Randomised, Observational, Refuse, PriorOnly, HierarchicalLogit, AdditiveHazard, ByState)
explain_annotations({"Anchor": tuple[float, float]})
