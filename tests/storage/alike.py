"""Whether two objects are the same to the last bit, types of everything included."""

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass

import numpy as np
import pandas as pd


def difference(one, other, where="it"):  # noqa: C901, PLR0911, PLR0912 - one line a kind of value
    """Where the first difference is; None if there is none."""
    if type(one) is not type(other):
        return f"{where}: {type(one)} and {type(other)}"
    if isinstance(one, np.ndarray) and one.dtype.kind != "O":
        same = one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
        return None if same else f"{where}: {one!r} and {other!r}"
    if isinstance(one, pd.MultiIndex):
        parts = [(one.get_level_values(k), other.get_level_values(k)) for k in range(one.nlevels)]
        return difference(tuple(a for a, _ in parts), tuple(b for _, b in parts), where)
    if isinstance(one, (pd.Index, pd.Series)):
        if one.dtype != other.dtype or one.name != other.name or len(one) != len(other):
            return f"{where}: {one!r} and {other!r}"
        if isinstance(one.dtype, np.dtype) and one.dtype.kind != "O":
            return difference(one.to_numpy(), other.to_numpy(), where)
        return difference(tuple(one.tolist()), tuple(other.tolist()), where)
    if isinstance(one, pd.DataFrame):
        if found := difference(one.index, other.index, f"{where}.index"):
            return found
        if found := difference(one.columns, other.columns, f"{where}.columns"):
            return found
        return first(
            difference(one.iloc[:, k], other.iloc[:, k], f"{where}[{one.columns[k]!r}]") for k in range(one.shape[1])
        )
    if is_dataclass(one):
        return first(difference(getattr(one, f.name), getattr(other, f.name), f"{where}.{f.name}") for f in fields(one))
    if isinstance(one, Mapping):
        return difference(tuple(one.items()), tuple(other.items()), where)
    if isinstance(one, (tuple, list)):
        if len(one) != len(other):
            return f"{where}: {len(one)} and {len(other)} entries"
        return first(difference(a, b, f"{where}[{k}]") for k, (a, b) in enumerate(zip(one, other, strict=True)))
    if isinstance(one, float):
        nothing = math.isnan(one) and math.isnan(other)
        same = one == other and math.copysign(1, one) == math.copysign(1, other)
        return None if same or nothing else f"{where}: {one!r} and {other!r}"
    return None if one is other or one == other else f"{where}: {one!r} and {other!r}"


def first(found):
    return next((each for each in found if each is not None), None)
