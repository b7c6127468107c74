"""Who returns under which offer: organic return corrected by the held-out, and effects pooled over offers and segments.

For customer i in segment s, with standardised covariates z and organic log-odds l of returning within the window,

    logit p0 = c + a0 + a1 (l - c + sum_k w_k d_ik) + b_s + c_t + z' beta    without an offer, in campaign t,
    x_f      = e_fj + u_js + z' gamma_j                                      strengths of offer j, for the link,

    a0 ~ Logistic(0, 2), a1 ~ N(1, 1/2)   centred on "the model of purchases is calibrated", and weak
    w_k ~ N(0, s_k)                  principal components of the uncertainty of l, each of which moves d_ik
    e_fj ~ N(m_f, offer_spread), u_js ~ N(0, segment_spread), b_s ~ N(0, base_spread), c_t ~ N(0, campaign_spread),
    spreads half-normal(1/2); beta, gamma_j ~ N(0, 1/2).

Where the campaign shows that returns without an offer are not linear in covariates, z holds bends and products of them
in z' beta besides: see ``families/campaign_shapes.py``.

Level and slope are learned. If a0 is free, the fitted returns of all customers add up to those seen, and if an offer's
effect is free, so do those of its customers, whatever the slope and all other terms are (the score equations of
logistic regression; they hold for HierarchicalLogit, and for the other links as far as their formula does). So in a
campaign at random the average effect is the difference in means, however wrong the organic forecast is, as far as the
priors of effects count little: those draw the effects of small campaigns towards m_f. A normal prior of a0 would break
that: at a forecast of .26 where .02 return it pulls on the held-out, and on nobody else, for the offer's effect makes
up for it among the others. The pull of the logistic one is worth half a return at most; where few were held out, it
still keeps the forecast that nothing contradicts. c, the centre of l, keeps a0 and a1 apart.

Segments and covariates enter p0 as well as the effects: otherwise an organic model that is off in one segment would
pass for an effect there. Where a segment or an offer has few customers, its terms are pulled towards the others.

For the same reason several campaigns that are learned from together have a base each, c_t: if one was in the high
season, and held fewer out than another, the season would pass for an effect. The next campaign has a base of its own,
too, drawn from the population of campaigns. (So learning from all of them together is not the same as learning from one
after the other, with one base for all.)

Where nothing can be learned and the answer is that of the priors alone, a0, b, c_t and beta are 0 and a1 is 1: what is
said of returns without an offer is then what the model of purchases says, and no more uncertain.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Self, final, override

import numpy as np

from kundenwert.duration import check_duration
from kundenwert.errors import DataError, SpecificationError
from kundenwert.histories.campaign_terms import column
from kundenwert.models.core import (
    NUMPY,
    Assignment,
    CampaignModel,
    Customers,
    Hierarchy,
    Link,
    Quantity,
    history_of,
)
from kundenwert.models.families.campaign_forecast import centre_of, contradiction
from kundenwert.models.families.campaign_links import HierarchicalLogit
from kundenwert.models.families.campaign_parameters import (
    CORRECTIONS,
    SPREADS,
    Parts,
    flat,
    hierarchy_of,
    names_of,
    shaped,
    standard,
)
from kundenwert.models.families.campaign_shapes import Shape, shapes_of
from kundenwert.models.kernels.logistic import expansion
from kundenwert.priors import HalfNormal, Logistic, Normal, Prior

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from kundenwert.duration import Horizon, Unit
    from kundenwert.histories import Cells, CohortLabel, HistoryColumn
    from kundenwert.models.core import Array, Functions, History

__all__ = ["CampaignResponse"]


ONE_LEVEL: Final = (
    "No organic return was given: without an offer, all customers are taken to return with one probability, that of "
    "the held-out, but for what segments and covariates tell. Effects can be asked of this response, and "
    "assess_response; not a plan, which needs to know what customers do and are worth."
)
"""What is said of a campaign without a log of purchases."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignResponse(CampaignModel[tuple["Array", ...]]):
    """Who returns within the window of a campaign, with and without each of its offers.

    Organic return probabilities, with their uncertainty, come from a posterior of purchases; the held-out correct them,
    and the difference between those who were sent an offer and those who were not is its effect, partially pooled over
    offers and segments.

    Parameters
    ----------
    assignment : Randomised or Observational
        How it was decided who is sent what. It has no default: it must be said.
    link : HierarchicalLogit, AdditiveHazard or ByState
        How an offer changes the probability of returning.
    intercept, slope : Logistic or Normal
        Priors of the correction of the organic log-odds: 0 and 1 if the model of purchases is calibrated. The intercept
        is stated at `organic_centre`.
    offer_spread, segment_spread, base_spread, campaign_spread : HalfNormal
        Priors of how much effects differ between offers, effects between segments, and organic returns between segments
        and between campaigns beyond what the model of purchases says.
    covariate : Normal
        Prior of the effect of one standard deviation of a covariate, on returns without an offer and on each offer. A
        covariate of text has a term for each level, scaled so that all of them together vary as much. Returns without
        an offer also have terms for bends of a covariate and products of two, where the campaign shows them.
    offers, segments : tuple
        Labels. By default those of the campaign; named beforehand, they may hold offers that nobody was sent yet.
    states, covariates, categories, organic_known, campaigns, window, scores, source, notes, prior_only,
    organic_centre, contradiction, shapes
        Filled in by the fit.
    """

    assignment: Assignment
    link: Link = HierarchicalLogit()
    intercept: Prior = Logistic(0.0, 2.0)
    slope: Prior = Normal(1.0, 0.5)
    offer_spread: Prior = HalfNormal(0.5)
    segment_spread: Prior = HalfNormal(0.5)
    base_spread: Prior = HalfNormal(0.5)
    campaign_spread: Prior = HalfNormal(0.5)
    covariate: Prior = Normal(0.0, 0.5)
    offers: tuple[str, ...] = ()
    segments: tuple[CohortLabel, ...] = ()
    states: tuple[str, ...] = ()
    covariates: tuple[tuple[str, float, float], ...] = ()
    categories: tuple[tuple[str, tuple[CohortLabel, ...]], ...] = ()
    organic_known: bool = True
    campaigns: tuple[CohortLabel, ...] = ()
    window: Horizon | None = None
    scores: tuple[tuple[float, ...], ...] = ()
    source: int | None = None
    notes: tuple[str, ...] = ()
    prior_only: str = ""
    organic_centre: float = 0.0
    contradiction: str = ""
    shapes: tuple[tuple[int, int, float, float, float], ...] = ()

    def __post_init__(self) -> None:
        for name, kind, example in (
            ("assignment", Assignment, "kundenwert.Randomised() or kundenwert.Observational()"),
            ("link", Link, "kundenwert.HierarchicalLogit(), AdditiveHazard() or ByState()"),
        ):
            if not isinstance(getattr(self, name), kind):
                message = f"CampaignResponse: {name} takes {example}, got {getattr(self, name)!r}"
                raise SpecificationError(message)
        for name in ("offers", "segments", "states", "campaigns"):
            labels = getattr(self, name)
            if not isinstance(labels, (tuple, list)) or len(set(map(str, labels))) < len(labels):
                message = f"CampaignResponse: {name} takes a tuple of different labels, got {labels!r}"
                raise SpecificationError(message)
        if not all(isinstance(offer, str) for offer in self.offers):
            message = f"CampaignResponse: offers are strings, got {self.offers!r}"
            raise SpecificationError(message)
        if self.window is not None:
            check_duration(self.window, "window")
        for name in ("offers", "segments", "states", "campaigns", "notes"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        for name in ("covariates", "scores", "shapes"):  # a file holds lists
            object.__setattr__(self, name, tuple(map(tuple, getattr(self, name))))
        object.__setattr__(self, "categories", tuple((name, tuple(levels)) for name, levels in self.categories))
        _ = self.quantities

    @property
    @override
    def needs(self) -> tuple[HistoryColumn, ...]:  # type: ignore[override]  # it depends on the link
        """Columns of a campaign that the likelihood depends on; shares of states only if the link asks for them."""
        return ("offer", "segment", "returned", "organic", *(("shares",) if self.link.needs_states else ()))

    @property
    def strengths(self) -> tuple[Quantity, ...]:
        """Strengths of an average offer."""
        return self.link.strengths(self.states)

    @property
    @override
    def parameter_names(self) -> tuple[str, ...]:
        return tuple(name for names in self._names for name in names)

    @property
    @override
    def quantities(self) -> tuple[Quantity, ...]:
        names = self._names
        priors = {
            "offer_spread": self.offer_spread,
            "base_spread": self.base_spread,
            "segment_spread": self.segment_spread,
            "campaign_spread": self.campaign_spread,
        }
        return (
            Quantity("intercept", self.intercept, 0.0, "real"),
            Quantity("slope", self.slope, 1.0, "real"),
            *(
                Quantity(name, Normal(0, float(np.std(score))), 0.0, "real")
                for name, score in zip(names.organic, self.scores, strict=True)
            ),
            *standard((*names.base, *names.campaign)),
            *(Quantity(name, self.covariate, 0.0, "real") for name in names.covariate),
            *(replace(mean, name=name) for mean, name in zip(self.strengths, names.mean, strict=True)),
            *standard((*names.effect, *names.local)),
            *(Quantity(name, self.covariate, 0.0, "real") for name in names.interaction),
            *(Quantity(name, priors[name], 0.3) for name in names.spread),
        )

    @override
    def named(self, values: Sequence[Array]) -> tuple[Array, ...]:
        return tuple(values)

    @override
    def parameters_of(self, quantities: Sequence[Array], unit: Unit) -> tuple[Array, ...]:
        return self._moved(self.parts(quantities), lambda z, mean, spread: mean + spread * z)

    @override
    def quantities_of(self, theta: tuple[Array, ...], unit: Unit) -> tuple[Array, ...]:
        return self._moved(self.parts(theta), lambda x, mean, spread: (x - mean) / spread)

    @override
    def in_words(self, theta: tuple[Array, ...], unit: Unit) -> dict[str, Array]:
        """Nothing beside the parameters: the coordinates that are sampled have no meaning of their own."""
        return {}

    @override
    def prepared(self, cells: Cells) -> Self:
        terms = cells.campaign
        if terms is None:
            message = "a campaign's response is learned from a CampaignLog; make one with CampaignLog.from_pandas"
            raise DataError(message)
        verdict = self.assignment.verdict(cells)
        if not terms.organic_known and verdict.prior_only:
            message = (
                f"{verdict.prior_only}, and nothing is known of what customers do by themselves, so that nothing can "
                "be said of either; give CampaignLog.from_pandas(…, organic=kundenwert.organic_return(…)), or "
                "customers who were held out"
            )
            raise DataError(message)
        return replace(
            self,
            offers=self.offers or terms.offers,
            segments=self.segments or terms.segments,
            states=terms.states if self.link.needs_states else (),
            covariates=terms.covariates,
            categories=terms.categories,
            organic_known=terms.organic_known,
            campaigns=terms.campaigns,
            window=terms.window,
            scores=() if verdict.prior_only else terms.scores,  # nothing is learned that would go with a draw
            source=terms.source,
            notes=(*verdict.notes, *(() if terms.organic_known else (ONE_LEVEL,))),
            prior_only=verdict.prior_only,
            shapes=() if verdict.prior_only else shapes_of(cells),
            organic_centre=0.0 if verdict.prior_only else centre_of(cells),
            contradiction=contradiction(cells) if terms.organic_known and not verdict.prior_only else "",
        )

    @override
    def left_out(self, cells: Cells) -> tuple[str, ...]:
        return (*self.notes, *((f"Note: {self.contradiction}.",) if self.contradiction else ()))

    @override
    def without_offer(self, theta: tuple[Array, ...], customers: Customers, f: Functions) -> Array:
        part = self.parts(theta)
        centre = self.organic_centre
        total = centre + part.intercept[0] + part.slope[0] * (customers.organic - centre)
        if part.base:
            total = total + f.choose(part.base, customers.segment)
        if part.campaign:
            total = total + f.choose(part.campaign, customers.campaign)
        shapes = [Shape(*each).values(customers.covariates) for each in self.shapes]
        for coefficient, z in zip(part.covariate, [*customers.covariates, *shapes], strict=True):
            total = total + coefficient * z
        return total

    @override
    def strengths_of(self, theta: tuple[Array, ...], customers: Customers, f: Functions) -> Sequence[Array]:
        part, count = self.parts(theta), len(self.offers)
        offer = np.maximum(customers.offer - 1, 0)  # those without an offer take any
        segments = len(part.local) // count
        place = offer * segments + customers.segment if segments else offer
        shift: Any = 0.0
        for k, z in enumerate(customers.covariates):
            shift = shift + f.choose(part.interaction[k * count : (k + 1) * count], offer) * z
        strengths = []
        for first in range(0, len(part.effect), count):
            effect = part.effect[first : first + count]
            each = [e + u for j, e in enumerate(effect) for u in part.local[j * segments : (j + 1) * segments]]
            strengths.append(f.choose(each or effect, place) + shift)
        return strengths

    @override
    def log_likelihood(self, theta: tuple[Array, ...], h: History, f: Functions) -> Array:
        sign = 1 - 2 * h["returned"]
        return -f.softplus(sign * self._log_odds(theta, h, f))

    @override
    def uncorrected(self, theta: tuple[Array, ...]) -> tuple[Array, ...]:
        part = self.parts(theta)
        none = {role: [np.zeros_like(value) for value in getattr(part, role)] for role in CORRECTIONS}
        return flat(part._replace(slope=[np.ones_like(value) for value in part.slope], **none))

    @override
    def with_new_campaign(self, theta: tuple[Array, ...], normal: Array) -> tuple[Array, ...]:
        part = self.parts(theta)
        if not part.campaign:
            return theta
        base = 0.0 * normal if self.prior_only else part.spread[-1] * normal
        return flat(part._replace(campaign=[*part.campaign, base]))

    @override
    def with_new_segment(self, theta: tuple[Array, ...], normals: Sequence[Array]) -> tuple[Array, ...]:
        part = self.parts(theta)
        if not part.base:
            return theta
        count, segments = len(self.offers), len(self.segments)
        _, base_spread, segment_spread = part.spread[:3]
        local: list[Array] = []
        for j in range(count):
            local += [*part.local[j * segments : (j + 1) * segments], segment_spread * normals[1 + j]]
        base = 0.0 * normals[0] if self.prior_only else base_spread * normals[0]
        longer = part._replace(base=[*part.base, base], local=local)
        return flat(longer)

    def parts(self, theta: Sequence[Array]) -> Parts:
        """Parameters, or the quantities they come from, by their role.

        One segment and one campaign more are told by their number: a segment adds a base and an effect of each offer, a
        campaign adds one base.
        """
        sizes, role = [len(names) for names in self._names], Parts._fields.index
        more = len(theta) - sum(sizes)
        if more > 1:
            sizes[role("base")] += 1
            sizes[role("local")] += len(self.offers)
        sizes[role("campaign")] += more in {1, 2 + len(self.offers)}
        return shaped(theta, sizes)

    @property
    def _names(self) -> Any:  # Parts of names in place of arrays
        return names_of(
            segments=self.segments,
            campaigns=self.campaigns,
            offers=self.offers,
            strengths=[quantity.name for quantity in self.strengths],
            covariates=[name for name, _, _ in self.covariates],
            shapes=[Shape(*each).name(self.covariates) for each in self.shapes],
            components=len(self.scores),
        )

    def _moved(self, part: Parts, move: Any) -> tuple[Array, ...]:
        """Pooled terms moved from standard normals to what they are, or back; all others as they are."""
        spread = dict(zip(self._names.spread, part.spread, strict=True))
        means = [mean for mean in part.mean for _ in self.offers]
        effect = [move(value, mean, spread["offer_spread"]) for value, mean in zip(part.effect, means, strict=True)]
        around_zero = {
            role: [move(value, 0.0, spread[name]) for value in getattr(part, role)]
            for role, name in SPREADS.items()
            if role != "effect"
        }
        return flat(part._replace(effect=effect, **around_zero))

    def _log_odds(self, theta: tuple[Array, ...], h: History, f: Functions) -> Array:
        names = self._columns
        rows, held_out, index = h.once(names, lambda: _distinct(h, names))
        organic: Any = rows["organic"]
        for k, score in enumerate(self.parts(theta).organic):
            organic = organic + score * rows[column("drift", k)]
        customers = Customers(
            offer=rows["offer"].astype(np.int64),
            segment=rows["segment"].astype(np.int64),
            campaign=rows["campaign" if len(self.campaigns) > 1 else "segment"].astype(np.int64),
            organic=organic,
            covariates=[rows[column("covariate", k)] for k in range(len(self.covariates))],
            shares=[rows[column("share", k)] for k in range(len(self.states))],
        )
        without = self.without_offer(theta, customers, f)
        if not self.offers or held_out == len(customers.offer):
            return without[index]
        sent = Customers(
            offer=customers.offer[held_out:],
            segment=customers.segment[held_out:],
            campaign=customers.campaign[held_out:],
            organic=customers.organic[held_out:],
            covariates=[values[held_out:] for values in customers.covariates],
            shares=[values[held_out:] for values in customers.shares],
        )
        under = self.link.log_odds(without[held_out:], self.strengths_of(theta, sent, f), sent.shares, f)
        return f.joined([without[:held_out], under])[index]

    @property
    def _columns(self) -> tuple[HistoryColumn, ...]:
        """Columns that log-odds depend on."""
        return (
            "offer",
            "segment",
            "organic",
            *(("campaign",) if len(self.campaigns) > 1 else ()),
            *(column("drift", k) for k in range(len(self.scores))),
            *(column("covariate", k) for k in range(len(self.covariates))),
            *(column("share", k) for k in range(len(self.states))),
        )

    @override
    def hierarchy(self, cells: Cells) -> Hierarchy:
        h, ones = history_of(cells), [np.ones(1)] * len(self._names.spread)
        counts = cells.counts.astype(np.float64)
        return hierarchy_of(
            self._names,
            self.quantities,
            expansion(lambda at: self._log_odds((*at, *ones), h, NUMPY), cells["returned"], counts),
        )


def _distinct(h: History, names: Sequence[HistoryColumn]) -> tuple[History, int, NDArray[np.intp]]:
    """Rows that differ in one of the columns, by the first of them, the offer; number of held-out; place of each row.

    Whether customers returned is none of the columns: those who did and those who did not share their log-odds.
    """
    columns = np.column_stack([h[name].ravel() for name in names])
    _, first, index = np.unique(columns, axis=0, return_index=True, return_inverse=True)
    rows = h.take(first)
    return rows, int((rows["offer"] == 0).sum()), index.ravel()
