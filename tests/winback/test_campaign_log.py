"""A campaign's rows: what is accepted, what is refused and how, and how rows collapse."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import kundenwert as kw
from kundenwert.errors import (
    ColumnError,
    DataError,
    DurationError,
    MissingInformationError,
    RowError,
    SizeError,
    SpecificationError,
)
from kundenwert.histories import campaign_terms
from tests import campaigns, cdnow

ORGANIC = campaigns.organic_of(np.random.default_rng(0), 4)
TABLE = pd.DataFrame(
    {
        "customer_id": [2, 0, 3, 1],
        "offer": ["A", None, "B", None],
        "returned": [True, False, False, True],
        "spend": [10.5, np.nan, 0.0, 3.0],
        "segment": ["x", "y", "y", "y"],
        "age": [1.0, 2.0, 3.0, 4.0],
    }
)


def read(frame, **more):
    return kw.CampaignLog.from_pandas(frame, organic=ORGANIC, window=campaigns.WINDOW, **more)


def test_a_table_is_taken_over_as_it_is():
    log = read(TABLE, spend="spend", segment="segment", covariates=["age"])
    back = log.to_pandas()
    assert back["customer_id"].tolist() == [2, 0, 3, 1]
    assert back["offer"].tolist() == ["A", None, "B", None]
    assert back["returned"].tolist() == [True, False, False, True]
    assert back["spend"].tolist() == [10.5, 0.0, 0.0, 3.0]
    assert back["segment"].tolist() == ["x", "y", "y", "y"]
    assert back["age"].tolist() == [1.0, 2.0, 3.0, 4.0]
    assert log.organic.p_return[log.organic.index] == pytest.approx(ORGANIC.p_return[[2, 0, 3, 1]])
    assert "2 sent one of 2 offers, 2 held out, 2 returned within weeks(13)" in repr(log)


@pytest.mark.parametrize("make", [pl.from_pandas, lambda frame: frame.astype({"offer": "category", "returned": int})])
def test_other_frames_and_types_give_the_same_campaign(make):
    log, other = read(TABLE), read(make(TABLE))
    assert (log.offers, log.offer.tolist()) == (other.offers, other.offer.tolist())
    assert log.returned.tolist() == other.returned.tolist()


BAD = {
    "not binary": ({"returned": [0, 1, 2, 0]}, RowError, "customer 3 has returned = 2; expected True or 1"),
    "missing": ({"returned": [0, 1, np.nan, 0]}, RowError, "customer 3 has returned = nan"),
    "negative spend": ({"spend": [1.0, 0.0, -2.0, 1.0]}, RowError, "customer 3 has spend = -2"),
    "spend without return": ({"spend": [1.0, 5.0, 0.0, 1.0]}, RowError, "customer 0 has spend = 5, returned = 0"),
    "twice": ({"customer_id": [2, 0, 2, 1]}, RowError, "customer 2 occurs more than once"),
    "numbers": ({"offer": [1, 0, 2, 0]}, ColumnError, "must be labels, strings or categories, got 1 for customer 2"),
    "empty label": ({"offer": ["A", "", "B", None]}, RowError, "write null for a customer who was held out"),
    "unknown": ({"customer_id": [2, 0, 9, 1]}, RowError, "customer 9 has no organic return probability"),
    "segment": ({"segment": ["x", None, "y", "y"]}, RowError, "customer 0 has no segment"),
    "covariate": ({"age": [1.0, np.inf, 2.0, 3.0]}, RowError, "customer 0 has age = inf"),
}


@pytest.mark.parametrize("columns, error, message", BAD.values(), ids=BAD)
def test_rows_that_cannot_be_are_refused(columns, error, message):
    frame = TABLE.assign(**columns)
    with pytest.raises(error, match=message):
        read(frame, spend="spend", segment="segment", covariates=["age"])


def test_the_window_is_that_of_the_organic_return():
    with pytest.raises(DataError, match=r"within weeks\(4\), but the organic return is that within weeks\(13\)"):
        kw.CampaignLog.from_pandas(TABLE, organic=ORGANIC, window=kw.weeks(4))
    with pytest.raises(DurationError, match="window takes a Duration"):
        kw.CampaignLog.from_pandas(TABLE, organic=ORGANIC, window=13)  # type: ignore[arg-type]  # the point
    with pytest.raises(DataError, match="organic takes what"):
        kw.CampaignLog.from_pandas(TABLE, organic=0.1, window=kw.weeks(4))  # type: ignore[arg-type]  # the point


def test_a_campaign_is_for_models_of_campaigns_only():
    log = read(TABLE)
    with pytest.raises(MissingInformationError, match="MBGNBD needs CustomerHistories"):
        log.cells(kw.MBGNBD())
    with pytest.raises(MissingInformationError, match="CampaignResponse needs a CampaignLog"):
        cdnow.histories().cells(campaigns.response())


def test_rows_that_agree_are_one_cell_and_their_order_is_of_no_account():
    log = campaigns.campaign(600)
    cells = log.cells(campaigns.response())
    assert len(cells) < 500
    assert cells.counts.sum() == 600
    shuffled = log.take(np.random.default_rng(1).permutation(600)).cells(campaigns.response())
    for name, values in cells.columns.items():
        assert shuffled[name] == pytest.approx(values, abs=1e-9)
    assert (shuffled.counts == cells.counts).all()
    assert np.asarray(shuffled.campaign.scores) == pytest.approx(np.asarray(cells.campaign.scores), abs=1e-6)


def test_classes_of_log_odds_are_narrow_and_keep_their_mean():
    log = campaigns.campaign(2000)
    cells = log.cells(campaigns.response())
    level = campaign_terms.log_odds(log.organic.p_return).mean(axis=1)
    assert np.abs(cells["organic"][cells.index] - level).max() <= campaign_terms.WIDTH
    assert cells["organic"][cells.index].sum() == pytest.approx(level.sum())


def test_components_give_back_the_draws_of_the_log_odds():
    log = campaigns.campaign(500, draws=40)
    columns, scores = campaign_terms.organic_columns(log.organic, with_shares=False)
    drifts = np.stack([columns[campaign_terms.column("drift", k)] for k in range(len(scores))])
    drawn = campaign_terms.log_odds(log.organic.p_return)
    moved = drawn.mean(axis=1)[:, None] + drifts.T @ np.array(scores)
    assert len(scores) == 2  # all draws move up and down, and the slope changes
    # classes average what moves the customers within them
    assert np.sqrt(np.mean((moved - drawn) ** 2)) < 0.01


def test_a_single_draw_has_no_components():
    organic = kw.OrganicReturn.from_probabilities(range(3), [0.0, 0.5, 1.0], window=campaigns.WINDOW)
    columns, scores = campaign_terms.organic_columns(organic, with_shares=True)
    assert scores == ()
    assert np.isfinite(columns["organic"]).all()
    assert columns[campaign_terms.column("share", 0)].tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    "probability, message",
    [
        ([0.1, 1.2, 0.3], "customer 1 has P.state."),
        ([0.1, -0.2, 0.3], "customer 1 has P.state."),
        ([0.1, np.nan, 0.3], "customer 1 has P.state."),
        ([0.1, 0.2], "one number per customer"),
    ],
)
def test_numbers_that_are_no_probabilities_are_refused(probability, message):
    with pytest.raises(DataError, match=message):
        kw.OrganicReturn.from_probabilities(range(3), probability, window=campaigns.WINDOW)


def test_organic_returns_are_chosen_by_position_and_id():
    chosen = ORGANIC.select([3, 1])
    assert chosen.customer_id.tolist() == [3, 1]
    assert chosen.p_return[chosen.index] == pytest.approx(ORGANIC.p_return[[3, 1]])
    assert len(ORGANIC.take([])) == 0
    means = ORGANIC.to_pandas()
    assert means["p_alive"].to_numpy() == pytest.approx(ORGANIC.probability[0].mean(axis=1))
    assert means["p_return"].to_numpy() == pytest.approx(ORGANIC.p_return.mean(axis=1))


def test_windows_of_equal_length_are_equal():
    read_in_days = kw.CampaignLog.from_pandas(TABLE, organic=ORGANIC, window=kw.days(91))
    assert read_in_days.window == campaigns.WINDOW


def test_several_campaigns_are_told_apart():
    log = read(TABLE.assign(when=["may", "june", "may", "june"]), campaign="when")
    assert log.campaigns == ("june", "may")
    assert log.to_pandas()["campaign"].tolist() == ["may", "june", "may", "june"]
    assert log.take([0, 3]).campaign.tolist() == [1, 0]
    cells = log.cells(campaigns.response())
    assert cells["campaign"][cells.index].tolist() == [1, 0, 1, 0]
    assert read(TABLE.assign(when="may"), campaign="when").campaign is None  # one
    with pytest.raises(DataError, match="two labels or more"):
        replace(log, campaign=None)
    with pytest.raises(RowError, match="campaign = 2"):
        replace(log, campaign=np.array([0, 1, 2, 0]))


def test_positions_and_numbers_that_are_none_are_refused():
    for take in (ORGANIC.take, read(TABLE).take):
        for positions in ([1000], [True], [0.5]):
            with pytest.raises(DataError, match="take takes positions below 4"):
                take(positions)
    with pytest.raises(DataError, match="probability takes numbers"):
        kw.OrganicReturn.from_probabilities(["a"], ["x"], window=campaigns.WINDOW)
    with pytest.raises(SpecificationError, match="window must be longer than 0"):
        kw.OrganicReturn.from_probabilities(["a"], [0.1], window=kw.weeks(0))
    with pytest.raises(SpecificationError, match="window must be longer than 0"):
        kw.OrganicReturn.from_probabilities(["a"], [0.1], window=kw.opportunities(0))


def test_organic_returns_that_do_not_fit_in_memory_are_refused(monkeypatch):
    monkeypatch.setattr("kundenwert.histories.organic.LARGEST", 100)
    with pytest.raises(SizeError, match="ask for fewer draws"):
        kw.OrganicReturn.from_probabilities(range(3), np.full((3, 5), 0.1), window=campaigns.WINDOW)


def offered(labels) -> Any:
    """The table with these offers."""
    return TABLE.assign(offer=pd.Series(labels, dtype=object))


LOOKS_LIKE_NONE = ["No E-Mail", "none", "None", "control", "Control group", "A (control)", "control_group", "NoMail"]
LOOKS_LIKE_NONE += ["Kontrollgruppe", "keine Mail", "kein Angebot", "ohne Gutschein", "holdout", "hold-out", "held out"]
LOOKS_LIKE_NONE += ["nan", "N/A", "0", "untreated", "baseline", "not mailed", "without voucher", "CTRL"]
LOOKS_LIKE_NONE += [
    "Nullgruppe",
    "Vergleichsgruppe",
    "Referenzgruppe",
    "leer",
    "KG",
    "Kontrolle",
    "Holdout",
    "Placebo",
    "-",
]


@pytest.mark.parametrize("label", LOOKS_LIKE_NONE)
def test_a_label_that_looks_like_a_control_is_asked_about(label):
    frame = offered(["A", label, "B", label])
    with pytest.raises(DataError, match="looks like that of a control group") as caught:
        read(frame)
    assert f"the label {label!r} (2 customers)" in str(caught.value)
    assert f"control={label!r}" in str(caught.value)
    assert "control=None" in str(caught.value)
    # both remedies work
    assert read(frame, control=label).offer.tolist() == read(TABLE).offer.tolist()
    assert read(frame, control=None).offers == tuple(sorted({"A", "B", label}))


@pytest.mark.parametrize(
    "label", ["Nonstop 10 %", "Notebook", "Normal voucher", "Nordic", "Call", "KontoPlus", "Nancy"]
)
def test_labels_of_offers_are_not_asked_about(label):
    assert label in read(offered(["A", label, "B", None])).offers


def test_several_labels_that_look_like_controls_and_one_that_is_none():
    frame = offered(["A", "control", "no mail", "control"])
    with pytest.raises(DataError, match=r"and so do 'no mail'; .*\(if more than one of them does, give"):
        read(frame)
    assert read(frame, control="control").offers == ("A", "no mail")  # said: nothing is asked any more
    with pytest.raises(ColumnError, match=r"control='Control' is no label of column 'offer', which has 'A', 'control'"):
        read(frame, control="Control")
    with pytest.raises(DataError, match=r"control takes the label of the customers who were held out.*got 0"):
        read(frame, control=0)


def test_null_and_the_label_of_the_control_are_both_held_out():
    frame = offered(["A", None, "B", "control"])
    assert read(frame, control="control").offer.tolist() == [1, 0, 2, 0]
    blank = offered(["A", "", "B", ""])
    with pytest.raises(RowError, match="control=''"):
        read(blank)
    assert read(blank, control="").offer.tolist() == [1, 0, 2, 0]
    with pytest.raises(ColumnError, match="control='0'"):
        read(offered([1, 0, 1, 0]))
    assert read(offered([1, 0, 1, 0]).astype({"offer": str}), control="0").offers == ("1",)


def test_a_named_control_gives_the_same_posterior_to_the_bit():
    log = campaigns.campaign(600, segments=())
    frame = log.to_pandas()
    named = frame.assign(offer=[each if isinstance(each, str) else "No E-Mail" for each in frame["offer"]])
    other = kw.CampaignLog.from_pandas(named, organic=log.organic, window=log.window, control="No E-Mail")
    first, second = (kw.fit(campaigns.response(), each, method=campaigns.ROUGH, seed=1) for each in (log, other))
    for ours, theirs in zip(first.values, second.values, strict=True):
        assert (ours == theirs).all()
    one, two = (kw.assess_response(first, each, offer="A") for each in (log, other))
    assert one.qini == two.qini
    pd.testing.assert_frame_equal(one.calibration, two.calibration)


def test_an_offer_of_a_plan_may_be_called_anything():
    """Who is held out in a plan is known; several campaigns are put together as they are."""
    from kundenwert.winback.outcomes import pooled

    log = read(offered(["A", None, "no surcharge", None]), control=None)
    assert pooled([log, log]).offers == ("A", "no surcharge")
