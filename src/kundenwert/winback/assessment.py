"""Assessment of a campaign's response on customers it was not learned from: calibration, Qini and AUUC."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self, final

import numpy as np
import pandas as pd

from kundenwert.errors import DataError, SpecificationError
from kundenwert.histories import CampaignLog
from kundenwert.parallel import in_parallel
from kundenwert.posterior import CampaignPosterior, Estimate
from kundenwert.posterior.summary import blocks_of, check_interval, in_blocks
from kundenwert.winback.ranking import ranking

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kundenwert.models.core import Array
    from kundenwert.posterior import Response

__all__ = ["ResponseAssessment", "assess_response"]

DECILES: Final = 10
RESAMPLES: Final = 400
CURVE_POINTS: Final = 101


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ResponseAssessment:
    """How well a posterior foresaw who returned under an offer, and whom the offer brought back.

    Attributes
    ----------
    offer
        Label of the offer.
    calibration
        One row per tenth of the customers by predicted return probability (under the offer for those who were sent it,
        without for the held-out), lowest first: customers, predicted and observed mean return, and ends of the interval
        in which the observed one is expected. It holds the chance of which of these customers return, and how far the
        posterior is uncertain about their mean: if the model is right, so many in a hundred of the intervals hold what
        is observed. It does not allow for a model of the wrong form: more misses than that show one.
    uplift_by_decile
        One row per tenth by predicted uplift, lowest first: customers, predicted uplift, and the observed one (share
        returned among those who were sent the offer less that among the held-out), with ends of the interval around it
        in which the predicted one is expected. It holds chance and the posterior's uncertainty as well. NaN where one
        of the arms is empty.
    curve
        Qini and uplift curve over the share contacted, in steps of a hundredth.
    qini
        Qini coefficient: area between the Qini curve, returns gained per customer who was sent the offer, and the
        straight line that contacting at random gives. 0 for a random ranking, larger is better.
    auuc
        Area under the uplift curve. Half of the average effect for a random ranking.
    interval
        Probability of the intervals. Those of Qini and AUUC hold the chance of which customers the campaign had, by
        resampling them within the two arms.
    """

    offer: str
    calibration: pd.DataFrame
    uplift_by_decile: pd.DataFrame
    curve: pd.DataFrame
    qini: Estimate
    auuc: Estimate
    interval: float

    def __repr__(self) -> str:
        parts = [f"{name} {e.mean:.4f} ({e.lower:.4f} to {e.upper:.4f})" for name, e in self._areas.items()]
        return f"ResponseAssessment({self.offer!r}: {', '.join(parts)})"

    @property
    def _areas(self) -> dict[str, Estimate]:
        return {"Qini": self.qini, "AUUC": self.auuc}


def assess_response(
    posterior: CampaignPosterior, log: CampaignLog, *, offer: str, interval: float = 0.90, seed: int = 0
) -> ResponseAssessment:
    """Compare a posterior's predictions with what the customers of a campaign did.

    Hand in customers that the posterior was not fitted to: a later campaign, or a part that was set aside with
    :meth:`CampaignLog.take`. On its own customers, a ranking looks better than it is.

    Parameters
    ----------
    posterior : CampaignPosterior
        Predictions.
    log : CampaignLog
        Customers, some of whom were sent the offer while others were held out; other offers are left out.
    offer : str
        Label of the offer.
    interval : float
        Probability of the intervals.
    seed : int
        Of the resampling.

    Returns
    -------
    ResponseAssessment
        With definitions in the description of its attributes and in ``kundenwert/winback/ranking.py``.

    Raises
    ------
    DataError
        If the offer is unknown, or one of the arms is empty.
    """
    if not isinstance(posterior, CampaignPosterior) or not isinstance(log, CampaignLog):
        message = (
            "assess_response takes a CampaignPosterior and a CampaignLog, got "
            f"{type(posterior).__name__} and {type(log).__name__}"
        )
        raise SpecificationError(message)
    check_interval(interval)
    position = 1 + log.offers.index(offer) if offer in log.offers else -1
    chosen = log.take((log.offer == 0) | (log.offer == position))
    sent = (chosen.offer > 0).astype(np.float64)
    if not 0 < sent.sum() < len(sent):
        message = (
            f"to judge the offer {offer!r}, the campaign needs customers who were sent it and others who were held "
            f"out; it has {int(sent.sum())} and {int((1 - sent).sum())}, and knows the offers "
            f"{', '.join(map(repr, log.offers)) or 'none'}"
        )
        raise DataError(message)
    segment = [chosen.segments[k] for k in chosen.segment] if posterior.segments and chosen.segments else None
    response = posterior.response(chosen.organic, offer=offer, segment=segment, covariates=chosen.covariates)
    predicted = _Predicted.of(response)
    without, under = predicted.without, predicted.under
    returned = chosen.returned.astype(np.float64)
    tail = (1 - interval) / 2
    whole = ranking(under - without, sent, returned)
    qini, auuc = _resampled(under - without, sent, returned, np.random.default_rng([seed, 0x51]))
    share = np.linspace(0, 1, CURVE_POINTS)
    return ResponseAssessment(
        offer=offer,
        calibration=_calibration(predicted, sent, returned, tail),
        uplift_by_decile=_uplift(predicted, sent, returned, tail),
        curve=pd.DataFrame(
            {
                "qini": np.interp(share, whole.share, whole.qini_curve),
                "uplift": np.interp(share, whole.share, whole.uplift_curve),
            },
            index=pd.Index(share, name="share"),
        ),
        qini=_estimate(whole.qini, qini, tail),
        auuc=_estimate(whole.auuc, auuc, tail),
        interval=interval,
    )


@final
@dataclass(frozen=True, slots=True, eq=False)
class _Predicted:
    """Posterior means of the return probability without and under the offer, per customer; and all draws, if asked."""

    response: Response
    without: Array
    under: Array

    @classmethod
    def of(cls, response: Response) -> Self:
        means = np.empty((2, len(response)))

        def work(rows: slice) -> None:
            means[0, rows], means[1, rows] = (p.mean(axis=-1) for p in response.probabilities(rows))

        in_blocks(len(response), response.draws, work)
        return cls(response, means[0], means[1])

    def variances(self, group: NDArray[np.int64], under: Array, without: Array) -> dict[int, float]:
        """Posterior variance of each group's mean of under × p_return + without × p_without, by its number."""
        labels, place, size = np.unique(group, return_inverse=True, return_counts=True)
        member = np.arange(len(labels))[:, None] == place

        def work(rows: slice) -> Array:
            p_without, p_return = self.response.probabilities(rows)
            return np.asarray(member[:, rows] @ (under[rows, None] * p_return + without[rows, None] * p_without))

        blocks = in_parallel(work, blocks_of(len(group), self.response.draws))
        means = np.sum(blocks, axis=0) / size[:, None]
        return dict(zip(labels.tolist(), means.var(axis=1).tolist(), strict=True))


