"""Who is worth how much: customers by rank, and the Lorenz curve."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from kundenwert.errors import DataError, SpecificationError
from kundenwert.language import language_of, mark
from kundenwert.plot.canvas import (
    BLUE,
    GREY,
    INK,
    LIGHT_BLUE,
    ORANGE,
    canvas,
    check_interval_table,
    key,
    label,
    literal,
    money,
    percent_ticks,
    plain_ticks,
)
from kundenwert.scalars import is_number

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from kundenwert.economics import CustomerEquity
    from kundenwert.language import Language

__all__ = ["lorenz", "value_by_rank"]

POINTS: Final = 400  # of a curve
FEW: Final = 10  # customers: each has a tick
REMEDY: Final = "hand in the table of kundenwert.net_present_value(…)"


def value_by_rank(values: pd.DataFrame, *, currency: str = "", language: str = "en", ax: Axes | None = None) -> Axes:
    """Expected value of every customer with its interval, the most valuable first.

    Ranks are on a logarithmic scale, so that both the best ten and the long tail can be seen.

    Parameters
    ----------
    values : pandas.DataFrame
        Columns ``mean``, ``lower`` and ``upper``, one row a customer: the table of
        :func:`kundenwert.net_present_value`.
    currency : str
        Label of the amounts.
    language : str
        Of the labels and numbers: ``"en"`` or ``"de"``.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes drawn on.

    Raises
    ------
    MissingPackageError
        If matplotlib is not installed.
    DataError
        If the table is of another kind.
    """
    speaks = language_of(language)
    table = check_interval_table(values, REMEDY).sort_values("mean", ascending=False, kind="stable")
    name = money(speaks.say(mark("expected value of a customer")), currency)
    ax = canvas(ax)
    rank = _ranks(len(table))
    mean, lower, upper = (table[end].to_numpy(dtype=np.float64)[rank - 1] for end in ("mean", "lower", "upper"))
    ax.fill_between(rank, lower, upper, color=LIGHT_BLUE, linewidth=0, label=speaks.say(mark("interval")))
    ax.plot(rank, mean, color=BLUE, linewidth=1.8, label=speaks.say(mark("expected value")))
    ax.plot(rank[:10], mean[:10], "o", color=BLUE, markersize=4)
    if lower.min() < 0:
        ax.axhline(0, color=GREY, linewidth=0.8)
    else:
        ax.set_ylim(bottom=0)
    ax.set_xscale("log")
    ax.set_xlim(0.9, max(len(table) * 1.1, 1.2))
    if len(table) <= FEW:
        ax.set_xticks(rank)
        ax.minorticks_off()
    plain_ticks(ax, speaks, x=True, y=True)
    label(ax, x=speaks.say(mark("rank of the customer (1 is the most valuable)")), y=name)
    key(ax, "upper right")
    return ax


def lorenz(
    values: pd.DataFrame,
    *,
    top: float = 0.20,
    equity: CustomerEquity | None = None,
    language: str = "en",
    ax: Axes | None = None,
) -> Axes:
    """Lorenz curve of value: what share of it the best customers hold.

    Customers are ranked by expected value, the best first. As in :func:`kundenwert.customer_equity`, shares are of the
    value of all who are expected to bring more than they cost; where there are others, the curve reaches 1 before
    them and then falls.

    Parameters
    ----------
    values : pandas.DataFrame
        With a column ``mean``, one row a customer: the table of :func:`kundenwert.net_present_value`.
    top : float
        The share of customers to mark.
    equity : CustomerEquity, optional
        What :func:`kundenwert.customer_equity` found for the same customers: adds the shares of its table of
        concentration, with their intervals.
    language : str
        Of the labels and numbers: ``"en"`` or ``"de"``.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes drawn on.

    Raises
    ------
    MissingPackageError
        If matplotlib is not installed.
    DataError
        If the table is of another kind, or nobody is expected to bring more than they cost.
    SpecificationError
        If `top` is no share.
    """
    speaks = language_of(language)
    table = check_interval_table(values, REMEDY, ["mean"])
    if not is_number(top) or not 0 < top <= 1:
        message = f"top is a share of the customers between 0 and 1, for example 0.20; got {top!r}"
        raise SpecificationError(message)
    mean = np.sort(table["mean"].to_numpy(dtype=np.float64))[::-1]
    positive = mean[mean > 0].sum()
    if not positive > 0:
        message = "nobody is expected to bring more than they cost, so that there is no value to be shared"
        raise DataError(message)
    held = np.concatenate([[0.0], np.cumsum(mean)]) / positive
    place = math.ceil(top * len(mean) - 1e-9)
    best = min(place, int(np.count_nonzero(mean > 0)))
    share = float(held[best])
    if equity is not None and top in equity.concentration.index:
        share = float(equity.concentration["share"][top])

    ax = canvas(ax)
    shown = np.unique(np.concatenate([[0, place], _ranks(len(mean)), _evenly(len(mean))]))
    ax.plot(
        [0, 1], [0, 1], color=GREY, linewidth=1, linestyle=":", label=speaks.say(mark("if all were worth the same"))
    )
    ax.plot(
        shown / len(mean),
        held[shown],
        color=BLUE,
        linewidth=2.2,
        label=speaks.say(mark("value held by the best customers")),
    )
    if equity is not None:
        tops = np.ceil(equity.concentration.index.to_numpy(dtype=np.float64) * len(mean) - 1e-9) / len(mean)
        lower, upper = (equity.concentration[f"share{end}"] for end in ("_lower", "_upper"))
        ax.vlines(tops, lower, upper, color=INK, linewidth=3, label=_interval(equity, speaks))
    at = place / len(mean)  # of few customers, a fifth is no whole number
    ax.vlines(at, 0, share, color=ORANGE, linewidth=1)
    ax.plot([at], [share], "o", color=ORANGE, markersize=6)
    literal(
        ax.annotate(
            speaks.say(
                mark("the best {top} hold {share}"),
                top=speaks.percent(at),
                share=f"{speaks.decimal(100 * share, 0)} %",
            ),
            (at, share),
            (10 if at < 0.5 else -10, -14),
            textcoords="offset points",
            color=ORANGE,
            fontweight="bold",
            ha="left" if at < 0.5 else "right",
            va="top",
        )
    )
    ax.set(xlim=(0, 1), ylim=(min(0.0, float(held.min())), 1.02))
    percent_ticks(ax, speaks, x=True, y=True)
    label(ax, x=speaks.say(mark("share of the customers, best first")), y=speaks.say(mark("share of the value")))
    key(ax, "lower right")
    return ax


def _interval(equity: CustomerEquity, speaks: Language) -> str:
    return speaks.say(mark("{share} interval"), share=speaks.percent(equity.interval))


def _ranks(count: int) -> NDArray[np.int64]:
    """Ranks from 1 to `count`, evenly on a logarithmic scale where there are too many to draw."""
    if count <= POINTS:
        return np.arange(1, count + 1)
    return np.unique(np.rint(np.geomspace(1, count, POINTS)).astype(np.int64))


def _evenly(count: int) -> NDArray[np.int64]:
    return np.unique(np.rint(np.linspace(0, count, POINTS)).astype(np.int64))
