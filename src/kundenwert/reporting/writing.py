"""The verb: everything on one page."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from math import isclose
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

import pandas as pd

from kundenwert.duration import check_duration, years
from kundenwert.economics import NewCustomerValue
from kundenwert.economics.assumptions.lookup import rows_of
from kundenwert.economics.newcomers.newcomers import LONGEST_YEARS
from kundenwert.economics.relationship.phase_rules import RULES
from kundenwert.economics.value.distinct import check_posteriors
from kundenwert.errors import DataError, MissingInformationError, SpecificationError
from kundenwert.histories.base import as_histories, check_clock
from kundenwert.histories.tables import open_table
from kundenwert.language import language_of, mark
from kundenwert.plot.canvas import check_matplotlib
from kundenwert.posterior import PurchasePosterior, SpendPosterior
from kundenwert.posterior.summary import check_interval
from kundenwert.progress import shown_as, stages
from kundenwert.reporting.blocks import table_of
from kundenwert.reporting.findings import STAGES, Findings, Question
from kundenwert.reporting.headline import footer, key_figures, subtitle
from kundenwert.reporting.html import page
from kundenwert.reporting.remarks import problems
from kundenwert.reporting.sections import sections
from kundenwert.scalars import check_count, is_whole
from kundenwert.storage.disk import write_whole

if TYPE_CHECKING:
    from os import PathLike

    from narwhals.stable.v2.typing import IntoDataFrame

    from kundenwert.duration import Horizon
    from kundenwert.economics import Economics, KnownAmount, PhaseRules
    from kundenwert.histories import CustomerHistories, OpportunityHistories
    from kundenwert.transactions.times import Day

__all__ = ["Report", "report"]

TITLE: Final = mark("What our customers are worth")


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Report:
    """A page, and its numbers.

    Parameters
    ----------
    path : pathlib.Path
        Where the page is.
    table : pandas.DataFrame
        All numbers of the page, one row each: ``section``, ``item``, ``value``, ``lower``, ``upper`` (NaN without an
        interval), ``unit`` (shares are fractions), ``shown``, as on the page, and ``meaning``, in a sentence.
    """

    path: Path
    table: pd.DataFrame

    def __repr__(self) -> str:
        return f"Report({str(self.path)!r}, {len(self.table):,} numbers in {self.table['section'].nunique()} sections)"

    def _repr_html_(self) -> str:
        uri = escape(self.path.resolve().as_uri())
        return f'<p>{escape(repr(self))}: <a href="{uri}">open the page</a></p>'


def report(
    log: IntoDataFrame | None,
    histories: CustomerHistories | OpportunityHistories,
    purchases: PurchasePosterior,
    spend: SpendPosterior | KnownAmount,
    economics: Economics,
    *,
    horizon: Horizon,
    path: str | PathLike[str],
    title: str | None = None,
    customers: IntoDataFrame | None = None,
    channel: str = "channel",
    by: pd.Series | str | None = None,
    holdout_until: Day | None = None,
    rules: PhaseRules = RULES,
    warnings: int = 20,
    futures: int = 1000,
    seed: int = 1,
    interval: float = 0.90,
    new_customers: NewCustomerValue | None = None,
    language: str = "en",
    progress: bool | None = None,
) -> Report:
    """Write one HTML page about the customer base, for people who decide, and return its numbers as a table.

    The page stands alone: it loads nothing and runs nothing, opens without a network, on a phone and on paper. It holds
    the base in numbers, what it is worth and has brought, who holds the value, segments, phases, early warnings, new
    customers, and whether the numbers can be trusted. Each number has a plain sentence, each part a note on when not to
    trust it. The same arguments give the same page.

    It shows ids of customers in the list of early warnings; mind where you put it, or leave the list out with
    ``warnings=0``.

    Parameters
    ----------
    log
        pandas, Polars or PyArrow table that the histories were made from; None if there is none, or it has no amounts:
        then contributions to date and segments are left out.
    histories : CustomerHistories or OpportunityHistories
        The customers.
    purchases : PurchasePosterior
        When customers buy.
    spend : SpendPosterior or KnownAmount
        How much they spend at a purchase.
    economics : Economics
        Margins, costs and discounting.
    horizon : Duration, Periods or LIFETIME
        How far ahead.
    path : str or path
        Where to write the page, for example ``"customers.html"``. A file that is there is replaced.
    title : str, optional
        Its heading; by default "What our customers are worth", in the language of the page.
    customers : data frame, optional
        Table with ``customer_id`` and the columns that `economics` or `spend` look up by :class:`PerCustomer`.
    channel : str
        Its column of channels, if the acquisition cost is by channel.
    by : pandas.Series or str, optional
        Groups of your own, such as :func:`kundenwert.acquisition_cohort`, or a column of `customers`, such as
        ``"channel"``: adds a part about them.
    holdout_until : str or date, optional
        If the log goes on after the histories end: compare predictions with what happened until this date.
    rules : PhaseRules
        Where phases begin. A model that counts opportunities needs rules that do.
    warnings : int
        How many customers to list in the early warnings.
    futures : int
        How many futures of each distinct customer to simulate.
    seed : int
        Of these.
    interval : float
        Probability of the equal-tailed intervals.
    new_customers : NewCustomerValue, optional
        What :func:`kundenwert.new_customer_value` says for the same horizon, for example channel by channel, each with
        a fit of its own. By default it is computed from `purchases` and `spend`; with an acquisition cost by channel
        it is left out then, because one fit for all channels cannot tell what a customer of each is worth.
    language : str
        Of the whole page, of its numbers and of the table: ``"en"`` or ``"de"``.
    progress : bool, optional
        Whether to show how far it is; by default as :func:`kundenwert.show_progress` says.

    Returns
    -------
    Report
        With the attributes ``path`` and ``table``.

    Raises
    ------
    MissingPackageError
        If matplotlib is not installed.
    SpecificationError
        For contracts; if the folder of `path` does not exist, or there is no such `language`; or if `new_customers`
        looks ahead for another time.
    FileWriteError
        If the page cannot be written; then an old one is as it was.
    InfiniteValueError
        If purchases for life are not finite without discounting, or the mean amount is infinite.
    MissingInformationError
        If the histories lack amounts that spend needs, or a table of customers is missing.
    """
    check_matplotlib()
    target, spoken = _target(path), language_of(language)
    _check_posterior(purchases)
    check_posteriors(purchases, spend, economics)
    check_clock(purchases.model, as_histories(histories))
    if len(histories) == 0:
        message = "there are no customers to report on; expected histories of one customer or more"
        raise DataError(message)
    check_duration(horizon, "horizon", lifetime=True).in_unit(purchases.unit)
    title = spoken.say(TITLE) if title is None else title
    _check(title, warnings)
    check_count(seed, "seed", smallest=0)
    asked = Question(
        log=None if log is None else open_table(log, "the log").to_native(),  # what streams its rows gives them once
        histories=histories,
        purchases=purchases,
        spend=spend,
        economics=economics,
        horizon=horizon,
        customers=customers,
        channel=channel,
        by=_groups(by, histories, customers),
        holdout_until=holdout_until,
        rules=rules,
        warnings=warnings,
        futures=futures,
        seed=seed,
        interval=check_interval(interval),
        new_customers=_of_this_horizon(new_customers, horizon),
        language=spoken,
    )
    with shown_as("report", progress), stages(STAGES) as begin:
        found = Findings.of(asked, begin)
        begin("the page")
        source, table = written(found, title)
    write_whole(str(target), source.encode("utf-8"))
    return Report(path=target, table=table)


def written(found: Findings, title: str) -> tuple[str, pd.DataFrame]:
    """The page and its numbers, in the language that was asked for."""
    parts = sections(found)
    source = page(
        title,
        subtitle(found),
        figures=key_figures(found),
        alarms=problems(found),
        sections=parts,
        footer=footer(found),
        language=found.language,
    )
    return source, table_of(parts, found.language)


def _target(path: str | PathLike[str]) -> Path:
    """Where to write, if that is possible."""
    try:
        target = Path(path)
    except TypeError as error:
        message = f"path is where to write the page, for example 'customers.html'; got {path!r}"
        raise SpecificationError(message) from error
    if target.is_dir() or not target.parent.is_dir():
        what = "is a folder" if target.is_dir() else f"lies in the folder {str(target.parent)!r}, which does not exist"
        message = f"path={str(target)!r} {what}; name a file in a folder that exists, for example 'customers.html'"
        raise SpecificationError(message)
    return target


def _groups(
    by: pd.Series | str | None, histories: CustomerHistories | OpportunityHistories, customers: IntoDataFrame | None
) -> pd.Series | None:
    """Groups by customer; a name is looked up among the columns of the table of customers."""
    if not isinstance(by, str):
        return by
    if customers is None:
        message = (
            f"by={by!r} names a column of the table of customers, and there is none; hand one in with the columns "
            f"customer_id and {by}: customers=table"
        )
        raise MissingInformationError(message)
    table, place = rows_of(customers, by, "by", histories.customer_id)
    labels = pd.Series(table.get_column(by).to_list(), dtype=object)
    return pd.Series(labels.to_numpy()[place], index=histories.customer_id, name=by)


def _of_this_horizon(new: object, horizon: Horizon) -> NewCustomerValue | None:
    """New customers that are looked at for as long as all others."""
    if new is None:
        return None
    if not isinstance(new, NewCustomerValue):
        message = (
            f"new_customers takes what kundenwert.new_customer_value(…) returns, got {type(new).__name__}; call it "
            "with a fit for each channel, or leave new_customers out"
        )
        raise SpecificationError(message)
    wanted = (years(LONGEST_YEARS) if horizon.is_lifetime else horizon).in_unit(new.unit)
    if not isclose(new.limit, wanted, rel_tol=1e-9):
        message = (
            f"new_customers looks {new.limit:g} {new.unit}s ahead, and the report {wanted:g}; call "
            f"kundenwert.new_customer_value(…, horizon={horizon!r})"
        )
        raise SpecificationError(message)
    if not (new.table["first_purchase"] > 0).all():
        message = (
            "new_customers leaves out the first purchase, and the page counts it; call "
            "kundenwert.new_customer_value(…, first_purchase=True)"
        )
        raise SpecificationError(message)
    return new


def _check_posterior(purchases: object) -> None:
    """Refuse contracts, and what is no posterior."""
    if not isinstance(purchases, PurchasePosterior):
        message = (
            "a report is about customers who buy, and purchases must be a PurchasePosterior; got "
            f"{type(purchases).__name__}. For contracts, ask kundenwert.customer_equity for what they are worth, and "
            "draw kundenwert.plot.survival(purchases.survival_curve())"
        )
        raise SpecificationError(message)


def _check(title: object, warnings: object) -> None:
    if not isinstance(title, str) or not title.strip():
        message = f"title is the heading of the page, got {title!r}"
        raise SpecificationError(message)
    if not is_whole(warnings) or warnings < 0:
        message = f"warnings is how many customers to list, 0 or more; got {warnings!r}"
        raise SpecificationError(message)
