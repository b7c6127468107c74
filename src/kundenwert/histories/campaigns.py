"""CampaignLog: who was sent which offer, who was held out, and who returned within the window."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, Self, final, override

import numpy as np
import pandas as pd

from kundenwert.duration import Horizon, Unit, check_duration
from kundenwert.errors import ColumnError, DataError, DurationError, RowError
from kundenwert.histories.audit import Audit
from kundenwert.histories.bad_rows import check_on_bad_rows, droppable
from kundenwert.histories.base import Histories, check_clock
from kundenwert.histories.campaign_columns import check_campaign, offer_codes, spend_of
from kundenwert.histories.campaign_covariates import described, taken_over
from kundenwert.histories.campaign_terms import CampaignTerms, column, organic_columns
from kundenwert.histories.cells import Cells, CohortLabel, HistoryColumn, NeedsHistory, collapse
from kundenwert.histories.contract_columns import flags, label_codes
from kundenwert.histories.control_labels import UNSAID, Unsaid
from kundenwert.histories.organic import OrganicReturn, chosen_positions
from kundenwert.histories.parts import freeze
from kundenwert.histories.tables import customer_table
from kundenwert.histories.validation import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from narwhals.stable.v2.typing import IntoDataFrame
    from numpy.typing import ArrayLike, NDArray

    type Floats = NDArray[np.float64]
    type Integers = NDArray[np.int64]

__all__ = ["CampaignLog"]


@final
@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class CampaignLog(Histories):
    """One row per customer who was sent an offer or held out, with what they did within the window.

    Made by :meth:`from_pandas`. Arrays have shape (customers,) and are read-only.

    Attributes
    ----------
    customer_id
        Unique ids.
    offer
        0 for a customer who was held out, else 1 plus the position of the offer in `offers`.
    offers
        Labels of the offers, sorted.
    returned
        1 if the customer bought within `window` of the contact (or of the date on which the others were contacted).
    window
        How long the campaign was watched.
    organic
        What these customers do by themselves within the window, seen from the date of the contact; unknown
        (:meth:`OrganicReturn.unknown`) if nobody said.
    segment, segments
        Position of the customer's segment, and the labels, sorted; zeros and empty if nobody named any.
    campaign, campaigns
        Position of the campaign that each row is of, and the labels; None and empty if all are of one.
    covariates
        Further numbers and categories, one column each, indexed by customer_id; None without.
    spend
        What customers spent within the window; None if nobody said.
    audit
        What became of every row of the table.

    Raises
    ------
    RowError
        If a row cannot be; names the first customer.
    DataError
        If arrays differ in length, or the window is not that of `organic`.
    """

    customer_id: pd.Index
    offer: Integers
    offers: tuple[str, ...]
    returned: Integers
    window: Horizon
    organic: OrganicReturn
    segment: Integers
    segments: tuple[CohortLabel, ...] = ()
    campaign: Integers | None = None
    campaigns: tuple[CohortLabel, ...] = ()
    covariates: pd.DataFrame | None = None
    spend: Floats | None = None
    audit: Audit

    def __post_init__(self) -> None:
        object.__setattr__(self, "customer_id", self.customer_id.rename("customer_id"))
        object.__setattr__(self, "offers", tuple(self.offers))
        object.__setattr__(self, "segments", tuple(self.segments))
        object.__setattr__(self, "campaigns", tuple(self.campaigns))
        freeze(self, np.int64, "offer", "returned", "segment", "campaign")
        freeze(self, np.float64, "spend")
        check_campaign(self)

    @property
    @override
    def measure(self) -> Literal["campaign"]:
        return "campaign"

    @property
    @override
    def periods_per_year(self) -> float:
        return math.nan

    def __repr__(self) -> str:
        held, sent = int((self.offer == 0).sum()), int((self.offer > 0).sum())
        offers = f"{len(self.offers)} offer{'' if len(self.offers) == 1 else 's'}"
        return (
            f"CampaignLog({len(self):,} customers, {sent:,} sent one of {offers}, {held:,} held out, "
            f"{int(self.returned.sum()):,} returned within {self.window!r})"
        )

    @classmethod
    @droppable
    def from_pandas(
        cls,
        frame: IntoDataFrame,
        *,
        organic: OrganicReturn | None = None,
        window: Horizon,
        customer: str = "customer_id",
        offer: str = "offer",
        returned: str = "returned",
        spend: str | None = None,
        segment: str | None = None,
        campaign: str | None = None,
        covariates: Sequence[str] = (),
        control: str | Unsaid | None = UNSAID,
        on_bad_rows: Literal["raise", "drop"] = "raise",
    ) -> Self:
        """Take over a table with one row per customer who was contacted or held out.

        Parameters
        ----------
        frame
            pandas, Polars or PyArrow table, rows in any order.
        organic : OrganicReturn, optional
            From :func:`kundenwert.organic_return`, made from the histories as they were on the date of the contact. It
            may hold more customers. Without it, for a campaign without a log of purchases, all customers are taken to
            return by themselves with one probability, which the held-out tell; only segments and covariates tell
            customers apart. Effects and their assessment can be asked of what is learned then, but no plan, which needs
            to know what customers do and are worth.
        window : Duration or Periods
            How long after the contact returns were counted: the window of `organic`.
        customer
            Name of the id column (in pandas also of the index).
        offer
            Column with the label of the offer, a string; null, or the label `control`, for customers who were held
            out.
        returned
            Column that says whether the customer bought within the window: True or 1, False or 0. Held-out customers
            are counted in the same way.
        spend
            Column with what they spent within the window, if known; 0 or null for those who did not return.
        segment
            Column with the segment: strings, integers or categories. Without it, all belong to one.
        campaign
            Column with the campaign, if the rows are of several, sent at different times: each has a level of returns
            of its own then, so that a season does not pass for an effect where shares of held-out differ.
        covariates
            Columns by which the effect of an offer may differ: numbers, truth values, or texts (and categories), of
            which each level is a term of its own. Rows that agree in everything are computed once, so rounded numbers
            are faster than exact ones.
        control : str, optional
            The label of the customers who were held out, such as ``"No E-Mail"``, if they have one; those with null
            are held out as well. Without it, a label that looks like one ("control", "none", "no …", "ohne …") is asked
            about. With ``control=None`` every label is that of an offer, whatever it says.
        on_bad_rows
            Whether rows without an id or an organic return, or with what cannot be, are an error, or are left out and
            counted in the audit by reason. A customer with two rows is always an error: which of them is right cannot
            be told.

        Raises
        ------
        DataError
            If the table is lazy, empty or no table, the windows differ, or a label looks like that of a control group
            and nobody said what it is.
        ColumnError
            If a column is missing or of the wrong type.
        RowError
            If a row holds what cannot be; names the first customer.
        """
        check_on_bad_rows(on_bad_rows)
        if isinstance(covariates, str):
            message = (
                f"covariates takes a sequence of column names, got {covariates!r}; write covariates=[{covariates!r}]"
            )
            raise ColumnError(message)
        if organic is not None and not isinstance(organic, OrganicReturn):
            message = (
                "organic takes what kundenwert.organic_return(purchases, histories, window=…) gives, or nothing where "
                f"no purchases are known; got {type(organic).__name__}"
            )
            raise DataError(message)
        more = [name for name in (spend, segment, campaign) if name is not None]
        table, customer_id = customer_table(frame, customer, [offer, returned, *more, *covariates])
        codes, offers = offer_codes(table, offer, customer_id, control)
        places, segments = label_codes(table, segment, customer_id, label="segment")
        rounds, campaigns = label_codes(table, campaign, customer_id, label="campaign")
        held = taken_over(table, covariates, customer_id)
        if not customer_id.is_unique:
            message = (
                f"customer {shown(customer_id, int(np.argmax(customer_id.duplicated())))} occurs more than once; "
                "expected one row per customer: each was sent one offer, or none"
            )
            raise RowError(message)
        check_duration(window, "window")
        back = flags(
            table,
            returned,
            customer_id,
            "True or 1 for a customer who returned within the window, False or 0 for one who did not",
            "several purchases are one return; fill gaps, or leave the rows out",
        )
        return cls(
            customer_id=customer_id,
            offer=codes,
            offers=offers,
            returned=back.astype(np.int64),
            window=window,
            organic=OrganicReturn.unknown(customer_id, window=window)
            if organic is None
            else organic.select(customer_id),
            segment=places,
            segments=segments,
            campaign=rounds if len(campaigns) > 1 else None,
            campaigns=campaigns if len(campaigns) > 1 else (),
            covariates=held,
            spend=None if spend is None else spend_of(table, spend, back),
            audit=Audit(rows_read=len(table), kept=len(table), customers=len(table)),
        )

    def to_pandas(self) -> pd.DataFrame:
        """Return columns customer_id, offer (None: held out), returned, and segment, campaign, spend and covariates."""
        labels = np.array([None, *self.offers], dtype=object)
        offer = pd.Series(labels[self.offer], dtype=object)  # None stays None
        frame = pd.DataFrame({"customer_id": self.customer_id, "offer": offer, "returned": self.returned == 1})
        if self.segments:
            frame["segment"] = pd.Index(self.segments).take(self.segment)
        if self.campaign is not None:
            frame["campaign"] = pd.Index(self.campaigns).take(self.campaign)
        if self.spend is not None:
            frame["spend"] = self.spend
        if self.covariates is not None:
            for name, values in self.covariates.items():
                frame[name] = values.to_numpy()
        return frame

    @override
    def cells(self, model: NeedsHistory) -> Cells:
        """Collapse to the distinct rows, organic log-odds in classes of width 0.05.

        Raises
        ------
        MissingInformationError
            If the model is not one of campaigns.
        """
        check_clock(model, self)
        reduced, scores = organic_columns(self.organic, with_shares="shares" in model.needs)
        columns: dict[HistoryColumn, Floats] = {
            "offer": self.offer.astype(np.float64),
            "segment": self.segment.astype(np.float64),
            "returned": self.returned.astype(np.float64),
            **reduced,
        }
        if self.campaign is not None:
            columns["campaign"] = self.campaign.astype(np.float64)
        further, covariates, categories = described(pd.DataFrame() if self.covariates is None else self.covariates)
        columns |= {column("covariate", k): values for k, values in enumerate(further)}
        cells = collapse(columns, customers=len(self), unit=self.measure, periods_per_year=self.periods_per_year)
        terms = CampaignTerms(
            offers=self.offers,
            segments=self.segments,
            states=self.organic.states,
            covariates=covariates,
            categories=categories,
            campaigns=self.campaigns,
            window=self.window,
            scores=scores,
            source=self.organic.source,
            organic_known=self.organic.known,
        )
        return replace(cells, campaign=terms)

    @override
    def take(self, positions: ArrayLike) -> Self:
        """The customers at these positions (integers, or a mask), in that order; all offers and segments stay known."""
        chosen = chosen_positions(len(self), positions)
        return replace(
            self,
            customer_id=self.customer_id.take(chosen),
            offer=self.offer[chosen],
            returned=self.returned[chosen],
            organic=self.organic.take(chosen),
            segment=self.segment[chosen],
            campaign=None if self.campaign is None else self.campaign[chosen],
            covariates=None if self.covariates is None else self.covariates.iloc[chosen],
            spend=None if self.spend is None else self.spend[chosen],
        )

    @override
    def in_unit(self, unit: Unit) -> Self:
        """Return the log itself: a campaign is seen once, over its window."""
        if unit != self.measure:
            message = f"a campaign has no times to be expressed in {unit!r}; use a model of campaigns"
            raise DurationError(message)
        return self
