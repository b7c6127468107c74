"""Arguments that may be given by channel: what belongs to each channel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from kundenwert.economics.assumptions.terms import KnownAmount
from kundenwert.economics.value.distinct import check_posteriors
from kundenwert.errors import SpecificationError

if TYPE_CHECKING:
    from kundenwert.economics.assumptions.economics import Economics
    from kundenwert.economics.assumptions.terms import PerCustomer
    from kundenwert.posterior import ContractPosterior, PurchasePosterior, SpendPosterior

__all__ = ["Channel", "by_channel"]

type Buying = PurchasePosterior | ContractPosterior
type Spending = SpendPosterior | KnownAmount


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Channel:
    """What belongs to a channel; without a name if there is but one."""

    name: str | None
    purchases: Buying
    spend: Spending
    first_amount: KnownAmount | None
    acquisition_cost: float | PerCustomer


def by_channel(
    purchases: Buying | Mapping[str, Buying],
    spend: Spending | Mapping[str, Spending],
    economics: Economics,
    first_amount: KnownAmount | Mapping[str, KnownAmount] | None,
) -> list[Channel]:
    """The channels, in the order of `purchases`.

    Raises
    ------
    SpecificationError
        If channels do not match, or an argument is in the wrong place.
    """
    names: list[str | None] = [None]
    if isinstance(purchases, Mapping):
        names = list(purchases)
        if not names or not all(isinstance(name, str) and name for name in names):
            message = f"purchases by channel takes a posterior for each of one or more names, got {names!r}"
            raise SpecificationError(message)
    _check_names(spend, "spend", names)
    _check_names(first_amount, "first_amount", names)
    channels: list[Channel] = []
    for name in names:
        buying = purchases[str(name)] if isinstance(purchases, Mapping) else purchases
        spending = spend[str(name)] if isinstance(spend, Mapping) else spend
        check_posteriors(buying, spending, economics)
        cost = economics.acquisition_cost
        _check_names(cost, "acquisition_cost", names)
        known = first_amount[str(name)] if isinstance(first_amount, Mapping) else first_amount
        if not isinstance(known, (KnownAmount, type(None))):
            message = f"first_amount takes a KnownAmount, such as kundenwert.KnownAmount(29.90); got {known!r}"
            raise SpecificationError(message)
        channels.append(
            Channel(
                name=name,
                purchases=buying,
                spend=spending,
                first_amount=known,
                acquisition_cost=cost[str(name)] if isinstance(cost, Mapping) else cost,
            )
        )
    _check_clocks(channels)
    return channels


def _check_names(value: object, argument: str, names: list[str | None]) -> None:
    """Refuse a mapping that does not have the channels of purchases."""
    if not isinstance(value, Mapping):
        return
    if names == [None]:
        message = (
            f"{argument} is by channel ({', '.join(map(repr, value))}), and purchases are not; customers of different "
            "channels need fits of their own: purchases={'search': kundenwert.fit(…), …}"
        )
        raise SpecificationError(message)
    missing, unknown = [name for name in names if name not in value], [name for name in value if name not in names]
    if missing or unknown:
        which = f"{missing[0]!r} is missing" if missing else f"{unknown[0]!r} is unknown"
        message = f"{argument} must have the channels of purchases, {', '.join(map(repr, names))}; {which}"
        raise SpecificationError(message)


def _check_clocks(channels: list[Channel]) -> None:
    """Refuse channels whose times have no common measure."""
    first = channels[0]
    for other in channels[1:]:
        if other.purchases.model.clock != first.purchases.model.clock:
            message = (
                f"times of channel {first.name!r} are counted by {first.purchases.unit}, those of {other.name!r} by "
                f"{other.purchases.unit}, and cannot stand in one table; ask for these channels one by one"
            )
            raise SpecificationError(message)
