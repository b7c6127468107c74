"""Posteriors: what a fit gives, and what it says about customers."""

from __future__ import annotations

from kundenwert.posterior.campaign import CampaignPosterior
from kundenwert.posterior.contract import ContractPosterior
from kundenwert.posterior.contract_draws import ContractDraws
from kundenwert.posterior.persistence import register_posteriors
from kundenwert.posterior.purchase import PurchasePosterior
from kundenwert.posterior.purchase_draws import PurchaseDraws
from kundenwert.posterior.response import Response, ResponseBlock
from kundenwert.posterior.spend import SpendDraws, SpendPosterior
from kundenwert.posterior.summary import Estimate

__all__ = [
    "CampaignPosterior",
    "ContractDraws",
    "ContractPosterior",
    "Estimate",
    "PurchaseDraws",
    "PurchasePosterior",
    "Response",
    "ResponseBlock",
    "SpendDraws",
    "SpendPosterior",
]

register_posteriors()
