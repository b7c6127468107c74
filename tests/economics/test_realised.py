"""Realised values: closed moments, exact distributions, futures drawn anew in plain NumPy, the same on any machine."""

import math
from collections import Counter
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import beta as beta_function

import kundenwert as kw
from kundenwert.economics.realised.realisation import realisation
from kundenwert.economics.serving import futures as economics_futures
from kundenwert.economics.serving.futures import blocks_of_futures
from kundenwert.errors import (
    DataError,
    DurationError,
    InfiniteValueError,
    KundenwertError,
    MissingInformationError,
    SizeError,
    SpecificationError,
)
from kundenwert.models.kernels import simulation
from tests import cdnow, contracts
from tests.customers import histories_of, with_draws

PLAIN = kw.Economics(margin=0.3, annual_discount_rate=0.1)
SHOP = replace(PLAIN, order_cost=2.0, referral=kw.Referral(per_purchase=0.05, value=10.0))
WEEKS = 365.25 / 7
TWO_YEARS = kw.years(2)
THETA = {"r": 0.5, "alpha": 6.0, "a": 0.9, "b": 1.6}
MODELS: dict[str, Any] = {
    "BGNBD": kw.BGNBD.Parameters(r=0.243, alpha=4.414, a=0.793, b=2.426, unit="week"),
    "MBGNBD": kw.MBGNBD.Parameters(**THETA, unit="week"),
    "ParetoNBD": kw.ParetoNBD.Parameters(r=0.553, alpha=10.58, s=0.606, beta=11.67, unit="week"),
    "GGompNBD": kw.GGompNBD.Parameters(r=0.553, alpha=10.58, b=0.0002, s=0.603, beta=0.0026, unit="week"),
    "MBGCNBD": kw.MBGCNBD.Parameters(r=1.0, alpha=4.0, a=0.9, b=1.6, k=2, unit="week"),
}
POSTERIORS = {name: kw.fixed(parameters) for name, parameters in MODELS.items()}
MBG = POSTERIORS["MBGNBD"]
SPENDS: dict[str, Any] = {
    "gamma-gamma": kw.fixed(kw.GammaGamma.Parameters(p=4.0, q=9.0, gamma=80.0)),
    "log-normal": kw.fixed(kw.LogNormalSpend.Parameters(mu=3.0, tau=0.3, sigma=0.5)),
    "known": kw.KnownAmount(40.0),
}
AMOUNTS = pd.DataFrame({"customer_id": [1, 1, 1, 2, 2], "date": ["2024-01-01"] * 5})


def eight():
    """Customers from a log, so that any model of spend knows their amounts."""
    rng = np.random.default_rng(4)
    bought = [("a", [0]), ("b", [0]), ("c", [0, 20]), ("d", [0, 3, 30]), ("e", [0, 5, 9, 12, 26]), ("f", [0, 35])]
    bought += [("g", [0, *range(2, 38, 2)]), ("h", [30])]
    rows = [(name, pd.Timestamp("2024-01-01") + pd.Timedelta(weeks=week)) for name, weeks in bought for week in weeks]
    log = pd.DataFrame(rows, columns=["customer_id", "date"])
    log["amount"] = rng.gamma(4, 10, len(log)).round(2)
    return kw.summarize(
        log, customer="customer_id", time="date", amount="amount", unit="week", until="2024-09-29", resolution="day"
    )


EIGHT = eight()


def realised(purchases=MBG, spend=SPENDS["known"], histories=EIGHT, economics=PLAIN, **more):
    options: dict[str, Any] = {"horizon": TWO_YEARS, "futures": 2000, "seed": 1} | more
    return kw.realised_value(purchases, spend, histories, economics, **options)


def raw(purchases=MBG, spend=SPENDS["known"], histories=EIGHT, economics=PLAIN, **more):
    """The realised value of every future, a row for each customer."""
    options: dict[str, Any] = {"horizon": TWO_YEARS, "futures": 2000, "seed": 1} | more
    found = realisation(purchases, spend, histories, economics, **options)
    return found.of_rows(lambda values: values)[found.index]


def means_agree(found, expected, futures):
    """All within 4.5 standard errors, and their sum, of distinct customers, within three."""
    error, off = found["sd"] / math.sqrt(futures), found["mean"] - expected["mean"]
    assert (np.abs(off) <= 4.5 * error + 1e-12).all()
    assert abs(off.sum()) <= 3 * np.sqrt((error**2).sum()) + 1e-12


