"""Cases in which other implementations gave NaN, wrong digits, or a silent wrong answer."""

from typing import Any

import mpmath as mp
import numpy as np
import pandas as pd
import pytest

import kundenwert as kw
from tests.customers import PURCHASE_MODELS, TABLE_ERROR, histories_of
from tests.reference.make_beta_geometric import Customer, Truth

DAILY: dict[str, Any] = {"r": 0.24, "alpha": 4.41, "a": 0.79, "b": 2.43}


def expected(model, parameters, x, t_x, T, horizon):
    posterior = kw.fixed(model.Parameters(**parameters, unit="day"))
    return posterior.expected_purchases(histories_of(x, t_x, T), horizon=kw.days(horizon))["mean"].iloc[0]


def truth(model, parameters, x, t_x, T, horizon):
    with mp.workdps(60):
        return float(Truth(Customer(model.__name__, **parameters, x=x, t_x=t_x, T=T)).purchases(0, horizon))


@pytest.mark.parametrize("model", PURCHASE_MODELS)
@pytest.mark.parametrize(
    "x, t_x, T, horizon", [(1759, 729, 730, 365), (1029, 729, 730, 730), (397, 729, 730, 3650), (200, 30, 38, 1e6)]
)
def test_frequent_buyers_have_an_expectation(model, x, t_x, T, horizon):
    assert expected(model, DAILY, x, t_x, T, horizon) == pytest.approx(
        truth(model, DAILY, x, t_x, T, horizon), rel=TABLE_ERROR
    )


def test_a_frequent_buyer_who_fell_silent_is_expected_to_buy_next_to_nothing():
    # to 50 digits, eq. (10) of Fader, Hardie & Lee (2005)
    assert expected(kw.BGNBD, DAILY, 2000, 700, 730, 365) == pytest.approx(1.2551663e-30, rel=5e-8)


@pytest.mark.parametrize("model", PURCHASE_MODELS)
@pytest.mark.parametrize("a", [1.0, 1 + 1e-12, 1 - 1e-12, 1 + 1e-9, 1 + 1e-6])
def test_nothing_happens_where_a_is_one(model, a):
    parameters = DAILY | {"a": a}
    for x in (0, 5):
        assert expected(model, parameters, x, 20 * x, 200, 365) == pytest.approx(
            truth(model, parameters, x, 20 * x, 200, 365), rel=TABLE_ERROR
        )


@pytest.mark.parametrize("model", PURCHASE_MODELS)
@pytest.mark.parametrize("a, b", [(0.4, 0.6), (0.75, 0.25), (0.4, 0.6 + 1e-12), (1.0, 1e-12)])
def test_nothing_happens_where_a_and_b_add_up_to_one(model, a, b):
    parameters = DAILY | {"a": a, "b": b}
    assert expected(model, parameters, 0, 0, 200, 365) == pytest.approx(
        truth(model, parameters, 0, 0, 200, 365), rel=TABLE_ERROR
    )


def test_one_time_buyers_are_alive_by_construction_under_bg_nbd_only():
    histories = histories_of(0, 0, [0, 10, 10_000])
    assert (kw.fixed(kw.BGNBD.Parameters(**DAILY, unit="day")).p_alive(histories) == 1).all(axis=None)
    modified = kw.fixed(kw.MBGNBD.Parameters(**DAILY, unit="day")).p_alive(histories)["mean"].to_numpy()
    # b/(a + b) at the first purchase, then falling
    assert modified[0] == pytest.approx(2.43 / (0.79 + 2.43), rel=1e-14)
    assert modified[0] > modified[1] > modified[2]


@pytest.mark.parametrize("unit", ["hour", "day", "week", "month", "year"])
def test_a_year_is_twelve_months_whatever_the_unit(unit):
    posterior = kw.fixed(kw.MBGNBD.Parameters(**DAILY, unit=unit))
    histories = histories_of([0, 3], [0, 20], 38, unit=unit)
    tables = [
        posterior.expected_purchases(histories, horizon=horizon)
        for horizon in (kw.years(1), kw.months(12), kw.days(365.25), kw.hours(365.25 * 24))
    ]
    for table in tables[1:]:
        np.testing.assert_allclose(table, tables[0], rtol=2 * TABLE_ERROR)


