"""Purchases and renewals along every kind of timeline: against sums by hand."""

import math
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest

import kundenwert as kw
from tests.customers import histories_of, with_draws
from tests.economics.by_hand import Money, stream, worth

A_YEAR, LIFE = kw.years(1), math.inf
SOME = histories_of([0, 0, 1, 2, 5, 40], [0, 0, 5, 30, 20, 37], [0, 39, 30, 39, 39, 38], unit="week")
MODELS: dict[str, Any] = {
    "BG/NBD": kw.BGNBD.Parameters(r=0.243, alpha=4.414, a=0.793, b=2.426, unit="week"),
    "MBG/NBD": kw.MBGNBD.Parameters(r=0.525, alpha=6.183, a=0.891, b=1.614, unit="week"),
    "Pareto/NBD": kw.ParetoNBD.Parameters(r=0.553, alpha=10.578, s=0.606, beta=11.669, unit="week"),
    "GGomp/NBD": kw.GGompNBD.Parameters(r=0.553, alpha=10.578, b=0.02, s=0.603, beta=0.26, unit="week"),
    "BG/CNBD-2": kw.BGCNBD.Parameters(k=2, r=0.5799, alpha=2.2882, a=1.1343, b=1.5848, unit="week"),
    "MBG/CNBD-2": kw.MBGCNBD.Parameters(k=2, r=0.5799, alpha=2.2882, a=1.1343, b=1.5848, unit="week"),
}
CONVENTIONS = {kw.StartOfPeriod: 0.0, kw.MiddleOfPeriod: 0.5, kw.EndOfPeriod: 1.0}


def schedule(*values, every=1.0):
    return kw.Schedule(values, every=kw.years(every))


def steps(*values, every=1.0):
    return tuple((position * every, value) for position, value in enumerate(values))


def growing(rate):
    return {"margin": kw.Growing(start=0.3, annual_growth_rate=rate)}, {"margins": ((0.0, 0.3),), "growth": rate}


RATES = {"annual_discount_rate": schedule(0.1, 0.3, 0.05)}, {"rates": steps(0.1, 0.3, 0.05)}
SHORT_RATES = {"annual_discount_rate": schedule(0.1, 0.3, 0.05, every=0.4)}, {"rates": steps(0.1, 0.3, 0.05, every=0.4)}
MARGINS = {"margin": schedule(0.3, 0.2, 0.5)}, {"margins": steps(0.3, 0.2, 0.5)}
SHORT_MARGINS = {"margin": schedule(0.3, 0.2, 0.5, every=0.7)}, {"margins": steps(0.3, 0.2, 0.5, every=0.7)}
NOTHING_FIRST = {"margin": schedule(0, 0.5, every=5)}, {"margins": steps(0, 0.5, every=5)}
SUDDENLY = {"annual_discount_rate": schedule(0.02, 0.5, every=30)}, {"rates": steps(0.02, 0.5, every=30)}
BOTH = ({**SHORT_RATES[0], **MARGINS[0]}, {**SHORT_RATES[1], **MARGINS[1]})
OF_TIME = {
    "constant": ({}, {}, 3),
    "constant, for life": ({}, {}, LIFE),
    "rates": (*RATES, 3),
    "rates, for life": (*RATES, LIFE),
    "rates that rise late": (*SUDDENLY, LIFE),
    "margins": (*MARGINS, 3),
    "margins, for life": (*MARGINS, LIFE),
    "nothing for five years": (*NOTHING_FIRST, LIFE),
    "rates and margins": (*BOTH, LIFE),
    "growing, for life": (*growing(0.02), LIFE),
    "shrinking, for life": (*growing(-0.3), LIFE),
    "growing faster than discounting": (*growing(0.2), 30),
}
PERIODS = {"months": (kw.months(1), 1 / 12), "years": (kw.years(1), 1.0)}
for (convention, within), (period, (length, years)) in product(CONVENTIONS.items(), PERIODS.items()):
    for what, (changes, hand) in {
        "constant": ({}, {}),
        "rates": SHORT_RATES,
        "margins": MARGINS,
        "other margins": SHORT_MARGINS,
        "growing": growing(0.2),
        "shrinking": growing(-0.2),
    }.items():
        if what != "growing" or period == "years":
            accounting = {**hand, "period": years, "within": within}
            OF_TIME[f"{convention.__name__} of {period}, {what}"] = (
                {**changes, "discounting": convention(length)},
                accounting,
                3,
            )


def economics(**changes):
    return kw.Economics(**{"margin": 1.0, "annual_discount_rate": 0.1, **changes})


def value(posterior, histories, changes, horizon, **more):
    found = kw.net_present_value(
        posterior, kw.KnownAmount(1.0), histories, economics(**changes), horizon=horizon, **more
    )
    return found["mean"].to_numpy()


