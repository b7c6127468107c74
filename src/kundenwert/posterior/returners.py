"""Who is active, dormant or gone, when the silent return, and what follows a return: per cell and draw."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from kundenwert.histories import Cells
    from kundenwert.models.core import Array, Expectation
    from kundenwert.posterior.values import Block, PurchaseValues

__all__ = ["from_return_on", "in_kind", "time_to_return"]

SMALLEST: Final = 1e-290  # return probability that can be divided by


def in_kind(values: PurchaseValues, cells: Cells, name: str, ahead: float) -> Block:
    """P(in a state of the kind "active", "dormant" or "gone" at T + ahead).

    To models of permanent death all who are alive are active.
    """
    model = values.model
    alive = values.p_alive(cells, ahead)
    if name == "gone":
        return lambda rows: np.maximum(1 - alive(rows), 0.0)
    if name not in model.living:
        return alive if name == "active" else lambda rows: np.zeros((rows.stop - rows.start, values.draws))
    return values.expected(cells, model.being(model.living.index(name), ahead))


def time_to_return(values: PurchaseValues, cells: Cells, within: float) -> Block:
    """E[time until the next purchase | it happens in (T, T + within]]."""
    return _of_returners(values, cells, within, values.model.return_time(within), within)


def from_return_on(values: PurchaseValues, cells: Cells, rate: float, within: float) -> Block:
    """E[discounted purchases from the next one on, as of then | it happens in (T, T + within]]."""
    return _of_returners(values, cells, within, values.model.from_return_on(rate, within), 1.0)


def _of_returners(
    values: PurchaseValues, cells: Cells, within: float, expectation: Expectation, otherwise: float
) -> Block:
    """What is expected of those who return; `otherwise` where nobody does, up to floating-point numbers."""
    total, returns = values.expected(cells, expectation), values.returns(cells, within)

    def block(rows: slice) -> Array:
        chance, sum_ = returns(rows), total(rows)
        return np.divide(sum_, chance, out=np.full_like(chance, otherwise), where=chance > SMALLEST)

    return block
