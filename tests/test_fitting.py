"""kw.fit: seeds, independence, units, currencies, the fall-back, and refusals."""

import warnings
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

import kundenwert as kw
from kundenwert.errors import DataError, InferenceWarning, MissingInformationError, SpecificationError
from kundenwert.inference import Diagnostics
from tests import cdnow
from tests.customers import histories_of

FEW = kw.ImportanceSampling(draws=2000)
ROUGH = kw.ImportanceSampling(draws=500, points=2048)


def same(one, other):
    return all((a == b).all() for a, b in zip(one.theta, other.theta, strict=True))


@pytest.mark.every(4)
@pytest.mark.parametrize("name", cdnow.MODELS)
@pytest.mark.parametrize("method", [None, FEW, kw.MAP()], ids=["default", "importance sampling", "MAP"])
def test_a_seed_reproduces_every_bit(name, method):
    one, again = (kw.fit(cdnow.MODELS[name], cdnow.sample(300), seed=11, method=method) for _ in range(2))
    assert same(one, again)
    assert replace(one.diagnostics, seconds=0) == replace(again.diagnostics, seconds=0)
    assert one.diagnostics.seed == 11
    if method != kw.MAP():
        assert not same(one, kw.fit(cdnow.MODELS[name], cdnow.sample(300), seed=12, method=method))


def test_the_order_of_customers_changes_nothing():
    order = np.random.default_rng(0).permutation(300)
    one, other = (kw.fit(kw.MBGNBD(), h, seed=1) for h in (cdnow.sample(300), cdnow.sample(300).take(order)))
    assert same(one, other)


def test_without_a_seed_one_is_drawn_and_recorded():
    one, other = (kw.fit(kw.BGNBD(), cdnow.sample(50)) for _ in range(2))
    assert not same(one, other)
    assert one.diagnostics.seed is not None
    assert same(one, kw.fit(kw.BGNBD(), cdnow.sample(50), seed=one.diagnostics.seed))
    seeds = {kw.fit(kw.BGNBD(), cdnow.sample(5), method=kw.MAP()).diagnostics.seed for _ in range(5)}
    assert len(seeds) == 5


@pytest.mark.parametrize("seed", [-1, 1.0, "1", True, [1]], ids=repr)
def test_a_seed_is_a_whole_number(seed):
    with pytest.raises(SpecificationError, match="seed must be a whole number"):
        kw.fit(kw.BGNBD(), cdnow.sample(5), seed=seed)


def test_numpy_integers_are_seeds():
    seeds: tuple[Any, ...] = (3, np.int64(3))
    assert same(*(kw.fit(kw.BGNBD(), cdnow.sample(50), seed=s) for s in seeds))


@cache
def drawn(name, seed) -> Any:
    return kw.fit(cdnow.MODELS[name], cdnow.histories(), seed=seed, method=FEW).named_values()


@pytest.mark.every(4)
@pytest.mark.parametrize("pair", [("BGNBD", "MBGNBD"), ("MBGNBD", "GammaGamma"), ("BGNBD", "GammaGamma")], ids=" ".join)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_posteriors_of_one_seed_are_independent(pair, seed):
    draws = [drawn(name, seed) for name in pair]
    correlations = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a in draws[0].values() for b in draws[1].values()]
    assert np.abs(correlations).max() < 4 / np.sqrt(2000)


def quantities(posterior):
    values = posterior.named_values()
    return {quantity.name: values[quantity.name] for quantity in posterior.model.quantities}


@cache
def roughly(name) -> Any:
    """A posterior of CDNOW in weeks, of a few points: another unit or currency has the same."""
    return kw.fit(cdnow.MODELS[name], cdnow.histories(), seed=1, method=ROUGH)


