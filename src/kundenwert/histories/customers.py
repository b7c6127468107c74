"""CustomerHistories: built once from a log or a table, and rich enough for every model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal, Self, final, override

import numpy as np
import pandas as pd

from kundenwert.duration import Duration, TimeUnit, Unit, check_unit, steps_per_unit, units_per_year
from kundenwert.errors import MissingInformationError
from kundenwert.histories.audit import Audit, LogColumns
from kundenwert.histories.bad_rows import check_on_bad_rows, droppable
from kundenwert.histories.base import Histories, check_clock
from kundenwert.histories.cells import Cells, HistoryColumn, NeedsHistory, check_needs, collapse
from kundenwert.histories.gap_lists import GapLists
from kundenwert.histories.parts import Gaps, Spend, Steps, freeze, round_amounts
from kundenwert.histories.tables import customer_table, numbers
from kundenwert.histories.validation import check_histories, check_lengths, check_monetary_value, refuse

if TYPE_CHECKING:
    from narwhals.stable.v2.typing import IntoDataFrame
    from numpy.typing import ArrayLike, NDArray

    type Floats = NDArray[np.float64]
    type Integers = NDArray[np.int64]

__all__ = ["CustomerHistories"]

ONE_DAY: Final = Duration(1.0)


@final
@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class CustomerHistories(Histories):
    """One short history per customer, in time.

    Made by :func:`kundenwert.summarize` or :meth:`from_pandas`. Arrays have shape (customers,) and are read-only.

    Attributes
    ----------
    customer_id
        Unique ids, of the type they had in the table.
    frequency
        Number of repeat purchase occasions.
    recency, T
        Time from the first to the last purchase, and to the end of observation, in `unit`.
    unit
        Unit of recency and T.
    steps, gaps, spend
        What some models need beyond that; None when the table did not tell.
    audit
        What became of every row of the table.
    columns
        How the log was read; None for a ready-made table.
    covariates
        Optional table whose index is `customer_id`.

    Raises
    ------
    RowError
        If a history cannot be; names the first customer.
    DataError
        If arrays differ in length, or covariates in customers.
    """

    customer_id: pd.Index
    frequency: Integers
    recency: Floats
    T: Floats
    unit: TimeUnit
    steps: Steps | None = None
    gaps: Gaps | None = None
    spend: Spend | None = None
    audit: Audit
    columns: LogColumns | None = None
    covariates: pd.DataFrame | None = None

    def __post_init__(self) -> None:
        check_unit(self.unit)
        object.__setattr__(self, "customer_id", self.customer_id.rename("customer_id"))
        freeze(self, np.int64, "frequency")
        freeze(self, np.float64, "recency", "T")
        check_lengths(self)
        check_histories(self)

    @property
    @override
    def measure(self) -> TimeUnit:
        return self.unit

    @property
    @override
    def periods_per_year(self) -> float:
        return units_per_year(self.unit)

    def __repr__(self) -> str:
        spend = "with" if self.spend is not None else "without"
        repeats = f"{self.frequency.sum():,} repeat purchases"
        return f"CustomerHistories({len(self):,} customers, {repeats}, {spend} amounts, unit={self.unit!r})"

    @classmethod
    @droppable
    def from_pandas(
        cls,
        frame: IntoDataFrame,
        *,
        unit: TimeUnit,
        customer: str = "customer_id",
        on_bad_rows: Literal["raise", "drop"] = "raise",
    ) -> Self:
        """Take over a ready-made table with one row per customer.

        Gaps, steps and single amounts cannot be had from such a table; a model that needs them says so.

        Parameters
        ----------
        frame
            pandas, Polars or PyArrow table with the columns ``customer_id`` (in pandas also the index),
            ``frequency``, ``recency``, ``T`` and, if spend is to be modelled, ``monetary_value``: the mean amount
            per repeat occasion, NaN or 0 where frequency is 0.
        unit
            Unit of ``recency`` and ``T``.
        customer
            Name of the id column.
        on_bad_rows
            Whether rows without an id, or with what cannot be, are an error, or are left out and counted in the audit
            by reason. A customer with two rows is always an error: which of them is right cannot be told.

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
        table, customer_id = customer_table(frame, customer, ["frequency", "recency", "T"])
        frequency, recency, T = (numbers(table, name) for name in ("frequency", "recency", "T"))
        refuse(
            ~((frequency >= 0) & (frequency < 2**53) & (frequency == np.floor(frequency))),
            customer_id,
            {"frequency": frequency},
            "a whole number of repeat purchases, 0 or more and below 2^53",
            "count purchase occasions after the first",
        )
        spend = None
        if "monetary_value" in table.columns:
            mean = numbers(table, "monetary_value")
            check_monetary_value(mean, frequency, customer_id)
            spend = Spend(total=round_amounts(np.where(frequency > 0, np.nan_to_num(mean) * frequency, 0.0)))
        return cls(
            customer_id=customer_id,
            frequency=frequency.astype(np.int64),
            recency=recency,
            T=T,
            unit=unit,
            spend=spend,
            audit=Audit(rows_read=len(table), kept=len(table), customers=len(table)),
        )

    def to_pandas(self) -> pd.DataFrame:
        """Return columns customer_id, frequency, recency, T and, with spend, monetary_value.

        ``monetary_value`` is the mean amount per repeat occasion, NaN without a repeat.
        """
        frame = pd.DataFrame(
            {
                "customer_id": self.customer_id,
                "frequency": self.frequency,
                "recency": self.recency,
                "T": self.T,
            }
        )
        if self.spend is not None:
            mean = np.full(len(self), np.nan)
            frame["monetary_value"] = np.divide(self.spend.total, self.frequency, out=mean, where=self.frequency > 0)
        return frame

    @override
    def cells(self, model: NeedsHistory) -> Cells:
        """Collapse to the distinct histories on exactly the columns that `model` needs.

        Raises
        ------
        MissingInformationError
            If the model needs amounts and there are none, or counts opportunities or renewals instead of time.
        SpecificationError
            If the model needs a column that no history has.
        """
        check_clock(model, self)
        needs = check_needs(model.needs)
        gaps = None
        columns: dict[HistoryColumn, Floats] = {}
        for name in needs:
            if name == "gaps":
                code, gaps = self._gap_lists()
                columns[name] = code.astype(np.float64)
            else:
                columns[name] = self._column(name)
        return collapse(columns, customers=len(self), unit=self.unit, periods_per_year=self.periods_per_year, gaps=gaps)

    @override
    def take(self, positions: ArrayLike) -> Self:
        """Histories of the customers at these positions (integers, or a mask), in that order."""
        asked = np.asarray(positions)
        chosen = np.arange(len(self))[asked if asked.size else asked.astype(np.int64)]
        return replace(
            self,
            customer_id=self.customer_id.take(chosen),
            frequency=self.frequency[chosen],
            recency=self.recency[chosen],
            T=self.T[chosen],
            steps=None if self.steps is None else self.steps.take(chosen),
            gaps=None if self.gaps is None else self.gaps.take(chosen),
            spend=None if self.spend is None else self.spend.take(chosen),
            covariates=None if self.covariates is None else self.covariates.iloc[chosen],
        )

    @override
    def in_unit(self, unit: Unit) -> Self:
        """Return the same histories with recency and T in another unit."""
        if unit == self.unit:
            return self
        unit = check_unit(unit)
        if self.steps is not None:  # whole steps convert without accumulating rounding
            per_unit = steps_per_unit(unit, self.steps.resolution)
            recency = (self.steps.last - self.steps.first) / per_unit
            return replace(self, recency=recency, T=(self.steps.until - self.steps.first) / per_unit, unit=unit)
        factor = ONE_DAY.in_unit(unit) / ONE_DAY.in_unit(self.unit)
        return replace(self, recency=self.recency * factor, T=self.T * factor, unit=unit)

    def _column(self, name: HistoryColumn) -> Floats:
        match name:
            case "x":
                return self.frequency.astype(np.float64)
            case "t_x":
                return self.recency
            case "T":
                return self.T
            case "total" | "log_total" | "log_squared_total" | "positive":
                return self._amounts(name)
            case _:
                message = f"these histories measure time and have no {name!r}; only a model that counts can need it"
                raise MissingInformationError(message)

    def _gap_lists(self) -> tuple[Integers, GapLists]:
        if self.gaps is not None and self.steps is not None:
            return GapLists.distinct(self.gaps, steps_per_unit(self.unit, self.steps.resolution))
        if self.frequency.max(initial=0) > 1:
            message = (
                "the model needs the gaps between purchases, which a ready-made table does not hold; make the "
                "histories from the log with kundenwert.summarize(log, …), or use kundenwert.RevivalNBD(gaps=False), "
                "which learns less"
            )
            raise MissingInformationError(message)
        single = self.recency[self.frequency == 1]  # the only gap of whoever came back once
        values, place = np.unique(single, return_inverse=True)
        code = np.zeros(len(self), dtype=np.int64)
        code[self.frequency == 1] = 1 + place
        return code, GapLists(offsets=np.r_[0, np.arange(len(values) + 1)], values=values)

    def _amounts(self, name: Literal["total", "log_total", "log_squared_total", "positive"]) -> Floats:
        if self.spend is None:
            message = (
                "the model needs amounts, but these histories have none; name the amount column in "
                "summarize(…, amount=…), or give CustomerHistories.from_pandas a monetary_value column"
            )
            raise MissingInformationError(message)
        column = getattr(self.spend, name)
        if column is None:
            message = (
                "the model needs single amounts, of which a ready-made table holds the mean only; make the histories "
                "from the log with kundenwert.summarize(log, …, amount=…), or use kundenwert.GammaGamma()"
            )
            raise MissingInformationError(message)
        return np.asarray(column, dtype=np.float64)
