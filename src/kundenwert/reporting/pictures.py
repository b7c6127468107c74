"""Pictures as SVG that belongs to a page: fonts and colours are the page's own, in the light and in the dark."""

from __future__ import annotations

import io
import re
import warnings
from textwrap import fill
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET

from kundenwert.plot import canvas as colours
from kundenwert.reporting.blocks import Picture
from kundenwert.reporting.letters import clean

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes

__all__ = ["VARIABLES", "picture"]

SIZE: Final = (4.4, 3.3)  # inches: small enough to be read on a phone
LINE: Final = 0.18  # inches
WIDEST: Final = (38, 27)  # letters in a line beside the horizontal axis, and the vertical one
VARIABLES: Final = {
    colours.INK: "--ink",
    colours.GREY: "--grey",
    colours.GRID: "--grid",
    colours.SILVER: "--silver",
    colours.BLUE: "--blue",
    colours.LIGHT_BLUE: "--light-blue",
    colours.ORANGE: "--orange",
    colours.LIGHT_ORANGE: "--light-orange",
    colours.TEAL: "--teal",
}
"""The variable of the page that stands for each colour of the pictures."""

REFERENCE: Final = re.compile(r"url\(#([^)]+)\)")
FAMILY: Final = re.compile(r"font-family: [^;]*;? ?")
FONT: Final = re.compile(r"font: (?:(\d+) )?([\d.]+px) [^;]*")


def picture(key: str, draw: Callable[[Axes], object], *, alt: str, caption: str, lines: int = 0) -> Picture:
    """Draw on new axes; `key` tells the picture from others on the page, `lines` is how many its legend has besides."""
    import matplotlib as mpl
    import matplotlib.style
    from matplotlib.figure import Figure

    written = io.StringIO()
    with mpl.style.context("default"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # the page's fonts have more of them than matplotlib's
        mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": key, "font.size": 9.5})
        figure = Figure(figsize=(SIZE[0], SIZE[1] + LINE * lines), layout="constrained")
        axes = figure.add_subplot()
        draw(axes)
        axes.set_xlabel(fill(axes.get_xlabel(), WIDEST[0]))
        axes.set_ylabel(fill(axes.get_ylabel(), WIDEST[1]))
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(written, format="svg", transparent=True, metadata=nothing, dpi=200)
    source = ET.tostring(_of_page(written.getvalue(), key, clean(alt)), encoding="unicode", method="html")
    return Picture(svg=source, alt=alt, caption=caption)


def _of_page(svg: str, key: str, alt: str) -> ET.Element:
    """The picture without what belongs to a file of its own, with names that no other picture has."""
    root = ET.fromstring(svg)  # noqa: S314 - written by matplotlib
    for parent in list(root.iter()):
        for child in list(parent):
            if _local(child.tag) in {"metadata", "style"}:
                parent.remove(child)
    for element in root.iter():
        element.tag = _local(element.tag)
        for name, value in list(element.attrib.items()):
            del element.attrib[name]
            element.set(_local(name), _renamed(_local(name), value, key))
    for group in root.iter("g"):
        _share_style(group)
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    root.attrib |= {"role": "img", "aria-labelledby": f"{key}-alt"}
    title = ET.Element("title", {"id": f"{key}-alt"})
    title.text = alt
    root.insert(0, title)
    return root


def _share_style(group: ET.Element) -> None:
    """Say once what a cloud of dots has in common."""
    styles = {dot.attrib.get("style") for dot in group}
    if len(group) > 1 and {dot.tag for dot in group} == {"use"} and len(styles) == 1:
        group.set("style", styles.pop() or "")
        for dot in group:
            dot.attrib.pop("style", None)
            for name in ("x", "y"):
                dot.set(name, f"{float(dot.attrib[name]):.1f}")


def _local(name: str) -> str:
    """A name without its namespace: HTML knows what is SVG."""
    return name.rpartition("}")[2]


def _renamed(name: str, value: str, key: str) -> str:
    if name == "id":
        return f"{key}-{value}"
    if name == "href" and value.startswith("#"):
        return f"#{key}-{value[1:]}"
    value = REFERENCE.sub(rf"url(#{key}-\1)", value)
    if name == "style":
        for colour, variable in VARIABLES.items():
            value = value.replace(colour, f"var({variable})")
        value = FONT.sub(lambda found: f"font-weight: {found[1] or 400}; font-size: {found[2]}", FAMILY.sub("", value))
    return value
