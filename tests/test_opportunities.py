"""Opportunities: ready-made histories, those made from a log, and what neither accepts."""

import datetime as dt
import math
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import kundenwert as kw
from kundenwert.errors import (
    ColumnError,
    DataError,
    DurationError,
    MissingInformationError,
    RowError,
    SizeError,
    SpecificationError,
)
from kundenwert.histories import Audit

COUNTS = ["frequency", "recency", "opportunities"]
BGBB: Any = kw.BGBB()


def table(*rows, ids=None):
    """One row per (frequency, recency, opportunities)."""
    frame = pd.DataFrame(rows, columns=COUNTS)
    return frame.assign(customer_id=[f"c{i}" for i in range(len(rows))] if ids is None else ids)


def histories(*rows, **arguments):
    return kw.OpportunityHistories.from_pandas(table(*rows), **arguments)


def log(*rows, zone=None):
    """One row per (customer, time) or (customer, time, amount)."""
    frame = pd.DataFrame([(*row, 1.0)[:3] for row in rows], columns=["who", "when", "paid"])
    return frame.assign(when=pd.to_datetime(frame["when"], format="ISO8601").dt.tz_localize(zone))


def summary(frame, **arguments):
    return kw.summarize_opportunities(frame, **({"customer": "who", "time": "when"} | arguments))


def by_customer(made):
    return {row[0]: tuple(row[1:]) for row in made.to_pandas().itertuples(index=False)}


