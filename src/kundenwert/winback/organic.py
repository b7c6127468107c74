"""Organic return: who returns within a window if nobody does anything, by the state they are in now."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np

from kundenwert.duration import Horizon, check_duration
from kundenwert.errors import SpecificationError
from kundenwert.histories import OrganicReturn
from kundenwert.posterior import PurchasePosterior
from kundenwert.posterior.states import StateValues
from kundenwert.posterior.summary import in_blocks
from kundenwert.scalars import check_count

if TYPE_CHECKING:
    from kundenwert.histories import Histories

__all__ = ["organic_return"]


def organic_return(
    purchases: PurchasePosterior, histories: Histories, *, window: Horizon, draws: int = 200
) -> OrganicReturn:
    """Probability that customers return within a window by themselves, with its uncertainty and by state.

    Parameters
    ----------
    purchases : PurchasePosterior
        Posterior of a model of purchases.
    histories : CustomerHistories or OpportunityHistories
        The customers, as they are on the date of the contact.
    window : Duration or Periods
        How long after it returns count.
    draws : int
        How many draws of the posterior, evenly spaced; all if there are fewer.

    Returns
    -------
    OrganicReturn
        With the states of the model: "alive" and "gone" for models of permanent death.
    """
    if not isinstance(purchases, PurchasePosterior):
        message = f"purchases takes a posterior of purchases, as fit(MBGNBD(), histories) gives, got {purchases!r}"
        raise SpecificationError(message)
    draws = check_count(draws, "draws")
    length = check_duration(window, "window").in_unit(purchases.unit)
    if not length > 0:
        message = f"window must be longer than 0, got {window!r}"
        raise SpecificationError(message)
    thinned = purchases.thinned(min(draws, purchases.of_cells.draws))
    cells = thinned.cells_of(histories)
    values = thinned.of_cells
    states = StateValues(values, cells)
    now, back = states.probabilities(), states.expected(lambda living: living.returns(length))
    probability, returns = np.empty((2, len(states.names), len(cells), values.draws))

    def work(rows: slice) -> None:
        probability[:, rows] = now(rows)
        returns[:, rows] = np.minimum(back(rows), probability[:, rows])

    in_blocks(len(cells), values.draws, work)
    return OrganicReturn(
        customer_id=histories.customer_id,
        window=window,
        states=states.names,
        index=cells.index,
        probability=probability,
        returns=returns,
        source=zlib.crc32(b"".join(np.ascontiguousarray(value).tobytes() for value in thinned.theta)),
    )
