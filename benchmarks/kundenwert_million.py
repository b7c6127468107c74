"""From the log of a simulated population to its table: histories, fits, scores, value for life."""

from __future__ import annotations

import numpy as np
from measure import arguments, peak_gigabytes, save, timed
from simulated import histories_of

import kundenwert as kw

ECONOMICS = kw.Economics(margin=0.30, annual_discount_rate=0.10)

parser = arguments(__doc__)
parser.add_argument("--log", required=True)
parser.add_argument("--observed", type=int, required=True, help="days from the first arrival to the end")
parser.add_argument("--draws", type=int, default=1000)
parser.add_argument("--repeats", type=int, default=0, help="time the fits so many times after the first")
parser.add_argument("--lifetime", action="store_true", help="value for life too")
options = parser.parse_args()

histories, summarizing, rows = histories_of(options.log, options.observed)
purchases, fitting = timed(lambda: kw.fit(kw.BGNBD(), histories, seed=1), options.repeats)
spend, fitting_spend = timed(lambda: kw.fit(kw.GammaGamma(), histories, seed=1), options.repeats)
few_purchases, few_spend = purchases.thinned(options.draws), spend.thinned(options.draws)
table, scoring = timed(lambda: kw.score(few_purchases, few_spend, histories, ECONOMICS, horizon=kw.years(3)))
assert len(table) == len(histories)
peak = peak_gigabytes()
measured: dict[str, object] = {
    "rows": rows,
    "customers": len(histories),
    "cells": len(histories.cells(kw.BGNBD())),
    "summarize": summarizing["seconds"],
    "fit_first": fitting["first"],
    "fit": fitting["seconds"],
    "fit_spend": fitting_spend["seconds"],
    "method": purchases.diagnostics.method,
    "ess": purchases.diagnostics.ess,
    "pareto_k": purchases.diagnostics.pareto_k,
    "ess_spend": spend.diagnostics.ess,
    "draws": options.draws,
    "score": scoring["seconds"],
    "peak_of_the_table": peak,
}
if options.lifetime:
    value, valuing = timed(
        lambda: kw.net_present_value(few_purchases, few_spend, histories, ECONOMICS, horizon=kw.LIFETIME)
    )
    assert np.isfinite(value["mean"]).all()
    measured["lifetime"] = valuing["seconds"]
save(options.out, ["kundenwert"], measured)
