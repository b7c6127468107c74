"""Models of spend scored on amounts: against quadrature, by hand, and who wins where the truth is known."""

from dataclasses import replace
from typing import Any

import mpmath as mp
import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.integrate import quad

import kundenwert as kw
from kundenwert.checks.amounts_left_out import leave_out_amounts
from kundenwert.checks.leave_one_out import leave_one_out
from kundenwert.errors import (
    DataError,
    InfiniteValueError,
    LogEndsEarlyWarning,
    MissingInformationError,
    SpecificationError,
    ZeroAmountWarning,
)
from kundenwert.models.core import Amounts, history_of
from tests import cdnow
from tests.customers import with_draws

pytestmark = pytest.mark.filterwarnings("ignore:.*Pareto k exceeds:kundenwert.errors.ComparisonWarning")

COLUMNS: Any = {"customer": "customer", "time": "day", "amount": "paid"}
QUICK = kw.ImportanceSampling(draws=200)
GAMMA: Any = kw.GammaGamma()
NORMAL: Any = kw.LogNormalSpend()
THETA: Any = {"gamma": (1.5, 2.5, 20.0), "normal": (3.0, 0.7, 0.4)}  # p, q, gamma; mu, tau, sigma
SEEN = {"nothing": [], "one": [30.0], "three": [5.0, 80.0, 40.0]}
THEN = {"one": [12.5], "two": [90.0, 1.0], "equal": [33.0, 33.0, 33.0], "far": [1e4, 1e-3]}


def sums(amounts) -> Any:
    z = np.asarray(amounts, dtype=np.float64)
    return [np.array([value]) for value in (len(z), z.sum(), np.log(z).sum(), (np.log(z) ** 2).sum())]


def log_density(model, theta, seen, then) -> float:
    k, total, log_total, squares = sums(seen)
    columns: Any = {"x": k, "total": total, "positive": k, "log_total": log_total, "log_squared_total": squares}
    h = history_of({name: value.astype(np.float64) for name, value in columns.items()})
    amounts = Amounts(*(value.astype(np.float64)[:, None] for value in sums(then)))
    named = model.named([np.array([value]) for value in theta])
    return float(model.log_density_ahead(named, h, amounts).item())


def by_quadrature(kind, seen, then) -> float:
    """Ratio of two integrals over what customers differ in, by the trapezoidal rule to twenty digits."""
    a, b, c = (mp.mpf(value) for value in THETA[kind])

    def joint(amounts):
        def density(u):
            if kind == "gamma":  # p, q, gamma; the logarithm of nu
                nu = mp.exp(u)
                of_nu = mp.power(c, b) * mp.power(nu, b) * mp.exp(-c * nu) / mp.gamma(b)
                return of_nu * mp.fprod(mp.power(nu * z, a) * mp.exp(-nu * z) / mp.gamma(a) / z for z in amounts)
            return mp.npdf(u, a, b) * mp.fprod(mp.npdf(mp.log(z), u, c) / z for z in amounts)  # mu, tau, sigma

        low, high, steps = (-45, 8, 500) if kind == "gamma" else (-10, 16, 300)
        step = mp.mpf(high - low) / steps
        return step * mp.fsum(density(low + k * step) for k in range(steps + 1))

    with mp.workdps(20):
        return float(mp.log(joint([mp.mpf(z) for z in [*seen, *then]]) / joint([mp.mpf(z) for z in seen])))


@pytest.mark.every(5)
@pytest.mark.parametrize("then", THEN.values(), ids=THEN)
@pytest.mark.parametrize("seen", SEEN.values(), ids=SEEN)
@pytest.mark.parametrize("kind", THETA)
def test_densities_are_integrals_over_customers(kind, seen, then):
    model = GAMMA if kind == "gamma" else NORMAL
    assert log_density(model, THETA[kind], seen, then) == pytest.approx(by_quadrature(kind, seen, then), rel=1e-11)


@pytest.mark.parametrize("kind", THETA)
def test_densities_are_densities_and_follow_from_each_other(kind):
    model = GAMMA if kind == "gamma" else NORMAL

    def density(y):  # of the logarithm
        return np.exp(log_density(model, THETA[kind], [30.0, 60.0], [np.exp(y)]) + y)

    assert quad(density, -12, 25, limit=200)[0] == pytest.approx(1, abs=1e-8)
    together = log_density(model, THETA[kind], [30.0], [5.0, 9.0])
    one_by_one = log_density(model, THETA[kind], [30.0], [5.0]) + log_density(model, THETA[kind], [30.0, 5.0], [9.0])
    assert together == pytest.approx(one_by_one, rel=1e-12)
    assert log_density(model, THETA[kind], [30.0], []) == 0


