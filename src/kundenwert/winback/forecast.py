"""What a plan predicted of customers, by what they may do: posterior means, to be compared with what they did."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Self, final

import numpy as np

from kundenwert.economics.assumptions.terms import Schedule
from kundenwert.parallel import in_parallel
from kundenwert.posterior.summary import blocks_of
from kundenwert.winback.outlook import value_given_return

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kundenwert.models.core import Array
    from kundenwert.winback.setting import Setting

__all__ = ["Forecast"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Predictions under one offer to each customer, each of shape (customers,).

    Attributes
    ----------
    p_return, p_without
        P(returns within the window), with the offer and without.
    value_returned, value_returned_without
        What a customer is worth who returned, with the offer and without.
    value_silent
        What a customer is worth who did not.
    contact, redemption, margin, order_cost
        Costs, and the share of an amount that is left.
    """

    p_return: Array
    p_without: Array
    value_returned: Array
    value_returned_without: Array
    value_silent: Array
    contact: Array
    redemption: Array
    margin: Array
    order_cost: Array

    @classmethod
    def of(cls, setting: Setting, positions: NDArray[np.int64], offer: NDArray[np.int64]) -> Self:
        """Predictions for the customers at these positions, each with an offer."""
        gains, index = setting.gains(positions)
        outlook, rows = gains.outlook, len(gains)
        shape = (rows, len(gains.offers))
        p_return, returned = np.empty(shape), np.empty(shape)
        p_without, without, silent = np.empty(rows), np.empty(rows), np.empty(rows)

        def work(block: slice) -> None:
            every = np.arange(block.stop - block.start)
            organic = outlook.organic(block, gains.ids[block])
            chances, worth = outlook.chances(block), outlook.worth(block)
            stays = np.maximum(chances.probability - chances.returns, 0.0)
            silent[block] = _ratio(stays * worth.waiting, stays)
            given = value_given_return(chances, worth)
            without[block] = _ratio(chances.returns * given, chances.returns)
            for place in range(len(gains.offers)):
                gain = gains.gain(organic, chances, worth, rows=block, place=place, within=every)
                p_return[block, place] = gain.p_return.mean(axis=-1)
                p_without[block] = gain.p_without.mean(axis=-1)
                # by the plan's own gain, so that predictions add up to it
                changed = gain.returns + gain.p_without * _over_states(chances.returns * given, chances.returns)
                back = changed + (gain.p_return - gain.p_without) * _over_states(stays * worth.waiting, stays)
                returned[block, place] = np.nanmean(back, axis=-1) / p_return[block, place]

        in_parallel(work, blocks_of(rows, gains.draws))
        at = (index, offer)
        own, margin = outlook.kinds.own, setting.economics.margin
        level = margin.values[0] if isinstance(margin, Schedule) else 1.0  # a schedule is not a customer's own
        found = {
            "p_return": p_return[at],
            "p_without": p_without[index],
            "value_returned": returned[at],
            "value_returned_without": without[index],
            "value_silent": silent[index],
            "contact": gains.contact[at],
            "redemption": gains.redemption[at],
            "margin": level * own.margin[index],
            "order_cost": own.order_cost[index],
        }
        assert set(found) == {field.name for field in fields(cls)}  # noqa: S101 - one of each
        return cls(**found)


def _over_states(value: Array, weight: Array) -> Array:
    """Mean over states in each draw, shape (rows, draws)."""
    total = weight.sum(axis=0)
    return np.asarray(np.divide(value.sum(axis=0), total, out=np.zeros_like(total), where=total > 0))


def _ratio(value: Array, weight: Array) -> Array:
    """Mean over states and draws, shape (rows,)."""
    total = np.where(np.isnan(value.sum(axis=0)), np.nan, weight.sum(axis=0))
    below = np.nansum(total, axis=-1)
    return np.asarray(
        np.divide(np.nansum(value.sum(axis=0), axis=-1), below, out=np.zeros_like(below), where=below > 0)
    )
