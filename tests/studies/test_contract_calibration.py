"""Simulation-based calibration of the models of contracts, of one cohort and of several that share a population."""

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import kundenwert as kw
from kundenwert.errors import InferenceWarning
from tests.contracts import MODELS

pytestmark = pytest.mark.slow

DATA_SETS = 200
CONTRACTS = 150  # of each cohort


def truth_of(model, cohorts, rng):
    """Population and cohorts drawn from the priors: parameters by name."""
    drawn = {quantity.name: quantity.prior.sample(rng, 1)[0] for quantity in (*model.population, *model.shared)}
    drawn["mean_churn_spread"] = model.mean_churn_spread.sample(rng, 1)[0]
    drawn["concentration_spread"] = model.concentration_spread.sample(rng, 1)[0]
    logit = np.log(drawn["mean_churn"] / (1 - drawn["mean_churn"]))
    for cohort in cohorts:
        several = len(cohorts) > 1
        churn = 1 / (1 + np.exp(-logit - several * drawn["mean_churn_spread"] * rng.normal()))
        total = drawn["concentration"] * np.exp(several * drawn["concentration_spread"] * rng.normal())
        label = f"[{cohort}]" if several else ""
        drawn |= {f"gamma{label}": churn * total, f"delta{label}": (1 - churn) * total}
    return drawn


def simulated(model, truth, cohorts, rng):
    """Survivors of every cohort, each observed for two renewals more than the one before."""
    shared = [np.asarray(truth[quantity.name]) for quantity in model.shared]
    tables = []
    for position, cohort in enumerate(cohorts):
        label = f"[{cohort}]" if len(cohorts) > 1 else ""
        theta = (np.asarray(truth[f"gamma{label}"]), np.asarray(truth[f"delta{label}"]), *shared)
        ends = model.simulate(theta, np.zeros(CONTRACTS, dtype=np.int64), rng)
        renewals = np.arange(5 + 2 * position)
        left = [int(np.count_nonzero(ends > renewal)) for renewal in renewals]
        tables.append(pd.DataFrame({"cohort": cohort, "renewal": renewals, "survivors": left}))
    return kw.ContractHistories.from_cohorts(pd.concat(tables), cohort="cohort")


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("cohorts", [("a",), ("a", "b", "c")], ids=["one cohort", "three cohorts"])
def test_truths_from_the_priors_have_uniform_ranks_and_intervals_cover_them(name, cohorts):
    model: Any = MODELS[name]
    ranks, fallen_back = [], 0
    for i in range(DATA_SETS):
        rng = np.random.default_rng([20_240_611, i])
        truth = truth_of(model, cohorts, rng)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InferenceWarning)
            posterior: Any = kw.fit(model, simulated(model, truth, cohorts, rng), seed=i)
        fallen_back += posterior.diagnostics.method == "NUTS"
        ranks.append(
            {
                name: float(np.mean(draws < truth[name]))
                for name, draws in posterior.named_values().items()
                if name in truth
            }
        )
    table = pd.DataFrame(ranks)
    p_values = table.apply(lambda rank: float(stats.kstest(rank, "uniform").pvalue))
    coverage = ((table > 0.05) & (table < 0.95)).mean()
    print(name, cohorts, "KS p", p_values.round(3).to_dict(), "coverage", coverage.to_dict(), "NUTS", fallen_back)  # noqa: T201
    assert p_values.min() > 0.01 / len(p_values)
    assert coverage.between(0.84, 0.96).all()
    assert fallen_back <= 0.05 * DATA_SETS
