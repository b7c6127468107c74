"""RevivalNBD: what it expects, against its own likelihood, its limits and simulation; what it refuses."""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

import kundenwert as kw
from kundenwert.errors import InferenceWarning, MissingInformationError, SpecificationError
from kundenwert.inference.pymc import log_likelihood_with_gradient
from kundenwert.inference.target import Target
from kundenwert.models.kernels.dormancy import RevivingCustomers
from kundenwert.testing._customers import (
    probabilities_are_probabilities,
    silence_is_as_likely_as_the_likelihood_says,
    silence_moves_p_alive_by_bayes_rule,
    the_order_of_customers_makes_no_difference,
    the_unit_of_time_makes_no_difference,
)
from kundenwert.testing._every_model import MODEL_CHECKS
from kundenwert.testing._futures import FUTURE_CHECKS
from kundenwert.testing._population import purchase_case
from tests import cdnow
from tests.revivals import simulated, with_gaps

CDNOW: dict[str, Any] = {"r": 0.54, "alpha": 5.3, "a": 1.0, "b": 1.9, "omega": 0.45, "eta": 0.07, "unit": "week"}
REGULAR: dict[str, Any] = CDNOW | {"k": 3, "r": 2.0, "alpha": 3.0, "eta": 0.03}
POPULATIONS: dict[str, dict[str, Any]] = {
    "CDNOW": CDNOW,
    "regular": REGULAR,
    "nobody leaves for good": CDNOW | {"omega": 1.0, "a": 3.0},
    "hardly anybody leaves for good": CDNOW | {"omega": 0.98, "a": 3.0},
    "nobody comes back": CDNOW | {"omega": 0.0},
    "dormancy is brief": CDNOW | {"omega": 0.9, "eta": 3.0, "k": 2},
}
HORIZONS = (0.5, 8.0, 200.0)
WITHOUT_ALIVE = (
    probabilities_are_probabilities,
    silence_is_as_likely_as_the_likelihood_says,
    silence_moves_p_alive_by_bayes_rule,
    the_unit_of_time_makes_no_difference,
    the_order_of_customers_makes_no_difference,
)


def fixed(**changes) -> Any:
    return kw.fixed(kw.RevivalNBD.Parameters(**{**CDNOW, **changes}))


def with_draws(size, **changes):
    """A posterior of draws around these values."""
    one, rng = fixed(**changes), np.random.default_rng(7)
    values = [value * np.exp(0.1 * rng.normal(size=(1, size))) for value in one.theta]
    values[4] = np.minimum(values[4], 1.0)
    return replace(one, values=one.model.named(values))


@cache
def some_customers():
    gaps = [[], [3.0], [1.0, 1.0, 1.0], [0.5, 20.0, 0.5], [2.0] * 12, [0.1] * 60, [1.0] * 20 + [25.0]]
    return with_gaps([*gaps, *gaps], [0.0] * len(gaps) + [15.0] * len(gaps))


