"""Where one phase of a relationship ends and the next begins: rules that a firm sets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, final

from kundenwert.duration import Duration, Horizon, check_duration, weeks, years
from kundenwert.errors import DurationError, SpecificationError
from kundenwert.scalars import is_number, store_plainly

if TYPE_CHECKING:
    from kundenwert.duration import Unit

__all__ = ["PHASES", "RULES", "Phase", "PhaseRules", "check_rules"]

type Phase = Literal["first purchase", "doubt", "established", "cooling", "lapsed"]
"""What a phase of a relationship is called."""

YEAR: Final = years(1)
FOUR_WEEKS: Final = weeks(4)

PHASES: Final[tuple[Phase, ...]] = ("first purchase", "doubt", "established", "cooling", "lapsed")
"""In the order in which customers go through them while they are silent."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseRules:
    """Where the phases of a relationship begin.

    All of it is about purchases, which can be seen, and not about who is "alive", which cannot. What is called the
    return probability here is that of a purchase within `horizon`, as judged after a silence, relative to what it was
    right after the customer's last purchase.

    Parameters
    ----------
    horizon : Duration or Periods
        How far ahead a return counts. It should hold several usual gaps between purchases: a year for a shop, some
        years for furniture.
    welcome : Duration or Periods
        How long after a first purchase the customer simply counts as new ("first purchase").
    doubt_until : float
        "Doubt" lasts until this share of those who buy again within `horizon` after their first purchase have done
        so, according to the model: 0.8 for 80 %.
    cooling_below : float
        Who has bought again is "established" until the return probability has fallen to this share of what it was,
        then "cooling". One-time buyers are cooling once the time of doubt is over.
    lapsed_below : float
        Customers have "lapsed" when the return probability has fallen to this share of what it was.

    Examples
    --------
    >>> import kundenwert as kw
    >>> kw.PhaseRules(horizon=kw.years(3), welcome=kw.months(3))
    PhaseRules(horizon=years(3), welcome=months(3), doubt_until=0.8, cooling_below=0.7, lapsed_below=0.4)
    """

    horizon: Horizon = YEAR
    welcome: Horizon = FOUR_WEEKS
    doubt_until: float = 0.8
    cooling_below: float = 0.7
    lapsed_below: float = 0.4

    def __post_init__(self) -> None:
        horizon, welcome = check_duration(self.horizon, "horizon"), check_duration(self.welcome, "welcome")
        kinds = [isinstance(length, Duration) or length.of for length in (horizon, welcome)]
        if kinds[0] != kinds[1] or "renewal" in kinds:
            message = (
                f"horizon and welcome are both lengths of time, or both numbers of opportunities; got {horizon!r} and "
                f"{welcome!r}"
            )
            raise DurationError(message)
        if not _length(welcome) < _length(horizon):
            message = (
                f"the welcome must be shorter than the horizon within which a return counts; got {welcome!r} and "
                f"{horizon!r}"
            )
            raise SpecificationError(message)
        for name in ("doubt_until", "cooling_below", "lapsed_below"):
            share = getattr(self, name)
            if not is_number(share) or not 0 < share < 1:
                message = f"{name} is a share between 0 and 1, 0.3 for 30 %; got {share!r}"
                raise SpecificationError(message)
        if not self.lapsed_below < self.cooling_below:
            message = (
                "customers cool before they lapse, so lapsed_below must be below cooling_below; got "
                f"{self.lapsed_below!r} and {self.cooling_below!r}"
            )
            raise SpecificationError(message)
        store_plainly(self, "doubt_until", "cooling_below", "lapsed_below")

    def lengths(self, unit: Unit) -> tuple[float, float]:
        """Horizon and welcome in the unit of a posterior.

        Raises
        ------
        DurationError
            If the rules measure time and the posterior counts opportunities, or the other way round.
        """
        if (unit == "opportunity") == isinstance(self.horizon, Duration):
            remedy = (
                "rules=kundenwert.PhaseRules(horizon=kundenwert.opportunities(5), welcome=kundenwert.opportunities(1))"
                if unit == "opportunity"
                else "rules=kundenwert.PhaseRules(horizon=kundenwert.years(1), welcome=kundenwert.weeks(4))"
            )
            got, expected = ("time", "opportunities") if unit == "opportunity" else ("opportunities", "time")
            message = (
                f"the phase rules are about {got}, {self.horizon!r}, and the model about {expected}; write {remedy}"
            )
            raise DurationError(message)
        return self.horizon.in_unit(unit), self.welcome.in_unit(unit)


def check_rules(rules: object) -> None:
    """Refuse what are no rules."""
    if not isinstance(rules, PhaseRules):
        message = f"rules must be PhaseRules, got {rules!r}; write kundenwert.PhaseRules(horizon=kundenwert.years(1))"
        raise SpecificationError(message)


def _length(horizon: Horizon) -> float:
    return horizon.in_days if isinstance(horizon, Duration) else float(horizon.count)


RULES: Final = PhaseRules()
"""The usual ones."""
