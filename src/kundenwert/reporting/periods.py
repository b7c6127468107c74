"""Steps of a log as days that a reader knows."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from kundenwert.histories import CustomerHistories
from kundenwert.language import mark
from kundenwert.transactions.times import step_label

if TYPE_CHECKING:
    from kundenwert.duration import Resolution
    from kundenwert.histories import Histories
    from kundenwert.language import Language

__all__ = ["observed"]


def observed(histories: Histories, language: Language) -> str:
    """The time of observation, as far as it is known: from … to …."""
    if not isinstance(histories, CustomerHistories) or histories.steps is None or not len(histories):
        return ""
    steps = histories.steps
    first, last = (
        _shown(step, steps.resolution, language) for step in (int(steps.first.min()), int(steps.until.max()))
    )
    return language.say(mark("from {first} to {last}"), first=first, last=last)


def _shown(step: int, resolution: Resolution, language: Language) -> str:
    moment = datetime.fromisoformat(step_label(step, resolution))
    match resolution:
        case "hour":
            return language.time(moment)
        case "day":
            return language.date(moment)
        case "week":
            return language.say(mark("the week of {day}"), day=language.date(moment))
