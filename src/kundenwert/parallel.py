"""Blocks of array work on all processors: NumPy releases the interpreter lock while it computes."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, Final

from kundenwert.progress import each, shown_as, silent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["in_parallel", "threads"]

LARGEST_MAPPED: Final = 2**22 - 1024  # numbers: just below the 32 MiB up to which the C library adapts


def threads() -> int:
    """How many threads to use: the processors this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def in_parallel[Item, Result](work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Results of `work` for each item, in order.

    An interrupt, or an error in one of them, waits for the items that are being worked on and begins no other.
    """
    _keep_freed_memory()
    if len(items) <= 1:
        return [work(item) for item in items]
    with shown_as("blocks of customers"):  # unless the public call has said what it does
        if threads() == 1:
            return [work(item) for item in each(items)]
        with ThreadPoolExecutor(threads(), initializer=silent) as pool:
            return list(each(pool.map(work, items), total=len(items)))


@cache
def _keep_freed_memory() -> None:
    """Make the C library keep freed arrays for the next ones instead of handing them back to the system.

    Otherwise every temporary array of more than 128 KiB is mapped and zeroed anew, which takes three times as long
    as the arithmetic. glibc raises its threshold to the size of the largest block freed so far; other libraries
    ignore this.
    """
    import numpy as np

    np.empty(LARGEST_MAPPED)
