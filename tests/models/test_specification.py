"""What a model refuses: priors and parameters that do not fit, and times without a unit."""

import math
import re
from typing import Any

import pytest

import kundenwert as kw
from kundenwert.errors import (
    DataError,
    DurationError,
    InferenceError,
    InfiniteValueError,
    KundenwertError,
    MissingInformationError,
    SpecificationError,
)
from tests.customers import PURCHASE_MODELS, histories_of

GOOD = {"r": 0.24, "alpha": 4.41, "a": 0.79, "b": 2.43}
HISTORIES = histories_of([0, 1, 3], [0, 5, 30], 38)


def posterior_of(model=kw.BGNBD, **parameters):
    return kw.fixed(model.Parameters(**(GOOD | parameters), unit="day"))


@pytest.mark.parametrize("model", PURCHASE_MODELS)
@pytest.mark.parametrize("name", ["mean_rate", "shape", "mean_dropout", "concentration"])
@pytest.mark.parametrize("value", [3, None, "log-normal", kw.LogNormal], ids=repr)
def test_a_prior_is_a_prior(model, name, value):
    with pytest.raises(SpecificationError, match=f"{name} takes a prior such as.*got {re.escape(repr(value))}"):
        model(**{name: value})


@pytest.mark.parametrize("model", PURCHASE_MODELS)
@pytest.mark.parametrize(
    "priors, message",
    [
        ({"mean_dropout": kw.LogNormal(0, 1)}, "LogNormal does not fit mean_dropout, which is a probability.*Beta"),
        ({"mean_dropout": kw.Gamma(1, 1)}, "Gamma does not fit mean_dropout"),
        ({"mean_rate": kw.Beta(1, 1)}, "Beta does not fit mean_rate, which is positive.*LogNormal"),
        ({"shape": kw.LogitNormal(0, 1)}, "LogitNormal does not fit shape"),
        ({"concentration": kw.Beta(2, 2)}, "Beta does not fit concentration"),
    ],
)
def test_a_prior_has_the_right_support(model, priors, message):
    with pytest.raises(SpecificationError, match=message):
        model(**priors)


@pytest.mark.parametrize("name", ["scale", "p", "q"])
def test_priors_of_spend(name):
    model: Any = kw.GammaGamma
    with pytest.raises(SpecificationError, match=f"Beta does not fit {name}, which is positive"):
        model(**{name: kw.Beta(1, 1)})
    with pytest.raises(SpecificationError, match=f"{name} takes a prior"):
        model(**{name: 3.0})


@pytest.mark.parametrize("model", [kw.GammaGamma, kw.LogNormalSpend])
@pytest.mark.parametrize("money_scale", [0, -5, math.nan, math.inf, 1e300, 10**400, "a", True])
def test_the_money_scale_is_an_amount(model, money_scale):
    with pytest.raises(SpecificationError, match="money_scale must be a positive amount"):
        model(money_scale=money_scale)


@pytest.mark.parametrize("model", PURCHASE_MODELS)
def test_other_priors_that_fit(model):
    quantities = model(mean_rate=kw.Gamma(2, 1), mean_dropout=kw.Beta(2, 5), concentration=kw.Flat()).quantities
    assert [q.name for q in quantities] == ["mean_rate", "shape", "mean_dropout", "concentration"]
    assert [type(q.prior) for q in quantities] == [kw.Gamma, kw.LogNormal, kw.Beta, kw.Flat]


@pytest.mark.parametrize("model", [*PURCHASE_MODELS, kw.GammaGamma])
@pytest.mark.parametrize("value", [0, -1.0, math.nan, math.inf, 1e-101, 1e101, 10**400, "0.2", None, True])
def test_parameters_are_positive_numbers(model, value):
    good = GOOD if model in PURCHASE_MODELS else {"p": 6.25, "q": 3.74, "gamma": 15.44}
    for name in model().parameter_names:
        with pytest.raises(SpecificationError, match=f"{model.__name__}.Parameters: {name} must be a positive number"):
            model.Parameters(**(good | {name: value}), unit="week")


@pytest.mark.parametrize("model", PURCHASE_MODELS)
@pytest.mark.parametrize("unit", ["weeks", "W", "", "fortnight"])
def test_units_are_known(model, unit):
    with pytest.raises(SpecificationError, match=f"unknown time unit '{unit}'; expected one of 'hour', 'day'"):
        model.Parameters(**GOOD, unit=unit)


@pytest.mark.parametrize("model", PURCHASE_MODELS)
def test_models_and_parameters_do_not_change(model):
    for thing, name in [(model(), "shape"), (model.Parameters(**GOOD, unit="day"), "r")]:
        with pytest.raises(AttributeError):
            setattr(thing, name, 1.0)


ASKED_WITH_A_NUMBER = {
    "p_alive": lambda h: posterior_of().p_alive(HISTORIES, ahead=h),
    "expected_purchases": lambda h: posterior_of().expected_purchases(HISTORIES, horizon=h),
    "start": lambda h: posterior_of().expected_purchases(HISTORIES, horizon=kw.days(1), start=h),
    "return_probability": lambda h: posterior_of().return_probability(HISTORIES, horizon=h),
    "purchase_distribution": lambda h: posterior_of().purchase_distribution(HISTORIES, horizon=h),
    "discounted_purchases": lambda h: posterior_of().discounted_purchases(
        HISTORIES, annual_discount_rate=0.1, horizon=h
    ),
    "new customer": lambda h: posterior_of().expected_purchases_new_customer(horizon=h),
    "draws": lambda h: posterior_of().draws.return_probability(HISTORIES, horizon=h),
}


