"""The mode of the posterior and the curvature there."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, final

import numpy as np
from scipy.optimize import minimize
from scipy.special import ndtri
from scipy.stats import qmc

from kundenwert.errors import InferenceError
from kundenwert.progress import counted, each

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kundenwert.models.core import Array, Quantity

__all__ = ["Mode", "find_mode"]

CANDIDATES: Final = 64
CELLS_TO_SEARCH: Final = 700
GRADIENT_STEP: Final = 1e-3
HESSIAN_STEP: Final = 5e-3
NEWTON_STEPS: Final = 12
SMALLEST_STEP: Final = 1e-6
SMALLEST_SLOPE: Final = 1e-4


class Density(Protocol):
    """A log density of coordinates, as :class:`kundenwert.inference.target.Target` is."""

    dimension: int
    typical: Array
    quantities: tuple[Quantity, ...]
    customers: int

    def sampled(self, most_cells: int) -> Density:
        """The density given a sample of the data, to search on."""

    def near(self, coordinates: Array) -> NDArray[np.bool_]:
        """Whether coordinates (dimension, points) are where the density can be computed, shape (points,)."""

    def __call__(self, coordinates: Array) -> Array:
        """Log density at coordinates (dimension, points), shape (points,)."""


@final
@dataclass(frozen=True, slots=True)
class Mode:
    """Location (dimension,), log density there, and negative Hessian (dimension, dimension)."""

    location: Array
    log_density: float
    precision: Array


def find_mode(target: Density, *, exact: bool, start: Array | None = None) -> Mode:
    """Maximise the target: best of a cloud around typical values, BFGS, then Newton steps to the last digit.

    With many cells, the search runs on a sample of them and only the Newton steps on all.

    Parameters
    ----------
    target
        Log posterior density.
    exact
        Whether a place that is no mode to the last digit is an error, or good enough to start sampling from.
    start
        A place from which Newton steps may do without a search, as the mode of a target much like this one.
    """
    mode = None if start is None else _polished(target, start)
    if mode is not None:
        return mode
    sample = target.sampled(CELLS_TO_SEARCH)
    found = _search(sample, _best_candidate(sample))
    mode = _polished(target, found)
    if mode is None:  # the sample misled the search
        found = _search(target, found, slope=min(SMALLEST_SLOPE, 0.1 / target.customers))
        mode = _polished(target, found)
    if mode is not None:
        return mode
    if exact:
        names = [q.name for q in target.quantities]
        message = (
            f"no mode was found near {dict(zip(names, found.round(1).tolist(), strict=True))} (logarithms and logits): "
            "the density has no clear maximum there. Use proper priors, or tighter ones, or more data; "
            "amounts that never vary, for example, push a shape without bound"
        )
        raise InferenceError(message)
    value, _, precision = _expansion(target, found)
    return Mode(found, value, np.where(np.isfinite(precision).all(), precision, np.eye(target.dimension)))


def _best_candidate(target: Density) -> Array:
    guess = target.typical[:, None]
    cloud = ndtri(qmc.Sobol(target.dimension, seed=0).random(CANDIDATES) * (1 - 1e-6) + 5e-7).T
    candidates = np.concatenate([guess, guess + 1.5 * cloud], axis=1)
    values = target(candidates)
    if not np.isfinite(values).any():
        message = "the likelihood is zero at every starting point; look for impossible histories in the data"
        raise InferenceError(message)
    return np.asarray(candidates[:, int(np.argmax(values))])


def _search(target: Density, start: Array, slope: float = SMALLEST_SLOPE) -> Array:
    """Quasi-Newton search until the slope per customer is this small: good to a few digits."""
    weights = np.array([1, -8, 8, -1]) / (12 * GRADIENT_STEP)

    def loss_and_slope(q: Array) -> tuple[float, Array]:
        values = target(np.concatenate([q[:, None], _gradient_points(q)], axis=1)) / target.customers
        if not np.isfinite(values).all():  # a step too far
            return math.inf, np.zeros(target.dimension)
        return -float(values[0]), -(values[1:].reshape(-1, 4) @ weights)

    with counted("steps to the mode") as step:
        found = minimize(
            loss_and_slope,
            start,
            jac=True,
            method="BFGS",
            options={"gtol": slope, "maxiter": 500},
            callback=lambda _: step(1),
        )
    return np.asarray(found.x, dtype=np.float64)


def _polished(target: Density, location: Array) -> Mode | None:
    """Newton steps until they vanish; None if they do not."""
    for _ in each(range(NEWTON_STEPS), "Newton's steps"):
        value, gradient, precision = _expansion(target, location)
        if not (np.isfinite(value) and np.isfinite(gradient).all() and np.isfinite(precision).all()):
            return None
        if not np.linalg.eigvalsh(precision)[0] > 0 or not target.near(location[:, None])[0]:
            return None
        step = np.linalg.solve(precision, gradient)
        if np.abs(step).max() < SMALLEST_STEP:
            return Mode(location, value, precision)
        if np.abs(step).max() > 1:
            return None
        location = location + step
    return None


def _gradient_points(location: Array) -> Array:
    """Points of a central difference of fourth order, shape (dimension, 4 * dimension)."""
    offsets = np.array([-2, -1, 1, 2]) * GRADIENT_STEP
    points = location[:, None, None] + np.eye(len(location))[:, :, None] * offsets
    return np.asarray(points.reshape(len(location), -1))


def _expansion(target: Density, location: Array) -> tuple[float, Array, Array]:
    """Log density, gradient and negative Hessian, by central differences; all points in one call."""
    d, h = target.dimension, HESSIAN_STEP
    unit = np.eye(d)
    pairs = [(i, j) for i in range(d) for j in range(i)]
    signs = [(1, 1), (1, -1), (-1, 1), (-1, -1)]
    moves = [sign * h * e for e in unit for sign in (1, -1)]
    moves += [h * (s * unit[i] + t * unit[j]) for i, j in pairs for s, t in signs]
    points = [location[:, None], _gradient_points(location), location[:, None] + np.array(moves).T]
    values = target(np.concatenate(points, axis=1))
    values = np.where(np.isfinite(values), values, np.nan)  # zero density has no slope
    here, sloping, curving = values[0], values[1 : 1 + 4 * d].reshape(d, 4), values[1 + 4 * d :]
    gradient = sloping @ np.array([1, -8, 8, -1]) / (12 * GRADIENT_STEP)
    hessian = np.diag((curving[: 2 * d : 2] - 2 * here + curving[1 : 2 * d : 2]) / h**2)
    for k, (i, j) in enumerate(pairs):
        corners = curving[2 * d + 4 * k : 2 * d + 4 * k + 4]
        hessian[i, j] = hessian[j, i] = corners @ np.array([1, -1, -1, 1]) / (4 * h**2)
    return float(here), gradient, -hessian
