"""Pictures: what is drawn agrees with the tables, on the axes given, and leaves nothing behind."""

import re
import sys
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import kundenwert as kw
from kundenwert.errors import DataError, DurationError, KundenwertError, MissingPackageError, SpecificationError
from kundenwert.plot import relationships
from kundenwert.plot.relationships import moves
from tests import cdnow, contracts
from tests.customers import histories_of

pytestmark = pytest.mark.filterwarnings("ignore:the campaign will hardly tell:kundenwert.errors.ComparisonWarning")

SHOP = kw.Economics(margin=0.3, annual_discount_rate=0.1, order_cost=1.0, acquisition_cost=12.0, currency="$")
THREE_YEARS = kw.years(3)
WITHIN = kw.weeks(13)


def plan_of(purchases: Any, base: Any) -> Any:
    """Whom to send a voucher, before any campaign."""
    campaign = kw.CampaignPosterior.from_prior(
        kw.CampaignResponse(assignment=kw.Randomised(), link=kw.HierarchicalLogit(effect=kw.Normal(0.6, 0.1))),
        offers=["voucher"],
        draws=20,
        seed=1,
    )
    return kw.plan_winback(
        purchases,
        kw.KnownAmount(35.0),
        base,
        SHOP,
        response=campaign,
        offers=[kw.Offer(label="voucher", contact_cost=0.2, redemption_cost=1.0)],
        window=WITHIN,
        budget=40.0,
        draws=50,
        seed=1,
    )


@pytest.fixture(scope="module")
def results() -> Any:
    """Results of all verbs that can be drawn, for a small base."""
    purchases, spend = cdnow.posterior("MBGNBD").thinned(20), cdnow.posterior("GammaGamma").thinned(20)
    base = cdnow.sample(300)
    to_date = kw.contribution_to_date(kw.datasets.cdnow(), base, SHOP)
    return {
        "values": kw.net_present_value(purchases, spend, base, SHOP, horizon=THREE_YEARS),
        "segmentation": kw.segment(purchases, spend, base, SHOP, to_date, horizon=THREE_YEARS, futures=50, seed=1),
        "phases": kw.phase(purchases, base),
        "new": kw.new_customer_value(
            purchases, spend, SHOP, horizon=THREE_YEARS, first_purchase=True, futures=200, seed=1
        ),
        "counts": kw.purchase_counts(purchases, base),
        "purchases": purchases,
        "base": base,
        "plan": plan_of(purchases, base.take(np.arange(80))),
        "curve": contracts.fixed(0.7, 1.2).survival_curve(up_to=kw.renewals(6)),
        "retention": contracts.fixed(0.7, 1.2).retention_curve(up_to=kw.renewals(6)),
    }


DRAW: dict[str, Any] = {
    "value_by_rank": lambda r, ax=None: kw.plot.value_by_rank(r["values"], currency="$", ax=ax),
    "lorenz": lambda r, ax=None: kw.plot.lorenz(r["values"], equity=r["segmentation"].equity, ax=ax),
    "payback": lambda r, ax=None: kw.plot.payback(r["new"], ax=ax),
    "segment_map": lambda r, ax=None: kw.plot.segment_map(r["segmentation"], ax=ax),
    "phase_flow": lambda r, ax=None: kw.plot.phase_flow(r["phases"], ax=ax),
    "purchase_counts": lambda r, ax=None: kw.plot.purchase_counts(r["counts"], ax=ax),
    "survival": lambda r, ax=None: kw.plot.survival(r["curve"], ax=ax),
    "retention": lambda r, ax=None: kw.plot.retention(r["retention"], ax=ax),
    "return_curves": lambda r, ax=None: kw.plot.return_curves(
        r["purchases"], r["base"], r["base"].customer_id[:3].tolist(), horizon=kw.weeks(26), ax=ax
    ),
    "states_in_silence": lambda r, ax=None: kw.plot.states_in_silence(
        r["purchases"], r["base"], r["base"].customer_id[0], horizon=kw.weeks(26), ax=ax
    ),
    "uplift": lambda r, ax=None: kw.plot.uplift(r["plan"], ax=ax),
    "profit_by_budget": lambda r, ax=None: kw.plot.profit_by_budget(r["plan"], budgets=[0, 20], ax=ax),
}


@pytest.fixture
def ax() -> Any:
    """Axes of a figure that pyplot knows nothing of."""
    return Figure(layout="constrained").add_subplot()


def test_every_picture_is_tested():
    assert set(DRAW) == set(kw.plot.__all__)


