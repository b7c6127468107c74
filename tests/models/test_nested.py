"""Models within models: at the edge of its parameters one model becomes another, or a process with a closed form."""

import numpy as np
import pytest
from scipy.stats import nbinom

import kundenwert as kw
from kundenwert.models.bgbb import BGBB
from kundenwert.models.bgcnbd import BGCNBD
from kundenwert.models.core import NUMPY, history_of
from kundenwert.models.mbgcnbd import MBGCNBD
from kundenwert.testing._contracts import contract_case
from kundenwert.testing._population import purchase_case
from tests.customers import histories_of, log_likelihood

HISTORIES = histories_of(
    [0, 0, 1, 1, 3, 12, 12], [0, 0, 1.0, 30.0, 20.0, 35.0, 80.0], [0.0, 40.0, 40.0, 40.0, 40.0, 40.0, 85.0]
)
X, T_X, T = HISTORIES.frequency, HISTORIES.recency, HISTORIES.T
DELTA = np.log1p(0.15) / 365.25
QUESTIONS = {
    "log-likelihood": log_likelihood,
    "P(alive)": lambda p, h: p.p_alive(h)["mean"],
    "P(alive) later": lambda p, h: p.p_alive(h, ahead=kw.days(20))["mean"],
    "purchases": lambda p, h: p.expected_purchases(h, horizon=kw.days(60))["mean"],
    "purchases later": lambda p, h: p.expected_purchases(h, horizon=kw.days(9), start=kw.days(20))["mean"],
    "returns": lambda p, h: p.return_probability(h, horizon=kw.days(30))["mean"],
    "counts": lambda p, h: p.purchase_distribution(h, horizon=kw.days(30), up_to=4),
    "discounted": lambda p, h: p.discounted_purchases(h, annual_discount_rate=0.15, horizon=kw.days(300))["mean"],
    "for life": lambda p, h: p.discounted_purchases(h, annual_discount_rate=0.15, horizon=kw.LIFETIME)["mean"],
}


def posterior_of(model, **parameters):
    return kw.fixed(model.Parameters(**parameters, unit="day"))


