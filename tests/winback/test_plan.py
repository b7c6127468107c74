"""Plans: what offers bring by simulation, budgets, hold-out groups, caps, timing, words, files."""

import itertools
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

import kundenwert as kw
from kundenwert.winback.capping import p_within
from kundenwert.winback.gains import Spending
from kundenwert.winback.outlook import Outlook, value_given_return
from kundenwert.winback.planning import _held_out
from kundenwert.winback.setting import Setting, distinct_customers
from tests.campaigns import QUICK
from tests.customers import histories_of
from tests.revivals import with_gaps
from tests.winback import reviving
from tests.winback.campaigns import (
    ECONOMICS,
    SPEND,
    SURE,
    THETA,
    WINDOW,
    from_prior,
    known,
    resurrection,
    shift,
    shop,
    uncertain,
)

pytestmark = pytest.mark.filterwarnings("ignore:the campaign will hardly tell:kundenwert.errors.ComparisonWarning")

LETTER = kw.Offer(label="letter", contact_cost=0.5)
RICH = kw.Economics(margin=0.9, annual_discount_rate=0.15, order_cost=1.0, currency="EUR")
VOUCHER = kw.Offer(label="voucher", contact_cost=0.5, redemption_cost=6.0)
LESS = kw.LogNormal(math.log(0.8), 1e-9)


def planned(histories=None, response=None, offers: Any = (LETTER, VOUCHER), *, purchases=None, **options):
    more: dict[str, Any] = {"window": WINDOW, "seed": 1, "spend": SPEND, "economics": ECONOMICS} | options
    return kw.plan_winback(
        known() if purchases is None else purchases,
        more.pop("spend"),
        shop() if histories is None else histories,
        more.pop("economics"),
        response=shift(0.6) if response is None else response,
        offers=offers,
        **more,
    )


def contacted(plan):
    return plan.table["decision"] == "contact"


def test_what_an_offer_brings_is_what_simulated_customers_bring():
    """Rates, dropout and states are drawn given the history; the offer makes a share q of the stay-aways buy."""
    x, t_x, age, h, q, size = 2, 20.0, 45.0, 13.0, 0.15, 1_500_000
    offer = kw.Offer(
        label="letter", contact_cost=0.5, redemption_cost=6.0, second_life=kw.LogNormal(math.log(0.8), 1e-9)
    )
    plan = planned(histories_of(x, t_x, age, unit="week"), resurrection(q), [offer], hold_out=0.0)
    rng, delta = np.random.default_rng(1), math.log(1.15) * 7 / 365.25
    r, alpha, a, b = THETA.values()
    odds = a / (b + x) * ((alpha + age) / (alpha + t_x)) ** (r + x)
    alive = rng.random(size) < 1 / (1 + odds)
    rate = np.where(alive, rng.gamma(r + x, 1 / (alpha + age), size), rng.gamma(r + x, 1 / (alpha + t_x), size))
    p = np.where(alive, rng.beta(a, b + x + 1, size), rng.beta(a + 1, b + x, size))
    silent = ~alive | (rng.exponential(1, size) / rate > h)
    leaves = 0.3 * 60 - 1
    back = math.exp(-delta * h / 2) * (rate + delta) / (delta + p * rate) * leaves * 0.8
    waits = math.exp(-delta * h) * np.where(alive, rate / (delta + p * rate), 0.0) * leaves
    gain = silent * q * (back - waits) - (~silent + silent * q) * 6.0 - 0.5
    row = plan.offers.iloc[0]
    assert row["mean"] == pytest.approx(gain.mean(), abs=3 * gain.std() / math.sqrt(size))
    assert row["p_return_without"] == pytest.approx(1 - silent.mean(), abs=3e-3)
    assert row["p_return"] == pytest.approx(1 - (1 - q) * silent.mean(), abs=3e-3)
    assert row["mean"] == pytest.approx(row["value_of_returns"] - row["redemption"] - row["contact_cost"])
    assert row["subsidy"] == pytest.approx(6 * row["p_return_without"])


def reached(*shares):
    """A response in which these shares return of the active, dormant and gone who would not by themselves."""
    hazards = [kw.Normal(math.log(-math.log1p(-share)), SURE) for share in shares]
    link = kw.ByState(active=hazards[0], dormant=hazards[1], gone=hazards[2], pace=None)
    return from_prior(link, ("letter",), 1, 1, states=reviving.STATES)


