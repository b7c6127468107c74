"""Logs that are plausible and wrong are told of; logs with nothing wrong are not."""

import datetime as dt
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import kundenwert as kw
from kundenwert.datasets import cdnow
from kundenwert.errors import (
    DuplicateRowsWarning,
    FutureDateWarning,
    GuestIdWarning,
    LogBeginsLateWarning,
    LogEndsEarlyWarning,
    LogWarning,
    LonelyDateWarning,
    NegativeAmountsWarning,
    RowError,
)
from kundenwert.transactions.plausibility.dates import after_today
from tests.cdnow import posterior
from tests.clean_logs import KINDS, MBG, PARETO, REGULAR, drawn, read, returned

UNTIL = "1997-09-30"


def summarize(log, **arguments):
    return kw.summarize(log, **({"customer": "customer_id", "time": "date", "amount": "amount"} | arguments))


def with_row(log, customer, day, amount=9.99):
    row = pd.DataFrame({"customer_id": [customer], "date": [pd.Timestamp(day)], "amount": [amount]})
    return pd.concat([log, row], ignore_index=True)


@pytest.fixture(scope="module")
def early():
    return cdnow().query("date <= @UNTIL")


@pytest.fixture(scope="module")
def base():
    return drawn(MBG, np.random.default_rng(1), customers=2_000, over=12, weeks=39)


@pytest.fixture(scope="module")
def guests(base):
    rng = np.random.default_rng(2)
    return pd.DataFrame({"date": rng.choice(base["date"], 2_500), "amount": rng.choice(base["amount"], 2_500)})


@pytest.fixture(scope="module")
def doubled():
    log = cdnow()
    return pd.concat([log, log.query("date >= '1997-07-01'")], ignore_index=True)


