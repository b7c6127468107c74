"""First to second purchase: closed forms, brute force, whom it is about."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import betainc

import kundenwert as kw
from kundenwert.errors import DurationError, SizeError, SpecificationError
from tests import cdnow
from tests.customers import histories_of, with_draws

R, ALPHA, A, B = 0.525, 6.183, 0.891, 1.614
POINT = kw.fixed(kw.MBGNBD.Parameters(r=R, alpha=ALPHA, a=A, b=B, unit="week"))
COLUMNS = ["probability", "ever", "waiting_time"]
CUSTOMERS = 400_000


@pytest.mark.parametrize("weeks", [0.01, 4.0, 52.0, 5000.0])
@pytest.mark.parametrize("observed", [0.0, 20.0])
def test_it_is_what_the_formulas_say(weeks, observed):
    histories = None if observed == 0 else histories_of(0, 0, observed, unit="week")
    found = kw.second_purchase(POINT, histories, horizon=kw.weeks(weeks))[COLUMNS].iloc[0]
    age = ALPHA + observed
    alive = 1 / (1 + A / B * (age / ALPHA) ** R)
    back = -np.expm1(-R * np.log1p(weeks / age))
    by_then = (age / (1 - R)) * np.expm1((1 - R) * np.log1p(weeks / age)) - weeks * (
        1 - back
    )  # integral of P(u < wait <= h)
    assert found.tolist() == pytest.approx([alive * back, alive, by_then / back], rel=1e-9)


def simulated(law, observed=0.0):
    """Waiting times of simulated customers who have not bought again for so long, by hand: inf for never."""
    rng = np.random.default_rng(3)
    r, alpha = (R, ALPHA) if law != "Erlang" else (R, ALPHA / 2)
    rate = rng.gamma(r, 1 / alpha, CUSTOMERS)
    if law == "Pareto":
        wait = rng.exponential(size=CUSTOMERS) / rate
        wait[wait > rng.exponential(size=CUSTOMERS) / rng.gamma(0.6, 1 / 11.7, CUSTOMERS)] = np.inf
    else:
        wait = rng.standard_gamma(2 if law == "Erlang" else 1, CUSTOMERS) / rate
        wait[rng.random(CUSTOMERS) < rng.beta(A, B, CUSTOMERS)] = np.inf
    return wait[wait > observed] - observed


LAWS: dict[str, Any] = {
    "random": POINT,
    "Erlang": kw.fixed(kw.MBGCNBD.Parameters(k=2, r=R, alpha=ALPHA / 2, a=A, b=B, unit="week")),
    "Pareto": kw.fixed(kw.ParetoNBD.Parameters(r=R, alpha=ALPHA, s=0.6, beta=11.7, unit="week")),
}


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("observed", [0.0, 15.0])
def test_simulated_customers_do_what_is_expected(law, observed):
    histories = histories_of(0, 0, observed, unit="week")
    table = kw.second_purchase(LAWS[law], histories, horizon=kw.weeks(40)).iloc[0]
    wait = simulated(law, observed)
    soon = wait[wait <= 40]
    for name, seen in (("probability", wait <= 40), ("ever", np.isfinite(wait)), ("waiting_time", soon)):
        assert abs(seen.mean() - table[name]) < 3 * seen.std() / np.sqrt(len(seen)), name
        assert table[name] == table[f"{name}_lower"] == table[f"{name}_upper"]


@pytest.mark.parametrize("weeks", [1.5, 10.0, 1040.0, 100_000.0])
@pytest.mark.parametrize("k,r", [(2, 1000.0), (12, 1000.0), (12, 50.0)])
def test_regular_buyers_come_back_after_their_usual_gap(k, r, weeks):
    alpha = 2 * r / k
    regular = kw.fixed(kw.MBGCNBD.Parameters(k=k, r=r, alpha=alpha, a=A, b=B, unit="week"))
    # the gap is alpha times a ratio of gamma variables: odds of Beta(k, r), with mean alpha k/(r - 1)
    odds = weeks / (alpha + weeks)
    back = betainc(k, r, odds)
    mean = alpha * k / (r - 1) * betainc(k + 1, r - 1, odds) / back
    found = kw.second_purchase(regular, horizon=kw.weeks(weeks)).iloc[0]
    assert found["probability"] == pytest.approx(back * B / (A + B), rel=1e-9)
    assert found["waiting_time"] == pytest.approx(mean, rel=1e-9)


def test_opportunities_are_counted():
    donors: Any = kw.fixed(kw.BGBB.Parameters(alpha=1.2, beta=0.75, gamma=0.66, delta=2.8))
    rng = np.random.default_rng(1)
    buy, leave = rng.beta(1.2, 0.75, CUSTOMERS), rng.beta(0.66, 2.8, CUSTOMERS)
    wait = rng.geometric(buy).astype(float)
    wait[wait >= rng.geometric(leave)] = np.inf  # who leaves before an opportunity cannot use it
    frame = pd.DataFrame({"customer_id": [7], "frequency": 0, "recency": 0, "opportunities": 2})
    for observed, histories in ((0, None), (2, kw.OpportunityHistories.from_pandas(frame))):
        table = kw.second_purchase(donors, histories, horizon=kw.opportunities(5)).iloc[0]
        left = wait[wait > observed] - observed
        for name, seen in (("probability", left <= 5), ("ever", np.isfinite(left)), ("waiting_time", left[left <= 5])):
            assert abs(seen.mean() - table[name]) < 3 * seen.std() / np.sqrt(len(seen)), name


def test_intervals_hold_the_draws():
    drawn = {"r": [0.4, 0.5, 0.6], "alpha": [5.0, 6.0, 7.0], "a": [0.8, 0.9, 1.0], "b": [1.5, 1.6, 1.7]}
    together = kw.second_purchase(with_draws(kw.MBGNBD, unit="week", **drawn), horizon=kw.years(1), interval=0.5).iloc[
        0
    ]
    alone = [
        kw.second_purchase(kw.fixed(kw.MBGNBD.Parameters(r=r, alpha=alpha, a=a, b=b, unit="week")), horizon=kw.years(1))
        for r, alpha, a, b in zip(*drawn.values(), strict=True)
    ]
    single = pd.concat(alone)[COLUMNS].to_numpy()
    np.testing.assert_allclose(together[COLUMNS].to_numpy(float), single.mean(axis=0), rtol=1e-7)
    for end, q in (("lower", 0.25), ("upper", 0.75)):
        ends = together[[f"{name}_{end}" for name in COLUMNS]].to_numpy(float)
        np.testing.assert_allclose(ends, np.quantile(single, q, axis=0), rtol=1e-7)


def test_it_is_about_those_who_have_bought_once():
    histories, purchases = cdnow.sample(100), cdnow.posterior("MBGNBD")
    table = kw.second_purchase(purchases, histories, horizon=kw.weeks(39))
    assert table.index.tolist() == histories.customer_id[histories.frequency == 0].tolist()
    returns = purchases.return_probability(histories, horizon=kw.weeks(39)).loc[table.index]
    ends = ["probability", "probability_lower", "probability_upper"]
    np.testing.assert_allclose(table[ends], returns, rtol=1e-7)
    assert (table["probability"] < table["ever"]).all()
    assert table["waiting_time"].between(0, 39).all()
    nobody = kw.second_purchase(purchases, histories.take(histories.frequency > 0), horizon=kw.weeks(39))
    assert len(nobody) == 0
    assert list(nobody) == list(table)


def test_under_bgnbd_everybody_comes_back_some_time():
    posterior = kw.fixed(kw.BGNBD.Parameters(r=0.243, alpha=4.414, a=0.793, b=2.426, unit="week"))
    assert kw.second_purchase(posterior, horizon=kw.years(1))["ever"].tolist() == [1.0]


def test_units_do_not_matter():
    daily = kw.fixed(kw.MBGNBD.Parameters(r=R, alpha=7 * ALPHA, a=A, b=B, unit="day"))
    weeks, days = (kw.second_purchase(posterior, horizon=kw.years(1)) for posterior in (POINT, daily))
    np.testing.assert_allclose(days[["probability", "ever"]], weeks[["probability", "ever"]], rtol=1e-12)
    np.testing.assert_allclose(days["waiting_time"], 7 * weeks["waiting_time"], rtol=1e-12)


def test_what_cannot_be_asked_is_refused():
    contracts: Any = kw.fixed(kw.ShiftedBetaGeometric.Parameters(gamma=1.0, delta=3.0))
    with pytest.raises(SpecificationError, match="leave at a renewal"):
        kw.second_purchase(contracts, horizon=kw.years(1))
    with pytest.raises(DurationError, match="horizon"):
        kw.second_purchase(POINT, horizon=52)  # type: ignore[arg-type]  # what is tested
    with pytest.raises(SpecificationError, match="LIFETIME"):
        kw.second_purchase(POINT, horizon=kw.LIFETIME)
    donors: Any = kw.fixed(kw.BGBB.Parameters(alpha=1.2, beta=0.75, gamma=0.66, delta=2.8))
    with pytest.raises(SizeError, match="100,000 are more than the 10,000 allowed"):
        kw.second_purchase(donors, horizon=kw.opportunities(100_000))
    with pytest.raises(SpecificationError, match="takes time"):
        kw.second_purchase(POINT, horizon=kw.days(0))
    with pytest.raises(SpecificationError, match="interval"):
        kw.second_purchase(POINT, horizon=kw.years(1), interval=90)
    with pytest.raises(DurationError, match="opportunities"):
        kw.second_purchase(POINT, horizon=kw.opportunities(3))
