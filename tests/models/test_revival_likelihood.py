"""The likelihood of customers who may return: against sums without quadrature, on ordinary and hostile histories."""

from math import comb
from typing import Any

import numpy as np
import pytest
from scipy.special import betaln, gammaln, logsumexp, xlogy

import kundenwert as kw
from kundenwert.models.core import NUMPY, history_of
from tests import cdnow
from tests.revivals import PER_WEEK, joint_with_states, with_gaps

PARAMETERS = [
    (0.525, 6.183, 0.891, 1.614, 0.3, 0.05),
    (0.05, 0.3, 0.1, 0.4, 0.5, 1.0),
    (30.0, 60.0, 3.0, 5.0, 0.9, 0.01),  # all buy at about the same rate
    (400.0, 20.0, 1.0, 3.0, 0.2, 5.0),
    (0.3, 1e-2, 0.05, 0.05, 1.0, 1e-3),  # nobody ever leaves for good
    (2.0, 1e3, 20.0, 300.0, 1e-6, 0.3),
    (1e5, 1e5, 10.0, 10.0, 0.5, 0.1),
    (1.3e5, 65537.0, 10.0, 10.0, 0.5, 0.1),  # all alike, at the edge of what shares nodes
    (0.01, 5.0, 0.7, 3.0, 0.0, 2.0),  # nobody ever comes back
]
RANDOM = np.random.default_rng(1)
HISTORIES: list[tuple[list[tuple[float, int]], float]] = [
    ([], 0.0),
    ([], 3.0),
    ([], 1000.0),
    ([(1.0, 1)], 0.0),
    ([(1e-3, 1)], 50.0),
    ([(200.0, 1)], 0.01),
    ([(1.0, 3), (50.0, 2)], 10.0),
    ([(0.01, 2), (1.0, 2), (100.0, 2)], 500.0),
    ([(gap, 1) for gap in 10.0 ** RANDOM.uniform(-3, 3, 6)], 30.0),
    ([(2.0, 60)], 2.0),
    ([(0.01, 39), (900.0, 1)], 5.0),
]
MANY_GAPS: list[tuple[list[tuple[float, int]], float]] = [
    ([(1.0, 500)], 1.0),
    ([(1.0, 500)], 300.0),
    ([(0.01, 499), (900.0, 1)], 5.0),
    ([(0.5, 250), (7.0, 30)], 20.0),
]
STATED = 1e-9


def theta_of(model, parameters):
    return model.named(list(np.array(parameters, dtype=np.float64).T))


def check(k, cases, sets_of_parameters):
    """Likelihood and states of these histories are the sums over all choices of active gaps."""
    model = kw.RevivalNBD(k=k)
    gaps = [np.concatenate([np.full(count, gap) for gap, count in kinds] or [np.zeros(0)]) for kinds, _ in cases]
    histories = with_gaps(gaps, [silence for _, silence in cases])
    cells = histories.cells(model)
    theta, h = theta_of(model, sets_of_parameters), history_of(cells)
    with np.errstate(divide="ignore"):
        log_likelihood = model.log_likelihood(theta, h, NUMPY)[cells.index]
    states = model.p_states(theta, h, NUMPY)[:, cells.index]
    for row, ((kinds, _), customer) in enumerate(zip(cases, gaps, strict=True)):
        hours = histories.gaps.take(np.array([row])).values / PER_WEEK  # as rounded
        each = [(float(hours[list(customer).index(gap)]), count) for gap, count in kinds]
        for draw, parameters in enumerate(sets_of_parameters):
            exact = joint_with_states(parameters, k, each, histories.T[row] - histories.recency[row])
            total = logsumexp(exact)
            assert log_likelihood[row, draw] == pytest.approx(total, rel=1e-12, abs=STATED), (kinds, parameters)
            shares = np.exp(exact[:-1] - total)
            assert states[:, row, draw] == pytest.approx(shares, abs=STATED), (kinds, parameters)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_likelihood_and_states_are_the_sums_over_all_choices(k):
    check(k, HISTORIES, PARAMETERS)


def test_likelihood_of_customers_with_500_gaps():
    check(1, MANY_GAPS, PARAMETERS[:1])


@pytest.mark.slow
@pytest.mark.parametrize("k", [1, 2, 8])
def test_likelihood_of_customers_with_500_gaps_under_hostile_parameters(k):
    check(k, MANY_GAPS, PARAMETERS)


@pytest.mark.slow
def test_likelihood_of_1500_gaps_of_which_most_choices_are_nothing():
    """Neither the coefficients nor the probabilities of so many lapses are floating-point numbers."""
    check(1, [([(1.0, 1500)], 3.0)], [(2.0, 2.0, 100.0, 100.0, 0.5, 0.5)])


