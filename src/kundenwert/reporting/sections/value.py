"""What the base is worth, what it has brought, and who holds the value."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

from kundenwert import plot
from kundenwert.economics.base.groups import EVERYBODY
from kundenwert.posterior.summary import Estimate
from kundenwert.reporting.blocks import Block, Column, Facts, Grid, Row, Section
from kundenwert.reporting.facts import count, money, share
from kundenwert.reporting.pictures import picture
from kundenwert.reporting.words import ahead, amount, estimate, in_percent, number_of, percent, row_of

if TYPE_CHECKING:
    from kundenwert.reporting.facts import Fact
    from kundenwert.reporting.findings import Findings

__all__ = ["concentration", "contribution", "realised_total", "value"]

PARTS = (
    ("margin", "Margins", "What is left of the amounts when the goods are paid for."),
    ("order_cost", "Costs of orders", "Taken off: what the purchases to come will cost besides."),
    ("retention_cost", "Costs of serving", "Taken off: what it costs to keep up the relationships."),
    ("referral", "Referrals", "Added: customers whom customers bring."),
)


def realised_total(found: Findings) -> Estimate:
    """Where the total will really end up: the uncertainty of the parameters, and the customers' chance."""
    total = found.equity.total.mean
    variance = float((found.realised["sd"] ** 2).sum()) + float(found.equity.draws[EVERYBODY].var(ddof=0))
    half = float(ndtri((1 + found.asked.interval) / 2)) * math.sqrt(variance)
    return Estimate(total, total - half, total + half)