class TestReadyMade:
    def test_columns_come_back(self):
        frame = table((2, 3, 6), (0, 0, 0), (6, 6, 6), ids=["b", "a", "c"])
        made = kw.OpportunityHistories.from_pandas(frame, every=kw.months(1))
        pd.testing.assert_frame_equal(made.to_pandas()[[*COUNTS, "customer_id"]], frame, check_dtype=False)
        assert made.clock == made.measure == "opportunity"
        assert made.periods_per_year == pytest.approx(12)
        assert made.audit == Audit(rows_read=3, kept=3, customers=3)
        assert repr(made) == "OpportunityHistories(3 customers, 8 of 12 opportunities used, every=months(1))"
        assert not made.frequency.flags.writeable

    def test_the_interval_is_optional(self):
        made = histories((2, 3, 6))
        assert math.isnan(made.periods_per_year)
        assert repr(made) == "OpportunityHistories(1 customers, 2 of 6 opportunities used)"

    @pytest.mark.parametrize("ids", [["x", "y"], [7, -2], pd.Categorical(["v", "u"])], ids=["text", "int", "category"])
    def test_ids_are_kept(self, ids):
        made = kw.OpportunityHistories.from_pandas(table((1, 1, 1), (0, 0, 2), ids=ids))
        assert made.customer_id.tolist() == list(ids)
        assert made.select([ids[1]]).opportunities.tolist() == [2]

    def test_libraries_and_the_index(self):
        frame = table((2, 3, 6), (0, 0, 4))
        expected = histories((2, 3, 6), (0, 0, 4)).to_pandas()
        for other in (pl.from_pandas(frame), frame.set_index("customer_id")):
            pd.testing.assert_frame_equal(kw.OpportunityHistories.from_pandas(other).to_pandas(), expected)
        renamed = frame.rename(columns={"customer_id": "donor"})
        made = kw.OpportunityHistories.from_pandas(renamed, customer="donor")
        pd.testing.assert_frame_equal(made.to_pandas(), expected)

    @pytest.mark.parametrize(
        "row, message",
        [
            ((3, 2, 6), r"customer 'c1' has frequency = 3, recency = 2, opportunities = 6; expected 0 <= frequency"),
            ((2, 7, 6), r"customer 'c1' .*frequency <= recency <= opportunities; number the opportunities"),
            ((0, 2, 6), r"customer 'c1' .*recency to be 0 exactly when frequency is 0; leave the first purchase out"),
            ((1.5, 2, 6), r"customer 'c1' has frequency = 1.5; expected a whole number"),
            ((1, -1, 6), r"customer 'c1' has recency = -1; expected a whole number, 0 or more"),
            ((1, 2, math.nan), r"customer 'c1' has opportunities = nan"),
            ((1, 2, math.inf), r"customer 'c1' has opportunities = inf"),
            ((1, 2, 10_001), r"customer 'c1' has opportunities = 10001; expected 10,000 or less; .*longer periods"),
            ((1, 1e300, 1e300), r"customer 'c1' has recency = 1e\+300; expected 10,000 or less"),
        ],
    )
    def test_impossible_histories_are_refused_by_name(self, row, message):
        with pytest.raises(RowError, match=message):
            histories((1, 1, 6), row, (2, 2, 2))

    def test_arrays_are_checked_too(self):
        parts: dict[str, Any] = {name: [1, 2] for name in COUNTS} | {"customer_id": pd.Index(["a", "b"])}
        audit = Audit(rows_read=2, kept=2, customers=2)
        assert len(kw.OpportunityHistories(**parts, audit=audit)) == 2
        with pytest.raises(DataError, match="recency has 1 entries for 2 customers"):
            kw.OpportunityHistories(**(parts | {"recency": [1]}), audit=audit)
        with pytest.raises(RowError, match="customer 'b' has frequency = 5"):
            kw.OpportunityHistories(**(parts | {"frequency": [1, 5]}), audit=audit)
        with pytest.raises(RowError, match=r"customer 'b' has opportunities = 1e.12; expected 10,000 or less"):
            kw.OpportunityHistories(**(parts | {"opportunities": [1, 10**12]}), audit=audit)

    def test_ids_are_unique_and_there(self):
        with pytest.raises(RowError, match="customer 'a' occurs more than once"):
            kw.OpportunityHistories.from_pandas(table((1, 1, 1), (0, 0, 1), ids=["a", "a"]))
        with pytest.raises(RowError, match="row 1 has no customer id"):
            kw.OpportunityHistories.from_pandas(table((1, 1, 1), (0, 0, 1), ids=["a", None]))

    def test_a_column_T_is_not_guessed_at(self):  # noqa: N802 - T is the name of the column
        with pytest.raises(
            ColumnError, match="the table has no column 'opportunities'; it has 'frequency', 'recency', 'T'"
        ):
            kw.OpportunityHistories.from_pandas(table((1, 1, 1)).rename(columns={"opportunities": "T"}))

    def test_what_is_no_table(self):
        for wrong, message in [
            (pl.LazyFrame(table((1, 1, 1))), r"is lazy.*\.collect\(\)"),
            ([1, 2], "must be a pandas, Polars or PyArrow data frame"),
            (table(), "has no rows; expected one row per customer"),
        ]:
            with pytest.raises(DataError, match=message):
                kw.OpportunityHistories.from_pandas(wrong)
        with pytest.raises(ColumnError, match="column 'recency' must hold numbers"):
            kw.OpportunityHistories.from_pandas(table(("1", "1", "1")).astype({"frequency": int}))

    @pytest.mark.parametrize("every", [1, "year", kw.opportunities(1), kw.days(0), kw.LIFETIME])
    def test_an_interval_is_a_duration(self, every):
        with pytest.raises(SpecificationError, match="every"):
            histories((1, 1, 1), every=every)
        if every is not kw.LIFETIME:
            with pytest.raises(DurationError):
                histories((1, 1, 1), every=every)

    def test_some_of_the_customers(self):
        made = histories((1, 1, 1), (0, 0, 2), (3, 4, 6), every=kw.years(1))
        assert by_customer(made.take([2, 0])) == {"c2": (3, 4, 6), "c0": (1, 1, 1)}
        assert by_customer(made.take(made.frequency > 0)) == {"c0": (1, 1, 1), "c2": (3, 4, 6)}
        assert made.take([2]).every == kw.years(1)
        assert len(made.take([])) == 0
        with pytest.raises(RowError, match="customer 'nobody' has no history here"):
            made.select(["nobody"])

    def test_units_of_time_are_refused(self):
        made = histories((1, 1, 1))
        assert made.in_unit("opportunity") is made
        for unit in ("week", "renewal"):
            with pytest.raises(DurationError, match=f"count opportunities, which are no '{unit}'"):
                made.in_unit(unit)

    def test_cells(self):
        made = histories((2, 3, 6), (0, 0, 2), (2, 3, 6), (2, 2, 6), every=kw.weeks(2))
        cells = made.cells(BGBB)
        assert cells.unit == "opportunity"
        assert cells.periods_per_year == pytest.approx(365.25 / 14)
        assert cells.counts.tolist() == [1, 1, 2]
        assert cells["t_x"][cells.index].tolist() == [3, 0, 3, 2]
        with pytest.raises(MissingInformationError, match="MBGNBD needs CustomerHistories"):
            made.cells(kw.MBGNBD())


