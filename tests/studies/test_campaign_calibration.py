"""Simulation-based calibration of the response to a campaign: truths come from the fit's own priors."""

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import expit

import kundenwert as kw
from kundenwert.errors import InferenceWarning
from kundenwert.histories.campaign_terms import log_odds, shares_of
from kundenwert.models.core import NUMPY, Customers
from tests import campaigns
from tests.campaigns import response

# organic draws differ widely here, and the true one may be far from their mean: the held-out then contradict it
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::kundenwert.errors.OrganicWarning")]

DATA_SETS = 100
CUSTOMERS = 300
SEGMENTS = ("north", "south")
CENTRE = -1.4  # about where a fit states the intercept: see organic_centre


def simulated(link, rng) -> tuple[Any, dict[str, float]]:
    """A campaign of two offers and two segments, and the parameters it came from."""
    organic = campaigns.organic_of(rng, CUSTOMERS, draws=30, sd=0.2)
    states = organic.states if link == "by state" else ()
    model = response(link, offers=("A", "B"), segments=SEGMENTS, states=states, organic_centre=CENTRE)
    drawn = [quantity.prior.sample(rng, 1) for quantity in model.quantities]
    theta = model.parameters_of(drawn, "campaign")
    arm, segment = rng.integers(0, 3, CUSTOMERS), rng.integers(0, 2, CUSTOMERS)
    draw = rng.integers(organic.draws)  # the truth is one of the draws of the model of purchases
    shares = shares_of(organic.probability.mean(axis=-1), organic.returns.mean(axis=-1))
    customers = Customers(
        offer=arm[:, None],
        segment=segment[:, None],
        campaign=np.zeros_like(segment[:, None]),
        organic=log_odds(organic.p_return[:, [draw]]),
        covariates=[],
        shares=list(shares[:, :, None]),
    )
    without = model.without_offer(theta, customers, NUMPY)
    under = model.link.log_odds(without, model.strengths_of(theta, customers, NUMPY), customers.shares, NUMPY)
    p = expit(np.where(arm[:, None] > 0, under, without))[:, 0]
    labels = np.array([None, "A", "B"], dtype=object)[arm]
    log = campaigns.log_of(organic, labels, rng.random(CUSTOMERS) < p, segment=np.array(SEGMENTS)[segment])
    return log, {name: float(value[0]) for name, value in zip(model.parameter_names, theta, strict=True)}


@pytest.mark.parametrize("link", campaigns.LINKS)
def test_truths_from_the_priors_have_uniform_ranks_and_intervals_cover_them(link):
    ranks, fallen_back = [], 0
    for i in range(DATA_SETS):
        log, truth = simulated(link, np.random.default_rng([20_250_301, i]))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InferenceWarning)
            posterior = kw.fit(response(link, offers=("A", "B"), segments=SEGMENTS), log, seed=i)
        fallen_back += posterior.diagnostics.method == "NUTS"
        truth["intercept"] += (truth["slope"] - 1) * (posterior.model.organic_centre - CENTRE)  # the same line, there
        drawn = posterior.named_values()
        ranks.append({name: float(np.mean(drawn[name] < value)) for name, value in truth.items()})
    table = pd.DataFrame(ranks)
    p_values = table.apply(lambda rank: float(stats.kstest(rank, "uniform").pvalue))
    coverage = ((table > 0.05) & (table < 0.95)).mean()
    print(link, "KS p", p_values.round(3).to_dict(), "coverage", coverage.to_dict(), "NUTS", fallen_back)  # noqa: T201
    assert p_values.min() > 0.01 / len(p_values)
    # three binomial standard errors of a hundred intervals
    assert coverage.between(0.81, 0.99).all()
    assert fallen_back <= 0.05 * DATA_SETS
