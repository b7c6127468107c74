"""What offers bring and cost, per kind of customer and draw; and their totals, draw by draw.

ENPV = sum over states of (change of P(return) there) × (value of a return that the offer brings - value of waiting)
       - P(return with the offer) × redemption cost - contact cost.

Those who return anyway keep their value, and their redemption is paid too. Where the offer drives customers away who
would have returned, what they are worth after an organic return is lost, and they wait instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, final

import numpy as np

from kundenwert.errors import InferenceError
from kundenwert.parallel import in_parallel
from kundenwert.posterior.summary import blocks_of, quantile
from kundenwert.winback.outlook import value_given_return

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from numpy.typing import NDArray

    from kundenwert.histories.organic import OrganicReturn
    from kundenwert.models.core import Array
    from kundenwert.posterior import CampaignPosterior, Response
    from kundenwert.posterior.response import ResponseBlock
    from kundenwert.winback.offers import Offer
    from kundenwert.winback.outlook import Chances, Outlook, Worth

__all__ = ["Assessment", "Gain", "Gains", "Spending", "Totals", "summary_of"]

COUNTED: Final = 10_000  # customers who may redeem, of whom each can be looked at


class Gain(NamedTuple):
    """What one offer does to each kind of customer, shape (rows, draws).

    Attributes
    ----------
    value
        Incremental net present value, all costs paid.
    returns
        Incremental value before redemption and contact.
    p_return, p_without
        P(returns within the window), with the offer and without.
    spend
        Contact, and redemption by those who return.
    """

    value: Array
    returns: Array
    p_return: Array
    p_without: Array
    spend: Array


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """Summaries of each offer for each row, shape (rows, offers); or (rows,) for what no offer changes."""

    value: tuple[Array, Array, Array]
    returns: Array
    p_return: tuple[Array, Array, Array]
    p_pays: Array
    p_harms: Array
    spend: Array
    p_without: tuple[Array, Array, Array]


class Totals(NamedTuple):
    """Totals over customers, each of shape (draws,); the variance is that of spend given the parameters."""

    value: Array
    spend: Array
    returns: Array
    returns_without: Array
    variance: Array

    @property
    def spending(self) -> Spending:
        """Spend alone."""
        return Spending(self.spend, self.variance)


class Spending(NamedTuple):
    """Expected spend in total, and its variance given the parameters: customers' own chance; shape (draws,).

    Where few are contacted, also what it hangs on: how many of a kind may redeem what, shape (kinds,), and with which
    probability, shape (kinds, draws).
    """

    mean: Array
    variance: Array
    kinds: tuple[Array, Array, Array] | None = None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Gains:
    """Kinds of customers, the rows of an outlook, and the offers that may be made to them.

    Attributes
    ----------
    outlook
        Who returns by themselves, and what they are worth.
    campaign
        How they respond; its draws go with those of the outlook, or all of them with its only one.
    offers
        The offers.
    contact, redemption
        Costs, shape (rows, offers).
    factors
        On the second life that an offer brings about, shape (offers, draws).
    ids
        A customer of each row.
    segment, covariates
        What the response depends on besides, one entry a row; or None.
    """

    outlook: Outlook
    campaign: CampaignPosterior
    offers: tuple[Offer, ...]
    contact: Array
    redemption: Array
    factors: Array
    ids: pd.Index
    segment: pd.Series | None = None
    covariates: pd.DataFrame | None = None

    def __len__(self) -> int:
        return len(self.outlook)

    @property
    def draws(self) -> int:
        """Number of draws; the outlook has as many, or one if purchases are known."""
        return int(self.factors.shape[1])

    def gain(
        self,
        organic: OrganicReturn,
        chances: Chances,
        worth: Worth,
        *,
        rows: slice,
        place: int,
        within: NDArray[np.intp],
    ) -> Gain:
        """What an offer does to the rows at positions `within` this slice."""
        at = rows.start + within
        whole = len(within) == len(organic)
        response = self._response(organic if whole else organic.take(within), at, place)
        p_without, p_return, induced = response.block(slice(0, len(within)))
        if not whole:
            chances, worth = chances.at(within), worth.at(within)
        factor = self.factors[place]
        up = np.maximum(induced, 0.0)
        returns = (up * (factor * worth.regained - worth.waiting)).sum(axis=0)
        down = np.minimum(induced, 0.0)
        if down.any():
            returns += (down * (value_given_return(chances, worth) - worth.waiting)).sum(axis=0)
        if worth.service is not None:
            returns -= (up * (worth.service.regained - worth.service.waiting)).sum(axis=0)
            returns -= (down * (worth.service.returning - worth.service.waiting)).sum(axis=0)
        spend = self.contact[at, place, None] + p_return * self.redemption[at, place, None]
        return Gain(returns - spend, returns, p_return, p_without, spend)

    def responses(self, organic: OrganicReturn, rows: slice, place: int) -> ResponseBlock:
        """What the rows of a slice do without an offer, with it, and who of them is brought back by it."""
        at = np.arange(rows.start, rows.stop)
        return self._response(organic, at, place).block(slice(0, len(at)))

    def _response(self, organic: OrganicReturn, at: NDArray[np.intp], place: int) -> Response:
        """What the rows at these positions do under an offer."""
        return self.campaign.response(
            organic,
            offer=self.offers[place].label,
            segment=None if self.segment is None else self.segment.iloc[at],
            covariates=None if self.covariates is None else self.covariates.iloc[at],
        )

    def each(self, rows: slice, wanted: Callable[[int], NDArray[np.intp]]) -> list[tuple[int, NDArray[np.intp], Gain]]:
        """Gains by all offers, each for the rows within the slice at the positions `wanted` of it; none if empty."""
        positions = [(place, wanted(place)) for place in range(len(self.offers))]
        if not any(len(within) for _, within in positions):
            return []
        organic = self.outlook.organic(rows, self.ids[rows])
        chances, worth = self.outlook.chances(rows), self.outlook.worth(rows)
        return [
            (place, within, self.gain(organic, chances, worth, rows=rows, place=place, within=within))
            for place, within in positions
            if len(within)
        ]

    def assess(self, interval: float) -> Assessment:
        """Summarise every offer for every row."""
        rows, offers, tail = len(self), len(self.offers), (1 - interval) / 2
        of_offer = [np.empty((rows, offers)) for _ in range(10)]
        without = [np.empty(rows) for _ in range(3)]
        mean, lower, upper, returns, p, p_lower, p_upper, pays, harms, spend = of_offer

        def work(block: slice) -> None:
            every = np.arange(block.stop - block.start)
            for place, _, gain in self.each(block, lambda _: every):
                at = (block, place)
                mean[at], lower[at], upper[at] = _summary(gain.value, tail)
                returns[at] = _mean(gain.returns)
                p[at], p_lower[at], p_upper[at] = _summary(gain.p_return, tail)
                pays[at] = _mean(np.where(np.isnan(gain.value), np.nan, gain.value > 0))
                harms[at] = (gain.p_return < gain.p_without).mean(axis=-1)
                spend[at] = gain.spend.mean(axis=-1)
                if place == 0:
                    without[0][block], without[1][block], without[2][block] = _summary(gain.p_without, tail)

        in_parallel(work, blocks_of(rows, self.draws))
        if not np.isfinite(mean).all():
            message = (
                "the value of an offer has no number for some customers: parameters or costs are too extreme for it; "
                "look at kundenwert.net_present_value for them"
            )
            raise InferenceError(message)
        return Assessment(
            value=(mean, lower, upper),
            returns=returns,
            p_return=(p, p_lower, p_upper),
            p_pays=pays,
            p_harms=harms,
            spend=spend,
            p_without=(without[0], without[1], without[2]),
        )

    def means(self) -> Array:
        """Expected incremental value of every offer, shape (rows, offers)."""
        result = np.empty((len(self), len(self.offers)))

        def work(block: slice) -> None:
            every = np.arange(block.stop - block.start)
            for place, _, gain in self.each(block, lambda _: every):
                result[block, place] = _mean(gain.value)

        in_parallel(work, blocks_of(len(self), self.draws))
        return result

    def may_be_counted(self, customers: Array) -> bool:
        """Whether so few may redeem that each of them can be looked at."""
        return bool((customers * (self.redemption > 0)).sum() <= COUNTED)

    def spending(self, customers: Array) -> Spending:
        """Spend on so many customers of each row, each with an offer: shape (rows, offers) of numbers."""
        counted = self.may_be_counted(customers)

        def work(block: slice) -> tuple[Array, list[tuple[Array, Array, Array]]]:
            sums = np.zeros((2, self.draws))
            kinds: list[tuple[Array, Array, Array]] = []
            if not (here := customers[block]).any():
                return sums, kinds
            organic = self.outlook.organic(block, self.ids[block])
            for place in np.flatnonzero(here.any(axis=0)).tolist():
                within = np.flatnonzero(here[:, place])
                at = block.start + within
                p_return = self._response(organic.take(within), at, place).p_return(slice(0, len(within)))
                number, contact, redeemed = here[within, place], self.contact[at, place], self.redemption[at, place]
                sums[0] += number @ contact + (number * redeemed) @ p_return
                sums[1] += (number * redeemed**2) @ (p_return * (1 - p_return))
                if counted and (costly := redeemed > 0).any():
                    kinds.append((number[costly], redeemed[costly], p_return[costly]))
            return sums, kinds

        parts = in_parallel(work, blocks_of(len(self), self.draws))
        mean, variance = sum((sums for sums, _ in parts), start=np.zeros((2, self.draws)))
        found = [kind for _, kinds in parts for kind in kinds]
        if not found:
            return Spending(mean, variance)
        number, redeemed, p_return = (np.concatenate(each) for each in zip(*found, strict=True))
        return Spending(mean, variance, (number, redeemed, p_return))

    def totals(self, customers: Array) -> list[Totals]:
        """Totals over so many customers of each row, each with an offer: shape (sets, rows, offers) of numbers."""
        sets = len(customers)

        def work(block: slice) -> Array:
            here = customers[:, block]
            sums = np.zeros((len(Totals._fields), sets, self.draws))
            for place, within, gain in self.each(block, lambda place: np.flatnonzero(here[:, :, place].any(axis=0))):
                number = here[:, within, place]
                parts = (gain.value, gain.spend, gain.p_return, gain.p_without)
                sums[:-1] += np.stack([number @ part for part in parts])
                redeemed = self.redemption[block.start + within, place]
                sums[-1] += (number * redeemed**2) @ (gain.p_return * (1 - gain.p_return))
            return sums

        parts = in_parallel(work, blocks_of(len(self), self.draws))
        total = sum(parts, start=np.zeros((len(Totals._fields), sets, self.draws)))
        return [Totals(*total[:, place]) for place in range(sets)]


def _summary(values: Array, tail: float) -> tuple[Array, Array, Array]:
    """Mean and quantiles of each row; draws without a number are left out."""
    ordered = np.sort(values, axis=-1)
    if np.isnan(ordered[:, -1]).any():
        with np.errstate(invalid="ignore"):
            return (
                np.nanmean(values, axis=-1),
                np.nanquantile(values, tail, axis=-1),
                np.nanquantile(values, 1 - tail, axis=-1),
            )
    return values.mean(axis=-1), quantile(ordered, tail), quantile(ordered, 1 - tail)


def _mean(values: Array) -> Array:
    mean = values.mean(axis=-1)
    return np.asarray(np.nanmean(values, axis=-1) if np.isnan(mean).any() else mean)


def summary_of(values: Array, interval: float) -> tuple[float, float, float]:
    """Mean and interval of draws; those without a number are left out."""
    ordered, tail = np.sort(values[~np.isnan(values)]), (1 - interval) / 2
    return float(ordered.mean()), float(quantile(ordered, tail)), float(quantile(ordered, 1 - tail))
