"""Contracts: survival, churn, lifetimes and likelihoods against mpmath, for extreme populations and tenures."""

import csv
import itertools
import math

import mpmath as mp
import numpy as np
import pytest

import kundenwert as kw
from kundenwert.errors import InferenceError
from kundenwert.models.beta_discrete_weibull import WeibullContract
from kundenwert.models.core import NUMPY
from kundenwert.models.kernels.beta_survival import log_beta_ratio
from kundenwert.models.shifted_beta_geometric import GeometricContract
from tests.contracts import contracts, fixed
from tests.customers import log_likelihood
from tests.reference import make_contract as reference

GAMMAS, DELTAS, SHAPES, TENURES = (0.05, 0.7, 1.0, 30.0), (0.02, 1.2, 200.0), (0.05, 0.7, 1.0, 3.0), (0, 1, 12, 1000)
COHORT = np.zeros((1, 1), dtype=np.int64)


def table():
    with reference.TABLE.open() as file:
        return [(as_contract(row), row["renewals"]) for row in csv.DictReader(file)]


def as_contract(row):
    numbers = {name: float(row[name]) for name in ("gamma", "delta", "c", "rate")}
    return reference.Contract(**numbers, tenure=int(row["tenure"]), horizon=int(row["horizon"]))


ROWS = table()


def living(gamma, delta, c, tenure):
    """Active contracts according to each model that knows these parameters."""
    one = np.array([[float(tenure)]])
    yield kw.BetaDiscreteWeibull().living(tuple(np.array([v]) for v in (gamma, delta, c)), COHORT, one)
    if c == 1:
        yield kw.ShiftedBetaGeometric().living(tuple(np.array([v]) for v in (gamma, delta)), COHORT, one)


def test_the_reference_is_complete():
    assert [contract for contract, _ in ROWS] == reference.grid()


@pytest.mark.parametrize("position", [17, 145])
def test_the_reference_is_what_mpmath_gives(position):
    contract, renewals = ROWS[position]
    assert reference.value(contract) == renewals


def test_the_reference_is_the_hypergeometric_function():
    """Fader & Hardie (2010), eq. (10), times exp(-rate): the renewals as seen one interval before the first of them."""
    compared = 0
    for contract, renewals in ROWS:
        if contract.c == 1 and contract.horizon == 0 and contract.rate > 0:
            with mp.workdps(40):
                gamma, delta, v = (
                    mp.mpf(contract.gamma),
                    mp.mpf(contract.delta) + contract.tenure,
                    mp.exp(-contract.rate),
                )
                truth = v * delta / (gamma + delta) * mp.hyp2f1(1, delta + 1, gamma + delta + 1, v)
            assert float(truth) == pytest.approx(float(renewals), rel=1e-15)
            compared += 1
    assert compared > 20


@pytest.mark.parametrize("rate, horizon", sorted({(contract.rate, contract.horizon) for contract, _ in ROWS}))
def test_expected_renewals(rate, horizon):
    """The largest error in the table is 2e-12."""
    rows = [
        (contract, float(value)) for contract, value in ROWS if (contract.rate, contract.horizon) == (rate, horizon)
    ]
    gamma, delta, c, tenure, expected = (
        np.array(column)[:, None]
        for column in zip(*((o.gamma, o.delta, o.c, float(o.tenure), value) for o, value in rows), strict=True)
    )
    got = WeibullContract(gamma, delta, c, tenure).renewals(rate, horizon or math.inf)
    np.testing.assert_allclose(got, expected, rtol=1e-11)
    plain = c[:, 0] == 1
    assert plain.any()
    got = GeometricContract(gamma[plain], delta[plain] + tenure[plain]).renewals(rate, horizon or math.inf)
    np.testing.assert_allclose(got, expected[plain], rtol=1e-11)


@pytest.mark.parametrize("gamma", [1.0, 0.7, 0.05, 1 - 1e-12])
def test_lifetimes_may_be_infinite(gamma):
    assert all(one.renewals(0.0, math.inf)[0, 0] == math.inf for one in living(gamma, 3.0, 1.0, 5))
    assert next(living(gamma, 3.0, 0.9 / gamma, 5)).renewals(0.0, math.inf)[0, 0] == math.inf
    assert next(living(gamma, 3.0, 1.5 / gamma, 5)).renewals(0.0, math.inf)[0, 0] < math.inf


