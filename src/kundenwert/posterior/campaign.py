"""The posterior of a campaign's response: who returns under which offer, and what that offer causes."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final, Self, final

import numpy as np
import pandas as pd

from kundenwert.errors import DataError, SpecificationError
from kundenwert.histories import CampaignLog, OrganicReturn
from kundenwert.inference.diagnostics import Diagnostics
from kundenwert.models.core import CampaignModel
from kundenwert.parallel import in_parallel
from kundenwert.posterior.audience import Audience, audience, segment_codes, standardised
from kundenwert.posterior.base import Posterior, Provenance, thinning
from kundenwert.posterior.response import Response, paired
from kundenwert.posterior.summary import blocks_of, check_interval, in_blocks, quantile
from kundenwert.scalars import check_count, check_seed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from kundenwert.duration import Horizon
    from kundenwert.histories import CohortLabel
    from kundenwert.models.core import Array

__all__ = ["CampaignPosterior", "prior_draws"]

EFFECT: Final = ("p_without", "p_return", "uplift", "lower", "upper", "p_negative")
UNTRIED: Final = "no campaign was seen"


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class CampaignPosterior(Posterior):
    """Posterior of a campaign's response.

    Methods take customers with their organic return, those of the campaign or others. Intervals are equal-tailed and
    hold the uncertainty about effects and organic probabilities, not a customer's own chance. Tables say in the column
    ``basis`` whether effects were learned from a campaign or are those of the "prior only".
    """

    model: CampaignModel[Any]

    @classmethod
    def from_prior(
        cls,
        model: CampaignModel[Any],
        *,
        offers: Sequence[str] = (),
        segments: Sequence[CohortLabel] = (),
        states: Sequence[str] = (),
        window: Horizon | None = None,
        draws: int = 2000,
        seed: int | None = None,
    ) -> Self:
        """What the priors say of offers before any campaign was seen, labelled "prior only".

        Return probabilities without an offer are the organic ones, exactly: without held-out customers nothing can be
        said of an error of theirs, and to spread them around would only raise the low ones.

        Parameters
        ----------
        model : CampaignResponse
            The model with its priors; its assignment has no influence.
        offers : sequence of str
            Labels of the offers. Effects of different offers are independent given the spread between offers.
        segments : sequence, optional
            Labels of segments between which effects may differ.
        states : sequence of str, optional
            Names of the states, for the link :class:`kundenwert.ByState`: those of the organic return.
        window : Duration or Periods, optional
            The window that the priors are about; with it, questions about another are refused.
        draws : int
            How many.
        seed : int, optional
            Makes the result reproducible. Without one, a seed is drawn and recorded.
        """
        if not isinstance(model, CampaignModel):
            message = f"from_prior takes a kundenwert.CampaignResponse(assignment=…), got {model!r}"
            raise SpecificationError(message)
        draws = check_count(draws, "draws")
        if isinstance(offers, str) or not (tuple(offers) or model.offers):
            message = f"offers takes the labels of one offer or more, for example offers=['10 % off']; got {offers!r}"
            raise SpecificationError(message)
        if model.link.needs_states and not (tuple(states) or model.states):
            message = (
                f"{type(model.link).__name__} tells effects apart by the state customers are in; name the states of "
                "the organic return: states=organic.states"
            )
            raise SpecificationError(message)
        named = replace(
            model,  # type: ignore[type-var]  # a dataclass
            offers=tuple(offers) or model.offers,
            segments=tuple(segments) or model.segments,
            states=(tuple(states) or model.states) if model.link.needs_states else (),
            window=window if window is not None else model.window,
            campaigns=(),
            scores=(),
            prior_only=UNTRIED,
        )
        seed = check_seed(seed)
        values = prior_draws(named, draws, np.random.default_rng([seed, zlib.crc32(b"prior")]))
        return cls(
            model=named,
            unit="campaign",
            values=values,
            diagnostics=Diagnostics(
                method="prior", draws=draws, chains=1, seed=seed, notes=(f"Prior only: {UNTRIED}.",)
            ),
            provenance=Provenance(version=version("kundenwert"), customers=0, cells=0),
        )

    @property
    def offers(self) -> tuple[str, ...]:
        """Labels of the offers."""
        return self.model.offers

    @property
    def segments(self) -> tuple[CohortLabel, ...]:
        """Labels of the segments that are told apart; empty if there are none."""
        return self.model.segments if len(self.model.segments) > 1 else ()

    @property
    def prior_only(self) -> str:
        """Why effects are those of the priors alone; empty if they were learned from a campaign."""
        return self.model.prior_only

    @property
    def basis(self) -> str:
        """What tables say in their column ``basis``: "campaign" or "prior only"."""
        return "prior only" if self.prior_only else "campaign"

    def response(
        self,
        organic: OrganicReturn,
        *,
        offer: str,
        segment: Sequence[CohortLabel] | pd.Series | None = None,
        covariates: pd.DataFrame | None = None,
    ) -> Response:
        """What these customers do under one offer, draw by draw.

        Parameters
        ----------
        organic : OrganicReturn
            The customers, with what they do by themselves.
        offer : str
            Label of the offer.
        segment : sequence, optional
            The segment of every customer, in their order. Without it, where segments are told apart, all belong to one
            more segment that is drawn, in each draw, from the population of segments.
        covariates : pandas.DataFrame, optional
            Those of the campaign, one column each, indexed by customer_id.

        Returns
        -------
        Response
            With as many draws as the posterior has, or as the organic return has if these are more and of other
            purchases than the campaign's. Where several campaigns were learned from, they are those of the next one,
            whose base is drawn, in each draw, from the population of campaigns.

        Raises
        ------
        DataError
            If the offer, a segment or a state is unknown, covariates are missing, or the organic return is that within
            another window than the campaign's.
        """
        return self._response(Audience(organic, segment, covariates), offer)

    def _response(self, asked: Audience, offer: str) -> Response:
        organic, new = asked.organic, len(self.model.campaigns)
        if not isinstance(organic, OrganicReturn):
            message = (
                "organic takes what kundenwert.organic_return(purchases, histories, window=…) gives, got "
                f"{type(organic).__name__}"
            )
            raise DataError(message)
        if offer not in self.offers:
            message = (
                f"the offer {offer!r} is unknown here; known are {', '.join(map(repr, self.offers)) or 'none'}. To "
                "judge an offer that nobody was sent yet by the others, name it before fitting: "
                "CampaignResponse(…, offers=(…))"
            )
            raise DataError(message)
        if self.model.link.needs_states and organic.states != self.model.states:
            message = (
                f"effects are told apart by the states {', '.join(self.model.states)}, but these customers have "
                f"{', '.join(organic.states)}; use the model of purchases of the campaign"
            )
            raise DataError(message)
        self.model.check_window(organic.window)
        self.model.check_organic(known=organic.known)
        codes = segment_codes(self.model, organic, asked.segment)
        chosen, organic_draws = paired(self.model, self.theta, organic)
        theta = self._with_new_campaign(self._with_new_segment() if asked.segment is None else self.theta)
        return Response(
            model=self.model,
            theta=tuple(value[chosen] for value in theta),
            organic=organic,
            offer=1 + self.offers.index(offer),
            segment=codes,
            campaign=np.full(len(organic), new) if asked.campaign is None else asked.campaign,
            covariates=standardised(self.model, organic, asked.covariates),
            organic_draws=organic_draws,
        )

    def uplift(
        self,
        customers: OrganicReturn | CampaignLog,
        *,
        offers: Sequence[str] | None = None,
        segment: Sequence[CohortLabel] | pd.Series | None = None,
        covariates: pd.DataFrame | None = None,
        interval: float = 0.90,
    ) -> pd.DataFrame:
        """What each offer does to each customer's probability of returning within the window.

        Parameters
        ----------
        customers : OrganicReturn or CampaignLog
            The customers; a campaign brings its segments and covariates along, and the base it was found to have.
        offers : sequence of str, optional
            Labels; all by default.
        segment, covariates
            As for :meth:`response`.
        interval : float
            Probability of the equal-tailed interval of the uplift.

        Returns
        -------
        pandas.DataFrame
            One row per customer and offer, indexed by both: columns p_without and p_return (posterior means), uplift
            (their difference), lower, upper, p_negative (that the offer does harm: a sleeping dog if it is high), and
            basis.
        """
        asked = audience(self.model, customers, segment, covariates)
        interval = check_interval(interval)
        chosen = self.offers if offers is None else tuple(offers)
        table = np.empty((6, len(asked.organic), len(chosen)))
        for k, offer in enumerate(chosen):
            response = self._response(asked, offer)

            def work(rows: slice, response: Response = response, k: int = k) -> None:
                table[:, rows, k] = _effect(*response.probabilities(rows), interval)

            in_blocks(len(asked.organic), response.draws, work)
        index = pd.MultiIndex.from_product([asked.organic.customer_id, list(chosen)], names=["customer_id", "offer"])
        frame = pd.DataFrame(dict(zip(EFFECT, table.reshape(6, -1), strict=True)), index=index)
        return frame.assign(basis=self.basis)

    def average_effects(
        self,
        customers: OrganicReturn | CampaignLog,
        *,
        segment: Sequence[CohortLabel] | pd.Series | None = None,
        covariates: pd.DataFrame | None = None,
        interval: float = 0.90,
    ) -> pd.DataFrame:
        """What each offer does on average to these customers, in each segment and in all.

        Parameters
        ----------
        customers : OrganicReturn or CampaignLog
            The customers; a campaign brings its segments and covariates along, and the base it was found to have.
        segment, covariates
            As for :meth:`response`.
        interval : float
            Probability of the equal-tailed interval of the uplift.

        Returns
        -------
        pandas.DataFrame
            One row per offer and segment, with the segment "all" first: columns customers, p_without, p_return, uplift,
            lower, upper, p_negative and basis.
        """
        asked = audience(self.model, customers, segment, covariates)
        interval = check_interval(interval)
        if len(asked.organic) == 0:
            message = "there are no customers to take the average of; expected one at least"
            raise DataError(message)
        codes = segment_codes(self.model, asked.organic, asked.segment)
        groups: dict[CohortLabel, NDArray[np.bool_]] = {"all": np.ones(len(asked.organic), dtype=np.bool_)}
        if asked.segment is not None:
            groups |= {label: codes == k for k, label in enumerate(self.segments) if (codes == k).any()}
        rows = []
        for offer in self.offers:
            response = self._response(asked, offer)

            def work(block: slice, response: Response = response) -> Array:
                both = np.stack(response.probabilities(block))
                return np.stack([both[:, member[block]].sum(axis=1) for member in groups.values()], axis=1)

            sums = np.sum(in_parallel(work, blocks_of(len(asked.organic), response.draws)), axis=0)
            for k, (label, member) in enumerate(groups.items()):
                p_without, p_return = sums[:, k] / member.sum()
                effect = dict(zip(EFFECT, _effect(p_without, p_return, interval), strict=True))
                rows.append({"offer": offer, "segment": label, "customers": int(member.sum()), **effect})
        return pd.DataFrame(rows).set_index(["offer", "segment"]).assign(basis=self.basis)

    def thinned(self, draws: int) -> Self:
        """The posterior with `draws` evenly spaced draws in one chain."""
        return self.chosen(thinning(self.values[0].size, draws))

    def chosen(self, positions: NDArray[np.intp]) -> Self:
        """The posterior with the draws at these positions, in one chain."""
        return replace(self, values=self.model.named([value[positions][None] for value in self.theta]))

    def _with_new_segment(self) -> tuple[Array, ...]:
        if not self.segments:
            return self.theta
        normals = self._normals(b"new segment", 1 + len(self.offers))
        theta: tuple[Array, ...] = self.model.with_new_segment(self.theta, list(normals))
        return theta

    def _with_new_campaign(self, theta: tuple[Array, ...]) -> tuple[Array, ...]:
        if len(self.model.campaigns) < 2:
            return theta
        longer: tuple[Array, ...] = self.model.with_new_campaign(theta, self._normals(b"new campaign", 1)[0])
        return longer

    def _normals(self, purpose: bytes, count: int) -> Array:
        """Standard normals, shape (count, draws), the same at every call."""
        stream = np.random.SeedSequence(self.diagnostics.seed or 0, spawn_key=(zlib.crc32(purpose),))
        return np.random.default_rng(stream).standard_normal((count, self.values[0].size))


def _effect(p_without: Array, p_return: Array, interval: float) -> Array:
    """The columns named in EFFECT, first axis, of probabilities by draw, last axis."""
    tail, ordered = (1 - interval) / 2, np.sort(p_return - p_without, axis=-1)
    return np.stack(
        [
            p_without.mean(axis=-1),
            p_return.mean(axis=-1),
            ordered.mean(axis=-1),
            quantile(ordered, tail),
            quantile(ordered, 1 - tail),
            (ordered < 0).mean(axis=-1),
        ]
    )


def prior_draws(model: CampaignModel[Any], draws: int, rng: np.random.Generator) -> tuple[Array, ...]:
    """Parameters drawn from the priors, each of shape (1, draws), with organic returns that are right."""
    quantities = [quantity.prior.sample(rng, draws)[None] for quantity in model.quantities]
    values: tuple[Array, ...] = model.uncorrected(model.parameters_of(quantities, "campaign"))
    return values
