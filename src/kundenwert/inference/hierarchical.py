"""Importance sampling of hierarchical models: normal terms given a few spreads.

Two dozen terms of offers and segments are too many for one t distribution around a mode, and their scale changes with
the spreads. But given the spreads they are close to normal, with a mean and a precision that follow from one expansion
of the likelihood; and integrating them out leaves a density of one to three spreads that a mixture fits well. Points
drawn so, spreads first, get the weights of the exact posterior.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np
from scipy.linalg import solve_triangular
from scipy.special import gammaincinv, logsumexp, ndtri
from scipy.stats import qmc

from kundenwert.inference.diagnostics import HIGHEST_PARETO_K, SMALLEST_IMPORTANCE_ESS
from kundenwert.inference.importance import WeightedPoints, smoothed
from kundenwert.inference.proposal import StudentMixture
from kundenwert.progress import each

if TYPE_CHECKING:
    from kundenwert.inference.methods import ImportanceSampling
    from kundenwert.inference.target import Target
    from kundenwert.models.core import Array
    from kundenwert.models.core.hierarchy import Hierarchy

__all__ = ["hierarchical_points"]

DEGREES_OF_FREEDOM: Final = 8.0  # of the terms: with two dozen of them, heavier tails waste most points
OUTER_POINTS: Final = 2048
OUTER_FITS: Final = 3
TYPICAL_SPREAD: Final = 0.3
STEPS: Final = 20
LONGEST_STEP: Final = 2.0
SMALL: Final = 1e-3  # of the log density, to be gained by a step: a proposal need not be nearer to the mode
POINTS: Final = 8192
GROWTH: Final = 2  # points of a round, relative to the one before
MOST_POINTS: Final = 2**16
AT_ONCE: Final = 4096
WIDEST: Final = 2.0  # by which a term's scale is changed from round to round at most
FEW: Final = 50.0  # effective points
VAGUE: Final = 0.1  # of the spreads are drawn from their priors: those that are near zero are rare, but not so rare
TEMPER: Final = 0.1  # of the information, with which
LOOSE_SHARE: Final = 0.2  # of the points are drawn
LEAST_SHARE: Final = 0.2  # of the points, that is dealt out evenly among proposals
LOOSE: Final = 3.0  # times the priors' deviations, where the mode next to the data is looked for first
APART: Final = 0.5  # deviations between two modes that are not the same
EASY: Final = ((0.5, 2 * SMALLEST_IMPORTANCE_ESS), (HIGHEST_PARETO_K, 8 * SMALLEST_IMPORTANCE_ESS))


def hierarchical_points(
    target: Target[Any], hierarchy: Hierarchy, method: ImportanceSampling, rng: np.random.Generator
) -> WeightedPoints:
    """Weighted points from the posterior; the best of up to 1 + `refits` rounds, each with twice as many points."""
    count = method.points or max(POINTS, 1 << (method.draws - 1).bit_length())
    tight = _parts(hierarchy, rng)
    parts = [*tight, *(replace(part, temper=TEMPER) for part in tight)]
    shares = np.repeat([1 - LOOSE_SHARE, LOOSE_SHARE], len(tight)) / len(tight)
    best: WeightedPoints | None = None
    for round_ in each(iter(range(1 + method.refits)), "rounds"):
        sizes = np.diff(np.rint(np.cumsum(np.r_[0.0, shares]) * count)).astype(np.int64)
        drawn = [part.sample(count, size, rng) for part, size in zip(parts, sizes, strict=True)]
        spreads, z = (np.concatenate(values, axis=1) for values in zip(*drawn, strict=True))
        residuals, log_densities = zip(*(part.placed(spreads, z) for part in parts), strict=True)
        log_density = logsumexp(np.stack(log_densities) + np.log(sizes / count)[:, None], axis=0)
        points = _coordinates(hierarchy, spreads, z)
        weights, pareto_k = smoothed(target(points) - log_density)
        latest = WeightedPoints(points, weights, pareto_k, round_ + 1)
        if best is None or latest.score > best.score:
            best = latest
        if any(best.pareto_k < k and best.ess > ess for k, ess in EASY):
            break  # no further round is worth it
        belongs = np.exp(np.stack(log_densities) + np.log(sizes / count)[:, None] - log_density) * weights
        parts = [part.fitted_to(spreads, e, w) for part, e, w in zip(parts, residuals, belongs, strict=True)]
        shares = LEAST_SHARE / len(parts) + (1 - LEAST_SHARE) * belongs.sum(axis=1)
        count = count if method.points else min(GROWTH * count, MOST_POINTS)
    assert best is not None  # noqa: S101 - the loop runs at least once
    return best


@final
@dataclass(frozen=True, slots=True)
class _Proposal:
    """Spreads from a mixture; standard normals z of the terms, given them, around a mean that one expansion gives.

    A residual is the distance of z from that mean, in directions and units of their standard deviations; `shift` and
    the lower triangular `scale` correct for what the expansion misses. With a `temper` below one, terms vary as if the
    data said less than they do at the mean, as it is on the other side of a hazard that has brought back everybody.
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
    def around(cls, hierarchy: Hierarchy, start: Array, rng: np.random.Generator) -> _Proposal:
        """Expand at typical spreads, fit the density of the spreads, and expand again at their mean."""
        log_spreads, terms = np.full(hierarchy.spreads, np.log(TYPICAL_SPREAD)), len(hierarchy.centre)
        outer = StudentMixture(np.ones(1), log_spreads[None], np.eye(hierarchy.spreads)[None])
        at, gradient, information = _mode(hierarchy, log_spreads, start)
        proposal = cls(hierarchy, gradient, information, at, outer, np.zeros(terms), np.eye(terms))
        proposal, log_spreads = proposal.with_spreads_fitted(rng)
        at, gradient, information = _mode(hierarchy, log_spreads, at)
        return replace(proposal, gradient=gradient, information=information, at=at).with_spreads_fitted(rng)[0]

    def with_spreads_fitted(self, rng: np.random.Generator) -> tuple[_Proposal, Array]:
        """The proposal with the spreads' density fitted to the evidence; and their mean logarithms."""
        outer, mean = self.outer, self.outer.locations[0]
        for _ in range(OUTER_FITS):
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
            mean, root, _ = self._given(spreads[:, block])
            z[:, block] = (mean + np.linalg.solve(np.swapaxes(root, 1, 2), residuals[:, block].T[..., None])[..., 0]).T
        return spreads, z

    def placed(self, spreads: Array, z: Array) -> tuple[Array, Array]:
        """Residuals of any points, shape (terms, points), and log density there, up to a constant of all proposals."""
        residuals, log_density = np.empty_like(z), np.empty(z.shape[1])
        for block in _blocks(z.shape[1]):
            mean, root, _ = self._given(spreads[:, block])
            residuals[:, block] = np.einsum("pij,pi->jp", root, z[:, block].T - mean)
            log_density[block] = _log_diagonal(root)
        squared = (self._standardised(residuals) ** 2).sum(axis=0)
        log_density -= (DEGREES_OF_FREEDOM + len(z)) / 2 * np.log1p(squared / DEGREES_OF_FREEDOM)
        log_density += np.logaddexp(
            np.log(1 - VAGUE) + self.outer.log_density(spreads), np.log(VAGUE) + self.hierarchy.log_prior(spreads)
        )
        return residuals, log_density - np.log(self.scale.diagonal()).sum()

    def fitted_to(self, spreads: Array, residuals: Array, weights: Array) -> _Proposal:
        """The proposal with the spreads, and location and scale of the residuals, of the weighted points."""
        total = weights.sum()
        if not total > 0:
            return self
        weights = weights / total
        ess = 1 / np.sum(weights**2)
        trust = ess / (ess + FEW)  # a few points say little
        standard = self._standardised(residuals)
        centre = trust * (standard @ weights)
        apart = standard - centre[:, None]
        values, axes = np.linalg.eigh(trust * ((apart * weights) @ apart.T) + (1 - trust) * np.eye(len(centre)))
        variance = (axes * np.clip(values, 1 / WIDEST**2, WIDEST**2)) @ axes.T
        shift, scale = self.shift + self.scale @ centre, self.scale @ np.linalg.cholesky(variance)
        outer = self.outer.fitted_to(spreads, trust * weights + (1 - trust) / len(weights))
        return replace(self, outer=outer, shift=shift, scale=scale)

    def _standardised(self, residuals: Array) -> Array:
        """Residuals less the shift, by the scale."""
        return np.asarray(solve_triangular(self.scale, residuals - self.shift[:, None], lower=True))

    def evidence(self, spreads: Array) -> Array:
        """Log density of the spreads with the terms integrated out, as the expansion has it, up to a constant."""
        return self._given(spreads)[2] + self.hierarchy.log_prior(spreads)

    def _given(self, spreads: Array) -> tuple[Array, Array, Array]:
        """Mean and root of the precision of z, and log evidence, given spreads of shape (spreads, points)."""
        h = self.hierarchy
        deviations = h.deviations(spreads)
        information = h.combination.T @ self.information @ h.combination
        precision = deviations[:, :, None] * information * deviations[:, None, :] + np.eye(len(h.centre))
        root = np.linalg.cholesky(precision)
        pull = deviations * (h.combination.T @ (self.gradient + self.information @ (self.at - h.centre)))
        mean = np.linalg.solve(precision, pull[..., None])[..., 0]
        evidence = 0.5 * (pull * mean).sum(axis=1) - _log_diagonal(root)
        if self.temper < 1:
            root = np.linalg.cholesky(self.temper * precision + (1 - self.temper) * np.eye(len(h.centre)))
        return mean, root, evidence


