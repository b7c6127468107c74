"""Extreme customers and campaigns through all of win-back: the true number, or a clear word; never NaN or inf."""

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

import kundenwert as kw
from kundenwert.errors import DataError, SpecificationError
from tests import campaigns
from tests.campaigns import LINKS
from tests.customers import with_draws
from tests.revivals import with_gaps
from tests.winback import reviving
from tests.winback.campaigns import ECONOMICS, SPEND, WINDOW, uncertain

# the campaigns here are small, and an evaluation says so
pytestmark = [
    pytest.mark.filterwarnings("ignore:only .* of the held-out:kundenwert.errors.ComparisonWarning"),
    pytest.mark.filterwarnings("ignore:the campaign will hardly tell:kundenwert.errors.ComparisonWarning"),
]

DRAWS = 12
LEAVES = 0.3 * 60 - 1
LETTER = kw.Offer(label="letter", contact_cost=0.5)
VOUCHER = kw.Offer(label="voucher", contact_cost=0.5, redemption_cost=6.0)
QUICK = kw.ImportanceSampling(draws=300, points=2048)
YEARS = 52.0
KINDS = [[], [1.0], [2.0, 3.0], [0.5] * 20]
BASES = {
    "one purchase": with_gaps([[]] * 12, 20.0),
    "five hundred purchases": with_gaps([[0.2] * 499], 30.0),
    "gaps are equal": with_gaps([[2.0] * 10] * 12, 1.0),
    "nobody lapsed": with_gaps(KINDS * 4, 0.0),
    "everybody lapsed": with_gaps(KINDS * 4, 10 * YEARS),
    "a single customer": with_gaps([[3.0]], [5.0]),
    "a single customer, new": with_gaps([[]], [0.0]),
}


@cache
def purchases(name, base=None) -> Any:
    """A posterior of purchases of few draws, and fewer where every one takes long."""
    if base == "five hundred purchases":
        return purchases(name).thinned(2)
    if name == "MBGNBD":
        return uncertain(DRAWS)
    rng = np.random.default_rng(2)
    spread = {each: value * rng.lognormal(0, 0.1, DRAWS) for each, value in reviving.THETA.items()}
    return with_draws(kw.RevivalNBD, unit="week", **spread)


@cache
def untried() -> Any:
    """A response of which the prior is all that is known."""
    model = kw.CampaignResponse(assignment=kw.Randomised())
    return kw.CampaignPosterior.from_prior(model, offers=("letter", "voucher"), draws=200, seed=1)


def planned(posterior, histories, response=None, offers: Any = (LETTER, VOUCHER), **more) -> Any:
    how: dict[str, Any] = {"window": WINDOW, "seed": 1, "draws": DRAWS} | more
    posterior = purchases(posterior) if isinstance(posterior, str) else posterior
    return kw.plan_winback(posterior, SPEND, histories, ECONOMICS, response=response or untried(), offers=offers, **how)


def finite(frame, *, but=()):
    return np.isfinite(frame.drop(columns=list(but)).select_dtypes("number").to_numpy(dtype=float)).all()


def all_is_finite(plan):
    """Whatever a plan says is a number, and its words are none of those for no number."""
    assert finite(plan.table)
    assert finite(plan.offers)
    assert finite(plan.totals)
    assert finite(plan.profit_by_budget())
    if plan.timing is not None:
        assert finite(plan.timing, but=["best_wait_days"])
    shares = plan.offers[["p_return", "p_return_without", "p_pays", "p_harms"]]
    assert ((shares >= 0) & (shares <= 1)).all(axis=None)
    parts = plan.offers["value_of_returns"] - plan.offers["redemption"] - plan.offers["contact_cost"]
    assert plan.offers["mean"].to_numpy() == pytest.approx(parts.to_numpy())
    assert 0 <= plan.p_pays <= 1
    assert 0 <= plan.p_within_cap <= 1
    words = " ".join([repr(plan), *(plan.explain(each) for each in plan.table.index)])
    assert not {"nan", "inf", "-inf"} & set(words.replace(",", " ").replace("(", " ").split())


