"""Whether frequent buyers spend more: laws given histories, the link, simulated truth, CDNOW, bad input."""

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import beta, gammainccinv, gammaincinv, ndtr, ndtri
from scipy.stats import gamma, norm

import kundenwert as kw
from kundenwert.economics.dependence.link import Link, LinkedSpend
from kundenwert.errors import (
    DataError,
    DependenceWarning,
    InfiniteValueError,
    MissingInformationError,
    SpecificationError,
)
from kundenwert.histories.parts import Spend
from kundenwert.models.core import NUMPY, history_of
from kundenwert.posterior.summary import Estimate
from tests import cdnow, contracts
from tests.customers import histories_of

LEAVING: Any = {"r": 0.5, "alpha": 6.0, "a": 0.9, "b": 2.5, "unit": "week"}
PURCHASES: dict[str, Any] = {
    "BGNBD": kw.BGNBD.Parameters(**LEAVING),
    "MBGNBD": kw.MBGNBD.Parameters(**LEAVING),
    "BGCNBD": kw.BGCNBD.Parameters(k=2, **LEAVING),
    "MBGCNBD": kw.MBGCNBD.Parameters(k=3, **LEAVING),
    "ParetoNBD": kw.ParetoNBD.Parameters(r=0.55, alpha=10.6, s=0.61, beta=11.7, unit="week"),
    "GGompNBD": kw.GGompNBD.Parameters(r=0.55, alpha=10.6, b=0.05, s=0.61, beta=2.0, unit="week"),
}
GAMMA_GAMMA = kw.GammaGamma.Parameters(p=6.25, q=3.74, gamma=15.44)
LOG_NORMAL = kw.LogNormalSpend.Parameters(mu=3.3, tau=0.55, sigma=0.5)
SPEND: dict[str, Any] = {"GammaGamma": GAMMA_GAMMA, "LogNormalSpend": LOG_NORMAL}
DRAWS = kw.ImportanceSampling(draws=500)


class Both:
    """The columns of two models."""

    clock = "time"

    def __init__(self, purchases, spend):
        self.needs = (*purchases.model.needs, *spend.model.needs)


def scores(probability, complement):
    with np.errstate(divide="ignore"):
        return np.clip(np.where(probability < 0.5, ndtri(probability), -ndtri(complement)), -30, 30)


def at_score(score, shape, rate):
    return np.where(score < 0, gammaincinv(shape, ndtr(score)), gammainccinv(shape, ndtr(-score))) / rate


def link_of(purchases: Any, spend: Any, correlation: float) -> Link:
    """The link at given parameters."""
    of_purchases, of_spend = kw.fixed(purchases), kw.fixed(spend)
    return Link(
        purchases=of_purchases.model,
        theta=of_purchases.theta,
        spend=of_spend.model,
        linked=of_spend.theta,
        unlinked=of_spend.theta,
        correlation=correlation,
        unit="week",
    )


def market(purchases, spend, correlation, customers, seed, horizon=0.0):
    """Histories of linked customers, and what they spend within the horizon afterwards."""
    rng = np.random.default_rng(seed)
    first = rng.standard_normal(customers)
    second = correlation * first + np.sqrt(1 - correlation**2) * rng.standard_normal(customers)
    rate = np.maximum(at_score(first, purchases.r, purchases.alpha), 1e-12)
    model, T = purchases.model(), rng.uniform(26, 52, customers)
    others = [np.full(customers, getattr(purchases, name)) for name in model.parameter_names[2:]]
    narrow = model.named([np.full(customers, 1e10), 1e10 / rate, *others])
    bought = model.simulate(narrow, T + horizon, rng)
    if spend is GAMMA_GAMMA:
        amount = rng.gamma(spend.p, 1 / at_score(-second, spend.q, spend.gamma)[bought.customer])
    else:
        amount = np.exp(rng.normal((spend.mu + spend.tau * second)[bought.customer], spend.sigma))
    seen = bought.time <= T[bought.customer]

    def total(values, which=seen):
        return np.bincount(bought.customer[which], values[which], customers)

    x, last = total(np.ones(len(seen))).astype(int), np.zeros(customers)
    np.maximum.at(last, bought.customer[seen], bought.time[seen])
    amounts = Spend(
        total=total(amount),
        log_total=total(np.log(amount)),
        log_squared_total=total(np.log(amount) ** 2),
        positive=x,
        first_amount=np.zeros(customers),
    )
    return replace(histories_of(x, last, T, unit="week"), spend=amounts), total(amount, ~seen)


