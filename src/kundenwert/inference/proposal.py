"""Heavy-tailed proposals: mixtures of multivariate t distributions, fitted to weighted points."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

import numpy as np
from scipy.special import gammaincinv, gammaln, logsumexp, ndtri
from scipy.stats import qmc

if TYPE_CHECKING:
    from collections.abc import Callable

    from kundenwert.models.core import Array

__all__ = ["StudentMixture"]

DEGREES_OF_FREEDOM: Final = 5.0
EM_STEPS: Final = 8
SMALLEST_SHARE: Final = 0.02
RIDGE: Final = 1e-9


@final
@dataclass(frozen=True, slots=True)
class StudentMixture:
    """Mixture of t distributions with 5 degrees of freedom.

    Parameters
    ----------
    shares
        Weights of the components, shape (components,).
    locations
        Shape (components, dimension).
    scales
        Scale matrices, shape (components, dimension, dimension).
    """

    shares: Array
    locations: Array
    scales: Array

    @staticmethod
    def around(location: Array, precision: Array) -> StudentMixture:
        """One component at a mode with the given curvature; directions that are nearly flat are cut off."""
        values, vectors = np.linalg.eigh(precision)
        variances = 1 / np.clip(values, 0.05, None)  # no wider than the default priors
        return StudentMixture(np.ones(1), location[None], ((vectors * variances) @ vectors.T)[None])

    def sampler(self, rng: np.random.Generator) -> Callable[[int], Array]:
        """Gives quasi-random points, a power of two at first, shape (dimension, count), and then further ones."""
        dimension = self.locations.shape[1]
        sequence = qmc.Sobol(dimension + 2, seed=rng)
        roots = np.linalg.cholesky(self.scales)

        def sample(count: int) -> Array:
            uniform = sequence.random(count) * (1 - 2e-12) + 1e-12
            component = np.minimum(np.searchsorted(np.cumsum(self.shares), uniform[:, 0]), len(self.shares) - 1)
            chi2 = 2 * gammaincinv(DEGREES_OF_FREEDOM / 2, uniform[:, 1])
            normal = ndtri(uniform[:, 2:]) * np.sqrt(DEGREES_OF_FREEDOM / chi2)[:, None]
            return np.asarray((self.locations[component] + np.einsum("nij,nj->ni", roots[component], normal)).T)

        return sample

    def sample(self, count: int, rng: np.random.Generator) -> Array:
        """Quasi-random points, shape (dimension, count); `count` is a power of two."""
        return self.sampler(rng)(count)

    def log_density(self, points: Array) -> Array:
        """Log density at points of shape (dimension, count)."""
        return np.asarray(logsumexp(self._component_densities(points)[0], axis=0))

    def fitted_to(self, points: Array, weights: Array) -> StudentMixture:
        """Mixture with as many components that fits the weighted points best (expectation maximisation)."""
        shares, locations, scales = self.shares, self.locations, self.scales
        dimension = len(points)
        mixture = self
        for _ in range(EM_STEPS):
            log_density, distance = mixture._component_densities(points)
            belongs = np.exp(log_density - logsumexp(log_density, axis=0)) * weights
            pull = belongs * (DEGREES_OF_FREEDOM + dimension) / (DEGREES_OF_FREEDOM + distance)
            shares = belongs.sum(axis=1)
            locations = pull @ points.T / pull.sum(axis=1)[:, None]
            centred = points.T[None] - locations[:, None]
            scales = np.einsum("kn,kni,knj->kij", pull, centred, centred) / shares[:, None, None]
            scales += RIDGE * np.trace(scales, axis1=1, axis2=2)[:, None, None] * np.eye(dimension)
            kept = (shares > SMALLEST_SHARE * shares.sum()) & (np.linalg.eigvalsh(scales)[:, 0] > 0)
            if not kept.any():  # a single point has all the weight
                return mixture
            mixture = StudentMixture(shares[kept] / shares[kept].sum(), locations[kept], scales[kept])
        return mixture

    def split(self, points: Array, weights: Array) -> StudentMixture:
        """Three components along the longest axis of the weighted points, one far out in the longer tail."""
        location = points @ weights
        centred = points - location[:, None]
        covariance = (centred * weights) @ centred.T
        values, vectors = np.linalg.eigh(covariance)
        skewness = (vectors[:, -1] @ centred) ** 3 @ weights
        step = vectors[:, -1] * math.copysign(math.sqrt(values[-1]), skewness)
        locations = location + np.array([-1, 0.5, 2.5])[:, None] * step
        return StudentMixture(np.full(3, 1 / 3), locations, np.broadcast_to(covariance / 2, (3, *covariance.shape)))

    def _component_densities(self, points: Array) -> tuple[Array, Array]:
        """Log share times density, and squared distance, of each component; shapes (components, count)."""
        nu, dimension = DEGREES_OF_FREEDOM, len(points)
        log_density, distance = [], []
        for share, location, scale in zip(self.shares, self.locations, self.scales, strict=True):
            root = np.linalg.cholesky(scale)
            squared = np.sum(np.linalg.solve(root, points - location[:, None]) ** 2, axis=0)
            constant = gammaln((nu + dimension) / 2) - gammaln(nu / 2) - dimension / 2 * math.log(nu * math.pi)
            constant += math.log(share) - np.log(np.diag(root)).sum()
            log_density.append(constant - (nu + dimension) / 2 * np.log1p(squared / nu))
            distance.append(squared)
        return np.array(log_density), np.array(distance)
