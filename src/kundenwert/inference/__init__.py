"""Inference: importance sampling, NUTS and the posterior's mode. The only package that knows PyMC."""

from __future__ import annotations

from kundenwert.inference.diagnostics import Diagnostics
from kundenwert.inference.methods import MAP, NUTS, ImportanceSampling, Method

__all__ = ["MAP", "NUTS", "Diagnostics", "ImportanceSampling", "Method"]
