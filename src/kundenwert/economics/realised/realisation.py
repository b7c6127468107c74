"""Realised net present values: what simulated futures of each kind of customer come to, in blocks of rows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

from kundenwert.economics.assumptions.retention import EveryoneFor, WhileActive
from kundenwert.economics.flows.events import check_every, periods_per_year
from kundenwert.economics.flows.timeline import Timeline
from kundenwert.economics.serving.futures import Service, blocks_of_futures, farthest_year, purchases_ahead, served_for
from kundenwert.economics.value.distinct import DistinctCustomers, check_due
from kundenwert.economics.value.valuation import referral_worth
from kundenwert.errors import DataError, SpecificationError
from kundenwert.parallel import in_parallel
from kundenwert.posterior.base import thinning
from kundenwert.posterior.contract import ContractPosterior
from kundenwert.posterior.spend import SpendPosterior
from kundenwert.scalars import is_whole

if TYPE_CHECKING:
    from collections.abc import Callable

    from narwhals.stable.v2.typing import IntoDataFrame
    from numpy.typing import NDArray

    from kundenwert.duration import Horizon
    from kundenwert.economics.assumptions.economics import Economics
    from kundenwert.economics.assumptions.terms import KnownAmount
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
    futures
        How many futures of each row.
    blocks
        Slices of rows whose futures fit in memory at once.
    """

    index: NDArray[np.int64]
    futures: int
    blocks: list[slice]
    cash: Cash
    seed: int

    def of_rows(self, of_futures: Callable[[Array], Array]) -> Array:
        """What is to be known of each row's futures, from their realised values, shape (rows in a block, futures).

        Chance depends on the seed and on the block, so that the futures are the same every time.
        """

        def work(rows: slice) -> Array:
            return of_futures(self.cash(rows, np.random.default_rng([self.seed, rows.start])))

        return np.concatenate(in_parallel(work, self.blocks))


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
    DataError
        If there are no customers.
    InfiniteValueError
        If futures for life have no end, because nothing is discounted, or the mean amount is infinite.
    SpecificationError
        If a model cannot be simulated from a history on, or `futures` is no number of futures.
    """
    if not is_whole(futures) or futures < 1:
        message = f"futures is how many futures of each customer to simulate, a whole number above 0; got {futures!r}"
        raise SpecificationError(message)
    futures = int(futures)
    kinds = DistinctCustomers.of(purchases, spend, histories, economics, horizon=horizon, customers=customers)
    check_due(purchases, due=renewal_due)
    if len(kinds) == 0:
        message = "there are no customers whose futures to simulate; expected histories of one customer or more"
        raise DataError(message)
    length = _followed_for(kinds, economics)
    if isinstance(kinds.purchases, ContractPosterior):
        cash = _of_contracts(kinds, kinds.purchases, economics, futures=futures, length=length, due=renewal_due)
        ahead = np.zeros(1)
    else:
        cash = _of_purchases(kinds, kinds.purchases, spend, economics, futures=futures, length=length)
        ahead = purchases_ahead(kinds.purchases, kinds.base, length)
    blocks = blocks_of_futures(np.broadcast_to(ahead, len(kinds.base))[kinds.shared], futures)
    return Realisation(index=kinds.index, futures=futures, blocks=blocks, cash=cash, seed=int(seed))


def _followed_for(kinds: DistinctCustomers, economics: Economics) -> float:
    """How long futures are followed, in the unit of the posterior."""
    timelines = [Timeline.of(economics, kinds.years, margin=True)]
    own, referral = kinds.own, economics.referral
    brings = referral is not None and referral.per_purchase > 0
    if own.order_cost.any() or brings or own.annual_retention_cost.any():
        timelines.append(Timeline.of(economics, kinds.years, margin=False))
    if math.isfinite(kinds.length):
        return kinds.length
    length = max(map(farthest_year, timelines)) * periods_per_year(kinds.base)
    return length if kinds.purchases.model.clock == "time" else math.floor(length)


def _of_purchases(
    kinds: DistinctCustomers,
    posterior: PurchasePosterior,
    spend: SpendPosterior | KnownAmount,
    economics: Economics,
    *,
    futures: int,
    length: float,
) -> Cash:
    """Purchases, one by one, with their amounts."""
    plain = Timeline.of(economics, kinds.years, margin=False)
    along_margin = Timeline.of(economics, kinds.years, margin=True)
    own, cells, per_year = kinds.own, kinds.row_cells(), periods_per_year(kinds.base)
    draws, spend_of = thinning(posterior.of_cells.draws, futures), None
    if isinstance(spend, SpendPosterior) and kinds.spend_draws is not None:
        finite = _draws_with_mean_amounts(kinds, spend)
        draws, spend_of = finite[thinning(len(finite), futures)], spend.chosen(kinds.spend_draws).of_cells
    worth = np.zeros(1)
    if economics.referral is not None:
        worth = np.broadcast_to(referral_worth(kinds, economics.referral, plain), (posterior.of_cells.draws,))[draws]
    service = None
    if economics.retention_rule is not None and own.annual_retention_cost.any():
        kinds.check_years()
        service = Service.of(posterior, cells, plain, economics.retention_rule)

    def cash(rows: slice, rng: np.random.Generator) -> Array:
        shape = (rows.stop - rows.start, futures)
        bought = posterior.of_cells.futures(cells, rows, draws, length, rng)
        row, future = np.divmod(bought.customer, futures)
        at = bought.time / per_year
        value = own.margin[rows][row] * along_margin.discount(at)
        if spend_of is None:
            value *= own.amount[rows][row]
        else:
            value *= spend_of.amounts(cells, rows, draws, bought.customer, rng)
        if economics.referral is not None or own.order_cost.any():
            value += (worth[future % len(worth)] - own.order_cost[rows][row]) * plain.discount(at)
        total = np.bincount(bought.customer, value, shape[0] * futures).reshape(shape)
        if service is not None:
            total = total - own.annual_retention_cost[rows, None] * service(cells, rows, futures, bought).reshape(shape)
        return np.asarray(total, dtype=np.float64)  # of no purchases, bincount makes integers

    return cash


def _draws_with_mean_amounts(kinds: DistinctCustomers, spend: SpendPosterior) -> NDArray[np.int64]:
    """Positions of the draws in which everybody's mean amount is finite, and not nearly infinite."""
    finite = spend.finite_spend(kinds.cells, kinds.spend_draws)
    heaviest = int(np.argmin(kinds.cells["x"]))  # the more purchases are known, the lighter the tail
    return np.flatnonzero(~np.isnan(finite(slice(heaviest, heaviest + 1))[0]))


