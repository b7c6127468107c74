"""The organic forecast of a campaign against its held-out: where it is centred, and whether they contradict it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from scipy.special import expit
from scipy.stats import binom, norm

from kundenwert.histories.campaign_terms import column

if TYPE_CHECKING:
    from collections.abc import Iterator

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

    The forecast may be off by chance, and by what it says itself it is uncertain about. Where it is right of all of
    them together, it may be wrong of those whom it takes for likelier to return, or of a segment: it then knows how
    many return, and not who. These parts share one level of error.
    """
    held = cells["offer"] == 0
    if not held.any():
        return ""
    every = _Part.of(cells, held, "")
    if every.off(SURE):
        return every.told()
    parts = [_Part.of(cells, rows, name) for name, rows in _parts(cells, held)]
    off = [part for part in parts if part.off(SURE / len(parts))]
    if not off:
        return ""
    return min(off, key=lambda part: part.chance).told()


class _Part(NamedTuple):
    """Some of the held-out: how many returned, how many were foreseen to, and how likely it is to be so far off."""

    name: str
    number: int
    seen: float
    foreseen: float
    chance: float

    @classmethod
    def of(cls, cells: Cells, rows: Array, name: str) -> _Part:
        """Those in these rows."""
        terms = cells.campaign
        assert terms is not None  # noqa: S101 - a CampaignLog says so
        counts, p = cells.counts[rows].astype(np.float64), expit(cells["organic"][rows])
        seen, foreseen = float(counts @ cells["returned"][rows]), float(counts @ p)
        weight = counts * p * (1 - p)
        variance = float(weight.sum())
        for k, scores in enumerate(terms.scores):
            variance += float(np.var(scores)) * float(weight @ cells[column("drift", k)][rows]) ** 2
        number = int(counts.sum())
        by_chance = binom(number, foreseen / number)
        alone = min(by_chance.cdf(seen), by_chance.sf(seen - 1))  # as if the forecast were sure of itself
        tail = max(alone, norm.sf(abs(seen - foreseen) / np.sqrt(max(variance, 1e-300))))
        return cls(name, number, seen, foreseen, 2 * float(tail))

    def off(self, sure: float) -> bool:
        """Whether that is both sure and of weight."""
        factors = (
            max(self.seen, 0.5) / self.foreseen,
            max(self.number - self.seen, 0.5) / (self.number - self.foreseen),
        )
        return self.chance <= sure and any(not 1 / MATTERS < factor < MATTERS for factor in factors)

    def told(self) -> str:
        """What to say of it."""
        return (
            f"the held-out contradict the organic forecast{self.name}: {self.seen:,.0f} of {self.number:,} returned "
            f"({self.seen / self.number:.1%}), where it foresees {self.foreseen:,.0f} "
            f"({self.foreseen / self.number:.1%}). Returns without an offer, and effects of offers, are "
            "corrected by them, in plans too; what customers are worth after a return, or if they do not return now, "
            "is not, and is as far off as the model of purchases. Look at it with kundenwert.rolling_origin, or try "
            "another one, before you spend a budget by it"
        )


def _parts(cells: Cells, held: Array) -> Iterator[tuple[str, Array]]:
    """Halves of the held-out by what is foreseen, which tell as much each; and segments, if there are some."""
    organic = cells["organic"]
    p = expit(organic)
    weight = np.where(held, cells.counts * p * (1 - p), 0.0)
    order = np.argsort(organic, kind="stable")
    middle = organic[order[np.searchsorted(np.cumsum(weight[order]), weight.sum() / 2)]]
    less = held & (organic < middle)
    if less.any():
        yield " for those whom it takes for less likely to return", less
        yield " for those whom it takes for likelier to return", held & ~less
    terms = cells.campaign
    assert terms is not None  # noqa: S101 - a CampaignLog says so
    if len(terms.segments) > 1:
        for k, label in enumerate(terms.segments):
            of_segment = held & (cells["segment"] == k)
            if of_segment.any():
                yield f" for segment {label!r}", of_segment
