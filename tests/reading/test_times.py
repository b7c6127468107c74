"""Times as shops write them: read, or an error whose remedy reads them."""

import datetime as dt
import math
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import kundenwert as kw
from kundenwert.errors import ColumnError, DataError, RowError, SpecificationError
from tests.reading.remedies import arguments_in, mended

LIBRARIES = {
    "pandas": lambda columns: pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in columns.items()}),
    "polars": pl.DataFrame,
    "pyarrow": pa.table,
}
library = pytest.mark.parametrize("make", LIBRARIES.values(), ids=LIBRARIES)


def days(values, **arguments):
    return pd.DataFrame({"who": ["a"] * len(values), "when": pd.Series(values, **arguments)})


def summary(frame, **arguments):
    return kw.summarize(frame, **({"customer": "who", "time": "when", "unit": "day"} | arguments))


def labels(made):
    """Days of the first and the last purchase of the only customer."""
    assert len(made) == 1
    return [str(np.datetime64(int(step[0]), "D")) for step in (made.steps.first, made.steps.last)]


class TestText:
    @pytest.mark.parametrize(
        "first, last",
        [
            ("2024-01-15", "2024-01-16"),
            ("2024-1-15", "2024-1-16"),
            ("2024/01/15", "2024/01/16"),
            ("20240115", "20240116"),
            ("20240115T093000", "20240116T000000"),
            ("2024-01-15 10:00:00 UTC", "2024-01-16 00:00:00.123456 UTC"),
            ("2024-01-15 10:00:00 +0100", "2024-01-16 00:00:00 +0100"),
            ("2024-01-15T10:00:00.1234567891234Z", "2024-01-16T9:05:00Z"),
            ("2024-01-15T10:00:00,5+01", "2024-01-16T10:00+01:00"),
            (" 2024-01-15", "2024-01-16 "),
        ],
    )
    @library
    def test_iso_in_its_dresses(self, make, first, last):
        made = summary(make({"who": ["a", "a"], "when": [first, last]}), parse_dates=True)
        assert labels(made) == ["2024-01-15", "2024-01-16"]

    @pytest.mark.filterwarnings("ignore::kundenwert.errors.KundenwertWarning")  # the year 9999 is in the future
    @pytest.mark.parametrize("year", ["0001", "1582", "9999"])
    def test_far_years(self, year):
        made = summary(days([f"{year}-01-01", f"{year}-12-31T23:59:59.999999999"]), parse_dates=True)
        assert labels(made) == [f"{year}-01-01", f"{year}-12-31"]

    @pytest.mark.parametrize(
        "first, time_format",
        [
            ("15.01.2024", "%d.%m.%Y"),
            ("15.01.2024 09:30", "%d.%m.%Y %H:%M"),
            ("15/01/2024", "%d/%m/%Y"),
            ("01/15/2024 9:30 PM", "%m/%d/%Y %I:%M %p"),
            ("15 Jan 2024", "%d %b %Y"),
            ("20240115093000", "%Y%m%d%H%M%S"),
        ],
    )
    @library
    def test_the_error_names_the_format_that_reads_it(self, make, first, time_format):
        frame = make({"who": ["a"], "when": [first]})
        with pytest.raises(ColumnError, match=f"got text such as '{first}'") as refused:
            summary(frame)
        assert arguments_in(refused.value) == {"time_format": time_format}
        assert labels(summary(frame, **arguments_in(refused.value)))[0] == "2024-01-15"

    @pytest.mark.parametrize("text, time_format", [("06.2023", "%m.%Y"), ("6/2023", "%m/%Y"), ("12-2023", "%m-%Y")])
    def test_months_are_told_from_days(self, text, time_format):
        with pytest.raises(ColumnError, match=f"got text such as '{text}'.*the first of the month is taken") as refused:
            summary(days([text]))
        assert arguments_in(refused.value) == {"time_format": time_format}
        assert labels(summary(days([text]), time_format=time_format))[0] == f"2023-{text[:-5]:0>2}-01"

    def test_both_readings_are_named_where_both_are_possible(self):
        with pytest.raises(ColumnError, match="time_format='%d/%m/%Y' or time_format='%m/%d/%Y', whichever is meant"):
            summary(days(["05/01/2024", "06/02/2024"]))

    def test_iso_text_asks_for_parse_dates(self):
        with pytest.raises(ColumnError, match=r"got text such as '2024-01-15'.*pass parse_dates=True"):
            summary(days(["2024-01-15"]))

    @pytest.mark.parametrize("text", ["2024115", "202401", "2024011", "24-01-15", "15.01.2024"])
    def test_a_format_without_separators_guesses_nothing(self, text):
        with pytest.raises(RowError, match=f"holds '{text}'.*expected times written as time_format='%Y%m%d'"):
            summary(days(["20240115", text]), time_format="%Y%m%d")

    @pytest.mark.parametrize("time_format", ["ISO8601", "mixed", "", "%H:%M", "%q %Y", "%Y%", 3])
    def test_what_is_no_format(self, time_format):
        with pytest.raises(SpecificationError, match=r"is no format of dates: .*expected directives as in"):
            summary(days(["2024-01-15"]), time_format=time_format)

    def test_a_format_does_no_harm_to_dates(self):
        assert labels(summary(days([dt.date(2024, 1, 15)]), time_format="%d.%m.%Y"))[0] == "2024-01-15"

    def test_dropping_everything_shows_a_value(self):
        with pytest.raises(DataError, match=r"none of the 2 rows .*row 0 .*holds '15.01.2024'.*time_format='%d.%m.%Y'"):
            summary(days(["15.01.2024", "16.01.2024"]), parse_dates=True, on_bad_rows="drop")

    def test_an_impossible_date_has_no_offset(self):
        frame = days(["2024-01-15T10:00+01:00", "2024-02-30"])
        assert summary(frame, parse_dates=True, on_bad_rows="drop").audit.dropped == {"no readable time": 1}


