"""Makes beta_erlang.csv: what is expected of living customers whose purchases take k stages each, by mpmath.

Run ``python tests/reference/make_beta_erlang.py 2`` (half an hour on two processors). Given the dropout probability p,
survival is a sum over the stages that end, or over roots of unity with a hundred digits to spare; averages over p are
by the trapezoidal rule in logit p with closed tails, averages over the rate of stages by the same rule in its
logarithm, integrals over time by Gauss-Legendre. Every number is computed with two steps and two precisions and kept
when both agree to fourteen digits. Time is counted in units of A: after v = 1 customers have been watched for twice as
long.
"""

from __future__ import annotations

import csv
import random
import sys
from itertools import product
from multiprocessing import Pool
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import mpmath as mp

if TYPE_CHECKING:
    from collections.abc import Callable

TABLE = Path(__file__).with_name("beta_erlang.csv")
DIGITS = 14
EDGE = 70  # of logit p, beyond which nothing changes
MOST_STAGES = 6000  # for an integral over time

STAGES = ((2, 0), (2, 1), (3, 0), (3, 2), (5, 1), (10, 0), (10, 4), (10, 9))  # k, phase
AHEAD = (
    *((0.05, 1e-6), (0.05, 1.0), (0.05, 1e4), (1.3, 0.01), (1.3, 1.0), (1.3, 40.0), (1.3, 1e4)),
    *((40.0, 0.01), (40.0, 1.0), (40.0, 40.0), (40.0, 1e4), (9000.0, 1e-6), (9000.0, 0.01), (9000.0, 1.0)),
    (9000.0, 1e4),
)  # n, v
DROPOUT_A = (0.05, 1.0, 30.0)
DROPOUT_B = (0.02, 0.9, 200.0)
COMBINATIONS = 32


class Customer(NamedTuple):
    """A living customer, and how far to look ahead."""

    k: int
    phase: int
    n: float
    v: float
    a: float
    b: float


CHOSEN = random.Random(1).sample(list(product(STAGES, AHEAD)), COMBINATIONS)  # noqa: S311 - the same ones every time
GROUPS = [[Customer(*stages, *ahead, a, b) for a, b in product(DROPOUT_A, DROPOUT_B)] for stages, ahead in CHOSEN]
CUSTOMERS = [customer for group in GROUPS for customer in group]


