"""Makes lifetimes.csv: what Pareto/NBD and GGomp/NBD expect of single customers, by mpmath.

Run ``python tests/reference/make_lifetimes.py`` (about half an hour; an argument gives the number of processes). Every
number is an integral over the time ahead, or behind, from its definition, taken over the logarithm of time in short
pieces. It is computed twice, with more digits the second time, and kept when both agree to fourteen. Times in days, a
year is 365.25 of them.
"""

from __future__ import annotations

import csv
import sys
from itertools import pairwise, product
from multiprocessing import Pool
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import mpmath as mp

if TYPE_CHECKING:
    from collections.abc import Callable

TABLE = Path(__file__).with_name("lifetimes.csv")
DAYS_PER_YEAR = 365.25
DIGITS = 14
DAY, WEEKS, DECADE, CENTURY, LIFETIME = 1.0, 273.0, 3652.5, 36525.0, float("inf")

RATES = ((0.05, 0.01), (0.55, 10.6), (30.0, 10_000.0))  # r, alpha
PARETO = ((0.05, 0.01), (0.05, 1e4), (0.6, 11.7), (1.0, 30.0), (1 + 1e-12, 30.0), (3.0, 0.01), (30.0, 1e4))  # s, beta
GOMPERTZ = (  # s, beta, b: from next to Pareto to a hazard that explodes
    (0.6, 1e-5, 1e-6),
    (0.05, 0.01, 1e-3),
    (0.6, 3.0, 1e-3),
    (30.0, 1e4, 1e-3),
    (3.0, 0.5, 0.02),
    (0.05, 1e3, 0.02),
    (0.6, 1e4, 0.5),
    (30.0, 0.01, 0.5),
)
HISTORIES = ((0, 0.0, 0.0), (0, 0.0, 700.0), (1, 12.0, 270.0), (30, 680.0, 7300.0), (3000, 3640.0, 3650.0))  # x, t_x, T


class Customer(NamedTuple):
    """Parameters of the population, b = 0 for Pareto/NBD, and the history of a customer."""

    r: float
    alpha: float
    s: float
    beta: float
    b: float
    x: int
    t_x: float
    T: float


CUSTOMERS = [
    Customer(r, alpha, s, beta, b, *history)
    for (r, alpha), (s, beta, b), history in product(RATES, (*((*law, 0.0) for law in PARETO), *GOMPERTZ), HISTORIES)
]


def daily_rate(customer: Customer, discounting: float) -> float:
    """The discount rate per day at which discounting over A = alpha + T days is `discounting`."""
    return discounting / (customer.alpha + customer.T)


class Lifetime:
    """Law of the time u that a customer still stays who is alive at `age`."""

    def __init__(self, s: mp.mpf, beta: mp.mpf, b: mp.mpf, age: mp.mpf) -> None:
        self.s, self.b = s, b
        # K(age), K(t) = beta - 1 + e^(b t), on the scale on which it grows by e^(b u) - 1
        self.k = beta + age if b == 0 else (beta - 1 + mp.exp(b * age)) * mp.exp(-b * age)
        self.bend = mp.mpf(0) if b == 0 else max(mp.mpf(0), mp.log(self.k) / b)

    def survival(self, u: mp.mpf) -> mp.mpf:
        """P(longer than u): (K(age)/K(age + u))^s, or (1 + u/(beta + age))^-s where b = 0."""
        return (1 + self._growth(u) / self.k) ** -self.s

    def density(self, u: mp.mpf) -> mp.mpf:
        """Minus the derivative of the survival."""
        slope = 1 if self.b == 0 else self.b * mp.exp(self.b * u)
        return self.s / self.k * slope * (1 + self._growth(u) / self.k) ** (-self.s - 1)

    def _growth(self, u: mp.mpf) -> mp.mpf:
        return u if self.b == 0 else mp.expm1(self.b * u)

    def integral(self, f: Callable[[mp.mpf], mp.mpf], end: mp.mpf) -> mp.mpf:
        """Integral of a positive f(u) over u from 0 to `end`, over y = log u where it is not negligible."""
        top = mp.log(end)
        places = {top - mp.mpf(k) / 2 for k in range(300)}
        if self.b:  # the hazard bends within a few 1/b
            near = [self.bend + k / self.b for k in range(-40, 41, 2)] + [end - k / self.b for k in range(1, 60, 2)]
            places |= {mp.log(u) for u in near if 0 < u < end}
        grid = sorted(places)
        logs = [mp.log(f(mp.exp(y))) + y for y in grid]
        peak = max(logs)
        kept = [i for i, value in enumerate(logs) if value > peak - 2.5 * mp.mp.dps]
        first, last = max(kept[0] - 1, 0), min(kept[-1] + 1, len(grid) - 1)
        at = logs.index(peak)
        left, right = grid[max(at - 1, 0)], grid[min(at + 1, len(grid) - 1)]
        edges = sorted({*grid[first : last + 1], *mp.linspace(left, right, 17)})  # a narrow peak
        scale = mp.exp(peak)

        def g(y: mp.mpf) -> mp.mpf:
            u = mp.exp(y)
            return f(u) * u / scale

        return scale * mp.fsum(mp.quad(g, piece, method="gauss-legendre") for piece in pairwise(edges))


