"""OpportunityHistories: which of the opportunities to buy that a customer had were used."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal, Self, final, override

import numpy as np
import pandas as pd

from kundenwert.duration import Duration, Unit, check_duration, units_per_year
from kundenwert.errors import DataError, DurationError, MissingInformationError, RowError
from kundenwert.histories.audit import Audit, LogColumns
from kundenwert.histories.bad_rows import check_on_bad_rows, droppable
from kundenwert.histories.base import Histories, check_clock
from kundenwert.histories.cells import Cells, HistoryColumn, NeedsHistory, check_needs, collapse
from kundenwert.histories.parts import freeze
from kundenwert.histories.tables import check_columns, customer_table, numbers, open_table
from kundenwert.histories.validation import refuse, refuse_too_many, shown

if TYPE_CHECKING:
    from narwhals.stable.v2.typing import IntoDataFrame
    from numpy.typing import ArrayLike, NDArray

    from kundenwert.histories.tables import Table

    type Floats = NDArray[np.float64]
    type Integers = NDArray[np.int64]
    type Days = NDArray[np.datetime64]

__all__ = ["OpportunityHistories"]

COUNTS = ("frequency", "recency", "opportunities")
MOST_OPPORTUNITIES: Final = 10_000  # likelihoods sum over them: fitting a thousand distinct histories takes minutes


@final
@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class OpportunityHistories(Histories):
    """One short history per customer, counted in opportunities to buy.

    An opportunity is an occasion at which a customer may buy once or not at all: the yearly appeal of a charity, a
    conference, a season. They are counted from the one after the first purchase. Made by
    :func:`kundenwert.summarize_opportunities`, :meth:`from_pandas` or :meth:`from_counts`. Arrays have shape
    (customers,) and are read-only.

    Attributes
    ----------
    customer_id
        Unique ids, of the type they had in the table; 1, 2, 3, … for a table of counts.
    frequency
        How many opportunities the customer has used since the first purchase.
    recency
        Number of the last one used, counted from the first purchase; 0 without any.
    opportunities
        How many the customer has had since the first purchase: models call it T (n in the paper of BG/BB). At most
        10,000, because every one of them is summed over; whoever counts more had better take a model in time.
    every
        Time between two opportunities; None if nobody said. Discounting needs it.
    audit
        What became of every row of the table.
    columns
        How the log was read; None for a ready-made table.
    periods
        First day of each period that the log was cut into, and the day after the last; None for a ready-made table.

    Raises
    ------
    RowError
        If a history cannot be; names the first customer.
    DataError
        If arrays differ in length.
    """

    customer_id: pd.Index
    frequency: Integers
    recency: Integers
    opportunities: Integers
    every: Duration | None = None
    audit: Audit
    columns: LogColumns | None = None
    periods: Days | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "customer_id", self.customer_id.rename("customer_id"))
        freeze(self, np.int64, *COUNTS)
        if self.periods is not None:
            periods = np.asarray(self.periods, dtype="datetime64[D]").view()
            periods.flags.writeable = False
            object.__setattr__(self, "periods", periods)
        _check_spacing(self.every)
        for name in COUNTS:
            if (length := len(getattr(self, name))) != len(self):
                message = f"{name} has {length} entries for {len(self)} customers; every array needs one per customer"
                raise DataError(message)
        if not self.customer_id.is_unique:
            message = (
                f"customer {shown(self.customer_id, int(np.argmax(self.customer_id.duplicated())))} occurs more than "
                "once; expected one history per customer; merge the rows, or hand the purchases themselves to "
                "kundenwert.summarize_opportunities"
            )
            raise RowError(message)
        _check(self.customer_id, self.frequency, self.recency, self.opportunities)

    @property
    @override
    def measure(self) -> Literal["opportunity"]:
        return "opportunity"

    @property
    @override
    def periods_per_year(self) -> float:
        return math.nan if self.every is None else units_per_year("day") / self.every.in_days

    def __repr__(self) -> str:
        every = f", every={self.every!r}" if self.every is not None else ""
        used, had = self.frequency.sum(), self.opportunities.sum()
        return f"OpportunityHistories({len(self):,} customers, {used:,} of {had:,} opportunities used{every})"

    @classmethod
    @droppable
    def from_pandas(
        cls,
        frame: IntoDataFrame,
        *,
        customer: str = "customer_id",
        every: Duration | None = None,
        on_bad_rows: Literal["raise", "drop"] = "raise",
    ) -> Self:
        """Take over a ready-made table with one row per customer.

        Parameters
        ----------
        frame
            pandas, Polars or PyArrow table with the columns ``customer_id`` (in pandas also the index),
            ``frequency``, ``recency`` and ``opportunities``, all counted since the first purchase. Rename a column
            ``T`` or ``n`` that counts opportunities.
        customer
            Name of the id column.
        every
            Time between two opportunities, for discounting: ``kundenwert.years(1)``.
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
        table, customer_id = customer_table(frame, customer, COUNTS)
        frequency, recency, opportunities = (_whole(table, name, customer_id) for name in COUNTS)
        return cls(
            customer_id=customer_id,
            frequency=frequency,
            recency=recency,
            opportunities=opportunities,
            every=every,
            audit=Audit(rows_read=len(table), kept=len(table), customers=len(table)),
        )

    @classmethod
    def from_counts(cls, frame: IntoDataFrame, *, customers: str = "customers", every: Duration | None = None) -> Self:
        """Take over a table of distinct histories with the number of customers that share each, as papers print it.

        Customers get the ids 1, 2, 3, … in the order of the rows. The posterior is the very same as from a table
        with one row per customer.

        Parameters
        ----------
        frame
            pandas, Polars or PyArrow table with the columns ``frequency``, ``recency`` and ``opportunities``, as in
            :meth:`from_pandas`, and the numbers of customers.
        customers
            Name of the column with the number of customers.
        every
            Time between two opportunities, for discounting: ``kundenwert.years(1)``.

        Raises
        ------
        DataError
            If the table is lazy, without customers or no table.
        ColumnError
            If a column is missing or of the wrong type.
        RowError
            If a row holds what cannot be; names the first.
        SizeError
            If there are more than 200 million customers.

        Examples
        --------
        >>> import kundenwert as kw
        >>> kw.OpportunityHistories.from_counts(kw.datasets.donations(), every=kw.years(1))
        OpportunityHistories(11,104 customers, 24,615 of 66,624 opportunities used, every=years(1))
        """
        table = open_table(frame, "the table")
        check_columns(table, [*COUNTS, customers], "the table")
        rows = pd.RangeIndex(len(table))
        frequency, recency, opportunities = (_whole(table, name, rows, "row") for name in COUNTS)
        _check(rows, frequency, recency, opportunities, "row")
        number = _counted(table, customers, rows, "row")
        if number.sum() == 0:
            message = "the table has no customers; expected one row per distinct history, and how many share it"
            raise DataError(message)
        refuse_too_many(number.sum(), "the table has", "customers")
        size = number.astype(np.int64)
        return cls(
            customer_id=pd.RangeIndex(1, int(size.sum()) + 1),
            frequency=np.repeat(frequency, size),
            recency=np.repeat(recency, size),
            opportunities=np.repeat(opportunities, size),
            every=every,
            audit=Audit(rows_read=len(table), kept=len(table), customers=int(size.sum())),
        )

    def to_pandas(self) -> pd.DataFrame:
        """Return columns customer_id, frequency, recency and opportunities."""
        return pd.DataFrame({"customer_id": self.customer_id, **{name: getattr(self, name) for name in COUNTS}})

    @override
    def cells(self, model: NeedsHistory) -> Cells:
        """Collapse to the distinct histories on exactly the columns that `model` needs.

        Raises
        ------
        MissingInformationError
            If the model needs amounts, or measures time instead of counting opportunities.
        SpecificationError
            If the model needs a column that no history has.
        """
        check_clock(model, self)
        columns = {name: self._column(name) for name in check_needs(model.needs)}
        return collapse(columns, customers=len(self), unit=self.measure, periods_per_year=self.periods_per_year)

    @override
    def take(self, positions: ArrayLike) -> Self:
        """Histories of the customers at these positions (integers, or a mask), in that order."""
        asked = np.asarray(positions)
        chosen = np.arange(len(self))[asked if asked.size else asked.astype(np.int64)]
        arrays = {name: getattr(self, name)[chosen] for name in COUNTS}
        return replace(self, customer_id=self.customer_id.take(chosen), **arrays)

    @override
    def in_unit(self, unit: Unit) -> Self:
        """Return the histories themselves: opportunities are counted, not measured."""
        if unit != self.measure:
            message = f"these histories count opportunities, which are no {unit!r}; ask a model such as BGBB about them"
            raise DurationError(message)
        return self

    def _column(self, name: HistoryColumn) -> Floats:
        match name:
            case "x":
                return self.frequency.astype(np.float64)
            case "t_x":
                return self.recency.astype(np.float64)
            case "T":
                return self.opportunities.astype(np.float64)
            case _:
                message = (
                    f"histories of opportunities have no {name!r}: they hold purchases, not amounts or contracts; "
                    "multiply expected purchases by a mean amount of your own"
                )
                raise MissingInformationError(message)


