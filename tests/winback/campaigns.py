"""Customers, offers and responses for tests of plans."""

import math

import numpy as np

import kundenwert as kw
from kundenwert.models.campaign_response import CampaignResponse
from kundenwert.models.families.campaign_assignment import Randomised
from kundenwert.models.families.campaign_links import AdditiveHazard, HierarchicalLogit
from kundenwert.posterior.campaign import CampaignPosterior
from tests.customers import histories_of, with_draws

THETA = {"r": 0.5, "alpha": 10.0, "a": 0.8, "b": 2.4}
WINDOW = kw.weeks(13)
SURE = 1e-9  # spread of a prior that says a number
ECONOMICS = kw.Economics(margin=0.3, annual_discount_rate=0.15, order_cost=1.0, currency="EUR")
SPEND = kw.KnownAmount(60.0)


def shop(customers=200, seed=0):
    """Histories of customers, some of whom have been silent for long."""
    rng = np.random.default_rng(seed)
    x = rng.poisson(2, customers)
    t_x = np.where(x > 0, rng.integers(1, 40, customers), 0)
    return histories_of(x, t_x, t_x + rng.integers(0, 60, customers), unit="week")


def known():
    """A posterior of purchases with one draw."""
    return kw.fixed(kw.MBGNBD.Parameters(**THETA, unit="week"))


def uncertain(draws=30, seed=1):
    """A posterior of purchases with several draws."""
    rng = np.random.default_rng(seed)
    spread = {name: value * rng.lognormal(0, 0.1, draws) for name, value in THETA.items()}
    return with_draws(kw.MBGNBD, unit="week", **spread)


def shift(*effects, spread=SURE, labels=("letter", "voucher"), draws=1, seed=1):
    """A response in which all offers shift the log-odds of returning by this much, give or take."""
    return from_prior(HierarchicalLogit(effect=kw.Normal(effects[0], spread)), labels, draws, seed)


def resurrection(share, labels=("letter",)):
    """A response in which this share of those who would not return within the window do."""
    hazard = math.log(-math.log1p(-share))
    link = AdditiveHazard(effect=kw.Normal(0.0, SURE), resurrection=kw.Normal(hazard, SURE))
    return from_prior(link, labels, 1, 1)


def from_prior(link, labels, draws, seed, states=()):
    model = CampaignResponse(
        assignment=Randomised(),
        link=link,
        intercept=kw.Normal(0.0, SURE),
        slope=kw.Normal(1.0, SURE),
        offer_spread=kw.HalfNormal(SURE),
    )
    return CampaignPosterior.from_prior(model, offers=labels, states=states, draws=draws, seed=seed)
