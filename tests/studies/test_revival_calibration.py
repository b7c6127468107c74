"""Simulation-based calibration of RevivalNBD: truths from its own priors lie in its posteriors as they should."""

import warnings

import numpy as np
import pytest
from scipy import stats

import kundenwert as kw
from kundenwert.errors import InferenceWarning
from tests.revivals import simulated

pytestmark = pytest.mark.slow

DATA_SETS = 100
CUSTOMERS = 200
MOST_PURCHASES = 1500  # of all customers: more take long. To choose by the data leaves ranks uniform


@pytest.mark.parametrize("k", [1, 2])
def test_ranks_are_uniform_and_intervals_cover(k, capsys):
    model = kw.RevivalNBD(k=k)
    ranks, trusted = [], 0
    for i in range(DATA_SETS):
        rng = np.random.default_rng([k, i])
        truth = np.array([quantity.prior.sample(rng, 1)[0] for quantity in model.quantities])
        histories = simulated(model, model.parameters_of(tuple(truth), "week"), rng.uniform(26, 52, CUSTOMERS), rng)
        if histories.frequency.sum() > MOST_PURCHASES:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InferenceWarning)
            posterior = kw.fit(model, histories, seed=i, method=kw.ImportanceSampling(points=4096))
        trusted += posterior.diagnostics.ok
        draws = posterior.named_values()
        ranks.append([np.mean(draws[q.name] < t) for q, t in zip(model.quantities, truth, strict=True)])
    found = np.array(ranks)
    p_values = [stats.kstest(column, "uniform").pvalue for column in found.T]
    covered = ((found > 0.05) & (found < 0.95)).mean(axis=0)
    with capsys.disabled():
        print(f"k={k}: {len(ranks)} data sets, {trusted} trusted, KS p {np.round(p_values, 3)}, coverage {covered}")  # noqa: T201
    assert min(p_values) > 0.01 / len(p_values)
    assert (abs(covered - 0.9) < 3 * np.sqrt(0.9 * 0.1 / len(ranks))).all()
    assert trusted > 0.9 * len(ranks)
