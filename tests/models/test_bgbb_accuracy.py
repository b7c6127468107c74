"""Nine digits: what BG/BB expects of a customer, against mpmath over a grid of extreme populations and histories."""

import csv
import itertools
import math
import random
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from scipy.special import roots_jacobi

import kundenwert as kw
from kundenwert.models.core import NUMPY, history_of
from kundenwert.models.kernels.sums import summation
from tests.reference import make_bgbb as reference


def table():
    with reference.TABLE.open() as file:
        return [(as_customer(row), row) for row in csv.DictReader(file)]


def as_customer(row):
    parameters: list[Any] = [float(row[name]) for name in ("alpha", "beta", "gamma", "delta")]
    return reference.Customer(*parameters, *(int(row[name]) for name in ("x", "t_x", "T")))


ROWS = table()
GIVEN_ALIVE: dict[str, Any] = {
    "alive_1": lambda a: a.survival(1.0),
    "alive_40": lambda a: a.survival(40.0),
    "alive_million": lambda a: a.survival(1e6),
    "purchases_1": lambda a: a.purchases(0.0, 1.0),
    "purchases_5": lambda a: a.purchases(0.0, 5.0),
    "purchases_500": lambda a: a.purchases(0.0, 500.0),
    "purchases_million": lambda a: a.purchases(0.0, 1e6),
    "purchases_later": lambda a: a.purchases(7.0, 52.0),
    "purchases_much_later": lambda a: a.purchases(1e6, 3.0),
    "return_1": lambda a: a.returns(1.0),
    "return_30": lambda a: a.returns(30.0),
    "return_700": lambda a: a.returns(700.0),
    "return_50000": lambda a: a.returns(5e4),
    "none_6": lambda a: a.count_probability(0, 6.0),
    "two_6": lambda a: a.count_probability(2, 6.0),
    "six_6": lambda a: a.count_probability(6, 6.0),
    "ten_300": lambda a: a.count_probability(10, 300.0),
    "none_3000": lambda a: a.count_probability(0, 3000.0),
    "fifty_3000": lambda a: a.count_probability(50, 3000.0),
    "discounted_5": lambda a: a.discounted_purchases(0.1, 5.0),
    "discounted_lifetime": lambda a: a.discounted_purchases(0.1, math.inf),
    "fast_lifetime": lambda a: a.discounted_purchases(3.0, math.inf),
    "slowly_lifetime": lambda a: a.discounted_purchases(1e-3, math.inf),
    "hardly_lifetime": lambda a: a.discounted_purchases(1e-6, math.inf),
    "slowly_2000": lambda a: a.discounted_purchases(1e-3, 2000.0),
}


def model_at(customer):
    model = kw.BGBB()
    return model, model.named([np.array([value]) for value in customer[:4]])


def of_history(customer, quantity):
    model, theta = model_at(customer)
    h = history_of({name: np.array([float(getattr(customer, name))]) for name in ("x", "t_x", "T")})
    return {"p_alive": model.p_states, "log_likelihood": model.log_likelihood}[quantity](theta, h, NUMPY).item()


def by_formula(customer, quantity):
    if quantity in {"p_alive", "log_likelihood"}:
        return of_history(customer, quantity)
    model, theta = model_at(customer)
    return GIVEN_ALIVE[quantity](model.alive(theta, *np.array([customer.x, customer.T])[:, None, None])[0]).item()


def test_the_reference_is_complete():
    assert [customer for customer, _ in ROWS] == reference.CUSTOMERS
    assert list(reference.QUANTITIES) == ["log_likelihood", "p_alive", *GIVEN_ALIVE]


@pytest.mark.every(2)
@pytest.mark.parametrize("quantity", reference.QUANTITIES)
def test_formulas_are_right_to_nine_digits(quantity):
    wrong = []
    for customer, row in ROWS:
        ours, truth = by_formula(customer, quantity), float(row[quantity])
        if not math.isclose(ours, truth, rel_tol=1e-9, abs_tol=1e-300):
            wrong.append((abs(ours / truth - 1), customer, ours, truth))
    assert not wrong, f"{len(wrong)} of {len(ROWS)}; the worst: {max(wrong, key=lambda w: w[0])}"


QUICK = sorted(reference.QUANTITIES.keys() - {"return_50000", "hardly_lifetime", "fifty_3000", "none_3000"})


@pytest.mark.parametrize("quantity", QUICK)
def test_the_reference_is_what_mpmath_gives(quantity):
    customer, row = random.Random(quantity).choice(ROWS)  # noqa: S311 - the same row every time
    assert reference.value(quantity, customer) == row[quantity]


@pytest.mark.slow
@pytest.mark.parametrize("quantity", sorted(reference.QUANTITIES.keys() - set(QUICK)))
def test_the_slow_reference_is_what_mpmath_gives(quantity):
    customer, row = random.Random(quantity).choice(ROWS)  # noqa: S311 - the same row every time
    assert reference.value(quantity, customer) == row[quantity]


def alive(a, b, g, d):
    """A customer with p ~ Beta(a, b) and theta ~ Beta(g, d), alive before the first opportunity."""
    model = kw.BGBB()
    return model.alive(model.named([np.array([value]) for value in (a, b, g, d)]), np.zeros((1, 1)), np.zeros((1, 1)))[
        0
    ]


def rising(start, count):
    return mp.fprod(start + i for i in range(count))


