"""What histories a log should give, row by row in plain Python: it shares no code with the library."""

import datetime as dt
import math
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

EPOCH = dt.date(1970, 1, 1)
REASONS = ("no customer id", "no readable time", "no finite amount", "an amount beyond 1e+280")


@dataclass(frozen=True)
class Row:
    """One row: an id or None, the wall-clock time that counts or None, and the amount or None."""

    customer: object
    moment: dt.datetime | None
    amount: Decimal | float | None


@dataclass(frozen=True)
class Asked:
    """The arguments that change what is counted."""

    resolution: str
    until: dt.datetime | dt.date | None
    amounts: bool
    net_refunds: bool
    drop: bool


@dataclass
class Answer:
    """Per customer, in order of first appearance; and the audit."""

    customers: list[Any] = field(default_factory=list)
    frequency: list[Any] = field(default_factory=list)
    recency: list[Any] = field(default_factory=list)
    age: list[Any] = field(default_factory=list)
    repeat_amounts: list[Any] = field(default_factory=list)
    first_amount: list[Any] = field(default_factory=list)
    audit: dict[str, Any] = field(default_factory=dict)
    left_out: dict[str, Any] = field(default_factory=dict)


def step(moment, resolution):
    days = (moment.date() - EPOCH).days
    return {"day": days, "week": (days + 3) // 7, "hour": 24 * days + moment.hour}[resolution]


def fault(row, asked):
    """Why a row cannot be used; None if it can."""
    if row.customer is None:
        return REASONS[0]
    if row.moment is None:
        return REASONS[1]
    if asked.amounts:
        if row.amount is None or not math.isfinite(row.amount):
            return REASONS[2]
        if abs(row.amount) > 1e280:
            return REASONS[3]
    return None


def answer(rows, asked):
    """The histories, or the first row at fault (an integer), or "nothing" if no purchase is left."""
    faults = [fault(row, asked) for row in rows]
    if any(faults) and not asked.drop:
        return min((REASONS.index(reason), place) for place, reason in enumerate(faults) if reason)[1]
    if all(faults):
        return "nothing"
    usable = [row for row, reason in zip(rows, faults, strict=True) if reason is None]
    steps = [step(row.moment, asked.resolution) for row in usable]
    last = _last(asked, steps)

    occasions = defaultdict(list)  # customer -> {step: amounts}
    refunds, late, late_buyers = [], 0, set()
    for row, when in zip(usable, steps, strict=True):
        refund = asked.amounts and row.amount < 0
        if when > last:
            late += 1
            late_buyers |= set() if refund else {row.customer}
        elif refund:
            refunds.append((row.customer, when, Decimal(-row.amount)))
        else:
            occasions[row.customer].append((when, Decimal(row.amount) if asked.amounts else Decimal(0)))
    if not occasions:
        return "nothing"
    bought = {who: _merged(purchases) for who, purchases in occasions.items()}
    netted, excess = _net(bought, refunds) if asked.net_refunds and asked.amounts else (0, Decimal(0))

    made = Answer()
    for who in dict.fromkeys(row.customer for row in rows if row.customer is not None):
        if who in bought:
            when, amounts = list(bought[who]), list(bought[who].values())
            made.customers.append(who)
            made.frequency.append(len(when) - 1)
            made.recency.append(when[-1] - when[0])
            made.age.append(last - when[0])
            made.repeat_amounts.append(sum(amounts[1:], Decimal(0)))
            made.first_amount.append(amounts[0])
    kept = sum(map(len, bought.values()))
    dropped = Counter(reason for reason in faults if reason) + Counter({"after until": late})
    made.audit = {
        "rows_read": len(rows),
        "kept": kept,
        "merged": sum(map(len, occasions.values())) - kept,
        "refunds": len(refunds),
        "refunds_netted": netted,
        "refund_excess": float(excess),
        "dropped": dict(dropped),
        "customers": len(bought),
    }
    everybody = {row.customer for row in rows} - {None}
    refunded = {row.customer for row in usable if asked.amounts and row.amount < 0}
    rest = everybody - set(bought)
    made.left_out = {
        reason: len(group)
        for reason, group in (
            ("first purchase after until", rest & late_buyers),
            ("refunds only", (rest - late_buyers) & refunded),
            ("unusable rows only", rest - late_buyers - refunded),
        )
        if group
    }
    return made


def _last(asked, steps):
    """The last step: that of until, all of the day if it is a date."""
    if asked.until is None:
        return max(steps)
    day = not isinstance(asked.until, dt.datetime)
    return step(dt.datetime.combine(asked.until, dt.time(23, 59)) if day else asked.until, asked.resolution)


def _merged(purchases):
    by_step: dict[int, Decimal] = {}
    for when, amount in sorted(purchases, key=lambda purchase: purchase[0]):
        by_step[when] = by_step.get(when, Decimal(0)) + amount
    return by_step


def _net(bought, refunds):
    """Take refunds off the latest purchase at or before them; returns how many, and the money beyond."""
    owed: dict[tuple[object, int], Decimal] = defaultdict(Decimal)
    netted = 0
    for who, when, money in refunds:
        before = [then for then in bought.get(who, ()) if then <= when]
        if before:
            netted += 1
            owed[who, before[-1]] += money
    excess = Decimal(0)
    for (who, then), money in owed.items():
        excess += max(money - bought[who][then], Decimal(0))
        bought[who][then] = max(bought[who][then] - money, Decimal(0))
    return netted, excess
