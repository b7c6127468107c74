"""How well a model fits: counts of repeat purchases, observed and expected."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kundenwert.language import language_of, mark
from kundenwert.plot.canvas import (
    BLUE,
    INK,
    LIGHT_BLUE,
    canvas,
    check_interval_table,
    key,
    label,
    plain_ticks,
    whole_ticks,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["purchase_counts"]


def purchase_counts(counts: pd.DataFrame, *, language: str = "en", ax: Axes | None = None) -> Axes:
    """Customers by their number of repeat purchases: bars are observed, dots with intervals expected.

    Parameters
    ----------
    counts : pandas.DataFrame
        The table of :func:`kundenwert.purchase_counts`.
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
    remedy = "hand in the table of kundenwert.purchase_counts(…)"
    table = check_interval_table(counts, remedy, ["observed", "expected", "lower", "upper"])
    ax = canvas(ax)
    place = np.arange(len(table))
    ax.bar(place, table["observed"], color=LIGHT_BLUE, width=0.7, label=speaks.say(mark("observed")))
    ax.vlines(place, table["lower"], table["upper"], color=INK, linewidth=1.4)
    ax.plot(
        place,
        table["expected"],
        "o",
        color=BLUE,
        markeredgecolor=INK,
        markersize=5,
        label=speaks.say(mark("expected by the model")),
    )
    ax.set_xticks(place, [speaks.say(str(name)) for name in table.index])
    whole_ticks(ax, y=True)
    plain_ticks(ax, speaks, y=True)
    label(ax, x=speaks.say(mark("repeat purchases")), y=speaks.say(mark("customers")))
    key(ax, "upper right")
    return ax
