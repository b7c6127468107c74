"""How likely histories are if customers may return from dormancy, and in which state they are now.

What is known of a customer enters through the gaps between purchases, each of which was active or dormant, and the
silence since the last purchase, which is active, dormant or for good. Weights of all these are summed in closed form
over the probability p of a lapse, and by quadrature over the purchase rate lambda.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple, Self, final

import numpy as np

from kundenwert.errors import InferenceError
from kundenwert.models.kernels.gap_modes import GapGroup, RateRange
from kundenwert.models.kernels.recency_modes import RecencyGroup

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from kundenwert.models.core import Array, History

__all__ = ["Batch", "Block", "Joint", "Revival", "after_lapse", "batches", "log_likelihood", "shares", "state_weights"]

NUMBERS_AT_ONCE: Final = 2**16
DRAWS_AT_ONCE: Final = 64


class Revival(NamedTuple):
    """Parameters r, alpha (time), a, b, omega and eta (per time)."""

    r: Array
    alpha: Array
    a: Array
    b: Array
    omega: Array
    eta: Array

    def at(self, draws: NDArray[np.intp] | slice) -> Revival:
        """Some of the draws."""
        return Revival(*(values[draws] for values in self))


@final
@dataclass(frozen=True, slots=True)
class Joint:
    """Densities of histories jointly with something else, whose values come first; shape (values, cells, draws).

    Attributes
    ----------
    values
        As multiples of the exponential of the scale.
    log_scale
        Shape (cells, draws).
    """

    values: Array
    log_scale: Array

    def add(self, rows: NDArray[np.intp], draws: NDArray[np.intp], other: Joint) -> None:
        """Add densities of some of the histories and draws."""
        cells = np.ix_(rows, draws)
        mine = self.log_scale[cells]
        highest = np.maximum(mine, other.log_scale)
        with np.errstate(under="ignore"):
            before, now = np.exp(mine - highest), np.exp(other.log_scale - highest)
            self.values[:, *cells] = self.values[:, *cells] * before + other.values * now
        self.log_scale[cells] = highest


def log_likelihood(theta: Revival, k: int, h: History) -> Array:
    """Log-likelihood of the gaps and the silence, shape (cells, draws)."""
    found = state_weights(theta, k, h)
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(found.values.sum(axis=0)) + found.log_scale)


def state_weights(theta: Revival, k: int, h: History) -> Joint:
    """Densities of histories jointly with the state now: active with 0 … k - 1 stages done, dormant, gone."""
    found = all_dormant(theta, k, h)
    for batch in batches(theta, k, h):
        for block in batch.blocks(k):
            values = np.zeros((k + 1, *block.log_scale.shape))
            for m, e_m in enumerate(block.sums):
                stay, lapse = batch.chances(m)
                values[:k] += stay * np.einsum("nps,knp->kns", e_m, block.phases)
                values[k] += lapse * e_m.sum(axis=1)
            found.add(block.rows, batch.draws, Joint(values, block.log_scale))
    dormant, gone = after_lapse(theta, h)
    *phases, lapsed = found.values
    return Joint(np.stack([*phases, lapsed * dormant, lapsed * gone]), found.log_scale)


def shares(values: Array, total: Array, h: History) -> Array:
    """Values as shares of a total, shape (cells, draws), which is the likelihood of each history but for its scale.

    Raises
    ------
    InferenceError
        If nothing is left of it.
    """
    if not (total > 0).all():
        cell = int(np.argmin((total > 0).all(axis=1)))
        message = (
            f"a customer with {h['x'].ravel()[cell]:.0f} gaps is so unlikely under some of the parameters that nothing "
            "can be told of them in floating-point numbers; look for customers who cannot be persons, and for "
            "parameters far from those of a fit"
        )
        raise InferenceError(message)
    return np.asarray(values / total)


def after_lapse(theta: Revival, h: History) -> tuple[Array, Array]:
    """Of those who lapsed at the last purchase: P(dormant and silent until T), and P(gone for good)."""
    return theta.omega * np.exp(-theta.eta * (h["T"] - h["t_x"])), 1 - theta.omega


def all_dormant(theta: Revival, k: int, h: History) -> Joint:
    """Densities if all completed gaps were dormant, as they are if there is none, jointly with phase or lapse."""
    r, alpha, a, b, omega, eta = theta
    x, silence = h["x"], h["T"] - h["t_x"]
    with np.errstate(divide="ignore", invalid="ignore"):
        log_scale = np.where(x > 0, x * np.log(omega * eta), 0.0) - eta * h["t_x"]
    i = np.arange(int(x.max()))[:, None]
    lapses = np.cumsum(np.log(a + i) - np.log(a + b + i), axis=0)
    log_scale = log_scale + np.concatenate([np.zeros((1, len(a))), lapses])[x.ravel().astype(np.int64)]
    stay, lapse = next_step(a, b, x, x)
    phases = [stay * np.exp(-r * np.log1p(silence / alpha))]
    for j in range(1, k):
        phases.append(phases[-1] * (r + (j - 1)) / j * silence / (alpha + silence))
    return Joint(np.stack([*phases, np.broadcast_to(lapse, log_scale.shape)]), log_scale)


def log_chances(a: Array, b: Array, x: int) -> Array:
    """Log of E[p^m (1 - p)^(x - m)], p ~ Beta(a, b), for m = 0 … x; shape (x + 1, draws)."""
    i = np.arange(x)[:, None]
    none = np.log(b + i) - np.log(a + b + i)
    ratio = np.log(a + i) - np.log(b + (x - 1 - i))
    return np.cumsum(np.concatenate([none.sum(axis=0)[None], ratio]), axis=0)


def next_step(a: Array, b: Array, x: Array | int, m: Array | int) -> tuple[Array, Array]:
    """P(no lapse), and P(a lapse), at the last purchase, if m of x gaps were dormant."""
    n = a + b + x
    return (b + (x - m)) / n, (a + m) / n


@final
@dataclass(frozen=True, slots=True)
class Block:
    """Histories of a batch, few enough for the cache.

    Attributes
    ----------
    rows
        Positions of the histories.
    sums
        What belongs to m = 0, 1, … < x dormant gaps, as far as they matter, with weight and density of lambda; each
        (histories, nodes, draws).
    phases
        Probabilities of the stages of an active open gap, shape (k, histories, nodes).
    log_scale
        Logarithm of what densities are to be multiplied with, shape (histories, draws).
    """

    rows: NDArray[np.intp]
    sums: list[Array]
    phases: Array
    log_scale: Array


@final
@dataclass(frozen=True, slots=True)
class Batch:
    """Histories with the same number of gaps, at least one of which was active, and draws.

    Attributes
    ----------
    group
        Histories and nodes.
    draws
        Positions of the draws.
    theta
        Their parameters.
    log_chance
        Log of E[p^m (1 - p)^(x - m)], shape (x + 1, draws).
    """

    group: GapGroup | RecencyGroup
    draws: NDArray[np.intp]
    theta: Revival
    log_chance: Array

    @classmethod
    def of(cls, group: GapGroup | RecencyGroup, draws: NDArray[np.intp], theta: Revival) -> Self:
        """The histories of a group with these draws."""
        return cls(group, draws, theta, log_chances(theta.a, theta.b, group.x))

    def chances(self, m: int) -> tuple[Array, Array]:
        """P(no lapse), and P(a lapse), at the last purchase, after m dormant gaps; each of shape (draws,)."""
        return next_step(self.theta.a, self.theta.b, self.group.x, m)

    def blocks(self, k: int) -> Iterator[Block]:
        """The histories, few at a time."""
        group = self.group
        log_prior = group.nodes.log_density(self.theta.r, self.theta.alpha)
        height = max(1, NUMBERS_AT_ONCE // log_prior.size)
        for i in range(0, len(group.rows), height):
            rows = slice(i, i + height)
            sums, log_scale = group.sums(k, log_prior, self.theta.omega, self.theta.eta, rows, self.log_chance)
            yield Block(group.rows[rows], sums, group.phases[:, rows], log_scale + group.log_scale[rows, None])


def batches(theta: Revival, k: int, h: History) -> Iterator[Batch]:
    """All histories with gaps, and all draws."""
    for span, positions in RateRange.apart(theta.r, theta.alpha):
        for group in h.once((k, span), partial(_groups, h, k, span)):
            for start in range(0, len(positions), DRAWS_AT_ONCE):
                draws = positions[start : start + DRAWS_AT_ONCE]
                yield Batch.of(group, draws, theta.at(draws))


def _groups(h: History, k: int, span: RateRange) -> list[GapGroup | RecencyGroup]:
    """Histories by their number of gaps; without lists of gaps, their sum tells what it can."""
    x = h["x"].ravel()
    silence = (h["T"] - h["t_x"]).ravel()
    groups: list[GapGroup | RecencyGroup] = []
    for count in np.unique(x[x > 0]).astype(np.int64).tolist():
        rows = np.flatnonzero(x == count)
        if h.gaps is None:
            groups.append(RecencyGroup.of(rows, count, h["t_x"].ravel()[rows], silence[rows], k, span))
        else:
            gaps = h.gaps.of_length(h["gaps"].ravel()[rows].astype(np.int64), count)
            groups.append(GapGroup.of(rows, gaps, silence[rows], k, span))
    return groups