def assert_same(one, other, rtol, leave_out=()):
    for name, ask in QUESTIONS.items():
        if name not in leave_out:
            np.testing.assert_allclose(ask(one, HISTORIES), ask(other, HISTORIES), rtol=rtol, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("condensed, plain", [(BGCNBD, kw.BGNBD), (MBGCNBD, kw.MBGNBD)])
@pytest.mark.parametrize("r, alpha, a, b", [(0.25, 4.4, 0.8, 2.4), (3.0, 200.0, 1.0, 0.02), (6.0, 9.0, 30.0, 200.0)])
def test_gaps_of_one_stage_are_random_ones(condensed, plain, r, alpha, a, b):
    parameters = {"r": r, "alpha": alpha, "a": a, "b": b}
    assert_same(posterior_of(condensed, k=1, **parameters), posterior_of(plain, **parameters), 1e-9)


@pytest.mark.parametrize(
    "r, alpha, s, beta", [(0.55, 10.6, 0.6, 11.7), (3.0, 20.0, 1.0, 200.0), (6.0, 9.0, 8.0, 500.0)]
)
def test_without_aging_a_gompertz_lifetime_is_a_pareto_one(r, alpha, s, beta):
    aging = 1e-9  # per day: expectations differ by about as much, times the days
    gompertz = posterior_of(kw.GGompNBD, r=r, alpha=alpha, b=aging, s=s, beta=aging * beta)
    pareto = posterior_of(kw.ParetoNBD, r=r, alpha=alpha, s=s, beta=beta)
    assert_same(gompertz, pareto, 1e-6, leave_out=["for life"])  # of years, in which aging tells


@pytest.mark.parametrize("model", [kw.BGNBD, kw.MBGNBD, kw.ParetoNBD])
def test_if_nobody_leaves_they_are_all_the_nbd(model):
    """Ehrenberg (1959): rates are Gamma(n, A) and stay so."""
    r, alpha = 0.4, 12.0
    never = {"s": 1e-12, "beta": 50.0} if model is kw.ParetoNBD else {"a": 1e-12, "b": 2.0}
    posterior = posterior_of(model, r=r, alpha=alpha, **never)
    n, A = r + X, alpha + T
    expected = {
        "P(alive)": np.ones(len(X)),
        "P(alive) later": np.ones(len(X)),
        "purchases": n * 60 / A,
        "purchases later": n * 9 / A,
        "returns": 1 - (A / (A + 30)) ** n,
        "discounted": n / A * -np.expm1(-DELTA * 300) / DELTA,
        "for life": n / A / DELTA,
    }
    for name, values in expected.items():
        np.testing.assert_allclose(QUESTIONS[name](posterior, HISTORIES), values, rtol=1e-8, err_msg=name)
    counts = QUESTIONS["counts"](posterior, HISTORIES)
    for m in range(5):
        np.testing.assert_allclose(counts[m], nbinom.pmf(m, n, A / (A + 30)), rtol=1e-8)


ALIKE = 1e6  # shape of parameters that are nearly the same for all; expectations differ by a few millionths
RATE, DROPOUT = 0.1, 0.15


def test_alike_customers_who_leave_after_a_repeat_purchase():
    """BG/NBD given lambda and p: Fader, Hardie & Lee (2005), section 3."""
    posterior = posterior_of(kw.BGNBD, r=ALIKE, alpha=ALIKE / RATE, a=ALIKE * DROPOUT, b=ALIKE * (1 - DROPOUT))
    check_alike(posterior, np.where(X > 0, DROPOUT / (1 - DROPOUT), 0.0))


def test_alike_customers_who_may_leave_at_once():
    """MBG/NBD given lambda and p: Batislam, Denizel & Filiztekin (2007)."""
    posterior = posterior_of(kw.MBGNBD, r=ALIKE, alpha=ALIKE / RATE, a=ALIKE * DROPOUT, b=ALIKE * (1 - DROPOUT))
    check_alike(posterior, np.full(len(X), DROPOUT / (1 - DROPOUT)))


def check_alike(posterior, odds):
    """`odds` of leaving, rather than staying, after the last purchase."""
    p_alive = 1 / (1 + odds * np.exp(RATE * (T - T_X)))
    leaving = RATE * DROPOUT
    expected = {
        "P(alive)": p_alive,
        "P(alive) later": p_alive * np.exp(-leaving * 20),
        "purchases": p_alive * -np.expm1(-leaving * 60) / DROPOUT,
        "purchases later": p_alive * np.exp(-leaving * 20) * -np.expm1(-leaving * 9) / DROPOUT,
        "returns": p_alive * -np.expm1(-RATE * 30),
        "discounted": p_alive * RATE * -np.expm1(-(leaving + DELTA) * 300) / (leaving + DELTA),
        "for life": p_alive * RATE / (leaving + DELTA),
    }
    for name, values in expected.items():
        np.testing.assert_allclose(QUESTIONS[name](posterior, HISTORIES), values, rtol=1e-4, err_msg=name)


def test_alike_customers_leave_at_a_purchase_or_between_them_with_the_same_purchases():
    """Pareto/NBD with rates lambda and mu, and MBG/NBD with rate lambda + mu and dropout mu/(lambda + mu).

    Each gap ends in a purchase with probability lambda/(lambda + mu) either way. P(alive) is another thing: a customer
    of MBG/NBD has left right after the last purchase.
    """
    leaving = 0.02
    shape = ALIKE * leaving / (RATE + leaving)
    pareto = posterior_of(kw.ParetoNBD, r=ALIKE, alpha=ALIKE / RATE, s=ALIKE, beta=ALIKE / leaving)
    geometric = posterior_of(kw.MBGNBD, r=ALIKE, alpha=ALIKE / (RATE + leaving), a=shape, b=ALIKE - shape)
    for name in ("purchases", "purchases later", "returns", "counts", "discounted", "for life"):
        one, other = (QUESTIONS[name](posterior, HISTORIES) for posterior in (pareto, geometric))
        np.testing.assert_allclose(one, other, rtol=1e-4, err_msg=name)
    assert (QUESTIONS["P(alive)"](pareto, HISTORIES)[1:] > QUESTIONS["P(alive)"](geometric, HISTORIES)[1:]).all()


def test_alike_customers_who_buy_at_opportunities():
    """BG/BB given p and theta: Fader, Hardie & Shang (2010), section 3; `silent` is an opportunity left unused."""
    buy, leave, size = 0.3, 0.1, 100 * ALIKE
    case = purchase_case(
        BGBB.Parameters(alpha=size * buy, beta=size * (1 - buy), gamma=size * leave, delta=size * (1 - leave))
    )
    values, cells, rows = case.values, case.cells, slice(0, len(case.cells))
    silent = (1 - leave) * (1 - buy)
    unused = cells["T"] - cells["t_x"]
    p_alive = silent**unused / (silent**unused + leave * (1 - silent**unused) / (1 - silent))
    stays = (1 - leave) * np.exp(-DELTA)
    expected = {
        "P(alive)": (values.p_alive(cells, 0.0), p_alive),
        "P(alive) later": (values.p_alive(cells, 5.0), p_alive * (1 - leave) ** 5),
        "purchases": (values.purchases(cells, 0.0, 6.0), p_alive * buy * sum((1 - leave) ** j for j in range(1, 7))),
        "returns": (values.returns(cells, 6.0), p_alive * (1 - leave) * buy * (1 - silent**6) / (1 - silent)),
        "for life": (values.discounted_purchases(cells, DELTA, np.inf), p_alive * buy * stays / (1 - stays)),
    }
    for name, (block, truth) in expected.items():
        np.testing.assert_allclose(block(rows)[:, 0], truth, rtol=1e-5, err_msg=name)


@pytest.mark.parametrize("gamma, delta", [(0.7, 1.2), (0.01, 0.02), (300.0, 9000.0)])
def test_churn_that_does_not_change_with_tenure_is_geometric(gamma, delta):
    weibull = contract_case(kw.BetaDiscreteWeibull.Parameters(gamma=gamma, delta=delta, c=1.0))
    geometric = contract_case(kw.ShiftedBetaGeometric.Parameters(gamma=gamma, delta=delta))
    likelihoods = [
        case.model.log_likelihood(case.theta, history_of(case.cells.columns), NUMPY) for case in (weibull, geometric)
    ]
    np.testing.assert_allclose(likelihoods[0], likelihoods[1], rtol=1e-10)
    for ahead in (1, 5, 300):
        np.testing.assert_allclose(weibull.living().survival(ahead), geometric.living().survival(ahead), rtol=1e-10)
    for rate, horizon in [(0.0, 12.0), (0.1, 12.0), (0.1, np.inf)]:
        one, other = (case.living().renewals(rate, horizon) for case in (weibull, geometric))
        np.testing.assert_allclose(one, other, rtol=1e-9)
