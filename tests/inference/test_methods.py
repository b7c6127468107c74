"""Specifications of methods refuse what cannot be."""

import dataclasses

import pytest

import kundenwert as kw
from kundenwert.errors import SpecificationError


@pytest.mark.parametrize(
    "method, arguments, named",
    [
        (kw.ImportanceSampling, {"draws": 0}, "draws"),
        (kw.ImportanceSampling, {"draws": 1.5}, "draws"),
        (kw.ImportanceSampling, {"draws": True}, "draws"),
        (kw.ImportanceSampling, {"refits": -1}, "refits"),
        (kw.ImportanceSampling, {"points": 1024}, "points"),
        (kw.ImportanceSampling, {"points": 5000}, "power of two"),
        (kw.NUTS, {"draws": 3}, "draws"),
        (kw.NUTS, {"tune": 0}, "tune"),
        (kw.NUTS, {"chains": 0}, "chains"),
        (kw.NUTS, {"target_accept": 1.0}, "target_accept"),
        (kw.NUTS, {"sampler": "stan"}, "'pymc' or 'nutpie'"),
        (kw.NUTS, {"longest": 0}, "longest"),
    ],
)
def test_values_out_of_range_are_refused_by_name(method, arguments, named):
    with pytest.raises(SpecificationError, match=named):
        method(**arguments)


@pytest.mark.parametrize("method", [kw.ImportanceSampling, kw.NUTS, kw.MAP])
def test_methods_are_frozen_and_take_keywords_only(method):
    assert method() == method()
    for field in dataclasses.fields(method):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(method(), field.name, 1)
    with pytest.raises(TypeError):
        method(1)
    with pytest.raises(TypeError):
        method(drawz=1)
