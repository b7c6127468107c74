"""Covariates of a campaign that are no numbers: truth values, and texts as categories."""

import json
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.special import expit, logit

import kundenwert as kw
from kundenwert.errors import ColumnError, DataError, MissingInformationError, RowError
from kundenwert.winback.outcomes import pooled
from tests import campaigns

CHANNELS = np.array(["web", "shop", "phone"])


def made(customers=3000, *, seed=3, shares=(0.6, 0.3, 0.1)):
    """Customers whose effect depends on the channel: 1 in the shop, else 0; and the columns they may be told by."""
    rng = np.random.default_rng(seed)
    organic = campaigns.organic_of(rng, customers)
    channel = rng.choice(CHANNELS, customers, p=shares)
    arm = rng.random(customers) < 0.5
    truth = logit(organic.p_return[:, 0]) + arm * (channel == "shop")
    frame = pd.DataFrame(
        {
            "customer_id": organic.customer_id,
            "offer": pd.array(campaigns.sent(arm, "A"), dtype="str"),
            "returned": rng.random(customers) < expit(truth),
            "channel": channel,
            "shop": channel == "shop",
        }
    )
    return organic, frame


def read(organic, frame, *covariates) -> Any:
    return kw.CampaignLog.from_pandas(frame, organic=organic, window=campaigns.WINDOW, covariates=covariates)


def fitted(log):
    return kw.fit(campaigns.response(), log, method=campaigns.QUICK, seed=2)


@pytest.fixture(scope="module")
def by_channel():
    organic, frame = made()
    log = read(organic, frame, "channel")
    return organic, frame, log, fitted(log)


def test_levels_are_terms_with_readable_names_and_their_effect_is_found(by_channel):
    organic, _, log, posterior = by_channel
    names = posterior.parameters().index
    for level in CHANNELS:
        assert f"covariate[channel: {level}]" in names
        assert f"covariate_effect[A, channel: {level}]" in names
    uplift = posterior.uplift(log).droplevel("offer")["uplift"]
    channel = log.covariates["channel"]
    change = np.log(1.0) + np.array([0.0, 1.0, 0.0])  # of the log-odds, in web, shop and phone
    for level, expected in zip(CHANNELS, change, strict=True):
        level_uplift = uplift[(channel == level).to_numpy()].mean()
        p = organic.p_return[(channel == level).to_numpy(), 0]
        true = np.mean(expit(logit(p) + expected) - p)
        assert level_uplift == pytest.approx(true, abs=0.045), level  # three standard errors of the smallest level


def test_truth_values_are_numbers():
    organic, frame = made(800)
    log, numeric = read(organic, frame, "shop"), read(organic, frame.astype({"shop": float}), "shop")
    objects = read(organic, frame.assign(shop=frame["shop"].astype(object)), "shop")
    first, *others = (
        kw.fit(campaigns.response(), each, method=campaigns.ROUGH, seed=1) for each in (log, numeric, objects)
    )
    for other in others:
        for ours, theirs in zip(first.values, other.values, strict=True):
            assert (ours == theirs).all()


@pytest.mark.parametrize("share", [0.5, 0.1])
def test_a_category_of_two_levels_has_the_prior_of_a_number(share):
    """The difference between its levels in log-odds has the same standard deviation under both."""
    organic, frame = made(1000)
    shop = np.arange(1000) < 1000 * share
    log = read(organic, frame.assign(text=np.where(shop, "yes", "no"), number=shop.astype(float)), "text", "number")
    (no, _, s), (yes, _, same), (number, _, sd) = log.cells(campaigns.response()).campaign.covariates
    assert (no, yes, number) == ("text: no", "text: yes", "number")
    assert s == same
    assert np.sqrt(2) / s == pytest.approx(1 / sd)  # two independent coefficients of prior sd 1, against one


def test_a_category_varies_as_much_as_a_number_under_the_prior():
    organic, frame = made(4000)
    cells = read(organic, frame, "channel").cells(campaigns.response())
    columns = np.stack([cells[f"covariate {k}"] for k in range(3)], axis=1)[cells.index]
    standard = (columns - [mean for _, mean, _ in cells.campaign.covariates]) / cells.campaign.covariates[0][2]
    coefficients = np.random.default_rng(1).normal(0, 0.5, (3, 4000))
    assert (standard @ coefficients).var(axis=0).mean() == pytest.approx(0.25, rel=0.05)


