"""Simulation-based calibration: truths drawn from a fit's own priors lie in its posteriors as they should."""

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import kundenwert as kw
from kundenwert.errors import InferenceWarning

pytestmark = pytest.mark.slow

DATA_SETS = 300
CUSTOMERS = 200
MODELS: dict[str, Any] = {"BGNBD": kw.BGNBD(), "MBGNBD": kw.MBGNBD(), "GammaGamma": kw.GammaGamma(money_scale=30.0)}


def purchase_histories(model, theta, rng):
    """Histories of 200 customers observed for 26 to 52 weeks; purchases of a day are not merged."""
    T = rng.uniform(26, 52, CUSTOMERS)
    purchases = model.simulate(theta, T, rng)
    recency = np.zeros(CUSTOMERS)
    np.maximum.at(recency, purchases.customer, purchases.time)
    frequency = np.bincount(purchases.customer, minlength=CUSTOMERS)
    return pd.DataFrame({"frequency": frequency, "recency": recency, "T": T})


def spend_histories(model, theta, rng):
    """Amounts of 200 customers with 0, 1, 2, … repeat purchases, about two on average."""
    frequency = rng.geometric(1 / 3, CUSTOMERS) - 1
    customer = np.repeat(np.arange(CUSTOMERS), frequency)
    total = np.bincount(customer, weights=model.simulate(theta, customer, rng), minlength=CUSTOMERS)
    table = pd.DataFrame({"frequency": frequency, "recency": np.where(frequency > 0, 10.0, 0.0), "T": 30.0})
    return table.assign(monetary_value=total / np.maximum(frequency, 1))


def calibration(name, seed):
    """Rank of the truth among the draws, shape (data sets, quantities), and how many fits fell back to NUTS."""
    model = MODELS[name]
    simulate = spend_histories if name == "GammaGamma" else purchase_histories
    ranks, fallen_back = np.empty((DATA_SETS, len(model.quantities))), 0
    for i in range(DATA_SETS):
        rng = np.random.default_rng([seed, i])
        truth = np.array([quantity.prior.sample(rng, 1)[0] for quantity in model.quantities])
        table = simulate(model, model.parameters_of(truth, "week"), rng)
        histories = kw.CustomerHistories.from_pandas(table.rename_axis("customer_id"), unit="week")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InferenceWarning)
            posterior = kw.fit(model, histories, seed=i)
        fallen_back += posterior.diagnostics.method == "NUTS"
        draws = posterior.named_values()
        ranks[i] = [np.mean(draws[q.name] < t) for q, t in zip(model.quantities, truth, strict=True)]
    return ranks, fallen_back


@pytest.mark.parametrize("name", MODELS)
def test_truths_from_the_priors_have_uniform_ranks_and_intervals_cover_them(name):
    ranks, fallen_back = calibration(name, seed=20_240_601)
    quantities = [quantity.name for quantity in MODELS[name].quantities]
    p_values = {q: float(stats.kstest(r, "uniform").pvalue) for q, r in zip(quantities, ranks.T, strict=True)}
    covered = np.mean((ranks > 0.05) & (ranks < 0.95), axis=0)
    coverage = {q: float(c) for q, c in zip(quantities, covered, strict=True)}
    print(name, "KS p", p_values, "coverage", coverage, "NUTS", fallen_back)  # noqa: T201 - pytest shows it with -s
    assert all(p > 0.01 / len(quantities) for p in p_values.values()), p_values
    assert all(0.84 <= c <= 0.96 for c in coverage.values()), coverage
    assert fallen_back <= 0.01 * DATA_SETS
