"""One table with everything, and the single verbs agree with it."""

from typing import Any

import numpy as np
import pytest

import kundenwert as kw
from kundenwert.errors import DurationError, InfiniteValueError, SpecificationError
from tests import cdnow

ECONOMICS = kw.Economics(margin=0.3, annual_discount_rate=0.1)
YEAR = kw.years(1)
NAMES = ["p_alive", "expected_purchases", "return_probability", "expected_spend", "npv"]


@pytest.fixture(scope="module")
def posteriors():
    return cdnow.posterior("MBGNBD").thinned(100), cdnow.posterior("GammaGamma").thinned(60)


def test_columns_are_what_the_single_verbs_say(posteriors):
    purchases, spend = posteriors
    histories = cdnow.sample(80, seed=5)
    table = kw.score(purchases, spend, histories, ECONOMICS, horizon=YEAR, interval=0.6)
    assert list(table.columns) == [f"{name}{end}" for name in NAMES for end in ("", "_lower", "_upper")]
    assert table.index.equals(histories.customer_id)
    single = {
        "p_alive": purchases.p_alive(histories, interval=0.6),
        "expected_purchases": purchases.expected_purchases(histories, horizon=YEAR, interval=0.6),
        "return_probability": purchases.return_probability(histories, horizon=YEAR, interval=0.6),
        "expected_spend": spend.expected_spend(histories, interval=0.6),
        "npv": kw.net_present_value(purchases, spend, histories, ECONOMICS, horizon=YEAR, interval=0.6),
    }
    for name, alone in single.items():
        shown = table[[name, f"{name}_lower", f"{name}_upper"]]
        np.testing.assert_allclose(shown, alone[["mean", "lower", "upper"]], rtol=1e-9)


def test_numbers_of_a_customer_fit_together(posteriors: tuple[Any, Any]):
    table = kw.score(*posteriors, cdnow.sample(300), ECONOMICS, horizon=YEAR)
    for name in NAMES:
        assert ((table[f"{name}_lower"] <= table[name]) & (table[name] <= table[f"{name}_upper"])).all()
        assert (table[name] > 0).all()
    assert (table["return_probability"] <= table["p_alive"]).all()
    assert (table["return_probability"] <= table["expected_purchases"]).all()
    # discounting takes something off, by less than a year's worth
    undiscounted = 0.3 * table["expected_purchases"] * table["expected_spend"]
    assert ((table["npv"] / undiscounted).between(1 / 1.1 - 0.01, 1.01)).all()


def test_scores_go_to_their_customer(posteriors: tuple[Any, Any]):
    plain = cdnow.histories().take(np.arange(40))
    expected = kw.score(*posteriors, plain, ECONOMICS, horizon=YEAR).to_numpy()
    ids = [f"id {i * 11 % 40}" for i in range(40)]
    order = np.random.default_rng(0).permutation(40)
    table = plain.to_pandas().assign(customer_id=ids).iloc[order]
    found = kw.score(*posteriors, kw.CustomerHistories.from_pandas(table, unit="week"), ECONOMICS, horizon=YEAR)
    assert found.index.tolist() == [ids[i] for i in order]
    np.testing.assert_allclose(found, expected[order], rtol=1e-7)


def test_what_cannot_be_scored_is_refused(posteriors):
    purchases, spend = posteriors
    with pytest.raises(DurationError, match="horizon"):
        kw.score(purchases, spend, cdnow.sample(5), ECONOMICS, horizon=52)  # type: ignore[arg-type]  # what is tested
    with pytest.raises(SpecificationError, match="LIFETIME"):
        kw.score(purchases, spend, cdnow.sample(5), ECONOMICS, horizon=kw.LIFETIME)
    with pytest.raises(SpecificationError, match="purchases must be"):
        kw.score(spend, purchases, cdnow.sample(5), ECONOMICS, horizon=YEAR)
    heavy = kw.fixed(kw.GammaGamma.Parameters(p=2.0, q=0.9, gamma=10.0))
    with pytest.raises(InfiniteValueError, match="median_spend"):
        kw.score(purchases, heavy, cdnow.histories(), ECONOMICS, horizon=YEAR)
