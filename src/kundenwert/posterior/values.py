"""What a posterior says about cells, block by block: arrays of shape (cells in the block, draws)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np

from kundenwert.models._functions import NUMPY, Array, history_of
from kundenwert.posterior.summary import in_blocks
from kundenwert.posterior.surface import Positive, over_pairs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kundenwert.histories import Cells
    from kundenwert.models._base import AliveCustomer, PurchaseModel, SpendModel

DRAWS_PROBED: Final = 24
TABLE_ERROR: Final = 1e-7

__all__ = ["Block", "PurchaseValues", "SpendValues"]

type Block = Callable[[slice], Array]
"""Values for a slice of the cells, shape (cells in the slice, draws)."""


@final
@dataclass(frozen=True, slots=True)
class PurchaseValues:
    """A purchase model with draws of its parameters, each of shape (draws,)."""

    model: PurchaseModel[Any]
    theta: tuple[Array, ...]

    @property
    def draws(self) -> int:
        """Number of draws."""
        return len(self.theta[0])

    def alive_now(self, cells: Cells) -> Block:
        """P(alive at T)."""
        return lambda rows: self.model.p_alive(self.theta, history_of(cells.columns, rows), NUMPY)

    def p_alive(self, cells: Cells, ahead: float) -> Block:
        """P(alive at T + ahead)."""
        if ahead == 0:
            return self.alive_now(cells)
        return self._times_alive(cells, self._averaged(cells, lambda customer: customer.survival(ahead)))

    def purchases(self, cells: Cells, start: float, horizon: float) -> Block:
        """Expected purchases in (T + start, T + start + horizon]."""
        if horizon == 0:
            return self._nothing
        averaged = self._averaged(cells, lambda customer: customer.purchases(start, horizon))
        return self._times_alive(cells, averaged)

    def returns(self, cells: Cells, horizon: float) -> Block:
        """P(at least one purchase in (T, T + horizon])."""
        x, T = cells["x"][:, None], cells["T"][:, None]
        return self._times_alive(cells, lambda rows: self.model.alive(self.theta, x[rows], T[rows]).returns(horizon))

    def overview(self, cells: Cells, horizon: float) -> Callable[[slice], tuple[Array, ...]]:
        """P(alive), expected purchases and return probability within the horizon, in one pass."""
        alive_now, x, T = self.alive_now(cells), cells["x"][:, None], cells["T"][:, None]
        purchases = self._averaged(cells, lambda customer: customer.purchases(0.0, horizon))

        def values(rows: slice) -> tuple[Array, ...]:
            p_alive = alive_now(rows)
            returns = self.model.alive(self.theta, x[rows], T[rows]).returns(horizon)
            return p_alive, p_alive * purchases(rows), p_alive * returns

        return values

    def discounted_purchases(self, cells: Cells, rate: float, horizon: float) -> Block:
        """Expected purchases in (T, T + horizon], one at u after T counting exp(-rate u)."""
        if horizon == 0:
            return self._nothing
        averaged = self._averaged(cells, lambda customer: customer.discounted_purchases(rate, horizon))
        return self._times_alive(cells, averaged)

    def count_probabilities(self, cells: Cells, horizon: float, up_to: int) -> Array:
        """Posterior mean of P(exactly m purchases in (T, T + horizon]), shape (cells, up_to + 1)."""
        return np.stack([self._count_probability(cells, horizon, count) for count in range(up_to + 1)], axis=1)

    def _count_probability(self, cells: Cells, horizon: float, count: int) -> Array:
        result = np.empty(len(cells))
        alive_now = self.alive_now(cells)
        given_alive = self._averaged(cells, lambda customer: customer.count_probability(count, horizon))

        def work(rows: slice) -> None:
            p_alive = alive_now(rows)
            probability = p_alive * given_alive(rows)
            if count == 0:
                probability += 1 - p_alive
            result[rows] = probability.mean(axis=-1)

        in_blocks(len(cells), self.draws, work)
        return result

    def _averaged(self, cells: Cells, expectation: Callable[[AliveCustomer], Array]) -> Block:
        """An expectation over living customers that is costly, computed per distinct (x, T) or interpolated.

        A single draw, as for published values, is computed to full precision.
        """

        def evaluate(x: Array, T: Array, draws: NDArray[np.intp]) -> Array:
            theta = self.model.named([values[draws] for values in self.theta])
            customer = self.model.alive(theta, x[:, None], T[:, None])
            return expectation(customer if self.draws == 1 else customer.within(TABLE_ERROR))

        extreme = [pick(values) for values in self.theta for pick in (np.argmin, np.argmax)]
        probed = np.unique(np.r_[extreme, np.linspace(0, self.draws - 1, DRAWS_PROBED).astype(np.intp)])
        function = Positive(evaluate, self.draws, probed, self.model.time_scale(self.theta))
        return over_pairs(function, cells["x"], cells["T"])

    def _times_alive(self, cells: Cells, given_alive: Block) -> Block:
        alive_now = self.alive_now(cells)
        return lambda rows: alive_now(rows) * given_alive(rows)

    def _nothing(self, rows: slice) -> Array:
        return np.zeros((rows.stop - rows.start, self.draws))


@final
@dataclass(frozen=True, slots=True)
class SpendValues:
    """A spend model with draws of its parameters, each of shape (draws,)."""

    model: SpendModel[Any]
    theta: tuple[Array, ...]

    @property
    def draws(self) -> int:
        """Number of draws."""
        return len(self.theta[0])

    def expected_spend(self, cells: Cells) -> Block:
        """Expected amount of a purchase."""
        x, total = cells["x"][:, None], cells["total"][:, None]
        return lambda rows: self.model.expected_spend(self.theta, x[rows], total[rows])

    def median_spend(self, cells: Cells) -> Block:
        """Median over customers with this history of their mean amount."""
        x, total = cells["x"][:, None], cells["total"][:, None]
        return lambda rows: self.model.median_spend(self.theta, x[rows], total[rows])
