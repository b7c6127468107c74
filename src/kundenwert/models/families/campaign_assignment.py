"""Assignment: how it was decided who is sent which offer, and whether effects can be learned from the outcome.

At random, the held-out tell what the others would have done. Otherwise the model of the response compares customers
that are alike in organic return, segment and covariates, which works only where some of them were sent the offer and
some were not: where the two overlap.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, final, override

import numpy as np

from kundenwert.errors import DataError, SpecificationError
from kundenwert.histories.campaign_terms import column
from kundenwert.models.core import Assignment, Verdict
from kundenwert.models.kernels.logistic import logistic_regression
from kundenwert.scalars import is_number

if TYPE_CHECKING:
    from kundenwert.histories import Cells
    from kundenwert.models.core import Array

__all__ = ["Observational", "Otherwise", "Overlap", "PriorOnly", "Randomised", "Refuse", "overlap_of"]

CLASSES: Final = 10  # of organic log-odds, in which propensities may differ in any way
RIDGE: Final = 0.1


class Otherwise(ABC):
    """What to do where effects cannot be learned: :class:`Refuse` or :class:`PriorOnly`."""

    __slots__ = ()

    @abstractmethod
    def answer(self, reason: str, notes: tuple[str, ...]) -> Verdict:
        """Raise, or a verdict that says why."""


@final
@dataclass(frozen=True, slots=True)
class Refuse(Otherwise):
    """Refuse to fit where effects cannot be learned, with an error that says why."""

    @override
    def answer(self, reason: str, notes: tuple[str, ...]) -> Verdict:
        message = (
            f"{reason}. Send the offer at random to a part of the customers next time; to go on with what the priors "
            "say, labelled as such, write PriorOnly() in place of Refuse(); to evaluate a campaign without learning "
            "from it, evaluate_campaign(…, learn=False)"
        )
        raise DataError(message)


@final
@dataclass(frozen=True, slots=True)
class PriorOnly(Otherwise):
    """Answer with the priors where effects cannot be learned, labelled "prior only" in the posterior and its tables."""

    @override
    def answer(self, reason: str, notes: tuple[str, ...]) -> Verdict:
        return Verdict(notes=notes, prior_only=reason)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Randomised(Assignment):
    """Chance decided who is sent which offer and who is held out; it may have been weighted by segment.

    Parameters
    ----------
    without_controls : Refuse or PriorOnly
        What to do if nobody was held out, so that the effect of an offer cannot be told from an error of the organic
        return probabilities. By default an error.
    """

    without_controls: Otherwise = Refuse()

    def __post_init__(self) -> None:
        _check_otherwise(self.without_controls, "without_controls")

    @override
    def verdict(self, cells: Cells) -> Verdict:
        reason = _one_sided(cells)
        return self.without_controls.answer(reason, ()) if reason else Verdict()


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Observational(Assignment):
    """Somebody, or a rule, decided who is sent which offer.

    Before fitting, the propensity to be sent each offer is estimated by a logistic regression on organic return
    probability (freely in ten classes of it), segment and covariates, as if as many were sent it as not. A customer
    lies outside the overlap if it is below `smallest_propensity` or above one minus it. Where there is overlap, effects
    are those among customers alike in these respects; what else decided the assignment is not accounted for.

    Parameters
    ----------
    without_overlap : Refuse or PriorOnly
        What to do if too many customers lie outside the overlap, or nobody was held out. By default an error: a
        mailing triggered by the length of the silence says nothing on its own effect.
    smallest_propensity : float
        Limit of the overlap, below one half.
    largest_share : float
        Share of the customers, of any offer and the held-out, that may lie outside.
    """

    without_overlap: Otherwise = Refuse()
    smallest_propensity: float = 0.05
    largest_share: float = 0.10

    def __post_init__(self) -> None:
        _check_otherwise(self.without_overlap, "without_overlap")
        for name, highest in (("smallest_propensity", 0.5), ("largest_share", 1.0)):
            value = getattr(self, name)
            if not is_number(value) or not 0 < value < highest:
                message = f"Observational: {name} is a number between 0 and {highest:g}, got {value!r}"
                raise SpecificationError(message)

    @override
    def verdict(self, cells: Cells) -> Verdict:
        reason = _one_sided(cells)
        if reason:
            return self.without_overlap.answer(reason, ())
        overlaps = overlap_of(cells, self.smallest_propensity)
        notes = tuple(
            f"Assignment was observed, not randomised: {found.outside:.1%} of the customers compared for offer "
            f"{found.offer!r} lie outside the overlap (propensity below {self.smallest_propensity:g} or above "
            f"{1 - self.smallest_propensity:g})."
            for found in overlaps
        )
        worst = max(overlaps, key=lambda found: found.outside)
        if worst.outside > self.largest_share:
            reason = (
                f"{worst.outside:.0%} of the customers compared for offer {worst.offer!r} lie outside the overlap, "
                f"more than the {self.largest_share:.0%} allowed: who was sent it differs so much from who was not "
                "that its effect cannot be told from that difference"
            )
            return self.without_overlap.answer(reason, notes)
        return Verdict(notes=notes)


class Overlap(NamedTuple):
    """How far those who were sent an offer and those who were not can be compared.

    Parameters
    ----------
    offer
        Label.
    outside
        Share of these customers outside the overlap.
    lowest, highest
        Smallest and largest propensity, as if half of them had been sent it.
    """

    offer: str
    outside: float
    lowest: float
    highest: float


def overlap_of(cells: Cells, smallest: float) -> list[Overlap]:
    """The overlap of each offer with the held-out."""
    terms = cells.campaign
    assert terms is not None  # noqa: S101 - a CampaignLog says so
    features = _features(cells)
    found = []
    for position, label in enumerate(terms.offers, start=1):
        rows = (cells["offer"] == position) | (cells["offer"] == 0)
        sent, counts = (cells["offer"][rows] == position).astype(np.float64), cells.counts[rows].astype(np.float64)
        if sent.sum() == 0:
            continue
        balance = np.log(counts @ sent) - np.log(counts @ (1 - sent))
        propensity = 1 / (1 + np.exp(balance - logistic_regression(features[rows], sent, counts, ridge=RIDGE)))
        outside = (propensity < smallest) | (propensity > 1 - smallest)
        share = float(counts @ outside / counts.sum())
        found.append(Overlap(label, share, float(propensity.min()), float(propensity.max())))
    return found


def _features(cells: Cells) -> Array:
    """Organic log-odds, classes of it, segments, campaigns and covariates, standardised."""
    terms = cells.campaign
    assert terms is not None  # noqa: S101 - as above
    organic, counts = cells["organic"], cells.counts.astype(np.float64)
    order = np.argsort(organic, kind="stable")
    rank = np.empty(len(organic))
    rank[order] = (np.cumsum(counts[order]) - counts[order] / 2) / counts.sum()
    classes = np.minimum((rank * CLASSES).astype(np.int64), CLASSES - 1)
    _, tied = np.unique(organic, return_inverse=True)  # those who are alike are in one class
    classes = np.bincount(tied, weights=counts * classes)[tied] / np.bincount(tied, weights=counts)[tied]
    parts = [organic, *(np.rint(classes) == k for k in range(1, CLASSES))]
    parts += [cells["segment"] == k for k in range(1, len(terms.segments))]
    parts += [cells["campaign"] == k for k in range(1, len(terms.campaigns))]
    parts += [cells[column("covariate", k)] for k in range(len(terms.covariates))]
    features = np.column_stack([np.asarray(part, dtype=np.float64) for part in parts])
    mean = counts @ features / counts.sum()
    sd = np.sqrt(counts @ (features - mean) ** 2 / counts.sum())
    return np.asarray((features - mean) / np.where(sd > 0, sd, 1.0))


def _one_sided(cells: Cells) -> str:
    """Why nothing can be compared, or an empty string."""
    offered = cells["offer"] > 0
    if not offered.any():
        return "nobody was sent an offer, so that its effect cannot be learned"
    if offered.all():
        return (
            "nobody was held out, so that the effect of an offer cannot be told from an error of the organic return "
            "probabilities"
        )
    return ""


def _check_otherwise(value: object, name: str) -> None:
    if not isinstance(value, Otherwise):
        message = f"{name} takes kundenwert.Refuse() or kundenwert.PriorOnly(), got {value!r}"
        raise SpecificationError(message)
