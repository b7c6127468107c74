"""Is the average effect of a campaign at random the difference in means, whatever the organic forecast says?"""

import math
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import brentq
from scipy.special import expit

import kundenwert as kw
from kundenwert.errors import OrganicWarning
from tests import campaigns

pytestmark = pytest.mark.slow

WORLDS = 40
CUSTOMERS = 24_000
LEVEL, EFFECT = 0.02, 0.0065  # of which the standard error is .0019
KINDS = 20
METHOD = kw.ImportanceSampling(draws=500, points=2048, refits=1)


def at_level(score, level) -> Any:
    """Probabilities with these differences of log-odds and this mean."""
    return expit(score + brentq(lambda shift: float(expit(score + shift).mean() - level), -20, 20))


def paired(link, foreseen, seed) -> float:
    """The average effect less the difference in means, in standard errors of that."""
    rng = np.random.default_rng([99, seed])
    kind, score = rng.integers(0, KINDS, CUSTOMERS), np.linspace(-1.7, 1.7, KINDS)
    returns = np.outer(at_level(score, foreseen), np.linspace(0.9, 1.0 / 0.9, 10) * 0.995)
    alive = returns + (1 - returns) * rng.uniform(0.1, 0.6, KINDS)[:, None]
    organic = kw.OrganicReturn(
        customer_id=pd.RangeIndex(CUSTOMERS),
        window=campaigns.WINDOW,
        states=("alive", "gone"),
        index=kind,
        probability=np.stack([alive, 1 - alive]),
        returns=np.stack([returns, np.zeros_like(returns)]),
        source=5,
    )
    arm = rng.random(CUSTOMERS) < 0.5
    p = np.where(arm, at_level(score, LEVEL + EFFECT)[kind], at_level(score, LEVEL)[kind])
    returned = rng.random(CUSTOMERS) < p
    log = campaigns.log_of(organic, campaigns.sent(arm, "A"), returned)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OrganicWarning)
        posterior = kw.fit(campaigns.response(link), log, seed=seed, method=METHOD)
    means = returned[arm], returned[~arm]
    error = math.sqrt(sum(values.var() / len(values) for values in means))
    found = posterior.average_effects(log).loc[("A", "all"), "uplift"]
    return float((found - means[0].mean() + means[1].mean()) / error)


@pytest.mark.parametrize("link", campaigns.LINKS)
@pytest.mark.parametrize("foreseen", [0.02, 0.05, 0.26, 0.5])
def test_an_average_effect_is_the_difference_in_means(foreseen, link):
    apart = np.array([paired(link, foreseen, seed) for seed in range(WORLDS)])
    print(link, foreseen, apart.mean().round(3), (apart.std() / math.sqrt(WORLDS)).round(3))  # noqa: T201
    assert abs(apart.mean()) <= 0.1
