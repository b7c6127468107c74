"""Contracts for tests: the published cohorts, posteriors of them made once per process, and single contracts."""

from functools import cache
from typing import Any

import numpy as np
import pandas as pd

import kundenwert as kw

MODELS: dict[str, Any] = {
    "ShiftedBetaGeometric": kw.ShiftedBetaGeometric(),
    "BetaDiscreteWeibull": kw.BetaDiscreteWeibull(),
}


@cache
def histories(cohorts=("regular", "high_end"), renewals=7) -> Any:
    """Published cohorts, observed for the first renewals."""
    table = kw.datasets.subscription_cohorts()
    table = table[(table["renewal"] <= renewals) & table["cohort"].isin(cohorts)]
    return kw.ContractHistories.from_cohorts(table, cohort="cohort", every=kw.years(1))


@cache
def posterior(name, cohorts=("regular", "high_end")) -> Any:
    return kw.fit(MODELS[name], histories(cohorts), seed=1)


def active(tenures, **more) -> Any:
    """Active contracts with these numbers of renewals."""
    return contracts(tenures, np.zeros(len(tenures), dtype=int), **more)


def contracts(tenures, ended, *, cohort=None, every=None) -> Any:
    frame = pd.DataFrame({"customer_id": range(len(tenures)), "tenure": tenures, "ended": ended})
    if cohort is not None:
        frame["cohort"] = cohort
    return kw.ContractHistories.from_pandas(frame, cohort=None if cohort is None else "cohort", every=every)


def fixed(gamma, delta, c=None) -> Any:
    if c is None:
        return kw.fixed(kw.ShiftedBetaGeometric.Parameters(gamma=gamma, delta=delta))
    return kw.fixed(kw.BetaDiscreteWeibull.Parameters(gamma=gamma, delta=delta, c=c))
