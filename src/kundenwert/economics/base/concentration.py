"""How much of the value of a customer base a few customers hold."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from kundenwert.economics.base.totals import totals_of_rows
from kundenwert.posterior.summary import Summary, summarise

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kundenwert.economics.value.valuation import Valuation
    from kundenwert.models.core import Array

__all__ = ["concentration", "shares"]

TOP: Final = (0.01, 0.05, 0.10, 0.20)


def concentration(
    values: Valuation, expected: Array, everybody: Array, kept: NDArray[np.bool_], interval: float
) -> pd.DataFrame:
    """The share of value that the best customers hold, ranked by expected value.

    Customers who are expected to cost more than they bring hold nothing: shares are of the value of the others, so
    that they rise to 1.

    Parameters
    ----------
    values, expected
        Value of each row, and its expectation.
    everybody
        Total over all customers, shape (draws,).
    kept
        Draws that are not left out, shape (draws,).
    interval
        Probability of the equal-tailed intervals.
    """
    customers = int(values.counts.sum())
    places = [math.ceil(share * customers - 1e-9) for share in TOP]
    order = np.argsort(-expected, kind="stable")
    counts = np.where(expected > 0, values.counts, 0)[order]
    before = np.cumsum(counts) - counts
    weights = np.zeros((len(expected), len(TOP) + 1))
    for column, place in enumerate(places):
        weights[order, column] = np.clip(place - before, 0, counts)
    weights[:, -1] = np.where(expected < 0, values.counts, 0)
    *top, negative = totals_of_rows(values, csr_array(weights))[:, kept]
    held = np.stack(top)
    value = summarise(len(TOP), int(kept.sum()), lambda rows: held[rows], interval)
    share = shares(held, everybody[kept] - negative, interval)
    table: dict[str, Array] = {"customers": np.array(places)}
    for name, summary in (("npv", value), ("share", share)):
        table |= dict(zip((name, f"{name}_lower", f"{name}_upper"), summary.columns(), strict=True))
    return pd.DataFrame(table, index=pd.Index(TOP, name="top"))


def shares(of: Array, whole: Array, interval: float) -> Summary:
    """Shares of a whole, shape (rows, draws) and (draws,); NaN if there is nothing to be shared in some draw."""
    if not (whole > 0).all():
        nothing = np.full(len(of), np.nan)
        return Summary(nothing, nothing, nothing)
    return summarise(len(of), of.shape[1], lambda rows: of[rows] / whole, interval)
