"""The posterior of BG/NBD by kundenwert's importance sampling, with as many draws as 4 chains of 1,000."""

from __future__ import annotations

import cdnow
from measure import arguments_with_cdnow, save, timed

import kundenwert as kw

options = arguments_with_cdnow(__doc__).parse_args()
log = cdnow.read(options.log, options.every)
histories = kw.summarize(log, customer="customer_id", time="date", amount="amount", until=cdnow.UNTIL)
method = kw.ImportanceSampling(draws=4000)
posterior, times = timed(lambda: kw.fit(kw.BGNBD(), histories, seed=1, method=method), options.repeats)
table = posterior.parameters().loc[["r", "alpha", "a", "b"]]
diagnostics = posterior.diagnostics
save(
    options.out,
    ["kundenwert", "numpy", "scipy", "pandas"],
    times
    | {
        "customers": len(histories),
        "repeats": int(histories.frequency.sum()),
        "cells": len(histories.cells(kw.BGNBD())),
        "draws": diagnostics.draws,
        "ess": diagnostics.ess,
        "pareto_k": diagnostics.pareto_k,
        "mean": table["mean"].to_dict(),
        "sd": table["sd"].to_dict(),
    },
)
