"""compare: against ArviZ, in any unit, and what it refuses."""

import warnings
from dataclasses import replace
from typing import Any, override

import arviz as az
import numpy as np
import pandas as pd
import pytest

import kundenwert as kw
from kundenwert.checks.leave_one_out import leave_one_out
from kundenwert.errors import ComparisonWarning, DataError, MissingInformationError, SpecificationError
from kundenwert.models import GammaGamma
from kundenwert.models.mbgcnbd import MBGCNBD
from tests import cdnow
from tests.customers import histories_of

NAMES = {"BG/NBD": "BGNBD", "MBG/NBD": "MBGNBD"}


class Picky(GammaGamma):  # type: ignore[misc]  # final, but a model of somebody else could be like this
    """Gamma-gamma that learns from those with two repeat purchases or more."""

    __slots__ = ()

    @override
    def informative(self, cells):
        return (cells["x"] > 1) & (cells["total"] > 0)


def posteriors(customers) -> Any:
    return {name: cdnow.posterior(model, customers) for name, model in NAMES.items()}


@pytest.mark.parametrize("customers", [100, 200])
def test_the_table_agrees_with_arviz(customers):
    histories, fitted = cdnow.sample(customers), posteriors(customers)
    table: Any = kw.compare(fitted, histories)
    size = len(histories)
    pointwise = {name: az.loo(p.to_datatree(histories), pointwise=True) for name, p in fitted.items()}
    theirs = az.compare(pointwise, round_to="none").loc[table.index]
    assert table.index.tolist() == theirs.index.tolist()
    assert table["elpd"].to_numpy() == pytest.approx(theirs["elpd"].to_numpy(), abs=0.01)
    assert table["se"].to_numpy() == pytest.approx(theirs["se"].to_numpy(), rel=1e-5)
    assert table["difference"].to_numpy() == pytest.approx(theirs["elpd_diff"].to_numpy(), abs=0.002)
    # theirs divides by the number of customers, ours by one less, as both do for se
    theirs_se = theirs["dse"].to_numpy() * np.sqrt(size / (size - 1))
    assert table["difference_se"].to_numpy() == pytest.approx(theirs_se, abs=0.002)
    assert table["p_loo"].to_numpy() == pytest.approx(theirs["p"].to_numpy(), abs=0.01)
    for name, loo in pointwise.items():
        assert table.loc[name, "customers"] == size
        assert table.loc[name, "high_pareto_k"] == 0
        smoothed = loo.pareto_k.to_numpy()
        assert 0 <= table.loc[name, "worst_pareto_k"] <= max(0.0, smoothed.max()) + 1e-9
    assert table["difference"].iloc[0] == table["difference_se"].iloc[0] == 0
    assert table["high_pareto_k"].dtype == table["customers"].dtype == np.int64


def test_chains_that_mix_slowly_have_a_longer_tail():
    """The draws of a chain are not independent, which ArviZ and we take into account alike."""
    histories, one = cdnow.sample(100), cdnow.posterior("BGNBD", 100)
    sticky = [np.repeat(np.reshape(value[:500], (2, 250)), 4, axis=1) for value in one.theta]
    chains = replace(one, values=one.model.named(sticky))
    theirs = az.loo(chains.to_datatree(histories), pointwise=True)
    ours = leave_one_out(chains, histories, "week")
    smoothed = ours.pareto_k != 0
    assert smoothed.sum() > 3
    assert ours.pareto_k[smoothed] == pytest.approx(theirs.pareto_k.to_numpy()[smoothed], rel=1e-9)
    table: Any = kw.compare({"once": one, "sticky": chains}, histories)
    assert table.loc["sticky", "elpd"] == pytest.approx(theirs.elpd, abs=0.01)


def test_one_unit_for_all():
    """A density per day is a seventh of that per week, for each of the repeat purchases."""
    weeks = cdnow.sample(200)
    days = weeks.in_unit("day")
    per_week = {name: kw.fit(cdnow.MODELS[model], weeks, seed=1) for name, model in NAMES.items()}
    per_day = {name: kw.fit(cdnow.MODELS[model], days, seed=1) for name, model in NAMES.items()}
    table: Any = kw.compare(per_week, weeks)
    pd.testing.assert_frame_equal(kw.compare(per_week, days), table, rtol=1e-9)
    in_days: Any = kw.compare(per_day, days)
    for column in ("difference", "difference_se", "p_loo"):
        assert in_days[column].to_numpy() == pytest.approx(table[column].to_numpy(), rel=1e-3, abs=1e-6)
    jacobian = weeks.frequency.sum() * np.log(7)
    assert (in_days["elpd"] + jacobian).to_numpy() == pytest.approx(table["elpd"].to_numpy(), abs=1e-3)
    mixed = kw.compare({"BG/NBD": per_week["BG/NBD"], "MBG/NBD": per_day["MBG/NBD"]}, weeks)
    pd.testing.assert_frame_equal(mixed, table, rtol=1e-3)
    swapped = kw.compare({"BG/NBD": per_day["BG/NBD"], "MBG/NBD": per_week["MBG/NBD"]}, weeks)
    pd.testing.assert_frame_equal(swapped, in_days, rtol=1e-3)


