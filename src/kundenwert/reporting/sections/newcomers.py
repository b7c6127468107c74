"""What a new customer is worth, and when it is paid back what winning them has cost."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from kundenwert import plot
from kundenwert.economics.newcomers.newcomers import LONGEST_YEARS
from kundenwert.economics.newcomers.value import AVERAGE, SINGLE
from kundenwert.posterior.summary import Estimate
from kundenwert.reporting.blocks import Block, Facts, Section
from kundenwert.reporting.facts import Fact, money, share
from kundenwert.reporting.pictures import picture
from kundenwert.reporting.words import ahead, amount, estimate, in_words, percent, row_of, times
from kundenwert.scalars import is_number

if TYPE_CHECKING:
    from kundenwert.economics import NewCustomerValue
    from kundenwert.reporting.findings import Findings, Question

__all__ = ["newcomers"]

TITLE = "New customers"


def newcomers(found: Findings) -> Section:
    """Value at acquisition, payback, second purchase."""
    asked, new = found.asked, found.new
    again = _second_purchase(found)
    if new is None:
        left_out = f"What a new customer is worth is left out: {found.why_not['new']}."
        return Section(key="newcomers", title=TITLE, lead=(left_out,), blocks=(Facts(of=again),))
    row, currency = new.table.iloc[0], asked.economics.currency
    single_cost = is_number(asked.economics.acquisition_cost)
    cost = float(row["acquisition_cost"])
    worth = estimate(row, "highest_acquisition_cost")
    facts = [
        money(
            "Value when they come",
            worth,
            currency,
            "What they will bring, the first purchase included; winning them may cost so much at most.",
        ),
        money("Brought by the first purchase", estimate(row, "first_purchase"), currency, "Its margin."),
        money("Brought by later purchases", estimate(row, "repeat_purchases"), currency, "Their margins, expected."),
    ]
    if cost > 0:
        facts += [
            money("What is left after winning them", estimate(row), currency, "The same, less the acquisition cost."),
            share(
                "Winning them pays",
                float(row["probability_it_pays"]),
                "How sure it is that the average new customer is worth what they cost.",
            ),
            *_payback(new, _limit(asked)),
        ]
    blocks: list[Block] = []
    if cost > 0:
        singles = ""
        if SINGLE in new.payback.index:
            back = percent(float(new.payback["within_limit"][SINGLE]))
            singles = f" Of single customers, {back} bring back what they cost within {_limit(asked)}."
        drawn = picture(
            "payback",
            lambda ax: plot.payback(new, currency=currency, ax=ax),
            alt="Expected contribution of a new customer over time, and the acquisition cost of "
            f"{amount(cost, currency)}.",
            caption="What the average new customer has brought by when, first purchase included, after costs and "
            f"discounted.{singles}",
        )
        blocks.append(drawn)
    blocks.append(Facts(of=(*facts, *again)))
    worth_shown = amount(worth.mean, currency)
    within = ahead(asked.horizon).replace("the next", "the first")
    lead = [
        f"A new customer is worth {worth_shown} {within}, the first purchase included. Winning one may cost no more "
        "than that."
        if worth.mean > 0
        else f"A new customer is worth {worth_shown} {within}, the first purchase included: less than nothing, even if "
        "winning one cost nothing."
    ]
    if cost > 0 and SINGLE not in new.payback.index:
        lead.append(f"How many single customers pay back is left out: {found.why_not['new']}.")
    if not single_cost:
        lead.append("The cost of winning a customer is not the same for all, so no payback is shown.")
    caution = (
        "New customers are taken to be like those of the past. Who comes by another channel, a discount or an advert "
        "is usually not. If they would have come anyway, the first purchase does not count. How much customers spend "
        "is taken to have nothing to do with how often they buy."
    )
    return Section(key="newcomers", title=TITLE, lead=tuple(lead), blocks=tuple(blocks), caution=caution)


def _limit(asked: Question) -> str:
    """How far paybacks are looked for."""
    return f"{LONGEST_YEARS:g} years" if asked.horizon.is_lifetime else in_words(asked.horizon)


def _payback(new: NewCustomerValue, limit: str) -> list[Fact]:
    average = row_of(new.payback, AVERAGE)
    back = Estimate(float(average["median"]), float(average["lower"]), float(average["upper"]))
    after = times("Paid back after", back, new.unit, "When the average new customer has brought what they cost.")
    facts = [replace(after, endless=f"not within {limit}")]
    if SINGLE in new.payback.index:
        meaning = (
            f"Share of new customers whose own purchases bring back what they cost within {limit}; the others are "
            "carried by these."
        )
        single = row_of(new.payback, SINGLE)
        facts.append(share("Single customers who pay back", float(single["within_limit"]), meaning))
    return facts


def _second_purchase(found: Findings) -> tuple[Fact, ...]:
    row, purchases = found.second.iloc[0], found.asked.purchases
    within = in_words(found.asked.rules.horizon)
    facts = [share("Buy a second time", estimate(row, "probability"), f"New customers who do so within {within}.")]
    if math.isfinite(float(row["waiting_time"])):
        meaning = "On average, of those who buy a second time within that time."
        facts.append(times("Time to the second purchase", estimate(row, "waiting_time"), purchases.unit, meaning))
    return tuple(facts)
