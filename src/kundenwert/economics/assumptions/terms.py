"""What a term of the economics may be besides a number: one value per customer, or a path over time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, final, override

import numpy as np

from kundenwert.duration import Duration
from kundenwert.errors import DurationError, SpecificationError
from kundenwert.scalars import is_number, store_plainly

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "LARGEST_MONEY",
    "ByChannel",
    "Growing",
    "KnownAmount",
    "PerCustomer",
    "Schedule",
    "check_amount",
]

LARGEST_MONEY: Final = 1e15  # so that neither products nor sums of amounts overflow; in any currency, more is a mistake


@final
@dataclass(frozen=True, slots=True)
class PerCustomer:
    """A value of each customer's own, looked up in the `customers=` table of the question asked.

    Parameters
    ----------
    column : str
        Name of the column.

    Examples
    --------
    >>> import kundenwert as kw
    >>> kw.Economics(margin=kw.PerCustomer("margin"), annual_discount_rate=0.10).margin
    PerCustomer(column='margin')
    """

    column: str

    def __post_init__(self) -> None:
        if not isinstance(self.column, str) or not self.column:
            message = f"PerCustomer takes the name of a column of the customers= table, got {self.column!r}"
            raise SpecificationError(message)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Growing:
    """A margin that changes by the same share every year: start × (1 + annual_growth_rate)^u, u in years from now.

    It is the margin *amount* per purchase that grows, by better prices or larger orders, so it may exceed the share
    of today's amounts that a margin is.

    Parameters
    ----------
    start : float or PerCustomer
        Margin now.
    annual_growth_rate : float
        0.02 for 2 % a year; negative if margins shrink. For life, it must stay below the discount rate.
    """

    start: float | PerCustomer
    annual_growth_rate: float

    def __post_init__(self) -> None:
        rate = self.annual_growth_rate
        if not is_number(rate) or not -1 < rate < 1:
            message = f"annual_growth_rate lies between -1 and 1, for example 0.02 for 2 % a year; got {rate!r}"
            raise SpecificationError(message)
        store_plainly(self, "start", "annual_growth_rate")


@final
@dataclass(frozen=True, slots=True, init=False)
class Schedule:
    """Values that follow one another, each for the same time; the last one stays.

    Parameters
    ----------
    values : sequence or array of float
        The first value holds from now.
    every : Duration
        How long each of them holds.

    Examples
    --------
    >>> import kundenwert as kw
    >>> kw.Schedule([0.30, 0.32, 0.35], every=kw.years(1))
    Schedule(values=(0.3, 0.32, 0.35), every=years(1))
    """

    values: tuple[float, ...]
    every: Duration

    def __init__(self, values: Sequence[float] | NDArray[Any], /, *, every: Duration) -> None:
        given = values.tolist() if isinstance(values, np.ndarray) else values
        if isinstance(given, str) or not isinstance(given, Sequence) or not given or not all(map(is_number, given)):
            message = f"a Schedule takes a list of one finite number or more, for example [0.30, 0.32]; got {values!r}"
            raise SpecificationError(message)
        if not isinstance(every, Duration) or every.is_lifetime or every.in_days == 0:
            message = f"every is how long each value holds, for example kundenwert.years(1); got {every!r}"
            raise DurationError(message)
        object.__setattr__(self, "values", tuple(float(value) for value in given))
        object.__setattr__(self, "every", every)

    def pieces(self) -> tuple[tuple[float, float], ...]:
        """When each value begins, in years, and the value."""
        length = self.every.in_unit("year")
        return tuple((position * length, value) for position, value in enumerate(self.values))


@final
class ByChannel(Mapping[str, float]):
    """Amounts by channel, in the order given: equal to the same mapping, but hashable and never changed."""

    __slots__ = ("_amounts",)

    def __init__(self, amounts: Mapping[str, float]) -> None:
        self._amounts = dict(amounts)

    @override
    def __getitem__(self, channel: str) -> float:
        return self._amounts[channel]

    @override
    def __iter__(self) -> Iterator[str]:
        return iter(self._amounts)

    @override
    def __len__(self) -> int:
        return len(self._amounts)

    @override
    def __hash__(self) -> int:
        return hash(frozenset(self._amounts.items()))

    @override
    def __repr__(self) -> str:
        return repr(self._amounts)


@final
@dataclass(frozen=True, slots=True)
class KnownAmount:
    """What a purchase, or a period of a contract, costs the customer, where it is known: takes the place of `spend`.

    Parameters
    ----------
    amount : float or PerCustomer
        In money: a fee, a price, or a mean amount estimated elsewhere and taken as it is.

    Examples
    --------
    >>> import kundenwert as kw
    >>> kw.KnownAmount(29.90)
    KnownAmount(amount=29.9)
    """

    amount: float | PerCustomer

    def __post_init__(self) -> None:
        check_amount(self.amount, "the amount of a purchase")
        store_plainly(self, "amount")


def check_amount(value: object, name: str) -> None:
    """Refuse what is neither an amount of money, 0 or more, nor a column that holds amounts."""
    if isinstance(value, PerCustomer):
        return
    if not is_number(value) or value < 0:
        message = f"{name} is an amount of money, 0 or more, or kundenwert.PerCustomer(column); got {value!r}"
        raise SpecificationError(message)
    if value > LARGEST_MONEY:
        message = (
            f"{name} is an amount of money, {LARGEST_MONEY:g} at most; got {value!r}: check the amount, or take a "
            "larger unit of money"
        )
        raise SpecificationError(message)
