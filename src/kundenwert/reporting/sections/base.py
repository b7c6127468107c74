"""Who the customers are, what happened to the rows of the log, and what was assumed about money."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import numpy as np

from kundenwert.histories import CustomerHistories
from kundenwert.reporting.blocks import Block, Facts, Section
from kundenwert.reporting.facts import Fact, Measure, count, money, share
from kundenwert.reporting.words import in_percent, in_words, percent, term, times
from kundenwert.transactions.times import step_label

if TYPE_CHECKING:
    from kundenwert.duration import Resolution
    from kundenwert.reporting.findings import Findings

__all__ = ["assumptions", "base", "period"]

AUDIT: Final = {
    "rows read": "All rows that were handed in.",
    "rows kept": "Rows that count, one for each purchase.",
    "rows merged into a purchase of the same step": "Rows that belong to a purchase already counted.",
    "rows set aside as refunds": "Negative amounts; a refund is never a purchase.",
    "customers with a history": "Customers who are part of everything on this page.",
}
REASON: Final = "Left out of everything on this page, for this reason."


def period(found: Findings) -> str:
    """The time of observation, as far as it is known."""
    histories = found.asked.histories
    if not isinstance(histories, CustomerHistories) or histories.steps is None or not len(histories):
        return ""
    first, last = int(histories.steps.first.min()), int(histories.steps.until.max())
    label = _week if histories.steps.resolution == "week" else step_label
    return f"{label(first, histories.steps.resolution)} to {label(last, histories.steps.resolution)}"


def base(found: Findings) -> Section:
    """The base in numbers."""
    histories = found.asked.histories
    customers, repeats = len(histories), int(histories.frequency.sum())
    returned = float((histories.frequency > 0).mean())
    step = "the same step of time"
    if isinstance(histories, CustomerHistories) and histories.steps is not None:
        step = f"the same {histories.steps.resolution}"
    facts = [
        count("Customers", customers, "customers", "Everybody who has bought at least once."),
        count("Purchases", customers + repeats, "purchases", f"Several purchases of a customer in {step} count once."),
        share("Have come back", returned, "Customers who have bought at least twice."),
        Fact(
            item="Purchases per customer",
            value=1 + repeats / customers,
            unit="purchases",
            meaning="On average, the first purchase included.",
        ),
    ]
    if isinstance(histories, CustomerHistories):
        unit, T, silence = histories.unit, np.median(histories.T), np.median(histories.T - histories.recency)
        facts += [
            times(
                "Observed for",
                float(T),
                unit,
                "From the first purchase until the end; half of the customers for longer.",
            ),
            times("Silent for", float(silence), unit, "Since the last purchase; half of the customers for longer."),
        ]
    else:
        used = repeats / max(int(histories.opportunities.sum()), 1)
        facts.append(share("Opportunities used", used, "Of all occasions to buy again that the customers have had."))
    if found.contribution is not None:
        mean = float(found.contribution["revenue"].sum()) / (customers + repeats)
        currency = found.asked.economics.currency
        facts.append(money("Amount of a purchase", mean, currency, "On average over all purchases observed."))
    when = period(found)
    lead = (
        f"{customers:,} customers have made {customers + repeats:,} purchases"
        + (f" from {when}." if when else ".")
        + f" {percent(returned)} of them have come back after their first purchase."
    )
    blocks: list[Block] = [Facts(of=tuple(facts)), Facts(title="What became of every row", of=_audit(found))]
    caution = (
        "If the numbers of rows are not what you expect, everything below is wrong too: look here first. Customers "
        "who came before the log begins look newer than they are."
    )
    return Section(key="base", title="The customers", lead=(lead,), blocks=tuple(blocks), caution=caution)


def _audit(found: Findings) -> tuple[Fact, ...]:
    audit = found.asked.histories.audit
    entries = [
        (f"{of} {entry}", int(number)) for of, entry, number in audit.to_pandas().itertuples(index=False, name=None)
    ]
    return tuple(
        count(f"{entry[0].upper()}{entry[1:]}", number, entry.partition(" ")[0], AUDIT.get(entry, REASON))
        for entry, number in entries
    )


def _week(step: int, resolution: Resolution) -> str:
    return f"the week of {step_label(step, resolution)}"


def assumptions(found: Findings) -> Section:
    """What was assumed about money."""
    asked = found.asked
    economics, currency = asked.economics, asked.economics.currency
    length = "for life" if asked.horizon.is_lifetime else in_words(asked.horizon)
    facts = [
        Fact(item="How far ahead", text=length, meaning="Purchases after that count for nothing here."),
        term("Margin", economics.margin, "share", Measure.SHARE, "What is left of an amount when the goods are paid."),
        term(
            "Discount rate",
            economics.annual_discount_rate,
            "share",
            Measure.SHARE,
            "What money would earn in a year elsewhere; the later it comes, the less it counts.",
        ),
    ]
    costs = (
        ("Cost of an order", economics.order_cost, "Paid for each purchase, whatever its amount."),
        ("Cost of serving a customer", economics.annual_retention_cost, "A year, whether they buy or not."),
    )
    facts += [term(item, cost, currency, Measure.MONEY, meaning) for item, cost, meaning in costs if cost != 0]
    if economics.retention_rule is not None:
        facts.append(Fact(item="Whom the firm serves", text=repr(economics.retention_rule), meaning="By this rule."))
    meaning = "Spent to win a customer, before the first purchase."
    if isinstance(economics.acquisition_cost, Mapping):
        facts += [
            money(f"Cost of winning a customer, {channel}", cost, currency, meaning)
            for channel, cost in economics.acquisition_cost.items()
        ]
    elif economics.acquisition_cost != 0:
        facts.append(term("Cost of winning a customer", economics.acquisition_cost, currency, Measure.MONEY, meaning))
    if economics.referral is not None:
        facts += [
            Fact(
                item="New customers brought by a purchase",
                value=float(economics.referral.per_purchase),
                unit="customers",
                meaning="On average; they would not have come otherwise.",
            ),
            money("Value of such a customer", float(economics.referral.value), currency, "When they come."),
        ]
    lead = (
        (
            "All values are net present values: what customers are expected to bring, less what they cost, in money of "
            f"today. Ranges are {in_percent(asked.interval)} intervals: they say how well an average is known, and "
            "not how "
            "far a single customer may end up from it."
        ),
    )
    caution = "Another margin or discount rate moves every value on this page, usually by more than its interval."
    return Section(
        key="assumptions",
        title="What was assumed",
        lead=lead,
        blocks=(Facts(of=tuple(facts)),),
        caution=caution,
    )
