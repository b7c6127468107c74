"""What customers do under one offer, block by block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, final

import numpy as np
from scipy.spatial import cKDTree
from scipy.special import expit

from kundenwert.histories.campaign_terms import log_odds, shares_of
from kundenwert.models.core import NUMPY, Customers
from kundenwert.posterior.base import thinning

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kundenwert.histories import OrganicReturn
    from kundenwert.models.core import Array, CampaignModel

__all__ = ["Response", "ResponseBlock", "paired"]


class ResponseBlock(NamedTuple):
    """Customers under one offer: return probabilities, and where the change falls.

    Parameters
    ----------
    p_without, p_return
        P(returns within the window) without the offer and under it, shape (rows, draws).
    induced
        The part of their difference in each state, shape (states, rows, draws).
    """

    p_without: Array
    p_return: Array
    induced: Array


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Response:
    """What customers do under one offer; rows are customers in the order of the organic return.

    Made by :meth:`CampaignPosterior.response`. Probabilities are in (0, 1).

    Attributes
    ----------
    model, theta
        The model, and its parameters in each draw, of shape (draws,).
    organic
        The customers, with what they do by themselves.
    offer
        Position of the offer, from 1.
    segment, campaign
        Position of each customer's segment and campaign, shape (customers,).
    covariates
        Standardised, shape (customers, covariates).
    organic_draws
        Which draw of the organic return each draw here belongs to, shape (draws,).
    """

    model: CampaignModel[Any]
    theta: tuple[Array, ...]
    organic: OrganicReturn
    offer: int
    segment: NDArray[np.int64]
    campaign: NDArray[np.int64]
    covariates: Array
    organic_draws: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.organic)

    @property
    def states(self) -> tuple[str, ...]:
        """Names of the states of :meth:`induced`."""
        return self.organic.states

    @property
    def draws(self) -> int:
        """Number of draws."""
        return len(self.organic_draws)

    def p_return(self, rows: slice) -> Array:
        """P(returns within the window) under the offer, shape (rows, draws)."""
        return expit(self._log_odds(rows)[1])

    def p_without(self, rows: slice) -> Array:
        """P(returns within the window) without it: organic, corrected by the held-out; shape (rows, draws)."""
        return expit(self._log_odds(rows)[0])

    def probabilities(self, rows: slice) -> tuple[Array, Array]:
        """P(returns within the window) without the offer and under it, in one pass; shape (rows, draws) each."""
        without, under, _ = self._log_odds(rows)
        return expit(without), expit(under)

    def induced(self, rows: slice) -> Array:
        """The part of p_return - p_without that falls on customers in each state, shape (states, rows, draws)."""
        return self.block(rows).induced

    def block(self, rows: slice) -> ResponseBlock:
        """All three in one pass."""
        without, under, strengths = self._log_odds(rows)
        p0, p1 = expit(without), expit(under)
        each, which = self._organic_draws
        probability, returns = (part[..., which] for part in self._by_state(rows, each))
        induced = self.model.link.induced(p0, p1, strengths, probability, returns, states=self.states)
        return ResponseBlock(p0, p1, induced)

    @property
    def _organic_draws(self) -> tuple[NDArray[np.intp], NDArray[np.intp] | slice]:
        """The draws of the organic return that are needed, and which of them each draw here takes."""
        each, which = np.unique(self.organic_draws, return_inverse=True)
        return (each, which) if len(each) < self.draws else (self.organic_draws, slice(None))

    def _by_state(self, rows: slice, draws: NDArray[np.intp]) -> tuple[Array, Array]:
        histories, place = np.unique(self.organic.index[rows], return_inverse=True)
        pick = np.ix_(np.arange(len(self.states)), histories, draws)
        return self.organic.probability[pick][:, place], self.organic.returns[pick][:, place]

    def _log_odds(self, rows: slice) -> tuple[Array, Array, list[Array]]:
        """Log-odds without and under the offer, and its strengths."""
        each, which = self._organic_draws
        probability, returns = self._by_state(rows, each)
        segment = self.segment[rows, None]
        customers = Customers(
            offer=np.full_like(segment, self.offer),
            segment=segment,
            campaign=self.campaign[rows, None],
            organic=log_odds(returns.sum(axis=0))[:, which],
            covariates=list(self.covariates[rows].T[:, :, None]),
            shares=list(shares_of(probability, returns)[..., which]) if self.model.link.needs_states else [],
        )
        without = self.model.without_offer(self.theta, customers, NUMPY)
        strengths = list(self.model.strengths_of(self.theta, customers, NUMPY))
        return without, self.model.link.log_odds(without, strengths, customers.shares, NUMPY), strengths


def paired(
    model: CampaignModel[Any], theta: tuple[Array, ...], organic: OrganicReturn
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Draws of the response and of the organic return that belong together, as positions of equal length.

    A correction learned from the held-out goes with the organic probabilities it was learned beside. So if these are of
    the same posterior of purchases as those of the campaign, every draw of the response gets the organic draw whose
    principal components are nearest to its own: those that the campaign speaks for come several times, others never.
    Otherwise the two are independent, and the draws of which there are fewer are repeated evenly.
    """
    response, organically = len(theta[0]), organic.draws
    scores = np.array(model.scores)
    if not len(scores) or organic.source is None or organic.source != model.source or scores.shape[1] != organically:
        count = max(response, organically)
        return thinning(response, count), thinning(organically, count)
    learned = np.stack([theta[2 + k] for k in range(len(scores))], axis=1)
    _, nearest = cKDTree(scores.T).query(learned)
    return np.arange(response), np.asarray(nearest, dtype=np.intp)
