"""How long a customer who is alive at T stays: residual lifetimes whose law does not depend on the purchases.

Time u is counted from T. Rates of leaving differ across customers by a gamma distribution, which has been integrated
out: among those still alive, the ones who are likely to leave become fewer.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self, final, override

import numpy as np
from scipy.special import exprel

from kundenwert.models.core import NUMPY
from kundenwert.models.kernels.quadrature import log_integrals

if TYPE_CHECKING:
    from kundenwert.models.core import Array, Functions
    from kundenwert.models.kernels.quadrature import Formula, Rows

__all__ = ["GompertzLifetime", "Lifetime", "ParetoLifetime", "k_later", "log_growth"]

NEGLIGIBLE: Final = 45.0  # exp(-45) is below the last digit
LARGEST_EXPONENT: Final = 500.0


def log_growth(exponent: Array, factor: Array, f: Functions) -> Array:
    """log(1 + factor (e^exponent - 1)), without overflow."""
    capped = f.minimum(exponent, LARGEST_EXPONENT)
    return f.log1p(factor * f.expm1(capped)) + (exponent - capped)


def k_later(k: Array, exponent: Array, f: Functions) -> Array:
    """1 + (k - 1) e^-exponent: what becomes of k while hazards grow by e^exponent. No digits are lost."""
    return k * f.exp(-exponent) - f.expm1(-exponent)


class Lifetime(ABC):
    """Residual lifetimes; fields are arrays of one shape."""

    __slots__ = ()

    @abstractmethod
    def take(self, rows: Rows) -> Self:
        """The lifetimes at positions of the flattened fields, shape (rows, 1)."""

    @abstractmethod
    def aged(self, by: float) -> Self:
        """What is left of them at T + by, of those still alive then."""

    @abstractmethod
    def log_survival(self, u: Array | float) -> Array:
        """Log P(alive at T + u)."""

    @abstractmethod
    def ends(self, log_survival: Array) -> Array:
        """The time u at which log P(alive at T + u) has fallen to this; may be inf."""

    @abstractmethod
    def log_hazard(self, u: Array | float) -> Array:
        """Logarithm of the rate at which those alive at T + u leave."""

    @abstractmethod
    def steepness(self) -> Array:
        """About how fast survival and hazard change at first, per unit of time."""

    @abstractmethod
    def bend(self) -> Array:
        """When a hazard that has been growing exponentially settles; 0 if there is no such time."""

    @abstractmethod
    def longest(self) -> Array:
        """A time after which next to nobody is left; inf if there is no such time."""

    @abstractmethod
    def time_alive(self, horizon: float, error: float) -> Array:
        """E[min(lifetime, horizon)] to a relative error; the horizon may be inf, and so may the expectation."""

    def discounted_time_alive(self, rate: float, horizon: float, error: float) -> Array:
        """Integral of exp(-rate u) P(alive at T + u) over u from 0 to `horizon`, which may be inf; rate above 0."""
        end = np.minimum(min(horizon, NEGLIGIBLE / rate), self.longest())
        return np.asarray(np.exp(self._log_discounted(rate, end, error)))

    def _log_discounted(self, rate: float, end: Array, error: float) -> Array:
        return self.log_integrals(
            lambda rows, u: self.take(rows).log_survival(u) - rate * u, end, self.steepness() + rate, error
        )

    def log_integrals(self, log_integrand: Formula, end: Array, steepness: Array, error: float) -> Array:
        """Logarithm of integrals over u from 0 to `end`, taken over log(1 + u steepness)."""
        fastest, last, bend = (value.ravel() for value in np.broadcast_arrays(steepness, end, self.bend()))

        def over_logarithm(rows: Rows, y: Array) -> Array:
            scale = 1 / fastest[rows, None]
            return log_integrand(rows, scale * np.expm1(y)) + y + np.log(scale)

        edges = [np.zeros(last.size), *(np.log1p(fastest * np.minimum(u, last)) for u in (bend, last))]
        return log_integrals(over_logarithm, edges, error).reshape(steepness.shape)


@final
@dataclass(frozen=True, slots=True)
class ParetoLifetime(Lifetime):
    """Survival (1 + u/B)^-s: everybody leaves at a constant rate, Gamma(s, B) across those who are alive at T."""

    s: Array
    B: Array

    @override
    def take(self, rows: Rows) -> ParetoLifetime:
        return ParetoLifetime(self.s.ravel()[rows, None], self.B.ravel()[rows, None])

    @override
    def aged(self, by: float) -> ParetoLifetime:
        return ParetoLifetime(self.s, self.B + by)

    @override
    def log_survival(self, u: Array | float) -> Array:
        return np.asarray(-self.s * np.log1p(u / self.B))

    @override
    def ends(self, log_survival: Array) -> Array:
        with np.errstate(over="ignore"):
            return np.asarray(self.B * np.expm1(-log_survival / self.s))

    @override
    def log_hazard(self, u: Array | float) -> Array:
        return np.asarray(np.log(self.s / (self.B + u)))

    @override
    def steepness(self) -> Array:
        return np.asarray((self.s + 1) / self.B)

    @override
    def bend(self) -> Array:
        return np.zeros_like(self.B)

    @override
    def longest(self) -> Array:
        return np.full_like(self.s, np.inf)

    @override
    def time_alive(self, horizon: float, error: float) -> Array:
        """In closed form: B (1 - (1 + h/B)^(1 - s))/(s - 1), which is B log(1 + h/B) at s = 1."""
        if math.isinf(horizon):
            with np.errstate(divide="ignore"):
                return np.where(self.s > 1, self.B / np.maximum(self.s - 1, 0), np.inf)
        log_ratio = np.log1p(horizon / self.B)
        return np.asarray(self.B * log_ratio * exprel((1 - self.s) * log_ratio))


@final
@dataclass(frozen=True, slots=True)
class GompertzLifetime(Lifetime):
    """Survival (1 + (e^(b u) - 1)/k)^-s: the rate of leaving grows by the factor e^b per unit of time.

    k = beta for a new customer and moves towards 1 with time; the hazard is s b/k. For b = 0, with B = k/b, this is
    the Pareto lifetime.
    """

    s: Array
    k: Array
    b: Array

    @override
    def take(self, rows: Rows) -> GompertzLifetime:
        return GompertzLifetime(self.s.ravel()[rows, None], self.k.ravel()[rows, None], self.b.ravel()[rows, None])

    @override
    def aged(self, by: float) -> GompertzLifetime:
        return GompertzLifetime(self.s, k_later(self.k, self.b * by, NUMPY), self.b)

    @override
    def log_survival(self, u: Array | float) -> Array:
        return np.asarray(-self.s * log_growth(self.b * u, 1 / self.k, NUMPY))

    @override
    def ends(self, log_survival: Array) -> Array:
        return np.asarray(log_growth(-log_survival / self.s, self.k, NUMPY) / self.b)

    @override
    def log_hazard(self, u: Array | float) -> Array:
        return np.asarray(np.log(self.s * self.b / k_later(self.k, self.b * u, NUMPY)))

    @override
    def steepness(self) -> Array:
        return np.asarray(self.b * (1 + (self.s + 1) / self.k))

    @override
    def bend(self) -> Array:
        return np.asarray(np.log(np.maximum(self.k - 1, 1)) / self.b)

    @override
    def longest(self) -> Array:
        return self.ends(np.full_like(self.s, -NEGLIGIBLE))

    @override
    def time_alive(self, horizon: float, error: float) -> Array:
        return np.asarray(np.exp(self._log_discounted(0.0, np.minimum(horizon, self.longest()), error)))
