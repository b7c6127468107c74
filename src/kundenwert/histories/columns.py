"""Columns at the border, one value at a time: what objects a column holds, and how to write its name in code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from kundenwert.histories.tables import Column

    type Objects = NDArray[np.object_]

__all__ = ["first_of_another_type", "is_objects", "kinds", "missing", "objects"]


def is_objects(series: Column) -> bool:
    """Whether the column holds Python objects, of which narwhals looks at the first hundred only."""
    native = series.to_native()
    return native.dtype == object if isinstance(native, pd.Series) else isinstance(series.dtype, nw.Object)


def objects(series: Column) -> Objects:
    """Return the values as Python objects, shape (rows,).

    Never an array of fixed-width text, which would take the length of the longest value for every row and drop
    trailing NULs.
    """
    native = series.to_native()
    if isinstance(native, pd.Series):
        return native.to_numpy(dtype=np.object_)
    values = np.empty(len(series), dtype=np.object_)
    values[:] = series.to_list()
    return values


def missing(values: Objects) -> NDArray[np.bool_]:
    """Whether each value is None, NaN, NaT or pd.NA, shape (rows,)."""
    return np.asarray(pd.isna(values), dtype=np.bool_)


def kinds(values: Objects) -> set[type]:
    """Return the types of all values."""
    return set(map(type, values))


def first_of_another_type(values: Objects, belongs: Callable[[type], bool]) -> int:
    """Position of the first value whose type does not belong; all are looked at."""
    return next(position for position, value in enumerate(values) if not belongs(type(value)))
