"""BG/BB: Fader, Hardie & Shang (2010), Marketing Science 29(6), 1086-1108."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple, final, override

import numpy as np
from scipy.special import expit

from kundenwert.models.core import FixedParameters, PurchaseModel, Purchases, Quantity, check_positive
from kundenwert.models.kernels.beta_bernoulli import BetaBernoulli, opportunities_used
from kundenwert.priors import LogitNormal, LogNormal, Prior

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kundenwert.duration import Unit
    from kundenwert.histories import Clock, HistoryColumn
    from kundenwert.models.core import Array, Functions, History

__all__ = ["BGBB"]


class _Parameters(NamedTuple):
    """Shapes of the probability of buying (alpha, beta) and of leaving (gamma, delta) at an opportunity."""

    alpha: Array
    beta: Array
    gamma: Array
    delta: Array


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class BGBB(PurchaseModel[_Parameters]):
    """Customers may buy at opportunities only, such as a yearly appeal, and may leave for good before each of them.

    Before each opportunity a customer leaves with probability theta ~ Beta(gamma, delta); one who is still there buys
    with probability p ~ Beta(alpha, beta), independently. Needs :class:`OpportunityHistories`.

    Parameters
    ----------
    mean_purchase : Prior
        Mean probability of buying at an opportunity while alive, alpha/(alpha+beta).
    concentration : Prior
        alpha + beta; large means that all customers buy with about the same probability.
    mean_dropout : Prior
        Mean probability of leaving before an opportunity, gamma/(gamma+delta).
    dropout_concentration : Prior
        gamma + delta; large means that all customers leave with about the same probability.

    Notes
    -----
    Source: Fader, Hardie & Shang (2010), Customer-Base Analysis in a Discrete-Time Noncontractual Setting, Marketing
    Science 29(6), 1086-1108. Their P(alive) is that of being alive at the next opportunity: ``p_alive(histories,
    ahead=kundenwert.opportunities(1))``.
    """

    mean_purchase: Prior = LogitNormal(0, 1.2)
    concentration: Prior = LogNormal(math.log(3), 1)
    mean_dropout: Prior = LogitNormal(-1, 1.2)
    dropout_concentration: Prior = LogNormal(math.log(3), 1)

    needs: ClassVar[tuple[HistoryColumn, ...]] = ("x", "t_x", "T")
    clock: ClassVar[Clock] = "opportunity"
    observes: ClassVar[str] = "purchases at opportunities"

    @final
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Parameters(FixedParameters["BGBB"]):
        """Given values of alpha, beta, gamma and delta."""

        alpha: float
        beta: float
        gamma: float
        delta: float

        def __post_init__(self) -> None:
            check_positive(self, _Parameters._fields)

        @property
        @override
        def measure(self) -> Unit:
            return "opportunity"

        @override
        def model(self) -> BGBB:
            return BGBB()

    def __post_init__(self) -> None:
        _ = self.quantities  # a prior that does not fit is an error now, not at the fit

    @property
    @override
    def parameter_names(self) -> tuple[str, ...]:
        return _Parameters._fields

    @property
    @override
    def quantities(self) -> tuple[Quantity, ...]:
        return (
            Quantity("mean_purchase", self.mean_purchase, 0.5, "probability"),
            Quantity("concentration", self.concentration, 3.0),
            Quantity("mean_dropout", self.mean_dropout, 0.3, "probability"),
            Quantity("dropout_concentration", self.dropout_concentration, 3.0),
        )

    @override
    def parameters_of(self, quantities: Sequence[Array], unit: Unit) -> _Parameters:
        mean_purchase, concentration, mean_dropout, dropout_concentration = quantities
        return _Parameters(
            alpha=mean_purchase * concentration,
            beta=(1 - mean_purchase) * concentration,
            gamma=mean_dropout * dropout_concentration,
            delta=(1 - mean_dropout) * dropout_concentration,
        )

    @override
    def quantities_of(self, theta: _Parameters, unit: Unit) -> tuple[Array, ...]:
        alpha, beta, gamma, delta = theta
        return (alpha / (alpha + beta), alpha + beta, gamma / (gamma + delta), gamma + delta)

    @override
    def named(self, values: Sequence[Array]) -> _Parameters:
        return _Parameters(*values)

    @override
    def log_likelihood(self, theta: _Parameters, h: History, f: Functions) -> Array:
        """Alive at the last opportunity, or gone before one of those after the last purchase."""
        (used,) = f.partial_sums(lambda m: f.log(theta.alpha + m), [h["x"]])
        alive, log_odds_gone = self._alive_and_odds(theta, h, f)
        return used + alive + f.softplus(log_odds_gone)

    def _alive_and_odds(self, theta: _Parameters, h: History, f: Functions) -> tuple[Array, Array]:
        """Log-likelihood of being alive, but for the uses, and the log-odds of having left.

        The likelihood of having left is the sum over k = t_x … T - 1, the last opportunity at which the customer was
        still there. Consecutive terms have a ratio below 1; without silence there are none.
        """
        alpha, beta, gamma, delta = theta
        x, t_x, T = h["x"], h["t_x"], h["T"]

        def there(m: Array) -> Array:  # log of (delta)_k/((alpha + beta)_k (gamma + delta)_k), term by term
            return f.log((delta + m) / ((alpha + beta + m) * (gamma + delta + m)))

        def ratio(k: Array, x: Array) -> Array:
            return (beta + k - x) * ((delta + k) / ((alpha + beta + k) * (gamma + delta + k + 1)))

        there_last, there_now = f.partial_sums(there, [t_x, T])
        unused_last, unused_now = f.partial_sums(lambda m: f.log(beta + m), [t_x - x, T - x])
        left_at_once = h.map("t_x", lambda t_x: f.log(gamma / (gamma + delta + t_x)))
        silent = t_x < T
        terms = f.where(silent, f.products(ratio, x, t_x, T), 1.0)
        log_odds_gone = (there_last - there_now) + (unused_last - unused_now) + left_at_once + f.log(terms)
        return there_now + unused_now, f.where(silent, log_odds_gone, -math.inf)

    @override
    def p_states(self, theta: _Parameters, h: History, f: Functions) -> Array:
        return np.asarray(expit(-self._alive_and_odds(theta, h, f)[1]))[None]

    @override
    def alive(self, theta: _Parameters, x: Array, T: Array) -> tuple[BetaBernoulli]:
        """If alive, p ~ Beta(alpha + x, beta + T - x) and theta ~ Beta(gamma, delta + T)."""
        alpha, beta, gamma, delta = theta
        return (BetaBernoulli(a=alpha + x, b=beta + (T - x), g=gamma, d=delta + T),)

    @override
    def time_scale(self, theta: _Parameters) -> float:
        return float(np.min(np.minimum(theta.delta, theta.alpha + theta.beta)))

    @override
    def simulate(self, theta: _Parameters, T: Array, rng: np.random.Generator) -> Purchases:
        alpha, beta, gamma, delta = theta
        used = opportunities_used((alpha, beta), (gamma, delta), T, rng)
        return Purchases.in_order(used.customer, used.time)