def test_a_customer_with_very_many_amounts_has_a_density():
    many = [20.0] * 100_000
    gamma, normal = (
        log_density(model, THETA[kind], many, many) for model, kind in ((GAMMA, "gamma"), (NORMAL, "normal"))
    )
    assert np.isfinite([gamma, normal]).all()
    p, q, rate = THETA["gamma"]
    shape, total = p * 1e5 + q, rate + 2e6
    with mp.workdps(30):
        expected = (
            mp.loggamma(shape + p * 1e5)
            - mp.loggamma(shape)
            - 1e5 * mp.loggamma(p)
            + shape * mp.log(total)
            - (shape + p * 1e5) * mp.log(total + 2e6)
            + (p - 1) * 1e5 * mp.log(20)
        )
    assert gamma == pytest.approx(float(expected), rel=1e-10)


def shop(kind, customers=1500, seed=4, free=0.0) -> Any:
    """A log in which everybody buys every ten days or so over a year, with amounts of one of the models."""
    rng = np.random.default_rng(seed)
    number = 1 + rng.poisson(5, customers)
    who = np.repeat(np.arange(customers), number)
    if kind == "gamma":  # p = 0.8: amounts of one customer scatter much, and small ones are frequent
        paid = rng.gamma(0.8, 1 / rng.gamma(3.0, 1 / 40.0, customers)[who])
    else:
        paid = np.exp(rng.normal(rng.normal(3.0, 0.6, customers)[who], 0.4))
    paid = np.where(rng.random(len(who)) < free, 0.0, np.maximum(np.round(paid, 2), 0.01))
    day = np.datetime64("2024-01-01") + rng.integers(0, 360, len(who)).astype("timedelta64[D]")
    return pd.DataFrame({"customer": who, "day": day, "paid": paid})


def rolled(log, models: Any = None, **more: Any) -> Any:
    models = {"gamma": GAMMA, "normal": NORMAL} if models is None else models
    arguments = COLUMNS | {"origins": ["2024-06-30"], "horizon": kw.weeks(20), "method": QUICK, "seed": 1} | more
    return kw.rolling_origin(log, models, **arguments)


@pytest.mark.parametrize("kind", THETA)
def test_the_truth_wins(kind):
    log = shop(kind)
    result = rolled(log)
    summary = result.summary
    assert summary.index[0] == kind
    assert summary["difference"].iloc[1] < -4 * summary["difference_se"].iloc[1] < 0
    assert abs(summary.loc[kind, "bias"]) < 3 * summary.loc[kind, "bias_se"]
    histories = kw.summarize(log, **COLUMNS)
    fitted: Any = {name: kw.fit(model, histories, method=QUICK, seed=1) for name, model in rolled_models().items()}
    table = kw.compare(fitted, histories)
    assert table.index[0] == kind
    assert table["difference"].iloc[1] < -4 * table["difference_se"].iloc[1] < 0
    assert abs(table.loc[kind, "bias"]) < 0.05


def rolled_models() -> Any:
    return {"gamma": GAMMA, "normal": NORMAL}


