"""Pages in a real browser: nothing runs or loads, nothing sticks out, names stay text. Run by ``make test-pages``."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

import kundenwert as kw
from kundenwert.language import language_of
from kundenwert.reporting import findings, writing
from tests import cdnow
from tests.customers import histories_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.pages

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
WIDTHS = (1100, 375)
LANGUAGES = ("en", "de")
KINDS = ("customers", "hostile", "channels", "yen")
HOSTILE = (
    "<script>window.ran = 1</script>",
    "\"'><img src=x onerror='window.ran = 2'>",
    "&amp;&#60;b&#62;",
    "{{7*7}}{% if 1 %}",
    "\u202eevil\u202c \u2067right to left",
    "a line\nand another",
    "5" * 5000,
    "$x_{1}$ </svg></style><script>window.ran = 3</script>",
)
SHOP = kw.Economics(margin=0.3, annual_discount_rate=0.1, order_cost=1.0, acquisition_cost=12.0, currency="EUR")
FIXED = kw.fixed(kw.MBGNBD.Parameters(r=0.525, alpha=6.183, a=0.891, b=1.614, unit="week"))
AHEAD = kw.years(3)


def customers(path: Path) -> None:
    """Customers of CDNOW, with all that a page can hold."""
    base = cdnow.sample(400)
    kw.report(
        kw.datasets.cdnow(),
        base,
        cdnow.posterior("MBGNBD").thinned(100),
        cdnow.posterior("GammaGamma").thinned(100),
        SHOP,
        horizon=AHEAD,
        path=path,
        by=kw.acquisition_cohort(base, every=kw.months(1)),
        holdout_until="1998-06-30",
        futures=100,
    )


def hostile(path: Path) -> None:
    """Customers, groups, channels, a currency and a title that attack."""
    x = np.arange(9, 9 - len(HOSTILE), -1).clip(5)
    base = histories_of(x, 24.0, 34.0, unit="week", customer_id=list(HOSTILE))
    by = pd.Series(list(HOSTILE), index=pd.Index(HOSTILE), name=HOSTILE[1])
    kw.report(
        None,
        base,
        FIXED,
        kw.KnownAmount(30.0),
        replace(SHOP, currency=f"{HOSTILE[0]}{HOSTILE[4]}", acquisition_cost=dict.fromkeys(HOSTILE, 5.0)),
        horizon=AHEAD,
        path=path,
        by=by,
        title=f"{HOSTILE[0]} {HOSTILE[3]} {HOSTILE[4]} {HOSTILE[6]}",
        futures=20,
        new_customers=kw.new_customer_value(
            dict.fromkeys(HOSTILE, FIXED),
            kw.KnownAmount(30.0),
            replace(SHOP, acquisition_cost=dict.fromkeys(HOSTILE, 5.0)),
            horizon=AHEAD,
            first_purchase=True,
            futures=100,
        ),
    )


def channels(path: Path) -> None:
    """Channels that differ in what their customers cost and bring."""
    costs = {"Suchmaschine": 20.0, "Soziale Medien": 90.0, "E-Mail": 5.0}
    shop = replace(SHOP, acquisition_cost=costs, currency="CHF")
    slow = kw.fixed(kw.MBGNBD.Parameters(r=0.5, alpha=20.0, a=0.9, b=1.7, unit="week"))
    base = cdnow.sample(60)
    names = pd.DataFrame({"customer_id": base.customer_id, "channel": np.resize(list(costs), 60)})
    new = kw.new_customer_value(
        {"Suchmaschine": FIXED, "Soziale Medien": slow, "E-Mail": slow},
        kw.KnownAmount(30.0),
        shop,
        horizon=AHEAD,
        first_purchase=True,
        futures=500,
    )
    kw.report(
        None,
        base,
        FIXED,
        kw.KnownAmount(30.0),
        shop,
        horizon=AHEAD,
        path=path,
        customers=names,
        by="channel",
        new_customers=new,
        futures=100,
    )


def yen(path: Path) -> None:
    """Three customers who pay large amounts in a currency without decimals, for life."""
    base = histories_of(np.array([3, 0, 1]), np.array([24.0, 0.0, 3.0]), 34.0, unit="week", customer_id=["a", "b", "c"])
    shop = replace(SHOP, currency="JPY", acquisition_cost=1e7, order_cost=1e5)
    kw.report(None, base, FIXED, kw.KnownAmount(1e9), shop, horizon=kw.LIFETIME, path=path, futures=100)


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> dict[tuple[str, str], Path]:
    """Each kind of page in each language: computed once, written twice."""
    folder: Path = tmp_path_factory.mktemp("pages")
    made: dict[tuple[str, str], Path] = {}
    original = writing.written

    for kind in KINDS:

        def written(found: Any, title: str, kind: str = kind) -> Any:
            for code in LANGUAGES:
                told = replace(found, asked=replace(found.asked, language=language_of(code)))
                made[kind, code] = folder / f"{kind}_{code}.html"
                made[kind, code].write_text(original(told, title)[0], encoding="utf-8", newline="\n")
            return original(found, title)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(writing, "written", written)
            patch.setattr(findings, "NEW_FUTURES", 1000)
            globals()[kind](folder / "page.html")
    return made


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Iterator[Chrome]:
    """A browser without a window, with a new profile, that tells what it loads and what stands on its console."""
    found = [path for name in BROWSERS if (path := shutil.which(name))]
    driver = shutil.which("chromedriver")
    assert found, "there is no Chromium or Chrome on PATH: .ci/browser installs one"
    assert driver, "there is no chromedriver on PATH: .ci/browser installs one"
    options = ChromeOptions()
    options.binary_location = found[0]
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    running = Chrome(options=options, service=Service(driver))
    yield running
    running.quit()


def show(browser: Chrome, path: Path, width: int) -> None:
    """Load a page into a window of this width inside."""
    for name in ("browser", "performance"):
        browser.get_log(name)  # forget what was before
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500},
    )
    browser.get(path.as_uri())


EVERY = pytest.mark.parametrize("kind", KINDS)
IN_ALL = pytest.mark.parametrize("code", LANGUAGES)
AT_ALL = pytest.mark.parametrize("width", WIDTHS)


@EVERY
@IN_ALL
def test_nothing_runs_and_nothing_is_loaded(browser, pages, kind, code):
    show(browser, pages[kind, code], 1100)
    assert browser.execute_script("return window.ran === undefined && document.scripts.length") == 0
    assert browser.get_log("browser") == []
    asked = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    loaded = [entry["params"]["request"]["url"] for entry in asked if entry["method"] == "Network.requestWillBeSent"]
    assert {url for url in loaded if not url.startswith("data:image/png")} == {pages[kind, code].as_uri()}
    assert browser.execute_script("return document.documentElement.lang") == code


STICKS_OUT = """
const out = [], root = document.documentElement;
const name = node => node.tagName + "." + node.className + ": " + node.textContent.trim().slice(0, 60);
for (const node of document.body.querySelectorAll("*")) {
  const box = node.getBoundingClientRect();
  if (node.closest("svg, .wide, .skip") || box.width === 0) continue;
  if (box.right > root.clientWidth + 1 || box.left < -1) out.push(name(node));
}
for (const tile of document.querySelectorAll(".figures > div, .facts > div, .legend > div, td, th, figure, .alarm")) {
  const around = tile.getBoundingClientRect();
  for (const node of tile.querySelectorAll("*")) {
    if (node.closest("svg") || node.closest(".name") && !node.matches(".name")) continue;
    const box = node.getBoundingClientRect();
    if (box.right > around.right + 1 || box.left < around.left - 1 || box.bottom > around.bottom + 1)
      out.push("in " + name(tile) + " | " + name(node));
  }
}
return out;
"""


@EVERY
@IN_ALL
@AT_ALL
def test_nothing_sticks_out(browser, pages, kind, code, width):
    show(browser, pages[kind, code], width)
    wide = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert browser.execute_script(wide) <= 0
    assert browser.execute_script(STICKS_OUT) == []


@pytest.mark.parametrize("kind", ["customers", "channels"])
@IN_ALL
def test_tables_fit_a_desk(browser, pages, kind, code):
    show(browser, pages[kind, code], 1100)
    hidden = browser.execute_script(
        "return [...document.querySelectorAll('.wide')].filter(box => box.scrollWidth > box.clientWidth + 1)"
        ".map(box => box.textContent.trim().slice(0, 40))"
    )
    assert hidden == []


@IN_ALL
def test_names_stay_text(browser, pages, code):
    show(browser, pages["hostile", code], 375)
    labels = browser.execute_script("return [...document.querySelectorAll('bdi')].map(node => node.textContent)")
    for name in HOSTILE:
        assert labels.count(name) >= 2
    assert browser.execute_script("return document.querySelectorAll('img, script, b, h1 *').length") == 0
    assert HOSTILE[0] in browser.execute_script("return document.title")
    assert browser.execute_script("return document.querySelector('h1').textContent").startswith(HOSTILE[0])
    assert "{{7*7}}" in browser.execute_script("return document.body.innerText")


SEEN_ON_PICTURES = """
return [...document.querySelectorAll("figure svg")].map(svg => {
  const around = svg.getBoundingClientRect();
  return [...svg.querySelectorAll("text")].filter(text => {
    const box = text.getBoundingClientRect();
    return box.width && (box.left < around.left - 1 || box.right > around.right + 1 || box.top < around.top - 1
      || box.bottom > around.bottom + 1);
  }).map(text => svg.querySelector("title").textContent.slice(0, 30) + ": " + text.textContent);
}).flat();
"""


@EVERY
@IN_ALL
@AT_ALL
def test_no_label_of_a_picture_is_cut_off(browser, pages, kind, code, width):
    show(browser, pages[kind, code], width)
    assert browser.execute_script(SEEN_ON_PICTURES) == []


CONTRAST = """
const luminance = colour => {
  const [r, g, b] = colour.match(/[\\d.]+/g).slice(0, 3).map(c => c / 255)
    .map(c => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const contrast = (a, b) => {
  const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (high + 0.05) / (low + 0.05);
};
const paper = getComputedStyle(document.body).backgroundColor;
const behind = node => {
  const box = node.closest(".caution, .alarm, .figures > div, thead th, nav") ?? document.body;
  const colour = getComputedStyle(box).backgroundColor;
  return colour === "rgba(0, 0, 0, 0)" ? paper : colour;
};
const texts = [...document.querySelectorAll("h1, h2, p, dt, dd, th, td, figcaption, a:not(.skip)")];
const labels = [...document.querySelectorAll("svg text")];
return [luminance(paper), Math.min(...texts.map(node => contrast(getComputedStyle(node).color, behind(node))),
  ...labels.map(node => contrast(getComputedStyle(node).fill, paper)))];
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_can_be_read_in_the_light_and_in_the_dark(browser, pages, scheme):
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    show(browser, pages["customers", "en"], 900)
    paper, contrast = browser.execute_script(CONTRAST)
    assert paper > 0.9 if scheme == "light" else paper < 0.05
    assert contrast > 4.5
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
