"""Tables for spreadsheets, in which text is not taken for a formula.

A cell that begins with =, +, - or @ is run when the file is opened, be it the id of a customer who chose it; so are
cells with these signs after a tab, a line break or a blank (OWASP, *CSV injection*). An apostrophe at the beginning
makes it text. Text that begins with an apostrophe before one of these gets another one, so that taking off the first
apostrophe always gives the text that was written.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from kundenwert.errors import SpecificationError
from kundenwert.storage.disk import path_of, write_whole

if TYPE_CHECKING:
    from os import PathLike

__all__ = ["harmless", "write_csv"]

DANGEROUS: Final = re.compile(r"'*[\s\0\ufeff]*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
"""Signs that spreadsheets take for the beginning of a formula, full-width ones included, after whatever they skip."""


def harmless(value: object) -> object:
    """Text that no spreadsheet runs; anything else, numbers above all, as it is."""
    return f"'{value}" if isinstance(value, str) and DANGEROUS.match(value) else value


def write_csv(table: pd.DataFrame, path: str | PathLike[str], *, escape: bool = True) -> None:
    """Write a table to a CSV file, whole or not at all; text is made harmless, that of the header and of ids included.

    Raises
    ------
    SpecificationError
        If the path is none, or `escape` no truth value.
    FileWriteError
        If it cannot be written; then the old file is as it was.
    """
    target = path_of(path)
    if not isinstance(escape, bool):
        message = f"escape is True or False, got {escape!r}"
        raise SpecificationError(message)
    shown = _harmless_table(table) if escape else table
    # lines end as RFC 4180 says; then fields with a line break of either kind are quoted
    write_whole(target, shown.to_csv(lineterminator="\r\n").encode("utf-8", "surrogatepass"))


def _harmless_table(table: pd.DataFrame) -> pd.DataFrame:
    columns = {place: _harmless_values(table.iloc[:, place]) for place in range(table.shape[1])}
    shown = pd.DataFrame(columns, index=_harmless_index(table.index))
    shown.columns = _harmless_index(table.columns)
    return shown


def _harmless_index(index: pd.Index) -> pd.Index:
    names = [harmless(name) for name in index.names]
    if isinstance(index, pd.MultiIndex):
        levels = [_harmless_values(index.get_level_values(place)) for place in range(index.nlevels)]
        return pd.MultiIndex.from_arrays(levels, names=names)
    shown: pd.Index = pd.Index(_harmless_values(index), name=names[0])
    return shown


def _harmless_values(values: Any) -> Any:  # noqa: ANN401 - a Series or an Index gives an array
    """The values without their labels."""
    if pd.api.types.is_numeric_dtype(values.dtype) or pd.api.types.is_datetime64_any_dtype(values.dtype):
        return values.array
    shown = np.empty(len(values), dtype=object)
    shown[:] = [harmless(value) for value in values.tolist()]
    return shown
