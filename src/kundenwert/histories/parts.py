"""Parts of a history beyond (x, t_x, T): whole steps, gaps between purchases, spend."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Self, final

import numpy as np

from kundenwert.duration import Resolution, check_resolution

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    type Floats = NDArray[np.float64]
    type Integers = NDArray[np.int64]

__all__ = ["LARGEST_AMOUNT", "Gaps", "Spend", "Steps", "freeze", "round_amounts"]

LARGEST_AMOUNT: Final = 1e280  # so that sums of amounts, over customers or draws, are floating-point numbers too


@final
@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Steps:
    """Whole resolution steps, counted from the Unix epoch in the log's own wall-clock time.

    Step 0 holds 1970-01-01 00:00; weeks start on Monday, so week 0 starts on 1969-12-29.

    Attributes
    ----------
    first, last, until
        First purchase, last purchase and last step observed, each of shape (customers,).
    resolution
        Length of a step.
    """

    first: Integers
    last: Integers
    until: Integers
    resolution: Resolution

    def __post_init__(self) -> None:
        check_resolution(self.resolution)
        freeze(self, np.int64, "first", "last", "until")

    def take(self, positions: Integers) -> Self:
        """Steps of the customers at these positions."""
        return replace(self, first=self.first[positions], last=self.last[positions], until=self.until[positions])


@final
@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Gaps:
    """Steps between consecutive purchases, customer after customer, oldest first; the last, open gap is not here.

    Attributes
    ----------
    offsets
        Customer i has ``values[offsets[i]:offsets[i + 1]]``, shape (customers + 1,).
    values
        All gaps in steps, at least one each, shape (sum of the frequencies,).
    """

    offsets: Integers
    values: Integers

    def __post_init__(self) -> None:
        freeze(self, np.int64, "offsets", "values")

    def take(self, positions: Integers) -> Self:
        """Gaps of the customers at these positions."""
        lengths = np.diff(self.offsets)[positions]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        shift = self.offsets[positions] - offsets[:-1]
        return replace(self, offsets=offsets, values=self.values[np.arange(offsets[-1]) + np.repeat(shift, lengths)])


@final
@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Spend:
    """Amounts per customer, each array of shape (customers,), in the currency of the log.

    An amount is what one purchase occasion cost. Those of the repeat occasions go into the sums; they are rounded to
    twelve significant digits, so that equal sums of cents are equal numbers and share a cell.

    Attributes
    ----------
    total
        Sum of the repeat amounts, 0 without a repeat.
    log_total, log_squared_total
        Sums of log z and log² z over the positive repeat amounts z.
    positive
        How many repeat amounts are positive.
    first_amount
        Amount of the first purchase.
        These four are None when only means are known, as in a ready-made table.
    """

    total: Floats
    log_total: Floats | None = None
    log_squared_total: Floats | None = None
    positive: Integers | None = None
    first_amount: Floats | None = None

    def __post_init__(self) -> None:
        freeze(self, np.float64, "total", "log_total", "log_squared_total", "first_amount")
        freeze(self, np.int64, "positive")

    def take(self, positions: Integers) -> Self:
        """Spend of the customers at these positions."""
        return replace(
            self,
            total=self.total[positions],
            log_total=None if self.log_total is None else self.log_total[positions],
            log_squared_total=None if self.log_squared_total is None else self.log_squared_total[positions],
            positive=None if self.positive is None else self.positive[positions],
            first_amount=None if self.first_amount is None else self.first_amount[positions],
        )


def round_amounts(amounts: ArrayLike) -> Floats:
    """Round to twelve significant digits, so that equal sums of cents become equal numbers."""
    amounts = np.asarray(amounts, dtype=np.float64)  # np.bincount of nothing gives integers
    magnitude = np.zeros_like(amounts)
    np.log10(np.abs(amounts), out=magnitude, where=(amounts != 0) & np.isfinite(amounts))
    scale = 10.0 ** np.clip(11 - np.floor(magnitude), -300, 300)
    rounded: Floats = np.rint(amounts * scale) / scale
    return rounded


def freeze(instance: object, dtype: type[np.float64 | np.int64], *names: str) -> None:
    """Replace arrays of a frozen dataclass by read-only views of this type; None stays None."""
    for name in names:
        value = getattr(instance, name)
        if value is not None:
            view = np.asarray(value, dtype=dtype).view()  # a view: the caller's own array stays writeable
            view.flags.writeable = False
            object.__setattr__(instance, name, view)
