"""Which effect the held-out of a plan can show, against the one that is expected."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtri

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Detectable", "smallest_effect"]

LEVEL: Final = 0.05
POWER: Final = 0.80
FAR_BELOW: Final = 0.5  # of what can be seen: there, 3 campaigns in 10 show the effect
MOST: Final = 0.5  # of the customers: more held out than contacted shows less
SHARES: Final = np.arange(0.05, MOST + 1e-9, 0.05)


def smallest_effect(without: float, *, contacted: float, held_out: float) -> float:
    """The rise of a return probability that a campaign shows in 4 cases of 5: significant at 5 %, with a power of 80 %.

    The usual test of two shares p0 (held out) and p1 (contacted), whose difference is found where

        p1 - p0 = z(.975) √(p (1 - p) (1/n0 + 1/n1)) + z(.80) √(p0 (1 - p0)/n0 + p1 (1 - p1)/n1),

    with the share p of both together: Fleiss, Levin & Paik (2003), Statistical Methods for Rates and Proportions, 3rd
    edition, chapter 4.

    Parameters
    ----------
    without : float
        Return probability without an offer, p0.
    contacted, held_out : float
        Numbers of customers, n1 and n0.

    Returns
    -------
    float
        p1 - p0; inf if even certain returns would not be seen.
    """
    n0, n1 = held_out, contacted
    if n0 == 0 or n1 == 0:
        return math.inf

    def missing(effect: float) -> float:
        p1 = min(without + effect, 1.0)
        both = (n0 * without + n1 * p1) / (n0 + n1)
        chance = math.sqrt(both * (1 - both) * (1 / n0 + 1 / n1))
        spread = math.sqrt(without * (1 - without) / n0 + p1 * (1 - p1) / n1)
        return effect - float(ndtri(1 - LEVEL / 2)) * chance - float(ndtri(POWER)) * spread

    largest = 1.0 - without
    if largest <= 0 or missing(largest) < 0:
        return math.inf
    smallest = 1e-12 * largest
    return float(brentq(missing, smallest, largest)) if missing(smallest) < 0 else smallest


class Detectable(NamedTuple):
    """What a comparison of contacted and held-out can show.

    Attributes
    ----------
    contacted, held_out
        Numbers of customers who are compared.
    without
        Mean probability that they return without an offer.
    expected
        By how much an offer is expected to raise that of the contacted, on average.
    detectable
        By how much it has to, to be seen: :func:`smallest_effect`.
    """

    contacted: int
    held_out: int
    without: float
    expected: float
    detectable: float

    @classmethod
    def of(cls, table: pd.DataFrame) -> Detectable:
        """Of rows of the table of a plan; those without an intended offer are compared with nobody."""
        compared = table[table["intended_offer"].notna()]
        sent = (compared["decision"] == "contact").to_numpy()
        without = compared["p_return_without"].to_numpy(dtype=np.float64)
        change = compared["p_return"].to_numpy(dtype=np.float64) - without
        n1, n0 = int(sent.sum()), int((~sent).sum())
        mean = float(without.mean()) if len(without) else math.nan
        return cls(
            n1,
            n0,
            mean,
            float(change[sent].mean()) if n1 else math.nan,
            smallest_effect(mean, contacted=n1, held_out=n0),
        )

    @property
    def says_little(self) -> bool:
        """Whether the expected effect is far below what can be seen."""
        return self.expected < FAR_BELOW * self.detectable

    def sentence(self) -> str:
        """What can be seen, in words."""
        seen, expected = "no effect at all", f"{100 * self.expected:.2g} points"
        if self.detectable < 1:
            seen = f"an effect of {100 * self.detectable:.3g} points or more"
        return (
            f"{self.held_out:,} of the held-out are compared with {self.contacted:,} contacted: that would show "
            f"{seen} on the return probability (in 4 campaigns of 5, at 5 %), where {expected} are expected"
        )

    def remedy(self) -> str:
        """How to see the expected effect, as far as that can be said."""
        both = self.contacted + self.held_out
        for share in SHARES.tolist():
            seen = smallest_effect(self.without, contacted=(1 - share) * both, held_out=share * both)
            if seen <= self.expected:
                return f"hold_out={share:.2g} would show it"
        return "half of them held out would not show it either: evaluate several campaigns together"
