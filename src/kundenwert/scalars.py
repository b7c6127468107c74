"""Single numbers that callers hand in: Python's or NumPy's, and never a truth value."""

from __future__ import annotations

import math
import secrets
from numbers import Integral, Real
from typing import TypeGuard

from kundenwert.errors import SpecificationError

__all__ = ["check_count", "check_seed", "is_number", "is_whole", "store_plainly"]


def is_number(value: object) -> TypeGuard[float]:
    """Whether this is a finite number: of Python, of NumPy, or a fraction."""
    if not isinstance(value, Real) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # of integers that no floating-point number reaches
        return False


def is_whole(value: object) -> TypeGuard[int]:
    """Whether this is a whole number, of Python or NumPy."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def check_count(value: object, name: str, *, smallest: int = 1) -> int:
    """Return `value` as an integer of Python if it is a whole number of at least `smallest`."""
    if not is_whole(value) or value < smallest:
        message = f"{name} must be a whole number of at least {smallest}, got {value!r}"
        raise SpecificationError(message)
    return int(value)


def check_seed(seed: object) -> int:
    """Return `seed` if it is one, or a new one for None."""
    return secrets.randbits(63) if seed is None else check_count(seed, "seed", smallest=0)


def store_plainly(instance: object, *names: str) -> None:
    """Turn those attributes of a frozen dataclass that are numbers of any kind into Python's floats."""
    for name in names:
        value = getattr(instance, name)
        if is_number(value):
            object.__setattr__(instance, name, float(value))
