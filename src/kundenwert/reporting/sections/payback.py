"""When it is paid back what winning a customer has cost."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from kundenwert.duration import years
from kundenwert.economics.newcomers.newcomers import LONGEST_YEARS
from kundenwert.language import mark
from kundenwert.posterior.summary import Estimate
from kundenwert.reporting.facts import times
from kundenwert.reporting.words import number_of

if TYPE_CHECKING:
    import pandas as pd

    from kundenwert.economics import NewCustomerValue
    from kundenwert.reporting.facts import Fact
    from kundenwert.reporting.findings import Findings

__all__ = ["limit", "paid_back"]


def limit(found: Findings) -> str:
    """How far paybacks are looked for, after a preposition."""
    horizon = found.asked.horizon
    return found.language.within(years(LONGEST_YEARS) if horizon.is_lifetime else horizon)


def paid_back(found: Findings, new: NewCustomerValue, average: pd.Series) -> Fact:
    """When the average customer of a row has brought what they cost; `average` is that row of the paybacks."""
    say = found.language.say
    back = Estimate(*(number_of(average, name) for name in ("median", "lower", "upper")))
    known = back if math.isfinite(back.lower) else back.mean  # from never to never is no range
    after = times(
        say(mark("Paid back after")),
        known,
        new.unit,
        say(mark("When the average new customer has brought what they cost.")),
    )
    return replace(after, endless=say(mark("not within {length}"), length=limit(found)))
