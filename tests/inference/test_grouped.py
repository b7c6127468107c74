"""Cohorts drawn one by one: the posterior is that of quadrature and of NUTS, also where cohorts say little or much."""

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import kundenwert as kw
from kundenwert.errors import InferenceWarning
from kundenwert.inference.climbing import climbed, not_negative
from kundenwert.inference.expansion import expanded
from kundenwert.inference.inner import inner_points
from kundenwert.inference.target import Target
from kundenwert.models.families.cohorts import log_rising
from tests.contracts import MODELS


def triangle(cohorts, *, contracts=1000, seed=0, c=1.0, renewals=None):
    """Cohorts that each saw one renewal less than the one before; the population has logit churn -2.5, spread .3."""
    rng, rows = np.random.default_rng(seed), []
    for cohort in range(cohorts):
        churn, total = 1 / (1 + np.exp(2.5 - 0.3 * rng.normal())), np.exp(1 + 0.3 * rng.normal())
        theta = (np.asarray(churn * total), np.asarray((1 - churn) * total), np.asarray(c))
        ends = kw.BetaDiscreteWeibull().simulate(theta, np.zeros(contracts, dtype=np.int64), rng)
        ages = np.arange(1 + max(1, (renewals or cohorts) - cohort))
        left = (ends > ages[:, None]).sum(axis=1)
        rows.append(pd.DataFrame({"cohort": f"c{cohort:02d}", "renewal": ages, "survivors": left}))
    return kw.ContractHistories.from_cohorts(pd.concat(rows), cohort="cohort", every=kw.months(1))


def of(survivors):
    rows = [
        pd.DataFrame({"cohort": f"c{i:02d}", "renewal": range(len(left)), "survivors": left})
        for i, left in enumerate(survivors)
    ]
    return kw.ContractHistories.from_cohorts(pd.concat(rows), cohort="cohort")


def by_cohort(model, histories):
    cells = histories.cells(model)
    ready = model.prepared(cells)
    return ready, ready.aligned(cells), ready.groups(cells)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("histories", [triangle(4, renewals=9), of([[5], [3, 0], [1, 1, 1], [900, 20, 20]])])
def test_likelihoods_of_cohorts_add_up_to_that_of_the_model(name, histories):
    model, cells, groups = by_cohort(MODELS[name], histories)
    rng = np.random.default_rng(1)
    outer, own = rng.normal(size=(groups.outer, 50)), rng.normal(scale=2, size=(4, 2, 50))
    apart = sum(groups.log_likelihood(cohort, outer, own[cohort]) for cohort in range(4))
    np.testing.assert_allclose(apart, Target(model, cells).log_likelihood(groups.coordinates(outer, own)), rtol=1e-9)


@pytest.mark.parametrize("name", MODELS)
def test_long_lives_are_counted_by_their_tenures(name):
    long = pd.DataFrame(
        {"customer_id": range(4), "tenure": [5000, 5000, 1, 700], "ended": [0, 1, 1, 1], "of": [*"aabb"]}
    )
    model, cells, groups = by_cohort(MODELS[name], kw.ContractHistories.from_pandas(long, cohort="of"))
    outer, own = np.zeros((groups.outer, 3)), np.random.default_rng(2).normal(size=(2, 2, 3))
    apart = sum(groups.log_likelihood(cohort, outer, own[cohort]) for cohort in range(2))
    np.testing.assert_allclose(apart, Target(model, cells).log_likelihood(groups.coordinates(outer, own)), rtol=1e-10)


def test_rising_factorials_have_their_digits():
    # by mpmath: log Gamma(y + gamma) - log Gamma(y)
    mpmath = pytest.importorskip("mpmath")
    y, gamma = np.array([[1e-3], [0.7], [7.9], [8.1], [1e3], [1e9]]), np.array([1e-3, 0.5, 3.0, 200.0])
    with mpmath.workdps(40):
        pairs = [[(mpmath.mpf(a), mpmath.mpf(b)) for b in gamma.tolist()] for (a,) in y.tolist()]
        truth = [[float(mpmath.loggamma(a + b) - mpmath.loggamma(a)) for a, b in row] for row in pairs]
    np.testing.assert_allclose(log_rising(gamma, y), truth, rtol=1e-9, atol=1e-11)


