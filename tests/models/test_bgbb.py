"""BG/BB: published numbers, inference, and what is particular to opportunities."""

import itertools
import json
import math
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import kundenwert as kw
from kundenwert.errors import (
    DurationError,
    InferenceError,
    InfiniteValueError,
    MissingInformationError,
    SpecificationError,
)
from kundenwert.inference.pymc import log_likelihood_with_gradient
from kundenwert.inference.target import Target
from tests.customers import TABLE_ERROR, histories_of, log_likelihood

DONORS: dict[str, float] = {"alpha": 1.204, "beta": 0.750, "gamma": 0.657, "delta": 2.783}
FLAT = kw.Flat()
BTYD = json.loads((Path(__file__).parents[1] / "reference" / "donations.json").read_text())
YEARS = kw.years(1)
NEXT, FIVE = kw.opportunities(1), kw.opportunities(5)


def opportunities_of(x, t_x, n, every: Any = YEARS):
    """Histories with these numbers, which broadcast against each other."""
    x, t_x, n = np.broadcast_arrays(np.atleast_1d(x), t_x, n)
    frame = pd.DataFrame({"customer_id": np.arange(len(x)), "frequency": x, "recency": t_x, "opportunities": n})
    return kw.OpportunityHistories.from_pandas(frame, every=every)


@cache
def donors():
    return kw.OpportunityHistories.from_counts(kw.datasets.donations(), every=YEARS)


@cache
def likeliest():
    flat = kw.BGBB(mean_purchase=FLAT, concentration=FLAT, mean_dropout=FLAT, dropout_concentration=FLAT)
    return kw.fit(flat, donors(), method=kw.MAP())


@cache
def posterior(customers=None):
    everybody = donors()
    some = (
        everybody.take(np.random.default_rng(1).choice(len(everybody), customers, replace=False)) if customers else None
    )
    return kw.fit(kw.BGBB(), some or everybody, seed=1)


def at(**parameters):
    return kw.fixed(kw.BGBB.Parameters(**(DONORS | parameters)))


# published


def test_maximum_likelihood_of_the_donations():
    # Fader, Hardie & Shang (2010): 1.204, .750, .657, 2.783, log-likelihood -33,225.6
    np.testing.assert_allclose(np.ravel(likeliest().values), (1.204, 0.750, 0.657, 2.783), atol=5.1e-4, rtol=0)
    assert log_likelihood(likeliest(), donors()).sum() == pytest.approx(-33225.58, abs=0.005)
    assert likeliest().diagnostics.notes[-1] == "Log-likelihood at the mode: -33225.58."


def test_the_likelihood_of_btyd_and_none_is_higher():
    theirs = log_likelihood(at(**BTYD["parameters"]), donors()).sum()
    assert theirs == pytest.approx(BTYD["log_likelihood"], abs=1e-8)
    assert log_likelihood(likeliest(), donors()).sum() > theirs - 1e-9


def test_predictions_of_btyd_for_every_history():
    table = pd.DataFrame(BTYD["histories"], columns=BTYD["columns"])
    histories = opportunities_of(table["frequency"], table["recency"], 6)
    theirs = at(**BTYD["parameters"])
    # their P(alive) is that of being alive at the next opportunity, and the next one is discounted once
    predicted = {
        "p_alive_next": theirs.p_alive(histories, ahead=NEXT),
        "purchases_5": theirs.expected_purchases(histories, horizon=FIVE),
        "dert": theirs.discounted_purchases(histories, annual_discount_rate=0.1, horizon=kw.LIFETIME),
    }
    for name, ours in predicted.items():
        np.testing.assert_allclose(ours["mean"], table[name], rtol=1e-12)
        assert (ours["mean"] * table["customers"]).sum() == pytest.approx(BTYD["sums"][name], rel=1e-12)


