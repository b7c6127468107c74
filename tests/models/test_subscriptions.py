"""Models of contracts: published estimates, the pooling of cohorts, and one formula on NumPy and on PyTensor."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import betaln, gammaln, logit

import kundenwert as kw
from kundenwert.errors import SpecificationError
from kundenwert.inference.target import Target
from kundenwert.models.beta_discrete_weibull import WeibullContract
from kundenwert.models.kernels.pooling import NOWHERE, Place, anchors_of
from tests.contracts import MODELS, contracts, fixed, histories, posterior
from tests.customers import log_likelihood

FLAT = kw.Flat()


@pytest.mark.parametrize(
    "cohort, gamma, delta, value",
    [
        # Fader & Hardie (2007), from the first seven renewals of 1,000 customers
        ("regular", 0.704, 1.182, -1680.3),
        ("high_end", 0.668, 3.806, -1611.2),
    ],
)
def test_published_estimates(cohort, gamma, delta, value):
    observed = histories((cohort,))
    model = kw.ShiftedBetaGeometric(mean_churn=FLAT, concentration=FLAT)
    posterior = kw.fit(model, observed, method=kw.MAP())
    np.testing.assert_allclose(np.ravel(posterior.values), (gamma, delta), atol=5e-4, rtol=0)
    assert log_likelihood(posterior, observed).sum() == pytest.approx(value, abs=0.05)


@pytest.mark.parametrize("name", MODELS)
def test_the_years_that_were_held_out(name):
    """From seven renewals, the share left after 8 to 12 is predicted to two points of the per cent, in both cohorts."""
    actual = kw.datasets.subscription_cohorts().set_index(["cohort", "renewal"])["survivors"] / 1000
    later = actual[actual.index.get_level_values("renewal") > 7]
    predicted = posterior(name).survival_curve()["mean"][later.index]
    assert len(later) == 10
    assert (predicted - later).abs().max() < 0.02


@pytest.mark.parametrize("gamma, delta", [(0.7, 1.2), (0.05, 200.0), (30.0, 0.02)])
def test_without_duration_dependence_both_models_are_one(gamma, delta):
    one, other = fixed(gamma, delta), fixed(gamma, delta, 1.0)
    some = contracts([0, 3, 1000, 0, 3, 1000], [0, 0, 0, 1, 1, 1], every=kw.months(1))
    np.testing.assert_allclose(log_likelihood(other, some), log_likelihood(one, some), rtol=1e-12)
    for ask in (
        lambda posterior: posterior.survival(some, horizon=kw.renewals(7)),
        lambda posterior: posterior.churn_probability(some, horizon=kw.renewals(1)),
        lambda posterior: posterior.expected_residual_lifetime(some, annual_discount_rate=0.1),
        lambda posterior: posterior.expected_residual_lifetime(some, horizon=kw.renewals(40)),
    ):
        np.testing.assert_allclose(ask(other), ask(one), rtol=1e-11)


@pytest.mark.parametrize("c", [None, 0.5, 1.0, 2.0])
def test_simulated_contracts_end_when_they_are_likely_to(c):
    posterior = fixed(0.9, 2.5, c)
    theta = tuple(value[0] for value in posterior.theta)
    ends = posterior.model.simulate(theta, np.zeros(200_000, dtype=np.int64), np.random.default_rng(1))
    assert ends.min() == 1
    left = posterior.survival_curve()["mean"].to_numpy()
    observed = np.bincount(np.minimum(ends, 13), minlength=14)[1:]
    expected = np.append(-np.diff(left), left[-1]) * len(ends)
    assert stats.chisquare(observed, expected).pvalue > 1e-4


def test_simulated_cohorts_are_those_of_their_parameters():
    model = kw.BetaDiscreteWeibull(cohorts=("a", "b"))
    theta = tuple(np.array(v) for v in (0.5, 3.0, 4.0, 1.0, 0.8, 0.3, 3.0, 0.5, 0.5))
    cohort = np.repeat([0, 1], 100_000)
    first = model.simulate(theta, cohort, np.random.default_rng(1)) == 1
    for position, share in ((0, 0.5 / 4.5), (1, 3.0 / 4.0)):
        assert first[cohort == position].mean() == pytest.approx(share, abs=4 * np.sqrt(0.25 / 100_000))


@pytest.mark.parametrize("gamma, delta", [(1e-3, 1e-3), (1e-3, 1e3), (1e3, 1e-3)])
def test_extreme_populations_can_be_simulated(gamma, delta):
    for given in (fixed(gamma, delta), fixed(gamma, delta, 0.1), fixed(gamma, delta, 40.0)):
        theta = tuple(value[0] for value in given.theta)
        ends = given.model.simulate(theta, np.zeros(1000, dtype=np.int64), np.random.default_rng(1))
        assert (ends >= 1).all()


class TestPooling:
    @pytest.mark.parametrize("centre, precision", [NOWHERE, (0.4, 3.0), (-2.0, 1e5)])
    def test_the_coordinate_changes_nothing(self, centre, precision):
        """Normal(mean, spread) for x, and the density of the coordinate z with its Jacobian, are the same."""
        place = Place(mean=-0.7, spread=0.6, centre=centre, precision=precision)
        z = np.linspace(-3, 3, 7)
        x = place.at(z)
        np.testing.assert_allclose(place.coordinate(x), z, rtol=1e-9, atol=1e-9)
        slope = 0.6 / np.sqrt(1 + 0.36 * precision)
        expected = stats.norm.logpdf(x, -0.7, 0.6) + np.log(slope)
        np.testing.assert_allclose(place.log_pooling(z) + stats.norm.logpdf(z), expected, rtol=1e-9, atol=1e-9)

    def test_anchors_are_the_likelihoods_own(self):
        centre, sd = np.array([0.5, -1.0]), np.array([0.002, 0.3])

        def log_likelihood(points):
            return np.sum(stats.norm.logpdf(points, centre[:, None], sd[:, None]), axis=0)

        anchors, _ = anchors_of(log_likelihood, np.array([-1.0, 1.0]), 1.5)
        np.testing.assert_allclose([found for found, _ in anchors], centre, atol=0.02 * sd.min(), rtol=0.01)
        np.testing.assert_allclose([precision for _, precision in anchors], sd**-2, rtol=0.05)

    def test_without_data_there_is_no_anchor(self):
        anchors, _ = anchors_of(lambda points: np.zeros(points.shape[1]), np.zeros(2), 1.5)
        assert anchors == (NOWHERE, NOWHERE)

    @pytest.mark.parametrize("name", MODELS)
    def test_quantities_and_parameters_are_inverse(self, name):
        cells = histories().cells(MODELS[name])
        model = MODELS[name].prepared(cells).suited(cells)
        assert model.cohorts == ("high_end", "regular")
        rng = np.random.default_rng(1)
        values = [quantity.value(rng.normal(size=5)) for quantity in model.quantities]
        theta = model.parameters_of(values, "renewal")
        assert len(theta) == len(model.parameter_names)
        for value, back in zip(values, model.quantities_of(theta, "renewal"), strict=True):
            np.testing.assert_allclose(back, value, rtol=1e-7, atol=1e-7)
        words = model.in_words(theta, "renewal")
        gamma, delta = theta[0], theta[2]
        np.testing.assert_allclose(words["mean_churn[high_end]"], gamma / (gamma + delta), rtol=1e-14)

    @pytest.mark.parametrize("name", MODELS)
    def test_the_joint_density_is_that_of_the_hierarchy(self, name):
        """Against priors and normal densities written out; the Jacobian is that of z to logit churn and log sum."""
        cells = histories().cells(MODELS[name])
        model = MODELS[name].prepared(cells).suited(cells)
        target = Target(model, model.aligned(cells))
        shared = len(model.shared)
        point = np.random.default_rng(2).normal(scale=0.5, size=target.dimension)
        typical = point[: 4 + shared]
        values = [q.value(np.asarray(v)) for q, v in zip(model.quantities, point, strict=True)]
        theta = model.parameters_of(values, "renewal")
        churn, concentration, churn_spread, concentration_spread = values[:4]
        expected = sum(q.prior.log_density(np.asarray(v)) for q, v in zip(model.quantities, typical, strict=False))
        for i, anchor in enumerate(model.anchors):
            gamma, delta = theta[i], theta[2 + i]
            for x, mean, spread, (_, precision) in (
                (np.log(gamma / delta), logit(churn), churn_spread, anchor[0]),
                (np.log(gamma + delta), np.log(concentration), concentration_spread, anchor[1]),
            ):
                expected += stats.norm.logpdf(x, mean, spread) + np.log(spread / np.sqrt(1 + spread**2 * precision))
        assert target.log_prior(point[:, None])[0] == pytest.approx(float(expected), rel=1e-9)

    def test_cohorts_may_be_named_beforehand(self):
        model = kw.ShiftedBetaGeometric(cohorts=("regular", "later", "high_end"))
        posterior: Any = kw.fit(model, histories(), seed=1)
        assert posterior.model.cohorts == ("regular", "later", "high_end")
        assert model.suited(histories().cells(model)).anchors[1] == (NOWHERE, NOWHERE)
        spread = posterior.parameters()["sd"]
        assert spread["mean_churn[later]"] > 5 * spread["mean_churn[regular]"]

    def test_labels_differ_and_anchors_belong_to_them(self):
        with pytest.raises(SpecificationError, match="look different"):
            kw.ShiftedBetaGeometric(cohorts=("a", "a"))
        with pytest.raises(SpecificationError, match="1 anchors for 2 cohorts"):
            kw.ShiftedBetaGeometric(cohorts=("a", "b"), anchors=((NOWHERE, NOWHERE),))


@pytest.mark.slow
@pytest.mark.parametrize(
    "name, cohorts",
    [
        ("ShiftedBetaGeometric", ("regular", "high_end")),
        ("BetaDiscreteWeibull", ("regular",)),
        ("BetaDiscreteWeibull", ("regular", "high_end")),
    ],
)
def test_numpy_and_pytensor_agree_on_density_and_gradient(name, cohorts):
    observed = histories(cohorts)
    cells = observed.cells(MODELS[name])
    model = MODELS[name].prepared(cells).suited(cells)
    target = Target(model, model.aligned(cells))
    graph = kw.to_pymc(MODELS[name], observed).logp_dlogp_function(ravel_inputs=True)
    graph.set_extra_values({})
    points = target.typical + np.random.default_rng(1).normal(scale=0.5, size=(3, target.dimension))
    densities, gradients = zip(*map(graph, points), strict=True)
    np.testing.assert_allclose(target(points.T), densities, rtol=1e-9)
    for point, gradient in zip(points, gradients, strict=True):
        np.testing.assert_allclose(gradient, differences(target, point), rtol=1e-5, atol=1e-5)


def differences(target, point, step=1e-3):
    """Gradient by central differences of sixth order."""
    offsets, weights = np.array([-3, -2, -1, 1, 2, 3]), np.array([-1, 9, -45, 45, -9, 1]) / (60 * step)
    return [target(point[:, None] + np.outer(axis, step * offsets)) @ weights for axis in np.eye(len(point))]


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf"), True, "1"], ids=repr)
def test_given_parameters_are_positive_numbers(value):
    given: Any = {"gamma": value, "delta": 1.0}
    with pytest.raises(SpecificationError, match="gamma must be a positive number"):
        kw.ShiftedBetaGeometric.Parameters(**given)
    with pytest.raises(SpecificationError, match="gamma must be a positive number"):
        kw.BetaDiscreteWeibull.Parameters(**given, c=1.0)


def test_a_shape_beyond_all_numbers_is_refused():
    with pytest.raises(SpecificationError, match="c is at most 40"):
        kw.BetaDiscreteWeibull.Parameters(gamma=1.0, delta=1.0, c=41.0)
    assert fixed(1.0, 1.0, 40.0).survival(contracts([1000], [0]), horizon=kw.renewals(1000))["mean"].between(0, 1).all()


def test_priors_fit_their_quantities():
    with pytest.raises(SpecificationError, match="mean_churn, which is a probability"):
        kw.ShiftedBetaGeometric(mean_churn=kw.LogNormal(0, 1))
    with pytest.raises(SpecificationError, match="concentration_spread, which is positive"):
        kw.BetaDiscreteWeibull(cohorts=("a", "b"), concentration_spread=kw.Beta(1, 1))
    model = replace(kw.BetaDiscreteWeibull(), c=kw.LogNormal(0, 0.1))
    assert kw.fit(model, histories(("regular",)), seed=1).parameters()["mean"]["c"] < 1.3


def survivors(cohorts, c, customers, points=8):
    """Table of survivors at each renewal, as beta-discrete-Weibull expects them."""
    t = np.arange(points) ** c
    shares = {name: np.exp(betaln(gamma, delta + t) - betaln(gamma, delta)) for name, (gamma, delta) in cohorts.items()}
    rows = [(name, i, round(customers * s)) for name, share in shares.items() for i, s in enumerate(share)]
    return pd.DataFrame(rows, columns=["cohort", "renewal", "survivors"])


@pytest.mark.parametrize("gamma, delta", [(548.0, 795.0), (0.6, 1.5), (1e-3, 5.0), (1e5, 1e5), (3.0, 1e-3)])
@pytest.mark.parametrize("c", [1e-10, 1e-6, 1e-3, 0.1, 1.0, 5.0, 15.0])
def test_renewals_of_whole_cohorts_are_those_of_single_contracts(gamma, delta, c):
    """By another formula, right to twelve digits: where customers hardly leave, differences are all there is."""
    model, one = kw.BetaDiscreteWeibull(), np.ones(1)
    found = model.log_retention(gamma * one, delta * one, [c * one], 12)[:, 0]
    contract = WeibullContract(gamma * np.ones(12), delta * np.ones(12), c * np.ones(12), np.arange(12.0))
    np.testing.assert_allclose(np.log(-np.expm1(found)), np.log(contract.churn(1.0)), rtol=1e-9, atol=1e-10)


class TestAnchorsDoNotCutThePosteriorOff:
    @pytest.mark.every(2)
    @pytest.mark.parametrize("c", [1.8, 0.5])
    def test_large_cohorts_that_wear_out_or_settle(self, c):
        table = survivors({"a": (0.6, 1.5), "b": (1.2, 2.0)}, c, 20_000)
        posterior = kw.fit(kw.BetaDiscreteWeibull(), kw.ContractHistories.from_cohorts(table, cohort="cohort"), seed=1)
        assert posterior.diagnostics.method == "importance sampling"
        found = posterior.parameters()
        # by integrating over mean and spread with each cohort's log concentration known: .429 (.162, .873)
        spread = found.loc["concentration_spread", ["mean", "lower", "upper"]]
        np.testing.assert_allclose(spread, [0.43, 0.16, 0.87], atol=0.03)
        assert found.loc["c", "mean"] == pytest.approx(c, rel=0.02)

    def test_a_cohort_that_hardly_anybody_keeps(self):
        lives = {"a": [1000, 700, 550, 450], "b": [100_000, 50, 40, 33]}
        rows = [(name, i, n) for name, life in lives.items() for i, n in enumerate(life)]
        table = pd.DataFrame(rows, columns=["cohort", "renewal", "survivors"])
        posterior = kw.fit(kw.ShiftedBetaGeometric(), kw.ContractHistories.from_cohorts(table, cohort="cohort"), seed=1)
        curve = posterior.survival_curve(up_to=kw.renewals(1))
        assert curve.loc[("b", 1), "mean"] == pytest.approx(50 / 100_000, rel=0.1)


def test_powers_beyond_floating_point_numbers_are_taken_by_their_logarithm():
    one = np.ones(1)
    both = WeibullContract(np.array([5.5, 1.0]), np.ones(2), np.array([0.2, 5.0]), np.zeros(2))
    single = [WeibullContract(g * one, one, c * one, 0 * one).renewals(0.0, np.inf)[0] for g, c in ((5.5, 0.2), (1, 5))]
    np.testing.assert_allclose(both.renewals(0.0, np.inf), single, rtol=1e-12)
    # S(t) = Gamma(gamma + delta)/Gamma(delta) t^(-c gamma) for huge t^c, here with gamma = .05, delta = 2
    ahead, c = 1e9, 40.0
    truth = gammaln(2.05) - gammaln(2.0) - 0.05 * c * np.log(ahead)
    contract = WeibullContract(0.05 * one, 2 * one, c * one, 0 * one)
    assert np.log(contract.survival(ahead))[0] == pytest.approx(truth, rel=1e-12)
    later = WeibullContract(0.05 * one, 2 * one, c * one, 1e9 * one)
    assert np.log(later.survival(1.0))[0] == pytest.approx(-0.05 * c * np.log1p(1e-9), rel=1e-12)


@pytest.mark.parametrize("cohorts", [5, "ab", [["a"]], (True, "x")])
def test_cohorts_are_a_tuple_of_labels(cohorts):
    with pytest.raises(SpecificationError, match="cohorts takes a tuple of labels"):
        kw.ShiftedBetaGeometric(cohorts=cohorts)


@pytest.mark.parametrize("anchors", [5, (1, 2), "ab", (((0.0, 1.0), (0.0, "x")),), (((0.0, 1.0), (0.0, math.inf)),)])
def test_anchors_are_pairs_of_pairs(anchors):
    with pytest.raises(SpecificationError, match=r"anchors takes a pair of pairs of numbers.*leave them to fit"):
        kw.ShiftedBetaGeometric(cohorts=("a",), anchors=anchors)


@pytest.mark.parametrize("cohorts", [(1, "1"), ("a", "a"), ("a/b", "a∕b")])
def test_labels_look_different_when_written(cohorts):
    with pytest.raises(SpecificationError, match="labels that look different"):
        kw.ShiftedBetaGeometric(cohorts=cohorts)
