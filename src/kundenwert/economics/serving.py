"""How long the firm serves customers by its rule, discounted: what a retention cost of one a year amounts to."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from kundenwert.economics.futures import Service
from kundenwert.economics.retention import (
    EveryoneFor,
    RetentionRule,
    WhileActive,
    WhilePAliveAbove,
    WhileReturnProbabilityAbove,
)
from kundenwert.economics.streams import discounted_renewals, periods_per_year
from kundenwert.errors import InfiniteValueError, SpecificationError
from kundenwert.parallel import in_parallel
from kundenwert.posterior.base import thinning
from kundenwert.posterior.contract import ContractPosterior

if TYPE_CHECKING:
    from kundenwert.economics.timeline import Timeline
    from kundenwert.histories import Cells
    from kundenwert.posterior import PurchasePosterior
    from kundenwert.posterior.values import Block

__all__ = ["serving_time"]

FUTURES: Final = 2**22  # in all, spread over the cells
FEWEST: Final = 64
MOST: Final = 1024
AT_ONCE: Final = 2**18
SEED: Final = 1  # the same question has the same answer


def serving_time(
    posterior: PurchasePosterior | ContractPosterior,
    cells: Cells,
    timeline: Timeline,
    rule: RetentionRule,
    *,
    length: float,
    due: bool,
) -> Block:
    """Expected discounted years of service within the horizon, shape (cells in the slice, draws).

    Raises
    ------
    InfiniteValueError
        If service never ends and nothing is discounted.
    SpecificationError
        If the rule asks for what cannot be known.
    """
    match rule:
        case EveryoneFor(period=period):
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
            return _by_futures(posterior, cells, timeline, rule, length)


def _for_everyone(posterior: PurchasePosterior | ContractPosterior, timeline: Timeline, years: float) -> Block:
    years = min(years, timeline.horizon)
    served = timeline.annuity_for_life if math.isinf(years) else float(timeline.annuity(np.array([years]))[0])
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
    interval = 1 / periods_per_year(cells)
    active = cells["ended"] == 0
    if due:  # the interval that is running ends now
        later, now = discounted_renewals(posterior, cells, timeline, length=length, due=True), 0.0
    else:
        later = discounted_renewals(posterior, cells, timeline, length=max(length - 1, 0))
        now = float(timeline.discount(np.zeros(1))[0])
    return lambda rows: interval * (now * active[rows, None] + later(rows))


def _by_futures(
    posterior: PurchasePosterior, cells: Cells, timeline: Timeline, rule: RetentionRule, length: float
) -> Block:
    """The mean over simulated futures, the same for all draws: the path of purchases decides who is served."""
    service = Service.of(posterior, cells, timeline, rule)
    horizon = min(length, service.years * periods_per_year(cells))
    count = int(np.clip(FUTURES // max(len(cells), 1), FEWEST, MOST))
    values = posterior.of_cells
    draws = thinning(values.draws, count)
    served = np.empty(len(cells))
    step = max(1, AT_ONCE // count)

    def work(start: int) -> None:
        rows = slice(start, min(start + step, len(cells)))
        rng = np.random.default_rng([SEED, start])
        purchases = values.futures(cells, rows, draws, horizon, rng)
        served[rows] = service(cells, rows, count, purchases).reshape(-1, count).mean(axis=1)

    in_parallel(work, range(0, len(cells), step))
    return lambda rows: np.broadcast_to(served[rows, None], (rows.stop - rows.start, values.draws))
