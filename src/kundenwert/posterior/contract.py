"""The posterior of a model of contracts, and what it says about them."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Self, final

import numpy as np
import pandas as pd

from kundenwert.duration import LIFETIME, Horizon, Periods, check_duration
from kundenwert.errors import InfiniteValueError, MissingInformationError, SpecificationError
from kundenwert.posterior.base import Posterior, thinning
from kundenwert.posterior.contract_draws import NEXT, TWELVE, ContractDraws, curve_in, renewals_in
from kundenwert.posterior.purchase import check_rate
from kundenwert.posterior.renewals import ContractValues
from kundenwert.posterior.summary import summarise

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from kundenwert.histories import Cells, CohortLabel, ContractHistories
    from kundenwert.models.core import ContractModel
    from kundenwert.posterior.values import Block

__all__ = ["ContractPosterior"]

NEW_COHORT: Final = "new cohort"


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class ContractPosterior(Posterior):
    """Posterior of a model of contracts.

    Methods that take histories give a table indexed by ``customer_id`` in their order; the curves are about contracts
    that begin now. Intervals are equal-tailed and hold the uncertainty about the cohorts, not a contract's own chance.
    """

    model: ContractModel[Any]

    def survival(self, histories: ContractHistories, *, horizon: Periods, interval: float = 0.90) -> pd.DataFrame:
        """Probability that a contract is still active `horizon` renewals from now: columns mean, lower, upper.

        Parameters
        ----------
        histories : ContractHistories
            The contracts; those that have ended get 0.
        horizon : Periods
            How many renewals ahead: ``kundenwert.renewals(12)``.
        interval : float
            Probability of the equal-tailed interval.

        Raises
        ------
        DataError
            If a contract belongs to a cohort that the posterior does not know; see :meth:`with_new_cohorts`.
        """
        return self._table(histories, self.survival_of(horizon), interval)

    def churn_probability(
        self, histories: ContractHistories, *, horizon: Periods, interval: float = 0.90
    ) -> pd.DataFrame:
        """Probability that a contract ends at one of the next `horizon` renewals: columns mean, lower, upper.

        Parameters
        ----------
        histories : ContractHistories
            The contracts; those that have ended get 1.
        horizon : Periods
            How many renewals ahead: ``kundenwert.renewals(12)``.
        interval : float
            Probability of the equal-tailed interval.
        """
        return self._table(histories, self.churn_of(horizon), interval)

    def retention(self, histories: ContractHistories, *, interval: float = 0.90) -> pd.DataFrame:
        """Probability that a contract is renewed at the next renewal: columns mean, lower, upper.

        Parameters
        ----------
        histories : ContractHistories
            The contracts; those that have ended get 0.
        interval : float
            Probability of the equal-tailed interval.
        """
        return self._table(histories, self.survival_of(NEXT), interval)

    def expected_residual_lifetime(
        self,
        histories: ContractHistories,
        *,
        annual_discount_rate: float = 0.0,
        horizon: Horizon = LIFETIME,
        interval: float = 0.90,
    ) -> pd.DataFrame:
        """Expected number of renewals still to come: columns mean, lower, upper.

        The j-th renewal from now counts (1 + rate)^-(j every), with the interval between renewals, `every`, in years:
        as seen right after the last renewal, so that the next one is a whole interval away. Times the margin of a
        period that is paid in advance, it is the value of what is still to be paid. Seen right before the next
        renewal, values are larger by the factor (1 + rate)^every; this is the discounted expected residual
        lifetime (DERL) of Fader & Hardie (2010).

        Parameters
        ----------
        histories : ContractHistories
            The contracts; those that have ended get 0.
        annual_discount_rate : float
            0.10 for 10 % a year; needs to know how often contracts renew.
        horizon : Periods or LIFETIME
            How many renewals ahead, or for life.
        interval : float
            Probability of the equal-tailed interval.

        Raises
        ------
        InfiniteValueError
            For life without discounting, unless every draw gives a finite number.
        MissingInformationError
            If the histories do not say how often contracts renew, and the rate is not 0.
        """
        return self._table(histories, self.renewals_of(annual_discount_rate, horizon), interval)

    def survival_curve(self, *, up_to: Periods = TWELVE, interval: float = 0.90) -> pd.DataFrame:
        """Share of new contracts still active after each renewal: columns mean, lower, upper.

        Parameters
        ----------
        up_to : Periods
            Last renewal.
        interval : float
            Probability of the equal-tailed interval.

        Returns
        -------
        pandas.DataFrame
            One row for each renewal 0, 1, …, `up_to`, and for each cohort if there are any. With several cohorts, the
            last is a ``"new cohort"``, drawn from their population.

        Raises
        ------
        SizeError
            If it is longer than 100,000 renewals.
        """
        renewals = np.arange(curve_in(up_to) + 1)
        return self._curve(renewals, lambda values: values.new_survival(int(renewals[-1])), interval)

    def retention_curve(self, *, up_to: Periods = TWELVE, interval: float = 0.90) -> pd.DataFrame:
        """Probability that a new contract is renewed at each renewal, if active until then: mean, lower, upper.

        It rises because those who leave easily have left, even where no single contract changes.

        Parameters
        ----------
        up_to : Periods
            Last renewal.
        interval : float
            Probability of the equal-tailed interval.

        Returns
        -------
        pandas.DataFrame
            One row for each renewal 1, 2, …, `up_to`, and for each cohort if there are any. With several cohorts, the
            last is a ``"new cohort"``, drawn from their population.

        Raises
        ------
        SizeError
            If it is longer than 100,000 renewals.
        """
        renewals = np.arange(1, curve_in(up_to) + 1)
        return self._curve(renewals, lambda values: values.new_retention(len(renewals)), interval)

    def with_new_cohorts(self, labels: Sequence[CohortLabel]) -> Self:
        """The posterior with further cohorts, of which nothing is known but that they are like the others.

        In each draw, a new cohort's parameters are drawn from the population of cohorts, so that its intervals hold
        how much cohorts differ.

        Parameters
        ----------
        labels : sequence
            What the new cohorts are called in the histories.

        Raises
        ------
        SpecificationError
            If the posterior is one of fewer than two cohorts, or a single draw; or if a label is known already.
        """
        given = [*labels] if isinstance(labels, Iterable) and not isinstance(labels, str) else [None]
        if not all(isinstance(label, (str, int)) and not isinstance(label, bool) for label in given):
            message = f"labels are several strings or integers, for example ['2026']; got {labels!r}"
            raise SpecificationError(message)
        model = self.model.with_cohorts(labels)
        if self.of_cells.draws == 1:
            message = (
                "a new cohort is drawn from the population of cohorts, once in each draw, and a single draw says "
                "nothing; fit with importance sampling or NUTS"
            )
            raise SpecificationError(message)
        values = self.values
        for position, label in enumerate(labels):
            stream = np.random.SeedSequence(self.diagnostics.seed or 0, spawn_key=(zlib.crc32(repr(label).encode()),))
            normals = np.random.default_rng(stream).standard_normal((2, *values[0].shape))
            known = self.model.with_cohorts(labels[:position])
            values = known.theta_with_cohort(values, (normals[0], normals[1]))
        return replace(self, model=model, values=values)

    @property
    def draws(self) -> ContractDraws:
        """The same questions, answered with every draw instead of a table."""
        return ContractDraws(self)

    def thinned(self, draws: int) -> Self:
        """The posterior with `draws` evenly spaced draws in one chain."""
        return self.chosen(thinning(self.of_cells.draws, draws))

    def chosen(self, positions: NDArray[np.intp]) -> Self:
        """The posterior with the draws at these positions, in one chain."""
        return replace(self, values=self.model.named([value[positions][None] for value in self.theta]))

    @property
    def of_cells(self) -> ContractValues:
        """Values per cell and draw: what tables are made of."""
        return ContractValues(self.model, self.theta)

    def survival_of(self, horizon: Periods) -> Callable[[Cells], Block]:
        """Survival of cells, block by block."""
        ahead = renewals_in(horizon, "horizon")
        return lambda cells: self.of_cells.survival(cells, ahead)

    def churn_of(self, horizon: Periods) -> Callable[[Cells], Block]:
        """Churn probabilities of cells, block by block."""
        ahead = renewals_in(horizon, "horizon")
        return lambda cells: self.of_cells.churn(cells, ahead)

    def renewals_of(self, annual_discount_rate: float, horizon: Horizon) -> Callable[[Cells], Block]:
        """Discounted renewals of cells, block by block."""
        delta = math.log1p(check_rate(annual_discount_rate))
        length = check_duration(horizon, "horizon", lifetime=True).in_unit(self.unit)

        def block(cells: Cells) -> Block:
            if delta > 0 and math.isnan(cells.periods_per_year):
                message = (
                    "to discount, the time between two renewals must be known; say so when the histories are made: "
                    "ContractHistories.from_cohorts(…, every=kundenwert.months(1))"
                )
                raise MissingInformationError(message)
            if delta == 0 and math.isinf(length):
                self.refuse_infinite(cells)
            return self.of_cells.renewals(cells, delta / cells.periods_per_year if delta > 0 else 0.0, length)

        return block

    def of_all_cohorts(self) -> Self:
        """The posterior with a new cohort beside several known ones, if it has more than one draw."""
        cohorts = self.model.cohorts
        if len(cohorts) < 2 or NEW_COHORT in cohorts or self.of_cells.draws == 1:
            return self
        return self.with_new_cohorts([NEW_COHORT])

    def refuse_infinite(self, cells: Cells) -> None:
        """Raise if some contracts are expected to last for ever: for what is not discounted, and for life."""
        infinite = self.of_cells.never_ending(cells)
        if infinite > 0:
            message = (
                f"without discounting, the expected lifetime is infinite in {infinite:.0%} of the draws: too many "
                "contracts hardly ever end. Give an annual_discount_rate above 0, or a finite horizon: "
                "horizon=kundenwert.renewals(60)"
            )
            raise InfiniteValueError(message)

    def _curve(
        self, renewals: NDArray[np.int64], values: Callable[[ContractValues], Block], interval: float
    ) -> pd.DataFrame:
        full = self.of_all_cohorts()
        cohorts = full.model.cohorts
        count = len(renewals) * max(1, len(cohorts))
        summary = summarise(count, full.of_cells.draws, values(full.of_cells), interval)
        index: pd.Index = pd.Index(renewals, name="renewal")
        if cohorts:
            index = pd.MultiIndex.from_product([list(cohorts), renewals], names=["cohort", "renewal"])
        return summary.to_pandas(index)

    def _table(self, histories: ContractHistories, values: Callable[[Cells], Block], interval: float) -> pd.DataFrame:
        cells = self.cells_of(histories)
        summary = summarise(len(cells), self.of_cells.draws, values(cells), interval)
        return summary.at(cells.index).to_pandas(histories.customer_id)
