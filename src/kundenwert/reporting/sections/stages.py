"""Where relationships stand, and whose silence is unusual."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pandas as pd

from kundenwert import plot
from kundenwert.economics.relationship.phase_rules import PHASES
from kundenwert.reporting.blocks import Block, Column, Facts, Grid, Notes, Row, Section
from kundenwert.reporting.facts import Fact, count, money, share
from kundenwert.reporting.pictures import picture
from kundenwert.reporting.words import amount, estimate, in_words, percent, plural, row_of

if TYPE_CHECKING:
    from kundenwert.economics import PhaseRules
    from kundenwert.reporting.findings import Findings

__all__ = ["early_warnings", "phases"]

DATE: Final = "enters_next"


def phases(found: Findings) -> Section:
    """Customers by phase."""
    asked, standing, moves = found.asked, found.phases, found.moves
    if standing is None or moves is None:
        return Section(
            key="phases", title="Phases of the relationship", lead=(f"Left out: {found.why_not['phases']}.",)
        )
    currency, soon = asked.economics.currency, in_words(asked.soon)
    worth = found.expected["mean"].groupby(standing["phase"].array, observed=False).sum()
    rows = tuple(
        Row(
            name,
            (
                count("", float(moves["customers"][name]), "customers"),
                money("", float(worth[name]), currency),
                count("", float(moves["moving"][name]), "customers"),
                Fact(item="", text=str(moves["to"][name]) or "–"),
            ),
        )
        for name in PHASES
    )
    grid = Grid(
        title="Customers by phase",
        corner="Phase",
        columns=(
            Column("customers", "Who is in this phase now."),
            Column("value to come", "What they are expected to bring, all together."),
            Column(f"leave within {soon}", "How many enter the next phase by then if they do not buy."),
            Column("for", "The phase that most of them enter."),
        ),
        rows=rows,
    )
    going = row_of(moves, "established")
    lead = (
        (
            f"{int(going['customers']):,} customers are established and {int(moves['customers']['cooling']):,} are "
            "cooling. "
            f"If nothing happens, {int(moves['moving']['established']):,} of the established begin to cool or lapse "
            "within "
            f"{soon}, and {int(moves['moving']['cooling']):,} of the cooling lapse."
        ),
    )
    drawn = picture(
        "flow",
        lambda ax: plot.phase_flow(standing, unit=asked.purchases.unit, within=asked.soon, ax=ax),
        alt="Customers by phase: " + ", ".join(f"{name} {int(moves['customers'][name]):,}" for name in PHASES) + ".",
        caption=f"Customers by phase; hatched are those who enter the next one within {soon} unless they buy.",
    )
    caution = (
        "Phases are judged by what is usual in this base and by rules that the firm has set. That somebody has lapsed "
        "is not known but inferred from silence; some of them will buy again."
    )
    return Section(
        key="phases",
        title="Phases of the relationship",
        lead=lead,
        blocks=(Notes(of=_rules(asked.rules)), drawn, grid),
        caution=caution,
    )


def _rules(rules: PhaseRules) -> tuple[str, ...]:
    horizon = in_words(rules.horizon)
    return (
        f"First purchase: has bought once, less than {in_words(rules.welcome)} ago.",
        (
            f"Doubt: has bought once, so recently that fewer than {percent(rules.doubt_until)} of those who come "
            "back within "
            f"{horizon} would have done so by now."
        ),
        "Established: has bought again, and the silence is not unusual.",
        (
            "Cooling: has bought once, and the doubt is over; or has bought again, and the probability of a purchase "
            f"within {horizon} has fallen below {percent(rules.cooling_below)} of what it was right after the last one."
        ),
        (
            f"Lapsed: that probability has fallen below {percent(rules.lapsed_below)} of what it was right after the "
            "last purchase; for those who have bought once, not before the doubt is over."
        ),
    )


def early_warnings(found: Findings) -> Section:
    """Whom to look after now."""
    asked, currency = found.asked, found.asked.economics.currency
    title, standing, ranked = "Early warnings", found.phases, found.warnings
    if standing is None or ranked is None:
        return Section(key="warnings", title=title, lead=(f"Left out: {found.why_not['phases']}.",))
    marked = ranked[ranked["warn"]]
    if not len(marked):
        lead = ("Nobody who has bought again is silent for unusually long without having lapsed.",)
        return Section(key="warnings", title=title, lead=lead)
    at_stake = float(marked["value_at_stake"].sum())
    facts = Facts(
        of=(
            count("To act on now", len(marked), "customers", "Have bought again, are cooling and have not lapsed."),
            money(
                "Value at stake",
                at_stake,
                currency,
                "What their silence has cost so far: their value right after the last purchase, less that of today.",
            ),
        )
    )
    shown = marked.head(asked.warnings)
    dates = standing[DATE].reindex(shown.index)
    dated = bool(dates.notna().any())
    rows = []
    for place, label in enumerate(shown.index):
        row = shown.iloc[place]
        cells = [
            money("", estimate(row, "value_at_stake"), currency),
            Fact(item="", value=float(row["silence"]), unit=plural(asked.purchases.unit)),
            share("", estimate(row, "relative_return")),
            share("", float(row["gap_p_value"])),
        ]
        if dated:
            when = dates.iloc[place]
            cells.append(Fact(item="", text="–" if pd.isna(when) else f"{when:%Y-%m-%d}"))
        rows.append(Row(str(label), tuple(cells)))
    columns = [
        Column("value at stake", "What the silence has cost so far."),
        Column("silent for", "Time since the last purchase."),
        Column("chance of return", "Compared with what it was right after the last purchase."),
        Column(
            "longer silences",
            "Of customers with the same past who did buy again, so many stayed away for longer; a small number says "
            "that "
            "this silence does not fit.",
        ),
    ]
    if dated:
        columns.append(Column("lapses on", "The day on which the customer counts as lapsed unless they buy."))
    blocks: list[Block] = [facts]
    if rows:
        grid = Grid(
            title=f"The {len(rows)} with the most at stake",
            corner="Customer",
            columns=tuple(columns),
            rows=tuple(rows),
        )
        blocks.append(grid)
    lead = (
        (
            f"{len(marked):,} customers who have bought again are silent for unusually long and have not lapsed yet. "
            "Their "
            f"silence has cost {amount(at_stake, currency)} of expected value so far."
        ),
    )
    caution = (
        "The model knows purchases only: who is on holiday or has told you something looks the same. Value at stake is "
        "what the silence has cost, and not what an offer would bring: that takes an experiment."
    )
    return Section(key="warnings", title=title, lead=lead, blocks=tuple(blocks), caution=caution)
