"""From purchase to purchase through k stages or through dormancy: a chain of k + 1 states, over any time ahead.

The states are the k phases of an active gap, which end at rate lambda each, and dormancy, which ends at rate eta. A
purchase ends the last phase, or dormancy; after it comes a new active gap (q1), dormancy (q2), or nothing (q0).

With P(t) the matrix of P(in state j at t | in state i now) and m(t) the expected purchases until then,

- over a short time both are series in the matrix of a single step (uniformisation),
- from there on, P(2 t) = P(t) P(t) and m(2 t) = m(t) + exp(-rate t) P(t) m(t).

All of it is sums of products of positive numbers, so that no digits are lost, however far apart the rates are. Only a
relative error common to a row would double with each squaring; but a row of P and those who have left, q0 m of them
without discounting, sum to one, and are made to.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

import numpy as np
from scipy.special import gammainc

from kundenwert.errors import SpecificationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kundenwert.models.core import Array

__all__ = ["RenewalChain"]

LONGEST_STEP: Final = 1.0  # times the largest rate
NEGLIGIBLE: Final = 1e-18
NOBODY_LEFT: Final = 1e4  # exp of minus this is zero


@final
@dataclass(frozen=True, slots=True)
class RenewalChain:
    """Customers with known rates and probabilities, in every state they can be in.

    A state is a phase 0 … k - 1, or k for dormancy.

    Parameters
    ----------
    k
        Phases of an active gap.
    lam, eta
        Rates at which a phase and dormancy end, above 0; shape (customers,).
    q1, q2, q0
        What comes after a purchase: an active gap, dormancy, nothing; same shape, the sum is one.
    """

    k: int
    lam: Array
    eta: Array
    q1: Array
    q2: Array
    q0: Array

    def survival(self, time: float) -> Array:
        """P(not gone for good after this time), shape (states, customers)."""
        return np.minimum(self.later(time, np.ones((self.k + 1, len(self.lam)))), 1)

    def later(self, time: float, values: Array) -> Array:
        """Expected value of what is worth `values`, by state, after this time; shape (states, customers)."""
        half = self._walk(time / 2, 0.0)[:, : self.k + 1]
        return _carried(half, _carried(half, values))

    def states(self, time: float) -> Array:
        """P(in a state after this time | state now), shape (states now, states then, customers)."""
        return self._walk(time, 0.0)[:, : self.k + 1]

    def purchases(self, time: float, rate: float) -> Array:
        """Expected purchases until this time, discounted at this rate; shape (states, customers)."""
        table = self._walk(time / 2, rate)
        half = table[:, -1]
        return np.asarray(half + math.exp(-rate * time / 2) * _carried(table[:, : self.k + 1], half))

    def counts(self, largest: int, time: float) -> Array:
        """P(exactly 0, 1, … `largest` purchases until this time), shape (states, counts, customers)."""
        half = self._counted_walk(largest, time / 2)
        arrived, result, later = half[:, : self.k + 1], half[:, self.k + 1].copy(), half.sum(axis=1)
        for first in range(largest + 1):
            result[:, first:] += _carried(arrived[:, :, first], later[:, : largest + 1 - first])
        return np.minimum(result, 1)

    def _walk(self, time: float, rate: float) -> Array:
        """P(time) and the purchases, shape (states, states + 1 or 2, customers); the last column is discounted."""
        k, doublings, step, c = self.k, *self._steps(time)
        table = np.zeros((k + 1, k + 2 + (rate > 0), len(self.lam)))
        for weight, tails in _weights(k + 1, c, rate * step):
            bought = self._after_purchase(table)
            bought[k + 1 :] += tails[: bought.shape[0] - (k + 1), None]
            self._step_back(table, bought)
            for state in range(k + 1):
                table[state, state] += weight
        for _ in range(doublings):
            before = table
            table = _carried(before[:, : k + 1], before)
            table[:, -1] *= math.exp(-rate * step)
            table[:, k + 1 :] += before[:, k + 1 :]
            table[:, : k + 1] /= (table[:, : k + 1].sum(axis=1) + self.q0 * table[:, k + 1])[:, None]
            step *= 2
        return table

    def _counted_walk(self, largest: int, time: float) -> Array:
        """As :meth:`_walk`, but a matrix for each number of purchases; shape (states, states + 1, counts, customers).

        The last column is for those who have left after the last of these purchases.
        """
        k, doublings, step, c = self.k, *self._steps(time)
        table = np.zeros((k + 1, k + 2, largest + 1, len(self.lam)))
        for weight, tails in _weights(k * (largest + 1) + 1, c, 0.0):
            bought = np.zeros(table.shape[1:])
            bought[:, 1:] = self._after_purchase(table)[:, :-1]
            bought[-1, 1:2] += self.q0 * tails[0]
            self._step_back(table, bought)
            for state in range(k + 1):
                table[state, state, 0] += weight
        for _ in range(doublings):
            before, table = table, np.zeros(table.shape)
            table[:, -1] = before[:, -1]
            for first in range(largest + 1):
                table[:, :, first:] += _carried(before[:, : k + 1, first], before[:, :, : largest + 1 - first])
            step *= 2
            table[:, : k + 1, 0] = self._silent(step)  # the only entries whose errors would double
        return table

    def _steps(self, time: float) -> tuple[int, float, float]:
        """How many doublings of which step reach the time, and the step times the largest rate."""
        if not 0 <= time < math.inf:
            message = f"states are followed over a finite time of 0 or more, got {time!r}"
            raise SpecificationError(message)
        reach = self._fastest() * time
        doublings = max(0, math.ceil(math.log2(reach / LONGEST_STEP))) if reach > 0 else 0
        step = math.ldexp(time, -doublings)
        return doublings, step, self._fastest() * step

    def _fastest(self) -> float:
        return max(float(self.lam.max(initial=0)), float(self.eta.max(initial=0)))

    def _after_purchase(self, table: Array) -> Array:
        """What is worth table[i] in state i is worth this just after a purchase."""
        return np.asarray(self.q1 * table[0] + self.q2 * table[-1])

    def _step_back(self, table: Array, bought: Array) -> None:
        """From values after a step of the uniformised chain to values before it, in place."""
        phase, dormancy = self.lam / self._fastest(), self.eta / self._fastest()
        passed = phase * table[1:-1]
        table[:-1] *= 1 - phase
        table[:-2] += passed
        table[-2] += phase * bought
        table[-1] *= 1 - dormancy
        table[-1] += dormancy * bought

    def _silent(self, time: float) -> Array:
        """P(in a state after this time without a purchase | state now), shape (states, states, customers)."""
        passed = np.minimum(self.lam * time, NOBODY_LEFT)
        result = np.zeros((self.k + 1, self.k + 1, len(passed)))
        term = np.exp(-passed)
        for phases in range(self.k):
            for phase in range(self.k - phases):
                result[phase, phase + phases] = term
            term = term * passed / (phases + 1)
        result[-1, -1] = np.exp(-self.eta * time)
        return result


def _carried(chances: Array, values: Array) -> Array:
    """Expected values; shapes are (states now, states then, customers) and (states then, …, customers)."""
    shape = (len(chances), *[1] * (values.ndim - 2), chances.shape[-1])
    result = chances[:, 0].reshape(shape) * values[0]
    term = np.empty_like(result)
    for state in range(1, len(values)):
        result += np.multiply(chances[:, state].reshape(shape), values[state], out=term)
    return np.asarray(result)


def _weights(moves: int, c: float, discount: float) -> Iterator[tuple[float, Array]]:
    """Weights of the powers of the matrix of a single step, from the last that matters back to the first.

    Parameters
    ----------
    moves
        Steps that may be needed to get anywhere at all: what takes fewer steps has about the accuracy of the sum.
    c, discount
        Time times the rate of steps, and times the rate of discounting.

    Yields
    ------
    weight
        P(n steps), Poisson.
    tails
        P(more than n steps) without discounting, and with it the expectation of exp(-rate u), u the time of step n + 1.
    """
    more, term = 0, 1.0
    while term > NEGLIGIBLE:
        more += 1
        term *= c / more
    n = np.arange(moves + more + 1)
    weights = math.exp(-c) * np.cumprod(np.r_[1.0, c / n[1:]])
    ratio = c / (c + discount) if c > 0 else 0.0
    tails = np.stack([gammainc(n + 1, c), gammainc(n + 1, c + discount) * ratio ** (n + 1)], axis=1)
    return zip(weights[::-1].tolist(), tails[::-1], strict=True)
