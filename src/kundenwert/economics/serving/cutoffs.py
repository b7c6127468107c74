"""How long a silence may last before the firm, by its rule, stops to serve a customer.

The firm judges by posterior means. For customers with x repeat purchases, the last of them at t_x, service ends when
P(alive), or the return probability, falls below the threshold for good if they stay silent. That silence is
tabulated over (x, t_x) and interpolated.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self, final

import numpy as np

from kundenwert.economics.assumptions.retention import WhilePAliveAbove
from kundenwert.economics.serving.counted_cutoffs import CountedCutoffs
from kundenwert.economics.serving.last_moments import ends_of_service, latest_served
from kundenwert.errors import SpecificationError

if TYPE_CHECKING:
    from kundenwert.economics.serving.scores import Rule
    from kundenwert.models.core import Array
    from kundenwert.posterior import PurchasePosterior

__all__ = ["Cutoffs", "cutoffs_of"]

DRAWS: Final = 128  # that the firm averages over
EXACT_UP_TO: Final = 24  # purchases
STEP_OF_COUNTS: Final = 0.3  # in log(x + 1), beyond
NODES_PER_STEP: Final = 5.0  # of t_x, per unit of its logarithm
MORE_NODES: Final = 8
FINE_UP_TO: Final = 64  # purchases; the table is interpolated twice: with cubics once, and along lines for each future
FINE_COUNTS: Final = 96
FINE_PLACES: Final = 512
BEYOND: Final = 4.0  # times the longest silence that can matter: what lies beyond must not disturb the table before it
SHORTEST: Final = 1e-6  # t_x of customers who bought again, of the time scale
TRIED: Final = 2049
NONE: Final = 1e-12  # as good as never, for log(t_x + scale)


def cutoffs_of(posterior: PurchasePosterior, rule: Rule, *, most: float, latest: float) -> Cutoffs | CountedCutoffs:
    """Tabulate for frequencies up to `most`, and recencies and silences up to `latest`, in the posterior's unit.

    Who buys more often is treated like a customer with as many purchases as the most, in shorter gaps.

    Raises
    ------
    SpecificationError
        If the model looks at more of a history than frequency and recency.
    """
    if posterior.model.by_history:
        message = (
            f"{rule!r} judges customers by frequency and recency, and {type(posterior.model).__name__} looks at every "
            "gap between their purchases; take kundenwert.EveryoneFor(…) as retention_rule, or purchases from "
            "kundenwert.MBGNBD()"
        )
        raise SpecificationError(message)
    judging = posterior.thinned(min(posterior.of_cells.draws, DRAWS))
    if judging.model.clock == "opportunity":
        return CountedCutoffs.of(judging, rule, most=most, latest=latest)
    return Cutoffs.of(judging, rule, most=most, latest=latest)


@final
@dataclass(frozen=True, slots=True)
class Cutoffs:
    """The silence at which service ends, as a function of frequency and recency.

    For P(alive) it is right to 1e-4 of the sum of itself and a typical gap between purchases, (t_x + scale)/(x + 1);
    for return probabilities to 1e-3, and to 3e-3 if the draws differ a lot. Two jumps are less sharp: where buying is
    regular, at the t_x after which service does not begin; and to 0.05 at the frequency from which on customers are
    served at all, if that is above 24. The firm's averages are over 128 of the draws, and differ from those
    over all of them by a tenth of the posterior standard deviation of P(alive) or of the return probability.

    Attributes
    ----------
    scale
        Time scale of the model.
    farthest
        Longest silence looked at: who would still be served then is served throughout.
    dense
        Whether the table is denser towards the last t_x after which customers are served.
    last, reach
        By frequency, log(t_x + scale) after which customers are not served at all, or -inf, and the place of t_x = 0.
    rows
        Row of the table by frequency, between two of them if there is a fraction.
    table
        (x + 1) log((end of service + scale)/(t_x + scale)), shape (some frequencies, places).
    """

    scale: float
    farthest: float
    dense: bool
    last: Array
    reach: Array
    rows: Array
    table: Array

    @classmethod
    def of(cls, posterior: PurchasePosterior, rule: Rule, *, most: float, latest: float) -> Self:
        """Tabulate for frequencies up to `most`, and recencies and silences up to `latest`, in the posterior's unit."""
        scale, farthest = posterior.model.time_scale(posterior.theta), BEYOND * latest
        low, count = math.log(scale), max(int(most), FINE_UP_TO)
        nodes = _frequencies(EXACT_UP_TO, count, math.ceil(math.log(count / EXACT_UP_TO) / STEP_OF_COUNTS) + 3)
        dense = not isinstance(rule, WhilePAliveAbove)
        last = np.full(len(nodes), math.log(latest + scale))
        if dense:
            last = latest_served(posterior, rule, nodes, scale, farthest)
        places = np.linspace(0, 1, math.ceil(NODES_PER_STEP * (last.max() - low)) + MORE_NODES)
        before = _at_places(places, last - low, nodes, dense=dense)
        x = np.repeat(nodes, len(places))
        t_x = np.where(x == 0, 0.0, np.maximum(np.exp((last[:, None] - before).ravel()) - scale, SHORTEST * scale))
        ends = ends_of_service(posterior, rule, x, t_x, longest=farthest)
        longer = (x + 1) * np.log1p(np.maximum(ends / (t_x + scale), -0.5 / (x + 1)))
        fine, every = _frequencies(FINE_UP_TO, count, FINE_COUNTS), np.arange(count + 1.0)
        over_x, over_t = _cubic(np.log1p(nodes), np.log1p(fine)), _cubic(places, np.linspace(0, 1, FINE_PLACES))
        rows = np.interp(np.log1p(every), np.log1p(fine), np.arange(len(fine)))
        last_of_every = np.interp(rows, np.arange(len(fine)), over_x @ last)
        return cls(
            scale=scale,
            farthest=farthest,
            dense=dense,
            last=np.where(dense & (last_of_every <= low + NONE), -np.inf, last_of_every),
            reach=_place(np.maximum(last_of_every - low, NONE), every, dense=dense),
            rows=rows,
            table=over_x @ longer.reshape(len(nodes), -1) @ over_t.T,
        )

    def __call__(self, x: Array, t_x: Array) -> Array:
        """The silence at which service of such customers ends; inf if it never does, 0 if they are not served."""
        count = np.minimum(x, len(self.last) - 1).astype(np.int64)
        left = self.last[count] - np.log(t_x + self.scale)
        height, width = self.table.shape
        share = _place(np.maximum(left, 0.0), x, dense=self.dense) / self.reach[count]
        place, row = np.minimum(share, 1.0) * (width - 1), self.rows[count]
        column, above = np.minimum(place.astype(np.int64), width - 2), np.minimum(row.astype(np.int64), height - 2)
        along, down = place - column, row - above
        corner, flat = above * width + column, self.table.ravel()
        upper, lower = (flat[at] + along * (flat[at + 1] - flat[at]) for at in (corner, corner + width))
        value = np.where(left < 0, 0.0, np.maximum(upper + down * (lower - upper), 0.0))
        silence = (t_x + self.scale) * np.expm1(value / (x + 1))
        return np.where(silence > self.farthest, np.inf, silence)