class TestCounts:
    def test_the_donations_collapse_to_22_cells(self):
        made = kw.OpportunityHistories.from_counts(kw.datasets.donations(), every=kw.years(1))
        assert len(made) == 11_104
        assert len(made.cells(BGBB)) == 22
        assert made.customer_id[[0, -1]].tolist() == [1, 11_104]
        assert sorted(made.cells(BGBB).counts) == sorted(kw.datasets.donations()["customers"])
        assert made.audit == Audit(rows_read=22, kept=22, customers=11_104)

    def test_one_row_per_customer_gives_the_same_posterior(self):
        counts = table((2, 3, 6), (0, 0, 6), (6, 6, 6)).assign(number=[5, 0, 20])
        made = kw.OpportunityHistories.from_counts(counts, customers="number")
        assert by_customer(made) == dict.fromkeys(range(1, 6), (2, 3, 6)) | dict.fromkeys(range(6, 26), (6, 6, 6))
        single = histories(*[(6, 6, 6)] * 20, *[(2, 3, 6)] * 5)
        one, other = (kw.fit(kw.BGBB(), h, seed=3) for h in (made, single))
        np.testing.assert_array_equal(one.theta, other.theta)

    def test_bad_rows_are_named_by_their_number(self):
        good = table((2, 3, 6), (0, 0, 6)).assign(customers=[3, 4])
        with pytest.raises(RowError, match=r"row 1 has frequency = 4, recency = 3, opportunities = 6"):
            kw.OpportunityHistories.from_counts(good.assign(frequency=[2, 4], recency=3))
        for wrong in (-1, 2.5, math.nan):
            with pytest.raises(RowError, match=r"row 1 has customers = .*; expected a whole number"):
                kw.OpportunityHistories.from_counts(good.assign(customers=[3, wrong]))
        with pytest.raises(DataError, match="the table has no customers"):
            kw.OpportunityHistories.from_counts(good.assign(customers=0))
        for many, shown in [(200_000_000, "200,000,004"), (1e15, "about 10.15"), (1e300, "about 10.300")]:
            with pytest.raises(
                SizeError, match=f"the table has {shown} customers.* more than 200,000,000 are too many"
            ):
                kw.OpportunityHistories.from_counts(good.assign(customers=[many, 4]))
        with pytest.raises(ColumnError, match="no column 'customers'"):
            kw.OpportunityHistories.from_counts(table((1, 1, 1)))


