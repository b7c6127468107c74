"""The page: its numbers are those of the verbs, it needs nothing else, and a browser shows it as it should."""

import re
from collections import Counter
from dataclasses import replace
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import kundenwert as kw
from kundenwert.economics.newcomers import payback
from kundenwert.errors import DataError, DurationError, MissingInformationError, SpecificationError
from kundenwert.reporting.facts import Measure
from kundenwert.reporting.html import page as page_of
from tests import cdnow, contracts
from tests.customers import histories_of
from tests.pages import Page, browse, find_browser, measure

SHOP = kw.Economics(margin=0.3, annual_discount_rate=0.1, order_cost=1.0, acquisition_cost=12.0, currency="USD")
AHEAD = kw.years(3)
FUTURES = 60
HOSTILE = (
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "&amp;&#60;b&#62;",
    "\u202eevil\u202c",
    "日本 é" + 200 * "x",
    "$x_{1}$",
)
KEYS = ["base", "assumptions", "value", "contribution", "concentration", "segments", "phases", "warnings", "newcomers"]
KEYS += ["trust", "limits"]


@pytest.fixture(scope="module")
def models() -> Any:
    """Posteriors of few draws."""
    return cdnow.posterior("MBGNBD").thinned(100), cdnow.posterior("GammaGamma").thinned(100)


@pytest.fixture(scope="module")
def base():
    """Some customers of CDNOW."""
    return cdnow.sample(300)


@pytest.fixture(scope="module")
def report(models, base, tmp_path_factory) -> Any:
    """The page about them."""
    path = tmp_path_factory.mktemp("report") / "customers.html"
    log = kw.datasets.cdnow()
    by = kw.acquisition_cohort(base, every=kw.months(1))
    found = kw.report(
        log,
        base,
        models[0],
        models[1],
        SHOP,
        horizon=AHEAD,
        path=path,
        by=by,
        holdout_until="1998-06-30",
        futures=FUTURES,
        seed=3,
    )
    assert plt.get_fignums() == []
    return found


@pytest.fixture(scope="module")
def html(report) -> Any:
    """Its source."""
    return report.path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def hostile_html(tmp_path_factory) -> Any:
    """A page about customers, groups and currencies with names that attack."""
    path = tmp_path_factory.mktemp("hostile") / "customers.html"
    x = np.array([9, 8, 7, 6, 5, 5])
    base = histories_of(x, 24.0, 34.0, unit="week", customer_id=list(HOSTILE))
    purchases = kw.fixed(kw.MBGNBD.Parameters(r=0.525, alpha=6.183, a=0.891, b=1.614, unit="week"))
    by = pd.Series(list(HOSTILE), index=pd.Index(HOSTILE), name="<b>group</b>")
    shop = kw.Economics(margin=0.3, annual_discount_rate=0.1, currency="<i>$</i>")
    title = "<h1>Titles</h1> & \x00\ud800"
    kw.report(
        None, base, purchases, kw.KnownAmount(30.0), shop, horizon=AHEAD, path=path, by=by, title=title, futures=20
    )
    return path.read_text(encoding="utf-8")


def value_of(table, section, item):
    """The row of a fact."""
    rows = table[(table["section"] == section) & (table["item"] == item)]
    assert len(rows) == 1, item
    return rows.iloc[0]


def ends(row) -> Any:
    """Value and interval of a fact."""
    return row[["value", "lower", "upper"]].to_numpy(dtype=float)


