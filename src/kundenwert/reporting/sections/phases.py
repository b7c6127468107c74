"""Where relationships stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kundenwert import plot
from kundenwert.economics.relationship.phase_rules import PHASES
from kundenwert.language import mark
from kundenwert.reporting.blocks import Column, Grid, Notes, Row, Section
from kundenwert.reporting.facts import Fact, count, money
from kundenwert.reporting.pictures import picture
from kundenwert.reporting.words import listed

if TYPE_CHECKING:
    import pandas as pd

    from kundenwert.reporting.findings import Findings

__all__ = ["phases"]


def phases(found: Findings) -> Section:
    """Customers by phase."""
    language, say = found.language, found.language.say
    asked, standing, moves = found.asked, found.phases, found.moves
    title = say(mark("Phases of the relationship"))
    if standing is None or moves is None:
        lead = say(mark("Left out: {reason}."), reason=say(found.why_not["phases"]))
        return Section(key="phases", title=title, lead=(lead,))
    sizes = [f"{say(name)} {language.decimal(int(moves['customers'][name]), 0)}" for name in PHASES]
    drawn = picture(
        "flow",
        lambda ax: plot.phase_flow(
            standing, unit=asked.purchases.unit, within=asked.soon, language=language.code, ax=ax
        ),
        alt=say(mark("Customers by phase: {sizes}."), sizes=listed(sizes)),
        caption=say(
            mark("Customers by phase; hatched are those who enter the next one within {length} unless they buy."),
            length=language.within(asked.soon),
        ),
    )
    caution = say(
        mark(
            "Phases are judged by what is usual in this base and by rules that the firm has set. That somebody has "
            "lapsed is not known but inferred from silence; some of them will buy again."
        )
    )
    return Section(
        key="phases",
        title=title,
        lead=(_lead(found, moves),),
        blocks=(Notes(of=_rules(found)), drawn, _table(found, standing, moves)),
        caution=caution,
    )


def _lead(found: Findings, moves: pd.DataFrame) -> str:
    language = found.language
    number = {
        f"{kind}_{name}": language.decimal(int(moves[kind][name]), 0)
        for kind in ("customers", "moving")
        for name in ("established", "cooling", "lapsed")
    }
    return language.say(
        mark(
            "Established: {established}; cooling: {cooling}; lapsed: {lapsed}. If nobody buys within {length}, "
            "{leaving} of the established begin to cool or lapse by then, and {lapsing} of the cooling lapse."
        ),
        established=number["customers_established"],
        cooling=number["customers_cooling"],
        lapsed=number["customers_lapsed"],
        leaving=number["moving_established"],
        lapsing=number["moving_cooling"],
        length=language.within(found.asked.soon),
    )


def _table(found: Findings, standing: pd.DataFrame, moves: pd.DataFrame) -> Grid:
    language, say, currency = found.language, found.language.say, found.asked.economics.currency
    worth = found.expected["mean"].groupby(standing["phase"].array, observed=False).sum()
    rows = tuple(
        Row(
            say(name),
            (
                count("", float(moves["customers"][name]), "customers"),
                money("", float(worth[name]), currency),
                count("", float(moves["moving"][name]), "customers"),
                Fact(item="", text=say(str(moves["to"][name])) if moves["to"][name] else "–"),
            ),
        )
        for name in PHASES
    )
    length = language.within(found.asked.soon)
    return Grid(
        title=say(mark("Customers by phase")),
        corner=say(mark("Phase")),
        columns=(
            Column(say(mark("customers")), say(mark("Who is in this phase now."))),
            Column(say(mark("value to come")), say(mark("What they are expected to bring, all together."))),
            Column(
                say(mark("leave within {length}"), length=length),
                say(mark("How many enter the next phase by then if they do not buy.")),
            ),
            Column(say(mark("for")), say(mark("The phase that most of them enter."))),
        ),
        rows=rows,
    )


def _rules(found: Findings) -> tuple[str, ...]:
    language, say, rules = found.language, found.language.say, found.asked.rules
    horizon = language.within(rules.horizon)
    return (
        say(
            mark("First purchase: has bought once, less than {length} ago."),
            length=language.within(rules.welcome),
        ),
        say(
            mark(
                "Doubt: has bought once, so recently that fewer than {share} of those who come back within {length} "
                "would have done so by now."
            ),
            share=language.percent(rules.doubt_until),
            length=horizon,
        ),
        say(mark("Established: has bought again, and the silence is not unusual.")),
        say(
            mark(
                "Cooling: has bought once, and the doubt is over; or has bought again, and the probability of a "
                "purchase within {length} has fallen below {share} of what it was right after the last one."
            ),
            share=language.percent(rules.cooling_below),
            length=horizon,
        ),
        say(
            mark(
                "Lapsed: that probability has fallen below {share} of what it was right after the last purchase; for "
                "those who have bought once, not before the doubt is over."
            ),
            share=language.percent(rules.lapsed_below),
        ),
    )
