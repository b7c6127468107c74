"""What economics may be."""

import copy
import pickle
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import kundenwert as kw
from kundenwert.errors import DurationError, MissingInformationError, SpecificationError

UNTYPED: Any = kw  # for arguments of a wrong type


@pytest.mark.parametrize("margin", [0.3, 1, 0])
@pytest.mark.parametrize("rate", [0, 0.1, 1])
def test_margins_and_rates_from_zero_to_one(margin, rate):
    economics = kw.Economics(margin=margin, annual_discount_rate=rate)
    assert (economics.margin, economics.annual_discount_rate) == (margin, rate)


@pytest.mark.parametrize("margin", [30, 1.01, -0.01, float("nan"), float("-inf"), True, "0.3", None], ids=repr)
def test_a_margin_is_a_share(margin):
    with pytest.raises(SpecificationError, match=r"margin is a share .* 0\.30 for 30 %"):
        kw.Economics(margin=margin, annual_discount_rate=0.1)


@pytest.mark.parametrize("rate", [10, 1.01, -0.01, float("nan"), float("inf"), True, "0.1", None], ids=repr)
def test_a_rate_is_no_per_cent(rate):
    with pytest.raises(SpecificationError, match=r"annual_discount_rate lies between 0 and 1, 0\.10 for 10 %"):
        kw.Economics(margin=0.3, annual_discount_rate=rate)


def test_it_is_frozen():
    economics = kw.Economics(margin=0.3, annual_discount_rate=0.1)
    with pytest.raises(AttributeError):
        economics.margin = 0.5  # type: ignore[misc]  # what is tested


def test_it_is_hashable_and_keeps_its_costs():
    costs = {"search": 12.0, "social": 20.0}
    one, other = (
        kw.Economics(margin=0.3, annual_discount_rate=0.1, acquisition_cost=amounts)
        for amounts in (costs, {"social": 20, "search": 12})
    )
    assert len({one, other}) == 1
    assert one != replace(one, acquisition_cost={"search": 12.0})
    costs["search"] = 99.0
    assert one.acquisition_cost == {"search": 12.0, "social": 20.0}
    assert repr(one.acquisition_cost) == "{'search': 12.0, 'social': 20.0}"
    assert pickle.loads(pickle.dumps(one)) == one == copy.deepcopy(one)  # noqa: S301 - its own


def test_service_by_the_year_needs_to_know_how_long_a_period_takes():
    counted = kw.OpportunityHistories.from_counts(kw.datasets.donations())
    donors = kw.fixed(kw.BGBB.Parameters(alpha=1.2, beta=0.75, gamma=0.66, delta=2.78))
    served = kw.Economics(
        margin=0.3, annual_discount_rate=0, annual_retention_cost=1, retention_rule=kw.EveryoneFor(kw.years(1))
    )
    for verb, more in ((UNTYPED.net_present_value, {}), (UNTYPED.realised_value, {"seed": 1, "futures": 2})):
        with pytest.raises(MissingInformationError, match=r"between two opportunities.*every="):
            verb(donors, kw.KnownAmount(50.0), counted, served, horizon=kw.opportunities(3), **more)


PERCENT = r"margin is a share of the amount between 0 and 1, 0\.30 for 30 %; got"
RULES = "EveryoneFor, WhilePAliveAbove, WhileReturnProbabilityAbove, WhileActive"


