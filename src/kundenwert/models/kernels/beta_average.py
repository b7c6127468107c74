"""Averages over a beta-distributed probability p, by the trapezoidal rule in y = logit p.

The density of y is analytic in |Im y| < pi and decays like exp(a y) on the left and exp(-b y) on the right, so that the
rule converges geometrically for functions of p that are smooth there. Beyond the nodes both tails are geometric series
and are added in closed form, which matters when a or b is small.

A function that falls steeply moves the mass of the average to the left, where log p spreads by sqrt(trigamma(a)) only.
Range and step allow for that, so that small averages have the relative accuracy of large ones.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from scipy.special import betaln, psi

if TYPE_CHECKING:
    from kundenwert.models.core import Array

__all__ = ["BetaNodes", "beta_nodes"]

LARGEST_EXPONENT: Final = 700.0


class BetaNodes(NamedTuple):
    """Nodes p, their complements 1 - p without cancellation, and weights that sum to one; nodes on the last axis."""

    p: Array
    complement: Array
    weight: Array

    def mean(self, values: Array) -> Array:
        """Average of a function of p given its values at the nodes."""
        return np.asarray(np.einsum("...j,...j->...", values, self.weight))


def beta_nodes(a: Array, b: Array, steepness: Array, error: float) -> BetaNodes:
    """Nodes for averages of f(p) over p ~ Beta(a, b), to about this relative error.

    Parameters
    ----------
    a, b
        Shapes of the distribution, arrays of one shape, to which nodes add the last axis.
    steepness
        About the largest |d log f/dp|; at p << 1/steepness the function is taken to be constant.
    error
        Largest relative error wanted; fewer nodes serve for a larger one.
    """
    centre = psi(a) - psi(b)
    spread_of_log = _trigamma(a)
    spread = np.sqrt(spread_of_log + _trigamma(b))
    # left of `flat` the function is constant in p up to the error: only the tail of the density remains
    flat = math.log(error / 10) - np.log(steepness + a + b)
    low = np.maximum(flat, centre - 40 * np.maximum(spread, 1 / a) - np.log1p(steepness / (a + b)))
    high = np.minimum(centre + 9 * spread + 40 / b, 37 + np.log(a + steepness))
    # the integrand is well-behaved for |Im y| < pi/2, so the error is about exp(-pi^2/step)
    largest = math.pi**2 / math.log(100 / error) * np.minimum(1, 1.25 * np.sqrt(spread_of_log))
    count = 2 + math.ceil(float(np.max((high - low) / largest)))
    step = (high - low) / (count - 1)
    y = low[..., None] + step[..., None] * np.arange(count)
    odds = np.exp(y)
    complement = 1 / (1 + odds)
    exponent = a[..., None] * y - (a + b)[..., None] * np.log1p(odds) - betaln(a, b)[..., None]
    weight = np.exp(exponent, out=exponent)
    weight[..., 0] *= 1 + _geometric_tail(a * step)
    weight[..., -1] *= 1 + _geometric_tail(b * step)
    weight /= weight.sum(axis=-1, keepdims=True)
    return BetaNodes(odds * complement, complement, weight)


def _trigamma(value: Array) -> Array:
    """Trigamma function to 2 %, which is enough to place nodes; the exact one would cost as much as all the nodes."""
    return np.asarray(value**-2.0 + 1 / (value + 0.6))


def _geometric_tail(decay: Array) -> Array:
    """Sum over k >= 1 of exp(-k decay)."""
    return np.asarray(1 / np.expm1(np.minimum(decay, LARGEST_EXPONENT)))
