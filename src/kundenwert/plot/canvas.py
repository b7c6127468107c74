"""Axes to draw on, and what all pictures have in common: colours, plain numbers, labels that are taken literally."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import numpy as np
import pandas as pd

from kundenwert.errors import ColumnError, DataError, MissingPackageError, SpecificationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.text import Text

    from kundenwert.language import Language

    type Corner = Literal["upper left", "upper right", "lower left", "lower right", "best"]

__all__ = [
    "BLUE",
    "COLOURS",
    "GREY",
    "GRID",
    "INK",
    "LIGHT_BLUE",
    "LIGHT_ORANGE",
    "ORANGE",
    "SILVER",
    "TEAL",
    "canvas",
    "check_interval_table",
    "check_matplotlib",
    "key",
    "key_below",
    "label",
    "literal",
    "money",
    "percent_ticks",
    "plain_ticks",
    "shortened",
    "whole_ticks",
]

# Told apart by lightness as well, so that they survive colour blindness and a black-and-white printer
BLUE: Final = "#1f5a99"
ORANGE: Final = "#c2610f"
TEAL: Final = "#3a9e8c"
SILVER: Final = "#9aa5b1"
LIGHT_BLUE: Final = "#a9c4e2"
LIGHT_ORANGE: Final = "#f0b98a"
INK: Final = "#1c2430"
GREY: Final = "#5a6470"
GRID: Final = "#e6e9ec"
COLOURS: Final = (BLUE, ORANGE, TEAL, "#7b4fa3", "#a08a1c", SILVER)
SIZE: Final = (6.4, 4.4)
LONGEST_NAME: Final = 28  # letters


def check_matplotlib() -> None:
    """Say what to install if matplotlib is missing.

    Raises
    ------
    MissingPackageError
        If it is.
    """
    try:
        import matplotlib as mpl  # noqa: F401 - only whether it is there
    except ImportError as error:
        message = (
            "pictures are drawn with matplotlib, which is not installed; install it with: pip install kundenwert[plot]"
        )
        raise MissingPackageError(message) from error


def canvas(ax: Axes | None) -> Axes:
    """The axes given, or those of a new figure, made ready to draw on.

    Raises
    ------
    MissingPackageError
        If matplotlib is not installed.
    SpecificationError
        If `ax` are no axes.
    """
    check_matplotlib()
    from matplotlib.axes import Axes as MatplotlibAxes

    if ax is None:
        import matplotlib.pyplot as plt

        _, ax = plt.subplots(figsize=SIZE, layout="constrained")
    if not isinstance(ax, MatplotlibAxes):
        message = (
            f"ax takes matplotlib Axes, got {type(ax).__name__}; make them with matplotlib.pyplot.subplots(), which "
            "returns a figure and its axes, or leave ax out"
        )
        raise SpecificationError(message)
    ax.spines[["top", "right"]].set_visible(False)
    for side in ("left", "bottom"):
        ax.spines[side].set_color(SILVER)
    ax.tick_params(colors=GREY, which="both")
    ax.set_axisbelow(True)
    ax.grid(axis="y", color=GRID, linewidth=0.8)
    return ax


def label(ax: Axes, *, x: str = "", y: str = "") -> None:
    """Name the axes."""
    literal(ax.set_xlabel(x, color=GREY), ax.set_ylabel(y, color=GREY))


def key(ax: Axes, loc: Corner, *, markers: float = 1.0) -> None:
    """Draw the legend; `markers` are drawn so much larger there."""
    legend = ax.legend(frameon=False, labelcolor=INK, loc=loc, fontsize="small", markerscale=markers)
    literal(*legend.get_texts())


def key_below(
    ax: Axes,
    *,
    columns: int = 1,
    reverse: bool = False,
    markers: float = 1.0,
    handles: Sequence[Artist] | None = None,
) -> None:
    """Draw the legend below the axes, where it hides nothing; of all that has a label, or of `handles`."""
    from matplotlib.transforms import ScaledTranslation

    figure = ax.get_figure(root=True)
    assert figure is not None  # noqa: S101 - axes belong to a figure
    below = ax.transAxes + ScaledTranslation(0, -0.62, figure.dpi_scale_trans)  # inches: ticks and name of the axis
    shown = ax.get_legend_handles_labels()[0] if handles is None else handles
    legend = ax.legend(
        handles=shown,
        frameon=False,
        labelcolor=INK,
        loc="upper center",
        bbox_to_anchor=(0.5, 0.0),
        bbox_transform=below,
        borderaxespad=0.0,
        fontsize="small",
        ncols=columns,
        reverse=reverse,
        markerscale=markers,
    )
    literal(*legend.get_texts())


def literal(*texts: Text) -> None:
    """Take texts as they are: a label such as "$" or "A$_{x}$" is no formula."""
    for text in texts:
        text.set_parse_math(False)


def money(what: str, currency: str) -> str:
    """What is measured, with the currency if it has a label."""
    if not isinstance(currency, str):
        message = f"currency is a label such as 'EUR', got {currency!r}"
        raise SpecificationError(message)
    return f"{what}, {shortened(currency)}" if currency else what


def shortened(name: str) -> str:
    """A name from the data, in one line that does not burst the picture."""
    line = " ".join(name.split())
    return line if len(line) <= LONGEST_NAME else f"{line[: LONGEST_NAME - 1]}…"


def plain_ticks(ax: Axes, language: Language, *, x: bool = False, y: bool = False) -> None:
    """Write numbers at the ticks, never powers of ten."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    for wanted, axis in ((x, ax.xaxis), (y, ax.yaxis)):
        if wanted:
            axis.set_major_formatter(FuncFormatter(lambda value, _: language.plain(value)))
            axis.set_minor_formatter(NullFormatter())


def percent_ticks(ax: Axes, language: Language, *, x: bool = False, y: bool = False) -> None:
    """Write shares at the ticks in per cent."""
    for wanted, axis in ((x, ax.xaxis), (y, ax.yaxis)):
        if wanted:
            axis.set_major_formatter(lambda value, _: language.percent(value))


def whole_ticks(ax: Axes, *, x: bool = False, y: bool = False) -> None:
    """Ticks at whole numbers only, few enough to be read: there is no half a customer."""
    from matplotlib.ticker import MaxNLocator

    for wanted, axis in ((x, ax.xaxis), (y, ax.yaxis)):
        if wanted:
            axis.set_major_locator(MaxNLocator(nbins=6, integer=True))


def check_interval_table(table: object, remedy: str, names: Sequence[str] = ("mean", "lower", "upper")) -> pd.DataFrame:
    """Return a table that has these columns, of numbers.

    Raises
    ------
    DataError, ColumnError
        If it is none.
    """
    if not isinstance(table, pd.DataFrame):
        message = f"expected a pandas table, got {type(table).__name__}; {remedy}"
        raise DataError(message)
    for name in names:
        if name not in table.columns:
            message = f"the table has no column {name!r}; {remedy}"
            raise ColumnError(message)
        column = table[name]
        if not pd.api.types.is_numeric_dtype(column) or not np.isfinite(column.to_numpy(dtype=np.float64)).all():
            message = f"column {name!r} must hold finite numbers; {remedy}"
            raise ColumnError(message)
    if len(table) == 0:
        message = f"the table has no rows, so there is nothing to draw; {remedy}"
        raise DataError(message)
    return table
