"""What customers who were brought back spend, against what the model expects of them: the factor on second lives.

Of the contacted who returned, a share w was brought back. A model of purchases says what all of them are expected to
spend within the window: those who return by themselves, A, and those who are brought back in the middle of it, B. The
latter have less time left, and are slower buyers, or had left and may leave again. If they spend f times as much as
that, the contacted who returned spend (1 - w) A + w f B on average, and the held-out who did spend A.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Self, final

import numpy as np
from scipy.special import ndtri

from kundenwert.parallel import in_parallel
from kundenwert.posterior.purchase import PurchasePosterior
from kundenwert.posterior.states import StateValues
from kundenwert.posterior.summary import blocks_of
from kundenwert.priors import LogNormal
from kundenwert.winback.outlook import later_cells, mean_amounts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kundenwert.models.core import Array
    from kundenwert.winback.comparison import Difference
    from kundenwert.winback.offers import Offer
    from kundenwert.winback.setting import Setting

__all__ = ["WindowSpend", "relearned"]

FEWEST_BUYERS: Final = 5  # whose amounts are worth comparing
FACTORS: Final = 2001
SHARES: Final = 41


@final
@dataclass(frozen=True, slots=True)
class WindowSpend:
    """What customers are expected to spend within the window, each of shape (customers,), under one offer to each.

    Attributes
    ----------
    organic
        Of those who return by themselves, times the probability that they do.
    induced
        Of those whom the offer brings back, times the probability that it does.
    p_without
        P(returns by themselves).
    p_induced
        P(is brought back), less P(is driven away).
    uplift
        Mean of that over the contacted of each offer, shape (offers, draws).
    """

    organic: Array
    induced: Array
    p_without: Array
    p_induced: Array
    uplift: Array

    @classmethod
    def of(
        cls, setting: Setting, positions: NDArray[np.int64], offer: NDArray[np.int64], contacted: NDArray[np.bool_]
    ) -> Self:
        """Expectations for the customers at these positions, each with an offer."""
        gains, index = setting.gains(positions)
        outlook, offers = gains.outlook, range(len(gains.offers))
        purchases, base = outlook.kinds.purchases, outlook.kinds.base
        assert isinstance(purchases, PurchasePosterior)  # noqa: S101 - checked where the plan was made
        values = purchases.of_cells
        h = setting.window.in_unit(setting.purchases.unit)
        bought = StateValues(values, base).expected(lambda customer: customer.purchases(0.0, h))
        again = StateValues(values, later_cells(base, h)).second_lives(lambda customer: customer.purchases(0.0, h / 2))
        amounts = mean_amounts(outlook.kinds, setting.spend)
        numbers = np.zeros((len(gains), len(gains.offers)))
        np.add.at(numbers, (index[contacted], offer[contacted]), 1.0)
        organic, without = np.empty((2, len(gains)))
        induced, changed = np.empty((2, len(gains), len(gains.offers)))

        def work(block: slice) -> Array:
            own = outlook.organic(block, gains.ids[block])
            first = int(outlook.kinds.shared[block.start])
            cells = slice(first, int(outlook.kinds.shared[block.stop - 1]) + 1)
            place = outlook.kinds.shared[block] - first
            amount = amounts(block)
            organic[block] = (amount * bought(cells).sum(axis=0)[place]).mean(axis=-1)
            counts = again(cells)[:, place]
            uplift = np.zeros((len(gains.offers), gains.draws))
            for which in offers:
                p_without, p_return, by_state = gains.responses(own, block, which)
                without[block] = p_without.mean(axis=-1)
                changed[block, which] = (p_return - p_without).mean(axis=-1)
                induced[block, which] = (amount * (np.maximum(by_state, 0.0) * counts).sum(axis=0)).mean(axis=-1)
                uplift[which] = numbers[block, which] @ (p_return - p_without)
            return uplift

        uplift = sum(in_parallel(work, blocks_of(len(gains), gains.draws)), start=np.zeros((len(offers), gains.draws)))
        at = (index, offer)
        return cls(
            organic[index],
            induced[at],
            without[index],
            changed[at],
            uplift / np.maximum(numbers.sum(axis=0), 1.0)[:, None],
        )


def relearned(
    offer: Offer,
    place: int,
    expected: WindowSpend,
    realised: Difference,
    interval: float,
    *,
    spend: Array,
    contacted: NDArray[np.bool_],
    mine: NDArray[np.bool_],
    returned: Array,
) -> Offer:
    """The offer with what was learned of its second lives; as it was if there is too little to learn from.

    The share of those brought back is uncertain: what the plan predicted, and what the hold-out showed, are weighed by
    their precision.
    """
    bought = mine & (returned == 1) & (spend > 0)
    sent, held = (spend[bought & group] for group in (contacted, ~contacted))
    here, there = mine & contacted, mine & ~contacted
    if min(len(sent), len(held)) < FEWEST_BUYERS:
        return offer
    alone, rest, anyway = (float(expected.organic[some].sum()) for some in (here, there, here))
    base, of_rest, lifted = (
        float(part.sum()) for part in (expected.p_without[here], expected.p_without[there], expected.p_induced[here])
    )
    if min(base, of_rest, lifted, alone, rest) <= 0:
        return offer
    # per return, in multiples of what the held-out spend who return
    by_themselves = anyway / base * of_rest / rest
    brought_back = float(expected.induced[here].sum()) / lifted * of_rest / rest
    ratio = math.log(sent.mean() / held.mean())
    variance = sent.var(ddof=1) / len(sent) / sent.mean() ** 2 + held.var(ddof=1) / len(held) / held.mean() ** 2
    uplift = _uplifts(expected.uplift[place], realised, interval)
    share = uplift / (base / here.sum() + uplift)
    if variance == 0 or not share.any():
        return offer
    prior = offer.second_life
    log_factor = prior.mu + prior.sigma * ndtri((np.arange(FACTORS) + 0.5) / FACTORS)
    spent = (1 - share) * by_themselves + share * brought_back * np.exp(log_factor[:, None])
    miss = (ratio - np.log(spent)) ** 2
    likely = np.exp(-0.5 * (miss - miss.min()) / variance).sum(axis=1)
    likely /= likely.sum()
    mu = float(likely @ log_factor)
    sigma = math.sqrt(float(likely @ (log_factor - mu) ** 2))
    return replace(offer, second_life=LogNormal(mu, max(sigma, prior.sigma / FACTORS)))


def _uplifts(predicted: Array, realised: Difference, interval: float) -> Array:
    """What the mean uplift of the contacted may be, equally likely each, 0 or more."""
    mean, precision = float(predicted.mean()), math.inf
    spread = float(predicted.std())
    if spread > 0 and not math.isnan(realised.lower):
        seen = (realised.upper - realised.lower) / 2 / float(ndtri((1 + interval) / 2))
        precision = 1 / spread**2 + 1 / seen**2
        mean = (mean / spread**2 + (realised.lower + realised.upper) / 2 / seen**2) / precision
    elif spread > 0:
        precision = 1 / spread**2
    score = ndtri((np.arange(SHARES) + 0.5) / SHARES)
    return np.maximum(mean + score / math.sqrt(precision), 0.0)
