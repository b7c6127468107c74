"""Whom to win back with which offer, and what to spend on it: from a log to a plan with a budget.

The customers of CDNOW are real, and so is who came back by themselves. The shop never sent them an offer, so what the
pilot campaign adds to that is made up here: two offers, each of which brings some of the customers back who would not
have come. Draws ``examples/output/winback.png``.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")  # draws into a file, so no screen is needed

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import kundenwert as kw

OUTPUT = Path(__file__).parent / "output"
PILOT, TODAY = "1997-12-31", "1998-03-31"
WINDOW = kw.weeks(13)
SHOP = kw.Economics(margin=0.30, annual_discount_rate=0.10, order_cost=2.00, currency="USD")
OFFERS = (
    kw.Offer(label="postcard", contact_cost=0.60, silent_for=kw.weeks(13)),
    kw.Offer(label="voucher", contact_cost=0.60, redemption_cost=5.00, silent_for=kw.weeks(13)),
)
BROUGHT_BACK = {"postcard": 0.02, "voucher": 0.10}  # of those who would not have come: unknown to the methods below


def main() -> None:
    """Fit, run the pilot, plan, explain, draw."""
    OUTPUT.mkdir(exist_ok=True)
    log = kw.datasets.cdnow()
    then = kw.summarize(log, customer="customer_id", time="date", amount="amount", until=PILOT, unit="week")
    purchases = kw.fit(kw.RevivalNBD(), then, seed=1, method=kw.ImportanceSampling(draws=400, points=2048))
    spend = kw.fit(kw.GammaGamma(), then, seed=1)

    campaign = pilot(log, then)
    organic = kw.organic_return(purchases, then, window=WINDOW)
    pilot_log = kw.CampaignLog.from_pandas(campaign, organic=organic, window=WINDOW)
    response = kw.fit(kw.CampaignResponse(assignment=kw.Randomised()), pilot_log, seed=1)
    print("What the offers added in the pilot, by the model:")
    print(response.average_effects(pilot_log).round(3).to_string(), "\n")

    today = kw.summarize(log, customer="customer_id", time="date", amount="amount", until=TODAY, unit="week")
    with warnings.catch_warnings(record=True, action="always") as told:
        plan = kw.plan_winback(
            purchases, spend, today, SHOP, response=response, offers=OFFERS, window=WINDOW, budget=400.0, seed=1
        )
    print(plan, "\n")
    for warning in told:  # few are held out: the campaign may pay, and will hardly tell whether it did
        print(f"{warning.category.__name__}: {warning.message}\n")
    contacted = plan.table[plan.table["decision"] == "contact"].sort_values("mean", ascending=False)
    print(plan.explain(contacted.index[0]), "\n")

    draw(purchases, today, plan, OUTPUT / "winback.png")
    print(f"The pictures: {OUTPUT / 'winback.png'}")


def pilot(log: pd.DataFrame, histories: kw.CustomerHistories) -> pd.DataFrame:
    """Who was silent for a quarter gets one of the offers, or none, by lot; and who returned."""
    rng = np.random.default_rng(1)
    silent = histories.T - histories.recency >= 13
    came = (kw.holdout(log, histories, until=TODAY)["purchases"] > 0).to_numpy()[silent]
    offer = rng.choice(np.array(["postcard", "voucher", None], dtype=object), silent.sum())
    brought = rng.random(silent.sum()) < np.array([BROUGHT_BACK.get(label, 0.0) for label in offer])
    return pd.DataFrame({"customer_id": histories.customer_id[silent], "offer": offer, "returned": came | brought})


def draw(purchases: kw.PurchasePosterior, histories: kw.CustomerHistories, plan: kw.WinbackPlan, path: Path) -> None:
    """Return curves, states, uplift, and profit against budget."""
    frequency, silence = histories.frequency, histories.T - histories.recency
    wanted = [(0, 40), (2, 20), (6, 20), (6, 45)]
    some = [histories.customer_id[int(np.argmin(abs(frequency - x) * 10 + abs(silence - g)))] for x, g in wanted]
    figure, axes = plt.subplots(2, 2, figsize=(12, 9), layout="constrained")
    kw.plot.return_curves(purchases.thinned(100), histories, some, horizon=kw.weeks(52), ax=axes[0, 0])
    kw.plot.states_in_silence(purchases.thinned(100), histories, some[2], horizon=kw.weeks(52), ax=axes[0, 1])
    kw.plot.uplift(plan, ax=axes[1, 0])
    kw.plot.profit_by_budget(plan, ax=axes[1, 1])
    figure.savefig(path, dpi=120)
    plt.close(figure)


if __name__ == "__main__":
    main()
