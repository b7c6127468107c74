"""Many customers at once: interpolated surfaces give what the formulas give one by one."""

import math

import numpy as np
import pytest

import kundenwert as kw
from kundenwert.posterior import surface
from tests.customers import PURCHASE_MODELS, histories_of, with_draws

DAY, HALF_YEAR, YEAR = 1.0, 182.0, 365.25
DELTA = math.log(1.15) / YEAR
LARGEST_ERROR = 1e-6


def population(size, unit_of_T=1):
    """Customers acquired over three years, the busiest with several hundred purchases."""
    rng = np.random.default_rng(0)
    T = rng.integers(0, 1097, size) // unit_of_T * float(unit_of_T)
    x = np.minimum(rng.poisson(rng.gamma(0.6, 1 / 8, size) * T), 600)
    t_x = np.where(x > 0, np.ceil(rng.beta(x + 0.5, 1) * T), 0.0)
    return histories_of(np.where(t_x > 0, x, 0), t_x, T)


def posteriors(draws=12):
    """Draws as a posterior has them, far apart, and some of them extreme."""
    z = np.random.default_rng(1).normal(size=(4, draws))
    centre = {"r": -1.0, "alpha": 3.0, "a": -0.2, "b": 0.9}
    narrow, wide = (
        {name: np.exp(value + spread * z[i]) for i, (name, value) in enumerate(centre.items())}
        for spread in (0.15, 1.2)
    )
    rng = np.random.default_rng(2)
    levels = {"r": (0.05, 0.3, 5), "alpha": (0.05, 0.5, 300), "a": (0.05, 1, 30), "b": (0.02, 0.3, 200)}
    extreme = {name: np.r_[narrow[name], rng.choice(levels[name], 40)] for name in centre}
    return {"narrow": narrow, "wide": wide, "extreme": extreme}


QUESTIONS = {
    "alive ahead": (lambda p: p.p_alive_of(kw.days(HALF_YEAR)), lambda c: c.survival(HALF_YEAR)),
    "tomorrow": (lambda p: p.purchases_of(kw.days(DAY), kw.days(0)), lambda c: c.purchases(0.0, DAY)),
    "next year": (lambda p: p.purchases_of(kw.days(YEAR), kw.days(0)), lambda c: c.purchases(0.0, YEAR)),
    "later": (lambda p: p.purchases_of(kw.days(HALF_YEAR), kw.days(YEAR)), lambda c: c.purchases(YEAR, HALF_YEAR)),
    "discounted": (
        lambda p: p.discounted_of(0.15, kw.days(HALF_YEAR)),
        lambda c: c.discounted_purchases(DELTA, HALF_YEAR),
    ),
    "lifetime": (lambda p: p.discounted_of(0.15, kw.LIFETIME), lambda c: c.discounted_purchases(DELTA, math.inf)),
}


@pytest.fixture
def made(monkeypatch):
    """What became of every attempt to make a surface."""
    attempts = []
    original = surface.surface_of

    def recorded(*arguments):
        attempts.append(original(*arguments))
        return attempts[-1]

    monkeypatch.setattr(surface, "surface_of", recorded)
    return attempts


def largest_error(posterior, histories, ask, formula, rows):
    """Largest relative error over some customers and all draws."""
    cells = histories.cells(posterior.model)
    block = ask(posterior)(cells)
    ours = np.concatenate([block(slice(row, row + 1)) for row in rows])
    (customer,) = posterior.model.alive(posterior.theta, cells["x"][rows, None], cells["T"][rows, None])
    direct = posterior.of_cells.p_alive(cells, 0.0)(slice(None))[rows] * formula(customer)
    return np.max(np.abs(ours / direct - 1))


@pytest.mark.every(3)
@pytest.mark.parametrize("model", PURCHASE_MODELS)
@pytest.mark.parametrize(
    "draws, question",
    [
        *(("narrow", question) for question in QUESTIONS),
        ("wide", "later"),
        pytest.param("extreme", "alive ahead", marks=pytest.mark.slow),
    ],
)
def test_a_surface_agrees_with_the_formula(made, model, question, draws):
    histories = population(20_000)
    rows = np.sort(np.random.default_rng(3).choice(len(histories.cells(model())), 100, replace=False))
    posterior = with_draws(model, **posteriors()[draws])
    assert largest_error(posterior, histories, *QUESTIONS[question], rows) < LARGEST_ERROR
    if draws == "narrow":
        assert made[0] is not None


