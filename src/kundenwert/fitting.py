"""Fitting: a model, histories and a method give a posterior."""

from __future__ import annotations

import time
import warnings
import zlib
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final, final, overload

import numpy as np

from kundenwert.errors import (
    InferenceError,
    InferenceWarning,
    MissingInformationError,
    OrganicWarning,
    SpecificationError,
    ZeroAmountWarning,
)
from kundenwert.histories.base import as_histories
from kundenwert.inference.diagnostics import Diagnostics
from kundenwert.inference.grouped import grouped_points
from kundenwert.inference.hierarchical import hierarchical_points
from kundenwert.inference.importance import importance_points, resample
from kundenwert.inference.methods import MAP, NUTS, ImportanceSampling, Method
from kundenwert.inference.mode import find_mode
from kundenwert.inference.target import Target
from kundenwert.models.core import (
    CampaignModel,
    ContractModel,
    FixedParameters,
    Model,
    PurchaseModel,
    SpendModel,
    check_model,
)
from kundenwert.parallel import threads
from kundenwert.posterior.assembly import posterior_of
from kundenwert.posterior.base import Provenance
from kundenwert.posterior.campaign import prior_draws
from kundenwert.priors import Flat
from kundenwert.progress import shown_as
from kundenwert.scalars import check_seed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kundenwert.histories import (
        CampaignLog,
        Cells,
        ContractHistories,
        CustomerHistories,
        Histories,
        OpportunityHistories,
    )
    from kundenwert.models.core import Array
    from kundenwert.posterior.campaign import CampaignPosterior
    from kundenwert.posterior.contract import ContractPosterior
    from kundenwert.posterior.purchase import PurchasePosterior
    from kundenwert.posterior.spend import SpendPosterior

    type AnyPosterior = PurchasePosterior | SpendPosterior | ContractPosterior | CampaignPosterior

__all__ = ["fit", "fixed"]

FEW_DIMENSIONS: Final = 10  # up to these the points of a round are as ImportanceSampling has them by default
MOST_DIMENSIONS: Final = 20  # up to these importance sampling works with more points
MORE_POINTS: Final = 16_384


@overload
def fit(
    model: PurchaseModel[Any],
    histories: CustomerHistories | OpportunityHistories,
    *,
    method: Method | None = None,
    seed: int | None = None,
    progress: bool | None = None,
) -> PurchasePosterior: ...


@overload
def fit(
    model: SpendModel[Any],
    histories: CustomerHistories,
    *,
    method: Method | None = None,
    seed: int | None = None,
    progress: bool | None = None,
) -> SpendPosterior: ...


@overload
def fit(
    model: ContractModel[Any],
    histories: ContractHistories,
    *,
    method: Method | None = None,
    seed: int | None = None,
    progress: bool | None = None,
) -> ContractPosterior: ...


@overload
def fit(
    model: CampaignModel[Any],
    histories: CampaignLog,
    *,
    method: Method | None = None,
    seed: int | None = None,
    progress: bool | None = None,
) -> CampaignPosterior: ...


def fit(
    model: PurchaseModel[Any] | SpendModel[Any] | ContractModel[Any] | CampaignModel[Any],
    histories: CustomerHistories | OpportunityHistories | ContractHistories | CampaignLog,
    *,
    method: Method | None = None,
    seed: int | None = None,
    progress: bool | None = None,
) -> AnyPosterior:
    """Infer the parameters of a model from histories.

    Parameters
    ----------
    model : PurchaseModel, SpendModel, ContractModel or CampaignModel
        The model with its priors, for example ``MBGNBD()``.
    histories : CustomerHistories, OpportunityHistories, ContractHistories or CampaignLog
        The customers.
    method : ImportanceSampling, NUTS or MAP, optional
        How. By default importance sampling, with one proposal for each cohort of contracts; if its diagnostics say
        no, NUTS takes over, with a warning. A model of more than 20 quantities goes to NUTS directly if it does not
        say how they hang together.
    seed : int, optional
        Makes the result reproducible. Without one, a seed is drawn and recorded in the diagnostics.
    progress : bool, optional
        Whether to show how far it is; by default as :func:`kundenwert.show_progress` says.

    Returns
    -------
    PurchasePosterior, SpendPosterior, ContractPosterior or CampaignPosterior
        According to the model. Rates and times are in the unit of the histories.

    Raises
    ------
    MissingInformationError
        If the histories lack a column that the model needs.
    InferenceError
        If no posterior can be computed, or NUTS would take too long.

    Warns
    -----
    ZeroAmountWarning
        If a model of spend leaves out amounts of zero: how many, and what that means for expected spend.
    OrganicWarning
        If the held-out of a campaign contradict the organic forecast, all together or some of them.
    """
    check_model(model)
    if method is not None and not isinstance(method, (ImportanceSampling, NUTS, MAP)):
        message = f"method takes kundenwert.ImportanceSampling(), NUTS() or MAP(), got {method!r}"
        raise SpecificationError(message)
    cells = as_histories(histories).cells(model)
    model = model.prepared(cells)
    cells = model.aligned(cells)
    if not isinstance(method, MAP):
        _refuse_flat(model)
    for caution in model.cautions():
        warnings.warn(caution, InferenceWarning, stacklevel=2)
    if isinstance(model, SpendModel):
        for note in model.left_out(cells):
            warnings.warn(note, ZeroAmountWarning, stacklevel=2)
    if isinstance(model, CampaignModel) and model.contradiction:
        warnings.warn(model.contradiction, OrganicWarning, stacklevel=2)
    task = _Task(model, cells, Target(model, cells), check_seed(seed), time.perf_counter())
    with shown_as(f"fit {type(model).__name__}", progress):
        return _posterior(task, histories, method)


