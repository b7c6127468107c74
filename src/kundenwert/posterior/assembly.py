"""Which kind of posterior a model has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kundenwert.models.core import CampaignModel, ContractModel, Model, PurchaseModel, SpendModel, check_model
from kundenwert.posterior.campaign import CampaignPosterior
from kundenwert.posterior.contract import ContractPosterior
from kundenwert.posterior.purchase import PurchasePosterior
from kundenwert.posterior.spend import SpendPosterior

if TYPE_CHECKING:
    from kundenwert.duration import Unit
    from kundenwert.inference.diagnostics import Diagnostics
    from kundenwert.models.core import Array
    from kundenwert.posterior.base import Provenance

__all__ = ["posterior_of"]


def posterior_of(
    model: Model[Any],
    values: tuple[Array, ...],
    *,
    unit: Unit,
    diagnostics: Diagnostics,
    provenance: Provenance,
    p_infinite_mean: float | None = None,
) -> PurchasePosterior | SpendPosterior | ContractPosterior | CampaignPosterior:
    """The posterior of a model of any kind with these parameters, each of shape (chains, draws).

    For a spend model, `p_infinite_mean` is by default the share of the draws without a mean amount.
    """
    check_model(model)
    if isinstance(model, SpendModel):
        if p_infinite_mean is None:
            flat = model.named([value.ravel() for value in values])
            p_infinite_mean = float(np.mean(model.tail_index(flat, np.zeros(1)) <= 1))
        return SpendPosterior(
            model=model,
            unit=unit,
            values=values,
            diagnostics=diagnostics,
            provenance=provenance,
            p_infinite_mean=p_infinite_mean,
        )
    if isinstance(model, ContractModel):
        return ContractPosterior(model=model, unit=unit, values=values, diagnostics=diagnostics, provenance=provenance)
    if isinstance(model, CampaignModel):
        return CampaignPosterior(model=model, unit=unit, values=values, diagnostics=diagnostics, provenance=provenance)
    assert isinstance(model, PurchaseModel)  # noqa: S101 - check_model has seen to it
    return PurchasePosterior(model=model, unit=unit, values=values, diagnostics=diagnostics, provenance=provenance)
