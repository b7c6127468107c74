"""Reading an HTML page strictly."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import override


class Page(HTMLParser):
    """Every element closed in order, every id once; keeps what tests ask for."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.ids: list[str] = []
        self.text: dict[str, list[str]] = {}
        self.data: list[tuple[str, float]] = []  # where, and exact numbers
        self.feed(html)
        self.close()
        assert self.open == []

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        assert len(attributes) == len(attrs)
        self.tags.append((tag, attributes))
        if "id" in attributes:
            self.ids.append(str(attributes["id"]))
        if tag == "data":
            where = "figures" if self.inside("dl.figures") else "section"
            self.data.append((where, float(str(attributes["value"]))))
        if tag != "meta":
            name = f"{tag}.{attributes['class']}" if attributes.get("class") else tag
            self.open.append(name)

    @override
    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        raise AssertionError(tag)  # HTML has none

    @override
    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop().partition(".")[0] == tag

    @override
    def handle_data(self, data: str) -> None:
        if self.open:
            self.text.setdefault(self.open[-1].partition(".")[0], []).append(data)

    def inside(self, name: str) -> bool:
        """Whether an element of this name is open."""
        return name in self.open
