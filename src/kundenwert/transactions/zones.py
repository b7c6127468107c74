"""Time zones by name, and the wall clock in them."""

from __future__ import annotations

import difflib
import re
import zoneinfo
from typing import TYPE_CHECKING

import pandas as pd

from kundenwert.errors import SpecificationError

if TYPE_CHECKING:
    from datetime import tzinfo

    import numpy as np
    from numpy.typing import NDArray

    type Times = NDArray[np.datetime64]

__all__ = ["check_zone", "wall_clock", "zone_name"]


def check_zone(time_zone: object) -> None:
    """Check that this is the name of a time zone, or None.

    Raises
    ------
    SpecificationError
        Names zones that are spelt alike.
    """
    if time_zone is None or (isinstance(time_zone, str) and _known(time_zone)):
        return
    guess = ""
    if isinstance(time_zone, str):
        names = {name.casefold(): name for name in zoneinfo.available_timezones()}
        cities = {name.rpartition("/")[2]: full for name, full in sorted(names.items())}
        asked = time_zone.casefold().replace(" ", "_")
        close = difflib.get_close_matches(asked, names, n=2, cutoff=0.75)
        found = [names[name] for name in close] or [
            cities[name] for name in difflib.get_close_matches(asked, cities, n=2, cutoff=0.75)
        ]
        guess = f"; did you mean {' or '.join(map(repr, found))}?" if found else ""
    message = (
        f"time_zone={time_zone!r} is no time zone; expected a name such as 'Europe/Berlin', 'America/New_York' or "
        f"'UTC'{guess}"
    )
    raise SpecificationError(message)


def zone_name(zone: str | tzinfo) -> str:
    """Return the name under which pandas finds this time zone."""
    name = str(zone)
    if path := re.fullmatch(r"tzfile\('(.+)'\)", name):
        return f"dateutil/{path[1]}"
    return "UTC" if name in {"tzutc()", "Z"} else name


def wall_clock(instants: Times, zone: str) -> Times:
    """Show instants, given as UTC, on the clocks of a time zone; shape (rows,)."""
    local: Times = pd.DatetimeIndex(instants).tz_localize("UTC").tz_convert(zone).tz_localize(None).to_numpy()
    return local


def _known(name: str) -> bool:
    if not name:
        return False
    try:
        pd.Timestamp(0).tz_localize("UTC").tz_convert(name)
    except (KeyError, ValueError, TypeError, OSError):
        return False
    return True