def _of_contracts(
    kinds: DistinctCustomers,
    posterior: ContractPosterior,
    economics: Economics,
    *,
    futures: int,
    length: float,
    due: bool,
) -> Cash:
    """Renewals until the end of the contract: what they count depends on their number only."""
    plain = Timeline.of(economics, kinds.years, margin=False)
    along_margin = Timeline.of(economics, kinds.years, margin=True)
    own, cells, per_year = kinds.own, kinds.row_cells(), periods_per_year(kinds.base)
    last = int(length)
    at = (np.arange(1, last + 1) - due) / per_year
    margin, counted = (np.r_[0.0, np.cumsum(timeline.discount(at))] for timeline in (along_margin, plain))
    worth = 0.0 if economics.referral is None else float(referral_worth(kinds, economics.referral, plain)[0])
    now, later = _served(kinds, economics, plain, counted, due=due)
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
    kinds: DistinctCustomers, economics: Economics, timeline: Timeline, counted: Array, *, due: bool
) -> tuple[float, Array]:
    """Discounted years of service that active contracts get now, and those of all by the number of renewals."""
    per_year, rule = periods_per_year(kinds.base), economics.retention_rule
    if rule is None or not kinds.own.annual_retention_cost.any():
        return 0.0, np.zeros_like(counted)
    check_every(kinds.base, "to know how long customers are served")
    match rule:
        case EveryoneFor(period=period):
            return 0.0, np.full_like(counted, served_for(timeline, period.in_unit("year")))
        case WhileActive() if due:
            return 0.0, counted / per_year
        case WhileActive():
            # service ends with the horizon, whose last renewal pays for what comes after it
            until = np.minimum(np.arange(len(counted)), max(len(counted) - 2, 0))
            now = float(timeline.discount(np.zeros(1))[0]) if len(counted) > 1 else 0.0
            return now / per_year, counted[until] / per_year
        case _:
            message = (
                f"{rule!r} is a rule for customers without contracts; whether a contract is active is known: take "
                "kundenwert.WhileActive()"
            )
            raise SpecificationError(message)
