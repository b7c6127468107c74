"""Whether numbers can be draws of a model: of files, which may hold anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kundenwert.errors import SpecificationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from kundenwert.duration import Unit
    from kundenwert.models.core import Array, Model

__all__ = ["check_draws"]


def check_draws(model: Model[Any], draws: Mapping[str, Array], unit: Unit) -> tuple[Array, ...]:
    """The draws in the order of the model's parameters, each of shape (chains, draws).

    Raises
    ------
    SpecificationError
        If they are not those of its parameters, differ in shape, or lie where the model's quantities cannot.
    """
    names = model.parameter_names
    if len(draws) != len(names) or set(draws) != set(names):
        missing = sorted(set(names) - set(draws)) or sorted(set(draws) - set(names))
        message = (
            f"expected draws of {', '.join(names)}, got those of {', '.join(draws) or 'nothing'}; the first that does "
            f"not fit is {missing[0]}"
        )
        raise SpecificationError(message)
    values = [draws[name] for name in names]
    shapes = {value.shape for value in values}
    if len(shapes) != 1 or len(shape := shapes.pop()) != 2 or 0 in shape:
        found = ", ".join(f"{name} {value.shape}" for name, value in zip(names, values, strict=True))
        message = f"expected draws of one shape (chains, draws) for every parameter, got {found}"
        raise SpecificationError(message)
    for name, value in zip(names, values, strict=True):
        _refuse(~np.isfinite(value), name, value, "finite numbers")
    _check_supports(model, model.named(values), unit)
    found_values: tuple[Array, ...] = model.named(values)
    return found_values


def _check_supports(model: Model[Any], theta: tuple[Array, ...], unit: Unit) -> None:
    """Check where the quantities lie that the parameters stand for."""
    with np.errstate(all="ignore"):
        values = model.quantities_of(theta, unit)
    for quantity, value in zip(model.quantities, values, strict=True):
        match quantity.support:
            case "positive":
                _refuse(~(value > 0), quantity.name, value, "positive numbers")
            case "probability":
                _refuse(~((value > 0) & (value <= 1)), quantity.name, value, "probabilities")
            case "real":
                _refuse(np.isnan(value), quantity.name, value, "numbers")


def _refuse(wrong: NDArray[np.bool_], name: str, value: Array, expected: str) -> None:
    if np.any(wrong):
        chain, draw = (int(place[0]) for place in np.nonzero(np.atleast_2d(wrong)))
        got = float(np.atleast_2d(value)[chain, draw])
        message = f"{name} is {got!r} in draw {draw} of chain {chain}; expected {expected}"
        raise SpecificationError(message)