@pytest.mark.every(3)
@pytest.mark.parametrize(
    "base, name",
    [
        *((base, "MBGNBD") for base in BASES),
        *((base, "RevivalNBD") for base in BASES if base != "five hundred purchases"),
        pytest.param("five hundred purchases", "RevivalNBD", marks=pytest.mark.slow),
    ],
)
def test_customers(base, name):
    """From returns by themselves to the evaluation, with nothing known of the offers yet."""
    histories, posterior = BASES[base], purchases(name, base)
    organic = kw.organic_return(posterior, histories, window=WINDOW)
    assert (organic.returns >= 0).all()
    assert (organic.returns <= organic.probability).all()
    assert organic.probability.sum(axis=0) == pytest.approx(1.0)
    chance = posterior.return_probability(histories, horizon=WINDOW)["mean"].to_numpy()
    assert organic.p_return[organic.index].mean(axis=1) == pytest.approx(chance, rel=1e-6)

    worth = kw.second_lifetime_value(posterior, SPEND, histories, ECONOMICS, window=WINDOW)
    assert finite(worth)
    brought = worth[[column for column in worth if str(column).startswith("induced")]]
    assert (brought >= LEAVES * (1 - 1e-9)).all(axis=None)  # the purchase of the return itself, which is now

    plan = planned(posterior, histories, waits=[kw.weeks(4)])
    all_is_finite(plan)
    assert plan.prior_only
    if not plan.table["intended_offer"].notna().any():
        with pytest.raises(SpecificationError, match="makes no offer to anybody"):
            kw.evaluate_campaign(plan, pd.DataFrame({"customer_id": histories.customer_id, "returned": 0}))
        return
    for returned in (0, 1)[-len(histories) :]:
        outcomes = pd.DataFrame({"customer_id": histories.customer_id, "returned": returned})
        found = kw.evaluate_campaign(plan, outcomes, learn=False)
        assert finite(found.calibration)
        assert finite(found.profit, but=["realised", "lower", "upper"])  # of which one customer says nothing
        assert repr(found)


@pytest.mark.parametrize("name", ["MBGNBD", "RevivalNBD"])
def test_where_nobody_has_lapsed_hardly_anybody_is_contacted(name):
    """They have just bought and most come anyway: a voucher is a present to them, and what it may change is small."""
    plan = planned(name, with_gaps([[0.5] * 20, [1.0] * 10] * 20, 0.0), offers=[VOUCHER])
    assert (plan.table["p_return_without"] > 0.8).all()
    assert not plan.table["decision"].eq("contact").any()
    assert (plan.offers["subsidy"] > 0.8 * plan.offers["redemption"]).all()


@pytest.mark.parametrize("name", ["MBGNBD", "RevivalNBD"])
def test_the_longer_everybody_is_away_the_fewer_return_in_the_end(name):
    histories = with_gaps(KINDS * 3, np.repeat([YEARS, 10 * YEARS, 100 * YEARS], 4))
    posterior = purchases(name)
    chance = posterior.return_probability(histories, horizon=WINDOW)["mean"].to_numpy().reshape(3, 4)
    assert (np.diff(chance, axis=0) < 0).all()
    assert (chance > 0).all()
    assert chance[-1].max() < 0.01
    plan = planned(name, histories, hold_out=0.0)
    all_is_finite(plan)
    # of who is gone for good nearly surely, an offer changes by its prior next to nothing
    never = plan.offers["p_return_without"] < 1e-3
    assert (plan.offers["p_return"][never] < 0.01).all()


def test_second_lives_of_the_gone_do_not_depend_on_how_long_they_are_gone():
    histories = with_gaps([[0.5] * 20] * 3, [YEARS, 10 * YEARS, 100 * YEARS])
    for name in ("MBGNBD", "RevivalNBD"):
        found = kw.second_lifetime_value(purchases(name), SPEND, histories, ECONOMICS, window=WINDOW)
        gone = found["induced_gone"].to_numpy()
        assert gone == pytest.approx(gone[0], rel=1e-5)
        assert gone[0] > 20 * LEAVES  # they had bought twice a week


