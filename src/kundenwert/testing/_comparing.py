"""How checks compare numbers, and what they say when these disagree."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from kundenwert.errors import ModelError
from kundenwert.progress import each, shown_as

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from kundenwert.models.core import Array, Model

__all__ = [
    "FEWEST",
    "SMALLEST_GROUP",
    "agree",
    "averages_to",
    "case_at",
    "demand",
    "events_average_to",
    "hold",
    "run",
    "shares_agree",
]

STANDARD_ERRORS: Final = 4.5  # a hundred averages of a right model stay within these but once in a thousand runs
SMALLEST_GROUP: Final = 200  # customers, before their average is taken for normal
FEWEST: Final = 30  # of them, to whom something has to have happened
FEWEST_COUNTED: Final = 300  # who share the events evenly enough, or their variance cannot be known either


def run[Case](
    model: Model[Any], checks: Sequence[Callable[[Case], None]], case: Case, *, progress: bool | None = None
) -> None:
    """Run all checks, and say which properties fail.

    Raises
    ------
    ModelError
        If a property does not hold; names all of them.
    """
    broken: list[str] = []
    raised: list[Exception] = []
    with shown_as(f"check {type(model).__name__}", progress):
        for check in each(checks, "promises"):
            try:
                check(case)
            except ModelError as error:
                broken.append(f"{claim(check)} But {error}")
            except Exception as error:  # noqa: BLE001 - whatever the model raises; it is raised again below
                error.add_note(f"This came up when checking of {type(model).__name__}: {claim(check)}")
                broken.append(f"{claim(check)} But it raises {type(error).__name__}: {error}")
                raised.append(error)
    if raised and len(raised) == len(broken):
        raise raised[0]
    if broken:
        name, count = type(model).__name__, "a property" if len(broken) == 1 else f"{len(broken)} properties"
        message = "\n".join([f"{name} lacks {count} of its kind of model:", *(f"- {line}" for line in broken)])
        raise ModelError(message) from (raised[0] if raised else None)


def claim(check: Callable[..., None]) -> str:
    """What a check claims: the first line of its docstring."""
    return (check.__doc__ or check.__name__).partition("\n")[0]


def case_at(columns: Mapping[Any, ArrayLike]) -> Callable[[int], str]:
    """How to name a row of these columns, such as x=3, T=20."""
    return lambda row: ", ".join(f"{name}={np.ravel(column)[row]:.6g}" for name, column in columns.items())


def agree(
    what: str,
    got: ArrayLike,
    expected: ArrayLike,
    at: Callable[[int], str],
    *,
    rtol: float,
    atol: float = 0.0,
) -> None:
    """Refuse numbers that differ; rows are named by `at`. Equal infinities agree, NaN agrees with nothing."""
    left, right = np.broadcast_arrays(np.asarray(got, dtype=np.float64), np.asarray(expected, dtype=np.float64))
    with np.errstate(invalid="ignore"):
        good = (np.abs(left - right) <= atol + rtol * np.abs(right)) | (left == right)
    if not good.all():
        row = int(np.argmin(good.ravel()))
        most = np.max(np.abs(left - right)[~good]) if np.isfinite(left).all() and np.isfinite(right).all() else math.nan
        message = (
            f"{what} is {left.ravel()[row]:.12g} at {at(row)}, expected {right.ravel()[row]:.12g} "
            f"({np.sum(~good)} of {good.size} differ, by up to {most:.2g})"
        )
        raise ModelError(message)


def hold(what: str, good: NDArray[np.bool_], got: ArrayLike, at: Callable[[int], str]) -> None:
    """Refuse rows that are not good."""
    if not good.all():
        row = int(np.argmin(good.ravel()))
        message = f"{what} is {np.broadcast_to(got, good.shape).ravel()[row]:.12g} at {at(row)}"
        raise ModelError(message)


def demand(good: object, message: str) -> None:
    """Refuse what is not good."""
    if not good:
        raise ModelError(message)


def averages_to(what: str, actual: Array, predicted: Array, *, least_variance: float = 0.0) -> None:
    """Refuse predictions that are not the averages of independent outcomes."""
    difference = actual - predicted
    error = math.sqrt(max(float(difference.var()), least_variance) / len(difference))
    if not abs(difference.mean()) <= STANDARD_ERRORS * error:
        message = (
            f"{what}: {len(actual):,} simulated customers average {actual.mean():.6g}, predicted is "
            f"{predicted.mean():.6g}, {abs(difference.mean()) / error:.1f} standard errors away"
        )
        raise ModelError(message)


def events_average_to(what: str, actual: Array, predicted: Array) -> None:
    """The same for counts of events, or for whether there was one; what happens to hardly anybody is left alone."""
    size, total = len(actual), float(actual.sum())
    if size < SMALLEST_GROUP:
        return
    if (actual * (1 - actual) == 0).all():  # of a share, the rarer side counts
        expected = float(predicted.sum())
        events = min(max(total, expected), size - min(total, expected))
        if events >= FEWEST:
            averages_to(what, actual, predicted, least_variance=events / size)
    elif total**2 >= FEWEST_COUNTED * float(actual @ actual):
        averages_to(what, actual, predicted)


def shares_agree(what: str, weight: Array, here: NDArray[np.bool_], there: NDArray[np.bool_]) -> None:
    """Refuse weights that do not turn the share of a group in one population into that in another."""
    if min(here.sum(), there.sum()) < FEWEST:
        return
    found, expected = float((weight * here).mean()), float(there.mean())
    error = math.sqrt(float((weight * here).var()) / len(here) + float(there.var()) / len(there))
    if not abs(found - expected) <= STANDARD_ERRORS * error:
        message = (
            f"the share of {what} in another population is {expected:.6g}, and {found:.6g} by the ratio of "
            f"likelihoods, {abs(found - expected) / error:.1f} standard errors away"
        )
        raise ModelError(message)