@pytest.mark.parametrize("shares", [(1e-9, 0.2, 1e-9), (0.3, 0.1, 0.02)], ids=["the dormant", "everybody"])
def test_an_offer_is_worth_what_those_are_worth_whose_state_it_reaches(shares):
    """By sums over all that may have happened to customers who are active, dormant or gone."""
    posterior = reviving.known(k=2)
    offer = kw.Offer(
        label="letter", contact_cost=0.5, redemption_cost=6.0, second_life=kw.LogNormal(math.log(0.8), 1e-9)
    )
    plan = planned(reviving.customers(), reached(*shares), [offer], purchases=posterior, hold_out=0.0)
    delta, leaves = math.log(1.15) * 7 / 365.25, 0.3 * 60 - 1
    for row in range(4):
        now, later = (reviving.alternatives(reviving.THETA, 2, row, ahead) for ahead in (0.0, 13.0))
        stay = 1 - sum(now.returns(kind, 13.0) for kind in range(3))
        back, worth = 0.0, 0.0
        for kind, share in enumerate(shares):
            back += stay * share * later.probability(kind)
            returning = math.exp(-delta * 6.5) * 0.8 * later.brought_back(kind, delta)
            worth += stay * share * leaves * (returning - math.exp(-delta * 13) * later.value(kind, delta))
        found = plan.offers.iloc[row]
        assert found["p_return_without"] == pytest.approx(1 - stay, rel=1e-6)
        assert found["p_return"] == pytest.approx(1 - stay + back, rel=1e-6)
        assert found["value_of_returns"] == pytest.approx(worth, rel=1e-6)
        assert found["mean"] == pytest.approx(worth - 6 * (1 - stay + back) - 0.5, rel=1e-6)


def test_letters_are_wasted_on_the_active_and_pay_where_customers_are_dormant():
    """Who is active comes anyway."""
    posterior = reviving.known(omega=0.9)
    histories = with_gaps([[1.0] * 12] * 20, np.repeat([0.1, 25.0], 10))
    plan = planned(histories, reached(0.1, 0.1, 1e-9), [LETTER], purchases=posterior, hold_out=0.0)
    dormant = posterior.p_dormant(histories)["mean"]
    assert dormant.iloc[0] < 0.3
    assert dormant.iloc[-1] > 0.5
    assert plan.table["decision"].tolist() == ["leave alone"] * 10 + ["contact"] * 10


def test_customers_driven_away_lose_what_returns_are_worth():
    """-|change| (V0 - W) less costs, for those who would have returned."""
    histories = histories_of(2, 20.0, 45.0, unit="week")
    row = planned(histories, shift(-0.7), [LETTER]).offers.iloc[0]
    kinds, _ = distinct_customers(known(), SPEND, histories, ECONOMICS, horizon=kw.LIFETIME, customers=None, draws=1)
    outlook = Outlook.of(kinds, SPEND, ECONOMICS, window=WINDOW)
    chances, worth = outlook.chances(slice(0, 1)), outlook.worth(slice(0, 1))
    change = row["p_return"] - row["p_return_without"]
    lost = change * (value_given_return(chances, worth)[0, 0, 0] - worth.waiting[0, 0, 0])
    assert change < 0
    assert row["mean"] == pytest.approx(lost - 0.5)


def test_sleeping_dogs_and_offers_without_effect_are_left_alone():
    for effect in (-0.5, 0.0):
        plan = planned(response=shift(effect))
        assert not contacted(plan).any()
        assert (plan.offers["mean"] < 0).all()
        assert plan.totals.loc["value", "mean"] == 0
    assert (planned(response=shift(-0.5)).offers["p_harms"] == 1).all()
    # an effect of which the data say that it is next to nothing: hardly anybody
    assert contacted(planned(response=shift(0.0, spread=0.02, draws=50))).mean() < 0.05


def test_totals_are_sums_over_the_contacted_in_every_draw():
    plan = planned(shop(60), purchases=uncertain(), response=shift(0.5, spread=0.3, draws=30), draws=30)
    chosen = plan.table[contacted(plan)]
    assert plan.totals.loc["value", "mean"] == pytest.approx(chosen["mean"].sum())
    assert plan.totals.loc["spend", "mean"] == pytest.approx(chosen["expected_spend"].sum())
    assert plan.totals.loc["contacted", "mean"] == len(chosen)
    difference = (chosen["p_return"] - chosen["p_return_without"]).sum()
    assert plan.totals.loc["additional_returns", "mean"] == pytest.approx(difference)
    # what is uncertain about the effect is the same for all, and does not average out
    width = plan.totals.loc["value", "upper"] - plan.totals.loc["value", "lower"]
    assert width > 0.8 * (chosen["upper"] - chosen["lower"]).sum()


