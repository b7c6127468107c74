"""The proposal of a hierarchical model from one expansion of its likelihood: spreads, and normal terms given them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, final

import numpy as np
from scipy.linalg import solve_triangular
from scipy.special import gammaincinv, ndtri
from scipy.stats import qmc

from kundenwert.inference.proposal import StudentMixture

if TYPE_CHECKING:
    from kundenwert.models.core import Array
    from kundenwert.models.core.hierarchy import Hierarchy

__all__ = ["TYPICAL_SPREAD", "NormalGiven", "mode_given"]

DEGREES_OF_FREEDOM: Final = 8.0  # of the terms: with two dozen of them, heavier tails waste most points
OUTER_POINTS: Final = 2048
OUTER_FITS: Final = 3
TYPICAL_SPREAD: Final = 0.3
STEPS: Final = 20
LONGEST_STEP: Final = 2.0
SMALL: Final = 1e-3  # of the log density, to be gained by a step: a proposal need not be nearer to the mode
AT_ONCE: Final = 4096
FEW: Final = 50.0  # effective points
FEW_EACH: Final = 4.0  # effective points for each term, that correlations are learned from
VAGUE: Final = 0.1  # of the spreads are drawn from their priors: those that are near zero are rare, but not so rare


@final
@dataclass(frozen=True, slots=True)
class NormalGiven:
    """Spreads from a mixture; standard normals z of the terms, given them, around a mean that one expansion gives.

    A residual is the distance of z from that mean, in directions and units of their standard deviations; `shift` and
    `scale`, the root of a covariance, correct for what the expansion misses. With a `temper` below one, terms vary as
    if the data said less than they do at the mean, as it is on the other side of a hazard that has brought back
    everybody.
    """

    hierarchy: Hierarchy
    gradient: Array
    information: Array
    at: Array
    outer: StudentMixture
    shift: Array
    scale: Array
    temper: float = 1.0

    @classmethod
    def around(cls, hierarchy: Hierarchy, start: Array, rng: np.random.Generator) -> NormalGiven:
        """Expand at typical spreads, fit the density of the spreads, and expand again at their mean."""
        log_spreads, terms = np.full(hierarchy.spreads, np.log(TYPICAL_SPREAD)), len(hierarchy.centre)
        outer = StudentMixture(np.ones(1), log_spreads[None], np.eye(hierarchy.spreads)[None])
        at, gradient, information = mode_given(hierarchy, log_spreads, start)
        proposal = cls(hierarchy, gradient, information, at, outer, np.zeros(terms), np.eye(terms))
        proposal, log_spreads = proposal.with_spreads_fitted(rng)
        at, gradient, information = mode_given(hierarchy, log_spreads, at)
        return replace(proposal, gradient=gradient, information=information, at=at).with_spreads_fitted(rng)[0]

    def expanded_at(self, at: Array, rng: np.random.Generator) -> NormalGiven:
        """The same around another expansion, with the spreads' density fitted to its evidence."""
        gradient, information = self.hierarchy.expansion(at)
        return replace(self, at=at, gradient=gradient, information=information).with_spreads_fitted(rng, 1)[0]

    def centred_at(self, at: Array, precision: Array) -> NormalGiven:
        """The same around a point that need not be a mode, with the likelihood's information there.

        The gradient is what makes it the mean where the prior's precision is the one given.
        """
        information = self.hierarchy.expansion(at)[1]
        return replace(self, at=at, gradient=precision @ (at - self.hierarchy.centre), information=information)

    def with_spreads_fitted(self, rng: np.random.Generator, fits: int = OUTER_FITS) -> tuple[NormalGiven, Array]:
        """The proposal with the spreads' density fitted to the evidence; and their mean logarithms."""
        outer, mean = self.outer, self.outer.locations[0]
        for _ in range(fits):
            points = outer.sample(OUTER_POINTS, rng)
            log_weights = self.evidence(points) - outer.log_density(points)
            weights = np.exp(log_weights - log_weights.max())
            weights /= weights.sum()
            outer, mean = outer.fitted_to(points, weights), points @ weights
        return replace(self, outer=outer), mean

    def sample(self, count: int, kept: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """Logarithms of spreads, shape (spreads, kept), and z, shape (terms, kept); of `count`, a power of two."""
        uniform = qmc.Sobol(len(self.at) + 1, seed=rng).random(count)[:kept] * (1 - 2e-12) + 1e-12
        chi2 = 2 * gammaincinv(DEGREES_OF_FREEDOM / 2, uniform[:, -1])
        normal = ndtri(uniform[:, :-1]).T * np.sqrt(DEGREES_OF_FREEDOM / chi2)
        residuals = self.shift[:, None] + self.scale @ normal
        # two quasi-random sequences paired by position are not independent
        spreads, z = self.outer.sample(count, rng)[:, rng.permutation(count)[:kept]], np.empty_like(residuals)
        vague = rng.random(kept) < VAGUE
        for values, prior in zip(spreads, self.hierarchy.priors, strict=True):
            values[vague] = np.log(prior.sample(rng, int(vague.sum())))
        for block in _blocks(kept):
            offset, root, _ = self._given(spreads[:, block])
            z[:, block] = _backward(root, residuals[:, block].T + offset).T
        return spreads, z

    def placed(self, spreads: Array, z: Array) -> tuple[Array, Array]:
        """Residuals of any points, shape (terms, points), and log density there, up to a constant of all proposals."""
        residuals, log_density = np.empty_like(z), np.empty(z.shape[1])
        for block in _blocks(z.shape[1]):
            offset, root, _ = self._given(spreads[:, block])
            residuals[:, block] = (np.matmul(z[:, block].T[:, None], root)[:, 0] - offset).T
            log_density[block] = _log_diagonal(root)
        whitened = solve_triangular(self.scale, residuals - self.shift[:, None], lower=True)
        squared = (whitened**2).sum(axis=0)
        log_density -= (DEGREES_OF_FREEDOM + len(z)) / 2 * np.log1p(squared / DEGREES_OF_FREEDOM)
        log_density += np.logaddexp(
            np.log(1 - VAGUE) + self.outer.log_density(spreads), np.log(VAGUE) + self.hierarchy.log_prior(spreads)
        )
        return residuals, log_density - np.log(self.scale.diagonal()).sum()

    def fitted_to(self, spreads: Array, residuals: Array, weights: Array) -> NormalGiven:
        """The proposal with the spreads, and location and scale of the residuals, of the weighted points."""
        total = weights.sum()
        if not total > 0:
            return self
        weights = weights / total
        ess = 1 / np.sum(weights**2)
        trust = ess / (ess + FEW)  # a few points say little
        shift = self.shift + trust * (residuals @ weights - self.shift)
        centred = residuals - shift[:, None]
        covariance = (centred * weights) @ centred.T
        own = np.diag(covariance.diagonal())
        covariance = own + ess / (ess + FEW_EACH * len(own)) * (covariance - own)
        scale = np.linalg.cholesky(trust * covariance + (1 - trust) * self.scale @ self.scale.T)
        outer = self.outer.fitted_to(spreads, trust * weights + (1 - trust) / len(weights))
        return replace(self, outer=outer, shift=shift, scale=scale)

    def terms_given(self, log_spreads: Array) -> tuple[Array, Array, Array]:
        """Mean and covariance of the terms, given spreads of shape (spreads,), and their covariance without data."""
        h = self.hierarchy
        offset, root, _ = self._given(log_spreads[:, None])
        spread_out = h.combination * h.deviations(log_spreads[:, None])[0]
        deviations = spread_out @ np.linalg.inv(root[0]).T
        return h.centre + spread_out @ _backward(root, offset)[0], deviations @ deviations.T, spread_out @ spread_out.T

    def evidence(self, spreads: Array) -> Array:
        """Log density of the spreads with the terms integrated out, as the expansion has it, up to a constant."""
        return self._given(spreads)[2] + self.hierarchy.log_prior(spreads)

    def _given(self, spreads: Array) -> tuple[Array, Array, Array]:
        """Root' mean and root of the precision of z, and log evidence, given spreads of shape (spreads, points)."""
        h = self.hierarchy
        deviations = h.deviations(spreads)
        precision = deviations[:, :, None] * (h.combination.T @ self.information @ h.combination)
        precision *= deviations[:, None, :]
        diagonal = np.arange(len(h.centre))
        precision[:, diagonal, diagonal] += 1.0
        root = np.linalg.cholesky(precision)
        pull = h.combination.T @ (self.gradient + self.information @ (self.at - h.centre))
        offset = _forward(root, deviations * pull)
        evidence = 0.5 * (offset**2).sum(axis=1) - _log_diagonal(root)
        if self.temper < 1:
            mean = _backward(root, offset)
            precision *= self.temper
            precision[:, diagonal, diagonal] += 1 - self.temper
            root = np.linalg.cholesky(precision)
            offset = np.matmul(mean[:, None], root)[:, 0]
        return offset, root, evidence


def _forward(root: Array, right: Array) -> Array:
    """Solution x of root x = right at every point, for lower triangular roots, shape (points, terms, terms)."""
    x = np.empty_like(right)
    for i in range(right.shape[1]):
        x[:, i] = (right[:, i] - (root[:, i, :i] * x[:, :i]).sum(axis=1)) / root[:, i, i]
    return x


def _backward(root: Array, right: Array) -> Array:
    """Solution x of root' x = right at every point."""
    left, x = right.copy(), np.empty_like(right)
    for i in reversed(range(right.shape[1])):
        x[:, i] = left[:, i] / root[:, i, i]
        left[:, :i] -= root[:, i, :i] * x[:, i : i + 1]
    return x


def _blocks(points: int) -> list[slice]:
    return [slice(i, i + AT_ONCE) for i in range(0, points, AT_ONCE)]


def _log_diagonal(root: Array) -> Array:
    """Half the log determinant of a matrix with this root."""
    return np.asarray(np.log(np.einsum("pii->pi", root)).sum(axis=1))


def mode_given(hierarchy: Hierarchy, log_spreads: Array, at: Array) -> tuple[Array, Array, Array]:
    """Mode of the terms given spreads, by Fisher scoring; with gradient and information there."""
    spread_out = hierarchy.combination * hierarchy.deviations(log_spreads[:, None])[0]
    inverse = np.linalg.inv(spread_out)
    prior = inverse.T @ inverse
    gradient, information = hierarchy.expansion(at)
    pace, last = 1.0, np.inf
    for _ in range(STEPS):
        slope = gradient - prior @ (at - hierarchy.centre)
        step = np.linalg.solve(information + prior, slope)
        gain, longest = float(slope @ step), float(np.abs(step).max())
        pace = min(1.0, 1.5 * pace) if gain < last else pace / 2  # too far: the expansion does not hold there
        at, last = at + step * min(pace, LONGEST_STEP / max(longest, SMALL)), gain
        gradient, information = hierarchy.expansion(at)
        if gain < SMALL:
            break
    return at, gradient, information
