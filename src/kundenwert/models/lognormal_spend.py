"""Log-normal spend: amounts and customers' typical amounts are normal on the logarithm."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple, Self, final, override

import numpy as np

from kundenwert.errors import DataError, SpecificationError
from kundenwert.models.core import (
    SMALLEST_SD,
    FixedParameters,
    Quantity,
    SpendModel,
    check_money_scale,
    check_positive,
    one_price,
    refuse_one_price,
)
from kundenwert.models.kernels.latent import NormalLevel
from kundenwert.priors import Flat, HalfNormal, LogNormal, Prior
from kundenwert.scalars import is_number, store_plainly

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from kundenwert.duration import TimeUnit, Unit
    from kundenwert.histories import Cells, HistoryColumn
    from kundenwert.models.core import Amounts, Array, Functions, History

__all__ = ["LogNormalSpend"]

LARGEST_LOG: Final = 640.0  # exp of it is about the largest amount that histories may hold


class _Parameters(NamedTuple):
    mu: Array
    tau: Array
    sigma: Array


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class LogNormalSpend(SpendModel[_Parameters]):
    """Amounts vary around a customer's own level; both are normal on the logarithm.

    The logarithms of one customer's amounts are Normal(theta, sigma), theta ~ Normal(mu, tau) across customers,
    independent of how often they buy. Only positive amounts of repeat purchases enter, one by one, so histories must
    come from a log. Amounts of zero are left out: what is expected is the amount of a purchase that costs something.

    Parameters
    ----------
    scale : Prior, optional
        Median amount exp(mu). By default LogNormal(log(money_scale), 2).
    within : HalfNormal or Flat
        Standard deviation sigma of one customer's log amounts.
    between : HalfNormal or Flat
        Standard deviation tau of the customers' mean log amounts.
    money_scale : float, optional
        A typical amount in the currency of the log, for the default prior of `scale`. By default the geometric
        mean of the customers' geometric means, so that results do not depend on the currency.

    Notes
    -----
    The mean amount exp(theta + sigma^2/2) grows so fast with sigma that its posterior mean is finite only if the
    priors of `within` and `between` fall faster than exp(-v^2/2): HalfNormal with a sigma below 1. Others are refused.
    The default, 0.7, is below 1/sqrt(2), so that averages over draws have a finite variance as well.
    """

    scale: Prior | None = None
    within: Prior = HalfNormal(0.7)
    between: Prior = HalfNormal(0.7)
    money_scale: float | None = None

    needs: ClassVar[tuple[HistoryColumn, ...]] = ("x", "positive", "log_total", "log_squared_total")
    observes: ClassVar[str] = "single amounts"

    @final
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Parameters(FixedParameters["LogNormalSpend"]):
        """Given values of mu, tau and sigma, of logarithms of amounts. `unit` is a time unit of no influence."""

        mu: float
        tau: float
        sigma: float
        unit: TimeUnit = "week"

        def __post_init__(self) -> None:
            check_positive(self, ("tau", "sigma"))
            if not is_number(self.mu) or not abs(self.mu) < LARGEST_LOG - (self.tau**2 + self.sigma**2) / 2:
                message = (
                    "LogNormalSpend.Parameters: mu must be a number, the logarithm of the median amount, and "
                    f"exp(mu + (tau^2 + sigma^2)/2) the mean amount; got {self}"
                )
                raise SpecificationError(message)
            store_plainly(self, "mu")

        @property
        @override
        def measure(self) -> TimeUnit:
            return self.unit

        @override
        def model(self) -> LogNormalSpend:
            return LogNormalSpend(money_scale=math.exp(self.mu))

    def __post_init__(self) -> None:
        check_money_scale(self.money_scale)
        for quantity in self.quantities[1:]:
            prior = quantity.prior
            if not (isinstance(prior, Flat) or (isinstance(prior, HalfNormal) and prior.sigma < 1)):
                message = (
                    f"with {prior!r} for {quantity.name} the posterior mean of a mean amount is infinite; use "
                    "kundenwert.HalfNormal with a sigma below 1 (or Flat, with method=kundenwert.MAP())"
                )
                raise SpecificationError(message)

    @property
    @override
    def parameter_names(self) -> tuple[str, ...]:
        return _Parameters._fields

    @property
    @override
    def quantities(self) -> tuple[Quantity, ...]:
        typical = self.money_scale or 1.0
        scale = LogNormal(math.log(typical), 2) if self.scale is None else self.scale
        return (
            Quantity("scale", scale, typical),
            Quantity("within", self.within, 0.5),
            Quantity("between", self.between, 0.5),
        )

    @override
    def prepared(self, cells: Cells) -> Self:
        used = self.informative(cells)
        log_mean = cells["log_total"][used] / cells["positive"][used]
        _check_variation(cells, used, log_mean)
        if self.money_scale is not None:
            return self
        return replace(self, money_scale=float(np.exp(np.average(log_mean, weights=cells.counts[used]))))

    @override
    def informative(self, cells: Cells) -> NDArray[np.bool_]:
        used = cells["positive"] > 0
        if not used.any():
            message = (
                "no customer has a repeat purchase with a positive amount, so that spend cannot be learnt; "
                "check the amount column, or choose a later `until`"
            )
            raise DataError(message)
        return np.asarray(used)

    @override
    def left_out(self, cells: Cells) -> tuple[str, ...]:
        positive, repeats = (int(cells.counts @ cells[name]) for name in ("positive", "x"))
        if positive == repeats:
            return ()
        free = repeats - positive
        note = (
            f"{free:,} of {repeats:,} repeat purchases ({free / repeats:.1%}) cost nothing and do not enter the "
            "likelihood: what is expected is the amount of a purchase that costs something, which is "
            f"{free / positive:.1%} more than these customers' purchases bring on average, and so is every value made "
            "of it. If the free ones are purchases like the others, use kundenwert.GammaGamma(), which counts them; if "
            "they are none, leave them out of the log."
        )
        return (note,)

    @override
    def named(self, values: Sequence[Array]) -> _Parameters:
        return _Parameters(*values)

    @override
    def parameters_of(self, quantities: Sequence[Array], unit: Unit) -> _Parameters:
        scale, within, between = quantities
        return _Parameters(mu=np.log(scale), tau=between, sigma=within)

    @override
    def quantities_of(self, theta: _Parameters, unit: Unit) -> tuple[Array, ...]:
        return (np.exp(theta.mu), theta.sigma, theta.tau)

    @override
    def log_likelihood(self, theta: _Parameters, h: History, f: Functions) -> Array:
        """Log density of all positive repeat amounts.

        Their logarithms have covariance sigma^2 I + tau^2 11', with determinant sigma^(2k-2) (sigma^2 + k tau^2); the
        quadratic form falls apart into the sum of squares within the customer and the square of the mean.
        """
        mu, tau, sigma = theta
        k, log_total = h["positive"], h["log_total"]
        of_k = h.map(
            "positive",
            lambda k: (k - 1) * f.log(sigma) + 0.5 * f.log(sigma**2 + k * tau**2) + 0.5 * math.log(2 * math.pi) * k,
        )
        precision = h.map("positive", lambda k: k / (sigma**2 + k * tau**2))
        within = np.maximum(h["log_squared_total"] - log_total**2 / k, 0)
        return -(of_k + log_total + 0.5 * (within / sigma**2 + precision * (log_total / k - mu) ** 2))

    @override
    def expected_spend(self, theta: _Parameters, h: History) -> Array:
        """Mean amount exp(theta_hat + (v + sigma^2)/2), where theta is Normal(theta_hat, sqrt(v)) given the history."""
        theta_hat, v = _posterior(theta, h)
        with np.errstate(over="ignore"):
            return np.asarray(np.exp(theta_hat + 0.5 * (v + theta.sigma**2)))

    @override
    def median_spend(self, theta: _Parameters, h: History) -> Array:
        """Median over customers with this history of their mean amount, exp(theta_hat + sigma^2/2)."""
        theta_hat, _ = _posterior(theta, h)
        with np.errstate(over="ignore"):
            return np.asarray(np.exp(theta_hat + 0.5 * theta.sigma**2))

    @override
    def tail_index(self, theta: _Parameters, x: Array) -> Array:
        return np.full(np.broadcast_shapes(x.shape, theta.mu.shape), np.inf)  # all moments are finite

    @override
    def simulate(self, theta: _Parameters, customer: NDArray[np.int64], rng: np.random.Generator) -> Array:
        who, position = np.unique(customer, return_inverse=True)
        level = rng.normal(theta.mu, theta.tau, len(who))
        return np.asarray(np.exp(rng.normal(level[position], theta.sigma)))

    @override
    def simulate_ahead(
        self, theta: _Parameters, h: History, customer: NDArray[np.int64], rng: np.random.Generator
    ) -> Array:
        """Log amounts of Normal(theta, sigma), theta ~ Normal(theta_hat, sqrt(v)); all of them cost something."""
        theta_hat, v = _posterior(theta, h)
        level = theta_hat + np.sqrt(v) * rng.standard_normal(theta_hat.shape)
        with np.errstate(over="ignore"):
            return np.asarray(np.exp(level[customer] + theta.sigma[customer] * rng.standard_normal(customer.shape)))

    @override
    def log_density_ahead(self, theta: _Parameters, h: History, amounts: Amounts) -> Array:
        """Log amounts are jointly normal around theta_hat with covariance sigma^2 I + v 11'."""
        theta_hat, v = _posterior(theta, h)
        return _log_density(amounts, theta_hat, v, theta.sigma)

    @override
    def level_law(self, theta: _Parameters, h: History) -> NormalLevel:
        """The level is Normal(theta_hat, sqrt(v)), and the mean amount exp(theta + sigma^2/2)."""
        theta_hat, v = _posterior(theta, h)
        return NormalLevel(mu=theta.mu, tau=theta.tau, mean=theta_hat, variance=v)


