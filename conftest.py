"""Runs the Python code blocks of README.md and of the pages in docs/ as tests.

A block is either a script or, when it starts with ``>>>``, a session whose output is checked. The blocks of one page
share their names, from top to bottom. ``<!-- skip: next -->`` before a block leaves it out.
"""

from __future__ import annotations

from doctest import ELLIPSIS, NORMALIZE_WHITESPACE

from hypothesis import settings
from sybil import Sybil
from sybil.parsers.myst import CodeBlockParser, PythonCodeBlockParser, SkipParser

settings.register_profile("no test looks at a clock", deadline=None)
settings.load_profile("no test looks at a clock")

collect_ignore = ["docs/conf.py"]  # Sphinx's own, with nothing to test

python = PythonCodeBlockParser(doctest_optionflags=ELLIPSIS | NORMALIZE_WHITESPACE)
pycon = PythonCodeBlockParser(doctest_optionflags=ELLIPSIS | NORMALIZE_WHITESPACE)
pycon.codeblock_parser = CodeBlockParser("pycon")  # fences marked pycon are sessions as well

pytest_collect_file = Sybil(parsers=[python, pycon, SkipParser()], patterns=["*.md"]).pytest()
