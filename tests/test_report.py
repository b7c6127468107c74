"""The page: its numbers are those of the verbs, it needs nothing else, and it says what is true."""

import io
import re
import zipfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from matplotlib.figure import Figure

import kundenwert as kw
from kundenwert.economics.newcomers import payback
from kundenwert.errors import (
    DataError,
    DurationError,
    LogEndsEarlyWarning,
    MissingInformationError,
    SpecificationError,
)
from kundenwert.language import ENGLISH, language_of
from kundenwert.reporting import findings, remarks, writing
from kundenwert.reporting.facts import Fact, Measure, alike_below, alike_beside
from kundenwert.reporting.html import page as page_of
from kundenwert.reporting.totals import total_range
from tests import cdnow, contracts
from tests.customers import histories_of
from tests.pages import Page

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
    return cdnow.posterior("MBGNBD").thinned(50), cdnow.posterior("GammaGamma").thinned(50)


@pytest.fixture(scope="module")
def base():
    """Some customers of CDNOW."""
    return cdnow.sample(300)


@pytest.fixture(scope="module")
def told(models, base, tmp_path_factory) -> Any:
    """The page about them, and what it was made from."""
    path = tmp_path_factory.mktemp("report") / "customers.html"
    log = kw.datasets.cdnow()
    by = kw.acquisition_cohort(base, every=kw.months(1))
    kept = []

    def written(found: Any, title: str) -> Any:
        kept.append(found)
        return original(found, title)

    original = writing.written
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writing, "written", written)
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
    return found, kept[0]


@pytest.fixture(scope="module")
def report(told) -> Any:
    """The page about them."""
    return told[0]


@pytest.fixture(scope="module")
def german(told) -> Any:
    """The same in German: its source, and its numbers."""
    found = told[1]
    in_german = replace(found, asked=replace(found.asked, language=language_of("de")))
    return writing.written(in_german, "Was unsere Kunden wert sind")


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


@pytest.fixture
def quick(monkeypatch) -> None:
    """Pages whose pictures nobody looks at, and whose new customers are few."""

    def blank(_: Figure, file: io.StringIO, **__: object) -> None:
        file.write('<svg xmlns="http://www.w3.org/2000/svg"></svg>')

    monkeypatch.setattr(Figure, "savefig", blank)
    monkeypatch.setattr(findings, "NEW_FUTURES", 500)


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
    rate = value_of(table, "Can the numbers be trusted?", "Purchases a year")
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
    draws = rng.integers(0, 50, futures)
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
        wide = not row.lower == row.value == row.upper  # a range without width is not shown
        ends = (row.lower, row.upper) if wide else ()
        expected += [number for number in (row.value, *ends) if not np.isnan(number)]
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
    assert any(text.endswith(" <i>$</i>") for text in page.text["data"])
    assert any("<b>group</b>" in text for text in page.text["h2"])


@pytest.mark.slow
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


@pytest.mark.usefixtures("quick")
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


@pytest.mark.usefixtures("quick")
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


@pytest.mark.usefixtures("quick")
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
    assert "How many single customers pay back is left out: they would make too many purchases to be simulated" in (
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


@pytest.mark.usefixtures("quick")
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
    assert "What a new customer is worth is left out: it differs by channel" in source
    assert "PerCustomer" not in source
    costs = value_of(found.table, "What was assumed", "Cost of winning a customer, social")
    assert (costs["value"], costs["shown"]) == (12.0, "12.00")
    unprofitable = value_of(found.table, "What the base is worth", "Not worth their cost")
    assert unprofitable["value"] == 30


@pytest.mark.usefixtures("quick")
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


@pytest.mark.usefixtures("quick")
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
        (Measure.SHARE, 0.0, "0"),
        (Measure.SHARE, 0.0004, "< 0.1"),
        (Measure.SHARE, 0.9996, "> 99.9"),
        (Measure.NUMBER, 9.2537, "9.25"),
        (Measure.NUMBER, 6320.8, "6,321"),
        (Measure.NUMBER, np.inf, "never"),
        (Measure.NUMBER, np.nan, "unknown"),
    ]
    found = [Fact(item="", value=value, measure=measure).written(value, ENGLISH) for measure, value, _ in written]
    assert found == [text for *_, text in written]


