"""Regular customers who pause: the likelihood chooses k by the gaps, predictions by who comes back."""

import numpy as np
import pandas as pd
import pytest

import kundenwert as kw

CUSTOMERS, WEEKS, HOLDOUT = 2000, 52, 26


def log_of(stages, pausing, rng):
    """Purchases of customers who leave after one in ten, and pause after `pausing` of them for half a year or so."""
    rows = []
    start, rate = rng.integers(0, 84, CUSTOMERS), rng.gamma(2, 1 / 2, CUSTOMERS)
    for customer in range(CUSTOMERS):
        day = float(start[customer])
        while day < 7 * (WEEKS + HOLDOUT):
            rows.append((customer, day))
            chance = rng.random()
            if chance < 0.1:
                break
            pauses = chance >= 1 - pausing
            day += rng.exponential(26 * 7) if pauses else rng.gamma(stages, 3 * 7 / stages) / rate[customer]
    frame = pd.DataFrame(rows, columns=["customer", "day"])
    return frame.assign(time=pd.Timestamp("2023-01-02") + pd.to_timedelta(frame["day"] * 86400, unit="s"))


def judged(log):
    """Log-likelihood, log score of buying in the hold-out and P(silent regulars return), for each k; and the truth."""
    histories = kw.summarize(log, customer="customer", time="time", unit="week", resolution="hour", until="2023-12-31")
    returned = kw.holdout(log, histories, until="2024-06-30")["purchases"].to_numpy() > 0
    silent = (histories.frequency >= 3) & (histories.T - histories.recency > 13)
    table = {}
    for k in (1, 2, 3):
        posterior = kw.fit(kw.MBGCNBD(k=k), histories, method=kw.MAP(), seed=1)
        likelihood = float(posterior.to_datatree(histories)["log_likelihood"]["MBGCNBD"].sum())
        p = posterior.return_probability(histories, horizon=kw.weeks(HOLDOUT))["mean"].to_numpy()
        table[k] = (likelihood, np.log(np.where(returned, p, 1 - p)).mean(), p[silent].mean())
    frame = pd.DataFrame(table, index=["likelihood", "log_score", "silent"]).T
    return frame, returned[silent].mean(), kw.regularity(histories).mean


@pytest.mark.slow
def test_the_likelihood_misleads_if_customers_pause():
    """The table of docs/models/mbgcnbd.md."""
    table, came, regularity = judged(log_of(3, 0.05, np.random.default_rng(1)))
    assert table["likelihood"].round().tolist() == [-28862, -27519, -27714]
    assert table["log_score"].round(2).tolist() == [-0.46, -0.62, -0.79]
    assert table["silent"].round(2).tolist() == [0.08, 0.05, 0.03]
    assert came == pytest.approx(0.13, abs=0.005)
    assert regularity == pytest.approx(2.2, abs=0.05)


@pytest.mark.slow
def test_likelihood_and_predictions_agree_if_nobody_pauses():
    table, _, regularity = judged(log_of(3, 0.0, np.random.default_rng(1)))
    assert table["likelihood"].idxmax() == table["log_score"].idxmax() == 3
    assert regularity == pytest.approx(3, abs=0.15)
