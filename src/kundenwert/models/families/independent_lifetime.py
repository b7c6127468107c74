"""What Pareto/NBD and GGomp/NBD share: customers buy at random during a lifetime that no purchase changes.

Purchase rate ~ Gamma(r, alpha). Given that a customer is alive at T, the rate is Gamma(n, A) and independent of the
residual lifetime, so that every expectation is an integral over the time ahead of something positive.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Final, final, override

import numpy as np
from scipy.special import expit

from kundenwert.models.core import NUMPY, PurchaseModel, Purchases, Quantity
from kundenwert.models.families.beta_geometric import MEAN_RATE, NARROW, SHAPE
from kundenwert.models.kernels.latent import GammaMixture, GammaRate
from kundenwert.models.kernels.quadrature import gauss_legendre
from kundenwert.models.kernels.simulation import at_random, check_horizon, first_gap
from kundenwert.models.kernels.sums import log_binomial
from kundenwert.priors import LogNormal, Prior

if TYPE_CHECKING:
    from kundenwert.histories import HistoryColumn
    from kundenwert.models.core import AliveCustomer, Array, Functions, History
    from kundenwert.models.kernels.lifetimes import Lifetime
    from kundenwert.models.kernels.quadrature import Rows

__all__ = [
    "IndependentLifetime",
    "IndependentLifetimeModel",
    "Nodes",
    "purchases",
    "reach",
]

ERROR: Final = 5e-13  # relative; two probabilities that sum to one do so to 1e-12
NEGLIGIBLE: Final = 32.0  # exp(-32) is far below nine digits
LARGEST_EXPONENT: Final = 50.0
NODES: Final = 36  # nine digits of P(alive), whatever the population and the history
NODES_OF_TABLES: Final = 20  # seven digits
NODES_TO_FIT: Final = 12  # five digits, nine where the posterior is
NODES_OF_RATES: Final = 12  # of when a customer may have left, for the law of their purchase rate

type Nodes = tuple[Array, Array]
"""Nodes and weights of a quadrature on [0, 1]."""


@final
@dataclass(frozen=True)
class IndependentLifetime:
    """A customer alive at T with purchase rate Gamma(n, A) and an independent residual lifetime.

    Parameters
    ----------
    n
        Shape of the purchase rate: r + x.
    A
        Rate of the purchase rate, in units of time: alpha + T; same shape as `n`, as are the fields of the lifetime.
    lifetime
        How long the customer stays.
    error
        Largest relative error wanted; fewer nodes serve for a larger one.
    """

    n: Array
    A: Array
    lifetime: Lifetime
    error: float = ERROR

    def within(self, error: float) -> IndependentLifetime:
        """The same customers, with expectations to about this relative error."""
        return replace(self, error=error)

    def survival(self, ahead: float) -> Array:
        """P(alive at T + ahead)."""
        return np.asarray(np.exp(self.lifetime.log_survival(ahead)))

    def purchases(self, start: float, horizon: float) -> Array:
        """Expected purchases in (T + start, T + start + horizon]: n/A times the expected time alive in it."""
        time_alive = self.lifetime.aged(start).time_alive(horizon, self.error)
        return np.asarray(self.n / self.A * self.survival(start) * time_alive)

    def discounted_purchases(self, rate: float, horizon: float) -> Array:
        """Expected purchases in (T, T + horizon], each worth exp(-rate u) when it happens u after T."""
        if rate == 0:
            return self.purchases(0.0, horizon)
        return np.asarray(self.n / self.A * self.lifetime.discounted_time_alive(rate, horizon, self.error))

    def returns(self, horizon: float) -> Array:
        """P(at least one purchase in (T, T + h]): the next one, of density n/A (1 + u/A)^-(n+1), finds them alive."""
        n, A = self.n.ravel(), self.A.ravel()

        def log_density(rows: Rows, u: Array) -> Array:
            silent = -(n[rows, None] + 1) * np.log1p(u / A[rows, None])
            return np.asarray(silent + self.lifetime.take(rows).log_survival(u))

        end = np.minimum(horizon, self.A * reach(self.n, NUMPY))
        log_integral = self.lifetime.log_integrals(log_density, end, self._steepness(), self.error)
        return np.asarray(np.minimum(1, self.n / self.A * np.exp(log_integral)))

    def count_probability(self, count: int, horizon: float) -> Array:
        """P(exactly `count` purchases in (T, T + horizon]), until the horizon or until they leave."""
        n, A = self.n.ravel(), self.A.ravel()

        def log_purchases(n: Array, A: Array, u: Array | float) -> Array:
            """Negative binomial probability of `count` purchases until u, without its binomial coefficient."""
            with np.errstate(divide="ignore"):
                bought = count * np.log(u / (A + u)) if count else 0.0
            return np.asarray(bought - n * np.log1p(u / A))

        def log_density(rows: Rows, u: Array) -> Array:
            lifetime = self.lifetime.take(rows)
            leaves = lifetime.log_hazard(u) + lifetime.log_survival(u)
            return log_purchases(n[rows, None], A[rows, None], u) + leaves

        end = np.full_like(self.n, horizon)
        log_gone = self.lifetime.log_integrals(log_density, end, self._steepness(), self.error)
        log_alive = log_purchases(self.n, self.A, horizon) + self.lifetime.log_survival(horizon)
        log_ways = log_binomial(self.n, count)
        return np.asarray(np.minimum(1, np.exp(log_ways + log_alive) + np.exp(log_ways + log_gone)))

    def simulate(self, horizon: float, rng: np.random.Generator) -> Purchases:
        """Purchases in (T, T + horizon]; those who do not buy need neither a lifetime nor a rate."""
        gap = first_gap(self.n, self.A, 1, rng)
        soon = np.flatnonzero(gap <= check_horizon(horizon))
        lifetime = self.lifetime.take(soon).ends(-rng.standard_exponential((len(soon), 1)))[:, 0]
        end = np.minimum(horizon, lifetime)
        alive = np.flatnonzero(gap[soon] <= end)
        buyers, end = soon[alive], end[alive]
        first = gap[buyers]
        rate = rng.standard_gamma(self.n[buyers] + 1) / (self.A[buyers] + first)  # given the first gap
        later = at_random(rate, first, end, rng)
        return Purchases(
            customer=np.concatenate([buyers, buyers[later.customer]]), time=np.concatenate([first, later.time])
        )

    def _steepness(self) -> Array:
        return np.asarray(self.lifetime.steepness() + (self.n + 1) / self.A)


@dataclass(frozen=True, slots=True, kw_only=True)
class IndependentLifetimeModel[P: tuple[Array, ...]](PurchaseModel[P]):
    """Priors on purchase and dropout rates; the first two parameters are r and alpha."""

    mean_rate: Prior = MEAN_RATE
    shape: Prior = SHAPE
    dropout_rate: Prior = LogNormal(0, 1.5)
    dropout_shape: Prior = LogNormal(0, 1)

    needs: ClassVar[tuple[HistoryColumn, ...]] = ("x", "t_x", "T")

    def __post_init__(self) -> None:
        _ = self.quantities  # a prior that does not fit is an error now, not at the fit

    @property
    def rates(self) -> tuple[Quantity, ...]:
        """The quantities that these models have in common."""
        return (
            Quantity("mean_rate", self.mean_rate, 3.0),
            Quantity("shape", self.shape, 1.0),
            Quantity("dropout_rate", self.dropout_rate, 1.0),
            Quantity("dropout_shape", self.dropout_shape, 1.0),
        )

    @abstractmethod
    def log_survival(self, theta: P, T: Array, f: Functions) -> Array:
        """Log P(lifetime > T)."""

    @abstractmethod
    def log_odds_gone(self, theta: P, h: History, f: Functions, nodes: Nodes) -> Array:
        """Log-odds of having left by T, which likelihood and P(alive) have in common; shape (cells, draws)."""

    @override
    def log_likelihood(self, theta: P, h: History, f: Functions) -> Array:
        """Log-likelihood: bought x times and alive at T, or gone at some time between t_x and T."""
        r, alpha = theta[:2]
        of_x = h.map("x", lambda x: f.gammaln(r + x) - f.gammaln(r) + r * f.log(alpha))
        log_age = h.map("T", lambda T: f.log(alpha + T))
        log_alive = h.map("T", lambda T: self.log_survival(theta, T, f))
        log_odds = self.log_odds_gone(theta, h, f, _nodes(r, NODES_TO_FIT))
        return of_x - (r + h["x"]) * log_age + log_alive + f.softplus(log_odds)

    @override
    def p_states(self, theta: P, h: History, f: Functions) -> Array:
        return np.asarray(expit(-self.log_odds_gone(theta, h, f, _nodes(theta[0], NODES_OF_TABLES))))[None]

    @override
    def rate_law(self, theta: P, h: History) -> GammaRate:
        """Alive, Gamma(n, alpha + T) with n = r + x; gone since v after t_x, Gamma(n, alpha + t_x + v).

        The density of v is in proportion to (1 + v/a)^-n, a = alpha + t_x, times that of leaving then. It is taken at
        the nodes of a quadrature over log(1 + v n/a).
        """
        r, alpha = theta[:2]
        n, a, gap = r + h["x"], alpha + h["t_x"], h["T"] - h["t_x"]
        (new,) = self.alive(theta, h["x"], h["t_x"])
        assert isinstance(new, IndependentLifetime)  # noqa: S101 - so it is for all models of the family
        scale = a / n
        length = np.log1p(np.minimum(gap, a * reach(n, NUMPY)) / scale)
        times, log_weights = [], []
        for node, weight in zip(*gauss_legendre(NODES_OF_RATES), strict=True):
            v = scale * np.expm1(length * node)
            leaving = new.lifetime.log_hazard(v) + new.lifetime.log_survival(v)
            times.append(v)
            log_weights.append(np.log(weight * (scale + v)) - n * np.log1p(v / a) + leaving)
        log_weight = np.stack(log_weights)
        left = np.exp(log_weight - log_weight.max(axis=0))
        p_alive = self.p_states(theta, h, NUMPY)
        weight = np.concatenate([p_alive, (1 - p_alive) * left / left.sum(axis=0)])
        rate = np.stack([alpha + h["T"], *(a + v for v in times)])
        return GammaRate(GammaMixture(r, alpha, np.broadcast_to(n, rate.shape), rate, weight), 1)

    @override
    def at_rate(self, theta: P, x: Array, rate: Array) -> tuple[AliveCustomer, ...]:
        """Of a gamma distribution so narrow that it is a number; the lifetime knows nothing of the rate."""
        return self.alive(self.named([NARROW - x, NARROW / rate, *theta[2:]]), x, np.zeros(1))


def _nodes(parameter: Array, many: int) -> Nodes:
    """For a single draw, as of published values, more nodes than for many; PyTensor counts as many."""
    return gauss_legendre(NODES if parameter.ndim == 1 and len(parameter) == 1 else many)


def reach(power: Array, f: Functions) -> Array:
    """Where (1 + v)^-power is negligible."""
    return f.expm1(f.minimum(NEGLIGIBLE / power, LARGEST_EXPONENT))


def purchases(rate: Array, end: Array, rng: np.random.Generator) -> Purchases:
    """Purchases at random, at these rates, until `end`; both have one entry a customer. In order."""
    found = at_random(rate, 0.0, end, rng)
    return Purchases.in_order(found.customer, found.time)
