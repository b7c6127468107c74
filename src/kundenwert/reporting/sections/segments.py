"""Customers divided by what they have brought and will bring, or by groups of the firm's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kundenwert import plot
from kundenwert.economics.base.groups import EVERYBODY
from kundenwert.economics.base.segments import SEGMENTS
from kundenwert.language import mark
from kundenwert.reporting.blocks import Column, Facts, Grid, Notes, Row, Section
from kundenwert.reporting.facts import Fact, count, money, share
from kundenwert.reporting.pictures import picture
from kundenwert.reporting.words import amount, estimate, listed

if TYPE_CHECKING:
    import pandas as pd

    from kundenwert.reporting.findings import Findings

__all__ = ["groups", "segments"]

MEANING: Final = {
    "top performer": mark("Top performers have brought much and will: keep them."),
    "high potential": mark("High potentials have not brought much yet, but will: develop them."),
    "fading": mark("Fading customers have brought much and will no longer: find out why."),
    "low value": mark("Low value: neither. Spend little on each of them."),
}
COSTS: Final = (
    ("order_cost", mark("costs of orders"), mark("Taken off: what the orders to come will cost.")),
    ("retention_cost", mark("costs of serving"), mark("Taken off: what it costs to keep up the relationships.")),
    ("referral", mark("referrals"), mark("Added: customers whom they bring.")),
)


def segments(found: Findings) -> Section:
    """Segments with what they bring and cost."""
    language, say = found.language, found.language.say
    title, segmentation = say(mark("Segments")), found.segmentation
    if segmentation is None:
        lead = say(mark("Left out: segments go by what customers have contributed, which takes a log with amounts."))
        return Section(key="segments", title=title, lead=(lead,))
    currency, table = found.asked.economics.currency, segmentation.summary
    from_ = {
        "brought": amount(segmentation.contribution_from, currency, language),
        "value": amount(segmentation.value_from, currency, language),
    }
    lead = say(
        mark("Much brought so far means {brought} or more; a high value to come means {value} or more."), **from_
    )
    if float(table["npv"].max()) > 0:
        largest = str(table["npv"].idxmax())
        members = language.several(
            "The largest part of the value to come lies with “{segment}”: {number} customer, with {each}.",
            "The largest part of the value to come lies with “{segment}”: {number} customers, with {each} each on "
            "average.",
            int(table["customers"][largest]),
            segment=say(largest),
            each=amount(float(table["npv"][largest]) / int(table["customers"][largest]), currency, language),
        )
        lead = f"{lead} {members}"
    sizes = [f"{say(str(name))} {language.decimal(int(size), 0)}" for name, size in table["customers"].items()]
    drawn = picture(
        "map",
        lambda ax: plot.segment_map(segmentation, language=language.code, ax=ax),
        alt=say(
            mark("Map of all customers by contribution to date and expected value, in four segments: {sizes}."),
            sizes=listed(sizes),
        ),
        caption=say(mark("Each dot is a customer; lines are the thresholds. Scales are logarithmic away from zero.")),
    )
    caution = say(
        mark(
            "A label is the most probable of four; many customers could as well belong to another. Who is above a "
            "threshold by a cent is no other customer than who is below by a cent. A segment says who, not what to do: "
            "whether an offer changes anything, only a test with a control group can tell."
        )
    )
    thresholds = Facts(
        of=(
            money(
                say(mark("Much brought, from")),
                segmentation.contribution_from,
                currency,
                say(mark("A contribution to date of that.")),
            ),
            money(
                say(mark("High value, from")), segmentation.value_from, currency, say(mark("A value to come of that."))
            ),
        )
    )
    notes = Notes(of=tuple(say(MEANING[name]) for name in SEGMENTS))
    return Section(
        key="segments",
        title=title,
        lead=(lead,),
        blocks=(notes, drawn, _table(found, table), thresholds),
        caution=caution,
    )


def _table(found: Findings, table: pd.DataFrame) -> Grid:
    say, currency = found.language.say, found.asked.economics.currency
    costs = [(name, Column(say(title), say(meaning))) for name, title, meaning in COSTS if table[name].any()]
    columns = (
        Column(say(mark("customers")), say(mark("Customers who most probably belong to it."))),
        Column(
            say(mark("expected")),
            say(mark("How many will turn out to belong to it: the sum of all customers’ probabilities.")),
        ),
        Column(say(mark("brought so far")), say(mark("Their contribution to date."))),
        Column(say(mark("value to come")), say(mark("What they are expected to bring."))),
        Column(say(mark("margins")), say(mark("The margins in it."))),
        *(column for _, column in costs),
    )
    rows = tuple(
        Row(
            say(name),
            (
                count("", float(row["customers"]), "customers"),
                count("", float(row["expected_customers"]), "customers"),
                money("", float(row["contribution"]), currency),
                money("", estimate(row, "npv"), currency),
                money("", float(row["margin"]), currency),
                *(money("", float(row[cost]), currency) for cost, _ in costs),
            ),
        )
        for name, row in _rows(table)
    )
    return Grid(title=say(mark("Segments")), corner=say(mark("Segment")), columns=columns, rows=rows)


def groups(found: Findings) -> Section | None:
    """Groups of the firm's own."""
    if found.asked.by is None:
        return None
    say = found.language.say
    currency, table = found.asked.economics.currency, found.equity.table
    has_contribution = "contribution" in table.columns

    def facts(row: pd.Series) -> tuple[Fact, ...]:
        shown = [
            count("", float(row["customers"]), "customers"),
            money("", estimate(row, "npv"), currency),
            money("", estimate(row, "npv_per_customer"), currency),
            share("", estimate(row, "share")),
        ]
        if has_contribution:
            shown.append(money("", float(row["contribution"]), currency))
        return tuple(shown)

    columns = [
        Column(say(mark("customers")), say(mark("How many there are."))),
        Column(say(mark("value")), say(mark("What they are expected to bring, all together."))),
        Column(say(mark("per customer")), say(mark("The same for each of them."))),
        Column(say(mark("share")), say(mark("Their share of the value of all."))),
    ]
    if has_contribution:
        columns.append(Column(say(mark("brought so far")), say(mark("Their contribution to date."))))
    rows = tuple(
        Row(say(mark("all")), facts(row)) if name == EVERYBODY else Row(name, facts(row), is_name=True)
        for name, row in _rows(table)
    )
    kind = {"group": mark("group"), "cohort": mark("cohort"), "channel": mark("channel")}.get(str(table.index.name))
    name = str(table.index.name) if kind is None else say(kind)
    return Section(
        key="groups",
        title=say(mark("By {kind}"), kind=name),
        lead=(say(mark("The same value, divided by {kind}. Groups add up to all customers."), kind=name),),
        blocks=(Grid(title=say(mark("Value by {kind}"), kind=name), corner=name, columns=tuple(columns), rows=rows),),
        caution=say(
            mark(
                "Ranges of groups may overlap although it is certain which is worth more: they share what is "
                "uncertain. One model was fitted for all; groups whose customers buy and leave in ways of their own "
                "are taken to be more alike than they are."
            )
        ),
    )


def _rows(table: pd.DataFrame) -> list[tuple[str, pd.Series]]:
    """Rows of a table with their labels."""
    return [(str(label), table.iloc[place]) for place, label in enumerate(table.index)]
