"""Whom the firm keeps serving: rules, because nobody can see who is still a customer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from kundenwert.duration import Duration, Horizon, check_duration
from kundenwert.errors import DurationError, SpecificationError
from kundenwert.scalars import is_number, store_plainly

__all__ = [
    "EveryoneFor",
    "RetentionRule",
    "WhileActive",
    "WhilePAliveAbove",
    "WhileReturnProbabilityAbove",
]


@final
@dataclass(frozen=True, slots=True)
class EveryoneFor:
    """Serve every customer for so long from now on, whatever they do."""

    period: Duration

    def __post_init__(self) -> None:
        if not isinstance(self.period, Duration):
            message = f"EveryoneFor takes a length of time such as kundenwert.years(1), got {self.period!r}"
            raise DurationError(message)


@final
@dataclass(frozen=True, slots=True)
class WhilePAliveAbove:
    """Serve a customer as long as P(alive), judged by all purchases until then, is above a threshold.

    Who falls silent is dropped after a while; who buys again is taken up again.
    """

    threshold: float

    def __post_init__(self) -> None:
        _check_threshold(self.threshold)
        store_plainly(self, "threshold")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class WhileReturnProbabilityAbove:
    """Serve a customer as long as the probability of a purchase within `horizon` is above a threshold.

    It is judged by all purchases until then. Who falls silent is dropped after a while; who buys again is taken up
    again. Where buying is regular, the probability rises for a while after a purchase; nobody is dropped before it
    falls below the threshold for good.
    """

    threshold: float
    horizon: Horizon

    def __post_init__(self) -> None:
        _check_threshold(self.threshold)
        store_plainly(self, "threshold")
        check_duration(self.horizon, "horizon")


@final
@dataclass(frozen=True, slots=True)
class WhileActive:
    """Serve contracts until they end. Only with contracts can the firm see who is still a customer."""


type RetentionRule = EveryoneFor | WhilePAliveAbove | WhileReturnProbabilityAbove | WhileActive
"""Whom the firm keeps serving."""


def _check_threshold(threshold: object) -> None:
    if not is_number(threshold) or not 0 < threshold < 1:
        message = f"a threshold is a probability between 0 and 1, for example 0.2; got {threshold!r}"
        raise SpecificationError(message)
