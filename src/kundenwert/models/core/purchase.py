"""What a model of purchases adds: P(alive and in each state), living customers, simulation."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol, Self, final

import numpy as np

from kundenwert.models.core.model import Model

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kundenwert.models.core.functions import Array, Functions, History

__all__ = ["AliveCustomer", "PurchaseModel", "Purchases"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Purchases:
    """Simulated repeat purchases, in order of customer and time.

    Parameters
    ----------
    customer
        Position of the customer, shape (purchases,).
    time
        Time since the first purchase, same shape.
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
