"""How regularly customers buy: against simulated gaps, and against brute force."""

import math
from typing import Any

import mpmath as mp
import numpy as np
import pandas as pd
import pytest
from scipy import stats

import kundenwert as kw
from kundenwert.errors import DataError, MissingInformationError, SpecificationError
from tests import cdnow
from tests.customers import histories_of


def histories_from(gaps, *, resolution: Any = "day"):
    """Histories of customers with these gaps, in steps."""
    step = pd.Timedelta(hours=1) if resolution == "hour" else pd.Timedelta(days=1)
    rows = [
        (customer, pd.Timestamp("2020-01-01") + int(passed) * step)
        for customer, of_one in enumerate(gaps)
        for passed in np.cumsum([0, *of_one])
    ]
    log = pd.DataFrame(rows, columns=["customer", "time"])
    return kw.summarize(log, customer="customer", time="time", unit="day", resolution=resolution)


def simulated(k, customers=400, seed=1):
    """Gaps of 2 to 12 purchases, in hours, with rates of their own; the mean gap is 60 days."""
    rng = np.random.default_rng(seed)
    means = 1440 * rng.gamma(2, 0.5, customers) + 240
    return [np.ceil(rng.gamma(k, mean / k, rng.integers(1, 12))) for mean in means]


@pytest.mark.parametrize("k", [0.6, 1.0, 2.0, 3.0])
def test_regularity_of_simulated_customers(k):
    found = kw.regularity(histories_from(simulated(k), resolution="hour"), interval=0.999)
    assert found.lower < k < found.upper
    assert 0.8 * k < found.lower
    assert found.upper < 1.25 * k


def test_against_the_density_of_shares():
    """Dirichlet densities from SciPy, times the prior, on a plain grid."""
    gaps = [[3, 5, 1], [10, 12], [4], [], [2, 2, 2, 9, 30]]
    found = kw.regularity(histories_from(gaps))
    log_k = np.linspace(-3, 5, 2001)
    density = stats.norm.logpdf(log_k)
    for of_one in gaps:
        if len(of_one) > 1:
            shares = np.array(of_one) / np.sum(of_one)
            density += [stats.dirichlet(np.full(len(shares), k)).logpdf(shares) for k in np.exp(log_k)]
    weight = np.exp(density - density.max())
    weight /= weight.sum()
    k = np.exp(log_k)
    assert found.customers == 3
    assert found.mean == pytest.approx(weight @ k, rel=1e-6)
    below, above = (k[np.searchsorted(np.cumsum(weight), tail)] for tail in (0.05, 0.95))
    assert (found.lower, found.upper) == pytest.approx((below, above), rel=4e-3)  # the step of this grid


@pytest.mark.slow
@pytest.mark.parametrize("gaps", [2, 5, 12])
def test_equal_gaps_of_one_customer_have_a_proper_answer(gaps):
    """The likelihood has no maximum, but the prior of log k bounds it."""
    found = kw.regularity(histories_from([[7] * gaps]))

    def density(u):  # k = exp(u)
        k = mp.exp(u)
        return mp.exp(mp.loggamma(gaps * k) - gaps * mp.loggamma(k) - (k - 1) * gaps * mp.log(gaps) - u * u / 2)

    with mp.workdps(40):
        pieces = range(-12, 29, 4)
        mass = mp.quad(density, pieces)
        assert found.mean == pytest.approx(float(mp.quad(lambda u: density(u) * mp.exp(u), pieces) / mass), rel=1e-6)
        below = float(mp.quad(density, [*range(-12, math.floor(math.log(found.lower)), 4), mp.log(found.lower)]) / mass)
    assert below == pytest.approx(0.05, abs=1e-3)


def test_leaving_and_rates_do_not_matter():
    """Customers of MBG/CNBD-3 who left early or were cut off tell the same k."""
    theta = kw.MBGCNBD.Parameters(k=3, r=0.7, alpha=200.0, a=1.0, b=6.0, unit="hour")
    model = theta.model()
    values = model.named([np.array(getattr(theta, name)) for name in model.parameter_names])
    bought = model.simulate(values, np.full(3000, 10_000.0), np.random.default_rng(3))
    steps = np.ceil(bought.time)
    gaps = [np.diff(steps[bought.customer == i], prepend=0) for i in range(3000)]
    gaps = [of_one[of_one > 0] for of_one in gaps]
    found = kw.regularity(histories_from(gaps, resolution="hour"), interval=0.999)
    assert found.lower < 3 < found.upper


