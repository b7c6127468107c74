"""What was assumed about money."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from kundenwert.language import mark
from kundenwert.reporting.blocks import Facts, Section
from kundenwert.reporting.facts import Fact, Measure, money, number
from kundenwert.reporting.words import convention, rule, term

if TYPE_CHECKING:
    from kundenwert.reporting.findings import Findings

__all__ = ["assumptions"]


def assumptions(found: Findings) -> Section:
    """What was assumed about money."""
    language, say, asked = found.language, found.language.say, found.asked
    length = say(mark("for life")) if asked.horizon.is_lifetime else language.length(asked.horizon)
    facts = [
        Fact(
            item=say(mark("How far ahead")),
            text=length,
            meaning=say(mark("Purchases after that count for nothing here.")),
        )
        if not asked.horizon.is_lifetime
        else Fact(
            item=say(mark("How far ahead")), text=length, meaning=say(mark("Purchases count as long as they come."))
        ),
        term(
            say(mark("Margin")),
            asked.economics.margin,
            Measure.SHARE,
            meaning=say(mark("What is left of an amount when the goods are paid.")),
            language=language,
        ),
        term(
            say(mark("Discount rate")),
            asked.economics.annual_discount_rate,
            Measure.SHARE,
            meaning=say(mark("What money would earn in a year elsewhere; the later it comes, the less it counts.")),
            language=language,
        ),
        *_service(found),
        *_winning(found),
    ]
    lead = (
        say(
            mark(
                "All values are net present values: what customers are expected to bring, less what they cost, "
                "discounted to the end of the observation. Ranges are {interval} intervals: they say how well an "
                "average is known, and not how far a single customer may end up from it."
            ),
            interval=language.percent(asked.interval),
        ),
    )
    caution = say(
        mark("Another margin or discount rate moves every value on this page, usually by more than its interval.")
    )
    return Section(
        key="assumptions",
        title=say(mark("What was assumed")),
        lead=lead,
        blocks=(Facts(of=tuple(facts)),),
        caution=caution,
    )


def _service(found: Findings) -> list[Fact]:
    """When money counts, and what orders and service cost."""
    language, say, economics = found.language, found.language.say, found.asked.economics
    facts = []
    if when := convention(economics.discounting, language):
        meaning = say(mark("As if all money of such a period flowed at that moment."))
        facts.append(Fact(item=say(mark("Money counts")), text=when, meaning=meaning))
    costs = (
        (mark("Cost of an order"), economics.order_cost, mark("Paid for each purchase, whatever its amount.")),
        (
            mark("Cost of serving a customer"),
            economics.annual_retention_cost,
            mark("A year, whether they buy or not."),
        ),
    )
    facts += [
        term(say(item), cost, Measure.MONEY, meaning=say(meaning), language=language, unit=economics.currency)
        for item, cost, meaning in costs
        if cost != 0
    ]
    if economics.retention_rule is not None and economics.annual_retention_cost != 0:
        text = rule(economics.retention_rule, language)
        facts.append(
            Fact(item=say(mark("Whom the firm serves")), text=text, meaning=say(mark("And pays for, by this rule.")))
        )
    return facts


def _winning(found: Findings) -> list[Fact]:
    """What it costs to win customers, and what referrals bring."""
    language, say, economics = found.language, found.language.say, found.asked.economics
    currency, cost = economics.currency, economics.acquisition_cost
    facts = []
    meaning = say(mark("Spent to win a customer, before the first purchase."))
    if isinstance(cost, Mapping):
        facts += [
            money(say(mark("Cost of winning a customer, {channel}"), channel=channel), each, currency, meaning)
            for channel, each in cost.items()
        ]
    elif cost != 0:
        facts.append(
            term(
                say(mark("Cost of winning a customer")),
                cost,
                Measure.MONEY,
                meaning=meaning,
                language=language,
                unit=currency,
            ),
        )
    if economics.referral is not None:
        facts += [
            number(
                say(mark("New customers brought by a purchase")),
                float(economics.referral.per_purchase),
                say(mark("On average; they would not have come otherwise.")),
            ),
            money(
                say(mark("Value of such a customer")),
                float(economics.referral.value),
                currency,
                say(mark("When they come.")),
            ),
        ]
    return facts
