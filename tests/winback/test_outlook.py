"""Values over a window: the identity of organic returns, second lives against closed forms and simulation."""

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import gammaln, hyp2f1

import kundenwert as kw
from kundenwert.duration import LIFETIME
from kundenwert.winback.outlook import Outlook, value_given_return
from kundenwert.winback.setting import distinct_customers
from tests.customers import histories_of, with_draws
from tests.revivals import with_gaps
from tests.winback import reviving

THETA = {"r": 0.5, "alpha": 10.0, "a": 0.8, "b": 2.4}
X, T_X, T = [0, 1, 4, 20], [0, 5, 20, 30.0], [20, 20.0, 40, 39]
DELTA = math.log(1.15) * 7 / 365.25
H = 13.0
ONE = kw.KnownAmount(1.0)
EVERY = slice(0, 4)
MODELS = (
    kw.BGNBD.Parameters(**THETA, unit="week"),
    kw.MBGNBD.Parameters(**THETA, unit="week"),
    kw.BGCNBD.Parameters(k=2, **THETA, unit="week"),
    kw.MBGCNBD.Parameters(k=3, **THETA, unit="week"),
    kw.RevivalNBD.Parameters(**reviving.THETA, unit="week"),
    kw.RevivalNBD.Parameters(k=2, **reviving.THETA, unit="week"),
)
REGULAR, REVIVING = MODELS[2:4], MODELS[4:]
NAMES = ("BGNBD", "MBGNBD", "BGCNBD", "MBGCNBD", "RevivalNBD", "RevivalNBD, k=2")


def histories_for(parameters):
    """Four customers, with their gaps if the model looks at them."""
    if isinstance(parameters, kw.RevivalNBD.Parameters):
        return reviving.customers()
    return histories_of(X, T_X, T, unit="week")


def outlook_of(posterior, economics, *, x=X, t_x=T_X, T=T, histories=None, horizon=LIFETIME, spend=ONE, wait=0.0):
    histories = histories_of(x, t_x, T, unit="week") if histories is None else histories
    kinds, _ = distinct_customers(posterior, spend, histories, economics, horizon=horizon, customers=None, draws=200)
    return Outlook.of(kinds, spend, economics, window=kw.weeks(H), wait=wait)


def second_life(n, later, a, b):
    """E[2F1(1, b; a + b; v)], v = lambda/(lambda + delta), lambda ~ Gamma(n, later), by the trapezoidal rule."""
    y = np.linspace(-120 / min(n, 1), math.log(n + 40 + 12 * math.sqrt(n)), 6001)
    density = np.exp(n * y - np.exp(y) - gammaln(n))
    worth = hyp2f1(1, b, a + b, np.exp(y) / (np.exp(y) + DELTA * later))
    return float((density * worth).sum() * (y[1] - y[0]))


def plain(**more):
    return kw.Economics(margin=1.0, annual_discount_rate=0.15, **more)


@pytest.mark.every(5)
@pytest.mark.parametrize("parameters", MODELS, ids=NAMES)
@pytest.mark.parametrize("horizon", [LIFETIME, kw.weeks(104)])
def test_what_returners_and_others_are_worth_adds_up_to_the_value(parameters, horizon):
    posterior, histories = kw.fixed(parameters), histories_for(parameters)
    outlook = outlook_of(posterior, plain(), horizon=horizon, histories=histories)
    chances, worth = outlook.chances(EVERY), outlook.worth(EVERY)
    silent = chances.probability - chances.returns
    total = (worth.returning + silent * worth.waiting).sum(axis=0)[outlook.kinds.index, 0]
    expected = kw.net_present_value(posterior, ONE, histories, plain(), horizon=horizon)
    assert total == pytest.approx(expected["mean"].to_numpy(), rel=1e-9)


@pytest.mark.parametrize("parameters", REVIVING, ids=NAMES[4:])
def test_values_of_customers_who_may_be_dormant_are_those_of_all_that_may_have_happened(parameters):
    """Sums over which gaps were dormant, and integrals over lambda and p, against averages by tables."""
    outlook = outlook_of(kw.fixed(parameters), plain(), histories=reviving.customers())
    chances, worth = outlook.chances(EVERY), outlook.worth(EVERY)
    assert outlook.names == reviving.STATES
    for customer, row in enumerate(outlook.kinds.index):
        now, later = (reviving.alternatives(reviving.THETA, parameters.k, customer, ahead) for ahead in (0.0, H))
        for kind in range(3):
            share = later.probability(kind)
            truth = (
                now.probability(kind),
                now.returns(kind, H),
                now.returning(kind, H, DELTA),
                math.exp(-DELTA * H) * later.value(kind, DELTA) / share,
                math.exp(-DELTA * H / 2) * later.brought_back(kind, DELTA) / share,
            )
            ours = [part[kind, row, 0] for part in (*chances, *worth[:3])]
            assert ours == pytest.approx(truth, rel=1e-7, abs=1e-10)


