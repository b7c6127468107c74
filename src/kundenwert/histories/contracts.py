"""ContractHistories: how many renewals every contract has seen, and whether it has ended."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, Self, final, override

import numpy as np
import pandas as pd

from kundenwert.duration import Duration, Unit, units_per_year
from kundenwert.errors import DataError, DurationError, MissingInformationError, RowError
from kundenwert.histories.audit import Audit
from kundenwert.histories.bad_rows import check_on_bad_rows, droppable
from kundenwert.histories.base import Histories, check_clock
from kundenwert.histories.cells import Cells, CohortLabel, HistoryColumn, NeedsHistory, check_needs, collapse
from kundenwert.histories.cohort_tables import read_cohorts
from kundenwert.histories.contract_columns import (
    check_contracts,
    check_interval,
    check_observed,
    flags,
    label_codes,
    whole,
)
from kundenwert.histories.parts import freeze
from kundenwert.histories.tables import check_columns, id_column, ids, numbers, open_table
from kundenwert.histories.triangles import read_triangle

if TYPE_CHECKING:
    from collections.abc import Mapping

    from narwhals.stable.v2.typing import IntoDataFrame
    from numpy.typing import ArrayLike, NDArray

    type Floats = NDArray[np.float64]
    type Integers = NDArray[np.int64]

__all__ = ["ContractHistories"]


@final
@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class ContractHistories(Histories):
    """One history per contract, counted in renewals.

    A contract runs from renewal to renewal, and at each one the customer goes on or ends it. Made by
    :func:`kundenwert.summarize_contracts`, :meth:`from_cohorts`, :meth:`from_triangle` or :meth:`from_pandas`. Arrays
    have shape (contracts,) and are read-only.

    Attributes
    ----------
    customer_id
        Unique ids, of the type they had in the table; 1, 2, 3, … for a table of cohorts.
    tenure
        How often the contract has been renewed so far.
    ended
        1 if it ended at the renewal after these, 0 if it is still active.
    cohort
        Position of the contract's cohort in `cohorts`; zeros if nobody named any.
    cohorts
        Labels of the cohorts, sorted; empty if nobody named any.
    every
        Time between two renewals; None if nobody said.
    audit
        What became of every row of the table.

    Raises
    ------
    RowError
        If a history cannot be; names the first customer.
    DataError
        If arrays differ in length.
    """

    customer_id: pd.Index
    tenure: Integers
    ended: Integers
    cohort: Integers
    cohorts: tuple[CohortLabel, ...] = ()
    every: Duration | None = None
    audit: Audit

    def __post_init__(self) -> None:
        object.__setattr__(self, "customer_id", self.customer_id.rename("customer_id"))
        object.__setattr__(self, "cohorts", tuple(self.cohorts))
        freeze(self, np.int64, "tenure", "ended", "cohort")
        check_interval(self.every)
        check_contracts(self)

    @property
    @override
    def measure(self) -> Literal["renewal"]:
        return "renewal"

    @property
    @override
    def periods_per_year(self) -> float:
        return math.nan if self.every is None else units_per_year("day") / self.every.in_days

    def __repr__(self) -> str:
        cohorts = f" in {len(self.cohorts)} cohort{'s' if len(self.cohorts) > 1 else ''}" if self.cohorts else ""
        every = f", every={self.every!r}" if self.every is not None else ""
        return f"ContractHistories({len(self):,} contracts{cohorts}, {(self.ended == 0).sum():,} active{every})"

    @classmethod
    @droppable
    def from_pandas(
        cls,
        frame: IntoDataFrame,
        *,
        customer: str = "customer_id",
        tenure: str = "tenure",
        ended: str = "ended",
        cohort: str | None = None,
        observed: str | None = None,
        every: Duration | None = None,
        on_bad_rows: Literal["raise", "drop"] = "raise",
    ) -> Self:
        """Take over a table with one row per contract.

        Parameters
        ----------
        frame
            pandas, Polars or PyArrow table.
        customer
            Name of the id column (in pandas also of the index). Ids are unique: a customer with two contracts needs
            two ids.
        tenure
            Column with the number of renewals made so far, 0 or more.
        ended
            Column that says whether the contract ended at the next renewal (True or 1) or is still active (False or
            0). A contract that never saw a renewal and was not extended has tenure 0 and ended 1.
        cohort
            Column with the cohort: strings, integers or categories. Without it, all contracts are one population.
        observed
            Column with the number of renewals that have come due since the contract began, to check the others
            against: active contracts have made all of these, ended ones have missed one of them.
        every
            Time between two renewals, for discounting: ``kundenwert.months(1)``.
        on_bad_rows
            Whether rows without an id, or with what cannot be, are an error, or are left out and counted in the audit
            by reason. An id with two rows is always an error: which of them is right cannot be told.

        Raises
        ------
        DataError
            If the table is lazy, empty or no table.
        ColumnError
            If a column is missing or of the wrong type.
        RowError
            If a row holds what cannot be; names the first customer.
        """
        check_on_bad_rows(on_bad_rows)
        if isinstance(frame, pd.DataFrame) and frame.index.name == customer and customer not in frame.columns:
            frame = frame.reset_index()
        table = open_table(frame, "the table")
        more = [name for name in (cohort, observed) if name is not None]
        check_columns(table, [customer, tenure, ended, *more], "the table")
        if len(table) == 0:
            message = "the table has no rows; expected one row per contract"
            raise DataError(message)
        id_series = id_column(table, customer)
        null = id_series.is_null().to_numpy()
        if null.any():
            message = f"row {np.argmax(null)} has no customer id; drop such rows or give them an id"
            raise RowError(message, rows=null.tolist(), reason="no customer id")
        customer_id = ids(id_series)
        renewals = whole(table, tenure, customer_id)
        over = flags(
            table,
            ended,
            customer_id,
            "True or 1 for a contract that has ended, False or 0 for an active one",
            "correct the rows, or leave them out",
        )
        if observed is not None:
            check_observed(renewals, over, whole(table, observed, customer_id), customer_id)
        codes, labels = label_codes(table, cohort, customer_id)
        return cls(
            customer_id=customer_id,
            tenure=renewals.astype(np.int64),
            ended=over.astype(np.int64),
            cohort=codes,
            cohorts=labels,
            every=every,
            audit=Audit(rows_read=len(table), kept=len(table), customers=len(table)),
        )

    @classmethod
    def from_cohorts(
        cls,
        frame: IntoDataFrame,
        *,
        cohort: str | None = None,
        renewal: str = "renewal",
        survivors: str = "survivors",
        customers: int | Mapping[CohortLabel, int] | None = None,
        every: Duration | None = None,
    ) -> Self:
        """Make one history per contract from a table of how many were active after each renewal.

        Contracts that are lost between two rows have ended at the later renewal; those of a cohort's last row are
        still active. The posterior is the very same as from the single contracts.

        Parameters
        ----------
        frame
            pandas, Polars or PyArrow table with one row per cohort and renewal, in any order.
        cohort
            Column with the cohort: strings, integers or categories. Without it, the table holds one cohort.
        renewal
            Column with the number of the renewal: 0 for the start, then 1, 2, … without a gap.
        survivors
            Column with how many contracts were active after it: whole numbers that never rise. With `customers`,
            shares of the start instead, which is 1 or 100 (per cent).
        customers
            Contracts at the start, in every cohort or by cohort, if `survivors` are shares. Shares times customers
            are rounded to whole contracts.
        every
            Time between two renewals, for discounting: ``kundenwert.years(1)``.

        Raises
        ------
        DataError
            If the table is lazy, empty or no table.
        ColumnError
            If a column is missing or of the wrong type.
        RowError
            If numbers cannot be; names the first cohort and renewal.
        SizeError
            If there are more than 200 million contracts.

        Examples
        --------
        >>> import kundenwert as kw
        >>> table = kw.datasets.subscription_cohorts()
        >>> kw.ContractHistories.from_cohorts(table, cohort="cohort", every=kw.years(1))
        ContractHistories(2,000 contracts in 2 cohorts, 567 active, every=years(1))
        """
        table = open_table(frame, "the table")
        columns = [renewal, survivors] if cohort is None else [cohort, renewal, survivors]
        check_columns(table, columns, "the table")
        if len(table) == 0:
            message = "the table has no rows; expected one row per cohort and renewal"
            raise DataError(message)
        rows = pd.RangeIndex(len(table))
        codes, labels = label_codes(table, cohort, rows, what="row")
        expanded = read_cohorts(codes, labels, numbers(table, renewal), numbers(table, survivors), customers)
        total = len(expanded.tenure)
        return cls(
            customer_id=pd.RangeIndex(1, total + 1),
            tenure=expanded.tenure,
            ended=expanded.ended,
            cohort=expanded.cohort,
            cohorts=labels,
            every=every,
            audit=Audit(rows_read=len(table), kept=len(table), customers=total),
        )

    @classmethod
    def from_triangle(
        cls,
        frame: IntoDataFrame,
        *,
        cohort: str | None = None,
        customers: int | Mapping[CohortLabel, int] | None = None,
        every: Duration | None = None,
    ) -> Self:
        """Make one history per contract from a wide table of survivors: cohorts in rows, periods in columns.

        The first number of a cohort says how many contracts began, the next one how many were left after their first
        renewal, and so on. Columns may be ages (0, 1, 2, … or "month 1", "month 2", …) or dates: what is null before a
        cohort's first number, or after its last one, has not been seen.

        Parameters
        ----------
        frame
            pandas, Polars or PyArrow table with one row per cohort; every other column is a period, in order.
        cohort
            Column with the cohort: strings, integers or categories. By default the index of a pandas table, if it has
            one; a table of a single row needs none.
        customers
            Contracts at the start, in every cohort or by cohort, if the table holds shares of the start, which is 1 or
            100 (per cent).
        every
            Time between two renewals, for discounting: ``kundenwert.months(1)``.

        Raises
        ------
        DataError
            If the table is lazy, empty or no table.
        ColumnError
            If columns hold no numbers, or are out of order or leave a gap, as far as their labels tell.
        RowError
            If numbers cannot be, or are shares and nobody said of how many; names the first cohort and renewal.
        SizeError
            If there are more than 200 million contracts.

        Examples
        --------
        >>> import pandas as pd
        >>> import kundenwert as kw
        >>> triangle = pd.DataFrame({0: [100, 80], 1: [71, 60], 2: [60, None]}, index=["2024-01", "2024-02"])
        >>> kw.ContractHistories.from_triangle(triangle, every=kw.months(1))
        ContractHistories(180 contracts in 2 cohorts, 120 active, every=months(1))
        """
        triangle = read_triangle(frame, cohort, customers)
        expanded = read_cohorts(triangle.codes, triangle.labels, triangle.renewal, triangle.survivors, customers)
        total = len(expanded.tenure)
        return cls(
            customer_id=pd.RangeIndex(1, total + 1),
            tenure=expanded.tenure,
            ended=expanded.ended,
            cohort=expanded.cohort,
            cohorts=triangle.labels,
            every=every,
            audit=Audit(rows_read=triangle.rows, kept=triangle.rows, customers=total),
        )

    def to_pandas(self) -> pd.DataFrame:
        """Return columns customer_id, tenure, ended and, if there are any, cohort."""
        frame = pd.DataFrame({"customer_id": self.customer_id, "tenure": self.tenure, "ended": self.ended})
        if self.cohorts:
            frame["cohort"] = pd.Index(self.cohorts).take(self.cohort)
        return frame

    @override
    def cells(self, model: NeedsHistory) -> Cells:
        """Collapse to the distinct histories on exactly the columns that `model` needs.

        Raises
        ------
        MissingInformationError
            If the model needs purchases, or measures time instead of counting renewals.
        SpecificationError
            If the model needs a column that no history has.
        """
        check_clock(model, self)
        columns = {name: self._column(name) for name in check_needs(model.needs)}
        cells = collapse(columns, customers=len(self), unit=self.measure, periods_per_year=self.periods_per_year)
        return replace(cells, cohorts=self.cohorts)

    @override
    def take(self, positions: ArrayLike) -> Self:
        """Histories of the contracts at these positions (integers, or a mask), in that order."""
        asked = np.asarray(positions)
        chosen = np.arange(len(self))[asked if asked.size else asked.astype(np.int64)]
        present, cohort = np.unique(self.cohort[chosen], return_inverse=True)
        return replace(
            self,
            customer_id=self.customer_id.take(chosen),
            tenure=self.tenure[chosen],
            ended=self.ended[chosen],
            cohort=cohort,
            cohorts=tuple(self.cohorts[code] for code in present) if self.cohorts else (),
        )

    @override
    def in_unit(self, unit: Unit) -> Self:
        """Return the histories themselves: renewals are counted, not measured."""
        if unit != self.measure:
            message = f"these histories count renewals and cannot be expressed in {unit!r}; use a model of contracts"
            raise DurationError(message)
        return self

    def _column(self, name: HistoryColumn) -> Floats:
        match name:
            case "cohort" | "tenure" | "ended":
                return np.asarray(getattr(self, name), dtype=np.float64)
            case _:
                message = f"histories of contracts have no {name!r}; only a model of purchases can need it"
                raise MissingInformationError(message)
