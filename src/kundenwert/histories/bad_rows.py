"""Rows of ready-made tables that cannot be used: refused, or left out and counted by reason."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from kundenwert.errors import DataError, RowError, SpecificationError
from kundenwert.histories.tables import open_table

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["check_on_bad_rows", "droppable"]


def check_on_bad_rows(value: object) -> None:
    """Check an argument that is either "raise" or "drop"."""
    if value not in ("raise", "drop"):  # in a tuple: a list has no hash
        message = f"on_bad_rows={value!r} is unknown; expected 'raise' or 'drop'"
        raise SpecificationError(message)


def droppable[**P, H](read: Callable[P, H]) -> Callable[P, H]:
    """Give a reader of a table, with one row per customer, its argument `on_bad_rows`.

    The reader itself is always strict. Where it refuses rows that can be left out, its error says which; with "drop"
    these are taken out of the table and counted, and the rest is read again.
    """

    @functools.wraps(read)
    def reader(*args: P.args, **kwargs: P.kwargs) -> H:
        given: dict[str, Any] = dict(kwargs)
        if given.get("on_bad_rows", "raise") == "drop":
            found: H = _dropping(cast("Any", read), list(args), given | {"on_bad_rows": "raise"})
            return found
        try:
            return read(*args, **kwargs)
        except RowError as error:
            if error.rows is None:
                raise
            message = f"{error}; or pass on_bad_rows='drop' to leave such rows out and see them in the audit"
            raise RowError(message, rows=error.rows, reason=error.reason) from None

    return reader


def _dropping(read: Callable[..., Any], args: list[Any], given: dict[str, Any]) -> Any:  # noqa: ANN401 - of any kind
    """Read what is left after the rows that the reader refuses are taken out."""
    frame = args[1] if len(args) > 1 else given["frame"]
    table = open_table(frame, "the table")
    rows_read, dropped, first = len(table), dict[str, int](), ""
    while True:
        native = table.to_native()
        try:
            histories = read(
                args[0], native, *args[2:], **{name: value for name, value in given.items() if name != "frame"}
            )
        except RowError as error:
            if error.rows is None:
                raise
            rows = np.asarray(error.rows, dtype=np.bool_)
            dropped[error.reason] = dropped.get(error.reason, 0) + int(rows.sum())
            first = first or str(error)
            if rows.all():
                message = (
                    f"none of the {rows_read:,} rows of the table can be used ({_told(dropped)}). The first: {first}"
                )
                raise DataError(message) from error
            table = table.filter((~rows).tolist())
        else:
            return replace(histories, audit=replace(histories.audit, rows_read=rows_read, dropped=dropped))


def _told(dropped: dict[str, int]) -> str:
    return ", ".join(f"{reason}: {count:,}" for reason, count in dropped.items())
