"""The value and its parts in closed form, where there is one, with mpmath."""

import math
from functools import cache
from typing import Any

import mpmath as mp
import numpy as np
import pandas as pd
import pytest

import kundenwert as kw
from tests.customers import histories_of

DELTA = math.log(1.15)  # a year
WEEK = DELTA / (365.25 / 7)
SHOP = kw.Economics(
    margin=0.3,
    annual_discount_rate=0.15,
    order_cost=2.5,
    annual_retention_cost=4.0,
    retention_rule=kw.EveryoneFor(kw.years(2)),
    referral=kw.Referral(per_purchase=0.05, value=12.0),
)
HISTORY = {"x": 3, "t_x": 20.0, "T": 30.0}
MEAN_AMOUNT = 35.0


@cache
def bgnbd(r, alpha, a, b, *, x, t_x, T, first=0):
    """P(alive), and discounted purchases if alive: E_p of (n/p) e^c E_(n+1)(c), c = delta A/p, p ~ Beta(a, b + x)."""
    n, A, later = mp.mpf(r) + x, mp.mpf(alpha) + T, mp.mpf(b) + x + first
    odds = a / (later - 1) * (A / (alpha + t_x)) ** n if x + first > 0 else 0

    def given_p(p):
        c = WEEK * A / p
        return p ** (a - 1) * (1 - p) ** (later - 1) * n / p * mp.exp(c) * mp.expint(n + 1, c)

    mean = mp.quad(given_p, [0, 1e-8, 1e-6, 1e-4, 0.001, 0.01, 0.1, 0.5, 1]) / mp.beta(a, later)
    return 1 / (1 + odds), mean


def mbgnbd(r, alpha, a, b, **history):
    return bgnbd(r, alpha, a, b, first=1, **history)


@cache
def pareto(r, alpha, s, beta, *, x, t_x, T):
    """Fader, Hardie & Lee (2005): n/A B e^z E_s(z), z = delta B."""
    n, A, B = mp.mpf(r) + x, mp.mpf(alpha) + T, mp.mpf(beta) + T
    gone = mp.quad(
        lambda v: s / (beta + v) * ((alpha + T) / (alpha + v)) ** n * ((beta + T) / (beta + v)) ** s, [t_x, T]
    )
    return 1 / (1 + gone), n / A * B * mp.exp(WEEK * B) * mp.expint(s, WEEK * B)


@cache
def ggomp(r, alpha, b, s, beta, *, x, t_x, T):
    """Bemmaor & Glady (2012): survival (beta/(beta + e^(b u) - 1))^s."""

    def survival(u):
        return (beta / (beta + mp.expm1(b * u))) ** s

    n = mp.mpf(r) + x
    gone = mp.quad(lambda v: -mp.diff(survival, v) * ((alpha + T) / (alpha + v)) ** n, [t_x, T]) / survival(T)
    time = mp.quad(lambda u: mp.exp(-WEEK * u) * survival(T + u), [0, 10, 50, 100, 300, 1000, 10000]) / survival(T)
    return 1 / (1 + gone), n / (alpha + T) * time


MODELS: dict[str, Any] = {
    "BG/NBD": (bgnbd, kw.BGNBD.Parameters, {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426}),
    "MBG/NBD": (mbgnbd, kw.MBGNBD.Parameters, {"r": 0.525, "alpha": 6.183, "a": 0.891, "b": 1.614}),
    "Pareto/NBD": (pareto, kw.ParetoNBD.Parameters, {"r": 0.553, "alpha": 10.578, "s": 0.606, "beta": 11.669}),
    "GGomp/NBD": (ggomp, kw.GGompNBD.Parameters, {"r": 0.553, "alpha": 10.578, "b": 0.02, "s": 0.603, "beta": 0.26}),
}


