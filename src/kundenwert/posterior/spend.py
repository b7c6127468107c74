"""The posterior of a spend model, and what it says about customers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Self, final

import numpy as np

from kundenwert.errors import InfiniteValueError
from kundenwert.histories.customers import as_histories
from kundenwert.posterior.base import Posterior, thinning
from kundenwert.posterior.summary import summarise
from kundenwert.posterior.values import SpendValues

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from numpy.typing import NDArray

    from kundenwert.histories import Cells, CustomerHistories
    from kundenwert.models._base import SpendModel

__all__ = ["SpendDraws", "SpendPosterior"]

LARGEST_MASS: Final = 1e-3
MARGIN: Final = 0.02  # how far from an infinite mean a draw must be to be averaged over


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class SpendPosterior(Posterior):
    """Posterior of a spend model.

    Customers without a repeat purchase are given the population's distribution.

    Parameters
    ----------
    p_infinite_mean : float
        Posterior probability that the population has no mean amount (q <= 1 in the gamma-gamma model), from all
        weighted points of the fit rather than from the draws kept.
    """

    model: SpendModel[Any]
    p_infinite_mean: float

    def expected_spend(self, histories: CustomerHistories, *, interval: float = 0.90) -> pd.DataFrame:
        """Expected amount of a customer's next purchase: columns mean, lower, upper.

        Parameters
        ----------
        histories : CustomerHistories
            The customers.
        interval : float
            Probability of the equal-tailed interval.

        Raises
        ------
        InfiniteValueError
            If the posterior probability that the mean is infinite exceeds 0.001. Below that, the draws near an
            infinite mean (0.02 or less away) are left out; :attr:`p_infinite_mean` reports their mass.
        """
        cells = as_histories(histories).cells(self.model)
        finite = self.values_with_mean(cells)
        summary = summarise(len(cells), finite.draws, finite.expected_spend(cells), interval)
        return summary.at(cells.index).to_pandas(histories.customer_id)

    def median_spend(self, histories: CustomerHistories, *, interval: float = 0.90) -> pd.DataFrame:
        """Median of the mean amount of customers with each history: finite even where the mean is not.

        Parameters
        ----------
        histories : CustomerHistories
            The customers.
        interval : float
            Probability of the equal-tailed interval.
        """
        cells = as_histories(histories).cells(self.model)
        summary = summarise(len(cells), self.of_cells.draws, self.of_cells.median_spend(cells), interval)
        return summary.at(cells.index).to_pandas(histories.customer_id)

    @property
    def draws(self) -> SpendDraws:
        """The same questions, answered with every draw instead of a table."""
        return SpendDraws(self)

    def thinned(self, draws: int) -> Self:
        """The posterior with `draws` evenly spaced draws in one chain."""
        return self.chosen(thinning(self.of_cells.draws, draws))

    def chosen(self, positions: NDArray[np.intp]) -> Self:
        """The posterior with the draws at these positions, in one chain."""
        return replace(self, values=self.model.named([value[positions][None] for value in self.theta]))

    @property
    def of_cells(self) -> SpendValues:
        """Values per cell and draw: what tables are made of."""
        return SpendValues(self.model, self.theta)

    def values_with_mean(self, cells: Cells) -> SpendValues:
        """Values for the draws in which all these cells have a finite mean.

        Raises
        ------
        InfiniteValueError
            If that would leave out more than a thousandth of the posterior.
        """
        keep = self.with_mean(cells)
        return SpendValues(self.model, self.model.named([value[keep] for value in self.theta]))

    def with_mean(self, cells: Cells) -> NDArray[np.bool_]:
        """Which draws have a finite mean for all these cells, shape (draws,)."""
        frequency = cells["x"]
        if self.p_infinite_mean <= LARGEST_MASS:
            return self._clear_of_infinity(0.0)
        if (frequency == 0).any():
            message = (
                f"the population's mean amount is infinite with posterior probability {self.p_infinite_mean:.2%} "
                f"(more than {LARGEST_MASS:.1%}), and {int((frequency == 0).sum()):,} of these histories have no "
                "repeat purchase and so take that mean. Use SpendPosterior.median_spend, leave these customers out, "
                "or give q a tighter prior if you know that large amounts are bounded"
            )
            raise InfiniteValueError(message)
        infinite = float(self.model.without_mean(self.theta, np.asarray(frequency.min())).mean())
        if infinite > LARGEST_MASS:
            message = (
                f"the mean amount of customers with {frequency.min():.0f} repeat purchases is infinite with posterior "
                f"probability {infinite:.2%}. Use SpendPosterior.median_spend, or leave these customers out"
            )
            raise InfiniteValueError(message)
        # the same draws for everybody, so that a customer's value does not depend on who else is asked about
        return self._clear_of_infinity(1.0)

    def _clear_of_infinity(self, frequency: float) -> NDArray[np.bool_]:
        return ~self.model.without_mean(self.theta, np.asarray(frequency), MARGIN)


@final
@dataclass(frozen=True, slots=True)
class SpendDraws:
    """The verbs of a :class:`SpendPosterior`, with every draw: arrays (chain, draw, customer_id).

    Draws without a mean are ``inf`` here: nothing is left out. An array of more than 2 GiB is refused.
    """

    posterior: SpendPosterior

    def expected_spend(self, histories: CustomerHistories) -> xr.DataArray:
        """See :meth:`SpendPosterior.expected_spend`."""
        cells = as_histories(histories).cells(self.posterior.model)
        return self.posterior.array(histories, cells.index, self.posterior.of_cells.expected_spend(cells))

    def median_spend(self, histories: CustomerHistories) -> xr.DataArray:
        """See :meth:`SpendPosterior.median_spend`."""
        cells = as_histories(histories).cells(self.posterior.model)
        return self.posterior.array(histories, cells.index, self.posterior.of_cells.median_spend(cells))
