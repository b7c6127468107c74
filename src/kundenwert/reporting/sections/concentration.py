"""Who holds the value."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kundenwert import plot
from kundenwert.language import mark
from kundenwert.reporting.blocks import Column, Grid, Row, Section
from kundenwert.reporting.facts import count, money, share
from kundenwert.reporting.pictures import picture
from kundenwert.reporting.words import estimate, percent

if TYPE_CHECKING:
    from kundenwert.reporting.findings import Findings

__all__ = ["concentration"]


def concentration(found: Findings) -> Section:
    """Who holds the value."""
    language, say, equity = found.language, found.language.say, found.equity
    title, table = say(mark("Who holds the value")), equity.concentration
    if not (found.expected["mean"] > 0).any() or table["share"].isna().any():
        lead = say(mark("There is no value to be shared: nobody is sure to bring more than they cost."))
        return Section(key="concentration", title=title, lead=(lead,))
    values = {
        "top": language.percent(float(table.index[-1])),
        "share": percent(float(table["share"].iloc[-1]), language),
    }
    drawn = picture(
        "lorenz",
        lambda ax: plot.lorenz(found.expected, equity=equity, language=language.code, ax=ax),
        alt=say(mark("Lorenz curve: the best {top} of the customers hold {share} of the value."), **values),
        caption=say(
            mark(
                "Lorenz curve: how much of the value is held by how many of the customers. The farther it is from the "
                "dotted line, the fewer customers it hangs on."
            )
        ),
    )
    lead = say(
        mark("The best {top} of the customers hold {share} of the value to come; half of it hangs on {half} of them."),
        half=percent(_share_with_half(found), language),
        **values,
    )
    caution = say(
        mark(
            "Customers are ranked by what is expected of them. What will have come in the end is more concentrated "
            "still, but nobody can know today on whom."
        )
    )
    return Section(key="concentration", title=title, lead=(lead,), blocks=(drawn, _table(found)), caution=caution)


def _table(found: Findings) -> Grid:
    language, say, table = found.language, found.language.say, found.equity.concentration
    currency = found.asked.economics.currency
    rows = tuple(
        Row(
            say(mark("The best {top}"), top=language.percent(float(top))),
            (
                count("", float(row["customers"]), "customers"),
                money("", estimate(row, "npv"), currency),
                share("", estimate(row, "share")),
            ),
        )
        for top, row in zip(table.index.tolist(), (table.iloc[place] for place in range(len(table))), strict=True)
    )
    return Grid(
        title=say(mark("Value held by the best customers")),
        corner=say(mark("Customers")),
        columns=(
            Column(say(mark("customers")), say(mark("How many these are."))),
            Column(say(mark("value")), say(mark("What they are expected to bring, all together."))),
            Column(say(mark("share")), say(mark("Their share of the value of all who bring more than they cost."))),
        ),
        rows=rows,
    )


def _share_with_half(found: Findings) -> float:
    """The smallest share of customers who hold half of the positive value."""
    mean = np.sort(found.expected["mean"].to_numpy())[::-1].clip(min=0)
    held = np.cumsum(mean)
    return float((np.searchsorted(held, held[-1] / 2) + 1) / len(mean))
