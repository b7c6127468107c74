"""BG/CNBD-k: BG/NBD with regular gaps; Reutterer, Platzer & Schröder (2021), IJRM 38(1), 194-215."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final, override

from kundenwert.models.families.condensed import CondensedModel, CondensedParameters

__all__ = ["BGCNBD"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class BGCNBD(CondensedModel):
    """Customers buy more or less regularly until, after some *repeat* purchase, they leave for good.

    Gaps between purchases are sums of `k` random stages: with k = 1 they are as random as can be, which is
    :class:`BGNBD`; the larger k, the more regular. Nobody can leave before the first repeat purchase, so that P(alive)
    is 1 for every one-time buyer, by construction. Prefer :class:`MBGCNBD` unless you must reproduce BG/CNBD-k results.

    Parameters
    ----------
    k : int
        Stages of a gap. The standard deviation of a customer's gaps is 1/sqrt(k) of their mean.
    mean_rate : Prior
        Mean purchase rate while active, r/(k alpha), per *year*.
    shape : Prior
        Shape r of the rates across customers; small means that few customers make most purchases.
    mean_dropout : Prior
        Mean probability of leaving after a repeat purchase, a/(a+b).
    concentration : Prior
        a + b; large means that all customers have about the same dropout probability.

    Notes
    -----
    Source: Reutterer, Platzer & Schröder (2021), International Journal of Research in Marketing 38(1), 194-215.
    Expectations are exact, unlike those of BTYDplus.
    """

    first: ClassVar[int] = 0

    @final
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Parameters(CondensedParameters["BGCNBD"]):
        """Given values of k, r, alpha, a and b; alpha in `unit`."""

        @override
        def model(self) -> BGCNBD:
            return BGCNBD(k=self.k)
