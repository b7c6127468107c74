"""rolling_origin: against predictions made by hand, published hold-outs, and what it refuses."""

import datetime as dt
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import kundenwert as kw
from kundenwert.checks.origins import Split
from kundenwert.checks.scores import Scores, scores_of
from kundenwert.errors import ComparisonWarning, DurationError, LogEndsEarlyWarning, SpecificationError
from kundenwert.models.mbgcnbd import MBGCNBD
from tests import cdnow
from tests.customers import histories_of

# a hundred draws are quick, and few enough for leave-one-out to complain now and then
pytestmark = pytest.mark.filterwarnings("ignore:.*Pareto k exceeds:kundenwert.errors.ComparisonWarning")

FLAT: Any = kw.Flat()
LOG = kw.datasets.cdnow()
COLUMNS: Any = {"customer": "customer_id", "time": "date"}
QUICK = kw.ImportanceSampling(draws=100)
MODELS = {"BG/NBD": kw.BGNBD(), "MBG/NBD": kw.MBGNBD()}


@cache
def by_default() -> Any:
    """Two models of CDNOW at two origins."""
    return rolled()


def rolled(log=LOG, models: Any = MODELS, **arguments: Any) -> Any:
    defaults = COLUMNS | {"origins": ["1997-06-30", "1997-09-30"], "horizon": kw.weeks(13), "seed": 1, "method": QUICK}
    return kw.rolling_origin(log, models, **(defaults | arguments))


def likeliest(model):
    return model(mean_rate=FLAT, shape=FLAT, mean_dropout=FLAT, concentration=FLAT)


def test_published_hold_out_of_cdnow():
    """Maximum likelihood until 1997-09-30, and the 39 weeks after it: totals, MAE and RMSE as known."""
    models = {"BG/NBD": likeliest(kw.BGNBD), "MBG/NBD": likeliest(kw.MBGNBD)}
    result = rolled(models=models, origins=["1997-09-30"], horizon=kw.weeks(39), method=kw.MAP())
    table = result.table.loc["1997-09-30"]
    assert table["actual"].tolist() == [1882, 1882]
    assert table["customers"].tolist() == [2357, 2357]
    assert table["predicted"].to_numpy() == pytest.approx([1653, 1577], abs=0.5)
    assert table["mae"].to_numpy() == pytest.approx([0.7855, 0.7648], abs=5e-5)
    assert table["rmse"].to_numpy() == pytest.approx([1.6080, 1.6072], abs=5e-5)
    assert table["return_log_score"].to_numpy() == pytest.approx([-0.5056, -0.5053], abs=6e-5)
    assert "elpd_loo" not in table
    assert result.summary.index.tolist() == ["MBG/NBD", "BG/NBD"]


def test_every_score_by_hand():
    horizon = kw.weeks(13)
    result = by_default()
    assert result.table.index.names == ["origin", "model"]
    assert result.table.index.tolist() == [(o, m) for o in ("1997-06-30", "1997-09-30") for m in MODELS]
    histories = kw.summarize(LOG, **COLUMNS, until="1997-09-30", unit="week")
    actual = kw.holdout(LOG, histories, until="1997-12-30")["purchases"]
    for name, model in MODELS.items():
        row = result.table.loc[("1997-09-30", name)]
        posterior = kw.fit(model, histories, seed=1, method=QUICK)
        expected = posterior.expected_purchases(histories, horizon=horizon)["mean"]
        assert (row["customers"], row["actual"]) == (2357, actual.sum())
        assert row["predicted"] == pytest.approx(expected.sum(), rel=1e-9)
        assert row["mae"] == pytest.approx((expected - actual).abs().mean(), rel=1e-9)
        assert row["rmse"] == pytest.approx(np.sqrt(((expected - actual) ** 2).mean()), rel=1e-9)
        chances = posterior.purchase_distribution(histories, horizon=horizon, up_to=int(actual.max())).to_numpy()
        log_score = np.log(chances[np.arange(2357), actual])
        assert row["log_score"] == pytest.approx(log_score.mean(), rel=1e-6)
        returns = posterior.return_probability(histories, horizon=horizon)["mean"]
        return_log_score = np.log(np.where(actual > 0, returns, 1 - returns)).mean()
        assert row["return_log_score"] == pytest.approx(return_log_score, rel=1e-6)
        left_out: Any = kw.compare({"one": posterior, "other": posterior}, histories)
        assert row["elpd_loo"] == pytest.approx(left_out["elpd"].iloc[0] / 2357, rel=1e-9)


