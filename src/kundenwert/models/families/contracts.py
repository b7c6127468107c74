"""What the models of contracts share: churn probabilities that are beta-distributed within each cohort, and pooling.

The churn probability of a contract is Beta(gamma, delta), with a gamma and a delta for each cohort. With several
cohorts, logit mean churn and log concentration are normal across them (kernels/pooling.py).
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self, override

import numpy as np
from scipy.optimize import minimize_scalar

from kundenwert.errors import SpecificationError
from kundenwert.models.core import (
    NUMPY,
    ContractModel,
    FixedParameters,
    Groups,
    Model,
    Quantity,
    check_positive,
    history_of,
    in_cohorts,
)
from kundenwert.models.families.cohorts import CohortRenewals
from kundenwert.models.kernels.pooling import NOWHERE, Place, anchors_of
from kundenwert.priors import HalfNormal, LogitNormal, LogNormal, Prior

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from kundenwert.duration import Unit
    from kundenwert.histories import Cells, CohortLabel, HistoryColumn
    from kundenwert.models.core import Array
    from kundenwert.models.kernels.pooling import Anchor

__all__ = ["BetaChurnModel", "ContractParameters"]

SHARED_REACH: Final = 3.0  # how far from its typical value what cohorts share is looked for, on the logarithm
TYPICAL: Final = (-1.0, math.log(3))  # logit mean churn and log concentration
WIDTH: Final = 1.5  # of a rough prior for the two, for finding the anchors


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractParameters[M: Model[Any]](FixedParameters[M]):
    """Given values of gamma and delta, of one cohort."""

    gamma: float
    delta: float

    def __post_init__(self) -> None:
        check_positive(self, self.model().parameter_names)

    @property
    @override
    def measure(self) -> Unit:
        return "renewal"


@dataclass(frozen=True, slots=True, kw_only=True)
class BetaChurnModel(ContractModel[tuple["Array", ...]]):
    """Beta-distributed churn probabilities in each of one or more cohorts.

    Parameters are those of each cohort (all gamma, then all delta), those that cohorts share, and with several cohorts
    those of their population.
    """

    mean_churn: Prior = LogitNormal(-1, 1.2)
    concentration: Prior = LogNormal(math.log(3), 1)
    mean_churn_spread: Prior = HalfNormal(1.0)
    concentration_spread: Prior = HalfNormal(0.5)
    cohorts: tuple[CohortLabel, ...] = ()
    anchors: tuple[tuple[Anchor, Anchor], ...] = ()

    needs: ClassVar[tuple[HistoryColumn, ...]] = ("cohort", "tenure", "ended")

    def __post_init__(self) -> None:
        labelled = isinstance(self.cohorts, (tuple, list))  # a file holds lists
        if not (labelled and all(isinstance(c, (str, int)) and not isinstance(c, bool) for c in self.cohorts)):
            message = f"cohorts takes a tuple of labels, strings or whole numbers, got {self.cohorts!r}"
            raise SpecificationError(message)
        object.__setattr__(self, "cohorts", tuple(self.cohorts))
        if not _are_anchors(self.anchors):
            message = (
                f"anchors takes a pair of pairs of numbers for each cohort, got {self.anchors!r}; leave them to fit"
            )
            raise SpecificationError(message)
        object.__setattr__(self, "anchors", tuple(tuple(map(tuple, pair)) for pair in self.anchors))
        if len(set(self._each("cohort"))) < len(self.cohorts):
            message = (
                f"cohorts must have labels that look different when written, got {', '.join(map(repr, self.cohorts))}"
            )
            raise SpecificationError(message)
        if len(self.anchors) not in {0, len(self.cohorts)}:
            message = f"there are {len(self.anchors)} anchors for {len(self.cohorts)} cohorts; leave them to fit"
            raise SpecificationError(message)
        _ = self.quantities

    @property
    @abstractmethod
    def shared(self) -> tuple[Quantity, ...]:
        """Quantities that all cohorts share and that are parameters themselves."""

    @abstractmethod
    def log_retention(self, gamma: Array, delta: Array, shared: Sequence[Array], renewals: int) -> Array:
        """Log of P(renewed at renewal t + 1 | active after t), t = 0 … renewals - 1, shape (renewals, points)."""

    @property
    def count(self) -> int:
        """Number of cohorts with parameters of their own."""
        return max(1, len(self.cohorts))

    @property
    def population(self) -> tuple[Quantity, ...]:
        """Quantities of the population of cohorts, or of the only cohort."""
        typical = (
            Quantity("mean_churn", self.mean_churn, 0.3, "probability"),
            Quantity("concentration", self.concentration, 3.0),
        )
        if self.count == 1:
            return typical
        return (
            *typical,
            Quantity("mean_churn_spread", self.mean_churn_spread, 0.5),
            Quantity("concentration_spread", self.concentration_spread, 0.3),
        )

    @property
    @override
    def parameter_names(self) -> tuple[str, ...]:
        shared = [quantity.name for quantity in self.shared]
        if self.count == 1:
            return ("gamma", "delta", *shared)
        return (*self._each("gamma"), *self._each("delta"), *shared, *(q.name for q in self.population))

    @property
    @override
    def quantities(self) -> tuple[Quantity, ...]:
        from kundenwert.priors import Normal

        if self.count == 1:
            return (*self.population, *self.shared)
        offsets = (*self._each("z_mean_churn"), *self._each("z_concentration"))
        return (*self.population, *self.shared, *(Quantity(name, Normal(0, 1), 0.0, "real") for name in offsets))

    @override
    def named(self, values: Sequence[Array]) -> tuple[Array, ...]:
        return tuple(values)

    @override
    def parameters_of(self, quantities: Sequence[Array], unit: Unit) -> tuple[Array, ...]:
        if self.count == 1:
            mean_churn, concentration, *own = quantities
            return (mean_churn * concentration, (1 - mean_churn) * concentration, *own)
        population, shared = quantities[:4], quantities[4 : 4 + len(self.shared)]
        logits, logs = ([place.at(z) for place, z in places] for places in self._places(quantities))
        gamma = [np.exp(k) / (1 + np.exp(-x)) for x, k in zip(logits, logs, strict=True)]
        delta = [np.exp(k) / (1 + np.exp(x)) for x, k in zip(logits, logs, strict=True)]
        return (*gamma, *delta, *shared, *population)

    @override
    def quantities_of(self, theta: tuple[Array, ...], unit: Unit) -> tuple[Array, ...]:
        if self.count == 1:
            gamma, delta, *own = theta
            return (gamma / (gamma + delta), gamma + delta, *own)
        gammas, deltas, shared, population = self.parts(theta)
        known = (*population, *shared, *[np.zeros(())] * 2 * self.count)
        logits = [np.log(gamma / delta) for gamma, delta in zip(gammas, deltas, strict=True)]
        logs = [np.log(gamma + delta) for gamma, delta in zip(gammas, deltas, strict=True)]
        offsets = [
            place.coordinate(x)
            for places, values in zip(self._places(known), (logits, logs), strict=True)
            for (place, _), x in zip(places, values, strict=True)
        ]
        return (*population, *shared, *offsets)

    @override
    def in_words(self, theta: tuple[Array, ...], unit: Unit) -> dict[str, Array]:
        """Mean churn and concentration of each cohort instead of the coordinates they are sampled on."""
        gammas, deltas, _, _ = self.parts(theta)
        if self.count == 1:
            return {"mean_churn": gammas[0] / (gammas[0] + deltas[0]), "concentration": gammas[0] + deltas[0]}
        pairs = list(zip(gammas, deltas, strict=True))
        churn = zip(self._each("mean_churn"), [gamma / (gamma + delta) for gamma, delta in pairs], strict=True)
        concentration = zip(self._each("concentration"), [gamma + delta for gamma, delta in pairs], strict=True)
        return {**dict(churn), **dict(concentration)}

    @override
    def log_pooling(self, quantities: Sequence[Array]) -> Array | float:
        if self.count == 1:
            return 0.0
        pooling: Array = sum(place.log_pooling(z) for places in self._places(quantities) for place, z in places)
        return pooling

    @override
    def prepared(self, cells: Cells) -> Self:
        return self if self.cohorts else replace(self, cohorts=cells.cohorts)

    @override
    def suited(self, cells: Cells) -> Self:
        if self.count == 1 or self.anchors:
            return self
        return replace(self, anchors=self.anchored(in_cohorts(cells, self.cohorts)))

    @override
    def groups(self, cells: Cells) -> Groups | None:
        if self.count == 1:
            return None
        alone = replace(self, cohorts=(), anchors=())
        cohorts = [alone.of_cohort(cells, cohort) for cohort in range(self.count)]

        def log_likelihood(cohort: int, outer: Array, own: Array) -> Array:
            return cohorts[cohort](own, [q.value(u) for q, u in zip(self.shared, outer[4:], strict=True)])

        def coordinates(outer: Array, own: Array) -> Array:
            with np.errstate(all="ignore"):  # far points may overflow; they have no weight
                unmoved = [np.zeros(1)] * (2 * self.count)
                logits, logs = self._placed([*outer[:2]], [*np.exp(outer[2:4])], unmoved)
                offsets = [
                    place.coordinate(x)
                    for places, values in zip((logits, logs), (own[:, 0], own[:, 1]), strict=True)
                    for (place, _), x in zip(places, values, strict=True)
                ]
            return np.concatenate([outer, np.nan_to_num(np.array(offsets), posinf=0.0, neginf=0.0)])

        return Groups(
            labels=[str(label) for label in self.cohorts],
            outer=4 + len(self.shared),
            log_likelihood=log_likelihood,
            coordinates=coordinates,
        )

    def of_cohort(self, cells: Cells, cohort: int) -> Callable[[Array, Sequence[Array]], Array]:
        """Log-likelihood of one cohort, of logit mean churn and log concentration (2, points), and what is shared."""
        renewals = CohortRenewals.of(cells, cohort)
        rows = cells["cohort"] == cohort
        counts = cells.counts[rows]
        columns = {name: column[rows] for name, column in cells.columns.items()}
        history = history_of({**columns, "cohort": np.zeros(np.count_nonzero(rows))})

        def log_likelihood(own: Array, shared: Sequence[Array]) -> Array:
            x, k = own
            shared = [np.broadcast_to(value, x.shape) for value in shared]
            with np.errstate(all="ignore"):  # far points may overflow; they get density zero
                gamma, delta = np.exp(k) / (1 + np.exp(-x)), np.exp(k) / (1 + np.exp(x))
                if renewals is None:
                    total = counts @ self.log_likelihood(self.named([gamma, delta, *shared]), history, NUMPY)
                else:
                    total = renewals.log_likelihood(
                        lambda last, at: self.log_retention(gamma[at], delta[at], [v[at] for v in shared], last), len(x)
                    )
            return np.where(np.isfinite(total), total, -np.inf)

        return log_likelihood

    @override
    def with_cohorts(self, labels: Sequence[CohortLabel]) -> Self:
        if self.count == 1:
            return super(BetaChurnModel, self).with_cohorts(labels)
        anchors = self.anchors or ((NOWHERE, NOWHERE),) * self.count
        nowhere = ((NOWHERE, NOWHERE),) * len(labels)
        return replace(self, cohorts=(*self.cohorts, *labels), anchors=(*anchors, *nowhere))

    @override
    def theta_with_cohort(self, theta: tuple[Array, ...], normals: tuple[Array, Array]) -> tuple[Array, ...]:
        gammas, deltas, shared, population = self.parts(theta)
        mean_churn, concentration, churn_spread, concentration_spread = population
        x = np.log(mean_churn / (1 - mean_churn)) + churn_spread * normals[0]
        k = np.exp(np.log(concentration) + concentration_spread * normals[1])
        return (*gammas, k / (1 + np.exp(-x)), *deltas, k / (1 + np.exp(x)), *shared, *population)

    def parts(
        self, theta: Sequence[Array]
    ) -> tuple[Sequence[Array], Sequence[Array], Sequence[Array], Sequence[Array]]:
        """All gamma, all delta, what cohorts share, and the population's parameters."""
        count, end = self.count, 2 * self.count + len(self.shared)
        return theta[:count], theta[count : 2 * count], theta[2 * count : end], theta[end:]

    def _each(self, name: str) -> tuple[str, ...]:
        # a slash would make a group of a file out of the name
        return tuple(f"{name}[{str(label).replace('/', '∕')}]" for label in self.cohorts)

    def _places(self, quantities: Sequence[Array]) -> Iterator[list[tuple[Place, Array]]]:
        """For each of the two coordinates, every cohort's place with its offset."""
        mean_churn, concentration, churn_spread, concentration_spread = quantities[:4]
        means = (np.log(mean_churn / (1 - mean_churn)), np.log(concentration))
        return self._placed(means, (churn_spread, concentration_spread), quantities[4 + len(self.shared) :])

    def _placed(
        self, means: Sequence[Array], spreads: Sequence[Array], offsets: Sequence[Array]
    ) -> Iterator[list[tuple[Place, Array]]]:
        anchors = self.anchors or ((NOWHERE, NOWHERE),) * self.count
        for i, (mean, spread) in enumerate(zip(means, spreads, strict=True)):
            own = offsets[i * self.count : (i + 1) * self.count]
            yield [(Place(mean, spread, *anchor[i]), z) for anchor, z in zip(anchors, own, strict=True)]

    def anchored(self, cells: Cells) -> tuple[tuple[Anchor, Anchor], ...]:
        """Where each cohort's likelihood is, at the likeliest value of what the cohorts share."""

        def at(coordinates: Sequence[Array]) -> list[tuple[tuple[Anchor, Anchor], float]]:
            values = [quantity.value(c) for quantity, c in zip(self.shared, coordinates, strict=True)]
            return [self._anchors_of(cells, cohort, values) for cohort in range(self.count)]

        shared = [quantity.coordinate(np.asarray(quantity.guess)) for quantity in self.shared]
        for i, guess in enumerate(shared):

            def loss(coordinate: float, i: int = i) -> float:
                return -sum(peak for _, peak in at([*shared[:i], np.asarray(coordinate), *shared[i + 1 :]]))

            bounds = (float(guess) - SHARED_REACH, float(guess) + SHARED_REACH)
            found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-4})
            shared[i] = np.asarray(found.x)
        return tuple(anchors for anchors, _ in at(shared))

    def _anchors_of(self, cells: Cells, cohort: int, shared: Sequence[Array]) -> tuple[tuple[Anchor, Anchor], float]:
        """Where the likelihood of one cohort alone is, on the logit of mean churn and the log of concentration."""
        of_cohort = replace(self, cohorts=(), anchors=()).of_cohort(cells, cohort)
        return anchors_of(lambda own: np.maximum(of_cohort(own, shared), -1e300), np.array(TYPICAL), WIDTH)


def _are_anchors(given: object) -> bool:
    try:
        values = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError):
        return False
    return values.shape == (0,) or (values.shape[1:] == (2, 2) and bool(np.isfinite(values).all()))
