"""summarize: every rule about times, ids, refunds and unusable rows, and a slow reference that agrees with it."""

import datetime as dt
import math
import re
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kundenwert.datasets import cdnow
from kundenwert.errors import ColumnError, DataError, RowError, SpecificationError
from kundenwert.transactions import summarize


@dataclass(frozen=True)
class Needs:
    needs: tuple[str, ...]
    clock: str = "time"


def log(*rows, zone=None):
    """One row per (customer, time, amount)."""
    frame = pd.DataFrame(rows, columns=["who", "when", "paid"])
    return frame.assign(
        when=pd.to_datetime(frame["when"], format="ISO8601").dt.tz_localize(zone), paid=frame["paid"].astype(float)
    )


def summary(frame, **arguments):
    return summarize(frame, **({"customer": "who", "time": "when", "amount": "paid", "unit": "day"} | arguments))


def column(made, name):
    return dict(zip(made.customer_id, made.to_pandas()[name], strict=True))


class TestCDNOW:
    @pytest.fixture
    def made(self):
        return summarize(cdnow(), customer="customer_id", time="date", amount="amount", until="1997-09-30")

    def test_published_totals(self, made):
        assert len(made) == 2357
        assert made.frequency.sum() == 2457
        assert (made.frequency > 0).sum() == 946
        assert made.T.sum() == pytest.approx(77111.2857142857, rel=1e-13)
        assert made.recency.sum() == pytest.approx(16135.5714285714, rel=1e-13)

    def test_the_first_buyers_are_observed_for_272_days(self, made):
        assert made.T.max() == pytest.approx(272 / 7)
        assert (made.steps.until - made.steps.first).max() == 272

    def test_distinct_histories(self, made):
        assert len(made.cells(Needs(("x", "t_x", "T")))) == 1016

    def test_audit(self, made):
        audit = made.audit
        assert (audit.rows_read, audit.kept, audit.merged, audit.refunds) == (6919, 2357 + 2457, 146, 0)
        assert audit.dropped == {"after until": 1959}
        assert "6,919 rows read\n4,814 rows kept\n" in str(audit)
        assert "1,959 rows dropped: after until\n2,357 customers with a history\n" in str(audit)

    def test_the_audit_tells_the_window_and_what_repeats(self, made):
        assert str(made.audit).startswith(
            "rows from 1997-01-01 to 1998-06-30, by the day, without a time zone; observed until 1997-09-30\n"
        )
        log = cdnow().query("date <= '1997-09-30'")
        assert made.audit.duplicates == log.duplicated(["customer_id", "date", "amount"]).sum() > 0
        assert str(made.audit).endswith("\n9 of the rows repeat another one, alike in id, time and amount")

    def test_mean_spend_of_the_first_customer(self, made):
        assert made.to_pandas()["monetary_value"][0] == pytest.approx((29.73 + 14.96) / 2)


