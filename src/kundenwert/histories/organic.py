"""OrganicReturn: who returns by themselves within a window, with its uncertainty, by the state a customer is in now."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Self, final

import numpy as np
import pandas as pd

from kundenwert.duration import Duration, Horizon, check_duration
from kundenwert.errors import DataError, RowError, SizeError, SpecificationError
from kundenwert.histories.parts import freeze
from kundenwert.histories.validation import shown, strangers

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    from numpy.typing import ArrayLike, NDArray

    type Floats = NDArray[np.float64]
    type Integers = NDArray[np.int64]

__all__ = ["OrganicReturn"]

LARGEST: Final = 2 * 1024**3  # bytes of the two arrays together
ROUNDING: Final = 1e-6  # by which sums of probabilities may miss
UNKNOWN: Final = "unknown"
"""The only state of customers of whom no purchases are known."""
FLAT: Final = 0.5  # what stands for their return probability: log-odds of 0, which a campaign moves to where they are


@final
@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class OrganicReturn:
    """Probability that customers return within a window if nobody does anything, draw by draw.

    Made by :func:`kundenwert.organic_return` from a posterior of purchases, by :meth:`from_probabilities` from numbers
    of your own, or by :meth:`unknown` where there is neither. Customers with the same history share one entry, so that
    memory grows with the number of distinct histories. A state is what a customer may be in now (alive or gone, say);
    its name is all that is known of it here.

    Attributes
    ----------
    customer_id
        Unique ids.
    window
        How long from now.
    states
        Names of the states.
    index
        The history of every customer, shape (customers,): ``p_return[index]`` is per customer.
    probability
        P(in this state now), shape (states, histories, draws); sums to one over states.
    returns
        P(in this state now *and* returns within the window), same shape.
    source
        Checksum of the draws it was made from, by which two of them are known to belong together; None if nobody said.

    Raises
    ------
    DataError
        If shapes do not fit, or numbers are no probabilities.
    SizeError
        If there are more than 2 GiB of them.
    """

    customer_id: pd.Index
    window: Horizon
    states: tuple[str, ...]
    index: Integers
    probability: Floats
    returns: Floats
    source: int | None = None

    def __post_init__(self) -> None:
        window = check_duration(self.window, "window")
        if not (window.in_days if isinstance(window, Duration) else window.count) > 0:
            message = f"window must be longer than 0, got {self.window!r}"
            raise SpecificationError(message)
        object.__setattr__(self, "customer_id", self.customer_id.rename("customer_id"))
        object.__setattr__(self, "states", tuple(self.states))
        freeze(self, np.int64, "index")
        freeze(self, np.float64, "probability", "returns")
        _check(self)

    def __len__(self) -> int:
        return len(self.customer_id)

    @property
    def known(self) -> bool:
        """Whether anything is known of these customers' returns: not if they were made by :meth:`unknown`."""
        return self.states != (UNKNOWN,)

    @property
    def draws(self) -> int:
        """Number of draws."""
        return int(self.probability.shape[-1])

    @property
    def p_return(self) -> Floats:
        """P(returns within the window), shape (histories, draws); that of customers is ``p_return[index]``."""
        total: Floats = self.returns.sum(axis=0)
        return total

    @classmethod
    def from_probabilities(
        cls, customer_id: Sequence[str] | Sequence[int] | pd.Index, probability: ArrayLike, *, window: Horizon
    ) -> Self:
        """Take over return probabilities from elsewhere.

        Parameters
        ----------
        customer_id : sequence
            Unique ids.
        probability : array
            P(returns within the window), shape (customers,), or (customers, draws) to hold its uncertainty.
        window : Duration or Periods
            How long from now.
        """
        ids = customer_id if isinstance(customer_id, pd.Index) else pd.Index(list(customer_id))
        try:
            given = np.asarray(probability, dtype=np.float64)
        except (TypeError, ValueError):
            message = (
                f"probability takes numbers of shape (customers,) or (customers, draws), got {probability!r:.80}; "
                "convert them to float"
            )
            raise DataError(message) from None
        if given.ndim not in {1, 2} or len(given) != len(ids):
            message = (
                f"probability has shape {given.shape} for {len(ids)} customers; expected one number per customer, or "
                "one row per customer and one column per draw"
            )
            raise DataError(message)
        drawn = given[:, None] if given.ndim == 1 else given
        return cls(
            customer_id=ids,
            window=window,
            states=("any",),
            index=np.arange(len(ids)),
            probability=np.ones((1, *drawn.shape)),
            returns=drawn[None],
        )

    @classmethod
    def unknown(cls, customer_id: Sequence[str] | Sequence[int] | pd.Index, *, window: Horizon) -> Self:
        """Customers of whom no purchases are known: what they do by themselves is one level, the same for all.

        Only a response that was learned from a campaign without organic returns can be asked about them: that level is
        the one of its held-out. The probability that stands here, one half, is a mere place for it.

        Parameters
        ----------
        customer_id : sequence
            Unique ids.
        window : Duration or Periods
            How long from now.
        """
        ids = customer_id if isinstance(customer_id, pd.Index) else pd.Index(list(customer_id))
        return cls(
            customer_id=ids,
            window=window,
            states=(UNKNOWN,),
            index=np.zeros(len(ids), dtype=np.int64),
            probability=np.ones((1, 1, 1)),
            returns=np.full((1, 1, 1), FLAT),
        )

    def take(self, positions: ArrayLike) -> Self:
        """The customers at these positions (integers, or a mask), in that order."""
        chosen = chosen_positions(len(self), positions)
        used, index = np.unique(self.index[chosen], return_inverse=True)
        return replace(
            self,
            customer_id=self.customer_id.take(chosen),
            index=index,
            probability=self.probability[:, used],
            returns=self.returns[:, used],
        )

    def select(self, customer_ids: Sequence[str] | Sequence[int] | pd.Index) -> Self:
        """These customers, in that order.

        Raises
        ------
        RowError
            If one of them has no organic return here.
        """
        wanted = customer_ids if isinstance(customer_ids, pd.Index) else pd.Index(list(customer_ids))
        positions = self.customer_id.get_indexer(wanted)
        if (positions < 0).any():
            unknown = wanted[positions < 0]
            message = (
                f"customer {shown(unknown, 0)} has no organic return probability ({len(unknown):,} such customers); "
                "make it from the histories of all of them: kundenwert.organic_return(purchases, histories, window=…)"
                f"{strangers(wanted, self.customer_id, 'the table')}"
            )
            raise RowError(message, rows=(positions < 0).tolist(), reason="no organic return")
        return replace(self.take(positions), customer_id=wanted)  # ids that are equal may differ in type

    def to_pandas(self) -> pd.DataFrame:
        """Posterior means per customer: column p_return (NaN if unknown), and P(now in it) for each state."""
        means = {"p_return": self.p_return.mean(axis=-1) if self.known else np.full(1, np.nan)}
        means |= {f"p_{name}": self.probability[i].mean(axis=-1) for i, name in enumerate(self.states)}
        return pd.DataFrame({name: mean[self.index] for name, mean in means.items()}, index=self.customer_id)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the probabilities to a file, whole or not at all; :func:`kundenwert.load` reads them back exactly.

        The file holds the ids of customers, and what is known of each: keep it as you keep the log itself.

        Parameters
        ----------
        path : path
            Where to. A file that is there is replaced once the new one is complete.

        Raises
        ------
        FileWriteError
            If it cannot be written; then the old file is as it was.
        DataError
            If ids or labels are of a type that a file cannot hold.
        """
        from kundenwert.storage.keeping import save

        save(self, path)

    def __repr__(self) -> str:
        if not self.known:
            return f"OrganicReturn({len(self):,} customers within {self.window!r}: unknown)"
        states = f", {' / '.join(self.states)}" if len(self.states) > 1 else ""
        return f"OrganicReturn({len(self):,} customers, {self.draws} draws, within {self.window!r}{states})"


def chosen_positions(customers: int, positions: ArrayLike) -> Integers:
    """Positions that integers or a mask stand for.

    Raises
    ------
    DataError
        If there is no such position.
    """
    asked = np.asarray(positions)
    asked = asked if asked.size else asked.astype(np.int64)
    try:
        return np.asarray(np.arange(customers)[asked]).reshape(-1)
    except IndexError:
        message = (
            f"take takes positions below {customers}, as many customers as there are, or a mask with an entry for each "
            f"of them; got {positions!r:.80}. Customers are chosen by id with select"
        )
        raise DataError(message) from None


def _check(organic: OrganicReturn) -> None:
    states, index, shape = organic.states, organic.index, organic.probability.shape
    if not states or len(set(states)) < len(states) or not all(isinstance(name, str) for name in states):
        message = f"states takes different names, got {states!r}"
        raise DataError(message)
    if len(shape) != 3 or shape[0] != len(states) or shape[2] == 0 or organic.returns.shape != shape:
        message = (
            f"probability has shape {shape} and returns {organic.returns.shape}; both need (states, histories, draws) "
            f"with {len(states)} states and a draw at least"
        )
        raise DataError(message)
    if organic.probability.nbytes * 2 > LARGEST:
        message = (
            f"{shape[1]:,} histories × {shape[2]:,} draws × {len(states)} states take more than "
            f"{LARGEST / 1024**3:.0f} GiB; ask for fewer draws, or for some of the customers at a time"
        )
        raise SizeError(message)
    if index.shape != (len(organic),) or (len(index) and not 0 <= index.min() <= index.max() < shape[1]):
        message = f"index needs the position of a history below {shape[1]} for each of {len(organic)} customers"
        raise DataError(message)
    if not organic.customer_id.is_unique:
        first = int(np.argmax(organic.customer_id.duplicated()))
        message = f"customer {shown(organic.customer_id, first)} occurs more than once; expected one entry per customer"
        raise RowError(message)
    total = organic.probability.sum(axis=0)
    impossible = ~(
        (organic.returns >= 0) & (organic.returns <= organic.probability + ROUNDING) & (np.abs(total - 1) < ROUNDING)
    ).all(axis=(0, 2))
    if impossible.any():
        first = int(np.argmax(impossible[index]))
        at = organic.index[first]
        message = (
            f"customer {shown(organic.customer_id, first)} has P(state) {organic.probability[:, at, 0]} and P(state "
            f"and return) {organic.returns[:, at, 0]} in the first draw; expected 0 <= P(state and return) <= P(state) "
            "and P(state) to sum to one in every draw"
        )
        raise DataError(message)
