"""Durations and units: a month is a twelfth of 365.25 days, and a bare number is no duration."""

import math
import pickle
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kundenwert as kw
from kundenwert.duration import check_duration, check_unit, steps_per_unit, units_per_year
from kundenwert.errors import DurationError, SpecificationError

DAYS: dict[Any, Any] = {
    "hour": Fraction(1, 24),
    "day": 1,
    "week": 7,
    "month": Fraction(36525, 1200),
    "year": Fraction(36525, 100),
}
MAKERS = {"hour": kw.hours, "day": kw.days, "week": kw.weeks, "month": kw.months, "year": kw.years}


@pytest.mark.parametrize("to", DAYS)
@pytest.mark.parametrize("unit", DAYS)
def test_every_unit_converts_into_every_other(unit, to):
    assert MAKERS[unit](3).in_unit(to) == pytest.approx(float(3 * DAYS[unit] / DAYS[to]), rel=1e-14)


def test_units_agree_with_each_other():
    assert kw.weeks(2) == kw.days(14) == kw.hours(336)
    assert kw.months(12) == kw.years(1)
    assert kw.days(1) < kw.weeks(1) < kw.months(1) < kw.years(1) < kw.LIFETIME
    assert units_per_year("day") == 365.25
    assert units_per_year("month") == pytest.approx(12, rel=1e-15)
    assert steps_per_unit("week", "hour") == pytest.approx(168, rel=1e-15)


@given(st.floats(0, 1e6), st.sampled_from(sorted(DAYS)))
def test_there_and_back(count, unit):
    assert MAKERS[unit](count).in_unit(unit) == pytest.approx(count, rel=1e-14)


def test_lifetime_has_no_end():
    assert kw.LIFETIME.is_lifetime
    assert kw.LIFETIME.in_unit("week") == math.inf
    assert not kw.years(1000).is_lifetime


@pytest.mark.parametrize(
    "duration, text",
    [
        (kw.years(2), "years(2)"),
        (kw.months(7), "months(7)"),
        (kw.weeks(26), "weeks(26)"),
        (kw.days(90), "days(90)"),
        (kw.days(2.5), "days(2.5)"),
        (kw.LIFETIME, "LIFETIME"),
    ],
)
def test_text_is_how_it_would_be_written(duration, text):
    assert repr(duration) == text


def test_it_is_a_value():
    assert pickle.loads(pickle.dumps(kw.weeks(3))) == kw.weeks(3)  # noqa: S301 - of our own making
    assert len({kw.weeks(1), kw.days(7)}) == 1
    with pytest.raises(AttributeError):
        kw.weeks(3).in_days = 1.0  # type: ignore[misc]  # frozen


@pytest.mark.parametrize("count", [-1, math.nan, math.inf, True, "3", None], ids=repr)
@pytest.mark.parametrize("make", MAKERS.values())
def test_what_is_no_length_is_refused(make, count):
    with pytest.raises(SpecificationError):
        make(count)


@pytest.mark.parametrize("value", [26, 26.0, "26", None], ids=repr)
def test_a_bare_number_is_no_duration(value):
    with pytest.raises(DurationError, match=r"horizon takes a Duration.*kundenwert.weeks\(26\)") as refusal:
        check_duration(value, "horizon")
    assert isinstance(refusal.value, TypeError)


def test_lifetime_is_allowed_only_where_said():
    assert check_duration(kw.LIFETIME, "horizon", lifetime=True) is kw.LIFETIME
    with pytest.raises(SpecificationError, match="horizon must be finite"):
        check_duration(kw.LIFETIME, "horizon")


@pytest.mark.parametrize("unit", ["weeks", "W", "", "fortnight"])
def test_unknown_units_are_refused_with_the_known_ones(unit):
    with pytest.raises(SpecificationError, match="'day', 'week', 'month'"):
        check_unit(unit)


COUNTERS: dict[str, Any] = {"opportunities": kw.opportunities, "renewals": kw.renewals}
OTHER: dict[str, Any] = {"opportunities": "renewal", "renewals": "opportunity"}
SINGULAR: dict[str, Any] = {"opportunities": "opportunity", "renewals": "renewal"}


@pytest.mark.parametrize("name", COUNTERS)
def test_counted_periods_are_values(name):
    five: Any = COUNTERS[name](5)
    assert isinstance(five, kw.Periods)
    assert (five.count, five.of) == (5, SINGULAR[name])
    assert five.in_unit(SINGULAR[name]) == 5.0
    assert repr(five) == f"{name}(5)"
    assert not five.is_lifetime
    assert five == COUNTERS[name](5) != COUNTERS[name](6)
    assert kw.opportunities(5) != kw.renewals(5)
    assert pickle.loads(pickle.dumps(five)) == five  # noqa: S301 - of our own making
    with pytest.raises(AttributeError):
        five.count = 6  # type: ignore[misc]  # frozen
    assert check_duration(five, "horizon") is five


@pytest.mark.parametrize("count", [-1, True, False, 2.0, 2.5, math.nan, math.inf, "3", None, 10**16], ids=repr)
@pytest.mark.parametrize("name", COUNTERS)
def test_periods_are_counted_in_whole_numbers(name, count):
    with pytest.raises(SpecificationError, match=rf"{name}\(…\) takes a whole number of at least 0, got") as refusal:
        COUNTERS[name](count)
    assert repr(count) in str(refusal.value)


@pytest.mark.parametrize("unit", DAYS)
@pytest.mark.parametrize("name", COUNTERS)
def test_counts_and_times_do_not_convert(name, unit):
    with pytest.raises(DurationError, match=rf"time is measured in {unit}s here, got {name}\(5\).*{unit}s\(26\)"):
        COUNTERS[name](5).in_unit(unit)
    with pytest.raises(
        DurationError, match=rf"{name} are counted here, got .*write for example kundenwert.{name}\(5\)"
    ):
        MAKERS[unit](3).in_unit(SINGULAR[name])


@pytest.mark.parametrize("name", COUNTERS)
def test_counts_of_one_kind_are_not_those_of_another(name):
    with pytest.raises(DurationError, match=rf"are counted here, got {name}\(5\)"):
        COUNTERS[name](5).in_unit(OTHER[name])
    with pytest.raises(SpecificationError, match="unknown time unit 'opportunities'"):
        COUNTERS[name](5).in_unit("opportunities")


@pytest.mark.parametrize("unit", ["opportunity", "renewal"])
def test_nothing_and_forever_are_the_same_in_time_and_in_counts(unit: Any):
    assert kw.LIFETIME.in_unit(unit) == math.inf
    assert kw.days(0).in_unit(unit) == 0
