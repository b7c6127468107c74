"""MBG/NBD: Batislam, Denizel & Filiztekin (2007), Int. J. of Research in Marketing 24(3), 201-209."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self, final, override

import numpy as np
from scipy.special import expit

from kundenwert.models._base import FixedParameters, PurchaseModel, Purchases, Quantity, check_positive
from kundenwert.models._beta_geometric import (
    BetaGeometric,
    parameters_of,
    quantities_of,
    quantities_with,
    simulate,
)
from kundenwert.models._beta_mixture import BetaMixture
from kundenwert.priors import LogitNormal, LogNormal, Prior

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from kundenwert.duration import TimeUnit
    from kundenwert.histories import Cells, HistoryColumn
    from kundenwert.models._functions import Array, Functions, History

__all__ = ["MBGNBD"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class MBGNBD(PurchaseModel[BetaGeometric]):
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

    mean_rate: Prior = LogNormal(math.log(3), 1.5)
    shape: Prior = LogNormal(0, 1)
    mean_dropout: Prior = LogitNormal(-1, 1.2)
    concentration: Prior = LogNormal(math.log(3), 1)

    needs: ClassVar[tuple[HistoryColumn, ...]] = ("x", "t_x", "T")
    parameter_names: ClassVar[tuple[str, ...]] = BetaGeometric._fields

    @final
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Parameters(FixedParameters["MBGNBD"]):
        """Given values of r, alpha, a and b; alpha in `unit`."""

        r: float
        alpha: float
        a: float
        b: float
        unit: TimeUnit

        def __post_init__(self) -> None:
            check_positive(self, BetaGeometric._fields)

        @override
        def model(self) -> MBGNBD:
            return MBGNBD()

    def __post_init__(self) -> None:
        _ = self.quantities  # a prior that does not fit is an error now, not at the fit

    @property
    @override
    def quantities(self) -> tuple[Quantity, ...]:
        return quantities_with(self.mean_rate, self.shape, self.mean_dropout, self.concentration)

    @override
    def prepared(self, cells: Cells) -> Self:
        return self

    @override
    def informative(self, cells: Cells) -> NDArray[np.bool_]:
        return np.ones(len(cells), dtype=np.bool_)

    @override
    def named(self, values: Sequence[Array]) -> BetaGeometric:
        return BetaGeometric(*values)

    @override
    def parameters_of(self, quantities: Sequence[Array], unit: TimeUnit) -> BetaGeometric:
        return parameters_of(quantities, unit)

    @override
    def quantities_of(self, theta: BetaGeometric, unit: TimeUnit) -> tuple[Array, ...]:
        return quantities_of(theta, unit)

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
        return of_x - (r + h["x"]) * log_age + f.softplus(self._log_odds_gone(theta, h, f))

    @override
    def p_alive(self, theta: BetaGeometric, h: History, f: Functions) -> Array:
        """P(alive at T): 1/(1 + a/(b+x) ((alpha+T)/(alpha+t_x))^(r+x))."""
        return np.asarray(expit(-self._log_odds_gone(theta, h, f)))

    def _log_odds_gone(self, theta: BetaGeometric, h: History, f: Functions) -> Array:
        r, alpha, a, b = theta
        dropout = h.map("x", lambda x: f.log(a) - f.log(b + x))
        return dropout + (r + h["x"]) * f.log1p((h["T"] - h["t_x"]) / (alpha + h["t_x"]))

    @override
    def alive(self, theta: BetaGeometric, x: Array, T: Array) -> BetaMixture:
        r, alpha, a, b = theta
        return BetaMixture(n=r + x, A=alpha + T, a=a, b=b + x + 1)

    @override
    def time_scale(self, theta: BetaGeometric) -> float:
        return float(np.median(theta.alpha))

    @override
    def simulate(self, theta: BetaGeometric, T: Array, rng: np.random.Generator) -> Purchases:
        return simulate(theta, T, rng, leave_after_first=True)
