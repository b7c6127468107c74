"""The value of what is still to come and its parts, for each distinct customer and each draw.

Customers are alike if their histories and their own margins and costs are; each kind is a row. Rows are in the order of
the histories that purchases depend on, so that what is costly is computed once for those who differ in spend only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

import numpy as np
import pandas as pd

from kundenwert.duration import check_duration
from kundenwert.economics.economics import Economics
from kundenwert.economics.lookup import OwnValues, own_values
from kundenwert.economics.referral import referred_value
from kundenwert.economics.serving import serving_time
from kundenwert.economics.streams import discounted_purchases, discounted_renewals, periods_per_year
from kundenwert.economics.terms import KnownAmount
from kundenwert.economics.timeline import Timeline
from kundenwert.errors import SpecificationError
from kundenwert.histories.base import as_histories, check_clock
from kundenwert.posterior.base import thinning
from kundenwert.posterior.contract import ContractPosterior
from kundenwert.posterior.purchase import PurchasePosterior
from kundenwert.posterior.spend import SpendPosterior
from kundenwert.posterior.summary import Summary, summarise_all

if TYPE_CHECKING:
    from narwhals.stable.v2.typing import IntoDataFrame
    from numpy.typing import NDArray

    from kundenwert.duration import Horizon
    from kundenwert.histories import Cells, Clock, Histories, HistoryColumn
    from kundenwert.models.core import Array
    from kundenwert.posterior.values import Block

__all__ = ["PARTS", "Valuation", "check_posteriors", "paired", "valuation"]

PARTS: Final = ("margin", "order_cost", "retention_cost", "referral")
SIGNS: Final = {"margin": 1, "order_cost": -1, "retention_cost": -1, "referral": 1}


@final
@dataclass(frozen=True, slots=True)
class _Needs:
    """The columns that two models need together."""

    needs: tuple[HistoryColumn, ...]
    clock: Clock


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Valuation:
    """Net present values of the customers, each kind of them a row.

    Attributes
    ----------
    index
        The row of every customer, shape (customers,).
    counts
        How many customers each row stands for, shape (rows,).
    draws
        Number of draws.
    parts
        The parts that are not zero throughout, by name, as blocks of shape (rows in the slice, draws).
        Costs are positive. NaN marks draws that are left out because their mean amount is infinite.
    """

    index: NDArray[np.int64]
    counts: NDArray[np.int64]
    draws: int
    parts: dict[str, Block]

    def __len__(self) -> int:
        return len(self.counts)

    def total(self, rows: slice) -> Array:
        """Margin and referrals less costs."""
        return sum_of_parts(self.of_parts(rows))

    def of_parts(self, rows: slice) -> dict[str, Array]:
        """The parts that are not zero throughout."""
        return {name: block(rows) for name, block in self.parts.items()}

    def summaries(self, interval: float) -> dict[str, Summary]:
        """Mean and interval of the total ("npv") and of each part that is not zero throughout, row by row."""

        def values(rows: slice) -> list[Array]:
            parts = self.of_parts(rows)
            return [*parts.values(), *([sum_of_parts(parts)] if len(parts) > 1 else [])]

        names = [*self.parts, *(["npv"] if len(self.parts) > 1 else [])]
        found = summarise_all(len(self), self.draws, len(names), values, interval=interval, leave_out_nan=True)
        summaries = dict(zip(names, found, strict=True))
        summaries.setdefault("npv", found[0])
        return summaries


def sum_of_parts(parts: dict[str, Array]) -> Array:
    """Margin and referrals less costs."""
    (_, total), *others = parts.items()
    for name, values in others:
        total = total + values if SIGNS[name] > 0 else total - values
    return total


def valuation(
    purchases: PurchasePosterior | ContractPosterior,
    spend: SpendPosterior | KnownAmount,
    histories: Histories,
    economics: Economics,
    *,
    horizon: Horizon,
    customers: IntoDataFrame | None = None,
    renewal_due: bool = False,
) -> Valuation:
    """The value of what customers bring in (T, T + horizon], less what they cost.

    Raises
    ------
    InfiniteValueError
        If purchases for life are not finite without discounting, or the mean amount is infinite.
    MissingInformationError
        If the histories have no amounts, or a table of customers is missing.
    """
    check_posteriors(purchases, spend, economics)
    check_clock(purchases.model, as_histories(histories))
    length = check_duration(horizon, "horizon", lifetime=True).in_unit(purchases.unit)
    own = own_values(economics, spend, histories.customer_id, customers)
    histories = histories.in_unit(purchases.unit)
    cells, spend_of = purchases.cells_of(histories), None
    base = cells
    if isinstance(spend, SpendPosterior):
        chosen, positions = paired(purchases.of_cells.draws, spend.of_cells.draws)
        purchases = purchases.chosen(chosen)
        cells = histories.cells(_Needs((*purchases.model.needs, *spend.model.needs), purchases.model.clock))
        spend_of = spend.finite_spend(cells, positions)
    rows = _Rows.of(cells.index, own)
    # customers who differ in spend only share the costly part; both kinds of cells are sorted alike
    shared = base.index[rows.customer]
    events = _Events(purchases, base, length, renewal_due)
    years = length / periods_per_year(base)
    plain = Timeline.of(economics, years, margin=False)
    along_margin = Timeline.of(economics, years, margin=True)
    bought = events(along_margin)
    counted = bought if along_margin == plain else events(plain)

    def of_rows(values: Array, *blocks: tuple[Block, NDArray[np.int64]]) -> Block:
        def block(chosen: slice) -> Array:
            result = values[chosen, None]
            for of_places, place in blocks:
                result = result * at(of_places, place, chosen)
            return np.asarray(np.broadcast_to(result, (len(result), purchases.of_cells.draws)))

        return block

    parts: dict[str, Block] = {}
    per_purchase = [(bought, shared)] if spend_of is None else [(bought, shared), (spend_of, rows.cell)]
    parts["margin"] = of_rows(own.margin[rows.customer] * own.amount[rows.customer], *per_purchase)
    if own.order_cost.any():
        parts["order_cost"] = of_rows(own.order_cost[rows.customer], (counted, shared))
    if economics.retention_rule is not None and own.annual_retention_cost.any():
        rule = economics.retention_rule
        served = serving_time(purchases, base, plain, rule, length=length, due=renewal_due)
        parts["retention_cost"] = of_rows(own.annual_retention_cost[rows.customer], (served, shared))
    if economics.referral is not None and economics.referral.per_purchase > 0:
        of_new = _of_new_customer(purchases, plain, length) if economics.referral.generations > 1 else None
        brought = referred_value(economics.referral, counted, of_new)
        parts["referral"] = of_rows(np.ones(len(rows.customer)), (brought, shared))
    return Valuation(
        index=rows.index,
        counts=np.bincount(rows.index, minlength=len(rows.customer)),
        draws=purchases.of_cells.draws,
        parts=parts,
    )


def _of_new_customer(posterior: PurchasePosterior | ContractPosterior, timeline: Timeline, length: float) -> Array:
    """Discounted repeat purchases of a customer who has just bought for the first time, shape (draws,)."""
    if isinstance(posterior, ContractPosterior):
        message = "referrals are counted for one generation where customers have contracts; expected generations=1"
        raise SpecificationError(message)
    block = discounted_purchases(posterior, posterior.new_customer(), timeline, length=length)
    return np.asarray(block(slice(0, 1))[0])


def at(block: Block, place: NDArray[np.int64], rows: slice) -> Array:
    """Values of a block at the places of these rows, which never decrease."""
    first, last = place[rows.start], place[rows.stop - 1] + 1
    return np.asarray(block(slice(int(first), int(last)))[place[rows] - first])


@final
@dataclass(frozen=True, slots=True)
class _Events:
    """Purchases, or renewals, of cells within a horizon, discounted along a timeline."""

    posterior: PurchasePosterior | ContractPosterior
    cells: Cells
    length: float
    due: bool

    def __call__(self, timeline: Timeline) -> Block:
        if isinstance(self.posterior, ContractPosterior):
            return discounted_renewals(self.posterior, self.cells, timeline, length=self.length, due=self.due)
        return discounted_purchases(self.posterior, self.cells, timeline, length=self.length)


@final
@dataclass(frozen=True, slots=True)
class _Rows:
    """The distinct customers: the row of each customer; for each row its cell and a customer who stands for it."""

    index: NDArray[np.int64]
    cell: NDArray[np.int64]
    customer: NDArray[np.int64]

    @classmethod
    def of(cls, cell: NDArray[np.int64], own: OwnValues) -> _Rows:
        key = cell
        for values in (own.margin, own.order_cost, own.annual_retention_cost, own.amount):
            if len(values) and (values != values[0]).any():
                code, distinct = pd.factorize(values, sort=True)
                key, _ = pd.factorize(key * len(distinct) + code, sort=True)
        index, distinct_keys = pd.factorize(key, sort=True)
        customer = np.empty(len(distinct_keys), dtype=np.int64)
        customer[index] = np.arange(len(index))
        return cls(index=index, cell=cell[customer], customer=customer)


def paired(purchases: int, spend: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions of draws that go together.

    Draws pair by position: their random order makes them independent. The longer posterior is thinned evenly; a
    single draw goes with all of the other.
    """
    count = max(purchases, spend) if min(purchases, spend) == 1 else min(purchases, spend)
    return thinning(purchases, count), thinning(spend, count)


