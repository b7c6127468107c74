"""Posteriors: what a fit gives, and what it says about customers."""

from __future__ import annotations

from kundenwert.posterior.persistence import load
from kundenwert.posterior.purchase import PurchaseDraws, PurchasePosterior
from kundenwert.posterior.spend import SpendDraws, SpendPosterior
from kundenwert.posterior.summary import Estimate

__all__ = ["Estimate", "PurchaseDraws", "PurchasePosterior", "SpendDraws", "SpendPosterior", "load"]
