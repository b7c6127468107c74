"""The parts of the page, in their order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kundenwert.reporting.sections.assumptions import assumptions
from kundenwert.reporting.sections.base import base
from kundenwert.reporting.sections.concentration import concentration
from kundenwert.reporting.sections.early_warnings import early_warnings
from kundenwert.reporting.sections.limits import limits
from kundenwert.reporting.sections.newcomers import newcomers
from kundenwert.reporting.sections.phases import phases
from kundenwert.reporting.sections.segments import groups, segments
from kundenwert.reporting.sections.trust import trust
from kundenwert.reporting.sections.value import contribution, value

if TYPE_CHECKING:
    from kundenwert.reporting.blocks import Section
    from kundenwert.reporting.findings import Findings

__all__ = ["sections"]

PARTS = (
    base,
    assumptions,
    value,
    contribution,
    concentration,
    groups,
    segments,
    phases,
    early_warnings,
    newcomers,
    trust,
    limits,
)


def sections(found: Findings) -> tuple[Section, ...]:
    """All parts that there is something to say in."""
    return tuple(section for part in PARTS if (section := part(found)) is not None)