def test_numbers_of_a_column_are_written_alike():
    def column(measure: Measure, *values: float, unit: str = "") -> list[str]:
        facts = (Fact(item="", value=value, measure=measure, unit=unit) for value in values)
        return [fact.shown(ENGLISH) for fact in alike_beside(facts)]

    assert column(Measure.MONEY, 1234.5, 9.999, 0.0) == ["1,234.50", "10.00", "0.00"]
    assert column(Measure.MONEY, 12345.6, 9.9) == ["12,346", "10"]
    assert column(Measure.MONEY, 1e9, 1.0, unit="JPY") == ["¥1,000,000,000", "¥1"]
    assert column(Measure.SHARE, 0.5, 0.05, 1.0) == ["50.0 %", "5.0 %", "100.0 %"]
    assert column(Measure.TIME, 12.34, 1.0, 130.0, unit="weeks") == ["12.3 weeks", "1.0 weeks", "130.0 weeks"]
    assert column(Measure.TIME, 12.0, 130.0, unit="days") == ["12 days", "130 days"]


def test_amounts_of_a_list_are_written_alike():
    facts = [Fact(item="", value=value, measure=Measure.MONEY, unit="EUR") for value in (33614.4, 14.2)]
    facts.append(Fact(item="", value=3.0, measure=Measure.COUNT))
    assert [fact.shown(ENGLISH) for fact in alike_below(facts)] == ["€33,614.40", "€14.20", "3"]
    assert [fact.shown(ENGLISH) for fact in alike_below(facts[:1])] == ["€33,614"]


def test_control_characters_and_halves_of_characters_have_no_place_on_a_page():
    source = page_of("a\nb\tc\x00\x1b\udc80é", "", figures=(), alarms=(), sections=(), footer="")
    assert "<h1>a b c���é</h1>" in source
    source.encode()


def test_the_page_in_german_holds_the_same_numbers(report, german):
    source, table = german
    for name in ("value", "lower", "upper"):
        np.testing.assert_array_equal(table[name], report.table[name])
    assert table["unit"].tolist() == report.table["unit"].tolist()
    assert [number for _, number in Page(source).data] == [
        number for _, number in Page(report.path.read_text(encoding="utf-8")).data
    ]
    revenue = value_of(table, "Was Kunden bisher eingebracht haben", "Umsatz")
    english = f"{revenue['value']:,.2f}"
    assert revenue["shown"] == english.translate(str.maketrans(",.", ".,")) + "\xa0$"
    assert value_of(table, "Was angenommen wurde", "Kosten der Gewinnung eines Kunden")["shown"] == "12,00\xa0$"
    assert value_of(table, "Kann man den Zahlen trauen?", "Getätigte Käufe")["value"] > 0


def test_the_page_in_german_is_german_throughout(report, german):
    source, table = german
    assert source.startswith('<!DOCTYPE html>\n<html lang="de">')
    for name in ("section", "meaning"):
        assert set(table[name]) & set(report.table[name]) == set()
    english = {text for texts in Page(report.path.read_text(encoding="utf-8")).text.values() for text in texts}
    both = english & {text for texts in Page(source).text.values() for text in texts}
    words = {text for text in both if re.search(r"[A-Za-z]{3}", text)}
    words = {text for text in words if not text.startswith((":root", "\n"))}  # the style
    assert words <= {"Segment", "Phase", "Segmente", "Phasen"}
    assert "30.09.1997" in source
    assert "Sep 30, 1997" not in source


def test_a_language_that_is_not_there_is_refused(models, base, tmp_path):
    path = tmp_path / "page.html"
    with pytest.raises(SpecificationError, match="language takes one of 'en', 'de', got 'fr'"):
        kw.report(
            None, base.take(range(5)), models[0], kw.KnownAmount(9.0), SHOP, horizon=AHEAD, path=path, language="fr"
        )
    assert not path.exists()


