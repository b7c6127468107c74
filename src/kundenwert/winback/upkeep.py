"""What serving costs whom an offer brings back, and who stays away, where the firm serves by what customers do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self, final

import numpy as np

from kundenwert.economics.assumptions.retention import EveryoneFor
from kundenwert.economics.flows.events import periods_per_year
from kundenwert.economics.serving.futures import Service
from kundenwert.economics.serving.services import serving_time

if TYPE_CHECKING:
    from kundenwert.economics.assumptions.retention import RetentionRule
    from kundenwert.economics.flows.timeline import Timeline
    from kundenwert.histories import Cells
    from kundenwert.models.core import Array
    from kundenwert.posterior import PurchasePosterior
    from kundenwert.posterior.values import Block

__all__ = ["Upkeep"]


@final
@dataclass(frozen=True, slots=True)
class Upkeep:
    """Discounted years of service until the horizon, shape (cells in the slice, draws).

    Attributes
    ----------
    silent
        Of those who do not buy within the window.
    returned
        Of those who buy in the middle of it. The firm sees one purchase more and serves them like anybody with such a
        history: whether it was an offer that brought them back makes no difference to its rule.
    """

    silent: Block
    returned: Block

    @classmethod
    def of(
        cls,
        posterior: PurchasePosterior,
        cells: Cells,
        timeline: Timeline,
        rule: RetentionRule,
        *,
        length: float,
        window: float,
    ) -> Self | None:
        """Service by a rule; None if it is the same for everybody, whatever they do."""
        if isinstance(rule, EveryoneFor):
            return None
        per_year = periods_per_year(cells)
        x, t_x, T = (cells[name] for name in ("x", "t_x", "T"))
        cutoffs = Service.of(posterior, cells, timeline, rule).cutoffs
        left = np.zeros(len(x)) if cutoffs is None else np.maximum(cutoffs(x, t_x) - (T - t_x), 0.0)

        def block(then: Cells, elapsed: float) -> Block:
            until = timeline.annuity(np.minimum(left, elapsed) / per_year)
            factor, ahead = timeline.later(elapsed / per_year)
            after = serving_time(posterior, then, ahead, rule, length=length - elapsed, due=False)

            def years(rows: slice) -> Array:
                return np.asarray(until[rows, None] + factor * after(rows))

            return years

        middle = T + window / 2
        silent = replace(cells, columns={**cells.columns, "T": T + window})
        returned = replace(cells, columns={**cells.columns, "x": x + 1, "t_x": middle, "T": middle})
        return cls(silent=block(silent, window), returned=block(returned, window / 2))