def _posterior(task: _Task, histories: Histories, method: Method | None) -> AnyPosterior:  # noqa: PLR0911 - one a method
    model, known = task.model, task.hierarchical
    if isinstance(model, CampaignModel) and model.prior_only:
        return _prior(task, model)
    match method:
        case MAP():
            return _map(task, histories)
        case NUTS():
            return _nuts(task, method)
        case ImportanceSampling():
            return _importance(task, method)
        case _ if task.target.dimension > MOST_DIMENSIONS and not known:
            return _nuts(task, NUTS(), f"NUTS, because the model has {task.target.dimension} quantities.")
        case _:
            many = task.target.dimension > FEW_DIMENSIONS and not known
            posterior = _importance(task, ImportanceSampling(points=MORE_POINTS if many else None))
            if posterior.diagnostics.ok:
                return posterior
            note = f"Importance sampling did not fit ({' '.join(posterior.diagnostics.problems)}) NUTS took over."
            warnings.warn(note, InferenceWarning, stacklevel=3)
            return _nuts(task, NUTS(), note)


@overload
def fixed(parameters: FixedParameters[PurchaseModel[Any]]) -> PurchasePosterior: ...


@overload
def fixed(parameters: FixedParameters[SpendModel[Any]]) -> SpendPosterior: ...


@overload
def fixed(parameters: FixedParameters[ContractModel[Any]]) -> ContractPosterior: ...


def fixed(parameters: FixedParameters[Any]) -> AnyPosterior:
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
    return posterior_of(
        model,
        values,
        unit=parameters.measure,
        diagnostics=Diagnostics(method="fixed", draws=1, chains=1),
        provenance=Provenance(version=version("kundenwert"), customers=0, cells=0),
    )


@final
@dataclass(frozen=True, slots=True)
class _Task:
    """What is to be fitted."""

    model: Model[Any]
    cells: Cells
    target: Target[Any]
    seed: int
    began: float

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self.began

    @property
    def hierarchical(self) -> bool:
        """Whether the model tells importance sampling its shape, so that many quantities do not matter."""
        return isinstance(self.model, CampaignModel) or self.model.groups(self.cells) is not None

    def suited(self) -> _Task:
        """The same task on coordinates that suit the data."""
        model = self.model.suited(self.cells)
        return self if model is self.model else replace(self, model=model, target=Target(model, self.cells))

    @property
    def notes(self) -> tuple[str, ...]:
        """What of the data does not count, and what cannot be learned from it."""
        return (*self.model.left_out(self.cells), *self.model.cautions())

    @property
    def stream(self) -> np.random.SeedSequence:
        """Source of randomness: two models, or two sets of customers, are independent.

        Days and weeks, euros and cents give the same draws.
        """
        name = type(self.model).__name__.encode()
        return np.random.SeedSequence(self.seed, spawn_key=(zlib.crc32(name), self.cells.fingerprint()))

    def posterior(
        self, values: Sequence[Array], diagnostics: Diagnostics, p_infinite_mean: float | None = None
    ) -> AnyPosterior:
        """The posterior with these parameters, each of shape (chains, draws)."""
        return posterior_of(
            self.model,
            self.model.named(values),
            unit=self.cells.unit,
            diagnostics=diagnostics,
            provenance=Provenance(
                version=version("kundenwert"),
                customers=self.target.customers,
                cells=self.target.cells,
                fingerprint=self.cells.fingerprint(self.model.informative(self.cells)),
            ),
            p_infinite_mean=p_infinite_mean,
        )


