"""The posterior of contracts: tables, draws, curves, new cohorts, and the same answers from single contracts."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

import kundenwert as kw
from kundenwert.errors import (
    DataError,
    DurationError,
    InfiniteValueError,
    MissingInformationError,
    SizeError,
    SpecificationError,
)
from tests.contracts import MODELS, active, contracts, fixed, histories, posterior

VERBS: dict[str, Any] = {
    "survival": {"horizon": kw.renewals(3)},
    "churn_probability": {"horizon": kw.renewals(3)},
    "retention": {},
    "expected_residual_lifetime": {"annual_discount_rate": 0.1},
    "expected_residual_lifetime within": {"horizon": kw.renewals(5)},
}
CASES = [(name, verb, arguments) for name in MODELS for verb, arguments in VERBS.items()]
IDS = [f"{name} {verb}" for name, verb, _ in CASES]


def ask(of, verb, histories, **arguments):
    return getattr(of, verb.split()[0])(histories, **arguments)


def some(order=None) -> Any:
    """Contracts of both cohorts, active and ended, short and long."""
    tenure, ended = [7, 0, 3, 3, 40, 7, 2, 200], [0, 1, 0, 1, 0, 0, 0, 0]
    cohort = ["regular", "regular", "high_end", "high_end", "high_end", "high_end", "regular", "regular"]
    all_of_them = contracts(tenure, ended, cohort=cohort, every=kw.years(1))
    return all_of_them if order is None else all_of_them.take(order)


@pytest.mark.parametrize("name, verb, arguments", CASES, ids=IDS)
def test_tables_summarise_the_draws(name, verb, arguments):
    thinned = posterior(name).thinned(101)
    table = ask(thinned, verb, some(), **arguments, interval=0.8)
    drawn = ask(thinned.draws, verb, some(), **arguments)
    assert drawn.dims == ("chain", "draw", "customer_id")
    assert drawn.shape == (1, 101, 8)
    values = drawn.to_numpy()[0]
    np.testing.assert_allclose(table["mean"], values.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(table["lower"], np.quantile(values, 0.1, axis=0), rtol=1e-12)
    np.testing.assert_allclose(table["upper"], np.quantile(values, 0.9, axis=0), rtol=1e-12)
    assert table.index.equals(some().customer_id)


@pytest.mark.parametrize("name, verb, arguments", CASES, ids=IDS)
def test_draws_are_those_of_single_parameter_values(name, verb, arguments):
    thinned = posterior(name, ("regular",)).thinned(50)
    one = some().select([0, 1, 6, 7])
    values = ask(thinned.draws, verb, one, **arguments).to_numpy()[0]
    for draw in (0, 49):
        parameters = [float(value[draw]) for value in thinned.theta]
        np.testing.assert_allclose(ask(fixed(*parameters), verb, one, **arguments)["mean"], values[draw], rtol=1e-11)


@pytest.mark.parametrize("name, verb, arguments", CASES, ids=IDS)
def test_values_go_to_their_contract_in_any_order(name, verb, arguments):
    thinned = posterior(name).thinned(20)
    expected = ask(thinned, verb, some(), **arguments)
    order = np.random.default_rng(1).permutation(8)
    shuffled = ask(thinned, verb, some(order), **arguments)
    pd.testing.assert_frame_equal(shuffled, expected.iloc[order], rtol=1e-11)
    alone = pd.concat([ask(thinned, verb, some([i]), **arguments) for i in range(8)])
    pd.testing.assert_frame_equal(alone, expected, rtol=1e-11)


@pytest.mark.parametrize("name", MODELS)
def test_ended_contracts_are_over(name):
    over = contracts([0, 5], [1, 1], cohort=["regular", "high_end"], every=kw.years(1))
    model = posterior(name).thinned(20)
    assert (model.survival(over, horizon=kw.renewals(1)) == 0).all(axis=None)
    assert (model.retention(over) == 0).all(axis=None)
    assert (model.churn_probability(over, horizon=kw.renewals(1)) == 1).all(axis=None)
    assert (model.expected_residual_lifetime(over) == 0).all(axis=None)  # even without discounting


@pytest.mark.parametrize("name", MODELS)
def test_answers_belong_together(name):
    model = posterior(name).thinned(50)
    one, three = (model.draws.survival(some(), horizon=kw.renewals(n)).to_numpy() for n in (1, 3))
    np.testing.assert_allclose(model.draws.retention(some()), one, rtol=1e-14)
    churn = model.draws.churn_probability(some(), horizon=kw.renewals(3)).to_numpy()
    np.testing.assert_allclose(churn, 1 - three, rtol=1e-10)
    assert (model.survival(some(), horizon=kw.renewals(0))["mean"] == (some().ended == 0)).all()
    yearly = [np.exp(-j * np.log(1.1)) * model.draws.survival(some(), horizon=kw.renewals(j)) for j in range(1, 9)]
    discounted = model.draws.expected_residual_lifetime(some(), annual_discount_rate=0.1, horizon=kw.renewals(8))
    np.testing.assert_allclose(discounted, sum(yearly), rtol=1e-11)


def test_the_lifetime_of_fader_and_hardie_is_seen_before_the_renewal():
    """Fader & Hardie (2010): DERL = r_n 2F1(1, delta + n; gamma + delta + n; 1/(1 + d)), with n - 1 renewals made."""
    from scipy.special import hyp2f1

    gamma, delta, d, made = 0.668, 3.806, 0.1, np.array([0, 1, 4, 10])
    n = made + 1
    retention = (delta + n - 1) / (gamma + delta + n - 1)
    expected = retention * hyp2f1(1, delta + n, gamma + delta + n, 1 / (1 + d))
    ours = fixed(gamma, delta).expected_residual_lifetime(active(made, every=kw.years(1)), annual_discount_rate=d)
    np.testing.assert_allclose(ours["mean"] * (1 + d), expected, rtol=1e-10)


@pytest.mark.parametrize("every, per_year", [(kw.months(1), 12), (kw.years(2), 0.5), (kw.weeks(4), 365.25 / 28)])
def test_the_discount_rate_is_annual(every, per_year):
    model = fixed(0.7, 1.2)
    got = model.expected_residual_lifetime(active([4], every=every), annual_discount_rate=0.1, horizon=kw.renewals(2))
    factor = 1.1 ** (-1 / per_year)
    first, both = (float(model.survival(active([4]), horizon=kw.renewals(n))["mean"].iloc[0]) for n in (1, 2))
    assert float(got["mean"].iloc[0]) == pytest.approx(factor * first + factor**2 * both, rel=1e-12)


def test_discounting_needs_the_interval():
    with pytest.raises(MissingInformationError, match=r"every=kundenwert\.months\(1\)"):
        fixed(0.7, 1.2).expected_residual_lifetime(active([4]), annual_discount_rate=0.1)
    undiscounted = fixed(1.5, 1.2).expected_residual_lifetime(active([4]))
    assert float(undiscounted["mean"].iloc[0]) == pytest.approx((1.2 + 4) / (1.5 - 1), rel=1e-12)


@pytest.mark.parametrize("parameters", [(1.0, 1.2), (0.7, 1.2), (1.5, 1.2, 0.5), (0.7, 1.2, 1.4)])
def test_lifetimes_may_be_infinite(parameters):
    with pytest.raises(
        InfiniteValueError, match=r"infinite in 100% of the draws.*annual_discount_rate.*renewals\(60\)"
    ):
        fixed(*parameters).expected_residual_lifetime(active([4]))
    assert (fixed(*parameters).expected_residual_lifetime(active([4]), horizon=kw.renewals(9))["mean"] < 9).all()


@pytest.mark.parametrize("name", MODELS)
def test_infinity_is_a_matter_of_the_cohorts_asked_about(name):
    model = kw.fit(MODELS[name], histories(), seed=1, method=kw.ImportanceSampling(draws=100))
    with pytest.raises(InfiniteValueError, match=r"infinite in \d+% of the draws"):
        model.expected_residual_lifetime(some())
    assert (model.expected_residual_lifetime(some().select([1, 3]))["mean"] == 0).all()


class TestCurves:
    @pytest.mark.parametrize("name", MODELS)
    def test_they_are_tables_by_cohort_and_renewal(self, name):
        left, kept = (ask(posterior(name)) for ask in (lambda p: p.survival_curve(), lambda p: p.retention_curve()))
        assert left.index.names == ["cohort", "renewal"]
        assert left.index.get_level_values(0).unique().tolist() == ["high_end", "regular", "new cohort"]
        assert left.loc["regular"].index.tolist() == list(range(13))
        assert kept.loc["regular"].index.tolist() == list(range(1, 13))
        assert (left.xs(0, level="renewal") == 1).all(axis=None)
        assert ((left["lower"] <= left["mean"]) & (left["mean"] <= left["upper"])).all()
        width = (left["upper"] - left["lower"]).xs(5, level="renewal")
        assert width["new cohort"] > 5 * width["regular"]

    @pytest.mark.parametrize("name", MODELS)
    def test_they_are_those_of_contracts_that_begin(self, name):
        model = posterior(name)
        begin = contracts([0, 0], [0, 0], cohort=["high_end", "regular"])
        left, kept = model.survival_curve(up_to=kw.renewals(6)), model.retention_curve(up_to=kw.renewals(6))
        for renewal in (1, 6):
            expected = model.survival(begin, horizon=kw.renewals(renewal))
            got = left.xs(renewal, level="renewal").loc[["high_end", "regular"]]
            np.testing.assert_allclose(got, expected, rtol=1e-11)
            expected = model.retention(contracts([renewal - 1] * 2, [0, 0], cohort=["high_end", "regular"]))
            np.testing.assert_allclose(kept.xs(renewal, level="renewal").iloc[:2], expected, rtol=1e-11)

    def test_without_cohorts_there_is_one_curve(self):
        assert fixed(0.7, 1.2).survival_curve(up_to=kw.renewals(2)).index.tolist() == [0, 1, 2]
        known = kw.fit(kw.ShiftedBetaGeometric(), histories(("regular",)), seed=1)
        assert known.survival_curve().index.get_level_values("cohort").unique().tolist() == ["regular"]

    def test_draws(self):
        model = posterior("ShiftedBetaGeometric").thinned(7)
        drawn = model.draws.survival_curve(up_to=kw.renewals(4))
        assert (drawn.dims, drawn.shape) == (("chain", "draw", "cohort", "renewal"), (1, 7, 3, 5))
        expected = model.survival_curve(up_to=kw.renewals(4))["mean"].to_numpy()
        np.testing.assert_allclose(drawn.mean(("chain", "draw")).to_numpy().ravel(), expected, rtol=1e-12)
        assert drawn.sel(cohort="regular", renewal=0).to_numpy().tolist() == [[1.0] * 7]
        alone = fixed(0.7, 1.2).draws.retention_curve(up_to=kw.renewals(4))
        assert (alone.dims, alone["renewal"].to_numpy().tolist()) == (("chain", "draw", "renewal"), [1, 2, 3, 4])


class TestCohorts:
    def test_an_unknown_cohort_is_an_error_with_a_remedy(self):
        other = contracts([1, 2], [0, 0], cohort=["regular", "2026"])
        for ask in (lambda p: p.retention(other), lambda p: p.draws.retention(other), lambda p: p.to_datatree(other)):
            with pytest.raises(
                DataError, match=r"cohort '2026' is unknown here; known are 'high_end', 'regular'.*with_new_cohorts"
            ):
                ask(posterior("ShiftedBetaGeometric"))

    def test_histories_without_cohorts_do_not_say_enough(self):
        with pytest.raises(MissingInformationError, match="do not say which one they belong to"):
            posterior("ShiftedBetaGeometric").retention(active([1, 2]))

    def test_a_posterior_without_cohorts_takes_all_alike(self):
        labelled = contracts([1, 1, 2], [0, 0, 0], cohort=["x", "y", "x"])
        got = fixed(0.7, 1.2).retention(labelled)["mean"].to_numpy()
        np.testing.assert_array_equal(got, fixed(0.7, 1.2).retention(active([1, 1, 2]))["mean"].to_numpy())

    @pytest.mark.parametrize("name", MODELS)
    def test_new_cohorts_are_like_the_others(self, name):
        model = posterior(name)
        more = model.with_new_cohorts(["2026", "2027"])
        assert more.model.cohorts == ("high_end", "regular", "2026", "2027")
        both = contracts([3, 3, 3, 3], [0, 0, 0, 0], cohort=["high_end", "regular", "2026", "2027"])
        table = more.retention(both)
        known = model.retention(both.take([0, 1]))
        pd.testing.assert_frame_equal(table.iloc[:2], known)
        assert (table["upper"] - table["lower"]).iloc[2:].min() > 5 * (table["upper"] - table["lower"]).iloc[:2].max()
        drawn = more.draws.retention(both).to_numpy()[0]
        assert abs(np.corrcoef(drawn[:, 2], drawn[:, 3])[0, 1]) < 0.5  # alike, and drawn apart
        again = model.with_new_cohorts(["2026"]).retention(both.take([2]))
        pd.testing.assert_frame_equal(again, table.iloc[[2]])  # the same whatever else is asked

    def test_new_cohorts_follow_the_population(self):
        """Logit mean churn less the population's mean, in spreads, is standard normal; so is log concentration."""
        more = posterior("BetaDiscreteWeibull").with_new_cohorts([2026])
        values = {name: value.ravel() for name, value in more.named_values().items()}
        churn = values["mean_churn[2026]"]
        z = (np.log(churn / (1 - churn)) - np.log(values["mean_churn"] / (1 - values["mean_churn"]))) / values[
            "mean_churn_spread"
        ]
        k = np.log(values["concentration[2026]"] / values["concentration"]) / values["concentration_spread"]
        for normal in (z, k):
            assert abs(normal.mean()) < 4 / np.sqrt(len(z))
            assert abs(normal.std() - 1) < 4 / np.sqrt(2 * len(z))

    def test_new_cohorts_need_several_known_ones_and_labels_of_their_own(self):
        with pytest.raises(SpecificationError, match="two cohorts or more"):
            fixed(0.7, 1.2).with_new_cohorts(["2026"])
        several = posterior("ShiftedBetaGeometric")
        with pytest.raises(SpecificationError, match="look different"):
            several.with_new_cohorts(["regular"])
        for wrong in ("2026", [2026.5], [None], [True], 5, None):
            with pytest.raises(SpecificationError, match="labels are several strings or integers"):
                several.with_new_cohorts(wrong)
        mode = kw.fit(kw.ShiftedBetaGeometric(), histories(), method=kw.MAP())
        with pytest.raises(SpecificationError, match="a single draw says nothing"):
            mode.with_new_cohorts(["2026"])
        assert mode.survival_curve().index.get_level_values(0).unique().tolist() == ["high_end", "regular"]


