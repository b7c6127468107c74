"""Contracts from dates: renewals against a count day by day, ends in every dress, and what is refused."""

import calendar
import random
import re
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import kundenwert as kw
from kundenwert.errors import ColumnError, DataError, RowError, SpecificationError

NAMES = {"customer": "who", "start": "start", "end": "end"}
MONTHS = {"month": 1, "quarter": 3, "year": 12}


def summarized(frame, **arguments):
    return kw.summarize_contracts(frame, **(NAMES | {"until": "2026-06-30", "every": "month"} | arguments))


def one(start, end=None, **arguments):
    """Renewals made, and whether it ended, of one contract."""
    frame = pl.DataFrame({"who": ["a"], "start": [start], "end": [end]}, schema_overrides={"end": pl.Date})
    histories = summarized(frame, **arguments)
    return int(histories.tenure[0]), int(histories.ended[0])


def due(start, every):
    """Days of renewal one by one, by plain counting: the day of the start in later months, or their last day."""
    year, month, day = start.year, start.month, start.day
    for number in range(1, 10_000):
        if every == "week":
            yield start + timedelta(days=7 * number)
        elif isinstance(every, int):
            yield start + timedelta(days=every * number)
        else:
            later = month - 1 + MONTHS[every] * number
            there = (year + later // 12, later % 12 + 1)
            yield date(*there, min(day, calendar.monthrange(*there)[1]))


def counted(start, end, until, every):
    """Go through the days from the start and see which of them are days of renewal."""
    days, renewals = due(start, every), 0
    following = next(days)
    day = start
    over = end is not None and end <= until
    while day <= until and not (over and day >= end):
        if day == following:
            renewals += 1
            following = next(days)
        day += timedelta(days=1)
    return renewals, int(over)


@pytest.mark.parametrize("every", ["month", "quarter", "year", "week", 28])
def test_renewals_are_those_of_a_count_day_by_day(every):
    rng = random.Random(7)  # noqa: S311 - not for secrets
    first, until = date(2019, 12, 15), date(2024, 3, 1)
    special = [date(2020, 1, 31), date(2020, 2, 29), date(2021, 8, 30), date(2023, 12, 31), until]
    starts = [*special, *(first + timedelta(days=rng.randrange((until - first).days)) for _ in range(250))]
    ends = [None if rng.random() < 0.3 else start + timedelta(days=rng.randrange(900)) for start in starts]
    frame = pl.DataFrame({"who": range(len(starts)), "start": starts, "end": ends})
    given = kw.days(every) if isinstance(every, int) else every
    histories = summarized(frame, until=until, every=given)
    expected = [counted(start, end, until, every) for start, end in zip(starts, ends, strict=True)]
    assert list(zip(histories.tenure.tolist(), histories.ended.tolist(), strict=True)) == expected


@pytest.mark.parametrize(
    "start, until, every, renewals",
    [
        ((2023, 1, 31), "2023-02-27", "month", 0),
        ((2023, 1, 31), "2023-02-28", "month", 1),
        ((2024, 1, 31), "2024-02-28", "month", 0),
        ((2024, 1, 31), "2024-03-30", "month", 1),
        ((2024, 1, 31), "2024-03-31", "month", 2),
        ((2024, 2, 29), "2025-02-27", "year", 0),
        ((2024, 2, 29), "2025-02-28", "year", 1),
        ((2024, 2, 29), "2028-02-28", "year", 3),
        ((2024, 2, 29), "2028-02-29", "year", 4),
        ((2024, 11, 30), "2025-02-28", "quarter", 1),
        ((2024, 1, 1), "2024-01-07", "week", 0),
        ((2024, 1, 1), "2024-01-08", "week", 1),
        ((2024, 1, 31), "2024-07-30", kw.months(6), 0),
        ((2024, 1, 31), "2024-07-31", kw.months(6), 1),
        ((2024, 1, 31), "2025-01-31", kw.years(1), 1),
        ((1890, 5, 31), "1890-06-30", "month", 1),
    ],
)
def test_ends_of_months_and_leap_days(start, until, every, renewals):
    assert one(date(*start), until=until, every=every) == (renewals, 0)


def test_the_last_day_and_the_day_after_are_the_same_end():
    assert one(date(2024, 1, 15), date(2024, 3, 14)) == one(date(2024, 1, 15), date(2024, 3, 15)) == (1, 1)
    assert one(date(2024, 1, 15), date(2024, 3, 16)) == (2, 1)  # ended in the middle of the third period
    assert one(date(2024, 1, 15), date(2024, 1, 15)) == (0, 1)


def test_an_end_ahead_is_no_end_yet():
    assert one(date(2026, 1, 15), date(2026, 7, 1)) == (5, 0)
    assert one(date(2026, 1, 15), date(9999, 12, 31)) == (5, 0)
    assert one(date(2026, 1, 15), date(2026, 6, 30)) == (5, 1)


def rows(**columns):
    frame = {
        "who": ["a", "b", "c"],
        "start": ["2024-01-31", "2024-02-29", "2025-05-05"],
        "end": [None, "2024-05-31", None],
    }
    return frame | columns


@pytest.mark.parametrize(
    "make",
    [
        pd.DataFrame,
        pl.DataFrame,
        lambda given: pl.DataFrame(given).to_arrow(),
        lambda given: pd.DataFrame(given).astype({"start": "datetime64[s]", "end": "datetime64[ns]"}),
        lambda given: pl.DataFrame(given).with_columns(pl.col("start", "end").str.to_date()),
        lambda given: pd.DataFrame(given).map(lambda text: date.fromisoformat(text) if len(str(text)) == 10 else text),
    ],
    ids=["pandas text", "Polars text", "Arrow text", "pandas datetimes", "Polars dates", "Python dates"],
)
def test_dates_in_every_dress(make):
    histories = summarized(make(rows()), parse_dates=True)
    assert histories.to_pandas().to_numpy().tolist() == [["a", 29, 0], ["b", 3, 1], ["c", 13, 0]]
    assert histories.every == kw.months(1)


def test_an_end_that_is_all_open_and_a_written_format():
    histories = summarized(rows_frame(end=[None] * 3), parse_dates=True)
    assert histories.ended.tolist() == [0, 0, 0]
    german = pd.DataFrame(rows(start=["31.01.2024", "29.02.2024", "05.05.2025"], end=[None, "31.05.2024", None]))
    assert summarized(german, time_format="%d.%m.%Y").tenure.tolist() == [29, 3, 13]


def rows_frame(**columns):
    return pd.DataFrame(rows(**columns))


def test_zones_are_those_of_the_columns_or_of_the_one_asked_for():
    moment = pd.to_datetime(["2024-01-31 23:30"]).tz_localize("UTC")
    frame = pd.DataFrame({"who": [1], "start": moment, "end": pd.Series([pd.NaT], dtype="datetime64[ns, UTC]")})
    assert summarized(frame, until="2024-02-29").tenure.tolist() == [1]
    # in Berlin it is 1 February by then
    assert summarized(frame, until="2024-02-29", time_zone="Europe/Berlin").tenure.tolist() == [0]
    assert summarized(frame, until=datetime.fromisoformat("2024-03-01T00:30+01:00")).tenure.tolist() == [1]


def test_contracts_that_begin_later_are_left_out_and_audited():
    histories = summarized(rows_frame(), parse_dates=True, until="2024-12-31")
    assert histories.customer_id.tolist() == ["a", "b"]
    assert histories.audit.dropped == {"start after until": 1}
    assert (histories.audit.rows_read, histories.audit.kept) == (3, 2)
    with pytest.raises(DataError, match=r"none of the 3 contracts can be used.*start after until"):
        summarized(rows_frame(), parse_dates=True, until="2020-01-01")


def test_cohorts_are_a_column_or_periods_of_the_calendar():
    assert summarized(rows_frame(plan=["x", "y", "x"]), parse_dates=True, cohort="plan").cohorts == ("x", "y")
    for every, labels in {
        "month": ("2024-01", "2024-02", "2025-05"),
        "quarter": ("2024-Q1", "2025-Q2"),
        "year": ("2024", "2025"),
        "week": ("2024-01-29", "2024-02-26", "2025-05-05"),
    }.items():
        assert summarized(rows_frame(), parse_dates=True, cohort_every=every).cohorts == labels
    with pytest.raises(SpecificationError, match="either a column or periods"):
        summarized(rows_frame(plan=["x", "y", "x"]), parse_dates=True, cohort="plan", cohort_every="month")


BAD: dict[str, Any] = {
    "no customer id": ({"who": ["a", None, "c"]}, "row 1 has no customer id: column 'who' holds (None|nan)"),
    "no readable start": ({"start": ["2024-01-31", "soon", "2025-05-05"]}, "row 1 of customer 'b' .* holds soon"),
    "no readable end": ({"end": ["2024-13-01", "2024-05-31", None]}, "row 0 of customer 'a' .* holds 2024-13-01"),
    "an end before the start": (
        {"end": [None, "2024-02-28", None]},
        "row 1 of customer 'b' has an end before the start: column 'end' holds 2024-02-28, and 'start' 2024-02-29",
    ),
}


@pytest.mark.parametrize("reason", BAD)
def test_bad_rows_are_refused_or_dropped_and_counted(reason):
    columns, words = BAD[reason]
    with pytest.raises(RowError, match=rf"{words}.*on_bad_rows='drop'"):
        summarized(rows_frame(**columns), parse_dates=True)
    histories = summarized(rows_frame(**columns), parse_dates=True, on_bad_rows="drop")
    assert len(histories) == 2
    assert histories.audit.dropped == {reason: 1}


@pytest.mark.parametrize("blank", ["", "  "])
def test_an_end_that_is_blank_is_open(blank):
    made = summarized(rows_frame(end=[blank, "2024-05-31", blank]), parse_dates=True)
    nothing = summarized(rows_frame(end=[None, "2024-05-31", None]), parse_dates=True)
    pd.testing.assert_frame_equal(made.to_pandas(), nothing.to_pandas())
    assert "refunds" not in str(made.audit)


@pytest.mark.parametrize("on_bad_rows", ["raise", "drop"])
@pytest.mark.parametrize("word", ["unbefristet", "open", "-"])
def test_contracts_that_go_on_in_words_are_never_dropped(word, on_bad_rows):
    frame = rows_frame(end=[word, "2024-05-31", word])
    with pytest.raises(RowError, match=rf"row 0 has '{word}' in column 'end' \(2 such rows\)") as refused:
        summarized(frame, parse_dates=True, on_bad_rows=on_bad_rows)
    line = re.search(r"table\['end'\] = .*?None\)", str(refused.value))
    assert line is not None
    exec(line[0], {"table": frame})  # noqa: S102 -- that the line works is what is tested
    assert summarized(frame, parse_dates=True).ended.tolist() == [0, 1, 0]


@pytest.mark.parametrize("every", ["day", 1, kw.days(0), kw.LIFETIME, kw.renewals(1), kw.days(0.5), None], ids=repr)
def test_the_interval_is_a_whole_number_of_months_or_days(every):
    with pytest.raises(SpecificationError, match=r"every=.* is no time between two renewals"):
        one(date(2024, 1, 1), every=every)


def test_what_else_is_refused():
    with pytest.raises(RowError, match=r"'a' occurs more than once.*second contract an id of its own"):
        summarized(rows_frame(who=["a", "a", "c"]), parse_dates=True)
    with pytest.raises(ColumnError, match="parse_dates=True"):
        summarized(rows_frame())
    with pytest.raises(ColumnError, match="no column 'ende'"):
        summarized(rows_frame(), end="ende", parse_dates=True)
    with pytest.raises(DataError, match="no rows"):
        summarized(rows_frame().head(0))
    with pytest.raises(SpecificationError, match="no date"):
        summarized(rows_frame(), parse_dates=True, until="2024-13-01")


def test_they_are_fitted_like_others():
    rng = np.random.default_rng(3)
    start = np.datetime64("2022-01-01") + rng.integers(0, 700, 300)
    end = start + rng.geometric(0.004, 300)
    frame = pd.DataFrame({"who": range(300), "start": start, "end": end})
    histories = summarized(frame, until="2024-03-31")
    posterior = kw.fit(kw.ShiftedBetaGeometric(), histories, seed=1)
    # of those who leave with probability .004 a day, .886 are left after a month of 30.4 days
    assert posterior.retention_curve(up_to=kw.renewals(1))["mean"].iloc[0] == pytest.approx(0.885, abs=0.03)
