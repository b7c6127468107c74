"""Simulation-based calibration: truths drawn from a fit's own priors lie in its posteriors as they should."""

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import kundenwert as kw
from kundenwert.errors import InferenceWarning
from kundenwert.histories import Audit, CustomerHistories, Spend
from kundenwert.models import ContractModel, PurchaseModel

pytestmark = pytest.mark.slow

DATA_SETS = 300
CUSTOMERS = 200
MODELS: dict[str, Any] = {
    "BGNBD": kw.BGNBD(),
    "MBGNBD": kw.MBGNBD(),
    "ParetoNBD": kw.ParetoNBD(),
    "GGompNBD": kw.GGompNBD(),
    "BGCNBD": kw.BGCNBD(k=2),
    "MBGCNBD": kw.MBGCNBD(k=3),
    "BGBB": kw.BGBB(),
    "GammaGamma": kw.GammaGamma(money_scale=30.0),
    "LogNormalSpend": kw.LogNormalSpend(money_scale=30.0),
    "ShiftedBetaGeometric": kw.ShiftedBetaGeometric(),
    "BetaDiscreteWeibull": kw.BetaDiscreteWeibull(),
}
BY_NUTS = ("MBGNBD", "ShiftedBetaGeometric")


def last_and_count(purchases):
    """Recency and frequency of 200 customers; purchases of a day are not merged."""
    recency = np.zeros(CUSTOMERS)
    np.maximum.at(recency, purchases.customer, purchases.time)
    return recency, np.bincount(purchases.customer, minlength=CUSTOMERS)


def in_time(model, theta, rng):
    """Customers observed for 26 to 52 weeks."""
    T = rng.uniform(26, 52, CUSTOMERS)
    recency, frequency = last_and_count(model.simulate(theta, T, rng))
    table = pd.DataFrame({"frequency": frequency, "recency": recency, "T": T})
    return kw.CustomerHistories.from_pandas(table.rename_axis("customer_id"), unit="week")


def at_opportunities(model, theta, rng):
    """Customers who had 4 to 12 opportunities."""
    n = rng.integers(4, 13, CUSTOMERS)
    recency, frequency = last_and_count(model.simulate(theta, n.astype(float), rng))
    table = pd.DataFrame({"frequency": frequency, "recency": recency.astype(int), "opportunities": n})
    return kw.OpportunityHistories.from_pandas(table.rename_axis("customer_id"))


def of_contracts(model, theta, rng):
    """Contracts of one cohort that started 1 to 10 renewals ago."""
    end = model.simulate(theta, np.zeros(CUSTOMERS, dtype=np.int64), rng)
    seen = rng.integers(1, 11, CUSTOMERS)
    table = pd.DataFrame({"tenure": np.minimum(end - 1, seen), "ended": end <= seen})
    return kw.ContractHistories.from_pandas(table.rename_axis("customer_id").reset_index())


def of_amounts(model, theta, rng):
    """Amounts of 200 customers with 0, 1, 2, … repeat purchases, about two on average."""
    frequency = rng.geometric(1 / 3, CUSTOMERS) - 1
    customer = np.repeat(np.arange(CUSTOMERS), frequency)
    amount = model.simulate(theta, customer, rng)
    log_total, squared = (np.bincount(customer, np.log(amount) ** power, CUSTOMERS) for power in (1, 2))
    spend = Spend(
        total=np.bincount(customer, amount, CUSTOMERS),
        log_total=log_total,
        log_squared_total=squared,
        positive=frequency,
    )
    return CustomerHistories(
        customer_id=pd.RangeIndex(CUSTOMERS),
        frequency=frequency,
        recency=np.where(frequency > 0, 10.0, 0.0),
        T=np.full(CUSTOMERS, 30.0),
        unit="week",
        spend=spend,
        audit=Audit(rows_read=CUSTOMERS, kept=CUSTOMERS, customers=CUSTOMERS),
    )


def histories_of(model, theta, rng):
    if isinstance(model, ContractModel):
        return of_contracts(model, theta, rng)
    if not isinstance(model, PurchaseModel):
        return of_amounts(model, theta, rng)
    return (at_opportunities if model.clock == "opportunity" else in_time)(model, theta, rng)


def calibration(model, seed, method=None, data_sets=DATA_SETS):
    """Rank of the truth among the draws, shape (data sets, quantities), and how many fits fell back to NUTS."""
    ranks, fallen_back = np.empty((data_sets, len(model.quantities))), 0
    for i in range(data_sets):
        rng = np.random.default_rng([seed, i])
        truth = np.array([quantity.prior.sample(rng, 1)[0] for quantity in model.quantities])
        histories = histories_of(model, model.parameters_of(truth, "week"), rng)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InferenceWarning)
            posterior = kw.fit(model, histories, seed=i, method=method)
        fallen_back += posterior.diagnostics.method == "NUTS"
        draws = posterior.named_values()
        ranks[i] = [np.mean(draws[q.name] < t) for q, t in zip(model.quantities, truth, strict=True)]
    return ranks, fallen_back


def judge(name, ranks):
    """Uniform ranks (Kolmogorov–Smirnov) and coverage of 90 % intervals, quantity by quantity."""
    quantities = [quantity.name for quantity in MODELS[name].quantities]
    p_values = {q: float(stats.kstest(r, "uniform").pvalue) for q, r in zip(quantities, ranks.T, strict=True)}
    covered = np.mean((ranks > 0.05) & (ranks < 0.95), axis=0)
    coverage = {q: float(c) for q, c in zip(quantities, covered, strict=True)}
    print(name, "KS p", p_values, "coverage", coverage)  # noqa: T201 - pytest shows it with -s
    assert all(p > 0.01 / len(quantities) for p in p_values.values()), p_values
    assert all(0.84 <= c <= 0.96 for c in coverage.values()), coverage


@pytest.mark.parametrize("name", MODELS)
def test_truths_from_the_priors_have_uniform_ranks_and_intervals_cover_them(name):
    ranks, fallen_back = calibration(MODELS[name], seed=20_240_601)
    print(name, "fell back to NUTS", fallen_back, "of", DATA_SETS)  # noqa: T201
    judge(name, ranks)
    assert fallen_back <= 0.02 * DATA_SETS


@pytest.mark.parametrize("name", BY_NUTS)
def test_so_do_those_of_nuts(name):
    method = kw.NUTS(draws=600, tune=400, chains=1, progress=False)
    ranks, _ = calibration(MODELS[name], seed=20_240_602, method=method)
    judge(name, ranks)
