"""The shape of a hierarchical model whose groups are independent, given a few quantities of their population."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kundenwert.models.core.functions import Array

__all__ = ["Groups"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """Groups with two coordinates of their own each, which are normal across groups.

    Given the *outer* quantities (mean and spread of either coordinate, and what all groups share), nothing of one group
    says anything about another. The outer quantities are the first ones of the model, in this order: two means, two
    spreads, what is shared.

    Parameters
    ----------
    labels
        What the groups are called.
    outer
        Number of outer quantities.
    log_likelihood
        Of one group, shape (points,): takes its position, outer coordinates of shape (outer, points) and its own
        coordinates of shape (2, points). Minus infinity where it is no number.
    coordinates
        Coordinates of all quantities of the model, shape (quantities, points), from outer ones and those of the
        groups, shape (groups, 2, points).
    """

    labels: Sequence[str]
    outer: int
    log_likelihood: Callable[[int, Array, Array], Array]
    coordinates: Callable[[Array, Array], Array]