class TestAgainstTheLikelihood:
    @pytest.mark.parametrize("name", POPULATIONS)
    def test_a_return_is_the_end_of_a_silence(self, name):
        """1 - P(return within h) = L(T + h)/L(T): averages by tables against the exact likelihood."""
        posterior, histories = fixed(**POPULATIONS[name]), some_customers()
        for horizon in HORIZONS:
            later = replace(histories, T=histories.T + horizon, steps=None, gaps=histories.gaps)
            later = replace(later, steps=replace(histories.steps, until=histories.steps.until + round(horizon * 168)))
            found = posterior.return_probability(histories, horizon=kw.weeks(horizon))["mean"]
            ratio = np.exp(total(posterior, later) - total(posterior, histories))
            np.testing.assert_allclose(1 - found, ratio, rtol=1e-8, atol=1e-9)

    @pytest.mark.slow
    def test_tables_of_many_draws_are_as_good_as_one(self):
        many, histories = with_draws(40), some_customers()
        for ask in (
            lambda posterior: posterior.draws.return_probability(histories, horizon=kw.weeks(30)),
            lambda posterior: posterior.draws.expected_purchases(histories, horizon=kw.weeks(30)),
            lambda posterior: posterior.draws.discounted_purchases(
                histories, annual_discount_rate=0.1, horizon=kw.LIFETIME
            ),
            lambda posterior: posterior.draws.p_dormant(histories, ahead=kw.weeks(10)),
        ):
            table = ask(many).to_numpy()[0]
            for draw in (0, 17, 39):
                alone = ask(many.chosen(np.array([draw]))).to_numpy()[0, 0]
                np.testing.assert_allclose(table[draw], alone, rtol=1e-5, atol=1e-9)

    @pytest.mark.every(2)
    @pytest.mark.parametrize("k, horizon", [(1, 13.0), (4, 5.0)])
    def test_counts_of_many_draws_are_as_good_as_one(self, k, horizon):
        """Frequent buyers, whose numbers of purchases scatter little: two equal draws say what one says."""
        one, histories = fixed(k=k, r=2.0, alpha=4.0, a=0.5, b=8.0), with_gaps([[0.5] * 60], 0.1)
        two = replace(one, values=one.model.named([np.tile(value, (1, 2)) for value in one.theta]))
        alone, twice = (p.purchase_distribution(histories, horizon=kw.weeks(horizon), up_to=9) for p in (one, two))
        np.testing.assert_allclose(twice, alone, rtol=1e-4, atol=1e-7)

    def test_what_is_expected_does_not_depend_on_who_else_is_asked_about(self):
        """Thirty purchases in three days, a pause of years, and a purchase."""
        given, gaps = {"r": 0.5, "alpha": 0.2, "a": 1.0, "b": 4.0, "omega": 0.7, "eta": 0.02}, [2 / 168] * 30 + [150.0]
        found = [
            fixed(**given).expected_purchases(with_gaps(each, 0.1), horizon=kw.weeks(4))["mean"].iloc[0]
            for each in ([gaps], [gaps, []])
        ]
        np.testing.assert_allclose(found, by_grid(CDNOW | given, gaps, 17 / 168, purchases_within(4)), rtol=3e-6)
        given, gaps = {"r": 2.0, "alpha": 0.5, "eta": 0.001}, [17 / 168] * 30 + [2000.0]
        found = fixed(**given).expected_purchases(with_gaps([gaps], 0.1), horizon=kw.weeks(10))["mean"]
        np.testing.assert_allclose(found, by_grid(CDNOW | given, gaps, 17 / 168, purchases_within(10)), rtol=3e-6)

    def test_far_ahead_the_slowest_rates_matter(self):
        nobody = with_gaps([[]], 0.0)
        for given in ({"r": 0.1, "alpha": 0.05}, {"r": 1.0, "alpha": 0.2, "a": 0.05, "b": 0.5}):
            posterior, population = fixed(**given), CDNOW | given
            found = posterior.return_probability(nobody, horizon=kw.weeks(2000))["mean"]
            np.testing.assert_allclose(found, by_grid(population, [], 0.0, return_within(2000)), rtol=3e-6)
            found = posterior.discounted_purchases(nobody, annual_discount_rate=0.01, horizon=kw.LIFETIME)["mean"]
            rate = np.log(1.01) * 7 / 365.25
            np.testing.assert_allclose(found, by_grid(population, [], 0.0, discounted_for_life(rate)), rtol=1e-7)


def by_grid(given, gaps, silence, expectation):
    """What is expected of a customer (k = 1), by sums over log lambda and logit p that share nothing with the model."""
    y = np.arange(-35 / given["r"], 12, 0.1)[:, None]
    logit = np.arange(-35 / min(given["a"], 1), 35 / min(given["b"], 1), 0.25)
    lam, eta, omega = np.exp(y), given["eta"], given["omega"]
    p, stay = 1 / (1 + np.exp(-logit)), 1 / (1 + np.exp(logit))
    log_weight = given["r"] * y - given["alpha"] * lam + given["a"] * np.log(p) + given["b"] * np.log(stay)
    for gap, count in zip(*np.unique(gaps, return_counts=True), strict=True):
        with np.errstate(divide="ignore"):
            log_weight = log_weight + count * np.log(
                stay * lam * np.exp(-lam * gap) + p * omega * eta * np.exp(-eta * gap)
            )
    weight = np.exp(log_weight - log_weight.max())
    active, dormant, gone = stay * np.exp(-lam * silence), p * omega * np.exp(-eta * silence), p * (1 - omega)
    of_active, of_dormant = expectation(lam, p, stay, omega, eta)
    return np.sum(weight * (active * of_active + dormant * of_dormant)) / np.sum(weight * (active + dormant + gone))


