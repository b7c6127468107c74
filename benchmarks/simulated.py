"""Histories of a simulated population, from the log that `simulate_log.py` wrote."""

from __future__ import annotations

import numpy as np
import pandas as pd
from measure import timed

import kundenwert as kw

__all__ = ["histories_of"]

DAY_ZERO = pd.Timestamp("2020-01-01")


def histories_of(path: str, observed: int) -> tuple[kw.CustomerHistories, dict[str, float], int]:
    """Histories of a simulated log, how long they took, and rows of the log, which is gone afterwards."""
    with np.load(path) as saved:
        date = DAY_ZERO + pd.to_timedelta(saved["day"], unit="D")
        log = pd.DataFrame({"customer_id": saved["customer"], "date": date, "amount": saved["amount"]})
    until = (DAY_ZERO + pd.Timedelta(days=observed)).date()
    histories, times = timed(
        lambda: kw.summarize(log, customer="customer_id", time="date", amount="amount", until=until)
    )
    return histories, times, len(log)
