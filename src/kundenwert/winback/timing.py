"""When to make an offer: now, or after a wait if the customer has not come back by then.

    J(u) = E[ exp(-delta u) × P(silent until T + u) × ENPV(u) ]

where ENPV(u) is what the best offer brings to a customer who has been silent for u longer. An offer made early is
redeemed by many who would have come anyway; one made late meets customers who are gone. J(0) - J(u) is what waiting
costs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from kundenwert.duration import Duration, check_duration
from kundenwert.economics.flows.events import periods_per_year
from kundenwert.economics.flows.timeline import Timeline
from kundenwert.errors import SpecificationError
from kundenwert.parallel import in_parallel
from kundenwert.posterior.summary import blocks_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from kundenwert.models.core import Array
    from kundenwert.winback.gains import Gains
    from kundenwert.winback.setting import Setting

__all__ = ["check_waits", "timing_of", "timing_table"]

DRAWS: Final = 64


def check_waits(waits: Sequence[Duration]) -> tuple[Duration, ...]:
    """Return the waits, shortest first, if they are durations longer than 0."""
    if isinstance(waits, Duration):
        waits = (waits,)
    found = tuple(sorted(check_duration(wait, "waits") for wait in waits))
    if (found and found[0].in_days == 0) or len(set(found)) < len(found):
        message = f"waits are different durations longer than 0, such as [kundenwert.weeks(4)]; got {list(waits)!r}"
        raise SpecificationError(message)
    return found


def timing_of(
    setting: Setting, positions: NDArray[np.int64], eligible: NDArray[np.bool_], waits: tuple[Duration, ...]
) -> Array:
    """J of the best offer to each customer now and after each wait, 0 where none pays; (customers, 1 + waits).

    Who is eligible now is taken to be so later.
    """
    unit = setting.purchases.unit
    result = np.zeros((len(positions), 1 + len(waits)))
    for place, wait in enumerate([Duration(0.0), *waits]):
        ahead = wait.in_unit(unit)
        gains, index = setting.gains(positions, wait=ahead, draws=min(DRAWS, setting.draws))
        worth = _discounted(setting, gains, ahead)
        result[:, place] = np.where(eligible, worth[index], -np.inf).max(axis=1, initial=0.0)
    return result


def _discounted(setting: Setting, gains: Gains, ahead: float) -> Array:
    """J of every offer, shape (rows, offers)."""
    kinds = gains.outlook.kinds
    returns = kinds.purchases.of_cells.returns(kinds.base, ahead)  # type: ignore[union-attr]  # no contracts here
    years = ahead / periods_per_year(kinds.base)
    factor = Timeline.of(setting.economics, kinds.years, margin=False).later(years)[0]
    result = np.empty((len(gains), len(gains.offers)))

    def work(block: slice) -> None:
        every = np.arange(block.stop - block.start)
        first = int(kinds.shared[block.start])
        base = slice(first, int(kinds.shared[block.stop - 1]) + 1)
        silent = 1 - returns(base)[kinds.shared[block] - first]
        for place, _, gain in gains.each(block, lambda _: every):
            values = silent * gain.value
            result[block, place] = factor * np.nanmean(values, axis=-1)

    in_parallel(work, blocks_of(len(gains), gains.draws))
    return result


def timing_table(
    worth: Array, waits: tuple[Duration, ...], customer_id: pd.Index, today: pd.Timestamp | None
) -> pd.DataFrame:
    """One row a customer: the value of an offer now and after each wait, and the best of them."""
    lengths = np.array([0.0, *(wait.in_days for wait in waits)])
    best = worth.argmax(axis=1)
    highest = worth.max(axis=1)
    never = highest <= 0
    days = np.where(never, np.nan, lengths[best])
    table = pd.DataFrame({"now": worth[:, 0]}, index=customer_id)
    for place, wait in enumerate(waits, start=1):
        table[repr(wait)] = worth[:, place]
    table["best_wait_days"] = days
    if today is not None:
        table["best_date"] = today + pd.to_timedelta(np.floor(days), unit="D")
    table["gain_by_waiting"] = highest - worth[:, 0]
    table["cost_of_waiting"] = worth[:, 0] - worth[:, 1]
    return table