def test_customers_in_any_order():
    histories, fitted = cdnow.sample(100), posteriors(100)
    shuffled = histories.take(np.random.default_rng(1).permutation(100))
    pd.testing.assert_frame_equal(kw.compare(fitted, shuffled), kw.compare(fitted, histories), rtol=1e-9)


def test_the_model_that_made_the_data_wins():
    """If one-time buyers may have left, BG/NBD cannot say so."""
    truth = kw.MBGNBD.Parameters(r=2.0, alpha=4.0, a=1.0, b=1.0, unit="week")
    log = kw.datasets.simulated(truth, customers=1500, seed=2)
    histories = kw.summarize(log, customer="customer_id", time="date")
    fitted = {name: kw.fit(cdnow.MODELS[model], histories, seed=1) for name, model in NAMES.items()}
    table: Any = kw.compare(fitted, histories)
    assert table.index.tolist() == ["MBG/NBD", "BG/NBD"]
    assert table.loc["BG/NBD", "difference"] < -4 * table.loc["BG/NBD", "difference_se"]


def test_spend_models_of_one_kind():
    loose, tight = kw.GammaGamma(), kw.GammaGamma(q=kw.LogNormal(3.0, 0.05))
    histories = cdnow.histories()
    fitted = {name: kw.fit(model, histories, seed=1) for name, model in {"loose": loose, "tight": tight}.items()}
    table: Any = kw.compare(fitted, histories)
    assert table.index.tolist() == ["loose", "tight"]
    assert table["customers"].tolist() == [946, 946]
    loo = az.loo(fitted["loose"].to_datatree(histories))
    assert table.loc["loose", "elpd"] == pytest.approx(loo.elpd, abs=0.01)


@pytest.mark.slow
def test_models_that_count_renewals_or_opportunities():
    rng = np.random.default_rng(1)
    end, seen = rng.geometric(rng.beta(0.7, 1.2, 400)), rng.integers(1, 8, 400)
    table = pd.DataFrame({"customer_id": range(400), "tenure": np.minimum(end - 1, seen), "ended": end <= seen})
    contracts = kw.ContractHistories.from_pandas(table, tenure="tenure", ended="ended")
    models: Any = {"sBG": kw.ShiftedBetaGeometric(), "BdW": kw.BetaDiscreteWeibull()}
    fitted = {name: kw.fit(model, contracts, seed=1) for name, model in models.items()}
    found: Any = kw.compare(fitted, contracts)
    for name, posterior in fitted.items():
        assert found.loc[name, "elpd"] == pytest.approx(az.loo(posterior.to_datatree(contracts)).elpd, abs=0.01)
    n = rng.integers(3, 9, 300)
    x = rng.binomial(n, rng.beta(1, 1, 300))
    counts = pd.DataFrame({"customer_id": range(300), "frequency": x, "recency": x, "opportunities": n})
    occasions = kw.OpportunityHistories.from_pandas(counts)
    twice = {str(seed): kw.fit(kw.BGBB(), occasions, seed=seed) for seed in (1, 2)}
    same: Any = kw.compare(twice, occasions)
    assert abs(same["difference"].iloc[1]) < 0.1
    assert same["elpd"].iloc[0] == pytest.approx(az.loo(twice[same.index[0]].to_datatree(occasions)).elpd, abs=0.01)
    with pytest.raises(SpecificationError, match="is a density of purchases at opportunities, 'sBG'"):
        kw.compare({"BG/BB": twice["1"], "sBG": fitted["sBG"]}, occasions)


# warnings


