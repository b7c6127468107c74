"""From draws to mean and interval, block by block."""

import numpy as np
import pytest

from kundenwert.errors import InferenceError, SpecificationError
from kundenwert.posterior.base import thinning
from kundenwert.posterior.summary import check_interval, summarise


@pytest.mark.parametrize("rows, draws", [(1, 1), (1, 2), (7, 1001), (3000, 100), (3, 300_000)])
@pytest.mark.parametrize("interval", [0.5, 0.9, 0.999])
def test_it_is_what_numpy_says(rows, draws, interval):
    values = np.random.default_rng(0).gamma(0.3, size=(rows, draws))
    found = summarise(rows, draws, lambda block: values[block], interval)
    assert found.mean == pytest.approx(values.mean(axis=1), rel=1e-12)
    assert found.lower == pytest.approx(np.quantile(values, (1 - interval) / 2, axis=1), rel=1e-9)
    assert found.upper == pytest.approx(np.quantile(values, (1 + interval) / 2, axis=1), rel=1e-9)


def test_blocks_are_small_and_cover_every_row_once():
    seen: list[int] = []

    def values(block):
        seen.extend(range(block.start, block.stop))
        assert (block.stop - block.start) * 2000 <= 2**17
        return np.zeros((block.stop - block.start, 2000))

    summarise(5000, 2000, values, 0.9)
    assert sorted(seen) == list(range(5000))


def test_values_that_do_not_depend_on_the_draw_are_spread_over_all():
    found = summarise(3, 10, lambda block: np.arange(3.0)[block, None], 0.9)
    assert found.mean.tolist() == found.lower.tolist() == found.upper.tolist() == [0, 1, 2]


def test_an_error_in_a_block_is_not_lost():
    def values(block):
        if block.start > 1000:
            message = "lost"
            raise ZeroDivisionError(message)
        return np.zeros((block.stop - block.start, 2000))

    with pytest.raises(ZeroDivisionError, match="lost"):
        summarise(5000, 2000, values, 0.9)


@pytest.mark.parametrize("interval", [0.01, 0.9, 0.99])
def test_probabilities_are_intervals(interval):
    assert check_interval(interval) == interval


def test_a_percentage_is_no_interval():
    with pytest.raises(SpecificationError, match=r"0\.90; got 90"):
        check_interval(90)


@pytest.mark.parametrize("draws, wanted", [(2000, 2000), (2000, 500), (2000, 1999), (1, 7), (10, 3)])
def test_thinning_is_even(draws, wanted):
    chosen = thinning(draws, wanted)
    assert len(chosen) == wanted
    steps = np.diff(np.append(chosen, draws))
    assert steps.max() - steps.min() <= 1
    assert chosen[0] == 0


def test_a_number_that_is_none_is_an_error_unless_it_means_something():
    values = np.array([[1.0, np.nan, 3.0]])
    with pytest.raises(InferenceError, match="no number for some draws"):
        summarise(1, 3, lambda rows: values[rows], 0.9)
    assert summarise(1, 3, lambda rows: values[rows], 0.9, leave_out_nan=True).mean == pytest.approx(2)
