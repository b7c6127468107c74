"""After the campaign: what it really brought, how good the predictions were, and what to believe next time."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, final

import numpy as np
import pandas as pd
from scipy.special import betaincinv

from kundenwert.errors import ComparisonWarning, DataError, SpecificationError
from kundenwert.fitting import fit
from kundenwert.histories import CampaignLog
from kundenwert.posterior.summary import check_interval
from kundenwert.progress import shown_as
from kundenwert.winback.comparison import Outcome, difference
from kundenwert.winback.forecast import Forecast
from kundenwert.winback.outcomes import log_of, outcomes_of, pooled
from kundenwert.winback.relearning import WindowSpend, relearned

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    from narwhals.stable.v2.typing import IntoDataFrame
    from numpy.typing import NDArray

    from kundenwert.inference import ImportanceSampling
    from kundenwert.inference.methods import MAP, NUTS
    from kundenwert.models.core import Array
    from kundenwert.posterior import CampaignPosterior
    from kundenwert.winback.offers import Offer
    from kundenwert.winback.plan import WinbackPlan

__all__ = ["CampaignEvaluation", "evaluate_campaign"]

CLASSES: Final = 10
FEW: Final = 30  # held-out to compare with, below which effects are hardly told from chance


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
        (the last three by comparison with the hold-out; NaN if nobody was held out). The few whom the plan contacted
        beyond its rule, because they fitted into the rest of the budget, are not in it.
    by_offer : pandas.DataFrame
        One row an offer: ``contacted``, ``held_out``, the shares that returned, and ``uplift`` with ``lower``,
        ``upper`` and ``predicted``. Intervals of shares and returns add a return and a silence to both groups (Agresti
        and Caffo), those of amounts are by Student's t besides: they hold for ten held-out as well.
    calibration : pandas.DataFrame
        Contacted and held-out in classes of their predicted return probability: ``customers``, ``predicted``,
        ``returned`` (the share) with ``lower`` and ``upper``, which hold the chance of so few customers.
    response : CampaignPosterior or None
        For the next round: learned from this campaign and the earlier ones together. None if that was not asked for,
        or if nobody was ever held out, so that there is nothing to learn effects from.
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

    def save(self, path: str | PathLike[str]) -> None:
        """Write the evaluation to a file, whole or not at all; :func:`kundenwert.load` reads it back exactly.

        The file holds the ids of customers, and what each did: keep it as you keep the outcomes themselves.

        Parameters
        ----------
        path : path
            Where to. A file that is there is replaced once the new one is complete.

        Raises
        ------
        FileWriteError
            If it cannot be written; then the old file is as it was.
        """
        from kundenwert.storage.keeping import save

        save(self, path)

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
    progress: bool | None = None,
) -> CampaignEvaluation:
    """Compare the contacted with the held-out to whom the plan would have made an offer, and learn from both.

    The held-out were drawn by chance before anything was chosen, and one rule says of all what they were to be sent, so
    the difference is what the offers caused. What was predicted without an offer is taken off both sides first: that
    makes the comparison more precise and cannot bias it.

    The factor on second lives is learned from what the contacted spend who return, against the held-out who do, and
    what the model of purchases expects of both within the window. Those who are brought back are taken to return in the
    middle of it; if they come earlier, they have more time to buy again, and the factor is found too large.

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
    progress : bool, optional
        Whether to show how far it is; by default as :func:`kundenwert.show_progress` says.

    Raises
    ------
    RowError
        If the outcome of a customer who was contacted or held out is missing; names the first.
    SpecificationError
        If the response was learnt from campaigns and `earlier` is empty.

    Warns
    -----
    ComparisonWarning
        If fewer than 30 of the held-out would have been contacted, or if there is no hold-out to learn from.
    """
    check_interval(interval)
    _check_plan(plan)
    earlier = _checked_logs(earlier)
    if learn and not plan.prior_only and not earlier:
        message = (
            "the response of this plan was learnt from a campaign, which the next posterior must not forget; hand its "
            "log in with earlier=[log], or leave the fit out with learn=False"
        )
        raise SpecificationError(message)
    chosen = plan.table[plan.table["intended_offer"].notna()]
    frame = outcomes_of(outcomes, chosen, returned, spend)
    observed = _Observed.of(plan, frame)
    held = int((~observed.contacted).sum())
    if plan.hold_out > 0 and held < FEW:
        message = (
            f"only {held} of the held-out would have been contacted, so that what the offers brought is hardly told "
            f"from chance; expected {FEW} or more. Hold out a larger share next time, or several campaigns together"
        )
        warnings.warn(message, ComparisonWarning, stacklevel=2)
    log = log_of(plan, frame)
    with shown_as("evaluation", progress):
        return CampaignEvaluation(
            profit=observed.profit(interval),
            by_offer=observed.by_offer(interval),
            calibration=observed.calibration(interval),
            response=_learned(plan, [*earlier, log], method, seed) if learn else None,
            offers=observed.next_offers(interval),
            log=log,
            interval=float(interval),
        )


@final
@dataclass(frozen=True, slots=True)
class _Observed:
    """Contacted and held-out customers, what was predicted of them, and what they did."""

    plan: WinbackPlan
    positions: NDArray[np.int64]
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
            positions,
            Forecast.of(plan.setting, positions, offer),
            offer,
            frame["contacted"].to_numpy(dtype=np.bool_),
            frame["returned"].to_numpy(dtype=np.float64),
            frame["spend"].to_numpy(dtype=np.float64) if "spend" in frame else None,
        )

    def profit(self, interval: float) -> pd.DataFrame:
        """Totals over the contacted."""
        of, sent, number = self.forecast, self.contacted, int(self.contacted.sum())
        contact, redemption = sent * of.contact, sent * of.redemption
        without = of.p_without * of.value_returned_without + (1 - of.p_without) * of.value_silent
        back = np.where(sent, of.value_returned, of.value_returned_without) - redemption
        table = self.plan.table.iloc[self.positions[sent]]
        rows = {
            "additional_returns": (
                (table["p_return"] - table["p_return_without"]).sum(),
                self._outcome(1 - of.p_without, -of.p_without, limit=1.0),
            ),
            "incremental_value": (
                table["mean"].sum(),
                self._outcome(back - contact - without, of.value_silent - contact - without),
            ),
        }
        if self.spend is not None:
            spent = self.spend[self.returned == 1]
            usual = float(spent.mean()) if len(spent) else math.nan
            left = of.order_cost + redemption
            earned = of.margin * self.spend - left * self.returned - contact
            rows["profit_in_window"] = (math.nan, Outcome(earned, of.margin * usual - left - contact, -contact))
        found = {}
        for name, (predicted, outcome) in rows.items():
            realised = difference(outcome, sent, self.offer, interval)
            found[name] = (predicted, *(each * number for each in realised))
        return pd.DataFrame.from_dict(found, orient="index", columns=["predicted", "realised", "lower", "upper"])

    def _outcome(self, if_returned: Array, if_not: Array, *, limit: float = math.inf) -> Outcome:
        """What is the case of each customer, by whether they returned."""
        return Outcome(np.where(self.returned == 1, if_returned, if_not), if_returned, if_not, limit)

    @property
    def _returns(self) -> Outcome:
        return self._outcome(np.ones_like(self.returned), np.zeros_like(self.returned), limit=1.0)

    def next_offers(self, interval: float) -> tuple[Offer, ...]:
        """The offers, with what was learned of their second lives."""
        offers, sent = self.plan.setting.offers, self.contacted
        if self.spend is None or not sent.any() or sent.all():
            return offers
        expected = WindowSpend.of(self.plan.setting, self.positions, self.offer, sent)
        excess = self._outcome(1 - expected.p_without, -expected.p_without, limit=1.0)
        found = []
        for place, offer in enumerate(offers):
            mine = self.offer == place
            learned = relearned(
                offer,
                place,
                expected,
                difference(excess.take(mine), sent[mine], self.offer[mine], interval),
                interval,
                spend=self.spend,
                contacted=sent,
                mine=mine,
                returned=self.returned,
            )
            found.append(learned)
        return tuple(found)

    def by_offer(self, interval: float) -> pd.DataFrame:
        """Shares that returned, and their difference."""
        rows = {}
        for place, offer in enumerate(self.plan.setting.offers):
            here = self.offer == place
            sent, held = here & self.contacted, here & ~self.contacted
            change = self.forecast.p_return - self.forecast.p_without
            uplift = difference(self._returns.take(here), self.contacted[here], self.offer[here], interval)
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


def _mean(values: Array) -> float:
    return float(values.mean()) if len(values) else math.nan


def _learned(
    plan: WinbackPlan, logs: list[CampaignLog], method: ImportanceSampling | NUTS | MAP | None, seed: int | None
) -> CampaignPosterior | None:
    """The response fitted to all campaigns together; None, with a warning, if it takes a hold-out and there is none."""
    log = logs[0] if len(logs) == 1 else pooled(logs)
    model = plan.setting.campaign.model
    known = dict.fromkeys([*model.offers, *log.offers])
    try:
        return fit(replace(model, offers=tuple(known)), log, method=method, seed=seed)  # type: ignore[type-var]
    except DataError as error:
        if (log.offer == 0).any():
            raise
        message = f"nothing was learned of the response, so that the evaluation has none: {error}"
        warnings.warn(message, ComparisonWarning, stacklevel=3)
        return None


def _checked_logs(logs: object) -> tuple[CampaignLog, ...]:
    found = (logs,) if isinstance(logs, CampaignLog) else tuple(logs) if isinstance(logs, (list, tuple)) else (logs,)
    for log in found:
        if not isinstance(log, CampaignLog):
            message = f"earlier takes the logs of earlier campaigns, [evaluation.log], got {log!r} among them"
            raise SpecificationError(message)
    return found


def _check_plan(plan: object) -> None:
    from kundenwert.winback.plan import WinbackPlan

    if not isinstance(plan, WinbackPlan):
        message = f"plan must be a WinbackPlan, made by kundenwert.plan_winback; got {type(plan).__name__}"
        raise SpecificationError(message)
    if not plan.table["intended_offer"].notna().any():
        message = "this plan makes no offer to anybody, so there is nothing to evaluate"
        raise SpecificationError(message)
