"""How contracts end: survival and retention from renewal to renewal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from kundenwert.plot.canvas import BLUE, COLOURS, canvas, check_interval_table, in_percent, key, label

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["retention", "survival"]


def survival(curve: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Share of new contracts that are still active after each renewal, with its interval.

    Parameters
    ----------
    curve : pandas.DataFrame
        The table of :meth:`kundenwert.ContractPosterior.survival_curve`; each cohort has a curve.
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
    return _drawn(curve, "contracts still active", "survival_curve", ax)


def retention(curve: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Share of the contracts still active that are renewed at each renewal, with its interval.

    Parameters
    ----------
    curve : pandas.DataFrame
        The table of :meth:`kundenwert.ContractPosterior.retention_curve`; each cohort has a curve.
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
    return _drawn(curve, "renewed, of those still active", "retention_curve", ax)


def _drawn(curve: pd.DataFrame, name: str, source: str, ax: Axes | None) -> Axes:
    table = check_interval_table(curve, f"hand in the table of ContractPosterior.{source}(…)")
    ax = canvas(ax)
    if isinstance(table.index, pd.MultiIndex):
        cohorts = list(table.index.get_level_values(0).unique())
        curves = {str(cohort): table.xs(cohort) for cohort in cohorts}
    else:
        curves = {"": table}
    for place, (title, of_cohort) in enumerate(curves.items()):
        colour = COLOURS[place % len(COLOURS)] if title else BLUE
        renewal = of_cohort.index.to_numpy(dtype=np.float64)
        ax.fill_between(renewal, of_cohort["lower"], of_cohort["upper"], color=colour, alpha=0.25, linewidth=0)
        ax.plot(renewal, of_cohort["mean"], "o-", color=colour, linewidth=1.8, markersize=4, label=title)
    ax.set_ylim(0, 1.02)
    ax.yaxis.set_major_formatter(lambda value, _: in_percent(value))
    label(ax, x="renewal", y=name)
    if "" not in curves:
        key(ax, "best")
    return ax
