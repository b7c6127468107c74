"""Campaigns for tests: simulated customers whose organic returns and effects are known."""

from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit

import kundenwert as kw

WINDOW = kw.weeks(13)
RANDOMISED = kw.Randomised()
LINKS: dict[str, Any] = {
    "logit": kw.HierarchicalLogit(),
    "hazard": kw.AdditiveHazard(),
    "by state": kw.ByState(),
}
QUICK = kw.ImportanceSampling(draws=1000, points=4096)
ROUGH = kw.ImportanceSampling(draws=200, points=2048, refits=0)  # where any posterior will do


def response(link="logit", **more) -> Any:
    return kw.CampaignResponse(assignment=RANDOMISED, link=LINKS[link], **more)


def organic_of(rng, customers, *, draws=50, sd=0.15, states=("alive", "gone"), source: int | None = 7) -> Any:
    """Organic returns whose log-odds all customers' draws move together; P(gone) varies between customers."""
    level = rng.normal(-1.8, 1.0, customers)
    tilt = rng.normal(0, 0.1, draws)
    log_odds = level[:, None] + sd * rng.normal(size=draws) + tilt * (level[:, None] + 1.8)
    returns = expit(log_odds)
    alive = returns + (1 - returns) * rng.uniform(0.1, 0.9, customers)[:, None]
    if len(states) == 1:
        probability, by_state = np.ones((1, *returns.shape)), returns[None]
    else:
        probability, by_state = np.stack([alive, 1 - alive]), np.stack([returns, np.zeros_like(returns)])
    return kw.OrganicReturn(
        customer_id=pd.RangeIndex(customers),
        window=WINDOW,
        states=states,
        index=np.arange(customers),
        probability=probability,
        returns=by_state,
        source=source,
    )


def log_of(organic, offer, returned, **columns) -> Any:
    """A campaign, with `offer` an array of labels and None."""
    more: Any = {name: name for name in columns if name in {"spend", "segment"}}
    covariates = [name for name in columns if name not in more]
    frame = pd.DataFrame({"customer_id": organic.customer_id, "returned": np.asarray(returned, dtype=bool), **columns})
    frame["offer"] = pd.array(np.asarray(offer, dtype=object), dtype="str")
    return kw.CampaignLog.from_pandas(frame, organic=organic, window=WINDOW, covariates=covariates, **more)


def campaign(customers=400, *, seed=0, effects=(0.8, -0.2), segments=("north", "south"), **how) -> Any:
    """A randomised campaign with effects on the log-odds that are known, and a calibrated model of purchases."""
    rng = np.random.default_rng(seed)
    organic = organic_of(rng, customers, **how)
    arm = rng.integers(0, len(effects) + 1, customers)
    truth = np.log(organic.p_return[:, 0] / (1 - organic.p_return[:, 0])) + np.r_[0.0, effects][arm]
    labels = np.array([None, "A", "B", "C"][: len(effects) + 1], dtype=object)
    more = {"segment": rng.choice(np.array(segments), customers)} if segments else {}
    return log_of(organic, labels[arm], rng.random(customers) < expit(truth), **more)


def sent(arm, label):
    """The offer of those in the arm, None for the others."""
    return np.array([label if each else None for each in arm], dtype=object)