@pytest.mark.parametrize("spend", SPENDS.values(), ids=SPENDS)
@pytest.mark.parametrize("purchases", POSTERIORS.values(), ids=POSTERIORS)
def test_the_mean_is_the_net_present_value(purchases, spend):
    for horizon in (kw.weeks(26), TWO_YEARS):
        found = realised(purchases, spend, economics=SHOP, horizon=horizon)
        means_agree(found, kw.net_present_value(purchases, spend, EIGHT, SHOP, horizon=horizon), 2000)


CONVENTIONS = {
    "at the start": {"discounting": kw.StartOfPeriod(kw.months(3))},
    "in the middle": {"discounting": kw.MiddleOfPeriod(kw.months(1))},
    "at the end": {"discounting": kw.EndOfPeriod(kw.years(1)), "margin": kw.Schedule([0.3, 0.1], every=kw.years(1))},
    "growing": {"margin": kw.Growing(start=0.3, annual_growth_rate=0.08)},
    "shrinking": {"margin": kw.Growing(start=0.3, annual_growth_rate=-0.5), "annual_discount_rate": 0.02},
    "changing rates": {"annual_discount_rate": kw.Schedule([0.0, 0.5, 0.1], every=kw.months(6))},
    "for everyone": {"annual_retention_cost": 3.0, "retention_rule": kw.EveryoneFor(kw.months(18))},
    "generations": {"referral": kw.Referral(per_purchase=0.1, value=10.0, generations=3)},
}


@pytest.mark.parametrize("changes", CONVENTIONS.values(), ids=CONVENTIONS)
def test_the_mean_is_the_net_present_value_by_any_convention(changes):
    economics = replace(SHOP, **changes)
    for horizon in (TWO_YEARS, kw.LIFETIME):
        found = realised(economics=economics, horizon=horizon)
        means_agree(found, kw.net_present_value(MBG, SPENDS["known"], EIGHT, economics, horizon=horizon), 2000)


def test_terms_of_single_customers():
    table = pd.DataFrame({"customer_id": EIGHT.customer_id, "fee": np.arange(8.0) * 10, "share": np.linspace(0, 1, 8)})
    own = replace(SHOP, margin=kw.PerCustomer("share"), order_cost=kw.PerCustomer("fee"))
    spend = kw.KnownAmount(kw.PerCustomer("fee"))
    means_agree(
        realised(spend=spend, economics=own, customers=table),
        kw.net_present_value(MBG, spend, EIGHT, own, horizon=TWO_YEARS, customers=table),
        2000,
    )
    half = raw(economics=replace(PLAIN, margin=0.15))
    np.testing.assert_allclose(2 * half, raw(), rtol=1e-12)  # the same futures, half the margin


def test_service_for_all_shifts_the_value_by_what_it_costs():
    serving = replace(PLAIN, annual_retention_cost=12.0, retention_rule=kw.EveryoneFor(kw.months(6)))
    delta = math.log(1.1)
    cost = 12 * (1 - math.exp(-delta / 2)) / delta
    np.testing.assert_allclose(raw(economics=serving), raw() - cost, rtol=0, atol=1e-12)
    for_life = replace(serving, retention_rule=kw.EveryoneFor(kw.LIFETIME))
    life = {"horizon": kw.LIFETIME}
    np.testing.assert_allclose(raw(economics=for_life, **life), raw(**life) - 12 / delta, rtol=0, atol=1e-12)


def test_without_costs_some_value_is_a_purchase():
    for posterior in POSTERIORS.values():
        expected = posterior.return_probability(EIGHT, horizon=TWO_YEARS)["mean"]
        found = realised(posterior, spend=SPENDS["gamma-gamma"], futures=4000)["p_positive"]
        assert (np.abs(found - expected) < 4 * np.sqrt(expected * (1 - expected) / 4000)).all()


def beta_nodes(a, b, count=200):
    node, weight = np.polynomial.legendre.leggauss(count)
    p = (1 + node) / 2  # in u with p = u^3, which tames the end at 0
    u, jacobian = p, 3 * p**2
    weight = weight / 2 * jacobian * u ** (3 * (a - 1)) * (1 - u**3) ** (b - 1) / beta_function(a, b)
    return u**3, weight