@pytest.fixture(scope="module")
def histories():
    """Three purchases of 20, 35 and 50, so that all of the spend models can learn from them."""
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta([0, 35, 70, 140], unit="D")
    log = pd.DataFrame({"customer": "a", "day": days, "amount": [99.0, 20.0, 35.0, 50.0]})
    until = str((pd.Timestamp("2024-01-01") + pd.Timedelta(days=210)).date())
    found = kw.summarize(log, customer="customer", time="day", amount="amount", until=until, unit="week")
    np.testing.assert_allclose([found.frequency[0], found.recency[0], found.T[0]], list(HISTORY.values()), rtol=1e-12)
    return found


def gamma_gamma():
    p, q, gamma, x = 6.25, 3.74, 15.44, HISTORY["x"]
    return kw.fixed(kw.GammaGamma.Parameters(p=p, q=q, gamma=gamma)), p * (gamma + x * MEAN_AMOUNT) / (p * x + q - 1)


def log_normal():
    mu, tau, sigma, x = 3.2, 0.5, 0.7, HISTORY["x"]
    variance = 1 / (1 / tau**2 + x / sigma**2)
    theta = variance * (mu / tau**2 + sum(map(math.log, (20, 35, 50))) / sigma**2)
    return kw.fixed(kw.LogNormalSpend.Parameters(mu=mu, tau=tau, sigma=sigma)), math.exp(
        theta + (variance + sigma**2) / 2
    )


def known():
    return kw.KnownAmount(29.90), 29.90


@pytest.mark.parametrize("amounts", [gamma_gamma, log_normal, known])
@pytest.mark.parametrize("name", MODELS)
def test_parts_of_the_value_for_life(histories, name, amounts):
    formula, parameters, theta = MODELS[name]
    p_alive, discounted = formula(**theta, **HISTORY)
    purchases = float(p_alive * discounted)
    spend, amount = amounts()
    posterior = kw.fixed(parameters(**theta, unit="week"))
    table = kw.net_present_value(posterior, spend, histories, SHOP, horizon=kw.LIFETIME).loc["a"]
    assert table["margin"] == pytest.approx(0.3 * amount * purchases, rel=1e-9)
    assert table["order_cost"] == pytest.approx(2.5 * purchases, rel=1e-9)
    assert table["retention_cost"] == pytest.approx(4.0 * (1 - 1.15**-2) / DELTA, rel=1e-12)
    assert table["referral"] == pytest.approx(0.05 * 12.0 * purchases, rel=1e-9)
    parts = table["margin"] - table["order_cost"] - table["retention_cost"] + table["referral"]
    assert table["mean"] == pytest.approx(parts, rel=1e-12)
    for part in ("margin", "order_cost", "retention_cost", "referral"):
        assert table[part] == table[f"{part}_lower"] == table[f"{part}_upper"]


@pytest.mark.parametrize("generations", [1, 2, 3, 1000])
@pytest.mark.parametrize("name", MODELS)
def test_customers_whom_customers_bring(histories, name, generations):
    formula, parameters, theta = MODELS[name]
    p_alive, discounted = formula(**theta, **HISTORY)
    new_alive, new_discounted = formula(**theta, x=0, t_x=0.0, T=0.0)
    each_brings = 0.02 * (1 + new_alive * new_discounted)  # the first purchase is one more
    assert each_brings < 0.5
    series = sum(each_brings**number for number in range(min(generations, 200)))
    expected = float(p_alive * discounted * 0.02 * 12.0 * series)
    referral = kw.Referral(per_purchase=0.02, value=12.0, generations=generations)
    economics = kw.Economics(margin=0.3, annual_discount_rate=0.15, referral=referral)
    posterior = kw.fixed(parameters(**theta, unit="week"))
    table = kw.net_present_value(posterior, kw.KnownAmount(0.0), histories, economics, horizon=kw.LIFETIME)
    np.testing.assert_allclose(table.loc["a", ["mean", "referral"]].to_numpy(dtype=float), expected, rtol=1e-9)
    assert table.loc["a", "margin"] == 0


