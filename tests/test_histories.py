"""CustomerHistories: what is accepted, what is refused, and how customers collapse into cells."""

import copy
import pickle
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kundenwert.errors import ColumnError, DataError, MissingInformationError, RowError, SpecificationError
from kundenwert.histories import Audit, Clock, CustomerHistories, Gaps, HistoryColumn, Spend, Steps
from kundenwert.histories.parts import round_amounts
from kundenwert.transactions import summarize


@dataclass(frozen=True)
class Needs:
    needs: tuple[HistoryColumn, ...]
    clock: Clock = "time"


PURCHASES = Needs(("x", "t_x", "T"))
SPENDING = Needs(("x", "total"))
EVERYTHING = Needs(("total", "T", "t_x", "x"))


def table(**columns):
    frame = pd.DataFrame(
        {
            "customer_id": ["c", "a", "b"],
            "frequency": [2, 0, 1],
            "recency": [3.0, 0.0, 1.5],
            "T": [5.0, 5.0, 0.0 + 1.5],
            "monetary_value": [12.5, np.nan, 0.0],
        }
    )
    return frame.assign(**columns)


def histories(**columns):
    return CustomerHistories.from_pandas(table(**columns), unit="week")


def totals(made):
    return made.spend.total


@pytest.fixture
def logged():
    log = pd.DataFrame(
        {
            "who": ["b", "a", "b", "c", "b"],
            "day": pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-04", "2024-01-05", "2024-01-11"]),
            "paid": [1.0, 2.0, 3.0, 4.0, 5.0],
        }
    )
    return summarize(log, customer="who", time="day", amount="paid", until="2024-01-15", unit="week")


