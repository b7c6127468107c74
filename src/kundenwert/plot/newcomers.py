"""What a new customer brings by when, and when that has paid for winning them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from kundenwert.economics.newcomers.value import AVERAGE, NewCustomerValue
from kundenwert.errors import DataError
from kundenwert.language import decimals_of, language_of, mark
from kundenwert.plot.canvas import COLOURS, GREY, INK, canvas, key_below, label, literal, money, plain_ticks, shortened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

    from kundenwert.language import Language

__all__ = ["payback"]


def payback(
    new: NewCustomerValue, *, currency: str | None = None, language: str = "en", ax: Axes | None = None
) -> Axes:
    """Expected contribution of a new customer over time, with its interval, and when it covers the acquisition cost.

    Parameters
    ----------
    new : NewCustomerValue
        What :func:`kundenwert.new_customer_value` found; each channel or cohort has a curve.
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
        If `new` is something else.
    """
    if not isinstance(new, NewCustomerValue):
        message = (
            f"new must be a NewCustomerValue, got {type(new).__name__}; make one with kundenwert.new_customer_value(…)"
        )
        raise DataError(message)
    speaks = language_of(language)
    currency = new.currency if currency is None else currency
    name = money(speaks.say(mark("contribution so far, discounted")), currency)
    ax = canvas(ax)
    rows = list(_rows(new))
    several, lowest = len(rows) > 1, 0.0
    for place, (title, curve, cost, back) in enumerate(rows):
        colour = COLOURS[place % len(COLOURS)]
        time = curve.index.to_numpy(dtype=np.float64)
        ax.fill_between(time, curve["lower"], curve["upper"], color=colour, alpha=0.25, linewidth=0)
        who = shortened(title) if several else speaks.say(mark("average new customer"))
        ax.plot(time, curve["mean"], color=colour, linewidth=2, label=who)
        lowest = min(lowest, float(curve["lower"].min()))
        if cost <= 0:
            continue
        spent = _cost(cost, who if several else "", currency, speaks)
        ax.axhline(cost, color=colour if several else GREY, linewidth=1, linestyle="--", label=spent)
        if 0 < back < np.inf:
            ax.plot([back], [cost], "o", color=colour, markersize=6, zorder=3)
            when = speaks.counted(speaks.significant(back, keep=False), new.unit)
            text = when if several else speaks.say(mark("paid back after {time}"), time=when)
            _beside(ax, text, (back, cost), new.limit)
    ax.set_xlim(0, new.limit)
    ax.set_ylim(bottom=min(lowest, 0.0))
    plain_ticks(ax, speaks, x=True, y=True)
    since = mark("{units} since the first purchase")
    label(ax, x=speaks.say(since, units=speaks.units(new.unit)), y=name)
    key_below(ax, handles=_explained(ax, speaks) if several else None)
    return ax


def _explained(ax: Axes, language: Language) -> list[Line2D]:
    """What the legend says of several channels: which colour is which, and once what dashed lines are."""
    from matplotlib.lines import Line2D

    curves = [line for line in ax.lines if line.get_linestyle() == "-"]
    cost = language.say(mark("acquisition cost, in the same colour"))
    return [*curves, Line2D([], [], color=GREY, linewidth=1, linestyle="--", label=cost)]


def _beside(ax: Axes, text: str, at: tuple[float, float], limit: float) -> None:
    """Write beside a point, on the side where there is room."""
    right = at[0] < limit / 2
    place, side = ((8, -6), "left") if right else ((-8, 6), "right")
    literal(
        ax.annotate(
            text,
            at,
            place,
            textcoords="offset points",
            color=INK,
            fontweight="bold",
            ha=side,
            va="top" if right else "bottom",
        )
    )


def _rows(new: NewCustomerValue) -> Iterator[tuple[str, pd.DataFrame, float, float]]:
    """Of each channel or cohort: its name, curve, acquisition cost and median time of payback."""
    curves, paybacks = new.curve(), new.payback
    several = isinstance(curves.index, pd.MultiIndex)
    costs = new.table["acquisition_cost"].to_numpy(dtype=np.float64).tolist()
    for row, cost in zip(new.table.index, costs, strict=True):
        curve, back = (table.loc[row] if several else table for table in (curves, paybacks))
        title = ", ".join(map(str, row)) if isinstance(row, tuple) else str(row)
        yield title, curve, cost, float(back["median"][AVERAGE])


def _cost(cost: float, title: str, currency: str, language: Language) -> str:
    amount = language.money(cost, shortened(currency), decimals_of(currency))
    if title:
        return language.say(mark("acquisition cost of {title}, {amount}"), title=title, amount=amount)
    return language.say(mark("acquisition cost, {amount}"), amount=amount)
