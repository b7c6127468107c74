"""What a model of purchases adds: P(alive and in each state), living customers, simulation."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple, Protocol, Self, final

import numpy as np

from kundenwert.errors import SpecificationError
from kundenwert.models.core.model import Model

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kundenwert.histories import HistoryColumn
    from kundenwert.models.core.functions import Array, Functions, History
    from kundenwert.models.core.latent import RateLaw

PANELS: Final = 24  # of the integral of return probabilities, each twice as long as the one before
PANEL_NODES: Final = 8

__all__ = ["AliveCustomer", "CountProbability", "Expectation", "PurchaseModel", "Purchases", "Revived"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Purchases:
    """Simulated repeat purchases.

    Parameters
    ----------
    customer
        Position of the customer, shape (purchases,).
    time
        Time since the first purchase (:meth:`PurchaseModel.simulate`, in order of customer and time) or since T
        (:meth:`AliveCustomer.simulate`, in any order), same shape.
    """

    customer: NDArray[np.int64]
    time: Array

    @classmethod
    def in_order(cls, customer: NDArray[np.int64], time: Array) -> Self:
        """Purchases in whatever order, brought into order of customer and time."""
        order = np.lexsort((time, customer))
        return cls(customer=customer[order], time=time[order])


class AliveCustomer(Protocol):
    """What is expected of customers who are alive at T; arrays share the shape of the parameters given."""

    def within(self, error: float) -> Self:  # noqa: ARG002 - a formula is what it is
        """The same customers, with expectations good to about this relative error, for speed; no faster by default."""
        return self

    def survival(self, ahead: float) -> Array:
        """P(still alive at T + ahead)."""

    def purchases(self, start: float, horizon: float) -> Array:
        """Expected purchases in (T + start, T + start + horizon]."""

    def returns(self, horizon: float) -> Array:
        """P(at least one purchase in (T, T + horizon])."""

    def count_probability(self, count: int, horizon: float) -> Array:
        """P(exactly `count` purchases in (T, T + horizon])."""

    def discounted_purchases(self, rate: float, horizon: float) -> Array:
        """Expected purchases in (T, T + horizon], one at u after T counting exp(-rate u); may be inf at rate 0."""

    def simulate(self, horizon: float, rng: np.random.Generator) -> Purchases:  # noqa: ARG002 - there is none to use
        """Purchases in (T, T + horizon] of each of these customers, whose parameters have shape (customers,).

        `time` is counted from T. Purchases stand in any order: sorting them takes longer than drawing them. A model
        can do without, but the futures of its customers cannot be simulated then.

        Parameters
        ----------
        horizon
            Finite.
        rng
            All chance comes from here.

        Raises
        ------
        SpecificationError
            If the horizon is not finite, or these customers cannot be simulated.
        SizeError
            If there are too many purchases to be simulated at once.
        """
        message = (
            f"{type(self).__name__}, the living customers of a model, cannot be simulated; give the class a method "
            "simulate(self, horizon, rng) that draws the purchases in (T, T + horizon] of each customer and returns "
            "kundenwert.models.Purchases, with time counted from T"
        )
        raise SpecificationError(message)


class Revived(NamedTuple):
    """Customers right after a purchase that they would not have made by themselves.

    `stay` is the probability that they remain customers after it, `customer` are those who do, as of this purchase.
    """

    stay: Array
    customer: AliveCustomer


type Expectation = Callable[[AliveCustomer], Array]
"""What is expected of living customers, of the shape of their parameters."""


@final
@dataclass(frozen=True, slots=True)
class CountProbability:
    """The probability of exactly `count` purchases in (T, T + horizon], as an expectation that can be recognised."""

    count: int
    horizon: float

    def __call__(self, customer: AliveCustomer) -> Array:
        """P(exactly `count` purchases in (T, T + horizon])."""
        return customer.count_probability(self.count, self.horizon)


class PurchaseModel[P: tuple[Array, ...]](Model[P]):
    """A model of when customers buy and when they leave.

    A living customer is in one of one or more states (most models have one; with regular buying, a state tells how far
    the customer is towards the next purchase). Given the state, the future depends on (x, T) alone, so every
    expectation is the sum over states of P(alive and in this state | history) times a quantity of :meth:`alive`.
    """

    __slots__ = ()

    observes: ClassVar[str] = "purchases"

    living: ClassVar[tuple[str, ...]] = ("alive",)
    """Names of the kinds of states that a living customer may be in; who is in none of them is gone."""

    def kind_of_states(self, states: int) -> NDArray[np.int64]:
        """Which of the kinds in :attr:`living` each state is of, shape (states,)."""
        return np.zeros(states, dtype=np.int64)

    @abstractmethod
    def p_states(self, theta: P, h: History, f: Functions) -> Array:
        """P(alive and in each state at T | history), shape (states, cells, draws)."""

    @abstractmethod
    def alive(self, theta: P, x: Array, T: Array) -> tuple[AliveCustomer, ...]:
        """Customers with `x` repeat purchases who are alive at `T`, one for each state."""

    def revived(self, theta: P, x: Array, T: Array) -> tuple[Revived, ...]:  # noqa: ARG002 - there are none
        """Customers of each state who did not buy by themselves until `T` and whom something makes buy then.

        A model can do without, but then nobody can tell what a customer is worth whom an offer brings back.

        Raises
        ------
        SpecificationError
            If the model has no second life.
        """
        raise SpecificationError(self._without_second_life())

    def regained(self, theta: P, x: Array, t_x: Array) -> Revived:  # noqa: ARG002 - there are none
        """Customers who were gone after their last purchase, at `t_x`, and whom something makes buy again.

        Raises
        ------
        SpecificationError
            As for :meth:`revived`.
        """
        raise SpecificationError(self._without_second_life())

    @abstractmethod
    def time_scale(self, theta: P) -> float:
        """A typical time below which T hardly matters: where to resolve functions of T finely."""

    @abstractmethod
    def simulate(self, theta: P, T: Array, rng: np.random.Generator) -> Purchases:
        """Repeat purchases of customers observed for `T`; `theta` is scalar or has one entry a customer."""

    def rate_law(self, theta: P, h: History) -> RateLaw:  # noqa: ARG002 - there is none
        """The distribution of customers' purchase rates, given histories.

        A model can do without, but then nobody can tell whether frequent buyers spend more.

        Raises
        ------
        SpecificationError
            If the model has no purchase rates, or does not tell their distribution.
        """
        raise SpecificationError(self._without_rates())

    def at_rate(self, theta: P, x: Array, rate: Array) -> tuple[AliveCustomer, ...]:  # noqa: ARG002 - there is none
        """Living customers with `x` repeat purchases whose purchase rate is known, one for each state, as at T = 0.

        What they are expected to buy depends on rate and state in the same way at any T, but for a factor.

        Raises
        ------
        SpecificationError
            As for :meth:`rate_law`.
        """
        raise SpecificationError(self._without_rates())

    by_history: ClassVar[bool] = False
    """Whether the future of a living customer depends on more of the history than (x, T).

    Such a model has no :meth:`alive`; it tells by :meth:`averaging` and :meth:`simulate_ahead` what to expect.
    """

    def averaging(
        self, theta: P, columns: Mapping[HistoryColumn, Array], asked: Sequence[Expectation]
    ) -> Callable[[History], Array]:
        """Prepare expectations of customers with histories like those in the columns.

        What comes back gives, for some of the histories, P(in a state of each kind) times what is expected there, for
        the kinds in :attr:`living`, and for those who are gone if the expectation speaks of them; shape (expectations,
        kinds + 1, cells, draws).
        """
        raise NotImplementedError

    def second_life(self, expectation: Expectation, first: float) -> Expectation:  # noqa: ARG002 - there is none
        """What is expected from a purchase on that something makes customers of every kind make now.

        That purchase counts `first`, later ones what the expectation says; for :meth:`averaging`.
        """
        raise SpecificationError(self._without_second_life())

    def being(self, kind: int, ahead: float) -> Expectation:  # noqa: ARG002 - by default there is one kind
        """P(in a state of this kind at T + ahead), positions as in :attr:`living`."""
        return lambda customer: customer.survival(ahead)

    def return_time(self, horizon: float) -> Expectation:
        """Time until the next purchase, counted if it happens in (T, T + horizon] and nought otherwise."""
        if self.clock == "opportunity":
            return lambda customer: np.asarray(
                sum(customer.returns(horizon) - customer.returns(float(j)) for j in range(int(horizon)))
            )
        node, weight = np.polynomial.legendre.leggauss(PANEL_NODES)
        ends = horizon * 0.5 ** np.arange(PANELS, -1, -1.0)
        ends[0] = 0.0
        width = np.diff(ends)[:, None]
        u, du = (ends[:-1, None] + width * (node + 1) / 2).ravel().tolist(), (width * weight / 2).ravel().tolist()
        return lambda customer: np.asarray(
            sum(step * (customer.returns(horizon) - customer.returns(time)) for time, step in zip(u, du, strict=True))
        )

    def from_return_on(self, rate: float, horizon: float) -> Expectation:  # noqa: ARG002 - most models do not tell
        """Discounted purchases for life from the next one on, if that happens in (T, T + horizon], as of then.

        Raises
        ------
        SpecificationError
            If the model does not tell.
        """
        message = (
            f"{type(self).__name__} does not tell how many purchases follow a return, by itself; use "
            "kundenwert.RevivalNBD(), or kundenwert.second_lifetime_value(…) for what they are worth"
        )
        raise SpecificationError(message)

    def simulate_ahead(
        self, theta: P, h: History, draws: NDArray[np.intp], horizon: float, rng: np.random.Generator
    ) -> Purchases:
        """Several futures of each history; arguments and result as for PurchaseValues.futures."""
        raise NotImplementedError

    def examples(self, theta: P, x: Array, T: Array) -> tuple[AliveCustomer, ...]:
        """Living customers much like those with `x` repeat purchases at `T`, to try out how precise a sum is."""
        return self.alive(theta, x, T)

    def endless(self, theta: P) -> NDArray[np.bool_]:
        """In which draws some customers are expected to buy for ever, shape (draws,)."""
        zero = np.zeros(1)
        forever = [customer.discounted_purchases(0.0, math.inf) for customer in self.alive(theta, zero, zero)]
        return np.asarray(np.isinf(forever).any(axis=0))

    def _without_second_life(self) -> str:
        return (
            f"{type(self).__name__} does not tell what customers are like whom an offer brings back; use "
            "kundenwert.RevivalNBD() or kundenwert.MBGNBD(). A model of your own needs the methods revived and regained"
        )

    def _without_rates(self) -> str:
        return (
            f"{type(self).__name__} does not tell the distribution of purchase rates given histories, by which spend "
            "and frequency are linked; use a model of purchases in time such as kundenwert.MBGNBD(). A model of your "
            "own needs the methods rate_law and at_rate"
        )
