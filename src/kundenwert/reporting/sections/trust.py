"""Whether the numbers can be trusted: fit, hold-out, and what the models take for granted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kundenwert import plot
from kundenwert.language import mark
from kundenwert.reporting.blocks import Block, Column, Facts, Grid, Notes, Row, Section
from kundenwert.reporting.facts import Fact, Measure, count, number, share
from kundenwert.reporting.pictures import picture
from kundenwert.reporting.remarks import posteriors, problems, remarks
from kundenwert.reporting.sections.parameters import parameters
from kundenwert.reporting.words import listed

if TYPE_CHECKING:
    import pandas as pd

    from kundenwert.reporting.blocks import Picture
    from kundenwert.reporting.findings import Findings

__all__ = ["trust"]


def trust(found: Findings) -> Section:
    """Diagnostics and fit."""
    say = found.language.say
    wrong = problems(found)
    lead = [" ".join(wrong) if wrong else say(mark("The computation reports no problem.")), _fit(found)]
    if any(len(posterior.theta[0]) == 1 for posterior in posteriors(found).values()):
        lead.append(
            say(
                mark(
                    "A model was given a single value of each parameter, so that ranges are too narrow or have no "
                    "width."
                )
            )
        )
    blocks: list[Block] = []
    if said := remarks(found):
        blocks.append(Notes(title=say(mark("What was noticed on the way")), of=said))
    blocks += [_picture(found), _counts(found)]
    checks = (
        Facts(title=say(mark("Hold-out")), of=_heldout(found)),
        Facts(title=say(mark("What the models take for granted")), of=_granted(found)),
    )
    blocks += [facts for facts in checks if facts.of]
    blocks += parameters(found)
    if "dependence" in found.why_not:
        reason = say(
            mark("Whether customers who buy often spend more was not checked: {reason}."),
            reason=say(found.why_not["dependence"]),
        )
        blocks.append(Notes(title=say(mark("Not checked")), of=(reason,)))
    caution = say(
        mark(
            "That the computation went well says nothing about whether the model is right, and a model that fits the "
            "past may still predict badly. The test that counts is a hold-out: predict from an earlier date, and "
            "compare."
        )
    )
    if found.heldout is None:
        caution = f"{caution} {say(mark('No hold-out was asked for here.'))}"
    return Section(
        key="trust",
        title=say(mark("Can the numbers be trusted?")),
        lead=tuple(lead),
        blocks=tuple(blocks),
        caution=caution,
    )


def _fit(found: Findings) -> str:
    """Whether the model fits the counts of purchases that it was fitted to."""
    language, say, counts = found.language, found.language.say, found.counts
    outside = int(((counts["observed"] < counts["lower"]) | (counts["observed"] > counts["upper"])).sum())
    if outside == 0:
        return say(mark("All counts of repeat purchases are within what chance allows."))
    return language.several(
        "{number} of {all} counts of repeat purchases is outside what chance allows, where one in {rare} would be no "
        "surprise.",
        "{number} of {all} counts of repeat purchases are outside what chance allows, where one in {rare} would be no "
        "surprise.",
        outside,
        all=str(len(counts)),
        rare=language.decimal(round(1 / (1 - found.asked.interval)), 0),
    )


def _picture(found: Findings) -> Picture:
    language, say, counts = found.language, found.language.say, found.counts
    sizes = [
        say(
            mark("{name}: {observed} and {expected}"),
            name=say(str(name)),
            observed=language.decimal(row.observed, 0),
            expected=language.decimal(row.expected, 0),
        )
        for name, row in counts.iterrows()
    ]
    return picture(
        "counts",
        lambda ax: plot.purchase_counts(counts, language=language.code, ax=ax),
        alt=say(
            mark("Customers by number of repeat purchases, observed and expected by the model: {sizes}."),
            sizes=listed(sizes),
        ),
        caption=say(
            mark(
                "Bars: how many customers have come back so often. Dots: how many the model expects, with ranges of "
                "what chance allows."
            )
        ),
    )


def _counts(found: Findings) -> Grid:
    say, counts = found.language.say, found.counts
    rows = tuple(
        Row(
            say(str(name)),
            (count("", float(counts["observed"].iloc[place]), "customers"), _expected(counts.iloc[place])),
        )
        for place, name in enumerate(counts.index)
    )
    return Grid(
        title=say(mark("Customers by number of repeat purchases")),
        corner=say(mark("Repeat purchases")),
        columns=(
            Column(say(mark("observed")), say(mark("How many customers there are."))),
            Column(
                say(mark("expected")),
                say(mark("How many there should be, with what chance allows.")),
            ),
        ),
        rows=rows,
    )


def _expected(row: pd.Series) -> Fact:
    mean, lower, upper = (float(row[name]) for name in ("expected", "lower", "upper"))
    return Fact(item="", value=mean, lower=lower, upper=upper, unit="customers", measure=Measure.COUNT)


def _heldout(found: Findings) -> tuple[Fact, ...]:
    language, say, held = found.language, found.language.say, found.heldout
    if held is None:
        return ()
    length = language.within(held.length)
    expected = Fact(
        item=say(mark("Purchases expected")),
        value=held.expected.mean,
        lower=held.expected.lower,
        upper=held.expected.upper,
        unit="purchases",
        measure=Measure.COUNT,
        meaning=say(
            mark("Of these customers, within {length} after the observation; the range holds what chance allows."),
            length=length,
        ),
    )
    facts = [
        count(
            say(mark("Purchases made")),
            held.purchases,
            "purchases",
            say(mark("Within {length} after the observation."), length=length),
        ),
        expected,
        share(
            say(mark("Have bought")),
            held.returned,
            say(mark("Share of the customers who came back in that time.")),
        ),
        share(
            say(mark("Expected to buy")),
            held.expected_to_return,
            say(mark("What had been expected of that share; the range holds what chance allows.")),
        ),
        share(
            say(mark("Purchases by the best")),
            held.held_by_best,
            say(
                mark(
                    "Share of the purchases made by the 20 % who were expected to buy most: whether the ranking is "
                    "good."
                )
            ),
        ),
    ]
    return tuple(facts)


def _granted(found: Findings) -> tuple[Fact, ...]:
    """What models take for granted, as far as it can be checked."""
    say = found.language.say
    facts: list[Fact] = []
    if found.regularity is not None:
        regular = found.regularity
        facts.append(
            Fact(
                item=say(mark("Regularity of buying")),
                value=regular.mean,
                lower=regular.lower,
                upper=regular.upper,
                meaning=say(
                    mark(
                        "1 if purchases come at random, as most models have it; well above if customers buy like "
                        "clockwork."
                    )
                ),
            )
        )
    if found.dependence is not None:
        linked = found.dependence
        meaning = say(
            mark(
                "Correlation of how often and how much, between −1 and 1; values take it as 0. Above 0, frequent "
                "buyers spend more."
            )
        )
        facts.append(number(say(mark("Frequency and spend")), linked.correlation, meaning))
        effects = (
            (mark("Spend of all customers if that is true"), linked.effect_on_value),
            (
                mark("Spend of customers who have not come back so far, if that is true"),
                linked.effect_on_one_time_buyers,
            ),
        )
        meaning = say(mark("Expected spend within a year, compared with what values on this page take it to be."))
        facts += [share(say(item), effect, meaning) for item, effect in effects if effect is not None]
    return tuple(facts)