@pytest.mark.every(3)
@pytest.mark.parametrize("name", ["BGNBD", "MBGNBD"])
@pytest.mark.parametrize("spend", ["known", "gamma-gamma"])
def test_mean_and_variance_of_discounted_counts(name, spend):
    """Given rate and dropout probability, N discounted purchases: E N^2 = rate (1 + 2 (1 - p) E N)/(2 delta + p rate).

    With spend, Var = M^2 Var N + s^2 rate/(2 delta + p rate), M and s^2 of a customer; all of it mixed over their laws.
    """
    r, alpha, a, b = (float(value[0]) for value in POSTERIORS[name].theta)
    x, t_x, T, mean_amount, delta = 3, 20.0, 30.0, 35.0, math.log(1.1) / WEEKS
    n, A, later = r + x, alpha + T, b + x + (name == "MBGNBD")
    alive = 1 / (1 + a / (later - 1) * (A / (alpha + t_x)) ** n)
    p, of_p = beta_nodes(a, later)
    quantiles = (np.arange(20_000) + 0.5) / 20_000
    rate = stats.gamma(n, scale=1 / A).ppf(quantiles)[:, None]
    first = rate / (delta + p * rate)
    second = rate * (1 + 2 * (1 - p) * first) / (2 * delta + p * rate)
    squares = rate / (2 * delta + p * rate)  # of the discount factors
    count, count_squared, factors = (alive * (value @ of_p).mean() for value in (first, second, squares))
    mean, mean_squared, noise = 0.3 * 40, (0.3 * 40) ** 2, 0.0
    if spend == "gamma-gamma":
        shape, total = 4.0 * x + 9.0, 80.0 + x * mean_amount  # of nu; amounts are Gamma(4, nu)
        mean = 0.3 * 4 * total / (shape - 1)
        mean_squared = 0.09 * 16 * total**2 / ((shape - 1) * (shape - 2))
        noise = 0.09 * 4 * total**2 / ((shape - 1) * (shape - 2))
    expected = mean * count
    variance = mean_squared * count_squared + noise * factors - expected**2

    histories = histories_of([x], [t_x], [T], unit="week", mean_amount=[mean_amount])
    values = raw(POSTERIORS[name], SPENDS[spend], histories, horizon=kw.LIFETIME, futures=100_000)[0]
    assert values.mean() == pytest.approx(expected, abs=3 * math.sqrt(variance / 1e5))
    deviations = (values - expected) ** 2
    assert deviations.mean() == pytest.approx(variance, abs=3 * deviations.std() / math.sqrt(1e5))
    table = realised(POSTERIORS[name], SPENDS[spend], histories, horizon=kw.LIFETIME, futures=100_000)
    assert table["sd"].iloc[0] == pytest.approx(values.std(), rel=1e-12)


def by_hand(x, t_x, T, *, horizon, size, seed):
    """Realised values of MBG/NBD customers, purchase after purchase: 0.3 × 40 each, at 10 % a year."""
    rng = np.random.default_rng(seed)
    r, alpha, a, b = THETA.values()
    alive = rng.random(size) < 1 / (1 + a / (b + x) * ((alpha + T) / (alpha + t_x)) ** (r + x))
    rate, p = rng.gamma(r + x, 1 / (alpha + T), size), rng.beta(a, b + x + 1, size)
    value, time = np.zeros(size), np.zeros(size)
    while alive.any():
        time += rng.exponential(size=size) / rate
        alive &= time <= horizon
        value += np.where(alive, 12 * 1.1 ** (-time / WEEKS), 0.0)
        alive &= rng.random(size) >= p
    return value


def test_the_distribution_is_that_of_futures_drawn_by_hand():
    x, t_x, T = 3, 20.0, 30.0
    histories = histories_of([x], [t_x], [T], unit="week")
    expected = by_hand(x, t_x, T, horizon=2 * WEEKS, size=20_000, seed=3)
    found = raw(histories=histories, futures=20_000)[0]
    assert stats.ks_2samp(found, expected).pvalue > 1e-3
    table = realised(histories=histories, futures=20_000, risk_aversion=0.02).iloc[0]
    blocks = expected.reshape(20, 1000)

    def agrees(name, statistic):
        single = np.array([statistic(block) for block in blocks])
        assert abs(table[name] - statistic(expected)) < 5 * single.std() / math.sqrt(20) + 1e-12

    agrees("upper", lambda values: np.quantile(values, 0.95))
    agrees("p_positive", lambda values: (values > 0).mean())
    agrees("certainty_equivalent", lambda values: -np.log(np.exp(-0.02 * values).mean()) / 0.02)


