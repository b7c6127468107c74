"""Whose silence is unusual."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pandas as pd

from kundenwert.language import mark
from kundenwert.reporting.blocks import Block, Column, Facts, Grid, Row, Section
from kundenwert.reporting.facts import Fact, count, money, share, times
from kundenwert.reporting.words import amount, estimate

if TYPE_CHECKING:
    from kundenwert.reporting.findings import Findings

__all__ = ["early_warnings"]

DATE: Final = "enters_next"


def early_warnings(found: Findings) -> Section:
    """Whom to look after now."""
    language, say = found.language, found.language.say
    currency, title = found.asked.economics.currency, say(mark("Early warnings"))
    if found.phases is None or found.warnings is None:
        lead = say(mark("Left out: {reason}."), reason=say(found.why_not["phases"]))
        return Section(key="warnings", title=title, lead=(lead,))
    marked = found.warnings[found.warnings["warn"]]
    if not len(marked):
        lead = say(mark("Nobody who has bought again is silent for unusually long without having lapsed."))
        return Section(key="warnings", title=title, lead=(lead,))
    at_stake = float(marked["value_at_stake"].sum())
    facts = Facts(
        of=(
            count(
                say(mark("To act on now")),
                len(marked),
                "customers",
                say(mark("Have bought again, are cooling and have not lapsed.")),
            ),
            money(
                say(mark("Value at stake")),
                at_stake,
                currency,
                say(
                    mark(
                        "What their silence has cost so far: their value right after the last purchase, less that of "
                        "today."
                    )
                ),
            ),
        )
    )
    shown = marked.head(found.asked.warnings)
    blocks: list[Block] = [facts]
    if len(shown):
        blocks.append(_table(found, shown, found.phases[DATE].reindex(shown.index)))
    lead = language.several(
        "{number} customer who has bought again is silent for unusually long and has not lapsed yet. That silence has "
        "cost {amount} of expected value so far.",
        "{number} customers who have bought again are silent for unusually long and have not lapsed yet. Their silence "
        "has cost {amount} of expected value so far.",
        len(marked),
        amount=amount(at_stake, currency, language),
    )
    caution = say(
        mark(
            "The model knows purchases only: who is on holiday or has told you something looks the same. Value at "
            "stake is what the silence has cost, and not what an offer would bring: that takes an experiment."
        )
    )
    return Section(key="warnings", title=title, lead=(lead,), blocks=tuple(blocks), caution=caution)


def _table(found: Findings, shown: pd.DataFrame, dates: pd.Series) -> Grid:
    language, say, currency = found.language, found.language.say, found.asked.economics.currency
    dated = bool(dates.notna().any())
    rows = []
    for place, label in enumerate(shown.index):
        row = shown.iloc[place]
        cells = [
            money("", estimate(row, "value_at_stake"), currency),
            times("", float(row["silence"]), found.asked.purchases.unit),
            share("", estimate(row, "relative_return")),
            share("", float(row["gap_p_value"])),
        ]
        if dated:
            when = dates.iloc[place]
            cells.append(Fact(item="", text="–" if pd.isna(when) else language.date(when)))
        rows.append(Row(str(label), tuple(cells), is_name=True))
    columns = [
        Column(say(mark("value at stake")), say(mark("What the silence has cost so far."))),
        Column(say(mark("silent for")), say(mark("Time since the last purchase."))),
        Column(
            say(mark("chance left")),
            say(
                mark(
                    "The chance that they buy again, as a share of what it was right after their last purchase: 40 % "
                    "says that it has more than halved, and not how large it is."
                )
            ),
        ),
        Column(
            say(mark("longer silences")),
            say(
                mark(
                    "Of customers with the same past who did buy again, so many stayed away for longer; a small number "
                    "says that this silence does not fit."
                )
            ),
        ),
    ]
    if dated:
        columns.append(
            Column(say(mark("lapses on")), say(mark("The day on which the customer counts as lapsed unless they buy.")))
        )
    title = language.several("The one with the most at stake", "The {number} with the most at stake", len(rows))
    return Grid(title=title, corner=say(mark("Customer")), columns=tuple(columns), rows=tuple(rows))
