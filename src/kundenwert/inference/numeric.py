"""Log-likelihoods that only NumPy can compute, as nodes of a PyTensor graph.

Such a node is a black box of coordinates (logarithms and logits of the quantities). Its gradient is that of central
differences, all of whose points are evaluated in one call, as the points of importance sampling are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kundenwert.inference.target import Target

__all__ = ["log_likelihood"]

STEP: Final = 1e-3  # of the coordinates: fourth order leaves about STEP^4 of the fifth derivative
OFFSETS: Final = np.array([-2.0, -1.0, 1.0, 2.0])
WEIGHTS: Final = np.array([1.0, -8.0, 8.0, -1.0]) / 12


def log_likelihood(target: Target[Any], coordinates: Sequence[Any]) -> Any:
    """Log-likelihood of all customers at scalar coordinates, as a PyTensor expression with a gradient."""
    return _Value(target)(pt.stack(list(coordinates)))


class _Value(Op):
    """Log-likelihood at coordinates of shape (dimension,)."""

    __props__ = ("target",)

    def __init__(self, target: Target[Any]) -> None:
        self.target = target

    def make_node(self, *inputs: Any) -> Any:
        return Apply(self, [pt.as_tensor_variable(each) for each in inputs], [pt.dscalar()])

    def perform(self, node: Any, inputs: Any, output_storage: Any) -> None:  # noqa: ARG002 - PyTensor calls it so
        (coordinates,) = inputs
        output_storage[0][0] = np.asarray(self.target.log_likelihood(coordinates[:, None])[0])

    def pullback(self, inputs: Any, outputs: Any, cotangents: Any) -> list[Any]:  # noqa: ARG002 - as above
        return [cotangents[0] * _Gradient(self.target)(inputs[0])]


class _Gradient(Op):
    """Gradient of the log-likelihood, shape (dimension,)."""

    __props__ = ("target",)

    def __init__(self, target: Target[Any]) -> None:
        self.target = target

    def make_node(self, *inputs: Any) -> Any:
        return Apply(self, [pt.as_tensor_variable(each) for each in inputs], [pt.dvector()])

    def perform(self, node: Any, inputs: Any, output_storage: Any) -> None:  # noqa: ARG002 - as above
        (coordinates,) = inputs
        dimension = len(coordinates)
        moves = np.eye(dimension)[:, :, None] * (STEP * OFFSETS)  # (coordinate, moved coordinate, offset)
        points = (coordinates[:, None, None] + moves).reshape(dimension, -1)
        lines = self.target.log_likelihood(points).reshape(dimension, len(OFFSETS))
        output_storage[0][0] = np.where(np.isfinite(lines).all(axis=1, keepdims=True), lines, 0.0) @ WEIGHTS / STEP
