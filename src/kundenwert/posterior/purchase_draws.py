"""The verbs of a posterior of purchases, with every draw instead of a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

from kundenwert.duration import Duration, Horizon

if TYPE_CHECKING:
    from collections.abc import Callable

    import xarray as xr

    from kundenwert.histories import Cells, Histories
    from kundenwert.posterior.purchase import PurchasePosterior
    from kundenwert.posterior.values import Block

__all__ = ["NOW", "PurchaseDraws"]

NOW: Final = Duration(0.0)


@final
@dataclass(frozen=True, slots=True)
class PurchaseDraws:
    """The verbs of a :class:`PurchasePosterior`, with every draw: arrays (chain, draw, customer_id).

    An array of more than 2 GiB is refused; the tables have no such limit.
    """

    posterior: PurchasePosterior

    def p_alive(self, histories: Histories, *, ahead: Horizon = NOW) -> xr.DataArray:
        """See :meth:`PurchasePosterior.p_alive`."""
        return self._array(histories, self.posterior.p_alive_of(ahead))

    def p_active(self, histories: Histories, *, ahead: Horizon = NOW) -> xr.DataArray:
        """See :meth:`PurchasePosterior.p_active`."""
        return self._array(histories, self.posterior.in_kind_of("active", ahead))

    def p_dormant(self, histories: Histories, *, ahead: Horizon = NOW) -> xr.DataArray:
        """See :meth:`PurchasePosterior.p_dormant`."""
        return self._array(histories, self.posterior.in_kind_of("dormant", ahead))

    def p_gone(self, histories: Histories, *, ahead: Horizon = NOW) -> xr.DataArray:
        """See :meth:`PurchasePosterior.p_gone`."""
        return self._array(histories, self.posterior.in_kind_of("gone", ahead))

    def expected_purchases(self, histories: Histories, *, horizon: Horizon, start: Horizon = NOW) -> xr.DataArray:
        """See :meth:`PurchasePosterior.expected_purchases`."""
        return self._array(histories, self.posterior.purchases_of(horizon, start))

    def return_probability(self, histories: Histories, *, horizon: Horizon) -> xr.DataArray:
        """See :meth:`PurchasePosterior.return_probability`."""
        return self._array(histories, self.posterior.returns_of(horizon))

    def time_to_return(self, histories: Histories, *, within: Horizon) -> xr.DataArray:
        """See :meth:`PurchasePosterior.time_to_return`."""
        return self._array(histories, self.posterior.time_to_return_of(within))

    def second_lifetime_factor(
        self, histories: Histories, *, annual_discount_rate: float, within: Horizon
    ) -> xr.DataArray:
        """See :meth:`PurchasePosterior.second_lifetime_factor`."""
        return self._array(histories, self.posterior.second_life_of(annual_discount_rate, within))

    def discounted_purchases(
        self, histories: Histories, *, annual_discount_rate: float, horizon: Horizon
    ) -> xr.DataArray:
        """See :meth:`PurchasePosterior.discounted_purchases`."""
        return self._array(histories, self.posterior.discounted_of(annual_discount_rate, horizon))

    def _array(self, histories: Histories, values: Callable[[Cells], Block]) -> xr.DataArray:
        cells = self.posterior.cells_of(histories)
        return self.posterior.array(histories, cells.index, values(cells))
