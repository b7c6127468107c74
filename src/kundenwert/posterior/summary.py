"""From draws to mean and interval, row by row, in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

import numpy as np
import pandas as pd

from kundenwert.errors import InferenceError, SpecificationError
from kundenwert.parallel import in_parallel
from kundenwert.scalars import is_number

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kundenwert.models.core import Array

__all__ = ["Estimate", "Summary", "blocks_of", "check_interval", "in_blocks", "quantile", "summarise", "summarise_all"]

NUMBERS_IN_BLOCK: Final = 2**17


@final
@dataclass(frozen=True, slots=True)
class Estimate:
    """One number with its uncertainty.

    Parameters
    ----------
    mean
        Posterior mean.
    lower, upper
        Ends of the equal-tailed interval.
    """

    mean: float
    lower: float
    upper: float


@final
@dataclass(frozen=True, slots=True)
class Summary:
    """Posterior mean and ends of the equal-tailed interval, each of shape (rows,)."""

    mean: Array
    lower: Array
    upper: Array

    def at(self, rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Summary:
        """The summary looked up at row positions."""
        return Summary(self.mean[rows], self.lower[rows], self.upper[rows])

    def columns(self) -> tuple[Array, Array, Array]:
        """Mean, lower and upper."""
        return self.mean, self.lower, self.upper

    def to_pandas(self, index: pd.Index) -> pd.DataFrame:
        """A table with columns mean, lower and upper."""
        return pd.DataFrame({"mean": self.mean, "lower": self.lower, "upper": self.upper}, index=index)


def check_interval(interval: float) -> float:
    """Return the interval's probability if it is one."""
    if not is_number(interval) or not 0 < interval < 1:
        message = f"interval is a probability between 0 and 1, for example 0.90; got {interval!r}"
        raise SpecificationError(message)
    return float(interval)


def in_blocks(rows: int, draws: int, work: Callable[[slice], None]) -> None:
    """Call `work` on slices that cover `rows`, in parallel, so that a block of (rows, draws) stays in the cache."""
    in_parallel(work, blocks_of(rows, draws))


def blocks_of(rows: int, draws: int) -> list[slice]:
    """Slices that cover `rows`, so that a block of (rows, draws) stays in the cache."""
    size = max(1, NUMBERS_IN_BLOCK // draws)
    return [slice(i, min(i + size, rows)) for i in range(0, rows, size)]


def summarise(
    rows: int, draws: int, values: Callable[[slice], Array], interval: float, *, leave_out_nan: bool = False
) -> Summary:
    """Summarise `values(rows)`, arrays of shape (rows in the slice, draws), over the draws.

    Raises
    ------
    InferenceError
        If a value is NaN and `leave_out_nan` does not say that this means something.
    """
    (summary,) = summarise_all(
        rows, draws, 1, lambda block: (values(block),), interval=interval, leave_out_nan=leave_out_nan
    )
    return summary


def summarise_all(
    rows: int,
    draws: int,
    count: int,
    values: Callable[[slice], Sequence[Array]],
    *,
    interval: float,
    leave_out_nan: bool = False,
) -> list[Summary]:
    """Summarise `count` arrays that come from one pass."""
    tail = (1 - check_interval(interval)) / 2
    results = [Summary(np.empty(rows), np.empty(rows), np.empty(rows)) for _ in range(count)]

    def work(block: slice) -> None:
        for result, value in zip(results, values(block), strict=True):
            drawn = np.broadcast_to(value, (block.stop - block.start, draws))
            ordered = np.sort(drawn, axis=-1)
            if np.isnan(ordered[:, -1]).any():
                if not leave_out_nan:
                    message = (
                        "a quantity has no number for some draws of the parameters, which are too extreme for its "
                        "formula; use tighter priors, and please report the model and its parameters"
                    )
                    raise InferenceError(message)
                result.mean[block], result.lower[block], result.upper[block] = _without_nan(ordered, tail)
                continue
            result.mean[block] = drawn.mean(axis=-1)
            result.lower[block] = quantile(ordered, tail)
            result.upper[block] = quantile(ordered, 1 - tail)

    in_blocks(rows, draws, work)
    return results


def _without_nan(ordered: Array, tail: float) -> tuple[Array, Array, Array]:
    """Mean and quantiles of each sorted row over the draws that are not left out (NaN, sorted last), or NaN."""
    kept = [row[: max(int(np.searchsorted(row, np.nan)), 1)] for row in ordered]
    lower, upper = ([float(quantile(row, q)) for row in kept] for q in (tail, 1 - tail))
    return np.array([row.mean() for row in kept]), np.array(lower), np.array(upper)


def quantile(ordered: Array, probability: float) -> Array:
    """Quantile of each sorted row, by linear interpolation between order statistics."""
    position = probability * (ordered.shape[-1] - 1)
    below = int(position)
    above = min(below + 1, ordered.shape[-1] - 1)
    low, high = ordered[..., below], ordered[..., above]
    return np.asarray(low + (position - below) * (high - low))
