"""Where relationships stand: the map of segments, and how customers move through the phases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from kundenwert.duration import Horizon, Unit, check_duration, check_unit_or_count, opportunities, weeks
from kundenwert.economics.base.segments import SEGMENTS, Segmentation
from kundenwert.economics.relationship.phase_rules import PHASES
from kundenwert.errors import ColumnError, DataError, DurationError, SpecificationError
from kundenwert.language import language_of, mark
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
    key_below,
    label,
    literal,
    money,
    plain_ticks,
    whole_ticks,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from kundenwert.models.core import Array

__all__ = ["moves", "phase_flow", "segment_map"]

LOOKS: Final = dict(zip(SEGMENTS, ((BLUE, "o"), (TEAL, "^"), (ORANGE, "s"), (SILVER, "v")), strict=True))
MOST_IN_VECTORS: Final = 3000  # points; more are stored as an image
REMEDY: Final = "hand in the table of kundenwert.phase(…)"
PHASE_COLOURS: Final = dict(zip(PHASES, (TEAL, LIGHT_BLUE, BLUE, ORANGE, SILVER), strict=True))


def segment_map(
    segmentation: Segmentation, *, currency: str | None = None, language: str = "en", ax: Axes | None = None
) -> Axes:
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
        If `segmentation` is something else.
    """
    speaks = language_of(language)
    if not isinstance(segmentation, Segmentation):
        message = (
            f"segmentation must be a Segmentation, got {type(segmentation).__name__}; make one with "
            "kundenwert.segment(…)"
        )
        raise DataError(message)
    currency = segmentation.equity.currency if currency is None else currency
    x, y = (money(speaks.say(what), currency) for what in (mark("contributed so far"), mark("expected value to come")))
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
            label=f"{speaks.say(segment)} ({speaks.decimal(int(np.count_nonzero(members)), 0)})",
        )
    _sparse(ax)
    plain_ticks(ax, speaks, x=True, y=True)
    label(ax, x=x, y=y)
    key_below(ax, columns=2, reverse=True, markers=1.6 if many else 1.0)
    return ax


def phase_flow(
    phases: pd.DataFrame,
    *,
    unit: Unit | None = None,
    within: Horizon | None = None,
    language: str = "en",
    ax: Axes | None = None,
) -> Axes:
    """Customers by phase, and how many of them enter the next phase soon if nothing happens.

    Parameters
    ----------
    phases : pandas.DataFrame
        The table of :func:`kundenwert.phase`.
    unit : str, optional
        Unit of its times: that of the posterior, ``purchases.unit``. By default what the table says.
    within : Duration or Periods, optional
        How soon is soon; by default within 13 weeks, or at the next opportunity.
    language : str
        Of the labels and numbers: ``"en"`` or ``"de"``.
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
    speaks, unit = language_of(language), _unit_of(phases, unit)
    within = (opportunities(1) if unit == "opportunity" else weeks(13)) if within is None else within
    table = moves(phases, unit=unit, within=within)
    ax = canvas(ax)
    ax.grid(visible=False, axis="y")
    ax.grid(axis="x", color=GRID, linewidth=0.8)
    place = np.arange(len(PHASES))
    stays = table["customers"] - table["moving"]
    ax.barh(place, stays, color=[PHASE_COLOURS[name] for name in PHASES], height=0.62, label=speaks.say(mark("stay")))
    ax.barh(
        place,
        table["moving"],
        left=stays,
        color=LIGHT_ORANGE,
        edgecolor=ORANGE,
        hatch="///",
        linewidth=0.6,
        height=0.62,
        label=speaks.say(mark("enter the next phase soon")),
    )
    for bar, moving in zip(ax.patches[len(PHASES) :], table["moving"], strict=True):
        bar.set_visible(bool(moving))  # nobody leaves no line
    for at, (customers, moving, following) in enumerate(
        zip(table["customers"], table["moving"], table["to"], strict=True)
    ):
        text = speaks.decimal(customers, 0)
        if moving:
            soon = mark("{number}; {moving} soon {phase}")
            text = speaks.say(soon, number=text, moving=speaks.decimal(moving, 0), phase=speaks.say(following))
        literal(
            ax.annotate(
                text, (customers, at), (5, 0), textcoords="offset points", va="center", color=INK, fontsize="small"
            )
        )
    ax.set_yticks(place, [speaks.say(name) for name in PHASES])
    ax.invert_yaxis()
    ax.set_xlim(0, max(1.0, 1.35 * float(table["customers"].max())))
    ax.tick_params(axis="y", length=0)
    plain_ticks(ax, speaks, x=True)
    whole_ticks(ax, x=True)
    hatched = mark("customers (hatched: moving on within {length})")
    label(ax, x=speaks.say(hatched, length=speaks.within(within)))
    return ax


def _unit_of(phases: object, unit: Unit | None) -> Unit:
    """The unit of the times of a table of phases."""
    if unit is not None:
        return unit
    known = phases.attrs.get("unit") if isinstance(phases, pd.DataFrame) else None
    if known is None:
        check_interval_table(phases, REMEDY, ["p_lapsed"])
        message = (
            "the table does not say in which unit its times are, as that of kundenwert.phase(…) does; give it: "
            "unit=purchases.unit"
        )
        raise SpecificationError(message)
    return check_unit_or_count(str(known))


def moves(phases: pd.DataFrame, *, unit: Unit, within: Horizon) -> pd.DataFrame:
    """Customers of each phase: how many there are, how many move on within the time, and where most of them go.

    Columns ``customers``, ``moving`` and ``to`` ("" for nowhere); one row a phase, in their order.
    """
    check_interval_table(phases, REMEDY, ["p_lapsed"])
    for name in ("phase", "next_phase", "in_time"):
        if name not in phases.columns:
            message = f"the table has no column {name!r}; {REMEDY}"
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
