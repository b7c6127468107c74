"""What a page is made of: facts in lists and tables, pictures, notes, sections. How it looks is decided elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, final

from kundenwert.reporting.facts import Fact, alike_below, alike_beside

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from kundenwert.language import Language

__all__ = ["Block", "Column", "Facts", "Grid", "Notes", "Picture", "Row", "Section", "table_of"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Facts one below the other, each with its sentence; numbers of a kind are written alike."""

    title: str = ""
    of: tuple[Fact, ...]

    kind: ClassVar[str] = "facts"

    def __post_init__(self) -> None:
        object.__setattr__(self, "of", alike_below(self.of))


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
    """A row of a table: its label, and a fact for each column.

    Attributes
    ----------
    label, facts
        What is in it.
    is_name
        Whether the label comes from the data, and may be of any length.
    """

    label: str
    facts: tuple[Fact, ...]
    is_name: bool = False


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A table of facts; numbers of a column are written alike.

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

    kind: ClassVar[str] = "grid"

    def __post_init__(self) -> None:
        columns = [alike_beside(row.facts[place] for row in self.rows) for place in range(len(self.columns))]
        rows = (
            Row(row.label, tuple(column[place] for column in columns), row.is_name)
            for place, row in enumerate(self.rows)
        )
        object.__setattr__(self, "rows", tuple(rows))

    def facts(self) -> Iterator[Fact]:
        """All of its facts, named by row and column."""
        for row in self.rows:
            for column, fact in zip(self.columns, row.facts, strict=True):
                yield replace(fact, item=f"{row.label}: {column.title}", meaning=column.meaning)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture, what it shows (for those who cannot see it), and how to read it.

    Attributes
    ----------
    svg
        The source of the picture, to be put on the page as it is.
    alt, caption
        In words.
    """

    svg: str
    alt: str
    caption: str

    kind: ClassVar[str] = "picture"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Notes:
    """Several sentences or paragraphs, as a list."""

    title: str = ""
    of: tuple[str, ...]

    kind: ClassVar[str] = "notes"


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


def table_of(sections: tuple[Section, ...], language: Language) -> pd.DataFrame:
    """All facts of all sections, one row each."""
    import pandas as pd

    rows = [
        (section.title, fact.item, fact.value, fact.lower, fact.upper, fact.unit, fact.shown(language), fact.meaning)
        for section in sections
        for fact in section.facts()
    ]
    return pd.DataFrame(rows, columns=["section", "item", "value", "lower", "upper", "unit", "shown", "meaning"])
