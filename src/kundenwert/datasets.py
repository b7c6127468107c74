"""Small published data, and simulated populations."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from kundenwert.duration import Duration, check_duration, weeks
from kundenwert.errors import SpecificationError
from kundenwert.scalars import check_count

TWELVE_WEEKS: Final = weeks(12)
THIRTY_NINE_WEEKS: Final = weeks(39)

if TYPE_CHECKING:
    import pandas as pd

    from kundenwert.models.core import FixedParameters, PurchaseModel, SpendModel

__all__ = ["cdnow", "donations", "simulated", "subscription_cohorts"]


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


def donations() -> pd.DataFrame:
    """In which of six years 11,104 donors of a non-profit organisation gave again, as a table of counts.

    All of them gave for the first time in 1995. Each of the years 1996 to 2001 is an opportunity, used or not; the
    years 2002 to 2006 are the hold-out.

    Returns
    -------
    pandas.DataFrame
        22 rows, one per distinct history: ``frequency`` (years with a donation), ``recency`` (number of the last of
        them), ``opportunities`` (6), ``customers`` (how many donors share the history) and ``donations_later`` (years
        with a donation from 2002 to 2006, all of these donors together). For
        :meth:`kundenwert.OpportunityHistories.from_counts`.

    References
    ----------
    Fader, P. S., Hardie, B. G. S. and Shang, J. (2010). Customer-Base Analysis in a Discrete-Time Noncontractual
    Setting. Marketing Science 29(6), 1086-1108.

    Examples
    --------
    >>> import kundenwert as kw
    >>> kw.datasets.donations().head(3)
       frequency  recency  opportunities  customers  donations_later
    0          6        6              6       1203             4252
    1          5        6              6        728             2227
    2          4        6              6        512             1393
    """
    import pandas as pd

    with files("kundenwert").joinpath("data", "donations.csv").open("rb") as file:
        return pd.read_csv(file)


def subscription_cohorts() -> pd.DataFrame:
    """How many of 1,000 contracts were left after each of twelve yearly renewals, in two cohorts of a service.

    Of the "regular" customers and of the "high_end" ones. The published calibration uses renewals 0 to 7 and predicts
    8 to 12.

    Returns
    -------
    pandas.DataFrame
        26 rows, one per cohort and renewal: ``cohort``, ``renewal`` (0 for the start, to 12) and ``survivors``.

    Notes
    -----
    The source gives per cent of the customers with one decimal, here taken as contracts of 1,000.

    References
    ----------
    Fader, P. S. and Hardie, B. G. S. (2007). How to Project Customer Retention. Journal of Interactive Marketing
    21(1), 76-90.

    Examples
    --------
    >>> import kundenwert as kw
    >>> kw.datasets.subscription_cohorts().head(3)
        cohort  renewal  survivors
    0  regular        0       1000
    1  regular        1        631
    2  regular        2        468
    """
    import pandas as pd

    with files("kundenwert").joinpath("data", "subscription_cohorts.csv").open("rb") as file:
        return pd.read_csv(file)


def simulated(
    purchases: FixedParameters[PurchaseModel[Any]],
    spend: FixedParameters[SpendModel[Any]] | None = None,
    *,
    customers: int,
    seed: int,
    acquired_over: Duration = TWELVE_WEEKS,
    observed_for: Duration = THIRTY_NINE_WEEKS,
    start: str = "2024-01-01",
) -> pd.DataFrame:
    """A log of purchases drawn from a model, to try methods where the truth is known.

    Customers buy for the first time on days spread evenly over the first `acquired_over`, and are observed until
    `observed_for` after `start`. Purchases of a customer on one day stay separate rows.

    Parameters
    ----------
    purchases : for example ``MBGNBD.Parameters(r=0.52, alpha=6.2, a=0.89, b=1.6, unit="week")``
        When customers buy.
    spend : for example ``GammaGamma.Parameters(p=6.25, q=3.74, gamma=15.44)``, optional
        How much they spend, rounded to cents; without it the log has no amounts.
    customers : int
        How many.
    seed : int
        Makes the log reproducible.
    acquired_over, observed_for : Duration
        Period of the first purchases, and of all purchases; whole days are used.
    start : str
        First day, as YYYY-MM-DD.

    Returns
    -------
    pandas.DataFrame
        ``customer_id`` (1 to `customers`), ``date`` (days) and, with `spend`, ``amount``; in order of date.

    Examples
    --------
    >>> import kundenwert as kw
    >>> truth = kw.MBGNBD.Parameters(r=0.52, alpha=6.2, a=0.89, b=1.6, unit="week")
    >>> log = kw.datasets.simulated(truth, customers=100, seed=1)
    >>> log.columns.tolist(), log["customer_id"].nunique()
    (['customer_id', 'date'], 100)
    """
    import numpy as np
    import pandas as pd

    customers = check_count(customers, "customers")
    acquisition = int(check_duration(acquired_over, "acquired_over").in_days)
    days = int(check_duration(observed_for, "observed_for").in_days)
    if not 1 <= acquisition <= days:
        message = (
            f"customers are acquired over at least a day and at most the {days} days of observation; "
            f"got acquired_over={acquired_over!r}"
        )
        raise SpecificationError(message)
    rng = np.random.default_rng(seed)
    model = purchases.model()
    if model.clock != "time":
        message = (
            f"a log is simulated from a model of purchases in time, and {type(model).__name__} counts opportunities; "
            "its method simulate tells which of them customers use"
        )
        raise SpecificationError(message)
    unit = Duration(1).in_unit(purchases.measure)
    theta = model.named([np.asarray(float(getattr(purchases, name))) for name in model.parameter_names])
    first = np.sort(rng.uniform(0, acquisition, customers))
    repeats = model.simulate(theta, (days - first) * unit, rng)
    customer = np.concatenate([np.arange(customers), repeats.customer])
    day = np.concatenate([first, first[repeats.customer] + repeats.time / unit]).astype(np.int64)
    columns = {"customer_id": customer + 1, "date": np.datetime64(start, "D") + np.minimum(day, days - 1)}
    if spend is not None:
        spend_model = spend.model()
        values = [np.asarray(float(getattr(spend, name))) for name in spend_model.parameter_names]
        columns["amount"] = spend_model.simulate(spend_model.named(values), customer, rng).round(2)
    log = pd.DataFrame(columns)
    return log.sort_values(["date", "customer_id"], kind="stable", ignore_index=True)