class TestTimes:
    def test_times_are_whole_steps(self):
        made = summary(log(("a", "2024-01-01 23:59", 1), ("a", "2024-01-03 00:01", 1)), until="2024-01-10")
        assert column(made, "recency") == {"a": 2.0}
        assert column(made, "T") == {"a": 9.0}

    def test_the_whole_until_day_is_observed(self):
        made = summary(log(("a", "2024-01-01", 1), ("a", "2024-01-31 23:59:59", 1)), until="2024-01-31")
        assert column(made, "frequency") == {"a": 1}

    @pytest.mark.parametrize(
        "until",
        [
            "2024-01-31",
            "2024-01-31T08:00",
            "2024-01-31 08:00:00",
            dt.date(2024, 1, 31),
            dt.datetime(2024, 1, 31, 8),  # noqa: DTZ001 -- wall-clock time, like the column
            pd.Timestamp("2024-01-31"),
        ],
        ids=["date string", "T string", "blank string", "date", "datetime", "Timestamp"],
    )
    def test_until_may_be_written_in_many_ways(self, until):
        assert column(summary(log(("a", "2024-01-01", 1)), until=until), "T") == {"a": 30.0}

    @pytest.mark.parametrize("until", ["2024", "20240131", "2024-02-30", "31.01.2024", pd.NaT, 738_886, ""])
    def test_what_is_no_date_is_refused(self, until):
        with pytest.raises(SpecificationError, match=r"until=.* is no date; expected for example until='1997-09-30'"):
            summary(log(("a", "2024-01-01", 1)), until=until)

    def test_until_is_the_last_step_of_the_log_by_default(self):
        made = summary(log(("a", "2024-01-01", 1), ("b", "2024-01-05", 1), ("a", "2024-01-08", -1)))
        assert column(made, "T") == {"a": 7.0, "b": 3.0}

    def test_nothing_may_be_observed_after_the_first_purchase(self):
        made = summary(log(("a", "2024-01-01", 1)))
        assert column(made, "T") == {"a": 0.0}
        assert column(made, "recency") == {"a": 0.0}

    def test_weeks_start_on_monday(self):
        sunday, monday, next_sunday = "2024-01-07", "2024-01-08", "2024-01-14"
        made = summary(log(("a", sunday, 1), ("a", monday, 1), ("a", next_sunday, 1)), resolution="week", unit="week")
        assert column(made, "frequency") == {"a": 1}
        assert made.audit.merged == 1
        assert column(made, "T") == {"a": 1.0}

    @pytest.mark.parametrize("until", ["2024-01-22", "2024-01-28"])
    def test_until_stands_for_its_whole_week(self, until):
        made = summary(log(("a", "2024-01-03", 1), ("a", "2024-01-28", 1)), resolution="week", unit="day", until=until)
        assert column(made, "T") == {"a": 21.0}
        assert column(made, "frequency") == {"a": 1}

    def test_hours(self):
        rows = log(("a", "2024-01-01 10:59", 1), ("a", "2024-01-01 11:00", 1), ("a", "2024-01-01 11:59", 1))
        made = summary(rows, resolution="hour", unit="hour", until="2024-01-01")
        assert column(made, "frequency") == {"a": 1}
        assert column(made, "T") == {"a": 13.0}  # a date means all of that day: up to 23:59
        assert column(summary(rows, resolution="hour", unit="hour", until="2024-01-01T12:30"), "T") == {"a": 2.0}

    def test_times_before_1970(self):
        made = summary(log(("a", "1969-12-28 23:00", 1), ("a", "1969-12-29 01:00", 1)), resolution="week", unit="week")
        np.testing.assert_array_equal([made.steps.first, made.steps.last], [[-1], [0]])  # Sunday, Monday
        days = summary(log(("a", "1969-12-31 23:00", 1), ("a", "1970-01-01 01:00", 1)))
        assert column(days, "recency") == {"a": 1.0}

    @pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Etc/GMT+5", "UTC"])
    @pytest.mark.parametrize("convert", [pd.DataFrame, pl.from_pandas, lambda frame: pl.from_pandas(frame).to_arrow()])
    def test_days_are_those_of_the_columns_time_zone(self, zone, convert):
        frame = log(("a", "2024-03-30 00:30", 1), ("a", "2024-03-30 23:30", 1), ("a", "2024-04-01 00:10", 1), zone=zone)
        made = summary(convert(frame), until="2024-04-01")
        assert column(made, "frequency") == {"a": 1}
        assert column(made, "recency") == {"a": 2.0}  # 47 hours apart in Berlin, where clocks went forward

    @pytest.mark.parametrize("day, elapsed", [("2024-03-31", 23), ("2024-10-27", 25)])
    def test_a_day_is_a_day_when_clocks_change(self, day, elapsed):
        frame = log(("a", f"{day} 00:00", 1), zone="Europe/Berlin")
        later = frame.assign(when=frame["when"] + pd.Timedelta(hours=elapsed))
        assert column(summary(pd.concat([frame, later])), "recency") == {"a": 1.0}

    def test_both_passes_of_the_repeated_hour_are_one_step(self):
        when = pd.to_datetime(["2024-10-27 00:30", "2024-10-27 01:30"], utc=True).tz_convert("Europe/Berlin")
        made = summary(pd.DataFrame({"who": ["a", "a"], "when": when, "paid": [1.0, 2.0]}), resolution="hour")
        assert made.audit.merged == 1

    def test_until_with_a_time_zone_is_converted(self):
        frame = log(("a", "2024-01-01", 1), ("a", "2024-01-03 00:30", 1), zone="Europe/Berlin")
        late_evening_in_london = pd.Timestamp("2024-01-02 23:45", tz="Europe/London")
        assert column(summary(frame, until=late_evening_in_london), "T") == {"a": 2.0}
        assert column(summary(frame, until="2024-01-02T23:45+00:00"), "T") == {"a": 2.0}

    def test_until_with_a_time_zone_needs_one_in_the_log(self):
        with pytest.raises(SpecificationError, match="has a time zone, but the times of the log have none"):
            summary(log(("a", "2024-01-01", 1)), until="2024-01-02T10:00Z")

    @pytest.mark.parametrize(
        "times",
        [
            pd.Series([dt.date(2024, 1, 1), dt.date(2024, 1, 3)]),
            pd.Series(pd.to_datetime(["2024-01-01", "2024-01-03"])).astype("datetime64[ns]"),
            pd.Series(pd.to_datetime(["2024-01-01", "2024-01-03"])).astype("datetime64[s]"),
            pd.Series([dt.date(2024, 1, 1), dt.date(2024, 1, 3)]).astype("date32[pyarrow]"),
        ],
        ids=["date objects", "nanoseconds", "seconds", "Arrow dates"],
    )
    def test_dates_and_datetimes_of_any_precision(self, times):
        frame = pd.DataFrame({"who": ["a", "a"], "when": times, "paid": [1.0, 2.0]})
        assert column(summary(frame), "recency") == {"a": 2.0}

    def test_polars_dates(self):
        frame = pl.DataFrame({"who": ["a", "a"], "when": [dt.date(2024, 1, 1), dt.date(2024, 1, 3)]})
        assert column(summary(frame, amount=None), "recency") == {"a": 2.0}

    @pytest.mark.parametrize(
        "times, hint",
        [
            (["2024-01-01"], "got text such as '2024-01-01', .* these look like ISO dates: pass parse_dates=True"),
            ([20240101], "got Int64, such as 20240101; numbers do not tell their unit or origin"),
            ([dt.time(12)], "got Object, such as .*; convert the column to dates or datetimes of one time zone"),
        ],
    )
    def test_other_times_are_refused_with_a_hint(self, times, hint):
        with pytest.raises(ColumnError, match=f"times in column 'when' must be dates or datetimes, {hint}"):
            summary(pd.DataFrame({"who": ["a"], "when": times, "paid": [1.0]}))


