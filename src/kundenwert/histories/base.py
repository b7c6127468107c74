"""What all histories have in common, whether they measure time or count opportunities or renewals."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, Self, cast, final

import pandas as pd

from kundenwert.duration import DAYS
from kundenwert.errors import DataError, MissingInformationError, RowError, SpecificationError
from kundenwert.histories.identity import places
from kundenwert.histories.validation import shown

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    from numpy.typing import ArrayLike

    from kundenwert.duration import Unit
    from kundenwert.histories.cells import Cells, Clock, NeedsHistory

__all__ = ["Histories", "as_histories", "check_clock"]

MAKERS: Final[dict[str, str]] = {
    "time": "CustomerHistories, made by kundenwert.summarize(log, …)",
    "opportunity": "OpportunityHistories, made by kundenwert.summarize_opportunities(log, …)",
    "renewal": "ContractHistories, made by kundenwert.summarize_contracts(table, …) or ContractHistories.from_cohorts",
    "campaign": "a CampaignLog, made by kundenwert.CampaignLog.from_pandas(table, organic=…, window=…)",
}


class Histories(ABC):
    """One short history per customer."""

    __slots__ = ()

    customer_id: pd.Index
    """Unique ids."""

    def __len__(self) -> int:
        return len(self.customer_id)

    @property
    @abstractmethod
    def measure(self) -> Unit:
        """Unit of times, or what is counted."""

    @property
    @abstractmethod
    def periods_per_year(self) -> float:
        """How many units, opportunities or renewals make a year."""

    @property
    @final
    def clock(self) -> Clock:
        """Whether time is measured, or opportunities or renewals are counted."""
        return "time" if self.measure in DAYS else cast("Clock", self.measure)

    @abstractmethod
    def cells(self, model: NeedsHistory) -> Cells:
        """Collapse to the distinct histories on exactly the columns that `model` needs."""

    @abstractmethod
    def in_unit(self, unit: Unit) -> Self:
        """Return the same histories with times in another unit."""

    @abstractmethod
    def take(self, positions: ArrayLike) -> Self:
        """Histories of the customers at these positions (integers, or a mask), in that order."""

    @final
    def select(self, customer_ids: Sequence[str] | Sequence[int] | pd.Index) -> Self:
        """Histories of these customers, in that order.

        Raises
        ------
        RowError
            If a customer has no history here.
        SpecificationError
            If this is no list of ids.
        """
        if isinstance(customer_ids, str) or not isinstance(customer_ids, Iterable):
            message = f"select takes a list of ids, got {customer_ids!r}; for one customer write [{customer_ids!r}]"
            raise SpecificationError(message)
        wanted = customer_ids if isinstance(customer_ids, pd.Index) else pd.Index(list(customer_ids))
        positions = places(self.customer_id, wanted)
        if (positions < 0).any():
            unknown = wanted[positions < 0]
            message = f"customer {shown(unknown, 0)} has no history here ({len(unknown):,} such ids); check the ids"
            raise RowError(message)
        return self.take(positions)

    @final
    def save(self, path: str | PathLike[str]) -> None:
        """Write the histories to a file, whole or not at all; :func:`kundenwert.load` reads them back exactly.

        The file holds the ids of customers, and what is known of each: keep it as you keep the log itself.

        Parameters
        ----------
        path : path
            Where to. A file that is there is replaced once the new one is complete.

        Raises
        ------
        FileWriteError
            If it cannot be written; then the old file is as it was.
        DataError
            If ids or covariates are of a type that a file cannot hold.
        """
        from kundenwert.storage.keeping import save

        save(self, path)


def check_clock(model: NeedsHistory, histories: Histories) -> None:
    """Refuse a model that measures time where opportunities are counted, and the like."""
    if model.clock != histories.clock:
        message = f"{type(model).__name__} needs {MAKERS[model.clock]}; it cannot learn from {type(histories).__name__}"
        raise MissingInformationError(message)


def as_histories[H: Histories](histories: H) -> H:
    """Return `histories` if that is what they are."""
    if not isinstance(histories, Histories):
        message = (
            f"expected CustomerHistories, got {type(histories).__name__}; make them with kundenwert.summarize(log, …) "
            "or kundenwert.CustomerHistories.from_pandas(table, unit=…)"
        )
        raise DataError(message)
    return histories
