"""Tables and draws of posteriors: the same numbers, the right customers, bounded memory."""

import tracemalloc
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

import kundenwert as kw
from kundenwert.errors import DataError, DurationError, InfiniteValueError, SizeError, SpecificationError
from tests import cdnow
from tests.customers import histories_of, with_draws

HALF_YEAR = kw.weeks(26)
PURCHASE_VERBS: dict[str, Any] = {
    "p_alive": {},
    "p_alive later": {"ahead": HALF_YEAR},
    "expected_purchases": {"horizon": HALF_YEAR},
    "expected_purchases later": {"horizon": kw.months(2), "start": HALF_YEAR},
    "return_probability": {"horizon": HALF_YEAR},
    "discounted_purchases": {"horizon": kw.years(3), "annual_discount_rate": 0.1},
    "discounted_purchases for life": {"horizon": kw.LIFETIME, "annual_discount_rate": 0.1},
}
SPEND_VERBS: dict[str, Any] = {"expected_spend": {}, "median_spend": {}}
CASES = [
    *((name, verb, arguments) for name in ("BGNBD", "MBGNBD") for verb, arguments in PURCHASE_VERBS.items()),
    *(("GammaGamma", verb, arguments) for verb, arguments in SPEND_VERBS.items()),
]
IDS = [f"{name} {verb}" for name, verb, _ in CASES]


def ask(of, verb, histories, **arguments):
    return getattr(of, verb.split()[0])(histories, **arguments)


@cache
def drawn(name, verb) -> Any:
    """What a verb draws of a hundred customers."""
    arguments = PURCHASE_VERBS.get(verb, {})
    return ask(cdnow.posterior(name).thinned(101).draws, verb, cdnow.sample(100), **arguments)


@pytest.mark.every(3)
@pytest.mark.parametrize("name, verb, arguments", CASES, ids=IDS)
def test_tables_summarise_the_draws(name, verb, arguments):
    posterior, histories = cdnow.posterior(name).thinned(101), cdnow.sample(100)
    table = ask(posterior, verb, histories, **arguments, interval=0.8)
    draws = drawn(name, verb)
    assert draws.dims == ("chain", "draw", "customer_id")
    assert draws.shape == (1, 101, 100)
    assert draws["customer_id"].to_numpy().tolist() == histories.customer_id.tolist()
    values = draws.to_numpy()[0]
    assert table["mean"].to_numpy() == pytest.approx(values.mean(axis=0), rel=1e-7)
    assert table["lower"].to_numpy() == pytest.approx(np.quantile(values, 0.1, axis=0), rel=1e-7)
    assert table["upper"].to_numpy() == pytest.approx(np.quantile(values, 0.9, axis=0), rel=1e-7)
    assert list(table.columns) == ["mean", "lower", "upper"]
    assert table.index.equals(histories.customer_id)
    assert table.index.name == "customer_id"


@pytest.mark.parametrize("name, verb, arguments", CASES, ids=IDS)
def test_draws_are_those_of_single_parameter_values(name, verb, arguments):
    posterior, histories = cdnow.posterior(name), cdnow.sample(100)
    values = drawn(name, verb).to_numpy()[0]
    theta = posterior.thinned(101).theta
    for draw in (0, 50, 100):
        parameters = {field: float(value[draw]) for field, value in zip(theta._fields, theta, strict=True)}
        alone = kw.fixed(type(posterior.model).Parameters(**parameters, unit="week"))
        table = ask(alone, verb, histories, **arguments)
        assert table["mean"].to_numpy() == pytest.approx(values[draw], rel=1e-7)
        assert (table["lower"] == table["mean"]).all()


def renamed(ids):
    table = cdnow.histories().to_pandas().head(len(ids)).assign(customer_id=ids)
    return kw.CustomerHistories.from_pandas(table, unit="week")