class TestParsing:
    @pytest.mark.parametrize("convert", [pd.DataFrame, pl.from_pandas, lambda frame: pl.from_pandas(frame).to_arrow()])
    def test_iso_strings_are_read_when_allowed(self, convert):
        frame = pd.DataFrame({"who": ["a"] * 3, "when": ["2024-01-01", "2024-01-02T23:59:59.5", "2024-01-04 00:00"]})
        made = summary(convert(frame), amount=None, parse_dates=True)
        np.testing.assert_array_equal(made.gaps.values, [1, 2])

    @pytest.mark.parametrize("text", ["2024012", "2024-1", "02.01.2024", "2024-02-30", "2024-01", "", "now"])
    def test_anything_else_is_unreadable(self, text):
        frame = pd.DataFrame({"who": ["a", "b"], "when": ["2024-01-01", text]})
        with pytest.raises(
            RowError, match=rf"row 1 of customer 'b' has no readable time: column 'when' holds '{text}'"
        ):
            summary(frame, amount=None, parse_dates=True)
        made = summary(frame, amount=None, parse_dates=True, on_bad_rows="drop")
        assert made.audit.dropped == {"no readable time": 1}
        assert made.audit.customers_left_out == {"unusable rows only": 1}

    def test_one_utc_offset_is_a_time_zone(self):
        frame = pd.DataFrame({"who": ["a", "a"], "when": ["2024-01-01T23:30+02:00", "2024-01-02T00:30+02:00"]})
        made = summary(frame, amount=None, parse_dates=True, until="2024-01-03T23:00+00:00")
        assert column(made, "recency") == {"a": 1.0}
        assert column(made, "T") == {"a": 3.0}

    @pytest.mark.parametrize(
        "second, message",
        [("2024-01-02T00:30+01:00", "have several UTC offsets"), ("2024-01-02T00:30", "only some times .* have a UTC")],
    )
    def test_several_utc_offsets_are_refused(self, second, message):
        frame = pd.DataFrame({"who": ["a", "a"], "when": ["2024-01-01T23:30+02:00", second]})
        with pytest.raises(ColumnError, match=rf"{message}.* '2024-01-01T23:30\+02:00' and {re.escape(repr(second))}"):
            summary(frame, amount=None, parse_dates=True)


