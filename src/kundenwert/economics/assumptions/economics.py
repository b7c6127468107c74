"""The economics of a relationship: what a purchase leaves, what customers cost, and what waiting costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

from kundenwert.economics.assumptions.discounting import (
    Continuously,
    Discounting,
    EndOfPeriod,
    MiddleOfPeriod,
    StartOfPeriod,
)
from kundenwert.economics.assumptions.referral import Referral
from kundenwert.economics.assumptions.retention import (
    EveryoneFor,
    RetentionRule,
    WhileActive,
    WhilePAliveAbove,
    WhileReturnProbabilityAbove,
)
from kundenwert.economics.assumptions.terms import ByChannel, Growing, PerCustomer, Schedule, check_amount
from kundenwert.errors import SpecificationError
from kundenwert.scalars import is_number, store_plainly

__all__ = ["Economics"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Economics:
    """Margins, costs and discounting. Rates are per year and shares are fractions: 0.10 for 10 %.

    Parameters
    ----------
    margin : float, PerCustomer, Growing or Schedule
        Share of a purchase's amount that is left after the goods are paid for: 0.30 for 30 %.
    annual_discount_rate : float or Schedule
        What money a year ahead counts less: 0.10 for 10 % a year.
    order_cost : float or PerCustomer
        What each purchase costs besides, whatever its amount: picking, delivery, payment.
    annual_retention_cost : float or PerCustomer
        What it costs to serve a customer for a year, whether they buy or not: catalogues, support. Spent evenly.
    retention_rule : EveryoneFor, WhilePAliveAbove, WhileReturnProbabilityAbove or WhileActive, optional
        Whom the firm serves, because it cannot see who is still a customer.
    acquisition_cost : float, PerCustomer or mapping
        What it cost to win a customer, in total or by channel: ``{"search": 12.0, "social": 20.0}``. It is spent
        before the first purchase; it counts for new customers and in the contribution to date, not in what is still
        to come. Channels are strings; the mapping is copied.
    referral : Referral, optional
        Customers whom customers bring.
    discounting : Continuously, StartOfPeriod, MiddleOfPeriod or EndOfPeriod
        When money counts.
    currency : str
        Label of tables and pictures.

    Examples
    --------
    >>> import kundenwert as kw
    >>> shop = kw.Economics(
    ...     margin=0.30,
    ...     annual_discount_rate=0.10,
    ...     order_cost=2.50,
    ...     annual_retention_cost=4.00,
    ...     retention_rule=kw.WhilePAliveAbove(0.2),
    ...     currency="USD",
    ... )
    """

    margin: float | PerCustomer | Growing | Schedule
    annual_discount_rate: float | Schedule
    order_cost: float | PerCustomer = 0.0
    annual_retention_cost: float | PerCustomer = 0.0
    retention_rule: RetentionRule | None = None
    acquisition_cost: float | PerCustomer | Mapping[str, float] = 0.0
    referral: Referral | None = None
    discounting: Discounting = field(default_factory=Continuously)
    currency: str = ""

    def __post_init__(self) -> None:
        _check_margin(self.margin)
        _check_discount_rate(self.annual_discount_rate)
        check_amount(self.order_cost, "order_cost")
        self._check_retention()
        if isinstance(self.acquisition_cost, Mapping):
            object.__setattr__(self, "acquisition_cost", _by_channel(self.acquisition_cost))
        else:
            check_amount(self.acquisition_cost, "acquisition_cost")
        self._check_referral()
        if not isinstance(self.discounting, (Continuously, StartOfPeriod, MiddleOfPeriod, EndOfPeriod)):
            message = (
                "discounting takes kundenwert.Continuously(), StartOfPeriod(…), MiddleOfPeriod(…) or EndOfPeriod(…), "
                f"got {self.discounting!r}"
            )
            raise SpecificationError(message)
        if not isinstance(self.currency, str):
            message = f"currency is a label such as 'EUR', got {self.currency!r}"
            raise SpecificationError(message)
        store_plainly(self, "margin", "annual_discount_rate", "order_cost", "annual_retention_cost", "acquisition_cost")

    def _check_referral(self) -> None:
        if self.referral is None:
            return
        if not isinstance(self.referral, Referral):
            message = f"referral takes kundenwert.Referral(per_purchase=…, value=…), got {self.referral!r}"
            raise SpecificationError(message)
        rate = self.annual_discount_rate
        if self.referral.generations > 1 and isinstance(rate, Schedule) and len(set(rate.values)) > 1:
            message = (
                f"annual_discount_rate changes over time, {rate!r}, and referral counts "
                f"{self.referral.generations} generations, who arrive at any time and would each have to be discounted "
                "at the rates from then on; expected one rate, or generations=1"
            )
            raise SpecificationError(message)

    def _check_retention(self) -> None:
        check_amount(self.annual_retention_cost, "annual_retention_cost")
        rules = (EveryoneFor, WhilePAliveAbove, WhileReturnProbabilityAbove, WhileActive)
        if self.retention_rule is None:
            if isinstance(self.annual_retention_cost, PerCustomer) or self.annual_retention_cost > 0:
                message = (
                    "an annual_retention_cost needs a retention_rule that says whom the firm serves, for example "
                    "retention_rule=kundenwert.WhilePAliveAbove(0.2) or kundenwert.EveryoneFor(kundenwert.years(1))"
                )
                raise SpecificationError(message)
        elif not isinstance(self.retention_rule, rules):
            message = (
                f"retention_rule is one of {', '.join(rule.__name__ for rule in rules)}, got {self.retention_rule!r}"
            )
            raise SpecificationError(message)


def _by_channel(costs: Mapping[str, float]) -> ByChannel:
    if not costs:
        message = "acquisition_cost is by channel, and there is none; expected one or more, such as {'search': 12.0}"
        raise SpecificationError(message)
    for channel, cost in costs.items():
        if not isinstance(channel, str) or not channel:
            message = (
                f"acquisition_cost has the channel {channel!r}; expected its name, a string, as in {{'search': 12.0}}"
            )
            raise SpecificationError(message)
        if isinstance(cost, PerCustomer):
            message = f"acquisition_cost of channel {channel!r} must be an amount of money, got {cost!r}"
            raise SpecificationError(message)
        check_amount(cost, f"acquisition_cost of channel {channel!r}")
    return ByChannel({channel: float(cost) for channel, cost in costs.items()})


def _check_margin(margin: object) -> None:
    match margin:
        case PerCustomer() | Growing(start=PerCustomer()):
            return
        case Growing(start=start):
            values: tuple[object, ...] = (start,)
        case Schedule(values=several):
            values = several
        case _:
            values = (margin,)
    for value in values:
        if not is_number(value) or not 0 <= value <= 1:
            message = (
                f"margin is a share of the amount between 0 and 1, 0.30 for 30 %; got {value!r}. Costs that do not "
                "grow with the amount are order_cost and annual_retention_cost"
            )
            raise SpecificationError(message)


def _check_discount_rate(rate: object) -> None:
    values: tuple[object, ...] = rate.values if isinstance(rate, Schedule) else (rate,)
    for value in values:
        if not is_number(value) or not 0 <= value <= 1:
            message = f"annual_discount_rate lies between 0 and 1, 0.10 for 10 % a year; got {value!r}"
            raise SpecificationError(message)
