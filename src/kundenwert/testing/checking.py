"""The checks of a model, all at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kundenwert.testing._ahead import AHEAD_CHECKS
from kundenwert.testing._comparing import run
from kundenwert.testing._contracts import CONTRACT_CHECKS, ContractCase, contract_case
from kundenwert.testing._customers import CUSTOMER_CHECKS
from kundenwert.testing._every_model import MODEL_CHECKS
from kundenwert.testing._fits import FITTED, find_again
from kundenwert.testing._futures import FUTURE_CHECKS
from kundenwert.testing._living import LIVING_CHECKS
from kundenwert.testing._population import PurchaseCase, purchase_case
from kundenwert.testing._spend import SPEND_CHECKS, SpendCase, spend_case

if TYPE_CHECKING:
    from collections.abc import Callable

    from kundenwert.histories import Histories
    from kundenwert.models.core import ContractModel, FixedParameters, PurchaseModel, SpendModel

__all__ = ["PURCHASE_CHECKS", "check_contract_model", "check_purchase_model", "check_spend_model"]


def a_fit_finds_the_parameters(case: PurchaseCase | SpendCase | ContractCase) -> None:
    """A fit to simulated customers finds the parameters they were simulated from."""
    find_again(case.model, case.theta, case.observed(FITTED), case.seed)


PURCHASE_CHECKS: Final[tuple[Callable[[Any], None], ...]] = (
    *MODEL_CHECKS,
    *LIVING_CHECKS,
    *CUSTOMER_CHECKS,
    *FUTURE_CHECKS,
    *AHEAD_CHECKS,
)


def check_purchase_model(
    parameters: FixedParameters[PurchaseModel[Any]],
    *,
    histories: Histories | None = None,
    customers: int = 100_000,
    seed: int = 0,
    error: float = 1e-8,
    fit: bool = False,
    progress: bool | None = None,
) -> None:
    """Check that a purchase model keeps the promises that posteriors rely on.

    Shapes, units and names; what is expected of living customers (probabilities, adding periods up, counts,
    discounting); the likelihood against return probabilities, against PyTensor with its gradient, and against
    simulated customers; predictions against what simulated customers go on to do; simulated futures of living customers
    (if these have a method `simulate`) against predictions; tables of many draws; saving.

    Parameters
    ----------
    parameters : for example ``MBGNBD.Parameters(r=0.52, alpha=6.2, a=0.89, b=1.6, unit="week")``
        The model and where to check it. Check several, extreme ones among them.
    histories : CustomerHistories or OpportunityHistories, optional
        Customers to check exact properties on. By default corner cases and some simulated customers.
    customers : int
        How many customers to simulate.
    seed : int
        Makes the check reproducible. A right model fails with about one seed in a thousand.
    error : float
        Largest relative error of expectations that the model may have.
    fit : bool
        Whether to fit simulated customers, too: diagnostics must be good, and the parameters within the 99.9 %
        intervals. That takes longer, and the priors must not exclude the parameters.
    progress : bool, optional
        Whether to show how far it is; by default as :func:`kundenwert.show_progress` says.

    Raises
    ------
    ModelError
        If a property does not hold. Names all of them, with a history, what was got and what was expected.
    """
    case = purchase_case(parameters, histories=histories, customers=customers, seed=seed, error=error)
    run(case.model, (*PURCHASE_CHECKS, *([a_fit_finds_the_parameters] if fit else [])), case, progress=progress)


def check_spend_model(
    parameters: FixedParameters[SpendModel[Any]],
    *,
    customers: int = 100_000,
    seed: int = 0,
    error: float = 1e-8,
    fit: bool = False,
    progress: bool | None = None,
) -> None:
    """Check that a spend model keeps the promises that posteriors rely on.

    Shapes and names; the likelihood against PyTensor with its gradient and against simulated customers; expected and
    median amounts against what simulated customers go on to spend, and (if the model has a method `simulate_ahead`)
    against amounts simulated given a history; the currency; saving.

    Parameters
    ----------
    parameters : for example ``GammaGamma.Parameters(p=6.25, q=3.74, gamma=15.44)``
        The model and where to check it.
    customers, seed, error, fit, progress
        As for :func:`check_purchase_model`.

    Raises
    ------
    ModelError
        If a property does not hold. Names all of them.
    """
    case = spend_case(parameters, customers=customers, seed=seed, error=error)
    run(case.model, (*SPEND_CHECKS, *([a_fit_finds_the_parameters] if fit else [])), case, progress=progress)


def check_contract_model(
    parameters: FixedParameters[ContractModel[Any]],
    *,
    customers: int = 100_000,
    seed: int = 0,
    error: float = 1e-8,
    fit: bool = False,
    progress: bool | None = None,
) -> None:
    """Check that a contract model keeps the promises that posteriors rely on.

    Shapes and names; survival, renewals and their discounting; the likelihood against survival and against PyTensor
    with its gradient; simulated contracts, new and (if active ones have a method `simulate`) with a tenure; saving.
    Parameters are those of one cohort.

    Parameters
    ----------
    parameters : for example ``ShiftedBetaGeometric.Parameters(gamma=0.7, delta=1.4)``
        The model and where to check it.
    customers, seed, error, fit, progress
        As for :func:`check_purchase_model`.

    Raises
    ------
    ModelError
        If a property does not hold. Names all of them.
    """
    case = contract_case(parameters, customers=customers, seed=seed, error=error)
    run(case.model, (*CONTRACT_CHECKS, *([a_fit_finds_the_parameters] if fit else [])), case, progress=progress)
