"""The border to PyMC: the same formulas as a PyMC model, and NUTS."""

from __future__ import annotations

import logging
import time
import warnings
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, cast, final

import numpy as np

from kundenwert.errors import InferenceError, SpecificationError
from kundenwert.histories.base import as_histories
from kundenwert.inference.interrupts import interrupts_raised
from kundenwert.inference.target import Target
from kundenwert.models.core import check_model, history_of
from kundenwert.priors import Flat
from kundenwert.progress import counted, is_seen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pymc as pm
    from numpy.typing import NDArray

    from kundenwert.histories import Cells, Histories
    from kundenwert.inference.methods import NUTS
    from kundenwert.models.core import Array, Model

__all__ = ["Chains", "forecast_minutes", "log_likelihood_with_gradient", "pymc_model", "run_nuts", "to_pymc"]

LEAPFROG_STEPS: Final = 12  # gradient evaluations a draw, typical of four or five parameters


@final
class _PyTensor:
    """The function namespace of log-likelihoods on PyTensor."""

    def exp(self, value: Any, /) -> Any:
        import pytensor.tensor as pt

        return pt.exp(value)

    def expm1(self, value: Any, /) -> Any:
        import pytensor.tensor as pt

        return pt.expm1(value)

    def log(self, value: Any, /) -> Any:
        import pytensor.tensor as pt

        return pt.log(value)

    def log1p(self, value: Any, /) -> Any:
        import pytensor.tensor as pt

        return pt.log1p(value)

    def gammaln(self, value: Any, /) -> Any:
        import pytensor.tensor as pt

        return pt.gammaln(value)

    def softplus(self, value: Any, /) -> Any:
        import pytensor.tensor as pt

        return pt.softplus(value)

    def minimum(self, left: Any, right: Any, /) -> Any:
        import pytensor.tensor as pt

        return pt.minimum(left, right)

    def where(self, condition: Any, true: Any, false: Any, /) -> Any:
        import pytensor.tensor as pt

        return pt.where(condition, true, false)

    def apart(
        self,
        condition: Any,  # noqa: ARG002 - a graph has no values yet
        formula: Callable[[Sequence[Any], bool], Any],
        values: Sequence[Any],
        /,
    ) -> Any:
        return formula(values, True)

    def choose(self, values: Sequence[Any], index: NDArray[np.int64], /) -> Any:
        import pytensor.tensor as pt

        return pt.stack(list(values))[index]

    def joined(self, parts: Sequence[Any], /) -> Any:
        import pytensor.tensor as pt

        return pt.concatenate(list(parts))

    def total(self, term: Callable[[Any, Any], Any], nodes: Array, weights: Array, /) -> Any:
        return term(nodes[:, None], weights[:, None]).sum(axis=0)

    def partial_sums(self, term: Callable[[Any], Any], counts: Sequence[Array], /) -> Sequence[Any]:
        import pytensor.tensor as pt

        sums = pt.cumsum(term(np.arange(max(1.0, *(count.max() for count in counts)))))
        return [pt.concatenate([pt.zeros(1), sums])[count.astype(np.intp)] for count in counts]

    def products(self, ratio: Callable[[Any, Any], Any], x: Array, first: Array, last: Array, /) -> Any:
        import pytensor.tensor as pt

        k = np.arange(first.min(), max(last.max(), first.min() + 1))[:, None]
        inside = (first <= k) & (k < last)
        through_k = pt.cumprod(pt.where(inside, ratio(k, x), 1.0), axis=0)
        before_k = pt.concatenate([pt.ones((1, len(x))), through_k[:-1]])
        return pt.where(inside, before_k, 0.0).sum(axis=0)


def to_pymc(model: Model[Any], histories: Histories) -> pm.Model:
    """The model as a PyMC model of these histories, to inspect, sample or extend.

    Its free variables are the quantities the priors are stated on; the published parameters are deterministic; the
    log-likelihood of all customers is a potential, computed from the distinct histories and their counts.

    Parameters
    ----------
    model : PurchaseModel, SpendModel or ContractModel
        The model with its priors.
    histories : CustomerHistories, OpportunityHistories or ContractHistories
        The customers.
    """
    check_model(model)
    cells = as_histories(histories).cells(model)
    model = model.prepared(cells).suited(cells)
    return pymc_model(model, model.aligned(cells))


def pymc_model(model: Model[Any], cells: Cells) -> pm.Model:
    """The model with its priors, and the likelihood of the cells weighted by their counts."""
    import pymc as pm

    transforms = pm.distributions.transforms
    with pm.Model() as built:
        values = []
        for quantity in model.quantities:
            if isinstance(quantity.prior, Flat):
                message = (
                    f"the prior of {quantity.name} is Flat, which is improper: only kundenwert.MAP accepts it. "
                    "Give a proper prior, for example kundenwert.LogNormal"
                )
                raise SpecificationError(message)
            distribution = getattr(pm, type(quantity.prior).__name__)
            arguments = asdict(cast("Any", quantity.prior))
            # named here because pm.LogitNormal has no default (PyMC issue 8441): NUTS would step out of (0, 1)
            transform = {"positive": transforms.log, "probability": transforms.logodds, "real": None}[quantity.support]
            values.append(distribution(quantity.name, **arguments, default_transform=transform))
        theta = model.parameters_of(values, cells.unit)
        known = {quantity.name for quantity in model.quantities}
        for name, value in zip(model.parameter_names, theta, strict=True):
            if name not in known:
                pm.Deterministic(name, value)
        pm.Potential("log_likelihood", _log_likelihood(model, values, cells))
        pooling = model.log_pooling(values)
        if not isinstance(pooling, float):
            pm.Potential("log_pooling", pooling)
    return built


