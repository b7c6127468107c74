"""What a page is made of: facts in lists and tables, pictures, notes, sections. How it looks is decided elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, final

from kundenwert.reporting.facts import Fact

if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree.ElementTree import Element

    import pandas as pd

__all__ = ["Block", "Column", "Facts", "Grid", "Notes", "Picture", "Row", "Section"]


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
