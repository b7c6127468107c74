"""New customers channel by channel: what one is worth, costs, and when that is paid back."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from kundenwert import plot
from kundenwert.economics.newcomers.value import AVERAGE, SINGLE
from kundenwert.language import mark
from kundenwert.reporting.blocks import Block, Column, Grid, Row
from kundenwert.reporting.facts import money, share
from kundenwert.reporting.pictures import picture
from kundenwert.reporting.sections.payback import limit, paid_back
from kundenwert.reporting.words import amount, estimate, listed, number_of, row_of

if TYPE_CHECKING:
    import pandas as pd

    from kundenwert.economics import NewCustomerValue
    from kundenwert.reporting.findings import Findings

__all__ = ["by_channel"]


def by_channel(found: Findings, new: NewCustomerValue) -> tuple[list[str], list[Block]]:
    """Sentences, picture and table."""
    language, say, currency = found.language, found.language.say, found.asked.economics.currency
    worth = [
        f"{name} {amount(float(value), currency, language)}"
        for name, value in new.table["highest_acquisition_cost"].items()
    ]
    lead = say(
        mark(
            "What a new customer is worth {when}, the first purchase included, and what winning one may cost at most: "
            "{worth}."
        ),
        when=language.first(found.asked.horizon),
        worth=listed(worth),
    )
    drawn = picture(
        "payback",
        lambda ax: plot.payback(new, currency=currency, language=language.code, ax=ax),
        alt=say(mark("Expected contribution of a new customer of each channel over time, and what winning one costs.")),
        caption=say(
            mark(
                "What the average new customer has brought by when, first purchase included, after costs and "
                "discounted."
            )
        ),
        lines=len(new.table),
    )
    return [lead], [drawn, _table(found, new)]


def _table(found: Findings, new: NewCustomerValue) -> Grid:
    say, currency = found.language.say, found.asked.economics.currency
    with_cost = bool((new.table["acquisition_cost"] > 0).any())
    singles = SINGLE in new.payback.index.get_level_values(-1)

    def row(label: str, of: pd.Series) -> Row:
        back = cast("pd.DataFrame", new.payback.xs(label))
        facts = [money("", estimate(of, "highest_acquisition_cost"), currency)]
        if with_cost:
            facts += [
                money("", float(of["acquisition_cost"]), currency),
                money("", estimate(of), currency),
                share("", float(of["probability_it_pays"])),
                paid_back(found, new, row_of(back, AVERAGE)),
            ]
            if singles:
                facts.append(share("", number_of(row_of(back, SINGLE), "within_limit")))
        return Row(label, tuple(facts), is_name=True)

    columns = [
        Column(
            say(mark("value when they come")),
            say(mark("What a new customer will bring, the first purchase included; winning one may cost so much.")),
        )
    ]
    if with_cost:
        columns += [
            Column(say(mark("cost of winning")), say(mark("Spent before the first purchase."))),
            Column(say(mark("what is left")), say(mark("The value when they come, less what winning them costs."))),
            Column(
                say(mark("it pays")),
                say(mark("How sure it is that the average new customer is worth what they cost.")),
            ),
            Column(
                say(mark("paid back after")), say(mark("When the average new customer has brought what they cost."))
            ),
        ]
        if singles:
            columns.append(
                Column(
                    say(mark("single customers who pay back")),
                    say(
                        mark("Share of those whose own purchases bring back what they cost within {length}."),
                        length=limit(found),
                    ),
                )
            )
    return Grid(
        title=say(mark("New customers by channel")),
        corner=say(mark("Channel")),
        columns=tuple(columns),
        rows=tuple(row(str(label), of) for label, of in new.table.iterrows()),
    )
