"""What stands above the parts of the page, and below them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

import kundenwert as kw
from kundenwert.economics.base.groups import EVERYBODY
from kundenwert.posterior import SpendPosterior
from kundenwert.reporting.facts import Fact, count, money, share
from kundenwert.reporting.sections.base import period
from kundenwert.reporting.words import ahead, in_percent, number_of, row_of

if TYPE_CHECKING:
    from kundenwert.reporting.findings import Findings

__all__ = ["footer", "key_figures", "subtitle"]


def key_figures(found: Findings) -> tuple[Fact, ...]:
    """What to see first."""
    currency, equity = found.asked.economics.currency, found.equity
    figures = [
        count("Customers", len(found.expected), "customers", "who have bought at least once"),
        money("Expected value", equity.total, currency, f"{ahead(found.asked.horizon)}, after costs"),
    ]
    if found.contribution is not None:
        brought = number_of(row_of(equity.table, EVERYBODY), "contribution")
        figures.append(money("Brought so far", brought, currency, "after costs"))
    held = equity.concentration["share"]
    if held.notna().all():
        top = held.index.to_numpy(dtype=np.float64)[-1]
        best = f"of the value is held by the best {in_percent(top)}"
        figures.append(share("Concentration", float(held.iloc[-1]), best))
    if found.warnings is not None:
        marked = int(found.warnings["warn"].sum())
        figures.append(count("To act on now", marked, "customers", "whose silence is unusual"))
    return tuple(figures)


def subtitle(found: Findings) -> str:
    """What the page is about, in a line."""
    asked = found.asked
    when = period(found)
    parts = [
        f"{len(asked.histories):,} customers",
        f"observed {when}" if when else "",
        f"values {ahead(asked.horizon)}",
        f"amounts in {asked.economics.currency}" if asked.economics.currency else "",
    ]
    return " · ".join(part for part in parts if part)


def footer(found: Findings) -> str:
    """How the page was made."""
    asked = found.asked
    spend = type(asked.spend.model).__name__ if isinstance(asked.spend, SpendPosterior) else repr(asked.spend)
    return (
        f"Made with kundenwert {kw.__version__} from {type(asked.purchases.model).__name__} and {spend}, "
        f"{asked.futures:,} simulated futures of each distinct customer, seed {asked.seed}."
    )