@pytest.mark.parametrize(
    "ids",
    [
        [f"customer {i * 7919 % 60}" for i in range(60)],
        [int(i) for i in np.random.default_rng(0).permutation(60) * 1000 - 30_000],
        pd.Categorical([f"c{i * 37 % 60}" for i in range(60)]),
    ],
    ids=["strings", "integers", "categories"],
)
@pytest.mark.parametrize("name, verb, arguments", CASES, ids=IDS)
def test_values_go_to_their_customer_whatever_the_ids(name, verb, arguments, ids):
    posterior = cdnow.posterior(name).thinned(20)
    plain = cdnow.histories().take(np.arange(60))
    expected = ask(posterior, verb, plain, **arguments)["mean"].to_numpy()
    found = ask(posterior, verb, renamed(ids), **arguments)
    assert found.index.tolist() == list(ids)
    assert found["mean"].to_numpy() == pytest.approx(expected, rel=1e-7)
    order = np.random.default_rng(1).permutation(60)
    shuffled = ask(posterior, verb, renamed(ids).take(order), **arguments)
    assert shuffled.index.tolist() == [list(ids)[i] for i in order]
    assert shuffled["mean"].to_numpy() == pytest.approx(expected[order], rel=1e-7)
    labelled = ask(posterior.draws, verb, renamed(ids).take(order), **arguments)
    one = labelled.sel(customer_id=list(ids)[7]).to_numpy()
    assert one.mean() == pytest.approx(expected[7], rel=1e-7)


@pytest.mark.every(5)
@pytest.mark.parametrize("unit", ["day", "month", "year"])
@pytest.mark.parametrize("name, verb, arguments", CASES, ids=IDS)
def test_histories_in_another_unit_give_the_same_answer(name, verb, arguments, unit):
    posterior, histories = cdnow.posterior(name).thinned(20), cdnow.sample(100)
    expected = ask(posterior, verb, histories, **arguments)
    found = ask(posterior, verb, histories.in_unit(unit), **arguments)
    np.testing.assert_allclose(found, expected, rtol=1e-7)
    drawn = ask(posterior.draws, verb, histories.in_unit(unit), **arguments)
    assert drawn.mean(("chain", "draw")).to_numpy() == pytest.approx(expected["mean"].to_numpy(), rel=1e-7)


@pytest.mark.parametrize("name, verb, arguments", CASES, ids=IDS)
@pytest.mark.parametrize("interval", [0, 1, 90, -0.5, float("nan"), True, "0.9", None])
def test_an_interval_is_a_probability(name, verb, arguments, interval):
    with pytest.raises(SpecificationError, match="interval is a probability"):
        ask(cdnow.posterior(name).thinned(4), verb, cdnow.sample(5), **arguments, interval=interval)


@pytest.mark.parametrize(
    "verb", ["expected_purchases", "return_probability", "discounted_purchases", "purchase_distribution"]
)
def test_horizons_are_durations(verb):
    posterior = cdnow.posterior("BGNBD").thinned(4)
    more = {"annual_discount_rate": 0.1} if verb == "discounted_purchases" else {}
    with pytest.raises(DurationError, match="horizon takes a Duration, got 26"):
        ask(posterior, verb, cdnow.sample(5), horizon=26, **more)
    if verb != "discounted_purchases":
        with pytest.raises(SpecificationError, match="horizon must be finite"):
            ask(posterior, verb, cdnow.sample(5), horizon=kw.LIFETIME)


def test_other_durations_are_checked_by_name():
    posterior = cdnow.posterior("BGNBD").thinned(4)
    with pytest.raises(DurationError, match="ahead takes a Duration"):
        posterior.p_alive(cdnow.sample(5), ahead=13)
    with pytest.raises(SpecificationError, match="start must be finite"):
        posterior.expected_purchases(cdnow.sample(5), horizon=HALF_YEAR, start=kw.LIFETIME)
    with pytest.raises(SpecificationError, match="horizon must be finite"):
        posterior.expected_purchases_new_customer(horizon=kw.LIFETIME)


@pytest.mark.parametrize("rate", [-0.1, float("nan"), float("inf"), "10%", True, None], ids=repr)
def test_a_discount_rate_is_zero_or_more(rate):
    with pytest.raises(SpecificationError, match="annual_discount_rate is 0 or more"):
        cdnow.posterior("BGNBD").discounted_purchases(cdnow.sample(5), horizon=kw.years(1), annual_discount_rate=rate)