class TestDays:
    @pytest.mark.parametrize("day", ["2099-12-31", "9999-12-31", "2026-09-30", "1998-03-01"])
    def test_a_last_day_that_stands_alone_is_refused(self, early, day):
        with pytest.raises(
            RowError, match=rf"customer 5000 has a row on {day}, which stands alone: .*1997-01-01 and"
        ) as e:
            summarize(with_row(early, 5000, day))
        assert "until='1997-09-30'" in str(e.value)

    def test_with_until_nothing_is_lost(self, early):
        made = summarize(with_row(early, 5000, "2099-12-31"), until=UNTIL)
        pd.testing.assert_frame_equal(made.to_pandas(), summarize(early, until=UNTIL).to_pandas())
        ahead = posterior("MBGNBD").expected_purchases(made, horizon=kw.weeks(39))
        assert ahead["mean"].sum() == pytest.approx(1575.3, abs=5)  # draws differ: three standard errors
        assert made.audit.dropped == {"after until": 1}

    def test_several_wrong_days_are_refused_too(self, early):
        wrong = with_row(with_row(early, 5000, "2099-12-31"), 5001, "2098-07-01")
        with pytest.raises(RowError, match=r"customer 5000 .* lie between 1997-01-01 and 1997-09-30"):
            summarize(wrong)

    def test_a_placeholder_in_many_rows_is_refused(self, early):
        wrong = early.copy()
        wrong.loc[wrong.index[::10], "date"] = pd.Timestamp("2100-01-01")
        with pytest.raises(RowError, match=r"2100-01-01 \(482|which stands alone|rows are as late"):
            summarize(wrong)

    @pytest.mark.parametrize("resolution", ["hour", "day", "week"])
    def test_at_every_resolution(self, early, resolution):
        with pytest.raises(RowError, match="stands alone"):
            summarize(with_row(early, 5000, "2099-12-31"), resolution=resolution)

    def test_nineteen_steps_are_too_few_to_tell(self):
        days = pd.date_range("2024-01-01", periods=18).append(pd.DatetimeIndex(["2025-01-01"]))
        log = pd.DataFrame({"customer_id": range(19), "date": days, "amount": 1.0})
        assert summarize(log).T.max() == pytest.approx(366 / 7)
        with pytest.raises(RowError, match="stands alone"):
            summarize(with_row(log, 99, "2024-01-19"))

    def test_the_last_buyer_of_a_small_cohort_is_no_mistake(self):
        days = pd.to_datetime("2024-01-01") + pd.to_timedelta([*range(20), 24, 29, 37, 48, 66, 105], unit="D")
        log = pd.DataFrame({"customer_id": range(len(days)), "date": days, "amount": 1.0})
        assert summarize(log).audit.findings == {}

    @pytest.mark.parametrize("day", ["1970-01-01", "1900-01-01", "1899-12-30", "0001-01-01", "1995-01-01"])
    def test_a_first_day_that_stands_alone_is_told(self, early, day):
        with pytest.warns(LonelyDateWarning, match=rf"customer 5000 has one on {day}, and all later rows lie") as told:
            summarize(with_row(early, 5000, day).assign(date=lambda t: t["date"].astype("datetime64[s]")))
        assert 'log = log[pd.to_datetime(log["date"]) >= "1997-01-01"]' in str(told[0].message)

    @pytest.mark.parametrize("unit, wrong", [("D", "s"), ("s", "ms"), ("s", "ns"), ("ms", "ns")])
    def test_numbers_read_with_the_wrong_unit_are_told(self, early, unit, wrong):
        """Days of a spreadsheet as seconds, seconds as milliseconds: all of CDNOW in January 1970."""
        origin = pd.Timestamp("1899-12-30" if unit == "D" else "1970-01-01")
        numbers = (early["date"] - origin) // pd.Timedelta(1, unit)
        with pytest.warns(LonelyDateWarning, match=r"all 4,960 rows lie in January 1970 .*origin='1899-12-30'"):
            summarize(early.assign(date=pd.to_datetime(numbers, unit=wrong)))

    def test_its_remedy_works(self, early):
        log = with_row(early, 5000, "1970-01-01")
        log = log[pd.to_datetime(log["date"]) >= "1997-01-01"]
        assert len(summarize(log)) == 2357

    @pytest.mark.parametrize("given, what", [(True, "until = "), (False, "the last row of the log")])
    def test_an_observation_after_today_is_told(self, given, what):
        now = dt.datetime(2024, 5, 31, 12, tzinfo=dt.UTC)
        step = (dt.date(2024, 6, 30) - dt.date(1970, 1, 1)).days
        text = after_today(step, "day", given=given, now=now)
        assert text is not None
        assert text.startswith(what)
        assert "2024-06-30 lies after today, 2024-05-31" in text
        assert text.endswith("until='2024-05-31'")

    @pytest.mark.parametrize("resolution", ["hour", "day", "week"])
    def test_today_is_not_after_today_in_any_zone(self, resolution):
        now = dt.datetime(2024, 5, 31, 12, tzinfo=dt.UTC)
        hours = (dt.date(2024, 6, 1) - dt.date(1970, 1, 1)).days * 24 + 2  # it is two o'clock in Kiribati
        step = {"hour": hours, "day": hours // 24, "week": (hours // 24 + 3) // 7}[resolution]
        assert after_today(step, resolution, given=False, now=now) is None

    def test_until_in_the_far_future_is_told(self, early):
        with (
            pytest.warns(FutureDateWarning, match="until = 2999-12-31 lies after today"),
            pytest.warns(LogEndsEarlyWarning, match="give until='1997-09-30'"),
        ):
            summarize(early, until="2999-12-31")


class TestGuests:
    @pytest.mark.parametrize("name", ["", "0", "nan", "guest", "K-4711", "Gäste", "N/A", "--", " Unbekannt ", "Invité"])
    def test_one_id_for_many_people_is_told_with_its_share(self, base, guests, name):
        named = base.assign(customer_id="K-" + base["customer_id"].astype(str))
        log = pd.concat([named, guests.assign(customer_id=name)])
        value = guests["amount"].sum() / log["amount"].sum()
        with pytest.warns(GuestIdWarning) as told:
            made = summarize(log)
        (text,) = [str(one.message) for one in told]
        assert text.startswith(
            f"id {name!r} holds 2,500 of {len(log):,} rows ({2_500 / len(log):.1%}) and {value:.1%} of the value"
        )
        assert made.audit.findings == {"GuestIdWarning": text}
        assert f"\nGuestIdWarning: {text}" in str(made.audit)

    @pytest.mark.parametrize("number", [0, -1, 999_999])
    def test_numbers_that_stand_for_nobody(self, base, guests, number):
        with pytest.warns(GuestIdWarning, match=rf"id {number} holds 150 of"):
            summarize(pd.concat([base, guests.head(150).assign(customer_id=number)]))

    def test_a_name_is_told_from_a_hundredth_on(self, base, guests):
        named = base.assign(customer_id="K-" + base["customer_id"].astype(str))
        with pytest.warns(GuestIdWarning, match="id 'guest' holds 60 of"):
            summarize(pd.concat([named, guests.head(60).assign(customer_id="guest")]))
        assert summarize(pd.concat([named, guests.head(20).assign(customer_id="guest")])).audit.findings == {}

    def test_several_ids_are_named_at_once(self, base, guests):
        named = base.assign(customer_id="K-" + base["customer_id"].astype(str))
        names = np.resize(["guest", "", "nan"], len(guests))
        with pytest.warns(GuestIdWarning, match=r"id 'guest' holds 834 .*; '', 'nan' likewise.*\['guest', '', 'nan'\]"):
            summarize(pd.concat([named, guests.assign(customer_id=names)]))

    def test_its_remedy_works(self, base, guests):
        log = pd.concat([base, guests.assign(customer_id=0)])
        log = log[~log["customer_id"].isin([0])]
        assert len(summarize(log)) == 2_000

    def test_it_can_be_silenced_by_itself_and_stands_in_the_audit(self, base, guests):
        log = pd.concat([base, guests.assign(customer_id=0)])
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=GuestIdWarning)
            made = summarize(log)
        assert list(made.audit.findings) == ["GuestIdWarning"]


