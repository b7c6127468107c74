"""How well a model fits: counts of repeat purchases, observed and expected."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kundenwert.plot.canvas import BLUE, INK, LIGHT_BLUE, canvas, check_interval_table, key, label, plain_ticks

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["purchase_counts"]


def purchase_counts(counts: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Customers by their number of repeat purchases: bars are observed, dots with intervals expected.

    Parameters
    ----------
    counts : pandas.DataFrame
        The table of :func:`kundenwert.purchase_counts`.
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
    remedy = "hand in the table of kundenwert.purchase_counts(…)"
    table = check_interval_table(counts, remedy, ["observed", "expected", "lower", "upper"])
    ax = canvas(ax)
    place = np.arange(len(table))
    ax.bar(place, table["observed"], color=LIGHT_BLUE, width=0.7, label="observed")
    ax.vlines(place, table["lower"], table["upper"], color=INK, linewidth=1.4)
    ax.plot(place, table["expected"], "o", color=BLUE, markeredgecolor=INK, markersize=5, label="expected by the model")
    ax.set_xticks(place, [str(name) for name in table.index])
    plain_ticks(ax, y=True)
    label(ax, x="repeat purchases", y="customers")
    key(ax, "upper right")
    return ax
