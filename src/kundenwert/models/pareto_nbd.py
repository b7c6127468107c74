"""Pareto/NBD: Schmittlein, Morrison & Colombo (1987), Management Science 33(1), 1-24."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, final, override

import numpy as np

from kundenwert.duration import units_per_year
from kundenwert.models.core import Quantity, TimeParameters
from kundenwert.models.families.independent_lifetime import (
    IndependentLifetime,
    IndependentLifetimeModel,
    purchases,
    reach,
)
from kundenwert.models.kernels.lifetimes import ParetoLifetime

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kundenwert.duration import Unit
    from kundenwert.models.core import Array, Functions, History, Purchases
    from kundenwert.models.families.independent_lifetime import Nodes

__all__ = ["ParetoNBD"]


class _Parameters(NamedTuple):
    r: Array
    alpha: Array
    s: Array
    beta: Array


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ParetoNBD(IndependentLifetimeModel[_Parameters]):
    """Customers buy at random, and may leave for good at any moment, whether they buy or not.

    Parameters
    ----------
    mean_rate : Prior
        Mean purchase rate while active, r/alpha, per *year*.
    shape : Prior
        Shape r of the purchase rates across customers; small means that few customers make most purchases.
    dropout_rate : Prior
        Mean rate of leaving, s/beta, per *year*.
    dropout_shape : Prior
        Shape s of the rates of leaving across customers; small means that some leave at once and others hardly ever.

    Notes
    -----
    Sources: Schmittlein, Morrison & Colombo (1987), Management Science 33(1), 1-24; Fader & Hardie (2005), A Note on
    Deriving the Pareto/NBD Model and Related Expressions.
    """

    @final
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Parameters(TimeParameters["ParetoNBD"]):
        """Given values of r, alpha, s and beta; alpha and beta in `unit`."""

        r: float
        alpha: float
        s: float
        beta: float

        @override
        def model(self) -> ParetoNBD:
            return ParetoNBD()

    @property
    @override
    def parameter_names(self) -> tuple[str, ...]:
        return _Parameters._fields

    @property
    @override
    def quantities(self) -> tuple[Quantity, ...]:
        return self.rates

    @override
    def named(self, values: Sequence[Array]) -> _Parameters:
        return _Parameters(*values)

    @override
    def parameters_of(self, quantities: Sequence[Array], unit: Unit) -> _Parameters:
        mean_rate, shape, dropout_rate, dropout_shape = quantities
        year = units_per_year(unit)
        return _Parameters(
            r=shape, alpha=shape / (mean_rate / year), s=dropout_shape, beta=dropout_shape / (dropout_rate / year)
        )

    @override
    def quantities_of(self, theta: _Parameters, unit: Unit) -> tuple[Array, ...]:
        r, alpha, s, beta = theta
        year = units_per_year(unit)
        return (r / alpha * year, r, s / beta * year, s)

    @override
    def log_survival(self, theta: _Parameters, T: Array, f: Functions) -> Array:
        return -theta.s * f.log1p(T / theta.beta)

    @override
    def log_odds_gone(self, theta: _Parameters, h: History, f: Functions, nodes: Nodes) -> Array:
        """Integral over the time v since t_x of (1 + v/a)^-n s/B (1 + v/B)^-(s+1), over its value for "alive".

        With a = alpha + t_x and B = beta + t_x. It is taken over log(1 + v/near), near being the smaller of a and B,
        up to where next to nothing is left.
        """
        r, alpha, s, beta = theta
        x, t_x, gap = h["x"], h["t_x"], h["T"] - h["t_x"]
        silent = gap > 0
        length = f.where(silent, gap, 1.0)
        n, a, B = r + x, alpha + t_x, beta + t_x
        end = f.minimum(length, f.minimum(a * h.map("x", lambda x: reach(r + x, f)), B * reach(s, f)))
        first = alpha < beta
        near, far = f.where(first, alpha, beta) + t_x, f.where(first, beta, alpha) + t_x
        x_near, x_far = f.where(first, 1.0, 0.0) * x, f.where(first, 0.0, 1.0) * x
        power_near, power_far = f.where(first, r, s + 1) + x_near, f.where(first, s + 1, r) + x_far
        ratio, y_end, slope = near / far, f.log1p(end / near), 1 - power_near

        def term(node: Array, weight: Array) -> Array:
            y = y_end * node
            return weight * f.exp(slope * y - power_far * f.log1p(ratio * f.expm1(y)))

        left = s / B * near * y_end * f.total(term, *nodes)
        return f.where(silent, n * f.log1p(length / a) + s * f.log1p(length / B) + f.log(left), -math.inf)

    @override
    def alive(self, theta: _Parameters, x: Array, T: Array) -> tuple[IndependentLifetime]:
        r, alpha, s, beta = theta
        n, A, s, B = np.broadcast_arrays(r + x, alpha + T, s, beta + T)
        return (IndependentLifetime(n=n, A=A, lifetime=ParetoLifetime(s=s, B=B)),)

    @override
    def time_scale(self, theta: _Parameters) -> float:
        return float(min(np.min(theta.alpha), np.min(theta.beta)))

    @override
    def simulate(self, theta: _Parameters, T: Array, rng: np.random.Generator) -> Purchases:
        r, alpha, s, beta = theta
        rate = rng.gamma(r, 1 / np.asarray(alpha), len(T))
        leaving = rng.gamma(s, 1 / np.asarray(beta), len(T))
        with np.errstate(divide="ignore", over="ignore"):  # some hardly ever leave
            lifetime = rng.exponential(size=len(T)) / leaving
        return purchases(rate, np.minimum(T, lifetime), rng)