def fitted(histories, spend_model, purchase_model=kw.MBGNBD()):  # noqa: B008 - frozen
    return (
        kw.fit(purchase_model, histories, seed=1, method=DRAWS),
        kw.fit(spend_model, histories, seed=1, method=DRAWS),
    )


RATES = np.exp(np.linspace(-45, 5, 20_001))


def likelihood_of_rate(name, x, t_x, T):
    """Likelihood of a history at RATES, but for a factor, by plain quadrature over when the customer leaves."""
    truth, rate = PURCHASES[name], RATES
    if name in {"ParetoNBD", "GGompNBD"}:
        time, step = np.polynomial.legendre.leggauss(200)
        time, step = t_x + (T - t_x) * (1 + time) / 2, (T - t_x) / 2 * step
        if name == "ParetoNBD":
            survival = lambda t: (1 + t / truth.beta) ** -truth.s  # noqa: E731 - two formulas beside each other
        else:
            survival = lambda t: (1 + np.expm1(truth.b * t) / truth.beta) ** -truth.s  # noqa: E731
        density = -(survival(time + 1e-6) - survival(time - 1e-6)) / 2e-6
        gone = np.exp(-np.outer(rate, time)) @ (step * density)
        return rate**x * (np.exp(-rate * T) * survival(T) + gone)
    first, k = name.startswith("M"), getattr(truth, "k", 1)
    stayed = beta(truth.a, truth.b + x + first)
    left = beta(truth.a + 1, truth.b + x + first - 1) if x + first > 0 else 0.0
    open_gap = sum((rate * (T - t_x)) ** j / np.prod(np.arange(1.0, j + 1)) for j in range(k))
    return rate ** (k * x) * (stayed * np.exp(-rate * T) * open_gap + left * np.exp(-rate * t_x))


@pytest.mark.parametrize("history", [(0, 0, 30), (1, 5, 39), (3, 20, 38), (8, 30, 39)])
@pytest.mark.parametrize("name", PURCHASES)
def test_the_law_of_rates_is_bayes_theorem(name, history):
    truth, (x, t_x, T) = PURCHASES[name], history
    prior = gamma.pdf(RATES, truth.r, scale=1 / truth.alpha) * RATES
    weight = likelihood_of_rate(name, x, t_x, T) * prior
    weight /= weight.sum()
    cdf, sf = (law(RATES, truth.r, scale=1 / truth.alpha) for law in (gamma.cdf, gamma.sf))
    score = scores(cdf, sf)

    posterior = kw.fixed(truth)
    h = history_of({"x": np.array([x]), "t_x": np.array([t_x]), "T": np.array([T])})
    nodes = posterior.model.rate_law(posterior.theta, h).nodes(24)
    found = (nodes.alive.sum(axis=0) + nodes.gone)[:, 0, 0]
    assert found.sum() == pytest.approx(1, rel=1e-12)
    np.testing.assert_allclose(
        nodes.alive[..., 0].sum(axis=(1, 2)), posterior.model.p_states(posterior.theta, h, NUMPY).ravel(), rtol=1e-12
    )
    for function in (lambda u: np.exp(-0.5 * u**2), np.cos, np.tanh):
        assert found @ function(nodes.score[:, 0, 0]) == pytest.approx(weight @ function(score), abs=2e-6)
    assert found @ nodes.rate[:, 0, 0] == pytest.approx(weight @ RATES, rel=1e-4)


