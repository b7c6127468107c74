"""Leave-one-out: how well a model foresees each customer from all the others, without fitting it again.

The density of a customer's history given the others is an average over the posterior with weights inversely
proportional to that customer's likelihood. The largest weights are smoothed by a generalised Pareto distribution, whose
shape k tells whether the average can be trusted: Vehtari, Simpson, Gelman, Yao & Gabry (2024), Pareto Smoothed
Importance Sampling, JMLR 25(72). Customers with one history have one value, so the work is done per cell.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, final

import numpy as np

from kundenwert.errors import DataError, SpecificationError
from kundenwert.models.core import NUMPY, history_of
from kundenwert.posterior.summary import in_blocks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kundenwert.duration import Unit
    from kundenwert.histories import Cells, Histories
    from kundenwert.models.core import Array
    from kundenwert.posterior.base import Posterior

__all__ = [
    "LeaveOneOut",
    "check_draws",
    "checked_cells",
    "leave_one_out",
    "log_mean",
    "pareto_fit",
    "smoothed_log_weights",
    "smoothed_mean",
    "tail_length",
]

FEWEST_DRAWS: Final = 100
SMALLEST: Final = 1e-300  # its inverse is still a number
NEARLY_EQUAL: Final = 1.0  # log weights in so small a range need no smoothing: none is e times another


@final
@dataclass(frozen=True, slots=True)
class LeaveOneOut:
    """What leaving out each customer gives.

    Parameters
    ----------
    used
        Which customers enter the likelihood, shape (customers,).
    elpd
        Log density of each of these given all others, shape (used customers,).
    p_loo
        Effective number of parameters: how much more plausible the model finds the customers it has seen.
    pareto_k
        Shape of each customer's largest weights; 0 where all weights are nearly equal.
    """

    used: NDArray[np.bool_]
    elpd: Array
    p_loo: float
    pareto_k: Array


def check_draws(posterior: Posterior, name: str) -> None:
    """Refuse a posterior with too few draws to say how it would change."""
    draws = posterior.values[0].size
    if draws < FEWEST_DRAWS:
        message = (
            f"{name} has {draws} draw{'s' * (draws > 1)} ({posterior.diagnostics.method}); leaving a customer out "
            f"needs a posterior with at least {FEWEST_DRAWS}: fit it with kundenwert.ImportanceSampling() or NUTS()"
        )
        raise SpecificationError(message)


def leave_one_out(posterior: Posterior, histories: Histories, unit: Unit) -> LeaveOneOut:
    """Leave out each customer of the histories that the posterior was fitted to, densities being per `unit`.

    Raises
    ------
    DataError
        If the posterior was fitted to other customers.
    """
    posterior = _in_unit(posterior, unit)
    model, theta = posterior.model, posterior.theta
    cells, entering = checked_cells(posterior, histories)
    used = entering[cells.index]
    cells_used = cells.at(entering)
    draws = posterior.values[0].size
    tail = tail_length(posterior)
    elpd, seen, pareto_k = np.empty((3, int(entering.sum())))

    def work(rows: slice) -> None:
        log_likelihood = model.log_likelihood(theta, history_of(cells_used, rows), NUMPY)
        seen[rows] = log_mean(log_likelihood)
        elpd[rows], pareto_k[rows] = smoothed_mean(log_likelihood, tail)

    in_blocks(len(elpd), draws, work)
    index = (np.cumsum(entering) - 1)[cells.index[used]]
    return LeaveOneOut(
        used=used,
        elpd=elpd[index] + model.log_constant(histories.in_unit(unit))[used],
        p_loo=float(np.sum((seen - elpd)[index])),
        pareto_k=pareto_k[index],
    )


def checked_cells(posterior: Posterior, histories: Histories) -> tuple[Cells, NDArray[np.bool_]]:
    """The cells of the customers that a posterior was fitted to, and which of them enter its likelihood.

    Raises
    ------
    DataError
        If it was fitted to others.
    """
    model, cells = posterior.model, posterior.cells_of(histories)
    entering = model.informative(cells)
    used = entering[cells.index]
    if posterior.provenance.customers != used.sum():
        message = (
            f"this {type(model).__name__} was fitted to {posterior.provenance.customers:,} customers, but "
            f"{int(used.sum()):,} of these histories enter its likelihood; give the histories it was fitted to"
        )
        raise DataError(message)
    if posterior.provenance.fingerprint not in {None, cells.fingerprint(entering)}:
        message = (
            f"this {type(model).__name__} was fitted to other customers: as many as these, but with other histories; "
            "give the histories it was fitted to"
        )
        raise DataError(message)
    return cells, entering


def log_mean(log_values: Array) -> Array:
    """Log of the mean over draws, shape (cells,)."""
    highest = log_values.max(axis=1, keepdims=True)
    return np.asarray(highest[:, 0] + np.log(np.exp(log_values - highest).mean(axis=1)))


def smoothed_log_weights(log_likelihood: Array, tail: int) -> tuple[Array, Array]:
    """Logarithms of smoothed weights 1/likelihood that sum to one over draws, and the shape k; as in smoothed_mean."""
    log_weight = log_likelihood.min(axis=1, keepdims=True) - log_likelihood
    pareto_k = np.zeros(len(log_weight))
    uneven = np.flatnonzero(log_weight.min(axis=1) < -NEARLY_EQUAL)
    if len(uneven):
        chosen = log_weight[uneven]
        order = np.argsort(chosen, axis=1)
        at = order[:, -tail:]
        cutoff = np.take_along_axis(chosen, order[:, -tail - 1, None], axis=1)
        largest = np.take_along_axis(chosen, at, axis=1)
        pareto_k[uneven], smooth = _smoothed(largest, np.exp(cutoff))
        np.put_along_axis(chosen, at, smooth, axis=1)
        log_weight[uneven] = chosen
    return log_weight - np.logaddexp.reduce(log_weight, axis=1, keepdims=True), pareto_k


def _smoothed(largest: Array, cutoff: Array) -> tuple[Array, Array]:
    """Shape k, and smoothed logarithms of the largest weights, which are sorted and lie above the cutoff."""
    tail = largest.shape[1]
    pareto_k, sigma = pareto_fit(np.exp(largest) - cutoff)
    k, sigma = pareto_k[:, None], sigma[:, None]
    with np.errstate(invalid="ignore"):  # where nothing fits, raw weights stay, and k = inf tells
        smooth = cutoff + sigma * np.expm1(-k * np.log1p(-(np.arange(tail) + 0.5) / tail)) / k
        return pareto_k, np.where(np.isfinite(k), np.minimum(np.log(smooth), 0.0), largest)


def smoothed_mean(log_likelihood: Array, tail: int) -> tuple[Array, Array]:
    """Log of the mean likelihood under smoothed weights 1/likelihood, and the shape k; each of shape (cells,).

    Parameters
    ----------
    log_likelihood
        Shape (cells, draws).
    tail
        How many of the largest weights are smoothed.
    """
    lowest = log_likelihood.min(axis=1)
    log_weight = lowest[:, None] - log_likelihood  # at most 0
    draws = log_weight.shape[1]
    mean = lowest + math.log(draws) - np.log(np.exp(log_weight).sum(axis=1))
    pareto_k = np.zeros(len(lowest))
    uneven = np.flatnonzero(log_weight.min(axis=1) < -NEARLY_EQUAL)
    if len(uneven) == 0:
        return mean, pareto_k
    split = np.partition(log_weight[uneven], draws - tail - 1, axis=1)
    body, largest = split[:, : draws - tail], np.sort(split[:, draws - tail :], axis=1)
    pareto_k[uneven], smooth = _smoothed(largest, np.exp(body[:, -1:]))
    # the weights of the others cancel against their likelihoods
    products = np.logaddexp(math.log(draws - tail), np.logaddexp.reduce(smooth - largest, axis=1))
    mean[uneven] = lowest[uneven] + products - np.log(np.exp(body).sum(axis=1) + np.exp(smooth).sum(axis=1))
    return mean, pareto_k


def pareto_fit(excess: Array) -> tuple[Array, Array]:
    """Shape k and scale sigma of generalised Pareto distributions through sorted rows; k is inf where none fits.

    Zhang & Stephens (2009), A new and efficient estimation method for the generalized Pareto distribution,
    Technometrics 51(3), 316-325; the shape is drawn towards 1/2 as by ten more observations (Vehtari et al. 2024).
    """
    n = excess.shape[1]
    candidates = 30 + int(math.sqrt(n))
    quartile, largest = excess[:, int(n / 4 + 0.5) - 1], excess[:, -1]
    shape, scale = np.full((2, len(excess)), np.inf)
    usable = np.flatnonzero((quartile > excess[:, 0]) & (quartile > SMALLEST))
    excess = excess[usable]
    offset = (1 - np.sqrt(candidates / (np.arange(candidates) + 0.5))) / 3
    b = 1 / largest[usable, None] + offset / quartile[usable, None]
    k = np.stack([np.log1p(-column[:, None] * excess).mean(axis=1) for column in b.T], axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):  # b = 0 would be an exponential distribution
        profile = np.nan_to_num(n * (np.log(-b / k) - k - 1), nan=-np.inf)
    weight = np.exp(profile - profile.max(axis=1, keepdims=True))
    best = (b * weight).sum(axis=1) / weight.sum(axis=1)
    raw = np.log1p(-best[:, None] * excess).mean(axis=1)
    shape[usable] = (n * raw + 5) / (n + 10)
    scale[usable] = -raw / best
    shape[shape == 0] = np.finfo(np.float64).tiny  # quantiles divide by it
    return shape, scale


def _in_unit(posterior: Posterior, unit: Unit) -> Posterior:
    """The posterior with parameters in another unit, by way of the quantities, which are free of units."""
    if posterior.unit == unit:
        return posterior
    quantities = posterior.model.quantities_of(posterior.values, posterior.unit)
    return replace(posterior, unit=unit, values=posterior.model.parameters_of(quantities, unit))


def _relative_efficiency(posterior: Posterior) -> float:
    """Effective draws per draw: one for independent draws, about that for importance sampling."""
    chains, draws = posterior.values[0].shape
    if chains == 1:
        return 1.0
    import arviz_stats

    effective = [arviz_stats.ess(value, method="mean") for value in posterior.named_values().values()]
    return float(np.mean(effective) / (chains * draws))


def tail_length(posterior: Posterior) -> int:
    """How many of the largest weights are smoothed: min(S/5, 3 sqrt(S/efficiency))."""
    draws, efficiency = posterior.values[0].size, _relative_efficiency(posterior)
    return int(min(draws / 5, 3 * math.sqrt(draws / efficiency)))
