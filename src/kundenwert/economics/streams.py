"""Streams of purchases or renewals: what is expected of each distinct history, discounted along a timeline."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from kundenwert.economics.timeline import Piece
from kundenwert.errors import MissingInformationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kundenwert.economics.timeline import Timeline
    from kundenwert.histories import Cells
    from kundenwert.models.core import AliveCustomer, Array, LivingContract
    from kundenwert.posterior import ContractPosterior, PurchasePosterior
    from kundenwert.posterior.values import Block

__all__ = ["discounted_purchases", "discounted_renewals", "periods_per_year"]

NODES: Final = 24  # of the integral for margins that grow faster than money loses
ROUNDING: Final = 1e-9


def discounted_purchases(posterior: PurchasePosterior, cells: Cells, timeline: Timeline, *, length: float) -> Block:
    """Expected purchases of cells within `length` (in the unit of the cells), one at u counting what the timeline says.

    Raises
    ------
    InfiniteValueError
        If customers buy for ever and nothing is discounted.
    """
    counted = cells.unit == "opportunity"
    if counted:
        pieces = list(_counted(timeline, cells, length))
    else:
        pieces = [part for piece in timeline.pieces() for part in _in_units(piece, cells.periods_per_year)]
    if any(piece.rate == 0 and math.isinf(piece.end) for piece in pieces):
        posterior.refuse_infinite()

    def expectation(customer: AliveCustomer) -> Array:
        first, *others = (_purchases_in(customer, piece) for piece in pieces)
        return sum(others, start=first)

    if not pieces:
        return lambda rows: np.zeros((rows.stop - rows.start, posterior.of_cells.draws))
    return posterior.of_cells.expected(cells, expectation)


def discounted_renewals(
    posterior: ContractPosterior, cells: Cells, timeline: Timeline, *, length: float, due: bool = False
) -> Block:
    """Expected renewals of cells among the next `length`, one at u counting what the timeline says.

    The first is an interval away, or right now if it is `due`.
    """
    values = posterior.of_cells
    pieces = list(_counted(timeline, cells, length, due=due))
    forever = [piece for piece in pieces if math.isinf(piece.end)]
    if any(piece.rate == 0 for piece in forever):
        posterior.refuse_infinite(cells)
    # what comes after a start is all of it less what comes before
    finite = [piece for piece in pieces if math.isfinite(piece.end)]
    finite += [Piece(-piece.weight, piece.rate, 0.0, piece.start) for piece in forever if piece.start > 0]
    tails = [(piece.weight, values.renewals(cells, piece.rate, math.inf)) for piece in forever]

    def nearer(contract: LivingContract) -> Array:
        return sum((_renewals_in(contract, piece) for piece in finite[1:]), start=_renewals_in(contract, finite[0]))

    if finite:
        tails.append((1.0, values.of_active(cells, nearer, 0.0)))

    def block(rows: slice) -> Array:
        total = np.zeros((rows.stop - rows.start, values.draws))
        for weight, tail in tails:
            total += weight * tail(rows)
        return total

    return block


def periods_per_year(cells: Cells) -> float:
    """Units, opportunities or renewals in a year; 1 if nobody said, which is enough where nothing is discounted."""
    return 1.0 if math.isnan(cells.periods_per_year) else cells.periods_per_year


def _in_units(piece: Piece, per_year: float) -> Iterator[Piece]:
    """The piece with times in the unit of which a year has so many."""
    yield from _without_growth(Piece(piece.weight, piece.rate / per_year, piece.start * per_year, piece.end * per_year))


def _counted(timeline: Timeline, cells: Cells, length: float, *, due: bool = False) -> Iterator[Piece]:
    """The pieces with times counted in events, so that the events start + 1 … end lie in each.

    Event j is j intervals away, or j - 1 if the first is due. Where the interval is a whole number of accounting
    periods, it counts a fixed time earlier, and the timeline is as good as continuous.
    """
    if math.isnan(cells.periods_per_year) and not timeline.is_flat:
        name = "opportunities" if cells.unit == "opportunity" else "renewals"
        message = (
            f"to discount, the time between two {name} must be known; say so when the histories are made, with "
            "every=kundenwert.months(1), for example"
        )
        raise MissingInformationError(message)
    per_year, earlier = periods_per_year(cells), float(due)
    if timeline.period and _is_whole(1 / (timeline.period * per_year)):
        earlier += (1 - timeline.within) * timeline.period * per_year
        timeline = replace(timeline, period=0.0)
    last = 0.0
    for piece in timeline.windows() if timeline.period else timeline.pieces():
        rate, first = piece.rate / per_year, last
        end = piece.end * per_year + earlier
        if math.isfinite(end):  # a value holds until the next one; the horizon and accounting periods include their end
            includes_end = timeline.period > 0 or piece.end >= timeline.horizon
            end = math.floor(end + ROUNDING) if includes_end else math.ceil(end - ROUNDING) - 1
        last = min(end, length)
        weight = piece.weight * math.exp(rate * earlier)
        if rate >= 0:
            yield from _without_growth(Piece(weight, rate, first, last))
        else:
            for number in np.arange(first + 1, last + 1):
                yield Piece(weight * math.exp(-rate * number), 0.0, float(number) - 1, float(number))
        if last == length:
            return


def _is_whole(number: float) -> bool:
    return number > 0.5 and abs(number - round(number)) < ROUNDING * number


def _without_growth(piece: Piece) -> Iterator[Piece]:
    """The piece as pieces whose rates are not negative; none if nothing flows in it.

    By parts, the integral of exp(g u) dX from s to e is exp(g e) X(e) less the integral of g exp(g u) X(u), with X
    counted from s.
    """
    growth, start, end = -piece.rate, piece.start, piece.end
    if piece.weight == 0 or end <= start:
        return
    if growth <= 0:
        yield piece
        return
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    share = (1 + nodes) / 2  # graded towards the start
    times, steps = start + (end - start) * share**3, 1.5 * (end - start) * share**2 * weights
    for time, step in zip(times.tolist(), steps.tolist(), strict=True):
        yield Piece(-piece.weight * growth * step * math.exp(growth * time), 0.0, start, time)
    yield Piece(piece.weight * math.exp(growth * end), 0.0, start, end)


def _purchases_in(customer: AliveCustomer, piece: Piece) -> Array:
    if piece.rate == 0 and math.isfinite(piece.end):
        return piece.weight * customer.purchases(piece.start, piece.end - piece.start)
    within = customer.discounted_purchases(piece.rate, piece.end)
    if piece.start > 0:
        within = within - customer.discounted_purchases(piece.rate, piece.start)
    return piece.weight * within


def _renewals_in(contract: LivingContract, piece: Piece) -> Array:
    within = contract.renewals(piece.rate, piece.end)
    if piece.start > 0:
        within = within - contract.renewals(piece.rate, piece.start)
    return piece.weight * within
