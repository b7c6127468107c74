"""Parameters at given values, as published, for computation without a fit."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final, override

from kundenwert.duration import check_unit_or_count
from kundenwert.errors import SpecificationError
from kundenwert.models.core.model import Model
from kundenwert.scalars import is_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kundenwert.duration import TimeUnit, Unit

__all__ = ["FixedParameters", "TimeParameters", "check_positive", "is_positive"]

SMALLEST: Final = 1e-100  # beyond these, products of parameters have no floating-point number
LARGEST: Final = 1e100


class FixedParameters[M: Model[Any]](ABC):
    """Parameters at given values, as published: a frozen dataclass with one field a parameter, and a unit."""

    __slots__ = ()

    @property
    @abstractmethod
    def measure(self) -> Unit:
        """Unit of time of the parameters, or what a discrete model counts."""

    @abstractmethod
    def model(self) -> M:
        """Model the parameters belong to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeParameters[M: Model[Any]](FixedParameters[M]):
    """Positive parameters of a model in time; `unit` is the unit in which times stand."""

    unit: TimeUnit

    def __post_init__(self) -> None:
        check_positive(self, [field.name for field in fields(self) if field.name != "unit"])

    @property
    @override
    def measure(self) -> TimeUnit:
        return self.unit


def check_positive(parameters: FixedParameters[Any], names: Sequence[str]) -> None:
    """Refuse parameters that are not positive numbers between 1e-100 and 1e100, and unknown units.

    Raises
    ------
    SpecificationError
        Names the first of them.
    """
    for name in names:
        value = getattr(parameters, name)
        if not is_positive(value):
            message = (
                f"{type(parameters).__qualname__}: {name} must be a positive number between {SMALLEST:g} and "
                f"{LARGEST:g}, got {value!r}"
            )
            raise SpecificationError(message)
        if not isinstance(value, int):
            object.__setattr__(parameters, name, float(value))
    check_unit_or_count(parameters.measure)


def is_positive(value: object) -> bool:
    """Whether this is a positive number with which formulas can be computed."""
    return is_number(value) and SMALLEST <= float(value) <= LARGEST
