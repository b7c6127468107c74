"""Offers that may win customers back: what they cost, whom they may be made to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, final

import narwhals.stable.v2 as nw
import numpy as np

from kundenwert.duration import Duration, check_duration
from kundenwert.economics.assumptions.lookup import looked_up, rows_of
from kundenwert.economics.assumptions.terms import PerCustomer, check_amount
from kundenwert.errors import ColumnError, MissingInformationError, RowError, SpecificationError
from kundenwert.histories.validation import shown
from kundenwert.priors import LogNormal

if TYPE_CHECKING:
    import pandas as pd
    from narwhals.stable.v2.typing import IntoDataFrame
    from numpy.typing import NDArray

    from kundenwert.histories import Histories
    from kundenwert.models.core import Array

__all__ = ["Offer", "check_offers", "costs_of", "eligible_for"]

NOW: Final = Duration(0.0)
LARGEST: Final = 100.0  # logarithm of a factor on a second life
WIDE: Final = 9.0  # standard deviations that it may be off


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """Something that may bring a customer back, with what it costs.

    Parameters
    ----------
    label : str
        Name of the offer, as in the campaign log that the response was learnt from.
    contact_cost : float or PerCustomer
        What it costs to make the offer: printing, postage, a call. Paid for everyone who gets it.
    redemption_cost : float or PerCustomer
        What it costs when a customer who got it buys within the window: the voucher, the gift. Paid for everyone who
        returns, also those who would have returned anyway. It counts in full, as if it were paid today: over a long
        window, that is a little cautious.
    silent_for : Duration
        Make it only to customers whose last purchase is at least so long ago.
    eligible : PerCustomer, optional
        Column of truth values in the `customers=` table: make it only to those who have True there (consent to be
        called, say).
    second_life : LogNormal
        Factor on what customers are worth whom the offer brings back, against what their first life lets expect:
        those who come for a discount often stay for less. By default centred at 1, and within about a quarter of it
        with 80 % probability.

    Examples
    --------
    >>> import kundenwert as kw
    >>> voucher = kw.Offer(label="voucher", contact_cost=0.80, redemption_cost=10.0, silent_for=kw.weeks(26))
    """

    label: str
    contact_cost: float | PerCustomer
    redemption_cost: float | PerCustomer = 0.0
    silent_for: Duration = NOW
    eligible: PerCustomer | None = None
    second_life: LogNormal = field(default_factory=lambda: LogNormal(0.0, 0.2))

    def __post_init__(self) -> None:
        if not isinstance(self.label, str) or not self.label:
            message = f"label is the name of the offer, such as 'voucher'; got {self.label!r}"
            raise SpecificationError(message)
        check_amount(self.contact_cost, f"contact_cost of offer {self.label!r}")
        check_amount(self.redemption_cost, f"redemption_cost of offer {self.label!r}")
        check_duration(self.silent_for, "silent_for")
        if not isinstance(self.eligible, (PerCustomer, type(None))):
            message = (
                f"eligible of offer {self.label!r} takes kundenwert.PerCustomer(column), a column of truth values; "
                f"got {self.eligible!r}"
            )
            raise SpecificationError(message)
        if not isinstance(self.second_life, LogNormal):
            message = (
                f"second_life of offer {self.label!r} takes kundenwert.LogNormal(mu, sigma) of a factor around 1; got "
                f"{self.second_life!r}"
            )
            raise SpecificationError(message)
        if abs(self.second_life.mu) + WIDE * self.second_life.sigma > LARGEST:
            message = (
                f"second_life of offer {self.label!r} is a factor around 1, such as kundenwert.LogNormal(0.0, 0.2); "
                f"got {self.second_life!r}, of which the logarithm may be beyond {LARGEST:.0f}"
            )
            raise SpecificationError(message)


def check_offers(offers: object) -> tuple[Offer, ...]:
    """Return the offers, of which there must be one at least, if they are some and their labels differ."""
    given = (offers,) if isinstance(offers, Offer) else tuple(offers) if isinstance(offers, (list, tuple)) else ()
    if not given or not all(isinstance(offer, Offer) for offer in given):
        message = f"offers takes a list of kundenwert.Offer(label=…, contact_cost=…), one or more; got {offers!r}"
        raise SpecificationError(message)
    labels = [offer.label for offer in given]
    for position, label in enumerate(labels):
        if label in labels[:position]:
            message = f"two offers have the label {label!r}; expected a different one for each"
            raise SpecificationError(message)
    return given


def eligible_for(
    offers: tuple[Offer, ...], histories: Histories, silence: Array, customers: IntoDataFrame | None
) -> NDArray[np.bool_]:
    """Who may be made which offer, shape (customers, offers); `silence` is in the unit of the histories."""
    result = np.empty((len(histories), len(offers)), dtype=np.bool_)
    for place, offer in enumerate(offers):
        wanted = offer.silent_for.in_unit(histories.measure)
        result[:, place] = silence >= wanted * (1 - 1e-12)
        if offer.eligible is not None:
            result[:, place] &= _truth(offer, offer.eligible.column, histories.customer_id, customers)
    return result


def _truth(offer: Offer, column: str, customer_id: pd.Index, customers: IntoDataFrame | None) -> NDArray[np.bool_]:
    name = f"eligible of offer {offer.label!r}"
    if customers is None:
        message = (
            f"{name} is {offer.eligible!r}, and there is no table to look it up in; hand in one with the columns "
            f"customer_id and {column}: customers=table"
        )
        raise MissingInformationError(message)
    table, place = rows_of(customers, column, name, customer_id)
    series = table.get_column(column)
    if series.dtype != nw.Boolean:
        message = f"column {column!r} must hold truth values, got {series.dtype}; it is taken as {name}"
        raise ColumnError(message)
    missing = series.is_null().to_numpy()[place]
    if missing.any():
        message = (
            f"customer {shown(customer_id, int(np.argmax(missing)))} has no value in column {column!r}; expected True "
            f"or False; it is taken as {name}"
        )
        raise RowError(message)
    return np.asarray(series.to_numpy(), dtype=np.bool_)[place]


def costs_of(offers: tuple[Offer, ...], customer_id: pd.Index, customers: IntoDataFrame | None) -> tuple[Array, Array]:
    """Contact and redemption costs, each of shape (customers, offers)."""
    contact = [looked_up(o.contact_cost, f"contact_cost of {o.label!r}", customer_id, customers) for o in offers]
    redeemed = [looked_up(o.redemption_cost, f"redemption_cost of {o.label!r}", customer_id, customers) for o in offers]
    return np.stack(contact, axis=1), np.stack(redeemed, axis=1)