@pytest.mark.parametrize(
    "terms, message",
    [
        ({"margin": kw.Growing(start=30, annual_growth_rate=0.02)}, rf"{PERCENT} 30\."),
        ({"margin": kw.Schedule([0.3, 32], every=kw.years(1))}, rf"{PERCENT} 32\.0"),
        ({"annual_discount_rate": kw.Schedule([0.1, 8], every=kw.years(1))}, r"0\.10 for 10 % a year; got 8\.0"),
        ({"annual_discount_rate": kw.PerCustomer("rate")}, "annual_discount_rate lies between 0 and 1"),
        (
            {"order_cost": -1},
            r"order_cost is an amount of money, 0 or more, or kundenwert.PerCustomer\(column\); got -1",
        ),
        ({"order_cost": "2.50"}, "order_cost is an amount of money"),
        ({"annual_retention_cost": float("nan")}, "annual_retention_cost is an amount of money"),
        (
            {"annual_retention_cost": 4},
            "an annual_retention_cost needs a retention_rule that says whom the firm serves",
        ),
        ({"annual_retention_cost": kw.PerCustomer("cost")}, "needs a retention_rule"),
        ({"annual_retention_cost": 4, "retention_rule": "active"}, f"retention_rule is one of {RULES}, got 'active'"),
        ({"annual_retention_cost": 4, "retention_rule": kw.WhileActive}, "retention_rule is one of"),
        ({"acquisition_cost": -5}, "acquisition_cost is an amount of money"),
        ({"acquisition_cost": {"search": 12, "social": -2}}, "acquisition_cost of channel 'social' is an amount"),
        (
            {"acquisition_cost": {"search": kw.PerCustomer("x")}},
            "acquisition_cost of channel 'search' must be an amount",
        ),
        ({"acquisition_cost": {}}, "acquisition_cost is by channel, and there is none; expected one or more"),
        ({"acquisition_cost": {1: 12}}, r"has the channel 1; expected its name, a string, as in \{'search'"),
        ({"acquisition_cost": {"": 12}}, "has the channel ''"),
        ({"order_cost": 1e308}, r"order_cost is an amount of money, 1e\+15 at most; got 1e\+308: check the amount"),
        ({"acquisition_cost": {"search": 2e15}}, r"cost of channel 'search' is an amount of money, 1e\+15 at most"),
        ({"order_cost": 10**400}, "order_cost is an amount of money"),
        ({"order_cost": np.bool_(True)}, "order_cost is an amount of money"),
        ({"margin": np.float32(30)}, rf"{PERCENT} np.float32\(30\.0\)"),
        (
            {
                "annual_discount_rate": kw.Schedule([0.1, 0.2], every=kw.years(1)),
                "referral": kw.Referral(per_purchase=0.02, value=1, generations=2),
            },
            r"changes over time, Schedule\(.*referral counts 2 generations.*expected one rate, or generations=1",
        ),
        ({"referral": 0.02}, r"referral takes kundenwert.Referral\(per_purchase=…, value=…\), got 0\.02"),
        ({"discounting": "end"}, r"discounting takes kundenwert.Continuously\(\), StartOfPeriod"),
        ({"discounting": kw.EndOfPeriod}, "discounting takes"),
        ({"currency": 3}, "currency is a label such as 'EUR', got 3"),
    ],
    ids=repr,
)
def test_terms_that_cannot_be(terms, message):
    with pytest.raises(SpecificationError, match=message):
        kw.Economics(**{"margin": 0.3, "annual_discount_rate": 0.1, **terms})