@pytest.mark.parametrize("draw", DRAW.values(), ids=DRAW)
def test_a_picture_is_drawn_on_the_axes_given_and_nowhere_else(draw, results, ax, tmp_path):
    before = dict(mpl.rcParams)
    assert draw(results, ax) is ax
    assert plt.get_fignums() == []
    assert dict(mpl.rcParams) == before
    assert ax.get_xlabel()
    assert ax.get_ylabel() or ax.get_yticklabels()
    ax.figure.savefig(tmp_path / "picture.png")  # a warning, such as a label that does not fit, is an error
    assert (tmp_path / "picture.png").stat().st_size > 5000


@pytest.mark.parametrize("draw", DRAW.values(), ids=DRAW)
def test_no_label_is_cut_off_and_no_legend_hides_a_line(draw, results):
    figure = Figure(figsize=(6.4, 4.4), layout="constrained")  # as without axes
    ax = draw(results, figure.add_subplot())
    figure.draw_without_rendering()
    legend = ax.get_legend()
    for text in (ax.xaxis.label, ax.yaxis.label, *ax.texts, *(() if legend is None else legend.get_texts())):
        if not text.get_text():
            continue
        box = text.get_window_extent()
        assert figure.bbox.x0 - 1 <= box.x0 <= box.x1 <= figure.bbox.x1 + 1, text
        assert figure.bbox.y0 - 1 <= box.y0 <= box.y1 <= figure.bbox.y1 + 1, text
    if legend is not None:
        around = legend.get_window_extent()
        for line in ax.lines:
            points = line.get_transform().transform(np.column_stack(line.get_data(orig=False)))
            inside = (points > around.p0).all(axis=1) & (points < around.p1).all(axis=1)
            assert not inside.any(), line


@pytest.mark.parametrize("draw", DRAW.values(), ids=DRAW)
def test_without_axes_a_figure_is_made_that_can_be_closed(draw, results):
    made = draw(results)
    assert plt.get_fignums() == [made.figure.number]
    plt.close(made.figure)
    assert plt.get_fignums() == []


def test_value_by_rank_shows_the_values_of_the_table(results, ax):
    kw.plot.value_by_rank(results["values"], currency="$", ax=ax)
    line = ax.lines[0]
    ranked = results["values"].sort_values("mean", ascending=False)
    rank = line.get_xdata().astype(int)
    assert rank[0] == 1
    assert rank[-1] == len(ranked)
    assert len(rank) <= 400
    np.testing.assert_array_equal(line.get_ydata(), ranked["mean"].to_numpy()[rank - 1])
    edges = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert edges.max() == ranked["upper"].to_numpy()[rank - 1].max()
    assert edges.min() == ranked["lower"].to_numpy()[rank - 1].min()
    assert "$" in ax.get_ylabel()


def test_all_customers_are_drawn_if_they_are_few(ax):
    values = pd.DataFrame({"mean": [1.0, -2.0, 5.0], "lower": [0.5, -3.0, 4.0], "upper": [2.0, -1.0, 6.0]})
    kw.plot.value_by_rank(values, ax=ax)
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), [5.0, 1.0, -2.0])


def test_lorenz_curve_by_hand(ax):
    values = pd.DataFrame({"mean": [1.0, 6.0, 0.0, 3.0, 0.0]})
    kw.plot.lorenz(values, top=0.2, ax=ax)
    curve = ax.lines[1]
    np.testing.assert_allclose(curve.get_xdata(), [0, 0.2, 0.4, 0.6, 0.8, 1.0])
    np.testing.assert_allclose(curve.get_ydata(), [0, 0.6, 0.9, 1.0, 1.0, 1.0])
    assert "the best 20 % hold 60 %" in {text.get_text() for text in ax.texts}


def test_lorenz_curve_with_customers_who_cost_more_than_they_bring(ax):
    values = pd.DataFrame({"mean": [8.0, 2.0, -1.0, -4.0]})
    kw.plot.lorenz(values, top=0.75, ax=ax)
    np.testing.assert_allclose(ax.lines[1].get_ydata(), [0, 0.8, 1.0, 0.9, 0.5])
    assert "the best 75 % hold 100 %" in {text.get_text() for text in ax.texts}  # as in the table of concentration
    with pytest.raises(DataError, match="no value to be shared"):
        kw.plot.lorenz(pd.DataFrame({"mean": [-1.0, -2.0]}), ax=ax)