def test_a_customer_with_500_purchases_is_known_by_them():
    """A purchase every 1.4 days: after 30 weeks without one, who comes back by themselves has been dormant."""
    base = "five hundred purchases"
    posterior, histories = purchases("RevivalNBD", base), BASES[base]
    assert posterior.p_active(histories)["mean"].iloc[0] < 1e-9
    worth = kw.second_lifetime_value(posterior, SPEND, histories, ECONOMICS, window=WINDOW)
    assert worth["organic"].iloc[0] == pytest.approx(worth["induced_dormant"].iloc[0], rel=0.01)
    # of those who lapse 0.4 are dormant, of whom exp(-1.5) are not back by now; half of those come within 13 weeks
    dormant = 0.4 * np.exp(-1.5) / (0.6 + 0.4 * np.exp(-1.5))
    chance = posterior.return_probability(histories, horizon=WINDOW)["mean"].iloc[0]
    assert chance == pytest.approx(dormant * -np.expm1(-0.65), rel=0.3)
    bought = posterior.return_probability(with_gaps([[0.2] * 499], 0.1), horizon=WINDOW)["mean"].iloc[0]
    assert bought > 0.98


CAMPAIGNS = {
    "one was sent it": (lambda n: np.arange(n) == 0, lambda sent: np.arange(len(sent)) % 3 == 0),
    "perfect separation": (lambda n: np.arange(n) % 2 == 0, lambda sent: sent),
    "all returned": (lambda n: np.arange(n) % 2 == 0, np.ones_like),
    "nobody returned": (lambda n: np.arange(n) % 2 == 0, np.zeros_like),
}
MIXED = with_gaps(KINDS * 8, np.tile([0.0, 5.0, 30.0, 100.0, 300.0, 20.0, 60.0, 8.0], 4))


def campaign(name, histories, arms, outcome) -> Any:
    sent = arms(len(histories))
    frame = pd.DataFrame(
        {
            "customer_id": histories.customer_id,
            "offer": pd.array(campaigns.sent(sent, "letter"), dtype="str"),
            "returned": outcome(sent),
        }
    )
    organic = kw.organic_return(purchases(name), histories, window=WINDOW)
    return kw.CampaignLog.from_pandas(frame, organic=organic, window=WINDOW)


@pytest.mark.every(2)
@pytest.mark.filterwarnings("ignore::kundenwert.errors.OrganicWarning")  # as it should
@pytest.mark.parametrize(
    "case, name",
    [
        *((case, "MBGNBD") for case in CAMPAIGNS),
        ("one was sent it", "RevivalNBD"),
        ("perfect separation", "RevivalNBD"),
        pytest.param("all returned", "RevivalNBD", marks=pytest.mark.slow),
        pytest.param("nobody returned", "RevivalNBD", marks=pytest.mark.slow),
    ],
)
def test_campaigns(case, name):
    """From the campaign to the plan, and to the evaluation of what it brings, and to what is learned from both."""
    log = campaign(name, MIXED, *CAMPAIGNS[case])
    link = "by state" if name == "RevivalNBD" else "logit"
    response = kw.fit(campaigns.response(link), log, seed=1, method=QUICK)
    uplift = response.uplift(log)
    assert finite(uplift)
    shares = uplift[["p_without", "p_return", "p_negative"]]
    assert ((shares >= 0) & (shares <= 1)).all(axis=None)
    assert finite(response.average_effects(log))
    plan = planned(name, MIXED, response, [LETTER], hold_out=0.2)
    all_is_finite(plan)
    effect = plan.offers["p_return"] - plan.offers["p_return_without"]
    match case:
        case "perfect separation":
            assert effect.mean() > 0.3
            away = plan.table["p_return_without"].between(0.01, 0.5)  # the others come anyway, or are gone for good
            assert away.sum() > 16
            assert plan.table.loc[away, "decision"].isin(["contact", "hold out"]).all()
        case "all returned":
            assert plan.offers["p_return_without"].mean() > 0.7
            assert (effect < 0.2).all()
        case "nobody returned":
            assert plan.offers["p_return_without"].mean() < 0.15
            assert (effect < 0.1).all()
        case _:
            pass
    if not plan.table["intended_offer"].notna().any():
        return
    found = kw.evaluate_campaign(
        plan, pd.DataFrame({"customer_id": MIXED.customer_id, "returned": 1}), earlier=[log], seed=1, method=QUICK
    )
    assert found.response is not None
    assert finite(found.response.parameters())
    assert finite(found.by_offer, but=["uplift", "lower", "upper", "returned", "returned_held_out"])


