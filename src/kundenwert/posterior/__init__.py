"""Posteriors: what a fit gives, and what it says about customers."""

from __future__ import annotations

from kundenwert.posterior.contract import ContractPosterior
from kundenwert.posterior.contract_draws import ContractDraws
from kundenwert.posterior.persistence import load
from kundenwert.posterior.purchase import PurchaseDraws, PurchasePosterior
from kundenwert.posterior.spend import SpendDraws, SpendPosterior
from kundenwert.posterior.summary import Estimate

__all__ = [
    "ContractDraws",
    "ContractPosterior",
    "Estimate",
    "PurchaseDraws",
    "PurchasePosterior",
    "SpendDraws",
    "SpendPosterior",
    "load",
]
