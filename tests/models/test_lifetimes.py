"""Pareto/NBD and GGomp/NBD: nine digits over extreme populations and histories, closed forms, and limits."""

import csv
import math
import random
from functools import cache

import mpmath as mp
import numpy as np
import pytest

import kundenwert as kw
from kundenwert.models.core import NUMPY, history_of
from tests.customers import histories_of
from tests.reference import make_lifetimes as reference

FOREVER = math.inf


def table():
    with reference.TABLE.open() as file:
        return [(as_customer(row), row) for row in csv.DictReader(file)]


def as_customer(row):
    numbers = {name: float(row[name]) for name in reference.Customer._fields if name != "x"}
    return reference.Customer(x=int(row["x"]), **numbers)


ROWS = table()


@cache
def posterior_of(customer):
    given = {"r": customer.r, "alpha": customer.alpha, "s": customer.s, "beta": customer.beta, "unit": "day"}
    return kw.fixed(kw.GGompNBD.Parameters(b=customer.b, **given) if customer.b else kw.ParetoNBD.Parameters(**given))


def living(customer):
    posterior = posterior_of(customer)
    return posterior.model.alive(posterior.theta, np.array([float(customer.x)]), np.array([customer.T]))[0]


def history(customer):
    return history_of({name: np.array([float(getattr(customer, name))]) for name in ("x", "t_x", "T")})


def of_history(customer, name):
    posterior = posterior_of(customer)
    return getattr(posterior.model, name)(posterior.theta, history(customer), NUMPY)


def rate(customer, discounting):
    return reference.daily_rate(customer, discounting)


COMPUTED = {
    "log_likelihood": lambda c: of_history(c, "log_likelihood")[0],
    "p_alive": lambda c: of_history(c, "p_states")[0, 0],
    "alive_day": lambda c: living(c).survival(1.0),
    "alive_century": lambda c: living(c).survival(36525.0),
    "purchases_day": lambda c: living(c).purchases(0.0, 1.0),
    "purchases_century": lambda c: living(c).purchases(0.0, 36525.0),
    "purchases_later": lambda c: living(c).purchases(365.25, 273.0),
    "purchases_much_later": lambda c: living(c).purchases(36525.0, 1.0),
    "return_day": lambda c: living(c).returns(1.0),
    "return_century": lambda c: living(c).returns(36525.0),
    "none_weeks": lambda c: living(c).count_probability(0, 273.0),
    "one_day": lambda c: living(c).count_probability(1, 1.0),
    "ten_weeks": lambda c: living(c).count_probability(10, 273.0),
    "three_century": lambda c: living(c).count_probability(3, 36525.0),
    "many_decade": lambda c: living(c).count_probability(200, 3652.5),
    "discounted_weeks": lambda c: living(c).discounted_purchases(reference.YEARLY_15, 273.0),
    "discounted_lifetime": lambda c: living(c).discounted_purchases(reference.YEARLY_15, FOREVER),
    "slowly_lifetime": lambda c: living(c).discounted_purchases(rate(c, 1e-4), FOREVER),
    "fast_lifetime": lambda c: living(c).discounted_purchases(rate(c, 50.0), FOREVER),
}


def assert_close(pairs, tolerance, smallest):
    wrong = [
        (abs(ours - truth) / max(abs(truth), smallest), ours, truth, customer)
        for ours, truth, customer in pairs
        if not math.isclose(ours, truth, rel_tol=tolerance, abs_tol=smallest * tolerance)
    ]
    assert not wrong, f"{len(wrong)} wrong; the worst: {max(wrong)}"


def test_the_reference_is_complete():
    assert [customer for customer, _ in ROWS] == reference.CUSTOMERS
    assert reference.QUANTITIES.keys() == COMPUTED.keys()


@pytest.mark.every(3)
@pytest.mark.parametrize("quantity", COMPUTED)
def test_formulas_are_right_to_nine_digits(quantity):
    smallest = 1.0 if quantity == "log_likelihood" else 1e-290
    assert_close([(float(COMPUTED[quantity](c)[0]), float(row[quantity]), c) for c, row in ROWS], 1e-9, smallest)


