"""Quickstart: from a log of purchases to what every customer is still worth.

Reads the purchases of 2,357 customers of an online shop, stops the clock half-way, predicts, and then looks at what
happened. Prints its findings and draws one picture into ``examples/output``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl

mpl.use("Agg")  # draws into a file, so no screen is needed

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import kundenwert as kw

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PICTURE = Path(__file__).parent / "output" / "customer_value.png"
BLUE, LIGHT_BLUE = "#1f5a99", "#a9c4e2"
ORANGE, LIGHT_ORANGE = "#b85c12", "#f0b98a"
GREY = "#5a6470"


def main() -> None:
    """Run the five steps."""
    log = kw.datasets.cdnow()

    step("1. From purchases to histories (observed until 30 September 1997)")
    histories = kw.summarize(log, customer="customer_id", time="date", amount="amount", until="1997-09-30", unit="week")
    print(histories.audit)

    step("2. Fit: when do customers buy and leave, and how much do they spend?")
    purchases = kw.fit(kw.MBGNBD(), histories, seed=1)
    spend = kw.fit(kw.GammaGamma(), histories, seed=1)
    print(f"Purchases, {purchases.diagnostics}")
    print(f"Spend, {spend.diagnostics}")

    step("3. Score: every customer, for the coming year (30 % margin, 10 % interest)")
    economics = kw.Economics(margin=0.30, annual_discount_rate=0.10)
    scores = kw.score(purchases, spend, histories, economics, horizon=kw.years(1))
    print(shown(scores, histories))
    print(
        "\nIn brackets: 90 % intervals. They tell how well the expected values are known,\n"
        "not how far a single customer may end up from them."
    )

    step("4. Check: what did they do in the next 39 weeks?")
    actual = kw.holdout(log, histories, until="1998-06-30")["purchases"]
    expected = purchases.expected_purchases(histories, horizon=kw.weeks(39))["mean"]
    returned = purchases.return_probability(histories, horizon=kw.weeks(39))["mean"]
    print(checked(actual, expected, returned))

    step("5. Picture")
    PICTURE.parent.mkdir(exist_ok=True)
    draw(scores, histories, PICTURE)
    print(f"Who is still worth how much: {PICTURE}")


def step(title: str) -> None:
    """Print a heading."""
    print(f"\n{title}\n{'-' * len(title)}")


def shown(scores: pd.DataFrame, histories: kw.CustomerHistories) -> str:
    """Lay out some telling customers: the best ones, one in doubt, one who bought once, a good one who fell silent."""
    repeats = pd.Series(histories.frequency, index=histories.customer_id)
    silent = pd.Series(histories.T - histories.recency, index=histories.customer_id)
    best = scores["npv"].nlargest(5).index
    in_doubt = (scores["p_alive"] - 0.5).abs()[repeats > 3].idxmin()
    once = repeats.index[repeats == 0][0]
    lapsed = repeats[silent > 20].idxmax()
    some = scores.loc[[*best, in_doubt, once, lapsed]]
    columns: dict[str, list[str]] = {
        "\ncustomer": some.index.astype(str).tolist(),
        "repeat\nbuys": repeats[some.index].astype(str).tolist(),
        "silent\nweeks": silent[some.index].map("{:.0f}".format).tolist(),
        "still a\ncustomer, %": cells(some, "p_alive", times=100, digits=0),
        "buys again\nin a year, %": cells(some, "return_probability", times=100, digits=0),
        "purchases\nin a year": cells(some, "expected_purchases", digits=1),
        "$ per\npurchase": cells(some, "expected_spend"),
        "net present\nvalue, $": cells(some, "npv"),
    }
    lines = ["", ""] + [""] * len(some)
    for heading, texts in columns.items():
        column = [*heading.split("\n"), *texts]
        width = max(map(len, column)) + 2
        lines = [line + text.rjust(width) for line, text in zip(lines, column, strict=True)]
    return "\n".join(lines)


def cells(scores: pd.DataFrame, name: str, *, times: float = 1, digits: int | None = None) -> list[str]:
    """Mean and interval of one quantity as text; by default with a decimal below ten."""
    numbers = times * scores[[name, f"{name}_lower", f"{name}_upper"]].to_numpy()
    texts = []
    for mean, lower, upper in numbers:
        places = digits if digits is not None else int(mean < 10)
        texts.append(f"{mean:.{places}f} ({lower:.{places}f}–{upper:.{places}f})")
    return texts


def checked(actual: pd.Series[int], expected: pd.Series[float], returned: pd.Series[float]) -> str:
    """Compare predictions with what happened, in words."""
    gap = 100 * (expected.sum() / actual.sum() - 1)
    return (
        f"Purchases of all customers: predicted {expected.sum():,.0f}, actual {actual.sum():,} "
        f"({gap:+.0f} %: {'too few' if gap < 0 else 'too many'}).\n"
        f"Customers who bought again: predicted {100 * returned.mean():.0f} %, "
        f"actual {100 * (actual > 0).mean():.0f} %."
    )


def draw(scores: pd.DataFrame, histories: kw.CustomerHistories, path: Path) -> None:
    """Rank customers by net present value: the best thirty one by one, then everybody."""
    ranked = scores.assign(repeats=histories.frequency).sort_values("npv", ascending=False)
    with mpl.rc_context({"font.size": 10, "axes.titlesize": 11, "axes.titlelocation": "left"}):
        figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.8), layout="constrained", width_ratios=[1, 1.35])
        figure.suptitle("Who is still worth how much?", x=0.008, ha="left", fontsize=15, fontweight="bold")
        draw_best(left, ranked.head(30))
        draw_all(right, ranked)
        for axes in (left, right):
            axes.spines[["top", "right"]].set_visible(False)
            axes.tick_params(colors=GREY)
            axes.set_axisbelow(True)
            axes.grid(axis="y", color="#e6e9ec")
        figure.supxlabel(
            "Net present value of the purchases in the coming year, after 39 weeks of observation. Bands: 90 % "
            "intervals of the expected value;\nwhat a single customer will really spend scatters far more widely.",
            x=0.008,
            ha="left",
            fontsize=9,
            color=GREY,
        )
        figure.savefig(path, dpi=150)
        plt.close(figure)


def draw_best(axes: Axes, best: pd.DataFrame) -> None:
    """Means and intervals of single customers."""
    rank = np.arange(1, len(best) + 1)
    axes.vlines(rank, best["npv_lower"], best["npv_upper"], color=LIGHT_BLUE, linewidth=5)
    axes.plot(rank, best["npv"], "o", color=BLUE, markersize=4)
    axes.set(title="The best thirty customers", xlabel="rank", ylabel="dollars", ylim=(0, None), xlim=(0, 31))
    first = best.iloc[0]
    axes.annotate(
        f"customer {best.index[0]}: {first['npv']:.0f} dollars\n({first['npv_lower']:.0f} to {first['npv_upper']:.0f})",
        (1, first["npv"]),
        (4, first["npv"]),
        va="center",
        color=BLUE,
        arrowprops={"arrowstyle": "-", "color": BLUE, "shrinkB": 4},
    )


def draw_all(axes: Axes, ranked: pd.DataFrame) -> None:
    """Everybody, on a logarithmic scale, one-time buyers in another colour."""
    rank = np.arange(1, len(ranked) + 1)
    lowest = 0.3
    for colour, group in ((LIGHT_BLUE, ranked["repeats"] > 0), (LIGHT_ORANGE, ranked["repeats"] == 0)):
        some = ranked[group]
        lower, upper = (some[end].clip(lower=lowest / 2) for end in ("npv_lower", "npv_upper"))
        axes.vlines(rank[group], lower, upper, color=colour, linewidth=1)
    axes.plot(rank, ranked["npv"].clip(lower=lowest / 2), color="#1c2430", linewidth=1.2)
    axes.set_yscale("log")
    axes.set(title=f"All {len(ranked):,} customers (logarithmic scale)", xlabel="rank", ylabel="dollars")
    axes.set(ylim=(lowest, 600), xlim=(-20, len(ranked) * 1.01))
    axes.yaxis.set_major_formatter("{x:g}")
    share = ranked["npv"].cumsum() / ranked["npv"].sum()
    tenth = len(ranked) // 10
    once = ranked["repeats"] == 0
    axes.axvline(tenth, color=GREY, linewidth=0.8, linestyle=":")
    axes.text(tenth + 25, 330, f"the best tenth holds {100 * share.iloc[tenth - 1]:.0f} % of the value", color=GREY)
    axes.text(330, 28, "bought again", color=BLUE, fontweight="bold")
    axes.text(
        1050,
        4.2,
        f"bought once: {100 * once.mean():.0f} % of the customers,\n"
        f"{100 * ranked.loc[once, 'npv'].sum() / ranked['npv'].sum():.0f} % of the value",
        color=ORANGE,
        fontweight="bold",
    )
    axes.text(len(ranked) - 20, 0.62, "bought again, then fell silent", color=BLUE, fontweight="bold", ha="right")


if __name__ == "__main__":
    main()
