"""Expected purchases of one history as a function of time, so that any discounting of them is arithmetic.

Models tell purchases up to a time, for all draws at once, at some cost. A curve needs many times, and two timelines.
In continuous time, purchases are analytic in log(1 + t/scale): a few dozen Chebyshev nodes give them everywhere, and
discounted purchases follow by parts. Opportunities and renewals are counted one by one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, Self, final, override

import numpy as np
from numpy.polynomial.chebyshev import chebvander

from kundenwert.economics.flows.streams import event_weights, periods_per_year
from kundenwert.errors import InferenceError
from kundenwert.posterior.base import thinning
from kundenwert.posterior.contract import ContractPosterior

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kundenwert.economics.flows.timeline import Timeline
    from kundenwert.histories import Cells
    from kundenwert.models.core import Array
    from kundenwert.posterior import PurchasePosterior

__all__ = ["Cumulated", "OverEvents", "OverTime", "cumulated"]

DRAWS_PROBED: Final = 24
HALVES: Final = (16, 32, 64, 128, 256, 512)  # half the intervals between nodes
LARGEST_ERROR: Final = 1e-7  # of the nodes every other one of which is left out: with all of them far less
GAUSS: Final = 8


class Cumulated(Protocol):
    """Expected purchases of one history up to any time, discounted along any timeline."""

    def __call__(self, times: Array, timeline: Timeline) -> Array:
        """Purchases in (0, time] count what the timeline says; `times` in the unit of the posterior.

        Shape (times, draws).
        """


@final
@dataclass(frozen=True, slots=True)
class OverTime(Cumulated):
    """Purchases in continuous time.

    Attributes
    ----------
    scale, longest
        In the unit of the posterior: time scale of the model, and last time.
    per_year
        How many units make a year.
    coefficients
        Of Chebyshev polynomials in log(1 + t/scale), shape (terms, draws).
    """

    scale: float
    longest: float
    per_year: float
    coefficients: Array

    @classmethod
    def of(cls, posterior: PurchasePosterior, cells: Cells, longest: float) -> Self:
        """Purchases in (0, longest] of the first of the cells.

        Raises
        ------
        InferenceError
            If purchases jump, so that no number of nodes is enough.
        """
        scale = posterior.model.time_scale(posterior.theta)
        draws = posterior.of_cells.draws
        probed = posterior.chosen(np.unique(_extremes(posterior.theta, draws)))
        for half in HALVES:
            places = -np.cos(np.pi * np.arange(2 * half + 1) / (2 * half))
            times = scale * np.expm1((1 + places) / 2 * np.log1p(longest / scale))
            times[-1] = longest
            tried = _purchases(probed, cells, times)
            from_half = chebvander(places[1::2], half) @ np.linalg.solve(chebvander(places[::2], half), tried[::2])
            if (np.abs(from_half - tried[1::2]) <= LARGEST_ERROR * tried[-1]).all():
                values = _purchases(posterior, cells, times)
                coefficients = np.linalg.solve(chebvander(places, 2 * half), values)
                return cls(scale, longest, periods_per_year(cells), coefficients)
        message = (
            f"expected purchases of {type(posterior.model).__name__} change too suddenly to be drawn as a curve; use "
            "tighter priors, and please report the model and its parameters"
        )
        raise InferenceError(message)

    @override
    def __call__(self, times: Array, timeline: Timeline) -> Array:
        return np.asarray(self._weights(times, timeline) @ self.coefficients)

    def of_each(self, times: Array, timeline: Timeline) -> Array:
        """The same at a time of its own for each draw; shape (draws,), as that of `times`."""
        return np.asarray(np.einsum("ij,ji->i", self._weights(times, timeline), self.coefficients))

    def _weights(self, times: Array, timeline: Timeline) -> Array:
        """What each coefficient adds to discounted purchases until each time, shape (times, terms)."""
        pieces = list(timeline.windows() if timeline.period else timeline.pieces())
        starts = np.array([piece.start for piece in pieces]) * self.per_year
        nodes = self.scale * np.expm1(np.linspace(0, np.log1p(self.longest / self.scale), len(self.coefficients)))
        edges = np.unique(np.r_[0.0, times, starts, nodes])
        edges = edges[edges <= times.max(initial=0.0)]
        left, right = edges[:-1], edges[1:]
        place = np.searchsorted(starts, left, side="right") - 1
        weight = np.array([piece.weight for piece in pieces])[place]
        rate = np.array([piece.rate for piece in pieces])[place] / self.per_year
        until = self._basis(edges)
        within = (weight * np.exp(-rate * right))[:, None] * until[1:]
        within -= (weight * np.exp(-rate * left))[:, None] * until[:-1]
        if rate.any():  # by parts
            half = (right - left) / 2
            for node, share in zip(*np.polynomial.legendre.leggauss(GAUSS), strict=True):
                u = left + half * (1 + node)
                within += (rate * weight * np.exp(-rate * u) * half * share)[:, None] * self._basis(u)
        total = np.concatenate([np.zeros((1, until.shape[1])), np.cumsum(within, axis=0)])
        return np.asarray(total[np.searchsorted(edges, times)])

    def _basis(self, times: Array) -> Array:
        places = 2 * np.log1p(times / self.scale) / np.log1p(self.longest / self.scale) - 1
        return np.asarray(chebvander(np.minimum(places, 1.0), len(self.coefficients) - 1))


@final
@dataclass(frozen=True, slots=True)
class OverEvents(Cumulated):
    """Purchases at opportunities, or renewals.

    Attributes
    ----------
    cells
        The history.
    expected
        At each opportunity or renewal, shape (events, draws).
    """

    cells: Cells
    expected: Array

    @classmethod
    def of(cls, posterior: PurchasePosterior | ContractPosterior, cells: Cells, events: int) -> Self:
        """The next `events` of the first of the cells."""
        expected = np.empty((events, posterior.of_cells.draws))
        for number in range(events):
            if isinstance(posterior, ContractPosterior):
                block = posterior.of_cells.survival(cells, number + 1.0)
            else:
                block = posterior.of_cells.purchases(cells, float(number), 1.0)
            expected[number] = block(slice(0, 1))[0]
        return cls(cells, expected)

    @override
    def __call__(self, times: Array, timeline: Timeline) -> Array:
        weights = event_weights(self.cells, timeline, length=len(self.expected))
        total = np.concatenate([np.zeros((1, self.expected.shape[1])), np.cumsum(weights[:, None] * self.expected, 0)])
        return np.asarray(total[np.floor(times).astype(np.int64)])


def cumulated(posterior: PurchasePosterior | ContractPosterior, cells: Cells, longest: float) -> Cumulated:
    """Purchases, or renewals, of the first of the cells up to `longest`."""
    if isinstance(posterior, ContractPosterior) or posterior.model.clock != "time":
        return OverEvents.of(posterior, cells, int(longest))
    return OverTime.of(posterior, cells, longest)


def _extremes(theta: tuple[Array, ...], draws: int) -> NDArray[np.intp]:
    """Positions of draws on which the number of nodes is decided."""
    extreme = [pick(values) for values in theta for pick in (np.argmin, np.argmax)]
    return np.asarray(np.r_[extreme, thinning(draws, min(draws, DRAWS_PROBED))], dtype=np.intp)


def _purchases(posterior: PurchasePosterior, cells: Cells, times: Array) -> Array:
    """Expected purchases in (0, time], shape (times, draws)."""
    return np.stack([posterior.of_cells.purchases(cells, 0.0, float(time))(slice(0, 1))[0] for time in times])
