"""What is said about new customers: tables of values and paybacks, and curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self, final

import numpy as np
import pandas as pd

from kundenwert.duration import Duration, Periods, check_duration
from kundenwert.economics.newcomers.newcomers import LONGEST_YEARS, PARTS
from kundenwert.errors import SpecificationError
from kundenwert.posterior.summary import check_interval, summarise

if TYPE_CHECKING:
    from kundenwert.duration import Horizon, Unit
    from kundenwert.economics.newcomers.newcomers import Newcomer
    from kundenwert.models.core import Array
    from kundenwert.posterior.summary import Summary

__all__ = ["AVERAGE", "SINGLE", "NewCustomerValue", "NewcomerRow"]

POINTS: Final = 41  # of a curve
AVERAGE: Final = "average customer"
SINGLE: Final = "single customer"
ROUNDING: Final = 1e-12


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NewcomerRow:
    """New customers of a channel or cohort.

    Attributes
    ----------
    label
        Channel and cohort, as far as there are any.
    newcomer
        What is expected of them.
    per_unit
        Units of their posterior in one unit of the result.
    paybacks
        When they pay back, in the unit of the result, by whether the customer is an average or a single one.
    """

    label: tuple[str | int, ...]
    newcomer: Newcomer
    per_unit: float
    paybacks: dict[str, Array]


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NewCustomerValue:
    """What new customers are worth: one row a channel or cohort, or one row in all.

    Parameters
    ----------
    table : pandas.DataFrame
        Net present value when they come: ``mean``, ``lower`` and ``upper``; its parts ``first_purchase`` and
        ``repeat_purchases`` (margins), ``order_cost``, ``retention_cost`` and ``referral``, each followed by its
        ``_lower`` and ``_upper``; and ``acquisition_cost``. Then ``highest_acquisition_cost``, at which the value would
        be zero, with its ``_lower`` (with an interval of 0.90, the cost that pays with a probability of 95 %) and
        ``_upper``; and ``probability_it_pays``, the posterior probability that the expected value is not negative.
    payback : pandas.DataFrame
        Time until contributions cover the acquisition cost for the first time, for the ``average customer`` and for a
        ``single customer``: the probability that this is ``within_limit`` and that it is ``later_or_never`` (which add
        up to 1), ``median``, ``lower`` and ``upper`` of the time, in `unit`; not within the `limit` counts as inf. That
        of the average is uncertain because the parameters are; that of a single customer also because they buy by
        chance.
    unit : str
        Of times: the unit of the posterior, ``opportunity`` or ``renewal``.
    limit : float
        How far curves and paybacks reach, in `unit`: to the horizon, or 20 years where it is LIFETIME.
    interval : float
        Probability of the equal-tailed intervals.
    currency : str
        Label of amounts.
    """

    table: pd.DataFrame
    payback: pd.DataFrame
    unit: Unit
    limit: float
    interval: float
    currency: str
    _names: tuple[str, ...] = field(repr=False)
    _rows: tuple[NewcomerRow, ...] = field(repr=False)

    @classmethod
    def of(
        cls, rows: Sequence[NewcomerRow], names: tuple[str, ...], *, unit: Unit, interval: float, currency: str
    ) -> Self:
        """Put together what is known of each channel or cohort; `names` are those of the levels of their labels."""
        values = [_values(row.newcomer, interval) for row in rows]
        labels = [row.label for row in rows]
        paybacks = [
            pd.DataFrame({whose: _payback(times, interval) for whose, times in row.paybacks.items()}).T for row in rows
        ]
        return cls(
            table=pd.DataFrame(values, index=_index(labels, names)),
            payback=_stacked(paybacks, labels, names, "customer"),
            unit=unit,
            limit=rows[0].newcomer.limit / rows[0].per_unit,
            interval=interval,
            currency=currency,
            _names=names,
            _rows=tuple(rows),
        )

    def curve(self, times: Sequence[Horizon] | None = None, *, interval: float | None = None) -> pd.DataFrame:
        """Expected contribution until each time: what the average new customer has brought by then, discounted.

        The acquisition cost is not taken off; it is paid back where the curve reaches it.

        Parameters
        ----------
        times : sequence of Duration or Periods, optional
            Since the first purchase; by default some forty times up to the horizon, or 20 years where it is LIFETIME.
        interval : float, optional
            Probability of the equal-tailed interval; by default that of the table.

        Returns
        -------
        pandas.DataFrame
            Columns ``mean``, ``lower`` and ``upper``; the index is the time in `unit`, within each channel or cohort.
        """
        at = self._times(times)
        tables = []
        for row in self._rows:
            values = row.newcomer.contribution(np.minimum(at * row.per_unit, row.newcomer.limit))
            summary = _summary(values, self.interval if interval is None else interval)
            tables.append(summary.to_pandas(self._shown(at)))
        return _stacked(tables, [row.label for row in self._rows], self._names, self.unit)

    def payback_probability(self, times: Sequence[Horizon] | None = None) -> pd.DataFrame:
        """Probability that the acquisition cost has been paid back by each time.

        Parameters
        ----------
        times : sequence of Duration or Periods, optional
            As for :meth:`curve`.

        Returns
        -------
        pandas.DataFrame
            Columns ``average customer``, how sure it is that the channel has paid back by then, and ``single
            customer``, the share of customers who have; the index is as that of :meth:`curve`.
        """
        at = self._times(times)
        tables = []
        for row in self._rows:
            shares = {
                whose: np.searchsorted(np.sort(back), at * (1 + ROUNDING), side="right") / len(back)
                for whose, back in row.paybacks.items()
            }
            tables.append(pd.DataFrame(shares, index=self._shown(at)))
        return _stacked(tables, [row.label for row in self._rows], self._names, self.unit)

    def _times(self, times: Sequence[Horizon] | None) -> Array:
        if times is None:
            at = np.linspace(0, self.limit, POINTS)
            return np.unique(np.rint(at)) if self._rows[0].newcomer.counts else at
        if isinstance(times, (Duration, Periods, str)) or not isinstance(times, Sequence) or not times:
            message = f"times are several times since the first purchase: [kundenwert.weeks(4), …]; got {times!r}"
            raise SpecificationError(message)
        at = np.array([check_duration(time, "times", lifetime=True).in_unit(self.unit) for time in times])
        if at.max() > self.limit * (1 + ROUNDING):
            message = (
                f"times reach to {at.max():g}, counted by {self.unit}, and curves end at {self.limit:g}: at the "
                f"horizon, or after {LONGEST_YEARS:g} years where it is LIFETIME; ask for earlier times"
            )
            raise SpecificationError(message)
        return np.minimum(at, self.limit)

    def _shown(self, at: Array) -> pd.Index:
        return pd.Index(at.astype(np.int64) if self._rows[0].newcomer.counts else at)

    def __repr__(self) -> str:
        means = ", ".join(f"{mean:,.2f}" for mean in self.table["mean"])
        costs = ", ".join(f"{cost:,.2f}" for cost in self.table["highest_acquisition_cost"])
        currency = f" {self.currency}" if self.currency else ""
        return f"NewCustomerValue(mean {means}{currency}; highest acquisition cost {costs}{currency})"


def _summary(drawn: Array, interval: float) -> Summary:
    """Mean and interval of each row."""
    rows, draws = drawn.shape
    return summarise(rows, draws, lambda block: np.asarray(drawn[block]), interval)


def _values(newcomer: Newcomer, interval: float) -> dict[str, float]:
    """A row of the table of values."""
    cost, value = newcomer.terms.acquisition_cost, newcomer.value
    drawn = np.stack([value - cost, *(newcomer.parts[name] for name in PARTS), value])
    summary = _summary(drawn, interval)
    names = ("mean", *PARTS, "highest_acquisition_cost")
    row: dict[str, float] = {}
    for name, mean, lower, upper in zip(names, *summary.columns(), strict=True):
        start = "" if name == "mean" else f"{name}_"
        row |= {name: mean, f"{start}lower": lower, f"{start}upper": upper}
        if name == PARTS[-1]:
            row["acquisition_cost"] = cost
    row["probability_it_pays"] = float(np.mean(value >= cost))
    return row


def _payback(times: Array, interval: float) -> dict[str, float]:
    """A row of the table of paybacks."""
    tail = (1 - check_interval(interval)) / 2
    ordered = np.sort(times)

    def quantile(probability: float) -> float:  # an order statistic: nothing lies halfway to inf
        return float(ordered[int(np.ceil(probability * len(ordered) - 1e-9)) - 1])

    back = float(np.isfinite(times).mean())
    row = {"within_limit": back, "later_or_never": float(np.isinf(times).mean())}
    return row | {"median": quantile(0.5), "lower": quantile(tail), "upper": quantile(1 - tail)}


def _index(labels: list[tuple[str | int, ...]], names: tuple[str, ...]) -> pd.Index:
    match names:
        case ():
            return pd.Index(["new customer"])
        case (name,):
            return pd.Index([label for (label,) in labels], name=name)
        case _:
            return pd.MultiIndex.from_tuples(labels, names=names)


def _stacked(
    tables: list[pd.DataFrame], labels: list[tuple[str | int, ...]], names: tuple[str, ...], inner: str
) -> pd.DataFrame:
    """Tables one below the other; with the labels as outer levels of the index, if these have names."""
    if not names:
        return tables[0].rename_axis(index=inner)
    index = [(*label, value) for label, table in zip(labels, tables, strict=True) for value in table.index]
    return pd.concat(tables).set_axis(pd.MultiIndex.from_tuples(index, names=[*names, inner]), axis=0)