@pytest.mark.parametrize("which", ["html", "hostile_html", "in German"])
def test_no_word_on_the_page_is_one_of_python(which, request):
    source = request.getfixturevalue("german")[0] if which == "in German" else request.getfixturevalue(which)
    page = Page(source)
    text = " ".join(text for tag, texts in page.text.items() if tag not in {"style", "bdi"} for text in texts)
    assert not re.search(r"kundenwert[.]|\w=\w|\w\(\w|Estimate|\bNone\b|\bTrue\b|<\w+ object", text)
    for name in ("MBGNBD", "GammaGamma", "PerCustomer", "EveryoneFor", "mean_rate", "_", "holdout_until"):
        assert name not in text, name


@pytest.mark.usefixtures("quick")
def test_rules_and_terms_are_said_in_words(models, base, tmp_path):
    shop = kw.Economics(
        margin=kw.Growing(start=0.3, annual_growth_rate=-0.02),
        annual_discount_rate=kw.Schedule([0.1, 0.08], every=kw.years(1)),
        annual_retention_cost=0.5,
        retention_rule=kw.WhileReturnProbabilityAbove(threshold=0.25, horizon=kw.months(6)),
        discounting=kw.EndOfPeriod(kw.months(1)),
    )
    found = kw.report(
        None,
        base.take(np.arange(5)),
        models[0],
        kw.KnownAmount(30.0),
        shop,
        horizon=AHEAD,
        path=tmp_path / "page.html",
        futures=10,
    )
    shown = found.table[found.table["section"] == "What was assumed"].set_index("item")["shown"]
    assert shown["Margin"] == "30 % now, changing by −2 % a year"
    assert shown["Discount rate"] == "10 %, 8 %: each for 1 year, the last from then on"
    assert shown["Whom the firm serves"] == "who buys within 6 months with a probability of more than 25 %"
    assert shown["Money counts"] == "at the end of each period of 1 month"


def test_a_customer_has_one_mean(report):
    """Simulated futures tell the range of what really comes; their mean is that of the formula, but for their error."""
    worth = report.table[report.table["section"] == "What the base is worth"].set_index("item")["value"]
    assert worth["What will really come"] == worth["Expected value of all customers"]
    assert worth["What a typical customer will really bring"] == worth["Expected value of a typical customer"]


def channels(base: Any) -> pd.DataFrame:
    """A table of customers who came by three channels."""
    names = np.resize(["search", "social", "<b>mail</b>"], len(base))
    return pd.DataFrame({"customer_id": base.customer_id, "channel": names})


HIGHEST = ["highest_acquisition_cost", "highest_acquisition_cost_lower", "highest_acquisition_cost_upper"]
BY_CHANNEL = replace(SHOP, acquisition_cost={"search": 20.0, "social": 10.0, "<b>mail</b>": 5.0})


@pytest.mark.usefixtures("quick")
def test_what_a_new_customer_may_cost_is_not_told_for_all_channels_at_once(models, base, tmp_path):
    some = base.take(np.arange(30))
    found = kw.report(
        None,
        some,
        models[0],
        kw.KnownAmount(30.0),
        BY_CHANNEL,
        horizon=AHEAD,
        path=tmp_path / "page.html",
        customers=channels(some),
        by="channel",
        futures=10,
    )
    told = found.table[found.table["section"] == "New customers"]["item"].tolist()
    assert told == ["Buy a second time", "Time to the second purchase"]
    source = found.path.read_text(encoding="utf-8")
    assert "it differs by channel" in source
    assert "may cost" not in source[source.index('id="newcomers"') : source.index('id="trust"')]
    assert value_of(found.table, "By channel", "search: customers")["value"] == 10


