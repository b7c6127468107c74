"""MBG/NBD: Batislam, Denizel & Filiztekin (2007), Int. J. of Research in Marketing 24(3), 201-209."""

from __future__ import annotations

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

__all__ = ["MBGNBD"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class MBGNBD(BetaGeometricModel):
    """Customers buy at random until, after some purchase, the *first one included*, they leave for good.

    The recommended default: one-time buyers may be gone, which BG/NBD rules out.

    Parameters
    ----------
    mean_rate : Prior
        Mean purchase rate while active, r/alpha, per *year*.
    shape : Prior
        Shape r of the rates across customers; small means that few customers make most purchases.
    mean_dropout : Prior
        Mean probability of leaving after a purchase, a/(a+b).
    concentration : Prior
        a + b; large means that all customers have about the same dropout probability.

    Notes
    -----
    Source: Batislam, Denizel & Filiztekin (2007), International Journal of Research in Marketing 24(3), 201-209.
    """

    @final
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Parameters(BetaGeometricParameters["MBGNBD"]):
        """Given values of r, alpha, a and b; alpha in `unit`."""

        @override
        def model(self) -> MBGNBD:
            return MBGNBD()

    @override
    def log_likelihood(self, theta: BetaGeometric, h: History, f: Functions) -> Array:
        """Log-likelihood: alive after x + 1 chances to leave, or gone after the last purchase."""
        r, alpha, a, b = theta
        of_x = h.map(
            "x",
            lambda x: (
                f.gammaln(r + x)
                - f.gammaln(r)
                + r * f.log(alpha)
                + (f.gammaln(b + x + 1) - f.gammaln(a + b + x + 1))
                - (f.gammaln(b) - f.gammaln(a + b))
            ),
        )
        log_age = h.map("T", lambda T: f.log(alpha + T))
        return of_x - (r + h["x"]) * log_age + f.softplus(self.log_odds_gone(theta, h, f))

    @override
    def log_odds_gone(self, theta: BetaGeometric, h: History, f: Functions) -> Array:
        """P(alive) = 1/(1 + a/(b+x) ((alpha+T)/(alpha+t_x))^(r+x))."""
        r, alpha, a, b = theta
        dropout = h.map("x", lambda x: f.log(a) - f.log(b + x))
        return dropout + (r + h["x"]) * f.log1p((h["T"] - h["t_x"]) / (alpha + h["t_x"]))

    @override
    def alive(self, theta: BetaGeometric, x: Array, T: Array) -> tuple[BetaMixture]:
        r, alpha, a, b = theta
        return (BetaMixture(n=r + x, A=alpha + T, a=a, b=b + x + 1),)

    @override
    def simulate(self, theta: BetaGeometric, T: Array, rng: np.random.Generator) -> Purchases:
        return simulate(theta, T, rng, leave_after_first=True)