class TestCustomers:
    def test_histories_stand_in_order_of_first_appearance(self):
        made = summary(log(("c", "2024-01-05", 1), ("a", "2024-01-01", 1), ("c", "2024-01-01", 1)))
        assert list(made.customer_id) == ["c", "a"]

    @pytest.mark.parametrize(
        "ids",
        [
            pd.Series([9, 2, 9]),
            pd.Series([9, 2, 9], dtype="Int64"),
            pd.Series(["z", "ä", "z"]),
            pd.Series(["z", "ä", "z"], dtype=object),
            pd.Series(["z", "ä", "z"], dtype="string"),
            pd.Series(["z", "ä", "z"], dtype="category"),
            pd.Series(pd.Categorical(["z", "b", "z"], categories=["z", "unused", "b"], ordered=True)),
        ],
        ids=["int64", "Int64", "str", "object", "string", "category", "ordered category"],
    )
    def test_ids_come_back_as_they_went_in(self, ids):
        frame = log((0, "2024-01-01", 1), (0, "2024-01-02", 1), (0, "2024-01-03", 1)).assign(who=ids)
        returned = summary(frame).to_pandas()["customer_id"]
        pd.testing.assert_series_equal(returned, ids.iloc[:2].rename("customer_id"))

    @pytest.mark.parametrize("dtype", [pl.Int64, pl.UInt8, pl.String, pl.Categorical, pl.Enum(["7", "9", "2"])])
    def test_polars_and_pyarrow_agree_with_pandas(self, dtype):
        frame = pl.DataFrame({"who": pl.Series(["9", "2", "9"]).cast(dtype), "when": [dt.date(2024, 1, 3)] * 3})
        made = [summary(native, amount=None).to_pandas() for native in (frame, frame.to_arrow(), frame.to_pandas())]
        for other in made[1:]:
            pd.testing.assert_frame_equal(made[0], other, check_dtype=False, check_categorical=False)
        assert list(made[0]["customer_id"].astype(str)) == ["9", "2"]

    @pytest.mark.parametrize(
        "ids, hint",
        [
            ([1.0, 2.0], "got Float64, such as 1.0; floats are not exact and often integers with gaps"),
            ([True, False], "got Boolean, such as True; cast the column to string or to integer"),
            ([1, "a"], r"got both 1 \(int\) and 'a' \(str\); cast them to text"),
            ([dt.date(2024, 1, 1)] * 2, r"got datetime.date\(2024, 1, 1\) \(date\); cast them to text"),
        ],
    )
    def test_other_ids_are_refused(self, ids, hint):
        frame = log(("a", "2024-01-01", 1), ("a", "2024-01-02", 1)).assign(who=ids)
        with pytest.raises(ColumnError, match=f"ids in column 'who' must be strings, integers or categories, {hint}"):
            summary(frame)

    def test_customers_without_a_history_are_audited(self):
        made = summary(
            log(
                ("kept", "2024-01-01", 1),
                ("late", "2024-03-01", 1),
                ("late", "2024-01-01", -1),
                ("sorry", "2024-01-01", -1),
                ("blank", "2024-01-01", math.nan),
            ),
            until="2024-01-31",
            on_bad_rows="drop",
        )
        assert list(made.customer_id) == ["kept"]
        assert made.audit.customers_left_out == {
            "first purchase after until": 1,
            "refunds only": 1,
            "unusable rows only": 1,
        }


