"""Qini curve and uplift curve: how many returns are gained by contacting those first who are said to gain most.

Customers who were sent the offer (T of them) and the held-out (C) are sorted by falling score. Among the k with the
highest scores, t were sent the offer and y_t of them returned, c were held out and y_c of them returned.

* **Qini curve** (Radcliffe 2007, *Using control groups to target on predicted lift*): returns gained among those who
  were sent the offer, y_t - y_c t/c, per customer who was (over T).
* **Uplift curve** (Gutierrez & Gérardy 2017, *Causal inference and uplift modelling: a review of the literature*):
  (y_t/t - y_c/c) k/(T + C).

Both run over the share k/(T + C), from 0 to the average effect at 1; a rate of an empty arm counts as zero. Customers
with equal scores enter together, and the curve is a straight line between. AUUC is the area under the uplift curve. The
Qini coefficient is the area between the Qini curve and the straight line to its end, which contacting at random gives.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from kundenwert.models.core import Array

__all__ = ["Ranking", "ranking"]


class Ranking(NamedTuple):
    """Curves over the share contacted, from 0 to 1, and the two areas.

    Parameters
    ----------
    share, qini_curve, uplift_curve
        Shape (different scores + 1,).
    qini, auuc
        Qini coefficient and area under the uplift curve.
    """

    share: Array
    qini_curve: Array
    uplift_curve: Array
    qini: float
    auuc: float


def ranking(score: Array, sent: Array, returned: Array, counts: Array | None = None) -> Ranking:
    """Curves of a ranking.

    Parameters
    ----------
    score
        Whom to contact first: those with the highest, shape (customers,).
    sent, returned
        1 or 0 each, same shape.
    counts
        How often each customer counts; once by default.
    """
    weight = np.ones(len(score)) if counts is None else counts
    order = np.argsort(-score, kind="stable")
    last = np.flatnonzero(np.r_[np.diff(score[order]) != 0, True])  # of each group with equal scores
    parts = (weight * sent, weight * sent * returned, weight * (1 - sent), weight * (1 - sent) * returned)
    t, y_t, c, y_c = (np.r_[0.0, np.cumsum(part[order])[last]] for part in parts)
    share = (t + c) / (t[-1] + c[-1])
    rate_t, rate_c = _ratio(y_t, t), _ratio(y_c, c)
    qini_curve, uplift_curve = (y_t - rate_c * t) / t[-1], (rate_t - rate_c) * share
    auuc = float(np.trapezoid(uplift_curve, share))
    qini = float(np.trapezoid(qini_curve, share) - qini_curve[-1] / 2)
    return Ranking(share, qini_curve, uplift_curve, qini, auuc)


def _ratio(part: Array, whole: Array) -> Array:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
