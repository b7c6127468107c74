"""Nine digits: what a customer is expected to do, against mpmath over a grid of extreme populations and histories."""

import csv
import math
import random
from functools import cache

import mpmath as mp
import numpy as np
import pytest

import kundenwert as kw
from kundenwert.models.core import NUMPY, history_of
from kundenwert.models.kernels.beta_mixture import BetaMixture
from tests.customers import TABLE_ERROR, histories_of
from tests.reference import make_beta_geometric as reference

DAY, WEEKS, CENTURY, YEAR = kw.days(1), kw.days(273), kw.days(36525), kw.years(1)


def table():
    with reference.TABLE.open() as file:
        return [(as_customer(row), row) for row in csv.DictReader(file)]


def as_customer(row):
    numbers = {name: float(row[name]) for name in ("r", "alpha", "a", "b", "t_x", "T")}
    return reference.Customer(model=row["model"], x=int(row["x"]), **numbers)


ROWS = table()


def delta(annual_rate):
    return math.log1p(annual_rate) / reference.DAYS_PER_YEAR


def slowly(customer, discounting):
    return delta(reference.annual_rate(customer, discounting))


FOREVER = math.inf

# expectations of customers who are alive, from the formulas, and the customer of the reference
GIVEN_ALIVE = {
    "alive_day": lambda a, _: a.survival(1.0),
    "alive_weeks": lambda a, _: a.survival(273.0),
    "alive_century": lambda a, _: a.survival(36525.0),
    "purchases_day": lambda a, _: a.purchases(0.0, 1.0),
    "purchases_weeks": lambda a, _: a.purchases(0.0, 273.0),
    "purchases_century": lambda a, _: a.purchases(0.0, 36525.0),
    "purchases_later": lambda a, _: a.purchases(365.25, 273.0),
    "purchases_much_later": lambda a, _: a.purchases(36525.0, 1.0),
    "return_day": lambda a, _: a.returns(1.0),
    "return_century": lambda a, _: a.returns(36525.0),
    "one_day": lambda a, _: a.count_probability(1, 1.0),
    "ten_weeks": lambda a, _: a.count_probability(10, 273.0),
    "three_century": lambda a, _: a.count_probability(3, 36525.0),
    "discounted_weeks": lambda a, _: a.discounted_purchases(delta(0.15), 273.0),
    "discounted_lifetime": lambda a, _: a.discounted_purchases(delta(0.15), FOREVER),
    "slowly_century": lambda a, c: a.discounted_purchases(slowly(c, 1e-4), 36525.0),
    "slowly_lifetime": lambda a, c: a.discounted_purchases(slowly(c, 1e-4), FOREVER),
    "steadily_lifetime": lambda a, c: a.discounted_purchases(slowly(c, 0.05), FOREVER),
    "fast_lifetime": lambda a, c: a.discounted_purchases(slowly(c, 0.2), FOREVER),
}


@cache
def posterior_of(customer):
    parameters = getattr(kw, customer.model).Parameters
    return kw.fixed(parameters(r=customer.r, alpha=customer.alpha, a=customer.a, b=customer.b, unit="day"))


def by_formula(quantity, customer):
    # one at a time: the accuracy of a customer may not hang on who else is asked about
    posterior = posterior_of(customer)
    x, t_x, T = (np.array([float(value)]) for value in (customer.x, customer.t_x, customer.T))
    p_alive = posterior.model.p_states(posterior.theta, history_of({"x": x, "t_x": t_x, "T": T}), NUMPY)
    return float(p_alive[0, 0, 0] * GIVEN_ALIVE[quantity](posterior.model.alive(posterior.theta, x, T)[0], customer)[0])


def discounted(posterior, histories, rate, horizon):
    return posterior.discounted_purchases(histories, annual_discount_rate=rate, horizon=horizon)["mean"]


TABLES = {
    "p_alive": lambda p, h, _: p.p_alive(h)["mean"],
    "alive_day": lambda p, h, _: p.p_alive(h, ahead=DAY)["mean"],
    "alive_weeks": lambda p, h, _: p.p_alive(h, ahead=WEEKS)["mean"],
    "purchases_day": lambda p, h, _: p.expected_purchases(h, horizon=DAY)["mean"],
    "purchases_century": lambda p, h, _: p.expected_purchases(h, horizon=CENTURY)["mean"],
    "purchases_later": lambda p, h, _: p.expected_purchases(h, start=YEAR, horizon=WEEKS)["mean"],
    "return_century": lambda p, h, _: p.return_probability(h, horizon=CENTURY)["mean"],
    "none_weeks": lambda p, h, _: p.purchase_distribution(h, horizon=WEEKS, up_to=0)[0],
    "ten_weeks": lambda p, h, _: p.purchase_distribution(h, horizon=WEEKS, up_to=10)[10],
    "discounted_weeks": lambda p, h, _: discounted(p, h, 0.15, WEEKS),
    "discounted_lifetime": lambda p, h, _: discounted(p, h, 0.15, kw.LIFETIME),
    "slowly_lifetime": lambda p, h, c: discounted(p, h, reference.annual_rate(c, 1e-4), kw.LIFETIME),
}
EXACT = {"p_alive", "return_century", "none_weeks", "ten_weeks"}