def return_within(h):
    def expectation(lam, _p, _stay, _omega, eta):
        return -np.expm1(-lam * h), -np.expm1(-eta * h)

    return expectation


def discounted_for_life(rate):
    def expectation(lam, p, stay, omega, eta):
        fast, slow = lam / (lam + rate), eta / (eta + rate)
        ends = stay * rate / (lam + rate) + p * (1 - omega * slow)
        return fast / ends, slow / ends

    return expectation


def purchases_within(h):
    """m' = M m + (lam, eta): the integral of exp(M u), by the eigenvalues of two by two rates."""

    def expectation(lam, p, stay, omega, eta):
        trace, determinant = -(lam * p + eta * (1 - p * omega)), lam * p * eta * (1 - omega)
        far = (trace - np.sqrt(trace**2 - 4 * determinant)) / 2
        near = determinant / far
        grown_far, grown_near = np.expm1(far * h) / far, np.expm1(near * h) / near
        slope = (grown_near - grown_far) / (near - far)
        level = grown_far - far * slope
        of_active = level * lam + slope * (-lam * p * lam + lam * p * omega * eta)
        return of_active, level * eta + slope * (eta * stay * lam - eta * (1 - p * omega) * eta)

    return expectation


def total(posterior, histories):
    """Log-likelihood of each customer."""
    return posterior.to_datatree(histories)["log_likelihood"]["RevivalNBD"].to_numpy()[0, 0]


class TestLimits:
    @pytest.mark.every(2)
    @pytest.mark.parametrize("k", [1, 2])
    def test_without_dormancy_expectations_are_those_of_permanent_death(self, k):
        plain = {name: CDNOW[name] for name in ("r", "alpha", "a", "b", "unit")}
        posterior, other = fixed(omega=0.0, k=k), kw.fixed(kw.MBGCNBD.Parameters(k=k, **plain))
        histories = cdnow.histories()
        for ask in (
            lambda p: p.p_alive(histories, ahead=kw.weeks(10)),
            lambda p: p.expected_purchases(histories, horizon=kw.weeks(39)),
            lambda p: p.return_probability(histories, horizon=kw.weeks(39)),
            lambda p: p.discounted_purchases(histories, annual_discount_rate=0.15, horizon=kw.LIFETIME),
            lambda p: p.purchase_distribution(histories, horizon=kw.weeks(20), up_to=3)[[0, 3]],
        ):
            np.testing.assert_allclose(ask(posterior), ask(other), rtol=2e-7, atol=1e-10)

    @pytest.mark.parametrize("a", [1.05, 1.5])
    def test_undiscounted_lives_of_customers_who_may_hardly_ever_leave(self, a):
        plain = CDNOW | {"a": a, "b": 4.0}
        histories = with_gaps([[], [1.0] * 12], [5.0, 1.0])
        found, expected = (
            kw.fixed(parameters).discounted_purchases(histories, annual_discount_rate=0.0, horizon=kw.LIFETIME)["mean"]
            for parameters in (
                kw.RevivalNBD.Parameters(**{**plain, "omega": 0.0}),
                kw.MBGNBD.Parameters(**{name: plain[name] for name in ("r", "alpha", "a", "b", "unit")}),
            )
        )
        np.testing.assert_allclose(found, expected, rtol=1e-6)

    @pytest.mark.every(2)
    @pytest.mark.parametrize("k", [1, 3])
    def test_of_customers_who_are_all_alike_everything_is_known(self, k):
        """Rates and probabilities with hardly any spread: states by weights, and the law at known parameters."""
        size = 1e6 if k == 1 else 3e5
        posterior = fixed(k=k, r=size, alpha=size / 0.4, a=0.3e9, b=0.7e9, omega=0.6, eta=0.05)
        law = RevivingCustomers(k, *(np.array([v]) for v in (0.4, 0.3, 0.6, 0.05)))
        histories = with_gaps([[], [3.0, 8.0]], [4.0, 30.0])
        states = posterior.model.p_states(posterior.theta, _history(posterior, histories), None)[:, :, 0]
        delta = np.log1p(0.1) / (365.25 / 7)
        factor = law.second_life(delta)[0]
        table = posterior.second_lifetime_factor(histories, annual_discount_rate=0.1, within=kw.weeks(9))
        np.testing.assert_allclose(table["mean"], factor, rtol=1e-4)
        for found, exact in (
            (posterior.expected_purchases(histories, horizon=kw.weeks(26)), law.purchases(0.0, 26.0)),
            (posterior.p_dormant(histories, ahead=kw.weeks(5)), law.states(5.0)[:, -1]),
            (posterior.p_active(histories, ahead=kw.weeks(5)), law.states(5.0)[:, :-1].sum(axis=1)),
        ):
            expected = (states * exact).sum(axis=0)
            np.testing.assert_allclose(found["mean"], expected, rtol=1e-4)