@pytest.mark.usefixtures("quick")
def test_channels_with_fits_of_their_own_are_told_one_by_one(models, base, tmp_path):
    some = base.take(np.arange(30))
    slow = kw.fixed(kw.MBGNBD.Parameters(r=0.5, alpha=20.0, a=0.9, b=1.7, unit="week"))
    new = kw.new_customer_value(
        {"search": models[0], "social": slow, "<b>mail</b>": slow},
        kw.KnownAmount(30.0),
        BY_CHANNEL,
        horizon=AHEAD,
        first_purchase=True,
        futures=200,
    )
    given: dict[str, Any] = {"horizon": AHEAD, "path": tmp_path / "page.html", "futures": 10}
    found = kw.report(
        None,
        some,
        models[0],
        kw.KnownAmount(30.0),
        BY_CHANNEL,
        customers=channels(some),
        by="channel",
        new_customers=new,
        **given,
    )
    for name, row in new.table.iterrows():
        worth = value_of(found.table, "New customers", f"{name}: value when they come")
        np.testing.assert_array_equal(ends(worth), row[HIGHEST].astype(float))
        assert value_of(found.table, "New customers", f"{name}: cost of winning")["value"] == row["acquisition_cost"]
        assert value_of(found.table, "New customers", f"{name}: what is left")["value"] == row["mean"]
        back = value_of(found.table, "New customers", f"{name}: paid back after")["value"]
        assert back == new.payback.xs(str(name))["median"]["average customer"]
    assert "<b>mail</b>" not in found.path.read_text(encoding="utf-8")
    with pytest.raises(SpecificationError, match=r"horizon=years\(1\)"):
        kw.report(
            None, some, models[0], kw.KnownAmount(30.0), SHOP, new_customers=new, **(given | {"horizon": kw.years(1)})
        )
    with pytest.raises(SpecificationError, match="new_customers takes what"):
        UNTYPED.report(None, some, models[0], kw.KnownAmount(30.0), SHOP, new_customers=new.table, **given)
    with pytest.raises(MissingInformationError, match="by='channel' names a column"):
        kw.report(None, some, models[0], kw.KnownAmount(30.0), SHOP, by="channel", **given)


@pytest.mark.usefixtures("quick")
def test_a_single_customer_who_pays_in_yen(tmp_path):
    base = histories_of(np.array([2]), 24.0, 34.0, unit="week", customer_id=["only one"])
    purchases = kw.fixed(kw.MBGNBD.Parameters(r=0.525, alpha=6.183, a=0.891, b=1.614, unit="week"))
    shop = kw.Economics(margin=0.3, annual_discount_rate=0.1, currency="JPY")
    path = tmp_path / "page.html"
    found = kw.report(None, base, purchases, kw.KnownAmount(1e9), shop, horizon=AHEAD, path=path, futures=500)
    really = value_of(found.table, "What the base is worth", "What will really come")
    assert really["lower"] == 0  # who buys nothing costs nothing
    assert really["lower"] < really["value"] < really["upper"]
    assert re.fullmatch(r"¥[\d,]+", really["shown"])
    source = found.path.read_text(encoding="utf-8")
    assert "1 customer has made 3 purchases." in source
    assert "1 customers" not in source


def test_a_sum_over_few_customers_is_not_normal():
    """Three customers who bring 10 with a probability of a tenth, and nothing otherwise: the sum is binomial."""
    futures = np.zeros((1, 1000))
    futures[0, :100] = 10.0
    single: Any = SimpleNamespace(index=np.zeros(3, dtype=int), of_rows=lambda summary: summary(futures))
    spread = pd.Series(np.full(3, 3.0))
    found = total_range(np.array([3.0]), single, spread, interval=0.9, seed=1)
    # P(0) = .729, P(10) = .243, P(20 or more) = .028: so the 5 % quantile is 0 and the 95 % quantile 10
    assert (found.mean, found.lower, found.upper) == (3.0, 0.0, 10.0)
    many: Any = SimpleNamespace(index=np.zeros(3000, dtype=int))
    wide = total_range(np.array([3000.0]), many, pd.Series(np.full(3000, 3.0)), interval=0.9, seed=1)
    assert wide.upper - wide.mean == pytest.approx(1.6449 * 3 * np.sqrt(3000), rel=1e-3)


