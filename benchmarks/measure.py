"""What every benchmark script shares: timing, peak memory, and the file that `run.py` reads.

Standard library only: the scripts of the peers run in their own environments.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["arguments", "arguments_with_cdnow", "peak_gigabytes", "processors", "save", "timed"]


def arguments(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with the one option of every script."""
    parser = argparse.ArgumentParser(description=(description or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="where the measurement goes, as JSON")
    return parser


def arguments_with_cdnow(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options of every script about CDNOW."""
    parser = arguments(description)
    parser.add_argument("--log", type=Path, required=True, help="CDNOW_master.txt")
    parser.add_argument("--every", type=int, default=1, help="take one customer in so many")
    parser.add_argument("--repeats", type=int, default=1, help="time so many runs after the first")
    return parser


def timed[T](function: Callable[[], T], repeats: int = 0) -> tuple[T, dict[str, float]]:
    """Run `function` once and then `repeats` times.

    Returns
    -------
    tuple
        Its first result; and ``first``, the seconds of the first run, which may have imports and compilation still
        to do, with ``seconds``, the median of the others (of the first if there are no others).
    """
    began = time.perf_counter()
    result = function()
    first = time.perf_counter() - began
    others = []
    for _ in range(repeats):
        began = time.perf_counter()
        function()
        others.append(time.perf_counter() - began)
    return result, {"first": first, "seconds": statistics.median(others or [first])}


def processors() -> int:
    """How many logical processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def peak_gigabytes() -> float:
    """Peak memory of this process so far, in 10⁹ bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) / 1e9


def save(out: Path, packages: Sequence[str], measured: dict[str, object]) -> None:
    """Write a measurement, with the peak memory of the process and the versions of what was measured."""
    python = ".".join(map(str, sys.version_info[:3]))
    versions = {"Python": python} | {package: version(package) for package in packages}
    out.write_text(json.dumps(measured | {"peak_gigabytes": peak_gigabytes(), "versions": versions}, indent=1))
