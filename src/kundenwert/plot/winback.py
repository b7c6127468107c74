"""Who returns by themselves, in which state customers are, what an offer changes, and what a budget brings."""

from __future__ import annotations

from collections.abc import Sized
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from kundenwert.duration import check_duration, opportunities, years
from kundenwert.errors import DataError, SpecificationError
from kundenwert.language import language_of, mark
from kundenwert.plot.canvas import (
    COLOURS,
    GREY,
    INK,
    canvas,
    key_below,
    label,
    literal,
    money,
    percent_ticks,
    plain_ticks,
    shortened,
)
from kundenwert.posterior.purchase import PurchasePosterior
from kundenwert.posterior.states import StateValues
from kundenwert.posterior.summary import check_interval
from kundenwert.winback.outlook import later_cells
from kundenwert.winback.plan import WinbackPlan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from kundenwert.duration import Horizon
    from kundenwert.histories import CustomerHistories
    from kundenwert.language import Language

__all__ = ["profit_by_budget", "return_curves", "states_in_silence", "uplift"]

TIMES: Final = 40
MOST_CUSTOMERS: Final = 8
MANY: Final = 100  # customers: smaller dots
DECISION_COLOURS: Final = {
    mark("contact"): COLOURS[0],
    mark("hold out"): COLOURS[1],
    mark("wait"): COLOURS[2],
    mark("leave alone"): GREY,
}
STATES: Final = {
    "alive": mark("alive"),
    "active": mark("active"),
    "dormant": mark("dormant"),
    "gone": mark("gone"),
}
STATE_COLOURS: Final = {"alive": 0, "active": 0, "dormant": 1, "gone": 3}


def return_curves(
    purchases: PurchasePosterior,
    histories: CustomerHistories,
    customers: Sequence[str] | Sequence[int] | str | int,
    *,
    horizon: Horizon | None = None,
    interval: float = 0.90,
    language: str = "en",
    ax: Axes | None = None,
) -> Axes:
    """Probability that customers have come back by themselves, over the time from today.

    Parameters
    ----------
    purchases : PurchasePosterior
        When customers buy.
    histories : CustomerHistories
        The customers.
    customers : id or sequence of ids
        Whom to draw, eight at most.
    horizon : Duration or Periods, optional
        How far ahead; by default a year, or five opportunities.
    interval : float
        Probability of the equal-tailed interval.
    language : str
        Of the labels and numbers: ``"en"`` or ``"de"``.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes drawn on.
    """
    speaks, some = language_of(language), _some(purchases, histories, customers)
    length, tail = _length(horizon, purchases), (1 - check_interval(interval)) / 2
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
        ax.plot(
            times,
            drawn[:, place].mean(axis=-1),
            color=colour,
            linewidth=2,
            label=_history(some, place, customer, speaks),
        )
    ax.set_xlim(0, length)
    ax.set_ylim(0, 1)
    plain_ticks(ax, speaks, x=True)
    percent_ticks(ax, speaks, y=True)
    from_today = mark("{units} from today")
    label(
        ax,
        x=speaks.say(from_today, units=speaks.units(purchases.unit)),
        y=speaks.say(mark("return probability without an offer")),
    )
    key_below(ax)
    return ax


