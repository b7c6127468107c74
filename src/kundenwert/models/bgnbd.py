"""BG/NBD: Fader, Hardie & Lee (2005), "Counting Your Customers" the Easy Way, Marketing Science 24(2), 275-284."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, final, override

from kundenwert.models.families.beta_geometric import (
    BetaGeometric,
    BetaGeometricModel,
    BetaGeometricParameters,
    simulate,
)
from kundenwert.models.kernels.beta_mixture import BetaMixture

if TYPE_CHECKING:
    import numpy as np

    from kundenwert.models.core import Array, Functions, History, Purchases

__all__ = ["BGNBD"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class BGNBD(BetaGeometricModel):
    """Customers buy at random until, after some *repeat* purchase, they leave for good.

    Under this model nobody can leave before the first repeat purchase, so that P(alive) is 1 for every one-time
    buyer, by construction. Prefer :class:`MBGNBD` unless you must reproduce BG/NBD results.

    Parameters
    ----------
    mean_rate : Prior
        Mean purchase rate while active, r/alpha, per *year*.
    shape : Prior
        Shape r of the rates across customers; small means that few customers make most purchases.
    mean_dropout : Prior
        Mean probability of leaving after a repeat purchase, a/(a+b).
    concentration : Prior
        a + b; large means that all customers have about the same dropout probability.

    Notes
    -----
    Source: Fader, Hardie & Lee (2005), Marketing Science 24(2), 275-284.
    """

    @final
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Parameters(BetaGeometricParameters["BGNBD"]):
        """Given values of r, alpha, a and b; alpha in `unit`."""

        @override
        def model(self) -> BGNBD:
            return BGNBD()

    @override
    def log_likelihood(self, theta: BetaGeometric, h: History, f: Functions) -> Array:
        """Log-likelihood, eq. (6) of the paper, with the ratio of its two terms as log-odds of being gone."""
        r, alpha, a, b = theta
        of_x = h.map(
            "x",
            lambda x: (
                f.gammaln(r + x)
                - f.gammaln(r)
                + r * f.log(alpha)
                + (f.gammaln(b + x) - f.gammaln(a + b + x))
                - (f.gammaln(b) - f.gammaln(a + b))
            ),
        )
        log_age = h.map("T", lambda T: f.log(alpha + T))
        return of_x - (r + h["x"]) * log_age + f.softplus(self.log_odds_gone(theta, h, f))

    @override
    def log_odds_gone(self, theta: BetaGeometric, h: History, f: Functions) -> Array:
        """P(alive) = 1/(1 + 1[x>0] a/(b+x-1) ((alpha+T)/(alpha+t_x))^(r+x)): nobody leaves before a repeat."""
        r, alpha, a, b = theta
        dropout = h.map("x", lambda x: f.where(x > 0, f.log(a) - f.log(b + f.where(x > 0, x - 1, 0.0)), -math.inf))
        return dropout + (r + h["x"]) * f.log1p((h["T"] - h["t_x"]) / (alpha + h["t_x"]))

    @override
    def alive(self, theta: BetaGeometric, x: Array, T: Array) -> tuple[BetaMixture]:
        r, alpha, a, b = theta
        return (BetaMixture(n=r + x, A=alpha + T, a=a, b=b + x),)

    @override
    def simulate(self, theta: BetaGeometric, T: Array, rng: np.random.Generator) -> Purchases:
        return simulate(theta, T, rng, leave_after_first=False)
