"""What must hold of a contract model: survival, renewals, likelihood and simulator say the same."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np

from kundenwert.errors import SpecificationError
from kundenwert.fitting import fixed
from kundenwert.histories.cells import Cells, collapse
from kundenwert.models.core import NUMPY, ContractModel, FixedParameters, LivingContract, history_of
from kundenwert.testing._ahead import can_simulate
from kundenwert.testing._comparing import agree, case_at, demand, events_average_to, hold
from kundenwert.testing._every_model import MODEL_CHECKS

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from kundenwert.histories import HistoryColumn
    from kundenwert.models.core import Array
    from kundenwert.posterior import ContractPosterior

__all__ = ["CONTRACT_CHECKS", "ContractCase", "contract_case"]

TENURES: Final = (0, 1, 2, 5, 20, 100)
HORIZONS: Final = (1, 2, 10, 200)
RENEWALS: Final = 12
OBSERVED: Final = 6
SMALLEST: Final = 1e-290
FULLY_DISCOUNTED: Final = 40.0  # exp(-40) of today's value is nothing


@final
@dataclass(frozen=True, kw_only=True)
class ContractCase:
    """What the checks of a contract model look at; see :class:`PurchaseCase`."""

    parameters: FixedParameters[ContractModel[Any]]
    posterior: ContractPosterior
    customers: int
    seed: int
    error: float

    @property
    def model(self) -> ContractModel[Any]:
        """The model."""
        return self.posterior.model

    @property
    def theta(self) -> tuple[Array, ...]:
        """Parameters, each of shape (1,)."""
        return self.posterior.theta

    @property
    def tenure(self) -> Array:
        """How often contracts have been renewed, shape (contracts, 1)."""
        return np.array(TENURES, dtype=np.float64)[:, None]

    def living(self, after: int = 0) -> LivingContract:
        """Contracts that are active `after` renewals after their tenure."""
        return self.model.living(self.theta, np.zeros(self.tenure.shape, dtype=np.int64), self.tenure + after)

    @property
    def cells(self) -> Cells:
        """Active and ended contracts of every tenure."""
        tenure = np.tile(self.tenure.ravel(), 2)
        ended = np.repeat([0.0, 1.0], len(TENURES))
        return _cells(tenure, ended)

    def ends(self, contracts: int) -> NDArray[np.int64]:
        """The renewals at which simulated contracts end."""
        scalar = self.model.named([value[0] for value in self.theta])
        return self.model.simulate(scalar, np.zeros(contracts, dtype=np.int64), np.random.default_rng(self.seed))

    def observed(self, customers: int) -> Cells:
        """Simulated contracts that have seen one to six renewals."""
        ends, renewals = self.ends(customers), 1 + np.arange(customers) % OBSERVED
        return _cells(np.minimum(ends - 1, renewals).astype(np.float64), (ends <= renewals).astype(np.float64))


def _cells(tenure: Array, ended: Array) -> Cells:
    columns: dict[HistoryColumn, Array] = {"cohort": np.zeros(len(tenure)), "tenure": tenure, "ended": ended}
    return collapse(columns, customers=len(tenure), unit="renewal", periods_per_year=math.nan)


def contract_case(
    parameters: FixedParameters[ContractModel[Any]], *, customers: int = 100_000, seed: int = 0, error: float = 1e-8
) -> ContractCase:
    """What the checks of a contract model with these parameters look at."""
    posterior = fixed(parameters)
    if not isinstance(posterior.model, ContractModel):
        message = f"expected parameters of a contract model, got those of {type(posterior.model).__name__}"
        raise SpecificationError(message)
    return ContractCase(parameters=parameters, posterior=posterior, customers=customers, seed=seed, error=error)


def survival_falls(case: ContractCase) -> None:
    """Survival is one now, and falls from renewal to renewal."""
    at = case_at({"tenure": case.tenure})
    before = np.ones(case.tenure.shape)
    agree("survival(0)", case.living().survival(0), before, at, rtol=1e-14)
    for ahead in HORIZONS:
        survival = case.living().survival(ahead)
        hold(f"survival({ahead})", (survival >= 0) & (survival <= before * (1 + case.error)), survival, at)
        agree(f"churn({ahead})", case.living().churn(ahead), 1 - survival, at, rtol=case.error, atol=1e-14)
        before = survival


def survival_goes_on_from_renewal_to_renewal(case: ContractCase) -> None:
    """Surviving a + b renewals is surviving a, and then b more with a longer tenure."""
    at = case_at({"tenure": case.tenure})
    for first in HORIZONS:
        for second in HORIZONS:
            parts = case.living().survival(first) * case.living(first).survival(second)
            whole = case.living().survival(first + second)
            agree(f"survival({first}) and then survival({second})", parts, whole, at, rtol=10 * case.error)


def the_likelihood_is_that_of_survival(case: ContractCase) -> None:
    """An active contract has survived its tenure; one that has ended has not survived the next renewal."""
    cells = case.cells
    living = case.model.living(case.theta, np.zeros((len(cells), 1), dtype=np.int64), cells["tenure"][:, None])
    start = case.model.living(case.theta, np.zeros((1, 1), dtype=np.int64), np.zeros((1, 1)))
    survival = np.array([start.survival(float(tenure)).item() for tenure in cells["tenure"]])
    with np.errstate(divide="ignore"):
        expected = np.log(survival) + np.log(np.where(cells["ended"] == 1, living.churn(1)[:, 0], 1.0))
    got = case.model.log_likelihood(case.theta, history_of(cells.columns), NUMPY)[:, 0]
    usual = survival > SMALLEST  # below, numbers lose their digits
    at = case_at({name: column[usual] for name, column in cells.columns.items()})
    agree("log_likelihood", got[usual], expected[usual], at, rtol=10 * case.error, atol=1e-11)


def renewals_are_sums_of_survival(case: ContractCase) -> None:
    """Expected renewals are the sum of survival, the j-th counting exp(-rate j); for life they are its limit."""
    at = case_at({"tenure": case.tenure})
    living = case.living()
    for rate in (0.0, 0.01, 0.5):
        for horizon in HORIZONS:
            expected = sum(living.survival(j) * math.exp(-rate * j) for j in range(1, horizon + 1))
            got = living.renewals(rate, float(horizon))
            agree(f"renewals({rate:g}, {horizon})", got, expected, at, rtol=10 * case.error)
        forever = living.renewals(rate, math.inf)
        if rate > 0:
            long = living.renewals(rate, float(math.ceil(FULLY_DISCOUNTED / rate)))
            agree(f"renewals({rate:g}, inf)", forever, long, at, rtol=10 * case.error)
        hold(f"renewals({rate:g}, inf)", forever * (1 + case.error) >= living.renewals(rate, 200.0), forever, at)


def simulated_contracts_end_as_predicted(case: ContractCase) -> None:
    """The renewals at which simulated contracts end follow survival."""
    ends = case.ends(case.customers)
    hold("the renewal at which a contract ends", ends >= 1, ends, lambda i: f"contract {i}")
    start = case.model.living(case.theta, np.zeros((1, 1), dtype=np.int64), np.zeros((1, 1)))
    for renewal in range(1, RENEWALS + 1):
        p = start.survival(renewal - 1).item() - start.survival(renewal).item()
        actual = (ends == renewal).astype(np.float64)
        events_average_to(f"P(end at renewal {renewal})", actual, np.full(case.customers, p))
    actual = (ends > RENEWALS).astype(np.float64)
    p = start.survival(RENEWALS).item()
    events_average_to(f"P(active after {RENEWALS} renewals)", actual, np.full(case.customers, p))


def contracts_to_come_end_as_predicted(case: ContractCase) -> None:
    """The renewals at which active contracts of every tenure end, counted from now, follow survival."""
    living = case.living()
    if not can_simulate(living, LivingContract, "simulate"):
        return
    each = max(1, case.customers // len(TENURES))
    tenure = np.repeat(case.tenure, each, axis=0)
    active = case.model.living(case.theta, np.zeros(tenure.shape, dtype=np.int64), tenure)
    ends = active.simulate(np.random.default_rng([case.seed, 1]))
    demand(ends.shape == tenure.shape, f"simulate gives the shape {ends.shape}, expected {tenure.shape}")
    possible = (ends >= 1) & (ends == np.rint(ends))
    hold("the renewal at which a contract ends", possible, ends, case_at({"tenure": tenure}))
    for horizon in HORIZONS:
        for row, survival in enumerate(living.survival(horizon)[:, 0]):
            active_then = (ends[each * row : each * (row + 1), 0] > horizon).astype(np.float64)
            what = f"active {horizon} renewals after a tenure of {TENURES[row]}"
            events_average_to(what, active_then, np.full(each, survival))


CONTRACT_CHECKS: Final[tuple[Callable[[ContractCase], None], ...]] = (
    *MODEL_CHECKS,
    survival_falls,
    survival_goes_on_from_renewal_to_renewal,
    the_likelihood_is_that_of_survival,
    renewals_are_sums_of_survival,
    simulated_contracts_end_as_predicted,
    contracts_to_come_end_as_predicted,
)