def test_budget_is_kept_and_its_shadow_price_is_the_slope_of_value():
    histories = shop(3000)
    plan = planned(histories, budget=400.0, hold_out=0.0)
    assert plan.table.loc[contacted(plan), "expected_spend"].sum() <= 400 * (1 + 1e-9)
    assert plan.totals.loc["spend", "mean"] == pytest.approx(400, abs=0.5)
    assert plan.optimality_gap < 1e-3 * plan.totals.loc["value", "mean"]
    values = [planned(histories, budget=400.0 + step, hold_out=0.0).totals.loc["value", "mean"] for step in (-30, 30)]
    assert (values[1] - values[0]) / 60 == pytest.approx(plan.shadow_price, rel=0.05)
    curve = plan.profit_by_budget([0.0, 400.0, 800.0])
    assert curve.loc[0.0, "contacted"] == 0
    assert curve.loc[400.0, "mean"] == pytest.approx(plan.totals.loc["value", "mean"], rel=1e-3)
    assert curve["mean"].is_monotonic_increasing
    assert curve["shadow_price"].is_monotonic_decreasing


def test_budgets_at_the_ends():
    nothing, everything = planned(budget=0.0), planned()
    assert not contacted(nothing).any()
    assert nothing.shadow_price > 0
    assert everything.shadow_price == 0
    assert everything.optimality_gap == 0
    free = planned(offers=[kw.Offer(label="letter", contact_cost=0.0)], budget=0.0)
    assert contacted(free).any()


def test_nobody_eligible_and_one_customer():
    plan = planned(offers=[kw.Offer(label="letter", contact_cost=0.5, silent_for=kw.years(50))], waits=[kw.weeks(4)])
    assert (plan.table["decision"] == "not eligible").all()
    assert plan.offers.empty
    assert plan.totals.loc["value", "mean"] == 0
    assert "no offer may be made" in plan.explain(0)
    assert plan.profit_by_budget([0.0]).loc[0.0, "mean"] == 0
    one = planned(histories_of(3, 20.0, 30.0, unit="week"), hold_out=0.0, budget=5.0)
    assert contacted(one).tolist() == [True]


@pytest.mark.parametrize("t_x, age", [(30.0, 30.0), (1.0, 2000.0)], ids=["nobody lapsed", "everybody lapsed"])
def test_extreme_bases(t_x, age):
    plan = planned(histories_of([1, 5, 40], t_x, age, unit="week"), hold_out=0.0, purchases=uncertain())
    assert np.isfinite(plan.offers.to_numpy()).all()
    assert plan.offers["p_return"].between(0, 1).all()


def test_hold_out_group_is_a_random_share_drawn_before_anything_is_chosen():
    histories = shop(1000)
    plan = planned(histories, hold_out=0.2)
    held = plan.table["decision"] == "hold out"
    assert held.sum() == 200
    # the draw knows neither values nor costs
    assert (planned(histories, shift(-0.3), hold_out=0.2).table["decision"].eq("hold out") == held).all()
    assert (planned(histories, hold_out=0.2, seed=2).table["decision"].eq("hold out") != held).any()
    rank = plan.table["mean"].rank(pct=True)
    assert rank[held].mean() == pytest.approx(0.5, abs=3 * math.sqrt(1 / 12 / 200))
    # who is held out would have been treated as the others are
    alike = plan.table["mean"] > 0
    assert (plan.table.loc[alike & held, "intended_offer"].notna()).all()
    assert not planned(histories, hold_out=0.0).table["decision"].eq("hold out").any()


def test_hold_out_share_is_kept_on_average_in_small_groups():
    assert np.mean([_held_out(pd.Index(list("abc")), 0.1, seed).sum() for seed in range(3000)]) == pytest.approx(
        0.3, abs=0.03
    )


def test_who_is_alike_is_contacted_by_chance_and_held_out_by_the_same_rule():
    """One history: the budget goes round for some, and of the held-out the same share would have been among them."""
    histories = histories_of(np.zeros(1000), 0.0, 30.0, unit="week")
    plan = planned(histories, offers=[LETTER], budget=120.0, hold_out=0.3)
    table = plan.table
    held, sent = table["decision"] == "hold out", contacted(plan)
    assert sent.sum() == 240
    share = table["intended_offer"].notna()[held].mean()
    assert share == pytest.approx(240 / 700, abs=3 * math.sqrt(0.25 / 300))
    assert np.flatnonzero(sent).mean() == pytest.approx(500, abs=3 * 289 / math.sqrt(240))  # not the first rows
    outcome = pd.DataFrame({"returned": np.arange(1000) % 7 == 0}, index=table.index)
    assert kw.evaluate_campaign(plan, outcome, learn=False).by_offer.loc["letter", "held_out"] == 300 * share
    left = table.index[table["decision"] == "leave alone"][0]
    assert "Chance decided between them" in plan.explain(left)