@pytest.mark.every(5)
@pytest.mark.parametrize("name", ["BGNBD", "MBGNBD"])
@pytest.mark.parametrize("unit", ["day", "month", "year"])
def test_the_unit_changes_nothing_in_real_terms(name, unit):
    weeks = roughly(name)
    other: Any = kw.fit(cdnow.MODELS[name], cdnow.histories().in_unit(unit), seed=1, method=ROUGH)
    assert other.unit == unit
    for mine, theirs in zip(quantities(weeks).values(), quantities(other).values(), strict=True):
        np.testing.assert_allclose(theirs, mine, rtol=1e-5)
    length = kw.weeks(1).in_unit(unit)
    np.testing.assert_allclose(other.theta.alpha, weeks.theta.alpha * length, rtol=1e-5)
    for ask in (
        lambda posterior: posterior.expected_purchases(cdnow.sample(50), horizon=kw.days(100)),
        lambda posterior: posterior.p_alive(cdnow.sample(50), ahead=kw.weeks(9)),
    ):
        np.testing.assert_allclose(ask(other), ask(weeks), rtol=1e-5)


def test_a_log_summarized_in_days_gives_what_weeks_give():
    log = kw.datasets.cdnow()
    days = kw.summarize(log, customer="customer_id", time="date", amount="amount", until="1997-09-30", unit="day")
    found = kw.fit(kw.MBGNBD(), days, seed=1, method=ROUGH).expected_purchases(days, horizon=kw.weeks(39))
    expected = roughly("MBGNBD").expected_purchases(cdnow.histories(), horizon=kw.weeks(39))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("factor", [100, 0.009, 1e6])
def test_the_currency_changes_nothing_in_real_terms(factor):
    table = cdnow.histories().to_pandas()
    other = kw.CustomerHistories.from_pandas(table.assign(monetary_value=table["monetary_value"] * factor), unit="week")
    found: Any = kw.fit(kw.GammaGamma(), other, seed=1, method=ROUGH)
    euros = roughly("GammaGamma")
    np.testing.assert_allclose(found.theta.p, euros.theta.p, rtol=1e-5)
    np.testing.assert_allclose(found.theta.q, euros.theta.q, rtol=1e-5)
    np.testing.assert_allclose(found.theta.gamma, euros.theta.gamma * factor, rtol=1e-5)
    spend = euros.expected_spend(cdnow.histories())
    np.testing.assert_allclose(found.expected_spend(other), spend * factor, rtol=1e-5)


@pytest.mark.parametrize("draws", [1, 100, 3000, 10_000])
def test_as_many_draws_as_asked_for(draws):
    posterior = kw.fit(kw.BGNBD(), cdnow.sample(100), seed=1, method=kw.ImportanceSampling(draws=draws))
    assert all(value.shape == (1, draws) for value in posterior.named_values().values())
    assert posterior.diagnostics.draws == draws
    assert posterior.diagnostics.points == max(8192, 2 ** int(np.ceil(np.log2(draws))))


def test_what_is_recorded():
    posterior = kw.fit(kw.GammaGamma(), cdnow.histories(), seed=1)
    assert posterior.provenance.customers == 946
    assert posterior.provenance.version == kw.__version__
    assert posterior.diagnostics.method == "importance sampling"
    assert posterior.diagnostics.ok
    assert 0 < posterior.diagnostics.seconds < 60
    everybody = kw.fit(kw.BGNBD(), cdnow.histories(), seed=1).provenance
    distinct = cdnow.histories().to_pandas()[["frequency", "recency", "T"]].drop_duplicates()
    assert (everybody.customers, everybody.cells) == (2357, len(distinct))


@pytest.fixture
def weights_are_bad(monkeypatch):
    """Pareto k as it would be for a posterior that no proposal fits."""
    import kundenwert.inference.importance as module

    real = module.smoothed
    monkeypatch.setattr(module, "smoothed", lambda log_weights: (real(log_weights)[0], 0.9))


@pytest.mark.slow
@pytest.mark.usefixtures("weights_are_bad")
def test_nuts_takes_over_with_a_warning_where_weights_are_bad():
    with pytest.warns(InferenceWarning, match=r"Pareto k.*0\.90.*NUTS took over") as caught:
        posterior = kw.fit(kw.GammaGamma(), cdnow.sample(100), seed=1)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert posterior.diagnostics.method == "NUTS"
    assert posterior.diagnostics.ok
    assert "Importance sampling did not fit" in str(posterior.diagnostics)
    assert posterior.named_values()["p"].shape == (4, 1000)


