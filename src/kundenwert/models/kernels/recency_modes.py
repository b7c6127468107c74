"""Sums over active and dormant gaps when only their number and their sum are known.

If m of x gaps were dormant, and so lasted Gamma(m, eta) altogether, and the others Gamma(k n, lambda), n = x - m, then
their sum t has the density (with u the dormant share of t)

    lambda^(k n) eta^m t^(k n + m - 1)/(Gamma(k n) Gamma(m)) times
    the integral over u of u^(m-1) (1-u)^(k n-1) exp(-lambda t (1-u) - eta t u),

a confluent hypergeometric function 1F1(m; k n + m; (lambda - eta) t), as an integral of positive numbers. It is a
trapezoidal sum in logit u, in which lambda and eta stand apart: one product of matrices serves all rates and draws.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self, final

import numpy as np
from scipy import special

from kundenwert.models.kernels.gap_modes import NEPERS, NEPERS_LEFT_OUT, TAIL, RateNodes, open_phases, step_for

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kundenwert.models.core import Array
    from kundenwert.models.kernels.gap_modes import RateRange

__all__ = ["RecencyGroup"]

LEAST_SHAPE: Final = 16.0


@final
@dataclass(frozen=True, slots=True)
class RecencyGroup:
    """Histories with the same number x >= 1 of gaps, of which only the sum is known; as GapGroup otherwise.

    Densities are those of the sum of the gaps, divided by that of x gaps in any way, t^(x-1)/Gamma(x).

    Attributes
    ----------
    rows
        Positions of the histories.
    x
        How many gaps.
    total
        Their sum, shape (histories,).
    nodes
        Of lambda, shared by all.
    phases
        Probabilities of the stages of an active open gap, shape (k, histories, nodes).
    log_scale
        Nought, shape (histories,).
    """

    rows: NDArray[np.intp]
    x: int
    total: Array
    nodes: RateNodes
    phases: Array
    log_scale: Array

    @classmethod
    def of(  # noqa: PLR0917 - as GapGroup.of, with x
        cls, rows: NDArray[np.intp], x: int, total: Array, silence: Array, k: int, span: RateRange
    ) -> Self:
        """Prepare histories for parameters within a range."""
        shape = span.most + k * x
        fastest = float(special.gammainccinv(shape, TAIL)) / span.low
        time = span.high + float((total + silence).max())
        nodes = RateNodes.between(span.least + k, time, fastest, step_for(shape))
        return cls(rows, x, total, nodes, open_phases(nodes, silence, k), np.zeros(len(rows)))

    def sums(  # noqa: PLR0917 - as of GapGroup
        self, k: int, log_prior: Array, omega: Array, eta: Array, rows: slice, log_chance: Array
    ) -> tuple[list[Array], Array]:
        """What belongs to m = 0, 1, … < x dormant gaps, times weight and density of lambda; as of GapGroup."""
        total = self.total[rows, None, None]
        logs: list[Array] = []
        highest = np.full((len(total), log_prior.shape[-1]), -np.inf)
        for m in range(self.x):
            logs.append(self._log_density(total, m, k, omega, eta) + log_prior + log_chance[m])
            largest = logs[-1].max(axis=1)
            if m > 0 and (largest < highest - NEPERS_LEFT_OUT).all():
                break
            highest = np.maximum(highest, largest)
        with np.errstate(under="ignore"):
            return [np.exp(each - highest[:, None]) for each in logs], highest

    def _log_density(self, t: Array, m: int, k: int, omega: Array, eta: Array) -> Array:
        """Logarithm of the density with m dormant gaps, shape (histories, nodes, draws)."""
        x, stages = self.x, k * (self.x - m)
        log_rate = self.nodes.log_rate[:, None]
        stages_done = np.exp(log_rate) * t
        constant = (stages + m - x) * np.log(t) + math.lgamma(x) - math.lgamma(stages) + stages * log_rate
        if m == 0:
            return np.asarray(constant - stages_done + 0.0 * eta)
        low = -NEPERS / m - math.log1p(float(eta.max() * t.max()))
        high = NEPERS / stages + math.log1p(float(stages_done.max()))
        step = step_for(max(LEAST_SHAPE, m, stages))
        y = low + step * np.arange(1 + math.ceil((high - low) / step))
        log_dormant, log_active = -np.logaddexp(0, -y), -np.logaddexp(0, y)
        exponent = m * log_dormant + stages * log_active - stages_done * np.exp(log_active)
        largest = exponent.max(axis=2, keepdims=True)
        with np.errstate(under="ignore", divide="ignore"):
            silent = np.exp(-np.exp(log_dormant)[:, None] * (eta * t))
            log_sum = np.log(np.exp(exponent - largest) @ silent) + largest + math.log(step)
            log_ways = math.lgamma(x + 1) - math.lgamma(m + 1) - math.lgamma(x - m + 1) - math.lgamma(m)
            return np.asarray(constant + log_ways + m * np.log(omega * eta) + log_sum)
