"""How posteriors are kept: the model, its draws, and where they come from; no customers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from kundenwert.duration import Unit
from kundenwert.errors import SpecificationError
from kundenwert.inference.diagnostics import Diagnostics
from kundenwert.models.core import Model
from kundenwert.posterior.assembly import posterior_of
from kundenwert.posterior.base import Posterior, Provenance
from kundenwert.posterior.campaign import CampaignPosterior
from kundenwert.posterior.contract import ContractPosterior
from kundenwert.posterior.format1 import posterior_of_format_1
from kundenwert.posterior.purchase import PurchasePosterior
from kundenwert.posterior.spend import SpendPosterior
from kundenwert.posterior.supports import check_draws
from kundenwert.storage.format1 import FORMAT_1
from kundenwert.storage.registry import Kind, Labelled, register, register_kind

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["register_posteriors"]

PARTS: Final[dict[str, Any]] = {
    "model": Model,
    "unit": Unit,
    "draws": Mapping[str, NDArray[np.float64]],
    "diagnostics": Diagnostics,
    "provenance": Provenance,
}


def register_posteriors() -> None:
    """Let posteriors be kept, and those in files of format 1 be read."""
    register(Provenance)
    FORMAT_1["kundenwert posterior"] = posterior_of_format_1
    for cls in (PurchasePosterior, ContractPosterior, CampaignPosterior):
        register_kind(Kind(cls=cls, version=1, parts=_parts, made_of=_maker(cls), hints=PARTS))
    register_kind(
        Kind(
            cls=SpendPosterior,
            version=1,
            parts=lambda posterior: {**_parts(posterior), "p_infinite_mean": posterior.p_infinite_mean},
            made_of=_maker(SpendPosterior),
            hints={**PARTS, "p_infinite_mean": float},
        )
    )


def _parts(posterior: Posterior) -> dict[str, object]:
    draws = dict(zip(posterior.model.parameter_names, posterior.values, strict=True))
    return {
        "model": posterior.model,
        "unit": posterior.unit,
        "draws": Labelled(draws, ("chain", "draw")),
        "diagnostics": posterior.diagnostics,
        "provenance": posterior.provenance,
    }


def _maker(cls: type[Posterior]) -> Callable[[dict[str, Any]], Posterior]:
    def made_of(content: dict[str, Any]) -> Posterior:
        model = content["model"]
        posterior = posterior_of(
            model,
            check_draws(model, content["draws"], content["unit"]),
            unit=content["unit"],
            diagnostics=content["diagnostics"],
            provenance=content["provenance"],
            p_infinite_mean=content["p_infinite_mean"] if cls is SpendPosterior else None,
        )
        if type(posterior) is not cls:
            message = f"{type(model).__name__} is no model of a {cls.__name__}, but of a {type(posterior).__name__}"
            raise SpecificationError(message)
        return posterior

    return made_of
