"""The checks for third-party models: each finds the mistake it is there for, and says where."""

import dataclasses
import math
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import kundenwert as kw
from kundenwert.errors import ModelError, SpecificationError
from kundenwert.models import AliveCustomer, LivingContract, SpendModel
from kundenwert.models.kernels.beta_erlang import BetaErlang
from kundenwert.models.kernels.beta_mixture import BetaMixture
from kundenwert.models.shifted_beta_geometric import GeometricContract
from kundenwert.testing import check_contract_model, check_purchase_model, check_spend_model
from kundenwert.testing._ahead import AHEAD_CHECKS
from kundenwert.testing._contracts import CONTRACT_CHECKS, contract_case
from kundenwert.testing._population import purchase_case
from kundenwert.testing._spend import SPEND_CHECKS, spend_case
from kundenwert.testing.checking import PURCHASE_CHECKS
from tests.customers import histories_of

RIGHT = kw.MBGNBD()
PURCHASES: dict[str, Any] = {"r": 0.9, "alpha": 7.0, "a": 0.8, "b": 2.4, "unit": "day"}
SPEND: dict[str, Any] = {"p": 6.25, "q": 5.5, "gamma": 15.44}


def parameters_of(model, values, changed):
    """Parameters of a model in which some methods are others."""
    wrong = type(f"Own{model.__name__}", (model,), {name: staticmethod(method) for name, method in changed.items()})
    made = type("Parameters", (model.Parameters,), {"model": lambda _: wrong()})
    return made(**values)


def living(**changed):
    """Customers with other methods."""
    customer: Any = dataclasses.dataclass(frozen=True)(type("Customer", (BetaMixture,), changed))

    def alive(theta, x, T):
        right = RIGHT.alive(theta, x, T)[0]
        return (customer(n=right.n, A=right.A, a=right.a, b=right.b),)

    return {"alive": alive}


def scaled(method, factor):
    original = getattr(BetaMixture, method)
    return living(**{method: lambda self, *args: factor * original(self, *args)})


def states(change):
    return {"p_states": lambda theta, h, f: change(RIGHT.p_states(theta, h, f), h)}


def likelihood(change):
    return {"log_likelihood": lambda theta, h, f: RIGHT.log_likelihood(theta, h, f) + change(theta, h, f)}


def simulator(change):
    def simulate(theta, T, rng):
        purchases = RIGHT.simulate(theta, T, rng)
        chosen = change(purchases, rng)
        return dataclasses.replace(purchases, customer=purchases.customer[chosen], time=purchases.time[chosen])

    return {"simulate": simulate}


def late(self, start, horizon):
    return BetaMixture.purchases(self, 0.0 if start > 0 else start, horizon)


def third_count_is_wrong(self, count, horizon):
    return BetaMixture.count_probability(self, count, horizon) * (0.9 if count == 2 else 1.0)


def at_another_rate(self, rate, horizon):
    return BetaMixture.discounted_purchases(self, 1.1 * rate, horizon)


def too_short_a_life(self, rate, horizon):
    return BetaMixture.discounted_purchases(self, rate, min(horizon, 300.0))


def futures(**other):
    """Living customers who buy as others would, with fields of whom these are functions."""

    def simulate(self, horizon, rng):
        changed = {name: np.broadcast_to(change(self), self.n.shape) for name, change in other.items()}
        return BetaMixture.simulate(dataclasses.replace(self, **changed), horizon, rng)

    return living(simulate=simulate)


def from_the_first_purchase(self, horizon, rng):
    bought = BetaMixture.simulate(self, horizon, rng)
    return dataclasses.replace(bought, time=bought.time + self.A[bought.customer] - 7.0)


