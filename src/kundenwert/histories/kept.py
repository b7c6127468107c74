"""Whether parts of histories that come from a file can be: what :func:`kundenwert.summarize` makes always can."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from kundenwert.errors import DataError
from kundenwert.histories.customers import CustomerHistories
from kundenwert.histories.opportunities import OpportunityHistories
from kundenwert.histories.validation import refuse
from kundenwert.storage.registry import Kind, fields_of, register_kind

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["register_histories"]

FARTHEST: Final = 2**53  # steps from 1970


def register_histories() -> None:
    """Let histories of customers be kept."""
    register_kind(Kind(cls=CustomerHistories, version=1, parts=fields_of, made_of=_customers))
    register_kind(Kind(cls=OpportunityHistories, version=1, parts=fields_of, made_of=_opportunities))


def _customers(content: dict[str, Any]) -> CustomerHistories:
    if (gaps := content.get("gaps")) is not None:
        _check_gaps(gaps.offsets, gaps.values)
    histories = CustomerHistories(**content)
    _check_steps(histories)
    _check_spend(histories)
    return histories


def _check_gaps(offsets: NDArray[np.int64], values: NDArray[np.int64]) -> None:
    lists = len(offsets) > 0 and offsets[0] == 0 and (np.diff(offsets) >= 0).all() and offsets[-1] == len(values)
    if not lists or (values < 1).any():
        message = (
            f"gaps hold {len(values)} values between offsets {offsets[:1].tolist()} and {offsets[-1:].tolist()}, the "
            f"smallest of them {values.min(initial=1)}; expected gaps of 1 or more, customer after customer"
        )
        raise DataError(message)


def _check_steps(histories: CustomerHistories) -> None:
    if (steps := histories.steps) is not None:
        first, last, until = steps.first, steps.last, steps.until
        refuse(
            ~((first > -FARTHEST) & (first <= last) & (last <= until) & (until < FARTHEST)),
            histories.customer_id,
            {"first step": first, "last step": last, "last observed step": until},
            "steps in this order",
            "make the histories again, from the log",
        )


def _check_spend(histories: CustomerHistories) -> None:
    if (spend := histories.spend) is None:
        return
    for name in ("log_total", "log_squared_total", "first_amount"):
        if (amounts := getattr(spend, name)) is not None:
            refuse(
                ~np.isfinite(amounts), histories.customer_id, {name: amounts}, "a finite number", "correct the amounts"
            )
    if spend.positive is not None:
        refuse(
            (spend.positive < 0) | (spend.positive > histories.frequency),
            histories.customer_id,
            {"positive amounts": spend.positive, "frequency": histories.frequency},
            "no more positive amounts than repeat purchases",
            "make the histories again, from the log",
        )


def _opportunities(content: dict[str, Any]) -> OpportunityHistories:
    histories = OpportunityHistories(**content)
    periods = histories.periods
    if periods is not None and (np.isnat(periods).any() or (np.diff(periods) <= np.timedelta64(0, "D")).any()):
        message = f"periods are {periods[:3].tolist()}, …; expected days in order"
        raise DataError(message)
    return histories