def _history(posterior, histories):
    from kundenwert.models.core import history_of

    return history_of(posterior.cells_of(histories))


class TestStates:
    @pytest.mark.every(2)
    @pytest.mark.parametrize("ahead", [0.0, 3.0, 100.0])
    def test_they_sum_to_one_and_who_is_not_gone_is_alive(self, ahead):
        posterior, histories = with_draws(20, k=2), some_customers()
        active, dormant, gone, alive = (
            getattr(posterior.draws, name)(histories, ahead=kw.weeks(ahead)).to_numpy()
            for name in ("p_active", "p_dormant", "p_gone", "p_alive")
        )
        np.testing.assert_allclose(active + dormant, alive, atol=1e-7)
        np.testing.assert_allclose(alive + gone, 1.0, atol=1e-9)
        assert (active >= 0).all()
        assert (dormant >= 0).all()

    def test_long_silences_are_not_of_the_active(self):
        histories = with_gaps([[1.0] * 10] * 3, [1.0, 15.0, 100.0])
        table = {name: getattr(fixed(), name)(histories)["mean"].to_numpy() for name in ("p_active", "p_dormant")}
        assert table["p_active"][0] > 0.8
        assert (np.diff(table["p_active"]) < 0).all()
        assert table["p_dormant"][1] > max(
            table["p_dormant"][[0, 2]]
        )  # not back yet, and then no longer to be expected

    def test_to_models_of_permanent_death_nobody_is_dormant(self):
        posterior, histories = cdnow.posterior("MBGNBD", 100), cdnow.sample(30)
        assert posterior.p_active(histories).equals(posterior.p_alive(histories))
        assert (posterior.p_dormant(histories) == 0).all(axis=None)
        np.testing.assert_allclose(posterior.p_gone(histories)["mean"], 1 - posterior.p_alive(histories)["mean"])


