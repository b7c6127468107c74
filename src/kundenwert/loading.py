"""Reading whatever was saved: the one place that knows all kinds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast, get_args

from kundenwert.histories import (
    CampaignLog,
    ContractHistories,
    CustomerHistories,
    OpportunityHistories,
    OrganicReturn,
)
from kundenwert.posterior import CampaignPosterior, ContractPosterior, PurchasePosterior, SpendPosterior
from kundenwert.storage import keeping
from kundenwert.winback import CampaignEvaluation, WinbackPlan

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

__all__ = ["Kept", "load"]

type Kept = (
    PurchasePosterior
    | SpendPosterior
    | ContractPosterior
    | CampaignPosterior
    | CustomerHistories
    | OpportunityHistories
    | ContractHistories
    | CampaignLog
    | OrganicReturn
    | WinbackPlan
    | CampaignEvaluation
)
"""What can be saved."""


def load(path: str | PathLike[str], *, models: Sequence[type[Any]] = ()) -> Kept:
    """Read what a method ``save`` wrote: a posterior, histories, a campaign log, a plan or its evaluation.

    What comes back is equal to the last bit. Files hold data only: loading one runs no code that it brings along.

    Parameters
    ----------
    path : str or path
        The file.
    models : sequence of model classes
        Models that do not come with kundenwert, if the file may hold one of them.

    Raises
    ------
    MissingFileError
        If there is no such file. It is a FileNotFoundError.
    FileReadError
        If the system does not let it be read.
    FileFormatError
        If the file is damaged, was not saved by kundenwert, or comes from a newer version.

    Warns
    -----
    FileFormatWarning
        If the file is of the older format 1, in which damage to the numbers cannot be noticed: save it again. Or if it
        comes from a newer version, and something in it was skipped that is not needed for the rest.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import kundenwert as kw
    >>> published = kw.fixed(kw.BGNBD.Parameters(r=0.243, alpha=4.414, a=0.793, b=2.426, unit="week"))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     published.save(Path(folder) / "published.nc")
    ...     kw.load(Path(folder) / "published.nc")
    PurchasePosterior(BGNBD, 1 × 1 draws per week, fixed, 0 customers)
    """
    return cast("Kept", keeping.load(path, get_args(Kept.__value__), models))