def check_posteriors(purchases: object, spend: object, economics: object) -> None:
    """Refuse arguments in the wrong place."""
    if not isinstance(purchases, (PurchasePosterior, ContractPosterior)):
        message = (
            f"purchases must be a PurchasePosterior or a ContractPosterior, got {type(purchases).__name__}; make one "
            "with kundenwert.fit(kundenwert.MBGNBD(), …)"
        )
        raise SpecificationError(message)
    if not isinstance(spend, (SpendPosterior, KnownAmount)):
        message = (
            f"spend must be a SpendPosterior or a KnownAmount, got {type(spend).__name__}; make one with "
            "kundenwert.fit(kundenwert.GammaGamma(), …), or say kundenwert.KnownAmount(29.90)"
        )
        raise SpecificationError(message)
    if isinstance(spend, SpendPosterior) and purchases.model.clock != spend.model.clock:
        message = (
            f"{type(spend.model).__name__} learns from amounts in a log, and histories for "
            f"{type(purchases.model).__name__} hold none; say what a purchase or period costs: "
            "kundenwert.KnownAmount(29.90)"
        )
        raise SpecificationError(message)
    if not isinstance(economics, Economics):
        message = (
            f"economics must be an Economics, got {type(economics).__name__}; make one with "
            "kundenwert.Economics(margin=…, annual_discount_rate=…)"
        )
        raise SpecificationError(message)
