"""From the first to the second purchase: who makes it, and how long it takes them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from kundenwert.duration import check_duration
from kundenwert.economics.relationship.phases import check_can_lapse
from kundenwert.errors import SizeError, SpecificationError
from kundenwert.histories import CustomerHistories, OpportunityHistories
from kundenwert.histories.base import as_histories, check_clock
from kundenwert.posterior.summary import summarise_all

if TYPE_CHECKING:
    from collections.abc import Callable

    from kundenwert.duration import Horizon
    from kundenwert.histories import Cells, Histories
    from kundenwert.models.core import AliveCustomer, Array
    from kundenwert.posterior import PurchasePosterior
    from kundenwert.posterior.values import Block

__all__ = ["ever_returns", "second_purchase"]

FOREVER: Final = 1e300
OPPORTUNITIES_FOREVER: Final = 1e15
MOST_OPPORTUNITIES: Final = 10_000
NODES: Final = 20  # of a panel
LARGEST_ERROR: Final = 1e-8  # of a panel as a whole, relative to the integral: that of its halves is far smaller
LARGEST_DROP: Final = 0.2  # between two nodes, relative to the whole drop
NARROWEST: Final = 2.0**-40


def second_purchase(
    purchases: PurchasePosterior,
    histories: Histories | None = None,
    *,
    horizon: Horizon,
    interval: float = 0.90,
) -> pd.DataFrame:
    """How probable a second purchase is, and how long it takes those who make it.

    Parameters
    ----------
    purchases : PurchasePosterior
        When customers buy.
    histories : CustomerHistories or OpportunityHistories, optional
        Customers; those who have bought once are looked at, from now on. Without them the answer is about a new
        customer, from the first purchase on.
    horizon : Duration or Periods
        How far ahead.
    interval : float
        Probability of the equal-tailed intervals.

    Returns
    -------
    pandas.DataFrame
        One row, ``"new customer"``, or one for each customer who has bought exactly once; others have made their second
        purchase and have no row. Columns, each followed by its ``_lower`` and ``_upper``:

        - ``probability`` of a second purchase within the horizon;
        - ``ever``, that of a second purchase at any time. It rests on what the model says about the far future: under
          :class:`BGNBD` it is 1 for everybody, by definition;
        - ``waiting_time``: the expected time until the second purchase of those who make it within the horizon, in the
          unit of the posterior. Without a horizon it would often be infinite, because of those who buy once in a
          blue moon.

    Raises
    ------
    SpecificationError
        For contracts, or if the horizon is zero or LIFETIME.
    SizeError
        If there are more than 10,000 opportunities within the horizon.

    Examples
    --------
    >>> import kundenwert as kw
    >>> purchases = kw.fixed(kw.MBGNBD.Parameters(r=0.525, alpha=6.183, a=0.891, b=1.614, unit="week"))
    >>> kw.second_purchase(purchases, horizon=kw.years(1))[["probability", "ever", "waiting_time"]].round(2)
                  probability  ever  waiting_time
    new customer         0.45  0.64         12.62
    """
    check_can_lapse(purchases)
    length = check_duration(horizon, "horizon").in_unit(purchases.unit)
    if length == 0:
        message = f"a second purchase takes time; horizon must be longer than {horizon!r}"
        raise SpecificationError(message)
    if _counts(purchases) and length > MOST_OPPORTUNITIES:
        message = (
            f"the waiting time is a sum over every opportunity, and {length:,.0f} are more than the "
            f"{MOST_OPPORTUNITIES:,} allowed; take a shorter horizon"
        )
        raise SizeError(message)
    if histories is None:
        cells, index = purchases.new_customer(), pd.Index(["new customer"])
    else:
        check_clock(purchases.model, as_histories(histories))
        assert isinstance(histories, CustomerHistories | OpportunityHistories)  # noqa: S101 - the clock has seen to it
        once = histories.take(histories.frequency == 0)
        cells, index = purchases.cells_of(once), once.customer_id
    values = purchases.of_cells
    within = values.returns(cells, length)
    ever = ever_returns(purchases, cells)
    waiting = _waiting(purchases, cells, length)

    def of_cells(rows: slice) -> tuple[Array, ...]:
        probability = within(rows)
        with np.errstate(invalid="ignore"):  # nobody comes back
            time = np.where(probability > 0, waiting(rows) / probability, np.nan)
        return probability, ever(rows), time

    found = summarise_all(len(cells), values.draws, 3, of_cells, interval=interval, leave_out_nan=True)
    table: dict[str, Array] = {}
    for name, summary in zip(("probability", "ever", "waiting_time"), found, strict=True):
        ends = (name, f"{name}_lower", f"{name}_upper")
        table |= dict(zip(ends, summary.at(cells.index).columns(), strict=True))
    return pd.DataFrame(table, index=index)


def ever_returns(purchases: PurchasePosterior, cells: Cells) -> Block:
    """P(another purchase, at any time)."""
    return purchases.of_cells.returns(cells, OPPORTUNITIES_FOREVER if _counts(purchases) else FOREVER)


def _waiting(purchases: PurchasePosterior, cells: Cells, length: float) -> Block:
    """Expected time until the next purchase, 0 if it does not come within the length.

    That is the integral of P(next purchase after u, and within the length), or the sum over whole u.
    """
    scale = purchases.model.time_scale(purchases.theta)  # probabilities are smooth in log(time + scale)

    def time_to_purchase(customer: AliveCustomer) -> Array:
        returns = customer.returns(length)
        if not _counts(purchases):
            later = lambda time: np.asarray(returns - customer.returns(time) if time > 0 else returns)  # noqa: E731
            return _area(later, length, scale)
        total = np.zeros(np.shape(returns))
        for time in range(int(length)):
            total += returns - customer.returns(float(time))
        return total

    return purchases.of_cells.expected(cells, time_to_purchase)


def _area(function: Callable[[float], Array], length: float, scale: float) -> Array:
    """Integral from 0 to a length of functions that never rise and end at 0, element by element.

    Panels, in log(time + scale), are halved until this changes nothing any more, and no function falls unseen between
    two nodes: those of regular buyers fall all at once, around their usual gap.
    """
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    highest = function(0.0)

    def area(left: float, right: float) -> tuple[Array, Array]:
        """Integral over a panel, and how much of it may lie unseen between two nodes."""
        half = (right - left) / 2
        times = scale * np.expm1([left, *(left + half * (1 + nodes)), right])
        steps = np.r_[0.0, half * weights * (times[1:-1] + scale), 0.0]
        found, unseen, before, earlier = np.zeros(highest.shape), np.zeros(highest.shape), highest, 0.0
        for time, step in zip(times.tolist(), steps.tolist(), strict=True):
            here = function(time)
            drop = before - here
            if time > times[0]:
                unseen = np.maximum(unseen, np.where(drop > LARGEST_DROP * highest, drop * (time - earlier), 0.0))
            found += step * here
            before, earlier = here, time
        return found, unseen

    longest = math.log1p(length / scale)
    total, _ = area(0.0, longest)
    panels = [(0.0, longest, total.copy())]
    while panels:
        left, right, whole = panels.pop()
        middle = (left + right) / 2
        (first, unseen), (second, unseen_later) = area(left, middle), area(middle, right)
        total += first + second - whole
        worst = np.maximum(np.abs(first + second - whole), np.maximum(unseen, unseen_later))
        if right - left > NARROWEST * longest and (worst > LARGEST_ERROR * total).any():
            panels += [(middle, right, second), (left, middle, first)]
    return total


def _counts(purchases: PurchasePosterior) -> bool:
    return purchases.model.clock == "opportunity"
