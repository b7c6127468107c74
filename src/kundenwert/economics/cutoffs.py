"""How long a silence may last before the firm, by its rule, stops to serve a customer.

The firm judges by posterior means. For customers with x repeat purchases, the last of them at t_x, service ends when
P(alive), or the return probability, falls below the threshold for good if they stay silent. That silence is
tabulated over (x, t_x) and interpolated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self, final

import numpy as np
from scipy.interpolate import RegularGridInterpolator

from kundenwert.economics.retention import WhilePAliveAbove, WhileReturnProbabilityAbove
from kundenwert.histories.cells import Cells
from kundenwert.posterior.summary import in_blocks

if TYPE_CHECKING:
    from kundenwert.models.core import Array
    from kundenwert.posterior import PurchasePosterior

__all__ = ["Cutoffs"]

type Rule = WhilePAliveAbove | WhileReturnProbabilityAbove

DRAWS: Final = 128  # that the firm averages over
EXACT_UP_TO: Final = 8
NODES_OF_COUNTS: Final = 12
NODES_OF_TIMES: Final = 32
SILENCES: Final = 64
REFINED: Final = 16
SHORTEST: Final = 1e-3  # of the time scale of the model: shorter silences are as good as none


@final
@dataclass(frozen=True, slots=True)
class Cutoffs:
    """The silence at which service ends, as a function of frequency and recency.

    Attributes
    ----------
    logarithm
        Of the silence, interpolated over log(x + 1) and log(t_x + scale).
    scale
        Time scale of the model.
    farthest
        Longest silence looked at: who would still be served then is served throughout.
    """

    logarithm: RegularGridInterpolator
    scale: float
    farthest: float

    @classmethod
    def of(cls, posterior: PurchasePosterior, rule: Rule, *, most: float, latest: float, farthest: float) -> Self:
        """Tabulate for frequencies up to `most` and recencies up to `latest`, in the unit of the posterior."""
        judging = posterior.thinned(min(posterior.of_cells.draws, DRAWS))
        scale = judging.model.time_scale(judging.theta)
        counts = np.unique(np.r_[np.arange(EXACT_UP_TO), np.geomspace(EXACT_UP_TO, max(most, 9), NODES_OF_COUNTS)])
        times = scale * np.expm1(np.linspace(0, np.log1p(latest / scale), NODES_OF_TIMES))
        if judging.model.clock == "opportunity":
            counts, times = np.unique(np.rint(counts)), np.unique(np.rint(times))
        x, t_x = (values.ravel() for values in np.meshgrid(counts, times, indexing="ij"))
        t_x = np.where(x == 0, 0.0, np.maximum(t_x, x if judging.model.clock == "opportunity" else SHORTEST * scale))
        silences = np.r_[0.0, np.geomspace(SHORTEST * scale, farthest, SILENCES - 1)]
        above = _scores(judging, rule, x, t_x, np.broadcast_to(silences, (len(x), SILENCES))) > rule.threshold
        last = SILENCES - 1 - np.argmax(above[:, ::-1], axis=1)  # the last silence at which the customer is served
        never, throughout = ~above.any(axis=1), above[:, -1]
        low = silences[last]
        high = silences[np.minimum(last + 1, SILENCES - 1)]
        finer = low[:, None] + (high - low)[:, None] * np.linspace(0, 1, REFINED)
        scores = _scores(judging, rule, x, t_x, finer)
        cutoff = np.array([np.interp(-rule.threshold, -row, at) for row, at in zip(scores, finer, strict=True)])
        cutoff = np.where(never, SHORTEST * scale, np.where(throughout, 2 * farthest, cutoff))
        table = np.log(np.maximum(cutoff, SHORTEST * scale)).reshape(len(counts), len(times))
        axes = (np.log1p(counts), np.log(times + scale))
        return cls(RegularGridInterpolator(axes, table, bounds_error=False, fill_value=None), scale, farthest)

    def __call__(self, x: Array, t_x: Array) -> Array:
        """The silence at which service of such customers ends; inf if it never does, 0 if they are not served."""
        (counts, times) = self.logarithm.grid
        places = (np.clip(np.log1p(x), counts[0], counts[-1]), np.clip(np.log(t_x + self.scale), times[0], times[-1]))
        silence = np.exp(self.logarithm(places))
        silence = np.where(silence <= SHORTEST * self.scale * (1 + 1e-9), 0.0, silence)
        return np.where(silence > self.farthest, np.inf, silence)


def _scores(posterior: PurchasePosterior, rule: Rule, x: Array, t_x: Array, silence: Array) -> Array:
    """What the firm judges by, after each silence of customers; shape of `silence`, (customers, silences)."""
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
    scores = np.empty(len(order))

    def work(rows: slice) -> None:
        scores[order[rows]] = block(rows).mean(axis=-1)

    in_blocks(len(order), values.draws, work)
    return scores.reshape(shape)
