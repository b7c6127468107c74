"""Pareto/NBD and GGomp/NBD: the contract everywhere, nodes, fits and tables; for accuracy see test_lifetimes.py."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kundenwert as kw
from kundenwert.errors import InfiniteValueError, SpecificationError
from kundenwert.inference.importance import importance_points
from kundenwert.inference.pymc import log_likelihood_with_gradient
from kundenwert.inference.target import Target
from kundenwert.models.core import NUMPY, history_of
from kundenwert.testing._customers import CUSTOMER_CHECKS, many_draws_are_as_good_as_one
from kundenwert.testing._living import LIVING_CHECKS
from kundenwert.testing._population import purchase_case
from tests import cdnow
from tests.customers import histories_of, log_likelihood, with_draws

MODELS = (kw.ParetoNBD, kw.GGompNBD)


# few nodes and many


@pytest.mark.parametrize("model", MODELS)
def test_the_nodes_of_a_fit_are_enough(model):
    """On CDNOW, twelve nodes instead of 36 move the log-likelihood of all customers by less than a millionth."""
    histories = cdnow.histories()
    cells = histories.cells(model())
    h = history_of(cells.columns)
    for rates in ((2.7, 0.55, 2.6, 0.6, 0.4), (1.0, 2.0, 0.3, 3.0, 2.0)):
        theta = model().parameters_of([np.array([v]) for v in rates[: len(model().quantities)]], "week")
        twice = model().named([np.repeat(v, 2) for v in theta])
        one = cells.counts @ model().log_likelihood(theta, h, NUMPY)
        both = cells.counts @ model().log_likelihood(twice, h, NUMPY)
        np.testing.assert_allclose(both, np.repeat(one, 2), atol=1e-6)


def test_draws_with_and_without_a_rising_hazard_may_be_mixed():
    draws = [np.array(v) for v in ([0.5, 0.6, 0.7], [8.0, 9.0, 7.0], [0.01, 0.02, 0.03], [0.6, 0.7, 0.8], [0.5, 3, 20])]
    model, h = (
        kw.GGompNBD(),
        history_of({"x": np.array([0.0, 2, 5]), "t_x": np.array([0.0, 20, 30]), "T": np.full(3, 39.0)}),
    )
    together = model.log_likelihood(model.named(draws), h, NUMPY)
    for i in range(3):
        twice = model.named([np.repeat(v[i], 2) for v in draws])  # not one, which would get more nodes
        np.testing.assert_array_equal(model.log_likelihood(twice, h, NUMPY)[:, 0], together[:, i])


# everywhere


def between(low, high):
    """Positive numbers, evenly spread on the logarithmic scale."""
    return st.floats(math.log(low), math.log(high)).map(math.exp)


@st.composite
def populations(draw):
    rates = {"r": draw(between(0.05, 30)), "alpha": draw(between(0.01, 1e4)), "s": draw(between(0.05, 30))}
    beta = draw(between(0.01, 1e4))
    if draw(st.booleans()):
        return kw.ParetoNBD.Parameters(**rates, beta=beta, unit="day")
    b = draw(between(1e-6, 1))
    return kw.GGompNBD.Parameters(**rates, b=b, beta=beta * b if draw(st.booleans()) else beta, unit="day")


@st.composite
def customers(draw):
    x = np.array([draw(st.integers(0, 300)) for _ in range(3)])
    T = np.array([draw(st.floats(1, 7300)) for _ in range(3)])
    recency = np.array([draw(st.floats(0.01, 1)) for _ in range(3)])
    return histories_of(x, np.where(x > 0, recency * T, 0.0), T)


@settings(max_examples=settings().max_examples // 10)
@given(populations(), customers(), between(0.04, 36525))
def test_the_contract_holds_wherever_one_looks(parameters, histories, horizon):
    case = replace(purchase_case(parameters, histories=histories, error=1e-9), span=horizon)
    for check in (*LIVING_CHECKS, *CUSTOMER_CHECKS):
        if check is not many_draws_are_as_good_as_one:  # takes long
            check(case)


@pytest.mark.parametrize("model", MODELS)
def test_gradients_are_finite_at_the_edges(model):
    """Nobody has been silent, everybody has, a frequent buyer left early: no branch may leak NaN into a gradient."""
    histories = histories_of([0, 0, 1, 3000, 3000, 2], [0, 0, 5, 1, 7000, 5], [0, 7000, 5, 7000, 7000, 5.5])
    graph = log_likelihood_with_gradient(model(), histories.cells(model()))
    for shift in (-4.0, 0.0, 4.0):
        point = np.array([float(q.coordinate(np.asarray(q.guess))) for q in model().quantities]) + shift
        value, gradient = graph(point)
        assert math.isfinite(value)
        assert np.isfinite(gradient).all()


@pytest.mark.parametrize("model", MODELS)
def test_customers_without_silence_are_alive(model):
    posterior = kw.fixed(model.Parameters(**dict.fromkeys(model().parameter_names, 0.7), unit="week"))
    histories = histories_of([1, 5, 0], [3, 40, 0], [3, 40, 0], unit="week")
    assert (posterior.p_alive(histories) == 1).all(axis=None)
    assert np.isfinite(log_likelihood(posterior, histories)).all()


# fitting and tables


def all_lost():
    everybody = cdnow.histories()
    return everybody.take(everybody.frequency == 0)


SMALL_DATA = {
    "5 random": lambda: cdnow.sample(5),
    "100 random": lambda: cdnow.sample(100),
    "one without a repeat": lambda: all_lost().take([0]),
    "all without a repeat": all_lost,
}


@pytest.mark.every(3)
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("data", SMALL_DATA)
def test_importance_sampling_copes_with_small_and_odd_data(data, model):
    cells = SMALL_DATA[data]().cells(model())
    weighted = importance_points(
        Target(model(), cells), kw.ImportanceSampling(draws=1000, points=2048), np.random.default_rng(10)
    )
    assert weighted.pareto_k < 0.7
    assert weighted.ess > 0.45 * weighted.weights.size


@pytest.mark.parametrize("model", MODELS)
def test_tables_of_many_draws_are_interpolated_well(model):
    """Surfaces over hundreds of pairs (x, T) against each pair by itself, for draws as of a posterior."""
    rng = np.random.default_rng(3)
    draws = {"r": 0.55, "alpha": 75.0, "s": 0.6, "beta": 80.0, "b": 0.002}
    names = model().parameter_names
    posterior = with_draws(model, **{name: draws[name] * np.exp(0.15 * rng.normal(size=12)) for name in names})
    x, T = rng.integers(0, 40, 600), rng.integers(1, 700, 600).astype(float)
    histories = histories_of(x, np.where(x > 0, 0.8 * T, 0.0), T)
    few = histories.take(np.arange(0, 600, 60))
    for ask in (
        lambda h: posterior.expected_purchases(h, horizon=kw.years(1)),
        lambda h: posterior.return_probability(h, horizon=kw.weeks(13)),
        lambda h: posterior.discounted_purchases(h, annual_discount_rate=0.1, horizon=kw.LIFETIME),
    ):
        one_by_one = np.concatenate([ask(few.take([i])) for i in range(len(few))])
        np.testing.assert_allclose(ask(histories).iloc[::60], one_by_one, rtol=5e-7)


# what is refused


@pytest.mark.parametrize("model", MODELS)
def test_priors_and_parameters_are_checked(model):
    for quantity in model().quantities:
        with pytest.raises(SpecificationError, match=f"Beta does not fit {quantity.name}, which is positive"):
            model(**{quantity.name: kw.Beta(1, 1)})
    good = dict.fromkeys(model().parameter_names, 0.5)
    for name in good:
        with pytest.raises(SpecificationError, match=f"{model.__name__}.Parameters: {name} must be a positive number"):
            model.Parameters(**(good | {name: 0.0}), unit="week")


def test_customers_who_hardly_ever_leave_are_worth_a_discount_rate():
    posterior = kw.fixed(kw.ParetoNBD.Parameters(r=1.0, alpha=10.0, s=0.6, beta=11.0, unit="week"))
    with pytest.raises(InfiniteValueError, match=r"infinite in 100% of the draws"):
        posterior.discounted_purchases(histories_of(1, 2, 3), annual_discount_rate=0, horizon=kw.LIFETIME)
