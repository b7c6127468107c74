"""Importance sampling and NUTS agree."""

from functools import cache

import arviz_stats
import numpy as np
import pytest

import kundenwert as kw
from tests import cdnow

PROBABILITIES = (0.05, 0.5, 0.95)
CASES = [(name, customers) for name in cdnow.MODELS for customers in (None, 100, 30)]


@cache
def by_nuts(name, customers, draws, chains):
    histories = cdnow.sample(customers) if customers else cdnow.histories()
    method = kw.NUTS(draws=draws, tune=1500, chains=chains, target_accept=0.95, progress=False)
    return kw.fit(cdnow.MODELS[name], histories, seed=3, method=method)


def coordinates(posterior):
    """Logarithms and logits of the quantities, each of shape (chains, draws)."""
    values = posterior.model.quantities_of(posterior.values, posterior.unit)
    return {q.name: q.coordinate(v) for q, v in zip(posterior.model.quantities, values, strict=True)}


def assert_same(ours, reference):
    theirs = coordinates(reference)
    for name, drawn in coordinates(ours).items():
        chains = theirs[name]
        ess = {kind: float(arviz_stats.ess(chains, method=kind)) for kind in ("mean", "sd")}
        # draws resampled systematically vary less than as many independent ones
        n = min(drawn.size, ours.diagnostics.ess)
        sd = chains.std()
        assert drawn.mean() == pytest.approx(chains.mean(), abs=4 * sd * np.sqrt(1 / n + 1 / ess["mean"])), name
        assert drawn.std() == pytest.approx(sd, rel=0.1), name
        for p in PROBABILITIES:
            # on the scale of probabilities, where the error of a quantile is binomial
            below = np.mean(drawn < np.quantile(chains, p))
            effective = float(arviz_stats.ess(chains, method="quantile", prob=p))
            assert below == pytest.approx(p, abs=4 * np.sqrt(p * (1 - p) * (1 / n + 1 / effective))), (name, p)


@pytest.mark.slow
def test_they_agree_on_a_hundred_customers():
    reference = by_nuts("GammaGamma", 100, 1500, 2)
    assert reference.diagnostics.ess > 400
    assert_same(kw.fit(kw.GammaGamma(), cdnow.sample(100), seed=1, method=kw.ImportanceSampling(draws=4096)), reference)


@pytest.mark.slow
@pytest.mark.parametrize("name, customers", CASES)
def test_they_agree(name, customers):
    ours = kw.fit(
        cdnow.MODELS[name],
        cdnow.sample(customers) if customers else cdnow.histories(),
        seed=1,
        method=kw.ImportanceSampling(draws=16_384, points=16_384),
    )
    assert ours.diagnostics.pareto_k < 0.7
    assert ours.diagnostics.ess > 0.45 * ours.diagnostics.points
    reference = by_nuts(name, customers, 4000, 4)
    assert reference.diagnostics.ok, str(reference.diagnostics)
    assert_same(ours, reference)
