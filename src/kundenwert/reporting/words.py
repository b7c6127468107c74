"""Numbers and times inside sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING, SupportsFloat, cast

from kundenwert.economics import Growing, PerCustomer, Schedule
from kundenwert.plot.canvas import in_percent, in_words
from kundenwert.posterior.summary import Estimate
from kundenwert.reporting.facts import Fact, Measure, money, share

if TYPE_CHECKING:
    import pandas as pd

    from kundenwert.duration import Horizon, Unit

__all__ = [
    "ahead",
    "amount",
    "estimate",
    "in_percent",
    "in_words",
    "number_of",
    "percent",
    "plural",
    "row_of",
    "term",
    "times",
]


def ahead(horizon: Horizon) -> str:
    """How far ahead: within the next 3 years."""
    if horizon.is_lifetime:
        return "for as long as they stay"
    return f"within the next {in_words(horizon).removeprefix('1 ')}"


def amount(value: float, currency: str) -> str:
    """An amount of money in a sentence."""
    return money("", float(value), currency).shown


def percent(value: float) -> str:
    """A share in a sentence."""
    return share("", float(value)).shown


def plural(unit: Unit) -> str:
    """Several of a unit."""
    return "opportunities" if unit == "opportunity" else f"{unit}s"


def times(item: str, value: float | Estimate, unit: Unit, meaning: str) -> Fact:
    """A length of time as a fact."""
    name = plural(unit)
    if isinstance(value, Estimate):
        return Fact(item=item, value=value.mean, lower=value.lower, upper=value.upper, unit=name, meaning=meaning)
    return Fact(item=item, value=float(value), unit=name, measure=Measure.NUMBER, meaning=meaning)


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


def term(item: str, given: object, unit: str, measure: Measure, meaning: str) -> Fact:
    """Something that was assumed: a number, or where it comes from."""
    match given:
        case bool():
            text = str(given)
        case int() | float():
            return Fact(item=item, value=float(given), unit=unit, measure=measure, meaning=meaning)
        case PerCustomer():
            text = f"per customer, from the column “{given.column}”"
        case Growing() | Schedule():
            text = f"changing over time: {given!r}"
        case _:
            text = str(given)
    return Fact(item=item, measure=measure, meaning=meaning, text=text)