def test_two_levels_as_text_and_as_a_number_give_the_same_answers():
    organic, frame = made(2000)
    logs = [
        read(organic, frame.assign(text=np.where(frame["shop"], "yes", "no")), "text"),
        read(organic, frame, "shop"),
    ]
    ours, theirs = (fitted(log).uplift(log)["uplift"].to_numpy() for log in logs)
    assert ours.mean() == pytest.approx(theirs.mean(), abs=0.003)
    assert ours == pytest.approx(theirs, abs=0.01)


@pytest.mark.parametrize(
    "make",
    [
        pl.from_pandas,
        lambda frame: frame.assign(channel=frame["channel"].astype("category")),
        lambda frame: frame.assign(channel=frame["channel"].astype(object)),
    ],
    ids=["polars", "categories", "objects"],
)
def test_other_frames_and_types_give_the_same_cells(make):
    organic, frame = made(400)
    ours, theirs = (read(organic, each, "channel").cells(campaigns.response()) for each in (frame, make(frame)))
    assert ours.campaign.covariates == theirs.campaign.covariates
    assert ours.campaign.categories == theirs.campaign.categories == (("channel", ("phone", "shop", "web")),)
    for name, values in ours.columns.items():
        assert (theirs[name] == values).all()


def test_a_saved_posterior_comes_back_and_answers_alike(by_channel, tmp_path):
    organic, frame, log, posterior = by_channel
    posterior.save(tmp_path / "response.nc")
    back: Any = kw.load(tmp_path / "response.nc")
    assert back.model == posterior.model
    json.dumps(back.model.categories)  # plain
    table = frame.set_index("customer_id")[["channel"]]
    pd.testing.assert_frame_equal(back.uplift(organic, covariates=table), posterior.uplift(log))


def test_levels_that_the_campaign_did_not_have(by_channel):
    organic, frame, _, posterior = by_channel
    some = organic.take([0, 1, 2])
    table = frame.set_index("customer_id")[["channel"]].iloc[:3].astype(object)
    table.iloc[1, 0] = "fax"
    with pytest.raises(
        DataError, match=r"customer 1 has channel = 'fax', which the campaign did not have; known are 'ph"
    ):
        posterior.uplift(some, covariates=table)
    table.iloc[1, 0] = None
    unknown = posterior.response(some, offer="A", covariates=table)
    assert (unknown.covariates[1] == 0).all()  # the average of the campaign's
    assert unknown.covariates[0].any()
    with pytest.raises(MissingInformationError, match="the table has no 'channel'"):
        posterior.uplift(some, covariates=table.rename(columns={"channel": "Channel"}))
    with pytest.raises(DataError, match=r"effects depend on the covariates channel; give a table"):
        posterior.uplift(some)
    with pytest.raises(RowError, match="two rows for customer 0"):
        posterior.uplift(some, covariates=table.set_index(pd.Index([0, 0, 1])))


def test_numbers_stay_numbers():
    organic, frame = made(300)
    posterior = kw.fit(campaigns.response(), read(organic, frame, "shop"), method=campaigns.ROUGH, seed=1)
    table = pd.DataFrame({"shop": ["yes"] * 300}, index=organic.customer_id)
    with pytest.raises(ColumnError, match="'shop' was a number in the campaign, but holds such as 'yes' here"):
        posterior.uplift(organic, covariates=table)


def test_levels_stay_known_in_a_part_of_the_campaign(by_channel):
    """One that nobody of the part has is told by the prior, instead of breaking predictions for the rest."""
    organic, _, log, _ = by_channel
    part = log.take((log.covariates["channel"] != "phone").to_numpy())
    posterior = kw.fit(campaigns.response(), part, method=campaigns.ROUGH, seed=1)
    sd = posterior.parameters().loc["covariate_effect[A, channel: phone]", "sd"]
    assert sd == pytest.approx(0.5, rel=0.25)
    assert len(posterior.uplift(organic, covariates=log.covariates)) == len(organic)


