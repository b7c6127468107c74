"""Log-normal spend: against the multivariate normal density, integrals over customers, simulation and an optimiser."""

from typing import Any

import mpmath as mp
import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize
from scipy.special import gammaln

import kundenwert as kw
from kundenwert.errors import (
    ComparisonWarning,
    DataError,
    InfiniteValueError,
    MissingInformationError,
    SpecificationError,
    ZeroAmountWarning,
)
from kundenwert.inference.target import Target
from tests import cdnow
from tests.customers import log_likelihood
from tests.inference.test_agreement import assert_same

MODEL = kw.LogNormalSpend(money_scale=25.0)
AMOUNTS = [[], [12.5], [80.0, 80.0], [3.0, 9.0, 27.0], [1e-3, 1e7], [19.99] * 50 + [24.99] * 150]
POPULATIONS = [(3.3, 0.5, 0.6), (-2.0, 3.0, 1e-3), (9.0, 1e-4, 2.0), (0.0, 5.0, 5.0)]  # mu, tau, sigma


def histories_of(amounts, **arguments):
    """Histories of customers with these repeat amounts, one a day, after a first purchase of 1."""
    rows = [(who, day, paid) for who, repeats in enumerate(amounts) for day, paid in enumerate([1.0, *repeats])]
    log = pd.DataFrame(rows, columns=["who", "day", "paid"])
    log["day"] = np.datetime64("2024-01-01") + log["day"].to_numpy().astype("timedelta64[D]")
    return kw.summarize(log, customer="who", time="day", amount="paid", **arguments)


def fixed(mu, tau, sigma) -> Any:
    return kw.fixed(kw.LogNormalSpend.Parameters(mu=mu, tau=tau, sigma=sigma))


# likelihood


@pytest.mark.parametrize("mu, tau, sigma", POPULATIONS)
def test_the_likelihood_is_the_density_of_all_amounts(mu, tau, sigma):
    """Log amounts are jointly normal with covariance sigma^2 I + tau^2 11'; amounts have the Jacobian 1/z."""

    def density(amounts):
        k = len(amounts)
        y = mp.matrix([mp.log(mp.mpf(z)) - mu for z in amounts])
        covariance = mp.mpf(sigma) ** 2 * mp.eye(k) + mp.mpf(tau) ** 2 * mp.ones(k)
        normal = -(k * mp.log(2 * mp.pi) + mp.log(mp.det(covariance)) + (y.T * mp.lu_solve(covariance, y))[0]) / 2
        return float(normal - sum(mp.log(mp.mpf(z)) for z in amounts))

    some = [*AMOUNTS[1:5], AMOUNTS[5][40:60]]
    with mp.workdps(40):
        expected = [density(amounts) for amounts in some]
    np.testing.assert_allclose(log_likelihood(fixed(mu, tau, sigma), histories_of(some)), expected, rtol=1e-9)


@pytest.mark.parametrize("sigma, error", [(1e-2, 1e-9), (1e-4, 5e-6)])
def test_the_sum_of_squares_within_customers_does_not_cancel_away(sigma, error):
    """Histories hold sums of squared logarithms, of which amounts of one size leave the last digits only."""
    amounts = 5e6 * np.exp(sigma * np.random.default_rng(1).normal(size=300))
    mu, tau = 15.0, 0.5
    y = np.log(amounts)
    within, mean = np.sum((y - y.mean()) ** 2), y.mean()
    total = sigma**2 + 300 * tau**2
    normal = 300 * np.log(2 * np.pi) + 299 * np.log(sigma**2) + np.log(total)
    expected = -0.5 * (normal + within / sigma**2 + 300 * (mean - mu) ** 2 / total) - y.sum()
    found = log_likelihood(fixed(mu, tau, sigma), histories_of([amounts]))
    np.testing.assert_allclose(found, expected, rtol=error)


