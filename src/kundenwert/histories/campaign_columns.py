"""Columns of a table of a campaign, and what must hold of them; every refusal names the first customer."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
import numpy as np

from kundenwert.errors import ColumnError, DataError, RowError
from kundenwert.histories.campaign_covariates import check_covariates
from kundenwert.histories.campaign_terms import same_length
from kundenwert.histories.control_labels import check_control
from kundenwert.histories.parts import LARGEST_AMOUNT
from kundenwert.histories.tables import numbers
from kundenwert.histories.validation import refuse, shown

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from kundenwert.histories.campaigns import CampaignLog
    from kundenwert.histories.control_labels import Unsaid
    from kundenwert.histories.tables import Table

    type Floats = NDArray[np.float64]
    type Integers = NDArray[np.int64]

__all__ = ["check_campaign", "offer_codes", "spend_of"]


def check_campaign(log: CampaignLog) -> None:
    """Check what must hold of every campaign, wherever it comes from."""
    ids = log.customer_id
    if len(ids) == 0:
        message = "the campaign has no customers; expected one row per customer who was contacted or held out"
        raise DataError(message)
    lengths = {name: len(getattr(log, name)) for name in ("offer", "returned", "segment", "organic")}
    lengths |= {} if log.spend is None else {"spend": len(log.spend)}
    lengths |= {} if log.campaign is None else {"campaign": len(log.campaign)}
    for name, length in lengths.items():
        if length != len(ids):
            message = f"{name} has {length} entries for {len(ids)} customers; every array needs one entry per customer"
            raise DataError(message)
    if not (log.organic.customer_id.equals(ids) and (log.covariates is None or log.covariates.index.equals(ids))):
        message = "organic and covariates must hold these customers in this order; use CampaignLog.from_pandas"
        raise DataError(message)
    if not same_length(log.window, log.organic.window):
        message = (
            f"returns were counted within {log.window!r}, but the organic return is that within "
            f"{log.organic.window!r}; make it with kundenwert.organic_return(purchases, histories, window=…) for the "
            "campaign's own window"
        )
        raise DataError(message)
    _check_positions(log)
    refuse((log.returned != 0) & (log.returned != 1), ids, {"returned": log.returned}, "0 or 1", "1 means returned")
    if log.spend is not None:
        refuse(
            ~((log.spend >= 0) & (log.spend <= LARGEST_AMOUNT)) | ((log.spend > 0) & (log.returned == 0)),
            ids,
            {"spend": log.spend, "returned": log.returned},
            f"a finite sum, 0 or more (and no more than {LARGEST_AMOUNT:g}), and 0 for who did not return",
            "sum the purchases within the window, refunds taken off, and count every buyer as returned",
        )
    if log.covariates is not None:
        check_covariates(log.covariates, ids)


def _check_positions(log: CampaignLog) -> None:
    ids, count = log.customer_id, max(1, len(log.segments))
    refuse((log.offer < 0) | (log.offer > len(log.offers)), ids, {"offer": log.offer}, "a position", "see `offers`")
    refuse((log.segment < 0) | (log.segment >= count), ids, {"segment": log.segment}, "a position", "see `segments`")
    if (log.campaign is None) != (len(log.campaigns) < 2):
        message = (
            "campaigns are told apart by the position of each row's campaign and two labels or more; got the labels "
            f"{log.campaigns!r} and {'no positions' if log.campaign is None else 'positions'}"
        )
        raise DataError(message)
    if log.campaign is not None:
        outside = (log.campaign < 0) | (log.campaign >= len(log.campaigns))
        refuse(outside, ids, {"campaign": log.campaign}, "a position", "see `campaigns`")


def offer_codes(
    table: Table, name: str, ids: pd.Index, control: str | Unsaid | None
) -> tuple[Integers, tuple[str, ...]]:
    """Codes of the offers, 0 for none, and their labels, sorted so that they do not depend on the order of the rows."""
    series = table.get_column(name)
    values: list[Any] = series.to_list()
    none = series.is_null().to_list()
    none = [null or (isinstance(value, float) and math.isnan(value)) for null, value in zip(none, values, strict=True)]
    textual = isinstance(series.dtype, (nw.String, nw.Categorical, nw.Enum))
    for position, value in enumerate(values):
        if none[position]:
            continue
        if not isinstance(value, str) or not (textual or isinstance(series.dtype, nw.Object)):
            message = (
                f"offers in column {name!r} must be labels, strings or categories, got {value!r} for customer "
                f"{shown(ids, position)} ({series.dtype}); cast the column to string, and name the value of the "
                "held-out: for 0 and 1, frame.astype({" + repr(name) + ": str}) and control='0'"
            )
            raise ColumnError(message)
        if not value.strip() and value != control:
            message = (
                f"customer {shown(ids, position)} has the offer {value!r}; write null for a customer who was held out, "
                f"or control={value!r} if all of these were, and a label for an offer"
            )
            rows = [isinstance(each, str) and not each.strip() and each != control for each in values]
            raise RowError(message, rows=rows, reason="a blank offer")
    customers = Counter(value for value, missing in zip(values, none, strict=True) if not missing)
    check_control(customers, control, name)
    labels = sorted(set(customers) - {control})
    places: dict[Any, int] = {label: 1 + position for position, label in enumerate(labels)}
    codes = [0 if missing else places.get(value, 0) for value, missing in zip(values, none, strict=True)]
    return np.array(codes, dtype=np.int64), tuple(labels)


def spend_of(table: Table, name: str, returned: Floats) -> Floats:
    """What customers spent; nothing said of those who did not return is nothing spent."""
    values = numbers(table, name)
    return np.where(np.isnan(values) & (returned == 0), 0.0, values)
