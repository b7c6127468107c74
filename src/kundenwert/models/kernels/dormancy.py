"""Customers who may fall dormant and come back: the E_k-DHR law at known rates and probabilities.

After each purchase a customer goes on buying with probability 1 - p, and the next gap takes k stages of rate lambda;
with omega p goes dormant, and the next purchase comes at rate eta; with (1 - omega) p is gone for good. Each purchase
is a renewal: with v = lambda/(lambda + rate) and w = eta/(eta + rate), a purchase after a gap is worth

    phi(rate) = (1 - p) v^k + omega p w

when discounted, and those from and including a purchase on 1/(1 - phi). What happens within a horizon follows from
the chain of states in renewal_chain.py. For k = 1 this is a hyper-exponential renewal process, with omega = 1 the
interrupted Poisson process of Kuczura (1973); omega = 0 is a buyer of MBG/NBD.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, final

import numpy as np
from scipy.special import gammainc

from kundenwert.models.core import AliveCustomer, Purchases
from kundenwert.models.kernels.renewal_chain import RenewalChain
from kundenwert.models.kernels.simulation import check_horizon, gap_after_gap

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from kundenwert.models.core import Array

__all__ = ["RevivingCustomer", "RevivingCustomers"]

DISCOUNTED_AWAY: Final = 60.0  # exp(-60), times powers of 60 for those who wait for several events, is nothing
NUMBERS_AT_ONCE: Final = 2**16
FEWEST_COUNTS: Final = 3


@final
@dataclass(frozen=True)
class RevivingCustomers(AliveCustomer):
    """Customers of known rates and probabilities, in every state they can be in: phases 0 … k - 1, or dormant (k).

    Arrays broadcast against each other. Results have their common shape, after an axis of k + 1 states unless a
    method says otherwise.

    Parameters
    ----------
    k
        Stages of a gap of an active customer.
    lam
        Rate of stages, above 0.
    p
        Probability of lapsing after a purchase, from 0 to 1.
    omega
        Share of lapses after which the customer is only dormant, from 0 to 1.
    eta
        Rate at which dormancy ends with a purchase, above 0.
    """

    k: int
    lam: Array
    p: Array
    omega: Array
    eta: Array
    _counts: dict[float, Array] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def shape(self) -> tuple[int, ...]:
        """The common shape."""
        return np.broadcast_shapes(*(np.shape(value) for value in (self.lam, self.p, self.omega, self.eta)))

    def in_state(self, state: int) -> RevivingCustomer:
        """The customers in one state: a phase, or k if they are dormant."""
        return RevivingCustomer(self, state)

    def survival(self, ahead: float) -> Array:
        """P(not gone for good at T + ahead)."""
        if math.isinf(ahead):
            return self._for_all(np.where(self._gone() > 0, 0.0, 1.0))
        return self._followed(lambda chain: chain.survival(ahead))

    def states(self, ahead: float) -> Array:
        """P(in a state at T + ahead | state at T), shape (states at T, states then, …)."""
        return self._followed(lambda chain: chain.states(ahead))

    def purchases(self, start: float, horizon: float) -> Array:
        """Expected purchases in (T + start, T + start + horizon]."""
        if math.isinf(horizon):
            return self.survival(start) * self.discounted_purchases(0.0, horizon)
        if start == 0:
            return self._followed(lambda chain: chain.purchases(horizon, 0.0))
        return self._followed(lambda chain: chain.later(start, chain.purchases(horizon, 0.0)))

    def returns(self, horizon: float) -> Array:
        """P(at least one purchase in (T, T + horizon]); it does not depend on `p` and `omega`."""
        return self.discounted_return(0.0, horizon)

    def count_probability(self, count: int, horizon: float) -> Array:
        """P(exactly `count` purchases in (T, T + horizon]); of several counts, all but the largest come for free."""
        known = self._counts.get(horizon)
        if known is None or known.shape[1] <= count:
            known = self.count_probabilities(max(FEWEST_COUNTS, count), horizon)
            self._counts[horizon] = known
        return np.asarray(known[:, count])

    def count_probabilities(self, largest: int, horizon: float) -> Array:
        """P(0, 1, … `largest` purchases in (T, T + horizon]), shape (states, counts, …), for the work of the last."""
        return self._followed(lambda chain: chain.counts(largest, horizon), largest + 1)

    def discounted_purchases(self, rate: float, horizon: float) -> Array:
        """Expected purchases in (T, T + horizon], each worth exp(-rate u) when it happens u after T.

        For life, the worth of the next purchase over 1 - phi(rate): without discounting 1/((1 - omega) p), infinite
        where nobody ever leaves.
        """
        if math.isinf(horizon) or rate * horizon > DISCOUNTED_AWAY:
            return self.discounted_return(rate, math.inf) * self.second_life(rate)
        return self._followed(lambda chain: chain.purchases(horizon, rate))

    def discounted_return(self, rate: float, horizon: float) -> Array:
        """E[exp(-rate u)] of a next purchase u after T that comes in (T, T + horizon], which may be inf."""
        result = np.empty((self.k + 1, *self.shape))
        if horizon == 0:
            result[...] = 0
            return result
        for state in range(self.k + 1):
            stages, each = (self.k - state, self.lam) if state < self.k else (1, self.eta)
            faster = each + rate
            within = -np.expm1(-faster * horizon) if stages == 1 else gammainc(stages, faster * horizon)
            result[state] = within * (each / faster) ** stages
        return result

    def return_times(self, horizon: float) -> Array:
        """Expected time until the next purchase, counted if it comes in (T, T + horizon] and nought otherwise."""
        result = np.empty((self.k + 1, *self.shape))
        for state in range(self.k + 1):
            stages, each = (self.k - state, self.lam) if state < self.k else (1, self.eta)
            result[state] = gammainc(stages + 1, each * horizon) * (stages / each)
        return result

    def second_life(self, rate: float) -> Array:
        """Expected discounted purchases from and including one just made, for life; no axis of states.

        1/(1 - phi(rate)); without discounting infinite where nobody ever leaves.
        """
        missing = self._gone()
        if rate > 0:
            v = self.lam / (self.lam + rate)
            powers = sum(v**i for i in range(self.k))
            missing = missing + (1 - self.p) * powers * (rate / (self.lam + rate))
            missing = missing + self.omega * self.p * (rate / (self.eta + rate))
        with np.errstate(divide="ignore"):
            return np.array(np.broadcast_to(1 / missing, self.shape))

    def second_life_within(self, rate: float, horizon: float) -> Array:
        """Expected discounted purchases from one just made, which counts, until `horizon` later; no axis of states."""
        if math.isinf(horizon) or rate * horizon > DISCOUNTED_AWAY:
            return self.second_life(rate)
        further = self.discounted_purchases(rate, horizon)
        return np.asarray(1 + (1 - self.p) * further[0] + self.omega * self.p * further[-1])

    def _gone(self) -> Array:
        return np.asarray((1 - self.omega) * self.p)

    def _for_all(self, values: Array) -> Array:
        """The same values in every state."""
        return np.array(np.broadcast_to(values, (self.k + 1, *self.shape)))

    def _followed(self, formula: Callable[[RenewalChain], Array], tables: int = 1) -> Array:
        """A formula of the chain, which gives an array (…, customers), by blocks small enough for the cache."""
        shape = self.shape
        size = math.prod(shape)
        fields = [np.broadcast_to(value, shape).flat for value in (self.lam, self.eta, self.p, self.omega)]
        block = max(64, NUMBERS_AT_ONCE // (tables * (self.k + 1) * (self.k + 2)))
        blocks = []
        for start in range(0, max(size, 1), block):
            lam, eta, p, omega = (field[start : start + block] for field in fields)
            blocks.append(formula(RenewalChain(self.k, lam, eta, 1 - p, omega * p, (1 - omega) * p)))
        result = np.concatenate(blocks, axis=-1)
        return result.reshape(*result.shape[:-1], *shape)


@final
@dataclass(frozen=True)
class RevivingCustomer:
    """Customers of known rates and probabilities in one known state; see :class:`RevivingCustomers`.

    Results have the common shape of their parameters. "Alive" is who is not gone for good.

    Parameters
    ----------
    everyone
        These customers in whatever state; ask them for several states at once, which costs no more than one.
    state
        Stages done in the open gap, 0 … k - 1, or k for a dormant customer.
    """

    everyone: RevivingCustomers
    state: int

    def within(self, error: float) -> RevivingCustomer:  # noqa: ARG002 - there is nothing to save
        """The same customers."""
        return self

    def survival(self, ahead: float) -> Array:
        """P(not gone for good at T + ahead)."""
        return self._of(self.everyone.survival(ahead))

    def states(self, ahead: float) -> Array:
        """P(in each state at T + ahead), shape (states, …)."""
        return self._of(self.everyone.states(ahead))

    def purchases(self, start: float, horizon: float) -> Array:
        """Expected purchases in (T + start, T + start + horizon]."""
        return self._of(self.everyone.purchases(start, horizon))

    def returns(self, horizon: float) -> Array:
        """P(at least one purchase in (T, T + horizon])."""
        return self._of(self.everyone.returns(horizon))

    def count_probability(self, count: int, horizon: float) -> Array:
        """P(exactly `count` purchases in (T, T + horizon])."""
        return self._of(self.everyone.count_probability(count, horizon))

    def discounted_purchases(self, rate: float, horizon: float) -> Array:
        """Expected purchases in (T, T + horizon], each worth exp(-rate u) when it happens u after T."""
        return self._of(self.everyone.discounted_purchases(rate, horizon))

    def discounted_return(self, rate: float, horizon: float) -> Array:
        """E[exp(-rate u)] of a next purchase u after T that comes in (T, T + horizon]."""
        return self._of(self.everyone.discounted_return(rate, horizon))

    def simulate(self, horizon: float, rng: np.random.Generator) -> Purchases:
        """Purchases in (T, T + horizon] of customers whose parameters have the common shape (customers,)."""
        law, check = self.everyone, check_horizon(horizon)
        lam, eta, p, omega = np.broadcast_arrays(law.lam, law.eta, law.p, law.omega)
        gone, dormant = (1 - omega) * p, omega * p
        if self.state < law.k:
            first = rng.standard_gamma(law.k - self.state, lam.shape) / lam
        else:
            first = rng.standard_exponential(eta.shape) / eta
        buyers = np.flatnonzero(first <= check)
        stay = buyers[rng.random(len(buyers)) >= gone[buyers]]

        def gaps(who: NDArray[np.intp]) -> Array:
            place = stay[who]
            sleeps = rng.random(place.shape) * (1 - gone[place]) < dormant[place]
            awake = rng.standard_gamma(law.k, place.shape) / lam[place]
            return np.asarray(np.where(sleeps, rng.standard_exponential(place.shape) / eta[place], awake))

        later = gap_after_gap(
            first[stay], np.full(len(stay), horizon), gaps, lambda who, _: rng.random(who.shape) >= gone[stay[who]]
        )
        return Purchases(
            customer=np.concatenate([buyers, stay[later.customer]]), time=np.concatenate([first[buyers], later.time])
        )

    def _of(self, values: Array) -> Array:
        return np.asarray(values[self.state])
