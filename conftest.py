"""Runs the Python code blocks of README.md and of the pages in docs/ as tests.

A block is either a script or, when it starts with ``>>>``, a session whose output is checked. The blocks of one page
share their names, from top to bottom. ``<!-- skip: next -->`` before a block leaves it out.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from doctest import ELLIPSIS, NORMALIZE_WHITESPACE

import pytest
from hypothesis import settings
from sybil import Sybil
from sybil.parsers.myst import CodeBlockParser, PythonCodeBlockParser, SkipParser

from kundenwert.transactions.plausibility import dates

# No test looks at a clock, and none depends on luck: the same examples every time, but for `make test-slow`.
settings.register_profile("fixed", deadline=None, derandomize=True, max_examples=30)
settings.register_profile("fresh", deadline=None, print_blob=True)
settings.load_profile("fixed")
pytest.MonkeyPatch().setattr(dates, "present", lambda: datetime(2100, 1, 1, tzinfo=UTC))


def pytest_report_header(config: pytest.Config) -> str | None:
    """How to repeat the examples of this run, where they are fresh ones."""
    return _seed(config)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of the examples of a test marked with ``every(n)``, each n-th one is fast, and the others are slow."""
    seen: Counter[str] = Counter()
    for item in items:
        if (marker := item.get_closest_marker("every")) is not None and item.get_closest_marker("slow") is None:
            test = item.nodeid.partition("[")[0]
            if seen[test] % marker.args[0]:
                item.add_marker(pytest.mark.slow)
            seen[test] += 1


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say it once more below the failures."""
    if seed := _seed(config):
        terminalreporter.write_line(seed)


def _seed(config: pytest.Config) -> str | None:
    seed = config.getoption("--hypothesis-seed")
    return None if seed is None else f"random examples: to repeat them, make test-slow SEED={seed}"


collect_ignore = ["docs/conf.py"]  # Sphinx's own, with nothing to test

python = PythonCodeBlockParser(doctest_optionflags=ELLIPSIS | NORMALIZE_WHITESPACE)
pycon = PythonCodeBlockParser(doctest_optionflags=ELLIPSIS | NORMALIZE_WHITESPACE)
pycon.codeblock_parser = CodeBlockParser("pycon")  # fences marked pycon are sessions as well

pytest_collect_file = Sybil(parsers=[python, pycon, SkipParser()], patterns=["*.md"]).pytest()
