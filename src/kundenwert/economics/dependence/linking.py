"""Learning the link between purchase rate and spend level from histories."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Self, final

import numpy as np

from kundenwert.duration import years
from kundenwert.economics.dependence.link import Link, LinkedSpend
from kundenwert.errors import InfiniteValueError
from kundenwert.inference.mode import find_mode
from kundenwert.inference.target import Target
from kundenwert.models.core import history_of

if TYPE_CHECKING:
    from kundenwert.histories import Cells
    from kundenwert.models.core import Array, Model, SpendModel
    from kundenwert.posterior import PurchasePosterior, SpendPosterior

__all__ = ["Linking"]

DRAWS: Final = 8  # of the purchase posterior: they say nearly the same about the correlation
FARTHEST: Final = 12.0  # 2 artanh(rho)
POINTS: Final = 4801
WIDEST: Final = 0.05  # precision of a normal as wide as the priors


@final
@dataclass(frozen=True, slots=True)
class _Place:
    """The posterior of spend parameters and correlation, normal around its mode on their coordinates.

    The last coordinate, logit((1 + rho)/2) = 2 artanh(rho), is Fisher's transformation of a correlation, on which
    posteriors are close to normal even for few data.
    """

    target: Target[Any]
    mode: Array
    covariance: Array

    @classmethod
    def of(cls, model: Model[Any], cells: Cells, start: Array | None = None) -> Self:
        target = Target(model, cells)
        mode = find_mode(target, exact=False, start=start)
        values, vectors = np.linalg.eigh(mode.precision)
        return cls(target, mode.location, (vectors / np.maximum(values, WIDEST)) @ vectors.T)

    def at(self, rho: float) -> tuple[Array, ...]:
        """The parameters at this correlation, the others following it."""
        along = self.covariance[:, -1] / self.covariance[-1, -1]
        theta: tuple[Array, ...] = self.target.parameters(
            (self.mode + (2 * np.arctanh(rho) - self.mode[-1]) * along)[:, None]
        )
        return theta


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Linking:
    """Posterior of the correlation, and the link at any value of it.

    Attributes
    ----------
    rho, weight
        Values and their posterior weights, which add up to 1.
    purchases
        A single draw: the posterior mean.
    spend
        The spend model.
    place
        The posterior of spend parameters and correlation at this draw.
    unlinked
        Spend parameters at the mode without a link.
    cells
        Histories with the columns of both models.
    """

    rho: Array
    weight: Array
    purchases: PurchasePosterior
    spend: SpendModel[Any]
    place: _Place
    unlinked: tuple[Array, ...]
    cells: Cells

    @classmethod
    def of(cls, purchases: PurchasePosterior, spend: SpendPosterior, cells: Cells) -> Self:
        """Learn from the amounts of repeat purchases, for several draws of the purchase posterior."""
        model = spend.model.prepared(cells)

        def place(draw: PurchasePosterior, start: Array | None = None) -> _Place:
            return _Place.of(LinkedSpend(purchases=draw.model, theta=draw.theta, spend=model), cells, start)

        centre = _centre(purchases)
        middle = place(centre)
        several = purchases.thinned(min(DRAWS, purchases.of_cells.draws))
        places = [place(several.chosen(np.array([i])), middle.mode) for i in range(several.of_cells.draws)]
        z = np.linspace(-FARTHEST, FARTHEST, POINTS)
        density = np.zeros(POINTS)
        for found in places:
            sd = np.sqrt(found.covariance[-1, -1])
            density += np.exp(-0.5 * ((z - found.mode[-1]) / sd) ** 2) / sd
        without = Target(model, cells)
        return cls(
            rho=np.tanh(z / 2),
            weight=density / density.sum(),
            purchases=centre,
            spend=model,
            place=middle,
            unlinked=without.parameters(find_mode(without, exact=False).location[:, None]),
            cells=cells,
        )

    @property
    def customers(self) -> int:
        """Customers with repeat amounts."""
        return self.place.target.customers

    @property
    def mean(self) -> float:
        """Posterior mean of the correlation."""
        return float(self.weight @ self.rho)

    @property
    def p_positive(self) -> float:
        """Probability that the correlation is above 0."""
        return float(self.weight @ (np.sign(self.rho) + 1) / 2)

    def quantiles(self, *probabilities: float) -> list[float]:
        """Posterior quantiles of the correlation."""
        cumulated = np.cumsum(self.weight) - self.weight / 2
        return np.interp(probabilities, cumulated, self.rho).tolist()

    def at(self, rho: float) -> Link:
        """The two models linked with this correlation."""
        return Link(
            purchases=self.purchases.model,
            theta=self.purchases.theta,
            spend=self.spend,
            linked=self.spend.named(self.place.at(rho)[:-1]),
            unlinked=self.unlinked,
            correlation=rho,
            unit=self.purchases.unit,
        )

    def effects(self, *rhos: float) -> Array | None:
        """Expected spend within a year over that without a link: of all customers, and of those with x = 0.

        Shape (rhos, 2), NaN where there are no such customers; None if the mean amount is infinite.
        """
        year = years(1).in_unit(self.purchases.unit)
        try:
            corrections = [
                self.at(rho).corrections(self.cells, lambda customer: customer.purchases(0.0, year)) for rho in rhos
            ]
        except InfiniteValueError:
            return None
        bought = self.purchases.of_cells.purchases(self.cells, 0.0, year)(slice(0, len(self.cells)))[:, 0]
        amount = self.spend.expected_spend(self.unlinked, history_of(self.cells))[:, 0]
        value = self.cells.counts * bought * amount
        values = np.stack([value, value * (self.cells["x"] == 0)], axis=-1)
        total = values.sum(axis=0)
        return np.asarray(np.stack(corrections) @ values / np.where(total > 0, total, np.nan))


def _centre(posterior: PurchasePosterior) -> PurchasePosterior:
    """A single draw in the middle of the posterior, on the coordinates of its quantities."""
    model, unit = posterior.model, posterior.unit
    drawn = zip(model.quantities, model.quantities_of(posterior.theta, unit), strict=True)
    middle = [quantity.value(quantity.coordinate(values).mean(keepdims=True)) for quantity, values in drawn]
    return replace(posterior, values=model.named([value[None] for value in model.parameters_of(middle, unit)]))