class TestTables:
    def test_a_table_comes_back_as_it_went_in(self):
        pd.testing.assert_frame_equal(histories().to_pandas(), table())

    def test_without_amounts_there_is_no_monetary_value(self):
        bare = CustomerHistories.from_pandas(table().drop(columns="monetary_value"), unit="day")
        assert bare.spend is None
        assert "monetary_value" not in bare.to_pandas()

    def test_zero_monetary_value_without_repeats_means_none(self):
        assert np.isnan(histories(monetary_value=[12.5, 0.0, 0.0]).to_pandas()["monetary_value"][1])

    @pytest.mark.parametrize("convert", [pl.from_pandas, lambda frame: pl.from_pandas(frame).to_arrow()])
    def test_other_libraries_give_the_same(self, convert):
        pd.testing.assert_frame_equal(
            CustomerHistories.from_pandas(convert(table()), unit="week").to_pandas(), table(), check_dtype=False
        )

    def test_customer_id_may_be_the_index(self):
        indexed = CustomerHistories.from_pandas(table().set_index("customer_id"), unit="week")
        pd.testing.assert_frame_equal(indexed.to_pandas(), table())

    def test_the_id_column_may_have_another_name(self):
        renamed = CustomerHistories.from_pandas(
            table().rename(columns={"customer_id": "who"}), unit="week", customer="who"
        )
        pd.testing.assert_frame_equal(renamed.to_pandas(), table())

    @pytest.mark.parametrize(
        "ids",
        [
            pd.Series([30, 7, 12]),
            pd.Series([30, 7, 12], dtype="Int64"),
            pd.Series([30, 7, 12], dtype="uint16"),
            pd.Series(["x", "ä", "7"]),
            pd.Series(["x", "ä", "7"], dtype=object),
            pd.Series(["x", "ä", "7"], dtype="category"),
            pd.Series(pd.Categorical(["x", "y", "z"], categories=["z", "unused", "y", "x"], ordered=True)),
        ],
        ids=["int64", "Int64", "uint16", "str", "object", "category", "ordered category"],
    )
    def test_ids_come_back_as_they_went_in(self, ids):
        pd.testing.assert_series_equal(histories(customer_id=ids).to_pandas()["customer_id"], ids.rename("customer_id"))

    def test_every_row_is_audited_as_kept(self):
        audit = histories().audit
        assert (audit.rows_read, audit.kept, audit.customers) == (3, 3, 3)

    def test_lazy_frames_are_refused_with_the_remedy(self):
        with pytest.raises(DataError, match=r"the table is lazy .*LazyFrame.*call \.collect\(\)"):
            CustomerHistories.from_pandas(pl.from_pandas(table()).lazy(), unit="week")

    def test_what_is_no_table_is_refused(self):
        with pytest.raises(DataError, match=r"pandas, Polars or PyArrow data frame, got builtins\.dict"):
            CustomerHistories.from_pandas({"frequency": [1]}, unit="week")  # type: ignore[arg-type]

    def test_an_empty_table_is_refused(self):
        with pytest.raises(DataError, match="no rows; expected one row per customer"):
            CustomerHistories.from_pandas(table().iloc[:0], unit="week")

    def test_a_missing_column_is_named_with_its_like(self):
        with pytest.raises(ColumnError, match="no column 'recency'; did you mean 'recencies'"):
            CustomerHistories.from_pandas(table().rename(columns={"recency": "recencies"}), unit="week")

    def test_a_column_of_words_is_refused(self):
        with pytest.raises(ColumnError, match="'recency' must hold numbers, got text such as '3'; cast it"):
            histories(recency=["3", "0", "1"])

    @pytest.mark.parametrize("ids", [[1.0, 2.0, 3.0], [True, False, True], [("a",), ("b",), ("c",)]])
    def test_other_ids_are_refused(self, ids):
        with pytest.raises(ColumnError, match="must be strings, integers or categories, got"):
            histories(customer_id=ids)

    @pytest.mark.parametrize(
        "columns, message",
        [
            ({"customer_id": ["c", None, "b"]}, "row 1 has no customer id"),
            ({"customer_id": ["c", "a", "a"]}, "customer 'a' occurs more than once; expected one history per customer"),
            ({"frequency": [2, 0, -1]}, r"customer 'b' has frequency = -1; expected .* 0 or more"),
            ({"frequency": [2.5, 0, np.nan]}, r"customer 'c' \(and 1 more\) has frequency = 2\.5; expected a whole"),
            (
                {"recency": [6.0, 0.0, 1.0]},
                r"customer 'c' has recency = 6, T = 5; expected 0 <= recency <= T.*not from",
            ),
            ({"recency": [3.0, 0.0, -1.0]}, "customer 'b' has recency = -1"),
            ({"recency": [3.0, np.nan, 1.0]}, "customer 'a' has recency = nan, T = 5; expected .* both finite"),
            ({"T": [5.0, np.inf, 5.0]}, "customer 'a' has recency = 0, T = inf"),
            ({"recency": [3.0, 1.0, 1.0]}, "customer 'a' has frequency = 0, recency = 1; expected recency to be 0"),
            (
                {"recency": [0.0, 0.0, 1.0]},
                "customer 'c' has frequency = 2, recency = 0; .*count only repeat purchases",
            ),
            ({"monetary_value": [-1.0, np.nan, 1.0]}, "customer 'c' has frequency = 2, monetary_value = -1; expected"),
            ({"monetary_value": [1.0, np.nan, np.nan]}, "customer 'b' has frequency = 1, monetary_value = nan"),
            (
                {"monetary_value": [1.0, np.nan, 1e306]},
                "customer 'b' has .* monetary_value = 1e.306; expected a finite",
            ),
            ({"frequency": [2, 0, 1e300]}, "customer 'b' has frequency = 1e.300; expected a whole number"),
            ({"monetary_value": [1.0, 9.0, 1.0]}, "customer 'a' has frequency = 0, monetary_value = 9; expected NaN"),
        ],
    )
    def test_impossible_rows_are_refused_by_name(self, columns, message):
        with pytest.raises(RowError, match=message):
            histories(**columns)

    def test_an_unknown_unit_is_refused(self):
        with pytest.raises(SpecificationError, match="unknown time unit 'weeks'"):
            CustomerHistories.from_pandas(table(), unit="weeks")  # type: ignore[arg-type]


