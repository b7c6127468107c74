"""The contract: what must hold of every model in the public list, at published and at hostile parameters."""

from functools import cache
from typing import Any

import numpy as np
import pytest

from kundenwert.inference.pymc import pymc_model
from kundenwert.inference.target import Target
from kundenwert.models import MODELS
from kundenwert.models.core import CampaignModel, ContractModel, PurchaseModel, SpendModel
from kundenwert.testing._contracts import CONTRACT_CHECKS, contract_case
from kundenwert.testing._every_model import numpy_and_pytensor_agree
from kundenwert.testing._population import purchase_case
from kundenwert.testing._spend import SPEND_CHECKS, spend_case
from kundenwert.testing.checking import PURCHASE_CHECKS, a_fit_finds_the_parameters
from tests.models.populations import HEAVY, POPULATIONS

CUSTOMERS = 20_000
BY_NAME = {
    model.__name__: model
    for model in MODELS
    if not issubclass(model, CampaignModel)  # those are in tests/winback
    if not getattr(model, "by_history", False)  # nor what has no living customers of (x, T): test_revival.py
}
MAKE = {PurchaseModel: purchase_case, SpendModel: spend_case, ContractModel: contract_case}
FITS_AT_ONCE = {"MBGNBD", "BGBB", "LogNormalSpend"}


def properties(kind, checks):
    """Every check at every population of the models of this kind; what takes long is marked."""
    found = []
    for name, model in BY_NAME.items():
        for number, population in enumerate(POPULATIONS.get(name, {}) if issubclass(model, kind) else {}):
            for check in checks:
                first = number == 0 or (number == 1 and name not in HEAVY and check is not numpy_and_pytensor_agree)
                marks = () if first else pytest.mark.slow
                called = f"{name}-{population}-{check.__name__}"
                found.append(pytest.param(name, population, check, id=called, marks=marks))
    return found


@cache
def case_of(name, population):
    """The case, with its simulated customers, is shared by all checks."""
    model: Any = BY_NAME[name]
    make: Any = next(make for kind, make in MAKE.items() if issubclass(model, kind))
    return make(model.Parameters(**POPULATIONS[name][population]), customers=CUSTOMERS)


@pytest.mark.parametrize("name", BY_NAME)
def test_every_model_has_populations(name):
    assert POPULATIONS.get(name), f"give {name} parameters in tests/models/populations.py, hostile ones among them"


class TestEveryModel:
    @pytest.mark.every(2)
    @pytest.mark.parametrize("name, population, check", properties(PurchaseModel, PURCHASE_CHECKS))
    def test_purchases(self, name, population, check):
        check(case_of(name, population))

    @pytest.mark.parametrize("name, population, check", properties(SpendModel, SPEND_CHECKS))
    def test_spend(self, name, population, check):
        check(case_of(name, population))

    @pytest.mark.parametrize("name, population, check", properties(ContractModel, CONTRACT_CHECKS))
    def test_contracts(self, name, population, check):
        check(case_of(name, population))

    @pytest.mark.parametrize(
        "name", [pytest.param(name, marks=() if name in FITS_AT_ONCE else pytest.mark.slow) for name in BY_NAME]
    )
    def test_a_fit_finds_the_parameters(self, name):
        a_fit_finds_the_parameters(case_of(name, next(iter(POPULATIONS[name]))))

    @pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow) for name in BY_NAME])
    def test_what_pymc_compiles_is_the_same_density(self, name):
        """The check above takes the formula as it is written; PyMC rewrites and compiles it, with the priors."""
        case = case_of(name, next(iter(POPULATIONS[name])))
        target = Target(case.model, case.cells)
        compiled = pymc_model(case.model, case.cells).logp_dlogp_function(ravel_inputs=True)
        compiled.set_extra_values({})
        points = target.typical + np.random.default_rng(1).normal(scale=0.5, size=(4, target.dimension))
        densities, gradients = zip(*map(compiled, points), strict=True)
        # PyTensor takes the logarithm of a constant such as 1.5 in single precision: a constant of no influence
        np.testing.assert_allclose(np.diff(densities), np.diff(target(points.T)), rtol=1e-9, atol=1e-9)
        for point, gradient in zip(points, gradients, strict=True):
            steps = 1e-4 * np.array([-1, 1, -2, 2])
            lines = [target(point[:, None] + np.outer(axis, steps)) for axis in np.eye(len(point))]
            slopes = np.array(lines) @ np.array([-8, 8, 1, -1]) / 12e-4
            np.testing.assert_allclose(gradient, slopes, rtol=1e-6, atol=1e-6 * np.abs(slopes).max())