def truths(customer):
    """Everything about three opportunities to come from sums and products of positive numbers."""
    alpha, beta, gamma, delta = map(mp.mpf, customer[:4])
    x, t_x, n = customer[4:]

    def used(x, missed):  # of as many opportunities
        return rising(alpha, x) * rising(beta, missed) / rising(alpha + beta, x + missed)

    def stays(k):
        return rising(delta, k) / rising(gamma + delta, k)

    alive = used(x, n - x) * stays(n)
    gone = mp.fsum(used(x, k - x) * stays(k) * gamma / (gamma + delta + k) for k in range(t_x, n))
    there = [stays(n + j) / stays(n) for j in range(4)]
    mean = (alpha + x) / (alpha + beta + n)
    first = [used(x + 1, n - x + j) / used(x, n - x) for j in range(3)]
    return {
        "log_likelihood": mp.log(alive + gone),
        "p_alive": alive / (alive + gone),
        "survival": there[3],
        "purchases": mean * mp.fsum(there[1:]),
        "returns": mp.fsum(p * s for p, s in zip(first, there[1:], strict=True)),
        "all used": used(x + 3, n - x) / used(x, n - x) * there[3],
        "steeply": mean * mp.fsum(mp.exp(-9 * j) * stays(n + j) / stays(n) for j in range(1, 6)),
        "for life": mean * (delta + n) / (gamma - 1) if gamma > 1 else mp.inf,
    }


@pytest.mark.parametrize("history", [(0, 0, 0), (0, 0, 4), (4, 4, 4), (1, 2, 4)])
def test_the_most_extreme_parameters(history):
    """Every combination of the largest and smallest numbers that parameters may be."""
    x, t_x, n = history
    for a, b, g, d in itertools.product((1e-100, 2.0, 1e100), repeat=4):
        customer = reference.Customer(a, b, g, d, x, t_x, n)
        model, theta = model_at(customer)
        given_alive = model.alive(theta, np.array([[float(x)]]), np.array([[float(n)]]))[0]
        ours = {
            "log_likelihood": of_history(customer, "log_likelihood"),
            "p_alive": of_history(customer, "p_alive"),
            "survival": given_alive.survival(3.0).item(),
            "purchases": given_alive.purchases(0.0, 3.0).item(),
            "returns": given_alive.returns(3.0).item(),
            "all used": given_alive.count_probability(3, 3.0).item(),
            "steeply": given_alive.discounted_purchases(9.0, math.inf).item(),
            "for life": given_alive.discounted_purchases(0.0, math.inf).item(),
        }
        for name, truth in truths(customer).items():
            smallest = 1e-11 if name == "log_likelihood" else 1e-290
            assert math.isclose(ours[name], float(truth), rel_tol=1e-9, abs_tol=smallest), (name, customer)


@pytest.mark.parametrize("a, b, g, d", [(0.05, 30.0, 0.02, 5.0), (2.0, 300.0, 0.3, 1e4), (3.0, 0.01, 1.0, 0.1)])
def test_a_million_opportunities_term_by_term(a, b, g, d):
    """The plain sum over the first opportunity used, in extended precision."""
    j = np.arange(1.0, 1e6, dtype=np.longdouble)
    ratio = (b + j - 1) * (d + j) / ((a + b + j) * (g + d + j))
    first = np.longdouble(a) / (a + b) * d / (g + d)
    truth = first * (1 + np.cumprod(ratio).sum())
    assert alive(a, b, g, d).returns(1e6).item() == pytest.approx(float(truth), rel=1e-11)


def test_expectations_are_averages_over_the_probabilities():
    """From the definition: elementary functions of p and theta, averaged by Gauss-Jacobi quadrature."""
    a, b, g, d = 1.5, 0.8, 0.6, 2.1

    def nodes(first, second):  # of Beta(first, second)
        x, weight = roots_jacobi(80, second - 1, first - 1)
        return (x + 1) / 2, weight / weight.sum()

    (p, of_p), (theta, of_theta) = nodes(a, b), nodes(g, d)
    p, stay, weight = p[:, None], 1 - theta, of_p[:, None] * of_theta
    miss, v = 1 - p, 0.9
    none = theta + stay * miss * (theta + stay * miss * (theta + stay * miss))  # at three opportunities
    lifetime = p * v * stay / (1 - v * stay)
    later = p * stay**4 * (1 + stay + stay**2)
    customer = alive(a, b, g, d)
    assert customer.count_probability(0, 3.0).item() == pytest.approx((weight * none).sum(), rel=1e-12)
    assert customer.discounted_purchases(-math.log(v), math.inf).item() == pytest.approx(
        (weight * lifetime).sum(), rel=1e-9
    )
    assert customer.purchases(3.0, 3.0).item() == pytest.approx((weight * later).sum(), rel=1e-12)


def test_nearly_no_discounting_is_nearly_the_sum_for_life():
    customer = alive(1.5, 0.8, 3.0, 2.0)
    assert customer.discounted_purchases(1e-12, math.inf).item() == pytest.approx(
        customer.discounted_purchases(0.0, math.inf).item(), rel=1e-9
    )
    assert math.isfinite(alive(1.5, 0.8, 0.3, 2.0).discounted_purchases(1e-290, math.inf).item())


@pytest.mark.parametrize("last", [0, 7, 31, 32, 33, 80, 12_345])
def test_sums_of_powers_are_exact(last):
    j, weight = summation(last)
    assert (np.diff(j) > 0).all()
    assert len(j) < 33 + 11 * max(1.0, math.log2(last + 1))
    for power in range(6):
        truth = sum(k**power for k in range(last + 1))
        assert weight @ j**power == pytest.approx(truth, rel=1e-12)
    assert weight @ (1 + j) ** -1.5 == pytest.approx((np.arange(1.0, last + 2) ** -1.5).sum(), rel=1e-13)
