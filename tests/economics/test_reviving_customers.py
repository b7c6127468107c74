"""Values of customers who may be dormant: right where they can be told, and a clear word where they cannot."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

import kundenwert as kw
from kundenwert.errors import SpecificationError
from tests import cdnow
from tests.customers import with_draws
from tests.revivals import with_gaps
from tests.winback import reviving

SHOP = kw.Economics(margin=0.3, annual_discount_rate=0.15, order_cost=1.0, currency="USD")
AMOUNT = kw.KnownAmount(60.0)
LEAVES = 0.3 * 60 - 1
AHEAD = kw.years(3)
DELTA = math.log(1.15) * 7 / 365.25
DRAWS = {"r": [0.5, 0.7], "alpha": [5.0, 6.0], "a": 1.0, "b": [1.9, 2.2], "omega": [0.5, 0.3], "eta": [0.07, 0.04]}
POSTERIOR: Any = with_draws(kw.RevivalNBD, unit="week", **DRAWS)
KNOWN = reviving.known()


def base():
    """Some customers of CDNOW, with their gaps and amounts."""
    return cdnow.sample(40)


def log():
    """Their log."""
    whole = kw.datasets.cdnow()
    return whole[whole["customer_id"].isin(base().customer_id)]


def test_net_present_value_is_that_of_all_that_may_have_happened():
    found = kw.net_present_value(KNOWN, AMOUNT, reviving.customers(), SHOP, horizon=kw.LIFETIME)["mean"]
    for row in range(4):
        now = reviving.alternatives(reviving.THETA, 1, row)
        truth = LEAVES * sum(now.value(kind, DELTA) for kind in range(2))
        assert found.iloc[row] == pytest.approx(truth, rel=1e-7)


@pytest.mark.parametrize("horizon", [AHEAD, kw.LIFETIME], ids=repr)
def test_net_present_value_is_discounted_purchases_times_what_they_leave(horizon):
    found = kw.net_present_value(POSTERIOR, AMOUNT, base(), SHOP, horizon=horizon)
    bought = POSTERIOR.discounted_purchases(base(), annual_discount_rate=0.15, horizon=horizon)
    for name in ("mean", "lower", "upper"):
        assert found[name].to_numpy() == pytest.approx(LEAVES * bought[name].to_numpy(), rel=1e-6)


@pytest.mark.slow
def test_accounting_periods_and_service_for_everyone_are_taken_into_account():
    """Paid at the end of four weeks: later than continuously, by two weeks of interest about."""
    plain = kw.net_present_value(KNOWN, AMOUNT, base(), SHOP, horizon=AHEAD)["mean"]
    late = kw.Economics(margin=0.3, annual_discount_rate=0.15, order_cost=1.0, discounting=kw.EndOfPeriod(kw.weeks(4)))
    ratio = kw.net_present_value(KNOWN, AMOUNT, base(), late, horizon=kw.weeks(156))["mean"]
    ratio /= kw.net_present_value(KNOWN, AMOUNT, base(), SHOP, horizon=kw.weeks(156))["mean"]
    assert ratio.between(math.exp(-4 * DELTA), 1).all()
    assert ratio.mean() == pytest.approx(math.exp(-2 * DELTA), abs=2e-3)
    served = kw.Economics(
        margin=0.3, annual_discount_rate=0.15, order_cost=1.0, annual_retention_cost=10.0,
        retention_rule=kw.EveryoneFor(kw.years(1)),
    )  # fmt: skip
    cost = plain - kw.net_present_value(KNOWN, AMOUNT, base(), served, horizon=AHEAD)["mean"]
    year = (1 - 1 / 1.15) / math.log(1.15)
    assert cost.to_numpy() == pytest.approx(10 * year)


def test_the_base_is_the_sum_of_its_customers_and_realised_values_scatter_around_them():
    expected = kw.net_present_value(POSTERIOR, AMOUNT, base(), SHOP, horizon=AHEAD)["mean"]
    equity = kw.customer_equity(POSTERIOR, AMOUNT, base(), SHOP, horizon=AHEAD)
    assert equity.total.mean == pytest.approx(expected.sum(), rel=1e-6)
    realised = kw.realised_value(POSTERIOR, AMOUNT, base(), SHOP, horizon=AHEAD, futures=2000, seed=1)
    error = np.hypot(realised["sd"], 1e-3) / math.sqrt(2000)
    assert (np.abs(realised["mean"] - expected) < 4.5 * error).all()
    share = kw.segment(
        POSTERIOR, AMOUNT, base(), SHOP, kw.contribution_to_date(log(), base(), SHOP), horizon=AHEAD, seed=1
    ).table[["top performer", "high potential", "fading", "low value"]]  # fmt: skip
    assert share.sum(axis=1).to_numpy() == pytest.approx(1.0)


def test_scores_agree_with_the_verbs():
    spend = kw.fixed(kw.GammaGamma.Parameters(p=6.25, q=3.74, gamma=15.44))
    table = kw.score(POSTERIOR, spend, base(), SHOP, horizon=AHEAD)
    for columns, found in {
        "npv": kw.net_present_value(POSTERIOR, spend, base(), SHOP, horizon=AHEAD),
        "p_alive": POSTERIOR.p_alive(base()),
        "expected_purchases": POSTERIOR.expected_purchases(base(), horizon=AHEAD),
        "return_probability": POSTERIOR.return_probability(base(), horizon=AHEAD),
    }.items():
        name = next(each for each in table if str(each).startswith(columns))
        assert table[name].to_numpy() == pytest.approx(found["mean"].to_numpy(), rel=1e-6)


@pytest.mark.slow
def test_new_customers_are_worth_what_histories_without_purchases_are():
    nobody = with_gaps([[]], [0.0])
    found = kw.new_customer_value(POSTERIOR, AMOUNT, SHOP, horizon=AHEAD, first_purchase=False, futures=0)
    expected = kw.net_present_value(POSTERIOR, AMOUNT, nobody, SHOP, horizon=AHEAD)["mean"].iloc[0]
    assert found.table["mean"].iloc[0] == pytest.approx(expected, rel=1e-6)
    table = kw.second_purchase(POSTERIOR, with_gaps([[]], [8.0]), horizon=kw.weeks(26))
    silent = with_gaps([[]], [8.0])
    chance = POSTERIOR.return_probability(silent, horizon=kw.weeks(26))["mean"].iloc[0]
    assert table["probability"].iloc[0] == pytest.approx(chance, rel=1e-6)


def test_phases_warnings_rules_and_dependence_say_that_they_cannot_be_told():
    for ask in (
        lambda: kw.phase(KNOWN, base()),
        lambda: kw.early_warning(KNOWN, AMOUNT, base(), SHOP, horizon=AHEAD),
    ):
        with pytest.raises(SpecificationError, match=r"depends on their gaps.*MBGNBD"):
            ask()
    spend = kw.fixed(kw.GammaGamma.Parameters(p=6.25, q=3.74, gamma=15.44))
    with pytest.raises(SpecificationError, match="does not tell the distribution of purchase rates"):
        kw.spend_dependence(KNOWN, spend, base())
    for rule in (kw.WhilePAliveAbove(0.3), kw.WhileReturnProbabilityAbove(threshold=0.3, horizon=kw.weeks(26))):
        shop = kw.Economics(margin=0.3, annual_discount_rate=0.15, annual_retention_cost=5.0, retention_rule=rule)
        for gaps in (True, False):
            posterior = reviving.known(gaps=gaps)
            with pytest.raises(SpecificationError, match=r"looks at every gap.*EveryoneFor"):
                kw.net_present_value(posterior, AMOUNT, base(), shop, horizon=AHEAD)


@pytest.mark.slow
def test_a_page_is_written_without_phases(tmp_path):
    shop = kw.Economics(margin=0.3, annual_discount_rate=0.1)
    everybody = cdnow.histories()
    some = everybody.take(np.flatnonzero(np.equal(everybody.T, everybody.T[0]))[:8])
    page = kw.report(
        kw.datasets.cdnow(), some, POSTERIOR, AMOUNT, shop, horizon=AHEAD, path=tmp_path / "page.html", futures=20
    )
    text = page.path.read_text(encoding="utf-8")
    assert text.count("Left out: phases and warnings go by the silence") == 2
    assert "To act on now" not in text


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::kundenwert.errors.InferenceWarning")
@pytest.mark.filterwarnings("ignore::kundenwert.errors.ComparisonWarning")
def test_models_are_compared_on_the_same_data_and_by_what_they_foresaw():
    method = kw.ImportanceSampling(points=4096, draws=500, refits=2)
    models: dict[str, Any] = {"for good": kw.MBGNBD(), "dormant": kw.RevivalNBD()}
    fits = {name: kw.fit(model, base(), seed=1, method=method) for name, model in models.items()}
    table = kw.compare(fits, base())
    assert np.isfinite(table["elpd"]).all()
    assert abs(table["elpd"].diff().iloc[1]) < 3  # 40 customers do not tell them apart
    rolled = kw.rolling_origin(
        log(), models, customer="customer_id", time="date", origins=["1997-09-30"], horizon=kw.weeks(20),
        method=method, seed=1,
    )  # fmt: skip
    scores = pd.DataFrame(rolled.summary)
    assert set(scores.index) == set(models)
    assert scores["return_log_score"].between(-1, -0.1).all()
    assert scores["mae"].between(0.2, 1.2).all()
