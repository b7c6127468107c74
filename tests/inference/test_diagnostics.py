"""Diagnostics say what is wrong and what to do."""

from typing import Any

import pytest

from kundenwert.inference import Diagnostics

GOOD_WEIGHTS: dict[str, Any] = {
    "method": "importance sampling",
    "draws": 2000,
    "chains": 1,
    "points": 8192,
    "rounds": 1,
}
GOOD_CHAINS: dict[str, Any] = {"method": "NUTS", "draws": 1000, "chains": 4}


@pytest.mark.parametrize(
    "diagnostics",
    [
        Diagnostics(**GOOD_WEIGHTS, pareto_k=0.69, ess=1000.0),
        Diagnostics(**GOOD_CHAINS, r_hat=1.009, ess=400.0, divergences=0),
    ],
)
def test_nothing_wrong(diagnostics):
    assert diagnostics.ok
    assert diagnostics.problems == ()
    assert "No problem found." in str(diagnostics)


@pytest.mark.parametrize(
    "diagnostics, words",
    [
        (Diagnostics(**GOOD_WEIGHTS, pareto_k=0.7, ess=4000.0), ("Pareto k", "0.70", "NUTS")),
        (Diagnostics(**GOOD_WEIGHTS, pareto_k=float("nan"), ess=4000.0), ("Pareto k", "NUTS")),
        (Diagnostics(**GOOD_WEIGHTS, pareto_k=0.2, ess=999.0), ("importance ESS", "999", "more points")),
        (Diagnostics(**GOOD_CHAINS, r_hat=1.01, ess=800.0, divergences=0), ("r-hat", "1.010", "chains disagree")),
        (Diagnostics(**GOOD_CHAINS, r_hat=float("nan"), ess=800.0, divergences=0), ("r-hat", "nan")),
        (Diagnostics(**GOOD_CHAINS, r_hat=1.0, ess=399.0, divergences=0), ("smallest ESS", "more draws")),
        (Diagnostics(**GOOD_CHAINS, r_hat=1.0, ess=800.0, divergences=3), ("3 divergences", "target_accept")),
    ],
)
def test_each_problem_is_named_with_its_remedy(diagnostics, words):
    assert not diagnostics.ok
    assert len(diagnostics.problems) == 1
    assert all(word in diagnostics.problems[0] for word in words)
    assert diagnostics.problems[0] in str(diagnostics)


def test_a_single_draw_says_that_it_has_no_width():
    fixed = Diagnostics(method="fixed", draws=1, chains=1)
    assert fixed.ok
    assert "intervals have no width" in str(fixed)


def test_text_tells_the_facts():
    text = str(Diagnostics(**GOOD_WEIGHTS, pareto_k=0.21, ess=5000.0, seconds=0.25, notes=("A note.",)))
    for fact in (
        "importance sampling",
        "1 × 2000 draws",
        "0.25 s",
        "8192 points",
        "Pareto k 0.21",
        "ESS 5000",
        "A note.",
    ):
        assert fact in text  # fmt: skip
