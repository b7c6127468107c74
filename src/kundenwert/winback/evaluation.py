"""After the campaign: what it really brought, how good the predictions were, and what to believe next time."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, final

import numpy as np
import pandas as pd
from scipy.special import betaincinv, ndtri

from kundenwert.errors import SpecificationError
from kundenwert.fitting import fit
from kundenwert.posterior.summary import check_interval
from kundenwert.priors import LogNormal
from kundenwert.winback.forecast import Forecast
from kundenwert.winback.outcomes import log_of, outcomes_of, pooled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from narwhals.stable.v2.typing import IntoDataFrame
    from numpy.typing import NDArray

    from kundenwert.histories import CampaignLog
    from kundenwert.inference import ImportanceSampling
    from kundenwert.inference.methods import MAP, NUTS
    from kundenwert.models.core import Array
    from kundenwert.posterior import CampaignPosterior
    from kundenwert.winback.offers import Offer
    from kundenwert.winback.plan import WinbackPlan

__all__ = ["CampaignEvaluation", "evaluate_campaign"]

CLASSES: Final = 10
FEWEST: Final = 2  # customers of a group, of whom a variance can be told
FEWEST_BUYERS: Final = 5  # whose amounts are worth comparing


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CampaignEvaluation:
    """What a campaign brought. Made by :func:`evaluate_campaign`.

    Parameters
    ----------
    profit : pandas.DataFrame
        What the contacted did beyond what they would have done, in total: ``additional_returns``;
        ``incremental_value``, with returns valued as the plan valued them; and, if spend is known,
        ``profit_in_window``, from what was really spent. Columns ``predicted``, ``realised``, ``lower`` and ``upper``
        (the last three by comparison with the hold-out; NaN if nobody was held out).
    by_offer : pandas.DataFrame
        One row an offer: ``contacted``, ``held_out``, the shares that returned, and ``uplift`` with ``lower``,
        ``upper`` and ``predicted``.
    calibration : pandas.DataFrame
        Contacted and held-out in classes of their predicted return probability: ``customers``, ``predicted``,
        ``returned`` (the share) with ``lower`` and ``upper``, which hold the chance of so few customers.
    response : CampaignPosterior or None
        For the next round: learned from this campaign and the earlier ones together.
    offers : tuple of Offer
        For the next round: with what was learned of second lives, if spend is known.
    log : CampaignLog
        This campaign; hand it in as `earlier` next time.
    interval : float
        Probability of the intervals.
    """

    profit: pd.DataFrame
    by_offer: pd.DataFrame
    calibration: pd.DataFrame
    response: CampaignPosterior | None
    offers: tuple[Offer, ...]
    log: CampaignLog
    interval: float

    def __repr__(self) -> str:
        parts = [
            f"CampaignEvaluation of {len(self.log):,} customers",
            self.profit.to_string(float_format=lambda number: f"{number:,.2f}"),
            self.by_offer.to_string(float_format=lambda number: f"{number:,.4f}"),
        ]
        return "\n\n".join(parts)


def evaluate_campaign(
    plan: WinbackPlan,
    outcomes: IntoDataFrame,
    *,
    returned: str = "returned",
    spend: str | None = None,
    earlier: Sequence[CampaignLog] = (),
    learn: bool = True,
    method: ImportanceSampling | NUTS | MAP | None = None,
    interval: float = 0.90,
    seed: int | None = None,
) -> CampaignEvaluation:
    """Compare the contacted with the held-out to whom the plan would have made an offer, and learn from both.

    The held-out were drawn by chance before anything was chosen, so the difference is what the offers caused. What was
    predicted without an offer is taken off both sides first: that makes the comparison more precise and cannot bias it.

    Parameters
    ----------
    plan : WinbackPlan
        The plan that was carried out.
    outcomes : data frame
        One row for every customer who was contacted or held out; others are left out.
    returned : str
        Column that says whether the customer bought within the window: True or 1, False or 0.
    spend : str, optional
        Column with what they spent within the window; 0 or null for those who did not return.
    earlier : sequence of CampaignLog
        The campaigns that the response of the plan was learnt from. The response for the next round is fitted to all of
        them and this one together, which is exactly what updating the earlier posterior by this campaign gives.
    learn : bool
        Whether to fit it.
    method : ImportanceSampling, NUTS or MAP, optional
        How.
    interval : float
        Probability of the intervals.
    seed : int, optional
        Makes the fit reproducible.

    Raises
    ------
    RowError
        If the outcome of a customer who was contacted or held out is missing; names the first.
    SpecificationError
        If the response was learnt from campaigns and `earlier` is empty.
    """
    check_interval(interval)
    _check_plan(plan)
    if learn and not plan.prior_only and not earlier:
        message = (
            "the response of this plan was learnt from a campaign, which the next posterior must not forget; hand its "
            "log in with earlier=[log], or leave the fit out with learn=False"
        )
        raise SpecificationError(message)
    chosen = plan.table[plan.table["intended_offer"].notna()]
    frame = outcomes_of(outcomes, chosen, returned, spend)
    observed = _Observed.of(plan, frame)
    log = log_of(plan, frame)
    return CampaignEvaluation(
        profit=observed.profit(interval),
        by_offer=observed.by_offer(interval),
        calibration=observed.calibration(interval),
        response=_learned(plan, [*earlier, log], method, seed) if learn else None,
        offers=tuple(_updated(offer, observed) for offer in plan.setting.offers),
        log=log,
        interval=float(interval),
    )


@final
@dataclass(frozen=True, slots=True)
class _Observed:
    """Contacted and held-out customers, what was predicted of them, and what they did."""

    plan: WinbackPlan
    forecast: Forecast
    offer: NDArray[np.int64]
    contacted: NDArray[np.bool_]
    returned: Array
    spend: Array | None

    @classmethod
    def of(cls, plan: WinbackPlan, frame: pd.DataFrame) -> _Observed:
        labels = [offer.label for offer in plan.setting.offers]
        offer = pd.Index(labels, dtype=object).get_indexer(pd.Index(frame["intended"].to_list(), dtype=object))
        positions = plan.table.index.get_indexer(frame.index)
        return cls(
            plan,
            Forecast.of(plan.setting, positions, offer),
            offer,
            frame["contacted"].to_numpy(dtype=np.bool_),
            frame["returned"].to_numpy(dtype=np.float64),
            frame["spend"].to_numpy(dtype=np.float64) if "spend" in frame else None,
        )

    def profit(self, interval: float) -> pd.DataFrame:
        """Totals over the contacted."""
        of, sent = self.forecast, self.contacted
        cost = sent * (of.contact + self.returned * of.redemption)
        without = of.p_without * of.value_returned_without + (1 - of.p_without) * of.value_silent
        back = np.where(sent, of.value_returned, of.value_returned_without)
        value = np.where(self.returned == 1, back, of.value_silent) - cost
        totals = self.plan.totals["mean"]
        rows = {
            "additional_returns": (totals["additional_returns"], self.returned, of.p_without),
            "incremental_value": (totals["value"], value, without),
        }
        if self.spend is not None:
            earned = of.margin * self.spend - of.order_cost * self.returned - cost
            rows["profit_in_window"] = (math.nan, earned, np.zeros_like(earned))
        found = {}
        for name, (predicted, outcome, expected) in rows.items():
            realised = _difference(outcome - expected, sent, self.offer, interval)
            found[name] = (predicted, *(number * int(sent.sum()) for number in realised))
        return pd.DataFrame.from_dict(found, orient="index", columns=["predicted", "realised", "lower", "upper"])

    def by_offer(self, interval: float) -> pd.DataFrame:
        """Shares that returned, and their difference."""
        rows = {}
        for place, offer in enumerate(self.plan.setting.offers):
            here = self.offer == place
            sent, held = here & self.contacted, here & ~self.contacted
            change = self.forecast.p_return - self.forecast.p_without
            uplift = _difference(self.returned[here], self.contacted[here], self.offer[here], interval)
            rows[offer.label] = (
                int(sent.sum()),
                int(held.sum()),
                _mean(self.returned[sent]),
                _mean(self.returned[held]),
                *uplift,
                _mean(change[sent]),
            )
        names = ["contacted", "held_out", "returned", "returned_held_out", "uplift", "lower", "upper", "predicted"]
        table = pd.DataFrame.from_dict(rows, orient="index", columns=names)
        return table.rename_axis("offer")

    def calibration(self, interval: float) -> pd.DataFrame:
        """Classes of about the same size, by predicted return probability."""
        tail, rows = (1 - interval) / 2, []
        for group, members in (("contacted", self.contacted), ("hold out", ~self.contacted)):
            predicted = np.where(self.contacted, self.forecast.p_return, self.forecast.p_without)[members]
            actual = self.returned[members]
            order = np.argsort(predicted, kind="stable")
            for part in np.array_split(order, min(CLASSES, max(len(order) // 5, 1))):
                if not len(part):
                    continue
                hits, count = float(actual[part].sum()), len(part)
                lower = 0.0 if hits == 0 else float(betaincinv(hits + 0.5, count - hits + 0.5, tail))
                upper = 1.0 if hits == count else float(betaincinv(hits + 0.5, count - hits + 0.5, 1 - tail))
                rows.append((group, count, float(predicted[part].mean()), hits / count, lower, upper))
        names = ["group", "customers", "predicted", "returned", "lower", "upper"]
        return pd.DataFrame(rows, columns=names)


def _difference(
    outcome: Array, sent: NDArray[np.bool_], offer: NDArray[np.int64], interval: float
) -> tuple[float, float, float]:
    """Mean of the contacted less mean of the held-out, offer by offer if there are enough of both, with its interval.

    Offers are weighted by how many got them. NaN without a comparison.
    """
    groups = [offer == place for place in np.unique(offer)]
    counts = [(int((here & sent).sum()), int((here & ~sent).sum())) for here in groups]
    if any(min(pair) < FEWEST for pair in counts if pair[0]):
        groups = [np.ones(len(offer), dtype=np.bool_)]  # held-out and contacted are alike as a whole
    else:
        groups = [here for here, pair in zip(groups, counts, strict=True) if pair[0]]
    mean, variance, total = 0.0, 0.0, max(int(sent.sum()), 1)
    if not groups:
        return math.nan, math.nan, math.nan
    for here in groups:
        treated, held = outcome[here & sent], outcome[here & ~sent]
        if min(len(treated), len(held)) < FEWEST:
            return math.nan, math.nan, math.nan
        weight = len(treated) / total
        mean += weight * float(treated.mean() - held.mean())
        variance += weight**2 * float(treated.var(ddof=1) / len(treated) + held.var(ddof=1) / len(held))
    half = float(ndtri((1 + interval) / 2)) * math.sqrt(variance)
    return mean, mean - half, mean + half


def _mean(values: Array) -> float:
    return float(values.mean()) if len(values) else math.nan


def _updated(offer: Offer, observed: _Observed) -> Offer:
    """The offer with what was learned of its second lives; as it was if there is too little to learn from.

    Of the contacted who returned, a share w was brought back, by the plan's prediction. If they spend f times what
    those spend who return anyway, the contacted who returned spend 1 - w + w f times what the held-out spend who did.
    """
    place = observed.plan.setting.offers.index(offer)
    if observed.spend is None:
        return offer
    bought = (observed.offer == place) & (observed.returned == 1) & (observed.spend > 0)
    sent, held = (observed.spend[bought & group] for group in (observed.contacted, ~observed.contacted))
    here = (observed.offer == place) & observed.contacted
    if min(len(sent), len(held)) < FEWEST_BUYERS or not here.any():
        return offer
    p_return, p_without = (part[here].sum() for part in (observed.forecast.p_return, observed.forecast.p_without))
    share = max(p_return - p_without, 0.0) / p_return if p_return > 0 else 0.0
    ratio = math.log(sent.mean() / held.mean())
    variance = sent.var(ddof=1) / len(sent) / sent.mean() ** 2 + held.var(ddof=1) / len(held) / held.mean() ** 2
    if share == 0 or variance == 0:
        return offer
    prior = offer.second_life
    score = ndtri((np.arange(2001) + 0.5) / 2001)
    log_factor = prior.mu + prior.sigma * score
    miss = ratio - np.log1p(share * np.expm1(log_factor))
    weight = np.exp(-0.5 * (miss**2 - (miss**2).min()) / variance)
    weight /= weight.sum()
    mu = float(weight @ log_factor)
    sigma = math.sqrt(float(weight @ (log_factor - mu) ** 2))
    return replace(offer, second_life=LogNormal(mu, sigma))


def _learned(
    plan: WinbackPlan, logs: list[CampaignLog], method: ImportanceSampling | NUTS | MAP | None, seed: int | None
) -> CampaignPosterior:
    """The response fitted to all campaigns together."""
    log = logs[0] if len(logs) == 1 else pooled(logs)
    model = plan.setting.campaign.model
    known = dict.fromkeys([*model.offers, *log.offers])
    return fit(replace(model, offers=tuple(known)), log, method=method, seed=seed)  # type: ignore[type-var]


def _check_plan(plan: object) -> None:
    from kundenwert.winback.plan import WinbackPlan

    if not isinstance(plan, WinbackPlan):
        message = f"plan must be a WinbackPlan, made by kundenwert.plan_winback; got {type(plan).__name__}"
        raise SpecificationError(message)
    if not plan.table["intended_offer"].notna().any():
        message = "this plan makes no offer to anybody, so there is nothing to evaluate"
        raise SpecificationError(message)