def test_the_summary_pools_the_origins():
    result = by_default()
    table, summary = result.table, result.summary
    assert summary.index.name == "model"
    weight = table["customers"]
    for column in ("log_score", "return_log_score", "mae", "elpd_loo"):
        pooled = (table[column] * weight).groupby("model").sum() / weight.groupby("model").sum()
        assert summary[column].to_numpy() == pytest.approx(pooled.loc[summary.index].to_numpy(), rel=1e-12)
    assert summary["log_score"].is_monotonic_decreasing
    assert summary["difference"].iloc[0] == summary["difference_se"].iloc[0] == 0
    assert summary["difference"].iloc[1] == pytest.approx(summary["log_score"].diff().iloc[1], rel=1e-9)
    assert summary["difference_se"].iloc[1] > 0
    assert summary["best"].sum() == 2
    assert repr(result).startswith("RollingOrigin over 2 origins\n")


def test_a_customer_met_twice_counts_once():
    """Repeating an origin adds nothing to what is known: the standard error stays."""
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 50))

    def scores(log_score, *, repeats=1, same=True):
        size = 50 * repeats
        position = np.tile(np.arange(50), repeats) if same else np.arange(size)
        nothing = np.zeros(size)
        return Scores(
            position=position,
            actual=nothing.astype(np.int64),
            predicted=nothing,
            log_score=np.tile(log_score, repeats),
            return_log_score=nothing,
            elpd_loo=None,
        )

    once = scores(a).error_of_difference(scores(b))
    assert once == pytest.approx((a - b).std(ddof=1) / np.sqrt(50), rel=1e-12)
    assert scores(a, repeats=4).error_of_difference(scores(b, repeats=4)) == pytest.approx(once, rel=1e-12)
    others = scores(a, repeats=4, same=False).error_of_difference(scores(b, repeats=4, same=False))
    assert others == pytest.approx(once / 2, rel=0.02)


def test_a_single_customer_has_no_standard_error():
    """As in compare: one customer at two origins is still one customer."""
    rows = pd.DataFrame({"customer_id": 7, "date": pd.to_datetime(["2024-01-01", "2024-02-01", "2024-04-15"])})
    dates = ["2024-02-20", "2024-03-20"]
    summary = rolled(rows, origins=dates, horizon=kw.days(20), until="2024-06-01", method=kw.MAP()).summary
    assert summary["difference_se"].isna().all()
    assert summary["difference"].notna().all()
    two = pd.concat([rows, rows.assign(customer_id=8).iloc[:1]])
    summary = rolled(two, origins=dates, horizon=kw.days(20), until="2024-06-01", method=kw.MAP()).summary
    assert summary["difference_se"].iloc[0] == 0
    assert summary["difference_se"].iloc[1] > 0


def test_only_customers_known_at_the_origin_are_scored():
    table = rolled(origins=["1997-01-31", "1997-02-28"], horizon=kw.days(28), models={"MBG/NBD": kw.MBGNBD()}).table
    first = LOG.groupby("customer_id")["date"].min()
    assert table["customers"].tolist() == [(first <= "1997-01-31").sum(), (first <= "1997-02-28").sum()]


@pytest.mark.slow
def test_the_model_that_made_the_data_wins():
    """If customers can leave after the first purchase, BG/NBD expects too much of one-time buyers."""
    truth = kw.MBGNBD.Parameters(r=2.0, alpha=4.0, a=1.0, b=1.0, unit="week")
    log = kw.datasets.simulated(truth, customers=2000, seed=2, observed_for=kw.weeks(52))
    result = rolled(log, origins=["2024-05-01", "2024-07-01"], horizon=kw.weeks(20))
    summary = result.summary
    assert summary.index.tolist() == ["MBG/NBD", "BG/NBD"]
    assert summary["best"].tolist() == [2, 0]
    assert summary["difference"].iloc[1] < -4 * summary["difference_se"].iloc[1]
    mine = result.table.xs("MBG/NBD", level="model")
    assert mine["predicted"].to_numpy() == pytest.approx(mine["actual"].to_numpy(), rel=0.15)


