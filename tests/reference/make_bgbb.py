"""Makes bgbb.csv: what BG/BB expects of single customers, by mpmath.

Run ``python tests/reference/make_bgbb.py`` (a quarter of an hour). The likelihood of Fader, Hardie & Shang (2010) for
P(alive); closed forms in gamma functions and 2F1 where they exist, plain sums over opportunities otherwise. Every
number is computed twice, with more digits the second time, and kept when both agree to fourteen.
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

TABLE = Path(__file__).with_name("bgbb.csv")
DIGITS = 14

BUYING = ((0.05, 0.02), (1.2, 0.75), (300.0, 2e4))  # alpha, beta
LEAVING = ((0.03, 0.5), (1.0, 2.8), (1 + 1e-12, 2.8), (3.0, 0.05), (40.0, 1e5))  # gamma, delta
HISTORIES = ((0, 0, 0), (0, 0, 6), (6, 6, 6), (1, 2, 12), (30, 55, 60), (400, 600, 1000), (1000, 1000, 1000))
MILLION, LIFETIME = 10**6, float("inf")


class Customer(NamedTuple):
    """Parameters of the population and the history of a customer."""

    alpha: float
    beta: float
    gamma: float
    delta: float
    x: int
    t_x: int
    T: int


CUSTOMERS = [Customer(*buying, *leaving, *h) for buying, leaving, h in product(BUYING, LEAVING, HISTORIES)]


def log_beta(a: mp.mpf, b: mp.mpf) -> mp.mpf:
    """Logarithm of the beta function."""
    return mp.loggamma(a) + mp.loggamma(b) - mp.loggamma(a + b)


def gauss(b: mp.mpf, c: mp.mpf, z: mp.mpf) -> mp.mpf:
    """2F1(1, b; c; z), 0 < z < 1, by the continued fraction of Gauss (DLMF 15.7.5 at a = 0), forward."""
    value, c_ratio, d_ratio = mp.mpf(1), mp.mpf(1), mp.mpf(0)
    for k in range(1, 10**6):
        half, odd = divmod(k, 2)
        factor = (b + half) * (c - 1 + half) if odd else half * (c - b - 1 + half)
        step = -factor * z / ((c + k - 2) * (c + k - 1))
        d_ratio = 1 / (1 + step * d_ratio)
        c_ratio = 1 + step / c_ratio
        value *= c_ratio * d_ratio
        if abs(c_ratio * d_ratio - 1) < mp.mpf(10) ** -(mp.mp.dps + 3):
            return 1 / value
    raise mp.libmp.NoConvergence


class Truth:
    """Expectations of one customer at the working precision of mpmath."""

    def __init__(self, customer: Customer) -> None:
        self.alpha, self.beta, self.gamma, self.delta = map(mp.mpf, customer[:4])
        self.x, self.t_x, self.n = customer[4:]
        # of a customer who is alive: buying ~ Beta(a, b), leaving ~ Beta(g, d)
        self.a, self.b = self.alpha + self.x, self.beta + self.n - self.x
        self.g, self.d = self.gamma, self.delta + self.n

    def terms(self) -> tuple[mp.mpf, mp.mpf]:
        """The likelihood, alive and gone, but for a constant."""
        alive = mp.beta(self.a, self.b) * mp.beta(self.g, self.d)
        gone = mp.fsum(
            mp.beta(self.a, self.beta + k - self.x) * mp.beta(self.gamma + 1, self.delta + k)
            for k in range(self.t_x, self.n)
        )
        return alive, gone

    def log_likelihood(self) -> mp.mpf:
        """Logarithm of the likelihood."""
        if self.n == 0:
            return mp.mpf(0)
        return mp.log(mp.fsum(self.terms())) - mp.log(mp.beta(self.alpha, self.beta) * mp.beta(self.gamma, self.delta))

    def p_alive(self) -> mp.mpf:
        """Alive at the last opportunity."""
        alive, gone = self.terms()
        return alive / (alive + gone)

    def survival(self, ahead: int) -> mp.mpf:
        """B(g, d + j)/B(g, d)."""
        return mp.exp(log_beta(self.g, self.d + ahead) - log_beta(self.g, self.d))

    def purchases(self, start: int, horizon: int) -> mp.mpf:
        """Mean of p times the sum of survival from start + 1 on, which telescopes: (d + j) survival(j)/(1 - g)."""
        digits = mp.mp.dps
        with mp.workdps(3 * digits):  # a step aside of g = 1, where the form is 0/0
            g = self.g + mp.mpf(10) ** -digits
            d = self.d

            def telescope(j: int) -> mp.mpf:
                return (d + j) * mp.exp(log_beta(g, d + j) - log_beta(g, d))

            return self.a / (self.a + self.b) * (telescope(start) - telescope(start + horizon)) / (g - 1)

    def discounted(self, rate: float, horizon: float) -> mp.mpf:
        """Mean of p times the sum of v^j survival(j), v = exp(-rate): v d/(g + d) 2F1(1, d + 1; g + d + 1; v)."""
        v = mp.exp(-mp.mpf(rate))

        def forever(d: mp.mpf) -> mp.mpf:
            return v * d / (self.g + d) * gauss(d + 1, self.g + d + 1, v)

        total = forever(self.d)
        if horizon != LIFETIME:
            total -= v**horizon * self.survival(int(horizon)) * forever(self.d + horizon)
        return self.a / (self.a + self.b) * total

    def returns(self, horizon: int) -> mp.mpf:
        """The sum over the first opportunity that is used; consecutive terms have a rational ratio."""
        a, b, g, d = self.a, self.b, self.g, self.d
        term = total = a / (a + b) * d / (g + d)
        for j in range(1, horizon):
            term *= (b + j - 1) * (d + j) / ((a + b + j) * (g + d + j))
            total += term
        return total

    def count(self, m: int, horizon: int) -> mp.mpf:
        """The sum over how many opportunities the customer is there for, m + i; term by term in ratios as well."""
        a, b, g, d = self.a, self.b, self.g, self.d
        used = mp.exp(log_beta(a + m, b) - log_beta(a, b))
        alive, total = self.survival(m), mp.mpf(0)
        for i in range(horizon - m):
            total += used * alive * g / (g + d + m + i)
            used *= (b + i) / (a + b + m + i) * mp.mpf(m + i + 1) / (i + 1)
            alive *= (d + m + i) / (g + d + m + i)
        return total + used * alive


QUANTITIES: dict[str, Callable[[Truth], Any]] = {
    "log_likelihood": lambda t: t.log_likelihood(),
    "p_alive": lambda t: t.p_alive(),
    "alive_1": lambda t: t.survival(1),
    "alive_40": lambda t: t.survival(40),
    "alive_million": lambda t: t.survival(MILLION),
    "purchases_1": lambda t: t.purchases(0, 1),
    "purchases_5": lambda t: t.purchases(0, 5),
    "purchases_500": lambda t: t.purchases(0, 500),
    "purchases_million": lambda t: t.purchases(0, MILLION),
    "purchases_later": lambda t: t.purchases(7, 52),
    "purchases_much_later": lambda t: t.purchases(MILLION, 3),
    "return_1": lambda t: t.returns(1),
    "return_30": lambda t: t.returns(30),
    "return_700": lambda t: t.returns(700),
    "return_50000": lambda t: t.returns(50_000),
    "none_6": lambda t: t.count(0, 6),
    "two_6": lambda t: t.count(2, 6),
    "six_6": lambda t: t.count(6, 6),
    "ten_300": lambda t: t.count(10, 300),
    "none_3000": lambda t: t.count(0, 3000),
    "fifty_3000": lambda t: t.count(50, 3000),
    "discounted_5": lambda t: t.discounted(0.1, 5),
    "discounted_lifetime": lambda t: t.discounted(0.1, LIFETIME),
    "fast_lifetime": lambda t: t.discounted(3.0, LIFETIME),
    "slowly_lifetime": lambda t: t.discounted(1e-3, LIFETIME),
    "hardly_lifetime": lambda t: t.discounted(1e-6, LIFETIME),
    "slowly_2000": lambda t: t.discounted(1e-3, 2000),
}
"""Everything but the first two given that the customer is alive."""


def value(name: str, customer: Customer) -> str:
    """A quantity to fourteen digits, computed until two precisions agree."""
    formula, last = QUANTITIES[name], None
    for digits in (20, 30, 60, 120, 240, 480):
        with mp.workdps(digits):
            try:
                latest = formula(Truth(customer))
            except (mp.libmp.NoConvergence, ZeroDivisionError):
                continue
            if last is not None and abs(latest - last) <= mp.mpf(10) ** (-DIGITS - 2) * abs(latest):
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
