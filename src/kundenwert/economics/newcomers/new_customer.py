"""What a new customer is worth, what winning one may cost, and when that is paid back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from kundenwert.duration import Duration, check_duration, units_per_year
from kundenwert.economics.flows.streams import periods_per_year
from kundenwert.economics.newcomers.by_channel import Channel, by_channel
from kundenwert.economics.newcomers.newcomers import Newcomer, new_cells
from kundenwert.economics.newcomers.payback import payback_of_average, payback_of_single
from kundenwert.economics.newcomers.terms import NewcomerTerms
from kundenwert.economics.newcomers.value import AVERAGE, SINGLE, NewcomerRow, NewCustomerValue
from kundenwert.errors import DurationError, SpecificationError
from kundenwert.posterior.contract import ContractPosterior
from kundenwert.posterior.spend import SpendPosterior
from kundenwert.posterior.summary import check_interval
from kundenwert.progress import each, shown_as
from kundenwert.scalars import check_count

if TYPE_CHECKING:
    from kundenwert.duration import Horizon
    from kundenwert.economics.assumptions.economics import Economics
    from kundenwert.economics.assumptions.terms import KnownAmount
    from kundenwert.posterior import PurchasePosterior

__all__ = ["new_customer_value"]


def new_customer_value(
    purchases: PurchasePosterior | ContractPosterior | Mapping[str, PurchasePosterior | ContractPosterior],
    spend: SpendPosterior | KnownAmount | Mapping[str, SpendPosterior | KnownAmount],
    economics: Economics,
    *,
    horizon: Horizon,
    first_purchase: bool,
    first_amount: KnownAmount | Mapping[str, KnownAmount] | None = None,
    every: Duration | None = None,
    interval: float = 0.90,
    futures: int = 20_000,
    seed: int = 1,
    progress: bool | None = None,
) -> NewCustomerValue:
    """Value of a new customer as of the first purchase, what winning one may cost, and when that is paid back.

    A new customer is one who has just bought for the first time, and is taken to be like those whom a fit has learnt
    from. Customers of different channels need fits of their own: ``kundenwert.fit(model, histories.take(…))``. The
    first purchase and the acquisition cost are now: they are not discounted, under any convention. A new contract is
    paid for its first period now, and for each of the others at a renewal.

    Parameters
    ----------
    purchases : PurchasePosterior, ContractPosterior or mapping
        When customers buy, or end their contracts; by channel, if it is a mapping. Contracts of several cohorts give
        a row for each of them, and one for a new cohort.
    spend : SpendPosterior, KnownAmount or mapping
        How much they spend at a purchase, for all channels or by channel, taken as independent of how often they buy.
        What is expected is the mean over the population, as learnt from repeat purchases.
    economics : Economics
        Margins, costs and discounting: the same for all channels, but for the acquisition cost, which may be a mapping.
    horizon : Duration, Periods or LIFETIME
        How long, from the first purchase on. With LIFETIME values hold everything that is to come, but curves and
        paybacks end after 20 years.
    first_purchase : bool
        Whether the first purchase (the first period of a contract) counts. If the money is spent so that someone buys
        for the first time, it does; if they would have bought once anyway, it does not.
    first_amount : KnownAmount or mapping, optional
        Mean amount of a first purchase, where it differs from that of repeat purchases, as it often does. By default
        it is the same.
    every : Duration, optional
        Time between two opportunities or renewals, for the models that count them.
    interval : float
        Probability of the equal-tailed intervals.
    futures : int
        How many single customers to simulate, for their time of payback; with 0 it is left out.
    seed : int
        Of these: the same seed gives the same customers.
    progress : bool, optional
        Whether to show how far it is; by default as :func:`kundenwert.show_progress` says.

    Returns
    -------
    NewCustomerValue
        Tables of values and paybacks; curves of both.

    Raises
    ------
    InfiniteValueError
        If purchases for life are not finite without discounting, or the mean amount is infinite. Also if nothing is
        discounted for life and customers are served by a rule that depends on what they do
        (:class:`WhilePAliveAbove`, :class:`WhileReturnProbabilityAbove`): they are followed for as long as money
        counts, which would be for ever.
    SpecificationError
        If channels do not match, or something would have to be looked up per customer.
    SizeError
        If single customers would make too many purchases to be simulated, or opportunities or renewals are too many.

    Examples
    --------
    >>> import kundenwert as kw
    >>> purchases = kw.fixed(kw.MBGNBD.Parameters(r=0.52, alpha=6.2, a=0.89, b=1.6, unit="week"))
    >>> shop = kw.Economics(margin=0.30, annual_discount_rate=0.10, acquisition_cost=15.00)
    >>> new = kw.new_customer_value(purchases, kw.KnownAmount(35.0), shop, horizon=kw.years(3), first_purchase=True)
    >>> new.table[["mean", "first_purchase", "repeat_purchases", "highest_acquisition_cost"]].round(1)
                  mean  first_purchase  repeat_purchases  highest_acquisition_cost
    new customer  20.0            10.5              24.5                      35.0
    """
    check_interval(interval)
    _check(futures, seed, first_purchase, first_amount)
    first_purchase, futures, seed = bool(first_purchase), int(futures), int(seed)
    channels = by_channel(purchases, spend, economics, first_amount)
    unit = channels[0].purchases.unit
    with_cohorts = any(isinstance(one.purchases, ContractPosterior) and one.purchases.model.cohorts for one in channels)
    every_years = _in_years(every, channels[0])
    rows: list[NewcomerRow] = []
    with shown_as("new customers", progress):
        for channel in each(channels, "channels"):
            posterior = channel.purchases
            if isinstance(posterior, ContractPosterior):
                posterior = posterior.of_all_cohorts()
            length = _length(horizon, posterior)
            terms = NewcomerTerms.of(
                economics,
                channel.spend,
                acquisition_cost=channel.acquisition_cost,
                first=first_purchase,
                first_amount=channel.first_amount,
            )
            amounts = channel.spend if isinstance(channel.spend, SpendPosterior) else None
            for cells in new_cells(posterior, every_years):
                label: list[str | int] = [] if channel.name is None else [channel.name]
                if with_cohorts:
                    label.append(cells.cohorts[int(cells["cohort"][0])] if cells.cohorts else "all")
                newcomer = Newcomer.of(posterior, amounts, cells, economics, terms, length=length)
                per_unit = 1.0 if newcomer.counts else periods_per_year(cells) / units_per_year(unit)
                paybacks = {AVERAGE: payback_of_average(newcomer) / per_unit}
                if futures:
                    paybacks[SINGLE] = payback_of_single(newcomer, futures, [seed, len(rows)]) / per_unit
                rows.append(NewcomerRow(label=tuple(label), newcomer=newcomer, per_unit=per_unit, paybacks=paybacks))
    names = (*(["channel"] if isinstance(purchases, Mapping) else []), *(["cohort"] if with_cohorts else []))
    return NewCustomerValue.of(rows, names, unit=unit, interval=interval, currency=economics.currency)


def _length(horizon: Horizon, posterior: PurchasePosterior | ContractPosterior) -> float:
    """The horizon in the unit of the posterior."""
    length = check_duration(horizon, "horizon", lifetime=True).in_unit(posterior.unit)
    if length == 0:
        message = f"horizon must reach beyond the moment of the first purchase, got {horizon!r}"
        raise DurationError(message)
    return length


def _in_years(every: Duration | None, channel: Channel) -> float:
    """Years between two opportunities or renewals; NaN where time is measured."""
    unit = channel.purchases.unit
    model = type(channel.purchases.model).__name__
    if unit not in {"opportunity", "renewal"}:
        if every is not None:
            message = f"every is the time between opportunities or renewals, and {model} counts neither; leave it out"
            raise SpecificationError(message)
        return float("nan")
    if not isinstance(every, Duration) or every.is_lifetime or every.in_days == 0:
        message = (
            f"{model} counts by {unit}, and how far apart these are must be said: every=kundenwert.months(1), for "
            f"example; got {every!r}"
        )
        raise DurationError(message)
    return every.in_unit("year")


def _check(futures: int, seed: int, first_purchase: bool, first_amount: object) -> None:  # noqa: FBT001 - an argument
    if not isinstance(first_purchase, (bool, np.bool_)):
        message = f"first_purchase says whether the first purchase counts, True or False; got {first_purchase!r}"
        raise SpecificationError(message)
    if first_amount is not None and not first_purchase:
        message = "first_amount is given, and with first_purchase=False the first purchase does not count; drop one"
        raise SpecificationError(message)
    for name, value in {"futures": futures, "seed": seed}.items():
        check_count(value, name, smallest=0)
