"""BG/CNBD-k and MBG/CNBD-k: published estimates, sums written out, and customers simulated stage by stage."""

import json
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import mpmath as mp
import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import betainc, betaln, gammaln

import kundenwert as kw
from kundenwert.errors import MissingInformationError, SpecificationError
from kundenwert.models.core import NUMPY, history_of
from tests import cdnow
from tests.customers import histories_of, log_likelihood

RUNS = json.loads((Path(__file__).parents[1] / "reference" / "cdnow_regular.json").read_text())["runs"]
POPULATION = {"r": 0.9, "alpha": 3.0, "a": 0.8, "b": 2.4}
T, HORIZON, SIZE = 40.0, 60.0, 200_000
MODELS: Any = (kw.BGCNBD, kw.MBGCNBD)
X, T_X, END = np.array([0, 0, 1, 1, 4, 30, 700]), np.array([0, 0, 12.0, 270, 100, 269, 260]), 270.0


def named(run):
    return f"{run['model']}({run['k']})"


def posterior_of(model, unit: Any = "day", **parameters):
    return kw.fixed(model.Parameters(**parameters, unit=unit))


def published(run):
    return posterior_of(getattr(kw, run["model"]), "week", k=run["k"], **run["parameters"])


def p_states(posterior, histories):
    columns: Any = {
        "x": histories.frequency.astype(float),
        "t_x": histories.recency,
        "T": histories.T,
    }
    return posterior.model.p_states(posterior.theta, history_of(columns), NUMPY)[:, :, 0]


def purchases_written_out(k, r, alpha, a, b, x, t_x, T, horizon, *, first):
    """Sum over phases of P(alive, phase) times the sum over purchases m of P(offered until then) E(1-p)^(m-1)."""
    n, b = r + k * x, b + x + first
    terms = [math.exp(gammaln(n + j) - gammaln(n) - gammaln(j + 1)) * ((T - t_x) / (alpha + T)) ** j for j in range(k)]
    gone = 0.0 if x + first == 0 else a / (b - 1) * ((alpha + T) / (alpha + t_x)) ** n
    m = np.arange(1, 2000)
    stayed = np.exp(betaln(a, b + m - 1) - betaln(a, b))
    share = horizon / (alpha + T + horizon)
    return sum(w / (sum(terms) + gone) * (stayed @ betainc(m * k - j, n + j, share)) for j, w in enumerate(terms))


@pytest.mark.parametrize("run", RUNS, ids=named)
def test_likelihood_and_p_alive_of_another_implementation(run):
    posterior, histories = published(run), cdnow.histories()
    assert log_likelihood(posterior, histories).sum() == pytest.approx(run["log_likelihood"], abs=1e-8)
    p_alive = posterior.p_alive(histories)["mean"]
    assert p_alive.sum() == pytest.approx(run["sum_p_alive"], rel=1e-11)
    theirs = {int(customer): values[0] for customer, values in run["customers"].items()}
    assert p_alive[list(theirs)].to_numpy() == pytest.approx(list(theirs.values()), rel=1e-11)


@pytest.mark.parametrize("run", RUNS, ids=named)
def test_expected_purchases_are_exact_where_another_implementation_approximates(run):
    posterior, histories = published(run), cdnow.histories()
    expected = posterior.expected_purchases(histories, horizon=kw.weeks(39))["mean"]
    theirs = {int(customer): values[1] for customer, values in run["customers"].items()}
    if run["k"] == 1:
        assert expected[list(theirs)].to_numpy() == pytest.approx(list(theirs.values()), rel=1e-7)
        return
    first = int(run["model"] == "MBGCNBD")
    frame = histories.to_pandas().set_index("customer_id").loc[list(theirs)]
    exact = [
        purchases_written_out(run["k"], **run["parameters"], x=x, t_x=t_x, T=end, horizon=39.0, first=first)
        for x, t_x, end in frame[["frequency", "recency", "T"]].itertuples(index=False)
    ]
    assert expected[list(theirs)].to_numpy() == pytest.approx(exact, rel=1e-10)
    assert max(abs(np.array(exact) - list(theirs.values()))) > 0.1
    # 1340.8 by the approximation
    assert expected.sum() == pytest.approx(1350.1514, abs=1e-4)