def test_numpy_and_pytensor_agree_on_density_and_gradient():
    histories = histories_of(AMOUNTS)
    target = Target(MODEL, histories.cells(MODEL))
    graph = kw.to_pymc(MODEL, histories).logp_dlogp_function(ravel_inputs=True)
    graph.set_extra_values({})
    points = np.log([25.0, 0.5, 0.5]) + np.random.default_rng(1).normal(scale=0.5, size=(5, 3))
    densities, gradients = zip(*map(graph, points), strict=True)
    np.testing.assert_allclose(np.diff(target(points.T)), np.diff(densities), rtol=1e-10)
    for point, gradient in zip(points, gradients, strict=True):
        shifted = point[:, None, None] + np.eye(3)[:, :, None] * [-1e-4, 1e-4]
        values = target(shifted.reshape(3, -1)).reshape(3, 2)
        np.testing.assert_allclose(gradient, (values[:, 1] - values[:, 0]) / 2e-4, rtol=1e-6)


def test_quantities_and_parameters():
    theta = MODEL.parameters_of([np.array(v) for v in (20.0, 0.6, 0.4)], "week")
    assert theta._fields == MODEL.parameter_names == ("mu", "tau", "sigma")
    assert theta == pytest.approx((np.log(20), 0.4, 0.6), rel=1e-15)
    assert MODEL.quantities_of(theta, "day") == pytest.approx((20.0, 0.6, 0.4), rel=1e-15)


# what is expected of a customer


@pytest.mark.every(3)
@pytest.mark.parametrize("mu, tau, sigma", [(3.3, 0.5, 0.6), (3.3, 0.05, 1.2), (-2.0, 2.0, 0.3)])
def test_expected_and_median_spend_against_the_integral_over_customers(mu, tau, sigma):
    """theta ~ N(mu, tau), each log amount ~ N(theta, sigma), and a mean amount of exp(theta + sigma^2/2)."""
    posterior, amounts = fixed(mu, tau, sigma), AMOUNTS[:4]
    histories = histories_of(amounts)
    expected, median = (f(histories)["mean"] for f in (posterior.expected_spend, posterior.median_spend))
    for position, paid in enumerate(amounts):
        with mp.workdps(20):

            def weight(theta, paid=paid):
                normal = mp.npdf(theta, mu, tau)
                return normal * mp.fprod(mp.npdf(mp.log(z), theta, sigma) for z in paid)

            centre = mp.mpf(np.mean([mu, *np.log(paid)]))
            pieces = [centre + step * max(tau, sigma) for step in range(-16, 17, 2)]
            mass = mp.quad(weight, pieces)
            mean = mp.quad(lambda t: weight(t) * mp.exp(t + mp.mpf(sigma) ** 2 / 2), pieces) / mass
            cut = mp.log(float(median.iloc[position])) - mp.mpf(sigma) ** 2 / 2
            below = mp.quad(weight, [p for p in pieces if p < cut] + [cut]) / mass
        assert expected.iloc[position] == pytest.approx(float(mean), rel=1e-10)
        assert float(below) == pytest.approx(0.5, abs=1e-10)


def simulated(mu=3.3, tau=0.5, sigma=0.6, customers=200_000, purchases=4):
    posterior = fixed(mu, tau, sigma)
    theta = posterior.model.named([value[0] for value in posterior.theta])
    customer = np.repeat(np.arange(customers), purchases)
    return posterior, posterior.model.simulate(theta, customer, np.random.default_rng(3)).reshape(customers, purchases)


def test_the_simulator_follows_the_model():
    _, amounts = simulated(customers=100_000, purchases=3)
    logs = np.log(amounts)
    assert stats.kstest(logs[:, 0], stats.norm(3.3, np.hypot(0.5, 0.6)).cdf).pvalue > 1e-3
    np.testing.assert_allclose(np.cov(logs.T), 0.6**2 * np.eye(3) + 0.5**2, atol=0.01)
    assert stats.kstest((logs[:, 0] - logs[:, 1]) / (0.6 * np.sqrt(2)), "norm").pvalue > 1e-3


