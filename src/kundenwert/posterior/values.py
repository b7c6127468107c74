"""What a posterior says about cells, block by block: arrays of shape (cells in the block, draws)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np

from kundenwert.errors import InfiniteValueError
from kundenwert.models.core import NUMPY, Array, CountProbability, Purchases, history_of
from kundenwert.posterior.summary import in_blocks
from kundenwert.posterior.surface import Positive, over_pairs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kundenwert.histories import Cells
    from kundenwert.models.core import Expectation, History, PurchaseModel, SpendModel

DRAWS_PROBED: Final = 24
LARGEST_MEAN: Final = 1e300  # of amounts; sums over draws are floating-point numbers as well
TABLE_ERROR: Final = 1e-7
MOST_DRAWS_COUNTED: Final = 256
DRAWS_COUNTED: Final = 16
COUNTED_AT_ONCE: Final = 8

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

    def states_now(self, cells: Cells) -> Block:
        """P(alive and in each state at T), shape (states, cells in the slice, draws)."""
        return lambda rows: self.model.p_states(self.theta, history_of(cells, rows), NUMPY)

    def p_alive(self, cells: Cells, ahead: float) -> Block:
        """P(alive at T + ahead)."""
        if ahead == 0:
            states_now = self.states_now(cells)
            return lambda rows: states_now(rows).sum(axis=0)
        return self.expected(cells, lambda customer: customer.survival(ahead))

    def purchases(self, cells: Cells, start: float, horizon: float) -> Block:
        """Expected purchases in (T + start, T + start + horizon]."""
        if horizon == 0:
            return self._nothing
        return self.expected(cells, lambda customer: customer.purchases(start, horizon))

    def returns(self, cells: Cells, horizon: float) -> Block:
        """P(at least one purchase in (T, T + horizon])."""
        if horizon == 0:
            return self._nothing
        return self.expected(cells, lambda customer: customer.returns(horizon))

    def overview(self, cells: Cells, horizon: float) -> Callable[[slice], tuple[Array, ...]]:
        """P(alive), expected purchases and return probability within the horizon, in one pass."""
        states_now = self.states_now(cells)
        if horizon == 0:
            return lambda rows: (states_now(rows).sum(axis=0), self._nothing(rows), self._nothing(rows))
        asked: list[Expectation] = [lambda customer: customer.purchases(0.0, horizon)]
        asked.append(lambda customer: customer.returns(horizon))
        if self.model.by_history:
            expected = self.model.averaging(self.theta, cells.columns, asked)
            return lambda rows: (states_now(rows).sum(axis=0), *expected(history_of(cells, rows)).sum(axis=1))
        purchases, returns = (self.averaged(cells, expectation) for expectation in asked)

        def values(rows: slice) -> tuple[Array, ...]:
            states = states_now(rows)
            return states.sum(axis=0), _over_states(states, purchases, rows), _over_states(states, returns, rows)

        return values

    def discounted_purchases(self, cells: Cells, rate: float, horizon: float) -> Block:
        """Expected purchases in (T, T + horizon], one at u after T counting exp(-rate u)."""
        if horizon == 0:
            return self._nothing
        return self.expected(cells, lambda customer: customer.discounted_purchases(rate, horizon))

    def count_probabilities(self, cells: Cells, horizon: float, up_to: int) -> Array:
        """Posterior mean of P(exactly m purchases in (T, T + horizon]), shape (cells, up_to + 1)."""
        if self.model.by_history:
            return self._counts_together(cells, horizon, up_to)
        return np.stack([self.count_probability(cells, horizon, count) for count in range(up_to + 1)], axis=1)

    def _counts_together(self, cells: Cells, horizon: float, up_to: int) -> Array:
        """The same where several counts cost as much as the largest, which is asked first; some draws at a time."""
        total = np.zeros((len(cells), up_to + 1))
        draws = min(self.draws, MOST_DRAWS_COUNTED)
        chosen = np.arange(draws) * self.draws // draws
        for some in np.split(chosen, range(DRAWS_COUNTED, draws, DRAWS_COUNTED)):
            theta = self.model.named([values[some] for values in self.theta])
            for most in range(up_to, -1, -COUNTED_AT_ONCE):
                counts = range(most, max(-1, most - COUNTED_AT_ONCE), -1)
                asked = [CountProbability(count, horizon) for count in counts]
                expected = self.model.averaging(theta, cells.columns, asked)
                _add_means(cells, expected, total[:, counts.stop + 1 : most + 1])
        total /= draws
        states_now = self.states_now(cells)

        def gone(rows: slice) -> None:
            total[rows, 0] += 1 - states_now(rows)[..., chosen].sum(axis=0).mean(axis=-1)

        in_blocks(len(cells), self.draws, gone)
        return total

    def count_probability(self, cells: Cells, horizon: float, count: int) -> Array:
        """Posterior mean of P(exactly `count` purchases in (T, T + horizon]), shape (cells,)."""
        result = np.empty(len(cells))
        states_now = self.states_now(cells)
        given_alive = self.expected(cells, CountProbability(count, horizon))

        def work(rows: slice) -> None:
            probability = given_alive(rows)
            if count == 0:
                probability = probability + 1 - states_now(rows).sum(axis=0)
            result[rows] = probability.mean(axis=-1)

        in_blocks(len(cells), self.draws, work)
        return result

    def expected(self, cells: Cells, expectation: Expectation) -> Block:
        """An expectation over the states that customers may be in."""
        if self.model.by_history:
            expected = self.model.averaging(self.theta, cells.columns, [expectation])
            return lambda rows: expected(history_of(cells, rows))[0].sum(axis=0)
        states_now, averaged = self.states_now(cells), self.averaged(cells, expectation)
        return lambda rows: _over_states(states_now(rows), averaged, rows)

    def futures(
        self, cells: Cells, rows: slice, draws: NDArray[np.intp], horizon: float, rng: np.random.Generator
    ) -> Purchases:
        """Simulated purchases in (T, T + horizon], several futures of each cell in the slice; in any order.

        A future is drawn with one draw of the parameters: first whether the customer is alive, and in which state, and
        then what the customer buys. Memory is in proportion to futures and purchases; the caller chooses slices to
        suit, and a generator for each if they run in parallel.

        Parameters
        ----------
        cells, rows
            Histories, and which of them; columns that the model does not need do no harm.
        draws
            Positions of draws, shape (futures,): future j of every cell has the parameters of draw ``draws[j]``.
        horizon
            Finite, in the unit of the parameters.
        rng
            All chance comes from here.

        Returns
        -------
        Purchases
            `customer` is the position of the cell in the slice times the number of futures, plus the future; `time`
            is counted from T.

        Raises
        ------
        SpecificationError
            If the horizon is not finite, or the model's living customers cannot be simulated.
        SizeError
            If there are too many purchases to be simulated at once.
        """
        if self.model.by_history:
            return self.model.simulate_ahead(self.theta, history_of(cells, rows), draws, horizon, rng)
        drawn, place = np.unique(draws, return_inverse=True)
        theta = self.model.named([values[drawn] for values in self.theta])
        states = self.model.p_states(theta, history_of(cells, rows), NUMPY)[..., place]
        x, T = cells["x"][rows], cells["T"][rows]
        chance = rng.random(states.shape[1:]).ravel()
        customers: list[NDArray[np.int64]] = []
        times: list[Array] = []
        upper = np.zeros(len(chance))
        for state, probability in enumerate(states):
            lower, upper = upper, upper + probability.ravel()
            who = np.flatnonzero((lower <= chance) & (chance < upper))
            row, future = np.divmod(who, len(draws))
            theta = self.model.named([values[draws][future] for values in self.theta])
            bought = self.model.alive(theta, x[row], T[row])[state].simulate(horizon, rng)
            customers.append(who[bought.customer])
            times.append(bought.time)
        return Purchases(customer=np.concatenate(customers), time=np.concatenate(times))

    def averaged(self, cells: Cells, expectation: Expectation) -> list[Block]:
        """An expectation over living customers of each state, computed per distinct (x, T) or interpolated.

        A single draw, as for published values, is computed to full precision.
        """

        def block(state: int) -> Block:
            def evaluate(x: Array, T: Array, draws: NDArray[np.intp]) -> Array:
                theta = self.model.named([values[draws] for values in self.theta])
                customer = self.model.alive(theta, x[:, None], T[:, None])[state]
                return expectation(customer if self.draws == 1 else customer.within(TABLE_ERROR))

            return over_pairs(self.positive(evaluate), cells["x"], cells["T"])

        one = np.ones(1)
        states = len(self.model.alive(self.model.named([values[:1] for values in self.theta]), one, one))
        return [block(state) for state in range(states)]

    def positive(self, evaluate: Callable[[Array, Array, NDArray[np.intp]], Array]) -> Positive:
        """A positive function of x and T, or of x and another time, for each draw."""
        extreme = [pick(values) for values in self.theta for pick in (np.argmin, np.argmax)]
        probed = np.unique(np.r_[extreme, np.linspace(0, self.draws - 1, DRAWS_PROBED).astype(np.intp)])
        return Positive(evaluate, self.draws, probed, self.model.time_scale(self.theta))

    def _nothing(self, rows: slice) -> Array:
        return np.zeros((rows.stop - rows.start, self.draws))


def _add_means(cells: Cells, expected: Callable[[History], Array], total: Array) -> None:
    """Add sums over draws of several expectations, the last one first, to an array (cells, expectations)."""

    def work(rows: slice) -> None:
        total[rows] += expected(history_of(cells, rows)).sum(axis=(1, 3))[::-1].T

    in_blocks(len(cells), DRAWS_COUNTED * total.shape[1], work)


def _over_states(states: Array, given_state: list[Block], rows: slice) -> Array:
    """Sum over states of their probability times what is expected there."""
    total = states[0] * given_state[0](rows)
    for probability, expected in zip(states[1:], given_state[1:], strict=True):
        total += probability * expected(rows)
    return np.asarray(total)


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
        """Expected amount of a purchase; inf where there is no mean.

        Raises
        ------
        InfiniteValueError
            If there is one, but too large for a floating-point number.
        """

        def values(rows: slice) -> Array:
            expected = self.model.expected_spend(self.theta, history_of(cells, rows))
            if expected.max() > LARGEST_MEAN:
                tail_index = self.model.tail_index(self.theta, cells["x"][rows, None])
                _refuse_too_large(np.where(tail_index > 1, expected, 0.0), cells, rows)
            return expected

        return values

    def amounts(
        self,
        cells: Cells,
        rows: slice,
        draws: NDArray[np.intp],
        customer: NDArray[np.int64],
        rng: np.random.Generator,
    ) -> Array:
        """Simulated amount of each purchase of the futures of cells, shape of `customer`.

        Arguments as for :meth:`PurchaseValues.futures`, whose `customer` says who makes the purchases.
        """
        buys = np.zeros((rows.stop - rows.start) * len(draws), dtype=np.bool_)
        buys[customer] = True
        row, future = np.divmod(np.flatnonzero(buys), len(draws))
        theta = self.model.named([values[draws][future] for values in self.theta])
        h = history_of(cells, rows, draws_axis=False).take(row)
        place = np.cumsum(buys) - 1
        return self.model.simulate_ahead(theta, h, place[customer], rng)

    def median_spend(self, cells: Cells) -> Block:
        """Median over customers with this history of their mean amount.

        Raises
        ------
        InfiniteValueError
            If it is too large for a floating-point number.
        """

        def values(rows: slice) -> Array:
            median = self.model.median_spend(self.theta, history_of(cells, rows))
            _refuse_too_large(median, cells, rows)
            return median

        return values


def _refuse_too_large(amounts: Array, cells: Cells, rows: slice) -> None:
    large = (amounts > LARGEST_MEAN).any(axis=-1)
    if large.any():
        first = rows.start + int(np.argmax(large))
        customer = int(np.argmax(cells.index == first))
        message = (
            f"the amount of customer number {customer} (from 0, with {cells['x'][first]:.0f} repeat purchases) is "
            f"beyond {LARGEST_MEAN:g}, too large for averages over draws; use tighter priors, or look for wrong amounts"
        )
        raise InfiniteValueError(message)
