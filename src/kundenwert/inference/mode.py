"""The mode of the posterior and the curvature there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np
from scipy.optimize import minimize
from scipy.special import ndtri
from scipy.stats import qmc

from kundenwert.errors import InferenceError

if TYPE_CHECKING:
    from kundenwert.inference.target import Target
    from kundenwert.models._functions import Array

__all__ = ["Mode", "find_mode"]

CANDIDATES: Final = 128
GRADIENT_STEP: Final = 1e-3
HESSIAN_STEP: Final = 5e-3
NEWTON_STEPS: Final = 5
FARTHEST: Final = 25.0


@final
@dataclass(frozen=True, slots=True)
class Mode:
    """Location (dimension,), log density there, and negative Hessian (dimension, dimension)."""

    location: Array
    log_density: float
    precision: Array


def find_mode(target: Target[Any]) -> Mode:
    """Maximise the target: best of a cloud around typical values, BFGS, then Newton steps to the last digit."""
    guess = np.array([q.coordinate(np.asarray(q.guess)) for q in target.quantities])
    cloud = ndtri(qmc.Sobol(target.dimension, seed=0).random(CANDIDATES) * (1 - 1e-6) + 5e-7).T
    candidates = np.concatenate([guess[:, None], guess[:, None] + 1.5 * cloud], axis=1)
    values = target(candidates)
    if not np.isfinite(values).any():
        message = "the likelihood is zero at every starting point; look for impossible histories in the data"
        raise InferenceError(message)
    best = candidates[:, int(np.argmax(values))]

    def loss(q: Array) -> float:
        return -float(target(q[:, None])[0]) / target.customers

    def slope(q: Array) -> Array:
        return -_gradient(target, q) / target.customers

    found = minimize(loss, best, jac=slope, method="BFGS", options={"gtol": 1e-8, "maxiter": 500})
    location = np.asarray(found.x, dtype=np.float64)
    for _ in range(NEWTON_STEPS):
        if np.abs(location - guess).max() > FARTHEST:
            break
        location = _newton_step(target, location)
    if not np.isfinite(location).all() or np.abs(location - guess).max() > FARTHEST:
        message = (
            f"the density keeps rising towards {dict(zip([q.name for q in target.quantities], location, strict=True))} "
            "(logarithms and logits): the data do not bound it. Use proper priors instead of flat ones, or more data"
        )
        raise InferenceError(message)
    return Mode(location, float(target(location[:, None])[0]), _precision(target, location))


def _newton_step(target: Target[Any], location: Array) -> Array:
    """The better of staying and going one Newton step."""
    precision = _floored(_precision(target, location), target.customers)
    step = np.linalg.solve(precision, _gradient(target, location))
    there = location + step
    stay, go = target(np.stack([location, there], axis=1))
    # near the mode both are equal up to rounding, and Newton is right
    return np.asarray(there if go >= stay - 1e-9 * abs(stay) and np.abs(step).max() < 1 else location)


def _floored(precision: Array, customers: int) -> Array:
    values, vectors = np.linalg.eigh(precision)
    return np.asarray((vectors * np.maximum(values, 1e-6 * customers)) @ vectors.T)


def _gradient(target: Target[Any], location: Array) -> Array:
    """Central differences of fourth order; all points in one call."""
    offsets = np.array([-2, -1, 1, 2]) * GRADIENT_STEP
    weights = np.array([1, -8, 8, -1]) / (12 * GRADIENT_STEP)
    d = target.dimension
    points = location[:, None, None] + np.eye(d)[:, :, None] * offsets
    return np.asarray(target(points.reshape(d, -1)).reshape(d, len(offsets)) @ weights)


def _precision(target: Target[Any], location: Array) -> Array:
    """Negative Hessian by central differences; all points in one call."""
    d, h = target.dimension, HESSIAN_STEP
    moves = [np.zeros(d)]
    moves += [sign * h * e for e in np.eye(d) for sign in (1, -1)]
    pairs = [(i, j) for i in range(d) for j in range(i)]
    signs = [(1, 1), (1, -1), (-1, 1), (-1, -1)]
    moves += [h * (s * np.eye(d)[i] + t * np.eye(d)[j]) for i, j in pairs for s, t in signs]
    values = target(location[:, None] + np.array(moves).T)
    hessian = np.empty((d, d))
    for i in range(d):
        hessian[i, i] = (values[1 + 2 * i] - 2 * values[0] + values[2 + 2 * i]) / h**2
    for k, (i, j) in enumerate(pairs):
        pp, pm, mp, mm = values[1 + 2 * d + 4 * k : 5 + 2 * d + 4 * k]
        hessian[i, j] = hessian[j, i] = (pp - pm - mp + mm) / (4 * h**2)
    return -hessian
