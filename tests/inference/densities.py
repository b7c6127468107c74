"""Known densities that inference can be run on as if they were posteriors."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

import kundenwert as kw
from kundenwert.inference.target import Target
from kundenwert.models.core import Quantity
from tests import cdnow


@dataclass(frozen=True)
class _Density:
    """What a target asks of a model; the coordinates are those of positive quantities with flat priors."""

    dimension: int
    numeric = False

    @property
    def quantities(self):
        return tuple(Quantity(f"quantity {i}", kw.Flat(), 1.0) for i in range(self.dimension))

    def informative(self, cells):
        return np.ones(len(cells), dtype=bool)

    def parameters_of(self, quantities, unit):  # noqa: ARG002 - a model's signature
        return np.array([np.log(quantity) for quantity in quantities])

    def aligned(self, cells):
        return cells

    def log_pooling(self, quantities):  # noqa: ARG002 - a model's signature
        return 0.0

    def target(self):
        model: Any = self
        return Target(model, cdnow.sample(1).cells(kw.BGNBD()))


@dataclass(frozen=True)
class Normal(_Density):
    """A normal density, up to a constant."""

    dimension: int = 2
    mean: tuple[float, ...] = (9.0, -7.0)
    precision: tuple[tuple[float, ...], ...] = ((5.0, 1.0), (1.0, 400.0))

    def log_likelihood(self, theta, *_):
        centred = theta - np.array(self.mean)[:, None]
        return -0.5 * np.einsum("in,ij,jn->n", centred, np.array(self.precision), centred)[None]


@dataclass(frozen=True)
class Banana(_Density):
    """A normal density in the plane, bent to a banana and broken into two modes, up to a constant."""

    dimension: int = 2
    gap: float = 0.0
    bend: float = 0.0

    def log_likelihood(self, theta, *_):
        x, y = theta
        along = np.logaddexp(stats.norm.logpdf(x, -self.gap), stats.norm.logpdf(x, self.gap))
        return (along + stats.norm.logpdf(y, self.bend * x**2, 0.5))[None]

    @property
    def mean(self):
        return np.array([0, self.bend * (1 + self.gap**2)])

    @property
    def variance(self):
        # x² has mean 1 + gap² and variance 2 + 4 gap²
        return np.array([1 + self.gap**2, 0.25 + self.bend**2 * (2 + 4 * self.gap**2)])


@dataclass(frozen=True)
class Impossible(_Density):
    """Zero everywhere."""

    dimension: int = 1

    def log_likelihood(self, theta, *_):
        return np.full((1, theta.shape[1]), -np.inf)
