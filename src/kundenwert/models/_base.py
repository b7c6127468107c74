"""What a model is: the contract that inference, posteriors and tests rely on.

A model is a frozen dataclass of priors. It says which columns of a history it needs, which quantities describe the
population (each with a prior, on a scale that does not depend on the time unit), how these become the parameters of
the published formulas, and what follows for a customer.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, final, override

import numpy as np
from scipy.special import expit, logit

from kundenwert.duration import check_unit_or_count
from kundenwert.errors import DataError, MissingInformationError, SpecificationError
from kundenwert.priors import Prior

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from kundenwert.duration import TimeUnit, Unit
    from kundenwert.histories import Cells, Clock, CohortLabel, Histories, HistoryColumn
    from kundenwert.models._functions import Array, Functions, History
    from kundenwert.priors import Support

__all__ = [
    "AliveCustomer",
    "ContractModel",
    "FixedParameters",
    "LivingContract",
    "Model",
    "PurchaseModel",
    "Purchases",
    "Quantity",
    "SpendModel",
    "TimeParameters",
    "check_model",
    "check_positive",
]


@final
@dataclass(frozen=True, slots=True)
class Quantity:
    """A quantity that describes the population, with its prior.

    Parameters
    ----------
    name
        Name in tables.
    prior
        Its prior.
    guess
        A typical value, where the search for the posterior's mode starts.
    support
        Where it lies. Inference works on the logarithm of what is positive, the logit of a probability, and on any
        other real number as it is.
    """

    name: str
    prior: Prior
    guess: float
    support: Support = "positive"

    def __post_init__(self) -> None:
        if not isinstance(self.prior, Prior):
            message = f"{self.name} takes a prior such as kundenwert.LogNormal(mu, sigma), got {self.prior!r}"
            raise SpecificationError(message)
        if self.prior.support not in {None, self.support}:
            fitting = {
                "positive": "positive: use LogNormal, Gamma or HalfNormal",
                "probability": "a probability: use LogitNormal or Beta",
                "real": "any real number: use Normal",
            }
            message = f"{type(self.prior).__name__} does not fit {self.name}, which is {fitting[self.support]}"
            raise SpecificationError(message)

    def value(self, coordinate: Array) -> Array:
        """The quantity at an unbounded coordinate."""
        match self.support:
            case "positive":
                with np.errstate(over="ignore"):
                    return np.asarray(np.exp(coordinate))
            case "probability":
                return np.asarray(expit(coordinate))
            case "real":
                return np.asarray(coordinate)

    def coordinate(self, value: Array) -> Array:
        """The unbounded coordinate of the quantity: logarithm, logit or itself."""
        match self.support:
            case "positive":
                return np.asarray(np.log(value))
            case "probability":
                return np.asarray(logit(value))
            case "real":
                return np.asarray(value)


class Model[P: tuple[Array, ...]](ABC):
    """A model of the population; `P` is the named tuple of its parameters.

    Every array method is pure. `theta` holds parameter draws of shape (draws,), histories have shape (cells, 1).
    """

    __slots__ = ()

    needs: ClassVar[tuple[HistoryColumn, ...]]
    """Columns of a history that the likelihood depends on."""

    clock: ClassVar[Clock] = "time"
    """What histories must measure: time, or a count of opportunities or renewals."""

    observes: ClassVar[str]
    """What the likelihood is a density of, in words: only models that observe the same can be compared."""

    @property
    @abstractmethod
    def parameter_names(self) -> tuple[str, ...]:
        """Names of the published parameters, in the order of `P`."""

    @property
    @abstractmethod
    def quantities(self) -> tuple[Quantity, ...]:
        """The quantities that describe the population, with their priors."""

    def prepared(self, cells: Cells) -> Self:  # noqa: ARG002 - most priors take nothing from the data
        """The model with what its priors take from the data filled in (a money scale, say)."""
        return self

    def aligned(self, cells: Cells) -> Cells:
        """The cells with positions counted as the model counts them; positions of cohorts, for a model of contracts."""
        return cells

    def informative(self, cells: Cells) -> NDArray[np.bool_]:
        """Which cells enter the likelihood, shape (cells,); all of them, unless a model knows better."""
        return np.ones(len(cells), dtype=np.bool_)

    def log_constant(self, histories: Histories) -> Array:
        """What the log-likelihood leaves out because no parameter changes it, per customer.

        It has no influence on a fit, but two models can only be compared with it.
        """
        return np.zeros(len(histories))

    def left_out(self, cells: Cells) -> tuple[str, ...]:  # noqa: ARG002 - most models leave nothing out
        """What of the repeat purchases does not enter the likelihood, in words for the diagnostics."""
        return ()

    def log_pooling(self, quantities: Sequence[Array]) -> Array | float:  # noqa: ARG002 - most priors are independent
        """Log of what the joint prior density of the quantities holds beyond the product of their priors."""
        return 0.0

    @abstractmethod
    def parameters_of(self, quantities: Sequence[Array], unit: Unit) -> P:
        """Published parameters in the given unit; arithmetic only, so that PyTensor can do it too."""

    @abstractmethod
    def quantities_of(self, theta: P, unit: Unit) -> tuple[Array, ...]:
        """Inverse of :meth:`parameters_of`."""

    def in_words(self, theta: P, unit: Unit) -> dict[str, Array]:
        """What tables show beside the parameters, by name: the quantities, unless they have no meaning of their own."""
        names = [quantity.name for quantity in self.quantities]
        return dict(zip(names, self.quantities_of(theta, unit), strict=True))

    @abstractmethod
    def named(self, values: Sequence[Array]) -> P:
        """Parameters from their values in the order of `parameter_names`."""

    @abstractmethod
    def log_likelihood(self, theta: P, h: History, f: Functions) -> Array:
        """Log-likelihood of each distinct history, shape (cells, draws)."""


class FixedParameters[M: Model[Any]](ABC):
    """Parameters at given values, as published: a frozen dataclass with one field a parameter, and a unit."""

    __slots__ = ()

    @property
    @abstractmethod
    def measure(self) -> Unit:
        """Unit of time of the parameters, or what a discrete model counts."""

    @abstractmethod
    def model(self) -> M:
        """Model the parameters belong to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeParameters[M: Model[Any]](FixedParameters[M]):
    """Positive parameters of a model in time; `unit` is the unit in which times stand."""

    unit: TimeUnit

    def __post_init__(self) -> None:
        check_positive(self, [field.name for field in fields(self) if field.name != "unit"])

    @property
    @override
    def measure(self) -> TimeUnit:
        return self.unit