def test_lifetimes_of_very_slow_habits_are_finite_numbers():
    """It takes 10^130 renewals until t^0.1 is so large that S is a power of t."""
    (contract,) = living(12.0, 5.0, 0.1, 3)
    long = contract.renewals(0.0, 1e6)
    assert long[0, 0] < contract.renewals(0.0, math.inf)[0, 0] < math.inf


def test_no_renewals_within_nothing():
    for contract in living(0.7, 1.2, 1.0, 5):
        assert contract.renewals(0.1, 0)[0, 0] == 0
        assert contract.renewals(1e4, math.inf)[0, 0] == 0


def truths(gamma, delta, c, tenure, ahead):
    """Probability of being active and of having ended."""
    with mp.workdps(50):
        gamma, delta, c = map(mp.mpf, (gamma, delta, c))
        before, after = delta + mp.mpf(tenure) ** c, delta + mp.mpf(tenure + ahead) ** c
        ratio = mp.gammaprod([after, before + gamma], [before, after + gamma])
        return float(ratio), float(1 - ratio)


@pytest.mark.parametrize("c", SHAPES)
def test_survival_and_churn(c):
    for gamma, delta, tenure, ahead in itertools.product(GAMMAS, DELTAS, TENURES, (1, 5, 1000)):
        survival, churn = truths(gamma, delta, c, tenure, ahead)
        for contract in living(gamma, delta, c, tenure):
            assert contract.survival(ahead)[0, 0] == pytest.approx(survival, rel=1e-11, abs=1e-300)
            assert contract.churn(ahead)[0, 0] == pytest.approx(churn, rel=1e-11)
            assert contract.survival(0)[0, 0] == 1
            assert contract.churn(0)[0, 0] == 0


@pytest.mark.parametrize("step", [1e-6, 1e-3, 1.0, 1e4, 1e40, 1e300])
def test_ratios_of_beta_functions(step):
    for gamma, y in itertools.product((1e-3, 0.05, 2.0, 300.0), (1e-3, 0.02, 7.0, 8.0, 1e5)):
        with mp.workdps(340):
            g, z, h = mp.mpf(gamma), mp.mpf(y), mp.mpf(step)
            truth = float(mp.loggamma(z + h) - mp.loggamma(z) - mp.loggamma(z + h + g) + mp.loggamma(z + g))
        got = log_beta_ratio(np.float64(gamma), np.float64(y), np.float64(step), NUMPY)
        assert got == pytest.approx(truth, rel=1e-12), (gamma, y)


EXTREME = (1e-100, 1e-9, 2.0, 1e100)


def test_ratios_of_beta_functions_of_the_most_extreme_parameters():
    for gamma, y, step in itertools.product(EXTREME, EXTREME, (1e-9, 0.3, 7.0, 1e130)):
        with mp.workdps(500):
            g, z, h = mp.mpf(gamma), mp.mpf(y), mp.mpf(step)
            truth = float(mp.loggamma(z + h) - mp.loggamma(z) - mp.loggamma(z + h + g) + mp.loggamma(z + g))
        got = log_beta_ratio(np.float64(gamma), np.float64(y), np.float64(step), NUMPY)
        assert got == pytest.approx(truth, rel=1e-12, abs=1e-200), (gamma, y, step)


