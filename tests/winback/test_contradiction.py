"""When the held-out of a campaign contradict the organic forecast: where that is sure and of weight, and not else."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

import kundenwert as kw
from kundenwert.models.families.campaign_forecast import contradiction
from tests import campaigns


def said(foreseen, returned, **columns) -> str:
    """What is said of held-out of whom this was foreseen and seen; one more customer gets an offer."""
    foreseen, returned = np.append(foreseen, 0.5), np.append(returned, True)
    columns = {name: np.append(values, values[0]) for name, values in columns.items()}
    organic: Any = kw.OrganicReturn.from_probabilities(range(len(foreseen)), foreseen, window=campaigns.WINDOW)
    log = campaigns.log_of(organic, [None] * (len(foreseen) - 1) + ["A"], returned, **columns)
    return contradiction(log.cells(campaigns.response()))


def alike(foreseen, seen, number) -> str:
    """The same is foreseen of all of them."""
    return said(np.full(number, foreseen), np.arange(number) < round(seen * number))


@pytest.mark.parametrize(
    "foreseen, seen, number",
    [
        (0.26, 0.02, 50),
        (0.02, 0.05, 400),
        (0.05, 0.02, 1000),
        (0.95, 0.70, 200),
        (0.95, 0.50, 20),
        (0.70, 0.95, 200),
        (0.50, 0.70, 200),
        (0.26, 0.00, 40),
        (0.001, 0.02, 500),
        (0.0, 0.05, 100),
        (1.0, 0.80, 100),
    ],
)
def test_what_is_sure_and_of_weight_is_told(foreseen, seen, number):
    message = alike(foreseen, seen, number)
    assert message.startswith("the held-out contradict the organic forecast: ")
    assert f" {round(seen * number)} of {number:,} returned ({seen:.1%})" in message
    assert f"({foreseen:.1%}). " in message


@pytest.mark.parametrize(
    "foreseen, seen, number",
    [
        (0.02, 0.05, 60),  # 1.2 foreseen, 3 seen: that happens
        (0.26, 0.10, 20),
        (0.95, 0.80, 10),
        (0.26, 0.20, 5000),  # sure, and slight
        (0.50, 0.60, 5000),
        (0.95, 0.93, 5000),
        (0.02, 0.02, 5000),
        (0.02, 0.0, 1),
    ],
)
def test_what_may_be_chance_or_is_slight_is_not(foreseen, seen, number):
    assert not alike(foreseen, seen, number)


def test_a_forecast_that_does_not_promise_much_is_hard_to_contradict():
    rng = np.random.default_rng(2)
    for sd, told in ((0.05, True), (1.5, False)):
        p = np.broadcast_to(expit(logit(0.2) + sd * rng.normal(size=100)), (301, 100))
        organic = kw.OrganicReturn.from_probabilities(range(301), p, window=campaigns.WINDOW)
        log = campaigns.log_of(organic, [None] * 300 + ["A"], np.arange(301) < 20)
        assert bool(contradiction(log.cells(campaigns.response()))) is told


def test_a_forecast_that_knows_how_many_and_not_who_is_told_of():
    foreseen = np.repeat([0.1, 0.4], 500)
    place = np.arange(500)
    assert not said(foreseen, np.r_[place < 50, place < 200])
    message = said(foreseen, np.r_[place < 200, place < 50])
    assert message.startswith("the held-out contradict the organic forecast for those whom it takes for less likely ")
    assert "200 of 500 returned (40.0%), where it foresees 50 (10.0%)" in message
    assert said(foreseen, np.r_[place < 125, place < 125])  # no more often than others


def test_a_segment_of_which_it_is_wrong_is_named():
    foreseen, place = np.full(800, 0.2), np.arange(400)
    segment = np.repeat(["north", "south"], 400)
    assert not said(foreseen, np.r_[place < 80, place < 80], segment=segment)
    message = said(foreseen, np.r_[place < 40, place < 160], segment=segment)
    assert message.startswith("the held-out contradict the organic forecast for segment 'south': ")


def test_right_forecasts_are_hardly_ever_contradicted():
    """All of them together and their parts have one chance in a hundred each, of what is of weight besides."""
    worlds, told = 120, 0
    for seed in range(worlds):
        rng = np.random.default_rng([3, seed])
        number = rng.choice([20, 60, 200, 1000])
        p = expit(rng.normal(logit(rng.choice([0.02, 0.2, 0.8])), 1.0, number).round(1))
        segment = pd.array(rng.choice(["north", "south", "west"], number), dtype="str")
        told += bool(said(p, rng.random(number) < p, segment=np.asarray(segment, dtype=object)))
    assert told <= 0.02 * worlds + 3 * np.sqrt(0.02 * worlds)