def test_posterior_means_of_btyd():
    """E[p | x, t_x, n] is the ratio of likelihoods with one more use and one more opportunity before; so for theta."""
    table = pd.DataFrame(BTYD["histories"], columns=BTYD["columns"])
    x, t_x, n = (table["frequency"], table["recency"], 6)
    parameters = BTYD["parameters"]
    alpha, beta, gamma, delta = parameters.values()

    def likelihood(**changed):
        return np.exp(log_likelihood(at(**(parameters | changed)), opportunities_of(x, t_x, n)))

    # p times the density of Beta(alpha, beta) is alpha/(alpha + beta) times that of Beta(alpha + 1, beta)
    p = alpha / (alpha + beta) * likelihood(alpha=alpha + 1) / likelihood()
    theta = gamma / (gamma + delta) * likelihood(gamma=gamma + 1) / likelihood()
    np.testing.assert_allclose(p, table["mean_p"], rtol=1e-11)
    np.testing.assert_allclose(theta, table["mean_theta"], rtol=1e-11)


def test_the_holdout_of_the_donations():
    """13,260 donations came in the next five years, and 12,884 were expected at the published estimates."""
    counts = kw.datasets.donations()
    assert counts["donations_later"].sum() == 13_260
    expected = posterior().expected_purchases(donors(), horizon=FIVE)["mean"]
    assert expected.sum() == pytest.approx(12_884, rel=0.003)
    ratio = expected.groupby(donors().frequency).sum() / counts.groupby("frequency")["donations_later"].sum()
    assert ratio[3:].between(0.93, 1.07).all()
    assert ratio[0] < 0.5  # those who never gave again came back more than twice as often as expected


# all histories


@pytest.mark.parametrize("parameters", [{}, {"gamma": 30.0, "delta": 2.0}, {"alpha": 0.01, "beta": 0.02}])
def test_the_histories_of_five_opportunities_have_probability_one(parameters):
    """x of the opportunities before t_x can be used in (t_x - 1 over x - 1) ways."""
    histories = [(0, 0)] + [(x, t) for t in range(1, 6) for x in range(1, t + 1)]
    ways = [1 if t == 0 else math.comb(t - 1, x - 1) for x, t in histories]
    model = at(**parameters)
    x, t_x = np.array(histories).T
    p = np.exp(log_likelihood(model, opportunities_of(x, t_x, 5))) * ways
    assert p.sum() == pytest.approx(1, rel=1e-13)
    new = model.purchase_distribution(opportunities_of(0, 0, 0), horizon=FIVE, up_to=5).iloc[0]
    np.testing.assert_allclose([p[x == m].sum() for m in range(6)], new[:6], rtol=1e-12)
    assert new["more"] == pytest.approx(0, abs=1e-15)


def test_every_sequence_and_departure_by_hand():
    """The likelihood for a known p and theta, summed over all times of leaving, if all customers are alike."""
    p, theta, n = 0.3, 0.2, 6
    model = at(alpha=p * 1e9, beta=(1 - p) * 1e9, gamma=theta * 1e9, delta=(1 - theta) * 1e9)
    every_use = np.array(list(itertools.product([0, 1], repeat=n)))
    x, t_x = every_use.sum(axis=1), (every_use * np.arange(1, n + 1)).max(axis=1)

    def stays(k):
        return p**x * (1 - p) ** (k - x) * (1 - theta) ** k

    likelihood = stays(n) + sum(np.where(k >= t_x, stays(k) * theta, 0) for k in range(n))
    histories = opportunities_of(x, t_x, n)
    np.testing.assert_allclose(np.exp(log_likelihood(model, histories)), likelihood, rtol=1e-6)
    np.testing.assert_allclose(model.p_alive(histories)["mean"], stays(n) / likelihood, rtol=1e-6)


