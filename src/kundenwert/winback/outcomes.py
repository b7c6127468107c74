"""What customers of a plan did: read from a table, as a campaign log, and several campaigns as one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from kundenwert.errors import RowError, SpecificationError
from kundenwert.histories import CampaignLog, OrganicReturn
from kundenwert.histories.campaign_terms import same_length
from kundenwert.histories.identity import places
from kundenwert.histories.tables import customer_table, numbers
from kundenwert.histories.validation import shown, strangers
from kundenwert.winback.organic import organic_return

if TYPE_CHECKING:
    from collections.abc import Sequence

    from narwhals.stable.v2.typing import IntoDataFrame

    from kundenwert.winback.plan import WinbackPlan

__all__ = ["log_of", "outcomes_of", "pooled"]


def outcomes_of(outcomes: IntoDataFrame, chosen: pd.DataFrame, returned: str, spend: str | None) -> pd.DataFrame:
    """Outcomes of all who were contacted or held out where an offer was intended, in the order of the plan."""
    table, ids = customer_table(outcomes, "customer_id", [returned, *([] if spend is None else [spend])])
    if not ids.is_unique:
        message = f"outcomes has two rows for customer {shown(ids[ids.duplicated()], 0)}; expected one per customer"
        raise RowError(message)
    place = places(ids, chosen.index)
    if (place < 0).any():
        missing = chosen.index[place < 0]
        first = chosen["decision"].iloc[int(np.argmax(place < 0))]
        what = "contacted" if first == "contact" else "held out"
        message = (
            f"outcomes has no row for customer {shown(missing, 0)} ({len(missing):,} such customers), who was {what}; "
            "expected one for everybody who was contacted or held out, whether they returned or not"
            f"{strangers(ids, chosen.index, 'outcomes')}"
        )
        raise RowError(message)
    back = table.get_column(returned)
    values = back.to_numpy().astype(np.float64) if str(back.dtype) == "Boolean" else numbers(table, returned)
    frame = pd.DataFrame(
        {
            "intended": chosen["intended_offer"].to_list(),
            "contacted": (chosen["decision"] == "contact").to_numpy(),
            "returned": values[place],
        },
        index=chosen.index,
    )
    wrong = ~frame["returned"].isin([0.0, 1.0])
    if wrong.any():
        first = int(np.argmax(wrong))
        message = (
            f"customer {shown(chosen.index, first)} has returned = {frame['returned'].iloc[first]}; expected True or 1 "
            "if the customer bought within the window, else False or 0"
        )
        raise RowError(message)
    if spend is not None:
        amounts = numbers(table, spend)[place]
        amounts = np.where(np.isnan(amounts) & (frame["returned"] == 0), 0.0, amounts)
        if not (np.isfinite(amounts) & (amounts >= 0)).all():
            first = int(np.argmin(np.isfinite(amounts) & (amounts >= 0)))
            message = (
                f"customer {shown(chosen.index, first)} spent {amounts[first]}; expected an amount of money, 0 or more"
            )
            raise RowError(message)
        frame["spend"] = amounts
    return frame


def log_of(plan: WinbackPlan, frame: pd.DataFrame) -> CampaignLog:
    """The campaign as a log: who was contacted, and who was held out where an offer was intended."""
    setting = plan.setting
    positions = plan.table.index.get_indexer(frame.index)
    organic = organic_return(
        setting.purchases, setting.histories.take(positions), window=plan.window, draws=setting.draws
    )
    columns: dict[str, Any] = {
        "customer_id": frame.index,
        "offer": pd.array(frame["intended"].where(frame["contacted"], None).to_list(), dtype="string"),
        "returned": frame["returned"].to_numpy(),
    }
    if "spend" in frame:
        columns["spend"] = frame["spend"].where(frame["returned"] == 1, 0.0).to_numpy()
    segment, covariates = setting.described(frame.index)
    if segment is not None:
        columns[str(setting.segment)] = segment.to_list()
    if covariates is not None:
        columns |= {str(name): values.to_numpy() for name, values in covariates.items()}
    return CampaignLog.from_pandas(
        pd.DataFrame(columns),
        organic=organic,
        window=plan.window,
        spend="spend" if "spend" in columns else None,
        segment=setting.segment,
        covariates=setting.covariates,
        control=None,  # every offer of a plan is one
    )


def pooled(logs: Sequence[CampaignLog]) -> CampaignLog:
    """Campaigns, one after the other, as one log that tells them apart; a customer of several is a customer in each.

    They are told apart because each has a level of returns of its own, and a share of held-out of its own: taken for
    one, a good season in a campaign with few held-out would pass for an effect.

    Raises
    ------
    SpecificationError
        If they were watched for different times, or differ in what is known of customers.
    """
    first = logs[0]
    for log in logs[1:]:
        same = (
            same_length(log.window, first.window)
            and log.organic.states == first.organic.states
            and bool(log.segments) == bool(first.segments)
            and (log.covariates is None) == (first.covariates is None)
        )
        if not same or (log.covariates is not None and list(log.covariates) != list(first.covariates)):  # type: ignore[arg-type]
            message = (
                "campaigns can be learned from together if they have the same window, states, covariates, and all or "
                f"none of them segments; got {first!r} and {log!r}"
            )
            raise SpecificationError(message)
    ids = pd.Index(
        [f"{number}:{each}" for number, log in enumerate(logs) for each in log.customer_id], name="customer_id"
    )
    draws = min((log.organic.draws for log in logs if log.organic.draws > 1), default=1)
    offset, index, probability, returns = 0, [], [], []
    for log in logs:
        kept = np.arange(draws) * log.organic.draws // draws
        index.append(log.organic.index + offset)
        probability.append(log.organic.probability[..., kept])
        returns.append(log.organic.returns[..., kept])
        offset += log.organic.probability.shape[1]
    sources = {log.organic.source for log in logs}
    organic = OrganicReturn(
        customer_id=ids,
        window=first.window,
        states=first.organic.states,
        index=np.concatenate(index),
        probability=np.concatenate(probability, axis=1),
        returns=np.concatenate(returns, axis=1),
        source=sources.pop() if len(sources) == 1 else None,
    )
    frame = pd.concat([log.to_pandas() for log in logs], ignore_index=True)
    frame["customer_id"] = ids
    frame["campaign"] = [each for number, log in enumerate(logs) for each in _campaigns(log, number + 1)]
    frame["offer"] = pd.array([each if isinstance(each, str) else None for each in frame["offer"]], dtype="string")
    known = all(log.spend is not None for log in logs)
    return CampaignLog.from_pandas(
        frame,
        organic=organic,
        window=first.window,
        spend="spend" if known else None,
        segment="segment" if first.segments else None,
        campaign="campaign",
        covariates=() if first.covariates is None else [str(name) for name in first.covariates],
        control=None,
    )


def _campaigns(log: CampaignLog, number: int) -> list[str]:
    """Labels of the campaigns of the rows: the number, and what tells them apart within the log."""
    if log.campaign is None:
        return [f"{number}"] * len(log)
    return [f"{number}: {log.campaigns[k]}" for k in log.campaign]
