"""What must hold of living customers, whatever the model: exact properties of :class:`AliveCustomer`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from kundenwert.testing._comparing import agree, case_at, hold

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kundenwert.models.core import AliveCustomer, Array
    from kundenwert.testing._population import PurchaseCase

__all__ = ["LIVING_CHECKS"]

HORIZONS: Final = (0.25, 1.0, 4.0)
PAIRS: Final = 12
LARGEST_COUNT: Final = 400
NEGLIGIBLE: Final = 1e-13
PANELS: Final = (0.0, *(8.0**-i for i in range(8, -1, -1)))
INTEGRAL_ERROR: Final = 1e-6
FULLY_DISCOUNTED: Final = 40.0  # exp(-40) of today's value is nothing


def nothing_happens_in_no_time(case: PurchaseCase) -> None:
    """Within a horizon of zero all survive, and nobody buys."""
    at = case_at(case.pairs)
    start = case.lasting(1.0)
    for customer in case.living:
        agree("survival(0)", customer.survival(0.0), 1.0, at, rtol=1e-14)
        agree("count_probability(0, 0)", customer.count_probability(0, 0.0), 1.0, at, rtol=1e-14)
        agree("count_probability(2, 0)", customer.count_probability(2, 0.0), 0.0, at, rtol=0)
        agree("purchases(0, 0)", customer.purchases(0.0, 0.0), 0.0, at, rtol=0)
        agree("purchases(start, 0)", customer.purchases(start, 0.0), 0.0, at, rtol=0)
        agree("returns(0)", customer.returns(0.0), 0.0, at, rtol=0)
        agree("discounted_purchases(rate, 0)", customer.discounted_purchases(0.1, 0.0), 0.0, at, rtol=0)


def more_happens_in_more_time(case: PurchaseCase) -> None:
    """Survival falls from one towards zero as time goes by; returns and purchases rise."""
    at = case_at(case.pairs)
    lengths = [case.lasting(share) for share in (0.05, *HORIZONS, 50.0)]
    tolerance = 1 + 2 * case.error
    for customer in case.living:
        alive, back, bought = np.ones(1), np.zeros(1), np.zeros(1)
        for length in lengths:
            survival, returns = customer.survival(length), customer.returns(length)
            purchases = customer.purchases(0.0, length)
            hold(f"survival({length:g})", (survival >= 0) & (survival <= alive * tolerance), survival, at)
            hold(f"returns({length:g})", (returns * tolerance >= back) & (returns <= 1), returns, at)
            hold(f"purchases(0, {length:g})", purchases * tolerance >= bought, purchases, at)
            hold(f"purchases(0, {length:g}), returns exceed them", purchases * tolerance >= returns, purchases, at)
            alive, back, bought = survival, returns, purchases


def purchases_of_adjoining_periods_add_up(case: PurchaseCase) -> None:
    """Expected purchases of adjoining periods add up."""
    pairs, living = _some(case)
    at = case_at(pairs)
    for customer in living:
        for first, second in [(0.25, 1.0), (4.0, 20.0)]:
            start, length = case.lasting(first), case.lasting(second)
            before, after = customer.purchases(0.0, start), customer.purchases(start, length)
            whole = customer.purchases(0.0, start + length)
            agree(f"purchases in {length:g} after {start:g}", before + after, whole, at, rtol=2 * case.error)
        start, length = case.lasting(0.5), case.lasting(1.0)
        parts = customer.purchases(start, length) + customer.purchases(start + length, length)
        both = customer.purchases(start, 2 * length)
        agree(f"purchases in twice {length:g} after {start:g}", parts, both, at, rtol=2 * case.error)


def a_return_is_at_least_one_purchase(case: PurchaseCase) -> None:
    """The return probability is the probability of one purchase or more."""
    at = case_at(case.pairs)
    for customer in case.living:
        for share in HORIZONS:
            length = case.lasting(share)
            none = customer.count_probability(0, length)
            agree(f"1 - count_probability(0, {length:g})", 1 - none, customer.returns(length), at, rtol=0, atol=1e-12)


def counts_have_the_expected_mean(case: PurchaseCase) -> None:
    """The probabilities of 0, 1, 2, … purchases sum to one, and their mean is the number expected."""
    at = case_at(case.pairs)
    shape = case.pairs["x"].shape
    for length in (case.lasting(0.25), case.lasting(0.01)):
        for customer in case.living:
            total, mean, ended = np.zeros(shape), np.zeros(shape), np.zeros(shape, dtype=np.bool_)
            for count in range(LARGEST_COUNT):
                probability = customer.count_probability(count, length)
                what = f"count_probability({count}, {length:g})"
                hold(what, (probability >= 0) & (probability <= 1), probability, at)
                total, mean = total + probability, mean + count * probability
                ended = (count * probability < NEGLIGIBLE) & (total > 0.5) & (count > 2)
                if ended.all():
                    break
            # the tail of a customer who buys a lot, or may, is too long to be summed
            expected = np.where(ended, customer.purchases(0.0, length), mean)
            what = f"count_probability(…, {length:g})"
            agree(f"sum of {what}", np.where(ended, total, 1.0), 1.0, at, rtol=max(1e-10, case.error))
            agree(f"mean of {what}", mean, expected, at, rtol=10 * case.error, atol=1e-11)
            hold(f"sum of {what}", total <= 1 + 1e-10, total, at)


def discounting_is_an_integral_over_time(case: PurchaseCase) -> None:
    """A purchase at u after T counts exp(-rate u): discounted purchases follow from undiscounted ones."""
    pairs, living = _some(case)
    at = case_at(pairs)
    length = case.lasting(2.0)
    rates = (0.1 / case.span, 2.0 / case.span)
    rtol = max(INTEGRAL_ERROR, case.error)
    for customer in living:
        for rate, expected in zip(rates, _discounted(customer, rates, length, counted=case.counted), strict=True):
            got = customer.discounted_purchases(rate, length)
            agree(f"discounted_purchases({rate:.3g}, {length:g})", got, expected, at, rtol=rtol)
        got = customer.discounted_purchases(0.0, length)
        agree(f"discounted_purchases(0, {length:g})", got, customer.purchases(0.0, length), at, rtol=1e-12)
        slowly = customer.discounted_purchases(1e-11 / length, length)
        agree(f"discounted_purchases(next to 0, {length:g})", slowly, got, at, rtol=2 * case.error)


def discounting_makes_a_lifetime_finite(case: PurchaseCase) -> None:
    """Discounted purchases for life are finite, and the limit of long horizons; without discounting they may be inf."""
    at = case_at(case.pairs)
    for customer in case.living:
        for rate in (0.02 / case.span, 1.0 / case.span):
            forever = customer.discounted_purchases(rate, math.inf)
            long = customer.discounted_purchases(rate, float(math.ceil(FULLY_DISCOUNTED / rate)))
            short = customer.discounted_purchases(rate, case.lasting(1.0))
            what = f"discounted_purchases({rate:.3g}, inf)"
            hold(what, np.isfinite(forever) & (forever > 0), forever, at)
            agree(f"{what} in a long time", long, forever, at, rtol=2 * case.error)
            hold(
                f"{what}, less than within {case.lasting(1.0):g},", short <= forever * (1 + 2 * case.error), forever, at
            )
        undiscounted = customer.discounted_purchases(0.0, math.inf)
        within = customer.purchases(0.0, case.lasting(100.0))
        hold("discounted_purchases(0, inf)", undiscounted * (1 + 2 * case.error) >= within, undiscounted, at)


def a_looser_error_changes_little(case: PurchaseCase) -> None:
    """within(error) changes expectations by about that error only."""
    at = case_at(case.pairs)
    length = case.lasting(1.0)
    questions: dict[str, Callable[[AliveCustomer], Array]] = {
        "survival": lambda customer: customer.survival(length),
        "purchases": lambda customer: customer.purchases(0.0, length),
        "returns": lambda customer: customer.returns(length),
        "discounted_purchases": lambda customer: customer.discounted_purchases(1 / case.span, math.inf),
    }
    for customer in case.living:
        for name, ask in questions.items():
            loose = ask(customer.within(1e-5))
            agree(f"within(1e-5).{name}", loose, ask(customer), at, rtol=1e-4, atol=1e-12)


def _some(case: PurchaseCase) -> tuple[dict[str, Array], tuple[AliveCustomer, ...]]:
    """A few of the pairs, the first and the last among them, and their living customers: for what takes long."""
    rows = np.unique(np.linspace(0, len(case.pairs["x"]) - 1, PAIRS).astype(np.intp))
    pairs = {name: column[rows] for name, column in case.pairs.items()}
    return pairs, case.model.alive(case.theta, pairs["x"], pairs["T"])


def _discounted(customer: AliveCustomer, rates: Sequence[float], length: float, *, counted: bool) -> list[Array]:
    """Discounted purchases at each rate from undiscounted ones: a sum over opportunities, or integration by parts."""
    if counted:
        counts = np.arange(1, int(length) + 1)
        each = np.stack([customer.purchases(float(j - 1), 1.0) for j in counts], axis=-1)
        return [each @ np.exp(-rate * counts) for rate in rates]
    node, weight = np.polynomial.legendre.leggauss(12)
    low, width = (length * np.array(values)[:, None] for values in (PANELS[:-1], np.diff(PANELS)))
    u, du = (low + width * (node + 1) / 2).ravel(), (width * weight / 2).ravel()
    until = np.stack([customer.purchases(0.0, float(time)) for time in u], axis=-1)
    end = customer.purchases(0.0, length)
    return [until @ (rate * np.exp(-rate * u) * du) + end * math.exp(-rate * length) for rate in rates]


LIVING_CHECKS: Final[tuple[Callable[[PurchaseCase], None], ...]] = (
    nothing_happens_in_no_time,
    more_happens_in_more_time,
    purchases_of_adjoining_periods_add_up,
    a_return_is_at_least_one_purchase,
    counts_have_the_expected_mean,
    discounting_is_an_integral_over_time,
    discounting_makes_a_lifetime_finite,
    a_looser_error_changes_little,
)
