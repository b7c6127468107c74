"""Facts: numbers with their intervals, units and meanings, and how people write them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import TYPE_CHECKING, Final, final

from kundenwert.language import decimals_of, mark, mark_several

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kundenwert.duration import Unit
    from kundenwert.language import Language
    from kundenwert.posterior.summary import Estimate

__all__ = ["Fact", "Measure", "alike_below", "alike_beside", "count", "money", "number", "share", "times"]

NAN = float("nan")
PLURALS: Final = {
    "hour": "hours",
    "day": "days",
    "week": "weeks",
    "month": "months",
    "year": "years",
    "opportunity": "opportunities",
}
"""What a fact is counted in if it is a length of time: the same in every language, for those who read the table."""
UNITS: Final = {several: one for one, several in PLURALS.items()}
PURCHASES: Final = mark_several("{number} purchase", "{number} purchases")
FINE: Final = 1000  # money: where every amount of a list is larger, cents say nothing
COARSE: Final = 10_000  # or the largest of a column


@final
class Measure(Enum):
    """What kind of number a fact is, and so how it is written."""

    COUNT = auto()
    MONEY = auto()
    SHARE = auto()
    TIME = auto()
    NUMBER = auto()


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A number, what it is called and what it means.

    Attributes
    ----------
    item
        What it is.
    value, lower, upper
        The number and, if there is one, its interval; NaN otherwise.
    unit
        What it is counted in, the same in every language: a currency, "share", "weeks".
    measure
        How it is written.
    meaning
        One plain sentence.
    text
        What to show instead of a number that does not exist.
    endless
        What to show instead of a time without an end.
    decimals
        How many are written; by default as many as this number alone needs.
    """

    item: str
    value: float = NAN
    lower: float = NAN
    upper: float = NAN
    unit: str = ""
    measure: Measure = Measure.NUMBER
    meaning: str = ""
    text: str = ""
    endless: str = ""
    decimals: int | None = None

    @property
    def numbers(self) -> tuple[float, ...]:
        """Those that are written with digits."""
        return tuple(number for number in (self.value, self.lower, self.upper) if math.isfinite(number))

    @property
    def is_endless(self) -> bool:
        """Whether words stand for a time without an end."""
        return math.isinf(self.value)

    @property
    def has_interval(self) -> bool:
        """Whether there is one that has any width."""
        return not math.isnan(self.lower) and not self.lower == self.value == self.upper

    def written(self, value: float, language: Language) -> str:
        """The number, or an end of its interval, without what it is counted in."""
        if math.isnan(value):
            return language.say(mark("unknown"))
        if math.isinf(value):
            return self.endless or language.say(mark("never"))
        if self.measure is Measure.SHARE:
            return _share(value, self._decimals, language)
        return language.decimal(value, self._decimals)

    def shown(self, language: Language) -> str:
        """The number as people write it."""
        if self.text:
            return self.text
        written = self.written(self.value, language)
        if not math.isfinite(self.value):
            return written
        match self.measure:
            case Measure.MONEY:
                return language.money(self.value, self.unit, self._decimals)
            case Measure.SHARE:
                return f"{written} %"
            case Measure.TIME:
                return language.counted(written, UNITS[self.unit])
            case _:
                return written

    @property
    def _decimals(self) -> int:
        return _needed((self,)) if self.decimals is None else self.decimals


def _share(value: float, decimals: int, language: Language) -> str:
    """A share in per cent; what is not quite nothing, or not quite all, is not written as such."""
    least = 10.0**-decimals
    if 0 < 100 * value < least / 2:
        return f"< {language.decimal(least, decimals)}"
    if 100 - least / 2 < 100 * value < 100:
        return f"> {language.decimal(100 - least, decimals)}"
    return language.decimal(100 * value, decimals)


def alike_below(facts: Iterable[Fact]) -> tuple[Fact, ...]:
    """Facts of a list, one below the other: amounts in one currency, and shares, are written with as many decimals."""
    facts = tuple(facts)
    kinds = (Measure.MONEY, Measure.SHARE)
    decimals = {
        kind: _needed(of_kind)
        for kind in {(fact.measure, fact.unit) for fact in facts if fact.measure in kinds}
        if (of_kind := [fact for fact in facts if (fact.measure, fact.unit) == kind])
    }
    return tuple(replace(fact, decimals=decimals.get((fact.measure, fact.unit))) for fact in facts)


def alike_beside(facts: Iterable[Fact]) -> tuple[Fact, ...]:
    """Facts of a column of a table, which are of one kind: all are written with as many decimals."""
    facts = tuple(facts)
    kinds = {fact.measure for fact in facts if fact.numbers}
    if len(kinds) != 1:
        return facts
    decimals = _needed(facts, column=True)
    return tuple(replace(fact, decimals=decimals) for fact in facts)


def _needed(facts: Iterable[Fact], *, column: bool = False) -> int:
    """How many decimals facts of one kind need."""
    facts = tuple(facts)
    sizes = [abs(number) for fact in facts for number in fact.numbers if number]
    if not sizes:
        return 2 if facts and facts[0].measure is Measure.MONEY and decimals_of(facts[0].unit) else 0
    match facts[0].measure:
        case Measure.COUNT:
            return 0
        case Measure.MONEY:
            means = [abs(fact.value) for fact in facts if math.isfinite(fact.value) and fact.value] or sizes
            large = max(sizes) >= COARSE if column else min(means) >= FINE
            return 0 if large else decimals_of(facts[0].unit)
        case Measure.SHARE:
            return int(any(not 0.1 <= size <= 0.9 and size != 1 for size in sizes))
        case Measure.TIME | Measure.NUMBER:
            values = [abs(fact.value) for fact in facts if math.isfinite(fact.value) and fact.value] or sizes
            digits = 2 - math.floor(math.log10(max(values)))
            digits = max(digits, 1) if min(values) < 10 else max(digits, 0)
            if column:
                return digits
            return 0 if all(number == int(number) for number in sizes) else digits


def count(item: str, value: float, unit: str, meaning: str = "") -> Fact:
    """A number of customers, purchases or rows."""
    return Fact(item=item, value=float(value), unit=unit, measure=Measure.COUNT, meaning=meaning)


def money(item: str, value: float | Estimate, currency: str, meaning: str = "") -> Fact:
    """An amount, with its interval if it has one."""
    return _fact(item, value, currency, Measure.MONEY, meaning)


def share(item: str, value: float | Estimate, meaning: str = "") -> Fact:
    """A share or probability, with its interval if it has one."""
    return _fact(item, value, "share", Measure.SHARE, meaning)


def number(item: str, value: float | Estimate, meaning: str = "", unit: str = "") -> Fact:
    """Any other number, with its interval if it has one."""
    return _fact(item, value, unit, Measure.NUMBER, meaning)


def times(item: str, value: float | Estimate, unit: Unit, meaning: str = "") -> Fact:
    """A length of time."""
    return _fact(item, value, PLURALS[unit], Measure.TIME, meaning)


def _fact(item: str, value: float | Estimate, unit: str, measure: Measure, meaning: str) -> Fact:
    if isinstance(value, (int, float)):
        return Fact(item=item, value=float(value), unit=unit, measure=measure, meaning=meaning)
    return Fact(
        item=item,
        value=float(value.mean),
        lower=float(value.lower),
        upper=float(value.upper),
        unit=unit,
        measure=measure,
        meaning=meaning,
    )
