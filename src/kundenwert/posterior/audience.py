"""Whom a campaign's response is asked about: their segments, their covariates and the campaign they were in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from kundenwert.errors import DataError
from kundenwert.histories import CampaignLog, OrganicReturn
from kundenwert.histories.campaign_covariates import standard_terms, term
from kundenwert.histories.validation import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from kundenwert.histories import CohortLabel
    from kundenwert.models.core import Array, CampaignModel

__all__ = ["Audience", "audience", "segment_codes", "standardised"]


class Audience(NamedTuple):
    """Customers with their organic return, and what else their response depends on."""

    organic: OrganicReturn
    segment: Sequence[CohortLabel] | pd.Series | None = None
    covariates: pd.DataFrame | None = None
    campaign: NDArray[np.int64] | None = None


def audience(
    model: CampaignModel[Any],
    customers: OrganicReturn | CampaignLog,
    segment: Sequence[CohortLabel] | pd.Series | None,
    covariates: pd.DataFrame | None,
) -> Audience:
    """Customers with what a campaign brings along, where nobody said otherwise."""
    if not isinstance(customers, CampaignLog):
        return Audience(customers, segment, covariates)
    if segment is None and customers.segments and len(model.segments) > 1:
        segment = [customers.segments[k] for k in customers.segment]
    campaign = None
    if customers.campaign is not None:  # one that was not learned from is a new one
        places = {label: k for k, label in enumerate(model.campaigns)}
        new = len(model.campaigns)
        campaign = np.array([places.get(label, new) for label in customers.campaigns])[customers.campaign]
    return Audience(customers.organic, segment, customers.covariates if covariates is None else covariates, campaign)


def segment_codes(
    model: CampaignModel[Any], organic: OrganicReturn, segment: Sequence[CohortLabel] | pd.Series | None
) -> NDArray[np.int64]:
    """Position of each customer's segment; one beyond the last if nobody said.

    Raises
    ------
    DataError
        If a segment is unknown, or there is not one per customer.
    """
    known = model.segments
    if segment is None:
        return np.full(len(organic), len(known) if len(known) > 1 else 0, dtype=np.int64)
    if not known:
        message = (
            "segments were given, but this response tells none apart: leave them out, or name the column of a "
            "campaign before fitting (CampaignLog.from_pandas(…, segment=…)) or the labels for priors "
            "(CampaignPosterior.from_prior(…, segments=…))"
        )
        raise DataError(message)
    labels = list(segment)
    if len(labels) != len(organic):
        message = f"segment has {len(labels)} entries for {len(organic)} customers; expected one per customer"
        raise DataError(message)
    places = {label: k for k, label in enumerate(known)}
    codes = np.array([places.get(label, -1) for label in labels], dtype=np.int64)
    if (codes < 0).any():
        first = int(np.argmax(codes < 0))
        message = (
            f"customer {shown(organic.customer_id, first)} is in the segment {labels[first]!r}, which is unknown "
            f"here; known are {', '.join(map(repr, known))}. Without segment=…, customers are taken to be "
            "of a segment that is like these"
        )
        raise DataError(message)
    return codes


def standardised(model: CampaignModel[Any], organic: OrganicReturn, covariates: pd.DataFrame | None) -> Array:
    """Covariates of the customers as the model takes them, shape (customers, terms).

    Raises
    ------
    DataError
        If some are missing, or neither a finite number nor a level that the campaign had.
    """
    if not model.covariates:
        return np.empty((len(organic), 0))
    if not isinstance(covariates, pd.DataFrame):
        names = ", ".join(dict.fromkeys([*_numeric(model), *(name for name, _ in model.categories)]))
        message = (
            f"effects depend on the covariates {names}; give a table with these columns, indexed by customer_id: "
            "covariates=table"
        )
        raise DataError(message)
    return standard_terms(covariates, organic.customer_id, model.covariates, model.categories)


def _numeric(model: CampaignModel[Any]) -> list[str]:
    levels = {term(name, level) for name, known in model.categories for level in known}
    return [name for name, _, _ in model.covariates if name not in levels]