@pytest.mark.every(3)
@pytest.mark.parametrize("quantity", ["p_alive", "ten_weeks", "discounted_lifetime"])
def test_the_reference_is_what_mpmath_gives(quantity):
    customer, row = random.Random(quantity).choice(ROWS)  # noqa: S311 - the same row every time
    assert reference.value(quantity, customer) == row[quantity]


@pytest.mark.slow
@pytest.mark.parametrize("quantity", COMPUTED)
def test_more_of_the_reference_is_what_mpmath_gives(quantity):
    for customer, row in random.Random(quantity).sample(ROWS, 5):  # noqa: S311
        assert reference.value(quantity, customer) == row[quantity]


def test_tables_say_what_formulas_say():
    for customer, row in ROWS[::9]:
        posterior, histories = posterior_of(customer), histories_of(customer.x, customer.t_x, customer.T)
        ask = {
            "p_alive": posterior.p_alive(histories)["mean"],
            "alive_century": posterior.p_alive(histories, ahead=kw.days(36525))["mean"],
            "purchases_later": posterior.expected_purchases(histories, start=kw.years(1), horizon=kw.weeks(39))["mean"],
            "return_day": posterior.return_probability(histories, horizon=kw.days(1))["mean"],
            "ten_weeks": posterior.purchase_distribution(histories, horizon=kw.weeks(39))[10],
            "discounted_lifetime": posterior.discounted_purchases(
                histories, annual_discount_rate=0.15, horizon=kw.LIFETIME
            )["mean"],
        }
        for quantity, table in ask.items():
            truth = float(row[quantity]) * (1 if quantity == "p_alive" else float(row["p_alive"]))
            assert table.iloc[0] == pytest.approx(truth, rel=1e-9, abs=1e-290)


# closed forms of the papers


def power_integral(p, q, a, b, y):
    """Integral of (a + u)^-p (b + u)^-q over u from y, p + q > 1: Fader & Hardie (2005), appendix of the note."""
    if a >= b:
        z = (a - b) / (a + y)
        return (a + y) ** (1 - p - q) / (p + q - 1) * (1 - z) ** (1 - q) * mp.hyp2f1(1, p, p + q, z)
    return power_integral(q, p, b, a, y)


PARETO_ROWS = [(c, row) for c, row in ROWS if not c.b]
GOMPERTZ_ROWS = [(c, row) for c, row in ROWS if c.b]


@pytest.mark.parametrize("customer, row", PARETO_ROWS[3::13])
def test_pareto_nbd_in_closed_form(customer, row):
    with mp.workdps(60):
        r, alpha, s, beta, _, x, t_x, T = map(mp.mpf, customer)
        n, A, B = r + x, alpha + T, beta + T
        alive = A**-n * B**-s
        gone = s * (power_integral(n, s + 1, alpha, beta, t_x) - power_integral(n, s + 1, alpha, beta, T))
        constant = mp.loggamma(n) - mp.loggamma(r) + r * mp.log(alpha) + s * mp.log(beta)
        returns = power_integral(n + 1, s, A, B, mp.mpf(0)) - power_integral(n + 1, s, A, B, mp.mpf(36525))
        z = B * mp.mpf(reference.YEARLY_15)
        expected = {
            "log_likelihood": constant + mp.log(alive + gone),
            "p_alive": alive / (alive + gone),
            "return_century": n * A**n * B**s * returns,
            "purchases_century": n / A * B / (s - 1) * (1 - (B / (B + 36525)) ** (s - 1)) if s != 1 else None,
            "discounted_lifetime": n / A * B * mp.exp(z) * mp.expint(s, z),
        }
    for quantity, value in expected.items():
        if value is not None:
            smallest = 1e-14 if quantity == "log_likelihood" else 1e-300
            assert float(row[quantity]) == pytest.approx(float(value), rel=1e-12, abs=smallest)


