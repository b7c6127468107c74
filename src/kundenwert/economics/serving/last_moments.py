"""The last moment at which a customer who stays silent is served, for customers one by one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.special import expit

from kundenwert.economics.serving.scores import scores

if TYPE_CHECKING:
    from kundenwert.economics.serving.scores import Rule
    from kundenwert.models.core import Array
    from kundenwert.posterior import PurchasePosterior

__all__ = ["ends_of_service", "latest_served"]

SILENCES: Final = 20  # looked at first
SHORTEST: Final = 0.02  # of them, in typical gaps between purchases
TIMES: Final = 17  # of the last purchase, looked at first
PEAKS: Final = np.r_[0.0, 2.0 ** np.arange(-3, 3.5, 0.5)]  # gaps after which the return probability may be highest
CLOSE_PEAKS: Final = np.r_[0.0, 2.0 ** np.arange(-3.25, 3.5, 0.125)]
RISING: Final = 1e-9  # log odds: less is rounding
POINTS: Final = (1 - np.cos(np.linspace(0, np.pi, 6))) / 2  # between which a polynomial goes through the log odds
DENSE: Final = np.linspace(0, 1, 257)
POLYNOMIAL: Final = np.vander(DENSE, len(POINTS)) @ np.linalg.inv(np.vander(POINTS, len(POINTS)))
TINY: Final = 1e-308
ROUNDING: Final = 1e-17


def ends_of_service(posterior: PurchasePosterior, rule: Rule, x: Array, t_x: Array, *, longest: float) -> Array:
    """The silence at which service ends for good, shape (customers,).

    Twice the longest one if service goes on until then. Where it never begins, the silence at which the score is
    highest; if that is none, below 0: where service would have ended, had it gone on as it does later.
    """
    first = np.minimum(SHORTEST * (t_x + posterior.model.time_scale(posterior.theta)) / (x + 1), longest / 2)
    steps = np.linspace(0, 1, SILENCES)
    at = np.c_[np.zeros(len(x)), first[:, None] * (longest / first[:, None]) ** steps]
    values = _excess(posterior, rule, x, t_x, at)
    served = values > 0
    never, throughout = ~served.any(axis=1), served[:, -1]
    highest = np.where(values.max(axis=1) > values[:, 0] + RISING, np.argmax(values, axis=1), 0)
    last = np.where(never, highest - 1, SILENCES - np.argmax(served[:, ::-1], axis=1))
    before_zero = last < 0
    after = np.minimum(last + np.where(never, 2, 1), SILENCES)
    who = np.flatnonzero(~(before_zero | throughout))
    low, high = at[who, last[who]], at[who, after[who]]
    inside = low[:, None] + (high - low)[:, None] * POINTS
    odds = np.empty(inside.shape)
    odds[:, 0], odds[:, -1] = values[who, last[who]], values[who, after[who]]
    odds[:, 1:-1] = _excess(posterior, rule, x[who], t_x[who], inside[:, 1:-1])
    odds = np.where(low[:, None] > 0, odds, _in_probability(odds, rule.threshold))  # at 0, log odds may be infinite
    ends = np.full(len(x), 2 * longest)
    ends[who] = low + (high - low) * _last_zero(odds)
    later = 5  # silences are then a fraction of a gap
    slope = (values[:, 0] - values[:, later]) / at[:, later]
    with np.errstate(divide="ignore", invalid="ignore"):
        ends[before_zero] = np.where(slope > 0, values[:, 0] / slope, -longest)[before_zero]
    return ends


def latest_served(posterior: PurchasePosterior, rule: Rule, x: Array, scale: float, longest: float) -> Array:
    """The latest t_x after which customers with x purchases are still served for a while, shape of `x`.

    As log(t_x + scale), which is log(scale) where nobody is.
    """

    def highest(places: Array, gaps: Array) -> Array:
        count = np.repeat(x, places.shape[1])
        t_x = np.where(count == 0, 0.0, np.maximum(np.exp(places.ravel()) - scale, 0.0))
        values = _excess(posterior, rule, count, t_x, ((t_x + scale) / (count + 1))[:, None] * gaps)
        return np.asarray(_peak(values).reshape(places.shape))

    places = np.broadcast_to(np.linspace(math.log(scale), math.log(longest + scale), TIMES), (len(x), TIMES))
    peaks, close = highest(places, PEAKS[:1]), PEAKS[:1]
    if (highest(places, PEAKS[1:2]) > peaks + RISING).any():  # buying is regular
        peaks, close = highest(places, PEAKS), CLOSE_PEAKS
    served = peaks > 0
    last = TIMES - 1 - np.argmax(served[:, ::-1], axis=1)
    start, step = places[np.arange(len(x)), last], places[0, 1] - places[0, 0]
    found = start + step * _last_zero(highest(start[:, None] + step * POINTS, close))
    return np.asarray(np.where(served.any(axis=1), np.where(served[:, -1], places[0, -1], found), places[0, 0]))


def _peak(values: Array) -> Array:
    """Maximum over the last axis: along a parabola through the largest and its neighbours, if these are as far."""
    place = values.argmax(axis=-1)
    inside = np.clip(place, 2, max(values.shape[-1] - 2, 2))
    largest = values.max(axis=-1)
    if values.shape[-1] == 1:
        return np.asarray(largest)
    before, middle, after = (np.take_along_axis(values, (inside + k)[:, None], axis=-1)[:, 0] for k in (-1, 0, 1))
    rise, bend = (after - before) / 2, before + after - 2 * middle
    parabola = middle - np.divide(rise * rise, 2 * bend, out=np.zeros_like(bend), where=bend < 0)
    return np.where(place == inside, parabola, largest)


def _last_zero(odds: Array) -> Array:
    """Where functions of [0, 1], given at POINTS, are above 0 for the last time; highest, if they never are."""
    values = odds @ POLYNOMIAL.T
    rows, above = np.arange(len(odds)), values > 0
    last = len(DENSE) - 1 - np.argmax(above[:, ::-1], axis=1)
    before = np.minimum(last, len(DENSE) - 2)
    low, high = values[rows, before], values[rows, before + 1]
    share = np.divide(low, low - high, out=np.zeros(len(odds)), where=low > high)
    found = DENSE[before] + np.clip(share, 0, 1) * DENSE[1]
    return np.where(above.any(axis=1), found, DENSE[np.argmax(values, axis=1)])


def _excess(posterior: PurchasePosterior, rule: Rule, x: Array, t_x: Array, silence: Array) -> Array:
    """Log odds of the score, beyond those of the threshold."""
    score = scores(posterior, rule, x, t_x, silence)
    odds = np.log(np.maximum(score, TINY)) - np.log(np.maximum(1 - score, ROUNDING))
    return np.asarray(odds - math.log(rule.threshold) + math.log1p(-rule.threshold))


def _in_probability(odds: Array, threshold: float) -> Array:
    """The score less the threshold."""
    return np.asarray((1 - threshold) - expit(math.log1p(-threshold) - math.log(threshold) - odds))
