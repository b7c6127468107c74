"""What a new customer is worth, and when it is paid back what winning them has cost."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from kundenwert import plot
from kundenwert.economics.assumptions.terms import is_number
from kundenwert.economics.newcomers.value import AVERAGE, SINGLE
from kundenwert.posterior.summary import Estimate
from kundenwert.reporting.blocks import Block, Facts, Section
from kundenwert.reporting.facts import Fact, money, share
from kundenwert.reporting.pictures import picture
from kundenwert.reporting.words import ahead, amount, estimate, in_words, percent, row_of, times

if TYPE_CHECKING:
    from kundenwert.economics import NewCustomerValue
    from kundenwert.reporting.findings import Findings

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
            *_payback(new),
        ]
    blocks: list[Block] = []
    if cost > 0:
        back = percent(float(new.payback["within_horizon"][SINGLE]))
        drawn = picture(
            "payback",
            lambda ax: plot.payback(new, currency=currency, ax=ax),
            alt="Expected contribution of a new customer over time, and the acquisition cost of "
            f"{amount(cost, currency)}.",
            caption="What the average new customer has brought by when, first purchase included, after costs and "
            f"discounted. Of single customers, {back} ever bring back what they cost in this time.",
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
    if not single_cost:
        lead.append("The cost of winning a customer is not the same for all, so no payback is shown.")
    caution = (
        "New customers are taken to be like those of the past. Who comes by another channel, a discount or an advert "
        "is "
        "usually not. If they would have come anyway, the first purchase does not count."
    )
    return Section(key="newcomers", title=TITLE, lead=tuple(lead), blocks=tuple(blocks), caution=caution)


def _payback(new: NewCustomerValue) -> list[Fact]:
    average, single = row_of(new.payback, AVERAGE), row_of(new.payback, SINGLE)
    back = Estimate(float(average["median"]), float(average["lower"]), float(average["upper"]))
    return [
        times("Paid back after", back, new.unit, "When the average new customer has brought what they cost."),
        share(
            "Single customers who pay back",
            float(single["within_horizon"]),
            "Share of new customers whose own purchases bring back what they cost; the others are carried by these.",
        ),
    ]


def _second_purchase(found: Findings) -> tuple[Fact, ...]:
    row, purchases = found.second.iloc[0], found.asked.purchases
    within = in_words(found.asked.rules.horizon)
    facts = [share("Buy a second time", estimate(row, "probability"), f"New customers who do so within {within}.")]
    if math.isfinite(float(row["waiting_time"])):
        meaning = "On average, of those who buy a second time within that time."
        facts.append(times("Time to the second purchase", estimate(row, "waiting_time"), purchases.unit, meaning))
    return tuple(facts)