def _check_spacing(every: Duration | None) -> None:
    if every is None:
        return
    check_duration(every, "every")
    if not (isinstance(every, Duration) and every.in_days > 0):
        message = f"every is the time between two opportunities, for example kundenwert.years(1); got {every!r}"
        raise DurationError(message)


def _check(names: pd.Index, x: Integers, t_x: Integers, n: Integers, what: str = "customer") -> None:
    """Check what must hold of every history, wherever it comes from."""
    got = {"frequency": x, "recency": t_x, "opportunities": n}
    refuse(
        ~((x >= 0) & (x <= t_x) & (t_x <= n)),
        names,
        got,
        "0 <= frequency <= recency <= opportunities",
        "number the opportunities 1, 2, … from the one after the first purchase: recency is the number of the last "
        "one used, and an opportunity is used once at most",
        what=what,
    )
    _refuse_many(n, names, "opportunities", what)
    refuse(
        (x == 0) != (t_x == 0),
        names,
        got,
        "recency to be 0 exactly when frequency is 0",
        "leave the first purchase out of both: it opens the count",
        what=what,
    )


def _whole(table: Table, column: str, names: pd.Index, what: str = "customer") -> Integers:
    """A column of numbers of opportunities."""
    values = _counted(table, column, names, what)
    _refuse_many(values, names, column, what)
    return values.astype(np.int64)


def _refuse_many(values: Floats | Integers, names: pd.Index, column: str, what: str) -> None:
    refuse(
        values > MOST_OPPORTUNITIES,
        names,
        {column: values},
        f"{MOST_OPPORTUNITIES:,} or less",
        "with so many, take longer periods as opportunities, or a model in time such as MBGNBD",
        what=what,
    )


def _counted(table: Table, column: str, names: pd.Index, what: str) -> Floats:
    """A column of whole numbers, however large."""
    values = numbers(table, column)
    refuse(
        ~(np.isfinite(values) & (values == np.floor(values)) & (values >= 0)),
        names,
        {column: values},
        "a whole number, 0 or more",
        "opportunities and customers are counted",
        what=what,
    )
    return values
