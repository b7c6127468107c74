"""Makes beta_geometric.csv: what BG/NBD and MBG/NBD expect of single customers, by mpmath.

Run ``python tests/reference/make_beta_geometric.py`` (about half an hour). Closed forms in 2F1 and, with discounting,
the integral over time of the purchase intensity; every number is computed twice, with more digits the second time,
and kept when both agree to fourteen. Times in days, a year is 365.25 of them.
"""

from __future__ import annotations

import csv
import sys
from itertools import product
from multiprocessing import Pool
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import mpmath as mp

if TYPE_CHECKING:
    from collections.abc import Callable

TABLE = Path(__file__).with_name("beta_geometric.csv")
DAYS_PER_YEAR = 365.25
DIGITS = 14

DROPOUT_A = (0.05, 0.3, 1.0, 1 + 1e-12, 3.0, 30.0)
DROPOUT_B = (0.02, 0.3, 2.4, 200.0)
RATES = ((0.25, 0.5), (2.2, 200.0))  # r, alpha
HISTORIES = ((0, 0.0, 0.0), (1, 12.0, 270.0), (30, 680.0, 700.0), (3000, 3640.0, 3650.0))  # x, t_x, T
DAY, WEEKS, CENTURY, LIFETIME = 1.0, 273.0, 36525.0, float("inf")


class Customer(NamedTuple):
    """Parameters of the population and the history of a customer."""

    model: str
    r: float
    alpha: float
    a: float
    b: float
    x: int
    t_x: float
    T: float


CUSTOMERS = [
    Customer(model, r, alpha, a, b, *history)
    for model, (r, alpha), a, b, history in product(("BGNBD", "MBGNBD"), RATES, DROPOUT_A, DROPOUT_B, HISTORIES)
]


def annual_rate(customer: Customer, discounting: float) -> float:
    """The annual discount rate at which discounting over A = alpha + T days is `discounting`."""
    return float(mp.expm1(mp.mpf(discounting) / (customer.alpha + customer.T) * DAYS_PER_YEAR))


def power_average(n: mp.mpf, a: mp.mpf, c: mp.mpf, v: mp.mpf) -> mp.mpf:
    """2F1(n, a; c; -v), which is E[(1 + p v)^-n], p ~ Beta(a, c - a), in Pfaff's form: its series does not cancel."""
    return (1 + v) ** -a * mp.hyp2f1(a, c - n, c, v / (1 + v))


class Truth:
    """Expectations of one customer at the working precision of mpmath."""

    def __init__(self, customer: Customer) -> None:
        self.r, self.alpha, self.a, self.b = map(mp.mpf, customer[1:5])
        self.x, self.t_x, self.T = map(mp.mpf, customer[5:])
        self.bg = customer.model == "BGNBD"
        # beta(a, b_alive): dropout probability of a customer who is alive
        self.b_alive = self.b + self.x + (0 if self.bg else 1)
        self.n, self.A, self.c = self.r + self.x, self.alpha + self.T, self.a + self.b_alive

    def p_alive(self) -> mp.mpf:
        """Ratio of the likelihood's alive part to the whole."""
        alive = mp.beta(self.a, self.b_alive) * (self.alpha + self.T) ** -self.n
        if self.bg and self.x == 0:
            return mp.mpf(1)
        gone = mp.beta(self.a + 1, self.b_alive - 1) * (self.alpha + self.t_x) ** -self.n
        return alive / (alive + gone)

    def alive_ahead(self, ahead: float) -> mp.mpf:
        """E[(1 + p u/A)^-n] = 2F1(n, a; c; -u/A)."""
        return self.p_alive() * power_average(self.n, self.a, self.c, ahead / self.A)

    def purchases(self, start: float, horizon: float) -> mp.mpf:
        """Fader, Hardie & Lee (2005), eq. (10), as a difference."""
        return self.p_alive() * (self._purchases_until(mp.mpf(start) + horizon) - self._purchases_until(start))

    def _purchases_until(self, t: float) -> mp.mpf:
        digits = mp.mp.dps
        with mp.workdps(3 * digits):  # a step aside of a = 1 and a + b = 1, where the form is 0/0
            a = self.a + mp.mpf(10) ** -digits
            c = a + self.b_alive
            return (c - 1) / (a - 1) * (1 - power_average(self.n, a - 1, c - 1, t / self.A))

    def returns(self, horizon: float) -> mp.mpf:
        """1 - P(next purchase later than the horizon)."""
        return self.p_alive() * (1 - (self.A / (self.A + horizon)) ** self.n)

    def count(self, m: int, horizon: float) -> mp.mpf:
        """P(X = m): m purchases and alive, or gone with the last of them."""
        q = self.A / (self.A + horizon)

        def negative_binomial(j: int) -> mp.mpf:
            return mp.binomial(self.n + j - 1, j) * q**self.n * (1 - q) ** j

        stayed = mp.beta(self.a, self.b_alive + m) / mp.beta(self.a, self.b_alive)
        if m == 0:
            return 1 - self.p_alive() + self.p_alive() * stayed * negative_binomial(0)
        left = mp.beta(self.a + 1, self.b_alive + m - 1) / mp.beta(self.a, self.b_alive)
        at_least_m = 1 - mp.fsum(negative_binomial(j) for j in range(m))
        return self.p_alive() * (stayed * negative_binomial(m) + left * at_least_m)

    def discounted(self, annual_rate: float, horizon: float) -> mp.mpf:
        """Integral over u of exp(-delta u) times the intensity n/A 2F1(n+1, a; c; -u/A), over y = log(1 + u/A)."""
        delta = mp.log(1 + mp.mpf(annual_rate)) / DAYS_PER_YEAR
        end = mp.log(1 + min(mp.mpf(horizon), 2.5 * mp.mp.dps / delta) / self.A)

        def integrand(y: mp.mpf) -> mp.mpf:
            v = mp.expm1(y)
            return mp.exp(y - delta * self.A * v) * power_average(self.n + 1, self.a, self.c, v)

        pieces = mp.linspace(0, end, max(2, int(end) + 2))
        return self.p_alive() * self.n * mp.quad(integrand, pieces, method="gauss-legendre")


