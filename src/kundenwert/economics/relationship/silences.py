"""After which silence a phase of the relationship begins, for every draw of the parameters.

What is expected after a silence depends on the past up to the last purchase, (x, t_x), and on the length of the
silence. So does the phase: each begins at a silence that depends on (x, t_x) only. It is found once per distinct pair,
or interpolated, and all that is said about phases follows from it by comparison.

The return probability after a silence, relative to that right after the last purchase, falls from one towards zero:
purchases at random times mix exponential gaps, whose hazard can only fall. Where buying is regular (CNBD-k) it rises
before it falls, and a phase begins when it crosses the level on its way down.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from kundenwert.duration import Duration
from kundenwert.economics.relationship.crossings import first_count, first_time
from kundenwert.models.core import NUMPY, history_of
from kundenwert.posterior.surface import Positive, over_pairs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kundenwert.economics.relationship.phase_rules import PhaseRules
    from kundenwert.models.core import Array
    from kundenwert.posterior import PurchasePosterior
    from kundenwert.posterior.values import Block, PurchaseValues

__all__ = ["phase_starts"]

PROBED: Final = 16
MOST_OPPORTUNITIES: Final = 1024  # who has not lapsed after so many never does
LONGEST: Final = Duration(365.25 * 10_000)  # nor who has not lapsed after so long
ERROR: Final = 1e-10
SMALLEST: Final = 1e-300


def phase_starts(posterior: PurchasePosterior, rules: PhaseRules, x: Array, t_x: Array) -> Block:
    """The silence at which each phase begins, inf for never, of customers sorted by (x, t_x).

    A function of a slice of them, giving (phases, rows in the slice, draws). It never falls from one phase to the next;
    a phase that a customer does not go through begins when the next one does.
    """
    horizon, welcome = rules.lengths(posterior.unit)
    fading = _fading(posterior, horizon, (rules.cooling_below, rules.lapsed_below), x, t_x)
    doubt_ends = np.maximum(_end_of_doubt(posterior, horizon, rules.doubt_until), welcome)

    def block(rows: slice) -> Array:
        once = (x[rows] == 0)[:, None]
        cooling, lapsed = np.split(fading(rows), 2, axis=1)
        cooling = np.where(once, doubt_ends, cooling)
        doubt, established = np.where(once, welcome, 0.0), np.where(once, cooling, 0.0)
        return np.stack(np.broadcast_arrays(0.0, doubt, established, cooling, np.maximum(cooling, lapsed)))

    return block


def _fading(posterior: PurchasePosterior, horizon: float, shares: tuple[float, ...], x: Array, t_x: Array) -> Block:
    """The silences at which the relative return probability has fallen to each share.

    Shape (rows in the slice, shares × draws).
    """
    values = posterior.of_cells
    counted = posterior.model.clock == "opportunity"
    scale = values.model.time_scale(values.theta)
    levels = np.log(shares)[:, None]

    def evaluate(x: Array, t_x: Array, columns: NDArray[np.intp]) -> Array:
        share, draws = np.divmod(columns, values.draws)
        drawn, place = np.unique(draws, return_inverse=True)
        chosen = posterior.chosen(drawn).of_cells
        at_first = np.maximum(_return_probability(chosen, x, t_x, t_x, horizon), SMALLEST)[:, None]

        def relative(silence: Array) -> Array:
            times = silence.shape[1]
            last = np.repeat(t_x, times)
            later = _return_probability(chosen, np.repeat(x, times), last, last + silence.ravel(), horizon)
            return np.asarray(np.log(np.maximum(later.reshape(len(x), times, -1) / at_first, SMALLEST)))

        if counted:
            silences = first_count(relative, levels, len(x), MOST_OPPORTUNITIES)
        else:
            silences = first_time(relative, levels, (t_x + scale) / (x + 1), LONGEST.in_unit(posterior.unit))
        return silences[share, :, place].T

    columns = len(shares) * values.draws
    probed = np.unique(np.linspace(0, columns - 1, PROBED).astype(np.intp))
    return over_pairs(Positive(evaluate, columns, probed, scale, smooth=not counted), x, t_x)


def _end_of_doubt(posterior: PurchasePosterior, horizon: float, share: float) -> Array:
    """When this share of those who repeat within the horizon after the first purchase have done so, shape (draws,)."""
    values, none = posterior.of_cells, np.zeros(1)

    def repeated(within: float) -> Array:
        return np.asarray(_return_probability(values, none, none, none, within)[0])

    wanted = -share * repeated(horizon)[None]

    def still_to_come(silence: Array) -> Array:
        return np.stack([-repeated(each) for each in silence[0].tolist()])[None]

    if posterior.model.clock == "opportunity":
        return np.asarray(first_count(still_to_come, wanted, 1, int(horizon))[0, 0])
    return np.asarray(first_time(still_to_come, wanted, np.full(1, horizon / 64), horizon)[0, 0])


def _return_probability(values: PurchaseValues, x: Array, t_x: Array, T: Array, horizon: float) -> Array:
    """P(at least one purchase in (T, T + horizon]), shape (histories, draws)."""
    states = values.model.p_states(values.theta, history_of({"x": x, "t_x": t_x, "T": T}), NUMPY)
    total = np.zeros(states.shape[1:])
    for probability, customer in zip(states, values.model.alive(values.theta, x[:, None], T[:, None]), strict=True):
        total += probability * customer.within(ERROR).returns(horizon)
    return total
