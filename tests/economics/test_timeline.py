"""What money counts when."""

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import kundenwert as kw
from kundenwert.economics.flows.moments import Moments, falls, few
from kundenwert.economics.flows.timeline import Timeline
from kundenwert.errors import DurationError, InfiniteValueError, SpecificationError
from tests.economics.by_hand import Money

CASES: dict[str, Any] = {
    "continuously": ({}, {}),
    "rates": (
        {"annual_discount_rate": kw.Schedule([0.1, 0.3, 0.05], every=kw.months(9))},
        {"rates": ((0.0, 0.1), (0.75, 0.3), (1.5, 0.05))},
    ),
    "margins": (
        {"margin": kw.Schedule([0.3, 0.0, 0.5], every=kw.months(8))},
        {"margins": ((0.0, 0.3), (2 / 3, 0.0), (4 / 3, 0.5))},
    ),
    "growing": ({"margin": kw.Growing(start=0.3, annual_growth_rate=0.03)}, {"growth": 0.03}),
    "start": ({"discounting": kw.StartOfPeriod(kw.months(6))}, {"period": 0.5, "within": 0.0}),
    "middle": ({"discounting": kw.MiddleOfPeriod(kw.months(6))}, {"period": 0.5, "within": 0.5}),
    "end": ({"discounting": kw.EndOfPeriod(kw.months(6))}, {"period": 0.5, "within": 1.0}),
}
CASES["all of them"] = tuple(CASES["rates"][i] | CASES["margins"][i] | CASES["end"][i] for i in (0, 1))
CASES["growing, in periods"] = tuple(CASES["rates"][i] | CASES["growing"][i] | CASES["start"][i] for i in (0, 1))


def timeline(changes, years, *, margin=True):
    economics = kw.Economics(**{"margin": 1.0, "annual_discount_rate": 0.1, **changes})
    return Timeline.of(economics, years, margin=margin)


@pytest.mark.parametrize("case", CASES)
def test_what_money_counts_at_any_time(case):
    changes, money = CASES[case]
    money = Money(**money)
    for horizon in (3.0, math.inf):
        line = timeline(changes, horizon)
        u = np.r_[0.0, 0.25, 0.5, 2 / 3, 0.75, 1.0, 4 / 3, 1.5, 2.0, 2.999, 3.0]
        np.testing.assert_allclose(line.discount(u), [money.event(moment) for moment in u], rtol=1e-12)
        beyond = line.discount(np.array([3.0001, 50.0]))
        assert (beyond == 0).all() if horizon == 3 else (beyond > 0).all()


@pytest.mark.parametrize("case", CASES)
def test_pieces_say_the_same(case):
    line = timeline(CASES[case][0], 3.0)
    u = np.linspace(0.001, 2.999, 700)
    for pieces in (list(line.pieces()), list(line.windows()) if line.period else []):
        if not pieces:
            continue
        assert (pieces[0].start, pieces[-1].end, pieces[-1].after) == (0.0, pytest.approx(3.0), 0.0)
        found = np.zeros_like(u)
        for piece, following in pairwise([*pieces, None]):
            if following is not None:
                assert piece.end == pytest.approx(following.start)
                assert piece.after == pytest.approx(following.value, rel=1e-12)
            here = (piece.start < u) & (u <= piece.end)
            found[here] = piece.value * np.exp(-piece.rate * (u[here] - piece.start))
            np.testing.assert_allclose(piece.weight * np.exp(-piece.rate * u[here]), found[here], rtol=1e-12)
        np.testing.assert_allclose(found, line.discount(u), rtol=1e-12)


@pytest.mark.parametrize("case", ["continuously", "rates", "start", "middle", "end"])
def test_an_annuity_is_an_integral(case):
    changes, money = CASES[case]
    plain, money = timeline(changes, 3.0, margin=False), Money(**money)
    step = 1 / 4800
    middles = (np.arange(3 * 4800) + 0.5) * step
    counts = np.r_[0.0, np.cumsum([money.inside(u) for u in middles]) * step]
    u = np.array([0.0, 0.1, 0.5, 0.8, 2.0, 3.0])
    np.testing.assert_allclose(plain.annuity(u), counts[np.round(u / step).astype(int)], rtol=1e-7)
    assert plain.annuity(np.array([7.0]))[0] == plain.annuity(np.array([3.0]))[0]
    assert plain.annuity_for_life == pytest.approx(plain.annuity(np.array([3.0]))[0], rel=1e-12)
    endless = timeline(changes, math.inf, margin=False)
    assert endless.annuity_for_life == pytest.approx(endless.annuity(np.array([600.0]))[0], rel=1e-10)