def test_columns_are_statistics_of_the_futures():
    serving = replace(SHOP, annual_retention_cost=3.0, retention_rule=kw.EveryoneFor(kw.months(6)))
    values = raw(economics=serving, futures=333)
    found = realised(economics=serving, futures=333, interval=0.5, worst=0.07, risk_aversion=0.1)
    assert found.index.equals(EIGHT.customer_id)
    expected = {
        "mean": values.mean(axis=1),
        "sd": values.std(axis=1),
        "lower": np.quantile(values, 0.25, axis=1),
        "upper": np.quantile(values, 0.75, axis=1),
        "p_positive": (values > 0).mean(axis=1),
        # 23.31 of 333 futures: 23, and 0.31 of the next
        "expected_shortfall": np.sort(values)[:, :24] @ np.r_[np.ones(23), 0.31] / 23.31,
        "certainty_equivalent": -np.log(np.exp(-0.1 * values).mean(axis=1)) / 0.1,
    }
    assert list(found.columns) == list(expected)
    for name, column in expected.items():
        np.testing.assert_allclose(found[name], column, rtol=1e-9, err_msg=name)
    assert "certainty_equivalent" not in realised(futures=2)


def test_shares_of_the_worst():
    values = np.sort(raw(futures=100), axis=1)
    for worst, number in ((0.07, 7), (0.29, 29), (0.57, 57), (1, 100)):  # 0.07 * 100 is more than 7
        found = realised(futures=100, worst=worst)["expected_shortfall"]
        np.testing.assert_allclose(found, values[:, :number].mean(axis=1), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(realised(futures=100, worst=1e-9)["expected_shortfall"], values[:, 0], atol=1e-12)


@pytest.mark.parametrize("aversion", [0, 1e-300, 1e-12, 1e-6, 1.0, 1e3, 1e300])
def test_certainty_equivalents_of_any_aversion(aversion):
    serving = replace(SHOP, annual_retention_cost=30.0, retention_rule=kw.EveryoneFor(kw.years(1)))
    found = realised(economics=serving, risk_aversion=aversion)
    worst = raw(economics=serving).min(axis=1)
    sure = found["certainty_equivalent"]
    assert ((worst - 1e-9 <= sure) & (sure <= found["mean"] + 1e-9)).all()
    if aversion <= 1e-6:
        np.testing.assert_allclose(sure, found["mean"] - aversion * found["sd"] ** 2 / 2, rtol=1e-6)
    if aversion >= 1e3:
        assert sure.to_numpy() == pytest.approx(worst, rel=1e-3)


class TestDraws:
    def test_a_mixture_over_draws(self):
        posterior = with_draws(kw.MBGNBD, unit="week", r=[0.5, 0.5], alpha=[3.0, 12.0], a=[0.9, 2.0], b=1.6)
        singles = [realised(posterior.chosen(np.array([draw])), futures=8000) for draw in (0, 1)]
        mean = np.mean([one["mean"] for one in singles], axis=0)
        within = np.mean([one["sd"] ** 2 for one in singles], axis=0)
        between = np.var([one["mean"] for one in singles], axis=0)
        found = realised(posterior, futures=16_000)
        error = np.sqrt((within + between) / 16_000)
        assert (np.abs(found["mean"] - mean) < 3 * 1.5 * error).all()
        assert found["sd"].to_numpy() == pytest.approx(np.sqrt(within + between), rel=0.06)
        assert found["sd"].iloc[6] ** 2 > 1.03 * within[6]

    def test_draws_of_purchases_and_spend_go_together(self):
        """Many cheap or few dear purchases: that the pairs are kept shows in the spread."""
        often = with_draws(kw.MBGNBD, unit="week", r=[2.0, 2.0], alpha=[1.0, 20.0], a=0.5, b=2.0)
        one = SPENDS["gamma-gamma"]

        def spend(*gamma):
            return replace(one, values=one.model.named([np.full((1, 2), 4.0), np.full((1, 2), 9.0), np.array([gamma])]))

        new = histories_of([0], [0], [0], unit="week", mean_amount=[0])
        together, apart = (
            realised(often, spend(*gamma), new, futures=4000)["sd"].iloc[0] for gamma in ((600.0, 6.0), (6.0, 600.0))
        )
        assert together > 2 * apart

    def test_every_draw_is_used_alike(self):
        """Draws that differ in the amount only, which is then seen in the values."""
        one = SPENDS["log-normal"]
        sure = replace(
            one, values=one.model.named([np.log([[1.0, 10, 100]]), np.full((1, 3), 1e-9), np.full((1, 3), 1e-9)])
        )
        histories = histories_of([0], [0], [0], unit="week", mean_amount=[0])
        values = raw(MBG, sure, eight().take([0]), economics=replace(PLAIN, annual_discount_rate=0), futures=9000)
        per_purchase = [
            np.isclose(values / (0.3 * amount), np.rint(values / (0.3 * amount))) for amount in (1, 10, 100)
        ]
        bought = values > 0
        dear = (per_purchase[2] & bought).sum() / bought.sum()
        assert dear == pytest.approx(1 / 3, abs=0.05)
        assert len(histories) == 1

    def test_draws_without_a_mean_amount_are_left_out(self):
        one = SPENDS["gamma-gamma"]
        q = np.r_[np.full(199, 5.0), 1.01]
        heavy = replace(one, values=one.model.named([np.full((1, 200), 4.0), q[None], np.full((1, 200), 40.0)]))
        kept = replace(one, values=one.model.named([value[None, :199] for value in heavy.theta]))
        many = MBG.chosen(np.zeros(200, dtype=int))
        found = realised(many, heavy, futures=199)
        expected = realised(many.chosen(np.arange(199)), kept, futures=199)
        pd.testing.assert_frame_equal(found, expected)
        with pytest.raises(InfiniteValueError, match="mean amount of the population is infinite"):
            realised(MBG, kw.fixed(kw.GammaGamma.Parameters(p=4.0, q=0.9, gamma=40.0)))


class TestReproducibility:
    @pytest.mark.parametrize("threads", [1, 2, 7])
    def test_processors_do_not_matter(self, threads, monkeypatch):
        monkeypatch.setattr(economics_futures, "AT_ONCE", 2000)  # many blocks
        expected = realised(spend=SPENDS["gamma-gamma"], futures=500)
        monkeypatch.setattr("kundenwert.parallel.threads", lambda: threads)
        pd.testing.assert_frame_equal(realised(spend=SPENDS["gamma-gamma"], futures=500), expected)

    def test_the_order_of_customers_does_not_matter(self):
        order = np.random.default_rng(1).permutation(8)
        expected = realised(spend=SPENDS["gamma-gamma"], futures=500)
        found = realised(spend=SPENDS["gamma-gamma"], histories=EIGHT.take(order), futures=500)
        pd.testing.assert_frame_equal(found, expected.iloc[order])

    def test_customers_who_are_alike_get_the_same(self):
        x, t_x, T = [3, 0, 3, 0, 3], [20, 0, 20, 0, 20], [30, 30, 30, 30, 31]
        found = realised(histories=histories_of(x, t_x, T, unit="week", customer_id=list("abcde")), risk_aversion=0.1)
        np.testing.assert_array_equal(found.loc[["a", "b"]], found.loc[["c", "d"]])
        assert (found.loc["a"] != found.loc["e"]).any()

    def test_another_seed_gives_other_futures(self):
        assert (realised(seed=1)["mean"] != realised(seed=2)["mean"]).all()

    def test_values_do_not_depend_on_the_unit_of_time(self):
        days = kw.fixed(kw.MBGNBD.Parameters(**(THETA | {"alpha": 42.0}), unit="day"))
        np.testing.assert_allclose(realised(days, futures=300), realised(futures=300), rtol=1e-9, atol=1e-9)


def active_value(ends, *, horizon, fee, order_cost, service, rate, every, due=0):
    """The value of a contract that ends at the renewal `ends` from now, added up renewal by renewal."""
    value = -0.0 if due else -service * every
    for renewal in range(1, horizon + 1):
        factor = (1 + rate) ** (-(renewal - due) * every)
        if renewal < ends:
            value += (0.5 * fee - order_cost) * factor
            value -= service * every * factor if due or renewal < horizon else 0.0
    return value


class TestContracts:
    @pytest.mark.parametrize("due", [0, 1])
    @pytest.mark.parametrize(
        "posterior", [contracts.fixed(0.7, 1.2), contracts.fixed(0.7, 1.2, 1.4)], ids=["sBG", "BdW"]
    )
    def test_the_distribution_is_exact(self, posterior, due):
        """Over the renewal at which the contract ends; each of the possible values as often as it should be."""
        horizon, futures = 5, 20_000
        histories = contracts.contracts([2, 0, 3], [0, 0, 1], every=kw.months(6))
        economics = kw.Economics(
            margin=0.5,
            annual_discount_rate=0.2,
            order_cost=1.0,
            annual_retention_cost=4.0,
            retention_rule=kw.WhileActive(),
        )
        terms = {"horizon": horizon, "fee": 30.0, "order_cost": 1.0, "service": 4.0, "rate": 0.2, "every": 0.5}
        options: dict[str, Any] = {"horizon": kw.renewals(horizon), "futures": futures, "renewal_due": bool(due)}
        found = raw(posterior, kw.KnownAmount(30.0), histories, economics, **options)
        table = realised(posterior, kw.KnownAmount(30.0), histories, economics, risk_aversion=0.01, **options)
        assert (found[2] == 0).all()
        assert (table.loc[2] == 0).all()
        for customer in (0, 1):
            survival = np.array(
                [1.0]
                + [
                    posterior.survival(histories, horizon=kw.renewals(j))["mean"].iloc[customer]
                    for j in range(1, horizon + 1)
                ]
            )
            chances = np.append(-np.diff(survival), survival[-1])
            values = np.array([active_value(ends, due=due, **terms) for ends in range(1, horizon + 2)])
            place = np.argmin(np.abs(found[customer][:, None] - values), axis=1)
            np.testing.assert_allclose(found[customer], values[place], rtol=0, atol=1e-9)
            seen = np.bincount(place, minlength=horizon + 1)
            assert stats.chisquare(seen, chances * futures).pvalue > 1e-3
            mean = chances @ values
            sd = math.sqrt(chances @ (values - mean) ** 2)
            row = table.loc[customer]
            assert row["mean"] == pytest.approx(mean, abs=3 * sd / math.sqrt(futures))
            assert row["sd"] == pytest.approx(sd, rel=0.03)
            assert row["p_positive"] == pytest.approx(chances[values > 0].sum(), abs=0.015)
            sure = -math.log(chances @ np.exp(-0.01 * values)) / 0.01
            assert row["certainty_equivalent"] == pytest.approx(sure, rel=0.03)
            assert row["lower"] == values.min()
            assert row["upper"] == pytest.approx(values.max(), rel=1e-12)

    @pytest.mark.parametrize("horizon", [kw.renewals(1), kw.renewals(7), kw.renewals(111), kw.LIFETIME])
    @pytest.mark.parametrize("due", [False, True])
    @pytest.mark.parametrize("every", [kw.weeks(1), kw.months(1), kw.years(1)])
    def test_contracts_that_never_end_are_worth_what_is_expected(self, every, due, horizon):
        """No chance is left; 111/52.18 years are not quite 111 weeks."""
        forever = contracts.fixed(1e-9, 1e12)
        histories = contracts.contracts([0, 5, 2], [0, 0, 1], every=every)
        schedule = kw.Schedule([0.5, 0.3], every=kw.days(400))
        for changes in (
            {},
            {"margin": schedule, "annual_discount_rate": kw.Schedule([0.05, 0.3], every=kw.days(500))},
            {"discounting": kw.EndOfPeriod(every), "margin": schedule},
            {"discounting": kw.StartOfPeriod(every), "margin": kw.Growing(start=0.5, annual_growth_rate=0.02)},
            {"annual_retention_cost": 3.0, "retention_rule": kw.WhileActive()},
            {"annual_retention_cost": 3.0, "retention_rule": kw.EveryoneFor(kw.years(1))},
        ):
            economics = replace(PLAIN, **{"order_cost": 0.2} | changes)
            options: dict[str, Any] = {"horizon": horizon, "renewal_due": due}
            expected = kw.net_present_value(forever, kw.KnownAmount(9.0), histories, economics, **options)["mean"]
            found = realised(forever, kw.KnownAmount(9.0), histories, economics, futures=2, **options)["mean"]
            # for life, futures end where money counts less than a ten-thousandth
            np.testing.assert_allclose(found, expected, rtol=1e-3 if horizon is kw.LIFETIME else 1e-9)

    def test_nothing_is_ahead(self):
        histories = contracts.active([0, 4], every=kw.years(1))
        serving = replace(PLAIN, annual_retention_cost=3.0, retention_rule=kw.WhileActive())
        found = realised(contracts.fixed(0.7, 1.2), SPENDS["known"], histories, serving, horizon=kw.renewals(0))
        assert (found == 0).all(axis=None)

    def test_every_future_has_its_own_draw(self):
        posterior = contracts.posterior("ShiftedBetaGeometric")
        histories = contracts.histories()
        few = histories.take(np.arange(0, len(histories), 97))
        options: dict[str, Any] = {"horizon": kw.renewals(4), "futures": 4000}
        found = realised(posterior, SPENDS["known"], few, PLAIN, **options)
        expected = kw.net_present_value(posterior, SPENDS["known"], few, PLAIN, horizon=kw.renewals(4))
        assert (np.abs(found["mean"] - expected["mean"]) < 4.5 * found["sd"] / math.sqrt(4000) + 1e-12).all()


def test_opportunities_one_by_one():
    """The exact distribution over who is there for how many of three opportunities and uses which of them."""
    alpha, beta, gamma, delta = 1.2, 0.75, 0.66, 2.8
    posterior = kw.fixed(kw.BGBB.Parameters(alpha=alpha, beta=beta, gamma=gamma, delta=delta))
    table = pd.DataFrame({"customer_id": ["a"], "frequency": [2], "recency": [4], "opportunities": [6]})
    histories = kw.OpportunityHistories.from_pandas(table, every=kw.years(1))
    alive = posterior.p_alive(histories)["mean"].iloc[0]
    a, b, g, d = alpha + 2, beta + 4, gamma, delta + 6  # if alive
    chances: Counter[float] = Counter()
    chances[0.0] += 1 - alive
    for there in range(4):  # opportunities before they leave, or all three
        leaves = beta_function(g + (there < 3), d + there) / beta_function(g, d)
        for used in product((0, 1), repeat=there):
            uses = beta_function(a + sum(used), b + there - sum(used)) / beta_function(a, b)
            value = sum(12 / 1.1 ** (j + 1) for j, use in enumerate(used) if use)
            chances[round(value, 6)] += alive * leaves * uses
    assert sum(chances.values()) == pytest.approx(1, rel=1e-12)
    values = np.round(raw(posterior, histories=histories, horizon=kw.opportunities(3), futures=20_000)[0], 6)
    seen = Counter(values.tolist())
    assert set(seen) <= set(chances)
    expected = np.array(list(chances.values())) * 20_000
    assert stats.chisquare([seen[value] for value in chances], expected).pvalue > 1e-3


class TestLimits:
    def test_frequent_buyers_are_simulated_in_small_blocks(self, monkeypatch):
        blocks = blocks_of_futures(np.array([0.0, 0.0, 1e6, 3.0, 0.0, 0.0]), 1000)
        assert blocks == [slice(0, 2), slice(2, 3), slice(3, 6)]
        assert blocks_of_futures(np.zeros(0), 10) == []
        often = kw.fixed(kw.MBGNBD.Parameters(r=1.0, alpha=1.0, a=0.001, b=5.0, unit="week"))
        busy = histories_of([2000] * 9, [38] * 9, np.linspace(38, 38.03, 9), unit="week")
        found = realised(often, histories=busy, futures=20)
        assert (found["mean"] > 40_000).all()
        monkeypatch.setattr(simulation, "MOST_PURCHASES", 50_000)
        with pytest.raises(SizeError, match=r"simulate fewer customers \(or futures\)"):
            realised(often, histories=busy, futures=20)

    def test_nobody_has_a_value(self):
        with pytest.raises(DataError, match="no customers"):
            realised(histories=EIGHT.take([]))

    def test_no_time_is_worth_nothing(self):
        assert (realised(horizon=kw.days(0)) == 0).all(axis=None)

    @pytest.mark.parametrize(
        "wrong, error, match",
        [
            ({"futures": 0}, SpecificationError, "futures is how many"),
            ({"futures": 10.0}, SpecificationError, "got 10.0"),
            ({"futures": True}, SpecificationError, "got True"),
            ({"seed": -1}, SpecificationError, "seed must be a whole number"),
            ({"seed": None}, SpecificationError, "got None"),
            ({"seed": 1.5}, SpecificationError, "got 1.5"),
            ({"interval": 90}, SpecificationError, "interval is a probability"),
            ({"worst": 0}, SpecificationError, "worst is a share"),
            ({"worst": 5}, SpecificationError, "worst is a share"),
            ({"worst": np.nan}, SpecificationError, "worst is a share"),
            ({"risk_aversion": -0.1}, SpecificationError, "risk_aversion is 0 or more"),
            ({"risk_aversion": np.inf}, SpecificationError, "risk_aversion is 0 or more"),
            ({"horizon": 52}, DurationError, "horizon takes a Duration"),
            ({"horizon": kw.renewals(3)}, DurationError, "time is measured"),
            ({"renewal_due": True}, SpecificationError, "is no model of contracts"),
            ({"spend": kw.KnownAmount(kw.PerCustomer("fee"))}, MissingInformationError, "no table"),
            (
                {"economics": replace(PLAIN, annual_discount_rate=0.0), "horizon": kw.LIFETIME},
                InfiniteValueError,
                "end",
            ),
            (
                {"economics": replace(PLAIN, annual_retention_cost=1.0, retention_rule=kw.WhileActive())},
                SpecificationError,
                "rule for contracts",
            ),
        ],
    )
    def test_bad_input(self, wrong, error, match):
        with pytest.raises(error, match=match) as caught:
            realised(**wrong)
        assert isinstance(caught.value, KundenwertError)

    def test_rules_without_contracts_are_not_for_contracts(self):
        serving = replace(PLAIN, annual_retention_cost=1.0, retention_rule=kw.WhilePAliveAbove(0.3))
        contract = contracts.fixed(0.7, 1.2), SPENDS["known"], contracts.active([0], every=kw.years(1))
        with pytest.raises(SpecificationError, match="rule for customers without contracts"):
            realised(*contract, serving, horizon=kw.renewals(3))
        free = replace(PLAIN, retention_rule=kw.WhilePAliveAbove(0.3))  # a rule that costs nothing is never looked at
        assert len(realised(*contract, free, horizon=kw.renewals(3))) == 1

    def test_time_between_events_must_be_known_for_service_by_the_year(self):
        serving = replace(PLAIN, annual_discount_rate=0.0, annual_retention_cost=1.0, retention_rule=kw.WhileActive())
        with pytest.raises(MissingInformationError, match="every="):
            realised(contracts.fixed(0.7, 1.2), SPENDS["known"], contracts.active([0]), serving, horizon=kw.renewals(3))


@pytest.mark.slow
def test_a_fitted_market():
    """Of all customers of CDNOW together, within three standard errors."""
    purchases, spend = cdnow.posterior("MBGNBD"), cdnow.posterior("GammaGamma")
    found = kw.realised_value(purchases, spend, cdnow.histories(), SHOP, horizon=kw.years(3), seed=1)
    expected = kw.net_present_value(purchases, spend, cdnow.histories(), SHOP, horizon=kw.years(3))
    different = cdnow.histories().to_pandas().drop(columns="customer_id").drop_duplicates()
    assert len(found.round(9).drop_duplicates()) == len(different)  # those who are alike share their futures
    counts = found.round(9).groupby(list(found.columns)).size().reset_index(name="count")
    error = math.sqrt((counts["count"] ** 2 * counts["sd"] ** 2).sum() / 1000)
    assert abs(found["mean"].sum() - expected["mean"].sum()) < 3 * error


@pytest.mark.parametrize(
    "terms",
    [
        {"margin": kw.Growing(start=0.3, annual_growth_rate=-0.4), "annual_discount_rate": 0},
        {"margin": kw.Schedule([0.3, 0.1, 0.0, 0.0], every=kw.years(1)), "annual_discount_rate": 0},
        {
            "margin": kw.Schedule([0.3, 0.0], every=kw.years(1)),
            "annual_discount_rate": 0.1,
            "discounting": kw.EndOfPeriod(kw.months(6)),
        },
    ],
    ids=["shrinking", "ending", "ending, with periods"],
)
def test_for_life_without_discounting_where_margins_end(terms):
    economics = kw.Economics(**terms)
    found = realised(economics=economics, horizon=kw.LIFETIME)
    expected = kw.net_present_value(MBG, SPENDS["known"], EIGHT, economics, horizon=kw.LIFETIME)
    means_agree(found, expected, 2000)
    if isinstance(economics.margin, kw.Schedule):  # nothing is left out
        finite = realised(economics=economics, horizon=kw.years(2))
        np.testing.assert_allclose(found["mean"], finite["mean"], rtol=0.2)
    for costs in ({"order_cost": 1.0}, {"referral": kw.Referral(per_purchase=0.1, value=1.0)}):
        free = replace(economics, annual_discount_rate=0, **costs)
        with pytest.raises(InfiniteValueError, match="here margins, or costs and referrals, always count"):
            realised(economics=free, horizon=kw.LIFETIME)


def test_numbers_of_numpy_will_do():
    options: Any = {"seed": np.int64(1), "futures": np.int32(200), "worst": np.float32(0.25)}
    found = realised(risk_aversion=np.float32(0.125), **options)
    same = realised(seed=1, futures=200, worst=0.25, risk_aversion=0.125)
    pd.testing.assert_frame_equal(found, same, check_exact=True)