def test_campaigns_with_different_levels_are_put_together():
    organic, frame = made(400)
    first = read(organic, frame, "channel")
    second = read(organic, frame.assign(channel=frame["channel"].replace("phone", "fax")), "channel")
    together: Any = pooled([first, second]).covariates
    assert list(together["channel"].cat.categories) == ["fax", "phone", "shop", "web"]


def test_a_model_is_asked_about_a_campaign_without_one_of_its_levels(by_channel):
    _, frame, log, posterior = by_channel
    organic, _ = made()
    few = frame[frame["channel"] != "phone"]
    cells = posterior.cells_of(read(organic, few, "channel"))
    whole = posterior.cells_of(log.take((log.covariates["channel"] != "phone").to_numpy()))
    for k in range(3):
        assert cells[f"covariate {k}"] == pytest.approx(whole[f"covariate {k}"])
    with pytest.raises(DataError, match=r"channel = 'fax' is unknown here; known are 'phone', 'shop', 'web'"):
        posterior.cells_of(read(organic, few.assign(channel=few["channel"].replace("web", "fax")), "channel"))


BAD = {
    "names": (
        lambda n: [f"id{i}" for i in range(n)],
        r"text with 300 different values for 300 customers, such as 'id0'",
    ),
    "many": (lambda n: [f"c{i % 120:03}" for i in range(n)], "has 120 levels, such as 'c000'; at most 100"),
    "dates": (lambda n: pd.date_range("2024-01-01", periods=n), "must hold numbers.*count the days from it"),
    "mixed": (lambda n: [["a"], "b"] * (n // 2), r"must hold numbers, True and False, or text.*got \['a'\]"),
    "twice": (lambda n: pd.Categorical([1, "1"] * (n // 2)), "two terms of the model would be called 'x: 1'"),
}


@pytest.mark.parametrize("values, message", BAD.values(), ids=BAD)
def test_columns_that_are_no_covariates_are_refused(values, message):
    organic, frame = made(300)
    with pytest.raises(ColumnError, match=message):
        read(organic, frame.assign(x=values(300)), "x").cells(campaigns.response())


def test_gaps_are_refused_and_the_remedies_work():
    organic, frame = made(300)
    gaps = frame.assign(channel=frame["channel"].where(frame["channel"] != "phone"))
    with pytest.raises(RowError, match=r"customer \d+ has no channel \(\d+ such customers\); give gaps a level"):
        read(organic, gaps, "channel")
    filled = read(organic, gaps.assign(channel=gaps["channel"].fillna("unknown")), "channel")
    assert "unknown" in filled.covariates["channel"].cat.categories
    frame["city"] = [f"c{i}" if i < 120 else "Bonn" for i in range(300)]
    with pytest.raises(ColumnError, match="'other'") as caught:
        read(organic, frame, "city")
    line = str(caught.value).partition("Put the rare ones together: ")[2]
    merged = eval(line, {"frame": frame})  # noqa: S307 - the line that the message shows
    assert set(read(organic, frame.assign(city=merged), "city").covariates["city"]) == {"Bonn", "other"}


@pytest.mark.filterwarnings("ignore:the campaign will hardly tell:kundenwert.errors.ComparisonWarning")
def test_a_plan_takes_categories_and_nobody_knows_the_level_of_some(by_channel):
    from tests.winback.campaigns import shop, uncertain

    *_, posterior = by_channel
    histories = shop(30)
    channel = np.array(["web", "shop", None] * 10, dtype=object)
    table = pd.DataFrame({"customer_id": histories.customer_id, "channel": channel})
    plan = kw.plan_winback(
        uncertain(),
        kw.KnownAmount(30.0),
        histories,
        kw.Economics(margin=0.3, annual_discount_rate=0.1),
        response=posterior,
        offers=[kw.Offer(label="A", contact_cost=0.1)],
        window=campaigns.WINDOW,
        customers=table,
        covariates=["channel"],
        draws=20,
        seed=1,
    )
    lift = (plan.table["p_return"] - plan.table["p_return_without"]).to_numpy()
    assert lift[channel == "shop"].mean() > lift[channel == "web"].mean()
