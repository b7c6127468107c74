"""Logistic regression with a light ridge, and what any log-odds say of their parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.special import expit

if TYPE_CHECKING:
    from collections.abc import Callable

    from kundenwert.models.core import Array

__all__ = ["expansion", "logistic_regression"]

STEPS: Final = 50
SMALL: Final = 1e-8
DIFFERENCE: Final = 1e-6


def logistic_regression(features: Array, outcome: Array, counts: Array, *, ridge: float) -> Array:
    """Log-odds of the outcome, shape (rows,), fitted with an intercept that the ridge hardly touches.

    Parameters
    ----------
    features
        Shape (rows, features).
    outcome, counts
        0 or 1, and how often each row counts, shape (rows,).
    ridge
        Precision of the normal prior of each coefficient; that of the intercept is a hundredth of it.
    """
    design = np.column_stack([np.ones(len(features)), features])
    precision = np.full(design.shape[1], ridge)
    precision[0] = ridge / 100
    at = np.zeros(design.shape[1])

    def loss(at: Array) -> float:
        return float(counts @ np.logaddexp(0.0, (1 - 2 * outcome) * (design @ at)) + 0.5 * precision @ at**2)

    value = loss(at)
    for _ in range(STEPS):
        p = expit(design @ at)
        information = design.T @ ((counts * p * (1 - p))[:, None] * design) + np.diag(precision)
        step = np.linalg.solve(information, design.T @ (counts * (outcome - p)) - precision * at)
        while (further := loss(at + step)) > value and np.abs(step).max() > SMALL:
            step = step / 2
        if further > value:
            break
        at, value = at + step, further
        if np.abs(step).max() < SMALL:
            break
    return np.asarray(design @ at)


def expansion(
    log_odds: Callable[[Array], Array], outcome: Array, counts: Array
) -> Callable[[Array], tuple[Array, Array]]:
    """Gradient of the log-likelihood and Fisher information in the parameters of log-odds, at any; to six digits.

    Parameters
    ----------
    log_odds
        Of rows at points, shape (rows, points), from parameters of shape (parameters, points).
    outcome, counts
        0 or 1, and how often each row counts, shape (rows,).
    """

    def at_point(at: Array) -> tuple[Array, Array]:
        drawn = log_odds(np.concatenate([at[:, None], at[:, None] + DIFFERENCE * np.eye(len(at))], axis=1))
        slope = (drawn[:, 1:] - drawn[:, :1]) / DIFFERENCE
        p = expit(drawn[:, 0])
        return slope.T @ (counts * (outcome - p)), slope.T @ ((counts * p * (1 - p))[:, None] * slope)

    return at_point
