"""Links of a campaign's response: how an offer changes the probability of returning within the window.

Throughout, p0 is the probability without the offer, p1 that under it, and H0 = -log(1 - p0) the hazard of returning,
summed up over the window. x is the strength of the customer's offer, in the customer's segment.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, final, override

import numpy as np

from kundenwert.models.core import Link, Quantity, shared_out
from kundenwert.priors import Normal, Prior

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kundenwert.models.core import Array, Functions

__all__ = ["AdditiveHazard", "ByState", "HierarchicalLogit"]

BUYING: Final = ("active", "alive")
GONE: Final = "gone"
MOST: Final = 1e-15 - 1.0  # less the share that is brought back at most, where nobody is in a state that stays


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class HierarchicalLogit(Link):
    """An offer shifts the log-odds of returning: logit p1 = logit p0 + x.

    Take it where offers may do harm: the shift may be negative, so that customers whom an offer drives away can be
    found. Of those who almost surely return, or almost surely do not, it says that an offer changes little. It does not
    know of states: two customers who return with the same probability by themselves, one of whom is late and the other
    dormant, gain the same. Where a model of purchases tells states apart, as :class:`kundenwert.RevivalNBD` does,
    :class:`ByState` lets effects vary with them.

    Parameters
    ----------
    effect : Normal
        Prior of the shift of an average offer. By default Normal(0.05, 0.7). With the default priors of
        :class:`kundenwert.CampaignResponse`, an offer of which nothing is known moves a customer who returns with
        probability 0.10 by themselves to 0.13 on average (90 % interval 0.03 to 0.32; it does harm with probability
        0.48). It is that wide so that a campaign says how large the effect is, and not the prior.
    """

    effect: Prior = Normal(0.05, 0.7)

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
    would never return: 1 - p1 = (1 - p0)^(e^x) (1 - resurrected). What the first brings, (1 - p0) - (1 - p0)^(e^x),
    falls on living customers who would not return within the window, in proportion to P(state and no return), because
    the gone have no hazard that could be multiplied; only if it is more than all of these, the rest falls on the gone.
    What the second brings falls on all who are left, whatever their state.

    The second term can only help, but x may be negative: then an offer slows down those who would have come, and does
    harm unless it resurrects as many. With the default priors, harm has a probability of 0.36 for customers who return
    with probability 0.10 by themselves, and of 0.45 if it is 0.30.

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

    @override
    def induced(
        self,
        without: Array,
        under: Array,
        strengths: Sequence[Array],
        probability: Array,
        returns: Array,
        *,
        states: tuple[str, ...],
    ) -> Array:
        changed, sped, staying = _paced(without, under, strengths[0], probability, returns, states=states)
        return np.asarray(changed + (under - without - sped) * shared_out(staying - changed, probability))


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ByState(Link):
    """An offer brings back customers in each state with a chance of its own, and changes the pace of the others.

    1 - p1 = (1 - p0)^(e^x) sum_s nu_s exp(-e^x_s), where nu_s = P(state s | does not return by themselves) comes from
    the model of purchases. Take it with :class:`kundenwert.RevivalNBD`: an offer may be a mere subsidy for those who
    are active and bring back the dormant, and so what it does changes with the length of the silence by itself.

    The factor e^x on the hazard of those who come by themselves is that of :class:`AdditiveHazard`. Where effects
    follow the states, it is about 1; where they do not, it keeps the average effect at the difference between those
    who were sent the offer and the held-out, and below 1 it does harm.

    Parameters
    ----------
    active, dormant, gone : Normal
        Priors of x_s of an average offer, the logarithm of the hazard over the window with which it brings back a
        customer in this state who would not return otherwise. States called "alive" take that of `active`, and states
        of any other name that of `dormant`.
    pace : Normal or None
        Prior of x of an average offer, the logarithm of the factor on the hazard of returning by oneself. None leaves
        it out: the offer then does no harm, and its average effect is not the difference in means unless the formula
        is right.
    """

    active: Prior = Normal(math.log(0.005), 1.5)
    dormant: Prior = Normal(math.log(0.01), 1.5)
    gone: Prior = Normal(math.log(0.005), 1.5)
    pace: Prior | None = Normal(0.0, 0.3)

    needs_states: ClassVar[bool] = True
    before: ClassVar[Mapping[str, object]] = {"pace": None}

    @override
    def strengths(self, states: tuple[str, ...]) -> tuple[Quantity, ...]:
        priors = [self.active if s in BUYING else self.gone if s == GONE else self.dormant for s in states]
        found = [
            Quantity(f"effect on {name}", prior, math.log(0.02), "real")
            for name, prior in zip(states, priors, strict=True)
        ]
        return (*found, *([] if self.pace is None else [Quantity("pace", self.pace, 0.0, "real")]))

    @override
    def log_odds(self, without: Array, strengths: Sequence[Array], shares: Sequence[Array], f: Functions) -> Array:
        hazards = [f.exp(strength) for strength in strengths[: len(shares)]]
        least, organic = hazards[0], f.softplus(without)
        if self.pace is not None:
            organic = organic * f.exp(strengths[-1])
        for hazard in hazards[1:]:
            least = f.where(hazard < least, hazard, least)
        # beyond those whom the least hazard brings, so that some are left in floating-point numbers too
        brought = shares[0] * f.expm1(least - hazards[0])
        for share, hazard in zip(shares[1:], hazards[1:], strict=True):
            brought = brought + share * f.expm1(least - hazard)
        return _log_odds_of(organic + least - f.log1p(f.where(brought > MOST, brought, MOST)), f)

    @override
    def induced(
        self,
        without: Array,
        under: Array,
        strengths: Sequence[Array],
        probability: Array,
        returns: Array,
        *,
        states: tuple[str, ...],
    ) -> Array:
        staying = np.maximum(probability - returns, 0.0)
        changed, sped = np.zeros_like(staying), np.zeros_like(without)
        if self.pace is not None:
            changed, sped, staying = _paced(without, under, strengths[-1], probability, returns, states=states)
        left = np.maximum(staying - np.maximum(changed, 0.0), 0.0)
        brought = np.stack([-part * np.expm1(-np.exp(x)) for part, x in zip(left, strengths, strict=False)])
        total, rest = brought.sum(axis=0), under - without - sped
        # shares nu are taken of the total that the response says, so that parts add up to it
        by_state = np.where(total > 0, brought / np.where(total > 0, total, 1.0), shared_out(left, probability))
        return np.asarray(changed + rest * by_state)


def _paced(
    without: Array, under: Array, pace: Array, probability: Array, returns: Array, *, states: tuple[str, ...]
) -> tuple[Array, Array, Array]:
    """What a factor e^pace on the hazard of returning changes by state and in all, and P(state and no return)."""
    silent = 1 - without
    staying = silent * shared_out(probability - returns, probability)  # the held-out may have corrected p0
    coming = without * shared_out(returns, probability)
    sped = np.minimum(silent - silent ** np.exp(pace), under - without)
    gain, loss = np.maximum(sped, 0.0), np.minimum(sped, 0.0)
    living = np.array([name != GONE for name in states])[:, None, None] * staying
    total = living.sum(axis=0)
    first = living * np.where(total > 0, np.minimum(gain, total) / np.where(total > 0, total, 1.0), 0.0)
    beyond = (staying - living) * np.where(
        gain > total, (gain - total) / np.where(gain > total, silent - total, 1.0), 0.0
    )
    slowed = coming * np.where(without > 0, loss / np.where(without > 0, without, 1.0), 0.0)
    return first + beyond + slowed, sped, staying


def _log_odds_of(hazard: Array, f: Functions) -> Array:
    """Log-odds of 1 - exp(-hazard)."""
    return hazard + f.log(-f.expm1(-hazard))
