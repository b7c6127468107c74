"""A model of dormancy fitted to CDNOW and to simulated customers, and offers to the latter planned, by kundenwert."""

from __future__ import annotations

from measure import arguments, peak_gigabytes, save, timed

import kundenwert as kw

TRUTH = kw.RevivalNBD.Parameters(r=0.5, alpha=5.0, a=1.0, b=2.0, omega=0.45, eta=0.07, unit="week")
SPEND = kw.GammaGamma.Parameters(p=6.25, q=3.74, gamma=15.44)
SHOP = kw.Economics(margin=0.30, annual_discount_rate=0.10)
OFFERS = [
    kw.Offer(label=f"offer {i}", contact_cost=0.5 + 0.1 * i, redemption_cost=2.0 * i, silent_for=kw.weeks(8))
    for i in range(5)
]

parser = arguments(__doc__)
parser.add_argument("--customers", type=int, required=True)
options = parser.parse_args()

log = kw.datasets.cdnow()
cdnow = kw.summarize(log, customer="customer_id", time="date", amount="amount", until="1997-09-30", unit="week")
of_cdnow, times_of_cdnow = timed(lambda: kw.fit(kw.RevivalNBD(), cdnow, seed=1))
log = kw.datasets.simulated(TRUTH, SPEND, customers=options.customers, seed=1, observed_for=kw.weeks(65))
histories = kw.summarize(
    log, customer="customer_id", time="date", amount="amount", until=log["date"].max().date(), unit="week"
)
fitted, times_of_fit = timed(lambda: kw.fit(kw.RevivalNBD(), histories, seed=1))
spend = kw.fit(kw.GammaGamma(), histories, seed=1)
labels = [offer.label for offer in OFFERS]
response = kw.CampaignPosterior.from_prior(kw.CampaignResponse(assignment=kw.Randomised()), offers=labels, seed=1)
plan, times = timed(
    lambda: kw.plan_winback(
        fitted,
        spend,
        histories,
        SHOP,
        response=response,
        offers=OFFERS,
        window=kw.weeks(13),
        budget=0.02 * options.customers,
        seed=1,
    )
)
measured: dict[str, object] = {
    "customers": options.customers,
    "cells": len(histories.cells(kw.RevivalNBD())),
    "offers": len(OFFERS),
    "cdnow": times_of_cdnow["seconds"],
    "cdnow_ess": of_cdnow.diagnostics.ess,
    "cdnow_k": of_cdnow.diagnostics.pareto_k,
    "fit": times_of_fit["seconds"],
    "fit_ess": fitted.diagnostics.ess,
    "fit_k": fitted.diagnostics.pareto_k,
    "contacted": int((plan.table["decision"] == "contact").sum()),
    "peak": peak_gigabytes(),
}
save(options.out, ["kundenwert"], times | measured)