@pytest.mark.parametrize("name", ["BGNBD", "MBGCNBD"])
@pytest.mark.parametrize("discount, horizon", [(0.0, 52.0), (0.002, 500.0)])
def test_customers_at_a_rate_average_to_those_whose_rate_is_unknown(name, discount, horizon):
    posterior = kw.fixed(PURCHASES[name])
    h = history_of({"x": np.array([3.0]), "t_x": np.array([30.0]), "T": np.array([38.0])})
    nodes = posterior.model.rate_law(posterior.theta, h).nodes(60)
    known = posterior.model.at_rate(posterior.theta, np.full(60, 3.0), nodes.rate[:, 0, 0])
    unknown = posterior.model.alive(posterior.theta, np.full(1, 3.0), np.full(1, 38.0))
    for state, (one, all_of_them) in enumerate(zip(known, unknown, strict=True)):
        weight = nodes.alive[state, :, 0, 0]
        average = weight @ one.discounted_purchases(discount, horizon) / weight.sum()
        assert average == pytest.approx(all_of_them.discounted_purchases(discount, horizon)[0], rel=1e-5)


def corrected_by_hand(correlation, x, t_x, T, total):
    """E[purchases in a year x mean amount] of MBG/NBD and gamma-gamma, and that under independence, on a grid."""
    of_rate, of_amount = PURCHASES["MBGNBD"], GAMMA_GAMMA
    u = np.linspace(-8, 8, 401)
    rate = at_score(u, of_rate.r, of_rate.alpha)
    p, p_weight = np.polynomial.legendre.leggauss(100)
    p = (1 + p) / 2  # graded, for a < 1
    p_weight = p_weight * (p**3) ** (of_rate.a - 1) * (1 - p**3) ** (of_rate.b + x) * 3 * p**2
    leaving = rate[:, None] * p**3
    bought = rate * ((-np.expm1(-leaving * 52.18) / leaving) @ p_weight) / p_weight.sum()
    alive = beta(of_rate.a, of_rate.b + x + 1) * rate**x * np.exp(-rate * T)
    gone = beta(of_rate.a + 1, of_rate.b + x) * rate**x * np.exp(-rate * t_x)
    nu = at_score(-u, of_amount.q, of_amount.gamma)
    amounts = nu ** (of_amount.p * x) * np.exp(-nu * total)

    def ratio(rho):
        joint = np.exp(-0.5 * (u[:, None] ** 2 + (u - rho * u[:, None]) ** 2 / (1 - rho**2))) * amounts
        return (alive * bought) @ joint @ (of_amount.p / nu) / ((alive + gone) @ joint).sum()

    return ratio(correlation) / ratio(0.0)


@pytest.mark.parametrize("history", [(0, 0.0, 30.0, 0.0), (1, 5.0, 39.0, 60.0), (4, 33.0, 38.0, 60.0)])
@pytest.mark.parametrize("correlation", [-0.5, 0.8])
def test_corrections_are_plain_integrals(correlation, history):
    x, t_x, T, total = history
    link = link_of(PURCHASES["MBGNBD"], GAMMA_GAMMA, correlation)
    histories = histories_of(x, t_x, T, unit="week", mean_amount=total / max(x, 1))
    cells = histories.cells(Both(kw.fixed(PURCHASES["MBGNBD"]), kw.fixed(GAMMA_GAMMA)))
    found = link.corrections(cells, lambda customer: customer.purchases(0.0, 52.18))
    assert found[0] == pytest.approx(corrected_by_hand(correlation, x, t_x, T, total), rel=1e-5)


@pytest.mark.parametrize("name", PURCHASES)
@pytest.mark.parametrize("spend", SPEND)
def test_without_correlation_there_is_nothing_to_correct(name, spend):
    histories, _ = market(PURCHASES[name], SPEND[spend], 0.0, 300, seed=1)
    cells = histories.cells(Both(kw.fixed(PURCHASES[name]), kw.fixed(SPEND[spend])))
    link = link_of(PURCHASES[name], SPEND[spend], 0.0)
    np.testing.assert_allclose(link.corrections(cells, lambda customer: customer.purchases(0.0, 52.0)), 1, rtol=1e-12)


@pytest.mark.parametrize("spend", SPEND)
def test_who_has_no_amounts_tells_nothing_about_the_correlation(spend):
    posterior = kw.fixed(PURCHASES["MBGNBD"])
    linked = LinkedSpend(purchases=posterior.model, theta=posterior.theta, spend=kw.fixed(SPEND[spend]).model)
    columns = {name: np.zeros(1) for name in (*posterior.model.needs, *linked.spend.needs)} | {"T": np.array([20.0])}
    nodes = linked.spend.level_law(kw.fixed(SPEND[spend]).theta, history_of(columns)).nodes(40)
    score, weight = nodes.score.ravel(), nodes.weight.ravel()
    assert [weight @ score**power for power in range(5)] == pytest.approx([1, 0, 1, 0, 3], abs=3e-4)


