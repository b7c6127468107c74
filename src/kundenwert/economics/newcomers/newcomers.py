"""A new customer, as of the first purchase: what is expected until any time, and in all."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Self, final

import numpy as np

from kundenwert.economics.assumptions.referral import worth_of_purchase
from kundenwert.economics.assumptions.retention import EveryoneFor
from kundenwert.economics.flows.cumulated import Cumulated, OverEvents, OverTime, cumulated
from kundenwert.economics.flows.streams import discounted_purchases, discounted_renewals, periods_per_year
from kundenwert.economics.flows.timeline import Timeline
from kundenwert.economics.serving.path import ForEveryone, Nobody, ServingPath, WhileRenewed, WithCutoffs
from kundenwert.economics.serving.services import serving_time
from kundenwert.economics.value.distinct import paired
from kundenwert.errors import SizeError
from kundenwert.histories.cells import Cells
from kundenwert.posterior.contract import ContractPosterior

if TYPE_CHECKING:
    from kundenwert.economics.assumptions.economics import Economics
    from kundenwert.economics.newcomers.terms import NewcomerTerms
    from kundenwert.histories import HistoryColumn
    from kundenwert.models.core import Array
    from kundenwert.posterior import PurchasePosterior, SpendPosterior

__all__ = ["LONGEST_YEARS", "PARTS", "Newcomer", "new_cells"]

LONGEST_YEARS: Final = 20.0  # of a curve, and of waiting for a payback, where the horizon is LIFETIME
MOST_EVENTS: Final = 2**15  # of a curve
MOST_NUMBERS: Final = 2**27  # of a curve over events, for all draws
REMEDY: Final = (
    ", and that is what a new customer is expected to spend. Give q a tighter prior if you know that large amounts are "
    "bounded, or say what a purchase brings on average: kundenwert.KnownAmount(29.90), for example"
)
PARTS: Final = ("first_purchase", "repeat_purchases", "order_cost", "retention_cost", "referral")
AMOUNTS: Final[tuple[HistoryColumn, ...]] = ("total", "positive", "log_total", "log_squared_total")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomer:
    """A new customer of a channel or cohort. Draws without a mean amount are left out.

    Attributes
    ----------
    posterior
        When customers buy, or end their contracts.
    spend
        How much they spend, with as many draws; None if amounts are known.
    cells
        The history: nothing since the first purchase.
    terms
        Margins and costs.
    amount
        Expected amount of a repeat purchase, shape (draws,).
    worth
        Value of the customers whom one purchase brings, shape (draws,).
    along_margin, plain
        Timelines with and without the path of the margin, up to `limit`.
    limit
        The longest time that is looked at, in the unit of the posterior: the horizon, or 20 years if it is LIFETIME.
    purchases
        Expected repeat purchases, or renewals, up to any time.
    service
        Service up to any time.
    parts
        What comes within the horizon, for each draw, shape (draws,); costs are positive.
    """

    posterior: PurchasePosterior | ContractPosterior
    spend: SpendPosterior | None
    cells: Cells
    terms: NewcomerTerms
    amount: Array
    worth: Array
    along_margin: Timeline
    plain: Timeline
    limit: float
    purchases: Cumulated
    service: ServingPath
    parts: dict[str, Array]

    @classmethod
    def of(
        cls,
        posterior: PurchasePosterior | ContractPosterior,
        spend: SpendPosterior | None,
        cells: Cells,
        economics: Economics,
        terms: NewcomerTerms,
        *,
        length: float,
    ) -> Self:
        """New customers with a history as in the cells, within a horizon of this length, which may be inf.

        Raises
        ------
        InfiniteValueError
            If purchases for life are not finite without discounting, or the mean amount is infinite.
        SizeError
            If opportunities or renewals are too many to be counted one by one.
        """
        posterior, spend, amount = _with_amounts(posterior, spend, cells, terms)
        per_year = periods_per_year(cells)
        along_margin, plain = (Timeline.of(economics, length / per_year, margin=margin) for margin in (True, False))
        bought = _events(posterior, cells, along_margin, length)
        counted = bought if along_margin == plain else _events(posterior, cells, plain, length)
        worth = np.zeros(len(amount))
        if economics.referral is not None:
            worth += worth_of_purchase(economics.referral, counted)
        limit = length if math.isfinite(length) else LONGEST_YEARS * per_year
        if cells.unit in {"opportunity", "renewal"}:
            limit = max(1.0, math.floor(limit + 1e-9))
            _check_size(limit, len(amount), cells)
        purchases = cumulated(posterior, cells, limit)
        service, served = _service(posterior, cells, plain, economics, purchases, length=length)
        events = float(terms.first) + counted
        return cls(
            posterior=posterior,
            spend=spend,
            cells=cells,
            terms=terms,
            amount=amount,
            worth=worth,
            along_margin=_until(along_margin, limit / per_year),
            plain=_until(plain, limit / per_year),
            limit=limit,
            purchases=purchases,
            service=service,
            parts={
                "first_purchase": terms.margin_now * _first_amount(terms, amount) * np.ones(len(amount)),
                "repeat_purchases": terms.margin * amount * bought,
                "order_cost": terms.order_cost * events,
                "retention_cost": terms.annual_retention_cost * served,
                "referral": worth * events,
            },
        )

    @property
    def counts(self) -> bool:
        """Whether opportunities or renewals are counted."""
        return isinstance(self.purchases, OverEvents)

    @property
    def value(self) -> Array:
        """Net present value before the acquisition cost, shape (draws,)."""
        first, repeat, order_cost, retention_cost, referral = (self.parts[name] for name in PARTS)
        return np.asarray(first + repeat - order_cost - retention_cost + referral)

    @property
    def at_once(self) -> Array:
        """Expected contribution of the first purchase, shape (draws,)."""
        return np.asarray(self.parts["first_purchase"] + self.terms.first * (self.worth - self.terms.order_cost))

    def contribution(self, times: Array) -> Array:
        """Expected contribution until each time, before the acquisition cost, shape (times, draws)."""
        return self._contribution(self.purchases, times, self.service.on_average(times))

    def contribution_of_each(self, times: Array) -> Array:
        """The same at a time of its own for each draw, where time is continuous; shape (draws,)."""
        assert isinstance(self.purchases, OverTime)  # noqa: S101 - the caller knows
        return self._contribution(self.purchases.of_each, times, self.service.on_average(times)[:, 0])

    def _contribution(self, purchases: Cumulated, times: Array, served: Array) -> Array:
        bought = purchases(times, self.along_margin)
        counted = bought if self.along_margin == self.plain else purchases(times, self.plain)
        result = self.at_once + self.terms.margin * self.amount * bought
        result += (self.worth - self.terms.order_cost) * counted
        return np.asarray(result - self.terms.annual_retention_cost * served)


def new_cells(posterior: PurchasePosterior | ContractPosterior, every: float) -> list[Cells]:
    """The history of a new customer, or of a new contract of each cohort; events come `every` so many years."""
    if not isinstance(posterior, ContractPosterior):
        new = posterior.new_customer(every)
        none = np.zeros(1)
        return [replace(new, columns={**new.columns, **dict.fromkeys(AMOUNTS, none)})]
    cohorts = posterior.model.cohorts
    one, none = np.ones(1, dtype=np.int64), np.zeros(1)
    return [
        Cells(
            columns={"cohort": np.array([float(position)]), "tenure": none, "ended": none},
            counts=one,
            index=one - 1,
            unit=posterior.unit,
            periods_per_year=1 / every,
            cohorts=cohorts,
        )
        for position in range(max(1, len(cohorts)))
    ]


def _with_amounts(
    posterior: PurchasePosterior | ContractPosterior, spend: SpendPosterior | None, cells: Cells, terms: NewcomerTerms
) -> tuple[PurchasePosterior | ContractPosterior, SpendPosterior | None, Array]:
    """Posteriors whose draws go together, and the expected amount of a repeat purchase."""
    if spend is None:
        return posterior, None, np.full(posterior.of_cells.draws, terms.amount)
    chosen, positions = paired(posterior.of_cells.draws, spend.of_cells.draws)
    amount = spend.finite_spend(cells, positions, remedy=REMEDY)(slice(0, 1))[0]
    finite = ~np.isnan(amount)
    return posterior.chosen(chosen[finite]), spend.chosen(positions[finite]), amount[finite]


def _check_size(events: float, draws: int, cells: Cells) -> None:
    """Refuse a curve over more events than can be counted one by one."""
    most = min(MOST_EVENTS, MOST_NUMBERS // draws)
    if events > most:
        name = "opportunities" if cells.unit == "opportunity" else "renewals"
        message = (
            f"a curve over {events:,.0f} {name} is longer than the {most:,} allowed (draws of the parameters: "
            f"{draws:,}); take a shorter horizon, or LIFETIME"
        )
        raise SizeError(message)


def _first_amount(terms: NewcomerTerms, amount: Array) -> Array:
    """Expected amount of the first purchase; 0 if it does not count."""
    if not terms.first:
        return np.zeros_like(amount)
    return amount if terms.first_amount is None else np.full_like(amount, terms.first_amount)


def _events(posterior: PurchasePosterior | ContractPosterior, cells: Cells, timeline: Timeline, length: float) -> Array:
    if isinstance(posterior, ContractPosterior):
        block = discounted_renewals(posterior, cells, timeline, length=length)
    else:
        block = discounted_purchases(posterior, cells, timeline, length=length)
    return np.asarray(block(slice(0, 1))[0])


def _service(
    posterior: PurchasePosterior | ContractPosterior,
    cells: Cells,
    timeline: Timeline,
    economics: Economics,
    purchases: Cumulated,
    *,
    length: float,
) -> tuple[ServingPath, Array]:
    """Service up to any time, and within the horizon."""
    rule = economics.retention_rule
    if rule is None or economics.annual_retention_cost == 0:
        return Nobody(), np.zeros(posterior.of_cells.draws)
    if isinstance(posterior, ContractPosterior) or isinstance(rule, EveryoneFor):
        served = serving_time(posterior, cells, timeline, rule, length=length, due=False)(slice(0, 1))[0]
        if isinstance(rule, EveryoneFor):
            years = min(rule.period.in_unit("year"), timeline.horizon)
            return ForEveryone(timeline, years, periods_per_year(cells)), served
        assert isinstance(purchases, OverEvents)  # noqa: S101 - renewals are counted
        return WhileRenewed.of(purchases, timeline), served
    spells = WithCutoffs.of(posterior, cells, timeline, rule)
    in_all = spells.on_average(np.array([spells.service.years * spells.per_year]))
    return spells, np.full(posterior.of_cells.draws, in_all[0, 0])


def _until(timeline: Timeline, years: float) -> Timeline:
    """The timeline up to a time; with accounting periods, to the end of the one it lies in."""
    if math.isfinite(timeline.horizon):
        return timeline
    if timeline.period:
        years = math.ceil(years / timeline.period - 1e-9) * timeline.period
    return replace(timeline, horizon=years)
