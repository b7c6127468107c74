"""What customers differ in and nobody sees: how often they buy, and how much they tend to spend.

Both are described on *normal scores*, which put the population's distribution on the scale of a standard normal: a
customer with the score 1 lies where 84 % of the population have less. This is what two models can be linked by.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from kundenwert.models.core.functions import Array

__all__ = ["LevelLaw", "LevelNodes", "RateLaw", "RateNodes"]


class RateNodes(NamedTuple):
    """Nodes of averages over the purchase rate of customers with a history.

    `score` and `rate` have shape (nodes, cells, draws). `alive` has the states of a living customer as its first axis,
    `gone` has not; together their weights add up to 1 over nodes and states.
    """

    score: Array
    rate: Array
    alive: Array
    gone: Array


class LevelNodes(NamedTuple):
    """Nodes of averages over the level of a customer's amounts: scores and weights, shape (nodes, cells, draws)."""

    score: Array
    weight: Array


class RateLaw(Protocol):
    """The distribution of purchase rates, given histories."""

    def nodes(self, count: int) -> RateNodes:
        """Nodes of averages, `count` for each history."""


class LevelLaw(Protocol):
    """The distribution of the level of amounts, given histories; the higher the score, the larger the mean amount."""

    def nodes(self, count: int) -> LevelNodes:
        """Nodes of averages, `count` for each history."""

    def by_amount(self) -> LevelLaw:
        """The same distribution with every level weighted by its mean amount, which must be finite on average."""