def test_the_next_amount_averages_to_the_expected_spend():
    posterior, amounts = simulated(customers=20_000)
    expected = posterior.expected_spend(histories_of(amounts[:, :3]))["mean"].to_numpy()
    for part in np.array_split(np.argsort(expected), 5):
        error = amounts[part, 3] - expected[part]
        assert abs(error.mean()) < 4 * error.std() / np.sqrt(len(part))


def test_customers_in_any_order():
    posterior, _ = simulated(customers=1)
    theta = posterior.model.named([np.array(v) for v in (3.0, 1.0, 1e-9)])
    amounts = posterior.model.simulate(theta, np.array([7, 2, 7, 900_000, 2]), np.random.default_rng(2))
    assert amounts[[0, 1]] == pytest.approx(amounts[[2, 4]], rel=1e-6)
    assert abs(amounts[0] / amounts[1] - 1) > 0.01


# fitting


def likeliest(histories) -> Any:
    flat = kw.LogNormalSpend(scale=kw.Flat(), within=kw.Flat(), between=kw.Flat())
    return kw.fit(flat, histories, method=kw.MAP())


def test_cdnow_against_an_optimiser_that_knows_matrices_only():
    log = kw.datasets.cdnow().query("date <= '1997-09-30'").groupby(["customer_id", "date"])["amount"].sum()
    repeats = log[log.groupby("customer_id").cumcount() > 0].reset_index()
    assert (repeats["amount"] > 0).all()
    groups: dict[int, list[Any]] = {}
    for _, paid in repeats.groupby("customer_id")["amount"]:
        groups.setdefault(len(paid), []).append(np.log(paid.to_numpy()))
    blocks = {k: np.array(rows) for k, rows in groups.items()}
    jacobian = np.log(repeats["amount"]).sum()

    def loss(point):
        total = jacobian
        for k, rows in blocks.items():
            factor = cho_factor(np.exp(2 * point[2]) * np.eye(k) + np.exp(2 * point[1]))
            centred = (rows - point[0]).T
            total += np.sum(centred * cho_solve(factor, centred)) / 2
            total += len(rows) * (np.log(np.diag(factor[0])).sum() + k * np.log(2 * np.pi) / 2)
        return total

    best = minimize(loss, [3.0, -1.0, -1.0], method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-9})
    fitted = likeliest(cdnow.histories())
    found = [float(value[0]) for value in fitted.theta]
    assert found == pytest.approx([best.x[0], *np.exp(best.x[1:])], rel=2e-5)
    assert found == pytest.approx([3.29085, 0.46899, 0.56225], abs=5e-5)
    log_likelihood_there = float(fitted.diagnostics.notes[-1].split(":")[1].strip(" ."))
    assert log_likelihood_there == pytest.approx(-best.fun, abs=0.006)
    assert log_likelihood_there == -10697.28


def test_cdnow_against_gamma_gamma():
    """Written out for single amounts, gamma-gamma is less plausible; what both expect hardly differs."""
    histories = cdnow.histories()
    spend: Any = histories.spend
    used = spend.positive > 0
    k, logs, total = spend.positive[used], spend.log_total[used], spend.total[used]

    def loss(point):
        p, q, gamma = np.exp(point)
        customer = gammaln(p * k + q) - gammaln(q) + q * np.log(gamma) - (p * k + q) * np.log(gamma + total)
        return -np.sum((p - 1) * logs - k * gammaln(p) + customer)

    best = minimize(loss, np.log([6.0, 4.0, 15.0]), method="Nelder-Mead", options={"fatol": 1e-4})
    assert -best.fun == pytest.approx(-10707.9, abs=0.05)
    bought = kw.holdout(kw.datasets.cdnow(), histories, until="1998-06-30").query("purchases > 0")
    found = {}
    for model in (kw.LogNormalSpend(), kw.GammaGamma()):
        expected = kw.fit(model, histories, seed=1).expected_spend(histories)["mean"]
        error = expected[bought.index] - bought["spend"] / bought["purchases"]
        found[type(model).__name__] = (expected[3], error.abs().mean())
    assert found["LogNormalSpend"] == pytest.approx((35.1, 17.4), abs=0.1)
    assert found["GammaGamma"] == pytest.approx((35.2, 17.65), abs=0.1)


