"""Where a hierarchical model is expanded: at its modes, and down the slopes on which an expansion does not hold.

The likelihood of a hazard e^x bends: from where it is next to nothing, less of it is as likely. So the data bound x
from above only, and below them it is the prior that says how far it reaches. If two hazards, or a hazard and what
customers do by themselves, can make up for each other, the posterior is a ridge with a bend. An expansion at the mode
has all of it as if x were known from both sides. Expansions where it is next to nothing have one end, and those on the
ridge to the other side, where it is narrow, the other.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING, Final

import numpy as np

from kundenwert.inference.conditional import TYPICAL_SPREAD, NormalGiven, mode_given

if TYPE_CHECKING:
    from kundenwert.models.core import Array
    from kundenwert.models.core.hierarchy import Hierarchy

__all__ = ["modes", "moved"]

LOOSE: Final = 3.0  # times the priors' deviations, where the mode next to the data is looked for first
APART: Final = 0.5  # deviations between two modes that are not the same
BENDS: Final = 0.2  # deviation of a term, a logarithm or a log-odds, below which nothing bends
WIDER: Final = 1.3  # by which a term's deviation grows a way off, from which on the expansion does not hold there
FREE: Final = 0.9  # of the deviation it would have without the data: further off, nothing changes any more
MOVES: Final = (2.0, 3.0, 4.0, 5.0)  # deviations off
UP: Final = (1.0, 2.5)  # deviations to the other side, where a term is known better
STEPS: Final = 4  # from there to the ridge: a proposal need not be nearer to it
LOST: Final = 4.0  # squared deviations of a mean from where the likelihood would have it
ALIKE: Final = 0.5  # correlation of two terms that move together
MOST: Final = 2  # terms moved down, each by itself and both at once


def modes(hierarchy: Hierarchy, rng: np.random.Generator) -> list[NormalGiven]:
    """A proposal around the mode next to the priors' centre, and one around that next to the data, if it is another."""
    near_prior = NormalGiven.around(hierarchy, hierarchy.centre, rng)
    loose = replace(hierarchy, deviation=LOOSE * hierarchy.deviation)
    start = mode_given(loose, np.full(hierarchy.spreads, np.log(LOOSE * TYPICAL_SPREAD)), hierarchy.centre)[0]
    near_data = NormalGiven.around(hierarchy, start, rng)
    apart = np.abs(near_data.at - near_prior.at) / hierarchy.deviations(near_prior.outer.locations[:1].T)[0]
    return [near_prior] if apart.max() < APART else [near_prior, near_data]


def moved(proposal: NormalGiven, rng: np.random.Generator) -> list[NormalGiven]:
    """Proposals around points off the mode, where a term is known far less than the expansion there has it.

    Down the slope, an expansion mostly says by itself where the mass is that belongs to it. Up the slope it leads back
    to the mode, so the proposal there is one around a point of the ridge.
    """
    centre, covariance, prior = proposal.terms_given(proposal.outer.locations[0])
    deviation, free = np.sqrt(covariance.diagonal()), np.sqrt(prior.diagonal())
    bends = (deviation > BENDS) & (free > WIDER * deviation) & (proposal.information.diagonal() > 0)
    bends &= proposal.hierarchy.spread >= 0  # of the others the modes and the tempered proposals have the ends
    found = [(term, *_off(proposal, term, centre, covariance, prior)) for term in np.flatnonzero(bends).tolist()]
    terms: list[int] = []
    steps: list[Array] = []
    for term, wider, step in sorted(found, key=lambda each: -each[1]):
        alike = np.abs(covariance[term, terms]) > ALIKE * deviation[term] * deviation[terms]
        if wider > WIDER and len(terms) < MOST and not alike.any():
            terms.append(term)
            steps.append(step)
    steps += [first + second for first, second in combinations(steps, 2)]
    precision = np.linalg.inv(prior)
    down = [_down(proposal, centre + step, int(np.argmax(np.abs(step) / deviation)), precision, rng) for step in steps]
    up = [centre + times * covariance[term] / deviation[term] for term in terms[:1] for times in UP]
    return [*down, *(proposal.centred_at(_beside(proposal, terms[0], at, precision), precision) for at in up)]


def _off(proposal: NormalGiven, term: int, centre: Array, covariance: Array, prior: Array) -> tuple[float, Array]:
    """By what factor a term's deviation grows down the slope, and the step to there, with the terms that go with it.

    It is as far as the data still say anything there, and no farther.
    """
    deviation, free, precision = np.sqrt(covariance[term, term]), np.sqrt(prior[term, term]), np.linalg.inv(prior)
    wider, step = 1.0, np.zeros(len(centre))
    for times in MOVES:
        step = -times * covariance[term] / deviation
        information = proposal.hierarchy.expansion(centre + step)[1]
        there = np.sqrt(np.linalg.inv(information + precision)[term, term])
        wider = float(there / deviation)
        if wider < WIDER or there > FREE * free:
            break
    return wider, step


def _down(proposal: NormalGiven, at: Array, term: int, precision: Array, rng: np.random.Generator) -> NormalGiven:
    """The expansion at a point, or where it leads to what is far from likely, one around the ridge beside the point."""
    found = proposal.expanded_at(at, rng)
    mean = found.terms_given(proposal.outer.locations[0])[0]
    gradient, information = proposal.hierarchy.expansion(mean)
    slope = gradient - precision @ (mean - proposal.hierarchy.centre)
    if float(slope @ np.linalg.solve(information + precision, slope)) < LOST:
        return found
    return proposal.centred_at(_beside(proposal, term, at, precision), precision)


def _beside(proposal: NormalGiven, term: int, at: Array, precision: Array) -> Array:
    """The mode of all other terms, with this one held where it is: a point on the ridge."""
    others = np.arange(len(at)) != term
    for _ in range(STEPS):
        gradient, information = proposal.hierarchy.expansion(at)
        slope = gradient - precision @ (at - proposal.hierarchy.centre)
        step = np.linalg.solve((information + precision)[np.ix_(others, others)], slope[others])
        at = at.copy()
        at[others] += step / max(1.0, float(np.abs(step).max()))
    return at