class TestValues:
    def test_arrays_are_read_only_but_the_callers_stay_writeable(self):
        recency = np.array([3.0, 0.0])
        made = CustomerHistories(
            customer_id=pd.Index([1, 2]),
            frequency=np.array([1, 0]),
            recency=recency,
            T=np.array([4.0, 4.0]),
            unit="day",
            audit=Audit(rows_read=2, kept=2, customers=2),
        )
        with pytest.raises(ValueError, match="read-only"):
            made.recency[0] = 1.0
        assert recency.flags.writeable

    def test_the_tables_handed_out_can_be_changed(self):
        made = histories()
        frame = made.to_pandas()
        frame.loc[0, "frequency"] = 99
        assert made.frequency[0] == 2

    @pytest.mark.parametrize(
        "part, message",
        [
            ({"T": np.zeros(3)}, "T has 3 entries for 2 customers"),
            ({"spend": Spend(total=np.zeros(1))}, r"spend\.total has 1 entries for 2 customers"),
            ({"gaps": Gaps(offsets=np.zeros(2, int), values=np.zeros(0, int))}, "gaps.offsets less one has 1 entries"),
            (
                {
                    "steps": Steps(
                        first=np.zeros(1, int), last=np.zeros(2, int), until=np.zeros(2, int), resolution="day"
                    )
                },
                r"steps\.first has 1 entries",
            ),
            ({"spend": Spend(total=np.zeros(2), log_total=np.zeros(3))}, r"spend\.log_total has 3 entries"),
            (
                {"gaps": Gaps(offsets=np.array([0, 1, 1]), values=np.array([4]))},
                "gaps of customer 1 number 1, its frequency",
            ),
            ({"covariates": pd.DataFrame({"age": [1, 2]}, index=[2, 1])}, "index of covariates must be customer_id"),
        ],
    )
    def test_parts_must_fit_together(self, part, message):
        whole = {
            "customer_id": pd.Index([1, 2]),
            "frequency": np.zeros(2),
            "recency": np.zeros(2),
            "T": np.zeros(2),
            "unit": "day",
            "audit": Audit(rows_read=2, kept=2, customers=2),
        }
        with pytest.raises(DataError, match=message):
            CustomerHistories(**(whole | part))

    def test_spend_without_repeats_is_refused(self):
        with pytest.raises(
            RowError, match="customer 2 has frequency = 0, sum of repeat amounts = 5; expected a finite"
        ):
            CustomerHistories(
                customer_id=pd.Index([1, 2]),
                frequency=np.array([1, 0]),
                recency=np.array([1.0, 0.0]),
                T=np.array([1.0, 1.0]),
                unit="day",
                spend=Spend(total=np.array([5.0, 5.0])),
                audit=Audit(rows_read=2, kept=2, customers=2),
            )

    def test_repr_is_short(self):
        assert repr(histories()) == "CustomerHistories(3 customers, 3 repeat purchases, with amounts, unit='week')"

    @pytest.mark.parametrize("clone", [copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])  # noqa: S301
    def test_they_can_be_sent_to_another_process(self, clone, logged):
        pd.testing.assert_frame_equal(clone(logged).to_pandas(), logged.to_pandas())


class TestSubsets:
    def test_select_keeps_the_order_asked_for(self, logged):
        chosen = logged.select(["c", "b"])
        expected = logged.to_pandas().set_index("customer_id").loc[["c", "b"]].reset_index()
        pd.testing.assert_frame_equal(chosen.to_pandas(), expected)
        np.testing.assert_array_equal(chosen.gaps.offsets, [0, 0, 2])
        np.testing.assert_array_equal(chosen.gaps.values, [3, 7])
        np.testing.assert_array_equal(chosen.steps.first, logged.steps.first[[2, 0]])
        np.testing.assert_array_equal(chosen.spend.first_amount, [4.0, 1.0])

    def test_take_accepts_positions_and_masks(self, logged):
        assert list(logged.take([2, 0]).customer_id) == ["c", "b"]
        assert list(logged.take(logged.frequency == 0).customer_id) == ["a", "c"]
        assert len(logged.take([])) == 0

    def test_covariates_go_along(self):
        made = histories()
        with_age = CustomerHistories(
            customer_id=made.customer_id,
            frequency=made.frequency,
            recency=made.recency,
            T=made.T,
            unit=made.unit,
            audit=made.audit,
            covariates=pd.DataFrame({"age": [30, 40, 50]}, index=made.customer_id),
        )
        chosen = with_age.select(["b", "c"]).covariates
        assert chosen is not None
        assert chosen["age"].to_dict() == {"b": 50, "c": 30}

    def test_an_unknown_customer_is_named(self, logged):
        with pytest.raises(RowError, match=r"customer 'zoe' has no history here \(1 such ids\)"):
            logged.select(["a", "zoe"])


class TestUnits:
    def test_steps_convert_exactly(self, logged):
        days = logged.in_unit("day")
        np.testing.assert_array_equal(days.T, [14.0, 13.0, 10.0])
        np.testing.assert_array_equal(days.in_unit("week").recency, logged.recency)

    def test_a_table_converts_as_well(self):
        np.testing.assert_allclose(histories().in_unit("day").recency, [21.0, 0.0, 10.5])
        np.testing.assert_allclose(histories().in_unit("year").in_unit("week").T, histories().T)

    def test_the_same_unit_changes_nothing(self, logged):
        assert logged.in_unit("week") is logged