class TestAmounts:
    def test_purchases_of_one_step_merge_and_their_amounts_add_up(self):
        made = summary(log(("a", "2024-01-01", 1), ("a", "2024-01-02 09:00", 0.1), ("a", "2024-01-02 10:00", 0.2)))
        assert column(made, "frequency") == {"a": 1}
        assert made.spend.total.tolist() == [0.3]
        assert made.audit.merged == 1

    def test_sums_kept_per_customer(self):
        made = summary(
            log(
                ("b", "2024-01-01", 7),
                ("b", "2024-01-02", 2),
                ("b", "2024-01-04", 3),
                ("b", "2024-01-09", 0),
                ("a", "2024-01-01", 5),
            )
        )
        np.testing.assert_array_equal(made.spend.total, [5.0, 0.0])
        np.testing.assert_allclose(made.spend.log_total, [math.log(2) + math.log(3), 0.0])
        np.testing.assert_allclose(made.spend.log_squared_total, [math.log(2) ** 2 + math.log(3) ** 2, 0.0])
        np.testing.assert_array_equal(made.spend.positive, [2, 0])
        np.testing.assert_array_equal(made.spend.first_amount, [7.0, 5.0])
        np.testing.assert_array_equal(made.gaps.offsets, [0, 3, 3])
        np.testing.assert_array_equal(made.gaps.values, [1, 2, 5])

    def test_a_zero_amount_is_a_purchase(self):
        made = summary(log(("a", "2024-01-01", 0), ("a", "2024-01-02", 0)))
        assert column(made, "frequency") == {"a": 1}
        assert column(made, "monetary_value") == {"a": 0.0}
        assert made.spend.positive.tolist() == [0]

    def test_without_an_amount_column_there_is_no_spend(self):
        assert summary(log(("a", "2024-01-01", -1)), amount=None).spend is None

    @pytest.mark.parametrize("amounts", [pd.array([1, 2], dtype="Int64"), [1, 2], pd.array([1, 2], dtype="Float32")])
    def test_any_numbers_are_amounts(self, amounts):
        frame = log(("a", "2024-01-01", 1), ("a", "2024-01-02", 1)).assign(paid=amounts)
        assert summary(frame).spend.total.tolist() == [2.0]

    def test_decimals_are_amounts(self):
        frame = pl.DataFrame({"who": ["a"], "when": [dt.date(2024, 1, 1)], "paid": [Decimal("1.10")]})
        assert summary(frame).spend.first_amount.tolist() == [1.1]

    @pytest.mark.parametrize("amounts", [["1", "2"], [True, False], pd.to_datetime(["2024-01-01", "2024-01-02"])])
    def test_other_amounts_are_refused(self, amounts):
        frame = log(("a", "2024-01-01", 1), ("a", "2024-01-02", 1)).assign(paid=amounts)
        with pytest.raises(ColumnError, match="column 'paid' must hold numbers, got"):
            summary(frame)


