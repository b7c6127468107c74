"""What the firm says: margins, costs, discounting, retention rules, referral, terms per customer and over time."""

from __future__ import annotations

from kundenwert.duration import Duration
from kundenwert.economics.assumptions.discounting import Continuously, EndOfPeriod, MiddleOfPeriod, StartOfPeriod
from kundenwert.economics.assumptions.economics import Economics
from kundenwert.economics.assumptions.referral import Referral
from kundenwert.economics.assumptions.retention import (
    EveryoneFor,
    WhileActive,
    WhilePAliveAbove,
    WhileReturnProbabilityAbove,
)
from kundenwert.economics.assumptions.terms import ByChannel, Growing, KnownAmount, PerCustomer, Schedule
from kundenwert.storage.registry import Kind, register, register_kind

register(Economics, Referral, KnownAmount, PerCustomer, Growing)
register(Continuously, StartOfPeriod, MiddleOfPeriod, EndOfPeriod)
register(EveryoneFor, WhileActive, WhilePAliveAbove, WhileReturnProbabilityAbove)
register_kind(
    Kind(
        cls=Schedule,
        version=1,
        parts=lambda schedule: {"values": schedule.values, "every": schedule.every},
        made_of=lambda content: Schedule(content["values"], every=content["every"]),
        hints={"values": tuple[float, ...], "every": Duration},
    )
)
register_kind(
    Kind(
        cls=ByChannel,
        version=1,
        parts=lambda costs: {"channels": tuple(costs), "costs": tuple(costs.values())},
        made_of=lambda content: ByChannel(dict(zip(content["channels"], content["costs"], strict=True))),
        hints={"channels": tuple[str, ...], "costs": tuple[float, ...]},
    )
)