def _parts(hierarchy: Hierarchy, rng: np.random.Generator) -> list[_Proposal]:
    """A proposal around the mode next to the priors' centre, and one around that next to the data, if it is another."""
    near_prior = _Proposal.around(hierarchy, hierarchy.centre, rng)
    loose = replace(hierarchy, deviation=LOOSE * hierarchy.deviation)
    start = _mode(loose, np.full(hierarchy.spreads, np.log(LOOSE * TYPICAL_SPREAD)), hierarchy.centre)[0]
    near_data = _Proposal.around(hierarchy, start, rng)
    apart = np.abs(near_data.at - near_prior.at) / hierarchy.deviations(near_prior.outer.locations[:1].T)[0]
    return [near_prior] if apart.max() < APART else [near_prior, near_data]


def _coordinates(hierarchy: Hierarchy, spreads: Array, z: Array) -> Array:
    """Coordinates of the model's quantities, shape (quantities, points)."""
    fixed = hierarchy.centre[:, None] + hierarchy.deviation[:, None] * z
    return np.concatenate([np.where(hierarchy.spread[:, None] >= 0, z, fixed), spreads])


def _blocks(points: int) -> list[slice]:
    return [slice(i, i + AT_ONCE) for i in range(0, points, AT_ONCE)]


def _log_diagonal(root: Array) -> Array:
    """Half the log determinant of a matrix with this root."""
    return np.asarray(np.log(np.einsum("pii->pi", root)).sum(axis=1))


def _mode(hierarchy: Hierarchy, log_spreads: Array, at: Array) -> tuple[Array, Array, Array]:
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