def test_maximum_likelihood_of_another_implementation():
    run = next(run for run in RUNS if run["k"] == 2)
    flat = kw.Flat()
    model = kw.MBGCNBD(k=2, mean_rate=flat, shape=flat, mean_dropout=flat, concentration=flat)
    fitted = kw.fit(model, cdnow.histories(), method=kw.MAP())
    # the optimum is flat: theirs is 4e-7 lower
    assert np.ravel(fitted.values) == pytest.approx(list(run["parameters"].values()), abs=3e-4)
    assert log_likelihood(fitted, cdnow.histories()).sum() > run["log_likelihood"]
    assert fitted.diagnostics.notes == ("Log-likelihood at the mode: -9853.25.",)


@pytest.mark.parametrize("model, first", [(kw.BGCNBD, 0), (kw.MBGCNBD, 1)])
@pytest.mark.parametrize("k", [2, 5])
@pytest.mark.parametrize("r, alpha, a, b", [(0.25, 4.4, 0.8, 2.4), (3.0, 200.0, 1.0, 0.02), (0.05, 0.5, 30.0, 200.0)])
def test_likelihood_and_states_against_mpmath(model, first, k, r, alpha, a, b):
    posterior = posterior_of(model, k=k, r=r, alpha=alpha, a=a, b=b)
    histories = histories_of(X, T_X, END)
    columns: Any = {"x": X.astype(float), "t_x": T_X, "T": np.full(len(X), END)}
    ours = posterior.model.log_likelihood(posterior.theta, history_of(columns), NUMPY)[:, 0]
    states = p_states(posterior, histories)
    with mp.workdps(50):
        for i, (x, t_x) in enumerate(zip(X.tolist(), T_X, strict=True)):
            n, chances = mp.mpf(r) + k * x, x + first
            rate = mp.mpf(alpha) ** r / mp.gamma(r)
            stayed = mp.beta(a, mp.mpf(b) + chances) / mp.beta(a, b)
            gap, age = mp.mpf(END - t_x), mp.mpf(alpha) + END
            phases = [rate * stayed * mp.gamma(n + j) * gap**j / mp.factorial(j) * age ** -(n + j) for j in range(k)]
            left = mp.beta(mp.mpf(a) + 1, mp.mpf(b) + chances - 1) / mp.beta(a, b) if chances else 0
            gone = rate * left * mp.gamma(n) * (mp.mpf(alpha) + t_x) ** -n
            total = mp.fsum(phases) + gone
            assert ours[i] == pytest.approx(float(mp.log(total)), rel=1e-11)
            assert states[:, i] == pytest.approx([float(phase / total) for phase in phases], rel=1e-10)


@pytest.mark.parametrize("condensed, plain", [(kw.BGCNBD, kw.BGNBD), (kw.MBGCNBD, kw.MBGNBD)])
def test_one_stage_is_random_buying_to_the_last_digit(condensed, plain):
    one, other = posterior_of(condensed, k=1, **POPULATION), posterior_of(plain, **POPULATION)
    histories = histories_of(X, T_X, END)
    np.testing.assert_array_equal(log_likelihood(one, histories), log_likelihood(other, histories))
    np.testing.assert_array_equal(p_states(one, histories), p_states(other, histories))
    ours, theirs = (p.expected_purchases(histories, horizon=kw.days(90)) for p in (one, other))
    pd.testing.assert_frame_equal(ours, theirs, check_exact=True)


def test_the_constant_is_that_of_the_density_of_gaps():
    """The likelihood with its constant is the integral over rates of Erlang densities, times the chances to stay."""
    times = pd.to_datetime(["2020-01-01", "2020-01-04", "2020-01-05", "2020-01-12", "2020-01-31"])
    log = pd.DataFrame({"customer": ["c"] * 4 + ["d"], "time": times})
    histories = kw.summarize(log, customer="customer", time="time", unit="day", until="2020-01-31")
    k, gaps, silent = 3, [3.0, 1.0, 7.0], 19.0
    posterior = posterior_of(kw.MBGCNBD, k=k, **POPULATION)
    rates = stats.gamma(POPULATION["r"], scale=1 / POPULATION["alpha"])
    dropout = stats.beta(POPULATION["a"], POPULATION["b"])

    stay, leave = dropout.expect(lambda p: (1 - p) ** 4), dropout.expect(lambda p: (1 - p) ** 3 * p)

    def given(rate):
        density = np.prod([stats.gamma.pdf(gap, k, scale=1 / rate) for gap in gaps], axis=0)
        return density * (stay * stats.gamma.sf(silent, k, scale=1 / rate) + leave)

    nodes = np.linspace(-12, 4, 801)
    rate = np.exp(nodes)
    expected = math.log(np.sum(given(rate) * rates.pdf(rate) * rate) * (nodes[1] - nodes[0]))
    assert log_likelihood(posterior, histories)[0] == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("model", MODELS)
