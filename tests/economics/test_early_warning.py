"""Early warnings: gaps in closed form, value lost draw by draw, who is warned about."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad

import kundenwert as kw
from kundenwert.economics.relationship import warning
from kundenwert.errors import DurationError, InfiniteValueError, MissingInformationError, SpecificationError
from tests import cdnow
from tests.customers import histories_of

ECONOMICS = kw.Economics(margin=0.3, annual_discount_rate=0.1, order_cost=1.0)
THREE_YEARS = kw.years(3)
FEE = kw.KnownAmount(20.0)
X, T_X, T = (
    np.array([0, 1, 1, 2, 5, 20, 40]),
    np.array([0.0, 3, 20, 30, 31, 25, 38]),
    np.array([30.0, 30, 21, 38, 32, 39, 39]),
)
TWENTY = [0, 20, 90, 35, 15, 40, 33]


def gap_p_values(posterior, histories, economics=ECONOMICS, horizon=THREE_YEARS, **more):
    table = kw.early_warning(posterior, FEE, histories, economics, horizon=horizon, **more)
    return table.loc[histories.customer_id, "gap_p_value"].to_numpy()


@pytest.mark.parametrize("model", [kw.MBGNBD, kw.BGNBD])
def test_gaps_of_purchases_at_random_have_a_closed_form(model):
    """(A/(A + silence))^(r + x): the same with and without leaving after the first purchase."""
    posterior = kw.fixed(model.Parameters(r=0.5, alpha=6.0, a=0.8, b=1.6, unit="week"))
    A = 6.0 + T_X
    expected = (A / (A + T - T_X)) ** (0.5 + X)
    assert expected.min() < 1e-3
    np.testing.assert_allclose(gap_p_values(posterior, histories_of(X, T_X, T, unit="week")), expected, rtol=1e-8)


def test_gaps_of_regular_buyers_have_a_closed_form():
    """Fewer than k stages of rate Gamma(r + k x, alpha + t_x) end within the silence."""
    posterior = kw.fixed(kw.MBGCNBD.Parameters(k=2, r=0.5, alpha=3.0, a=0.8, b=1.6, unit="week"))
    n, share = 0.5 + 2 * X, (T - T_X) / (3.0 + T)
    expected = (1 - share) ** n * (1 + n * share)
    np.testing.assert_allclose(gap_p_values(posterior, histories_of(X, T_X, T, unit="week")), expected, rtol=1e-8)


def test_gaps_that_leaving_cuts_short_are_those_of_customers_who_did_buy_again():
    r, alpha, s, beta = 0.55, 10.6, 0.6, 11.7
    posterior = kw.fixed(kw.ParetoNBD.Parameters(r=r, alpha=alpha, s=s, beta=beta, unit="week"))
    found = gap_p_values(posterior, histories_of(X, T_X, T, unit="week"))
    for x, t_x, now, p in zip(X, T_X, T, found, strict=True):

        def density(u, x=x, t_x=t_x):
            return (1 + u / (alpha + t_x)) ** -(r + x + 1) * (1 + u / (beta + t_x)) ** -s

        short, rest = quad(density, 0, now - t_x, epsrel=1e-11)[0], quad(density, now - t_x, np.inf, epsrel=1e-11)[0]
        assert p == pytest.approx(rest / (short + rest), rel=1e-7)


def test_gaps_counted_in_opportunities_are_sums():
    alpha, beta, gamma, delta = 1.2, 0.75, 0.66, 2.8
    donors: Any = kw.fixed(kw.BGBB.Parameters(alpha=alpha, beta=beta, gamma=gamma, delta=delta))
    frame = pd.DataFrame(
        {"customer_id": [1, 2, 3, 4], "frequency": [0, 1, 3, 4], "recency": [0, 2, 4, 6], "opportunities": [3, 3, 8, 6]}
    )
    rules = kw.PhaseRules(horizon=kw.opportunities(4), welcome=kw.opportunities(1))
    histories = kw.OpportunityHistories.from_pandas(frame, every=kw.years(1))
    table = kw.early_warning(donors, FEE, histories, ECONOMICS, horizon=kw.opportunities(5), rules=rules).sort_index()
    for (_, x, t_x, n), p in zip(frame.itertuples(index=False), table["gap_p_value"], strict=True):
        a, b, d = alpha + x, beta + t_x - x, delta + t_x
        j = np.arange(1, 200_000)
        stays = np.cumprod((d + j - 1) / (gamma + d + j - 1))
        waits = np.cumprod(np.r_[a / (a + b), (b + j[:-1] - 1) / (a + b + j[:-1])])
        first = stays * waits
        assert p == pytest.approx(first[n - t_x :].sum() / first.sum(), rel=1e-6)
    assert table["silence"].tolist() == [3, 1, 4, 0]


def test_numbers_are_those_of_the_single_questions_draw_by_draw():
    purchases, spend = cdnow.posterior("MBGNBD").thinned(60), cdnow.posterior("GammaGamma").thinned(60)
    histories = cdnow.sample(150, seed=4)
    then = replace(histories, T=histories.recency, steps=replace(histories.steps, until=histories.steps.last))
    table = kw.early_warning(purchases, spend, histories, ECONOMICS, horizon=THREE_YEARS, interval=0.8)
    table = table.loc[histories.customer_id]

    def draws(of):
        amount = spend.draws.expected_spend(of).to_numpy()[0]
        bought = purchases.draws.discounted_purchases(of, annual_discount_rate=0.1, horizon=THREE_YEARS).to_numpy()[0]
        returns = purchases.draws.return_probability(of, horizon=kw.years(1)).to_numpy()[0]
        return bought * (0.3 * amount - 1.0), returns

    (value, back), (value_then, back_then) = draws(histories), draws(then)
    for name, expected in (("value_at_stake", value_then - value), ("relative_return", back / back_then)):
        scale = np.abs(expected).max(axis=0) + np.abs(value_then).max(axis=0) * (name == "value_at_stake")
        for end, number in (
            ("", expected.mean(axis=0)),
            ("_lower", np.quantile(expected, 0.1, axis=0)),
            ("_upper", np.quantile(expected, 0.9, axis=0)),
        ):
            np.testing.assert_allclose(table[f"{name}{end}"] / scale, number / scale, atol=3e-7)
    npv = [
        kw.net_present_value(purchases, spend, of, ECONOMICS, horizon=THREE_YEARS)["mean"] for of in (then, histories)
    ]
    np.testing.assert_allclose(table["value_at_stake"], npv[0] - npv[1], atol=1e-5)
    np.testing.assert_allclose(table["silence"], histories.T - histories.recency)


def test_those_who_have_bought_again_and_are_cooling_come_first():
    purchases, spend = cdnow.posterior("MBGNBD").thinned(20), cdnow.posterior("GammaGamma").thinned(20)
    histories = cdnow.histories()
    table = kw.early_warning(purchases, spend, histories, ECONOMICS, horizon=THREE_YEARS)
    assert sorted(table.index) == sorted(histories.customer_id)
    phases = kw.phase(purchases, histories)["phase"]
    assert (table["phase"] == phases.loc[table.index]).all()
    repeat = pd.Series(histories.frequency > 0, histories.customer_id).loc[table.index]
    assert (table["warn"] == (table["phase"] == "cooling") & repeat).all()
    assert table["warn"].is_monotonic_decreasing
    for _, group in table.groupby("warn"):
        assert group["value_at_stake"].is_monotonic_decreasing
    assert 50 < table["warn"].sum() < 500
    between = table.loc[table["warn"], "relative_return"]
    assert between.between(0.39, 0.71).all()
    numbers = table.drop(columns=["warn", "phase"])
    assert np.isfinite(numbers.to_numpy()).all()
    assert table["gap_p_value"].between(0, 1).all()


def test_who_has_just_bought_has_nothing_at_stake():
    purchases, spend = cdnow.posterior("MBGNBD").thinned(20), cdnow.posterior("GammaGamma").thinned(20)
    just = histories_of([0, 3], [0.0, 20.0], [0.0, 20.0], unit="week", mean_amount=[0, 30])
    table = kw.early_warning(purchases, spend, just, ECONOMICS, horizon=THREE_YEARS)
    np.testing.assert_allclose(table["value_at_stake"], 0, atol=1e-9)
    np.testing.assert_allclose(table["relative_return"], 1, rtol=1e-12)
    np.testing.assert_allclose(table["gap_p_value"], 1, rtol=1e-12)
    assert table["warn"].tolist() == [False, False]


def test_silence_only_makes_it_worse():
    purchases = cdnow.posterior("MBGNBD").thinned(20)
    silent = histories_of(4, 25.0, 25.0 + np.arange(0, 60, 3), unit="week")
    table = kw.early_warning(purchases, FEE, silent, ECONOMICS, horizon=THREE_YEARS).sort_index()
    assert table["value_at_stake"].is_monotonic_increasing
    assert table["relative_return"].is_monotonic_decreasing
    assert table["gap_p_value"].is_monotonic_decreasing


def test_silence_saves_where_service_ends_with_it():
    posterior = kw.fixed(kw.MBGNBD.Parameters(r=0.5, alpha=6.0, a=0.8, b=1.6, unit="week"))
    rule = kw.WhilePAliveAbove(0.5)
    served = kw.Economics(margin=0.3, annual_discount_rate=0.1, annual_retention_cost=50.0, retention_rule=rule)
    silent = histories_of(4, 25.0, [25.0, 150.0], unit="week")
    just, long = kw.early_warning(posterior, FEE, silent, served, horizon=THREE_YEARS).sort_index()["value_at_stake"]
    assert abs(just) < 1
    assert long < -5


def test_portions_units_and_currency_do_not_matter(monkeypatch):
    purchases, spend = cdnow.posterior("MBGNBD").thinned(20), cdnow.posterior("GammaGamma").thinned(20)
    histories = cdnow.sample(60)
    margins = pd.DataFrame({"customer_id": histories.customer_id, "margin": np.linspace(0.1, 0.5, 60)})
    economics = kw.Economics(margin=kw.PerCustomer("margin"), annual_discount_rate=0.1)

    def warnings(some):
        return kw.early_warning(purchases, spend, some, economics, horizon=THREE_YEARS, customers=margins)

    whole = warnings(histories)
    pd.testing.assert_frame_equal(warnings(histories.in_unit("day")), whole, rtol=1e-6)
    monkeypatch.setattr(warning, "CUSTOMERS_AT_ONCE", 7)
    pd.testing.assert_frame_equal(warnings(histories), whole, rtol=1e-6, atol=1e-6)


def test_what_cannot_be_asked_is_refused():
    purchases, spend = cdnow.posterior("MBGNBD").thinned(5), cdnow.posterior("GammaGamma").thinned(5)
    histories = cdnow.sample(5)
    contracts: Any = kw.fixed(kw.ShiftedBetaGeometric.Parameters(gamma=1.0, delta=3.0))
    with pytest.raises(SpecificationError, match="leave at a renewal"):
        kw.early_warning(contracts, FEE, histories, ECONOMICS, horizon=THREE_YEARS)
    with pytest.raises(SpecificationError, match="spend must be a SpendPosterior"):
        kw.early_warning(purchases, purchases, histories, ECONOMICS, horizon=THREE_YEARS)
    with pytest.raises(DurationError, match="horizon"):
        kw.early_warning(purchases, spend, histories, ECONOMICS, horizon=3)  # type: ignore[arg-type]  # what is tested
    with pytest.raises(SpecificationError, match="PhaseRules"):
        kw.early_warning(purchases, spend, histories, ECONOMICS, horizon=THREE_YEARS, rules="cooling")  # type: ignore[arg-type]  # what is tested
    with pytest.raises(SpecificationError, match="interval"):
        kw.early_warning(purchases, spend, histories, ECONOMICS, horizon=THREE_YEARS, interval=90)
    with pytest.raises(MissingInformationError, match="amount"):
        kw.early_warning(purchases, spend, histories_of(1, 2.0, 5.0, unit="week"), ECONOMICS, horizon=THREE_YEARS)
    free = kw.Economics(margin=0.3, annual_discount_rate=0.0)
    with pytest.raises(InfiniteValueError, match="without discounting"):
        kw.early_warning(purchases, spend, histories, free, horizon=kw.LIFETIME)
