"""A fit to simulated customers finds the parameters they were simulated from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from kundenwert.inference.diagnostics import HIGHEST_PARETO_K, SMALLEST_IMPORTANCE_ESS
from kundenwert.inference.importance import importance_points
from kundenwert.inference.methods import ImportanceSampling
from kundenwert.inference.target import Target
from kundenwert.testing._comparing import demand

if TYPE_CHECKING:
    from kundenwert.histories import Cells
    from kundenwert.models.core import Array, Model

__all__ = ["FITTED", "find_again"]

FITTED: Final = 1500  # simulated customers; hardly two of them share a history
TAIL: Final = 0.0005  # of a posterior: within 99.9 % of it lies the truth


def find_again(model: Model[Any], theta: tuple[Array, ...], cells: Cells, seed: int) -> None:
    """Importance sampling works, and the truth is not in the tails of the posterior."""
    prepared = model.prepared(cells)
    weighted = importance_points(Target(prepared, cells), ImportanceSampling(), np.random.default_rng(seed))
    k, ess = weighted.pareto_k, weighted.ess
    demand(k < HIGHEST_PARETO_K, f"Pareto k of importance sampling is {k:.2f}, {HIGHEST_PARETO_K} or more")
    demand(ess > SMALLEST_IMPORTANCE_ESS, f"the effective sample size of importance sampling is {ess:.0f}")
    truth = prepared.quantities_of(theta, cells.unit)
    for quantity, value, points in zip(prepared.quantities, truth, weighted.points, strict=True):
        below = float(weighted.weights @ (points < quantity.coordinate(np.asarray(value))))
        demand(
            TAIL < below < 1 - TAIL,
            f"{quantity.name} was {float(value[0]):.4g} in the simulation, which is at {below:.2%} of its posterior",
        )
