"""What economics may be."""

import pytest

import kundenwert as kw
from kundenwert.errors import SpecificationError


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