# what is changed, and the check that has to find it
MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "P(alive) a little too large": (states(lambda p, _: 1.001 * p), "silence_is_as_likely_as_the_likelihood_says"),
    "P(alive) above one": (states(lambda p, _: 2.0 * p), "probabilities_are_probabilities"),
    "P(alive) depends on the others": (
        states(lambda p, _: np.sort(p, 1)),
        "the_order_of_customers_makes_no_difference",
    ),
    "P(alive) depends on the unit": (states(lambda p, h: p ** (1 + h["T"])), "the_unit_of_time_makes_no_difference"),
    "P(alive) hardly falls": (states(lambda p, _: p**0.2), "silence_moves_p_alive_by_bayes_rule"),
    "states have no axis": (states(lambda p, _: p[0]), "arrays_have_their_shapes"),
    "purchases 0.1 % high": (scaled("purchases", 1.001), "counts_have_the_expected_mean"),
    "purchases from another start": (living(purchases=late), "purchases_of_adjoining_periods_add_up"),
    "survival 1 % high": (scaled("survival", 1.01), "nothing_happens_in_no_time"),
    "everybody survives": (
        living(survival=lambda self, ahead: np.ones(self.n.shape) + 0 * ahead),
        "p_alive_now_is_the_average_of_p_alive_later",
    ),
    "returns 0.1 % high": (scaled("returns", 1.001), "a_return_is_at_least_one_purchase"),
    "returns fall": (living(returns=lambda self, h: self.A / (self.A + h)), "more_happens_in_more_time"),
    "one count 10 % low": (living(count_probability=third_count_is_wrong), "counts_have_the_expected_mean"),
    "another discount rate": (
        living(discounted_purchases=at_another_rate),
        "discounting_is_an_integral_over_time",
    ),
    "life ends after 300 days": (
        living(discounted_purchases=too_short_a_life),
        "discounting_makes_a_lifetime_finite",
    ),
    "a loose error is too loose": (
        living(within=lambda self, error: dataclasses.replace(self, n=self.n * (1 + 100 * error))),
        "a_looser_error_changes_little",
    ),
    "customers are those of the first draw": (
        {"alive": lambda theta, x, T: RIGHT.alive(theta._replace(r=0 * theta.r + theta.r[0]), x, T)},
        "many_draws_are_as_good_as_one",
    ),
    "a term of the likelihood is missing": (
        likelihood(lambda theta, h, f: 0.1 * f.log(theta.alpha) + 0 * h["x"]),
        "the_likelihood_turns_one_population_into_another",
    ),
    "the likelihood sees the others": (
        likelihood(lambda theta, h, f: 0.001 * h["x"].mean() * f.log(theta.alpha) + 0 * h["x"]),
        "the_order_of_customers_makes_no_difference",
    ),
    "PyTensor gets another likelihood": (
        likelihood(lambda theta, h, _: 0 * h["x"] if isinstance(theta.r, np.ndarray) else h["x"] * theta.r),
        "numpy_and_pytensor_agree",
    ),
    "every twentieth purchase is lost": (
        simulator(lambda purchases, rng: rng.random(len(purchases.time)) > 0.05),
        "new_customers_buy_as_often_as_predicted",
    ),
    "purchases are not in order": (
        simulator(lambda purchases, _: np.arange(len(purchases.time))[::-1]),
        "simulated_purchases_are_possible",
    ),
    "watched too long": (
        {"simulate": lambda theta, T, rng: RIGHT.simulate(theta, 2 * T, rng)},
        "simulated_purchases_are_possible",
    ),
    "chance of its own": (
        {"simulate": lambda theta, T, _: RIGHT.simulate(theta, T, np.random.default_rng())},
        "simulated_purchases_are_possible",
    ),
    "nobody leaves at first": (
        {"simulate": lambda theta, T, rng: kw.BGNBD().simulate(theta, T, rng)},
        "futures_average_to_the_predictions",
    ),
    "futures with one chance to leave less": (futures(b=lambda self: self.b + 1), "simulated_futures_average"),
    "futures of the population": (futures(n=lambda _: 0.9, A=lambda _: 7.0), "simulated_futures_average"),
    "futures in which everybody leaves alike": (
        futures(a=lambda self: 1e6 * self.a, b=lambda self: 1e6 * self.b),
        "simulated_futures_average",
    ),
    "futures in which everybody buys alike": (
        futures(n=lambda self: 1e6 * self.n, A=lambda self: 1e6 * self.A),
        "simulated_futures_average",
    ),
    "futures of which half is simulated": (
        living(simulate=lambda self, horizon, rng: BetaMixture.simulate(self, horizon / 2, rng)),
        "simulated_futures_average",
    ),
    "futures counted from the first purchase": (living(simulate=from_the_first_purchase), "simulated_futures_are"),
    "futures by chance of their own": (
        living(simulate=lambda self, horizon, _: BetaMixture.simulate(self, horizon, np.random.default_rng())),
        "simulated_futures_are",
    ),
    "always per week": (
        {"parameters_of": lambda quantities, _: RIGHT.parameters_of(quantities, "week")},
        "quantities_and_parameters_are_two_ways_to_say_the_same",
    ),
    "a probability above one": (
        {"quantities_of": lambda theta, unit: (*RIGHT.quantities_of(theta, unit)[:2], 1 + theta.a, theta.a + theta.b)},
        "quantities_and_parameters_are_two_ways_to_say_the_same",
    ),
}