@pytest.mark.parametrize("customers, seed", [(5, 3), (30, 0), (100, 0), (None, 0)])
def test_importance_sampling_fits(customers, seed):
    histories = cdnow.sample(customers, seed) if customers else cdnow.histories()
    diagnostics = kw.fit(kw.LogNormalSpend(), histories, seed=1, method=kw.ImportanceSampling()).diagnostics
    assert diagnostics.ok
    assert diagnostics.ess is not None
    assert diagnostics.ess > 0.6 * 8192


@pytest.mark.slow
def test_nuts_agrees():
    ours = kw.fit(kw.LogNormalSpend(), cdnow.sample(100), seed=1, method=kw.ImportanceSampling(draws=8192))
    method = kw.NUTS(draws=2000, tune=1000, chains=2, target_accept=0.95, progress=False)
    chains = kw.fit(kw.LogNormalSpend(), cdnow.sample(100), seed=3, method=method)
    assert chains.diagnostics.ok, str(chains.diagnostics)
    assert_same(ours, chains)


def test_parameters_are_found_again():
    _, amounts = simulated(customers=1500)
    some = [row[:k] for row, k in zip(amounts, np.random.default_rng(1).integers(0, 5, 1500), strict=True)]
    table: Any = kw.fit(kw.LogNormalSpend(), histories_of(some), seed=1).parameters(interval=0.999)
    for name, value in {"mu": 3.3, "tau": 0.5, "sigma": 0.6, "within": 0.6, "between": 0.5}.items():
        assert table.loc[name, "lower"] < value < table.loc[name, "upper"]


def test_cents_give_the_posterior_of_euros():
    _, amounts = simulated(customers=300)
    some = [row[:k] for row, k in zip(amounts, np.random.default_rng(1).integers(0, 5, 300), strict=True)]
    euros, cents = histories_of(some), histories_of([[100 * z for z in row] for row in some])
    one: Any = kw.fit(kw.LogNormalSpend(), euros, seed=1)
    other: Any = kw.fit(kw.LogNormalSpend(), cents, seed=1)
    np.testing.assert_allclose(other.theta.sigma, one.theta.sigma, rtol=1e-5)
    np.testing.assert_allclose(other.theta.tau, one.theta.tau, rtol=1e-4)
    np.testing.assert_allclose(other.theta.mu, one.theta.mu + np.log(100), rtol=1e-5)
    np.testing.assert_allclose(other.expected_spend(cents), 100 * one.expected_spend(euros), rtol=1e-4)


def test_the_money_scale_is_the_geometric_mean_of_the_customers_geometric_means():
    for model in (kw.LogNormalSpend(), kw.LogNormalSpend(money_scale=50.0)):
        histories = histories_of([[2.0, 8.0], [4.0, 5.0], [], [27.0]])
        prepared: Any = model.prepared(histories.cells(model))
        assert prepared.money_scale == pytest.approx(model.money_scale or (4 * 20**0.5 * 27) ** (1 / 3), rel=1e-12)
        assert prepared.quantities[0].prior == kw.LogNormal(np.log(prepared.money_scale), 2)


def test_amounts_of_zero_are_left_out_and_told():
    with_zeros = histories_of([[5.0, 0.0, 7.0], [0.0], [3.0], [9.0, 8.0]])
    without = histories_of([[5.0, 7.0], [], [3.0], [9.0, 8.0]])
    points = np.random.default_rng(1).normal(size=(3, 20))
    one, other = (Target(MODEL, h.cells(MODEL)).log_likelihood(points) for h in (with_zeros, without))
    np.testing.assert_allclose(one, other, rtol=1e-13)
    with pytest.warns(
        ZeroAmountWarning, match=r"2 of 7 repeat purchases \(28\.6%\) cost nothing.*40\.0% more"
    ) as warned:
        fitted = kw.fit(MODEL, with_zeros, seed=1, method=kw.ImportanceSampling())
    assert [str(each.message) for each in warned] == list(fitted.diagnostics.notes)  # once, and kept
    assert warned[0].filename == __file__
    paid = [5.0, 0.0, 7.0, 0.0, 3.0, 9.0, 8.0]
    assert np.mean([each for each in paid if each]) / np.mean(paid) == pytest.approx(1.4)
    assert fitted.provenance.customers == 3
    assert kw.fit(MODEL, without, seed=1, method=kw.ImportanceSampling()).diagnostics.notes == ()
    expected = fitted.expected_spend(with_zeros)["mean"]
    assert expected.iloc[1] == fitted.expected_spend(without)["mean"].iloc[1]  # nothing known but the population