@pytest.mark.parametrize("name, verb, arguments", CASES, ids=IDS)
def test_a_table_is_no_histories(name, verb, arguments):
    with pytest.raises(DataError, match=r"got DataFrame.*summarize.*from_pandas"):
        ask(cdnow.posterior(name), verb, cdnow.sample(5).to_pandas(), **arguments)


def test_spend_needs_amounts():
    bare = histories_of([1, 2], 1.0, 3.0)
    with pytest.raises(DataError, match="amount"):
        cdnow.posterior("GammaGamma").expected_spend(bare)


@pytest.mark.parametrize("model", [kw.BGNBD, kw.MBGNBD])
def test_life_without_discounting_is_finite_only_if_every_draw_says_so(model):
    histories = histories_of([0, 3], [0.0, 20.0], 30.0)
    life = {"horizon": kw.LIFETIME, "annual_discount_rate": 0.0}
    finite = with_draws(model, r=0.5, alpha=10.0, a=[1.5, 3.0], b=2.0)
    table = finite.discounted_purchases(histories, **life)
    # E[1/p] over Beta(a, b'), the number of purchases left including the last one, less the one at the very start
    b = 2.0 + np.array([0, 3]) + (model is kw.MBGNBD)
    alive = finite.draws.p_alive(histories).to_numpy()[0]
    truth = alive * np.array([(a + b - 1) / (a - 1) for a in (1.5, 3.0)])
    assert table["mean"].to_numpy() == pytest.approx(truth.mean(axis=0), rel=1e-10)
    infinite = with_draws(model, r=0.5, alpha=10.0, a=[1.5, 3.0, 3.0, 1.0], b=2.0)
    with pytest.raises(InfiniteValueError, match=r"25%.*annual_discount_rate above 0"):
        infinite.discounted_purchases(histories, **life)
    long = infinite.discounted_purchases(histories, horizon=kw.years(500), annual_discount_rate=0)
    assert np.isfinite(long).all(axis=None)


@pytest.mark.parametrize("name", ["BGNBD", "MBGNBD"])
def test_purchase_distribution_is_one(name):
    posterior, histories = cdnow.posterior(name).thinned(20), cdnow.sample(50)
    table = posterior.purchase_distribution(histories, horizon=HALF_YEAR, up_to=4)
    assert list(table.columns) == [0, 1, 2, 3, 4, "more"]
    assert table.index.equals(histories.customer_id)
    assert table.sum(axis=1).to_numpy() == pytest.approx(1, abs=1e-12)
    assert table.to_numpy().min() >= 0
    returning = posterior.return_probability(histories, horizon=HALF_YEAR)["mean"]
    assert (1 - table[0]).to_numpy() == pytest.approx(returning.to_numpy(), rel=1e-9)
    long = posterior.purchase_distribution(histories, horizon=HALF_YEAR, up_to=150)
    mean = long.drop(columns="more") @ np.arange(151)
    expected = posterior.expected_purchases(histories, horizon=HALF_YEAR)["mean"]
    assert mean.to_numpy() == pytest.approx(expected.to_numpy(), rel=1e-6)


@pytest.mark.parametrize("up_to", [-1, 2.0, True])
def test_purchase_distribution_counts_in_whole_numbers(up_to):
    with pytest.raises(SpecificationError, match="up_to"):
        cdnow.posterior("BGNBD").purchase_distribution(cdnow.sample(5), horizon=HALF_YEAR, up_to=up_to)


@pytest.mark.parametrize("name", ["BGNBD", "MBGNBD"])
def test_a_new_customer_is_one_with_a_first_purchase_only(name):
    posterior = cdnow.posterior(name).thinned(200)
    estimate = posterior.expected_purchases_new_customer(horizon=HALF_YEAR, interval=0.5)
    row = posterior.expected_purchases(histories_of(0, 0.0, 0.0), horizon=HALF_YEAR, interval=0.5).iloc[0]
    assert (estimate.mean, estimate.lower, estimate.upper) == pytest.approx(tuple(row), rel=1e-9)