def test_another_unit_changes_densities_by_one_factor_a_gap(model):
    days, weeks = cdnow.histories().in_unit("day"), cdnow.histories()
    parameters = {"k": 3, "r": 0.5, "a": 1.2, "b": 1.8}
    in_days = log_likelihood(posterior_of(model, "day", alpha=7.0, **parameters), days)
    in_weeks = log_likelihood(posterior_of(model, "week", alpha=1.0, **parameters), weeks)
    np.testing.assert_allclose(in_weeks - in_days, weeks.frequency * math.log(7), atol=1e-9)


@pytest.mark.parametrize("model", MODELS)
def test_single_gaps_are_needed_to_compare_but_not_to_predict(model):
    table = histories_of([0, 2], [0, 20], 38)
    posterior = kw.fit(model(k=2), table, seed=1, method=kw.ImportanceSampling(draws=128, points=2048))
    assert posterior.expected_purchases(table, horizon=kw.days(7)).gt(0).all(axis=None)
    with pytest.raises(MissingInformationError, match=r"density of the single gaps.*kundenwert\.summarize"):
        posterior.to_datatree(table)
    assert log_likelihood(posterior_of(model, k=1, **POPULATION), table).shape == (2,)
    assert log_likelihood(posterior_of(model, k=2, **POPULATION), table.take([0])).shape == (1,)
    mode = kw.fit(model(k=2), table, method=kw.MAP())
    assert mode.diagnostics.notes[0].startswith("Log-likelihood at the mode, but for a constant that")


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("k", [0, -1, 2.0, 1.5, True, "2", None], ids=repr)
def test_stages_are_counted(model, k):
    with pytest.raises(SpecificationError, match=f"{model.__name__}: k, .* must be a positive whole number, got"):
        model(k=k)
    with pytest.raises(SpecificationError, match=r"Parameters: k, .* must be a positive whole number, got"):
        model.Parameters(k=k, **POPULATION, unit="day")


@pytest.mark.parametrize("model", MODELS)
def test_priors_mean_the_same_for_every_k(model):
    for k in (1, 2, 7):
        theta = model(k=k).parameters_of([np.array(v) for v in (3.0, 0.5, 0.3, 4.0)], "week")
        assert theta.r / (k * theta.alpha) * 365.25 / 7 == pytest.approx(3.0)
        assert model(k=k).quantities_of(theta, "week") == pytest.approx((3.0, 0.5, 0.3, 4.0))


def test_k_is_saved(tmp_path):
    posterior = posterior_of(kw.BGCNBD, k=4, **POPULATION)
    posterior.save(tmp_path / "p.nc")
    again: Any = kw.load(tmp_path / "p.nc")
    assert again.model == posterior.model == kw.BGCNBD(k=4)


@pytest.fixture(scope="module", params=[(kw.BGCNBD, 0, 2), (kw.MBGCNBD, 1, 3)], ids=["BGCNBD(2)", "MBGCNBD(3)"])
def lives(request):
    """Posterior, histories at T, phases at T (-1 if gone) and purchases after T, from lives simulated by stages."""
    model, first, k = request.param
    rng = np.random.default_rng(1)
    rate = rng.gamma(POPULATION["r"], 1 / POPULATION["alpha"], SIZE)
    p = rng.beta(POPULATION["a"], POPULATION["b"], SIZE)
    x, t_x, phase = np.zeros(SIZE, dtype=int), np.zeros(SIZE), np.zeros(SIZE, dtype=int)
    customers, times = [], []
    who = np.flatnonzero(rng.random(SIZE) >= p) if first else np.arange(SIZE)
    phase[np.setdiff1d(np.arange(SIZE), who)] = -1
    time, stage = np.zeros(len(who)), np.zeros(len(who), dtype=int)
    while len(who):
        time += rng.exponential(size=len(who)) / rate[who]
        stage = (stage + 1) % k
        leaves = (stage == 0) & (rng.random(len(who)) < p[who])
        bought, before = stage == 0, time <= T
        x[who[bought & before]] += 1
        t_x[who[bought & before]] = time[bought & before]
        phase[who[before]] = np.where(leaves, -1, stage)[before]
        customers.append(who[bought & ~before])
        times.append(time[bought & ~before])
        goes_on = ~leaves & (time <= T + HORIZON)
        who, time, stage = who[goes_on], time[goes_on], stage[goes_on]
    posterior = posterior_of(model, k=k, **POPULATION)
    return posterior, histories_of(x, t_x, T), phase, (np.concatenate(customers), np.concatenate(times) - T)


