"""Covariates of a campaign: numbers, truth values, and texts, which are categories with a term for each level.

A number enters a model in units of its standard deviation over the customers of the campaign. A category of levels l,
of which customers have shares p_l, enters as one column for each level, (1[level is l] - p_l)/s with

    s^2 = sum_l p_l (1 - p_l),

the variance of all these columns together. So the same prior of a coefficient means the same for both: it gives the
category as much variance over customers, on average, as a number; and a category of two levels differs between them
exactly as much as a number that is 0 and 1. Levels are pooled towards the average customer, rare ones the most, and
none of them is special.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from kundenwert.errors import ColumnError, DataError, MissingInformationError, RowError
from kundenwert.histories.parts import LARGEST_AMOUNT
from kundenwert.histories.tables import numbers
from kundenwert.histories.validation import refuse, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from kundenwert.histories.cells import CohortLabel
    from kundenwert.histories.tables import Table

    type Floats = NDArray[np.float64]
    type Categories = tuple[tuple[str, tuple[CohortLabel, ...]], ...]
    type Described = tuple[tuple[str, float, float], ...]

__all__ = ["check_covariates", "covariate_values", "described", "standard_terms", "taken_over", "term"]

MOST_LEVELS: Final = 100  # each is a term of the model, and one more for each offer
EXPECTED: Final = "numbers, True and False, or text (categories)"


def term(name: str, level: CohortLabel) -> str:
    """What the column of a level is called."""
    return f"{name}: {level}"


def covariate_values(table: Table, name: str) -> NDArray[np.float64] | NDArray[np.object_]:
    """A column as numbers, gaps as NaN; or as levels, gaps as None.

    Raises
    ------
    ColumnError
        If it holds anything else.
    """
    series = table.get_column(name)
    dtype = series.dtype
    if dtype == nw.Boolean:
        return np.asarray(series.cast(nw.Float64).to_numpy(), dtype=np.float64)
    if dtype.is_numeric():
        return numbers(table, name)
    if not isinstance(dtype, (nw.String, nw.Categorical, nw.Enum, nw.Object)):
        hint = "count the days from it until the contact" if dtype.is_temporal() else "cast it"
        message = f"covariate {name!r} must hold {EXPECTED}, got {dtype}; {hint}, or leave it out"
        raise ColumnError(message)
    return _levels_of(series.to_list(), name)


def _levels_of(values: Sequence[Any], name: str) -> NDArray[np.float64] | NDArray[np.object_]:
    """Values of a column of text, or of Python's objects."""
    missing = np.array([value is None or value is pd.NA or _is_nan(value) for value in values], dtype=np.bool_)
    given = [value for value, none in zip(values, missing, strict=True) if not none]
    if given and all(isinstance(value, (bool, np.bool_)) for value in given):
        return np.array([math.nan if none else float(value) for value, none in zip(values, missing, strict=True)])
    for value in given:
        if not isinstance(value, (str, int, np.integer)) or isinstance(value, (bool, np.bool_)):
            message = f"covariate {name!r} must hold {EXPECTED}, got {value!r}; convert the column to one of these"
            raise ColumnError(message)
    found = np.empty(len(missing), dtype=object)
    found[~missing] = [value if isinstance(value, str) else int(value) for value in given]
    return found


def _is_nan(value: object) -> bool:
    return isinstance(value, (float, np.floating)) and math.isnan(value)


def taken_over(table: Table, names: Sequence[str], ids: pd.Index) -> pd.DataFrame | None:
    """Covariates of a campaign's customers: columns of floats, and of categories for texts; None without any.

    Raises
    ------
    ColumnError
        If a column holds neither, or has too many levels.
    RowError
        If a customer has no level; names the first.
    """
    columns: dict[str, Any] = {}
    for name in names:
        values = covariate_values(table, name)
        if values.dtype != object:
            columns[name] = values
            continue
        none = np.array([value is None for value in values], dtype=np.bool_)
        if none.any():
            message = (
                f"customer {shown(ids, int(np.argmax(none)))} has no {name} ({int(none.sum()):,} such customers); give "
                "gaps a level of their own, such as 'unknown', or leave the covariate out"
            )
            raise RowError(message, rows=none.tolist(), reason=f"no {name}")
        levels = sorted(set(values.tolist()), key=lambda level: (isinstance(level, str), level))
        _refuse_many(name, levels, len(values))
        columns[name] = pd.Categorical(values, categories=pd.Index(levels, dtype=object))
    return pd.DataFrame(columns, index=ids.rename("customer_id")) if columns else None


