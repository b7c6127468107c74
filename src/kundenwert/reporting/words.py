"""Numbers inside sentences, and what was assumed in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, SupportsFloat, cast

from kundenwert.economics import (
    EndOfPeriod,
    EveryoneFor,
    Growing,
    MiddleOfPeriod,
    PerCustomer,
    Schedule,
    StartOfPeriod,
    WhileActive,
    WhilePAliveAbove,
    WhileReturnProbabilityAbove,
)
from kundenwert.language import mark
from kundenwert.posterior.summary import Estimate
from kundenwert.reporting.facts import Fact, Measure, money, share

if TYPE_CHECKING:
    import pandas as pd

    from kundenwert.economics.assumptions.discounting import Discounting
    from kundenwert.economics.assumptions.retention import RetentionRule
    from kundenwert.language import Language

__all__ = [
    "amount",
    "convention",
    "estimate",
    "listed",
    "model_name",
    "number_of",
    "percent",
    "row_of",
    "rule",
    "sentence",
    "term",
]

NAMES: Final = {
    "MBGNBD": "MBG/NBD",
    "BGNBD": "BG/NBD",
    "MBGCNBD": "MBG/CNBD-k",
    "BGCNBD": "BG/CNBD-k",
    "ParetoNBD": "Pareto/NBD",
    "GGompNBD": "GG/NBD",
    "RevivalNBD": "Revival/NBD",
    "BGBB": "BG/BB",
    "GammaGamma": "gamma-gamma",
    "LogNormalSpend": "log-normal",
}
"""What models are called in the literature."""


def amount(value: float, currency: str, language: Language) -> str:
    """An amount of money in a sentence."""
    return money("", float(value), currency).shown(language)


def percent(value: float, language: Language) -> str:
    """A share in a sentence."""
    return share("", float(value)).shown(language)


def sentence(text: str) -> str:
    """Words at the start of a sentence."""
    return f"{text[:1].upper()}{text[1:]}"


def listed(items: list[str]) -> str:
    """Several things in a sentence."""
    return ", ".join(items)


def model_name(model: object) -> str:
    """What a model is called in the literature."""
    name = type(model).__name__
    return NAMES.get(name, name)


def row_of(table: pd.DataFrame, label: str) -> pd.Series:
    """The row of a table with this label."""
    return cast("pd.Series", table.loc[label])


def number_of(row: pd.Series, name: str) -> float:
    """An entry of a row of numbers."""
    return float(cast("SupportsFloat", row[name]))


def estimate(row: pd.Series, name: str = "") -> Estimate:
    """Mean, lower and upper of a row of a table; without a name, those of the columns of these names."""
    ends = (name, f"{name}_lower", f"{name}_upper") if name else ("mean", "lower", "upper")
    return Estimate(*(number_of(row, end) for end in ends))


type Given = float | PerCustomer | Growing | Schedule


def term(item: str, given: Given, measure: Measure, *, meaning: str, language: Language, unit: str = "share") -> Fact:
    """Something that was assumed: a number, or where it comes from."""
    if isinstance(given, (PerCustomer, Growing, Schedule)):
        return Fact(item=item, measure=measure, meaning=meaning, text=_in_words(given, unit, measure, language))
    return Fact(item=item, value=float(given), unit=unit, measure=measure, meaning=meaning)


def _in_words(given: Given, unit: str, measure: Measure, language: Language) -> str:
    match given:
        case PerCustomer():
            return language.say(mark("per customer, from the column “{column}”"), column=given.column)
        case Growing():
            return language.say(
                mark("{start} now, changing by {rate} a year"),
                start=_in_words(given.start, unit, measure, language),
                rate=language.percent(given.annual_growth_rate),
            )
        case Schedule():
            values = [_in_words(value, unit, measure, language) for value in given.values]  # noqa: PD011 - a tuple
            if len(values) == 1:
                return values[0]
            return language.say(
                mark("{values}: each for {length}, the last from then on"),
                values=listed(values),
                length=language.length(given.every),
            )
        case _:
            if measure is Measure.SHARE:
                return language.percent(float(given))
            return amount(float(given), unit, language)


def rule(given: RetentionRule, language: Language) -> str:
    """Whom the firm serves."""
    say = language.say
    match given:
        case EveryoneFor():
            if given.period.is_lifetime:
                return say(mark("everybody, for ever"))
            return say(mark("everybody, for {length} from now on"), length=language.length(given.period))
        case WhilePAliveAbove():
            return say(
                mark("who is still a customer with a probability of more than {share}"),
                share=language.percent(given.threshold),
            )
        case WhileReturnProbabilityAbove():
            return say(
                mark("who buys within {length} with a probability of more than {share}"),
                length=language.within(given.horizon),
                share=language.percent(given.threshold),
            )
        case WhileActive():
            return say(mark("until the contract ends"))


def convention(given: Discounting, language: Language) -> str:
    """When money counts; nothing if it counts when it flows."""
    say = language.say
    match given:
        case StartOfPeriod():
            text = mark("at the start of each period of {length}")
        case MiddleOfPeriod():
            text = mark("in the middle of each period of {length}")
        case EndOfPeriod():
            text = mark("at the end of each period of {length}")
        case _:
            return ""
    return say(text, length=language.within(given.period))
