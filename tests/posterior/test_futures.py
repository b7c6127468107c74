"""Futures of customers with a history who may be alive or gone: the right cells, draws and states."""

import tracemalloc
from typing import Any

import numpy as np
import pytest

import kundenwert as kw
from kundenwert.errors import SpecificationError
from kundenwert.histories.cells import collapse
from kundenwert.models import AliveCustomer
from kundenwert.models.kernels.beta_mixture import BetaMixture
from kundenwert.posterior.values import SpendValues
from tests.customers import with_draws

DRAWS: dict[str, Any] = {"r": [0.9, 3.0], "alpha": [7.0, 20.0], "a": [0.8, 0.3], "b": [2.4, 2.0]}
EACH = 4000  # futures of a draw
HORIZON = 60.0


def cells_of(x: Any, t_x: Any, T: Any, **more: Any) -> Any:
    columns: dict[Any, Any] = {"x": x, "t_x": t_x, "T": T, **more}
    return collapse(
        {k: np.array(v, float) for k, v in columns.items()}, customers=len(x), unit="day", periods_per_year=365.25
    )


CELLS = cells_of([0, 0, 1, 2, 5, 12], [0, 0, 3, 19, 9, 30], [0, 40, 30, 20, 60, 30])


def averages_to(actual: Any, expected: Any) -> bool:
    """Rows of independent outcomes average to what is expected, within four and a half standard errors."""
    error = np.maximum(actual.std(axis=1), 1e-3) / np.sqrt(actual.shape[1])
    return bool((np.abs(actual.mean(axis=1) - expected) < 4.5 * error).all())


@pytest.mark.parametrize("model", [kw.MBGNBD, kw.MBGCNBD, kw.BGCNBD], ids=lambda model: model.__name__)
def test_futures_are_those_of_the_cells_at_the_draws(model):
    values = with_draws(model, **DRAWS).of_cells if model is kw.MBGNBD else _regular(model)
    draws = np.random.default_rng(0).permutation(np.repeat([1, 0], EACH))
    rows = slice(1, 6)
    bought = values.futures(CELLS, rows, draws, HORIZON, np.random.default_rng(1))
    assert ((bought.time > 0) & (bought.time <= HORIZON)).all()

    def counted(seen: Any) -> Any:
        return np.bincount(bought.customer[seen], minlength=5 * len(draws)).reshape(5, -1)

    number, late, soon = counted(bought.time > 0), counted(bought.time > 40), counted(bought.time <= 10)
    for draw in (0, 1):
        here = draws == draw
        assert averages_to(number[:, here], values.purchases(CELLS, 0.0, HORIZON)(rows)[:, draw])
        assert averages_to(late[:, here], values.purchases(CELLS, 40.0, 20.0)(rows)[:, draw])
        assert averages_to(soon[:, here] > 0, values.returns(CELLS, 10.0)(rows)[:, draw])
        assert averages_to(number[:, here] > 0, values.returns(CELLS, HORIZON)(rows)[:, draw])


def _regular(model: Any) -> Any:
    """Two draws of a model with three states."""
    one = kw.fixed(model.Parameters(k=3, r=1.0, alpha=1.0, a=1.0, b=1.0, unit="day"))
    theta = one.model.named([np.array(DRAWS["r"]), np.array([2.0, 7.0]), np.array(DRAWS["a"]), np.array(DRAWS["b"])])
    return type(one.of_cells)(one.model, theta)


def test_one_draw_serves_all_futures():
    values = kw.fixed(kw.ParetoNBD.Parameters(r=0.9, alpha=7.0, s=0.8, beta=20.0, unit="day")).of_cells
    bought = values.futures(CELLS, slice(0, 6), np.zeros(EACH, dtype=np.intp), HORIZON, np.random.default_rng(1))
    number = np.bincount(bought.customer, minlength=6 * EACH).reshape(6, -1)
    assert averages_to(number, values.purchases(CELLS, 0.0, HORIZON)(slice(0, 6))[:, 0])


def test_the_generator_decides():
    values, draws = with_draws(kw.MBGNBD, **DRAWS).of_cells, np.arange(2)
    one, same, other = (values.futures(CELLS, slice(0, 6), draws, 500.0, np.random.default_rng(i)) for i in (1, 1, 2))
    assert one.time.tolist() == same.time.tolist() != other.time.tolist()
    assert one.customer.tolist() == same.customer.tolist()


def test_memory_is_in_proportion_to_futures_and_purchases():
    values = with_draws(kw.MBGNBD, **DRAWS).of_cells
    many = cells_of(np.zeros(300), np.zeros(300), np.linspace(10, 100, 300))
    draws = np.arange(1000) % 2
    tracemalloc.start()
    bought = values.futures(many, slice(0, 300), draws, HORIZON, np.random.default_rng(1))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * (20 * 300 * 1000 + 8 * len(bought.time))


def test_what_cannot_be_simulated():
    values = with_draws(kw.MBGNBD, **DRAWS).of_cells
    with pytest.raises(SpecificationError, match="a finite horizon"):
        values.futures(CELLS, slice(0, 6), np.arange(2), np.inf, np.random.default_rng(1))
    customer: Any = type("Customer", (BetaMixture,), {"simulate": AliveCustomer.simulate})
    model: Any = type("MBGNBD", (kw.MBGNBD,), {"alive": lambda *_: (customer(*np.ones((4, 1))),)})
    with pytest.raises(SpecificationError, match=r"Customer, the living customers of a model, cannot be simulated"):
        type(values)(model(), values.theta).futures(CELLS, slice(0, 6), np.arange(2), 10.0, np.random.default_rng(1))


def test_amounts_are_those_of_the_customers_who_buy():
    """Amounts at each draw average to the expected spend; nobody who does not buy is needed."""
    cells = cells_of([0, 1, 4, 9], [0, 3, 19, 9], [0, 40, 30, 20], total=[0.0, 30.0, 60.0, 500.0])
    model = kw.GammaGamma()
    theta = model.named([np.array([6.25, 2.0]), np.array([8.0, 9.0]), np.array([15.0, 60.0])])
    values = SpendValues(model, theta)
    draws, rows = np.arange(2 * EACH) % 2, slice(1, 4)
    customer = np.repeat(np.random.default_rng(0).permutation(3 * len(draws))[::2], 2)  # half of them, twice
    amounts = values.amounts(cells, rows, draws, customer, np.random.default_rng(1))
    assert amounts.shape == customer.shape
    cell, future = np.divmod(customer, len(draws))
    for row in range(3):
        for draw in (0, 1):
            here = (cell == row) & (draws[future] == draw)
            first, second = amounts[here].reshape(-1, 2).T
            mean = values.expected_spend(cells)(rows)[row, draw]
            assert averages_to(first[None], mean)
            # a customer's amounts share a level p/nu, nu ~ Gamma(p x + q, ...), whose variance is this
            p, q, x = theta.p[draw], theta.q[draw], cells["x"][1 + row]
            assert averages_to(((first - mean) * (second - mean))[None], mean**2 / (p * x + q - 2))
