"""Frozen priors, named and parametrised as in PyMC.

A prior is stated on a quantity with a meaning (a rate per year, a mean dropout probability). Inference works on
an unbounded coordinate of that quantity: its logarithm if it is positive, its logit if it is a probability, and the
quantity itself if it is any real number.
:meth:`Prior.log_density` gives the density there, Jacobian included.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, final, override

from kundenwert.errors import SpecificationError
from kundenwert.scalars import is_number
from kundenwert.storage.registry import explain_annotations, register

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    type Array = NDArray[np.float64]

__all__ = ["Beta", "Flat", "Gamma", "HalfNormal", "LogNormal", "Logistic", "LogitNormal", "Normal", "Prior", "Support"]

type Support = Literal["positive", "probability", "real"]
"""Where a quantity lies: above 0, in (0, 1), or anywhere."""


def _check_positive(prior: Prior, name: str, value: float) -> None:
    if not (is_number(value) and value > 0):
        message = f"{type(prior).__name__}: {name} must be positive and finite, got {value!r}"
        raise SpecificationError(message)


def _check_finite(prior: Prior, name: str, value: float) -> None:
    if not is_number(value):
        message = f"{type(prior).__name__}: {name} must be finite, got {value!r}"
        raise SpecificationError(message)


class Prior(ABC):
    """A prior of one quantity; inference works on its coordinate: logarithm, logit, or the quantity itself."""

    __slots__ = ()

    @abstractmethod
    def log_density(self, coordinate: Array) -> Array:
        """Log density on the coordinate of the quantity, any shape."""

    @abstractmethod
    def sample(self, rng: np.random.Generator, size: int) -> Array:
        """Draw values of the quantity itself, shape (size,)."""

    @property
    @abstractmethod
    def support(self) -> Support | None:
        """Where the quantity lies; None if the prior fits everywhere."""


@final
@dataclass(frozen=True, slots=True)
class LogNormal(Prior):
    """Logarithm of a positive quantity is Normal(mu, sigma)."""

    mu: float
    sigma: float

    def __post_init__(self) -> None:
        _check_finite(self, "mu", self.mu)
        _check_positive(self, "sigma", self.sigma)

    @override
    def log_density(self, coordinate: Array) -> Array:
        return _normal(coordinate, self.mu, self.sigma)

    @override
    def sample(self, rng: np.random.Generator, size: int) -> Array:
        return rng.lognormal(self.mu, self.sigma, size)

    @property
    @override
    def support(self) -> Support | None:
        return "positive"


@final
@dataclass(frozen=True, slots=True)
class LogitNormal(Prior):
    """Logit of a probability is Normal(mu, sigma)."""

    mu: float
    sigma: float

    def __post_init__(self) -> None:
        _check_finite(self, "mu", self.mu)
        _check_positive(self, "sigma", self.sigma)

    @override
    def log_density(self, coordinate: Array) -> Array:
        return _normal(coordinate, self.mu, self.sigma)

    @override
    def sample(self, rng: np.random.Generator, size: int) -> Array:
        from scipy.special import expit

        return expit(rng.normal(self.mu, self.sigma, size))

    @property
    @override
    def support(self) -> Support | None:
        return "probability"


@final
@dataclass(frozen=True, slots=True)
class Gamma(Prior):
    """A positive quantity with density proportional to v^(alpha-1) exp(-beta v)."""

    alpha: float
    beta: float

    def __post_init__(self) -> None:
        _check_positive(self, "alpha", self.alpha)
        _check_positive(self, "beta", self.beta)

    @override
    def log_density(self, coordinate: Array) -> Array:
        import numpy as np

        constant = self.alpha * math.log(self.beta) - math.lgamma(self.alpha)
        with np.errstate(over="ignore"):
            return constant + self.alpha * coordinate - self.beta * np.exp(coordinate)

    @override
    def sample(self, rng: np.random.Generator, size: int) -> Array:
        return rng.gamma(self.alpha, 1 / self.beta, size)

    @property
    @override
    def support(self) -> Support | None:
        return "positive"


@final
@dataclass(frozen=True, slots=True)
class Beta(Prior):
    """A probability with density proportional to v^(alpha-1) (1-v)^(beta-1)."""

    alpha: float
    beta: float

    def __post_init__(self) -> None:
        _check_positive(self, "alpha", self.alpha)
        _check_positive(self, "beta", self.beta)

    @override
    def log_density(self, coordinate: Array) -> Array:
        import numpy as np

        constant = math.lgamma(self.alpha + self.beta) - math.lgamma(self.alpha) - math.lgamma(self.beta)
        return constant - self.alpha * np.logaddexp(0, -coordinate) - self.beta * np.logaddexp(0, coordinate)

    @override
    def sample(self, rng: np.random.Generator, size: int) -> Array:
        return rng.beta(self.alpha, self.beta, size)

    @property
    @override
    def support(self) -> Support | None:
        return "probability"


@final
@dataclass(frozen=True, slots=True)
class HalfNormal(Prior):
    """A positive quantity whose density falls like the right half of Normal(0, sigma): large values are unheard of."""

    sigma: float

    def __post_init__(self) -> None:
        _check_positive(self, "sigma", self.sigma)

    @override
    def log_density(self, coordinate: Array) -> Array:
        import numpy as np

        with np.errstate(over="ignore"):
            return math.log(2) + _normal(np.exp(coordinate), 0.0, self.sigma) + coordinate

    @override
    def sample(self, rng: np.random.Generator, size: int) -> Array:
        return abs(rng.normal(0, self.sigma, size))

    @property
    @override
    def support(self) -> Support | None:
        return "positive"


@final
@dataclass(frozen=True, slots=True)
class Normal(Prior):
    """A real quantity is Normal(mu, sigma)."""

    mu: float
    sigma: float

    def __post_init__(self) -> None:
        _check_finite(self, "mu", self.mu)
        _check_positive(self, "sigma", self.sigma)

    @override
    def log_density(self, coordinate: Array) -> Array:
        return _normal(coordinate, self.mu, self.sigma)

    @override
    def sample(self, rng: np.random.Generator, size: int) -> Array:
        return rng.normal(self.mu, self.sigma, size)

    @property
    @override
    def support(self) -> Support | None:
        return "real"


@final
@dataclass(frozen=True, slots=True)
class Logistic(Prior):
    """A real quantity has the logistic distribution: like a normal in the middle, and with tails that give way.

    Its logarithm falls by 1/s a unit at most, however far the quantity is from mu. So the prior of a log-odds pulls on
    the number of successes by 1/s of one and no more: data that say something else prevail soon.
    """

    mu: float
    s: float

    def __post_init__(self) -> None:
        _check_finite(self, "mu", self.mu)
        _check_positive(self, "s", self.s)

    @override
    def log_density(self, coordinate: Array) -> Array:
        import numpy as np

        distance = np.abs(coordinate - self.mu) / self.s
        return np.asarray(-distance - 2 * np.log1p(np.exp(-distance)) - math.log(self.s))

    @override
    def sample(self, rng: np.random.Generator, size: int) -> Array:
        return rng.logistic(self.mu, self.s, size)

    @property
    @override
    def support(self) -> Support | None:
        return "real"


@final
@dataclass(frozen=True, slots=True)
class Flat(Prior):
    """No prior at all: with every prior flat, :class:`kundenwert.MAP` is maximum likelihood.

    It is improper, so only MAP accepts it: importance sampling and NUTS need a posterior that integrates to one.
    """

    @override
    def log_density(self, coordinate: Array) -> Array:
        import numpy as np

        return np.zeros_like(coordinate)

    @override
    def sample(self, rng: np.random.Generator, size: int) -> Array:
        message = "Flat is improper and cannot be sampled; give a proper prior, for example LogNormal"
        raise SpecificationError(message)

    @property
    @override
    def support(self) -> Support | None:
        return None


def _normal(value: Array, mu: float, sigma: float) -> Array:
    return -0.5 * ((value - mu) / sigma) ** 2 - math.log(sigma) - 0.5 * math.log(2 * math.pi)


register(LogNormal, LogitNormal, Gamma, Beta, HalfNormal, Normal, Logistic, Flat)
explain_annotations({"Prior": Prior})