def test_what_was_predicted_cannot_bias_the_comparison_where_the_budget_divides_customers_who_are_alike():
    """Predictions are wrong for one of two kinds, at which the budget ends, and the offer does nothing."""
    histories = histories_of(np.resize([1, 3], 1000), np.resize([10, 30], 1000), np.resize([40, 50], 1000), unit="week")
    rng, found = np.random.default_rng(9), []
    actual = np.where(np.arange(1000) % 2 == 0, 0.2, 0.6)
    for seed in range(12):
        plan = planned(histories, offers=[VOUCHER], budget=1500.0, hold_out=0.2, seed=seed)
        kinds = plan.table["intended_offer"].notna().groupby(np.arange(1000) % 2).mean()
        assert 0 < kinds.min() < 1  # divided
        outcome = pd.DataFrame({"returned": rng.random(1000) < actual}, index=plan.table.index)
        realised = kw.evaluate_campaign(plan, outcome, learn=False).profit.loc["additional_returns"]
        found.append((realised["realised"], (realised["upper"] - realised["lower"]) / 2 / 1.645))
    realised, error = np.array(found).T
    assert realised.mean() == pytest.approx(0, abs=3 * error.mean() / math.sqrt(12))


def test_the_order_of_rows_decides_nothing():
    histories, order = shop(400), np.random.default_rng(4).permutation(400)
    permuted = histories_of(
        histories.frequency[order], histories.recency[order], histories.T[order], unit="week",
        customer_id=histories.customer_id[order],
    )  # fmt: skip
    doubled = {"budget": 60.0, "hold_out": 0.2, "purchases": uncertain(5)}
    ours, theirs = planned(histories, **doubled).table, planned(permuted, **doubled).table.loc[histories.customer_id]
    assert 0 < (ours["decision"] == "contact").sum() < 320
    for name in ("decision", "offer", "intended_offer"):
        assert ours[name].astype(str).tolist() == theirs[name].astype(str).tolist()


def test_hard_cap_is_kept_with_its_probability():
    histories, uncertain_response = shop(400), shift(0.6, spread=0.4, draws=100)
    offers = [kw.Offer(label="voucher", contact_cost=0.1, redemption_cost=5.0)]
    loose = planned(histories, uncertain_response, offers, budget=120.0)
    tight = planned(histories, uncertain_response, offers, budget=120.0, hard_cap=120.0)
    assert loose.p_within_cap < 0.7
    assert tight.p_within_cap >= 0.95
    assert tight.p_within_cap < 0.98
    assert 0 < tight.totals.loc["spend", "mean"] < loose.totals.loc["spend", "mean"]
    nothing = planned(histories, uncertain_response, offers, hard_cap=0.0)
    assert not contacted(nothing).any()


def test_chance_of_redemption_counts_towards_the_cap():
    """One customer in two redeems, of so many that their sum is normal: spend is 0 or 10 for each."""
    spending = Spending(np.array([10_000.0]), np.array([2000 * 0.25 * 100.0]))
    assert p_within(spending, 10_000.0) == pytest.approx(0.5)
    assert p_within(spending, 10_000 + 1.6448536 * math.sqrt(50_000)) == pytest.approx(0.95)


def test_few_redemptions_are_counted_one_by_one():
    """Against all that may happen to seven customers, in two draws, with one voucher and with three."""
    p = np.random.default_rng(3).random((4, 2))
    number = np.array([2.0, 1.0, 1.0, 3.0])
    for redeemed, error in (np.full(4, 20.0), 1e-12), (np.array([5.0, 20.0, 5.0, 50.0]), 4e-3):
        each, chance = np.repeat(redeemed, number.astype(int)), np.repeat(p, number.astype(int), axis=0)
        patterns = np.array(list(itertools.product([0, 1], repeat=7)))
        weight = np.where(patterns[:, :, None] == 1, chance, 1 - chance).prod(axis=1).mean(axis=1)
        mean, variance = each @ chance + 3.0, each**2 @ (chance * (1 - chance))
        spending = Spending(mean, variance, (number, redeemed, p))
        for limit in (2.9, 3.0, 23.0, 43.0, 62.9, 63.0, 103.0, 1000.0):
            truth = weight[patterns @ each + 3.0 <= limit + 1e-9].sum()
            assert p_within(spending, limit) == pytest.approx(truth, abs=error)


