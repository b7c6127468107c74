"""Averages over what customers differ in, by the trapezoidal rule on normal scores.

On that scale the population is standard normal, and what a history tells makes the density narrower, but no less
smooth: a few equal steps over where it is not negligible give many digits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final, final, override

import numpy as np
from scipy.special import gammainccinv, gammaincinv, gammaln, log_ndtr, ndtr

from kundenwert.models.core import LevelLaw, LevelNodes, RateLaw, RateNodes

if TYPE_CHECKING:
    from kundenwert.models.core import Array

__all__ = ["GammaLevel", "GammaMixture", "GammaRate", "NormalLevel"]

GRID: Final = np.linspace(-10, 10, 81)  # scores; those beyond are taken as the ends
TINY: Final = -25.0  # logarithm of a gamma variate: below, one term of its distribution function is enough
TAIL: Final = 13.0  # what the nodes leave out on each side is less than exp(-13) of a component
NEGLIGIBLE: Final = 1e-8  # weight of a component that need not lie within the nodes


@final
@dataclass(frozen=True)
class GammaMixture:
    """A gamma population, and mixtures of gamma distributions that histories make of it.

    Parameters
    ----------
    r, alpha
        Shape and rate of the population, shape (draws,).
    shape, rate, weight
        Components, shape (components, cells, draws); weights add up to 1 over the components.
    """

    r: Array
    alpha: Array
    shape: Array
    rate: Array
    weight: Array

    def nodes(self, count: int) -> tuple[Array, Array, Array]:
        """Scores, logarithms, and the weights of each component: shape (components, nodes, cells, draws)."""
        spread = TAIL / self.shape + np.sqrt(2 * TAIL / self.shape)
        centre, counted = np.log(self.shape / self.rate), self.weight > NEGLIGIBLE
        low = np.where(counted, centre - spread, np.inf).min(axis=0)
        high = np.where(counted, centre + np.log1p(spread), -np.inf).max(axis=0)
        log_alpha = np.log(self.alpha)
        edges = np.stack([low, high]) + log_alpha
        quantiles = np.stack([_log_quantiles(float(r)) for r in self.r], axis=-1)
        ends = np.empty(edges.shape)
        for draw in range(len(self.r)):  # roughly is enough here
            ends[..., draw] = np.interp(edges[..., draw], quantiles[0, :, draw], GRID)
        score = ends[0] + (ends[1] - ends[0]) * (np.arange(count) / (count - 1))[:, None, None]
        log_value = _interpolated(quantiles, score)
        log_value -= log_alpha
        value = np.exp(log_value)
        # the density of the score: that of the population, standard normal, times what the history makes of it
        log_density = (self.shape - self.r)[:, None] * log_value - (self.rate - self.alpha)[:, None] * value
        log_density -= 0.5 * score**2
        log_density -= log_density.max(axis=1, keepdims=True)
        density = np.exp(log_density)
        return score, log_value, density * (self.weight / density.sum(axis=1))[:, None]


@lru_cache(maxsize=2048)
def _log_quantiles(shape: float) -> Array:
    """Logarithm of a Gamma(shape, 1) variate at the scores of the grid, and its slope there; shape (2, grid)."""
    with np.errstate(divide="ignore"):
        log_value = np.log(np.where(GRID < 0, gammaincinv(shape, ndtr(GRID)), gammainccinv(shape, ndtr(-GRID))))
    far = (log_ndtr(GRID) + gammaln(shape + 1)) / shape
    log_value = np.where(far < TINY, far, log_value)
    log_density = shape * log_value - np.exp(log_value) - gammaln(shape)
    slope = np.exp(-0.5 * GRID**2 - 0.5 * math.log(2 * math.pi) - log_density)
    return np.stack([log_value, slope])


def _interpolated(quantiles: Array, score: Array) -> Array:
    """Values at scores between those of the grid, by cubics; `quantiles` has shape (2, grid, draws)."""
    step = GRID[1] - GRID[0]
    place = (score - GRID[0]) / step
    left = np.minimum(place.astype(np.intp), len(GRID) - 2)
    t = place - left
    left = left * quantiles.shape[-1] + np.arange(quantiles.shape[-1])
    right = left + quantiles.shape[-1]
    value, slope = quantiles[0].ravel(), quantiles[1].ravel() * step
    y_0, d_0 = value[left], slope[left]
    rise, d_1 = value[right] - y_0, slope[right]
    return np.asarray(y_0 + t * (d_0 + t * (3 * rise - 2 * d_0 - d_1 + t * (d_0 + d_1 - 2 * rise))))


@final
@dataclass(frozen=True)
class GammaRate(RateLaw):
    """Purchase rates; the first `states` components of the mixture are living customers, the others are gone."""

    mixture: GammaMixture
    states: int

    @override
    def nodes(self, count: int) -> RateNodes:
        score, log_rate, weight = self.mixture.nodes(count)
        gone = weight[self.states :].sum(axis=0)
        return RateNodes(score=score, rate=np.exp(log_rate), alive=weight[: self.states], gone=gone)


@final
@dataclass(frozen=True)
class GammaLevel(LevelLaw):
    """Levels of amounts that are the larger, the smaller a gamma variate is: mean amounts are in proportion to 1/nu.

    Parameters
    ----------
    r, alpha
        Shape and rate of nu in the population, shape (draws,).
    shape, rate
        The same given histories, shape (cells, draws).
    """

    r: Array
    alpha: Array
    shape: Array
    rate: Array

    @override
    def nodes(self, count: int) -> LevelNodes:
        one = np.ones((1, *np.broadcast_shapes(self.shape.shape, self.rate.shape)))
        mixture = GammaMixture(self.r, self.alpha, self.shape * one, self.rate * one, one)
        score, _, weight = mixture.nodes(count)
        return LevelNodes(score=-score, weight=weight[0])

    @override
    def by_amount(self) -> GammaLevel:
        return replace(self, shape=self.shape - 1)


@final
@dataclass(frozen=True)
class NormalLevel(LevelLaw):
    """Levels that are normal on the logarithm, with mean amounts in proportion to exp(level).

    Parameters
    ----------
    mu, tau
        Mean and standard deviation in the population, shape (draws,).
    mean, variance
        The same given histories (the square of the latter), shape (cells, draws).
    """

    mu: Array
    tau: Array
    mean: Array
    variance: Array

    @override
    def nodes(self, count: int) -> LevelNodes:
        standard = np.linspace(-1, 1, count)[:, None, None] * np.sqrt(2 * TAIL)
        weight = np.exp(-0.5 * standard**2)
        score = (self.mean + np.sqrt(self.variance) * standard - self.mu) / self.tau
        return LevelNodes(score=score, weight=np.broadcast_to(weight / weight.sum(), score.shape))

    @override
    def by_amount(self) -> NormalLevel:
        return replace(self, mean=self.mean + self.variance)