def by_table(quantity, customer):
    histories = histories_of(customer.x, customer.t_x, customer.T)
    return float(TABLES[quantity](posterior_of(customer), histories, customer).iloc[0])


def assert_close(compute, quantity, rows, tolerance):
    wrong = []
    for customer, row in rows:
        ours, truth = compute(quantity, customer), float(row[quantity])
        if not math.isclose(ours, truth, rel_tol=tolerance, abs_tol=1e-300):
            wrong.append((abs(ours / truth - 1), customer, ours, truth))
    assert not wrong, f"{len(wrong)} of {len(rows)}; the worst: {max(wrong, key=lambda w: w[0])}"


def test_the_reference_is_complete():
    assert [customer for customer, _ in ROWS] == reference.CUSTOMERS
    assert reference.QUANTITIES.keys() == GIVEN_ALIVE.keys() | TABLES.keys()


@pytest.mark.every(2)
@pytest.mark.parametrize("quantity", GIVEN_ALIVE)
def test_formulas_are_right_to_nine_digits(quantity):
    assert_close(by_formula, quantity, ROWS, 1e-9)


@pytest.mark.every(2)
@pytest.mark.parametrize("quantity", TABLES)
def test_tables_are_right_to_the_error_they_aim_at(quantity):
    assert_close(by_table, quantity, ROWS[::5], 1e-9 if quantity in EXACT else TABLE_ERROR)


@pytest.mark.slow
@pytest.mark.parametrize("quantity", TABLES)
def test_all_tables_are_right_to_the_error_they_aim_at(quantity):
    assert_close(by_table, quantity, ROWS, 1e-9 if quantity in EXACT else TABLE_ERROR)


@pytest.mark.parametrize(
    "n, a, b, v",
    [(9000, 29.7, 0.02, 0.1), (900, 29.7, 2.4, 1e4), (30, 29.7, 0.3, 1e4), (60, 4.7, 0.3, 30), (400, 3.3, 1.4, 1e4)],
)
def test_next_to_nothing_is_right_to_nine_digits_too(n, a, b, v):
    """Survival down to 1e-174: of customers with far smaller dropout probabilities than usual."""
    customer = BetaMixture(n=np.array([float(n)]), A=np.ones(1), a=np.array([float(a)]), b=np.array([float(b)]))
    n, a, b, v = (mp.mpf(value) for value in (n, a, b, v))
    with mp.workdps(40):
        survival = reference.power_average(n, a, a + b, v)
    with mp.workdps(400):
        lost, later = (1 - reference.power_average(n, a - 1, a + b - 1, end) for end in (v, v * 3 / 2))
        purchases = (a + b - 1) / (a - 1) * (later - lost)
    assert customer.survival(float(v))[0] == pytest.approx(float(survival), rel=1e-9)
    assert customer.purchases(float(v), float(v) / 2)[0] == pytest.approx(float(purchases), rel=1e-9)


@pytest.mark.every(3)
@pytest.mark.parametrize("quantity", reference.QUANTITIES)
def test_the_reference_is_what_mpmath_gives(quantity):
    customer, row = random.Random(quantity).choice(ROWS)  # noqa: S311 - the same row every time
    assert reference.value(quantity, customer) == row[quantity]


def average(a, b, f):
    """Average of f(p) over p ~ Beta(a, b), from the definition; p = s^(1/a) takes the pole at 0 away, if a < 1."""

    def half(a, b, f):
        k = 1 / min(a, 1)
        ends = mp.linspace(0, mp.mpf(0.5) ** (1 / k), 5)
        return mp.quad(lambda s: f(s**k) * k * s ** (k * a - 1) * (1 - s**k) ** (b - 1), ends)

    return (half(a, b, f) + half(b, a, lambda p: f(1 - p))) / mp.beta(a, b)


@pytest.mark.every(3)
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
