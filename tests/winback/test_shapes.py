"""Shapes of covariates that a campaign shows: found where they are, and hardly ever where they are not."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

import kundenwert as kw
from kundenwert.models.families.campaign_shapes import Shape, shapes_of
from tests import campaigns

CUSTOMERS = 12_000
NAMES = ("age", "orders", "new")


def frame_of(truth, seed=1, customers=CUSTOMERS):
    """A campaign at random without a log of purchases; `truth` adds to the log-odds of returning."""
    rng = np.random.default_rng(seed)
    age = np.round(rng.uniform(20, 80, customers))
    orders = np.round(rng.exponential(4, customers)) + 1
    new = rng.integers(0, 2, customers)
    arm = rng.random(customers) < 0.5
    z = (age - 50) / 17, (orders - 5) / 4, new - 0.5
    p = expit(-1.7 + truth(*z) + 0.4 * arm)
    return pd.DataFrame(
        {
            "customer_id": np.arange(customers),
            "offer": pd.array(campaigns.sent(arm, "E-Mail"), dtype="str"),
            "returned": rng.random(customers) < p,
            "age": age,
            "orders": orders,
            "new": new,
        }
    )


def read(frame, names=NAMES) -> Any:
    return kw.CampaignLog.from_pandas(frame, window=kw.weeks(2), covariates=names)


def found(log) -> list[str]:
    """Names of the shapes that the campaign shows."""
    cells = log.cells(campaigns.response())
    return [shape.name(cells.campaign.covariates) for shape in shapes_of(cells)]


def line(age, orders, new):
    return 0.4 * age - 0.3 * orders + 0.3 * new


def test_straight_lines_and_noise_show_hardly_any():
    """Each candidate is beyond the limit of 4 in one case of twenty; that of eight independent ones, in a third."""
    numbers = [len(found(read(frame_of(truth, seed)))) for seed in range(12) for truth in (line, lambda *_: 0.0)]
    assert np.mean(numbers) < 0.6


@pytest.mark.parametrize(
    "truth, shape",
    [
        (lambda age, orders, new: 0.8 * (age > 0) + 0.0 * orders * new, "age > "),
        (lambda age, orders, new: 0.5 * age**2 + 0.0 * orders * new, "age > "),
        (lambda age, orders, new: 0.4 * np.minimum(orders, 0) + 0.0 * age * new, "orders > "),
        (lambda age, orders, new: 0.4 * age * orders + 0.0 * new, "age × orders"),
        (lambda age, orders, new: 0.9 * age * new + 0.0 * orders, "age × new"),
    ],
    ids=["step", "valley", "saturation", "product of numbers", "product with a truth value"],
)
def test_what_is_missing_comes_first(truth, shape):
    assert found(read(frame_of(truth)))[0].startswith(shape)


def bent(age, orders, new):
    return line(age, orders, new) + 0.5 * age**2 + 0.4 * age * orders


def test_neither_the_order_of_rows_nor_that_of_columns_matters():
    frame = frame_of(bent, seed=4)
    shapes = found(read(frame))
    assert len(shapes) >= 2
    assert found(read(frame.sample(frac=1, random_state=2))) == shapes
    turned = found(read(frame, NAMES[::-1]))
    assert {frozenset(name.split(" × ")) for name in turned} == {frozenset(name.split(" × ")) for name in shapes}


def test_few_returns_show_nothing():
    assert found(read(frame_of(lambda age, *_: age**2 - 6, customers=600))) == []


def test_a_shape_is_scaled_over_the_customers():
    z, counts = [np.array([-1.0, 0.0, 2.0])], np.array([1.0, 2.0, 1.0])
    shape = Shape(0, -1, 0.5, 0.0, 1.0).scaled(z, counts)
    assert shape is not None
    values = shape.values(z)
    assert counts @ values == pytest.approx(0, abs=1e-12)
    assert counts @ values**2 == pytest.approx(4)
    assert np.ptp(values[:2]) == 0  # below the knot
    assert Shape(0, -1, 3.0, 0.0, 1.0).scaled(z, counts) is None


def test_posteriors_with_shapes_are_saved_and_read_back(tmp_path):
    log = read(frame_of(bent, seed=4, customers=4000))
    method = kw.ImportanceSampling(draws=300, points=2048)
    posterior = kw.fit(campaigns.response(), log, seed=1, method=method)
    names = [name for name in posterior.parameters().index if "×" in name or ">" in name]
    assert names
    posterior.save(tmp_path / "response.nc")
    again: Any = kw.load(tmp_path / "response.nc")
    assert again.model == posterior.model
    pd.testing.assert_frame_equal(again.uplift(log), posterior.uplift(log))
    # who is asked about later has the shapes of the campaign, not those of their own
    pd.testing.assert_frame_equal(again.uplift(log.take(np.arange(50))), posterior.uplift(log).head(50))