def named(checks, name):
    return next(check for check in checks if check.__name__.startswith(name))


@pytest.mark.parametrize("mistake", MISTAKES)
def test_every_mistake_is_found(mistake):
    changed, name = MISTAKES[mistake]
    case = purchase_case(parameters_of(kw.MBGNBD, PURCHASES, changed), customers=60_000)
    with pytest.raises(ModelError):
        named(PURCHASE_CHECKS, name)(case)


REGULAR: dict[str, Any] = {"k": 3, "r": 2.0, "alpha": 2.0, "a": 0.8, "b": 4.0, "unit": "day"}


@pytest.mark.parametrize("phase", [lambda _: 0, lambda phase: (phase + 1) % 3], ids=["ignored", "off by one"])
def test_phases_have_to_be_right_in_futures(phase):
    """The rate of stages and the phase stand apart, so that a wrong phase is the only mistake."""

    def simulate(self, horizon, rng):
        return BetaErlang(self.k, phase(self.phase), self.n, self.A, self.a, self.b).simulate(horizon, rng)

    wrong: Any = type("Customer", (BetaErlang,), {"simulate": simulate})

    def alive(theta, x, T):
        right: Any = kw.MBGCNBD(k=3).alive(theta, x, T)
        return tuple(wrong(c.k, c.phase, c.n, c.A, c.a, c.b) for c in right)

    model = type("MBGCNBD", (kw.MBGCNBD,), {"alive": staticmethod(alive)})
    made = type("Parameters", (kw.MBGCNBD.Parameters,), {"model": lambda self: model(k=self.k)})
    case = purchase_case(made(**REGULAR), customers=60_000)
    with pytest.raises(ModelError, match=r"of those in state [012] after"):
        named(PURCHASE_CHECKS, "simulated_futures_average")(case)


def test_living_customers_need_not_be_simulated():
    without = living(simulate=AliveCustomer.simulate)
    case = purchase_case(parameters_of(kw.MBGNBD, PURCHASES, without), customers=3000)
    for check in AHEAD_CHECKS:
        check(case)
    bare = type("GammaGamma", (kw.GammaGamma,), {"simulate_ahead": SpendModel.simulate_ahead})
    made = type("Parameters", (kw.GammaGamma.Parameters,), {"model": lambda _: bare(money_scale=20.0)})
    named(SPEND_CHECKS, "amounts_to_come")(spend_case(made(**SPEND), customers=3000))
    contract = type("Contract", (GeometricContract,), {"simulate": LivingContract.simulate})
    lives = {"living": lambda theta, _, tenure: contract(theta[0], theta[1] + tenure)}
    values = {"gamma": 0.7, "delta": 1.2}
    named(CONTRACT_CHECKS, "contracts_to_come")(contract_case(parameters_of(kw.ShiftedBetaGeometric, values, lives)))


def spend(method, change):
    right = kw.GammaGamma(money_scale=20.0)
    return {method: lambda *args: change(getattr(right, method)(*args), *args)}


