"""GGomp/NBD: Bemmaor & Glady (2012), Management Science 58(5), 1012-1021."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, final, override

import numpy as np

from kundenwert.duration import units_per_year
from kundenwert.models.core import NUMPY, Quantity, TimeParameters
from kundenwert.models.families.independent_lifetime import (
    NEGLIGIBLE,
    IndependentLifetime,
    IndependentLifetimeModel,
    purchases,
    reach,
)
from kundenwert.models.kernels.lifetimes import GompertzLifetime, k_later, log_growth
from kundenwert.priors import LogNormal, Prior

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kundenwert.duration import Unit
    from kundenwert.models.core import Array, Functions, History, Purchases
    from kundenwert.models.families.independent_lifetime import Nodes

__all__ = ["GGompNBD"]


class _Parameters(NamedTuple):
    r: Array
    alpha: Array
    b: Array
    s: Array
    beta: Array


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class GGompNBD(IndependentLifetimeModel[_Parameters]):
    """Customers buy at random, and may leave for good at any moment; the longer they stay, the sooner they leave.

    The rate of leaving of every customer grows by the factor e^b per unit of time. For b = 0 this is
    :class:`ParetoNBD`, with its beta times b.

    Parameters
    ----------
    mean_rate : Prior
        Mean purchase rate while active, r/alpha, per *year*.
    shape : Prior
        Shape r of the purchase rates across customers; small means that few customers make most purchases.
    dropout_rate : Prior
        Mean rate of leaving of new customers, s b/beta, per *year*.
    dropout_shape : Prior
        Shape s of the rates of leaving across customers; small means that some leave at once and others hardly ever.
    aging : Prior
        How fast rates of leaving grow, b, per *year*: by the factor e^b within a year.

    Notes
    -----
    Sources: Bemmaor & Glady (2012), Management Science 58(5), 1012-1021; its conditional expectation was corrected by
    Adler (2022).
    """

    aging: Prior = LogNormal(-1, 1.5)

    @final
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Parameters(TimeParameters["GGompNBD"]):
        """Given values of r, alpha, b, s and beta; alpha in `unit`, b per `unit`."""

        r: float
        alpha: float
        b: float
        s: float
        beta: float

        @override
        def model(self) -> GGompNBD:
            return GGompNBD()

    @property
    @override
    def parameter_names(self) -> tuple[str, ...]:
        return _Parameters._fields

    @override
    def named(self, values: Sequence[Array]) -> _Parameters:
        return _Parameters(*values)

    @property
    @override
    def quantities(self) -> tuple[Quantity, ...]:
        return (*self.rates, Quantity("aging", self.aging, math.exp(-1)))

    @override
    def parameters_of(self, quantities: Sequence[Array], unit: Unit) -> _Parameters:
        mean_rate, shape, dropout_rate, dropout_shape, aging = quantities
        year = units_per_year(unit)
        beta = dropout_shape * aging / dropout_rate
        return _Parameters(r=shape, alpha=shape / (mean_rate / year), b=aging / year, s=dropout_shape, beta=beta)

    @override
    def quantities_of(self, theta: _Parameters, unit: Unit) -> tuple[Array, ...]:
        r, alpha, b, s, beta = theta
        year = units_per_year(unit)
        return (r / alpha * year, r, s * b / beta * year, s, b * year)

    @override
    def log_survival(self, theta: _Parameters, T: Array, f: Functions) -> Array:
        return -theta.s * log_growth(theta.b * T, 1 / theta.beta, f)

    @override
    def log_odds_gone(self, theta: _Parameters, h: History, f: Functions, nodes: Nodes) -> Array:
        """Integral over the time v since t_x of (1 + v/a)^-n times the density of v, over its value for "alive".

        With a = alpha + t_x, k the beta of those who are alive at t_x, and time in units of 1/b. The integrand falls
        while frequent buyers would have bought, and rises while the hazard grows, which it does if beta is large. So
        there are three integrals: as long as the hazard has hardly grown, until it settles, and after that.
        """
        return f.apart(theta.beta > 2, lambda values, rises: self._log_odds(values, h, f, nodes, rises=rises), theta)

    def _log_odds(self, theta: Sequence[Array], h: History, f: Functions, nodes: Nodes, *, rises: bool) -> Array:
        r, alpha, b, s, beta = theta
        gap = h["T"] - h["t_x"]
        silent = gap > 0
        length = b * f.where(silent, gap, 1.0)
        n, a = r + h["x"], b * (alpha + h["t_x"])
        k = h.map("t_x", lambda t_x: k_later(beta, b * t_x, f))
        inverse_a, inverse_k = 1 / a, 1 / k

        def log_density(v: Array) -> Array:
            return v - n * f.log1p(v * inverse_a) - (s + 1) * log_growth(v, inverse_k, f)

        def even(start: Array, width: Array) -> Array:
            return width * f.total(lambda node, weight: weight * f.exp(log_density(start + width * node)), *nodes)

        def graded(start: Array | float, width: Array, scale: Array) -> Array:
            y_end = f.log1p(width / scale)

            def term(node: Array, weight: Array) -> Array:
                y = y_end * node
                return weight * f.exp(y + log_density(start + scale * f.expm1(y)))

            return scale * y_end * f.total(term, *nodes)

        rare = h.map("x", lambda x: reach(r + x, f))
        settled = f.minimum(f.log(f.where(k > 2, k - 1, 1.0)), length) if rises else np.zeros(())
        a_late, k_late = a + settled, k_later(k, settled, f)
        nobody_left = log_growth(NEGLIGIBLE / s, k_late, f)
        end = f.minimum(length - settled, f.minimum(a_late * rare, nobody_left))
        mass = graded(settled, end, f.minimum(a_late, k_late))
        if rises:
            grown = f.minimum(settled / 2, 1.0)
            mass = mass + graded(0.0, f.minimum(grown, a * rare), f.minimum(a, 1.0)) + even(grown, settled - grown)
        left = f.log(s * inverse_k * mass)
        return f.where(silent, left + n * f.log1p(length * inverse_a) + s * log_growth(length, inverse_k, f), -math.inf)

    @override
    def alive(self, theta: _Parameters, x: Array, T: Array) -> tuple[IndependentLifetime]:
        r, alpha, b, s, beta = theta
        n, A, s, k, b = np.broadcast_arrays(r + x, alpha + T, s, k_later(beta, b * T, NUMPY), b)
        return (IndependentLifetime(n=n, A=A, lifetime=GompertzLifetime(s=s, k=k, b=b)),)

    @override
    def time_scale(self, theta: _Parameters) -> float:
        _, alpha, b, _, beta = theta
        return float(min(np.min(alpha), np.min(np.minimum(beta, 1) / b)))

    @override
    def simulate(self, theta: _Parameters, T: Array, rng: np.random.Generator) -> Purchases:
        r, alpha, b, s, beta = theta
        rate = rng.gamma(r, 1 / np.asarray(alpha), len(T))
        leaving = rng.gamma(s, 1 / np.asarray(beta), len(T))
        with np.errstate(divide="ignore", over="ignore"):  # some hardly ever leave
            lifetime = np.log1p(rng.exponential(size=len(T)) / leaving) / b
        return purchases(rate, np.minimum(T, lifetime), rng)
