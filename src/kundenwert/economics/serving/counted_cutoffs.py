"""After how many opportunities without a purchase the firm, by its rule, stops to serve a customer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self, final

import numpy as np

from kundenwert.economics.serving.scores import scores

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kundenwert.economics.serving.scores import Rule
    from kundenwert.models.core import Array
    from kundenwert.posterior import PurchasePosterior

__all__ = ["CountedCutoffs"]

EXACT: Final = 48  # opportunities, if there are no more
EXACT_OF_MORE: Final = 24
NODES_OF_COUNTS: Final = 24
NODES_OF_TIMES: Final = 40
SILENCES: Final = 24
BEYOND: Final = 4  # times the longest silence that can matter: what lies beyond must not disturb an interpolated table
REFINED: Final = 9  # parts that the silences around a cutoff are divided into, again and again


@final
@dataclass(frozen=True, slots=True)
class CountedCutoffs:
    """The silence at which service ends where time is counted, as a function of frequency and recency.

    After every opportunity the firm judges anew. Nothing is interpolated if 48 opportunities are all that matter, nor
    after a last purchase at one of the first 24. Else the silence may be wrong by one opportunity or 2 %, and by a
    tenth beyond 200 opportunities.

    Attributes
    ----------
    counts, missed
        Nodes of log(x + 1) and of log(t_x - x + 1).
    places
        asinh(silence/gap), with a typical gap between purchases of such customers, at the nodes, (counts, missed).
    farthest
        Longest silence looked at: who would still be served then is served throughout.
    """

    counts: Array
    missed: Array
    places: Array
    farthest: int

    @classmethod
    def of(cls, posterior: PurchasePosterior, rule: Rule, *, most: float, latest: float) -> Self:
        """Tabulate for frequencies up to `most`, and recencies and silences up to `latest`."""
        end = max(math.ceil(latest), 1)
        farthest, exact = (end, end) if end <= EXACT else (BEYOND * end, EXACT_OF_MORE)
        most = min(max(math.ceil(most), 1), end)  # nobody buys twice at an opportunity
        counts, missed = _nodes(most, exact, NODES_OF_COUNTS), _nodes(end, exact, NODES_OF_TIMES)
        places = np.zeros((len(counts), len(missed)))
        needed = np.nonzero(np.add.outer(np.r_[0.0, counts[:-1]], np.r_[0.0, missed[:-1]]) <= end)
        x = counts[needed[0]]
        t_x = np.where(x == 0, 0.0, x + missed[needed[1]])
        places[needed] = np.arcsinh(_first_not_served(posterior, rule, x, t_x, farthest) / _gap(x, t_x))
        return cls(np.log1p(counts), np.log1p(missed), places, farthest)

    def __call__(self, x: Array, t_x: Array) -> Array:
        """The silence at which service of such customers ends; inf if it never does, 0 if they are not served."""
        row, down = _place(np.log1p(x), self.counts)
        column, along = _place(np.log1p(np.maximum(t_x - x, 0.0)), self.missed)
        corner, width, flat = row * len(self.missed) + column, len(self.missed), self.places.ravel()
        above, below = (flat[at] + along * (flat[at + 1] - flat[at]) for at in (corner, corner + width))
        silence = np.rint(_gap(x, t_x) * np.sinh(above + down * (below - above)))
        return np.where(silence > self.farthest, np.inf, silence)


def _nodes(largest: int, exact: int, more: int) -> Array:
    """Whole numbers up to `largest`: all of them at first, then fewer."""
    later = np.geomspace(exact, largest, more) if largest > exact else np.zeros(0)
    return np.unique(np.r_[np.arange(min(exact, largest) + 1.0), np.rint(later)])


def _place(value: Array, nodes: Array) -> tuple[NDArray[np.int64], Array]:
    """The node before each value, but not the last one, and the share of the way to the next; at most all of it."""
    place = np.interp(value, nodes, np.arange(len(nodes)))
    node = np.minimum(place.astype(np.int64), len(nodes) - 2)
    return node, place - node


def _gap(x: Array, t_x: Array) -> Array:
    return np.asarray((t_x + 1) / (x + 1))


def _first_not_served(posterior: PurchasePosterior, rule: Rule, x: Array, t_x: Array, farthest: int) -> Array:
    """The silence after which customers are not served any more: twice the longest one if they are, even then."""
    who = np.arange(len(x))
    at = np.unique(np.rint(np.r_[0.0, np.geomspace(1, farthest, SILENCES - 1)]))
    at = np.broadcast_to(at, (len(x), len(at)))
    served = scores(posterior, rule, x, t_x, at) > rule.threshold
    never, throughout = ~served.any(axis=1), served[:, -1]
    while True:  # the last of the silences at which customers are served, and the first one after it
        last = np.minimum(at.shape[1] - 1 - np.argmax(served[:, ::-1], axis=1), at.shape[1] - 2)
        low, high = at[who, last], at[who, last + 1]
        if not (~(never | throughout) & (high - low > 1)).any():
            return np.where(never, 0.0, np.where(throughout, 2 * farthest, high))
        at = np.rint(low[:, None] + (high - low)[:, None] * np.linspace(0, 1, REFINED + 1))
        served = scores(posterior, rule, x, t_x, at) > rule.threshold
