"""Models: one file each. ``MODELS`` is the public list, by the name under which posteriors are saved."""

from __future__ import annotations

from typing import Any, Final

from kundenwert.duration import units_per_year
from kundenwert.models.beta_discrete_weibull import BetaDiscreteWeibull
from kundenwert.models.bgbb import BGBB
from kundenwert.models.bgcnbd import BGCNBD
from kundenwert.models.bgnbd import BGNBD
from kundenwert.models.core import (
    AliveCustomer,
    ContractModel,
    FixedParameters,
    Functions,
    History,
    LevelLaw,
    LevelNodes,
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
from kundenwert.models.gamma_gamma import GammaGamma
from kundenwert.models.ggomp_nbd import GGompNBD
from kundenwert.models.lognormal_spend import LogNormalSpend
from kundenwert.models.mbgcnbd import MBGCNBD
from kundenwert.models.mbgnbd import MBGNBD
from kundenwert.models.pareto_nbd import ParetoNBD
from kundenwert.models.shifted_beta_geometric import ShiftedBetaGeometric

__all__ = [
    "BGBB",
    "BGCNBD",
    "BGNBD",
    "MBGCNBD",
    "MBGNBD",
    "MODELS",
    "AliveCustomer",
    "BetaDiscreteWeibull",
    "ContractModel",
    "FixedParameters",
    "Functions",
    "GGompNBD",
    "GammaGamma",
    "History",
    "LevelLaw",
    "LevelNodes",
    "LivingContract",
    "LogNormalSpend",
    "Model",
    "ParetoNBD",
    "PurchaseModel",
    "Purchases",
    "Quantity",
    "RateLaw",
    "RateNodes",
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
)
