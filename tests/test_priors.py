"""Priors: densities on unbounded coordinates, samples, and refusals."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit, logit

import kundenwert as kw
from kundenwert.errors import SpecificationError

# prior, the distribution of its coordinate (by SciPy), from the coordinate to the quantity and back
PROPER = [
    (kw.LogNormal(0.4, 1.5), stats.norm(0.4, 1.5), np.exp, np.log),
    (kw.Gamma(2.5, 0.7), stats.loggamma(2.5, loc=-np.log(0.7)), np.exp, np.log),
    (kw.LogitNormal(-1.0, 1.2), stats.norm(-1.0, 1.2), expit, logit),
    (kw.Beta(0.5, 3.0), None, expit, logit),
    (kw.HalfNormal(0.7), None, np.exp, np.log),
    (kw.Normal(-2.0, 3.5), stats.norm(-2.0, 3.5), np.asarray, np.asarray),
    (kw.Logistic(-1.0, 0.8), stats.logistic(-1.0, 0.8), np.asarray, np.asarray),
]
IDS = [repr(case[0]) for case in PROPER]
SUPPORT = {np.exp: "positive", expit: "probability", np.asarray: "real"}


def of_value(prior):
    """Distribution of the quantity itself, by SciPy, where it has none for the coordinate."""
    return (
        stats.halfnorm(scale=prior.sigma) if isinstance(prior, kw.HalfNormal) else stats.beta(prior.alpha, prior.beta)
    )


def log_density(prior, distribution, coordinate):
    if distribution is not None:
        return distribution.logpdf(coordinate)
    if isinstance(prior, kw.HalfNormal):
        return of_value(prior).logpdf(np.exp(coordinate)) + coordinate
    value = expit(coordinate)
    return of_value(prior).logpdf(value) + np.log(value) + np.log1p(-value)


@pytest.mark.parametrize("prior, distribution, value, coordinate", PROPER, ids=IDS)
def test_log_density_is_that_of_the_coordinate(prior, distribution, value, coordinate):  # noqa: ARG001
    at = np.linspace(-8, 5, 40).reshape(8, 5)
    found = prior.log_density(at)
    assert found.shape == at.shape
    assert found == pytest.approx(log_density(prior, distribution, at), rel=1e-10)


@pytest.mark.parametrize("prior, distribution, value, coordinate", PROPER, ids=IDS)
def test_log_density_survives_far_points(prior, distribution, value, coordinate):  # noqa: ARG001
    found = prior.log_density(np.array([-800.0, 800.0]))
    assert not np.isnan(found).any()
    assert (found < -100).all()


@pytest.mark.parametrize("prior, distribution, value, coordinate", PROPER, ids=IDS)
def test_samples_follow_the_prior(prior, distribution, value, coordinate):
    drawn = prior.sample(np.random.default_rng(1), 20_000)
    cdf = of_value(prior).cdf if distribution is None else lambda v: distribution.cdf(coordinate(v))
    assert drawn.shape == (20_000,)
    assert stats.kstest(drawn, cdf).pvalue > 0.001
    assert prior.support == SUPPORT[value]


@pytest.mark.parametrize("kind", [kw.LogNormal, kw.LogitNormal, kw.Normal])
@pytest.mark.parametrize("mu, sigma", [(0, 0), (0, -1), (np.inf, 1), (np.nan, 1), (0, np.inf), (0, np.nan)])
def test_normal_priors_refuse_what_cannot_be(kind, mu, sigma):
    with pytest.raises(SpecificationError, match=kind.__name__):
        kind(mu, sigma)


@pytest.mark.parametrize("sigma", [0, -1, np.inf, np.nan])
def test_half_normal_refuses_what_cannot_be(sigma):
    with pytest.raises(SpecificationError, match="HalfNormal: sigma must be positive"):
        kw.HalfNormal(sigma)


@pytest.mark.parametrize("kind", [kw.Gamma, kw.Beta])
@pytest.mark.parametrize("alpha, beta", [(0, 1), (1, 0), (-1, 1), (1, np.inf), (np.nan, 1)])
def test_gamma_and_beta_refuse_what_cannot_be(kind, alpha, beta):
    with pytest.raises(SpecificationError, match=kind.__name__):
        kind(alpha, beta)


def test_flat_is_flat_and_cannot_be_sampled():
    assert kw.Flat().log_density(np.array([-5.0, 0.0, 9.0])).tolist() == [0, 0, 0]
    with pytest.raises(SpecificationError, match="improper"):
        kw.Flat().sample(np.random.default_rng(0), 1)


@pytest.mark.parametrize(
    "model, arguments, words",
    [
        (kw.BGNBD, {"mean_dropout": kw.LogNormal(0, 1)}, "mean_dropout, which is a probability"),
        (kw.MBGNBD, {"shape": kw.Beta(1, 1)}, "shape, which is positive"),
        (kw.GammaGamma, {"q": kw.LogitNormal(0, 1)}, "q, which is positive"),
        (kw.GammaGamma, {"q": kw.Normal(0, 1)}, "q, which is positive: use LogNormal, Gamma or HalfNormal"),
        (kw.BGNBD, {"mean_dropout": kw.HalfNormal(1)}, "mean_dropout, which is a probability"),
        (kw.BGNBD, {"mean_rate": 3.0}, "mean_rate takes a prior"),
    ],
)
def test_a_prior_that_does_not_fit_its_quantity_is_refused_at_once(model, arguments, words):
    with pytest.raises(SpecificationError, match=words):
        model(**arguments)
