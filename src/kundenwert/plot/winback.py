"""Who returns by themselves, in which state customers are, what an offer changes, and what a budget brings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from kundenwert.duration import Duration, check_duration
from kundenwert.errors import DataError, SpecificationError
from kundenwert.plot.canvas import COLOURS, GREY, INK, canvas, key, label, money, plain_ticks
from kundenwert.posterior.purchase import PurchasePosterior
from kundenwert.posterior.states import StateValues
from kundenwert.posterior.summary import check_interval
from kundenwert.winback.outlook import later_cells
from kundenwert.winback.plan import WinbackPlan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from kundenwert.histories import CustomerHistories

__all__ = ["profit_by_budget", "return_curves", "states_in_silence", "uplift"]

TIMES: Final = 40
MOST_CUSTOMERS: Final = 8
STATE_COLOURS: Final = {"alive": 0, "active": 0, "dormant": 1, "gone": 3}


def return_curves(
    purchases: PurchasePosterior,
    histories: CustomerHistories,
    customers: Sequence[str] | Sequence[int],
    *,
    horizon: Duration,
    interval: float = 0.90,
    ax: Axes | None = None,
) -> Axes:
    """Probability that customers have come back by themselves, over the time from today.

    Parameters
    ----------
    purchases : PurchasePosterior
        When customers buy.
    histories : CustomerHistories
        The customers.
    customers : sequence of ids
        Whom to draw, eight at most.
    horizon : Duration
        How far ahead.
    interval : float
        Probability of the equal-tailed interval.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes drawn on.
    """
    some = _some(purchases, histories, customers)
    length, tail = check_duration(horizon, "horizon").in_unit(purchases.unit), (1 - check_interval(interval)) / 2
    cells, values = purchases.cells_of(some), purchases.of_cells
    times = np.linspace(0, length, TIMES)
    drawn = np.zeros((TIMES, len(some), values.draws))
    for place, time in enumerate(times[1:].tolist(), start=1):
        drawn[place] = values.returns(cells, time)(slice(0, len(cells)))[cells.index]
    ax = canvas(ax)
    for place, customer in enumerate(some.customer_id):
        colour = COLOURS[place % len(COLOURS)]
        lower, upper = np.quantile(drawn[:, place], (tail, 1 - tail), axis=-1)
        ax.fill_between(times, lower, upper, color=colour, alpha=0.2, linewidth=0)
        ax.plot(times, drawn[:, place].mean(axis=-1), color=colour, linewidth=2, label=_history(some, place, customer))
    ax.set_xlim(0, length)
    ax.set_ylim(0, 1)
    plain_ticks(ax, x=True, y=False)
    label(ax, x=f"{purchases.unit}s from today", y="P(has come back without an offer)")
    key(ax, "upper left")
    return ax


def states_in_silence(
    purchases: PurchasePosterior,
    histories: CustomerHistories,
    customer: str | int,
    *,
    horizon: Duration,
    ax: Axes | None = None,
) -> Axes:
    """In which state a customer is as the silence goes on, from the last purchase to a horizon from today.

    Parameters
    ----------
    purchases : PurchasePosterior
        When customers buy.
    histories : CustomerHistories
        The customers.
    customer : id
        Whom to draw.
    horizon : Duration
        How far to go on beyond today if the customer stays silent.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes drawn on.
    """
    some = _some(purchases, histories, pd.Index([customer]))
    cells = purchases.cells_of(some)
    silence = float((cells["T"] - cells["t_x"])[0])
    times = np.linspace(-silence, check_duration(horizon, "horizon").in_unit(purchases.unit), TIMES)
    names: tuple[str, ...] = ()
    shares = []
    for time in times.tolist():
        values = StateValues(purchases.of_cells, later_cells(cells, time))
        names = values.names
        shares.append(values.probabilities()(slice(0, 1))[:, 0].mean(axis=-1))
    ax = canvas(ax)
    colours = [COLOURS[STATE_COLOURS.get(name, 2) % len(COLOURS)] for name in names]
    ax.stackplot(times + silence, np.array(shares).T, labels=names, colors=colours, alpha=0.75)
    ax.axvline(silence, color=INK, linewidth=1, linestyle="--")
    ax.annotate("today", (silence, 1.0), (4, -4), textcoords="offset points", color=INK, va="top")
    ax.set_xlim(0, times[-1] + silence)
    ax.set_ylim(0, 1)
    plain_ticks(ax, x=True, y=False)
    label(ax, x=f"{purchases.unit}s of silence", y=f"state of customer {customer}")
    key(ax, "lower left")
    return ax


def uplift(plan: WinbackPlan, *, ax: Axes | None = None) -> Axes:
    """What the best offer adds to the return probability of each customer, against that without an offer.

    Parameters
    ----------
    plan : WinbackPlan
        From :func:`kundenwert.plan_winback`.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes drawn on.
    """
    table = _plan(plan).table
    ax = canvas(ax)
    groups = [("contact", COLOURS[0]), ("hold out", COLOURS[1]), ("wait", COLOURS[2]), ("leave alone", GREY)]
    for decision, colour in groups:
        chosen = table[table["decision"] == decision]
        if len(chosen):
            gain = chosen["p_return"] - chosen["p_return_without"]
            ax.plot(chosen["p_return_without"], gain, ".", color=colour, markersize=4, alpha=0.5, label=decision)
    ax.axhline(0, color=INK, linewidth=1)
    ax.set_xlim(left=0)
    label(ax, x="P(returns without an offer)", y="what the offer adds to it")
    key(ax, "upper left", markers=2)
    return ax


def profit_by_budget(
    plan: WinbackPlan, *, budgets: Sequence[float] | None = None, currency: str | None = None, ax: Axes | None = None
) -> Axes:
    """What the plan brings with other budgets, with its interval, and where the budget of the plan is.

    Parameters
    ----------
    plan : WinbackPlan
        From :func:`kundenwert.plan_winback`.
    budgets : sequence of float, optional
        By default from nothing to what is spent if all offers that pay are made.
    currency : str, optional
        Label of the amounts; by default that of the economics.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes drawn on.
    """
    table = _plan(plan).profit_by_budget(budgets)
    currency = plan.currency if currency is None else currency
    ax = canvas(ax)
    at = table.index.to_numpy(dtype=np.float64)
    ax.fill_between(at, table["lower"], table["upper"], color=COLOURS[0], alpha=0.25, linewidth=0)
    ax.plot(at, table["mean"], color=COLOURS[0], linewidth=2, label="expected")
    ax.axhline(0, color=INK, linewidth=1)
    if plan.budget <= at.max(initial=0.0):
        ax.axvline(plan.budget, color=GREY, linewidth=1, linestyle="--", label="budget of the plan")
    ax.set_xlim(0, max(float(at.max(initial=0.0)), 1e-9))
    plain_ticks(ax, x=True, y=True)
    label(ax, x=money("budget", currency), y=money("incremental net present value", currency))
    key(ax, "upper left")
    return ax


def _some(
    purchases: PurchasePosterior, histories: CustomerHistories, customers: Sequence[str] | Sequence[int] | pd.Index
) -> CustomerHistories:
    if not isinstance(purchases, PurchasePosterior):
        message = f"purchases must be a PurchasePosterior, got {type(purchases).__name__}"
        raise DataError(message)
    if not 0 < len(customers) <= MOST_CUSTOMERS:
        message = f"{len(customers)} customers do not fit into one picture; expected 1 to {MOST_CUSTOMERS}"
        raise SpecificationError(message)
    return histories.select(customers)


def _history(histories: CustomerHistories, place: int, customer: object) -> str:
    silence = histories.T[place] - histories.recency[place]
    return f"{customer}: {histories.frequency[place] + 1} purchases, silent for {silence:.0f} {histories.unit}s"


def _plan(plan: WinbackPlan) -> WinbackPlan:
    if not isinstance(plan, WinbackPlan):
        message = f"plan must be a WinbackPlan, got {type(plan).__name__}; make one with kundenwert.plan_winback(…)"
        raise DataError(message)
    return plan
