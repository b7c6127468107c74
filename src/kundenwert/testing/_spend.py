"""What must hold of a spend model: expected amounts, likelihood and simulator say the same."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np

from kundenwert.errors import SpecificationError
from kundenwert.fitting import fixed
from kundenwert.histories.cells import Cells, check_needs, collapse
from kundenwert.inference.mode import find_mode
from kundenwert.inference.target import Target
from kundenwert.models.core import NUMPY, FixedParameters, SpendModel, history_of
from kundenwert.testing._ahead import can_simulate
from kundenwert.testing._comparing import agree, averages_to, case_at, demand, events_average_to, hold, shares_agree
from kundenwert.testing._every_model import MODEL_CHECKS, shifted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from kundenwert.histories import HistoryColumn
    from kundenwert.models.core import Array, History
    from kundenwert.posterior import SpendPosterior

__all__ = ["SPEND_CHECKS", "SpendCase", "spend_case"]

FREQUENCIES: Final = (0, 1, 2, 3, 5, 10)
LATER: Final = 200  # amounts whose mean stands for a customer's own
OBSERVED_LATER: Final = 8_000
MOMENTS: Final = 4.0  # that must be finite for an average to have a normal error
SHIFT: Final = 0.1
CURRENCY: Final = 119.0
IN_CELLS: Final = 240


@final
@dataclass(frozen=True, kw_only=True)
class SpendCase:
    """What the checks of a spend model look at; see :class:`PurchaseCase`."""

    parameters: FixedParameters[SpendModel[Any]]
    posterior: SpendPosterior
    customers: int
    seed: int
    error: float

    @property
    def model(self) -> SpendModel[Any]:
        """The model."""
        return self.posterior.model

    @property
    def theta(self) -> tuple[Array, ...]:
        """Parameters, each of shape (1,)."""
        return self.posterior.theta

    def amounts(self, x: NDArray[np.int64], theta: tuple[Array, ...], stream: int) -> tuple[NDArray[np.int64], Array]:
        """Customers and amounts of `x` purchases each."""
        customer = np.repeat(np.arange(len(x)), x)
        scalar = self.model.named([value[0] for value in theta])
        return customer, self.model.simulate(scalar, customer, np.random.default_rng([self.seed, stream]))

    def cells_of(self, x: NDArray[np.int64], customer: NDArray[np.int64], amounts: Array) -> Cells:
        """Histories of these repeat purchases."""
        every: dict[HistoryColumn, Array] = {"x": x.astype(np.float64)}
        positive = amounts > 0
        logs = np.log(np.where(positive, amounts, 1.0))
        sums: dict[HistoryColumn, Array] = {
            "total": amounts,
            "positive": positive.astype(np.float64),
            "log_total": logs,
            "log_squared_total": logs**2,
        }
        for name, weights in sums.items():
            every[name] = np.bincount(customer, weights, minlength=len(x))
        columns = {name: every[name] for name in check_needs(self.model.needs)}
        return collapse(columns, customers=len(x), unit=self.posterior.unit, periods_per_year=math.nan)

    def amounts_ahead(self, cells: Cells, each: int, purchases: int, stream: int) -> Array:
        """Amounts to come, shape (customers, purchases), of `each` customers with each of these histories."""
        rows = np.repeat(np.arange(len(cells)), each)
        h = history_of(cells.columns, draws_axis=False).take(rows)
        theta = self.model.named([np.repeat(value, len(rows)) for value in self.theta])
        customer = np.repeat(np.arange(len(rows)), purchases)
        amounts = self.model.simulate_ahead(theta, h, customer, np.random.default_rng([self.seed, stream]))
        return amounts.reshape(-1, purchases)

    @cached_property
    def x(self) -> NDArray[np.int64]:
        """Repeat purchases of the simulated customers."""
        return np.array(FREQUENCIES)[np.arange(self.customers) % len(FREQUENCIES)]

    @cached_property
    def sample(self) -> tuple[Cells, Array]:
        """Histories of simulated customers, and the amount of the purchase after."""
        customer, amounts = self.amounts(self.x + 1, self.theta, 0)
        last = np.cumsum(self.x + 1) - 1
        past = np.ones(len(amounts), dtype=np.bool_)
        past[last] = False
        return self.cells_of(self.x, customer[past], amounts[past]), amounts[last]

    def observed(self, customers: int) -> Cells:
        """Histories of some simulated customers."""
        x = self.x[:customers]
        return self.cells_of(x, *self.amounts(x, self.theta, 1))

    @cached_property
    def cells(self) -> Cells:
        """Histories of a few customers."""
        return self.observed(IN_CELLS)


def spend_case(
    parameters: FixedParameters[SpendModel[Any]], *, customers: int = 100_000, seed: int = 0, error: float = 1e-8
) -> SpendCase:
    """What the checks of a spend model with these parameters look at."""
    posterior = fixed(parameters)
    if not isinstance(posterior.model, SpendModel):
        message = f"expected parameters of a spend model, got those of {type(posterior.model).__name__}"
        raise SpecificationError(message)
    return SpendCase(parameters=parameters, posterior=posterior, customers=customers, seed=seed, error=error)


def amounts_are_positive(case: SpendCase) -> None:
    """Expected and median amounts are positive; the mean is finite where the tail index is above 1, and only there."""
    at = case_at(case.cells.columns)
    h = history_of(case.cells.columns)
    mean, median = case.model.expected_spend(case.theta, h), case.model.median_spend(case.theta, h)
    tail = np.broadcast_to(case.model.tail_index(case.theta, h["x"]), mean.shape)
    demand(mean.shape == (len(case.cells), 1), f"expected_spend has shape {mean.shape}, expected (cells, draws)")
    hold("expected_spend", mean > 0, mean, at)
    hold("median_spend", (median > 0) & np.isfinite(median), median, at)
    hold("expected_spend, for its tail_index,", np.isfinite(mean) == (tail > 1), mean, at)
    used = case.model.informative(case.cells)
    informative = history_of({name: column[used] for name, column in case.cells.columns.items()})
    log_likelihood = case.model.log_likelihood(case.theta, informative, NUMPY)
    demand(np.isfinite(log_likelihood).all(), "log_likelihood is not finite for every informative history")


def the_order_of_customers_makes_no_difference(case: SpendCase) -> None:
    """Customers in another order, and several with the same history, get the same numbers."""
    order = np.random.default_rng(case.seed).permutation(np.repeat(np.arange(len(case.cells)), 2))
    h = history_of(case.cells.columns)
    shuffled = {name: column[order] for name, column in case.cells.columns.items()}
    for name, ask in _questions(case).items():
        agree(name, ask(history_of(shuffled)), ask(h)[order], case_at(shuffled), rtol=1e-12)


def the_next_amount_averages_to_the_expected_one(case: SpendCase) -> None:
    """Among customers with a like history, the next amount is on average what is expected."""
    cells, later = case.sample
    h = history_of(cells.columns)
    expected = case.model.expected_spend(case.theta, h)[:, 0][cells.index]
    tail = np.broadcast_to(case.model.tail_index(case.theta, h["x"]), (len(cells), 1))[:, 0][cells.index]
    for name, group in _groups(case.x, expected):
        if tail[group].min() > MOMENTS:
            averages_to(f"the next amount after {name}", later[group], expected[group])


def half_of_the_customers_spend_more_than_the_median(case: SpendCase) -> None:
    """Among customers with a like history, the mean amount of one half lies above median_spend."""
    x = case.x[:OBSERVED_LATER]
    customer, amounts = case.amounts(x + LATER, case.theta, 2)
    start = np.cumsum(x + LATER) - x - LATER
    past = np.arange(len(amounts)) - start[customer] < x[customer]
    cells = case.cells_of(x, customer[past], amounts[past])
    own = np.bincount(customer[~past], amounts[~past], minlength=len(x)) / LATER
    median = case.model.median_spend(case.theta, history_of(cells.columns))[:, 0][cells.index]
    for frequency in FREQUENCIES:
        group = x == frequency
        above = (own[group] > median[group]).astype(np.float64)
        events_average_to(f"mean amounts above the median after {frequency} purchases", above, np.full(len(above), 0.5))


def amounts_to_come_average_to_the_expected_one(case: SpendCase) -> None:
    """Amounts simulated given a history are on average what is expected; a customer's own mean is above the median."""
    if not can_simulate(case.model, SpendModel, "simulate_ahead"):
        return
    cells, x = case.cells, case.cells["x"]
    expected, median = (ask(history_of(cells.columns))[:, 0] for ask in _questions(case).values())
    tail = np.broadcast_to(case.model.tail_index(case.theta, x[:, None]), (len(cells), 1))[:, 0]
    each = max(1, case.customers // len(cells))
    first = case.amounts_ahead(cells, each, 1, 5)[:, 0]
    own = case.amounts_ahead(cells, max(1, OBSERVED_LATER // len(cells)), LATER, 6).mean(axis=1)
    for name, group in _groups(x, expected):
        chosen, again = (np.repeat(group, times) for times in (each, len(own) // len(cells)))
        if tail[group].min() > MOMENTS:
            averages_to(f"simulated amounts after {name}", first[chosen], np.repeat(expected[group], each))
        above = (own > np.repeat(median, len(own) // len(cells)))[again].astype(np.float64)
        what = f"means of amounts simulated above the median after {name}"
        events_average_to(what, above, np.full(len(above), 0.5))


def the_likelihood_turns_one_population_into_another(case: SpendCase) -> None:
    """Weighted by the ratio of likelihoods, customers of one population are as frequent as in another."""
    cells, _ = case.sample
    theta = shifted(case, SHIFT)
    other = case.cells_of(case.x, *case.amounts(case.x, theta, 3))
    h = history_of(cells.columns)
    used = case.model.informative(cells)
    with np.errstate(all="ignore"):  # of histories that do not enter
        ratio = case.model.log_likelihood(theta, h, NUMPY) - case.model.log_likelihood(case.theta, h, NUMPY)
    weight = np.exp(np.where(used, ratio[:, 0], 0.0))[cells.index]
    median, there = (
        case.model.median_spend(case.theta, history_of(part.columns))[:, 0][part.index] for part in (cells, other)
    )
    everybody = np.ones(case.customers, dtype=np.bool_)
    shares_agree("all histories", weight, everybody, everybody)
    for frequency in FREQUENCIES[1:]:
        group = case.x == frequency
        edges = np.quantile(median[group], [0.0, 0.1, 0.5, 0.9, 1.0])
        for low, high in pairwise(edges):
            name = f"customers with {frequency} purchases and a median of {low:.4g} to {high:.4g}"
            inside = [group & (values > low) & (values <= high) for values in (median, there)]
            shares_agree(name, weight, *inside)


def the_currency_makes_no_difference(case: SpendCase) -> None:
    """In another currency, the model with its default priors learns the same from the same amounts."""
    x = case.x[:IN_CELLS]
    customer, amounts = case.amounts(x, case.theta, 4)
    here, there = (
        _likeliest_spend(type(case.model)(), case.cells_of(x, customer, amounts * rate)) for rate in (1.0, CURRENCY)
    )
    agree("expected_spend in another currency", there / CURRENCY, here, lambda i: f"customer {i}", rtol=1e-4)


def _likeliest_spend(model: SpendModel[Any], cells: Cells) -> Array:
    """Expected amounts of customers at the mode of the posterior, shape (customers,)."""
    prepared = model.prepared(cells)
    target = Target(prepared, cells)
    theta = target.parameters(find_mode(target, exact=True).location[:, None])
    return np.asarray(prepared.expected_spend(theta, history_of(cells.columns))[:, 0][cells.index])


def _questions(case: SpendCase) -> dict[str, Callable[[History], Array]]:
    return {
        "expected_spend": lambda h: case.model.expected_spend(case.theta, h),
        "median_spend": lambda h: case.model.median_spend(case.theta, h),
    }


def _groups(x: NDArray[np.generic], expected: Array) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Customers by frequency and by what is expected of them."""
    for frequency in FREQUENCIES:
        group = x == frequency
        middle = np.median(expected[group])
        for name, half in ((f"below {middle:.4g}", expected < middle), (f"{middle:.4g} or more", expected >= middle)):
            if (group & half).any():
                yield f"{frequency} purchases, expected {name}", group & half


SPEND_CHECKS: Final[tuple[Callable[[SpendCase], None], ...]] = (
    *MODEL_CHECKS,
    amounts_are_positive,
    the_order_of_customers_makes_no_difference,
    the_next_amount_averages_to_the_expected_one,
    amounts_to_come_average_to_the_expected_one,
    half_of_the_customers_spend_more_than_the_median,
    the_likelihood_turns_one_population_into_another,
    the_currency_makes_no_difference,
)