class TestSummary:
    YEARS = log(
        ("a", "2019-02-03"), ("b", "2020-12-31"), ("a", "2019-12-31"), ("a", "2021-01-01"), ("c", "2023-07-01"),
        ("a", "2023-03-01"), ("a", "2023-03-02"), ("b", "2021-06-01"), ("b", "2022-06-01"),
    )  # fmt: skip

    def test_years(self):
        made = summary(self.YEARS, every="year", until="2023-12-31")
        # a: acquired 2019; 2020 no, 2021 yes, 2022 no, 2023 yes. b: acquired 2020; 2021 and 2022 yes. c: 2023
        assert by_customer(made) == {"a": (2, 4, 4), "b": (2, 2, 3), "c": (0, 0, 0)}
        assert made.every == kw.years(1)
        assert made.periods.astype(str).tolist() == [f"{year}-01-01" for year in range(2019, 2025)]
        assert (made.audit.kept, made.audit.merged, made.audit.dropped) == (7, 2, {})
        assert made.columns.customer == "who"

    @pytest.mark.parametrize("until", ["2023-12-30", "2023-01-01", "2022-12-31"])
    def test_an_incomplete_period_is_nobodys_opportunity(self, until):
        made = summary(self.YEARS, every="year", until=until)
        assert by_customer(made) == {"a": (1, 2, 3), "b": (2, 2, 2)}
        assert made.audit.dropped == {"after the last complete period": 3}
        assert made.audit.customers_left_out == {"first purchase after the last complete period": 1}
        audit = made.audit
        assert audit.rows_read == audit.kept + audit.merged + audit.refunds + sum(audit.dropped.values())
        late = (
            r"customer 'c' has a row on 2023-07-01, after the last complete period, which ends with 2022-12-31 \(3 such"
        )
        with pytest.raises(RowError, match=late):
            summary(self.YEARS, every="year", until=until, after_until="raise")

    @pytest.mark.parametrize(
        "every, until, expected, length",
        [
            # Monday 2024-01-29 opens week 0; week 1 ends on Sunday 2024-02-11
            ("week", "2024-03-03", (2, 3, 4), kw.weeks(1)),
            ("month", "2024-03-31", (1, 1, 2), kw.months(1)),
            ("quarter", "2024-12-31", (0, 0, 3), kw.months(3)),
            ("year", "2026-12-31", (0, 0, 2), kw.years(1)),
        ],
    )
    def test_periods_of_the_calendar(self, every, until, expected, length):
        purchases = log(("a", "2024-01-31 23:59"), ("a", "2024-02-05 00:00"), ("a", "2024-02-25 12:00"))
        made = summary(purchases, every=every, until=until)
        assert by_customer(made) == {"a": expected}
        assert made.every == length

    def test_periods_before_1970(self):
        made = summary(log(("a", "1968-12-31"), ("a", "1969-01-01")), every="quarter", until="1970-03-31")
        assert by_customer(made) == {"a": (1, 1, 5)}
        assert made.periods.astype(str).tolist()[:2] == ["1968-10-01", "1969-01-01"]

    def test_days_are_those_of_the_column(self):
        purchases = log(("a", "2022-05-01"), ("a", "2024-01-01 00:30"), zone="Europe/Berlin")
        assert by_customer(summary(purchases, every="year", until="2024-12-31")) == {"a": (1, 2, 2)}
        in_utc = purchases.assign(when=purchases["when"].dt.tz_convert("UTC"))
        assert by_customer(summary(in_utc, every="year", until="2024-12-31")) == {"a": (1, 1, 2)}

    def test_periods_of_your_own(self):
        edges = ["2022-09-01", dt.date(2023, 5, 1), pd.Timestamp("2023-09-01"), "2024-05-01"]
        purchases = log(
            ("a", "2022-09-01"), ("a", "2023-08-31"), ("a", "2024-04-30"), ("b", "2023-04-30"), ("b", "2024-05-01")
        )
        made = summary(purchases, edges=edges)
        assert by_customer(made) == {"a": (2, 2, 2), "b": (0, 0, 2)}
        assert made.every == kw.days(608 / 3)  # the mean length
        assert made.audit.dropped == {"after the last complete period": 1}
        shorter = summary(purchases, edges=edges, until="2024-04-29")
        assert by_customer(shorter) == {"a": (1, 1, 1), "b": (0, 0, 1)}
        assert shorter.periods.astype(str).tolist() == ["2022-09-01", "2023-05-01", "2023-09-01"]

    def test_edges_that_are_years_are_years(self):
        edges = [f"{year}-01-01" for year in range(2019, 2025)]
        by_year, by_edge = summary(self.YEARS, every="year", until="2023-12-31"), summary(self.YEARS, edges=edges)
        pd.testing.assert_frame_equal(by_year.to_pandas(), by_edge.to_pandas())
        assert by_edge.every.in_days == pytest.approx(365.2)
        pd.testing.assert_frame_equal(summary(self.YEARS, edges=np.array(edges)).to_pandas(), by_edge.to_pandas())

    @pytest.mark.parametrize(
        "arguments, message",
        [
            ({}, "either every='year'.*got neither"),
            ({"every": "year", "edges": ["2019-01-01", "2020-01-01"], "until": "2023-12-31"}, "got both"),
            ({"every": "fortnight", "until": "2023-12-31"}, "every='fortnight' is unknown; expected one of 'week'"),
            ({"every": "year"}, "every='year' needs until"),
            ({"every": "year", "until": "2019-12-30"}, "until='2019-12-30' lies before the end of the first period"),
            ({"every": "year", "until": "2011-12-31"}, "until='2011-12-31' lies before the end of the first period"),
            ({"every": "year", "until": "31.12.2023"}, "until='31.12.2023' is no date"),
            ({"edges": ["2019-01-01"]}, "make no period; expected at least two dates"),
            ({"edges": "2019-01-01"}, "make no period; expected at least two dates"),
            ({"edges": 5}, "edges=5 make no period; expected at least two dates"),
            ({"edges": [5, 6]}, r"edges\[0\]=5 is no date"),
            ({"edges": ["2019-01-01", "2021-01-01", "2020-01-01"]}, r"edges\[2\]='2020-01-01' does not come after"),
            ({"edges": ["2019-01-01", "2019-01-01"]}, r"edges\[1\]='2019-01-01' does not come after"),
            ({"edges": ["2019-01-01", "soon"]}, r"edges\[1\]='soon' is no date"),
            ({"edges": ["2019-01-01", "2020-01-01T12:00"]}, r"edges\[1\]='2020-01-01T12:00' has a time of day"),
            ({"edges": ["2019-01-01", dt.datetime(2020, 1, 1, 12)]}, r"edges\[1\]=.* has a time of day"),  # noqa: DTZ001
            ({"edges": ["2019-01-01", "2020-01-01"], "until": "2019-12-30"}, "lies before the end of the first period"),
            ({"every": "year", "until": "2023-12-31", "after_until": "keep"}, "after_until='keep' is unknown"),
            ({"every": "year", "until": "2023-12-31", "on_bad_rows": "keep"}, "on_bad_rows='keep' is unknown"),
        ],
    )  # fmt: skip
    def test_arguments_that_make_no_opportunities(self, arguments, message):
        with pytest.raises(SpecificationError, match=message):
            summary(self.YEARS, **arguments)

    def test_purchases_before_the_first_period_are_refused(self):
        early = r"customer 'a' has a row on 2019-02-03, before the first period, which starts on 2020-01-01 \(2 such"
        with pytest.raises(RowError, match=early):
            summary(self.YEARS, edges=["2020-01-01", "2021-01-01", "2022-01-01"])

    def test_refunds_are_no_purchases(self):
        purchases = log(
            ("a", "2019-01-01", 5), ("a", "2020-01-01", -5), ("b", "2020-05-05", -1), ("a", "2021-01-01", 0)
        )
        made = summary(purchases, amount="paid", every="year", until="2021-12-31")
        assert by_customer(made) == {"a": (1, 2, 2)}
        assert made.audit.refunds == 2
        assert made.audit.customers_left_out == {"refunds only": 1}
        with pytest.raises(DataError, match="no purchase up to 2021-12-31, where the last complete period ends"):
            summary(purchases.assign(paid=-1.0), amount="paid", every="year", until="2021-12-31")

    def test_bad_rows(self):
        holes = pd.concat([self.YEARS, log((None, "2020-01-01"), ("a", None))], ignore_index=True)
        with pytest.raises(RowError, match="row 9 has no customer id"):
            summary(holes, every="year", until="2023-12-31")
        made = summary(holes, every="year", until="2023-12-31", on_bad_rows="drop")
        assert by_customer(made) == by_customer(summary(self.YEARS, every="year", until="2023-12-31"))
        assert made.audit.dropped == {"no customer id": 1, "no readable time": 1}
        nothing = log(("a", None))
        with pytest.raises(DataError, match="none of the 1 rows of the log can be used"):
            summary(nothing, every="year", until="2023-12-31", on_bad_rows="drop")

    def test_bad_tables(self):
        ask: dict[str, Any] = {"every": "year", "until": "2023-12-31"}
        with pytest.raises(DataError, match=r"is lazy.*\.collect\(\)"):
            summary(pl.LazyFrame(self.YEARS), **ask)
        with pytest.raises(DataError, match="the log has no rows"):
            summary(self.YEARS.head(0), **ask)
        with pytest.raises(ColumnError, match="the log has no column 'day'"):
            summary(self.YEARS, **(ask | {"time": "day"}))
        with pytest.raises(ColumnError, match="parse_dates=True"):
            summary(self.YEARS.assign(when=self.YEARS["when"].astype(str)), **ask)

    def test_strings_and_other_libraries_are_read_alike(self):
        ask: dict[str, Any] = {"every": "year", "until": dt.date(2023, 12, 31)}
        expected = summary(self.YEARS, **ask).to_pandas()
        texts = self.YEARS.assign(when=self.YEARS["when"].dt.strftime("%Y-%m-%d"))
        for frame in (pl.from_pandas(self.YEARS), pa.Table.from_pandas(self.YEARS), texts, pl.from_pandas(texts)):
            pd.testing.assert_frame_equal(summary(frame, parse_dates=True, **ask).to_pandas(), expected)

    def test_the_holdout_is_the_difference_to_a_later_summary(self):
        early = summary(self.YEARS, every="year", until="2021-12-31")
        late = summary(self.YEARS, every="year", until="2023-12-31").select(early.customer_id)
        assert (late.opportunities - early.opportunities == 2).all()
        assert dict(zip(early.customer_id, late.frequency - early.frequency, strict=True)) == {"a": 1, "b": 1}
        with pytest.raises(DataError, match="holdout takes CustomerHistories, got OpportunityHistories"):
            kw.holdout(self.YEARS, early, until="2023-12-31")

    @given(st.data())
    def test_a_slow_reference_agrees_whatever_the_order(self, data):
        days = st.integers(0, 1553)  # until 2022-06-15
        purchases = [("a", 0), *data.draw(st.lists(st.tuples(st.sampled_from("abc"), days), max_size=30))]
        start = pd.Timestamp("2018-03-15")
        frame = pd.DataFrame(
            {"who": [w for w, _ in purchases], "when": [start + dt.timedelta(d) for _, d in purchases]}
        )
        made = summary(frame, every="month", until="2022-06-15")
        last = 2022 * 12 + 4  # May
        truth = {}
        for who in dict.fromkeys(frame["who"]):
            times = frame.loc[frame["who"] == who, "when"]
            months = sorted({t.year * 12 + t.month - 1 for t in times} - {last + 1})
            if months:
                truth[who] = (len(months) - 1, months[-1] - months[0], last - months[0])
        assert by_customer(made) == truth
        shuffled = data.draw(st.permutations(range(len(frame))))
        assert by_customer(summary(frame.iloc[shuffled], every="month", until="2022-06-15")) == truth

    def test_simulated_donors_come_back_as_they_were(self):
        """From a model to purchases, to a log, to histories: the same opportunities are used."""
        model = kw.BGBB()
        theta = model.named([np.asarray(value) for value in (1.2, 0.75, 0.66, 2.78)])
        first: Any = np.random.default_rng(1).integers(0, 5, 500)
        purchases = model.simulate(theta, 9.0 - first, np.random.default_rng(2))
        who = np.r_[np.arange(500), purchases.customer]
        year = 2010 + first[who] + np.r_[np.zeros(500), purchases.time].astype(int)
        frame = pd.DataFrame({"who": who, "when": pd.to_datetime({"year": year, "month": 1 + who % 12, "day": 28})})
        made = summary(frame.sample(frac=1, random_state=3), every="year", until="2019-12-31").select(range(500))
        assert (made.opportunities == 9 - first).all()
        assert (made.frequency == np.bincount(purchases.customer, minlength=500)).all()
        latest = np.zeros(500)
        np.maximum.at(latest, purchases.customer, purchases.time)
        assert (made.recency == latest).all()
