"""What must hold of every model, whatever it is about: coordinates, gradients, files, fits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from kundenwert.duration import DAYS
from kundenwert.inference.pymc import log_likelihood_with_gradient
from kundenwert.inference.target import Target
from kundenwert.loading import load
from kundenwert.testing._comparing import agree, case_at, demand

if TYPE_CHECKING:
    from collections.abc import Callable

    from kundenwert.duration import Unit
    from kundenwert.histories import Cells
    from kundenwert.models.core import Array, FixedParameters
    from kundenwert.posterior import PurchasePosterior, SpendPosterior

__all__ = ["MODEL_CHECKS", "Case", "shifted"]

POINTS: Final = 4
SPREAD: Final = 0.5
STEP: Final = 1e-3


class Case(Protocol):
    """A model with parameters, and customers."""

    @property
    def parameters(self) -> FixedParameters[Any]:
        """The parameters given."""

    @property
    def posterior(self) -> PurchasePosterior | SpendPosterior:
        """The model at these parameters."""

    @property
    def cells(self) -> Cells:
        """Distinct histories."""

    @property
    def seed(self) -> int:
        """Where chance comes from."""


def shifted(case: Case, step: float) -> tuple[Array, ...]:
    """Parameters with every coordinate moved by `step`, up and down in turn."""
    return _at(case, _coordinates(case) + step * (-1.0) ** np.arange(len(case.posterior.model.quantities)))


def parameters_have_names(case: Case) -> None:
    """Parameters have the names that the model says, and the measure that it counts."""
    model, parameters = case.posterior.model, case.parameters
    names = tuple(getattr(case.posterior.theta, "_fields", model.parameter_names))
    expected = tuple(model.parameter_names)
    demand(names == expected, f"named(…) has the fields {names}, parameter_names are {expected}")
    clock = "time" if parameters.measure in DAYS else parameters.measure
    demand(clock == model.clock, f"clock is {model.clock!r}, but measure is {parameters.measure!r}")


def quantities_and_parameters_are_two_ways_to_say_the_same(case: Case) -> None:
    """quantities_of is the inverse of parameters_of, in every unit, and quantities lie where they are said to lie."""
    model, theta = case.posterior.model, case.posterior.theta
    for unit in _units(case.posterior.unit):
        quantities = model.quantities_of(theta, unit)
        back = model.parameters_of(quantities, unit)
        for name, value, again in zip(model.parameter_names, theta, back, strict=True):
            agree(f"{name} of its own quantities", again, value, case_at({"draw": [0]}), rtol=1e-10)
        for quantity, value in zip(model.quantities, quantities, strict=True):
            inside = {"positive": (0, np.inf), "probability": (0, 1), "real": (-np.inf, np.inf)}[quantity.support]
            good = bool(np.all((value > inside[0]) & (value < inside[1])))
            demand(good, f"{quantity.name} per {unit} is {value}, though said to be {quantity.support}")


def the_likelihood_counts_every_customer(case: Case) -> None:
    """A history that three customers share counts three times."""
    model = case.posterior.model
    points = _points(case).T
    total = np.zeros(points.shape[1])
    for cells, counts in ((case.cells, 1), (case.cells, 2)):
        total += Target(model, _with_counts(cells, counts)).log_likelihood(points)
    thrice = Target(model, _with_counts(case.cells, 3)).log_likelihood(points)
    at = case_at({"point": np.arange(points.shape[1])})
    agree("log-likelihood of three times the customers", thrice, total, at, rtol=1e-12)


def numpy_and_pytensor_agree(case: Case) -> None:
    """The log-likelihood and its gradient are the same on NumPy and on PyTensor."""
    model = case.posterior.model
    target = Target(model, case.cells)
    compiled = log_likelihood_with_gradient(model, case.cells)
    points = _points(case)
    values, gradients = zip(*(compiled(point) for point in points), strict=True)
    expected = target.log_likelihood(points.T)
    at = case_at({q.name: points[:, i] for i, q in enumerate(model.quantities)})
    agree("log-likelihood on PyTensor", values, expected, at, rtol=1e-12)
    truth = np.array([_differences(target, point) for point in points])
    rows = {"point": np.arange(len(points)), "coordinate": np.arange(len(model.quantities))}
    grid = dict(zip(rows, np.meshgrid(*rows.values(), indexing="ij"), strict=True))
    size = np.abs(truth).max(axis=1, keepdims=True)
    agree("gradient on PyTensor", gradients / size, truth / size, case_at(grid), rtol=1e-7, atol=1e-7)


def a_saved_posterior_comes_back(case: Case) -> None:
    """A saved posterior is loaded unchanged with models=(the model's class,)."""
    posterior = case.posterior
    with TemporaryDirectory() as folder:
        path = Path(folder) / "posterior.nc"
        posterior.save(path)
        again: Any = load(path, models=(type(posterior.model),))
    demand(again.model == posterior.model, f"the model comes back as {again.model}, expected {posterior.model}")
    for name, value, loaded in zip(posterior.model.parameter_names, posterior.values, again.values, strict=True):
        agree(name, loaded, value, case_at({"draw": [0]}), rtol=0)


def _units(unit: Unit) -> tuple[Unit, ...]:
    return (unit,) if unit in {"opportunity", "renewal"} else (unit, "day", "year")


def _coordinates(case: Case) -> Array:
    """The parameters as unbounded coordinates, shape (dimension,)."""
    model = case.posterior.model
    values = model.quantities_of(case.posterior.theta, case.posterior.unit)
    return np.array([float(q.coordinate(np.asarray(v))[0]) for q, v in zip(model.quantities, values, strict=True)])


def _at(case: Case, coordinates: Array) -> tuple[Array, ...]:
    """Parameters at unbounded coordinates, each of shape (1,)."""
    model = case.posterior.model
    values = [q.value(np.atleast_1d(c)) for q, c in zip(model.quantities, coordinates, strict=True)]
    theta: tuple[Array, ...] = model.parameters_of(values, case.posterior.unit)
    return theta


def _points(case: Case) -> Array:
    """Points around the parameters and around the guesses, shape (points, dimension)."""
    model = case.posterior.model
    guess = np.array([float(q.coordinate(np.asarray(q.guess))) for q in model.quantities])
    here = _coordinates(case)
    steps = np.random.default_rng(case.seed).normal(scale=SPREAD, size=(POINTS, len(here)))
    return np.stack([here, *((guess if i % 2 else here) + step for i, step in enumerate(steps))])


def _differences(target: Target[Any], point: Array) -> Array:
    """Gradient by central differences of sixth order."""
    offsets, weights = np.array([-3, -2, -1, 1, 2, 3]), np.array([-1, 9, -45, 45, -9, 1]) / (60 * STEP)
    lines = [target.log_likelihood(point[:, None] + np.outer(axis, STEP * offsets)) for axis in np.eye(len(point))]
    gradient: Array = np.stack(lines) @ weights
    return gradient


def _with_counts(cells: Cells, times: int) -> Cells:
    return replace(cells, counts=cells.counts * times)


MODEL_CHECKS: Final[tuple[Callable[[Any], None], ...]] = (
    parameters_have_names,
    quantities_and_parameters_are_two_ways_to_say_the_same,
    the_likelihood_counts_every_customer,
    numpy_and_pytensor_agree,
    a_saved_posterior_comes_back,
)
