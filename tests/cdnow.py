"""CDNOW and posteriors of it, made once per process."""

from functools import cache
from typing import Any

import numpy as np

import kundenwert as kw

MODELS: dict[str, Any] = {"BGNBD": kw.BGNBD(), "MBGNBD": kw.MBGNBD(), "GammaGamma": kw.GammaGamma()}


@cache
def histories():
    """The usual calibration: 2,357 customers until 1997-09-30, in weeks."""
    log = kw.datasets.cdnow()
    return kw.summarize(log, customer="customer_id", time="date", amount="amount", until="1997-09-30", unit="week")


@cache
def sample(customers, seed=0):
    """Histories of a random sample of the customers."""
    everybody = histories()
    return everybody.take(np.random.default_rng(seed).choice(len(everybody), customers, replace=False))


@cache
def posterior(name, customers=None, seed=1) -> Any:
    """Importance-sampling posterior of all customers, or of a random sample."""
    method = kw.ImportanceSampling(draws=2048)
    return kw.fit(MODELS[name], sample(customers) if customers else histories(), seed=seed, method=method)
