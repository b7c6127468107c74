"""What serving costs whom an offer brings back, and who stays away, where the firm serves by what customers do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self, final

import numpy as np

from kundenwert.economics.assumptions.retention import EveryoneFor
from kundenwert.economics.flows.events import periods_per_year
from kundenwert.economics.flows.streams import purchases_along
from kundenwert.economics.serving.futures import Service, blocks_of_futures, purchases_ahead
from kundenwert.economics.serving.services import serving_time
from kundenwert.economics.serving.services_by_futures import SEED, futures_of_each, slopes
from kundenwert.models.core import NUMPY, Purchases, history_of
from kundenwert.parallel import in_parallel
from kundenwert.posterior.base import thinning
from kundenwert.posterior.states import StateValues

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from kundenwert.economics.assumptions.retention import RetentionRule
    from kundenwert.economics.flows.timeline import Timeline
    from kundenwert.histories import Cells
    from kundenwert.models.core import Array, Revived
    from kundenwert.posterior import PurchasePosterior
    from kundenwert.posterior.values import Block, PurchaseValues

__all__ = ["Upkeep"]


@final
@dataclass(frozen=True, slots=True)
class Upkeep:
    """Discounted years of service until the horizon, by kind of state, shape (kinds, cells in the slice, draws).

    Attributes
    ----------
    returning
        Of those who buy in the middle of the window by themselves, whatever their state was; one kind.
    waiting
        Of those who do not buy within it.
    regained
        Of those whom an offer makes buy in the middle of it. The firm sees the same history and serves them by the same
        rule, but they go on to buy as those do who would have stayed away, or were gone.
    """

    returning: Block
    waiting: Block
    regained: Block

    @classmethod
    def of(
        cls,
        posterior: PurchasePosterior,
        cells: Cells,
        timeline: Timeline,
        rule: RetentionRule,
        *,
        length: float,
        window: float,
    ) -> Self | None:
        """Service by a rule; None if it is the same for everybody, whatever they do."""
        if isinstance(rule, EveryoneFor):
            return None
        per_year = periods_per_year(cells)
        x, t_x, T = (cells[name] for name in ("x", "t_x", "T"))
        service = Service.of(posterior, cells, timeline, rule)
        cutoffs, farthest = service.cutoffs, min(length, service.years * per_year)
        left = np.zeros(len(x)) if cutoffs is None else np.maximum(cutoffs(x, t_x) - (T - t_x), 0.0)

        def block(elapsed: float, after: Callable[[Timeline], Block]) -> Block:
            until = timeline.annuity(np.minimum(left, elapsed) / per_year)
            factor, ahead = timeline.later(elapsed / per_year)
            then = after(ahead)
            return lambda rows: until[rows, None] + factor * then(rows)

        middle = T + window / 2
        silent = replace(cells, columns={**cells.columns, "T": T + window})
        returned = replace(cells, columns={**cells.columns, "x": x + 1, "t_x": middle, "T": middle})
        rest = length - window / 2
        alone = block(
            window, lambda ahead: serving_time(posterior, silent, ahead, rule, length=length - window, due=False)
        )
        by_themselves = block(
            window / 2, lambda ahead: serving_time(posterior, returned, ahead, rule, length=rest, due=False)
        )
        brought = block(window / 2, lambda ahead: _service_again(posterior, silent, returned, ahead, rule, length=rest))
        of_gone = timeline.annuity(np.minimum(left, farthest) / per_year)
        longest = float(timeline.annuity(np.array([farthest / per_year]))[0])
        states = StateValues(posterior.of_cells, silent).probabilities()

        def by_state(rows: slice) -> Array:
            """The gone are served as long as anybody who never comes; the rest of the mean is that of the others."""
            gone = of_gone[rows, None]
            living = states(rows)[:-1]
            share = living.sum(axis=0)
            more = np.divide(alone(rows) - gone, share, out=np.zeros_like(share), where=share > 0)
            others = np.clip(gone + more, gone, longest)
            return np.stack([*([others] * len(living)), np.broadcast_to(gone, others.shape)])

        return cls(lambda rows: by_themselves(rows)[None], by_state, brought)


def _service_again(
    posterior: PurchasePosterior,
    silent: Cells,
    returned: Cells,
    timeline: Timeline,
    rule: RetentionRule,
    *,
    length: float,
) -> Block:
    """Service after a purchase that customers of each kind would not have made, shape (kinds, cells, draws).

    `silent` are their histories without it, `returned` those with it, which the firm sees. Futures are simulated, and
    what is expected in each draw follows from what it expects them to buy, as in `served_by_rule`.
    """
    service, per_year = Service.of(posterior, returned, timeline, rule), periods_per_year(returned)
    horizon = min(length, service.years * per_year)
    values = posterior.of_cells
    states = StateValues(values, silent)
    along = purchases_along(posterior, returned, timeline, length=length)
    expected = [states.second_lives(each, 0.0) for each in (along, lambda customer: customer.returns(horizon))]
    ahead = purchases_ahead(posterior, returned, horizon)
    count, kinds = futures_of_each(ahead), len(states.names)
    evenly = thinning(values.draws, count)
    served = np.empty((kinds, len(returned)))
    slope, means = np.empty((2, kinds, len(returned), 2))

    def work(rows: slice) -> None:
        rng = np.random.default_rng([SEED, rows.start])
        draws = np.sort((evenly + rng.integers(values.draws)) % values.draws)
        shape = (rows.stop - rows.start, count)
        for kind in range(kinds):
            future = _futures(values, silent, rows, draws, horizon, rng, gone=kind == kinds - 1)
            who = future.customer
            counted = np.bincount(who, timeline.discount(future.time / per_year), shape[0] * count)
            causes = np.stack([counted, np.bincount(who, minlength=len(counted)) > 0], axis=-1).reshape(*shape, 2)
            years = service(returned, rows, count, future).reshape(shape)
            served[kind, rows], means[kind, rows] = years.mean(axis=1), causes.mean(axis=1)
            slope[kind, rows] = slopes(years - served[kind, rows, None], causes - means[kind, rows, None])

    in_parallel(work, blocks_of_futures(ahead, count))
    longest = float(timeline.annuity(np.array([service.years]))[0])

    def block(rows: slice) -> Array:
        years = np.repeat(served[:, rows, None], values.draws, axis=2)
        for place, of_draws in enumerate(expected):
            years += slope[:, rows, place, None] * (of_draws(rows) - means[:, rows, place, None])
        return np.clip(years, 0.0, longest, out=years)

    return block


def _futures(  # noqa: PLR0917 - as PurchaseValues.futures
    values: PurchaseValues,
    silent: Cells,
    rows: slice,
    draws: NDArray[np.intp],
    horizon: float,
    rng: np.random.Generator,
    *,
    gone: bool,
) -> Purchases:
    """Purchases after one that customers are made to make who are gone, or are not; as of `PurchaseValues.futures`."""
    model, (x, t_x, T) = values.model, (silent[name][rows] for name in ("x", "t_x", "T"))

    def theta(of: NDArray[np.intp]) -> tuple[Array, ...]:
        named: tuple[Array, ...] = model.named([each[of] for each in values.theta])
        return named

    size = len(x) * len(draws)
    laws: list[tuple[NDArray[np.intp], Callable[[NDArray[np.intp]], Revived]]] = []
    if gone:

        def was_gone(who: NDArray[np.intp]) -> Revived:
            row, future = np.divmod(who, len(draws))
            return model.regained(theta(draws[future]), x[row], t_x[row])

        laws.append((np.arange(size), was_gone))
    else:
        now = model.p_states(theta(draws), history_of(silent, rows), NUMPY)
        until = np.cumsum(now, axis=0).reshape(len(now), -1)
        chance = rng.random(size) * until[-1]
        state_of = np.minimum((chance >= until).sum(axis=0), len(now) - 1)

        def stayed_away(state: int) -> Callable[[NDArray[np.intp]], Revived]:
            def law(who: NDArray[np.intp]) -> Revived:
                row, future = np.divmod(who, len(draws))
                return model.revived(theta(draws[future]), x[row], T[row])[state]

            return law

        laws += [(np.flatnonzero(state_of == state), stayed_away(state)) for state in range(len(now))]
    customers: list[NDArray[np.intp]] = []
    times: list[Array] = []
    for who, law in laws:
        stay = who[rng.random(len(who)) < law(who).stay]
        bought = law(stay).customer.simulate(horizon, rng)
        customers.append(stay[bought.customer])
        times.append(bought.time)
    return Purchases(customer=np.concatenate(customers), time=np.concatenate(times))
