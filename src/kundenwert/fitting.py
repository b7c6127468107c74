"""Fitting: a model, histories and a method give a posterior."""

from __future__ import annotations

import secrets
import time
import warnings
import zlib
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final, overload

import numpy as np

from kundenwert.errors import InferenceWarning, SpecificationError
from kundenwert.inference.diagnostics import Diagnostics
from kundenwert.inference.importance import importance_points, resample
from kundenwert.inference.methods import MAP, NUTS, ImportanceSampling, Method
from kundenwert.inference.mode import find_mode
from kundenwert.inference.target import Target, threads
from kundenwert.models._base import FixedParameters, Model, PurchaseModel, SpendModel
from kundenwert.models._functions import Array
from kundenwert.posterior.base import Provenance, as_histories
from kundenwert.posterior.purchase import PurchasePosterior
from kundenwert.posterior.spend import SpendPosterior
from kundenwert.priors import Flat

if TYPE_CHECKING:
    import pymc as pm

    from kundenwert.histories import Cells, CustomerHistories

__all__ = ["fit", "fixed", "to_pymc"]

SEED_BITS: Final = 63


@overload
def fit[P: tuple[Array, ...]](
    model: PurchaseModel[P], histories: CustomerHistories, *, method: Method | None = None, seed: int | None = None
) -> PurchasePosterior[P]: ...


@overload
def fit[P: tuple[Array, ...]](
    model: SpendModel[P], histories: CustomerHistories, *, method: Method | None = None, seed: int | None = None
) -> SpendPosterior[P]: ...


def fit(
    model: PurchaseModel[Any] | SpendModel[Any],
    histories: CustomerHistories,
    *,
    method: Method | None = None,
    seed: int | None = None,
) -> PurchasePosterior[Any] | SpendPosterior[Any]:
    """Infer the parameters of a model from histories.

    Parameters
    ----------
    model : PurchaseModel or SpendModel
        The model with its priors, for example ``MBGNBD()``.
    histories : CustomerHistories
        The customers.
    method : ImportanceSampling, NUTS or MAP, optional
        How. By default importance sampling; if its diagnostics say no, NUTS takes over, with a warning.
    seed : int, optional
        Makes the result reproducible. Without one, a seed is drawn and recorded in the diagnostics.

    Returns
    -------
    PurchasePosterior or SpendPosterior
        According to the model. Rates and times are in the unit of the histories.

    Raises
    ------
    MissingInformationError
        If the histories lack a column that the model needs.
    InferenceError
        If no posterior can be computed, or NUTS would take too long.
    """
    _check_model(model)
    if method is not None and not isinstance(method, (ImportanceSampling, NUTS, MAP)):
        message = f"method takes kundenwert.ImportanceSampling(), NUTS() or MAP(), got {method!r}"
        raise SpecificationError(message)
    cells = as_histories(histories).cells(model)
    model = model.prepared(cells)
    if not isinstance(method, MAP):
        _refuse_flat(model)
    seed = _checked_seed(seed)
    began = time.perf_counter()
    match method:
        case MAP():
            return _map(model, cells, seed, began)
        case NUTS():
            return _nuts(model, cells, method, seed, began, ())
        case ImportanceSampling():
            return _importance(model, cells, method, seed, began)
        case _:
            posterior = _importance(model, cells, ImportanceSampling(), seed, began)
            if posterior.diagnostics.ok:
                return posterior
            note = f"Importance sampling did not fit ({' '.join(posterior.diagnostics.problems)}) NUTS took over."
            warnings.warn(note, InferenceWarning, stacklevel=2)
            return _nuts(model, cells, NUTS(), seed, began, (note,))


@overload
def fixed[P: tuple[Array, ...]](parameters: FixedParameters[PurchaseModel[P]]) -> PurchasePosterior[P]: ...


@overload
def fixed[P: tuple[Array, ...]](parameters: FixedParameters[SpendModel[P]]) -> SpendPosterior[P]: ...


def fixed(parameters: FixedParameters[Any]) -> PurchasePosterior[Any] | SpendPosterior[Any]:
    """A posterior of a single draw at given values: for published estimates, and for tests.

    Parameters
    ----------
    parameters : for example ``BGNBD.Parameters(r=0.243, alpha=4.414, a=0.793, b=2.426, unit="week")``
        The values and their time unit.
    """
    if not isinstance(parameters, FixedParameters):
        message = (
            "fixed takes the parameters of a model, for example "
            f"kundenwert.BGNBD.Parameters(r=…, alpha=…, a=…, b=…, unit='week'); got {parameters!r}"
        )
        raise SpecificationError(message)
    model = parameters.model()
    values = model.named([np.full((1, 1), float(getattr(parameters, name))) for name in model.parameter_names])
    return _posterior(
        model,
        values,
        parameters.unit,
        Diagnostics(method="fixed", draws=1, chains=1),
        Provenance(version=version("kundenwert"), customers=0, cells=0),
        None,
    )


def to_pymc(model: PurchaseModel[Any] | SpendModel[Any], histories: CustomerHistories) -> pm.Model:
    """The model as a PyMC model of these histories, to inspect, sample or extend.

    Its free variables are the quantities the priors are stated on; the published parameters are deterministic; the
    log-likelihood of all customers is a potential, computed from the distinct histories and their counts.

    Parameters
    ----------
    model : PurchaseModel or SpendModel
        The model with its priors.
    histories : CustomerHistories
        The customers.
    """
    from kundenwert.inference.pymc import pymc_model

    _check_model(model)
    cells = as_histories(histories).cells(model)
    return pymc_model(model.prepared(cells), cells)