def states_in_silence(
    purchases: PurchasePosterior,
    histories: CustomerHistories,
    customer: str | int,
    *,
    horizon: Horizon | None = None,
    language: str = "en",
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
    horizon : Duration or Periods, optional
        How far to go on beyond today if the customer stays silent; by default a year, or five opportunities.
    language : str
        Of the labels and numbers: ``"en"`` or ``"de"``.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes drawn on.
    """
    speaks, some = language_of(language), _some(purchases, histories, pd.Index([customer]))
    cells = purchases.cells_of(some)
    silence = float((cells["T"] - cells["t_x"])[0])
    times = np.linspace(-silence, _length(horizon, purchases), TIMES)
    names: tuple[str, ...] = ()
    shares = []
    for time in times.tolist():
        values = StateValues(purchases.of_cells, later_cells(cells, time))
        names = values.names
        shares.append(values.probabilities()(slice(0, 1))[:, 0].mean(axis=-1))
    ax = canvas(ax)
    colours = [COLOURS[STATE_COLOURS.get(name, 2) % len(COLOURS)] for name in names]
    ax.stackplot(
        times + silence,
        np.array(shares).T,
        labels=[speaks.say(STATES.get(name, name)) for name in names],
        colors=colours,
        alpha=0.75,
    )
    ax.axvline(silence, color=INK, linewidth=1, linestyle="--")
    side = 1 if silence < (times[-1] + silence) / 2 else -1
    ax.annotate(
        speaks.say(mark("today")),
        (silence, 1.0),
        (4 * side, -4),
        textcoords="offset points",
        color=INK,
        ha="left" if side > 0 else "right",
        va="top",
    )
    ax.set_xlim(0, times[-1] + silence)
    ax.set_ylim(0, 1)
    plain_ticks(ax, speaks, x=True)
    percent_ticks(ax, speaks, y=True)
    label(
        ax,
        x=speaks.say(mark("{units} of silence"), units=speaks.units(purchases.unit)),
        y=speaks.say(mark("state of customer {customer}"), customer=shortened(str(customer))),
    )
    key_below(ax, columns=len(names))
    return ax


def uplift(plan: WinbackPlan, *, language: str = "en", ax: Axes | None = None) -> Axes:
    """What the best offer adds to the return probability of each customer, against that without an offer.

    Parameters
    ----------
    plan : WinbackPlan
        From :func:`kundenwert.plan_winback`.
    language : str
        Of the labels and numbers: ``"en"`` or ``"de"``.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes drawn on.
    """
    speaks, table = language_of(language), _plan(plan).table
    ax = canvas(ax)
    without, gain = table["p_return_without"], table["p_return"] - table["p_return_without"]
    size = 4 if len(table) > MANY else 9
    for decision, colour in DECISION_COLOURS.items():
        chosen = table["decision"] == decision
        if chosen.any():
            ax.plot(
                without[chosen], gain[chosen], ".", color=colour, markersize=size, alpha=0.5, label=speaks.say(decision)
            )
    ax.axhline(0, color=INK, linewidth=1)
    shown = _offer_shown(plan)
    for offer in shown.dropna().unique():
        at = without[shown == offer].idxmax()
        literal(
            ax.annotate(
                shortened(str(offer)),
                (float(without[at]), float(gain[at])),
                (6, 0),
                textcoords="offset points",
                color=INK,
                fontweight="bold",
                va="center",
            )
        )
    ax.set_xlim(0, 1.25 * max(float(without.max()), 1e-9))
    percent_ticks(ax, speaks, x=True, y=True)
    label(
        ax,
        x=speaks.say(mark("probability to return without an offer")),
        y=speaks.say(mark("what the offer adds to it")),
    )
    key_below(ax, columns=2, markers=2)
    return ax


def _offer_shown(plan: WinbackPlan) -> pd.Series:
    """The offer that each row of the plan's table speaks of: what is sent, what was meant to be, or else the best."""
    table = plan.table
    best = plan.offers["mean"].groupby(level="customer_id", sort=False).idxmax().map(lambda row: row[1])
    return table["offer"].fillna(table["intended_offer"]).fillna(best.reindex(table.index))


def profit_by_budget(
    plan: WinbackPlan,
    *,
    budgets: Sequence[float] | None = None,
    currency: str | None = None,
    language: str = "en",
    ax: Axes | None = None,
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
    language : str
        Of the labels and numbers: ``"en"`` or ``"de"``.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes drawn on.
    """
    speaks, table = language_of(language), _plan(plan).profit_by_budget(budgets)
    currency = plan.currency if currency is None else currency
    ax = canvas(ax)
    at = table.index.to_numpy(dtype=np.float64)
    ax.fill_between(at, table["lower"], table["upper"], color=COLOURS[0], alpha=0.25, linewidth=0)
    ax.plot(at, table["mean"], color=COLOURS[0], linewidth=2, label=speaks.say(mark("expected")))
    ax.axhline(0, color=INK, linewidth=1)
    if plan.budget <= at.max(initial=0.0):
        ax.axvline(plan.budget, color=GREY, linewidth=1, linestyle="--", label=speaks.say(mark("budget of the plan")))
    ax.set_xlim(0, max(float(at.max(initial=0.0)), 1e-9))
    plain_ticks(ax, speaks, x=True, y=True)
    label(
        ax,
        x=money(speaks.say(mark("budget")), currency),
        y=money(speaks.say(mark("incremental net present value")), currency),
    )
    key_below(ax, columns=2)
    return ax


def _some(
    purchases: PurchasePosterior,
    histories: CustomerHistories,
    customers: Sequence[str] | Sequence[int] | str | int | pd.Index,
) -> CustomerHistories:
    if not isinstance(purchases, PurchasePosterior):
        message = f"purchases must be a PurchasePosterior, got {type(purchases).__name__}"
        raise DataError(message)
    if isinstance(customers, str) or not isinstance(customers, Sized):
        customers = pd.Index([customers])
    if not 0 < len(customers) <= MOST_CUSTOMERS:
        message = f"{len(customers)} customers do not fit into one picture; expected 1 to {MOST_CUSTOMERS}"
        raise SpecificationError(message)
    return histories.select(customers)


def _length(horizon: Horizon | None, purchases: PurchasePosterior) -> float:
    """How far to draw, in the unit of the posterior."""
    if horizon is None:
        horizon = opportunities(5) if purchases.unit == "opportunity" else years(1)
    return check_duration(horizon, "horizon").in_unit(purchases.unit)


def _history(histories: CustomerHistories, place: int, customer: object, language: Language) -> str:
    silence = float(histories.T[place] - histories.recency[place])
    bought = int(histories.frequency[place]) + 1
    return language.several(
        "{customer}: {number} purchase, silent for {time}",
        "{customer}: {number} purchases, silent for {time}",
        bought,
        customer=shortened(str(customer)),
        time=language.counted(language.decimal(silence, 0), histories.unit),
    )


def _plan(plan: WinbackPlan) -> WinbackPlan:
    if not isinstance(plan, WinbackPlan):
        message = f"plan must be a WinbackPlan, got {type(plan).__name__}; make one with kundenwert.plan_winback(…)"
        raise DataError(message)
    return plan
