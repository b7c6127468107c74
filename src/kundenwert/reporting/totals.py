"""Where the value of the whole base will really end up."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.special import ndtri

from kundenwert.posterior.summary import Estimate

if TYPE_CHECKING:
    import pandas as pd

    from kundenwert.economics.realised.realisation import Realisation
    from kundenwert.models.core import Array

__all__ = ["total_range"]

FEW: Final = 500  # customers: the sum over more is normal enough
WORLDS: Final = 4000


def total_range(total: Array, single: Realisation, spread: pd.Series, *, interval: float, seed: int) -> Estimate:
    """Mean and predictive interval of a sum over customers.

    Customers are independent of each other but for the parameters that they share. Of many, the sum is normal. Of few
    it is not: most of them may bring nothing, and none may cost more than serving them does; so futures are drawn.

    Parameters
    ----------
    total
        Expected sum in each draw of the parameters, shape (draws,).
    single
        Futures of each kind of customer.
    spread
        Standard deviation of each customer's own.
    interval
        Probability of the equal-tailed interval.
    seed
        Of the futures drawn.
    """
    mean, tail = float(total.mean()), (1 - interval) / 2
    if len(spread) > FEW:
        half = float(ndtri(1 - tail)) * math.sqrt(float((spread**2).sum()) + float(total.var()))
        return Estimate(mean, mean - half, mean + half)
    values = single.of_rows(lambda futures: futures)
    rng = np.random.default_rng(seed)
    sums = np.zeros(WORLDS)
    for row in single.index:
        sums += rng.choice(values[row], WORLDS)
    if len(spread) > 1 and mean > 0:  # with other parameters all do better or worse; a single one's futures hold that
        sums *= rng.choice(total, WORLDS) / mean
    lower, upper = np.quantile(sums, (tail, 1 - tail))
    return Estimate(mean, float(lower), float(upper))