class TestNegativeAmounts:
    def profits(self, seed, loss=1 / 3, **arguments):
        rng = np.random.default_rng(seed)
        log = drawn(MBG, rng, **({"customers": 3_000, "over": 12, "weeks": 39} | arguments))
        return log.assign(amount=np.where(rng.uniform(size=len(log)) < loss, -1, 1) * log["amount"])

    @pytest.mark.parametrize("seed", range(3))
    @pytest.mark.parametrize(
        "arguments",
        [{}, {"loss": 0.05}, {"customers": 200}, {"over": 39}, {"over": 1, "weeks": 52}],
        ids=["a third", "a twentieth", "few customers", "customers all the time", "one cohort"],
    )
    def test_profits_are_told(self, seed, arguments):
        with pytest.warns(
            NegativeAmountsWarning, match="The amounts look like profit.*give revenue, and the margin in"
        ):
            summarize(self.profits(seed, **arguments))

    def test_it_counts_what_shows_it(self):
        log = self.profits(1)
        positive = set(log.loc[log["amount"] > 0, "customer_id"])
        only = log["customer_id"].nunique() - len(positive)
        with pytest.warns(NegativeAmountsWarning, match=f"{only:,} have nothing else"):
            summarize(log)

    def test_signs_turned_round_are_told(self):
        log = returned(drawn(MBG, np.random.default_rng(1)), np.random.default_rng(2), 0.1, part=False)
        with pytest.warns(NegativeAmountsWarning, match=r"turned round.*log\[\"amount\"\] = -log\[\"amount\"\]"):
            summarize(log.assign(amount=-log["amount"]))

    def test_returns_in_a_log_that_begins_in_the_middle_are_no_profits(self):
        rng = np.random.default_rng(4)
        log = returned(drawn(REGULAR, rng, over=52, weeks=104), rng, 0.4, part=True)
        with pytest.warns(LogBeginsLateWarning):
            made = summarize(log.query("date >= '2024-01-01'"))
        assert "NegativeAmountsWarning" not in made.audit.findings


