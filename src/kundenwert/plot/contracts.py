"""How contracts end: survival and retention from renewal to renewal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from kundenwert.language import language_of, mark
from kundenwert.plot.canvas import (
    BLUE,
    COLOURS,
    canvas,
    check_interval_table,
    key,
    label,
    percent_ticks,
    plain_ticks,
    shortened,
    whole_ticks,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["retention", "survival"]


def survival(curve: pd.DataFrame, *, language: str = "en", ax: Axes | None = None) -> Axes:
    """Share of new contracts that are still active after each renewal, with its interval.

    Parameters
    ----------
    curve : pandas.DataFrame
        The table of :meth:`kundenwert.ContractPosterior.survival_curve`; each cohort has a curve.
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
    return _drawn(curve, mark("contracts still active"), "survival_curve", language, ax)


def retention(curve: pd.DataFrame, *, language: str = "en", ax: Axes | None = None) -> Axes:
    """Share of the contracts still active that are renewed at each renewal, with its interval.

    Parameters
    ----------
    curve : pandas.DataFrame
        The table of :meth:`kundenwert.ContractPosterior.retention_curve`; each cohort has a curve.
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
    return _drawn(curve, mark("renewed, of those still active"), "retention_curve", language, ax)


def _drawn(curve: pd.DataFrame, name: str, source: str, language: str, ax: Axes | None) -> Axes:
    speaks = language_of(language)
    table = check_interval_table(curve, f"hand in the table of ContractPosterior.{source}(…)")
    ax = canvas(ax)
    if isinstance(table.index, pd.MultiIndex):
        cohorts = list(table.index.get_level_values(0).unique())
        curves = {shortened(str(cohort)): table.xs(cohort) for cohort in cohorts}
    else:
        curves = {"": table}
    for place, (title, of_cohort) in enumerate(curves.items()):
        colour = COLOURS[place % len(COLOURS)] if title else BLUE
        renewal = of_cohort.index.to_numpy(dtype=np.float64)
        ax.fill_between(renewal, of_cohort["lower"], of_cohort["upper"], color=colour, alpha=0.25, linewidth=0)
        ax.plot(renewal, of_cohort["mean"], "o-", color=colour, linewidth=1.8, markersize=4, label=title)
    ax.set_ylim(0, 1.02)
    percent_ticks(ax, speaks, y=True)
    plain_ticks(ax, speaks, x=True)
    whole_ticks(ax, x=True)
    label(ax, x=speaks.say(mark("renewals")), y=speaks.say(name))
    if "" not in curves:
        key(ax, "best")
    return ax