def _importance(
    model: Model[Any], cells: Cells, method: ImportanceSampling, seed: int, began: float
) -> PurchasePosterior[Any] | SpendPosterior[Any]:
    # streams differ by model, so that posteriors fitted with one seed are independent
    stream = np.random.SeedSequence(seed, spawn_key=(zlib.crc32(type(model).__name__.encode()),))
    rng = np.random.default_rng(stream)
    target = Target(model, cells)
    weighted = importance_points(target, method, rng)
    values = target.parameters(resample(weighted, method.draws, rng))
    diagnostics = Diagnostics(
        method="importance sampling",
        draws=method.draws,
        chains=1,
        seed=seed,
        seconds=time.perf_counter() - began,
        points=len(weighted.weights),
        rounds=weighted.rounds,
        pareto_k=weighted.pareto_k,
        ess=weighted.ess,
    )
    shaped = model.named([value[None] for value in values])
    infinite = _p_infinite_mean(model, target.parameters(weighted.points), weighted.weights)
    return _posterior(model, shaped, cells.unit, diagnostics, _provenance(target, cells), infinite)


def _nuts(
    model: Model[Any], cells: Cells, method: NUTS, seed: int, began: float, notes: tuple[str, ...]
) -> PurchasePosterior[Any] | SpendPosterior[Any]:
    from kundenwert.inference.pymc import run_nuts

    chains = run_nuts(model, cells, method, seed, threads())
    values = model.named(model.parameters_of(list(chains.values), cells.unit))
    diagnostics = Diagnostics(
        method="NUTS",
        draws=method.draws,
        chains=method.chains,
        seed=seed,
        seconds=time.perf_counter() - began,
        ess=chains.ess,
        r_hat=chains.r_hat,
        divergences=chains.divergences,
        notes=notes,
    )
    flat = model.named([value.ravel() for value in values])
    infinite = _p_infinite_mean(model, flat, np.full(flat[0].size, 1 / flat[0].size))
    return _posterior(model, values, cells.unit, diagnostics, _provenance(Target(model, cells), cells), infinite)


def _map(model: Model[Any], cells: Cells, seed: int, began: float) -> PurchasePosterior[Any] | SpendPosterior[Any]:
    target = Target(model, cells)
    mode = find_mode(target)
    values = model.named([np.reshape(value, (1, 1)) for value in target.parameters(mode.location[:, None])])
    seconds = time.perf_counter() - began
    note = f"Log density at the mode, priors included: {mode.log_density:.2f}."
    diagnostics = Diagnostics(method="MAP", draws=1, chains=1, seed=seed, seconds=seconds, notes=(note,))
    return _posterior(model, values, cells.unit, diagnostics, _provenance(target, cells), None)


def _posterior(
    model: Model[Any], values: Any, unit: Any, diagnostics: Diagnostics, provenance: Provenance, infinite: float | None
) -> PurchasePosterior[Any] | SpendPosterior[Any]:
    if isinstance(model, SpendModel):
        if infinite is None:  # a single draw
            infinite = _p_infinite_mean(model, model.named([v.ravel() for v in values]), np.ones(1))
        return SpendPosterior(
            model=model,
            unit=unit,
            values=values,
            diagnostics=diagnostics,
            provenance=provenance,
            p_infinite_mean=infinite,
        )
    assert isinstance(model, PurchaseModel)  # noqa: S101 - _check_model has seen to it
    return PurchasePosterior(model=model, unit=unit, values=values, diagnostics=diagnostics, provenance=provenance)


def _p_infinite_mean(model: Model[Any], theta: Any, weights: Array) -> float:
    """Posterior probability that the population has no mean amount; 0 for a purchase model."""
    if not isinstance(model, SpendModel):
        return 0.0
    return float(weights @ model.without_mean(theta, np.zeros(1)))


def _provenance(target: Target[Any], cells: Cells) -> Provenance:
    return Provenance(version=version("kundenwert"), customers=target.customers, cells=target.cells)


def _check_model(model: object) -> None:
    if isinstance(model, type):
        message = f"expected a model, got the class {model.__name__}; write {model.__name__}()"
        raise SpecificationError(message)
    if not isinstance(model, (PurchaseModel, SpendModel)):
        message = f"expected a model such as kundenwert.MBGNBD() or kundenwert.GammaGamma(), got {model!r}"
        raise SpecificationError(message)


def _refuse_flat(model: Model[Any]) -> None:
    for quantity in model.quantities:
        if isinstance(quantity.prior, Flat):
            message = (
                f"the prior of {quantity.name} is Flat, which is improper: only method=kundenwert.MAP() accepts it. "
                "Give a proper prior, for example kundenwert.LogNormal"
            )
            raise SpecificationError(message)


def _checked_seed(seed: int | None) -> int:
    if seed is None:
        return secrets.randbits(SEED_BITS)
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        message = f"seed must be a whole number of at least 0, got {seed!r}"
        raise SpecificationError(message)
    return int(seed)
