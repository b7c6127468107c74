"""Gamma-gamma spend: Fader & Hardie (2013), The Gamma-Gamma Model of Monetary Value, brucehardie.com/notes/025."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple, Self, final, override

import numpy as np
from scipy.special import gammaincinv, gammaln

from kundenwert.errors import DataError
from kundenwert.models.core import (
    FixedParameters,
    Quantity,
    SpendModel,
    check_money_scale,
    check_positive,
    refuse_one_price,
)
from kundenwert.models.kernels.latent import GammaLevel
from kundenwert.priors import LogNormal, Prior

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from kundenwert.duration import TimeUnit, Unit
    from kundenwert.histories import Cells, HistoryColumn
    from kundenwert.models.core import Amounts, Array, Functions, History

__all__ = ["GammaGamma"]

SMALLEST: Final = 1e-300  # so that no amount is 0/0
LARGEST: Final = 1e300  # or 0 times infinity


class _Parameters(NamedTuple):
    p: Array
    q: Array
    gamma: Array


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class GammaGamma(SpendModel[_Parameters]):
    """Amounts vary around a customer's own mean; the means vary across customers, with a heavy right tail.

    Amounts of one customer are Gamma(p, nu), nu ~ Gamma(q, gamma) across customers, independent of how often they
    buy. Only repeat purchases enter, of customers whose repeat amounts do not add up to zero. The population's mean
    amount, p gamma/(q - 1), exists for q > 1 only.

    Parameters
    ----------
    scale : Prior, optional
        Typical amount p gamma/q. By default LogNormal(log(money_scale), 2).
    p : Prior
        Shape of one customer's amounts; large means that a customer always spends about the same.
    q : Prior
        Shape of the differences across customers; small means a heavy tail of big spenders.
    money_scale : float, optional
        A typical amount in the currency of the log, for the default prior of `scale`. By default the geometric
        mean of the customers' mean amounts, so that results do not depend on the currency.

    Notes
    -----
    Source: Fader & Hardie (2013), The Gamma-Gamma Model of Monetary Value, eq. (1a) and (5).
    """

    scale: Prior | None = None
    p: Prior = LogNormal(math.log(3), 1)
    q: Prior = LogNormal(math.log(4), 0.7)
    money_scale: float | None = None

    needs: ClassVar[tuple[HistoryColumn, ...]] = ("x", "total")
    observes: ClassVar[str] = "mean amounts"

    @final
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Parameters(FixedParameters["GammaGamma"]):
        """Given values of p, q and gamma; gamma in the currency of the log. `unit` is a time unit of no influence."""

        p: float
        q: float
        gamma: float
        unit: TimeUnit = "week"

        def __post_init__(self) -> None:
            check_positive(self, _Parameters._fields)

        @property
        @override
        def measure(self) -> TimeUnit:
            return self.unit

        @override
        def model(self) -> GammaGamma:
            return GammaGamma(money_scale=self.p * self.gamma / self.q)

    def __post_init__(self) -> None:
        check_money_scale(self.money_scale)
        _ = self.quantities

    @property
    @override
    def parameter_names(self) -> tuple[str, ...]:
        return _Parameters._fields

    @property
    @override
    def quantities(self) -> tuple[Quantity, ...]:
        typical = self.money_scale or 1.0
        scale = LogNormal(math.log(typical), 2) if self.scale is None else self.scale
        return (Quantity("scale", scale, typical), Quantity("p", self.p, 3.0), Quantity("q", self.q, 4.0))

    @override
    def prepared(self, cells: Cells) -> Self:
        used = self.informative(cells)
        weight = cells.counts[used]
        mean = cells["total"][used] / cells["x"][used]
        log_mean = np.log(mean)
        refuse_one_price(log_mean, cells["x"][used], weight, mean)
        if self.money_scale is not None:
            return self
        return replace(self, money_scale=float(np.exp(np.average(log_mean, weights=weight))))

    @override
    def informative(self, cells: Cells) -> NDArray[np.bool_]:
        used = (cells["x"] > 0) & (cells["total"] > 0)
        if not used.any():
            message = (
                "no customer has a repeat purchase with a positive amount, so that spend cannot be learnt; "
                "check the amount column, or choose a later `until`"
            )
            raise DataError(message)
        return np.asarray(used)

    @override
    def left_out(self, cells: Cells) -> tuple[str, ...]:
        free = (cells["x"] > 0) & (cells["total"] == 0)
        silent = int(cells.counts[free].sum())
        if silent == 0:
            return ()
        share = float(cells.counts[free] @ cells["x"][free] / (cells.counts @ cells["x"]))
        note = (
            f"{silent:,} customer{'s' * (silent > 1)} whose repeat purchases add up to nothing ({share:.1%} of the "
            "repeat purchases) do not enter the likelihood: the mean amount of the population, which new customers are "
            "given, is that of customers who pay. If those purchases are none, leave them out of the log."
        )
        return (note,)

    @override
    def named(self, values: Sequence[Array]) -> _Parameters:
        return _Parameters(*values)

    @override
    def parameters_of(self, quantities: Sequence[Array], unit: Unit) -> _Parameters:
        scale, p, q = quantities
        return _Parameters(p=p, q=q, gamma=scale * q / p)

    @override
    def quantities_of(self, theta: _Parameters, unit: Unit) -> tuple[Array, ...]:
        return (theta.p * theta.gamma / theta.q, theta.p, theta.q)

    @override
    def log_likelihood(self, theta: _Parameters, h: History, f: Functions) -> Array:
        """Log density of the mean repeat amount, eq. (1a), written in total = x * mean."""
        p, q, gamma = theta
        of_x = h.map(
            "x",
            lambda x: f.gammaln(p * x + q) - f.gammaln(p * x) - f.gammaln(q) + q * f.log(gamma) + f.log(x),
        )
        x, total = h["x"], h["total"]
        return of_x + (p * x - 1) * f.log(total) - (p * x + q) * f.log(gamma + total)

    @override
    def expected_spend(self, theta: _Parameters, h: History) -> Array:
        """Mean amount of a purchase, eq. (5): p (gamma + total)/(p x + q - 1); inf where p x + q <= 1."""
        p, q, gamma = theta
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = p * (gamma + h["total"]) / (p * h["x"] + q - 1)
        return np.where(self.tail_index(theta, h["x"]) <= 1, np.inf, mean)

    @override
    def median_spend(self, theta: _Parameters, h: History) -> Array:
        """Median of p/nu given the history, nu ~ Gamma(p x + q, gamma + total)."""
        p, q, gamma = theta
        with np.errstate(divide="ignore", over="ignore"):  # with a tail so heavy that there is no such number
            return np.asarray(p * (gamma + h["total"]) / gammaincinv(p * h["x"] + q, 0.5))

    @override
    def tail_index(self, theta: _Parameters, x: Array) -> Array:
        return np.asarray(theta.p * x + theta.q)

    @override
    def simulate(self, theta: _Parameters, customer: NDArray[np.int64], rng: np.random.Generator) -> Array:
        who, position = np.unique(customer, return_inverse=True)
        nu = rng.gamma(theta.q, 1 / np.asarray(theta.gamma), len(who))
        return np.asarray(rng.gamma(theta.p, 1 / nu[position]))

    @override
    def simulate_ahead(
        self, theta: _Parameters, h: History, customer: NDArray[np.int64], rng: np.random.Generator
    ) -> Array:
        """Amounts of Gamma(p, nu), nu ~ Gamma(p x + q, gamma + total)."""
        p, q, gamma = theta
        known = rng.standard_gamma(p * h["x"] + q)
        with np.errstate(over="ignore"):  # a tail without a mean goes beyond all numbers
            scale = np.minimum((gamma + h["total"]) / np.maximum(known, SMALLEST), LARGEST)
            return np.asarray(rng.standard_gamma(p[customer]) * scale[customer])

    @override
    def log_density_ahead(self, theta: _Parameters, h: History, amounts: Amounts) -> Array:
        """Amounts are Gamma(p, nu) given nu ~ Gamma(p x + q, gamma + total), which is integrated out."""
        p, q, gamma = theta
        k, total, log_total, _ = amounts
        shape, rate = p * h["x"] + q, gamma + h["total"]
        constant = gammaln(shape + p * k) - gammaln(shape) - k * gammaln(p)
        # rate^shape/(rate + total)^(shape + p k), so that neither power gets too large
        return np.asarray(
            constant - shape * np.log1p(total / rate) - p * k * np.log(rate + total) + (p - 1) * log_total
        )

    @override
    def level_law(self, theta: _Parameters, h: History) -> GammaLevel:
        """The mean amount is p/nu, with nu ~ Gamma(p x + q, gamma + total)."""
        p, q, gamma = theta
        return GammaLevel(r=q, alpha=gamma, shape=p * h["x"] + q, rate=gamma + h["total"])