def test_a_thousand_periods_are_represented_by_some():
    line = timeline({"discounting": kw.EndOfPeriod(kw.days(1)), "annual_discount_rate": 1e-4}, math.inf)
    pieces = list(line.pieces())
    assert len(pieces) < 300
    assert sum(piece.times for piece in pieces) == pytest.approx(-math.log(1e-12) / math.log(1.0001) * 365.25, rel=1e-3)
    daily = 1e-4 / 365.25
    total = sum(piece.times * piece.value for piece in pieces)
    assert total == pytest.approx(1 / math.expm1(math.log1p(1e-4) / 365.25), rel=1e-10)
    assert total == pytest.approx(1 / daily, rel=1e-3)


def test_without_interest_periods_do_not_matter():
    assert timeline({"annual_discount_rate": 0, "discounting": kw.EndOfPeriod(kw.years(1))}, 3.0).period == 0
    ends = timeline(
        {
            "annual_discount_rate": kw.Schedule([0.1, 0.0], every=kw.years(1)),
            "discounting": kw.EndOfPeriod(kw.months(6)),
        },
        math.inf,
    )
    assert list(ends.pieces())[-1].end == math.inf
    assert ends.annuity_for_life == math.inf
    np.testing.assert_allclose(ends.discount(np.array([0.2, 0.9, 1.2, 80.0])), [1.1**-0.5, 1 / 1.1, 1 / 1.1, 1 / 1.1])


@pytest.mark.parametrize("months", [0, 6, 18, 25])
def test_a_horizon_holds_whole_periods(months):
    with pytest.raises(DurationError, match=rf"the horizon holds {months / 12:.4g} accounting periods of years\(1\)"):
        timeline({"discounting": kw.EndOfPeriod(kw.years(1))}, months / 12)
    assert timeline({"discounting": kw.EndOfPeriod(kw.months(1))}, (months + 1) / 12).period == 1 / 12


@pytest.mark.parametrize("growth", [0.1, 0.2])
def test_margins_do_not_outgrow_discounting_for_ever(growth):
    path = {"margin": kw.Growing(start=0.3, annual_growth_rate=growth)}
    with pytest.raises(InfiniteValueError, match="margins grow at least as fast as money loses"):
        timeline(path, math.inf)
    with pytest.raises(
        SpecificationError, match=f"margins that grow by {growth:.0%} a year come to count more than 1,000 times"
    ):
        timeline({**path, "annual_discount_rate": 0.0}, 100.0)
    assert timeline(path, 30.0).growth == math.log1p(growth)


def polynomial(moments):
    """Of degree 5 in log(1 + u), applied to the moments."""
    y = np.log1p(moments.times - moments.start)
    return moments.weights @ (1 + y - 0.3 * y**2 + 0.1 * y**5)


@pytest.mark.parametrize("case", CASES)
def test_a_few_moments_do_for_all(case):
    pieces = list(timeline(CASES[case][0], 3.0).pieces())
    moments = falls(pieces, 0.001)
    assert moments.weights.sum() == pytest.approx(pieces[0].value, rel=1e-12)  # all of it falls in the end
    found = few(moments, 1.0, 3)
    assert len(found.times) <= 6
    assert polynomial(found) == pytest.approx(polynomial(moments), rel=1e-11)
    assert (found.times >= 0).all()
    assert (found.times <= 3.0 + 1e-12).all()


def test_moments_that_are_few_already_stay():
    moments = Moments(0.5, np.array([1.0, 2.0, 3.0]), np.array([0.2, -0.1, 0.4]), 0.3)
    found = few(moments, 1.0, 2)
    assert sorted(found.times) == pytest.approx([1.0, 2.0, 3.0])
    assert [found.weights.sum(), found.start, found.forever] == pytest.approx([0.5, 0.5, 0.3])


def test_a_timeline_seen_from_later_counts_the_same_money():
    economics = kw.Economics(
        margin=kw.Schedule([0.3, 0.4, 0.2], every=kw.years(1)),
        annual_discount_rate=kw.Schedule([0.1, 0.2], every=kw.months(6)),
    )
    for timeline in (
        Timeline.of(economics, 4.0, margin=True),
        Timeline.of(economics, 4.0, margin=False),
        Timeline.of(
            kw.Economics(margin=kw.Growing(start=0.3, annual_growth_rate=0.05), annual_discount_rate=0.1),
            math.inf,
            margin=True,
        ),
    ):
        u = np.array([0.1, 0.3, 0.9, 1.6, 3.2])
        for years in (0.0, 0.25, 0.5, 0.7):
            factor, later = timeline.later(years)
            assert factor * later.discount(u) == pytest.approx(timeline.discount(years + u), rel=1e-14)