def _prior(task: _Task, model: CampaignModel[Any]) -> AnyPosterior:
    values = prior_draws(model, ImportanceSampling().draws, np.random.default_rng(task.stream))
    notes = (*model.left_out(task.cells), f"Prior only: {model.prior_only}.")
    return task.posterior(
        values,
        Diagnostics(method="prior", draws=values[0].size, chains=1, seed=task.seed, seconds=task.seconds, notes=notes),
    )


def _importance(task: _Task, method: ImportanceSampling) -> AnyPosterior:
    rng = np.random.default_rng(task.stream)
    tail, notes = None, task.notes
    try:
        hierarchy, groups = task.model.hierarchy(task.cells), task.model.groups(task.cells)
        if groups is not None:
            grouped = grouped_points(task.target, groups, method, rng)
            weighted, tail, notes = grouped.points, grouped.tail, (*notes, str(grouped))
        elif hierarchy is not None:
            weighted = hierarchical_points(task.target, hierarchy, method, rng)
        else:
            weighted = importance_points(task.target, method, rng)
    except np.linalg.LinAlgError as error:
        message = (
            "the posterior collapses onto fewer dimensions than it has parameters, as when amounts never vary; "
            "use tighter priors, or another model"
        )
        raise InferenceError(message) from error
    values = task.target.parameters(resample(weighted, method.draws, rng))
    diagnostics = Diagnostics(
        method="importance sampling",
        draws=method.draws,
        chains=1,
        seed=task.seed,
        seconds=task.seconds,
        points=len(weighted.weights),
        rounds=weighted.rounds,
        pareto_k=weighted.pareto_k if tail is None else tail,
        ess=weighted.ess,
        notes=notes,
    )
    p_infinite_mean = None
    if isinstance(task.model, SpendModel):  # from all weighted points: the tail may be too thin for the draws kept
        infinite = task.model.tail_index(task.target.parameters(weighted.points), np.zeros(1)) <= 1
        p_infinite_mean = float(weighted.weights @ infinite)
    return task.posterior([value[None] for value in values], diagnostics, p_infinite_mean)


def _nuts(task: _Task, method: NUTS, *notes: str) -> AnyPosterior:
    from kundenwert.inference.pymc import run_nuts

    task = task.suited()
    with shown_as("NUTS", method.progress):
        chains = run_nuts(task.model, task.cells, method, int(task.stream.generate_state(1)[0]), threads())
    values = task.model.parameters_of(list(chains.values), task.cells.unit)
    diagnostics = Diagnostics(
        method="NUTS",
        draws=method.draws,
        chains=method.chains,
        seed=task.seed,
        seconds=task.seconds,
        ess=chains.ess,
        r_hat=chains.r_hat,
        divergences=chains.divergences,
        notes=(*task.notes, *notes),
    )
    return task.posterior(values, diagnostics)


def _map(task: _Task, histories: Histories) -> AnyPosterior:
    task = task.suited()
    mode = find_mode(task.target, exact=True)
    values = task.target.parameters(mode.location[:, None])
    log_likelihood = float(task.target.log_likelihood(mode.location[:, None])[0])
    where = "Log-likelihood at the mode"
    try:
        entering = task.model.informative(task.cells)[task.cells.index]
        log_likelihood += float(task.model.log_constant(histories)[entering].sum())
    except MissingInformationError:
        where += ", but for a constant that these histories do not tell"
    notes = (*task.notes, f"{where}: {log_likelihood:.2f}.")
    diagnostics = Diagnostics(method="MAP", draws=1, chains=1, seed=task.seed, seconds=task.seconds, notes=notes)
    return task.posterior([np.reshape(value, (1, 1)) for value in values], diagnostics)


def _refuse_flat(model: Model[Any]) -> None:
    for quantity in model.quantities:
        if isinstance(quantity.prior, Flat):
            message = (
                f"the prior of {quantity.name} is Flat, which is improper: only method=kundenwert.MAP() accepts it. "
                "Give a proper prior, for example kundenwert.LogNormal"
            )
            raise SpecificationError(message)
