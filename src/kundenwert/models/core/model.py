"""What every model is: the contract that inference relies on.

A model is a frozen dataclass of priors. It says which columns of a history it needs, which quantities describe the
population (each with a prior, on a scale that does not depend on the time unit), how these become the parameters of
the published formulas, and how likely a history is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from kundenwert.duration import Unit
    from kundenwert.histories import Cells, Clock, Histories, HistoryColumn
    from kundenwert.models.core.functions import Array, Functions, History
    from kundenwert.models.core.groups import Groups
    from kundenwert.models.core.hierarchy import Hierarchy
    from kundenwert.models.core.quantity import Quantity

__all__ = ["Model"]


class Model[P: tuple[Array, ...]](ABC):
    """A model of the population; `P` is the named tuple of its parameters.

    Every array method is pure. `theta` holds parameter draws of shape (draws,), histories have shape (cells, 1).
    """

    __slots__ = ()

    needs: ClassVar[tuple[HistoryColumn, ...]]
    """Columns of a history that the likelihood depends on."""

    clock: ClassVar[Clock] = "time"
    """What histories must measure: time, or a count of opportunities or renewals."""

    numeric: ClassVar[bool] = False
    """Whether the log-likelihood takes NumPy arrays only; NUTS works with its differences then, and is slower."""

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

    def suited(self, cells: Cells) -> Self:  # noqa: ARG002 - most coordinates suit any data
        """The prepared model on coordinates that suit the data, for methods to which that matters."""
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
        """What of the repeat purchases does not enter the likelihood, in words for the diagnostics.

        Of a model of spend, it is warned of at every fit: amounts are left out, and what is expected is another thing.
        """
        return ()

    def hierarchy(self, cells: Cells) -> Hierarchy | None:  # noqa: ARG002 - most models have no terms to pool
        """The shape of a hierarchical model with many terms, by which importance sampling finds its way; or None."""
        return None

    def groups(self, cells: Cells) -> Groups | None:  # noqa: ARG002 - most models have no groups
        """Groups that are independent given the population, by which importance sampling goes one by one; or None."""
        return None

    def cautions(self) -> tuple[str, ...]:
        """What a fit of the model cannot be trusted with, whatever the data, in words: a warning at every fit."""
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