class TestRefunds:
    rows = (
        ("a", "2024-01-02", -50),  # before any purchase
        ("a", "2024-01-05", 10),
        ("a", "2024-01-06", -3),  # of the first purchase
        ("a", "2024-01-09", 20),
        ("a", "2024-01-09", -5),  # on the day of the second
        ("a", "2024-01-20", -6),  # of the second as well
        ("b", "2024-01-20", -1),
    )

    def test_a_refund_is_never_a_purchase(self):
        made = summary(log(*self.rows))
        assert list(made.customer_id) == ["a"]
        assert column(made, "frequency") == {"a": 1}
        assert column(made, "recency") == {"a": 4.0}
        assert made.spend.total.tolist() == [20.0]
        assert made.spend.first_amount.tolist() == [10.0]
        assert (made.audit.refunds, made.audit.refunds_netted, made.audit.merged) == (5, 0, 0)

    def test_netted_refunds_are_taken_off_the_purchase_before_them(self):
        made = summary(log(*self.rows), net_refunds=True)
        assert column(made, "frequency") == {"a": 1}
        assert made.spend.total.tolist() == [9.0]
        assert made.spend.first_amount.tolist() == [7.0]
        assert made.spend.log_total == pytest.approx(math.log(9))
        assert (made.audit.refunds, made.audit.refunds_netted, made.audit.refund_excess) == (5, 3, 0.0)

    def test_a_purchase_never_falls_below_zero_and_the_excess_is_told(self):
        made = summary(
            log(("a", "2024-01-01", 10), ("a", "2024-01-02", 4), ("a", "2024-01-03", -6.5), ("b", "2024-01-01", 1)),
            net_refunds=True,
        )
        assert made.spend.total.tolist() == [0.0, 0.0]
        assert made.spend.first_amount.tolist() == [10.0, 1.0]
        assert column(made, "frequency") == {"a": 1, "b": 0}
        assert made.audit.refund_excess == 2.5
        assert str(made.audit).endswith(
            "1 of the refunds were taken off the purchase before them, 2.50 of their money went beyond it"
        )

    def test_a_full_refund_leaves_exactly_nothing(self):
        made = summary(
            log(("a", "2024-01-01", 1), ("a", "2024-01-02", 0.1), ("a", "2024-01-02", 0.2), ("a", "2024-01-03", -0.3)),
            net_refunds=True,
        )
        assert made.spend.total.tolist() == [0.0]
        assert made.spend.positive.tolist() == [0]

    def test_a_refund_after_until_does_not_count(self):
        made = summary(log(("a", "2024-01-01", 10), ("a", "2024-02-01", -6)), until="2024-01-31", net_refunds=True)
        assert made.spend.first_amount.tolist() == [10.0]
        assert (made.audit.refunds, made.audit.dropped) == (0, {"after until": 1})


