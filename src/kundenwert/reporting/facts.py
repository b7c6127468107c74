"""Facts: numbers with their intervals, units and meanings, and how people write them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from kundenwert.posterior.summary import Estimate

__all__ = ["Fact", "Measure", "count", "money", "share"]

NAN = float("nan")
ONE = {
    "opportunities": "opportunity",
    "purchases": "purchase",
    "draws": "draw",
    **{f"{unit}s": unit for unit in ("hour", "day", "week", "month", "year")},
}
"""What one of several is called."""


@final
class Measure(Enum):
    """What kind of number a fact is, and so how it is written."""

    COUNT = auto()
    MONEY = auto()
    SHARE = auto()
    NUMBER = auto()

    def written(self, value: float) -> str:
        """The number as people write it."""
        if math.isnan(value):
            return "unknown"
        if math.isinf(value):
            return "never"
        text = self._digits(abs(value))
        return f"−{text}" if value < 0 and any(digit in "123456789" for digit in text) else text

    def _digits(self, size: float) -> str:
        match self:
            case Measure.COUNT:
                return f"{size:,.0f}"
            case Measure.MONEY:
                return f"{size:,.0f}" if size >= 1000 else f"{size:,.2f}"
            case Measure.SHARE:
                return f"{100 * size:.0f}" if 0.1 <= size <= 0.9 or size in {0, 1} else f"{100 * size:.1f}"
            case Measure.NUMBER:
                return f"{size:,.0f}" if size >= 1000 else f"{size:,.3g}"


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
        What it is counted in.
    measure
        How it is written.
    meaning
        One plain sentence.
    text
        What to show instead of a number that does not exist.
    endless
        What to show instead of a time without an end.
    """

    item: str
    value: float = NAN
    lower: float = NAN
    upper: float = NAN
    unit: str = ""
    measure: Measure = Measure.NUMBER
    meaning: str = ""
    text: str = ""
    endless: str = "never"

    def written(self, value: float) -> str:
        """The number, or an end of its interval, as people write it."""
        return self.endless if math.isinf(value) else self.measure.written(value)

    @property
    def sign(self) -> str:
        """What stands behind the number."""
        match self.measure:
            case Measure.SHARE:
                return "%"
            case Measure.COUNT:
                return ""
            case _:
                return ONE.get(self.unit, self.unit) if self.measure.written(self.value) == "1" else self.unit

    @property
    def shown(self) -> str:
        """The number as people write it."""
        if self.text:
            return self.text
        written = self.written(self.value)
        return f"{written} {self.sign}" if self.sign and math.isfinite(self.value) else written

    @property
    def has_interval(self) -> bool:
        """Whether there is one."""
        return not math.isnan(self.lower)


def count(item: str, value: float, unit: str, meaning: str = "") -> Fact:
    """A number of customers, purchases or rows."""
    return Fact(item=item, value=float(value), unit=unit, measure=Measure.COUNT, meaning=meaning)


def money(item: str, value: float | Estimate, currency: str, meaning: str = "") -> Fact:
    """An amount, with its interval if it has one."""
    return _fact(item, value, currency, Measure.MONEY, meaning)


def share(item: str, value: float | Estimate, meaning: str = "") -> Fact:
    """A share or probability, with its interval if it has one."""
    return _fact(item, value, "share", Measure.SHARE, meaning)


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