class TestNumbers:
    @pytest.mark.parametrize("dtype", ["int64", "Int64", "float64", "int32", object])
    def test_numbers_such_as_20240115(self, dtype):
        frame = days([20240115, 20240116], dtype=dtype)
        with pytest.raises(ColumnError, match=r"such as 20240115.*pass time_format='%Y%m%d'"):
            summary(frame)
        assert labels(summary(frame, time_format="%Y%m%d")) == ["2024-01-15", "2024-01-16"]

    def test_gaps_among_them_are_bad_rows(self):
        frame = days([20240115.0, math.nan, 20240116.5])
        with pytest.raises(RowError, match=r"row 1 .*holds nan"):
            summary(frame, time_format="%Y%m%d")
        assert summary(frame, time_format="%Y%m%d", on_bad_rows="drop").audit.dropped == {"no readable time": 2}

    @pytest.mark.parametrize("unit, size", [("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)])
    @pytest.mark.parametrize("text", [False, True], ids=["numbers", "text"])
    @library
    def test_seconds_since_1970_are_converted_by_the_line_in_the_error(self, make, text, unit, size):
        values = [1_705_312_800 * size, 1_705_399_199 * size]  # 2024-01-15 10:00 and 2024-01-16 09:59:59, UTC
        frame = make({"who": ["a", "a"], "when": [str(value) for value in values] if text else values})
        with pytest.raises(ColumnError, match=f"such as .*{values[0]}.*'{unit}'") as refused:
            summary(frame)
        made = summary(mended(frame, refused.value), time_zone="Asia/Tokyo")
        assert labels(made) == ["2024-01-15", "2024-01-16"]
        assert made.columns.column_zone == "UTC"
        assert labels(summary(mended(frame, refused.value), time_zone="Pacific/Auckland"))[1] == "2024-01-16"

    @pytest.mark.parametrize("dates", ["whole", "with a clock", "text", "text with a comma"])
    @library
    def test_days_of_a_spreadsheet_are_converted_by_the_line_in_the_error(self, make, dates):
        """1 January 2022 is day 44562 in Excel, Google Sheets and LibreOffice."""
        values = {
            "whole": [44562, 45292],
            "with a clock": [44562.4166667, 45292.9999884],
            "text": ["44562", "45292"],
            "text with a comma": ["44562,4166667", "45292,9999884"],
        }[dates]
        frame = make({"who": ["a", "a"], "when": values})
        with pytest.raises(ColumnError, match=r"days of a spreadsheet \(44562(\.4)? is 2022-01-01\)") as refused:
            summary(frame)
        hours = summary(mended(frame, refused.value), resolution="hour", unit="hour")
        first, last = (np.datetime64(int(step[0]), "h") for step in (hours.steps.first, hours.steps.last))
        clock = "clock" in dates or "comma" in dates
        assert (str(first), str(last)) == (f"2022-01-01T{10 * clock:02}", f"2024-01-01T{23 * clock:02}")


class TestObjects:
    def test_dates_and_datetimes_mixed_keep_their_hours(self):
        frame = days([dt.date(2024, 1, 15)] * 150 + [dt.datetime(2024, 1, 15, 5)], dtype=object)  # noqa: DTZ001
        made = summary(frame, resolution="hour", unit="hour")
        assert (made.frequency.tolist(), made.recency.tolist()) == ([1], [5.0])

    @pytest.mark.parametrize("nothing", [None, math.nan, pd.NaT, pd.NA, np.datetime64("NaT", "s")], ids=repr)
    @pytest.mark.parametrize("kind", [dt.date, dt.datetime])
    def test_what_is_missing_is_a_bad_row(self, nothing, kind):
        frame = days([kind(2024, 1, 15), nothing, kind(2024, 1, 17)], dtype=object)
        with pytest.raises(RowError, match=r"row 1 of customer 'a' has no readable time: column 'when' holds"):
            summary(frame)
        made = summary(frame, on_bad_rows="drop")
        assert labels(made) == ["2024-01-15", "2024-01-17"]
        assert made.audit.dropped == {"no readable time": 1}
        with pytest.raises(DataError, match=r"none of the 2 rows .* holds"):
            summary(days([nothing, nothing], dtype=object), on_bad_rows="drop")

    @pytest.mark.parametrize("dtype", ["period[D]", object])
    def test_periods(self, dtype):
        frame = days(pd.period_range("2024-01-15", periods=2, freq="D"), dtype=dtype)
        with pytest.raises(ColumnError, match=r"such as Period\('2024-01-15', 'D'\).*a period is no moment") as refused:
            summary(frame)
        assert labels(summary(mended(frame, refused.value))) == ["2024-01-15", "2024-01-16"]

    def test_text_among_datetimes(self):
        frame = days([dt.datetime(2024, 1, 15, 5), "2024-01-16"], dtype=object)  # noqa: DTZ001
        with pytest.raises(ColumnError, match=r"values of several types \(datetime, str\), such as '2024") as refused:
            summary(frame)
        assert labels(summary(mended(frame, refused.value))) == ["2024-01-15", "2024-01-16"]

    def test_categories_of_dates(self):
        assert labels(summary(days(["2024-01-15", "2024-01-16"], dtype="category"), parse_dates=True))
        frame = days(pd.to_datetime(["2024-01-15", "2024-01-16"])).astype({"when": "category"})
        assert labels(summary(frame)) == ["2024-01-15", "2024-01-16"]


class TestZones:
    berlin = ("2023-02-01 10:00:00 +0100", "2023-07-02 00:30:00 +0200")  # winter and summer

    @library
    def test_several_offsets_need_a_zone(self, make):
        frame = make({"who": ["a", "a"], "when": list(self.berlin)})
        with pytest.raises(ColumnError, match=r"several UTC offsets: '2023-02-01 .*' and '2023-07-02 .*'") as refused:
            summary(frame, parse_dates=True)
        assert arguments_in(refused.value) == {"time_zone": "Europe/Berlin"}
        made = summary(frame, parse_dates=True, time_zone="Europe/Berlin")
        assert labels(made) == ["2023-02-01", "2023-07-02"]
        assert labels(summary(frame, parse_dates=True, time_zone="UTC")) == ["2023-02-01", "2023-07-01"]

    def test_several_offsets_of_datetimes(self):
        frame = days([dt.datetime.fromisoformat(text.replace(" +", "+")) for text in self.berlin], dtype=object)
        with pytest.raises(ColumnError, match="several UTC offsets"):
            summary(frame)
        assert labels(summary(frame, time_zone="Europe/Berlin")) == ["2023-02-01", "2023-07-02"]

    def test_several_offsets_in_a_format(self):
        frame = days(["01.02.2023 10:00 +0100", "02.07.2023 00:30 +0200"])
        with pytest.raises(ColumnError, match="several UTC offsets"):
            summary(frame, time_format="%d.%m.%Y %H:%M %z")
        made = summary(frame, time_format="%d.%m.%Y %H:%M %z", time_zone="Europe/Berlin")
        assert labels(made) == ["2023-02-01", "2023-07-02"]

    @pytest.mark.parametrize("convert", [pd.DataFrame, pl.from_pandas, lambda frame: pl.from_pandas(frame).to_arrow()])
    def test_zoned_columns_are_converted(self, convert):
        when = pd.to_datetime(["2024-01-15 23:30", "2024-01-16 22:59"], utc=True)
        frame = convert(pd.DataFrame({"who": ["a", "a"], "when": when}))
        assert labels(summary(frame)) == ["2024-01-15", "2024-01-16"]
        made = summary(frame, time_zone="Europe/Berlin", until="2024-01-17")
        assert labels(made) == ["2024-01-16", "2024-01-16"]
        assert (made.columns.column_zone, made.columns.zone) == ("UTC", "Europe/Berlin")

    def test_times_without_a_zone_are_wall_clock_times_of_it(self):
        frame = days(["2024-01-15 23:30", "2024-01-16 00:30"])
        made = summary(frame, parse_dates=True, time_zone="Europe/Berlin", until="2024-01-18T23:30+00:00")
        assert labels(made) == ["2024-01-15", "2024-01-16"]
        assert made.T.tolist() == [4.0]  # half past midnight of the 19th in Berlin
        assert made.columns.column_zone is None

    def test_an_hour_that_clocks_skip_is_no_error(self):
        assert labels(summary(days(["2024-03-31 02:30"]), parse_dates=True, time_zone="Europe/Berlin"))

    @pytest.mark.parametrize(
        "time_zone, guess",
        [("Berlin", "'Europe/Berlin'"), ("europe/berln", "'Europe/Berlin'"), ("new york", "'America/New_York'")],
    )
    def test_an_unknown_zone_is_guessed_at(self, time_zone, guess):
        with pytest.raises(SpecificationError, match=f"is no time zone; expected a name .*did you mean {guess}"):
            summary(days([dt.date(2024, 1, 15)]), time_zone=time_zone)

    @pytest.mark.parametrize("time_zone", [3, "", dt.UTC, "nowhere at all"])
    def test_what_is_no_zone(self, time_zone):
        with pytest.raises(SpecificationError, match="is no time zone; expected a name"):
            summary(days([dt.date(2024, 1, 15)]), time_zone=time_zone)

    def test_zones_of_fixed_offset_and_of_dateutil(self):
        instants = pd.to_datetime(["2024-01-15 23:30"], utc=True)
        for zone in ("UTC+02:00", "dateutil/Europe/Berlin"):
            made = summary(pd.DataFrame({"who": ["a"], "when": instants.tz_convert(zone)}))
            assert labels(made)[0] == "2024-01-16"
            again = pd.DataFrame({"who": ["a"], "when": instants + pd.Timedelta(days=1)})
            assert kw.holdout(again, made, until="2024-01-18")["purchases"].tolist() == [1]


class TestUntil:
    moments = (
        *(np.datetime64("2024-01-20"), np.datetime64("2024-01-20T05"), np.datetime64("2024-01-20T05:00:00.5")),
        *(pd.Period("2024-01-20", "D"), pd.Period("2024-01-20 05:00", "h")),
    )

    @pytest.mark.parametrize("until", moments, ids=repr)
    def test_numpy_and_periods(self, until):
        assert summary(days([dt.date(2024, 1, 15)]), until=until).T.tolist() == [5.0]
        made = summary(days([dt.date(2024, 1, 15), dt.date(2024, 1, 17)]), until="2024-01-16")
        assert kw.holdout(days([dt.date(2024, 1, 17)]), made, until=until)["purchases"].tolist() == [1]

    @pytest.mark.parametrize(
        "until",
        [np.datetime64("2024-01"), np.datetime64("NaT", "D"), pd.Period("2024-01", "M"), np.datetime64(10**6, "Y"), []],
        ids=repr,
    )
    def test_what_is_no_day(self, until):
        with pytest.raises(SpecificationError, match="is no date; expected for example until="):
            summary(days([dt.date(2024, 1, 15)]), until=until)

    def test_edges_and_origins(self):
        frame = days([dt.date(2022, 1, 15), dt.date(2023, 1, 17)])
        edges: list[Any] = [np.datetime64("2022-01-01"), pd.Period("2023-01-01", "D"), dt.date(2024, 1, 1)]
        made = kw.summarize_opportunities(frame, customer="who", time="when", edges=edges)
        assert (made.frequency.tolist(), made.opportunities.tolist()) == ([1], [1])
        with pytest.raises(SpecificationError, match=r"edges\[1\]=.* has a time of day"):
            kw.summarize_opportunities(
                frame, customer="who", time="when", edges=[edges[0], np.datetime64("2023-01-01T05"), edges[2]]
            )


class TestHoldout:
    calibration = pd.DataFrame(
        {"who": ["a"], "when": pd.to_datetime(["2024-01-01 12:00"]).tz_localize("Europe/Berlin")}
    )
    later = pd.DataFrame(  # the same evening in Berlin, two days in UTC
        {"who": ["a", "a"], "when": pd.to_datetime(["2024-01-09 23:30", "2024-01-10 22:30"], utc=True)}
    )

    def test_a_log_in_another_zone_is_converted(self):
        made = summary(self.calibration, until="2024-01-05")
        assert kw.holdout(self.later, made, until="2024-01-31")["purchases"].tolist() == [1]

    def test_so_it_is_if_the_zone_was_given(self):
        naive = self.calibration.assign(when=self.calibration["when"].dt.tz_localize(None))
        made = summary(naive, until="2024-01-05", time_zone="Europe/Berlin")
        assert kw.holdout(self.later, made, until="2024-01-31")["purchases"].tolist() == [1]

    def test_what_cannot_be_known_is_refused(self):
        naive = self.later.assign(when=self.later["when"].dt.tz_localize(None))
        made = summary(self.calibration, until="2024-01-05")
        with pytest.raises(
            ColumnError, match=r"have no time zone, .* are in Europe/Berlin, so that nothing tells"
        ) as no:
            kw.holdout(naive, made, until="2024-01-31")
        assert kw.holdout(mended(naive, no.value), made, until="2024-01-31")["purchases"].tolist() == [2]
        made = summary(self.calibration.assign(when=self.calibration["when"].dt.tz_localize(None)), until="2024-01-05")
        with pytest.raises(ColumnError, match=r"are in UTC, .* have no time zone, .*time_zone='UTC'"):
            kw.holdout(self.later, made, until="2024-01-31")

    def test_text_is_read_as_it_was(self):
        made = summary(
            pd.DataFrame({"who": ["a"], "when": ["01.01.2024"], "paid": ["1.234,50"]}),
            time_format="%d.%m.%Y",
            decimal=",",
            amount="paid",
            until="2024-01-05",
        )
        later = pd.DataFrame({"who": ["a"], "when": ["06.01.2024"], "paid": ["2.000,25"]})
        table = kw.holdout(later, made, until="2024-01-31")
        assert (table["purchases"].tolist(), table["spend"].tolist()) == ([1], [2000.25])


@pytest.mark.parametrize("bad_rows", ["raise", "drop"])
@pytest.mark.parametrize(
    "wrong",
    [10**40, -(10**400), np.array([1, 2]), pd.DataFrame({"a": [1, 2]}), pd.Series([1, 2]), [1], {"a": 1}],
    ids=["huge", "hugely negative", "array", "frame", "series", "list", "dictionary"],
)
@pytest.mark.parametrize(
    "beside", [[], [pd.Timestamp("2024-01-15")], [1.5]], ids=["alone", "beside a time", "a number"]
)
def test_what_is_no_time_at_all(wrong, beside, bad_rows):
    column = pd.Series([None] * (len(beside) + 1), dtype=object)
    for place, value in enumerate([*beside, wrong]):
        column.iloc[place] = value
    with pytest.raises(ColumnError, match="times in column 'when' must be dates or datetimes"):
        summary(pd.DataFrame({"who": "a", "when": column}), on_bad_rows=bad_rows)
