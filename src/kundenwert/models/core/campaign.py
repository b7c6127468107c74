"""What a model of a campaign's response adds: offers and segments, a link, and how customers were assigned."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, NamedTuple, final, override

import numpy as np

from kundenwert.errors import DataError, MissingInformationError
from kundenwert.histories.campaign_covariates import term
from kundenwert.histories.campaign_terms import column, same_length
from kundenwert.models.core.model import Model

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from kundenwert.duration import Horizon
    from kundenwert.histories import Cells, Clock, CohortLabel
    from kundenwert.histories.campaign_terms import CampaignTerms
    from kundenwert.models.core.functions import Array, Functions
    from kundenwert.models.core.quantity import Quantity

__all__ = ["Assignment", "CampaignModel", "Customers", "Link", "Verdict", "shared_out"]


class Customers(NamedTuple):
    """Customers as a link sees them; arrays broadcast to (rows, draws).

    Parameters
    ----------
    offer, segment, campaign
        Positions, shape (rows, 1); the offer counts from 1 and is 0 for no offer, the others count from 0.
    organic
        Log-odds of returning by themselves.
    covariates
        Standardised, one array each.
    shares
        P(state | does not return by themselves), one array each; empty if the link does not ask.
    """

    offer: NDArray[np.int64]
    segment: NDArray[np.int64]
    campaign: NDArray[np.int64]
    organic: Array
    covariates: Sequence[Array]
    shares: Sequence[Array]


class Link(ABC):
    """How an offer changes the probability of returning: one or more strengths on the line, in a formula."""

    __slots__ = ()

    needs_states: ClassVar[bool] = False
    """Whether the formula depends on which state customers are in."""

    before: ClassVar[Mapping[str, object]] = {}
    """What fields were, by name, before there were such fields: files that do not name them have these values."""

    @abstractmethod
    def strengths(self, states: tuple[str, ...]) -> tuple[Quantity, ...]:
        """The strengths of an average offer, with their priors; any real numbers."""

    @abstractmethod
    def log_odds(self, without: Array, strengths: Sequence[Array], shares: Sequence[Array], f: Functions) -> Array:
        """Log-odds of returning under an offer, from those without it and the strengths of the offer."""

    def induced(
        self,
        without: Array,
        under: Array,
        strengths: Sequence[Array],  # noqa: ARG002 - most links do not tell states apart
        probability: Array,
        returns: Array,
        *,
        states: tuple[str, ...],  # noqa: ARG002 - as above
    ) -> Array:
        """The part of the change `under - without` in each state, shape (states, rows, draws).

        By default a gain falls on those who would not return by themselves, in proportion to P(state | no return), and
        a loss on those who would, in proportion to P(state | return).

        Parameters
        ----------
        without, under
            P(return) without the offer and under it, shape (rows, draws).
        strengths
            As in :meth:`log_odds`.
        probability, returns
            P(state) and P(state and return) by themselves, shape (states, rows, draws).
        states
            Their names.
        """
        gain, loss = np.maximum(under - without, 0.0), np.maximum(without - under, 0.0)
        return gain * shared_out(probability - returns, probability) - loss * shared_out(returns, probability)


def shared_out(part: Array, probability: Array) -> Array:
    """A part of each state's probability as shares of one; those of the states where there is none."""
    part = np.maximum(part, 0.0)
    total = part.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(total > 0, part / np.where(total > 0, total, 1.0), probability)


@final
@dataclass(frozen=True, slots=True)
class Verdict:
    """What may be learned from a campaign: notes for the diagnostics, and why nothing, or an empty string."""

    notes: tuple[str, ...] = ()
    prior_only: str = ""


class Assignment(ABC):
    """How it was decided who is sent which offer."""

    __slots__ = ()

    @abstractmethod
    def verdict(self, cells: Cells) -> Verdict:
        """Whether the effect of offers can be learned from these rows.

        Raises
        ------
        DataError
            If not, and no answer from the priors alone was asked for.
        """


