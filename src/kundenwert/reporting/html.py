"""Sections as one HTML page that needs nothing else."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from kundenwert.language import ENGLISH
from kundenwert.reporting.letters import clean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kundenwert.language import Language
    from kundenwert.reporting.blocks import Section
    from kundenwert.reporting.facts import Fact

__all__ = ["page"]

ALLOWED: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""The page loads nothing and runs nothing, whatever stands in the data."""


def page(
    title: str,
    subtitle: str,
    *,
    figures: Sequence[Fact],
    alarms: Sequence[str],
    sections: Sequence[Section],
    footer: str,
    language: Language = ENGLISH,
) -> str:
    """The page.

    Parameters
    ----------
    title, subtitle
        What it is about.
    figures
        Key figures, shown first.
    alarms
        What is wrong, shown before them.
    sections
        The rest.
    footer
        How it was made.
    language
        In which it is written.
    """
    return (
        _environment()
        .get_template("page.html.jinja")
        .render(
            title=title.replace("\n", " "),
            subtitle=subtitle,
            figures=figures,
            alarms=alarms,
            sections=sections,
            footer=footer,
            language=language,
            say=language.say,
            allowed=ALLOWED,
        )
    )


@cache
def _environment() -> Environment:
    """Templates that escape whatever they are given, and stop at a name that they do not know."""
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        loader=PackageLoader("kundenwert.reporting", "templates"),
        finalize=_cleaned,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["exact"] = repr
    return environment


def _cleaned(value: object) -> object:
    """Text that may stand on the page; what is HTML already stays."""
    return clean(value) if isinstance(value, str) and not hasattr(value, "__html__") else value
