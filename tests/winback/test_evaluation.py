"""After the campaign: comparison with the hold-out, calibration, learning for the next round."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

import kundenwert as kw
from kundenwert.models.campaign_response import CampaignResponse
from kundenwert.models.families.campaign_assignment import Randomised
from kundenwert.posterior.campaign import CampaignPosterior
from kundenwert.winback.comparison import Outcome, difference
from kundenwert.winback.outcomes import pooled
from tests.campaigns import QUICK
from tests.customers import histories_of
from tests.winback.campaigns import ECONOMICS, SPEND, WINDOW, known, shift, shop

pytestmark = pytest.mark.filterwarnings("ignore:the campaign will hardly tell:kundenwert.errors.ComparisonWarning")

OFFERS = [
    kw.Offer(label="letter", contact_cost=0.5),
    kw.Offer(label="voucher", contact_cost=0.2, redemption_cost=4.0, silent_for=kw.weeks(20)),
]


def unknown():
    """A response of which nothing is known yet."""
    return CampaignPosterior.from_prior(
        CampaignResponse(assignment=Randomised()), offers=("letter", "voucher"), draws=500, seed=1
    )


def planned(customers=2000, effect=0.6, hold_out=0.25, response=None, **more):
    return kw.plan_winback(
        known(),
        SPEND,
        shop(customers),
        ECONOMICS,
        response=shift(effect) if response is None else response,
        offers=OFFERS,
        window=WINDOW,
        hold_out=hold_out,
        seed=1,
        **more,
    )


def outcomes_of(plan, rng, *, effect=0.6):
    """What customers do whose log-odds of returning an offer shifts by `effect`."""
    table = plan.table[plan.table["decision"].isin(["contact", "hold out"])]
    p_0 = table["p_return_without"].to_numpy()
    sent = table["decision"].eq("contact").to_numpy()
    p_1 = 1 / (1 + np.exp(-(np.log(p_0 / (1 - p_0)) + effect)))
    chance = rng.random(len(table))
    returned = chance < np.where(sent, p_1, p_0)
    amount = rng.lognormal(4, 0.3, len(table))
    return pd.DataFrame({"returned": returned, "spend": np.where(returned, amount, np.nan)}, index=table.index)


@pytest.mark.slow
def test_realised_profit_is_right_on_average_and_its_interval_covers():
    plan, rng = planned(700), np.random.default_rng(1)
    sent = plan.table["decision"].eq("contact")
    truth = (plan.table["p_return"] - plan.table["p_return_without"])[sent].sum()
    evaluations = [
        kw.evaluate_campaign(plan, outcomes_of(plan, rng), spend="spend", learn=False, interval=0.8).profit
        for _ in range(40)
    ]
    returns = pd.DataFrame([each.loc["additional_returns"] for each in evaluations])
    assert returns["predicted"].iloc[0] == pytest.approx(truth)
    error = returns["realised"].std() / math.sqrt(len(returns))
    assert returns["realised"].mean() == pytest.approx(truth, abs=3 * error)
    covered = returns["lower"].le(truth) & returns["upper"].ge(truth)
    assert covered.mean() == pytest.approx(0.8, abs=3 * math.sqrt(0.16 / 40))
    values = pd.DataFrame([each.loc["incremental_value"] for each in evaluations])
    error = values["realised"].std() / math.sqrt(len(values))
    assert values["realised"].mean() == pytest.approx(values["predicted"].iloc[0], abs=3 * error)
    assert values["predicted"].iloc[0] == pytest.approx(plan.totals.loc["value", "mean"])
    # margin of what was spent less orders, contacts and redemptions, by hand
    outcome = outcomes_of(plan, rng)
    found = kw.evaluate_campaign(plan, outcome, spend="spend", learn=False)
    earned = 0.3 * outcome["spend"].fillna(0) - outcome["returned"]
    assert found.profit.loc["profit_in_window", "realised"] < earned[sent].sum()
    assert found.by_offer["contacted"].sum() == sent.sum()


def agresti_caffo(sent, held, level=1.6448536269514722):
    """A return and a silence are added to both groups."""
    p, q = ((arm.sum() + 1) / (len(arm) + 2) for arm in (sent, held))
    half = level * math.sqrt(p * (1 - p) / (len(sent) + 2) + q * (1 - q) / (len(held) + 2))
    return p - q - half, p - q + half


def test_comparison_is_by_hand_where_there_is_one_offer():
    plan = planned(300)
    outcome = outcomes_of(plan, np.random.default_rng(2))
    found = kw.evaluate_campaign(plan, outcome, learn=False)
    table = plan.table.join(outcome)
    for offer, row in found.by_offer.iterrows():
        mine = table[table["intended_offer"] == offer]
        sent, held = (
            mine.loc[mine["decision"] == group, "returned"].astype(float) for group in ("contact", "hold out")
        )
        assert (row["contacted"], row["held_out"]) == (len(sent), len(held))
        if len(sent) > 1 and len(held) > 1:
            assert row["uplift"] == pytest.approx(sent.mean() - held.mean())
            assert (row["lower"], row["upper"]) == pytest.approx(agresti_caffo(sent, held))


def returns(returned):
    """Returns of customers, and nothing else known of them."""
    return Outcome(returned, np.ones_like(returned), np.zeros_like(returned), limit=1.0)


@pytest.mark.slow
@pytest.mark.parametrize(
    "held, sent, p_0, p_1", [(10, 90, 0.05, 0.1), (10, 90, 0.15, 0.25), (20, 180, 0.05, 0.05), (20, 180, 0.3, 0.5)]
)
def test_intervals_hold_with_few_held_out(held, sent, p_0, p_1):
    """By all outcomes there are, each with its probability."""
    contacted, offer = np.repeat([True, False], [sent, held]), np.zeros(held + sent, dtype=int)
    covered = total = 0.0
    for back in range(held + 1):
        for also in range(sent + 1):
            chance = binom.pmf(back, held, p_0) * binom.pmf(also, sent, p_1)
            if chance > 1e-6:
                returned = np.r_[np.arange(sent) < also, np.arange(held) < back].astype(float)
                found = difference(returns(returned), contacted, offer, 0.9)
                covered += chance * (found.lower <= p_1 - p_0 <= found.upper)
                total += chance
                assert -1 <= found.lower <= found.mean <= found.upper <= 1
    assert total > 0.999
    assert covered > 0.895


def test_intervals_of_amounts_hold_with_few_held_out():
    """Most spend nothing: in small groups nobody may have."""
    rng, covered = np.random.default_rng(11), []
    contacted, offer = np.repeat([True, False], [90, 10]), np.zeros(100, dtype=int)
    for _ in range(1000):
        returned = rng.random(100) < np.where(contacted, 0.3, 0.15)
        amount = np.where(returned, 40.0, 0.0)
        found = difference(Outcome(amount, np.full(100, 40.0), np.zeros(100)), contacted, offer, 0.9)
        covered.append(found.lower <= 6.0 <= found.upper)
    assert np.mean(covered) > 0.88


def test_groups_in_which_nobody_returned_are_not_certain():
    contacted, nothing = np.repeat([True, False], [54, 6]), np.zeros(60)
    of_returns = difference(returns(nothing), contacted, np.zeros(60, dtype=int), 0.9)
    of_amounts = difference(Outcome(nothing, np.full(60, 30.0), nothing), contacted, np.zeros(60, dtype=int), 0.9)
    assert of_returns.lower < -0.2
    assert of_amounts.lower < -6.0
    assert of_returns.mean == of_amounts.mean == 0
    plan = planned(100)
    outcome = pd.DataFrame({"returned": False, "spend": 0.0}, index=plan.table.index)
    with pytest.warns(kw.errors.ComparisonWarning, match="hardly told from chance"):
        profit = kw.evaluate_campaign(plan, outcome, spend="spend", learn=False).profit
    assert (profit["lower"] < profit["upper"])[["additional_returns", "incremental_value"]].all()
    assert np.isnan(profit["lower"].iloc[-1])  # nobody knows what a return would have brought


def test_customers_beyond_the_rule_are_compared_with_nobody():
    rng, n = np.random.default_rng(12), 1000
    costs = pd.DataFrame({"customer_id": range(n), "contact": rng.uniform(0.1, 5.0, n)})
    offer = kw.Offer(label="letter", contact_cost=kw.PerCustomer("contact"))
    plan = kw.plan_winback(
        known(), SPEND, shop(n), ECONOMICS, response=shift(0.5), offers=[offer], window=WINDOW, hold_out=0.3, seed=1,
        customers=costs, budget=80.0,
    )  # fmt: skip
    table = plan.table
    beyond = (table["decision"] == "contact") & table["intended_offer"].isna()
    assert beyond.any()
    assert (table.loc[beyond, "mean"] < plan.shadow_price * table.loc[beyond, "expected_spend"]).all()
    assert "The plan sends 'letter'" in plan.explain(table.index[beyond][0])
    outcome = pd.DataFrame({"returned": rng.random(n) < 0.3}, index=table.index)
    found = kw.evaluate_campaign(plan, outcome, learn=False)
    compared = table["intended_offer"].notna() & (table["decision"] == "contact")
    assert found.by_offer["contacted"].sum() == compared.sum()
    assert found.profit.loc["incremental_value", "predicted"] == pytest.approx(table.loc[compared, "mean"].sum())


def test_calibration_shows_predictions_that_hold_and_those_that_do_not():
    plan, rng = planned(6000), np.random.default_rng(3)
    good = kw.evaluate_campaign(plan, outcomes_of(plan, rng), learn=False).calibration
    assert good["customers"].sum() == plan.table["intended_offer"].notna().sum()
    inside = good["predicted"].between(good["lower"], good["upper"])
    assert inside.mean() >= 0.75
    bad = kw.evaluate_campaign(plan, outcomes_of(plan, rng, effect=-1.0), learn=False).calibration
    sent = bad["group"] == "contacted"
    assert bad["predicted"].gt(bad["upper"])[sent].mean() > 0.7


def test_without_hold_out_there_is_no_comparison_but_calibration():
    plan = planned(200, hold_out=0.0)
    found = kw.evaluate_campaign(plan, outcomes_of(plan, np.random.default_rng(4)), learn=False)
    assert found.profit["realised"].isna().all()
    assert found.by_offer["uplift"].isna().all()
    assert found.calibration["predicted"].notna().all()
    with pytest.warns(kw.errors.ComparisonWarning, match="nothing was learned"):
        tried = kw.evaluate_campaign(plan, outcomes_of(plan, np.random.default_rng(4)), seed=1)
    assert tried.response is None
    pd.testing.assert_frame_equal(tried.calibration, found.calibration)


def test_response_is_learned_from_all_campaigns_together():
    plan, rng = planned(1000, response=unknown(), draws=30), np.random.default_rng(5)
    first = kw.evaluate_campaign(plan, outcomes_of(plan, rng, effect=0.9), spend="spend", seed=1, method=QUICK)
    assert first.response is not None
    assert first.response.prior_only == ""
    again = kw.plan_winback(
        known(), SPEND, shop(1000), ECONOMICS, response=first.response, offers=OFFERS, window=WINDOW, seed=2, draws=30
    )
    assert again.prior_only == ""
    outcome = outcomes_of(again, rng, effect=0.9)
    with pytest.raises(kw.errors.SpecificationError, match="earlier"):
        kw.evaluate_campaign(again, outcome)
    second = kw.evaluate_campaign(again, outcome, earlier=[first.log], seed=1, method=QUICK)
    assert second.response is not None
    assert second.response.provenance.customers == len(first.log) + len(second.log)
    assert second.response.offers == ("letter", "voucher")


def test_learning_moves_the_effect_to_the_truth():
    before = unknown()
    plan = kw.plan_winback(
        known(),
        SPEND,
        shop(3000),
        ECONOMICS,
        response=before,
        offers=OFFERS[:1],
        window=WINDOW,
        hold_out=0.3,
        draws=30,
        seed=1,
    )
    assert plan.prior_only
    found = kw.evaluate_campaign(plan, outcomes_of(plan, np.random.default_rng(6), effect=0.8), seed=1, method=QUICK)
    assert found.response is not None
    effect = found.response.parameters(interval=0.99).loc["effect[letter]"]
    assert effect["lower"] < 0.8 < effect["upper"]
    assert effect["sd"] < 0.5 * before.parameters().loc["effect[letter]", "sd"]


def bought(rng, rate, p, alive, length):
    """How often simulated customers buy."""
    clock, count, here = np.zeros(len(rate)), np.zeros(len(rate)), alive.copy()
    while here.any():
        clock[here] += rng.exponential(1, here.sum()) / rate[here]
        here &= clock <= length
        count += here
        here &= rng.random(len(rate)) >= p
    return count


@pytest.mark.slow
@pytest.mark.parametrize("factor", [1.0, 0.6])
def test_second_lives_are_learned_from_what_returners_spend(factor):
    """Customers who are brought back have less time in the window, and are slower, or leave again: not by the offer."""
    r, alpha, a, b, h, size = 1.0, 4.0, 0.5, 3.0, 26.0, 20_000
    rng = np.random.default_rng(7)
    x = rng.poisson(2, size)
    t_x = np.where(x > 0, rng.integers(1, 30, size), 0.0)
    age = t_x + rng.integers(3, 12, size)
    prior = kw.LogNormal(0.0, 0.5)
    plan = kw.plan_winback(
        kw.fixed(kw.MBGNBD.Parameters(r=r, alpha=alpha, a=a, b=b, unit="week")),
        SPEND,
        histories_of(x, t_x, age, unit="week"),
        ECONOMICS,
        response=shift(0.8, labels=("letter",)),
        offers=[kw.Offer(label="letter", contact_cost=0.01, second_life=prior)],
        window=kw.weeks(h),
        hold_out=0.3,
        seed=1,
    )
    odds = a / (b + x) * ((alpha + age) / (alpha + t_x)) ** (r + x)
    alive = rng.random(size) < 1 / (1 + odds)
    rate = rng.gamma(r + x) / np.where(alive, alpha + age, alpha + t_x)
    p = np.where(alive, rng.beta(a, b + x + 1), rng.beta(a + 1, b + x))
    organic = bought(rng, rate, p, alive, h)
    again = 1 + bought(rng, rate, p, rng.random(size) >= p, h / 2)
    table = plan.table
    share = (table["p_return"] - table["p_return_without"]) / (1 - table["p_return_without"])
    induced = (table["decision"] == "contact") & (organic == 0) & (rng.random(size) < share)
    outcome = pd.DataFrame({"returned": (organic > 0) | induced}, index=table.index)
    outcome["spend"] = 60.0 * np.where(induced, factor * again, organic)
    found = kw.evaluate_campaign(plan, outcome, spend="spend", learn=False).offers[0].second_life
    assert found.sigma < 0.25
    assert found.mu == pytest.approx(math.log(factor), abs=2 * found.sigma)
    assert kw.evaluate_campaign(plan, outcome, learn=False).offers[0].second_life == prior


def test_pooled_campaigns_hold_everybody_once_per_campaign():
    plan = planned(200)
    logs = [kw.evaluate_campaign(plan, outcomes_of(plan, np.random.default_rng(i)), learn=False).log for i in (1, 2)]
    together = pooled(logs)
    assert len(together) == 2 * len(logs[0])
    assert together.returned.sum() == logs[0].returned.sum() + logs[1].returned.sum()
    assert together.organic.p_return[together.organic.index].mean() == pytest.approx(
        logs[0].organic.p_return[logs[0].organic.index].mean()
    )


def test_bad_outcomes_are_refused():
    plan = planned(200)
    outcome = outcomes_of(plan, np.random.default_rng(8))
    with pytest.raises(kw.errors.RowError, match="expected one for everybody"):
        kw.evaluate_campaign(plan, outcome.iloc[1:], learn=False)
    with pytest.raises(kw.errors.RowError, match="two rows"):
        kw.evaluate_campaign(plan, pd.concat([outcome, outcome.iloc[:1]]), learn=False)
    with pytest.raises(kw.errors.RowError, match="True or 1"):
        kw.evaluate_campaign(plan, outcome.assign(returned=2), learn=False)
    with pytest.raises(kw.errors.RowError, match="amount of money"):
        kw.evaluate_campaign(plan, outcome.assign(spend=-1.0), spend="spend", learn=False)
    with pytest.raises(kw.errors.ColumnError, match="no column"):
        kw.evaluate_campaign(plan, outcome, returned="came back", learn=False)
    with pytest.raises(kw.errors.SpecificationError, match="WinbackPlan"):
        kw.evaluate_campaign("plan", outcome)  # type: ignore[arg-type]
    with pytest.raises(kw.errors.SpecificationError, match="earlier takes the logs"):
        kw.evaluate_campaign(plan, outcome, earlier=[3])  # type: ignore[list-item]
    nothing = planned(50, effect=-0.5)
    with pytest.raises(kw.errors.SpecificationError, match="no offer to anybody"):
        kw.evaluate_campaign(nothing, outcome)