class TestUnusableRows:
    @pytest.mark.parametrize(
        "convert",
        [pd.DataFrame, pl.from_pandas, lambda frame: pl.from_pandas(frame).to_arrow()],
        ids=["pandas", "polars", "pyarrow"],
    )
    @pytest.mark.parametrize(
        "rows, message, reason",
        [
            ((None, "2024-01-02", 1), "row 1 has no customer id: column 'who' holds", "no customer id"),
            (("b", None, 1), "row 1 of customer 'b' has no readable time: column 'when' holds", "no readable time"),
            (
                ("b", "2024-01-02", None),
                "row 1 of customer 'b' has no finite amount: column 'paid'",
                "no finite amount",
            ),
            (("b", "2024-01-02", math.inf), "column 'paid' holds inf .1 such rows.", "no finite amount"),
            (("b", "2024-01-02", -1e306), "row 1 of customer 'b' has an amount beyond", "an amount beyond 1e+280"),
            ((None, None, None), "row 1 has no customer id", "no customer id"),
        ],
        ids=["id", "time", "amount", "infinity", "size", "everything"],
    )
    def test_they_are_refused_or_dropped_with_a_reason(self, rows, message, reason, convert):
        frame = convert(log(("a", "2024-01-01", 1), rows, ("a", "2024-01-05", 1)))
        with pytest.raises(RowError, match=rf"{message}.*pass on_bad_rows='drop' to leave them out"):
            summary(frame)
        made = summary(frame, on_bad_rows="drop")
        assert made.audit.dropped == {reason: 1}
        assert column(made, "recency") == {"a": 4.0}

    def test_integers_with_gaps_stay_integers_in_polars(self):
        frame = pl.DataFrame({"who": [2**60 + 1, None], "when": [dt.date(2024, 1, 1)] * 2})
        made = summary(frame, amount=None, on_bad_rows="drop")
        assert list(made.customer_id) == [2**60 + 1]

    def test_rows_after_until_can_be_an_error(self):
        with pytest.raises(RowError, match=r"'b' has a row on 2024-02-01, after until = 2024-01-31 \(1 such rows\)"):
            summary(log(("a", "2024-01-01", 1), ("b", "2024-02-01", 1)), until="2024-01-31", after_until="raise")

    @pytest.mark.parametrize(
        "resolution, label", [("hour", "2023-12-31T23"), ("day", "2023-12-31"), ("week", "2023-12-25")]
    )
    def test_no_purchase_up_to_until(self, resolution, label):
        with pytest.raises(DataError, match=rf"no purchase up to {label}; .*choose a later until"):
            summary(log(("a", "2024-01-01", 1)), until="2023-12-31", resolution=resolution)

    def test_refunds_alone_make_no_histories(self):
        with pytest.raises(DataError, match="all 1 amounts of the log are negative"):
            summary(log(("a", "2024-01-01", -1)), net_refunds=True)

    def test_no_usable_row_at_all(self):
        with pytest.raises(DataError, match="none of the 1 rows of the log can be used"):
            summary(log(("a", None, 1)), on_bad_rows="drop")


class TestArguments:
    @pytest.mark.parametrize(
        "arguments, message",
        [
            ({"customer": "whom"}, "the log has no column 'whom'; did you mean 'who'"),
            ({"time": "WHEN"}, "the log has no column 'WHEN'; did you mean 'when'"),
            ({"amount": "turnover"}, "the log has no column 'turnover'; it has 'who', 'when', 'paid'"),
            ({"time": "who"}, "column 'who' is named for two things"),
            ({"amount": "when"}, "column 'when' is named for two things"),
        ],
    )
    def test_columns(self, arguments, message):
        with pytest.raises(ColumnError, match=message):
            summary(log(("a", "2024-01-01", 1)), **arguments)

    @pytest.mark.parametrize(
        "arguments, message",
        [
            ({"unit": "weeks"}, "unknown time unit 'weeks'"),
            ({"resolution": "month"}, "unknown resolution 'month'"),
            ({"on_bad_rows": "ignore"}, "on_bad_rows='ignore' is unknown; expected 'raise' or 'drop'"),
            ({"after_until": "keep"}, "after_until='keep' is unknown"),
        ],
    )
    def test_choices(self, arguments, message):
        with pytest.raises(SpecificationError, match=message):
            summary(log(("a", "2024-01-01", 1)), **arguments)

    def test_a_typo_is_an_error(self):
        with pytest.raises(TypeError, match="untill"):
            summary(log(("a", "2024-01-01", 1)), untill="2024-01-01")

    def test_frames(self):
        frame = log(("a", "2024-01-01", 1))
        with pytest.raises(DataError, match=r"the log is lazy .*call \.collect\(\)"):
            summary(pl.from_pandas(frame).lazy())
        with pytest.raises(DataError, match=r"must be a pandas, Polars or PyArrow data frame, got builtins\.list"):
            summary([("a", "2024-01-01", 1)])
        with pytest.raises(DataError, match="the log has no rows"):
            summary(frame.iloc[:0])
        with pytest.raises(ColumnError, match="several columns of the same name"):
            summary(frame.set_axis(["who", "who", "paid"], axis=1))

    def test_many_columns_are_not_all_listed(self):
        wide = log(("a", "2024-01-01", 1)).assign(**{f"extra{i}": 0 for i in range(20)})
        with pytest.raises(ColumnError, match="'extra6' and 13 more"):
            summary(wide, amount="zzz")