def _frequencies(all_up_to: int, largest: int, more: int) -> Array:
    """Numbers of purchases: every one at first, then fewer."""
    return np.asarray(np.r_[np.arange(all_up_to), np.geomspace(all_up_to + 1, largest + 1, more) - 1])


def _place(before: Array, x: Array, *, dense: bool) -> Array:
    """Where customers are in the table, from how long before its last value their log(t_x + scale) is.

    Next to it, the silence changes within a gap between purchases, and may fall to 0 like a square root.
    """
    return np.asarray(before + np.arcsinh(np.sqrt((x + 1) * before)) if dense else before)


def _at_places(places: Array, farthest: Array, x: Array, *, dense: bool) -> Array:
    """The inverse, for places as shares of that of the farthest, shape (frequencies, places)."""
    tried = farthest[:, None] * np.linspace(0, 1, TRIED) ** 2
    found = _place(tried, x[:, None], dense=dense)
    rows = [np.interp(places * there[-1], there, before) for there, before in zip(found, tried, strict=True)]
    return np.stack(rows)


def _cubic(nodes: Array, at: Array) -> Array:
    """Weights of the nodes in cubic interpolation, shape (at, nodes): each value is one of the nearest four's."""
    first = np.clip(np.searchsorted(nodes, at, side="right") - 2, 0, len(nodes) - 4)
    near = first[:, None] + np.arange(4)
    weights = np.ones((len(at), 4))
    for one in range(4):
        for other in range(4):
            if one != other:
                weights[:, one] *= (at - nodes[near[:, other]]) / (nodes[near[:, one]] - nodes[near[:, other]])
    result = np.zeros((len(at), len(nodes)))
    np.put_along_axis(result, near, weights, axis=1)
    return result
