"""A page for people who decide: from a log of purchases to one HTML file, and its pictures one by one.

Writes ``examples/output/report.html``, which opens in any browser without a network, and draws the pictures of the
page with ``kw.plot`` into ``examples/output/report.png``.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")  # draws into a file, so no screen is needed

import matplotlib.pyplot as plt

import kundenwert as kw

OUTPUT = Path(__file__).parent / "output"
HORIZON = kw.years(3)
SHOP = kw.Economics(margin=0.30, annual_discount_rate=0.10, order_cost=2.00, acquisition_cost=12.00, currency="USD")


def main() -> None:
    """Fit, write the page, and draw the pictures."""
    OUTPUT.mkdir(exist_ok=True)
    log = kw.datasets.cdnow()
    histories = kw.summarize(log, customer="customer_id", time="date", amount="amount", until="1997-09-30", unit="week")
    purchases = kw.fit(kw.MBGNBD(), histories, seed=1)
    spend = kw.fit(kw.GammaGamma(), histories, seed=1)

    report = kw.report(
        log,
        histories,
        purchases,
        spend,
        SHOP,
        horizon=HORIZON,
        path=OUTPUT / "report.html",
        by=kw.acquisition_cohort(histories, every=kw.months(1)),
        holdout_until="1998-06-30",
    )
    for section in ("What the base is worth", "Early warnings"):
        print(f"{section}\n{'-' * len(section)}")
        some = report.table[report.table["section"] == section].head(3)
        for item, shown, meaning in zip(some["item"], some["shown"], some["meaning"], strict=True):
            print(f"{item}: {shown}\n    {meaning}")
        print()
    print(f"All {len(report.table)} numbers, in plain words: {report.path}")

    draw(purchases.thinned(200), spend.thinned(200), histories, OUTPUT / "report.png")
    print(f"The pictures: {OUTPUT / 'report.png'}")


def draw(
    purchases: kw.PurchasePosterior, spend: kw.SpendPosterior, histories: kw.CustomerHistories, path: Path
) -> None:
    """Draw some pictures of the page side by side; for these, 200 draws are enough."""
    values = kw.net_present_value(purchases, spend, histories, SHOP, horizon=HORIZON)
    to_date = kw.contribution_to_date(kw.datasets.cdnow(), histories, SHOP)
    segmentation = kw.segment(purchases, spend, histories, SHOP, to_date, horizon=HORIZON, seed=1)
    phases = kw.phase(purchases, histories)
    new = kw.new_customer_value(purchases, spend, SHOP, horizon=HORIZON, first_purchase=True, futures=0)

    figure, axes = plt.subplots(2, 2, figsize=(11, 8), layout="constrained")
    kw.plot.lorenz(values, equity=segmentation.equity, ax=axes[0, 0])
    kw.plot.segment_map(segmentation, ax=axes[0, 1])
    kw.plot.phase_flow(phases, ax=axes[1, 0])
    kw.plot.payback(new, ax=axes[1, 1])
    titles = ("Who holds the value", "Segments", "Phases of the relationship", "Payback of a new customer")
    for place, title in zip(axes.flat, titles, strict=True):
        place.set_title(title, loc="left", fontweight="bold")
    figure.savefig(path, dpi=90)
    plt.close(figure)


if __name__ == "__main__":
    main()
