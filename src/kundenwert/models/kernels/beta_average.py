"""Averages over a beta-distributed probability p, by the trapezoidal rule in y = logit p.

The density of y is analytic in |Im y| < pi and decays like exp(a y) on the left and exp(-b y) on the right, so that the
rule converges geometrically for functions of p that are smooth there. Beyond the nodes both tails are geometric series
and are added in closed form, which matters when a or b is small.

A function that falls steeply moves the mass of the average to the left, where log p spreads by sqrt(trigamma(a)) only.
Range and step allow for that, so that small averages have the relative accuracy of large ones. Where a is far larger
than both b and the steepness, the mass cannot move, and b alone says how narrow the integrand is.
"""

from __future__ import annotations

import math
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, Final, NamedTuple, Protocol, Self

import numpy as np
from scipy.special import betaln, expit, psi

from kundenwert.errors import SpecificationError
from kundenwert.models.core import NUMPY
from kundenwert.models.kernels.lifetimes import log_growth

if TYPE_CHECKING:
    from collections.abc import Callable

    from kundenwert.models.core import Array

__all__ = ["BetaNodes", "beta_nodes", "in_parts"]

LARGEST_EXPONENT: Final = 700.0
LARGE: Final = 1e4  # shapes beyond which differences of their products lose digits
NO_SPREAD: Final = 1e20  # both shapes beyond that: p is a number
MOST_NUMBERS: Final = 2**24  # of nodes for all customers at a time
MOST_NODES: Final = 2**24  # for one


class BetaNodes(NamedTuple):
    """Nodes p, their complements 1 - p without cancellation, and weights that sum to one; nodes on the last axis."""

    p: Array
    complement: Array
    weight: Array

    def mean(self, values: Array) -> Array:
        """Average of a function of p given its values at the nodes."""
        return np.asarray(np.einsum("...j,...j->...", values, self.weight))


class TooManyNodesError(Exception):
    """Nodes for these customers would take too much memory at once; never leaves this package, see :func:`in_parts`."""


class Divisible(Protocol):
    """Customers, arrays of one shape, of whom some can be taken."""

    @property
    def n(self) -> Array:
        """Any of the arrays."""

    def take(self, chosen: Any) -> Self:
        """The customers at these places."""


def in_parts[C: Divisible, **P](method: Callable[Concatenate[C, P], Array]) -> Callable[Concatenate[C, P], Array]:
    """Let a method of customers be called for some of them at a time where nodes for all would be too many.

    As many nodes as the most demanding of them needs are made for everyone, so a few of them can make it too many.
    """

    @wraps(method)
    def divided(customers: C, /, *args: P.args, **kwargs: P.kwargs) -> Array:
        try:
            return method(customers, *args, **kwargs)
        except TooManyNodesError:
            flat = customers.take(np.ones(customers.n.shape, dtype=np.bool_))
            half = flat.n.size // 2
            halves = (flat.take(part) for part in (slice(None, half), slice(half, None)))
            return np.concatenate([divided(part, *args, **kwargs) for part in halves]).reshape(customers.n.shape)

    return divided


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

    Raises
    ------
    TooManyNodesError
        If nodes for all at once would take too much memory; see :func:`in_parts`.
    SpecificationError
        If one distribution is so narrow, and f so steep, that nodes would be too many.
    """
    a, b = _with_a_spread(a, b)
    centre = psi(a) - psi(b)
    spread_of_log = _trigamma(np.minimum(a, 10 * (1 + b) + 4 * steepness))
    spread = np.sqrt(_trigamma(a) + _trigamma(b))
    # left of `flat` the function is constant in p up to the error: only the tail of the density remains
    flat = math.log(error / 10) - np.log(steepness + a + b)
    low = np.maximum(flat, centre - 40 * np.maximum(spread, 1 / a) - np.log1p(steepness / (a + b)))
    high = np.minimum(centre + 9 * spread + 40 / b, 37 + np.log(a + steepness))
    # the integrand is well-behaved for |Im y| < pi/2, so the error is about exp(-pi^2/step)
    largest = math.pi**2 / math.log(100 / error) * np.minimum(1, 1.25 * np.sqrt(spread_of_log))
    wanted = float(np.max((high - low) / largest))
    if not wanted < MOST_NODES:
        worst = np.unravel_index(np.argmax((high - low) / largest), a.shape)
        message = (
            f"a dropout probability of Beta({a[worst]:.3g}, {b[worst]:.3g}) cannot be averaged over for customers who "
            f"have bought, or will buy, as often as here: it would take {wanted:,.0f} nodes; expected parameters in "
            "which the purchase rate (r and alpha) or the probability of leaving (a and b) is less extreme"
        )
        raise SpecificationError(message)
    if wanted * a.size > MOST_NUMBERS and a.size > 1:
        raise TooManyNodesError
    count = 2 + math.ceil(wanted)
    step = (high - low) / (count - 1)
    y = low[..., None] + step[..., None] * np.arange(count)
    odds = np.exp(y)
    complement = 1 / (1 + odds)
    if max(a.max(), b.max()) > LARGE:
        exponent = _exponent_of_large(a[..., None], b[..., None], y, np.clip(centre, low, high)[..., None])
    else:
        exponent = a[..., None] * y - (a + b)[..., None] * np.log1p(odds) - betaln(a, b)[..., None]
    weight = np.exp(exponent, out=exponent)
    weight[..., 0] *= 1 + _geometric_tail(a * step)
    weight[..., -1] *= 1 + _geometric_tail(b * step)
    weight /= weight.sum(axis=-1, keepdims=True)
    return BetaNodes(odds * complement, complement, weight)


def _with_a_spread(a: Array, b: Array) -> tuple[Array, Array]:
    """The shapes, or smaller ones with the same mean where rounding errors would be larger than the spread."""
    excess = np.maximum(1, np.minimum(a, b) / NO_SPREAD)
    return np.asarray(a / excess), np.asarray(b / excess)


def _exponent_of_large(a: Array, b: Array, y: Array, centre: Array) -> Array:
    """The log density of y, less its value near the peak: from the distance to the centre, without cancellation."""
    away, side = y - centre, np.where(centre > 0, -1.0, 1.0)
    share = np.asarray(expit(-np.abs(centre)), dtype=np.float64)  # of the rarer of p and 1 - p
    near = log_growth(side * away, share, NUMPY)
    far = near - side * away
    exponent = -a * np.where(side > 0, far, near) - b * np.where(side > 0, near, far)
    return np.asarray(exponent - exponent.max(axis=-1, keepdims=True))


def _trigamma(value: Array) -> Array:
    """Trigamma function to 2 %, which is enough to place nodes; the exact one would cost as much as all the nodes."""
    return np.asarray(value**-2.0 + 1 / (value + 0.6))


def _geometric_tail(decay: Array) -> Array:
    """Sum over k >= 1 of exp(-k decay)."""
    return np.asarray(1 / np.expm1(np.minimum(decay, LARGEST_EXPONENT)))
