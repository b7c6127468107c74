"""One price for everybody: refused at once, with the amount and a line that works; two prices are data."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

import kundenwert as kw
from kundenwert.errors import DataError
from tests import cdnow

MODELS: dict[str, Any] = {"GammaGamma": kw.GammaGamma(), "LogNormalSpend": kw.LogNormalSpend()}


def histories(amount, customers=60, seed=1):
    """Customers with 1 to 6 purchases; `amount` takes positions of customers and a generator."""
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(customers), rng.integers(1, 7, customers))
    days = np.datetime64("2024-01-01") + np.arange(len(who)) % 180
    log = pd.DataFrame({"who": who, "day": days, "amount": amount(who, rng)})
    return kw.summarize(log, customer="who", time="day", amount="amount", until="2024-06-28", unit="week")


def told(price):
    return rf"all repeat amounts are about .*KnownAmount\({price}\)"


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("price", [9.99, 1e-300, 1e150])
def test_one_price_for_everybody_names_the_amount(name, price):
    with pytest.raises(DataError, match=told(f"{price:.10g}".replace("+", r"\+"))):
        kw.fit(MODELS[name], histories(lambda who, _: np.full(len(who), price)), seed=1)


@pytest.mark.parametrize("name", MODELS)
def test_rounding_is_no_variation(name):
    with pytest.raises(DataError, match=told(r"(10|9\.999\d*|10\.000\d*)")):
        kw.fit(MODELS[name], histories(lambda who, rng: 10 + 1e-6 * rng.normal(size=len(who))), seed=1)


def test_the_line_works():
    same = histories(lambda who, _: np.full(len(who), 9.99))
    purchases = kw.fit(kw.MBGNBD(), same, seed=1, method=kw.ImportanceSampling(draws=100))
    economics = kw.Economics(margin=0.3, annual_discount_rate=0.1)
    price = kw.KnownAmount(9.99)
    value = kw.net_present_value(purchases, price, same, economics, horizon=kw.years(1))
    returns = purchases.expected_purchases(same, horizon=kw.years(1))["mean"]
    assert (value["mean"] <= 0.3 * 9.99 * returns).all()  # less what discounting takes
    assert (value["mean"] >= 0.9 * 0.3 * 9.99 * returns).all()
    total = kw.customer_equity(purchases, price, same, economics, horizon=kw.years(1)).total
    assert total.mean == pytest.approx(value["mean"].sum(), rel=1e-9)


def test_cents_are_variation():
    cents = histories(lambda who, rng: rng.choice([9.99, 10.0], len(who)), customers=300)
    for model in MODELS.values():
        posterior: Any = kw.fit(model, cents, seed=1, method=kw.ImportanceSampling())
        assert posterior.diagnostics.ok
        assert posterior.expected_spend(cents)["mean"].between(9.98, 10.01).all()


def test_two_prices_are_data():
    mixed = histories(lambda who, rng: rng.choice([9.99, 19.99], len(who)), customers=300)
    for model in MODELS.values():
        assert kw.fit(model, mixed, seed=1, method=kw.ImportanceSampling()).diagnostics.ok


def test_a_price_of_ones_own_is_for_gamma_gamma_and_it_takes_it():
    own = histories(lambda who, _: np.array([5.0, 9.99, 20.0])[who % 3])
    with pytest.raises(DataError, match=r"an amount of their own\. Use kundenwert\.GammaGamma\(\)"):
        kw.fit(kw.LogNormalSpend(), own, seed=1)
    posterior = kw.fit(kw.GammaGamma(), own, seed=1, method=kw.ImportanceSampling())
    assert posterior.diagnostics.ok
    expected = posterior.expected_spend(own)["mean"]
    assert expected[(own.frequency >= 4) & (own.customer_id % 3 == 2)].between(15, 21).all()


def test_one_customer_is_told_apart_by_no_model():
    same = histories(lambda who, _: np.full(len(who), 9.99))
    alone = same.take([int(np.argmax(same.frequency))])
    with pytest.raises(DataError, match=told(r"9\.99")):
        kw.fit(kw.LogNormalSpend(), alone, seed=1)
    assert kw.fit(kw.GammaGamma(), alone, seed=1, method=kw.ImportanceSampling()).diagnostics.ok


def test_published_data_are_not_refused():
    assert kw.fit(kw.GammaGamma(), cdnow.histories(), seed=1).diagnostics.ok
