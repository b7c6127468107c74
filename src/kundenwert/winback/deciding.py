"""What a plan says of the customers to whom some offer may be made, and its tables."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from kundenwert.winback.capping import p_within, within_cap
from kundenwert.winback.choice import Choice, choose, offers_before
from kundenwert.winback.gains import Spending, Totals, summary_of
from kundenwert.winback.lots import PRIORITY, lots
from kundenwert.winback.plan import DECISIONS, WinbackPlan
from kundenwert.winback.timing import timing_of, timing_table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kundenwert.duration import Duration
    from kundenwert.histories import CustomerHistories
    from kundenwert.models.core import Array
    from kundenwert.winback.gains import Assessment, Gains
    from kundenwert.winback.setting import Setting

__all__ = ["Decided"]

CONTACT, HELD_OUT, WAIT, LEAVE, NOT_ELIGIBLE = range(len(DECISIONS))
OFFER_COLUMNS: Final = (
    "mean",
    "lower",
    "upper",
    "p_pays",
    "p_return",
    "p_return_lower",
    "p_return_upper",
    "p_return_without",
    "p_return_without_lower",
    "p_return_without_upper",
    "p_harms",
    "value_of_returns",
    "redemption",
    "subsidy",
    "contact_cost",
    "expected_spend",
)


class Decided:
    """What a plan says of the customers to whom some offer may be made."""

    def __init__(
        self,
        setting: Setting,
        positions: NDArray[np.int64],
        eligible: NDArray[np.bool_],
        *,
        held: NDArray[np.bool_],
        waits: tuple[Duration, ...],
        interval: float,
    ) -> None:
        self.setting, self.positions, self.eligible, self.held = setting, positions, eligible, held
        self.interval = interval
        self.ids = setting.histories.customer_id.take(positions)
        self.priority = lots(self.ids, setting.seed, PRIORITY)
        self.timing: pd.DataFrame | None = None
        self.postponed = np.zeros(len(positions), dtype=np.bool_)
        shape = (len(positions), len(setting.offers))
        self.value, self.spend = np.full(shape, -np.inf), np.zeros(shape)
        self.assessed: Assessment | None = None
        if len(positions):
            self.gains, self.index = setting.gains(positions)
            self.assessed = self.gains.assess(interval)
            self.value = np.where(eligible, self.assessed.value[0][self.index], -np.inf)
            self.spend = self.assessed.spend[self.index]
        if waits:
            worth = timing_of(setting, positions, eligible, waits) if len(positions) else np.zeros((0, 1 + len(waits)))
            self.timing = timing_table(worth, waits, self.ids, _today(setting.histories))
            self.postponed = (worth.argmax(axis=1) > 0) & (worth.max(axis=1) > 0)

    def plan(self, budget: float, cap: float | None, probability: float, hold_out: float) -> WinbackPlan:
        """Choose, and say what it brings."""
        free = ~(self.held | self.postponed)
        value, spend, priority = self.value[free], self.spend[free], self.priority[free]

        def choice_of(allowed: float) -> Choice:
            return choose(value, spend, allowed, priority, comparable=bool(self.held.any()))

        if cap is None:
            choice, limit = choice_of(budget), budget
        else:
            choice, limit = within_cap(
                choice_of, lambda tried: self._spending(free, tried), min(budget, cap), cap=cap, probability=probability
            )
        totals, spending = self._totals(free, choice)
        offer = np.full(len(self.positions), -1)
        offer[free] = choice.offer
        # one rule for all: before the cut, by price and priority; who was contacted beyond it is compared with nobody
        intended = np.full_like(offer, -1)
        intended[free] = np.where(choice.by_rule, choice.offer, -1)
        measured = self.held & ~self.postponed
        intended[measured] = offers_before(
            self.value[measured], self.spend[measured], self.priority[measured], choice.cut
        )
        bound = cap if cap is not None else budget
        setting = self.setting
        return WinbackPlan(
            table=self._table(offer, intended),
            offers=self._offers(),
            totals=_totals_table(totals, int((offer >= 0).sum()), self.interval),
            timing=self.timing,
            p_pays=float(np.mean(totals.value[~np.isnan(totals.value)] > 0)),
            budget=budget,
            hard_cap=cap,
            hard_cap_probability=probability,
            p_within_cap=p_within(spending, bound),
            shadow_price=choice.shadow_price,
            optimality_gap=choice.gap if cap is None or limit >= min(budget, cap) else math.nan,
            hold_out=hold_out,
            prior_only=setting.campaign.prior_only,
            window=setting.window,
            horizon=setting.horizon,
            interval=self.interval,
            currency=setting.economics.currency,
            seed=setting.seed,
            setting=setting,
        )

    def _totals(self, free: NDArray[np.bool_], choice: Choice) -> tuple[Totals, Spending]:
        """Joint draws of what a choice brings and costs."""
        if not (choice.offer >= 0).any():
            return Totals(*np.zeros((len(Totals._fields), 1))), Spending(*np.zeros((2, 1)))
        gains, numbers = self._contacted(free, choice)
        totals = gains.totals(numbers[None])[0]
        # where many redeem, their sum is normal, and need not be looked at one by one
        return totals, gains.spending(numbers) if gains.may_be_counted(numbers) else totals.spending

    def _spending(self, free: NDArray[np.bool_], choice: Choice) -> Spending:
        """Joint draws of what a choice costs."""
        if not (choice.offer >= 0).any():
            return Spending(*np.zeros((2, 1)))
        gains, numbers = self._contacted(free, choice)
        return gains.spending(numbers)

    def _contacted(self, free: NDArray[np.bool_], choice: Choice) -> tuple[Gains, Array]:
        """The kinds of customers who are made an offer, and how many of them are made each."""
        chosen = choice.offer >= 0
        gains, row = self.setting.gains(self.positions[free][chosen])
        numbers = np.zeros((len(gains), len(gains.offers)))
        np.add.at(numbers, (row, choice.offer[chosen]), 1.0)
        return gains, numbers

    def _offers(self) -> pd.DataFrame:
        """One row for each customer and offer that may be made."""
        labels = [offer.label for offer in self.setting.offers]
        who, which = np.nonzero(self.eligible)
        index = pd.MultiIndex.from_arrays(
            [self.ids.take(who), pd.Index(labels, dtype=object).take(which)], names=["customer_id", "offer"]
        )
        if self.assessed is None:
            return pd.DataFrame({name: np.zeros(0) for name in OFFER_COLUMNS}, index=index)
        found, row = self.assessed, self.index[who]
        at = (row, which)
        without, contact = (part[row] for part in found.p_without), self.gains.contact[at]
        redemption = self.gains.redemption[at]
        p_without, p_without_lower, p_without_upper = without
        columns = (
            *(part[at] for part in found.value),
            found.p_pays[at],
            *(part[at] for part in found.p_return),
            p_without,
            p_without_lower,
            p_without_upper,
            found.p_harms[at],
            found.returns[at],
            np.where(redemption > 0, found.spend[at] - contact, 0.0),
            redemption * np.minimum(p_without, found.p_return[0][at]),
            contact,
            found.spend[at],
        )
        return pd.DataFrame(dict(zip(OFFER_COLUMNS, columns, strict=True)), index=index)

    def _table(self, offer: NDArray[np.int64], intended: NDArray[np.int64]) -> pd.DataFrame:
        """One row for each customer."""
        customer_id = self.setting.histories.customer_id
        decision = np.full(len(customer_id), NOT_ELIGIBLE)
        decision[self.positions] = np.select(
            [self.held, self.postponed, offer >= 0], [HELD_OUT, WAIT, CONTACT], default=LEAVE
        )
        labels = np.array([*(each.label for each in self.setting.offers), None], dtype=object)
        columns: dict[str, Any] = {"decision": pd.Categorical(np.array(DECISIONS)[decision], categories=DECISIONS)}
        for name, codes in (("offer", offer), ("intended_offer", intended)):
            whole = np.full(len(customer_id), -1)
            whole[self.positions] = codes
            columns[name] = labels[whole]
        names = ("mean", "lower", "upper", "p_pays", "p_return", "p_return_without", "expected_spend")
        numbers = np.full((len(names), len(customer_id)), np.nan)
        if self.assessed is not None:
            found = self.assessed
            made = np.maximum(offer, intended)
            shown = np.where(made >= 0, made, self.value.argmax(axis=1))
            at = (self.index, shown)
            parts = (*found.value, found.p_pays, found.p_return[0])
            numbers[:, self.positions] = [
                *(part[at] for part in parts),
                found.p_without[0][self.index],
                found.spend[at],
            ]
        return pd.DataFrame(columns | dict(zip(names, numbers, strict=True)), index=customer_id)


def _totals_table(totals: Totals, contacted: int, interval: float) -> pd.DataFrame:
    rows = {
        "contacted": np.full_like(totals.value, contacted),
        "value": totals.value,
        "spend": totals.spend,
        "returns": totals.returns,
        "returns_without": totals.returns_without,
        "additional_returns": totals.returns - totals.returns_without,
    }
    found = [(*summary_of(values, interval), _mc_error(values)) for values in rows.values()]
    return pd.DataFrame(found, index=pd.Index(rows), columns=["mean", "lower", "upper", "mc_error"])


def _mc_error(values: Array) -> float:
    """Standard error of a mean over draws; 0 of a single one, which is what is known."""
    some = values[~np.isnan(values)]
    return float(some.std(ddof=1) / math.sqrt(len(some))) if len(some) > 1 else 0.0


def _today(histories: CustomerHistories) -> pd.Timestamp | None:
    """The day after the end of observation, if it is known and the same for all customers."""
    steps = histories.steps
    if steps is None or not len(steps.until) or (steps.until != steps.until[0]).any():
        return None
    hours = {"hour": 1, "day": 24, "week": 168}[steps.resolution]
    start = pd.Timestamp("1969-12-29" if steps.resolution == "week" else "1970-01-01")
    return start + pd.Timedelta(hours=hours * (int(steps.until[0]) + 1))
