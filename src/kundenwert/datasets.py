"""Small published data."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["cdnow"]


def cdnow() -> pd.DataFrame:
    """Purchases of 2,357 customers of CDNOW, an online shop for compact discs, up to the end of June 1998.

    All of them bought there for the first time in the first quarter of 1997. This is the 1/10 systematic sample of
    that cohort which most papers on buy-till-you-die models use; the usual calibration ends on 1997-09-30, half-way.

    Returns
    -------
    pandas.DataFrame
        6,919 rows, one per purchase: ``customer_id`` (the sample's own, 1 to 2357), ``date`` (days), ``quantity``
        (number of discs) and ``amount`` (US dollars; 0 now and then). Some customers buy twice on one day.

    Notes
    -----
    The sample comes with B. G. S. Hardie and P. S. Fader's note 026, "Notes on the CDNOW Master Data Set"
    (brucehardie.com). The authors publish it for research and teaching and state no licence. It is widely
    redistributed, for example in the R package BTYD and the Python package lifetimes.

    References
    ----------
    Fader, P. S. and Hardie, B. G. S. (2001). Forecasting Repeat Sales at CDNOW: A Case Study. Interfaces 31(3),
    S94-S107.

    Examples
    --------
    >>> import kundenwert as kw
    >>> kw.datasets.cdnow().head(3)
       customer_id       date  quantity  amount
    0            1 1997-01-01         2   29.33
    1            1 1997-01-18         2   29.73
    2            1 1997-08-02         1   14.96
    """
    import pandas as pd

    with files("kundenwert").joinpath("data", "cdnow_sample.csv").open("rb") as file:
        return pd.read_csv(file, parse_dates=["date"], date_format="%Y-%m-%d")
