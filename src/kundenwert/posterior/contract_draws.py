"""The verbs of a posterior of contracts, with every draw instead of a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

import numpy as np

from kundenwert.duration import LIFETIME, Horizon, Periods, check_duration
from kundenwert.errors import SizeError

if TYPE_CHECKING:
    from collections.abc import Callable

    import xarray as xr
    from numpy.typing import NDArray

    from kundenwert.histories import Cells, ContractHistories
    from kundenwert.posterior.contract import ContractPosterior
    from kundenwert.posterior.renewals import ContractValues
    from kundenwert.posterior.values import Block

__all__ = ["NEXT", "TWELVE", "ContractDraws", "curve_in", "renewals_in"]

NEXT: Final = Periods(1, "renewal")
TWELVE: Final = Periods(12, "renewal")
LONGEST_CURVE: Final = 100_000  # renewals


@final
@dataclass(frozen=True, slots=True)
class ContractDraws:
    """The verbs of a :class:`ContractPosterior`, with every draw: arrays (chain, draw, customer_id).

    Curves have the dimensions (chain, draw, cohort, renewal), or (chain, draw, renewal) without cohorts. An array of
    more than 2 GiB is refused; the tables have no such limit.
    """

    posterior: ContractPosterior

    def survival(self, histories: ContractHistories, *, horizon: Periods) -> xr.DataArray:
        """See :meth:`ContractPosterior.survival`."""
        return self._array(histories, self.posterior.survival_of(horizon))

    def churn_probability(self, histories: ContractHistories, *, horizon: Periods) -> xr.DataArray:
        """See :meth:`ContractPosterior.churn_probability`."""
        return self._array(histories, self.posterior.churn_of(horizon))

    def retention(self, histories: ContractHistories) -> xr.DataArray:
        """See :meth:`ContractPosterior.retention`."""
        return self._array(histories, self.posterior.survival_of(NEXT))

    def expected_residual_lifetime(
        self, histories: ContractHistories, *, annual_discount_rate: float = 0.0, horizon: Horizon = LIFETIME
    ) -> xr.DataArray:
        """See :meth:`ContractPosterior.expected_residual_lifetime`."""
        return self._array(histories, self.posterior.renewals_of(annual_discount_rate, horizon))

    def survival_curve(self, *, up_to: Periods = TWELVE) -> xr.DataArray:
        """See :meth:`ContractPosterior.survival_curve`."""
        renewals = np.arange(curve_in(up_to) + 1)
        return self._curve(renewals, lambda values: values.new_survival(int(renewals[-1])))

    def retention_curve(self, *, up_to: Periods = TWELVE) -> xr.DataArray:
        """See :meth:`ContractPosterior.retention_curve`."""
        renewals = np.arange(1, curve_in(up_to) + 1)
        return self._curve(renewals, lambda values: values.new_retention(len(renewals)))

    def _array(self, histories: ContractHistories, values: Callable[[Cells], Block]) -> xr.DataArray:
        cells = self.posterior.cells_of(histories)
        return self.posterior.array(histories, cells.index, values(cells))

    def _curve(self, renewals: NDArray[np.int64], values: Callable[[ContractValues], Block]) -> xr.DataArray:
        import xarray as xr

        full = self.posterior.of_all_cohorts()
        cohorts = full.model.cohorts
        rows = np.arange(len(renewals) * max(1, len(cohorts)))
        drawn = full.for_customers(rows, values(full.of_cells))
        if not cohorts:
            return xr.DataArray(drawn, dims=("chain", "draw", "renewal"), coords={"renewal": renewals})
        shaped = drawn.reshape(*drawn.shape[:2], len(cohorts), len(renewals))
        names = np.array(cohorts, dtype=object)
        return xr.DataArray(
            shaped, dims=("chain", "draw", "cohort", "renewal"), coords={"cohort": names, "renewal": renewals}
        )


def renewals_in(periods: Periods, name: str) -> int:
    """The number of renewals."""
    return int(check_duration(periods, name).in_unit("renewal"))


def curve_in(up_to: Periods) -> int:
    """The last renewal of a curve, which has a row for each."""
    last = renewals_in(up_to, "up_to")
    if last > LONGEST_CURVE:
        message = (
            f"a curve up to renewal {last:,} has a row for each; more than {LONGEST_CURVE:,} are too many. Ask about a "
            "single one far ahead with survival(…, horizon=kundenwert.renewals(…))"
        )
        raise SizeError(message)
    return last
