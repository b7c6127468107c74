"""The target density, on cells, against customer-by-customer formulas."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit

import kundenwert as kw
from kundenwert.inference.target import Target
from tests import cdnow
from tests.formulas import FORMULAS

POINTS = np.random.default_rng(0).normal(size=(4, 200))


def parameters(name, coordinates):
    """Published parameters per week at logarithms and logits, worked out by hand."""
    if name == "GammaGamma":
        scale, p, q = np.exp(coordinates)
        return p, q, scale * q / p
    rate, r, concentration = np.exp(coordinates[[0, 1, 3]])
    dropout = expit(coordinates[2])
    return r, r / rate * (365.25 / 7), dropout * concentration, (1 - dropout) * concentration


@pytest.mark.parametrize("name", cdnow.MODELS)
@pytest.mark.parametrize("customers", [None, 30])
def test_likelihood_of_cells_is_the_sum_over_customers(name, customers):
    histories = cdnow.sample(customers) if customers else cdnow.histories()
    cells = histories.cells(cdnow.MODELS[name])
    target = Target(cdnow.MODELS[name].prepared(cells), cells)
    points = POINTS[: target.dimension]
    table = histories.to_pandas()
    truth = np.array([FORMULAS[name](table, *parameters(name, point)).sum() for point in points.T])
    found = target.log_likelihood(points)
    # which of them is the density of the sum and which of the mean of the amounts does not matter to a posterior
    assert found - found[0] == pytest.approx(truth - truth[0], rel=1e-10, abs=1e-8)


def test_prior_is_the_product_of_the_priors_on_the_coordinates():
    cells = cdnow.sample(30).cells(kw.MBGNBD())
    rate, shape, dropout, concentration = POINTS
    truth = (
        stats.norm.logpdf(rate, np.log(3), 1.5)
        + stats.norm.logpdf(shape, 0, 1)
        + stats.norm.logpdf(dropout, -1, 1.2)
        + stats.norm.logpdf(concentration, np.log(3), 1)
    )
    target = Target(kw.MBGNBD(), cells)
    assert target.log_prior(POINTS) == pytest.approx(truth, rel=1e-12)
    assert target(POINTS) == pytest.approx(truth + target.log_likelihood(POINTS), rel=1e-12)


def test_impossible_points_have_density_zero_and_no_warning():
    far = np.full((4, 3), [-800.0, 0.0, 800.0])
    found = Target(kw.BGNBD(), cdnow.histories().cells(kw.BGNBD()))(far)
    assert found[[0, 2]].tolist() == [-np.inf, -np.inf]
    assert np.isfinite(found[1])


@pytest.mark.parametrize("model", [kw.BGNBD(), kw.MBGNBD()])
def test_a_point_where_the_formula_has_lost_its_digits_is_impossible(model):
    # r = 7e21: the log-likelihood of 30 customers would come out as hundreds of millions
    far = np.array([[20.8], [50.4], [29.5], [-1.6]])
    assert Target(model, cdnow.sample(30).cells(model))(far).tolist() == [-np.inf]


@pytest.mark.parametrize("name", cdnow.MODELS)
def test_no_far_point_beats_the_good_ones(name):
    cells = cdnow.histories().cells(cdnow.MODELS[name])
    target = Target(cdnow.MODELS[name].prepared(cells), cells)
    far = target.typical[:, None] + np.random.default_rng(1).uniform(-40, 40, (target.dimension, 4000))
    assert target(far).max() < target(target.typical[:, None])[0]


def test_customers_without_a_repeat_amount_do_not_enter_spend():
    cells = cdnow.histories().cells(kw.GammaGamma())
    target = Target(kw.GammaGamma().prepared(cells), cells)
    assert target.customers == 946


def test_money_scale_is_the_geometric_mean_of_mean_amounts():
    table = cdnow.histories().to_pandas().query("monetary_value > 0")
    model = kw.GammaGamma()
    prepared = model.prepared(cdnow.histories().cells(model))
    assert prepared.money_scale == pytest.approx(stats.gmean(table["monetary_value"]), rel=1e-10)
    assert kw.GammaGamma(money_scale=5.0).prepared(cdnow.histories().cells(model)).money_scale == 5.0
