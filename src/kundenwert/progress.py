"""Progress of what takes long: one line, on stderr, that comes after a moment and goes with the work.

A public call opens the line with :func:`shown_as`; the loops within it move it, whichever module they stand in. The
outermost loop is the bar, those within it are words behind it. Work of several stages is one bar for all of them, which
names the stage (:func:`stages`). Without a line, counting costs nothing.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sized
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final, NoReturn, final

from kundenwert.errors import SpecificationError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping

    from tqdm.auto import tqdm

__all__ = ["counted", "each", "is_seen", "is_shown", "no_stage", "show_progress", "shown_as", "silent", "stages"]

DELAY: Final = 1.0  # seconds of work before there is anything to see
OFTEN: Final = 0.1  # seconds between two looks


@final
class _Switch:
    """What :func:`show_progress` has set; None: shown where somebody looks."""

    shown: bool | None = None


def show_progress(shown: bool | None) -> None:  # noqa: FBT001 - a switch
    """Turn the display of progress on or off, for all calls that do not say it themselves by ``progress=``.

    Parameters
    ----------
    shown : bool or None
        True: on. False: off. None, as at first: on in a terminal and in a notebook, off elsewhere.

    Examples
    --------
    >>> import kundenwert as kw
    >>> kw.show_progress(False)
    """
    _Switch.shown = _checked(shown, "show_progress")


def is_shown(progress: bool | None = None) -> bool:  # noqa: FBT001 - handed through
    """Whether progress is to be shown by a call that was given `progress`."""
    asked = _checked(progress, "progress")
    if asked is None:
        asked = _Switch.shown
    return _somebody_looks() if asked is None else asked


def _checked(value: bool | None, name: str) -> bool | None:  # noqa: FBT001 - any value at all
    if value is None or isinstance(value, bool):
        return value
    message = f"{name} takes True, False or None (shown in a terminal or a notebook), got {value!r}"
    raise SpecificationError(message)


def _somebody_looks() -> bool:
    if "ipykernel.zmqshell" in sys.modules:  # a notebook, as tqdm tells it
        return True
    try:
        return sys.stderr.isatty()
    except (AttributeError, ValueError):  # there is none, or it is closed
        return False


@final
class _Loop:
    """How much of a loop is done."""

    __slots__ = ("done", "name", "total")

    def __init__(self, name: str, total: int | None) -> None:
        self.name, self.total, self.done = name, total, 0

    @property
    def words(self) -> str:
        done = f"{self.done}" if self.total is None else f"{self.done}/{self.total}"
        return f"{self.name} {done}".strip()


@final
class _Line:
    """The line of a public call, seen or not, and the loops that are under way in it."""

    def __init__(self, name: str, *, shown: bool) -> None:
        self.name, self.shown = name, shown
        self.began = self.looked = time.monotonic()
        self.loops: list[_Loop] = []
        self._bar: tqdm[NoReturn] | None = None
        self._of: _Loop | None = None

    def look(self) -> None:
        """Show how far the work is, once it has gone on for a moment."""
        now = time.monotonic()
        if now - self.began < DELAY or now - self.looked < OFTEN:
            return
        self.looked = now
        outer, *inner = self.loops
        if self._bar is None or self._of is not outer:
            self.close()
            self._bar, self._of = self._new(outer), outer
        self._bar.set_description_str(self._words(outer), refresh=False)
        self._bar.set_postfix_str(", ".join(loop.words for loop in inner), refresh=False)
        self._bar.n = outer.done
        self._bar.refresh()

    def _new(self, loop: _Loop) -> tqdm[NoReturn]:
        from tqdm.auto import tqdm

        share = "{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}{postfix}]"
        return tqdm(
            total=loop.total,
            desc=self._words(loop),
            leave=False,
            file=sys.stderr,
            dynamic_ncols=True,
            bar_format="{desc}: " + ("{n_fmt} [{elapsed}{postfix}]" if loop.total is None else share),
        )

    def _words(self, loop: _Loop) -> str:
        return f"{self.name}, {loop.name}" if loop.name else self.name

    def close(self) -> None:
        """Take away what is shown."""
        if self._bar is not None:
            self._bar.close()
            self._bar = self._of = None


_here: ContextVar[_Line | None] = ContextVar("line of the public call that is under way", default=None)


@contextmanager
def shown_as(name: str, progress: bool | None = None) -> Iterator[None]:  # noqa: FBT001 - handed through
    """Show the loops of the block on a line of this name; within another public call they belong to the line of that.

    Parameters
    ----------
    name
        What is being done, in words.
    progress
        As the caller of the public function has it.
    """
    shown, outer = is_shown(progress), _here.get()
    if outer is not None and (progress is None or progress == outer.shown):
        yield
        return
    line = _Line(name, shown=shown)
    token = _here.set(line)
    try:
        yield
    finally:
        _here.reset(token)
        line.close()


def is_seen() -> bool:
    """Whether the call that is under way shows its progress: for samplers that have a display of their own."""
    line = _here.get()
    return line is not None and line.shown


def silent() -> None:
    """Let nothing be shown by the thread that calls this: only the one that called the library shows progress."""
    _here.set(_Line("", shown=False))


@contextmanager
def counted(name: str = "", total: int | None = None) -> Iterator[Callable[[int], None]]:
    """Steps of a loop, if they are shown: call what this gives with the number of steps just done.

    Parameters
    ----------
    name
        What the steps are, in words.
    total
        How many there will be, if that is known.
    """
    line = _here.get()
    if line is None or not line.shown:
        yield _unseen
        return
    loop = _Loop(name, total)
    line.loops.append(loop)

    def step(count: int) -> None:
        loop.done += count
        line.look()

    try:
        yield step
    finally:
        if loop in line.loops:  # with those within it that were left in the middle
            del line.loops[line.loops.index(loop) :]


@contextmanager
def stages(shares: Mapping[str, int]) -> Iterator[Callable[[str], None]]:
    """One bar for work of several stages: call what this gives with the name of the stage that begins.

    Parameters
    ----------
    shares
        The stages in their order, and about how long each takes, as parts of the whole. Some may be left out.
    """
    line = _here.get()
    if line is None or not line.shown:
        yield no_stage
        return
    loop = _Loop("", sum(shares.values()))
    line.loops.append(loop)
    names = list(shares)

    def begin(name: str) -> None:
        loop.name, loop.done = name, sum(shares[each] for each in names[: names.index(name)])
        line.look()

    try:
        yield begin
    finally:
        if loop in line.loops:
            del line.loops[line.loops.index(loop) :]


def no_stage(name: str) -> None:
    """Begin a stage that nobody sees."""


def _unseen(count: int) -> None:
    """Count for nobody."""


def each[Item](items: Iterable[Item], name: str = "", total: int | None = None) -> Generator[Item]:
    """The items, one step each; `total` is their number unless it is given."""
    if total is None and isinstance(items, Sized):
        total = len(items)
    with counted(name, total) as step:
        for item in items:
            yield item
            step(1)
