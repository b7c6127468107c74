"""What is expected of each kind of customer over a window: who returns, and what they are worth if they do or do not.

With the same draws throughout, for a customer whose gap is open at T, and a window h:

- N, the value now, in each kind of state;
- U, the part of it that comes from not returning within h: with probability 1 - p0 the history is (x, t_x, T + h), and
  what comes later is discounted to now;
- N - U, the part that comes from returning, so that N = p0 V0 + (1 - p0) W holds exactly;
- V, what somebody is worth, from and including the purchase, who would not have returned within h and whom an offer
  brings back: what is known of them is that they were silent until T + h, or that they were gone.

Values are purchases that count by a timeline times what one of them leaves; the two are multiplied row by row, because
many customers share a history and differ in spend.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple, final

import numpy as np

from kundenwert.economics.assumptions.discounting import Continuously
from kundenwert.economics.flows.streams import periods_per_year, purchases_along
from kundenwert.economics.flows.timeline import Timeline
from kundenwert.economics.value.valuation import at, referral_worth
from kundenwert.errors import SpecificationError
from kundenwert.histories.organic import OrganicReturn
from kundenwert.models.kernels.quadrature import gauss_legendre
from kundenwert.posterior.purchase import PurchasePosterior
from kundenwert.posterior.spend import SpendPosterior
from kundenwert.posterior.states import StateValues
from kundenwert.winback.upkeep import Upkeep

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from numpy.typing import NDArray

    from kundenwert.duration import Duration
    from kundenwert.economics.assumptions.economics import Economics
    from kundenwert.economics.assumptions.terms import KnownAmount
    from kundenwert.economics.value.distinct import DistinctCustomers
    from kundenwert.histories import Cells
    from kundenwert.models.core import AliveCustomer, Array
    from kundenwert.posterior.values import Block

__all__ = [
    "Chances",
    "Outlook",
    "Worth",
    "later_cells",
    "mean_amounts",
    "time_to_return",
    "value_given_return",
]

NODES: Final = 12
FEW: Final = 1e-4  # share of a state who return, below which what they are worth is not told from a difference


class Chances(NamedTuple):
    """P(in each kind of state now), and P(in it and returns within the window), shape (kinds, rows, draws)."""

    probability: Array
    returns: Array

    @property
    def p_return(self) -> Array:
        """P(returns within the window), shape (rows, draws)."""
        return np.asarray(self.returns.sum(axis=0))

    def at(self, rows: NDArray[np.intp]) -> Chances:
        """Those of some rows."""
        return Chances(self.probability[:, rows], self.returns[:, rows])


class Serving(NamedTuple):
    """Cost of serving customers, by what happens, shape (kinds, rows, draws).

    Attributes
    ----------
    returning
        Of those who return by themselves, the same for all kinds: shape (1, rows, draws).
    waiting
        Of those who do not return within the window.
    regained
        Of those who would not have, and are brought back.
    """

    returning: Array
    waiting: Array
    regained: Array


class Worth(NamedTuple):
    """Values as of now, each of shape (kinds, rows, draws) unless said otherwise.

    Attributes
    ----------
    returning
        Through returning by themselves: P(in the state and returns) times what such customers are worth.
    waiting
        What customers in the state are worth who do not return within the window; 0 for the gone.
    regained
        What customers in the state are worth, from their return on, who would not have returned within the window.
    service
        Cost of serving them until the horizon; None if it does not depend on what happens.
    """

    returning: Array
    waiting: Array
    regained: Array
    service: Serving | None

    def at(self, rows: NDArray[np.intp]) -> Worth:
        """Those of some rows."""
        service = None if self.service is None else Serving(*(part[:, rows] for part in self.service))
        return Worth(self.returning[:, rows], self.waiting[:, rows], self.regained[:, rows], service)


@final
@dataclass(frozen=True, slots=True)
class _Stream:
    """Purchases that count by a timeline, per distinct history, and what each of them leaves, per kind of customer."""

    now: Block
    later: Block
    regained: Block
    leaves: Callable[[slice], Array]


@final
@dataclass(frozen=True, slots=True)
class Outlook:
    """What is expected of kinds of customers over a window; rows are those of `kinds`."""

    kinds: DistinctCustomers
    names: tuple[str, ...]
    window: Duration
    draws: int
    probability: Block
    returning: Block
    later_probability: Block
    streams: tuple[_Stream, ...]
    upkeep: Upkeep | None

    def __len__(self) -> int:
        return len(self.kinds)

    @classmethod
    def of(
        cls,
        kinds: DistinctCustomers,
        spend: SpendPosterior | KnownAmount,
        economics: Economics,
        *,
        window: Duration,
        wait: float = 0.0,
    ) -> Outlook:
        """The outlook as it will be after a wait (in the unit of the posterior) in which customers stay silent.

        Values are as of the end of the wait, the horizon ends when it would have ended.

        Raises
        ------
        InfiniteValueError
            If purchases for life are not finite without discounting.
        SpecificationError
            If the horizon is no longer than the window, or the model has no second life.
        """
        purchases = kinds.purchases
        assert isinstance(purchases, PurchasePosterior)  # noqa: S101 - checked where arguments come in
        if not isinstance(economics.discounting, Continuously):
            message = (
                f"win-back is planned with continuous discounting, got {economics.discounting!r}; accounting periods "
                "would have to begin anew with every window: leave discounting= out"
            )
            raise SpecificationError(message)
        base, per_year = later_cells(kinds.base, wait), periods_per_year(kinds.base)
        h = window.in_unit(purchases.unit)
        length = kinds.length - wait
        if not h < length or h == 0:
            message = (
                f"the window of {window!r} must be longer than nothing and shorter than the horizon of "
                f"{kinds.length / per_year:.4g} years (less {wait / per_year:.2g} of waiting)"
            )
            raise SpecificationError(message)
        values = purchases.of_cells
        now, later = (StateValues(values, cells) for cells in (base, later_cells(base, h)))
        (factor, plain), (with_growth, along_margin) = (
            Timeline.of(economics, kinds.years, margin=margin).later(wait / per_year) for margin in (False, True)
        )

        def stream(timeline: Timeline, leaves: Callable[[slice], Array]) -> _Stream:
            if math.isinf(timeline.horizon) and timeline.final_rate <= 0:
                purchases.refuse_infinite()

            def counted(elapsed: float) -> tuple[float, Timeline, Callable[[AliveCustomer], Array]]:
                lost, ahead = timeline.later(elapsed / per_year)
                return lost, ahead, purchases_along(purchases, base, ahead, length=length - elapsed)

            # an organic return has a time of its own; an induced one is taken to come in the middle of the window
            (_, _, at_once), (by_then, _, after), (by_return, ahead, from_return) = map(counted, (0.0, h, h / 2))
            first = float(ahead.discount(np.zeros(1))[0])
            return _Stream(
                now.expected(at_once),
                _scaled(later.expected(after), by_then),
                _scaled(later.second_lives(from_return, first), by_return),
                leaves,
            )

        margin, counted = _per_purchase(kinds, spend, economics, plain, grown=with_growth / factor)
        streams: tuple[_Stream, ...]
        if along_margin == plain:
            streams = (stream(plain, lambda rows: margin(rows) + counted(rows)),)
        elif kinds.own.order_cost.any() or economics.referral is not None:
            streams = (stream(along_margin, margin), stream(plain, counted))
        else:
            streams = (stream(along_margin, margin),)
        rule, upkeep = economics.retention_rule, None
        if rule is not None and kinds.own.annual_retention_cost.any():
            upkeep = Upkeep.of(purchases, base, plain, rule, length=length, window=h)
        return cls(
            kinds=kinds,
            names=now.names,
            window=window,
            draws=values.draws,
            probability=now.probabilities(),
            returning=now.expected(lambda customer: customer.returns(h)),
            later_probability=later.probabilities(),
            streams=streams,
            upkeep=upkeep,
        )

    def chances(self, rows: slice) -> Chances:
        """Who is in which state, and returns, shape (kinds of states, rows, draws)."""
        base, place = self._base(rows)
        probability, returns = self.probability(base), self.returning(base)
        return Chances(probability[:, place], np.minimum(returns, probability)[:, place])

    def organic(self, rows: slice, customer_id: pd.Index) -> OrganicReturn:
        """The same in the form that a response is asked with."""
        base, place = self._base(rows)
        probability, returns = self.probability(base), self.returning(base)
        return OrganicReturn(
            customer_id=customer_id,
            window=self.window,
            states=self.names,
            index=place,
            probability=probability,
            returns=np.clip(returns, 0.0, probability),
        )

    def worth(self, rows: slice) -> Worth:
        """What customers are worth, by what happens."""
        base, place = self._base(rows)
        later = self.later_probability(base)
        returning, waiting, regained = (np.zeros((len(later), rows.stop - rows.start, self.draws)) for _ in range(3))
        silent = 1 - self.returning(base).sum(axis=0)
        for stream in self.streams:
            leaves = stream.leaves(rows)
            of_now, of_later = stream.now(base), stream.later(base)
            returning += (of_now - silent * of_later)[:, place] * leaves
            # who is in a state and stays silent stays in it
            given = np.divide(of_later, later, out=np.zeros_like(later), where=later > 0)
            waiting += given[:, place] * leaves
            regained += stream.regained(base)[:, place] * leaves
        if self.upkeep is None:
            return Worth(returning, waiting, regained, None)
        cost = self.kinds.own.annual_retention_cost[rows, None]
        parts = (self.upkeep.returning, self.upkeep.waiting, self.upkeep.regained)
        return Worth(returning, waiting, regained, Serving(*(cost * part(base)[:, place] for part in parts)))

    def _base(self, rows: slice) -> tuple[slice, NDArray[np.int64]]:
        """The distinct histories that these rows have, and which one each has."""
        shared = self.kinds.shared
        first = int(shared[rows.start])
        return slice(first, int(shared[rows.stop - 1]) + 1), shared[rows] - first


def later_cells(cells: Cells, ahead: float) -> Cells:
    """The same histories after a time in which nobody bought."""
    if ahead == 0:
        return cells
    return replace(cells, columns={**cells.columns, "T": cells["T"] + ahead})


def value_given_return(chances: Chances, worth: Worth) -> Array:
    """What customers in each state are worth who return by themselves, shape (kinds, rows, draws)."""
    tells = chances.returns > FEW * chances.probability
    return np.divide(worth.returning, chances.returns, out=worth.regained.copy(), where=tells)


def time_to_return(customer: AliveCustomer, timeline: Timeline, h: float, per_year: float) -> Array:
    """E[discount factor at the return; return within h]: by parts, from the return probabilities until then."""
    nodes, weights = gauss_legendre(NODES)
    total = float(timeline.discount(np.asarray(h / per_year))) * customer.returns(h)
    edges = h * nodes
    counts = timeline.discount(np.r_[0.0, edges, h] / per_year)
    rate = -np.log(counts[-1]) / h if h > 0 else 0.0
    for u, weight, count in zip(edges.tolist(), (h * weights).tolist(), counts[1:-1].tolist(), strict=True):
        total = total + weight * rate * count * customer.returns(u)
    return total


def _per_purchase(
    kinds: DistinctCustomers,
    spend: SpendPosterior | KnownAmount,
    economics: Economics,
    plain: Timeline,
    *,
    grown: float,
) -> tuple[Callable[[slice], Array], Callable[[slice], Array]]:
    """What a purchase leaves: its margin, grown by now, and referrals less the cost of the order; (rows, draws)."""
    own, amounts = kinds.own, mean_amounts(kinds, spend)
    worth = np.zeros(1)
    if economics.referral is not None and economics.referral.per_purchase > 0:
        worth = referral_worth(kinds, economics.referral, plain)

    def margin(rows: slice) -> Array:
        return np.asarray(grown * own.margin[rows, None] * amounts(rows))

    return margin, lambda rows: worth - own.order_cost[rows, None]


def mean_amounts(kinds: DistinctCustomers, spend: SpendPosterior | KnownAmount) -> Block:
    """What kinds of customers spend at a purchase, shape (rows, draws)."""
    own, draws = kinds.own, kinds.purchases.of_cells.draws
    amounts = spend.finite_spend(kinds.cells, kinds.spend_draws) if isinstance(spend, SpendPosterior) else None

    def block(rows: slice) -> Array:
        level = own.amount[rows, None]
        if amounts is None:
            return np.asarray(np.broadcast_to(level, (len(level), draws)))
        return np.asarray(level * at(amounts, kinds.cell, rows))

    return block


def _scaled(block: Block, factor: float) -> Block:
    return lambda rows: factor * block(rows)