def test_tables_of_many_histories_and_draws_are_those_of_single_draws():
    x, t_x, n = np.array([(x, t, n) for n in (3, 12, 40) for t in range(0, n + 1, 3) for x in {min(t, 1), t // 2, t}]).T
    keep = (x > 0) == (t_x > 0)
    histories, some = opportunities_of(x[keep], t_x[keep], n[keep]), posterior().thinned(40)
    asked: list[Any] = [
        lambda p: p.p_alive(histories, ahead=kw.opportunities(4)),
        lambda p: p.expected_purchases(histories, horizon=FIVE, start=NEXT),
        lambda p: p.return_probability(histories, horizon=kw.opportunities(100)),
        lambda p: p.discounted_purchases(histories, annual_discount_rate=0.1, horizon=kw.LIFETIME),
        lambda p: p.purchase_distribution(histories, horizon=FIVE, up_to=2),
    ]
    for ask in asked:
        alone = [ask(some.chosen(np.array([i]))).iloc[:, 0] for i in range(40)]
        np.testing.assert_allclose(ask(some).iloc[:, 0], np.mean(alone, axis=0), rtol=1e-7)


# inference


def test_importance_sampling_fits_the_donations():
    diagnostics = posterior().diagnostics
    assert diagnostics.ok
    assert diagnostics.rounds == 1
    assert diagnostics.pareto_k < 0.5
    assert diagnostics.ess > 0.7 * diagnostics.points
    table = posterior().parameters()
    for name, value in BTYD["parameters"].items():
        assert table.loc[name, "lower"] < value < table.loc[name, "upper"]
        assert table.loc[name, "sd"] == pytest.approx(BTYD["standard_errors"][name], rel=0.15)


@pytest.mark.parametrize("customers", [30, 100, 300])
def test_importance_sampling_fits_a_few_donors(customers):
    diagnostics = posterior(customers).diagnostics
    assert diagnostics.method == "importance sampling"
    assert diagnostics.ok
    assert diagnostics.ess > 0.5 * diagnostics.points


@pytest.mark.slow
@pytest.mark.parametrize("customers", [None, 100])
def test_importance_sampling_agrees_with_nuts(customers):
    ours = posterior(customers)
    everybody = donors()
    some = (
        everybody.take(np.random.default_rng(1).choice(len(everybody), customers, replace=False)) if customers else None
    )
    chains = kw.fit(kw.BGBB(), some or everybody, seed=2, method=kw.NUTS(draws=1500, tune=1000, progress=False))
    assert chains.diagnostics.ok
    left, right = (np.log(np.array(p.theta)) for p in (ours, chains))
    sd = right.std(axis=1)
    assert (np.abs(left.mean(axis=1) - right.mean(axis=1)) < 0.12 * sd).all()
    np.testing.assert_allclose(left.std(axis=1), sd, rtol=0.1)


@pytest.mark.parametrize("x, t_x", [(0, 0), (6, 6)])
def test_customers_who_are_all_alike_can_be_fitted(x, t_x):
    alike = kw.fit(kw.BGBB(), opportunities_of(np.full(200, x), t_x, 6), seed=1)
    assert alike.diagnostics.ok
    flat = kw.BGBB(mean_purchase=FLAT, concentration=FLAT, mean_dropout=FLAT, dropout_concentration=FLAT)
    with pytest.raises(InferenceError, match="proper priors"):
        kw.fit(flat, opportunities_of(np.full(200, x), t_x, 6), method=kw.MAP())


def test_numpy_and_pytensor_agree_on_long_histories():
    """More than a hundred opportunities, at points far from typical ones."""
    model = kw.BGBB()
    histories = opportunities_of([0, 0, 1, 3, 6, 1, 30, 60], [0, 0, 4, 5, 6, 1, 55, 90], [0, 6, 12, 5, 6, 150, 60, 150])
    target, graph = Target(model, histories.cells(model)), log_likelihood_with_gradient(model, histories.cells(model))
    for point in np.random.default_rng(1).normal(scale=2.0, size=(6, 4)):
        value, gradient = graph(point)
        assert value == pytest.approx(target.log_likelihood(point[:, None]).item(), rel=1e-12)
        steps = point[:, None, None] + np.array([-1e-4, 1e-4]) * np.eye(4)[:, :, None]
        up_and_down = target.log_likelihood(steps.reshape(4, 8)).reshape(4, 2)
        np.testing.assert_allclose(gradient, np.diff(up_and_down)[:, 0] / 2e-4, rtol=1e-5, atol=1e-5)


# what is refused, and what may be infinite


def test_discounting_needs_the_time_between_opportunities():
    model, unknown = at(), opportunities_of(2, 3, 6, every=None)
    for horizon in (FIVE, kw.LIFETIME):
        with pytest.raises(
            MissingInformationError, match=r"time lies between two opportunities.*every=kundenwert.years"
        ):
            model.discounted_purchases(unknown, annual_discount_rate=0.1, horizon=horizon)
    undiscounted = model.discounted_purchases(unknown, annual_discount_rate=0, horizon=FIVE)
    pd.testing.assert_frame_equal(undiscounted, model.expected_purchases(unknown, horizon=FIVE))


def test_discounting_by_the_year_whatever_the_opportunities_are():
    """An opportunity j periods ahead counts (1 + d)^(-j periods in years)."""
    model = at(gamma=2.0)

    def discounted(every, rate, horizon=FIVE):
        histories = opportunities_of(2, 3, 6, every=every)
        return model.discounted_purchases(histories, annual_discount_rate=rate, horizon=horizon)["mean"].item()

    periods = [opportunities_of(2, 3, 6), *(kw.opportunities(j) for j in range(6))]
    each = [model.expected_purchases(periods[0], start=s, horizon=NEXT)["mean"].item() for s in periods[1:6]]
    assert discounted(kw.years(1), 0.1) == pytest.approx(sum(e * 1.1**-j for j, e in enumerate(each, 1)), rel=1e-13)
    assert discounted(kw.months(1), 0.1) == pytest.approx(
        sum(e * 1.1 ** (-j / 12) for j, e in enumerate(each, 1)), rel=1e-13
    )
    assert discounted(kw.months(6), 1.21 - 1, kw.LIFETIME) == pytest.approx(
        discounted(YEARS, 0.1, kw.LIFETIME), rel=1e-13
    )


def test_a_lifetime_without_discounting():
    """E[p] (delta + n)/(gamma - 1) of those alive, infinite for gamma <= 1."""
    history, forever = opportunities_of(2, 3, 6), {"annual_discount_rate": 0, "horizon": kw.LIFETIME}
    finite = at(gamma=3.0)
    truth = finite.p_alive(history)["mean"] * (1.204 + 2) / (1.204 + 0.75 + 6) * (2.783 + 6) / 2
    assert finite.discounted_purchases(history, **forever)["mean"].item() == pytest.approx(truth.item(), rel=1e-13)
    for gamma in (1.0, 0.657):
        with pytest.raises(InfiniteValueError, match="infinite in 100% of the draws"):
            at(gamma=gamma).discounted_purchases(history, **forever)


def test_a_new_customer():
    estimate = at().expected_purchases_new_customer(horizon=FIVE)
    new = at().expected_purchases(opportunities_of(0, 0, 0), horizon=FIVE)["mean"].item()
    assert estimate.mean == new
    alpha, beta, gamma, delta = DONORS.values()
    survival = [math.prod((delta + i) / (gamma + delta + i) for i in range(j)) for j in range(1, 6)]
    assert new == pytest.approx(alpha / (alpha + beta) * sum(survival), rel=1e-13)


def test_horizons_are_opportunities():
    history = opportunities_of(2, 3, 6)
    for ask in (at().expected_purchases, at().return_probability):
        with pytest.raises(DurationError, match=r"opportunities are counted here, got weeks\(3\).*opportunities\(5\)"):
            ask(history, horizon=kw.weeks(3))
        with pytest.raises(DurationError, match=r"takes a Duration, got 3"):
            ask(history, horizon=3)
        with pytest.raises(DurationError, match=r"got renewals\(3\).*opportunities\(5\)"):
            ask(history, horizon=kw.renewals(3))
    in_time = kw.fixed(kw.MBGNBD.Parameters(r=0.5, alpha=6.0, a=0.9, b=1.6, unit="week"))
    with pytest.raises(DurationError, match=r"got opportunities\(5\).*weeks\(26\)"):
        in_time.expected_purchases(histories_of(1, 3, 6, unit="week"), horizon=FIVE)


def test_histories_of_the_wrong_kind():
    in_time, counted = (
        histories_of([0, 1], [0, 3], 6, unit="week", mean_amount=[math.nan, 3.0]),
        opportunities_of(2, 3, 6),
    )
    with pytest.raises(MissingInformationError, match=r"BGBB needs OpportunityHistories.*summarize_opportunities"):
        kw.fit(kw.BGBB(), in_time)
    with pytest.raises(MissingInformationError, match="BGBB needs OpportunityHistories"):
        at().p_alive(in_time)
    with pytest.raises(MissingInformationError, match=r"MBGNBD needs CustomerHistories.*from OpportunityHistories"):
        kw.fit(kw.MBGNBD(), counted)
    weekly = kw.fixed(kw.MBGNBD.Parameters(r=0.5, alpha=6.0, a=0.9, b=1.6, unit="week"))
    with pytest.raises(MissingInformationError, match="MBGNBD needs CustomerHistories"):
        weekly.p_alive(counted)
    spend, economics = (
        kw.fixed(kw.GammaGamma.Parameters(p=6.0, q=4.0, gamma=15.0)),
        kw.Economics(margin=0.3, annual_discount_rate=0.1),
    )
    with pytest.raises(MissingInformationError, match=r"histories for BGBB hold none.*KnownAmount"):
        kw.net_present_value(at(), spend, counted, economics, horizon=FIVE)
    with pytest.raises(MissingInformationError, match="BGBB needs OpportunityHistories"):
        kw.net_present_value(at(), kw.KnownAmount(30.0), in_time, economics, horizon=FIVE)
    with pytest.raises(SpecificationError, match="BGBB counts opportunities"):
        kw.datasets.simulated(kw.BGBB.Parameters(**DONORS), customers=10, seed=1)


@pytest.mark.parametrize("name", ["mean_purchase", "concentration", "mean_dropout", "dropout_concentration"])
def test_priors_fit(name):
    wrong = kw.LogNormal(0, 1) if name.startswith("mean") else kw.Beta(2, 2)
    model: Any = kw.BGBB
    with pytest.raises(SpecificationError, match=f"does not fit {name}"):
        model(**{name: wrong})
    with pytest.raises(SpecificationError, match=f"{name} takes a prior"):
        model(**{name: 0.5})
    with pytest.raises(SpecificationError, match="is Flat, which is improper"):
        kw.fit(model(**{name: FLAT}), opportunities_of(2, 3, 6))


@pytest.mark.parametrize("value", [0, -1.0, math.nan, math.inf, "0.2", None, True])
@pytest.mark.parametrize("name", DONORS)
def test_parameters_are_positive_numbers(name, value):
    with pytest.raises(SpecificationError, match=f"BGBB.Parameters: {name} must be a positive number"):
        kw.BGBB.Parameters(**(DONORS | {name: value}))


def test_a_posterior_is_saved_and_says_what_it_counts(tmp_path):
    posterior().save(tmp_path / "donors.nc")
    again = kw.load(tmp_path / "donors.nc")
    assert isinstance(again, kw.PurchasePosterior)
    assert again.unit == "opportunity"
    pd.testing.assert_frame_equal(
        again.return_probability(donors(), horizon=FIVE), posterior().return_probability(donors(), horizon=FIVE)
    )
    assert "per opportunity" in repr(again)
    tree = again.thinned(50).to_datatree(donors().take(range(5)))
    assert tree["log_likelihood"]["BGBB"].shape == (1, 50, 5)


def test_intervals_and_draws_of_the_donations():
    histories = donors().take(np.arange(0, len(donors()), 400))
    table = posterior().expected_purchases(histories, horizon=FIVE)
    drawn = posterior().draws.expected_purchases(histories, horizon=FIVE)
    assert drawn.dims == ("chain", "draw", "customer_id")
    np.testing.assert_allclose(table["mean"], drawn.mean(("chain", "draw")), rtol=TABLE_ERROR)
    assert ((table["lower"] < table["mean"]) & (table["mean"] < table["upper"])).all()
    distribution = posterior().purchase_distribution(histories, horizon=FIVE, up_to=5)
    assert distribution["more"].max() < 1e-12
    np.testing.assert_allclose(distribution[list(range(6))] @ np.arange(6), table["mean"], rtol=1e-7)
