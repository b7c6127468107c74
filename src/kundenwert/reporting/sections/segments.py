"""Customers divided by what they have brought and will bring, or by groups of the firm's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kundenwert import plot
from kundenwert.economics.base.groups import EVERYBODY
from kundenwert.economics.base.segments import SEGMENTS
from kundenwert.reporting.blocks import Column, Facts, Grid, Notes, Row, Section
from kundenwert.reporting.facts import Fact, count, money, share
from kundenwert.reporting.pictures import picture
from kundenwert.reporting.words import amount, estimate

if TYPE_CHECKING:
    import pandas as pd

    from kundenwert.reporting.findings import Findings

__all__ = ["groups", "segments"]

MEANING: Final = {
    "top performer": "Top performers have brought much and will: keep them.",
    "high potential": "High potentials have not brought much yet, but will: develop them.",
    "fading": "Fading customers have brought much and will no longer: find out why.",
    "low value": "Low value: neither. Spend little on them.",
}
COSTS: Final = (
    ("order_cost", Column("costs of orders", "Taken off: what the orders to come will cost.")),
    ("retention_cost", Column("costs of serving", "Taken off: what it costs to keep up the relationships.")),
    ("referral", Column("referrals", "Added: customers whom they bring.")),
)


def segments(found: Findings) -> Section:
    """Segments with what they bring and cost."""
    title, segmentation = "Segments", found.segmentation
    if segmentation is None:
        lead = ("Left out: segments go by what customers have contributed, which takes a log with amounts.",)
        return Section(key="segments", title=title, lead=lead)
    currency, table = found.asked.economics.currency, segmentation.summary
    costs = [(name, column) for name, column in COSTS if table[name].any()]
    columns = (
        Column("customers", "Customers who most probably belong to it."),
        Column("expected", "How many will turn out to belong to it: the sum of all customers’ probabilities."),
        Column("brought so far", "Their contribution to date."),
        Column("value to come", "What they are expected to bring."),
        Column("margins", "The margins in it."),
        *(column for _, column in costs),
    )
    rows = tuple(
        Row(
            name,
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
    largest = str(table["npv"].idxmax())
    lead = (
        (
            f"Much brought so far means {amount(segmentation.contribution_from, currency)} or more; a high value to "
            "come "
            f"means {amount(segmentation.value_from, currency)} or more. The largest part of the value to come lies "
            f"with “{largest}”: "
            f"{int(table['customers'][largest]):,} customers."
        ),
    )
    drawn = picture(
        "map",
        lambda ax: plot.segment_map(segmentation, ax=ax),
        alt="Map of all customers by contribution to date and expected value, in four segments: "
        + ", ".join(f"{name} {int(number):,}" for name, number in table["customers"].items())
        + ".",
        caption="Each dot is a customer; lines are the thresholds. Scales are logarithmic away from zero.",
    )
    thresholds = Facts(
        of=(
            money("Much brought, from", segmentation.contribution_from, currency, "A contribution to date of that."),
            money("High value, from", segmentation.value_from, currency, "A value to come of that."),
        )
    )
    caution = (
        "A label is the most probable of four; many customers could as well belong to another. Who is above a "
        "threshold by a cent is no other customer than who is below by a cent. A segment says who, not what to do: "
        "whether an offer changes anything, only a test with a control group can tell."
    )
    notes = Notes(of=tuple(MEANING[name] for name in SEGMENTS))
    return Section(
        key="segments",
        title=title,
        lead=lead,
        blocks=(notes, drawn, Grid(title="Segments", corner="Segment", columns=columns, rows=rows), thresholds),
        caution=caution,
    )


def groups(found: Findings) -> Section | None:
    """Groups of the firm's own."""
    if found.asked.by is None:
        return None
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
        Column("customers", "How many there are."),
        Column("value", "What they are expected to bring, all together."),
        Column("per customer", "The same for each of them."),
        Column("share", "Their share of the value of all."),
    ]
    if has_contribution:
        columns.append(Column("brought so far", "Their contribution to date."))
    rows = tuple(Row("all" if name == EVERYBODY else name, facts(row)) for name, row in _rows(table))
    kind = "group" if table.index.name is None else str(table.index.name)
    return Section(
        key="groups",
        title=f"By {kind}",
        lead=(f"The same value, divided by {kind}. Groups add up to all customers.",),
        blocks=(Grid(title=f"Value by {kind}", corner=kind, columns=tuple(columns), rows=rows),),
        caution="Intervals of groups may overlap although it is certain which is worth more: they share what is "
        "uncertain. Ask kundenwert.customer_equity for the draws to compare them.",
    )


def _rows(table: pd.DataFrame) -> list[tuple[str, pd.Series]]:
    """Rows of a table with their labels."""
    return [(str(label), table.iloc[place]) for place, label in enumerate(table.index)]