def test_numbers_are_those_of_the_verbs(report, models, base):
    table, log = report.table, kw.datasets.cdnow()
    to_date = kw.contribution_to_date(log, base, SHOP)
    equity = kw.customer_equity(models[0], models[1], base, SHOP, horizon=AHEAD, contribution=to_date)
    total = equity.total
    worth = value_of(table, "What the base is worth", "Expected value of all customers")
    np.testing.assert_allclose(ends(worth), [total.mean, total.lower, total.upper], rtol=1e-9)
    assert worth["unit"] == "USD"
    each = value_of(table, "What the base is worth", "Value per customer")
    np.testing.assert_allclose(each["value"], total.mean / 300, rtol=1e-9)
    so_far = value_of(table, "What customers have brought so far", "Contribution to date")
    assert so_far["value"] == pytest.approx(to_date["contribution"].sum(), rel=1e-9)
    for top, (_, row) in zip((1, 5, 10, 20), equity.concentration.iterrows(), strict=True):
        held = value_of(table, "Who holds the value", f"The best {top} %: share")
        np.testing.assert_allclose(ends(held), row[["share", "share_lower", "share_upper"]], rtol=1e-9)

    summary = kw.segment(models[0], models[1], base, SHOP, to_date, horizon=AHEAD, futures=FUTURES, seed=3).summary
    for name, row in summary.iterrows():
        assert value_of(table, "Segments", f"{name}: customers")["value"] == row["customers"]
        brought = value_of(table, "Segments", f"{name}: value to come")
        np.testing.assert_allclose(ends(brought), row[["npv", "npv_lower", "npv_upper"]], rtol=1e-9)

    phases = kw.phase(models[0], base)["phase"]
    for name, customers in phases.value_counts().items():
        assert value_of(table, "Phases of the relationship", f"{name}: customers")["value"] == customers

    warned = kw.early_warning(models[0], models[1], base, SHOP, horizon=AHEAD)
    marked = warned[warned["warn"]]
    assert value_of(table, "Early warnings", "To act on now")["value"] == len(marked)
    at_stake = value_of(table, "Early warnings", "Value at stake")
    assert at_stake["value"] == pytest.approx(marked["value_at_stake"].sum(), rel=1e-9)
    listed = table[(table["section"] == "Early warnings") & table["item"].str.endswith(": value at stake")]
    assert listed["item"].tolist() == [f"{customer}: value at stake" for customer in marked.index[:20]]
    np.testing.assert_allclose(listed["value"], marked["value_at_stake"][:20], rtol=1e-9)

    counts = kw.purchase_counts(models[0], base)
    expected = value_of(table, "Can the numbers be trusted?", "1: expected")
    np.testing.assert_allclose(ends(expected), counts.loc[1, ["expected", "lower", "upper"]].astype(float), rtol=1e-9)
    rate = value_of(table, "Can the numbers be trusted?", "mean_rate")
    parameters = models[0].parameters().loc["mean_rate"]
    np.testing.assert_allclose(ends(rate), parameters[["mean", "lower", "upper"]].astype(float), rtol=1e-9)


def test_groups_and_hold_out(report, models, base):
    table = report.table
    by = kw.acquisition_cohort(base, every=kw.months(1))
    groups = kw.customer_equity(models[0], models[1], base, SHOP, horizon=AHEAD, by=by).table
    for name in ("1997-01", "1997-03", "all"):
        found = value_of(table, "By cohort", f"{name}: value")
        np.testing.assert_allclose(ends(found), groups.loc[name, ["npv", "npv_lower", "npv_upper"]].astype(float))
    actual = kw.holdout(kw.datasets.cdnow(), base, until="1998-06-30")["purchases"]
    trusted = "Can the numbers be trusted?"
    assert value_of(table, trusted, "Purchases made")["value"] == actual.sum()
    expected = models[0].expected_purchases(base, horizon=kw.weeks(39))["mean"]
    assert value_of(table, trusted, "Purchases expected")["value"] == pytest.approx(expected.sum(), rel=1e-6)
    best = expected.nlargest(60, keep="all").index
    held = value_of(table, trusted, "Purchases by the best")["value"]
    assert held == pytest.approx(actual[best].sum() / actual.sum(), abs=0.05)  # ties