class TestBeginning:
    def cut(self, truth, seed, *, over=120, cut=78, customers=3_000):
        log = drawn(truth, np.random.default_rng(seed), customers=customers, over=over, weeks=120)
        return log[log["date"] >= pd.Timestamp("2023-01-02") + pd.Timedelta(weeks=cut)]

    @pytest.mark.parametrize("truth, over", [(MBG, 12), (PARETO, 12), (PARETO, 120), (REGULAR, 12), (REGULAR, 120)])
    def test_a_log_that_begins_in_the_middle_is_told(self, truth, over):
        with pytest.warns(LogBeginsLateWarning, match=r'begin in the middle: .*first_purchase="…"'):
            summarize(self.cut(truth, 2, over=over))

    def test_so_is_cdnow_from_april_on(self):
        with pytest.warns(LogBeginsLateWarning, match="from 1997-04-01 on"):
            summarize(cdnow().query("date >= '1997-04-01'"))


class TestEnd:
    @pytest.mark.parametrize("resolution", ["day", "week"])
    def test_a_log_that_ends_long_before_until_is_told_with_its_last_day(self, early, resolution):
        last = {"day": "1997-09-30", "week": "1997-10-05"}[resolution]  # a Sunday
        with pytest.warns(LogEndsEarlyWarning, match=rf"lies after the end of the log.*give until='{last}'") as told:
            made = summarize(early, until="1997-12-31", resolution=resolution)
        assert told[0].filename == __file__
        assert list(made.audit.findings) == ["LogEndsEarlyWarning"]

    def test_so_is_a_hold_out_and_its_remedy_works(self, early):
        histories = summarize(early, until="1997-06-30")
        with pytest.warns(LogEndsEarlyWarning, match=r"give until='1997-09-30'") as told:
            short = kw.holdout(early, histories, until="1998-06-30")
        assert told[0].filename == __file__
        pd.testing.assert_frame_equal(kw.holdout(early, histories, until="1997-09-30"), short)

    def test_a_wrong_date_after_until_hides_nothing(self, early):
        with pytest.warns(LogEndsEarlyWarning, match="last row is of 1997-09-30"):
            summarize(with_row(early, 5000, "2099-12-31"), until="1997-12-31")

    @pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in {"small", "small_pareto", "one_month"}])
    def test_any_day_is_the_end_of_a_clean_log_but_none_long_after_it(self, kind):
        """A log cut at any day is quiet; a quarter of its length later few kinds are, those of few purchases."""
        clean = KINDS[kind](np.random.default_rng(11))
        log, quiet = clean.log, {"donors", "numbered_from_zero"}
        first, last = log["date"].min(), log["date"].max()
        for share in (0.3, 0.55, 0.8):
            cut = (first + share * (last - first)).floor("h")
            known = replace(clean, log=log[log["date"] <= cut])
            assert "LogEndsEarlyWarning" not in ends(known, cut)
            later = ends(known, cut + (cut - first) / 4)
            assert kind in quiet or "LogEndsEarlyWarning" in later


def ends(clean, until):
    """What is found if the log is said to go on until then."""
    with warnings.catch_warnings(action="ignore", category=LogWarning):
        return read(clean, until=until.isoformat()).audit.findings