@pytest.mark.parametrize("model", [kw.LogNormalSpend(), kw.GammaGamma()], ids=["log-normal", "gamma-gamma"])
def test_customers_who_pay_nothing_have_no_log_likelihood(model):
    histories = histories_of([[5.0, 0.0, 7.0], [0.0], [3.0], [0.0, 0.0], [9.0, 8.0]])
    with pytest.warns(ZeroAmountWarning):
        posterior = kw.fit(model, histories, seed=1, method=kw.ImportanceSampling(draws=100))
    pointwise = posterior.to_datatree(histories)["log_likelihood"][type(model).__name__]
    assert pointwise["customer_id"].to_numpy().tolist() == [0, 2, 4]
    assert np.isfinite(pointwise).all()
    with pytest.warns(ComparisonWarning, match="of 3 customers"):
        table = kw.compare({"one": posterior, "other": posterior}, histories)
    assert table["customers"].tolist() == [3, 3]
    assert table["difference"].tolist() == [0, 0]


def test_gamma_gamma_tells_what_it_leaves_out():
    histories = histories_of([[5.0, 0.0, 7.0], [0.0], [3.0], [9.0, 8.0]])
    with pytest.warns(ZeroAmountWarning, match="do not enter the likelihood"):
        (note,) = kw.fit(kw.GammaGamma(), histories, seed=1, method=kw.ImportanceSampling()).diagnostics.notes
    assert note.startswith("1 customer whose repeat purchases add up to nothing (14.3% of the repeat purchases)")


# refusals


@pytest.mark.parametrize(
    "amounts", [[[5.0] * 4, [7.0] * 3, [9.0]], [[3.3, 3.3 + 1e-8]], [[5.0]] * 2], ids=["each", "nearly", "all"]
)
def test_amounts_that_never_vary_are_refused(amounts):
    with pytest.raises(DataError, match=r"vary by less than 0\.01%.*(GammaGamma|KnownAmount)"):
        kw.fit(kw.LogNormalSpend(), histories_of(amounts), seed=1)


def test_one_or_two_amounts_are_data():
    for amounts in ([[5.0]], [[5.0], [5.5]], [[5.0], [6.0], [5.0]], [[5.0, 6.0]]):
        posterior = kw.fit(kw.LogNormalSpend(), histories_of([*amounts, []]), seed=1)
        expected = posterior.expected_spend(histories_of([*amounts, []]))
        assert np.isfinite(expected).all(axis=None)


def test_no_amounts_and_no_single_amounts_are_refused():
    with pytest.raises(DataError, match="no customer has a repeat purchase with a positive amount"):
        kw.fit(kw.LogNormalSpend(), histories_of([[], [0.0]]))
    table = histories_of([[5.0], [6.0]]).to_pandas()
    with pytest.raises(MissingInformationError, match="needs single amounts"):
        kw.fit(kw.LogNormalSpend(), kw.CustomerHistories.from_pandas(table, unit="week"))


@pytest.mark.parametrize("name", ["within", "between"])
@pytest.mark.parametrize("prior", [kw.HalfNormal(1.0), kw.LogNormal(0, 1), kw.Gamma(2, 5)], ids=repr)
def test_priors_that_make_every_mean_infinite_are_refused(name, prior):
    """The integral of exp(v^2/2) over a half-normal prior is 1/sqrt(1 - sigma^2); over the others it is infinite."""
    model: Any = kw.LogNormalSpend
    with pytest.raises(SpecificationError, match=f"for {name} the posterior mean of a mean amount is infinite"):
        model(**{name: prior})
    with mp.workdps(20):
        mean = mp.quad(lambda v: mp.exp(v * v / 2) * 2 * mp.npdf(v, 0, mp.mpf("0.7")), [0, 2, 5, 20, mp.inf])
    assert float(mean) == pytest.approx(1 / np.sqrt(1 - 0.49), rel=1e-12)