class Truth:
    """Expectations of one customer at the working precision of mpmath."""

    def __init__(self, customer: Customer) -> None:
        self.r, self.alpha, self.s, self.beta, self.b, self.x, self.t_x, self.T = map(mp.mpf, customer)
        self.n, self.A = self.r + self.x, self.alpha + self.T
        self.ahead = Lifetime(self.s, self.beta, self.b, self.T)

    def _terms(self) -> tuple[mp.mpf, mp.mpf]:
        """Likelihood of being alive and of being gone, over alpha^r Gamma(n)/Gamma(r)."""
        born = Lifetime(self.s, self.beta, self.b, mp.mpf(0))
        alive = self.A**-self.n * born.survival(self.T)
        gap = self.T - self.t_x
        if gap == 0:
            return alive, mp.mpf(0)
        rest, a = Lifetime(self.s, self.beta, self.b, self.t_x), self.alpha + self.t_x
        gone = rest.integral(lambda v: (a + v) ** -self.n * rest.density(v), gap)
        return alive, born.survival(self.t_x) * gone

    def log_likelihood(self) -> mp.mpf:
        """Log-likelihood of the history."""
        return mp.log(sum(self._terms())) + mp.loggamma(self.n) - mp.loggamma(self.r) + self.r * mp.log(self.alpha)

    def p_alive(self) -> mp.mpf:
        """P(alive at T)."""
        alive, gone = self._terms()
        return alive / (alive + gone)

    def purchases(self, start: float, horizon: float) -> mp.mpf:
        """Expected purchases in (T + start, T + start + horizon], of the living."""
        start, survival = mp.mpf(start), self.ahead.survival
        return self.n / self.A * self.ahead.integral(lambda u: survival(start + u), mp.mpf(horizon))

    def returns(self, horizon: float) -> mp.mpf:
        """P(at least one purchase in (T, T + horizon]), of the living."""
        n, A, survival = self.n, self.A, self.ahead.survival
        return n / A * self.ahead.integral(lambda u: (1 + u / A) ** (-n - 1) * survival(u), mp.mpf(horizon))

    def count(self, m: int, horizon: float) -> mp.mpf:
        """P(m purchases in (T, T + horizon]), of the living."""
        n, A, end = self.n, self.A, mp.mpf(horizon)

        def bought(u: mp.mpf) -> mp.mpf:
            return (u / (A + u)) ** m * (1 + u / A) ** -n

        gone = self.ahead.integral(lambda u: bought(u) * self.ahead.density(u), end)
        ways = mp.exp(mp.loggamma(n + m) - mp.loggamma(n) - mp.loggamma(m + 1))
        return ways * (bought(end) * self.ahead.survival(end) + gone)

    def discounted(self, rate: float, horizon: float) -> mp.mpf:
        """Expected purchases in (T, T + horizon], one at u after T counting exp(-rate u), of the living."""
        delta, survival = mp.mpf(rate), self.ahead.survival
        end = min(mp.mpf(horizon), 2.5 * mp.mp.dps / delta)
        return self.n / self.A * self.ahead.integral(lambda u: mp.exp(-delta * u) * survival(u), end)


YEARLY_15 = float(mp.log(1.15) / DAYS_PER_YEAR)
QUANTITIES: dict[str, Callable[[Truth, Customer], Any]] = {
    "log_likelihood": lambda t, _: t.log_likelihood(),
    "p_alive": lambda t, _: t.p_alive(),
    "alive_day": lambda t, _: t.ahead.survival(mp.mpf(DAY)),
    "alive_century": lambda t, _: t.ahead.survival(mp.mpf(CENTURY)),
    "purchases_day": lambda t, _: t.purchases(0.0, DAY),
    "purchases_century": lambda t, _: t.purchases(0.0, CENTURY),
    "purchases_later": lambda t, _: t.purchases(DAYS_PER_YEAR, WEEKS),
    "purchases_much_later": lambda t, _: t.purchases(CENTURY, DAY),
    "return_day": lambda t, _: t.returns(DAY),
    "return_century": lambda t, _: t.returns(CENTURY),
    "none_weeks": lambda t, _: t.count(0, WEEKS),
    "one_day": lambda t, _: t.count(1, DAY),
    "ten_weeks": lambda t, _: t.count(10, WEEKS),
    "three_century": lambda t, _: t.count(3, CENTURY),
    "many_decade": lambda t, _: t.count(200, DECADE),
    "discounted_weeks": lambda t, _: t.discounted(YEARLY_15, WEEKS),
    "discounted_lifetime": lambda t, _: t.discounted(YEARLY_15, LIFETIME),
    "slowly_lifetime": lambda t, c: t.discounted(daily_rate(c, 1e-4), LIFETIME),
    "fast_lifetime": lambda t, c: t.discounted(daily_rate(c, 50.0), LIFETIME),
}
"""Expectations are those of living customers, to be multiplied by P(alive)."""


def value(name: str, customer: Customer) -> str:
    """A quantity to fourteen digits, computed until two precisions agree."""
    formula, last = QUANTITIES[name], None
    for digits in (20, 30, 60, 120, 240):
        with mp.workdps(digits):
            latest = formula(Truth(customer), customer)
            size = abs(latest) if name != "log_likelihood" else max(1, abs(latest))  # it may be 0
            if last is not None and abs(latest - last) <= mp.mpf(10) ** (-DIGITS - 2) * size:
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