class Given:
    """Survival of customers given their dropout probability, remembered for the nodes of averages."""

    def __init__(self, k: int, phase: int, n: float, step: float, digits: int) -> None:
        self.k, self.phase, self.digits = k, phase, digits
        self.q = k - 1 - phase
        self.known: dict[tuple[mp.mpf, mp.mpf], list[mp.mpf]] = {}
        self.nodes: dict[mp.mpf, list[mp.mpf]] = {}
        with mp.workdps(digits):
            self.n, self.step = mp.mpf(n), mp.mpf(step)
            count = int(EDGE / self.step)
            self.odds = [mp.exp(i * self.step) for i in range(-count, count + 1)]

    def stages(self, shape: mp.mpf, v: mp.mpf, count: int) -> list[mp.mpf]:
        """P(N = 0), …, P(N = count - 1) of the negative binomial with this shape and odds v."""
        known = self.known.setdefault((shape, v), [(1 + v) ** -shape])
        while len(known) < count:
            known.append(known[-1] * (shape + len(known) - 1) / len(known) * v / (1 + v))
        return known[:count]

    def at_least(self, count: int, v: mp.mpf) -> mp.mpf:
        """P(N >= count)."""
        rest = 1 - mp.fsum(self.stages(self.n, v, count))
        if rest > mp.mpf(10) ** -60:
            return rest
        return mp.fsum(self.stages(self.n, v, count + 100)[count:])

    def survival(self, v: mp.mpf) -> list[mp.mpf]:
        """P(alive at v) at all nodes."""
        if v not in self.nodes:
            self.nodes[v] = [self._survival(v, odds / (1 + odds), 1 / (1 + odds)) for odds in self.odds]
        return self.nodes[v]

    def _survival(self, v: mp.mpf, p: mp.mpf, rest: mp.mpf) -> mp.mpf:
        w = rest ** (mp.mpf(1) / self.k)
        tilted = w * v / (1 + v)
        if p > 0.5 and tilted < 0.6 and self.n * tilted < 40:
            blocks = range(6 + int(400 * tilted + 10 * self.n * tilted) // self.k)
            probabilities = self.stages(self.n, v, len(blocks) * self.k)
            ends = [m * self.k - self.phase for m in blocks]  # N at which the m-th purchase happens
            return mp.fsum(rest**m * sum(probabilities[max(end, 0) : end + self.k]) for m, end in enumerate(ends))
        total = mp.mpf(0)
        for root in range(self.k // 2 + 1):  # the others are conjugate to these
            zeta = mp.expjpi(mp.mpf(2 * root) / self.k)
            c = 1 - w * zeta if root else -mp.expm1(mp.log1p(-p) / self.k)
            twice = 2 if 0 < root < self.k / 2 else 1
            total += twice * mp.re(zeta**-self.q * p * mp.exp(-self.n * mp.log1p(c * v)) / c)
        return total * w**-self.q / self.k


class Truth:
    """Expectations of one customer."""

    def __init__(self, given: Given, customer: Customer) -> None:
        self.given, self.k, self.phase, self.n = given, given.k, given.phase, given.n
        self.v, self.a, self.b = map(mp.mpf, customer[3:])

    def mean(self, values: list[mp.mpf]) -> mp.mpf:
        """Average over p ~ Beta(a, b) of what has these values at the nodes."""
        a, b, step = self.a, self.b, self.given.step
        terms = [odds**a / (1 + odds) ** (a + b) * f for odds, f in zip(self.given.odds, values, strict=True)]
        ends = terms[0] / mp.expm1(a * step) + terms[-1] / mp.expm1(b * step)
        return step * (mp.fsum(terms) + ends) / mp.beta(a, b)

    def survival(self) -> mp.mpf:
        """P(alive at v)."""
        return self.mean(self.given.survival(self.v))

    def purchases(self, start: mp.mpf, end: mp.mpf) -> mp.mpf:
        """Expected purchases in between: given p, as many as leave, over p."""
        before, after = (self.given.survival(v) if v else [mp.mpf(1)] * len(self.given.odds) for v in (start, end))
        odds = self.given.odds
        return self.mean([(x - y) * (1 + o) / o for x, y, o in zip(before, after, odds, strict=True)])

    def count(self, m: int) -> mp.mpf:
        """P(exactly m purchases until v)."""
        needed = m * self.k - self.phase
        exactly = mp.fsum(self.given.stages(self.n, self.v, needed + self.k)[max(needed, 0) :])
        stayed = mp.beta(self.a, self.b + m) / mp.beta(self.a, self.b)
        if m == 0:
            return stayed * exactly
        left = mp.beta(self.a + 1, self.b + m - 1) / mp.beta(self.a, self.b)
        return stayed * exactly + left * self.given.at_least(needed, self.v)

    def discounted(self) -> mp.mpf | None:
        """Purchases until v, each times exp(-its time/v): the integral of discounting times the intensity."""
        q = self.given.q
        most = int(self.n * self.v + 20 * mp.sqrt(self.n * self.v * (1 + self.v)) + 60 * (1 + self.v)) + 2 * self.k
        if most > MOST_STAGES:
            return None
        stayed = [mp.beta(self.a, self.b + m) / mp.beta(self.a, self.b) for m in range(2 + most // self.k)]

        def intensity(u: mp.mpf) -> mp.mpf:
            probability, ratio, total = (1 + u) ** -(self.n + 1), u / (1 + u), mp.mpf(0)
            for ended in range(most):
                if (ended - q) % self.k == 0 and ended >= q:
                    total += probability * stayed[(ended - q) // self.k]
                probability *= (self.n + 1 + ended) / (ended + 1) * ratio
            return self.n * total * mp.exp(-u / self.v)

        # stages take about 1/n; waves have died away after some tens of them
        pieces = [e for e in (mp.mpf(i) * self.k / self.n for i in (0, 0.25, 1, 2, 3, 5, 8, 12, 20, 40)) if e < self.v]
        scale = intensity(self.v)  # the error of mp.quad is absolute
        return scale * mp.quad(lambda u: intensity(u) / scale, [*pieces, self.v], method="gauss-legendre")

    def lifetime(self) -> mp.mpf:
        """Purchases for life, each times exp(-its time/v): v^(k-phase) 2F1(1, b; a+b; v^k), averaged over rates."""
        n, delta, rise = self.n, 1 / self.v, self.n + self.k - self.phase
        step = 2 * self.given.step * min(1, 2 / mp.sqrt(rise))
        peak, wide = mp.log(n + 1), 40 * (1 / n + 1 / mp.sqrt(n))
        low = max(peak - wide, min(peak, mp.log(delta)) - 60 / rise - 12 / mp.sqrt(rise))
        high = mp.log(rise + 16 * mp.sqrt(rise) + 60)
        total = mp.mpf(0)
        for i in range(int((high - low) / step) + 1):
            rate = mp.exp(low + i * step)
            v = rate / (rate + delta)
            given = v ** (self.k - self.phase) * mp.hyp2f1(1, self.b, self.a + self.b, v**self.k)
            total += rate**n * mp.exp(-rate) * given
        return step * total / mp.gamma(n)


QUANTITIES: dict[str, Callable[[Truth], Any]] = {
    "survival": Truth.survival,
    "purchases": lambda t: t.purchases(mp.mpf(0), t.v),
    "later": lambda t: t.purchases(t.v, t.v * 11 / 10),
    "returns": lambda t: t.given.at_least(t.k - t.phase, t.v),
    "none": lambda t: t.count(0),
    "three": lambda t: t.count(3),
    "discounted": Truth.discounted,
    "lifetime": Truth.lifetime,
}
PRECISIONS = {"discounted": (20, 30, 40), "lifetime": (25, 30, 40)}
STEPS = (0.1, 0.083, 0.05)


def rows(group: list[Customer]) -> list[dict[str, Any]]:
    """Lines of customers who differ in their dropout probabilities only."""
    one = group[0]
    givens = [Given(one.k, one.phase, one.n, step, digits) for step, digits in zip(STEPS, (160, 180, 250), strict=True)]
    return [customer._asdict() | {name: value(name, customer, givens) for name in QUANTITIES} for customer in group]


def value(name: str, customer: Customer, givens: list[Given]) -> str:
    """A quantity to fourteen digits, or nothing if it would take too long."""
    last = None
    for given, digits in zip(givens, PRECISIONS.get(name, [given.digits for given in givens]), strict=True):
        with mp.workdps(digits):
            latest = QUANTITIES[name](Truth(given, customer))
            if latest is None:
                return ""
            if last is not None and abs(latest - last) < mp.mpf(10) ** (-DIGITS - 2) * abs(latest):
                return str(mp.nstr(latest, DIGITS))
            last = latest
    message = f"{name} of {customer} does not settle"
    raise ArithmeticError(message)


def main() -> None:
    """Write the table."""
    with Pool(1 if len(sys.argv) == 1 else int(sys.argv[1])) as pool, TABLE.open("w", newline="") as file:
        writer = csv.DictWriter(file, [*Customer._fields, *QUANTITIES], lineterminator="\n")
        writer.writeheader()
        for lines in pool.imap(rows, GROUPS):
            writer.writerows(lines)
            file.flush()


if __name__ == "__main__":
    main()
