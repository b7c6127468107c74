"""Where every relationship stands: its phase, how sure that is, and when the next one begins if nothing happens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

import numpy as np
import pandas as pd

from kundenwert.duration import check_unit, steps_per_unit
from kundenwert.economics.relationship.phase_rules import PHASES, RULES, PhaseRules, check_rules
from kundenwert.economics.relationship.silences import phase_starts
from kundenwert.errors import SpecificationError
from kundenwert.histories import CustomerHistories
from kundenwert.posterior.contract import ContractPosterior
from kundenwert.posterior.purchase import PurchasePosterior
from kundenwert.posterior.summary import check_interval, in_blocks
from kundenwert.transactions.times import MONDAY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kundenwert.duration import Unit
    from kundenwert.histories import Cells, Histories
    from kundenwert.models.core import Array

    type Codes = NDArray[np.int64]

__all__ = ["DRAWS", "check_can_lapse", "phase"]

DRAWS: Final = 200  # what is asked of phases needs no more
ROUNDING: Final = 1e-9  # of T: how far a difference of times may be off
DAY: Final = 86_400  # seconds
END_OF_DATES: Final = 2_932_897 * DAY  # the year 10000
NOWHERE: Final = -1


def phase(
    purchases: PurchasePosterior, histories: Histories, *, rules: PhaseRules = RULES, interval: float = 0.90
) -> pd.DataFrame:
    """Phase of the relationship with every customer, and when the next one begins if nothing happens.

    Customers who have bought once are in their "first purchase", then in "doubt" as long as those who come back
    usually do; later "cooling", and "lapsed". Who has bought again is "established" until the silence becomes
    remarkable, then "cooling", then "lapsed". A purchase makes anybody "established". Without one, customers only move
    forward. Phases are judged by return probabilities, which can be checked, and not by P(alive).

    A phase is what is known now about a customer with this history. The interval and the probabilities hold the
    uncertainty of the parameters, taken from at most 200 evenly spaced draws; they do not hold whether the customer
    will buy.

    Parameters
    ----------
    purchases : PurchasePosterior
        When customers buy.
    histories : CustomerHistories or OpportunityHistories
        The customers.
    rules : PhaseRules
        Where phases begin. A model that counts opportunities needs rules that do.
    interval : float
        Probability of the equal-tailed interval.

    Returns
    -------
    pandas.DataFrame
        One row a customer:

        - ``phase``: an ordered category; the furthest phase that the customer has reached with a probability of at
          least one half.
        - ``p_first_purchase``, ``p_doubt``, ``p_established``, ``p_cooling``, ``p_lapsed``: the probability that the
          customer is in each phase; their sum is one.
        - ``next_phase``: the one that follows while the customer is silent; missing for the lapsed.
        - ``in_time``, ``in_time_lower``, ``in_time_upper``: how long until it begins, in the unit of the posterior
          (weeks, opportunities): the median over draws, and the interval. A negative ``in_time_lower`` says that it may
          have begun already. NaN if it never does.
          ``attrs["unit"]`` of the table names that unit.
        - ``enters_next``, ``enters_next_lower``, ``enters_next_upper``: the same as dates, the first step (day, hour
          or week) by whose end the phase has begun. NaT if never, and where histories do not come from a log.

    Raises
    ------
    SpecificationError
        For contracts, whose ends are known.
    DurationError
        If the rules measure time and the model counts opportunities, or the other way round.

    Examples
    --------
    >>> import kundenwert as kw
    >>> purchases = kw.fixed(kw.MBGNBD.Parameters(r=0.525, alpha=6.183, a=0.891, b=1.614, unit="week"))
    >>> log = kw.datasets.cdnow()
    >>> histories = kw.summarize(log, customer="customer_id", time="date", until="1997-09-30", unit="week")
    >>> kw.phase(purchases, histories)[["phase", "next_phase", "enters_next"]].head(3)
                       phase next_phase enters_next
    customer_id
    1            established    cooling  1997-11-28
    2                 lapsed        NaN         NaT
    3                 lapsed        NaN         NaT
    """
    check_can_lapse(purchases)
    check_rules(rules)
    tail = (1 - check_interval(interval)) / 2
    purchases = purchases.thinned(min(purchases.of_cells.draws, DRAWS))
    cells = purchases.cells_of(histories)
    standing = _standing(purchases, cells, rules, tail)
    index = cells.index
    named = pd.CategoricalDtype(list(PHASES), ordered=True)
    columns: dict[str, object] = {"phase": pd.Categorical.from_codes(standing.phase[index], dtype=named)}
    for name, probability in zip(PHASES, standing.probability, strict=True):
        columns[f"p_{name.replace(' ', '_')}"] = probability[index]
    columns["next_phase"] = pd.Categorical.from_codes(standing.following[index], dtype=named)
    ends = ("", "_lower", "_upper")
    silence = cells["T"] - cells["t_x"]
    for end, starts in zip(ends, standing.starts, strict=True):
        columns[f"in_time{end}"] = np.where(np.isfinite(starts), starts - silence, np.nan)[index]
    for end, starts in zip(ends, standing.starts, strict=True):
        columns[f"enters_next{end}"] = _dates(histories, starts[index], purchases.unit)
    table = pd.DataFrame(columns, index=histories.customer_id)
    table.attrs["unit"] = purchases.unit  # of in_time
    return table


@final
@dataclass(frozen=True, slots=True)
class _Standing:
    """Phases of cells.

    Attributes
    ----------
    phase, following
        Positions in PHASES, NOWHERE for none, shape (cells,).
    probability
        Shape (phases, cells).
    starts
        The silence at which the following phase begins, inf for never: median, lower and upper, shape (3, cells).
    """

    phase: Codes
    following: Codes
    probability: Array
    starts: Array


def _standing(purchases: PurchasePosterior, cells: Cells, rules: PhaseRules, tail: float) -> _Standing:
    x, t_x, T = cells["x"], cells["t_x"], cells["T"]
    order = np.lexsort((T, t_x, x))
    starts_of = phase_starts(purchases, rules, x[order], t_x[order])
    draws = purchases.of_cells.draws
    ranks = [max(int(np.ceil(share * draws - ROUNDING)), 1) - 1 for share in (0.5, tail, 1 - tail)]
    found = _Standing(
        np.empty(len(cells), dtype=np.int64),
        np.empty(len(cells), dtype=np.int64),
        np.empty((len(PHASES), len(cells))),
        np.empty((3, len(cells))),
    )

    def work(rows: slice) -> None:
        at = order[rows]
        now = T[at] - t_x[at] + ROUNDING * T[at]
        starts = np.sort(starts_of(rows), axis=-1)  # of each phase by itself
        reached = (starts <= now[:, None]).mean(axis=-1)
        found.probability[:, at] = reached - np.append(reached[1:], np.zeros((1, len(at))), axis=0)
        # a phase is reached with probability one half exactly when the median of its start is
        median = starts[..., ranks[0]]
        current = (median <= now).sum(axis=0) - 1
        later = np.take_along_axis(median, np.minimum(current + 1, len(PHASES) - 1)[None], axis=0)
        following = (median <= later).sum(axis=0) - 1  # past those that end as they begin
        ends = (following == current) | np.isinf(later[0])
        found.phase[at], found.following[at] = current, np.where(ends, NOWHERE, following)
        quantiles = starts[following, np.arange(len(at))][:, ranks].T
        found.starts[:, at] = np.where(ends, np.inf, quantiles)

    in_blocks(len(cells), len(PHASES) * draws, work)
    return found


def _dates(histories: Histories, starts: Array, unit: Unit) -> pd.DatetimeIndex:
    """The first step by whose end the silence has lasted as long as `starts`, in `unit`, per customer."""
    seconds = np.full(len(starts), np.iinfo(np.int64).min)  # NaT
    if isinstance(histories, CustomerHistories) and histories.steps is not None:
        steps = histories.steps
        silence = starts * steps_per_unit(check_unit(unit), steps.resolution)
        reached = np.ceil(steps.last + silence * (1 - ROUNDING) - ROUNDING * (steps.last - steps.first))
        first_day = -MONDAY if steps.resolution == "week" else 0
        since_1970 = (reached / steps_per_unit("day", steps.resolution) + first_day) * DAY
        known = since_1970 < END_OF_DATES
        seconds[known] = np.rint(since_1970[known])
    return pd.DatetimeIndex(seconds.astype("datetime64[s]"))


def check_can_lapse(purchases: object) -> None:
    """Refuse what has no phases."""
    if isinstance(purchases, ContractPosterior):
        message = (
            "customers with contracts do not fall silent: they leave at a renewal, and tell. Ask when they will with "
            "purchases.churn_probability(…), and what they are worth with kundenwert.net_present_value(…)"
        )
        raise SpecificationError(message)
    if not isinstance(purchases, PurchasePosterior):
        message = (
            f"purchases must be a PurchasePosterior, got {type(purchases).__name__}; make one with "
            "kundenwert.fit(kundenwert.MBGNBD(), …)"
        )
        raise SpecificationError(message)
