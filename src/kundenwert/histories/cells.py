"""Cells: the distinct histories of a population, with the number of customers that share each.

A likelihood and every prediction depend on a customer only through a short history, so the work is done once per
cell and looked up per customer at the end.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal, Protocol, final

import numpy as np
import pandas as pd

from kundenwert.errors import SpecificationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from kundenwert.duration import Unit
    from kundenwert.histories.campaign_terms import CampaignTerms
    from kundenwert.histories.gap_lists import GapLists

__all__ = [
    "Cells",
    "Clock",
    "CohortLabel",
    "HistoryColumn",
    "NeedsHistory",
    "check_needs",
    "collapse",
]

type HistoryColumn = Literal[
    "x",
    "t_x",
    "T",
    "gaps",
    "total",
    "positive",
    "log_total",
    "log_squared_total",
    "cohort",
    "tenure",
    "ended",
    "offer",
    "segment",
    "campaign",
    "returned",
    "organic",
    "shares",
]
"""What a model can ask of a history.

Repeat purchases, recency and T (times or counts); the position of the list of gaps in :attr:`Cells.gaps`; sum of the
repeat amounts, how many of them are positive, and the sums of their logarithms and squared logarithms; for contracts
the position of the cohort, renewals so far, and whether the contract ended at the next one (1) or is active (0); for
campaigns the position of the offer (0 for none), of the segment and of the campaign, whether the customer returned,
the log-odds of returning anyway, and on request how those who do not are shared out among states. Further columns of a
campaign are numbered: see :mod:`kundenwert.histories.campaign_terms`.
"""

type Clock = Literal["time", "opportunity", "renewal", "campaign"]
"""Whether histories measure time, count opportunities or renewals, or are the rows of a campaign."""

type CohortLabel = str | int
"""What a cohort is called."""

SORT_ORDER: Final[tuple[HistoryColumn, ...]] = (
    "cohort",
    "tenure",
    "ended",
    "x",
    "T",
    "t_x",
    "gaps",
    "positive",
    "total",
    "log_total",
    "log_squared_total",
)
"""Slowest first: cells that share (x, T) lie side by side, so work that depends on these two alone is done once."""


class NeedsHistory(Protocol):
    """Anything that declares which columns of a history it depends on."""

    @property
    def needs(self) -> tuple[HistoryColumn, ...]:
        """The columns, in any order."""
        ...

    @property
    def clock(self) -> Clock:
        """What the histories must measure or count."""
        ...


@final
@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Cells:
    """Distinct histories with counts.

    Attributes
    ----------
    columns
        One array of shape (cells,) per column, sorted by those present of cohort, tenure, ended,
        x, T, t_x and amounts.
        Times are in `unit`.
    counts
        How many customers share each cell, shape (cells,).
    index
        The cell of every customer, shape (customers,): ``per_cell[cells.index]`` is per customer.
    unit
        Unit of t_x and T, or what they count.
    periods_per_year
        How many units, opportunities or renewals make a year; NaN if nobody said.
    gaps
        The lists that the column "gaps" refers to, if there is one.
    cohorts
        Labels of the cohorts, in the order of the positions in the column "cohort"; empty if nobody named any.
    campaign
        What the positions in the columns of a campaign stand for, if this is one.
    """

    columns: Mapping[HistoryColumn, NDArray[np.float64]]
    counts: NDArray[np.int64]
    index: NDArray[np.int64]
    unit: Unit
    periods_per_year: float
    gaps: GapLists | None = None
    cohorts: tuple[CohortLabel, ...] = ()
    campaign: CampaignTerms | None = None

    def __len__(self) -> int:
        return len(self.counts)

    def __getitem__(self, name: HistoryColumn) -> NDArray[np.float64]:
        return self.columns[name]

    def at(self, rows: NDArray[np.bool_] | NDArray[np.intp] | slice) -> Cells:
        """These cells alone, each of which stands for as many customers as before; `index` no longer has a meaning."""
        counts = self.counts[rows]
        columns = {name: column[rows] for name, column in self.columns.items()}
        return replace(self, columns=columns, counts=counts, index=np.arange(len(counts)))

    def fingerprint(self, rows: NDArray[np.bool_] | slice = slice(None)) -> int:
        """Checksum of these cells, all by default, by which they are recognised in any unit and currency.

        Only the order of times and amounts enters, and how many customers share each cell. Sums of logarithms are left
        out: they have another order in another currency.
        """
        ordered = [column[rows] for name, column in self.columns.items() if not name.startswith("log_")]
        ranks = [np.unique(column, return_inverse=True)[1] for column in ordered]
        return zlib.crc32(b"".join(part.tobytes() for part in (*ranks, self.counts[rows])))

    def __repr__(self) -> str:
        return f"Cells({len(self)} distinct ({', '.join(self.columns)}) of {len(self.index)} customers, {self.unit!r})"


def check_needs(needs: Iterable[str]) -> tuple[HistoryColumn, ...]:
    """Return the columns that a model needs, in the order cells are sorted by.

    Raises
    ------
    SpecificationError
        If a name is not a column of a history.
    """
    asked = tuple(needs)
    for name in asked:
        if name not in SORT_ORDER:
            known = ", ".join(map(repr, SORT_ORDER))
            message = f"the model needs {name!r}, which is no column of a history; expected some of {known}"
            raise SpecificationError(message)
    return tuple(name for name in SORT_ORDER if name in asked)


def collapse(
    columns: Mapping[HistoryColumn, NDArray[np.float64]],
    *,
    customers: int,
    unit: Unit,
    periods_per_year: float,
    gaps: GapLists | None = None,
) -> Cells:
    """Group customers whose columns agree exactly; the mapping's order is the sort order, slowest first.

    Every column is replaced by the ranks of its values, and the ranks are packed into one integer key.
    """
    key = np.zeros(customers, dtype=np.int64)
    size = 1
    for values in columns.values():
        codes, distinct = _ranks(values)
        if size * len(distinct) > np.iinfo(np.int64).max:
            # Ranks of the key so far are below the number of customers, so the product fits again.
            key, kept = _ranks(key)
            size = len(kept)
        key = key * len(distinct) + codes
        size *= len(distinct)
    index, distinct_keys = _ranks(key)
    member = np.empty(len(distinct_keys), dtype=np.int64)
    member[index] = np.arange(customers)  # any one customer stands for the cell
    return Cells(
        columns={name: _readonly(values[member]) for name, values in columns.items()},
        counts=_readonly(np.bincount(index, minlength=len(member)).astype(np.int64)),
        index=_readonly(index),
        unit=unit,
        periods_per_year=periods_per_year,
        gaps=gaps,
    )


def _ranks[Scalar: (np.float64, np.int64)](values: NDArray[Scalar]) -> tuple[NDArray[np.int64], NDArray[Scalar]]:
    # Hashing first and sorting only the distinct values is several times faster than np.unique.
    codes, distinct = pd.factorize(values, sort=True)
    return codes.astype(np.int64, copy=False), distinct


def _readonly[Scalar: (np.float64, np.int64)](array: NDArray[Scalar]) -> NDArray[Scalar]:
    array.flags.writeable = False
    return array
