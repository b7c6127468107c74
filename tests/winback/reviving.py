"""Customers who may come back by themselves: posteriors, and what they are worth by sums and integrals."""

from itertools import product
from typing import Any

import numpy as np
from scipy.special import betaln, gammainc, gammaln, logsumexp

import kundenwert as kw
from tests.revivals import with_gaps

THETA: dict[str, Any] = {"r": 0.6, "alpha": 6.0, "a": 1.2, "b": 2.2, "omega": 0.4, "eta": 0.05}
GAPS = [[], [5.0], [3.0, 1.0, 9.0], [1.0, 20.0, 1.0, 2.0]]
SILENCES = [20.0, 6.0, 15.0, 0.0]
STATES = ("active", "dormant", "gone")


def known(**changes) -> Any:
    """A posterior of purchases with one draw."""
    return kw.fixed(kw.RevivalNBD.Parameters(**{**THETA, "unit": "week", **changes}))


def customers(silences=SILENCES):
    """Four customers with gaps in weeks."""
    return with_gaps(GAPS, silences)


class Alternatives:
    """All that may have happened to one customer: which gaps were dormant, and the state now.

    Given one of them, lambda is gamma and p beta distributed, and everything is known but for two integrals.
    """

    def __init__(self, theta, k, gaps, silence):
        r, alpha, a, b, omega, eta = theta.values()
        gaps, rows = np.array(gaps), []
        for dormant in product([False, True], repeat=len(gaps)):
            asleep = np.array(dormant, dtype=bool)
            m, n, active = asleep.sum(), (~asleep).sum(), gaps[~asleep].sum()
            log_density = m * np.log(omega * eta) - eta * gaps[asleep].sum()
            log_density += ((k - 1) * np.log(gaps[~asleep]) - gammaln(k)).sum()
            for state in range(k + 2):
                stages = k * n + (state if state < k else 0)
                time = active + (silence if state < k else 0.0)
                here = log_density + (state * np.log(silence) if 0 < state < k and silence > 0 else 0.0)
                if 0 < state < k:
                    here = here - gammaln(state + 1) if silence > 0 else -np.inf
                here += {k: np.log(omega) - eta * silence, k + 1: np.log1p(-omega)}.get(state, 0.0)
                lapses = m + (state >= k)
                stays = n + (state < k)
                here += betaln(a + lapses, b + stays) + gammaln(r + stages) - (r + stages) * np.log(alpha + time)
                rows.append((state, here, r + stages, alpha + time, a + lapses, b + stays))
        self.k, self.omega, self.eta = k, omega, eta
        self.state, log_weight, *self.laws = np.array(rows).T
        self.weight = np.exp(log_weight - logsumexp(log_weight))

    def expect(self, kind, value):
        """P(in a state of this kind) times what is expected there of value(state, lambda, p); gone is kind 2."""
        kinds = np.where(self.state < self.k, 0, self.state - self.k + 1)
        total = 0.0
        for place in np.flatnonzero((kinds == kind) & (self.weight > 1e-14)):
            n, rate, a, b = (law[place] for law in self.laws)
            y = np.linspace(-45 / min(n, 1), np.log(n + 40 + 12 * np.sqrt(n)), 500)[:, None]
            z = np.linspace(-38 / min(a, 1), 38 / min(b, 1), 500)
            of_rate = np.exp(n * y - np.exp(y) - gammaln(n)) * (y[1] - y[0])
            of_p = np.exp(-a * np.logaddexp(0, -z) - b * np.logaddexp(0, z) - betaln(a, b)) * (z[1] - z[0])
            p = 1 / (1 + np.exp(-z))
            values = value(int(self.state[place]), np.exp(y) / rate, p)
            total += self.weight[place] * float((of_rate * of_p * values).sum())
        return total

    def probability(self, kind):
        """P(in a state of this kind)."""
        return self.expect(kind, lambda _state, lam, p: np.ones_like(lam * p))

    def returns(self, kind, h):
        """P(in a state of this kind and returns within h)."""
        return self.discounted_return(kind, h, 0.0)

    def second(self, lam, p, delta):
        """Discounted purchases from a purchase on, that one included."""
        stage = lam / (lam + delta)
        return 1 / (1 - (1 - p) * stage**self.k - self.omega * p * self.eta / (self.eta + delta))

    def first(self, state, lam, h, delta):
        """E[discount factor at the next purchase; it comes within h]."""
        if state > self.k:
            return 0.0 * lam
        if state == self.k:
            return self.eta / (self.eta + delta) * -np.expm1(-(self.eta + delta) * h) + 0.0 * lam
        left = self.k - state
        return (lam / (lam + delta)) ** left * gammainc(left, (lam + delta) * h)

    def discounted_return(self, kind, h, delta):
        """P(in a state of this kind) times the discount factor at the return, if that comes within h."""
        return self.expect(kind, lambda state, lam, p: self.first(state, lam, h, delta) + 0.0 * p)

    def returning(self, kind, h, delta):
        """Discounted purchases for life of those who return within h, times their probability."""
        return self.expect(kind, lambda state, lam, p: self.first(state, lam, h, delta) * self.second(lam, p, delta))

    def value(self, kind, delta):
        """Discounted purchases for life, times the probability of the kind."""
        return self.returning(kind, 1e7, delta)

    def brought_back(self, kind, delta):
        """Discounted purchases from a purchase on that something makes them make, times the probability."""
        return self.expect(kind, lambda _state, lam, p: self.second(lam, p, delta))


def alternatives(theta, k, row, later=0.0) -> Any:
    """What may have happened to one of the four customers, if it is silent for longer."""
    return Alternatives(theta, k, GAPS[row], SILENCES[row] + later)
