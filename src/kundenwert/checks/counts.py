"""How many customers have come back how often: observed, and as the model has it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
from scipy.special import ndtri

from kundenwert.errors import DataError, SpecificationError
from kundenwert.posterior.purchase import PurchasePosterior
from kundenwert.posterior.summary import check_interval
from kundenwert.scalars import check_count

if TYPE_CHECKING:
    from kundenwert.histories import Cells, Histories
    from kundenwert.models.core import AliveCustomer, Array
    from kundenwert.posterior.values import PurchaseValues

__all__ = ["purchase_counts"]

DRAWS: Final = 200  # what is asked of counts needs no more
LENGTHS: Final = 200  # of observation; more are put together with their neighbours
FEW_LENGTHS: Final = 24  # where each takes long
MORE: Final = "more"


def purchase_counts(
    purchases: PurchasePosterior, histories: Histories, *, up_to: int = 7, interval: float = 0.90
) -> pd.DataFrame:
    """Compare how many customers have made 0, 1, 2, … repeat purchases with what the model expects.

    Each customer is taken as a new one, observed from the first purchase for as long as in `histories`. It is a first
    look at the fit, and a mild one if the model was fitted to the same histories: a model that fails here is wrong; one
    that passes may still predict badly. See :func:`kundenwert.holdout` and :func:`kundenwert.rolling_origin` for that.

    Parameters
    ----------
    purchases : PurchasePosterior
        When customers buy.
    histories : CustomerHistories or OpportunityHistories
        The customers.
    up_to : int
        Largest number with a row of its own.
    interval : float
        Probability of the interval.

    Returns
    -------
    pandas.DataFrame
        Rows 0, 1, …, `up_to` and ``more``; columns ``observed`` (customers), ``expected``, and ``lower`` and ``upper``
        of what may be observed if the model is right: the uncertainty of the parameters, from at most 200 draws, and
        the customers' chance, taken as normal.

    Raises
    ------
    SpecificationError
        If `purchases` is not of a model of purchases, or `up_to` no whole number.
    DataError
        If there are no customers.

    Examples
    --------
    >>> import kundenwert as kw
    >>> purchases = kw.fixed(kw.MBGNBD.Parameters(r=0.525, alpha=6.183, a=0.891, b=1.614, unit="week"))
    >>> log = kw.datasets.cdnow()
    >>> histories = kw.summarize(log, customer="customer_id", time="date", until="1997-09-30", unit="week")
    >>> kw.purchase_counts(purchases, histories, up_to=2)["expected"].round().tolist()  # 0, 1, 2 and more
    [1418.0, 429.0, 199.0, 311.0]
    """
    if not isinstance(purchases, PurchasePosterior):
        message = (
            f"purchases must be a PurchasePosterior, got {type(purchases).__name__}; make one with "
            "kundenwert.fit(kundenwert.MBGNBD(), …)"
        )
        raise SpecificationError(message)
    up_to = check_count(up_to, "up_to", smallest=0)
    widths = ndtri((1 + check_interval(interval)) / 2)
    cells = purchases.cells_of(histories)
    if len(cells) == 0:
        message = "there are no customers to count; expected histories of one customer or more"
        raise DataError(message)
    purchases = purchases.thinned(min(purchases.of_cells.draws, DRAWS))
    observed = np.bincount(np.minimum(cells["x"], up_to + 1).astype(np.int64), cells.counts, up_to + 2)
    expected = np.zeros((up_to + 2, purchases.of_cells.draws))
    chance = np.zeros(up_to + 2)
    most = FEW_LENGTHS if purchases.model.by_history else LENGTHS
    for length, customers in zip(*_lengths(cells["T"], cells.counts, most), strict=True):
        probability = _new_customer_counts(purchases, length, up_to)
        expected += customers * probability
        chance += customers * (probability * (1 - probability)).mean(axis=1)
    mean, spread = expected.mean(axis=1), widths * np.sqrt(chance + expected.var(axis=1))
    return pd.DataFrame(
        {
            "observed": observed.astype(np.int64),
            "expected": mean,
            "lower": np.maximum(mean - spread, 0),
            "upper": np.minimum(mean + spread, cells.counts.sum()),
        },
        index=pd.Index([*range(up_to + 1), MORE], name="repeats"),
    )


def _lengths(T: Array, counts: np.ndarray[tuple[int], np.dtype[np.int64]], most: int) -> tuple[list[float], list[int]]:
    """Distinct lengths of observation with the customers of each; neighbours together if there are too many."""
    lengths, place = np.unique(T, return_inverse=True)
    customers = np.bincount(place, counts)
    together = math.ceil(len(lengths) / most)
    starts = np.arange(0, len(lengths), together)
    of_runs = np.add.reduceat(customers, starts)
    if together > 1:
        lengths = np.add.reduceat(lengths * customers, starts) / of_runs
    return lengths.tolist(), of_runs.astype(np.int64).tolist()


def _new_customer_counts(purchases: PurchasePosterior, length: float, up_to: int) -> Array:
    """P(0, 1, …, up_to, more repeat purchases within `length` of the first), shape (up_to + 2, draws)."""
    values, new = purchases.of_cells, purchases.new_customer()
    alive = values.p_alive(new, 0.0)(slice(0, 1))[0]
    result = np.zeros((up_to + 2, values.draws))
    for count in range(up_to + 1):
        result[count] = _exactly(values, new, count, length)
    result[0] += 1 - alive  # gone after the first purchase
    result[-1] = np.maximum(0, 1 - result.sum(axis=0))
    return result


def _exactly(values: PurchaseValues, new: Cells, count: int, length: float) -> Array:
    """P(exactly `count` repeat purchases within `length` of the first and not gone after it), shape (draws,)."""

    def expectation(customer: AliveCustomer) -> Array:
        return customer.count_probability(count, length)

    return np.asarray(values.expected(new, expectation)(slice(0, 1))[0])
