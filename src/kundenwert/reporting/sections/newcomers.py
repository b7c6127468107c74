"""What a new customer is worth, and when it is paid back what winning them has cost."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from kundenwert import plot
from kundenwert.economics.newcomers.value import AVERAGE, SINGLE
from kundenwert.language import mark
from kundenwert.reporting.blocks import Block, Facts, Section
from kundenwert.reporting.facts import Fact, money, share, times
from kundenwert.reporting.pictures import picture
from kundenwert.reporting.sections.channels import by_channel
from kundenwert.reporting.sections.payback import limit, paid_back
from kundenwert.reporting.words import amount, estimate, percent, row_of
from kundenwert.scalars import is_number

if TYPE_CHECKING:
    import pandas as pd

    from kundenwert.economics import NewCustomerValue
    from kundenwert.reporting.blocks import Picture
    from kundenwert.reporting.findings import Findings

__all__ = ["newcomers"]


def newcomers(found: Findings) -> Section:
    """Value at acquisition, payback, second purchase."""
    say, new = found.language.say, found.new
    title, again = say(mark("New customers")), _second_purchase(found)
    if new is None:
        left_out = say(mark("What a new customer is worth is left out: {reason}."), reason=say(found.why_not["new"]))
        return Section(key="newcomers", title=title, lead=(left_out,), blocks=(Facts(of=again),))
    caution = say(
        mark(
            "New customers are taken to be like those of the past. Who comes by another channel, a discount or an "
            "advert is usually not. If they would have come anyway, the first purchase does not count. How much "
            "customers spend is taken to have nothing to do with how often they buy."
        )
    )
    if len(new.table) > 1:
        lead, blocks = by_channel(found, new)
        blocks.append(Facts(title=say(mark("All channels together")), of=again))
    else:
        lead, blocks = _of_all(found, new, again)
    return Section(key="newcomers", title=title, lead=tuple(lead), blocks=tuple(blocks), caution=caution)


def _of_all(found: Findings, new: NewCustomerValue, again: tuple[Fact, ...]) -> tuple[list[str], list[Block]]:
    """If new customers are all of a kind."""
    row = new.table.iloc[0]
    blocks: list[Block] = []
    facts = _worth(found, row)
    if row["acquisition_cost"] > 0:
        blocks.append(_picture(found, new))
        facts += _after_cost(found, new, row)
    blocks.append(Facts(of=(*facts, *again)))
    return _lead(found, new, row), blocks


def _lead(found: Findings, new: NewCustomerValue, row: pd.Series) -> list[str]:
    language, say, currency = found.language, found.language.say, found.asked.economics.currency
    worth = float(row["highest_acquisition_cost"])
    values = {"amount": amount(worth, currency, language), "when": language.first(found.asked.horizon)}
    one_cost = is_number(found.asked.economics.acquisition_cost)
    if worth <= 0:
        text = mark(
            "A new customer is worth {amount} {when}, the first purchase included: less than nothing, even if winning "
            "one cost nothing."
        )
    elif one_cost:
        text = mark(
            "A new customer is worth {amount} {when}, the first purchase included. Winning one may cost no more than "
            "that."
        )
    else:
        text = mark("The average new customer is worth {amount} {when}, the first purchase included.")
    lead = [say(text, **values)]
    if float(row["acquisition_cost"]) > 0 and SINGLE not in new.payback.index:
        lead.append(
            say(mark("How many single customers pay back is left out: {reason}."), reason=say(found.why_not["single"]))
        )
    if not one_cost:
        text = mark(
            "What winning a customer costs is not the same for all, and what they are worth may not be either: this "
            "average says nothing about what a single one may cost."
        )
        lead.append(say(text))
    return lead


def _worth(found: Findings, row: pd.Series) -> list[Fact]:
    say, currency = found.language.say, found.asked.economics.currency
    meaning = (
        mark("What they will bring, the first purchase included; winning them may cost so much at most.")
        if is_number(found.asked.economics.acquisition_cost)
        else mark("What they will bring on average, the first purchase included.")
    )
    facts = [
        money(say(mark("Value when they come")), estimate(row, "highest_acquisition_cost"), currency, say(meaning)),
        money(
            say(mark("Brought by the first purchase")),
            estimate(row, "first_purchase"),
            currency,
            say(mark("Its margin.")),
        ),
        money(
            say(mark("Brought by later purchases")),
            estimate(row, "repeat_purchases"),
            currency,
            say(mark("Their margins, expected.")),
        ),
    ]
    costs = (
        ("order_cost", mark("Costs of their orders"), mark("Taken off.")),
        ("retention_cost", mark("Costs of serving them"), mark("Taken off.")),
        ("referral", mark("Brought by referrals"), mark("Added: customers whom they bring.")),
    )
    facts += [
        money(say(item), estimate(row, name), currency, say(of)) for name, item, of in costs if float(row[name]) != 0
    ]
    return facts


def _after_cost(found: Findings, new: NewCustomerValue, row: pd.Series) -> list[Fact]:
    say, currency = found.language.say, found.asked.economics.currency
    facts = [
        money(
            say(mark("What is left after winning them")),
            estimate(row),
            currency,
            say(mark("The value when they come, less what winning them costs.")),
        ),
        share(
            say(mark("Winning them pays")),
            float(row["probability_it_pays"]),
            say(mark("How sure it is that the average new customer is worth what they cost.")),
        ),
        paid_back(found, new, row_of(new.payback, AVERAGE)),
    ]
    if SINGLE in new.payback.index:
        meaning = say(
            mark(
                "Share of new customers whose own purchases bring back what they cost within {length}; the others are "
                "carried by these."
            ),
            length=limit(found),
        )
        single = float(new.payback["within_limit"][SINGLE])
        facts.append(share(say(mark("Single customers who pay back")), single, meaning))
    return facts


def _picture(found: Findings, new: NewCustomerValue) -> Picture:
    language, say, currency = found.language, found.language.say, found.asked.economics.currency
    caption = say(
        mark("What the average new customer has brought by when, first purchase included, after costs and discounted.")
    )
    if SINGLE in new.payback.index:
        singles = say(
            mark("Of single customers, {share} bring back what they cost within {length}."),
            share=percent(float(new.payback["within_limit"][SINGLE]), language),
            length=limit(found),
        )
        caption = f"{caption} {singles}"
    return picture(
        "payback",
        lambda ax: plot.payback(new, currency=currency, language=language.code, ax=ax),
        alt=say(
            mark("Expected contribution of a new customer over time, and the acquisition cost of {amount}."),
            amount=amount(float(new.table["acquisition_cost"].iloc[0]), currency, language),
        ),
        caption=caption,
    )


def _second_purchase(found: Findings) -> tuple[Fact, ...]:
    language, say = found.language, found.language.say
    row, purchases = found.second.iloc[0], found.asked.purchases
    facts = [
        share(
            say(mark("Buy a second time")),
            estimate(row, "probability"),
            say(mark("New customers who do so within {length}."), length=language.within(found.asked.rules.horizon)),
        )
    ]
    if math.isfinite(float(row["waiting_time"])):
        meaning = say(mark("On average, of those who buy a second time within that time."))
        facts.append(
            times(say(mark("Time to the second purchase")), estimate(row, "waiting_time"), purchases.unit, meaning)
        )
    return tuple(facts)
