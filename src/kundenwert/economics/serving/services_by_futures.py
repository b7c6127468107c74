"""Service by rules that depend on what customers do, from simulated futures, for all draws of the parameters.

For how long a customer is served depends on the path of their purchases, and no formula tells its expectation. A
future is simulated with one draw, and there are too few of them to tell draws apart one by one. But two things that
service hangs on are known for every draw: how likely the customer comes back, and what they are expected to buy. Over
futures of similar customers, service is regressed on whether and how much they buy; what is expected in a draw differs
from the mean of the futures as what it depends on does. That carries the uncertainty about the parameters over, and
makes the mean more precise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from kundenwert.economics.flows.events import periods_per_year
from kundenwert.economics.flows.streams import discounted_purchases
from kundenwert.economics.serving.futures import Service, blocks_of_futures, purchases_ahead
from kundenwert.parallel import in_parallel
from kundenwert.posterior.base import thinning

if TYPE_CHECKING:
    from kundenwert.economics.assumptions.retention import RetentionRule
    from kundenwert.economics.flows.timeline import Timeline
    from kundenwert.histories import Cells
    from kundenwert.models.core import Array
    from kundenwert.posterior import PurchasePosterior
    from kundenwert.posterior.values import Block

__all__ = ["SEED", "futures_of_each", "served_by_rule", "slopes"]

FUTURES: Final = 2**21  # in all, spread over the cells
FEWEST: Final = 64
MOST: Final = 2**13
PURCHASES: Final = 2**21  # of one customer in all futures, about
SEED: Final = 1  # the same question has the same answer
SHARED: Final = 256  # futures like those of all cells, added to the cell's own
TINY: Final = 1e-9
SMALLEST: Final = 1e-200


def served_by_rule(
    posterior: PurchasePosterior,
    cells: Cells,
    timeline: Timeline,
    rule: RetentionRule,
    *,
    length: float,
    purchases: Block | None,
) -> Block:
    """Expected discounted years of service within the horizon, shape (cells in the slice, draws).

    `purchases` are those expected along the timeline, if they are known already.
    """
    service, per_year = Service.of(posterior, cells, timeline, rule), periods_per_year(cells)
    horizon = min(length, service.years * per_year)
    values = posterior.of_cells
    ahead = purchases_ahead(posterior, cells, horizon)
    count = futures_of_each(ahead)
    evenly = thinning(values.draws, count)
    returns = values.returns(cells, horizon)
    bought = discounted_purchases(posterior, cells, timeline, length=length) if purchases is None else purchases
    served, slope, means = np.empty(len(cells)), np.empty((len(cells), 2)), np.empty((len(cells), 2))

    def work(rows: slice) -> None:
        rng = np.random.default_rng([SEED, rows.start])
        draws = np.sort((evenly + rng.integers(values.draws)) % values.draws)
        future = values.futures(cells, rows, draws, horizon, rng)
        who, shape = future.customer, (rows.stop - rows.start, count)
        counted = np.bincount(who, timeline.discount(future.time / per_year), shape[0] * count)
        causes = np.stack([counted, np.bincount(who, minlength=len(counted)) > 0], axis=-1).reshape(*shape, 2)
        years = service(cells, rows, count, future).reshape(shape)
        served[rows], means[rows] = years.mean(axis=1), causes.mean(axis=1)
        slope[rows] = slopes(years - served[rows, None], causes - means[rows, None])

    in_parallel(work, blocks_of_futures(ahead, count))
    longest = float(timeline.annuity(np.array([service.years]))[0])

    def block(rows: slice) -> Array:
        years = np.repeat(served[rows, None], values.draws, axis=1)
        for place, expected in enumerate((bought, returns)):
            years += slope[rows, place, None] * (expected(rows) - means[rows, place, None])
        return np.clip(years, 0.0, longest, out=years)

    return block


def futures_of_each(ahead: Array) -> int:
    """How many futures to simulate of each cell, if so many purchases are to be expected of them."""
    fitting = PURCHASES // max(1, ahead.max(initial=0.0))
    return int(np.clip(min(FUTURES // max(len(ahead), 1), fitting), FEWEST, MOST))


def slopes(years: Array, causes: Array) -> Array:
    """Slopes of years, shape (cells, futures), on causes, (cells, futures, causes), within each cell: (cells, causes).

    Each cell's own futures count as much as they are, beside some that are like those of all cells.
    """
    futures, count = years.shape[1], causes.shape[2]
    moments = np.einsum("cfi,cfj->cij", causes, causes)
    products = np.einsum("cfi,cf->ci", causes, years)
    shared, with_years = (SHARED / futures * value.mean(axis=0) for value in (moments, products))
    shared += (SMALLEST + TINY * np.trace(shared)) * np.eye(count)  # nobody buys, or all once
    return np.asarray(np.linalg.solve(moments + shared, (products + with_years)[..., None])[..., 0])
