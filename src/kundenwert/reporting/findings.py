"""Everything that a page reports: what the verbs say, each computation that several of them share done once."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Self, final

from kundenwert.checks.counts import purchase_counts
from kundenwert.checks.regularity import Regularity, regularity
from kundenwert.duration import Duration, Horizon, opportunities, weeks
from kundenwert.economics import (
    CustomerEquity,
    Economics,
    KnownAmount,
    NewCustomerValue,
    PhaseRules,
    Segmentation,
    SpendDependence,
    contribution_to_date,
    new_customer_value,
    phase,
    realised_value,
    second_purchase,
    spend_dependence,
)
from kundenwert.economics.base.equity import equity_of
from kundenwert.economics.base.groups import EVERYBODY, Groups, contributions
from kundenwert.economics.base.segments import segmentation_of
from kundenwert.economics.realised.realisation import realisation
from kundenwert.economics.relationship.warning import warnings_of
from kundenwert.economics.value.npv import table_of_values
from kundenwert.economics.value.valuation import valuation
from kundenwert.errors import (
    DataError,
    DependenceWarning,
    InferenceError,
    InfiniteValueError,
    SizeError,
    SpecificationError,
)
from kundenwert.histories import CustomerHistories, OpportunityHistories
from kundenwert.language import mark
from kundenwert.plot.relationships import moves
from kundenwert.posterior import PurchasePosterior, SpendPosterior
from kundenwert.progress import no_stage
from kundenwert.reporting.heldout import HeldOut
from kundenwert.reporting.totals import total_range
from kundenwert.scalars import is_number

if TYPE_CHECKING:
    import pandas as pd
    from narwhals.stable.v2.typing import IntoDataFrame

    from kundenwert.language import Language
    from kundenwert.posterior.summary import Estimate
    from kundenwert.transactions.times import Day

__all__ = ["STAGES", "Findings", "Question"]

SOON: Final = weeks(13)
SOON_COUNTED: Final = opportunities(1)
NEW_FUTURES: Final = 20_000  # single new customers
STAGES: Final = {  # about how long each takes, in per cent
    "where customers stand": 24,
    "values of customers": 54,
    "new customers": 3,
    "hold-out": 11,
    "checks": 5,
    "the page": 3,
}


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked; attributes are the arguments of :func:`kundenwert.report`."""

    log: IntoDataFrame | None
    histories: CustomerHistories | OpportunityHistories
    purchases: PurchasePosterior
    spend: SpendPosterior | KnownAmount
    economics: Economics
    horizon: Horizon
    customers: IntoDataFrame | None
    channel: str
    by: pd.Series | None
    holdout_until: Day | None
    rules: PhaseRules
    warnings: int
    futures: int
    seed: int
    interval: float
    new_customers: NewCustomerValue | None
    language: Language

    @property
    def soon(self) -> Horizon:
        """How far ahead moves between phases are counted."""
        return SOON_COUNTED if self.purchases.unit == "opportunity" else SOON

    @property
    def has_amounts(self) -> bool:
        """Whether the log tells what each purchase brought."""
        histories = self.histories
        if self.log is None or not isinstance(histories, CustomerHistories):
            return False
        return histories.columns is None or histories.columns.amount is not None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """The answers. What cannot be said is None; of some, `why_not` tells the reason.

    Attributes
    ----------
    asked
        The question.
    expected, realised
        Of each customer: expected and realised net present value.
    total_range
        Where the value of all of them will really end up.
    equity
        Of all, and by group if there is a division.
    contribution, segmentation
        What customers have brought so far, and segments by that.
    phases, moves, warnings
        Where relationships stand.
    new, second
        New customers, and the second purchase of a new customer.
    counts, heldout, regularity, dependence
        Checks of the models.
    why_not
        Reasons, by name of the attribute, in English; to be said in the language of the page.
    """

    asked: Question
    expected: pd.DataFrame
    realised: pd.DataFrame
    total_range: Estimate
    equity: CustomerEquity
    contribution: pd.DataFrame | None
    segmentation: Segmentation | None
    phases: pd.DataFrame | None
    moves: pd.DataFrame | None
    warnings: pd.DataFrame | None
    new: NewCustomerValue | None
    second: pd.DataFrame
    counts: pd.DataFrame
    heldout: HeldOut | None
    regularity: Regularity | None
    dependence: SpendDependence | None
    why_not: dict[str, str]

    @classmethod
    def of(cls, asked: Question, begin: Callable[[str], None] = no_stage) -> Self:
        """Ask; `begin` is told the stages that begin."""
        models = asked.purchases, asked.spend, asked.histories, asked.economics
        ahead, interval, customers = asked.horizon, asked.interval, asked.customers
        why_not: dict[str, str] = {}
        begin("where customers stand")
        standing = _standing(asked, why_not)
        begin("values of customers")
        values = valuation(*models, horizon=ahead, customers=customers)
        futures = realisation(*models, horizon=ahead, futures=asked.futures, seed=asked.seed, customers=customers)
        customer_id, currency = asked.histories.customer_id, asked.economics.currency
        contribution = segmentation = to_date = None
        if asked.has_amounts:
            contribution = _contribution(asked)
            to_date = contributions(contribution, customer_id)
            segmentation = segmentation_of(
                values, futures, to_date, customer_id, horizon=ahead, interval=interval, currency=currency
            )
        if segmentation is not None and asked.by is None:
            equity = segmentation.equity
        else:
            groups = Groups.of(asked.by, customer_id)
            equity = equity_of(values, groups, to_date, horizon=ahead, interval=interval, currency=currency)
        realised = realised_value(
            *models, horizon=ahead, futures=asked.futures, seed=asked.seed, customers=customers, interval=interval
        )
        expected, total = table_of_values(values, customer_id, interval), equity.draws[EVERYBODY].to_numpy()
        begin("new customers")
        new = asked.new_customers or _new(asked, why_not)
        second = second_purchase(asked.purchases, horizon=asked.rules.horizon, interval=interval)
        heldout = None
        if asked.holdout_until is not None:
            begin("hold-out")
            heldout = HeldOut.of(
                asked.log,
                asked.histories,
                asked.purchases,
                until=asked.holdout_until,
                interval=interval,
                futures=asked.futures,
                seed=asked.seed,
            )
        begin("checks")
        return cls(
            asked=asked,
            expected=expected,
            realised=realised,
            total_range=total_range(total, futures, realised["sd"], interval=interval, seed=asked.seed),
            equity=equity,
            contribution=contribution,
            segmentation=segmentation,
            phases=standing[0],
            moves=standing[1],
            warnings=standing[2],
            new=new,
            second=second,
            counts=purchase_counts(asked.purchases, asked.histories, interval=interval),
            heldout=heldout,
            regularity=_regularity(asked),
            dependence=_dependence(asked, why_not),
            why_not=why_not,
        )

    @property
    def language(self) -> Language:
        """In which all of it is told."""
        return self.asked.language