@pytest.mark.slow
@pytest.mark.parametrize("model", PURCHASE_MODELS)
@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("draws", ["narrow", "wide", "extreme"])
def test_a_surface_agrees_with_the_formula_for_very_many(made, model, question, draws):
    histories = population(200_000)
    cells = histories.cells(model())
    rows = np.random.default_rng(3).choice(len(cells), 1500, replace=False)
    # and where the function of T bends most: the frequent buyers among the newest customers
    rows = np.unique(np.r_[rows, np.argsort((cells["T"] + 1) / (cells["x"] + 1))[:500]])
    posterior = with_draws(model, **posteriors(48)[draws])
    assert largest_error(posterior, histories, *QUESTIONS[question], rows) < LARGEST_ERROR
    assert made[0] is not None or draws != "narrow"


@pytest.mark.every(2)
@pytest.mark.parametrize("model", PURCHASE_MODELS)
@pytest.mark.parametrize("largest_table", [surface.LARGEST_TABLE, 0])
def test_without_a_surface_every_pair_is_computed(monkeypatch, made, model, largest_table):
    monkeypatch.setattr(surface, "LARGEST_TABLE", largest_table)
    monkeypatch.setattr(surface, "LARGEST_ERROR", 0.0)  # nothing is ever good enough
    histories = population(500, unit_of_T=56)
    rows = np.arange(0, len(histories.cells(model())), 3)
    posterior = with_draws(model, **posteriors()["narrow"])
    for ask, formula in QUESTIONS.values():
        assert largest_error(posterior, histories, ask, formula, rows) < 1e-7  # what tables of many draws aim at
    assert made == [None] * len(QUESTIONS)


@pytest.mark.slow
@pytest.mark.parametrize("model", PURCHASE_MODELS)
def test_a_value_that_underflows_leads_to_the_formula(made, model):
    """An expectation of exactly zero has no logarithm."""
    posterior = with_draws(model, r=0.3, alpha=0.5, a=[1e4, 0.8], b=1e-3)
    histories = population(20_000)
    cells = histories.cells(posterior.model)
    values = posterior.of_cells.p_alive(cells, 1e6)(slice(0, len(cells)))
    assert made == [None]
    assert ((values >= 0) & (values <= 1)).all()
    assert (values == 0).any()


@pytest.mark.parametrize("T", [[40.0], [40.0, 41.0]])
def test_one_day_of_acquisition(made, T):
    """With one or two values of T there is nothing to interpolate in that direction."""
    x = np.arange(0, 600)
    posterior = with_draws(kw.MBGNBD, **posteriors()["narrow"])
    histories = histories_of(np.tile(x, len(T)), np.where(np.tile(x, len(T)) > 0, 30.0, 0), np.repeat(T, 600))
    for ask, formula in QUESTIONS.values():
        assert largest_error(posterior, histories, ask, formula, np.arange(0, 600 * len(T), 11)) < LARGEST_ERROR
    assert any(attempt is not None for attempt in made)


def test_only_one_time_buyers(made):
    posterior = with_draws(kw.MBGNBD, **posteriors()["narrow"])
    histories = histories_of(0, 0, np.arange(2000.0))
    for ask, formula in QUESTIONS.values():
        assert largest_error(posterior, histories, ask, formula, np.arange(0, 2000, 31)) < LARGEST_ERROR
    assert any(attempt is not None for attempt in made)


def test_the_others_make_no_difference():
    """A customer's value does not change beyond the last digits when asked for together with many others."""
    histories = population(20_000)
    posterior = with_draws(kw.BGNBD, **posteriors()["narrow"])
    together = posterior.expected_purchases(histories, horizon=kw.years(1))
    few = histories.take(np.arange(0, 20_000, 400))
    alone = posterior.expected_purchases(few, horizon=kw.years(1))
    np.testing.assert_allclose(together.loc[alone.index], alone, rtol=1e-8)
