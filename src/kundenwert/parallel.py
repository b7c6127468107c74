"""Blocks of array work on all processors: NumPy releases the interpreter lock while it computes."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import count
from queue import SimpleQueue
from threading import Event
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

    An interrupt, or an error in one of them, waits for the items that are being worked on and begins no other. Of
    several errors, that of the earliest item is raised.
    """
    _keep_freed_memory()
    if len(items) <= 1:
        return [work(item) for item in items]
    with shown_as("blocks of customers"):  # unless the public call has said what it does
        if threads() == 1:
            return [work(item) for item in each(items)]
        return _in_threads(work, items)


def _in_threads[Item, Result](work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Threads take one item after the other, and the caller only waits.

    An interrupt reaches the caller. If it handed out items one by one, it could be interrupted within the pool's own
    locks, which then stay shut, and wait for ever.
    """
    places, begin, end = count(), Event(), Event()
    finished: SimpleQueue[tuple[int, Result] | tuple[int, BaseException, None]] = SimpleQueue()

    def take_items() -> None:
        begin.wait()
        while not end.is_set() and (place := next(places)) < len(items):
            try:
                finished.put((place, work(items[place])))
            except BaseException as error:  # noqa: BLE001 - the caller raises it
                end.set()
                finished.put((place, error, None))

    results: dict[int, Result] = {}
    errors: dict[int, BaseException] = {}
    with ThreadPoolExecutor(threads(), initializer=silent) as pool:
        try:
            for _ in range(threads()):
                pool.submit(take_items)
            begin.set()
            for _ in each(range(len(items))):
                _file(finished.get(), results, errors)
                if errors:
                    break
        finally:
            end.set()
            begin.set()
    while not finished.empty():
        _file(finished.get(), results, errors)
    if errors:
        raise errors[min(errors)]  # items are taken in order, so that all before it are done
    return [results[place] for place in range(len(items))]


def _file[Result](
    outcome: tuple[int, Result] | tuple[int, BaseException, None],
    results: dict[int, Result],
    errors: dict[int, BaseException],
) -> None:
    if len(outcome) == 2:
        results[outcome[0]] = outcome[1]
    else:
        errors[outcome[0]] = outcome[1]


@cache
def _keep_freed_memory() -> None:
    """Make the C library keep freed arrays for the next ones instead of handing them back to the system.

    Otherwise every temporary array of more than 128 KiB is mapped and zeroed anew, which takes three times as long
    as the arithmetic. glibc raises its threshold to the size of the largest block freed so far; other libraries
    ignore this.
    """
    import numpy as np

    np.empty(LARGEST_MAPPED)
