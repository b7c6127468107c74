"""Single numbers may be NumPy's or fractions; truth values and what is not finite are none."""

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import kundenwert as kw
from kundenwert.errors import SpecificationError
from kundenwert.scalars import check_count, check_seed, is_number, is_whole
from tests import cdnow

POPULATION: dict[str, Any] = {"r": 0.5, "alpha": 6.0, "a": 0.9, "b": 1.6}
LIKE_INT: Any = np.int64
LIKE_FLOAT: Any = np.float32


@pytest.mark.parametrize("value", [3, 3.5, np.float32(2), np.int8(4), Fraction(1, 3), -1])
def test_numbers(value):
    assert is_number(value)


@pytest.mark.parametrize("value", [True, np.True_, "3", None, math.nan, np.inf, 10**400, np.array([3.0]), 1j])
def test_no_numbers(value):
    assert not is_number(value)


@pytest.mark.parametrize("value", [True, np.True_, 3.0, np.float64(4), "3", None])
def test_not_whole(value):
    assert not is_whole(value)


def test_counts_and_seeds():
    assert type(check_count(np.int64(5), "draws")) is int
    assert type(check_seed(np.uint32(0))) is int
    assert check_seed(None) != check_seed(None)
    for value in (0, 2.0, True):
        with pytest.raises(SpecificationError, match="draws must be a whole number of at least 1, got"):
            check_count(value, "draws")
    with pytest.raises(SpecificationError, match="seed must be a whole number of at least 0, got -1"):
        check_seed(-1)


@pytest.mark.parametrize("kind", [np.int16, np.uint64, np.float32])
def test_durations(kind):
    assert kw.weeks(kind(3)) == kw.weeks(3)
    assert type(kw.weeks(kind(3)).in_days) is float


def test_specifications_hold_numbers_of_python():
    assert kw.renewals(LIKE_INT(3)) == kw.renewals(3)
    method = kw.ImportanceSampling(draws=LIKE_INT(100), points=LIKE_INT(2048))
    assert method == kw.ImportanceSampling(draws=100, points=2048)
    assert type(method.points) is int
    assert type(kw.MBGCNBD(k=LIKE_INT(2)).k) is int
    assert type(kw.RevivalNBD(k=LIKE_INT(2)).k) is int
    assert kw.GammaGamma(money_scale=LIKE_FLOAT(30)).money_scale == 30
    numbers = {name: LIKE_FLOAT(value) for name, value in POPULATION.items()}
    given = kw.RevivalNBD.Parameters(k=LIKE_INT(1), omega=LIKE_FLOAT(0.5), eta=LIKE_FLOAT(0.1), unit="week", **numbers)
    assert {type(getattr(given, name)) for name in (*POPULATION, "omega", "eta")} == {float}


def test_questions():
    posterior = kw.fixed(kw.MBGNBD.Parameters(unit="week", **POPULATION))
    customers = cdnow.sample(20)
    plain = posterior.discounted_purchases(customers, annual_discount_rate=0.5, horizon=kw.weeks(20), interval=0.5)
    given = posterior.discounted_purchases(
        customers, annual_discount_rate=LIKE_FLOAT(0.5), horizon=kw.weeks(LIKE_INT(20)), interval=LIKE_FLOAT(0.5)
    )
    assert given.equals(plain)
    counts = posterior.purchase_distribution(customers, horizon=kw.weeks(20), up_to=LIKE_INT(3))
    assert list(counts.columns) == [0, 1, 2, 3, "more"]


def test_models_with_such_numbers_are_saved(tmp_path):
    spend = kw.GammaGamma(money_scale=LIKE_FLOAT(30), p=kw.LogNormal(LIKE_FLOAT(0.5), LIKE_INT(1)))
    posterior = kw.fit(spend, cdnow.sample(100), seed=LIKE_INT(1), method=kw.MAP())
    posterior.save(tmp_path / "spend.nc")
    again: Any = kw.load(tmp_path / "spend.nc")
    assert again.model == spend