def test_lorenz_curve_agrees_with_the_table_of_concentration(results, ax):
    equity = results["segmentation"].equity
    kw.plot.lorenz(results["values"], equity=equity, ax=ax)
    marked = ax.lines[-1]
    assert marked.get_xdata()[0] == 0.2
    assert marked.get_ydata()[0] == equity.concentration["share"][0.2]
    curve = ax.lines[1]
    at = np.interp(equity.concentration.index, curve.get_xdata(), curve.get_ydata())
    np.testing.assert_allclose(at, equity.concentration["share"], atol=0.02)
    intervals = next(bars for bars in ax.collections if bars.get_label() == "90 % interval").get_segments()
    np.testing.assert_array_equal(
        [segment[:, 1] for segment in intervals], equity.concentration[["share_lower", "share_upper"]]
    )


def test_payback_shows_curve_cost_and_time(results, ax):
    new = results["new"]
    kw.plot.payback(new, ax=ax)
    curve = new.curve()
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), curve.index)
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), curve["mean"])
    assert set(ax.lines[1].get_ydata()) == {12.0}
    time = new.payback["median"]["average customer"]
    assert 0 < time < np.inf
    assert (ax.lines[2].get_xdata()[0], ax.lines[2].get_ydata()[0]) == (time, 12.0)


def test_payback_of_channels(ax):
    purchases = cdnow.posterior("MBGNBD").thinned(50)
    shop = kw.Economics(margin=0.3, annual_discount_rate=0.1, acquisition_cost={"A$_{x}$": 5.0, "b": 99.0})
    new = kw.new_customer_value(
        {"A$_{x}$": purchases, "b": purchases},
        kw.KnownAmount(30.0),
        shop,
        horizon=kw.years(1),
        first_purchase=False,
        futures=0,
    )
    kw.plot.payback(new, currency="EUR", ax=ax)
    labels = [line.get_label() for line in ax.lines]
    assert labels[0] == "A$_{x}$"
    assert sum("acquisition cost" in label for label in labels) == 2
    assert not any(text.get_parse_math() for text in ax.get_legend().get_texts())
    assert sum(len(line.get_xdata()) == 1 for line in ax.lines) == 1  # only one of them pays back
    assert "EUR" in ax.get_ylabel()


def test_segment_map_shows_every_customer_once(results, ax):
    segmentation = results["segmentation"]
    kw.plot.segment_map(segmentation, ax=ax)
    clouds = {line.get_label().partition(" (")[0]: line for line in ax.lines if "(" in str(line.get_label())}
    for segment, members in segmentation.table.groupby("segment", observed=False):
        np.testing.assert_array_equal(clouds[segment].get_xdata(), members["contribution"])
        np.testing.assert_array_equal(clouds[segment].get_ydata(), members["expected"])
    assert len({line.get_color() for line in clouds.values()}) == 4
    assert len({line.get_marker() for line in clouds.values()}) == 4  # not by colour alone
    thresholds = [segmentation.contribution_from, segmentation.value_from]
    assert [ax.lines[0].get_xdata()[0], ax.lines[1].get_ydata()[0]] == thresholds


def test_a_map_of_many_customers_is_an_image_within_the_picture(results, ax, monkeypatch, tmp_path):
    monkeypatch.setattr(relationships, "MOST_IN_VECTORS", 100)
    kw.plot.segment_map(results["segmentation"], ax=ax)
    ax.figure.savefig(tmp_path / "map.svg")
    source = (tmp_path / "map.svg").read_text(encoding="utf-8")
    assert source.count("data:image/png;base64") == 1
    assert source.count("<use") < 300  # letters and ticks, and none of the 600 customers


def test_phase_flow_counts_who_moves_on(results, ax):
    phases = results["phases"]
    kw.plot.phase_flow(phases, unit="week", within=WITHIN, ax=ax)
    bars = ax.containers
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == ["first purchase", "doubt", "established", "cooling", "lapsed"]
    for name, stay, go in zip(names, bars[0], bars[1], strict=True):
        here = phases[phases["phase"] == name]
        soon = (here["in_time"] <= 13).sum()
        assert go.get_width() == soon
        assert stay.get_width() == len(here) - soon
        assert go.get_visible() == (soon > 0)
    assert (phases["phase"] == "established").sum() > bars[1][2].get_width() > 0


def test_the_table_of_phases_knows_its_unit(results, ax):
    phases = results["phases"]
    kw.plot.phase_flow(phases, ax=ax)
    assert ax.get_xlabel() == "customers (hatched: moving on within 13 weeks)"
    given: Any = Figure().add_subplot()
    kw.plot.phase_flow(phases, unit="week", within=WITHIN, ax=given)
    for mine, theirs in zip(ax.patches, given.patches, strict=True):
        assert mine.get_width() == theirs.get_width()
    nameless = phases.copy()
    nameless.attrs = {}
    with pytest.raises(SpecificationError, match=r"unit=purchases\.unit"):
        kw.plot.phase_flow(nameless, ax=ax)