@pytest.mark.parametrize("customer, row", GOMPERTZ_ROWS[3::13])
def test_expected_purchases_of_aging_customers_in_closed_form(customer, row):
    """The integral of (K(T)/K(T + u))^s is a difference of 2F1(1, s; s + 1; (beta - 1)/K)."""
    with mp.workdps(60):
        r, alpha, s, beta, b, x, _, T = map(mp.mpf, customer)

        def left(t):
            k_now, k_then = (beta - 1 + mp.exp(b * time) for time in (T, t))
            return (k_now / k_then) ** s * mp.hyp2f1(1, s, s + 1, (beta - 1) / k_then) / (b * s)

        expected = (r + x) / (alpha + T) * (left(T) - left(T + 36525))
    assert float(row["purchases_century"]) == pytest.approx(float(expected), rel=1e-12)


# limits


def test_customers_who_hardly_age_are_those_of_pareto_nbd():
    b = 1e-16
    for customer, _ in PARETO_ROWS[::4]:
        aging = customer._replace(b=b, beta=customer.beta * b)
        for quantity, compute in COMPUTED.items():
            ours, limit = float(compute(aging)[0]), float(compute(customer)[0])
            assert ours == pytest.approx(limit, rel=1e-7, abs=1e-290), (quantity, customer)


def test_old_customers_leave_at_a_constant_rate():
    """Hazards that have settled are s b: lifetimes are exponential, whatever e^(b T) and e^(b u) overflow to."""
    s, b, n, A = 0.7, 0.5, 2.5, 4010.0
    customer = reference.Customer(r=0.5, alpha=10.0, s=s, beta=50.0, b=b, x=2, t_x=3999.0, T=4000.0)
    old = living(customer)
    for u in (1.0, 30.0, 2000.0, 4000.0):
        assert old.survival(u)[0] == pytest.approx(math.exp(-s * b * u), rel=1e-12, abs=1e-300)
    whole = n / A / (s * b)
    assert old.purchases(0.0, 1e9)[0] == pytest.approx(whole, rel=1e-11)
    assert old.discounted_purchases(0.0, FOREVER)[0] == pytest.approx(whole, rel=1e-11)
    assert old.purchases(2000.0, 1e9)[0] == pytest.approx(whole * math.exp(-s * b * 2000), rel=1e-11)
    p_alive = COMPUTED["p_alive"](customer)[0]
    silent = math.exp(-s * b) * (4009 / 4010) ** n
    assert p_alive == pytest.approx(silent / (silent + s * b / (s * b) * -math.expm1(-s * b)), rel=2e-3)


@pytest.mark.parametrize("s", [1 - 1e-12, 1.0, 1 + 1e-12, 1 + 1e-6])
def test_nothing_happens_where_the_shape_of_dropout_is_one(s):
    """Expected purchases: n/A B log(1 + h/B) at s = 1, and next to it elsewhere near."""
    one = living(reference.Customer(r=0.5, alpha=10.0, s=s, beta=30.0, b=0.0, x=2, t_x=20.0, T=100.0))
    log_ratio = math.log1p(500 / 130)
    expected = 2.5 / 110 * 130 * log_ratio * (1 + (1 - s) * log_ratio / 2)
    assert one.purchases(0.0, 500.0)[0] == pytest.approx(expected, rel=1e-11)


def test_a_lifetime_without_discounting_is_finite_for_shapes_above_one_and_for_all_who_age():
    of = reference.Customer(r=0.5, alpha=10.0, s=1.5, beta=30.0, b=0.0, x=2, t_x=20.0, T=100.0)
    assert living(of).discounted_purchases(0.0, FOREVER)[0] == pytest.approx(2.5 / 110 * 130 / 0.5, rel=1e-13)
    assert living(of._replace(s=1.0)).discounted_purchases(0.0, FOREVER)[0] == FOREVER
    aging = living(of._replace(s=0.5, b=1e-3))
    assert aging.discounted_purchases(0.0, FOREVER)[0] == pytest.approx(aging.purchases(0.0, 1e7)[0], rel=1e-10)


# what other implementations get wrong


def test_the_likelihood_of_a_frequent_buyer_who_left_early():
    customer = reference.Customer(r=0.55, alpha=10.6, s=0.61, beta=1170.0, b=0.0, x=300, t_x=1.0, T=730.0)
    assert COMPUTED["log_likelihood"](customer)[0] == pytest.approx(665.6958, abs=5e-5)


