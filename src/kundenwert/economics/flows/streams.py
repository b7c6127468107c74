"""Streams of purchases or renewals: what is expected of each distinct history, discounted along a timeline."""

from __future__ import annotations

import math
from itertools import dropwhile
from typing import TYPE_CHECKING

import numpy as np

from kundenwert.economics.flows.events import event_pieces, event_weights, periods_per_year
from kundenwert.economics.flows.moments import enough, weighed

if TYPE_CHECKING:
    from collections.abc import Callable

    from kundenwert.economics.flows.timeline import Piece, Timeline
    from kundenwert.histories import Cells
    from kundenwert.models.core import AliveCustomer, Array, LivingContract
    from kundenwert.posterior import ContractPosterior, PurchasePosterior
    from kundenwert.posterior.values import Block

__all__ = ["discounted_purchases", "discounted_renewals", "event_weights", "periods_per_year", "purchases_along"]


def discounted_purchases(posterior: PurchasePosterior, cells: Cells, timeline: Timeline, *, length: float) -> Block:
    """Expected purchases of cells within `length` (in the unit of the cells), one at u counting what the timeline says.

    Raises
    ------
    InfiniteValueError
        If customers buy for ever and nothing is discounted.
    """
    pieces = _pieces(timeline, cells, length)
    if any(piece.rate == 0 and math.isinf(piece.end) and piece.value for piece in pieces):
        posterior.refuse_infinite()
    if not pieces:
        return lambda rows: np.zeros((rows.stop - rows.start, posterior.of_cells.draws))
    return posterior.of_cells.expected(cells, purchases_along(posterior, cells, timeline, length=length))


def purchases_along(
    posterior: PurchasePosterior, cells: Cells, timeline: Timeline, *, length: float
) -> Callable[[AliveCustomer], Array]:
    """The same of living customers; the cells say how finely time must be divided."""
    pieces = _pieces(timeline, cells, length)
    if not pieces or len(cells) == 0:
        return lambda customer: customer.purchases(0.0, 0.0)
    if cells.unit == "opportunity":
        return lambda customer: _sum([_purchases_in(customer, piece) for piece in pieces])
    first, per_year = pieces[0], periods_per_year(cells)
    if len(pieces) == 1 and first.start == 0 and first.rate >= 0:
        rate, end = first.rate / per_year, first.end * per_year
        return lambda customer: first.value * customer.discounted_purchases(rate, end)
    moments = enough(posterior, cells, pieces)
    return lambda customer: weighed(customer, moments, per_year)


def discounted_renewals(
    posterior: ContractPosterior, cells: Cells, timeline: Timeline, *, length: float, due: bool = False
) -> Block:
    """Expected renewals of cells among the next `length`, one at u counting what the timeline says.

    The first is an interval away, or right now if it is `due`.

    Raises
    ------
    InfiniteValueError
        If contracts last for ever and nothing is discounted.
    """
    values = posterior.of_cells
    pieces = event_pieces(timeline, cells, length, due=due)
    forever = [piece for piece in pieces if math.isinf(piece.end)]
    if any(piece.rate == 0 for piece in forever):
        posterior.refuse_infinite(cells)
    terms = [(_at_zero(piece), values.renewals(cells, piece.rate, math.inf)) for piece in forever]
    finite = [piece for piece in pieces if math.isfinite(piece.end)]
    late = [piece for piece in forever if piece.start > 0]  # all of it less what comes before

    def nearer(contract: LivingContract) -> Array:
        within = [_renewals_in(contract, piece) for piece in finite]
        return _sum(within + [-_at_zero(piece) * contract.renewals(piece.rate, piece.start) for piece in late])

    if finite or late:
        terms.append((1.0, values.of_active(cells, nearer, 0.0)))

    def block(rows: slice) -> Array:
        total = np.zeros((rows.stop - rows.start, values.draws))
        for weight, term in terms:
            total += weight * term(rows)
        return total

    return block


def _pieces(timeline: Timeline, cells: Cells, length: float) -> list[Piece]:
    """The timeline, in years or counted in opportunities, from where money begins to count."""
    if cells.unit == "opportunity":
        return event_pieces(timeline, cells, length)
    return list(dropwhile(lambda piece: piece.value == 0, timeline.pieces()))


def _at_zero(piece: Piece) -> float:
    """Events j count this times exp(-rate j)."""
    return piece.value * math.exp(piece.rate * piece.start)


def _purchases_in(customer: AliveCustomer, piece: Piece) -> Array:
    if piece.rate == 0 and math.isfinite(piece.end):
        return piece.value * customer.purchases(piece.start, piece.end - piece.start)
    within = customer.discounted_purchases(piece.rate, piece.end)
    if piece.start > 0:
        within = within - customer.discounted_purchases(piece.rate, piece.start)
    return _at_zero(piece) * within


def _renewals_in(contract: LivingContract, piece: Piece) -> Array:
    within = contract.renewals(piece.rate, piece.end)
    if piece.start > 0:
        within = within - contract.renewals(piece.rate, piece.start)
    return _at_zero(piece) * within


def _sum(terms: list[Array]) -> Array:
    return sum(terms[1:], start=terms[0])
