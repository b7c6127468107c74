"""Interrupts by the user, which samplers answer with the draws that they have so far."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

__all__ = ["interrupts_raised"]


@contextmanager
def interrupts_raised() -> Iterator[None]:
    """Raise KeyboardInterrupt after a block that was interrupted and went on as if it were done.

    PyMC and nutpie end a run that is interrupted as one with fewer draws, which would pass for a posterior.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield  # no interrupt comes here
        return
    seen = False

    def notice(number: int, frame: FrameType | None) -> None:
        nonlocal seen
        seen = True
        before(number, frame)

    signal.signal(signal.SIGINT, notice)
    try:
        yield
    except Exception:  # as of chains without a single draw
        if seen:
            raise KeyboardInterrupt from None
        raise
    finally:
        signal.signal(signal.SIGINT, before)
    if seen:
        raise KeyboardInterrupt
