"""Contacted against held-out: the difference of their means, with an interval that holds for small groups too."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from scipy.special import ndtri, stdtrit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kundenwert.models.core import Array

__all__ = ["Difference", "Outcome", "difference"]

FEWEST: Final = 2  # customers of a group, of whom a variance can be told


class Difference(NamedTuple):
    """Mean of the contacted less mean of the held-out, and the ends of its interval; NaN without a comparison."""

    mean: float
    lower: float
    upper: float


class Outcome(NamedTuple):
    """Something that is the case, or an amount, of each customer, shape (customers,).

    Attributes
    ----------
    actual
        What it was.
    if_returned, if_not
        What it is expected to be of those who return, and of those who do not.
    limit
        No mean differs by more; inf for amounts.
    """

    actual: Array
    if_returned: Array
    if_not: Array
    limit: float = math.inf

    def take(self, rows: NDArray[np.bool_]) -> Outcome:
        """That of some customers."""
        return Outcome(self.actual[rows], self.if_returned[rows], self.if_not[rows], self.limit)


def difference(outcome: Outcome, sent: NDArray[np.bool_], offer: NDArray[np.int64], interval: float) -> Difference:
    """Mean of the contacted less mean of the held-out, offer by offer if there are enough of both, with its interval.

    Offers are weighted by how many got them. For the interval, a customer who returns and one who does not are added to
    both groups, so that a group in which nobody returned is not certain (Agresti & Caffo 2000, The American
    Statistician 54(4), 280-288). That of amounts is by Student's t with Welch's degrees of freedom.
    """
    groups = [offer == place for place in np.unique(offer)]
    counts = [(int((here & sent).sum()), int((here & ~sent).sum())) for here in groups]
    if any(min(pair) < FEWEST for pair in counts if pair[0]):
        groups = [np.ones(len(offer), dtype=np.bool_)]  # held-out and contacted are alike as a whole
    else:
        groups = [here for here, pair in zip(groups, counts, strict=True) if pair[0]]
    mean = centre = variance = uncertain = 0.0
    total = max(int(sent.sum()), 1)
    if not groups:
        return Difference(math.nan, math.nan, math.nan)
    for here in groups:
        weight = int((here & sent).sum()) / total
        for arm, sign in ((here & sent, 1), (here & ~sent, -1)):
            of_arm = outcome.take(arm)
            count = len(of_arm.actual)
            if count < FEWEST:
                return Difference(math.nan, math.nan, math.nan)
            added = np.r_[of_arm.actual, of_arm.if_returned.mean(), of_arm.if_not.mean()]
            mean += sign * weight * float(of_arm.actual.mean())
            centre += sign * weight * float(added.mean())
            part = weight**2 * float(added.var()) / len(added)
            variance += part
            uncertain += part**2 / (count - 1)
    tail = (1 + interval) / 2
    if math.isfinite(outcome.limit):
        quantile = float(ndtri(tail))
    else:
        quantile = float(stdtrit(variance**2 / uncertain, tail)) if uncertain > 0 else 0.0
    half = quantile * math.sqrt(variance)
    lower, upper = max(centre - half, -outcome.limit), min(centre + half, outcome.limit)
    if math.isnan(half):
        return Difference(mean, math.nan, math.nan)
    return Difference(mean, min(lower, mean), max(upper, mean))
