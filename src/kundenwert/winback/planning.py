"""From posteriors, costs and a budget to a plan."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Final

import numpy as np

from kundenwert.duration import LIFETIME, Duration, check_duration
from kundenwert.errors import ComparisonWarning, SpecificationError
from kundenwert.histories.base import as_histories
from kundenwert.posterior.campaign import CampaignPosterior
from kundenwert.posterior.summary import check_interval
from kundenwert.progress import shown_as
from kundenwert.scalars import check_seed, is_number
from kundenwert.winback.deciding import Decided
from kundenwert.winback.detectable import Detectable
from kundenwert.winback.lots import HOLD_OUT, lots
from kundenwert.winback.offers import check_offers, eligible_for
from kundenwert.winback.setting import Setting, distinct_customers
from kundenwert.winback.timing import check_waits

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from narwhals.stable.v2.typing import IntoDataFrame
    from numpy.typing import NDArray

    from kundenwert.duration import Horizon
    from kundenwert.economics.assumptions.economics import Economics
    from kundenwert.economics.assumptions.terms import KnownAmount
    from kundenwert.histories import CustomerHistories
    from kundenwert.posterior import PurchasePosterior, SpendPosterior
    from kundenwert.winback.offers import Offer
    from kundenwert.winback.plan import WinbackPlan

__all__ = ["plan_winback"]

ROUNDING: Final = 1  # the stream of random numbers that decides how many are held out


def plan_winback(
    purchases: PurchasePosterior,
    spend: SpendPosterior | KnownAmount,
    histories: CustomerHistories,
    economics: Economics,
    *,
    response: CampaignPosterior,
    offers: Sequence[Offer],
    window: Duration,
    horizon: Horizon = LIFETIME,
    budget: float = math.inf,
    hard_cap: float | None = None,
    hard_cap_probability: float = 0.95,
    hold_out: float = 0.10,
    waits: Sequence[Duration] = (),
    customers: IntoDataFrame | None = None,
    segment: str | None = None,
    covariates: Sequence[str] = (),
    draws: int = 200,
    interval: float = 0.90,
    seed: int | None = None,
    progress: bool | None = None,
) -> WinbackPlan:
    """Whom to make which offer, so that what it brings beyond doing nothing is largest, all costs paid.

    For every customer and offer, draw by draw: what a return is worth that the offer brings about, less what the
    customer is worth who waits (and may return later), times the change of the return probability; less the redemption,
    which everybody who returns gets, those included who would have come anyway; less the contact. An offer is made if
    that is positive on average over the draws, to the customers for whom it is largest per unit of budget.

    Parameters
    ----------
    purchases : PurchasePosterior
        When customers buy.
    spend : SpendPosterior or KnownAmount
        How much they spend at a purchase.
    histories : CustomerHistories
        The customers as they are today; with amounts, if spend is modelled.
    economics : Economics
        Margins, costs and discounting, which must be continuous.
    response : CampaignPosterior
        Who returns under which offer: from ``fit(CampaignResponse(…), log)``, or, before any campaign, from its prior.
    offers : sequence of Offer
        What may be offered; nobody gets more than one. Labels are those that `response` knows.
    window : Duration
        How long an offer holds: that of the campaign that `response` was learnt from.
    horizon : Duration or LIFETIME
        How far ahead customers are valued; longer than the window.
    budget : float
        Expected spend allowed, contacts and redemptions; unlimited by default.
    hard_cap : float, optional
        An amount that realised spend must not exceed, with probability `hard_cap_probability`; customers' own chance
        is in it, and so is what is uncertain about all of them.
    hard_cap_probability : float
        How sure to be of that.
    hold_out : float
        Share of the eligible who are left alone, drawn by chance before anything is chosen. Without them nobody can
        tell afterwards what the offers brought; 0 gives that up. Only those held out count in the comparison who would
        have been contacted: have 30 of them or more, and look at ``detectable`` of the plan.
    waits : sequence of Duration, optional
        Also look at making the offer so much later, to those who have not come back by then. Customers for whom that
        is worth more are not contacted now.
    customers : data frame, optional
        Table with ``customer_id`` and the columns that :class:`PerCustomer`, `segment` and `covariates` name.
    segment, covariates : str and sequence of str, optional
        Columns of that table: what the response depends on besides, as in the campaign log.
    draws : int
        How many draws of the posteriors, evenly spaced. Means over so many draws have a Monte Carlo error, which
        ``totals`` of the plan tells as ``mc_error``. Before any campaign it may be a fifth of the value: then take a
        few thousand, of a posterior that has them.
    interval : float
        Probability of the equal-tailed intervals.
    seed : int, optional
        Makes the plan reproducible: who is held out, and who comes first of customers who are alike. Both hang on the
        seed and the ids of customers, and not on their order. Without one, a seed is drawn and recorded. Take another
        one for the next campaign, or the same customers are held out again.
    progress : bool, optional
        Whether to show how far it is; by default as :func:`kundenwert.show_progress` says.

    Returns
    -------
    WinbackPlan
        Tables of customers, of customers and offers, totals; with explanations and export.

    Raises
    ------
    SpecificationError
        If an argument is out of its range, or the model of purchases does not tell what a second life is worth.
    DataError
        If `response` does not know an offer, or was learned without organic returns.
    InfiniteValueError
        If values for life are not finite.

    Warns
    -----
    ComparisonWarning
        If the effect that is expected is less than half of what the held-out can show
        (:attr:`WinbackPlan.detectable`).
    """
    _check_shares(hold_out, hard_cap_probability)
    _check_amounts(budget, hard_cap)
    check_interval(interval)
    if not isinstance(response, CampaignPosterior):
        message = (
            f"response must be a CampaignPosterior, got {type(response).__name__}; make one with "
            "kundenwert.fit(kundenwert.CampaignResponse(…), log), or from its prior"
        )
        raise SpecificationError(message)
    response.model.check_organic(known=True)
    check_duration(window, "window")
    seed = check_seed(seed)
    setting = Setting(
        purchases=purchases,
        spend=spend,
        histories=as_histories(histories),
        economics=economics,
        campaign=response,
        offers=check_offers(offers),
        window=window,
        horizon=horizon,
        customers=customers,
        segment=segment,
        covariates=(covariates,) if isinstance(covariates, str) else tuple(covariates),
        draws=draws,
        seed=seed,
    )
    some = setting.histories.take(np.arange(min(1, len(histories))))  # so that wrong arguments are told at once
    distinct_customers(purchases, spend, some, economics, horizon=horizon, customers=customers, draws=draws)
    every_wait = check_waits(waits)
    silence = setting.histories.T - setting.histories.recency
    eligible = eligible_for(setting.offers, setting.histories, silence, customers)
    positions = np.flatnonzero(eligible.any(axis=1))
    held = _held_out(setting.histories.customer_id.take(positions), hold_out, seed)
    with shown_as("plan", progress):
        decided = Decided(setting, positions, eligible[positions], held=held, waits=every_wait, interval=interval)
        plan = decided.plan(budget, hard_cap, hard_cap_probability, hold_out)
    _tell_what_cannot_be_learned(plan)
    return plan


def _tell_what_cannot_be_learned(plan: WinbackPlan) -> None:
    """Warn if those who are held out are too few to see what is expected of the offers."""
    compared = Detectable.of(plan.table)
    if plan.hold_out > 0 and compared.contacted and compared.says_little:
        message = (
            f"the campaign will hardly tell what its offers bring: {compared.sentence()}; {compared.remedy()}. "
            "plan.detectable says it offer by offer"
        )
        warnings.warn(message, ComparisonWarning, stacklevel=3)


def _held_out(customer_id: pd.Index, share: float, seed: int) -> NDArray[np.bool_]:
    """Who is held out, by chance alone: the share of them, rounded up or down by chance."""
    wanted = share * len(customer_id)
    rounded_up = np.random.default_rng([seed, ROUNDING]).random() < wanted - int(wanted)
    held = np.zeros(len(customer_id), dtype=np.bool_)
    held[np.argsort(lots(customer_id, seed, HOLD_OUT), kind="stable")[: int(wanted) + int(rounded_up)]] = True
    return held


def _check_shares(hold_out: object, probability: object) -> None:
    if not is_number(hold_out) or not 0 <= hold_out < 1:
        message = (
            f"hold_out is the share of customers who are left alone so that the effect can be measured, 0.10 for 10 %; "
            f"got {hold_out!r}"
        )
        raise SpecificationError(message)
    if not is_number(probability) or not 0 < probability < 1:
        message = f"hard_cap_probability is a probability between 0 and 1, for example 0.95; got {probability!r}"
        raise SpecificationError(message)


def _check_amounts(budget: object, cap: object) -> None:
    if not (is_number(budget) or budget == math.inf) or not budget >= 0:
        message = f"budget is an amount of money, 0 or more (or math.inf); got {budget!r}"
        raise SpecificationError(message)
    if cap is not None and (not is_number(cap) or cap < 0):
        message = f"hard_cap is an amount of money, 0 or more; got {cap!r}"
        raise SpecificationError(message)
