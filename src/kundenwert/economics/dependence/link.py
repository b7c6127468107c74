"""How often customers buy and how much they spend, linked: a Gaussian copula between purchase rate and spend level.

Without the link the two models say what a customer's rate and level may be given the history of purchases and the
amounts, independently. With u and v their normal scores, the link multiplies that joint density by

    c(u, v) = exp(-(rho^2 (u^2 + v^2) - 2 rho u v)/(2 (1 - rho^2)))/sqrt(1 - rho^2),

so that whatever is expected with the link is an average of c over two independent distributions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, final, override

import numpy as np
from scipy.interpolate import CubicSpline

from kundenwert.errors import InfiniteValueError
from kundenwert.models.core import Model, PurchaseModel, Quantity, SpendModel, history_of
from kundenwert.posterior.summary import in_blocks
from kundenwert.priors import Beta

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from kundenwert.duration import Unit
    from kundenwert.histories import Cells, HistoryColumn
    from kundenwert.models.core import AliveCustomer, Array, Functions, History, RateNodes

__all__ = ["Link", "LinkedSpend"]

NODES: Final = (16, 12)  # of rates and of levels, to estimate
NODES_OF_VALUES: Final = (28, 16)
STEP: Final = 0.5  # of log rates at which purchases are computed
LONGEST_GRID: Final = 40.0
PURCHASES_ERROR: Final = 1e-6
SMALLEST: Final = 1e-300
NUMBERS_AT_ONCE: Final = 64  # for each cell: as many as a block of draws has


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class LinkedSpend(Model[tuple["Array", ...]]):
    """Amounts of customers whose purchases are known, with the level linked to the purchase rate.

    The parameters are those of the spend model and the correlation, which lies anywhere between -1 and 1 beforehand.
    """

    purchases: PurchaseModel[Any]
    theta: tuple[Array, ...]
    spend: SpendModel[Any]

    needs: ClassVar[tuple[HistoryColumn, ...]] = ()  # it is handed cells that have them all
    observes: ClassVar[str] = "amounts"

    @property
    @override
    def parameter_names(self) -> tuple[str, ...]:
        return (*self.spend.parameter_names, "correlation")

    @property
    @override
    def quantities(self) -> tuple[Quantity, ...]:
        return (*self.spend.quantities, Quantity("correlation", Beta(1, 1), 0.5, "probability"))

    @override
    def informative(self, cells: Cells) -> NDArray[np.bool_]:
        return self.spend.informative(cells)

    @override
    def parameters_of(self, quantities: Sequence[Array], unit: Unit) -> tuple[Array, ...]:
        return (*self.spend.parameters_of(quantities[:-1], unit), 2 * quantities[-1] - 1)

    @override
    def quantities_of(self, theta: tuple[Array, ...], unit: Unit) -> tuple[Array, ...]:
        return (*self.spend.quantities_of(self.spend.named(theta[:-1]), unit), (1 + theta[-1]) / 2)

    @override
    def named(self, values: Sequence[Array]) -> tuple[Array, ...]:
        return tuple(values)

    @override
    def log_likelihood(self, theta: tuple[Array, ...], h: History, f: Functions) -> Array:
        """Log density of the amounts given the purchases, shape (cells, draws)."""
        of_spend = self.spend.named(theta[:-1])
        rate = self.purchases.rate_law(self.theta, h).nodes(NODES[0])
        level = self.spend.level_law(of_spend, h).nodes(NODES[1])
        linked = _log_average(rate.score, rate.alive.sum(axis=0) + rate.gone, *level, theta[-1])
        return self.spend.log_likelihood(of_spend, h, f) + linked


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Link:
    """A purchase and a spend model linked at given parameters, each of shape (1,).

    Attributes
    ----------
    purchases, theta
        Purchase model and its parameters.
    spend, linked, unlinked
        Spend model, its parameters with the link, and those that the same amounts suggest without.
    correlation
        Of the normal scores of rate and level.
    unit
        Unit of time of the parameters.
    """

    purchases: PurchaseModel[Any]
    theta: tuple[Array, ...]
    spend: SpendModel[Any]
    linked: tuple[Array, ...]
    unlinked: tuple[Array, ...]
    correlation: float
    unit: Unit

    def corrections(self, cells: Cells, expectation: Callable[[AliveCustomer], Array]) -> Array:
        """E[purchases x mean amount] with the link over E[purchases] E[mean amount] without, shape (cells,).

        Parameters
        ----------
        cells
            Histories with the columns of both models, in the unit of the link.
        expectation
            Purchases to come of living customers.

        Raises
        ------
        InfiniteValueError
            If the mean amount is infinite with the link.
        """
        fewest = np.asarray(cells["x"].min(initial=np.inf))
        if min(self.spend.tail_index(theta, fewest).min() for theta in (self.linked, self.unlinked)) <= 1:
            message = (
                "linked to purchase rates, the mean amount is infinite at the parameters found; use "
                "kundenwert.LogNormalSpend(), or give q of the GammaGamma a tighter prior"
            )
            raise InfiniteValueError(message)
        result = np.empty(len(cells))
        bought_at = self._purchases_at_rates(cells, expectation)
        rho = np.array([self.correlation])

        def work(rows: slice) -> None:
            h = history_of(cells, rows)
            rate = self.purchases.rate_law(self.theta, h).nodes(NODES_OF_VALUES[0])
            law = self.spend.level_law(self.linked, h)
            bought = (rate.alive * bought_at(cells["x"][rows], rate)).sum(axis=0)
            everybody = rate.alive.sum(axis=0) + rate.gone
            total = bought.sum(axis=0)
            bought = np.where(total > 0, bought / np.where(total > 0, total, 1), everybody)
            with_link = _log_average(rate.score, bought, *law.by_amount().nodes(NODES_OF_VALUES[1]), rho)
            evidence = _log_average(rate.score, everybody, *law.nodes(NODES_OF_VALUES[1]), rho)
            amount = self.spend.expected_spend(self.linked, h) / self.spend.expected_spend(self.unlinked, h)
            result[rows] = (np.exp(with_link - evidence) * amount)[:, 0]

        in_blocks(len(cells), NUMBERS_AT_ONCE, work)
        return result

    def _purchases_at_rates(
        self, cells: Cells, expectation: Callable[[AliveCustomer], Array]
    ) -> Callable[[Array, RateNodes], Array]:
        """Purchases to come in each state, but for a factor, at the nodes of histories with `x` repeat purchases.

        They are computed for each x on a grid of rates. In between log(purchases/rate) is interpolated; for rarer
        buyers than the grid has, who buy once at most, it is linear in log rate.
        """
        low, high = self._range_of_rates(cells)
        low = max(low, high - LONGEST_GRID)
        grid = np.linspace(low, high, 2 + int((high - low) / STEP))
        counts = np.unique(cells["x"])
        customers = self.purchases.at_rate(self.theta, counts[:, None], np.exp(grid)[None])
        expected = np.stack([expectation(customer.within(PURCHASES_ERROR)) for customer in customers], axis=-1)
        ratio = np.log(np.maximum(expected, SMALLEST)) - grid[:, None]
        curves = {x: CubicSpline(grid, values) for x, values in zip(counts.tolist(), ratio, strict=True)}

        def bought_at(x: Array, nodes: RateNodes) -> Array:
            result = np.empty(nodes.alive.shape)
            for count in np.unique(x).tolist():
                columns, curve = np.flatnonzero(x == count), curves[count]
                log_rate = np.log(np.maximum(nodes.rate[:, columns, 0], SMALLEST))
                inside = np.clip(log_rate, low, high)
                log_ratio = curve(inside) + (log_rate - inside)[..., None] * curve(low, 1)
                result[:, :, columns, 0] = np.moveaxis(np.exp(log_ratio + log_rate[..., None]), -1, 0)
            return result

        return bought_at

    def _range_of_rates(self, cells: Cells) -> tuple[float, float]:
        """Logarithms of the lowest and highest rate among the nodes of all cells."""
        ends: list[tuple[float, float]] = []

        def work(rows: slice) -> None:
            rate = self.purchases.rate_law(self.theta, history_of(cells, rows)).nodes(2).rate
            ends.append((float(np.log(max(rate.min(), SMALLEST))), float(np.log(rate.max()))))

        in_blocks(len(cells), NUMBERS_AT_ONCE, work)
        lows, highs = zip(*ends, strict=True)
        return min(lows), max(highs)


def _log_average(u: Array, u_weight: Array, v: Array, v_weight: Array, rho: Array) -> Array:
    """Log of the average of the copula density over independent nodes, each of shape (nodes, cells, draws or 1)."""
    spread = 1 - rho**2
    # rho^2 (u^2 + v^2) - 2 rho u v = (v - rho u)^2 - (1 - rho^2) v^2; how far apart v and rho u are at least goes first
    ends = np.sort(np.stack([rho * u[0], rho * u[-1]]), axis=0), np.sort(np.stack([v[0], v[-1]]), axis=0)
    apart = np.maximum(np.maximum(ends[0][0] - ends[1][1], ends[1][0] - ends[0][1]), 0) ** 2
    total = np.zeros(apart.shape)
    half_v2, minus_half = 0.5 * v**2, -0.5 / spread
    for score, weight in zip(u, u_weight, strict=True):
        inner = np.zeros(total.shape)
        for other, other_weight, plus in zip(v, v_weight, half_v2, strict=True):
            inner += other_weight * np.exp(minus_half * ((other - rho * score) ** 2 - apart) + plus)
        total += weight * inner
    return np.asarray(np.log(total) + minus_half * apart - 0.5 * np.log(spread))
