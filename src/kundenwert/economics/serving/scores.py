"""What the firm judges its customers by: posterior means after a silence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kundenwert.economics.assumptions.retention import WhilePAliveAbove, WhileReturnProbabilityAbove
from kundenwert.histories.cells import Cells
from kundenwert.posterior.summary import in_blocks

if TYPE_CHECKING:
    from kundenwert.models.core import Array
    from kundenwert.posterior import PurchasePosterior

__all__ = ["Rule", "scores"]

type Rule = WhilePAliveAbove | WhileReturnProbabilityAbove
"""A rule that depends on what customers do."""


def scores(posterior: PurchasePosterior, rule: Rule, x: Array, t_x: Array, silence: Array) -> Array:
    """P(alive) or the return probability after silences of customers, shape of `silence`: (customers, silences)."""
    shape = silence.shape
    T = t_x[:, None] + silence
    if posterior.model.clock == "opportunity":
        T = np.floor(T + 1e-9)
    flat = {"x": np.broadcast_to(x[:, None], shape), "t_x": np.broadcast_to(t_x[:, None], shape), "T": T}
    columns = {name: values.ravel() for name, values in flat.items()}
    order = np.lexsort((columns["t_x"], columns["T"], columns["x"]))
    cells = Cells(
        columns={"x": columns["x"][order], "T": columns["T"][order], "t_x": columns["t_x"][order]},
        counts=np.ones(len(order), dtype=np.int64),
        index=np.arange(len(order)),
        unit=posterior.unit,
        periods_per_year=np.nan,
    )
    values = posterior.of_cells
    if isinstance(rule, WhilePAliveAbove):
        block = values.p_alive(cells, 0.0)
    else:
        block = values.returns(cells, rule.horizon.in_unit(posterior.unit))
    result = np.empty(len(order))

    def work(rows: slice) -> None:
        result[order[rows]] = block(rows).mean(axis=-1)

    in_blocks(len(order), values.draws, work)
    return result.reshape(shape)
