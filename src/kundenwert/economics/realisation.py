"""Realised net present values: what simulated futures of each kind of customer come to, in blocks of rows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

from kundenwert.economics.distinct import DistinctCustomers
from kundenwert.economics.events import periods_per_year
from kundenwert.economics.futures import Service, farthest_year, served_for
from kundenwert.economics.retention import EveryoneFor, WhileActive
from kundenwert.economics.timeline import Timeline
from kundenwert.economics.valuation import referral_worth
from kundenwert.errors import SpecificationError
from kundenwert.posterior.base import thinning
from kundenwert.posterior.contract import ContractPosterior
from kundenwert.posterior.spend import SpendPosterior

if TYPE_CHECKING:
    from collections.abc import Callable

    from narwhals.stable.v2.typing import IntoDataFrame
    from numpy.typing import NDArray

    from kundenwert.duration import Horizon
    from kundenwert.economics.economics import Economics
    from kundenwert.economics.terms import KnownAmount
    from kundenwert.histories import Histories
    from kundenwert.models.core import Array
    from kundenwert.posterior import PurchasePosterior

__all__ = ["Realisation", "realisation"]

type Cash = Callable[[slice, np.random.Generator], Array]
"""Net present value of each future of the rows in a slice, shape (rows, futures)."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Realisation:
    """Futures of the customers, each kind of them a row.

    Attributes
    ----------
    index
        The row of every customer, shape (customers,).
    counts
        How many customers each row stands for, shape (rows,).
    futures
        How many futures of each row.
    """

    index: NDArray[np.int64]
    counts: NDArray[np.int64]
    futures: int
    cash: Cash
    seed: int

    def __len__(self) -> int:
        return len(self.counts)

    def values(self, rows: slice) -> Array:
        """Realised net present value of every future, shape (rows in the slice, futures).

        Chance depends on the seed and on the first row: take the same slices to get the same futures.
        """
        return self.cash(rows, np.random.default_rng([self.seed, rows.start]))


def realisation(
    purchases: PurchasePosterior | ContractPosterior,
    spend: SpendPosterior | KnownAmount,
    histories: Histories,
    economics: Economics,
    *,
    horizon: Horizon,
    futures: int,
    seed: int,
    customers: IntoDataFrame | None = None,
    renewal_due: bool = False,
) -> Realisation:
    """Simulated futures within a horizon.

    Raises
    ------
    InfiniteValueError
        If futures for life have no end, because nothing is discounted.
    SpecificationError
        If a model cannot be simulated from a history on, or `futures` is no number of futures.
    """
    if isinstance(futures, bool) or not isinstance(futures, int) or futures < 1:
        message = f"futures is how many futures of each customer to simulate, a whole number above 0; got {futures!r}"
        raise SpecificationError(message)
    kinds = DistinctCustomers.of(purchases, spend, histories, economics, horizon=horizon, customers=customers)
    if isinstance(kinds.purchases, ContractPosterior):
        cash = _of_contracts(kinds, kinds.purchases, economics, futures, due=renewal_due)
    else:
        cash = _of_purchases(kinds, kinds.purchases, spend, economics, futures)
    return Realisation(index=kinds.index, counts=kinds.counts, futures=futures, cash=cash, seed=seed)