def _standing(
    asked: Question, why_not: dict[str, str]
) -> tuple[pd.DataFrame | None, pd.DataFrame | None, pd.DataFrame | None]:
    """Phases, who moves on soon, and early warnings."""
    if asked.purchases.model.by_history:
        why_not["phases"] = mark(
            "phases and warnings go by the silence after so many purchases, and the model of this page looks at every "
            "gap between them"
        )
        return None, None, None
    phases = phase(asked.purchases, asked.histories, rules=asked.rules, interval=asked.interval)
    warned = warnings_of(
        phases,
        asked.purchases,
        asked.spend,
        asked.histories,
        asked.economics,
        horizon=asked.horizon,
        rules=asked.rules,
        customers=asked.customers,
        interval=asked.interval,
    )
    return phases, moves(phases, unit=asked.purchases.unit, within=asked.soon), warned


def _contribution(asked: Question) -> pd.DataFrame:
    assert asked.log is not None  # noqa: S101 - by has_amounts
    assert isinstance(asked.histories, CustomerHistories)  # noqa: S101
    return contribution_to_date(
        asked.log, asked.histories, asked.economics, customers=asked.customers, channel=asked.channel
    )


def _new(asked: Question, why_not: dict[str, str]) -> NewCustomerValue | None:
    """New customers, without single ones if these are too many; nothing if what they cost depends on the channel.

    One fit for all says what the average newcomer is worth. Set beside costs by channel, it would be taken for what one
    of any channel may cost, and channels differ in that.
    """
    economics = asked.economics
    if isinstance(economics.acquisition_cost, Mapping):
        why_not["new"] = mark(
            "it differs by channel, as the cost of winning one does, and this page rests on one model for all "
            "channels; each needs a model of its own"
        )
        return None
    if not is_number(economics.acquisition_cost):
        economics = replace(economics, acquisition_cost=0.0)
    every: Duration | None = None
    if isinstance(asked.histories, OpportunityHistories):
        every = asked.histories.every
    for futures in (NEW_FUTURES, 0):
        try:
            return new_customer_value(
                asked.purchases,
                asked.spend,
                economics,
                horizon=asked.horizon,
                first_purchase=True,
                every=every,
                interval=asked.interval,
                seed=asked.seed,
                futures=futures,
            )
        except SizeError:  # single customers may be too many, and then the average is still known
            why_not["new"] = why_not["single"] = mark("they would make too many purchases to be simulated")
        except InfiniteValueError:
            why_not["new"] = mark("the mean amount of the population is infinite")
            return None
        except (SpecificationError, InferenceError):
            why_not["new"] = mark(
                "margins, costs or amounts are each customer’s own, and those of new customers are not known"
            )
            return None
    return None


def _regularity(asked: Question) -> Regularity | None:
    if not isinstance(asked.histories, CustomerHistories) or asked.histories.gaps is None:
        return None
    try:
        return regularity(asked.histories, interval=asked.interval)
    except DataError:  # too few purchases to tell
        return None


def _dependence(asked: Question, why_not: dict[str, str]) -> SpendDependence | None:
    if not isinstance(asked.spend, SpendPosterior):
        why_not["dependence"] = mark("amounts are given and not learnt from the customers")
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DependenceWarning)  # the page says so
            return spend_dependence(
                asked.purchases, asked.spend, asked.histories, interval=asked.interval, seed=asked.seed
            )
    except SpecificationError:
        why_not["dependence"] = mark("these models do not tell it")
    except DataError:
        why_not["dependence"] = mark("too few customers have come back, or they are too much alike")
    except InfiniteValueError:
        why_not["dependence"] = mark("the mean amount of the population is infinite")
    return None