@pytest.mark.parametrize("redemption, cap", [(20.0, 20.0), (50.0, 100.0), (6.0, 100.0)])
def test_hard_cap_holds_in_small_plans(redemption, cap):
    offer = kw.Offer(label="letter", contact_cost=0.1, redemption_cost=redemption)
    plan = planned(shop(300), shift(1.0), [offer], hard_cap=cap, economics=RICH, hold_out=0.0)
    sent = plan.table[contacted(plan)]
    rng = np.random.default_rng(2)
    redeemed = (rng.random((20_000, len(sent))) < sent["p_return"].to_numpy()).sum(axis=1) * redemption
    kept = (0.1 * len(sent) + redeemed <= cap * (1 + 1e-9)).mean()
    assert len(sent)
    assert kept == pytest.approx(plan.p_within_cap, abs=3 * math.sqrt(0.05 * 0.95 / 20_000))
    assert plan.p_within_cap >= 0.95
    assert f"costs {cap:,.2f} EUR or less with probability" in repr(plan)
    assert "nan" not in repr(plan)


def test_eligibility_is_silence_and_a_column_of_truth_values():
    histories = shop(300)
    silence = histories.T - histories.recency
    consent = pd.DataFrame({"customer_id": range(300), "consent": np.arange(300) % 3 == 0})
    offers = [
        kw.Offer(label="letter", contact_cost=0.5, silent_for=kw.weeks(26)),
        kw.Offer(label="voucher", contact_cost=0.5, eligible=kw.PerCustomer("consent")),
    ]
    plan = planned(histories, offers=offers, customers=consent)
    letter = plan.offers.xs("letter", level="offer").index
    assert (letter == np.flatnonzero(silence >= 26)).all()
    assert (plan.offers.xs("voucher", level="offer").index == np.arange(0, 300, 3)).all()
    assert (plan.table["decision"].eq("not eligible") == ((silence < 26) & ~consent["consent"])).all()


def test_costs_may_differ_from_customer_to_customer():
    histories = shop(50)
    costs = pd.DataFrame({"customer_id": range(50), "contact": np.linspace(0.1, 5, 50)})
    offer = kw.Offer(label="letter", contact_cost=kw.PerCustomer("contact"))
    own, same = planned(histories, offers=[offer], customers=costs), planned(histories, offers=[LETTER])
    more = same.offers["mean"].to_numpy() + 0.5 - costs["contact"].to_numpy()
    assert own.offers["mean"].to_numpy() == pytest.approx(more)


def test_segments_and_covariates_reach_the_response():
    """Two segments, in one of which the offer brings nobody back: only the other is contacted."""
    histories, rng = shop(3000), np.random.default_rng(5)
    organic = kw.organic_return(known(), histories, window=WINDOW, draws=20)
    p_0 = organic.p_return[organic.index][:, 0]
    region = np.where(rng.random(3000) < 0.5, "north", "south")
    sent = rng.random(3000) < 0.5
    p_1 = 1 / (1 + np.exp(-(np.log(p_0 / (1 - p_0)) + np.where(region == "north", 1.5, -0.5))))
    frame = pd.DataFrame(
        {
            "customer_id": range(3000),
            "offer": pd.array(["letter" if each else None for each in sent], dtype="string"),
            "returned": rng.random(3000) < np.where(sent, p_1, p_0),
            "region": region,
            "age": rng.integers(20, 60, 3000) // 10,
        }
    )
    log = kw.CampaignLog.from_pandas(frame, organic=organic, window=WINDOW, segment="region", covariates=["age"])
    response = kw.fit(kw.CampaignResponse(assignment=kw.Randomised()), log, seed=1, method=QUICK)
    options = {"customers": frame, "segment": "region", "covariates": ["age"], "hold_out": 0.0, "draws": 30}
    plan = planned(histories, response, [LETTER], **options)
    assert contacted(plan)[region == "north"].mean() > 0.9
    assert contacted(plan)[region == "south"].mean() < 0.2
    outcome = pd.DataFrame({"returned": frame["returned"].to_numpy()}, index=plan.table.index)
    assert kw.evaluate_campaign(plan, outcome, learn=False).log.segments == ("north",)


def test_order_and_kind_of_ids_do_not_matter():
    histories = shop(60)
    order = np.random.default_rng(3).permutation(60)
    shuffled = histories_of(
        histories.frequency[order], histories.recency[order], histories.T[order], unit="week",
        customer_id=[f"c{i}" for i in order],
    )  # fmt: skip
    ours, theirs = planned(histories, hold_out=0.0), planned(shuffled, hold_out=0.0)
    assert theirs.table.index.tolist() == [f"c{i}" for i in order]
    assert theirs.table["mean"].to_numpy() == pytest.approx(ours.table["mean"].to_numpy()[order])
    assert "'letter'" in theirs.explain("c7")


