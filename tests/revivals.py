"""Customers with known gaps, and what a model of dormancy says about them by sums without quadrature."""

from typing import Any

import numpy as np
import pandas as pd
from scipy.special import betaln, gammaln, logsumexp, xlogy

from kundenwert.histories import Audit, CustomerHistories
from kundenwert.histories.parts import Gaps, Steps

PER_WEEK = 7 * 24


def with_gaps(gaps, silence, unit: Any = "week"):
    """Customers with these gaps and silences in weeks, which are rounded to hours."""
    in_hours = [np.maximum(np.rint(np.asarray(each, dtype=float) * PER_WEEK), 1).astype(np.int64) for each in gaps]
    frequency = np.array([len(each) for each in in_hours])
    last = np.array([each.sum() for each in in_hours], dtype=np.int64)
    until = last + np.rint(np.broadcast_to(silence, len(gaps)) * PER_WEEK).astype(np.int64)
    histories = CustomerHistories(
        customer_id=pd.RangeIndex(len(gaps)),
        frequency=frequency,
        recency=last / PER_WEEK,
        T=until / PER_WEEK,
        unit="week",
        steps=Steps(first=np.zeros_like(last), last=last, until=until, resolution="hour"),
        gaps=Gaps(offsets=np.r_[0, np.cumsum(frequency)], values=np.concatenate([np.zeros(0, np.int64), *in_hours])),
        audit=Audit(rows_read=len(gaps), kept=len(gaps), customers=len(gaps)),
    )
    return histories.in_unit(unit)


def simulated(model, theta, T, rng):
    """Customers observed for T weeks; parameters per week."""
    purchases = model.simulate(theta, T, rng)
    times = np.split(purchases.time, np.searchsorted(purchases.customer, np.arange(1, len(T))))
    gaps = [np.diff(each, prepend=0.0) for each in times]
    return with_gaps(gaps, [t - each.sum() for t, each in zip(T, gaps, strict=True)])


def joint_with_states(theta, k, kinds, silence):
    """Log density of gaps jointly with the state now: phases 0 … k - 1, dormant, gone. `kinds` are (gap, how many).

    Every choice of the gaps that were active gives a beta function times the density of a gamma mixture: no integral.
    """
    r, alpha, a, b, omega, eta = theta
    gaps, counts = np.array(kinds, dtype=float).reshape(-1, 2).T
    grids = np.meshgrid(*(np.arange(count + 1.0) for count in counts), indexing="ij")
    n = np.stack([grid.ravel() for grid in grids]) if kinds else np.zeros((0, 1))
    gap, count = np.reshape(gaps, (-1, 1)), np.reshape(counts, (-1, 1))
    active, m, time = n.sum(axis=0), (count - n).sum(axis=0), (n * gap).sum(axis=0)
    ways = (gammaln(count + 1) - gammaln(n + 1) - gammaln(count - n + 1)).sum(axis=0)
    log_density = (n * ((k - 1) * np.log(gap) - gammaln(k)) - eta * (count - n) * gap).sum(axis=0)
    with np.errstate(divide="ignore"):
        log_density += ways + xlogy(m, omega * eta) - betaln(a, b)

    def with_rate(j, silent):
        shape = r + k * active + j
        return gammaln(shape) - gammaln(r) + r * np.log(alpha) - shape * np.log(alpha + time + silent)

    stay, lapse = (betaln(a + m + one, b + active + 1 - one) for one in (0, 1))
    lapsed = logsumexp(log_density + lapse + with_rate(0, 0.0))
    phases = [
        logsumexp(log_density + stay + with_rate(j, silence)) + xlogy(j, silence) - gammaln(j + 1) for j in range(k)
    ]
    return np.array(
        [
            *phases,
            lapsed + np.log(omega) - eta * silence if omega else -np.inf,
            lapsed + np.log1p(-omega) if omega < 1 else -np.inf,
        ]
    )