def test_every_score_by_hand():
    log, few = shop("normal", 50, free=0.1), kw.ImportanceSampling(draws=50)
    with pytest.warns(ZeroAmountWarning):
        (row,) = rolled(log, {"normal": NORMAL}, method=few).table.to_dict("records")
    histories = kw.summarize(log, **COLUMNS, until="2024-06-30")
    with pytest.warns(ZeroAmountWarning):
        posterior: Any = kw.fit(NORMAL, histories, method=few, seed=1)
    after = log[(log["day"] > "2024-06-30") & (log["day"] <= "2024-11-17")]
    occasions = after.groupby(["customer", "day"])["paid"].sum().reset_index()
    before = log[log["day"] <= "2024-06-30"].groupby(["customer", "day"])["paid"].sum()
    expected = posterior.expected_spend(histories)["mean"]
    mu, tau, sigma = posterior.theta
    scores, errors, money, predicted = [], [], [], []
    for customer, paid in occasions.groupby("customer")["paid"]:
        if customer not in expected.index:
            continue
        past = np.log(before.loc[customer].iloc[1:][lambda z: z > 0].to_numpy())
        y = np.log(paid[paid > 0].to_numpy())
        v = 1 / (1 / tau**2 + len(past) / sigma**2)
        level = v * (mu / tau**2 + past.sum() / sigma**2)
        densities = (
            [
                stats.multivariate_normal.pdf(y, np.full(len(y), m), s**2 * np.eye(len(y)) + w)
                for m, w, s in zip(level, v, sigma, strict=True)
            ]
            if len(y)
            else [1.0]
        )
        scores.append(np.log(np.mean(densities)) - y.sum())
        errors.append(abs(expected[customer] - paid.mean()))
        money.append(paid.sum())
        predicted.append(len(paid) * expected[customer])
    known = occasions["customer"].isin(expected.index)
    assert row["customers"] == len(scores)
    assert row["purchases"] == known.sum()
    assert row["free"] == (occasions["paid"][known] == 0).sum() > 0
    assert row["actual"] == pytest.approx(occasions["paid"][known].mean())
    assert row["predicted"] == pytest.approx(sum(predicted) / known.sum())
    assert row["log_score"] == pytest.approx(np.mean(scores), rel=1e-9)
    assert row["mae"] == pytest.approx(np.mean(errors), rel=1e-9)
    assert row["bias"] == pytest.approx(sum(predicted) / sum(money) - 1, rel=1e-9)


def test_the_error_of_the_bias_is_that_of_other_customers():
    """Against drawing customers anew."""
    from kundenwert.checks.amounts import AmountScores

    rng = np.random.default_rng(1)
    n = rng.integers(1, 6, 400)
    level = np.exp(rng.normal(3, 0.5, 400))
    paid: Any = n * level * np.exp(rng.normal(0, 0.4, 400))
    scores = AmountScores(
        position=np.arange(400), purchases=n, free=0 * n, paid=paid, predicted=level, log_score=np.zeros(400)
    )
    drawn = rng.integers(0, 400, (4000, 400))
    bias = (n * level)[drawn].sum(axis=1) / paid[drawn].sum(axis=1) - 1
    assert scores.means["bias_se"] == pytest.approx(bias.std(), rel=0.06)


def test_free_purchases_show_in_the_bias_of_a_model_that_leaves_them_out():
    with pytest.warns(ZeroAmountWarning):
        table = rolled(shop("normal", free=0.2)).table.droplevel("origin")
    assert table["free"].nunique() == table["customers"].nunique() == 1  # the same customers, the same amounts
    assert table.loc["normal", "bias"] == pytest.approx(1 / 0.8 - 1, abs=0.06)
    assert abs(table.loc["gamma", "bias"]) < 0.06


def test_currency_moves_scores_alike_and_nothing_else():
    log = shop("normal", 400)
    euros, cents = rolled(log), rolled(log.assign(paid=log["paid"] * 100))
    assert cents.summary["difference"].to_numpy() == pytest.approx(euros.summary["difference"].to_numpy(), abs=1e-9)
    assert cents.summary["bias"].to_numpy() == pytest.approx(euros.summary["bias"].to_numpy(), abs=1e-9)
    assert cents.summary["mae"].to_numpy() == pytest.approx(100 * euros.summary["mae"].to_numpy())
    paid = euros.table["purchases"].iloc[0] / euros.table["customers"].iloc[0]
    shift = (euros.table["log_score"] - cents.table["log_score"]).to_numpy()
    assert shift == pytest.approx([paid * np.log(100)] * 2)


def test_leaving_out_is_what_fits_without_the_customer_say():
    log = shop("normal", 60)
    histories = kw.summarize(log, **COLUMNS)
    rows = np.flatnonzero(histories.frequency > 0)
    many = kw.ImportanceSampling(draws=4000)
    scores = leave_out_amounts(kw.fit(GAMMA, histories, method=many, seed=1), histories, single=True).scores
    for place in (0, 21):
        customer = rows[place]
        rest = histories.take(np.arange(len(histories)) != customer)
        scale = kw.GammaGamma(money_scale=kw.fit(GAMMA, histories, method=QUICK, seed=1).model.money_scale)
        without: Any = kw.fit(scale, rest, method=many, seed=2)
        repeats = log[log["customer"] == histories.customer_id[customer]].groupby("day")["paid"].sum().iloc[1:]
        densities = [log_density(GAMMA, each, [], repeats) for each in zip(*without.theta, strict=True)]
        assert scores.elpd[place] == pytest.approx(np.logaddexp.reduce(densities) - np.log(4000), abs=0.03)


