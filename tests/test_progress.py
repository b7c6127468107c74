"""Progress is shown where somebody looks, and nowhere else; it changes nothing; and work can be interrupted."""

import io
import re
import signal
import subprocess
import sys
import threading
from contextlib import suppress

import numpy as np
import pandas as pd
import pytest

import kundenwert as kw
from kundenwert import progress
from kundenwert.errors import SpecificationError
from kundenwert.inference.interrupts import interrupts_raised
from kundenwert.parallel import in_parallel
from kundenwert.reporting.findings import STAGES
from tests import cdnow


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def at_once(monkeypatch):
    """No clock decides what is seen."""
    monkeypatch.setattr(progress, "DELAY", 0.0)
    monkeypatch.setattr(progress, "OFTEN", 0.0)


@pytest.fixture(autouse=True)
def _switch_as_it_was(monkeypatch):
    monkeypatch.setattr(progress._Switch, "shown", None)


@pytest.fixture
def interruptible():
    """A program that a shell starts in the background ignores interrupts, and so does this one then."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def shown(capsys):
    out, err = capsys.readouterr()
    assert not out
    return err


# the switch


def test_shown_in_a_terminal_and_in_a_notebook_and_not_elsewhere(monkeypatch):
    monkeypatch.delitem(sys.modules, "ipykernel.zmqshell", raising=False)
    assert not progress.is_shown()
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert progress.is_shown()
    monkeypatch.setattr(sys, "stderr", None)  # as of a program without a console
    assert not progress.is_shown()
    monkeypatch.setitem(sys.modules, "ipykernel.zmqshell", progress)
    assert progress.is_shown()


def test_what_a_call_says_goes_before_the_switch_and_the_switch_before_the_place(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    kw.show_progress(False)
    assert not progress.is_shown()
    assert progress.is_shown(True)
    kw.show_progress(True)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert progress.is_shown()
    assert not progress.is_shown(False)
    kw.show_progress(None)
    assert not progress.is_shown()


@pytest.mark.parametrize("value", [1, "yes", 0.5])
def test_anything_but_yes_no_and_none_is_refused(value):
    with pytest.raises(SpecificationError, match="progress takes True, False or None"):
        kw.fit(kw.MBGNBD(), cdnow.sample(20), seed=1, progress=value)
    with pytest.raises(SpecificationError, match="show_progress takes True, False or None"):
        kw.show_progress(value)


# the line


def test_the_outermost_loop_is_the_bar_and_those_within_it_are_words(at_once, capsys):  # noqa: ARG001
    with progress.shown_as("work", True):
        for _ in progress.each(range(2), "parts"):
            with progress.counted("pieces") as step:
                step(3)
    err = shown(capsys)
    assert "work, parts:   0%|" in err
    assert "0/2" in err
    assert "pieces 3" in err
    assert "work, parts:  50%|" in err
    assert "2/2" in err
    assert err.endswith("\r")  # nothing stays


def test_a_call_within_a_call_belongs_to_its_line(at_once, capsys):  # noqa: ARG001
    with progress.shown_as("outer", True), progress.shown_as("inner"):
        list(progress.each(range(3), "steps"))
    assert "outer, steps" in (err := shown(capsys))
    assert "inner" not in err
    with progress.shown_as("outer", False), progress.shown_as("inner"):
        list(progress.each(range(3)))
    assert not shown(capsys)
    with progress.shown_as("outer", True), progress.shown_as("inner", False):
        list(progress.each(range(3)))
    assert not shown(capsys)


def test_work_of_a_moment_shows_nothing(monkeypatch, capsys):
    monkeypatch.setattr(progress, "DELAY", np.inf)
    with progress.shown_as("work", True):
        list(progress.each(range(3)))
    assert not shown(capsys)


def test_a_loop_that_is_left_early_leaves_no_trace(at_once, capsys):  # noqa: ARG001
    with progress.shown_as("work", True):
        loop = progress.each(range(9), "first")
        next(loop)  # and never again
        with pytest.raises(ZeroDivisionError), progress.counted("second"):
            raise ZeroDivisionError
        loop.close()
        list(progress.each(range(2), "third"))
    assert "work, third" in shown(capsys)
    assert progress._here.get() is None


def test_only_the_thread_that_called_shows_progress(at_once, capsys):  # noqa: ARG001
    seen = []

    def work(item):
        if threading.current_thread() is not threading.main_thread():
            seen.append(progress.is_seen())
        with progress.shown_as("inside"):
            return sum(progress.each(range(item), "inside"))

    with progress.shown_as("outside", True):
        assert in_parallel(work, range(20)) == [sum(range(item)) for item in range(20)]
    assert not any(seen)
    assert "20/20" in shown(capsys)


# public calls


def test_a_fit_shows_its_progress_and_is_the_same_without(at_once, capsys):  # noqa: ARG001
    histories = cdnow.sample(200)
    silent = kw.fit(kw.MBGNBD(), histories, seed=1)
    assert not shown(capsys)
    seen = kw.fit(kw.MBGNBD(), histories, seed=1, progress=True)
    assert "fit MBGNBD, rounds: " in shown(capsys)
    pd.testing.assert_frame_equal(seen.parameters(), silent.parameters())
    kw.show_progress(True)
    kw.fit(kw.MBGNBD(), histories, seed=1, method=kw.MAP())
    assert "fit MBGNBD, Newton's steps: " in shown(capsys)


def test_origins_are_counted(at_once, capsys):  # noqa: ARG001
    kw.rolling_origin(
        kw.datasets.cdnow(),
        {"BG/NBD": kw.BGNBD(), "MBG/NBD": kw.MBGNBD()},
        customer="customer_id",
        time="date",
        origins=["1997-06-30", "1997-09-30"],
        horizon=kw.weeks(13),
        method=kw.MAP(),
        progress=True,
    )
    err = shown(capsys)
    assert "rolling origin, origins:  50%" in err
    assert "model 1/2, " in err


# interrupts


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_that_a_sampler_swallows_is_raised():
    def sampler(*, draws):
        with suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        return 1 / draws

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), interrupts_raised():
        sampler(draws=5)
    with pytest.raises(KeyboardInterrupt), interrupts_raised():
        sampler(draws=0)
    with pytest.raises(ValueError, match="of another kind"), interrupts_raised():
        raise ValueError("of another kind")
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.usefixtures("interruptible")
def test_work_in_threads_can_be_interrupted():
    def work(item):
        if item == 3:
            signal.raise_signal(signal.SIGINT)
        return item

    for _ in range(200):  # wherever the caller stands just then
        with pytest.raises(KeyboardInterrupt):
            in_parallel(work, range(1_000))
    assert in_parallel(lambda item: item, range(5)) == list(range(5))


def test_of_several_errors_in_threads_that_of_the_earliest_item_is_raised():
    def work(item):
        if item % 10 == 3:
            raise ValueError(f"item {item}")
        return item

    for _ in range(50):
        with pytest.raises(ValueError, match=r"^item 3$"):
            in_parallel(work, range(100))


LONG = {
    "a fit of many points": "kw.fit(kw.RevivalNBD(), histories, seed=1)",
    "NUTS": "kw.fit(kw.MBGNBD(), histories, seed=1, method=kw.NUTS(draws=100_000, tune=1000, chains=2, longest=1e9))",
    "NUTS, one chain": "kw.fit(kw.MBGNBD(), histories, seed=1, method=kw.NUTS(draws=99_999, chains=1, longest=1e9))",
    "many futures": """kw.realised_value(
        kw.fit(kw.MBGNBD(), histories, seed=1, method=kw.MAP()), kw.KnownAmount(30.0), histories,
        kw.Economics(margin=0.3, annual_discount_rate=0.1), horizon=kw.years(30), futures=200_000, seed=1)""",
}
SCRIPT = """
import signal