def _deciles(score: Array) -> NDArray[np.int64]:
    """Tenth of each customer by score, from 1, the lowest; customers with equal scores are in one."""
    _, place, count = np.unique(score, return_inverse=True, return_counts=True)
    middle = (np.cumsum(count) - count / 2) / len(score)
    return (1 + np.minimum((middle * DECILES).astype(np.int64), DECILES - 1))[place]


def _calibration(found: _Predicted, sent: Array, returned: Array, tail: float) -> pd.DataFrame:
    from scipy.stats import norm

    predicted = np.where(sent == 1, found.under, found.without)
    decile = _deciles(predicted)
    table = pd.DataFrame({"decile": decile, "predicted": predicted, "observed": returned})
    table["variance"] = predicted * (1 - predicted)
    grouped = table.groupby("decile")
    means = grouped[["predicted", "observed"]].mean()
    means.insert(0, "customers", grouped.size())
    uncertain = means.index.map(found.variances(decile, sent, 1 - sent)).to_numpy(dtype=np.float64)
    error = norm.ppf(1 - tail) * np.sqrt(grouped["variance"].sum() / means["customers"] ** 2 + uncertain)
    return means.assign(
        lower=np.maximum(means["predicted"] - error, 0.0), upper=np.minimum(means["predicted"] + error, 1.0)
    )


def _uplift(found: _Predicted, sent: Array, returned: Array, tail: float) -> pd.DataFrame:
    from scipy.stats import norm

    score = found.under - found.without
    decile, ones = _deciles(score), np.ones(len(score))
    uncertain = found.variances(decile, ones, -ones)
    rows = []
    for tenth in np.unique(decile):
        inside = decile == tenth
        arms = [returned[inside & (sent == arm)] for arm in (1, 0)]
        observed = error = np.nan
        if min(map(len, arms)) > 0:
            observed = arms[0].mean() - arms[1].mean()
            # a return and a non-return added to each arm, so that an arm in which nobody returned is not certain
            rates = [(arm.sum() + 1) / (len(arm) + 2) for arm in arms]
            error = norm.ppf(1 - tail) * np.sqrt(
                sum(rate * (1 - rate) / (len(arm) + 2) for rate, arm in zip(rates, arms, strict=True))
                + uncertain[int(tenth)]
            )
        rows.append(
            {
                "decile": int(tenth),
                "customers": int(inside.sum()),
                "predicted": score[inside].mean(),
                "observed": observed,
                "lower": observed - error,
                "upper": observed + error,
            }
        )
    return pd.DataFrame(rows).set_index("decile")


def _resampled(score: Array, sent: Array, returned: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Qini coefficients and AUUC of customers drawn anew within the two arms."""
    areas = np.empty((2, RESAMPLES))
    order = np.argsort(-score, kind="stable")
    score, sent, returned = score[order], sent[order], returned[order]
    arms = [np.flatnonzero(sent == arm) for arm in (0, 1)]
    for k in range(RESAMPLES):
        counts = np.empty(len(score))
        for arm in arms:
            counts[arm] = np.bincount(rng.integers(0, len(arm), len(arm)), minlength=len(arm))
        drawn = ranking(score, sent, returned, counts)
        areas[:, k] = drawn.qini, drawn.auuc
    return areas[0], areas[1]


def _estimate(value: float, resampled: Array, tail: float) -> Estimate:
    return Estimate(value, float(np.quantile(resampled, tail)), float(np.quantile(resampled, 1 - tail)))
