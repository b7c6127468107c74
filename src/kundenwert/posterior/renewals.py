"""What a posterior of contracts says about cells, block by block: arrays of shape (cells in the block, draws)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from kundenwert.histories import Cells
    from kundenwert.models.core import Array, ContractModel, LivingContract
    from kundenwert.posterior.values import Block

__all__ = ["ContractValues"]

FARTHEST_STEP: Final = 100  # renewals between two tenures, up to which stepping is cheaper than summing anew


@final
@dataclass(frozen=True, slots=True)
class ContractValues:
    """A model of contracts with draws of its parameters, each of shape (draws,)."""

    model: ContractModel[Any]
    theta: tuple[Array, ...]

    @property
    def draws(self) -> int:
        """Number of draws."""
        return len(self.theta[0])

    def survival(self, cells: Cells, ahead: float) -> Block:
        """P(still active `ahead` renewals later); 0 for contracts that have ended."""
        return self.of_active(cells, lambda contract: contract.survival(ahead), 0.0)

    def churn(self, cells: Cells, ahead: float) -> Block:
        """P(ended `ahead` renewals later); 1 for contracts that have ended."""
        return self.of_active(cells, lambda contract: contract.churn(ahead), 1.0)

    def renewals(self, cells: Cells, rate: float, horizon: float) -> Block:
        """Expected renewals among the next `horizon`, the j-th counting exp(-rate j); 0 for those that have ended."""
        if math.isinf(horizon):
            return lambda rows: self._for_life(cells, rate, rows)
        return self.of_active(cells, lambda contract: contract.renewals(rate, horizon), 0.0)

    def new_survival(self, up_to: int) -> Block:
        """P(a new contract is active after renewal t), t = 0 … up_to of every cohort, cohort by cohort."""

        def values(rows: slice) -> Array:
            result = np.empty((rows.stop - rows.start, self.draws))
            for place, row in enumerate(range(rows.start, rows.stop)):
                cohort, renewal = divmod(row, up_to + 1)
                result[place] = self._living(np.array([cohort]), np.zeros(1)).survival(renewal)[0]
            return result

        return values

    def new_retention(self, up_to: int) -> Block:
        """P(renewed at renewal t | active until then), t = 1 … up_to of every cohort, cohort by cohort."""

        def values(rows: slice) -> Array:
            cohort, tenure = np.divmod(np.arange(rows.start, rows.stop), up_to)
            return self._living(cohort, tenure.astype(np.float64)).survival(1)

        return values

    def _living(self, cohort: NDArray[np.int64], tenure: Array) -> LivingContract:
        return self.model.living(self.theta, cohort[:, None], tenure[:, None])

    def never_ending(self, cells: Cells) -> float:
        """Share of the draws in which some active contract among these cells is expected to last for ever."""
        cohorts = np.unique(cells["cohort"][cells["ended"] == 0]).astype(np.int64)
        if len(cohorts) == 0:
            return 0.0
        index = np.broadcast_to(self._living(cohorts, np.zeros(len(cohorts))).tail_index(), (len(cohorts), self.draws))
        return float(np.mean((index <= 1).any(axis=0)))

    def of_active(self, cells: Cells, value: Callable[[LivingContract], Array], ended: float) -> Block:
        """A value of the contracts that are active; `ended` for the others."""

        def values(rows: slice) -> Array:
            active = cells["ended"][rows] == 0
            result = np.full((len(active), self.draws), ended)
            if active.any():
                cohort = cells["cohort"][rows][active].astype(np.int64)
                result[active] = value(self._living(cohort, cells["tenure"][rows][active]))
            return result

        return values

    def _for_life(self, cells: Cells, rate: float, rows: slice) -> Array:
        """Expected renewals without an end.

        Those after t renewals follow from those after t + 1, L(t) = exp(-rate) P(renews) (1 + L(t + 1)), so that the
        sum is taken for the longest tenure of a cohort only, or where the next tenure is far.
        """
        cohort, tenure = cells["cohort"][rows].astype(np.int64), cells["tenure"][rows]
        result = np.zeros((len(cohort), self.draws))
        known: Array | None = None
        above = (-1, 0.0)
        active = np.flatnonzero(cells["ended"][rows] == 0)
        for row in active[np.lexsort((-tenure[active], cohort[active]))]:
            same, step = above[0] == cohort[row], above[1] - tenure[row]
            if known is None or not same or step > FARTHEST_STEP:
                known = self._living(cohort[row : row + 1], tenure[row : row + 1]).renewals(rate, math.inf)[0]
            elif step > 0:
                between = np.arange(tenure[row], above[1])
                renews = self._living(np.full(len(between), cohort[row]), between).survival(1)
                for chance in renews[::-1]:
                    known = math.exp(-rate) * chance * (1 + known)
            above = (int(cohort[row]), float(tenure[row]))
            result[row] = known
        return result