import kundenwert as kw
from kundenwert import progress
from tests import cdnow

signal.signal(signal.SIGINT, signal.default_int_handler)
progress.DELAY = 0
kw.show_progress(True)
histories = cdnow.histories()
try:
    {long}
except KeyboardInterrupt:
    kw.show_progress(False)
    again = kw.fit(kw.MBGNBD(), cdnow.sample(50), seed=1)
    print("interrupted", again.diagnostics.ok, flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("long", LONG)
def test_long_work_ends_when_it_is_interrupted(long):
    """By the signal that Ctrl-C sends, as soon as there is progress to see; what comes after it works as ever."""
    command = [sys.executable, "-c", SCRIPT.format(long=LONG[long])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own
        assert process.stderr is not None
        seen = ""
        while "1/" not in seen and "2 [" not in seen and process.poll() is None:
            seen += process.stderr.read(1)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=600)
    assert process.returncode == 0
    assert out == "interrupted True\n"


@pytest.mark.usefixtures("at_once")
def test_a_report_has_one_bar_that_only_grows_and_names_the_stage(capsys, tmp_path):
    base, log = cdnow.sample(120), kw.datasets.cdnow()
    models = cdnow.posterior("MBGNBD").thinned(20), kw.KnownAmount(35.0)
    kw.report(
        log,
        base,
        *models,
        kw.Economics(margin=0.3, annual_discount_rate=0.1),
        horizon=kw.years(1),
        path=tmp_path / "page.html",
        holdout_until="1998-06-30",
        futures=20,
        progress=True,
    )
    seen = re.findall(r"report(?:, ([a-z -]+))?:\s+(\d+)%\|", shown(capsys))
    assert list(dict.fromkeys(stage for stage, _ in seen if stage)) == list(STAGES)
    shares = [int(share) for _, share in seen]
    assert shares == sorted(shares)
    assert shares[0] < 50 < shares[-1] < 100