@pytest.mark.parametrize(
    "make, error, message",
    [
        (lambda: kw.PerCustomer(""), SpecificationError, "name of a column"),
        (lambda: UNTYPED.PerCustomer(3), SpecificationError, "name of a column of the customers= table, got 3"),
        (lambda: kw.Growing(start=0.3, annual_growth_rate=2), SpecificationError, r"0\.02 for 2 % a year; got 2"),
        (lambda: kw.Growing(start=0.3, annual_growth_rate=-1), SpecificationError, "lies between -1 and 1"),
        (lambda: kw.Schedule([], every=kw.years(1)), SpecificationError, "a list of one finite number or more"),
        (
            lambda: UNTYPED.Schedule(0.3, every=kw.years(1)),
            SpecificationError,
            r"for example \[0\.30, 0\.32\]; got 0\.3",
        ),
        (lambda: UNTYPED.Schedule([0.3, None], every=kw.years(1)), SpecificationError, "one finite number or more"),
        (lambda: UNTYPED.Schedule([0.3], every=1), DurationError, r"kundenwert.years\(1\); got 1"),
        (lambda: kw.Schedule([0.3], every=kw.days(0)), DurationError, "how long each value holds"),
        (lambda: kw.Schedule([0.3], every=kw.LIFETIME), DurationError, "got LIFETIME"),
        (lambda: UNTYPED.Schedule([0.3], every=kw.renewals(2)), DurationError, r"got renewals\(2\)"),
        (lambda: kw.KnownAmount(-1), SpecificationError, "the amount of a purchase is an amount of money, 0 or more"),
        (
            lambda: kw.KnownAmount(1e308),
            SpecificationError,
            r"amount of a purchase is an amount of money, 1e\+15 at most",
        ),
        (
            lambda: kw.Schedule(np.array([[0.3], [0.4]]), every=kw.years(1)),
            SpecificationError,
            r"one finite number or more.* got array\(\[\[",
        ),
        (lambda: kw.Schedule(np.array(0.3), every=kw.years(1)), SpecificationError, r"got array\(0\.3\)"),
        (lambda: kw.Referral(per_purchase=0.1, value=-1e308), SpecificationError, r"1e\+15 at most, got -1e\+308"),
        (lambda: kw.Referral(per_purchase=1e16, value=1), SpecificationError, r"new customers, .* got 1e\+16"),
        (lambda: UNTYPED.KnownAmount("29.90"), SpecificationError, "an amount of money"),
        (lambda: UNTYPED.StartOfPeriod(1), DurationError, r"such as kundenwert.months\(1\), got 1"),
        (lambda: kw.MiddleOfPeriod(kw.days(0)), DurationError, "an accounting period is a duration"),
        (lambda: kw.EndOfPeriod(kw.LIFETIME), DurationError, "an accounting period .* got LIFETIME"),
        (lambda: UNTYPED.EveryoneFor(2), DurationError, r"EveryoneFor takes a length of time .* got 2"),
        (lambda: UNTYPED.EveryoneFor(kw.renewals(2)), DurationError, r"EveryoneFor .* got renewals\(2\)"),
        (lambda: kw.WhilePAliveAbove(20), SpecificationError, r"a threshold is a probability .* 0\.2; got 20"),
        (lambda: kw.WhileReturnProbabilityAbove(threshold=0, horizon=kw.days(90)), SpecificationError, "threshold"),
        (
            lambda: UNTYPED.WhileReturnProbabilityAbove(threshold=0.1, horizon=90),
            DurationError,
            "horizon takes a Duration, got 90",
        ),
        (
            lambda: kw.Referral(per_purchase=-0.1, value=1),
            SpecificationError,
            "per_purchase is a number of new customers",
        ),
        (lambda: kw.Referral(per_purchase=0.1, value=float("inf")), SpecificationError, "value is an amount of money"),
        (
            lambda: kw.Referral(per_purchase=0.1, value=1, generations=0),
            SpecificationError,
            "whole number of at least 1",
        ),
        (lambda: UNTYPED.Referral(per_purchase=0.1, value=1, generations=2.0), SpecificationError, r"got 2\.0"),
    ],
)
def test_parts_that_cannot_be(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_numbers_of_numpy_are_numbers():
    """They are kept as those of Python."""
    terms = UNTYPED.Economics(
        margin=UNTYPED.Growing(start=np.float32(0.25), annual_growth_rate=np.float64(0.5)),
        annual_discount_rate=np.float32(0.125),
        order_cost=np.int64(2),
        annual_retention_cost=np.float32(1.5),
        retention_rule=UNTYPED.WhilePAliveAbove(np.float32(0.25)),
        acquisition_cost={"search": np.int64(12), "social": Fraction(1, 4)},
        referral=UNTYPED.Referral(per_purchase=np.float32(0.5), value=np.int64(-3), generations=np.int64(3)),
    )
    assert terms == kw.Economics(
        margin=kw.Growing(start=0.25, annual_growth_rate=0.5),
        annual_discount_rate=0.125,
        order_cost=2.0,
        annual_retention_cost=1.5,
        retention_rule=kw.WhilePAliveAbove(0.25),
        acquisition_cost={"search": 12.0, "social": 0.25},
        referral=kw.Referral(per_purchase=0.5, value=-3.0, generations=3),
    )
    assert "np." not in repr(terms)
    assert repr(UNTYPED.KnownAmount(np.int64(30))) == "KnownAmount(amount=30.0)"
    assert UNTYPED.Economics(margin=np.int64(1), annual_discount_rate=np.int64(0)).margin == 1
    for values in (np.array([0.25, 0.5]), np.array([0.25, 0.5], dtype=np.float32), [np.float32(0.25), 0.5]):
        assert repr(UNTYPED.Schedule(values, every=kw.years(1))) == "Schedule(values=(0.25, 0.5), every=years(1))"
    rules = UNTYPED.PhaseRules(doubt_until=np.float32(0.75), cooling_below=np.float64(0.5))
    assert (rules.doubt_until, type(rules.doubt_until), type(rules.cooling_below)) == (0.75, float, float)


def test_costs_by_channel_cannot_be_changed():
    terms: Any = kw.Economics(margin=0.3, annual_discount_rate=0.1, acquisition_cost={"search": 12.0})
    with pytest.raises(TypeError, match="item assignment"):
        terms.acquisition_cost["search"] = 1.0


def test_a_schedule_that_does_not_change_is_one_rate():
    rates = kw.Schedule([0.1, 0.1], every=kw.years(1))
    referral = kw.Referral(per_purchase=0.02, value=1, generations=2)
    assert kw.Economics(margin=0.3, annual_discount_rate=rates, referral=referral).referral is referral
