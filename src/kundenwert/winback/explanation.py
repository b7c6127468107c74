"""A plan's decision on one customer, in plain words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

__all__ = ["explained"]

EQUAL: Final = 1e-9  # what a customer brings per unit is the same as what another does


def explained(
    customer: object,
    decision: Mapping[Any, Any],
    offers: pd.DataFrame,
    *,
    window: str,
    currency: str,
    shadow_price: float,
    interval: float,
    prior_only: bool,
) -> str:
    """What is expected of a customer without and with each offer, and why the plan decides as it does.

    Parameters
    ----------
    customer
        The id.
    decision
        The row of the plan's table.
    offers
        The rows of the plan's offers for this customer, indexed by label; empty if no offer may be made.
    """
    if offers.empty:
        return f"Customer {customer}: no offer may be made to this customer, so nothing is planned."
    first = offers.iloc[0]
    ends = (_share(first[f"p_return_without_{end}"]) for end in ("lower", "upper"))
    without = (
        f"Customer {customer}: without an offer, this customer returns within {window} with probability "
        f"{_share(first['p_return_without'])} ({interval:.0%} interval {' to '.join(ends)})."
    )
    sentences = [without]
    label = decision["offer"]
    shown = offers.loc[[label]] if isinstance(label, str) else offers.nlargest(1, "mean")
    for name, row in shown.iterrows():
        sentences.append(_on_offer(str(name), row, currency, interval))
    best = shown.iloc[0]
    sentences.append(_why(decision, str(shown.index[0]), best, _short(offers, currency, shadow_price)))
    if prior_only:
        sentences.append("No campaign was seen yet: the effect of the offer is an assumption, not a measurement.")
    return " ".join(sentences)


def _on_offer(name: str, row: pd.Series, currency: str, interval: float) -> str:
    change = row["p_return"] - row["p_return_without"]
    does = "raises" if change >= 0 else "lowers"
    text = (
        f"The offer '{name}' {does} that to {_share(row['p_return'])}. That change is worth "
        f"{_money(row['value_of_returns'], currency)}"
    )
    costs = [f"{_money(row['contact_cost'], currency)} for the contact"]
    if row["redemption"] > 0:
        redemption, subsidy = (_money(row[part], currency) for part in ("redemption", "subsidy"))
        costs.append(f"{redemption} for redemption, of which {subsidy} in case of a return that would have come anyway")
    return (
        f"{text}; it costs {' and '.join(costs)}. What is left is {_money(row['mean'], currency)} ({interval:.0%} "
        f"interval {_money(row['lower'], currency)} to {_money(row['upper'], currency)}), positive with probability "
        f"{_share(row['p_pays'])}."
    )


def _why(decided: Mapping[Any, Any], name: str, row: pd.Series, short: str) -> str:
    match decided["decision"]:
        case "contact":
            return f"The plan sends '{name}'."
        case "hold out":
            return (
                "The customer was drawn into the hold-out group, by chance alone, so that the effect can be measured: "
                "nothing is sent."
            )
        case "wait":
            days = decided["best_wait_days"]
            return f"Waiting for {days:.0f} days is worth more than an offer now: nothing is sent today."
        case _ if row["p_return"] < row["p_return_without"]:
            return "On average the offer drives this customer away: nothing is sent."
        case _ if row["mean"] <= 0:
            return "No offer is expected to pay: nothing is sent."
        case _:
            return f"{short}: nothing is sent."


def _short(offers: pd.DataFrame, currency: str, shadow_price: float) -> str:
    """Why the budget does not reach to the customer."""
    costs = offers["expected_spend"]
    each = float((offers["mean"] / costs.where(costs > 0)).max())
    brings = f"It would pay, and brings {_money(each, currency)} per unit spent"
    if each >= shadow_price * (1 - EQUAL):
        return f"{brings}, as the last who are contacted do, but the budget is spent. Chance decided between them"
    return f"{brings}, but the budget goes to those who bring more"


def _share(value: float) -> str:
    percent = 100 * value
    return f"{percent:.0f} %" if percent >= 9.5 else f"{percent:.1f} %" if percent >= 0.05 else "almost 0 %"


def _money(value: float, currency: str) -> str:
    amount = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.2f}"
    amount = "0.00" if amount == "-0.00" else amount
    return f"{amount} {currency}" if currency else amount
