"""Every model on small published data: its log-likelihood and its posterior, by kundenwert's default fit."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from measure import arguments, save, timed

import kundenwert as kw
from kundenwert.errors import InferenceWarning
from kundenwert.inference.target import Target

if TYPE_CHECKING:
    from kundenwert.histories import Histories
    from kundenwert.models import Model

POINTS = 256


def data() -> dict[str, Histories]:
    """The CDNOW sample of 2,357 customers, the donors, and the two published subscription cohorts."""
    log = kw.datasets.cdnow()
    cohorts = kw.datasets.subscription_cohorts()
    regular = cohorts[cohorts["cohort"] == "regular"]
    columns = {"cohort": "cohort", "renewal": "renewal", "survivors": "survivors"}
    return {
        "CDNOW": kw.summarize(log, customer="customer_id", time="date", amount="amount", until="1997-09-30"),
        "donations": kw.OpportunityHistories.from_counts(kw.datasets.donations(), every=kw.years(1)),
        "one cohort": kw.ContractHistories.from_cohorts(regular, every=kw.years(1), **columns),
        "two cohorts": kw.ContractHistories.from_cohorts(cohorts, every=kw.years(1), **columns),
    }


MODELS: dict[str, tuple[Any, str]] = {
    "BG/NBD": (kw.BGNBD(), "CDNOW"),
    "MBG/NBD": (kw.MBGNBD(), "CDNOW"),
    "Pareto/NBD": (kw.ParetoNBD(), "CDNOW"),
    "GGomp/NBD": (kw.GGompNBD(), "CDNOW"),
    "BG/CNBD-2": (kw.BGCNBD(k=2), "CDNOW"),
    "MBG/CNBD-2": (kw.MBGCNBD(k=2), "CDNOW"),
    "MBG/CNBD-3": (kw.MBGCNBD(k=3), "CDNOW"),
    "gamma-gamma": (kw.GammaGamma(), "CDNOW"),
    "log-normal spend": (kw.LogNormalSpend(), "CDNOW"),
    "BG/BB": (kw.BGBB(), "donations"),
    "shifted beta-geometric": (kw.ShiftedBetaGeometric(), "one cohort"),
    "shifted beta-geometric, pooled": (kw.ShiftedBetaGeometric(), "two cohorts"),
    "beta-discrete-Weibull": (kw.BetaDiscreteWeibull(), "one cohort"),
}


def measured(model: Model[Any], histories: Histories, repeats: int) -> dict[str, object]:
    """Time of a log-likelihood and of a posterior, and how good the posterior is."""
    cells = histories.cells(model)
    target = Target(model.prepared(cells), cells)
    near = target.typical[:, None] + 0.1 * np.random.default_rng(0).standard_normal((target.dimension, POINTS))
    target.log_likelihood(near)
    _, likelihood = timed(lambda: target.log_likelihood(near), 5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InferenceWarning)
        posterior, times = timed(lambda: kw.fit(model, histories, seed=1), repeats)
    diagnostics = posterior.diagnostics
    return times | {
        "customers": len(histories),
        "cells": len(cells),
        "likelihood": likelihood["seconds"] / POINTS,
        "method": diagnostics.method,
        "ess": diagnostics.ess,
        "pareto_k": diagnostics.pareto_k,
        "ok": diagnostics.ok,
    }


def main() -> None:
    """Measure all of them, one after the other."""
    parser = arguments(__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--histories", required=True, help="where the histories of the CDNOW sample go, for the peer")
    options = parser.parse_args()
    found = data()
    found["CDNOW"].to_pandas().to_csv(options.histories, index=False)
    models = {name: measured(model, found[which], options.repeats) for name, (model, which) in MODELS.items()}
    save(options.out, ["kundenwert", "numpy", "scipy", "pandas"], {"models": models})


if __name__ == "__main__":  # chains of a fall-back to NUTS run in processes of their own
    main()