@pytest.mark.every(2)
@pytest.mark.parametrize("x", [161, 204, 221, 254])
@pytest.mark.parametrize("t_x", [1.0, 38.0])
def test_p_alive_of_frequent_buyers(x, t_x):
    customer = reference.Customer(r=0.5143, alpha=2.8845, s=0.2856, beta=14.1087, b=0.0, x=x, t_x=t_x, T=38.86)
    with mp.workdps(30):
        truth = float(reference.Truth(customer).p_alive())
    assert COMPUTED["p_alive"](customer)[0] == pytest.approx(truth, rel=1e-10)


# fewer nodes for a larger error


def test_the_nodes_of_tables_are_enough():
    """Seven digits of P(alive), also where it is next to nothing."""
    for customer, row in ROWS:
        posterior = posterior_of(customer)
        twice = posterior.model.named([np.repeat(v, 2) for v in posterior.theta])
        ours = posterior.model.p_states(twice, history(customer), NUMPY)[0, 0, 0]
        assert ours == pytest.approx(float(row["p_alive"]), rel=1e-6, abs=1e-290), customer


@pytest.mark.parametrize("error", [1e-4, 1e-7])
def test_an_error_asked_for_is_kept(error):
    for customer, row in ROWS[::7]:
        rough = living(customer).within(error)
        computed = {
            "purchases_century": rough.purchases(0.0, 36525.0),
            "return_century": rough.returns(36525.0),
            "ten_weeks": rough.count_probability(10, 273.0),
            "slowly_lifetime": rough.discounted_purchases(rate(customer, 1e-4), FOREVER),
        }
        for quantity, ours in computed.items():
            assert ours[0] == pytest.approx(float(row[quantity]), rel=error, abs=1e-290), (quantity, customer)


@pytest.mark.parametrize("horizon", [80.0, 5000.0])
@pytest.mark.parametrize("error", [None, 1e-11, 1e-8])
def test_customers_return_or_do_not(error, horizon):
    """Two integrals, one of those who return and one of those who do not: 1 together, whatever the population."""
    rng = np.random.default_rng(1)
    limits = {"r": (0.05, 30), "alpha": (0.01, 1e4), "b": (1e-3, 1), "s": (0.05, 30), "beta": (1, 1e4)}
    drawn = [low * (high / low) ** rng.random(10_000) for low, high in limits.values()]
    model = kw.GGompNBD()
    (alive,) = model.alive(model.named(drawn), np.zeros(1), np.ones(1))
    alive = alive if error is None else alive.within(error)
    both = alive.returns(horizon) + alive.count_probability(0, horizon)
    np.testing.assert_allclose(both, 1, rtol=0, atol=error or 1e-12)


@pytest.mark.parametrize("horizon", [20.085, 80.34, 321.36])
def test_returns_of_customers_who_age_fast(horizon):
    customer = reference.Customer(r=1.0, alpha=1.0, s=1.0, beta=math.exp(4), b=math.exp(-3), x=0, t_x=0.0, T=1.0)
    with mp.workdps(30):
        b = mp.mpf(customer.b)
        k = 1 + (mp.mpf(customer.beta) - 1) * mp.exp(-b)

        def density(u):  # of the first purchase, by someone who is still there
            return 2 / (2 + u) ** 2 / (1 + mp.expm1(b * u) / k)

        truth = float(mp.quad(density, [0, *(horizon * mp.mpf(2) ** -i for i in range(10, -1, -1))]))
    assert living(customer).returns(horizon)[0] == pytest.approx(truth, abs=5e-13)
    assert 1 - living(customer).count_probability(0, horizon)[0] == pytest.approx(truth, abs=5e-13)


def test_hardly_any_discount_does_not_lose_those_who_leave_early():
    model = kw.GGompNBD()
    values = (24.751748338206422, 0.043820187078578626, 0.006268572026236141, 15.018756645740982, 1110.231433416519)
    theta = model.named([np.array([value]) for value in values])
    (customer,) = model.alive(theta, np.array([1.0]), np.array([0.0]))
    # by mpmath, from the definition
    for_life = customer.discounted_purchases(4.096142730458068e-12, np.inf)
    np.testing.assert_allclose(for_life, 358442.893589, rtol=1e-11)