@pytest.mark.every(3)
@pytest.mark.parametrize(
    "name, spend, correlation, years",
    [("MBGNBD", "GammaGamma", 0.5, 1), ("ParetoNBD", "LogNormalSpend", -0.5, 5), ("MBGCNBD", "LogNormalSpend", 0.6, 2)],
)
def test_corrected_values_are_what_simulated_customers_spend(name, spend, correlation, years):
    weeks = years * 365.25 / 7
    histories, spent = market(PURCHASES[name], SPEND[spend], correlation, 40_000, seed=8, horizon=weeks)
    purchases, amounts = kw.fixed(PURCHASES[name]), kw.fixed(SPEND[spend])
    cells = histories.cells(Both(purchases, amounts))
    correction = link_of(PURCHASES[name], SPEND[spend], correlation).corrections(
        cells, lambda customer: customer.purchases(0.0, weeks)
    )
    bought = purchases.expected_purchases(histories, horizon=kw.years(years))["mean"].to_numpy()
    independent = bought * amounts.expected_spend(histories)["mean"].to_numpy()
    x, mean = histories.frequency, histories.spend.total / np.maximum(histories.frequency, 1)
    groups = [x >= 0, x == 0, x == 1, x >= 4, (x > 0) & (mean > 50), (x > 0) & (mean < 20)]
    off = []
    for group in groups:
        errors = [(spent - value)[group] for value in (independent * correction[cells.index], independent)]
        corrected, before = (error.mean() / error.std() * np.sqrt(group.sum()) for error in errors)
        assert abs(corrected) < 3.3
        off.append(abs(before))
    assert max(off) > 4  # so the check can fail


@pytest.mark.slow
@pytest.mark.parametrize(
    "spend_model, truth, correlation",
    [
        pytest.param(kw.GammaGamma(), GAMMA_GAMMA, 0.4, marks=pytest.mark.slow),
        (kw.LogNormalSpend(), LOG_NORMAL, 0),
        pytest.param(kw.LogNormalSpend(), LOG_NORMAL, -0.5, marks=pytest.mark.slow),
    ],
)
def test_the_correlation_of_simulated_customers_is_found(spend_model, truth, correlation):
    histories, _ = market(PURCHASES["MBGNBD"], truth, correlation, 1200, seed=3)
    purchases, spend = fitted(histories, spend_model)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = kw.spend_dependence(purchases, spend, histories, seed=1)
    assert found.correlation.lower < correlation < found.correlation.upper
    assert found.correlation.upper - found.correlation.lower < 0.4
    assert found.customers == (histories.frequency > 0).sum()
    warned = [warning for warning in caught if issubclass(warning.category, DependenceWarning)]
    if correlation == 0:
        assert not warned
        assert not found.matters
    else:
        assert found.matters
        assert len(warned) == 1
        assert "dependence=" in str(warned[0].message)
        assert warned[0].filename == __file__
        assert abs(found.raw.pearson) < 0.6 * abs(correlation)  # chance weakens it
        assert (found.p_positive > 0.99) == (correlation > 0)


