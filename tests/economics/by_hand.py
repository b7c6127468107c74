"""Net present values by hand: what is expected between two moments, added up over small steps of time."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np

NODES, WEIGHTS = np.polynomial.legendre.leggauss(12)
NODES, WEIGHTS = (NODES + 1) / 2, WEIGHTS / 2

type Steps = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Money:
    """What a unit of money counts: steps (years from now, value) of annual rates and of margins; all else annual."""

    rates: Steps = ((0.0, 0.1),)
    margins: Steps = ((0.0, 1.0),)
    growth: float = 0.0
    period: float = 0.0
    within: float = 0.0

    def discount(self, u):
        factor = 1.0
        ends = [start for start, _ in self.rates[1:]] + [math.inf]
        for (start, rate), end in zip(self.rates, ends, strict=True):
            factor *= (1 + rate) ** -max(0.0, min(u, end) - start)
        return factor

    def margin(self, u):
        return [margin for start, margin in self.margins if start <= u + 1e-9][-1] * (1 + self.growth) ** u

    def event(self, u):
        """At a moment; periods include their end."""
        number = max(math.ceil(u / self.period - 1e-9), 1) - 1 if self.period else 0
        return self.margin(u) * self.discount((number + self.within) * self.period if self.period else u)

    def inside(self, u):
        """Inside a step of time."""
        counted = (math.floor(u / self.period) + self.within) * self.period if self.period else u
        return self.margin(u) * self.discount(counted)

    def slope(self, u):
        rate = 0.0 if self.period else [rate for start, rate in self.rates if start <= u][-1]
        return math.log1p(self.growth) - math.log1p(rate)

    def edges(self, years):
        own = {start for start, _ in (*self.rates, *self.margins)} | {years}
        if self.period:
            own |= {number * self.period for number in range(1, round(years / self.period))}
        if self.growth or not self.period:  # steps small enough for by parts
            own |= {2.0**k for k in range(-20, 12)}
        return sorted(edge for edge in own if 0 <= edge <= years)


def worth(bought: Callable[[float, float], Any], money: Money, years: float) -> Any:
    """What purchases in `years` count; `bought(start, end)` are those expected between two moments, in years."""
    total = 0.0
    for start, end in pairwise(money.edges(years)):
        middle = (start + end) / 2
        slope, value = money.slope(middle), money.inside(middle)
        if value == 0:
            continue
        total = total + value * math.exp(slope * (end - middle)) * bought(start, end)
        if slope:  # by parts
            for node, weight in zip((start + NODES * (end - start)).tolist(), WEIGHTS, strict=True):
                falls = -slope * value * math.exp(slope * (node - middle))
                total = total + weight * (end - start) * falls * bought(start, node)
    return total


def stream(posterior: Any, histories: Any) -> Callable[[float, float], Any]:
    """Expected purchases of each customer between two moments, in years, at the only draw."""
    cells = posterior.cells_of(histories.in_unit(posterior.unit))
    per_year, model, theta = cells.periods_per_year, posterior.model, posterior.theta
    states = posterior.of_cells.states_now(cells)(slice(0, len(cells)))
    customers = model.alive(theta, cells["x"][:, None], cells["T"][:, None])

    @cache
    def bought(start, end):
        each = [customer.purchases(start * per_year, (end - start) * per_year) for customer in customers]
        return sum(p * purchases for p, purchases in zip(states, each, strict=True))[cells.index, 0]

    return bought
