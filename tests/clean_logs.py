"""Logs with nothing wrong, of many kinds: no check may speak up on any of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

import kundenwert as kw

if TYPE_CHECKING:
    from collections.abc import Callable

type Reading = dict[str, str]


@dataclass(frozen=True)
class Clean:
    """A log, and how to read it apart from its columns customer_id, date and amount."""

    log: pd.DataFrame
    reading: Reading = field(default_factory=dict)


MBG = kw.MBGNBD.Parameters(r=0.52, alpha=6.2, a=0.89, b=1.6, unit="week")
PARETO = kw.ParetoNBD.Parameters(r=0.55, alpha=10.6, s=0.61, beta=11.7, unit="week")
REGULAR = kw.MBGCNBD.Parameters(r=0.9, alpha=1.9, a=0.6, b=2.5, unit="week", k=3)
SUBSCRIBERS = kw.MBGCNBD.Parameters(r=20.0, alpha=9.0, a=1.0, b=20.0, unit="week", k=8)
SPEND = kw.GammaGamma.Parameters(p=6.25, q=3.74, gamma=15.44)


def drawn(truth, rng, *, customers=1_500, over=26, weeks=52):
    return kw.datasets.simulated(
        truth,
        SPEND,
        customers=customers,
        seed=int(rng.integers(2**31)),
        acquired_over=kw.weeks(over),
        observed_for=kw.weeks(weeks),
        start="2023-01-02",
    )


def moved(log, first_day, rng):
    """Give each customer another first day, a number of days after the start, and cut at the end of the log."""
    end = log["date"].max()
    first = log.groupby("customer_id")["date"].transform("min")
    shift = pd.to_timedelta(first_day(log["customer_id"].nunique(), rng)[log["customer_id"].to_numpy() - 1], unit="D")
    log = log.assign(date=pd.Timestamp("2023-01-02") + shift + (log["date"] - first))
    return log[log["date"] <= end].sort_values("date", ignore_index=True)


def mbg(rng):
    return Clean(drawn(MBG, rng, over=int(rng.integers(12, 50))))


def pareto(rng):
    return Clean(drawn(PARETO, rng, over=40))


def regular(rng):
    return Clean(drawn(REGULAR, rng, over=40))


def subscribers(rng):
    return Clean(drawn(SUBSCRIBERS, rng, customers=600, over=50, weeks=104))


def seasonal(rng):
    """Twice as much in the dark season, new customers too; the log may begin at any time of the year."""
    log = drawn(PARETO, rng, customers=6_000, over=100, weeks=104)
    phase = rng.uniform(0, 2 * np.pi)
    keep = 0.5 + 0.3 * np.cos(2 * np.pi * log["date"].dt.day_of_year / 365.25 + phase)
    first = log.groupby("customer_id")["date"].transform("min") == log["date"]
    stays = rng.uniform(size=len(log)) < keep
    won = set(log.loc[first & stays, "customer_id"])
    return Clean(log[(first | stays) & log["customer_id"].isin(won)].reset_index(drop=True))


def growing(rng):
    """New customers grow tenfold from the first day to the last."""
    log = drawn(MBG, rng, customers=3_000, over=1)
    return Clean(moved(log, lambda n, rng: np.log1p(9 * rng.uniform(size=n)) / np.log(10) * 360, rng))


def fading(rng):
    """Many new customers at first, fewer and fewer later."""
    log = drawn(PARETO, rng, customers=3_000, over=1)
    return Clean(moved(log, lambda n, rng: 360 * rng.beta(1, rng.uniform(1.2, 3), n), rng))


def from_the_peak(rng):
    """A year that begins in the season, for new customers and for purchases."""
    log = drawn(MBG, rng, customers=6_000, over=52)
    high = 0.5 + 0.4 * np.cos(2 * np.pi * (log["date"].dt.day_of_year - rng.uniform(0, 40)) / 365.25)
    stays = rng.uniform(size=len(log)) < high
    won = set(log.loc[stays & ~log.duplicated("customer_id"), "customer_id"])
    return Clean(log[stays & log["customer_id"].isin(won)].reset_index(drop=True))


def opening(rng):
    """A third of all customers come in the fortnight of the opening campaign, the others evenly afterwards."""
    log = drawn(MBG, rng, customers=3_000, over=1)
    return Clean(moved(log, lambda n, rng: np.where(rng.uniform(size=n) < 1 / 3, 14, 360) * rng.uniform(size=n), rng))


def weak_opening(rng):
    """The opening brings bargain hunters, who buy half as often as those who come later."""
    log = opening(rng).log
    early = log.groupby("customer_id")["date"].transform("min") < "2023-01-16"
    again = log.duplicated("customer_id")
    return Clean(log[~(early & again & (rng.uniform(size=len(log)) < 0.5))].reset_index(drop=True))


def campaigns(rng):
    """Five campaigns, each with a burst of new customers, and few in between."""
    log = drawn(PARETO, rng, customers=3_000, over=1)
    days = np.sort(rng.uniform(0, 300, 5))

    def first_day(n, rng):
        burst = days[rng.integers(5, size=n)] + rng.exponential(5, n)
        return np.where(rng.uniform(size=n) < 0.8, burst, rng.uniform(0, 360, n))

    return Clean(moved(log, first_day, rng))


def one_cohort(rng):
    return Clean(drawn(MBG, rng, over=int(rng.integers(1, 13))))


def one_day_cohort(rng):
    return Clean(moved(drawn(MBG, rng, over=1), lambda n, _: np.zeros(n), rng))


def big_customer(rng):
    """Trade, where one customer makes a twentieth of all purchases."""
    log = drawn(PARETO, rng, customers=400, over=40)
    orders = len(log) // 19
    days = log["date"].min() + pd.to_timedelta(np.sort(rng.integers(0, 364, orders)), unit="D")
    big = pd.DataFrame({"customer_id": 4_711, "date": days, "amount": rng.gamma(4, 50, orders).round(2)})
    return Clean(pd.concat([log, big]).sort_values("date", ignore_index=True))


def returned(log, rng, share, *, part):
    """Returns of a share of the purchases, in full or in part, some days later."""
    back = log[rng.uniform(size=len(log)) < share]
    cut = rng.uniform(0.1, 1, len(back)) if part else 1.0
    delay = pd.to_timedelta(1 + rng.exponential(10, len(back)).astype(int), unit="D")
    back = back.assign(date=back["date"] + delay, amount=-(back["amount"] * cut).round(2))
    back = back[back["date"] <= log["date"].max()]
    return pd.concat([log, back]).sort_values("date", kind="stable", ignore_index=True)


def returns(rng):
    return Clean(returned(drawn(MBG, rng, over=40), rng, rng.uniform(0.1, 0.5), part=False))


def partial_returns(rng):
    return Clean(returned(drawn(PARETO, rng, over=12), rng, rng.uniform(0.1, 0.5), part=True))


def fashion(rng):
    """One price list of twenty prices, half of everything sent back on another day."""
    log = drawn(REGULAR, rng, over=26)
    log["amount"] = rng.choice(np.arange(1, 21) * 10 - 0.05, size=len(log))
    return Clean(returned(log, rng, 0.5, part=False))


def weekly(rng):
    return Clean(drawn(MBG, rng, over=40, weeks=78), {"resolution": "week"})


def hourly(rng):
    log = drawn(MBG, rng, over=26)
    log["date"] += pd.to_timedelta(rng.integers(0, 86_400, len(log)), unit="s")
    return Clean(log.sort_values("date", ignore_index=True), {"resolution": "hour"})


def small(rng):
    return Clean(drawn(MBG, rng, customers=20, over=int(rng.integers(1, 50))))


def small_pareto(rng):
    return Clean(drawn(PARETO, rng, customers=20, over=int(rng.integers(1, 30))))


def one_month(rng):
    log = drawn(kw.MBGNBD.Parameters(r=0.52, alpha=1.0, a=0.89, b=1.6, unit="week"), rng, over=4, weeks=4)
    return Clean(log)


def one_price(rng):
    """One price, days without times, and customers who buy twice on one day now and then."""
    log = drawn(MBG, rng, over=26).assign(amount=9.99)
    twice = log[rng.uniform(size=len(log)) < 0.06]
    return Clean(pd.concat([log, twice]).sort_values("date", ignore_index=True))


def few_prices(rng):
    log = drawn(MBG, rng, over=26)
    twice = log[rng.uniform(size=len(log)) < 0.15]
    log = pd.concat([log, twice]).sort_values("date", ignore_index=True)
    return Clean(log.assign(amount=rng.choice([4.9, 9.9, 14.9, 19.9], p=[0.1, 0.2, 0.3, 0.4], size=len(log))))


def items(rng):
    """A row per item of an order, at prices of a list of fifty; one in ten items is ordered twice."""
    log = drawn(MBG, rng, customers=800, over=26)
    prices = (rng.gamma(2, 10, 50) + 1).round(2)
    log = log.loc[log.index.repeat(rng.integers(1, 9, len(log)))].assign(amount=lambda t: rng.choice(prices, len(t)))
    twice = log[rng.uniform(size=len(log)) < 0.1]
    log = pd.concat([log, twice]).sort_values(["date", "customer_id"], kind="stable", ignore_index=True)
    log["date"] += pd.to_timedelta((log["customer_id"] * 7919 + log["date"].dt.day_of_year * 613) % 86_400, unit="s")
    return Clean(log)


def no_amounts(rng):
    return Clean(drawn(PARETO, rng, over=26).drop(columns="amount"))


def numbered_from_zero(rng):
    log = drawn(PARETO, rng, customers=int(rng.choice([20, 200, 2_000])), over=26)
    return Clean(log.assign(customer_id=log["customer_id"] - 1))


def donors(rng):
    """Gifts on the days of a yearly appeal, by donors of whom many give every year."""
    donors, years = 2_000, 12
    first = rng.integers(0, years, donors)
    gives = (rng.uniform(size=(donors, years)) < rng.beta(1.2, 0.8, donors)[:, None]) & (
        np.arange(years) >= first[:, None]
    )
    gives[np.arange(donors), first] = True
    who, year = np.nonzero(gives)
    day = pd.to_datetime((2010 + year).astype(str)) + pd.to_timedelta(330 + rng.integers(0, 20, len(who)), unit="D")
    log = pd.DataFrame({"customer_id": who + 1, "date": day, "amount": rng.choice([10.0, 20, 25, 50, 100], len(who))})
    return Clean(log.sort_values("date", ignore_index=True))


KINDS: dict[str, Callable[[np.random.Generator], Clean]] = {
    make.__name__: make
    for make in (
        mbg, pareto, regular, subscribers, seasonal, growing, fading, from_the_peak, opening, weak_opening, campaigns,
        one_cohort, one_day_cohort, big_customer, returns, partial_returns, fashion, weekly, hourly, small,
        small_pareto, one_month, one_price, few_prices, items, no_amounts, numbered_from_zero, donors,
    )
}  # fmt: skip


def read(clean: Clean, **arguments):
    """Histories of a clean log."""
    amount = "amount" if "amount" in clean.log else None
    return kw.summarize(clean.log, customer="customer_id", time="date", amount=amount, **(clean.reading | arguments))