def test_value_after_a_wait_is_that_of_customers_who_stayed_silent():
    """J(u) = exp(-delta u) P(silent until u) ENPV(u), the last of which is that of histories that are longer by u."""
    histories, u = shop(40), 6.0
    plan = planned(histories, offers=[LETTER], waits=[kw.weeks(u)], hold_out=0.0)
    later = histories_of(histories.frequency, histories.recency, histories.T + u, unit="week")
    silent = 1 - known().return_probability(histories, horizon=kw.weeks(u))["mean"].to_numpy()
    worth = planned(later, offers=[LETTER], hold_out=0.0).offers["mean"].to_numpy()
    expected = math.exp(-math.log(1.15) * u * 7 / 365.25) * silent * worth
    assert plan.timing is not None
    assert plan.timing["weeks(6)"].to_numpy() == pytest.approx(np.maximum(expected, 0))
    now = plan.offers["mean"].to_numpy()
    assert plan.timing["now"].to_numpy() == pytest.approx(np.maximum(now, 0))
    waits = plan.table["decision"].eq("wait").to_numpy()
    assert (waits == (np.maximum(expected, 0) > np.maximum(now, 0))).all()
    assert (plan.timing["cost_of_waiting"] == plan.timing["now"] - plan.timing["weeks(6)"]).all()


def test_value_after_a_wait_of_customers_who_may_be_dormant():
    """Three states: those who are silent for longer are dormant or gone, which the plan knows beforehand."""
    posterior, u = reviving.known(), 6.0
    options: dict[str, Any] = {"purchases": posterior, "hold_out": 0.0, "response": reached(0.01, 0.2, 0.1)}
    histories, later = reviving.customers(), reviving.customers(np.add(reviving.SILENCES, u))
    plan = planned(histories, offers=[LETTER], waits=[kw.weeks(u)], **options)
    silent = 1 - posterior.return_probability(histories, horizon=kw.weeks(u))["mean"].to_numpy()
    worth = planned(later, offers=[LETTER], **options).offers["mean"].to_numpy()
    expected = math.exp(-math.log(1.15) * u * 7 / 365.25) * silent * worth
    assert plan.timing is not None
    assert plan.timing["weeks(6)"].to_numpy() == pytest.approx(np.maximum(expected, 0), rel=1e-6)
    assert plan.table["decision"].iloc[-1] == "wait"  # has just bought


def test_contact_dates_follow_the_end_of_observation():
    log = pd.DataFrame({"customer_id": [1, 1, 2], "date": pd.to_datetime(["2024-01-01", "2024-03-01", "2024-01-05"])})
    histories = kw.summarize(log, customer="customer_id", time="date", until="2024-06-30", unit="week")
    plan = planned(histories, offers=[LETTER], waits=[kw.weeks(4)], hold_out=0.0)
    assert plan.timing is not None
    dates = plan.timing["best_date"].dropna()
    assert set(dates.dt.strftime("%Y-%m-%d")) <= {"2024-07-01", "2024-07-29"}


def test_retention_costs_depend_on_whether_a_customer_returns():
    served = kw.Economics(
        margin=0.3,
        annual_discount_rate=0.15,
        order_cost=1.0,
        annual_retention_cost=20.0,
        retention_rule=kw.WhilePAliveAbove(0.3),
    )
    everyone = kw.Economics(
        margin=0.3,
        annual_discount_rate=0.15,
        order_cost=1.0,
        annual_retention_cost=20.0,
        retention_rule=kw.EveryoneFor(kw.years(1)),
    )
    histories = histories_of(2, 20.0, 60.0, unit="week")
    plain, cost, fixed = (
        planned(histories, offers=[LETTER], economics=economics).offers["mean"].iloc[0]
        for economics in (ECONOMICS, served, everyone)
    )
    assert fixed == pytest.approx(plain)  # paid for everybody, whatever they do
    change = planned(histories, offers=[LETTER]).offers.iloc[0]
    extra = change["p_return"] - change["p_return_without"]
    # who returns is served for some time, who is away is not
    assert plain - extra * 20.0 * 5 < cost < plain - extra * 20.0 * 0.1


