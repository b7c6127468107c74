"""Organic returns of a posterior of purchases: those of the posterior itself, by kind of state."""

from typing import Any

import numpy as np
import pytest

import kundenwert as kw
from kundenwert.errors import SpecificationError
from tests import cdnow
from tests.customers import with_draws

WINDOW = kw.weeks(13)


POSTERIORS: dict[str, Any] = {
    "BG/NBD": with_draws(kw.BGNBD, unit="week", r=[0.2, 0.3], alpha=[4.0, 5.0], a=[0.8, 0.7], b=[2.4, 3.0]),
    "MBG/NBD": with_draws(kw.MBGNBD, unit="week", r=[0.5, 0.4], alpha=[6.0, 5.0], a=[0.9, 0.7], b=[1.6, 2.0]),
    "Pareto/NBD": with_draws(
        kw.ParetoNBD, unit="week", r=[0.5, 0.6], alpha=[10.0, 9.0], s=[0.6, 0.5], beta=[12.0, 9.0]
    ),
    "regular": kw.fixed(kw.MBGCNBD.Parameters(r=0.6, alpha=3.0, a=1.1, b=1.6, k=2, unit="week")),
}
REVIVING: Any = with_draws(
    kw.RevivalNBD, unit="week", r=[0.5, 0.6], alpha=[5.0, 6.0], a=1.0, b=[1.9, 2.2], omega=[0.5, 0.3], eta=[0.07, 0.04]
)


@pytest.mark.parametrize("name", POSTERIORS)
def test_states_and_returns_are_those_of_the_posterior(name):
    histories, purchases = cdnow.sample(80), POSTERIORS[name]
    organic = kw.organic_return(purchases, histories, window=WINDOW)
    assert organic.states == ("alive", "gone")
    assert organic.customer_id.equals(histories.customer_id)
    alive = purchases.draws.p_alive(histories).to_numpy()[0].T
    returns = purchases.draws.return_probability(histories, horizon=WINDOW).to_numpy()[0].T
    assert organic.probability[0][organic.index] == pytest.approx(alive, rel=1e-9)
    assert organic.returns[0][organic.index] == pytest.approx(returns, rel=1e-6)
    assert organic.returns[1].max() == 0.0
    assert organic.probability.sum(axis=0) == pytest.approx(1.0)


def test_customers_may_return_from_dormancy_as_well():
    histories = cdnow.sample(80)
    organic = kw.organic_return(REVIVING, histories, window=WINDOW)
    assert organic.states == ("active", "dormant", "gone")
    for place, name in enumerate(organic.states):
        share = getattr(REVIVING.draws, f"p_{name}")(histories).to_numpy()[0].T
        assert organic.probability[place][organic.index] == pytest.approx(share, rel=1e-6, abs=1e-12)
    returns = REVIVING.draws.return_probability(histories, horizon=WINDOW).to_numpy()[0].T
    assert organic.p_return[organic.index] == pytest.approx(returns, rel=1e-6)
    # the dormant come back after an exponential time, whatever their history
    back = -np.expm1(-13 * REVIVING.theta.eta)
    assert organic.returns[1] == pytest.approx(organic.probability[1] * back, rel=1e-6)
    assert organic.returns[2].max() == 0.0


def test_draws_are_evenly_thinned_and_known_again():
    histories, purchases = cdnow.sample(40), cdnow.posterior("MBGNBD")
    organic = kw.organic_return(purchases, histories, window=WINDOW, draws=50)
    again = kw.organic_return(purchases, histories.take([3, 1]), window=kw.weeks(4), draws=50)
    other = kw.organic_return(purchases.thinned(49), histories, window=WINDOW, draws=50)
    assert (organic.draws, other.draws) == (50, 49)
    assert organic.source == again.source != other.source
    mean = purchases.return_probability(histories, horizon=WINDOW)["mean"].to_numpy()
    assert organic.to_pandas()["p_return"].to_numpy() == pytest.approx(mean, abs=0.02)


def test_histories_count_once():
    histories = cdnow.histories()
    organic = kw.organic_return(cdnow.posterior("MBGNBD"), histories, window=WINDOW, draws=5)
    assert organic.probability.shape == (2, len(histories.cells(kw.MBGNBD())), 5)
    assert len(organic) == len(histories)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"window": kw.weeks(0)}, "window must be longer than 0"),
        ({"window": kw.LIFETIME}, "window must be finite"),
        ({"window": WINDOW, "draws": 0}, "draws must be a whole number"),
        ({"window": 13}, "window takes a Duration"),
    ],
)
def test_windows_and_draws_are_checked(arguments, message):
    with pytest.raises(SpecificationError, match=message):
        kw.organic_return(cdnow.posterior("MBGNBD"), cdnow.sample(3), **arguments)
    with pytest.raises(SpecificationError, match="takes a posterior of purchases"):
        kw.organic_return(np.zeros(3), cdnow.sample(3), window=WINDOW)  # type: ignore[arg-type]  # the point