class TestReturns:
    @pytest.mark.parametrize("model", ["RevivalNBD", "MBGNBD", "MBGCNBD"])
    def test_time_to_return_is_what_return_probabilities_say(self, model):
        """E[time | return within h] is h less the integral of R(u)/R(h)."""
        plain = {name: CDNOW[name] for name in ("r", "alpha", "a", "b", "unit")}
        posterior: Any = {
            "RevivalNBD": fixed(k=2),
            "MBGNBD": kw.fixed(kw.MBGNBD.Parameters(**plain)),
            "MBGCNBD": kw.fixed(kw.MBGCNBD.Parameters(k=4, **plain)),
        }[model]
        histories, within = some_customers(), 30.0
        node, weight = np.polynomial.legendre.leggauss(60)
        times = within * ((node + 1) / 2) ** 3
        steps = within * weight / 2 * 3 * ((node + 1) / 2) ** 2
        back = [posterior.return_probability(histories, horizon=kw.weeks(t))["mean"].to_numpy() for t in times]
        in_all = posterior.return_probability(histories, horizon=kw.weeks(within))["mean"]
        expected = within - steps @ np.array(back) / in_all
        found = posterior.time_to_return(histories, within=kw.weeks(within))["mean"]
        np.testing.assert_allclose(found, expected, rtol=1e-6)

    def test_opportunities_are_counted(self):
        posterior = kw.fixed(kw.BGBB.Parameters(alpha=1.2, beta=0.75, gamma=0.66, delta=2.8))
        table = pd.DataFrame({"customer_id": [1, 2], "frequency": [0, 3], "recency": [0, 5], "opportunities": [6, 6]})
        histories = kw.OpportunityHistories.from_pandas(table)
        found = posterior.time_to_return(histories, within=kw.opportunities(4))["mean"]
        back = [posterior.return_probability(histories, horizon=kw.opportunities(n))["mean"] for n in range(1, 5)]
        reached: Any = np.array([np.zeros(2), *back])
        expected = np.arange(1, 5) @ np.diff(reached, axis=0)
        np.testing.assert_allclose(found, expected / back[-1], rtol=1e-10)

    def test_second_lives_are_longer_the_less_they_are_discounted(self):
        histories = some_customers()
        factor = [
            fixed().second_lifetime_factor(histories, annual_discount_rate=rate, within=kw.weeks(52))["mean"]
            for rate in (0.05, 0.5)
        ]
        assert (factor[0] > factor[1]).all()
        assert (factor[1] >= 1).all()

    def test_who_does_not_tell_says_so(self):
        with pytest.raises(SpecificationError, match="second_lifetime_value"):
            cdnow.posterior("MBGNBD", 100).second_lifetime_factor(
                cdnow.sample(30), annual_discount_rate=0.1, within=kw.weeks(9)
            )
        with pytest.raises(SpecificationError, match="longer than 0"):
            fixed().time_to_return(some_customers(), within=kw.weeks(0))


class TestSimulation:
    def test_futures_do_what_is_expected(self):
        posterior, histories, horizon, each = with_draws(50, k=2), some_customers(), 30.0, 4000
        cells, values = posterior.cells_of(histories), posterior.of_cells
        rows, draws = slice(0, len(cells)), np.arange(each) % 50
        bought = values.futures(cells, rows, draws, horizon, np.random.default_rng(3))
        counts = np.bincount(bought.customer, minlength=len(cells) * each).reshape(len(cells), each)
        for found, block in (
            (counts, values.purchases(cells, 0.0, horizon)),
            ((counts > 0).astype(float), values.returns(cells, horizon)),
        ):
            error = found.std(axis=1) / np.sqrt(each) + 1e-3
            assert (np.abs(found.mean(axis=1) - block(rows).mean(axis=1)) < 4.5 * error).all()

    def test_simulated_customers_keep_what_the_model_promises(self):
        """Of customers simulated and observed, those of like p_dormant do on average what was predicted."""
        posterior, rng = fixed(), np.random.default_rng(5)
        T = rng.uniform(20, 60, 6000)
        later = simulated(posterior.model, posterior.model.named([v[0] for v in posterior.theta]), T + 26, rng)
        first, gone = _cut(later, T)
        predicted = posterior.return_probability(first, horizon=kw.weeks(26))["mean"].to_numpy()
        dormant = posterior.p_dormant(first)["mean"].to_numpy()
        order = np.argsort(dormant)
        for who in np.array_split(order, 4):
            error = np.sqrt(np.mean(predicted[who] * (1 - predicted[who])) / len(who))
            assert abs(gone[who].mean() - predicted[who].mean()) < 4.5 * error


def _cut(histories, T):
    """Histories until T, and who bought between T and the end."""
    offsets, gaps = histories.gaps.offsets, histories.gaps.values / 168  # noqa: PD011 - no data frame
    before, back = [], np.zeros(len(T), dtype=bool)
    for i, end in enumerate(T):
        times = np.cumsum(gaps[offsets[i] : offsets[i + 1]])
        before.append(np.diff(times[times <= end], prepend=0.0))
        back[i] = (times > end).any()
    return with_gaps(before, T - [each.sum() for each in before]), back


@cache
def recency_case(name):
    return purchase_case(kw.RevivalNBD.Parameters(gaps=False, **POPULATIONS[name]), customers=20_000)