def value(found: Findings) -> Section:
    """Customer equity."""
    asked, equity = found.asked, found.equity
    currency, everybody = asked.economics.currency, row_of(equity.table, EVERYBODY)
    total, really = equity.total, realised_total(found)
    typical = found.expected["mean"].argsort(kind="stable").iloc[len(found.expected) // 2]
    mean, of_typical = found.expected.iloc[typical], found.realised.iloc[typical]
    facts = [
        money("Expected value of all customers", total, currency, "The interval says how well this is known."),
        money(
            "What will really come",
            really,
            currency,
            "The same, but the range also holds what chance makes of it: who buys, when and for how much.",
        ),
        money("Value per customer", estimate(everybody, "npv_per_customer"), currency, "The average over all of them."),
        money(
            "Expected value of a typical customer",
            estimate(mean),
            currency,
            "Half of the customers are worth more, half less.",
        ),
        money(
            "What a typical customer will really bring",
            estimate(of_typical),
            currency,
            "For a single customer chance is nearly everything: look how much wider this range is.",
        ),
        share(
            "Will bring something",
            float(found.realised["p_positive"].mean()),
            "Share of the customers who will turn out to bring more than they cost; we do not know which.",
        ),
    ]
    parts = [
        money(title, estimate(everybody, name), currency, meaning)
        for name, title, meaning in PARTS
        if everybody[name] != 0
    ]
    if everybody["unprofitable"]:
        meaning = "Customers who are expected to cost more than they bring; with negative value, part of the total."
        facts.append(count("Not worth their cost", float(everybody["unprofitable"]), "customers", meaning))
    if equity.draws_left_out:
        meaning = "States of the world in which amounts have no finite mean; no total is made of them."
        facts.append(count("Draws left out", equity.draws_left_out, "draws", meaning))
    lead = (
        (
            f"{ahead(asked.horizon).capitalize()}, these customers are expected to {_balance(total.mean, currency)}, "
            f"in money of today. With a probability of {in_percent(equity.interval)} their expected value lies between "
            f"{amount(total.lower, currency)} and {amount(total.upper, currency)}."
        ),
        (
            f"What really comes is less certain than what is expected: about {amount(really.lower, currency)} to "
            f"{amount(really.upper, currency)}, because customers throw their own dice."
        ),
    )
    drawn = picture(
        "rank",
        lambda ax: plot.value_by_rank(found.expected, currency=currency, ax=ax),
        alt=f"Expected value of each customer by rank, falling from {amount(found.expected['mean'].max(), currency)} "
        "for "
        f"the first to {amount(found.expected['mean'].median(), currency)} in the middle.",
        caption="Customers from the most to the least valuable, ranks on a logarithmic scale. The band is the interval "
        "of the expected value.",
    )
    blocks: list[Block] = [drawn, Facts(of=tuple(facts))]
    if len(parts) > 1:
        blocks.append(Facts(title="Where the value comes from", of=tuple(parts)))
    caution = (
        "This is what customers bring if they go on as before: no crisis, no new competitor, no better or worse "
        "service. Such things hit many customers at once and are not in the ranges. What it cost to win these "
        "customers "
        "is spent and not taken off."
    )
    return Section(key="value", title="What the base is worth", lead=lead, blocks=tuple(blocks), caution=caution)


def _balance(value: float, currency: str) -> str:
    if value < 0:
        return f"cost {amount(-value, currency)} more than they bring"
    return f"bring {amount(value, currency)} more than they cost"


def contribution(found: Findings) -> Section:
    """What customers have brought so far."""
    title, currency = "What customers have brought so far", found.asked.economics.currency
    table = found.contribution
    if table is None:
        lead = ("Not known here: this takes a log of purchases with their amounts.",)
        return Section(key="contribution", title=title, lead=lead)
    sums, everybody = table.sum(), row_of(found.equity.table, EVERYBODY)
    facts: list[Fact] = [
        money("Revenue", float(sums["revenue"]), currency, "All amounts, as they were paid."),
        money("Margins", float(sums["margin"]), currency, "What was left of them, in money of today."),
    ]
    if sums["order_cost"]:
        facts.append(money("Costs of orders", float(sums["order_cost"]), currency, "Taken off, in money of today."))
    if sums["acquisition_cost"]:
        meaning = "Taken off: what it cost to win these customers, in money of today."
        facts.append(money("Costs of winning them", float(sums["acquisition_cost"]), currency, meaning))
    paid = float((table["contribution"] > 0).mean())
    facts += [
        money("Contribution to date", float(sums["contribution"]), currency, "Margins less these costs."),
        share("Have paid for themselves", paid, "Customers whose margins have covered all costs so far."),
        money(
            "Contribution and value to come",
            estimate(everybody, "contribution_and_npv"),
            currency,
            "What these customers will have brought, all in all.",
        ),
    ]
    lead = (
        (
            f"So far, {amount(float(sums['contribution']), currency)} are left of the margins after costs. Together "
            "with "
            "what is still expected, these customers will have brought "
            f"{amount(number_of(everybody, 'contribution_and_npv'), currency)}."
        ),
    )
    caution = (
        "Today’s margins and costs are applied to the past, and money of the past is put into money of today, so this "
        "is not the result in your books. What was spent to keep customers is not in the log and not taken off. Who "
        "came last month has had no time to pay back."
    )
    return Section(key="contribution", title=title, lead=lead, blocks=(Facts(of=tuple(facts)),), caution=caution)


def concentration(found: Findings) -> Section:
    """Who holds the value."""
    equity, currency = found.equity, found.asked.economics.currency
    title, table = "Who holds the value", equity.concentration
    if not (found.expected["mean"] > 0).any() or table["share"].isna().any():
        lead = ("There is no value to be shared: nobody is sure to bring more than they cost.",)
        return Section(key="concentration", title=title, lead=lead)
    rows = tuple(
        Row(
            f"The best {in_percent(float(top))}",
            (
                count("", float(row["customers"]), "customers"),
                money("", estimate(row, "npv"), currency),
                share("", estimate(row, "share")),
            ),
        )
        for top, row in zip(table.index.tolist(), (table.iloc[place] for place in range(len(table))), strict=True)
    )
    grid = Grid(
        title="Value held by the best customers",
        corner="Customers",
        columns=(
            Column("customers", "How many these are."),
            Column("value", "What they are expected to bring, all together."),
            Column("share", "Their share of the value of all who bring more than they cost."),
        ),
        rows=rows,
    )
    best = float(table["share"].iloc[-1])
    half = _share_with_half(found)
    drawn = picture(
        "lorenz",
        lambda ax: plot.lorenz(found.expected, equity=equity, ax=ax),
        alt=f"Lorenz curve: the best {in_percent(float(table.index[-1]))} of the customers hold {percent(best)} of "
        "the value.",
        caption="Lorenz curve: how much of the value is held by how many of the customers. The farther it is from the "
        "dotted line, the fewer customers it hangs on.",
    )
    lead = (
        (
            f"The best {in_percent(float(table.index[-1]))} of the customers hold {percent(best)} of the value to "
            "come; half "
            f"of it hangs on {percent(half)} of them."
        ),
    )
    caution = (
        "Customers are ranked by what is expected of them. What will have come in the end is more concentrated still, "
        "but nobody can know today on whom."
    )
    return Section(key="concentration", title=title, lead=lead, blocks=(drawn, grid), caution=caution)


def _share_with_half(found: Findings) -> float:
    """The smallest share of customers who hold half of the positive value."""
    mean = np.sort(found.expected["mean"].to_numpy())[::-1].clip(min=0)
    held = np.cumsum(mean)
    return float((np.searchsorted(held, held[-1] / 2) + 1) / len(mean))