SPEND_MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "half of the mean": (spend("expected_spend", lambda mean, *_: mean / 2), "the_next_amount_averages"),
    "no mean": (spend("expected_spend", lambda mean, *_: np.inf * mean), "amounts_are_positive"),
    "the mean for the median": (
        {"median_spend": kw.GammaGamma().expected_spend},
        "half_of_the_customers",
    ),
    "the likelihood of the total with another power": (
        spend("log_likelihood", lambda value, theta, h, f: value + 0.1 * f.log(theta.p) + 0 * h["x"]),
        "the_likelihood_turns",
    ),
    "a fixed prior in one currency": ({"prepared": lambda _: kw.GammaGamma(money_scale=20.0)}, "the_currency"),
    "another customer for every purchase": (
        {
            "simulate": lambda theta, customer, rng: kw.GammaGamma().simulate(theta, np.arange(len(customer)), rng),
        },
        "the_next_amount",
    ),
}


def amounts_ahead(change):
    right: Any = kw.GammaGamma(money_scale=20.0)
    return {"simulate_ahead": lambda theta, h, customer, rng: right.simulate_ahead(*change(theta, h, customer), rng)}


SPEND_MISTAKES |= {
    "amounts to come of the population": (
        amounts_ahead(lambda theta, h, customer: (theta, {"x": 0 * h["x"], "total": 0 * h["total"]}, customer)),
        "amounts_to_come",
    ),
    "amounts to come after one purchase less": (
        amounts_ahead(lambda theta, h, customer: (theta, {"x": h["x"] - (h["x"] > 0), "total": h["total"]}, customer)),
        "amounts_to_come",
    ),
    "another level for every amount to come": (
        amounts_ahead(
            lambda theta, h, customer: (
                theta._replace(p=theta.p[customer], q=theta.q[customer], gamma=theta.gamma[customer]),
                {"x": h["x"][customer], "total": h["total"][customer]},
                np.arange(len(customer)),
            )
        ),
        "amounts_to_come",
    ),
}


@pytest.mark.parametrize("mistake", SPEND_MISTAKES)
def test_every_mistake_about_spend_is_found(mistake):
    changed, name = SPEND_MISTAKES[mistake]
    case = spend_case(parameters_of(kw.GammaGamma, SPEND, changed), customers=60_000)
    check = next(check for check in SPEND_CHECKS if check.__name__.startswith(name))
    with pytest.raises(ModelError):
        check(case)


CONTRACT = kw.ShiftedBetaGeometric()
CONTRACT_MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "tenure does not matter": (
        {"living": lambda theta, cohort, tenure: CONTRACT.living(theta, cohort, 0 * tenure)},
        "survival_goes_on",
    ),
    "tenure of another renewal": (
        {"living": lambda theta, cohort, tenure: CONTRACT.living(theta, cohort, tenure + 1)},
        "the_likelihood_is",
    ),
    "ends a renewal late": (
        {"simulate": lambda theta, cohort, rng: 1 + CONTRACT.simulate(theta, cohort, rng)},
        "simulated_contracts",
    ),
}


def ending(simulate):
    """Active contracts that end otherwise."""
    contract: Any = type("Contract", (GeometricContract,), {"simulate": simulate})
    return {"living": lambda theta, _, tenure: contract(theta[0], theta[1] + tenure)}


CONTRACT_MISTAKES |= {
    "futures of new contracts": (
        ending(lambda self, rng: GeometricContract(self.gamma, 0 * self.delta + 1.2).simulate(rng)),
        "contracts_to_come",
    ),
    "futures with another tenure": (
        ending(lambda self, rng: GeometricContract(self.gamma, self.delta + 1).simulate(rng)),
        "contracts_to_come",
    ),
    "futures counted from the start": (
        ending(lambda self, rng: GeometricContract.simulate(self, rng) + self.delta - 1.2),
        "contracts_to_come",
    ),
    "the next renewal is number 0": (
        ending(lambda self, rng: GeometricContract.simulate(self, rng) - 1),
        "contracts_to_come",
    ),
}


@pytest.mark.parametrize("mistake", CONTRACT_MISTAKES)
def test_every_mistake_about_contracts_is_found(mistake):
    changed, name = CONTRACT_MISTAKES[mistake]
    case = contract_case(parameters_of(kw.ShiftedBetaGeometric, {"gamma": 0.7, "delta": 1.2}, changed))
    check = next(check for check in CONTRACT_CHECKS if check.__name__.startswith(name))
    with pytest.raises(ModelError):
        check(case)


