"""ArviZ takes posteriors as they are."""

import arviz as az
import matplotlib as mpl
import numpy as np
import pytest

import kundenwert as kw
from kundenwert.errors import SizeError
from tests import cdnow
from tests.formulas import FORMULAS


@pytest.mark.parametrize("name", cdnow.MODELS)
def test_summary(name):
    posterior = cdnow.posterior(name)
    summary = az.summary(posterior.to_datatree(), round_to="none")
    table = posterior.parameters()
    assert set(summary.index) == set(table.index)
    assert summary["mean"].reindex(table.index).to_numpy() == pytest.approx(table["mean"].to_numpy(), rel=1e-9)
    assert posterior.to_datatree()["posterior"].sizes == {"chain": 1, "draw": 2048}


@pytest.mark.parametrize("plot", ["plot_dist", "plot_trace", "plot_forest"])
def test_plots(plot):
    mpl.use("Agg")
    collection = getattr(az, plot)(cdnow.posterior("BGNBD").thinned(100).to_datatree(), backend="matplotlib")
    assert collection is not None
    mpl.pyplot.close("all")


@pytest.mark.parametrize("name", cdnow.MODELS)
def test_log_likelihood_of_customers(name):
    posterior, histories = cdnow.posterior(name).thinned(7), cdnow.histories()
    pointwise = posterior.to_datatree(histories)["log_likelihood"][name]
    table = histories.to_pandas()
    if name == "GammaGamma":  # others do not enter
        table = table.query("frequency > 0 and monetary_value > 0")
        mean_to_sum = np.log(table["frequency"].to_numpy())  # density of the mean or of the sum: a constant
    else:
        mean_to_sum = 0.0
    assert pointwise.dims == ("chain", "draw", "customer_id")
    assert pointwise["customer_id"].to_numpy().tolist() == table["customer_id"].tolist()
    for draw in (0, 6):
        truth = FORMULAS[name](table, *(value[draw] for value in posterior.theta))
        found = pointwise.to_numpy()[0, draw]
        assert np.allclose(found, truth, rtol=1e-10) or np.allclose(found + mean_to_sum, truth, rtol=1e-10)
    total = posterior.to_datatree(histories.in_unit("day"))["log_likelihood"][name].sum("customer_id").to_numpy()
    assert total == pytest.approx(pointwise.sum("customer_id").to_numpy(), rel=1e-10)


@pytest.mark.slow
def test_leave_one_out_prefers_the_right_kind_of_model():
    loo = {
        name: az.loo(cdnow.posterior(name).thinned(500).to_datatree(cdnow.histories())) for name in ("BGNBD", "MBGNBD")
    }
    for result in loo.values():
        assert result.n_data_points == 2357
        assert 2 < result.p < 6  # four parameters
        assert not result.warning
    # a little below the maximum of the likelihood, -9582.4 and -9582.1
    assert loo["BGNBD"].elpd == pytest.approx(-9582.4 - 4, abs=3)
    assert loo["MBGNBD"].elpd == pytest.approx(-9582.1 - 4, abs=3)


def test_too_large_a_log_likelihood_is_refused():
    many = cdnow.posterior("BGNBD").chosen(np.zeros(120_000, dtype=np.int64))  # × 2,357 customers: 2.1 GiB
    with pytest.raises(SizeError, match=r"120,000 draws × 2,357 customers.*thinned"):
        many.to_datatree(cdnow.histories())


def test_histories_are_needed_not_a_table():
    with pytest.raises(kw.errors.DataError, match="CustomerHistories"):
        cdnow.posterior("BGNBD").to_datatree(cdnow.histories().to_pandas())
