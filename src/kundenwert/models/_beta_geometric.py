"""What BG/NBD and MBG/NBD share: parameters, the quantities behind them, and the simulator.

Purchase rate while active ~ Gamma(r, alpha); probability of dropping out after a purchase ~ Beta(a, b).
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, override

import numpy as np
from scipy.special import expit

from kundenwert.duration import units_per_year
from kundenwert.models._base import FixedParameters, Model, PurchaseModel, Purchases, Quantity, check_positive
from kundenwert.priors import LogitNormal, LogNormal, Prior

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kundenwert.duration import TimeUnit, Unit
    from kundenwert.histories import HistoryColumn
    from kundenwert.models._functions import Array, Functions, History

__all__ = ["BetaGeometric", "BetaGeometricModel", "BetaGeometricParameters", "simulate"]


class BetaGeometric(NamedTuple):
    """Parameters r, alpha (in units of time), a and b."""

    r: Array
    alpha: Array
    a: Array
    b: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class BetaGeometricParameters[M: Model[Any]](FixedParameters[M]):
    """Given values of r, alpha, a and b; alpha in `unit`."""

    r: float
    alpha: float
    a: float
    b: float
    unit: TimeUnit

    def __post_init__(self) -> None:
        check_positive(self, BetaGeometric._fields)

    @property
    @override
    def measure(self) -> TimeUnit:
        return self.unit


@dataclass(frozen=True, slots=True, kw_only=True)
class BetaGeometricModel(PurchaseModel[BetaGeometric]):
    """Priors on the mean purchase rate, its shape, the mean dropout probability and its concentration."""

    mean_rate: Prior = LogNormal(math.log(3), 1.5)
    shape: Prior = LogNormal(0, 1)
    mean_dropout: Prior = LogitNormal(-1, 1.2)
    concentration: Prior = LogNormal(math.log(3), 1)

    needs: ClassVar[tuple[HistoryColumn, ...]] = ("x", "t_x", "T")

    def __post_init__(self) -> None:
        _ = self.quantities  # a prior that does not fit is an error now, not at the fit

    @abstractmethod
    def log_odds_gone(self, theta: BetaGeometric, h: History, f: Functions) -> Array:
        """Log-odds of having left by T, which likelihood and P(alive) have in common; shape (cells, draws)."""

    @override
    def p_states(self, theta: BetaGeometric, h: History, f: Functions) -> Array:
        return np.asarray(expit(-self.log_odds_gone(theta, h, f)))[None]

    @property
    @override
    def parameter_names(self) -> tuple[str, ...]:
        return BetaGeometric._fields

    @property
    @override
    def quantities(self) -> tuple[Quantity, ...]:
        return (
            Quantity("mean_rate", self.mean_rate, 3.0),
            Quantity("shape", self.shape, 1.0),
            Quantity("mean_dropout", self.mean_dropout, 0.3, "probability"),
            Quantity("concentration", self.concentration, 3.0),
        )

    @override
    def parameters_of(self, quantities: Sequence[Array], unit: Unit) -> BetaGeometric:
        mean_rate, shape, mean_dropout, concentration = quantities
        return BetaGeometric(
            r=shape,
            alpha=shape / (mean_rate / units_per_year(unit)),
            a=mean_dropout * concentration,
            b=(1 - mean_dropout) * concentration,
        )

    @override
    def quantities_of(self, theta: BetaGeometric, unit: Unit) -> tuple[Array, ...]:
        r, alpha, a, b = theta
        return (r / alpha * units_per_year(unit), r, a / (a + b), a + b)

    @override
    def named(self, values: Sequence[Array]) -> BetaGeometric:
        return BetaGeometric(*values)

    @override
    def time_scale(self, theta: BetaGeometric) -> float:
        return float(np.min(theta.alpha))


def simulate(theta: BetaGeometric, T: Array, rng: np.random.Generator, *, leave_after_first: bool) -> Purchases:
    """Repeat purchases in (0, T]; `leave_after_first` tells whether the first purchase can already be the last."""
    size = len(T)
    rate = rng.gamma(theta.r, 1 / np.asarray(theta.alpha), size)
    dropout = rng.beta(theta.a, theta.b, size)
    customer = np.arange(size)
    if leave_after_first:
        customer = customer[rng.random(size) >= dropout]
    time = np.zeros(len(customer))
    customers, times = [customer[:0]], [time[:0]]
    while len(customer):
        with np.errstate(divide="ignore", over="ignore"):  # a rate so small that the next purchase never comes
            time = time + rng.exponential(size=len(customer)) / rate[customer]
        observed = time <= T[customer]
        customer, time = customer[observed], time[observed]
        customers.append(customer)
        times.append(time)
        stays = rng.random(len(customer)) >= dropout[customer]
        customer, time = customer[stays], time[stays]
    who, when = np.concatenate(customers), np.concatenate(times)
    order = np.lexsort((when, who))
    return Purchases(customer=who[order].astype(np.int64), time=when[order])