@pytest.mark.parametrize("name", cdnow.MODELS)
def test_parameters(name):
    posterior = cdnow.posterior(name)
    table = posterior.parameters(interval=0.5)
    theta = dict(zip(posterior.theta._fields, posterior.theta, strict=True))
    if name == "GammaGamma":
        theta["scale"] = theta["p"] * theta["gamma"] / theta["q"]
    else:
        theta["mean_rate"] = theta["r"] / theta["alpha"] * 365.25 / 7
        theta |= {"shape": theta["r"], "concentration": theta["a"] + theta["b"]}
        theta["mean_dropout"] = theta["a"] / theta["concentration"]
    assert set(table.index) == set(theta)
    for parameter, drawn in theta.items():
        truth = (drawn.mean(), drawn.std(), *np.quantile(drawn, [0.25, 0.75]))
        assert tuple(table.loc[parameter, ["mean", "sd", "lower", "upper"]]) == pytest.approx(truth, rel=1e-9)
    assert (table["ess"] == posterior.diagnostics.ess).all()
    assert (table["pareto_k"] == posterior.diagnostics.pareto_k).all()
    assert not {"ess", "pareto_k", "r_hat"} & set(
        kw.fit(posterior.model, cdnow.sample(50), method=kw.MAP()).parameters()
    )


def test_thinning_is_even_and_keeps_the_rest():
    posterior = cdnow.posterior("MBGNBD")
    thin = posterior.thinned(512)
    assert (thin.theta.r == posterior.theta.r[::4]).all()
    assert thin.diagnostics is posterior.diagnostics
    assert thin.model is posterior.model


def test_a_posterior_is_frozen_and_says_what_it_is():
    posterior = cdnow.posterior("MBGNBD")
    with pytest.raises(AttributeError):
        posterior.unit = "day"
    for fact in ("PurchasePosterior", "MBGNBD", "2048 draws", "week", "importance sampling", "2,357 customers"):
        assert fact in repr(posterior)


def twenty_thousand():
    rng = np.random.default_rng(2)
    x, T = rng.geometric(0.3, 20_000) - 1, rng.uniform(10, 100, 20_000)
    recency, amount = (np.where(x > 0, value, 0) for value in (T * rng.random(20_000), 10 + T))
    return histories_of(x, recency, T, unit="week", mean_amount=amount)


BIG = twenty_thousand()


@pytest.mark.parametrize(
    "name, verb, arguments",
    [
        ("MBGNBD", "p_alive", {}),
        ("GammaGamma", "expected_spend", {}),
        pytest.param("MBGNBD", "return_probability", {"horizon": HALF_YEAR}, marks=pytest.mark.slow),
        pytest.param("MBGNBD", "expected_purchases", {"horizon": HALF_YEAR}, marks=pytest.mark.slow),
        pytest.param("BGNBD", "purchase_distribution", {"horizon": HALF_YEAR, "up_to": 2}, marks=pytest.mark.slow),
    ],
)
def test_memory_stays_bounded(name, verb, arguments):
    posterior = cdnow.posterior(name)
    assert len(BIG.cells(posterior.model)) > 10_000
    tracemalloc.start()
    try:
        ask(posterior, verb, BIG, **arguments)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20_000 * 2048 * 8 / 6  # a matrix of draws and customers is 328 MB


@pytest.mark.parametrize("name, verb, arguments", [("BGNBD", "p_alive", {}), ("GammaGamma", "expected_spend", {})])
def test_draws_that_do_not_fit_are_refused_with_remedies(name, verb, arguments):
    histories = BIG.take(np.tile(np.arange(20_000), 1))
    many = cdnow.posterior(name).chosen(np.zeros(14_000, dtype=np.int64))  # 14,000 × 20,000 × 8 bytes are 2.09 GiB
    with pytest.raises(SizeError, match=r"14,000 draws × 20,000 customers need 2.1 GiB") as refusal:
        ask(many.draws, verb, histories, **arguments)
    for remedy in ("tables of the posterior", "histories.take(", "posterior.thinned("):
        assert remedy in str(refusal.value)
