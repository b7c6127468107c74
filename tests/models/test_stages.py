"""Nine digits: what living customers with regular gaps do, against mpmath over a grid of extreme customers."""

import csv
import math
import random
from itertools import groupby
from typing import Any

import mpmath as mp
import numpy as np
import pytest

from kundenwert.models.kernels.beta_erlang import BetaErlang
from kundenwert.models.kernels.beta_mixture import BetaMixture
from kundenwert.models.kernels.stages import ByCount, ByRoots
from tests.reference import make_beta_erlang as reference

with reference.TABLE.open() as file:
    ROWS = list(csv.DictReader(file))
FOREVER = math.inf

# v = 1 is a period of length 1: A is 1/v
BY_FORMULA: dict[str, Any] = {
    "survival": lambda c: c.survival(1.0),
    "purchases": lambda c: c.purchases(0.0, 1.0),
    "later": lambda c: c.purchases(1.0, 0.1),
    "returns": lambda c: c.returns(1.0),
    "none": lambda c: c.count_probability(0, 1.0),
    "three": lambda c: c.count_probability(3, 1.0),
    "discounted": lambda c: c.discounted_purchases(1.0, 1.0),
    "lifetime": lambda c: c.discounted_purchases(1.0, FOREVER),
}


def customers(rows):
    """Customers at the same phase, as one."""
    n, v, a, b = (np.array([float(row[name]) for row in rows]) for name in ("n", "v", "a", "b"))
    return BetaErlang(k=int(rows[0]["k"]), phase=int(rows[0]["phase"]), n=n, A=1 / v, a=a, b=b)


def of_stages(row):
    return row["k"], row["phase"]


def worst_error(quantity, error=None):
    """Largest relative error over the table, and where; all customers at the same phase are computed together."""
    worst: tuple[float, Any] = (0.0, None)
    known = [row for row in ROWS if row[quantity]]
    for _, group in groupby(sorted(known, key=of_stages), key=of_stages):
        rows = list(group)
        customer = customers(rows)
        ours = BY_FORMULA[quantity](customer if error is None else customer.within(error))
        for value, row in zip(ours, rows, strict=True):
            truth = float(row[quantity])
            if truth > 1e-290:
                worst = max(worst, (abs(value / truth - 1), tuple(row.values())), key=lambda w: w[0])
            else:
                assert 0 <= value < 1e-280
    return worst


def test_the_reference_is_complete():
    assert [[float(row[name]) for name in reference.Customer._fields] for row in ROWS] == [
        list(customer) for customer in reference.CUSTOMERS
    ]
    assert reference.QUANTITIES.keys() == BY_FORMULA.keys()
    assert all(row[name] for row in ROWS for name in reference.QUANTITIES if name != "discounted")
    assert sum(row["discounted"] != "" for row in ROWS) > 100


@pytest.mark.every(3)
@pytest.mark.parametrize("quantity", BY_FORMULA)
def test_formulas_are_right_to_nine_digits(quantity):
    error, where = worst_error(quantity)
    assert error < 1e-9, where


@pytest.mark.parametrize("quantity", BY_FORMULA)
def test_less_work_gives_the_error_asked_for(quantity):
    error, where = worst_error(quantity, 1e-7)
    assert error < 1e-7, where


@pytest.mark.slow
def test_the_reference_is_what_mpmath_gives():
    group = random.Random(2).choice(reference.GROUPS)  # noqa: S311 - the same one every time
    first = reference.GROUPS.index(group) * len(group)
    lines = [{name: str(value) for name, value in row.items()} for row in reference.rows(group)]
    assert lines == ROWS[first : first + len(group)]


def test_the_reference_is_the_sum_over_purchases():
    """Of P(offered until v) times the probability to have stayed after all before: slow, but nothing to get wrong."""
    few = [row for row in ROWS if float(row["n"]) * float(row["v"]) < 50 and float(row["v"]) < 2]
    for row in random.Random(3).sample(few, 6):  # noqa: S311
        k, phase = int(row["k"]), int(row["phase"])
        n, v, a, b = (mp.mpf(float(row[name])) for name in ("n", "v", "a", "b"))
        with mp.workdps(30):
            terms = [
                mp.betainc(m * k - phase, n, 0, v / (1 + v), regularized=True) * mp.beta(a, b + m - 1) / mp.beta(a, b)
                for m in range(1, 130)
            ]
            total = mp.fsum(terms)
            assert terms[-1] < total * 1e-13
        assert float(total) == pytest.approx(float(row["purchases"]), rel=1e-12)