def test_what_will_really_come_is_less_certain_than_what_is_expected(report, models, base):
    """Against simulated futures of the whole base, each in another draw."""
    really = value_of(report.table, "What the base is worth", "What will really come")
    rng = np.random.default_rng(5)
    purchases, spend = models
    cells = purchases.cells_of(base)
    single = replace(  # a cell for each customer, so that each throws their own dice
        cells,
        columns={name: column[cells.index] for name, column in cells.columns.items()},
        counts=np.ones(300, dtype=np.int64),
        index=np.arange(300),
    )
    futures = 2000
    draws = rng.integers(0, 100, futures)
    bought = purchases.of_cells.futures(single, slice(0, 300), draws, 3 * 365.25 / 7, rng)
    customer, future = np.divmod(bought.customer, futures)
    amount = spend.draws.expected_spend(base).to_numpy()[0]
    discount = 1.1 ** (-bought.time * 7 / 365.25)
    total = np.bincount(future, (0.3 * amount[draws[future], customer] - 1.0) * discount, futures)
    width = np.quantile(total, 0.95) - np.quantile(total, 0.05)
    assert really["upper"] - really["lower"] == pytest.approx(width, rel=0.1)
    expected = value_of(report.table, "What the base is worth", "Expected value of all customers")
    assert really["upper"] - really["lower"] > 1.3 * (expected["upper"] - expected["lower"])


def test_the_page_shows_every_number_of_the_table_and_no_other(report, html):
    shown = [number for where, number in Page(html).data if where == "section"]
    expected: list[float] = []
    for row in report.table.itertuples():
        expected += [number for number in (row.value, row.lower, row.upper) if not np.isnan(number)]
    assert shown == expected
    for text in report.table["shown"]:
        assert text.partition(" ")[0] in html
    assert not report.table.duplicated(["section", "item"]).any()
    assert (report.table["meaning"].str.endswith(".")).all()  # each with a sentence


def test_key_figures_are_numbers_of_the_table(report, html):
    figures = [number for where, number in Page(html).data if where == "figures"]
    known = {*report.table["value"], *report.table["lower"], *report.table["upper"]}
    assert len(figures) == 7  # five, one with an interval
    assert set(figures) <= known


