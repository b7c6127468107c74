"""The posterior of a spend model, and what it says about customers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Self, final

import numpy as np

from kundenwert.errors import InfiniteValueError
from kundenwert.posterior.base import Posterior, thinning
from kundenwert.posterior.summary import summarise
from kundenwert.posterior.values import SpendValues

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from numpy.typing import NDArray

    from kundenwert.histories import Cells, Histories
    from kundenwert.models.core import Array, SpendModel
    from kundenwert.posterior.values import Block

__all__ = ["SpendDraws", "SpendPosterior"]

LARGEST_MASS: Final = 1e-3
LARGEST_LEFT_OUT: Final = 1e-2
REMEDY: Final = (
    ", and {number:,} of these customers take it. Use SpendPosterior.median_spend, leave them out, or give q a tighter "
    "prior if you know that large amounts are bounded"
)
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

    def expected_spend(self, histories: Histories, *, interval: float = 0.90) -> pd.DataFrame:
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
            If, for a customer's frequency, the mean is infinite with a posterior probability above 0.001. Below that,
            the draws whose tail index exceeds that of an infinite mean by 0.02 or less are left out for this customer.
        """
        cells = self.cells_of(histories)
        summary = summarise(len(cells), self.of_cells.draws, self.finite_spend(cells), interval, leave_out_nan=True)
        return summary.at(cells.index).to_pandas(histories.customer_id)

    def median_spend(self, histories: Histories, *, interval: float = 0.90) -> pd.DataFrame:
        """Median of the mean amount of customers with each history: finite even where the mean is not.

        Parameters
        ----------
        histories : CustomerHistories
            The customers.
        interval : float
            Probability of the equal-tailed interval.
        """
        cells = self.cells_of(histories)
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

    def finite_spend(self, cells: Cells, positions: NDArray[np.intp] | None = None, *, remedy: str = REMEDY) -> Block:
        """Expected amount of a purchase; NaN in the draws that are left out because the mean is, or nearly, infinite.

        With `positions`, only for these draws; whether the mean is finite is always decided on all of them. `remedy` is
        how the message goes on if it is not: what that means, and what to do.

        Raises
        ------
        InfiniteValueError
            If more than a thousandth of the posterior has no mean for one of these cells.
        """
        for frequency in np.unique(cells["x"]):
            if not self._refuse_infinite(cells, frequency, remedy):
                break  # more purchases only make the tail lighter
        margin = MARGIN if self.of_cells.draws > 1 else 0.0
        of_cells = self.of_cells if positions is None else self.chosen(positions).of_cells
        expected = of_cells.expected_spend(cells)

        def values(rows: slice) -> Array:
            tail_index = self.model.tail_index(of_cells.theta, cells["x"][rows, None])
            return np.where(tail_index <= 1 + margin, np.nan, expected(rows))

        return values

    def _refuse_infinite(self, cells: Cells, frequency: float, remedy: str) -> bool:
        """Raise if the mean at this frequency is infinite too often; else whether it is ever."""
        tail_index = self.model.tail_index(self.theta, np.asarray(frequency))
        infinite, near = float(np.mean(tail_index <= 1)), float(np.mean(tail_index <= 1 + MARGIN))
        if frequency == 0:
            infinite = max(infinite, self.p_infinite_mean)
        left_out = near if self.of_cells.draws > 1 else 0.0
        if infinite > LARGEST_MASS or left_out > LARGEST_LEFT_OUT:
            number = int(cells.counts[cells["x"] == frequency].sum())
            whose = "the population" if frequency == 0 else f"customers with {frequency:.0f} repeat purchases"
            message = (
                f"the mean amount of {whose} is infinite with posterior probability {infinite:.2%} (allowed is "
                f"{LARGEST_MASS:.1%}) and nearly so in {left_out:.2%} of the draws (allowed are "
                f"{LARGEST_LEFT_OUT:.0%}){remedy.format(number=number)}"
            )
            raise InfiniteValueError(message)
        return near > 0


@final
@dataclass(frozen=True, slots=True)
class SpendDraws:
    """The verbs of a :class:`SpendPosterior`, with every draw: arrays (chain, draw, customer_id).

    Draws without a mean are ``inf`` here: nothing is left out. An array of more than 2 GiB is refused.
    """

    posterior: SpendPosterior

    def expected_spend(self, histories: Histories) -> xr.DataArray:
        """See :meth:`SpendPosterior.expected_spend`."""
        cells = self.posterior.cells_of(histories)
        return self.posterior.array(histories, cells.index, self.posterior.of_cells.expected_spend(cells))

    def median_spend(self, histories: Histories) -> xr.DataArray:
        """See :meth:`SpendPosterior.median_spend`."""
        cells = self.posterior.cells_of(histories)
        return self.posterior.array(histories, cells.index, self.posterior.of_cells.median_spend(cells))
