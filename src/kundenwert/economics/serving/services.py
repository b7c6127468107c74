"""How long the firm serves customers by its rule, discounted: what a retention cost of one a year amounts to."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from kundenwert.economics.assumptions.retention import (
    EveryoneFor,
    RetentionRule,
    WhileActive,
    WhilePAliveAbove,
    WhileReturnProbabilityAbove,
)
from kundenwert.economics.flows.events import check_every, periods_per_year
from kundenwert.economics.flows.streams import discounted_renewals
from kundenwert.economics.serving.futures import served_for
from kundenwert.economics.serving.services_by_futures import served_by_rule
from kundenwert.errors import InfiniteValueError, SpecificationError
from kundenwert.posterior.contract import ContractPosterior

if TYPE_CHECKING:
    from kundenwert.economics.flows.timeline import Timeline
    from kundenwert.histories import Cells
    from kundenwert.posterior import PurchasePosterior
    from kundenwert.posterior.values import Block

__all__ = ["serving_time"]


def serving_time(
    posterior: PurchasePosterior | ContractPosterior,
    cells: Cells,
    timeline: Timeline,
    rule: RetentionRule,
    *,
    length: float,
    due: bool,
    purchases: Block | None = None,
) -> Block:
    """Expected discounted years of service within the horizon, shape (cells in the slice, draws).

    `purchases` are those expected along the timeline, if they are known already.

    Raises
    ------
    InfiniteValueError
        If service never ends and nothing is discounted.
    MissingInformationError
        If the horizon is counted in events, and nobody said how far apart they are.
    SpecificationError
        If the rule asks for what cannot be known.
    """
    match rule:
        case EveryoneFor(period=period):
            if math.isfinite(timeline.horizon):
                check_every(cells, "to know how long a horizon is and customers are served in it")
            return _for_everyone(posterior, timeline, period.in_unit("year"))
        case WhileActive():
            return _while_active(posterior, cells, timeline, length, due=due)
        case WhilePAliveAbove() | WhileReturnProbabilityAbove():
            if isinstance(posterior, ContractPosterior):
                message = (
                    f"{rule!r} is a rule for customers without contracts; whether a contract is active is known: take "
                    "kundenwert.WhileActive()"
                )
                raise SpecificationError(message)
            check_every(cells, "to know how long customers are served")
            return served_by_rule(posterior, cells, timeline, rule, length=length, purchases=purchases)


def _for_everyone(posterior: PurchasePosterior | ContractPosterior, timeline: Timeline, years: float) -> Block:
    served = served_for(timeline, years)
    if math.isinf(served):
        message = (
            "EveryoneFor(LIFETIME) costs infinitely much without discounting; give an annual_discount_rate above 0, a "
            "finite horizon, or a rule that ends: EveryoneFor(kundenwert.years(2))"
        )
        raise InfiniteValueError(message)
    draws = posterior.of_cells.draws
    return lambda rows: np.full((rows.stop - rows.start, draws), served)


def _while_active(
    posterior: PurchasePosterior | ContractPosterior, cells: Cells, timeline: Timeline, length: float, *, due: bool
) -> Block:
    """Service of an interval is paid at its start: now, and at each renewal but the last of the horizon."""
    if not isinstance(posterior, ContractPosterior):
        message = (
            "WhileActive() is a rule for contracts: without one, nobody sees who is still a customer; take "
            "kundenwert.WhilePAliveAbove(0.2), for example"
        )
        raise SpecificationError(message)
    check_every(cells, "to know how long customers are served")
    interval = 1 / periods_per_year(cells)
    active = (cells["ended"] == 0) * float(length > 0)
    if due:  # the interval that is running ends now
        later, now = discounted_renewals(posterior, cells, timeline, length=length, due=True), 0.0
    else:
        later = discounted_renewals(posterior, cells, timeline, length=max(length - 1, 0))
        now = float(timeline.discount(np.zeros(1))[0])
    return lambda rows: interval * (now * active[rows, None] + later(rows))