ROWS = st.lists(
    st.tuples(
        st.sampled_from(["d", "b", "a", "c", None]),
        st.one_of(st.none(), st.integers(0, 24 * 12)),
        st.one_of(st.none(), st.integers(-300, 900)),
    ),
    min_size=1,
)
UNTIL = 24 * 8 - 1  # the last hour of the eighth day


def reference(rows, hours, *, net):
    """Slow and plain: customer -> (frequency, recency, T, total in cents, first amount), in steps of `hours` hours."""
    purchases: dict[str, dict[int, int]] = {}
    refunds: list[tuple[str, int, int]] = []
    for who, hour, cents in rows:
        if who is None or hour is None or cents is None or hour // hours > UNTIL // hours:
            continue
        if cents < 0:
            refunds.append((who, hour // hours, cents))
        else:
            steps = purchases.setdefault(who, {})
            steps[hour // hours] = steps.get(hour // hours, 0) + cents
    if net:
        for who, step, cents in refunds:
            before = [bought for bought in purchases.get(who, {}) if bought <= step]
            if before:
                purchases[who][max(before)] += cents
    histories = {}
    for who, steps in purchases.items():
        first, *repeats = sorted(steps)
        amounts = {step: max(cents, 0) for step, cents in steps.items()}
        total = sum(amounts[step] for step in repeats)
        until = UNTIL // hours
        histories[who] = (len(repeats), max(steps) - first, until - first, total, amounts[first])
    return histories


class TestAgainstTheReference:
    @pytest.mark.parametrize("net", [False, True])
    @pytest.mark.parametrize("resolution, hours", [("hour", 1), ("day", 24)])
    @given(rows=ROWS, order=st.randoms(use_true_random=False))
    def test_every_history_and_every_row(self, rows, order, net, resolution, hours):
        expected = reference(rows, hours, net=net)
        frame = pd.DataFrame(
            {
                "who": pd.Series([who for who, _, _ in rows], dtype="str"),
                "when": pd.Timestamp("2024-01-01")
                + pd.to_timedelta(pd.Series([hour for _, hour, _ in rows], dtype="Float64"), unit="h"),
                "paid": pd.Series([cents for _, _, cents in rows], dtype="Float64") / 100,
            }
        )
        positions = list(range(len(frame)))
        order.shuffle(positions)
        for shuffled in (frame, frame.iloc[positions]):
            arguments = {
                "until": "2024-01-08",
                "resolution": resolution,
                "unit": resolution,
                "net_refunds": net,
                "on_bad_rows": "drop",
            }
            if not expected:
                with pytest.raises(DataError):
                    summary(shuffled, **arguments)
                continue
            made = summary(shuffled, **arguments)
            got = zip(
                made.frequency.tolist(),
                made.recency.tolist(),
                made.T.tolist(),
                made.spend.total.tolist(),
                made.spend.first_amount.tolist(),
                strict=True,
            )
            in_cents = {who: (*times, total / 100, first / 100) for who, (*times, total, first) in expected.items()}
            assert {who: pytest.approx(values, rel=1e-11) for who, values in in_cents.items()} == dict(
                zip(made.customer_id, got, strict=True)
            )
            assert list(made.customer_id) == [who for who in shuffled["who"].dropna().unique() if who in expected]
            np.testing.assert_array_equal(np.diff(made.gaps.offsets), made.frequency)
            assert np.sum(made.gaps.values) == made.recency.sum()

            audit = made.audit
            parts = audit.kept + audit.merged + audit.refunds + sum(audit.dropped.values())
            assert audit.rows_read == len(rows) == parts
            assert audit.kept == len(made) + made.frequency.sum()
            everyone = {who for who, _, _ in rows if who is not None}
            assert audit.customers + sum(audit.customers_left_out.values()) == len(everyone)
            assert audit.to_pandas().query("of == 'rows'")["count"].sum() == 2 * audit.rows_read