def _log_density(amounts: Amounts, mean: Array, variance: Array, sigma: Array) -> Array:
    """Log density of amounts whose logarithms have this mean and the covariance sigma^2 I + variance 11'."""
    count, _, log_total, log_squared_total = amounts
    one = np.maximum(count, 1)  # of no amounts, every sum is 0
    average = log_total / one
    within = np.maximum(log_squared_total - average * log_total, 0)
    spread = sigma**2 + count * variance
    normal = 2 * (count - 1) * np.log(sigma) + np.log(spread) + count * math.log(2 * math.pi)
    squares = within / sigma**2 + count * (average - mean) ** 2 / spread
    return np.where(count > 0, -(0.5 * (normal + squares) + log_total), 0.0)


def _posterior(theta: _Parameters, h: History) -> tuple[Array, Array]:
    """Mean and variance of a customer's mean log amount given the history; the population's without amounts."""
    mu, tau, sigma = theta
    precision = 1 / (sigma**2 + h["positive"] * tau**2)
    return (sigma**2 * mu + tau**2 * h["log_total"]) * precision, sigma**2 * tau**2 * precision


def _check_variation(cells: Cells, used: NDArray[np.bool_], log_mean: Array) -> None:
    """Refuse amounts that never vary: the likelihood would be infinite where the standard deviation is zero."""
    k, counts = cells["positive"][used], cells.counts[used]
    refuse_one_price(log_mean, k, counts, np.exp(log_mean))
    squares = np.maximum(cells["log_squared_total"][used] - k * log_mean**2, 0)
    degrees = float(counts @ (k - 1))
    if degrees > 0 and counts @ squares <= SMALLEST_SD**2 * degrees:
        if counts.sum() == 1:
            raise DataError(one_price(float(np.exp(log_mean[0]))))
        message = (
            f"repeat amounts of one customer vary by less than {SMALLEST_SD:.2%}, too little to learn how they vary: "
            "every customer pays an amount of their own. Use kundenwert.GammaGamma(), which learns how these differ"
        )
        raise DataError(message)