def test_service_of_the_gone_who_are_brought_back_is_that_of_simulated_customers():
    """The firm sees their return and serves them by its rule; they buy on as what is known of the gone says."""
    r, alpha, a, b, x, t_x, age, h, years, size = 1.0, 4.0, 0.8, 2.4, 4, 20.0, 45.0, 26.0, 156.0, 100_000
    rng, delta, threshold = np.random.default_rng(5), math.log(1.15) * 7 / 365.25, 0.3

    def silence(count, t):
        longer = ((1 / threshold - 1) * (b + count) / a) ** (1 / (r + count))
        return np.maximum((alpha + t) * (longer - 1), 0.0)

    rate, p = rng.gamma(r + x, 1 / (alpha + t_x), size), rng.beta(a + 1, b + x, size)
    clock, count, served = np.full(size, age + h / 2), np.full(size, x + 1.0), np.zeros(size)
    here, active, end = rng.random(size) >= p, np.ones(size, dtype=bool), age + years
    while active.any():
        following = np.where(here, clock + rng.exponential(1, size) / rate, np.inf)
        until = np.minimum(np.minimum(clock + silence(count, clock), following), end)
        served += active * (np.exp(-delta * (clock - age)) - np.exp(-delta * (until - age))) / delta
        active &= following < end
        clock, count = np.where(active, following, clock), count + active
        here &= rng.random(size) >= p
    before = age + min(silence(x, t_x) - (age - t_x), h / 2)
    assert before < age  # not served any more today
    cost = 100.0 * served / (365.25 / 7)
    economics = kw.Economics(
        margin=0.3, annual_discount_rate=0.15, annual_retention_cost=100.0,
        retention_rule=kw.WhilePAliveAbove(threshold),
    )  # fmt: skip
    purchases = kw.fixed(kw.MBGNBD.Parameters(r=r, alpha=alpha, a=a, b=b, unit="week"))
    kinds, _ = distinct_customers(
        purchases, SPEND, histories_of(x, t_x, age, unit="week"), economics, horizon=kw.weeks(years), customers=None,
        draws=1,
    )  # fmt: skip
    service = Outlook.of(kinds, SPEND, economics, window=kw.weeks(h)).worth(slice(0, 1)).service
    assert service is not None
    # the futures of the library are drawn as well, and its cutoffs interpolated
    assert service.regained[1, 0, 0] == pytest.approx(cost.mean(), abs=4 * cost.std() / math.sqrt(2**13))
    assert service.regained[0, 0, 0] > 1.3 * service.regained[1, 0, 0]
    assert service.waiting[1, 0, 0] == 0


def test_totals_tell_the_error_that_draws_leave():
    plan = planned(shop(60), purchases=uncertain(30), response=shift(0.5, spread=0.3, draws=30), draws=30)
    value = plan.totals.loc["value"]
    assert value["mc_error"] == pytest.approx((value["upper"] - value["lower"]) / 3.29 / math.sqrt(30), rel=0.3)
    means = [
        planned(shop(30), shift(0.5, spread=0.3, draws=30, seed=seed), hold_out=0.0).totals.loc["value"]["mean"]
        for seed in range(20)
    ]
    alike = planned(shop(30), shift(0.5, spread=0.3, draws=30), hold_out=0.0).totals.loc["value", "mc_error"]
    assert np.std(means) == pytest.approx(alike, rel=0.5)
    assert (planned().totals["mc_error"] == 0).all()


def test_explanations_say_what_was_decided_and_why():
    plan = planned(shop(400), shift(0.25), offers=[VOUCHER], budget=40.0, waits=[kw.weeks(4)])

    for decision, words in {
        "contact": "The plan sends",
        "hold out": "by chance alone",
        "wait": "Waiting for 28 days",
        "leave alone": "nothing is sent",
    }.items():
        texts = plan.explanations(decision=decision)
        assert len(texts)
        assert texts.str.contains(words).all()
    text = plan.explanations().iloc[0]
    assert "without an offer, this customer returns within 13 weeks with probability" in text
    assert "EUR" in text
    assert "an assumption, not a measurement" in text
    assert "WinbackPlan for 400 customers" in repr(plan)
    letters = planned(shop(50), offers=[LETTER])
    assert not letters.explanations(decision="contact").str.contains("redemption").any()
    assert (letters.offers["redemption"] == 0).all()
    assert "<table" in plan._repr_html_()


