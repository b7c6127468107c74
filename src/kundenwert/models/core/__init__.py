"""What a model is: the contract that inference, posteriors and tests rely on, without any particular model."""

from __future__ import annotations

from kundenwert.errors import SpecificationError
from kundenwert.models.core.campaign import Assignment, CampaignModel, Customers, Link, Verdict, shared_out
from kundenwert.models.core.contract import ContractModel, LivingContract, in_cohorts
from kundenwert.models.core.functions import NUMPY, Array, Functions, History, history_of
from kundenwert.models.core.groups import Groups
from kundenwert.models.core.hierarchy import Hierarchy
from kundenwert.models.core.latent import LevelLaw, LevelNodes, RateLaw, RateNodes
from kundenwert.models.core.model import Model
from kundenwert.models.core.parameters import FixedParameters, TimeParameters, check_positive
from kundenwert.models.core.purchase import (
    AliveCustomer,
    CountProbability,
    Expectation,
    PurchaseModel,
    Purchases,
    Revived,
)
from kundenwert.models.core.quantity import Quantity
from kundenwert.models.core.spend import (
    SMALLEST_SD,
    Amounts,
    SpendModel,
    check_money_scale,
    one_price,
    refuse_one_price,
)

__all__ = [
    "NUMPY",
    "SMALLEST_SD",
    "AliveCustomer",
    "Amounts",
    "Array",
    "Assignment",
    "CampaignModel",
    "ContractModel",
    "CountProbability",
    "Customers",
    "Expectation",
    "FixedParameters",
    "Functions",
    "Groups",
    "Hierarchy",
    "History",
    "LevelLaw",
    "LevelNodes",
    "Link",
    "LivingContract",
    "Model",
    "PurchaseModel",
    "Purchases",
    "Quantity",
    "RateLaw",
    "RateNodes",
    "Revived",
    "SpendModel",
    "TimeParameters",
    "Verdict",
    "check_model",
    "check_money_scale",
    "check_positive",
    "history_of",
    "in_cohorts",
    "one_price",
    "refuse_one_price",
    "shared_out",
]


def check_model(model: object) -> None:
    """Refuse what is not a purchase, spend, contract or campaign model."""
    if isinstance(model, type):
        message = f"expected a model, got the class {model.__name__}; write {model.__name__}()"
        raise SpecificationError(message)
    if not isinstance(model, (PurchaseModel, SpendModel, ContractModel, CampaignModel)):
        message = f"expected a model such as kundenwert.MBGNBD() or kundenwert.GammaGamma(), got {model!r}"
        raise SpecificationError(message)
