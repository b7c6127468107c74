"""When not to trust the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kundenwert.reporting.blocks import Notes, Section
from kundenwert.reporting.words import percent

if TYPE_CHECKING:
    from kundenwert.reporting.findings import Findings

__all__ = ["limits"]


def limits(found: Findings) -> Section:
    """What is not in the numbers."""
    held, linked = found.heldout, found.dependence
    notes = []
    if held is not None and not held.expected.lower <= held.purchases <= held.expected.upper:
        off = held.expected.mean / max(held.purchases, 1) - 1
        notes.append(
            f"In the hold-out the model expected {percent(abs(off))} too {'few' if off < 0 else 'many'} purchases, "
            "and its "
            "interval did not reach the truth. Take values on this page as off by as much."
        )
    if linked is not None and linked.matters:
        often = "more" if linked.correlation.mean > 0 else "less"
        notes.append(
            f"Customers who buy more often spend {often} per purchase. Values on this page take no notice; those of "
            f"customers who have bought once are too {'high' if often == 'more' else 'low'}."
        )
    if found.asked.horizon.is_lifetime:
        notes.append(
            "Values are for life. They rest on decades that nobody has observed; prefer a horizon that you can live to "
            "check, such as three years."
        )
    notes += [
        (
            "There is no season, no trend and no campaign in the models. A fit up to September knows nothing of "
            "Christmas, "
            "and what marketing did during the observation is taken to go on."
        ),
        "Ranges take the model for granted. If it is wrong, the truth lies outside more often than they say.",
        "Leaving is for ever in most models: a customer who pauses for long looks gone, and is underrated.",
        "One fit describes one population. Wholesale and private customers belong on two pages.",
        (
            "Whether somebody is still a customer cannot be seen. Phases and warnings go by silence, and a silent "
            "customer "
            "may be a loyal one with a slow rhythm."
        ),
        (
            "Values say what customers bring if nobody does anything new. They do not say what an offer would "
            "change: only a "
            "group that gets none can tell."
        ),
    ]
    return Section(
        key="limits",
        title="When not to trust this page",
        lead=("Numbers with a range look like facts. Here is where they are not.",),
        blocks=(Notes(of=tuple(notes)),),
    )
