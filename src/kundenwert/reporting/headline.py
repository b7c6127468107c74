"""What stands above the parts of the page, and below them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

import kundenwert as kw
from kundenwert.economics.base.groups import EVERYBODY
from kundenwert.language import mark
from kundenwert.posterior import SpendPosterior
from kundenwert.reporting.facts import Fact, count, money, share
from kundenwert.reporting.periods import observed
from kundenwert.reporting.words import model_name, number_of, row_of

if TYPE_CHECKING:
    from kundenwert.reporting.findings import Findings

__all__ = ["footer", "key_figures", "subtitle"]


def key_figures(found: Findings) -> tuple[Fact, ...]:
    """What to see first."""
    language, say = found.language, found.language.say
    currency, equity = found.asked.economics.currency, found.equity
    figures = [
        count(say(mark("Customers")), len(found.expected), "customers", say(mark("who have bought at least once"))),
        money(
            say(mark("Expected value")),
            equity.total,
            currency,
            say(mark("{when}, after costs"), when=language.next(found.asked.horizon)),
        ),
    ]
    if found.contribution is not None:
        brought = number_of(row_of(equity.table, EVERYBODY), "contribution")
        figures.append(money(say(mark("Brought so far")), brought, currency, say(mark("after costs"))))
    held = equity.concentration["share"]
    if held.notna().all():
        top = language.percent(held.index.to_numpy(dtype=np.float64)[-1])
        best = say(mark("of the value is held by the best {top}"), top=top)
        figures.append(share(say(mark("Concentration")), float(held.iloc[-1]), best))
    if found.warnings is not None:
        marked = int(found.warnings["warn"].sum())
        figures.append(count(say(mark("To act on now")), marked, "customers", say(mark("whose silence is unusual"))))
    return tuple(figures)


def subtitle(found: Findings) -> str:
    """What the page is about, in a line."""
    language, say, asked = found.language, found.language.say, found.asked
    when, currency = observed(asked.histories, language), asked.economics.currency
    parts = [
        language.several("{number} customer", "{number} customers", len(asked.histories)),
        say(mark("observed {when}"), when=when) if when else "",
        say(mark("values {when}"), when=language.next(asked.horizon)),
        say(mark("amounts in {currency}"), currency=currency) if currency else "",
    ]
    return " · ".join(part for part in parts if part)


def footer(found: Findings) -> str:
    """How the page was made."""
    language, say, asked = found.language, found.language.say, found.asked
    amounts = (
        say(mark("the {model} model of amounts"), model=model_name(asked.spend.model))
        if isinstance(asked.spend, SpendPosterior)
        else say(mark("amounts that are given"))
    )
    return say(
        mark(
            "Made with kundenwert {version} from the {model} model of purchases and {amounts}; {futures} simulated "
            "futures of each distinct customer, seed {seed}."
        ),
        version=kw.__version__,
        model=model_name(asked.purchases.model),
        amounts=amounts,
        futures=language.decimal(asked.futures, 0),
        seed=str(asked.seed),
    )