@pytest.mark.slow
def test_corrected_values_are_closer_to_the_truth():
    """Everything from data: fits, correlation and correction. The truth is what is expected at true parameters."""
    histories, _ = market(PURCHASES["MBGNBD"], LOG_NORMAL, 0.5, 2500, seed=1)
    purchases, spend = fitted(histories, kw.LogNormalSpend())
    with pytest.warns(DependenceWarning, match="spend more per purchase"):
        dependence = kw.spend_dependence(purchases, spend, histories)
    economics = kw.Economics(margin=1.0, annual_discount_rate=0.0)
    independent, corrected = (
        kw.net_present_value(purchases, spend, histories, economics, horizon=kw.years(1), dependence=link)["mean"]
        for link in (None, dependence)
    )
    cells = histories.cells(Both(purchases, spend))
    true_link = link_of(PURCHASES["MBGNBD"], LOG_NORMAL, 0.5)
    truth = true_link.corrections(cells, lambda customer: customer.purchases(0.0, 365.25 / 7))[cells.index]
    truth *= kw.fixed(PURCHASES["MBGNBD"]).expected_purchases(histories, horizon=kw.years(1))["mean"].to_numpy()
    truth *= kw.fixed(LOG_NORMAL).expected_spend(histories)["mean"].to_numpy()
    errors = [abs(value - truth).mean() for value in (independent, corrected)]
    assert errors[1] < 0.7 * errors[0]
    relative = [abs(np.log(value / truth)).mean() for value in (independent, corrected)]
    assert relative[1] < 0.4 * relative[0]
    effects = dependence.effect_on_value, dependence.effect_on_one_time_buyers
    for group, effect in zip((histories.frequency >= 0, histories.frequency == 0), effects, strict=True):
        assert effect is not None
        assert effect.lower < effect.mean < effect.upper
        assert corrected[group].sum() / independent[group].sum() == pytest.approx(effect.mean, abs=0.01)


@pytest.mark.slow  # docs/dependence.md shows the same
def test_cdnow():
    purchases, spend = cdnow.posterior("MBGNBD"), cdnow.posterior("GammaGamma")
    with pytest.warns(DependenceWarning, match=r"correlation 0\.22"):
        found = kw.spend_dependence(purchases, spend, cdnow.histories())
    assert (round(found.raw.pearson, 3), round(found.raw.spearman, 3)) == (0.114, 0.206)
    assert found.correlation.mean == pytest.approx(0.215, abs=0.01)
    assert (found.correlation.lower, found.correlation.upper) == pytest.approx((0.10, 0.33), abs=0.015)
    assert found.p_positive > 0.99
    assert found.effect_on_value is not None
    assert found.effect_on_one_time_buyers is not None
    assert found.effect_on_value.mean == pytest.approx(0.987, abs=0.004)
    assert found.effect_on_one_time_buyers.mean == pytest.approx(0.90, abs=0.02)
    words = repr(found)
    assert words.startswith("SpendDependence: customers who buy more often spend more per purchase")
    assert "0.22 (90% interval 0.10 to 0.33)" in words
    assert "946" in words


def test_nothing_has_no_sign():
    purchases, spend = cdnow.posterior("MBGNBD").thinned(8), cdnow.posterior("GammaGamma").thinned(8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DependenceWarning)
        found = kw.spend_dependence(purchases, spend, cdnow.sample(300))
    tiny = replace(found, effect_on_value=Estimate(0.9999, 0.9998, 1.0001))
    assert "all customers: +0.0% (+0.0% to +0.0%)" in repr(tiny)


@pytest.mark.slow
def test_the_unit_of_time_and_the_draws_do_not_matter():
    histories, _ = market(PURCHASES["MBGNBD"], LOG_NORMAL, 0.3, 600, seed=5)
    days = kw.MBGNBD.Parameters(**{**LEAVING, "alpha": 42.0, "unit": "day"})
    spend = kw.fit(kw.LogNormalSpend(), histories, seed=1, method=DRAWS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DependenceWarning)
        found = [
            kw.spend_dependence(kw.fixed(truth), spend, histories, interval=0.5)
            for truth in (PURCHASES["MBGNBD"], days)
        ]
        wide = kw.spend_dependence(kw.fixed(days), spend, histories, interval=0.95)
    assert found[0].correlation.mean == pytest.approx(found[1].correlation.mean, abs=1e-6)
    week, day = (result.effect_on_value for result in found)
    assert week is not None
    assert day is not None
    assert (week.mean, week.lower, week.upper) == pytest.approx((day.mean, day.lower, day.upper), rel=1e-6)
    assert wide.correlation.lower < found[1].correlation.lower < found[1].correlation.upper < wide.correlation.upper


