"""Who the customers are, and what happened to the rows of the log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from kundenwert.histories import CustomerHistories
from kundenwert.language import mark
from kundenwert.reporting.blocks import Facts, Section
from kundenwert.reporting.facts import PURCHASES, Fact, count, money, number, share, times
from kundenwert.reporting.periods import observed
from kundenwert.reporting.words import percent

if TYPE_CHECKING:
    from kundenwert.language import Language
    from kundenwert.reporting.findings import Findings

__all__ = ["base"]

AUDIT: Final = {
    "rows read": (mark("Rows read"), mark("All rows that were handed in.")),
    "rows kept": (mark("Rows kept"), mark("Rows that count, one for each purchase.")),
    "rows merged into a purchase of the same step": (
        mark("Rows merged into a purchase of the same step"),
        mark("Rows that belong to a purchase already counted."),
    ),
    "rows set aside as refunds": (
        mark("Rows set aside as refunds"),
        mark("Negative amounts; a refund is never a purchase."),
    ),
    "customers with a history": (
        mark("Customers with a history"),
        mark("Customers who are part of everything on this page."),
    ),
}
LEFT_OUT: Final = {
    "rows dropped": mark("Rows left out: {reason}"),
    "customers left out": mark("Customers left out: {reason}"),
}
REASONS: Final = {
    "no customer id": mark("no customer named"),
    "no readable time": mark("no readable date"),
    "no finite amount": mark("no readable amount"),
    "alike another row in id, time and amount": mark("alike another row in customer, time and amount"),
    "after until": mark("after the end of the observation"),
    "after the last complete period": mark("after the last complete period"),
    "first purchase after until": mark("first purchase after the end of the observation"),
    "first purchase after the last complete period": mark("first purchase after the last complete period"),
    "refunds only": mark("refunds only"),
    "unusable rows only": mark("unreadable rows only"),
}
REASON: Final = mark("Not part of anything on this page, for this reason.")
STEPS: Final = {
    "hour": mark("Several purchases of a customer in the same hour count once."),
    "day": mark("Several purchases of a customer on the same day count once."),
    "week": mark("Several purchases of a customer in the same week count once."),
    "": mark("Several purchases of a customer at the same time count once."),
}


def base(found: Findings) -> Section:
    """The base in numbers."""
    language, say = found.language, found.language.say
    histories = found.asked.histories
    customers, repeats = len(histories), int(histories.frequency.sum())
    returned = float((histories.frequency > 0).mean())
    dated = isinstance(histories, CustomerHistories) and histories.steps is not None
    step = STEPS[histories.steps.resolution if dated else ""]  # type: ignore[union-attr]  # by dated
    facts = [
        count(say(mark("Customers")), customers, "customers", say(mark("Everybody who has bought at least once."))),
        count(say(mark("Purchases")), customers + repeats, "purchases", say(step)),
        share(say(mark("Have come back")), returned, say(mark("Customers who have bought at least twice."))),
        number(
            say(mark("Purchases per customer")),
            1 + repeats / customers,
            say(mark("On average, the first purchase included.")),
        ),
        *_times(found),
    ]
    if found.contribution is not None:
        mean = float(found.contribution["revenue"].sum()) / (customers + repeats)
        meaning = say(mark("On average over all purchases observed."))
        facts.append(money(say(mark("Amount of a purchase")), mean, found.asked.economics.currency, meaning))
    caution = say(
        mark(
            "If the numbers of rows are not what you expect, everything below is wrong too: look here first. Customers "
            "who came before the log begins look newer than they are."
        )
    )
    return Section(
        key="base",
        title=say(mark("The customers")),
        lead=(_lead(found, customers, repeats, returned),),
        blocks=(
            Facts(of=tuple(facts)),
            Facts(title=say(mark("What became of every row")), of=_audit(found, language)),
        ),
        caution=caution,
    )


def _lead(found: Findings, customers: int, repeats: int, returned: float) -> str:
    language, histories = found.language, found.asked.histories
    purchases = language.several(*PURCHASES, customers + repeats)
    when = observed(histories, language)
    who = language.several(
        "{number} customer has made {purchases} {when}.",
        "{number} customers have made {purchases} {when}.",
        customers,
        purchases=purchases,
        when=when,
    )
    if not when:
        who = language.several(
            "{number} customer has made {purchases}.",
            "{number} customers have made {purchases}.",
            customers,
            purchases=purchases,
        )
    if customers == 1:
        return who
    back = language.say(
        mark("{share} of them have come back after their first purchase."), share=percent(returned, language)
    )
    return f"{who} {back}"


def _times(found: Findings) -> list[Fact]:
    """How long customers have been observed, and used."""
    say, histories = found.language.say, found.asked.histories
    if not isinstance(histories, CustomerHistories):
        used = int(histories.frequency.sum()) / max(int(histories.opportunities.sum()), 1)
        meaning = say(mark("Of all occasions to buy again that the customers have had."))
        return [share(say(mark("Opportunities used")), used, meaning)]
    unit, T, silence = histories.unit, np.median(histories.T), np.median(histories.T - histories.recency)
    return [
        times(
            say(mark("Observed for")),
            float(T),
            unit,
            say(mark("From the first purchase until the end; half of the customers for longer.")),
        ),
        times(
            say(mark("Silent for")),
            float(silence),
            unit,
            say(mark("Since the last purchase; half of the customers for longer.")),
        ),
    ]


def _audit(found: Findings, language: Language) -> tuple[Fact, ...]:
    say = language.say
    facts = []
    for of, entry, rows in found.asked.histories.audit.to_pandas()[["of", "entry", "count"]].itertuples(index=False):
        if f"{of} {entry}" in AUDIT:
            item, meaning = (say(text) for text in AUDIT[f"{of} {entry}"])
        else:
            kind, _, reason = f"{of} {entry}".partition(": ")
            known = LEFT_OUT.get(kind, "{reason}")
            item = say(known, reason=say(REASONS.get(reason, "{reason}"), reason=reason) if reason else kind)
            meaning = say(REASON)
        facts.append(count(item, int(rows), str(of), meaning))
    return tuple(facts)