class TestFits:
    @pytest.mark.parametrize("name", MODELS)
    def test_single_contracts_give_the_very_same_posterior(self, name):
        frame = histories().to_pandas().sample(frac=1, random_state=3)
        apart = kw.ContractHistories.from_pandas(frame, cohort="cohort", every=kw.years(1))
        one, other = posterior(name), kw.fit(MODELS[name], apart, seed=1)
        assert one.model == other.model
        for mine, theirs in zip(one.values, other.values, strict=True):
            np.testing.assert_array_equal(mine, theirs)

    @pytest.mark.every(2)
    @pytest.mark.parametrize("name", MODELS)
    def test_importance_sampling_is_good_enough(self, name):
        rng = np.random.default_rng(0)
        five = pd.concat(
            pd.DataFrame({"cohort": label, "renewal": range(6), "survivors": survivors(rng)}) for label in "abcde"
        )
        for observed in (
            histories(("regular",)),
            histories(),
            kw.ContractHistories.from_cohorts(five, cohort="cohort"),
        ):
            diagnostics = kw.fit(MODELS[name], observed, seed=1).diagnostics
            assert diagnostics.method == "importance sampling"
            assert diagnostics.ok, str(diagnostics)

    def test_nine_cohorts_are_drawn_one_by_one(self):
        rng = np.random.default_rng(0)
        nine = pd.concat(
            pd.DataFrame({"cohort": year, "renewal": range(4), "survivors": survivors(rng)[:4]})
            for year in range(2010, 2019)
        )
        model = kw.fit(kw.ShiftedBetaGeometric(), kw.ContractHistories.from_cohorts(nine, cohort="cohort"), seed=1)
        assert model.diagnostics.method == "importance sampling"
        assert "Cohorts are drawn one by one" in model.diagnostics.notes[0]
        assert "gamma[2018]" in model.parameters().index

    @pytest.mark.parametrize("name", MODELS)
    @pytest.mark.parametrize("cohorts", [("regular",), ("regular", "high_end")])
    def test_saved_posteriors_come_back(self, tmp_path, name, cohorts):
        model = posterior(name, cohorts)
        model.save(tmp_path / "contracts.nc")
        again: Any = kw.load(tmp_path / "contracts.nc")
        assert isinstance(again, kw.ContractPosterior)
        assert again.model == model.model
        assert (again.unit, again.diagnostics, again.provenance) == ("renewal", model.diagnostics, model.provenance)
        chosen = some().select([0, 1, 6, 7])
        pd.testing.assert_frame_equal(again.retention(chosen), model.retention(chosen))
        if len(cohorts) > 1:
            pd.testing.assert_frame_equal(again.survival_curve(), model.survival_curve())

    def test_new_cohorts_and_odd_labels_are_saved(self, tmp_path):
        frame = histories().to_pandas().replace({"cohort": {"regular": "2024/Q1 50 %", "high_end": "Ärger [2]"}})
        odd = kw.ContractHistories.from_pandas(frame, cohort="cohort")
        model = kw.fit(kw.ShiftedBetaGeometric(), odd, seed=1).with_new_cohorts(["2024/Q2"])
        model.save(tmp_path / "odd.nc")
        again: Any = kw.load(tmp_path / "odd.nc")
        assert again.model.cohorts == ("2024/Q1 50 %", "Ärger [2]", "2024/Q2")
        pd.testing.assert_frame_equal(again.retention(odd.take([0, 1999])), model.retention(odd.take([0, 1999])))
        assert "log_likelihood" in model.to_datatree(odd.take([0, 1999])).children

    @pytest.mark.parametrize("name", MODELS)
    def test_arviz_gets_parameters_and_likelihoods(self, name):
        tree = posterior(name).thinned(10).to_datatree(some())
        assert {"gamma[regular]", "delta[high_end]", "mean_churn[regular]", "mean_churn"} <= set(tree["posterior"])
        assert tree["log_likelihood"][name].shape == (1, 10, 8)