@cache
def bought_by(name):
    return stream(kw.fixed(MODELS[name]), SOME)


COSTLY = [
    "constant, for life",
    "rates",
    "margins, for life",
    "nothing for five years",
    "EndOfPeriod of years, shrinking",
]
QUESTIONS = [(name, what) for name in MODELS for what in (COSTLY if "CNBD" in name else OF_TIME)]


@pytest.mark.every(7)
@pytest.mark.parametrize(
    "name, what", [pytest.param(*q, marks=pytest.mark.slow if "CNBD" in q[0] else ()) for q in QUESTIONS]
)
def test_purchases_by_hand(name, what):
    changes, money, years = OF_TIME[what]
    found = value(kw.fixed(MODELS[name]), SOME, changes, kw.LIFETIME if math.isinf(years) else kw.years(years))
    money = Money(**money)
    if math.isinf(years):
        years = money.rates[-1][0] + 34 / (math.log1p(money.rates[-1][1]) - math.log1p(money.growth))
    np.testing.assert_allclose(found, worth(bought_by(name), money, years), rtol=1e-9)


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("name", ["MBG/NBD", "Pareto/NBD"])
def test_months_for_life_are_a_sum_over_four_thousand_of_them(name, convention):
    found = value(kw.fixed(MODELS[name]), SOME, {"discounting": convention(kw.months(1))}, kw.LIFETIME)
    money = Money(period=1 / 12, within=CONVENTIONS[convention])
    np.testing.assert_allclose(found, worth(bought_by(name), money, 4000 / 12), rtol=1e-9)


@pytest.mark.parametrize("name", ["MBG/NBD", "Pareto/NBD"])
def test_conventions_differ_by_half_a_period_of_interest(name):
    posterior, delta = kw.fixed(MODELS[name]), math.log(1.1)
    continuous = value(posterior, SOME, {}, kw.LIFETIME)
    for months in (1, 12):
        start, middle, end = (
            value(posterior, SOME, {"discounting": convention(kw.months(months))}, kw.LIFETIME)
            for convention in CONVENTIONS
        )
        interest = delta * months / 12
        # purchases get fewer within a period, too, which adds to what discounting does
        assert (np.abs(middle / continuous - 1) < 3 * interest**2).all()
        np.testing.assert_allclose(end / middle, math.exp(-interest / 2), rtol=1e-12)
        np.testing.assert_allclose(start / middle, math.exp(interest / 2), rtol=1e-12)
    steady = kw.fixed(kw.ParetoNBD.Parameters(r=50.0, alpha=50.0, s=1e-6, beta=1e6, unit="week"))  # nobody leaves
    middle = value(steady, SOME, {"discounting": kw.MiddleOfPeriod(A_YEAR)}, kw.LIFETIME)
    np.testing.assert_allclose(middle / value(steady, SOME, {}, kw.LIFETIME), 1 - delta**2 / 24, rtol=1e-5)


MANY: dict[str, Any] = {
    "MBG/NBD": (kw.MBGNBD, {"r": 0.525, "alpha": 6.183, "a": 0.891, "b": 1.614}),
    "Pareto/NBD": (kw.ParetoNBD, {"r": 0.553, "alpha": 10.578, "s": 0.606, "beta": 11.669}),
    "almost all leave soon": (kw.MBGNBD, {"r": 5.0, "alpha": 3.0, "a": 40.0, "b": 60.0}),
}


@pytest.mark.parametrize(
    "name, what",
    [
        ("MBG/NBD", "EndOfPeriod of months, margins"),
        ("Pareto/NBD", "rates that rise late"),
        ("almost all leave soon", "nothing for five years"),
    ],
)
def test_tables_over_many_draws_are_means_of_single_draws(name, what):
    rng = np.random.default_rng(0)
    x = rng.geometric(0.1, 200) - 1
    T = rng.uniform(1, 60, 200)
    histories = histories_of(x, np.where(x > 0, rng.uniform(0, 1, 200) * T, 0.0), T, unit="week")
    model, parameters = MANY[name]
    draws = {key: value * np.exp(rng.normal(0, 0.1, 5)) for key, value in parameters.items()}
    posterior = with_draws(model, unit="week", **draws)
    changes, _, years = OF_TIME[what]
    horizon = kw.LIFETIME if math.isinf(years) else kw.years(years)
    single = [value(posterior.chosen(np.array([draw])), histories, changes, horizon) for draw in range(5)]
    np.testing.assert_allclose(value(posterior, histories, changes, horizon), np.mean(single, axis=0), rtol=1e-8)


