"""Nine digits: what a customer is expected to do, against mpmath over a grid of extreme populations and histories."""

import csv
import math
import random

import mpmath as mp
import numpy as np
import pytest

import kundenwert as kw
from tests.customers import histories_of
from tests.reference import make_beta_geometric as reference

TOLERANCE = 1e-9
DAY, WEEKS, CENTURY, YEAR = kw.days(1), kw.days(273), kw.days(36525), kw.years(1)


def table():
    with reference.TABLE.open() as file:
        return [(as_customer(row), row) for row in csv.DictReader(file)]


def as_customer(row):
    numbers = {name: float(row[name]) for name in ("r", "alpha", "a", "b", "t_x", "T")}
    return reference.Customer(model=row["model"], x=int(row["x"]), **numbers)


ROWS = table()


def discounted(posterior, histories, rate, horizon):
    return posterior.discounted_purchases(histories, annual_discount_rate=rate, horizon=horizon)["mean"]


def slowly(customer, discounting):
    return reference.annual_rate(customer, discounting)


OURS = {
    "p_alive": lambda p, h, _: p.p_alive(h)["mean"],
    "alive_day": lambda p, h, _: p.p_alive(h, ahead=DAY)["mean"],
    "alive_weeks": lambda p, h, _: p.p_alive(h, ahead=WEEKS)["mean"],
    "alive_century": lambda p, h, _: p.p_alive(h, ahead=CENTURY)["mean"],
    "purchases_day": lambda p, h, _: p.expected_purchases(h, horizon=DAY)["mean"],
    "purchases_weeks": lambda p, h, _: p.expected_purchases(h, horizon=WEEKS)["mean"],
    "purchases_century": lambda p, h, _: p.expected_purchases(h, horizon=CENTURY)["mean"],
    "purchases_later": lambda p, h, _: p.expected_purchases(h, start=YEAR, horizon=WEEKS)["mean"],
    "purchases_much_later": lambda p, h, _: p.expected_purchases(h, start=CENTURY, horizon=DAY)["mean"],
    "return_day": lambda p, h, _: p.return_probability(h, horizon=DAY)["mean"],
    "return_century": lambda p, h, _: p.return_probability(h, horizon=CENTURY)["mean"],
    "none_weeks": lambda p, h, _: p.purchase_distribution(h, horizon=WEEKS, up_to=0)[0],
    "one_day": lambda p, h, _: p.purchase_distribution(h, horizon=DAY, up_to=1)[1],
    "ten_weeks": lambda p, h, _: p.purchase_distribution(h, horizon=WEEKS, up_to=10)[10],
    "three_century": lambda p, h, _: p.purchase_distribution(h, horizon=CENTURY, up_to=3)[3],
    "discounted_weeks": lambda p, h, _: discounted(p, h, 0.15, WEEKS),
    "discounted_lifetime": lambda p, h, _: discounted(p, h, 0.15, kw.LIFETIME),
    "slowly_century": lambda p, h, c: discounted(p, h, slowly(c, 1e-4), CENTURY),
    "slowly_lifetime": lambda p, h, c: discounted(p, h, slowly(c, 1e-4), kw.LIFETIME),
    "steadily_lifetime": lambda p, h, c: discounted(p, h, slowly(c, 0.05), kw.LIFETIME),
    "fast_lifetime": lambda p, h, c: discounted(p, h, slowly(c, 0.2), kw.LIFETIME),
}


def ours(quantity, customer):
    # one at a time: the accuracy of a customer may not hang on who else is asked about
    parameters = getattr(kw, customer.model).Parameters
    posterior = kw.fixed(parameters(r=customer.r, alpha=customer.alpha, a=customer.a, b=customer.b, unit="day"))
    return float(OURS[quantity](posterior, histories_of(customer.x, customer.t_x, customer.T), customer).iloc[0])


def test_the_table_is_complete():
    assert [customer for customer, _ in ROWS] == reference.CUSTOMERS
    assert reference.QUANTITIES.keys() == OURS.keys()


@pytest.mark.parametrize("quantity", OURS)
def test_nine_digits(quantity):
    wrong = []
    for customer, row in ROWS:
        mine, truth = ours(quantity, customer), float(row[quantity])
        if not math.isclose(mine, truth, rel_tol=TOLERANCE, abs_tol=1e-300):
            wrong.append((abs(mine / truth - 1), customer, mine, truth))
    assert not wrong, f"{len(wrong)} of {len(ROWS)}; the worst: {max(wrong, key=lambda w: w[0])}"


@pytest.mark.parametrize("quantity", OURS)
def test_the_table_is_what_mpmath_gives(quantity):
    customer, row = random.Random(quantity).choice(ROWS)  # noqa: S311 - the same row every time
    assert reference.value(quantity, customer) == row[quantity]


def average(a, b, f):
    """Average of f(p) over p ~ Beta(a, b), from the definition; p = s^(1/a) takes the pole at 0 away, if a < 1."""

    def half(a, b, f):
        k = 1 / min(a, 1)
        ends = mp.linspace(0, mp.mpf(0.5) ** (1 / k), 5)
        return mp.quad(lambda s: f(s**k) * k * s ** (k * a - 1) * (1 - s**k) ** (b - 1), ends)

    return (half(a, b, f) + half(b, a, lambda p: f(1 - p))) / mp.beta(a, b)


@pytest.mark.parametrize("position", [0, 5, 41, 74, 130, 197, 238, 302])
def test_the_closed_forms_are_averages_over_dropout_probabilities(position):
    customer, row = ROWS[position]

    def lifetime_given(p):  # n/p e^c E_{n+1}(c), for small p by its limit
        c = delta * A / p
        return n / p * (mp.exp(c) * mp.expint(n + 1, c) if c < 1e8 else 1 / (c + n + 1))

    with mp.workdps(20):
        truth = reference.Truth(customer)
        n, A, a, b = truth.n, truth.A, truth.a, truth.b_alive
        delta = mp.log1p(reference.annual_rate(customer, 1e-4)) / reference.DAYS_PER_YEAR
        survival = average(a, b, lambda p: (1 + p * 273 / A) ** -n)
        purchases = average(a, b, lambda p: -mp.expm1(-n * mp.log1p(p * 273 / A)) / p)
        lifetime = average(a, b, lifetime_given)
    p_alive = float(row["p_alive"])
    assert float(row["alive_weeks"]) == pytest.approx(p_alive * float(survival), rel=1e-12)
    assert float(row["purchases_weeks"]) == pytest.approx(p_alive * float(purchases), rel=1e-12)
    assert float(row["slowly_lifetime"]) == pytest.approx(p_alive * float(lifetime), rel=1e-12)
