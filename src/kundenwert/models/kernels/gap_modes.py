"""Sums over all the ways in which a customer's gaps may have been active or dormant ones.

A customer with x completed gaps g_1 … g_x had an active gap with probability 1 - p each time, of density
A_j = lambda^k g_j^(k-1) exp(-lambda g_j)/(k-1)!, and a dormant one with probability omega p, of density
B_j = eta exp(-eta g_j). The product over gaps of (1 - p) A_j + omega p B_j is a polynomial,

    sum over m of (1 - p)^(x-m) p^m e_m(lambda),   prod (A_j + omega B_j z) = sum e_m z^m,

so that the integral over p ~ Beta(a, b) is a sum of beta functions, without nodes. That over lambda ~ Gamma(r, alpha)
is a trapezoidal sum in t, where log lambda = t - exp(t0 - t): equal steps in log lambda to the right of t0, and
growing ones to the left, where only the tails of gamma densities lie. Each term of the polynomial with m < x is a sum
of gamma densities of shape r + k (x - m) >= r + k, whose tails are short. That with m = x does not depend on lambda.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, Self, final

import numpy as np
from scipy import special

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from kundenwert.models.core import Array

__all__ = [
    "NEPERS",
    "NEPERS_LEFT_OUT",
    "TAIL",
    "GapGroup",
    "RateNodes",
    "RateRange",
    "open_phases",
    "step_for",
]

TAIL: Final = 1e-13  # of gamma densities, left out beyond the last node
NEPERS: Final = 32.0  # by which densities have fallen at the first node
STEP: Final = 0.87
NARROWEST: Final = 16.0  # shape of a gamma density for which the steps are small enough at least
MOST_AT_ONCE: Final = 24  # gaps, above which to look for nodes and powers that can be left out
NEPERS_LEFT_OUT: Final = 40.0  # by which these are less likely
FEW_POWERS: Final = 12
RESCALED_AFTER: Final = 256  # factors
LOWEST: Final = -1e300  # logarithm, instead of that of nought
TOO_SMALL: Final = 1e-250  # for what was added to it, and vanished, to have been negligible


class RateRange(NamedTuple):
    """Gamma(r, alpha) distributions that share nodes: r from `least` to `most`, alpha from `low` to `high`."""

    least: float
    most: float
    low: float
    high: float

    @classmethod
    def apart(cls, r: Array, alpha: Array) -> Iterator[tuple[Self, NDArray[np.intp]]]:
        """Ranges of draws that are close enough to share nodes, and the positions of their draws."""
        doubled = np.maximum(np.ceil(np.log2(r / NARROWEST)), 0).astype(np.int64)
        octave = np.floor(np.log(alpha) / math.log(4)).astype(np.int64)
        pairs, place = np.unique(np.stack([doubled, octave]), axis=1, return_inverse=True)
        for i, (level, power) in enumerate(pairs.T.tolist()):
            most = NARROWEST * 2.0**level
            yield (
                cls(most / 2 if level else 0.0, most, 4.0**power, 4.0 ** (power + 1)),
                np.flatnonzero(place.ravel() == i),
            )


@final
@dataclass(frozen=True, slots=True)
class RateNodes:
    """Nodes of a trapezoidal sum over lambda, of shape (nodes,).

    Attributes
    ----------
    t
        Equally spaced.
    log_rate, log_weight
        log lambda, and the logarithm of the step times d log lambda/dt.
    """

    t: Array
    log_rate: Array
    log_weight: Array

    @classmethod
    def between(cls, shape: float, time: float, fastest: float, step: float) -> Self:
        """Nodes from the left tail of Gamma(shape, time) on, up to the fastest rate."""
        bend = math.log(shape / time) - 1
        tail = math.log1p(NEPERS / shape)
        end = math.log(fastest) + min(fastest, math.exp(bend)) / fastest  # where log lambda is that of the fastest
        count = 2 + math.ceil((max(end - bend, 0) + tail) / step)
        t: Array = bend - tail + step * np.arange(count, dtype=np.float64)
        below: Array = np.exp(bend - t)
        return cls(t, t - below, math.log(step) + np.log1p(below))

    @classmethod
    def for_gaps(cls, gaps: Array, silence: Array, k: int, span: RateRange) -> Self:
        """Nodes for histories of x gaps, any of which, but at least one, may have been active; others were dormant."""
        x = gaps.shape[1]
        shortest = np.cumsum(np.sort(gaps, axis=1), axis=1).min(axis=0)
        shapes = span.most + k * np.arange(1, x + 1)
        fastest = (special.gammainccinv(shapes, TAIL) / (span.low + shortest)).max()
        time = span.high + (gaps.sum(axis=1) + silence).max()
        return cls.between(span.least + k, time, float(fastest), step_for(span.most + k * x))

    @classmethod
    def of_gamma(cls, r: Array, alpha: Array, time: float, k: int) -> Self:
        """Nodes for Gamma(r + j, alpha + g) distributions, with j < k and g up to `time`."""
        fastest = special.gammainccinv(r.max() + k, TAIL) / alpha.min()
        return cls.between(float(r.min()), alpha.max() + time, fastest, step_for(max(NARROWEST, r.max() + k)))

    def log_density(self, r: Array, alpha: Array) -> Array:
        """Log of weight times density of Gamma(r, alpha), shape (nodes, draws)."""
        u = self.log_rate[:, None]
        return np.asarray(r * (np.log(alpha) + u) - alpha * np.exp(u) - special.gammaln(r) + self.log_weight[:, None])


@final
@dataclass(frozen=True, slots=True)
class GapGroup:
    """Histories with the same number x >= 1 of gaps, and what about them depends on lambda alone.

    Densities of a gap are multiples of the largest value A_j can have, k^k exp(-k)/(k-1)!/g_j.

    Attributes
    ----------
    rows
        Positions of the histories.
    gaps
        Shape (histories, x).
    nodes
        Of lambda, shared by all.
    active
        A_j, shape (x, histories, nodes).
    phases
        exp(-lambda g) (lambda g)^j/j!, that j stages of the open gap g are done if it is active, for j < k;
        shape (k, histories, nodes).
    log_scale
        Sum of the logarithms of what densities are multiples of, shape (histories,).
    """

    rows: NDArray[np.intp]
    gaps: Array
    nodes: RateNodes
    active: Array
    phases: Array
    log_scale: Array

    @classmethod
    def of(cls, rows: NDArray[np.intp], gaps: Array, silence: Array, k: int, span: RateRange) -> Self:
        """Prepare histories for parameters within a range."""
        nodes = RateNodes.for_gaps(gaps, silence, k, span)
        stages = np.exp(nodes.log_rate) * gaps.T[:, :, None]
        with np.errstate(under="ignore"):
            active = np.exp(log_relative(stages, k))
        log_scale = gaps.shape[1] * log_largest(k) - np.log(gaps).sum(axis=1)
        return cls(rows, gaps, nodes, active, open_phases(nodes, silence, k), log_scale)

    @property
    def x(self) -> int:
        """How many gaps each of the histories has."""
        return int(self.gaps.shape[1])

    def sums(  # noqa: PLR0917 - of whom, and under which parameters
        self, k: int, log_prior: Array, omega: Array, eta: Array, rows: slice, log_chance: Array
    ) -> tuple[list[Array], Array]:
        """E[p^m (1 - p)^(x - m)] e_m(lambda) for m = 0, 1, … < x, as far as they matter, times density and weight.

        Each has shape (histories, nodes, draws), and all are to be multiplied by the exponential of what comes second,
        shape (histories, draws); `log_scale` is not in there. The logarithm of the first factor is `log_chance`, shape
        (x + 1, draws); the density is that of lambda.
        """
        gaps = self.gaps[rows]
        shape = (len(gaps), *log_prior.shape)
        if self.x > MOST_AT_ONCE:
            return self._careful_sums(k, log_prior, omega, eta, rows, log_chance)
        sums, work = [np.broadcast_to(np.exp(log_prior), shape).copy()], np.empty(shape)
        for j in range(self.x):
            dormant = np.exp(log_dormant(gaps[:, j, None], k, omega, eta))[:, None, :]
            _multiply(sums, self.active[j, rows, :, None], dormant, work, highest=self.x - 1)
        likeliest = log_chance.max(axis=0)
        for e_m, log_factor in zip(sums, log_chance - likeliest, strict=False):
            np.multiply(e_m, np.exp(log_factor), out=e_m)
        if np.max([each.max(axis=1) for each in sums], axis=0).min() < TOO_SMALL:
            return self._careful_sums(k, log_prior, omega, eta, rows, log_chance)
        return sums, np.broadcast_to(likeliest, (shape[0], shape[2]))

    def _careful_sums(  # noqa: PLR0917 - as above
        self, k: int, log_prior: Array, omega: Array, eta: Array, rows: slice, log_chance: Array
    ) -> tuple[list[Array], Array]:
        """The same where products are too small for floating-point numbers, or there are many of them.

        Every node has a scale of its own. Nodes and powers without weight are left out: a history is at most as likely
        as if every gap had been of the likelier kind, and at least as likely as if all had been active.
        """
        gaps = self.gaps[rows]
        log_active = np.stack([log_relative(np.exp(self.nodes.log_rate) * gap[:, None], k) for gap in gaps.T])
        log_asleep = np.stack([log_dormant(gap[:, None], k, omega, eta) for gap in gaps.T])
        pairs = list(zip(log_active[..., None], log_asleep[:, :, None], strict=True))
        largest = log_prior + sum(np.maximum(active, asleep) for active, asleep in pairs)
        least = (log_prior + log_active.sum(axis=0)[:, :, None]).max(axis=1) + log_chance[0]
        used = np.flatnonzero((largest > least[:, None] - NEPERS_LEFT_OUT).any(axis=(0, 2)))
        pairs = [(active[:, used], asleep) for active, asleep in pairs]
        of_all = log_prior[used] + sum(np.logaddexp(active, asleep) for active, asleep in pairs)
        few = min(self.x - 1, FEW_POWERS)
        while True:
            sums, scale = _powers(pairs, few)
            scale += largest[:, used]
            with np.errstate(divide="ignore"):
                logs = [np.log(each) + scale + log_chance[m] for m, each in enumerate(sums)]
            if few == self.x - 1:
                break
            found = np.max([each.max(axis=1) for each in logs], axis=0)
            # the coefficients are log-concave: once they halve, those left out sum to less than the last
            halving = logs[-1] - log_chance[few] < logs[-2] - log_chance[few - 1] - math.log(2)
            halving |= omega == 0  # all beyond the first are nought
            left_out = np.where(halving, logs[-1] - log_chance[few], of_all).max(axis=1)
            if (left_out + np.maximum(log_chance[few], log_chance[self.x]) < found - NEPERS_LEFT_OUT).all():
                break
            few = min(self.x - 1, 2 * few)
        highest: Array = np.max([each.max(axis=1) for each in logs], axis=0)
        result = [np.zeros((len(gaps), *log_prior.shape)) for _ in sums]
        with np.errstate(under="ignore"):
            for whole, each in zip(result, logs, strict=True):
                whole[:, used] = np.exp(each - np.maximum(highest, LOWEST)[:, None])
        return result, highest


def _powers(pairs: Sequence[tuple[Array, Array]], highest: int) -> tuple[list[Array], Array]:
    """Coefficients of z^m, up to the highest, of the product of exp(active) + exp(asleep) z over the larger of the two.

    Shapes are (histories, nodes, 1) and (histories, 1, draws). What comes second is a logarithm to be added.
    """
    shape = np.broadcast_shapes(*(each.shape for each in pairs[0]))
    sums, work, scale = [np.ones(shape)], np.empty(shape), np.zeros(shape)
    for j, (active, asleep) in enumerate(pairs, start=1):
        larger = np.maximum(active, asleep)
        _multiply(sums, np.exp(active - larger), np.exp(asleep - larger), work, highest=highest)
        if j % RESCALED_AFTER == 0:  # they at most double each time
            most = np.max(sums, axis=0)
            most = np.where(most > 0, most, 1.0)
            scale += np.log(most)
            for each in sums:
                np.divide(each, most, out=each)
    return sums, scale


def _multiply(sums: list[Array], active: Array, dormant: Array, work: Array, *, highest: int) -> None:
    """Multiply a polynomial by active + dormant z, in place, up to this power."""
    new = sums[-1] * dormant if len(sums) <= highest else None
    for m in range(len(sums) - 1, 0, -1):
        np.multiply(sums[m - 1], dormant, out=work)
        sums[m] *= active
        sums[m] += work
    sums[0] *= active
    if new is not None:
        sums.append(new)


def open_phases(nodes: RateNodes, silence: Array, k: int) -> Array:
    """exp(-lambda g) (lambda g)^j/j! for stages j < k of the open gap g, shape (k, histories, nodes)."""
    elapsed = np.exp(nodes.log_rate) * silence[:, None]
    with np.errstate(under="ignore"):
        phases = [np.exp(-elapsed)]
        for j in range(1, k):
            phases.append(phases[-1] * elapsed / j)
    return np.stack(phases)


def step_for(shape: float) -> float:
    """Steps of t small enough for gamma densities of up to this shape, from 16 on: sums are good to about 1e-10."""
    return STEP / math.sqrt(shape + 5)


def log_largest(k: int) -> float:
    """Log of the largest density of a gap, as lambda varies, times the gap."""
    return k * math.log(k) - k - math.lgamma(k)


def log_relative(stages: Array, k: int) -> Array:
    """Log of the density of an active gap as a multiple of its largest, at lambda times the gap."""
    return np.asarray(k * np.log(stages / k) - stages + k)


def log_dormant(gap: Array, k: int, omega: Array, eta: Array) -> Array:
    """Log of omega times the density of a dormant gap, as a multiple of the largest density of an active one."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(omega * eta * gap) - eta * gap - log_largest(k))
