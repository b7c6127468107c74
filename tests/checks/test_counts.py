"""Counts of repeat purchases, observed and expected, against simulated customers and by hand."""

from typing import Any

import numpy as np
import pytest

import kundenwert as kw
from kundenwert.checks import counts as module
from kundenwert.errors import DataError, SpecificationError
from tests import cdnow, contracts
from tests.customers import histories_of, with_draws

MODELS: dict[str, Any] = {
    "MBGNBD": kw.MBGNBD.Parameters(r=0.5, alpha=6.0, a=0.9, b=1.6, unit="week"),
    "BGNBD": kw.BGNBD.Parameters(r=0.25, alpha=4.4, a=0.8, b=2.4, unit="week"),
    "ParetoNBD": kw.ParetoNBD.Parameters(r=0.55, alpha=10.6, s=0.6, beta=11.7, unit="week"),
    "MBGCNBD": kw.MBGCNBD.Parameters(k=2, r=0.5, alpha=3.0, a=0.9, b=1.6, unit="week"),
}


@pytest.mark.parametrize("parameters", MODELS.values(), ids=MODELS)
def test_expected_counts_are_those_of_simulated_customers(parameters):
    customers = 40_000
    purchases = kw.fixed(parameters)
    T = np.where(np.arange(customers) % 2, 10.0, 30.0)
    simulated = purchases.model.simulate(purchases.model.named(purchases.theta), T, np.random.default_rng(1))
    x = np.bincount(simulated.customer, minlength=customers)
    table = kw.purchase_counts(purchases, histories_of(x, np.where(x > 0, 1.0, 0.0), T, unit="week"), up_to=4)
    assert table.index.tolist() == [0, 1, 2, 3, 4, "more"]
    observed = [*(np.count_nonzero(x == count) for count in range(5)), np.count_nonzero(x > 4)]
    assert table["observed"].tolist() == observed
    assert table["expected"].sum() == pytest.approx(customers, rel=1e-9)
    error = np.sqrt(table["expected"])  # more than that of a binomial
    assert (np.abs(table["observed"] - table["expected"]) < 3 * error).all()


def test_intervals_hold_chance_and_parameters(monkeypatch):
    base = histories_of(np.array([0, 0, 1, 2]), np.array([0.0, 0.0, 1.0, 2.0]), 20.0, unit="week")
    sure = kw.purchase_counts(kw.fixed(MODELS["MBGNBD"]), base, up_to=0)
    p = sure["expected"][0] / 4
    z = 1.6448536269514722
    assert sure["upper"][0] == pytest.approx(min(4 * p + z * np.sqrt(4 * p * (1 - p)), 4), rel=1e-9)
    unsure = with_draws(kw.MBGNBD, unit="week", r=[0.1, 0.9], alpha=6.0, a=0.9, b=1.6)
    means = [kw.purchase_counts(unsure.chosen(np.array([draw])), base, up_to=0)["expected"][0] for draw in (0, 1)]
    both = kw.purchase_counts(unsure, base, up_to=0).loc[0]
    assert both["expected"] == pytest.approx(np.mean(means), rel=1e-9)
    chance = np.mean([mean * (1 - mean / 4) for mean in means])
    lower = np.mean(means) - z * np.sqrt(chance + np.var(means))
    assert both["lower"] == pytest.approx(lower, rel=1e-9)
    monkeypatch.setattr(module, "LENGTHS", 1)  # all lengths of observation taken together
    assert kw.purchase_counts(unsure, base, up_to=0)["expected"][0] == pytest.approx(both["expected"], rel=1e-12)


def test_lengths_that_are_put_together_change_little(monkeypatch):
    purchases, base = cdnow.posterior("MBGNBD").thinned(20), cdnow.histories()
    exact = kw.purchase_counts(purchases, base)
    assert exact["observed"].sum() == len(base)
    monkeypatch.setattr(module, "LENGTHS", 10)
    np.testing.assert_allclose(kw.purchase_counts(purchases, base)["expected"], exact["expected"], rtol=1e-3)


def test_a_fit_to_the_same_customers_passes_and_another_model_fails():
    base = cdnow.histories()
    good = kw.purchase_counts(cdnow.posterior("MBGNBD"), base)
    assert good["observed"].between(good["lower"], good["upper"]).all()
    bad = kw.purchase_counts(kw.fixed(kw.MBGNBD.Parameters(r=5.0, alpha=60.0, a=0.9, b=1.6, unit="week")), base)
    assert not bad["observed"].between(bad["lower"], bad["upper"]).all()


def test_opportunities_are_counted_as_well():
    base = kw.OpportunityHistories.from_counts(kw.datasets.donations())
    table = kw.purchase_counts(kw.fixed(kw.BGBB.Parameters(alpha=1.2, beta=0.75, gamma=0.66, delta=2.8)), base)
    assert table["observed"].sum() == table["expected"].round().sum() == 11_104
    assert table["expected"][7] == pytest.approx(0, abs=1e-9)  # there were only six


BAD: dict[str, Any] = {
    "contracts": (SpecificationError, lambda h: kw.purchase_counts(contracts.fixed(0.7, 1.2), h)),
    "a negative number": (SpecificationError, lambda h: kw.purchase_counts(kw.fixed(MODELS["BGNBD"]), h, up_to=-1)),
    "interval in per cent": (
        SpecificationError,
        lambda h: kw.purchase_counts(kw.fixed(MODELS["BGNBD"]), h, interval=9),
    ),
    "nobody": (DataError, lambda h: kw.purchase_counts(kw.fixed(MODELS["BGNBD"]), h.take([]))),
}


@pytest.mark.parametrize("kind,call", BAD.values(), ids=BAD)
def test_bad_input(kind, call):
    with pytest.raises(kind):
        call(cdnow.histories())
