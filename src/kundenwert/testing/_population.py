"""A purchase model with parameters, and the customers it is checked on: corner cases and simulated ones."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np

from kundenwert.duration import DAYS
from kundenwert.errors import ModelError, SpecificationError
from kundenwert.fitting import fixed
from kundenwert.histories.cells import Cells, check_needs, collapse
from kundenwert.models.core import FixedParameters, PurchaseModel
from kundenwert.posterior.values import PurchaseValues

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kundenwert.duration import Unit
    from kundenwert.histories import Histories, HistoryColumn
    from kundenwert.models.core import AliveCustomer, Array, Purchases
    from kundenwert.posterior.purchase import PurchasePosterior
    from kundenwert.posterior.values import Block

__all__ = ["PurchaseCase", "Sample", "purchase_case"]

PURCHASES_WANTED: Final = 2.0
SATURATED: Final = 1.1
DOUBLINGS: Final = 100
OPPORTUNITIES: Final = 8.0
AMONG_THE_CORNERS: Final = 30
MADE_HERE: Final = frozenset({"x", "t_x", "T"})

# (x, t_x, T) in units of the span, and in opportunities
CORNERS: Final = [
    (0, 0.0, 0.0),
    (0, 0.0, 0.01),
    (0, 0.0, 1.0),
    (0, 0.0, 30.0),
    (1, 0.01, 0.01),
    (1, 0.1, 1.0),
    (1, 1.0, 1.0),
    (2, 0.5, 10.0),
    (5, 0.9, 3.0),
    (5, 1.0, 1.0),
    (30, 2.0, 2.0),
    (30, 1.5, 3.0),
    (200, 20.0, 21.0),
]
COUNTED_CORNERS: Final = [
    (0, 0, 0),
    (0, 0, 1),
    (0, 0, 50),
    (1, 1, 1),
    (1, 1, 8),
    (1, 8, 8),
    (3, 5, 8),
    (8, 8, 8),
    (4, 4, 30),
    (20, 30, 30),
    (30, 30, 30),
]


@final
@dataclass(frozen=True, kw_only=True)
class Sample:
    """Simulated customers: what they bought until T, and until `horizon` after it; arrays of shape (customers,)."""

    T: Array
    horizon: float
    purchases: Purchases

    def history(self, after: float = 0.0) -> dict[HistoryColumn, Array]:
        """Histories at T + after."""
        customer, time = self.purchases.customer, self.purchases.time
        seen = time <= self.T[customer] + after
        t_x = np.zeros(len(self.T))
        np.maximum.at(t_x, customer[seen], time[seen])
        x = np.bincount(customer[seen], minlength=len(self.T)).astype(np.float64)
        return {"x": x, "t_x": t_x, "T": self.T + after}

    def bought(self, start: float, end: float, *, rate: float = 0.0) -> Array:
        """Purchases in (T + start, T + end], one at u after T counting exp(-rate u)."""
        later = self.purchases.time - self.T[self.purchases.customer]
        seen = (later > start) & (later <= end)
        weights = np.exp(-rate * later[seen])
        return np.bincount(self.purchases.customer[seen], weights, minlength=len(self.T))


@final
@dataclass(frozen=True, kw_only=True)
class PurchaseCase:
    """What the checks of a purchase model look at.

    Parameters
    ----------
    parameters
        The parameters given.
    posterior
        The model at these parameters.
    cells
        Distinct histories, sorted as ever.
    span
        A time in which new customers buy about twice.
    customers
        How many to simulate.
    seed
        Where their chance comes from.
    error
        Largest relative error of expectations.
    """

    parameters: FixedParameters[PurchaseModel[Any]]
    posterior: PurchasePosterior
    cells: Cells
    span: float
    customers: int
    seed: int
    error: float

    @property
    def model(self) -> PurchaseModel[Any]:
        """The model."""
        return self.posterior.model

    @property
    def unit(self) -> Unit:
        """Unit of the parameters."""
        return self.posterior.unit

    @property
    def theta(self) -> tuple[Array, ...]:
        """Parameters, each of shape (1,)."""
        return self.posterior.theta

    @property
    def counted(self) -> bool:
        """Whether opportunities are counted."""
        return self.unit not in DAYS

    @property
    def values(self) -> PurchaseValues:
        """What is expected of cells."""
        return self.posterior.of_cells

    def lasting(self, spans: float) -> float:
        """A length of time in spans, at least one opportunity."""
        return max(1.0, float(round(spans * self.span))) if self.counted else spans * self.span

    def cells_of(self, columns: Mapping[HistoryColumn, Array]) -> Cells:
        """The distinct histories among those of customers."""
        needed = {name: np.asarray(columns[name], dtype=np.float64) for name in check_needs(self.model.needs)}
        return collapse(needed, customers=len(columns["x"]), unit=self.unit, periods_per_year=math.nan)

    def of(self, cells: Cells, block: Block) -> Array:
        """Values of all customers of the cells, shape (customers,)."""
        return np.asarray(block(slice(0, len(cells)))[:, 0][cells.index])

    @cached_property
    def pairs(self) -> dict[str, Array]:
        """Distinct x and T, each of shape (pairs, 1)."""
        x, T = np.unique(np.stack([self.cells["x"], self.cells["T"]]), axis=1)
        return {"x": x[:, None], "T": T[:, None]}

    @cached_property
    def living(self) -> tuple[AliveCustomer, ...]:
        """Customers alive at these pairs, one for each state."""
        return self.model.alive(self.theta, self.pairs["x"], self.pairs["T"])

    @cached_property
    def sample(self) -> Sample:
        """Simulated customers, observed for half a span, a span or two."""
        rng = np.random.default_rng(self.seed)
        T = np.array([self.lasting(share) for share in (0.5, 1.0, 2.0)])[np.arange(self.customers) % 3]
        horizon = self.lasting(1.0)
        return Sample(T=T, horizon=horizon, purchases=self.simulate(T + horizon, rng))

    def simulate(self, T: Array, rng: np.random.Generator) -> Purchases:
        """Purchases of customers observed for T."""
        return self.model.simulate(self.model.named([value[0] for value in self.theta]), T, rng)

    def observed(self, customers: int) -> Cells:
        """Histories of some of the simulated customers at T."""
        return self.cells_of({name: column[:customers] for name, column in self.sample.history().items()})

    @cached_property
    def past(self) -> Cells:
        """Histories of the simulated customers at T."""
        return self.cells_of(self.sample.history())


def purchase_case(
    parameters: FixedParameters[PurchaseModel[Any]],
    *,
    histories: Histories | None = None,
    customers: int = 100_000,
    seed: int = 0,
    error: float = 1e-8,
) -> PurchaseCase:
    """What the checks of a purchase model with these parameters look at."""
    posterior = fixed(parameters)
    if not isinstance(posterior.model, PurchaseModel):
        message = f"expected parameters of a purchase model, got those of {type(posterior.model).__name__}"
        raise SpecificationError(message)
    needs = set(posterior.model.needs)
    if not {"x", "T"} <= needs:
        message = f"a purchase model needs at least 'x' and 'T', got needs={posterior.model.needs}"
        raise ModelError(message)
    missing = sorted(needs - MADE_HERE)
    if missing:
        message = f"checks can make histories of x, t_x and T only; the model needs {missing[0]!r} as well"
        raise SpecificationError(message)
    case = PurchaseCase(
        parameters=parameters,
        posterior=posterior,
        cells=_one_customer(posterior),
        span=_span(posterior),
        customers=customers,
        seed=seed,
        error=error,
    )
    return replace(case, cells=_default_cells(case) if histories is None else posterior.cells_of(histories))


def _one_customer(posterior: PurchasePosterior) -> Cells:
    """A customer who has just bought for the first time."""
    zero = np.zeros(1)
    return collapse({"x": zero, "T": zero, "t_x": zero}, customers=1, unit=posterior.unit, periods_per_year=math.nan)


def _span(posterior: PurchasePosterior) -> float:
    """A time in which a new customer is expected to buy twice, or nearly as often as ever."""
    if posterior.unit not in DAYS:
        return OPPORTUNITIES
    new = _one_customer(posterior)

    def expected(time: float) -> float:
        return float(PurchaseValues(posterior.model, posterior.theta).purchases(new, 0.0, time)(slice(0, 1))[0, 0])

    span = float(posterior.model.time_scale(posterior.theta))
    if not (math.isfinite(span) and span > 0):
        message = f"time_scale of {type(posterior.model).__name__} must be a positive length of time, got {span!r}"
        raise ModelError(message)
    for _ in range(DOUBLINGS):
        if not expected(span) > PURCHASES_WANTED:
            break
        span /= 2
    for _ in range(DOUBLINGS):
        if not (expected(span) < PURCHASES_WANTED and expected(2 * span) > SATURATED * expected(span)):
            break
        span *= 2
    return span


def _default_cells(case: PurchaseCase) -> Cells:
    """Corners, and simulated customers."""
    corners = np.array(COUNTED_CORNERS if case.counted else CORNERS, dtype=np.float64)
    scale = 1.0 if case.counted else case.span
    rng = np.random.default_rng(case.seed)
    T = np.array([case.lasting(share) for share in (0.5, 1.0, 2.0)])[np.arange(AMONG_THE_CORNERS) % 3]
    some = Sample(T=T, horizon=0.0, purchases=case.simulate(T, rng)).history()
    return case.cells_of(
        {
            "x": np.r_[corners[:, 0], some["x"]],
            "t_x": np.r_[corners[:, 1] * scale, some["t_x"]],
            "T": np.r_[corners[:, 2] * scale, some["T"]],
        }
    )