@pytest.mark.parametrize(
    "change, words",
    [
        ({"tau": 0}, "tau must be a positive number"),
        ({"sigma": np.nan}, "sigma must be a positive number"),
        ({"mu": "3"}, "mu must be a number"),
        ({"mu": np.nan}, "mu must be a number"),
        ({"mu": 10**400}, "mu must be a number"),
        ({"tau": 1e200}, "tau must be a positive number between 1e-100 and 1e"),
        ({"sigma": 40.0}, r"exp\(mu \+ \(tau\^2 \+ sigma\^2\)/2\) the mean amount"),
        ({"unit": "weeks"}, "unknown time unit"),
    ],
)
def test_parameters_are_checked(change, words):
    good: dict[str, Any] = {"mu": 3.0, "tau": 0.5, "sigma": 0.5}
    with pytest.raises(SpecificationError, match=words):
        kw.LogNormalSpend.Parameters(**(good | change))
    assert kw.LogNormalSpend.Parameters(**(good | {"mu": -3})).model().money_scale == pytest.approx(np.exp(-3))


# as a posterior


def test_the_largest_amounts_have_true_numbers():
    """In currency units of 1e-276, where sums over draws come near to the end of floating-point numbers."""
    amounts = [[], [12.5], [80.0, 90.0], [3.0, 9.0, 27.0]]
    expected = fixed(3.0, 0.5, 0.6).expected_spend(histories_of(amounts))
    tiny = fixed(3.0 + np.log(1e276), 0.5, 0.6)
    huge = histories_of([[1e276 * amount for amount in repeats] for repeats in amounts])
    np.testing.assert_allclose(tiny.expected_spend(huge) / 1e276, expected, rtol=1e-11)
    posterior: Any = kw.fit(kw.LogNormalSpend(), huge, seed=1)
    assert (posterior.expected_spend(huge)["mean"] > 1e276).all()


def test_means_beyond_floating_point_numbers_are_an_error():
    posterior, huge = fixed(0.0, 25.0, 25.0), histories_of([[], [3.0], [1e279] * 2])
    for ask in (posterior.expected_spend, posterior.draws.expected_spend):
        with pytest.raises(
            InfiniteValueError, match=r"customer number 2 \(from 0, with 2 repeat purchases\) is beyond"
        ):
            ask(huge)


def test_it_has_a_mean_whatever_happens_and_is_saved(tmp_path):
    posterior = kw.fit(kw.LogNormalSpend(), cdnow.sample(100), seed=1)
    assert posterior.p_infinite_mean == 0
    posterior.save(tmp_path / "spend.nc")
    again: Any = kw.load(tmp_path / "spend.nc")
    assert again.model == posterior.model
    pd.testing.assert_frame_equal(again.expected_spend(cdnow.histories()), posterior.expected_spend(cdnow.histories()))
    economics = kw.Economics(margin=0.3, annual_discount_rate=0.1)
    purchases = cdnow.posterior("MBGNBD").thinned(20)
    value = kw.net_present_value(purchases, posterior, cdnow.sample(30), economics, horizon=kw.years(1))
    assert (value["mean"] > 0).all()


def test_a_simulated_log_has_its_amounts():
    spend = kw.LogNormalSpend.Parameters(mu=3.0, tau=0.4, sigma=0.5)
    buys = kw.MBGNBD.Parameters(r=0.5, alpha=6, a=0.9, b=1.6, unit="week")
    log = kw.datasets.simulated(buys, spend, customers=3000, seed=1)
    assert np.log(log["amount"]).mean() == pytest.approx(3.0, abs=0.05)
