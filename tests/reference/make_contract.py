"""Expected renewals of contracts, from mpmath: `python -m tests.reference.make_contract` writes a table.

The truth does not use the formulas of the package. A lifetime is summed renewal by renewal up to a point and from there
on by the Euler-Maclaurin formula, with a numerical integral and derivatives of the summand, at 25 digits.
"""

from __future__ import annotations

import csv
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

import mpmath as mp

if TYPE_CHECKING:
    from collections.abc import Callable

    type Term = Callable[[mp.mpf], mp.mpf]

TABLE = Path(__file__).with_name("contract.csv")
DIGITS = 25
ONE_BY_ONE = 100  # terms before Euler-Maclaurin
ORDERS = 8  # of its corrections


@dataclass(frozen=True)
class Contract:
    """Active contracts after `tenure` renewals, and what a renewal at j counts: exp(-rate j)."""

    gamma: float
    delta: float
    c: float
    tenure: int
    rate: float
    horizon: int  # 0: for life


def grid() -> list[Contract]:
    """Extreme populations, tenures, discounting and horizons."""
    populations = [
        (0.05, 0.02),
        (0.05, 200.0),
        (0.7, 1.2),
        (0.67, 3.8),
        (1.0, 3.0),
        (2.5, 40.0),
        (30.0, 0.02),
        (30.0, 200.0),
    ]
    shapes, tenures, rates = [1.0, 0.3, 0.7, 1.5, 3.0], [0, 1, 12, 1000], [1e-6, 1e-3, 0.0953, 0.693]
    life = [
        Contract(gamma, delta, c, tenure, rate, 0)
        for i, (gamma, delta) in enumerate(populations)
        for j, c in enumerate(shapes)
        for k, tenure in enumerate(tenures)
        for m, rate in enumerate(rates)
        if (i + j + k + m) % 4 == 0
    ]
    undiscounted = [
        Contract(gamma, delta, c, tenure, 0.0, 0)
        for gamma, delta, c in [(1.3, 0.5, 1.0), (2.5, 40.0, 1.0), (30.0, 200.0, 0.3), (2.5, 3.0, 0.7), (0.7, 1.2, 3.0)]
        for tenure in tenures
    ]
    finite = [
        Contract(gamma, delta, c, tenure, rate, horizon)
        for gamma, delta in populations[::2]
        for c in (1.0, 0.7, 1.5)
        for tenure, rate, horizon in [(0, 0.0, 1), (12, 0.0, 60), (1000, 0.0953, 12), (3, 1e-3, 5000)]
    ]
    return life + undiscounted + finite


def survival(contract: Contract, t: mp.mpf) -> mp.mpf:
    """B(gamma, delta + t^c)/B(gamma, delta)."""
    gamma, delta = mp.mpf(contract.gamma), mp.mpf(contract.delta)
    return mp.exp(_log_beta(gamma, delta + t ** mp.mpf(contract.c)) - _log_beta(gamma, delta))


def _log_beta(a: mp.mpf, b: mp.mpf) -> mp.mpf:
    if b > mp.mpf(10) ** 6:  # Stirling's series in Bernoulli polynomials; log-gamma functions would cancel
        terms = [(-1) ** k * (mp.bernpoly(k + 1, a) - mp.bernoulli(k + 1)) / (k * (k + 1) * b**k) for k in range(1, 8)]
        return mp.loggamma(a) - a * mp.log(b) + mp.fsum(terms)
    return mp.loggamma(a) + mp.loggamma(b) - mp.loggamma(a + b)


def value(contract: Contract) -> str:
    """Expected renewals, to twenty digits."""
    with mp.workdps(DIGITS):
        now = survival(contract, mp.mpf(contract.tenure))

        def term(j: mp.mpf) -> mp.mpf:
            return mp.exp(-mp.mpf(contract.rate) * j) * survival(contract, contract.tenure + j) / now

        last = contract.horizon
        if last and last <= ONE_BY_ONE:
            return str(mp.nstr(mp.fsum(term(mp.mpf(j)) for j in range(1, last + 1)), 20))
        total = mp.fsum(term(mp.mpf(j)) for j in range(1, ONE_BY_ONE))
        total += beyond(contract, term, mp.mpf(ONE_BY_ONE))
        if last:
            total -= beyond(contract, term, mp.mpf(last)) - term(mp.mpf(last))
        return str(mp.nstr(total, 20))


def beyond(contract: Contract, term: Term, start: mp.mpf) -> mp.mpf:
    """Sum of the terms from `start` on: integral, half of the first term, and corrections by its derivatives."""
    integral = _integral(contract, term, start)
    derivatives = mp.taylor(term, start, 2 * ORDERS)
    corrections = [mp.bernoulli(2 * k) / (2 * k) * derivatives[2 * k - 1] for k in range(1, ORDERS + 1)]
    return integral + term(start) / 2 - mp.fsum(corrections)


def _integral(contract: Contract, term: Term, start: mp.mpf) -> mp.mpf:
    """Integral from `start` on, over the logarithm of the contract's age, piece by piece until nothing is left."""
    total, low, width = mp.mpf(0), mp.mpf(0), mp.mpf(3) / (2 + contract.c * contract.gamma)
    age = contract.tenure + start

    def piece(x: mp.mpf) -> mp.mpf:
        t = age * mp.exp(x)
        return term(t - contract.tenure) * t

    while True:
        part = mp.quad(piece, [low, low + width])
        total += part
        low += width
        if part < total * mp.mpf(10) ** -(DIGITS - 4) * width and low > 5 * width:
            return total


def main() -> None:
    """Write the table."""
    with TABLE.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*(field.name for field in fields(Contract)), "renewals"])
        for contract in grid():
            writer.writerow([*astuple(contract), value(contract)])


if __name__ == "__main__":
    main()
