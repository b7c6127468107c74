"""How many contracts survive when churn probabilities are beta-distributed: ratios of beta functions, to all digits.

If the churn probability theta of a contract is Beta(gamma, y), the probability of surviving "another `step`",
E (1 - theta)^step, is B(gamma, y + step)/B(gamma, y). Written with four log-gamma functions, its logarithm loses most
digits where churn is rare; the differences are taken analytically instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from kundenwert.models.core import Functions

__all__ = ["log_beta_ratio"]

SHIFT: Final = 8  # Stirling's series starts here
SHIFTS: Final = np.arange(SHIFT, dtype=np.float64)
CORNERS: Final = np.arange(4.0)  # a, b, c, d: whether step is added, and whether gamma is
SIGNS: Final = np.array([-1.0, 1.0, 1.0, -1.0])
SERIES: Final = (1 / 1188, -1 / 1680, 1 / 1260, -1 / 360)  # of log-gamma, after 1/(12 x), from x^-9 to x^-3


def log_beta_ratio(gamma: Any, y: Any, step: Any, f: Functions) -> Any:
    """Logarithm of B(gamma, y + step)/B(gamma, y), at most 0; good to about 1e-12 of itself, or to 1e-20.

    Every gamma function is shifted, Gamma(x) = Gamma(x + 1)/x, until Stirling's series applies. In the shifts and in
    the series the four arguments are combined first, so that nothing large cancels.

    Parameters
    ----------
    gamma, y, step
        Positive arrays (`step` may be 0) that broadcast against each other.
    f
        NumPy or PyTensor.
    """
    shifts = f.total(
        lambda i, weight: weight * f.log1p(-(gamma / (y + i + gamma)) * (step / (y + i + step))), SHIFTS, np.ones(SHIFT)
    )
    a = y + SHIFT  # log Gamma(b) - log Gamma(a) - log Gamma(d) + log Gamma(c) remains
    b, c, d = a + step, a + gamma, a + gamma + step
    leading = (a - 0.5) * f.log1p((gamma / a) * (step / d)) - step * f.log1p(gamma / b) - gamma * f.log1p(step / c)
    first = -(gamma / (a * c)) * (step / b) * ((a + d) / d) / 12
    rest = f.total(lambda i, sign: sign * _series(a + (i % 2) * step + (i // 2) * gamma), CORNERS, SIGNS)
    return shifts + leading + first + rest


def _series(x: Any) -> Any:
    """Stirling's series beyond 1/(12 x)."""
    inverse = 1 / x
    square = inverse * inverse
    total = SERIES[0]
    for coefficient in SERIES[1:]:
        total = coefficient + square * total
    return total * square * inverse
