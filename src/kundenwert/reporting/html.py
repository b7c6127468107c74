"""Sections as one HTML page that needs nothing else."""

from __future__ import annotations

import unicodedata
from importlib.resources import files
from typing import TYPE_CHECKING, Final
from xml.etree.ElementTree import Element, SubElement, tostring

from kundenwert.reporting.blocks import Block, Facts, Grid, Notes, Picture, Section

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kundenwert.reporting.facts import Fact

__all__ = ["page"]

ALLOWED: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""The page loads nothing and runs nothing, whatever stands in the data."""

VOID: Final = "�"


def page(
    title: str,
    subtitle: str,
    *,
    figures: Sequence[Fact],
    alarms: Sequence[str],
    sections: Sequence[Section],
    footer: str,
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
    """
    html = Element("html", {"lang": "en"})
    head = SubElement(html, "head")
    SubElement(head, "meta", {"charset": "utf-8"})
    SubElement(head, "meta", {"http-equiv": "Content-Security-Policy", "content": ALLOWED})
    SubElement(head, "meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"})
    SubElement(head, "meta", {"name": "color-scheme", "content": "light dark"})
    _text(head, "title", title)
    _text(head, "style", files("kundenwert.reporting").joinpath("style.css").read_text(encoding="utf-8"))
    body = SubElement(html, "body")
    _text(body, "a", "Skip to the content", {"class": "skip", "href": "#content"})
    header = SubElement(body, "header")
    _text(header, "h1", title)
    _text(header, "p", subtitle, {"class": "subtitle"})
    _contents(body, sections)
    main = SubElement(body, "main", {"id": "content"})
    for alarm in alarms:
        _text(main, "p", alarm, {"class": "alarm", "role": "alert"})
    _key_figures(main, figures)
    for section in sections:
        _section(main, section)
    _text(SubElement(body, "footer"), "p", footer)
    return f"<!DOCTYPE html>\n{tostring(html, encoding='unicode', method='html')}\n"


def _text(parent: Element, tag: str, text: str, attributes: dict[str, str] | None = None) -> Element:
    element = SubElement(parent, tag, attributes or {})
    element.text = _clean(text)
    return element


def _clean(text: str) -> str:
    """Text without what has no place on a page: control characters and halves of characters."""
    if text.isprintable():
        return text
    return "".join(_letter(letter) for letter in text)


def _letter(letter: str) -> str:
    if letter.isspace():
        return max(letter, " ")
    return VOID if unicodedata.category(letter) in {"Cc", "Cs"} else letter


def _contents(body: Element, sections: Sequence[Section]) -> None:
    nav = SubElement(body, "nav", {"aria-labelledby": "contents"})
    _text(nav, "h2", "Contents", {"id": "contents"})
    entries = SubElement(nav, "ol")
    for section in sections:
        _text(SubElement(entries, "li"), "a", section.title, {"href": f"#{section.key}"})


def _key_figures(main: Element, figures: Sequence[Fact]) -> None:
    entries = SubElement(main, "dl", {"class": "figures", "aria-label": "Key figures"})
    for fact in figures:
        entry = SubElement(entries, "div")
        _text(entry, "dt", fact.item)
        _number(SubElement(entry, "dd", {"class": "number"}), fact)
        if fact.meaning:
            _text(entry, "dd", fact.meaning, {"class": "meaning"})


def _section(main: Element, section: Section) -> None:
    element = SubElement(main, "section", {"id": section.key, "aria-labelledby": f"{section.key}-title"})
    _text(element, "h2", section.title, {"id": f"{section.key}-title"})
    for paragraph in section.lead:
        _text(element, "p", paragraph, {"class": "lead"})
    for block in section.blocks:
        _block(element, block)
    if section.caution:
        caution = SubElement(element, "p", {"class": "caution"})
        _text(caution, "strong", "When not to trust this.").tail = _clean(f" {section.caution}")


def _block(parent: Element, block: Block) -> None:
    match block:
        case Facts():
            _facts(parent, block)
        case Grid():
            _grid(parent, block)
        case Picture():
            figure = SubElement(parent, "figure")
            figure.append(block.svg)
            _text(figure, "figcaption", block.caption)
        case Notes():
            if block.title:
                _text(parent, "h3", block.title)
            notes = SubElement(parent, "ul")
            for note in block.of:
                _text(notes, "li", note)


def _facts(parent: Element, block: Facts) -> None:
    if block.title:
        _text(parent, "h3", block.title)
    entries = SubElement(parent, "dl", {"class": "facts"})
    for fact in block.of:
        entry = SubElement(entries, "div")
        _text(SubElement(entry, "dt"), "bdi", fact.item)
        _number(SubElement(entry, "dd", {"class": "number"}), fact)
        if fact.meaning:
            _text(entry, "dd", fact.meaning, {"class": "meaning"})


def _grid(parent: Element, block: Grid) -> None:
    key = f"{block.title}-{len(list(parent.iter()))}".lower()
    name = "table-" + "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in key)
    wide = SubElement(parent, "div", {"class": "wide", "role": "region", "aria-labelledby": name, "tabindex": "0"})
    table = SubElement(wide, "table")
    _text(table, "caption", block.title, {"id": name})
    heading = SubElement(SubElement(table, "thead"), "tr")
    _text(heading, "th", block.corner, {"scope": "col"})
    for column in block.columns:
        _text(heading, "th", column.title, {"scope": "col"})
    body = SubElement(table, "tbody")
    for row in block.rows:
        line = SubElement(body, "tr")
        _text(SubElement(line, "th", {"scope": "row"}), "bdi", row.label)
        for fact in row.facts:
            _number(SubElement(line, "td", {"class": "words"} if len(fact.text) > 20 else {}), fact)
    legend = SubElement(parent, "dl", {"class": "legend"})
    for column in block.columns:
        entry = SubElement(legend, "div")
        _text(entry, "dt", column.title)
        _text(entry, "dd", column.meaning)


def _number(parent: Element, fact: Fact) -> None:
    """A number as people write it, with the exact one beside it for machines."""
    if fact.text:
        parent.text = _clean(fact.text)
        return
    data = _text(parent, "data", fact.written(fact.value), {"value": repr(fact.value)})
    if fact.shown != data.text:
        data.tail = " "
        _text(parent, "span", fact.sign, {"class": "unit"})
    if fact.has_interval:
        interval = SubElement(parent, "span", {"class": "interval"})
        lower = _text(interval, "data", fact.written(fact.lower), {"value": repr(fact.lower)})
        lower.tail = " to "
        _text(interval, "data", fact.written(fact.upper), {"value": repr(fact.upper)})
