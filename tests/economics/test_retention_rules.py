"""Service by rules that depend on what customers do: along single futures, on average, per draw, and at the limits."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq

import kundenwert as kw
from kundenwert.economics.cutoffs import Cutoffs
from kundenwert.economics.futures import Service
from kundenwert.economics.serving import serving_time
from kundenwert.economics.timeline import Timeline
from kundenwert.errors import DurationError, InfiniteValueError, MissingInformationError
from tests import cdnow
from tests.customers import histories_of, with_draws

WEEKS = 365.25 / 7
DELTA = math.log(1.1)
SHOP = kw.Economics(margin=0.3, annual_discount_rate=0.1)
FREE = kw.KnownAmount(0.0)
POSTERIORS: dict[str, Any] = {
    "BGNBD": kw.fixed(kw.BGNBD.Parameters(r=0.243, alpha=4.414, a=0.793, b=2.426, unit="week")),
    "MBGNBD": kw.fixed(kw.MBGNBD.Parameters(r=0.5, alpha=6.0, a=0.9, b=1.6, unit="week")),
    "ParetoNBD": kw.fixed(kw.ParetoNBD.Parameters(r=0.553, alpha=10.58, s=0.606, beta=11.67, unit="week")),
    "GGompNBD": kw.fixed(kw.GGompNBD.Parameters(r=0.553, alpha=10.58, b=0.0002, s=0.603, beta=0.0026, unit="week")),
    "MBGCNBD": kw.fixed(kw.MBGCNBD.Parameters(r=1.0, alpha=4.0, a=0.9, b=1.6, k=2, unit="week")),
}
MBG = POSTERIORS["MBGNBD"]
ALIVE = kw.WhilePAliveAbove(0.3)
RETURNS = kw.WhileReturnProbabilityAbove(threshold=0.3, horizon=kw.weeks(26))
FIVE = histories_of([0, 0, 1, 4, 15], [0, 0, 20, 22, 38], [0, 30, 30, 39, 39], unit="week")
DONORS = kw.fixed(kw.BGBB.Parameters(alpha=1.2, beta=0.75, gamma=0.66, delta=2.8))


YEAR, TWO_YEARS = kw.years(1), kw.years(2)


def donors(x, t_x, n, every=YEAR):
    table = pd.DataFrame({"customer_id": range(len(x)), "frequency": x, "recency": t_x, "opportunities": n})
    return kw.OpportunityHistories.from_pandas(table, every=every)


def serving(rule, cost=1.0, **more):
    return replace(SHOP, annual_retention_cost=cost, retention_rule=rule, **more)


def cost(posterior, rule, histories=FIVE, horizon=TWO_YEARS, **more):
    table = kw.net_present_value(posterior, FREE, histories, serving(rule, **more), horizon=horizon)
    return table["retention_cost"].to_numpy()


def score(posterior, rule, x, t_x, T):
    """What the firm judges by, by the tables of the posterior."""
    counted = posterior.unit == "opportunity"
    histories = donors(x, t_x, T) if counted else histories_of(x, t_x, T, unit=posterior.unit)
    if isinstance(rule, kw.WhilePAliveAbove):
        return posterior.p_alive(histories)["mean"].to_numpy()
    return posterior.return_probability(histories, horizon=rule.horizon)["mean"].to_numpy()


def served_at(posterior, rule, history, times, grid):
    """Whether a customer with these purchases ahead is served at each time of the grid."""
    x, t_x, T = history
    bought = np.searchsorted(np.sort(times), grid)
    last = np.where(bought > 0, T + np.r_[0.0, np.sort(times)][bought], t_x)
    return score(posterior, rule, x + bought, last, T + grid) > rule.threshold


def service_of(posterior, histories, rule, years, rate=0.1):
    cells = posterior.cells_of(histories)
    timeline = Timeline.of(replace(SHOP, annual_discount_rate=rate), years, margin=False)
    return cells, Service.of(posterior, cells, timeline, rule)


@pytest.mark.parametrize("rule", [ALIVE, RETURNS], ids=["alive", "returns"])
@pytest.mark.parametrize("name", POSTERIORS)
def test_along_single_futures_it_is_the_rule_at_every_moment(name, rule):
    posterior, futures = POSTERIORS[name], 12
    cells, service = service_of(posterior, FIVE, rule, 1.0, rate=0.0)
    everybody = slice(0, len(cells))
    rng = np.random.default_rng(2)
    ahead = posterior.of_cells.futures(cells, everybody, np.zeros(futures, dtype=int), WEEKS, rng)
    found = service(cells, everybody, futures, ahead)
    step = WEEKS / 300
    grid = (np.arange(300) + 0.5) * step
    for future in range(len(cells) * futures):
        history = tuple(float(cells[column][future // futures]) for column in ("x", "t_x", "T"))
        times = ahead.time[ahead.customer == future]
        expected = served_at(posterior, rule, history, times, grid).mean()
        assert abs(found[future] - expected) <= (1 + len(times)) * 1.1 / 300


@pytest.mark.parametrize("rule", [ALIVE, kw.WhileReturnProbabilityAbove(threshold=0.4, horizon=kw.opportunities(2))])
def test_opportunity_by_opportunity_it_is_the_rule_exactly(rule):
    histories, futures = donors([0, 0, 1, 2, 6], [0, 0, 1, 4, 6], [0, 6, 6, 6, 6]), 20
    cells, service = service_of(DONORS, histories, rule, 8.0)
    everybody = slice(0, len(cells))
    ahead = DONORS.of_cells.futures(cells, everybody, np.zeros(futures, dtype=int), 8.0, np.random.default_rng(2))
    found = service(cells, everybody, futures, ahead)
    year = (1 - math.exp(-DELTA)) / DELTA
    for future in range(len(cells) * futures):
        history = tuple(float(cells[column][future // futures]) for column in ("x", "t_x", "T"))
        used = ahead.time[ahead.customer == future]
        served = served_at(DONORS, rule, history, used + 1e-9 - 1e-9, np.arange(8.0) + 0.0) if False else None
        x, t_x, T = history
        served = []
        for year_ahead in range(8):
            before = used[used <= year_ahead]
            last = T + before.max() if len(before) else t_x
            served.append(score(DONORS, rule, [x + len(before)], [last], [T + year_ahead])[0] > rule.threshold)
        expected = np.array(served) @ np.exp(-DELTA * np.arange(8)) * year
        assert found[future] == pytest.approx(expected, rel=1e-12)


def drawn(name, history, horizon, rng):
    """Purchases ahead of a customer, whose rate and dropout are drawn given the history."""
    x, t_x, T = history
    theta = [float(value[0]) for value in POSTERIORS[name].theta]
    if rng.random() >= score(POSTERIORS[name], ALIVE, [x], [t_x], [T])[0]:
        return np.zeros(0)
    rate, times = rng.gamma(theta[0] + x, 1 / (theta[1] + T)), [0.0]
    if name == "ParetoNBD":
        end = min(horizon, rng.exponential(1 / rng.gamma(theta[2], 1 / (theta[3] + T))))
        return np.sort(rng.uniform(0, end, rng.poisson(rate * end)))
    p = rng.beta(theta[2], theta[3] + x + (name == "MBGNBD"))
    while times[-1] <= horizon:
        times.append(times[-1] + rng.exponential(1 / rate))
        if rng.random() < p:
            break
    return np.array([time for time in times[1:] if time <= horizon])


@pytest.mark.parametrize("name", ["BGNBD", "MBGNBD", "ParetoNBD"])
def test_the_cost_is_that_of_futures_drawn_by_hand(name):
    posterior, size, rng = POSTERIORS[name], 300, np.random.default_rng(5)
    step, horizon = 1.0, 2 * WEEKS
    grid = np.arange(0.5, horizon, step)
    weights = step / WEEKS * np.exp(-DELTA * grid / WEEKS)
    found = {rule: cost(posterior, rule) for rule in (ALIVE, RETURNS)}
    for position in (1, 3):
        history = tuple(float(value) for value in FIVE.to_pandas().iloc[position][["frequency", "recency", "T"]])
        futures = [drawn(name, history, horizon, rng) for _ in range(size)]
        for rule, costs in found.items():
            served = np.array([served_at(posterior, rule, history, times, grid) @ weights for times in futures])
            assert abs(costs[position] - served.mean()) < 3.2 * served.std() / math.sqrt(size)


class TestLimits:
    @pytest.mark.parametrize("posterior", POSTERIORS.values(), ids=POSTERIORS)
    def test_hardly_any_threshold_serves_everybody(self, posterior):
        for horizon in (kw.days(1), kw.years(2)):
            years = horizon.in_unit("year")
            everybody = (1 - math.exp(-DELTA * years)) / DELTA
            for rule in (
                kw.WhilePAliveAbove(1e-300),
                kw.WhileReturnProbabilityAbove(threshold=1e-300, horizon=kw.days(1)),
            ):
                assert cost(posterior, rule, horizon=horizon) == pytest.approx(everybody, rel=1e-9)

    @pytest.mark.parametrize("name", ["MBGNBD", "ParetoNBD", "GGompNBD", "MBGCNBD"])
    def test_certainty_serves_nobody(self, name):
        for rule in (
            kw.WhilePAliveAbove(1 - 1e-12),
            kw.WhileReturnProbabilityAbove(threshold=1 - 1e-9, horizon=kw.days(1)),
        ):
            assert cost(POSTERIORS[name], rule) == pytest.approx(0, abs=1e-6)

    def test_bgnbd_is_certain_of_who_never_bought_again(self):
        """Until the first repeat purchase P(alive) is 1, and never again: the mean time until then."""
        r, alpha = 0.243, 4.414

        def silent(u, T):
            return math.exp(-DELTA * u / WEEKS) / WEEKS * ((alpha + T) / (alpha + T + u)) ** r

        rule = kw.WhilePAliveAbove(1 - 1e-9)
        found = cost(POSTERIORS["BGNBD"], rule)
        for position, T in ((0, 0.0), (1, 30.0)):
            expected = quad(silent, 0, 2 * WEEKS, args=(T,))[0]
            assert found[position] == pytest.approx(expected, rel=0.03)
        assert (found[2:] < 1e-6).all()

    def test_more_is_dropped_at_a_higher_threshold(self):
        costs = [cost(MBG, kw.WhilePAliveAbove(threshold)) for threshold in (0.01, 0.1, 0.3, 0.6, 0.9)]
        assert (np.diff(costs, axis=0) < 0.02).all()
        assert (costs[0] > costs[-1]).all()

    def test_for_life(self):
        found = cost(MBG, ALIVE, horizon=kw.LIFETIME)
        until = cost(MBG, ALIVE, horizon=kw.years(80))
        assert found == pytest.approx(until, rel=0.05)
        with pytest.raises(InfiniteValueError, match="give a higher annual_discount_rate"):
            cost(MBG, ALIVE, horizon=kw.LIFETIME, annual_discount_rate=0.0)
        with pytest.raises(InfiniteValueError, match="finite horizon"):
            cost(MBG, ALIVE, horizon=kw.LIFETIME, annual_discount_rate=0.0)

    def test_no_time_costs_nothing(self):
        for histories in (FIVE, FIVE.take([0])):
            assert (cost(MBG, ALIVE, histories, horizon=kw.days(0)) == 0).all()

    def test_a_day_is_short_whatever_the_time_scale(self):
        slow = kw.fixed(kw.MBGNBD.Parameters(r=0.5, alpha=1e6, a=0.9, b=1.6, unit="day"))
        new = histories_of([0], [0], [0], unit="day")
        # just after the first purchase 64 % are alive
        assert cost(slow, ALIVE, new, horizon=kw.days(1)) == pytest.approx(1 / 365.25, rel=1e-3)
        assert cost(slow, kw.WhilePAliveAbove(0.65), new, horizon=kw.days(1)) == 0

    def test_frequent_buyers(self):
        busy = histories_of([3000, 3000, 12], [38, 10, 0.5], [38.02, 39, 0.5], unit="week")
        found = cost(MBG, ALIVE, busy)
        assert found[0] > 0.3
        assert found[1] == 0
        assert 0.2 < found[2] < 1.91

    def test_what_opportunities_need(self):
        rule = kw.WhileReturnProbabilityAbove(threshold=0.3, horizon=kw.weeks(26))
        with pytest.raises(DurationError, match="opportunities are counted here"):
            cost(DONORS, rule, donors([1], [2], [6]), horizon=kw.opportunities(5))
        with pytest.raises(MissingInformationError, match="every="):
            cost(
                DONORS,
                ALIVE,
                donors([1], [2], [6], every=None),
                horizon=kw.opportunities(5),
                annual_discount_rate=0.0,
            )


class TestCutoffs:
    @pytest.mark.parametrize(
        "rule", [ALIVE, kw.WhilePAliveAbove(0.8), RETURNS], ids=["alive", "surely alive", "returns"]
    )
    @pytest.mark.parametrize("name", POSTERIORS)
    def test_against_root_finding(self, name, rule):
        """The silence at which the score falls to the threshold; between nodes too."""
        posterior = POSTERIORS[name]
        cutoffs = Cutoffs.of(posterior, rule, most=500, latest=200)
        x = np.array([0.0, 1, 2, 5, 11, 14, 30, 97, 300])
        t_x = np.array([0.0, 3.7, 100, 41.2, 7, 77, 120, 150, 190])
        found, errors = cutoffs(x, t_x), []
        for count, last, cutoff in zip(x, t_x, found, strict=True):

            def excess(silence, count=count, last=last):
                return score(posterior, rule, [count], [last], [last + silence])[0] - rule.threshold

            longest = np.geomspace(1e-3, 200, 40)
            above = score(posterior, rule, np.full(40, count), np.full(40, last), last + longest) > rule.threshold
            if above[-1]:
                assert math.isinf(cutoff)
            elif not above.any():
                assert cutoff < 0.5
            else:
                place = np.flatnonzero(above)[-1]
                expected = brentq(excess, longest[place], longest[place + 1], rtol=1e-10)
                errors.append(abs(cutoff / expected - 1))
        assert len(errors) >= 4
        assert max(errors) < 2e-3
        assert np.median(errors) < 3e-4

    @pytest.mark.parametrize("latest", [1, 7, 40])
    def test_opportunities_are_counted_exactly(self, latest):
        cutoffs = Cutoffs.of(DONORS, ALIVE, most=100, latest=latest)
        t_x, x = (values.ravel() for values in np.meshgrid(np.arange(latest + 1.0), np.arange(latest + 1.0)))
        possible = (x <= t_x) & ((x > 0) == (t_x > 0))
        x, t_x = x[possible], t_x[possible]
        silence = np.arange(latest + 1.0)
        scores = score(
            DONORS, ALIVE, np.repeat(x, latest + 1), np.repeat(t_x, latest + 1), np.add.outer(t_x, silence).ravel()
        )
        served = scores.reshape(len(x), -1) > ALIVE.threshold
        expected = np.where(served.all(axis=1), np.inf, np.argmin(served, axis=1))
        np.testing.assert_array_equal(cutoffs(x, t_x), expected)

    def test_the_firm_judges_by_posterior_means(self):
        posterior = with_draws(kw.MBGNBD, unit="week", r=[0.3, 2.0], alpha=[3.0, 12.0], a=[2.0, 0.3], b=[1.6, 3.0])
        cutoff = Cutoffs.of(posterior, ALIVE, most=50, latest=300)(np.array([3.0]), np.array([25.0]))[0]
        at_the_end = posterior.p_alive(histories_of([3], [25.0], [25 + cutoff], unit="week"))
        assert at_the_end["mean"].iloc[0] == pytest.approx(0.3, abs=1e-3)
        assert at_the_end["upper"].iloc[0] - at_the_end["lower"].iloc[0] > 0.3

    def test_nobody_is_dropped_while_their_purchase_becomes_likelier(self):
        """Ten stages to the next purchase: none is expected in the next week at first, and then it is."""
        regular = kw.fixed(kw.MBGCNBD.Parameters(r=50.0, alpha=50.0, a=0.5, b=8.0, k=10, unit="week"))
        rule = kw.WhileReturnProbabilityAbove(threshold=0.3, horizon=kw.weeks(2))
        silence = np.array([0.0, 3, 6, 9, 12, 20])
        scores = score(regular, rule, np.full(6, 5.0), np.full(6, 50.0), 50 + silence)
        assert scores[0] < 0.3 < scores[3]
        cutoff = Cutoffs.of(regular, rule, most=50, latest=200)(np.array([5.0]), np.array([50.0]))[0]
        assert 9 < cutoff < 30


class TestDraws:
    """What is expected in each draw, while the firm judges by all of them."""

    @pytest.fixture(scope="class")
    def truth(self) -> Any:
        posterior = cdnow.posterior("MBGNBD").thinned(12)
        histories = histories_of([0, 1, 2, 5, 20], [0, 5, 30, 36, 37], [30, 35, 38, 37, 39], unit="week")
        cells, service = service_of(posterior, histories, ALIVE, 3.0)
        rng, size = np.random.default_rng(1), 10_000
        expected = np.empty((len(cells), 12))
        for draw in range(12):
            futures = posterior.of_cells.futures(cells, slice(0, 5), np.full(size, draw), 3 * WEEKS, rng)
            expected[:, draw] = service(cells, slice(0, 5), size, futures).reshape(5, size).mean(axis=1)
        block = serving_time(posterior, cells, service.timeline, ALIVE, length=3 * WEEKS, due=False)
        return block(slice(0, 5)), expected

    def test_means(self, truth):
        found, expected = (values.mean(axis=1) for values in truth)
        assert found == pytest.approx(expected, rel=0.03)

    def test_what_is_uncertain_about_the_parameters_is_carried_over(self, truth):
        found, expected = (values - values.mean(axis=1, keepdims=True) for values in truth)
        for row in range(5):
            assert np.corrcoef(found[row], expected[row])[0, 1] > 0.85
            assert 0.6 < found[row].std() / expected[row].std() < 1.7
        total, in_truth = found.sum(axis=0), expected.sum(axis=0)
        assert np.corrcoef(total, in_truth)[0, 1] > 0.95
        assert 0.7 < total.std() / in_truth.std() < 1.4

    def test_it_shows_in_the_interval(self):
        purchases = cdnow.posterior("MBGNBD").thinned(200)
        table = kw.net_present_value(purchases, FREE, FIVE, serving(ALIVE), horizon=kw.years(2))
        width = table["retention_cost_upper"] - table["retention_cost_lower"]
        assert (width > 0.005 * table["retention_cost"]).all()
        assert (table["retention_cost_lower"] < table["retention_cost"]).all()
        equity = kw.customer_equity(purchases, FREE, cdnow.histories(), serving(ALIVE), horizon=kw.years(2))
        spread = equity.total.upper - equity.total.lower
        assert 0.01 < spread / -equity.total.mean < 0.3


@pytest.mark.parametrize("rule", [ALIVE, RETURNS], ids=["alive", "returns"])
@pytest.mark.parametrize("name", ["MBGNBD", "ParetoNBD", "MBGCNBD"])
def test_realised_values_cost_the_same_on_average(name, rule):
    economics = serving(rule, cost=20.0)
    fee = kw.KnownAmount(40.0)
    found = kw.realised_value(POSTERIORS[name], fee, FIVE, economics, horizon=kw.years(2), futures=4000, seed=1)
    expected = kw.net_present_value(POSTERIORS[name], fee, FIVE, economics, horizon=kw.years(2))
    # service is known to a few tenths of a per cent of its spread only
    error = found["sd"] / math.sqrt(4000) * math.sqrt(2)
    assert (np.abs(found["mean"] - expected["mean"]) < 4 * error).all()
    assert (found["lower"] < 0).any()


def test_the_same_question_has_the_same_answer(monkeypatch):
    expected = cost(MBG, ALIVE)
    order = np.array([3, 0, 4, 1, 2])
    assert (cost(MBG, ALIVE, FIVE.take(order)) == expected[order]).all()
    monkeypatch.setattr("kundenwert.parallel.threads", lambda: 5)
    assert (cost(MBG, ALIVE) == expected).all()


def test_the_cost_is_proportional_and_knows_no_currency():
    assert cost(MBG, ALIVE, cost=25.0) == pytest.approx(25 * cost(MBG, ALIVE), rel=1e-12)
    days = kw.fixed(kw.MBGNBD.Parameters(r=0.5, alpha=42.0, a=0.9, b=1.6, unit="day"))
    assert cost(days, ALIVE) == pytest.approx(cost(MBG, ALIVE), rel=1e-9)