def log_likelihood_with_gradient(
    model: Model[Any], cells: Cells
) -> Callable[[NDArray[np.float64]], tuple[float, NDArray[np.float64]]]:
    """Log-likelihood of the cells as PyTensor computes it, and its gradient, at a point of unbounded coordinates."""
    import pytensor
    import pytensor.tensor as pt

    point = pt.dvector()
    inverse = {"positive": pt.exp, "probability": pt.sigmoid, "real": lambda coordinate: coordinate}
    values = [inverse[quantity.support](point[i]) for i, quantity in enumerate(model.quantities)]
    total = _log_likelihood(model, values, cells)
    library: Any = pytensor  # its types are partial
    as_written = library.compile.mode.Mode(linker="py", optimizer=None)  # a handful of points is not worth compiling
    compiled = library.function([point], [total, library.grad(total, point)], mode=as_written)

    def evaluate(at: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        value, gradient = compiled(at)
        return float(value), np.asarray(gradient)

    return evaluate


def _log_likelihood(model: Model[Any], values: Sequence[Any], cells: Cells) -> Any:
    """Log-likelihood of the cells, weighted by their counts, as a PyTensor expression of the quantities."""
    if model.numeric:
        return _numeric_log_likelihood(model, values, cells)
    theta = model.parameters_of(values, cells.unit)
    used = model.informative(cells)
    cells = cells.at(used)
    history = history_of(cells, draws_axis=False)
    counts = cells.counts.astype(np.float64)
    return (counts * model.log_likelihood(theta, history, _PyTensor())).sum()


def _numeric_log_likelihood(model: Model[Any], values: Sequence[Any], cells: Cells) -> Any:
    import pytensor.tensor as pt

    from kundenwert.inference.numeric import log_likelihood

    coordinate = {
        "positive": pt.log,
        "probability": lambda value: pt.log(value) - pt.log1p(-value),
        "real": lambda value: value,
    }
    coordinates = [coordinate[q.support](value) for q, value in zip(model.quantities, values, strict=True)]
    return log_likelihood(Target(model, cells), coordinates)


@final
@dataclass(frozen=True, slots=True)
class Chains:
    """Draws of the quantities, shape (dimension, chains, draws), with the sampler's diagnostics."""

    values: Array
    r_hat: float
    ess: float
    divergences: int


def forecast_minutes(built: pm.Model, method: NUTS, cores: int) -> float:
    """How long NUTS is likely to take, from the measured cost of one gradient."""
    gradient = built.logp_dlogp_function(ravel_inputs=True)
    gradient.set_extra_values({})
    point = built.initial_point()
    start = np.concatenate([np.atleast_1d(point[v.name]).ravel() for v in built.value_vars])
    gradient(start)  # the first call may still compile
    began, calls = time.perf_counter(), 0
    while calls < 3 or (calls < 100 and time.perf_counter() - began < 0.5):
        gradient(start)
        calls += 1
    seconds = (time.perf_counter() - began) / calls
    rounds = -(-method.chains // cores)
    return seconds * LEAPFROG_STEPS * (method.draws + method.tune) * rounds / 60


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep PyMC from logging what it does."""
    logger = logging.getLogger("pymc")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


def run_nuts(model: Model[Any], cells: Cells, method: NUTS, seed: int, cores: int) -> Chains:
    """Run NUTS on the cells.

    Raises
    ------
    InferenceError
        If the forecast exceeds `method.longest` minutes.
    """
    import pymc as pm

    built = pymc_model(model, cells)
    minutes = forecast_minutes(built, method, cores)
    if minutes > method.longest:
        message = (
            f"NUTS is forecast to take about {minutes:.0f} minutes on {len(cells)} distinct histories, more than the "
            f"{method.longest:g} allowed. Use kundenwert.ImportanceSampling(), fewer draws or chains, a random sample "
            f"of the customers, or allow it with kundenwert.NUTS(longest={minutes * 2:.0f})"
        )
        raise InferenceError(message)
    steps = method.chains * (method.draws + method.tune)
    with (
        built,
        warnings.catch_warnings(),
        _quiet(),
        interrupts_raised(),
        counted("draws and warm-up of NUTS", steps) as step,
    ):
        # problems are reported by the diagnostics, in our words
        warnings.simplefilter("ignore")
        tree = pm.sample(
            draws=method.draws,
            tune=method.tune,
            chains=method.chains,
            cores=min(cores, method.chains),
            target_accept=method.target_accept,
            nuts_sampler=method.sampler,
            random_seed=seed,
            progressbar=is_seen() and method.sampler == "nutpie",
            callback=(lambda trace, draw: step(1)) if method.sampler == "pymc" else None,  # noqa: ARG005 - named by PyMC
            compute_convergence_checks=False,
        )
    import arviz_stats

    names = [quantity.name for quantity in model.quantities]
    posterior = tree["posterior"]
    values = np.array([posterior[name].to_numpy() for name in names], dtype=np.float64)
    r_hat = [float(arviz_stats.rhat(v)) for v in values] if method.chains > 1 else [float("nan")]
    ess = [float(arviz_stats.ess(v, method="bulk")) for v in values]
    return Chains(values, max(r_hat), min(ess), int(tree["sample_stats"]["diverging"].to_numpy().sum()))