@pytest.mark.parametrize("which", ["html", "hostile_html"])
def test_the_page_stands_alone(which, request):
    source = request.getfixturevalue(which)
    page = Page(source)
    assert source.startswith('<!DOCTYPE html>\n<html lang="en">')
    tags = Counter(tag for tag, _ in page.tags)
    assert tags["script"] == tags["link"] == tags["img"] == tags["iframe"] == 0
    assert tags["h1"] == tags["main"] == tags["nav"] == tags["title"] - tags["svg"] == 1
    outward = {"href", "src", "srcset", "action", "data", "poster", "xlink:href"}
    for tag, attributes in page.tags:
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            if name in outward:
                assert str(value).startswith("#"), (tag, name, value)
    assert "://" not in source
    assert "@import" not in source
    assert {found[4:5] for found in re.findall(r"url\(.", source)} == {"#"}
    policy = [a["content"] for _, a in page.tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert len(policy) == 1
    assert str(policy[0]).startswith("default-src 'none'")


@pytest.mark.parametrize("which", ["html", "hostile_html"])
def test_the_page_is_well_formed_and_its_parts_are_named(which, request):
    page = Page(request.getfixturevalue(which))
    assert [name for name, number in Counter(page.ids).items() if number > 1] == []
    known = set(page.ids)
    for _, attributes in page.tags:
        if str(attributes.get("href", "")).startswith("#"):
            assert str(attributes["href"])[1:] in known
        for name in str(attributes.get("aria-labelledby") or "").split():
            assert name in known
        for name in re.findall(r"url\(#([^)]+)\)", str(attributes)):
            assert name in known
    sections = [str(a["id"]) for tag, a in page.tags if tag == "section"]
    assert [key for key in sections if key != "groups"] == KEYS
    links = [str(a["href"])[1:] for tag, a in page.tags if tag == "a"][1:]  # after the one that skips
    assert links == sections
    pictures = [a for tag, a in page.tags if tag == "svg"]
    assert all(a["role"] == "img" for a in pictures)
    assert len(page.text["figcaption"]) == len(pictures) >= 4
    assert all(len(text) > 30 for text in page.text["title"][1:])  # what pictures show, for those who cannot see them


def test_names_are_taken_literally(hostile_html):
    page = Page(hostile_html)
    labels = page.text["bdi"]
    for name in HOSTILE:
        assert labels.count(name) >= 2  # in the groups and in the early warnings
    assert page.text["title"][0] == page.text["h1"][0] == "<h1>Titles</h1> & ��"
    assert "<i>$</i>" in {text for texts in page.text.values() for text in texts}
    assert any("<b>group</b>" in text for text in page.text["h2"])


def test_the_same_arguments_give_the_same_page(tmp_path, models, base):
    few = base.take(np.arange(20))
    pages = []
    for name in ("one.html", "two.html"):
        found: Any = kw.report(
            None,
            few,
            models[0],
            kw.KnownAmount(30.0),
            SHOP,
            horizon=AHEAD,
            path=tmp_path / name,
            futures=10,
            warnings=0,
        )
        assert found.path == tmp_path / name
        pages.append(found.path.read_bytes())
        assert not found.table["item"].str.contains("value at stake").any()
    assert pages[0] == pages[1]


def test_without_a_log_parts_are_left_out_with_a_reason(tmp_path, models, base):
    once = base.take(base.frequency == 0).take(np.arange(5))
    found = kw.report(
        None, once, models[0], kw.KnownAmount(30.0), SHOP, horizon=kw.LIFETIME, path=tmp_path / "page.html", futures=10
    )
    sections = found.table["section"].unique()
    assert "Segments" not in sections
    assert "What customers have brought so far" not in sections
    source = found.path.read_text(encoding="utf-8")
    for sentence in (
        "takes a log with amounts",
        "Nobody who has bought again",
        "for as long as they stay",
        "Not checked",
    ):
        assert sentence in source


def test_paybacks_that_do_not_come_name_their_limit(tmp_path, models, base):
    pages = []
    for horizon in (kw.LIFETIME, AHEAD):
        found = kw.report(
            None,
            base.take(np.arange(5)),
            models[0],
            kw.KnownAmount(30.0),
            replace(SHOP, acquisition_cost=1e4),
            horizon=horizon,
            path=tmp_path / "page.html",
            futures=10,
        )
        after = value_of(found.table, "New customers", "Paid back after")
        assert after["value"] == np.inf
        pages.append((after["shown"], found.path.read_text(encoding="utf-8")))
    (lifetime, page), (finite, _) = pages
    assert lifetime == "not within 20 years"
    assert finite == "not within 3 years"
    assert "Of single customers, 0 % bring back what they cost within 20 years" in page
    assert "nothing to do with how often they buy" in page
    assert "never" not in page[page.index('id="newcomers"') : page.index('id="trust"')]


def test_the_page_is_written_if_new_customers_cannot_be_told(tmp_path, models, base, monkeypatch):
    came_back = base.take(base.frequency > 0).take(np.arange(5))
    spend = kw.fixed(kw.GammaGamma.Parameters(p=6.0, q=0.9, gamma=15.0))  # those who came back have a mean, others not
    given: dict[str, Any] = {"horizon": AHEAD, "path": tmp_path / "page.html", "futures": 10}
    found = kw.report(None, came_back, models[0], spend, SHOP, **given)
    assert "What a new customer is worth is left out: the mean amount of the population is infinite" in (
        found.path.read_text(encoding="utf-8")
    )
    monkeypatch.setattr(payback, "MOST_PURCHASES", 1)
    found = kw.report(None, came_back, models[0], kw.KnownAmount(30.0), SHOP, **given)
    assert "How many single customers pay back is left out: 20,000 simulated customers" in (
        found.path.read_text(encoding="utf-8")
    )
    assert value_of(found.table, "New customers", "Paid back after")["value"] > 0
    assert "Single customers who pay back" not in found.table["item"].tolist()


def test_phases_and_stakes_are_told_as_they_are(html):
    text = " ".join(html.split())
    assert "Cooling: has bought once, and the doubt is over; or has bought again, and" in text
    assert "for those who have bought once, not before the doubt is over" in text
    assert "what the silence has cost, and not what an offer would bring" in text
    assert "would be regained" not in text


def test_customers_who_cost_more_than_they_bring(tmp_path, models, base):
    shop = kw.Economics(
        margin=kw.PerCustomer("margin"),
        annual_discount_rate=0.1,
        annual_retention_cost=2000.0,
        retention_rule=kw.EveryoneFor(kw.years(1)),
        acquisition_cost={"search": 8.0, "social": 12.0},
    )
    some = base.take(np.arange(30))
    customers = pd.DataFrame({"customer_id": some.customer_id, "margin": 0.2, "channel": "search"})
    found = kw.report(
        kw.datasets.cdnow(),
        some,
        models[0],
        models[1],
        shop,
        horizon=AHEAD,
        path=tmp_path / "page.html",
        customers=customers,
        futures=10,
    )
    source = found.path.read_text(encoding="utf-8")
    assert "more than they bring" in source
    assert "no value to be shared" in source
    assert "per customer, from the column “margin”" in source
    assert "What a new customer is worth is left out: margin is PerCustomer" in source
    costs = value_of(found.table, "What was assumed", "Cost of winning a customer, social")
    assert (costs["value"], costs["shown"]) == (12.0, "12.00")
    unprofitable = value_of(found.table, "What the base is worth", "Not worth their cost")
    assert unprofitable["value"] == 30


def test_opportunities(tmp_path):
    base = kw.OpportunityHistories.from_counts(kw.datasets.donations(), every=kw.years(1)).take(
        np.arange(0, 11_104, 50)
    )
    found = kw.report(
        None,
        base,
        kw.fixed(kw.BGBB.Parameters(alpha=1.2, beta=0.75, gamma=0.66, delta=2.8)),
        kw.KnownAmount(50.0),
        SHOP,
        horizon=kw.opportunities(5),
        path=tmp_path / "page.html",
        rules=kw.PhaseRules(horizon=kw.opportunities(3), welcome=kw.opportunities(1)),
        futures=20,
    )
    used = value_of(found.table, "The customers", "Opportunities used")
    assert used["value"] == pytest.approx(base.frequency.sum() / base.opportunities.sum())
    assert value_of(found.table, "What was assumed", "How far ahead")["shown"] == "5 opportunities"


def test_a_posterior_with_problems_is_announced_first(tmp_path, models, base):
    bad = replace(models[0], diagnostics=replace(models[0].diagnostics, pareto_k=0.9))
    path = tmp_path / "page.html"
    kw.report(None, base.take(np.arange(9)), bad, kw.KnownAmount(9.0), SHOP, horizon=AHEAD, path=path, futures=10)
    source = path.read_text(encoding="utf-8")
    assert source.index('role="alert"') < source.index('class="figures"')
    assert "Pareto k of the importance weights is 0.90" in source


UNTYPED: Any = kw  # type checkers would refuse some of these calls
GOOD: dict[str, Any] = {"economics": SHOP, "horizon": AHEAD, "spend": kw.KnownAmount(9.0), "log": None}
BAD: dict[str, Any] = {
    "contracts": (SpecificationError, "about customers who buy", {"purchases": contracts.fixed(0.7, 1.2)}),
    "spend": (SpecificationError, "spend must be", {"spend": 9.0}),
    "economics": (SpecificationError, "economics must be", {"economics": 0.3}),
    "a bare number": (DurationError, "horizon takes a Duration", {"horizon": 3}),
    "another clock": (DurationError, "weeks", {"horizon": kw.opportunities(3)}),
    "no folder": (SpecificationError, "does not exist", {"path": "/no/such/folder/page.html"}),
    "a folder": (SpecificationError, "is a folder", {"path": "/"}),
    "no path": (SpecificationError, "path is where", {"path": None}),
    "title": (SpecificationError, "title is the heading", {"title": " "}),
    "how many": (SpecificationError, "warnings is how many", {"warnings": -1}),
    "seed": (SpecificationError, "seed must be a whole number", {"seed": 0.5}),
    "interval": (SpecificationError, "interval is a probability", {"interval": 90}),
    "no histories": (DataError, "expected CustomerHistories", {"histories": [1]}),
    "nobody": (DataError, "no customers", {"histories": cdnow.histories().take([])}),
    "a hold-out without a log": (MissingInformationError, "holdout_until needs", {"holdout_until": "1998-06-30"}),
}


@pytest.mark.parametrize("kind,words,change", BAD.values(), ids=BAD)
def test_bad_input_is_refused_and_nothing_is_written(kind, words, change, models, base, tmp_path):
    path = tmp_path / "page.html"
    given = GOOD | {"histories": base.take(np.arange(5)), "purchases": models[0], "path": path, "futures": 10} | change
    log, histories, purchases, spend, economics = (
        given.pop(name) for name in ("log", "histories", "purchases", "spend", "economics")
    )
    with pytest.raises(kind, match=words):
        UNTYPED.report(log, histories, purchases, spend, economics, **given)
    assert not path.exists()


def test_numbers_as_people_write_them():
    written = [
        (Measure.COUNT, 2357.0, "2,357"),
        (Measure.MONEY, 33614.4, "33,614"),
        (Measure.MONEY, -14.261, "−14.26"),
        (Measure.MONEY, -0.001, "0.00"),
        (Measure.SHARE, 0.7260, "73"),
        (Measure.SHARE, 0.0625, "6.2"),
        (Measure.SHARE, 1.0, "100"),
        (Measure.NUMBER, 9.2537, "9.25"),
        (Measure.NUMBER, 6320.8, "6,321"),
        (Measure.NUMBER, np.inf, "never"),
        (Measure.NUMBER, np.nan, "unknown"),
    ]
    assert [measure.written(value) for measure, value, _ in written] == [text for *_, text in written]


def test_control_characters_and_halves_of_characters_have_no_place_on_a_page():
    source = page_of("a\nb\tc\x00\x1b\udc80é", "", figures=(), alarms=(), sections=(), footer="")
    assert "<h1>a b c���é</h1>" in source
    source.encode()


@pytest.fixture(scope="session")
def browser() -> str:
    """A browser without a window."""
    return find_browser()


def test_a_browser_shows_the_page(browser, report, html, tmp_path):
    dom, console = browse(browser, report.path, tmp_path / "first", "--dump-dom")
    assert console == []
    assert "<title>What our customers are worth</title>" in dom
    assert all(f'<section id="{key}"' in dom for key in KEYS)

    for seen in measure(browser, html, tmp_path, [320, 360, 768, 1280]):
        assert seen["title"] == "What our customers are worth"
        assert [key for key in seen["sections"] if key != "groups"] == KEYS
        assert seen["overflow"] <= 0
        assert seen["outside"] == []
        assert len(seen["pictures"]) == 6
        assert min(seen["pictures"]) > 150
        assert seen["smallest"] > 4
        assert seen["paper"] > 0.9
        assert seen["contrast"] > 4.5

    picture = tmp_path / "picture.png"
    browse(browser, report.path, tmp_path / "second", f"--screenshot={picture}", "--window-size=1280,1600")
    pixels = plt.imread(picture)
    assert pixels.shape[:2] == (1600, 1280)
    assert pixels.std() > 0.05


def test_a_browser_shows_the_page_in_the_dark(browser, html, tmp_path):
    (seen,) = measure(browser, html, tmp_path, [900], "--blink-settings=preferredColorScheme=0")
    assert seen["paper"] < 0.05
    assert seen["contrast"] > 4.5


def test_a_browser_takes_names_literally(browser, hostile_html, tmp_path):
    (seen,) = measure(browser, hostile_html, tmp_path, [360])
    assert seen["scripts"] == seen["bold"] == 0
    assert set(HOSTILE) <= set(seen["labels"])
    assert seen["overflow"] <= 0
