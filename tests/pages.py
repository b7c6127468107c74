"""Reading an HTML page strictly, and looking at it in a real browser without a window."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from html import escape
from html.parser import HTMLParser
from typing import Any, override

import pytest

VOID = {"meta", "link", "br", "hr", "img", "input", "path", "use", "image"}
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SILENT = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--virtual-time-budget=10000",
    "--enable-logging=stderr",
)


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


def find_browser() -> str:
    """A browser on this machine; installed if there is none and that is possible."""
    for name in BROWSERS:
        if found := shutil.which(name):
            return found
    apt = shutil.which("apt-get")
    if apt is None or not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("there is no chromium or chrome on this machine, and no right to install one with apt-get")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "-y", "--no-install-recommends", "chromium"]):
        ran = subprocess.run(  # noqa: S603 - a fixed command
            [apt, *command], capture_output=True, text=True, env=environment, timeout=900, check=False
        )
        if ran.returncode != 0:
            pytest.skip(f"chromium is missing, and apt-get {command[0]} failed: {ran.stderr.strip()[-300:]}")
    found = shutil.which("chromium")
    assert found is not None
    return found


def browse(browser: str, page: Any, folder: Any, *options: str) -> tuple[str, list[str]]:
    """The page as the browser has it when it has been loaded, and what stands on its console."""
    command = [browser, *SILENT, f"--user-data-dir={folder}", *options, page.as_uri()]
    ran = subprocess.run(  # noqa: S603 - a browser, and a file of our own
        command, capture_output=True, encoding="utf-8", errors="replace", timeout=300, check=False
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    return ran.stdout, [line for line in ran.stderr.splitlines() if "CONSOLE" in line]


MEASURE = """
const wide = node => node.closest(".wide") !== null;
const luminance = colour => {
  const [r, g, b] = colour.match(/[\\d.]+/g).slice(0, 3).map(c => c / 255)
    .map(c => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const contrast = (a, b) => {
  const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (high + 0.05) / (low + 0.05);
};
const measured = frame => {
  const page = frame.contentDocument, root = page.documentElement, all = [...page.body.querySelectorAll("*")];
  const style = node => frame.contentWindow.getComputedStyle(node);
  const paper = style(page.body).backgroundColor;
  const texts = [...page.querySelectorAll("h1, h2, p, dt, dd, th, td, figcaption, a:not(.skip)")];
  const labels = [...page.querySelectorAll("svg text")];
  return {
    title: page.title,
    sections: [...page.querySelectorAll("main section")].map(section => section.id),
    scripts: page.querySelectorAll("script").length,
    bold: page.querySelectorAll("b, i, h1 h1").length,
    labels: [...page.querySelectorAll("tbody th bdi")].map(node => node.textContent),
    overflow: root.scrollWidth - root.clientWidth,
    outside: all.filter(node => !wide(node) && node.getBoundingClientRect().right > root.clientWidth + 1
      && !node.closest("svg")).map(node => node.tagName + "." + node.className),
    pictures: [...page.querySelectorAll("svg")].map(svg => svg.getBoundingClientRect())
      .map(box => Math.min(box.width, box.height)),
    smallest: Math.min(...labels.map(node => node.getBoundingClientRect())
      .map(box => Math.min(box.width, box.height)).filter(size => size > 0)),
    paper: luminance(paper),
    contrast: Math.min(...texts.map(node => contrast(style(node).color, style(node.closest(
      ".caution, .alarm, .figures > div, thead th, nav") ?? page.body).backgroundColor.replace(
      "rgba(0, 0, 0, 0)", paper))), ...labels.map(node => contrast(style(node).fill, paper))),
  };
};
window.addEventListener("load", () => {
  console.error("the console is heard");
  const frames = [...document.querySelectorAll("iframe")];
  document.querySelector("pre").textContent = JSON.stringify(frames.map(measured));
});
"""


def measure(browser: str, html: str, folder: Any, widths: list[int], *options: str) -> list[dict[str, Any]]:
    """What the page looks like in frames of these widths, in pixels; the page itself is not changed."""
    frames = "".join(
        f'<iframe srcdoc="{escape(html)}" style="width:{width}px;height:900px"></iframe>' for width in widths
    )
    outer = folder / "outer.html"
    outer.write_text(
        f"<!DOCTYPE html><meta charset='utf-8'><style>iframe {{ border: 0 }}</style>{frames}<pre></pre>"
        f"<script>{MEASURE}</script>",
        encoding="utf-8",
    )
    dom, console = browse(browser, outer, folder / "profile", "--dump-dom", *options)
    assert len(console) == 1, console
    assert "the console is heard" in console[0]
    found = dom.rpartition("<pre>")[2].partition("</pre>")[0]
    for entity, letter in (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")):
        found = found.replace(entity, letter)
    result: list[dict[str, Any]] = json.loads(found)
    return result
