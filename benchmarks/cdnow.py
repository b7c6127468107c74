"""Full CDNOW: 23,570 customers, from the file that lifetimes ships."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pandas as pd

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["MEAN_AMOUNT", "RATE", "UNTIL", "WEEKS_AHEAD", "read"]

UNTIL: Final = "1997-09-30"
WEEKS_AHEAD: Final = 39
MEAN_AMOUNT: Final = 35.0  # of a purchase, taken as known where values are compared
RATE: Final = 0.10  # a year


def read(path: Path, every: int = 1) -> pd.DataFrame:
    """Purchases of one customer in `every`: customer_id, date, quantity, amount."""
    names = ["customer_id", "date", "quantity", "amount"]
    log = pd.read_csv(path, sep=r"\s+", skiprows=1, header=None, names=names, dtype={"date": str})
    log["date"] = pd.to_datetime(log["date"], format="%Y%m%d")
    return log[log["customer_id"] % every == 0].reset_index(drop=True)