QUANTITIES: dict[str, Callable[[Truth, Customer], Any]] = {
    "p_alive": lambda t, _: t.p_alive(),
    "alive_day": lambda t, _: t.alive_ahead(DAY),
    "alive_weeks": lambda t, _: t.alive_ahead(WEEKS),
    "alive_century": lambda t, _: t.alive_ahead(CENTURY),
    "purchases_day": lambda t, _: t.purchases(0.0, DAY),
    "purchases_weeks": lambda t, _: t.purchases(0.0, WEEKS),
    "purchases_century": lambda t, _: t.purchases(0.0, CENTURY),
    "purchases_later": lambda t, _: t.purchases(DAYS_PER_YEAR, WEEKS),
    "purchases_much_later": lambda t, _: t.purchases(CENTURY, DAY),
    "return_day": lambda t, _: t.returns(DAY),
    "return_century": lambda t, _: t.returns(CENTURY),
    "none_weeks": lambda t, _: t.count(0, WEEKS),
    "one_day": lambda t, _: t.count(1, DAY),
    "ten_weeks": lambda t, _: t.count(10, WEEKS),
    "three_century": lambda t, _: t.count(3, CENTURY),
    "discounted_weeks": lambda t, _: t.discounted(0.15, WEEKS),
    "discounted_lifetime": lambda t, _: t.discounted(0.15, LIFETIME),
    "slowly_century": lambda t, c: t.discounted(annual_rate(c, 1e-4), CENTURY),
    "slowly_lifetime": lambda t, c: t.discounted(annual_rate(c, 1e-4), LIFETIME),
    "steadily_lifetime": lambda t, c: t.discounted(annual_rate(c, 0.05), LIFETIME),
    "fast_lifetime": lambda t, c: t.discounted(annual_rate(c, 0.2), LIFETIME),
}


def value(name: str, customer: Customer) -> str:
    """A quantity to fourteen digits, computed until two precisions agree."""
    formula, last = QUANTITIES[name], None
    for digits in (20, 30, 60, 120, 240, 480, 960):
        with mp.workdps(digits):
            try:
                latest = formula(Truth(customer), customer)
            except (mp.libmp.NoConvergence, ZeroDivisionError):
                continue
            if last is not None and abs(latest - last) < mp.mpf(10) ** (-DIGITS - 2) * abs(latest):
                return str(mp.nstr(latest, DIGITS))
            last = latest
    message = f"{name} of {customer} does not settle"
    raise ArithmeticError(message)


def row(customer: Customer) -> dict[str, Any]:
    """One line of the table."""
    return customer._asdict() | {name: value(name, customer) for name in QUANTITIES}


def main() -> None:
    """Write the table."""
    with Pool(1 if len(sys.argv) == 1 else int(sys.argv[1])) as pool, TABLE.open("w", newline="") as file:
        writer = csv.DictWriter(file, [*Customer._fields, *QUANTITIES], lineterminator="\n")
        writer.writeheader()
        for line in pool.imap(row, CUSTOMERS):
            writer.writerow(line)
            file.flush()


if __name__ == "__main__":
    main()
