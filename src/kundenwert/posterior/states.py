"""What is expected of customers by the kind of state that they are in, and of those whom an offer brings back.

The kinds are those that the model names (:attr:`PurchaseModel.living`), and "gone" as the last: the rest.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Final, final

import numpy as np

from kundenwert.models.core import history_of
from kundenwert.posterior.surface import over_pairs, surface_of
from kundenwert.posterior.values import TABLE_ERROR

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from kundenwert.histories import Cells
    from kundenwert.models.core import AliveCustomer, Array, History
    from kundenwert.posterior.values import Block, PurchaseValues

    type Expectation = Callable[[AliveCustomer], Array]

__all__ = ["GONE", "StateValues"]

GONE: Final = "gone"
LARGEST_TABLE: Final = 2**23
KEPT: Final = 8


@final
class _Joint:
    """What is asked of a model whose customers depend on all of their history: computed together, slice by slice.

    The latest slices are kept, because several blocks of one outlook look at the same customers.
    """

    def __init__(self) -> None:
        self._asked: list[Expectation] = []
        self._prepared: Callable[[History], Array] | None = None
        self._kept: dict[tuple[int, int], Array] = {}
        self._lock = Lock()

    def ask(self, states: StateValues, expectation: Expectation) -> Block:
        """P(in a state of each kind) times what is expected there, the gone last."""
        if expectation in self._asked:
            place = self._asked.index(expectation)
        else:
            place = len(self._asked)
            self._asked.append(expectation)
            self._prepared, self._kept = None, {}
        return lambda rows: np.asarray(self._all(states, rows)[place])

    def _all(self, states: StateValues, rows: slice) -> Array:
        key = rows.start, rows.stop
        if (found := self._kept.get(key)) is not None:
            return found
        values, cells = states.values, states.cells
        with self._lock:
            if self._prepared is None:
                self._prepared = values.model.averaging(values.theta, cells.columns, tuple(self._asked))
            prepared = self._prepared
        found = prepared(history_of(cells, rows))
        self._kept = {**dict(list(self._kept.items())[1 - KEPT :]), key: found}
        return found


@final
@dataclass(frozen=True, slots=True)
class StateValues:
    """Values of distinct histories by kind of state; blocks give arrays of shape (kinds, cells in the slice, draws)."""

    values: PurchaseValues
    cells: Cells
    _joint: _Joint = field(default_factory=_Joint, init=False, repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        """The kinds of states, "gone" last."""
        return (*self.values.model.living, GONE)

    def probabilities(self) -> Block:
        """P(in a state of each kind at T)."""
        if self.values.model.by_history:
            return self._joint.ask(self, _certain)
        states_now = self.values.states_now(self.cells)

        def block(rows: slice) -> Array:
            living = self._by_kind(states_now(rows))
            return np.concatenate([living, np.maximum(1 - living.sum(axis=0), 0.0)[None]])

        return block

    def expected(self, expectation: Expectation) -> Block:
        """P(in a state of each kind) times what is expected there; 0 for the gone."""
        if self.values.model.by_history:
            return self._joint.ask(self, expectation)
        states_now, averaged = self.values.states_now(self.cells), self.values.averaged(self.cells, expectation)

        def block(rows: slice) -> Array:
            states = states_now(rows)
            expected = np.stack([p * of_state(rows) for p, of_state in zip(states, averaged, strict=True)])
            living = self._by_kind(expected)
            return np.concatenate([living, np.zeros_like(living[:1])])

        return block

    def second_lives(self, expectation: Expectation, first: float = 1.0) -> Block:
        """What is expected from a purchase on that something makes a customer of each kind make at T.

        That purchase counts `first`; later ones what the expectation says. Where customers are told apart by all of
        their history, and nobody with such a history can be of the kind, it is that purchase alone.

        Raises
        ------
        SpecificationError
            If the model does not tell.
        """
        values, cells, model = self.values, self.cells, self.values.model
        precise = values.draws == 1
        if model.by_history:
            lives, share = self._joint.ask(self, model.second_life(expectation, first)), self.probabilities()

            def of_all(rows: slice) -> Array:
                worth, now = lives(rows), share(rows)
                return np.divide(worth, now, out=np.full_like(now, first), where=now > 0)

            return of_all

        def living(state: int) -> Callable[[Array, Array, NDArray[np.intp]], Array]:
            def evaluate(x: Array, T: Array, draws: NDArray[np.intp]) -> Array:
                stay, customer = model.revived(self._theta(draws), x[:, None], T[:, None])[state]
                return first + stay * expectation(customer if precise else customer.within(TABLE_ERROR))

            return evaluate

        def gone(x: Array, t_x: Array, draws: NDArray[np.intp]) -> Array:
            stay, customer = model.regained(self._theta(draws), x[:, None], t_x[:, None])
            return first + stay * expectation(customer if precise else customer.within(TABLE_ERROR))

        one = np.ones(1)
        states = len(model.revived(self._theta(np.zeros(1, dtype=np.intp)), one, one))
        of_living = [over_pairs(values.positive(living(state)), cells["x"], cells["T"]) for state in range(states)]
        of_gone = self._over_recency(gone)
        states_now = values.states_now(cells)
        only_one = states == len(model.living)

        def block(rows: slice) -> Array:
            if only_one:
                return np.stack([*(of_state(rows) for of_state in of_living), of_gone(rows)])
            now = states_now(rows)
            worth = np.stack([p * of_state(rows) for p, of_state in zip(now, of_living, strict=True)])
            share = self._by_kind(now)
            mean = np.divide(self._by_kind(worth), share, out=np.ones_like(share), where=share > 0)
            return np.concatenate([mean, of_gone(rows)[None]])

        return block

    def _theta(self, draws: NDArray[np.intp]) -> tuple[Array, ...]:
        named: tuple[Array, ...] = self.values.model.named([values[draws] for values in self.values.theta])
        return named

    def _by_kind(self, of_states: Array) -> Array:
        """Sums over the states of each kind."""
        kinds = self.values.model.kind_of_states(len(of_states))
        if len(self.values.model.living) == 1:
            return np.asarray(of_states.sum(axis=0)[None])
        result = np.zeros((len(self.values.model.living), *of_states.shape[1:]))
        np.add.at(result, kinds, of_states)
        return result

    def _over_recency(self, evaluate: Callable[[Array, Array, NDArray[np.intp]], Array]) -> Block:
        """A function of (x, t_x); cells are sorted by x, but not by t_x."""
        x, t_x = self.cells["x"], self.cells["t_x"]
        function = self.values.positive(evaluate)
        order = np.lexsort((t_x, x))
        new = np.ones(len(x), dtype=np.bool_)
        new[1:] = (np.diff(x[order]) != 0) | (np.diff(t_x[order]) != 0)
        first = order[new]
        surface = surface_of(function, x[first], t_x[first]) if function.draws > 1 and len(x) else None
        if surface is not None:
            return lambda rows: surface(x[rows], t_x[rows])
        if len(first) * function.draws <= LARGEST_TABLE:
            pair = np.empty(len(x), dtype=np.int64)
            pair[order] = np.cumsum(new) - 1
            table = function.at(x[first], t_x[first])
            return lambda rows: table[pair[rows]]
        return lambda rows: function.at(x[rows], t_x[rows])


def _certain(customer: AliveCustomer) -> Array:
    """One for customers in every state, the gone as well."""
    survival = customer.survival(0.0)
    return np.ones((len(survival) + 1, *survival.shape[1:]))