def test_a_customer_that_carries_the_posterior_is_named():
    histories = cdnow.sample(30)
    fitted = {name: kw.fit(cdnow.MODELS[model], histories, seed=1) for name, model in NAMES.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        k = {name: az.loo(p.to_datatree(histories), pointwise=True).pareto_k for name, p in fitted.items()}
    with pytest.warns(ComparisonWarning) as caught:
        table: Any = kw.compare(fitted, histories)
    for name, values in k.items():
        high = int((values > 0.7).sum())
        assert table.loc[name, "high_pareto_k"] == high == 1
        worst = values["customer_id"].to_numpy()[int(np.argmax(values.to_numpy()))]
        words = f"'{name}': Pareto k exceeds 0.7 for 1 of 30 customers (worst: customer {worst} with "
        assert any(words in str(warning.message) for warning in caught)
        assert caught[0].filename == __file__


def test_a_posterior_that_is_off_is_told():
    fitted = posteriors(100)
    bad = replace(fitted["BG/NBD"], diagnostics=replace(fitted["BG/NBD"].diagnostics, ess=20.0))
    with pytest.warns(ComparisonWarning, match=r"'BG/NBD' may be off.*ESS is 20"):
        kw.compare(fitted | {"BG/NBD": bad}, cdnow.sample(100))


# refusals


def test_one_posterior_is_not_compared():
    for some in ({}, {"BG/NBD": cdnow.posterior("BGNBD", 100)}):
        with pytest.raises(SpecificationError, match="at least two posteriors, got"):
            kw.compare(some, cdnow.sample(100))


def test_posteriors_have_names_and_are_posteriors():
    untyped: Any = kw.compare
    with pytest.raises(SpecificationError, match="takes posteriors by name"):
        untyped([cdnow.posterior("BGNBD", 100)] * 2, cdnow.sample(100))
    with pytest.raises(SpecificationError, match=r"takes what kundenwert.fit returns, got BGNBD"):
        untyped({"a": kw.BGNBD(), "b": kw.MBGNBD()}, cdnow.sample(100))
    with pytest.raises(DataError, match="expected CustomerHistories"):
        untyped(posteriors(100), cdnow.sample(100).to_pandas())


@pytest.mark.parametrize("method", [kw.MAP(), kw.ImportanceSampling(draws=99)])
def test_a_mode_is_not_compared(method):
    few = kw.fit(kw.BGNBD(), cdnow.sample(100), method=method, seed=1)
    with pytest.raises(SpecificationError, match=r"'mode' has .* draws? .*at least 100: fit it with"):
        kw.compare({"BG/NBD": cdnow.posterior("BGNBD", 100), "mode": few}, cdnow.sample(100))
    given = kw.fixed(kw.BGNBD.Parameters(r=0.243, alpha=4.414, a=0.793, b=2.426, unit="week"))
    with pytest.raises(SpecificationError, match=r"'published' has 1 draw \(fixed\)"):
        kw.compare({"published": given, "BG/NBD": cdnow.posterior("BGNBD", 100)}, cdnow.sample(100))


def test_densities_of_different_data_are_not_compared():
    histories = cdnow.sample(100)
    single = kw.fit(kw.LogNormalSpend(), histories, seed=1)
    with pytest.raises(SpecificationError, match="is a density of purchases"):
        kw.compare({"buys": cdnow.posterior("BGNBD", 100), "pays": single}, histories)


def test_other_customers_are_refused():
    with pytest.raises(DataError, match="was fitted to 100 customers, but 200 of these histories"):
        kw.compare(posteriors(100), cdnow.sample(200))


def test_as_many_other_customers_are_refused_too():
    others = cdnow.histories().take(np.arange(100, 200))
    with pytest.raises(DataError, match=r"BGNBD was fitted to other customers: as many as these, but with other"):
        kw.compare(posteriors(100), others)
    shuffled = cdnow.sample(100).take(np.random.default_rng(1).permutation(100)).in_unit("day")
    pd.testing.assert_frame_equal(
        kw.compare(posteriors(100), shuffled)[["difference"]],
        kw.compare(posteriors(100), cdnow.sample(100))[["difference"]],
    )


def test_a_single_customer_has_no_standard_error():
    one = histories_of(3, 20, 38)
    fitted = {name: kw.fit(cdnow.MODELS[model], one, seed=1) for name, model in NAMES.items()}
    with pytest.warns(ComparisonWarning):
        table: Any = kw.compare(fitted, one)
    assert table["elpd"].notna().all()
    assert table[["se", "difference_se"]].isna().all(axis=None)


def test_a_model_of_other_customers_is_refused():
    histories = cdnow.histories()
    picky = Picky(money_scale=20.0)
    fitted = {"all": cdnow.posterior("GammaGamma"), "some": kw.fit(picky, histories, seed=1)}
    with pytest.raises(SpecificationError, match=r"'all' and 'some' learn from different customers \(\d+, the first"):
        kw.compare(fitted, histories)


def test_what_histories_lack_is_told():
    table = kw.CustomerHistories.from_pandas(cdnow.sample(100).to_pandas().drop(columns="monetary_value"), unit="week")
    spend = cdnow.posterior("GammaGamma", 100)
    with pytest.raises(MissingInformationError, match="the model needs amounts"):
        kw.compare({"one": spend, "other": spend}, table)
    regular = kw.fit(MBGCNBD(k=2), table, seed=1)
    with pytest.raises(MissingInformationError, match="gaps"):
        kw.compare({"MBG/NBD": cdnow.posterior("MBGNBD", 100), "k=2": regular}, table)
