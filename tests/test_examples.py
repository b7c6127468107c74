"""Every example runs as a user would run it: in a process of its own, here with warnings as errors."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_example_runs_and_draws_the_pictures_it_names(example):
    command = [sys.executable, "-W", "error", str(example)]
    environment = os.environ | {"PYTHONIOENCODING": "utf-8"}
    ran = subprocess.run(  # noqa: S603 - a script of our own
        command, capture_output=True, encoding="utf-8", env=environment, timeout=300, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert not ran.stderr
    for word in ran.stdout.split():
        if word.endswith(".png"):
            assert Path(word).stat().st_size > 10_000
