"""Groups that customers are divided into, and what a table says about each customer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

import numpy as np
import pandas as pd

from kundenwert.errors import ColumnError, DataError, RowError, SpecificationError
from kundenwert.histories.identity import places
from kundenwert.histories.validation import refuse, shown

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kundenwert.models.core import Array

__all__ = ["EVERYBODY", "Groups", "contributions"]

EVERYBODY: Final = "all"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """Groups of customers.

    Attributes
    ----------
    labels
        What groups are called: in the order of categories, or sorted where labels can be.
    of_customer
        The position of each customer's group, shape (customers,).
    """

    labels: pd.Index
    of_customer: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def sums(self, values: Array) -> Array:
        """The sum over the customers of each group, and over all of them, shape (groups + 1,)."""
        of_groups = np.bincount(self.of_customer, weights=values, minlength=len(self)) if len(self) else np.zeros(0)
        return np.append(of_groups, values.sum())

    @property
    def rows(self) -> pd.Index:
        """Labels, and that of everybody."""
        return pd.Index([*self.labels, EVERYBODY], name=self.labels.name)

    @classmethod
    def of(cls, by: pd.Series | None, customer_id: pd.Index) -> Groups:
        """Groups by a series of labels; without one, there are none.

        Raises
        ------
        SpecificationError
            If `by` is no Series, or a group is called like everybody.
        RowError
            If a customer has no label, or two.
        """
        if by is None:
            return cls(labels=pd.Index([], name="group"), of_customer=np.zeros(len(customer_id), dtype=np.int64))
        if not isinstance(by, pd.Series):
            message = (
                "by takes a pandas Series of labels with the index customer_id, such as table.set_index('customer_id')"
                "['segment'] or kundenwert.acquisition_cohort(histories, every=kundenwert.months(1)); got "
                f"{type(by).__name__}"
            )
            raise SpecificationError(message)
        values = of_customers(by, customer_id, "by")
        try:
            code, labels = pd.factorize(values, sort=True)
        except TypeError:  # labels that cannot be compared, such as 1 and "a"
            code, labels = pd.factorize(values)
        if (code < 0).any():
            first = int(np.argmax(code < 0))
            message = (
                f"customer {shown(customer_id, first)} ({np.count_nonzero(code < 0):,} such customers) has no label "
                "in by; give them one of their own: by.fillna('unknown')"
            )
            raise RowError(message)
        labels = pd.Index(labels, name=by.name if by.name is not None else "group")
        if EVERYBODY in labels:
            message = f"by has a group {EVERYBODY!r}, which is what the row of all customers is called; rename it"
            raise SpecificationError(message)
        return cls(labels=labels, of_customer=np.asarray(code, dtype=np.int64))


def contributions(table: pd.DataFrame, customer_id: pd.Index) -> Array:
    """What each customer has contributed, shape (customers,).

    Raises
    ------
    ColumnError, DataError, RowError
        If the table is not of the kind that :func:`kundenwert.contribution_to_date` makes, for these customers.
    """
    remedy = "hand in the table of kundenwert.contribution_to_date(log, histories, economics)"
    if not isinstance(table, pd.DataFrame):
        message = f"contribution must be a pandas table, got {type(table).__name__}; {remedy}"
        raise DataError(message)
    if "contribution" not in table.columns:
        message = f"the table of contributions has no column 'contribution'; {remedy}"
        raise ColumnError(message)
    values = of_customers(table["contribution"], customer_id, "the table of contributions")
    amounts = pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64)
    refuse(~np.isfinite(amounts), customer_id, {"contribution": amounts}, "an amount of money", remedy)
    return amounts


def of_customers(series: pd.Series, customer_id: pd.Index, name: str) -> pd.Series:
    """Entries of a series for these customers, in their order."""
    if not series.index.is_unique:
        doubled = series.index[series.index.duplicated()]
        message = f"{name} has two entries for customer {shown(doubled, 0)}; expected one per customer"
        raise RowError(message)
    place = places(series.index, customer_id)
    if (place < 0).any():
        missing = customer_id[place < 0]
        message = (
            f"{name} has no entry for customer {shown(missing, 0)} ({len(missing):,} such customers); its index must "
            "be customer_id, with ids of the same type as in the histories, and hold all of them"
        )
        raise RowError(message)
    return series.iloc[place]