class CampaignModel[P: tuple["Array", ...]](Model[P]):
    """A model of who returns under which offer."""

    __slots__ = ()

    clock: ClassVar[Clock] = "campaign"
    observes: ClassVar[str] = "returns under offers"

    link: Link
    offers: tuple[str, ...]
    segments: tuple[CohortLabel, ...]
    states: tuple[str, ...]
    covariates: tuple[tuple[str, float, float], ...]
    categories: tuple[tuple[str, tuple[CohortLabel, ...]], ...]
    organic_known: bool
    campaigns: tuple[CohortLabel, ...]
    window: Horizon | None
    scores: tuple[tuple[float, ...], ...]
    source: int | None
    prior_only: str
    contradiction: str

    @override
    def aligned(self, cells: Cells) -> Cells:
        """The cells with positions of offers and segments as the model counts them, and covariates standardised.

        Raises
        ------
        DataError
            If the cells hold an offer, a segment, a campaign or a state that the model does not know, or returns within
            another window; or if organic returns are known here or there, but not in both.
        MissingInformationError
            If they lack a covariate.
        """
        terms = cells.campaign
        assert terms is not None  # noqa: S101 - a CampaignLog says so
        self.check_window(terms.window)
        self.check_organic(known=terms.organic_known)
        columns = dict(cells.columns)
        columns["offer"] = np.r_[0, 1 + _places("offer", terms.offers, self.offers)][_whole(columns["offer"])]
        if len(self.segments) > 1:
            self._check_segmented(terms)
            columns["segment"] = _places("segment", terms.segments, self.segments)[_whole(columns["segment"])]
        else:
            columns["segment"] = np.zeros(len(cells))
        if len(self.campaigns) > 1:
            self._check_campaigns(terms)
            columns["campaign"] = _places("campaign", terms.campaigns, self.campaigns)[_whole(columns["campaign"])]
        if self.link.needs_states and terms.states != self.states:
            message = f"effects are told apart by the states {self.states}, but these customers have {terms.states}"
            raise DataError(message)
        known = [name for name, _, _ in terms.covariates]
        raw = {name: columns.pop(column("covariate", k)) for k, name in enumerate(known)}
        raw = self._absent_levels(terms, len(cells)) | raw
        for k, (name, mean, sd) in enumerate(self.covariates):
            if name not in raw:
                message = f"the model knows the covariate {name!r}, which this campaign lacks"
                raise MissingInformationError(message)
            columns[column("covariate", k)] = (raw[name] - mean) / sd
        for k in range(len(self.scores)):  # another campaign's organic returns may move in other directions
            if terms.scores != self.scores:
                columns[column("drift", k)] = np.zeros(len(cells))
        return replace(cells, columns=columns)

    def check_window(self, window: Horizon) -> None:
        """Check that an answer over this window is one that was learned.

        Raises
        ------
        DataError
            If not.
        """
        if self.window is not None and not same_length(window, self.window):
            message = (
                f"the response is that within {self.window!r} of a contact, and was asked for {window!r}: effects over "
                "one window say little about another. Make the organic return for the campaign's window, or watch a "
                "campaign for the other"
            )
            raise DataError(message)

    def check_organic(self, *, known: bool) -> None:
        """Check that organic returns are known of customers if, and only if, they were where the model was learned.

        Raises
        ------
        DataError
            If not.
        """
        if known == self.organic_known:
            return
        if known:
            message = (
                "this response was learned from a campaign without organic returns: it knows one level of returns "
                "without an offer, and not how customers differ in it. Ask it about "
                "kundenwert.OrganicReturn.unknown(customer_ids, window=…); for a plan, or for customers whose "
                "purchases are known, learn it with CampaignLog.from_pandas(…, organic=kundenwert.organic_return(…))"
            )
        else:
            message = (
                "of these customers no organic return is known, on which this response depends; make it with "
                "kundenwert.organic_return(purchases, histories, window=…) and hand it in"
            )
        raise DataError(message)

    def _absent_levels(self, terms: CampaignTerms, size: int) -> dict[str, Array]:
        """Columns of levels that a campaign does not have: nobody is there."""
        given = dict(terms.categories)
        absent: dict[str, Array] = {}
        for name, levels in self.categories:
            for level in given.get(name, ()):
                if level not in levels:
                    message = (
                        f"{name} = {level!r} is unknown here; known are {', '.join(map(repr, levels))}. Leave these "
                        "customers out, or give them one of these levels"
                    )
                    raise DataError(message)
            if name in given:
                absent |= {term(name, level): np.zeros(size) for level in levels if level not in given[name]}
        return absent

    def _check_campaigns(self, terms: CampaignTerms) -> None:
        if not terms.campaigns:
            message = (
                f"the campaigns {', '.join(map(repr, self.campaigns))} are told apart, but these rows do not say which "
                "one they are of; name the column: CampaignLog.from_pandas(…, campaign=…)"
            )
            raise MissingInformationError(message)

    def _check_segmented(self, terms: CampaignTerms) -> None:
        if not terms.segments:
            message = (
                f"the segments {', '.join(map(repr, self.segments))} are told apart, but this campaign does not say "
                "which one customers belong to; name the column: CampaignLog.from_pandas(…, segment=…)"
            )
            raise MissingInformationError(message)

    @abstractmethod
    def without_offer(self, theta: P, customers: Customers, f: Functions) -> Array:
        """Log-odds of returning without an offer."""

    @abstractmethod
    def strengths_of(self, theta: P, customers: Customers, f: Functions) -> Sequence[Array]:
        """Strengths of each customer's offer; without meaning for those without one."""

    @abstractmethod
    def uncorrected(self, theta: P) -> P:
        """Parameters under which log-odds without an offer are the organic ones."""

    @abstractmethod
    def with_new_campaign(self, theta: P, normal: Array) -> P:
        """Parameters with one more campaign, drawn from the population of campaigns by standard normals."""

    @abstractmethod
    def with_new_segment(self, theta: P, normals: Sequence[Array]) -> P:
        """Parameters with one more segment, drawn from the population of segments by standard normals.

        There are one normal for each offer and one more, each of shape (draws,).
        """


def _places(what: str, labels: Sequence[CohortLabel], known: Sequence[CohortLabel]) -> Array:
    for label in labels:
        if label not in known:
            message = f"the {what} {label!r} is unknown here; known are {', '.join(map(repr, known)) or 'none'}"
            raise DataError(message)
    return np.array([known.index(label) for label in labels], dtype=np.float64)


def _whole(values: Array) -> NDArray[np.int64]:
    return values.astype(np.int64)
