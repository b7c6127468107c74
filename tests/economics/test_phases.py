"""Phases of a relationship: direct evaluation, dates, order, units, limits."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import brentq
from scipy.special import expit

import kundenwert as kw
from kundenwert.economics.relationship.phase_rules import PHASES
from kundenwert.errors import DataError, DurationError, SpecificationError
from tests import cdnow
from tests.customers import histories_of, with_draws

WEEK = {"r": [0.5, 0.55, 0.6, 0.45, 0.5], "alpha": [6.0, 7.0, 5.0, 6.5, 6.2]}
BETA = {"a": [0.8, 0.9, 0.7, 1.1, 0.85], "b": [1.6, 2.0, 1.4, 2.4, 1.7]}
POSTERIORS: dict[str, Any] = {
    "MBG/NBD": with_draws(kw.MBGNBD, unit="week", **WEEK, **BETA),
    "BG/NBD": with_draws(kw.BGNBD, unit="week", **WEEK, **BETA),
    "MBG/CNBD-3": replace(
        with_draws(kw.MBGNBD, unit="week", r=WEEK["r"], alpha=[2.0, 2.5, 1.7, 2.1, 2.2], **BETA), model=kw.MBGCNBD(k=3)
    ),
    "Pareto/NBD": with_draws(kw.ParetoNBD, unit="week", **WEEK, s=[0.6, 0.5, 0.7, 0.55, 0.8], beta=11.0),
    "GGomp/NBD": with_draws(
        kw.GGompNBD, unit="week", **WEEK, b=[0.01, 0.002, 0.02, 0.005, 0.01], s=0.6, beta=[0.5, 0.4, 3.0, 0.6, 5.0]
    ),
}
POINT: Any = kw.fixed(kw.BGBB.Parameters(alpha=1.2, beta=0.75, gamma=0.66, delta=2.8))
DRAWN = ([1.2, 1.0, 1.4], [0.75, 0.7, 0.8], [0.66, 0.5, 0.8], [2.8, 2.5, 3.0])
DONORS = replace(POINT, values=POINT.model.named([np.array([values]) for values in DRAWN]))
COUNTED = kw.PhaseRules(horizon=kw.opportunities(3), welcome=kw.opportunities(1))
P = ["p_first_purchase", "p_doubt", "p_established", "p_cooling", "p_lapsed"]


def some_histories(customers=150, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.choice([0, 0, 1, 2, 3, 8, 30], customers)
    t_x = np.where(x > 0, np.ceil(rng.uniform(1, 280, customers)) / 7, 0.0)
    silence = np.floor(rng.exponential(80, customers)) / 7
    return histories_of(x, t_x, t_x + silence, unit="week")


def right_after_last_purchase(histories):
    return replace(histories, T=histories.recency)


def relative_returns(posterior, histories, horizon):
    """Return probability relative to that right after the last purchase, shape (draws, customers)."""
    now, then = (
        posterior.draws.return_probability(of, horizon=horizon).to_numpy()[0]
        for of in (histories, right_after_last_purchase(histories))
    )
    return now / then


@pytest.mark.parametrize("name", POSTERIORS)
def test_probabilities_are_those_of_a_direct_evaluation(name):
    posterior, histories = POSTERIORS[name], some_histories()
    rules = kw.PhaseRules(
        horizon=kw.weeks(40), welcome=kw.weeks(3), doubt_until=0.7, cooling_below=0.6, lapsed_below=0.2
    )
    table = kw.phase(posterior, histories, rules=rules)
    relative = relative_returns(posterior, histories, kw.weeks(40))
    silence = histories.T - histories.recency
    new = histories_of(0, 0, 0.0, unit="week")
    everybody = posterior.draws.return_probability(new, horizon=kw.weeks(40)).to_numpy()[0]
    expected = np.zeros((5, len(histories)))
    for i, x in enumerate(histories.frequency):
        cooling = np.where(relative[:, i] < 0.6, np.where(relative[:, i] < 0.2, 4, 3), 2)
        if x == 0:
            within = kw.weeks(float(silence[i]))
            back = posterior.draws.return_probability(new, horizon=within).to_numpy()[0]
            in_doubt = (back < 0.7 * everybody)[:, 0]
            cooling = np.where(silence[i] < 3, 0, np.where(in_doubt, 1, np.maximum(cooling, 3)))
        expected[:, i] = np.bincount(cooling, minlength=5) / posterior.of_cells.draws
    np.testing.assert_allclose(table[P].to_numpy().T, expected, atol=1e-12)
    assert (expected.max(axis=1) == 1).all()  # every phase occurs
    assert ((expected > 0) & (expected < 1)).any()


def test_counted_phases_are_those_of_a_direct_evaluation():
    x, t_x, T = np.array(
        [(x, t, n) for n in range(13) for t in range(n + 1) for x in range(t + 1) if (x > 0) == (t > 0)]
    ).T
    frame = pd.DataFrame({"customer_id": range(len(x)), "frequency": x, "recency": t_x, "opportunities": T})
    donors = kw.OpportunityHistories.from_pandas(frame)
    table = kw.phase(DONORS, donors, rules=COUNTED)
    now, then = (
        DONORS.draws.return_probability(of, horizon=kw.opportunities(3)).to_numpy()[0]
        for of in (donors, replace(donors, opportunities=t_x))
    )
    new = donors.take([0])
    back = np.array(
        [DONORS.draws.return_probability(new, horizon=kw.opportunities(j)).to_numpy()[0, :, 0] for j in range(4)]
    )
    enough = np.argmax(back >= 0.8 * back[3], axis=0)  # after how many opportunities, per draw
    code = np.where(now <= 0.4 * then, 4, np.where(now <= 0.7 * then, 3, 2))
    once = np.where(T < 1, 0, np.where(np.maximum(enough, 1)[:, None] > T, 1, np.maximum(code, 3)))
    code = np.where(x == 0, once, code)
    expected = np.stack([(code == k).mean(axis=0) for k in range(5)], axis=1)
    np.testing.assert_allclose(table[P], expected, atol=1e-12)
    assert (expected.max(axis=0) == 1).all()
    assert table["enters_next"].isna().all()
    # the next phase begins when so many opportunities have gone by
    ahead = table["in_time"].to_numpy()
    known = np.isfinite(ahead)
    assert (ahead[known] == np.rint(ahead[known])).all()
    for shift, column in ((-1, "phase"), (0, "next_phase")):
        later = replace(donors.take(known), opportunities=(T[known] + ahead[known] + shift).astype(int))
        assert kw.phase(DONORS, later, rules=COUNTED)["phase"].tolist() == table[column][known].tolist()


@pytest.mark.parametrize("name", POSTERIORS)
def test_customers_are_in_one_phase_and_move_forward_while_they_are_silent(name):
    posterior = POSTERIORS[name]
    silence = np.r_[0.0, np.geomspace(0.1, 500, 60)]
    before = {}
    for x, t_x in ((0, 0.0), (1, 0.5), (1, 30.0), (2, 3.0), (12, 30.0), (100, 50.0)):
        table = kw.phase(posterior, histories_of(x, t_x, t_x + silence, unit="week"))
        probability = table[P].to_numpy()
        assert (probability >= 0).all()
        np.testing.assert_allclose(probability.sum(axis=1), 1, atol=1e-12)
        reached = probability[:, ::-1].cumsum(axis=1)  # P(at least that phase)
        assert (np.diff(reached, axis=0) >= -1e-12).all()
        codes = table["phase"].cat.codes
        assert codes.is_monotonic_increasing
        assert table["phase"].cat.ordered
        assert tuple(table["phase"].cat.categories) == PHASES
        ways = [{"established", "cooling", "lapsed"}]
        if x == 0:  # who has lapsed when the doubt ends skips cooling
            ways = [{"first purchase", "doubt", "cooling", "lapsed"}, {"first purchase", "doubt", "lapsed"}]
        assert set(table["phase"]) in ways
        # the next phase begins at the same moment, whenever one asks
        for at_phase, group in (table.set_index(silence)["in_time"] + silence).groupby(codes.to_numpy()):
            assert group.isna().all() if at_phase == 4 else np.ptp(group) < 1e-6 * group.max()
        assert (table["next_phase"].dropna().cat.codes > codes[table["next_phase"].notna()]).all()
        assert (table["in_time"].dropna() > 0).all()
        assert (table["in_time_lower"].dropna() <= table["in_time"].dropna()).all()
        before[x, t_x] = table
    assert before[1, 30.0]["phase"].iloc[0] == "established"


@pytest.mark.parametrize("name", POSTERIORS)
@pytest.mark.parametrize("horizon", [0.5, 10, 200])
def test_once_the_return_probability_has_fallen_it_stays_down(name, horizon):
    """What the phases rest on; with regular buying it rises before it falls."""
    silence = np.r_[0.0, np.geomspace(0.01, 3000, 150)]
    for x, t_x in ((0, 0.0), (1, 2.0), (3, 40.0), (30, 30.0)):
        histories = histories_of(x, t_x, t_x + silence, unit="week")
        relative = relative_returns(POSTERIORS[name], histories, kw.weeks(horizon))
        rises = np.diff(relative, axis=1) > 1e-9 * relative[:, 1:]
        assert not (rises[:, 1:] & ~rises[:, :-1]).any()
        if name != "MBG/CNBD-3":
            assert not rises.any()
        elif horizon == 0.5:
            assert rises.any()
        assert (relative[:, -1] < 0.1).all()


def test_borders_are_those_of_the_formulas():
    r, alpha, a, b = 0.525, 6.183, 0.891, 1.614
    point = kw.fixed(kw.MBGNBD.Parameters(r=r, alpha=alpha, a=a, b=b, unit="week"))
    year = 365.25 / 7

    def returns(x, t_x, silence):
        n, A = r + x, alpha + t_x + silence
        return -np.expm1(-n * np.log1p(year / A)) * expit(-np.log(a / (b + x)) - n * np.log1p(silence / (alpha + t_x)))

    def border(x, t_x, share):
        return brentq(lambda u: returns(x, t_x, u) - share * returns(x, t_x, 0.0), 0, 1000, xtol=1e-12)

    x, t_x = np.array([0, 1, 1, 2, 9, 40, 2000]), np.array([0.0, 0.5, 20, 30, 12, 38, 700])
    at_once = kw.phase(point, histories_of(x, t_x, t_x, unit="week"))
    cooling = [border(i, t, 0.7) for i, t in zip(x, t_x, strict=True)]
    assert at_once["in_time"].iloc[0] == 4
    np.testing.assert_allclose(at_once["in_time"].iloc[1:], cooling[1:], rtol=1e-9)
    later = kw.phase(point, histories_of(x, t_x, t_x + np.array(cooling) * 1.0001, unit="week"))
    lapsed = np.array([border(i, t, 0.4) for i, t in zip(x, t_x, strict=True)])
    np.testing.assert_allclose((later["in_time"] + np.array(cooling) * 1.0001)[1:], lapsed[1:], rtol=1e-9)
    # of those who repeat within a year, four fifths do so until then
    doubt_ends = alpha * ((1 - 0.8 * (1 - (alpha / (alpha + year)) ** r)) ** (-1 / r) - 1)
    doubt = kw.phase(point, histories_of(0, 0, 5.0, unit="week")).iloc[0]
    assert (doubt["phase"], doubt["next_phase"]) == ("doubt", "cooling")
    assert doubt["in_time"] + 5 == pytest.approx(doubt_ends, rel=1e-9)
    assert doubt_ends < lapsed[0]


def test_dates_are_those_on_which_the_phase_changes():
    """Phases the day before, and on the day."""
    histories = cdnow.sample(200, seed=3)
    rng = np.random.default_rng(1)
    steps = histories.steps
    assert steps is not None
    until = steps.last + rng.integers(0, 120, len(histories))

    def observed_until(step, take):
        some = histories.take(take)
        moved = replace(some.steps, until=step)
        return replace(some, T=(moved.until - moved.first) / 7, steps=moved)

    posterior = cdnow.posterior("MBGNBD")
    now = observed_until(until, np.arange(len(histories)))
    table = kw.phase(posterior, now)
    assert set(table["phase"]) == set(PHASES)
    for end in ("", "_lower", "_upper"):
        ahead = (until + np.ceil(table[f"in_time{end}"] * 7 - 1e-6)).to_numpy()
        dates = table[f"enters_next{end}"].to_numpy().astype("datetime64[D]")
        np.testing.assert_array_equal(dates[~np.isnan(ahead)].astype(int), ahead[~np.isnan(ahead)])
        assert np.isnat(dates[np.isnan(ahead)]).all()
    changes = np.flatnonzero(table["enters_next"].notna())
    day = table["enters_next"].to_numpy()[changes].astype("datetime64[D]").astype(int)
    before, on = (kw.phase(posterior, observed_until(day + shift, changes)) for shift in (-1, 0))
    assert before["phase"].tolist() == table["phase"].iloc[changes].tolist()
    reached = on["phase"].cat.codes.to_numpy() >= table["next_phase"].cat.codes.to_numpy()[changes]
    assert reached.all()
    assert (on["phase"].to_numpy() == table["next_phase"].to_numpy()[changes]).mean() > 0.98  # the rest last no day
    assert len(changes) > 50


def test_a_new_customer_is_in_the_first_purchase_and_then_in_doubt():
    log = pd.DataFrame({"who": [1], "day": pd.to_datetime(["2024-03-01"])})
    posterior = POSTERIORS["MBG/NBD"]
    found = {}
    for until in ("2024-03-01", "2024-03-28", "2024-03-29"):
        histories = kw.summarize(log, customer="who", time="day", until=until, unit="week")
        found[until] = kw.phase(posterior, histories).iloc[0]
    new, still, doubt = found.values()
    assert (new["phase"], new["next_phase"], new["in_time"]) == ("first purchase", "doubt", 4.0)
    assert new["enters_next"] == pd.Timestamp("2024-03-29")
    assert (still["phase"], still["in_time"]) == ("first purchase", pytest.approx(1 / 7))
    assert (doubt["phase"], doubt["next_phase"]) == ("doubt", "cooling")
    assert new["p_first_purchase"] == still["p_first_purchase"] == doubt["p_doubt"] == 1


@pytest.mark.parametrize("resolution, date", [("hour", "2024-03-29 10:00"), ("week", "2024-03-25")])
def test_steps_may_be_hours_or_weeks(resolution, date):
    log = pd.DataFrame({"who": [1], "day": pd.to_datetime(["2024-03-01 10:30"])})
    histories = kw.summarize(log, customer="who", time="day", until="2024-03-03", unit="week", resolution=resolution)
    assert kw.phase(POSTERIORS["MBG/NBD"], histories)["enters_next"].tolist() == [pd.Timestamp(date)]


def test_units_do_not_matter():
    weekly = POSTERIORS["MBG/NBD"]
    daily = with_draws(kw.MBGNBD, unit="day", r=WEEK["r"], alpha=[7 * alpha for alpha in WEEK["alpha"]], **BETA)
    histories = cdnow.sample(100)
    per_week, per_day = kw.phase(weekly, histories), kw.phase(daily, histories)
    times = ["in_time", "in_time_lower", "in_time_upper"]
    pd.testing.assert_frame_equal(per_week.drop(columns=times), per_day.drop(columns=times))
    np.testing.assert_allclose(7 * per_week[times], per_day[times], rtol=1e-8, atol=1e-8)
    pd.testing.assert_frame_equal(kw.phase(weekly, histories.in_unit("day")), per_week)


def test_many_distinct_customers_are_interpolated_as_well_as_computed_one_by_one():
    posterior = cdnow.posterior("MBGNBD").thinned(40)
    everybody = kw.phase(posterior, cdnow.histories())
    few = cdnow.sample(30)
    alone = pd.concat([kw.phase(posterior, few.take([i])) for i in range(30)])
    together = everybody.loc[few.customer_id]
    assert together["phase"].tolist() == alone["phase"].tolist()
    np.testing.assert_allclose(together[P], alone[P], atol=1e-12)
    np.testing.assert_allclose(together["in_time"], alone["in_time"], rtol=1e-7)
    assert together["enters_next"].tolist() == alone["enters_next"].tolist()


def test_intervals_are_quantiles_of_single_draws():
    posterior = cdnow.posterior("MBGNBD").thinned(40)
    customer = histories_of([0, 3], [0.0, 20.0], [6.0, 22.0], unit="week")
    single = np.sort(
        np.stack([kw.phase(posterior.chosen(np.array([draw])), customer)["in_time"] for draw in range(40)]), axis=0
    )
    table = kw.phase(posterior, customer, interval=0.8)
    np.testing.assert_allclose(table[["in_time_lower", "in_time", "in_time_upper"]].T, single[[3, 19, 35]], rtol=1e-9)


def test_who_never_lapses_has_no_date():
    """All buy at the same steady rate and never leave: silence says nothing."""
    steady = kw.fixed(kw.BGNBD.Parameters(r=1e9, alpha=1e9, a=1e-9, b=1.0, unit="week"))
    once = kw.phase(steady, histories_of(0, 0, [0.0, 100.0], unit="week"))
    assert once["phase"].tolist() == ["first purchase", "cooling"]
    assert once["next_phase"].isna().tolist() == [False, True]
    assert np.isnan(once["in_time"]).tolist() == [False, True]


def test_rules_move_the_borders():
    histories = cdnow.sample(100)
    posterior = POSTERIORS["MBG/NBD"]
    usual, strict = (
        kw.phase(posterior, histories, rules=rules)["phase"].cat.codes
        for rules in (kw.PhaseRules(), kw.PhaseRules(cooling_below=0.9, lapsed_below=0.6, doubt_until=0.5))
    )
    assert (strict >= usual).all()
    assert (strict > usual).any()
    # nobody is ever in doubt if the welcome lasts for longer
    long = kw.PhaseRules(welcome=kw.weeks(50))
    table = kw.phase(posterior, histories_of(0, 0, [0.0, 49.9, 50.0], unit="week"), rules=long)
    assert table["phase"].tolist() == ["first purchase", "first purchase", "lapsed"]
    assert table["next_phase"].tolist()[:2] == ["lapsed", "lapsed"]


def test_ids_keep_their_order_and_type():
    table = cdnow.sample(40).to_pandas().assign(customer_id=[f"c{i * 7 % 40}" for i in range(40)])
    found = kw.phase(POSTERIORS["MBG/NBD"], kw.CustomerHistories.from_pandas(table, unit="week"))
    assert found.index.tolist() == table["customer_id"].tolist()
    assert found["enters_next"].isna().all()  # a ready-made table tells no dates
    assert found["in_time"].notna().any()


def test_what_has_no_phases_is_refused():
    posterior, histories = POSTERIORS["MBG/NBD"], cdnow.sample(5)
    contracts: Any = kw.fixed(kw.ShiftedBetaGeometric.Parameters(gamma=1.0, delta=3.0))
    with pytest.raises(SpecificationError, match="leave at a renewal"):
        kw.phase(contracts, histories)
    spend: Any = kw.fixed(kw.GammaGamma.Parameters(p=6.0, q=4.0, gamma=15.0))
    with pytest.raises(SpecificationError, match="got SpendPosterior"):
        kw.phase(spend, histories)
    with pytest.raises(SpecificationError, match=r"must be PhaseRules, got 0\.3"):
        kw.phase(posterior, histories, rules=0.3)  # type: ignore[arg-type]  # what is tested
    with pytest.raises(DataError, match="CustomerHistories"):
        kw.phase(posterior, histories.to_pandas())
    with pytest.raises(SpecificationError, match="interval"):
        kw.phase(posterior, histories, interval=90)
    frame = pd.DataFrame({"customer_id": [1], "frequency": 0, "recency": 0, "opportunities": 2})
    with pytest.raises(DurationError, match=r"horizon=kundenwert\.opportunities\(5\)"):
        kw.phase(DONORS, kw.OpportunityHistories.from_pandas(frame))
    with pytest.raises(DurationError, match=r"horizon=kundenwert\.years\(1\)"):
        kw.phase(posterior, histories, rules=COUNTED)


@pytest.mark.parametrize(
    "wrong, error, says",
    [
        ({"horizon": 52}, DurationError, "horizon takes a Duration"),
        ({"horizon": kw.LIFETIME}, SpecificationError, "must be finite"),
        ({"welcome": 4}, DurationError, "welcome takes a Duration"),
        ({"welcome": kw.years(2)}, SpecificationError, "shorter than the horizon"),
        ({"horizon": kw.opportunities(5)}, DurationError, "both numbers of opportunities"),
        ({"horizon": kw.renewals(5), "welcome": kw.renewals(1)}, DurationError, "both numbers of opportunities"),
        ({"doubt_until": 80}, SpecificationError, "doubt_until is a share"),
        ({"cooling_below": 1.0}, SpecificationError, "cooling_below is a share"),
        ({"lapsed_below": 0.0}, SpecificationError, "lapsed_below is a share"),
        ({"lapsed_below": float("nan")}, SpecificationError, "lapsed_below is a share"),
        ({"lapsed_below": 0.7}, SpecificationError, "cool before they lapse"),
    ],
)
def test_rules_that_cannot_be_are_refused(wrong, error, says):
    with pytest.raises(error, match=says):
        kw.PhaseRules(**wrong)