@pytest.mark.parametrize("k, phase", [(2, 0), (2, 1), (3, 1), (4, 0), (7, 2), (10, 0), (10, 9)])
def test_both_ways_to_add_up_agree(k, phase):
    n, a, b, v = (grid.ravel() for grid in np.meshgrid([0.3, 5.0, 60.0], [0.1, 1.0, 20.0], [0.5, 3.0], [2.0, 7.0]))
    customer = BetaErlang(k=k, phase=phase, n=n, A=np.ones(1), a=a, b=b)
    by_count, by_roots = ByCount(customer, v), ByRoots(customer, v)
    np.testing.assert_allclose(by_roots.survival(), by_count.survival(), rtol=2e-9)
    np.testing.assert_allclose(by_roots.purchases(), by_count.purchases(), rtol=2e-9)
    for share in (1.0, 0.6):
        np.testing.assert_allclose(by_roots.intensity(share * v), by_count.intensity(share * v), rtol=2e-9)


@pytest.mark.parametrize("phase", [0, 13, 29])
def test_very_regular_customers(phase):
    """The sum over purchases again, for k = 30."""
    n, a, b = 40.0, 1.2, 3.0
    for v in (0.5, 3.0, 60.0):
        customer = BetaErlang(k=30, phase=phase, n=np.array([n]), A=np.ones(1), a=np.array([a]), b=np.array([b]))
        with mp.workdps(20):
            terms = [
                mp.betainc(m * 30 - phase, n, 0, v / (1 + v), regularized=True) * mp.beta(a, b + m - 1) / mp.beta(a, b)
                for m in range(1, 40 + int(8 * v))
            ]
        assert customer.purchases(0.0, v)[0] == pytest.approx(float(mp.fsum(terms)), rel=1e-9)


def test_one_stage_is_the_customer_of_random_gaps():
    n, a, b = np.array([0.3, 2.0, 40.0]), np.array([0.1, 1.0, 20.0]), np.array([0.5, 3.0, 0.02])
    stages = BetaErlang(k=1, phase=0, n=n, A=np.full(3, 7.0), a=a, b=b)
    plain = BetaMixture(n=n, A=np.full(3, 7.0), a=a, b=b)
    asked: list[Any] = [
        lambda c: c.survival(30.0),
        lambda c: c.purchases(0.0, 30.0),
        lambda c: c.purchases(20.0, 30.0),
        lambda c: c.returns(30.0),
        lambda c: c.count_probability(0, 30.0),
        lambda c: c.count_probability(3, 30.0),
        lambda c: c.discounted_purchases(0.01, 30.0),
        lambda c: c.discounted_purchases(0.01, FOREVER),
        lambda c: c.discounted_purchases(0.0, FOREVER),
    ]
    for ask in asked:
        np.testing.assert_allclose(ask(stages), ask(plain), rtol=1e-10)


@pytest.mark.parametrize("quantity", ["survival", "purchases", "later"])
def test_customers_do_not_depend_on_who_else_is_asked_about(quantity):
    ask = BY_FORMULA[quantity]
    rows = [row for row in ROWS if of_stages(row) == of_stages(ROWS[0])]
    together = ask(customers(rows))
    for i in range(0, len(rows), 5):
        assert ask(customers([rows[i]]))[0] == pytest.approx(together[i], rel=1e-9, abs=1e-290)


def test_nothing_happens_in_no_time():
    customer = BetaErlang(k=3, phase=2, n=np.array([0.5, 9.0]), A=np.ones(1), a=np.ones(1), b=np.ones(1))
    assert (customer.survival(0.0) == 1).all()
    for nothing in (
        customer.purchases(0.0, 0.0),
        customer.purchases(5.0, 0.0),
        customer.returns(0.0),
        customer.discounted_purchases(0.1, 0.0),
        customer.count_probability(2, 0.0),
    ):
        assert (nothing == 0).all()
    assert (customer.count_probability(0, 0.0) == 1).all()