class TestContract:
    """What holds of every model of purchases, as far as it does not need living customers of (x, T)."""

    @pytest.mark.slow
    @pytest.mark.parametrize("check", [*WITHOUT_ALIVE, *MODEL_CHECKS], ids=lambda check: check.__name__)
    def test_without_gaps(self, check):
        check(recency_case("CDNOW"))

    @pytest.mark.slow
    @pytest.mark.parametrize("name", ["regular", "hardly anybody leaves for good"])
    @pytest.mark.parametrize("check", [*WITHOUT_ALIVE, *MODEL_CHECKS, *FUTURE_CHECKS], ids=lambda check: check.__name__)
    def test_elsewhere(self, check, name):
        check(recency_case(name))

    def test_the_unit_and_the_order_make_no_difference(self):
        weeks, histories = fixed(k=2), some_customers()
        model = weeks.model
        days = replace(weeks, unit="day", values=model.parameters_of(model.quantities_of(weeks.theta, "week"), "day"))
        shuffled = histories.take(np.arange(len(histories))[::-1])
        for one, other in ((weeks, days), (weeks, weeks)):
            asked = [p.return_probability(h, horizon=kw.weeks(20)) for p, h in ((one, histories), (other, shuffled))]
            np.testing.assert_allclose(asked[1], asked[0].loc[asked[1].index], rtol=1e-9)

    def test_the_order_of_gaps_makes_no_difference(self):
        found = fixed().p_dormant(with_gaps([[1.0, 5.0, 2.0], [5.0, 2.0, 1.0]], [3.0, 3.0]))
        assert found["mean"].iloc[0] == found["mean"].iloc[1]

    def test_pytensor_has_value_and_gradient(self):
        model, cells = kw.RevivalNBD(), cdnow.sample(60).cells(kw.RevivalNBD())
        target, compiled = Target(model, cells), log_likelihood_with_gradient(model, cells)
        for point in target.typical + np.random.default_rng(0).normal(size=(2, 6)) * 0.5:
            value, gradient = compiled(point)
            steps = 1e-4 * np.eye(6)
            slope = [np.diff(target.log_likelihood(np.stack([point - s, point + s]).T))[0] / 2e-4 for s in steps]
            assert value == pytest.approx(target.log_likelihood(point[:, None])[0], rel=1e-12)
            assert gradient == pytest.approx(slope, rel=1e-5, abs=1e-4)

    def test_a_saved_posterior_comes_back(self, tmp_path):
        posterior = with_draws(5, k=2)
        posterior.save(tmp_path / "posterior.nc")
        again: Any = kw.load(tmp_path / "posterior.nc")
        assert again.model == posterior.model
        assert all((one == other).all() for one, other in zip(again.values, posterior.values, strict=True))


