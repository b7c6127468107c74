"""The value of what is still to come and its parts, for each kind of customer and each draw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

import numpy as np

from kundenwert.economics.assumptions.referral import Referral, worth_of_purchase
from kundenwert.economics.flows.streams import (
    discounted_purchases,
    discounted_renewals,
    periods_per_year,
    purchases_along,
)
from kundenwert.economics.flows.timeline import Timeline
from kundenwert.economics.serving.services import serving_time
from kundenwert.economics.value.distinct import DistinctCustomers, check_due
from kundenwert.errors import SpecificationError
from kundenwert.posterior.contract import ContractPosterior
from kundenwert.posterior.spend import SpendPosterior
from kundenwert.posterior.summary import Summary, summarise_all

if TYPE_CHECKING:
    from narwhals.stable.v2.typing import IntoDataFrame
    from numpy.typing import NDArray

    from kundenwert.duration import Horizon
    from kundenwert.economics.assumptions.economics import Economics
    from kundenwert.economics.assumptions.terms import KnownAmount
    from kundenwert.economics.dependence.spend_dependence import SpendDependence
    from kundenwert.histories import Histories
    from kundenwert.models.core import Array
    from kundenwert.posterior import PurchasePosterior
    from kundenwert.posterior.values import Block

__all__ = ["PARTS", "Valuation", "referral_worth", "valuation"]

PARTS: Final = ("margin", "order_cost", "retention_cost", "referral")
SIGNS: Final = {"margin": 1, "order_cost": -1, "retention_cost": -1, "referral": 1}


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
            if len(parts) > 1 and (left_out := np.isnan(parts["margin"])).any():  # so that means add up
                parts = {name: np.where(left_out, np.nan, part) for name, part in parts.items()}
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
    dependence: SpendDependence | None = None,
) -> Valuation:
    """The value of what customers bring in (T, T + horizon], less what they cost.

    With `dependence`, margins are what is expected if spend depends on frequency as it says.

    Raises
    ------
    InfiniteValueError
        If purchases for life are not finite without discounting, or the mean amount is infinite.
    MissingInformationError
        If the histories have no amounts, or a table of customers is missing.
    """
    kinds = DistinctCustomers.of(purchases, spend, histories, economics, horizon=horizon, customers=customers)
    plain = Timeline.of(economics, kinds.years, margin=False)
    along_margin = Timeline.of(economics, kinds.years, margin=True)
    bought = _events(kinds, along_margin, due=renewal_due)
    brings = economics.referral is not None and economics.referral.per_purchase > 0
    rule = economics.retention_rule if kinds.own.annual_retention_cost.any() else None
    counted = bought
    if along_margin != plain and (kinds.own.order_cost.any() or brings or rule is not None):
        counted = _events(kinds, plain, due=renewal_due)
    draws = kinds.purchases.of_cells.draws

    def of_rows(factor: Array, *blocks: tuple[Block, NDArray[np.int64]]) -> Block:
        def values(rows: slice) -> Array:
            result = factor[rows, None]
            for block, place in blocks:
                result = result * at(block, place, rows)
            return np.asarray(np.broadcast_to(result, (len(result), draws)))

        return values

    amounts = []
    if isinstance(spend, SpendPosterior):
        amounts.append((spend.finite_spend(kinds.cells, kinds.spend_draws), kinds.cell))
    own = kinds.own
    margin = own.margin * own.amount * _corrections(dependence, kinds, spend, along_margin)
    parts: dict[str, Block] = {"margin": of_rows(margin, (bought, kinds.shared), *amounts)}
    if own.order_cost.any():
        parts["order_cost"] = of_rows(own.order_cost, (counted, kinds.shared))
    if rule is not None:
        kinds.check_years()
        served = serving_time(
            kinds.purchases, kinds.base, plain, rule, length=kinds.length, due=renewal_due, purchases=counted
        )
        parts["retention_cost"] = of_rows(own.annual_retention_cost, (served, kinds.shared))
    if economics.referral is not None and brings:
        worth = referral_worth(kinds, economics.referral, plain)
        parts["referral"] = of_rows(np.ones(len(kinds)), (lambda rows: np.asarray(counted(rows) * worth), kinds.shared))
    return Valuation(index=kinds.index, counts=kinds.counts, draws=draws, parts=parts)


def _events(kinds: DistinctCustomers, timeline: Timeline, *, due: bool) -> Block:
    """Purchases, or renewals, of the histories that they depend on, discounted along a timeline."""
    if isinstance(kinds.purchases, ContractPosterior):
        return discounted_renewals(kinds.purchases, kinds.base, timeline, length=kinds.length, due=due)
    check_due(kinds.purchases, due=due)
    return discounted_purchases(kinds.purchases, kinds.base, timeline, length=kinds.length)


def _corrections(
    dependence: SpendDependence | None,
    kinds: DistinctCustomers,
    spend: SpendPosterior | KnownAmount,
    timeline: Timeline,
) -> Array:
    """What margins under independence are to be multiplied by, shape (rows,)."""
    if dependence is None:
        return np.ones(len(kinds))
    if isinstance(kinds.purchases, ContractPosterior) or not isinstance(spend, SpendPosterior):
        message = (
            "dependence is about a purchase model and a spend model that were both learnt from purchases; leave it out "
            "for contracts and for a KnownAmount"
        )
        raise SpecificationError(message)
    expectation = purchases_along(kinds.purchases, kinds.cells, timeline, length=kinds.length)
    return dependence.corrections(kinds.purchases, spend, kinds.cells, expectation)[kinds.cell]


def referral_worth(kinds: DistinctCustomers, referral: Referral, timeline: Timeline) -> Array:
    """Value of the customers whom one purchase brings, shape (draws,) or (1,)."""
    if referral.generations == 1:
        return worth_of_purchase(referral, np.zeros(1))
    if isinstance(kinds.purchases, ContractPosterior):
        message = "referrals are counted for one generation where customers have contracts; expected generations=1"
        raise SpecificationError(message)
    new = kinds.purchases.new_customer(1 / periods_per_year(kinds.base))
    block = discounted_purchases(kinds.purchases, new, timeline, length=kinds.length)
    return worth_of_purchase(referral, block(slice(0, 1))[0])


def at(block: Block, place: NDArray[np.int64], rows: slice) -> Array:
    """Values of a block at the places of these rows, which never decrease."""
    first, last = place[rows.start], place[rows.stop - 1] + 1
    return np.asarray(block(slice(int(first), int(last)))[place[rows] - first])
