"""Where relationships stand: the map of segments, and how customers move through the phases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from kundenwert.duration import Horizon, Unit, check_duration
from kundenwert.economics.base.segments import SEGMENTS, Segmentation
from kundenwert.economics.relationship.phase_rules import PHASES
from kundenwert.errors import ColumnError, DataError, DurationError
from kundenwert.plot.canvas import (
    BLUE,
    GREY,
    GRID,
    INK,
    LIGHT_BLUE,
    LIGHT_ORANGE,
    ORANGE,
    SILVER,
    TEAL,
    canvas,
    check_interval_table,
    in_words,
    key,
    label,
    literal,
    money,
    plain_ticks,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from kundenwert.models.core import Array

__all__ = ["moves", "phase_flow", "segment_map"]

LOOKS: Final = dict(zip(SEGMENTS, ((BLUE, "o"), (TEAL, "^"), (ORANGE, "s"), (SILVER, "v")), strict=True))
MOST_IN_VECTORS: Final = 3000  # points; more are stored as an image
PHASE_COLOURS: Final = dict(zip(PHASES, (TEAL, LIGHT_BLUE, BLUE, ORANGE, SILVER), strict=True))


def segment_map(segmentation: Segmentation, *, currency: str | None = None, ax: Axes | None = None) -> Axes:
    """Every customer by contribution to date and expected value to come, in the colour of the most probable segment.

    Both scales are logarithmic away from zero and linear near it. Lines are the thresholds. A customer's dot may lie
    across one from the rest of the segment: membership goes by the probability of the value that will be realised, and
    not by what is expected on average.

    Parameters
    ----------
    segmentation : Segmentation
        What :func:`kundenwert.segment` found.
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
        If `segmentation` is something else.
    """
    if not isinstance(segmentation, Segmentation):
        message = (
            f"segmentation must be a Segmentation, got {type(segmentation).__name__}; make one with "
            "kundenwert.segment(…)"
        )
        raise DataError(message)
    currency = segmentation.equity.currency if currency is None else currency
    names = money("contributed so far", currency), money("expected value to come", currency)
    ax = canvas(ax)
    table = segmentation.table
    past, ahead = table["contribution"].to_numpy(), table["expected"].to_numpy()
    ax.set_xscale("symlog", linthresh=_linear_until(past))
    ax.set_yscale("symlog", linthresh=_linear_until(ahead))
    ax.axvline(segmentation.contribution_from, color=GREY, linewidth=0.8, linestyle="--")
    ax.axhline(segmentation.value_from, color=GREY, linewidth=0.8, linestyle="--")
    many = len(table) > MOST_IN_VECTORS
    for segment in reversed(SEGMENTS):  # the few and valuable on top
        colour, marker = LOOKS[segment]
        members = (table["segment"] == segment).to_numpy()
        ax.plot(
            past[members],
            ahead[members],
            marker,
            color=colour,
            alpha=0.35 if many else 0.7,
            markersize=2.2 if many else 3.6,
            markeredgewidth=0,
            rasterized=many,
            label=f"{segment} ({np.count_nonzero(members):,})",
        )
    _sparse(ax)
    plain_ticks(ax, x=True, y=True)
    label(ax, x=names[0], y=names[1])
    key(ax, "upper left", reverse=True, markers=1.6 if many else 1.0)
    return ax


def phase_flow(phases: pd.DataFrame, *, unit: Unit, within: Horizon, ax: Axes | None = None) -> Axes:
    """Customers by phase, and how many of them enter the next phase soon if nothing happens.

    Parameters
    ----------
    phases : pandas.DataFrame
        The table of :func:`kundenwert.phase`.
    unit : str
        Unit of its times: that of the posterior, ``purchases.unit``.
    within : Duration or Periods
        How soon is soon.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes drawn on. Of each phase there are two bars, one after the other: who stays, and who moves on.

    Raises
    ------
    MissingPackageError
        If matplotlib is not installed.
    DataError
        If the table is of another kind.
    DurationError
        If `within` is no length of time, or no number of opportunities where these are counted.
    """
    table = moves(phases, unit=unit, within=within)
    ax = canvas(ax)
    ax.grid(visible=False, axis="y")
    ax.grid(axis="x", color=GRID, linewidth=0.8)
    place = np.arange(len(PHASES))
    stays = table["customers"] - table["moving"]
    ax.barh(place, stays, color=[PHASE_COLOURS[name] for name in PHASES], height=0.62, label="stay")
    ax.barh(
        place,
        table["moving"],
        left=stays,
        color=LIGHT_ORANGE,
        edgecolor=ORANGE,
        hatch="///",
        linewidth=0.6,
        height=0.62,
        label="enter the next phase soon",
    )
    for bar, moving in zip(ax.patches[len(PHASES) :], table["moving"], strict=True):
        bar.set_visible(bool(moving))  # nobody leaves no line
    for at, (customers, moving, following) in enumerate(
        zip(table["customers"], table["moving"], table["to"], strict=True)
    ):
        text = f"{customers:,}" + (f"; {moving:,} soon {following}" if moving else "")
        literal(
            ax.annotate(
                text, (customers, at), (5, 0), textcoords="offset points", va="center", color=INK, fontsize="small"
            )
        )
    ax.set_yticks(place, PHASES)
    ax.invert_yaxis()
    ax.set_xlim(0, max(1.0, 1.35 * float(table["customers"].max())))
    ax.tick_params(axis="y", length=0)
    plain_ticks(ax, x=True)
    label(ax, x=f"customers (hatched: moving on within {in_words(within)})")
    return ax


def moves(phases: pd.DataFrame, *, unit: Unit, within: Horizon) -> pd.DataFrame:
    """Customers of each phase: how many there are, how many move on within the time, and where most of them go.

    Columns ``customers``, ``moving`` and ``to`` ("" for nowhere); one row a phase, in their order.
    """
    remedy = "hand in the table of kundenwert.phase(…)"
    check_interval_table(phases, remedy, ["p_lapsed"])
    for name in ("phase", "next_phase", "in_time"):
        if name not in phases.columns:
            message = f"the table has no column {name!r}; {remedy}"
            raise ColumnError(message)
    length = check_duration(within, "within").in_unit(unit)
    if not length > 0:
        message = f"within must be longer than {within!r}; write for example within=kundenwert.weeks(13)"
        raise DurationError(message)
    soon = phases[phases["in_time"] <= length]
    counts = pd.DataFrame(
        {
            "customers": phases["phase"].value_counts().reindex(list(PHASES), fill_value=0),
            "moving": soon["phase"].value_counts().reindex(list(PHASES), fill_value=0),
        }
    )
    going = [soon.loc[soon["phase"] == name, "next_phase"].mode() for name in PHASES]
    counts["to"] = [str(found.iloc[0]) if len(found) else "" for found in going]
    counts.index.name = "phase"
    return counts


def _linear_until(values: Array) -> float:
    """The power of ten below which a scale is linear: about half of the typical size."""
    sizes = np.abs(values[values != 0])
    if not len(sizes):
        return 1.0
    return float(10.0 ** np.floor(np.log10(max(np.median(sizes), sizes.max() / 1e4))))


def _sparse(ax: Axes) -> None:
    """Keep only so many ticks that their numbers do not touch."""
    from matplotlib.ticker import SymmetricalLogLocator

    for axis in (ax.xaxis, ax.yaxis):
        locator = axis.get_major_locator()
        if isinstance(locator, SymmetricalLogLocator):
            locator.set_params(numticks=7)