@pytest.mark.slow
def test_customers_of_cdnow_do_not_buy_regularly():
    """With k = 2, gaps scatter less than at random; both scores say that they do not."""
    models = {"k=1": MBGCNBD(k=1), "k=2": MBGCNBD(k=2), "MBG/NBD": kw.MBGNBD()}
    result = rolled(models=models, origins=["1997-09-30"], horizon=kw.weeks(39))
    table = result.table.loc["1997-09-30"]
    assert table.loc["k=1", "log_score"] == pytest.approx(table.loc["MBG/NBD", "log_score"], abs=0.001)
    assert result.summary.index[-1] == "k=2"
    assert -0.12 < result.summary.loc["k=2", "difference"] < -8 * result.summary.loc["k=2", "difference_se"]
    assert table.loc["k=2", "elpd_loo"] < table.loc["k=1", "elpd_loo"] - 0.1


def test_regular_buyers_are_found():
    truth = MBGCNBD.Parameters(k=3, r=1.5, alpha=2.0, a=1.0, b=2.0, unit="week")
    log = kw.datasets.simulated(truth, customers=800, seed=1, observed_for=kw.weeks(60))
    models = {f"k={k}": MBGCNBD(k=k) for k in (1, 3)}
    summary = rolled(log, models, origins=["2024-06-30", "2024-09-30"], method=kw.MAP()).summary
    assert summary.index.tolist() == ["k=3", "k=1"]
    assert summary["best"].tolist() == [2, 0]
    assert summary["difference"].iloc[1] < -5 * summary["difference_se"].iloc[1]


@pytest.mark.parametrize("resolution, horizon", [("day", kw.days(60)), ("week", kw.weeks(8)), ("hour", kw.days(60))])
def test_any_step_and_any_frame(resolution, horizon):
    log = LOG.iloc[:1500]
    arguments: Any = {
        "models": {"MBG/NBD": kw.MBGNBD()},
        "resolution": resolution,
        "method": kw.MAP(),
        "horizon": horizon,
        "until": "1998-06-28",
        "unit": "day",
    }
    result = rolled(log, origins=[dt.date(1997, 6, 29), dt.date(1997, 9, 28)], **arguments)
    assert result.table.index.get_level_values("origin").tolist() == ["1997-06-29", "1997-09-28"]
    histories = kw.summarize(log, **COLUMNS, until="1997-09-28", resolution=resolution)
    end = dt.date(1997, 9, 28) + dt.timedelta(days=horizon.in_days)
    assert result.table["actual"].iloc[1] == kw.holdout(log, histories, until=end)["purchases"].sum()
    again = rolled(pl.DataFrame(log), origins=["1997-06-29", "1997-09-28"], **arguments)
    pd.testing.assert_frame_equal(again.table, result.table)


def test_refunds_are_no_purchases():
    log = LOG.assign(amount=LOG["amount"].where(LOG["date"] < "1997-10-01", -1.0)).iloc[:3000]
    arguments: Any = {"origins": ["1997-09-30"], "models": {"MBG/NBD": kw.MBGNBD()}, "method": kw.MAP()}
    with_amounts = rolled(log, amount="amount", **arguments).table
    assert with_amounts["actual"].tolist() == [0]
    assert (with_amounts["log_score"] < 0).all()
    assert rolled(log, **arguments).table["actual"].iloc[0] > 0


def test_what_a_model_holds_for_impossible_is_told():
    """One customer in silence for years, who then buys a thousand times within a week."""
    histories = histories_of([1], [3.0], 3000.0, unit="week")
    split = Split(origin="2024-01-01", histories=histories, purchases=np.array([1000]), position=np.array([0]))
    posterior = kw.fixed(kw.MBGNBD.Parameters(r=0.5, alpha=6.0, a=0.9, b=1.6, unit="week"))
    with pytest.warns(ComparisonWarning, match="'MBG/NBD' gives what 1 customers did after 2024-01-01"):
        scores = scores_of("MBG/NBD", posterior, split, kw.weeks(1))
    assert scores.log_score[0] == pytest.approx(np.log(np.finfo(float).tiny))
    assert -30 < scores.return_log_score[0] < -5