def test_what_has_no_rates_or_no_amounts_is_refused():
    purchases, spend, histories = cdnow.posterior("MBGNBD"), cdnow.posterior("GammaGamma"), cdnow.histories()
    donations = kw.fixed(kw.BGBB.Parameters(alpha=1.2, beta=0.75, gamma=0.66, delta=2.78))
    with pytest.raises(SpecificationError, match=r"BGBB does not tell the distribution of purchase rates.*rate_law"):
        kw.spend_dependence(donations, spend, histories)
    with pytest.raises(SpecificationError, match="purchases must be a PurchasePosterior, got ContractPosterior"):
        kw.spend_dependence(contracts.fixed(0.7, 1.2), spend, histories)
    with pytest.raises(SpecificationError, match="spend must be a SpendPosterior, got KnownAmount"):
        kw.spend_dependence(purchases, kw.KnownAmount(3.0), histories)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="CustomerHistories"):
        kw.spend_dependence(purchases, spend, histories.to_pandas())
    with pytest.raises(MissingInformationError, match="amount"):
        kw.spend_dependence(purchases, spend, histories_of([0, 1], [0.0, 2.0], 5.0, unit="week"))
    with pytest.raises(DataError, match=r"at least 10 customers.*there are 2; observe for longer"):
        kw.spend_dependence(
            purchases, spend, histories_of([0, 1, 2], [0, 2, 3], 5, unit="week", mean_amount=[0, 20, 30])
        )
    with pytest.raises(DataError, match="all 12 of them bought equally often"):
        kw.spend_dependence(
            purchases, spend, histories_of(np.ones(12), 2, 5, unit="week", mean_amount=np.arange(12) + 1.0)
        )
    with pytest.raises(SpecificationError, match="interval is a probability"):
        kw.spend_dependence(purchases, spend, histories, interval=90)
    with pytest.raises(SpecificationError, match="seed must be a whole number"):
        kw.spend_dependence(purchases, spend, histories, seed=-1)


def test_a_correction_goes_with_its_own_models_only():
    purchases, spend, histories = kw.fixed(PURCHASES["MBGNBD"]), kw.fixed(GAMMA_GAMMA), cdnow.sample(300)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DependenceWarning)
        dependence = kw.spend_dependence(purchases, spend, histories)
    economics = kw.Economics(margin=0.3, annual_discount_rate=0.1, order_cost=1.0)

    def value(purchases: Any, spend: Any, histories: Any = histories) -> pd.DataFrame:
        return kw.net_present_value(purchases, spend, histories, economics, horizon=kw.years(1), dependence=dependence)

    plain = kw.net_present_value(purchases, spend, histories, economics, horizon=kw.years(1))
    corrected = value(purchases, spend)
    np.testing.assert_array_equal(corrected["order_cost"], plain["order_cost"])
    assert (abs(corrected["margin"] / plain["margin"] - 1) > 1e-3).mean() > 0.9
    days = kw.fixed(kw.MBGNBD.Parameters(**{**LEAVING, "alpha": 42.0, "unit": "day"}))
    for other, amounts in ((kw.fixed(PURCHASES["BGNBD"]), spend), (purchases, kw.fixed(LOG_NORMAL)), (days, spend)):
        linked = histories if amounts is spend else market(PURCHASES["MBGNBD"], LOG_NORMAL, 0, 50, seed=1)[0]
        with pytest.raises(SpecificationError, match="hand the same posteriors"):
            value(other, amounts, linked)
    with pytest.raises(SpecificationError, match="leave it out for contracts and for a KnownAmount"):
        value(purchases, kw.KnownAmount(20.0))


def test_scores_and_totals_are_corrected_alike():
    purchases, spend, histories = kw.fixed(PURCHASES["MBGNBD"]), kw.fixed(GAMMA_GAMMA), cdnow.sample(300)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DependenceWarning)
        dependence = kw.spend_dependence(purchases, spend, histories)
    economics = kw.Economics(margin=0.3, annual_discount_rate=0.1, order_cost=1.0)
    asked: Any = {"horizon": kw.years(1), "dependence": dependence}
    single = kw.net_present_value(purchases, spend, histories, economics, **asked)
    scores = kw.score(purchases, spend, histories, economics, **asked)
    np.testing.assert_allclose(scores["npv"], single["mean"], rtol=1e-12)
    group = pd.Series(histories.frequency.clip(max=1), index=histories.customer_id, name="came_back")
    equity = kw.customer_equity(purchases, spend, histories, economics, by=group, **asked)
    for part, name in (("npv", "mean"), ("margin", "margin"), ("order_cost", "order_cost")):
        sums = single[name].groupby(group).sum()
        np.testing.assert_allclose(equity.table[part], [*sums, sums.sum()], rtol=1e-12)
    assert equity.total.mean == pytest.approx(single["mean"].sum(), rel=1e-12)
    plain = kw.score(purchases, spend, histories, economics, horizon=kw.years(1))
    pd.testing.assert_frame_equal(plain.iloc[:, :12], scores.iloc[:, :12])
    assert (abs(scores["npv"] / plain["npv"] - 1) > 1e-3).mean() > 0.9
    with pytest.raises(SpecificationError, match="hand the same posteriors"):
        kw.customer_equity(kw.fixed(PURCHASES["BGNBD"]), spend, histories, economics, **asked)


