"""The border to PyMC: the same density, the same priors, NUTS on cells."""

from typing import Any

import numpy as np
import pymc as pm
import pytest
from scipy.special import expit

import kundenwert as kw
from kundenwert.errors import InferenceError, SpecificationError
from kundenwert.inference import target
from tests import cdnow
from tests.formulas import FORMULAS

QUICK: dict[str, Any] = {"draws": 500, "tune": 500, "chains": 2, "progress": False}
POSITIVE_PRIORS = [kw.LogNormal(0.3, 0.7), kw.Gamma(2.0, 0.4)]
PROBABILITY_PRIORS = [kw.LogitNormal(-0.4, 1.3), kw.Beta(0.7, 3.0)]


def at(model, coordinates):
    """A point of a PyMC model from logarithms and logits in the order of the quantities."""
    return {variable.name: value for variable, value in zip(model.value_vars, coordinates, strict=True)}


@pytest.mark.parametrize("name", cdnow.MODELS)
def test_density_is_that_of_the_numpy_target(name):
    built = kw.to_pymc(cdnow.MODELS[name], cdnow.histories())
    cells = cdnow.histories().cells(cdnow.MODELS[name])
    density = target.Target(cdnow.MODELS[name].prepared(cells), cells)
    points = np.random.default_rng(0).normal(size=(density.dimension, 8))
    log_density = built.compile_logp()  # on the transformed variables, their Jacobians included
    assert [log_density(at(built, point)) for point in points.T] == pytest.approx(density(points), rel=1e-10)


def test_gradient_is_finite_and_exact():
    built = kw.to_pymc(kw.BGNBD(), cdnow.sample(30))
    log_density, gradient = built.compile_logp(), built.compile_dlogp()
    for point in np.random.default_rng(1).normal(size=(5, 4)):
        steps = 1e-5 * np.eye(4)
        slope = [(log_density(at(built, point + s)) - log_density(at(built, point - s))) / 2e-5 for s in steps]
        assert gradient(at(built, point)) == pytest.approx(slope, rel=1e-5, abs=1e-5)


@pytest.mark.every(3)
@pytest.mark.parametrize("positive", POSITIVE_PRIORS, ids=repr)
@pytest.mark.parametrize("probability", PROBABILITY_PRIORS, ids=repr)
def test_priors_are_the_same_on_unbounded_coordinates(positive, probability):
    model = kw.MBGNBD(mean_rate=positive, mean_dropout=probability)
    built = kw.to_pymc(model, cdnow.sample(30))
    # every quantity moves on the whole line, so that NUTS cannot step out of its range
    assert {v.name for v in built.value_vars} == {
        "mean_rate_log__",
        "shape_log__",
        "mean_dropout_logodds__",
        "concentration_log__",
    }
    points = np.linspace(-3, 3, 5)
    for quantity, prior in (("mean_rate", positive), ("mean_dropout", probability)):
        variable = built.rvs_to_values[built[quantity]]
        log_density = built.compile_logp(vars=[built[quantity]])
        found = [log_density({**built.initial_point(), variable.name: point}) for point in points]
        # PyMC's own constant of the beta density is 2e-9 off
        assert np.array(found) == pytest.approx(prior.log_density(points), rel=1e-9, abs=1e-8)


def test_published_parameters_are_there_and_the_likelihood_is_a_potential():
    built = kw.to_pymc(kw.BGNBD(), cdnow.histories())
    at_values = built.compile_fn(
        built.replace_rvs_by_values([*built.deterministics, *built.potentials]), inputs=built.value_vars
    )
    values = at_values(at(built, (np.log(3.0), np.log(0.25), -1.0, np.log(3.2))))
    alpha = 0.25 / 3.0 * 365.25 / 7
    a, b = expit(-1.0) * 3.2, expit(1.0) * 3.2
    named = dict(zip([v.name for v in (*built.deterministics, *built.potentials)], map(float, values), strict=True))
    truth = FORMULAS["BGNBD"](cdnow.histories().to_pandas(), 0.25, alpha, a, b).sum()
    assert named == pytest.approx({"r": 0.25, "alpha": alpha, "a": a, "b": b, "log_likelihood": truth}, rel=1e-9)


def test_it_can_be_extended():
    built = kw.to_pymc(kw.BGNBD(), cdnow.sample(30))
    with built:
        pm.Potential("belief", -0.5 * ((built["alpha"] - 4) / 0.1) ** 2)
    alpha = 1.0 / 3.0 * 365.25 / 7
    point = {**built.initial_point(), "mean_rate_log__": np.log(3.0), "shape_log__": 0.0}
    without = kw.to_pymc(kw.BGNBD(), cdnow.sample(30)).compile_logp()(point)
    assert built.compile_logp()(point) - without == pytest.approx(-0.5 * ((alpha - 4) / 0.1) ** 2, rel=1e-9)


@pytest.mark.slow
def test_an_extended_model_can_be_sampled():
    built = kw.to_pymc(kw.BGNBD(), cdnow.sample(100))
    with built:
        pm.Normal("panel", built["mean_dropout"], 0.02, observed=0.6)
        tree = pm.sample(500, tune=500, chains=2, random_seed=1, progressbar=False, nuts_sampler="pymc")
    assert tree["posterior"]["mean_dropout"].mean() == pytest.approx(0.6, abs=0.05)


@pytest.mark.parametrize("sampler", ["pymc", pytest.param("nutpie", marks=pytest.mark.slow)])
def test_nuts_on_few_customers_has_no_divergences(sampler):
    posterior: Any = kw.fit(kw.BGNBD(), cdnow.sample(30), seed=1, method=kw.NUTS(**QUICK, sampler=sampler))
    diagnostics = posterior.diagnostics
    assert diagnostics.method == "NUTS"
    assert posterior.values.alpha.shape == (2, 500)
    assert diagnostics.divergences == 0
    assert diagnostics.r_hat < 1.03
    assert diagnostics.ess > 100
    assert {"ess", "r_hat"} <= set(posterior.parameters().columns)
    assert (posterior.provenance.customers, posterior.unit) == (30, "week")


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["pymc", "nutpie"])
def test_nuts_is_reproducible(sampler):
    method = kw.NUTS(draws=200, tune=200, chains=2, progress=False, sampler=sampler)
    one, again, other = (kw.fit(kw.GammaGamma(), cdnow.sample(30), seed=s, method=method) for s in (5, 5, 6))
    assert all((a == b).all() for a, b in zip(one.values, again.values, strict=True))
    assert not any((a == b).any() for a, b in zip(one.values, other.values, strict=True))


def test_a_run_that_would_take_too_long_is_refused_with_remedies():
    method = kw.NUTS(draws=10_000, chains=4, longest=1e-4)
    with pytest.raises(InferenceError, match="minutes") as refusal:
        kw.fit(kw.BGNBD(), cdnow.histories(), method=method)
    for remedy in ("ImportanceSampling()", "fewer draws or chains", "random sample", "kundenwert.NUTS(longest="):
        assert remedy in str(refusal.value)


@pytest.mark.parametrize("method", [None, kw.ImportanceSampling(), kw.NUTS(**QUICK)], ids=repr)
def test_flat_priors_are_refused_by_what_needs_a_posterior(method):
    with pytest.raises(SpecificationError, match=r"the prior of shape is Flat.*MAP"):
        kw.fit(kw.MBGNBD(shape=kw.Flat()), cdnow.sample(30), method=method)


def test_flat_priors_are_refused_by_to_pymc():
    with pytest.raises(SpecificationError, match="the prior of q is Flat"):
        kw.to_pymc(kw.GammaGamma(q=kw.Flat()), cdnow.histories())
