"""Purchases of which each takes k stages: a living customer given the stage reached, without discounting.

Stages end at rate lambda ~ Gamma(n, A). Every k-th is a purchase, after which the customer leaves with probability
p ~ Beta(a, b). Now `phase` of the k stages are done, so that the first purchase takes k - phase more. In units of A,
by a time v the number N of stages ended is negative binomial with shape n and odds v.

There are two ways to average over N and p, exact both:

- :class:`ByCount` adds up N. With floor((N + phase)/k) purchases offered, the average over p is a product; all terms
  are positive. For when there are not too many stages.
- :class:`ByRoots` adds up N given p. Survival, for one, is E[(1-p)^floor((N + phase)/k)], and the floor is taken by
  k-th roots of unity: with w = (1-p)^(1/k), q = k - 1 - phase and zeta = exp(2 pi i/k),

      sum over N = q, q + k, q + 2k, … of w^(N-q) P(N)  =  w^-q/k  sum over l of zeta^(-l q) (1 + (1 - w zeta^l) v)^-n

  which is followed by the average over p. Where w is small its terms cancel; there the left side is a short sum.
"""

from __future__ import annotations

import math
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, Final, Protocol, final, override

import numpy as np
from scipy.special import gammaln

from kundenwert.models.kernels.beta_average import beta_nodes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from kundenwert.models.core import Array

__all__ = ["ByCount", "ByRoots", "Kernel", "Stages", "stages_ended", "stages_to_add"]

SETTLED: Final = 1e-3  # what a sum leaves out, in units of the error wanted
CANCELLING: Final = 1e-4
LARGEST_RATIO: Final = 0.6
NEGLIGIBLE: Final = 1e-17


class Stages(Protocol):
    """A customer as described above; arrays of one shape."""

    @property
    def k(self) -> int:
        """Stages of a purchase."""

    @property
    def phase(self) -> int:
        """How many of them are done."""

    @property
    def n(self) -> Array:
        """Shape of the rate of stages."""

    @property
    def a(self) -> Array:
        """First shape of the dropout probability."""

    @property
    def b(self) -> Array:
        """Second shape of the dropout probability."""

    @property
    def error(self) -> float:
        """Relative error wanted."""


class Kernel(Protocol):
    """What to expect until `reach`, a time in units of A for each customer."""

    def survival(self) -> Array:
        """P(alive at `reach`)."""

    def purchases(self) -> Array:
        """Expected purchases until `reach`."""

    def intensity(self, v: Array) -> Array:
        """Expected purchases at v <= `reach` per unit of v."""


def stages_ended(k: int, phase: int, shape: Array, v: Array) -> Iterator[tuple[Array, Array, int]]:
    """For 0, 1, … purchases offered: P(as many), P(as many, and the next stage is a purchase), and N for the latter."""
    odds = v / (1 + v)
    extra = odds * (shape - 1)
    probability = np.exp(-shape * np.log1p(v))
    ended, last = 0, k - 1 - phase
    while True:
        total = probability.copy()
        while ended < last:
            ended += 1
            probability = probability * (odds + extra / ended)
            total += probability
        yield total, probability, ended
        ended, last = last + 1, last + k
        probability = probability * (odds + extra / ended)


def stages_to_add(shape: Array, v: Array, error: float) -> Array:
    """The N beyond which probabilities add up to less than about this error."""
    mean = shape * v
    return np.asarray(mean + 6 * np.sqrt(mean * (1 + v)) - math.log(error) * (1 + v))


@final
class ByCount(Kernel):
    """Sums over the number of stages.

    With m purchases offered, the customer has stayed after all of them with probability E(1-p)^m, and has made
    1 + E(1-p) + … + E(1-p)^(m-1) of them on average.
    """

    def __init__(self, customer: Stages, reach: Array) -> None:
        self.customer, self.reach = customer, reach

    @override
    def survival(self) -> Array:
        terms = self._terms(self.customer.n, lambda offered, _, stayed, __: offered * stayed)
        return np.asarray(sum(terms))

    @override
    def purchases(self) -> Array:
        terms = self._terms(self.customer.n, lambda offered, _, __, made: offered * made)
        return np.asarray(sum(terms))

    @override
    def intensity(self, v: Array) -> Array:
        """A power series in the k-th power of v/(1 + v), here relative to that of `reach`."""
        n, k = self.customer.n, self.customer.k
        relative = v / self.reach * ((1 + self.reach) / (1 + v))
        power = relative**k
        total = np.zeros(v.shape)
        most = 2 + math.ceil(float(stages_to_add(n + 1, v, self.customer.error).max()) / k)
        for term in reversed(self._intensities[:most]):
            total *= power
            total += term
        # the factor in front of P(N) that does not depend on N
        scale = np.exp((n + 1) * (np.log1p(self.reach) - np.log1p(v)))
        return np.asarray(n * total * relative ** (k - 1 - self.customer.phase) * scale)

    @cached_property
    def _intensities(self) -> list[Array]:
        """Terms of the intensity at `reach`, but for the factor n."""
        return self._terms(self.customer.n + 1, lambda _, next_is_one, stayed, __: next_is_one * stayed)

    def _terms(self, shape: Array, term: Callable[[Array, Array, Array, Array], Array]) -> list[Array]:
        """`term` of what :func:`stages_ended` gives, P(stayed) and purchases made, until the rest does not matter."""
        a, b, v = self.customer.a, self.customer.b, self.reach
        terms: list[Array] = []
        total, stayed, made = np.zeros(v.shape), np.ones(v.shape), np.zeros(v.shape)
        for m, (offered, next_is_one, ended) in enumerate(stages_ended(self.customer.k, self.customer.phase, shape, v)):
            terms.append(term(offered, next_is_one, stayed, made))
            total += terms[-1]
            if m % 4 == 3:
                # from here on P(N) falls at least like a geometric series; this is 1 less its ratio, if positive
                falls = np.minimum(1, 1 - v * (shape - 1) / (ended + 1)) / (1 + v)
                rest = term(next_is_one, next_is_one, stayed, made + 1 / np.maximum(falls, 1e-9))
                if (rest <= falls * total * (self.customer.error * SETTLED)).all():
                    break
            made = made + stayed
            stayed = stayed * ((b + m) / (a + b + m))
        return terms