class TestCells:
    def test_equal_histories_share_a_cell(self):
        cells = histories(
            frequency=[1, 0, 1], recency=[1.5, 0.0, 1.5], T=[1.5, 5.0, 1.5], monetary_value=[2.0, np.nan, 3.0]
        ).cells(PURCHASES)
        assert len(cells) == 2
        np.testing.assert_array_equal(cells["x"], [0.0, 1.0])
        np.testing.assert_array_equal(cells.counts, [1, 2])
        np.testing.assert_array_equal(cells.index, [1, 0, 1])
        assert repr(cells) == "Cells(2 distinct (x, T, t_x) of 3 customers, 'week')"

    @given(
        rows=st.lists(st.tuples(st.integers(0, 2), st.integers(1, 3), st.integers(0, 2), st.integers(0, 2)), min_size=1)
    )
    def test_cells_are_distinct_sorted_and_lead_back_to_every_customer(self, rows):
        x, t_x, rest, amount = np.array(rows).T
        frame = pd.DataFrame(
            {
                "customer_id": np.arange(len(x)),
                "frequency": x,
                "recency": np.where(x > 0, t_x, 0) / 7,
                "T": (t_x + rest) / 7,
                "monetary_value": np.where(x > 0, amount / 3, np.nan),
            }
        )
        made = CustomerHistories.from_pandas(frame, unit="week")
        for model in (PURCHASES, SPENDING, EVERYTHING, Needs(("T",)), Needs(())):
            cells = made.cells(model)
            per_customer = {"x": made.frequency, "t_x": made.recency, "T": made.T, "total": totals(made)}
            order = [name for name in ("x", "T", "t_x", "total") if name in model.needs]
            counted = Counter(zip(*(per_customer[name].tolist() for name in order), strict=True))
            assert list(cells.columns) == order
            if order:
                assert list(zip(*(cells[name].tolist() for name in order), strict=True)) == sorted(counted)
                assert cells.counts.tolist() == [counted[history] for history in sorted(counted)]
            assert cells.counts.sum() == len(made)
            for name in order:
                np.testing.assert_array_equal(cells[name][cells.index], per_customer[name])

    def test_keys_too_wide_for_an_integer_are_packed_again(self):
        rng = np.random.default_rng(1)
        n = 60_000  # to the fourth power: more than 63 bits hold
        x = rng.permutation(np.arange(1, n + 1))
        T = rng.permutation(np.arange(n) + 1e6)
        made = CustomerHistories.from_pandas(
            pd.DataFrame(
                {"customer_id": np.arange(n), "frequency": x, "recency": T - rng.random(n), "T": T, "monetary_value": T}
            ),
            unit="day",
        )
        cells = made.cells(EVERYTHING)
        assert len(cells) == n
        np.testing.assert_array_equal(cells["x"], np.arange(1, n + 1))
        np.testing.assert_array_equal(cells["T"][cells.index], T)
        np.testing.assert_array_equal(cells["total"][cells.index], totals(made))

    def test_nobody_has_no_cells(self):
        assert len(histories().take([]).cells(PURCHASES)) == 0

    def test_row_order_is_irrelevant(self, logged):
        shuffled = logged.take([2, 0, 1])
        for name in PURCHASES.needs:
            np.testing.assert_array_equal(shuffled.cells(PURCHASES)[name], logged.cells(PURCHASES)[name])

    def test_missing_amounts_are_refused_with_the_remedy(self):
        bare = CustomerHistories.from_pandas(table().drop(columns="monetary_value"), unit="day")
        with pytest.raises(MissingInformationError, match=r"needs amounts.*summarize\(…, amount=…\).*monetary_value"):
            bare.cells(SPENDING)

    def test_an_unknown_need_is_refused(self):
        with pytest.raises(
            SpecificationError, match=r"needs 'tx', which is no column .* 'x', 'T', 't_x', 'gaps', 'positive'"
        ):
            histories().cells(Needs(("x", "tx")))  # type: ignore[arg-type]


class TestRounding:
    @given(cents=st.lists(st.integers(0, 10**9)))
    def test_equal_sums_of_cents_become_equal_numbers(self, cents):
        exact = sum(cents) / 100
        summed = round_amounts([sum(cent / 100 for cent in cents)])[0]
        assert summed == exact if exact < 1e9 else summed == pytest.approx(exact, rel=1e-11)

    @given(st.floats(min_value=1e-280, max_value=1e280))
    def test_twelve_digits_stay(self, amount):
        assert round_amounts(np.array([amount, -amount])) == pytest.approx([amount, -amount], rel=1e-11)

    def test_zero_stays_zero(self):
        assert round_amounts(np.zeros(2)).tolist() == [0.0, 0.0]
