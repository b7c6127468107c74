"""How many contracts survive when churn probabilities are beta-distributed: ratios of beta functions, to all digits.

If the churn probability theta of a contract is Beta(gamma, y), the probability of surviving "another `step`",
E (1 - theta)^step, is B(gamma, y + step)/B(gamma, y). Written with four log-gamma functions, its logarithm loses most
digits where churn is rare; the differences are taken analytically instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from kundenwert.models.core import NUMPY
from kundenwert.models.kernels.sums import SINGLE, summation

if TYPE_CHECKING:
    from kundenwert.models.core import Array, Functions

__all__ = ["log_average", "log_beta_ratio", "sum_of_averages"]

SHIFT: Final = 10  # Stirling's series starts here
LATER: Final = np.arange(1.0, SHIFT)  # shifts beyond the first
CERTAIN: Final = 1 - 2**-53  # where what is left is that small, the rest of the logarithm is so large that it is lost
POWERS: Final = np.array([1.0, 3.0, 5.0, 7.0])  # of 1/x in Stirling's series of log-gamma
SERIES: Final = np.array([1 / 12, -1 / 360, 1 / 1260, -1 / 1680])  # and their coefficients
DISCOUNT_CUTOFF: Final = 45.0  # exp(-45) is below the last digit
LARGEST: Final = 1e300


def log_beta_ratio(gamma: Any, y: Any, step: Any, f: Functions) -> Any:
    """Logarithm of B(gamma, y + step)/B(gamma, y), at most 0; good to about 1e-12 of itself, or to 1e-200.

    Every gamma function is shifted, Gamma(x) = Gamma(x + 1)/x, until Stirling's series applies. In the shifts and in
    the series the four arguments are combined first, so that nothing large cancels.

    Parameters
    ----------
    gamma, y, step
        Positive arrays (`step` may be 0) that broadcast against each other, between 1e-130 and 1e130.
    f
        NumPy or PyTensor.
    """
    gone = (gamma / (y + gamma)) * (step / (y + step))
    left = (y / (y + gamma)) * ((y + gamma + step) / (y + step))  # 1 - gone, to all digits where that is small
    first = f.where(gone < 0.5, f.log1p(-f.minimum(gone, 0.5)), f.log(left))
    shifts = f.total(
        lambda z, weight: weight * f.log1p(-f.minimum((gamma / (y + z + gamma)) * (step / (y + z + step)), CERTAIN)),
        LATER,
        np.ones(len(LATER)),
    )
    a = y + SHIFT  # log Gamma(b) - log Gamma(a) - log Gamma(d) + log Gamma(c) remains
    b, c, d = a + step, a + gamma, a + gamma + step
    both, by_gamma, by_step = f.log1p((gamma / a) * (step / d)), f.log1p(gamma / b), f.log1p(step / c)
    leading = (a - 0.5) * both - step * by_gamma - gamma * by_step
    log_a = f.log(a)

    def corners(n: Any, coefficient: Any) -> Any:
        # a^-n - b^-n - c^-n + d^-n as a sum of positive numbers
        apart = f.expm1(-n * (both + by_gamma)) * f.expm1(-n * (both + by_step))
        together = f.exp(-n * (both + by_gamma + by_step)) * f.expm1(-n * both)
        return coefficient * f.exp(-n * log_a) * (apart - together)

    return first + shifts + leading - f.total(corners, POWERS, SERIES)


def log_average(gamma: Array, y: Array, j: Array) -> Array:
    """Log of E (1 - theta)^j = B(gamma, y + j)/B(gamma, y), theta ~ Beta(gamma, y), on a new last axis for j.

    The numbers j increase, and are whole up to SINGLE.
    """
    gamma, y = gamma[..., None], y[..., None]
    steps = -np.log1p(gamma / (y + np.arange(int(min(j[-1], SINGLE)))))
    single = np.concatenate([np.zeros((*steps.shape[:-1], 1)), np.cumsum(steps, axis=-1)], axis=-1)
    near = int(np.searchsorted(j, SINGLE, side="right"))
    result = single[..., j[:near].astype(np.intp)]
    if near == len(j):
        return result
    far = single[..., -1:] + log_beta_ratio(gamma, y + SINGLE, j[near:] - SINGLE, NUMPY)
    return np.concatenate([result, far], axis=-1)


def sum_of_averages(gamma: Array, y: Array, rate: float, horizon: float) -> Array:
    """Sum over j = 1 … horizon of exp(-rate j) E (1 - theta)^j; the horizon may be inf if there is a rate.

    The first terms one by one, and later ones, which are smooth in log j, by Gaussian quadrature for sums.
    """
    if horizon == 0:
        return np.zeros(1)
    last = min(horizon - 1, LARGEST if rate == 0 else min(LARGEST, DISCOUNT_CUTOFF / rate))
    j, weight = summation(last)
    return np.asarray(np.exp(log_average(gamma, y + 1, j) - rate * (j + 1)) @ weight * (y / (gamma + y)))