@pytest.mark.parametrize("verb", ["survival", "churn_probability", "expected_residual_lifetime"])
@pytest.mark.parametrize("horizon", [3, "3 renewals", kw.years(1), kw.weeks(5)], ids=repr)
def test_horizons_are_counted_in_renewals(verb, horizon):
    with pytest.raises(DurationError, match=r"horizon takes a Duration|write for example kundenwert\.renewals\(5\)"):
        getattr(fixed(0.7, 1.2), verb)(active([1]), horizon=horizon)


@pytest.mark.parametrize("interval", [0, 1, 90, True, "0.9"])
def test_an_interval_is_a_probability(interval):
    for ask in (lambda p: p.retention(active([1]), interval=interval), lambda p: p.survival_curve(interval=interval)):
        with pytest.raises(SpecificationError, match="interval is a probability"):
            ask(fixed(0.7, 1.2))


def test_draws_that_do_not_fit_are_refused():
    with pytest.raises(SizeError, match="draws"):
        posterior("ShiftedBetaGeometric").draws.retention(contracts([0] * 200_000, [0] * 200_000, cohort="regular"))


def test_curves_without_an_end_are_refused():
    for curve in (fixed(0.7, 1.2).survival_curve, fixed(0.7, 1.2).draws.retention_curve):
        with pytest.raises(SizeError, match=r"up to renewal 1,000,000,000,000 has a row for each.*survival"):
            curve(up_to=kw.renewals(10**12))


def survivors(rng):
    """Survivors of 500 contracts after each of five renewals, with much churn or little."""
    churn = rng.beta(2, 5, 500) * rng.uniform(0.3, 1)
    ends = rng.geometric(churn)
    return [int(np.count_nonzero(ends > renewal)) for renewal in range(6)]
