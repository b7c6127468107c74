"""Models: one file each. ``MODELS`` is the public list, by the name under which posteriors are saved."""

from __future__ import annotations

from typing import Any, Final

from kundenwert.models._base import (
    AliveCustomer,
    FixedParameters,
    Model,
    PurchaseModel,
    Purchases,
    Quantity,
    SpendModel,
)
from kundenwert.models._functions import Functions, History
from kundenwert.models.bgnbd import BGNBD
from kundenwert.models.gamma_gamma import GammaGamma
from kundenwert.models.mbgnbd import MBGNBD

__all__ = [
    "BGNBD",
    "MBGNBD",
    "MODELS",
    "AliveCustomer",
    "FixedParameters",
    "Functions",
    "GammaGamma",
    "History",
    "Model",
    "PurchaseModel",
    "Purchases",
    "Quantity",
    "SpendModel",
]

MODELS: Final[tuple[type[Model[Any]], ...]] = (BGNBD, MBGNBD, GammaGamma)
