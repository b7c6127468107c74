"""Models: one file each. ``MODELS`` is the public list, by the name under which posteriors are saved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kundenwert.models.bgnbd import BGNBD
from kundenwert.models.gamma_gamma import GammaGamma
from kundenwert.models.mbgnbd import MBGNBD

if TYPE_CHECKING:
    from kundenwert.models._base import Model

__all__ = ["BGNBD", "MBGNBD", "MODELS", "GammaGamma"]

MODELS: Final[tuple[type[Model[Any]], ...]] = (BGNBD, MBGNBD, GammaGamma)
