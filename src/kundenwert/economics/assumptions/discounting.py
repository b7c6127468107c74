"""When money counts: at the moment it flows, or at the start, middle or end of an accounting period.

Conventions move what is discounted, not what is earned: a margin that changes over time is that of the purchase itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

from kundenwert.duration import Duration
from kundenwert.errors import DurationError

__all__ = ["Continuously", "Discounting", "EndOfPeriod", "MiddleOfPeriod", "StartOfPeriod"]


@final
@dataclass(frozen=True, slots=True)
class Continuously:
    """Money counts at the very moment it flows: u years ahead, (1 + rate)^-u of it."""


def _check(period: Duration) -> None:
    if not isinstance(period, Duration) or not math.isfinite(period.in_days) or period.in_days == 0:
        message = f"an accounting period is a duration such as kundenwert.months(1), got {period!r}"
        raise DurationError(message)


@final
@dataclass(frozen=True, slots=True)
class StartOfPeriod:
    """Money is discounted as if it flowed at the start of its accounting period.

    Periods are counted from now, and each includes its end.
    """

    period: Duration

    def __post_init__(self) -> None:
        _check(self.period)


@final
@dataclass(frozen=True, slots=True)
class MiddleOfPeriod:
    """Money is discounted as if it flowed in the middle of its accounting period: nearly the same as continuously.

    Periods are counted from now, and each includes its end.
    """

    period: Duration

    def __post_init__(self) -> None:
        _check(self.period)


@final
@dataclass(frozen=True, slots=True)
class EndOfPeriod:
    """Money is discounted as if it flowed at the end of its accounting period, the usual and most cautious convention.

    Periods are counted from now, and each includes its end.
    """

    period: Duration

    def __post_init__(self) -> None:
        _check(self.period)


type Discounting = Continuously | StartOfPeriod | MiddleOfPeriod | EndOfPeriod
"""A discounting convention."""
