"""Sums of many smooth terms: Gaussian quadrature for sums.

A sum over j = 0 … N - 1 is an integral against N equal point masses. Its Gaussian rule, with nodes at the zeros of the
Gram polynomials (discrete Chebyshev polynomials), is exact for polynomials of degree below twice the number of nodes,
as Gauss-Legendre is for integrals, however many terms there are. Terms that are smooth in log j, such as powers and
ratios of gamma functions, are nearly polynomial on panels whose length is in proportion to j.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from kundenwert.models.core import Array

__all__ = ["SINGLE", "log_binomial", "summation"]

SINGLE: Final = 32  # terms taken one by one
NODES: Final = 10  # of a panel


@lru_cache(maxsize=256)
def summation(last: float, peak: int = 0) -> tuple[Array, Array]:
    """Nodes j, increasing, and weights, so that `f(j) @ weights` is the sum of f(0) … f(last).

    Parameters
    ----------
    last
        Last term; a fraction does not count.
    peak
        Terms may rise like j^peak before they fall, or fall as suddenly: panels are as much shorter.
    """
    end = math.floor(last) + 1.0
    nodes, weights = [np.arange(min(end, SINGLE))], [np.ones(int(min(end, SINGLE)))]
    start, growth = float(SINGLE), 1 / max(1.0, math.sqrt(peak) / 2)
    while start < end:
        terms = min(np.ceil(start * growth), end - start)
        panel, weight = _gram(terms)
        nodes.append(start + panel)
        weights.append(weight)
        start += terms
    return np.concatenate(nodes), np.concatenate(weights)


def _gram(terms: float) -> tuple[Array, Array]:
    """Nodes and weights of the Gaussian rule for the sum over 0 … terms - 1, by Golub & Welsch (1969)."""
    if terms <= NODES:
        return np.arange(terms), np.ones(int(terms))
    k = np.arange(1.0, NODES)
    beside = k / 2 * np.sqrt((1 - (k / terms) ** 2) / (4 * k**2 - 1))  # in units of `terms`
    nodes, vectors = np.linalg.eigh(np.diag(beside, 1) + np.diag(beside, -1))
    return (terms - 1) / 2 + terms * nodes, terms * vectors[0] ** 2


def log_binomial(n: Array, count: int) -> Array:
    """Log of the binomial coefficient (n + count - 1 over count): a sum, which keeps its digits where n is huge."""
    total = np.zeros(n.shape)
    for j, weight in zip(*summation(count - 1), strict=True):
        total += weight * np.log((n + j) / (j + 1))
    return total
