"""Shifted beta-geometric: Fader & Hardie (2007), How to Project Customer Retention, J. Interactive Marketing 21(1)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final, override

import numpy as np

from kundenwert.models.core import NUMPY
from kundenwert.models.families.contracts import BetaChurnModel, ContractParameters
from kundenwert.models.kernels.beta_survival import log_beta_ratio, sum_of_averages
from kundenwert.models.kernels.simulation import whole_waits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from kundenwert.models.core import Array, Functions, History, Quantity

__all__ = ["ShiftedBetaGeometric"]

AT_ONCE: Final = 1024  # sums taken together, so that their terms stay in the cache
LONGEST: Final = 2.0**62  # renewals; a simulated contract that lasts longer ends there


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftedBetaGeometric(BetaChurnModel):
    """At every renewal a contract ends with the same probability theta, which differs between contracts.

    theta ~ Beta(gamma, delta) within a cohort. That retention rises with tenure follows from sorting: those who leave
    easily leave first. With several cohorts, each has a gamma and a delta of its own, and what they have in common is
    learnt along with them.

    Parameters
    ----------
    mean_churn : Prior
        Mean churn probability at the first renewal, gamma/(gamma + delta); with several cohorts, that of a typical one.
    concentration : Prior
        gamma + delta; large means that all contracts of a cohort have about the same churn probability. With several
        cohorts, that of a typical one.
    mean_churn_spread, concentration_spread : Prior
        With several cohorts: standard deviation of the logit of their mean churn, and of the logarithm of their
        concentration.
    cohorts : sequence of labels
        The cohorts; those of the histories by default.
    anchors : sequence
        Set by the fit, which samples on coordinates that suit the data; of no influence on the posterior.

    Notes
    -----
    Source: Fader & Hardie (2007), Journal of Interactive Marketing 21(1), 76-90.
    """

    @final
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Parameters(ContractParameters["ShiftedBetaGeometric"]):
        """Given values of gamma and delta."""

        @override
        def model(self) -> ShiftedBetaGeometric:
            return ShiftedBetaGeometric()

    @property
    @override
    def shared(self) -> tuple[Quantity, ...]:
        return ()

    @override
    def log_likelihood(self, theta: tuple[Array, ...], h: History, f: Functions) -> Array:
        """Log S(t) for active contracts, log S(t) gamma/(gamma + delta + t) for those that ended at renewal t + 1."""
        gammas, deltas, _, _ = self.parts(theta)
        cohort, t = h["cohort"].astype(np.int64), h["tenure"]
        gamma, delta = f.choose(gammas, cohort), f.choose(deltas, cohort)
        churn = f.where(h["ended"] > 0, f.log(gamma / (gamma + delta + t)), 0.0)
        survived: Array = log_beta_ratio(gamma, delta, t, f)
        return survived + churn

    @override
    def log_retention(self, gamma: Array, delta: Array, shared: Sequence[Array], renewals: int) -> Array:
        """Of (delta + t)/(gamma + delta + t)."""
        return np.asarray(-np.log1p(gamma / (delta + np.arange(renewals)[:, None])))

    @override
    def living(self, theta: tuple[Array, ...], cohort: NDArray[np.int64], tenure: Array) -> GeometricContract:
        gammas, deltas, _, _ = self.parts(theta)
        return GeometricContract(NUMPY.choose(gammas, cohort), NUMPY.choose(deltas, cohort) + tenure)

    @override
    def simulate(
        self, theta: tuple[Array, ...], cohort: NDArray[np.int64], rng: np.random.Generator
    ) -> NDArray[np.int64]:
        ends = self.living(theta, cohort, np.zeros(len(cohort))).simulate(rng)
        return np.minimum(ends, LONGEST).astype(np.int64)


@final
@dataclass(frozen=True, slots=True)
class GeometricContract:
    """Active contracts whose churn probability is Beta(gamma, delta), delta including the tenure."""

    gamma: Array
    delta: Array

    def survival(self, ahead: float) -> Array:
        """P(still active `ahead` renewals later): B(gamma, delta + ahead)/B(gamma, delta)."""
        return np.asarray(np.exp(log_beta_ratio(self.gamma, self.delta, ahead, NUMPY)))

    def churn(self, ahead: float) -> Array:
        """P(ended `ahead` renewals later)."""
        return np.asarray(-np.expm1(log_beta_ratio(self.gamma, self.delta, ahead, NUMPY)))

    def tail_index(self) -> Array:
        """Survival falls like t^-gamma."""
        return self.gamma

    def renewals(self, rate: float, horizon: float) -> Array:
        """Expected renewals among the next `horizon`, the j-th counting exp(-rate j).

        Without discounting and for life, delta/(gamma - 1), infinite where gamma <= 1.
        """
        if horizon == 0:
            return np.zeros(self.gamma.shape)
        if rate == 0 and math.isinf(horizon):
            with np.errstate(divide="ignore"):
                return np.where(self.gamma > 1, self.delta / np.maximum(self.gamma - 1, 0), np.inf)
        gamma, delta = np.broadcast_arrays(self.gamma, self.delta)
        flat = [
            sum_of_averages(gamma.ravel()[i : i + AT_ONCE], delta.ravel()[i : i + AT_ONCE], rate, horizon)
            for i in range(0, gamma.size, AT_ONCE)
        ]
        return np.concatenate(flat).reshape(gamma.shape)

    def simulate(self, rng: np.random.Generator) -> Array:
        """The renewal at which each contract ends, counted from now."""
        return whole_waits(rng.beta(self.gamma, self.delta), rng)
