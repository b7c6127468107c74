"""Qini, AUUC and calibration: by hand, at random, by an oracle, and on customers that were set aside."""

from typing import Any

import numpy as np
import pytest
from scipy.special import expit, logit

import kundenwert as kw
from kundenwert.errors import DataError, SpecificationError
from kundenwert.winback.ranking import ranking
from tests import campaigns
from tests.campaigns import QUICK, response

# eight customers, highest score first: sent 1 1 0 1 0 0 1 0, returned 1 1 0 0 1 0 0 0
SCORE = np.array([8, 7, 6, 5, 4, 3, 2, 1], dtype=float)
SENT = np.array([1, 1, 0, 1, 0, 0, 1, 0], dtype=float)
RETURNED = np.array([1, 1, 0, 0, 1, 0, 0, 0], dtype=float)
QINI_CURVE = np.array([0, 1, 2, 2, 2, 0.5, 1, 2 / 3, 1]) / 4
UPLIFT_CURVE = np.array([0, 1, 1, 1, 2 / 3, 1 / 6, 1 / 3, 1 / 6, 1 / 4]) * np.arange(9) / 8


def test_curves_and_areas_are_those_by_hand():
    got = ranking(SCORE, SENT, RETURNED)
    assert got.share == pytest.approx(np.arange(9) / 8)
    assert got.qini_curve == pytest.approx(QINI_CURVE)
    assert got.uplift_curve == pytest.approx(UPLIFT_CURVE)
    area = (QINI_CURVE.sum() - QINI_CURVE[-1] / 2) / 8
    assert got.qini == pytest.approx(area - QINI_CURVE[-1] / 2)
    assert got.auuc == pytest.approx((UPLIFT_CURVE.sum() - UPLIFT_CURVE[-1] / 2) / 8)


def test_both_curves_end_at_the_average_effect_and_ties_enter_together():
    got = ranking(np.zeros(8), SENT, RETURNED)
    assert got.share.tolist() == [0.0, 1.0]
    assert got.qini_curve[-1] == pytest.approx(0.25)
    assert got.uplift_curve[-1] == pytest.approx(0.25)
    assert got.qini == pytest.approx(0.0)
    assert got.auuc == pytest.approx(0.125)


def test_the_order_of_rows_is_of_no_account_and_counts_repeat_customers():
    order = np.random.default_rng(0).permutation(8)
    score = np.floor(SCORE / 2)
    whole, shuffled = ranking(score, SENT, RETURNED), ranking(score[order], SENT[order], RETURNED[order])
    assert shuffled.qini == pytest.approx(whole.qini)
    assert shuffled.auuc == pytest.approx(whole.auuc)
    counts = np.array([2, 1, 3, 0, 1, 1, 2, 1])
    repeated = ranking(*(np.repeat(values, counts) for values in (SCORE, SENT, RETURNED)))
    weighted = ranking(SCORE, SENT, RETURNED, counts.astype(float))
    assert weighted.qini == pytest.approx(repeated.qini)
    assert weighted.auuc == pytest.approx(repeated.auuc)


def world(customers=20_000):
    """An offer that helps some and harms others."""
    rng = np.random.default_rng(5)
    sent, helped = rng.random(customers) < 0.5, rng.random(customers) < 0.5
    p = 0.2 + sent * np.where(helped, 0.15, -0.05)
    return rng, sent.astype(float), (rng.random(customers) < p).astype(float), helped.astype(float)


def test_a_random_ranking_has_no_qini_and_an_oracle_has():
    rng, sent, returned, helped = world()
    random = ranking(rng.random(len(sent)), sent, returned)
    assert random.qini == pytest.approx(0.0, abs=0.005)
    assert random.auuc == pytest.approx(0.05 / 2, abs=0.008)
    oracle, reversed_oracle = ranking(helped, sent, returned), ranking(-helped, sent, returned)
    # the curve rises to .5 x .15 at one half and falls to .05: its area less that of the line
    assert oracle.qini == pytest.approx(0.5 * 0.075 / 2 + 0.5 * (0.075 + 0.05) / 2 - 0.05 / 2, abs=0.008)
    assert oracle.auuc == pytest.approx(oracle.qini + 0.05 / 2, abs=0.008)
    assert reversed_oracle.qini < -0.015