def test_moves_follow_the_time_and_its_unit(results):
    phases = results["phases"]
    by_weeks, by_days = (moves(phases, unit="week", within=within) for within in (kw.weeks(4), kw.days(28)))
    pd.testing.assert_frame_equal(by_weeks, by_days)
    assert by_weeks["customers"].sum() == len(phases)
    assert (moves(phases, unit="week", within=WITHIN)["moving"] >= by_weeks["moving"]).all()
    assert by_weeks["to"]["cooling"] == "lapsed"
    assert by_weeks["to"]["lapsed"] == ""


def test_purchase_counts_are_those_of_the_table(results, ax):
    counts = results["counts"]
    kw.plot.purchase_counts(counts, ax=ax)
    assert [bar.get_height() for bar in ax.patches] == counts["observed"].tolist()
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), counts["expected"])
    np.testing.assert_array_equal(
        [segment[:, 1] for segment in ax.collections[0].get_segments()], counts[["lower", "upper"]]
    )


def test_curves_of_contracts(results, ax):
    kw.plot.survival(results["curve"], ax=ax)
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), results["curve"]["mean"])
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), np.arange(7))
    both = pd.concat({"old": results["retention"], "new": results["retention"]}, names=["cohort", "renewal"])
    axes = Figure().add_subplot()
    kw.plot.retention(both, ax=axes)
    assert [line.get_label() for line in axes.lines] == ["old", "new"]


UNTYPED: Any = kw.plot  # type checkers would refuse some of these calls
BAD: dict[str, Any] = {
    "no table": (DataError, lambda _: UNTYPED.value_by_rank([1.0])),
    "no column": (DataError, lambda r: UNTYPED.value_by_rank(r["values"][["mean"]])),
    "no rows": (DataError, lambda r: UNTYPED.lorenz(r["values"].head(0))),
    "not a number": (DataError, lambda r: UNTYPED.lorenz(r["values"] * np.nan)),
    "top in per cent": (SpecificationError, lambda r: UNTYPED.lorenz(r["values"], top=20)),
    "axes": (SpecificationError, lambda r: UNTYPED.lorenz(r["values"], ax=Figure())),
    "currency": (SpecificationError, lambda r: UNTYPED.value_by_rank(r["values"], currency=3)),
    "another result": (DataError, lambda r: UNTYPED.payback(r["values"])),
    "no segmentation": (DataError, lambda r: UNTYPED.segment_map(r["values"])),
    "no phases": (DataError, lambda r: UNTYPED.phase_flow(r["values"], unit="week", within=WITHIN)),
    "a bare number": (DurationError, lambda r: UNTYPED.phase_flow(r["phases"], unit="week", within=13)),
    "no time": (DurationError, lambda r: UNTYPED.phase_flow(r["phases"], unit="week", within=kw.weeks(0))),
    "no counts": (DataError, lambda r: UNTYPED.purchase_counts(r["values"])),
    "no curve": (DataError, lambda r: UNTYPED.survival(r["counts"])),
}


@pytest.mark.parametrize("kind,call", BAD.values(), ids=BAD)
def test_bad_input_is_an_error_that_leaves_no_figure(kind, call, results):
    with pytest.raises(kind) as caught:
        call(results)
    assert isinstance(caught.value, KundenwertError)
    assert plt.get_fignums() == []


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch, results):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingPackageError, match=r"pip install kundenwert\[plot\]") as caught:
        kw.plot.lorenz(results["values"])
    assert isinstance(caught.value, ImportError)


def test_return_curves_are_return_probabilities(results, ax):
    purchases, base = results["purchases"], results["base"]
    kw.plot.return_curves(purchases, base, base.customer_id[:2].tolist(), horizon=kw.weeks(26), ax=ax)
    wanted = purchases.return_probability(base, horizon=kw.weeks(26))["mean"].iloc[:2]
    assert [line.get_ydata()[-1] for line in ax.lines[:2]] == pytest.approx(wanted.tolist())
    assert [line.get_ydata()[0] for line in ax.lines[:2]] == [0, 0]


