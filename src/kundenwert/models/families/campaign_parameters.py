"""Parameters of a campaign's response by their role: names, positions, and pooled terms made of standard normals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from kundenwert.models.core import Hierarchy, Quantity
from kundenwert.priors import Normal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kundenwert.histories import CohortLabel
    from kundenwert.models.core import Array

__all__ = ["CORRECTIONS", "SPREADS", "Parts", "flat", "hierarchy_of", "names_of", "shaped", "standard"]

CORRECTIONS: Final = ("intercept", "base", "campaign", "covariate")
"""Terms of the log-odds without an offer, that are 0 if the organic ones are right."""

SPREADS: Final = {
    "effect": "offer_spread",
    "base": "base_spread",
    "local": "segment_spread",
    "campaign": "campaign_spread",
}
"""Spread of each kind of pooled terms."""

SAMPLE: Final = 4096  # of a prior that is not normal, to place a normal that points are proposed from


class Parts(NamedTuple):
    """Parameters of a campaign's response by their role, in the order in which they stand; lists hold arrays."""

    intercept: list[Array]
    slope: list[Array]
    organic: list[Array]
    base: list[Array]
    campaign: list[Array]
    covariate: list[Array]
    mean: list[Array]
    effect: list[Array]
    local: list[Array]
    interaction: list[Array]
    spread: list[Array]


def names_of(
    *,
    segments: Sequence[CohortLabel],
    campaigns: Sequence[CohortLabel],
    offers: Sequence[str],
    strengths: Sequence[str],
    covariates: Sequence[str],
    shapes: Sequence[str],
    components: int,
) -> Any:  # Parts of names in place of arrays
    """Names of all parameters by their role; one segment, or one campaign, is not told apart from others."""
    areas = [_written(label) for label in segments] if len(segments) > 1 else []
    rounds = [_written(label) for label in campaigns] if len(campaigns) > 1 else []
    labels, families = [_written(offer) for offer in offers], [name.replace(" ", "_") for name in strengths]
    known = [_written(name) for name in covariates]
    return Parts(
        *(
            ["intercept"],
            ["slope"],
            [f"organic_{k + 1}" for k in range(components)],
            [f"segment[{area}]" for area in areas],
            [f"campaign[{label}]" for label in rounds],
            [f"covariate[{name}]" for name in (*known, *map(_written, shapes))],
            [f"{family}_mean" for family in families],
            [f"{family}[{label}]" for family in families for label in labels],
            [f"segment_effect[{label}, {area}]" for label in labels for area in areas],
            [f"covariate_effect[{label}, {name}]" for name in known for label in labels],
            [
                "offer_spread",
                *(["base_spread", "segment_spread"] if areas else []),
                *(["campaign_spread"] if rounds else []),
            ],
        )  # type: ignore[arg-type]  # names, not arrays
    )


def shaped(values: Sequence[Array], sizes: Sequence[int]) -> Parts:
    """Values by their role, of which there are so many each."""
    ends = np.cumsum(sizes).tolist()
    return Parts(*(list(values[end - size : end]) for end, size in zip(ends, sizes, strict=True)))


def flat(part: Parts) -> tuple[Array, ...]:
    """All values in their order."""
    return tuple(value for values in part for value in values)


def standard(names: Sequence[str]) -> list[Quantity]:
    """Standard normals that pooled terms are made of."""
    return [Quantity(f"z_{name}", Normal(0, 1), 0.0, "real") for name in names]


def hierarchy_of(
    names: Any,  # Parts of names
    quantities: Sequence[Quantity],
    expansion: Callable[[Array], tuple[Array, Array]],
) -> Hierarchy:
    """The shape of the model: offers around the mean strength of their kind, and all pooled terms around zero."""
    terms = sum(len(group) for group in names) - len(names.spread)
    ends = dict(zip(Parts._fields, np.cumsum([len(group) for group in names]).tolist(), strict=True))
    first = {role: ends[role] - len(group) for role, group in zip(Parts._fields, names, strict=True)}
    centre, deviation = np.array([_as_normal(quantity) for quantity in quantities[:terms]]).T
    combination, spread = np.eye(terms), np.full(terms, -1)
    offers = len(names.effect) // max(len(names.mean), 1)
    for k in range(len(names.effect)):
        effect, mean = first["effect"] + k, first["mean"] + k // offers
        combination[effect, mean], centre[effect] = 1.0, centre[mean]
    for role, name in SPREADS.items():
        if name in names.spread:
            spread[first[role] : ends[role]] = names.spread.index(name)
    return Hierarchy(
        centre=centre,
        combination=combination,
        deviation=deviation,
        spread=spread,
        expansion=expansion,
        priors=tuple(quantity.prior for quantity in quantities[terms:]),
    )


def _as_normal(quantity: Quantity) -> tuple[float, float]:
    """Mean and deviation of a prior on its coordinate. Only proposals are made of them: weights know the prior."""
    if isinstance(quantity.prior, Normal):
        return quantity.prior.mu, quantity.prior.sigma
    drawn = quantity.coordinate(quantity.prior.sample(np.random.default_rng(0), SAMPLE))
    return float(drawn.mean()), float(drawn.std())


def _written(label: CohortLabel) -> str:
    """A label in the name of a parameter; in files and trees, a slash has a meaning of its own."""
    return str(label).replace("/", "\u2215")
