"""What must not matter, or must add up: currency, units, order, the way a question is put."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

import kundenwert as kw
from kundenwert.economics.value.valuation import valuation
from tests.customers import histories_of, with_draws

X, RECENCY, T = [0, 0, 1, 2, 5, 40, 2], [0, 0, 5, 30, 20, 37, 30], [0, 39, 30, 39, 39, 38, 39]
AMOUNTS = [0, 0, 20.0, 90.0, 35.0, 15.0, 90.0]  # the last customer is like the fourth
SEVEN = histories_of(X, RECENCY, T, unit="week", mean_amount=AMOUNTS)
WEEKLY: dict[str, Any] = {
    "BG/NBD": (kw.BGNBD, {"r": 0.243, "a": 0.793, "b": 2.426}, {"alpha": 4.414}),
    "MBG/NBD": (kw.MBGNBD, {"r": 0.525, "a": 0.891, "b": 1.614}, {"alpha": 6.183}),
    "Pareto/NBD": (kw.ParetoNBD, {"r": 0.553, "s": 0.606}, {"alpha": 10.578, "beta": 11.669}),
    "MBG/CNBD-2": (kw.MBGCNBD, {"k": 2, "r": 0.5799, "a": 1.1343, "b": 1.5848}, {"alpha": 2.2882}),
}
COSTS: dict[str, Any] = {
    "order_cost": 2.0,
    "annual_retention_cost": 4.0,
    "retention_rule": kw.EveryoneFor(kw.years(2)),
    "referral": kw.Referral(per_purchase=0.02, value=9.0, generations=2),
}
SHOP = kw.Economics(margin=0.3, annual_discount_rate=0.1, **COSTS)
PATHS: dict[str, Any] = {
    "constant": {},
    "schedules": {
        "margin": kw.Schedule([0.3, 0.25], every=kw.months(7)),
        "annual_discount_rate": kw.Schedule([0.1, 0.05], every=kw.years(2)),
        "referral": kw.Referral(per_purchase=0.02, value=9.0),
    },
    "growing": {"margin": kw.Growing(start=0.3, annual_growth_rate=0.04)},
    "accounting": {"discounting": kw.EndOfPeriod(kw.months(1))},
}
HORIZONS = [kw.years(3), kw.LIFETIME]


def economics(**changes):
    return kw.Economics(**{"margin": 0.3, "annual_discount_rate": 0.1, **changes})


def purchases(draws=20):
    rng = np.random.default_rng(1)
    theta = {"r": 0.525, "alpha": 6.183, "a": 0.891, "b": 1.614}
    return with_draws(
        kw.MBGNBD, unit="week", **{name: v * np.exp(rng.normal(0, 0.2, draws)) for name, v in theta.items()}
    )


def spend(draws=20, money=1.0):
    rng = np.random.default_rng(2)
    p, q, gamma = (
        6.25 * np.exp(rng.normal(0, 0.2, draws)),
        3.74 + rng.random(draws),
        15.44 * np.exp(rng.normal(0, 0.2, draws)),
    )
    return with_spend(p, q, gamma * money)


def with_spend(p, q, gamma):
    one = kw.fixed(kw.GammaGamma.Parameters(p=6.25, q=3.74, gamma=15.44))
    return type(one)(
        **{name: getattr(one, name) for name in one.__dataclass_fields__}
        | {"values": one.model.named([np.array(v)[None] for v in (p, q, gamma)])}
    )


@pytest.mark.every(5)
@pytest.mark.parametrize("horizon", HORIZONS)
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("unit", ["day", "month", "year"])
@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow if "CNBD" in n else ()) for n in WEEKLY])
def test_the_unit_of_time(name, unit, path, horizon):
    model, plain, times = WEEKLY[name]
    length = kw.weeks(1).in_unit(unit)
    weekly = kw.fixed(model.Parameters(**plain, **times, unit="week"))
    other = kw.fixed(model.Parameters(**plain, **{key: t * length for key, t in times.items()}, unit=unit))
    terms, known = economics(**COSTS | PATHS[path]), kw.KnownAmount(30.0)
    expected = kw.net_present_value(weekly, known, SEVEN, terms, horizon=horizon)
    np.testing.assert_allclose(kw.net_present_value(other, known, SEVEN, terms, horizon=horizon), expected, rtol=1e-9)


@pytest.mark.parametrize("rate", [0.01, 1e-6, 4096.0])
def test_the_currency(rate):
    ours = kw.net_present_value(purchases(), spend(), SEVEN, SHOP, horizon=kw.LIFETIME)
    theirs = kw.net_present_value(
        purchases(),
        spend(money=rate),
        histories_of(X, RECENCY, T, unit="week", mean_amount=np.array(AMOUNTS) * rate),
        economics(
            order_cost=2.0 * rate,
            annual_retention_cost=4.0 * rate,
            retention_rule=COSTS["retention_rule"],
            referral=kw.Referral(per_purchase=0.02, value=9.0 * rate, generations=2),
        ),
        horizon=kw.LIFETIME,
    )
    np.testing.assert_allclose(theirs, ours * rate, rtol=1e-12)


@pytest.mark.parametrize(
    "convention", [kw.Continuously(), kw.StartOfPeriod(kw.months(3)), kw.EndOfPeriod(kw.months(1))]
)
@pytest.mark.parametrize("horizon", HORIZONS)
def test_the_first_year_and_the_rest(horizon, convention):
    def margin(path, until):
        terms = economics(margin=path, discounting=convention)
        return kw.net_present_value(purchases(1), spend(1), SEVEN, terms, horizon=until)["margin"]

    whole = margin(0.3, horizon)
    first, rest = margin(0.3, kw.years(1)), margin(kw.Schedule([0, 0.3], every=kw.years(1)), horizon)
    np.testing.assert_allclose(first + rest, whole, rtol=1e-10)
    assert (rest < whole).all()
    # what a schedule does to the margin, it does to the part that is earned then
    double = margin(kw.Schedule([0.3, 0.6], every=kw.years(1)), horizon)
    np.testing.assert_allclose(double, first + 2 * rest, rtol=1e-10)


def test_schedules_add_up():
    def margin(*path):
        terms = economics(margin=kw.Schedule(path, every=kw.months(5)))
        return kw.net_present_value(purchases(1), spend(1), SEVEN, terms, horizon=kw.LIFETIME)["margin"]

    np.testing.assert_allclose(margin(0.1, 0.3, 0.2) + margin(0.2, 0.05, 0.4), margin(0.3, 0.35, 0.6), rtol=1e-10)
    constant = kw.net_present_value(purchases(1), spend(1), SEVEN, economics(), horizon=kw.LIFETIME)["margin"]
    np.testing.assert_allclose(margin(0.3, 0.3, 0.3), constant, rtol=1e-10)


@pytest.mark.parametrize("path", PATHS)
def test_paths_that_change_nothing(path):
    """Schedules of equal values, no growth, and accounting without interest."""
    same: Any = {
        "constant": {"margin": kw.Schedule([0.3], every=kw.days(1))},
        "schedules": {"annual_discount_rate": kw.Schedule([0.1, 0.1], every=kw.months(2))},
        "growing": {"margin": kw.Growing(start=0.3, annual_growth_rate=0.0)},
        "accounting": {"discounting": kw.EndOfPeriod(kw.months(6)), "annual_discount_rate": 0.0},
    }[path]
    rate = 0.0 if path == "accounting" else 0.1
    for horizon in HORIZONS[: 1 if rate == 0 else 2]:
        found = kw.net_present_value(purchases(1), spend(1), SEVEN, economics(**same, **COSTS), horizon=horizon)
        plain = economics(annual_discount_rate=rate, **COSTS)
        expected = kw.net_present_value(purchases(1), spend(1), SEVEN, plain, horizon=horizon)
        np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_who_else_is_asked_about():
    table = kw.net_present_value(purchases(), spend(), SEVEN, SHOP, horizon=kw.LIFETIME)
    assert (table.iloc[6] == table.iloc[3]).all()
    order = np.array([4, 0, 6, 2])
    some = kw.net_present_value(purchases(), spend(), SEVEN.take(order), SHOP, horizon=kw.LIFETIME)
    np.testing.assert_allclose(some, table.iloc[order], rtol=1e-7)
    assert some.index.tolist() == order.tolist()


NAMES = ("margin", "order_cost", "annual_retention_cost", "fee")


def looked_up(table, histories=SEVEN, **changes):
    terms = economics(
        margin=kw.PerCustomer("margin"),
        order_cost=kw.PerCustomer("order_cost"),
        annual_retention_cost=kw.PerCustomer("annual_retention_cost"),
        retention_rule=COSTS["retention_rule"],
        **changes,
    )
    fee = kw.KnownAmount(kw.PerCustomer("fee"))
    return kw.net_present_value(purchases(), fee, histories, terms, horizon=kw.years(3), customers=table)


def told(margin, order_cost, annual_retention_cost, fee, histories=SEVEN):
    terms = economics(
        margin=margin,
        order_cost=order_cost,
        annual_retention_cost=annual_retention_cost,
        retention_rule=COSTS["retention_rule"],
    )
    return kw.net_present_value(purchases(), kw.KnownAmount(fee), histories, terms, horizon=kw.years(3))


def test_the_same_for_every_customer():
    table = pd.DataFrame(
        {"customer_id": range(7), "margin": 0.3, "order_cost": 2.0, "annual_retention_cost": 4.0, "fee": 30}
    )
    np.testing.assert_allclose(looked_up(table), told(0.3, 2.0, 4.0, 30), rtol=1e-12)


def test_each_customer_has_their_own():
    rng = np.random.default_rng(3)
    table = pd.DataFrame({"customer_id": rng.permutation(12), **{name: rng.random(12).round(3) for name in NAMES}})
    found = looked_up(table)
    for customer in range(7):
        own: Any = table.set_index("customer_id").loc[customer].to_dict()
        alone = told(**{name: own[name] for name in NAMES}, histories=SEVEN.take([customer]))
        np.testing.assert_allclose(found.loc[[customer]], alone, rtol=1e-7)


def test_growing_from_a_margin_of_ones_own():
    table = pd.DataFrame({"customer_id": range(7), "margin": np.linspace(0, 0.9, 7)})
    path = kw.Growing(start=kw.PerCustomer("margin"), annual_growth_rate=0.03)
    found = kw.net_present_value(
        purchases(), spend(), SEVEN, economics(margin=path), horizon=kw.years(3), customers=table
    )["mean"]
    one = economics(margin=kw.Growing(start=1.0, annual_growth_rate=0.03))
    expected = kw.net_present_value(purchases(), spend(), SEVEN, one, horizon=kw.years(3))["mean"]
    np.testing.assert_allclose(found, expected * table["margin"], rtol=1e-12)


@pytest.mark.parametrize("kind", ["str", "category", "Int64", "index", "polars"])
def test_ids_of_any_kind(kind):
    ids = pd.Series([f"c{i}" for i in range(7)]) if kind in {"str", "category"} else pd.Series(range(10, 17))
    ids = ids.astype(kind) if kind in {"category", "Int64"} else ids
    mine = histories_of(X, RECENCY, T, unit="week", mean_amount=AMOUNTS, customer_id=ids)
    table = pd.DataFrame({"customer_id": ids, "cost": np.arange(7) / 7}).sample(frac=1, random_state=0)
    if kind == "index":
        table = table.set_index("customer_id")
    if kind == "polars":
        pl = pytest.importorskip("polars")
        table = pl.DataFrame({name: table[name].to_numpy() for name in table.columns})
    cost = economics(order_cost=kw.PerCustomer("cost"))
    found = kw.net_present_value(purchases(), spend(), mine, cost, horizon=kw.years(3), customers=table)
    assert found.index.tolist() == ids.tolist()
    unit = kw.net_present_value(purchases(), spend(), mine, economics(order_cost=1.0), horizon=kw.years(3))
    np.testing.assert_allclose(found["order_cost"], unit["order_cost"] * np.arange(7) / 7, rtol=1e-12)


def test_draws_are_joint_over_customers():
    """The total over customers in each draw is that of products of draws; its interval is not a sum of intervals."""
    values = valuation(purchases(), spend(), SEVEN, SHOP, horizon=kw.years(3))
    rows = slice(0, len(values))
    total = values.total(rows).T @ values.counts
    bought = purchases().draws.discounted_purchases(SEVEN, annual_discount_rate=0.1, horizon=kw.years(3)).to_numpy()[0]
    amounts = spend().draws.expected_spend(SEVEN).to_numpy()[0]
    new = (
        purchases()
        .draws.discounted_purchases(
            histories_of([0], [0.0], [0.0], unit="week"), annual_discount_rate=0.1, horizon=kw.years(3)
        )
        .to_numpy()[0, :, 0]
    )
    worth = 0.3 * amounts - 2.0 + 9.0 * 0.02 * (1 + 0.02 * (1 + new))[:, None]
    served = 4.0 * (1 - 1.1**-2) / np.log(1.1)
    np.testing.assert_allclose(total, (bought * worth - served).sum(axis=1), rtol=1e-7)
    assert values.draws == 20
    assert values.counts.sum() == 7
    assert len(values) == 6  # two customers are alike
    order = np.argsort(values.index, kind="stable")
    table = kw.net_present_value(purchases(), spend(), SEVEN, SHOP, horizon=kw.years(3))
    np.testing.assert_allclose(
        table["mean"].iloc[order], values.total(rows).mean(axis=1)[values.index[order]], rtol=1e-9
    )


def test_draws_that_are_left_out_are_left_out_of_all_parts():
    rng = np.random.default_rng(0)
    q = 1.5 + rng.random(2000)
    q[::500] = 1.01  # so near an infinite mean that these draws do not count
    heavy = with_spend(np.full(2000, 6.0), q, np.full(2000, 15.0))
    table = kw.net_present_value(purchases(2000), heavy, SEVEN, SHOP, horizon=kw.years(3))
    parts = table["margin"] - table["order_cost"] - table["retention_cost"] + table["referral"]
    np.testing.assert_allclose(table["mean"], parts, rtol=1e-10)
    assert np.isfinite(table.to_numpy()).all()
