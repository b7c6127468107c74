"""After the campaign: comparison with the hold-out, calibration, learning for the next round."""

import math

import numpy as np
import pandas as pd
import pytest

import kundenwert as kw
from kundenwert.models.campaign_response import CampaignResponse
from kundenwert.models.families.campaign_assignment import Randomised
from kundenwert.posterior.campaign import CampaignPosterior
from kundenwert.winback.outcomes import pooled
from tests.winback.campaigns import ECONOMICS, SPEND, WINDOW, known, shift, shop

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


def outcomes_of(plan, rng, *, effect=0.6, factor=1.0):
    """What customers do whose log-odds of returning an offer shifts by `effect`; the induced spend `factor` times."""
    table = plan.table[plan.table["decision"].isin(["contact", "hold out"])]
    p_0 = table["p_return_without"].to_numpy()
    sent = table["decision"].eq("contact").to_numpy()
    p_1 = 1 / (1 + np.exp(-(np.log(p_0 / (1 - p_0)) + effect)))
    chance = rng.random(len(table))
    returned = chance < np.where(sent, p_1, p_0)
    amount = rng.lognormal(4, 0.3, len(table)) * np.where(sent & (chance >= p_0), factor, 1.0)
    return pd.DataFrame({"returned": returned, "spend": np.where(returned, amount, np.nan)}, index=table.index)


def test_realised_profit_is_right_on_average_and_its_interval_covers():
    plan, rng = planned(1000), np.random.default_rng(1)
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
            spread = math.sqrt(sent.var() / len(sent) + held.var() / len(held))
            assert row["upper"] - row["uplift"] == pytest.approx(1.6448536 * spread)


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


def test_response_is_learned_from_all_campaigns_together():
    plan, rng = planned(1500, response=unknown(), draws=50), np.random.default_rng(5)
    first = kw.evaluate_campaign(plan, outcomes_of(plan, rng, effect=0.9), spend="spend", seed=1)
    assert first.response is not None
    assert first.response.prior_only == ""
    again = kw.plan_winback(
        known(), SPEND, shop(1500), ECONOMICS, response=first.response, offers=OFFERS, window=WINDOW, seed=2, draws=50
    )
    assert again.prior_only == ""
    outcome = outcomes_of(again, rng, effect=0.9)
    with pytest.raises(kw.errors.SpecificationError, match="earlier"):
        kw.evaluate_campaign(again, outcome)
    second = kw.evaluate_campaign(again, outcome, earlier=[first.log], seed=1)
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
        draws=50,
        seed=1,
    )
    assert plan.prior_only
    found = kw.evaluate_campaign(plan, outcomes_of(plan, np.random.default_rng(6), effect=0.8), seed=1)
    assert found.response is not None
    effect = found.response.parameters(interval=0.99).loc["effect[letter]"]
    assert effect["lower"] < 0.8 < effect["upper"]
    assert effect["sd"] < 0.5 * before.parameters().loc["effect[letter]", "sd"]


def test_second_lives_are_learned_from_what_returners_spend():
    plan, rng = planned(8000, effect=1.2), np.random.default_rng(7)
    found = kw.evaluate_campaign(plan, outcomes_of(plan, rng, effect=1.2, factor=0.6), spend="spend", learn=False)
    before, after = OFFERS[0].second_life, found.offers[0].second_life
    assert after.sigma < before.sigma
    assert after.mu == pytest.approx(math.log(0.6), abs=3 * after.sigma)
    assert after.mu < -0.2
    unknown = kw.evaluate_campaign(plan, outcomes_of(plan, rng), learn=False)
    assert unknown.offers == tuple(OFFERS)


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
    nothing = planned(50, effect=-0.5)
    with pytest.raises(kw.errors.SpecificationError, match="no offer to anybody"):
        kw.evaluate_campaign(nothing, outcome)