def test_evidence_of_a_cohort_is_that_of_quadrature():
    """Both coordinates integrated out on a fine grid; estimates differ from it by chance alone."""
    _, _, groups = by_cohort(kw.ShiftedBetaGeometric(), of([[30, 22, 19], [4, 4]]))
    outer = np.array([-1.2, 0.9, np.log(0.6), np.log(0.4)])
    grid = np.stack(np.meshgrid(np.linspace(-6, 4, 1001), np.linspace(-3, 5, 801), indexing="ij")).reshape(2, -1)
    for cohort in range(2):
        density = np.exp(groups.log_likelihood(cohort, np.repeat(outer[:, None], grid.shape[1], axis=1), grid))
        density *= stats.norm.pdf(grid[0], -1.2, 0.6) * stats.norm.pdf(grid[1], 0.9, 0.4)
        truth, means = density.sum() * 1e-4, density @ grid[0] / density.sum()
        expansion = expanded(groups, cohort, outer)
        inner = inner_points(
            groups, cohort, expansion, np.repeat(outer[:, None], 4000, axis=1), np.random.default_rng(3)
        )
        ratio = np.exp(inner.log_evidence) / truth
        assert ratio.mean() == pytest.approx(1, abs=4 * ratio.std() / np.sqrt(4000))
        assert ratio.std() < 0.2
        drawn = inner.own[0]
        assert drawn.mean() == pytest.approx(means, abs=4 * drawn.std() / np.sqrt(4000))


def test_modes_are_found_from_afar():
    centre, precision = np.array([3.0, -2.0]), np.array([[4e6, 1e3], [1e3, 9.0]])

    def log_likelihood(_, own):
        y = own - centre[:, None, None]
        return -0.5 * np.einsum("ikp,ij,jkp->kp", y, precision, y)

    means, spreads = np.array([[0.0, 5.0], [0.0, 5.0]]), np.array([[1.0, 0.1], [1.0, 30.0]])
    found = climbed(log_likelihood, means, spreads, [means], near=1e-3)
    for i in range(2):
        total = precision + np.diag(spreads[:, i] ** -2)
        mode = np.linalg.solve(total, precision @ centre + means[:, i] / spreads[:, i] ** 2)
        np.testing.assert_allclose(found.centre[:, i], mode, atol=1e-4)
        root = found.root[:, :, i]
        np.testing.assert_allclose(root @ root.T, np.linalg.inv(total), rtol=1e-3)


@pytest.mark.parametrize("sure", [1.0, 1e8, 1e11])
def test_one_direction_may_be_as_sure_as_it_likes(sure):
    """A measurement of 0.6 x + 0.8 y with this precision; what it leaves free is known from the population."""
    means, spreads = np.zeros((2, 3)), np.array([[0.5, 1.0, 2.0], [0.01, 1.0, 1.5]])
    along = np.array([0.6, 0.8])[:, None]
    found = climbed(
        lambda _, own: -0.5 * sure * (along[:, None] * own).sum(axis=0) ** 2, means, spreads, [means], near=1e-3
    )
    variance = (along**2 * spreads**2).sum(axis=0)
    np.testing.assert_allclose(found.log_evidence, -0.5 * np.log1p(sure * variance), rtol=1e-3)
    covariance = np.einsum("ijp,kjp->ikp", found.root, found.root)
    across = np.array([0.8, -0.6])[:, None]  # its variance, given the measurement
    expected = (across**2 * spreads**2).sum(axis=0) - (across * along * spreads**2).sum(axis=0) ** 2 / (
        variance + 1 / sure
    )
    np.testing.assert_allclose(np.einsum("ip,ijp,jp->p", across, covariance, across), expected, rtol=1e-3)


@pytest.mark.parametrize("sure", [1e16, 1e28, 1e60, 1e150, 1e300])
def test_beyond_what_floating_point_numbers_tell_it_stays_a_proposal(sure):
    means, spreads = np.zeros((2, 3)), np.array([[0.5, 1.0, 2.0], [0.01, 1.0, 1.5]])
    found = climbed(lambda _, own: -0.5 * sure * (0.6 * own[0] + 0.8 * own[1]) ** 2, means, spreads, [means], near=1e-3)
    assert np.isfinite(found.log_evidence).all()
    deviations = np.sqrt((found.root**2).sum(axis=1))
    assert (deviations > 0).all()
    assert (deviations <= spreads * (1 + 1e-6)).all()