def check_positive(parameters: FixedParameters[Any], names: Sequence[str]) -> None:
    """Refuse parameters that are not positive, finite numbers, and unknown units."""
    for name in names:
        value = getattr(parameters, name)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not (math.isfinite(value) and value > 0):
            message = f"{type(parameters).__qualname__}: {name} must be a positive number, got {value!r}"
            raise SpecificationError(message)
    check_unit_or_count(parameters.measure)


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


class LivingContract(Protocol):
    """What is expected of contracts that are active; arrays share the shape of the parameters given."""

    def survival(self, ahead: float) -> Array:
        """P(still active `ahead` renewals later)."""

    def churn(self, ahead: float) -> Array:
        """P(ended `ahead` renewals later), without the cancellation of 1 - survival."""

    def renewals(self, rate: float, horizon: float) -> Array:
        """Expected renewals among the next `horizon`, the j-th counting exp(-rate j); horizon and result may be inf."""

    def tail_index(self) -> Array:
        """Survival falls like t to minus this; lifetimes have a mean where it is above 1."""


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


class ContractModel[P: tuple[Array, ...]](Model[P]):
    """A model of when customers end a contract, who can only do so at its renewals.

    It may know several cohorts, each with parameters of its own; `cohort` is a position among them.
    """

    __slots__ = ()

    clock: ClassVar[Clock] = "renewal"
    observes: ClassVar[str] = "ends of contracts"

    @property
    def cohorts(self) -> tuple[CohortLabel, ...]:
        """Labels of the cohorts that the model tells apart; empty if it takes all contracts alike."""
        return ()

    @override
    def aligned(self, cells: Cells) -> Cells:
        """The cells with the column "cohort" pointing to the cohorts of the model.

        Raises
        ------
        DataError
            If the cells hold a cohort that the model does not know, or do not say which cohort they belong to.
        """
        return in_cohorts(cells, self.cohorts)

    @abstractmethod
    def living(self, theta: P, cohort: NDArray[np.int64], tenure: Array) -> LivingContract:
        """Contracts that are active after `tenure` renewals; both of shape (cells, 1), `theta` of shape (draws,)."""

    def with_cohorts(self, labels: Sequence[CohortLabel]) -> Self:
        """The model with further cohorts, of which there are no data.

        Raises
        ------
        SpecificationError
            If the model has no population of cohorts.
        """
        message = (
            f"{type(self).__name__} has no population of cohorts from which {', '.join(map(repr, labels))} could be "
            "drawn; fit with histories of two cohorts or more"
        )
        raise SpecificationError(message)

    def theta_with_cohort(self, theta: P, normals: tuple[Array, Array]) -> P:  # noqa: ARG002 - there is none to add
        """Parameters of the model with one further cohort, drawn from the population of cohorts by standard normals."""
        return theta

    @abstractmethod
    def simulate(self, theta: P, cohort: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
        """The renewal at which each contract ends (1 for the first), shape of `cohort`; `theta` is scalar."""


def in_cohorts(cells: Cells, known: tuple[CohortLabel, ...]) -> Cells:
    """The cells with the column "cohort" pointing to the `known` cohorts; without any, all contracts are alike."""
    if cells.cohorts == known:
        return cells
    if not known:
        positions = np.zeros(len(cells))
    elif not cells.cohorts:
        message = (
            f"the cohorts {', '.join(map(repr, known))} are told apart, but these histories do not say which one they "
            "belong to; name the column: ContractHistories.from_pandas(…, cohort=…)"
        )
        raise MissingInformationError(message)
    else:
        places = [known.index(label) if label in known else -1 for label in cells.cohorts]
        if min(places) < 0:
            message = (
                f"the cohort {cells.cohorts[places.index(-1)]!r} is unknown here; known are "
                f"{', '.join(map(repr, known))}. Fit again with its contracts, or price it as one more cohort like "
                "these: posterior.with_new_cohorts([…])"
            )
            raise DataError(message)
        positions = np.array(places, dtype=np.float64)[cells["cohort"].astype(np.int64)]
    return replace(cells, columns={**cells.columns, "cohort": positions}, cohorts=known)


def check_model(model: object) -> None:
    """Refuse what is not a purchase, spend or contract model."""
    if isinstance(model, type):
        message = f"expected a model, got the class {model.__name__}; write {model.__name__}()"
        raise SpecificationError(message)
    if not isinstance(model, (PurchaseModel, SpendModel, ContractModel)):
        message = f"expected a model such as kundenwert.MBGNBD() or kundenwert.GammaGamma(), got {model!r}"
        raise SpecificationError(message)