class TestDuplicates:
    def test_overlapping_exports_are_told_with_their_days(self, doubled):
        with pytest.warns(DuplicateRowsWarning, match="every row from 1997-07-01 to 1997-09-30 .*drop_duplicates=True"):
            summarize(doubled, until=UNTIL)

    def test_dropping_them_brings_the_amounts_back(self, doubled, early):
        made, once = summarize(doubled, until=UNTIL, drop_duplicates=True), summarize(early, drop_duplicates=True)
        pd.testing.assert_frame_equal(made.to_pandas(), once.to_pandas())
        assert made.audit.findings == {}

    @pytest.mark.filterwarnings("ignore::kundenwert.errors.DuplicateRowsWarning")
    def test_what_they_do_to_spend(self, doubled):
        made = [summarize(doubled, until=UNTIL, drop_duplicates=drop) for drop in (False, True)]
        means = [kw.fit(kw.GammaGamma(), h, seed=1).expected_spend(h)["mean"].mean() for h in made]
        # the log itself has 35.28; nine honest purchases, equal to one of the same day, are dropped as well
        assert means == [pytest.approx(45.67, abs=0.02), pytest.approx(35.27, abs=0.02)]

    def test_every_row_is_accounted_for(self, doubled):
        audit = summarize(doubled, until=UNTIL, drop_duplicates=True).audit
        seen = doubled[doubled["date"] <= UNTIL]
        repeats = int(seen.duplicated(["customer_id", "date", "amount"]).sum())
        assert audit.dropped == {
            "after until": len(doubled) - len(seen),
            "alike another row in id, time and amount": repeats,
        }
        assert audit.duplicates == repeats
        assert audit.rows_read == audit.kept + audit.merged + audit.refunds + sum(audit.dropped.values())

    def test_one_price_and_a_stretch_of_days(self):
        log = drawn(MBG, np.random.default_rng(3)).assign(amount=9.99)
        again = log.query("'2023-05-01' <= date < '2023-06-01'")
        with pytest.warns(DuplicateRowsWarning, match="every row from 2023-05-01 to 2023-05-31"):
            summarize(pd.concat([log, again]))

    def test_orders_sent_again_now_and_then(self):
        rng = np.random.default_rng(5)
        log = drawn(MBG, rng)
        with pytest.warns(DuplicateRowsWarning, match="far more often than chance explains. Amounts"):
            summarize(pd.concat([log, log[rng.uniform(size=len(log)) < 0.03]]))

    def test_refunds_repeat_too(self):
        log = drawn(MBG, np.random.default_rng(6), customers=50)
        back = log.head(7).assign(amount=lambda t: -t["amount"], date=lambda t: t["date"] + pd.Timedelta(days=3))
        made = summarize(pd.concat([log, back, back.head(4)]), drop_duplicates=True)
        assert made.audit.duplicates == 4
        assert made.audit.refunds == 7

    def test_without_amounts_they_change_nothing(self, doubled):
        made = summarize(doubled, amount=None, until=UNTIL)
        assert made.audit.findings == {}
        assert made.frequency.sum() == 2457

    def test_the_hold_out_drops_them_as_well(self, doubled):
        got, expected = (
            kw.holdout(log, summarize(log, until=UNTIL, drop_duplicates=True), until="1998-06-30")
            for log in (doubled, cdnow().drop_duplicates(["customer_id", "date", "amount"]))
        )
        pd.testing.assert_frame_equal(got, expected)


class TestCleanLogs:
    def test_cdnow(self, early):
        for log in (early, cdnow()):
            assert summarize(log).audit.findings == {}

    @pytest.mark.parametrize("kind", KINDS)
    def test_one_of_each_kind(self, kind):
        assert read(KINDS[kind](np.random.default_rng(7))).audit.findings == {}

    @pytest.mark.slow
    @pytest.mark.parametrize("kind", KINDS)
    def test_eight_of_each_kind(self, kind):
        for seed in range(100, 108):
            assert read(KINDS[kind](np.random.default_rng(seed))).audit.findings == {}

    def test_every_check_is_a_warning_about_logs(self):
        kinds = {kind for kind in vars(kw.errors).values() if isinstance(kind, type) and issubclass(kind, LogWarning)}
        assert len(kinds - {LogWarning}) == 8
