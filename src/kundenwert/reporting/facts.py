"""What a page is made of: facts, tables of facts, pictures, sections. Text only; how it looks is decided elsewhere."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Self, final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree.ElementTree import Element

    import pandas as pd

    from kundenwert.posterior.summary import Estimate

__all__ = [
    "Column",
    "Fact",
    "Facts",
    "Grid",
    "Measure",
    "Notes",
    "Picture",
    "Row",
    "Section",
    "count",
    "money",
    "share",
]

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
    """

    item: str
    value: float = NAN
    lower: float = NAN
    upper: float = NAN
    unit: str = ""
    measure: Measure = Measure.NUMBER
    meaning: str = ""
    text: str = ""

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
        written = self.measure.written(self.value)
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


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Facts one below the other, each with its sentence."""

    title: str = ""
    of: tuple[Fact, ...]


@final
@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes
    ----------
    title
        Its heading.
    meaning
        One plain sentence.
    """

    title: str
    meaning: str


@final
@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table: its label, and a fact for each column."""

    label: str
    facts: tuple[Fact, ...]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A table of facts.

    Attributes
    ----------
    title
        Caption.
    corner
        Heading of the labels of rows.
    columns, rows
        What is in it.
    """

    title: str
    corner: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]

    def facts(self) -> Iterator[Fact]:
        """All of its facts, named by row and column."""
        for row in self.rows:
            for column, fact in zip(self.columns, row.facts, strict=True):
                yield Fact(
                    item=f"{row.label}: {column.title}",
                    value=fact.value,
                    lower=fact.lower,
                    upper=fact.upper,
                    unit=fact.unit,
                    measure=fact.measure,
                    meaning=column.meaning,
                    text=fact.text,
                )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture, what it shows (for those who cannot see it), and how to read it."""

    svg: Element
    alt: str
    caption: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Notes:
    """Several sentences or paragraphs, as a list."""

    title: str = ""
    of: tuple[str, ...]


type Block = Facts | Grid | Picture | Notes


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of the page.

    Attributes
    ----------
    key
        Its anchor.
    title
        Heading.
    lead
        What matters, in some sentences.
    blocks
        The rest.
    caution
        When not to trust this.
    """

    key: str
    title: str
    lead: tuple[str, ...]
    blocks: tuple[Block, ...] = ()
    caution: str = ""

    def facts(self) -> Iterator[Fact]:
        """All facts, in order."""
        for block in self.blocks:
            match block:
                case Facts():
                    yield from block.of
                case Grid():
                    yield from block.facts()
                case Picture() | Notes():
                    pass

    @classmethod
    def table(cls, sections: tuple[Self, ...]) -> pd.DataFrame:
        """All facts of all sections, one row each."""
        import pandas as pd

        rows = [
            (section.title, fact.item, fact.value, fact.lower, fact.upper, fact.unit, fact.shown, fact.meaning)
            for section in sections
            for fact in section.facts()
        ]
        return pd.DataFrame(rows, columns=["section", "item", "value", "lower", "upper", "unit", "shown", "meaning"])
