"""What real exports hold besides: signs of other alphabets, answers in words, zeros for what nobody has seen yet."""

import re
from typing import Any

import pandas as pd
import pytest

import kundenwert as kw
from kundenwert.errors import ColumnError, DataError, LonelyDateWarning, RowError, SpecificationError
from tests.reading.remedies import arguments_in, mended


def bought(amounts):
    return pd.DataFrame(
        {"who": ["a"] * len(amounts), "when": pd.date_range("2024-01-01", periods=len(amounts)), "paid": amounts}
    )


def refunds(log, **arguments):
    return kw.summarize(log, customer="who", time="when", amount="paid", **arguments).audit.refunds


def line(pattern, message):
    """The line of code that the message names."""
    found = re.search(pattern, message)
    assert found, message
    return found[0]


class TestMinus:
    def test_that_of_typesetters_is_read(self):
        assert refunds(bought(["5,00", "\u22125,00"]), decimal=",") == 1

    def test_taking_the_currency_off_keeps_it(self):
        log = bought(["$5.00", "\u2212$5.00"])
        with pytest.raises(ColumnError, match="take currencies off") as error:
            refunds(log)
        assert refunds(mended(log, error.value), **arguments_in(error.value)) == 1


class TestLabels:
    @pytest.mark.parametrize("late", [1, 1.5, True, b"x", ("x",)])
    def test_a_late_one_of_another_type_is_refused(self, late):
        labels = pd.Series([*["x"] * 200, late], dtype=object)
        contracts = pd.DataFrame({"customer_id": range(201), "tenure": 1, "ended": 0, "plan": labels})
        with pytest.raises(ColumnError, match=rf"got text and {re.escape(repr(late))} .* for customer 200"):
            kw.ContractHistories.from_pandas(contracts, cohort="plan")
        sent = pd.DataFrame({"customer_id": range(201), "offer": "A", "returned": 0, "plan": labels})
        with pytest.raises(ColumnError, match="segments in column 'plan' must be"):
            kw.CampaignLog.from_pandas(sent, window=kw.weeks(2), segment="plan")

    def test_objects_of_one_type_are_read(self):
        contracts = pd.DataFrame({"customer_id": [1, 2], "tenure": 1, "ended": 0})
        table = contracts.assign(plan=pd.Series(["x", "y"], dtype=object))
        assert kw.ContractHistories.from_pandas(table, cohort="plan").cohorts == ("x", "y")


class TestAnswers:
    contracts = pd.DataFrame({"customer_id": ["a", "b", "c"], "tenure": [5, 0, 2]})

    def read(self, ended, **arguments):
        return kw.ContractHistories.from_pandas(self.contracts.assign(ended=ended), **arguments)

    def test_truth_values_with_gaps_name_the_gap(self):
        with pytest.raises(RowError, match="customer 'b' has ended = nan"):
            self.read([True, None, False])
        made = self.read([True, None, False], on_bad_rows="drop")
        assert made.ended.tolist() == [1, 0]
        assert list(made.customer_id) == ["a", "c"]

    def test_words_are_converted_by_the_line_in_the_error(self):
        table = self.contracts.assign(ended=["No", "yes", "yes"])
        with pytest.raises(ColumnError, match="got text such as 'No'") as error:
            kw.ContractHistories.from_pandas(table)
        exec(line(r"table\['ended'\] = .*$", str(error.value)), {"table": table, "pd": pd})  # noqa: S102
        assert kw.ContractHistories.from_pandas(table).ended.tolist() == [0, 1, 1]

    def test_numbers_as_text_name_the_one_that_is_none(self):
        table = self.contracts.assign(ended=0, tenure=["5", "long", "2"])
        with pytest.raises(ColumnError, match=r"'long' is no number \(1 such rows\)") as error:
            kw.ContractHistories.from_pandas(table)
        exec(line(r"table\['tenure'\] = .*$", str(error.value)), {"table": table, "pd": pd})  # noqa: S102
        with pytest.raises(RowError, match="customer 'b' has tenure = nan"):
            kw.ContractHistories.from_pandas(table)