@pytest.mark.usefixtures("quick")
def test_remarks_of_fits_and_of_the_log_are_on_the_page(models, base, tmp_path):
    notes = (
        "12 of 350 repeat purchases cost nothing and do not enter the likelihood: what is expected is …",
        "Something that use(this=argument) says.",
    )
    noted = replace(models[1], diagnostics=replace(models[1].diagnostics, notes=notes))
    found = kw.report(
        None, base.take(np.arange(9)), models[0], noted, SHOP, horizon=AHEAD, path=tmp_path / "page.html", futures=10
    )
    source = found.path.read_text(encoding="utf-8")
    assert "Repeat purchases that cost nothing: 12 of 350." in source
    assert "There is a technical remark" in source
    assert "argument" not in source


def test_templates_travel_with_the_wheel(tmp_path):
    from hatchling.builders.wheel import WheelBuilder

    root = Path(kw.__file__).parents[2]
    if not (root / "pyproject.toml").exists():
        pytest.skip("the package is installed without its source")
    (path,) = WheelBuilder(str(root)).build(directory=str(tmp_path), versions=["standard"])
    names = set(zipfile.ZipFile(path).namelist())
    for name in ("reporting/templates/page.html.jinja", "reporting/templates/blocks.html.jinja", "language/de.po"):
        assert f"kundenwert/{name}" in names
    assert "kundenwert/reporting/templates/style.css" in names


@pytest.mark.usefixtures("quick")
def test_what_looks_wrong_with_the_log_is_on_the_page(models, base, tmp_path):
    some = base.take(np.arange(9))
    findings_of_log = {"GuestIdWarning": "customer 'x' …; kundenwert.summarize(…)", "UnheardOfWarning": "call f(x=1)"}
    odd = replace(some, audit=replace(some.audit, findings=findings_of_log))
    page = tmp_path / "page.html"
    kw.report(None, odd, models[0], kw.KnownAmount(30.0), SHOP, horizon=AHEAD, path=page, futures=10)
    source = page.read_text(encoding="utf-8")
    assert "it seems to stand for many people" in source
    assert "Something looks wrong with the log" in source
    assert "summarize" not in source


def test_every_warning_of_a_log_has_words_for_those_who_decide():
    named = {kind.__name__ for kind in kw.errors.LogWarning.__subclasses__()}
    assert named <= set(remarks.FINDINGS)


@pytest.mark.usefixtures("quick")
def test_a_log_that_ends_long_before_the_hold_out_is_told_of_on_the_page(base, models, tmp_path):
    """And a log that gives its rows only once is read as often as the page needs."""
    cut = kw.datasets.cdnow().query("date <= '1997-12-31'")
    ways = pa.Table.from_pandas(cut, preserve_index=False).to_reader()
    with pytest.warns(LogEndsEarlyWarning, match="give until='1997-12-31'") as told:
        kw.report(
            ways,
            base.take(np.arange(60)),
            models[0],
            models[1],
            SHOP,
            horizon=AHEAD,
            path=tmp_path / "page.html",
            holdout_until="1998-06-30",
            futures=20,
        )
    assert told[0].filename == __file__
    assert "The log ends long before the day up to which" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_the_share_of_buyers_has_a_range_and_a_verdict(told, models, base):
    """Against simulated futures: a share of the customers, each at their own chance, in a draw of the parameters."""
    report, found = told
    expected = value_of(report.table, "Can the numbers be trusted?", "Expected to buy")
    length = found.heldout.length
    p = models[0].draws.return_probability(base, horizon=length).to_numpy()[0]
    rng = np.random.default_rng(8)
    shares = [(rng.random(p.shape[1]) < p[rng.integers(len(p))]).mean() for _ in range(4000)]
    assert expected["value"] == pytest.approx(p.mean(), rel=1e-9)
    np.testing.assert_allclose(ends(expected)[1:], np.quantile(shares, [0.05, 0.95]), atol=0.006)

    def said(returned):
        held = replace(found.heldout, returned=returned)
        source, _ = writing.written(replace(found, heldout=held), "Customers")
        return re.findall(r"In the hold-out (\S+ %) of the customers bought.*?(too low|too high)", source)

    assert said(expected["value"]) == []
    assert said(0.01) == [("1.0 %", "too high")]
    assert said(0.99) == [("99.0 %", "too low")]
