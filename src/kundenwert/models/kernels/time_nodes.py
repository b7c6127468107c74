"""Integrals over the time ahead: Gauss-Legendre in the logarithm of time, graded towards now."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.special import roots_legendre

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kundenwert.models.core import Array

__all__ = ["DISCOUNT_CUTOFF", "time_nodes"]

DISCOUNT_CUTOFF: Final = 45.0  # exp(-45) is below the last digit
FULL_ERROR: Final = 1e-10


def time_nodes(reach: Array, steepness: Array, error: float, *, waves: float = 1.0) -> Iterator[tuple[Array, Array]]:
    """Nodes v and weights, one after the other, for the integral of f(v) over v from 0 to `reach`.

    The integral is taken over y = log(1 + v), in which intensities of purchases are nearly polynomial over a lifetime.

    Parameters
    ----------
    reach
        Upper limit.
    steepness
        About the largest |d log f/dv|: as far as the integrand falls, nodes are graded towards v = 0.
    error
        Relative error wanted.
    waves
        How many times as many nodes, for an integrand that goes up and down before it falls.
    """
    length = np.log1p(reach)
    grading = np.log1p(0.1 * length * steepness)
    wanted = waves * float(np.max(16 + 3 * length + 6 * grading)) * math.log(error) / math.log(FULL_ERROR)
    points, weights = _gauss_legendre(math.ceil(wanted))
    scale = length / np.expm1(grading)
    for point, weight in zip(points, weights, strict=True):
        rise = np.expm1(grading * point)
        y = scale * rise
        yield np.expm1(y), weight * scale * grading * (1 + rise) * np.exp(y)


@cache
def _gauss_legendre(count: int) -> tuple[Array, Array]:
    """Nodes and weights on [0, 1]."""
    nodes, weights = roots_legendre(count)  # in a moment, also where there are thousands
    return (nodes + 1) / 2, weights / 2
