"""What a model of spend adds: the mean amount of a customer's purchases."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from kundenwert.models.core.model import Model

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from kundenwert.models.core.functions import Array, History

__all__ = ["SpendModel"]


class SpendModel[P: tuple[Array, ...]](Model[P]):
    """A model of how much customers spend at a purchase; among its columns is "x"."""

    __slots__ = ()

    observes: ClassVar[str] = "amounts"

    @abstractmethod
    def expected_spend(self, theta: P, h: History) -> Array:
        """Expected amount of a purchase, shape (cells, draws); inf where there is no mean."""

    @abstractmethod
    def median_spend(self, theta: P, h: History) -> Array:
        """Median over customers with this history of their mean amount: finite where the mean is not."""

    @abstractmethod
    def tail_index(self, theta: P, x: Array) -> Array:
        """Moments below this order are finite for customers with `x` repeat purchases: the mean needs more than 1."""

    @abstractmethod
    def simulate(self, theta: P, customer: NDArray[np.int64], rng: np.random.Generator) -> Array:
        """Amount of each purchase of the given customers (positions), shape of `customer`."""
