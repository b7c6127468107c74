"""How long a silence may last before the firm, by its rule, stops to serve a customer.

The firm judges by posterior means. For customers with x repeat purchases, the last of them at t_x, service ends when
P(alive), or the return probability, falls below the threshold for good if they stay silent. That silence is
tabulated over (x, t_x) and interpolated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self, final

import numpy as np

from kundenwert.economics.assumptions.retention import WhilePAliveAbove, WhileReturnProbabilityAbove
from kundenwert.histories.cells import Cells
from kundenwert.posterior.summary import in_blocks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kundenwert.models.core import Array
    from kundenwert.posterior import PurchasePosterior

__all__ = ["Cutoffs"]

type Rule = WhilePAliveAbove | WhileReturnProbabilityAbove

DRAWS: Final = 128  # that the firm averages over
EXACT_UP_TO: Final = 12  # purchases
NODES_OF_COUNTS: Final = 24
NODES_OF_TIMES: Final = 40
EXACT_EVENTS: Final = 48  # opportunities
SILENCES: Final = 24
BEYOND: Final = 4.0  # times the longest silence that can matter: what lies beyond must not disturb the table before it
REFINED: Final = 9  # parts that the time around a cutoff is divided into, again and again
PRECISE: Final = 0.02  # relative width of what is left, in which scores fall along a line
SHORTEST: Final = 1e-4  # of the time scale of the model, or of the longest silence: as good as none
SLOPE: Final = 0.01  # of the same: over which to tell how scores fall after a purchase


@final
@dataclass(frozen=True, slots=True)
class Cutoffs:
    """The silence at which service ends, as a function of frequency and recency.

    Attributes
    ----------
    counts, times
        Nodes of log(x + 1) and of log(t_x + scale).
    places
        asinh(silence/gap), with a typical gap between purchases of such customers, at the nodes, shape (counts, times);
        below 0 where customers are not served.
    scale
        Time scale of the model.
    farthest
        Longest silence looked at: who would still be served then is served throughout.
    counted
        Whether time is counted in opportunities, after each of which the firm judges anew.
    """

    counts: Array
    times: Array
    places: Array
    scale: float
    farthest: float
    counted: bool

    @classmethod
    def of(cls, posterior: PurchasePosterior, rule: Rule, *, most: float, latest: float) -> Self:
        """Tabulate for frequencies up to `most`, and recencies and silences up to `latest`, in the posterior's unit.

        Relative errors are around 1e-3, and 1e-5 up to 12 purchases at a node; where service ends soon after a
        purchase, they are a few per cent of the time scale. Up to 48 opportunities, nothing is interpolated.
        """
        judging = posterior.thinned(min(posterior.of_cells.draws, DRAWS))
        counted = judging.model.clock == "opportunity"
        scale = 1.0 if counted else judging.model.time_scale(judging.theta)
        exact = EXACT_EVENTS if counted else EXACT_UP_TO
        counts = np.r_[np.arange(exact), np.geomspace(exact, max(most, exact + 1), NODES_OF_COUNTS)]
        times = scale * np.expm1(np.linspace(0, np.log1p(latest / scale), NODES_OF_TIMES))
        farthest = BEYOND * latest
        silences = np.r_[0.0, np.geomspace(SHORTEST * min(scale, latest), farthest, SILENCES - 1)]
        if counted:
            times = np.r_[np.arange(min(exact, latest)), times[times >= exact], latest]
            counts, times, silences = (np.unique(np.rint(values)) for values in (counts, times, silences))
        x, t_x = (values.ravel() for values in np.meshgrid(counts, times, indexing="ij"))
        t_x = np.where(x == 0, 0.0, np.maximum(t_x, x if counted else SHORTEST * scale))
        ends = _ends_of_service(judging, rule, x, t_x, silences)
        table = np.arcsinh(ends / _gap(x, t_x, scale)).reshape(len(counts), len(times))
        return cls(np.log1p(counts), np.log(times + scale), table, scale, farthest, counted)

    def __call__(self, x: Array, t_x: Array) -> Array:
        """The silence at which service of such customers ends; inf if it never does, 0 if they are not served."""
        row, down = _place(np.log1p(x), self.counts)
        column, along = _place(np.log(t_x + self.scale), self.times)
        corner, width = row * len(self.times) + column, len(self.times)
        flat = self.places.ravel()
        above, below = (flat[at] + along * (flat[at + 1] - flat[at]) for at in (corner, corner + width))
        place = above + down * (below - above)
        silence = _gap(x, t_x, self.scale) * np.sinh(np.maximum(place, 0.0))
        if self.counted:
            silence = np.rint(silence)
        return np.where(silence > self.farthest, np.inf, silence)


def _place(value: Array, nodes: Array) -> tuple[NDArray[np.int64], Array]:
    """The node before each value, but not the last one, and the share of the way to the next; at most all of it."""
    place = np.interp(value, nodes, np.arange(len(nodes)))
    node = np.minimum(place.astype(np.int64), len(nodes) - 2)
    return node, place - node


def _gap(x: Array, t_x: Array, scale: float) -> Array:
    return np.asarray((t_x + scale) / (x + 1))


def _ends_of_service(posterior: PurchasePosterior, rule: Rule, x: Array, t_x: Array, silences: Array) -> Array:
    """The silence at which service ends: twice the longest one if it does not, below 0 if it never begins."""

    def excess(at: Array) -> Array:
        return _scores(posterior, rule, x, t_x, at) - rule.threshold

    counted, who = posterior.model.clock == "opportunity", np.arange(len(x))
    at = np.broadcast_to(silences, (len(x), len(silences)))
    values = excess(at)
    never, throughout = ~(values > 0).any(axis=1), values[:, -1] > 0
    ends = np.zeros(len(x))
    if not counted:  # as if scores had fallen before the purchase as they do after it: the table goes on smoothly
        later = int(np.searchsorted(silences, SLOPE * silences[-1]))
        slope = np.maximum((values[:, 0] - values[:, later]) / silences[later], 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            ends = np.where(slope > 0, np.maximum(values[:, 0] / slope, -silences[-1]), 0.0)
    while True:  # the last of the silences at which customers are served, and the first one after it
        last = np.minimum(at.shape[1] - 1 - np.argmax(values[:, ::-1] > 0, axis=1), at.shape[1] - 2)
        low, high = at[who, last], at[who, last + 1]
        open_ = ~(never | throughout) & (high - low > (1 if counted else PRECISE * high))
        if not open_.any():
            break
        at = low[:, None] + (high - low)[:, None] * np.linspace(0, 1, REFINED + 1)
        at = np.rint(at) if counted else at
        values = excess(at)
    of_low, of_high = values[who, last], values[who, last + 1]
    share = np.divide(of_low, of_low - of_high, out=np.ones(len(x)), where=of_low > of_high)
    found = high if counted else low + (high - low) * share
    return np.where(never, ends, np.where(throughout, 2 * silences[-1], found))


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
