"""Simulated customers do on average what the model predicts for them, and obey its likelihood."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from kundenwert.models.core import NUMPY, history_of
from kundenwert.testing._comparing import FEWEST, SMALLEST_GROUP, averages_to, demand, events_average_to, shares_agree
from kundenwert.testing._every_model import shifted
from kundenwert.testing._population import Sample

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from kundenwert.models.core import Array
    from kundenwert.testing._population import PurchaseCase

__all__ = ["FUTURE_CHECKS"]

SHIFT: Final = 0.2  # of logarithms and logits, from one population to another
MOST_COUNTED: Final = 3
RECENT: Final = 0.6  # of T


def simulated_purchases_are_possible(case: PurchaseCase) -> None:
    """The simulator gives purchases in (0, T], in order of customer and time, and the same ones for the same seed."""
    T = np.repeat([0.0, case.lasting(0.1), case.lasting(1.0), case.lasting(10.0)], 500)
    purchases = case.simulate(T, np.random.default_rng(case.seed))
    customer, time = purchases.customer, purchases.time
    inside = (customer >= 0) & (customer < len(T))
    demand(inside.all(), f"a purchase of customer {customer[~inside][:1]} of {len(T)}")
    outside = ~((time > 0) & (time <= T[customer]))
    demand(
        not outside.any(), f"a purchase at {time[outside][:1]} of a customer observed for {T[customer][outside][:1]}"
    )
    same = np.diff(customer) == 0
    demand((np.diff(customer) >= 0).all(), "purchases are not in order of customers")
    demand((np.diff(time)[same] > 0).all(), "purchases of a customer are not in order of time, or two are at once")
    if case.counted:
        demand((time == np.rint(time)).all(), "purchases do not happen at whole opportunities")
    again = case.simulate(T, np.random.default_rng(case.seed))
    demand(np.array_equal(again.time, time), "the same seed gives other purchases")


def new_customers_buy_as_often_as_predicted(case: PurchaseCase) -> None:
    """The number of purchases of simulated customers follows the distribution predicted for new customers."""
    history = case.sample.history()
    zero = np.zeros(1)
    new = case.cells_of({"x": zero, "t_x": zero, "T": zero})
    for T in np.unique(history["T"]):
        x = history["x"][history["T"] == T]
        for count in range(6):
            p = np.full(len(x), case.values.count_probability(new, float(T), count)[0])
            events_average_to(f"P({count} purchases within {T:g})", (x == count).astype(np.float64), p)
        mean = case.of(new, case.values.purchases(new, 0.0, float(T)))
        events_average_to(f"purchases within {T:g}", x, np.full(len(x), mean[0]))


def futures_average_to_the_predictions(case: PurchaseCase) -> None:
    """Among customers with a like history, what happens after T is on average what is predicted."""
    values, past, sample = case.values, case.past, case.sample
    length, half, rate = sample.horizon, case.lasting(0.5), 1 / case.span
    predicted = {
        f"purchases within {length:g}": values.purchases(past, 0.0, length),
        f"purchases from {half:g} to {length:g}": values.purchases(past, half, length - half),
        f"purchases within {length:g}, discounted": values.discounted_purchases(past, rate, length),
        f"a return within {half:g}": values.returns(past, half),
    }
    actual = [
        sample.bought(0.0, length),
        sample.bought(half, length),
        sample.bought(0.0, length, rate=rate),
        (sample.bought(0.0, half) > 0).astype(np.float64),
    ]
    for (what, block), happened in zip(predicted.items(), actual, strict=True):
        expected = case.of(past, block)
        for name, group in _groups(sample.history()):
            events_average_to(f"{what} after {name}", happened[group], expected[group])
    for count in range(MOST_COUNTED + 1):
        p = values.count_probability(past, length, count)[past.index]
        happened = (actual[0] == count).astype(np.float64)
        for name, group in _groups(sample.history()):
            events_average_to(f"{count} purchases within {length:g} after {name}", happened[group], p[group])


def p_alive_now_is_the_average_of_p_alive_later(case: PurchaseCase) -> None:
    """Among customers with a like history, P(alive) at T + h is on average what was predicted for it at T."""
    length = case.sample.horizon
    later = case.cells_of(case.sample.history(length))
    before = case.of(case.past, case.values.p_alive(case.past, length))
    after = case.of(later, case.values.p_alive(later, 0.0))
    bought = case.sample.bought(0.0, length) > 0
    for name, group in _groups(case.sample.history()):
        if group.sum() >= SMALLEST_GROUP and min(bought[group].sum(), (~bought[group]).sum()) >= FEWEST:
            what = f"P(alive) {length:g} later, after {name}"
            averages_to(what, after[group], before[group], least_variance=case.error**2)


def the_likelihood_turns_one_population_into_another(case: PurchaseCase) -> None:
    """Weighted by the ratio of likelihoods, customers of one population are as frequent as in another.

    The second population is simulated with one parameter value for each customer.
    """
    T = case.sample.T
    theta = shifted(case, SHIFT)
    h = history_of(case.past.columns)
    ratio = case.model.log_likelihood(theta, h, NUMPY) - case.model.log_likelihood(case.theta, h, NUMPY)
    weight = np.exp(ratio[:, 0])[case.past.index]
    each = case.model.named([np.broadcast_to(value, len(T)) for value in theta])
    purchases = case.model.simulate(each, T, np.random.default_rng([case.seed, 1]))
    there = dict(_groups(Sample(T=T, horizon=0.0, purchases=purchases).history()))
    if (case.sample.history()["x"] > 0).sum() >= FEWEST:
        everybody = np.ones(len(T), dtype=np.bool_)
        shares_agree("all histories", weight, everybody, everybody)
    for name, here in _groups(case.sample.history()):
        if name in there:
            shares_agree(f"customers with {name}", weight, here, there[name])


def _groups(history: dict[Any, Array]) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Customers by frequency, and by whether they bought lately."""
    x, late = history["x"], history["t_x"] > RECENT * history["T"]
    for low, high in ((0, 0), (1, 1), (2, 3), (4, math.inf)):
        for lately in (False, True):
            group = (x >= low) & (x <= high) & (late == lately)
            if group.any():
                number = f"{low}" if low == high else f"{low} or more" if math.isinf(high) else f"{low} to {high}"
                yield f"{number} purchases, {'one' if lately else 'none'} lately", group


FUTURE_CHECKS: Final[tuple[Callable[[PurchaseCase], None], ...]] = (
    simulated_purchases_are_possible,
    new_customers_buy_as_often_as_predicted,
    futures_average_to_the_predictions,
    p_alive_now_is_the_average_of_p_alive_later,
    the_likelihood_turns_one_population_into_another,
)