def test_plan_is_written_to_files(tmp_path, monkeypatch):
    plan = planned()
    plan.to_csv(tmp_path / "plan.csv")
    read = pd.read_csv(tmp_path / "plan.csv", index_col="customer_id")
    assert read["mean"].to_numpy() == pytest.approx(plan.table["mean"].to_numpy())
    plan.to_parquet(tmp_path / "plan.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "plan.parquet"), plan.table)
    monkeypatch.setattr("kundenwert.winback.plan.find_spec", lambda _: None)
    with pytest.raises(kw.errors.MissingPackageError, match="pyarrow"):
        plan.to_parquet(tmp_path / "plan.parquet")


def test_posteriors_with_different_numbers_of_draws_go_together():
    spend_histories = histories_of([1, 2, 3], 10, 30, unit="week", mean_amount=[20.0, 30, 40])
    spend = kw.fixed(kw.GammaGamma.Parameters(p=6.25, q=3.74, gamma=15.44))
    plan = planned(
        spend_histories, shift(0.6, spread=0.2, draws=70), purchases=uncertain(50), spend=spend, draws=40, hold_out=0.0
    )
    assert np.isfinite(plan.offers["mean"]).all()
    assert (plan.offers["lower"] < plan.offers["upper"]).all()


@pytest.mark.parametrize(
    "more, words",
    [
        ({"hold_out": 10}, "hold_out is the share"),
        ({"hold_out": 1.0}, "hold_out is the share"),
        ({"budget": -1.0}, "budget is an amount"),
        ({"budget": math.nan}, "budget is an amount"),
        ({"hard_cap": -1.0}, "hard_cap is an amount"),
        ({"hard_cap_probability": 95}, "hard_cap_probability"),
        ({"offers": []}, "offers takes a list"),
        ({"offers": [LETTER, LETTER]}, "two offers"),
        ({"window": 13}, "window takes a Duration"),
        ({"horizon": kw.weeks(4)}, "window"),
        ({"waits": [kw.weeks(0)]}, "waits are"),
        ({"draws": 0}, "draws must be a whole number"),
        ({"response": "prior"}, "response must be"),
        ({"interval": 90}, "interval is a probability"),
        ({"seed": -1}, "seed must be a whole number"),
        ({"seed": "x"}, "seed must be a whole number"),
        ({"offers": [kw.Offer(label="call", contact_cost=1.0)]}, "'call' is unknown"),
        ({"segment": "region"}, "no table to look 'region' up"),
    ],
)
def test_bad_arguments_are_refused(more, words):
    with pytest.raises(kw.errors.KundenwertError, match=words):
        planned(**more)


@pytest.mark.parametrize("budgets", [[], ["a"], [-5.0], [math.nan], 3, "abc", list(range(50))])
def test_bad_budgets_are_refused(budgets):
    with pytest.raises(kw.errors.SpecificationError, match="budgets"):
        planned(shop(20)).profit_by_budget(budgets)


def test_rules_of_service_do_not_go_with_customers_who_may_be_dormant():
    served = kw.Economics(
        margin=0.3, annual_discount_rate=0.15, annual_retention_cost=20.0, retention_rule=kw.WhilePAliveAbove(0.3)
    )
    for gaps in (True, False):
        posterior = reviving.known(gaps=gaps)
        with pytest.raises(kw.errors.SpecificationError, match=r"WhilePAliveAbove.*EveryoneFor"):
            planned(reviving.customers(), reached(0.1, 0.1, 0.1), [LETTER], purchases=posterior, economics=served)


def test_contracts_and_opportunities_are_refused():
    donors = kw.fixed(kw.BGBB.Parameters(alpha=1.2, beta=0.7, gamma=0.6, delta=2.8))
    with pytest.raises(kw.errors.KundenwertError, match="CustomerHistories"):
        planned(purchases=donors)
    contracts: Any = kw.fixed(kw.ShiftedBetaGeometric.Parameters(gamma=0.7, delta=1.2))
    with pytest.raises(kw.errors.KundenwertError, match="PurchasePosterior"):
        planned(purchases=contracts)


@pytest.mark.parametrize(
    "field, value, words",
    [
        ("label", "", "label"),
        ("contact_cost", -1.0, "contact_cost"),
        ("redemption_cost", "ten", "redemption_cost"),
        ("silent_for", 13, "silent_for"),
        ("eligible", "consent", "eligible"),
        ("second_life", 0.8, "second_life"),
        ("second_life", kw.LogNormal(800.0, 5.0), "factor around 1"),
    ],
)
def test_bad_offers_are_refused(field, value, words):
    with pytest.raises(kw.errors.SpecificationError, match=words):
        kw.Offer(**({"label": "letter", "contact_cost": 1.0} | {field: value}))


def test_consent_must_be_true_or_false_for_everybody():
    offer = kw.Offer(label="letter", contact_cost=0.5, eligible=kw.PerCustomer("consent"))
    histories = shop(3)
    numbers = pd.DataFrame({"customer_id": range(3), "consent": [1, 0, 1]})
    with pytest.raises(kw.errors.ColumnError, match="truth values"):
        planned(histories, offers=[offer], customers=numbers)
    missing = pd.DataFrame({"customer_id": range(3), "consent": pd.array([True, None, False], dtype="boolean")})
    with pytest.raises(kw.errors.RowError, match="customer 1 has no value"):
        planned(histories, offers=[offer], customers=missing)


def test_factors_on_second_lives_are_centred_at_one():
    plan = planned(hold_out=0.0)
    assert isinstance(plan.setting, Setting)
    factors = plan.setting._factors(1000)
    assert np.median(factors, axis=1) == pytest.approx([1, 1], rel=1e-3)
    assert np.std(np.log(factors), axis=1) == pytest.approx([0.2, 0.2], rel=0.01)
