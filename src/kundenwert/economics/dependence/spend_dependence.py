"""Whether customers who buy often spend more, and what that does to their value."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

import numpy as np
from scipy.stats import rankdata

from kundenwert.economics.dependence.linking import Linking
from kundenwert.errors import DataError, DependenceWarning, SpecificationError
from kundenwert.histories.base import as_histories, check_clock
from kundenwert.models.core import history_of
from kundenwert.posterior.purchase import PurchasePosterior
from kundenwert.posterior.spend import SpendPosterior
from kundenwert.posterior.summary import Estimate, check_interval
from kundenwert.scalars import check_seed

if TYPE_CHECKING:
    from collections.abc import Callable

    from kundenwert.economics.dependence.link import Link
    from kundenwert.histories import Cells, Clock, Histories, HistoryColumn
    from kundenwert.models.core import AliveCustomer, Array

__all__ = ["RawCorrelation", "SpendDependence", "spend_dependence"]

MOST_CUSTOMERS: Final = 20_000
FEWEST_REPEATERS: Final = 10
SURE: Final = 0.01
MATERIAL: Final = 0.05


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class RawCorrelation:
    """Correlation of repeat purchases and mean amounts as they are, among customers who have come back.

    Chance weakens it: few purchases say little about how often a customer buys, and few amounts about how much.

    Parameters
    ----------
    pearson
        Of the numbers.
    spearman
        Of their ranks.
    """

    pearson: float
    spearman: float


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class SpendDependence:
    """How the amounts of customers depend on how often they buy; made by :func:`spend_dependence`.

    Handed to :func:`net_present_value` as `dependence`, it corrects the values.

    Parameters
    ----------
    correlation
        Posterior of the correlation between purchase rate and spend level, both on a normal scale: 0 if independent,
        1 if the more often customers buy the more they spend at each purchase, -1 if the less.
    raw
        The correlation in the data, for comparison.
    p_positive
        Probability that the correlation is above 0.
    effect_on_value
        What all customers together are expected to spend within a year, over what is expected under independence. It
        is computed at the mean of the correlation and at both ends of its interval: `mean` is the first of the three,
        `lower` and `upper` are the smallest and the largest. None if the mean amount is infinite with the correlation.
    effect_on_one_time_buyers
        The same of the customers who have not come back so far, whose amounts nobody has seen; None without any.
    customers
        Customers with repeat amounts, which all of this is learnt from.
    interval
        Probability of the intervals.
    link
        The two models linked, at the posterior mean.
    """

    correlation: Estimate
    raw: RawCorrelation
    p_positive: float
    effect_on_value: Estimate | None
    effect_on_one_time_buyers: Estimate | None
    customers: int
    interval: float
    link: Link

    @property
    def matters(self) -> bool:
        """Whether the sign is beyond doubt (99 %), and values of all or of one-time buyers are off by more than 5 %."""
        effects = (self.effect_on_value, self.effect_on_one_time_buyers)
        off = self.effect_on_value is None or any(abs(e.mean - 1) > MATERIAL for e in effects if e is not None)
        return off and not SURE < self.p_positive < 1 - SURE

    def __repr__(self) -> str:
        found, more = self.correlation, "more" if self.correlation.mean > 0 else "less"
        sure = max(self.p_positive, 1 - self.p_positive)
        where = f"{self.interval:.0%} interval {found.lower:.2f} to {found.upper:.2f}"
        lines = [
            f"SpendDependence: customers who buy more often spend {more} per purchase, with probability {sure:.1%}.",
            f"  correlation of purchase rate and spend level: {found.mean:.2f} ({where})",
            f"  in the data, weakened by chance: {self.raw.pearson:.2f} (of ranks {self.raw.spearman:.2f})",
            f"  customers with repeat amounts: {self.customers:,}",
            "  expected spend within a year, compared with independence:",
        ]
        for whom, effect in (
            ("all customers", self.effect_on_value),
            ("who have not come back so far", self.effect_on_one_time_buyers),
        ):
            if effect is not None:
                mean, low, high = (f"{end - 1:+z.1%}" for end in (effect.mean, effect.lower, effect.upper))
                lines.append(f"    {whom}: {mean} ({low} to {high})")
        if self.effect_on_value is None:
            lines.append("    none, because the mean amount is infinite with it")
        return "\n".join(lines)

    def corrections(
        self,
        purchases: PurchasePosterior,
        spend: SpendPosterior,
        cells: Cells,
        expectation: Callable[[AliveCustomer], Array],
    ) -> Array:
        """What to multiply values under independence by, shape (cells,).

        Raises
        ------
        SpecificationError
            If this is the dependence of other models.
        InfiniteValueError
            If the mean amount is infinite with the correlation.
        """
        same = type(spend.model) is type(self.link.spend) and purchases.model == self.link.purchases
        if not same or purchases.unit != self.link.unit:
            message = (
                f"the dependence was estimated with {self.link.purchases!r} per {self.link.unit} and "
                f"{type(self.link.spend).__name__}, but the values are those of {purchases.model!r} per "
                f"{purchases.unit} and {type(spend.model).__name__}; hand the same posteriors to "
                "kundenwert.spend_dependence"
            )
            raise SpecificationError(message)
        return self.link.corrections(cells, expectation)


@final
@dataclass(frozen=True, slots=True)
class _Needs:
    """The columns that two models need together."""

    needs: tuple[HistoryColumn, ...]
    clock: Clock


def spend_dependence(
    purchases: PurchasePosterior,
    spend: SpendPosterior,
    histories: Histories,
    *,
    interval: float = 0.90,
    seed: int | None = None,
) -> SpendDependence:
    """Estimate whether customers who buy more often spend more per purchase, or less.

    All values multiply purchases by a mean amount that is taken as independent of them. Here the two are linked: on a
    normal scale, a customer's purchase rate and level of amounts are correlated (a Gaussian copula). That is estimated
    together with the spend model, whose own estimates are otherwise those of the customers who came back. Unlike a
    correlation of the data, it is not weakened by the chance in few purchases and few amounts.

    Parameters
    ----------
    purchases : PurchasePosterior
        When customers buy, in time.
    spend : SpendPosterior
        How much they spend: its model and priors.
    histories : CustomerHistories
        The customers from which both were learnt, with amounts. Of more than 20,000, a random sample is used.
    interval : float
        Probability of the equal-tailed interval.
    seed : int, optional
        Makes the sample reproducible.

    Returns
    -------
    SpendDependence
        Print it; or correct values with ``net_present_value(…, dependence=…)``.

    Warns
    -----
    DependenceWarning
        If the sign is beyond doubt (99 %) and values under independence are off by more than 5 %.

    Raises
    ------
    SpecificationError
        If a posterior is none, or of a model without purchase rates.
    DataError
        If fewer than 10 customers have repeat amounts, or all bought equally often.
    """
    check_interval(interval)
    _check(purchases, spend)
    check_clock(purchases.model, as_histories(histories))
    histories = _sampled(histories.in_unit(purchases.unit), seed)
    raw = _raw(histories.cells(_Needs(("x", "total"), "time")))
    needs = (*purchases.model.needs, *spend.model.needs)
    linking = Linking.of(purchases, spend, histories.cells(_Needs(needs, purchases.model.clock)))
    tail = (1 - interval) / 2
    mean, (lower, upper) = linking.mean, linking.quantiles(tail, 1 - tail)
    effects = linking.effects(mean, lower, upper)
    everybody, one_time = (None, None) if effects is None else (_estimate(column) for column in effects.T)
    result = SpendDependence(
        correlation=Estimate(mean, lower, upper),
        raw=raw,
        p_positive=linking.p_positive,
        effect_on_value=everybody,
        effect_on_one_time_buyers=one_time,
        customers=linking.customers,
        interval=interval,
        link=linking.at(mean),
    )
    if result.matters:
        warnings.warn(_warning(result), DependenceWarning, stacklevel=2)
    return result


def _check(purchases: object, spend: object) -> None:
    if not isinstance(purchases, PurchasePosterior):
        message = (
            f"purchases must be a PurchasePosterior, got {type(purchases).__name__}; make one with "
            "kundenwert.fit(kundenwert.MBGNBD(), …)"
        )
        raise SpecificationError(message)
    if not isinstance(spend, SpendPosterior):
        message = (
            f"spend must be a SpendPosterior, got {type(spend).__name__}; make one with "
            "kundenwert.fit(kundenwert.GammaGamma(), …)"
        )
        raise SpecificationError(message)
    customer = {name: np.zeros(1) for name in (*purchases.model.needs, *spend.model.needs)}
    purchases.model.rate_law(_first(purchases), history_of(customer))  # those without one say so
    spend.model.level_law(_first(spend), history_of(customer))


def _first(posterior: PurchasePosterior | SpendPosterior) -> tuple[Array, ...]:
    return posterior.chosen(np.zeros(1, dtype=np.intp)).theta


def _sampled(histories: Histories, seed: int | None) -> Histories:
    seed = check_seed(seed)
    if len(histories) <= MOST_CUSTOMERS:
        return histories
    rng = np.random.default_rng(seed)
    return histories.take(np.sort(rng.choice(len(histories), MOST_CUSTOMERS, replace=False)))


def _raw(cells: Cells) -> RawCorrelation:
    """Of cells that hold x and the total amount."""
    x, total = cells["x"][cells.index], cells["total"][cells.index]
    bought = (x > 0) & (total > 0)
    x, mean = x[bought], total[bought] / x[bought]
    if len(x) < FEWEST_REPEATERS or np.ptp(x) == 0 or np.ptp(mean) == 0:
        what = "bought equally often" if len(x) and np.ptp(x) == 0 else "spent the same"
        reason = f"all {len(x):,} of them {what}" if len(x) >= FEWEST_REPEATERS else f"there are {len(x):,}"
        message = (
            f"whether frequent buyers spend more takes at least {FEWEST_REPEATERS} customers with repeat amounts who "
            f"differ in both, but {reason}; observe for longer"
        )
        raise DataError(message)
    return RawCorrelation(
        pearson=float(np.corrcoef(x, mean)[0, 1]), spearman=float(np.corrcoef(rankdata(x), rankdata(mean))[0, 1])
    )


def _estimate(values: Array) -> Estimate | None:
    """Of values at the mean and at both ends of the correlation."""
    if np.isnan(values).any():
        return None
    return Estimate(float(values[0]), float(values.min()), float(values.max()))


def _warning(found: SpendDependence) -> str:
    more, rho = "more" if found.correlation.mean > 0 else "less", found.correlation
    if found.effect_on_value is None:
        off = "the mean amount is infinite with it"
    else:
        off = f"expected spend within a year is {found.effect_on_value.mean:.2f} times that under independence"
        if found.effect_on_one_time_buyers is not None:
            off += f", and {found.effect_on_one_time_buyers.mean:.2f} times for those who have not come back"
    return (
        f"customers who buy more often spend {more} per purchase: correlation {rho.mean:.2f} ({rho.lower:.2f} to "
        f"{rho.upper:.2f}); {off}. Hand this result to kundenwert.net_present_value as dependence=…"
    )
