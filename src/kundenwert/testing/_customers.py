"""What must hold of customers with a history: probability of being alive, likelihood, tables."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from kundenwert.duration import DAYS
from kundenwert.models.core import NUMPY, history_of
from kundenwert.posterior.values import PurchaseValues
from kundenwert.testing._comparing import agree, case_at, demand, hold
from kundenwert.testing._every_model import shifted

if TYPE_CHECKING:
    from collections.abc import Callable

    from kundenwert.duration import TimeUnit
    from kundenwert.histories import Cells
    from kundenwert.models.core import Array
    from kundenwert.posterior.values import Block
    from kundenwert.testing._population import PurchaseCase

__all__ = ["CUSTOMER_CHECKS"]

SILENCES: Final = (0.1, 1.0, 5.0)
DRAWS: Final = 30
TABLE_ERROR: Final = 1e-6
SHOWN: Final = 12
DRAWS_SHOWN: Final = 5
UNITS: Final[tuple[TimeUnit, ...]] = ("day", "year")


def arrays_have_their_shapes(case: PurchaseCase) -> None:
    """Arrays have the shape (cells, draws): columns are broadcast against draws, one customer stands for each state."""
    theta = case.model.named([np.repeat(value, 3) for value in case.theta])
    cells = len(case.cells)
    h = history_of(case.cells.columns)
    states = np.shape(case.model.p_states(theta, h, NUMPY))
    living = case.model.alive(theta, case.pairs["x"], case.pairs["T"])
    pairs = (len(case.pairs["x"]), 3)
    length = case.lasting(1.0)
    shapes = {
        "log_likelihood": (np.shape(case.model.log_likelihood(theta, h, NUMPY)), (cells, 3)),
        "p_states": (states, (len(living), cells, 3)),
        "survival": (np.shape(living[0].survival(length)), pairs),
        "purchases": (np.shape(living[0].purchases(0.0, length)), pairs),
        "returns": (np.shape(living[0].returns(length)), pairs),
        "count_probability": (np.shape(living[0].count_probability(1, length)), pairs),
        "discounted_purchases": (np.shape(living[0].discounted_purchases(0.1, length)), pairs),
    }
    for name, (got, expected) in shapes.items():
        demand(got == expected, f"{name} has shape {got}, expected {expected}")


def probabilities_are_probabilities(case: PurchaseCase) -> None:
    """States have probabilities that sum to at most one, and log-likelihoods are finite."""
    at = case_at(case.cells.columns)
    h = history_of(case.cells.columns)
    states = case.model.p_states(case.theta, h, NUMPY)
    hold("p_states", (states >= 0).all(axis=0), states.min(axis=0), at)
    total = states.sum(axis=0)
    hold("the sum of p_states", total <= 1 + 1e-12, total, at)
    log_likelihood = case.model.log_likelihood(case.theta, h, NUMPY)
    hold("log_likelihood", np.isfinite(log_likelihood), log_likelihood, at)


def silence_is_as_likely_as_the_likelihood_says(case: PurchaseCase) -> None:
    """L(x, t_x, T + h)/L(x, t_x, T) is the probability of no purchase in (T, T + h]."""
    at = case_at(case.cells.columns)
    now = _log_likelihood(case, case.cells, case.theta)
    for share in SILENCES:
        length = case.lasting(share)
        silence = np.exp(_log_likelihood(case, _later(case, length), case.theta) - now)
        returns = _column(case.values.returns(case.cells, length), case.cells)
        what = f"L(T + {length:g})/L(T)"
        agree(what, silence, 1 - returns, at, rtol=10 * case.error, atol=max(1e-11, 1e-3 * case.error))


def silence_moves_p_alive_by_bayes_rule(case: PurchaseCase) -> None:
    """P(alive at T + h, silent since T) is at most P(alive at T) and at least P(alive at T + h), less P(return)."""
    at = case_at(case.cells.columns)
    values, cells = case.values, case.cells
    now = _column(values.p_alive(cells, 0.0), cells)
    for share in SILENCES:
        length = case.lasting(share)
        later = _later(case, length)
        returns = _column(values.returns(cells, length), cells)
        surviving = _column(values.p_alive(cells, length), cells)
        silent = _column(values.p_alive(later, 0.0), later) * (1 - returns)
        slack = 1e-11 + case.error * now
        what = f"P(alive at T + {length:g}, silent since T)"
        hold(f"{what}, at most P(alive at T) - P(return),", silent <= now - returns + slack, silent, at)
        hold(f"{what}, at least P(alive then) - P(return),", silent >= surviving - returns - slack, silent, at)


def the_unit_of_time_makes_no_difference(case: PurchaseCase) -> None:
    """In another unit of time, probabilities and expectations are the same, and so are ratios of likelihoods."""
    if case.counted:
        return
    at = case_at(case.cells.columns)
    here = _answers(case.values, case.cells, case.lasting(1.0))
    other = shifted(case, 0.1)
    ratio = _log_likelihood(case, case.cells, other) - _log_likelihood(case, case.cells, case.theta)
    for unit in UNITS:
        factor = DAYS[case.unit] / DAYS[unit]
        theta, moved = (
            case.model.parameters_of(case.model.quantities_of(parameters, case.unit), unit)
            for parameters in (case.theta, other)
        )
        columns = {n: c * factor if n in {"t_x", "T"} else c for n, c in case.cells.columns.items()}
        cells = replace(case.cells, columns=columns, unit=unit)
        there = _answers(PurchaseValues(case.model, theta), cells, case.lasting(1.0) * factor)
        for name, values in there.items():
            agree(f"{name} per {unit}", values, here[name], at, rtol=2 * case.error, atol=1e-13)
        found = _log_likelihood(case, cells, moved) - _log_likelihood(case, cells, theta)
        agree(f"log-likelihood ratio per {unit}", found, ratio, at, rtol=1e-9, atol=1e-9)


def many_draws_are_as_good_as_one(case: PurchaseCase) -> None:
    """Tables of many draws, which interpolate over x and T, give what each draw gives."""
    rng = np.random.default_rng(case.seed)
    drawn = [shifted(case, 0.1 * step) for step in rng.normal(size=DRAWS)]
    cells, length = _grid(case), case.lasting(1.0)
    many = PurchaseValues(case.model, case.model.named([np.concatenate(values) for values in zip(*drawn, strict=True)]))
    tables = {
        "expected purchases": many.purchases(cells, 0.0, length),
        "return probability": many.returns(cells, length),
        "P(alive) ahead": many.p_alive(cells, length),
    }
    rows = rng.choice(len(cells), SHOWN, replace=False)
    some = {name: column[rows] for name, column in cells.columns.items()}
    found = {name: block(slice(0, len(cells)))[rows] for name, block in tables.items()}
    for draw in rng.choice(DRAWS, DRAWS_SHOWN, replace=False):
        states = case.model.p_states(drawn[draw], history_of(some), NUMPY)
        living = case.model.alive(drawn[draw], some["x"][:, None], some["T"][:, None])
        for name, given_alive in [
            ("expected purchases", [customer.purchases(0.0, length) for customer in living]),
            ("return probability", [customer.returns(length) for customer in living]),
            ("P(alive) ahead", [customer.survival(length) for customer in living]),
        ]:
            exact = sum(state * given for state, given in zip(states, given_alive, strict=True))
            table = found[name][:, draw, None]
            what = f"{name} in a table of {DRAWS} draws"
            agree(what, table, exact, case_at(some), rtol=max(TABLE_ERROR, 10 * case.error), atol=1e-12)


def the_order_of_customers_makes_no_difference(case: PurchaseCase) -> None:
    """Customers in another order, and several with the same history, get the same numbers."""
    cells, length = case.cells, case.lasting(1.0)
    order = np.random.default_rng(case.seed).permutation(np.repeat(np.arange(len(cells)), 2))
    columns = {name: column[order] for name, column in cells.columns.items()}
    shuffled = case.cells_of(columns)
    sorted_ones = _answers(case.values, cells, length)
    for name, values in _answers(case.values, shuffled, length).items():
        agree(name, values[shuffled.index], sorted_ones[name][order], case_at(columns), rtol=1e-12)
    for name, ask in {"log_likelihood": case.model.log_likelihood, "p_states": case.model.p_states}.items():
        together = ask(case.theta, history_of(cells.columns), NUMPY)
        alone = [ask(case.theta, history_of(cells.columns, slice(i, i + 1)), NUMPY) for i in range(len(cells))]
        first = together.reshape(-1, len(cells))[0]
        by_itself = np.array([values.ravel()[0] for values in alone])
        agree(f"{name} of a customer alone", by_itself, first, case_at(cells.columns), rtol=1e-12)


def _answers(values: PurchaseValues, cells: Cells, length: float) -> dict[str, Array]:
    """What is expected of each cell, arrays of shape (cells,)."""
    blocks = {
        "P(alive)": values.p_alive(cells, 0.0),
        "P(alive) ahead": values.p_alive(cells, length),
        "expected purchases": values.purchases(cells, 0.0, length),
        "return probability": values.returns(cells, length),
        "discounted purchases": values.discounted_purchases(cells, 1 / length, length),
    }
    return {name: _column(block, cells) for name, block in blocks.items()}


def _column(block: Block, cells: Cells) -> Array:
    """Values of each cell at the only draw, shape (cells,)."""
    return np.asarray(block(slice(0, len(cells)))[:, 0])


def _log_likelihood(case: PurchaseCase, cells: Cells, theta: tuple[Array, ...]) -> Array:
    """Log-likelihood of each cell, shape (cells,)."""
    return np.asarray(case.model.log_likelihood(theta, history_of(cells.columns), NUMPY)[:, 0])


def _later(case: PurchaseCase, length: float) -> Cells:
    """The same histories after a silence; row by row, hence in the same order."""
    return replace(case.cells, columns={**case.cells.columns, "T": case.cells["T"] + length})


def _grid(case: PurchaseCase) -> Cells:
    """Many pairs of x and T, as in a large population."""
    T = np.unique([case.lasting(float(share)) for share in np.linspace(0.02, 3.0, 30)])
    x = np.array([*range(13), 16, 20, 25, 30, 40], dtype=np.float64)
    x, T = (grid.ravel() for grid in np.meshgrid(x, T, indexing="ij"))
    if case.counted:
        x, T = x[x <= T], T[x <= T]
    last = T if case.counted else 0.9 * T
    return case.cells_of({"x": x, "t_x": np.where(x > 0, last, 0.0), "T": T})


CUSTOMER_CHECKS: Final[tuple[Callable[[PurchaseCase], None], ...]] = (
    arrays_have_their_shapes,
    probabilities_are_probabilities,
    silence_is_as_likely_as_the_likelihood_says,
    silence_moves_p_alive_by_bayes_rule,
    the_unit_of_time_makes_no_difference,
    many_draws_are_as_good_as_one,
    the_order_of_customers_makes_no_difference,
)