def test_a_month_is_not_thirty_days():
    posterior = kw.fixed(kw.MBGNBD.Parameters(**DAILY, unit="day"))
    histories = histories_of(0, 0, 38)
    month, thirty = (posterior.return_probability(histories, horizon=h) for h in (kw.months(1), kw.days(30)))
    assert (month["mean"] > thirty["mean"]).all()


UNKNOWN = {
    "fit_method": lambda h, _: kw.fit(kw.BGNBD(), h, fit_method="map"),  # type: ignore[call-overload]
    "positional method": lambda h, _: kw.fit(kw.BGNBD(), h, kw.MAP()),  # type: ignore[call-overload]
    "parameter for prior": lambda _h, _: kw.BGNBD(r=kw.LogNormal(0, 1)),  # type: ignore[call-arg]
    "positional prior": lambda _h, _: kw.BGNBD(kw.LogNormal(0, 1)),  # type: ignore[call-arg]
    "units": lambda _h, _: kw.MBGNBD.Parameters(**DAILY, units="day"),  # type: ignore[call-arg]
    "no unit": lambda _h, _: kw.MBGNBD.Parameters(**DAILY),
    "v": lambda _h, _: kw.GammaGamma(v=kw.LogNormal(0, 1)),  # type: ignore[call-arg]
    "future_t": lambda h, p: p.p_alive(h, future_t=kw.weeks(1)),
    "positional horizon": lambda h, p: p.expected_purchases(h, kw.weeks(1)),
    "t": lambda h, p: p.expected_purchases(h, t=kw.weeks(1)),
    "no horizon": lambda h, p: p.expected_purchases(h),
    "n_purchases": lambda h, p: p.purchase_distribution(h, horizon=kw.weeks(1), n_purchases=3),
}


@pytest.mark.parametrize("call", UNKNOWN.values(), ids=UNKNOWN.keys())
def test_an_unknown_keyword_is_an_error(call):
    with pytest.raises(TypeError, match="argument"):
        call(histories_of([0, 1], [0, 5], 38), kw.fixed(kw.BGNBD.Parameters(**DAILY, unit="day")))


def test_ids_are_names_and_not_positions():
    x, t_x, T = np.array([3, 0, 7, 1, 7]), np.array([20.0, 0, 37, 5, 37]), np.array([38.0, 25, 38, 30, 38])
    posterior = kw.fixed(kw.MBGNBD.Parameters(**DAILY, unit="day"))
    one_by_one = [expected(kw.MBGNBD, DAILY, *history, 90) for history in zip(x, t_x, T, strict=True)]
    for ids in (["zoë", "ada", "10", "9", ""], [4, 2, 0, 3, 1], [10**12, -5, 0, 7, 6]):
        histories = histories_of(x, t_x, T, customer_id=ids)
        table = posterior.expected_purchases(histories, horizon=kw.days(90))
        assert table.index.tolist() == ids
        np.testing.assert_allclose(table["mean"], one_by_one, rtol=2 * TABLE_ERROR)
        drawn = posterior.draws.expected_purchases(histories, horizon=kw.days(90))
        assert drawn.coords["customer_id"].to_numpy().tolist() == ids
        np.testing.assert_allclose(drawn.to_numpy()[0, 0], one_by_one, rtol=2 * TABLE_ERROR)


def test_categorical_ids_come_back_as_they_went_in():
    ids = pd.Categorical(["b", "a", "c"], categories=["c", "b", "a"])
    table = kw.fixed(kw.BGNBD.Parameters(**DAILY, unit="day")).p_alive(
        histories_of([1, 2, 0], [3, 4, 0], 9, customer_id=ids)
    )
    assert isinstance(table.index.dtype, pd.CategoricalDtype)
    assert table.index.tolist() == ["b", "a", "c"]
