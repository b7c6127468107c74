"""The mode: MAP with flat priors is maximum likelihood, and published estimates come out."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize

import kundenwert as kw
from kundenwert.errors import InferenceError
from kundenwert.inference.mode import find_mode
from tests import cdnow
from tests.formulas import FORMULAS
from tests.inference.densities import Impossible, Normal

FLAT = kw.Flat()
MAXIMUM_LIKELIHOOD: dict[str, Any] = {
    "BGNBD": kw.BGNBD(mean_rate=FLAT, shape=FLAT, mean_dropout=FLAT, concentration=FLAT),
    "MBGNBD": kw.MBGNBD(mean_rate=FLAT, shape=FLAT, mean_dropout=FLAT, concentration=FLAT),
    "GammaGamma": kw.GammaGamma(scale=FLAT, p=FLAT, q=FLAT),
}
# BG/NBD: Fader, Hardie & Lee (2005). MBG/NBD: Python package lifetimes. Gamma-gamma: Fader & Hardie (2013).
PUBLISHED: dict[str, Any] = {
    "BGNBD": ((0.243, 4.414, 0.793, 2.426), -9582.43),
    "MBGNBD": ((0.525, 6.183, 0.891, 1.614), -9582.14),
    "GammaGamma": ((6.25, 3.74, 15.44), -4055.92),
}


def point(posterior):
    return np.array([value.item() for value in posterior.theta])


@pytest.mark.parametrize("name", PUBLISHED)
def test_maximum_likelihood_gives_the_published_estimates(name):
    posterior = kw.fit(MAXIMUM_LIKELIHOOD[name], cdnow.histories(), method=kw.MAP())
    published, log_likelihood = PUBLISHED[name]
    digits = 2 if name == "GammaGamma" else 3
    assert point(posterior) == pytest.approx(published, abs=0.6 * 10**-digits)
    assert FORMULAS[name](cdnow.histories().to_pandas(), *point(posterior)).sum() == pytest.approx(
        log_likelihood, abs=0.006
    )


@pytest.mark.parametrize("name", PUBLISHED)
def test_flat_priors_bring_no_jacobian(name):
    table = cdnow.sample(500).to_pandas()

    def loss(theta: Any) -> float:  # in the parameters themselves, not in their logarithms
        return float(-FORMULAS[name](table, *theta).sum()) if (theta > 0).all() else np.inf

    found = minimize(
        loss,
        PUBLISHED[name][0],
        method="Nelder-Mead",
        options={"xatol": 1e-9, "fatol": 1e-11, "maxiter": 20_000, "maxfev": 20_000},
    )
    assert found.success
    posterior = kw.fit(MAXIMUM_LIKELIHOOD[name], cdnow.sample(500), method=kw.MAP())
    assert point(posterior) == pytest.approx(found.x, rel=1e-4)


def test_priors_pull_the_mode_of_the_coordinates():
    # one customer with T = 0 says nothing: the mode on logarithms and logits is the priors' own
    nothing = pd.DataFrame({"customer_id": [1], "frequency": [0], "recency": [0.0], "T": [0.0]})
    posterior = kw.fit(
        kw.BGNBD(mean_rate=kw.Gamma(2, 0.5), mean_dropout=kw.Beta(3, 5)),
        kw.CustomerHistories.from_pandas(nothing, unit="week"),
        method=kw.MAP(),
    )
    values = {name: value.item() for name, value in posterior.named_values().items()}
    # with the Jacobian, v^(alpha - 1) becomes v^alpha: the mode of log v is alpha/beta, that of logit v a/(a + b)
    assert values["mean_rate"] == pytest.approx(4.0, rel=1e-5)
    assert values["mean_dropout"] == pytest.approx(3 / 8, rel=1e-5)
    assert values["shape"] == pytest.approx(1.0, rel=1e-5)
    assert values["concentration"] == pytest.approx(3.0, rel=1e-5)


def test_mode_and_curvature_of_a_normal_density():
    normal = Normal()
    mode = find_mode(normal.target(), exact=True)
    assert mode.location == pytest.approx(normal.mean, abs=1e-6)
    assert mode.log_density == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(mode.precision, normal.precision, rtol=1e-5)


def test_data_that_are_impossible_everywhere_are_an_error():
    with pytest.raises(InferenceError, match="impossible histories"):
        find_mode(Impossible().target(), exact=False)


def test_a_likelihood_without_maximum_says_so():
    everybody = cdnow.histories()
    with pytest.raises(InferenceError, match="Use proper priors"):
        kw.fit(MAXIMUM_LIKELIHOOD["BGNBD"], everybody.take(everybody.frequency == 0), method=kw.MAP())
