"""Tables of survivors by cohort and renewal become single contracts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from kundenwert.errors import RowError, SpecificationError
from kundenwert.histories.validation import refuse_too_many
from kundenwert.scalars import is_whole

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kundenwert.histories.cells import CohortLabel

    type Floats = NDArray[np.float64]
    type Integers = NDArray[np.int64]

__all__ = ["Contracts", "read_cohorts"]

SCALES: Final = (1.0, 100.0)  # what shares, and per cent, start at
TOTALS: Final = frozenset(
    {"total", "totals", "grand total", "overall", "sum", "all", "gesamt", "gesamtsumme", "insgesamt", "summe", "alle"}
)


class Contracts(NamedTuple):
    """Single contracts, each array of shape (contracts,); sorted by cohort and by how long they lasted."""

    cohort: Integers
    tenure: Integers
    ended: Integers


def read_cohorts(
    codes: Integers,
    labels: tuple[CohortLabel, ...],
    renewal: Floats,
    survivors: Floats,
    customers: int | Mapping[CohortLabel, int] | None,
) -> Contracts:
    """Contracts of all cohorts.

    Parameters
    ----------
    codes
        Position of each row's cohort in `labels`; zeros without labels.
    labels
        What the cohorts are called; empty for a single one without a name.
    renewal, survivors
        Columns of the table.
    customers
        Contracts at the start if `survivors` are shares.

    Raises
    ------
    RowError, SpecificationError
        If numbers cannot be, or a cohort seems to be the sum of the others; names the first cohort.
    SizeError
        If there are too many contracts.
    """
    _refuse_total(codes, labels, renewal, survivors)
    cohorts, tenures, ended = [], [], []
    total = 0
    for code in range(max(1, len(labels))):
        name = f"cohort {labels[code]!r}" if labels else "the cohort"
        rows = codes == code
        counts = _counts(*_in_order(renewal[rows], survivors[rows], name), _size(customers, labels, code), name)
        lost = -np.diff(counts)
        number = np.append(lost, counts[-1])
        total += int(counts[0])
        refuse_too_many(total, f"up to {name}, the table has", "contracts")
        cohorts.append(np.full(number.sum(), code))
        tenures.append(np.repeat(np.r_[np.arange(len(lost)), len(lost)], number))
        ended.append(np.repeat(np.r_[np.ones(len(lost), dtype=np.int64), 0], number))
    return Contracts(*(np.concatenate(parts).astype(np.int64) for parts in (cohorts, tenures, ended)))


def _refuse_total(codes: Integers, labels: Sequence[CohortLabel], renewal: Floats, survivors: Floats) -> None:
    """Refuse a row of totals among the cohorts: it is called that, or is the sum of two others or more."""
    if len(labels) < 2:
        return
    called = [str(label).strip().rstrip(":").casefold() in TOTALS for label in labels]
    first, then = (
        np.bincount(codes[renewal == age], weights=survivors[renewal == age], minlength=len(labels)) for age in (0, 1)
    )
    is_sum = (first > 0) & (then > 0) & (2 * first == first.sum()) & (2 * then == then.sum()) & (len(labels) > 2)
    for code, label in enumerate(labels):
        if called[code] or is_sum[code]:
            why = "is the sum of all other cohorts" if is_sum[code] else "is called like the sum of all other cohorts"
            message = (
                f"cohort {label!r} {why}, so that every contract would count twice; leave it out, in pandas "
                f"table = table[table[…] != {label!r}] with the column of cohorts, or table.drop(index={label!r})"
            )
            raise RowError(message)


def _in_order(renewal: Floats, survivors: Floats, name: str) -> tuple[Floats, Floats]:
    """Both columns of a cohort by renewal, which must run 0, 1, 2, … without a gap."""
    whole = np.isfinite(renewal) & (renewal == np.floor(renewal)) & (renewal >= 0)
    if not whole.all():
        message = f"{name} has a row for renewal {renewal[np.argmin(whole)]:g}; expected whole numbers, 0 or more"
        raise RowError(message)
    order = np.argsort(renewal, kind="stable")
    renewal, survivors = renewal[order], survivors[order]
    wrong = renewal != np.arange(len(renewal))
    if wrong.any():
        first = int(np.argmax(wrong))
        what = "two rows" if first and renewal[first] == renewal[first - 1] else "no row"
        place = renewal[first] if what == "two rows" else first
        message = (
            f"{name} has {what} for renewal {place:g}; expected one row for each of 0 (the start), 1, 2, … without a "
            "gap; end the cohort before the gap, or merge the rows"
        )
        raise RowError(message)
    return renewal, survivors


def _counts(renewal: Floats, survivors: Floats, size: int | None, name: str) -> Integers:
    """Whole contracts of a cohort after each renewal, none of which may rise."""
    finite = np.isfinite(survivors) & (survivors >= 0)
    if not finite.all():
        first = int(np.argmin(finite))
        message = f"{name} has survivors = {survivors[first]:g} at renewal {renewal[first]:g}; expected 0 or more"
        raise RowError(message)
    rises = np.flatnonzero(np.diff(survivors) > 0)
    if len(rises):
        first = int(rises[0])
        message = (
            f"{name} has survivors = {survivors[first + 1]:g} at renewal {renewal[first + 1]:g}, after "
            f"{survivors[first]:g} at renewal {renewal[first]:g}; survivors never rise: leave out those who joined "
            "later or came back, or make them a cohort of their own"
        )
        raise RowError(message)
    if size is not None:
        return _from_shares(survivors, size, name)
    if (survivors != np.floor(survivors)).any():
        first = int(np.argmax(survivors != np.floor(survivors)))
        message = (
            f"{name} has survivors = {survivors[first]:g} at renewal {renewal[first]:g}; expected a whole number of "
            "contracts. If these are shares or per cent, say how many contracts there were: customers=…"
        )
        raise RowError(message)
    if survivors[0] == 0:
        message = f"{name} starts with no contracts; expected at least one at renewal 0; leave the cohort out"
        raise RowError(message)
    refuse_too_many(survivors[0], f"{name} starts with", "contracts")
    return survivors.astype(np.int64)


def _from_shares(survivors: Floats, size: int, name: str) -> Integers:
    if survivors[0] not in SCALES:
        message = (
            f"{name} has survivors = {survivors[0]:g} at renewal 0; with customers= it is a share that starts at 1 or "
            "100 (per cent); leave customers out if these are counts"
        )
        raise RowError(message)
    refuse_too_many(size, f"{name} starts with", "contracts")
    counts: Integers = np.rint(survivors / survivors[0] * size).astype(np.int64)
    return counts


def _size(customers: int | Mapping[CohortLabel, int] | None, labels: tuple[CohortLabel, ...], code: int) -> int | None:
    """Contracts of a cohort at the start, if the table does not tell."""
    if isinstance(customers, Mapping):
        if not labels or labels[code] not in customers:
            known = ", ".join(map(repr, customers))
            missing = repr(labels[code]) if labels else "a table without a cohort column"
            message = f"customers has no number for {missing}; it has {known}"
            raise SpecificationError(message)
        customers = customers[labels[code]]
    if customers is None:
        return None
    if not is_whole(customers) or customers < 1:
        message = f"customers is the number of contracts at the start, a whole number of at least 1; got {customers!r}"
        raise SpecificationError(message)
    return int(customers)
