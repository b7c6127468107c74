"""What a model of purchases adds: P(alive and in each state), living customers, simulation."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol, Self, final

import numpy as np

from kundenwert.errors import SpecificationError
from kundenwert.models.core.model import Model

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kundenwert.models.core.functions import Array, Functions, History
    from kundenwert.models.core.latent import RateLaw

__all__ = ["AliveCustomer", "PurchaseModel", "Purchases"]


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


class PurchaseModel[P: tuple[Array, ...]](Model[P]):
    """A model of when customers buy and when they leave.

    A living customer is in one of one or more states (most models have one; with regular buying, a state tells how far
    the customer is towards the next purchase). Given the state, the future depends on (x, T) alone, so every
    expectation is the sum over states of P(alive and in this state | history) times a quantity of :meth:`alive`.
    """

    __slots__ = ()

    observes: ClassVar[str] = "purchases"

    @abstractmethod
    def p_states(self, theta: P, h: History, f: Functions) -> Array:
        """P(alive and in each state at T | history), shape (states, cells, draws)."""

    @abstractmethod
    def alive(self, theta: P, x: Array, T: Array) -> tuple[AliveCustomer, ...]:
        """Customers with `x` repeat purchases who are alive at `T`, one for each state."""

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

    def _without_rates(self) -> str:
        return (
            f"{type(self).__name__} does not tell the distribution of purchase rates given histories, by which spend "
            "and frequency are linked; use a model of purchases in time such as kundenwert.MBGNBD(). A model of your "
            "own needs the methods rate_law and at_rate"
        )
