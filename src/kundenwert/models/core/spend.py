"""What a model of spend adds: the mean amount of a customer's purchases."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple

import numpy as np

from kundenwert.errors import DataError, SpecificationError
from kundenwert.histories.parts import LARGEST_AMOUNT
from kundenwert.models.core.model import Model
from kundenwert.scalars import is_number

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kundenwert.models.core.functions import Array, History
    from kundenwert.models.core.latent import LevelLaw

__all__ = ["SMALLEST_SD", "Amounts", "SpendModel", "check_money_scale", "one_price", "refuse_one_price"]

SMALLEST_SD: Final = 1e-4  # of log amounts: below, the digits that matter of sums of squares, and of shapes, are lost


class Amounts(NamedTuple):
    """Positive amounts that customers paid, in sums: all that the densities of our models depend on.

    Parameters
    ----------
    number
        How many, shape (cells, 1).
    total, log_total, log_squared_total
        Sums of the amounts, of their logarithms and of the squares of these.
    """

    number: Array
    total: Array
    log_total: Array
    log_squared_total: Array


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

    def simulate_ahead(
        self,
        theta: P,  # noqa: ARG002 - there is nothing to do with it
        h: History,  # noqa: ARG002
        customer: NDArray[np.int64],  # noqa: ARG002
        rng: np.random.Generator,  # noqa: ARG002
    ) -> Array:
        """Amount of each purchase to come of customers with a history, shape of `customer`.

        A customer's own level is drawn once, given the history, and then the amounts. A model can do without, but the
        futures of its customers cannot be simulated then.

        Parameters
        ----------
        theta
            Parameters, one entry a customer.
        h
            Histories; columns have shape (customers,).
        customer
            Who makes each purchase: positions among the customers, in any order, shape (purchases,).
        rng
            All chance comes from here.

        Raises
        ------
        SpecificationError
            If the model cannot simulate amounts to come.
        """
        message = (
            f"{type(self).__name__} cannot simulate amounts of purchases to come; give it a method "
            "simulate_ahead(self, theta, h, customer, rng) that draws the level of each customer given the history, "
            "and returns the amount of each purchase"
        )
        raise SpecificationError(message)

    def log_density_ahead(self, theta: P, h: History, amounts: Amounts) -> Array:  # noqa: ARG002 - there is none
        """Log density of positive amounts to come, each customer's jointly, given a history; shape (cells, draws).

        A model can do without, but then its predictions of amounts cannot be scored.

        Parameters
        ----------
        theta
            Parameters, one entry a draw.
        h
            What is known of the customers; of new ones, all columns are 0.
        amounts
            What they then paid, in any order; the density is that of single amounts, 1 where there are none.

        Raises
        ------
        SpecificationError
            If the model does not tell this density.
        """
        message = (
            f"{type(self).__name__} does not tell the density of single amounts to come, by which predictions are "
            "scored; use kundenwert.GammaGamma() or kundenwert.LogNormalSpend(), or give the model a method "
            "log_density_ahead(self, theta, h, amounts)"
        )
        raise SpecificationError(message)

    def level_law(self, theta: P, h: History) -> LevelLaw:  # noqa: ARG002 - there is none
        """The distribution of the level of customers' amounts, given histories.

        A model can do without, but then nobody can tell whether frequent buyers spend more.

        Raises
        ------
        SpecificationError
            If the model does not tell this distribution.
        """
        message = (
            f"{type(self).__name__} does not tell the distribution of the level of customers' amounts given histories, "
            "by which spend and frequency are linked; use kundenwert.GammaGamma() or kundenwert.LogNormalSpend(), or "
            "give the model a method level_law(self, theta, h)"
        )
        raise SpecificationError(message)


def check_money_scale(value: float | None) -> None:
    """Refuse a typical amount that is none; None leaves it to the data."""
    if value is not None and not (is_number(value) and 0 < float(value) <= LARGEST_AMOUNT):
        message = f"money_scale must be a positive amount, got {value!r}"
        raise SpecificationError(message)


def refuse_one_price(log_mean: Array, amounts: Array, customers: NDArray[np.int64], spent: Array) -> None:
    """Refuse amounts that hardly differ, among customers or within them: there is nothing to learn from them.

    The more alike the means of several customers, the larger the shapes of their distribution, without bound where
    they are equal. Terms of the likelihood grow like the square of the inverse of their relative deviation: below
    SMALLEST_SD, they lose the digits by which one shape differs from another.

    Parameters
    ----------
    log_mean, amounts, customers, spent
        Of every distinct history: logarithm of the mean amount, how many amounts, how many customers share it, and the
        mean amount; each of shape (cells,).

    Raises
    ------
    DataError
        Names the amount.
    """
    if customers.sum() < 2 and len(log_mean) == 1:
        return
    weight = customers * amounts
    apart = log_mean - np.average(log_mean, weights=weight)
    if weight @ apart**2 <= SMALLEST_SD**2 * (customers.sum() - 1):
        raise DataError(one_price(np.average(spent, weights=weight)))


def one_price(amount: float) -> str:
    """What to say where everybody always pays about the same."""
    return (
        f"all repeat amounts are about {amount:.10g}: they vary by less than {SMALLEST_SD:.2%}, too little to learn "
        "how they vary, and there is no need to. Take the amount as it is: in place of a posterior of spend, hand "
        f"kundenwert.KnownAmount({amount:.10g}) to net_present_value, customer_equity or report"
    )