@final
class ByRoots(Kernel):
    """Averages over p of sums over roots of unity."""

    def __init__(self, customer: Stages, reach: Array) -> None:
        self.customer, self.reach = customer, reach
        self.nodes = beta_nodes(customer.a, customer.b, reach * (customer.n + 1), customer.error)
        self.k, self.q, self.n = customer.k, customer.k - 1 - customer.phase, customer.n[..., None]
        log_w = -np.log1p(self.nodes.p / self.nodes.complement) / self.k
        self.w = np.exp(log_w)
        self.lead = np.exp(-self.q * log_w) / self.k
        self.c_0 = -np.expm1(log_w)  # 1 - w, and its companions 1 - w zeta^l below

    @override
    def survival(self) -> Array:
        """P(alive) is p times the sum with another factor 1/(1 - w zeta^l)."""
        n, v = self.customer.n, self.reach
        values = np.exp(-self.n * np.log1p(self.c_0 * v[..., None])) / self.c_0 + self._oscillating(self.n, v, 1)
        values *= self.lead * self.nodes.p
        coefficients = (offered for offered, _, _ in stages_ended(self.k, self.customer.phase, n, v))
        return self.nodes.mean(self._mended(values, self._cancelling(n, v), coefficients))

    @override
    def purchases(self) -> Array:
        """The integral of the intensity: as survival, but for 1 - (1 + (1 - w zeta^l) v)^-n instead of the power."""
        v = self.reach
        values = -np.expm1(-self.n * np.log1p(self.c_0 * v[..., None])) / self.c_0
        values += self._oscillating(self.n, np.zeros(v.shape), 1) - self._oscillating(self.n, v, 1)
        values *= self.lead
        few = accumulate(offered for offered, _, _ in stages_ended(self.k, self.customer.phase, self.customer.n, v))
        cancelling = np.full(v.shape, min(LARGEST_RATIO, CANCELLING ** (1 / max(self.q, 1))))
        return self.nodes.mean(self._mended(values, cancelling, (1 - offered for offered in few)))

    @override
    def intensity(self, v: Array) -> Array:
        values = np.exp(-(self.n + 1) * np.log1p(self.c_0 * v[..., None])) + self._oscillating(self.n + 1, v, 0)
        values *= self.lead
        shape = self.customer.n + 1
        coefficients = (next_is_one for _, next_is_one, _ in stages_ended(self.k, self.customer.phase, shape, v))
        return self.customer.n * self.nodes.mean(self._mended(values, self._cancelling(shape, v), coefficients))

    def _oscillating(self, shape: Array, v: Array, divided: int) -> Array:
        """Sum over roots zeta other than 1 of zeta^-q (1 + c v)^-shape c^-divided, c = 1 - w zeta, by conjugates."""
        total = np.zeros(self.w.shape)
        v = v[..., None]
        for root in range(1, (self.k - 1) // 2 + 1):
            angle = 2 * math.pi * root / self.k
            real, imaginary = 1 - self.w * math.cos(angle), -self.w * math.sin(angle)
            x, y = 1 + v * real, v * imaginary
            exponent, turn = -0.5 * shape * np.log(x * x + y * y), -shape * np.arctan2(y, x) - angle * self.q
            if divided:
                exponent -= 0.5 * np.log(real * real + imaginary * imaginary)
                turn -= np.arctan2(imaginary, real)
            total += 2 * np.exp(exponent) * np.cos(turn)
        if self.k % 2 == 0:
            c = 1 + self.w
            total += (-1) ** self.q * np.exp(-shape * np.log1p(c * v)) / c**divided
        return total

    def _cancelling(self, shape: Array, v: Array) -> Array:
        """The w below which w^q P(N = q) is so much smaller than P(N = 0) that sums over roots lose digits."""
        q = max(self.q, 1)
        log_ratio = math.log(CANCELLING) - (gammaln(shape + q) - gammaln(shape) - math.lgamma(q + 1))
        return np.asarray(np.minimum(LARGEST_RATIO, np.exp(log_ratio / q)) * (1 + v) / v)

    def _mended(self, values: Array, cancelling: Array, coefficients: Iterable[Array]) -> Array:
        """`values` with the sum over N, a power series in 1 - p, wherever w is below `cancelling`."""
        if self.q == 0:
            return values
        largest = np.minimum(0.9, cancelling) ** self.k  # of 1 - p
        used: list[Array] = []
        for m, coefficient in enumerate(coefficients):
            used.append(coefficient)
            if (coefficient * largest**m <= NEGLIGIBLE * used[0]).all():
                break
        series = np.zeros(values.shape)
        for coefficient in reversed(used):
            series *= self.nodes.complement
            series += coefficient[..., None]
        return np.where(self.nodes.complement < largest[..., None], series, values)