OF_EVENTS = {
    "constant": ({}, {}),
    "rates": RATES,
    "rates that rise late": SUDDENLY,
    "short rates": SHORT_RATES,
    "margins": MARGINS,
    "short margins": SHORT_MARGINS,
    "nothing for five years": NOTHING_FIRST,
    "growing": growing(0.02),
    "growing fast": growing(0.2),
    "shrinking": growing(-0.3),
}
for months, what in ((1, "short margins"), (5, "short rates"), (12, "margins"), (12, "short rates"), (24, "growing")):
    for convention, within in CONVENTIONS.items():
        changes, hand = OF_EVENTS[what]
        accounting = {**hand, "period": months / 12, "within": within}
        OF_EVENTS[f"{convention.__name__} of {months} months, {what}"] = (
            {**changes, "discounting": convention(kw.months(months))},
            accounting,
        )
CONTRACTS = {
    "sBG": kw.ShiftedBetaGeometric.Parameters(gamma=0.668, delta=3.806),
    "BdW": kw.BetaDiscreteWeibull.Parameters(gamma=0.704, delta=1.182, c=0.8),
}
DONORS = kw.BGBB.Parameters(alpha=1.204, beta=0.750, gamma=0.657, delta=2.783)
GIVERS = pd.DataFrame(
    {"customer_id": range(4), "frequency": [0, 3, 6, 1], "recency": [0, 5, 6, 1], "opportunities": [6, 6, 6, 2]}
)
SUBSCRIBERS = pd.DataFrame({"customer_id": range(4), "tenure": [0, 5, 40, 3], "ended": [0, 0, 0, 1]})


def by_hand(expected, money, events, per_year, *, due=False):
    """Sum over events; `expected(j)` is what is expected at the j-th from now."""
    return sum(money.event((j - due) / per_year) * expected(j) for j in range(1, events + 1))


def events_until_nothing_counts(money, per_year):
    rate = math.log1p(money.rates[-1][1]) - math.log1p(money.growth)
    return math.ceil((money.rates[-1][0] + 24 / rate) * per_year)


@pytest.mark.every(7)
@pytest.mark.parametrize("every, per_year", [(kw.years(1), 1), (kw.months(3), 4)])
@pytest.mark.parametrize("what", OF_EVENTS)
def test_opportunities_by_hand(what, every, per_year):
    histories = kw.OpportunityHistories.from_pandas(GIVERS, every=every)
    posterior, (changes, money) = kw.fixed(DONORS), OF_EVENTS[what]
    money = Money(**money)
    p_alive, g, d = posterior.p_alive(histories)["mean"].to_numpy(), 0.657, 2.783 + GIVERS["opportunities"].to_numpy()
    buys = p_alive * (1.204 + GIVERS["frequency"].to_numpy()) / (1.204 + 0.750 + GIVERS["opportunities"].to_numpy())

    there = np.cumprod([(d + i) / (g + d + i) for i in range(24 * 30)], axis=0)

    def expected(j):
        return buys * there[j - 1]

    horizon = 24 * per_year  # whole numbers of all periods but those of five months
    if "5 months" not in what:
        found = value(posterior, histories, changes, kw.opportunities(horizon))
        np.testing.assert_allclose(found, by_hand(expected, money, horizon, per_year), rtol=1e-11)
    if what != "growing fast":
        events = events_until_nothing_counts(money, 1)
        if per_year == 1:
            found = value(posterior, histories, changes, kw.LIFETIME)
            np.testing.assert_allclose(found, by_hand(expected, money, events, 1), rtol=1e-9)


@pytest.mark.every(5)
@pytest.mark.parametrize("due", [False, True])
@pytest.mark.parametrize(
    "name, what",
    [*(("sBG", what) for what in OF_EVENTS), ("BdW", "rates"), ("BdW", "MiddleOfPeriod of 12 months, margins")],
)
def test_renewals_by_hand(name, what, due):
    posterior, (changes, money) = kw.fixed(CONTRACTS[name]), OF_EVENTS[what]
    money = Money(**money)
    for every, per_year in ((kw.years(1), 1), (kw.months(1), 12)):
        histories = kw.ContractHistories.from_pandas(SUBSCRIBERS, every=every)
        expected = survival_of(name)
        if "5 months" not in what:
            found = value(posterior, histories, changes, kw.renewals(24 * per_year), renewal_due=due)
            np.testing.assert_allclose(found, by_hand(expected, money, 24 * per_year, per_year, due=due), rtol=1e-11)
        if what != "growing fast" and per_year == 1:
            events = events_until_nothing_counts(money, 1)
            found = value(posterior, histories, changes, kw.LIFETIME, renewal_due=due)
            np.testing.assert_allclose(found, by_hand(expected, money, events, 1, due=due), rtol=1e-9)


@cache
def survival_of(name):
    posterior, histories = kw.fixed(CONTRACTS[name]), kw.ContractHistories.from_pandas(SUBSCRIBERS)
    return cache(lambda j: posterior.survival(histories, horizon=kw.renewals(j))["mean"].to_numpy())