class TestTriangle:
    seen = pd.DataFrame([[1520, 1100, 890], [1310, 960, None], [1405, None, None]], index=["x", "y", "z"])

    def test_zeros_for_periods_that_nobody_has_seen_are_refused(self):
        triangle = self.seen.fillna(0)
        with pytest.raises(RowError, match="cohort 'y' falls from 960 to 0 after renewal 1, and all younger") as error:
            kw.ContractHistories.from_triangle(triangle)
        names: dict[str, Any] = {"triangle": triangle}
        exec(line(r"triangle = .*?\)\)", str(error.value)), names)  # noqa: S102 -- that the line works is tested
        read, right = (kw.ContractHistories.from_triangle(table) for table in (names["triangle"], self.seen))
        pd.testing.assert_frame_equal(read.to_pandas(), right.to_pandas())
        assert right.ended.sum() == 1520 - 890 + 1310 - 960

    @pytest.mark.parametrize(
        "table",
        [
            [[5, 3, 1], [5, 1, 0], [3, 0, 0]],  # few contracts
            [[900, 300, 0], [900, 300, 0], [900, 300, 0]],  # a plan that ends after two periods
            [[900, 300, 30], [900, 10, 0], [900, 0, 0]],  # hardly any is left
        ],
    )
    def test_others_are_read(self, table):
        made = kw.ContractHistories.from_triangle(pd.DataFrame(table, index=["x", "y", "z"]))
        assert len(made) - int(made.ended.sum()) == sum(row[-1] for row in table)


class TestContractDates:
    def read(self, start, end, **arguments):
        table = pd.DataFrame({"who": ["a"], "from": start, "to": end})
        return kw.summarize_contracts(
            table, customer="who", start="from", end="to", until="2024-07-20", every="month", **arguments
        )

    def test_a_zone_on_one_side_only_is_refused(self):
        start, end = pd.to_datetime(["2024-01-31 23:30"], utc=True), pd.to_datetime(["2024-03-05"])
        with pytest.raises(ColumnError, match="'from' have a time zone, UTC, and those in 'to' have none"):
            self.read(start, end)
        assert self.read(start, end, time_zone="Europe/Berlin").tenure.tolist() == [1]  # 1 February, 1 March
        assert self.read(start, [pd.NaT]).ended.tolist() == [0]

    def test_an_end_that_is_empty_is_open(self):
        assert self.read(["2024-01-31"], [""], parse_dates=True).ended.tolist() == [0]

    def test_a_start_that_is_empty_is_shown_as_such(self):
        with pytest.raises(RowError, match="column 'from' holds ''"):
            self.read([""], ["2024-01-31"], parse_dates=True)


class TestArguments:
    @pytest.mark.parametrize("name", ["parse_dates", "net_refunds", "drop_duplicates"])
    def test_a_word_is_no_truth_value(self, name):
        with pytest.raises(SpecificationError, match=f"{name} is True or False, got 'no'"):
            refunds(bought([1.0, 2.0]), **{name: "no"})

    @pytest.mark.parametrize("name", ["unit", "resolution", "on_bad_rows", "after_until", "decimal"])
    def test_a_list_is_no_choice(self, name):
        with pytest.raises(SpecificationError):
            refunds(bought([1.0, 2.0]), **{name: ["week"]})


class TestFirstPurchases:
    def test_those_that_cannot_be_read_are_shown_when_nobody_is_left(self):
        log = pd.DataFrame({"who": ["a", "b"], "when": ["01.02.2024 10:00", "03.02.2024 11:00"]})
        since = pd.DataFrame({"who": ["a", "b"], "won": ["01.02.2024", "03.02.2024"]})
        with pytest.raises(DataError, match=r"column 'won' of customers holds '01\.02\.2024'"):
            kw.summarize(
                log, customer="who", time="when", time_format="%d.%m.%Y %H:%M", first_purchase="won", customers=since,
                on_bad_rows="drop",
            )  # fmt: skip


@pytest.mark.parametrize("arguments", [{"parse_dates": True}, {"time_format": "%d.%m.%Y"}, {}])
def test_half_a_surrogate_is_no_time(arguments):
    log = pd.DataFrame({"who": ["a"], "when": pd.Series(["\ud800"], dtype=object)})
    with pytest.raises(DataError, match=re.escape(repr("\ud800"))):
        kw.summarize(log, customer="who", time="when", **arguments)


@pytest.mark.parametrize(
    "written, arguments",
    [
        ("%d.%m.%Y", {"time_format": "%d.%m.%Y"}),
        ("%Y/%m/%d", {"parse_dates": True}),
        ("%Y-%m-%d %H:%M:%S +0100", {"parse_dates": True}),
        (None, {}),
    ],
)
def test_lonely_days_are_left_out_by_the_line_in_the_warning(written, arguments):
    days = pd.Series([pd.Timestamp("1970-01-01"), *pd.date_range("2022-01-25", periods=60)])
    log = pd.DataFrame({"who": range(61), "when": days if written is None else days.dt.strftime(written)})
    with pytest.warns(LonelyDateWarning) as told:
        kw.summarize(log, customer="who", time="when", until="2022-04-30", **arguments)
    names: dict[str, Any] = {"log": log, "pd": pd}
    exec(line(r"log = .*$", str(told[0].message)), names)  # noqa: S102 -- that the line works is tested
    assert names["log"]["who"].tolist() == list(range(1, 61))
