"""Checks of histories: every refusal names the first customer, what was got, what was expected, what to do."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from kundenwert.errors import DataError, RowError, SizeError
from kundenwert.histories.parts import LARGEST_AMOUNT

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from kundenwert.histories.customers import CustomerHistories

    type Floats = NDArray[np.float64]
    type Integers = NDArray[np.int64]

__all__ = [
    "check_histories",
    "check_lengths",
    "check_monetary_value",
    "refuse",
    "refuse_too_many",
    "shown",
    "strangers",
]

MOST_HISTORIES: Final = 200_000_000  # made from counts; their arrays take some gigabytes


def check_lengths(histories: CustomerHistories) -> None:
    """Check that every array has one entry per customer and that covariates belong to these customers."""
    n = len(histories)
    parts: dict[str, int] = {name: len(getattr(histories, name)) for name in ("frequency", "recency", "T")}
    if histories.steps is not None:
        parts |= {f"steps.{name}": len(getattr(histories.steps, name)) for name in ("first", "last", "until")}
    if histories.spend is not None:
        names = ("total", "log_total", "log_squared_total", "positive", "first_amount")
        known = {name: getattr(histories.spend, name) for name in names}
        parts |= {f"spend.{name}": len(array) for name, array in known.items() if array is not None}
    if histories.gaps is not None:
        parts["gaps.offsets less one"] = len(histories.gaps.offsets) - 1
    for name, length in parts.items():
        if length != n:
            message = f"{name} has {length} entries for {n} customers; every array needs one entry per customer"
            raise DataError(message)
    if histories.gaps is not None and (wrong := np.diff(histories.gaps.offsets) != histories.frequency).any():
        first = int(np.argmax(wrong))
        got, expected = np.diff(histories.gaps.offsets)[first], histories.frequency[first]
        message = (
            f"gaps of customer {shown(histories.customer_id, first)} number {got}, its frequency is {expected}; "
            f"expected one gap per repeat purchase"
        )
        raise DataError(message)
    if histories.covariates is not None and not histories.covariates.index.equals(histories.customer_id):
        message = "the index of covariates must be customer_id, in the same order; reindex it: frame.loc[customer_id]"
        raise DataError(message)


def check_histories(histories: CustomerHistories) -> None:
    """Check what must hold of every history, wherever it comes from."""
    ids, x, t_x, T = histories.customer_id, histories.frequency, histories.recency, histories.T
    refuse(x < 0, ids, {"frequency": x}, "0 or more", "count purchase occasions after the first")
    if not ids.is_unique:
        message = (
            f"customer {shown(ids, int(np.argmax(ids.duplicated())))} occurs more than once; expected one history per "
            f"customer; merge the rows, or hand the purchases themselves to kundenwert.summarize"
        )
        raise RowError(message)
    refuse(
        ~(np.isfinite(t_x) & np.isfinite(T) & (t_x >= 0) & (t_x <= T)),
        ids,
        {"recency": t_x, "T": T},
        "0 <= recency <= T, both finite",
        "recency is the time from the first to the last purchase, not from the last purchase until now",
    )
    refuse(
        (x == 0) != (t_x == 0),
        ids,
        {"frequency": x, "recency": t_x},
        "recency to be 0 exactly when frequency is 0",
        "count only repeat purchases, merging those of the same day (or hour, or week)",
    )
    if histories.spend is not None:
        total = histories.spend.total
        refuse(
            ~((total >= 0) & (total <= LARGEST_AMOUNT) & ((total == 0) | (x > 0))),
            ids,
            {"frequency": x, "sum of repeat amounts": total},
            f"a finite sum, 0 or more (and no more than {LARGEST_AMOUNT:g}), and 0 without repeats",
            "correct the amounts of this customer",
        )


def check_monetary_value(mean: Floats, frequency: Floats, ids: pd.Index) -> None:
    """Check that means are amounts, and that there are none where there is nothing to take the mean of."""
    got = {"frequency": frequency, "monetary_value": mean}
    refuse(
        (frequency > 0) & ~((mean >= 0) & (mean <= LARGEST_AMOUNT)),
        ids,
        got,
        f"a finite mean amount, 0 or more (and no more than {LARGEST_AMOUNT:g})",
        "monetary_value is the mean amount per repeat occasion, with refunds taken off",
    )
    refuse(
        (frequency == 0) & ~(np.isnan(mean) | (mean == 0)),
        ids,
        got,
        "NaN or 0 where frequency is 0",
        "monetary_value covers repeat occasions only, without the first purchase",
    )


def refuse(
    bad: NDArray[np.bool_],
    ids: pd.Index,
    got: Mapping[str, Floats | Integers],
    expected: str,
    remedy: str,
    *,
    what: str = "customer",
) -> None:
    """Raise RowError if any customer (or row) is `bad`, showing what was `got` for the first of them."""
    count = int(np.count_nonzero(bad))
    if count == 0:
        return
    first = int(np.argmax(bad))
    values = ", ".join(f"{name} = {column[first]:.12g}" for name, column in got.items())
    others = f" (and {count - 1:,} more)" if count > 1 else ""
    message = f"{what} {shown(ids, first)}{others} has {values}; expected {expected}; {remedy}"
    reason = f"{' and '.join(got)}: expected {expected}"
    raise RowError(message, rows=bad.tolist(), reason=reason)


def refuse_too_many(number: float, where: str, what: str) -> None:
    """Raise SizeError if so many histories would not fit in memory: counts that become a history each."""
    if number > MOST_HISTORIES:
        # a logarithm, because integers may be too large to be written down
        got = f"{number:,.0f}" if number < 10**15 else f"about 10^{math.log10(number):.0f}"
        message = (
            f"{where} {got} {what}, each of which becomes a row of its own; more than {MOST_HISTORIES:,} are too many. "
            "A posterior does not get better by so many: divide all counts by the same number"
        )
        raise SizeError(message)


def shown(ids: pd.Index, position: int) -> str:
    """Show one id as it would be typed: 7 or 'a', not np.int64(7)."""
    return repr(ids[position : position + 1].tolist()[0])


def strangers(ids: pd.Index, wanted: pd.Index, where: str) -> str:
    """What to add to a message if no id is the same: how they are written in both places."""
    if len(ids) == 0 or len(wanted) == 0 or ids.isin(wanted).any():
        return ""
    text = [isinstance(index[0], str) for index in (ids, wanted)]
    why = "of which one is text: convert it" if text[0] != text[1] else "so these seem to be others"
    return f" (no id is the same: they are such as {shown(ids, 0)} in {where}, and {shown(wanted, 0)} here, {why})"
