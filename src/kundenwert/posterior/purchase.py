"""The posterior of a purchase model, and what it says about customers."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self, final

import numpy as np
import pandas as pd

from kundenwert.duration import Horizon, check_duration, units_per_year
from kundenwert.errors import InfiniteValueError, MissingInformationError, SpecificationError
from kundenwert.histories.cells import Cells
from kundenwert.posterior.base import Posterior, thinning
from kundenwert.posterior.purchase_draws import NOW, PurchaseDraws
from kundenwert.posterior.returners import from_return_on, in_kind, time_to_return
from kundenwert.posterior.summary import Estimate, summarise
from kundenwert.posterior.values import PurchaseValues
from kundenwert.scalars import check_count, is_number

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from kundenwert.duration import Unit
    from kundenwert.histories import Histories
    from kundenwert.models.core import PurchaseModel
    from kundenwert.posterior.values import Block

__all__ = ["PurchasePosterior", "check_rate"]


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class PurchasePosterior(Posterior):
    """Posterior of a purchase model.

    Every method takes histories, old or new ones, and gives a table indexed by ``customer_id`` in their order.
    Intervals are equal-tailed and hold the uncertainty about the population, not a customer's own chance.
    """

    model: PurchaseModel[Any]

    def p_alive(self, histories: Histories, *, ahead: Horizon = NOW, interval: float = 0.90) -> pd.DataFrame:
        """Probability that customers are still customers: columns mean, lower, upper.

        It depends on the model as much as on the data (BG/NBD calls every one-time buyer alive); to compare
        customers or models prefer :meth:`return_probability`.

        Parameters
        ----------
        histories : CustomerHistories or OpportunityHistories
            The customers.
        ahead : Duration or Periods
            How long after the end of observation; now by default.
        interval : float
            Probability of the equal-tailed interval.
        """
        return self._table(histories, self.p_alive_of(ahead), interval)

    def p_active(self, histories: Histories, *, ahead: Horizon = NOW, interval: float = 0.90) -> pd.DataFrame:
        """Probability that customers are active, neither dormant nor gone: columns mean, lower, upper.

        To models of permanent death all who are alive are active, and nobody is dormant. As P(alive), it depends on the
        model as much as on the data.

        Parameters
        ----------
        histories : CustomerHistories or OpportunityHistories
            The customers.
        ahead : Duration or Periods
            How long after the end of observation; now by default.
        interval : float
            Probability of the equal-tailed interval.
        """
        return self._table(histories, self.in_kind_of("active", ahead), interval)

    def p_dormant(self, histories: Histories, *, ahead: Horizon = NOW, interval: float = 0.90) -> pd.DataFrame:
        """Probability that customers are dormant: silent for now, to return by themselves; see :meth:`p_active`."""
        return self._table(histories, self.in_kind_of("dormant", ahead), interval)

    def p_gone(self, histories: Histories, *, ahead: Horizon = NOW, interval: float = 0.90) -> pd.DataFrame:
        """Probability that customers are gone for good; see :meth:`p_active`. The three sum to one."""
        return self._table(histories, self.in_kind_of("gone", ahead), interval)

    def expected_purchases(
        self, histories: Histories, *, horizon: Horizon, start: Horizon = NOW, interval: float = 0.90
    ) -> pd.DataFrame:
        """Expected number of purchases in (T + start, T + start + horizon]: columns mean, lower, upper.

        Parameters
        ----------
        histories : CustomerHistories or OpportunityHistories
            The customers.
        horizon, start : Duration or Periods
            Length of the period, and how long after the end of observation it begins.
        interval : float
            Probability of the equal-tailed interval.
        """
        return self._table(histories, self.purchases_of(horizon, start), interval)

    def return_probability(self, histories: Histories, *, horizon: Horizon, interval: float = 0.90) -> pd.DataFrame:
        """Probability of at least one purchase in (T, T + horizon] if nobody does anything: mean, lower, upper.

        Parameters
        ----------
        histories : CustomerHistories or OpportunityHistories
            The customers.
        horizon : Duration or Periods
            How far ahead.
        interval : float
            Probability of the equal-tailed interval.
        """
        return self._table(histories, self.returns_of(horizon), interval)

    def time_to_return(self, histories: Histories, *, within: Horizon, interval: float = 0.90) -> pd.DataFrame:
        """Expected time until the next purchase of those who return within a window by themselves.

        Of those who do not, no model knows when they would have: a mean over all customers is infinite.

        Parameters
        ----------
        histories : CustomerHistories or OpportunityHistories
            The customers.
        within : Duration or Periods
            How far ahead returns count.
        interval : float
            Probability of the equal-tailed interval.

        Returns
        -------
        pandas.DataFrame
            Columns mean, lower, upper, in the unit of the posterior.
        """
        return self._table(histories, self.time_to_return_of(within), interval)

    def second_lifetime_factor(
        self, histories: Histories, *, annual_discount_rate: float, within: Horizon, interval: float = 0.90
    ) -> pd.DataFrame:
        """Expected discounted purchases for life from a return on, the purchase of the return included.

        Of customers who return within the window by themselves, as of their return. What an offer brings back is
        something else: see :func:`kundenwert.second_lifetime_value`.

        Parameters
        ----------
        histories : CustomerHistories
            The customers.
        annual_discount_rate : float
            0.10 for 10 % a year.
        within : Duration
            How far ahead returns count.
        interval : float
            Probability of the equal-tailed interval.

        Raises
        ------
        SpecificationError
            If the model does not tell; :class:`RevivalNBD` does.
        InfiniteValueError
            Without discounting, unless every draw gives a finite number.
        """
        return self._table(histories, self.second_life_of(annual_discount_rate, within), interval)

    def discounted_purchases(
        self,
        histories: Histories,
        *,
        annual_discount_rate: float,
        horizon: Horizon,
        interval: float = 0.90,
    ) -> pd.DataFrame:
        """Expected purchases, one at u after T counting (1 + rate)^-u (u in years): columns mean, lower, upper.

        With ``horizon=LIFETIME`` these are the discounted expected residual transactions (DERT). The next opportunity
        of a model that counts them is one interval (``every``) after T.

        Parameters
        ----------
        histories : CustomerHistories or OpportunityHistories
            The customers.
        annual_discount_rate : float
            0.10 for 10 % a year.
        horizon : Duration or Periods
            How far ahead, or LIFETIME.
        interval : float
            Probability of the equal-tailed interval.

        Raises
        ------
        InfiniteValueError
            For life without discounting, unless every draw gives a finite number.
        MissingInformationError
            If opportunities are counted and nobody said how far apart they are.
        """
        return self._table(histories, self.discounted_of(annual_discount_rate, horizon), interval)

    def purchase_distribution(self, histories: Histories, *, horizon: Horizon, up_to: int = 10) -> pd.DataFrame:
        """Probability of 0, 1, …, `up_to` and more purchases in (T, T + horizon]; every row sums to one.

        Parameters
        ----------
        histories : CustomerHistories or OpportunityHistories
            The customers.
        horizon : Duration or Periods
            How far ahead.
        up_to : int
            Largest number with a column of its own.

        Returns
        -------
        pandas.DataFrame
            Columns 0 … up_to (integers) and ``"more"``: posterior predictive probabilities. For models whose customers
            depend on all of their history (:class:`RevivalNBD`), averages over at most 256 of the draws.
        """
        length = check_duration(horizon, "horizon").in_unit(self.unit)
        up_to = check_count(up_to, "up_to", smallest=0)
        cells = self.cells_of(histories)
        probabilities = self.of_cells.count_probabilities(cells, length, up_to)
        more = np.maximum(0.0, 1 - probabilities.sum(axis=1))
        table = pd.DataFrame(probabilities[cells.index], index=histories.customer_id)
        return table.assign(more=more[cells.index])

    def expected_purchases_new_customer(self, *, horizon: Horizon, interval: float = 0.90) -> Estimate:
        """Expected *repeat* purchases of a customer who has just bought for the first time.

        Parameters
        ----------
        horizon : Duration or Periods
            How far ahead, counted from the first purchase.
        interval : float
            Probability of the equal-tailed interval.
        """
        summary = summarise(1, self.of_cells.draws, self.purchases_of(horizon, NOW)(self.new_customer()), interval)
        return Estimate(float(summary.mean[0]), float(summary.lower[0]), float(summary.upper[0]))

    @property
    def draws(self) -> PurchaseDraws:
        """The same questions, answered with every draw instead of a table."""
        return PurchaseDraws(self)

    def thinned(self, draws: int) -> Self:
        """The posterior with `draws` evenly spaced draws in one chain."""
        return self.chosen(thinning(self.of_cells.draws, draws))

    def chosen(self, positions: NDArray[np.intp]) -> Self:
        """The posterior with the draws at these positions, in one chain."""
        return replace(self, values=self.model.named([value[positions][None] for value in self.theta]))

    @property
    def of_cells(self) -> PurchaseValues:
        """Values per cell and draw: what tables are made of."""
        return PurchaseValues(self.model, self.theta)

    def new_customer(self, every: float = math.nan) -> Cells:
        """One customer who has just bought for the first time; opportunities come `every` so many years."""
        none = np.zeros(1)
        return Cells(
            columns={"x": none, "T": none, "t_x": none},
            counts=np.ones(1, dtype=np.int64),
            index=np.zeros(1, dtype=np.int64),
            unit=self.unit,
            periods_per_year=1 / every if self.model.clock == "opportunity" else units_per_year(self.unit),
        )

    def discounted_of(self, annual_discount_rate: float, horizon: Horizon) -> Callable[[Cells], Block]:
        """Discounted purchases of cells, block by block."""
        delta = math.log1p(check_rate(annual_discount_rate))
        length = check_duration(horizon, "horizon", lifetime=True).in_unit(self.unit)
        if delta == 0 and horizon.is_lifetime:
            self.refuse_infinite()
        return lambda cells: self.of_cells.discounted_purchases(cells, per_period(delta, cells), length)

    def refuse_infinite(self) -> None:
        """Raise if some customers are expected to buy for ever: for what is not discounted, and for life."""
        infinite = float(np.mean(self.model.endless(self.theta)))
        if infinite > 0:
            message = (
                f"without discounting, expected purchases for life are infinite in {infinite:.0%} of the draws: "
                "too many customers hardly ever leave. Give an annual_discount_rate above 0, or a finite horizon"
            )
            raise InfiniteValueError(message)

    def p_alive_of(self, ahead: Horizon) -> Callable[[Cells], Block]:
        """P(alive) of cells, block by block."""
        length = check_duration(ahead, "ahead").in_unit(self.unit)
        return lambda cells: self.of_cells.p_alive(cells, length)

    def in_kind_of(self, name: str, ahead: Horizon) -> Callable[[Cells], Block]:
        """P(active), P(dormant) or P(gone) of cells, block by block."""
        length = check_duration(ahead, "ahead").in_unit(self.unit)
        return lambda cells: in_kind(self.of_cells, cells, name, length)

    def time_to_return_of(self, within: Horizon) -> Callable[[Cells], Block]:
        """Times to return of cells, block by block."""
        length = _window(within, self.unit)
        return lambda cells: time_to_return(self.of_cells, cells, length)

    def second_life_of(self, annual_discount_rate: float, within: Horizon) -> Callable[[Cells], Block]:
        """Discounted purchases from a return on of cells, block by block."""
        delta = math.log1p(check_rate(annual_discount_rate))
        length = _window(within, self.unit)
        if delta == 0:
            self.refuse_infinite()
        return lambda cells: from_return_on(self.of_cells, cells, per_period(delta, cells), length)

    def purchases_of(self, horizon: Horizon, start: Horizon) -> Callable[[Cells], Block]:
        """Expected purchases of cells, block by block."""
        length = check_duration(horizon, "horizon").in_unit(self.unit)
        begin = check_duration(start, "start").in_unit(self.unit)
        return lambda cells: self.of_cells.purchases(cells, begin, length)

    def returns_of(self, horizon: Horizon) -> Callable[[Cells], Block]:
        """Return probabilities of cells, block by block."""
        length = check_duration(horizon, "horizon").in_unit(self.unit)
        return lambda cells: self.of_cells.returns(cells, length)

    def _table(self, histories: Histories, values: Callable[[Cells], Block], interval: float) -> pd.DataFrame:
        cells = self.cells_of(histories)
        summary = summarise(len(cells), self.of_cells.draws, values(cells), interval)
        return summary.at(cells.index).to_pandas(histories.customer_id)


def per_period(delta: float, cells: Cells) -> float:
    """The continuous discount rate per period, from that per year."""
    if delta > 0 and math.isnan(cells.periods_per_year):
        message = (
            "discounting needs to know how much time lies between two opportunities, and these histories do not say; "
            "make them with every=…, for example OpportunityHistories.from_pandas(table, every=kundenwert.years(1))"
        )
        raise MissingInformationError(message)
    return delta / cells.periods_per_year if delta > 0 else 0.0


def _window(within: Horizon, unit: Unit) -> float:
    length = check_duration(within, "within").in_unit(unit)
    if not length > 0:
        message = f"within must be longer than 0, as nobody returns in no time; got {within!r}"
        raise SpecificationError(message)
    return length


def check_rate(annual_discount_rate: float) -> float:
    """Return the annual discount rate if it is zero or a positive number."""
    rate = annual_discount_rate
    if not is_number(rate) or rate < 0:
        message = f"annual_discount_rate is 0 or more, for example 0.10 for 10 % a year; got {rate!r}"
        raise SpecificationError(message)
    return float(rate)