def test_value_of_organic_returns_is_the_integral_over_the_time_of_return():
    """p0 V0 E[exp(-delta tau); tau <= h], with V0 at each time of return from the posterior at that time."""
    outlook = outlook_of(kw.fixed(MODELS[1]), plain())
    chances, worth = outlook.chances(EVERY), outlook.worth(EVERY)
    r, alpha, a, b = THETA.values()
    for row, (x, t) in enumerate(zip(X, T, strict=True)):
        n, later, b_alive = r + x, alpha + t, b + x + 1

        def arrivals(tau, n=n, later=later, b_alive=b_alive):
            value = second_life(n + 1, later + tau, a, b_alive)
            return n / later * (1 + tau / later) ** -(n + 1) * math.exp(-DELTA * tau) * value

        truth = chances.probability[0, row, 0] * quad(arrivals, 0, H, epsrel=1e-11)[0]
        assert worth.returning[0, row, 0] == pytest.approx(truth, rel=1e-9)


def test_second_lives_are_those_of_the_formula():
    """E[(lambda + delta)/(delta + p lambda)], by what is known of those who stayed away, or were gone."""
    outlook = outlook_of(kw.fixed(MODELS[1]), plain())
    worth = outlook.worth(EVERY)
    r, alpha, a, b = THETA.values()
    for row, (x, t_x, t) in enumerate(zip(X, T_X, T, strict=True)):
        laws = ((r + x, alpha + t + H, a, b + x + 1), (r + x, alpha + t_x, a + 1, b + x))
        for kind, law in enumerate(laws):
            truth = math.exp(-DELTA * H / 2) * second_life(*law)
            assert worth.regained[kind, row, 0] == pytest.approx(truth, rel=1e-9)


@pytest.mark.parametrize("parameters", REGULAR, ids=NAMES[2:4])
def test_second_lives_of_regular_buyers_are_those_of_simulated_customers(parameters):
    """Customers are simulated; those with a history who do not return are made to buy, and go on as they are."""
    rng, size = np.random.default_rng(1), 2_000_000
    k, first = parameters.k, 0 if isinstance(parameters, kw.BGCNBD.Parameters) else 1
    rate, p = rng.gamma(THETA["r"], 1 / THETA["alpha"], size), rng.beta(THETA["a"], THETA["b"], size)
    # one purchase around t = 6, silence until 20 + 13
    stayed = (rng.random(size) >= p) if first else np.ones(size, dtype=bool)
    at = np.where(stayed, rng.standard_gamma(k, size) / rate, np.inf)
    stays = rng.random(size) >= p
    then = at + np.where(stays, rng.standard_gamma(k, size) / rate, np.inf)
    here = (at > 5.5) & (at < 6.5) & (then > 20 + H)
    outlook = outlook_of(kw.fixed(parameters), plain(), x=[1], t_x=[6.0], T=[20.0])
    worth = outlook.worth(slice(0, 1)).regained[:, 0, 0]
    for kind, who in enumerate((here & stays, here & ~stays)):
        # from the return: (1 - p) leaves room for v^k/(1 - (1 - p) v^k) purchases more
        v = (rate[who] / (rate[who] + DELTA)) ** k
        values = np.exp(-DELTA * H / 2) / (1 - (1 - p[who]) * v)
        error = values.std() / math.sqrt(who.sum())
        assert who.sum() > 500
        # the time of the purchase is known to half a week only
        assert worth[kind] == pytest.approx(values.mean(), abs=3 * error + 0.02 * values.mean())


def test_draws_are_tabulated_as_precisely_as_values():
    draws = {name: value * np.array([0.8, 1.0, 1.3]) for name, value in THETA.items()}
    rng = np.random.default_rng(2)
    x = rng.poisson(1, 120)
    t_x = np.where(x > 0, rng.uniform(1, 60, 120).round(1), 0)
    T = t_x + rng.uniform(0, 80, 120).round(1)
    outlook = outlook_of(with_draws(kw.MBGNBD, unit="week", **draws), plain(), x=x, t_x=t_x, T=T)
    every = slice(0, len(outlook))
    worth = outlook.worth(every)
    one = kw.MBGNBD.Parameters(**{name: float(value[1]) for name, value in draws.items()}, unit="week")
    alone = outlook_of(kw.fixed(one), plain(), x=x, t_x=t_x, T=T).worth(every)
    for part, truth in zip(worth[:3], alone[:3], strict=True):
        assert part[..., 1] == pytest.approx(truth[..., 0], rel=1e-6, abs=1e-6)