@pytest.mark.parametrize("k", [1, 3])
def test_without_dormancy_it_is_the_model_of_permanent_death(k):
    """MBG/NBD and MBG/CNBD-k: likelihood, but for what that leaves out, and P(alive)."""
    model: Any = kw.RevivalNBD(k=k)
    plain: Any = kw.MBGCNBD(k=k)
    histories = cdnow.histories()
    rng = np.random.default_rng(2)
    r, alpha, a, b = np.exp(rng.normal(size=(4, 8)) + np.log([[0.5], [6.0], [0.9], [1.6]]))
    nobody = np.zeros(8)
    h, plain_h = history_of(cells := histories.cells(model)), history_of(plain_cells := histories.cells(plain))
    found = model.log_likelihood(model.named([r, alpha, a, b, nobody, nobody + 0.1]), h, NUMPY)[cells.index]
    expected = plain.log_likelihood(plain.named([r, alpha, a, b]), plain_h, NUMPY)[plain_cells.index]
    expected = expected + plain.log_constant(histories)[:, None]
    np.testing.assert_allclose(found, expected, atol=STATED)
    alive = model.p_states(model.named([r, alpha, a, b, nobody, nobody + 0.1]), h, NUMPY).sum(axis=0)[cells.index]
    died = plain.p_states(plain.named([r, alpha, a, b]), plain_h, NUMPY).sum(axis=0)[plain_cells.index]
    np.testing.assert_allclose(alive, died, atol=STATED)


def test_published_likelihood_of_mbgnbd():
    posterior = kw.fixed(
        kw.RevivalNBD.Parameters(r=0.52484, alpha=6.18309, a=0.89136, b=1.61400, omega=0.0, eta=0.1, unit="week")
    )
    tree: Any = posterior.to_datatree(cdnow.histories())
    assert float(tree["log_likelihood"]["RevivalNBD"].sum()) == pytest.approx(-9582.136, abs=1e-3)


def test_what_is_so_unlikely_that_nothing_is_left_of_it_has_a_likelihood():
    """499 gaps of 100 minutes, and one of 17 years, of customers who return within a week if at all."""
    model = kw.RevivalNBD()
    cells = with_gaps([[0.01] * 499 + [900.0]], 5.0).cells(model)
    (value,) = model.log_likelihood(theta_of(model, [(0.05, 0.3, 0.1, 0.4, 0.5, 1.0)]), history_of(cells), NUMPY)[0]
    assert np.isfinite(value)


def by_quadrature(theta, k, x, t, silence):
    """Log density of recency jointly with the state, over that of any gaps: the dormant share of t by quadrature."""
    r, alpha, a, b, omega, eta = theta
    y = np.linspace(-45, 45, 2001)
    log_u, log_v = -np.logaddexp(0, -y), -np.logaddexp(0, y)
    found = np.full(k + 2, -np.inf)
    for m in range(x + 1):
        n = k * (x - m)
        log_ways = np.log(comb(x, m)) + m * np.log(omega * eta) - betaln(a, b)

        def of_total(j, silent, m=m, n=n, log_ways=log_ways):
            def rate(share):
                log_time = np.log(alpha + t * (1 - share) + silent)
                return gammaln(r + n + j) - gammaln(r) + r * np.log(alpha) - (r + n + j) * log_time

            if x == 0:
                return log_ways + rate(0)
            if m == 0:
                return log_ways + (n - x) * np.log(t) + gammaln(x) - gammaln(n) + rate(0)
            if m == x:
                return log_ways - eta * t + rate(1)
            terms = m * log_u + n * log_v - eta * t * np.exp(log_u) + rate(np.exp(log_u))
            constant = (n + m - x) * np.log(t) + gammaln(x) - gammaln(n) - gammaln(m)
            return log_ways + constant + logsumexp(terms) + np.log(y[1] - y[0])

        stay, lapse = (betaln(a + m + one, b + x - m + 1 - one) for one in (0, 1))
        for j in range(k):
            found[j] = np.logaddexp(found[j], stay + xlogy(j, silence) - gammaln(j + 1) + of_total(j, silence))
        lapsed = lapse + of_total(0, 0.0)
        found[k] = np.logaddexp(found[k], lapsed + np.log(omega) - eta * silence)
        found[k + 1] = np.logaddexp(found[k + 1], lapsed + np.log1p(-omega))
    return found


@pytest.mark.parametrize("k", [1, 2])
def test_likelihood_of_frequency_and_recency_alone(k):
    model = kw.RevivalNBD(k=k, gaps=False)
    x, t_x, silence = np.array([(0, 0, 3.0), (1, 5.0, 0.0), (1, 0.01, 50.0), (2, 500.0, 1.0), (4, 30.0, 270.0)]).T
    h = history_of({"x": x, "t_x": t_x, "T": t_x + silence})
    parameters = [PARAMETERS[i] for i in (0, 1, 2, 5)]
    log_likelihood = model.log_likelihood(theta_of(model, parameters), h, NUMPY)
    states = model.p_states(theta_of(model, parameters), h, NUMPY)
    for row in range(len(x)):
        for draw, theta in enumerate(parameters):
            exact = by_quadrature(theta, k, int(x[row]), t_x[row], silence[row])
            total = logsumexp(exact)
            assert log_likelihood[row, draw] == pytest.approx(total, rel=1e-12, abs=STATED)
            assert states[:, row, draw] == pytest.approx(np.exp(exact[:-1] - total), abs=STATED)


def test_one_gap_is_as_good_as_recency():
    """Who came back once has one gap: both likelihoods say the same."""
    histories = with_gaps([[3.0], [], [20.0]], [5.0, 5.0, 0.0])
    theta = PARAMETERS[:4]
    found: list[Any] = []
    for model in (kw.RevivalNBD(k=2), kw.RevivalNBD(k=2, gaps=False)):
        cells = histories.cells(model)
        found.append(model.log_likelihood(theta_of(model, theta), history_of(cells), NUMPY)[cells.index])
    np.testing.assert_allclose(found[0], found[1], atol=STATED)
