"""When not to trust the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kundenwert.language import mark
from kundenwert.reporting.blocks import Notes, Section
from kundenwert.reporting.remarks import FINDINGS
from kundenwert.reporting.words import percent

if TYPE_CHECKING:
    from kundenwert.reporting.findings import Findings
    from kundenwert.reporting.heldout import HeldOut

__all__ = ["limits"]

ALWAYS: Final = (
    mark(
        "There is no season, no trend and no campaign in the models. A fit up to September knows nothing of "
        "Christmas, and what marketing did during the observation is taken to go on."
    ),
    mark("Ranges take the model for granted. If it is wrong, the truth lies outside more often than they say."),
    mark("Leaving is for ever in most models: a customer who pauses for long looks gone, and is underrated."),
    mark("One fit describes one population. Wholesale and private customers belong on two pages."),
    mark(
        "Whether somebody is still a customer cannot be seen. Phases and warnings go by silence, and a silent customer "
        "may be a loyal one with a slow rhythm."
    ),
    mark(
        "Values say what customers bring if nobody does anything new. They do not say what an offer would change: only "
        "a group that gets none can tell."
    ),
)


def limits(found: Findings) -> Section:
    """What is not in the numbers."""
    say = found.language.say
    notes = [*_of_this_page(found), *(say(note) for note in ALWAYS)]
    return Section(
        key="limits",
        title=say(mark("When not to trust this page")),
        lead=(say(mark("Numbers with a range look like facts. Here is where they are not.")),),
        blocks=(Notes(of=tuple(notes)),),
    )


def _of_this_page(found: Findings) -> list[str]:
    language, say = found.language, found.language.say
    held, linked = found.heldout, found.dependence
    notes = []
    if held is not None and held.ends_early is not None:
        notes.append(say(FINDINGS["LogEndsEarlyWarning"]))
        held = None  # what it shows is the end of the log
    if held is not None and not held.expected.lower <= held.purchases <= held.expected.upper:
        too_few = held.expected.mean < held.purchases
        text = (
            mark(
                "In the hold-out the model expected {share} too few purchases, farther off than chance allows. Take "
                "values on this page as too low by as much."
            )
            if too_few
            else mark(
                "In the hold-out the model expected {share} too many purchases, farther off than chance allows. Take "
                "values on this page as too high by as much."
            )
        )
        none = mark(
            "In the hold-out the model expected purchases, and there were none: values on this page are too high."
        )
        off = abs(held.expected.mean / held.purchases - 1) if held.purchases else 0.0
        notes.append(say(text, share=percent(off, language)) if held.purchases else say(none))
    if held is not None and held.purchases and not _as_expected(held):
        text = (
            mark(
                "In the hold-out {share} of the customers bought, where {lower} to {upper} had been expected: chances "
                "of a return on this page are too low."
            )
            if held.returned > held.expected_to_return.mean
            else mark(
                "In the hold-out {share} of the customers bought, where {lower} to {upper} had been expected: "
                "chances of a return on this page are too high."
            )
        )
        shares = (held.returned, held.expected_to_return.lower, held.expected_to_return.upper)
        said = (percent(value, language) for value in shares)
        notes.append(say(text, **dict(zip(("share", "lower", "upper"), said, strict=True))))
    if linked is not None and linked.matters:
        notes.append(
            say(
                mark(
                    "Customers who buy more often spend more per purchase. Values on this page take no notice; those "
                    "of customers who have bought once are too high."
                )
                if linked.correlation.mean > 0
                else mark(
                    "Customers who buy more often spend less per purchase. Values on this page take no notice; those "
                    "of customers who have bought once are too low."
                )
            )
        )
    if found.asked.horizon.is_lifetime:
        notes.append(
            say(
                mark(
                    "Values are for life. They rest on decades that nobody has observed; prefer a horizon that you can "
                    "live to check, such as three years."
                )
            )
        )
    return notes


def _as_expected(held: HeldOut) -> bool:
    """Whether as many customers bought as the range foresees."""
    return held.expected_to_return.lower <= held.returned <= held.expected_to_return.upper
