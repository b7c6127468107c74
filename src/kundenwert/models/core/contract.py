"""What a model of contracts adds: cohorts, and contracts that are still active."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Protocol, Self, override

import numpy as np

from kundenwert.errors import DataError, MissingInformationError, SpecificationError
from kundenwert.models.core.model import Model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from kundenwert.histories import Cells, Clock, CohortLabel
    from kundenwert.models.core.functions import Array

__all__ = ["ContractModel", "LivingContract", "in_cohorts"]


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

    def simulate(self, rng: np.random.Generator) -> Array:  # noqa: ARG002 - there is none to use
        """The renewal at which each contract ends, counted from now: 1, 2, 3, …; inf where it never ends.

        A model can do without, but the futures of its contracts cannot be simulated then.

        Raises
        ------
        SpecificationError
            If these contracts cannot be simulated.
        """
        message = (
            f"{type(self).__name__}, the active contracts of a model, cannot be simulated; give the class a method "
            "simulate(self, rng) that returns the renewal at which each contract ends, 1 for the next one"
        )
        raise SpecificationError(message)


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