@pytest.mark.parametrize("name", PURCHASES)
@pytest.mark.parametrize("correlation", [-0.95, 0.5, 0.99])
def test_impossible_looking_customers_have_a_finite_correction(name, correlation):
    """Silent for a century, amounts far from everybody's, thousands of purchases, customers of today."""
    histories = histories_of(
        [0, 0, 0, 1, 1, 5, 300, 3000, 20],
        [0, 0, 0, 1e-3, 900, 4000, 3000, 5000, 2],
        [0, 1e-3, 5000, 5000, 900, 4000, 5000, 5000, 5000],
        unit="week",
        mean_amount=[0, 0, 0, 1e-3, 1e6, 0.01, 30, 40, 1e4],
    )
    cells = histories.cells(Both(kw.fixed(PURCHASES[name]), kw.fixed(GAMMA_GAMMA)))
    link = link_of(PURCHASES[name], GAMMA_GAMMA, correlation)
    found = link.corrections(cells, lambda customer: customer.discounted_purchases(0.002, np.inf))
    assert np.isfinite(found).all()
    assert (found >= 0).all()


def test_an_infinite_mean_amount_is_named():
    heavy = link_of(PURCHASES["MBGNBD"], kw.GammaGamma.Parameters(p=2.0, q=0.9, gamma=10.0), 0.3)
    cells = cdnow.sample(50).cells(Both(kw.fixed(PURCHASES["MBGNBD"]), kw.fixed(GAMMA_GAMMA)))
    with pytest.raises(InfiniteValueError, match="linked to purchase rates, the mean amount is infinite"):
        heavy.corrections(cells, lambda customer: customer.purchases(0.0, 52.0))


def test_many_customers_are_sampled(monkeypatch):
    histories, _ = market(PURCHASES["MBGNBD"], LOG_NORMAL, 0.0, 3000, seed=4)
    monkeypatch.setattr("kundenwert.economics.dependence.spend_dependence.MOST_CUSTOMERS", 1000)
    several = [
        kw.spend_dependence(kw.fixed(PURCHASES["MBGNBD"]), kw.fixed(LOG_NORMAL), histories, seed=seed)
        for seed in (1, 1, 2)
    ]
    assert all(abs(found.customers - (histories.frequency > 0).sum() / 3) < 60 for found in several)
    assert several[0].correlation == several[1].correlation != several[2].correlation


@pytest.mark.slow
@pytest.mark.parametrize("spend_model, truth", [(kw.GammaGamma(), GAMMA_GAMMA), (kw.LogNormalSpend(), LOG_NORMAL)])
def test_intervals_cover(spend_model, truth):
    inside, standard = [], []
    for seed in range(60):
        correlation = [-0.5, 0.0, 0.4, 0.7][seed % 4]
        histories, _ = market(PURCHASES["MBGNBD"], truth, correlation, 1000, seed=seed)
        purchases, spend = fitted(histories, spend_model)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DependenceWarning)
            found = kw.spend_dependence(purchases, spend, histories).correlation
        inside.append(found.lower < correlation < found.upper)
        mean, low, high, true = np.arctanh([found.mean, found.lower, found.upper, correlation])
        standard.append((mean - true) / (high - low) * 2 * norm.ppf(0.95))
    assert 0.80 <= np.mean(inside) <= 0.98
    assert abs(np.mean(standard)) < 0.45
    assert 0.75 < np.std(standard) < 1.3