@pytest.mark.parametrize("c", [1e-100, 0.3, 1.0, 40.0])
@pytest.mark.parametrize("tenure", [0, 3])
def test_the_most_extreme_parameters(c, tenure):
    """Ratios of gamma functions to 400 digits; the sum that is discounted so much has few terms."""
    for gamma, delta in itertools.product(EXTREME, EXTREME):
        with mp.workdps(400):
            g, d, shape = mp.mpf(gamma), mp.mpf(delta), mp.mpf(c)
            powers = [mp.mpf(t) ** shape if t else mp.mpf(0) for t in range(tenure, tenure + 5)]
            ratios = [mp.loggamma(d + p) - mp.loggamma(d + p + g) for p in powers]
            active = [mp.exp(ratio - ratios[0]) for ratio in ratios]
            churn, discounted = 1 - active[2], sum(mp.exp(-9 * j) * active[j] for j in range(1, 5))
        for contract in living(gamma, delta, c, tenure):
            at = (gamma, delta, contract)
            assert contract.survival(2)[0, 0] == pytest.approx(float(active[2]), rel=1e-11, abs=1e-290), at
            assert contract.churn(2)[0, 0] == pytest.approx(float(churn), rel=1e-11, abs=1e-290), at
            assert contract.renewals(9.0, math.inf)[0, 0] == pytest.approx(float(discounted), rel=1e-11, abs=1e-290), at
            if c == 1:
                forever = (delta + tenure) / (gamma - 1) if gamma > 1 else math.inf
                assert contract.renewals(0.0, math.inf)[0, 0] == pytest.approx(forever, rel=1e-11), at


def test_contracts_that_end_nearly_all_at_once():
    """The larger the shape c, the steeper survival falls: sums against plain ones."""
    j = np.arange(1.0, 3001)
    for gamma, delta, c in itertools.product((0.7, 50.0), (1e20, 1e100), (5.0, 15.0, 40.0)):
        one, other = (WeibullContract(*(np.full(shape, v) for v in (gamma, delta, c, 10.0))) for shape in [1, (1, 1)])
        plain = np.sum(one.survival(j) * np.exp(-0.01 * j))  # type: ignore[arg-type]
        assert other.renewals(0.01, 3000)[0, 0] == pytest.approx(plain, rel=1e-12), (gamma, delta, c)


def test_contracts_of_many_renewals():
    """A contract renewed 2^53 times, and powers of that beyond floating-point numbers."""
    tenure = 2.0**53
    for contract in living(0.7, 1.2, 1.0, tenure):
        assert contract.churn(12)[0, 0] == pytest.approx(0.7 * 12 / tenure, rel=1e-12)
    (contract,) = living(0.7, 1.2, 40.0, tenure)
    assert contract.churn(12)[0, 0] == pytest.approx(0.7 * 40 * 12 / tenure, rel=1e-12)
    active, ended = log_likelihood(fixed(0.7, 1.2, 40.0), contracts([2**52, 2**52], [0, 1]))
    assert active == pytest.approx(-0.7 * 40 * 52 * math.log(2) + math.lgamma(1.9) - math.lgamma(1.2), rel=1e-12)
    assert ended - active == pytest.approx(math.log(0.7 * 40 / 2**52), rel=1e-12)


def test_lifetimes_without_a_number_are_no_number():
    """Survival falls after 10^340 renewals or so: more than a floating-point number can tell."""
    (contract,) = living(50.0, 1e20, 0.05, 0)
    assert math.isnan(contract.renewals(0.0, math.inf)[0, 0])
    with pytest.raises(InferenceError, match="too extreme for its formula"):
        fixed(50.0, 1e20, 0.05).expected_residual_lifetime(contracts([0], [0]))


@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("delta", DELTAS)
@pytest.mark.parametrize("c", [None, *SHAPES])
def test_likelihoods(gamma, delta, c):
    """Fader & Hardie (2007), eq. (5) and (6): S(t) for active contracts, S(t) - S(t + 1) for ended ones."""
    histories = contracts([*TENURES, *TENURES], [0] * 4 + [1] * 4)
    expected = []
    for tenure, ended in zip(histories.tenure, histories.ended, strict=True):
        with mp.workdps(50):
            now, later = (survival(gamma, delta, 1.0 if c is None else c, t) for t in (tenure, tenure + 1))
            expected.append(float(mp.log(now - later if ended else now)))
    np.testing.assert_allclose(log_likelihood(fixed(gamma, delta, c), histories), expected, rtol=1e-11, atol=1e-12)


def survival(gamma, delta, c, tenure):
    gamma, delta = mp.mpf(gamma), mp.mpf(delta)
    return mp.beta(gamma, delta + mp.mpf(int(tenure)) ** mp.mpf(c)) / mp.beta(gamma, delta)