class TestFits:
    @pytest.mark.parametrize(
        "histories",
        [
            with_gaps([[2.0]], [5.0]),
            with_gaps([[]] * 20, 30.0),
            with_gaps([[2.0] * 10] * 5, 0.5),
            pytest.param(with_gaps([[1.0] * 500, [], [3.0]], 10.0), marks=pytest.mark.slow),
        ],
        ids=["one customer", "nobody came back", "nobody lapsed, gaps are equal", "one with 500 gaps"],
    )
    def test_odd_data_have_a_posterior(self, histories):
        method = kw.ImportanceSampling(points=2048, draws=500, refits=2)
        posterior = kw.fit(kw.RevivalNBD(), histories, seed=1, method=method)
        assert posterior.parameters()["mean"].between(0, 1e6).all()
        assert posterior.p_gone(histories)["mean"].between(0, 1).all()

    def test_days_and_weeks_give_one_posterior(self):
        method, weeks = kw.ImportanceSampling(points=2048, draws=200, refits=0), cdnow.sample(30)
        one: Any = kw.fit(kw.RevivalNBD(), weeks, seed=2, method=method).parameters()
        other: Any = kw.fit(kw.RevivalNBD(), weeks.in_unit("day"), seed=2, method=method).parameters()
        assert other.loc["eta", "mean"] * 7 == pytest.approx(one.loc["eta", "mean"], rel=1e-6)
        assert other.loc["omega", "mean"] == pytest.approx(one.loc["omega", "mean"], rel=1e-6)

    @pytest.mark.slow
    def test_without_gaps_a_fit_warns(self):
        method, histories = kw.ImportanceSampling(points=2048, draws=200, refits=0), cdnow.sample(30)
        table = kw.CustomerHistories.from_pandas(histories.to_pandas(), unit="week")
        with pytest.raises(MissingInformationError, match=r"RevivalNBD\(gaps=False\)"):
            kw.fit(kw.RevivalNBD(), table)
        with pytest.warns(InferenceWarning, match="mostly the prior"):
            posterior = kw.fit(kw.RevivalNBD(gaps=False), table, seed=1, method=method)
        assert "mostly the prior" in str(posterior.diagnostics)
        assert posterior.return_probability(table, horizon=kw.weeks(20))["mean"].between(0, 1).all()

    @pytest.mark.slow
    @pytest.mark.filterwarnings("ignore:Numba will use object mode")
    def test_nuts_agrees_with_importance_sampling(self):
        histories = cdnow.sample(60)
        one = kw.fit(kw.RevivalNBD(), histories, seed=1)
        other = kw.fit(
            kw.RevivalNBD(),
            histories,
            seed=1,
            method=kw.NUTS(draws=250, tune=250, chains=2, progress=False, longest=60),
        )
        assert one.diagnostics.ok
        for name in kw.RevivalNBD().parameter_names:
            left, right = (np.log(getattr(p.theta, name)) for p in (one, other))
            assert left.mean() == pytest.approx(right.mean(), abs=0.3 * left.std())
            assert left.std() == pytest.approx(right.std(), rel=0.35)


class TestRefusals:
    @pytest.mark.parametrize("k", [0, 9, 1.5, True, "2"])
    def test_stages_are_one_to_eight(self, k):
        with pytest.raises(SpecificationError, match="from 1 to 8"):
            kw.RevivalNBD(k=k)
        with pytest.raises(SpecificationError, match="from 1 to 8"):
            fixed(k=k)

    @pytest.mark.parametrize(
        "changes, match",
        [
            ({"omega": 1.01}, "omega must be a share"),
            ({"omega": -0.1}, "omega must be a share"),
            ({"omega": float("nan")}, "omega must be a share"),
            ({"eta": 0.0}, "eta must be a positive"),
            ({"r": 2e6}, "r must be at most"),
            ({"a": -1.0}, "a must be a positive"),
        ],
    )
    def test_parameters_are_what_they_can_be(self, changes, match):
        with pytest.raises(SpecificationError, match=match):
            fixed(**changes)

    def test_gaps_are_a_matter_of_yes_or_no(self):
        with pytest.raises(SpecificationError, match="gaps is True or False"):
            kw.RevivalNBD(gaps="no")  # type: ignore[arg-type]

    def test_what_looks_at_frequency_alone_says_that_it_cannot(self):
        with pytest.raises(SpecificationError, match="depends on their gaps"):
            kw.phase(fixed(), some_customers())

    def test_nobody_leaves_and_nothing_is_discounted(self):
        with pytest.raises(kw.errors.InfiniteValueError):
            fixed(omega=1.0).discounted_purchases(some_customers(), annual_discount_rate=0.0, horizon=kw.LIFETIME)


def test_densities_of_gaps_and_of_recency_are_not_compared():
    histories = cdnow.sample(30)
    posteriors: dict[str, Any] = {"gaps": fixed(k=2), "recency": fixed(k=2, gaps=False)}
    with pytest.raises(SpecificationError, match="frequency and recency"):
        kw.compare(posteriors, histories)


def test_new_customers_need_no_gaps():
    posterior = fixed()
    estimate = posterior.expected_purchases_new_customer(horizon=kw.years(1)).mean
    nobody = with_gaps([[]], 0.0)
    assert estimate == pytest.approx(posterior.expected_purchases(nobody, horizon=kw.years(1))["mean"].iloc[0])


def test_counts_of_a_population_sum_to_it():
    histories = with_gaps([[], [3.0], [1.0, 1.0, 1.0]], 10.0)
    table = kw.purchase_counts(fixed(), histories, up_to=2)
    assert table["expected"].sum() == pytest.approx(3)
