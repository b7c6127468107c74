"""What the base is worth, and what it has brought."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kundenwert import plot
from kundenwert.economics.base.groups import EVERYBODY
from kundenwert.language import mark
from kundenwert.posterior.summary import Estimate
from kundenwert.reporting.blocks import Block, Facts, Section
from kundenwert.reporting.facts import count, money, share
from kundenwert.reporting.pictures import picture
from kundenwert.reporting.words import amount, estimate, number_of, percent, row_of, sentence

if TYPE_CHECKING:
    from kundenwert.reporting.facts import Fact
    from kundenwert.reporting.findings import Findings

__all__ = ["contribution", "value"]

PARTS: Final = (
    ("margin", mark("Margins"), mark("What is left of the amounts when the goods are paid for.")),
    ("order_cost", mark("Costs of orders"), mark("Taken off: what the purchases to come will cost besides.")),
    ("retention_cost", mark("Costs of serving"), mark("Taken off: what it costs to keep up the relationships.")),
    ("referral", mark("Referrals"), mark("Added: customers whom customers bring.")),
)

COMES_ALONE: Final = mark(
    "What really comes is less certain than what is expected: most probably between {lower} and {upper}, because "
    "chance has its part in what every customer does."
)


def value(found: Findings) -> Section:
    """Customer equity."""
    language, say, equity = found.language, found.language.say, found.equity
    currency, everybody = found.asked.economics.currency, row_of(equity.table, EVERYBODY)
    facts = [*_of_all(found), *_of_one(found)]
    if everybody["unprofitable"]:
        meaning = say(
            mark("Customers who are expected to cost more than they bring; with negative value, part of the total.")
        )
        facts.append(count(say(mark("Not worth their cost")), float(everybody["unprofitable"]), "customers", meaning))
    parts = [
        money(say(title), estimate(everybody, name), currency, say(meaning))
        for name, title, meaning in PARTS
        if everybody[name] != 0
    ]
    best, middle = (amount(float(number), currency, language) for number in _best_and_middle(found))
    drawn = picture(
        "rank",
        lambda ax: plot.value_by_rank(found.expected, currency=currency, language=language.code, ax=ax),
        alt=say(
            mark(
                "Expected value of each customer by rank, falling from {best} for the first to {middle} in the middle."
            ),
            best=best,
            middle=middle,
        ),
        caption=say(
            mark(
                "Customers from the most to the least valuable, ranks on a logarithmic scale. The band is the interval "
                "of the expected value."
            )
        ),
    )
    blocks: list[Block] = [drawn, Facts(of=tuple(facts))]
    if len(parts) > 1:
        blocks.append(Facts(title=say(mark("Where the value comes from")), of=tuple(parts)))
    caution = say(
        mark(
            "This is what customers bring if they go on as before: no crisis, no new competitor, no better or worse "
            "service. Such things hit many customers at once and are not in the ranges. What it cost to win these "
            "customers is spent and not taken off."
        )
    )
    return Section(
        key="value", title=say(mark("What the base is worth")), lead=_lead(found), blocks=tuple(blocks), caution=caution
    )


def _best_and_middle(found: Findings) -> tuple[float, float]:
    return float(found.expected["mean"].max()), float(found.expected["mean"].median())


def _lead(found: Findings) -> tuple[str, ...]:
    language, say, currency = found.language, found.language.say, found.asked.economics.currency
    total, really = found.equity.total, found.total_range
    balance = (
        mark("{when}, these customers are expected to cost {amount} more than they bring, discounted to today.")
        if total.mean < 0
        else mark("{when}, these customers are expected to bring {amount} more than they cost, discounted to today.")
    )
    known = mark("With a probability of {interval} their expected value lies between {lower} and {upper}.")
    comes = mark(
        "What really comes is less certain than what is expected: with the same probability between {lower} and "
        "{upper}, because chance has its part in what every customer does."
    )
    ends = [{end: amount(getattr(of, end), currency, language) for end in ("lower", "upper")} for of in (total, really)]
    expected = say(
        balance,
        when=sentence(language.next(found.asked.horizon)),
        amount=amount(abs(total.mean), currency, language),
    )
    if total.lower == total.upper:
        return expected, say(COMES_ALONE, **ends[1])
    return (
        f"{expected} {say(known, interval=language.percent(found.equity.interval), **ends[0])}",
        say(comes, **ends[1]),
    )


def _of_all(found: Findings) -> list[Fact]:
    """The base as a whole: its mean stands once, with both of its ranges."""
    say, total, really = found.language.say, found.equity.total, found.total_range
    currency, everybody = found.asked.economics.currency, row_of(found.equity.table, EVERYBODY)
    return [
        money(
            say(mark("Expected value of all customers")),
            total,
            currency,
            say(mark("The range says how well this is known.")),
        ),
        money(
            say(mark("What will really come")),
            Estimate(total.mean, really.lower, really.upper),
            currency,
            say(
                mark("The same, but the range also holds what chance makes of it: who buys, when and for how much."),
            ),
        ),
        money(
            say(mark("Value per customer")),
            estimate(everybody, "npv_per_customer"),
            currency,
            say(mark("The average over all of them.")),
        ),
        share(
            say(mark("Will bring something")),
            float(found.realised["p_positive"].mean()),
            say(mark("Share of the customers who will turn out to bring more than they cost; we do not know which.")),
        ),
    ]


def _of_one(found: Findings) -> list[Fact]:
    """A customer in the middle: the expected value stands once more where chance is added, and nowhere else."""
    language, say, currency = found.language, found.language.say, found.asked.economics.currency
    place = found.expected["mean"].argsort(kind="stable").iloc[len(found.expected) // 2]
    mean, chance = found.expected.iloc[place], found.realised.iloc[place]
    expected = estimate(mean)
    really = Estimate(expected.mean, number_of(chance, "lower"), number_of(chance, "upper"))
    meaning = say(
        mark(
            "The same, but the range also holds chance, which is nearly everything for a single customer. With a "
            "probability of {share} such a customer brings more than they cost."
        ),
        share=percent(number_of(chance, "p_positive"), language),
    )
    if not really.lower <= really.mean <= really.upper:
        outside = mark("The average lies outside the range: most such customers bring next to nothing, a few much.")
        meaning = f"{meaning} {say(outside)}"
    return [
        money(
            say(mark("Expected value of a typical customer")),
            expected,
            currency,
            say(mark("Half of the customers are worth more, half less.")),
        ),
        money(say(mark("What a typical customer will really bring")), really, currency, meaning),
    ]


def contribution(found: Findings) -> Section:
    """What customers have brought so far."""
    language, say = found.language, found.language.say
    title, currency, table = (
        say(mark("What customers have brought so far")),
        found.asked.economics.currency,
        found.contribution,
    )
    if table is None:
        lead = say(mark("Not known here: this takes a log of purchases with their amounts."))
        return Section(key="contribution", title=title, lead=(lead,))
    sums, everybody = table.sum(), row_of(found.equity.table, EVERYBODY)
    facts: list[Fact] = [
        money(say(mark("Revenue")), float(sums["revenue"]), currency, say(mark("All amounts, as they were paid."))),
        money(
            say(mark("Margins")),
            float(sums["margin"]),
            currency,
            say(mark("What was left of them, with interest until the end of the observation.")),
        ),
    ]
    costs = (
        ("order_cost", mark("Costs of orders"), mark("Taken off, with interest.")),
        ("acquisition_cost", mark("Costs of winning them"), mark("Taken off: what it cost to win these customers.")),
    )
    facts += [
        money(say(item), float(sums[name]), currency, say(meaning)) for name, item, meaning in costs if sums[name]
    ]
    facts += [
        money(
            say(mark("Contribution to date")),
            float(sums["contribution"]),
            currency,
            say(mark("Margins less these costs.")),
        ),
        share(
            say(mark("Have paid for themselves")),
            float((table["contribution"] > 0).mean()),
            say(mark("Customers whose margins have covered all costs so far.")),
        ),
        money(
            say(mark("Contribution and value to come")),
            estimate(everybody, "contribution_and_npv"),
            currency,
            say(mark("What these customers will have brought, all in all.")),
        ),
    ]
    so_far = float(sums["contribution"])
    left = (
        mark(
            "So far, {amount} are left of the margins after costs. Together with what is still expected, these "
            "customers will have brought {all}."
        )
        if so_far >= 0
        else mark(
            "So far, costs are {amount} higher than the margins. Together with what is still expected, these "
            "customers will have brought {all}."
        )
    )
    lead = say(
        left,
        amount=amount(abs(so_far), currency, language),
        all=amount(number_of(everybody, "contribution_and_npv"), currency, language),
    )
    caution = say(
        mark(
            "Today’s margins and costs are applied to the past, and money of the past is put into money of today, so "
            "this is not the result in your books. What was spent to keep customers is not in the log and not taken "
            "off. Who came last month has had no time to pay back."
        )
    )
    return Section(key="contribution", title=title, lead=(lead,), blocks=(Facts(of=tuple(facts)),), caution=caution)
