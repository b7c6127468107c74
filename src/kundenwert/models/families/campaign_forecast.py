"""The organic forecast of a campaign against its held-out: where it is centred, and whether they contradict it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.special import expit
from scipy.stats import binom, norm

from kundenwert.histories.campaign_terms import column

if TYPE_CHECKING:
    from kundenwert.histories import Cells
    from kundenwert.models.core import Array

__all__ = ["centre_of", "contradiction"]

SURE: Final = 0.01  # probability to be as far off by chance, below which the held-out contradict the forecast
MATTERS: Final = 1.5  # factor between what was foreseen and what was seen: of returns, or of silences


def centre_of(cells: Cells) -> float:
    """Organic log-odds at which the level is stated, so that it can be told from the slope.

    They are the mean over all customers, each as far as they can tell: by the variance of their return as foreseen.
    """
    p = expit(cells["organic"])
    weight = cells.counts * p * (1 - p)
    return float(weight @ cells["organic"] / weight.sum())


def contradiction(cells: Cells) -> str:
    """What to say if the held-out return, or stay silent, far more or less often than foreseen; else an empty string.

    The forecast may be off by chance, and by what it says itself it is uncertain about.
    """
    held = cells["offer"] == 0
    if not held.any():
        return ""
    terms = cells.campaign
    assert terms is not None  # noqa: S101 - a CampaignLog says so
    counts, p = cells.counts[held].astype(np.float64), expit(cells["organic"][held])
    seen, foreseen = float(counts @ cells["returned"][held]), float(counts @ p)
    variance = float(counts @ (p * (1 - p)))
    for k, scores in enumerate(terms.scores):
        variance += float(np.var(scores)) * _moved(cells, k, held, counts * p * (1 - p)) ** 2
    number = int(counts.sum())
    by_chance = binom(number, foreseen / number)
    alone = min(by_chance.cdf(seen), by_chance.sf(seen - 1))  # as if the forecast were sure of itself
    tail = max(alone, norm.sf(abs(seen - foreseen) / np.sqrt(max(variance, 1e-300))))
    factors = (max(seen, 0.5) / foreseen, max(number - seen, 0.5) / (number - foreseen))
    if 2 * tail > SURE or all(1 / MATTERS < factor < MATTERS for factor in factors):
        return ""
    return (
        f"the held-out contradict the organic forecast: {seen:.0f} of {number:,} returned ({seen / number:.1%}), where "
        f"it foresees {foreseen:,.0f} ({foreseen / number:.1%}). Returns without an offer, and effects of offers, are "
        "corrected by them, in plans too; what customers are worth after a return, or if they do not return now, is "
        "not, and is as far off as the model of purchases. Look at it with kundenwert.rolling_origin, or try another "
        "one, before you spend a budget by it"
    )


def _moved(cells: Cells, number: int, held: Array, weight: Array) -> float:
    """Returns of the held-out that one unit of a component of the forecast's uncertainty makes."""
    return float(weight @ cells[column("drift", number)][held])
