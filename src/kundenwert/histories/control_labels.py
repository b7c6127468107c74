"""Labels of offers that look like none: who was held out, written as if it were an offer."""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING, Final

from kundenwert.errors import ColumnError, DataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["UNSAID", "Unsaid", "check_control"]


class Unsaid(Enum):
    """What an argument is if nobody said anything: not the same as None."""

    UNSAID = "unsaid"

    def __repr__(self) -> str:
        return "<unsaid>"


UNSAID: Final = Unsaid.UNSAID

WHOLE: Final = frozenset(
    {"", "0", "false", "na", "nan", "nat", "n a", "null", "baseline", "base line", "nichts", "nothing", "nobody"}
    | {
        "do nothing",
        "untreated",
        "unbehandelt",
        "placebo",
        "niemand",
        "ctl",
        "ctrl",
        "cg",
        "kg",
        "leer",
        "empty",
        "blank",
    }
)
"""Labels, in small letters and with blanks for signs, that name no offer."""

FIRST: Final = frozenset(
    {"no", "none", "not", "without", "kein", "keine", "keinen", "keiner", "keinerlei", "nicht", "ohne"} | {"nein"}
)
"""Words that say of what follows that it was not sent."""

ANYWHERE: Final = re.compile(
    r"\b(controls?|ctrl|kontroll\w*|holdouts?|hold outs?|held out|holdback|vergleichsgruppe|nullgruppe|null group"
    r"|referenzgruppe|reference group)\b"
)
CAMEL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")


def looks_like_control(label: str) -> bool:
    """Whether a label seems to say that nothing was sent."""
    words = re.sub(r"[\W_]+", " ", CAMEL.sub(" ", label)).strip().casefold()
    return words in WHOLE or words.partition(" ")[0] in FIRST or ANYWHERE.search(words) is not None


def check_control(customers: Mapping[str, int], control: str | Unsaid | None, column: str) -> None:
    """Check that the label of the held-out exists, or if none was named, that none of the labels looks like one.

    Parameters
    ----------
    customers
        How many customers have each label.
    control
        As it was handed in.
    column
        Name of the column.

    Raises
    ------
    DataError
        If a label looks like that of a control group and nobody said what it is.
    ColumnError
        If `control` is no label of the column.
    """
    if control is None:
        return
    if control is UNSAID:
        found = [label for label in customers if looks_like_control(label)]
        if found:
            raise DataError(_asked(found, customers, column))
        return
    if not isinstance(control, str):
        message = (
            f"control takes the label of the customers who were held out, a string, got {control!r}; leave it out if "
            "these have null"
        )
        raise DataError(message)
    if control not in customers:
        message = (
            f"control={control!r} is no label of column {column!r}, which has {_listed(list(customers))}; name the "
            "label of the customers who were held out as it is written there"
        )
        raise ColumnError(message)


def _asked(found: Sequence[str], customers: Mapping[str, int], column: str) -> str:
    label = found[0]
    others = f", and so do {_listed(found[1:])}" if len(found) > 1 else ""
    several = " (if more than one of them does, give these customers one label, or null)" if len(found) > 1 else ""
    return (
        f"column {column!r} has the label {label!r} ({customers[label]:,} customers), which looks like that of a "
        f"control group{others}; as an offer it would count these customers as contacted. If it stands for customers "
        f"who were held out, name it: control={label!r}{several}. If it is an offer like the others, say that only "
        "customers with null were held out: control=None"
    )


def _listed(labels: Sequence[str]) -> str:
    shown = ", ".join(map(repr, labels[:10]))
    return (shown or "none") + (f" and {len(labels) - 10} more" if len(labels) > 10 else "")