def test_all_that_fails_is_named_with_a_history_and_numbers():
    wrong = scaled("returns", 1.01) | {"p_states": lambda theta, h, f: RIGHT.p_states(theta, h, f)[0]}
    with pytest.raises(ModelError) as found:
        check_purchase_model(parameters_of(kw.MBGNBD, PURCHASES, wrong), customers=3000)
    message = str(found.value)
    assert message.startswith("OwnMBGNBD lacks ")
    assert (
        "- The return probability is the probability of one purchase or more. But 1 - count_probability(0," in message
    )
    assert " at x=0, T=0, expected " in message
    assert "p_states has shape (" in message
    assert "But it raises ValueError: " in message
    assert isinstance(found.value, AssertionError)


def test_an_error_of_the_model_says_when_it_came_up():
    def broken(theta, ahead):
        raise ZeroDivisionError(theta, ahead)

    with pytest.raises(ZeroDivisionError) as found:
        check_purchase_model(parameters_of(kw.MBGNBD, PURCHASES, living(survival=broken)), customers=3000)
    assert "checking of OwnMBGNBD: Within a horizon of zero all survive" in found.value.__notes__[0]


def test_a_right_model_passes_on_histories_of_ones_own():
    histories = histories_of([0, 2, 7], [0.0, 4.0, 9.0], [3.0, 4.0, 90.0], unit="week")
    right: Any = kw.MBGNBD.Parameters(**PURCHASES)
    check_purchase_model(right, histories=histories, customers=3000, seed=5, fit=True)
    assert purchase_case(right, histories=histories).cells["T"].max() == 630.0  # days


def test_a_fit_that_cannot_find_the_parameters():
    """With a prior by which everybody leaves at once, rates have to be much too high."""
    certain = kw.MBGNBD(mean_dropout=kw.LogitNormal(6.0, 0.01))
    made = type("Parameters", (kw.MBGNBD.Parameters,), {"model": lambda _: certain})
    with pytest.raises(ModelError, match=r"mean_rate was 46.96 in the simulation, which is at 0.00% of its posterior"):
        check_purchase_model(made(**PURCHASES), customers=3000, fit=True)


@pytest.mark.parametrize("check", [check_purchase_model, check_spend_model, check_contract_model])
def test_only_parameters_of_the_right_kind_are_checked(check):
    kinds = {
        check_purchase_model: kw.MBGNBD.Parameters(**PURCHASES),
        check_spend_model: kw.GammaGamma.Parameters(**SPEND),
        check_contract_model: kw.ShiftedBetaGeometric.Parameters(gamma=0.7, delta=1.2),
    }
    for kind, parameters in kinds.items():
        if kind is not check:
            with pytest.raises(SpecificationError, match="expected parameters of a"):
                check(parameters)
    with pytest.raises(SpecificationError, match="takes the parameters of a model"):
        check(kw.MBGNBD())


@pytest.mark.parametrize(
    "needs, error, message",
    [
        (("x", "T", "total"), SpecificationError, "the model needs 'total' as well"),
        (("x", "t_x"), ModelError, "needs at least 'x' and 'T'"),
    ],
)
def test_what_a_model_needs(needs, error, message):
    needy = type("MBGNBD", (kw.MBGNBD,), {"needs": needs})
    made = type("Parameters", (kw.MBGNBD.Parameters,), {"model": lambda _: needy()})
    with pytest.raises(error, match=message):
        check_purchase_model(made(**PURCHASES))


def test_a_scale_of_time_that_is_none():
    with pytest.raises(ModelError, match="time_scale of OwnMBGNBD must be a positive length of time, got nan"):
        check_purchase_model(parameters_of(kw.MBGNBD, PURCHASES, {"time_scale": lambda _: math.nan}))


def test_no_test_framework_is_needed():
    script = "import sys, kundenwert as kw; kw.testing; print('pytest' in sys.modules, 'hypothesis' in sys.modules)"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - our own
    assert done.stdout.split() == ["False", "False"]


def test_a_check_claims_something():
    for check in (*PURCHASE_CHECKS, *SPEND_CHECKS, *CONTRACT_CHECKS):
        claim = (check.__doc__ or "").partition("\n")[0]
        assert claim.endswith("."), check.__name__
        assert len(claim) > 20, check.__name__