def _of_purchases(
    kinds: DistinctCustomers,
    posterior: PurchasePosterior,
    spend: SpendPosterior | KnownAmount,
    economics: Economics,
    futures: int,
) -> Cash:
    """Purchases, one by one, with their amounts."""
    plain = Timeline.of(economics, kinds.years, margin=False)
    along_margin = Timeline.of(economics, kinds.years, margin=True)
    own, cells, per_year = kinds.own, kinds.row_cells(), periods_per_year(kinds.base)
    horizon = min(kinds.length, max(farthest_year(plain), farthest_year(along_margin)) * per_year)
    draws = thinning(posterior.of_cells.draws, futures)
    spend_of = spend.chosen(kinds.spend_draws).of_cells if isinstance(spend, SpendPosterior) else None
    worth = np.zeros(1)
    if economics.referral is not None:
        worth = np.broadcast_to(referral_worth(kinds, economics.referral, plain), (posterior.of_cells.draws,))[draws]
    service = None
    if economics.retention_rule is not None and own.annual_retention_cost.any():
        service = Service.of(posterior, cells, plain, economics.retention_rule)

    def cash(rows: slice, rng: np.random.Generator) -> Array:
        count = rows.stop - rows.start
        bought = posterior.of_cells.futures(cells, rows, draws, horizon, rng)
        row, future = np.divmod(bought.customer, futures)
        at = bought.time / per_year
        value = own.margin[rows][row] * along_margin.discount(at)
        if spend_of is None:
            value *= own.amount[rows][row]
        else:
            value *= spend_of.amounts(cells, rows, draws, bought.customer, rng)
        if economics.referral is not None or own.order_cost.any():
            value += (worth[future % len(worth)] - own.order_cost[rows][row]) * plain.discount(at)
        total = np.bincount(bought.customer, value, count * futures).reshape(count, futures)
        if service is not None:
            total -= own.annual_retention_cost[rows, None] * service(cells, rows, futures, bought).reshape(total.shape)
        return total

    return cash


def _of_contracts(
    kinds: DistinctCustomers, posterior: ContractPosterior, economics: Economics, futures: int, *, due: bool
) -> Cash:
    """Renewals until the end of the contract: what they count depends on their number only."""
    plain = Timeline.of(economics, kinds.years, margin=False)
    along_margin = Timeline.of(economics, kinds.years, margin=True)
    own, cells, per_year = kinds.own, kinds.row_cells(), periods_per_year(kinds.base)
    farthest = max(farthest_year(plain), farthest_year(along_margin))
    last = int(kinds.length if math.isfinite(kinds.length) else farthest * per_year)
    at = (np.arange(1, last + 1) - due) / per_year
    margin, counted = (np.r_[0.0, np.cumsum(timeline.discount(at))] for timeline in (along_margin, plain))
    worth = 0.0 if economics.referral is None else float(referral_worth(kinds, economics.referral, plain)[0])
    now, later = _served(economics, plain, counted, per_year, due=due)
    values = posterior.chosen(thinning(posterior.of_cells.draws, futures)).of_cells

    def cash(rows: slice, rng: np.random.Generator) -> Array:
        ends = values.of_active(cells, lambda contract: contract.simulate(rng), 1.0)(rows)
        renewed = np.minimum(ends - 1, last).astype(np.int64)
        total = (own.margin * own.amount)[rows, None] * margin[renewed]
        total += (worth - own.order_cost[rows, None]) * counted[renewed]
        active = cells["ended"][rows, None] == 0
        return np.asarray(total - own.annual_retention_cost[rows, None] * (now * active + later[renewed]))

    return cash


def _served(
    economics: Economics, timeline: Timeline, counted: Array, per_year: float, *, due: bool
) -> tuple[float, Array]:
    """Discounted years of service that active contracts get now, and those of all by the number of renewals."""
    match economics.retention_rule:
        case None:
            return 0.0, np.zeros_like(counted)
        case EveryoneFor(period=period):
            return 0.0, np.full_like(counted, served_for(timeline, period.in_unit("year")))
        case WhileActive() if due:
            return 0.0, counted / per_year
        case WhileActive():
            # service ends with the horizon, whose last renewal pays for what comes after it
            until = np.minimum(np.arange(len(counted)), max(len(counted) - 2, 0))
            return float(timeline.discount(np.zeros(1))[0]) / per_year, counted[until] / per_year
        case rule:
            message = (
                f"{rule!r} is a rule for customers without contracts; whether a contract is active is known: take "
                "kundenwert.WhileActive()"
            )
            raise SpecificationError(message)