def test_tables_of_customers_who_may_be_dormant_are_precise_however_long_they_are_silent():
    """P(returns) of a kind may be tiny, and what those are worth who do is a difference of two tables."""
    rng = np.random.default_rng(3)
    draws = {name: value * np.exp(0.1 * rng.normal(size=12)) for name, value in reviving.THETA.items()}
    many = with_draws(kw.RevivalNBD, unit="week", **draws)
    histories = with_gaps([[], [1.0], [0.5] * 20, [30.0, 40.0]] * 3, np.repeat([0.0, 30.0, 1000.0], 4))
    every = slice(0, 12)
    outlook = outlook_of(many, plain(), histories=histories)
    alone = outlook_of(many.chosen(np.array([5])), plain(), histories=histories)
    (chances, worth), (chance, truth) = ((each.chances(every), each.worth(every)) for each in (outlook, alone))
    likely = chance.probability[..., 0] > 1e-6
    given, exactly = value_given_return(chances, worth)[..., 5], value_given_return(chance, truth)[..., 0]
    assert given[likely] == pytest.approx(exactly[likely], rel=1e-5)
    for part, exact in zip((*chances, *worth[:3]), (*chance, *truth[:3]), strict=True):
        assert part[..., 5][likely] == pytest.approx(exact[..., 0][likely], rel=1e-5, abs=1e-12)


def test_costs_growth_referral_and_units_enter_as_in_net_present_value():
    economics = kw.Economics(
        margin=kw.Growing(start=0.4, annual_growth_rate=0.03),
        annual_discount_rate=kw.Schedule([0.10, 0.20], every=kw.weeks(5)),
        order_cost=0.05,
        referral=kw.Referral(per_purchase=0.02, value=3.0),
    )
    posterior, spend = kw.fixed(MODELS[1]), kw.KnownAmount(2.0)
    outlook = outlook_of(posterior, economics, spend=spend)
    chances, worth = outlook.chances(EVERY), outlook.worth(EVERY)
    total = (worth.returning + (chances.probability - chances.returns) * worth.waiting).sum(axis=0)[:, 0]
    histories = histories_of(X, T_X, T, unit="week")
    expected = kw.net_present_value(posterior, spend, histories, economics, horizon=LIFETIME)
    assert total == pytest.approx(expected["mean"].to_numpy(), rel=1e-9)


@pytest.mark.parametrize("parameters", [MODELS[1], *REVIVING], ids=["MBGNBD", *NAMES[4:]])
def test_waiting_shifts_histories_and_nothing_else(parameters):
    """After a wait, values are those of customers who have been silent for longer."""
    posterior = kw.fixed(parameters)
    later = outlook_of(posterior, plain(), wait=8.0, histories=histories_for(parameters))
    longer = histories_of(X, T_X, np.add(T, 8.0), unit="week")
    if parameters in REVIVING:
        longer = reviving.customers(np.add(reviving.SILENCES, 8.0))
    shifted = outlook_of(posterior, plain(), histories=longer)
    for ours, theirs in zip(later.worth(EVERY)[:3], shifted.worth(EVERY)[:3], strict=True):
        assert ours == pytest.approx(theirs, rel=1e-12)
    assert later.later_probability(EVERY) == pytest.approx(shifted.later_probability(EVERY))


def test_gone_customers_were_faster_and_left_more_easily():
    """What makes their second life another one than that of customers who are still there."""
    from kundenwert.models.core import history_of

    model, x, t_x = kw.MBGNBD(), np.array([[2.0]]), np.array([[30.0]])
    theta = model.named([np.array([value]) for value in THETA.values()])
    (alive,), gone = model.revived(theta, x, np.array([[52.0]])), model.regained(theta, x, t_x)
    assert gone.customer.n / gone.customer.A > alive.customer.n / alive.customer.A  # type: ignore[attr-defined]
    assert gone.stay < alive.stay
    assert history_of({"x": x.ravel()})["x"].shape == (1, 1)


def test_value_given_return_is_not_told_from_a_tiny_difference():
    outlook = outlook_of(kw.fixed(MODELS[1]), plain(), x=[0, 200], t_x=[0, 40.0], T=[3000.0, 40.0])
    every = slice(0, 2)
    given = value_given_return(outlook.chances(every), outlook.worth(every))
    assert np.isfinite(given).all()
    assert (given > 0).all()


def test_what_cannot_be_planned_is_refused():
    posterior = kw.fixed(MODELS[1])
    with pytest.raises(kw.errors.SpecificationError, match="continuous"):
        outlook_of(posterior, plain(discounting=kw.EndOfPeriod(kw.weeks(4))))
    with pytest.raises(kw.errors.SpecificationError, match="window"):
        outlook_of(posterior, plain(), horizon=kw.weeks(13))
    with pytest.raises(kw.errors.InfiniteValueError):
        outlook_of(posterior, kw.Economics(margin=1.0, annual_discount_rate=0.0))
    pareto = kw.fixed(kw.ParetoNBD.Parameters(r=0.5, alpha=10.0, s=0.6, beta=11.0, unit="week"))
    with pytest.raises(kw.errors.SpecificationError, match="RevivalNBD"):
        outlook_of(pareto, plain())