# refusals


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"origins": "1997-06-30"}, "origins takes a list of dates"),
        ({"origins": []}, "origins takes a list of dates"),
        ({"origins": [None]}, "origin None is no date"),
        ({"origins": ["1997-06-30", None]}, "origin None is no date"),
        ({"origins": ["1997-09-30", "1997-06-30"]}, "in order of time, each once; '1997-06-30'"),
        ({"origins": ["1997-09-30", "1997-09-30"]}, "in order of time, each once"),
        ({"origins": ["1996-12-31"]}, "origin '1996-12-31' cannot be used: the log has no purchase up to"),
        ({"origins": ["June"]}, "origin 'June' cannot be used: until='June' is no date"),
        (
            {"origins": ["1998-05-31"]},
            r"after origin '1998-05-31' ends with 1998-08-30, but the log with 1998-06-30; choose an earlier origin",
        ),
        ({"origins": ["1997-09-30"], "until": "1997-12-01"}, "but the log with 1997-12-01"),
        ({"horizon": kw.months(3)}, r"is 91\.3125 days, but .* whole ones; give for example kundenwert.days\(91\)"),
        ({"horizon": kw.days(0)}, r"give for example kundenwert.days\(1\)"),
        ({"horizon": kw.LIFETIME}, "must be finite here"),
        ({"models": {}}, "takes models by name"),
        ({"models": kw.BGNBD()}, "takes models by name"),
        ({"models": {"spend": kw.GammaGamma()}}, "'spend' is a model of spend, which needs amounts"),
        ({"models": {"class": kw.BGNBD}}, r"write BGNBD\(\)"),
    ],
)
def test_what_cannot_be_is_refused(arguments, words):
    with pytest.raises(SpecificationError, match=words):
        rolled(**arguments)


def test_a_bare_number_is_no_horizon():
    with pytest.raises(DurationError, match="horizon takes a Duration"):
        rolled(horizon=13)


def test_a_later_until_observes_longer():
    """Nobody bought after the last row, but the log goes on."""
    log = LOG[LOG["date"] <= "1997-09-30"]
    arguments: Any = {"origins": ["1997-08-31"], "models": {"MBG/NBD": kw.MBGNBD()}, "method": kw.MAP()}
    with pytest.raises(SpecificationError, match="until=… that the log was observed for longer"):
        rolled(log, **arguments)
    with pytest.warns(LogEndsEarlyWarning, match="give until='1997-09-30'"):
        table = rolled(log, until="1997-12-31", **arguments).table
    with pytest.warns(LogEndsEarlyWarning):
        bought = kw.holdout(log, cdnow_until("1997-08-31"), until="1997-11-30")["purchases"]
    assert table["actual"].iloc[0] == bought.sum()


def cdnow_until(until):
    return kw.summarize(LOG, **COLUMNS, until=until, unit="week")


def test_a_fit_that_fails_says_where():
    model = likeliest(kw.MBGNBD)
    with pytest.raises(kw.errors.KundenwertError) as caught:
        rolled(models={"flat": model}, origins=["1997-09-30"])
    assert caught.value.__notes__ == ["This happened with 'flat', fitted to the log until 1997-09-30."]


def test_scores_of_a_posterior_of_all_customers():
    """The posteriors at hand are those of the same seed and log."""
    histories = cdnow.histories()
    actual = kw.holdout(LOG, histories, until="1998-06-30")["purchases"].to_numpy()
    split = Split(origin="1997-09-30", histories=histories, purchases=actual, position=np.arange(2357))
    posteriors = {name: cdnow.posterior(name).thinned(100) for name in ("BGNBD", "MBGNBD")}
    scores = {name: scores_of(name, posterior, split, kw.weeks(39)).means for name, posterior in posteriors.items()}
    # posterior means differ a little from the values at the maximum of the likelihood, .7855 and .7648
    assert scores["BGNBD"]["mae"] == pytest.approx(0.786, abs=0.002)
    assert scores["MBGNBD"]["mae"] == pytest.approx(0.765, abs=0.002)


def test_a_log_is_read_as_summarize_reads_it():
    """Whatever a warning of the log asks for can be said here as well."""
    twice = pd.concat([LOG, LOG[LOG["date"] >= "1997-07-01"]])
    once = LOG.drop_duplicates(["customer_id", "date", "amount"])
    arguments: Any = {"models": {"MBG/NBD": kw.MBGNBD()}, "amount": "amount", "method": kw.MAP()}
    doubled = rolled(twice, drop_duplicates=True, **arguments).table
    pd.testing.assert_frame_equal(doubled, rolled(once, **arguments).table)
    since = LOG.groupby("customer_id", as_index=False).agg(won=("date", "min"))
    since.loc[since["customer_id"] <= 300, "won"] = pd.Timestamp("1996-06-01")
    recent = rolled(first_purchase="won", customers=since, **arguments).table
    assert recent["customers"].tolist() == [2357 - 300] * 2


def test_no_date_is_no_origin():
    for nothing in (None, pd.NaT):
        with pytest.raises(SpecificationError, match="is no date"):
            rolled(origins=[nothing])