def test_single_amounts_are_what_log_normal_observes_anyway():
    histories = cdnow.histories()
    posterior: Any = kw.fit(NORMAL, histories, seed=1, method=kw.ImportanceSampling(draws=500))
    plain, single = leave_one_out(posterior, histories, "week"), leave_out_amounts(posterior, histories, single=True)
    assert single.scores.elpd == pytest.approx(plain.elpd, rel=1e-10)
    assert single.scores.pareto_k == pytest.approx(plain.pareto_k)
    assert single.scores.p_loo == pytest.approx(plain.p_loo, rel=1e-6)
    means = (histories.spend.total / np.maximum(histories.frequency, 1))[histories.frequency > 0]
    expected = posterior.expected_spend(histories)["mean"][histories.frequency == 0].iloc[0]
    assert single.bias == pytest.approx(expected / means.mean() - 1, abs=1e-3)
    own_share = len(means) / (len(means) - 1)  # a mean without the customer lies farther from them by this factor
    assert single.mae == pytest.approx(np.abs(expected - means).mean() * own_share, rel=3e-4)


def test_a_mean_that_is_infinite_has_no_bias():
    histories = kw.summarize(shop("gamma", 100), **COLUMNS)
    posterior: Any = kw.fit(GAMMA, histories, method=QUICK, seed=1)
    p, _, gamma = posterior.theta
    heavy = with_draws(kw.GammaGamma, p=p, q=np.full_like(p, 0.9), gamma=gamma)
    heavy = replace(posterior, values=heavy.values)
    table = kw.compare({"light": posterior, "heavy": heavy}, histories)
    assert table.loc["heavy", ["bias", "mae"]].isna().all()
    assert table.loc["light", ["bias", "mae"]].notna().all()


BAD: Any = {
    "kinds": ({"MBG": kw.MBGNBD(), "gamma": GAMMA}, {}, SpecificationError, "'MBG' .* predicts purchases and 'gamma'"),
    "amount": (
        {"gamma": GAMMA},
        {"amount": None},
        SpecificationError,
        "'gamma' is a model of spend, which needs amounts",
    ),
    "contract": ({"sBG": kw.ShiftedBetaGeometric()}, {}, SpecificationError, "predicts purchases in time, or amounts"),
}


@pytest.mark.parametrize("models, more, error, message", BAD.values(), ids=BAD)
def test_what_cannot_be_scored_together_is_refused(models, more, error, message):
    with pytest.raises(error, match=message):
        rolled(shop("normal", 50), models, **more)


def test_an_origin_after_which_nobody_pays_is_refused():
    log = shop("normal", 50)
    nobody = pytest.raises(DataError, match="no customer known on 2024-06-30 paid anything within the horizon")
    with pytest.warns(LogEndsEarlyWarning), nobody:
        rolled(log[log["day"] <= "2024-06-30"], until="2024-12-31")


def test_an_infinite_mean_says_which_model_and_origin():
    steep = kw.GammaGamma(q=kw.LogNormal(-1.0, 0.05))
    with pytest.raises(InfiniteValueError, match="is infinite") as caught:
        rolled(shop("normal", 80), {"steep": steep})
    assert caught.value.__notes__ == ["This happened with 'steep', fitted to the log until 2024-06-30."]


def test_means_alone_cannot_be_compared_with_single_amounts():
    histories = kw.summarize(shop("normal", 100), **COLUMNS)
    fitted: Any = {name: kw.fit(model, histories, method=QUICK, seed=1) for name, model in rolled_models().items()}
    table = kw.CustomerHistories.from_pandas(histories.to_pandas(), unit="week")
    with pytest.raises(MissingInformationError, match="single amounts"):
        kw.compare(fitted, table)
    means: Any = {"one": fitted["gamma"], "other": fitted["gamma"]}
    assert kw.compare(means, table)["difference"].tolist() == [0, 0]


def test_a_model_that_cannot_be_scored_says_so():
    posterior: Any = with_draws(kw.GammaGamma, p=np.full(200, 2.0), q=np.full(200, 3.0), gamma=np.full(200, 20.0))
    from kundenwert.models.core import SpendModel

    with pytest.raises(SpecificationError, match=r"does not tell the density of single amounts.*log_density_ahead"):
        SpendModel.log_density_ahead(posterior.model, posterior.theta, history_of({}), Amounts(*[np.zeros(1)] * 4))