def derl(gamma, delta, n, rate):
    """Fader & Hardie (2010): discounted renewals just before the n-th, r_n 2F1(1, delta + n; gamma + delta + n; v)."""
    retention = (delta + n - 1) / (gamma + delta + n - 1)
    return float(retention * mp.hyp2f1(1, delta + n, gamma + delta + n, 1 / (1 + mp.mpf(rate))))


@pytest.mark.parametrize("renewals", [0, 1, 7, 100])
def test_contracts_before_and_after_a_renewal(renewals):
    gamma, delta = 0.668, 3.806
    posterior = kw.fixed(kw.ShiftedBetaGeometric.Parameters(gamma=gamma, delta=delta))
    table = pd.DataFrame({"customer_id": [1, 2], "tenure": renewals, "ended": [0, 1]})
    contracts = kw.ContractHistories.from_pandas(table, every=kw.years(1))
    costs: dict[str, Any] = {"annual_retention_cost": 7.0, "retention_rule": kw.WhileActive()}
    economics = kw.Economics(margin=0.4, annual_discount_rate=0.1, order_cost=3.0, **costs)
    fee, before = kw.KnownAmount(100.0), derl(gamma, delta, renewals + 1, 0.1)
    for due, times in ((True, before), (False, before / 1.1)):
        value = kw.net_present_value(posterior, fee, contracts, economics, horizon=kw.LIFETIME, renewal_due=due)
        running = 0.0 if due else 1.0  # the interval that has just begun is to be served
        expected = [40 * times, 3 * times, 7 * (running + times)]
        np.testing.assert_allclose(
            value.loc[1, ["margin", "order_cost", "retention_cost"]].astype(float), expected, rtol=1e-10
        )
        assert (value.loc[2] == 0).all()


@pytest.mark.parametrize("months", [1, 6, 12])
def test_service_of_contracts_is_paid_for_each_interval_of_the_horizon(months):
    posterior = kw.fixed(kw.BetaDiscreteWeibull.Parameters(gamma=0.704, delta=1.182, c=0.8))
    contracts = kw.ContractHistories.from_pandas(
        pd.DataFrame({"customer_id": [1, 2], "tenure": [0, 4], "ended": 0}), every=kw.months(months)
    )
    survival = [posterior.survival(contracts, horizon=kw.renewals(j))["mean"].to_numpy() for j in range(5)]
    for convention, late in ((kw.Continuously(), 0.0), (kw.EndOfPeriod(kw.months(1)), 1 / 12)):
        economics = kw.Economics(
            margin=0.4,
            annual_discount_rate=0.1,
            annual_retention_cost=12.0,
            retention_rule=kw.WhileActive(),
            discounting=convention,
        )
        for horizon in range(5):
            for due in (False, True):
                if horizon == 0 and late:
                    continue
                value = kw.net_present_value(
                    posterior,
                    kw.KnownAmount(1.0),
                    contracts,
                    economics,
                    horizon=kw.renewals(horizon),
                    renewal_due=due,
                )
                # due: intervals start at 0, 1, …, each if renewed; else the first has started already
                served = [survival[j + due] * 1.1 ** -(j * months / 12 + late * (j == 0)) for j in range(horizon)]
                np.testing.assert_allclose(
                    value["retention_cost"], months * np.sum(served, axis=0) if served else 0.0, rtol=1e-11
                )


