"""Service by rules that depend on what customers do: along single futures, on average, per draw, and at the limits."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.special import betaln

import kundenwert as kw
from kundenwert.economics.flows.timeline import Timeline
from kundenwert.economics.serving.cutoffs import cutoffs_of
from kundenwert.economics.serving.futures import Service
from kundenwert.economics.serving.services import serving_time
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
TWO_OF_FIVE = kw.WhileReturnProbabilityAbove(threshold=0.4, horizon=kw.opportunities(2))
FUTURES = 2**13  # that services are averaged over, if there are few customers
YEAR, TWO_YEARS = kw.years(1), kw.years(2)


def donors(x, t_x, n, every=YEAR):
    table = pd.DataFrame({"customer_id": range(len(x)), "frequency": x, "recency": t_x, "opportunities": n})
    return kw.OpportunityHistories.from_pandas(table, every=every)


def serving(rule, cost=1.0, **more):
    return replace(SHOP, annual_retention_cost=cost, retention_rule=rule, **more)


def cost(posterior, rule, histories=FIVE, horizon=TWO_YEARS, **more):
    table = kw.net_present_value(posterior, FREE, histories, serving(rule, **more), horizon=horizon)
    return table["retention_cost"].to_numpy()


def error_of_cost(posterior, rule, histories=FIVE, horizon=TWO_YEARS):
    """Three standard errors of the cost, which is an average over simulated futures."""
    found = kw.realised_value(posterior, FREE, histories, serving(rule), horizon=horizon, futures=500, seed=1)
    return 3 * found["sd"].to_numpy() / math.sqrt(FUTURES)


def score(posterior, rule, x, t_x, T):
    """What the firm judges by, by the tables of the posterior."""
    counted = posterior.unit == "opportunity"
    histories = donors(x, t_x, T) if counted else histories_of(x, t_x, T, unit=posterior.unit)
    if isinstance(rule, kw.WhilePAliveAbove):
        return posterior.p_alive(histories)["mean"].to_numpy()
    return posterior.return_probability(histories, horizon=rule.horizon)["mean"].to_numpy()


def served_at(posterior, rule, history, futures, grid):
    """Whether a customer is served at each time of the grid, for each list of purchases ahead."""
    x, t_x, T = history
    bought = np.stack([np.searchsorted(times, grid, side="right") for times in futures])
    last = np.stack([np.r_[t_x, T + times][number] for times, number in zip(futures, bought, strict=True)])
    now = np.broadcast_to(T + grid, bought.shape)
    return score(posterior, rule, (x + bought).ravel(), last.ravel(), now.ravel()).reshape(now.shape) > rule.threshold


def of_futures(bought, row, futures):
    """The purchases of each future of a row, in order."""
    return [np.sort(bought.time[bought.customer == row * futures + future]) for future in range(futures)]


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
    found = found.reshape(len(cells), futures)
    grid = (np.arange(300) + 0.5) * WEEKS / 300
    for row in range(len(cells)):
        history = tuple(float(cells[column][row]) for column in ("x", "t_x", "T"))
        bought = of_futures(ahead, row, futures)
        expected = served_at(posterior, rule, history, bought, grid).mean(axis=1)
        spells = 1 + np.array([len(times) for times in bought])
        assert (np.abs(found[row] - expected) <= 1.1 * spells / 300).all()


@pytest.mark.parametrize("rule", [ALIVE, TWO_OF_FIVE], ids=["alive", "returns"])
def test_opportunity_by_opportunity_it_is_the_rule_exactly(rule):
    histories, futures = donors([0, 0, 1, 2, 6], [0, 0, 1, 4, 6], [0, 6, 6, 6, 6]), 20
    cells, service = service_of(DONORS, histories, rule, 8.0)
    everybody = slice(0, len(cells))
    ahead = DONORS.of_cells.futures(cells, everybody, np.zeros(futures, dtype=int), 8.0, np.random.default_rng(2))
    found = service(cells, everybody, futures, ahead)
    weights = np.exp(-DELTA * np.arange(8)) * (1 - math.exp(-DELTA)) / DELTA
    for row in range(len(cells)):
        history = tuple(float(cells[column][row]) for column in ("x", "t_x", "T"))
        bought = of_futures(ahead, row, futures)
        expected = served_at(DONORS, rule, history, bought, np.arange(8.0)) @ weights
        assert found.reshape(-1, futures)[row] == pytest.approx(expected, rel=1e-12)


def drawn(name, history, alive, horizon, rng):
    """Purchases ahead of a customer, whose rate and dropout are drawn given the history."""
    x, _, T = history
    theta = [float(value[0]) for value in POSTERIORS[name].theta]
    if rng.random() >= alive:
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
    horizon = 2 * WEEKS
    grid = (np.arange(200) + 0.5) / 200 * horizon
    weights = 0.01 * np.exp(-DELTA * grid / WEEKS)
    found = {rule: cost(posterior, rule) for rule in (ALIVE, RETURNS)}
    for position in (1, 3):
        history = tuple(float(value) for value in FIVE.to_pandas().iloc[position][["frequency", "recency", "T"]])
        alive = posterior.p_alive(FIVE)["mean"].iloc[position]
        futures = [drawn(name, history, alive, horizon, rng) for _ in range(size)]
        for rule, costs in found.items():
            served = served_at(posterior, rule, history, futures, grid) @ weights
            assert abs(costs[position] - served.mean()) < 3 * served.std() * math.sqrt(1 / size + 1 / FUTURES)


def simulated_costs(name, history, threshold, size, rng):
    """Discounted years, of two, in which P(alive) is above the threshold: (M)BG/NBD by its own formulas alone."""
    r, alpha, a, b = (float(value[0]) for value in POSTERIORS[name].theta)
    x, t_x, T = (np.full(size, value, dtype=float) for value in history)
    first, horizon = float(name == "MBGNBD"), 2 * WEEKS

    def odds_at_purchase(x):
        return a / (b + x - 1 + first)

    def end(x, t_x):
        most = (1 / threshold - 1) / odds_at_purchase(x)
        last = np.maximum((alpha + t_x) * most ** (1 / (r + x)) - alpha, t_x)
        return np.where((x == 0) & (name == "BGNBD"), math.inf, last)

    def annuity(time):
        return (1 - np.exp(-DELTA * time / WEEKS)) / DELTA

    ratio = (alpha + history[2]) / (alpha + history[1])
    gone = 0.0 if name == "BGNBD" and history[0] == 0 else odds_at_purchase(history[0]) * ratio ** (r + history[0])
    rate, p = rng.gamma(r + x, 1 / (alpha + T)), rng.beta(a, b + x + first)
    alive, now, total = rng.random(size) < 1 / (1 + gone), np.zeros(size), np.zeros(size)
    while (now < horizon).any():
        following = np.where(alive, now + rng.exponential(1 / rate), math.inf)
        until = np.clip(end(x, t_x) - T, now, np.minimum(following, horizon))
        total += np.where(now < horizon, annuity(until) - annuity(np.minimum(now, until)), 0)
        now, x = following, x + 1
        t_x = T + np.where(alive, now, 0)
        alive = alive & (rng.random(size) >= p)
    return total


@pytest.mark.every(7)
@pytest.mark.parametrize("history", [(0, 0, 0), (0, 0, 30), (1, 20, 30), (4, 22, 39), (500, 39, 39.05)], ids=str)
@pytest.mark.parametrize("name", ["BGNBD", "MBGNBD"])
def test_the_cost_is_that_of_many_futures_with_cutoffs_in_closed_form(name, history, monkeypatch):
    futures, size = (2**10, 4000) if history[0] > 100 else (2**14, 50_000)
    monkeypatch.setattr("kundenwert.economics.serving.services_by_futures.MOST", futures)
    monkeypatch.setattr("kundenwert.economics.serving.services_by_futures.PURCHASES", 2**25)
    customer = histories_of(*([value] for value in history), unit="week")
    for threshold in (0.3,) if history[0] > 100 else (0.001, 0.3, 0.9):
        expected = simulated_costs(name, history, threshold, size, np.random.default_rng(7))
        found = cost(POSTERIORS[name], kw.WhilePAliveAbove(threshold), customer)[0]
        error = expected.std() * math.sqrt(1 / size + 1 / futures)
        assert found == pytest.approx(expected.mean(), abs=3 * error + 1e-9)


@pytest.mark.parametrize("rule", [ALIVE, TWO_OF_FIVE], ids=["alive", "returns"])
def test_the_cost_of_new_donors_is_that_of_donations_drawn_by_hand(rule):
    opportunities, size, rng = 8, 30_000, np.random.default_rng(3)
    p, leaves = rng.beta(1.2, 0.75, size), rng.beta(0.66, 2.8, size)
    given = rng.random((opportunities, size)) < p
    given &= np.cumsum(rng.random((opportunities, size)) < leaves, axis=0) == 0
    x, last, total = np.zeros((3, size))
    for n in range(opportunities):
        seen = np.unique(np.stack([x, last], axis=1), axis=0)
        is_served = score(DONORS, rule, seen[:, 0], seen[:, 1], np.full(len(seen), n)) > rule.threshold
        served = {(count, time): value for (count, time), value in zip(seen.tolist(), is_served, strict=True)}
        step = math.exp(-DELTA * n) * (1 - math.exp(-DELTA)) / DELTA
        total += step * np.array([served[key] for key in zip(x.tolist(), last.tolist(), strict=True)])
        x, last = x + given[n], np.where(given[n], n + 1, last)
    found = cost(DONORS, rule, donors([0], [0], [0]), horizon=kw.opportunities(opportunities))[0]
    assert abs(found - total.mean()) < 3 * total.std() * math.sqrt(1 / size + 1 / FUTURES)


@pytest.mark.parametrize("due", [False, True])
def test_contracts_are_served_until_they_end(due):
    """Shifted beta-geometric: each year is paid at its start by those who have renewed until then."""
    gamma, delta, years = 0.764, 1.296, 6
    contracts = kw.fixed(kw.ShiftedBetaGeometric.Parameters(gamma=gamma, delta=delta))
    table = pd.DataFrame({"customer_id": [0, 1, 2], "tenure": [0, 3, 2], "ended": [0, 0, 1]})
    histories = kw.ContractHistories.from_pandas(table, every=YEAR)
    found = kw.net_present_value(
        contracts, FREE, histories, serving(kw.WhileActive()), horizon=kw.renewals(years), renewal_due=due
    )["retention_cost"].to_numpy()
    for row, renewed in enumerate((0, 3)):
        survival = [
            math.exp(betaln(gamma, delta + renewed + k) - betaln(gamma, delta + renewed)) for k in range(years + 1)
        ]
        paid = range(1, years + 1) if due else range(years)
        expected = sum(survival[k] * 1.1 ** -(k - due) for k in paid)
        assert found[row] == pytest.approx(expected, rel=1e-9)
    assert found[2] == 0


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

        def silent(u, T, power):
            annuity = (1 - math.exp(-DELTA * u / WEEKS)) / DELTA
            slope = math.exp(-DELTA * u / WEEKS) / WEEKS * power * annuity ** (power - 1)
            return slope * ((alpha + T) / (alpha + T + u)) ** r

        rule = kw.WhilePAliveAbove(1 - 1e-9)
        found = cost(POSTERIORS["BGNBD"], rule)
        for position, T in ((0, 0.0), (1, 30.0)):
            mean, square = (quad(silent, 0, 2 * WEEKS, args=(T, power))[0] for power in (1, 2))
            assert abs(found[position] - mean) < 3 * math.sqrt((square - mean**2) / FUTURES)
        assert (found[2:] < 1e-3).all()

    def test_more_is_dropped_at_a_higher_threshold(self):
        costs = [cost(MBG, kw.WhilePAliveAbove(threshold)) for threshold in (0.001, 0.1, 0.3, 0.6, 0.9, 0.999)]
        assert (np.diff(costs, axis=0) < error_of_cost(MBG, ALIVE)).all()
        assert (costs[0] > costs[2]).all()
        assert (costs[-1] == 0).all()  # who has just bought is alive with a probability of b/(a+b) at first

    def test_for_life(self):
        found = cost(MBG, ALIVE, horizon=kw.LIFETIME)
        until = cost(MBG, ALIVE, horizon=kw.years(80))
        assert (np.abs(found - until) < 2 * error_of_cost(MBG, ALIVE, horizon=kw.years(80))).all()
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

    def test_who_has_been_silent_for_thousands_of_years_costs_nothing(self):
        ancient = histories_of([0, 3, 500], [0, 10, 500], [1e6, 1e6, 1e6], unit="week")
        for name in ("MBGNBD", "ParetoNBD", "GGompNBD", "MBGCNBD"):
            for rule in (ALIVE, RETURNS):
                assert cost(POSTERIORS[name], rule, ancient) == pytest.approx(0, abs=1e-3)

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


def last_moments(posterior, rule, x, t_x, longest):
    """The silence after which the score is below the threshold for good, by ever closer looks; inf, or 0 if never."""
    size, looks = len(x), 60
    silence, rows = np.tile(np.r_[0.0, np.geomspace(1e-4, longest, looks - 1)], (size, 1)), np.arange(size)
    count, last = np.repeat(x, looks), np.repeat(t_x, looks)
    throughout, never = np.zeros((2, size), dtype=bool)
    for look in range(5):
        above = score(posterior, rule, count, last, last + silence.ravel()).reshape(size, looks) > rule.threshold
        if look == 0:
            throughout, never = above[:, -1], ~above.any(axis=1)
        place = np.minimum(looks - 1 - np.argmax(above[:, ::-1], axis=1), looks - 2)
        silence = np.linspace(silence[rows, place], silence[rows, place + 1], looks, axis=1)
    return np.where(throughout, math.inf, np.where(never, 0.0, silence[:, 0]))


RULES = {
    "alive .001": kw.WhilePAliveAbove(0.001),
    "alive .3": ALIVE,
    "alive .8": kw.WhilePAliveAbove(0.8),
    "alive .999": kw.WhilePAliveAbove(0.999),
    "half a year .001": kw.WhileReturnProbabilityAbove(threshold=0.001, horizon=kw.weeks(26)),
    "half a year .3": RETURNS,
    "half a year .8": kw.WhileReturnProbabilityAbove(threshold=0.8, horizon=kw.weeks(26)),
    "two weeks .3": kw.WhileReturnProbabilityAbove(threshold=0.3, horizon=kw.weeks(2)),
    "years .9": kw.WhileReturnProbabilityAbove(threshold=0.9, horizon=kw.weeks(200)),
}


class TestCutoffs:
    @pytest.mark.every(4)
    @pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
    @pytest.mark.parametrize("name", POSTERIORS)
    def test_against_root_finding(self, name, rule):
        """As close as the docstring says, at nodes and between them, for whom nothing is on the edge of a jump."""
        posterior, rng, size, latest = POSTERIORS[name], np.random.default_rng(11), 40, 200.0
        x = np.r_[np.arange(20.0), np.floor(np.geomspace(20, 500, 20))]
        t_x = np.where(x == 0, 0.0, np.exp(rng.uniform(math.log(0.1), math.log(latest), size)))
        expected = last_moments(posterior, rule, x, t_x, latest)
        found = cutoffs_of(posterior, rule, most=600, latest=latest)(x, t_x)
        scale = posterior.model.time_scale(posterior.theta)
        inside = np.isfinite(expected)
        assert (found[~inside] > 0.999 * latest).all()
        exactness = 1e-4 if isinstance(rule, kw.WhilePAliveAbove) else 1e-3
        error = np.abs(found[inside] - expected[inside]) / (expected + (t_x + scale) / (x + 1))[inside]
        assert error.max(initial=0.0) < exactness

    @pytest.mark.parametrize("most", [100, 3000])
    def test_at_any_length(self, most):
        """Tables for longer times are not worse."""
        x, t_x = np.array([1.0, 3, 17, 60]), np.array([0.5, 40, 170, 30])
        rule = kw.WhileReturnProbabilityAbove(threshold=0.1, horizon=kw.weeks(26))
        expected = last_moments(MBG, rule, x, t_x, 1e3)
        for latest in (1e3, 3e4, 1e6):
            assert cutoffs_of(MBG, rule, most=most, latest=latest)(x, t_x) == pytest.approx(expected, rel=1e-3)

    @pytest.mark.parametrize("rule", [ALIVE, RULES["alive .001"], TWO_OF_FIVE], ids=["alive", "hardly", "two"])
    @pytest.mark.parametrize("latest", [1, 7, 40, 120])
    def test_opportunities_are_counted_exactly(self, latest, rule):
        cutoffs, rng = cutoffs_of(DONORS, rule, most=100, latest=latest), np.random.default_rng(4)
        t_x, x = (values.ravel() for values in np.meshgrid(np.arange(latest + 1.0), np.arange(latest + 1.0)))
        possible = np.flatnonzero((x <= t_x) & ((x > 0) == (t_x > 0)))
        chosen = rng.permutation(possible)[:400]
        x, t_x = x[chosen], t_x[chosen]
        silence = np.arange(cutoffs.farthest + 1.0)
        now = np.add.outer(t_x, silence).ravel()
        scores = score(DONORS, rule, np.repeat(x, len(silence)), np.repeat(t_x, len(silence)), now)
        served = scores.reshape(len(x), -1) > rule.threshold
        expected = np.where(served.all(axis=1), math.inf, np.argmin(served, axis=1))
        found = cutoffs(x, t_x)
        exact = t_x <= (48 if latest <= 48 else 24)
        np.testing.assert_array_equal(found[exact], expected[exact])
        matters = expected <= latest
        assert (np.abs(found[matters] - expected[matters]) <= np.maximum(1, 0.02 * expected[matters])).all()
        assert (found[~matters] >= 0.98 * latest).all()

    def test_the_firm_judges_by_posterior_means(self):
        posterior = with_draws(kw.MBGNBD, unit="week", r=[0.3, 2.0], alpha=[3.0, 12.0], a=[2.0, 0.3], b=[1.6, 3.0])
        cutoff = cutoffs_of(posterior, ALIVE, most=50, latest=300)(np.array([3.0]), np.array([25.0]))[0]
        at_the_end = posterior.p_alive(histories_of([3], [25.0], [25 + cutoff], unit="week"))
        assert at_the_end["mean"].iloc[0] == pytest.approx(0.3, abs=1e-5)
        assert at_the_end["upper"].iloc[0] - at_the_end["lower"].iloc[0] > 0.2

    def test_nobody_is_dropped_while_their_purchase_becomes_likelier(self):
        """Ten stages to the next purchase: none is expected in the next week at first, and then it is."""
        regular = kw.fixed(kw.MBGCNBD.Parameters(r=50.0, alpha=50.0, a=0.5, b=8.0, k=10, unit="week"))
        rule = kw.WhileReturnProbabilityAbove(threshold=0.3, horizon=kw.weeks(2))
        silence = np.array([0.0, 3, 6, 9, 12, 20])
        scores = score(regular, rule, np.full(6, 5.0), np.full(6, 50.0), 50 + silence)
        assert scores[0] < 0.3 < scores[3]
        cutoff = cutoffs_of(regular, rule, most=50, latest=200)(np.array([5.0]), np.array([50.0]))
        assert cutoff == pytest.approx(last_moments(regular, rule, np.array([5.0]), np.array([50.0]), 200.0), rel=1e-3)


@pytest.fixture(scope="module")
def truth():
    """Service of five customers in each of twelve draws, found and in truth, while the firm judges by all of them."""
    posterior = cdnow.posterior("MBGNBD").thinned(12)
    histories = histories_of([0, 1, 2, 5, 20], [0, 5, 30, 36, 37], [30, 35, 38, 37, 39], unit="week")
    cells, service = service_of(posterior, histories, ALIVE, 3.0)
    everybody, rng, size = slice(0, 5), np.random.default_rng(1), 8000
    expected = np.empty((5, 12))
    for draw in range(12):
        futures = posterior.of_cells.futures(cells, everybody, np.full(size, draw), 3 * WEEKS, rng)
        expected[:, draw] = service(cells, everybody, size, futures).reshape(5, size).mean(axis=1)
    return serving_time(posterior, cells, service.timeline, ALIVE, length=3 * WEEKS, due=False)(everybody), expected


class TestDraws:
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
        purchases = cdnow.posterior("MBGNBD").thinned(25)
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
    error = found["sd"] * math.sqrt(1 / 4000 + 1 / FUTURES)
    assert (np.abs(found["mean"] - expected["mean"]) < 3 * error).all()
    assert (found["lower"] < 0).any()


def test_the_same_question_has_the_same_answer(monkeypatch):
    expected = cost(MBG, ALIVE)
    order = np.array([3, 0, 4, 1, 2])
    assert (cost(MBG, ALIVE, FIVE.take(order)) == expected[order]).all()
    monkeypatch.setattr("kundenwert.parallel.threads", lambda: 5)
    assert (cost(MBG, ALIVE) == expected).all()


@pytest.mark.parametrize("rule", [ALIVE, RETURNS], ids=["alive", "returns"])
def test_the_cost_is_proportional_and_knows_no_unit(rule):
    expected = cost(MBG, rule)
    assert cost(MBG, rule, cost=25.0) == pytest.approx(25 * expected, rel=1e-12)
    days = kw.fixed(kw.MBGNBD.Parameters(r=0.5, alpha=42.0, a=0.9, b=1.6, unit="day"))
    assert cost(days, rule) == pytest.approx(expected, rel=1e-9)