def test_the_nearest_matrix_has_no_negative_direction():
    rng = np.random.default_rng(4)
    some = rng.normal(size=(2, 2, 200))
    some = some + np.swapaxes(some, 0, 1)
    values, vectors = np.linalg.eigh(np.moveaxis(some, 2, 0))
    nearest = (vectors * np.maximum(values, 0)[:, None]) @ np.swapaxes(vectors, 1, 2)
    np.testing.assert_allclose(np.moveaxis(not_negative(some), 2, 0), nearest, atol=1e-12)
    diagonal = np.array([[[-1.0, 2.0], [0.0, 0.0]], [[0.0, 0.0], [3.0, -1.0]]])
    np.testing.assert_allclose(not_negative(diagonal)[0, 0], [0.0, 2.0])
    np.testing.assert_allclose(not_negative(diagonal)[1, 1], [3.0, 0.0])
    # where the smaller eigenvalue is lost beside the larger one
    steep = np.array([[[-248.0, 3.4e21, -2e3], [-3.7e10, 1.6e12, 1.0]], [[-3.7e10, 1.6e12, 1.0], [1e19, -2e3, 1e19]]])
    got = not_negative(steep)
    np.testing.assert_allclose(got[1, 1, [0, 2]], 1e19)
    np.testing.assert_allclose(got[0, 0, 1], 3.4e21)
    np.testing.assert_allclose(got[0, 1], steep[0, 1])
    np.testing.assert_allclose(got[0, 0, [0, 2]], [3.7e10**2 / 1e19, 1e-19])


EXTREMES: Any = {
    "one customer each": [[1, 1, 0], [1], [1, 1, 1, 1], [1, 0], [1, 1]] * 2,
    "no renewals": [[1000, 0]] * 6,
    "all renew": [[1000] * 4] * 6,
    "one period": [[1000, 900 - 10 * i] for i in range(6)],
    "nothing seen": [[1000]] * 4,
    "some all, some none": [[1000, 1000], [1000, 0]] * 3,
    "a million": [[1_000_000, 631_000, 468_000, 382_000], [40, 30, 25], [3, 3]],
}


@pytest.mark.every(3)
@pytest.mark.parametrize("extreme", EXTREMES)
def test_extreme_cohorts_give_finite_answers(extreme):
    method = kw.ImportanceSampling(draws=500, points=4096)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        posterior = kw.fit(kw.ShiftedBetaGeometric(), of(EXTREMES[extreme]), seed=1, method=method)
    assert posterior.diagnostics.ok, str(posterior.diagnostics)
    assert np.isfinite(posterior.parameters()[["mean", "sd"]]).all(axis=None)


def test_where_importance_sampling_fails_nuts_takes_over_and_says_so(monkeypatch):
    from kundenwert.inference import pymc

    def run_nuts(model, *_):
        assert model.anchors  # on coordinates that suit the data
        return pymc.Chains(np.full((len(model.quantities), 4, 10), 0.5), 1.001, 500.0, 0)

    monkeypatch.setattr("kundenwert.inference.pymc.run_nuts", run_nuts)
    monkeypatch.setattr("kundenwert.inference.grouped.smoothed", lambda log: (np.full(len(log), 1 / len(log)), 0.9))
    with pytest.warns(InferenceWarning, match=r"Pareto k .* is 0\.90.*NUTS took over"):
        posterior = kw.fit(kw.ShiftedBetaGeometric(), of([[10, 8, 7], [5, 4]]), seed=1)
    assert posterior.diagnostics.method == "NUTS"


def test_a_cohort_without_a_mean_weight_is_not_ok(monkeypatch):
    from kundenwert.inference.importance import smoothed

    def of_a_cohort(log_weights):  # which has many points at each of the population
        return smoothed(log_weights)[0], 0.1 if len(log_weights) < 5000 else 1.2

    monkeypatch.setattr("kundenwert.inference.grouped.smoothed", of_a_cohort)
    method = kw.ImportanceSampling(refits=0)
    diagnostics = kw.fit(kw.ShiftedBetaGeometric(), of([[10, 8, 7], [5, 4]]), seed=1, method=method).diagnostics
    assert not diagnostics.ok
    assert diagnostics.pareto_k == 1.2
    assert "at most 1.20 of a cohort's own (c00)" in str(diagnostics)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_the_posterior_is_that_of_nuts(name):
    """Means and standard deviations of all parameters, within four joint standard errors."""
    histories = triangle(5, contracts=300, renewals=8)
    ours: Any = kw.fit(MODELS[name], histories, seed=1, method=kw.ImportanceSampling(draws=4000))
    theirs: Any = kw.fit(MODELS[name], histories, seed=2, method=kw.NUTS(draws=1500, progress=False, longest=120))
    assert ours.diagnostics.ok
    mine, nuts = ours.parameters(), theirs.parameters()
    logs = {key: np.log(value) for key, value in ours.named_values().items()}
    others = {key: np.log(value) for key, value in theirs.named_values().items()}
    for key in mine.index:
        a, b = logs[key].ravel(), others[key].ravel()
        error = np.sqrt(a.var() / min(4000, mine.loc[key, "ess"]) + b.var() / nuts.loc[key, "ess"])
        assert abs(a.mean() - b.mean()) < 4 * error, key
        assert a.std() == pytest.approx(b.std(), rel=0.12), key