@pytest.mark.parametrize("ask", ASKED_WITH_A_NUMBER.values(), ids=ASKED_WITH_A_NUMBER.keys())
@pytest.mark.parametrize("value", [26, 26.0, "26 weeks", None])
def test_a_horizon_has_a_unit(ask, value):
    with pytest.raises(DurationError, match=r"takes a Duration, got .*weeks\(26\)"):
        ask(value)


@pytest.mark.parametrize("name", sorted(ASKED_WITH_A_NUMBER.keys() - {"discounted_purchases"}))
def test_only_discounted_values_are_for_life(name):
    with pytest.raises(SpecificationError, match=r"must be finite here, got LIFETIME"):
        ASKED_WITH_A_NUMBER[name](kw.LIFETIME)


@pytest.mark.parametrize("rate", [-0.1, math.nan, math.inf, "10 %", True])
def test_a_discount_rate_is_a_rate(rate):
    with pytest.raises(SpecificationError, match="annual_discount_rate is 0 or more"):
        posterior_of().discounted_purchases(HISTORIES, annual_discount_rate=rate, horizon=kw.years(1))


@pytest.mark.parametrize("interval", [0, 1, 90, -0.5, math.nan, True, "0.9"])
def test_an_interval_is_a_probability(interval):
    with pytest.raises(SpecificationError, match="interval is a probability between 0 and 1"):
        posterior_of().p_alive(HISTORIES, interval=interval)


@pytest.mark.parametrize("up_to", [-1, 2.5, True, None])
def test_a_distribution_ends_at_a_whole_number(up_to):
    with pytest.raises(SpecificationError, match="up_to must be a whole number"):
        posterior_of().purchase_distribution(HISTORIES, horizon=kw.days(7), up_to=up_to)


@pytest.mark.parametrize("model", PURCHASE_MODELS)
@pytest.mark.parametrize("a", [0.79, 1.0])
def test_a_lifetime_without_discounting_may_be_infinite(model, a):
    # E[1/p] is infinite for a <= 1
    with pytest.raises(InfiniteValueError, match=r"infinite in 100% of the draws.*annual_discount_rate above 0"):
        posterior_of(model, a=a).discounted_purchases(HISTORIES, annual_discount_rate=0, horizon=kw.LIFETIME)


@pytest.mark.parametrize("model, after_each", [(kw.BGNBD, 0), (kw.MBGNBD, 1)])
def test_a_lifetime_without_discounting_may_be_finite(model, after_each):
    """Every purchase but the last is followed by another: E[1/p] = (a + b' - 1)/(a - 1), times P(alive)."""
    posterior = posterior_of(model, a=3.0)
    forever = posterior.discounted_purchases(HISTORIES, annual_discount_rate=0, horizon=kw.LIFETIME)["mean"]
    b = GOOD["b"] + HISTORIES.frequency + after_each
    expected = posterior.p_alive(HISTORIES)["mean"] * (3.0 + b - 1) / (3.0 - 1)
    assert forever.to_numpy() == pytest.approx(expected.to_numpy(), rel=1e-12)


def test_the_wrong_thing_in_the_wrong_place():
    with pytest.raises(SpecificationError, match=r"got the class BGNBD; write BGNBD\(\)"):
        kw.fit(kw.BGNBD, HISTORIES)  # type: ignore[call-overload]
    with pytest.raises(SpecificationError, match="expected a model such as"):
        kw.fit("BG/NBD", HISTORIES)  # type: ignore[call-overload]
    with pytest.raises(SpecificationError, match="fixed takes the parameters of a model"):
        kw.fixed(kw.BGNBD())  # type: ignore[call-overload]
    with pytest.raises(DataError, match="expected CustomerHistories, got DataFrame"):
        posterior_of().p_alive(HISTORIES.to_pandas())
    with pytest.raises(MissingInformationError, match="the model needs amounts"):
        kw.fit(kw.GammaGamma(), HISTORIES)
    with pytest.raises(DataError, match="no customer has a repeat purchase with a positive amount"):
        kw.fit(kw.GammaGamma(), histories_of([0, 0], 0, 10, mean_amount=[math.nan, math.nan]))


@pytest.mark.parametrize("model", [*PURCHASE_MODELS])
@pytest.mark.parametrize("method", [None, kw.ImportanceSampling()])
def test_a_flat_prior_is_for_the_mode_only(model, method):
    with pytest.raises(SpecificationError, match=r"the prior of shape is Flat, which is improper.*MAP"):
        kw.fit(model(shape=kw.Flat()), HISTORIES, method=method)


@pytest.mark.parametrize("model", PURCHASE_MODELS)
def test_data_that_do_not_bound_a_flat_prior_are_refused(model):
    """If nobody has bought again, the likelihood rises as the rate falls to zero."""
    flat = kw.Flat()
    model = model(mean_rate=flat, shape=flat, mean_dropout=flat, concentration=flat)
    with pytest.raises(InferenceError, match="proper priors"):
        kw.fit(model, histories_of([0] * 30, 0, 100), method=kw.MAP())


@pytest.mark.parametrize("error", [SpecificationError, InfiniteValueError, DataError])
def test_errors_are_value_errors_and_ours(error):
    assert issubclass(error, KundenwertError)
    assert issubclass(error, ValueError)
