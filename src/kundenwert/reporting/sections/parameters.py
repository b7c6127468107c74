"""What the models have learnt about the customers, as far as it can be said in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kundenwert.language import mark
from kundenwert.posterior.summary import Estimate
from kundenwert.reporting.blocks import Facts
from kundenwert.reporting.facts import Fact, Measure
from kundenwert.reporting.remarks import posteriors
from kundenwert.reporting.words import model_name

if TYPE_CHECKING:
    from kundenwert.posterior.base import Posterior
    from kundenwert.reporting.findings import Findings

__all__ = ["parameters"]

PER_YEAR: Final = mark("Purchases a year")
LEARNT: Final = {
    "mean_rate": (PER_YEAR, mark("Of an average customer, as long as they are one."), Measure.NUMBER),
    "shape": (
        mark("Evenness of how often customers buy"),
        mark("Large if all buy about as often; below 1 if few make most purchases."),
        Measure.NUMBER,
    ),
    "mean_dropout": (
        mark("Leave for good at an occasion"),
        mark("Mean probability at each purchase or opportunity."),
        Measure.SHARE,
    ),
    "mean_lapse": (
        mark("Fall silent after a purchase"),
        mark("Mean probability at each purchase; some of them come back later."),
        Measure.SHARE,
    ),
    "dormant_share": (
        mark("Of these, only pause"),
        mark("The others have gone for good."),
        Measure.SHARE,
    ),
    "relative_return_rate": (
        mark("How fast those who pause come back"),
        mark("Compared with how often they bought before; 1 is as fast."),
        Measure.NUMBER,
    ),
    "concentration": (
        mark("Evenness of this probability"),
        mark("Large if it is about the same for all customers."),
        Measure.NUMBER,
    ),
    "dropout_concentration": (
        mark("Evenness of how customers leave"),
        mark("Large if that is about the same for all customers."),
        Measure.NUMBER,
    ),
    "dropout_rate": (
        mark("How fast customers leave"),
        mark("Departures of an average customer a year, at the start; 1 means that they stay for about a year."),
        Measure.NUMBER,
    ),
    "dropout_shape": (
        mark("Evenness of how fast customers leave"),
        mark("Large if all leave about as fast."),
        Measure.NUMBER,
    ),
    "aging": (
        mark("How fast leaving becomes likelier"),
        mark("Growth a year, with the age of the relationship."),
        Measure.NUMBER,
    ),
    "mean_purchase": (
        mark("Use an opportunity"),
        mark("Mean probability, as long as they are customers."),
        Measure.SHARE,
    ),
    "scale": (
        mark("A typical amount"),
        mark("What a purchase of a typical customer costs them."),
        Measure.MONEY,
    ),
    "within": (
        mark("How far amounts of one customer vary"),
        mark("Roughly, as a part of the typical amount."),
        Measure.NUMBER,
    ),
    "between": (
        mark("How far customers differ in what they spend"),
        mark("Roughly, as a part of the typical amount."),
        Measure.NUMBER,
    ),
    "k": (mark("Regularity of buying, by the model"), mark("1 is at random; large is like clockwork."), Measure.NUMBER),
}
"""Names of parameters, what they are in words, and how they are written; the others say nothing without a textbook."""


def parameters(found: Findings) -> list[Facts]:
    """A list for each of the models."""
    say = found.language.say
    result = []
    for what, posterior in posteriors(found).items():
        if facts := _learnt(found, posterior):
            title = say(mark("{what}: what the {model} model has learnt"), what=what, model=model_name(posterior.model))
            result.append(Facts(title=title, of=facts))
    return result


def _learnt(found: Findings, posterior: Posterior) -> tuple[Fact, ...]:
    say, table = found.language.say, posterior.parameters(interval=found.asked.interval)
    facts = []
    for name, (item, meaning, measure) in LEARNT.items():
        if name not in table.index:
            continue
        known = Estimate(*(float(table[end][name]) for end in ("mean", "lower", "upper")))
        unit = {Measure.MONEY: found.asked.economics.currency, Measure.SHARE: "share"}.get(measure, "")
        facts.append(
            Fact(
                item=say(item),
                value=known.mean,
                lower=known.lower,
                upper=known.upper,
                unit=unit,
                measure=measure,
                meaning=say(meaning),
            )
        )
    return tuple(facts)
