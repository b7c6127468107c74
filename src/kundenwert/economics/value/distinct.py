"""The distinct customers of a question about value: kinds of customers who are alike in all that matters for it.

Customers are alike if their histories and their own margins and costs are; each kind is a row. Rows are in the order of
the histories that purchases depend on, so that what is costly is computed once for those who differ in spend only.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, final

import numpy as np
import pandas as pd

from kundenwert.duration import check_duration
from kundenwert.economics.assumptions.discounting import Continuously
from kundenwert.economics.assumptions.economics import Economics
from kundenwert.economics.assumptions.lookup import OwnValues, own_values
from kundenwert.economics.assumptions.terms import KnownAmount
from kundenwert.economics.flows.events import check_every, periods_per_year
from kundenwert.errors import MissingInformationError, SpecificationError
from kundenwert.histories.base import as_histories, check_clock
from kundenwert.posterior.base import thinning
from kundenwert.posterior.contract import ContractPosterior
from kundenwert.posterior.purchase import PurchasePosterior
from kundenwert.posterior.spend import SpendPosterior

if TYPE_CHECKING:
    from narwhals.stable.v2.typing import IntoDataFrame
    from numpy.typing import NDArray

    from kundenwert.duration import Horizon
    from kundenwert.histories import Cells, Clock, Histories, HistoryColumn

__all__ = ["DistinctCustomers", "check_due", "check_posteriors", "paired"]


@final
@dataclass(frozen=True, slots=True)
class _Needs:
    """The columns that two models need together."""

    needs: tuple[HistoryColumn, ...]
    clock: Clock


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class DistinctCustomers:
    """Kinds of customers, each a row.

    Attributes
    ----------
    purchases
        When they buy; its draws go with those of spend at `spend_draws`.
    spend_draws
        Positions of draws of the spend posterior; None if amounts are known.
    base
        Distinct histories that purchases depend on.
    cells
        Distinct histories that purchases and spend depend on.
    index
        The row of every customer, shape (customers,).
    cell, shared
        For each row, its position in `cells` and in `base`; neither ever decreases.
    own
        Margins and costs, each of shape (rows,).
    length
        The horizon in the unit of the posterior.
    """

    purchases: PurchasePosterior | ContractPosterior
    spend_draws: NDArray[np.int64] | None
    base: Cells
    cells: Cells
    index: NDArray[np.int64]
    cell: NDArray[np.int64]
    shared: NDArray[np.int64]
    own: OwnValues
    length: float

    def __len__(self) -> int:
        return len(self.cell)

    @property
    def years(self) -> float:
        """The horizon in years; in counts, if nobody said how long these take."""
        return self.length / periods_per_year(self.base)

    @property
    def counts(self) -> NDArray[np.int64]:
        """How many customers each row stands for."""
        return np.bincount(self.index, minlength=len(self))

    def check_years(self) -> None:
        """Refuse service by the year where nobody said how long a period takes."""
        check_every(self.base, "to know what an annual_retention_cost comes to")

    def row_cells(self) -> Cells:
        """The histories of all rows: cells, one for each row."""
        return replace(self.cells.at(self.cell), counts=self.counts, index=self.index)

    @classmethod
    def of(
        cls,
        purchases: PurchasePosterior | ContractPosterior,
        spend: SpendPosterior | KnownAmount,
        histories: Histories,
        economics: Economics,
        *,
        horizon: Horizon,
        customers: IntoDataFrame | None,
    ) -> DistinctCustomers:
        """Bring together what the arguments of a question about value say."""
        check_posteriors(purchases, spend, economics)
        check_clock(purchases.model, as_histories(histories))
        length = check_duration(horizon, "horizon", lifetime=True).in_unit(purchases.unit)
        own = own_values(economics, spend, histories.customer_id, customers)
        histories = histories.in_unit(purchases.unit)
        base, spend_draws = purchases.cells_of(histories), None
        if not isinstance(economics.discounting, Continuously):
            check_every(base, "to tell which accounting period money falls into")
        cells = base
        if isinstance(spend, SpendPosterior):
            chosen, spend_draws = paired(purchases.of_cells.draws, spend.of_cells.draws)
            purchases = purchases.chosen(chosen)
            cells = histories.cells(_Needs((*purchases.model.needs, *spend.model.needs), purchases.model.clock))
        index, member = _kinds(cells.index, own)
        return cls(
            purchases=purchases,
            spend_draws=spend_draws,
            base=base,
            cells=cells,
            index=index,
            cell=cells.index[member],
            shared=base.index[member],
            own=own.take(member),
            length=length,
        )


def _kinds(cell: NDArray[np.int64], own: OwnValues) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The kind of each customer, in the order of cells, and a customer of each kind."""
    key = cell
    for values in (own.margin, own.order_cost, own.annual_retention_cost, own.amount):
        if len(values) and (values != values[0]).any():
            code, distinct = pd.factorize(values, sort=True)
            key, _ = pd.factorize(key * len(distinct) + code, sort=True)
    index, distinct_keys = pd.factorize(key, sort=True)
    member = np.empty(len(distinct_keys), dtype=np.int64)
    member[index] = np.arange(len(index))
    return index, member


def paired(purchases: int, spend: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions of draws that go together.

    Draws pair by position: their random order makes them independent. The longer posterior is thinned evenly; a
    single draw goes with all of the other.
    """
    count = max(purchases, spend) if min(purchases, spend) == 1 else min(purchases, spend)
    return thinning(purchases, count), thinning(spend, count)


def check_posteriors(purchases: object, spend: object, economics: object) -> None:
    """Refuse arguments in the wrong place."""
    if not isinstance(purchases, (PurchasePosterior, ContractPosterior)):
        message = (
            f"purchases must be a PurchasePosterior or a ContractPosterior, got {type(purchases).__name__}; make one "
            "with kundenwert.fit(kundenwert.MBGNBD(), …)"
        )
        raise SpecificationError(message)
    if not isinstance(spend, (SpendPosterior, KnownAmount)):
        message = (
            f"spend must be a SpendPosterior or a KnownAmount, got {type(spend).__name__}; make one with "
            "kundenwert.fit(kundenwert.GammaGamma(), …), or say kundenwert.KnownAmount(29.90)"
        )
        raise SpecificationError(message)
    if isinstance(spend, SpendPosterior) and purchases.model.clock != spend.model.clock:
        message = (
            f"{type(spend.model).__name__} learns from amounts in a log, and histories for "
            f"{type(purchases.model).__name__} hold none; say what a purchase or period costs: "
            "kundenwert.KnownAmount(29.90)"
        )
        raise MissingInformationError(message)
    if not isinstance(economics, Economics):
        message = (
            f"economics must be an Economics, got {type(economics).__name__}; make one with "
            "kundenwert.Economics(margin=…, annual_discount_rate=…)"
        )
        raise SpecificationError(message)


def check_due(purchases: PurchasePosterior | ContractPosterior, *, due: bool) -> None:
    """Refuse a renewal that is due where there are no contracts."""
    if due and not isinstance(purchases, ContractPosterior):
        message = f"renewal_due is about contracts, and {type(purchases.model).__name__} is no model of contracts"
        raise SpecificationError(message)