def test_donors():
    """Fader, Hardie & Shang (2010): sums of Beta functions over the opportunities to come are a 2F1."""
    alpha, beta, gamma, delta = 1.204, 0.750, 0.657, 2.783
    posterior = kw.fixed(kw.BGBB.Parameters(alpha=alpha, beta=beta, gamma=gamma, delta=delta))
    donors = pd.DataFrame({"customer_id": range(3), "frequency": [0, 3, 6], "recency": [0, 5, 6], "opportunities": 6})
    histories = kw.OpportunityHistories.from_pandas(donors, every=kw.years(1))
    value = kw.net_present_value(posterior, kw.KnownAmount(50.0), histories, SHOP, horizon=kw.LIFETIME)
    for row, (x, t_x) in enumerate([(0, 0), (3, 5), (6, 6)]):
        alive = mp.beta(alpha + x, beta + 6 - x) * mp.beta(gamma, delta + 6)
        gone = sum(mp.beta(alpha + x, beta + k - x) * mp.beta(gamma + 1, delta + k) for k in range(t_x, 6))
        there = (delta + 6) / (gamma + delta + 6)
        discounted = there / 1.15 * mp.hyp2f1(1, delta + 7, gamma + delta + 7, 1 / mp.mpf(1.15))
        purchases = float(alive / (alive + gone) * (alpha + x) / (alpha + beta + 6) * discounted)
        expected = [0.3 * 50 * purchases, 2.5 * purchases, 0.05 * 12 * purchases]
        np.testing.assert_allclose(
            value.loc[row, ["margin", "order_cost", "referral"]].astype(float), expected, rtol=1e-10
        )


def test_generations_of_donors():
    posterior = kw.fixed(kw.BGBB.Parameters(alpha=1.204, beta=0.750, gamma=0.657, delta=2.783))
    donors = pd.DataFrame({"customer_id": range(2), "frequency": [0, 3], "recency": [0, 5], "opportunities": [0, 6]})
    histories = kw.OpportunityHistories.from_pandas(donors, every=kw.years(1))
    one, three = (
        kw.net_present_value(
            posterior,
            kw.KnownAmount(50.0),
            histories,
            kw.Economics(
                margin=0.3,
                annual_discount_rate=0.1,
                referral=kw.Referral(per_purchase=0.1, value=5.0, generations=generations),
            ),
            horizon=kw.opportunities(10),
        )["referral"]
        for generations in (1, 3)
    )
    brings = 0.1 + one[0] / 5.0  # the first of these donors has just given for the first time
    np.testing.assert_allclose(three, one * (1 + brings + brings**2), rtol=1e-12)


@pytest.mark.parametrize("period", [kw.days(10), kw.months(7), kw.years(1), kw.years(40), kw.LIFETIME])
@pytest.mark.parametrize("horizon", [kw.years(1), kw.years(3), kw.LIFETIME])
def test_serving_everyone_for_a_time(period, horizon):
    posterior = kw.fixed(kw.MBGNBD.Parameters(r=0.525, alpha=6.183, a=0.891, b=1.614, unit="week"))
    histories = histories_of([0, 4], [0.0, 20.0], 30.0, unit="week")

    def cost(**changes):
        terms = {"margin": 0.3, "annual_discount_rate": 0.15, "annual_retention_cost": 7.0} | changes
        economics = kw.Economics(**terms, retention_rule=kw.EveryoneFor(period))
        value = kw.net_present_value(posterior, kw.KnownAmount(1.0), histories, economics, horizon=horizon)
        first, second = value["retention_cost"]
        assert first == second
        return first

    years = min(period.in_unit("year"), horizon.in_unit("year"))
    assert cost() == pytest.approx(7 * (1 - 1.15**-years) / DELTA, rel=1e-12)
    rates = cost(annual_discount_rate=kw.Schedule([0.15, 0.0, 0.05], every=kw.months(6)))
    early, later = min(years, 0.5), max(years - 1, 0)
    expected = (1 - 1.15**-early) / DELTA + 1.15**-0.5 * (
        max(min(years, 1) - 0.5, 0) + (1 - 1.05**-later) / math.log(1.05)
    )
    assert rates == pytest.approx(7 * expected, rel=1e-12)
    for convention, within in ((kw.StartOfPeriod, 0.0), (kw.MiddleOfPeriod, 0.5), (kw.EndOfPeriod, 1.0)):
        number = math.floor(min(years, 500) * 4 + 1e-9)
        quarters = sum(1.15 ** -((j + within) / 4) for j in range(number)) / 4
        rest = (years - number / 4) * 1.15 ** -((number + within) / 4) if math.isfinite(years) else 0.0
        found = cost(discounting=convention(kw.months(3)))
        assert found == pytest.approx(7 * (quarters + rest), rel=1e-11)
