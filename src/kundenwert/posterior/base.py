"""What every posterior is: a model, draws of its parameters, diagnostics and provenance; it holds no customers."""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np
import pandas as pd

from kundenwert.errors import SizeError
from kundenwert.histories.base import as_histories, check_clock
from kundenwert.models.core import NUMPY, Array, history_of
from kundenwert.posterior.summary import check_interval

if TYPE_CHECKING:
    from os import PathLike

    import xarray as xr
    from numpy.typing import NDArray

    from kundenwert.duration import Unit
    from kundenwert.histories import Cells, Histories
    from kundenwert.inference.diagnostics import Diagnostics
    from kundenwert.models.core import Model
    from kundenwert.posterior.values import Block

__all__ = ["Posterior", "Provenance", "thinning"]

LARGEST_RESULT: Final = 2 * 1024**3  # bytes of an array with an entry for each draw and customer


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where a posterior comes from.

    Parameters
    ----------
    version
        Version of kundenwert.
    customers, cells
        Customers and distinct histories that entered the likelihood; 0 for fixed values.
    fingerprint
        Checksum of these histories, by which they are recognised in any unit; None for fixed values.
    """

    version: str
    customers: int
    cells: int
    fingerprint: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Posterior(ABC):
    """Draws of a model's parameters. Frozen, and free of customers: data goes in with every question.

    Parameters
    ----------
    model
        The model with its priors.
    unit
        Time unit of the parameters.
    values
        Parameters, each of shape (chains, draws).
    diagnostics
        How far the draws can be trusted.
    provenance
        Where they come from.
    """

    model: Model[Any]
    unit: Unit
    values: tuple[Array, ...]
    diagnostics: Diagnostics
    provenance: Provenance

    @property
    def theta(self) -> tuple[Array, ...]:
        """Parameters, each of shape (chains * draws,)."""
        named: tuple[Array, ...] = self.model.named([value.ravel() for value in self.values])
        return named

    def parameters(self, *, interval: float = 0.90) -> pd.DataFrame:
        """Posterior of the parameters and of the quantities that the priors are stated on.

        Parameters
        ----------
        interval : float
            Probability of the equal-tailed interval.

        Returns
        -------
        pandas.DataFrame
            One row a parameter; columns mean, sd, lower, upper, and for a sampled posterior ess and pareto_k or
            r_hat. ``mean_rate`` is per year, other rates and times are in the posterior's unit. With importance
            sampling, ess and pareto_k are those of all weighted points, the same for every parameter.
        """
        tail = (1 - check_interval(interval)) / 2
        draws = self.named_values()
        table = pd.DataFrame(
            {
                "mean": {name: value.mean() for name, value in draws.items()},
                "sd": {name: value.std() for name, value in draws.items()},
                "lower": {name: np.quantile(value, tail) for name, value in draws.items()},
                "upper": {name: np.quantile(value, 1 - tail) for name, value in draws.items()},
            }
        )
        if self.diagnostics.pareto_k is not None:
            # ArviZ's effective sample size does not see importance weights
            table["ess"] = self.diagnostics.ess
            table["pareto_k"] = self.diagnostics.pareto_k
        elif self.diagnostics.r_hat is not None:
            import arviz_stats

            table["ess"] = {name: float(arviz_stats.ess(value, method="bulk")) for name, value in draws.items()}
            table["r_hat"] = {name: float(arviz_stats.rhat(value)) for name, value in draws.items()}
        return table

    def named_values(self) -> dict[str, Array]:
        """Parameters and quantities by name, each of shape (chains, draws)."""
        draws = dict(zip(self.model.parameter_names, self.values, strict=True))
        for name, value in self.model.in_words(self.values, self.unit).items():
            draws.setdefault(name, value)
        return draws

    def to_datatree(self, histories: Histories | None = None) -> xr.DataTree:
        """An ArviZ 1.x tree with the group ``posterior``, for ``az.summary`` and the ``az.plot_*`` functions.

        Parameters
        ----------
        histories : CustomerHistories, optional
            Adds the group ``log_likelihood`` for these customers, for ``az.loo``.

        Raises
        ------
        SizeError
            If the log-likelihood would take more than 2 GiB.
        """
        import arviz_base

        groups: dict[str, dict[str, Array]] = {"posterior": self.named_values()}
        coords: dict[str, Any] = {}
        dims: dict[str, list[str]] = {}
        if histories is not None:
            cells = self.cells_of(histories)
            entering = self.model.informative(cells)  # elsewhere the likelihood need not be defined
            used = entering[cells.index]
            theta, chosen = self.theta, cells.at(entering)
            values = self.for_customers(
                (np.cumsum(entering) - 1)[cells.index[used]],
                lambda rows: self.model.log_likelihood(theta, history_of(chosen, rows), NUMPY),
            )
            values += self.model.log_constant(histories.in_unit(self.unit))[used]
            name = type(self.model).__name__
            groups["log_likelihood"] = {name: values}
            coords, dims = {"customer_id": histories.customer_id[used]}, {name: ["customer_id"]}
        return arviz_base.from_dict(groups, coords=coords, dims=dims)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the posterior to a NetCDF file, whole or not at all; :func:`kundenwert.load` reads it back exactly.

        It holds no customers.

        Parameters
        ----------
        path : path
            Where to. A file that is there is replaced once the new one is complete.

        Raises
        ------
        FileWriteError
            If it cannot be written; then the old file is as it was.
        """
        from kundenwert.storage.keeping import save

        save(self, path)

    def cells_of(self, histories: Histories) -> Cells:
        """The distinct histories among these, in the unit of the posterior."""
        check_clock(self.model, as_histories(histories))
        return self.model.aligned(histories.in_unit(self.unit).cells(self.model))

    def for_customers(self, index: NDArray[np.int64], block: Block) -> Array:
        """Values of all customers for all draws, shape (chains, draws, customers), if that fits in memory."""
        chains, draws = self.values[0].shape
        size = 8 * chains * draws * len(index)
        if size > LARGEST_RESULT:
            message = (
                f"{chains * draws:,} draws × {len(index):,} customers need {size / 1024**3:.1f} GiB, more than the "
                f"{LARGEST_RESULT / 1024**3:.0f} GiB allowed. Use the tables of the posterior, which keep memory "
                "bounded; or histories.take(…) for some of the customers; or posterior.thinned(…) for fewer draws"
            )
            raise SizeError(message)
        result = np.empty((len(index), chains * draws))
        cells, place = np.unique(index, return_inverse=True)
        step = 1024
        for start in range(0, len(cells), step):
            chosen = cells[start : start + step]
            rows = slice(int(chosen[0]), int(chosen[-1]) + 1)
            drawn = np.broadcast_to(block(rows), (rows.stop - rows.start, chains * draws))
            within = (place >= start) & (place < start + step)
            result[within] = drawn[index[within] - rows.start]
        return result.T.reshape(chains, draws, len(index))

    def array(self, histories: Histories, index: NDArray[np.int64], block: Block) -> xr.DataArray:
        """Values of all customers for all draws, labelled."""
        import xarray as xr

        values = self.for_customers(index, block)
        return xr.DataArray(
            values, dims=("chain", "draw", "customer_id"), coords={"customer_id": histories.customer_id.to_numpy()}
        )

    def __repr__(self) -> str:
        chains, draws = self.values[0].shape
        return (
            f"{type(self).__name__}({type(self.model).__name__}, {chains} × {draws} draws per {self.unit}, "
            f"{self.diagnostics.method}, {self.provenance.customers:,} customers)"
        )


def thinning(draws: int, wanted: int) -> NDArray[np.int64]:
    """Positions of `wanted` evenly spaced draws."""
    return np.arange(wanted) * draws // wanted
