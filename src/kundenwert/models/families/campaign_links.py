"""Links of a campaign's response: how an offer changes the probability of returning within the window.

Throughout, p0 is the probability without the offer, p1 that under it, and H0 = -log(1 - p0) the hazard of returning,
summed up over the window. x is the strength of the customer's offer, in the customer's segment.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, final, override

import numpy as np

from kundenwert.models.core import Link, Quantity
from kundenwert.priors import Normal, Prior

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kundenwert.models.core import Array, Functions

__all__ = ["AdditiveHazard", "ByState", "HierarchicalLogit"]

BUYING: Final = ("active", "alive")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class HierarchicalLogit(Link):
    """An offer shifts the log-odds of returning: logit p1 = logit p0 + x.

    The shift may be negative, so that customers whom an offer drives away can be found; of those who almost surely
    return, or almost surely do not, it says that an offer changes little.

    Parameters
    ----------
    effect : Normal
        Prior of the shift of an average offer. By default Normal(0.1, 0.3). With the default priors of
        :class:`kundenwert.CampaignResponse`, an offer of which nothing is known moves a customer who returns with
        probability 0.10 by themselves to 0.12 on average (90 % interval 0.05 to 0.23; it does harm with probability
        0.41).
    """

    effect: Prior = Normal(0.1, 0.3)

    @override
    def strengths(self, states: tuple[str, ...]) -> tuple[Quantity, ...]:
        return (Quantity("effect", self.effect, 0.0, "real"),)

    @override
    def log_odds(self, without: Array, strengths: Sequence[Array], shares: Sequence[Array], f: Functions) -> Array:
        return without + strengths[0]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class AdditiveHazard(Link):
    """An offer speeds up returns that would come anyway, and resurrects: -log(1 - p1) = H0 e^x + e^y.

    The first term is a proportional change of the hazard, the second a hazard of its own that also reaches those who
    would never return: 1 - p1 = (1 - p0)^(e^x) (1 - resurrected). It cannot drive the lapsed away; where an offer may,
    use :class:`HierarchicalLogit`.

    Parameters
    ----------
    effect : Normal
        Prior of x of an average offer, the logarithm of the factor on the hazard.
    resurrection : Normal
        Prior of y of an average offer, the logarithm of the hazard of resurrection over the window. By default
        Normal(log 0.01, 1): about one in a hundred.
    """

    effect: Prior = Normal(0.0, 0.3)
    resurrection: Prior = Normal(math.log(0.01), 1.0)

    @override
    def strengths(self, states: tuple[str, ...]) -> tuple[Quantity, ...]:
        return (
            Quantity("effect", self.effect, 0.0, "real"),
            Quantity("resurrection", self.resurrection, math.log(0.01), "real"),
        )

    @override
    def log_odds(self, without: Array, strengths: Sequence[Array], shares: Sequence[Array], f: Functions) -> Array:
        effect, resurrection = strengths
        return _log_odds_of(f.softplus(without) * f.exp(effect) + f.exp(resurrection), f)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ByState(Link):
    """An offer brings back customers in each state with a chance of its own: 1 - p1 = (1 - p0) sum_s nu_s exp(-e^x_s).

    nu_s = P(state s | does not return by themselves) comes from the model of purchases. So an offer is a mere subsidy
    for those who are active, and what it does changes with the length of the silence by itself. It does no harm; where
    it may, use :class:`HierarchicalLogit`.

    Parameters
    ----------
    active, dormant, gone : Normal
        Priors of x_s of an average offer, the logarithm of the hazard over the window with which it brings back a
        customer in this state who would not return otherwise. States called "alive" take that of `active`, and states
        of any other name that of `dormant`.
    """

    active: Prior = Normal(math.log(0.01), 1.0)
    dormant: Prior = Normal(math.log(0.03), 1.0)
    gone: Prior = Normal(math.log(0.01), 1.0)

    needs_states: ClassVar[bool] = True

    @override
    def strengths(self, states: tuple[str, ...]) -> tuple[Quantity, ...]:
        priors = [self.active if s in BUYING else self.gone if s == "gone" else self.dormant for s in states]
        return tuple(
            Quantity(f"effect on {name}", prior, math.log(0.02), "real")
            for name, prior in zip(states, priors, strict=True)
        )

    @override
    def log_odds(self, without: Array, strengths: Sequence[Array], shares: Sequence[Array], f: Functions) -> Array:
        brought = shares[0] * f.expm1(-f.exp(strengths[0]))
        for share, strength in zip(shares[1:], strengths[1:], strict=True):
            brought = brought + share * f.expm1(-f.exp(strength))
        return _log_odds_of(f.softplus(without) - f.log1p(brought), f)

    @override
    def induced(
        self, without: Array, under: Array, strengths: Sequence[Array], probability: Array, returns: Array
    ) -> Array:
        staying = np.maximum(probability - returns, 0.0)
        brought = np.stack([-part * np.expm1(-np.exp(x)) for part, x in zip(staying, strengths, strict=True)])
        total = brought.sum(axis=0)
        # shares nu are taken of the total that the response says, so that parts add up to it
        return np.asarray(brought * np.where(total > 0, (under - without) / np.where(total > 0, total, 1.0), 0.0))


def _log_odds_of(hazard: Array, f: Functions) -> Array:
    """Log-odds of 1 - exp(-hazard)."""
    return hazard + f.log(-f.expm1(-hazard))
