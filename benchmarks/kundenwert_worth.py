"""The parts of the net present value of a simulated population, or the realised values, by kundenwert."""

from __future__ import annotations

from measure import arguments, peak_gigabytes, save, timed
from simulated import histories_of

import kundenwert as kw

SHOP = kw.Economics(
    margin=0.30,
    annual_discount_rate=0.10,
    order_cost=2.0,
    annual_retention_cost=1.0,
    retention_rule=kw.EveryoneFor(kw.years(1)),
    referral=kw.Referral(per_purchase=0.02, value=10.0),
)
HORIZON = kw.years(3)

parser = arguments(__doc__)
parser.add_argument("--log", required=True)
parser.add_argument("--observed", type=int, required=True, help="days from the first arrival to the end")
parser.add_argument("--draws", type=int, default=1000)
parser.add_argument("--futures", type=int, default=0, help="simulate so many futures of every distinct customer")
options = parser.parse_args()

histories, _, rows = histories_of(options.log, options.observed)
purchases = kw.fit(kw.MBGNBD(), histories, seed=1).thinned(options.draws)
spend = kw.fit(kw.GammaGamma(), histories, seed=1).thinned(options.draws)
if options.futures:
    table, times = timed(
        lambda: kw.realised_value(purchases, spend, histories, SHOP, horizon=HORIZON, futures=options.futures, seed=1)
    )
else:
    table, times = timed(lambda: kw.net_present_value(purchases, spend, histories, SHOP, horizon=HORIZON))
measured: dict[str, object] = {
    "rows": rows,
    "customers": len(table),
    "cells": len(histories.cells(kw.MBGNBD())),
    "draws": options.draws,
    "futures": options.futures,
    "mean": float(table["mean"].mean()),
    "peak_of_the_table": peak_gigabytes(),
}
save(options.out, ["kundenwert"], times | measured)
