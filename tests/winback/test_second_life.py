"""What customers are worth counted from their return."""

import math

import numpy as np
import pytest

import kundenwert as kw
from tests.customers import histories_of
from tests.revivals import with_gaps
from tests.winback import reviving
from tests.winback.campaigns import ECONOMICS, SPEND, WINDOW, known, shop, uncertain

DELTA = math.log(1.15) * 7 / 365.25


def test_organic_value_times_chance_is_the_value_now_less_that_of_waiting():
    """p0 V0 E[exp(-delta tau) | tau <= h] + (1 - p0) exp(-delta h) W0 = value now, V0 from this function."""
    histories = histories_of([1, 4], [5.0, 20.0], [20.0, 40.0], unit="week")
    later = histories_of([1, 4], [5.0, 20.0], [33.0, 53.0], unit="week")
    posterior = known()
    table = kw.second_lifetime_value(posterior, SPEND, histories, ECONOMICS, window=WINDOW)
    now, then = (
        kw.net_present_value(posterior, SPEND, each, ECONOMICS, horizon=kw.LIFETIME)["mean"].to_numpy()
        for each in (histories, later)
    )
    p_return = [
        posterior.return_probability(histories, horizon=kw.weeks(u))["mean"].to_numpy()
        for u in np.linspace(0, 13, 1001)
    ]
    u = np.linspace(0, 13, 1001)
    discounted = np.sum(np.exp(-DELTA * (u[1:] + u[:-1]) / 2)[:, None] * np.diff(p_return, axis=0), axis=0)
    total = table["organic"].to_numpy() * discounted + (1 - p_return[-1]) * math.exp(-DELTA * 13) * then
    assert total == pytest.approx(now, rel=1e-8)


def test_customers_who_may_be_dormant_have_three_second_lives():
    """By sums over all that may have happened: those who return, and those of each kind who are brought back."""
    posterior = reviving.known()
    table = kw.second_lifetime_value(posterior, SPEND, reviving.customers(), ECONOMICS, window=WINDOW)
    assert [name for name in table if "er" not in str(name)] == [
        "organic", "induced_active", "induced_dormant", "induced_gone",
    ]  # fmt: skip
    for row in range(4):
        found = table.iloc[row]
        now, later = (reviving.alternatives(reviving.THETA, 1, row, ahead) for ahead in (0.0, 13.0))
        leaves = 0.3 * 60 - 1
        organic = sum(now.returning(kind, 13.0, DELTA) for kind in range(2))
        discounted = sum(now.discounted_return(kind, 13.0, DELTA) for kind in range(2))
        assert found["organic"] == pytest.approx(leaves * organic / discounted, rel=1e-6)
        for kind, name in enumerate(reviving.STATES):
            truth = leaves * later.brought_back(kind, DELTA) / later.probability(kind)
            assert found[f"induced_{name}"] == pytest.approx(truth, rel=1e-7)


def test_the_gone_and_those_who_stay_away_are_worth_less_than_those_who_return():
    table = kw.second_lifetime_value(known(), SPEND, shop(50), ECONOMICS, window=WINDOW)
    assert (table["organic"] > table["induced_alive"]).all()
    assert (table["organic"] > table["induced_gone"]).all()
    assert (table["induced_gone"] > 0.3 * 60 - 1 - 1e-9).all()  # the return itself


def test_intervals_hold_the_mean():
    table = kw.second_lifetime_value(uncertain(), SPEND, shop(30), ECONOMICS, window=WINDOW)
    for name in ("organic", "induced_alive", "induced_gone"):
        assert (table[f"{name}_lower"] < table[name]).all()
        assert (table[name] < table[f"{name}_upper"]).all()


def test_second_lives_of_nobody_are_not_told():
    """Who bought every hour and then not for six years is not active: nobody is there to be worth anything."""
    histories = with_gaps([[1 / 168] * 499, [3.0]], [300.0, 20.0])
    table = kw.second_lifetime_value(reviving.known(), SPEND, histories, ECONOMICS, window=WINDOW)
    active = [name for name in table if "active" in str(name)]
    assert table[active].iloc[0].isna().all()
    assert (table.drop(columns=active) > 17).all(axis=None)
    assert (table.iloc[1] > 17).all()


def test_horizon_and_bad_arguments():
    short = kw.second_lifetime_value(known(), SPEND, shop(20), ECONOMICS, window=WINDOW, horizon=kw.weeks(14))
    life = kw.second_lifetime_value(known(), SPEND, shop(20), ECONOMICS, window=WINDOW)
    assert (short["induced_alive"] < life["induced_alive"]).all()
    with pytest.raises(kw.errors.SpecificationError, match="window"):
        kw.second_lifetime_value(known(), SPEND, shop(20), ECONOMICS, window=WINDOW, horizon=WINDOW)
    with pytest.raises(kw.errors.DataError, match="no customers"):
        kw.second_lifetime_value(known(), SPEND, shop(20).take([]), ECONOMICS, window=WINDOW)
    pareto = kw.fixed(kw.ParetoNBD.Parameters(r=0.5, alpha=10.0, s=0.6, beta=11.0, unit="week"))
    with pytest.raises(kw.errors.SpecificationError, match="RevivalNBD"):
        kw.second_lifetime_value(pareto, SPEND, shop(20), ECONOMICS, window=WINDOW)