def test_the_fall_back_runs_nuts_and_says_so(weights_are_bad, monkeypatch):  # noqa: ARG001 - used for its effect
    from kundenwert.inference import pymc

    asked = []

    def run_nuts(model, _, method, *__):
        asked.append(method)
        values = np.ones((len(model.quantities), 4, 10)) * np.linspace(1.0, 2.0, 40).reshape(4, 10)
        return pymc.Chains(values, 1.001, 500.0, 0)

    for module in ("kundenwert.fitting", "kundenwert.inference.pymc"):
        monkeypatch.setattr(f"{module}.run_nuts", run_nuts, raising=False)
    with pytest.warns(InferenceWarning, match=r"Pareto k.*0\.90.*NUTS took over") as caught:
        posterior = kw.fit(kw.GammaGamma(), cdnow.sample(100), seed=1)
    assert caught[0].filename == __file__
    assert asked == [kw.NUTS()]
    assert (posterior.diagnostics.method, posterior.diagnostics.seed) == ("NUTS", 1)
    assert any("NUTS took over" in note for note in posterior.diagnostics.notes)
    assert posterior.named_values()["p"].max() == 2


@pytest.mark.usefixtures("weights_are_bad")
def test_a_method_that_was_asked_for_is_not_replaced():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        posterior = kw.fit(kw.GammaGamma(), cdnow.sample(100), seed=1, method=kw.ImportanceSampling())
    assert posterior.diagnostics.method == "importance sampling"
    assert not posterior.diagnostics.ok
    assert "NUTS()" in str(posterior.diagnostics)


@pytest.mark.parametrize(
    "model, words",
    [(kw.BGNBD, r"got the class BGNBD; write BGNBD\(\)"), ("BGNBD", r"kundenwert\.MBGNBD\(\)"), (None, "got None")],
    ids=["class", "string", "None"],
)
def test_what_is_no_model_is_refused(model, words):
    with pytest.raises(SpecificationError, match=words):
        kw.fit(model, cdnow.sample(5))
    with pytest.raises(SpecificationError, match=words):
        kw.to_pymc(model, cdnow.sample(5))


@pytest.mark.parametrize("method", ["NUTS", kw.NUTS, 1000], ids=repr)
def test_what_is_no_method_is_refused(method):
    with pytest.raises(SpecificationError, match=r"ImportanceSampling\(\), NUTS\(\) or MAP\(\)"):
        kw.fit(kw.BGNBD(), cdnow.sample(5), method=method)


def test_what_are_no_histories_is_refused():
    with pytest.raises(DataError, match="got DataFrame"):
        kw.fit(kw.BGNBD(), cdnow.sample(5).to_pandas())


def test_spend_needs_amounts():
    with pytest.raises(MissingInformationError, match="amount"):
        kw.fit(kw.GammaGamma(), histories_of([1, 2], 1.0, 2.0))
    with pytest.raises(DataError, match="no customer has a repeat purchase with a positive amount"):
        kw.fit(kw.GammaGamma(), histories_of([0, 2], [0.0, 1.0], 2.0, mean_amount=0.0))


def test_fixed_is_one_draw():
    posterior = kw.fixed(kw.BGNBD.Parameters(r=0.243, alpha=4.414, a=0.793, b=2.426, unit="week"))
    assert [value.tolist() for value in posterior.theta] == [[0.243], [4.414], [0.793], [2.426]]
    assert (posterior.unit, posterior.diagnostics.method, posterior.provenance.customers) == ("week", "fixed", 0)
    assert posterior.diagnostics == Diagnostics(method="fixed", draws=1, chains=1)
    assert isinstance(kw.fixed(kw.GammaGamma.Parameters(p=6.25, q=3.74, gamma=15.44)), kw.SpendPosterior)


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf"), "1", True], ids=repr)
def test_fixed_parameters_are_positive(value):
    with pytest.raises(SpecificationError, match=r"BGNBD\.Parameters: alpha must be a positive number"):
        kw.BGNBD.Parameters(r=1.0, alpha=value, a=1.0, b=1.0, unit="week")


@pytest.mark.parametrize("parameters", [kw.BGNBD(), {"r": 1.0}, pd.Series([1.0])], ids=["model", "dict", "series"])
def test_fixed_takes_parameters(parameters):
    with pytest.raises(SpecificationError, match="fixed takes the parameters of a model"):
        kw.fixed(parameters)