def test_cdnow_buys_at_random():
    found = kw.regularity(cdnow.histories())
    assert (round(found.mean, 2), round(found.lower, 2), round(found.upper, 2)) == (1.04, 0.99, 1.10)
    assert found.customers == (cdnow.histories().frequency >= 2).sum()


def test_the_unit_does_not_matter_and_more_customers_tell_more():
    assert kw.regularity(cdnow.histories()) == kw.regularity(cdnow.histories().in_unit("day"))
    wide, narrow = (kw.regularity(histories_from(simulated(2.0, n), resolution="hour")) for n in (20, 500))
    assert wide.upper - wide.lower > 2 * (narrow.upper - narrow.lower)
    inner = kw.regularity(cdnow.histories(), interval=0.5)
    assert inner.upper - inner.lower < kw.regularity(cdnow.histories()).upper - kw.regularity(cdnow.histories()).lower


@pytest.fixture(scope="module")
def pausing() -> Any:
    """Regular buyers who pause: four of five lapses are pauses, of twenty weeks on average. Two years of them."""
    truth = kw.RevivalNBD.Parameters(k=3, r=3.0, alpha=3.0, a=1.0, b=6.0, omega=0.8, eta=0.05, unit="week")
    return kw.datasets.simulated(truth, customers=400, seed=1, observed_for=kw.weeks(104), start="2023-01-01")


def test_its_advice_names_what_it_risks_and_is_right_about_it(pausing):
    """In a world of regular buyers who pause, a model of regular buying is sure that they are gone, and loses."""
    histories = kw.summarize(pausing, customer="customer_id", time="date", until="2024-06-30")
    found = kw.regularity(histories)
    assert found.lower > 1
    assert found.k == 2
    assert max(map(len, str(found).splitlines())) <= 100
    said = " ".join(str(found).split())
    for words in (
        "MBGCNBD(k=2)",
        "RevivalNBD(k=2)",
        "MBGNBD()",
        "rolling_origin",
        "it is sure that they are gone, and they come back",
    ):
        assert words in said
    assert said.startswith(f"k = {found.mean:.2f} (")
    came = kw.holdout(pausing, histories, until="2024-12-29")["purchases"].to_numpy() > 0
    scores, back = {}, np.empty(0)
    for model in (kw.MBGNBD(), kw.MBGCNBD(k=2)):
        posterior = kw.fit(model, histories, seed=1, method=kw.ImportanceSampling(draws=100))
        back = posterior.return_probability(histories, horizon=kw.weeks(26))["mean"].to_numpy()
        scores[type(model).__name__] = np.where(came, np.log(back), np.log1p(-back)).mean()
    written_off = back < 0.02  # by the model of regular buying
    assert written_off.sum() > 30
    assert came[written_off].mean() > 0.1
    assert scores["MBGCNBD"] < scores["MBGNBD"] - 0.05


def test_advice_for_customers_who_are_not_regular():
    random, bursts = kw.regularity(cdnow.histories()), kw.regularity(histories_from(simulated(0.6), resolution="hour"))
    assert (random.k, bursts.k) == (1, 1)
    assert "Customers buy about at random. MBGNBD() fits that" in str(random)
    assert "Customers buy in bursts" in str(bursts)
    assert "MBGCNBD" not in str(random) + str(bursts)
    regular = kw.regularity(histories_from(simulated(3.0), resolution="hour"))
    assert regular.k == 3
    kw.MBGCNBD(k=regular.k), kw.RevivalNBD(k=regular.k)  # the advice can be followed
    twenty = kw.regularity(histories_from([[30, 31, 29, 30, 32, 30]] * 40))
    assert twenty.k == 8
    kw.RevivalNBD(k=8)


def test_what_cannot_tell_is_refused():
    with pytest.raises(MissingInformationError, match=r"single purchases.*kundenwert\.summarize"):
        kw.regularity(histories_of([3, 4], 20, 38))
    with pytest.raises(DataError, match="expected CustomerHistories, got DataFrame"):
        kw.regularity(cdnow.histories().to_pandas())
    with pytest.raises(DataError, match="nobody has two gaps"):
        kw.regularity(histories_from([[3], [], [9]]))
    for customers, gaps in ((50, 12), (1, 30)):
        with pytest.raises(DataError, match=r"practically equal: k is beyond 162,755 with a probability of (100|99)%"):
            kw.regularity(histories_from([[30] * gaps] * customers))
    with pytest.raises(SpecificationError, match="interval is a probability"):
        kw.regularity(cdnow.histories(), interval=90)
