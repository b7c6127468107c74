"""ContractHistories: single contracts and tables of cohorts, what is refused, and that both tell the same."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

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
from tests.contracts import MODELS, contracts
from tests.customers import histories_of


def single(**columns):
    frame = pd.DataFrame(
        {
            "customer_id": ["d", "a", "c", "b"],
            "tenure": [3, 0, 2, 3],
            "ended": [False, True, True, False],
            "plan": ["plus", "basic", "plus", "basic"],
        }
    )
    return frame.assign(**columns)


def from_single(frame=None, **arguments):
    arguments = {"cohort": "plan"} | arguments
    return kw.ContractHistories.from_pandas(single() if frame is None else frame, **arguments)


def cohorts(**columns):
    frame = pd.DataFrame(
        {"plan": ["plus"] * 3 + ["basic"] * 3, "renewal": [0, 1, 2] * 2, "survivors": [10, 7, 7, 30, 12, 0]}
    )
    return frame.assign(**columns)


def from_cohorts(frame=None, **arguments):
    return kw.ContractHistories.from_cohorts(cohorts() if frame is None else frame, **({"cohort": "plan"} | arguments))


def counted(histories):
    cells = histories.cells(kw.ShiftedBetaGeometric())
    rows = zip(*(cells[name].astype(int).tolist() for name in ("cohort", "tenure", "ended")), strict=True)
    return cells.cohorts, dict(zip(rows, cells.counts.tolist(), strict=True))


class TestSingleContracts:
    def test_a_table_comes_back_as_it_went_in(self):
        back = from_single().to_pandas().rename(columns={"cohort": "plan"})
        pd.testing.assert_frame_equal(back, single().astype({"ended": int}))

    def test_cohorts_are_sorted_whatever_the_order_of_the_rows(self):
        assert from_single().cohorts == ("basic", "plus")
        one, other = counted(from_single()), counted(from_single(single().iloc[::-1]))
        assert one == other == (("basic", "plus"), {(0, 0, 1): 1, (0, 3, 0): 1, (1, 2, 1): 1, (1, 3, 0): 1})

    def test_without_cohorts_all_are_alike(self):
        histories = kw.ContractHistories.from_pandas(single())
        assert histories.cohorts == ()
        assert counted(histories) == ((), {(0, 0, 1): 1, (0, 2, 1): 1, (0, 3, 0): 2})
        assert "cohort" not in histories.to_pandas()

    @pytest.mark.parametrize("convert", [pl.from_pandas, lambda frame: pl.from_pandas(frame).to_arrow()])
    def test_other_libraries_give_the_same(self, convert):
        pd.testing.assert_frame_equal(from_single(convert(single())).to_pandas(), from_single().to_pandas())

    def test_ids_may_be_the_index_and_labels_integers_or_categories(self):
        frame = single(plan=pd.Categorical([2, 1, 2, 1])).set_index("customer_id")
        histories = from_single(frame)
        assert histories.cohorts == (1, 2)
        assert histories.customer_id.tolist() == ["d", "a", "c", "b"]
        assert from_single(single(plan=[2024, 2023, 2024, 2023])).cohorts == (2023, 2024)

    @pytest.mark.parametrize(
        "columns, words",
        [
            ({"tenure": [3, -1, 2, 3]}, r"customer 'a' has tenure = -1; expected a whole number"),
            ({"tenure": [3, 0, 2.5, 3]}, r"customer 'c' has tenure = 2\.5; expected a whole number"),
            ({"tenure": [3, 0, np.nan, np.inf]}, r"customer 'c' \(and 1 more\) has tenure = nan"),
            ({"ended": [0, 1, 2, 0]}, r"customer 'c' has ended = 2; expected True or 1"),
            ({"ended": pd.array([False, None, True, False], dtype="boolean")}, r"customer 'a' has ended = nan"),
            ({"plan": ["plus", None, "plus", "basic"]}, "customer 'a' has no cohort"),
            ({"customer_id": ["d", "a", "d", "b"]}, "customer 'd' occurs more than once.*second contract"),
        ],
    )
    def test_what_cannot_be_is_refused(self, columns, words):
        with pytest.raises(RowError, match=words):
            from_single(single(**columns))

    def test_tenures_are_checked_against_the_renewals_that_came_due(self):
        assert len(from_single(single(age=[3, 1, 5, 3]), observed="age")) == 4
        with pytest.raises(RowError, match=r"customer 'c' has tenure = 2, ended = 1, observed = 2; expected .* missed"):
            from_single(single(age=[3, 1, 2, 3]), observed="age")
        with pytest.raises(
            RowError, match=r"customer 'b' has tenure = 3, ended = 0, observed = 4; expected .* made every"
        ):
            from_single(single(age=[3, 1, 5, 4]), observed="age")

    @pytest.mark.parametrize(
        "frame, words",
        [
            (single().drop(columns="ended"), "no column 'ended'"),
            (single(plan=[0.5, 1.0, 1.5, 2.0]), "cohorts in column 'plan' must be strings, integers or categories"),
            (single(tenure="three"), "column 'tenure' must hold numbers"),
            (single(ended="yes"), "column 'ended' must hold numbers"),
        ],
    )
    def test_columns_of_the_wrong_kind_are_refused(self, frame, words):
        with pytest.raises(ColumnError, match=words):
            from_single(frame)

    def test_an_empty_table_is_refused(self):
        with pytest.raises(DataError, match="no rows"):
            from_single(single().head(0))


class TestCohorts:
    def test_the_lost_have_ended_and_the_rest_is_active(self):
        assert counted(from_cohorts()) == (
            ("basic", "plus"),
            {(0, 0, 1): 18, (0, 1, 1): 12, (1, 0, 1): 3, (1, 2, 0): 7},
        )
        assert from_cohorts().customer_id.tolist() == list(range(1, 41))

    def test_the_order_of_the_rows_and_the_library_do_not_matter(self):
        shuffled = pl.from_pandas(cohorts()).sample(fraction=1, shuffle=True, seed=1)
        assert counted(from_cohorts(shuffled)) == counted(from_cohorts())

    def test_single_contracts_and_their_table_are_the_same_cells(self):
        table = from_cohorts()
        apart = kw.ContractHistories.from_pandas(table.to_pandas().sample(frac=1, random_state=0), cohort="cohort")
        assert counted(apart) == counted(table)

    def test_one_cohort_needs_no_name(self):
        alone = kw.ContractHistories.from_cohorts(cohorts().iloc[:3])
        assert counted(alone) == ((), {(0, 0, 1): 3, (0, 2, 0): 7})

    @pytest.mark.parametrize("scale", [1.0, 100.0])
    def test_shares_become_whole_contracts(self, scale):
        start = {"plus": 10, "basic": 30}
        shares = cohorts(survivors=cohorts()["survivors"] / cohorts()["plan"].map(start) * scale)
        assert counted(from_cohorts(shares, customers=start)) == counted(from_cohorts())
        third = pd.DataFrame({"renewal": [0, 1], "survivors": [scale, scale / 3]})
        thousand = kw.ContractHistories.from_cohorts(third, customers=1000)
        assert counted(thousand) == ((), {(0, 0, 1): 667, (0, 1, 0): 333})

    @pytest.mark.parametrize(
        "columns, words",
        [
            (
                {"survivors": [10, 7, 8, 30, 12, 0]},
                "'plus' has survivors = 8 at renewal 2, after 7 at renewal 1; .*never rise",
            ),
            ({"survivors": [10, 7, 6.5, 30, 12, 0]}, r"'plus' has survivors = 6\.5 at renewal 2; .*customers=…"),
            ({"survivors": [10, 7, np.nan, 30, 12, 0]}, "'plus' has survivors = nan at renewal 2"),
            ({"survivors": [10, 7, 7, 30, 12, -1]}, "'basic' has survivors = -1 at renewal 2"),
            ({"survivors": [10, 7, 7, 0, 0, 0]}, "'basic' starts with no contracts"),
            ({"renewal": [0, 1, 3, 0, 1, 2]}, "'plus' has no row for renewal 2"),
            ({"renewal": [1, 2, 3, 0, 1, 2]}, "'plus' has no row for renewal 0"),
            ({"renewal": [0, 1, 1, 0, 1, 2]}, "'plus' has two rows for renewal 1"),
            ({"renewal": [0, 1, 1.5, 0, 1, 2]}, r"'plus' has a row for renewal 1\.5"),
            ({"plan": ["plus", None, "plus", "basic", "basic", "basic"]}, "row 1 has no cohort"),
        ],
    )
    def test_what_cannot_be_is_refused(self, columns, words):
        with pytest.raises(RowError, match=words):
            from_cohorts(cohorts(**columns))

    def test_counts_are_not_taken_for_shares(self):
        with pytest.raises(RowError, match="starts at 1 or 100"):
            from_cohorts(customers=1000)
        with pytest.raises(RowError, match=r"two rows for renewal 0"):
            kw.ContractHistories.from_cohorts(cohorts())  # two cohorts, but no column named

    @pytest.mark.parametrize("many, shown", [(3e8, "300,000,000"), (1e19, "about 10.19"), (1e300, "about 10.300")])
    def test_more_contracts_than_fit_in_memory_are_refused(self, many, shown):
        table = cohorts(survivors=[10, 7, 7, many, 12, 0])
        with pytest.raises(SizeError, match=f"cohort 'basic' starts with {shown} contracts.*200,000,000 are too many"):
            from_cohorts(table)

    def test_so_are_too_many_customers_and_too_many_in_all(self):
        shares = cohorts(survivors=[1, 0.7, 0.7, 1, 0.4, 0])
        for many in (10**30, 10**5000):
            with pytest.raises(SizeError, match=r"cohort 'plus' starts with about 10\^"):
                from_cohorts(shares, customers={"plus": many, "basic": 1})
        with pytest.raises(SizeError, match="up to cohort 'plus', the table has 200,000,001 contracts"):
            from_cohorts(shares, customers={"basic": 1, "plus": 200_000_000})

    @pytest.mark.parametrize("customers", [0, -3, 2.5, True, "100", {"plus": 10}, {"plus": 10, "basic": 0}])
    def test_the_number_of_customers_is_a_number_for_every_cohort(self, customers):
        with pytest.raises(SpecificationError, match="customers"):
            from_cohorts(cohorts(survivors=[1, 0.7, 0.7, 1, 0.4, 0]), customers=customers)


class TestHistories:
    def test_some_of_the_contracts(self):
        some = from_single().take([3, 1])
        assert some.customer_id.tolist() == ["b", "a"]
        assert (some.cohorts, some.cohort.tolist(), some.tenure.tolist()) == (("basic",), [0, 0], [3, 0])
        assert from_single().select(["c", "a"]).to_pandas()["cohort"].tolist() == ["plus", "basic"]
        assert len(from_single().take([])) == 0

    def test_renewals_are_counted_not_measured(self):
        histories = from_single(every=kw.months(1))
        assert (histories.measure, histories.clock) == ("renewal", "renewal")
        assert histories.periods_per_year == pytest.approx(12, rel=1e-14)
        assert np.isnan(from_single().periods_per_year)
        assert histories.in_unit("renewal") is histories
        with pytest.raises(DurationError, match="count renewals"):
            histories.in_unit("week")

    @pytest.mark.parametrize("every", [kw.renewals(1), kw.days(0), kw.LIFETIME, 12, "month"], ids=repr)
    def test_the_interval_between_renewals_is_a_duration(self, every):
        with pytest.raises(SpecificationError, match="every"):
            from_single(every=every)

    def test_arrays_are_checked_and_read_only(self):
        good = from_single()
        with pytest.raises(ValueError, match="read-only"):
            good.tenure[0] = 5
        arguments = {"customer_id": good.customer_id, "audit": good.audit, "cohorts": ("x",)}
        fine = {"tenure": good.tenure, "ended": good.ended, "cohort": [0, 0, 0, 0]}
        assert len(kw.ContractHistories(**arguments, **fine)) == 4
        with pytest.raises(DataError, match="ended has 3 entries for 4 contracts"):
            kw.ContractHistories(**arguments, **(fine | {"ended": [0, 1, 0]}))
        for name, wrong in {"tenure": [0, -1, 0, 0], "ended": [0, 2, 0, 0], "cohort": [0, 1, 0, 0]}.items():
            with pytest.raises(RowError, match=f"customer 'a' has {name} ="):
                kw.ContractHistories(**arguments, **(fine | {name: wrong}))

    def test_models_of_purchases_need_other_histories(self):
        with pytest.raises(MissingInformationError, match=r"needs CustomerHistories.*ContractHistories"):
            from_single().cells(kw.BGNBD())
        for model in MODELS.values():
            with pytest.raises(MissingInformationError, match=r"needs ContractHistories.*from_cohorts"):
                histories_of([1], 1, 2).cells(model)

    def test_what_it_shows(self):
        assert repr(from_single(every=kw.months(1))) == (
            "ContractHistories(4 contracts in 2 cohorts, 2 active, every=months(1))"
        )
        assert repr(contracts([1], [1])) == "ContractHistories(1 contracts, 0 active)"
        assert from_cohorts().audit.rows_read == 6
        assert from_cohorts().audit.customers == 40
