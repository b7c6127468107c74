"""Whether values are of the types that a dataclass declares for its fields."""

from __future__ import annotations

import sys
import types
from collections.abc import Mapping
from dataclasses import fields
from inspect import get_annotations
from typing import Any, Final, Literal, TypeAliasType, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kundenwert.storage.registry import MEANINGS

__all__ = ["fits", "hints_of"]

ARRAYS: Final[dict[str, object]] = {
    "np": np,
    "pd": pd,
    "NDArray": NDArray,
    "Array": NDArray[np.float64],
    "Floats": NDArray[np.float64],
    "Integers": NDArray[np.int64],
    "Days": NDArray[np.datetime64],
    "Any": Any,
    "Literal": Literal,
    "Mapping": Mapping,
}


def hints_of(cls: type[Any]) -> dict[str, Any]:
    """The types that a class declares, by name of the field.

    Raises
    ------
    NameError
        If an annotation cannot be understood: tell :func:`kundenwert.storage.registry.explain_annotations`.
    """
    found: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        declared = {field.name: field.type for field in fields(cls) if field.name in get_annotations(base)}
        holder = type(base.__name__, (), {"__annotations__": declared})
        module = sys.modules.get(base.__module__)  # none for code that is run as text, such as a block of a page
        found |= get_type_hints(holder, vars(module) if module else {}, {**ARRAYS, **MEANINGS})
    return found


def fits(value: object, hint: Any) -> bool:  # noqa: ANN401, PLR0911 - any annotation
    """Whether a value is of a declared type. Whole numbers are numbers, as everywhere; truth values are not.

    Raises
    ------
    TypeError
        If this kind of declaration is not known here.
    """
    if isinstance(hint, TypeAliasType):
        return fits(value, _meaning(hint))
    if hint is Any:
        return True
    if hint is None:
        return value is None
    if isinstance(hint, TypeVar):
        return hint.__bound__ is None or fits(value, hint.__bound__)
    origin = get_origin(hint)
    if isinstance(origin, TypeAliasType):
        return fits(value, origin.__value__[get_args(hint)])
    if origin is None:
        return _is_a(value, hint)
    return _fits_parts(value, origin, get_args(hint))


def _meaning(alias: TypeAliasType) -> Any:  # noqa: ANN401 - any annotation
    try:
        return alias.__value__
    except NameError:  # an alias of names that only type checkers know
        return ARRAYS[alias.__name__]


def _is_a(value: object, hint: Any) -> bool:  # noqa: ANN401 - a class
    if not isinstance(hint, type):
        message = f"fields of files cannot be declared as {hint!r}"
        raise TypeError(message)
    if hint in {int, float}:
        return isinstance(value, (int, hint)) and not isinstance(value, bool)
    return isinstance(value, hint)


def _fits_parts(value: object, origin: Any, parts: tuple[Any, ...]) -> bool:  # noqa: ANN401, PLR0911
    if origin is Literal:
        return any(type(value) is type(part) and value == part for part in parts)
    if origin in {Union, types.UnionType}:
        return any(fits(value, part) for part in parts)
    if origin is np.ndarray:
        return isinstance(value, np.ndarray) and np.issubdtype(value.dtype, get_args(parts[1])[0])
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        if len(parts) == 2 and parts[1] is ...:
            return all(fits(each, parts[0]) for each in value)
        return len(value) == len(parts) and all(map(fits, value, parts))
    if issubclass(origin, Mapping):
        items = value.items() if isinstance(value, Mapping) else [(None, None)]
        return isinstance(value, Mapping) and all(fits(k, parts[0]) and fits(v, parts[1]) for k, v in items)
    return isinstance(value, origin)  # a class with parameters, such as Model[P]
