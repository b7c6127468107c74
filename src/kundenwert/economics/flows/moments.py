"""A few moments instead of thousands: what purchases count along a timeline, from those expected until some moments.

With X(u) the purchases expected until u, and w(u) what money counts then, the integral of w dX is, by parts, that of X
over the falls of w: a sum of X at the moments at which w falls, times how much it falls there. Moments may be thousands
(the ends of accounting periods) or all of time (continuous discounting). But X is smooth in log(1 + u/scale), so that a
Gaussian rule for these very weights needs a few dozen. It is found by the process of Lanczos (Golub & Welsch 1969;
Gautschi 2004, Orthogonal Polynomials: Computation and Approximation). Where w rises, the same with the opposite sign.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

import numpy as np

from kundenwert.economics.flows.events import periods_per_year

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kundenwert.economics.flows.timeline import Piece
    from kundenwert.histories import Cells
    from kundenwert.models.core import AliveCustomer, Array
    from kundenwert.posterior import PurchasePosterior

__all__ = ["Moments", "enough", "falls", "few", "weighed"]

COUNTS: Final = (8, 12, 18, 27, 40, 60, 90)  # of moments to try
ERROR: Final = 1e-10  # of the last but one; that of the last is far less
ERROR_OF_TABLES: Final = 1e-8
CELLS_TRIED: Final = 8
DRAWS_TRIED: Final = 12

NODES: Final = 10  # of a panel
CUTOFF: Final = 45.0  # exp(-45) is below the last digit


@final
@dataclass(frozen=True, slots=True)
class Moments:
    """Purchases in (start, time] count weight, for each of several times; those in (start, inf) count `forever`.

    Parameters
    ----------
    start
        In years.
    times, weights
        Increasing times, in years, and weights, each of shape (moments,).
    forever
        What purchases still count in the end, without a horizon and without discounting.
    """

    start: float
    times: Array
    weights: Array
    forever: float


def falls(pieces: Sequence[Piece], scale: float) -> Moments:
    """The moments at which what money counts falls, finely enough for purchases that change on a scale in years."""
    start = pieces[0].start
    times, weights, forever = [], [], 0.0
    for piece in pieces:
        if piece.rate == 0 and math.isinf(piece.end):
            forever = piece.value
            continue
        end = min(piece.end, piece.start + CUTOFF / piece.rate) if piece.rate > 0 else piece.end
        left = piece.value * math.exp(-piece.rate * (end - piece.start))
        if piece.rate != 0:
            u, step = _panels(piece.start - start, end - start, scale)
            times.append(start + u)
            weights.append(
                piece.times * piece.rate * piece.value * np.exp(-piece.rate * (u - (piece.start - start))) * step
            )
        times.append(np.array([end]))
        weights.append(np.array([piece.times * (left - piece.after)]))
    if not times:
        return Moments(start, np.zeros(0), np.zeros(0), forever)
    return Moments(start, np.concatenate(times), np.concatenate(weights), forever)


def few(moments: Moments, scale: float, count: int) -> Moments:
    """About as good as the moments, if purchases are nearly a polynomial in log(1 + u/scale): twice `count` at most."""
    times, weights = [], []
    for sign in (1, -1):
        chosen = sign * moments.weights > 0
        y, weight = _gauss(
            np.log1p((moments.times[chosen] - moments.start) / scale), sign * moments.weights[chosen], count
        )
        times.append(moments.start + scale * np.expm1(y))
        weights.append(sign * weight)
    return Moments(moments.start, np.concatenate(times), np.concatenate(weights), moments.forever)


def _panels(start: float, end: float, scale: float) -> tuple[Array, Array]:
    """Gauss-Legendre nodes and weights in (start, end), on panels whose length is in proportion to time."""
    first, last = (math.log2(max(u / scale, 1.0)) for u in (start, end))
    inner = scale * 2.0 ** np.arange(math.floor(first), math.ceil(last) + 1)
    edges = np.r_[start, inner[(inner > start) & (inner < end)], end]
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    lengths = np.diff(edges)[:, None]
    return (edges[:-1, None] + lengths * (1 + nodes) / 2).ravel(), (lengths * weights / 2).ravel()


def _gauss(points: Array, masses: Array, count: int) -> tuple[Array, Array]:
    """Nodes and weights with which sums over points, each with its mass, are exact for degrees below 2 count."""
    if len(points) <= count:
        return points, masses
    total = masses.sum()
    basis = [np.sqrt(masses / total)]
    diagonal, beside = [], []
    while True:
        following = points * basis[-1]
        diagonal.append(following @ basis[-1])
        known = np.array(basis)
        for _ in range(2):  # the second time for what rounding has left
            following = following - (known @ following) @ known
        norm = float(np.linalg.norm(following))
        if len(basis) == count or norm <= 1e-14 * points[-1]:
            break
        beside.append(norm)
        basis.append(following / norm)
    nodes, vectors = np.linalg.eigh(np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1))
    return nodes, total * vectors[0] ** 2


def enough(posterior: PurchasePosterior, cells: Cells, pieces: Sequence[Piece]) -> Moments:
    """As few moments as are enough, tried on some customers and draws, the extreme ones among them."""
    per_year, single = periods_per_year(cells), posterior.of_cells.draws == 1
    scale = posterior.model.time_scale(posterior.theta)
    shortest = float(np.min((scale + cells["T"]) / (1 + cells["x"]))) / per_year
    moments = falls(pieces, shortest)
    customers = _some(posterior, cells, scale)
    before, error = None, ERROR if single else ERROR_OF_TABLES
    for count in COUNTS:
        tried = few(moments, shortest, count)
        if len(tried.times) >= len(moments.times):
            break
        values = [weighed(customer, tried, per_year) for customer in customers]
        if before is not None and all(
            (np.abs(value - last) <= error * np.abs(value)).all() for value, last in zip(values, before, strict=True)
        ):
            return tried
        before = values
    return moments


def weighed(customer: AliveCustomer, moments: Moments, per_year: float) -> Array:
    """What the purchases of living customers count, for a unit of which a year has so many."""
    start = moments.start * per_year
    total = sum(
        weight * customer.purchases(start, time * per_year - start)
        for time, weight in zip(moments.times.tolist(), moments.weights.tolist(), strict=True)
    )
    if moments.forever:
        ever = customer.discounted_purchases(0.0, math.inf)
        total = total + moments.forever * (ever - customer.purchases(0.0, start) if start else ever)
    return np.asarray(total)


def _some(posterior: PurchasePosterior, cells: Cells, scale: float) -> tuple[AliveCustomer, ...]:
    """Customers on whom to try, with draws on another axis; one for each state."""
    x, T, draws = cells["x"], cells["T"], posterior.of_cells.draws
    extreme = [pick(value) for value in (x, T, (1 + x) / (scale + T)) for pick in (np.argmin, np.argmax)]
    rows = np.unique(np.r_[extreme, np.linspace(0, len(x) - 1, CELLS_TRIED).astype(np.intp)])
    chosen = [pick(value) for value in posterior.theta for pick in (np.argmin, np.argmax)]
    columns = np.unique(np.r_[chosen, np.linspace(0, draws - 1, DRAWS_TRIED).astype(np.intp)])
    theta = posterior.model.named([value[columns] for value in posterior.theta])
    return posterior.model.examples(theta, x[rows, None], T[rows, None])
