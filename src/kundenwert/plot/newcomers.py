"""What a new customer brings by when, and when that has paid for winning them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from kundenwert.economics.newcomers.value import AVERAGE, NewCustomerValue
from kundenwert.errors import DataError
from kundenwert.plot.canvas import COLOURS, GREY, INK, canvas, key, label, literal, money, number, plain_ticks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes

__all__ = ["payback"]


def payback(new: NewCustomerValue, *, currency: str | None = None, ax: Axes | None = None) -> Axes:
    """Expected contribution of a new customer over time, with its interval, and when it covers the acquisition cost.

    Parameters
    ----------
    new : NewCustomerValue
        What :func:`kundenwert.new_customer_value` found; each channel or cohort has a curve.
    currency : str, optional
        Label of the amounts; by default that of the economics.
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
        If `new` is something else.
    """
    if not isinstance(new, NewCustomerValue):
        message = (
            f"new must be a NewCustomerValue, got {type(new).__name__}; make one with kundenwert.new_customer_value(…)"
        )
        raise DataError(message)
    currency = new.currency if currency is None else currency
    name = money("contribution so far, discounted", currency)
    ax = canvas(ax)
    rows = list(_rows(new))
    for place, (title, curve, cost, back) in enumerate(rows):
        colour = COLOURS[place % len(COLOURS)]
        time = curve.index.to_numpy(dtype=np.float64)
        several = len(rows) > 1
        ax.fill_between(time, curve["lower"], curve["upper"], color=colour, alpha=0.25, linewidth=0)
        ax.plot(time, curve["mean"], color=colour, linewidth=2, label=title if several else "average new customer")
        if cost <= 0:
            continue
        ax.axhline(
            cost, color=colour if several else GREY, linewidth=1, linestyle="--", label=_cost(cost, title, currency)
        )
        if 0 < back < np.inf:
            ax.plot([back], [cost], "o", color=colour, markersize=6, zorder=3)
            when = f"{number(float(f'{back:.3g}'))} {_plural(new.unit)}"
            literal(
                ax.annotate(
                    f"paid back after {when}" if not several else when,
                    (back, cost),
                    (8, -6),
                    textcoords="offset points",
                    color=INK,
                    fontweight="bold",
                    va="top",
                )
            )
    ax.set_xlim(0, new.limit)
    ax.set_ylim(bottom=min(0.0, ax.get_ylim()[0]))
    plain_ticks(ax, x=True, y=True)
    label(ax, x=f"{_plural(new.unit)} since the first purchase", y=name)
    key(ax, "lower right")
    return ax


def _rows(new: NewCustomerValue) -> Iterator[tuple[str, pd.DataFrame, float, float]]:
    """Of each channel or cohort: its name, curve, acquisition cost and median time of payback."""
    curves, paybacks = new.curve(), new.payback
    several = isinstance(curves.index, pd.MultiIndex)
    costs = new.table["acquisition_cost"].to_numpy(dtype=np.float64).tolist()
    for row, cost in zip(new.table.index, costs, strict=True):
        curve, back = (table.loc[row] if several else table for table in (curves, paybacks))
        title = ", ".join(map(str, row)) if isinstance(row, tuple) else str(row)
        yield title, curve, cost, float(back["median"][AVERAGE])


def _cost(cost: float, title: str, currency: str) -> str:
    of = "" if title == "new customer" else f" of {title}"
    return f"acquisition cost{of}, {number(float(f'{cost:.4g}'))} {currency}".rstrip()


def _plural(unit: str) -> str:
    return "opportunities" if unit == "opportunity" else f"{unit}s"