def groups(histories):
    """Customers by frequency and by whether they bought lately."""
    for x in (0, 1, 2, 4):
        for late in (False, True):
            group = (histories.frequency == x) & ((histories.recency > 0.6 * T) == late)
            if group.sum() > 500:
                yield group


def assert_averages(difference, sd):
    assert abs(difference.mean()) < 4 * sd / math.sqrt(len(difference))


def test_phases_of_simulated_customers(lives):
    posterior, histories, phase, _ = lives
    states = p_states(posterior, histories)
    for group in groups(histories):
        for j, p in enumerate(states):
            assert_averages((phase[group] == j) - p[group], np.sqrt((p[group] * (1 - p[group])).mean()) + 1e-9)


def test_futures_of_simulated_customers(lives):
    posterior, histories, _, (customer, later) = lives

    def count(begin, end, weight=None):
        seen = (later > begin) & (later <= end)
        return np.bincount(customer[seen], None if weight is None else weight(later[seen]), minlength=SIZE)

    rate = 5.0
    delta = math.log1p(rate) / 365.25
    days = kw.days(HORIZON)
    counts = posterior.purchase_distribution(histories, horizon=days, up_to=2)
    predictions = [
        (posterior.expected_purchases(histories, horizon=days)["mean"], count(0, HORIZON)),
        (posterior.expected_purchases(histories, horizon=kw.days(20), start=kw.days(30))["mean"], count(30, 50)),
        (posterior.return_probability(histories, horizon=kw.days(9))["mean"], count(0, 9) > 0),
        (
            posterior.discounted_purchases(histories, annual_discount_rate=rate, horizon=days)["mean"],
            count(0, HORIZON, lambda u: np.exp(-delta * u)),
        ),
        (counts[0], count(0, HORIZON) == 0),
        (counts[2], count(0, HORIZON) == 2),
    ]
    for group in groups(histories):
        for table, actual in predictions:
            difference = actual[group] - table.to_numpy()[group]
            assert_averages(difference, difference.std())


@pytest.mark.parametrize("model, k", [(kw.BGCNBD, 3), (kw.MBGCNBD, 2)])
def test_frequency_and_recency_of_the_simulator_follow_the_likelihood(model, k):
    """Gaps that add up to t have the density t^(k x-1) Gamma(k)^x/Gamma(k x) times that of single ones at 1."""
    posterior = posterior_of(model, k=k, **POPULATION)
    theta = posterior.model.named([value[0] for value in posterior.theta])
    bought = posterior.model.simulate(theta, np.full(SIZE, T), np.random.default_rng(2))
    x, t_x = np.bincount(bought.customer, minlength=SIZE), np.zeros(SIZE)
    np.maximum.at(t_x, bought.customer, bought.time)

    def density(x, t_x):
        columns: Any = {"x": np.full(len(t_x), float(x)), "t_x": t_x, "T": np.full(len(t_x), T)}
        return np.exp(posterior.model.log_likelihood(posterior.theta, history_of(columns), NUMPY)[:, 0])

    nodes, weights = np.polynomial.legendre.leggauss(30)
    cells = [((x == 0).sum(), density(0, np.zeros(1))[0])]
    for n in range(1, 6):
        for low, high in pairwise(np.linspace(0, T, 7)):
            t = low + (high - low) * 0.5 * (nodes + 1)
            inside = (x == n) & (t_x > low) & (t_x <= high)
            law = density(n, t) * np.exp((k * n - 1) * np.log(t) - gammaln(k * n))
            cells.append((inside.sum(), 0.5 * (high - low) * weights @ law))
    observed, expected = np.array(cells).T * np.array([[1], [SIZE]])
    assert stats.chisquare([*observed, SIZE - observed.sum()], [*expected, SIZE - expected.sum()]).pvalue > 1e-4


def test_a_regular_customer_who_misses_two_purchases_is_gone():
    """Random buyers who fall silent for three mean gaps may return; the more regular, the less."""
    histories = histories_of([10], [100.0], [130.0])
    returns = [
        posterior_of(kw.MBGCNBD, k=k, r=2.0, alpha=20.0 / k, a=1.0, b=9.0)
        .return_probability(histories, horizon=kw.days(30))["mean"]
        .iloc[0]
        for k in (1, 2, 4, 8)
    ]
    assert np.all(np.diff(returns) < 0)
    assert returns[0] > 0.3
    assert returns[-1] < 0.01