def test_return_curves_take_one_customer_as_their_sibling_does(results, ax):
    purchases, base = results["purchases"], results["base"]
    one = base.customer_id[0]
    kw.plot.return_curves(purchases, base, one, ax=ax)
    wanted = purchases.return_probability(base.take([0]), horizon=kw.years(1))["mean"].iloc[0]
    assert ax.lines[0].get_ydata()[-1] == pytest.approx(wanted)
    named = histories_of(np.array([3, 1]), 20.0, 30.0, unit="week", customer_id=["ab", "c"])
    other = Figure().add_subplot()
    kw.plot.return_curves(purchases, named, "ab", horizon=kw.weeks(4), ax=other)
    assert [line.get_label() for line in other.lines] == ["ab: 4 purchases, silent for 10 weeks"]
    kw.plot.states_in_silence(purchases, named, "ab", ax=Figure().add_subplot())


def test_states_sum_to_one_and_are_those_of_today_where_today_is(results, ax):
    purchases, base = results["purchases"], results["base"]
    kw.plot.states_in_silence(purchases, base, base.customer_id[0], horizon=kw.weeks(26), ax=ax)
    top = ax.collections[-1].get_paths()[0].vertices[:, 1]
    assert top.max() == pytest.approx(1)


def test_uplift_shows_every_customer_of_the_plan(results, ax):
    plan = results["plan"]
    kw.plot.uplift(plan, ax=ax)
    drawn = {line.get_label(): len(line.get_xdata()) for line in ax.lines if len(line.get_xdata()) > 2}
    counts = plan.table["decision"].value_counts()
    assert drawn == {name: number for name, number in counts.items() if number > 2 and name in drawn}
    assert sum(drawn.values()) >= len(plan.table) - 4


def test_uplift_names_the_offer_of_each_curve(results, ax):
    kw.plot.uplift(results["plan"], ax=ax)
    assert [text.get_text() for text in ax.texts] == ["voucher"]


def test_pictures_speak_german(results):
    for draw in (
        lambda ax: kw.plot.lorenz(results["values"], language="de", ax=ax),
        lambda ax: kw.plot.payback(results["new"], currency="EUR", language="de", ax=ax),
        lambda ax: kw.plot.phase_flow(results["phases"], language="de", ax=ax),
    ):
        axes = Figure().add_subplot()
        draw(axes)
        words = " ".join([axes.get_xlabel(), axes.get_ylabel(), *(text.get_text() for text in axes.texts)])
        assert re.search(r"besten|Deckungsbeitrag|Kunden", words)
        assert not re.search(r"best \d|contribution|customers", words)
    with pytest.raises(SpecificationError, match="language takes one of 'en', 'de', got 'fr'"):
        kw.plot.lorenz(results["values"], language="fr")


def test_few_customers_are_drawn_where_they_are(ax):
    values = pd.DataFrame({"mean": [8.0, 1.5, 0.5], "lower": [7.0, 1.0, 0.2], "upper": [9.0, 2.0, 1.0]})
    kw.plot.lorenz(values, ax=ax)
    assert (ax.lines[-1].get_xdata()[0], ax.lines[-1].get_ydata()[0]) == pytest.approx((1 / 3, 0.8))  # on the curve
    assert ax.texts[0].get_text() == "the best 33.3 % hold 80 %"
    ranks = Figure().add_subplot()
    kw.plot.value_by_rank(values, ax=ranks)
    assert ranks.get_xticks().tolist() == [1, 2, 3]
    assert ranks.get_ylim()[0] == 0


def test_profit_by_budget_is_the_table(results, ax):
    plan = results["plan"]
    kw.plot.profit_by_budget(plan, budgets=[0, 20, 40], ax=ax)
    np.testing.assert_allclose(ax.lines[0].get_ydata(), plan.profit_by_budget([0, 20, 40])["mean"])
    assert "$" in ax.get_ylabel()


def test_pictures_of_winback_refuse_what_they_cannot_draw(results, ax):
    with pytest.raises(DataError, match="plan must be a WinbackPlan"):
        kw.plot.uplift(results["values"], ax=ax)
    wrong: list[Any] = [[], ["a"], [-5.0, float("nan")]]
    for budgets in wrong:
        with pytest.raises(SpecificationError, match="budgets takes a list"):
            kw.plot.profit_by_budget(results["plan"], budgets=budgets, ax=ax)
    with pytest.raises(SpecificationError, match="expected 1 to 8"):
        kw.plot.return_curves(results["purchases"], results["base"], [], horizon=kw.weeks(26), ax=ax)
    with pytest.raises(DataError, match="must be a PurchasePosterior"):
        kw.plot.return_curves(results["plan"], results["base"], [1], horizon=kw.weeks(26), ax=ax)