def _refuse_many(name: str, levels: Sequence[CohortLabel], customers: int) -> None:
    if len(levels) > max(2, customers // 2):
        message = (
            f"covariate {name!r} is text with {len(levels):,} different values for {customers:,} customers, such as "
            f"{levels[0]!r}: that is a name, not a category. Leave it out, or convert it if it holds numbers: "
            f"frame.astype({{{name!r}: float}})"
        )
        raise ColumnError(message)
    if len(levels) > MOST_LEVELS:
        message = (
            f"covariate {name!r} has {len(levels):,} levels, such as {levels[0]!r}; at most {MOST_LEVELS} can be told "
            f"apart. Put the rare ones together: frame[{name!r}].where(frame[{name!r}].map(frame[{name!r}]"
            ".value_counts()) >= 100, 'other')"
        )
        raise ColumnError(message)


def check_covariates(covariates: pd.DataFrame, ids: pd.Index) -> None:
    """Check that every customer has a finite number, or a level, in every column."""
    for name, values in covariates.items():
        if isinstance(values.dtype, pd.CategoricalDtype):
            if values.isna().any():
                message = f"customer {shown(ids, int(np.argmax(values.isna())))} has no {name}; give gaps a level"
                raise RowError(message)
            continue
        given = values.to_numpy(dtype=np.float64)
        refuse(
            ~(np.abs(given) <= LARGEST_AMOUNT),
            ids,
            {str(name): given},
            "a finite number",
            "fill gaps, or leave the covariate out",
        )


def described(covariates: pd.DataFrame) -> tuple[list[Floats], Described, Categories]:
    """Columns of the terms, per customer; name, mean and scale of each; and the levels of those that are categories.

    Raises
    ------
    ColumnError
        If two terms would have one name.
    """
    columns: list[Floats] = []
    terms: list[tuple[str, float, float]] = []
    categories: list[tuple[str, tuple[CohortLabel, ...]]] = []
    for name, values in covariates.items():
        if isinstance(values.dtype, pd.CategoricalDtype):
            levels, codes = tuple(values.cat.categories.tolist()), values.cat.codes.to_numpy()
            share = np.bincount(codes, minlength=len(levels)) / max(len(codes), 1)
            scale = math.sqrt(float(np.sum(share * (1 - share)))) or 1.0
            categories.append((str(name), levels))
            columns += [(codes == k).astype(np.float64) for k in range(len(levels))]
            terms += [(term(str(name), level), float(p), scale) for level, p in zip(levels, share, strict=True)]
        else:
            given = values.to_numpy(dtype=np.float64)
            columns.append(given)
            terms.append((str(name), float(given.mean()), float(given.std()) or 1.0))
    names = [name for name, _, _ in terms]
    doubled = [name for name in names if names.count(name) > 1]
    if doubled:
        message = (
            f"two terms of the model would be called {doubled[0]!r}: covariates and their levels need names that "
            "differ as text; rename a column or a level"
        )
        raise ColumnError(message)
    return columns, tuple(terms), tuple(categories)


def standard_terms(covariates: pd.DataFrame, ids: pd.Index, terms: Described, categories: Categories) -> Floats:
    """Terms of customers that a model is asked about, centred and scaled as in its campaign, shape (customers, terms).

    A customer whose level is null is taken at the average of the campaign's.

    Raises
    ------
    DataError
        If a column or a customer is missing, a number is none, or a level is unknown.
    """
    levels = dict(categories)
    of_level = {term(name, level): (name, level) for name, known in categories for level in known}
    names = dict.fromkeys(of_level[each][0] if each in of_level else each for each, _, _ in terms)
    absent = [name for name in names if name not in covariates.columns]
    if absent:
        message = (
            f"effects depend on the covariates {', '.join(names)}, and the table has no {absent[0]!r}; give one with "
            "these columns, indexed by customer_id"
        )
        raise MissingInformationError(message)
    place = _places(covariates, ids)
    columns: list[Floats] = []
    coded: dict[str, Floats] = {}
    for each, mean, scale in terms:
        if each not in of_level:
            given = _numbers_of(covariates[each], place, ids)
            columns.append((given - mean) / scale)
            continue
        name, level = of_level[each]
        if name not in coded:
            coded[name] = _codes_of(covariates[name], levels[name], place, ids)
        code = coded[name]
        columns.append(np.where(code < 0, 0.0, ((code == levels[name].index(level)) - mean) / scale))
    return np.stack(columns, axis=1) if columns else np.empty((len(ids), 0))


def _places(covariates: pd.DataFrame, ids: pd.Index) -> NDArray[np.intp]:
    if not covariates.index.is_unique:
        twice = covariates.index[covariates.index.duplicated()]
        message = f"the table of covariates has two rows for customer {shown(twice, 0)}; expected one per customer"
        raise RowError(message)
    place = covariates.index.get_indexer(ids)
    if (place < 0).any():
        message = f"customer {shown(ids, int(np.argmax(place < 0)))} has no covariates; index them by id"
        raise DataError(message)
    return np.asarray(place)


def _numbers_of(values: pd.Series, place: NDArray[np.intp], ids: pd.Index) -> Floats:
    try:
        given = values.to_numpy(dtype=np.float64, na_value=np.nan)[place]
    except (TypeError, ValueError):
        message = (
            f"covariate {values.name!r} was a number in the campaign, but holds such as {values.iloc[0]!r} here; "
            "convert it"
        )
        raise ColumnError(message) from None
    if not np.isfinite(given).all():
        first = int(np.argmax(~np.isfinite(given)))
        message = (
            f"customer {shown(ids, first)} has a covariate that is no finite number: {values.name} = {given[first]}; "
            "fill gaps"
        )
        raise DataError(message)
    return np.asarray(given)


def _codes_of(values: pd.Series, levels: tuple[CohortLabel, ...], place: NDArray[np.intp], ids: pd.Index) -> Floats:
    """Positions of levels; -1 for null."""
    codes, distinct = pd.factorize(values.astype(object), use_na_sentinel=True)
    known = {level: k for k, level in enumerate(levels)}
    at = np.array([known.get(value, -2) for value in distinct.tolist()] + [-1])
    found = at[codes[place]]
    if (found == -2).any():
        first = int(np.argmax(found == -2))
        level = values.iloc[place[first] : place[first] + 1].tolist()[0]
        message = (
            f"customer {shown(ids, first)} has {values.name} = {level!r}, which the campaign did not have; known are "
            f"{', '.join(map(repr, levels[:20]))}. Write null for such customers: they are taken at the average of the "
            "campaign's"
        )
        raise DataError(message)
    return np.asarray(found, dtype=np.float64)