def two_kinds(customers, seed) -> Any:
    """An offer that helps the north and harms the south; a model of purchases that is right."""
    rng = np.random.default_rng(seed)
    organic = campaigns.organic_of(rng, customers, draws=20, sd=0.02)
    north, arm = rng.random(customers) < 0.5, rng.random(customers) < 0.6
    truth = expit(logit(organic.p_return[:, 0]) + arm * np.where(north, 0.9, -0.7))
    segment = np.where(north, "north", "south")
    offer = campaigns.sent(arm, "A")
    return campaigns.log_of(organic, offer, rng.random(customers) < truth, segment=segment)


@pytest.mark.slow
def test_predictions_are_calibrated_on_customers_set_aside():
    log = two_kinds(12_000, 0)
    learned, aside = log.take(np.arange(6000)), log.take(np.arange(6000, 12_000))
    posterior = kw.fit(response(), learned, seed=1, method=QUICK)
    got = kw.assess_response(posterior, aside, offer="A", interval=0.95)
    assert got.calibration.index.tolist() == list(range(1, 11))
    assert got.calibration["customers"].sum() == 6000
    inside = got.calibration["observed"].between(got.calibration["lower"], got.calibration["upper"])
    assert inside.sum() >= 8
    assert got.calibration["predicted"].is_monotonic_increasing
    foreseen = got.uplift_by_decile
    assert foreseen["predicted"].between(foreseen["lower"], foreseen["upper"]).sum() >= 8
    assert foreseen["predicted"].iloc[0] < 0 < foreseen["predicted"].iloc[-1]
    assert got.qini.lower > 0.01
    assert got.qini.lower < got.qini.mean < got.qini.upper
    assert got.auuc.lower < got.auuc.mean < got.auuc.upper
    assert got.curve.index[[0, 50, 100]].tolist() == [0.0, 0.5, 1.0]
    effect = aside.returned[aside.offer == 1].mean() - aside.returned[aside.offer == 0].mean()
    assert got.curve.iloc[-1].to_numpy() == pytest.approx([effect, effect])
    assert "Qini" in repr(got)
    again = kw.assess_response(posterior, aside.take(np.arange(6000)[::-1]), offer="A", interval=0.95)
    assert again.qini.mean == pytest.approx(got.qini.mean)


@pytest.mark.slow
def test_intervals_of_qini_cover_its_value_in_the_population():
    _, sent, returned, helped = world(200_000)
    truth = ranking(helped, sent, returned).qini
    from kundenwert.winback import assessment

    inside: Any = 0
    for seed in range(30):
        rows = np.arange(seed * 2000, (seed + 1) * 2000)
        drawn, _ = assessment._resampled(helped[rows], sent[rows], returned[rows], np.random.default_rng(seed))
        inside += np.quantile(drawn, 0.05) < truth < np.quantile(drawn, 0.95)
    assert inside >= 22  # of 30: three binomial standard errors below 27


def test_what_cannot_be_assessed_is_refused():
    log = two_kinds(200, 1)
    posterior = kw.fit(response(), log, seed=1, method=QUICK)
    with pytest.raises(DataError, match=r"needs customers who were sent it.*it has 0 and"):
        kw.assess_response(posterior, log, offer="B")
    with pytest.raises(DataError, match=r"it has [0-9]+ and 0"):
        kw.assess_response(posterior, log.take(log.offer == 1), offer="A")
    with pytest.raises(SpecificationError, match="takes a CampaignPosterior and a CampaignLog"):
        kw.assess_response(posterior, posterior, offer="A")
