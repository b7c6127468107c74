"""What the models share in which customers may leave after each purchase: BG/NBD, MBG/NBD and the CNBD-k pair.

Rate of purchases, or of the stages of which each takes k, while active ~ Gamma(r, alpha); probability of dropping out
after a purchase ~ Beta(a, b). Priors are stated on quantities that mean the same for every k and in every unit of time.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple, override

import numpy as np
from scipy.special import expit

from kundenwert.duration import units_per_year
from kundenwert.models.core import NUMPY, Model, PurchaseModel, Purchases, Quantity, Revived, TimeParameters
from kundenwert.models.kernels.beta_erlang import BetaErlang
from kundenwert.models.kernels.beta_mixture import BetaMixture
from kundenwert.models.kernels.latent import GammaMixture, GammaRate
from kundenwert.models.kernels.simulation import gap_after_gap
from kundenwert.priors import LogitNormal, LogNormal, Prior

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kundenwert.duration import Unit
    from kundenwert.histories import HistoryColumn
    from kundenwert.models.core import AliveCustomer, Array, Functions, History

__all__ = [
    "CONCENTRATION",
    "MEAN_DROPOUT",
    "MEAN_RATE",
    "NARROW",
    "SHAPE",
    "BetaGeometric",
    "BetaGeometricModel",
    "BetaGeometricParameters",
    "LeavingModel",
    "simulate",
]

MEAN_RATE: Final = LogNormal(math.log(3), 1.5)
SHAPE: Final = LogNormal(0, 1)
MEAN_DROPOUT: Final = LogitNormal(-1, 1.2)
CONCENTRATION: Final = LogNormal(math.log(3), 1)
NARROW: Final = 1e10  # shape of a gamma distribution without spread


class BetaGeometric(NamedTuple):
    """Parameters r, alpha (in units of time), a and b."""

    r: Array
    alpha: Array
    a: Array
    b: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class BetaGeometricParameters[M: Model[Any]](TimeParameters[M]):
    """Given values of r, alpha, a and b; alpha in `unit`."""

    r: float
    alpha: float
    a: float
    b: float


class LeavingModel(PurchaseModel[BetaGeometric]):
    """A model with these parameters; its fields are the priors of the four quantities."""

    __slots__ = ()

    needs: ClassVar[tuple[HistoryColumn, ...]] = ("x", "t_x", "T")

    @property
    @abstractmethod
    def stages(self) -> int:
        """How many stages, which end at rate Gamma(r, alpha), make a purchase."""

    @property
    @abstractmethod
    def priors(self) -> tuple[Prior, Prior, Prior, Prior]:
        """Priors of mean_rate, shape, mean_dropout and concentration."""

    @property
    @override
    def parameter_names(self) -> tuple[str, ...]:
        return BetaGeometric._fields

    @property
    @override
    def quantities(self) -> tuple[Quantity, ...]:
        mean_rate, shape, mean_dropout, concentration = self.priors
        return (
            Quantity("mean_rate", mean_rate, 3.0),
            Quantity("shape", shape, 1.0),
            Quantity("mean_dropout", mean_dropout, 0.3, "probability"),
            Quantity("concentration", concentration, 3.0),
        )

    @override
    def parameters_of(self, quantities: Sequence[Array], unit: Unit) -> BetaGeometric:
        mean_rate, shape, mean_dropout, concentration = quantities
        return BetaGeometric(
            r=shape,
            alpha=shape / (self.stages * mean_rate / units_per_year(unit)),
            a=mean_dropout * concentration,
            b=(1 - mean_dropout) * concentration,
        )

    @override
    def quantities_of(self, theta: BetaGeometric, unit: Unit) -> tuple[Array, ...]:
        r, alpha, a, b = theta
        return (r / (self.stages * alpha) * units_per_year(unit), r, a / (a + b), a + b)

    @override
    def named(self, values: Sequence[Array]) -> BetaGeometric:
        return BetaGeometric(*values)

    @override
    @abstractmethod
    def alive(self, theta: BetaGeometric, x: Array, T: Array) -> tuple[BetaMixture | BetaErlang, ...]: ...

    @override
    def revived(self, theta: BetaGeometric, x: Array, T: Array) -> tuple[Revived, ...]:
        """Rate and dropout probability as given alive at T without a purchase; then a chance to leave."""
        return tuple(self._second_life(c.n, c.A, c.a, c.b) for c in self.alive(theta, x, T))

    @override
    def regained(self, theta: BetaGeometric, x: Array, t_x: Array) -> Revived:
        """Rate Gamma(r + k x, alpha + t_x); one chance to leave more was taken, and one fewer was not.

        The likelihood of having left after the last purchase is lambda^(k x) exp(-lambda t_x) p (1 - p)^(chances - 1).
        """
        then = self.alive(theta, x, t_x)[0]
        chances = then.b - theta.b
        return self._second_life(then.n, then.A, then.a + 1, then.b - (chances > 0.5))

    def _second_life(self, n: Array, A: Array, a: Array, b: Array) -> Revived:
        """Stages end at rate Gamma(n, A), dropout is Beta(a, b): right after a purchase, where b rises if they stay."""
        if self.stages == 1:
            return Revived(b / (a + b), BetaMixture(n=n, A=A, a=a, b=b + 1))
        return Revived(b / (a + b), BetaErlang(k=self.stages, phase=0, n=n, A=A, a=a, b=b + 1))

    @override
    def time_scale(self, theta: BetaGeometric) -> float:
        return float(np.min(theta.alpha))

    @override
    def rate_law(self, theta: BetaGeometric, h: History) -> GammaRate:
        """Alive with j stages done, Gamma(n + j, alpha + T), n = r + k x; gone since t_x, Gamma(n, alpha + t_x)."""
        states = self.p_states(theta, h, NUMPY)
        gone = np.maximum(1 - states.sum(axis=0), 0)
        n = theta.r + self.stages * h["x"]
        shape = np.stack([*(n + j for j in range(len(states))), n])
        rate = np.stack([*[theta.alpha + h["T"]] * len(states), theta.alpha + h["t_x"]])
        return GammaRate(GammaMixture(theta.r, theta.alpha, shape, rate, np.stack([*states, gone])), len(states))

    @override
    def at_rate(self, theta: BetaGeometric, x: Array, rate: Array) -> tuple[AliveCustomer, ...]:
        """Of a gamma distribution so narrow that it is a number."""
        return self.alive(theta._replace(r=NARROW - self.stages * x, alpha=NARROW / rate), x, np.zeros(1))


@dataclass(frozen=True, slots=True, kw_only=True)
class BetaGeometricModel(LeavingModel):
    """Priors on the mean purchase rate, its shape, the mean dropout probability and its concentration."""

    mean_rate: Prior = MEAN_RATE
    shape: Prior = SHAPE
    mean_dropout: Prior = MEAN_DROPOUT
    concentration: Prior = CONCENTRATION

    def __post_init__(self) -> None:
        _ = self.quantities  # a prior that does not fit is an error now, not at the fit

    @property
    @override
    def stages(self) -> int:
        return 1

    @property
    @override
    def priors(self) -> tuple[Prior, Prior, Prior, Prior]:
        return self.mean_rate, self.shape, self.mean_dropout, self.concentration

    @abstractmethod
    def log_odds_gone(self, theta: BetaGeometric, h: History, f: Functions) -> Array:
        """Log-odds of having left by T, which likelihood and P(alive) have in common; shape (cells, draws)."""

    @override
    def p_states(self, theta: BetaGeometric, h: History, f: Functions) -> Array:
        return np.asarray(expit(-self.log_odds_gone(theta, h, f)))[None]


def simulate(
    theta: BetaGeometric, T: Array, rng: np.random.Generator, *, leave_after_first: bool, stages: int = 1
) -> Purchases:
    """Repeat purchases in (0, T]; `leave_after_first` tells whether the first purchase can already be the last."""
    size = len(T)
    rate = rng.gamma(theta.r, 1 / np.asarray(theta.alpha), size)
    dropout = rng.beta(theta.a, theta.b, size)
    stay = np.flatnonzero(rng.random(size) >= dropout) if leave_after_first else np.arange(size)
    rate, dropout = rate[stay], dropout[stay]
    later = gap_after_gap(
        np.zeros(len(stay)),
        T[stay],
        lambda who: rng.standard_gamma(stages, who.shape) / rate[who],
        lambda who, _: rng.random(who.shape) >= dropout[who],
    )
    return Purchases.in_order(stay[later.customer], later.time)