@pytest.mark.filterwarnings("ignore::kundenwert.errors.OrganicWarning")  # as it should
@pytest.mark.parametrize("base", ["one purchase", "nobody lapsed", "everybody lapsed"])
@pytest.mark.parametrize("link", LINKS)
@pytest.mark.slow
def test_campaigns_among_extreme_customers(base, link):
    for name in ("MBGNBD", "RevivalNBD"):
        for arms, outcome in CAMPAIGNS.values():
            log = campaign(name, BASES[base], arms, outcome)
            response = kw.fit(campaigns.response(link), log, seed=1, method=QUICK)
            assert finite(response.uplift(log))
            all_is_finite(planned(name, BASES[base], response, [LETTER]))


@pytest.mark.filterwarnings("ignore::kundenwert.errors.OrganicWarning")  # as it should
@pytest.mark.parametrize("name", ["MBGNBD", "RevivalNBD"])
def test_a_single_letter_says_next_to_nothing(name):
    """What is believed of the effect afterwards is the prior: the same mean, and the same spread."""
    log = campaign(name, MIXED, lambda n: np.arange(n) == 0, lambda sent: np.arange(len(sent)) % 3 == 0)
    prior = kw.HierarchicalLogit(effect=kw.Normal(0.1, 0.3))
    model = kw.CampaignResponse(assignment=kw.Randomised(), link=prior)
    learned = kw.fit(model, log, seed=1, method=kw.ImportanceSampling(draws=2000)).parameters().loc["effect[letter]"]
    before = np.hypot(0.3, 0.5)  # and the spread between offers
    assert learned["sd"] == pytest.approx(before, rel=0.15)
    assert learned["mean"] == pytest.approx(0.1, abs=0.4 * before)


@pytest.mark.parametrize("name", ["MBGNBD", "RevivalNBD"])
@pytest.mark.parametrize("base", ["one purchase", "a single customer"])
def test_without_controls_nothing_is_learned(base, name):
    log = campaign(name, BASES[base], lambda n: np.ones(n, dtype=bool), np.ones_like)
    with pytest.raises(DataError, match="nobody was held out"):
        kw.fit(campaigns.response(), log, seed=1)
    model = kw.CampaignResponse(assignment=kw.Randomised(without_controls=kw.PriorOnly()))
    response = kw.fit(model, log, seed=1)
    assert response.basis == "prior only"
    assert response.parameters().loc["effect[letter]", "mean"] == pytest.approx(0.05, abs=0.06)
    all_is_finite(planned(name, BASES[base], response, [LETTER]))


def test_known_probabilities_do_not_make_effects_known():
    """A single draw of organic returns goes with all draws of the response."""
    certain = kw.OrganicReturn.from_probabilities(range(3), [1e-9, 0.2, 1 - 1e-9], window=WINDOW)
    table = untried().uplift(certain, offers=["letter"])
    drawn = kw.OrganicReturn.from_probabilities(range(3), np.tile([[1e-9], [0.2], [1 - 1e-9]], 200), window=WINDOW)
    pd.testing.assert_frame_equal(table, untried().uplift(drawn, offers=["letter"]))
    assert (table["upper"] - table["lower"]).iloc[1] > 0.1
    assert table["p_return"].between(0, 1).all()
    many = planned("MBGNBD", MIXED, hold_out=0.0, draws=200)
    alone: Any = kw.plan_winback(
        purchases("MBGNBD").thinned(1), SPEND, MIXED, ECONOMICS, response=untried(), offers=[LETTER, VOUCHER],
        window=WINDOW, hold_out=0.0, seed=1,
    )  # fmt: skip
    widths = [(plan.offers["p_return_upper"] - plan.offers["p_return_lower"]).mean() for plan in (many, alone)]
    assert widths[1] == pytest.approx(widths[0], rel=0.3)


def test_odd_tables_of_outcomes_and_budgets():
    """One customer, contacted; and a cap that nobody's redemption fits into."""
    plan = planned("RevivalNBD", BASES["one purchase"], hold_out=0.5, budget=0.7, hard_cap=0.6)
    assert plan.totals.loc["spend", "mean"] <= 0.6
    all_is_finite(plan)
    nothing = planned("RevivalNBD", BASES["one purchase"], budget=0.0, hard_cap=0.0)
    assert not nothing.table["decision"].eq("contact").any()
    all_is_finite(nothing)
