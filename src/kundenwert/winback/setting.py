"""All that a plan is made from, and what follows from it for some of the customers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, final

import numpy as np
import pandas as pd
from scipy.special import ndtri

from kundenwert.economics.assumptions.lookup import rows_of
from kundenwert.economics.assumptions.terms import KnownAmount
from kundenwert.economics.value.distinct import DistinctCustomers, check_posteriors
from kundenwert.errors import MissingInformationError, SpecificationError
from kundenwert.histories import CustomerHistories
from kundenwert.histories.campaign_covariates import covariate_values
from kundenwert.posterior.base import thinning
from kundenwert.posterior.purchase import PurchasePosterior
from kundenwert.posterior.response import paired
from kundenwert.scalars import check_count
from kundenwert.winback.gains import Gains
from kundenwert.winback.offers import costs_of
from kundenwert.winback.organic import organic_return
from kundenwert.winback.outlook import Outlook

if TYPE_CHECKING:
    from narwhals.stable.v2.typing import IntoDataFrame
    from numpy.typing import NDArray

    from kundenwert.duration import Duration, Horizon
    from kundenwert.economics.assumptions.economics import Economics
    from kundenwert.models.core import Array
    from kundenwert.posterior import CampaignPosterior, SpendPosterior
    from kundenwert.winback.offers import Offer

__all__ = ["Setting", "distinct_customers"]

FACTORS: Final = 2  # the stream of random numbers that factors on second lives come from


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Setting:
    """The arguments of a plan."""

    purchases: PurchasePosterior
    spend: SpendPosterior | KnownAmount
    histories: CustomerHistories
    economics: Economics
    campaign: CampaignPosterior
    offers: tuple[Offer, ...]
    window: Duration
    horizon: Horizon
    customers: IntoDataFrame | None
    segment: str | None
    covariates: tuple[str, ...]
    draws: int
    seed: int

    def gains(
        self, positions: NDArray[np.int64], *, wait: float = 0.0, draws: int | None = None
    ) -> tuple[Gains, NDArray[np.int64]]:
        """What offers do to the customers at these positions, one of whom there is at least, and the row of each."""
        histories = self.histories.take(positions)
        kinds, purchases = distinct_customers(
            self.purchases,
            self.spend,
            histories,
            self.economics,
            horizon=self.horizon,
            customers=self.customers,
            draws=draws or self.draws,
        )
        # of the same posterior, draws of the response go with draws of the organic return; found once for all rows
        organic = organic_return(purchases, histories.take([0]), window=self.window, draws=draws or self.draws)
        chosen, kept = paired(self.campaign.model, self.campaign.theta, organic)
        if len(chosen) > (wanted := draws or self.draws):  # what is known goes with any draw of the response
            some = thinning(len(chosen), wanted)
            chosen, kept = chosen[some], kept[some]
        if organic.draws > 1 or kinds.spend_draws is not None:
            kinds = replace(
                kinds,
                purchases=purchases.chosen(kept),
                spend_draws=None if kinds.spend_draws is None else kinds.spend_draws[kept],
            )
        ids = histories.customer_id
        contact, redemption = costs_of(self.offers, ids, self.customers)
        segment, covariates = self.described(ids)
        keys = [*contact.T, *redemption.T]
        keys += [] if segment is None else [segment.to_numpy()]
        keys += [] if covariates is None else [column.to_numpy() for _, column in covariates.items()]
        kinds, member = _refined(kinds, keys)
        outlook = Outlook.of(kinds, self.spend, self.economics, window=self.window, wait=wait)
        return Gains(
            outlook=outlook,
            campaign=self.campaign.chosen(chosen),
            offers=self.offers,
            contact=contact[member],
            redemption=redemption[member],
            factors=self._factors(len(chosen)),
            ids=ids.take(member),
            segment=None if segment is None else segment.iloc[member],
            covariates=None if covariates is None else covariates.iloc[member],
        ), kinds.index

    def _factors(self, draws: int) -> Array:
        """Factors on second lives, shape (offers, draws): evenly spread quantiles, in random order."""
        found = np.empty((len(self.offers), draws))
        for place, offer in enumerate(self.offers):
            rng = np.random.default_rng([self.seed, FACTORS, place])
            score = ndtri((rng.permutation(draws) + 0.5) / draws)
            found[place] = np.exp(offer.second_life.mu + offer.second_life.sigma * score)
        return found

    def described(self, ids: pd.Index) -> tuple[pd.Series | None, pd.DataFrame | None]:
        """Segments and covariates of customers."""
        names = [*([self.segment] if self.segment is not None else []), *self.covariates]
        if names and self.customers is None:
            message = (
                f"there is no table to look {names[0]!r} up in; hand in one with the columns customer_id and "
                f"{', '.join(names)}: customers=table"
            )
            raise MissingInformationError(message)
        segment, found = None, {}
        for name in names:
            assert self.customers is not None  # noqa: S101 - see above
            table, place = rows_of(self.customers, name, "the response to offers", ids)
            if name == self.segment:
                segment = pd.Series(table.get_column(name).to_list(), dtype=object).iloc[place]
            else:
                found[name] = covariate_values(table, name)[place]
        return segment, pd.DataFrame(found, index=ids) if found else None


def distinct_customers(
    purchases: PurchasePosterior,
    spend: SpendPosterior | KnownAmount,
    histories: CustomerHistories,
    economics: Economics,
    *,
    horizon: Horizon,
    customers: IntoDataFrame | None,
    draws: int,
) -> tuple[DistinctCustomers, PurchasePosterior]:
    """Kinds of customers, with at most so many evenly spaced draws of the posteriors, and that of purchases.

    Raises
    ------
    MissingInformationError
        If the histories are not in time.
    SpecificationError
        If arguments are in the wrong place.
    """
    check_posteriors(purchases, spend, economics)
    if not isinstance(purchases, PurchasePosterior):
        message = (
            "win-back is about customers without contracts: purchases must be a PurchasePosterior, got "
            f"{type(purchases).__name__}"
        )
        raise SpecificationError(message)
    if not isinstance(histories, CustomerHistories):
        message = (
            "win-back needs to know for how long customers have been silent: histories must be CustomerHistories, made "
            f"by kundenwert.summarize(log, …); got {type(histories).__name__}"
        )
        raise MissingInformationError(message)
    draws = check_count(draws, "draws")
    counts = [purchases.of_cells.draws] + ([] if isinstance(spend, KnownAmount) else [spend.of_cells.draws])
    count = min([draws, *([each for each in counts if each > 1] or [1])])
    chosen = purchases.chosen(thinning(purchases.of_cells.draws, count))
    kinds = DistinctCustomers.of(chosen, spend, histories, economics, horizon=horizon, customers=customers)
    if isinstance(spend, KnownAmount):
        return kinds, chosen
    # pairs of draws may have been made anew, for a posterior with more of them
    return replace(kinds, purchases=chosen, spend_draws=thinning(spend.of_cells.draws, count)), chosen


def _refined(
    kinds: DistinctCustomers, keys: list[Array | NDArray[np.object_]]
) -> tuple[DistinctCustomers, NDArray[np.int64]]:
    """Kinds that agree in these values besides, one entry a customer, in the same order; and a customer of each."""
    key = kinds.index
    for values in keys:
        code, distinct = pd.factorize(values, sort=False, use_na_sentinel=False)  # null is a value too
        if len(distinct) > 1:
            key, _ = pd.factorize(key * len(distinct) + code, sort=True)
    if key is not kinds.index:
        # the kind stays the slowest key
        key, _ = pd.factorize(kinds.index * (key.max() + 1) + key, sort=True)
    index, distinct_keys = pd.factorize(key, sort=True)
    member = np.empty(len(distinct_keys), dtype=np.int64)
    member[index] = np.arange(len(index))
    kind = kinds.index[member]
    finer = replace(
        kinds, index=index.astype(np.int64), cell=kinds.cell[kind], shared=kinds.shared[kind], own=kinds.own.take(kind)
    )
    return finer, member
