"""How purchases are drawn: gap after gap until customers leave, or at random until an end.

All customers are drawn at once, round by round, and those who are done drop out of the arrays. Whatever a customer does
not need is not drawn: while they are silent, rates and dropout probabilities stay integrated out.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from kundenwert.errors import SizeError, SpecificationError
from kundenwert.models.core import Array, Purchases

__all__ = ["at_random", "check_horizon", "first_gap", "gap_after_gap", "stages_after_stages", "whole_waits"]

MOST_PURCHASES: Final = 2**26  # in one call: a gigabyte with their customers
SINGLE_ROUNDS: Final = 64  # purchases drawn one at a time; after t of them, t/64 are drawn at once

type Gaps = Callable[[NDArray[np.intp]], Array]
"""Draws a gap for each entry of an array of positions, whatever its shape; may be inf."""

type Stays = Callable[[NDArray[np.intp], Any], NDArray[np.bool_]]
"""Draws, for each entry of an array of positions, who stays after the purchase of this number (from 0)."""


def gap_after_gap(start: Array, end: Array, gaps: Gaps, stays: Stays | None = None) -> Purchases:
    """Purchases after `start`, until `end` or until customers leave after one of them; in no particular order.

    Parameters
    ----------
    start, end
        Times, shape (customers,).
    gaps, stays
        How chance is drawn; without `stays` nobody leaves.

    Raises
    ------
    SizeError
        If there are too many purchases.
    """
    customer, time = np.arange(len(start)), start
    customers, times = [customer[:0]], [time[:0]]
    number = total = 0
    with np.errstate(divide="ignore", over="ignore"):  # a rate so small that the next purchase never comes
        while len(customer) and number < SINGLE_ROUNDS:
            time = time + gaps(customer)
            seen = np.flatnonzero(time <= end[customer])
            customer, time = customer[seen], time[seen]
            customers.append(customer)
            times.append(time)
            if stays is not None:
                stay = np.flatnonzero(stays(customer, number))
                customer, time = customer[stay], time[stay]
            number += 1
            total = _checked(total + len(seen))
        while len(customer):  # only frequent buyers are left
            many = number // SINGLE_ROUNDS
            each = np.broadcast_to(customer, (many, len(customer)))
            when = time + np.cumsum(gaps(each), axis=0)
            there = when <= end[customer]
            stayed = np.ones_like(there) if stays is None else stays(each, number + np.arange(many)[:, None])
            there[1:] &= np.logical_and.accumulate(stayed[:-1], axis=0)
            customers.append(each[there])
            times.append(when[there])
            go_on = there[-1] & stayed[-1]
            customer, time = customer[go_on], when[-1, go_on]
            number += many
            total = _checked(total + len(times[-1]))
    return Purchases(customer=np.concatenate(customers), time=np.concatenate(times))


def at_random(rate: Array, start: Array | float, end: Array, rng: np.random.Generator) -> Purchases:
    """Purchases in (start, end], at random at these rates; shape (customers,); in order of customers.

    Raises
    ------
    SizeError
        If there are too many purchases.
    """
    length = end - start
    with np.errstate(over="ignore", invalid="ignore"):
        expected = rate * length
        _checked(expected.sum())
    customer = np.repeat(np.arange(len(end)), rng.poisson(expected))
    inside = length[customer] * (1 - rng.random(len(customer)))  # in (0, length]
    return Purchases(customer=customer, time=np.broadcast_to(start, end.shape)[customer] + inside)


def whole_waits(p: Array, rng: np.random.Generator) -> Array:
    """How many trials it takes, each with probability `p`, until it happens: 1, 2, … or inf, shape of `p`."""
    with np.errstate(divide="ignore", over="ignore"):  # what never happens, or for certain
        return np.maximum(np.ceil(rng.standard_exponential(p.shape) / -np.log1p(-p)), 1)


def first_gap(n: Array, A: Array, stages: int, rng: np.random.Generator) -> Array:
    """Time until `stages` stages have ended at a rate that is Gamma(n, A); may be inf.

    A times a ratio of gamma variables; for a single stage P(gap > u) = (1 + u/A)^-n.
    """
    with np.errstate(divide="ignore", over="ignore"):
        if stages == 1:
            return np.asarray(A * np.expm1(rng.standard_exponential(n.shape) / n))
        return np.asarray(A * (rng.standard_gamma(stages, n.shape) / rng.standard_gamma(n)))


def stages_after_stages(
    living: tuple[Array, Array, Array, Array], k: int, phase: int, horizon: float, rng: np.random.Generator
) -> Purchases:
    """Purchases within the horizon of customers who buy after every `k` stages, and may leave after a purchase.

    Parameters
    ----------
    living
        n, A, a and b: rates of stages are Gamma(n, A), probabilities of leaving Beta(a, b); shape (customers,).
    k, phase
        Stages of a gap, and how many of them are done in the first.
    """
    n, A, a, b = living
    gap = first_gap(n, A, k - phase, rng)
    buyers = np.flatnonzero(gap <= check_horizon(horizon))
    first, n, A, a, b = (value[buyers] for value in (gap, n, A, a, b))
    stay = np.flatnonzero(rng.random(len(buyers)) * (a + b) >= a)
    rate = rng.standard_gamma(n[stay] + (k - phase)) / (A[stay] + first[stay])  # given the first gap
    a, tries = a[stay], a[stay] + b[stay] + 1  # whoever has stayed m times leaves with probability a/(a + b + m)
    later = gap_after_gap(
        first[stay],
        np.broadcast_to(horizon, len(stay)),
        lambda who: rng.standard_gamma(k, who.shape) / rate[who],
        lambda who, number: rng.random(who.shape) * (tries[who] + number) >= a[who],
    )
    return Purchases(
        customer=np.concatenate([buyers, buyers[stay[later.customer]]]), time=np.concatenate([first, later.time])
    )


def check_horizon(horizon: float) -> float:
    """Return the horizon if it is finite and not negative."""
    if not 0 <= horizon < math.inf:
        message = f"purchases are simulated over a finite horizon of 0 or more, got {horizon!r}"
        raise SpecificationError(message)
    return horizon


def _checked(total: Any) -> Any:
    if not total <= MOST_PURCHASES:
        message = (
            f"these customers make more than {MOST_PURCHASES:,} purchases, too many to be simulated at once; simulate "
            "fewer customers (or futures) in a call, or a shorter time"
        )
        raise SizeError(message)
    return total
