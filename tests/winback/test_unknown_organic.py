"""Campaigns without a log of purchases: one level of returns, what can be asked of them and what cannot."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

import kundenwert as kw
from kundenwert.errors import DataError
from tests import campaigns
from tests.winback.campaigns import shop, uncertain


def table(customers=20_000, *, level=0.02, lift=0.01, seed=5) -> Any:
    """A randomised campaign of which nothing is known but who was sent what and who returned."""
    rng = np.random.default_rng(seed)
    arm = rng.random(customers) < 0.5
    returned = rng.random(customers) < np.where(arm, level + lift, level)
    offer = pd.array(campaigns.sent(arm, "A"), dtype="str")
    return pd.DataFrame({"customer_id": np.arange(customers), "offer": offer, "returned": returned})


def read(frame, **more) -> Any:
    return kw.CampaignLog.from_pandas(frame, window=campaigns.WINDOW, **more)


def fitted(log, **more) -> Any:
    return kw.fit(campaigns.response(**more), log, method=campaigns.QUICK, seed=1)


@pytest.fixture(scope="module")
def learned():
    log = read(table())
    return log, fitted(log)


def test_one_level_is_said_to_be_one(learned):
    log, posterior = learned
    assert repr(log.organic) == "OrganicReturn(20,000 customers within weeks(13): unknown)"
    assert not log.organic.known
    assert log.take(np.arange(5)).organic.known is False
    assert log.organic.to_pandas()["p_return"].isna().all()
    assert len(log.cells(campaigns.response())) == 4
    assert any("No organic return was given" in note for note in posterior.diagnostics.notes)
    assert posterior.diagnostics.ok


@pytest.mark.every(3)
@pytest.mark.parametrize("level, lift", [(0.02, 0.01), (0.3, 0.05), (0.6, -0.03)])
def test_effects_are_the_difference_in_means(level, lift):
    frame = table(level=level, lift=lift)
    log = read(frame)
    found = fitted(log).average_effects(log).loc[("A", "all")]
    sent, held = (frame["returned"][frame["offer"].notna() == arm] for arm in (True, False))
    error = np.sqrt(sent.var() / len(sent) + held.var() / len(held))
    assert found["p_without"] == pytest.approx(held.mean(), abs=0.25 * np.sqrt(held.var() / len(held)))
    assert found["uplift"] == pytest.approx(sent.mean() - held.mean(), abs=0.15 * error)
    assert found["upper"] - found["lower"] == pytest.approx(2 * 1.645 * error, rel=0.1)


@pytest.mark.slow
def test_segments_and_covariates_tell_customers_apart():
    rng = np.random.default_rng(2)
    frame = table(12_000).assign(channel=rng.choice(["web", "shop"], 12_000))
    more = (frame["channel"] == "shop") & (rng.random(12_000) < 0.1)
    log = read(frame.assign(returned=frame["returned"] | more), covariates=["channel"])
    posterior = fitted(log)
    p = posterior.uplift(log)["p_without"].to_numpy()
    assert p[frame["channel"] == "shop"].mean() > 3 * p[frame["channel"] == "web"].mean()
    assessed = kw.assess_response(posterior, log, offer="A")
    assert len(assessed.calibration) == 4  # as many as there are predictions


def test_what_can_be_asked_of_new_customers(learned):
    log, posterior = learned
    new = kw.OrganicReturn.unknown(["a", "b"], window=campaigns.WINDOW)
    ours, theirs = posterior.uplift(new).loc["b"], posterior.uplift(log).loc[0]
    pd.testing.assert_frame_equal(ours, theirs)


def test_what_cannot_be_asked_is_refused(learned):
    log, posterior = learned
    known = campaigns.campaign(400, segments=())
    for ask in (posterior.uplift, posterior.average_effects, posterior.cells_of):
        with pytest.raises(DataError, match=r"learned from a campaign without organic returns.*OrganicReturn\.unknown"):
            ask(known)
    other = kw.fit(campaigns.response(), known, method=campaigns.ROUGH, seed=1)
    with pytest.raises(DataError, match="of these customers no organic return is known"):
        other.uplift(log)
    with pytest.raises(DataError, match="learned from a campaign without organic returns"):
        kw.plan_winback(
            uncertain(),
            kw.KnownAmount(30.0),
            shop(30),
            kw.Economics(margin=0.3, annual_discount_rate=0.1),
            response=posterior,
            offers=[kw.Offer(label="A", contact_cost=0.1)],
            window=campaigns.WINDOW,
            seed=1,
        )


def test_without_organic_returns_and_without_held_out_there_is_nothing_to_say():
    frame = table(200).assign(offer="A")
    model = kw.CampaignResponse(assignment=kw.Randomised(without_controls=kw.PriorOnly()))
    with pytest.raises(DataError, match=r"nobody was held out.*nothing is known of what customers do by themselves"):
        kw.fit(model, read(frame), seed=1)


def test_it_comes_back_from_a_file(learned, tmp_path):
    log, posterior = learned
    posterior.save(tmp_path / "response.nc")
    back: Any = kw.load(tmp_path / "response.nc")
    assert back.model.organic_known is False
    pd.testing.assert_frame_equal(back.average_effects(log), posterior.average_effects(log))


def test_the_window_must_be_one():
    with pytest.raises(kw.errors.SpecificationError, match="window must be longer than 0"):
        kw.CampaignLog.from_pandas(table(10), window=kw.weeks(0))
