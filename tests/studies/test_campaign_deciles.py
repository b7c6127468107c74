"""Do intervals of deciles hold what they promise, where returns are linear in covariates and where they are not?"""

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

import kundenwert as kw
from kundenwert.errors import KundenwertWarning
from tests import campaigns

pytestmark = pytest.mark.slow

CAMPAIGNS = 60  # the share of twenty has an error of three per cent
CUSTOMERS = 24_000
METHOD = kw.ImportanceSampling(draws=300, points=2048, refits=1)
NONLINEAR = ("steps", "valleys", "interaction")


def truth(kind, recency, history, new) -> Any:
    """Log-odds of returning beyond their mean."""
    line = -0.25 * recency + 0.3 * history - 0.2 * new
    match kind:
        case "steps":
            return 0.3 * line + 0.7 * (recency > 0.5) - 0.6 * (history < -0.5)
        case "valleys":
            return 0.3 * line + 0.35 * (recency**2 - 1) + 0.25 * np.abs(history)
        case "interaction":
            return 0.5 * line + 0.4 * recency * history - 0.3 * new * recency
        case _:
            return line


def campaign(kind, seed) -> Any:
    """A campaign at random without a log of purchases, like a test of an e-mail."""
    rng = np.random.default_rng([2026, seed])
    recency = np.round(rng.uniform(-1.7, 1.7, CUSTOMERS), 1)
    history = np.round(np.minimum(rng.exponential(1, CUSTOMERS), 5) - 1, 1)
    new, arm = rng.integers(0, 2, CUSTOMERS) - 0.5, rng.random(CUSTOMERS) < 0.5
    p = expit(-2.0 + truth(kind, recency, history, new) + arm * (0.35 + 0.1 * recency))
    frame = pd.DataFrame(
        {
            "customer_id": np.arange(CUSTOMERS),
            "offer": pd.array(campaigns.sent(arm, "E-Mail"), dtype="str"),
            "returned": rng.random(CUSTOMERS) < p,
            "recency": recency,
            "history": history,
            "new": new,
        }
    )
    return kw.CampaignLog.from_pandas(frame, window=kw.weeks(2), covariates=["recency", "history", "new"])


def assessed(kind, seed) -> Any:
    """Deciles of the half of the customers that was not learned from, and what the model took in."""
    log = campaign(kind, seed)
    half = CUSTOMERS // 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", KundenwertWarning)
        posterior = kw.fit(campaigns.response(), log.take(np.arange(half)), seed=seed, method=METHOD)
    found = kw.assess_response(posterior, log.take(np.arange(half, CUSTOMERS)), offer="E-Mail", seed=seed)
    table = found.calibration.reset_index().assign(kind=kind, shapes=len(posterior.model.shapes))
    sampling = 2 * 1.6449 * np.sqrt(table["predicted"] * (1 - table["predicted"]) / table["customers"])
    table["width"] = (table["upper"] - table["lower"]) / sampling
    table["holds"] = table["observed"].between(table["lower"], table["upper"])
    foreseen = found.uplift_by_decile
    return table, foreseen["predicted"].between(foreseen["lower"], foreseen["upper"]).tolist()


def test_intervals_of_deciles_hold_where_returns_are_not_linear():
    tables, uplift = zip(*(assessed(NONLINEAR[i % 3], i) for i in range(CAMPAIGNS)), strict=True)
    table = pd.concat(tables)
    print(table.groupby("kind")[["holds", "width", "shapes"]].mean().round(3), np.mean(uplift))  # noqa: T201
    assert table["holds"].mean() >= 0.86
    assert np.mean(uplift) >= 0.86


def test_intervals_are_hardly_wider_than_chance_makes_them_where_returns_are_linear():
    tables, uplift = zip(*(assessed("linear", 100 + i) for i in range(20)), strict=True)
    table = pd.concat(tables)
    print(table[["holds", "width", "shapes"]].mean().round(3), np.mean(uplift))  # noqa: T201
    assert table["holds"].mean() >= 0.83  # three binomial errors of two hundred intervals, which hang together a little
    assert table["width"].mean() <= 1.3
